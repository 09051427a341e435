//! Somebody changes the audit behind the hub's back: every single change is found, whatever it is.
//!
//! `PASARELA_TEST_AUDIT=1000000` plays the same with a chain of a million entries, and tells how long one look at
//! it takes. `PASARELA_TEST_SEED` plays another history.
#![allow(clippy::print_stdout, reason = "the figure is what the long run is for")]

use jiff::Timestamp;
use pasarela_store::sqlite::{Options, SqliteStore};
use pasarela_store::{Audited, Audits as _, Broken, Outcome, Store as _, Verifier, WhoKind, Work, forget, verify};
use rusqlite::Connection;
use std::time::Instant;

const CHANGES: usize = 1_000;
const COLUMNS: [&str; 18] = [
    "seq",
    "at",
    "who_kind",
    "who",
    "named",
    "brand",
    "action",
    "subject",
    "about",
    "forgets",
    "actor",
    "actor_digest",
    "detail",
    "detail_digest",
    "previous",
    "hash",
    "deed",
    "outcome",
];

/// Small numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.unsigned_abs()).cast_signed()
    }
}

fn setting(name: &str, otherwise: i64) -> i64 {
    std::env::var(name).map_or(otherwise, |v| v.parse().unwrap())
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + n).unwrap()
}

/// Entries of which every hundredth is about somebody who is erased in the end.
async fn filled(store: &SqliteStore, entries: i64) {
    let note = |n: i64| Audited {
        at: at(n),
        who_kind: WhoKind::Person,
        who: format!("usr_{}", n % 7),
        name: ["Ana", "Beto", "Carla"][usize::try_from(n % 3).unwrap()].into(),
        from: Some("192.0.2.7".into()),
        brand: "default".into(),
        action: "pauses.write".into(),
        subject: format!("conexion-{}", n % 11),
        before: None,
        after: (n % 2 == 0).then(|| serde_json::json!({ "n": n })),
        about: if n % 100 == 0 { vec![77] } else { Vec::new() },
        deed: (n % 3 == 0).then_some((n, Outcome::Done)),
    };
    for first in (1..entries).step_by(500) {
        let bite = first..entries.min(first + 500);
        let audit = bite.map(|n| note(n).sealed(store.sealer()).unwrap()).collect();
        store.work(Work { audit, ..Work::default() }).await.unwrap();
    }
    assert!(forget(store, 77, at(entries)).await.unwrap() > 0);
}

/// Changes one thing. Which rows were touched, so that they can be put back, and what was done.
fn change(db: &Connection, dice: &mut Dice, last: i64) -> (Vec<i64>, String) {
    let row = 1 + dice.below(last);
    let run = |sql: &str| assert_eq!(db.execute(sql, []).unwrap(), 1, "{sql}");
    match dice.below(20) {
        0..3 => {
            run(&format!("DELETE FROM audit WHERE seq = {row}"));
            (vec![row], format!("delete {row}"))
        }
        3..5 => {
            // A copy that claims to be the next, with what can be had without the key.
            run(&format!(
                "INSERT INTO audit SELECT {}, at, who_kind, who, named, brand, action, subject, about, forgets, actor,
                   actor_digest, detail, detail_digest, (SELECT hash FROM audit WHERE seq = {last}), hash, deed, outcome
                 FROM audit WHERE seq = {row}",
                last + 1
            ));
            (vec![last + 1], format!("insert {row} behind the end"))
        }
        5..7 => {
            let other = 1 + (row + dice.below(last - 1)) % last;
            run(&format!("UPDATE audit SET seq = -1 WHERE seq = {row}"));
            run(&format!("UPDATE audit SET seq = {row} WHERE seq = {other}"));
            run(&format!("UPDATE audit SET seq = {other} WHERE seq = -1"));
            (vec![row, other], format!("swap {row} and {other}"))
        }
        7 => {
            let column = ["seq", "at", "hash", "mac"][usize::try_from(dice.below(4)).unwrap()];
            let value =
                if column.len() > 3 || column == "mac" { "randomblob(32)".into() } else { format!("{column} - 1") };
            run(&format!("UPDATE audit_head SET {column} = {value}"));
            (Vec::new(), format!("head: {column}"))
        }
        _ => {
            let column = COLUMNS[usize::try_from(dice.below(18)).unwrap()];
            let empty = dice.below(3) == 0 && matches!(column, "actor" | "detail");
            let there: bool = db
                .query_row(&format!("SELECT {column} IS NOT NULL FROM audit WHERE seq = {row}"), [], |r| r.get(0))
                .unwrap();
            let to = match column {
                "seq" => last + 2 + dice.below(9),
                _ => row,
            };
            let value = match column {
                "seq" => to.to_string(),
                "at" | "named" | "deed" => format!("{column} + {}", 1 + dice.below(1000)),
                "who_kind" | "who" | "brand" | "action" | "subject" | "outcome" => format!("{column} || 'x'"),
                "actor" | "detail" if empty && there => "NULL".into(),
                _ => "randomblob(32)".into(),
            };
            run(&format!("UPDATE audit SET {column} = {value} WHERE seq = {row}"));
            (if to == row { vec![row] } else { vec![row, to] }, format!("{column} of {row} to {value}"))
        }
    }
}

fn put_back(db: &Connection, touched: &[i64]) {
    for seq in touched {
        db.execute("DELETE FROM audit WHERE seq = ?1", [seq]).unwrap();
        db.execute("INSERT INTO audit SELECT * FROM kept WHERE seq = ?1", [seq]).unwrap();
    }
    db.execute_batch("DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept_head").unwrap();
}

#[tokio::test]
async fn every_single_change_of_the_audit_is_found() {
    let entries = setting("PASARELA_TEST_AUDIT", 240);
    let mut dice = Dice(setting("PASARELA_TEST_SEED", 6).unsigned_abs());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let store = SqliteStore::open(&Options::file(&path)).unwrap();
    filled(&store, entries).await;
    let begun = Instant::now();
    let whole = verify(&store, [], |_| ()).await.unwrap().unwrap();
    if entries > 10_000 {
        println!("{} entries verified in {:?}", whole.entries, begun.elapsed());
    }
    // Where a look may begin, so that a long chain is not walked a thousand times from its first entry.
    let mut marks = vec![Verifier::new(store.sealer(), [])];
    let mut walk = marks[0].clone();
    for part in 1..100 {
        for link in store
            .audit_links(walk.last(), u32::try_from(whole.entries * part / 100 - walk.last()).unwrap())
            .await
            .unwrap()
        {
            walk.see(&link).unwrap();
        }
        marks.push(walk.clone());
    }
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA synchronous = OFF; CREATE TEMP TABLE kept AS SELECT * FROM main.audit; CREATE INDEX kept_seq ON kept (seq);
         CREATE TEMP TABLE kept_head AS SELECT * FROM main.audit_head;",
    )
    .unwrap();
    for n in 0..CHANGES {
        let (touched, what) = change(&db, &mut dice, whole.entries);
        let first = touched.iter().copied().min().unwrap_or(i64::MAX);
        let from = marks.iter().rposition(|m| m.last() < first.min(whole.entries)).unwrap_or(0);
        let found = look(&store, marks[from].clone()).await;
        assert!(found.is_err(), "change {n} was not found: {what}");
        put_back(&db, &touched);
    }
    assert_eq!(verify(&store, [], |_| ()).await.unwrap().unwrap(), whole, "everything is as it was");
}

/// What `verify` does, from a place that is known to be good.
async fn look(store: &SqliteStore, mut from: Verifier<'_>) -> Result<(), Broken> {
    loop {
        let links = store.audit_links(from.last(), 1000).await.unwrap();
        for link in &links {
            from.see(link)?;
        }
        if links.len() < 1000 {
            return from.end(&store.audit_head().await.unwrap()).map(drop);
        }
    }
}
