//! Versions of the texts that people agree to, kept as records of the store that nobody changes.
//!
//! Promise: what is added is never changed or removed. What a node knows of the texts is at most a few seconds
//! old, and a version that it does not know is looked for before it is said to be unknown.

use super::LedgerError;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::consent::{Evidence, Terms, TextKind, TextVersion};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordWrite, Recorded};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Kind of the records.
const TEXT: &str = "text";
/// How old what a node knows may be: another node may have added one.
const FRESH: Duration = Duration::from_secs(5);
/// Longest text.
const LONGEST: usize = 100_000;
/// Records of a page.
const PAGE: u32 = 200;

/// What a node knows of the texts, and since when.
#[derive(Default)]
pub(crate) struct KeptTexts(parking_lot::Mutex<Option<(tokio::time::Instant, Arc<Terms>)>>);

/// A version to add.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewText {
    /// What it is.
    pub kind: TextKind,
    /// Series in which versions follow one another; `general` when it is left out.
    #[serde(default)]
    pub name: Option<String>,
    /// Version, as evidence will name it: `checkout-v3`.
    pub version: String,
    /// Language: `es-CO`.
    pub locale: String,
    /// The exact text.
    pub text: String,
    /// Purposes that a text of consent covers.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// Channels that it names; empty: every one.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Purposes that it covers in a new way: what was given before does not count for them any more.
    #[serde(default)]
    pub reopens: Vec<String>,
    /// Version of the privacy notice that is shown with it.
    #[serde(default)]
    pub notice: Option<String>,
    /// From when it is the text of its series; now, when it is left out.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub in_force_from: Option<Timestamp>,
}

impl Inner {
    /// All texts.
    pub(crate) async fn texts(&self) -> Result<Arc<Terms>, Error> {
        let kept = self.texts_kept.0.lock().clone();
        match kept {
            Some((since, terms)) if since.elapsed() < FRESH => Ok(terms),
            _ => self.texts_anew().await,
        }
    }

    async fn texts_anew(&self) -> Result<Arc<Terms>, Error> {
        let asked = tokio::time::Instant::now();
        let mut filter = RecordFilter::first(TEXT, RecordOrder::Newest, PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.store.records(filter.clone()).await?;
            all.extend(page.rows.iter().filter_map(|row| serde_json::from_slice::<TextVersion>(&row.data).ok()));
            match page.next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
        let terms = Arc::new(Terms::new(all));
        *self.texts_kept.0.lock() = Some((asked, terms.clone()));
        Ok(terms)
    }

    /// The texts, looked for anew where evidence names one that is not known here.
    pub(super) async fn texts_that_name(&self, evidence: &Evidence) -> Result<Arc<Terms>, Error> {
        let terms = self.texts().await?;
        let unknown = |kind, version: &Option<String>| {
            version.as_ref().is_some_and(|v| !terms.all().iter().any(|t| t.kind == kind && &t.version == v))
        };
        let asked = unknown(TextKind::Consent, &evidence.text_version) && terms.knows(TextKind::Consent);
        if asked || (unknown(TextKind::Notice, &evidence.notice_version) && terms.knows(TextKind::Notice)) {
            return self.texts_anew().await;
        }
        Ok(terms)
    }

    /// Adds a version. The same one again is the same one.
    pub(crate) async fn add_text(&self, new: NewText) -> Result<(TextVersion, bool), LedgerError> {
        let wrong = |why: String| LedgerError::Invalid(why);
        let now = self.clock.now();
        let name = new.name.unwrap_or_else(|| "general".into());
        for (field, value) in [("name", &name), ("version", &new.version), ("locale", &new.locale)] {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if !(1..=64).contains(&value.len()) || !value.bytes().all(plain) {
                return Err(wrong(format!("{field} must have 1 to 64 letters, digits, '-', '_' or '.'")));
            }
        }
        if new.text.trim().is_empty() || new.text.len() > LONGEST {
            return Err(wrong(format!("text must have 1 to {LONGEST} bytes")));
        }
        let given = new.in_force_from;
        let mut version = TextVersion {
            id: format!("{}:{}:{}", new.kind, new.version, new.locale),
            kind: new.kind,
            name,
            version: new.version,
            locale: new.locale,
            sha256: hex(&Sha256::digest(new.text.as_bytes())),
            text: new.text,
            purposes: new.purposes,
            channels: new.channels,
            reopens: new.reopens,
            notice: new.notice,
            in_force_from: given.unwrap_or(now),
            added_at: now,
        };
        let terms = self.texts_anew().await?;
        if let Some(known) = terms.all().iter().find(|t| t.id == version.id) {
            version.added_at = known.added_at;
            if given.is_none() {
                version.in_force_from = known.in_force_from;
            }
            if *known == version {
                return Ok((version, false));
            }
        }
        terms.check(&version).map_err(|e| wrong(e.to_string()))?;
        let data = serde_json::to_vec(&version).map_err(|e| wrong(e.to_string()))?;
        let write = RecordWrite {
            kind: TEXT.into(),
            id: version.id.clone(),
            expected: 0,
            due: None,
            // As long as data is treated by it, and that is for always: it is never cleared away.
            open: true,
            subjects: Vec::new(),
            at: now,
            data: self.store.sealer().seal(&data),
        };
        match self.store.keep_record(write).await? {
            Recorded::Done(_) => {}
            Recorded::Stale => {
                return Err(wrong(format!("'{}' was added by somebody else at this moment", version.version)));
            }
        }
        self.texts_anew().await?;
        Ok((version, true))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut all, byte| {
        use std::fmt::Write as _;
        let _ = write!(all, "{byte:02x}");
        all
    })
}
