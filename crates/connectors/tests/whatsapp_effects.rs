//! What the hub asks of WhatsApp, byte for byte against the golden sends, and what it refuses to
//! ask.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use jiff::Timestamp;
use pasarela_connector::{
    AuthStep, Call, Connector, Ctx, Idempotency, Lane, Outcome, Provider, Repeat, SettledBy, Step,
};
use pasarela_connectors::whatsapp::WhatsApp;
use serde_json::{Value, json};
use std::time::Duration;
use support::{NOW, config, connector, sample_json};

fn ctx(key: &str, attempt: u32) -> Ctx<'_> {
    Ctx { now: Timestamp::from_second(NOW).unwrap(), key, attempt }
}

fn with_settings(settings: Value) -> Box<dyn Connector> {
    let mut config = config();
    config.settings = settings;
    WhatsApp.connect(config).unwrap()
}

#[allow(clippy::result_large_err)] // read by people, not measured
fn begin(connector: &dyn Connector, action: &str, input: Value, key: &str) -> Result<Call, Outcome> {
    match connector.begin(action, &[input], &ctx(key, 1)) {
        Step::Call(call) => Ok(call),
        Step::End(mut outcomes) => {
            assert_eq!(outcomes.len(), 1);
            Err(outcomes.remove(0))
        }
    }
}

fn body_of(call: &Call) -> Value {
    serde_json::from_slice(&call.request.body).unwrap()
}

#[test]
fn sends_are_those_of_the_golden_samples() {
    let settings = |languages: Value| json!({ "phone_number_id": "109283746501928", "languages": languages });
    let cases = [
        (
            "send-text.json",
            "send_text",
            json!({
                "to": "+573005550117",
                "text": "Hola Camila, tu cambio de talla quedó registrado. Te esperamos en el punto de acreditación 2.",
                "reply_to": "wamid.HQJJTi0wMDAx",
            }),
            json!({}),
        ),
        (
            "send-template-positional-document.json",
            "send_template",
            json!({
                "to": "+573005550117",
                "template": "entrada_confirmada",
                "language": "es",
                "params": ["Camila", "Pasarela Hilo Caribe", "12 de marzo de 2027, 7:00 p. m."],
                "header": { "document": {
                    "link": "https://entradas.hilocaribe.example/t/PSL-7Q2KD.pdf",
                    "filename": "Entrada PSL-7Q2KD.pdf",
                } },
                "buttons": [{ "url": "PSL-7Q2KD" }, { "payload": "CAMBIO_TALLA:PSL-7Q2KD" }],
            }),
            json!({}),
        ),
        (
            "send-template-named.json",
            "send_template",
            json!({
                "to": "+573005550117",
                "template": "recordatorio_evento",
                "language": "es",
                "params": { "nombre": "Camila", "evento": "Feria Telar Vivo", "lugar": "Plaza Mayor,\n Medellín" },
            }),
            json!({ "es": "es" }),
        ),
        (
            "send-template-image-coupon.json",
            "send_template",
            json!({
                "to": "+573005550117",
                "template": "preventa_coleccion",
                "language": "es-CO",
                "params": ["Camila", "Sombra de Ceiba"],
                "header": { "image": { "id": "1938472650112233" } },
                "buttons": [{ "coupon": "CEIBA15" }, { "payload": "OPTOUT:MARKETING" }],
            }),
            json!({}),
        ),
        (
            "send-template-auth-code.json",
            "send_template",
            json!({
                "to": "+573005550117",
                "template": "codigo_acceso",
                "language": "es",
                "params": [482_913],
                "buttons": [{ "url": "482913" }],
            }),
            json!({ "es": "es" }),
        ),
    ];
    for (name, action, input, languages) in cases {
        let mut golden = sample_json(name);
        let key = golden["biz_opaque_callback_data"].as_str().unwrap_or("psl_msg").to_owned();
        // The hub's key stands in every send, whether or not the sample has one.
        golden["biz_opaque_callback_data"] = json!(key);
        let call = begin(&*with_settings(settings(languages)), action, input, &key).unwrap();
        assert_eq!(body_of(&call), golden, "{name}");
        assert_eq!(call.request.method, "POST");
        assert_eq!(call.request.url, "https://graph.facebook.com/v26.0/109283746501928/messages");
        assert_eq!(call.repeat, Repeat::Never, "{name}");
        let state = call.state.to_string();
        assert!(!state.contains("57300") && !state.contains("Camila"), "{state}");
    }
}

#[test]
fn a_person_without_a_phone_is_written_to_by_user_id() {
    let mut golden = sample_json("send-text-to-bsuid.json");
    golden["text"]["preview_url"] = json!(false);
    let input = json!({
        "to": null,
        "recipient": "CO.2093341187760915",
        "text": "Hola Valentina, sí hay cupo en el taller de tejido en telar.",
    });
    let call = begin(&*connector(), "send_text", input, "psl_msg_01JF8Q2V4N").unwrap();
    assert_eq!(body_of(&call), golden);
    let both = json!({ "to": "+573005550117", "recipient": "CO.2093341187760915", "text": "Hola" });
    let body = body_of(&begin(&*connector(), "send_text", both, "k").unwrap());
    assert_eq!(body["to"], "573005550117");
    assert!(body.get("recipient").is_none(), "the phone goes before the user id");
}

#[test]
fn marketing_takes_the_other_door_only_where_both_sides_say_so() {
    let mut golden = sample_json("marketing-messages-send.json");
    golden["biz_opaque_callback_data"] = json!("k");
    let input = |marketing| json!({ "to": "+573005550117", "template": "preventa_coleccion", "language": "es", "marketing": marketing });
    let door = |endpoint| with_settings(json!({ "phone_number_id": "1092", "marketing_endpoint": endpoint }));
    let call = begin(&*door(true), "send_template", input(true), "k").unwrap();
    assert!(call.request.url.ends_with("/1092/marketing_messages"));
    assert_eq!(body_of(&call), golden);
    for (endpoint, marketing) in [(true, false), (false, true)] {
        let call = begin(&*door(endpoint), "send_template", input(marketing), "k").unwrap();
        assert!(call.request.url.ends_with("/1092/messages"));
        assert!(body_of(&call).get("product_policy").is_none());
    }
}

#[test]
fn marking_as_read_may_be_repeated() {
    let input = json!({ "message_id": "wamid.HQJJTi0wMDAx", "typing": true });
    let call = begin(&*connector(), "mark_read", input, "k").unwrap();
    assert_eq!(body_of(&call), sample_json("mark-read-typing.json"));
    assert_eq!(call.repeat, Repeat::Safe);
}

#[test]
fn inputs_that_meta_would_refuse_are_not_sent() {
    let template = |more: Value| {
        let mut input = json!({ "to": "+573005550117", "template": "boleta", "language": "es" });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        input
    };
    let cases = [
        ("send_template", template(json!({ "params": ["Camila", null] })), "params[1]"),
        ("send_template", template(json!({ "params": { "nombre": "\t" } })), "params.nombre"),
        ("send_template", template(json!({ "params": [["Camila"]] })), "params[0]"),
        ("send_template", template(json!({ "header": {} })), "header"),
        ("send_template", template(json!({ "header": { "image": { "link": "http://x.example/a.jpg" } } })), "https"),
        (
            "send_template",
            template(json!({ "header": { "image": { "link": "https://x.example/a", "id": "1" } } })),
            "either",
        ),
        ("send_template", template(json!({ "buttons": [{}] })), "buttons[0]"),
        ("send_template", template(json!({ "buttons": [{ "coupon": "CEIBA 15" }] })), "coupon"),
        ("send_template", template(json!({ "buttons": [{ "payload": "x".repeat(129) }] })), "payload"),
        ("send_template", template(json!({ "to": "573005550117" })), "to:"),
        ("send_text", json!({ "to": "+573005550117", "text": "x".repeat(4097) }), "4097"),
        ("send_text", json!("Hola"), ""),
        ("mark_read", json!({ "message_id": " " }), "message_id"),
    ];
    for (action, input, word) in cases {
        match begin(&*connector(), action, input.clone(), "k") {
            Err(Outcome::GiveUp { code, why }) => {
                assert_eq!(code, "invalid_input");
                assert!(why.contains(word), "{why} should name {word}");
            }
            other => panic!("{input}: {other:?}"),
        }
    }
    let nobody = json!({ "to": null, "text": "Hola" });
    let Err(Outcome::GiveUp { code, .. }) = begin(&*connector(), "send_text", nobody, "k") else { panic!() };
    assert_eq!(code, "no_recipient");
    assert_eq!(begin(&*connector(), "send_fax", json!({}), "k").unwrap_err().name(), "give_up");
}

#[test]
fn missing_settings_are_a_state_that_a_person_mends() {
    let bare = with_settings(json!({}));
    let input = json!({ "to": "+573005550117", "text": "Hola" });
    assert_eq!(begin(&*bare, "send_text", input, "k").unwrap_err().name(), "needs_human");
    assert_eq!(bare.probe(), None);
    let mut config = config();
    config.credentials.clear();
    let connector = WhatsApp.connect(config).unwrap();
    assert!(matches!(authenticate(connector.as_ref(), &ctx("k", 1)), AuthStep::Refused(_)));
}

#[test]
fn the_token_is_a_header_and_the_proof_goes_with_every_call() {
    let AuthStep::Ready(auth) = authenticate(connector().as_ref(), &ctx("k", 1)) else { panic!() };
    assert_eq!(auth.headers, [("authorization".to_owned(), "Bearer EAAG-token-de-muestra".to_owned())]);
    let connector = with_settings(json!({ "phone_number_id": "1092", "appsecret_proof": true }));
    let input = json!({ "to": "+573005550117", "text": "Hola" });
    let call = begin(&*connector, "send_text", input, "k").unwrap();
    let (_, proof) = call.request.url.split_once("?appsecret_proof=").unwrap();
    assert_eq!(proof.len(), 64);
    assert!(connector.probe().unwrap().url.contains(proof));
    assert!(!format!("{call:?}").contains("token-de-muestra"));
}

#[test]
fn the_manifest_says_what_sends_promise() {
    let provider = WhatsApp;
    let manifest = provider.manifest();
    assert!(manifest.tasks.is_empty() && manifest.no_history.is_some());
    for name in ["send_template", "send_text"] {
        let action = manifest.action(name).unwrap();
        assert_eq!(action.idempotency, Idempotency::Correlated { within: Duration::from_secs(120) });
        assert_eq!(action.settled_by, SettledBy::Status { timeout: Duration::from_secs(86_400) });
        assert_eq!(action.lane, Lane::Input("/to"));
        assert_eq!(action.lane_gap, Some(Duration::from_secs(6)));
        assert!(action.message.is_some());
    }
    let read = manifest.action("mark_read").unwrap();
    assert_eq!((read.idempotency, read.message), (Idempotency::ClientId, None));
    assert!(manifest.events.iter().all(|e| pasarela_domain::is_canonical(e)));
}

/// By the manifest's auth kind, as the engine does it.
fn authenticate(connector: &dyn Connector, ctx: &Ctx<'_>) -> AuthStep {
    pasarela_connector::auth::begin(WhatsApp.manifest(), connector, None, ctx)
}
