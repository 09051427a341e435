//! `/preferencias` and `/mis-datos` from outside: what a person, a stranger, a mailbox and another site get.

use super::{Fixed, Hub, attendee, envelope, hub, hub_with};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use pasarela_connector::ConnectionConfig;
use pasarela_domain::Clock as _;
use pasarela_domain::consent::{ConsentState, Denied, TextKind};
use pasarela_engine::NewText;
use pasarela_ticket::pass::Opens;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

const LAURA: &str = "laura@correo.example";

impl Hub {
    async fn knows_texts(&self) {
        let new = |kind: TextKind, version: &str, purposes: &[&str], channels: &[&str]| NewText {
            kind,
            name: Some("publicidad".into()),
            version: version.into(),
            locale: "es-CO".into(),
            text: format!("Autorizo a Fashionistas S.A.S. <{version}>"),
            purposes: purposes.iter().map(|p| (*p).to_owned()).collect(),
            channels: channels.iter().map(|c| (*c).to_owned()).collect(),
            reopens: Vec::new(),
            notice: None,
            in_force_from: Some("2026-01-01T05:00:00Z".parse().unwrap()),
        };
        self.engine.add_text(new(TextKind::Notice, "aviso-v1", &[], &[])).await.unwrap();
        let mut text = new(TextKind::Consent, "pub-v1", &["marketing", "profiling"], &["email", "whatsapp"]);
        text.notice = Some("aviso-v1".into());
        self.engine.add_text(text).await.unwrap();
    }

    /// Path of a person's own page.
    fn own(&self, opens: Opens, address: &str) -> String {
        let link = self.desk.own_page(opens, address, Fixed.now()).unwrap();
        link.strip_prefix(super::ADDRESS).unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        request = request.header("host", "boletas.fashionistas.example").header("user-agent", "Navegador de prueba");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn denied(&self, purpose: &str, channel: Option<&str>) -> Option<Denied> {
        let known = self.engine.consents_of(LAURA).await.unwrap();
        known.consents.denied(purpose, channel, &known.terms, Fixed.now())
    }
}

fn mark(page: &str) -> String {
    page.split("name=\"prueba\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_allows_and_withdraws_on_their_own_page_and_each_yes_is_proven() {
    let hub = hub().await;
    hub.knows_texts().await;
    let path = hub.own(Opens::Preferences, LAURA);
    let page = hub.page(&path, &[]).await;
    for part in
        ["Sus preferencias", "l•••@correo.example", "Publicidad por correo", "&#60;pub-v1&#62;", "Aviso de privacidad"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        !page.contains("checked") && !page.contains(LAURA) && !page.contains("<script"),
        "no box is ticked, and nobody is named"
    );
    let prueba = mark(&page);
    let give = format!("prueba={prueba}&accion=autorizar&si=consent%3Apub-v1%3Aes-CO%7Cmarketing%7Cemail");
    let (status, headers, _) = hub.post(&path, &give, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let back = headers["location"].to_str().unwrap().to_owned();
    assert!(hub.page(&back, &[]).await.contains("Listo. Quedó autorizado."));
    assert_eq!(hub.denied("marketing", Some("email")).await, None);
    assert_eq!(hub.denied("marketing", Some("whatsapp")).await, Some(Denied::Absent), "only what was ticked");
    let known = hub.engine.consents_of(LAURA).await.unwrap();
    let evidence = &known.records[0].evidence;
    assert!(known.records[0].proof.complete && evidence.user_agent_hash.is_some(), "{:?}", known.records[0]);
    assert_eq!(
        (evidence.text_version.as_deref(), evidence.notice_version.as_deref()),
        (Some("pub-v1"), Some("aviso-v1"))
    );
    let (status, ..) =
        hub.post(&path, &format!("prueba={prueba}&accion=retirar&para=marketing&canal=email"), &[]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(hub.denied("marketing", Some("email")).await, Some(Denied::Withdrawn));
    hub.post(&path, &give, &[]).await;
    hub.post(&path, &format!("prueba={prueba}&accion=todo"), &[]).await;
    assert_eq!(hub.denied("marketing", Some("email")).await, Some(Denied::Withdrawn), "at the same moment a no counts");
    let english = hub.page(&format!("{path}?lang=en"), &[]).await;
    assert!(english.contains("Your preferences") && english.contains("lang=\"en\""), "{english}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_another_site_and_a_pass_that_is_none_change_nothing() {
    let hub = hub().await;
    hub.knows_texts().await;
    let path = hub.own(Opens::Preferences, LAURA);
    let page = hub.page(&path, &[]).await;
    let give = format!("prueba={}&accion=autorizar&si=consent%3Apub-v1%3Aes-CO%7Cmarketing%7Cemail", mark(&page));
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://otro.example"), ("origin", "null")] {
        let (status, ..) = hub.post(&path, &give, &[foreign]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let (status, ..) = hub.post(&path, &give.replacen("prueba=", "prueba=0", 1), &[]).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "without the mark of the page");
    for wrong in ["si=consent%3Apub-v9%3Aes-CO%7Cmarketing%7Cemail", "si=marketing", "accion=otra"] {
        let name = wrong.split('=').next().unwrap();
        let body: Vec<&str> = give.split('&').map(|f| if f.starts_with(name) { wrong } else { f }).collect();
        let (status, ..) = hub.post(&path, &body.join("&"), &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let changed = format!("{}A", &path[..path.len() - 1]);
    for (path, opens) in [(changed.as_str(), "a changed pass"), ("/preferencias/Q1x", "no pass")] {
        let (status, headers, body) = hub.get(path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{opens}");
        assert!(String::from_utf8_lossy(&body).contains("Este enlace ya no abre"));
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(headers["cache-control"], "private, no-store");
        assert_eq!(hub.post(path, &give, &[]).await.0, StatusCode::NOT_FOUND);
    }
    // What opens preferences does not open what is held.
    let data = path.replace("/preferencias/", "/mis-datos/");
    assert_eq!(hub.get(&data, &[]).await.0, StatusCode::NOT_FOUND);
    assert!(hub.engine.consents_of(LAURA).await.unwrap().records.is_empty(), "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_leaves_by_one_click_and_by_nothing_less() {
    let hub = hub().await;
    hub.knows_texts().await;
    let path = hub.own(Opens::Preferences, LAURA);
    let page = hub.page(&path, &[]).await;
    let give = format!("prueba={}&accion=autorizar&si=consent%3Apub-v1%3Aes-CO%7Cmarketing%7Cemail", mark(&page));
    hub.post(&path, &give, &[]).await;
    // A scanner of links opens it, and nothing happens.
    assert!(hub.page(&format!("{path}/baja"), &[]).await.contains("Sus preferencias"));
    assert_eq!(hub.denied("marketing", Some("email")).await, None);
    let (status, _, body) = hub.post(&format!("{path}/baja"), "List-Unsubscribe=One-Click", &[]).await;
    assert!(status == StatusCode::OK && body.contains("No le enviaremos más publicidad"), "{body}");
    for channel in [None, Some("email"), Some("whatsapp")] {
        assert_eq!(hub.denied("marketing", channel).await, Some(Denied::Withdrawn));
    }
}

/// A mail server that takes everything: its port, and messages as they arrive.
async fn mail_server() -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (told, messages)) = (listener.local_addr().unwrap().port(), mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let (mut lines, mut message, told) = (BufReader::new(read).lines(), None::<String>, told.clone());
            tokio::spawn(async move {
                write.write_all(b"220 buzones.example\r\n").await.unwrap();
                while let Ok(Some(line)) = lines.next_line().await {
                    let reply = match (&mut message, line.as_str()) {
                        (Some(_), ".") => {
                            let _ = told.send(message.take().unwrap());
                            "250 2.0.0 Ok\r\n"
                        }
                        (Some(text), line) => {
                            text.push_str(line);
                            text.push('\n');
                            continue;
                        }
                        (None, "DATA") => {
                            message = Some(String::new());
                            "354 go on\r\n"
                        }
                        (None, _) => "250 Ok\r\n",
                    };
                    write.write_all(reply.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (port, messages)
}

/// Somebody who allows advertising gets it, and a receipt; the first step does not say what it is.
const WELCOME: &str = r#"
flow: bienvenida
version: 1
on: consent.given
steps:
  - do: correo.send
    class: marketing
    purpose: marketing
    with: { to: "{{ data.contact.email }}", subject: "Nueva colección", text: "Mire." }
  - do: correo.send
    class: transactional
    purpose: sale
    with: { to: "{{ data.contact.email }}", subject: "Recibo", text: "Quedó registrado." }
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advertising_by_mail_carries_a_link_that_takes_it_back_whatever_the_step_says() {
    let (port, mut messages) = mail_server().await;
    let mut mail = ConnectionConfig::bare("correo", "smtp");
    mail.base_url = Some(format!("smtp://127.0.0.1:{port}"));
    mail.settings = serde_json::json!({ "from": "Fashionistas <hola@fashionistas.example>", "tls": "none" });
    let hub = hub_with(&[mail], &[WELCOME]).await;
    hub.knows_texts().await;
    let own = hub.own(Opens::Preferences, LAURA);
    let page = hub.page(&own, &[]).await;
    let give = format!("prueba={}&accion=autorizar&si=consent%3Apub-v1%3Aes-CO%7Cmarketing%7Cemail", mark(&page));
    hub.post(&own, &give, &[]).await;
    let mut arrived = Vec::new();
    for _ in 0..2 {
        let message = tokio::time::timeout(Duration::from_secs(20), messages.recv()).await;
        arrived.push(message.expect("both are sent").unwrap().replace("=\n", "").replace("=3D", "="));
    }
    let receipt = arrived.iter().position(|m| m.contains("Subject: Recibo")).unwrap();
    let receipt = arrived.remove(receipt);
    assert!(!receipt.contains("List-Unsubscribe") && !receipt.contains("/preferencias/"), "{receipt}");
    let (head, body) = arrived[0].split_once("\n\n").unwrap();
    let link = head.split("List-Unsubscribe: <").nth(1).and_then(|rest| rest.split('>').next());
    let link = link.unwrap_or_else(|| panic!("no way out: {head}"));
    assert!(head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{head}");
    assert_eq!(body.matches(link).count(), 2, "in the text, and in the HTML: {body}");
    // A mailbox calls it, and it is over.
    let path = link.strip_prefix(super::ADDRESS).unwrap();
    let (status, ..) = hub.post(path, "List-Unsubscribe=One-Click", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(hub.denied("marketing", Some("email")).await, Some(Denied::Withdrawn));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_a_link_learns_nothing_and_the_link_shows_what_is_held() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    let asks = |address: &str| format!("direccion={}", address.replace('@', "%40").replace('+', "%2B"));
    let (status, _, known) = hub.post("/mis-datos", &asks("Valentina@correo.example"), &[]).await;
    let (other, _, unknown) = hub.post("/mis-datos", &asks("nadie@correo.example"), &[]).await;
    assert_eq!((status, other), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(known, unknown, "the same, whether it is known or not");
    hub.post("/mis-datos", &asks("valentina@correo.example"), &[]).await;
    hub.post("/mis-datos", &asks("300 555 0117"), &[]).await;
    hub.settled().await;
    let asked = hub.events("person.link_requested").await;
    assert_eq!(asked.len(), 3, "one an hour for each address");
    assert!(asked.iter().any(|e| e.data["contact"]["phone"] == "+573005550117"));
    let (status, _, body) = hub.post("/mis-datos", "direccion=valentina", &[]).await;
    assert!(status == StatusCode::BAD_REQUEST && body.contains("no parece un correo"), "{body}");
    assert_eq!(
        hub.post("/mis-datos", &asks("a@b.co"), &[("sec-fetch-site", "cross-site")]).await.0,
        StatusCode::FORBIDDEN
    );

    let path = hub.own(Opens::Data, "valentina@correo.example");
    let page = hub.page(&path, &[]).await;
    for part in ["Sus datos", "v•••@correo.example", "A-7KQ2M9X", "boleteria", "Pidió el enlace", "Descargar todo esto"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (_, headers, file) = hub.get(&format!("{path}.json"), &[]).await;
    assert!(headers["content-disposition"].to_str().unwrap().contains("mis-datos.json"));
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(file["held"]["purchases"][0]["detail"], "A-7KQ2M9X");
    // A correction is a case with a number, once however often the form is sent.
    let wish =
        format!("prueba={}&que=corregir&nombre=Valentina+Arango&detalle=Mi+apellido+es+%C3%91ustes", mark(&page));
    let (status, headers, _) = hub.post(&path, &wish, &[]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let back = headers["location"].to_str().unwrap().to_owned();
    assert_eq!(hub.post(&path, &wish, &[]).await.1["location"], back.as_str(), "the same form is the same case");
    let number = back.split("numero=").nth(1).unwrap().split('&').next().unwrap();
    let page = hub.page(&back, &[]).await;
    assert!(page.contains(&format!("Su número es {number}")) && page.contains("Sus solicitudes"), "{page}");
    let case = hub.engine.case(number).await.unwrap().case;
    assert_eq!((case.kind.as_str(), case.claimant.email.as_deref()), ("reclamo", Some("valentina@correo.example")));
    assert_eq!(hub.post(&path, &wish.replace("Valentina+Arango", ""), &[]).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(hub.post(&path, &wish, &[("sec-fetch-site", "cross-site")]).await.0, StatusCode::FORBIDDEN);
    // It opens the preferences too; somebody else's shows nothing of this.
    assert!(hub.page(&path.replace("/mis-datos/", "/preferencias/"), &[]).await.contains("Sus preferencias"));
    let stranger = hub.page(&hub.own(Opens::Data, "otra@correo.example"), &[]).await;
    assert!(!stranger.contains("A-7KQ2M9X") && stranger.contains("Ninguno."));
    let late = hub.desk.own_page(Opens::Data, LAURA, "2026-11-25T14:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(hub.get(late.strip_prefix(super::ADDRESS).unwrap(), &[]).await.0, StatusCode::NOT_FOUND, "after a day");
    // What was said is listed with its text.
    hub.knows_texts().await;
    let own = hub.own(Opens::Preferences, LAURA);
    let give = format!(
        "prueba={}&accion=autorizar&si=consent%3Apub-v1%3Aes-CO%7Cmarketing%7Cemail",
        mark(&hub.page(&own, &[]).await)
    );
    hub.post(&own, &give, &[]).await;
    let page = hub.page(&hub.own(Opens::Data, LAURA), &[]).await;
    assert!(page.contains("Autorizado") && page.contains("/textos/consent/pub-v1"), "{page}");
    assert!(hub.page("/textos/consent/pub-v1", &[]).await.contains("Autorizo a Fashionistas"));
    assert!(hub.page("/textos/notice/vigente", &[]).await.contains("aviso-v1"));
    let known = hub.engine.consents_of(LAURA).await.unwrap();
    assert_eq!(known.records[0].state, ConsentState::Given);
}
