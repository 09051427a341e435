//! What `pasarela doctor` finds of a connection: a wrong key, a clock that is off, a host that is dead, limits that
//! are used up, webhooks that nobody asked for, a way in that leads elsewhere.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use jiff::SignedDuration;
use pasarela_connector::{AuthKind, OAuth};
use pasarela_engine::{Examination, Grade, PublicAddress};
use serde_json::json;

const FLOW: &str = "  - id: a\n    do: ventas.clave\n    with: { to: ana }\n";
const PUBLIC: PublicAddress<'static> = PublicAddress { url: "https://hub.marca.example", try_it: false };

async fn look(hub: &Hub, public: PublicAddress<'_>) -> Examination {
    hub.engine.examine("ventas", public).await.unwrap()
}

/// State and text of one check.
fn of(found: &Examination, check: &str) -> (Grade, String) {
    let finding = found.findings.iter().find(|f| f.check == check).unwrap_or_else(|| panic!("no {check}: {found:?}"));
    assert_eq!(finding.advice.is_some(), finding.state != Grade::Ok, "each trouble says what to do: {finding:?}");
    (finding.state, finding.found.clone())
}

/// An answer as the provider gives it at a moment of the hub's clock.
fn dated(hub: &Hub, ahead: i64) -> Reply {
    let at = hub.now().checked_add(SignedDuration::from_secs(ahead)).unwrap();
    Reply::ok(json!({ "ok": true })).with("date", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[tokio::test]
async fn a_connection_that_is_well_says_so_line_by_line() {
    let hub = Hub::build().flow(&on_paid(FLOW)).start().await;
    let answer = dated(&hub, 0).with("x-ratelimit-limit", "100").with("x-ratelimit-remaining", "80");
    hub.server.always("/probe", answer);
    hub.server.always("/hooks", Reply::ok(json!({ "urls": ["https://hub.marca.example/hooks/ventas"] })));
    let found = look(&hub, PUBLIC).await;
    let checks: Vec<&str> = found.findings.iter().map(|f| f.check).collect();
    assert_eq!(checks, ["credential", "clock", "limits", "webhooks", "api"]);
    assert_eq!(of(&found, "webhooks").0, Grade::Warn, "it has no secret to verify them with");
    assert_eq!(of(&found, "credential").0, Grade::Ok);
    assert_eq!(of(&found, "clock").0, Grade::Ok);
    assert!(of(&found, "limits").1.starts_with("80 of 100 calls are left"));
}

#[tokio::test]
async fn a_wrong_key_a_skewed_clock_and_used_up_limits_are_told_apart() {
    let hub = Hub::build().flow(&on_paid(FLOW)).start().await;
    hub.server.script("/probe", [Reply::status(401)]);
    let (state, text) = of(&look(&hub, PUBLIC).await, "credential");
    assert!(state == Grade::Fail && text.contains("HTTP 401"), "{text}");
    for (ahead, state) in
        [(0, Grade::Ok), (40, Grade::Warn), (-40, Grade::Warn), (400, Grade::Fail), (-400, Grade::Fail)]
    {
        hub.server.script("/probe", [dated(&hub, ahead)]);
        let (told, text) = of(&look(&hub, PUBLIC).await, "clock");
        assert_eq!(told, state, "{ahead}: {text}");
        assert!(ahead == 0 || text.contains(if ahead > 0 { "behind" } else { "ahead of" }), "{text}");
    }
    let few = dated(&hub, 0).with("x-ratelimit-limit", "100").with("x-ratelimit-remaining", "3");
    hub.server.script("/probe", [few]);
    assert_eq!(of(&look(&hub, PUBLIC).await, "limits").0, Grade::Warn);
}

#[tokio::test]
async fn a_dead_host_and_a_refused_token_are_told_apart() {
    let oauth = OAuth { token_url: "https://provider.test/token", scope: "", in_body: true };
    let hub = Hub::build().with_auth(AuthKind::ClientCredentials(oauth)).flow(&on_paid(FLOW)).start().await;
    let refused = json!({ "error": "invalid_client" });
    hub.server.script("/token", [Reply::Say(400, refused, Vec::new())]);
    let (state, text) = of(&look(&hub, PUBLIC).await, "credential");
    assert!(state == Grade::Fail && text.contains("client id or secret are wrong"), "{text}");

    let hub = Hub::build().flow(&on_paid(FLOW)).start().await;
    hub.server.script("/probe", [Reply::Cut]);
    let (state, text) = of(&look(&hub, PUBLIC).await, "credential");
    assert!(state == Grade::Fail && text.contains("does not answer"), "{text}");
}

#[tokio::test]
async fn webhooks_are_compared_with_the_public_address_and_a_trial_goes_the_whole_way() {
    let hub = Hub::build().with_secret().flow(&on_paid(FLOW)).start().await;
    hub.server.always("/probe", dated(&hub, 0));
    hub.server.script("/hooks", [Reply::ok(json!({ "urls": ["https://otro.example/hooks/ventas"] }))]);
    let (state, text) = of(&look(&hub, PUBLIC).await, "webhooks");
    assert!(state == Grade::Warn && text.contains("none came lately"), "{text}");
    hub.paid("1", json!({})).await;
    hub.pass(180);
    hub.server.always("/hooks", Reply::ok(json!({ "urls": ["https://hub.marca.example/hooks/ventas"] })));
    let (state, text) = of(&look(&hub, PUBLIC).await, "webhooks");
    assert!(state == Grade::Ok && text.contains("3 min ago"), "{text}");
    // The test's server stands where the public address leads.
    let url = format!("http://{}", hub.server.addr);
    let public = PublicAddress { url: &url, try_it: true };
    let foreign = json!({ "status": "accepted", "delivery_id": "del_0000000000001" });
    hub.server.script("/hooks/ventas", [Reply::status(404), Reply::status(401), Reply::ok(foreign)]);
    for words in ["HTTP 404", "HTTP 401", "did not come in here"] {
        let (state, text) = of(&look(&hub, public).await, "way_in");
        assert!(state == Grade::Fail && text.contains(words), "{text}");
    }
    let own = hub.deliveries(None).await[0].id;
    hub.server.script("/hooks/ventas", [Reply::ok(json!({ "delivery_id": own }))]);
    assert_eq!(of(&look(&hub, public).await, "way_in").0, Grade::Ok);
    assert_eq!(hub.server.calls("/hooks/ventas")[0].method, "POST");
}
