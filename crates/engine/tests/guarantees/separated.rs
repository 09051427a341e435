//! G10 for addresses that were taken for one person's and are two persons': what each said stays with it, no "no" is
//! lost, nobody is written to too often, and no order links them again.

use crate::cases::claims;
use crate::g10::{says, shown};
use crate::hub::Hub;
use pasarela_domain::case::{Ruling, Step};
use pasarela_engine::NewCase;
use pasarela_store::{EffectRow, EffectState};
use serde_json::{Value, json};

const ANA: &str = "ana@correo.example";
const PHONE: &str = "+573001234567";

/// Publicity by letter on a purchase, by phone on a refund.
async fn hub() -> Hub {
    let flow = |name: &str, on: &str, action: &str| {
        format!(
            "flow: {name}\nversion: 1\non: {on}\nsteps:\n  - id: {name}\n    do: {action}\n    class: marketing\n    with: {{ to: \"{{{{ data.to }}}}\", n: \"{{{{ data.n }}}}\" }}\n"
        )
    };
    let hub = Hub::build()
        .with_another()
        .flow(&flow("carta", "order.paid", "ventas.carta"))
        .flow(&flow("aviso", "order.refunded", "otra.aviso"))
        .start()
        .await;
    shown(&hub).await;
    hub
}

/// Writes to the mailbox or to the phone, for the time with this number, and sees what becomes of it.
async fn writes(hub: &Hub, path: &str, n: u32, state: EffectState) -> EffectRow {
    let (kind, to) = if path == "carta" { ("order.paid", ANA) } else { ("order.refunded", PHONE) };
    hub.hear([
        json!({ "type": kind, "key": format!("order:{n}"), "id": format!("{path}{n}"), "data": { "to": to, "n": n } }),
    ])
    .await;
    hub.calm().await;
    let rows = hub.effects().await;
    let row = rows.into_iter().filter(|r| r.path == path).max_by_key(|r| r.id).expect("it was decided");
    assert_eq!(row.state, state, "{path} {n}: {:?}", row.code);
    row
}

/// An order tells that the mailbox and the phone are its buyer's.
async fn bought(hub: &Hub, n: u32) {
    let buyer = json!({ "email": ANA, "phone": PHONE });
    hub.hear([json!({ "type": "order.updated", "key": format!("order:{n}"), "id": format!("o{n}"), "data": { "buyer": buyer } })])
        .await;
    hub.calm().await;
}

#[tokio::test]
async fn g10_two_persons_addresses_are_taken_apart_and_each_keeps_its_own_word_and_every_no() {
    let hub = hub().await;
    says(&hub, json!({ "email": ANA, "phone": PHONE }), "marketing", None, "given").await;
    hub.pass(60);
    // Said when they were one person's: for both.
    says(&hub, json!({ "email": ANA }), "marketing", None, "withdrawn").await;
    assert!(hub.engine.separate_people(None, Some(PHONE)).await.unwrap());
    assert!(!hub.engine.separate_people(None, Some(PHONE)).await.unwrap(), "nobody would stay");
    let row = writes(&hub, "aviso", 1, EffectState::Withheld).await;
    assert_eq!(row.code.as_deref(), Some("consent_withdrawn"), "a no is not lost by a split");
    hub.pass(60);
    says(&hub, json!({ "phone": PHONE }), "marketing", None, "given").await;
    writes(&hub, "aviso", 2, EffectState::Done).await;
    writes(&hub, "carta", 3, EffectState::Withheld).await;
    // Another person's word from now on.
    hub.pass(60);
    says(&hub, json!({ "email": ANA }), "marketing", None, "withdrawn").await;
    hub.pass(4 * 86_400);
    writes(&hub, "aviso", 4, EffectState::Done).await;
}

#[tokio::test]
async fn g10_contacts_of_before_count_for_both_of_two_who_were_one() {
    for leaves in [(Some(ANA), None), (None, Some(PHONE))] {
        let hub = hub().await;
        says(&hub, json!({ "email": ANA, "phone": PHONE }), "marketing", None, "given").await;
        writes(&hub, "carta", 1, EffectState::Done).await;
        assert!(hub.engine.separate_people(leaves.0, leaves.1).await.unwrap());
        let row = writes(&hub, "aviso", 2, EffectState::Deferred).await;
        assert_eq!(row.code.as_deref(), Some("one_channel_a_week"));
        let again = writes(&hub, "carta", 3, EffectState::Deferred).await;
        assert_eq!(again.code.as_deref(), Some("one_contact_a_day"));
        // From the next week on each has a count of their own.
        hub.pass(3 * 86_400);
        hub.comes_to("aviso", EffectState::Done).await;
        hub.calm().await;
        assert_eq!((hub.server.calls("/carta").len(), hub.server.calls("/aviso").len()), (2, 1));
    }
}

#[tokio::test]
async fn g10_what_was_taken_apart_no_order_and_no_form_links_again_and_a_person_does() {
    let hub = hub().await;
    bought(&hub, 1).await;
    assert!(hub.engine.separate_people(Some(ANA), None).await.unwrap(), "the order had linked them");
    bought(&hub, 2).await;
    says(&hub, json!({ "email": ANA, "phone": PHONE }), "marketing", None, "given").await;
    assert!(!hub.engine.separate_people(Some(ANA), None).await.unwrap(), "they are still two persons'");
    let hub = hub.crash().await;
    bought(&hub, 3).await;
    assert!(!hub.engine.separate_people(None, Some(PHONE)).await.unwrap(), "also after a restart");
    assert!(hub.engine.link_people(Some(ANA), Some(PHONE)).await.unwrap());
    assert!(!hub.engine.link_people(Some(ANA), Some(PHONE)).await.unwrap(), "that is known now");
    assert!(hub.engine.separate_people(Some(ANA), None).await.unwrap());
    // And once more, as if nothing had been: the word of before was taken back with the link.
    assert!(hub.engine.link_people(Some(ANA), Some(PHONE)).await.unwrap());
    hub.pass(60);
    says(&hub, json!({ "phone": PHONE }), "marketing", None, "withdrawn").await;
    writes(&hub, "carta", 4, EffectState::Withheld).await;
}

/// A complete reclamo of whoever has these addresses.
async fn claim(hub: &Hub, claimant: Value) -> String {
    let case: NewCase = serde_json::from_value(json!({
        "kind": "reclamo", "facts": "La fecha de nacimiento está errada.", "request": "Corregir la fecha.",
        "claimant": claimant, "intake": "paper", "received_at": hub.now().to_string(),
    }))
    .unwrap();
    let number = hub.engine.open_case(case, "mesa", None).await.unwrap().0.case.number;
    hub.engine.step_case(&number, Step::Complete { reason: "fecha".into() }, "mesa").await.unwrap();
    format!("{number}: fecha")
}

#[tokio::test]
async fn g10_the_label_of_a_claim_stays_with_who_made_it_until_it_is_decided() {
    let hub = hub().await;
    bought(&hub, 1).await;
    let ana = claim(&hub, json!({ "name": "Ana Ríos", "document": "52.000.111", "email": ANA })).await;
    let luz = claim(&hub, json!({ "name": "Luz Soto", "document": "52.000.222", "phone": PHONE })).await;
    let labels = async || [claims(&hub, "email", ANA).await, claims(&hub, "phone", PHONE).await];
    assert_eq!(
        labels().await,
        [[ana.clone(), luz.clone()], [ana.clone(), luz.clone()]],
        "one person's, for all that is known"
    );
    assert!(hub.engine.separate_people(None, Some(PHONE)).await.unwrap());
    assert_eq!(labels().await, [[ana.clone()], [luz.clone()]]);
    for (claim, left) in [(&ana, 1), (&luz, 0)] {
        let number = claim.split(':').next().unwrap();
        let step = Step::Decide { ruling: Ruling::Granted, reason: String::new() };
        hub.engine.step_case(number, step, "mesa").await.unwrap();
        assert_eq!(labels().await.concat().len(), left, "and is nowhere left behind");
    }
}
