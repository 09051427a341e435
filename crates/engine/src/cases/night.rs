//! The round that looks after cases and incidents: silence of two months ends a case, what a crash left
//! untold is told, and once a working day the owner hears what is near its term.

use super::incidents::INCIDENT;
use super::news::News;
use super::{CASE, Doc, TRIES, Urgency, read};
use crate::engine::Inner;
use jiff::Timestamp;
use jiff::civil::Date;
use pasarela_colombia::calendar::bogota;
use pasarela_domain::case::CaseState;
use pasarela_domain::model::{CaseReminder, Pending};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow, Recorded};
use std::sync::Arc;
use std::time::Duration;

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(60);
/// Records of a page.
const PAGE: u32 = 100;
/// From this hour of a day in Bogota on the owner is told.
const MORNING: i8 = 7;

/// How many cases and incidents are near their terms, counted by the last round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CasesNow {
    /// Cases that are not over.
    pub open: u64,
    /// Of these: the goal is near, or has passed.
    pub soon: u64,
    /// Of these: the term is over.
    pub late: u64,
    /// Incidents that are not reported.
    pub incidents: u64,
    /// The earliest end of their terms.
    pub incident_by: Option<Timestamp>,
    /// Incidents whose term is over.
    pub incidents_late: u64,
}

/// What the round keeps in memory.
#[derive(Default)]
pub(crate) struct CaseRounds {
    now: parking_lot::Mutex<Option<CasesNow>>,
    /// Day of which the owner was told.
    told: parking_lot::Mutex<Option<Date>>,
}

impl Inner {
    /// How cases stand.
    pub(crate) async fn cases_now(&self) -> Result<CasesNow, Error> {
        if let Some(now) = self.known_cases() {
            return Ok(now);
        }
        Ok(self.look_at_cases().await?.0)
    }

    /// The same, as the last round counted it.
    pub(crate) fn known_cases(&self) -> Option<CasesNow> {
        *self.case_rounds.now.lock()
    }

    /// Counts anew after a change, so that alarms and the line on every page know it at once.
    pub(super) async fn count_cases(&self) {
        if let Err(e) = self.look_at_cases().await {
            tracing::warn!(error = %e, "cases could not be counted; the next round does it");
        }
    }

    /// Looks after cases, and after requests for refunds, until the hub stops.
    pub(crate) async fn clerk(self: Arc<Self>) {
        loop {
            if let Err(e) = self.case_round().await {
                tracing::warn!(error = %e, "the round of cases did not complete; the next one goes on");
            }
            if let Err(e) = self.refund_round().await {
                tracing::warn!(error = %e, "the round of refunds did not complete; the next one goes on");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.stopped() => return,
            }
        }
    }

    /// One round. Whoever else makes one at the same time changes nothing.
    pub(crate) async fn case_round(self: &Arc<Self>) -> Result<CasesNow, Error> {
        let now = self.clock.now();
        for row in self.open_records(CASE).await? {
            self.end_silence(&row.id, now).await?;
            // Also what this made untold.
            self.settle_case(&row.id).await?;
        }
        let (count, pending) = self.look_at_cases().await?;
        self.remind(&pending, now).await?;
        Ok(count)
    }

    async fn open_records(&self, kind: &str) -> Result<Vec<RecordRow>, Error> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let filter = RecordFilter { before, ..RecordFilter::first(kind, RecordOrder::Open, PAGE) };
            let page = self.store.records(filter).await?;
            all.extend(page.rows);
            before = page.next;
            if before.is_none() {
                return Ok(all);
            }
        }
    }

    async fn end_silence(&self, number: &str, now: Timestamp) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(row) = self.store.record(CASE, number).await? else { return Ok(()) };
            let Some(mut doc) = read(&row) else { return Ok(()) };
            if !doc.case.silent(now, &self.case_terms()) {
                return Ok(());
            }
            doc.add("case.withdrawn", None, now);
            if self.keep_case(&doc, row.version, now).await? != Recorded::Stale {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }

    async fn look_at_cases(&self) -> Result<(CasesNow, Vec<Pending>), Error> {
        let now = self.clock.now();
        let terms = self.case_terms();
        let (mut count, mut pending) = (CasesNow::default(), Vec::new());
        let docs = self.open_records(CASE).await?;
        for Doc { case, .. } in docs.iter().filter_map(read).filter(|d| d.case.state.is_open()) {
            count.open += 1;
            let view = self.view(case, now);
            let Some(next) = view.dues.first().filter(|_| view.case.state != CaseState::Incomplete) else { continue };
            count.soon += u64::from(matches!(view.urgency, Urgency::Soon | Urgency::Goal));
            count.late += u64::from(view.urgency == Urgency::Late);
            if view.urgency > Urgency::Calm {
                pending.push(Pending {
                    number: view.case.number.clone(),
                    kind: view.case.kind.as_str().to_owned(),
                    duty: next.duty.as_str().to_owned(),
                    by: next.due.by,
                    late: view.urgency == Urgency::Late,
                });
            }
        }
        let rows = self.open_records(INCIDENT).await?;
        for incident in rows.iter().filter_map(super::incidents::read).filter(|i| i.reported_at.is_none()) {
            let due = incident.due(&terms);
            let late = now > due.by;
            count.incidents += 1;
            count.incidents_late += u64::from(late);
            count.incident_by = Some(count.incident_by.map_or(due.by, |by| by.min(due.by)));
            pending.push(Pending {
                number: incident.number,
                kind: "incident".into(),
                duty: "report".into(),
                by: due.by,
                late,
            });
        }
        pending.sort_by_key(|p| p.by);
        *self.case_rounds.now.lock() = Some(count);
        Ok((count, pending))
    }

    /// Tells the owner, once a working day, what is near its term or over it.
    async fn remind(self: &Arc<Self>, pending: &[Pending], now: Timestamp) -> Result<(), Error> {
        let local = bogota(now);
        let day = local.date();
        let told = *self.case_rounds.told.lock() == Some(day);
        if pending.is_empty() || told || local.hour() < MORNING || !self.law.market.is_business_day(day, false) {
            return Ok(());
        }
        let line = |p: &Pending| {
            let date = pasarela_colombia::calendar::date(p.by, pasarela_colombia::Lang::Es);
            let late = if p.late { " (VENCIDO)" } else { "" };
            format!("{} ({}): vence el {date}{late}", p.number, p.kind)
        };
        let reminder = CaseReminder {
            day: day.to_string(),
            late: pending.iter().filter(|p| p.late).count() as u64,
            text: pending.iter().map(line).collect::<Vec<_>>().join("\n"),
            cases: pending.to_vec(),
        };
        let news = News {
            news: "case.reminder".into(),
            key: format!("cases:{day}"),
            id: day.to_string(),
            at: now,
            data: serde_json::to_value(reminder).unwrap_or_default(),
        };
        self.tell(&news).await?;
        *self.case_rounds.told.lock() = Some(day);
        Ok(())
    }
}
