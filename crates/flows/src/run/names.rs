//! What the names in an expression stand for at one step of a run.

use super::Scope;
use crate::flow::{Flow, Ix, StepKind};
use crate::state::{Mark, Rec, RunState};
use crate::template::eval::{EvalError, Names};
use crate::template::uses::{Seg, path_text};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// One step's view of the facts.
pub(crate) struct View<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) run: Option<&'a RunState>,
    pub(crate) scope: &'a Scope<'a>,
    /// The step that looks; `None`: the flow's head.
    pub(crate) step: Option<Ix>,
    /// Item numbers of the `each` steps around it.
    pub(crate) items: &'a [usize],
    /// Results that are not known yet are shown by their names.
    pub(crate) explain: bool,
}

impl Names for View<'_> {
    fn find<'s>(&'s self, root: &str, path: &[Seg]) -> Result<Option<(Cow<'s, Value>, usize)>, EvalError> {
        if let Some(item) = self.item(root) {
            return Ok(Some((Cow::Borrowed(item), 0)));
        }
        match root {
            "event" => Ok(Some((Cow::Borrowed(self.scope.event), 0))),
            "data" => Ok(Some((Cow::Borrowed(self.scope.data), 0))),
            "now" => Ok(Some((Cow::Owned(Value::String(self.scope.now.to_string())), 0))),
            "config" => match path.first() {
                Some(Seg::Field(name)) if name == "vars" => Ok(Some((Cow::Borrowed(self.scope.vars), 1))),
                _ => Ok(None),
            },
            "steps" => match path.first() {
                Some(Seg::Field(id)) => Ok(self.result(id, path.get(1))),
                _ => Ok(None),
            },
            "buyer" => {
                if let Some(buyer) = self.scope.models.get("buyer") {
                    return Ok(Some((Cow::Borrowed(buyer.as_ref()), 0)));
                }
                Ok(self.model("order")?.get("buyer").map(|buyer| (Cow::Borrowed(buyer), 0)))
            }
            model => Ok(Some((Cow::Borrowed(self.model(model)?), 0))),
        }
    }

    fn unknown_yet(&self, root: &str, path: &[Seg]) -> Option<Value> {
        (self.explain && root == "steps" && !path.is_empty())
            .then(|| Value::String(format!("\u{2039}{}\u{203a}", path_text(root, path))))
    }
}

impl View<'_> {
    fn model(&self, name: &str) -> Result<&Value, EvalError> {
        let model = self.scope.models.get(name).map(AsRef::as_ref);
        model.ok_or_else(|| EvalError::MissingModel { model: name.to_owned() })
    }

    fn item(&self, name: &str) -> Option<&Value> {
        let eaches = &self.flow.steps.get(self.step?)?.eaches;
        for (depth, each) in eaches.iter().enumerate().rev() {
            let step = self.flow.steps.get(*each)?;
            if let StepKind::Each(each_step) = &step.kind
                && each_step.name == name
            {
                let path = self.flow.path(*each, self.items.get(..depth)?);
                return self.run?.steps.get(path.as_ref())?.items.as_ref()?.list.get(*self.items.get(depth)?);
            }
        }
        None
    }

    /// `steps.<id>`, or with `field` only that field of its result.
    fn result(&self, id: &str, field: Option<&Seg>) -> Option<(Cow<'_, Value>, usize)> {
        let target = *self.flow.by_id.get(id)?;
        let shared = self.flow.shared_depth(self.step, target);
        let prefix = self.items.get(..shared)?;
        if self.flow.steps.get(target)?.eaches.len() > shared {
            let mut prefix = prefix.to_vec();
            return Some((Cow::Owned(self.list(target, &mut prefix)), 1));
        }
        let rec = self.run?.steps.get(self.flow.path(target, prefix).as_ref());
        if let (Some(rec), Some(Seg::Field(name))) = (rec, field)
            && name != "outcome"
            && let Some(value) = rec.result.as_ref().and_then(|result| result.get(name))
        {
            return Some((Cow::Borrowed(value), 2));
        }
        Some((Cow::Owned(visible(rec)), 1))
    }

    /// A step inside of an `each`, seen from outside: one value per item.
    fn list(&self, target: Ix, prefix: &mut Vec<usize>) -> Value {
        let Some(step) = self.flow.steps.get(target) else {
            return Value::Null;
        };
        let Some(run) = self.run else {
            return Value::Null;
        };
        let Some(each) = step.eaches.get(prefix.len()) else {
            return visible(run.steps.get(self.flow.path(target, prefix).as_ref()));
        };
        let items = run.steps.get(self.flow.path(*each, prefix).as_ref()).and_then(|rec| rec.items.as_ref());
        let count = items.map_or(0, |items| items.list.len());
        let mut out = Vec::with_capacity(count);
        for index in 0..count {
            prefix.push(index);
            out.push(self.list(target, prefix));
            prefix.pop();
        }
        Value::Array(out)
    }
}

/// What `steps.x` shows: the result's fields, the outcome, and for failures their code and words.
fn visible(rec: Option<&Rec>) -> Value {
    let Some(rec) = rec else {
        return serde_json::json!({ "outcome": Mark::Skipped.word() });
    };
    let mut object = match &rec.result {
        Some(Value::Object(fields)) => fields.clone(),
        Some(Value::Null) | None => Map::new(),
        Some(other) => Map::from_iter([("result".to_owned(), other.clone())]),
    };
    for (name, value) in [("code", &rec.code), ("why", &rec.why)] {
        if let Some(value) = value {
            object.entry(name).or_insert_with(|| Value::String(value.clone()));
        }
    }
    object.insert("outcome".into(), rec.mark.word().into());
    Value::Object(object)
}
