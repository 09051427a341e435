//! A small provider with the powers that `http` does not have (two calls, batch, read-back, login,
//! fetch, poll, simulator): the suite lets it pass as it is, and finds each thing that is broken.

use super::sabotage::told;
use super::{NOW, plain_hmac};
use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, check};
use pasarela_connector::{
    Action, Answer, Arrival, Auth, AuthStep, Call, ConfigError, ConnectionConfig, Connector, Ctx, Done, Idempotency,
    Manifest, Outcome, PollStep, Provider, RawRequest, ReadBack, Record, Repeat, Request, SimConfig, SimReply,
    Simulator, Source, Step, Task, Translation, Unread, Verdict, Verification, judge,
};
use pasarela_domain::EntityRef;
use serde_json::{Value, json};
use std::time::Duration;

/// What is broken in it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    BatchMiscounts,
    BatchRefuses,
    ReadBackGuesses,
    LoginTakesAnything,
    FetchClimbs,
    PollSkipsFailures,
    PollTrustsCursors,
    DoublePanics,
    DoubleObeysAnything,
    FirstAnswerIsEnough,
}

const BASE: &str = "https://libreta.example/api";

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    #[expect(dead_code, reason = "only its schema is used")]
    text: String,
}

#[derive(schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

struct Libreta(Manifest, Fault);

struct Connected(ConnectionConfig, Fault);

fn libreta(fault: Fault) -> Fixture {
    let note =
        Action::new::<Note>("save_note", "Save a note", Idempotency::Readable { after: Duration::from_secs(30) })
            .batch(10)
            .build();
    let manifest = Manifest {
        name: "libreta",
        title: "Libreta",
        verification: Verification::NoInbound,
        settings: schemars::schema_for!(NoSettings),
        default_base_url: Some(BASE),
        actions: vec![note],
        fetches: &["note"],
        tasks: vec![Task { name: "notes", every: Duration::from_secs(600), whole: &["note"] }],
        no_history: None,
        ..plain_hmac().provider.manifest().clone()
    };
    Fixture {
        provider: Box::new(Libreta(manifest, fault)),
        config: ConnectionConfig::bare("libreta", "libreta"),
        now: Timestamp::from_second(NOW).unwrap(),
        webhooks: vec![],
        actions: vec![ActionSample {
            action: "save_note",
            input: json!({ "text": "hola" }),
            done: Answer::json(200, &json!({ "id": "n-1" })),
            judged: vec![(Answer::json(200, &json!({ "ticket": "t-1" })), "call")],
            refused: vec![json!({})],
        }],
    }
}

impl Provider for Libreta {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        if config.settings.as_object().is_none_or(|settings| !settings.is_empty()) {
            return Err(config.error("there are no settings"));
        }
        Ok(Box::new(Connected(config, self.1)))
    }

    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        Some(Box::new(Double(self.1)))
    }
}

fn text(answer: &Answer, field: &str) -> Option<String> {
    answer.parse::<Value>().ok()?.get(field)?.as_str().map(str::to_owned)
}

impl Connector for Connected {
    fn config(&self) -> &ConnectionConfig {
        &self.0
    }

    fn verify(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Verdict {
        Verdict::Forged("it sends nothing")
    }

    fn translate(&self, _source: Source, _body: &[u8]) -> Result<Translation, Unread> {
        Ok(Translation::default())
    }

    fn begin(&self, action: &str, inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        if action != "save_note" {
            return Step::all(inputs.len(), &Outcome::give_up("no_such_action", "?"));
        }
        if self.1 == Fault::BatchRefuses && inputs.len() > 1 {
            return Step::all(inputs.len(), &Outcome::give_up("one_at_a_time", "?"));
        }
        let request = Request::new("POST", format!("{BASE}/tickets"));
        Step::Call(Call { request, state: json!({ "call": 1 }), repeat: Repeat::Safe })
    }

    fn on(&self, _action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        let n = if self.1 == Fault::BatchMiscounts { 1 } else { inputs.len() };
        if let Some(outcome) = judge::classify(answer, ctx.now) {
            return Step::all(n, &outcome);
        }
        let unclear = Outcome::Unknown { why: "the answer has no id".into() };
        if state["call"] == 1 && self.1 != Fault::FirstAnswerIsEnough {
            let Some(ticket) = text(answer, "ticket") else {
                return Step::all(n, &unclear);
            };
            let request = Request::new("POST", format!("{BASE}/notes/{ticket}")).json(&json!(inputs));
            return Step::Call(Call { request, state: json!({ "call": 2 }), repeat: Repeat::Never });
        }
        match text(answer, "id") {
            Some(id) => Step::all(n, &Outcome::done(json!({ "id": id }))),
            None => Step::all(n, &unclear),
        }
    }

    fn read_back(&self, _action: &str, _input: &Value, _ctx: &Ctx<'_>) -> Option<Request> {
        Some(Request::get(format!("{BASE}/notes")))
    }

    fn judge_read_back(&self, _action: &str, _input: &Value, answer: &Answer) -> ReadBack {
        match text(answer, "id") {
            Some(id) => ReadBack::Done(Done { result: Value::Null, reference: Some(id) }),
            None if self.1 == Fault::ReadBackGuesses => ReadBack::NotThere,
            None => ReadBack::Unclear("no id".into()),
        }
    }

    fn authenticate(&self, _ctx: &Ctx<'_>) -> AuthStep {
        AuthStep::Call(Request::new("POST", format!("{BASE}/login")))
    }

    fn on_authenticate(&self, answer: &Answer, _ctx: &Ctx<'_>) -> AuthStep {
        if self.1 == Fault::LoginTakesAnything && answer.is_success() {
            return AuthStep::Ready(Auth::default());
        }
        match text(answer, "token") {
            Some(token) => AuthStep::Ready(Auth::header("authorization", token)),
            None => AuthStep::Later("no token".into()),
        }
    }

    fn fetch(&self, entity: &EntityRef) -> Option<Request> {
        let sound = self.1 == Fault::FetchClimbs || entity.id.bytes().all(|b| b.is_ascii_alphanumeric());
        (entity.kind == "note" && sound).then(|| Request::get(format!("{BASE}/notes/{}", entity.id)))
    }

    fn poll(&self, task: &str, cursor: Option<&Value>, answer: Option<(&Value, &Answer)>, ctx: &Ctx<'_>) -> PollStep {
        if task != "notes" {
            return PollStep::Failed(Outcome::give_up("no_such_task", task));
        }
        if self.1 == Fault::PollTrustsCursors && cursor.is_some_and(|cursor| cursor["since"].as_i64().is_none()) {
            panic!("no such cursor");
        }
        let Some((_, answer)) = answer else {
            return PollStep::Call { request: Request::get(format!("{BASE}/notes")), state: json!({}) };
        };
        match (judge::classify(answer, ctx.now), answer.parse::<Vec<Value>>()) {
            (None, Ok(notes)) => {
                let records = notes.into_iter().map(|body| Record { body }).collect();
                PollStep::Page { records, cursor: json!({}), more: false }
            }
            _ if self.1 == Fault::PollSkipsFailures => {
                PollStep::Page { records: vec![], cursor: json!({}), more: false }
            }
            (Some(outcome), _) => PollStep::Failed(outcome),
            (None, Err(e)) => PollStep::Failed(Outcome::give_up("unreadable", e.to_string())),
        }
    }
}

struct Double(Fault);

impl Simulator for Double {
    fn handle(&mut self, request: &Request, _now: Timestamp) -> SimReply {
        if self.0 == Fault::DoublePanics {
            let _: Value = serde_json::from_slice(&request.body).unwrap();
        }
        SimReply::answer(Answer::text(404, ""))
    }

    fn act(&mut self, command: &str, _args: &Value, _now: Timestamp) -> Result<SimReply, String> {
        match self.0 {
            Fault::DoubleObeysAnything => Ok(SimReply::default()),
            _ => Err(format!("there is no command {command}")),
        }
    }

    fn arrivals(&self) -> Vec<Arrival> {
        Vec::new()
    }
}

#[test]
fn it_passes_as_it_is() {
    check(&libreta(Fault::None));
}

#[test]
fn each_fault_is_found() {
    for (fault, expected) in [
        (Fault::BatchMiscounts, "1 outcomes for 2 inputs"),
        (Fault::BatchRefuses, "two inputs make no call"),
        (Fault::ReadBackGuesses, "is unclear, not NotThere"),
        (Fault::LoginTakesAnything, "must not be taken for one"),
        (Fault::FetchClimbs, "is not under the connection's base URL"),
        (Fault::PollSkipsFailures, "must be Failed"),
        (Fault::PollTrustsCursors, "panicked"),
        (Fault::DoublePanics, "panicked"),
        (Fault::DoubleObeysAnything, "a command that it does not know"),
        (Fault::FirstAnswerIsEnough, "its `done` answer is judged"),
    ] {
        told(&libreta(fault), expected);
    }
}
