//! Values with `{{ expressions }}`: compiled once, evaluated often. Knows the template language
//! and what an expression uses; knows nothing of steps and runs.
//!
//! Three kinds, from cheap to dear: a plain path (`{{ buyer.email }}`) is read straight out of the
//! JSON; one expression is evaluated by the template engine and keeps its type; everything else
//! is text. Only what an expression uses is handed to the engine, so that a large payload is
//! never copied for a small question.

pub(crate) mod eval;
pub(crate) mod filters;
pub(crate) mod uses;
mod value;

use minijinja::machinery::{Token, tokenize};
use minijinja::{Environment, Expression, UndefinedBehavior};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use uses::{Seg, Use};

/// Longest text that a template may make.
pub(crate) const MAX_TEXT: usize = 64 * 1024;
/// Instructions that one evaluation may take; a hostile template ends here.
const FUEL: u64 = 200_000;

/// A compiled value.
pub(crate) struct Template {
    /// As written.
    pub(crate) source: String,
    /// Place in the file, for messages at run time.
    pub(crate) line: u32,
    /// Everything that it reads.
    pub(crate) uses: Vec<Use>,
    code: Code,
    shapes: BTreeMap<String, Shape>,
}

enum Code {
    Path {
        root: String,
        path: Vec<Seg>,
    },
    One(Expression<'static, 'static>),
    /// Name in the flow's environment.
    Text(String),
}

/// Which parts of a value are used.
#[derive(Debug)]
pub(crate) enum Shape {
    Whole,
    Fields(BTreeMap<String, Shape>),
}

/// Why a value does not compile; `offset` is the byte in the value, if known.
pub(crate) struct Broken {
    pub(crate) offset: usize,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

/// Expressions of all flows live in one environment; it holds only filters.
static EXPRESSIONS: LazyLock<Environment<'static>> = LazyLock::new(environment);

impl Template {
    /// The path, if the value is one path and nothing else.
    pub(crate) fn plain_path(&self) -> Option<(&str, &[Seg])> {
        match &self.code {
            Code::Path { root, path } => Some((root, path)),
            Code::One(_) | Code::Text(_) => None,
        }
    }
}

/// An environment with the filters of flows and strict rules.
pub(crate) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_formatter(filters::formatter);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(64);
    env.set_debug(true);
    filters::register(&mut env);
    env
}

/// Does the text hold any template syntax?
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Compiles a text that [`is_template`]. Texts that are not one expression are added to `env`.
pub(crate) fn compile(text: &str, line: u32, env: &mut Environment<'static>) -> Result<Template, Broken> {
    let single = single_expression(text)?;
    let (uses, code) = match single {
        Some((start, expression)) => {
            let ast = minijinja::machinery::parse_expr(expression).map_err(|error| broken(text, start, &error))?;
            let uses = uses::of_expression(&ast, start)?;
            let code = match uses::plain_path(&ast) {
                Some((root, path)) => Code::Path { root, path },
                None => Code::One(
                    EXPRESSIONS
                        .compile_expression_owned(expression.to_owned())
                        .map_err(|error| broken(text, start, &error))?,
                ),
            };
            (uses, code)
        }
        None => {
            let ast = minijinja::machinery::parse(text, "flow", minijinja::syntax::SyntaxConfig::default())
                .map_err(|error| broken(text, 0, &error))?;
            let uses = uses::of_template(&ast)?;
            let name = format!("text{}", env.templates().count());
            env.add_template_owned(name.clone(), text.to_owned()).map_err(|error| broken(text, 0, &error))?;
            (uses, Code::Text(name))
        }
    };
    let mut shapes = BTreeMap::new();
    for used in &uses {
        grow(&mut shapes, &used.root, &used.path);
    }
    Ok(Template { source: text.to_owned(), line, uses, code, shapes })
}

/// The expression of a text that is one `{{ expression }}` and nothing else, with its offset.
/// The template language's own lexer decides: braces inside of strings do not fool it.
fn single_expression(text: &str) -> Result<Option<(usize, &str)>, Broken> {
    let mut start = None;
    let mut end = None;
    for token in tokenize(text, false, minijinja::syntax::SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| broken(text, 0, &error))?;
        match token {
            Token::VariableStart if start.is_none() => start = Some(span.end_offset as usize),
            Token::VariableEnd => end = Some(span.start_offset as usize),
            // A block scalar ends with line ends that nobody means.
            Token::TemplateData(data) if end.is_some() && data.bytes().all(|b| matches!(b, b'\n' | b'\r')) => {}
            Token::TemplateData(_) | Token::BlockStart | Token::VariableStart => return Ok(None),
            _ => {}
        }
    }
    Ok(match (start, end) {
        (Some(start), Some(end)) => text.get(start..end).map(|expression| (start, expression)),
        _ => None,
    })
}

fn broken(text: &str, start: usize, error: &minijinja::Error) -> Broken {
    let offset = match error.range() {
        Some(range) => start + range.start,
        None => {
            // Only the line is known: its first byte.
            let line = error.line().unwrap_or(1).saturating_sub(1);
            text.split_inclusive('\n').take(line).map(str::len).sum::<usize>().max(start)
        }
    };
    Broken { offset: offset.min(text.len()), message: format!("template: {}", words(error)), suggestion: None }
}

/// An engine's error in one line, without its own file name.
pub(crate) fn words(error: &minijinja::Error) -> String {
    let mut text = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    if let Some(range) = error.range()
        && let Some(source) = error.template_source()
        && let Some(part) = source.get(range)
        && !text.contains(part)
    {
        text.push_str(&format!(" in `{}`", part.chars().take(80).collect::<String>()));
    }
    text
}

fn grow(shapes: &mut BTreeMap<String, Shape>, name: &str, path: &[Seg]) {
    let slot = shapes.entry(name.to_owned());
    match path.first() {
        Some(Seg::Field(field)) => {
            if let Shape::Fields(fields) = slot.or_insert_with(|| Shape::Fields(BTreeMap::new())) {
                grow(fields, field, path.get(1..).unwrap_or(&[]));
            }
        }
        // Lists are taken whole: their items are found by position.
        _ => *slot.or_insert(Shape::Whole) = Shape::Whole,
    }
}
