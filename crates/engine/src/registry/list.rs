//! A list that somebody consulted by hand, where the registry's web service cannot be asked.

use super::{KEY, Key};
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_store::{Error, RecordWrite, Recorded};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Kind of the record of a list.
const LIST: &str = "registry_list";
/// No older list is taken.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A clock that is ahead of ours by no more than this is believed.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
const TRIES: u32 = 20;

/// One address that was consulted.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedAddress {
    /// E.164, or an e-mail address.
    pub key: String,
    /// Ways that it refuses: `sms`, `app`, `email`, `call`. None: it is not registered, or accepts all.
    #[serde(default)]
    pub refused: Vec<String>,
}

/// A part of a list.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryList {
    /// When the registry was consulted.
    #[schemars(with = "pasarela_domain::Moment")]
    pub consulted_at: Timestamp,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Who brings it in.
    pub by: String,
    /// Addresses of this part.
    pub rows: Vec<ListedAddress>,
}

/// Why a list is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListError {
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Inner {
    /// Takes a part of a list: its answers are as old as the consultation.
    pub(crate) async fn import_registry(self: &Arc<Self>, list: RegistryList) -> Result<u64, ListError> {
        let wrong = |why: String| Err(ListError::Invalid(why));
        let age = self.clock.now().duration_since(list.consulted_at);
        if age > GOOD_FOR {
            return wrong(format!(
                "the list was consulted at {}: no list older than 24 hours is taken",
                list.consulted_at
            ));
        }
        if age < -AHEAD {
            return wrong("consulted_at is in the future".into());
        }
        if list.sha256.len() != 64 || !list.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return wrong("sha256 is not the 64 hexadecimal digits of a SHA-256".into());
        }
        let mut told = Vec::with_capacity(list.rows.len());
        for (n, row) in list.rows.iter().enumerate() {
            let phone = row.key.parse::<Phone>().ok().map(|p| Key::Phone(p.as_e164().to_owned()));
            let email = || row.key.parse::<EmailAddress>().ok().map(|e| Key::Email(e.as_str().to_lowercase()));
            let Some(key) = phone.or_else(email) else {
                return wrong(format!("row {}: key is neither a phone in international form nor an e-mail", n + 1));
            };
            if let Some(odd) = row.refused.iter().find(|w| !["sms", "app", "email", "call"].contains(&w.as_str())) {
                return wrong(format!("row {}: there is no way '{odd}'; there are sms, app, email and call", n + 1));
            }
            told.push((self.name_of(&key), row.refused.clone()));
        }
        self.keep_answers(&told, list.consulted_at).await?;
        for (name, _) in &told {
            self.answered_by_hand(name).await?;
        }
        self.note_list(&list, told.len()).await?;
        Ok(told.len() as u64)
    }

    /// Nobody has to ask for it any more.
    async fn answered_by_hand(&self, name: &str) -> Result<(), Error> {
        let Some(row) = self.store.record(KEY, name).await? else { return Ok(()) };
        let (Some(_), Ok(key)) = (row.due, serde_json::from_slice::<Key>(&row.data)) else { return Ok(()) };
        self.write_key(name, &key, row.version, None).await.map(drop)
    }

    /// Who brought which list in, and how much of it.
    async fn note_list(&self, list: &RegistryList, rows: usize) -> Result<(), Error> {
        let id = list.sha256.to_ascii_lowercase();
        for _ in 0..TRIES {
            let known = self.store.record(LIST, &id).await?;
            let before = known.as_ref().and_then(|k| serde_json::from_slice::<Value>(&k.data).ok());
            let before = before.and_then(|b| b["rows"].as_u64()).unwrap_or(0);
            let data = json!({
                "consulted_at": list.consulted_at, "sha256": id, "by": list.by, "rows": before + rows as u64,
            });
            let record = RecordWrite {
                kind: LIST.into(),
                id: id.clone(),
                expected: known.map_or(0, |k| k.version),
                due: None,
                open: true,
                subjects: Vec::new(),
                at: self.clock.now(),
                data: self.store.sealer().seal_json(&data),
            };
            if self.store.keep_record(record).await? != Recorded::Stale {
                self.registry_calm().await?;
                return Ok(());
            }
        }
        Err(Error::Busy)
    }
}
