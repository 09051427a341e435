//! The protocol's limits (contract, section 2). Production never complains: what breaks one is cut or thrown
//! away. So the connector asks here before it sends, and the double asks here before it keeps.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// Events of one request.
pub(super) const EVENTS: usize = 25;
/// Longest text of a parameter.
pub(super) const TEXT: usize = 100;
/// Items of one event.
pub(super) const ITEMS: usize = 200;
/// Bytes of one request: fewer than this.
pub(super) const BYTES: usize = 130_000;
/// Oldest event.
pub(super) const AGE: SignedDuration = SignedDuration::from_hours(72);

const PARAMS: usize = 25;
const NAME: usize = 40;
const ITEM_PARAMS: usize = 10;
const PROPERTIES: usize = 25;
const PROPERTY_NAME: usize = 24;
const PROPERTY_VALUE: usize = 36;
const USER_ID: usize = 256;

/// Events that only Google's own libraries make.
const RESERVED: [&str; 18] = [
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_clear_data",
    "app_exception",
    "app_remove",
    "app_update",
    "error",
    "first_open",
    "first_visit",
    "in_app_purchase",
    "os_update",
    "screen_view",
    "session_start",
    "user_engagement",
];
const RESERVED_HEADS: [&str; 4] = ["app_", "ad_", "notification_", "dynamic_link_"];
const RESERVED_PREFIXES: [&str; 4] = ["_", "firebase_", "ga_", "google_"];

/// Parameters of an item that Google knows; others are the sender's own.
const ITEM_KNOWN: [&str; 20] = [
    "affiliation",
    "coupon",
    "discount",
    "index",
    "item_brand",
    "item_category",
    "item_category2",
    "item_category3",
    "item_category4",
    "item_category5",
    "item_id",
    "item_list_id",
    "item_list_name",
    "item_name",
    "item_variant",
    "location_id",
    "price",
    "quantity",
    "promotion_id",
    "promotion_name",
];

/// Something that the validation server would tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) path: String,
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// What is wrong with a body at this moment; empty: nothing.
pub(super) fn problems(body: &Value, now: Timestamp) -> Vec<Problem> {
    let mut found = Found::default();
    let Some(body) = body.as_object() else {
        found.tell("", "VALUE_INVALID", "the body is not an object".into());
        return found.0;
    };
    let id = ["client_id", "app_instance_id"].iter().find_map(|name| body.get(*name)?.as_str());
    if id.is_none_or(|id| id.trim().is_empty()) {
        found.tell("client_id", "VALUE_REQUIRED", "client_id or app_instance_id is missing".into());
    }
    if let Some(user) = body.get("user_id") {
        found.text("user_id", user, USER_ID);
    }
    if let Some(at) = body.get("timestamp_micros") {
        found.moment("timestamp_micros", at, now);
    }
    if let Some(properties) = body.get("user_properties").and_then(Value::as_object) {
        found.properties(properties);
    }
    match body.get("events").and_then(Value::as_array) {
        None => found.tell("events", "VALUE_REQUIRED", "there are no events".into()),
        Some(events) if events.is_empty() => found.tell("events", "VALUE_REQUIRED", "there are no events".into()),
        Some(events) => {
            if events.len() > EVENTS {
                found.tell("events", "EXCEEDED_MAX_ENTITIES", format!("{} events; {EVENTS} fit", events.len()));
            }
            for (n, event) in events.iter().enumerate() {
                found.event(&format!("events[{n}]"), event, now);
            }
        }
    }
    found.0
}

#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn tell(&mut self, path: &str, code: &'static str, text: String) {
        self.0.push(Problem { path: path.to_owned(), code, text });
    }

    fn text(&mut self, path: &str, value: &Value, longest: usize) {
        if let Some(text) = value.as_str()
            && text.chars().count() > longest
        {
            self.tell(path, "VALUE_OUT_OF_BOUNDS", format!("longer than {longest} characters"));
        }
    }

    fn moment(&mut self, path: &str, at: &Value, now: Timestamp) {
        let at = at.as_i64().or_else(|| at.as_str()?.parse().ok());
        match at.and_then(|micros| Timestamp::from_microsecond(micros).ok()) {
            None => self.tell(path, "VALUE_INVALID", "not a number of microseconds".into()),
            Some(at) if now.duration_since(at) > AGE => {
                self.tell(path, "VALUE_OUT_OF_BOUNDS", "more than 72 hours ago".into());
            }
            Some(at) if at.duration_since(now) > SignedDuration::from_mins(1) => {
                self.tell(path, "VALUE_OUT_OF_BOUNDS", "in the future".into());
            }
            Some(_) => {}
        }
    }

    fn name(&mut self, path: &str, name: &str, longest: usize) {
        let sound = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= longest
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !sound {
            self.tell(
                path,
                "NAME_INVALID",
                format!("'{name}' is not a name of at most {longest} letters, digits and _"),
            );
        }
        if RESERVED_PREFIXES.iter().any(|head| name.starts_with(head)) {
            self.tell(path, "NAME_RESERVED", format!("'{name}' begins like one of Google's own"));
        }
    }

    fn event(&mut self, path: &str, event: &Value, now: Timestamp) {
        let Some(name) = event.get("name").and_then(Value::as_str) else {
            self.tell(path, "VALUE_REQUIRED", "an event has no name".into());
            return;
        };
        let at = format!("{path}.name");
        self.name(&at, name, NAME);
        if RESERVED.contains(&name) || RESERVED_HEADS.iter().any(|head| name.starts_with(head)) {
            self.tell(&at, "NAME_RESERVED", format!("'{name}' is one of Google's own events"));
        }
        if let Some(moment) = event.get("timestamp_micros") {
            self.moment(&format!("{path}.timestamp_micros"), moment, now);
        }
        let nothing = Map::new();
        let params = event.get("params").and_then(Value::as_object).unwrap_or(&nothing);
        self.params(&format!("{path}.params"), name, params);
    }

    fn params(&mut self, path: &str, event: &str, params: &Map<String, Value>) {
        if params.len() > PARAMS {
            self.tell(path, "EXCEEDED_MAX_ENTITIES", format!("{} parameters; {PARAMS} fit", params.len()));
        }
        for (name, value) in params {
            let at = format!("{path}.{name}");
            self.name(&at, name, NAME);
            self.text(&at, value, TEXT);
            if name != "items" && (value.is_object() || value.is_array()) {
                self.tell(&at, "VALUE_INVALID", "a parameter is a text, a number or a truth value".into());
            }
        }
        if params.contains_key("value") && params.get("currency").and_then(Value::as_str).is_none_or(|c| c.len() != 3) {
            self.tell(&format!("{path}.currency"), "VALUE_REQUIRED", "a value needs its currency".into());
        }
        if params.get("value").is_some_and(|v| !v.is_number()) {
            self.tell(&format!("{path}.value"), "VALUE_INVALID", "an amount is a number".into());
        }
        let transaction = params.get("transaction_id").and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        if matches!(event, "purchase" | "refund") && !transaction {
            self.tell(&format!("{path}.transaction_id"), "VALUE_REQUIRED", format!("a {event} needs transaction_id"));
        }
        if let Some(items) = params.get("items").and_then(Value::as_array) {
            self.items(&format!("{path}.items"), items);
        }
    }

    fn items(&mut self, path: &str, items: &[Value]) {
        if items.len() > ITEMS {
            self.tell(path, "EXCEEDED_MAX_ENTITIES", format!("{} items; {ITEMS} fit", items.len()));
        }
        for (n, item) in items.iter().enumerate() {
            let at = format!("{path}[{n}]");
            let Some(item) = item.as_object() else {
                self.tell(&at, "VALUE_INVALID", "an item is not an object".into());
                continue;
            };
            let named = ["item_id", "item_name"]
                .iter()
                .any(|name| item.get(*name).and_then(Value::as_str).is_some_and(|t| !t.is_empty()));
            if !named {
                self.tell(&at, "VALUE_REQUIRED", "an item needs item_id or item_name".into());
            }
            let own = item.keys().filter(|name| !ITEM_KNOWN.contains(&name.as_str())).count();
            if own > ITEM_PARAMS {
                self.tell(&at, "EXCEEDED_MAX_ENTITIES", format!("{own} own parameters; {ITEM_PARAMS} fit"));
            }
            for (name, value) in item {
                self.text(&format!("{at}.{name}"), value, TEXT);
            }
        }
    }

    fn properties(&mut self, properties: &Map<String, Value>) {
        if properties.len() > PROPERTIES {
            let text = format!("{} properties; {PROPERTIES} fit", properties.len());
            self.tell("user_properties", "EXCEEDED_MAX_ENTITIES", text);
        }
        for (name, property) in properties {
            let at = format!("user_properties.{name}");
            self.name(&at, name, PROPERTY_NAME);
            match property.get("value") {
                Some(value) => self.text(&at, value, PROPERTY_VALUE),
                None => self.tell(&at, "VALUE_REQUIRED", "a property has no value".into()),
            }
        }
    }
}
