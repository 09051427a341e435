//! What is the same for every provisioner: a step as it stands, its request, and what was seen on its way from one call
//! to the next.

use super::{Applied, Change, PlanStep, Shown};
use crate::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// In place of a secret, where a request is shown.
const HIDDEN: &str = "…";

/// The request of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Upper case.
    pub method: &'static str,
    /// Path below the provider's address.
    pub path: String,
    /// JSON body. What is under `secret` is shown nowhere.
    pub body: Value,
    /// Are all ids known that it names? Until then it waits for other steps.
    pub ready: bool,
}

/// What becomes of a step, why, and by which request.
pub type Judged = (Change, String, Option<Draft>);

/// It is made.
#[must_use]
pub fn create(why: impl Into<String>, draft: Draft) -> Judged {
    (Change::Create, why.into(), Some(draft))
}

/// It gets what it lacks.
#[must_use]
pub fn update(why: impl Into<String>, draft: Draft) -> Judged {
    (Change::Update, why.into(), Some(draft))
}

/// It stays as it is.
#[must_use]
pub fn keep(why: impl Into<String>) -> Judged {
    (Change::Keep, why.into(), None)
}

/// Something else stands there.
#[must_use]
pub fn conflict(why: impl Into<String>) -> Judged {
    (Change::Conflict, why.into(), None)
}

/// Something is missing that the step needs.
#[must_use]
pub fn blocked(why: impl Into<String>) -> Judged {
    (Change::Blocked, why.into(), None)
}

/// A step as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Stands<S> {
    /// The provider's own step.
    pub step: S,
    /// Its name in every plan.
    pub id: String,
    /// What it is about, for people.
    pub what: String,
    /// What happens.
    pub change: Change,
    /// Why.
    pub why: String,
    draft: Option<Draft>,
}

impl<S> Stands<S> {
    /// A step with what was judged of it.
    #[must_use]
    pub fn new(step: S, id: String, what: String, (change, why, draft): Judged) -> Self {
        Self { step, id, what, change, why, draft }
    }

    /// As a plan shows it.
    #[must_use]
    pub fn shown(self) -> PlanStep {
        let request = self.draft.filter(|_| self.change.is_todo()).map(|draft| {
            let mut body = draft.body;
            if let Some(secret) = body.get_mut("secret") {
                *secret = HIDDEN.into();
            }
            Shown { method: draft.method.to_owned(), path: draft.path, body }
        });
        PlanStep { id: self.id, what: self.what, why: self.why, change: self.change, request }
    }

    /// The request that does it, at the address of its path; `None`: it has nothing to do, or waits for another one.
    #[must_use]
    pub fn request(self, url: impl FnOnce(&str) -> String) -> Option<Request> {
        let draft = self.draft.filter(|draft| self.change.is_todo() && draft.ready)?;
        Some(Request::new(draft.method, url(&draft.path)).json(&draft.body))
    }
}

/// What a look saw, as the connector wrote it; of another version, nothing.
#[must_use]
pub fn seen<S: DeserializeOwned + Default>(value: &Value) -> S {
    S::deserialize(value).unwrap_or_default()
}

/// The same for the next call.
#[must_use]
pub fn written(seen: &impl Serialize) -> Value {
    serde_json::to_value(seen).unwrap_or_default()
}

impl Applied {
    /// The plan of now has no step of this name.
    #[must_use]
    pub fn no_step(id: &str) -> Self {
        Self::Unclear { why: format!("there is no step '{id}'") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stands(judged: Judged) -> Stands<()> {
        Stands::new((), "webhook".into(), "webhook to this hub".into(), judged)
    }

    #[test]
    fn a_secret_is_sent_and_never_shown_and_what_waits_sends_nothing() {
        let draft = |ready| Draft { method: "POST", path: "/hooks".into(), body: json!({ "secret": "uno" }), ready };
        let shown = stands(create("it is not there", draft(false))).shown().request.unwrap();
        assert_eq!((shown.path.as_str(), shown.body), ("/hooks", json!({ "secret": HIDDEN })));
        let url = |path: &str| format!("https://proveedor.example{path}");
        let sent = stands(update("it lacks something", draft(true))).request(url).unwrap();
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://proveedor.example/hooks"));
        assert!(String::from_utf8_lossy(&sent.body).contains("uno"));
        assert!(stands(create("it is not there", draft(false))).request(url).is_none(), "it waits");
        for nothing in [keep("it is there"), conflict("another"), blocked("no right")] {
            assert_eq!(stands(nothing.clone()).shown().request, None);
            assert!(stands(nothing).request(url).is_none());
        }
    }
}
