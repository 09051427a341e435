//! What a look at the organiser's account saw. Without secrets: lists do not tell them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that was seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// This server knows webhooks of shows only (before 1.7.0).
    pub(super) by_show: bool,
    pub(super) hooks: Vec<Hook>,
    /// Shows that are not over.
    pub(super) shows: Vec<Show>,
    /// What was refused in this run, by step.
    pub(super) refused: BTreeMap<String, String>,
}

/// Whose events a webhook tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// All of the organiser's shows.
    Organizer,
    /// One show's.
    Show(String),
}

/// A webhook.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) level: Level,
    pub(super) url: String,
    pub(super) types: Vec<String>,
    pub(super) enabled: bool,
    /// Made in this run: its secret was told and kept.
    #[serde(default)]
    pub(super) made_now: bool,
    /// Answers to its newest calls, as the provider has them, the newest first; 0: none came.
    #[serde(default)]
    pub(super) answers: Vec<u16>,
}

impl Hook {
    pub(super) fn read(row: &Value, level: Level) -> Option<Self> {
        let types = row.get("event_types").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            id: row.get("id")?.as_u64()?,
            level,
            url: row.get("url")?.as_str()?.to_owned(),
            types: types.filter_map(Value::as_str).map(str::to_owned).collect(),
            enabled: row.get("status").and_then(Value::as_str) == Some("ENABLED"),
            made_now: false,
            answers: Vec::new(),
        })
    }

    /// Does it call this address?
    pub(super) fn calls(&self, address: &str) -> bool {
        self.url.trim_end_matches('/') == address.trim_end_matches('/')
    }

    /// Is all that it sent lately refused as forged? Then the hub has not its secret.
    pub(super) fn is_refused(&self) -> bool {
        let heard: Vec<&u16> = self.answers.iter().filter(|code| **code != 0).take(3).collect();
        !heard.is_empty() && heard.iter().all(|code| matches!(code, 401 | 403))
    }
}

/// A show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Show {
    pub(super) id: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) questions: Vec<Asked>,
    /// What it sells: a question for each ticket names it.
    #[serde(default)]
    pub(super) products: Vec<u64>,
}

/// A question that a show asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) title: String,
}

impl Asked {
    pub(super) fn read(row: &Value) -> Option<Self> {
        Some(Self { id: row.get("id")?.as_u64()?, title: row.get("title")?.as_str()?.to_owned() })
    }
}
