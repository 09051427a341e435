//! Anchors of the audit: its head, noted outside of the database at intervals. What is behind an anchor cannot be
//! cut off or written anew, not even by somebody who has the database and its key, without the file telling.
//!
//! One line for each: `TIME SEQ HASH`. Lines are only ever added. The file belongs where whoever runs the database
//! cannot write: on another machine, or in the log of one.

use jiff::Timestamp;
use pasarela_store::Store;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Notes the head whenever it moved, at once and then at intervals, until the task is ended.
pub(crate) async fn keep(store: Arc<dyn Store>, file: Option<PathBuf>, every: Duration) {
    let mut noted = 0;
    loop {
        noted = note(&*store, file.as_deref(), noted).await;
        tokio::time::sleep(every).await;
    }
}

/// Notes the head if it is beyond `noted`; the number that is noted now.
pub(crate) async fn note(store: &dyn Store, file: Option<&Path>, noted: i64) -> i64 {
    let head = match store.audit_head().await {
        Ok(head) if head.seq > noted => head,
        Ok(_) => return noted,
        Err(error) => {
            tracing::warn!(%error, "the head of the audit could not be read");
            return noted;
        }
    };
    let hash = hex::encode(&head.hash);
    tracing::info!(entries = head.seq, head = hash, "the audit stands here");
    let Some(path) = file else { return head.seq };
    let line = format!("{} {} {hash}\n", Timestamp::now(), head.seq);
    match append(path, &line) {
        Ok(()) => head.seq,
        Err(error) => {
            tracing::error!(%error, file = %path.display(), "the head of the audit could not be noted");
            noted
        }
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = File::options().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

/// The anchors of a file, as the verification takes them. A line that cannot be read stops it: an anchor that is
/// passed over would be none.
pub(crate) fn read(path: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let anchor = |(n, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let (_, seq, hash) = (words.next(), words.next().and_then(|s| s.parse::<i64>().ok()), words.next());
        match (seq, hash) {
            (Some(seq), Some(hash)) if hash.len() == 64 => Ok(json!({ "seq": seq, "hash": hash })),
            _ => Err(format!("{}: line {} is no anchor (TIME SEQ HASH); was it cut?", path.display(), n + 1)),
        }
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(anchor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_they_are_noted_and_a_cut_line_is_no_anchor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anclas");
        let hash = "ab".repeat(32);
        append(&path, &format!("2026-11-27T19:00:00Z 7 {hash}\n")).unwrap();
        append(&path, &format!("2026-11-27T20:00:00Z 9 {hash}\n")).unwrap();
        let read_back = read(&path).unwrap();
        assert_eq!((read_back.len(), &read_back[1]), (2, &json!({ "seq": 9, "hash": hash })));
        append(&path, "2026-11-27T21:00:00Z 11 abab").unwrap();
        assert!(read(&path).unwrap_err().contains("line 3"));
    }
}
