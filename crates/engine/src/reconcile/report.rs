//! What a reconciliation found, for people and programs.

use jiff::Timestamp;
use pasarela_domain::{DeliveryId, EntityRef};

/// Findings of one report that are listed; the rest is only counted.
pub(crate) const LISTED: usize = 200;

/// What is done with a record that the hub does not know as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// It is told, and nothing else.
    Report,
    /// It is kept for a person to approve ("to resolve").
    Propose,
    /// It comes in as a delivery, as if its webhook had come.
    #[default]
    Repair,
}

/// How a connection is reconciled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReconcileSettings {
    /// How often each task; `None`: as the manifest says.
    pub every: Option<std::time::Duration>,
    /// What is done with what is found.
    pub policy: Policy,
    /// Share of the connection's rate that reading may use, above 0 and up to 1: the rest is for what is sent.
    pub share: f64,
}

impl Default for ReconcileSettings {
    fn default() -> Self {
        Self { every: None, policy: Policy::default(), share: 0.5 }
    }
}

/// How one reconciliation is to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ask {
    /// Everything since the beginning of time, and not only what may have changed: a backfill. What
    /// the hub has and the provider does not show is told then.
    pub from_beginning: bool,
    /// In place of the connection's own policy.
    pub policy: Option<Policy>,
}

/// What differs between the provider's records and the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The provider has it, the hub had not.
    Missing,
    /// Both have it, and not alike; or something happened to it of which the hub had not heard.
    Different,
    /// The hub has it, the provider does not show it.
    Extra,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// What differs.
    pub difference: Difference,
    /// Which record.
    pub record: EntityRef,
    /// Facts of it that the hub had not heard of.
    pub facts: Vec<String>,
    /// The delivery that it came in as, or that waits for approval.
    pub delivery_id: Option<DeliveryId>,
}

/// Result of the last reconciliation of one task; kept sealed in the store, so that it outlives the process
/// and every node shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// Task.
    pub task: String,
    /// When it began.
    #[schemars(with = "pasarela_domain::Moment")]
    pub started_at: Timestamp,
    /// When it ended.
    #[schemars(with = "pasarela_domain::Moment")]
    pub ended_at: Timestamp,
    /// Since the beginning of time?
    pub from_beginning: bool,
    /// What was done with what was found.
    pub policy: Policy,
    /// Records read.
    pub read: u64,
    /// Records that the hub knew as they are.
    pub same: u64,
    /// Records that were missing or different.
    pub news: u64,
    /// Records that the hub had not.
    pub missing: u64,
    /// Records that the hub had in another state.
    pub different: u64,
    /// Records of the hub that the provider does not show; `None`: not looked for, since not everything was read.
    pub extra: Option<u64>,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub findings_left_out: u64,
    /// Calls made.
    pub calls: u32,
    /// Why it did not complete.
    pub problem: Option<String>,
}

impl Report {
    pub(crate) fn new(task: &str, now: Timestamp, from_beginning: bool, policy: Policy) -> Self {
        Self {
            task: task.to_owned(),
            started_at: now,
            ended_at: now,
            from_beginning,
            policy,
            read: 0,
            same: 0,
            news: 0,
            missing: 0,
            different: 0,
            extra: None,
            findings: Vec::new(),
            findings_left_out: 0,
            calls: 0,
            problem: None,
        }
    }

    /// Where it is kept, among the cursors of its connection.
    pub(crate) fn place(task: &str, from_beginning: bool) -> String {
        format!("{task}{}", if from_beginning { "#report_all" } else { "#report" })
    }

    pub(crate) fn found(&mut self, finding: Finding) {
        match finding.difference {
            Difference::Missing => self.missing += 1,
            Difference::Different => self.different += 1,
            Difference::Extra => self.extra = Some(self.extra.unwrap_or(0) + 1),
        }
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }
}
