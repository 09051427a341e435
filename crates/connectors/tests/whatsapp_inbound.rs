//! What WhatsApp's webhooks say in the hub's words, told by Meta's golden samples.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use pasarela_connector::{Correlation, Dedup, Fact, Item, Settlement, Source};
use serde_json::{Value, json};
use support::{WEBHOOKS, connector, sample, sample_json};

fn translate(body: &[u8]) -> Vec<Item> {
    connector().translate(Source::Webhook, body).unwrap().items
}

fn facts(name: &str) -> Vec<Fact> {
    translate(&sample(name))
        .into_iter()
        .map(|item| match item {
            Item::Fact(fact) => *fact,
            other => panic!("{name}: {other:?}"),
        })
        .collect()
}

fn fact(name: &str) -> Fact {
    let mut facts = facts(name);
    assert_eq!(facts.len(), 1, "{name}");
    facts.remove(0)
}

#[test]
fn every_golden_webhook_translates() {
    for (name, events) in WEBHOOKS {
        let mut found = Vec::new();
        for item in translate(&sample(name)) {
            match item {
                Item::Fact(fact) => {
                    assert!(fact.occurred_at.is_some(), "{name}: when?");
                    found.push(fact.event_type.unwrap());
                }
                Item::Ignored { kind } => assert!(!kind.is_empty(), "{name}"),
                Item::Unread { kind, why } => panic!("{name}: {kind}: {why}"),
            }
        }
        assert_eq!(found, *events, "{name}");
    }
}

#[test]
fn a_text_is_told_whole() {
    let fact = fact("webhook.text.json");
    assert_eq!(fact.key, "chat:CO.1502576394655843");
    assert_eq!(
        fact.dedup,
        Dedup::Once {
            kind: "message.received".into(),
            entity: "wamid.HQJJTi0wMDAx".into(),
            discriminator: String::new(),
        }
    );
    assert_eq!(fact.occurred_at.unwrap().as_second(), 1_796_212_810);
    assert_eq!(
        fact.data,
        json!({
            "id": "wamid.HQJJTi0wMDAx",
            "channel": "whatsapp",
            "sender": "+576015550199",
            "contact": {
                "name": "Camila Restrepo", "first_name": "", "last_name": "",
                "email": null, "phone": "+573005550117", "language": null,
            },
            "channel_user_id": "CO.1502576394655843",
            "kind": "text",
            "text": "Hola, ¿puedo cambiar la talla de mi kit? Soy talla M 😊",
            "payload": null,
            "reply_to": null,
            "media_id": null,
            "error_code": null,
            "error": null,
        })
    );
}

#[test]
fn a_person_without_a_phone_is_known_by_user_id() {
    let fact = fact("webhook.text-username-no-phone.json");
    assert_eq!(fact.key, "chat:CO.2093341187760915");
    assert_eq!(fact.data["contact"]["phone"], Value::Null);
    assert_eq!(fact.data["contact"]["name"], "Valentina Ríos");
    assert_eq!(fact.data["channel_user_id"], "CO.2093341187760915");
}

#[test]
fn all_taps_look_the_same() {
    for (name, payload, text, reply_to) in [
        (
            "webhook.button-template-quick-reply.json",
            "CAMBIO_TALLA:PSL-7Q2KD",
            "Cambiar talla",
            "wamid.HQJPVVQtMDAwMQ==",
        ),
        ("webhook.interactive-button-reply.json", "rsvp:si:TLV-22", "Sí, voy", "wamid.HQJPVVQtMDAwNA=="),
        ("webhook.interactive-list-reply.json", "slot:12-1100", "11:00 a. m.", "wamid.HQJPVVQtMDAwNQ=="),
    ] {
        let data = fact(name).data;
        assert_eq!(data["kind"], "button", "{name}");
        assert_eq!(data["payload"], payload, "{name}");
        assert_eq!(data["text"], text, "{name}");
        assert_eq!(data["reply_to"], reply_to, "{name}");
    }
}

#[test]
fn other_kinds_keep_what_a_flow_can_use() {
    let image = fact("webhook.image.json").data;
    assert_eq!((&image["kind"], &image["text"]), (&json!("image"), &json!("Este es el vestido")));
    assert_eq!(image["media_id"], "1938472650999001");
    let place = fact("webhook.location.json").data;
    assert_eq!(place["text"], "Corferias, Carrera 37 # 24-67, Bogotá");
    assert_eq!(place["payload"], "geo:4.648283,-74.090813");
    let reaction = fact("webhook.reaction.json").data;
    assert_eq!((&reaction["text"], &reaction["reply_to"]), (&json!("❤️"), &json!("wamid.HQJPVVQtMDAwMQ==")));
    let form = fact("webhook.interactive-flow-reply.json").data;
    assert_eq!(form["kind"], "form");
    let answers: Value = serde_json::from_str(form["payload"].as_str().unwrap()).unwrap();
    assert_eq!(answers["medio"], "Revista Urdimbre");
    let order = fact("webhook.order.json").data;
    let cart: Value = serde_json::from_str(order["payload"].as_str().unwrap()).unwrap();
    assert_eq!(cart["product_items"][1]["item_price"].to_string(), "129950.5");
    let unsupported = fact("webhook.unsupported.json").data;
    assert_eq!((&unsupported["kind"], &unsupported["error_code"]), (&json!("unsupported"), &json!("131051")));
}

#[test]
fn statuses_settle_by_our_key_then_by_the_wamid() {
    for (name, settlement) in [
        ("webhook.status-sent.json", Settlement::Accepted),
        ("webhook.status-delivered.json", Settlement::Delivered),
        ("webhook.status-read-without-delivered.json", Settlement::Delivered),
    ] {
        assert_eq!(fact(name).settles.unwrap().settlement, settlement, "{name}");
    }
    let sent = fact("webhook.status-sent.json");
    assert_eq!(
        sent.settles.unwrap().by,
        [Correlation::Key("psl_msg_01JF8Q2V5P".into()), Correlation::Reference("wamid.HQJPVVQtMDAwMQ==".into()),]
    );
    assert_eq!(
        sent.dedup,
        Dedup::Once {
            kind: "message.sent".into(),
            entity: "wamid.HQJPVVQtMDAwMQ==".into(),
            discriminator: "sent:573005550117".into(),
        }
    );
    let bsuid = fact("webhook.status-delivered-to-bsuid.json");
    assert_eq!(bsuid.key, "chat:CO.2093341187760915");
    assert_eq!(bsuid.data["contact"]["phone"], Value::Null);
}

#[test]
fn a_failure_names_code_and_person_without_contacts() {
    let fact = fact("webhook.status-failed-131047.json");
    assert_eq!(fact.data["contact"]["phone"], "+573125550164");
    assert_eq!(fact.data["error_code"], "131047");
    let Settlement::Failed { code, why } = fact.settles.unwrap().settlement else { panic!() };
    assert_eq!(code, "131047");
    assert!(why.contains("only a template may be sent"), "{why}");
}

#[test]
fn an_opt_out_that_shows_only_in_a_failure_is_a_withdrawal() {
    let facts = facts("webhook.status-failed-131050.json");
    assert_eq!(facts[1].data["contact"]["phone"], "+573125550164");
    assert_eq!(facts[1].data["purpose"], "marketing");
    assert!(facts[1].settles.is_none());
}

#[test]
fn preferences_are_consents_of_that_number_and_person() {
    let given = fact("webhook.user-preferences-resume.json");
    assert_eq!(
        given.dedup,
        Dedup::Once {
            kind: "consent.given".into(),
            entity: "109283746501928:CO.1849920375510264".into(),
            discriminator: "marketing_messages:resume:1796213200".into(),
        }
    );
    assert_eq!(given.data["contact"]["name"], "Julián Ospina");
    let body = String::from_utf8(sample("webhook.user-preferences-resume.json")).unwrap();
    let kinds = |body: String| -> Vec<String> {
        let name = |item| match item {
            Item::Fact(fact) => fact.event_type.unwrap(),
            Item::Ignored { kind } => format!("ignored {kind}"),
            Item::Unread { kind, .. } => format!("unread {kind}"),
        };
        translate(body.as_bytes()).into_iter().map(name).collect()
    };
    assert_eq!(kinds(body.replace("\"resume\"", "\"stop\"")), ["consent.withdrawn"]);
    assert_eq!(kinds(body.replace("\"resume\"", "\"signup\"")), ["ignored user_preferences.marketing_messages.signup"]);
    // Without any time a third choice would pass for the first: it is kept aside instead.
    let timeless = body.replace("\"timestamp\"", "\"stamp\"").replace("\"time\"", "\"when\"");
    assert_eq!(kinds(timeless), ["unread user_preferences"]);
}

#[test]
fn templates_keep_their_id_and_the_useful_reason() {
    let approved = fact("webhook.template-approved.json");
    assert_eq!(approved.key, "template:1689556908129832");
    assert_eq!(approved.data["reason"], Value::Null, "NONE is no reason");
    let paused = fact("webhook.template-paused.json");
    assert_eq!(paused.data["name"], "preventa_coleccion");
    assert!(paused.data["reason"].as_str().unwrap().contains("3 hours"));
    assert_eq!(
        paused.dedup,
        Dedup::Once {
            kind: "template.paused".into(),
            entity: "1689556908129990".into(),
            discriminator: "PAUSED:1796213100".into(),
        }
    );
}

#[test]
fn one_strange_part_does_not_spoil_the_others() {
    let text: Value = sample_json("webhook.text.json");
    let mut body = text.clone();
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value["messages"] = json!([
        { "id": "wamid.1", "type": "text", "from": "573005550117", "text": 7 },
        { "type": "text", "from": "573005550117" },
        { "id": "wamid.2", "type": "hologram", "from": "", "from_user_id": "CO.77" },
        { "id": "wamid.3", "type": "text", "timestamp": "x", "text": { "body": "hola" } },
        text["entry"][0]["changes"][0]["value"]["messages"][0],
    ]);
    value["contacts"] = json!([7, { "profile": null }, { "wa_id": "573005550117", "profile": { "name": "Camila" } }]);
    let changes = body["entry"][0]["changes"].as_array_mut().unwrap();
    changes.extend([json!({ "field": "smb_app_state_sync", "value": [] }), json!("change")]);
    body["entry"].as_array_mut().unwrap().push(json!(1));
    let told: Vec<String> = translate(body.to_string().as_bytes())
        .into_iter()
        .map(|item| match item {
            Item::Fact(f) => format!("{} {}", f.data["kind"].as_str().unwrap(), f.data["contact"]["name"]),
            Item::Ignored { kind } => format!("ignored {kind}"),
            Item::Unread { kind, .. } => format!("unread {kind}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "unread message text",
            "unread message text",
            "hologram \"\"",
            "unread message text",
            "text \"Camila\"",
            "ignored smb_app_state_sync",
            "unread change",
            "unread entry",
        ]
    );
}

#[test]
fn bodies_that_are_not_whatsapps_are_quarantined() {
    for body in ["", "[]", "{}", r#"{"object":"page","entry":[]}"#, r#"{"object":"whatsapp_business_account"}"#] {
        assert!(connector().translate(Source::Webhook, body.as_bytes()).is_err(), "{body}");
    }
    let odd = json!({ "object": "whatsapp_business_account", "entry": [
        { "id": "1", "changes": [{ "field": "messages", "value": {} }] }] });
    assert!(matches!(translate(odd.to_string().as_bytes()).as_slice(), [Item::Unread { .. }]));
}
