//! The journal of erasures: outside of the database and of its backups, so that a restored backup erases
//! again what had been erased (G12).
//!
//! A text file beside the database (mode 0600), one line for each erasure, on disk before the erasure
//! begins: `TIME SUBJECT CHECK`. SUBJECT is the keyed hash of the person, of which nobody reads who it was;
//! CHECK finds a line that a crash cut or a hand changed. Lines are only ever added.

use crate::backup::{hex, sync_folder};
use crate::contract::Error;
use jiff::Timestamp;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

const HEAD: &str = "pasarela-erasures 1\n";

/// A person was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// When.
    pub at: Timestamp,
    /// Keyed hash of the person, as [`crate::Sealer::hash`] gives it.
    pub subject: i64,
}

/// The journal that belongs to a database file or a key file.
#[must_use]
pub fn journal_of(home: &Path) -> PathBuf {
    let mut name = home.as_os_str().to_owned();
    name.push(".erasures");
    PathBuf::from(name)
}

fn line(e: Erasure) -> String {
    let text = format!("{} {:016x}", e.at, e.subject);
    let check = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("{text} {}\n", hex(&check.as_ref()[..4]))
}

/// Adds an erasure. It is on disk when this returns.
pub fn record(path: &Path, erasure: Erasure) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |e: std::io::Error| {
        Error::Database(format!("the journal of erasures {}: {e}; the erasure was not begun", path.display()))
    };
    let mut file = File::options().append(true).create(true).read(true).mode(0o600).open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    let mut there = String::new();
    file.read_to_string(&mut there).map_err(failed)?;
    let mut text = String::new();
    if there.is_empty() {
        text.push_str(HEAD);
    } else if !there.ends_with('\n') {
        // What a crash cut stays as it is, on a line of its own.
        text.push('\n');
    }
    text.push_str(&line(erasure));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Every erasure, oldest first. A line that a crash cut is passed over: its erasure had not begun. A line
/// that was changed is an error.
pub fn read(path: &Path) -> Result<Vec<Erasure>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::Database(format!("the journal of erasures {}: {e}", path.display()))),
    };
    let damaged = |n: usize| {
        Error::Corrupt(format!(
            "the journal of erasures {} is not what was written at line {}; take it from its own backup",
            path.display(),
            n + 1
        ))
    };
    let mut all = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate();
    match lines.next() {
        None => return Ok(all),
        Some((_, head)) if head == HEAD => {}
        Some((n, head)) if HEAD.starts_with(head) && text.len() == head.len() => {
            tracing::warn!(line = n + 1, "the journal of erasures was cut at its beginning");
            return Ok(all);
        }
        Some((n, _)) => return Err(damaged(n)),
    }
    for (n, found) in lines {
        match parse(found) {
            Some(erasure) => all.push(erasure),
            // A whole line that is shorter than any is what a crash left, and what came later went behind it.
            None if is_cut(found) => {
                tracing::warn!(line = n + 1, "an erasure was not written whole, and had not begun")
            }
            None => return Err(damaged(n)),
        }
    }
    Ok(all)
}

fn parse(found: &str) -> Option<Erasure> {
    let mut words = found.strip_suffix('\n')?.split(' ');
    let (at, subject, _check, None) = (words.next()?, words.next()?, words.next()?, words.next()) else { return None };
    let erasure = Erasure { at: at.parse().ok()?, subject: i64::from_str_radix(subject, 16).ok()? };
    (line(erasure) == found).then_some(erasure)
}

/// Is it the beginning of a line, and not a line that was changed?
fn is_cut(found: &str) -> bool {
    let check = found.trim_end_matches('\n').splitn(3, ' ').nth(2).unwrap_or_default();
    check.len() < 8 || !found.ends_with('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: i64) -> Erasure {
        let doors: Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        Erasure { at: doors.checked_add(jiff::SignedDuration::from_secs(n)).unwrap(), subject: n * 1_000_003 }
    }

    #[test]
    fn what_is_recorded_is_read_in_order_and_only_its_owner_may() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = journal_of(&folder.path().join("hub.db"));
        assert_eq!(read(&path).unwrap(), []);
        for n in 0..3 {
            record(&path, at(n)).unwrap();
        }
        assert_eq!(read(&path).unwrap(), [at(0), at(1), at(2)]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_cut_line_is_passed_over_and_a_changed_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        record(&path, at(1)).unwrap();
        record(&path, at(2)).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let told = read(&path).unwrap();
            assert!([&[][..], &[at(1)], &[at(1), at(2)]].contains(&&told[..]), "cut at {cut}: {told:?}");
        }
        // What comes after a crash is read, and what was cut stays out.
        std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        record(&path, at(3)).unwrap();
        assert_eq!(read(&path).unwrap(), [at(1), at(3)]);

        let changed = whole.replacen(&format!("{:016x}", at(2).subject), &format!("{:016x}", 7), 1);
        assert_ne!(changed, whole);
        std::fs::write(&path, changed).unwrap();
        let why = read(&path).unwrap_err().to_string();
        assert!(why.contains("line 3") && why.contains("backup"), "{why}");
    }
}
