//! `/b/{ticket}` from outside: what a guest, a stranger and a search engine get.

#[path = "tickets/people.rs"]
mod people;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use pasarela_connector::{ConnectionConfig, Provider, sign};
use pasarela_domain::{Clock, Secret};
use pasarela_engine::{ConnectionSetup, Engine, HubCatalog, InboundRequest, LimitOverride, ReconcileSettings, Setup};
use pasarela_store::Store;
use pasarela_store::sqlite::{Options as StoreOptions, SqliteStore};
use pasarela_ticket::token::{Claims, Signer, Tag};
use pasarela_ticket::{Desk, Square};
use pasarela_web::{App, Options};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

const SECRET: &str = "clave-de-prueba";
const ADDRESS: &str = "https://boletas.fashionistas.example";

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-26T15:00:00Z".parse().unwrap()
    }
    fn sleep_for(&self, _: Timestamp) -> Duration {
        Duration::from_secs(60)
    }
}

struct Hub {
    engine: Engine,
    router: Router,
    desk: Arc<Desk>,
    store: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

async fn hub() -> Hub {
    hub_with(&[], &[]).await
}

/// A hub with more connections than the ticketing system, and flows. The registry is not asked.
async fn hub_with(more: &[ConnectionConfig], flows: &[&str]) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&StoreOptions::file(folder.path().join("hub.db"))).unwrap());
    let registry: Vec<Arc<dyn Provider>> = pasarela_connectors::registry().into_iter().map(Arc::from).collect();
    let mut config = ConnectionConfig::bare("boleteria", "hi-events");
    config.base_url = Some("http://127.0.0.1:9".into());
    config.webhook_secrets = vec![Secret::new(SECRET)];
    let desk = Arc::new(Desk::new(ADDRESS, Some("Fashionistas S.A.S., NIT 900.123.456-8".into()), Square::Provider));
    desk.use_keys(&[[7; 32]]).unwrap();
    let named =
        |config: &ConnectionConfig| registry.iter().find(|p| p.manifest().name == config.provider).unwrap().clone();
    let configs: Vec<ConnectionConfig> = std::iter::once(&config).chain(more).cloned().collect();
    let catalog = HubCatalog::new(configs.iter().map(|c| (c.name.as_str(), named(c))), registry.iter().cloned());
    let own = desk.clone();
    catalog.complete_with(Box::new(move |connection, kind, model| own.complete(connection, kind, model)));
    let flow = |text: &&str| {
        Arc::new(pasarela_flows::compile("prueba.yaml", text, pasarela_flows::Origin::File, &catalog).unwrap())
    };
    let setup = Setup {
        store: store.clone(),
        clock: Arc::new(Fixed),
        connections: configs
            .iter()
            .map(|config| ConnectionSetup {
                provider: named(config),
                config: config.clone(),
                allow_private_targets: true,
                extra_headers: Vec::new(),
                limits: LimitOverride::default(),
                reconcile: ReconcileSettings::default(),
                sender: pasarela_engine::DEFAULT_SENDER.into(),
                brand: pasarela_engine::DEFAULT_BRAND.into(),
            })
            .collect(),
        flows: flows.iter().map(flow).collect(),
        catalog: Arc::new(catalog),
        vars: json!({}),
        law: pasarela_engine::Law { registry: pasarela_engine::Registry::Off, ..Default::default() },
        keeping: Default::default(),
        wall: Arc::new(Fixed),
        seed: 1,
        private_webhooks: true,
        people: None,
        passive: false,
    };
    let engine = Engine::start(setup).await.unwrap();
    let options = Options { tickets: Some(desk.clone()), ..Options::default() };
    let router = App::new(engine.clone(), options).public();
    Hub { engine, router, desk, store, _folder: folder }
}

impl Hub {
    /// A webhook of the ticketing system, decided.
    async fn told(&self, body: Value) {
        let body = Bytes::from(body.to_string());
        let mac = sign::hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("signature", mac.parse().unwrap());
        let request = InboundRequest { method: "POST", query: "", headers: &headers, body };
        let admission = self.engine.accept("boleteria", request).await;
        assert!(matches!(admission, pasarela_engine::Admission::Accepted(_)), "{admission:?}");
        self.settled().await;
    }

    /// Waits until everything is decided.
    async fn settled(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.store.health(Fixed.now()).await.unwrap().inbox > 0 {
            assert!(Instant::now() < until, "it was not decided");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Events of a type, newest first.
    async fn events(&self, kind: &str) -> Vec<pasarela_domain::Envelope> {
        let filter = pasarela_store::EventFilter { event_type: Some(kind.into()), limit: 50, ..Default::default() };
        let page = self.store.events(filter).await.unwrap();
        page.rows.iter().map(|row| self.engine.envelope(row).unwrap()).collect()
    }

    async fn show(&self) {
        let event = json!({
            "id": 41, "title": "Raíz y <Seda>", "status": "LIVE", "currency": "COP", "timezone": "America/Bogota",
            "start_date": "2026-11-28T00:00:00.000000Z", "end_date": null,
            "location_details": { "venue_name": "Plaza Mayor", "address_line_1": "Calle 41 # 55-80", "city": "Medellín" },
        });
        self.told(envelope("event.updated", event)).await;
    }

    fn token(&self) -> String {
        self.desk.token("boleteria", "4471", "41").unwrap()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (StatusCode, axum::http::HeaderMap, Bytes) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn page(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let (status, _, body) = self.get(path, headers).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        String::from_utf8(body.to_vec()).unwrap()
    }
}

fn envelope(kind: &str, payload: Value) -> Value {
    json!({ "event_type": kind, "event_sent_at": "2026-11-26T15:00:00.000000Z", "payload": payload })
}

fn attendee(status: &str) -> Value {
    json!({
        "id": 4471, "order_id": 3301, "product_id": 9, "product_price_id": 12, "event_id": 41, "email": "valentina@correo.example",
        "status": status, "first_name": "Valentina", "last_name": "Arango Ñustes", "public_id": "A-7KQ2M9X",
        "short_id": "a_x", "locale": "es", "created_at": "2026-11-20T15:00:00.000000Z",
        "updated_at": if status == "CANCELLED" { "2026-11-25T15:00:00.000000Z" } else { "2026-11-20T15:00:00.000000Z" },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sees_the_ticket_in_their_language_and_takes_it_along() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    let path = format!("/b/{}", hub.token());
    let page = hub.page(&path, &[]).await;
    for part in [
        "lang=\"es-CO\"",
        "Raíz y &#60;Seda&#62;",
        "viernes 27 de noviembre, 7:00\u{a0}p.\u{a0}m.",
        "Plaza Mayor",
        "Medellín",
        "Valentina Arango Ñustes",
        "A-7KQ2M9X",
        "Muestra este código",
        "<svg",
        "Fashionistas S.A.S.",
        ">Lista<",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let english = hub.page(&path, &[("accept-language", "en-GB,en;q=0.8")]).await;
    assert!(english.contains("Friday, November 27, 7:00\u{a0}PM") && english.contains(">Ready<"), "{english}");
    assert!(hub.page(&format!("{path}?lang=es"), &[("accept-language", "en")]).await.contains("viernes"));
    for (end, kind, begins) in [
        ("pdf", "application/pdf", &b"%PDF-"[..]),
        ("png", "image/png", b"\x89PNG"),
        ("ics", "text/calendar; charset=utf-8; method=PUBLISH", b"BEGIN:VCALENDAR"),
    ] {
        let (status, headers, body) = hub.get(&format!("{path}.{end}"), &[]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, kind));
        assert!(body.starts_with(begins));
        assert!(headers["content-disposition"].to_str().unwrap().contains(&format!("boleta-A-7KQ2M9X.{end}")));
        let again = hub.get(&format!("{path}.{end}"), &[]).await.2;
        assert_eq!(body, again, "the same bytes each time");
    }
    assert!(
        hub.page(&format!("/b/{}", hub.token().to_lowercase()), &[]).await.contains("A-7KQ2M9X"),
        "as people type it"
    );
    let (status, headers, style) = hub.get("/b/estilo.css", &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (StatusCode::OK, "text/css; charset=utf-8"));
    assert!(page.len() + style.len() < 100_000, "{} bytes", page.len() + style.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_tells_how_the_ticket_stands() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    let path = format!("/b/{}", hub.token());
    let scan = |id: u32, at: &str| {
        json!({ "id": id, "attendee_id": 4471, "check_in_list_id": 1, "product_id": 9, "event_id": 41, "short_id": "ci_x",
            "created_at": at, "attendee": attendee("ACTIVE") })
    };
    hub.told(envelope("checkin.created", scan(1, "2026-11-26T14:00:00.000000Z"))).await;
    let page = hub.page(&path, &[]).await;
    assert!(page.contains(">Usada<") && page.contains("Ya se usó en la puerta"), "{page}");
    hub.told(envelope("checkin.deleted", scan(1, "2026-11-26T14:00:00.000000Z"))).await;
    assert!(hub.page(&path, &[]).await.contains(">Lista<"), "the scan was undone");
    hub.told(envelope("attendee.cancelled", attendee("CANCELLED"))).await;
    let page = hub.page(&path, &[]).await;
    assert!(page.contains(">Cancelada<") && page.contains("ya no abre la puerta"), "{page}");
    assert!(!page.contains("role=\"img\"") && !page.contains(".pdf"), "nothing that could be shown at a door");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_forgers_get_a_calm_page_that_tells_nothing() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    let claims = |ticket: &str| Claims { connection: Tag::of("boleteria"), ticket: ticket.into(), show: "41".into() };
    let mut changed = hub.token();
    changed.replace_range(20..21, if &changed[20..21] == "A" { "B" } else { "A" });
    for token in [
        "nada".to_owned(),
        "A-7KQ2M9X".to_owned(),
        changed,
        Signer::new(&[9; 32]).unwrap().sign(&claims("4471")).unwrap(),
        Signer::new(&[7; 32]).unwrap().sign(&claims("4472")).unwrap(),
        hub.desk.token("otra", "4471", "41").unwrap(),
        hub.token().replacen("P1", "P2", 1),
        format!("{}.exe", hub.token()),
        "x".repeat(5000),
    ] {
        for end in ["", ".pdf"] {
            let (status, headers, body) = hub.get(&format!("/b/{token}{end}"), &[]).await;
            let text = String::from_utf8_lossy(&body);
            assert_eq!(status, StatusCode::NOT_FOUND, "{token}");
            assert!(text.contains("No encontramos esta boleta") && !text.contains("Valentina"), "{text}");
            assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"));
        }
    }
    let english = hub.get("/b/nada?lang=en", &[]).await.2;
    assert!(String::from_utf8_lossy(&english).contains("We do not find this ticket"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_keeps_a_ticket_and_no_other_page_hears_of_it() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    for path in [format!("/b/{}", hub.token()), format!("/b/{}.pdf", hub.token()), "/b/nada".to_owned()] {
        let (_, headers, body) = hub.get(&path, &[]).await;
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "private, no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("x-robots-tag").contains("noindex"));
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("script-src")
        );
        if path.ends_with("pdf") {
            continue;
        }
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("<script") && !text.contains(" style="), "the policy would refuse it");
        for part in text.split("href=\"").skip(1).chain(text.split("src=\"").skip(1)) {
            assert!(part.starts_with('/') || part.starts_with('?'), "no outside host: {}", &part[..40.min(part.len())]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_node_made_is_found_in_the_store() {
    let hub = hub().await;
    hub.show().await;
    hub.told(envelope("attendee.created", attendee("ACTIVE"))).await;
    for (number, seed) in [(1, [7; 32]), (2, [8; 32])] {
        hub.store.keep_signing_key(number, hub.store.sealer().seal(&seed), Fixed.now()).await.unwrap();
    }
    let claims = Claims { connection: Tag::of("boleteria"), ticket: "4471".into(), show: "41".into() };
    let token = Signer::new(&[8; 32]).unwrap().sign(&claims).unwrap();
    assert!(hub.page(&format!("/b/{token}"), &[]).await.contains("A-7KQ2M9X"));
}
