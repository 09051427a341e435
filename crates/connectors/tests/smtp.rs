//! `smtp` through the conformance suite, and what is its own: the message as other programs read it.

use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _};
use pasarela_connector::testkit::{ActionSample, Fixture, WebhookSample, check};
use pasarela_connector::{
    ConnectionConfig, Connector, Ctx, Environment, Item, Outcome, Provider, Repeat, Request, SimConfig, Source, Step,
    mail, sign,
};
use pasarela_connectors::smtp::Smtp;
use pasarela_domain::Secret;
use serde_json::{Value, json};

const SECRET: &str = "palabra-de-la-tuberia";

fn now() -> Timestamp {
    "2026-11-26T15:00:00Z".parse().unwrap()
}

fn config() -> ConnectionConfig {
    let mut config = ConnectionConfig::bare("correo", "smtp");
    config.base_url = Some("smtp://smtp.fashionistas.example:587".into());
    config.webhook_secrets = vec![Secret::new(SECRET)];
    config.settings = json!({
        "from": "Fashionistas <boletas@fashionistas.example>",
        "bounces": "rebotes@fashionistas.example",
        "unsubscribe": "mailto:bajas@fashionistas.example?subject=baja",
    });
    for (name, value) in [("username", "boletas"), ("password", "una-clave-larga")] {
        config.credentials.insert(name.into(), Secret::new(value));
    }
    config
}

fn connect(config: ConnectionConfig) -> Box<dyn Connector> {
    Smtp.connect(config).unwrap()
}

fn ticket() -> Value {
    json!({
        "code": "A-7KQ2M9X", "status": "active", "title": "VIP",
        "link": "https://boletas.fashionistas.example/b/P1ABC", "qr": "A-7KQ2M9X",
        "seller": "Fashionistas S.A.S., NIT 900.123.456-8",
        "holder": { "name": "Valentina Arango Ñustes" },
    })
}

fn show() -> Value {
    json!({ "title": "Raíz y Seda", "starts_at": "2026-11-28T00:00:00Z",
        "venue": { "name": "Plaza Mayor", "address": "Calle 41 # 55-80", "city": "Medellín" } })
}

fn boleta(language: &str) -> Value {
    json!({
        "to": "Valentina.Arango@correo.example", "template": "boleta", "language": language,
        "ticket": ticket(), "show": show(), "order": { "number": "O-3F9LX0C" },
        "attach": ["ticket_pdf", "ticket_image", "calendar"],
    })
}

fn sample(name: &str, events: Vec<&'static str>) -> WebhookSample {
    let path = format!("{}/tests/fixtures/smtp/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    let body = std::fs::read(path).unwrap();
    let mac = sign::hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
    WebhookSample {
        name: name.into(),
        headers: vec![("x-pasarela-signature".into(), format!("sha256={mac}"))],
        signature_header: "x-pasarela-signature",
        body,
        events,
    }
}

#[test]
fn conformance() {
    let action = |input: Value, refused: Vec<Value>| ActionSample {
        action: "send",
        input,
        done: mail::reply("message", 250, ""),
        judged: vec![
            (mail::reply("message", 500, "what?"), "give_up"),
            (mail::reply("message", 502, "5.5.1 not implemented"), "give_up"),
            (mail::reply("rcpt", 503, "5.5.1 bad sequence"), "give_up"),
            (mail::reply("message", 429, "no such code"), "retry"),
            (mail::reply("message", 401, "no such code"), "retry"),
            (mail::reply("auth", 535, "5.7.8 no"), "auth_expired"),
            (mail::reply("rcpt", 550, "5.1.1 no such user"), "target_gone"),
        ],
        refused,
    };
    check(&Fixture {
        provider: Box::new(Smtp),
        config: config(),
        now: now(),
        webhooks: vec![
            sample("returned-postfix", vec!["email.bounced"]),
            sample("returned-full", vec!["email.bounced"]),
            sample("delivered", vec!["email.delivered"]),
            sample("complaint", vec!["email.complained"]),
            sample("leaving", vec!["email.unsubscribed"]),
            sample("somebody-writes", vec![]),
        ],
        actions: vec![
            action(
                boleta("es"),
                vec![
                    json!({ "to": null, "template": "boleta", "ticket": ticket(), "show": show() }),
                    json!({ "to": "nadie", "subject": "x", "text": "y" }),
                    json!({ "to": "a@b.example", "template": "boleta", "show": show() }),
                    json!({ "to": "a@b.example", "template": "boleta", "ticket": ticket() }),
                    json!({ "to": "a@b.example", "template": "boleta", "subject": "x", "ticket": ticket(), "show": show() }),
                    json!({ "to": "a@b.example", "template": "factura" }),
                    json!({ "to": "a@b.example", "subject": "x" }),
                    json!({ "to": "a@b.example", "subject": "x", "text": "y", "attach": ["ticket_pdf"] }),
                    json!({ "to": "a@b.example\r\nBcc: c@d.example", "subject": "x", "text": "y" }),
                ],
            ),
            action(json!({ "to": "a@b.example", "subject": "Hola", "text": "Una línea." }), vec![]),
        ],
    });
}

fn begin(config: ConnectionConfig, input: &Value, key: &str) -> Step {
    connect(config).begin("send", std::slice::from_ref(input), &Ctx { now: now(), key, attempt: 1 })
}

fn request(input: &Value) -> Request {
    match begin(config(), input, "eff_0123456789abc") {
        Step::Call(call) => {
            assert_eq!(call.repeat, Repeat::Never, "SMTP knows no message again");
            call.request
        }
        Step::End(outcomes) => panic!("{outcomes:?}"),
    }
}

#[test]
fn a_ticket_by_mail_is_read_by_another_program_as_it_was_meant() {
    for (language, subject, says) in [
        ("es", "Tu boleta para Raíz y Seda", "Cuándo: viernes 27 de noviembre, 7:00 p. m."),
        ("en", "Your ticket for Raíz y Seda", "When: Friday, November 27, 7:00 PM"),
    ] {
        let request = request(&boleta(language));
        assert_eq!(request.url, "smtp://smtp.fashionistas.example:587");
        assert_eq!(
            request.headers.get(mail::FROM),
            Some("rebotes@fashionistas.example"),
            "what comes back, comes there"
        );
        assert_eq!(request.headers.get(mail::TO), Some("valentina.arango@correo.example"));
        assert!(request.body.is_ascii(), "every server takes it");
        let message = MessageParser::default().parse(&request.body).unwrap();
        assert_eq!(message.subject(), Some(subject));
        assert_eq!(message.message_id(), Some("eff_0123456789abc@fashionistas.example"));
        assert_eq!(message.header("Auto-Submitted").and_then(|v| v.as_text()), Some("auto-generated"));
        assert!(message.header("List-Unsubscribe").is_none(), "a ticket is no advertising");
        let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
        for part in [says, "Plaza Mayor, Calle 41 # 55-80, Medellín", "Valentina Arango Ñustes", "A-7KQ2M9X"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(html.contains("https://boletas.fashionistas.example/b/P1ABC") && !html.contains("<script"));
        assert!(!html.contains("src=") && !html.contains("url("), "nothing is fetched from elsewhere");
        let files: Vec<(String, String)> = message
            .attachments()
            .map(|a| {
                let kind = a.content_type().unwrap();
                (a.attachment_name().unwrap().to_owned(), format!("{}/{}", kind.ctype(), kind.subtype().unwrap()))
            })
            .collect();
        let stem = if language == "es" { "boleta" } else { "ticket" };
        let expected = [("pdf", "application/pdf"), ("png", "image/png"), ("ics", "text/calendar")]
            .map(|(end, kind)| (format!("{stem}-A-7KQ2M9X.{end}"), kind.to_owned()));
        assert_eq!(files, expected);
        assert!(message.attachment(0).unwrap().contents().starts_with(b"%PDF-"));
    }
}

#[test]
fn the_same_effect_gives_the_same_bytes_and_another_one_another_message_id() {
    assert_eq!(request(&boleta("es")), request(&boleta("es")));
    let Step::Call(other) = begin(config(), &boleta("es"), "eff_0123456789abc.2") else { panic!() };
    let message = MessageParser::default().parse(&other.request.body).unwrap();
    assert_eq!(message.message_id(), Some("eff_0123456789abc.2@fashionistas.example"));
}

#[test]
fn what_a_person_typed_never_becomes_a_header_or_markup() {
    let input = json!({
        "to": "a@b.example", "subject": "Hola\r\nBcc: todos@b.example", "text": "<b>uno</b> & dos\n\nhttps://x.example/a?b=1&c=\"2",
    });
    let request = request(&input);
    let message = MessageParser::default().parse(&request.body).unwrap();
    assert_eq!(message.subject(), Some("Hola Bcc: todos@b.example"));
    assert!(message.bcc().is_none());
    let html = message.body_html(0).unwrap();
    assert!(html.contains("&lt;b&gt;uno&lt;/b&gt; &amp; dos") && !html.contains("c=\"2"), "{html}");
}

#[test]
fn advertising_offers_a_way_out_or_is_not_sent() {
    let mut input = json!({ "to": "a@b.example", "subject": "Nueva colección", "text": "Mira.", "marketing": true });
    let sent = request(&input);
    let message = MessageParser::default().parse(&sent.body).unwrap();
    let way = message.header_raw("List-Unsubscribe").unwrap().trim();
    assert_eq!(way, "<mailto:bajas@fashionistas.example?subject=baja>");
    assert!(message.body_text(0).unwrap().contains("bajas@fashionistas.example"), "who reads it sees it too");
    input["unsubscribe"] = json!("https://fashionistas.example/baja/1");
    let sent = request(&input);
    let message = MessageParser::default().parse(&sent.body).unwrap();
    assert_eq!(message.header_raw("List-Unsubscribe-Post").unwrap().trim(), "List-Unsubscribe=One-Click");
    assert!(message.body_text(0).unwrap().contains("https://fashionistas.example/baja/1"));
    // HTML of the flow's own carries it as well, and once.
    for html in [
        "<html><body><p>Mira.</p></BODY></html>",
        "<p>Mira.</p>",
        "<a href=\"https://fashionistas.example/baja/1\">No más</a>",
    ] {
        input["html"] = json!(html);
        let sent = request(&input);
        let shown = MessageParser::default().parse(&sent.body).unwrap().body_html(0).unwrap().into_owned();
        assert_eq!(shown.matches("href=\"https://fashionistas.example/baja/1\"").count(), 1, "{shown}");
        assert!(!html.contains("</BODY>") || shown.ends_with("</BODY></html>"), "{shown}");
    }
    input.as_object_mut().unwrap().remove("unsubscribe");
    let mut config = config();
    config.settings = json!({ "from": "boletas@fashionistas.example" });
    let Step::End(outcomes) = begin(config, &input, "eff_1") else { panic!() };
    assert!(matches!(&outcomes[..], [Outcome::NeedsHuman { why }] if why.contains("unsubscribe")), "{outcomes:?}");
}

#[test]
fn settings_that_cannot_work_are_said() {
    let refused = |change: &dyn Fn(&mut ConnectionConfig)| {
        let mut config = config();
        change(&mut config);
        Smtp.connect(config).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(refused(&|c| c.settings = json!({ "from": "boletas" })).contains("from"));
    assert!(refused(&|c| c.settings = json!({ "tls": "implicit" })).contains("smtps://"));
    assert!(refused(&|c| c.base_url = Some("https://smtp.example".into())).contains("smtp://"));
    assert!(refused(&|c| c.settings = json!({ "unsubscribe": "ftp://x" })).contains("unsubscribe"));
    let live = |base: &str| {
        refused(&|c| {
            c.environment = Environment::Live;
            c.base_url = Some(base.into());
            c.settings = json!({ "tls": "none" });
        })
    };
    assert!(live("smtp://smtp.fashionistas.example:25").contains("in the clear"));
    assert_eq!(live("smtp://127.0.0.1:25"), "");
    assert_eq!(live("smtp://localhost:25"), "");
}

#[test]
fn returned_mail_settles_its_effect_and_says_whether_it_is_over() {
    let connector = connect(config());
    let facts = |name: &str| {
        let body = sample(name, vec![]).body;
        let items = connector.translate(Source::Webhook, &body).unwrap().items;
        items.into_iter().filter_map(|i| if let Item::Fact(f) = i { Some(*f) } else { None }).collect::<Vec<_>>()
    };
    let returned = facts("returned-postfix");
    assert_eq!(returned[0].data["email"], "valentina.arango@correo.example");
    assert_eq!((&returned[0].data["permanent"], &returned[0].data["code"]), (&json!(true), &json!("5.1.1")));
    assert!(returned[0].data["reason"].as_str().unwrap().contains("User unknown"));
    let settles = format!("{:?}", returned[0].settles);
    assert!(settles.contains("eff_0123456789abc") && settles.contains("Failed"), "{settles}");
    assert_eq!(facts("returned-full")[0].data["permanent"], false, "a full mailbox is there");
    assert!(format!("{:?}", facts("delivered")[0].settles).contains("Delivered"));
    assert_eq!(facts("leaving")[0].data["email"], "camila@correo.example");
}

#[test]
fn the_double_keeps_a_mailbox_refuses_whom_it_does_not_know_and_returns_mail() {
    let config = SimConfig {
        connection: "correo".into(),
        base_url: "smtp://127.0.0.1:1".into(),
        webhook_secret: SECRET.into(),
        settings: json!({ "no_mailbox": ["nadie@correo.example"], "returns": ["valentina.arango@correo.example"] }),
    };
    let mut double = Smtp.simulator(config).unwrap();
    let sent = request(&boleta("es"));
    let reply = double.handle(&sent, now());
    assert_eq!(reply.answer.status, 250);
    let mailbox = double.view("mailbox");
    let message = &mailbox["messages"][0];
    assert_eq!(message["subject"], "Tu boleta para Raíz y Seda");
    assert_eq!(message["from"], "Fashionistas <boletas@fashionistas.example>");
    assert_eq!(message["attachments"][0]["name"], "boleta-A-7KQ2M9X.pdf");
    let path = format!("attachment/{}/0", message["id"].as_str().unwrap());
    assert_eq!(double.view(&path)["type"], "application/pdf");
    assert_eq!(double.view("attachment/m9/0"), Value::Null);
    double.handle(&sent, now());
    assert_eq!(double.arrivals()[0].times, 2, "what is sent twice lies there twice");
    // What it returns, our own connector understands.
    let (_, webhook) = &reply.webhooks[0];
    let header = |name: &str| webhook.headers.get(name);
    let raw = pasarela_connector::RawRequest { method: "POST", query: "", header: &header, body: &webhook.body };
    assert!(matches!(connect(self::config()).verify(&raw, now()), pasarela_connector::Verdict::Authentic { .. }));
    let items = connect(self::config()).translate(Source::Webhook, &webhook.body).unwrap().items;
    assert!(matches!(&items[..], [Item::Fact(f)] if f.event_type.as_deref() == Some("email.bounced")), "{items:?}");
    let mut nobody =
        Request { method: "RCPT".into(), url: "/".into(), headers: Default::default(), body: Default::default() };
    nobody.headers.set(mail::TO, "nadie@correo.example");
    assert_eq!(double.handle(&nobody, now()).answer.status, 550);
    for (command, event) in [("complain", "email.complained"), ("unsubscribe", "email.unsubscribed")] {
        let reply = double.act(command, &json!({ "email": "valentina.arango@correo.example" }), now()).unwrap();
        let items = connect(self::config()).translate(Source::Webhook, &reply.webhooks[0].1.body).unwrap().items;
        assert!(
            matches!(&items[..], [Item::Fact(f)] if f.event_type.as_deref() == Some(event)),
            "{command}: {items:?}"
        );
    }
}
