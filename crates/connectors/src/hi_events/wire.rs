//! Types exactly as Hi.Events writes them (contract sections 1.4, 1.5, 2.1 and 2.6).
//!
//! Lenient on purpose: unknown fields are ignored, absent and null keys mean the same, ids may
//! come as numbers or texts. Amounts stay decimal texts until their currency is known.
//! Not here: what any of it means; that is [`super::normal`].

mod selling;
mod waitlist;

pub(super) use selling::{Affiliate, CapacityAssignment, CheckInList, PromoCode, Stats};
pub(super) use waitlist::WaitlistEntry;

use pasarela_connector::poll;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a webhook's body is wrapped in (section 1.4).
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) event_type: String,
    #[serde(default)]
    pub(super) event_sent_at: Option<String>,
    pub(super) payload: Value,
}

/// Only the signed time, so that verification does not build the whole body.
#[derive(Debug, Deserialize)]
pub(super) struct SentAt {
    pub(super) event_sent_at: String,
}

/// A numeric id, kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Id(pub(super) String);

impl Id {
    /// Orders ids as numbers, however long.
    pub(super) fn sort_key(&self) -> (usize, &str) {
        (self.0.len(), &self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        Ok(Self(match Either::deserialize(d)? {
            Either::Number(n) => n.to_string(),
            // Nothing could be told apart by it.
            Either::Text(t) if t.trim().is_empty() => return Err(serde::de::Error::custom("an empty id")),
            Either::Text(t) => t,
        }))
    }
}

/// A decimal number in major units, kept as text (section 0, point 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Amount(pub(super) String);

impl Default for Amount {
    fn default() -> Self {
        Self("0".into())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(serde_json::Number),
            Text(String),
        }
        Ok(Self(match Either::deserialize(d)? {
            Either::Number(n) => n.to_string(),
            Either::Text(t) => t,
        }))
    }
}

/// Null means the same as an absent key.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// `OrderResource`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Order {
    pub(super) id: Id,
    pub(super) event_id: Id,
    pub(super) status: String,
    pub(super) currency: String,
    pub(super) total_gross: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) total_before_additions: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) total_tax: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) total_fee: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) total_refunded: Amount,
    #[serde(default)]
    pub(super) refund_status: Option<String>,
    #[serde(default)]
    pub(super) payment_status: Option<String>,
    #[serde(default)]
    pub(super) payment_provider: Option<String>,
    #[serde(default)]
    pub(super) promo_code: Option<String>,
    #[serde(default)]
    pub(super) first_name: Option<String>,
    #[serde(default)]
    pub(super) last_name: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) public_id: String,
    #[serde(default)]
    pub(super) is_fully_refunded: Option<bool>,
    #[serde(default)]
    pub(super) is_free_order: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) order_items: Vec<OrderItem>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) attendees: Vec<Attendee>,
    #[serde(default)]
    pub(super) question_answers: Option<Vec<QuestionAnswer>>,
}

/// `OrderItemResource`. There is no tier id here (section 0, point 10).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OrderItem {
    pub(super) id: Id,
    #[serde(default)]
    product_id: Option<Id>,
    /// What a product was called before 1.0 (section 4).
    #[serde(default)]
    ticket_id: Option<Id>,
    pub(super) quantity: u32,
    pub(super) price: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) total_before_additions: Amount,
    #[serde(default)]
    pub(super) item_name: Option<String>,
}

/// `AttendeeResource`; the public check-in list's rows are a part of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Attendee {
    pub(super) id: Id,
    pub(super) order_id: Id,
    #[serde(default)]
    product_id: Option<Id>,
    #[serde(default)]
    product_price_id: Option<Id>,
    /// What product and price were called before 1.0 (section 4).
    #[serde(default)]
    ticket_id: Option<Id>,
    #[serde(default)]
    ticket_price_id: Option<Id>,
    /// The date of a show that takes place on several, since 2.0.
    #[serde(default)]
    pub(super) event_occurrence_id: Option<Id>,
    #[serde(default)]
    pub(super) event_id: Option<Id>,
    #[serde(default)]
    pub(super) email: Option<String>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) first_name: Option<String>,
    #[serde(default)]
    pub(super) last_name: Option<String>,
    pub(super) public_id: String,
    #[serde(default)]
    pub(super) locale: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) question_answers: Vec<QuestionAnswer>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) updated_at: Option<String>,
}

impl OrderItem {
    /// By its present name or the one of before.
    pub(super) fn product(&self) -> Option<&Id> {
        self.product_id.as_ref().or(self.ticket_id.as_ref())
    }
}

impl Attendee {
    /// By its present name or the one of before.
    pub(super) fn product(&self) -> Option<&Id> {
        self.product_id.as_ref().or(self.ticket_id.as_ref())
    }

    /// Its tier, likewise.
    pub(super) fn price(&self) -> Option<&Id> {
        self.product_price_id.as_ref().or(self.ticket_price_id.as_ref())
    }
}

/// `QuestionAnswerViewResource`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct QuestionAnswer {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) question_answer_id: Id,
    pub(super) question_id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) title: String,
    #[serde(default)]
    pub(super) answer: Value,
    #[serde(default)]
    pub(super) text_answer: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) belongs_to: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) question_type: String,
    #[serde(default)]
    pub(super) attendee_id: Option<Id>,
}

impl QuestionAnswer {
    /// The answer as one text.
    pub(super) fn text(&self) -> String {
        match (&self.text_answer, self.answer.as_str()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => text.to_owned(),
            (None, None) if self.answer.is_null() => String::new(),
            (None, None) => self.answer.to_string(),
        }
    }

    /// What was chosen, each alone and plain; nothing where it is empty.
    pub(super) fn parts(&self) -> Vec<String> {
        let all = match &self.answer {
            Value::Array(chosen) => chosen.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![self.text()],
        };
        all.iter().map(|t| super::questions::plain(t)).filter(|t| !t.is_empty()).collect()
    }
}

/// `AttendeeCheckInResource` as webhooks carry it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CheckIn {
    pub(super) id: Id,
    pub(super) check_in_list_id: Id,
    #[serde(default)]
    pub(super) event_id: Option<Id>,
    /// `created_at` in webhooks, `checked_in_at` in the public list.
    #[serde(default, alias = "checked_in_at")]
    pub(super) created_at: Option<String>,
    pub(super) attendee: Attendee,
}

/// `EventResource`: the hub's show.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    pub(super) id: Id,
    pub(super) title: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) start_date: Option<String>,
    #[serde(default)]
    pub(super) end_date: Option<String>,
    /// Since 2.0 the dates are those of its occurrences; the show's own may be missing.
    #[serde(default)]
    pub(super) next_occurrence_start_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) occurrences: Vec<Occurrence>,
    #[serde(default)]
    pub(super) currency: Option<String>,
    #[serde(default)]
    pub(super) timezone: Option<String>,
    #[serde(default)]
    pub(super) location_details: Option<Location>,
}

/// One date of a show that takes place on several (since 2.0).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Occurrence {
    #[serde(default)]
    pub(super) start_date: Option<String>,
    #[serde(default)]
    pub(super) end_date: Option<String>,
}

/// `location_details` of an event.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Location {
    #[serde(default)]
    pub(super) venue_name: Option<String>,
    #[serde(default)]
    pub(super) address_line_1: Option<String>,
    #[serde(default)]
    pub(super) address_line_2: Option<String>,
    #[serde(default)]
    pub(super) city: Option<String>,
}

/// `ProductResource`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Product {
    pub(super) id: Id,
    pub(super) event_id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) title: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) product_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) quantity_sold: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) prices: Vec<Price>,
}

/// `ProductPriceResource`: a tier.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Price {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) label: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) price: Amount,
    #[serde(default)]
    pub(super) initial_quantity_available: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) quantity_sold: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) is_sold_out: bool,
}

/// `{"data": …}`.
#[derive(Debug, Deserialize)]
pub(super) struct Data<T> {
    pub(super) data: T,
}

/// A page of a list (section 2.1); simple paging has neither total nor last page.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) data: Vec<Value>,
    #[serde(default)]
    meta: Option<Meta>,
    #[serde(default)]
    links: Option<Links>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(default)]
    last_page: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<String>,
}

impl Page {
    /// Is there a page after `page`? By the last page's number where the list has one, else by
    /// the link, else by a full page.
    pub(super) fn more_after(&self, page: u32, per_page: usize) -> bool {
        let last = self.meta.as_ref().and_then(|m| m.last_page);
        let linked = last.is_none() && self.links.as_ref().is_some_and(|l| l.next.is_some());
        !self.data.is_empty() && (linked || poll::more_after(page, self.data.len(), per_page, last))
    }
}

/// Answer of `POST /auth/login` (not wrapped in `data`).
#[derive(Debug, Deserialize)]
pub(super) struct Login {
    #[serde(default)]
    pub(super) token: Option<String>,
    #[serde(default)]
    pub(super) expires_in: Option<u32>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) accounts: Vec<Account>,
}

/// One account that a user may act for.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) name: String,
}

/// Answer of the public check-in (section 2.6).
#[derive(Debug, Deserialize)]
pub(super) struct CheckIns {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) data: Vec<PublicCheckIn>,
    /// By code. PHP writes an empty map as `[]`.
    #[serde(default, deserialize_with = "map_or_empty_list")]
    pub(super) errors: BTreeMap<String, String>,
}

/// A check-in as the public API writes it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PublicCheckIn {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) short_id: String,
    #[serde(default)]
    pub(super) checked_in_at: Option<String>,
}

fn map_or_empty_list<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Object(map) => map
            .into_iter()
            .map(|(code, text)| (code, text.as_str().map_or_else(|| text.to_string(), str::to_owned)))
            .collect(),
        _ => BTreeMap::new(),
    })
}

/// A webhook as `GET …/webhooks` lists it; the secret is in the answer to its creation only.
#[derive(Debug, Deserialize)]
pub(super) struct Webhook {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) url: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status: String,
    #[serde(default)]
    pub(super) secret: Option<String>,
}

/// `{message, errors}`; `errors` is an array when empty, else an object by field (section 2.1).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Problem {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) message: String,
    #[serde(default)]
    pub(super) errors: Value,
}
