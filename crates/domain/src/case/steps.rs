//! What can be done with a case, and when.

use super::{Calendar, Case, CaseKind, CaseState, Decided, Duty, Entry, Extended, Letter, Ruling};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest text of a reason or note, in characters.
const LONGEST: usize = 4000;

/// Something that is done with a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "CaseStep")]
pub enum Step {
    /// A reclamo lacks something: the person is asked for it.
    Incomplete {
        /// What is missing; the person is told.
        missing: String,
    },
    /// Everything is there. A reclamo is labelled with it, at once.
    Complete {
        /// Reason beside the label: what is disputed, in one line. Left out: what is asked for.
        #[serde(default)]
        reason: String,
    },
    /// More time, once and before the first term ends; the person is told why and until when.
    Extend {
        /// Why.
        reason: String,
    },
    /// What is decided.
    Decide {
        /// Granted, partly, denied.
        ruling: Ruling,
        /// Why; needed unless everything is granted.
        #[serde(default)]
        reason: String,
    },
    /// The answer goes to the person.
    Answer {
        /// Subject. Left out: that of the template.
        #[serde(default)]
        subject: String,
        /// Text. Left out: that of the template.
        #[serde(default)]
        text: String,
    },
    /// It was meant for somebody else, who has it now; the person is told (within 2 business days).
    PassOn {
        /// To whom.
        to: String,
    },
    /// The person took it back.
    Withdraw {
        /// How that is known.
        reason: String,
    },
    /// A line in its history.
    Note {
        /// The line.
        text: String,
    },
}

/// Why a step is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// Not in this state.
    #[error("{number} is {}: {why}", .state.as_str())]
    State {
        /// Case.
        number: String,
        /// Where it stands.
        state: CaseState,
        /// What to do instead.
        why: &'static str,
    },
    /// Not for this kind.
    #[error("{0}")]
    Kind(&'static str),
    /// Too late.
    #[error("{number}: the first term ended on {ended}; an extension is told before that (Ley 1581, arts. 14 and 15)")]
    Late {
        /// Case.
        number: String,
        /// When.
        ended: Timestamp,
    },
    /// Something was not said.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What to write.
        why: &'static str,
    },
}

fn said(field: &'static str, text: &str, why: &'static str) -> Result<String, CaseRefusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(CaseRefusal::Field { field, why });
    }
    if text.chars().count() > LONGEST {
        return Err(CaseRefusal::Field { field, why: "is longer than 4000 characters" });
    }
    Ok(text.to_owned())
}

impl Case {
    /// Does a step, or says why it cannot be done; then nothing has changed.
    ///
    /// # Errors
    /// When the state, the kind or the moment forbids it, or something was not said.
    pub fn step(&mut self, step: &Step, by: &str, now: Timestamp, calendar: &dyn Calendar) -> Result<(), CaseRefusal> {
        let state = self.state;
        let no = |why| CaseRefusal::State { number: self.number.clone(), state, why };
        if !state.is_open() && !matches!(step, Step::Note { .. }) {
            return Err(no("it is over; a new request is a new case"));
        }
        match step {
            Step::Incomplete { missing } => {
                if self.kind != CaseKind::Reclamo {
                    return Err(CaseRefusal::Kind("only a reclamo can be incomplete (Ley 1581, art. 15 num. 1)"));
                }
                if state != CaseState::Received {
                    return Err(no("what is missing is asked for once, before it counts as complete"));
                }
                let reason = said("missing", missing, "say what the person has to add: it stands in the letter")?;
                self.enter(now, by, "incomplete", &reason);
                self.asked = Some(Extended { reason, at: now });
                self.state = CaseState::Incomplete;
            }
            Step::Complete { reason } => {
                if !matches!(state, CaseState::Received | CaseState::Incomplete) {
                    return Err(no("it is complete already"));
                }
                self.complete(reason, by, now);
            }
            Step::Extend { reason } => {
                if self.kind == CaseKind::Pqr {
                    return Err(CaseRefusal::Kind("a PQR has no extension: it is answered within 15 business days"));
                }
                if self.extended.is_some() {
                    return Err(no("it was extended already, and that is possible once"));
                }
                if !matches!(state, CaseState::Received | CaseState::Complete) {
                    return Err(no("only what is still to be decided can be extended"));
                }
                let ended = self.answer_due(calendar).by;
                if now > ended {
                    return Err(CaseRefusal::Late { number: self.number.clone(), ended });
                }
                let reason = said("reason", reason, "say why: the person is told")?;
                self.enter(now, by, "extended", &reason);
                self.extended = Some(Extended { reason, at: now });
            }
            Step::Decide { ruling, reason } => {
                if state == CaseState::Incomplete {
                    return Err(no("complete it first, or wait for the person"));
                }
                if state == CaseState::Decided {
                    return Err(no("it is decided; answer it"));
                }
                let reason = match ruling {
                    Ruling::Granted => reason.trim().to_owned(),
                    _ => said("reason", reason, "say why: it stands in the answer")?,
                };
                if state == CaseState::Received {
                    self.complete("", by, now);
                }
                self.enter(now, by, "decided", ruling.as_str());
                self.decided = Some(Decided { ruling: *ruling, reason, at: now });
                self.state = CaseState::Decided;
            }
            Step::Answer { subject, text } => {
                if state != CaseState::Decided {
                    return Err(no("decide it first"));
                }
                let subject = said("subject", subject, "the answer needs a subject")?;
                let text = text.trim();
                if text.is_empty() {
                    return Err(CaseRefusal::Field { field: "text", why: "the answer needs a text" });
                }
                self.enter(now, by, "answered", "");
                self.answer = Some(Letter { subject, text: text.to_owned() });
                self.state = CaseState::Answered;
            }
            Step::PassOn { to } => {
                if state != CaseState::Received {
                    return Err(no("only what nobody has begun to handle is passed on"));
                }
                let to = said("to", to, "say who is competent: the person is told")?;
                self.enter(now, by, "passed_on", &to);
                self.state = CaseState::PassedOn;
            }
            Step::Withdraw { reason } => {
                let reason = said("reason", reason, "say how it is known that the person took it back")?;
                self.enter(now, by, "withdrawn", &reason);
                self.state = CaseState::Withdrawn;
            }
            Step::Note { text } => {
                let text = said("text", text, "write the note")?;
                self.enter(now, by, "noted", &text);
            }
        }
        Ok(())
    }

    /// Two months after our request nothing came: it counts as withdrawn (Ley 1581, art. 15 num. 1). Returns
    /// whether it does now.
    pub fn silent(&mut self, now: Timestamp, calendar: &dyn Calendar) -> bool {
        let Some(asked) = self.asked.as_ref().filter(|_| self.state == CaseState::Incomplete) else { return false };
        if now <= calendar.due(Duty::Silence, asked.at).by {
            return false;
        }
        self.enter(now, "pasarela", "withdrawn", "silence");
        self.state = CaseState::Withdrawn;
        true
    }

    fn complete(&mut self, reason: &str, by: &str, now: Timestamp) {
        // Complete as it came: its terms count from receipt.
        let at = if self.asked.is_some() { now } else { self.received_at };
        self.completed_at = Some(at);
        self.state = CaseState::Complete;
        self.enter(now, by, "completed", "");
        if self.kind == CaseKind::Reclamo {
            let reason = reason.trim();
            let line = if reason.is_empty() { self.request.trim() } else { reason };
            let reason: String = line.lines().next().unwrap_or_default().chars().take(200).collect();
            self.enter(now, by, "labelled", &reason);
            self.label = Some(Extended { reason, at: now });
        }
    }

    fn enter(&mut self, at: Timestamp, by: &str, what: &str, note: &str) {
        self.history.push(Entry { at, by: by.to_owned(), what: what.to_owned(), note: note.to_owned() });
    }
}
