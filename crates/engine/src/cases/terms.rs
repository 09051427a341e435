//! The terms of cases by the market's calendar.

use super::Urgency;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_colombia::market::{Counting, Duty as Term, Market};
use pasarela_domain::case::{Calendar, Due, Duty};
use std::sync::Arc;

/// Business days before a goal from which on it is near.
const NEAR: u32 = 3;

/// Whoever knows which days count.
pub(crate) struct Terms(Arc<dyn Market>);

impl Inner {
    /// The calendar of the hub's market.
    pub(crate) fn case_terms(&self) -> Terms {
        Terms(self.law.market.clone())
    }
}

impl Calendar for Terms {
    fn due(&self, duty: Duty, from: Timestamp) -> Due {
        let term = match duty {
            Duty::AnswerConsulta { extended: false } => Term::Consulta,
            Duty::AnswerConsulta { extended: true } => Term::ConsultaExtended,
            Duty::AnswerReclamo { extended: false } => Term::Reclamo,
            Duty::AnswerReclamo { extended: true } => Term::ReclamoExtended,
            Duty::AnswerPqr => Term::Pqr,
            Duty::Label => Term::Label,
            Duty::AskToComplete => Term::AskToComplete,
            Duty::Silence => Term::RequesterSilent,
            Duty::ReportIncident => Term::Incident,
        };
        match self.0.deadline(term, from) {
            Some(deadline) => Due { goal: deadline.ours.min(deadline.theirs), by: deadline.theirs },
            // A market without this duty: it is due at once, and a person looks at it.
            None => Due { goal: from, by: from },
        }
    }
}

impl Terms {
    /// How near a due moment is.
    pub(crate) fn urgency(&self, due: Due, now: Timestamp) -> Urgency {
        if now > due.by {
            Urgency::Late
        } else if now > due.goal {
            Urgency::Goal
        } else if due.goal <= self.0.add_business_days(now, NEAR, Counting::default()) {
            Urgency::Soon
        } else {
            Urgency::Calm
        }
    }
}
