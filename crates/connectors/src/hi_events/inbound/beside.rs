//! What stands beside a show and is only read: how it sells, who waits, by which lists it lets in; and what
//! the server can do. Read models without events.

use super::super::normal;
use super::super::wire;
use super::{Reading, json, read};
use pasarela_connector::{EntityWrite, Fact, Item, Unread};
use pasarela_domain::model::ServerTrait;
use serde::Serialize;
use serde_json::Value;

/// A read model that tells no event: each sale changes it.
pub(super) fn quiet<T: Serialize>(kind: &str, id: &str, show: &str, data: &T) -> Result<Item, Unread> {
    let write = EntityWrite::new(kind, id, json(data)?);
    Ok(Fact { event_type: None, ..Fact::state("", write) }.about("show", show).into())
}

/// One of them; `None`: the record is about something else.
pub(super) fn beside(kind: &str, value: &Value, data: &Value, by: Reading<'_>) -> Result<Option<Item>, Unread> {
    if !["promo_code", "affiliate", "capacity", "door_list", "waitlist_entry", "trait", "show_sales"].contains(&kind) {
        return Ok(None);
    }
    if kind == "trait" {
        let server: ServerTrait = read(kind, data.clone())?;
        let write = EntityWrite::new(kind, &server.name, json(&server)?);
        return Ok(Some(Fact { event_type: None, ..Fact::state("", write) }.into()));
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
        "waitlist_entry" => {
            let entry: wire::WaitlistEntry = read(kind, data)?;
            let gone = value.get("gone").and_then(Value::as_bool) == Some(true);
            let view =
                if gone { normal::no_waitlist_entry(&entry.id, &show) } else { normal::waitlist_entry(&entry, &show) };
            let write = EntityWrite::new(kind, &view.id, json(&view)?);
            let write = if gone { write.merged(normal::gone) } else { write };
            Fact { event_type: None, ..Fact::state("", write) }.about("show", &show.0).into()
        }
        "door_list" => {
            let list = normal::door_list(&read(kind, data)?, &show);
            quiet(kind, &list.id, &show.0, &list)?
        }
        _ => quiet(kind, &show.0, &show.0, &normal::sales(&read(kind, data)?, &show, currency)?)?,
    }))
}
