//! The one way by which personal fields and raw bodies go into the store.
//!
//! Envelope encryption: a master key outside of the database (`seal/master.rs`) wraps data keys and an index key
//! that the database keeps. Sealed bytes are `[data key, 1 byte][nonce, 12 bytes][AES-256-GCM ciphertext and
//! tag]`; keys are changed by `seal/renewal.rs`. Searches go by keyed hash under the index key, which never changes.
//!
//! No nonce is used twice by a key: a sealer counts them from a place of chance, behind four bytes of chance, so
//! that two sealers of one key (nodes, or starts of one) meet only if both agree and their counts overlap.

mod master;
mod renewal;

pub use master::{InvalidMaster, Master};
pub(crate) use master::{unwrap, wrap};
pub(crate) use renewal::{
    BITE_BYTES, Key, Stand, TABLES, Table, Wrapped, number, open as open_keys, opens_next, purpose, renewed, sealer,
    wrap_by,
};
pub use renewal::{Resealed, Rotated, SEALS_OF_A_KEY, SealState, Seals, rotate, sealed_columns};

use crate::audit::Chain;
use parking_lot::RwLock;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that have passed through [`Sealer::seal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub(crate) Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Sealed data or keys that cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SealError {
    /// The master key is missing.
    #[error(
        "the sealing key {0} is missing; the database cannot be read without it: put the file back (or what is named in its place), or restore a backup together with its key"
    )]
    KeyMissing(Master),
    /// The key does not fit the database.
    #[error("the sealing key {0} does not belong to this database")]
    WrongKey(Master),
    /// The master key cannot be used.
    #[error("the sealing key {master}: {why}")]
    KeyFile {
        /// Where it is.
        master: Master,
        /// What is wrong.
        why: String,
    },
    /// Damaged bytes.
    #[error("sealed data does not open: it was changed or damaged")]
    Damaged,
}

/// Seals and opens. Share it by reference.
pub struct Sealer {
    data: RwLock<DataKeys>,
    index: [u8; 16],
    chain: Chain,
    nonce_prefix: [u8; 4],
    nonce_counter: AtomicU64,
    /// Seals by the present data key that are not counted in the database yet.
    uncounted: AtomicU64,
    /// It copies what it is given: see [`Sealer::copy_from_now_on`].
    copies: AtomicBool,
}

/// Data keys, and which of them seals.
struct DataKeys {
    present: u8,
    all: Vec<(u8, LessSafeKey)>,
}

impl DataKeys {
    fn find(&self, number: u8) -> Option<&LessSafeKey> {
        self.all.iter().find(|(n, _)| *n == number).map(|(_, key)| key)
    }
}

/// Number of the first data key of a database.
const FIRST: u8 = 1;
/// Number that no data key has: what was copied and not sealed.
const COPIED: u8 = 0;

impl Sealer {
    /// A sealer of a data key (32 bytes) and an index key (32 bytes).
    pub(crate) fn new(data: &[u8; 32], index: &[u8; 32]) -> Result<Self, SealError> {
        let mut nonce_prefix = [0; 4];
        let mut start = [0; 8];
        let random = SystemRandom::new();
        random.fill(&mut nonce_prefix).map_err(|_| SealError::Damaged)?;
        random.fill(&mut start).map_err(|_| SealError::Damaged)?;
        Ok(Self {
            data: RwLock::new(DataKeys { present: FIRST, all: vec![(FIRST, aead(data)?)] }),
            index: std::array::from_fn(|i| index[i]),
            chain: Chain::new(index),
            nonce_prefix,
            nonce_counter: AtomicU64::new(u64::from_le_bytes(start)),
            uncounted: AtomicU64::new(0),
            copies: AtomicBool::new(false),
        })
    }

    /// For the bench alone, which measures what sealing costs: what is given from now on is copied, into as many bytes
    /// as if it were sealed, and only this sealer opens it again. Never where anybody's data is.
    pub fn copy_from_now_on(&self) {
        self.copies.store(true, Ordering::Relaxed);
    }

    /// Learns of a data key; with `present` it seals from now on.
    pub(crate) fn learn(&self, number: u8, key: &[u8; 32], present: bool) -> Result<(), SealError> {
        let key = aead(key)?;
        let mut data = self.data.write();
        data.all.retain(|(n, _)| *n != number);
        data.all.push((number, key));
        if present && number > data.present {
            data.present = number;
            self.uncounted.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Number of the data key that seals.
    pub(crate) fn present(&self) -> u8 {
        self.data.read().present
    }

    /// Does it know this data key, or does it seal by a later one?
    pub(crate) fn knows(&self, number: u8) -> bool {
        self.data.read().find(number).is_some()
    }

    /// Seals by the present data key since this was asked last.
    pub(crate) fn take_uncounted(&self) -> u64 {
        self.uncounted.swap(0, Ordering::Relaxed)
    }

    /// Seals.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Sealed {
        if self.copies.load(Ordering::Relaxed) {
            let mut out = vec![COPIED; 1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len()];
            out[1 + NONCE_LEN..][..plain.len()].copy_from_slice(plain);
            return Sealed(out);
        }
        let mut nonce = [0u8; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.nonce_prefix);
        nonce[4..].copy_from_slice(&self.nonce_counter.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let mut out = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        let data = self.data.read();
        out.push(data.present);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let body = &mut out[1 + NONCE_LEN..];
        let aad = Aad::from([data.present]);
        // Sealing fails only for inputs above 64 GiB, far beyond every size limit at the border.
        if let Some(key) = data.find(data.present)
            && let Ok(tag) = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, body)
        {
            out.extend_from_slice(tag.as_ref());
        }
        self.uncounted.fetch_add(1, Ordering::Relaxed);
        Sealed(out)
    }

    /// Seals a JSON value.
    #[must_use]
    pub fn seal_json<T: serde::Serialize + ?Sized>(&self, value: &T) -> Sealed {
        self.seal(&serde_json::to_vec(value).unwrap_or_default())
    }

    /// Opens.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, body) = sealed.split_at_checked(1 + NONCE_LEN).ok_or(SealError::Damaged)?;
        if head[0] == COPIED && self.copies.load(Ordering::Relaxed) {
            let length = body.len().checked_sub(AES_256_GCM.tag_len()).ok_or(SealError::Damaged)?;
            return Ok(body[..length].to_vec());
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| SealError::Damaged)?;
        let mut body = body.to_vec();
        let data = self.data.read();
        let key = data.find(head[0]).ok_or(SealError::Damaged)?;
        let plain = key.open_in_place(nonce, Aad::from([head[0]]), &mut body).map_err(|_| SealError::Damaged)?;
        let length = plain.len();
        body.truncate(length);
        Ok(body)
    }

    /// Keyed hash for look-ups: 63 bits of SipHash-2-4, different in every database and stable within it.
    #[must_use]
    pub fn hash(&self, parts: &[&str]) -> i64 {
        let mut hasher = siphasher::sip::SipHasher24::new_with_key(&self.index);
        for part in parts {
            hasher.write(part.as_bytes());
            // A byte that UTF-8 never holds keeps ("ab", "c") apart from ("a", "bc").
            hasher.write(&[0xff]);
        }
        (hasher.finish() >> 1) as i64
    }

    /// Keyed hash by which an address is looked for among those that are not written to.
    pub(crate) fn address(&self, address: &str) -> i64 {
        self.hash(&["address", &address.trim().to_lowercase()])
    }

    /// Keyed hash by which entries of the audit are looked for by a name.
    pub(crate) fn named(&self, name: &str) -> i64 {
        self.hash(&["audit name", &name.trim().to_lowercase()])
    }

    /// Key of the audit's chain.
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Keyed hash of bytes.
    #[must_use]
    pub fn hash_bytes(&self, bytes: &[u8]) -> i64 {
        let mut hasher = siphasher::sip::SipHasher24::new_with_key(&self.index);
        hasher.write(bytes);
        (hasher.finish() >> 1) as i64
    }
}

fn aead(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| SealError::Damaged)
}

/// Why a data key cannot be made now.
pub(crate) const BETWEEN: &str = "the master key is being changed: finish that first, with `pasarela seal rotate`";
/// Why there are no more.
pub(crate) const TOO_MANY: &str = "there are 255 data keys, and no more can be made in this database";

/// A fresh random key.
pub(crate) fn fresh_key() -> Result<[u8; 32], SealError> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| SealError::Damaged)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_only_unchanged_and_with_their_key() {
        let sealer = Sealer::new(&[1; 32], &[2; 32]).unwrap();
        let sealed = sealer.seal(b"valentina@correo.example");
        assert!(!sealed.0.windows(9).any(|w| w == b"valentina"));
        assert_eq!(sealer.open(&sealed.0).unwrap(), b"valentina@correo.example");
        for i in 0..sealed.0.len() {
            let mut changed = sealed.0.clone();
            changed[i] ^= 1;
            assert!(sealer.open(&changed).is_err(), "byte {i}");
        }
        assert!(Sealer::new(&[3; 32], &[2; 32]).unwrap().open(&sealed.0).is_err());
        assert!(sealer.open(b"short").is_err());
    }

    /// What the bench compares with is as long, and opens for nobody else.
    #[test]
    fn what_was_copied_for_the_bench_opens_nowhere_else() {
        let (real, copying) = (Sealer::new(&[1; 32], &[2; 32]).unwrap(), Sealer::new(&[1; 32], &[2; 32]).unwrap());
        let before = copying.seal(b"antes");
        copying.copy_from_now_on();
        let (copied, sealed) = (copying.seal(b"luz.ospina@example.com"), real.seal(b"luz.ospina@example.com"));
        assert_eq!(copied.0.len(), sealed.0.len());
        assert_eq!(copying.open(&copied.0).unwrap(), b"luz.ospina@example.com");
        assert_eq!(copying.open(&before.0).unwrap(), b"antes");
        assert!(real.open(&copied.0).is_err(), "it passes for nothing that was sealed");
    }

    #[test]
    fn a_later_key_seals_and_earlier_ones_open() {
        let sealer = Sealer::new(&[1; 32], &[2; 32]).unwrap();
        let first = sealer.seal(b"antes");
        sealer.learn(2, &[5; 32], false).unwrap();
        assert_eq!(sealer.seal(b"x").0[0], 1, "it is known and does not seal yet");
        sealer.learn(2, &[5; 32], true).unwrap();
        let second = sealer.seal(b"luego");
        assert_eq!((second.0[0], sealer.present(), sealer.take_uncounted()), (2, 2, 1));
        assert_eq!(
            (sealer.open(&first.0).unwrap(), sealer.open(&second.0).unwrap()),
            (b"antes".into(), b"luego".into())
        );
        let mut other = second.0.clone();
        other[0] = 1;
        assert!(sealer.open(&other).is_err(), "a value does not pass for one of another key");
        other[0] = 9;
        assert!(sealer.open(&other).is_err(), "nor of one that there is not");
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let sealer = Sealer::new(&[1; 32], &[2; 32]).unwrap();
        let nonces: std::collections::HashSet<Vec<u8>> =
            (0..10_000).map(|_| sealer.seal(b"").0[1..13].to_vec()).collect();
        assert_eq!(nonces.len(), 10_000);
        let other = Sealer::new(&[1; 32], &[2; 32]).unwrap().seal(b"").0[1..13].to_vec();
        assert!(!nonces.contains(&other), "another start begins elsewhere");
    }
}
