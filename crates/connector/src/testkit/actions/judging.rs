//! What is made of each answer: an error is never taken for success, a limit never for a failure.

use super::super::ActionSample;
use super::super::common::rule;
use super::Case;
use crate::{Answer, Call, Outcome, Step};
use std::time::Duration;

pub(super) fn check(case: &Case<'_>, way: &[(Call, Answer)]) {
    judged_samples(case, way);
    for (n, (call, _)) in way.iter().enumerate() {
        limits(case, call, n);
        failures(case, call, n);
        unauthorized(case, call, n);
        nonsense(case, call, n);
    }
}

/// Every sample of the author has its outcome at one call of the way at least; at the only one, if it is the only one.
fn judged_samples(case: &Case<'_>, way: &[(Call, Answer)]) {
    for (answer, expected) in case.sample.judged.iter().filter(|(_, expected)| *expected != "call") {
        let got: Vec<String> = way.iter().map(|(call, _)| describe(&case.on(&case.inputs(), call, answer))).collect();
        rule!(
            case.fixture,
            got.iter().any(|got| got == expected),
            "{}: HTTP {} {:?} must be judged {expected}, it is {}",
            case.action.name,
            answer.status,
            answer.excerpt(120),
            got.join(", ")
        );
    }
}

/// 429 in each form of saying how long.
fn limits(case: &Case<'_>, call: &Call, n: usize) {
    if case.sample.judged.iter().any(|(answer, _)| answer.status == 429) {
        return;
    }
    let now = case.fixture.now;
    let seconds = Duration::from_secs(12);
    let moment = now.as_second() + 90;
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let forms: [(&str, String, Option<Duration>); 8] = [
        ("retry-after", "12".into(), Some(seconds)),
        ("retry-after", date, Some(Duration::ZERO)),
        ("x-ratelimit-reset", "7".into(), None),
        ("x-ratelimit-reset", moment.to_string(), None),
        ("x-ratelimit-reset-after", "5".into(), None),
        ("ratelimit-reset", "3".into(), None),
        ("retry-after", "soon".into(), None),
        ("x-nothing", "said".into(), None),
    ];
    for (header, value, wait) in forms {
        for body in ["{\"error\":\"too many requests\"}", "", "<html>slow down</html>"] {
            let answer = Answer::text(429, body).header(header, value.clone());
            let step = case.on(&case.inputs(), call, &answer);
            let waits = outcomes(&step).is_some_and(|outcomes| {
                outcomes.iter().all(|outcome| match outcome {
                    Outcome::Throttled { after, .. } => {
                        wait.is_none_or(|wait| after.is_some_and(|after| after >= wait))
                    }
                    _ => false,
                })
            });
            rule!(
                case.fixture,
                waits,
                "{}: 429 with {header}: {value} to call {n} must be throttled, for so long at least; it is {step:?}",
                case.action.name
            );
        }
    }
}

/// The provider is not well: try again later, and tell the breaker.
fn failures(case: &Case<'_>, call: &Call, n: usize) {
    for status in [500, 502, 503] {
        if case.sample.judged.iter().any(|(answer, _)| answer.status == status) {
            continue;
        }
        for body in ["{\"error\":\"internal\"}", "", "<html>bad gateway</html>"] {
            let step = case.on(&case.inputs(), call, &Answer::text(status, body));
            let patient = outcomes(&step).is_some_and(|outcomes| {
                outcomes.iter().all(|o| matches!(o, Outcome::ProviderDown { .. } | Outcome::Retry { .. }))
            });
            rule!(
                case.fixture,
                patient,
                "{}: HTTP {status} to call {n} must be provider_down or retry, it is {step:?}",
                case.action.name
            );
        }
    }
}

fn unauthorized(case: &Case<'_>, call: &Call, n: usize) {
    if case.sample.judged.iter().any(|(answer, _)| answer.status == 401) {
        return;
    }
    for body in ["{\"error\":\"unauthorized\"}", ""] {
        let step = case.on(&case.inputs(), call, &Answer::text(401, body));
        let clear = outcomes(&step).is_some_and(|outcomes| {
            outcomes
                .iter()
                .all(|o| matches!(o, Outcome::AuthExpired | Outcome::NeedsHuman { .. } | Outcome::GiveUp { .. }))
        });
        rule!(
            case.fixture,
            clear,
            "{}: 401 to call {n} must be auth_expired, needs_human or give_up, it is {step:?}",
            case.action.name
        );
    }
}

/// A success without what a success holds is none.
fn nonsense(case: &Case<'_>, call: &Call, n: usize) {
    if case.sample.done.body.is_empty() {
        return;
    }
    for answer in nonsense_answers(case.sample) {
        let step = case.on(&case.inputs(), call, &answer);
        let taken = outcomes(&step)
            .is_some_and(|outcomes| outcomes.iter().any(|o| matches!(o, Outcome::Done(_) | Outcome::Partial { .. })));
        rule!(
            case.fixture,
            !taken,
            "{}: HTTP {} with the body {:?} to call {n} must not be taken for done, it is {step:?}",
            case.action.name,
            answer.status,
            answer.excerpt(60)
        );
    }
}

fn nonsense_answers(sample: &ActionSample) -> Vec<Answer> {
    let bodies: [&[u8]; 7] =
        [b"", b"null", b"\"ok\"", b"{\"a\":", b"<html><body>Maintenance</body></html>", b"\xff\xfe\x00", b"\0"];
    let half = sample.done.body.slice(..sample.done.body.len() / 2);
    let mut answers: Vec<Answer> = bodies
        .iter()
        .flat_map(|body| {
            ["application/json", "text/html"].map(|kind| {
                let mut answer = Answer::text(sample.done.status, "").header("content-type", kind);
                answer.body = body.to_vec().into();
                answer
            })
        })
        .collect();
    answers.push(Answer { body: half, ..sample.done.clone() });
    answers
}

/// Answers from which nothing can be read.
pub(super) fn unclear_answers() -> Vec<Answer> {
    vec![
        Answer::text(500, ""),
        Answer::text(503, "<html>busy</html>"),
        Answer::text(429, "").header("retry-after", "3"),
        Answer::text(401, "{}"),
        Answer::text(200, "<html>Maintenance</html>"),
        Answer::text(200, ""),
    ]
}

/// All that the suite answers with: for counting outcomes.
pub(super) fn every_answer(sample: &ActionSample) -> Vec<Answer> {
    let statuses =
        [100, 204, 301, 400, 401, 402, 403, 404, 409, 410, 413, 418, 422, 425, 429, 500, 503, 599, 0, u16::MAX];
    let mut answers: Vec<Answer> = statuses.iter().map(|status| Answer::text(*status, "{}")).collect();
    answers.extend(nonsense_answers(sample));
    answers.extend(unclear_answers());
    answers.extend(sample.judged.iter().map(|(answer, _)| answer.clone()));
    answers.push(sample.done.clone());
    answers
}

fn outcomes(step: &Step) -> Option<&[Outcome]> {
    match step {
        Step::End(outcomes) if !outcomes.is_empty() => Some(outcomes),
        _ => None,
    }
}

fn describe(step: &Step) -> String {
    match step {
        Step::Call(_) => "call".into(),
        Step::End(outcomes) => {
            let mut names: Vec<&str> = outcomes.iter().map(Outcome::name).collect();
            names.dedup();
            names.join("+")
        }
    }
}
