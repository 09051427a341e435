//! Steps of the file that wait: for a moment, a length of time or an event; and what ends the run
//! meanwhile.

use super::values::Place;
use super::{Compiler, Fields};
use crate::flow::{Cancel, StepKind, Tree, Until, Wait};
use crate::template::is_template;
use crate::yaml::{Kind, Node};

const FIELDS: &[&str] = &["until", "for", "timeout", "cancel_on", "lawful"];

impl Compiler<'_> {
    pub(super) fn wait(&mut self, fields: &Fields<'_>, place: &Place) -> Option<StepKind> {
        let node = &fields.get("wait")?.value;
        let keys = self.fields(node, FIELDS, "`wait`")?;
        let timeout = keys.get("timeout").and_then(|entry| self.length(&entry.value));
        let until = match (keys.get("until"), keys.get("for")) {
            (Some(entry), None) => self.wait_until(&entry.value, place),
            (None, Some(entry)) => self.wait_for(&entry.value, place),
            (Some(entry), Some(_)) => {
                let message = "`wait` has either `until` or `for`";
                self.report.error(entry.at, message, Some("make two waits of it".into()));
                None
            }
            (None, None) => {
                let todo = "add `until: \"{{ ... }}\"`, `for: 2h` or `for: order.paid`";
                self.report.error(node.at, "`wait` does not say what for", Some(todo.into()));
                None
            }
        };
        match (&until, keys.get("timeout")) {
            (Some(Until::Events(_)), None) => {
                let message = "this wait has no `timeout`: without its event the run never ends";
                self.report.note(node.at, message, Some("add `timeout: 7d`".into()));
            }
            (Some(Until::Moment(_) | Until::Length(_)), Some(entry)) => {
                self.report.error(entry.at, "`timeout` is for a wait for an event", Some("remove it".into()));
            }
            _ => {}
        }
        let cancel_on = keys.get("cancel_on").map(|entry| self.cancels(&entry.value, place)).unwrap_or_default();
        let lawful = keys.get("lawful").and_then(|entry| {
            let read = |word: &str| (word == "latest_before").then(|| word.to_owned());
            self.word(&entry.value, read, &["latest_before"])
        });
        Some(StepKind::Wait(Wait { until: until?, timeout, cancel_on, lawful }))
    }

    fn wait_until(&mut self, node: &Node, place: &Place) -> Option<Until> {
        self.moment(node, "until", place).map(Until::Moment)
    }

    /// A moment, fixed or computed.
    pub(super) fn moment(&mut self, node: &Node, field: &str, place: &Place) -> Option<Tree> {
        let is_time = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
        if node.text().is_none_or(|text| !is_template(text) && !is_time(text)) {
            let suggestion = "write `\"{{ show.starts_at | minus('24h') }}\"` or `2026-11-28T00:00:00Z`";
            self.report.error(node.at, format!("`{field}` is a time"), Some(suggestion.into()));
            return None;
        }
        self.tree(node, place)
    }

    /// A length, or event types.
    fn wait_for(&mut self, node: &Node, place: &Place) -> Option<Until> {
        match node.text() {
            Some(text) if is_template(text) => self.tree(node, place).map(Until::Length),
            Some(text) if crate::duration::parse_duration(text).is_ok() => {
                Some(Until::Length(Tree::Fixed(text.into())))
            }
            // Looks like a length: say that, not that there is no such event.
            Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
                self.length(node);
                None
            }
            None if matches!(node.kind, Kind::Scalar(_)) => {
                self.length(node);
                None
            }
            _ => {
                let types = self.event_types(node);
                (!types.is_empty()).then_some(Until::Events(types))
            }
        }
    }

    fn cancels(&mut self, node: &Node, place: &Place) -> Vec<Cancel> {
        let nodes: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut cancels = Vec::new();
        for node in nodes {
            if !matches!(node.kind, Kind::Map(_)) {
                cancels.extend(self.event_types(node).into_iter().map(|event| Cancel { event, when: None }));
                continue;
            }
            let Some(fields) = self.fields(node, &["event", "when"], "`cancel_on`") else {
                continue;
            };
            let Some(entry) = fields.get("event") else {
                let todo = "write `{ event: order.refunded, when: \"{{ ... }}\" }`";
                let () = self.missing(node.at, "`cancel_on` needs `event`", todo);
                continue;
            };
            let events = self.event_types(&entry.value);
            let place = Place { events: Some(events.clone()), ..place.clone() };
            for event in events {
                let when = match fields.get("when") {
                    Some(entry) => match self.condition(&entry.value, &place) {
                        Some(when) => Some(when),
                        // Reported; without its condition it would cancel too much.
                        None => continue,
                    },
                    None => None,
                };
                cancels.push(Cancel { event, when });
            }
        }
        cancels
    }
}
