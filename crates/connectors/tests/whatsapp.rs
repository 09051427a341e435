//! The WhatsApp connector at its border: the conformance suite, signatures, the challenge, and
//! settings.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use jiff::Timestamp;
use pasarela_connector::testkit::{self, ActionSample, Fixture, WebhookSample};
use pasarela_connector::{Answer, ConnectionConfig, Provider, RawRequest, Verdict};
use pasarela_connectors::whatsapp::WhatsApp;
use serde_json::json;
use support::{NOW, WEBHOOKS, config, sample, sample_json, signature_of, verify};

#[test]
fn conformance() {
    let webhooks = WEBHOOKS
        .iter()
        .map(|(name, events)| WebhookSample {
            name: (*name).to_owned(),
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("x-hub-signature-256".to_owned(), signature_of(name)),
            ],
            signature_header: "x-hub-signature-256",
            body: sample(name),
            events: events.to_vec(),
        })
        .collect();
    let answer = |name: &str| Answer::json(200, &sample_json(name));
    let error = |status, code| Answer::json(status, &json!({ "error": { "code": code } }));
    let hidden = Answer::json(200, &json!({ "error": { "code": 131_026, "error_data": "no" } }));
    let refusals = || {
        vec![
            (error(400, 131_026), "give_up"),
            (error(400, 131_047), "give_up"),
            (hidden.clone(), "give_up"),
            (error(400, 130_429), "throttled"),
            (error(400, 131_056), "throttled"),
            (error(401, 190), "needs_human"),
            (error(403, 368), "needs_human"),
            (error(503, 131_016), "provider_down"),
            (error(400, 777_777), "retry"),
            (Answer::text(502, "<html>Bad Gateway</html>"), "provider_down"),
            (Answer::json(200, &json!({ "messages": [] })), "unknown"),
        ]
    };
    let fixture = Fixture {
        provider: Box::new(WhatsApp),
        config: config(),
        now: Timestamp::from_second(NOW).unwrap(),
        webhooks,
        actions: vec![
            ActionSample {
                action: "send_template",
                input: json!({
                    "to": "+573005550117",
                    "template": "boleta_confirmada",
                    "language": "es",
                    "params": ["Camila", "Pasarela Hilo Caribe"],
                }),
                done: answer("answer-accepted.json"),
                judged: refusals(),
                refused: vec![
                    json!({}),
                    json!({ "to": null, "template": "boleta", "language": "es" }),
                    json!({ "to": "300 555 0117", "template": "boleta", "language": "es" }),
                    json!({ "to": "+573005550117", "template": "Boleta!", "language": "es" }),
                    json!({ "to": "+573005550117", "template": "boleta", "language": "español" }),
                    json!({ "to": "+573005550117", "template": "boleta", "language": "es",
                            "params": ["Camila", " \n "] }),
                    json!({ "to": "+573005550117", "template": "boleta", "language": "es",
                            "parms": ["Camila"] }),
                ],
            },
            ActionSample {
                action: "send_text",
                input: json!({ "recipient": "CO.2093341187760915", "text": "Sí hay cupo." }),
                done: answer("answer-to-bsuid.json"),
                judged: refusals(),
                refused: vec![
                    json!({ "to": "+573005550117" }),
                    json!({ "to": "+573005550117", "text": "" }),
                    json!({ "text": "¿Quién?" }),
                    json!({ "recipient": "Valentina", "text": "Hola" }),
                ],
            },
            ActionSample {
                action: "mark_read",
                input: json!({ "message_id": "wamid.HQJJTi0wMDAx", "typing": true }),
                done: Answer::json(200, &json!({ "success": true })),
                judged: vec![
                    (error(400, 131_009), "give_up"),
                    (Answer::json(200, &json!({ "success": false })), "give_up"),
                    (error(500, 2), "provider_down"),
                ],
                refused: vec![json!({}), json!({ "message_id": "" })],
            },
        ],
    };
    testkit::check(&fixture);
}

#[test]
fn every_golden_signature_is_verified_and_a_changed_byte_is_not() {
    let signatures = sample_json("_signatures.json");
    let files = signatures["files"].as_object().unwrap();
    assert_eq!(files.len(), WEBHOOKS.len(), "each sample stands in the list");
    for (name, signature) in files {
        let body = sample(name);
        let signature = signature.as_str().unwrap();
        let authentic = Verdict::Authentic { replay_key: None };
        assert_eq!(verify("POST", "", Some(signature), &body), authentic, "{name}");
        let mut changed = body.clone();
        changed[10] ^= 1;
        for (signature, body) in [
            (Some(signature), changed.as_slice()),
            (None, &body),
            (signature.strip_prefix("sha256="), &body),
            (Some(&signature[..signature.len() - 2]), &body),
            (Some("sha256="), &body),
            (Some("sha256=zz"), &body),
        ] {
            let verdict = verify("POST", "", signature, body);
            assert!(matches!(verdict, Verdict::Forged(_)), "{name} {signature:?}: {verdict:?}");
        }
    }
}

#[test]
fn without_an_app_secret_nothing_is_believed() {
    let connector = WhatsApp.connect(ConnectionConfig::bare("bare", "whatsapp")).unwrap();
    let signature = signature_of("webhook.text.json");
    let request =
        RawRequest { method: "POST", query: "", header: &|_| Some(&signature), body: &sample("webhook.text.json") };
    assert!(matches!(connector.verify(&request, Timestamp::UNIX_EPOCH), Verdict::Forged(_)));
}

#[test]
fn the_challenge_is_answered_only_to_the_right_word() {
    let golden = sample_json("webhook-verification.json");
    let request = golden["request"].as_str().unwrap();
    let query = request.split_once('?').unwrap().1;
    let reply = |query: &str| match verify("GET", query, None, b"") {
        Verdict::Reply(answer) => (answer.status, answer.body, answer.headers),
        other => panic!("{other:?}"),
    };
    let (status, body, headers) = reply(query);
    assert_eq!(status, 200);
    assert_eq!(body, golden["answer"]["body"].as_str().unwrap().as_bytes());
    assert!(headers.get("content-type").unwrap().starts_with("text/plain"));
    for wrong in [
        query.replace("muestra-verify", "otra"),
        query.replace("subscribe", "unsubscribe"),
        query.replace("hub.challenge=1158201444&", ""),
        query.replace("1158201444", "%3Cscript%3E"),
        String::new(),
    ] {
        assert_eq!(reply(&wrong).0, 403, "{wrong}");
    }
}

#[test]
fn wrong_settings_say_what_to_write() {
    for (settings, word) in [
        (json!({ "phone_number_id": "+57 601" }), "phone_number_id"),
        (json!({ "graph_version": "26" }), "v26.0"),
        (json!({ "languages": { "es": "spanish" } }), "es_CO"),
        (json!({ "phone_id": "1" }), "phone_id"),
    ] {
        let mut config = config();
        config.settings = settings;
        let error = WhatsApp.connect(config).err().unwrap().to_string();
        assert!(error.contains(word) && error.contains("[connections.guests]"), "{error}");
    }
}
