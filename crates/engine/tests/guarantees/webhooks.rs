//! Webhooks to services of one's own: in the order of each key, once in the log's order, kept while nobody takes
//! them, and again when somebody asks.

use crate::hub::{Hub, Place};
use crate::server::Reply;
use jiff::SignedDuration;
use pasarela_domain::Secret;
use pasarela_engine::{BY_THE_HUB, NewWebhook, Webhook, WebhookChange, WebhookError, WebhookState};
use pasarela_store::EffectState;
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const HOUR: i64 = 3600;

fn to(hub: &Hub, path: &str) -> NewWebhook {
    let url = format!("http://{}{path}", hub.server.addr);
    let mut new: NewWebhook = serde_json::from_value(json!({ "url": url, "types": ["order.*"] })).unwrap();
    new.secret = Some(Secret::new(SECRET));
    new
}

async fn made(hub: &Hub, path: &str) -> Webhook {
    hub.engine.create_webhook(to(hub, path), "ana").await.unwrap()
}

/// Orders are paid one after another, each its own event.
async fn paid(hub: &Hub, keys: &[&str]) {
    for (n, key) in keys.iter().enumerate() {
        let id = format!("{key}-{n}-{}", hub.events().await.len());
        let fact = json!({ "type": "order.paid", "key": format!("order:{key}"), "id": id, "data": { "n": n } });
        hub.hear([fact]).await;
        hub.decided().await;
    }
}

/// `(key, n)` of what has come.
fn came(hub: &Hub, path: &str) -> Vec<(String, i64)> {
    let all = hub.server.calls(path);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    all.iter().map(|c| c.json()).map(|b| (text(&b["key"]), b["data"]["n"].as_i64().unwrap_or(-1))).collect()
}

fn of(all: &[(String, i64)], key: &str) -> Vec<i64> {
    all.iter().filter(|(k, _)| k == key).map(|(_, n)| *n).collect()
}

#[tokio::test]
async fn g06_webhooks_of_a_key_keep_their_order_and_others_do_not_wait() {
    let hub = Hub::build().start().await;
    made(&hub, "/avisos").await;
    // The first of A is not liked: what comes after it waits, and B does not.
    hub.server.script("/avisos", [Reply::status(422)]);
    paid(&hub, &["A"]).await;
    hub.arrived("/avisos", 1).await;
    paid(&hub, &["A", "A", "B", "B"]).await;
    hub.until("the others", async || (of(&came(&hub, "/avisos"), "order:B").len() == 2).then_some(())).await;
    hub.calm().await;
    assert_eq!(of(&came(&hub, "/avisos"), "order:A"), [0]);
    hub.pass(90);
    hub.arrived("/avisos", 6).await;
    hub.calm().await;
    let all = came(&hub, "/avisos");
    assert_eq!((of(&all, "order:A"), of(&all, "order:B")), (vec![0, 0, 0, 1], vec![2, 3]), "{all:?}");
    let ids = hub.server.values("/avisos", "/id");
    let first = ids.iter().filter(|id| **id == ids[0]).count();
    assert_eq!(first, 2, "what was sent again was the same event: {ids:?}");
    let view = &hub.engine.webhooks().await.unwrap()[0];
    assert_eq!((view.state, view.waiting, view.dead), (WebhookState::Active, 0, 0));
}

#[tokio::test]
async fn an_endpoint_is_told_what_it_asks_for_from_then_on_and_in_the_form_of_the_rules() {
    let hub = Hub::build().start().await;
    paid(&hub, &["before"]).await;
    let mut new = to(&hub, "/avisos");
    new.headers.insert("X-Casa".into(), "moda".into());
    hub.engine.create_webhook(new, "ana").await.unwrap();
    let other = json!({ "type": "show.updated", "key": "show:1", "id": "s1", "data": { "title": "Feria" } });
    hub.hear([other]).await;
    paid(&hub, &["A"]).await;
    hub.arrived("/avisos", 1).await;
    hub.calm().await;
    let body = hub.server.calls("/avisos").remove(0).json();
    let event = hub.events().await.into_iter().find(|e| e.key == "order:A").unwrap();
    assert_eq!(body["id"], json!(event.id));
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("order.paid"), &json!(event.occurred_at)));
    assert_eq!(body["data"], event.data);
    // No effect and no read model has the event's data a second time.
    let effect = hub.effects().await.pop().unwrap();
    let kept = hub.engine.store().effect(effect.id).await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept.input).unwrap(), json!({ "event": event.id }));
    assert!(!String::from_utf8_lossy(&kept.call).contains("order:A"));
}

#[tokio::test]
async fn g07_a_crash_loses_no_webhook_and_sends_the_same_event_under_the_same_id() {
    let hub = Hub::build().start().await;
    made(&hub, "/avisos").await;
    hub.server.script("/avisos", [Reply::Hang]);
    paid(&hub, &["A", "A", "B"]).await;
    hub.until("the first and B", async || (came(&hub, "/avisos").len() == 2).then_some(())).await;
    let hub = hub.crash().await;
    hub.until("all", async || {
        hub.pass(1);
        (came(&hub, "/avisos").len() >= 4).then_some(())
    })
    .await;
    hub.calm().await;
    let all = came(&hub, "/avisos");
    assert_eq!(of(&all, "order:A"), [0, 0, 1], "the one that was out came again: {all:?}");
    let ids = hub.server.calls("/avisos");
    let of_first: Vec<Value> = ids.iter().map(|c| c.json()).filter(|b| b["data"]["n"] == 0).collect();
    assert_eq!(of_first[0]["id"], of_first[1]["id"]);
    // And none of what was taken before is taken again.
    paid(&hub, &["C"]).await;
    hub.arrived("/avisos", all.len() + 1).await;
}

#[tokio::test]
async fn who_takes_nothing_for_a_day_is_paused_keeps_its_events_in_the_log_and_goes_on_where_it_was() {
    let hub = Hub::build().start().await;
    let webhook = made(&hub, "/avisos").await;
    hub.server.always("/avisos", Reply::status(503));
    paid(&hub, &["A"]).await;
    hub.arrived("/avisos", 1).await;
    let seen = hub
        .until("the failure to be seen", async || {
            let seen = hub.engine.webhook(&webhook.id).await.unwrap();
            (seen.state == WebhookState::Failing).then_some(seen)
        })
        .await;
    assert_eq!(seen.last_problem.as_deref(), Some("HTTP 503"));
    hub.pass(23 * HOUR);
    hub.until("another try", async || (came(&hub, "/avisos").len() > 1).then_some(())).await;
    assert_eq!(hub.engine.webhook(&webhook.id).await.unwrap().state, WebhookState::Failing, "not a day yet");
    hub.pass(2 * HOUR);
    let paused = hub
        .until("the pause", async || {
            hub.pass(1);
            let seen = hub.engine.webhook(&webhook.id).await.unwrap();
            (seen.state == WebhookState::PausedFailing).then_some(seen)
        })
        .await;
    assert_eq!(paused.paused_by.as_deref(), Some(BY_THE_HUB));
    let (effects, calls) = (hub.effects().await.len(), hub.server.calls("/avisos").len());
    // A week of events costs nothing but the log; and it is still so after a crash.
    paid(&hub, &["A", "B", "A"]).await;
    hub.pass(7 * 24 * HOUR);
    hub.calm().await;
    let hub = hub.crash().await;
    hub.pass(HOUR);
    hub.calm().await;
    assert_eq!((hub.effects().await.len(), hub.server.calls("/avisos").len()), (effects, calls));
    assert_eq!(hub.engine.health().await.unwrap().oldest_due, None, "no alarm of the hub's own");
    hub.server.always("/avisos", Reply::status(204));
    let resumed = hub.engine.resume_webhook(&webhook.id, "ana").await.unwrap();
    assert_eq!(resumed.state, WebhookState::Active);
    hub.until("all", async || {
        hub.pass(1);
        (came(&hub, "/avisos").len() >= calls + 4).then_some(())
    })
    .await;
    hub.calm().await;
    let after = came(&hub, "/avisos").split_off(calls);
    assert_eq!((of(&after, "order:A"), of(&after, "order:B")), (vec![0, 0, 2], vec![1]), "{after:?}");
    assert_eq!(hub.engine.webhook(&webhook.id).await.unwrap().dead, 0, "its time began anew");
}

#[tokio::test]
async fn who_says_that_it_is_gone_is_paused_at_once() {
    let hub = Hub::build().start().await;
    let webhook = made(&hub, "/avisos").await;
    hub.server.always("/avisos", Reply::status(410));
    paid(&hub, &["A"]).await;
    hub.until("the pause", async || {
        let seen = hub.engine.webhook(&webhook.id).await.unwrap();
        (seen.state == WebhookState::PausedGone).then_some(())
    })
    .await;
    assert!(matches!(hub.engine.resume_webhook("wh_nada", "ana").await, Err(WebhookError::NotFound(_))));
}

#[tokio::test]
async fn a_replay_sends_everything_since_a_moment_again_under_the_same_ids_and_what_is_new_behind_it() {
    let hub = Hub::build().start().await;
    let webhook = made(&hub, "/avisos").await;
    paid(&hub, &["A"]).await;
    hub.pass(HOUR);
    let since = hub.now();
    paid(&hub, &["A", "B"]).await;
    hub.arrived("/avisos", 3).await;
    hub.calm().await;
    let before = hub.server.values("/avisos", "/id");
    hub.pass(HOUR);
    hub.engine.replay_webhook(&webhook.id, since).await.unwrap();
    paid(&hub, &["A"]).await;
    hub.arrived("/avisos", 6).await;
    hub.calm().await;
    let after = hub.server.values("/avisos", "/id").split_off(3);
    let sorted = |ids: Vec<&Value>| {
        let mut texts: Vec<String> = ids.into_iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let again: Vec<&Value> = after.iter().filter(|id| before.contains(id)).collect();
    assert_eq!(sorted(again), sorted(before[1..].iter().collect()));
    assert!(!before.contains(after.last().unwrap()), "{after:?}");
    let future = hub.now() + SignedDuration::from_hours(1);
    assert!(matches!(hub.engine.replay_webhook(&webhook.id, future).await, Err(WebhookError::Invalid(_))));
}

#[tokio::test]
async fn who_is_removed_is_sent_nothing_more_and_leaves_nothing_behind() {
    let hub = Hub::build().start().await;
    let webhook = made(&hub, "/avisos").await;
    hub.server.always("/avisos", Reply::status(500));
    paid(&hub, &["A", "A", "A"]).await;
    hub.arrived("/avisos", 1).await;
    hub.calm().await;
    hub.engine.remove_webhook(&webhook.id, None, "ana").await.unwrap();
    let calls = hub.server.calls("/avisos").len();
    assert!(hub.engine.webhooks().await.unwrap().is_empty());
    hub.pass(HOUR);
    paid(&hub, &["B"]).await;
    hub.calm().await;
    let hub = hub.crash().await;
    hub.pass(HOUR);
    hub.calm().await;
    assert_eq!(hub.server.calls("/avisos").len(), calls);
    let open: Vec<_> = hub.effects().await.into_iter().filter(|e| e.state != EffectState::Withdrawn).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(matches!(hub.engine.webhook(&webhook.id).await, Err(WebhookError::NotFound(_))));
}

#[tokio::test]
async fn who_is_removed_while_a_call_is_out_leaves_nothing_open_whatever_becomes_of_it() {
    for crashes in [false, true] {
        let hub = Hub::build().start().await;
        let webhook = made(&hub, "/avisos").await;
        hub.server.script("/avisos", [Reply::Hang]);
        paid(&hub, &["A", "A", "B"]).await;
        hub.until("A and B", async || (came(&hub, "/avisos").len() == 2).then_some(())).await;
        hub.engine.remove_webhook(&webhook.id, None, "ana").await.unwrap();
        assert!(hub.engine.webhooks().await.unwrap().is_empty());
        let hub = if crashes { hub.crash().await } else { hub };
        // Where nobody crashes, the call ends by its own time.
        let open = async |hub: &Hub| {
            let ended = |s: EffectState| matches!(s, EffectState::Done | EffectState::Withdrawn);
            hub.effects().await.into_iter().filter(|e| !ended(e.state)).count()
        };
        hub.until("all to end", async || (open(&hub).await == 0).then_some(())).await;
        assert_eq!(came(&hub, "/avisos").len(), 2, "nothing more was sent");
        let gone = async || hub.engine.store().record("webhook", &webhook.id).await.unwrap().is_none().then_some(());
        hub.until("its record to go", gone).await;
    }
}

#[tokio::test]
async fn two_changes_of_what_both_saw_do_not_both_count() {
    let hub = Hub::build().start().await;
    let webhook = made(&hub, "/avisos").await;
    let change = |text: &str| WebhookChange { description: Some(text.into()), ..WebhookChange::default() };
    let first = hub.engine.change_webhook(&webhook.id, Some(webhook.version), change("uno"), "ana").await.unwrap();
    let second = hub.engine.change_webhook(&webhook.id, Some(webhook.version), change("dos"), "luz").await;
    assert!(matches!(second, Err(WebhookError::Stale)));
    assert_eq!(hub.engine.webhook(&webhook.id).await.unwrap().description.as_deref(), Some("uno"));
    // A new secret signs beside the old one for as long as was said.
    let fresh = Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let both = hub.engine.add_webhook_secret(&webhook.id, &fresh, 2, "ana").await.unwrap();
    assert_eq!((both.secrets.len(), both.version > first.version), (2, true));
    hub.pass(2 * HOUR);
    let only = hub.engine.webhook(&webhook.id).await.unwrap();
    assert_eq!(only.secrets.len(), 1);
    let last = hub.engine.end_webhook_secret(&webhook.id, &only.secrets[0].id, "ana").await;
    assert!(matches!(last, Err(WebhookError::Conflict(_))), "one is always left");
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_what_to_write() {
    let hub = Hub::build().start().await;
    for (field, wrong, says) in [
        ("url", json!("ftp://example.com"), "https://"),
        ("url", json!("http://ana:clave@127.0.0.1/"), "headers"),
        ("types", json!(["order.payed"]), "order.paid"),
        ("types", json!([]), "1 to"),
        ("headers", json!({ "webhook-id": "x" }), "set by the hub"),
        ("headers", json!({ "a b": "x" }), "no name"),
        ("give_up_after_hours", json!(1), "2 to"),
        ("pause_after_hours", json!(120), "less than"),
        ("country", json!("Colombia"), "two capital letters"),
    ] {
        let mut all = json!({ "url": format!("http://{}/x", hub.server.addr), "types": ["*"] });
        all[field] = wrong.clone();
        let mut new: NewWebhook = serde_json::from_value(all).unwrap();
        new.secret = Some(Secret::new(SECRET));
        let refused = hub.engine.create_webhook(new, "ana").await.unwrap_err().to_string();
        assert!(refused.contains(says), "{field} {wrong}: {refused}");
    }
    let mut short = to(&hub, "/x");
    short.secret = Some(Secret::new("whsec_AAAA"));
    assert!(hub.engine.create_webhook(short, "ana").await.unwrap_err().to_string().contains("24 to 64"));
    assert!(hub.engine.webhooks().await.unwrap().is_empty());
}

/// The machine's own network first, then a name that leads elsewhere after it was looked at.
#[tokio::test]
async fn a_webhook_goes_to_the_public_internet_and_to_nothing_inside() {
    let hub = Hub::build().with_guarded_webhooks().start().await;
    for inside in [
        "https://127.0.0.1/",
        "https://localhost/avisos",
        "https://[::1]:8443/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://10.0.0.7:5432/",
    ] {
        let mut new = to(&hub, "/x");
        new.url = inside.to_owned();
        let refused = hub.engine.create_webhook(new, "ana").await.unwrap_err().to_string();
        assert!(refused.contains("private") || refused.contains("no address"), "{inside}: {refused}");
    }
    let mut plain = to(&hub, "/x");
    plain.url = "http://example.com/".into();
    assert!(hub.engine.create_webhook(plain, "ana").await.unwrap_err().to_string().contains("https://"));

    let hub = Hub::build().with_guarded_webhooks().wired(|_| crate::wires::Fate::Clean).start().await;
    let wires = hub.wires.clone().unwrap();
    let mut new = to(&hub, "/x");
    new.url = "https://avisos.test/".to_owned();
    wires.names_lead_to([10, 0, 0, 7].into());
    assert!(hub.engine.create_webhook(new.clone(), "ana").await.is_err());
    wires.names_lead_to([8, 8, 8, 8].into());
    let webhook = hub.engine.create_webhook(new, "ana").await.unwrap();
    // It was looked at, and leads inside from now on.
    wires.names_lead_to([169, 254, 169, 254].into());
    paid(&hub, &["A"]).await;
    let problem = hub.until("the guard", async || hub.engine.webhook(&webhook.id).await.unwrap().last_problem).await;
    assert!(problem.contains("private"), "{problem}");
    assert_eq!(hub.server.count(), 0);
    let trial = hub.engine.test_webhook(&webhook.id).await.unwrap();
    assert!(!trial.delivered && trial.problem.unwrap().contains("private"));
    let moved = WebhookChange { url: Some("https://otra.test/".into()), ..WebhookChange::default() };
    assert!(hub.engine.change_webhook(&webhook.id, None, moved, "ana").await.is_err());
}

/// Made at one node, served by whichever has its connection, and gone on with when that one dies.
#[tokio::test]
async fn a_webhook_is_served_by_one_of_several_nodes_and_goes_on_when_it_dies() {
    let Some(place) = Place::postgres() else { return };
    let first = Hub::build().on(place).start().await;
    let second = first.beside().await;
    let webhook = made(&first, "/avisos").await;
    second.until("the other node to know", async || second.engine.webhook(&webhook.id).await.ok()).await;
    paid(&first, &["A", "A", "B"]).await;
    // What one node is sure of it tells the other with its next look, and time has to pass for it.
    let reached = async |n: usize| {
        second
            .until("all", async || {
                second.pass(1);
                (second.server.calls("/avisos").len() >= n).then_some(())
            })
            .await;
    };
    reached(3).await;
    first.engine.stop(std::time::Duration::from_secs(10)).await;
    first.engine.store().leave().await.unwrap();
    paid(&second, &["A"]).await;
    reached(4).await;
    second.calm().await;
    let ids = second.server.values("/avisos", "/id");
    assert_eq!(ids.len(), 4, "each once: {ids:?}");
    assert_eq!(of(&came(&second, "/avisos"), "order:A"), [0, 1, 0]);
}
