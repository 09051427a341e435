//! The ledger of consent: kept before it is answered, once for a key, sealed, and seen by flows whichever
//! connection told the event.

use crate::hub::{Hub, Place, on_paid};
use pasarela_domain::consent::{ConsentState, Denied, TextKind};
use pasarela_engine::{LEDGER, LedgerError, NewText, RowState, Statement};
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
        (statement(laura(), "privacy", "withdrawn", json!({})), "'privacy' is neither given nor withdrawn"),
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
    hub.engine.add_text(consent_text("v3", &["marketing"])).await.unwrap();
    hub.engine.record_consent(statement(laura(), "marketing", "given", traced()), None).await.unwrap();
    hub.comes_to("a", EffectState::Done).await;
    let call = hub.server.calls("/flujo")[0].json();
    assert_eq!((&call["marketing"], &call["quien"]), (&json!(true), &json!("laura@correo.example")));
}

/// A text of consent that is in force since 2026 began.
pub(crate) fn consent_text(version: &str, purposes: &[&str]) -> NewText {
    NewText {
        kind: TextKind::Consent,
        name: None,
        version: version.into(),
        locale: "es-CO".into(),
        text: format!("Autorizo a Fashionistas S.A.S. ({version})."),
        purposes: purposes.iter().map(|p| (*p).to_owned()).collect(),
        channels: Vec::new(),
        reopens: Vec::new(),
        notice: None,
        in_force_from: Some("2026-01-01T05:00:00Z".parse().unwrap()),
    }
}

/// Evidence with a trace of the act.
fn traced() -> Value {
    json!({ "evidence": { "channel": "checkout", "text_version": "v3", "at": "2026-11-27T14:00:00Z", "ip_hash": "9f2c" } })
}

async fn allows(hub: &Hub, person: &str, purpose: &str, channel: Option<&str>) -> Option<Denied> {
    let known = hub.engine.consents_of(person).await.unwrap();
    known.consents.denied(purpose, channel, &known.terms, hub.now())
}

#[tokio::test]
async fn a_text_is_never_changed_and_what_names_another_is_no_evidence() {
    let hub = Hub::build().start().await;
    let before = hub.engine.record_consent(statement(laura(), "marketing", "given", traced()), None).await.unwrap();
    assert_eq!(before.denied, Some(Denied::Unproven), "as before it is kept, but it counts for no advertising");
    let (text, added) = hub.engine.add_text(consent_text("v3", &["marketing"])).await.unwrap();
    assert!(added && text.sha256.len() == 64);
    let (_, again) = hub.engine.add_text(consent_text("v3", &["marketing"])).await.unwrap();
    assert!(!again, "the same is the same");
    let mut other = consent_text("v3", &["marketing"]);
    other.text = "Otra cosa.".into();
    let why = hub.engine.add_text(other).await.unwrap_err().to_string();
    assert!(why.contains("never changed"), "{why}");
    let with = |evidence: Value| {
        let mut all =
            json!({ "channel": "checkout", "text_version": "v3", "at": "2026-11-27T14:05:00Z", "ip_hash": "9f2c" });
        all.as_object_mut().unwrap().extend(evidence.as_object().unwrap().clone());
        statement(laura(), "marketing", "given", json!({ "evidence": all }))
    };
    for (evidence, words) in [
        (json!({ "text_version": "v4" }), "no consent of that version is known"),
        (json!({ "text_sha256": "0".repeat(64) }), "another text than the one that is kept"),
        (json!({ "at": "2025-12-31T10:00:00Z" }), "in force from"),
    ] {
        let why = hub.engine.record_consent(with(evidence), None).await.unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
    let proven = hub.engine.record_consent(with(json!({})), Some("k")).await.unwrap();
    assert_eq!(proven.denied, None);
    assert_eq!(proven.record.evidence.text_sha256.as_deref(), Some(text.sha256.as_str()), "the hash is kept with it");
    let mut next = consent_text("v4", &["marketing", "profiling"]);
    next.in_force_from = Some(hub.now());
    next.reopens = vec!["marketing".into()];
    hub.engine.add_text(next).await.unwrap();
    assert_eq!(allows(&hub, "laura@correo.example", "marketing", None).await, Some(Denied::Reopened));
    let repeated = hub.engine.record_consent(with(json!({})), Some("k")).await.unwrap();
    assert!(repeated.repeated, "a request of before is answered as it was");
    // After a crash all of it is there.
    let hub = hub.crash().await;
    assert_eq!(hub.engine.texts().await.unwrap().all().len(), 2);
}

#[tokio::test]
async fn a_minor_counts_for_what_a_guardian_allows_and_never_for_advertising() {
    let hub = Hub::build().start().await;
    hub.engine.add_text(consent_text("v3", &["marketing", "event_operation", "guardianship"])).await.unwrap();
    let child = json!({ "email": "sara@correo.example", "birth_date": "2012-05-01" });
    let given = |purpose: &str, guardian: Option<&str>| {
        let mut more = traced();
        if let Some(record) = guardian {
            more["guardian"] = json!({ "name": "Laura Rincón Ávila", "document": "CC 52100200", "relationship": "madre", "consent": record });
        }
        statement(child.clone(), purpose, "given", more)
    };
    let alone = hub.engine.record_consent(given("event_operation", None), None).await.unwrap();
    assert_eq!(alone.denied, Some(Denied::NoGuardian));
    let why = hub.engine.record_consent(given("event_operation", Some("cns_1")), None).await.unwrap_err().to_string();
    assert!(why.contains("record the guardian's own consent first"), "{why}");
    let mother = hub.engine.record_consent(statement(laura(), "guardianship", "given", traced()), None).await.unwrap();
    let guarded = hub.engine.record_consent(given("event_operation", Some(&mother.record.id)), None).await.unwrap();
    assert_eq!(guarded.denied, None);
    let adverts = hub.engine.record_consent(given("marketing", Some(&mother.record.id)), None).await.unwrap();
    assert_eq!(adverts.denied, Some(Denied::Minor), "recorded, and it counts for nothing");
}

#[tokio::test]
async fn who_answers_baja_is_advertised_to_nowhere_from_the_event_on() {
    let flow = "flow: sello\nversion: 1\non: consent.withdrawn\nwhen: \"{{ data.purpose == 'marketing' }}\"\nsteps:\n  - id: a\n    do: ventas.flujo\n    with: { source: \"{{ data.evidence.channel }}\", reply: \"{{ data.evidence.message_id }}\", marketing: \"{{ consent.marketing }}\" }\n";
    let hub = Hub::build().flow(flow).start().await;
    hub.engine.add_text(consent_text("v3", &["marketing", "ads", "sale"])).await.unwrap();
    for purpose in ["marketing", "ads", "sale"] {
        // Half an hour from now, by a clock that is wrong: it gives no yes that outlasts what follows.
        let mut ahead = traced();
        ahead["evidence"]["at"] = json!(hub.now() + std::time::Duration::from_secs(240));
        hub.engine.record_consent(statement(laura(), purpose, "given", ahead), None).await.unwrap();
        assert_eq!(allows(&hub, "laura@correo.example", purpose, Some("email")).await, None);
    }
    let says = |id: &str, text: &str| {
        json!({ "type": "message.received", "key": "person:573005550117", "id": id, "data": {
            "id": id, "channel": "whatsapp", "contact": { "phone": "+573005550117" }, "text": text } })
    };
    hub.hear([says("m0", "¿a qué hora baja el telón?")]).await;
    hub.decided().await;
    assert_eq!(allows(&hub, "+573005550117", "marketing", None).await, None, "a question is no wish");
    // Two wishes in one body, told twice.
    for _ in 0..2 {
        hub.hear([says("m1", "No más!"), says("m2", "BAJA")]).await;
        hub.decided().await;
    }
    for channel in [None, Some("email"), Some("whatsapp")] {
        assert_eq!(allows(&hub, "+573005550117", "marketing", channel).await, Some(Denied::Withdrawn));
        assert_eq!(allows(&hub, "+573005550117", "ads", channel).await, Some(Denied::Withdrawn));
    }
    assert_eq!(allows(&hub, "+573005550117", "sale", None).await, None, "tickets and notices go on");
    hub.calm().await;
    let mut replies: Vec<String> =
        hub.server.calls("/flujo").iter().map(|c| c.json()["reply"].as_str().unwrap().to_owned()).collect();
    replies.sort();
    assert_eq!(replies, ["m1", "m2"], "each message is answered once");
    assert!(hub.server.calls("/flujo").iter().all(|c| c.json()["marketing"] == json!(false)));
    let heard = hub.events().await.into_iter().filter(|e| e.event_type == "consent.withdrawn").count();
    assert_eq!(heard, 4, "two purposes for each wish");
}

#[tokio::test]
async fn a_yes_that_is_told_with_its_proof_counts_and_one_without_is_no_record() {
    let hub = Hub::build().start().await;
    hub.engine.add_text(consent_text("v3", &["marketing", "analytics"])).await.unwrap();
    let says = |id: &str, kind: &str, evidence: Value| {
        json!({ "type": kind, "key": "order:1", "id": id, "data": {
            "contact": { "name": "Laura Rincón", "first_name": "Laura", "last_name": "Rincón", "email": "laura@correo.example", "phone": null },
            "channel": "all", "purpose": "marketing", "evidence": evidence } })
    };
    let proof = |at: Value| json!({ "channel": "checkout", "text_version": "v3", "reference": "order O-1, answer 5", "at": at });
    let marketing = || allows(&hub, "laura@correo.example", "marketing", Some("email"));
    let now = json!(hub.now());
    for (id, evidence) in [
        ("1", Value::Null),
        ("2", json!({ "channel": "checkout", "reference": "order O-1, answer 5" })),
        ("3", json!({ "channel": "checkout", "text_version": "v3" })),
        ("4", json!({ "channel": "checkout", "text_version": "v9", "reference": "order O-1, answer 5" })),
        // The text was not in force yet: nobody can have seen it.
        ("5", proof(json!("2020-01-01T00:00:00Z"))),
    ] {
        hub.hear([says(id, "consent.given", evidence)]).await;
        hub.decided().await;
        assert_eq!(marketing().await, Some(Denied::Absent), "{id}");
    }
    // Told three times, it is one record.
    for _ in 0..3 {
        hub.hear([says("6", "consent.given", proof(now.clone()))]).await;
        hub.decided().await;
    }
    assert_eq!(marketing().await, None);
    let known = hub.engine.consents_of("laura@correo.example").await.unwrap();
    assert_eq!(known.records.len(), 1);
    let record = &known.records[0];
    assert!(record.proof.complete && record.evidence.text_sha256.is_some(), "{record:?}");
    assert_eq!(record.evidence.reference.as_deref(), Some("order O-1, answer 5"));

    hub.hear([says("7", "consent.withdrawn", Value::Null)]).await;
    hub.decided().await;
    assert_eq!(marketing().await, Some(Denied::Withdrawn));
    // The same old yes, found again by another way, does not outlast the withdrawal.
    hub.hear([says("8", "consent.given", proof(now))]).await;
    hub.decided().await;
    assert_eq!(marketing().await, Some(Denied::Withdrawn));
}

#[tokio::test]
async fn a_withdrawal_is_written_with_the_event_that_says_it_or_not_at_all() {
    let hub = Hub::build().start().await;
    let says = |id: String| json!({ "type": "email.unsubscribed", "key": format!("mail:{id}"), "id": id, "data": { "email": "laura@correo.example", "message_id": id, "permanent": false } });
    for n in 0..20 {
        hub.hear([says(format!("m{n}"))]).await;
    }
    // Killed while they are decided.
    let hub = hub.crash().await;
    hub.decided().await;
    let types = hub.types().await;
    let of = |kind: &str| types.iter().filter(|t| *t == kind).count();
    assert_eq!((of("email.unsubscribed"), of("consent.withdrawn")), (20, 40));
    let known = hub.engine.consents_of("laura@correo.example").await.unwrap();
    assert_eq!(known.records.len(), 40);
}

#[tokio::test]
async fn a_list_is_taken_in_row_by_row_and_sent_again_changes_nothing() {
    let hub = Hub::build().start().await;
    hub.engine.add_text(consent_text("v3", &["marketing"])).await.unwrap();
    let row = |n: u64, purpose: &str, evidence: Value, more: Value| {
        let mut told = json!({ "person": { "email": format!("ana{n}@correo.example") }, "purpose": purpose, "state": "given", "evidence": evidence });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (n, told)
    };
    let proof =
        json!({ "channel": "import", "text_version": "v3", "at": "2026-03-01T15:00:00Z", "reference": "hoja 7" });
    let bare = json!({ "channel": "import", "at": "2026-03-01T15:00:00Z" });
    let rows = vec![
        row(2, "marketing", proof.clone(), json!({})),
        row(3, "marketing", bare.clone(), json!({})),
        row(
            4,
            "marketing",
            json!({ "channel": "import", "text_version": "v3", "at": "2026-03-01T15:00:00Z" }),
            json!({}),
        ),
        row(5, "sale", bare, json!({})),
        row(
            6,
            "sale",
            json!({ "channel": "import", "reference": "pedido 88", "at": "2026-03-01T15:00:00Z" }),
            json!({ "legal_basis": "contract" }),
        ),
        row(
            7,
            "marketing",
            json!({ "channel": "import", "reference": "pedido 88", "at": "2026-03-01T15:00:00Z" }),
            json!({ "legal_basis": "contract" }),
        ),
        row(8, "marketing", json!({ "channel": "import", "text_version": "v3", "reference": "hoja 7" }), json!({})),
        row(9, "marketing", proof, json!({ "cedula": "1" })),
    ];
    let report = hub.engine.import_consents(rows.clone()).await.unwrap();
    let states: Vec<(u64, RowState)> = report.rows.iter().map(|r| (r.line, r.state)).collect();
    let refused = RowState::Refused;
    let wanted = [
        (2, RowState::Accepted),
        (3, refused),
        (4, refused),
        (5, refused),
        (6, RowState::Accepted),
        (7, refused),
        (8, refused),
        (9, refused),
    ];
    assert_eq!(states, wanted, "{report:#?}");
    for (line, words) in
        [(4, "a trace of the act itself"), (8, "when did the person say so"), (9, "unknown field `cedula`")]
    {
        let why = report.rows.iter().find(|r| r.line == line).unwrap().why.clone().unwrap();
        assert!(why.contains(words), "{why}");
    }
    let again = hub.engine.import_consents(rows).await.unwrap();
    assert_eq!((again.accepted, again.known, again.refused), (0, 2, 6));
    assert_eq!(hub.engine.consents_of("ana2@correo.example").await.unwrap().records.len(), 1);
    assert_eq!(allows(&hub, "ana2@correo.example", "marketing", Some("email")).await, None);
}
