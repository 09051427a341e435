//! The vault: secrets that the configuration takes by name (`vault:NAME`), sealed in the store.
//!
//! A secret is a record (ADR 0085), so that it is sealed, sealed anew when the data key changes, and carried by
//! backups, restores and mended copies, as every record is. What is kept beside the value is who set it and when.
//! Promise: a value goes to whoever resolves the configuration, and to nobody else: no list, no entry of the audit
//! and no error holds one.

use jiff::Timestamp;
use pasarela_domain::Secret;
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow, RecordWrite, Recorded, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Kind of the records.
pub const KIND: &str = "secret";
/// Longest name, in characters.
const NAME: usize = 60;
/// Largest value, in bytes: far above a key in PEM or a service account in JSON.
pub const LARGEST: usize = 64 * 1024;
/// Most secrets under one name.
const MOST_LINES: usize = 100;
/// Changes that lose against others before it is given up.
const RACES: usize = 16;
/// Secrets of one page.
const MOST: u32 = 200;

/// Secrets by their names.
pub type Values = BTreeMap<String, Secret>;

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    value: String,
    /// Who set it, as people call them.
    by: String,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As the configuration names it behind `vault:`.
    pub name: String,
    /// When it was set last.
    pub set_at: Timestamp,
    /// Who did it.
    pub by: String,
    /// Counts how often it was set.
    pub version: i64,
}

/// Why something cannot be a secret of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The name.
    #[error("a secret's name is 1 to {NAME} letters of a to z, digits, '.', '_' and '-', such as hi-events-webhook")]
    Name,
    /// Nothing was given.
    #[error("the secret is empty; nothing was kept")]
    Empty,
    /// Above [`LARGEST`].
    #[error("the secret is larger than {} KiB; nothing was kept", LARGEST / 1024)]
    Large,
}

/// Can it be a secret's name?
pub fn check_name(name: &str) -> Result<(), Unfit> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = (1..=NAME).contains(&name.len()) && name.chars().all(fits);
    if good { Ok(()) } else { Err(Unfit::Name) }
}

/// The values of records of [`KIND`].
#[must_use]
pub fn values_of(rows: &[RecordRow]) -> Values {
    let read = |row: &RecordRow| serde_json::from_slice::<Kept>(&row.data).ok().map(|k| Secret::new(k.value));
    rows.iter().filter_map(|row| Some((row.id.clone(), read(row)?))).collect()
}

/// All values: for whoever resolves the configuration.
pub async fn values(store: &dyn Store) -> Result<Values, Error> {
    Ok(values_of(&rows(store).await?))
}

/// All secrets without their values, by name.
pub async fn list(store: &dyn Store) -> Result<Vec<Held>, Error> {
    let held = |row: RecordRow| Held {
        by: serde_json::from_slice::<Kept>(&row.data).map(|k| k.by).unwrap_or_default(),
        name: row.id,
        set_at: row.changed_at,
        version: row.version,
    };
    let mut all: Vec<Held> = rows(store).await?.into_iter().map(held).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

async fn rows(store: &dyn Store) -> Result<Vec<RecordRow>, Error> {
    let mut filter = RecordFilter::first(KIND, RecordOrder::Newest, MOST);
    let mut all = Vec::new();
    loop {
        let page = store.records(filter.clone()).await?;
        all.extend(page.rows);
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return Ok(all),
        }
    }
}

/// Keeps a secret in place of the one of its name. `true`: there was one.
pub async fn set(store: &dyn Store, name: &str, value: &Secret, by: &str, at: Timestamp) -> Result<bool, Error> {
    for _ in 0..RACES {
        let expected = store.record(KIND, name).await?.map_or(0, |row| row.version);
        let kept = Kept { value: value.expose().to_owned(), by: by.to_owned() };
        let written = store.keep_record(RecordWrite {
            kind: KIND.into(),
            id: name.to_owned(),
            expected,
            due: None,
            // It never goes by its age.
            open: true,
            subjects: Vec::new(),
            at,
            data: store.sealer().seal_json(&kept),
        });
        if let Recorded::Done(_) = written.await? {
            return Ok(expected > 0);
        }
    }
    Err(Error::Busy)
}

/// Puts a secret before those that lie under its name, a line each: what was signed with an earlier one is still
/// believed. The oldest go when there are more than [`MOST_LINES`].
pub async fn put_before(store: &dyn Store, name: &str, value: &Secret, by: &str, at: Timestamp) -> Result<(), Error> {
    for _ in 0..RACES {
        let known = store.record(KIND, name).await?;
        let before = known.as_ref().and_then(|row| serde_json::from_slice::<Kept>(&row.data).ok()).map(|k| k.value);
        let lines = std::iter::once(value.expose()).chain(before.as_deref().unwrap_or_default().lines());
        let kept = Kept { value: lines.take(MOST_LINES).collect::<Vec<_>>().join("\n"), by: by.to_owned() };
        let written = store.keep_record(RecordWrite {
            kind: KIND.into(),
            id: name.to_owned(),
            expected: known.map_or(0, |row| row.version),
            due: None,
            // It never goes by its age.
            open: true,
            subjects: Vec::new(),
            at,
            data: store.sealer().seal_json(&kept),
        });
        if let Recorded::Done(_) = written.await? {
            return Ok(());
        }
    }
    Err(Error::Busy)
}

/// Forgets a secret; `false`: there is none of this name.
pub async fn remove(store: &dyn Store, name: &str) -> Result<bool, Error> {
    for _ in 0..RACES {
        let Some(row) = store.record(KIND, name).await? else { return Ok(false) };
        if store.drop_record(KIND, name, row.version).await? {
            return Ok(true);
        }
    }
    Err(Error::Busy)
}

/// Is it fit to be kept?
pub fn check_value(value: &Secret) -> Result<(), Unfit> {
    match value.expose().len() {
        0 => Err(Unfit::Empty),
        n if n > LARGEST => Err(Unfit::Large),
        _ => Ok(()),
    }
}
