//! Actions: what is asked for, and what is made of each answer.

mod judging;
mod requests;

pub(super) use requests::absolute;

use super::common::rule;
use super::{ActionSample, Fixture};
use crate::{Action, Answer, Call, Connector, Ctx, Idempotency, Outcome, Step};
use serde_json::Value;

/// Two effects' keys: of the form that the engine gives, and of no provider's.
const KEY: &str = "7301444400000000001-g1-clave";
const OTHER_KEY: &str = "7301444400000000002-g1-clave";

/// An action of more calls than this does not end.
const MOST_CALLS: usize = 12;

pub(super) fn check(fixture: &Fixture) {
    let connector = fixture.connector();
    for sample in &fixture.actions {
        let Some(action) = fixture.provider.manifest().action(sample.action) else {
            continue;
        };
        let case = Case { fixture, connector: connector.as_ref(), action, sample };
        case.schema();
        let way = case.way(KEY);
        requests::check(&case, &way);
        judging::check(&case, &way);
        case.refused();
        case.batch();
        case.read_back();
    }
    unknown_action(fixture, connector.as_ref());
    without_credentials(fixture);
}

/// One sample of one action.
struct Case<'a> {
    fixture: &'a Fixture,
    connector: &'a dyn Connector,
    action: &'a Action,
    sample: &'a ActionSample,
}

impl Case<'_> {
    fn ctx<'k>(&self, key: &'k str) -> Ctx<'k> {
        Ctx { now: self.fixture.now, key, attempt: 1 }
    }

    fn begin(&self, inputs: &[Value], key: &str) -> Step {
        let step = self.fixture.calm("begin", || self.connector.begin(self.action.name, inputs, &self.ctx(key)));
        self.counts(&step, inputs.len(), "begin");
        step
    }

    fn on(&self, inputs: &[Value], call: &Call, answer: &Answer) -> Step {
        let what = format!("{} on HTTP {} {}", self.action.name, answer.status, answer.excerpt(120));
        let step = self
            .fixture
            .calm(&what, || self.connector.on(self.action.name, inputs, &call.state, answer, &self.ctx(KEY)));
        self.counts(&step, inputs.len(), &what);
        step
    }

    /// One outcome per input, always.
    fn counts(&self, step: &Step, inputs: usize, what: &str) {
        if let Step::End(outcomes) = step {
            rule!(
                self.fixture,
                outcomes.len() == inputs,
                "{}: {what} gives {} outcomes for {inputs} inputs",
                self.action.name,
                outcomes.len()
            );
        }
    }

    fn inputs(&self) -> Vec<Value> {
        vec![self.sample.input.clone()]
    }

    fn schema(&self) {
        let schema = self.action.input.as_value();
        if let Some(why) = super::schema::objection(schema, &self.sample.input) {
            rule!(self.fixture, false, "{}: its schema refuses its own sample: {why}", self.action.name);
        }
        let mut input = self.sample.input.clone();
        if let Some(fields) = input.as_object_mut() {
            fields.insert(super::schema::UNKNOWN.into(), Value::Bool(true));
        }
        rule!(
            self.fixture,
            super::schema::objection(schema, &input).is_some(),
            "{}: its schema accepts an unknown property beside its sample: a misspelt key would be ignored",
            self.action.name
        );
    }

    /// The calls of the sample, each with the answer that leads on, up to `Done`.
    fn way(&self, key: &str) -> Vec<(Call, Answer)> {
        let name = self.action.name;
        let mut between = self.sample.judged.iter().filter(|(_, outcome)| *outcome == "call").map(|(answer, _)| answer);
        let inputs = self.inputs();
        let mut step = self.begin(&inputs, key);
        let mut way = Vec::new();
        loop {
            match step {
                Step::Call(call) => {
                    rule!(self.fixture, way.len() < MOST_CALLS, "{name}: more than {MOST_CALLS} calls, and no end");
                    let answer = between.next().unwrap_or(&self.sample.done).clone();
                    step = self.on(&inputs, &call, &answer);
                    way.push((call, answer));
                }
                Step::End(outcomes) => {
                    rule!(self.fixture, !way.is_empty(), "{name}: `begin` makes no call for its sample: {outcomes:?}");
                    rule!(
                        self.fixture,
                        outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))),
                        "{name}: its `done` answer is judged {outcomes:?} (after {} calls; answers on the way are \
                         `judged` samples named \"call\")",
                        way.len()
                    );
                    rule!(
                        self.fixture,
                        between.next().is_none(),
                        "{name}: there are more \"call\" samples than calls before the last one"
                    );
                    return way;
                }
            }
        }
    }

    /// Refused by the schema, or by `begin`: never sent.
    fn refused(&self) {
        for input in &self.sample.refused {
            if super::schema::objection(self.action.input.as_value(), input).is_some() {
                // Also what the schema refuses must not panic: the schema may be looser tomorrow.
                self.begin(std::slice::from_ref(input), KEY);
                continue;
            }
            let step = self.begin(std::slice::from_ref(input), KEY);
            let refused = matches!(
                &step,
                Step::End(outcomes)
                    if outcomes.iter().all(|o| matches!(
                        o,
                        Outcome::GiveUp { .. }
                            | Outcome::NeedsHuman { .. }
                            | Outcome::Withheld { .. }
                            | Outcome::Dropped { .. }
                    ))
            );
            rule!(
                self.fixture,
                refused,
                "{}: the input {input} must be refused by the schema or given up by `begin`, it is {step:?}",
                self.action.name
            );
        }
        for input in [Value::Null, Value::Bool(true), Value::String(String::new()), Value::Array(vec![])] {
            self.begin(&[input], KEY);
        }
    }

    fn batch(&self) {
        let Some(batch) = self.action.batch else {
            return;
        };
        let mut inputs: Vec<Value> = self
            .fixture
            .actions
            .iter()
            .filter(|other| other.action == self.action.name)
            .map(|other| other.input.clone())
            .collect();
        inputs.insert(0, self.sample.input.clone());
        inputs.push(self.sample.input.clone());
        inputs.truncate(batch.max.min(2));
        let call = match self.begin(&inputs, KEY) {
            Step::Call(call) => call,
            step @ Step::End(_) => {
                rule!(
                    self.fixture,
                    false,
                    "{}: the manifest says that it takes a batch, but two inputs make no call: {step:?}",
                    self.action.name
                );
                return;
            }
        };
        rule!(
            self.fixture,
            Step::Call(call.clone()) == self.begin(&inputs, KEY),
            "{}: two inputs give two different calls the second time",
            self.action.name
        );
        for answer in judging::every_answer(self.sample) {
            self.on(&inputs, &call, &answer);
        }
    }

    fn read_back(&self) {
        let name = self.action.name;
        let input = &self.sample.input;
        let request = self.fixture.calm("read_back", || self.connector.read_back(name, input, &self.ctx(KEY)));
        let readable = matches!(self.action.idempotency, Idempotency::Readable { .. });
        rule!(
            self.fixture,
            !readable || request.is_some(),
            "{name}: the manifest says Readable, but it cannot be read back"
        );
        let Some(request) = request else { return };
        absolute(self.fixture, &request, name, true);
        rule!(
            self.fixture,
            matches!(request.method.as_str(), "GET" | "HEAD" | "POST"),
            "{name}: a read-back is a read, not {}",
            request.method
        );
        for answer in judging::unclear_answers() {
            let judged = self.fixture.calm("judge_read_back", || self.connector.judge_read_back(name, input, &answer));
            rule!(
                self.fixture,
                matches!(judged, crate::ReadBack::Unclear(_)),
                "{name}: a read-back answered HTTP {} {:?} is unclear, not {judged:?}",
                answer.status,
                answer.excerpt(60)
            );
        }
    }
}

/// A name that is not in the manifest: the engine never asks for it, an older run may.
fn unknown_action(fixture: &Fixture, connector: &dyn Connector) {
    let ctx = Ctx { now: fixture.now, key: KEY, attempt: 1 };
    let inputs = [Value::Object(serde_json::Map::new())];
    let step = fixture.calm("begin of an unknown action", || connector.begin("zz_no_such_action", &inputs, &ctx));
    let given_up = matches!(
        &step,
        Step::End(outcomes)
            if outcomes.len() == 1
                && matches!(outcomes[0], Outcome::GiveUp { .. } | Outcome::NeedsHuman { .. })
    );
    rule!(fixture, given_up, "an unknown action must be given up, it is {step:?}");
}

/// Without its secrets a connection can still be asked; what comes of it is a clear state.
fn without_credentials(fixture: &Fixture) {
    let mut config = fixture.config.clone();
    config.credentials.clear();
    let Ok(connector) = fixture.connect(config) else {
        return;
    };
    let ctx = Ctx { now: fixture.now, key: KEY, attempt: 1 };
    fixture.calm("authenticate without credentials", || connector.authenticate(&ctx));
    for sample in &fixture.actions {
        fixture.calm("begin without credentials", || {
            connector.begin(sample.action, std::slice::from_ref(&sample.input), &ctx)
        });
    }
}
