//! The actions of the manifests in the document: what flows may ask for, and what an effect's `input`
//! and `result` look like.

use super::hoist;
use pasarela_connector::{Action, Idempotency, Lane, Manifest, SettledBy};
use serde_json::{Map, Value, json};

/// Adds the inputs to `schemas`, and tells each action.
pub(super) fn write(providers: &[&Manifest], schemas: &mut Map<String, Value>) -> Value {
    let all = providers.iter().flat_map(|m| m.actions.iter().map(move |a| (m, a)));
    all.map(|(manifest, action)| {
        let name = format!("{}.{}", manifest.name, action.name);
        let input = hoist(&name, action.input.as_value(), schemas);
        json!({
            "name": name, "title": action.title, "provider": manifest.title, "api_version": manifest.api.version,
            "input": input, "output": action.output, "message": action.message.is_some(),
            "idempotency": idempotency(action), "settled_by": settled_by(action), "lane": lane(action),
            "give_up_after_s": action.give_up_after.as_secs(), "batch": action.batch.map(|b| b.max),
        })
    })
    .collect()
}

fn idempotency(action: &Action) -> Value {
    match action.idempotency {
        Idempotency::Native { valid_for } => json!({ "kind": "native", "valid_for_s": valid_for.as_secs() }),
        Idempotency::ClientId => json!({ "kind": "client_id" }),
        Idempotency::Readable { after } => json!({ "kind": "readable", "after_s": after.as_secs() }),
        Idempotency::Correlated { within } => json!({ "kind": "correlated", "within_s": within.as_secs() }),
        Idempotency::AtMostOnce => json!({ "kind": "at_most_once" }),
    }
}

fn settled_by(action: &Action) -> Value {
    match action.settled_by {
        SettledBy::Answer => json!({ "kind": "answer" }),
        SettledBy::Status { timeout } => json!({ "kind": "status", "timeout_s": timeout.as_secs() }),
    }
}

fn lane(action: &Action) -> Value {
    match action.lane {
        Lane::FlowKey => json!("key"),
        Lane::Input(pointer) => json!(pointer),
        Lane::First(pointers) => json!(pointers.join(", ")),
        Lane::Connection => json!("connection"),
    }
}
