//! A hub of one connection and the double of Twenty, for the tests that need both.

// Each test file uses its own part of it.
#![allow(dead_code)]

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::provision::{Applied, Plan, Survey, Wanted};
use pasarela_connector::{
    Answer, ConnectionConfig, Connector, Ctx, Item, Outcome, OutgoingWebhook, PollStep, Provider, RawRequest, Request,
    SimConfig, SimReply, Simulator, Source, Step, Verdict,
};
use pasarela_connectors::twenty::Twenty;
use pasarela_domain::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const HOOK: &str = "https://hub.example/hooks/crm";
pub(crate) const WANTED: Wanted<'static> = Wanted { hook: Some(HOOK) };

/// A hub of one connection, and the double.
pub(crate) struct Lab {
    pub(crate) hub: Box<dyn Connector>,
    pub(crate) crm: Box<dyn Simulator>,
    pub(crate) now: Timestamp,
    pub(crate) calls: usize,
}

impl Lab {
    pub(crate) fn new(double: Value) -> Self {
        Self::with(double, json!({ "api_key_name": "pasarela-hub" }))
    }

    pub(crate) fn with(double: Value, settings: Value) -> Self {
        let config = ConnectionConfig {
            base_url: Some("http://crm.example".into()),
            webhook_secrets: vec![Secret::new("secreto")],
            settings,
            ..ConnectionConfig::bare("crm", "twenty")
        };
        let sim = SimConfig {
            connection: "crm".into(),
            base_url: "http://crm.example".into(),
            webhook_secret: "secreto".into(),
            settings: double,
        };
        Self {
            hub: Twenty.connect(config).unwrap(),
            crm: Twenty.simulator(sim).unwrap(),
            now: "2026-11-27T19:00:00Z".parse().unwrap(),
            calls: 0,
        }
    }

    pub(crate) fn wait(&mut self, millis: i64) {
        self.now = self.now.checked_add(SignedDuration::from_millis(millis)).unwrap();
    }

    pub(crate) fn call(&mut self, request: &Request) -> SimReply {
        self.calls += 1;
        self.wait(700);
        let mut request = request.clone().header("authorization", "Bearer llave");
        request.url = request.url.strip_prefix("http://crm.example").unwrap().to_owned();
        self.crm.handle(&request, self.now)
    }

    pub(crate) fn ctx<'a>(&self, key: &'a str) -> Ctx<'a> {
        Ctx { now: self.now, key, attempt: 1 }
    }

    /// Drives an action to its end, as the engine does.
    pub(crate) fn run(&mut self, action: &str, inputs: &[Value], key: &str) -> Vec<Outcome> {
        let mut step = self.hub.begin(action, inputs, &self.ctx(key));
        loop {
            match step {
                Step::End(outcomes) => return outcomes,
                Step::Call(call) => {
                    let reply = self.call(&call.request);
                    step = self.hub.on(action, inputs, &call.state, &reply.answer, &self.ctx(key));
                }
            }
        }
    }

    pub(crate) fn upsert(&mut self, inputs: &[Value]) -> Vec<Outcome> {
        self.run("upsert_person", inputs, "k")
    }

    pub(crate) fn act(&mut self, command: &str, args: Value) -> SimReply {
        self.wait(1000);
        self.crm.act(command, &args, self.now).unwrap()
    }

    /// Event types that webhooks bring, after their signature was checked.
    pub(crate) fn hear(&self, webhooks: &[(Duration, OutgoingWebhook)]) -> Vec<String> {
        webhooks
            .iter()
            .flat_map(|(delay, w)| {
                let arrives = self.now.checked_add(SignedDuration::try_from(*delay).unwrap()).unwrap();
                let header = |name: &str| w.headers.get(name);
                let request = RawRequest { method: "POST", query: "", header: &header, body: &w.body };
                assert!(matches!(self.hub.verify(&request, arrives), Verdict::Authentic { replay_key: Some(_) }));
                names(&*self.hub, Source::Webhook, &w.body)
            })
            .collect()
    }

    /// Reads a task to its end from a cursor; the records as events, and the next cursor.
    pub(crate) fn sweep(&mut self, task: &str, mut cursor: Option<Value>) -> (Vec<String>, Option<Value>) {
        let mut told = Vec::new();
        loop {
            let mut step = self.hub.poll(task, cursor.as_ref(), None, &self.ctx("sweep"));
            if let PollStep::Call { request, state } = step {
                let answer = self.call(&request).answer;
                step = self.hub.poll(task, cursor.as_ref(), Some((&state, &answer)), &self.ctx("sweep"));
            }
            let PollStep::Page { records, cursor: next, more } = step else { panic!("{step:?}") };
            for record in records {
                told.extend(names(&*self.hub, Source::Poll, record.body.to_string().as_bytes()));
            }
            cursor = Some(next);
            if !more {
                return (told, cursor);
            }
        }
    }

    pub(crate) fn look(&mut self, known: Option<&Value>) -> Value {
        let mut answer: Option<(Value, Answer)> = None;
        loop {
            let given = answer.as_ref().map(|(s, a)| (s, a));
            let step = self.hub.provisioner().unwrap().survey(&WANTED, known, given, &self.ctx("plan"));
            match step {
                Survey::Seen(seen) => return seen,
                Survey::Failed(outcome) => panic!("{outcome:?}"),
                Survey::Call { request, state } => {
                    assert_eq!(request.method, "GET", "a look changes nothing");
                    answer = Some((state, self.call(&request).answer));
                }
            }
        }
    }

    pub(crate) fn plan(&mut self) -> Plan {
        let seen = self.look(None);
        self.hub.provisioner().unwrap().plan(&WANTED, &seen)
    }

    /// Applies at most so many steps, as the engine does; what was sent, and what was refused.
    pub(crate) fn apply(&mut self, most: usize) -> (Vec<Request>, BTreeMap<String, String>) {
        let (mut sent, mut refused) = (Vec::new(), BTreeMap::new());
        let mut seen = self.look(None);
        while sent.len() < most {
            let (request, step) = {
                let model = self.hub.provisioner().unwrap();
                let plan = model.plan(&WANTED, &seen);
                let next = plan.todo().find_map(|s| Some((model.request(&WANTED, &seen, &s.id)?, s.id.clone())));
                let Some(next) = next else { break };
                next
            };
            let answer = self.call(&request).answer;
            sent.push(request);
            let came = self.hub.provisioner().unwrap().judge(&WANTED, &seen, &step, &answer, &self.ctx("plan"));
            match came {
                Applied::Done { seen: now } => seen = now,
                Applied::Refused { seen: now, why } => {
                    seen = now;
                    refused.insert(step, why);
                }
                other => panic!("{step}: {other:?}"),
            }
            assert!(sent.len() < 500, "it never ends");
        }
        (sent, refused)
    }

    pub(crate) fn rest(&mut self, method: &str, path: &str, body: Value) -> Value {
        let request = Request::new(method, format!("http://crm.example/rest/{path}")).json(&body);
        let answer = self.call(&request).answer;
        answer.parse().unwrap_or(Value::Null)
    }

    /// A workspace with the fashion model.
    pub(crate) fn provisioned(double: Value) -> Self {
        let mut lab = Self::new(double);
        let (_, refused) = lab.apply(usize::MAX);
        assert!(refused.is_empty(), "{refused:?}");
        lab.calls = 0;
        lab
    }

    /// A record as the CRM shows it.
    pub(crate) fn read(&mut self, plural: &str, id: &Value) -> Value {
        let shown = self.rest("GET", &format!("{plural}/{}", id.as_str().unwrap()), json!({}));
        shown["data"].as_object().map(|d| d.values().next().unwrap().clone()).unwrap_or_else(|| panic!("{shown}"))
    }

    pub(crate) fn people(&self) -> BTreeMap<String, u32> {
        self.crm.arrivals().into_iter().filter(|a| a.kind == "person").map(|a| (a.identity, a.times)).collect()
    }
}

pub(crate) fn names(hub: &dyn Connector, source: Source, body: &[u8]) -> Vec<String> {
    let items = hub.translate(source, body).unwrap().items;
    items
        .iter()
        .map(|item| match item {
            Item::Fact(fact) => fact.event_type.clone().unwrap_or_else(|| "-".into()),
            Item::Ignored { kind } => format!("[{kind}]"),
            Item::Unread { kind, why } => panic!("{kind}: {why}"),
        })
        .collect()
}

pub(crate) fn result(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Done(done) => done.result.clone(),
        other => panic!("done, not {other:?}"),
    }
}

pub(crate) fn guest(n: usize) -> Value {
    json!({ "email": format!("invitada{n}@correo.example.co"), "name": format!("Invitada Ruiz Mora{n}") })
}
