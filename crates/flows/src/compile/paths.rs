//! Do the names and fields that expressions use exist?

use super::values::Place;
use super::{Compiler, StepUse};
use crate::flow::step_use;
use crate::problem::{At, did_you_mean};
use crate::schema::{Found, Shape};
use crate::template::uses::{Seg, Use, path_text};

/// Fields of an event's envelope (design.md 5.3).
const ENVELOPE: &[&str] = &["id", "type", "connection", "key", "occurred_at", "received_at", "delivery_id", "data"];
/// Names that are always there.
const NAMES: &[&str] = &["event", "data", "now", "config", "steps"];

impl Compiler<'_> {
    pub(super) fn check_use(&mut self, used: &Use, at: At, place: &Place) {
        if let Some(var) = place.vars.iter().rev().find(|var| var.name == used.root) {
            if let Some((root, list)) = var.list.clone() {
                let known = list.len();
                let path: Vec<Seg> = list.into_iter().chain(used.path.iter().cloned()).collect();
                self.check_path(&root, &path, known, used, at, place);
            }
            return;
        }
        match used.root.as_str() {
            "steps" => self.check_step_use(used, at, place),
            "now" if used.path.is_empty() => {}
            "now" => self.report.error(at, "`now` is a time and has no fields", Some("write `now | bogota`".into())),
            "config" => match used.path.first() {
                Some(Seg::Field(name)) if name == "vars" => {}
                _ => self.report.error(at, "`config` has only `vars` here", Some("write `config.vars.name`".into())),
            },
            _ => self.check_path(&used.root, &used.path, 0, used, at, place),
        }
    }

    fn check_step_use(&mut self, used: &Use, at: At, place: &Place) {
        let Some((id, result)) = step_use(&used.path) else {
            let message = "`steps` must be followed by the id of a step";
            self.report.error(at, message, Some("write `steps.the_id`".into()));
            return;
        };
        if place.step.is_none() {
            self.report.error(at, format!("`{}`: no step has run yet here", used.text()), None);
            return;
        }
        let field = used.path.iter().skip(1).find_map(|seg| match seg {
            Seg::Field(name) => Some(name.clone()),
            _ => None,
        });
        let step_used = StepUse { at, id: id.to_owned(), result, field };
        self.remember(place.step, step_used, place.events.is_some());
    }

    /// `known` steps of the path were checked where the list was named.
    fn check_path(&mut self, root: &str, path: &[Seg], known: usize, used: &Use, at: At, place: &Place) {
        match root {
            "event" => match path.first() {
                Some(Seg::Field(name)) if name == "data" => {
                    self.check_data(path.get(1..).unwrap_or(&[]), used, at, place)
                }
                Some(Seg::Field(name)) if !ENVELOPE.contains(&name.as_str()) => {
                    let suggestion = did_you_mean(name, ENVELOPE.iter().copied());
                    self.report.error(at, format!("`{}`: an event has no `{name}`", used.text()), suggestion);
                }
                _ => {}
            },
            "data" => self.check_data(path, used, at, place),
            // A list in a result is open.
            "steps" | "config" | "now" => {}
            model => {
                let schema = self.schema(model);
                if schema.is_none() && !is_open_model(model) {
                    self.unknown_name(used, at, place);
                    return;
                }
                // The buyer is a part of the order.
                let model_name = if model == "buyer" { "order" } else { model };
                self.models.insert(model_name.to_owned());
                if let Some(step) = place.step.and_then(|ix| self.steps.get_mut(ix))
                    && place.events.is_none()
                {
                    step.models.insert(model_name.to_owned());
                } else {
                    self.lasting.insert(model_name.to_owned());
                }
                if let Some(schema) = schema {
                    self.follow(&schema, path, known, used, at);
                }
            }
        }
    }

    fn unknown_name(&mut self, used: &Use, at: At, place: &Place) {
        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        names.extend(place.vars.iter().map(|var| var.name.clone()));
        for model in model_names() {
            if self.schema(&model).is_some() {
                names.push(model);
            }
        }
        let suggestion = did_you_mean(&used.root, names.iter().map(String::as_str));
        self.report.error(at, format!("there is no `{}` here", used.root), suggestion);
    }

    /// The payload: a field is missing only if none of the events has it.
    fn check_data(&mut self, path: &[Seg], used: &Use, at: At, place: &Place) {
        let types = place.events.clone().unwrap_or_else(|| self.on.clone());
        let mut schemas = Vec::new();
        for event_type in &types {
            match self.schema(event_type) {
                Some(schema) => schemas.push(schema),
                None => return,
            }
        }
        let all_fail = schemas.iter().all(|schema| matches!(Shape::new(schema).follow(path), Found::Nothing { .. }));
        match schemas.first() {
            Some(first) if all_fail => self.follow(first, path, 0, used, at),
            _ => {}
        }
    }

    fn follow(&mut self, schema: &serde_json::Value, path: &[Seg], known: usize, used: &Use, at: At) {
        // Money is opaque: it is shown or passed on whole.
        if let Some((Seg::Field(_), before)) = path.split_last()
            && let Found::Here(shapes) = Shape::new(schema).follow(before)
            && shapes.iter().any(Shape::is_money)
        {
            let message = format!("`{}`: money has no parts and no arithmetic in templates", used.text());
            self.report.error(at, message, Some("pass the amount whole, or show it with `| money`".into()));
            return;
        }
        let Found::Nothing { seg, fields } = Shape::new(schema).follow(path) else {
            return;
        };
        if seg < known {
            return;
        }
        let own = seg - known;
        let owner = path_text(&used.root, used.path.get(..own).unwrap_or(&used.path));
        match used.path.get(own) {
            Some(Seg::Field(name)) if fields.is_empty() => {
                self.report.error(at, format!("`{}`: `{owner}` has no fields, so no `{name}`", used.text()), None);
            }
            Some(Seg::Field(name)) => {
                let suggestion = did_you_mean(name, fields.iter().copied());
                self.report.error(at, format!("`{}`: `{owner}` has no field `{name}`", used.text()), suggestion);
            }
            _ => self.report.error(at, format!("`{}`: `{owner}` is not a list", used.text()), None),
        }
    }
}

/// Heads of the canonical event types are names of read models, but for those that are none.
fn model_names() -> Vec<String> {
    let mut names: Vec<String> = pasarela_domain::CANONICAL_EVENT_TYPES
        .iter()
        .filter_map(|name| name.split('.').next())
        .filter(|head| !matches!(*head, "email" | "connection" | "case"))
        .map(str::to_owned)
        .collect();
    names.push("buyer".to_owned());
    names.sort();
    names.dedup();
    names
}

fn is_open_model(name: &str) -> bool {
    model_names().iter().any(|model| model == name)
}
