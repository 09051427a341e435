//! Credentials: one fetches for all, what is fetched is kept before it is used, renewed before it ends, and a
//! refusal is no storm.

use crate::hub::{Hub, Place, on_paid};
use crate::server::Reply;
use pasarela_connector::{AuthKind, OAuth, Successor};
use pasarela_store::EffectState;
use serde_json::{Value, json};
use std::time::Duration;

const OAUTH: OAuth = OAuth { token_url: "https://provider.test/token", scope: "all", in_body: false };

fn to_each() -> String {
    on_paid(
        "  - each: \"{{ data.list }}\"\n    as: item\n    steps:\n      - id: a\n        do: ventas.clave\n        with: { to: \"{{ item }}\" }\n        on_dead: skip\n",
    )
}

fn crowd(n: usize) -> Value {
    json!({ "list": (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>() })
}

/// What a form body says.
fn field(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body).into_owned();
    pasarela_connector::query_pairs(&text).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

#[tokio::test]
async fn a_crowd_of_calls_fetches_one_token_and_an_early_one_follows() {
    let hub = Hub::build().with_auth(AuthKind::ClientCredentials(OAUTH)).flow(&to_each()).start().await;
    let token = |n: u32| Reply::ok(json!({ "access_token": format!("t{n}"), "expires_in": 3600 }));
    hub.server.script("/token", [token(1), token(2), token(3)]);
    hub.paid("1", crowd(20)).await;
    hub.arrived("/clave", 20).await;
    hub.calm().await;
    let asked = hub.server.calls("/token");
    assert_eq!(asked.len(), 1, "one fetched for all");
    assert_eq!(field(&asked[0].bytes, "grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(field(&asked[0].bytes, "scope").as_deref(), Some("all"));
    assert!(asked[0].token.as_deref().is_some_and(|t| t.starts_with("Basic ")));
    assert!(hub.server.calls("/clave").iter().all(|c| c.token.as_deref() == Some("Bearer t1")));
    // A tenth of its life before its end it is renewed.
    hub.pass(3200);
    hub.paid("2", crowd(1)).await;
    hub.arrived("/clave", 21).await;
    assert_eq!(hub.server.calls("/token").len(), 1);
    hub.pass(100);
    hub.paid("3", crowd(1)).await;
    hub.arrived("/clave", 22).await;
    assert_eq!(hub.server.calls("/clave")[21].token.as_deref(), Some("Bearer t2"), "before a call carried a dead one");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_kept_sealed_before_it_is_used_and_outlives_a_crash() {
    let hub = Hub::build().with_auth(AuthKind::RefreshToken(OAUTH)).flow(&to_each()).start().await;
    let token = |n: u32| {
        Reply::ok(json!({ "access_token": format!("t{n}"), "expires_in": 3600, "refresh_token": format!("r{n}") }))
    };
    hub.server.script("/token", [token(1), token(2), token(3)]);
    hub.paid("1", crowd(1)).await;
    hub.arrived("/clave", 1).await;
    let used = |hub: &Hub| -> Vec<String> {
        hub.server.calls("/token").iter().filter_map(|c| field(&c.bytes, "refresh_token")).collect()
    };
    assert_eq!(used(&hub), ["refresh_token-de-prueba"]);
    // The process ends; what the provider has rotated is on the disk, and the token is used as long as it lives.
    let hub = hub.crash().await;
    hub.paid("2", crowd(1)).await;
    hub.arrived("/clave", 2).await;
    assert_eq!(used(&hub).len(), 1, "a token that was kept needs no call");
    hub.pass(3600);
    hub.paid("3", crowd(1)).await;
    hub.arrived("/clave", 3).await;
    assert_eq!(used(&hub), ["refresh_token-de-prueba", "r1"], "the one from the configuration is used up");
    // Renewed because it was refused: the last one rotates on.
    hub.server.script("/clave", [Reply::status(401)]);
    hub.paid("4", crowd(1)).await;
    hub.arrived("/clave", 5).await;
    assert_eq!(used(&hub), ["refresh_token-de-prueba", "r1", "r2"]);
}

#[tokio::test]
async fn a_token_that_brings_the_next_one_is_kept_before_it_is_used_and_outlives_a_crash() {
    let chain = Successor {
        credential: "password",
        path: "/token",
        pointer: "/data",
        life: Duration::from_secs(3600),
        anew: "make one by hand",
    };
    let hub = Hub::build().with_auth(AuthKind::Successor(chain)).flow(&to_each()).start().await;
    hub.server.script("/token", [Reply::ok(json!({ "data": "t1" })), Reply::ok(json!({ "data": "t2" }))]);
    let tokens = |hub: &Hub, path: &str| -> Vec<String> {
        hub.server.calls(path).iter().filter_map(|c| c.token.clone()).collect()
    };
    hub.paid("1", crowd(1)).await;
    hub.arrived("/clave", 1).await;
    assert_eq!(tokens(&hub, "/token"), ["Bearer password-de-prueba"], "exchanged at its first use");
    assert_eq!(tokens(&hub, "/clave"), ["Bearer t1"]);
    let hub = hub.crash().await;
    hub.paid("2", crowd(1)).await;
    hub.arrived("/clave", 2).await;
    assert_eq!(tokens(&hub, "/token").len(), 1, "what is in the configuration is dead");
    hub.pass(3001);
    hub.paid("3", crowd(1)).await;
    hub.arrived("/clave", 3).await;
    assert_eq!(tokens(&hub, "/token"), ["Bearer password-de-prueba", "Bearer t1"]);
    assert_eq!(tokens(&hub, "/clave"), ["Bearer t1", "Bearer t1", "Bearer t2"]);
}

#[tokio::test]
async fn a_refused_credential_is_fetched_anew_and_then_there_is_quiet() {
    let hub = Hub::build().with_auth(AuthKind::ClientCredentials(OAUTH)).flow(&to_each()).start().await;
    hub.server.always("/token", Reply::ok(json!({ "access_token": "t", "expires_in": 3600 })));
    hub.server.always("/clave", Reply::status(401));
    hub.paid("1", crowd(50)).await;
    hub.until("all to end", async || {
        let all = hub.effects().await;
        (all.len() == 50 && all.iter().all(|e| e.state == EffectState::Dead)).then_some(())
    })
    .await;
    let (logins, calls) = (hub.server.calls("/token").len(), hub.server.calls("/clave").len());
    assert_eq!(logins, 3, "one, one more because it was refused, and a last one for another call");
    assert!(calls <= 3 * 32, "{calls}: those that were out, each time");
    assert_eq!(hub.engine.connections()[0].state, "degraded");
    // A person mends it at the provider and tries one again: at once, whatever the pause.
    hub.server.always("/clave", Reply::ok(json!({ "ok": true })));
    let dead = hub.effects().await[0].id;
    hub.engine.retry(dead).await.unwrap();
    hub.until("it to be done", async || {
        hub.effects().await.into_iter().find(|e| e.id == dead && e.state == EffectState::Done)
    })
    .await;
    assert_eq!(hub.server.calls("/token").len(), 4);
    assert_eq!(hub.engine.connections()[0].state, "ready");
}

#[tokio::test]
async fn a_login_that_fails_is_not_repeated_by_everybody_who_waits() {
    let hub = Hub::build().with_auth(AuthKind::ClientCredentials(OAUTH)).flow(&to_each()).start().await;
    hub.server.always("/token", Reply::status(503));
    hub.paid("1", crowd(40)).await;
    hub.calm().await;
    assert_eq!(hub.server.calls("/token").len(), 1, "forty wait, one has asked");
    hub.server.always("/token", Reply::ok(json!({ "access_token": "t", "expires_in": 3600 })));
    hub.until("all done", async || {
        hub.pass(1);
        hub.effects().await.iter().all(|e| e.state == EffectState::Done).then_some(())
    })
    .await;
    assert_eq!(hub.server.calls("/token").len(), 2);
}

#[tokio::test]
async fn a_secret_that_is_wrong_is_a_sentence_and_not_a_loop() {
    let hub = Hub::build().with_auth(AuthKind::ClientCredentials(OAUTH)).flow(&to_each()).start().await;
    let refused = json!({ "error": "invalid_client", "error_description": "unknown client" });
    hub.server.always("/token", Reply::Say(401, refused, Vec::new()));
    hub.paid("1", crowd(10)).await;
    hub.until("all to end", async || {
        let all = hub.effects().await;
        (all.len() == 10 && all.iter().all(|e| e.state == EffectState::Dead)).then_some(())
    })
    .await;
    assert_eq!((hub.server.calls("/token").len(), hub.server.calls("/clave").len()), (1, 0));
    let problem = hub.engine.connections()[0].problem.clone().unwrap();
    assert!(problem.contains("client id or secret are wrong") && !problem.contains("de-prueba"), "{problem}");
    // Hours later it is still not tried again, whoever asks: wrong secrets shut accounts.
    hub.pass(20 * 3600);
    hub.paid("2", crowd(10)).await;
    hub.until("the others to end", async || {
        let all = hub.effects().await;
        (all.len() == 20 && all.iter().all(|e| e.state == EffectState::Dead)).then_some(())
    })
    .await;
    assert_eq!(hub.server.calls("/token").len(), 1);
    // A person who mended it there tries one again, at once.
    hub.server.always("/token", Reply::ok(json!({ "access_token": "t", "expires_in": 3600 })));
    let dead = hub.effects().await[0].id;
    hub.engine.retry(dead).await.unwrap();
    hub.until("it to be done", async || {
        hub.effects().await.into_iter().find(|e| e.id == dead && e.state == EffectState::Done)
    })
    .await;
    assert_eq!(hub.server.calls("/token").len(), 2);
}

/// Single flight across nodes is that a connection is one node's at a time (ADR 0011): only its node calls, so
/// only its node fetches, and who takes it over finds what was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_fetch_one_token_and_the_next_owner_goes_on_with_it() {
    let Some(place) = Place::postgres() else {
        // There is no server; scripts/postgres brings one.
        return;
    };
    let build = Hub::build().with_auth(AuthKind::RefreshToken(OAUTH)).flow(&to_each()).on(place);
    let first = build.start().await;
    let token = |n: u32| {
        Reply::ok(json!({ "access_token": format!("t{n}"), "expires_in": 3600, "refresh_token": format!("r{n}") }))
    };
    first.server.script("/token", [token(1), token(2)]);
    let second = first.beside().await;
    // Both take webhooks in.
    first.hear([paid("1")]).await;
    second.hear([paid("2")]).await;
    first.until("both to be called", async || (first.server.calls("/clave").len() == 2).then_some(())).await;
    assert_eq!(first.server.calls("/token").len(), 1, "only the owner fetches");
    let (owner, other) = if first.engine.connections()[0].node.is_none() { (first, second) } else { (second, first) };
    let server = owner.server.clone();
    owner.engine.stop(Duration::from_secs(5)).await;
    owner.engine.store().leave().await.unwrap();
    other
        .until("the connection to change hands", async || other.engine.connections()[0].node.is_none().then_some(()))
        .await;
    other.hear([paid("3")]).await;
    other.until("the third to be called", async || (server.calls("/clave").len() == 3).then_some(())).await;
    assert_eq!(server.calls("/token").len(), 1, "what was kept is still good");
    assert_eq!(server.calls("/clave")[2].token.as_deref(), Some("Bearer t1"));
    other.pass(3600);
    other.hear([paid("4")]).await;
    other.until("the fourth to be called", async || (server.calls("/clave").len() == 4).then_some(())).await;
    let used: Vec<String> = server.calls("/token").iter().filter_map(|c| field(&c.bytes, "refresh_token")).collect();
    assert_eq!(used, ["refresh_token-de-prueba", "r1"], "and so is the token that was rotated at the other node");
}

fn paid(id: &str) -> Value {
    json!({ "type": "order.paid", "key": format!("order:{id}"), "id": id, "data": { "list": [format!("p{id}")] } })
}
