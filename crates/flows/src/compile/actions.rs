//! `do` steps: the action behind the name, the class of a message, what stands in for it.

use super::lawful::{self, Planned};
use super::steps::Around;
use super::values::Place;
use super::{Compiler, Fields};
use crate::catalog::{ActionInfo, Origin, Unresolved};
use crate::flow::{Action, Ix, StepKind, Tree};
use crate::problem::{At, did_you_mean};
use crate::words::{Class, OnDead, OnUnknown};
use serde_json::{Map, Value};

impl Compiler<'_> {
    pub(super) fn around_otherwise(&self, ix: Ix, around: &Around) -> Around {
        let path = self.steps.get(ix).map_or("", |step| &step.path);
        Around {
            prefix: format!("{path}.otherwise."),
            otherwise_of: Some(ix),
            depth: around.depth + 1,
            ..around.clone()
        }
    }

    pub(super) fn action(&mut self, ix: Ix, fields: &Fields<'_>, place: &Place, around: &Around) -> Option<StepKind> {
        let with_node = fields.get("with").map(|entry| &entry.value);
        let with = match with_node {
            Some(node) => self.tree(node, place),
            None => Some(Tree::Fixed(Value::Object(Map::new()))),
        };
        let class_entry = fields.get("class").copied();
        let class = class_entry.and_then(|entry| self.word(&entry.value, Class::from_word, Class::ALL));
        let purpose = fields.get("purpose").and_then(|entry| self.name(&entry.value, "purpose"));
        let on_unknown =
            fields.get("on_unknown").and_then(|entry| self.word(&entry.value, OnUnknown::from_word, OnUnknown::ALL));
        let on_dead = fields.get("on_dead").and_then(|entry| self.word(&entry.value, OnDead::from_word, OnDead::ALL));
        let give_up_after = fields.get("give_up_after").and_then(|entry| self.length(&entry.value));
        let expires = fields.get("expires").and_then(|entry| self.moment(&entry.value, "expires", place));
        // What is sent instead of a message is the same message on another way.
        let inherited = around.instead_of.clone();
        let class = class.or(inherited.as_ref().filter(|_| class_entry.is_none()).map(|(class, _)| *class));
        let purpose = purpose.or(inherited.and_then(|(_, purpose)| purpose));
        let mut inner = self.around_otherwise(ix, around);
        inner.instead_of = class.map(|class| (class, purpose.clone()));
        let otherwise = fields.get("otherwise").map(|entry| self.list(&entry.value, &inner)).unwrap_or_default();
        let entry = fields.get("do")?;
        let Some(name) = entry.value.text() else {
            let message = format!("`do` is the name of an action, not {}", entry.value.describe());
            self.report.error(entry.value.at, message, Some("write `do: provider.action`".into()));
            return None;
        };
        let info = match self.catalog.action(name) {
            Ok(info) => info,
            Err(why) => {
                self.unresolved(ix, name, entry.value.at, why);
                return None;
            }
        };
        if info.message && class_entry.is_none() && class.is_none() {
            let suggestion = "add `class: transactional` (or `transactional_urgent`, `collection`, `marketing`)";
            let message =
                format!("`{name}` writes to a person and has no `class`: an unknown class counts as marketing");
            self.report.error(entry.value.at, message, Some(suggestion.to_owned()));
        }
        if !info.message
            && let Some(class) = class_entry
        {
            let message = format!("`{name}` writes to nobody: its `class` only sets how soon it is sent");
            self.report.note(class.at, message, None);
        }
        if let Some(draft) = self.drafts.get_mut(ix) {
            let told = info.output.as_object().filter(|output| !output.is_empty());
            draft.output = told.map(|output| output.keys().cloned().collect());
        }
        if info.message
            && let (Some(class), Some(with)) = (class, &with)
        {
            let planned = self.planned(class, &info, with, entry.value.at, name);
            if let Some(draft) = self.drafts.get_mut(ix) {
                draft.message = Some(planned);
            }
        }
        let with = with?;
        let at = with_node.map_or(entry.at, |node| node.at);
        let input = self.check_input(with_node, &with, at, name, &info.input);
        // A step that writes to nobody has no class but its own.
        let class = class.filter(|_| info.message || class_entry.is_some());
        Some(StepKind::Do(Box::new(Action {
            connection: info.connection,
            action: info.action,
            with,
            class,
            purpose,
            on_unknown: on_unknown.or(self.defaults.on_unknown).unwrap_or(OnUnknown::Hold),
            on_dead: on_dead.or(self.defaults.on_dead).unwrap_or(OnDead::Park),
            give_up_after: give_up_after.or(self.defaults.give_up_after),
            expires,
            otherwise,
            input,
        })))
    }

    /// A message as far as the law can be read from the file.
    fn planned(&self, class: Class, info: &ActionInfo, with: &Tree, at: At, name: &str) -> Planned {
        let source = with.source();
        let template = source.get("template").and_then(Value::as_str);
        let known = template.and_then(|name| self.catalog.template(name));
        let mut texts = lawful::texts(&source);
        texts.extend(known.iter().map(|t| t.text.clone()));
        Planned {
            class,
            channel: info.channel.clone(),
            people: info.to.as_deref().and_then(|to| source.pointer(to)).map(lawful::people).unwrap_or_default(),
            texts,
            advertises: template.filter(|_| known.is_some_and(|t| t.advertises)).map(str::to_owned),
            at,
            name: name.to_owned(),
        }
    }

    pub(super) fn unresolved(&mut self, ix: Ix, name: &str, at: At, why: Unresolved) {
        match (why, self.origin) {
            (Unresolved::Unknown, _) => {
                let actions = self.catalog.actions();
                let suggestion = did_you_mean(name, actions.iter().map(String::as_str));
                self.report.error(at, format!("there is no action `{name}`"), suggestion);
            }
            (Unresolved::NotConfigured { provider }, Origin::BuiltIn) => {
                let message = format!("`{name}` is left out: no connection to `{provider}` is configured");
                self.report.note(at, message, None);
                if let Some(draft) = self.drafts.get_mut(ix) {
                    draft.absent = true;
                }
            }
            (Unresolved::NotConfigured { provider }, Origin::File) => {
                let suggestion = format!(
                    "add `[connections.{provider}]` with `provider = \"{provider}\"` to pasarela.toml, or remove the step"
                );
                let message = format!("`{name}`: no connection to `{provider}` is configured");
                self.report.error(at, message, Some(suggestion));
            }
            (Unresolved::Ambiguous { connections }, _) => {
                let action = name.split_once('.').map_or(name, |(_, action)| action);
                let choices: Vec<String> = connections.iter().map(|name| format!("`{name}.{action}`")).collect();
                let message = format!("`{name}` could be one of several connections");
                self.report.error(at, message, Some(format!("write {}", choices.join(" or "))));
            }
        }
    }
}
