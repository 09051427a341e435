//! What canonical events say of persons: the records that speak of one, and what each says.
//!
//! Addresses on orders, tickets and in a CRM were typed by somebody, perhaps by somebody else, so they are not verified.
//! Who wrote from a phone holds it. An e-mail's sender is what the letter claims, and verifies nothing.

use super::{Claim, Field, Mention, Name, NameKind, Party, Seat, Source};
use crate::model::{Contact, Message};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// The fields of a person record that are read here.
#[derive(Deserialize)]
struct PersonPart {
    id: String,
    contact: Contact,
    #[serde(default)]
    job_title: Option<String>,
    /// The hub's own id of the person, where the provider's record carries it.
    #[serde(default)]
    hub_id: Option<String>,
    #[serde(default)]
    deleted: bool,
}

/// The same of a ticket.
#[derive(Deserialize)]
struct TicketPart {
    id: String,
    order_id: String,
    #[serde(default)]
    show_id: Option<String>,
    holder: Contact,
}

/// The same of an order.
#[derive(Deserialize)]
struct OrderPart {
    id: String,
    buyer: Contact,
    #[serde(default)]
    show_id: Option<String>,
    #[serde(default)]
    tickets: Vec<TicketPart>,
}

/// The same of somebody on a waitlist.
#[derive(Deserialize)]
struct WaitlistPart {
    id: String,
    contact: Contact,
}

/// The same of a scan at the door.
#[derive(Deserialize)]
struct CheckInPart {
    ticket: TicketPart,
}

impl Mention {
    /// What an event of this connection says of persons, each record once. Empty: it speaks of none, or its payload is
    /// not the canonical one. `as_of`: when what it says was so, by the provider.
    #[must_use]
    pub fn of_event(connection: &str, event_type: &str, data: &Value, as_of: Option<Timestamp>) -> Vec<Self> {
        let said = Said { connection, as_of };
        match event_type {
            "person.created" | "person.updated" | "person.deleted" => {
                PersonPart::deserialize(data).map(|p| vec![said.person(&p)]).unwrap_or_default()
            }
            "ticket.checked_in" | "ticket.check_in_undone" => {
                CheckInPart::deserialize(data).map(|c| vec![said.ticket(&c.ticket)]).unwrap_or_default()
            }
            // Those about our own messages say nothing that the person said.
            "message.received" => Message::deserialize(data).ok().and_then(|m| said.message(&m)).into_iter().collect(),
            other if other.starts_with("order.") => {
                OrderPart::deserialize(data).map(|o| said.order(&o)).unwrap_or_default()
            }
            other if other.starts_with("ticket.") => {
                TicketPart::deserialize(data).map(|t| vec![said.ticket(&t)]).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// What a read model of this connection says of the record that it is: of a `person`, an `order` (its buyer: its
    /// tickets have read models of their own, which may be newer), a `ticket`, or a `waitlist_entry` (a contact: who
    /// waits for a place is no guest, and of no show yet). `None`: it speaks of no person.
    #[must_use]
    pub fn of_state(connection: &str, kind: &str, data: &Value, as_of: Option<Timestamp>) -> Option<Self> {
        let said = Said { connection, as_of };
        match kind {
            "person" => PersonPart::deserialize(data).ok().map(|p| said.person(&p)),
            "order" => OrderPart::deserialize(data).ok().map(|o| said.buyer(&o)),
            "ticket" => TicketPart::deserialize(data).ok().map(|t| said.ticket(&t)),
            "waitlist_entry" => {
                WaitlistPart::deserialize(data).ok().map(|w| said.mention(kind, &w.id, typed(&w.contact)))
            }
            _ => None,
        }
    }
}

/// Who says it, and when it was so.
struct Said<'s> {
    connection: &'s str,
    as_of: Option<Timestamp>,
}

impl Said<'_> {
    fn mention(&self, kind: &str, id: &str, claims: Vec<Claim>) -> Mention {
        Mention::new(Source::new(self.connection, kind, id), self.as_of, claims)
    }

    fn party(&self, order: &str, seat: Seat) -> Option<Party> {
        Some(Party { order: Source::new(self.connection, "order", order), seat })
    }

    /// A record that was deleted says nothing any more. What it said stays with its person.
    fn person(&self, person: &PersonPart) -> Mention {
        let mut claims = if person.deleted { Vec::new() } else { typed(&person.contact) };
        let title = person.job_title.as_deref().map(str::trim).filter(|t| !t.is_empty() && !person.deleted);
        claims.extend(title.map(|title| Claim::JobTitle { title: title.to_owned() }));
        // Also of one that was deleted: whoever brings it back finds it where it was.
        let hub = person.hub_id.as_deref().and_then(|id| id.trim().parse().ok());
        claims.extend(hub.map(|person| Claim::Hub { person }));
        Mention {
            deleted: person.deleted,
            empty: if person.deleted { BTreeSet::new() } else { emptied(&person.contact) },
            ..self.mention("person", &person.id, claims)
        }
    }

    fn ticket(&self, ticket: &TicketPart) -> Mention {
        Mention {
            party: self.party(&ticket.order_id, Seat::Guest),
            show: ticket.show_id.clone(),
            empty: emptied(&ticket.holder),
            ..self.mention("ticket", &ticket.id, typed(&ticket.holder))
        }
    }

    fn buyer(&self, order: &OrderPart) -> Mention {
        Mention {
            party: self.party(&order.id, Seat::Buyer),
            show: order.show_id.clone(),
            empty: emptied(&order.buyer),
            ..self.mention("order", &order.id, typed(&order.buyer))
        }
    }

    fn order(&self, order: &OrderPart) -> Vec<Mention> {
        std::iter::once(self.buyer(order)).chain(order.tickets.iter().map(|t| self.ticket(t))).collect()
    }

    /// Whoever wrote. A message without a phone takes nothing back from one that had it, so the two are two records,
    /// which the channel's id joins.
    fn message(&self, message: &Message) -> Option<Mention> {
        let contact = &message.contact;
        let phone = contact.phone.clone().map(|number| Claim::Phone { number, verified: true });
        let user = message.channel_user_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let email = contact.email.clone().map(|address| Claim::Email { address, verified: false });
        let (kind, id) = match (&contact.phone, user, &contact.email) {
            (Some(phone), _, _) => ("phone", phone.as_e164().to_owned()),
            (None, Some(user), _) => ("channel_user", user.to_lowercase()),
            (None, None, Some(email)) => ("email", email.as_str().to_owned()),
            (None, None, None) => return None,
        };
        let user = user.map(|id| Claim::ChannelUser { channel: message.channel.clone(), id: id.to_owned() });
        let name = Name::of(contact, NameKind::Display).map(|name| Claim::Name { name });
        Some(self.mention(kind, &id, phone.into_iter().chain(user).chain(email).chain(name).collect()))
    }
}

/// What somebody typed of themselves, or of somebody else.
fn typed(contact: &Contact) -> Vec<Claim> {
    let email = contact.email.clone().map(|address| Claim::Email { address, verified: false });
    let phone = contact.phone.clone().map(|number| Claim::Phone { number, verified: false });
    let document = contact.document.clone().map(|document| Claim::Document { document });
    let name = Name::of(contact, NameKind::Civil).map(|name| Claim::Name { name });
    let language = contact.language.clone().filter(|l| !l.trim().is_empty());
    let language = language.map(|language| Claim::Language { language });
    email.into_iter().chain(phone).chain(document).chain(name).chain(language).collect()
}

/// What somebody left empty, by its provider's word. Of no other field it is told where an empty one should go.
fn emptied(contact: &Contact) -> BTreeSet<Field> {
    let blank = |field: &Field| match field {
        Field::Email => contact.email.is_none(),
        Field::Phone => contact.phone.is_none(),
        _ => false,
    };
    contact.empty.iter().copied().filter(blank).collect()
}
