//! What an organiser keeps beside a show: questions, promo codes, affiliates, capacities, categories, messages
//! (contract sections 2.2 and 2.5).

use super::super::lists::{Listing, Query};
use super::super::php::amount;
use super::super::resources::datetime;
use super::super::state::{Affiliate, Capacity, Discount, Kind, Message, Promo, Question, State};
use super::super::{HiEventsSimulator, php};
use super::shows::{local, written};
use super::{data, error, invalid, not_found};
use jiff::Timestamp;
use pasarela_connector::Answer;
use pasarela_domain::Money;
use serde_json::{Value, json};

pub(super) const KINDS: &[&str] =
    &["questions", "promo-codes", "affiliates", "capacity-assignments", "product-categories", "messages"];

const QUESTION_TYPES: &[&str] = &[
    "ADDRESS",
    "PHONE",
    "SINGLE_LINE_TEXT",
    "MULTI_LINE_TEXT",
    "CHECKBOX",
    "RADIO",
    "DROPDOWN",
    "MULTI_SELECT_DROPDOWN",
    "DATE",
];

#[expect(clippy::too_many_arguments, reason = "a route needs all of a request")]
pub(super) fn route(
    sim: &mut HiEventsSimulator,
    method: &str,
    show: u64,
    kind: &str,
    rest: &[&str],
    query: &Query,
    url: &str,
    body: &Value,
    now: Timestamp,
) -> Answer {
    if let ("questions", "PUT", [question, "answers", answer]) = (kind, method, rest) {
        return edit_answer(&mut sim.state, show, question, answer, body);
    }
    match (method, rest) {
        ("GET", []) => match query.select(rows(&sim.state, show, kind), &Listing::KEPT) {
            Some(rows) => php::answer(200, &query.paged(rows, url, false)),
            None => error(500, "Server Error"),
        },
        ("GET", [id]) => row(&sim.state, show, kind, id).map_or_else(not_found, |row| data(&row)),
        ("POST", []) => match made(sim, show, kind, None, body, now) {
            Ok(id) => {
                let status = if kind == "capacity-assignments" { 200 } else { 201 };
                let made = row(&sim.state, show, kind, &id.to_string());
                made.map_or_else(not_found, |row| php::answer(status, &json!({ "data": row })))
            }
            Err(answer) => answer,
        },
        ("PUT", [id]) => match id.parse::<u64>().ok().filter(|_| row(&sim.state, show, kind, id).is_some()) {
            None => not_found(),
            Some(known) => match made(sim, show, kind, Some(known), body, now) {
                Ok(_) => row(&sim.state, show, kind, id).map_or_else(not_found, |row| data(&row)),
                Err(answer) => answer,
            },
        },
        ("DELETE", [id]) if row(&sim.state, show, kind, id).is_some() => {
            let gone = |own: u64| own.to_string() == *id;
            let state = &mut sim.state;
            match kind {
                "questions" => state.questions.retain(|q| !gone(q.id)),
                "promo-codes" => state.promos.retain(|p| !gone(p.id)),
                "affiliates" => state.affiliates.retain(|a| !gone(a.id)),
                "capacity-assignments" => state.capacities.retain(|c| !gone(c.id)),
                _ => return not_found(),
            }
            Answer { status: 204, ..Answer::default() }
        }
        _ => not_found(),
    }
}

fn row(state: &State, show: u64, kind: &str, id: &str) -> Option<Value> {
    rows(state, show, kind)
        .into_iter()
        .find(|r| r.get("id").and_then(Value::as_u64).is_some_and(|own| own.to_string() == id))
}

fn rows(state: &State, show: u64, kind: &str) -> Vec<Value> {
    match kind {
        "questions" => state.questions.iter().filter(|q| q.show == show).map(State::question_row).collect(),
        "promo-codes" => state.promos.iter().filter(|p| p.show == show).map(|p| promo(state, p)).collect(),
        "affiliates" => state.affiliates.iter().filter(|a| a.show == show).map(|a| affiliate(state, a)).collect(),
        "capacity-assignments" => {
            state.capacities.iter().filter(|c| c.show == show).map(|c| capacity(state, c)).collect()
        }
        "product-categories" => {
            let category = |s: &super::super::state::Show| json!({ "id": s.category, "name": "Boletas", "description": null, "is_hidden": false, "no_products_message": null });
            state.show(show).map(category).into_iter().collect()
        }
        "messages" => {
            let message = |m: &Message| {
                json!({
                    "id": m.id, "event_id": m.show, "subject": m.subject, "message": m.text, "type": m.kind,
                    "status": "SENT", "sent_at": datetime(m.at),
                })
            };
            state.messages.iter().filter(|m| m.show == show).map(message).collect()
        }
        _ => Vec::new(),
    }
}

fn promo(state: &State, p: &Promo) -> Value {
    let used = state.orders.iter().filter(|o| o.show == p.show && o.promo.as_deref() == Some(p.code.as_str())).count();
    let (kind, discount) = match p.discount {
        Discount::None => ("NONE", json!(0)),
        Discount::Fixed(off) => ("FIXED", amount(off)),
        Discount::Percentage(off) => ("PERCENTAGE", json!(off)),
    };
    json!({
        "id": p.id, "code": p.code, "applicable_product_ids": p.products, "discount": discount, "discount_type": kind,
        "created_at": datetime(p.created_at), "updated_at": datetime(p.updated_at),
        "expiry_date": written(p.expires_at), "attendee_usage_count": 0, "order_usage_count": used,
        "max_allowed_usages": p.most,
    })
}

fn affiliate(state: &State, a: &Affiliate) -> Value {
    let sold = state.orders.iter().filter(|o| o.affiliate == Some(a.id) && o.status == "COMPLETED");
    let gross: Option<Money> = sold.clone().map(|o| o.total).reduce(|a, b| Money::new(a.minor + b.minor, a.currency));
    json!({
        "id": a.id, "event_id": a.show, "account_id": 7, "name": a.name, "code": a.code, "email": a.email,
        "total_sales": sold.count(), "total_sales_gross": gross.map_or(json!(0), amount), "status": a.status,
        "created_at": datetime(a.created_at), "updated_at": datetime(a.updated_at),
    })
}

fn capacity(state: &State, c: &Capacity) -> Value {
    let of_it = |product: u64| c.products.is_empty() || c.products.contains(&product);
    let used = state.tickets.iter().filter(|t| t.show == c.show && of_it(t.product) && t.status != "CANCELLED").count();
    let share = c.capacity.filter(|all| *all > 0).map(|all| {
        let percent = used as f64 * 100.0 / f64::from(all);
        (percent * 100.0).round() / 100.0
    });
    let products: Vec<Value> = c
        .products
        .iter()
        .filter_map(|id| state.product_by_id(*id))
        .map(|p| json!({ "id": p.id, "title": p.title }))
        .collect();
    json!({
        "id": c.id, "name": c.name, "capacity": c.capacity, "used_capacity": used, "percentage_used": share,
        "applies_to": if c.products.is_empty() { "EVENT" } else { "PRODUCTS" }, "status": c.status,
        "event_id": c.show, "products": products,
    })
}

/// Makes or changes a row; its id, or the refusal.
fn made(
    sim: &mut HiEventsSimulator,
    show: u64,
    kind: &str,
    known: Option<u64>,
    body: &Value,
    now: Timestamp,
) -> Result<u64, Answer> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let numbers = |key: &str| -> Vec<u64> {
        body.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect()
    };
    let own: Vec<u64> = sim.state.products.iter().filter(|p| p.show == show).map(|p| p.id).collect();
    let currency = sim.state.show(show).map_or(pasarela_domain::Currency::COP, |s| s.currency);
    let zone = sim.state.show(show).map(|s| s.time_zone.clone()).unwrap_or_default();
    let foreign = |ids: &[u64], field: &str| match ids.iter().all(|id| own.contains(id)) {
        true => Ok(()),
        false => Err(invalid(field, "The selected product is invalid.")),
    };
    let required = |key: &str| text(key).ok_or_else(|| invalid(key, "The field is required."));
    match kind {
        "questions" => {
            let title = required("title")?.to_owned();
            let wire_type = required("type")?.to_owned();
            if !QUESTION_TYPES.contains(&wire_type.as_str()) {
                return Err(invalid("type", "The selected type is invalid."));
            }
            let belongs_to = match text("belongs_to") {
                Some("ORDER") => "ORDER",
                Some("PRODUCT") => "PRODUCT",
                _ => return Err(invalid("belongs_to", "The selected belongs to is invalid.")),
            };
            let products = numbers("product_ids");
            foreign(&products, "product_ids")?;
            if belongs_to == "PRODUCT" && products.is_empty() {
                return Err(invalid("product_ids", "The product ids field is required when belongs to is PRODUCT."));
            }
            let options = body.get("options").and_then(Value::as_array);
            let options = options.map(|o| o.iter().filter_map(Value::as_str).map(str::to_owned).collect());
            let id = known.unwrap_or_else(|| sim.state.id(Kind::Question));
            sim.state.questions.retain(|q| q.id != id);
            sim.arrive("question", format!("{show} {title}"), format!("question {id} of show {show}"));
            sim.state.questions.push(Question {
                id,
                show,
                title,
                kind: wire_type,
                belongs_to,
                products,
                options,
                required: body.get("required").and_then(Value::as_bool).unwrap_or(false),
                hidden: body.get("is_hidden").and_then(Value::as_bool).unwrap_or(false),
                description: text("description").map(str::to_owned),
            });
            Ok(id)
        }
        "promo-codes" => {
            let code = required("code")?.to_lowercase();
            if !(2..=50).contains(&code.chars().count()) {
                return Err(invalid("code", "The code must be between 2 and 50 characters."));
            }
            if sim.state.promos.iter().any(|p| p.show == show && p.code == code && Some(p.id) != known) {
                return Err(error(409, "Promo code already exists"));
            }
            let off = body.get("discount").map(|d| d.as_str().map_or_else(|| d.to_string(), str::to_owned));
            let off = off.unwrap_or_default();
            let wrong = || invalid("discount", "The discount is invalid.");
            let discount = match required("discount_type")? {
                "NONE" => Discount::None,
                "FIXED" => Discount::Fixed(Money::from_major_text(&off, currency).map_err(|_| wrong())?),
                "PERCENTAGE" => Discount::Percentage(
                    off.parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p)).ok_or_else(wrong)?,
                ),
                _ => return Err(invalid("discount_type", "The selected discount type is invalid.")),
            };
            let products = numbers("applicable_product_ids");
            foreign(&products, "applicable_product_ids")?;
            let id = known.unwrap_or_else(|| sim.state.id(Kind::Promo));
            let before = sim.state.promos.iter().find(|p| p.id == id).map(|p| p.created_at);
            sim.state.promos.retain(|p| p.id != id);
            sim.arrive("promo_code", format!("{show} {code}"), format!("promo code {code} of show {show}"));
            sim.state.promos.push(Promo {
                id,
                show,
                code,
                discount,
                products,
                expires_at: text("expiry_date").and_then(|t| local(t, &zone)),
                most: body.get("max_allowed_usages").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()),
                created_at: before.unwrap_or(now),
                updated_at: now,
            });
            Ok(id)
        }
        "affiliates" => {
            let (name, code) = (required("name")?.to_owned(), required("code")?.to_uppercase());
            if !code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return Err(invalid("code", "The code may only have letters, digits, - and _."));
            }
            if sim.state.affiliates.iter().any(|a| a.show == show && a.code == code && Some(a.id) != known) {
                return Err(invalid("code", "The code has already been taken."));
            }
            let status = if text("status") == Some("INACTIVE") { "INACTIVE" } else { "ACTIVE" };
            let id = known.unwrap_or_else(|| sim.state.id(Kind::Affiliate));
            let before = sim.state.affiliates.iter().find(|a| a.id == id).map(|a| a.created_at);
            sim.state.affiliates.retain(|a| a.id != id);
            sim.arrive("affiliate", format!("{show} {code}"), format!("affiliate {code} of show {show}"));
            sim.state.affiliates.push(Affiliate {
                id,
                show,
                name,
                code,
                email: text("email").map(str::to_owned),
                status,
                created_at: before.unwrap_or(now),
                updated_at: now,
            });
            Ok(id)
        }
        "capacity-assignments" => {
            let name = required("name")?.to_owned();
            let products = numbers("product_ids");
            foreign(&products, "product_ids")?;
            let status = if text("status") == Some("INACTIVE") { "INACTIVE" } else { "ACTIVE" };
            let id = known.unwrap_or_else(|| sim.state.id(Kind::Capacity));
            sim.state.capacities.retain(|c| c.id != id);
            sim.arrive("capacity", format!("{show} {name}"), format!("capacity {name} of show {show}"));
            let capacity = body.get("capacity").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            sim.state.capacities.push(Capacity { id, show, name, capacity, status, products });
            Ok(id)
        }
        "messages" if known.is_none() => send(sim, show, body, now),
        _ => Err(not_found()),
    }
}

fn send(sim: &mut HiEventsSimulator, show: u64, body: &Value, now: Timestamp) -> Result<u64, Answer> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let numbers = |key: &str| -> Vec<u64> {
        body.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect()
    };
    let subject =
        text("subject").filter(|t| t.chars().count() <= 100).ok_or_else(|| invalid("subject", "Too long."))?;
    let message =
        text("message").filter(|t| t.chars().count() <= 8000).ok_or_else(|| invalid("message", "Too long."))?;
    let (people, products, order) =
        (numbers("attendee_ids"), numbers("product_ids"), body.get("order_id").and_then(Value::as_u64));
    let kind = text("message_type").unwrap_or_default().to_owned();
    let tickets: Vec<u64> = sim
        .state
        .tickets
        .iter()
        .filter(|t| t.show == show && t.status != "CANCELLED")
        .filter(|t| match kind.as_str() {
            "INDIVIDUAL_ATTENDEES" => people.contains(&t.id),
            "TICKET_HOLDERS" | "ORDER_OWNERS_WITH_PRODUCT" => products.contains(&t.product),
            "ORDER_OWNER" => Some(t.order) == order,
            "ALL_ATTENDEES" => true,
            _ => false,
        })
        .map(|t| t.id)
        .collect();
    if people.len() > 50 || tickets.is_empty() {
        return Err(invalid("message_type", "There is nobody to write to."));
    }
    let test = body.get("is_test").and_then(Value::as_bool).unwrap_or(false);
    let id = sim.state.id(Kind::Message);
    sim.arrive(
        "message",
        format!("{show} {subject}"),
        format!("“{subject}” to {} tickets, test: {test}", tickets.len()),
    );
    sim.state.messages.push(Message {
        id,
        show,
        subject: subject.to_owned(),
        text: message.to_owned(),
        kind,
        tickets,
        at: now,
    });
    Ok(id)
}

/// The provider tells nobody.
fn edit_answer(state: &mut State, show: u64, question: &str, answer: &str, body: &Value) -> Answer {
    let (Ok(question), Ok(answer)) = (question.parse::<u64>(), answer.parse::<u64>()) else {
        return not_found();
    };
    let orders = state.orders.iter_mut().filter(|o| o.show == show).flat_map(|o| &mut o.answers);
    match (orders.into_iter().find(|a| a.id == answer && a.question == question), body.get("answer")) {
        (Some(found), Some(new)) => {
            found.answer = new.clone();
            Answer { status: 204, ..Answer::default() }
        }
        _ => not_found(),
    }
}
