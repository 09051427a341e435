//! Security incidents (Ley 1581 de 2012, art. 17 lit. n): what has to be told to the authority within 15
//! business days after the incident was detected and known to the area in charge. The clock does not stop.

use crate::case::{Calendar, Due, Duty, Entry};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// `INC-2026-000001`.
    pub number: String,
    /// When it was detected and known to the area in charge: the clock begins.
    pub detected_at: Timestamp,
    /// What happened, in one line.
    pub title: String,
    /// Databases that are concerned.
    pub databases: Vec<String>,
    /// Categories of data.
    pub categories: Vec<String>,
    /// How many persons, as far as it is known.
    pub persons: Option<u64>,
    /// What it may mean for them.
    pub effect: String,
    /// What was done about it.
    pub measures: String,
    /// When it was reported to the authority.
    #[serde(default)]
    pub reported_at: Option<Timestamp>,
    /// Number of that report.
    #[serde(default)]
    pub report: String,
    /// When nothing was left to be done.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// What was done, oldest first.
    pub history: Vec<Entry>,
}

/// Something that is done with an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "IncidentStep")]
pub enum IncidentStep {
    /// What is known by now; what is left out stays as it was.
    Update {
        /// Databases.
        #[serde(default)]
        databases: Option<Vec<String>>,
        /// Categories of data.
        #[serde(default)]
        categories: Option<Vec<String>>,
        /// Persons.
        #[serde(default)]
        persons: Option<u64>,
        /// What it may mean for them.
        #[serde(default)]
        effect: Option<String>,
        /// What was done about it.
        #[serde(default)]
        measures: Option<String>,
    },
    /// It was reported to the authority.
    Report {
        /// Number of the report.
        report: String,
    },
    /// Nothing is left to be done.
    Close {
        /// In words.
        #[serde(default)]
        note: String,
    },
}

impl Incident {
    /// By when it must be reported.
    #[must_use]
    pub fn due(&self, calendar: &dyn Calendar) -> Due {
        calendar.due(Duty::ReportIncident, self.detected_at)
    }

    /// What a report must hold and is not known yet: names of fields.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let fields = [
            ("databases", self.databases.is_empty()),
            ("categories", self.categories.is_empty()),
            ("persons", self.persons.is_none()),
            ("effect", self.effect.trim().is_empty()),
            ("measures", self.measures.trim().is_empty()),
        ];
        fields.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect()
    }

    /// Does a step, or says in a sentence why it cannot be done; then nothing has changed.
    ///
    /// # Errors
    /// When it is over, when it was reported already, or when the report would lack something.
    pub fn step(&mut self, step: &IncidentStep, by: &str, now: Timestamp) -> Result<(), String> {
        if self.closed_at.is_some() {
            return Err(format!("{} is closed; register what is new as another incident", self.number));
        }
        let (what, note) = match step {
            IncidentStep::Update { databases, categories, persons, effect, measures } => {
                let take = |own: &mut Vec<String>, new: &Option<Vec<String>>| {
                    if let Some(new) = new {
                        own.clone_from(new);
                    }
                };
                take(&mut self.databases, databases);
                take(&mut self.categories, categories);
                self.persons = persons.or(self.persons);
                for (own, new) in [(&mut self.effect, effect), (&mut self.measures, measures)] {
                    if let Some(new) = new {
                        new.trim().clone_into(own);
                    }
                }
                ("updated", String::new())
            }
            IncidentStep::Report { report } => {
                if self.reported_at.is_some() {
                    return Err(format!("{} was reported already", self.number));
                }
                let missing = self.missing();
                if !missing.is_empty() {
                    return Err(format!("a report needs {}; add what is known first", missing.join(", ")));
                }
                let report = report.trim();
                if report.is_empty() {
                    return Err("report: give the number under which the authority has it".into());
                }
                self.reported_at = Some(now);
                report.clone_into(&mut self.report);
                ("reported", report.to_owned())
            }
            IncidentStep::Close { note } => {
                if self.reported_at.is_none() {
                    return Err(format!("{} is not reported; its clock does not stop", self.number));
                }
                self.closed_at = Some(now);
                ("closed", note.trim().to_owned())
            }
        };
        self.history.push(Entry { at: now, by: by.to_owned(), what: what.to_owned(), note });
        Ok(())
    }
}
