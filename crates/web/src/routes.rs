//! Routes that say what they are and who may call them. Each is registered together with its gate and, on the
//! API's listener, its description: the router, the policy and the OpenAPI document cannot differ, and whoever
//! adds a route says all of it, or it does not compile. The handler is put behind its gate here.

use crate::App;
use crate::gate::{Deed, Door, Keyed, Paged};
use crate::policy::{Action, Gate};
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Writes a type's schema into a document, once.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Routes with their descriptions.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<App>,
    operations: Vec<Operation>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn get<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handlers = keyed(&operation, MethodFilter::GET, path, handler);
        self.add(path, handlers, vec![Operation { method: "get", ..operation }])
    }

    pub(crate) fn post<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handlers = keyed(&operation, MethodFilter::POST, path, handler);
        self.add(path, handlers, vec![Operation { method: "post", ..operation }])
    }

    /// A handler that sorts out methods by itself, and asks who calls by itself too: for providers' calls alone. One
    /// description for each that it takes.
    pub(crate) fn any<H, T>(self, path: &'static str, handler: H, operations: [(&'static str, Operation); 2]) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let operations = operations.into_iter().map(|(method, o)| Operation { method, ..o }).collect();
        self.add(path, any(handler), operations)
    }

    fn add(mut self, path: &'static str, handlers: MethodRouter<App>, operations: Vec<Operation>) -> Self {
        self.router = self.router.route(path, handlers);
        self.operations.extend(operations.into_iter().map(|o| Operation { path: path.to_owned(), ..o }));
        self
    }

    /// All of `inner` below `prefix`.
    pub(crate) fn nest(mut self, prefix: &'static str, inner: Self) -> Self {
        self.router = self.router.nest(prefix, inner.router);
        let below = |o: Operation| Operation { path: format!("{prefix}{}", o.path.trim_end_matches('/')), ..o };
        self.operations.extend(inner.operations.into_iter().map(below));
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    pub(crate) fn into_router(self) -> Router<App> {
        self.router
    }

    pub(crate) fn into_gates(self) -> Vec<Route> {
        self.operations.into_iter().map(|o| Route { method: o.method, path: o.path, gate: o.gate }).collect()
    }

    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

/// A handler behind its gate. What is open stays as it is: nothing is asked there.
fn keyed<H, T>(operation: &Operation, method: MethodFilter, path: &'static str, handler: H) -> MethodRouter<App>
where
    H: Handler<T, App>,
    T: 'static,
{
    match operation.gate {
        Gate::Open(_) | Gate::Signed | Gate::Pass => on(method, handler),
        gate @ (Gate::May(..) | Gate::Known(_)) => {
            let terms = Terms {
                takes_json: operation.body.is_some_and(|b| b.media == JSON),
                answers: operation.answer.map_or(JSON, |a| a.media),
                again: operation.again,
            };
            on(method, Keyed { handler, gate, terms, path, deed: deed(Door::Key, gate, method) })
        }
    }
}

/// What a route does that is to be written down; none: it only looks.
fn deed(door: Door, gate: Gate, method: MethodFilter) -> Option<Deed> {
    match gate {
        // Some look at things by a body.
        Gate::May(Action::Read | Action::ReadPersonal, _) => None,
        _ if method == MethodFilter::GET => None,
        Gate::May(action, resource) => Some(Deed { door, row: Some((action, resource)) }),
        Gate::Known(_) => Some(Deed { door, row: None }),
        Gate::Open(_) | Gate::Signed | Gate::Pass => None,
    }
}

const JSON: &str = "application/json";

/// What the gate holds callers of a route to, beside the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// A body must be JSON.
    pub(crate) takes_json: bool,
    /// Media type of the answer.
    pub(crate) answers: &'static str,
    pub(crate) again: Again,
}

/// How a POST stands with an `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It is done once. Where nobody knows whether it was, it is not done again.
    Once,
    /// It is done once, and where nobody knows, again: twice done, it is as once.
    Safe,
    /// Once, and its answer holds a secret: it is not kept.
    Secret,
    /// Whoever handles it knows keys by itself, in the transaction of the deed and without an end.
    Own,
}

/// Pages of the console, each with its gate.
#[derive(Default)]
pub(crate) struct Pages {
    router: Router<App>,
    gates: Vec<Route>,
}

impl Pages {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn get<H, T>(self, path: &'static str, gate: Gate, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.on("get", path, gate, MethodFilter::GET, handler)
    }

    pub(crate) fn post<H, T>(self, path: &'static str, gate: Gate, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.on("post", path, gate, MethodFilter::POST, handler)
    }

    /// Whatever no other page answers, by any method.
    pub(crate) fn rest<H, T>(mut self, path: &'static str, gate: Gate, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.router = self.router.route(path, any(Paged { handler, gate, path, deed: None }));
        self.gates.push(Route { method: "any", path: path.to_owned(), gate });
        self
    }

    fn on<H, T>(mut self, word: &'static str, path: &'static str, gate: Gate, method: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let deed = deed(Door::Session, gate, method);
        self.router = self.router.route(path, on(method, Paged { handler, gate, path, deed }));
        self.gates.push(Route { method: word, path: path.to_owned(), gate });
        self
    }

    pub(crate) fn into_router(self) -> Router<App> {
        self.router
    }

    pub(crate) fn into_gates(self) -> Vec<Route> {
        self.gates
    }
}

/// A route and who may call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `get`, `post`, or `any`.
    pub method: &'static str,
    /// As it was registered: `/api/v1/events/{id}`.
    pub path: String,
    /// Who may call it.
    pub gate: Gate,
}

/// What a route takes and answers.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) summary: &'static str,
    pub(crate) about: &'static str,
    pub(crate) gate: Gate,
    pub(crate) query: Option<Shape>,
    pub(crate) body: Option<Content>,
    pub(crate) status: u16,
    /// Other statuses with the same answer.
    pub(crate) also: &'static [u16],
    pub(crate) answer: Option<Content>,
    /// Statuses with a problem, beside those that every route has.
    pub(crate) problems: &'static [u16],
    pub(crate) again: Again,
    /// Its answer carries `ETag`; a POST takes `If-Match`.
    pub(crate) versioned: bool,
    /// It takes `If-Match` of a thing that is read elsewhere; its own answer has no version.
    pub(crate) over: bool,
}

/// A body.
#[derive(Clone, Copy)]
pub(crate) struct Content {
    pub(crate) media: &'static str,
    /// `None`: bytes or text of that media type.
    pub(crate) shape: Option<Shape>,
    /// Must it be there?
    pub(crate) required: bool,
}

/// A description, to be completed: who may call it, and what calling it does, in one line.
pub(crate) fn op(gate: Gate, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path: String::new(),
        summary,
        about: "",
        gate,
        query: None,
        body: None,
        status: 200,
        also: &[],
        answer: None,
        problems: &[],
        again: Again::Once,
        versioned: false,
        over: false,
    }
}

impl Operation {
    /// What one line does not say.
    pub(crate) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Two may write it: its answer carries a version, and a change may name the one that was read.
    pub(crate) fn versioned(self) -> Self {
        Self { versioned: true, ..self }
    }

    /// A change may name the version that was read elsewhere.
    pub(crate) fn over_a_version(self) -> Self {
        Self { over: true, ..self }
    }

    /// How it stands with an `Idempotency-Key`, if it is not done once alone.
    pub(crate) fn again(self, again: Again) -> Self {
        Self { again, ..self }
    }

    /// Query parameters: the fields of `T`.
    pub(crate) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(shape::<T>), ..self }
    }

    /// A JSON body that must be there.
    pub(crate) fn takes<T: JsonSchema>(self) -> Self {
        Self { body: Some(Content { media: JSON, shape: Some(shape::<T>), required: true }), ..self }
    }

    /// A JSON body that may be left out.
    pub(crate) fn may_take<T: JsonSchema>(self) -> Self {
        Self { body: Some(Content { media: JSON, shape: Some(shape::<T>), required: false }), ..self }
    }

    /// A body of any media type.
    pub(crate) fn takes_bytes(self) -> Self {
        Self { body: Some(Content { media: "*/*", shape: None, required: true }), ..self }
    }

    pub(crate) fn answers<T: JsonSchema>(self) -> Self {
        Self { answer: Some(Content { media: JSON, shape: Some(shape::<T>), required: true }), ..self }
    }

    /// A list: `{"data": [...], "next_cursor": null | "..."}`.
    pub(crate) fn lists<T: JsonSchema>(self) -> Self {
        self.answers::<Page<T>>()
    }

    /// An answer that is not JSON.
    pub(crate) fn answers_media(self, media: &'static str) -> Self {
        Self { answer: Some(Content { media, shape: None, required: true }), ..self }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Other statuses with the same answer.
    pub(crate) fn also(self, also: &'static [u16]) -> Self {
        Self { also, ..self }
    }

    pub(crate) fn problems(self, problems: &'static [u16]) -> Self {
        Self { problems, ..self }
    }
}

/// A page of a list, newest first.
#[derive(JsonSchema)]
#[schemars(rename = "PageOf{T}")]
#[expect(dead_code, reason = "only its schema is used; lists are written by `api::list`")]
pub(crate) struct Page<T> {
    /// The things.
    data: Vec<T>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}
