//! What an expression reads: every path from a name (`order.tickets`, `steps.persona.id`), found
//! in the syntax tree. Names that a template binds itself (`{% for %}`, `{% set %}`) are followed.

use super::{Broken, EXPRESSIONS};
use crate::problem::did_you_mean;
use minijinja::machinery::ast::{CallArg, CallType, Expr, Stmt};
use minijinja::value::ValueKind;
use std::collections::HashMap;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seg {
    /// `.name` or `['name']`.
    Field(String),
    /// `[2]`.
    Index(i64),
    /// Any item: a computed position, a slice or a loop.
    Any,
}

/// One thing that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// The name it starts with.
    pub(crate) root: String,
    pub(crate) path: Vec<Seg>,
    /// Byte in the value where it is written.
    pub(crate) offset: usize,
}

impl Use {
    /// As written, for messages.
    pub(crate) fn text(&self) -> String {
        path_text(&self.root, &self.path)
    }
}

/// `order.tickets[0]`.
pub(crate) fn path_text(root: &str, path: &[Seg]) -> String {
    let mut text = root.to_owned();
    for seg in path {
        match seg {
            Seg::Field(name) => {
                text.push('.');
                text.push_str(name);
            }
            Seg::Index(index) => text.push_str(&format!("[{index}]")),
            Seg::Any => text.push_str("[…]"),
        }
    }
    text
}

type Place = (String, Vec<Seg>);

/// Reads of an expression that starts at `offset` of its value.
pub(crate) fn of_expression(ast: &Expr<'_>, offset: usize) -> Result<Vec<Use>, Broken> {
    let mut walk = Walk { offset, ..Walk::default() };
    walk.expr(ast)?;
    Ok(walk.found)
}

/// Reads of a whole template.
pub(crate) fn of_template(ast: &Stmt<'_>) -> Result<Vec<Use>, Broken> {
    let mut walk = Walk::default();
    walk.stmt(ast)?;
    Ok(walk.found)
}

/// The path, if the expression is nothing else.
pub(crate) fn plain_path(ast: &Expr<'_>) -> Option<Place> {
    let place = Walk::default().place(ast)?;
    (!place.1.contains(&Seg::Any)).then_some(place)
}

#[derive(Default)]
struct Walk {
    offset: usize,
    found: Vec<Use>,
    /// Names bound by the template: the path they stand for, if that is known.
    scopes: Vec<HashMap<String, Option<Place>>>,
}

impl Walk {
    /// The path that an expression stands for; `None` if it is no path from a global name.
    fn place(&self, expr: &Expr<'_>) -> Option<Place> {
        match expr {
            Expr::Var(var) => match self.scopes.iter().rev().find_map(|scope| scope.get(var.id)) {
                Some(bound) => bound.clone(),
                None => Some((var.id.to_owned(), Vec::new())),
            },
            Expr::GetAttr(attr) => {
                let (root, mut path) = self.place(&attr.expr)?;
                path.push(Seg::Field(attr.name.to_owned()));
                Some((root, path))
            }
            Expr::GetItem(item) => {
                let (root, mut path) = self.place(&item.expr)?;
                path.push(match item.subscript_expr.as_const() {
                    Some(key) if key.kind() == ValueKind::String => {
                        Seg::Field(key.as_str().unwrap_or_default().to_owned())
                    }
                    Some(key) => key.as_i64().map_or(Seg::Any, Seg::Index),
                    None => Seg::Any,
                });
                Some((root, path))
            }
            _ => None,
        }
    }

    fn is_local(&self, expr: &Expr<'_>) -> bool {
        match expr {
            Expr::Var(var) => self.scopes.iter().any(|scope| scope.contains_key(var.id)),
            Expr::GetAttr(attr) => self.is_local(&attr.expr),
            Expr::GetItem(item) => self.is_local(&item.expr),
            _ => false,
        }
    }

    fn broken<T>(&self, expr: &Expr<'_>, message: String, suggestion: Option<String>) -> Result<T, Broken> {
        Err(Broken { offset: self.offset + expr.span().start_offset as usize, message, suggestion })
    }

    fn expr(&mut self, expr: &Expr<'_>) -> Result<(), Broken> {
        match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => {
                if let Some((root, path)) = self.place(expr) {
                    // The span of an attribute is its end; a path is shown at its start.
                    let offset = self.offset + start_of(expr);
                    self.found.push(Use { root, path, offset });
                } else if !self.is_local(expr) {
                    match expr {
                        Expr::GetAttr(attr) => self.expr(&attr.expr)?,
                        Expr::GetItem(item) => self.expr(&item.expr)?,
                        _ => {}
                    }
                }
                self.subscripts(expr)
            }
            Expr::Const(_) => Ok(()),
            Expr::Slice(slice) => {
                self.expr(&slice.expr)?;
                self.all([&slice.start, &slice.stop, &slice.step].into_iter().flatten())
            }
            Expr::UnaryOp(op) => self.expr(&op.expr),
            Expr::BinOp(op) => self.all([&op.left, &op.right]),
            Expr::Compare(compare) => {
                self.expr(&compare.expr)?;
                self.all(compare.ops.iter().map(|op| &op.expr))
            }
            Expr::IfExpr(choice) => {
                self.all([&choice.test_expr, &choice.true_expr])?;
                self.all(&choice.false_expr)
            }
            Expr::Filter(filter) => {
                self.filter_name(expr, filter.name)?;
                self.all(&filter.expr)?;
                self.args(&filter.args)
            }
            Expr::Test(test) => {
                if unknown(|state| state.perform_test(test.name, &[]).err(), minijinja::ErrorKind::UnknownTest) {
                    return self.broken(expr, format!("there is no test `{}`", test.name), None);
                }
                self.expr(&test.expr)?;
                self.args(&test.args)
            }
            Expr::Call(call) => {
                match call.identify_call() {
                    CallType::Function(name) => {
                        if !EXPRESSIONS.globals().any(|(known, _)| known == name) {
                            let names: Vec<&str> = EXPRESSIONS.globals().map(|(name, _)| name).collect();
                            return self.broken(
                                expr,
                                format!("there is no function `{name}`"),
                                did_you_mean(name, names),
                            );
                        }
                    }
                    CallType::Method(object, _) => self.expr(object)?,
                    CallType::Block(_) | CallType::Object(_) => {
                        return self.broken(expr, "this cannot be called".into(), None);
                    }
                }
                self.args(&call.args)
            }
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => {
                self.all(&map.keys)?;
                self.all(&map.values)
            }
        }
    }

    fn filter_name(&self, expr: &Expr<'_>, name: &str) -> Result<(), Broken> {
        if unknown(|state| state.apply_filter(name, &[]).err(), minijinja::ErrorKind::UnknownFilter) {
            let suggestion = did_you_mean(name, super::filters::NAMES.iter().copied());
            return self.broken(expr, format!("there is no filter `{name}`"), suggestion);
        }
        Ok(())
    }

    /// Computed positions inside of a path read things too.
    fn subscripts(&mut self, expr: &Expr<'_>) -> Result<(), Broken> {
        match expr {
            Expr::GetAttr(attr) => self.subscripts(&attr.expr),
            Expr::GetItem(item) => {
                self.expr(&item.subscript_expr)?;
                self.subscripts(&item.expr)
            }
            _ => Ok(()),
        }
    }

    fn all<'e, 'a: 'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr<'a>>) -> Result<(), Broken> {
        exprs.into_iter().try_for_each(|expr| self.expr(expr))
    }

    fn args(&mut self, args: &[CallArg<'_>]) -> Result<(), Broken> {
        args.iter().try_for_each(|arg| match arg {
            CallArg::Pos(expr) | CallArg::Kwarg(_, expr) | CallArg::PosSplat(expr) | CallArg::KwargSplat(expr) => {
                self.expr(expr)
            }
        })
    }

    fn bind(&mut self, target: &Expr<'_>, place: Option<Place>) {
        match target {
            Expr::Var(var) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(var.id.to_owned(), place);
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.bind(item, None)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item, None)),
            _ => {}
        }
    }

    fn body(&mut self, body: &[Stmt<'_>]) -> Result<(), Broken> {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) -> Result<(), Broken> {
        match stmt {
            Stmt::Template(template) => {
                self.scopes.push(HashMap::new());
                self.body(&template.children)?;
                self.scopes.pop();
                Ok(())
            }
            Stmt::EmitExpr(emit) => self.expr(&emit.expr),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::ForLoop(each) => {
                self.expr(&each.iter)?;
                let item = self.place(&each.iter).map(|(root, mut path)| {
                    path.push(Seg::Any);
                    (root, path)
                });
                self.scopes.push(HashMap::from([("loop".to_owned(), None)]));
                self.bind(&each.target, item);
                self.all(&each.filter_expr)?;
                self.body(&each.body)?;
                self.scopes.pop();
                self.body(&each.else_body)
            }
            Stmt::IfCond(cond) => {
                self.expr(&cond.expr)?;
                self.body(&cond.true_body)?;
                self.body(&cond.false_body)
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(HashMap::new());
                for (target, value) in &with.assignments {
                    self.expr(value)?;
                    let place = self.place(value);
                    self.bind(target, place);
                }
                self.body(&with.body)?;
                self.scopes.pop();
                Ok(())
            }
            Stmt::Set(set) => {
                self.expr(&set.expr)?;
                // A name may be set again on another branch: what it stands for is not known.
                self.bind(&set.target, None);
                Ok(())
            }
            Stmt::SetBlock(set) => {
                self.body(&set.body)?;
                self.all(&set.filter)?;
                self.bind(&set.target, None);
                Ok(())
            }
            Stmt::FilterBlock(block) => {
                self.all([&block.filter])?;
                self.body(&block.body)
            }
            Stmt::AutoEscape(block) => self.body(&block.body),
            _ => Err(Broken {
                offset: 0,
                message: "templates of flows have no blocks, macros, imports or includes".into(),
                suggestion: Some("write the text out, or use `{% if %}` and `{% for %}`".into()),
            }),
        }
    }
}

fn start_of(expr: &Expr<'_>) -> usize {
    match expr {
        Expr::GetAttr(attr) => start_of(&attr.expr),
        Expr::GetItem(item) => start_of(&item.expr),
        other => other.span().start_offset as usize,
    }
}

/// Asks the engine itself whether it knows a name; any other complaint means that it does.
fn unknown(
    ask: impl FnOnce(&mut minijinja::State<'_, '_>) -> Option<minijinja::Error>,
    kind: minijinja::ErrorKind,
) -> bool {
    ask(&mut EXPRESSIONS.empty_state()).is_some_and(|error| error.kind() == kind)
}
