//! What differs between what the hub needs and what was seen, step by step, and the request of each.

use super::seen::{Hook, Level, Seen, Show};
use crate::hi_events::effects::EVENT_TYPES;
use crate::hi_events::questions::{Asks, Question, Questions, plain};
use pasarela_connector::provision::{Change, Draft, Judged, Plan, Stands, blocked, create, keep, update};
use serde_json::{Value, json};

/// A step.
#[derive(Clone)]
pub(super) enum Step {
    /// The webhook to this hub.
    Hook(Level),
    /// Another webhook to this hub, whose secret nobody has.
    Pause(Level, u64),
    /// A question of a show, by the name that the settings give it.
    Question(String, String),
}

impl Step {
    pub(super) fn id(&self) -> String {
        match self {
            Self::Hook(Level::Organizer) => "webhook".to_owned(),
            Self::Hook(Level::Show(show)) => format!("webhook:{show}"),
            Self::Pause(_, id) => format!("pause:{id}"),
            Self::Question(show, name) => format!("question:{show}/{name}"),
        }
    }
}

/// The connection's own settings, and what was seen.
pub(super) struct Planner<'a> {
    pub(super) connection: &'a str,
    pub(super) organizer: String,
    /// Where webhooks are to go.
    pub(super) hook: Option<&'a str>,
    /// Is there anything by which webhooks are believed?
    pub(super) has_secret: bool,
    /// The vault's name for it.
    pub(super) place: Option<&'a str>,
    pub(super) questions: &'a Questions,
    pub(super) seen: &'a Seen,
}

impl Planner<'_> {
    pub(super) fn plan(&self) -> Plan {
        Plan {
            steps: self.steps().into_iter().map(Stands::shown).collect(),
            missing: Vec::new(),
            advice: self.advice(),
        }
    }

    pub(super) fn step(&self, id: &str) -> Option<Stands<Step>> {
        self.steps().into_iter().find(|s| s.id == id)
    }

    fn steps(&self) -> Vec<Stands<Step>> {
        let mut steps = Vec::new();
        if self.seen.by_show {
            for show in &self.seen.shows {
                self.webhook(Level::Show(show.id.clone()), &format!(" of “{}”", show.title), &mut steps);
            }
        } else {
            self.webhook(Level::Organizer, "", &mut steps);
        }
        for show in &self.seen.shows {
            let made = self.questions.all().filter_map(|q| Some((q, q.make.as_ref()?)));
            for (question, make) in made {
                let step = Step::Question(show.id.clone(), question.name());
                let title = question.title.as_deref().unwrap_or_default();
                let what = format!("question “{title}” of “{}” ({})", show.title, question.wire_type());
                steps.push(self.stands(step, what, self.question(show, question, make.per_ticket)));
            }
        }
        steps
    }

    /// A step as it stands. What was refused in this run would be again.
    fn stands(&self, step: Step, what: String, judged: Judged) -> Stands<Step> {
        let id = step.id();
        let judged = match self.seen.refused.get(&id) {
            Some(why) if judged.0.is_todo() => blocked(why),
            _ => judged,
        };
        Stands::new(step, id, what, judged)
    }

    /// Webhooks of this level that call this hub, the one that counts first.
    fn ours(&self, level: &Level) -> Vec<&Hook> {
        let calls = |h: &&Hook| h.level == *level && self.hook.is_some_and(|address| h.calls(address));
        let mut ours: Vec<&Hook> = self.seen.hooks.iter().filter(calls).collect();
        ours.sort_by_key(|h| std::cmp::Reverse((h.made_now, h.enabled, h.id)));
        ours
    }

    fn webhook(&self, level: Level, of: &str, steps: &mut Vec<Stands<Step>>) {
        let ours = self.ours(&level);
        let step = Step::Hook(level.clone());
        let first = self.stands(step, format!("webhook{of} to this hub"), self.judge_webhook(&level, &ours));
        let replaces = first.change == Change::Create;
        steps.push(first);
        // Beside the one whose secret the hub has, what others send is refused; beside one that is to be made, too.
        let kept = if replaces { None } else { ours.first() };
        let lost = |h: &&&Hook| h.enabled && (h.is_refused() || !self.has_secret && !h.made_now);
        for hook in ours.iter().filter(lost).filter(|h| kept.is_none_or(|k| k.id != h.id)) {
            let step = Step::Pause(level.clone(), hook.id);
            let judged = if replaces {
                blocked("waits until another one stands in for it")
            } else {
                let path = format!("{}/{}", self.hooks(&level), hook.id);
                let why = "all that it sends is refused: the hub has not its secret, which is told only once";
                update(why, draft("PUT", path, body(&hook.url, &hook.types, "PAUSED")))
            };
            let what = format!("webhook {}{of}, whose secret nobody has: paused", hook.id);
            steps.push(self.stands(step, what, judged));
        }
    }

    fn hooks(&self, level: &Level) -> String {
        match level {
            Level::Organizer => format!("/organizers/{}/webhooks", self.organizer),
            Level::Show(show) => format!("/events/{show}/webhooks"),
        }
    }

    fn judge_webhook(&self, level: &Level, ours: &[&Hook]) -> Judged {
        let Some(address) = self.hook else {
            let why = "the hub has no address that Hi.Events could reach: set server.public_url";
            return blocked(why);
        };
        if address.len() > 255 {
            return blocked("its address is longer than the 255 characters that Hi.Events keeps");
        }
        let all: Vec<String> = EVENT_TYPES.iter().map(|t| (*t).to_owned()).collect();
        let make = |why: &str| match self.place {
            Some(_) => create(why, draft("POST", self.hooks(level), body(address, &all, "ENABLED"))),
            None => blocked(format!(
                "{why}; Hi.Events makes the secret and tells it once: write webhook_secrets = [\"vault:{0}-webhook\"] \
                 on [connections.{0}] and start the hub again, so that it can be kept",
                self.connection
            )),
        };
        let Some(hook) = ours.first() else {
            return make("nothing is told to this hub");
        };
        if !hook.made_now && (!self.has_secret || hook.is_refused()) {
            return make(&format!("the hub has not the secret of webhook {}, which was told only once", hook.id));
        }
        let missing: Vec<&str> =
            EVENT_TYPES.iter().copied().filter(|t| !hook.types.iter().any(|own| own == t)).collect();
        let complete = || {
            let more = missing.iter().map(|t| (*t).to_owned());
            let types: Vec<String> = hook.types.iter().cloned().chain(more).collect();
            let path = format!("{}/{}", self.hooks(level), hook.id);
            draft("PUT", path, body(&hook.url, &types, "ENABLED"))
        };
        match (hook.enabled, missing.is_empty()) {
            (true, true) => keep(format!("webhook {} tells all {} types", hook.id, EVENT_TYPES.len())),
            (false, true) => update(format!("webhook {} is paused, and is resumed", hook.id), complete()),
            (true, false) => update(format!("webhook {} does not tell {}", hook.id, missing.join(", ")), complete()),
            (false, false) => {
                let why = format!("webhook {} is paused, and does not tell {}", hook.id, missing.join(", "));
                update(why, complete())
            }
        }
    }

    fn question(&self, show: &Show, question: &Question, per_ticket: bool) -> Judged {
        let asked = show.questions.iter().find(|a| question.is(&a.id.to_string(), &a.title));
        // By its title too: one that is mapped by the ids of other shows is the same question here.
        let title = question.title.as_deref().unwrap_or_default();
        let titled = || show.questions.iter().find(|a| plain(&a.title) == plain(title));
        if let Some(asked) = asked.or_else(titled) {
            return keep(format!("question {} asks it", asked.id));
        }
        if per_ticket && show.products.is_empty() {
            return blocked("it is asked for each ticket, and the show sells none yet");
        }
        let make = question.make.clone().unwrap_or_default();
        let options = question.options();
        let body = json!({
            "title": title,
            "type": question.wire_type(),
            "belongs_to": if per_ticket { "PRODUCT" } else { "ORDER" },
            "product_ids": if per_ticket { show.products.clone() } else { Vec::new() },
            "options": if options.is_empty() { Value::Null } else { json!(options) },
            "required": make.required,
            "is_hidden": false,
            "description": make.description,
        });
        create("the show does not ask it", draft("POST", format!("/events/{}/questions", show.id), body))
    }

    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        for hook in self.seen.hooks.iter().filter(|h| h.enabled && self.hook.is_some_and(|a| h.calls(a))) {
            let failed: Vec<u16> = hook.answers.iter().copied().filter(|c| !(200..300).contains(c)).collect();
            if failed.is_empty() {
                continue;
            }
            let silent = failed.iter().filter(|c| **c == 0).count();
            let mut codes: Vec<u16> = failed.iter().copied().filter(|c| *c != 0).collect();
            codes.sort_unstable();
            codes.dedup();
            let codes: Vec<String> = codes.iter().map(|c| format!("HTTP {c}")).collect();
            let mut how = codes.join(", ");
            if silent > 0 {
                let none = format!("no answer within 3 s: {silent}");
                how = if how.is_empty() { none } else { format!("{how}, {none}") };
            }
            advice.push(format!(
                "{} of the last {} calls of webhook {} came to nothing ({how}), and Hi.Events tries each once: \
                 `pasarela reconcile {}` reads what they told",
                failed.len(),
                hook.answers.len(),
                hook.id,
                self.connection
            ));
        }
        let mut levels: Vec<&Level> = Vec::new();
        for hook in &self.seen.hooks {
            if !levels.contains(&&hook.level) {
                levels.push(&hook.level);
            }
        }
        for level in levels {
            let tell = |h: &&&Hook| h.enabled && !h.is_refused() && (self.has_secret || h.made_now);
            let twice: Vec<String> = self.ours(level).iter().filter(tell).map(|h| h.id.to_string()).collect();
            if twice.len() > 1 {
                advice.push(format!(
                    "webhooks {} all call this hub, so everything is told {} times: delete all but the first at Hi.Events",
                    twice.join(", "),
                    twice.len()
                ));
            }
        }
        if self.seen.by_show {
            advice.push(
                "this server knows webhooks of shows only: apply the plan again after each new show, or upgrade it to \
                 1.7.0 or later"
                    .to_owned(),
            );
        }
        for question in self.questions.all().filter(|q| q.asks == Asks::Consent && q.text_version().is_none()) {
            advice.push(format!(
                "the question “{}” names no text_version, so a yes to it proves nothing and counts for no advertising: \
                 `pasarela texts add` keeps the text, and its version belongs into the connection's questions",
                question.title.as_deref().unwrap_or(question.purpose())
            ));
        }
        advice
    }
}

/// Every id that a request names was seen.
fn draft(method: &'static str, path: String, body: Value) -> Draft {
    Draft { method, path, body, ready: true }
}

/// All three always: without status or types the provider fails with a 500.
fn body(url: &str, types: &[String], status: &str) -> Value {
    json!({ "url": url, "event_types": types, "status": status })
}
