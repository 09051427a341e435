//! Bodies of the Measurement Protocol (contract, sections 2 and 3): amounts in major units, texts cut where
//! Google would cut them, times as microseconds.

use super::Settings;
use super::input::{Item, Whose};
use super::limits;
use jiff::Timestamp;
use pasarela_connector::action::{Refused, invalid};
use pasarela_domain::consent::ConsentView;
use pasarela_domain::model::{Order, OrderLine};
use pasarela_domain::{EmailAddress, Money, Phone};
use serde_json::{Map, Number, Value, json};

/// One event before it is written.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) params: Map<String, Value>,
    /// When it happened, where it differs from the others of its request.
    pub(super) at: Option<Timestamp>,
}

impl Event {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), params: Map::new(), at: None }
    }

    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        if !value.is_null() {
            self.params.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) fn text(self, name: &str, text: Option<&str>) -> Self {
        let text = text.map(str::trim).filter(|t| !t.is_empty()).map(|t| cut(t, limits::TEXT));
        self.with(name, json!(text))
    }

    /// An amount and its currency.
    pub(super) fn amount(self, amount: Money) -> Result<Self, Refused> {
        Ok(self.with("currency", json!(amount.currency)).with("value", major(amount)?))
    }
}

/// First characters of a text.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// An amount in major units, as a number: decimal up to here, since what follows is Google's.
pub(super) fn major(amount: Money) -> Result<Value, Refused> {
    let text = amount.major_text();
    let number = match text.parse::<i64>() {
        Ok(whole) => Some(Number::from(whole)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    number.map(Value::Number).ok_or_else(|| invalid(format!("the amount {text} {} cannot be told", amount.currency)))
}

/// A purchase: what was bought, without taxes, and the taxes beside it.
pub(super) fn purchase(order: &Order, transaction: Option<&str>) -> Result<Event, Refused> {
    let event = Event::new("purchase").text("transaction_id", Some(transaction_of(order, transaction)?));
    let mut event = event.amount(order.subtotal)?.text("coupon", order.promo_code.as_deref());
    if order.tax.minor != 0 {
        event = event.with("tax", major(order.tax)?);
    }
    let lines = order.lines.iter().take(limits::ITEMS).enumerate();
    let items = lines.map(|(n, line)| line_item(n, line)).collect::<Result<Vec<_>, _>>()?;
    Ok(event.with("items", json!(items)))
}

/// Money that went back. Which items it was for is not told: the order says only how much.
pub(super) fn refund(order: &Order, transaction: Option<&str>) -> Result<Event, Refused> {
    Event::new("refund").text("transaction_id", Some(transaction_of(order, transaction)?)).amount(order.refunded)
}

fn transaction_of<'a>(order: &'a Order, transaction: Option<&'a str>) -> Result<&'a str, Refused> {
    let id = transaction.map(str::trim).filter(|t| !t.is_empty()).unwrap_or(&order.number);
    if id.is_empty() || id.chars().count() > limits::TEXT {
        return Err(invalid(format!("transaction_id must have 1 to {} characters", limits::TEXT)));
    }
    Ok(id)
}

fn line_item(n: usize, line: &OrderLine) -> Result<Value, Refused> {
    Ok(json!({
        "item_id": cut(&line.product_id, limits::TEXT), "item_name": cut(&line.title, limits::TEXT),
        "price": major(line.unit_price)?, "quantity": line.quantity, "index": n,
    }))
}

/// Something that was looked at: items, and what they are worth together.
pub(super) fn looked(name: &str, items: &[Item]) -> Result<Event, Refused> {
    let mut rows = Vec::new();
    let mut value: Option<Money> = None;
    for (n, item) in items.iter().enumerate() {
        let quantity = item.quantity.unwrap_or(1);
        let mut row = Event::new("").text("item_id", Some(&item.id)).text("item_name", item.name.as_deref());
        row = row.text("item_category", item.category.as_deref()).text("item_variant", item.variant.as_deref());
        if let Some(price) = item.price {
            row = row.with("price", major(price)?);
            let here = price.minor.checked_mul(i64::from(quantity));
            let sum = here.and_then(|here| value.map_or(0, |v| v.minor).checked_add(here));
            let minor = sum.ok_or_else(|| invalid("the items' prices together are too large"))?;
            if value.is_some_and(|v| v.currency != price.currency) {
                return Err(invalid("the items have prices in several currencies; one event has one"));
            }
            value = Some(Money::new(minor, price.currency));
        }
        rows.push(Value::Object(row.with("quantity", json!(quantity)).with("index", json!(n)).params));
    }
    if rows.is_empty() || rows.len() > limits::ITEMS {
        return Err(invalid(format!("there are {} items; 1 to {} fit", rows.len(), limits::ITEMS)));
    }
    let event = Event::new(name).with("items", json!(rows));
    value.map_or(Ok(event.clone()), |value| event.amount(value))
}

/// The request's body. `client`: whose browser.
pub(super) fn body(
    settings: &Settings,
    whose: &Whose,
    client: &str,
    events: &[Event],
    properties: &Map<String, Value>,
    now: Timestamp,
) -> Result<Value, Refused> {
    let consent = whose.consent.clone().unwrap_or_default();
    let mut body = Map::new();
    let id = if settings.firebase_app_id.is_some() { "app_instance_id" } else { "client_id" };
    body.insert(id.into(), json!(client));
    if let Some(user) = whose.user_id.as_deref().map(str::trim).filter(|u| !u.is_empty()) {
        body.insert("user_id".into(), json!(user));
    }
    // A moment to come is a clock that is ahead: Google takes the time of arrival then.
    if let Some(at) = whose.at.filter(|at| *at <= now) {
        body.insert("timestamp_micros".into(), json!(at.as_microsecond()));
    }
    body.insert("consent".into(), signals(&consent));
    if !properties.is_empty() {
        let wrapped: Map<String, Value> =
            properties.iter().map(|(name, value)| (name.clone(), json!({ "value": value }))).collect();
        body.insert("user_properties".into(), Value::Object(wrapped));
    }
    let session = whose.session_id.as_ref().or(consent.ga_session_id.as_ref());
    let rows = events.iter().map(|event| {
        let mut params = event.params.clone();
        if let Some(session) = session {
            // Without both the event is missing from sessions and from the realtime report.
            params.insert("session_id".into(), json!(session));
            params.insert("engagement_time_msec".into(), json!(1));
        }
        if settings.debug {
            params.insert("debug_mode".into(), json!(1));
        }
        let mut row = json!({ "name": event.name, "params": params });
        if let Some(at) = event.at.filter(|at| *at <= now) {
            row["timestamp_micros"] = json!(at.as_microsecond());
        }
        row
    });
    body.insert("events".into(), rows.collect());
    let body = Value::Object(body);
    personal("", &body)?;
    if let Some(problem) = limits::problems(&body, now).first() {
        return Err(invalid(format!("{}: {} ({})", problem.path, problem.text, problem.code)));
    }
    if body.to_string().len() >= limits::BYTES {
        return Err(invalid(format!("the event has more than {} bytes", limits::BYTES)));
    }
    Ok(body)
}

/// What the person has allowed for advertising (section 2). A no to analytics is no request at all.
fn signals(consent: &ConsentView) -> Value {
    let word = |yes: bool| if yes { "GRANTED" } else { "DENIED" };
    json!({ "ad_user_data": word(consent.ads), "ad_personalization": word(consent.ads && consent.profiling) })
}

/// No e-mail address and no phone ever goes there, wherever a flow may have put it.
fn personal(path: &str, value: &Value) -> Result<(), Refused> {
    match value {
        Value::String(text) => {
            let found = text.split_whitespace().any(|word| {
                let word = word.trim_matches(|c: char| "<>()[],;.\"'".contains(c));
                word.parse::<EmailAddress>().is_ok() || word.parse::<Phone>().is_ok()
            });
            if found {
                let why =
                    format!("{} holds an e-mail address or a phone: none may go to Google", path.trim_matches('.'));
                return Err(Box::new(pasarela_connector::Outcome::give_up("personal_data", why)));
            }
            Ok(())
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(n, v)| personal(&format!("{path}.{n}"), v)),
        Value::Object(map) => map.iter().try_for_each(|(name, v)| personal(&format!("{path}.{name}"), v)),
        _ => Ok(()),
    }
}

/// A sample for the validation server, with its strictest reading.
pub(super) fn sample(settings: &Settings) -> Value {
    let id = if settings.firebase_app_id.is_some() { "app_instance_id" } else { "client_id" };
    json!({
        id: "1.1",
        "validation_behavior": "ENFORCE_RECOMMENDATIONS",
        "consent": signals(&ConsentView::default()),
        "events": [{ "name": "purchase", "params": {
            "transaction_id": "O-PRUEBA", "currency": "COP", "value": 1,
            "items": [{ "item_id": "1", "item_name": "Prueba", "price": 1, "quantity": 1 }],
        } }],
    })
}
