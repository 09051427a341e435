//! The form of a backup, the same for both databases: the payload (a whole SQLite file, or the tables of
//! a PostgreSQL in COPY's binary form), and behind it one line with what it is and how it is checked.
//!
//! A SQLite payload can be opened by any SQLite as it is: bytes behind the last page are not looked at.
//! The sealing key is never in it; its fingerprint is.

use crate::contract::Error;
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Begins the last line of every backup.
const MARK: &str = "\nPASARELA-BACKUP ";
/// The last line is shorter than this.
const LONGEST: u64 = 256 * 1024;
const FORMAT: u32 = 1;

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Version of the schema.
    pub schema: i64,
    /// When it was made, by the hub's clock.
    pub made_at: jiff::Timestamp,
    /// Program that made it.
    pub program: String,
    /// Fingerprint of the sealing key, without which nothing of it can be read.
    pub key: String,
    /// Bytes of the payload.
    pub bytes: u64,
    /// SHA-256 of the payload, hexadecimal.
    pub sha256: String,
    /// Rows of each table.
    pub tables: BTreeMap<String, Table>,
}

/// A table in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Table {
    /// Rows.
    pub rows: u64,
    /// Columns, in the order of the payload. Only PostgreSQL's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Where it begins in the payload. Only PostgreSQL's.
    #[serde(default)]
    pub at: u64,
    /// Bytes of it in the payload. Only PostgreSQL's.
    #[serde(default)]
    pub bytes: u64,
}

impl Manifest {
    pub(crate) fn new(database: &str, schema: i64, made_at: jiff::Timestamp, key: String) -> Self {
        let program = format!("pasarela {}", env!("CARGO_PKG_VERSION"));
        Self {
            format: FORMAT,
            database: database.to_owned(),
            schema,
            made_at,
            program,
            key,
            bytes: 0,
            sha256: String::new(),
            tables: BTreeMap::new(),
        }
    }
}

/// How far a copy is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.done.store(done, Relaxed);
        self.total.store(total, Relaxed);
    }

    /// Bytes so far, and of how many; 0 of 0 before it began.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.done.load(Relaxed), self.total.load(Relaxed))
    }
}

/// A file that appears whole under its name, or not at all.
pub(crate) struct Draft {
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Draft {
    /// A name beside `target`, which must not be there.
    pub(crate) fn beside(target: &Path) -> Result<Self, Error> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::Database(format!("{} is there already; nothing is overwritten", target.display())));
        }
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let path = PathBuf::from(name);
        // Made by us alone, so that nobody else may read what is written into it.
        use std::os::unix::fs::OpenOptionsExt as _;
        drop(std::fs::remove_file(&path));
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|e| {
            Error::Database(format!(
                "cannot write {}: {e}; does its folder exist, and may the hub write there?",
                path.display()
            ))
        })?;
        Ok(Self { path, target: target.to_owned(), kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it under its name: only then does it exist for others.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::Database(format!("cannot finish {}: {e}", self.target.display()));
        File::open(&self.path).and_then(|f| f.sync_all()).map_err(failed)?;
        // A link fails where the name is taken; a rename would overwrite what came meanwhile.
        match std::fs::hard_link(&self.path, &self.target) {
            Ok(()) => drop(std::fs::remove_file(&self.path)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Err(failed(e)),
            // A file system without links: the moment between the look and the rename is left.
            Err(e) if self.target.symlink_metadata().is_ok() => return Err(failed(e)),
            Err(_) => std::fs::rename(&self.path, &self.target).map_err(failed)?,
        }
        sync_folder(&self.target).map_err(failed)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Names are on disk when their folder is.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Digest and length of the first `bytes` of a file.
fn digest(file: &mut File, bytes: u64, path: &Path) -> Result<String, Error> {
    let failed = |e: std::io::Error| Error::Database(format!("cannot read {}: {e}", path.display()));
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let (mut context, mut left, mut buffer) = (Context::new(&SHA256), bytes, vec![0u8; 1024 * 1024]);
    while left > 0 {
        let most = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
        let n = file.read(&mut buffer[..most]).map_err(failed)?;
        if n == 0 {
            return Err(Error::Corrupt(format!("{} is cut off", path.display())));
        }
        context.update(&buffer[..n]);
        left -= n as u64;
    }
    Ok(hex(context.finish().as_ref()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Closes a payload: its digest and the manifest go behind it, and are on disk.
pub(crate) fn seal_off(path: &Path, mut manifest: Manifest) -> Result<Manifest, Error> {
    let failed = |e: std::io::Error| Error::Database(format!("cannot write {}: {e}", path.display()));
    let mut file = File::options().read(true).write(true).open(path).map_err(failed)?;
    manifest.bytes = file.metadata().map_err(failed)?.len();
    manifest.sha256 = digest(&mut file, manifest.bytes, path)?;
    let line = format!("{MARK}{}\n", serde_json::to_string(&manifest).unwrap_or_default());
    file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(manifest)
}

/// Reads what a backup says of itself.
pub fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    let failed = |e: std::io::Error| Error::Database(format!("cannot read {}: {e}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST))).map_err(failed)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(failed)?;
    let none = || {
        Error::Database(format!(
            "{} is not a backup of pasarela, or it is cut off: its last line is missing",
            path.display()
        ))
    };
    let at = tail.windows(MARK.len()).rposition(|w| w == MARK.as_bytes()).ok_or_else(none)?;
    let line = tail[at + MARK.len()..].strip_suffix(b"\n").ok_or_else(none)?;
    let format: serde_json::Value = serde_json::from_slice(line).map_err(|_| none())?;
    match format["format"].as_u64() {
        Some(f) if f <= u64::from(FORMAT) => {}
        Some(f) => {
            return Err(Error::Database(format!(
                "{} has format {f}, made by a newer pasarela; this one reads up to {FORMAT}: use the newer program",
                path.display()
            )));
        }
        None => return Err(none()),
    }
    let manifest: Manifest = serde_json::from_slice(line).map_err(|_| none())?;
    let payload = length - (tail.len() - at) as u64;
    if manifest.bytes != payload {
        return Err(Error::Corrupt(format!(
            "{} holds {payload} bytes where its manifest says {}",
            path.display(),
            manifest.bytes
        )));
    }
    Ok(manifest)
}

/// Reads the whole payload and compares it with its digest.
pub fn verify(path: &Path) -> Result<Manifest, Error> {
    let manifest = read_manifest(path)?;
    let mut file = File::open(path).map_err(|e| Error::Database(format!("cannot read {}: {e}", path.display())))?;
    let found = digest(&mut file, manifest.bytes, path)?;
    if found != manifest.sha256 {
        return Err(Error::Corrupt(format!(
            "{} is not what was written: its digest is {found}, and should be {}; use another backup",
            path.display(),
            manifest.sha256
        )));
    }
    Ok(manifest)
}

/// Refuses a backup that this program cannot read, or whose key is another one.
pub(crate) fn fits(path: &Path, manifest: &Manifest, database: &str, schema: i64, key: &str) -> Result<(), Error> {
    let name = path.display();
    if manifest.database != database {
        return Err(Error::Database(format!(
            "{name} is a backup of a {} database; store.url names a {database} one",
            manifest.database
        )));
    }
    if manifest.schema > schema {
        return Err(Error::Database(format!(
            "{name} has schema {}, made by a newer pasarela ({}); this one knows up to {schema}: use the newer program",
            manifest.schema, manifest.program
        )));
    }
    if manifest.key != key {
        return Err(Error::Database(format!(
            "{name} is sealed with the key {}, and the key file here is {key}; put the key that belongs to it where store.key_file says",
            manifest.key
        )));
    }
    Ok(())
}
