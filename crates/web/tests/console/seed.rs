//! A hub with something to look at: events with and without runs, actions in every kind of state,
//! a delivery in quarantine, text that would like to be markup. All persons are invented.

use bytes::Bytes;
use jiff::{Timestamp, ToSpan};
use pasarela_connector::{ConnectionConfig, Provider};
use pasarela_domain::{Clock, EffectId, EventId, IdMaker, RunId, Secret, SystemClock};
use pasarela_engine::{
    ConnectionSetup, Engine, HubCatalog, InboundRequest, LimitOverride, ReconcileSettings, Setup, pack,
};
use pasarela_store::sqlite::{Options as StoreOptions, SqliteStore};
use pasarela_store::{
    AttemptInsert, Claim, Decision, DeliveryStatus, EffectGuard, EffectInsert, EffectState, EffectUpdate, EventInsert,
    FactWrite, NewDelivery, RunInsert, RunStatus, Store, Work,
};
use pasarela_web::{App, Options, create_key};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Text that must never become markup.
pub(crate) const HOSTILE: &str = "<script>alert('x')</script>";
const TOKEN: &str = "una-clave-de-prueba";

pub(crate) struct Hub {
    pub(crate) app: App,
    pub(crate) engine: Engine,
    /// Key with `read`, `write` and `audit:read`.
    pub(crate) key: String,
    /// Key with `read`.
    pub(crate) reader: String,
    pub(crate) reader_id: String,
    /// Key with `write` only.
    pub(crate) writer: String,
    /// Event with a run.
    pub(crate) told: EventId,
    pub(crate) dead: EffectId,
    pub(crate) unknown: EffectId,
    /// Time by which links and sessions end.
    pub(crate) wall: Arc<Wall>,
    store: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

/// A clock that is moved by hand.
pub(crate) struct Wall(AtomicU64);

impl Wall {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        "2026-11-27T19:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) async fn hub(sandbox: Option<&str>) -> Hub {
    built(sandbox, None).await
}

/// With a connection that sends e-mail.
pub(crate) async fn hub_with_mail(server: std::net::SocketAddr) -> Hub {
    built(None, Some(server)).await
}

async fn built(sandbox: Option<&str>, mail: Option<std::net::SocketAddr>) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::file(folder.path().join("hub.db"));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).unwrap());
    let registry: Vec<Arc<dyn Provider>> = pasarela_connectors::registry().into_iter().map(Arc::from).collect();
    let http = registry.iter().find(|p| p.manifest().name == "http").unwrap().clone();
    let crm = registry.iter().find(|p| p.manifest().name == "twenty").unwrap().clone();
    let mut tienda = ConnectionConfig::bare("tienda", "http");
    tienda.settings = json!({ "verify": { "scheme": "bearer", "header": "x-token" },
        "event": { "type": "/type", "id": "/id", "key": "/key" } });
    tienda.webhook_secrets = vec![Secret::new(TOKEN)];
    tienda.base_url = Some("http://127.0.0.1:9".into());
    let mut directorio = ConnectionConfig::bare("directorio", "twenty");
    directorio.base_url = Some("http://127.0.0.1:9".into());
    let named = [("tienda", http.clone()), ("directorio", crm.clone())];
    let catalog = HubCatalog::new(named, registry.iter().cloned());
    let setup = |provider, config| ConnectionSetup {
        provider,
        config,
        allow_private_targets: true,
        extra_headers: Vec::new(),
        limits: LimitOverride::default(),
        reconcile: ReconcileSettings::default(),
        sender: pasarela_engine::DEFAULT_SENDER.into(),
        brand: pasarela_engine::DEFAULT_BRAND.into(),
    };
    let mut connections = vec![setup(http, tienda), setup(crm, directorio)];
    if let Some(server) = mail {
        let smtp = registry.iter().find(|p| p.manifest().name == "smtp").unwrap().clone();
        let mut correo = ConnectionConfig::bare("correo", "smtp");
        correo.base_url = Some(format!("smtp://{server}"));
        correo.settings = json!({ "from": "Pasarela <hub@example.com>", "tls": "none" });
        connections.push(setup(smtp, correo));
    }
    let wall = Arc::new(Wall(AtomicU64::new(0)));
    let engine = Engine::start(Setup {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        connections,
        flows: vec![flow(&catalog)],
        catalog: Arc::new(catalog),
        vars: Value::Null,
        law: pasarela_engine::Law::default(),
        wall: wall.clone(),
        seed: 7,
        keeping: pasarela_engine::Keeping::default(),
        private_webhooks: true,
        people: Some(pasarela_domain::identity::Ownership::default()),
        passive: false,
    })
    .await
    .unwrap();
    let now = SystemClock.now();
    let scopes = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let full = create_key(&*store, "mesa", &scopes(&["read", "write", "audit:read"]), now).await.unwrap();
    let reader = create_key(&*store, "mirador", &scopes(&["read"]), now).await.unwrap();
    let writer = create_key(&*store, "robot", &scopes(&["write"]), now).await.unwrap();
    let providers = pasarela_connectors::registry().into_iter().map(Arc::from).collect();
    let app = App::new(engine.clone(), settings(sandbox, &wall)).with_actions(providers);
    let (told, [dead, unknown]) = story(&engine, &store).await;
    let hub = Hub {
        app,
        engine,
        key: full.key,
        reader: reader.key,
        reader_id: reader.id,
        writer: writer.key,
        told,
        dead,
        unknown,
        wall,
        store,
        _folder: folder,
    };
    for n in 1..=4 {
        hub.post(
            json!({ "type": "order.created", "id": format!("o-{n}"), "key": format!("pedido-{n}"), "total": "185000" }),
        )
        .await;
    }
    hub.post(json!({ "type": "nota", "id": "h-1", "key": HOSTILE, "texto": HOSTILE })).await;
    hub.send(Bytes::from_static(b"esto no es JSON <b>")).await;
    hub.settled().await;
    hub
}

fn settings(sandbox: Option<&str>, wall: &Arc<Wall>) -> Options {
    // The hub has another brand, which has nothing yet: what is somebody's is told from what is everybody's.
    let brands = ["default", "luna"].map(str::to_owned).into();
    Options { sandbox: sandbox.map(str::to_owned), wall: wall.clone(), brands, ..Options::default() }
}

impl Hub {
    /// The same hub, where whoever may do much must have a second factor.
    pub(crate) fn requiring_codes(mut self) -> Self {
        let options = Options { second_factor_required: true, ..settings(None, &self.wall) };
        self.app = App::new(self.engine.clone(), options);
        self
    }

    /// The path and query of a link for a person.
    pub(crate) async fn link(&self, scopes: &[&str], minutes: u64) -> String {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        let life = Duration::from_secs(minutes * 60);
        let made = pasarela_web::create_link(&self.app, "Luz Ospina", &scopes, life).await.unwrap();
        made.link.strip_prefix("http://127.0.0.1:8081").expect("the console's address").to_owned()
    }

    /// A key with these scopes.
    pub(crate) async fn key_of(&self, scopes: &[&str]) -> String {
        let scopes: Vec<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
        create_key(&*self.store, "prueba", &scopes, SystemClock.now()).await.unwrap().key
    }

    /// A console with a memory of its own on the same database.
    pub(crate) fn beside(&self) -> App {
        App::new(self.engine.clone(), settings(None, &self.wall))
    }

    /// A webhook of the shop.
    pub(crate) async fn post(&self, body: Value) {
        self.send(Bytes::from(body.to_string())).await;
    }

    async fn send(&self, body: Bytes) {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-token", TOKEN.parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("user-agent", HOSTILE.parse().unwrap());
        self.engine.accept("tienda", InboundRequest { method: "POST", query: "", headers: &headers, body }).await;
    }

    /// Waits until nothing is left to decide.
    pub(crate) async fn settled(&self) {
        for _ in 0..400 {
            let health = self.store.health(SystemClock.now()).await.unwrap();
            if health.inbox == 0 && self.engine.in_memory().0 == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the deciders are stuck");
    }

    pub(crate) async fn revoke_reader(&self) {
        pasarela_web::revoke_key(&*self.store, &self.reader_id, SystemClock.now()).await.unwrap();
    }
}

const FLOW: &str = "flow: boleta-confirmada
version: 3
title: { es: Boleta confirmada, en: Ticket confirmed }
on: order.paid
steps:
  - id: persona
    do: directorio.upsert_person
    with: { email: \"{{ data.buyer.email }}\" }
  - id: boleta
    do: tienda.request
    with: { method: POST, path: /boleta }
  - id: aviso
    do: tienda.request
    with: { method: POST, path: /aviso }
  - id: publicidad
    do: tienda.request
    with: { method: POST, path: /publicidad }
  - id: recordatorio
    needs: [persona]
    do: tienda.request
    with: { method: POST, path: /recordatorio }
";

fn flow(catalog: &HubCatalog) -> Arc<pasarela_flows::Flow> {
    let compiled = pasarela_flows::compile("boleta-confirmada.yaml", FLOW, pasarela_flows::Origin::File, catalog);
    Arc::new(compiled.unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// A paid order with a run of five actions, each in another state.
async fn story(engine: &Engine, store: &Arc<dyn Store>) -> (EventId, [EffectId; 2]) {
    let now = SystemClock.now();
    let (shop, crm) = (engine.connection_id("tienda").unwrap(), engine.connection_id("directorio").unwrap());
    let mut ids = IdMaker::new(1, 0);
    let (event, run) = (EventId::from_raw(ids.next(now)), RunId::from_raw(ids.next(now)));
    let body = json!({ "event": "order.paid", "id": "ord-88", "number": "O-88ZX", "buyer": { "name": "Luz Marina Ospina Vélez",
        "email": "luz.ospina@example.com", "phone": "+573001112233" }, "total": "370000", "nota": HOSTILE });
    let headers = [("content-type", b"application/json".as_slice()), ("x-signature", b"9f2c")];
    let packed = store.sealer().seal(&pack(headers.into_iter(), body.to_string().as_bytes()));
    let delivery =
        NewDelivery { connection: shop, source: "webhook", received_at: now, packed, replay_key: None, door: false };
    let pasarela_store::Accepted::New(delivery) = store.accept(delivery).await.unwrap() else { panic!("known") };
    let flow = store.flow_id("boleta-confirmada", 3, FLOW).await.unwrap();
    let plan: [(&str, i64, &str, EffectState); 5] = [
        ("persona", crm, "upsert_person", EffectState::Done),
        ("boleta", shop, "request", EffectState::Dead),
        ("aviso", shop, "request", EffectState::Unknown),
        ("publicidad", shop, "request", EffectState::Withheld),
        ("recordatorio", shop, "request", EffectState::Queued),
    ];
    let effects: Vec<EffectId> = plan.iter().map(|_| EffectId::from_raw(ids.next(now))).collect();
    let by_path: serde_json::Map<String, Value> =
        plan.iter().zip(&effects).map(|((path, ..), id)| ((*path).to_owned(), json!(id))).collect();
    let state = json!({ "effects": by_path, "armed": { "espera": now + 20.hours() },
        "failures": [["tarjeta", format!("unknown field {HOSTILE}")]] });
    let later = |ms: i64| now + ms.milliseconds();
    let call = |path: &str| {
        json!({ "request": { "method": "POST", "url": format!("http://127.0.0.1:9/{path}"),
            "headers": [["content-type", "application/json"]], "body": "{\"to\":\"+573001112233\"}" } })
    };
    let inserts = plan.iter().zip(&effects).enumerate().map(|(n, ((path, connection, action, state), id))| {
        let calls = *state != EffectState::Queued;
        EffectInsert {
            id: *id,
            run: Some(run),
            path: (*path).into(),
            connection: *connection,
            action: (*action).into(),
            lane: n as i64,
            urgency: 1,
            flow: store.sealer().hash(&["flow", "boleta-confirmada"]),
            class: (*path == "publicidad").then(|| "marketing".into()),
            purpose: None,
            input: store.sealer().seal_json(&json!({ "to": "+573001112233", "nombre": "Luz Marina", "nota": HOSTILE })),
            created_at: later(20 + n as i64),
            not_before: (!calls).then(|| now + 11.hours()),
            give_up_at: now + 48.hours(),
            expires_at: None,
            resend_unknown: false,
            park: false,
            calling: calls.then(|| Claim {
                id: *id,
                boot: store.boot(),
                attempt: 1,
                generation: 1,
                started_at: later(25),
                call: store.sealer().seal_json(&call(path)),
                repeat: 2,
                alone_above: None,
            }),
        }
    });
    let fact = FactWrite {
        event: Some(EventInsert {
            id: event,
            event_type: "order.paid".into(),
            connection: shop,
            key: engine.key_hash(shop, "ord-88"),
            occurred_at: now - 2.seconds(),
            received_at: now,
            delivery,
            body: store.sealer().seal_json(&json!({ "key": "ord-88", "data": body, "refs": [] })),
            subjects: [("email", "luz.ospina@example.com"), ("phone", "+573001112233"), ("number", "O-88ZX")]
                .map(|(kind, text)| engine.subject_hash(kind, text))
                .to_vec(),
        }),
        runs: vec![RunInsert {
            id: run,
            flow,
            event,
            key: engine.key_hash(shop, "ord-88"),
            status: RunStatus::Running,
            state: store.sealer().seal_json(&state),
            created_at: later(12),
            listens: Vec::new(),
        }],
        work: Work { effects: inserts.collect(), ..Work::default() },
        ..FactWrite::default()
    };
    let decision = Decision {
        delivery,
        status: DeliveryStatus::Decided,
        reason: None,
        facts: vec![fact],
        subjects: Vec::new(),
        door: false,
    };
    store.decide(decision).await.unwrap();
    for (n, ((_, _, _, to), id)) in
        plan.iter().zip(&effects).enumerate().filter(|(_, ((.., to), _))| *to != EffectState::Queued)
    {
        end(store, *id, *to, later(25), later(140 + 900 * n as i64)).await;
    }
    (event, [effects[1], effects[2]])
}

/// Ends an action's first attempt.
async fn end(store: &Arc<dyn Store>, id: EffectId, to: EffectState, began: Timestamp, ended: Timestamp) {
    let (outcome, status, note, detail) = match to {
        EffectState::Done => (
            "done",
            Some(200),
            json!({ "result": { "id": "p-1" } }),
            json!({ "answer": "{\"data\":{\"id\":\"p-1\"}}" }),
        ),
        EffectState::Dead => (
            "needs_human",
            Some(422),
            json!({ "why": format!("the template boleta_confirmada does not exist {HOSTILE}") }),
            json!({ "why": "the template does not exist", "answer": HOSTILE }),
        ),
        EffectState::Withheld => (
            "give_up",
            None,
            json!({ "why": "no consent for marketing" }),
            json!({ "why": "no consent for marketing" }),
        ),
        _ => (
            "unknown",
            None,
            json!({ "why": "the answer was lost" }),
            json!({ "why": "the connection was cut while waiting for the answer" }),
        ),
    };
    let update = EffectUpdate {
        id,
        guard: EffectGuard::Attempt { boot: store.boot(), attempt: 1 },
        to,
        not_before: None,
        code: (to == EffectState::Dead).then(|| "132001".into()),
        outcome: Some(store.sealer().seal_json(&note)),
        reference: None,
        renew: None,
        give_up_at: None,
        reenters: None,
    };
    let attempt = AttemptInsert {
        effect: id,
        attempt: 1,
        call: 0,
        started_at: began,
        ended_at: ended,
        outcome,
        status,
        detail: Some(store.sealer().seal_json(&detail)),
    };
    store.work(Work { updates: vec![update], attempts: vec![attempt], ..Work::default() }).await.unwrap();
}
