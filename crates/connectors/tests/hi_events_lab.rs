//! A hub of a page around the Hi.Events double: the connector, its cursors, and what the facts have added up to.

#![allow(dead_code, reason = "each test uses a part of it")]

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{
    Answer, Attempts, AuthStep, ConnectionConfig, Connector, Ctx, Dedup, EntityWrite, Fact, Item, Outcome,
    OutgoingWebhook, PollStep, Provider, RawRequest, Request, SimConfig, SimReply, Simulator, Source, Step, Verdict,
};
use pasarela_connectors::hi_events::HiEvents;
use pasarela_domain::{EntityRef, Secret};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const BASE: &str = "http://127.0.0.1:9/sim";

/// Does a webhook arrive?
pub(crate) type Ear = Box<dyn FnMut(&OutgoingWebhook) -> bool>;

/// A hub of a page: the double, the connector, and what the facts have added up to.
pub(crate) struct World {
    pub(crate) sim: Box<dyn Simulator>,
    pub(crate) it: Box<dyn Connector>,
    pub(crate) now: Timestamp,
    pub(crate) token: String,
    pub(crate) cursors: BTreeMap<String, Value>,
    pub(crate) calls: u32,
    /// Does this webhook arrive? All do when there is none to ask.
    pub(crate) hear: Option<Ear>,
    /// Pace of calls: so many at once, and one more each; a second a call when there is none.
    pub(crate) bucket: Option<(u32, std::time::Duration)>,
    /// By key: type of each happened fact.
    pub(crate) happened: BTreeSet<(String, String, String)>,
    /// Read models: data, time of change, rank.
    pub(crate) models: BTreeMap<EntityRef, (Value, Option<Timestamp>, i16)>,
    /// Types of the events that came out, in order.
    pub(crate) events: Vec<String>,
}

impl World {
    pub(crate) fn new(settings: Value) -> Self {
        Self::with(settings, json!({}))
    }

    /// With further settings of the connection.
    pub(crate) fn with(settings: Value, own: Value) -> Self {
        Self::set(settings, own, |_| {})
    }

    /// With a connection that is otherwise too.
    pub(crate) fn set(settings: Value, own: Value, change: impl FnOnce(&mut ConnectionConfig)) -> Self {
        let sim = HiEvents
            .simulator(SimConfig {
                connection: "boleteria".into(),
                base_url: BASE.into(),
                webhook_secret: "secreto-del-simulador".into(),
                settings,
            })
            .unwrap();
        let mut config = ConnectionConfig::bare("boleteria", "hi-events");
        config.base_url = Some(BASE.into());
        config.webhook_secrets = vec![Secret::new("secreto-del-simulador")];
        config.settings = json!({ "email": "integraciones@fashionistas.example", "organizer_id": 3 });
        for (name, value) in own.as_object().unwrap() {
            config.settings[name] = value.clone();
        }
        config.credentials.insert("password".into(), Secret::new("clave-inventada"));
        change(&mut config);
        let it = HiEvents.connect(config).unwrap();
        let mut world = Self {
            sim,
            it,
            now: "2026-04-09T15:04:13Z".parse().unwrap(),
            token: String::new(),
            cursors: BTreeMap::new(),
            calls: 0,
            hear: None,
            bucket: None,
            happened: BTreeSet::new(),
            models: BTreeMap::new(),
            events: Vec::new(),
        };
        let ctx = Ctx { now: world.now, key: "k", attempt: 1 };
        let AuthStep::Call(request) = world.it.authenticate(&ctx) else { panic!() };
        let answer = world.sim.handle(&relative(&request), world.now).answer;
        let AuthStep::Ready(auth) = world.it.on_authenticate(&answer, &ctx) else { panic!("{answer:?}") };
        world.token = auth.headers[0].1.clone();
        world
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(crate) fn act(&mut self, command: &str, args: Value) -> (Value, Vec<OutgoingWebhook>) {
        self.pass(5);
        let reply = self.sim.act(command, &args, self.now).unwrap();
        (reply.answer.parse().unwrap(), reply.webhooks.into_iter().map(|(_, w)| w).collect())
    }

    /// Like [`Self::act`], and the webhooks arrive.
    pub(crate) fn heard(&mut self, command: &str, args: Value) -> Value {
        let (made, webhooks) = self.act(command, args);
        for webhook in webhooks {
            if self.hear.as_mut().is_none_or(|arrives| arrives(&webhook)) {
                self.receive(&webhook);
            }
        }
        made
    }

    pub(crate) fn receive(&mut self, webhook: &OutgoingWebhook) {
        let header = |name: &str| webhook.headers.get(name);
        let raw = RawRequest { method: "POST", query: "", header: &header, body: &webhook.body };
        assert_eq!(self.it.verify(&raw, self.now), Verdict::Authentic { replay_key: None }, "{}", webhook.kind);
        assert!(matches!(webhook.attempts, Attempts::Once { timeout } if timeout.as_secs() == 3));
        self.decide(Source::Webhook, &webhook.body);
    }

    pub(crate) fn call(&mut self, request: &Request) -> SimReply {
        self.calls += 1;
        match &mut self.bucket {
            None => self.pass(1),
            Some((burst, _)) if *burst > 0 => *burst -= 1,
            Some((_, every)) => {
                let every = *every;
                self.now += every;
            }
        }
        let request = relative(request).header("authorization", self.token.clone());
        self.sim.handle(&request, self.now)
    }

    pub(crate) fn decide(&mut self, source: Source, body: &[u8]) {
        for item in self.it.translate(source, body).unwrap().items {
            match item {
                Item::Fact(fact) => self.fact(*fact),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Laid over what is known, where a body shows a part of it.
    fn laid(&self, mut write: EntityWrite) -> EntityWrite {
        if let (Some(merge), Some((known, ..))) = (write.merge, self.models.get(&write.entity)) {
            write.data = merge.0(known, &write.data);
        }
        write
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        let event = fact.event_type.clone();
        let new = match &fact.dedup {
            Dedup::Once { kind, entity, discriminator } => {
                self.happened.insert((kind.clone(), entity.clone(), discriminator.clone()))
            }
            Dedup::State { entity } => {
                let write = fact.entities.iter().find(|w| w.entity == *entity).unwrap();
                let write = self.laid(write.clone());
                self.models.get(entity).is_none_or(|(data, at, rank)| {
                    *data != write.data && (write.updated_at, write.rank) >= (*at, *rank)
                })
            }
        };
        if !new {
            return;
        }
        self.events.extend(event);
        for write in fact.entities {
            let write = self.laid(write);
            let later = self
                .models
                .get(&write.entity)
                .is_none_or(|(_, at, rank)| (write.updated_at, write.rank) >= (*at, *rank));
            if later {
                self.models.insert(write.entity, (write.data, write.updated_at, write.rank));
            }
        }
    }

    pub(crate) fn poll(&mut self, task: &str) {
        let mut cursor = self.cursors.get(task).cloned();
        let mut answer: Option<(Value, Answer)> = None;
        for _ in 0..2_000 {
            let ctx = Ctx { now: self.now, key: "", attempt: 1 };
            let last = answer.as_ref().map(|(state, answer)| (state, answer));
            match self.it.poll(task, cursor.as_ref(), last, &ctx) {
                PollStep::Call { request, state } => {
                    assert_eq!(request.method, "GET");
                    assert!(!request.url.contains("per_page") || request.url.contains("per_page=100"));
                    let reply = self.call(&request);
                    assert!(reply.webhooks.is_empty());
                    answer = Some((state, reply.answer));
                }
                PollStep::Page { records, cursor: next, more } => {
                    for record in records {
                        self.decide(Source::Poll, &serde_json::to_vec(&record.body).unwrap());
                    }
                    // Through text, as the store keeps it.
                    cursor = Some(serde_json::from_str(&next.to_string()).unwrap());
                    answer = None;
                    if !more {
                        self.cursors.insert(task.into(), cursor.unwrap());
                        return;
                    }
                }
                PollStep::Failed(outcome) => panic!("{task}: {outcome:?}"),
            }
        }
        panic!("{task} does not end");
    }

    pub(crate) fn poll_all(&mut self) {
        for task in ["shows", "orders", "attendees", "check_ins", "selling"] {
            self.poll(task);
        }
    }

    pub(crate) fn run(&mut self, action: &str, input: Value) -> (Outcome, Vec<OutgoingWebhook>) {
        let inputs = [input];
        let ctx = Ctx { now: self.now, key: "k", attempt: 1 };
        let mut step = self.it.begin(action, &inputs, &ctx);
        let mut webhooks = Vec::new();
        loop {
            match step {
                Step::End(outcomes) => return (outcomes.into_iter().next().unwrap(), webhooks),
                Step::Call(call) => {
                    let reply = self.call(&call.request);
                    webhooks.extend(reply.webhooks.into_iter().map(|(_, w)| w));
                    step = self.it.on(action, &inputs, &call.state, &reply.answer, &ctx);
                }
            }
        }
    }

    pub(crate) fn model(&self, kind: &str, id: &Value) -> &Value {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        &self.models.get(&EntityRef::new(kind, &id)).unwrap_or_else(|| panic!("no {kind} {id}")).0
    }

    pub(crate) fn data(&self) -> BTreeMap<EntityRef, Value> {
        self.models.iter().map(|(entity, (data, ..))| (entity.clone(), data.clone())).collect()
    }
}

pub(crate) fn relative(request: &Request) -> Request {
    let mut request = request.clone();
    request.url = request.url.strip_prefix(BASE).unwrap().to_owned();
    request
}

pub(crate) fn show() -> Value {
    json!({
        "title": "Hilo y Río: Semana de Moda", "starts_at": "2026-05-15T23:00:00Z",
        "venue": { "name": "Plaza Mayor", "city": "Medellín" },
        "tiers": [{ "label": "General", "price": 85000 }, { "label": "Fila 1", "price": "201601.68" }],
        "taxes": [{ "name": "IVA", "rate": 19 }],
    })
}

pub(crate) fn sale(show: &Value, payment: &str) -> Value {
    json!({
        "show_id": show["show_id"], "payment": payment,
        "buyer": { "first_name": "Valentina", "last_name": "Ochoa Mejía", "email": "Valentina@correo.example" },
        "tickets": [
            { "tier": "General", "holder": {
                "first_name": "Valentina", "last_name": "Ochoa Mejía", "email": "valentina@correo.example", "phone": "300 123 4567" } },
            { "tier": "Fila 1", "holder": {
                "first_name": "Samuel", "last_name": "Rendón", "email": "samuel@correo.example" } },
        ],
    })
}
