//! Walks JSON Schemas as `check` needs them: which fields exist below a path, which are required,
//! which literal values fit. Knows nothing of flows.

use crate::template::uses::Seg;
use serde_json::{Map, Value};

/// How far `$ref`s are followed; a schema that refers to itself ends here.
const MAX_REFS: usize = 16;

/// A schema, with the document that its `$ref`s point into.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    root: &'a Value,
    node: &'a Value,
}

/// What lies at a path.
pub(crate) enum Found<'a> {
    /// This.
    Here(Vec<Shape<'a>>),
    /// The schema does not say.
    Open,
    /// Nothing: `fields` are those that exist where `seg` (number of the step) failed.
    Nothing { seg: usize, fields: Vec<&'a str> },
}

impl<'a> Shape<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root, node: root }
    }

    fn below(&self, node: &'a Value) -> Self {
        Self { root: self.root, node }
    }

    /// The alternatives that a value may have: `$ref` and `anyOf`/`oneOf`/`allOf` opened, null left out.
    pub(crate) fn alternatives(&self) -> Vec<Shape<'a>> {
        let mut out = Vec::new();
        self.open(&mut out, 0);
        out
    }

    fn open(&self, out: &mut Vec<Shape<'a>>, depth: usize) {
        if depth > MAX_REFS || out.len() > 64 {
            return;
        }
        if let Some(target) =
            self.node.get("$ref").and_then(Value::as_str).and_then(|reference| self.resolve(reference))
        {
            self.below(target).open(out, depth + 1);
            return;
        }
        let mut branched = false;
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for branch in self.node.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                branched = true;
                self.below(branch).open(out, depth + 1);
            }
        }
        let only_null = self.node.get("type").and_then(Value::as_str) == Some("null");
        if (!branched || self.node.get("properties").is_some()) && !only_null {
            out.push(*self);
        }
    }

    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn properties(&self) -> Option<&'a Map<String, Value>> {
        self.node.get("properties").and_then(Value::as_object)
    }

    /// Are other fields than the listed ones possible?
    fn is_open(&self) -> bool {
        let more = self.node.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
        more || self.node.get("patternProperties").is_some() || (self.properties().is_none() && !self.is_scalar())
    }

    fn types(&self) -> Vec<&'a str> {
        match self.node.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn is_scalar(&self) -> bool {
        let types = self.types();
        (!types.is_empty() && types.iter().all(|name| !matches!(*name, "object" | "array")))
            || self.node.get("enum").is_some()
            || self.node.get("const").is_some()
    }

    /// Is it an amount of money (`minor` and `currency`)?
    pub(crate) fn is_money(&self) -> bool {
        self.properties()
            .is_some_and(|fields| fields.len() == 2 && fields.contains_key("minor") && fields.contains_key("currency"))
    }

    fn items(&self) -> Option<Shape<'a>> {
        self.node.get("items").map(|node| self.below(node))
    }

    /// Follows a path through these alternatives.
    pub(crate) fn follow(self, path: &[Seg]) -> Found<'a> {
        let mut now = self.alternatives();
        for (position, seg) in path.iter().enumerate() {
            let mut next = Vec::new();
            let mut fields = Vec::new();
            for shape in &now {
                match seg {
                    Seg::Field(name) => match shape.properties().and_then(|known| known.get(name)) {
                        Some(node) => next.extend(shape.below(node).alternatives()),
                        None if shape.is_open() => return Found::Open,
                        None => fields.extend(shape.properties().into_iter().flat_map(Map::keys).map(String::as_str)),
                    },
                    Seg::Index(_) | Seg::Any => match shape.items() {
                        Some(items) => next.extend(items.alternatives()),
                        None if shape.is_scalar() || shape.properties().is_some() => {}
                        None => return Found::Open,
                    },
                }
            }
            if next.is_empty() {
                return if now.is_empty() { Found::Open } else { Found::Nothing { seg: position, fields } };
            }
            now = next;
        }
        Found::Here(now)
    }

    /// Names of the fields, and whether others are possible.
    pub(crate) fn fields(&self) -> (Vec<(&'a str, Shape<'a>)>, bool) {
        let mut fields = Vec::new();
        let mut open = false;
        for shape in self.alternatives() {
            open |= shape.is_open();
            for (name, node) in shape.properties().into_iter().flatten() {
                fields.push((name.as_str(), shape.below(node)));
            }
        }
        (fields, open)
    }

    /// Fields that every alternative requires.
    pub(crate) fn required(&self) -> Vec<&'a str> {
        let list = |shape: &Shape<'a>| -> Vec<&'a str> {
            shape
                .node
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        };
        let mut sets = self.alternatives().into_iter().map(|shape| list(&shape));
        let Some(mut common) = sets.next() else {
            return Vec::new();
        };
        for set in sets {
            common.retain(|name| set.contains(name));
        }
        // Of an `allOf` or a flattened choice, the outer list counts always.
        common.extend(list(self));
        common.dedup();
        common
    }

    /// The schema of items, if it is a list.
    pub(crate) fn item(&self) -> Option<Shape<'a>> {
        self.alternatives().iter().find_map(Shape::items)
    }

    /// Why a literal scalar does not fit; `None` if it does, or if nobody can say.
    pub(crate) fn misfit(&self, value: &Value) -> Option<String> {
        let mut wants: Vec<String> = Vec::new();
        if value.is_null() {
            // Alternatives leave null out; whether it is allowed is the validator's business.
            return None;
        }
        let all = self.alternatives();
        for shape in &all {
            if let Some(choices) = shape.node.get("enum").and_then(Value::as_array) {
                if choices.contains(value) {
                    return None;
                }
                wants.extend(choices.iter().map(text_of));
            } else if let Some(only) = shape.node.get("const") {
                if only == value {
                    return None;
                }
                wants.push(text_of(only));
            } else {
                let types = shape.types();
                if types.is_empty() || types.iter().any(|name| is_type(name, value)) {
                    return None;
                }
                wants.extend(types.iter().filter(|name| **name != "null").map(|name| article(name)));
            }
        }
        wants.dedup();
        (!wants.is_empty()).then(|| wants.join(" or "))
    }

    /// May the value be a list, or a mapping?
    pub(crate) fn takes(&self, kind: &str) -> bool {
        let all = self.alternatives();
        all.is_empty()
            || all.iter().any(|shape| {
                let types = shape.types();
                (types.is_empty() && !shape.is_scalar()) || types.contains(&kind)
            })
    }
}

fn article(name: &str) -> String {
    let an = name.starts_with(['a', 'i', 'o']);
    format!("{} {name}", if an { "an" } else { "a" })
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}
