//! G10 Lawful: what may be sent is decided when it is sent, again at each deferral, and two deciders never both
//! find what only one of them may find.

use crate::hub::{Hub, Place, on_paid};
use crate::server::Reply;
use pasarela_engine::{Explanation, Law, Registry, Statement};
use pasarela_store::{EffectState, SuppressionCause, SuppressionRow, TimerKind};
use serde_json::{Value, json};

/// A message with the class and purpose of the event's data.
const WRITES: &str = "  - id: a\n    do: ventas.ACTION\n    class: CLASS\n    purpose: PURPOSE\n    with: { to: \"{{ data.to }}\" }\n    otherwise:\n      - id: b\n        do: ventas.flujo\n        with: { n: 1 }\n";

fn writes(action: &str, class: &str, purpose: &str) -> String {
    on_paid(&WRITES.replace("ACTION", action).replace("CLASS", class).replace("PURPOSE", purpose))
}

/// Publicity by e-mail.
fn publicity() -> String {
    writes("carta", "marketing", "marketing")
}

const ANA: &str = "ana@correo.example";

/// A person saw this text.
pub(crate) async fn shown(hub: &Hub) {
    let text = crate::consents::consent_text("v1", &["marketing", "profiling", "sale"]);
    hub.engine.add_text(text).await.unwrap();
}

pub(crate) async fn says(hub: &Hub, person: Value, purpose: &str, channel: Option<&str>, state: &str) {
    let text = json!({
        "person": person, "purpose": purpose, "state": state, "channel": channel,
        "evidence": { "channel": "form", "text_version": "v1", "ip_hash": "9f2c", "at": hub.now().to_string() },
    });
    let statement: Statement = serde_json::from_value(text).unwrap();
    assert!(hub.engine.record_consent(statement, None).await.unwrap().decided);
}

async fn allows(hub: &Hub, email: &str) {
    shown(hub).await;
    says(hub, json!({ "email": email }), "marketing", None, "given").await;
}

/// The only message, explained.
async fn explained(hub: &Hub, path: &str) -> Explanation {
    let row = hub.effect(path).await.unwrap();
    hub.engine.explain_message(row.id).await.unwrap().unwrap()
}

fn last_rule(explanation: &Explanation) -> Option<&str> {
    explanation.decisions.last().and_then(|d| d.rule.as_deref())
}

#[tokio::test]
async fn g10_publicity_needs_a_yes_and_a_refusal_names_its_rule() {
    let hub = Hub::build().flow(&publicity()).start().await;
    hub.paid("1", json!({ "to": ANA })).await;
    let row = hub.comes_to("a", EffectState::Withheld).await;
    assert_eq!(row.code.as_deref(), Some("no_consent"));
    hub.calm().await;
    assert!(hub.server.calls("/carta").is_empty());
    assert_eq!(hub.effects().await.len(), 1, "nothing stands in for what the law refuses");
    let why = explained(&hub, "a").await;
    let decision = &why.decisions[0];
    assert_eq!((decision.verdict.as_str(), last_rule(&why)), ("refuse", Some("no_consent")));
    assert!(decision.article.as_deref().is_some_and(|a| a.contains("Ley 1581")));
    assert_eq!(decision.message["class"], json!("marketing"));
    assert!(decision.message["tables"].as_str().is_some_and(|t| !t.is_empty()), "the tables it was decided with");
    let consent = decision.checks.iter().find(|c| c["check"] == "consent").unwrap();
    assert_eq!(consent["given"], json!(false));
}

#[tokio::test]
async fn g10_an_opt_out_counts_for_what_already_waits() {
    let hub = Hub::build().flow(&publicity()).start().await;
    allows(&hub, ANA).await;
    // Friday, 20:00 in Bogota: it waits for Saturday, 8:00.
    hub.pass(10 * 3600);
    hub.paid("1", json!({ "to": ANA })).await;
    let row = hub.comes_to("a", EffectState::Deferred).await;
    assert_eq!(row.not_before.unwrap().to_string(), "2026-11-28T13:00:00Z");
    assert_eq!(row.code.as_deref(), Some("contact_hours"));
    says(&hub, json!({ "email": ANA }), "marketing", None, "withdrawn").await;
    hub.pass(13 * 3600);
    let row = hub.comes_to("a", EffectState::Withheld).await;
    assert_eq!(row.code.as_deref(), Some("consent_withdrawn"));
    hub.calm().await;
    assert!(hub.server.calls("/carta").is_empty());
    let why = explained(&hub, "a").await;
    let verdicts: Vec<&str> = why.decisions.iter().map(|d| d.verdict.as_str()).collect();
    assert_eq!(verdicts, ["defer", "refuse"], "decided again, in full");
}

#[tokio::test]
async fn g10_a_deferred_message_holds_back_nothing_and_goes_when_its_hour_comes() {
    let ticket = "flow: boleta\nversion: 1\non: order.refunded\nsteps:\n  - id: boleta\n    do: ventas.carta\n    class: transactional_urgent\n    with: { to: \"{{ data.to }}\" }\n";
    let hub = Hub::build().flow(&publicity()).flow(ticket).start().await;
    allows(&hub, ANA).await;
    hub.pass(10 * 3600);
    hub.paid("1", json!({ "to": ANA })).await;
    hub.comes_to("a", EffectState::Deferred).await;
    // The same lane: a ticket to the same address does not wait for it.
    hub.hear([json!({ "type": "order.refunded", "key": "order:1", "id": "r1", "data": { "to": ANA } })]).await;
    hub.comes_to("boleta", EffectState::Done).await;
    assert_eq!(hub.effect("a").await.unwrap().state, EffectState::Deferred);
    hub.pass(12 * 3600 - 1);
    hub.calm().await;
    assert_eq!(hub.server.calls("/carta").len(), 1, "one second early");
    hub.pass(1);
    let row = hub.comes_to("a", EffectState::Done).await;
    let ticket = hub.effect("boleta").await.unwrap();
    assert!(row.seq > ticket.seq, "it took a new place when it entered again");
    hub.arrived("/carta", 2).await;
}

#[tokio::test]
async fn g10_deferred_messages_outlive_a_crash_and_a_forgotten_timer() {
    let hub = Hub::build().flow(&publicity()).start().await;
    allows(&hub, ANA).await;
    hub.pass(10 * 3600);
    hub.paid("1", json!({ "to": ANA })).await;
    hub.comes_to("a", EffectState::Deferred).await;
    // A previous version of the hub does not know such timers, and lets them go.
    let timers = hub.engine.store().timers(jiff::Timestamp::MAX, 10).await.unwrap();
    let of = timers.iter().find(|t| t.kind == TimerKind::Defer).unwrap();
    let fired = vec![(of.due, of.id)];
    hub.engine.store().work(pasarela_store::Work { fired, ..Default::default() }).await.unwrap();
    hub.pass(13 * 3600);
    let hub = hub.crash().await;
    hub.comes_to("a", EffectState::Done).await;
    hub.arrived("/carta", 1).await;
}

#[tokio::test]
async fn g10_one_contact_a_day_over_all_connections_and_addresses_of_a_person() {
    let two = "  - id: a\n    do: ventas.carta\n    class: marketing\n    with: { to: \"{{ data.mail }}\" }\n  - id: b\n    do: otra.aviso\n    class: marketing\n    with: { to: \"{{ data.phone }}\" }\n";
    let hub = Hub::build().with_another().flow(&on_paid(two)).start().await;
    let person = json!({ "email": ANA, "phone": "+573001234567" });
    shown(&hub).await;
    says(&hub, person, "marketing", None, "given").await;
    hub.paid("1", json!({ "mail": ANA, "phone": "+573001234567" })).await;
    hub.calm().await;
    let sent = hub.server.calls("/carta").len() + hub.server.calls("/aviso").len();
    assert_eq!(sent, 1, "one of the two went out");
    let rows = hub.effects().await;
    let deferred = rows.iter().find(|r| r.state == EffectState::Deferred).expect("and the other waits");
    // Another channel in the same week waits for Monday, 7:00.
    assert_eq!(deferred.not_before.unwrap().to_string(), "2026-11-30T12:00:00Z");
    assert_eq!(deferred.code.as_deref(), Some("one_channel_a_week"));
    hub.pass(3 * 86_400);
    let path = deferred.path.clone();
    hub.comes_to(&path, EffectState::Done).await;
}

/// Two connections of one sender, each with a hub of its own: both decide at the same moment about the same people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g10_two_hubs_never_both_find_that_nobody_wrote_today() {
    let Some(place) = Place::postgres() else {
        // There is no server; scripts/postgres brings one.
        return;
    };
    let two = "  - id: a\n    do: ventas.carta\n    class: marketing\n    with: { to: \"{{ data.mail }}\" }\n  - id: b\n    do: otra.aviso\n    class: marketing\n    with: { to: \"{{ data.phone }}\" }\n";
    let first = Hub::build().with_another().flow(&on_paid(two)).on(place).start().await;
    shown(&first).await;
    let people: Vec<(String, String)> =
        (0..16).map(|n| (format!("ana{n}@correo.example"), format!("+5730012345{n:02}"))).collect();
    for (mail, phone) in &people {
        says(&first, json!({ "email": mail, "phone": phone }), "marketing", None, "given").await;
    }
    let second = first.beside().await;
    let owned = |hub: &Hub| {
        let all = hub.engine.connections();
        all.iter().filter(|c| ["ventas", "otra"].contains(&c.name.as_str()) && c.node.is_none()).count()
    };
    first.until("each hub to have one", async || (owned(&first) == 1 && owned(&second) == 1).then_some(())).await;
    for (n, (mail, phone)) in people.iter().enumerate() {
        let hub = if n % 2 == 0 { &first } else { &second };
        hub.paid(&n.to_string(), json!({ "mail": mail, "phone": phone })).await;
    }
    first
        .until("every message to be decided", async || {
            let rows = first.effects().await;
            let decided = rows.iter().filter(|r| matches!(r.state, EffectState::Done | EffectState::Deferred)).count();
            (decided == 2 * people.len()).then_some(())
        })
        .await;
    let calls: Vec<Value> =
        ["/carta", "/aviso"].into_iter().flat_map(|way| first.server.calls(way)).map(|c| c.json()).collect();
    for (mail, phone) in &people {
        let sent = calls.iter().filter(|c| c["to"] == json!(mail) || c["to"] == json!(phone)).count();
        assert_eq!(sent, 1, "{mail} was written to {sent} times on one day");
    }
}

#[tokio::test]
async fn g10_what_was_refused_by_the_provider_was_no_contact() {
    let hub = Hub::build().flow(&publicity()).start().await;
    allows(&hub, ANA).await;
    hub.server.script("/carta", [Reply::ok(json!({ "outcome": "give_up" }))]);
    hub.paid("1", json!({ "to": ANA })).await;
    hub.until("it to be given up", async || {
        hub.effects().await.into_iter().find(|e| e.path == "a" && e.state == EffectState::GaveUp)
    })
    .await;
    hub.paid("2", json!({ "to": ANA })).await;
    hub.arrived("/carta", 2).await;
    hub.paid("3", json!({ "to": ANA })).await;
    hub.until("the third to wait", async || hub.effects().await.into_iter().find(|e| e.state == EffectState::Deferred))
        .await;
    assert_eq!(hub.server.calls("/carta").len(), 2, "the second was one");
}

#[tokio::test]
async fn g10_what_the_sale_needs_goes_out_at_any_hour_unless_it_is_taken_back() {
    let hub = Hub::build().flow(&writes("carta", "transactional_urgent", "sale")).start().await;
    hub.pass(12 * 3600);
    hub.paid("1", json!({ "to": ANA })).await;
    hub.arrived("/carta", 1).await;
    says(&hub, json!({ "email": ANA }), "sale", Some("email"), "withdrawn").await;
    hub.paid("2", json!({ "to": ANA })).await;
    let found = hub
        .until("it to be withheld", async || hub.effects().await.into_iter().find(|e| e.state == EffectState::Withheld))
        .await;
    assert_eq!(found.code.as_deref(), Some("consent_withdrawn"));
}

#[tokio::test]
async fn g10_a_purpose_of_its_own_needs_its_own_yes_whatever_the_class_says() {
    let hub = Hub::build().flow(&writes("carta", "transactional_urgent", "profiling")).start().await;
    hub.paid("1", json!({ "to": ANA })).await;
    assert_eq!(hub.comes_to("a", EffectState::Withheld).await.code.as_deref(), Some("no_consent"));
}

#[tokio::test]
async fn g10_whom_nobody_names_gets_no_publicity() {
    let hub = Hub::build().flow(&writes("a_todos", "marketing", "marketing")).start().await;
    hub.paid("1", json!({ "to": ANA })).await;
    assert_eq!(hub.comes_to("a", EffectState::Withheld).await.code.as_deref(), Some("person_unknown"));
    let hub = Hub::build().flow(&writes("a_todos", "transactional_urgent", "sale")).start().await;
    hub.paid("1", json!({ "to": ANA })).await;
    hub.comes_to("a", EffectState::Done).await;
}

#[tokio::test]
async fn g10_without_an_answer_of_the_registry_publicity_waits_and_is_never_sent_unasked() {
    let law = Law { registry: Registry::Required, ..Law::default() };
    let hub = Hub::build().law(law).flow(&publicity()).start().await;
    allows(&hub, ANA).await;
    hub.paid("1", json!({ "to": ANA })).await;
    let row = hub.comes_to("a", EffectState::Deferred).await;
    assert_eq!(row.code.as_deref(), Some("registry_stale"));
    for _ in 0..200 {
        hub.pass(900);
        if hub.effect("a").await.unwrap().state == EffectState::Withheld {
            break;
        }
        hub.until("it to be decided again", async || {
            let row = hub.effect("a").await.unwrap();
            (row.state == EffectState::Withheld || row.not_before.is_some_and(|t| t > hub.now())).then_some(())
        })
        .await;
    }
    let row = hub.comes_to("a", EffectState::Withheld).await;
    assert_eq!(row.code.as_deref(), Some("registry_stale"), "it does not wait for ever");
    assert!(hub.server.calls("/carta").is_empty());
    let kept = explained(&hub, "a").await.decisions.len();
    assert!(kept <= 3, "a hundred looks leave few rows: {kept}");
}

#[tokio::test]
async fn g10_free_text_only_answers_and_something_stands_in_for_what_the_provider_would_not_take() {
    let hub = Hub::build().flow(&writes("charla", "transactional", "sale")).start().await;
    let phone = "+573001234567";
    hub.paid("1", json!({ "to": phone })).await;
    assert_eq!(hub.comes_to("a", EffectState::GaveUp).await.code.as_deref(), Some("outside_conversation"));
    hub.comes_to("a.otherwise.b", EffectState::Done).await;
    let wrote = json!({ "id": "m1", "contact": { "phone": phone }, "text": "hola" });
    // At night: an answer to a person waits for no hours.
    hub.pass(12 * 3600);
    hub.hear([json!({ "type": "message.received", "key": "p", "id": "m1", "data": wrote })]).await;
    hub.decided().await;
    hub.paid("2", json!({ "to": phone })).await;
    hub.arrived("/charla", 1).await;
    hub.pass(24 * 3600);
    hub.paid("3", json!({ "to": phone })).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/charla").len(), 1, "a day later it is no answer any more");
}

#[tokio::test]
async fn g10_what_comes_too_late_is_dropped() {
    let steps = "  - id: a\n    do: ventas.carta\n    class: marketing\n    expires: \"{{ data.starts_at }}\"\n    with: { to: \"{{ data.to }}\" }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    allows(&hub, ANA).await;
    hub.pass(10 * 3600);
    hub.paid("1", json!({ "to": ANA, "starts_at": "2026-11-28T01:30:00Z" })).await;
    hub.comes_to("a", EffectState::Deferred).await;
    hub.pass(13 * 3600);
    assert_eq!(hub.comes_to("a", EffectState::Dropped).await.code.as_deref(), Some("expired"));
    hub.calm().await;
    assert!(hub.server.calls("/carta").is_empty(), "an invitation after the show is not sent");
}

#[tokio::test]
async fn g10_a_reminder_moves_to_the_last_lawful_moment_before_its_time() {
    let steps = "  - wait: { until: \"{{ data.at }}\", lawful: latest_before }\n  - id: a\n    do: ventas.carta\n    class: transactional\n    purpose: sale\n    with: { to: \"{{ data.to }}\" }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    // A Sunday show is announced on Saturday morning and not never.
    hub.paid("1", json!({ "to": ANA, "at": "2026-11-29T23:00:00Z" })).await;
    hub.calm().await;
    let timers = hub.engine.store().timers(jiff::Timestamp::MAX, 10).await.unwrap();
    let due = timers.iter().find(|t| t.kind == TimerKind::Wait).unwrap().due;
    assert!(due.to_string().as_str() < "2026-11-28T20:00:00Z", "{due}: before Saturday, 15:00 in Bogota");
    hub.pass(due.duration_since(hub.now()).as_secs() + 1);
    hub.comes_to("a", EffectState::Done).await;
}

#[tokio::test]
async fn g10_a_cancelled_run_takes_back_what_was_deferred() {
    let steps = "  - id: a\n    do: ventas.carta\n    class: marketing\n    with: { to: \"{{ data.to }}\" }\n  - wait: { for: order.updated, timeout: 30d, cancel_on: [order.cancelled] }\n  - id: b\n    do: ventas.flujo\n    with: { n: 1 }\n";
    let hub = Hub::build().flow(&on_paid(steps)).start().await;
    allows(&hub, ANA).await;
    hub.pass(10 * 3600);
    hub.paid("1", json!({ "to": ANA })).await;
    hub.comes_to("a", EffectState::Deferred).await;
    hub.hear([json!({ "type": "order.cancelled", "key": "order:1", "id": "c1", "data": {} })]).await;
    hub.comes_to("a", EffectState::Withdrawn).await;
    hub.pass(13 * 3600);
    hub.calm().await;
    assert!(hub.server.calls("/carta").is_empty());
}

#[tokio::test]
async fn g10_an_answer_that_the_law_demands_reaches_who_wants_no_messages() {
    let flows = ["privacy", "sale"].map(|purpose| {
        let steps = format!(
            "  - id: {purpose}\n    do: ventas.carta\n    class: transactional_urgent\n    purpose: {purpose}\n    with: {{ to: \"{{{{ data.to }}}}\" }}\n"
        );
        format!("flow: {purpose}\nversion: 1\non: order.paid\nsteps:\n{steps}")
    });
    let hub = Hub::build().flow(&flows[0]).flow(&flows[1]).start().await;
    let complained = SuppressionRow {
        address: ANA.into(),
        cause: SuppressionCause::Complained,
        why: None,
        by: "ventas".into(),
        since: hub.now(),
    };
    hub.engine.store().suppress(complained).await.unwrap();
    hub.paid("1", json!({ "to": ANA })).await;
    assert_eq!(hub.comes_to("sale", EffectState::Withheld).await.code.as_deref(), Some("suppressed_complained"));
    hub.comes_to("privacy", EffectState::Done).await;
}
