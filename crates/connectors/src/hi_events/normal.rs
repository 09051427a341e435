//! From the provider's words to the hub's: orders, tickets, shows, products.
//!
//! Promise: equal things give equal values, whichever way they came. An order of a webhook
//! carries each ticket's answers inside the ticket, the same order read by REST carries them only
//! beside the tickets; both give the same phone. Lists are sorted by id.
//! Not here: which event a value becomes ([`super::inbound`]).

mod selling;
mod waitlist;

pub(super) use selling::{affiliate, capacity, door_list, promo_code, sales, stock};
pub(super) use waitlist::{gone, no_waitlist_entry, waitlist_entry};

use super::questions::{Questions, plain};
use super::wire;
use jiff::Timestamp;
use pasarela_connector::Unread;
use pasarela_domain::model::{
    Answer, Contact, Order, OrderLine, OrderStatus, Product, Show, ShowStatus, Ticket, TicketStatus, Tier, Venue,
};
use pasarela_domain::{Currency, EmailAddress, Money, Phone};

/// An order with what the wire says beside it.
pub(super) struct NormalOrder {
    pub(super) order: Order,
    /// In the order of `order.tickets`.
    pub(super) tickets: Vec<NormalTicket>,
    /// Was it ever paid, or free? A cancelled order still says so.
    pub(super) was_paid: bool,
    /// What the buyer said about the use of their data.
    pub(super) consents: Vec<Said>,
}

/// What a buyer said about the use of their data, by an answer.
pub(super) struct Said {
    /// Provider's id of the question.
    pub(super) question: String,
    /// Provider's id of the answer.
    pub(super) answer: String,
    pub(super) yes: bool,
    pub(super) purpose: String,
    pub(super) channel: Option<String>,
    pub(super) text_version: Option<String>,
    pub(super) notice_version: Option<String>,
}

/// A ticket with its times.
pub(super) struct NormalTicket {
    pub(super) ticket: Ticket,
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
}

/// A moment as the provider writes it; unreadable ones count as unknown.
pub(super) fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.trim().parse().ok()
}

/// Phone numbers are free text (section 1.5): a Colombian mobile (ten digits that start with 3)
/// gets its country code, a number with a plus sign or `00` is taken as international.
pub(super) fn phone_of(text: &str) -> Option<Phone> {
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let international = if text.starts_with('+') {
        digits
    } else if let Some(rest) = digits.strip_prefix("00") {
        rest.to_owned()
    } else if digits.len() == 10 && digits.starts_with('3') {
        format!("57{digits}")
    } else if digits.len() == 12 && digits.starts_with("573") {
        digits
    } else {
        return None;
    };
    format!("+{international}").parse().ok()
}

/// `None`: a cart that was never completed, which is no order.
pub(super) fn order(wire: &wire::Order, questions: &Questions) -> Result<Option<NormalOrder>, Unread> {
    let status = match wire.status.as_str() {
        "AWAITING_OFFLINE_PAYMENT" => OrderStatus::Placed,
        "COMPLETED" => OrderStatus::Paid,
        "CANCELLED" => OrderStatus::Cancelled,
        "RESERVED" | "ABANDONED" => return Ok(None),
        other => {
            return Err(Unread(format!("order {}: unknown status '{other}'", wire.id.0)));
        }
    };
    let currency: Currency = wire.currency.parse().map_err(|e| Unread(format!("order {}: {e}", wire.id.0)))?;
    let money = |amount: &wire::Amount| money(amount, currency, "order", &wire.id);

    let mut answers: Vec<&wire::QuestionAnswer> = match &wire.question_answers {
        Some(all) => all.iter().collect(),
        None => wire.attendees.iter().flat_map(|a| &a.question_answers).collect(),
    };
    answers.sort_by_key(|a| (a.question_answer_id.sort_key(), a.question_id.sort_key()));

    let mut attendees: Vec<&wire::Attendee> = wire.attendees.iter().collect();
    attendees.sort_by_key(|a| a.id.sort_key());
    let tickets = attendees
        .into_iter()
        .map(|a| ticket(a, &answers, Some(&wire.event_id), questions))
        .collect::<Result<Vec<_>, _>>()?;

    let mut items: Vec<&wire::OrderItem> = wire.order_items.iter().collect();
    items.sort_by_key(|i| i.id.sort_key());
    let lines = items
        .into_iter()
        .map(|item| {
            let product =
                item.product().ok_or_else(|| Unread(format!("order item {}: it names no product", item.id.0)))?;
            Ok(OrderLine {
                product_id: product.0.clone(),
                title: item.item_name.clone().unwrap_or_default(),
                quantity: item.quantity,
                unit_price: money(&item.price)?,
                total: money(&item.total_before_additions)?,
            })
        })
        .collect::<Result<Vec<_>, Unread>>()?;

    let total = money(&wire.total_gross)?;
    let refunded = money(&wire.total_refunded)?;
    let order = Order {
        id: wire.id.0.clone(),
        number: wire.public_id.clone(),
        status,
        currency,
        subtotal: money(&wire.total_before_additions)?,
        tax: money(&wire.total_tax)?,
        fees: money(&wire.total_fee)?,
        total,
        refunded,
        fully_refunded: wire.is_fully_refunded.unwrap_or(refunded.minor > 0 && refunded.minor >= total.minor),
        free: wire.is_free_order.unwrap_or(total.minor == 0),
        payment_method: wire.payment_provider.as_deref().map(str::to_ascii_lowercase),
        promo_code: wire.promo_code.clone(),
        buyer: buyer(wire, &answers, &tickets, questions),
        lines,
        tickets: tickets.iter().map(|t| t.ticket.clone()).collect(),
        show_id: wire.event_id.0.clone(),
        answers: answers
            .iter()
            .map(|a| Answer {
                question_id: a.question_id.0.clone(),
                title: a.title.clone(),
                text: a.text(),
                ticket_id: a.attendee_id.as_ref().map(|id| id.0.clone()),
            })
            .collect(),
        placed_at: moment(wire.created_at.as_deref()),
    };
    let paid = matches!(wire.payment_status.as_deref(), Some("PAYMENT_RECEIVED" | "NO_PAYMENT_REQUIRED"));
    Ok(Some(NormalOrder {
        was_paid: status == OrderStatus::Paid || (status == OrderStatus::Cancelled && paid),
        consents: consents(&order, &answers, questions),
        order,
        tickets,
    }))
}

/// A ticket, with the answers that stand beside it where it does not carry its own. `show` is the
/// show of what it was found in, for the lists that leave it out.
pub(super) fn ticket(
    wire: &wire::Attendee,
    beside: &[&wire::QuestionAnswer],
    show: Option<&wire::Id>,
    questions: &Questions,
) -> Result<NormalTicket, Unread> {
    let status = match wire.status.as_str() {
        "ACTIVE" => TicketStatus::Active,
        "AWAITING_PAYMENT" => TicketStatus::AwaitingPayment,
        "CANCELLED" => TicketStatus::Cancelled,
        other => {
            return Err(Unread(format!("attendee {}: unknown status '{other}'", wire.id.0)));
        }
    };
    let show =
        wire.event_id.as_ref().or(show).ok_or_else(|| Unread(format!("attendee {}: it names no event", wire.id.0)))?;
    let product = wire.product().ok_or_else(|| Unread(format!("attendee {}: it names no product", wire.id.0)))?;
    let mut own: Vec<&wire::QuestionAnswer> = wire.question_answers.iter().collect();
    own.extend(beside.iter().filter(|a| a.attendee_id.as_ref() == Some(&wire.id)));
    own.sort_by_key(|a| a.question_answer_id.sort_key());
    Ok(NormalTicket {
        ticket: Ticket {
            id: wire.id.0.clone(),
            code: wire.public_id.to_ascii_uppercase(),
            status,
            holder: Contact {
                document: questions.document(own.iter().copied()),
                ..contact(
                    wire.first_name.as_deref(),
                    wire.last_name.as_deref(),
                    wire.email.as_deref(),
                    questions.phone(own.iter().copied()),
                    wire.locale.as_deref(),
                )
            },
            product_id: product.0.clone(),
            tier_id: wire.price().map(|id| id.0.clone()),
            show_id: show.0.clone(),
            order_id: wire.order_id.0.clone(),
            occurrence_id: wire.event_occurrence_id.as_ref().map(|id| id.0.clone()),
            link: None,
            qr: None,
            seller: None,
            title: None,
        },
        created_at: moment(wire.created_at.as_deref()),
        updated_at: moment(wire.updated_at.as_deref()),
    })
}

/// A show.
pub(super) fn show(wire: &wire::Event) -> Result<Show, Unread> {
    let status = match wire.status.as_str() {
        "DRAFT" => ShowStatus::Draft,
        "LIVE" => ShowStatus::Live,
        "ARCHIVED" => ShowStatus::Archived,
        other => {
            return Err(Unread(format!("event {}: unknown status '{other}'", wire.id.0)));
        }
    };
    let venue = wire.location_details.as_ref().map(|place| {
        let lines: Vec<&str> = [&place.address_line_1, &place.address_line_2]
            .into_iter()
            .filter_map(|line| filled(line.as_deref()))
            .collect();
        Venue {
            name: filled(place.venue_name.as_deref()).map(str::to_owned),
            address: (!lines.is_empty()).then(|| lines.join(", ")),
            city: filled(place.city.as_deref()).map(str::to_owned),
        }
    });
    // A show of several dates has none of its own: it begins with the next one, and is over with the last.
    let dates = |of: fn(&wire::Occurrence) -> &Option<String>| {
        wire.occurrences.iter().filter_map(move |o| moment(of(o).as_deref()))
    };
    let starts_at = moment(wire.start_date.as_deref())
        .or_else(|| moment(wire.next_occurrence_start_date.as_deref()))
        .or_else(|| dates(|o| &o.start_date).min());
    let ends_at = moment(wire.end_date.as_deref()).or_else(|| dates(|o| &o.end_date).max());
    Ok(Show {
        id: wire.id.0.clone(),
        title: wire.title.clone(),
        status,
        starts_at,
        ends_at,
        time_zone: wire.timezone.clone().unwrap_or_else(|| "UTC".into()),
        currency: wire.currency.as_deref().and_then(|c| c.parse().ok()),
        venue: venue.unwrap_or_default(),
    })
}

/// A product. Its body names no currency, so the connection's own is taken.
pub(super) fn product(wire: &wire::Product, currency: Currency) -> Result<Product, Unread> {
    let mut prices: Vec<&wire::Price> = wire.prices.iter().collect();
    prices.sort_by_key(|p| p.id.sort_key());
    let tiers = prices
        .into_iter()
        .map(|p| {
            let label = filled(p.label.as_deref()).map(str::to_owned);
            Ok(Tier { id: p.id.0.clone(), label, price: money(&p.price, currency, "product", &wire.id)? })
        })
        .collect::<Result<Vec<_>, Unread>>()?;
    Ok(Product {
        id: wire.id.0.clone(),
        title: wire.title.clone(),
        show_id: wire.event_id.0.clone(),
        is_ticket: wire.product_type == "TICKET",
        tiers,
    })
}

/// The buyer's phone and document are the answers to questions of the order; else those of the buyer's own ticket.
/// Tickets of others in the order are other persons, and lend nothing.
fn buyer(
    wire: &wire::Order,
    answers: &[&wire::QuestionAnswer],
    tickets: &[NormalTicket],
    questions: &Questions,
) -> Contact {
    // The order has no language; the tickets got it from the buyer's page, unless edited since.
    let language = tickets.first().and_then(|t| t.ticket.holder.language.clone());
    let language = language.filter(|l| tickets.iter().all(|t| t.ticket.holder.language.as_deref() == Some(l.as_str())));
    let asked = answers.iter().copied().filter(|a| a.belongs_to == "ORDER" && a.attendee_id.is_none());
    let mut buyer = contact(
        wire.first_name.as_deref(),
        wire.last_name.as_deref(),
        wire.email.as_deref(),
        questions.phone(asked.clone()),
        language.as_deref(),
    );
    buyer.document = questions.document(asked);
    if buyer.phone.is_none() {
        let phones = || tickets.iter().map(|t| &t.ticket.holder).filter(|h| h.phone.is_some());
        let same_email = phones().find(|h| buyer.email.is_some() && h.email == buyer.email);
        let same_name = || phones().find(|h| !buyer.name.is_empty() && h.name == buyer.name);
        buyer.phone = same_email.or_else(same_name).and_then(|h| h.phone.clone());
    }
    if buyer.document.is_none() {
        // A guest under the buyer's address is another person: a document is taken where the name is the same too.
        buyer.document =
            tickets.iter().find(|t| is_buyer(&t.ticket, &buyer)).and_then(|t| t.ticket.holder.document.clone());
    }
    buyer
}

/// Is it the buyer who comes with this ticket?
fn is_buyer(ticket: &Ticket, buyer: &Contact) -> bool {
    let holder = &ticket.holder;
    !holder.name.is_empty() && plain(&holder.name) == plain(&buyer.name) && holder.email == buyer.email
}

/// What the buyer said about the use of their data. Beside a ticket they said it of its holder, and nobody says yes
/// for another person.
fn consents(order: &Order, answers: &[&wire::QuestionAnswer], questions: &Questions) -> Vec<Said> {
    let own = |answer: &wire::QuestionAnswer| match &answer.attendee_id {
        None => answer.belongs_to == "ORDER",
        Some(id) => order.tickets.iter().any(|t| t.id == id.0 && is_buyer(t, &order.buyer)),
    };
    let said = answers.iter().filter(|a| own(a)).filter_map(|a| {
        let word = questions.word(a)?;
        let text = |t: Option<&str>| t.map(str::to_owned);
        Some(Said {
            question: a.question_id.0.clone(),
            answer: a.question_answer_id.0.clone(),
            yes: word.yes,
            purpose: word.question.purpose().to_owned(),
            channel: text(word.question.channel()),
            text_version: text(word.question.text_version()),
            notice_version: text(word.question.notice_version()),
        })
    });
    said.collect()
}

fn contact(
    first: Option<&str>,
    last: Option<&str>,
    email: Option<&str>,
    phone: Option<Phone>,
    locale: Option<&str>,
) -> Contact {
    let first_name = first.unwrap_or_default().trim().to_owned();
    let last_name = last.unwrap_or_default().trim().to_owned();
    Contact {
        name: format!("{first_name} {last_name}").trim().to_owned(),
        first_name,
        last_name,
        email: email.and_then(|e| e.parse::<EmailAddress>().ok()),
        phone,
        language: filled(locale).map(str::to_owned),
        ..Contact::default()
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

fn money(amount: &wire::Amount, currency: Currency, what: &str, id: &wire::Id) -> Result<Money, Unread> {
    Money::from_major_text(&amount.0, currency).map_err(|e| Unread(format!("{what} {}: {e}", id.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_free_text() {
        for (text, expected) in [
            ("+573001234567", Some("+573001234567")),
            ("300 123 4567", Some("+573001234567")),
            ("(300) 123-45-67", Some("+573001234567")),
            ("57 300 123 4567", Some("+573001234567")),
            ("0057 3001234567", Some("+573001234567")),
            ("+34 612 345 678", Some("+34612345678")),
            ("604 123 4567", None),
            ("no tengo", None),
            ("", None),
        ] {
            assert_eq!(phone_of(text).as_ref().map(Phone::as_e164), expected, "{text}");
        }
    }
}
