//! The double of WhatsApp as the Graph API: what it takes, what it refuses and with which code.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/bench.rs"]
mod bench;
#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use bench::{Bench, CAMILA, error_code, post};
use pasarela_connector::{Outcome, Request, Scope};
use serde_json::{Value, json};
use support::sample_json;

#[test]
fn what_meta_refuses_at_once_is_refused_with_its_code() {
    let mut bench = Bench::with_template();
    let template = |name: &str, code: &str, params: Value| {
        let parameters: Vec<Value> =
            params.as_array().unwrap().iter().map(|text| json!({ "type": "text", "text": text })).collect();
        json!({
            "messaging_product": "whatsapp", "to": "573005550117", "type": "template",
            "template": {
                "name": name, "language": { "code": code },
                "components": [{ "type": "body", "parameters": parameters }],
            },
        })
    };
    let text = |to: &str| json!({ "messaging_product": "whatsapp", "to": to, "type": "text", "text": { "body": "x" } });
    for (body, code) in [
        (template("boleta_confirmada", "es_MX", json!(["a", "b"])), 132_001),
        (template("otra", "es_CO", json!([])), 132_001),
        (template("boleta_confirmada", "es_CO", json!(["a"])), 132_000),
        (template("boleta_confirmada", "es_CO", json!(["a", ""])), 131_008),
        (template("boleta_confirmada", "es_CO", json!(["a", "b\nc"])), 132_012),
        (template("boleta_confirmada", "es_CO", json!(["a", "b".repeat(1100)])), 132_005),
        (text("300-555"), 131_009),
        (text("576015550199"), 131_021),
        (json!({ "messaging_product": "whatsapp", "text": { "body": "x" } }), 100),
        (json!({ "to": "573005550117", "text": { "body": "x" } }), 100),
        (json!({ "messaging_product": "whatsapp", "to": "573005550117", "type": "text" }), 131_008),
    ] {
        let reply = bench.call(&post("/v26.0/109283746501928/messages", &body));
        assert_eq!(error_code(&reply.answer), code, "{body}");
        assert!(reply.webhooks.is_empty());
    }
    let elsewhere = bench.call(&post("/v26.0/1/messages", &text("573005550117")));
    assert_eq!(error_code(&elsewhere.answer), 100);
    assert!(bench.double.arrivals().is_empty(), "nothing that was refused arrived");
    // Meta's own words, as the golden sample has them.
    let wrong_count = template("boleta_confirmada", "es_CO", json!(["a"]));
    let told: Value = bench.call(&post("/v26.0/109283746501928/messages", &wrong_count)).answer.parse().unwrap();
    let golden = &sample_json("errors.json")[2]["body"];
    assert_eq!(told["error"]["message"], golden["error"]["message"]);
}

#[test]
fn the_golden_sends_are_taken() {
    let mut bench = Bench::new(json!({}));
    let created = |bench: &mut Bench, body: &Value| {
        let reply = bench.call(&post("/v26.0/104839201177365/message_templates", body));
        assert_eq!(reply.answer.status, 200, "{:?}", reply.answer);
    };
    for name in ["template-create-utility.json", "template-create-auth.json", "template-create-marketing-named.json"] {
        created(&mut bench, &sample_json(name));
    }
    bench.later(61);
    bench.act("say", json!({ "phone": CAMILA, "text": "Hola" }));
    bench.act("say", json!({ "user_id": "CO.2093341187760915", "text": "Hola" }));
    for name in [
        "send-text.json",
        "send-text-to-bsuid.json",
        "send-template-positional-document.json",
        "send-template-auth-code.json",
        "send-interactive-buttons.json",
        "send-interactive-cta-url.json",
        "send-interactive-flow.json",
        "send-interactive-list.json",
        "send-image-link.json",
        "send-document-id.json",
        "send-location.json",
        "send-reaction.json",
    ] {
        let reply = bench.call(&post("/v26.0/109283746501928/messages", &sample_json(name)));
        assert_eq!(reply.answer.status, 200, "{name}: {:?}", reply.answer);
        assert_eq!(reply.webhooks.len(), 3, "{name}");
    }
    let to_bsuid = json!({ "messaging_product": "whatsapp", "recipient": "CO.2093341187760915",
        "type": "template", "template": sample_json("send-template-auth-code.json")["template"] });
    let reply = bench.call(&post("/v26.0/109283746501928/messages", &to_bsuid));
    assert_eq!(error_code(&reply.answer), 131_062);
}

#[test]
fn templates_are_made_listed_and_approved_later() {
    let mut bench = Bench::new(json!({}));
    let path = "/v26.0/104839201177365/message_templates";
    let utility = sample_json("template-create-utility.json");
    let reply = bench.call(&post(path, &utility));
    let made: Value = reply.answer.parse().unwrap();
    assert_eq!(made, sample_json("template-create-answer.json"));
    let approved = bench.only_fact(&reply.webhooks);
    assert_eq!(approved.event_type.as_deref(), Some("template.approved"));
    assert_eq!(approved.data["id"], made["id"]);
    let send = post("/v26.0/109283746501928/messages", &sample_json("send-template-positional-document.json"));
    assert_eq!(error_code(&bench.call(&send).answer), 132_001, "not approved yet");
    bench.later(60);
    assert_eq!(bench.call(&send).answer.status, 200);
    let again: Value = bench.call(&post(path, &utility)).answer.parse().unwrap();
    assert_eq!(again["error"]["error_subcode"], 2_388_024);
    let mut leading = utility.clone();
    leading["name"] = json!("otra");
    leading["components"][1]["text"] = json!("{{1}}, tu entrada está lista.");
    let answer = bench.call(&post(path, &leading)).answer;
    let golden = sample_json("template-create-error-leading-variable.json");
    assert_eq!(answer.parse::<Value>().unwrap(), golden["body"]);
    let list: Value = bench.call(&Request::get(format!("{path}?status=APPROVED&limit=1"))).answer.parse().unwrap();
    assert_eq!(list["data"][0]["name"], "entrada_confirmada");
    assert_eq!(list["data"][0]["components"], utility["components"]);
    let paused = bench.act("pause_template", json!({ "name": "entrada_confirmada" }));
    assert_eq!(bench.only_fact(&paused.webhooks).event_type.as_deref(), Some("template.paused"));
    assert_eq!(error_code(&bench.call(&send).answer), 132_015);
    let gone = Request::new("DELETE", format!("{path}?name=entrada_confirmada"));
    assert_eq!(bench.call(&gone).answer.status, 200);
    assert_eq!(error_code(&bench.call(&send).answer), 132_001);
}

#[test]
fn limits_are_counted_in_business_time() {
    let mut bench = Bench::new(json!({ "per_second": 3, "pair_burst": 1 }));
    let to = |n: usize| json!({ "to": format!("+5730055501{n:02}"), "text": "Hola" });
    let send = |bench: &mut Bench, n| bench.send("send_text", to(n), "k").outcome;
    for n in 0..3 {
        assert_eq!(send(&mut bench, n).name(), "done");
    }
    assert_eq!(send(&mut bench, 3).name(), "throttled", "a fourth within the second");
    bench.later(1);
    assert_eq!(send(&mut bench, 3).name(), "done");
    let Outcome::Throttled { scope, .. } = send(&mut bench, 0) else { panic!("same person too soon") };
    assert_eq!(scope, Scope::Effect);
    bench.later(5);
    assert_eq!(send(&mut bench, 0).name(), "done", "six seconds after the last one");
}

#[test]
fn a_wrong_token_is_refused_and_the_probe_tells_the_number() {
    let mut bench = Bench::new(json!({ "access_token": "EAAG-token-de-muestra" }));
    let probe = bench.connector.probe().unwrap();
    let facts: Value = bench.call(&probe).answer.parse().unwrap();
    assert_eq!(facts, sample_json("phone-number-answer.json"));
    let mut strange = Request::get("/v26.0/109283746501928");
    strange.headers.set("authorization", "Bearer otro");
    for request in [strange, Request::get("/v26.0/109283746501928")] {
        let answer = bench.double.handle(&request, bench.now).answer;
        assert_eq!((answer.status, error_code(&answer)), (401, 190));
        assert_eq!(answer.parse::<Value>().unwrap(), sample_json("errors.json")[7]["body"]);
    }
    let wrong_proof = Request::get("/v26.0/109283746501928?appsecret_proof=00");
    assert_eq!(error_code(&bench.call(&wrong_proof).answer), 100);
}

#[test]
fn wrong_commands_say_what_is_missing() {
    let mut bench = Bench::with_template();
    for (command, args, word) in [
        ("dance", json!({}), "say"),
        ("say", json!({ "phone": CAMILA }), "text"),
        ("say", json!({ "text": "Hola" }), "phone"),
        ("say", json!({ "phone": "Camila", "text": "Hola" }), "digits"),
        ("press", json!({ "phone": CAMILA, "payload": "x" }), "no message"),
        ("define_template", json!({ "name": "x" }), "body"),
        ("define_template", json!({ "name": "X y", "body": "Hola" }), "name"),
        ("pause_template", json!({ "name": "otra" }), "otra"),
    ] {
        let error = bench.double.act(command, &args, bench.now).unwrap_err();
        assert!(error.contains(word), "{command}: {error}");
    }
    let odd = Request::new("POST", "/v26.0/109283746501928/messages");
    assert_eq!(error_code(&bench.call(&odd).answer), 100);
}
