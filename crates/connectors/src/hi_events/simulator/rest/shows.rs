//! Shows by API: made, set, sold at, counted (contract sections 2.2 and 2.5).

use super::super::hooks::Outbox;
use super::super::php::amount;
use super::super::resources::{datetime, raw_datetime};
use super::super::state::{Kind, Product, Show, State, Tier};
use super::super::{HiEventsSimulator, php};
use super::{data, error, invalid, not_found};
use jiff::{SignedDuration, Timestamp, civil, tz::Offset};
use pasarela_connector::Answer;
use pasarela_domain::{Currency, Money};
use serde_json::{Value, json};

fn text<'v>(body: &'v Value, key: &str) -> Option<&'v str> {
    body.get(key).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty())
}

/// The double reads no table of zones: it knows Colombia's, and takes any other for UTC.
fn offset(zone: &str) -> Offset {
    if zone == "America/Bogota" { jiff::tz::offset(-5) } else { Offset::UTC }
}

/// A time as forms send it: local to the show's zone, unless it says its own.
pub(super) fn local(text: &str, zone: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let at: civil::DateTime = text.replace(' ', "T").parse().ok()?;
    offset(zone).to_timestamp(at).ok()
}

pub(super) fn create(sim: &mut HiEventsSimulator, body: &Value, now: Timestamp, out: &mut Outbox) -> Answer {
    let Some(title) = text(body, "title").filter(|t| t.chars().count() <= 150) else {
        return invalid("title", "The title field is required and must not be greater than 150 characters.");
    };
    if body.get("organizer_id").and_then(Value::as_u64) != Some(sim.state.organizer) {
        return invalid("organizer_id", "The selected organizer id is invalid.");
    }
    let zone = text(body, "timezone").unwrap_or("America/Bogota").to_owned();
    let Some(starts_at) = text(body, "start_date").and_then(|t| local(t, &zone)) else {
        return invalid("start_date", "The start date field is required.");
    };
    let Ok(currency) = text(body, "currency").unwrap_or("COP").parse::<Currency>() else {
        return invalid("currency", "The selected currency is invalid.");
    };
    let state = &mut sim.state;
    let (id, category) = (state.id(Kind::Show), state.id(Kind::Category));
    state.shows.push(Show {
        id,
        title: title.to_owned(),
        description: text(body, "description").map(str::to_owned),
        starts_at,
        ends_at: text(body, "end_date").and_then(|t| local(t, &zone)),
        status: "DRAFT",
        currency,
        time_zone: zone,
        location: body.get("location_details").filter(|l| l.is_object()).cloned(),
        category,
        settings: serde_json::Map::new(),
    });
    sim.arrive("show", title, format!("show {id} made"));
    sim.tell_show("event.created", id, now, out);
    sim.state.show(id).map_or_else(not_found, |s| data(&sim.state.event(s, true)))
}

pub(super) fn settings(sim: &mut HiEventsSimulator, method: &str, show: u64, body: &Value) -> Answer {
    let Some(found) = sim.state.show_mut(show) else { return not_found() };
    if method != "GET" {
        let Some(fields) = body.as_object() else { return invalid("settings", "The settings are invalid.") };
        let offline = body.get("payment_providers").and_then(Value::as_array);
        let needs_text = offline.is_some_and(|all| all.iter().any(|p| p == "OFFLINE"));
        if needs_text && text(body, "offline_payment_instructions").is_none() {
            return invalid("offline_payment_instructions", "The offline payment instructions field is required.");
        }
        found.settings.extend(fields.clone());
    }
    let mut all = json!({
        "payment_providers": ["STRIPE"], "offline_payment_instructions": null,
        "allow_orders_awaiting_offline_payment_to_check_in": false, "attendee_details_collection_method": "PER_TICKET",
        "order_timeout_in_minutes": 15, "require_billing_address": false, "enable_invoicing": false,
        "show_marketing_opt_in": true, "price_display_mode": "INCLUSIVE",
    });
    if let Some(fields) = all.as_object_mut() {
        fields.extend(found.settings.clone());
    }
    data(&all)
}

pub(super) fn create_product(
    sim: &mut HiEventsSimulator,
    show: u64,
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let Some(title) = text(body, "title").map(str::to_owned) else {
        return invalid("title", "The title field is required.");
    };
    let kind = text(body, "type").unwrap_or_default().to_owned();
    if !["PAID", "FREE", "DONATION", "TIERED"].contains(&kind.as_str()) {
        return invalid("type", "The selected type is invalid.");
    }
    let product_type = match text(body, "product_type") {
        Some("TICKET") => "TICKET",
        Some("GENERAL") => "GENERAL",
        _ => return invalid("product_type", "The selected product type is invalid."),
    };
    let Some((currency, category)) = sim.state.show(show).map(|s| (s.currency, s.category)) else {
        return not_found();
    };
    if body.get("product_category_id").and_then(Value::as_u64) != Some(category) {
        return invalid("product_category_id", "The selected product category id is invalid.");
    }
    let mut tiers = Vec::new();
    for row in body.get("prices").and_then(Value::as_array).into_iter().flatten() {
        let label = text(row, "label").map(str::to_owned);
        if kind == "TIERED" && label.is_none() {
            return invalid("prices.0.label", "The label field is required when type is TIERED.");
        }
        let price = row.get("price").map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned));
        let Some(price) = price.and_then(|p| Money::from_major_text(&p, currency).ok()).filter(|p| p.minor >= 0) else {
            return invalid("prices.0.price", "The price must be at least 0, with at most 2 decimals.");
        };
        let capacity = row.get("initial_quantity_available").and_then(Value::as_u64);
        let capacity = capacity.and_then(|c| u32::try_from(c).ok());
        tiers.push(Tier { id: sim.state.id(Kind::Tier), label, price, sold: 0, capacity });
    }
    if tiers.is_empty() {
        return invalid("prices", "The prices field is required.");
    }
    let id = sim.state.id(Kind::Product);
    let description = text(body, "description").map(str::to_owned);
    sim.state.products.push(Product {
        id,
        show,
        title: title.clone(),
        kind,
        product_type,
        description,
        tiers,
        taxes: Vec::new(),
    });
    sim.arrive("product", format!("{show} {title}"), format!("product {id} of show {show}"));
    sim.tell_product("product.created", id, now, out);
    let made = sim.state.product_by_id(id).map(|p| sim.state.product(p, true));
    made.map_or_else(not_found, |p| php::answer(201, &json!({ "data": p })))
}

/// The last seven days, and totals of all time (section 2.5).
pub(super) fn stats(state: &State, show: u64, now: Timestamp) -> Answer {
    let Some(currency) = state.show(show).map(|s| s.currency) else { return error(404, "Not found") };
    let sum = |minor: i64| amount(Money::new(minor, currency));
    let start = now.checked_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(now);
    let sold = |o: &&super::super::state::Order| o.show == show && o.status == "COMPLETED";
    let orders: Vec<_> = state.orders.iter().filter(sold).collect();
    let guests = |order: u64| state.tickets_of(order).count();
    let mut days: Vec<Value> = Vec::new();
    let mut day = start;
    while day <= now {
        let date = day.strftime("%Y-%m-%d").to_string();
        let here: Vec<_> = orders.iter().filter(|o| o.created_at.strftime("%Y-%m-%d").to_string() == date).collect();
        let people: usize = here.iter().map(|o| guests(o.id)).sum();
        days.push(json!({
            "date": date, "total_fees": 0, "total_tax": sum(here.iter().map(|o| o.tax.minor).sum()),
            "total_sales_gross": sum(here.iter().map(|o| o.total.minor).sum()), "products_sold": people,
            "orders_created": here.len(), "attendees_registered": people,
            "total_refunded": sum(here.iter().map(|o| o.refunded.minor).sum()),
        }));
        day = day.checked_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    }
    let people: usize = orders.iter().map(|o| guests(o.id)).sum();
    data(&json!({
        "daily_stats": days, "start_date": raw_datetime(start), "end_date": raw_datetime(now),
        "total_products_sold": people, "total_attendees_registered": people, "total_orders": orders.len(),
        "total_gross_sales": sum(orders.iter().map(|o| o.total.minor).sum()), "total_fees": 0,
        "total_tax": sum(orders.iter().map(|o| o.tax.minor).sum()), "total_views": 0,
        "total_refunded": sum(orders.iter().map(|o| o.refunded.minor).sum()),
    }))
}

/// A time that a form sent, as answers write it.
pub(super) fn written(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(datetime(at)))
}
