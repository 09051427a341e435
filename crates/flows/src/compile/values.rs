//! Values of the file: literals, templates, trees of both; and where in the file a byte of a
//! template is.

use super::{Compiler, StepUse};
use crate::flow::{Condition, Ix, Tree};
use crate::problem::At;
use crate::template::{self, Template};
use crate::yaml::{Kind, Node};
use serde_json::Value;

/// An `each` variable: its name, and the path of the list it walks, if that is known.
#[derive(Clone)]
pub(super) struct Var {
    pub(super) name: String,
    pub(super) list: Option<(String, Vec<crate::template::uses::Seg>)>,
}

/// Where an expression stands: what it sees.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) step: Option<Ix>,
    pub(super) vars: Vec<Var>,
    /// Event types whose payload `data` is; `None`: those that begin the flow.
    pub(super) events: Option<Vec<String>>,
}

impl Place {
    pub(super) fn head() -> Self {
        Self::default()
    }
}

impl Compiler<'_> {
    /// A text with templates in it, compiled and checked; `None`: reported.
    pub(super) fn template(&mut self, node: &Node, text: &str, place: &Place) -> Option<Template> {
        let at = self.locate(node.at, text, 0);
        match template::compile(text, at.line, &mut self.env) {
            Ok(template) => {
                for used in &template.uses {
                    let at = self.locate(node.at, text, used.offset);
                    self.check_use(used, at, place);
                }
                Some(template)
            }
            Err(broken) => {
                let at = self.locate(node.at, text, broken.offset);
                self.report.error(at, broken.message, broken.suggestion);
                None
            }
        }
    }

    pub(super) fn condition(&mut self, node: &Node, place: &Place) -> Option<Condition> {
        match &node.kind {
            Kind::Scalar(Value::Bool(value)) => Some(Condition::Fixed(*value)),
            Kind::Scalar(Value::String(text)) if template::is_template(text) => {
                self.template(node, text, place).map(Condition::Expr)
            }
            Kind::Scalar(Value::String(text)) => {
                let suggestion = format!("write `\"{{{{ {text} }}}}\"`");
                self.report.error(node.at, "a condition without braces is a text and always true", Some(suggestion));
                None
            }
            _ => {
                let message = format!("a condition is an expression, not {}", node.describe());
                self.report.error(node.at, message, Some("write `\"{{ ... }}\"`".into()));
                None
            }
        }
    }

    pub(super) fn tree(&mut self, node: &Node, place: &Place) -> Option<Tree> {
        Some(match &node.kind {
            Kind::Scalar(Value::String(text)) if template::is_template(text) => {
                Tree::Expr(self.template(node, text, place)?)
            }
            Kind::Scalar(value) => Tree::Fixed(value.clone()),
            Kind::List(items) => {
                // All are read, so that all problems are found.
                let items: Vec<_> = items.iter().map(|item| self.tree(item, place)).collect();
                fixed_list(items.into_iter().collect::<Option<_>>()?)
            }
            Kind::Map(entries) => {
                let fields: Vec<_> = entries
                    .iter()
                    .map(|entry| self.tree(&entry.value, place).map(|tree| (entry.key.clone(), tree)))
                    .collect();
                fixed_map(fields.into_iter().collect::<Option<_>>()?)
            }
        })
    }

    pub(super) fn remember(&mut self, step: Option<Ix>, used: StepUse, glance: bool) {
        if let Some(draft) = step.and_then(|ix| self.drafts.get_mut(ix)) {
            if glance { draft.glances.push(used) } else { draft.uses.push(used) }
        }
    }

    /// The place in the file of a byte of a scalar. Exact for blocks and for texts on one line
    /// without escapes; else the start of the scalar.
    pub(super) fn locate(&self, at: At, text: &str, offset: usize) -> At {
        let before = text.get(..offset).unwrap_or(text);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let lines = count(before.matches('\n').count());
        let chars = count(before.rsplit('\n').next().unwrap_or("").chars().count());
        if self.is_block(at) {
            return At { line: at.line.saturating_add(lines), column: at.column.saturating_add(chars) };
        }
        if lines > 0 {
            return at;
        }
        let first = self.line(at.line).chars().nth(at.column.saturating_sub(1) as usize);
        let quote = u32::from(matches!(first, Some('"' | '\'')));
        At { line: at.line, column: at.column.saturating_add(quote + chars) }
    }

    /// Is this the first line of a `|` or `>` block? Nothing stands before it, and the line above
    /// ends with the sign.
    fn is_block(&self, at: At) -> bool {
        let indent = self.line(at.line).chars().take_while(|c| *c == ' ').count();
        let head = self.line(at.line.saturating_sub(1)).split(" #").next().unwrap_or("").trim_end();
        let sign = head.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        indent + 1 == at.column as usize
            && (sign.ends_with(": |") || sign.ends_with(": >") || sign.ends_with("- |") || sign.ends_with("- >"))
    }

    fn line(&self, number: u32) -> &str {
        (number as usize).checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or("")
    }
}

/// A list without templates is one literal: nothing is rendered at run time.
fn fixed_list(items: Vec<Tree>) -> Tree {
    if items.iter().all(|item| matches!(item, Tree::Fixed(_))) {
        return Tree::Fixed(items.iter().map(Tree::source).collect());
    }
    Tree::List(items)
}

fn fixed_map(fields: Vec<(String, Tree)>) -> Tree {
    if fields.iter().all(|(_, item)| matches!(item, Tree::Fixed(_))) {
        return Tree::Fixed(Value::Object(fields.iter().map(|(name, item)| (name.clone(), item.source())).collect()));
    }
    Tree::Map(fields)
}
