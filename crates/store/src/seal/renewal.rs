//! A new master key, a new data key, and rows sealed anew: in steps each of which is one transaction, so that it
//! may be killed between any two and goes on where it was.
//!
//! 1. [`Seals::add_data_key`]: what is sealed from now on is sealed by it. What was sealed before opens still.
//! 2. [`Seals::wrap_next`]: every key lies in the database twice, wrapped by the old master key and by the new one.
//!    Either opens the database.
//! 3. Whoever calls puts the new master key in the place of the old one.
//! 4. [`Seals::finish_wrap`]: the old one opens it no more. A start with the new one does it by itself where no
//!    other node could still need the old one.
//! 5. [`Seals::reseal`], in bites: rows of earlier data keys are sealed by the present one. Only what is still as
//!    it was read is replaced, so that nothing that is written meanwhile is lost.
//!
//! Earlier data keys stay, wrapped by the new master key: a row of theirs that nobody sealed anew is never lost.

use super::{Master, SealError, Sealer};
use crate::contract::{Error, Fut, Store};

/// Seals by one data key after which there is a new one. NIST SP 800-38D allows 2^32 with nonces of chance; ours
/// are counted, and what a crash leaves uncounted is far less than the other half.
pub const SEALS_OF_A_KEY: u64 = 1 << 31;

/// How sealing stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct SealState {
    /// Number of the data key that seals now.
    pub key: u8,
    /// Data keys that there are.
    pub keys: u32,
    /// Values sealed by the present one, as far as they were counted.
    pub sealed: u64,
    /// Two master keys open the database: a change of it was begun and is not finished.
    pub between: bool,
    /// Table that is sealed anew now; `None`: nothing is.
    pub table: Option<String>,
    /// Values that were sealed anew since the present data key began.
    pub renewed: u64,
}

/// What came of a bite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows that were looked at.
    pub looked: u64,
    /// Values that were sealed anew.
    pub renewed: u64,
    /// Nothing is left.
    pub done: bool,
}

/// A database whose keys can be changed.
pub trait Seals: Send + Sync + 'static {
    /// Where the master key is.
    fn master(&self) -> Master;
    /// How sealing stands.
    fn seal_state(&self) -> Fut<'_, SealState>;
    /// A new data key, which seals as soon as every node knows of it. Its number.
    fn add_data_key(&self) -> Fut<'_, u8>;
    /// Wraps every key by a second master key too.
    fn wrap_next(&self, next: Master) -> Fut<'_, ()>;
    /// Only the second master key opens the database from now on.
    fn finish_wrap(&self) -> Fut<'_, ()>;
    /// Seals at most so many rows anew.
    fn reseal(&self, limit: u32) -> Fut<'_, Resealed>;
    /// Adds what was sealed since the last time to the count of the present data key.
    fn count_seals(&self) -> Fut<'_, u64>;
}

/// What a change of the master key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotated {
    /// The new one opens the database, and the old one no more.
    Done,
    /// Both open it: other nodes need the new one, and then it is called once more.
    Shared,
    /// Both open it: the configuration is to name the new one.
    Named,
}

/// Changes the master key, and begins a new data key. Called again after it was killed, it goes on where it was.
/// Without `to`, the file in which the master key lies gets another one.
pub async fn rotate(store: &dyn Store, to: Option<Master>) -> Result<Rotated, Error> {
    let failed = |e: std::io::Error| Error::Database(format!("the new master key: {e}"));
    if store.seal_state().await?.between {
        // The new one may be in its place already.
        if store.finish_wrap().await.is_ok() {
            return Ok(Rotated::Done);
        }
    } else {
        store.add_data_key().await?;
    }
    if let Some(next) = to {
        store.wrap_next(next).await?;
        return Ok(Rotated::Named);
    }
    let Master::File(path) = store.master() else {
        return Err(Error::Database("the master key is in no file: say where the new one is".into()));
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    let coming = std::path::PathBuf::from(name);
    let next = if coming.exists() { Master::File(coming.clone()) } else { Master::make(&coming)? };
    store.wrap_next(next).await?;
    std::fs::rename(&coming, &path).map_err(failed)?;
    crate::backup::sync_folder(&path).map_err(failed)?;
    if store.is_shared() {
        return Ok(Rotated::Shared);
    }
    store.finish_wrap().await?;
    Ok(Rotated::Done)
}

/// A table with sealed columns.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Columns of its key, in the order of its index.
    pub(crate) key: &'static [Key],
    pub(crate) columns: &'static [&'static str],
}

/// A column of a key.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Int(&'static str),
    Text(&'static str),
}

impl Key {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int(name) | Self::Text(name) => name,
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Int(_) => "bigint",
            Self::Text(_) => "text",
        }
    }
}

/// Every table with sealed columns, but `passes` and `answers`: what is in those ends within a day.
pub(crate) const TABLES: &[Table] = &[
    Table { name: "credentials", key: &[Key::Int("connection")], columns: &["secret"] },
    Table { name: "signing_keys", key: &[Key::Int("number")], columns: &["secret"] },
    Table { name: "cursors", key: &[Key::Int("connection"), Key::Text("task")], columns: &["cursor"] },
    Table { name: "pauses", key: &[Key::Text("kind"), Key::Text("name")], columns: &["reason"] },
    Table { name: "suppressions", key: &[Key::Int("id")], columns: &["body"] },
    Table { name: "records", key: &[Key::Int("number")], columns: &["data"] },
    Table { name: "audit", key: &[Key::Int("seq")], columns: &["actor", "detail"] },
    Table {
        name: "entities",
        key: &[Key::Int("connection"), Key::Text("kind"), Key::Text("entity")],
        columns: &["data"],
    },
    Table { name: "runs", key: &[Key::Int("id")], columns: &["state"] },
    Table { name: "effects", key: &[Key::Int("id")], columns: &["input", "call", "outcome", "detail"] },
    Table { name: "attempts", key: &[Key::Int("effect"), Key::Int("attempt"), Key::Int("call")], columns: &["detail"] },
    Table { name: "events", key: &[Key::Int("id")], columns: &["body"] },
    Table { name: "delivery_result", key: &[Key::Int("delivery")], columns: &["reason"] },
    Table { name: "deliveries", key: &[Key::Int("id")], columns: &["packed"] },
];

/// Columns that are sealed and sealed anew: (table, column).
pub fn sealed_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|t| t.columns.iter().map(|c| (t.name, *c)))
}

/// Bytes of one bite, about.
pub(crate) const BITE_BYTES: usize = 1024 * 1024;

/// Where sealing anew stands: one row of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stand {
    /// Number of the data key by which it seals.
    pub(crate) key: u8,
    /// Place in [`TABLES`]; behind the last: done.
    pub(crate) table: usize,
    /// Key of the last row that was looked at; `None`: the table is about to begin.
    pub(crate) at: Option<Vec<serde_json::Value>>,
    pub(crate) renewed: u64,
}

impl Stand {
    /// As it lies in the row: (key, table, at, renewed).
    pub(crate) fn read(key: i64, table: i64, at: &str, renewed: i64) -> Self {
        Self {
            key: u8::try_from(key).unwrap_or(0),
            table: usize::try_from(table).unwrap_or(0),
            at: serde_json::from_str(at).ok(),
            renewed: u64::try_from(renewed).unwrap_or(0),
        }
    }

    pub(crate) fn at_text(&self) -> String {
        self.at.as_ref().map_or_else(String::new, |at| serde_json::json!(at).to_string())
    }

    /// Where it stands for a data key: at the beginning, when it is a new one.
    pub(crate) fn for_key(self, key: u8) -> Self {
        if self.key == key { self } else { Self { key, ..Self::default() } }
    }

    pub(crate) fn name(&self) -> Option<&'static str> {
        TABLES.get(self.table).map(|t| t.name)
    }

    /// After a bite: `last` is the key of its last row, `more`: there may be others.
    pub(crate) fn after(mut self, last: Option<Vec<serde_json::Value>>, more: bool, renewed: u64) -> Self {
        self.renewed += renewed;
        if more {
            self.at = last;
        } else {
            (self.table, self.at) = (self.table + 1, None);
        }
        self
    }
}

/// The value sealed by the present key; `None`: it is, or there is none.
pub(crate) fn renewed(sealer: &Sealer, key: u8, value: Option<&[u8]>) -> Result<Option<Vec<u8>>, SealError> {
    match value {
        // What is empty was given up, and was never sealed.
        Some(sealed) if !sealed.is_empty() && sealed[0] != key => Ok(Some(sealer.seal(&sealer.open(sealed)?).0)),
        _ => Ok(None),
    }
}

/// Purpose of a data key in the table of keys. The first has none, as earlier versions look for it.
pub(crate) fn purpose(number: u8) -> String {
    if number == super::FIRST { "data".into() } else { format!("data:{number}") }
}

/// Number of the data key of a purpose; `None`: it is no data key.
pub(crate) fn number(purpose: &str) -> Option<u8> {
    match purpose {
        "data" => Some(super::FIRST),
        other => other.strip_prefix("data:")?.parse().ok(),
    }
}

/// A row of the table of keys.
pub(crate) struct Wrapped {
    pub(crate) id: i64,
    pub(crate) purpose: String,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) next: Option<Vec<u8>>,
    /// Does it seal already?
    pub(crate) begun: bool,
}

/// Keys that a master key opened.
pub(crate) struct Opened {
    /// Data keys: number, key, does it seal already.
    pub(crate) data: Vec<(u8, [u8; 32], bool)>,
    pub(crate) index: [u8; 32],
    /// It was the second master key that opened them.
    pub(crate) by_next: bool,
}

/// Opens the keys of a database by its master key, or by the one that is to follow it.
pub(crate) fn open(place: &Master, rows: &[Wrapped]) -> Result<Opened, SealError> {
    let master = place.read(false)?;
    let by = |next: bool| -> Result<Opened, SealError> {
        let (mut data, mut index) = (Vec::new(), None);
        for row in rows {
            let wrapped = if next { row.next.as_deref() } else { Some(row.wrapped.as_slice()) };
            let key = super::unwrap(&master, wrapped.unwrap_or_default(), place)?;
            match number(&row.purpose) {
                Some(number) => data.push((number, key, row.begun)),
                None if row.purpose == "index" => index = Some(key),
                None => {}
            }
        }
        match index {
            Some(index) if !data.is_empty() => Ok(Opened { data, index, by_next: next }),
            _ => Err(SealError::Damaged),
        }
    };
    by(false).or_else(|e| if rows.iter().all(|r| r.next.is_some()) { by(true).map_err(|_| e) } else { Err(e) })
}

/// The keys wrapped by another master key: (row, wrapped).
pub(crate) fn wrap_by(place: &Master, rows: &[Wrapped], next: &Master) -> Result<Vec<(i64, Vec<u8>)>, SealError> {
    let (now, later) = (place.read(false)?, next.read(false)?);
    rows.iter().map(|row| Ok((row.id, super::wrap(&later, &super::unwrap(&now, &row.wrapped, place)?)?))).collect()
}

/// Does the key that lies in this place now open everything as the second master key?
pub(crate) fn opens_next(place: &Master, rows: &[Wrapped]) -> Result<(), SealError> {
    let master = place.read(false)?;
    rows.iter().try_for_each(|row| super::unwrap(&master, row.next.as_deref().unwrap_or_default(), place).map(drop))
}

/// A sealer of the opened keys.
pub(crate) fn sealer(opened: &Opened) -> Result<Sealer, SealError> {
    let mut data = opened.data.iter();
    let (_, first, _) = data.next().ok_or(SealError::Damaged)?;
    let sealer = Sealer::new(first, &opened.index)?;
    for (number, key, begun) in &opened.data {
        sealer.learn(*number, key, *begun)?;
    }
    Ok(sealer)
}
