//! JSON to the template engine's values and back. Money becomes an opaque value, so that no
//! template computes with it.

use super::{MAX_TEXT, Shape};
use minijinja::Value as Engine;
use minijinja::value::{Object, ObjectRepr, ValueKind};
use pasarela_colombia::{Lang, money::format_money};
use pasarela_domain::Currency;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// Most values in one result.
const MAX_NODES: usize = 2_000_000;
const MAX_DEPTH: usize = 64;

/// An amount of money inside a template: can be shown, passed on and compared for equality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) minor: i64,
    pub(crate) currency: Currency,
}

impl Amount {
    /// Reads `{minor, currency}` and nothing else.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let object = value.as_object().filter(|object| object.len() == 2)?;
        let minor = object.get("minor")?.as_i64()?;
        let currency = object.get("currency")?.as_str()?.parse().ok()?;
        Some(Self { minor, currency })
    }

    pub(crate) fn text(&self, lang: Lang) -> String {
        format_money(self.minor, self.currency.exponent(), self.currency.code(), lang)
    }
}

impl Object for Amount {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn is_true(self: &Arc<Self>) -> bool {
        self.minor != 0
    }
    fn custom_cmp(self: &Arc<Self>, other: &minijinja::value::DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some((self.currency, self.minor).cmp(&(other.currency, other.minor)))
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::Es))
    }
}

/// The used parts of a JSON value.
pub(crate) fn to_engine(value: &Value, shape: &Shape) -> Engine {
    match (shape, value) {
        // Money stays closed even where a template asks for its parts.
        (Shape::Fields(fields), Value::Object(object)) if Amount::from_json(value).is_none() => Engine::from_pairs(
            fields
                .iter()
                .filter_map(|(name, shape)| object.get(name).map(|value| (name.as_str(), to_engine(value, shape)))),
        ),
        (_, value) => whole(value),
    }
}

fn whole(value: &Value) -> Engine {
    match value {
        Value::Null => Engine::from(()),
        Value::Bool(value) => Engine::from(*value),
        Value::String(text) => Engine::from(text.as_str()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(n), _, _) => Engine::from(n),
            (_, Some(n), _) => Engine::from(n),
            (_, _, Some(n)) => Engine::from(n),
            _ => Engine::UNDEFINED,
        },
        Value::Array(items) => Engine::from(items.iter().map(whole).collect::<Vec<_>>()),
        Value::Object(object) => match Amount::from_json(value) {
            Some(amount) => Engine::from_object(amount),
            None => Engine::from_pairs(object.iter().map(|(name, value)| (name.as_str(), whole(value)))),
        },
    }
}

/// A template's result as JSON; the error says what it cannot be.
pub(crate) fn to_json(value: &Engine) -> Result<Value, String> {
    let mut left = MAX_NODES;
    convert(value, &mut left, 0)
}

fn convert(value: &Engine, left: &mut usize, depth: usize) -> Result<Value, String> {
    *left = left.checked_sub(1).ok_or("the result has too many values")?;
    if depth > MAX_DEPTH {
        return Err("the result is nested too deep".into());
    }
    if let Some(amount) = value.downcast_object_ref::<Amount>() {
        return Ok(serde_json::json!({ "minor": amount.minor, "currency": amount.currency.code() }));
    }
    match value.kind() {
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            check_length(text)?;
            Ok(Value::String(text.to_owned()))
        }
        ValueKind::Number => number(value),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?;
            items.map(|item| convert(&item, left, depth + 1)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        ValueKind::Map => {
            let mut object = Map::new();
            for key in value.try_iter().map_err(|error| error.to_string())? {
                let item = value.get_item(&key).map_err(|error| error.to_string())?;
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                object.insert(name, convert(&item, left, depth + 1)?);
            }
            Ok(Value::Object(object))
        }
        ValueKind::Undefined => Err("the result is undefined".into()),
        other => Err(format!("a {other} cannot be a result")),
    }
}

fn number(value: &Engine) -> Result<Value, String> {
    if value.is_integer() {
        if let Ok(n) = i64::try_from(value.clone()) {
            return Ok(n.into());
        }
        if let Ok(n) = u64::try_from(value.clone()) {
            return Ok(n.into());
        }
    }
    let n = f64::try_from(value.clone()).map_err(|error| error.to_string())?;
    serde_json::Number::from_f64(n).map(Value::Number).ok_or_else(|| "the result is not a finite number".into())
}

/// Texts that grew beyond the limit are refused.
pub(crate) fn check_length(text: &str) -> Result<(), String> {
    if text.len() > MAX_TEXT { Err(format!("the text is longer than {} KiB", MAX_TEXT / 1024)) } else { Ok(()) }
}

/// Is the value true in a condition? The same answer as the engine's.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_some_and(|n| n != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => Amount::from_json(value).map_or(!object.is_empty(), |amount| amount.minor != 0),
    }
}
