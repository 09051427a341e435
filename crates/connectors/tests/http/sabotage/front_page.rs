//! Manifests that mislead.

use super::*;

#[test]
fn front_pages_that_mislead_are_found() {
    manifest_found(|m| m.name = "Http", "kebab-case");
    manifest_found(|m| m.docs = "http://tienda.example", "docs link");
    manifest_found(|m| m.api.ends = Some("soon"), "not a date");
    manifest_found(|m| m.actions[0].name = "makeRequest", "snake_case");
    manifest_found(|m| m.actions[0].input = schemars::schema_for!(Value), "not an object");
    manifest_found(
        |m| m.settings = schemars::schema_for!(std::collections::BTreeMap<String, Value>),
        "unknown properties",
    );
    manifest_found(|m| m.no_history = None, "no_history");
    manifest_found(|m| m.actions.push(m.actions[0].clone()), "twice");
    manifest_found(|m| m.verification = pasarela_connector::Verification::NoInbound, "NoInbound");
    manifest_found(
        |m| {
            m.no_history = None;
            m.tasks = vec![Task { name: "orders", every: Duration::from_secs(60), whole: &[] }];
        },
        "does not begin with a call",
    );
    manifest_found(|m| m.fetches = &["order"], "can be fetched, but it cannot");
    manifest_found(
        |m| {
            m.name = "tienda";
            m.events = &["order.created"];
        },
        "not a canonical type",
    );
    let mut without = plain_hmac();
    without.actions.clear();
    told(&without, "no sample of the action");
    let forgiving = Damage {
        config: Some(|c| {
            if let Some(settings) = c.settings.as_object_mut() {
                settings.retain(|name, _| name == "verify" || name == "event");
            }
        }),
        ..Damage::default()
    };
    found(plain_hmac(), forgiving, "unknown setting");
}
