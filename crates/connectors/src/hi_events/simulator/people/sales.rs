//! Selling, and what happens to what was sold.

use super::super::HiEventsSimulator;
use super::super::hooks::Outbox;
use super::super::php;
use super::super::state::{
    Answered, Discount, Item, Kind, Order, Question, State, Ticket, Waiting, line_rollup, order_rollup,
};
use super::{Id, money, read};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::Money;
use serde::Deserialize;
use serde_json::{Value, json};

/// A cart is filled so long before it is completed.
const CART: SignedDuration = SignedDuration::from_secs(80);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sell {
    show_id: Id,
    buyer: Person,
    tickets: Vec<Sold>,
    /// `free`, `stripe` or `offline`.
    payment: String,
    promo: Option<String>,
    /// Code of the affiliate by whose link it is bought.
    affiliate: Option<String>,
    /// Language of the buyer's page.
    locale: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sold {
    /// Label or id of the tier; the first one when absent.
    tier: Option<Value>,
    /// The buyer when absent.
    holder: Option<Person>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Person {
    first_name: String,
    #[serde(default)]
    last_name: String,
    email: String,
    phone: Option<String>,
    /// Answers to further questions of the show, by title or id: a text, or a list of what was chosen.
    #[serde(default)]
    answers: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditOrder {
    order_id: Id,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    notes: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditAttendee {
    attendee_id: Id,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    notes: Option<String>,
    /// The buyer's own edit tells nobody.
    #[serde(default)]
    silent: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderId {
    order_id: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttendeeId {
    attendee_id: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refund {
    order_id: Id,
    /// Major units; all that is left when absent.
    amount: Option<Value>,
}

pub(super) fn act(
    sim: &mut HiEventsSimulator,
    command: &str,
    args: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<Value, String> {
    match command {
        "sell" => sell(sim, read(command, args)?, now, out),
        "mark_as_paid" => {
            let id = read::<OrderId>(command, args)?.order_id.0;
            if !sim.state.mark_as_paid(id, now) {
                return Err(format!("order {id} does not wait for an offline payment"));
            }
            sim.tell_order("order.marked_as_paid", id, now, out);
            Ok(json!({ "order_id": id }))
        }
        "cancel_order" => {
            let id = read::<OrderId>(command, args)?.order_id.0;
            if !sim.cancel(id, now, out) {
                return Err(format!("order {id} is cancelled already, or there is none"));
            }
            Ok(json!({ "order_id": id }))
        }
        "refund" => refund(sim, &read(command, args)?, now, out),
        "edit_order" => {
            let edit: EditOrder = read(command, args)?;
            let id = edit.order_id.0;
            let order = sim.state.order_mut(id).ok_or_else(|| format!("there is no order {id}"))?;
            replace(&mut order.first_name, edit.first_name);
            replace(&mut order.last_name, edit.last_name);
            replace(&mut order.email, edit.email);
            order.notes = edit.notes.or_else(|| order.notes.take());
            sim.tell_order("order.updated", id, now, out);
            Ok(json!({ "order_id": id }))
        }
        "edit_attendee" => {
            let edit: EditAttendee = read(command, args)?;
            let id = edit.attendee_id.0;
            let ticket = sim.state.ticket_mut(id).ok_or_else(|| format!("there is no attendee {id}"))?;
            replace(&mut ticket.first_name, edit.first_name);
            replace(&mut ticket.last_name, edit.last_name);
            replace(&mut ticket.email, edit.email);
            ticket.notes = edit.notes.or_else(|| ticket.notes.take());
            ticket.updated_at = now;
            if !edit.silent {
                sim.tell_ticket("attendee.updated", id, now, out);
            }
            Ok(json!({ "attendee_id": id }))
        }
        "cancel_attendee" => {
            let id = read::<AttendeeId>(command, args)?.attendee_id.0;
            if sim.state.ticket(id).is_none_or(|t| t.status == "CANCELLED") {
                return Err(format!("attendee {id} is cancelled already, or there is none"));
            }
            sim.cancel_ticket(id, now, out);
            Ok(json!({ "attendee_id": id }))
        }
        "reactivate_attendee" => {
            let id = read::<AttendeeId>(command, args)?.attendee_id.0;
            if sim.state.ticket(id).is_none_or(|t| t.status != "CANCELLED") {
                return Err(format!("attendee {id} is not cancelled, or there is none"));
            }
            // The provider tells nobody.
            sim.state.set_ticket_status(id, "ACTIVE", now);
            Ok(json!({ "attendee_id": id }))
        }
        other => Err(format!(
            "Hi.Events knows no command '{other}'; there are create_show, publish_show, edit_show, archive_show, \
             create_promo, sell, mark_as_paid, edit_order, cancel_order, refund, edit_attendee, cancel_attendee, \
             reactivate_attendee, scan, undo_scan, close_list, create_question, \
             edit_answer, create_affiliate, edit_product, delete_product, break_webhooks"
        )),
    }
}

fn replace(field: &mut String, with: Option<String>) {
    if let Some(text) = with {
        *field = text;
    }
}

impl HiEventsSimulator {
    /// The webhook goes out before the row changes, and carries the old status.
    pub(in super::super) fn cancel_ticket(&mut self, id: u64, now: Timestamp, out: &mut Outbox) {
        self.tell_ticket("attendee.cancelled", id, now, out);
        self.state.set_ticket_status(id, "CANCELLED", now);
    }
}

fn refund(sim: &mut HiEventsSimulator, args: &Refund, now: Timestamp, out: &mut Outbox) -> Result<Value, String> {
    let id = args.order_id.0;
    let order = sim.state.order(id).ok_or_else(|| format!("there is no order {id}"))?;
    let amount = match &args.amount {
        Some(amount) => money(amount, order.total.currency)?,
        None => Money::new(order.total.minor - order.refunded.minor, order.total.currency),
    };
    sim.state.refundable(order, amount).map_err(|why| format!("refund of order {id}: {why}"))?;
    sim.state.refund(id, amount);
    sim.tell_order("order.refunded", id, now, out);
    Ok(json!({ "order_id": id, "amount": php::amount(amount) }))
}

fn sell(sim: &mut HiEventsSimulator, args: Sell, now: Timestamp, out: &mut Outbox) -> Result<Value, String> {
    let show = args.show_id.0;
    let found = sim.state.show(show).ok_or_else(|| format!("sell: there is no show {show}"))?;
    if found.status != "LIVE" {
        return Err(format!("sell: show {show} is {}: publish it first", found.status));
    }
    if args.tickets.is_empty() {
        return Err("sell: tickets: at least one is needed".into());
    }
    let currency = found.currency;
    let affiliate = match &args.affiliate {
        None => None,
        Some(code) => {
            let known = sim.state.affiliates.iter().find(|a| a.show == show && a.code.eq_ignore_ascii_case(code));
            Some(known.ok_or_else(|| format!("sell: show {show} has no affiliate '{code}'"))?.id)
        }
    };
    let promo = args.promo.as_deref().map(str::to_lowercase);
    let discount = match &promo {
        None => None,
        Some(code) => Some(
            &sim.state
                .promos
                .iter()
                .find(|p| p.show == show && p.code == *code)
                .ok_or_else(|| format!("sell: show {show} has no promo code '{code}'"))?
                .discount,
        ),
    };
    let product = sim.state.products.iter().find(|p| p.show == show).ok_or("sell: the show sells nothing")?;
    let product_id = product.id;
    // One line per tier, in the order in which they were put into the cart.
    let mut lines: Vec<(u64, String, Money, Option<Money>, u32)> = Vec::new();
    let mut tiers = Vec::new();
    for sold in &args.tickets {
        let wanted = sold.tier.as_ref().map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned));
        let tier = match &wanted {
            Some(text) => product.tiers.iter().find(|t| t.label.as_deref() == Some(text) || t.id.to_string() == *text),
            None => product.tiers.first(),
        };
        let tier = tier.ok_or_else(|| format!("sell: show {show} has no tier '{}'", wanted.unwrap_or_default()))?;
        tiers.push(tier.id);
        if let Some(line) = lines.iter_mut().find(|l| l.0 == tier.id) {
            line.4 += 1;
        } else {
            let price = discounted(tier.price, discount);
            let before = discount.map(|_| tier.price);
            lines.push((
                tier.id,
                match &tier.label {
                    Some(label) => format!("{} - {label}", product.title),
                    None => product.title.clone(),
                },
                price,
                before,
                1,
            ));
        }
    }
    for (id, _, _, _, quantity) in &lines {
        let tier = product.tiers.iter().find(|t| t.id == *id);
        if tier.is_some_and(|t| t.capacity.is_some_and(|c| t.sold.saturating_add(*quantity) > c)) {
            return Err(format!("sell: tier {id} is sold out"));
        }
    }
    let taxes = product.taxes.clone();
    let mut before = Money::new(0, currency);
    let mut tax = 0.0;
    let mut items = Vec::new();
    for (_, name, price, before_discount, quantity) in lines {
        let total = Money::new(price.minor.saturating_mul(i64::from(quantity)), currency);
        let (line_tax, rollup) = line_rollup(total, &taxes);
        before.minor = before.minor.saturating_add(total.minor);
        tax += line_tax;
        let id = sim.state.id(Kind::Item);
        items.push(Item { id, product: product_id, name, price, before_discount, quantity, total, rollup });
    }
    let tax = Money::from_major_text(&tax.to_string(), currency).map_err(|e| format!("sell: {e}"))?;
    let total = Money::new(before.minor.saturating_add(tax.minor), currency);
    let (status, payment_status, provider, ticket_status) = match (args.payment.as_str(), total.minor) {
        ("free", 0) | ("stripe" | "offline", 0) => ("COMPLETED", "NO_PAYMENT_REQUIRED", None, "ACTIVE"),
        ("free", _) => {
            return Err(format!("sell: {} is not free: payment is stripe or offline", total.major_text()));
        }
        ("stripe", _) => ("COMPLETED", "PAYMENT_RECEIVED", Some("STRIPE"), "ACTIVE"),
        ("offline", _) => ("AWAITING_OFFLINE_PAYMENT", "AWAITING_OFFLINE_PAYMENT", Some("OFFLINE"), "AWAITING_PAYMENT"),
        (other, _) => {
            return Err(format!("sell: payment '{other}' is none of free, stripe, offline"));
        }
    };
    let rollup = order_rollup(before, &taxes);
    let id = sim.state.id(Kind::Order);
    let mut answers = answered(&mut sim.state, show, &args.buyer, None)?;
    let mut made = Vec::new();
    for (sold, tier) in args.tickets.into_iter().zip(tiers) {
        // Questions of the order are asked once.
        let buyer = || Person { answers: serde_json::Map::new(), ..args.buyer.clone() };
        let holder = sold.holder.unwrap_or_else(buyer);
        let ticket = sim.state.id(Kind::Ticket);
        answers.extend(answered(&mut sim.state, show, &holder, Some(ticket))?);
        let public_id = format!("A-{}", php::code(&format!("attendee {ticket}"), 7, true));
        made.push((ticket, public_id.clone()));
        sim.state.tickets.push(Ticket {
            id: ticket,
            order: id,
            product: product_id,
            tier,
            show,
            email: holder.email,
            status: ticket_status,
            first_name: holder.first_name,
            last_name: holder.last_name,
            public_id,
            short_id: format!("a_{}", php::code(&format!("attendee link {ticket}"), 13, false)),
            locale: args.locale.clone().unwrap_or_else(|| "es".into()),
            notes: None,
            created_at: now,
            updated_at: now,
        });
        let sold_product = sim.state.products.iter_mut().find(|p| p.id == product_id);
        if let Some(tier) = sold_product.and_then(|p| p.tiers.iter_mut().find(|t| t.id == tier)) {
            tier.sold = tier.sold.saturating_add(1);
        }
    }
    let public_id = format!("O-{}", php::code(&format!("order {id}"), 7, true));
    sim.state.orders.push(Order {
        id,
        short_id: format!("o_{}", php::code(&format!("order link {id}"), 13, false)),
        public_id: public_id.clone(),
        show,
        status,
        refund_status: None,
        payment_status,
        provider,
        before,
        tax,
        total,
        refunded: Money::new(0, currency),
        rollup,
        first_name: args.buyer.first_name,
        last_name: args.buyer.last_name,
        email: args.buyer.email,
        notes: None,
        promo,
        affiliate,
        created_at: now.checked_sub(CART).unwrap_or(now),
        items,
        answers,
    });
    // Whoever had an offer has bought it.
    let state = &mut sim.state;
    if let Some(order) = state.orders.last() {
        let mine =
            |w: &&mut Waiting| w.show == show && w.status == "OFFERED" && w.email.eq_ignore_ascii_case(&order.email);
        for entry in state.waitlist.iter_mut().filter(mine) {
            (entry.status, entry.order, entry.updated_at) = ("PURCHASED", Some(id), now);
        }
    }
    for (ticket, _) in &made {
        sim.tell_ticket("attendee.created", *ticket, now, out);
    }
    sim.tell_order("order.created", id, now, out);
    let tickets: Vec<Value> = made.into_iter().map(|(id, code)| json!({ "id": id, "code": code })).collect();
    Ok(json!({ "order_id": id, "number": public_id, "total": php::amount(total), "tickets": tickets }))
}

/// What a person answers: a phone where one is asked for, and whatever the command names.
fn answered(state: &mut State, show: u64, person: &Person, ticket: Option<u64>) -> Result<Vec<Answered>, String> {
    let belongs_to = if ticket.is_some() { "PRODUCT" } else { "ORDER" };
    let mine = |state: &State, fits: &dyn Fn(&Question) -> bool| {
        state.questions.iter().find(|q| q.show == show && q.belongs_to == belongs_to && fits(q)).map(|q| q.id)
    };
    let mut given = Vec::new();
    // Who is not asked for a phone gives none.
    if let (Some(phone), Some(question)) = (&person.phone, mine(state, &|q| q.kind == "PHONE")) {
        given.push((question, json!(phone)));
    }
    for (named, answer) in &person.answers {
        let question = mine(state, &|q| q.title == *named || q.id.to_string() == *named)
            .ok_or_else(|| format!("sell: show {show} asks no question '{named}' there"))?;
        given.push((question, answer.clone()));
    }
    Ok(given
        .into_iter()
        .map(|(question, answer)| Answered { id: state.id(Kind::Answer), question, answer, ticket })
        .collect())
}

fn discounted(price: Money, discount: Option<&Discount>) -> Money {
    match discount {
        None | Some(Discount::None) => price,
        Some(Discount::Fixed(off)) => Money::new(price.minor.saturating_sub(off.minor).max(0), price.currency),
        Some(Discount::Percentage(percent)) => {
            let major: f64 = price.major_text().parse().unwrap_or(0.0);
            let text = (major * (100.0 - percent) / 100.0).to_string();
            Money::from_major_text(&text, price.currency).unwrap_or(price)
        }
    }
}
