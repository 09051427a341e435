//! A run's state: only what was decided. Serialised by the store between two decisions; older
//! binaries' states stay readable (unknown fields are ignored, absent ones have defaults).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the form below.
const FORM: u32 = 1;

/// State of one run of one flow version. Keep it as it is between two calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Version of this form.
    #[serde(default)]
    pub(crate) v: u32,
    /// By path: everything that began or was left out.
    #[serde(default)]
    pub(crate) steps: BTreeMap<String, Rec>,
    /// Paths of waits that wait now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) waits: BTreeSet<String>,
    /// Per `each` (number): how often something outside of it that it waits for has ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bumps: BTreeMap<usize, u32>,
    /// Why nothing more begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cancelled: Option<String>,
    /// Conditions that could not be evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) troubles: Vec<String>,
}

impl Default for RunState {
    fn default() -> Self {
        Self {
            v: FORM,
            steps: BTreeMap::new(),
            waits: BTreeSet::new(),
            bumps: BTreeMap::new(),
            cancelled: None,
            troubles: Vec::new(),
        }
    }
}

/// What was decided about one step (of one item).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rec {
    #[serde(rename = "s")]
    pub(crate) mark: Mark,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<Value>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Moment of a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    /// `otherwise` began: once per step and item.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) otherwise: bool,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Items>,
}

impl Rec {
    pub(crate) fn new(mark: Mark) -> Self {
        Self { mark, result: None, code: None, why: None, at: None, otherwise: false, items: None }
    }
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

/// The frozen list of an `each`, and how far it got.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Items {
    pub(crate) list: Vec<Value>,
    /// Items before this one have begun.
    #[serde(default)]
    pub(crate) next: usize,
    /// Items that began and are not over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) open: BTreeSet<usize>,
    /// Open items in which something may begin now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) look: BTreeSet<usize>,
    /// The bump that was seen last.
    #[serde(default)]
    pub(crate) seen: u32,
}

impl Items {
    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.list.len() && self.open.is_empty()
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// An effect was handed out.
    Running,
    /// A wait waits.
    Waiting,
    /// An `each` has items.
    Each,
    Done,
    GaveUp,
    LateFailure,
    Unsettled,
    /// A dead letter for which run and lane wait.
    DeadParked,
    /// A dead letter that is skipped.
    Dead,
    /// Not known, and run and lane wait.
    UnknownParked,
    /// Not known, and skipped.
    Unknown,
    Dropped,
    Withheld,
    Skipped,
    /// A wait's moment came.
    Elapsed,
    /// A wait's event came.
    Happened,
    /// A wait's event did not come in time.
    TimedOut,
}

impl Mark {
    /// Nothing more is expected of it (a late failure may still come).
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting | Self::Each | Self::DeadParked | Self::UnknownParked)
    }
    /// Its result may be used.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Unsettled | Self::Elapsed | Self::Happened | Self::TimedOut | Self::Each)
    }
    /// As `steps.x.outcome` and the API say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Each => "each",
            Self::Done => "done",
            Self::GaveUp => "gave_up",
            Self::LateFailure => "late_failure",
            Self::Unsettled => "unsettled",
            Self::DeadParked | Self::Dead => "dead",
            Self::UnknownParked | Self::Unknown => "unknown",
            Self::Dropped => "dropped",
            Self::Withheld => "withheld",
            Self::Skipped => "skipped",
            Self::Elapsed => "elapsed",
            Self::Happened => "happened",
            Self::TimedOut => "timed_out",
        }
    }
}

impl RunState {
    /// For the API: path to `{state, code?, why?, at?, items?, begun?, open?}`, and why the run was
    /// cancelled, if it was.
    #[must_use]
    pub fn summary(&self) -> Value {
        let steps: Map<String, Value> = self.steps.iter().map(|(path, rec)| (path.clone(), rec.summary())).collect();
        let mut out = Map::new();
        out.insert("steps".into(), Value::Object(steps));
        if let Some(why) = &self.cancelled {
            out.insert("cancelled".into(), why.clone().into());
        }
        if !self.troubles.is_empty() {
            out.insert("troubles".into(), json!(self.troubles));
        }
        Value::Object(out)
    }

    /// A person cancels the run: nothing more of it begins.
    pub fn cancel(&mut self, why: &str) {
        self.cancelled.get_or_insert_with(|| why.to_owned());
        self.waits.clear();
    }

    /// Why the run was cancelled, if it was.
    #[must_use]
    pub fn cancelled(&self) -> Option<&str> {
        self.cancelled.as_deref()
    }

    /// Is a wait waiting, for a moment or an event?
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }

    pub(crate) fn trouble(&mut self, what: String) {
        if self.troubles.len() < 20 && !self.troubles.contains(&what) {
            self.troubles.push(what);
        }
    }
}

impl Rec {
    fn summary(&self) -> Value {
        let mut out = Map::new();
        out.insert("state".into(), self.mark.word().into());
        if let Some(code) = &self.code {
            out.insert("code".into(), code.clone().into());
        }
        if let Some(why) = &self.why {
            out.insert("why".into(), why.clone().into());
        }
        if let Some(at) = &self.at {
            out.insert("at".into(), at.to_string().into());
        }
        if self.otherwise {
            out.insert("otherwise".into(), true.into());
        }
        if let Some(items) = &self.items {
            out.insert("items".into(), items.list.len().into());
            out.insert("begun".into(), items.next.into());
            out.insert("open".into(), items.open.len().into());
        }
        Value::Object(out)
    }
}
