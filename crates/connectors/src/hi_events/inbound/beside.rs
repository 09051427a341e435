//! What stands beside a show and is only read: how it sells, and by which lists it lets in. Read models without events.

use super::super::normal;
use super::super::wire;
use super::{Reading, json, read};
use pasarela_connector::{EntityWrite, Fact, Item, Unread};
use serde::Serialize;
use serde_json::Value;

/// A read model that tells no event: each sale changes it.
pub(super) fn quiet<T: Serialize>(kind: &str, id: &str, show: &str, data: &T) -> Result<Item, Unread> {
    let write = EntityWrite::new(kind, id, json(data)?);
    Ok(Fact { event_type: None, ..Fact::state("", write) }.about("show", show).into())
}

/// One of them; `None`: the record is about something else.
pub(super) fn beside(kind: &str, value: &Value, data: &Value, by: Reading<'_>) -> Result<Option<Item>, Unread> {
    if !["promo_code", "affiliate", "capacity", "door_list", "show_sales"].contains(&kind) {
        return Ok(None);
    }
    let show: wire::Id = read("show", value.get("show").cloned().unwrap_or_default())?;
    let currency = value.get("currency").and_then(Value::as_str).and_then(|c| c.parse().ok()).unwrap_or(by.currency);
    let data = data.clone();
    Ok(Some(match kind {
        "promo_code" => {
            let code = normal::promo_code(&read(kind, data)?, &show, currency)?;
            quiet(kind, &code.id, &show.0, &code)?
        }
        "affiliate" => {
            let who = normal::affiliate(&read(kind, data)?, &show, currency)?;
            quiet(kind, &who.id, &show.0, &who)?
        }
        "capacity" => {
            let places = normal::capacity(&read(kind, data)?, &show);
            quiet(kind, &places.id, &show.0, &places)?
        }
        "door_list" => {
            let list = normal::door_list(&read(kind, data)?, &show);
            quiet(kind, &list.id, &show.0, &list)?
        }
        _ => quiet(kind, &show.0, &show.0, &normal::sales(&read(kind, data)?, &show, currency)?)?,
    }))
}
