//! What comes in: is it authentic, and which facts does it hold (contract sections 1.3 and 1.6)?
//!
//! Promise: a fact has the same key whether a webhook told it, an overlapping webhook told it
//! again, or a poll found it. Happened facts come first, the present state last.
//! A polled order that was cancelled before it was first seen yields what happened to it in turn
//! (placed, paid, cancelled), each with the order as it stands now, so `data.status` tells.

mod beside;
mod door;

use super::normal::{self, NormalOrder, NormalTicket, Said};
use super::questions::Questions;
use super::wire;
use beside::{beside, quiet};
use door::check_in;
use jiff::Timestamp;
use pasarela_connector::verify::{Gate, Hmac, Scheme};
use pasarela_connector::{
    ConnectionConfig, Dedup, EntityWrite, Fact, Headers, Item, RawRequest, Source, Translation, Trial, Unread, Verdict,
    sign,
};
use pasarela_domain::consent::Evidence;
use pasarela_domain::model::{Consent, OrderStatus, Show, ShowStatus, TicketStatus};
use pasarela_domain::{Currency, EntityRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json as object};
use std::time::Duration;

/// Oldest signed time that is accepted unless the connection says otherwise (section 1.3).
const MAX_AGE: Duration = Duration::from_secs(600);

/// The envelope begins with the type; what follows may be long, and is not looked at.
pub(super) fn at_door(body: &[u8]) -> bool {
    const TYPE: &[u8] = b"\"checkin.";
    body.get(..128).unwrap_or(body).windows(TYPE.len()).any(|w| w == TYPE)
}

/// Header of the signature.
pub(super) const SIGNATURE: &str = "signature";

pub(super) fn gate(config: &ConnectionConfig) -> Result<Gate, String> {
    Gate::new(config, Some(Scheme::Hmac(Hmac::hex(SIGNATURE))), MAX_AGE)
}

pub(super) fn verify(gate: &Gate, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
    let verdict = gate.verify(request, now);
    // The time is within the signed body. What the provider signed but we cannot read is not forged: it goes
    // on, and is quarantined.
    let sent = || serde_json::from_slice::<wire::SentAt>(request.body).ok()?.event_sent_at.parse::<Timestamp>().ok();
    match &verdict {
        Verdict::Authentic { .. } => {
            sent().map_or(Ok(()), |at| gate.in_time(at, now)).map_or_else(Verdict::Forged, |()| verdict)
        }
        _ => verdict,
    }
}

/// A webhook of a type that means nothing.
pub(super) fn trial(config: &ConnectionConfig, now: Timestamp) -> Option<Trial> {
    let body = serde_json::json!({ "event_type": "pasarela.trial", "event_sent_at": now.to_string(), "payload": {} });
    let body = body.to_string();
    let mut headers = Headers::default();
    headers.set("content-type", "application/json");
    headers
        .set(SIGNATURE, sign::hmac_sha256_hex(config.webhook_secrets.first()?.expose().as_bytes(), &[body.as_bytes()]));
    Some(Trial { headers, body: body.into() })
}

/// What the connection's settings say of bodies.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Currency of product prices.
    pub(super) currency: Currency,
    pub(super) questions: &'a Questions,
}

pub(super) fn translate(source: Source, body: &[u8], by: Reading<'_>) -> Result<Translation, Unread> {
    let value: Value = serde_json::from_slice(body)?;
    let items = match source {
        Source::Webhook => webhook(value, by)?,
        Source::Poll => record(value, by)?,
        Source::Fetch => show_facts(&read::<wire::Data<wire::Event>>("show", value)?.data, None)?,
        Source::Import if value.get("event_type").is_some() => webhook(value, by)?,
        Source::Import => record(value, by)?,
    };
    Ok(Translation { items })
}

fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, Unread> {
    serde_json::from_value(value).map_err(|e| Unread(format!("{what}: {e}")))
}

fn webhook(value: Value, by: Reading<'_>) -> Result<Vec<Item>, Unread> {
    let envelope: wire::Envelope = read("envelope", value)?;
    let at = normal::moment(envelope.event_sent_at.as_deref());
    let kind = envelope.event_type.as_str();
    match kind {
        "order.created" | "order.updated" | "order.marked_as_paid" | "order.refunded" | "order.cancelled" => {
            order_webhook(kind, &read(kind, envelope.payload)?, at, by.questions)
        }
        "attendee.created" | "attendee.updated" | "attendee.cancelled" => {
            let mut ticket = normal::ticket(&read(kind, envelope.payload)?, &[], None, by.questions)?;
            Ok(vec![match kind {
                "attendee.created" => issued(&ticket)?,
                "attendee.cancelled" => {
                    // Sent before the row changes: the status in the payload may still be the old one.
                    ticket.ticket.status = TicketStatus::Cancelled;
                    cancelled(&ticket, at)?
                }
                _ => ticket_state(&ticket)?,
            }])
        }
        "checkin.created" | "checkin.deleted" => {
            let found: wire::CheckIn = read(kind, envelope.payload)?;
            Ok(vec![check_in(&found, kind == "checkin.deleted", at, by.questions)?.0])
        }
        "event.created" | "event.updated" | "event.archived" => show_facts(&read(kind, envelope.payload)?, at),
        "product.created" | "product.updated" | "product.deleted" => {
            let product = normal::product(&read(kind, envelope.payload)?, by.currency)?;
            let data = json(&product)?;
            let write = EntityWrite::new("product", &product.id, data.clone());
            Ok(vec![match kind {
                "product.updated" => Fact::state(kind, write).at(at).about("show", product.show_id).into(),
                _ => Fact::once(kind, format!("product:{}", product.id), &product.id, "", data)
                    .at(at)
                    .with(write)
                    .about("show", product.show_id)
                    .into(),
            }])
        }
        other => Ok(vec![Item::Ignored { kind: other.to_owned() }]),
    }
}

fn record(mut value: Value, by: Reading<'_>) -> Result<Vec<Item>, Unread> {
    let kind = value.get("record").and_then(Value::as_str).unwrap_or_default().to_owned();
    let undone = value.get("undone").and_then(Value::as_bool).unwrap_or(false);
    let data = value.get_mut("data").map(Value::take).unwrap_or_default();
    if let Some(item) = beside(&kind, &value, &data, by)? {
        return Ok(vec![item]);
    }
    match kind.as_str() {
        "order" => order_record(&read(&kind, data)?, by.questions),
        "attendee" => ticket_record(&normal::ticket(&read(&kind, data)?, &[], None, by.questions)?),
        "check_in" => {
            let (happened, stands) = check_in(&read(&kind, data)?, undone, None, by.questions)?;
            // How it stands is told beside what happened: a scan that was heard before scans were kept is kept now.
            Ok(vec![happened, Fact { event_type: None, ..Fact::state("", stands) }.into()])
        }
        "show" => show_facts(&read(&kind, data)?, None),
        "product" => {
            let wire: wire::Product = read(&kind, data)?;
            let product = normal::product(&wire, by.currency)?;
            let left = quiet("stock", &product.id, &product.show_id, &normal::stock(&wire))?;
            let data = json(&product)?;
            let write = EntityWrite::new("product", &product.id, data.clone());
            Ok(vec![
                Fact::once("product.created", format!("product:{}", product.id), &product.id, "", data)
                    .with(write.clone())
                    .about("show", &product.show_id)
                    .into(),
                Fact::state("product.updated", write).about("show", product.show_id).into(),
                left,
            ])
        }
        other => Err(Unread(format!(
            "unknown record '{other}'; known are order, attendee, check_in, show, product, promo_code, \
             affiliate, capacity, door_list, waitlist_entry, trait, show_sales"
        ))),
    }
}

/// An order as facts carry it: payload, read model, and the read models of its tickets.
struct OrderView<'a> {
    normal: &'a NormalOrder,
    data: Value,
    tickets: Vec<EntityWrite>,
}

impl<'a> OrderView<'a> {
    fn new(normal: &'a NormalOrder) -> Result<Self, Unread> {
        let tickets = normal.tickets.iter().map(ticket_write).collect::<Result<_, _>>()?;
        Ok(Self { data: json(&normal.order)?, normal, tickets })
    }

    fn write(&self) -> EntityWrite {
        let rank = match self.normal.order.status {
            OrderStatus::Placed => 1,
            OrderStatus::Paid => 2,
            OrderStatus::Cancelled => 3,
        };
        EntityWrite::new("order", &self.normal.order.id, self.data.clone()).rank(rank)
    }

    fn complete(&self, fact: Fact) -> Item {
        let fact = self.tickets.iter().cloned().fold(fact, Fact::with);
        fact.about("show", &self.normal.order.show_id).into()
    }

    fn once(&self, event_type: &str, discriminator: String, at: Option<Timestamp>) -> Item {
        let id = &self.normal.order.id;
        let fact = Fact::once(event_type, format!("order:{id}"), id, discriminator, self.data.clone());
        self.complete(fact.at(at).with(self.write()))
    }

    fn placed(&self) -> Item {
        self.once("order.placed", String::new(), self.normal.order.placed_at)
    }

    /// Told apart by the running total, a normalised decimal: two partial refunds are two facts.
    fn refunded(&self, at: Option<Timestamp>) -> Item {
        self.once("order.refunded", self.normal.order.refunded.major_text(), at)
    }

    fn state(&self, at: Option<Timestamp>) -> Item {
        self.complete(Fact::state("order.updated", self.write()).at(at))
    }

    fn consents(&self) -> Result<Vec<Item>, Unread> {
        self.normal.consents.iter().map(|said| self.consent(said)).collect()
    }

    /// An answer about the use of data is a state, since it may be edited; what was said before is told again only
    /// when it says otherwise. It was said when the order was placed: the provider keeps no time of an edit, and a yes
    /// that somebody put there later must not outlast a withdrawal.
    fn consent(&self, said: &Said) -> Result<Item, Unread> {
        let order = &self.normal.order;
        let about = EntityRef::new("consent_answer", format!("{}:{}", order.id, said.question));
        let data = Consent {
            contact: order.buyer.clone(),
            channel_user_id: None,
            channel: said.channel.clone().unwrap_or_else(|| "all".into()),
            purpose: said.purpose.clone(),
            record_id: None,
            evidence: Some(Evidence {
                channel: Some("checkout".into()),
                at: order.placed_at,
                text_version: said.text_version.clone(),
                notice_version: said.notice_version.clone(),
                reference: Some(format!("order {}, answer {}", order.number, said.answer)),
                ..Evidence::default()
            }),
        };
        let state = object!({ "purpose": said.purpose, "channel": said.channel, "yes": said.yes });
        let fact = Fact {
            event_type: Some(if said.yes { "consent.given" } else { "consent.withdrawn" }.into()),
            key: format!("order:{}", order.id),
            occurred_at: order.placed_at.filter(|_| said.yes),
            data: json(&data)?,
            dedup: Dedup::State { entity: about.clone() },
            entities: vec![EntityWrite::new(&about.kind, about.id.to_string(), state)],
            refs: Vec::new(),
            settles: None,
        };
        Ok(fact.about("order", &order.id).about("show", &order.show_id).into())
    }
}

fn order_webhook(
    kind: &str,
    wire: &wire::Order,
    at: Option<Timestamp>,
    questions: &Questions,
) -> Result<Vec<Item>, Unread> {
    let Some(normal) = normal::order(wire, questions)? else {
        return Ok(vec![Item::Ignored { kind: format!("{kind} of a cart") }]);
    };
    let view = OrderView::new(&normal)?;
    let mut items = match kind {
        "order.created" => {
            let mut items = vec![view.placed()];
            if normal.was_paid {
                items.push(view.once("order.paid", String::new(), at));
            }
            for ticket in &normal.tickets {
                items.push(issued(ticket)?);
            }
            items
        }
        "order.marked_as_paid" => vec![view.once("order.paid", String::new(), at)],
        "order.cancelled" => vec![view.once("order.cancelled", String::new(), at)],
        "order.refunded" => vec![view.refunded(at)],
        _ => vec![view.state(at)],
    };
    items.extend(view.consents()?);
    Ok(items)
}

fn order_record(wire: &wire::Order, questions: &Questions) -> Result<Vec<Item>, Unread> {
    let Some(normal) = normal::order(wire, questions)? else {
        return Ok(vec![Item::Ignored { kind: "cart".into() }]);
    };
    let view = OrderView::new(&normal)?;
    let mut items = vec![view.placed()];
    if normal.was_paid {
        items.push(view.once("order.paid", String::new(), None));
    }
    for ticket in &normal.tickets {
        items.push(issued(ticket)?);
    }
    if normal.order.refunded.minor > 0 {
        items.push(view.refunded(None));
    }
    for ticket in normal.tickets.iter().filter(|t| t.ticket.status == TicketStatus::Cancelled) {
        items.push(cancelled(ticket, ticket.updated_at)?);
    }
    if normal.order.status == OrderStatus::Cancelled {
        items.push(view.once("order.cancelled", String::new(), None));
    }
    // Before the order's own state, which writes the same tickets: else their changes would be swallowed.
    for ticket in &normal.tickets {
        items.push(ticket_state(ticket)?);
    }
    items.extend(view.consents()?);
    items.push(view.state(None));
    Ok(items)
}

fn ticket_record(ticket: &NormalTicket) -> Result<Vec<Item>, Unread> {
    let mut items = vec![issued(ticket)?];
    if ticket.ticket.status == TicketStatus::Cancelled {
        items.push(cancelled(ticket, ticket.updated_at)?);
    }
    items.push(ticket_state(ticket)?);
    Ok(items)
}

fn ticket_write(ticket: &NormalTicket) -> Result<EntityWrite, Unread> {
    let rank = match ticket.ticket.status {
        TicketStatus::AwaitingPayment => 0,
        TicketStatus::Active => 1,
        TicketStatus::Cancelled => 2,
    };
    Ok(EntityWrite::new("ticket", &ticket.ticket.id, json(&ticket.ticket)?).updated(ticket.updated_at).rank(rank))
}

fn about_ticket(fact: Fact, ticket: &NormalTicket) -> Item {
    fact.about("order", &ticket.ticket.order_id).about("show", &ticket.ticket.show_id).into()
}

fn issued(ticket: &NormalTicket) -> Result<Item, Unread> {
    ticket_once("ticket.issued", ticket, ticket.created_at)
}

fn cancelled(ticket: &NormalTicket, at: Option<Timestamp>) -> Result<Item, Unread> {
    ticket_once("ticket.cancelled", ticket, at)
}

fn ticket_once(event_type: &str, ticket: &NormalTicket, at: Option<Timestamp>) -> Result<Item, Unread> {
    let write = ticket_write(ticket)?;
    let id = &ticket.ticket.id;
    let fact = Fact::once(event_type, format!("ticket:{id}"), id, "", write.data.clone());
    Ok(about_ticket(fact.at(at).with(write), ticket))
}

fn ticket_state(ticket: &NormalTicket) -> Result<Item, Unread> {
    let fact = Fact::state("ticket.updated", ticket_write(ticket)?).at(ticket.updated_at);
    Ok(about_ticket(fact, ticket))
}

/// A show that is live for the first time is published, whichever way the hub hears of it.
fn show_facts(wire: &wire::Event, at: Option<Timestamp>) -> Result<Vec<Item>, Unread> {
    let show: Show = normal::show(wire)?;
    let data = json(&show)?;
    let write = EntityWrite::new("show", &show.id, data.clone());
    let once = |event_type: &str| -> Item {
        Fact::once(event_type, format!("show:{}", show.id), &show.id, "", data.clone())
            .at(at)
            .with(write.clone())
            .into()
    };
    let mut items = match show.status {
        ShowStatus::Draft => Vec::new(),
        ShowStatus::Live => vec![once("show.published")],
        ShowStatus::Archived => vec![once("show.archived")],
    };
    items.push(Fact::state("show.updated", write.clone()).at(at).into());
    Ok(items)
}

fn json<T: Serialize>(value: &T) -> Result<Value, Unread> {
    Ok(serde_json::to_value(value)?)
}
