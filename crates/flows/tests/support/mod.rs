//! A catalog of invented connections and a world of invented facts.
#![allow(dead_code, unreachable_pub)]

use jiff::Timestamp;
use pasarela_flows::{
    ActionInfo, Advance, Catalog, Flow, Origin, RunState, Scope, Start, StepOutcome, Unresolved, compile,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct TestCatalog {
    /// Providers without a connection.
    pub absent: Vec<&'static str>,
}

impl Catalog for TestCatalog {
    fn action(&self, name: &str) -> Result<ActionInfo, Unresolved> {
        let provider = name.split('.').next().unwrap_or("");
        let (input, output, message) = match name {
            "twenty.upsert_person" => (
                json!({
                    "type": "object",
                    "properties": {
                        "email": { "type": ["string", "null"] },
                        "phone": { "type": ["string", "null"] },
                        "name": { "type": "string" },
                    },
                    "required": ["name"],
                    "additionalProperties": false,
                }),
                json!({ "id": "string" }),
                false,
            ),
            "whatsapp.send_template" => (
                json!({
                    "type": "object",
                    "properties": {
                        "to": { "type": "string", "pattern": "^\\+[0-9]{8,15}$" },
                        "template": { "type": "string" },
                        "language": { "enum": ["es", "en"] },
                        "params": { "type": "array", "items": { "type": "string" } },
                    },
                    "required": ["to", "template", "language"],
                }),
                json!({}),
                true,
            ),
            "sendgrid.send" => (
                json!({
                    "type": "object",
                    "properties": {
                        "to": { "type": "string" },
                        "template": { "type": "string" },
                        "attach": { "type": "array", "items": { "$ref": "#/$defs/Attachment" } },
                    },
                    "required": ["to", "template"],
                    "$defs": { "Attachment": { "enum": ["ticket_pdf", "calendar"] } },
                }),
                json!({}),
                true,
            ),
            "ga4.purchase" => (
                json!({ "type": "object", "properties": { "order": { "type": "object" } }, "required": ["order"] }),
                json!({}),
                false,
            ),
            "mixpanel.track" => (
                json!({
                    "type": "object",
                    "properties": { "event": { "type": "string" }, "person": { "type": "string" }, "count": { "type": "integer" } },
                    "required": ["event"],
                }),
                json!({}),
                false,
            ),
            "tienda.request" => (json!({ "type": "object" }), json!({}), false),
            "meta.send" => {
                return Err(Unresolved::Ambiguous { connections: vec!["meta-a".into(), "meta-b".into()] });
            }
            _ => return Err(Unresolved::Unknown),
        };
        if self.absent.contains(&provider) {
            return Err(Unresolved::NotConfigured { provider: provider.to_owned() });
        }
        let (connection, action) = name.split_once('.').unwrap();
        Ok(ActionInfo {
            connection: connection.to_owned(),
            action: action.to_owned(),
            input,
            output,
            message,
            channel: None,
            to: None,
        })
    }
    fn actions(&self) -> Vec<String> {
        [
            "twenty.upsert_person",
            "whatsapp.send_template",
            "sendgrid.send",
            "ga4.purchase",
            "mixpanel.track",
            "tienda.request",
        ]
        .map(str::to_owned)
        .to_vec()
    }
    fn event_types(&self) -> Vec<String> {
        pasarela_domain::CANONICAL_EVENT_TYPES.iter().map(|name| (*name).to_owned()).collect()
    }
    fn is_event_type(&self, name: &str) -> bool {
        pasarela_domain::is_canonical(name) || name.starts_with("tienda.")
    }
    fn schema(&self, name: &str) -> Option<Value> {
        pasarela_domain::model::schema_of(name).map(Value::from)
    }
}

pub const ALL: TestCatalog = TestCatalog { absent: Vec::new() };

/// Facts that a flow sees.
pub struct World {
    pub event: Value,
    pub data: Value,
    pub models: BTreeMap<String, Arc<Value>>,
    pub vars: Value,
    pub now: Timestamp,
}

impl World {
    pub fn new() -> Self {
        let cop = |pesos: i64| json!({ "minor": pesos * 100, "currency": "COP" });
        let holder = |name: &str, phone: Value| json!({ "name": name, "first_name": name, "last_name": "", "email": null, "phone": phone, "language": null });
        let ticket = |id: &str, holder: Value| {
            json!({ "id": id, "code": format!("A-{id}"), "status": "active", "holder": holder, "product_id": "p1",
                    "tier_id": null, "show_id": "s1", "order_id": "o1" })
        };
        let buyer = json!({ "name": "Ana Díaz Peña", "first_name": "Ana", "last_name": "Díaz Peña",
                            "email": "ana@correo.example", "phone": "+573001234567", "language": "es" });
        let order = json!({
            "id": "o1", "number": "O-1", "status": "paid", "currency": "COP", "subtotal": cop(370_000), "tax": cop(0),
            "fees": cop(0), "total": cop(370_000), "refunded": cop(0), "fully_refunded": false, "free": false,
            "payment_method": "stripe", "promo_code": null, "buyer": buyer, "lines": [],
            "tickets": [ticket("t1", holder("Ana", json!("+573001234567"))), ticket("t2", holder("Luz", Value::Null))],
            "show_id": "s1", "answers": [], "placed_at": null,
        });
        let show = json!({ "id": "s1", "title": "Noche de Lino", "status": "live", "starts_at": "2026-11-28T00:00:00Z",
                           "ends_at": null, "time_zone": "America/Bogota", "currency": "COP",
                           "venue": { "name": null, "address": null, "city": "Bogotá" } });
        let event = json!({ "id": "e1", "type": "order.paid", "connection": "boleteria", "key": "order:o1",
                            "occurred_at": "2026-11-01T15:00:00Z", "received_at": "2026-11-01T15:00:01Z",
                            "delivery_id": "d1", "data": order });
        let models =
            BTreeMap::from([("order".to_owned(), Arc::new(order.clone())), ("show".to_owned(), Arc::new(show))]);
        Self {
            event,
            data: order,
            models,
            vars: json!({ "saludo": "Hola", "espera": "2h" }),
            now: at("2026-11-01T15:00:02Z"),
        }
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope { event: &self.event, data: &self.data, models: &self.models, vars: &self.vars, now: self.now }
    }

    pub fn change(&mut self, model: &str, pointer: &str, value: Value) {
        let mut copy = self.models[model].as_ref().clone();
        *copy.pointer_mut(pointer).unwrap() = value;
        self.models.insert(model.to_owned(), Arc::new(copy));
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A flow of these steps (two spaces of indentation are added), begun by `order.paid`.
pub fn flow(steps: &str) -> Flow {
    flow_text(&with_head(steps))
}

pub fn with_head(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    format!("flow: prueba\nversion: 1\non: order.paid\nsteps:\n{steps}")
}

pub fn flow_text(text: &str) -> Flow {
    compile("prueba.yaml", text, Origin::File, &ALL).unwrap_or_else(|problems| panic!("{}", shown(&problems)))
}

/// Problems of a text that must not compile.
pub fn problems(text: &str) -> String {
    shown(&compile("prueba.yaml", text, Origin::File, &ALL).expect_err("it compiled"))
}

pub fn shown(problems: &[pasarela_flows::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A run and its flow.
pub struct Run {
    pub flow: Flow,
    pub world: World,
    pub state: RunState,
}

impl Run {
    pub fn new(steps: &str) -> Self {
        Self::of(flow(steps), World::new())
    }
    pub fn of(flow: Flow, world: World) -> Self {
        let Start::Run { state, .. } = flow.start(&world.scope()).unwrap() else { panic!("skipped") };
        Self { flow, world, state }
    }
    pub fn advance(&mut self) -> Advance {
        self.advance_by(100)
    }
    pub fn advance_by(&mut self, budget: usize) -> Advance {
        // Every decision must survive the store.
        let text = serde_json::to_string(&self.state).unwrap();
        self.state = serde_json::from_str(&text).unwrap();
        self.flow.advance(&mut self.state, &self.world.scope(), budget)
    }
    /// Paths of the effects that begin now.
    pub fn begun(&mut self) -> Vec<String> {
        let advance = self.advance();
        assert!(advance.failures.is_empty(), "{:?}", advance.failures);
        advance.effects.into_iter().map(|effect| effect.path).collect()
    }
    pub fn done(&mut self, path: &str, result: Value) {
        self.flow.on_outcome(&mut self.state, path, StepOutcome::Done { result });
    }
    pub fn gave_up(&mut self, path: &str) {
        let outcome = StepOutcome::GaveUp { code: "no_whatsapp".into(), why: "no such number".into() };
        self.flow.on_outcome(&mut self.state, path, outcome);
    }
    pub fn outcome(&mut self, path: &str, outcome: StepOutcome) {
        self.flow.on_outcome(&mut self.state, path, outcome);
    }
    pub fn state_of(&self, path: &str) -> String {
        self.state.summary()["steps"][path]["state"].as_str().unwrap_or("nothing").to_owned()
    }
    pub fn why(&self, path: &str) -> String {
        self.state.summary()["steps"][path]["why"].as_str().unwrap_or("").to_owned()
    }
}
