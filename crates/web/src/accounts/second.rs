//! The second factor: codes of six digits by the clock (RFC 6238: SHA-1, 30 s), and recovery codes for who lost
//! the phone.
//!
//! Promise: a code of the clock is good once, at its step or one beside it, and never again with a smaller step
//! than the last one used. A recovery code is good once. Nothing here reads a clock or draws a number.

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Seconds of a step.
const STEP: i64 = 30;
/// Steps beside the present one that are taken: clocks of phones go wrong by less.
const DRIFT: i64 = 1;
/// Bytes of a secret: as long as the hash.
pub(crate) const SECRET: usize = 20;
/// Recovery codes that are handed out, and bytes of each: 120 bits, so that a plain hash is enough (NIST SP 800-63B asks
/// for 112, or a salt).
pub(crate) const RECOVERY: usize = 10;
pub(crate) const RECOVERY_BYTES: usize = 15;

/// An authenticator that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// Its secret, in base 32.
    secret: String,
    /// The step of the last code that was used.
    last: i64,
    /// SHA-256 of the recovery codes that are left, hexadecimal.
    recovery: Vec<String>,
}

/// A secret that is shown and not yet proved.
pub(crate) fn secret(random: &[u8; SECRET]) -> String {
    BASE32_NOPAD.encode(random)
}

/// What a code was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Used {
    /// Of the clock.
    Clock,
    /// For who lost the phone.
    Recovery,
}

/// A recovery code as people write it: six groups of four.
pub(crate) fn recovery_code(random: &[u8; RECOVERY_BYTES]) -> String {
    let text = BASE32_NOPAD.encode(random).to_lowercase();
    let groups: Vec<&str> = (0..6).map(|n| &text[n * 4..n * 4 + 4]).collect();
    groups.join("-")
}

/// What an authenticator reads from the picture.
pub(crate) fn address(secret: &str, email: &str) -> String {
    let who = form_urlencoded::byte_serialize(email.as_bytes()).collect::<String>();
    format!("otpauth://totp/Pasarela:{who}?secret={secret}&issuer=Pasarela&algorithm=SHA1&digits=6&period=30")
}

/// The step that a moment (Unix seconds) lies in.
fn step(at: i64) -> i64 {
    at.div_euclid(STEP)
}

/// The code of a step.
fn code(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let bits = u32::from_be_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]) & 0x7fff_ffff;
    bits % 1_000_000
}

/// The step whose code this is, of those that are taken now and come after `last`.
fn matching(secret: &str, given: &str, now: i64, last: i64) -> Option<i64> {
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let mut found = None;
    // All of them are computed, whichever fits.
    for step in step(now) - DRIFT..=step(now) + DRIFT {
        let fits = format!("{:06}", code(&secret, step)).as_bytes().ct_eq(given.as_bytes());
        if bool::from(fits) && step > last {
            found = Some(step);
        }
    }
    found
}

impl Second {
    /// An authenticator whose secret was shown, if the first code is right, and its recovery codes.
    pub(crate) fn enrol(secret: &str, given: &str, now: i64, recovery: &[String]) -> Option<Self> {
        let last = matching(secret, &plain(given), now, i64::MIN)?;
        Some(Self { secret: secret.to_owned(), last, recovery: recovery.iter().map(|c| hashed(c)).collect() })
    }

    /// Uses a code up: of the clock, or for recovery. `None`: it is not good, or was used.
    pub(crate) fn take(&mut self, given: &str, now: i64) -> Option<Used> {
        let given = plain(given);
        if let Some(step) = matching(&self.secret, &given, now, self.last) {
            self.last = step;
            return Some(Used::Clock);
        }
        let hash = hashed(&given);
        let before = self.recovery.len();
        self.recovery.retain(|known| !bool::from(known.as_bytes().ct_eq(hash.as_bytes())));
        (self.recovery.len() < before).then_some(Used::Recovery)
    }

    /// Recovery codes that are left.
    pub(crate) fn left(&self) -> usize {
        self.recovery.len()
    }
}

/// As people type it, without spaces and dashes.
fn plain(given: &str) -> String {
    given.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).take(64).collect()
}

fn hashed(code: &str) -> String {
    hex::encode(Sha256::digest(plain(code).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1: the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let key = b"12345678901234567890";
        let of = |at| format!("{:06}", code(key, step(at)));
        let wanted = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (at, code) in wanted {
            assert_eq!(of(at), code, "{at}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_one_step_beside_its_own() {
        let secret = secret(b"12345678901234567890");
        let text = |at: i64| format!("{:06}", code(b"12345678901234567890", step(at)));
        let codes = vec![recovery_code(&[7; RECOVERY_BYTES]), recovery_code(&[8; RECOVERY_BYTES])];
        assert_eq!(Second::enrol(&secret, "000000", 60, &codes), None);
        let mut second = Second::enrol(&secret, &text(60), 60, &codes).expect("its first code");
        assert!(second.take(&text(60), 60).is_none(), "the code that enrolled it was used");
        assert!(second.take(&text(150), 60).is_none(), "three steps ahead");
        let spaced = format!(" {} {}", &text(119)[..3], &text(119)[3..]);
        assert_eq!(second.take(&spaced, 60), Some(Used::Clock), "a phone that is a step ahead, as it writes it");
        assert!(second.take(&text(60), 89).is_none(), "an older code after a newer one");
        assert!(second.take(&text(119), 120).is_none(), "the same again");
        assert!(second.take(&text(120), 179).is_some(), "a phone that is a step behind");
        assert!(second.take(&text(180), 240).is_none(), "two steps behind");
        let taken = [codes[0].to_uppercase(), codes[0].clone()].map(|c| second.take(&c, 0));
        assert_eq!(taken, [Some(Used::Recovery), None], "a recovery code, once");
        // Those that were handed out before codes were longer are good still.
        second.recovery.push(hashed("abcd-efgh-ijkl-mnop"));
        assert_eq!(second.take("ABCD EFGH IJKL MNOP", 0), Some(Used::Recovery));
        assert_eq!(second.left(), 1);
        assert!(second.take("", 0).is_none());
    }

    #[test]
    fn an_authenticator_reads_who_and_what() {
        let address = address("JBSWY3DP", "luz.ospina@example.com");
        assert!(
            address.starts_with("otpauth://totp/Pasarela:luz.ospina%40example.com?secret=JBSWY3DP&issuer=Pasarela")
        );
        assert_eq!(recovery_code(&[0; RECOVERY_BYTES]), "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa");
    }
}
