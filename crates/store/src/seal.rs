//! The one way by which personal fields and raw bodies go into the store.
//!
//! Envelope encryption: a master key outside of the database (a file of mode 0600 beside it in
//! development) wraps a data key and an index key that the database keeps. Sealed bytes are
//! `[key id, 1 byte][nonce, 12 bytes][AES-256-GCM ciphertext and tag]`. Searches go by keyed hash.

use crate::audit::Chain;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::hash::Hasher as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// The key file is missing.
    #[error(
        "the sealing key {0} is missing; the database cannot be read without it: put the file back, or restore a backup together with its key"
    )]
    KeyMissing(PathBuf),
    /// The key does not fit the database.
    #[error("the sealing key {0} does not belong to this database")]
    WrongKey(PathBuf),
    /// The key file cannot be used.
    #[error("the sealing key {path}: {why}")]
    KeyFile {
        /// File.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Damaged bytes.
    #[error("sealed data does not open: it was changed or damaged")]
    Damaged,
}

/// Seals and opens. Share it by reference.
pub struct Sealer {
    data: LessSafeKey,
    index: [u8; 16],
    chain: Chain,
    nonce_prefix: [u8; 4],
    nonce_counter: AtomicU64,
}

const KEY_ID: u8 = 1;

impl Sealer {
    /// A sealer of a data key (32 bytes) and an index key (32 bytes).
    pub(crate) fn new(data: &[u8; 32], index: &[u8; 32]) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, data).map_err(|_| SealError::Damaged)?;
        let mut nonce_prefix = [0; 4];
        let mut start = [0; 8];
        let random = SystemRandom::new();
        random.fill(&mut nonce_prefix).map_err(|_| SealError::Damaged)?;
        random.fill(&mut start).map_err(|_| SealError::Damaged)?;
        Ok(Self {
            data: LessSafeKey::new(unbound),
            index: std::array::from_fn(|i| index[i]),
            chain: Chain::new(index),
            nonce_prefix,
            nonce_counter: AtomicU64::new(u64::from_le_bytes(start)),
        })
    }

    /// Seals.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Sealed {
        let mut nonce = [0u8; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.nonce_prefix);
        nonce[4..].copy_from_slice(&self.nonce_counter.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let mut out = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        out.push(KEY_ID);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let body = &mut out[1 + NONCE_LEN..];
        // Sealing fails only for inputs above 64 GiB, far beyond every size limit at the border.
        if let Ok(tag) =
            self.data.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from([KEY_ID]), body)
        {
            out.extend_from_slice(tag.as_ref());
        }
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
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| SealError::Damaged)?;
        let mut body = body.to_vec();
        let plain = self.data.open_in_place(nonce, Aad::from([head[0]]), &mut body).map_err(|_| SealError::Damaged)?;
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

/// A fresh random key.
pub(crate) fn fresh_key() -> Result<[u8; 32], SealError> {
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| SealError::Damaged)?;
    Ok(key)
}

/// Reads the master key file; makes it (mode 0600) when `create` and it is absent.
pub(crate) fn master_key(path: &Path, create: bool) -> Result<[u8; 32], SealError> {
    let failed = |why: String| SealError::KeyFile { path: path.to_owned(), why };
    match std::fs::read_to_string(path) {
        Ok(text) => decode_hex(text.trim()).ok_or_else(|| failed("it must hold 64 hexadecimal digits".into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && create => {
            use std::os::unix::fs::OpenOptionsExt;
            let key = fresh_key()?;
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|e| failed(e.to_string()))?;
            let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| failed(e.to_string()))?;
            Ok(key)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(SealError::KeyMissing(path.to_owned())),
        Err(e) => Err(failed(e.to_string())),
    }
}

/// What a master key is called by: nobody can tell the key from it.
pub(crate) fn fingerprint(master: &[u8; 32]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"pasarela master key\0");
    context.update(master);
    context.finish().as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Fingerprint of the master key in a file.
pub fn key_fingerprint(path: &Path) -> Result<String, SealError> {
    master_key(path, false).map(|key| fingerprint(&key))
}

/// Wraps a key with the master key, or opens it again.
pub(crate) fn wrap(master: &[u8; 32], key: &[u8; 32]) -> Result<Vec<u8>, SealError> {
    Ok(Sealer::new(master, master)?.seal(key).0)
}

pub(crate) fn unwrap(master: &[u8; 32], wrapped: &[u8], path: &Path) -> Result<[u8; 32], SealError> {
    let plain = Sealer::new(master, master)?.open(wrapped).map_err(|_| SealError::WrongKey(path.to_owned()))?;
    plain.try_into().map_err(|_| SealError::Damaged)
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[i * 2..i * 2 + 2], 16).ok()?;
    }
    Some(key)
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

    #[test]
    fn the_key_file_is_private_and_its_absence_is_loud() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        assert!(matches!(master_key(&path, false), Err(SealError::KeyMissing(_))));
        let key = master_key(&path, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(master_key(&path, true).unwrap(), key);
        let wrapped = wrap(&key, &[9; 32]).unwrap();
        assert_eq!(unwrap(&key, &wrapped, &path).unwrap(), [9; 32]);
        assert!(matches!(unwrap(&[0; 32], &wrapped, &path), Err(SealError::WrongKey(_))));
    }
}
