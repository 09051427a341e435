//! By when what is to be done, in the two readings of the law.

use super::{Case, CaseKind, CaseState};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What must be done within a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CaseDuty")]
pub enum Duty {
    /// Answer a consulta: 10 business days, 15 with the extension (Ley 1581, art. 14).
    AnswerConsulta {
        /// The person was told of the delay.
        extended: bool,
    },
    /// Answer a reclamo: 15 business days, 23 with the extension (Ley 1581, art. 15 num. 3).
    AnswerReclamo {
        /// The person was told of the delay.
        extended: bool,
    },
    /// Answer a PQR: 15 business days (Ley 1480, art. 58 num. 5).
    AnswerPqr,
    /// Label a reclamo: 2 business days after it is complete (Ley 1581, art. 15 num. 2).
    Label,
    /// Ask for what a reclamo lacks: 5 days after receipt (Ley 1581, art. 15 num. 1).
    AskToComplete,
    /// Two months of silence after our request: it counts as withdrawn (Ley 1581, art. 15 num. 1).
    Silence,
    /// Report an incident: 15 business days (Ley 1581, art. 17 lit. n).
    ReportIncident,
}

impl Duty {
    /// A short name, as it is written and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnswerConsulta { .. } | Self::AnswerReclamo { .. } | Self::AnswerPqr => "answer",
            Self::Label => "label",
            Self::AskToComplete => "ask_to_complete",
            Self::Silence => "silence",
            Self::ReportIncident => "report",
        }
    }
}

/// The end of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Due {
    /// The earlier reading: by when we mean to be done.
    #[schemars(with = "crate::Moment")]
    pub goal: Timestamp,
    /// The later reading: what is not done then is late, and nobody is told before that a right has ended.
    #[schemars(with = "crate::Moment")]
    pub by: Timestamp,
}

/// A duty and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DueOf {
    /// What.
    pub duty: Duty,
    /// By when.
    pub due: Due,
}

/// Whoever knows which days count.
pub trait Calendar {
    /// The end of a duty's term that began at `from`.
    fn due(&self, duty: Duty, from: Timestamp) -> Due;
}

impl Case {
    /// Moment from which the answer's term is counted. A reclamo that lacked something, and of which we said so
    /// in time, counts from when it was complete; else from receipt: our delay is not the person's.
    #[must_use]
    pub fn counts_from(&self, calendar: &dyn Calendar) -> Timestamp {
        match (&self.asked, self.completed_at) {
            (Some(asked), Some(completed))
                if asked.at <= calendar.due(Duty::AskToComplete, self.received_at).by && completed > asked.at =>
            {
                completed
            }
            _ => self.received_at,
        }
    }

    /// The duty to answer.
    #[must_use]
    pub fn answer_duty(&self) -> Duty {
        let extended = self.extended.is_some();
        match self.kind {
            CaseKind::Consulta => Duty::AnswerConsulta { extended },
            CaseKind::Reclamo => Duty::AnswerReclamo { extended },
            CaseKind::Pqr => Duty::AnswerPqr,
        }
    }

    /// By when the person must have the answer.
    #[must_use]
    pub fn answer_due(&self, calendar: &dyn Calendar) -> Due {
        calendar.due(self.answer_duty(), self.counts_from(calendar))
    }

    /// What is to be done now, the earliest first; nothing when the case is over.
    #[must_use]
    pub fn dues(&self, calendar: &dyn Calendar) -> Vec<DueOf> {
        let of = |duty, from| DueOf { duty, due: calendar.due(duty, from) };
        let answer = || DueOf { duty: self.answer_duty(), due: self.answer_due(calendar) };
        let mut dues = match self.state {
            CaseState::Received if self.kind == CaseKind::Reclamo => {
                // It may be complete as it came: then its label is due from receipt.
                vec![of(Duty::Label, self.received_at), of(Duty::AskToComplete, self.received_at), answer()]
            }
            CaseState::Received | CaseState::Complete | CaseState::Decided => vec![answer()],
            CaseState::Incomplete => {
                let asked = self.asked.as_ref().map_or(self.received_at, |a| a.at);
                vec![of(Duty::Silence, asked)]
            }
            CaseState::Answered | CaseState::Withdrawn | CaseState::PassedOn => Vec::new(),
        };
        dues.sort_by_key(|d| (d.due.by, d.due.goal));
        dues
    }

    /// What is due next.
    #[must_use]
    pub fn next_due(&self, calendar: &dyn Calendar) -> Option<DueOf> {
        self.dues(calendar).into_iter().next()
    }
}
