//! The registry of people who want no advertising: asked before it is needed, each night, and when a message waits;
//! and what waits when it cannot be asked.

use crate::g10::shown;
use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use jiff::{SignedDuration, Timestamp};
use pasarela_engine::{Law, ListedAddress, Registry, RegistryList, Statement};
use pasarela_store::EffectState;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const FLOW: &str = "  - id: a\n    do: ventas.aviso\n    class: marketing\n    purpose: marketing\n    with: { to: \"{{ data.to }}\", kind: publicidad }\n  - id: b\n    do: ventas.aviso\n    class: transactional_urgent\n    purpose: sale\n    with: { to: \"{{ data.to }}\", kind: boleta }\n";
const ANA: &str = "+573001234567";
const LUIS: &str = "+573105550101";
const MADRID: &str = "+34600111222";

/// Two connections, of which the first by name asks: a registry that is down must not hold back what is sent.
async fn hub(registry: Registry, answer: Reply) -> Hub {
    let law = Law { registry, ..Law::default() };
    let build = Hub::build().law(law).with_another().flow(&on_paid(FLOW));
    let hub = build.start().await;
    hub.server.always("/registro", answer);
    shown(&hub).await;
    hub
}

fn none_registered() -> Reply {
    Reply::ok(json!({ "registered": [] }))
}

async fn allows(hub: &Hub, phone: &str) {
    let text = json!({
        "person": { "phone": phone }, "purpose": "marketing", "state": "given", "channel": "whatsapp",
        "evidence": { "channel": "form", "text_version": "v1", "ip_hash": "9f2c", "at": hub.now().to_string() },
    });
    let statement: Statement = serde_json::from_value(text).unwrap();
    assert!(hub.engine.record_consent(statement, None).await.unwrap().decided);
}

/// Phones of each question, in the order of the questions.
fn questions(hub: &Hub) -> Vec<BTreeSet<String>> {
    let phones = |body: Value| -> BTreeSet<String> {
        body["phones"].as_array().into_iter().flatten().filter_map(|k| k.as_str().map(str::to_owned)).collect()
    };
    hub.server.calls("/registro").iter().map(|call| phones(call.json())).collect()
}

/// To whom something was sent.
fn sent(hub: &Hub, kind: &str) -> Vec<String> {
    let calls = hub.server.calls("/aviso");
    let bodies = calls.iter().map(|c| c.json()).filter(|b| b["kind"] == json!(kind));
    bodies.filter_map(|b| b["to"].as_str().map(str::to_owned)).collect()
}

/// Lets time pass until every message has ended.
async fn all_end(hub: &Hub, most: SignedDuration) {
    let end = hub.now() + most;
    hub.until("every message to end", async || {
        let effects = hub.effects().await;
        let open = effects.iter().any(|e| !matches!(e.state, EffectState::Done | EffectState::Withheld));
        if open && hub.now() < end {
            hub.pass(60);
        }
        (!open).then_some(())
    })
    .await;
}

fn pass_to(hub: &Hub, moment: &str) {
    let moment: Timestamp = moment.parse().unwrap();
    hub.pass(moment.duration_since(hub.now()).as_secs());
}

#[tokio::test]
async fn g10_the_registry_is_asked_before_it_is_needed_and_each_night_and_its_no_counts() {
    let no = Reply::ok(json!({ "registered": [{ "key": LUIS, "refused": ["sms", "app"] }] }));
    let hub = hub(Registry::Required, no).await;
    for phone in [ANA, LUIS, MADRID] {
        allows(&hub, phone).await;
    }
    let both = BTreeSet::from([ANA.to_owned(), LUIS.to_owned()]);
    hub.until("both to be asked for", async || {
        let all: BTreeSet<String> = questions(&hub).into_iter().flatten().collect();
        (all == both).then_some(())
    })
    .await;
    for (n, to) in [ANA, LUIS].into_iter().enumerate() {
        hub.paid(&n.to_string(), json!({ "to": to })).await;
    }
    all_end(&hub, SignedDuration::from_hours(2)).await;
    assert_eq!(sent(&hub, "publicidad"), [ANA]);
    assert_eq!(sent(&hub, "boleta").len(), 2, "what was bought is no advertising");
    let withheld: Vec<_> = hub.effects().await.into_iter().filter(|e| e.state == EffectState::Withheld).collect();
    assert_eq!(withheld[0].code.as_deref(), Some("registry_no"));

    // The night: everybody in one question, and nobody abroad. By day nothing more has to be asked.
    let before = questions(&hub).len();
    pass_to(&hub, "2026-11-28T03:10:00-05:00");
    hub.calm().await;
    assert_eq!(questions(&hub).len(), before, "its new day has hardly begun");
    pass_to(&hub, "2026-11-28T03:16:00-05:00");
    hub.until("the night's question", async || (questions(&hub).len() > before).then_some(())).await;
    assert_eq!(questions(&hub)[before..], [both]);
    pass_to(&hub, "2026-11-28T09:00:00-05:00");
    hub.paid("2", json!({ "to": ANA })).await;
    all_end(&hub, SignedDuration::from_hours(2)).await;
    assert_eq!(sent(&hub, "publicidad"), [ANA, ANA]);
    assert_eq!(questions(&hub).len(), before + 1);
}

#[tokio::test]
async fn g10_while_the_registry_is_down_advertising_waits_and_the_rest_goes() {
    let hub = hub(Registry::Required, Reply::status(503)).await;
    allows(&hub, ANA).await;
    hub.paid("1", json!({ "to": ANA })).await;
    let row = hub.comes_to("a", EffectState::Deferred).await;
    assert_eq!(row.code.as_deref(), Some("registry_stale"));
    hub.comes_to("b", EffectState::Done).await;
    assert!(hub.engine.registry().waits_since.is_some(), "an alarm rings of it");
    hub.until("the question to be given up", async || {
        hub.pass(30);
        hub.engine.registry().problem
    })
    .await;
    // Something answers, and it is not the registry.
    hub.server.always("/registro", Reply::ok(json!({ "ok": true })));
    hub.until("an answer that is none", async || {
        hub.pass(60);
        hub.engine.registry().problem.filter(|p| p.contains("without what was asked for"))
    })
    .await;
    assert!(sent(&hub, "publicidad").is_empty());
    hub.server.always("/registro", none_registered());
    all_end(&hub, SignedDuration::from_hours(4)).await;
    assert_eq!(sent(&hub, "publicidad"), [ANA]);
    let view = hub.engine.registry();
    assert_eq!((view.waits_since, view.problem), (None, None));
}

#[tokio::test]
async fn g10_a_list_that_was_consulted_by_hand_answers_until_the_next_day_of_the_registry() {
    let hub = hub(Registry::Required, Reply::status(401)).await;
    allows(&hub, ANA).await;
    allows(&hub, LUIS).await;
    let list = |hours: i64, refused: &[&str]| RegistryList {
        consulted_at: hub.now() - SignedDuration::from_hours(hours),
        sha256: "ab".repeat(32),
        by: "operaciones".into(),
        rows: [(ANA, &[][..]), (LUIS, refused)]
            .map(|(key, refused)| ListedAddress {
                key: key.into(),
                refused: refused.iter().map(|w| (*w).to_owned()).collect(),
            })
            .into(),
    };
    let old = hub.engine.import_registry(list(25, &[])).await.unwrap_err();
    assert!(old.to_string().contains("24 hours"), "{old}");
    assert!(hub.engine.import_registry(list(-1, &[])).await.is_err(), "consulted in the future");
    assert!(hub.engine.import_registry(list(1, &["paloma"])).await.is_err());
    assert_eq!(hub.engine.import_registry(list(1, &["app"])).await.unwrap(), 2);
    let kept = hub.engine.store().record("registry_list", &"ab".repeat(32)).await.unwrap().unwrap();
    let kept: Value = serde_json::from_slice(&kept.data).unwrap();
    assert_eq!((&kept["by"], &kept["rows"]), (&json!("operaciones"), &json!(2)));
    for (n, to) in [ANA, LUIS].into_iter().enumerate() {
        hub.paid(&n.to_string(), json!({ "to": to })).await;
    }
    all_end(&hub, SignedDuration::from_mins(10)).await;
    assert_eq!(sent(&hub, "publicidad"), [ANA]);
    // The next day it is too old.
    pass_to(&hub, "2026-11-28T09:00:00-05:00");
    hub.paid("3", json!({ "to": ANA })).await;
    hub.until("it to wait", async || hub.effects().await.into_iter().find(|e| e.state == EffectState::Deferred)).await;
}

#[tokio::test]
async fn g10_who_switches_the_registry_off_leaves_a_record_and_nobody_is_asked() {
    let hub = hub(Registry::Off, none_registered()).await;
    allows(&hub, ANA).await;
    hub.paid("1", json!({ "to": ANA })).await;
    all_end(&hub, SignedDuration::from_mins(10)).await;
    assert_eq!(sent(&hub, "publicidad"), [ANA]);
    assert!(questions(&hub).is_empty());
    let row =
        hub.until("the record", async || hub.engine.store().record("market_switch", "registry").await.unwrap()).await;
    let kept: Value = serde_json::from_slice(&row.data).unwrap();
    assert_eq!((&kept["state"], kept["history"].as_array().map(Vec::len)), (&json!("off"), Some(1)));
}
