//! The line of light above a story: one stop for each thing that happened, left to right, with the
//! time since the delivery came in.

use super::run::RunView;
use crate::console::marks::Mark;
use crate::console::moments::elapsed;
use crate::console::words::Words;
use jiff::Timestamp;
use serde_json::Value;

/// More actions of one run than these are one stop.
const SINGLE: usize = 6;

/// A stop.
pub(super) struct Stop {
    pub(super) label: String,
    /// Goes on with this, on a line of its own where it is narrow.
    pub(super) action: Option<String>,
    pub(super) mark: Mark,
    /// Part of the page that tells more.
    pub(super) href: String,
    /// Time since the delivery came in; of a wait, the moment that it waits for.
    pub(super) after: Option<String>,
}

pub(super) fn strip(w: Words, told: &Value, event: &str, delivery: Option<&Mark>, runs: &[RunView]) -> Vec<Stop> {
    let received: Option<Timestamp> = told["event"]["received_at"].as_str().and_then(|t| t.parse().ok());
    let after = |at: Option<Timestamp>| received.zip(at).map(|(a, b)| format!("+{}", elapsed(w, a, b)));
    let mut stops = Vec::new();
    if let Some(mark) = delivery {
        let label = w.t("story.delivery").to_owned();
        stops.push(Stop { label, action: None, mark: mark.clone(), href: "#entrega".into(), after: None });
    }
    let mark = Mark { tone: "done", shape: "done", word: w.t("story.event").to_owned() };
    stops.push(Stop { label: event.to_owned(), action: None, mark, href: "#evento".into(), after: None });
    for run in runs {
        let href = format!("#{}", run.id);
        stops.push(Stop {
            label: run.title.clone(),
            action: None,
            mark: run.mark.clone(),
            href,
            after: after(run.began),
        });
        let acting = || run.steps.iter().filter_map(|s| s.effect.as_ref().map(|e| (s, e)));
        let count = acting().count();
        if count > SINGLE {
            let worst = acting().map(|(s, _)| &s.mark).max_by_key(|m| weight(m)).cloned();
            let last = acting().filter_map(|(_, e)| e.ended.or(e.began)).max();
            let label = w.count("story.actions", count as u64);
            stops.extend(worst.map(|mark| Stop {
                label,
                action: None,
                mark,
                href: format!("#{}", run.id),
                after: after(last),
            }));
            continue;
        }
        for (step, effect) in acting() {
            stops.push(Stop {
                label: effect.connection.clone(),
                action: Some(effect.action.clone()),
                mark: step.mark.clone(),
                href: format!("#{}", effect.id),
                after: after(effect.ended.or(effect.began)),
            });
        }
        for wait in run.steps.iter().filter(|s| s.effect.is_none() && s.until.is_some()).take(SINGLE) {
            let after = wait.until.as_ref().map(|m| m.text.clone());
            let (label, mark) = (wait.title.clone(), wait.mark.clone());
            stops.push(Stop { label, action: None, mark, href: format!("#{}", run.id), after });
        }
    }
    stops
}

/// What a person should see first.
fn weight(mark: &Mark) -> u8 {
    match mark.tone {
        "failed" => 4,
        "waits" => 3,
        "info" => 2,
        "quiet" => 1,
        _ => 0,
    }
}
