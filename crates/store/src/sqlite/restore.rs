//! A backup becomes a database again: in a file of its own until everything that must be done to it is
//! done, and only then under its name.

use super::{Options, SqliteStore, connect, schema, take_lock, with_suffix};
use crate::backup::{self, Draft, Manifest};
use crate::contract::Error;
use crate::seal::Master;
use crate::sqlite::writer::classify;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

/// A database that is being restored.
pub struct Restoring {
    draft: Draft,
    master: Master,
    manifest: Manifest,
    /// Nobody begins to serve the name meanwhile.
    _lock: File,
}

impl Restoring {
    /// Checks the backup (form, digest, schema, key, integrity) and copies it beside `to`, which must not
    /// be there. `master`: the key that belongs to it.
    pub fn begin(file: &Path, to: &Path, master: &Master) -> Result<Self, Error> {
        let lock = take_lock(to)?;
        for suffix in ["", "-wal"] {
            let path = with_suffix(to, suffix);
            if path.symlink_metadata().is_ok() {
                return Err(Error::Database(format!(
                    "{} is there already; nothing is overwritten: move it aside, or name another place with --to",
                    path.display()
                )));
            }
        }
        let key = master.fingerprint()?;
        backup::fits(file, &backup::read_manifest(file)?, "sqlite", schema::VERSION, &key)?;
        let manifest = backup::verify(file)?;
        let draft = Draft::beside(to)?;
        let failed = |e: std::io::Error| Error::Database(format!("cannot write {}: {e}", draft.path().display()));
        let source = File::open(file).map_err(failed)?;
        let mut out = File::options().write(true).open(draft.path()).map_err(failed)?;
        std::io::copy(&mut source.take(manifest.bytes), &mut out).and_then(|_| out.flush()).map_err(failed)?;
        drop(out);
        let db = connect(draft.path(), false)?;
        let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0)).map_err(|e| classify(&e))?;
        if verdict != "ok" {
            return Err(Error::Corrupt(format!("{} is not whole: {verdict}; use another backup", file.display())));
        }
        // Who was signed in then is not signed in now. A backup of an earlier build has no such table.
        if db.table_exists(None, "passes").map_err(|e| classify(&e))? {
            db.execute("DELETE FROM passes", []).map_err(|e| classify(&e))?;
        }
        give_back_later(&db).map_err(|e| classify(&e))?;
        drop(db);
        Ok(Self { draft, master: master.clone(), manifest, _lock: lock })
    }

    /// What the backup says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The database as it is now; let it go before [`Restoring::finish`].
    pub fn open(&self) -> Result<SqliteStore, Error> {
        let master = Some(self.master.clone());
        SqliteStore::open(&Options { master, ..Options::file(self.draft.path()) })
    }

    /// Puts it under its name.
    pub fn finish(mut self) -> Result<(), Error> {
        let path = self.draft.path();
        let log = std::fs::metadata(with_suffix(path, "-wal")).map_or(0, |m| m.len());
        if log > 0 {
            return Err(Error::Database(format!("{} is still open", path.display())));
        }
        self.draft.keep()
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        for suffix in [".lock", "-wal", "-shm"] {
            drop(std::fs::remove_file(with_suffix(self.draft.path(), suffix)));
        }
    }
}

/// A file of an earlier build is written anew, so that it can give space back from now on.
pub(super) fn give_back_later(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    let mode: i64 = db.query_row("PRAGMA auto_vacuum", [], |r| r.get(0))?;
    if mode == 2 { Ok(()) } else { db.execute_batch(&format!("{} VACUUM;", schema::NEW_FILE)) }
}
