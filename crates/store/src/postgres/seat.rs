//! A node's seat: a lock beside the key file, so that nodes of one machine may share the file, and a
//! start after a crash knows that an earlier life at its seat is over, without waiting for its row to expire.

use crate::contract::Error;
use std::hash::Hasher as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Seats beside one key file: as many as ids have room for nodes.
const SEATS: usize = 32;

/// A seat that is taken.
pub(super) struct Seat {
    /// Beside this lie the seat's lock and the socket for commands.
    pub(super) home: PathBuf,
    /// What nobody else is: the lock file, and the running kernel that guards it.
    pub(super) identity: String,
    /// For people.
    pub(super) name: String,
    _lock: std::fs::File,
}

/// Beside which paths the files of a database's seats lie: `KEY_FILE.HASH`, `KEY_FILE.HASH.2` and so on.
/// `shown`: the database's address, since one key file may serve several.
pub(super) fn homes(key_file: &Path, shown: &str) -> impl Iterator<Item = PathBuf> {
    let mut hasher = siphasher::sip::SipHasher24::new();
    hasher.write(shown.as_bytes());
    let mut first = key_file.as_os_str().to_owned();
    first.push(format!(".{:08x}", hasher.finish() >> 32));
    (1..=SEATS).map(move |number| {
        let mut path = first.clone();
        if number > 1 {
            path.push(format!(".{number}"));
        }
        PathBuf::from(path)
    })
}

impl Seat {
    /// Takes the first that is free.
    pub(super) fn take(key_file: &Path, shown: &str) -> Result<Self, Error> {
        for home in homes(key_file, shown) {
            let mut path = home.as_os_str().to_owned();
            path.push(".lock");
            let path = PathBuf::from(path);
            let failed = |e: std::io::Error| {
                Error::Database(format!(
                    "cannot lock {}: {e}; does the folder of store.key_file exist, and may this user write to it?",
                    path.display()
                ))
            };
            let file =
                std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => continue,
                Err(std::fs::TryLockError::Error(e)) => return Err(failed(e)),
            }
            let of = file.metadata().map_err(failed)?;
            let kernel = |name: &str| {
                let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
                text.trim().to_owned()
            };
            let absolute = std::path::absolute(&home).unwrap_or_else(|_| home.clone());
            let name = format!("{}:{}", kernel("hostname"), absolute.display());
            let identity = format!("{}/{}/{}/{name}", kernel("random/boot_id"), of.dev(), of.ino());
            return Ok(Self { home, identity, name, _lock: file });
        }
        Err(Error::Locked(format!("{shown} with all {SEATS} nodes that it has room for")))
    }
}
