//! Google Analytics: consent before anything, the protocol's limits, and a double that throws away in silence.

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::testkit::{ActionSample, Fixture, check};
use pasarela_connector::{
    Answer, ConnectionConfig, Connector, Ctx, Outcome, Provider, Request, SimConfig, Simulator, Step, auth,
};
use pasarela_connectors::ga4::Ga4;
use pasarela_domain::Secret;
use serde_json::{Value, json};

const NOW: i64 = 1_795_806_000;
const CLIENT: &str = "1234567890.1700000000";
const SECRET: &str = "secreto-de-la-corriente";

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn ago(hours: i64) -> String {
    now().checked_sub(SignedDuration::from_hours(hours)).unwrap().to_string()
}

fn config(settings: Value) -> ConnectionConfig {
    let mut config = ConnectionConfig { settings, ..ConnectionConfig::bare("web", "ga4") };
    config.credentials.insert("api_secret".into(), Secret::new(SECRET));
    config
}

fn connector() -> Box<dyn Connector> {
    Ga4.connect(config(json!({ "measurement_id": "G-7Q2KX9M4PL" }))).unwrap()
}

fn yes() -> Value {
    json!({ "analytics": true, "ga_client_id": CLIENT, "ga_session_id": "1700000099" })
}

fn order() -> Value {
    let contact = json!({ "name": "Laura Rincón Ávila", "first_name": "Laura", "last_name": "Rincón Ávila",
        "email": "laura@correo.example", "phone": "+573005550117", "language": "es" });
    let cop = |minor: i64| json!({ "minor": minor, "currency": "COP" });
    json!({
        "id": "3301", "number": "O-3F9LX0C", "status": "paid", "currency": "COP", "subtotal": cop(37_000_000),
        "tax": cop(7_030_000), "fees": cop(0), "total": cop(44_030_000), "refunded": cop(18_500_050),
        "fully_refunded": false, "free": false, "payment_method": "stripe", "promo_code": "AURORA10",
        "buyer": contact, "lines": [
            { "product_id": "11", "title": "Primera fila", "quantity": 2, "unit_price": cop(18_500_000), "total": cop(37_000_000) },
        ],
        "tickets": [], "show_id": "7", "answers": [], "placed_at": null,
    })
}

fn ctx(now: Timestamp, attempt: u32) -> Ctx<'static> {
    Ctx { now, key: "k", attempt }
}

fn begin(action: &str, input: Value) -> Result<Request, Box<Outcome>> {
    match connector().begin(action, &[input], &ctx(now(), 1)) {
        Step::Call(call) => Ok(call.request),
        Step::End(mut outcomes) => Err(Box::new(outcomes.remove(0))),
    }
}

/// How an action that makes no call ends.
fn ends(action: &str, input: Value) -> Outcome {
    *begin(action, input).unwrap_err()
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// The request as the engine sends it, on its way to a double.
fn sent(request: &Request) -> Request {
    let manifest = Ga4.manifest();
    let auth = match auth::begin(manifest, connector().as_ref(), None, &ctx(now(), 1)) {
        pasarela_connector::AuthStep::Ready(auth) => auth,
        other => panic!("{other:?}"),
    };
    let mut request = request.clone().query(auth.query);
    request.url = request.url.replace("https://www.google-analytics.com", "");
    request
}

fn double() -> Box<dyn Simulator> {
    let config = SimConfig {
        connection: "web".into(),
        base_url: "http://127.0.0.1:1".into(),
        webhook_secret: String::new(),
        settings: json!({ "measurement_id": "G-7Q2KX9M4PL", "api_secret": SECRET }),
    };
    Ga4.simulator(config).unwrap()
}

#[test]
fn conformance() {
    let accepted = || Answer { status: 204, ..Answer::default() };
    let sample = |action, input: Value| ActionSample {
        action,
        input,
        done: accepted(),
        judged: vec![(Answer::text(400, "bad"), "give_up")],
        refused: vec![json!({ "consent": {} }), json!({ "consent": yes(), "nombre": 1 })],
    };
    let item = json!({ "id": "11", "name": "Primera fila", "price": { "minor": 18_500_000, "currency": "COP" } });
    check(&Fixture {
        provider: Box::new(Ga4),
        config: config(json!({ "measurement_id": "G-7Q2KX9M4PL" })),
        now: now(),
        webhooks: vec![],
        actions: vec![
            sample("purchase", json!({ "order": order(), "consent": yes(), "at": ago(1) })),
            sample("refund", json!({ "order": order(), "consent": yes() })),
            sample("view_item", json!({ "items": [item], "consent": yes() })),
            sample("begin_checkout", json!({ "items": [item], "consent": yes() })),
            sample("generate_lead", json!({ "lead_source": "whatsapp", "consent": yes() })),
            sample("sign_up", json!({ "method": "whatsapp", "consent": yes() })),
            sample("login", json!({ "method": "email", "consent": yes() })),
            sample("share", json!({ "content_type": "show", "item_id": "7", "consent": yes() })),
            sample("check_in", json!({ "event_ref": "7", "zone": "norte", "consent": yes() })),
            sample("event", json!({ "name": "look_guardado", "params": { "look": "12" }, "consent": yes() })),
            sample("events", json!({ "events": [{ "name": "a" }, { "name": "b" }], "consent": yes() })),
        ],
    });
}

#[test]
fn a_purchase_is_told_in_pesos_with_what_was_bought() {
    let request = begin("purchase", json!({ "order": order(), "consent": yes(), "at": ago(1) })).unwrap();
    assert_eq!(request.url, "https://www.google-analytics.com/mp/collect?measurement_id=G-7Q2KX9M4PL");
    let micros = (NOW - 3600) * 1_000_000;
    assert_eq!(
        body(&request),
        json!({
            "client_id": CLIENT, "timestamp_micros": micros,
            "consent": { "ad_user_data": "DENIED", "ad_personalization": "DENIED" },
            "events": [{ "name": "purchase", "params": {
                "transaction_id": "O-3F9LX0C", "currency": "COP", "value": 370_000, "coupon": "AURORA10", "tax": 70_300,
                "items": [{ "item_id": "11", "item_name": "Primera fila", "price": 185_000, "quantity": 2, "index": 0 }],
                "session_id": "1700000099", "engagement_time_msec": 1,
            } }],
        })
    );
    let text = String::from_utf8_lossy(&request.body).into_owned();
    assert!(!text.contains("laura") && !text.contains("300555"), "nobody is named: {text}");
    let refund = body(&begin("refund", json!({ "order": order(), "consent": yes() })).unwrap());
    assert_eq!(refund["events"][0]["params"]["value"], json!(185_000.5), "half a peso stays half a peso");
}

#[test]
fn without_consent_or_a_browser_nothing_is_sent_and_the_rule_is_named() {
    for (consent, rule) in [
        (Value::Null, "no_analytics_consent"),
        (json!({}), "no_analytics_consent"),
        (json!({ "analytics": false, "marketing": true, "ga_client_id": CLIENT }), "no_analytics_consent"),
        (json!({ "analytics": true }), "no_client_id"),
        (json!({ "analytics": true, "ga_client_id": " " }), "no_client_id"),
    ] {
        for (action, more) in [("purchase", json!({ "order": order() })), ("sign_up", json!({ "method": "email" }))] {
            let mut input = more;
            input["consent"] = consent.clone();
            match ends(action, input) {
                Outcome::Withheld { rule: told, why } => {
                    assert!(told == rule && !why.is_empty(), "{consent}: {told}")
                }
                other => panic!("{action} {consent}: {other:?}"),
            }
        }
    }
    // As in a flow that knows nothing of consent.
    assert_eq!(ends("purchase", json!({ "order": order() })).name(), "withheld");
}

#[test]
fn consent_and_age_are_asked_before_every_try() {
    let connector = connector();
    let input = json!({ "method": "email", "consent": yes(), "at": ago(71) });
    let at = |hours| now().checked_add(SignedDuration::from_hours(hours)).unwrap();
    assert_eq!(connector.stops("sign_up", &input, &ctx(at(0), 2)), None);
    let late = connector.stops("sign_up", &input, &ctx(at(2), 2)).unwrap();
    assert!(matches!(late, Outcome::Dropped { code, .. } if code == "older_than_72h"));
    let none = json!({ "method": "email", "consent": { "analytics": false } });
    assert_eq!(connector.stops("sign_up", &none, &ctx(at(0), 2)).unwrap().name(), "withheld");
}

#[test]
fn what_is_older_than_72_hours_is_dropped_by_name() {
    let event = |hours| begin("check_in", json!({ "event_ref": "7", "consent": yes(), "at": ago(hours) }));
    assert!(event(72).is_ok());
    let late = *event(73).unwrap_err();
    assert!(matches!(late, Outcome::Dropped { code, .. } if code == "older_than_72h"));
    // A clock that is ahead: Google takes the time of arrival.
    let ahead = body(&event(-1).unwrap());
    assert_eq!(ahead.get("timestamp_micros"), None);
}

#[test]
fn many_events_go_25_to_a_call_and_what_is_left_is_told() {
    let connector = connector();
    let events: Vec<Value> = (0..60).map(|n| json!({ "name": format!("paso_{n}") })).collect();
    let inputs = [json!({ "events": events, "consent": yes() })];
    let accepted = Answer { status: 204, ..Answer::default() };
    let mut step = connector.begin("events", &inputs, &ctx(now(), 1));
    let mut sizes = Vec::new();
    while let Step::Call(call) = &step {
        sizes.push(body(&call.request)["events"].as_array().unwrap().len());
        let state = call.state.clone();
        let failed = connector.on("events", &inputs, &state, &Answer::text(503, ""), &ctx(now(), 2));
        let Step::End(outcomes) = failed else { panic!() };
        match sizes.len() {
            1 => assert_eq!(outcomes[0].name(), "give_up", "nothing was sent"),
            n => assert!(
                matches!(&outcomes[0], Outcome::Partial { done, .. } if done["sent"] == json!(25 * (n - 1))),
                "{outcomes:?}"
            ),
        }
        step = connector.on("events", &inputs, &state, &accepted, &ctx(now(), 1));
    }
    assert_eq!(sizes, [25, 25, 10]);
    let Step::End(outcomes) = step else { panic!() };
    assert_eq!(outcomes, [Outcome::done(json!({ "sent": 60, "verified": false }))]);
}

#[test]
fn an_old_event_among_several_is_left_out_and_not_counted() {
    let connector = connector();
    let inputs = [
        json!({ "events": [{ "name": "vieja", "at": ago(80) }, { "name": "nueva", "at": ago(1) }], "consent": yes() }),
    ];
    let Step::Call(call) = connector.begin("events", &inputs, &ctx(now(), 1)) else { panic!() };
    assert_eq!(body(&call.request)["events"].as_array().unwrap().len(), 1);
    let done =
        connector.on("events", &inputs, &call.state, &Answer { status: 204, ..Answer::default() }, &ctx(now(), 1));
    assert_eq!(done, Step::end(Outcome::done(json!({ "sent": 1, "verified": false }))));
    let old = json!({ "events": [{ "name": "vieja", "at": ago(80) }], "consent": yes() });
    assert_eq!(ends("events", old).name(), "dropped");
}

#[test]
fn an_error_is_not_repeated_but_a_bad_gateway_once() {
    let connector = connector();
    let inputs = [json!({ "method": "email", "consent": yes() })];
    let Step::Call(call) = connector.begin("sign_up", &inputs, &ctx(now(), 1)) else { panic!() };
    let judge = |status, attempt| {
        let answer = Answer::text(status, "");
        match connector.on("sign_up", &inputs, &call.state, &answer, &ctx(now(), attempt)) {
            Step::End(outcomes) => outcomes[0].name(),
            Step::Call(_) => "call",
        }
    };
    assert_eq!([judge(503, 1), judge(503, 2)], ["provider_down", "give_up"]);
    assert_eq!([judge(400, 1), judge(403, 1), judge(404, 1)], ["give_up", "give_up", "needs_human"]);
    assert_eq!(judge(504, 1), "unknown", "a gateway gave up waiting: it may have arrived");
    assert_eq!(judge(429, 3), "throttled");
}

#[test]
fn what_google_would_throw_away_is_refused_here() {
    let own = |name: &str, params: Value| begin("event", json!({ "name": name, "params": params, "consent": yes() }));
    let many: serde_json::Map<String, Value> = (0..26).map(|n| (format!("p{n}"), json!(n))).collect();
    for (name, params) in [
        ("session_start", json!({})),
        ("ga_propio", json!({})),
        ("con espacio", json!({})),
        ("1uno", json!({})),
        ("a_name_that_is_quite_a_bit_longer_than_forty", json!({})),
        ("bien", json!({ "_oculto": 1 })),
        ("bien", json!({ "largo": "x".repeat(101) })),
        ("bien", json!({ "value": 3 })),
        ("bien", json!({ "lista": [1] })),
        ("bien", Value::Object(many)),
    ] {
        let refused = *own(name, params.clone()).unwrap_err();
        assert!(
            matches!(&refused, Outcome::GiveUp { code, .. } if code == "invalid_input"),
            "{name} {params}: {refused:?}"
        );
    }
    for hidden in [json!({ "quien": "laura@correo.example" }), json!({ "nota": "llamar al +573005550117." })] {
        let refused = *own("bien", hidden.clone()).unwrap_err();
        assert!(matches!(&refused, Outcome::GiveUp { code, .. } if code == "personal_data"), "{hidden}: {refused:?}");
    }
    let user = json!({ "name": "bien", "consent": yes(), "user_id": "laura@correo.example" });
    assert!(matches!(ends("event", user), Outcome::GiveUp { code, .. } if code == "personal_data"));
}

#[test]
fn every_body_passes_the_validation_server_and_counts_once() {
    let mut double = double();
    let item =
        json!({ "id": "11", "name": "ñ".repeat(150), "price": { "minor": 1, "currency": "COP" }, "quantity": 3 });
    for (action, input) in [
        ("purchase", json!({ "order": order(), "consent": yes(), "at": ago(1) })),
        ("purchase", json!({ "order": order(), "consent": yes(), "at": ago(1) })),
        ("refund", json!({ "order": order(), "consent": yes(), "at": ago(70) })),
        ("view_item", json!({ "items": [item], "consent": yes() })),
        ("generate_lead", json!({ "lead_source": "x".repeat(300), "consent": yes() })),
        ("check_in", json!({ "event_ref": "7", "consent": yes() })),
        ("event", json!({ "name": "rol", "user_properties": { "rol": "disenador" }, "consent": yes() })),
    ] {
        let request = begin(action, input).unwrap();
        let mut strict = body(&request);
        strict["validation_behavior"] = json!("ENFORCE_RECOMMENDATIONS");
        let debug = Request::new("POST", "/debug/mp/collect?measurement_id=G-7Q2KX9M4PL&api_secret=x").json(&strict);
        let told = double.handle(&debug, now()).answer.parse::<Value>().unwrap();
        assert_eq!(told, json!({ "validationMessages": [] }), "{action}");
        assert_eq!(double.handle(&sent(&request), now()).answer.status, 204);
    }
    let events = double.view("events");
    let names: Vec<(&str, i64)> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["times"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        names,
        [("purchase", 2), ("refund", 1), ("view_item", 1), ("generate_lead", 1), ("check_in", 1), ("rol", 1)],
        "the same purchase twice is one, that came twice"
    );
    assert_eq!(double.view("thrown_away"), json!([]));
}

#[test]
fn the_double_answers_204_to_anything_and_shows_what_it_threw_away() {
    let mut double = double();
    let good = begin("sign_up", json!({ "method": "email", "consent": yes() })).unwrap();
    let mut wrong_secret = sent(&good);
    wrong_secret.url = wrong_secret.url.replace(SECRET, "otro");
    let mut old = sent(&good);
    let mut stale = body(&good);
    stale["timestamp_micros"] = json!((NOW - 80 * 3600) * 1_000_000);
    old = old.json(&stale);
    let crowd = sent(&good).json(&json!({ "client_id": CLIENT, "events": vec![json!({ "name": "a" }); 26] }));
    let nothing = Request::new("POST", sent(&good).url).json(&json!(null));
    for request in [wrong_secret, old, crowd, nothing] {
        assert_eq!(double.handle(&request, now()).answer.status, 204);
    }
    let thrown = double.view("thrown_away");
    let why: Vec<&str> = thrown.as_array().unwrap().iter().map(|t| t["why"].as_str().unwrap()).collect();
    assert_eq!(
        why,
        [
            "another api_secret",
            "timestamp_micros: VALUE_OUT_OF_BOUNDS",
            "events: EXCEEDED_MAX_ENTITIES",
            ": VALUE_INVALID"
        ]
    );
    assert!(double.arrivals().is_empty());
}

#[test]
fn the_secret_is_in_no_stored_request_and_in_no_debug_text() {
    let request = begin("purchase", json!({ "order": order(), "consent": yes() })).unwrap();
    assert!(!format!("{request:?}").contains(SECRET));
    assert!(sent(&request).url.ends_with(&format!("&api_secret={SECRET}")), "it goes along when it is sent");
    let auth = auth::begin(Ga4.manifest(), connector().as_ref(), None, &ctx(now(), 1));
    assert!(!format!("{auth:?}").contains(SECRET), "{auth:?}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    for (settings, word) in [
        (json!({ "measurement_id": "UA-1234-1" }), "measurement_id"),
        (json!({ "measurement_id": "G-7Q2KX9M4PL", "firebase_app_id": "1:123:web:0a1b" }), "keep one"),
        (json!({ "mesurement_id": "G-7Q2KX9M4PL" }), "did you mean 'measurement_id'?"),
    ] {
        let why = Ga4.connect(config(settings)).map(|_| ()).unwrap_err().to_string();
        assert!(why.starts_with("[connections.web]") && why.contains(word), "{why}");
    }
    let bare = Ga4.connect(config(json!({}))).unwrap();
    let step = bare.begin("sign_up", &[json!({ "consent": yes() })], &ctx(now(), 1));
    assert!(
        matches!(step, Step::End(o) if matches!(&o[0], Outcome::NeedsHuman { why } if why.contains("measurement_id")))
    );
}

#[test]
fn the_probe_asks_the_validation_server_which_proves_no_secret() {
    let connector = connector();
    let mut double = double();
    let mut probe = connector.probe().unwrap();
    probe.url = probe.url.replace("https://www.google-analytics.com", "");
    let answer = double.handle(&probe, now()).answer;
    assert!(connector.judge_probe(&answer).unwrap().contains("cannot say whether api_secret is right"));
    let refused = json!({ "validationMessages": [{ "description": "no", "validationCode": "NAME_INVALID" }] });
    assert!(connector.judge_probe(&Answer::json(200, &refused)).unwrap_err().contains("NAME_INVALID"));
    assert!(connector.judge_probe(&Answer::text(200, "<html>")).is_err());
}
