//! What flows can ask for, and what the answers mean, which is little.
//!
//! Promise: consent first. What a person has not allowed is withheld before anything is built; what is older
//! than 72 hours is dropped; both are looked at again before each try. A purchase may be sent again, since
//! Google knows its transaction; everything else is sent once.

use super::Stream;
use super::body::{self, Event};
use super::input::{CheckedIn, Lead, Looked, Own, Purchase, Refund, Several, Shared, Signed, Whose};
use super::limits;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Action, Answer, Ctx, Idempotency, Lane, Outcome, Repeat, Scope, Step, judge};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Rule of what is withheld because the person has not allowed it.
const NO_CONSENT: &str = "no_analytics_consent";
/// Rule of what is withheld because nobody's browser is known.
const NO_CLIENT: &str = "no_client_id";
/// Name of what is dropped because of its age.
const TOO_OLD: &str = "older_than_72h";

pub(super) fn actions() -> Vec<Action> {
    let once = Idempotency::AtMostOnce;
    let sent = json!({ "sent": "integer", "verified": "boolean" });
    let all = [
        // Known again by its transaction: the same purchase twice is one.
        Action::new::<Purchase>("purchase", "Tell of a purchase", Idempotency::ClientId),
        Action::new::<Refund>("refund", "Tell of a refund", once),
        Action::new::<Looked>("view_item", "Tell that something was looked at", once),
        Action::new::<Looked>("begin_checkout", "Tell that a checkout begins", once),
        Action::new::<Lead>("generate_lead", "Tell of somebody who is interested", once),
        Action::new::<Signed>("sign_up", "Tell that somebody signed up", once),
        Action::new::<Signed>("login", "Tell that somebody logged in", once),
        Action::new::<Shared>("share", "Tell that something was shared", once),
        Action::new::<CheckedIn>("check_in", "Tell that a guest came in", once),
        Action::new::<Own>("event", "Tell of any event", once),
        Action::new::<Several>("events", "Tell of several events of one person", once),
    ];
    let day = 24 * 3600;
    let built =
        all.map(|a| a.lane(Lane::FlowKey).expendable(Duration::from_secs(3 * day)).output(sent.clone()).build());
    built.into()
}

/// What is to be told, and of whom.
struct Told {
    whose: Whose,
    events: Vec<Event>,
    properties: Map<String, Value>,
}

impl Told {
    fn one(whose: Whose, event: Event) -> Self {
        Self { whose, events: vec![event], properties: Map::new() }
    }
}

fn told(action: &str, input: &Value) -> Result<Told, Refused> {
    Ok(match action {
        "purchase" => {
            let input: Purchase = read(input)?;
            Told::one(input.whose(), body::purchase(&input.order, input.transaction_id.as_deref())?)
        }
        "refund" => {
            let input: Refund = read(input)?;
            Told::one(input.whose(), body::refund(&input.order, input.transaction_id.as_deref())?)
        }
        "view_item" | "begin_checkout" => {
            let input: Looked = read(input)?;
            Told::one(input.whose(), body::looked(action, &input.items)?)
        }
        "generate_lead" => {
            let input: Lead = read(input)?;
            let event = Event::new(action).text("lead_source", input.lead_source.as_deref());
            Told::one(input.whose(), input.value.map_or(Ok(event.clone()), |value| event.amount(value))?)
        }
        "sign_up" | "login" => {
            let input: Signed = read(input)?;
            Told::one(input.whose(), Event::new(action).text("method", input.method.as_deref()))
        }
        "share" => {
            let input: Shared = read(input)?;
            let event = Event::new(action).text("method", input.method.as_deref());
            let event = event.text("content_type", Some(&input.content_type)).text("item_id", Some(&input.item_id));
            Told::one(input.whose(), event)
        }
        "check_in" => {
            let input: CheckedIn = read(input)?;
            let event = Event::new(action).text("event_ref", Some(&input.event_ref));
            Told::one(input.whose(), event.text("zone", input.zone.as_deref()))
        }
        "event" => {
            let input: Own = read(input)?;
            let whose = input.whose();
            let event = Event { params: input.params, ..Event::new(&input.name) };
            Told { whose, events: vec![event], properties: input.user_properties }
        }
        "events" => {
            let input: Several = read(input)?;
            if input.events.is_empty() {
                return Err(invalid("there are no events"));
            }
            let events = input.events.iter().cloned();
            let events = events.map(|e| Event { name: e.name, params: e.params, at: e.at }).collect();
            Told { whose: input.whose(), events, properties: Map::new() }
        }
        other => return Err(action::unknown("ga4", other)),
    })
}

/// Whose browser it is about, when the person has allowed it to be counted and it is not too late.
fn client_of(whose: &Whose, now: Timestamp) -> Result<String, Refused> {
    let consent = whose.consent.as_ref().filter(|consent| consent.analytics);
    let Some(consent) = consent else {
        let why = "the person has not allowed web analytics: record it with POST /api/v1/consents, purpose analytics";
        return Err(Box::new(Outcome::withheld(NO_CONSENT, why)));
    };
    let own = whose.client_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let told = consent.ga_client_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let Some(client) = own.or(told) else {
        let why = "no client id of the person's browser is known; one of our own would make a new visitor of them";
        return Err(Box::new(Outcome::withheld(NO_CLIENT, why)));
    };
    if let Some(at) = whose.at
        && now.duration_since(at) > limits::AGE
    {
        let why = format!("it happened on {at}; Google would move what is older than 72 hours to another day");
        return Err(Box::new(Outcome::dropped(TOO_OLD, why)));
    }
    Ok(client.to_owned())
}

pub(super) fn stops(action: &str, input: &Value, ctx: &Ctx<'_>) -> Option<Outcome> {
    let told = told(action, input).ok()?;
    client_of(&told.whose, ctx.now).err().map(|outcome| *outcome)
}

pub(super) fn begin(stream: &Stream, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    match action::one(action, inputs) {
        Ok(input) => send(stream, action, input, &Progress::default(), ctx.now).unwrap_or_else(|end| Step::end(*end)),
        Err(end) => *end,
    }
}

/// How far several events have come.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    v: u8,
    /// Events that were looked at, those of the call that is under way too.
    until: usize,
    /// Of them, how many Google had before this call, and has when it arrives.
    before: usize,
    sent: usize,
    of: usize,
}

/// The call for the events that follow: 25 at most.
fn send(stream: &Stream, action: &str, input: &Value, so_far: &Progress, now: Timestamp) -> Result<Step, Refused> {
    let Told { whose, events, properties } = told(action, input)?;
    let client = client_of(&whose, now)?;
    let Some(request) = stream.request("/mp/collect") else {
        let name = &stream.config.name;
        let why = format!("[connections.{name}] has no measurement_id: copy it from the stream's page");
        return Err(Box::new(Outcome::NeedsHuman { why }));
    };
    // One old event among several is left out by itself; all of them old are dropped.
    let young = |e: &&Event| e.at.is_none_or(|at| now.duration_since(at) <= limits::AGE);
    let mut until = so_far.until;
    let mut batch: Vec<Event> = Vec::new();
    for event in events.iter().skip(so_far.until) {
        until += 1;
        batch.extend(Some(event).filter(young).cloned());
        if batch.len() == limits::EVENTS {
            break;
        }
    }
    if batch.is_empty() {
        return Err(Box::new(Outcome::dropped(TOO_OLD, "these events are older than 72 hours")));
    }
    let body = body::body(&stream.settings, &whose, &client, &batch, &properties, now)?;
    let before = so_far.sent;
    let progress = Progress { v: 1, until, before, sent: before + batch.len(), of: events.len() };
    let repeat = if action == "purchase" { Repeat::SameKey } else { Repeat::Never };
    Ok(Step::Call(action::call(request.json(&body), json!(progress), repeat)))
}

pub(super) fn on(
    stream: &Stream,
    action: &str,
    inputs: &[Value],
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Step {
    let input = match action::one(action, inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let progress = Progress::deserialize(state).unwrap_or_default();
    match judged(action, answer, ctx) {
        None if progress.until >= progress.of => Step::end(all(&progress)),
        // The next of several; what of it cannot be sent does not undo what was.
        None => send(stream, action, input, &progress, ctx.now).unwrap_or_else(|end| match *end {
            Outcome::Dropped { .. } => Step::end(all(&progress)),
            other => Step::end(in_part(progress.sent, progress.of, &other)),
        }),
        Some(outcome) if progress.before > 0 => Step::end(in_part(progress.before, progress.of, &outcome)),
        Some(outcome) => Step::end(outcome),
    }
}

fn all(progress: &Progress) -> Outcome {
    Outcome::done(json!({ "sent": progress.sent, "verified": false }))
}

fn in_part(sent: usize, of: usize, outcome: &Outcome) -> Outcome {
    Outcome::Partial {
        done: json!({ "sent": sent, "verified": false }),
        failed: json!({ "not_sent": of - sent, "outcome": outcome.name() }),
    }
}

/// 2xx says that it arrived, and nothing else. An error is the request's own, and is not repeated.
fn judged(action: &str, answer: &Answer, ctx: &Ctx<'_>) -> Option<Outcome> {
    if action != "purchase"
        && let Some(lost) = action::lost(answer)
    {
        return Some(lost);
    }
    Some(match judge::classify(answer, ctx.now)? {
        Outcome::AuthExpired => Outcome::NeedsHuman { why: "Google refuses the stream or its secret".into() },
        Outcome::ProviderDown { after, why } if ctx.attempt <= 1 => Outcome::ProviderDown { after, why },
        Outcome::ProviderDown { why, .. } => {
            Outcome::give_up("http_5xx", format!("{why}; Google asks not to repeat it"))
        }
        Outcome::TargetGone { why } => {
            Outcome::NeedsHuman { why: format!("{why}; is base_url that of the Measurement Protocol?") }
        }
        Outcome::Retry { why, .. } if ctx.attempt > 1 => Outcome::give_up("no_answer", why),
        Outcome::Retry { after, why, .. } => Outcome::Retry { after, scope: Scope::Effect, why },
        other => other,
    })
}

/// What the validation server says of a sample.
pub(super) fn judge_probe(answer: &Answer) -> Result<String, String> {
    if !answer.is_success() {
        return Err(format!("HTTP {}: the validation server does not answer as it should", answer.status));
    }
    let body: Value = answer.parse().map_err(|_| "the validation server answers something else".to_owned())?;
    let Some(messages) = body.get("validationMessages").and_then(Value::as_array) else {
        return Err("the validation server answers something else; check base_url".into());
    };
    match messages.first() {
        None => Ok("the validation server takes our events; it cannot say whether api_secret is right: look for them \
                    in the realtime report, with debug = true in DebugView"
            .into()),
        Some(first) => {
            let text = |name: &str| first.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            Err(format!("the validation server refuses a sample: {} ({})", text("description"), text("validationCode")))
        }
    }
}
