//! Money that goes back because two people say so: one asks, another one with the right to it approves, and only then
//! it is asked of the provider, by hand ([`crate::by_hand`]).
//!
//! Promise: nobody approves what they asked for. An order has one request at a time, each decided once, on whichever
//! node and by however many at once: what is written names the version that was read. What was approved is asked of
//! the provider once, also where a crash came between (the event has the request's name). A request that nobody
//! decided ends by itself, and whoever asked may take it back before that.

mod outcome;

pub use outcome::RefundOutcome;

use crate::by_hand::{AskError, input_of};
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::model::{Order, OrderStatus};
use pasarela_domain::{EntityRef, EventId, Moment, Money};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow, RecordWrite, Recorded};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;

/// Kind of the records.
pub(crate) const REFUND: &str = "refund";
/// The action that gives money back, at every provider that can.
pub(crate) const ACTION: &str = "refund";
/// So long a request waits for somebody to decide it.
const WAITS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Tries to write what others write too, before it is given up for the moment.
const TRIES: u32 = 20;
/// Longest reason, in characters.
const REASON: usize = 300;

/// Which request: the first of an order is its number 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefundId {
    /// Connection that tells of the order.
    pub connection: String,
    /// The order's id at the provider.
    pub order_id: String,
    /// Which of the order's requests, from 1.
    pub number: u32,
}

impl fmt::Display for RefundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.connection, self.order_id, self.number)
    }
}

/// Somebody who works in the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Somebody")]
pub struct Colleague {
    /// Id of the account.
    pub id: String,
    /// As people call them.
    pub name: String,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// It waits for somebody who approves or refuses it.
    Waiting,
    /// Approved: what came of it is its outcome.
    Approved,
    /// Refused by a person.
    Refused,
    /// Taken back by who asked.
    Withdrawn,
    /// Nobody decided it in time.
    Expired,
}

/// A refund that somebody asks for.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// Connection that tells of the order.
    pub connection: String,
    /// The order's id at the provider.
    pub order_id: String,
    /// How much, in minor units of the order's currency; all that is left when absent.
    pub amount: Option<i64>,
    /// Also cancel the order.
    pub cancel_order: bool,
    /// Why, for whoever decides it: 1 to 300 characters.
    pub reason: String,
}

/// A request for a refund, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refund {
    /// Which.
    #[serde(flatten)]
    pub id: RefundId,
    /// The order's number, as people read it.
    pub order_number: String,
    /// The provider's id of the show.
    pub show_id: String,
    /// How much goes back, taxes included.
    pub amount: Money,
    /// What had gone back before it was asked for.
    pub refunded_before: Money,
    /// The order is cancelled with it.
    pub cancel_order: bool,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Where it stands.
    pub state: RefundState,
    /// Who asked.
    pub asked_by: Colleague,
    /// When.
    #[schemars(with = "Moment")]
    pub asked_at: Timestamp,
    /// Until when it waits.
    #[schemars(with = "Moment")]
    pub expires_at: Timestamp,
    /// Who approved or refused it.
    pub decided_by: Option<Colleague>,
    /// When it was decided, taken back, or ended by itself.
    #[schemars(with = "Option<Moment>")]
    pub decided_at: Option<Timestamp>,
    /// What came of it, once approved.
    pub outcome: Option<RefundOutcome>,
    /// Why it came to that, in the provider's words.
    pub why: Option<String>,
    /// The event that says it was asked of the provider; its story tells the rest.
    pub event_id: Option<EventId>,
}

/// What is kept of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Doc {
    refund: Refund,
    /// Once approved: the provider was asked for it.
    #[serde(default)]
    told: bool,
}

/// Why nothing was done with a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RefundError {
    /// There is no such order or request.
    #[error("there is no {0}")]
    NotFound(String),
    /// Something of what was asked for is wrong.
    #[error("{0}")]
    Invalid(String),
    /// More than is left of the order, or nothing is left.
    #[error("{left} of the order could still go back", left = .0.major_text())]
    TooMuch(Money),
    /// The order is not paid: there is nothing to give back.
    #[error("the order is not paid: there is nothing to give back")]
    NotPaid,
    /// Another request of this order is not over yet.
    #[error("request {0} of this order is not over yet")]
    Another(u32),
    /// Whoever asked for it does not approve it.
    #[error("whoever asked for it does not approve it: somebody else does")]
    Own,
    /// Only who asked may take it back.
    #[error("only who asked for it may take it back")]
    NotOwn,
    /// It is decided already, taken back, or over.
    #[error("it does not wait any more: it is {0:?}")]
    Decided(RefundState),
    /// Something went back since it was asked for.
    #[error("money of this order went back since it was asked for: refuse it, and let it be asked for again")]
    Moved,
    /// The provider cannot be asked for it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Which requests.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    /// Only those that are not over.
    pub open: bool,
    /// Cursor of the page.
    pub before: Option<i64>,
    /// At most.
    pub limit: u32,
}

impl Inner {
    /// Asks for a refund.
    pub(crate) async fn ask_refund(&self, new: NewRefund, by: Colleague) -> Result<Refund, RefundError> {
        let now = self.clock.now();
        let reason = new.reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > REASON {
            return Err(RefundError::Invalid(format!("reason: say in 1 to {REASON} characters why")));
        }
        for _ in 0..TRIES {
            let order = self.order_of(&new.connection, &new.order_id).await?;
            let last = self.refunds_of(&new.connection, &new.order_id).await?.into_iter().next();
            let last = match last {
                Some(row) => Some(self.brought_up(row, now).await?),
                None => None,
            };
            let number = last.as_ref().map_or(1, |r| r.id.number + 1);
            if let Some(open) = last.as_ref().filter(|r| r.is_open()) {
                return Err(RefundError::Another(open.id.number));
            }
            let before = refunded(&order, last.as_ref());
            let left = Money::new(order.total.minor.saturating_sub(before.minor), order.currency);
            let amount = Money::new(new.amount.unwrap_or(left.minor), order.currency);
            if order.status == OrderStatus::Placed {
                return Err(RefundError::NotPaid);
            }
            if amount.minor <= 0 && left.minor > 0 {
                return Err(RefundError::Invalid("amount: more than nothing is to go back".into()));
            }
            if amount.minor > left.minor || left.minor <= 0 {
                return Err(RefundError::TooMuch(Money::new(left.minor.max(0), order.currency)));
            }
            let refund = Refund {
                id: RefundId { connection: new.connection.clone(), order_id: order.id, number },
                order_number: order.number,
                show_id: order.show_id,
                amount,
                refunded_before: before,
                cancel_order: new.cancel_order,
                reason: reason.clone(),
                state: RefundState::Waiting,
                asked_by: by.clone(),
                asked_at: now,
                expires_at: now.checked_add(WAITS).unwrap_or(Timestamp::MAX),
                decided_by: None,
                decided_at: None,
                outcome: None,
                why: None,
                event_id: None,
            };
            // What the connector would refuse nobody has to decide.
            self.would_do(&refund.id.connection, ACTION, &self.refund_input(&refund))?;
            let doc = Doc { refund, told: false };
            if let Recorded::Done(_) = self.keep_refund(&doc, 0, now).await? {
                return Ok(doc.refund);
            }
        }
        Err(Error::Busy.into())
    }

    /// Approves a request, and asks the provider.
    pub(crate) async fn approve_refund(self: &Arc<Self>, id: &RefundId, by: Colleague) -> Result<Refund, RefundError> {
        let (mut doc, version, now) = self.waiting_refund(id).await?;
        if by.id.is_empty() || doc.refund.asked_by.id == by.id {
            return Err(RefundError::Own);
        }
        let order = self.order_of(&id.connection, &id.order_id).await?;
        if order.refunded.minor > doc.refund.refunded_before.minor {
            return Err(RefundError::Moved);
        }
        // Also the flow that does it, before anybody reads that it was approved.
        self.ready_by_hand(&id.connection, ACTION, &self.refund_input(&doc.refund)).await?;
        doc.refund.decide(RefundState::Approved, Some(by), now);
        doc.refund.outcome = Some(RefundOutcome::UnderWay);
        self.keep_verdict(&doc, version, now).await?;
        match self.settle_refund(&id.to_string()).await {
            Ok(Some(refund)) => Ok(refund),
            Ok(None) => Ok(doc.refund),
            Err(error) => {
                tracing::warn!(refund = %id, %error, "a refund is approved and not asked of the provider yet; the next round does it");
                Ok(doc.refund)
            }
        }
    }

    /// Refuses a request.
    pub(crate) async fn refuse_refund(&self, id: &RefundId, by: Colleague) -> Result<Refund, RefundError> {
        let (mut doc, version, now) = self.waiting_refund(id).await?;
        if by.id.is_empty() || doc.refund.asked_by.id == by.id {
            return Err(RefundError::Own);
        }
        doc.refund.decide(RefundState::Refused, Some(by), now);
        self.keep_verdict(&doc, version, now).await?;
        Ok(doc.refund)
    }

    /// Takes a request back.
    pub(crate) async fn withdraw_refund(&self, id: &RefundId, by: &Colleague) -> Result<Refund, RefundError> {
        let (mut doc, version, now) = self.waiting_refund(id).await?;
        if by.id.is_empty() || doc.refund.asked_by.id != by.id {
            return Err(RefundError::NotOwn);
        }
        doc.refund.decide(RefundState::Withdrawn, None, now);
        self.keep_verdict(&doc, version, now).await?;
        Ok(doc.refund)
    }

    /// One request.
    pub(crate) async fn refund(&self, id: &RefundId) -> Result<Refund, RefundError> {
        let row = self.store.record(REFUND, &id.to_string()).await?;
        let row = row.ok_or_else(|| RefundError::NotFound(format!("refund {id}")))?;
        Ok(self.brought_up(row, self.clock.now()).await?)
    }

    /// A page of requests, the newest first.
    pub(crate) async fn refunds(&self, asked: RefundFilter) -> Result<(Vec<Refund>, Option<i64>), Error> {
        let order = if asked.open { RecordOrder::Open } else { RecordOrder::Newest };
        let filter = RecordFilter { before: asked.before, ..RecordFilter::first(REFUND, order, asked.limit) };
        let page = self.store.records(filter).await?;
        let now = self.clock.now();
        let mut all = Vec::new();
        for row in page.rows {
            all.push(self.brought_up(row, now).await?);
        }
        Ok((all, page.next))
    }

    /// Requests of one order, the newest first.
    pub(crate) async fn refunds_of_order(&self, connection: &str, order: &str) -> Result<Vec<Refund>, Error> {
        let now = self.clock.now();
        let mut all = Vec::new();
        for row in self.refunds_of(connection, order).await? {
            all.push(self.brought_up(row, now).await?);
        }
        Ok(all)
    }

    async fn refunds_of(&self, connection: &str, order: &str) -> Result<Vec<RecordRow>, Error> {
        let about = RecordOrder::About(self.refunds_hash(connection, order));
        Ok(self.store.records(RecordFilter::first(REFUND, about, 100)).await?.rows)
    }

    /// By this the requests of an order are found together.
    fn refunds_hash(&self, connection: &str, order: &str) -> i64 {
        self.subject_hash(&format!("refunds:{connection}/{order}"))
    }

    /// A request as it stands now: one whose time is over is over, whether or not the round has come by.
    async fn brought_up(&self, row: RecordRow, now: Timestamp) -> Result<Refund, Error> {
        let Doc { mut refund, .. } = read(&row)?;
        if refund.state == RefundState::Waiting && now >= refund.expires_at {
            let at = refund.expires_at;
            refund.decide(RefundState::Expired, None, at);
        }
        if row.open && refund.state == RefundState::Approved {
            self.look_at_outcome(&mut refund).await?;
        }
        Ok(refund)
    }

    /// A request that can be decided now, its version, and now.
    async fn waiting_refund(&self, id: &RefundId) -> Result<(Doc, i64, Timestamp), RefundError> {
        let now = self.clock.now();
        let row = self.store.record(REFUND, &id.to_string()).await?;
        let row = row.ok_or_else(|| RefundError::NotFound(format!("refund {id}")))?;
        let doc = read(&row)?;
        match doc.refund.state {
            RefundState::Waiting if now < doc.refund.expires_at => Ok((doc, row.version, now)),
            RefundState::Waiting => Err(RefundError::Decided(RefundState::Expired)),
            other => Err(RefundError::Decided(other)),
        }
    }

    /// Writes what was decided, unless somebody else decided first: then what they did is said.
    async fn keep_verdict(&self, doc: &Doc, version: i64, now: Timestamp) -> Result<(), RefundError> {
        if self.keep_refund(doc, version, now).await? != Recorded::Stale {
            return Ok(());
        }
        let row = self.store.record(REFUND, &doc.refund.id.to_string()).await?;
        let state = row.map_or(Ok(RefundState::Withdrawn), |row| read(&row).map(|d| d.refund.state))?;
        Err(RefundError::Decided(state))
    }

    async fn keep_refund(&self, doc: &Doc, expected: i64, at: Timestamp) -> Result<Recorded, Error> {
        let Refund { id, state, expires_at, .. } = &doc.refund;
        let record = RecordWrite {
            kind: REFUND.to_owned(),
            id: id.to_string(),
            expected,
            due: (*state == RefundState::Waiting).then_some(*expires_at),
            open: doc.refund.is_open(),
            subjects: vec![self.refunds_hash(&id.connection, &id.order_id)],
            at,
            data: self.store.sealer().seal_json(doc),
        };
        self.store.keep_record(record).await
    }

    /// The order as its connection tells of it.
    async fn order_of(&self, connection: &str, id: &str) -> Result<Order, RefundError> {
        let missing = || RefundError::NotFound(format!("order '{id}' at {connection}"));
        let number = self.connection(connection).ok_or_else(missing)?.id;
        let (_, rows) = self.store.lookup(Vec::new(), vec![(number, EntityRef::new("order", id))]).await?;
        let row = rows.into_iter().flatten().next().ok_or_else(missing)?;
        serde_json::from_slice(&row.data).map_err(|_| missing())
    }

    /// Input of the action, as far as the provider asks for it.
    fn refund_input(&self, refund: &Refund) -> Value {
        let known = [
            ("order_id", json!(refund.id.order_id)),
            ("show_id", json!(refund.show_id)),
            ("amount", json!(refund.amount)),
            ("refunded_before", json!(refund.refunded_before)),
            ("cancel_order", json!(refund.cancel_order)),
        ];
        let known: Map<String, Value> = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let connection = self.connection(&refund.id.connection);
        let action = connection.as_ref().and_then(|c| c.manifest().action(ACTION));
        Value::Object(action.map_or_else(Map::new, |action| input_of(action, known)))
    }
}

impl Refund {
    /// Is there still something to come of it?
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.state {
            RefundState::Waiting => true,
            RefundState::Approved => !self.outcome.is_some_and(RefundOutcome::is_final),
            RefundState::Refused | RefundState::Withdrawn | RefundState::Expired => false,
        }
    }

    fn decide(&mut self, state: RefundState, by: Option<Colleague>, at: Timestamp) {
        (self.state, self.decided_by, self.decided_at) = (state, by, Some(at));
    }
}

/// What has gone back of an order: as its provider tells, or as its last request came out, where the provider has not
/// told of that yet.
fn refunded(order: &Order, last: Option<&Refund>) -> Money {
    let own = last.filter(|r| r.outcome == Some(RefundOutcome::Done));
    let own = own.map_or(0, |r| r.refunded_before.minor.saturating_add(r.amount.minor));
    Money::new(order.refunded.minor.max(own), order.currency)
}

fn read(row: &RecordRow) -> Result<Doc, Error> {
    let why = || Error::Database(format!("the refund {} cannot be read; please report it", row.id));
    serde_json::from_slice(&row.data).map_err(|_| why())
}
