//! Does `with` fit the action's schema, as far as it is literal?

use super::Compiler;
use crate::flow::Tree;
use crate::problem::{At, did_you_mean};
use crate::schema::Shape;
use crate::template::is_template;
use crate::yaml::{Kind, Node};
use serde_json::Value;

impl Compiler<'_> {
    /// The validator for run time; what is wrong with literals is reported now.
    pub(super) fn check_input(
        &mut self,
        node: Option<&Node>,
        tree: &Tree,
        at: At,
        action: &str,
        schema: &Value,
    ) -> Option<jsonschema::Validator> {
        let empty = Node { at, kind: Kind::Map(Vec::new()) };
        let before = self.report.failed();
        self.check_literal(node.unwrap_or(&empty), Shape::new(schema), action, "");
        let validator = match jsonschema::validator_for(schema) {
            Ok(validator) => validator,
            Err(error) => {
                self.report.error(at, format!("the input schema of `{action}` is broken: {error}"), None);
                return None;
            }
        };
        // What the walk above does not know (patterns, ranges), for inputs without any template.
        if let Tree::Fixed(value) = tree
            && before == self.report.failed()
            && let Err(error) = validator.validate(value)
        {
            let place = node.map_or(at, |node| deepest(node, error.instance_path().as_str()));
            self.report.error(place, format!("`{action}` does not take this input: {error}"), None);
        }
        Some(validator)
    }

    fn check_literal(&mut self, node: &Node, shape: Shape<'_>, action: &str, name: &str) {
        let shown = if name.is_empty() { "`with`".to_owned() } else { format!("`{name}`") };
        match &node.kind {
            Kind::Scalar(Value::String(text)) if is_template(text) => {}
            Kind::Scalar(value) => {
                if let Some(wants) = shape.misfit(value) {
                    let suggestion = match value {
                        Value::String(text) => {
                            let words: Vec<&str> = wants
                                .split(" or ")
                                .filter_map(|word| word.strip_prefix('`')?.strip_suffix('`'))
                                .collect();
                            did_you_mean(text, words)
                        }
                        Value::Number(_) | Value::Bool(_) if wants.contains("string") => {
                            Some(format!("put it in quotes: \"{value}\""))
                        }
                        _ => None,
                    };
                    self.report.error(
                        node.at,
                        format!("{shown} of `{action}` is {wants}, not {}", described(value)),
                        suggestion,
                    );
                }
            }
            Kind::List(items) => {
                if !shape.takes("array") {
                    self.report.error(node.at, format!("{shown} of `{action}` is not a list"), None);
                } else if let Some(item) = shape.item() {
                    for node in items {
                        self.check_literal(node, item, action, name);
                    }
                }
            }
            Kind::Map(entries) => {
                if !shape.takes("object") {
                    self.report.error(node.at, format!("{shown} of `{action}` is not a mapping"), None);
                    return;
                }
                let (fields, open) = shape.fields();
                for entry in entries {
                    let mut known = fields.iter().filter(|(field, _)| *field == entry.key);
                    match (known.next(), known.next()) {
                        (Some((_, shape)), None) => self.check_literal(&entry.value, *shape, action, &entry.key),
                        // Several alternatives have it: the validator decides.
                        (Some(_), Some(_)) => {}
                        (None, _) if open => {}
                        (None, _) => {
                            let suggestion = did_you_mean(&entry.key, fields.iter().map(|(field, _)| *field));
                            self.report.error(
                                entry.at,
                                format!("{shown} of `{action}` has no field `{}`", entry.key),
                                suggestion,
                            );
                        }
                    }
                }
                for required in shape.required() {
                    if !entries.iter().any(|entry| entry.key == required) {
                        let suggestion = Some(format!("add `{required}: ...`"));
                        self.report.error(node.at, format!("{shown} of `{action}` needs `{required}`"), suggestion);
                    }
                }
            }
        }
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
        other => other.to_string(),
    }
}

/// The node at a JSON pointer, or the last one on the way.
fn deepest(node: &Node, pointer: &str) -> At {
    let mut now = node;
    for part in pointer.split('/').skip(1) {
        let next = match &now.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == part).map(|entry| &entry.value),
            Kind::List(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            Kind::Scalar(_) => None,
        };
        match next {
            Some(next) => now = next,
            None => break,
        }
    }
    now.at
}
