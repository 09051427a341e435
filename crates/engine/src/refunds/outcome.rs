//! What came of a refund that was approved: asking the provider once, and reading what it said; and the round that
//! goes on where a crash came between.

use super::{ACTION, Doc, REFUND, Refund, RefundState, TRIES, read};
use crate::by_hand::ASKED;
use crate::cases::news::News;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::model::ActionAsked;
use pasarela_store::{
    EffectRow, EffectState, Error, EventFilter, EventRow, RecordFilter, RecordOrder, Recorded, RunFilter, RunStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Records of a page.
const PAGE: u32 = 100;

/// What came of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundOutcome {
    /// The provider is being asked.
    UnderWay,
    /// The provider gives the money back.
    Done,
    /// Nothing was asked for: as much had gone back already.
    Already,
    /// The provider refused, or it was given up.
    Refused,
    /// It is not known whether it was done, and a person must say; it is not tried again before.
    Unknown,
    /// It could not be asked for, and needs a person: among what is to be resolved.
    Stuck,
}

impl RefundOutcome {
    /// Nothing more comes of it.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Already | Self::Refused)
    }
}

impl Inner {
    /// Looks after requests: what was approved is asked of the provider where a crash came between, what came of it is
    /// noted, and whose time is over ends. Whoever else does it at the same time changes nothing.
    pub(crate) async fn refund_round(self: &Arc<Self>) -> Result<(), Error> {
        let mut before = None;
        loop {
            let filter = RecordFilter { before, ..RecordFilter::first(REFUND, RecordOrder::Open, PAGE) };
            let page = self.store.records(filter).await?;
            for row in &page.rows {
                // One that does not succeed is no reason to leave the others.
                if let Err(error) = self.settle_refund(&row.id).await {
                    tracing::warn!(refund = row.id, %error, "a refund could not be looked after; the next round does it");
                }
            }
            before = page.next;
            if before.is_none() {
                return Ok(());
            }
        }
    }

    /// Does what is to be done of one request now. `None`: there is none.
    pub(super) async fn settle_refund(self: &Arc<Self>, id: &str) -> Result<Option<Refund>, Error> {
        for _ in 0..TRIES {
            let Some(row) = self.store.record(REFUND, id).await? else { return Ok(None) };
            let (mut doc, now) = (read(&row)?, self.clock.now());
            let was = (doc.refund.clone(), doc.told);
            match doc.refund.state {
                RefundState::Waiting if now >= doc.refund.expires_at => {
                    doc.refund.decide(RefundState::Expired, None, now);
                }
                RefundState::Approved if row.open => {
                    if !doc.told {
                        self.tell_refund(&doc).await?;
                        doc.told = true;
                    }
                    self.look_at_outcome(&mut doc.refund).await?;
                }
                _ => {}
            }
            if was == (doc.refund.clone(), doc.told) {
                return Ok(Some(doc.refund));
            }
            if self.keep_refund(&doc, row.version, now).await? != Recorded::Stale {
                self.note_end(&doc.refund, was.0.state);
                return Ok(Some(doc.refund));
            }
        }
        Err(Error::Busy)
    }

    /// What the hub decides by itself goes into the audit.
    fn note_end(&self, refund: &Refund, was: RefundState) {
        if refund.state == RefundState::Expired && was == RefundState::Waiting {
            let brand = self.connections.get(&refund.id.connection).map_or("", |c| c.brand.as_str());
            self.decisions.note("refunds.expired", &refund.id.to_string(), brand);
        }
    }

    /// Says, once, that the provider is to be asked: told twice, it is one event.
    async fn tell_refund(self: &Arc<Self>, doc: &Doc) -> Result<(), Error> {
        let Refund { id, asked_by, decided_by, decided_at, .. } = &doc.refund;
        let approved_by = decided_by.as_ref().map_or("", |c| c.name.as_str());
        let asked = ActionAsked {
            connection: id.connection.clone(),
            action: ACTION.to_owned(),
            input: self.refund_input(&doc.refund),
            by: format!("{}, {approved_by}", asked_by.name),
        };
        let news = News {
            news: ASKED.into(),
            key: key_of(&doc.refund),
            id: key_of(&doc.refund),
            at: decided_at.unwrap_or(Timestamp::UNIX_EPOCH),
            data: serde_json::to_value(asked).unwrap_or_default(),
        };
        self.tell(&news).await
    }

    /// What the story of the event says came of it.
    pub(super) async fn look_at_outcome(&self, refund: &mut Refund) -> Result<(), Error> {
        let Some(event) = self.refund_event(refund).await? else { return Ok(()) };
        refund.event_id = Some(event.id);
        let filter = RunFilter { event: Some(event.id), limit: PAGE, ..RunFilter::default() };
        let runs = self.store.runs(filter).await?.rows;
        let mut over = true;
        for run in &runs {
            let view = self.view_run(run).await?;
            over &= matches!(run.status, RunStatus::Done | RunStatus::Cancelled | RunStatus::Failed);
            for id in view.effects.values() {
                let Some(effect) = self.store.effect(*id).await? else { continue };
                if effect.action == ACTION && self.connection_name(effect.connection) == refund.id.connection {
                    (refund.outcome, refund.why) = came_of(&effect);
                    return Ok(());
                }
            }
            refund.why = view.problems.first().cloned();
        }
        if over {
            // The flow was replaced by one that does something else, or could not be decided.
            refund.outcome = Some(RefundOutcome::Refused);
            refund.why.get_or_insert_with(|| "no flow asked the provider for it".to_owned());
        }
        Ok(())
    }

    async fn refund_event(&self, refund: &Refund) -> Result<Option<EventRow>, Error> {
        let own = self.own_connection()?;
        let key = self.key_hash(own, &key_of(refund));
        let filter = EventFilter { connection: Some(own), key: Some(key), limit: 1, ..EventFilter::default() };
        Ok(self.store.events(filter).await?.rows.into_iter().next())
    }
}

/// Key of the event, and what makes it one.
fn key_of(refund: &Refund) -> String {
    format!("refund:{}", refund.id)
}

/// An effect's state in the words of a refund.
fn came_of(effect: &EffectRow) -> (Option<RefundOutcome>, Option<String>) {
    use EffectState as S;
    let told: Value = serde_json::from_slice(&effect.outcome).unwrap_or_default();
    let outcome = match effect.state {
        S::Queued | S::Calling | S::Settling | S::Checking | S::Deferred => RefundOutcome::UnderWay,
        S::Done | S::Partial | S::Unsettled if told["result"]["already"] == true => RefundOutcome::Already,
        S::Done | S::Partial | S::Unsettled => RefundOutcome::Done,
        S::GaveUp | S::FailedLate | S::Withdrawn | S::Dropped | S::Withheld => RefundOutcome::Refused,
        S::Unknown => RefundOutcome::Unknown,
        S::Dead => RefundOutcome::Stuck,
    };
    let why = told["why"].as_str().map(str::to_owned);
    (Some(outcome), why.or_else(|| effect.code.clone()).filter(|_| outcome != RefundOutcome::UnderWay))
}
