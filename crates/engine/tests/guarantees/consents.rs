//! The ledger of consent: kept before it is answered, once for a key, sealed, and seen by flows whichever
//! connection told the event.

use crate::hub::{Hub, Place, on_paid};
use pasarela_domain::consent::ConsentState;
use pasarela_engine::{LEDGER, LedgerError, Statement};
use pasarela_store::{EffectState, EventFilter};
use serde_json::{Value, json};

fn statement(person: Value, purpose: &str, state: &str, more: Value) -> Statement {
    let mut text = json!({
        "person": person, "purpose": purpose, "state": state,
        "evidence": { "channel": "checkout", "text_version": "v3", "at": "2026-11-27T14:00:00Z" },
    });
    text.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(text).unwrap()
}

fn laura() -> Value {
    json!({ "email": "Laura@Correo.Example", "phone": "+573005550117", "name": "Laura Rincón Ávila" })
}

const SEES: &str = "  - id: a\n    do: ventas.flujo\n    with: { analytics: \"{{ consent.analytics }}\", client: \"{{ consent.ga_client_id }}\", n: \"{{ data.n }}\" }\n";

#[tokio::test]
async fn a_flow_sees_what_the_buyer_has_allowed_and_a_withdrawal_at_once() {
    let hub = Hub::build().flow(&on_paid(SEES)).start().await;
    let order = |n: u32, buyer: Value| json!({ "n": n, "buyer": buyer });
    let by_email = json!({ "email": "laura@correo.example", "phone": null });
    let by_phone = json!({ "email": null, "phone": "+573005550117" });
    hub.paid("0", order(0, by_email.clone())).await;
    let ids = json!({ "analytics": { "ga_client_id": "GA1.1.12.34", "ga_session_id": "99" } });
    let given = hub.engine.record_consent(statement(laura(), "analytics", "given", ids), None).await.unwrap();
    assert!(given.decided && !given.repeated);
    assert_eq!(given.record.analytics.ga_client_id.as_deref(), Some("12.34"));
    hub.paid("1", order(1, by_email.clone())).await;
    hub.paid("2", order(2, by_phone)).await;
    hub.paid("3", order(3, json!({ "email": "otra@correo.example" }))).await;
    let later = json!({ "evidence": { "channel": "whatsapp", "at": "2026-11-27T14:30:00Z" } });
    hub.engine.record_consent(statement(laura(), "analytics", "withdrawn", later), None).await.unwrap();
    hub.paid("4", order(4, by_email)).await;
    hub.arrived("/flujo", 5).await;
    let seen = |n: u64| {
        let calls = hub.server.calls("/flujo");
        let call = calls.iter().map(|c| c.json()).find(|c| c["n"] == json!(n)).unwrap();
        (call["analytics"].clone(), call["client"].clone())
    };
    assert_eq!(seen(0), (json!(false), Value::Null), "absent is no");
    assert_eq!(seen(1), (json!(true), json!("12.34")));
    assert_eq!(seen(2), (json!(true), json!("12.34")), "the phone is the same person's");
    assert_eq!(seen(3), (json!(false), Value::Null), "and another is another");
    assert_eq!(seen(4).0, json!(false));
    let types: Vec<String> = hub.types().await.into_iter().filter(|t| t.starts_with("consent.")).collect();
    assert_eq!(types, ["consent.given", "consent.withdrawn"]);
    let told = &hub.events().await.into_iter().find(|e| e.event_type == "consent.given").unwrap();
    assert_eq!((told.connection.as_str(), &told.data["purpose"]), (LEDGER, &json!("analytics")));
    assert_eq!(told.data["evidence"]["text_version"], json!("v3"));
}

#[tokio::test]
async fn the_same_key_is_the_same_record_and_another_statement_under_it_is_refused() {
    let hub = Hub::build().start().await;
    let one = || statement(laura(), "marketing", "given", json!({ "channel": "email" }));
    let first = hub.engine.record_consent(one(), Some("k-1")).await.unwrap();
    let again = hub.engine.record_consent(one(), Some("k-1")).await.unwrap();
    assert!(again.repeated && again.record == first.record, "{again:?}");
    let other = statement(laura(), "marketing", "withdrawn", json!({ "channel": "email" }));
    let refused = hub.engine.record_consent(other, Some("k-1")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::OtherStatement), "{refused}");
    let known = hub.engine.consents_of("laura@correo.example").await.unwrap();
    assert_eq!(known.records.len(), 1);
    // Without a key each is a record of its own; none is ever changed.
    for state in ["withdrawn", "given"] {
        hub.engine.record_consent(statement(laura(), "marketing", state, json!({})), None).await.unwrap();
    }
    let known = hub.engine.consents_of("+573005550117").await.unwrap();
    assert_eq!(known.records.len(), 3, "the history stays");
    assert!(known.records.iter().any(|r| r.id == first.record.id && r.state == ConsentState::Given));
}

#[tokio::test]
async fn what_proves_nothing_is_refused_with_what_is_missing() {
    let hub = Hub::build().start().await;
    let given = |person: Value, purpose: &str, more: Value| statement(person, purpose, "given", more);
    let no_proof = json!({ "evidence": { "channel": "form" } });
    let future = json!({ "evidence": { "channel": "form", "text_version": "v3", "at": "2026-11-27T16:00:00Z" } });
    let address = json!({ "evidence": { "channel": "form", "text_version": "v3", "ip_hash": "203.0.113.9" } });
    for (wrong, words) in [
        (given(json!({}), "analytics", json!({})), "person: name an email"),
        (given(json!({ "email": "laura" }), "analytics", json!({})), "person.email"),
        (given(json!({ "phone": "3005550117" }), "analytics", json!({})), "person.phone"),
        (given(laura(), "publicidad", json!({})), "purpose is 'publicidad'; it must be one of sale"),
        (given(laura(), "marketing", json!({ "channel": "fax" })), "channel is 'fax'"),
        (given(laura(), "analytics", no_proof), "evidence.text_version is missing"),
        (given(laura(), "analytics", future), "evidence.at is in the future"),
        (given(laura(), "analytics", address), "never the address"),
        (given(laura(), "analytics", json!({ "analytics": { "ga_client_id": "laura" } })), "analytics.ga_client_id"),
    ] {
        let why = hub.engine.record_consent(wrong, None).await.unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    assert!(hub.deliveries(None).await.is_empty(), "nothing half done");
    // Taking back needs no proof.
    let bare = json!({ "evidence": {} });
    hub.engine.record_consent(statement(laura(), "analytics", "withdrawn", bare), None).await.unwrap();
}

#[tokio::test]
async fn nobody_is_named_in_the_file_and_the_door_stays_shut() {
    let hub = Hub::build().on(Place::Sqlite).flow(&on_paid(SEES)).start().await;
    hub.engine.record_consent(statement(laura(), "analytics", "given", json!({})), None).await.unwrap();
    hub.written().await;
    for bytes in hub.files() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["laura@correo", "573005550117", "Rinc"] {
            assert!(!text.contains(secret), "{secret} lies open in the database");
        }
    }
    assert!(!hub.engine.has_connection(LEDGER), "no webhook reaches the ledger");
    assert!(hub.engine.connections().iter().all(|c| c.name != LEDGER));
    // After a crash all of it is there.
    let hub = hub.crash().await;
    let known = hub.engine.consents_of("laura@correo.example").await.unwrap();
    assert!(known.consents.given("analytics", None));
    let filter = EventFilter { event_type: Some("consent.given".into()), limit: 10, ..EventFilter::default() };
    assert_eq!(hub.engine.store().events(filter).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_flow_may_begin_with_a_consent_and_sees_the_word_that_began_it() {
    let flow = "flow: gracias\nversion: 1\non: consent.given\nsteps:\n  - id: a\n    do: ventas.flujo\n    with: { marketing: \"{{ consent.marketing }}\", quien: \"{{ data.contact.email }}\" }\n";
    let hub = Hub::build().flow(flow).start().await;
    hub.engine.record_consent(statement(laura(), "marketing", "given", json!({})), None).await.unwrap();
    hub.comes_to("a", EffectState::Done).await;
    let call = hub.server.calls("/flujo")[0].json();
    assert_eq!((&call["marketing"], &call["quien"]), (&json!(true), &json!("laura@correo.example")));
}
