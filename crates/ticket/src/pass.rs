//! The sealed pass of a person to their own pages: what the hub holds about them, and what they allow.
//!
//! `Q1` and the base64url text of the key's id, a nonce and a sealed body (AES-256-GCM): what it opens, until
//! when, and the address. Nobody reads the address in a link that is forwarded, logged or kept by a browser, and
//! nobody without the hub's keys makes a link.
//!
//! Promise: a changed character, another key and a pass whose time is over open nothing. The same claims give the
//! same pass. The keys are derived from those that sign tickets; the last two are believed, so that a rotation
//! breaks no link and a second one revokes all that are older.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use std::fmt;

const PREFIX: &str = "Q1";
/// Longest pass that is looked at.
const LONGEST: usize = 600;
/// Keys that are believed.
const BELIEVED: usize = 2;

/// What a pass opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// What the person allows.
    Preferences,
    /// What is held about them. It opens their preferences too.
    Data,
}

/// What a pass says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// What it opens.
    pub opens: Opens,
    /// E-mail address, or phone in international form.
    pub address: String,
    /// Until when; `None`: as long as its key is believed.
    pub until: Option<Timestamp>,
}

/// Keys of passes, the one that seals last.
#[derive(Clone, Default)]
pub struct PassKeys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: [u8; 4],
    seal: [u8; 32],
    nonce: hmac::Key,
}

impl fmt::Debug for PassKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassKeys({})", self.0.len())
    }
}

fn derived(seed: &[u8], what: &str) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), what.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(tag.as_ref());
    key
}

impl Key {
    fn new(seed: &[u8]) -> Self {
        let name = derived(seed, "pasarela pass id 1");
        Self {
            id: std::array::from_fn(|i| name[i]),
            seal: derived(seed, "pasarela pass seal 1"),
            nonce: hmac::Key::new(hmac::HMAC_SHA256, &derived(seed, "pasarela pass nonce 1")),
        }
    }

    fn aead(&self) -> Option<LessSafeKey> {
        Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.seal).ok()?))
    }
}

impl PassKeys {
    /// Derived from seeds, the newest last.
    #[must_use]
    pub fn new<S: AsRef<[u8]>>(seeds: &[S]) -> Self {
        let skip = seeds.len().saturating_sub(BELIEVED);
        Self(seeds.iter().skip(skip).map(|seed| Key::new(seed.as_ref())).collect())
    }

    /// Seals a pass. `None`: there is no key.
    #[must_use]
    pub fn seal(&self, pass: &Pass) -> Option<String> {
        let key = self.0.last()?;
        let mut body = vec![match pass.opens {
            Opens::Preferences => 1,
            Opens::Data => 2,
        }];
        body.extend_from_slice(&pass.until.map_or(0, Timestamp::as_second).to_be_bytes());
        body.extend_from_slice(pass.address.as_bytes());
        // Made of the body: equal bodies have equal nonces, and different ones different nonces.
        let made = hmac::sign(&key.nonce, &body);
        let nonce: [u8; NONCE_LEN] = std::array::from_fn(|i| made.as_ref()[i]);
        let aad = Aad::from(PREFIX.as_bytes());
        key.aead()?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body).ok()?;
        let bytes = [key.id.as_slice(), &nonce, &body].concat();
        Some(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)))
    }

    /// What a pass says, if it is true and its time is not over.
    #[must_use]
    pub fn open(&self, text: &str, now: Timestamp) -> Option<Pass> {
        if text.len() > LONGEST {
            return None;
        }
        let mut bytes = BASE64URL_NOPAD.decode(text.strip_prefix(PREFIX)?.as_bytes()).ok()?;
        let (id, rest) = bytes.split_first_chunk_mut::<4>()?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        let key = self.0.iter().find(|key| key.id == *id)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let body = key.aead()?.open_in_place(nonce, Aad::from(PREFIX.as_bytes()), sealed).ok()?;
        let (opens, rest) = body.split_first()?;
        let (until, address) = rest.split_first_chunk::<8>()?;
        let until = match i64::from_be_bytes(*until) {
            0 => None,
            second => Some(Timestamp::from_second(second).ok()?),
        };
        if until.is_some_and(|until| now >= until) {
            return None;
        }
        let opens = match opens {
            1 => Opens::Preferences,
            2 => Opens::Data,
            _ => return None,
        };
        Some(Pass { opens, address: String::from_utf8(address.to_vec()).ok()?, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn pass() -> Pass {
        Pass { opens: Opens::Data, address: "laura@correo.example".into(), until: Some(at(60)) }
    }

    #[test]
    fn a_pass_opens_until_its_time_is_over_and_names_nobody() {
        let keys = PassKeys::new(&[[7; 32]]);
        let text = keys.seal(&pass()).unwrap();
        assert_eq!(keys.seal(&pass()).unwrap(), text, "the same pass is the same link");
        assert_eq!((keys.open(&text, at(59)), keys.open(&text, at(60))), (Some(pass()), None));
        assert!(text.len() < 110 && !text.contains("laura"), "{text}");
        let lasting = Pass { until: None, opens: Opens::Preferences, ..pass() };
        assert_eq!(keys.open(&keys.seal(&lasting).unwrap(), Timestamp::MAX), Some(lasting));
        assert_eq!(PassKeys::default().seal(&pass()), None, "without a key there is none");
    }

    #[test]
    fn what_was_changed_or_sealed_by_others_opens_nothing() {
        let keys = PassKeys::new(&[[7; 32]]);
        let text = keys.seal(&pass()).unwrap();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(keys.open(std::str::from_utf8(&changed).unwrap(), at(0)), None, "character {place}");
            assert_eq!(keys.open(&text[..place], at(0)), None, "cut after {place}");
        }
        assert_eq!(PassKeys::new(&[[8; 32]]).open(&text, at(0)), None);
    }

    #[test]
    fn one_rotation_breaks_no_link_and_the_second_revokes_it() {
        let text = PassKeys::new(&[[1; 32]]).seal(&pass()).unwrap();
        assert!(PassKeys::new(&[[1; 32], [2; 32]]).open(&text, at(0)).is_some());
        assert_eq!(PassKeys::new(&[[1; 32], [2; 32], [3; 32]]).open(&text, at(0)), None);
    }

    proptest! {
        #[test]
        fn nothing_that_people_type_is_a_pass_or_a_panic(text in "(Q1)?.{0,120}") {
            prop_assert!(PassKeys::new(&[[7; 32]]).open(&text, at(0)).is_none());
        }
    }
}
