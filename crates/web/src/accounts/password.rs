//! Passwords: argon2id by the parameters that OWASP names (19 MiB, two passes, one lane), off the threads that
//! answer, two at a time, with a short queue before them: who tries many costs the hub a bounded part of itself.
//!
//! What is a good password is said by its length and by lists, never by kinds of characters (NIST SP 800-63B).

use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// KiB of memory, passes, lanes.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// Hashed at the same time, and waiting behind them.
const AT_ONCE: usize = 2;
const WAITING: usize = 16;
/// Characters.
pub(crate) const SHORTEST: usize = 12;
pub(crate) const LONGEST: usize = 128;

/// Words that many passwords are made of; what follows or leads in digits and signs makes none of them better.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("common.txt").lines().map(str::trim).filter(|l| !l.is_empty()).collect());

/// A password, hashed with what it was hashed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashed {
    /// KiB, passes, lanes.
    cost: (u32, u32, u32),
    /// Hexadecimal.
    salt: String,
    /// Hexadecimal, 32 bytes.
    hash: String,
}

/// Why a text is not taken as a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Weak {
    /// Below [`SHORTEST`].
    #[error("a password has at least {SHORTEST} characters")]
    Short,
    /// Above [`LONGEST`].
    #[error("a password has at most {LONGEST} characters")]
    Long,
    /// Of those that are tried first.
    #[error("this password is one of those that are tried first; take several words that do not belong together")]
    Common,
}

/// Too many want to be let in at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

/// Where passwords are hashed.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    working: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(AT_ONCE)), queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Desk {
    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: &str) -> Result<Hashed, Crowded> {
        let salt: [u8; 16] = rand::rng().random();
        let hash = self.work(password, COST, salt.to_vec()).await?;
        Ok(Hashed { cost: COST, salt: hex::encode(salt), hash: hex::encode(hash) })
    }

    /// Is it this password? Of nobody's password it takes the same time to say no.
    pub(crate) async fn is(&self, password: &str, known: Option<&Hashed>) -> Result<bool, Crowded> {
        // Nothing longer was ever taken.
        let password: String = password.chars().take(LONGEST + 1).collect();
        let (cost, salt) = known.map_or((COST, vec![0; 16]), |k| (k.cost, hex::decode(&k.salt).unwrap_or_default()));
        let hash = hex::encode(self.work(&password, cost, salt).await?);
        Ok(known.is_some_and(|k| bool::from(hash.as_bytes().ct_eq(k.hash.as_bytes()))))
    }

    async fn work(&self, password: &str, cost: (u32, u32, u32), salt: Vec<u8>) -> Result<[u8; 32], Crowded> {
        let _place = self.queue.clone().try_acquire_owned().map_err(|_| Crowded)?;
        let turn = self.working.clone().acquire_owned().await.map_err(|_| Crowded)?;
        let password = password.to_owned();
        let hashed = tokio::task::spawn_blocking(move || {
            // Ends with the work, whether somebody still waits for it or not.
            let _turn = turn;
            let mut out = [0; 32];
            let params = Params::new(cost.0, cost.1, cost.2, Some(out.len()))?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.as_bytes(), &salt, &mut out)
                .map(|()| out)
        });
        match hashed.await {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(e)) => {
                tracing::error!(error = %e, "a password could not be hashed");
                Err(Crowded)
            }
            Err(_) => Err(Crowded),
        }
    }
}

/// Is it good enough? `about`: what is known of its owner, such as name and address.
pub(crate) fn judge(password: &str, about: &[&str]) -> Result<(), Weak> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(Weak::Short);
    }
    if length > LONGEST {
        return Err(Weak::Long);
    }
    let lower = password.to_lowercase();
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let own = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    // A word of the list, or of the owner's own, with little beside it.
    let made_of = |word: &str| {
        let word = word.to_lowercase();
        let rest = letters.replace(&word, "");
        word.chars().count() >= 4 && lower.contains(&word) && rest.chars().count() < 4
    };
    if kinds.len() < 5 || is_run(&lower) || COMMON.iter().any(|word| made_of(word)) || own.into_iter().any(made_of) {
        return Err(Weak::Common);
    }
    Ok(())
}

/// `123456789012`, `abcdefghijkl`, `qwertyuiop12`: mostly steps to the next character or along a row of keys.
fn is_run(text: &str) -> bool {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjklñ", "zxcvbnm"];
    let chars: Vec<char> = text.chars().collect();
    let beside = |a: char, b: char| {
        let code = u32::from(b).abs_diff(u32::from(a)) <= 1;
        code || ROWS.iter().any(|row| {
            let at = |c| row.chars().position(|r| r == c);
            at(a).zip(at(b)).is_some_and(|(a, b)| a.abs_diff(b) == 1)
        })
    };
    let steps = chars.windows(2).filter(|pair| beside(pair[0], pair[1])).count();
    steps * 4 >= chars.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_what_is_tried_first_does_not() {
        let own = ["Luz Ospina", "luz.ospina@example.com"];
        for good in
            ["cuatro gatos miran llover", "perchero azul en la nieve", "Xk4-pasarela-lluvia-91", "ñandú corre de lado"]
        {
            assert_eq!(judge(good, &own), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("corta", Weak::Short),
            ("once letras", Weak::Short),
            ("contraseña123!", Weak::Common),
            ("Password2026", Weak::Common),
            ("123456789012", Weak::Common),
            ("qwertyuiop123", Weak::Common),
            ("aaaaaaaaaaaa", Weak::Common),
            ("abababababab", Weak::Common),
            ("Pasarela2026!", Weak::Common),
            ("ospinaospina12", Weak::Common),
        ] {
            assert_eq!(judge(bad, &own), Err(why), "{bad}");
        }
        assert_eq!(judge(&"gato ".repeat(26), &own), Err(Weak::Long));
        assert_eq!(judge(&"ñ8kz".repeat(3), &own), Err(Weak::Common), "four characters over and over");
    }

    #[tokio::test]
    async fn a_hash_is_its_own_and_a_crowd_waits_outside() {
        let desk = Desk::default();
        let kept = desk.hash("cuatro gatos miran llover").await.unwrap();
        let again = desk.hash("cuatro gatos miran llover").await.unwrap();
        assert_ne!(kept, again, "each has its salt");
        assert!(desk.is("cuatro gatos miran llover", Some(&kept)).await.unwrap());
        assert!(!desk.is("cuatro gatos miran llorar", Some(&kept)).await.unwrap());
        assert!(!desk.is("cuatro gatos miran llover", None).await.unwrap(), "nobody has it");
        let _all = desk.queue.clone().acquire_many_owned((AT_ONCE + WAITING) as u32).await.unwrap();
        assert_eq!(desk.is("cuatro gatos miran llover", Some(&kept)).await, Err(Crowded));
    }
}
