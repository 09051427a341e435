//! A provider that has everything: actions of every idempotency kind, settled by answer and by
//! status, in a batch, in several calls, without a call; lanes of each kind; a login; records that
//! can be fetched and polled. Its bodies say directly which facts they hold.

use pasarela_connector::{
    Action, Answer, ApiVersion, Auth, AuthKind, AuthStep, Batch, Call, ConfigError, ConnectionConfig, Connector,
    Correlation, Credential, Ctx, Dedup, Done, EntityWrite, Fact, Headers, Idempotency, Item, Lane, Limits, Manifest,
    Message, Outcome, PollStep, Provider, RawRequest, ReadBack, Record, Repeat, Request, Scope, Settlement, Settles,
    SimConfig, Simulator, Source, Step, Task, Translation, Trial, Unread, Verdict, Verification, judge,
};
use pasarela_domain::EntityRef;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const READ_AFTER: Duration = Duration::from_secs(10);
pub(crate) const CORRELATE_WITHIN: Duration = Duration::from_secs(600);
pub(crate) const STATUS_WITHIN: Duration = Duration::from_secs(3600);
pub(crate) const POLL_EVERY: Duration = Duration::from_secs(900);
/// Longest real life of a call; business time is moved by hand.
pub(crate) const CALL_LIFE: Duration = Duration::from_secs(20);

/// What a refund names, as providers ask for it.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Refund {
    order_id: String,
    show_id: String,
    amount: Value,
    refunded_before: Value,
    cancel_order: bool,
    /// Nobody has to say it.
    notify_buyer: Option<bool>,
}

pub(crate) struct Ensayo(Manifest);

impl Ensayo {
    pub(crate) fn new() -> Self {
        let day = Duration::from_secs(86_400);
        let native = Idempotency::Native { valid_for: day };
        let action = |name, idempotency| Action::new::<Value>(name, name, idempotency).lane(Lane::Input("/to"));
        let actions = vec![
            action("clave", native).output(json!({ "id": "string" })).build(),
            action("cliente", Idempotency::ClientId).build(),
            action("leible", Idempotency::Readable { after: READ_AFTER }).build(),
            action("correla", Idempotency::Correlated { within: CORRELATE_WITHIN }).build(),
            action("unavez", Idempotency::AtMostOnce).build(),
            action("mensaje", Idempotency::AtMostOnce).settled_by_status(STATUS_WITHIN).build(),
            action("lote", Idempotency::ClientId).batch(5).build(),
            action("pasos", native).build(),
            action("nada", native).build(),
            action("todo", native).lane(Lane::Connection).build(),
            action("flujo", native).lane(Lane::FlowKey).build(),
            action("fugaz", Idempotency::AtMostOnce).expendable(Duration::from_secs(120)).build(),
            action("breve", native).give_up_after(Duration::from_secs(120)).build(),
            action("clave_tarde", native).settled_by_status(STATUS_WITHIN).build(),
            action("cliente_tarde", Idempotency::ClientId).settled_by_status(STATUS_WITHIN).build(),
            action("leible_tarde", Idempotency::Readable { after: READ_AFTER })
                .settled_by_status(STATUS_WITHIN)
                .build(),
            action("correla_tarde", Idempotency::Correlated { within: CORRELATE_WITHIN })
                .settled_by_status(STATUS_WITHIN)
                .build(),
            action("unavez_tarde", Idempotency::AtMostOnce).settled_by_status(STATUS_WITHIN).build(),
            action("carta", Idempotency::AtMostOnce).message(Message::to("email", "/to")).build(),
            action("aviso", native).message(Message::to("whatsapp", "/to")).build(),
            action("charla", native).message(Message::to("whatsapp", "/to").answers_within(day)).build(),
            action("registro", Idempotency::ClientId).registry(100).build(),
            Action::new::<Refund>("refund", "refund", Idempotency::Readable { after: READ_AFTER }).build(),
            action("a_todos", native).message(Message::to_unnamed("email")).build(),
        ];
        let anything = actions[0].input.clone();
        debug_assert_eq!(actions[6].batch, Some(Batch { max: 5 }));
        Self(Manifest {
            name: "ensayo",
            title: "Ensayo",
            docs: "https://example.test",
            api: ApiVersion { version: "1", ends: None },
            default_base_url: None,
            auth: AuthKind::Login,
            verification: Verification::Configured,
            settings: anything,
            credentials: ["password", "client_id", "client_secret", "refresh_token"]
                .map(|name| Credential { name, help: "for a login", required: false })
                .into(),
            actions,
            events: &["order.paid", "order.updated", "order.cancelled", "order.refunded", "show.updated"],
            fetches: &["show"],
            tasks: vec![Task { name: "orders", every: POLL_EVERY, whole: &["order"] }],
            no_history: None,
            limits: Limits { rate: None, concurrency: 32, timeout: CALL_LIFE },
        })
    }
}

impl Ensayo {
    /// With another way of proving who calls.
    pub(crate) fn with(auth: AuthKind) -> Self {
        Self(Manifest { auth, ..Self::new().0 })
    }
}

impl Provider for Ensayo {
    fn manifest(&self) -> &Manifest {
        &self.0
    }
    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        let base = config.base_url.clone().unwrap_or_default();
        Ok(Box::new(Connected { config, base }))
    }
    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        None
    }
}

struct Connected {
    config: ConnectionConfig,
    base: String,
}

impl Connected {
    fn post(&self, action: &str, body: &Value, ctx: &Ctx<'_>) -> Request {
        Request::new("POST", format!("{}/{action}", self.base)).json(body).header("idempotency-key", ctx.key)
    }

    fn outcome(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
        if answer.status == 402 {
            return Outcome::NeedsHuman { why: "the account is not paid".into() };
        }
        judge::classify(answer, ctx.now).unwrap_or_else(|| {
            let result: Value = answer.parse().unwrap_or_default();
            if let Some(named) = result["outcome"].as_str() {
                return named_outcome(named);
            }
            Outcome::Done(Done { reference: result["ref"].as_str().map(str::to_owned), result })
        })
    }
}

impl Connector for Connected {
    fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    fn verify(&self, request: &RawRequest<'_>, _now: jiff::Timestamp) -> Verdict {
        match (request.header)("x-clave") {
            Some("si") => Verdict::Authentic { replay_key: (request.header)("x-nonce").map(str::to_owned) },
            _ => Verdict::Forged("x-clave is missing"),
        }
    }

    fn at_door(&self, body: &[u8]) -> bool {
        body.windows(19).any(|w| w == b"\"ticket.checked_in\"")
    }

    fn translate(&self, _source: Source, body: &[u8]) -> Result<Translation, Unread> {
        let body: Value = serde_json::from_slice(body)?;
        assert!(body.get("panic").is_none(), "a connector that fails on a body");
        let items = body["facts"].as_array().ok_or_else(|| Unread("no facts".into()))?;
        Ok(Translation { items: items.iter().map(item).collect() })
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        let first = inputs.first().cloned().unwrap_or_default();
        let call = |request, repeat| Step::Call(Call { request, state: Value::Null, repeat });
        match action.trim_end_matches("_tarde") {
            "nada" if first["fail"] == json!(true) => Step::end(Outcome::give_up("refused_here", "told to fail")),
            "nada" => Step::end(Outcome::done(json!({ "id": "nada" }))),
            "cliente" => call(
                Request::new("PUT", format!("{}/{action}", self.base)).json(&first).header("idempotency-key", ctx.key),
                Repeat::Safe,
            ),
            "lote" => call(self.post("lote", &json!(inputs), ctx), Repeat::Safe),
            "pasos" => {
                let request = self.post("pasos1", &first, ctx);
                Step::Call(Call { request, state: json!({ "v": 1 }), repeat: Repeat::SameKey })
            }
            "leible" | "refund" | "correla" | "unavez" | "mensaje" | "fugaz" | "carta" => {
                call(self.post(action, &first, ctx), Repeat::Never)
            }
            _ => call(self.post(action, &first, ctx), Repeat::SameKey),
        }
    }

    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        if action == "pasos" && state["v"] == json!(1) && answer.is_success() {
            let token = answer.parse::<Value>().unwrap_or_default()["token"].clone();
            let request = self.post("pasos2", &json!({ "token": token, "input": inputs[0] }), ctx);
            return Step::Call(Call { request, state: json!({ "v": 2 }), repeat: Repeat::SameKey });
        }
        if action == "lote" && answer.is_success() {
            let body: Value = answer.parse().unwrap_or_default();
            let outcomes = inputs.iter().map(|input| {
                let failed = body["failed"].as_array().is_some_and(|f| f.contains(&input["to"]));
                if failed { Outcome::give_up("bad_row", "refused") } else { Outcome::done(input.clone()) }
            });
            return Step::End(outcomes.collect());
        }
        Step::all(inputs.len(), &Self::outcome(answer, ctx))
    }

    /// What says that it must not go any more, does not.
    fn stops(&self, _action: &str, input: &Value, ctx: &Ctx<'_>) -> Option<Outcome> {
        let until = input["until"].as_str()?.parse::<jiff::Timestamp>().ok()?;
        (ctx.now > until).then(|| Outcome::withheld("taken_back", "as the test wants it"))
    }

    fn probe(&self) -> Option<Request> {
        Some(Request::get(format!("{}/probe", self.base)))
    }

    fn hooks(&self) -> Option<Request> {
        Some(Request::get(format!("{}/hooks", self.base)))
    }

    fn registered(&self, answer: &Answer) -> Option<Vec<String>> {
        serde_json::from_value(answer.parse::<Value>().ok()?["urls"].clone()).ok()
    }

    fn trial(&self, _now: jiff::Timestamp) -> Option<Trial> {
        let mut headers = Headers::default();
        headers.set("x-clave", "si");
        Some(Trial { headers, body: br#"{"facts":[{"ignored":"trial"}]}"#.as_slice().into() })
    }

    fn read_back(&self, _action: &str, _input: &Value, ctx: &Ctx<'_>) -> Option<Request> {
        Some(Request::get(format!("{}/read", self.base)).query([("key", ctx.key)]))
    }

    fn judge_read_back(&self, _action: &str, _input: &Value, answer: &Answer) -> ReadBack {
        match answer.parse::<Value>().unwrap_or_default()["found"].as_bool() {
            Some(true) => ReadBack::Done(Done { result: json!({ "id": "leido" }), reference: None }),
            Some(false) => ReadBack::NotThere,
            None => ReadBack::Unclear("it does not say".into()),
        }
    }

    fn authenticate(&self, _ctx: &Ctx<'_>) -> AuthStep {
        if self.config.credentials.contains_key("password") {
            AuthStep::Call(Request::new("POST", format!("{}/login", self.base)))
        } else {
            AuthStep::Ready(Auth::default())
        }
    }

    fn on_authenticate(&self, answer: &Answer, ctx: &Ctx<'_>) -> AuthStep {
        let token = answer.parse::<Value>().unwrap_or_default()["token"].as_str().map(str::to_owned);
        match token {
            Some(token) => {
                let end = ctx.now.checked_add(Duration::from_secs(3600)).ok();
                AuthStep::Ready(Auth::header("authorization", token).until(end))
            }
            None => AuthStep::Refused("the password is wrong; set it again".into()),
        }
    }

    fn fetch(&self, entity: &EntityRef) -> Option<Request> {
        Some(Request::get(format!("{}/fetch", self.base)).query([("id", entity.id.as_str())]))
    }

    fn look_for(&self, entity: &EntityRef) -> Option<Request> {
        Some(Request::get(format!("{}/one", self.base)).query([("id", entity.id.as_str())]))
    }

    fn gone(&self, entity: &EntityRef, answer: &Answer, _ctx: &Ctx<'_>) -> Option<Record> {
        let body = json!({ "facts": [{ "type": "order.cancelled", "key": format!("order:{}", entity.id), "id": entity.id,
            "data": { "deleted": true },
            "state": [{ "kind": entity.kind, "id": entity.id, "data": { "deleted": true } }] }] });
        (answer.status == 404).then_some(Record { body })
    }

    fn poll(&self, _task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        let from = cursor.and_then(Value::as_u64).unwrap_or(0);
        let Some((_, answer)) = answer else {
            let request = Request::get(format!("{}/poll", self.base)).query([("from", from.to_string())]);
            return PollStep::Call { request, state: Value::Null };
        };
        if let Some(outcome) = judge::classify(answer, ctx.now) {
            return PollStep::Failed(outcome);
        }
        let body: Value = answer.parse().unwrap_or_default();
        let records = body["records"].as_array().cloned().unwrap_or_default();
        PollStep::Page {
            records: records.into_iter().map(|body| Record { body }).collect(),
            cursor: json!(body["next"].as_u64().unwrap_or(from)),
            more: body["more"] == json!(true),
        }
    }
}

/// An answer that names its own meaning, where HTTP has no word for it.
fn named_outcome(name: &str) -> Outcome {
    let why = || "as the test wants it".to_owned();
    let after = Some(Duration::from_secs(30));
    match name {
        "partial" => Outcome::Partial { done: json!({ "id": "mitad" }), failed: json!(["the other half"]) },
        "retry_effect" => Outcome::Retry { after: None, scope: Scope::Effect, why: why() },
        "retry_connection" => Outcome::Retry { after: None, scope: Scope::Connection, why: why() },
        "throttled_effect" => Outcome::Throttled { after, scope: Scope::Effect },
        "throttled_connection" => Outcome::Throttled { after, scope: Scope::Connection },
        "provider_down" => Outcome::ProviderDown { after: None, why: why() },
        "give_up" => Outcome::give_up("no_such_number", "as the test wants it"),
        "target_gone" => Outcome::TargetGone { why: why() },
        "needs_human" => Outcome::NeedsHuman { why: why() },
        "unknown" => Outcome::Unknown { why: why() },
        "withheld" => Outcome::withheld("a_rule", why()),
        "dropped" => Outcome::dropped("too_late", why()),
        other => panic!("no outcome {other}"),
    }
}

/// `{type, key, id, disc, data, state, refs, settles}`, `{unread}` or `{ignored}`.
fn item(value: &Value) -> Item {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    if let Some(why) = text("unread") {
        return Item::Unread { kind: "odd".into(), why };
    }
    if let Some(kind) = text("ignored") {
        return Item::Ignored { kind };
    }
    let entities: Vec<EntityWrite> = value["state"].as_array().into_iter().flatten().map(entity).collect();
    let dedup = match (text("id"), entities.first()) {
        (None, Some(state)) => Dedup::State { entity: state.entity.clone() },
        (id, _) => Dedup::Once {
            kind: text("type").unwrap_or_default(),
            entity: id.unwrap_or_default(),
            discriminator: text("disc").unwrap_or_default(),
        },
    };
    let mut refs: Vec<EntityRef> = entities.iter().map(|e| e.entity.clone()).collect();
    for pair in value["refs"].as_array().into_iter().flatten() {
        refs.push(EntityRef::new(pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default()));
    }
    Item::from(Fact {
        event_type: text("type"),
        key: text("key").unwrap_or_default(),
        occurred_at: None,
        data: value["data"].clone(),
        dedup,
        entities,
        refs,
        settles: settles(&value["settles"]),
    })
}

fn entity(value: &Value) -> EntityWrite {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    EntityWrite::new(&text("kind"), text("id"), value["data"].clone())
        .updated(value["updated"].as_str().and_then(|t| t.parse().ok()))
        .rank(value["rank"].as_i64().and_then(|r| i16::try_from(r).ok()).unwrap_or(0))
}

fn settles(value: &Value) -> Option<Settles> {
    let mut by = Vec::new();
    by.extend(value["key"].as_str().map(|k| Correlation::Key(k.into())));
    by.extend(value["ref"].as_str().map(|r| Correlation::Reference(r.into())));
    let settlement = match value["what"].as_str()? {
        "accepted" => Settlement::Accepted,
        "delivered" => Settlement::Delivered,
        _ => Settlement::Failed { code: "131026".into(), why: "no such number".into() },
    };
    Some(Settles { by, settlement })
}
