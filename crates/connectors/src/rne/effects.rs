//! What is asked of the registry: `rne.check`.

use super::wire::{COR, Question, Row, TEL, ways};
use super::{ANEW, Registry};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::action::{self, Refused, invalid, read, unreadable};
use pasarela_connector::{Action, Answer, Ctx, Idempotency, Outcome, Repeat, Scope, Step, judge};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// Keys of one call. The service takes about 500,000, slowly.
pub(super) const MOST: usize = 10_000;
/// The service is closed from 02:00 to 02:59 in Bogota, and opens with the new day's list.
const OPENS: i8 = 3;
/// Closed at another hour: it is looked at again after this.
const AGAIN: Duration = Duration::from_secs(300);
/// A status of its own making: it is being brought up to date.
const UPDATING: u16 = 509;

/// Phones or e-mail addresses: one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Check {
    /// Colombian phones in international form, at most 10,000.
    #[schemars(length(max = 10_000))]
    phones: Vec<String>,
    /// E-mail addresses, at most 10,000.
    #[schemars(length(max = 10_000))]
    emails: Vec<String>,
}

pub(super) fn actions() -> Vec<Action> {
    // A question: asked twice, it is answered twice.
    vec![
        Action::new::<Check>("check", "Ask which addresses want no advertising", Idempotency::ClientId)
            .output(json!({ "registered": "array" }))
            .give_up_after(Duration::from_secs(3600))
            .registry(MOST)
            .build(),
    ]
}

pub(super) fn begin(on: &Registry, action: &str, inputs: &[Value]) -> Step {
    let made = |input| {
        action::step(question(action, input).map(|question| {
            let request = on.question(&serde_json::to_value(question).unwrap_or_default());
            action::call(request, json!(1), Repeat::Safe)
        }))
    };
    action::one(action, inputs).map_or_else(|end| *end, made)
}

fn question(action: &str, input: &Value) -> Result<Question, Refused> {
    if action != "check" {
        return Err(action::unknown("rne", action));
    }
    let Check { phones, emails } = read(input)?;
    let (kind, keys) = match (phones.is_empty(), emails.is_empty()) {
        (false, true) => (TEL, phones.iter().map(|p| national(p)).collect::<Option<Vec<_>>>()),
        (true, false) => (COR, emails.iter().map(|e| mail(e)).collect()),
        _ => return Err(invalid("give phones or emails, one of the two")),
    };
    // The key itself is not repeated: it is a person's.
    let keys = keys.ok_or_else(|| invalid("phones are Colombian, as +573001234567; emails as ana@example.co"))?;
    if keys.len() > MOST {
        return Err(invalid(format!("at most {MOST} at once, not {}", keys.len())));
    }
    Ok(Question { kind: kind.to_owned(), keys })
}

/// Ten digits of a Colombian phone.
fn national(e164: &str) -> Option<String> {
    let digits = e164.strip_prefix("+57")?;
    let good = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit()) && digits.starts_with(['3', '6']);
    good.then(|| digits.to_owned())
}

fn mail(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.split_once('@')?;
    let good =
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !text.contains(char::is_whitespace);
    good.then_some(text)
}

pub(super) fn on(inputs: &[Value], answer: &Answer, ctx: &Ctx<'_>) -> Step {
    let outcome = special(answer, ctx.now).or_else(|| judge::classify(answer, ctx.now));
    let outcome = outcome.unwrap_or_else(|| match inputs.first().map(|input| question("check", input)) {
        Some(Ok(question)) => told(&question, answer),
        _ => unreadable(answer),
    });
    Step::all(inputs.len(), &outcome)
}

/// What this service means by a status, where it is not HTTP's meaning.
fn special(answer: &Answer, now: Timestamp) -> Option<Outcome> {
    match answer.status {
        403 => Some(Outcome::NeedsHuman {
            why: format!(
                "the RNE's user may not ask: the role 'Proveedor de Bienes y Servicios' is missing or over; {ANEW}"
            ),
        }),
        UPDATING => Some(Outcome::Throttled { after: Some(until_open(now)), scope: Scope::Connection }),
        _ => None,
    }
}

/// Until it opens again: at 03:00 in Bogota, when that is within the hour.
fn until_open(now: Timestamp) -> Duration {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-5));
    let local = zone.to_datetime(now);
    let opens = zone.to_timestamp(local.date().at(OPENS, 0, 0, 0)).ok();
    let left = opens.map(|opens| opens.duration_since(now)).filter(|left| left.is_positive());
    let soon = left.filter(|left| *left <= SignedDuration::from_hours(1));
    soon.and_then(|left| Duration::try_from(left).ok()).unwrap_or(AGAIN)
}

/// The registered ones, in the hub's form. An answer about somebody who was not asked for is not believed at all.
fn told(question: &Question, answer: &Answer) -> Outcome {
    let Ok(rows) = answer.parse::<Vec<Row>>() else { return unreadable(answer) };
    let asked: HashSet<&str> = question.keys.iter().map(String::as_str).collect();
    let mut registered = Vec::with_capacity(rows.len());
    for row in rows {
        let key = if question.kind == COR { row.llave.to_lowercase() } else { row.llave };
        if !asked.contains(key.as_str()) {
            let why = "the RNE answered about a key that was not asked for".to_owned();
            return Outcome::Retry { after: None, scope: Scope::Effect, why };
        }
        // Left out, or anything but a clear yes: no.
        let refuses = |word: &str| row.options.get(word).and_then(Value::as_bool) != Some(true);
        let refused: Vec<&str> =
            ways(&question.kind).iter().filter(|(word, _)| refuses(word)).map(|(_, way)| *way).collect();
        let key = if question.kind == COR { key } else { format!("+57{key}") };
        registered.push(json!({ "key": key, "refused": refused }));
    }
    Outcome::done(json!({ "registered": registered }))
}

pub(super) fn judge_probe(answer: &Answer) -> Result<String, String> {
    match answer.status {
        200 if answer.parse::<Vec<Row>>().is_ok() => Ok("the RNE answers".into()),
        401 => Err(format!("the RNE refuses the token: {ANEW}")),
        403 => Err("the RNE's user lacks the role 'Proveedor de Bienes y Servicios', or it is over".into()),
        UPDATING => Err("the RNE is being brought up to date (02:00 to 02:59 in Bogota); ask again after 3:00".into()),
        status => Err(format!("HTTP {status}: {}", answer.excerpt(120))),
    }
}
