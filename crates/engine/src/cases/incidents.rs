//! The register of security incidents. See [`pasarela_domain::incident`].

use super::{CaseError, TRIES, Urgency};
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::case::{Due, Entry};
use pasarela_domain::incident::{Incident, IncidentStep};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow, RecordWrite, Recorded};
use schemars::JsonSchema;
use serde::Deserialize;

/// Kind of the records of incidents.
pub(crate) const INCIDENT: &str = "incident";

/// Why nothing was done with an incident.
pub type IncidentError = CaseError;

/// An incident to register. What is not known yet is added later; the clock runs meanwhile.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIncident {
    /// What happened, in one line.
    pub title: String,
    /// When it was detected and known to the area in charge; now, when it is left out.
    #[serde(default)]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub detected_at: Option<Timestamp>,
    /// Databases that are concerned.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Categories of data.
    #[serde(default)]
    pub categories: Vec<String>,
    /// How many persons.
    #[serde(default)]
    pub persons: Option<u64>,
    /// What it may mean for them.
    #[serde(default)]
    pub effect: String,
    /// What was done about it.
    #[serde(default)]
    pub measures: String,
}

/// An incident, and by when it must be reported.
#[derive(Debug, Clone)]
pub struct IncidentView {
    /// The incident.
    pub incident: Incident,
    /// By when it must be reported.
    pub due: Due,
    /// How near that is; calm once it is reported.
    pub urgency: Urgency,
}

impl Inner {
    fn incident_view(&self, incident: Incident, now: Timestamp) -> IncidentView {
        let terms = self.case_terms();
        let due = incident.due(&terms);
        let urgency = if incident.reported_at.is_some() { Urgency::Calm } else { terms.urgency(due, now) };
        IncidentView { incident, due, urgency }
    }

    /// Registers an incident.
    pub(crate) async fn open_incident(&self, new: NewIncident, by: &str) -> Result<IncidentView, CaseError> {
        let now = self.clock.now();
        let title = new.title.trim().to_owned();
        if title.is_empty() || title.chars().count() > 300 {
            return Err(CaseError::Invalid("title: say in 1 to 300 characters what happened".into()));
        }
        let detected_at = new.detected_at.unwrap_or(now);
        if detected_at.duration_since(now) > SignedDuration::from_mins(5) {
            return Err(CaseError::Invalid("detected_at is in the future".into()));
        }
        let incident = Incident {
            number: self.next_number("INC", now).await?,
            detected_at,
            title,
            databases: new.databases,
            categories: new.categories,
            persons: new.persons,
            effect: new.effect.trim().to_owned(),
            measures: new.measures.trim().to_owned(),
            reported_at: None,
            report: String::new(),
            closed_at: None,
            history: vec![Entry { at: now, by: by.to_owned(), what: "opened".into(), note: String::new() }],
        };
        if self.keep_incident(&incident, 0, now).await? == Recorded::Stale {
            return Err(Error::Busy.into());
        }
        self.count_cases().await;
        Ok(self.incident_view(incident, now))
    }

    /// One incident.
    pub(crate) async fn incident(&self, number: &str) -> Result<IncidentView, CaseError> {
        let (incident, _) = self.incident_doc(number).await?;
        Ok(self.incident_view(incident, self.clock.now()))
    }

    /// A page of incidents, the newest first.
    pub(crate) async fn incidents(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<IncidentView>, Option<i64>), CaseError> {
        let asked = RecordFilter { before, ..RecordFilter::first(INCIDENT, RecordOrder::Newest, limit) };
        let page = self.store.records(asked).await?;
        let now = self.clock.now();
        Ok((page.rows.iter().filter_map(read).map(|i| self.incident_view(i, now)).collect(), page.next))
    }

    /// Does a step of an incident.
    pub(crate) async fn step_incident(
        &self,
        number: &str,
        step: &IncidentStep,
        by: &str,
        seen: Option<usize>,
    ) -> Result<IncidentView, CaseError> {
        for _ in 0..TRIES {
            let (mut incident, version) = self.incident_doc(number).await?;
            if seen.is_some_and(|seen| seen != incident.history.len()) {
                return Err(CaseError::Changed);
            }
            let now = self.clock.now();
            incident.step(step, by, now).map_err(CaseError::Invalid)?;
            if self.keep_incident(&incident, version, now).await? != Recorded::Stale {
                self.count_cases().await;
                return Ok(self.incident_view(incident, now));
            }
        }
        Err(Error::Busy.into())
    }

    async fn incident_doc(&self, number: &str) -> Result<(Incident, i64), CaseError> {
        let row = self.store.record(INCIDENT, number).await?;
        let found = row.as_ref().and_then(|row| Some((read(row)?, row.version)));
        found.ok_or_else(|| CaseError::NotFound(number.to_owned()))
    }

    async fn keep_incident(&self, incident: &Incident, expected: i64, now: Timestamp) -> Result<Recorded, Error> {
        let due = incident.reported_at.is_none().then(|| incident.due(&self.case_terms()).goal);
        let open = incident.closed_at.is_none();
        let plain = self.plain_record(INCIDENT, &incident.number, expected, now, incident);
        self.store.keep_record(RecordWrite { due, open, ..plain }).await
    }
}

/// An incident out of its record.
pub(crate) fn read(row: &RecordRow) -> Option<Incident> {
    serde_json::from_slice(&row.data).ok()
}
