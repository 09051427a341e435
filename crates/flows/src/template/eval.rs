//! Evaluates compiled values against names that the caller can look up.

use super::uses::{Seg, path_text};
use super::value::{Amount, check_length, is_true, to_engine, to_json};
use super::{Code, MAX_TEXT, Shape, Template, words};
use minijinja::{Environment, Value as Engine};
use serde_json::Value;
use std::borrow::Cow;
use std::io;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A read model is not there yet: load or fetch it and ask again. Never the same as "no".
    #[error("the read model `{model}` is not loaded")]
    MissingModel {
        /// Name of the model.
        model: String,
    },
    /// The expression has no value for these facts.
    #[error("line {line}: {message}")]
    Failed {
        /// Line in the flow file.
        line: u32,
        /// What is wrong, in words.
        message: String,
    },
}

/// Finds what a name stands for.
pub(crate) trait Names {
    /// The value that `root` and the first of `path` stand for, and how many of `path` were used.
    /// `None`: there is no such thing.
    fn find<'s>(&'s self, root: &str, path: &[Seg]) -> Result<Option<(Cow<'s, Value>, usize)>, EvalError>;
    /// What to show for something that is not known yet (in an explanation only).
    fn unknown_yet(&self, root: &str, path: &[Seg]) -> Option<Value>;
}

impl Template {
    /// The value, with its type if it is one expression, else text.
    pub(crate) fn eval(&self, env: &Environment<'static>, names: &dyn Names) -> Result<Value, EvalError> {
        let failed = |message: String| EvalError::Failed { line: self.line, message };
        match &self.code {
            Code::Path { root, path } => self.read(root, path, names),
            Code::One(expression) => {
                let result = expression.eval(self.context(names)?).map_err(|error| failed(words(&error)))?;
                if result.is_undefined() {
                    return Err(failed(format!("`{}` is undefined", self.source)));
                }
                to_json(&result).map_err(|why| failed(format!("`{}`: {why}", self.source)))
            }
            Code::Text(name) => {
                let template = env.get_template(name).map_err(|error| failed(words(&error)))?;
                let mut text = Limited(Vec::new());
                template.render_captured_to(self.context(names)?, &mut text).map_err(|error| {
                    let full = text.0.len() >= MAX_TEXT;
                    failed(if full {
                        format!("the text is longer than {} KiB", MAX_TEXT / 1024)
                    } else {
                        words(&error)
                    })
                })?;
                String::from_utf8(text.0).map(Value::String).map_err(|error| failed(error.to_string()))
            }
        }
    }

    /// The value as a condition.
    pub(crate) fn holds(&self, env: &Environment<'static>, names: &dyn Names) -> Result<bool, EvalError> {
        self.eval(env, names).map(|value| is_true(&value))
    }

    fn read(&self, root: &str, path: &[Seg], names: &dyn Names) -> Result<Value, EvalError> {
        let failed = |message: String| EvalError::Failed { line: self.line, message };
        let missing = |shown: usize| match names.unknown_yet(root, path) {
            Some(value) => Ok(value),
            None => Err(failed(format!("`{}` is undefined", path_text(root, path.get(..shown).unwrap_or(path))))),
        };
        let Some((base, used)) = names.find(root, path)? else {
            return missing(path.len());
        };
        let mut value: &Value = &base;
        for (position, seg) in path.iter().enumerate().skip(used) {
            let next = match (seg, value) {
                (Seg::Field(_), Value::Object(_)) if Amount::from_json(value).is_some() => {
                    let whole = path_text(root, path);
                    return Err(failed(format!(
                        "`{whole}`: money has no parts here; show it with `| money`, or pass it on whole"
                    )));
                }
                (Seg::Field(name), Value::Object(object)) => object.get(name),
                (Seg::Index(index), Value::Array(items)) => at(items, *index),
                (_, Value::Null) => {
                    let so_far = path_text(root, path.get(..position).unwrap_or(path));
                    let whole = path_text(root, path);
                    return Err(failed(format!("`{whole}` is undefined: `{so_far}` is null")));
                }
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None => return missing(position + 1),
            }
        }
        if let Value::String(text) = value {
            check_length(text).map_err(failed)?;
        }
        Ok(value.clone())
    }

    /// Everything that the expression uses, and nothing else.
    fn context(&self, names: &dyn Names) -> Result<Engine, EvalError> {
        let mut roots = Vec::with_capacity(self.shapes.len());
        for (root, shape) in &self.shapes {
            if let Some(value) = part(root, &mut Vec::new(), shape, names)? {
                roots.push((root.as_str(), value));
            }
        }
        Ok(Engine::from_pairs(roots))
    }
}

/// The used part under `root` and `path`. Names decide how deep they answer themselves: `steps`
/// and `config` have no value of their own.
fn part(root: &str, path: &mut Vec<Seg>, shape: &Shape, names: &dyn Names) -> Result<Option<Engine>, EvalError> {
    if let Some((value, used)) = names.find(root, path)?
        && used == path.len()
    {
        let mut value = to_engine(&value, shape);
        if let Shape::Fields(fields) = shape
            && value.kind() == minijinja::value::ValueKind::Map
            && names.unknown_yet(root, path).is_some()
        {
            value = filled(value, fields, root, path, names);
        }
        return Ok(Some(value));
    }
    let Shape::Fields(fields) = shape else {
        return Ok(names.unknown_yet(root, path).map(|value| to_engine(&value, shape)));
    };
    let mut found = Vec::with_capacity(fields.len());
    for (name, shape) in fields {
        path.push(Seg::Field(name.clone()));
        if let Some(value) = part(root, path, shape, names)? {
            found.push((name.as_str(), value));
        }
        path.pop();
    }
    Ok((!found.is_empty()).then(|| Engine::from_pairs(found)))
}

/// An explanation's view: fields that a result will have are shown by their names.
fn filled(
    value: Engine,
    fields: &std::collections::BTreeMap<String, Shape>,
    root: &str,
    path: &mut Vec<Seg>,
    names: &dyn Names,
) -> Engine {
    let mut pairs = Vec::with_capacity(fields.len());
    for name in fields.keys() {
        let known = value.get_attr(name).ok().filter(|field| !field.is_undefined());
        path.push(Seg::Field(name.clone()));
        if let Some(field) =
            known.or_else(|| names.unknown_yet(root, path).map(|value| to_engine(&value, &Shape::Whole)))
        {
            pairs.push((name.as_str(), field));
        }
        path.pop();
    }
    Engine::from_pairs(pairs)
}

fn at(items: &[Value], index: i64) -> Option<&Value> {
    let position = match usize::try_from(index) {
        Ok(position) => position,
        Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    items.get(position)
}

/// Text that stops growing at the limit.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            self.0.resize(MAX_TEXT, b' ');
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
