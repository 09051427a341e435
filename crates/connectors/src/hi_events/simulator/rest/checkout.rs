//! The public checkout, without a login (contract section 2.7): a cart, its completion, payment later or by Stripe.
//!
//! A cart takes no stock and tells nobody; the sale is made when it is completed, by the same way as the command `sell`.
//! Not here: expired carts, and Stripe's own word that a cart was paid.

use super::super::hooks::Outbox;
use super::super::php::{self, amount};
use super::super::resources::raw_datetime;
use super::super::state::{Cart, Kind, line_rollup, order_rollup};
use super::super::{HiEventsSimulator, people};
use super::{data, error, invalid, not_found};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::Answer;
use pasarela_domain::Money;
use serde_json::{Map, Value, json};

/// A cart is kept for so long.
const RESERVED: SignedDuration = SignedDuration::from_mins(15);

#[expect(clippy::too_many_arguments, reason = "a route needs all of a request")]
pub(super) fn route(
    sim: &mut HiEventsSimulator,
    method: &str,
    show: &str,
    rest: &[&str],
    session: Option<&str>,
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let Some(show) = show.parse().ok().filter(|id| sim.state.show(*id).is_some()) else {
        return not_found();
    };
    let cart = |sim: &HiEventsSimulator, short: &str| {
        sim.state.carts.iter().position(|c| c.show == show && c.short_id == short)
    };
    match (method, rest) {
        ("POST", []) => reserve(sim, show, body, now),
        (_, [short, ..]) => {
            let Some(place) = cart(sim, short) else { return not_found() };
            let Some(found) = sim.state.carts.get(place) else { return not_found() };
            if session != Some(found.session.as_str()) {
                return error(403, "Sorry, we could not verify your session. Please restart your order.");
            }
            match (method, rest) {
                ("GET", [_]) => data(&resource(sim, place)),
                ("PUT", [_]) => complete(sim, place, body, now, out),
                ("POST", [_, "await-offline-payment"]) => match pay(sim, place, "offline", now, out) {
                    Ok(()) => data(&resource(sim, place)),
                    Err(why) => error(409, &why),
                },
                ("POST", [_, "stripe", "payment_intent"]) => php::answer(
                    200,
                    &json!({
                        "client_secret": format!("pi_{}_secret_example", php::code(short, 12, false)),
                        "account_id": null, "public_key": "pk_test_made_up", "stripe_platform": null,
                    }),
                ),
                _ => not_found(),
            }
        }
        _ => not_found(),
    }
}

fn reserve(sim: &mut HiEventsSimulator, show: u64, body: &Value, now: Timestamp) -> Answer {
    if sim.state.show(show).is_some_and(|s| s.status != "LIVE") {
        return error(403, "This event is not live.");
    }
    let mut tickets = Vec::new();
    for product in body.get("products").and_then(Value::as_array).into_iter().flatten() {
        let id = product.get("product_id").and_then(Value::as_u64);
        let Some(known) = sim.state.products.iter().find(|p| p.show == show && Some(p.id) == id) else {
            return invalid("products", "The selected product is invalid.");
        };
        for row in product.get("quantities").and_then(Value::as_array).into_iter().flatten() {
            let number = |key: &str| row.get(key).and_then(Value::as_u64);
            let Some(tier) = known.tiers.iter().find(|t| Some(t.id) == number("price_id")) else {
                return invalid("products", "The selected price is invalid.");
            };
            let quantity = number("quantity").unwrap_or(0);
            let left = tier.capacity.map(|all| u64::from(all.saturating_sub(tier.sold)));
            if left.is_some_and(|left| quantity > left) {
                return invalid("products", "The product is sold out.");
            }
            tickets.extend((0..quantity).map(|_| tier.id));
        }
    }
    if tickets.is_empty() {
        return invalid("products", "You haven't selected any products.");
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let promo = text("promo_code").map(|c| c.to_lowercase());
    if promo.as_ref().is_some_and(|c| !sim.state.promos.iter().any(|p| p.show == show && p.code == *c)) {
        return invalid("promo_code", "The promo code is invalid.");
    }
    let id = sim.state.id(Kind::Cart);
    let session = php::code(&format!("session {id}"), 32, false).to_lowercase();
    sim.state.carts.push(Cart {
        id,
        show,
        short_id: format!("o_{}", php::code(&format!("cart link {id}"), 13, false)),
        public_id: format!("O-{}", php::code(&format!("cart {id}"), 7, true)),
        session,
        tickets,
        promo,
        affiliate: text("affiliate_code"),
        reserved_until: now.checked_add(RESERVED).unwrap_or(now),
        people: Value::Null,
        order: None,
    });
    let place = sim.state.carts.len() - 1;
    php::answer(201, &json!({ "data": resource(sim, place) }))
}

/// `OrderResourcePublic`.
fn resource(sim: &HiEventsSimulator, place: usize) -> Value {
    let Some(cart) = sim.state.carts.get(place) else { return Value::Null };
    let order = cart.order.and_then(|id| sim.state.order(id));
    let Some(product) = sim.state.products.iter().find(|p| p.show == cart.show) else { return Value::Null };
    let mut items = Vec::new();
    let currency = sim.state.show(cart.show).map_or(pasarela_domain::Currency::COP, |s| s.currency);
    let mut before = Money::new(0, currency);
    let mut tax = 0.0;
    let money = |major: f64| Money::from_major_text(&major.to_string(), currency).unwrap_or(Money::new(0, currency));
    for tier in &product.tiers {
        let quantity = cart.tickets.iter().filter(|t| **t == tier.id).count();
        if quantity == 0 {
            continue;
        }
        let total = Money::new(tier.price.minor * i64::try_from(quantity).unwrap_or(0), currency);
        let (line_tax, rollup) = line_rollup(total, &product.taxes);
        before.minor += total.minor;
        tax += line_tax;
        let name = tier.label.as_ref().map_or_else(|| product.title.clone(), |l| format!("{} - {l}", product.title));
        items.push(json!({
            "id": tier.id, "order_id": cart.id, "total_before_additions": amount(total), "total_before_discount": 0,
            "price": amount(tier.price), "price_before_discount": null, "quantity": quantity,
            "product_id": product.id, "product_price_id": tier.id, "item_name": name, "total_service_fee": 0,
            "total_tax": amount(money(line_tax)),
            "total_gross": amount(Money::new(total.minor + money(line_tax).minor, currency)),
            "taxes_and_fees_rollup": rollup,
        }));
    }
    let rollup = order_rollup(before, &product.taxes);
    let gross = Money::new(before.minor + money(tax).minor, currency);
    let said = |key: &str| cart.people.pointer(&format!("/order/{key}")).cloned().unwrap_or_default();
    let waits = (!cart.people.is_null()).then_some("AWAITING_PAYMENT");
    json!({
        "short_id": cart.short_id, "total_before_additions": amount(before), "total_tax": amount(money(tax)),
        "total_gross": amount(gross), "total_fee": 0, "status": order.map_or("RESERVED", |o| o.status),
        "refund_status": null, "payment_status": order.map(|o| o.payment_status).or(waits),
        "currency": currency.code(), "reserved_until": raw_datetime(cart.reserved_until), "is_expired": false,
        "first_name": said("first_name"), "last_name": said("last_name"), "email": said("email"),
        "public_id": order.map_or(&cart.public_id, |o| &o.public_id), "is_payment_required": gross.minor > 0,
        "promo_code": cart.promo, "taxes_and_fees_rollup": rollup, "order_items": items,
        "session_identifier": cart.session,
    })
}

fn complete(sim: &mut HiEventsSimulator, place: usize, body: &Value, now: Timestamp, out: &mut Outbox) -> Answer {
    let Some(cart) = sim.state.carts.get_mut(place) else { return not_found() };
    if cart.order.is_some() || cart.reserved_until <= now || !cart.people.is_null() {
        return error(409, "This order is already processed or has expired.");
    }
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    if text("/order/email").is_none() || text("/order/email") != text("/order/email_confirmation") {
        return invalid("order.email", "The email confirmation does not match.");
    }
    let holders = body.get("products").and_then(Value::as_array).map_or(0, Vec::len);
    if holders != cart.tickets.len() {
        return invalid("products", "One entry for each ticket is required.");
    }
    cart.people = body.clone();
    let free = resource(sim, place).get("is_payment_required") == Some(&json!(false));
    if free && let Err(why) = pay(sim, place, "free", now, out) {
        return error(409, &why);
    }
    data(&resource(sim, place))
}

/// The sale that a completed cart is.
fn pay(
    sim: &mut HiEventsSimulator,
    place: usize,
    payment: &str,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<(), String> {
    let cart = sim.state.carts.get(place).filter(|c| !c.people.is_null() && c.order.is_none());
    let cart = cart.ok_or("This order is not awaiting payment.")?;
    let person = |row: &Value| {
        let mut answers = Map::new();
        for asked in row.get("questions").and_then(Value::as_array).into_iter().flatten() {
            let id = asked.get("question_id").map(Value::to_string).unwrap_or_default();
            answers.insert(id, asked.pointer("/response/answer").cloned().unwrap_or_default());
        }
        let at = |key: &str| row.get(key).cloned().unwrap_or_default();
        json!({ "first_name": at("first_name"), "last_name": at("last_name"), "email": at("email"), "answers": answers })
    };
    let holders = cart.people.get("products").and_then(Value::as_array).into_iter().flatten();
    let tickets: Vec<Value> =
        holders.map(|row| json!({ "tier": row.get("product_price_id"), "holder": person(row) })).collect();
    let args = json!({
        "show_id": cart.show, "buyer": person(cart.people.get("order").unwrap_or(&Value::Null)), "tickets": tickets,
        "payment": payment, "promo": cart.promo, "affiliate": cart.affiliate,
    });
    let made = people::act(sim, "sell", &args, now, out)?;
    if let Some(cart) = sim.state.carts.get_mut(place) {
        cart.order = made.get("order_id").and_then(Value::as_u64);
    }
    Ok(())
}
