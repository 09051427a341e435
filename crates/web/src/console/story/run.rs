//! One run of a story: its steps in the order in which they began, each with its action, attempts and
//! answers. Reads the API's JSON, so that the page and the API never tell two stories.

use crate::console::json;
use crate::console::marks::Mark;
use crate::console::moments::{Moment, clock, elapsed};
use crate::console::words::Words;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest text shown of one request, input or result.
const TEXT: usize = 32 * 1024;

/// A run.
pub(super) struct RunView {
    pub(super) id: String,
    /// The flow's title, or its name.
    pub(super) title: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) mark: Mark,
    pub(super) at: Option<Moment>,
    pub(super) began: Option<Timestamp>,
    pub(super) steps: Vec<StepView>,
    pub(super) missing: Vec<String>,
    pub(super) problems: Vec<String>,
}

/// A step: an action, a wait, or a list.
pub(super) struct StepView {
    pub(super) path: String,
    /// What it is called where it has no action: its path, or that it waits.
    pub(super) title: String,
    pub(super) mark: Mark,
    /// Moment that it waits for, or at which it came.
    pub(super) until: Option<Moment>,
    pub(super) notes: Vec<String>,
    pub(super) effect: Option<EffectView>,
}

/// An action.
pub(super) struct EffectView {
    pub(super) id: String,
    pub(super) action: String,
    pub(super) connection: String,
    pub(super) class: Option<String>,
    pub(super) began: Option<Timestamp>,
    /// When its last attempt ended.
    pub(super) ended: Option<Timestamp>,
    pub(super) at: Option<Moment>,
    pub(super) not_before: Option<Moment>,
    pub(super) give_up_at: Option<Moment>,
    pub(super) code: Option<String>,
    pub(super) why: Option<String>,
    pub(super) stuck: bool,
    pub(super) attempts_word: String,
    pub(super) attempts: Vec<AttemptView>,
    /// What the rules said about it, where it is a message.
    pub(super) decisions: Vec<DecisionView>,
    pub(super) request: Option<RequestView>,
    pub(super) input: Option<String>,
    pub(super) result: Option<String>,
}

/// One decision about a message.
pub(super) struct DecisionView {
    pub(super) mark: Mark,
    /// The rule in words; empty when nothing stood in the way.
    pub(super) rule: String,
    pub(super) article: Option<String>,
    pub(super) at: Option<Moment>,
    pub(super) until: Option<Moment>,
    pub(super) checks: Option<String>,
}

/// One try.
pub(super) struct AttemptView {
    pub(super) title: String,
    pub(super) mark: Mark,
    pub(super) iso: String,
    pub(super) clock: String,
    pub(super) took: String,
    pub(super) status: Option<String>,
    pub(super) why: Option<String>,
    pub(super) answer: Option<String>,
}

/// The last request, as it was or will be sent.
pub(super) struct RequestView {
    pub(super) sent: bool,
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().and_then(|t| t.parse().ok())
}

fn short(text: String) -> String {
    let (mut text, cut) = json::cut(text, TEXT);
    if cut {
        text.push('…');
    }
    text
}

impl RunView {
    pub(super) fn new(w: Words, run: &Value, title: &dyn Fn(&str) -> Option<String>, now: Timestamp) -> Self {
        let name = json::text(&run["flow"]);
        let status = json::text(&run["status"]);
        let missing = json::list(&run["missing"]).iter();
        Self {
            id: json::text(&run["id"]),
            title: title(&name).unwrap_or_else(|| name.clone()),
            version: w.with("story.version", json::text(&run["version"])),
            mark: Mark::new(w, "run", &status),
            at: time(&run["created_at"]).map(|t| Moment::new(w, t, now)),
            began: time(&run["created_at"]),
            steps: steps(w, run, now),
            missing: missing.map(|m| format!("{} {}", json::text(&m["kind"]), json::text(&m["id"]))).collect(),
            problems: json::list(&run["problems"]).iter().map(json::text).collect(),
            name,
        }
    }
}

/// Steps with actions first, in the order in which they were decided; then those without.
fn steps(w: Words, run: &Value, now: Timestamp) -> Vec<StepView> {
    let states = &run["steps"]["steps"];
    let waits = &run["waits"];
    let mut out = Vec::new();
    let mut shown = BTreeSet::new();
    for effect in json::list(&run["effects"]) {
        let path = json::text(&effect["step"]);
        let mut step = step(w, &path, &states[path.as_str()], &waits[path.as_str()], now);
        step.mark = Mark::new(w, "effect", &json::text(&effect["state"]));
        step.effect = Some(EffectView::new(w, effect, now));
        shown.insert(path);
        out.push(step);
    }
    let named = states.as_object().into_iter().flat_map(|o| o.keys());
    let waiting = waits.as_object().into_iter().flat_map(|o| o.keys());
    for path in named.chain(waiting) {
        if shown.insert(path.clone()) {
            out.push(step(w, path, &states[path.as_str()], &waits[path.as_str()], now));
        }
    }
    out
}

fn step(w: Words, path: &str, state: &Value, wait: &Value, now: Timestamp) -> StepView {
    let mut notes: Vec<String> = [&state["why"], &state["code"]].into_iter().filter_map(json::opt).collect();
    if let Some(items) = json::opt(&state["items"]) {
        notes.push(w.with("story.items", items));
    }
    // A wait without a name of its own is named by its place: `wait0`.
    let last = path.rsplit('.').next().unwrap_or(path);
    let unnamed = last.strip_prefix("wait").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    StepView {
        title: if unnamed { w.t("flows.wait").to_owned() } else { path.to_owned() },
        path: path.to_owned(),
        mark: Mark::new(w, "step", state["state"].as_str().unwrap_or("waiting")),
        until: time(wait).or(time(&state["at"])).map(|t| Moment::new(w, t, now)),
        notes,
        effect: None,
    }
}

impl EffectView {
    fn new(w: Words, effect: &Value, now: Timestamp) -> Self {
        let moment = |name: &str| time(&effect[name]).map(|t| Moment::new(w, t, now));
        let state = json::text(&effect["state"]);
        let waits = matches!(state.as_str(), "queued" | "deferred");
        let attempts: Vec<AttemptView> =
            json::list(&effect["attempts"]).iter().map(|a| AttemptView::new(w, a)).collect();
        // The open attempt has no history row yet.
        let tries = effect["attempt"].as_u64().unwrap_or(0).max(attempts.len() as u64);
        Self {
            id: json::text(&effect["id"]),
            action: json::text(&effect["action"]),
            connection: json::text(&effect["connection"]),
            class: json::opt(&effect["class"]).map(|c| w.named("class", &c)),
            began: time(&effect["created_at"]),
            ended: json::list(&effect["attempts"]).iter().filter_map(|a| time(&a["ended_at"])).max(),
            at: moment("created_at"),
            not_before: if waits { moment("not_before") } else { None },
            give_up_at: if waits { moment("give_up_at") } else { None },
            code: json::opt(&effect["code"]),
            why: json::opt(&effect["why"]),
            stuck: matches!(state.as_str(), "dead" | "unknown"),
            attempts_word: if tries == 0 {
                w.t("story.no_attempts").to_owned()
            } else {
                w.count("story.attempts", tries)
            },
            request: RequestView::new(&effect["request"], tries > 0),
            attempts,
            decisions: json::list(&effect["decisions"]).iter().map(|d| DecisionView::new(w, d, now)).collect(),
            input: json::pretty(&effect["input"]).map(short),
            result: json::pretty(&effect["result"]).map(short),
        }
    }
}

impl DecisionView {
    fn new(w: Words, decision: &Value, now: Timestamp) -> Self {
        Self {
            mark: Mark::new(w, "decision", &json::text(&decision["verdict"])),
            rule: json::opt(&decision["rule"]).map(|rule| w.named("rule", &rule)).unwrap_or_default(),
            article: json::opt(&decision["article"]),
            at: time(&decision["at"]).map(|t| Moment::new(w, t, now)),
            until: time(&decision["until"]).map(|t| Moment::new(w, t, now)),
            checks: json::pretty(&decision["checks"]).map(short),
        }
    }
}

impl AttemptView {
    fn new(w: Words, attempt: &Value) -> Self {
        let (began, ended) = (time(&attempt["started_at"]), time(&attempt["ended_at"]));
        let took = began.zip(ended).map(|(a, b)| w.with("story.took", elapsed(w, a, b)));
        Self {
            title: w.with("story.attempt", json::text(&attempt["attempt"])),
            mark: Mark::new(w, "outcome", &json::text(&attempt["outcome"])),
            iso: json::text(&attempt["started_at"]),
            clock: began.map(|t| clock(w, t)).unwrap_or_default(),
            took: took.unwrap_or_default(),
            status: json::opt(&attempt["status"]),
            why: json::opt(&attempt["why"]),
            answer: json::opt(&attempt["answer"]).map(|a| short(json::pretty_body(&a))),
        }
    }
}

impl RequestView {
    fn new(request: &Value, sent: bool) -> Option<Self> {
        let method = json::opt(&request["method"])?;
        let headers = json::list(&request["headers"]).iter();
        Some(Self {
            sent,
            line: format!("{method} {}", json::text(&request["url"])),
            headers: headers.map(|h| (json::text(&h[0]), json::text(&h[1]))).collect(),
            body: json::opt(&request["body"]).map(|b| short(json::pretty_body(&b))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;
    use serde_json::json;

    #[test]
    fn a_run_shows_actions_waits_lists_and_what_failed() {
        let run = json!({
            "id": "run_1", "flow": "boleta", "version": 3, "status": "running", "created_at": "2026-11-27T20:00:00Z",
            "steps": { "steps": {
                "persona": { "state": "done" }, "1": { "state": "waiting", "at": "2026-11-28T13:00:00Z" },
                "boletas": { "state": "each", "items": 3, "begun": 3, "open": 1 },
                "nota": { "state": "skipped", "why": "no aplica" } } },
            "waits": { "1": "2026-11-28T13:00:00Z" }, "missing": [{ "kind": "show", "id": "7" }], "problems": ["x: roto"],
            "effects": [{ "id": "eff_1", "step": "persona", "action": "upsert_person", "connection": "crm", "state": "done",
                "attempt": 1, "created_at": "2026-11-27T20:00:00Z", "result": { "id": "p1" },
                "request": { "method": "POST", "url": "http://crm/x", "headers": [["accept", "application/json"]], "body": "{\"a\":1}" },
                "attempts": [{ "attempt": 1, "call": 0, "started_at": "2026-11-27T20:00:00Z", "ended_at": "2026-11-27T20:00:00.120Z",
                    "outcome": "done", "status": 201, "answer": "{\"ok\":true}" }] }],
        });
        let view = RunView::new(Words::new(Lang::Es), &run, &|_| None, "2026-11-27T21:00:00Z".parse().unwrap());
        let steps: Vec<(&str, &str)> = view.steps.iter().map(|s| (s.path.as_str(), s.mark.word.as_str())).collect();
        assert_eq!(steps, [("persona", "Hecha"), ("1", "En espera"), ("boletas", "Por cada uno"), ("nota", "Omitido")]);
        assert_eq!(view.steps[1].until.as_ref().unwrap().text, "mañana, 8:00:00\u{a0}a.\u{a0}m.");
        assert_eq!(view.steps[2].notes, ["3 elementos"]);
        assert_eq!(view.steps[3].notes, ["no aplica"]);
        assert_eq!(view.missing, ["show 7"]);
        let effect = view.steps[0].effect.as_ref().unwrap();
        assert_eq!(effect.attempts[0].took, "tardó 120\u{a0}ms");
        assert_eq!(effect.attempts[0].answer.as_deref(), Some("{\n  \"ok\": true\n}"));
        let request = effect.request.as_ref().unwrap();
        assert_eq!((request.line.as_str(), request.headers.len()), ("POST http://crm/x", 1));
    }

    #[test]
    fn nonsense_is_shown_as_nothing_and_never_panics() {
        for run in [json!(null), json!(7), json!({ "effects": 3, "steps": [], "waits": "x", "missing": [1] })] {
            let view = RunView::new(Words::new(Lang::En), &run, &|_| None, Timestamp::UNIX_EPOCH);
            assert!(view.steps.is_empty());
        }
    }
}
