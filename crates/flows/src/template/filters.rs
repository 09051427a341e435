//! Filters of the flow language: time arithmetic, Colombian dates, money and phones. Everything
//! else comes with the template engine.

use super::value::Amount;
use crate::duration::{parse_duration, shift};
use jiff::Timestamp;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use pasarela_colombia::phone::Kind;
use pasarela_colombia::{Lang, calendar, phone};

/// Names for suggestions: ours and the engine's usual ones.
pub(crate) const NAMES: &[&str] = &[
    "minus",
    "plus",
    "bogota",
    "cop",
    "money",
    "phone",
    "default",
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "replace",
    "join",
    "length",
    "first",
    "last",
    "list",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "sort",
    "unique",
    "sum",
    "min",
    "max",
    "round",
    "int",
    "float",
    "string",
    "bool",
    "tojson",
    "urlencode",
    "split",
    "items",
    "attr",
    "batch",
    "slice",
];

pub(crate) fn register(env: &mut Environment<'static>) {
    env.add_filter("minus", |value: &Value, by: &str| moved(value, by, false));
    env.add_filter("plus", |value: &Value, by: &str| moved(value, by, true));
    env.add_filter("bogota", bogota);
    env.add_filter("cop", money);
    env.add_filter("money", money);
    env.add_filter("phone", to_phone);
}

/// Text for people: nothing is ever shown as `none`.
pub(crate) fn formatter(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(wrong("there is nothing (null) to put into the text; add `| default('...', true)`"));
    }
    minijinja::escape_formatter(out, state, value)
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn moment(value: &Value, filter: &str) -> Result<Timestamp, Error> {
    let text = value.as_str().ok_or_else(|| {
        wrong(format!("`{filter}` needs a time (`2026-11-28T00:00:00Z`) and got {}", described(value)))
    })?;
    text.parse().map_err(|_| {
        wrong(format!("`{filter}` needs a time and `{}` is none", text.chars().take(40).collect::<String>()))
    })
}

fn described(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "nothing (null)".into(),
        kind => format!("a {kind}"),
    }
}

fn moved(value: &Value, by: &str, later: bool) -> Result<String, Error> {
    let start = moment(value, if later { "plus" } else { "minus" })?;
    let by = parse_duration(by).map_err(|error| wrong(error.to_string()))?;
    let end = shift(start, by, later).ok_or_else(|| wrong("the time is out of range"))?;
    Ok(end.to_string())
}

fn language(word: Option<&str>) -> Result<Lang, Error> {
    match word {
        None => Ok(Lang::Es),
        Some(tag) => Lang::from_tag(tag).ok_or_else(|| wrong(format!("language `{tag}` is not known: `es` or `en`"))),
    }
}

/// `bogota`, `bogota('date')`, `bogota(parts='time', lang='en')`.
fn bogota(value: &Value, parts: Option<&str>, kwargs: Kwargs) -> Result<String, Error> {
    let lang = language(kwargs.get::<Option<&str>>("lang")?)?;
    let parts = match parts {
        Some(parts) => parts,
        None => kwargs.get::<Option<&str>>("parts")?.unwrap_or("datetime"),
    };
    kwargs.assert_all_used()?;
    let moment = moment(value, "bogota")?;
    match parts {
        "datetime" => Ok(calendar::date_time(moment, lang)),
        "date" => Ok(calendar::date(moment, lang)),
        "time" => Ok(calendar::time(moment, lang)),
        "full" => Ok(calendar::date_with_year(moment, lang)),
        other => Err(wrong(format!("`bogota` knows the parts `datetime`, `date`, `time` and `full`, not `{other}`"))),
    }
}

/// `cop`, `money(lang='en')`.
fn money(value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let lang = language(kwargs.get::<Option<&str>>("lang")?)?;
    kwargs.assert_all_used()?;
    match value.downcast_object_ref::<Amount>() {
        Some(amount) => Ok(amount.text(lang)),
        None => Err(wrong(format!("`money` needs an amount with its currency and got {}", described(value)))),
    }
}

/// `phone`: E.164 of a number that can reach a person.
fn to_phone(value: &Value) -> Result<String, Error> {
    let typed = value.as_str().ok_or_else(|| wrong(format!("`phone` needs a text and got {}", described(value))))?;
    let number = phone::read(typed).map_err(|why| wrong(why.to_string()))?;
    match number.kind {
        Kind::TollFree | Kind::Premium => Err(wrong("this is a service line (01800, 01900), not a person's number")),
        Kind::Mobile | Kind::Fixed | Kind::Foreign => Ok(number.e164),
    }
}
