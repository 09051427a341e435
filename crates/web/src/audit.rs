//! What people, keys and commands do is written down. A route that changes something is a deed: before its first row
//! is written the chain says that it began (the store asks for it where everything passes on its way to the writer),
//! and before its answer goes out, how it ended. A route cannot forget it; a handler adds what it alone knows (what
//! it was before and after, whose brand it is) by [`note`], and takes nothing back but what is no deed.
//!
//! Looks at personal data and refusals are written down by the gate too, gathered ([`gathered`]).

pub(crate) mod gathered;
mod names;
mod written;

pub(crate) use names::{action_of, look_of, parameters};

use crate::App;
use crate::policy::{Action, Resource};
use crate::who::{Kind, Who};
use axum::http::StatusCode;
use axum::response::Response;
use parking_lot::Mutex;
use pasarela_domain::{Brands, DeliveryId, EffectId, EventId, RunId};
use pasarela_store::deed::{self, Deed};
use pasarela_store::{Audited, Error, Outcome, WhoKind};
use rand::RngExt as _;
use serde_json::{Value, json};
use std::sync::Arc;

tokio::task_local! {
    static NOTED: Arc<Mutex<Noted>>;
}

/// What a handler knows of its deed.
#[derive(Default, Clone)]
pub(crate) struct Noted {
    /// What is done, where the route's own name says too little.
    pub(crate) action: Option<String>,
    /// To what it is done; the parameters of the path when nothing is said.
    pub(crate) subject: Option<String>,
    /// Whose it is; the brand of whoever does it when nothing is said.
    pub(crate) brand: Option<String>,
    /// What it was before.
    pub(crate) before: Option<Value>,
    /// What it is after.
    pub(crate) after: Option<Value>,
    /// Keyed hashes of the people whom these tell of: their values go with them.
    pub(crate) about: Vec<i64>,
    /// It is no deed, or it is written down elsewhere. Said before anything is written, or it is too late.
    pub(crate) nothing: bool,
}

/// Adds to what is written down of the request that is being answered. False: there is nobody to tell.
pub(crate) fn note(add: impl FnOnce(&mut Noted)) -> bool {
    NOTED.try_with(|noted| add(&mut noted.lock())).is_ok()
}

/// To what it is done, and what it was before: said before it is done, so that the beginning tells it too.
pub(crate) fn before(subject: impl Into<String>, before: Value) {
    note(|n| (n.subject, n.before) = (Some(subject.into()), Some(before).filter(|v| !v.is_null())));
}

/// To what it was done, and what came of it.
pub(crate) fn done(subject: impl Into<String>, after: Value) {
    note(|n| (n.subject, n.after) = (Some(subject.into()), Some(after)));
}

/// It is no deed after all, whatever the answer's status says.
pub(crate) fn nothing() {
    note(|n| n.nothing = true);
}

/// Whose it is.
pub(crate) fn of_brand(brand: Option<String>) {
    note(|n| n.brand = brand.or(n.brand.take()));
}

/// Says now that the deed begins: for what is not a write of the store.
pub(crate) async fn begin(app: &App) -> Result<(), Error> {
    match deed::present() {
        Some(deed) => deed.begin(&**app.engine.store()).await,
        None => Ok(()),
    }
}

/// A deed as it is known before it is done.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) who: Who,
    pub(crate) action: String,
    pub(crate) brand: String,
    pub(crate) subject: String,
}

/// What came of a deed.
pub(crate) enum Came {
    Done,
    /// It was none, or it was refused.
    Nothing(Option<u16>),
}

/// Does something as a deed. The second value says whether its end could be written down.
pub(crate) async fn doing<T>(
    app: &App,
    line: Line,
    noted: Noted,
    work: impl Future<Output = T>,
    came_to: impl FnOnce(&T, &Noted) -> Came,
) -> (T, Result<(), Error>) {
    let (noted, line) = (Arc::new(Mutex::new(noted)), Arc::new(line));
    let says = {
        let (app, line, noted) = (app.clone(), line.clone(), noted.clone());
        move || {
            let noted = noted.lock().clone();
            (!noted.nothing).then(|| app.audited(&line, noted))
        }
    };
    let deed = Deed::new(rand::rng().random_range(1..i64::MAX), says);
    let out = NOTED.scope(noted.clone(), deed::within(deed.clone(), work)).await;
    let mut noted = std::mem::take(&mut *noted.lock());
    let outcome = match came_to(&out, &noted) {
        Came::Done => Outcome::Done,
        Came::Nothing(_) if !deed.has_begun() => return (out, Ok(())),
        Came::Nothing(status) => {
            noted.after = status.map(|s| json!({ "status": s }));
            Outcome::Failed
        }
    };
    let written = app.keep(deed.ended(app.audited(&line, noted), outcome)).await;
    (out, written)
}

/// Answers a look, and hears what its handler notes.
pub(crate) async fn hearing<F: Future<Output = Response>>(handler: F) -> (Response, Noted) {
    let noted: Arc<Mutex<Noted>> = Arc::default();
    let response = NOTED.scope(noted.clone(), handler).await;
    let noted = std::mem::take(&mut *noted.lock());
    (response, noted)
}

/// Was something done? Errors change nothing, and a repeated request was written down the first time.
pub(crate) fn came_to(response: &Response, noted: &Noted) -> Came {
    let status = response.status();
    let well = status.is_success() || status == StatusCode::SEE_OTHER;
    if well && !noted.nothing && !response.headers().contains_key("idempotency-replayed") {
        Came::Done
    } else {
        Came::Nothing((!well).then_some(status.as_u16()))
    }
}

impl App {
    /// Writes down what was done without a route: `action` is resource and verb, as `users.create`; `subject` an id
    /// or a name that is in the configuration, and never anything personal.
    pub async fn audit(
        &self,
        who: &Who,
        action: &str,
        subject: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Error> {
        let noted = Noted { subject: Some(subject.to_owned()), before, after, ..Noted::default() };
        self.write_down(who, action, noted).await
    }

    /// Does something as a deed where no gate does: whoever comes in is not known before.
    pub(crate) async fn as_deed<T, E: From<Error>>(
        &self,
        who: Who,
        action: &str,
        noted: Noted,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (brand, subject) = (noted.brand.clone().unwrap_or_default(), String::new());
        let line = Line { who, action: action.to_owned(), brand, subject };
        let came = |out: &Result<T, E>, noted: &Noted| match out {
            Ok(_) if !noted.nothing => Came::Done,
            _ => Came::Nothing(None),
        };
        let (out, written) = doing(self, line, noted, work, came).await;
        let out = out?;
        written?;
        Ok(out)
    }

    pub(crate) async fn write_down(&self, who: &Who, action: &str, noted: Noted) -> Result<(), Error> {
        let line = Line { who: who.clone(), action: action.to_owned(), brand: String::new(), subject: String::new() };
        self.keep(self.audited(&line, noted)).await
    }

    /// An entry of the chain; it is on disk when this returns.
    pub(crate) async fn keep(&self, audited: Audited) -> Result<(), Error> {
        let store = self.engine.store();
        store.audit(audited.sealed(store.sealer())?).await
    }

    pub(crate) fn audited(&self, line: &Line, noted: Noted) -> Audited {
        let who = &line.who;
        let id = if who.id.is_empty() { who.kind.word() } else { &who.id };
        Audited {
            at: self.console.wall(),
            who_kind: match who.kind {
                Kind::Person => WhoKind::Person,
                Kind::Key => WhoKind::Key,
                Kind::CommandLine => WhoKind::CommandLine,
                Kind::System => WhoKind::System,
            },
            who: id.to_owned(),
            name: who.name.clone(),
            from: who.from.map(|ip| ip.to_string()),
            brand: noted.brand.unwrap_or_else(|| line.brand.clone()),
            action: noted.action.unwrap_or_else(|| line.action.clone()),
            subject: noted.subject.unwrap_or_else(|| line.subject.clone()),
            before: noted.before,
            after: noted.after,
            about: noted.about,
            deed: None,
        }
    }

    /// Whose a deed is that names nothing of a brand: that of whoever does it, when they have one alone, or the hub's
    /// only one. Empty: the hub's own, which who has every brand sees.
    pub(crate) fn own_brand(&self, who: &Who, resource: Resource, action: Action) -> String {
        if resource.is_the_hubs() {
            return String::new();
        }
        let one = |brands: &std::collections::BTreeSet<String>| match brands.len() {
            1 => brands.first().cloned(),
            _ => None,
        };
        let own = match who.allowed(resource, action) {
            Brands::Of(brands) => one(&brands),
            Brands::All => None,
        };
        own.or_else(|| one(&self.brands)).unwrap_or_default()
    }

    /// Whose a delivery, an event, a run or an effect is, by its id.
    pub(crate) async fn brand_of(&self, id: &str) -> Result<Option<String>, Error> {
        let store = self.engine.store();
        let connection = if let Ok(id) = id.parse::<EffectId>() {
            store.effect(id).await?.map(|row| row.connection)
        } else if let Ok(id) = id.parse::<DeliveryId>() {
            store.delivery(id).await?.map(|row| row.connection)
        } else if let Ok(id) = id.parse::<EventId>() {
            store.event(id).await?.map(|row| row.connection)
        } else if let Ok(id) = id.parse::<RunId>() {
            match store.run(id).await? {
                Some(run) => store.event(run.event).await?.map(|row| row.connection),
                None => None,
            }
        } else {
            None
        };
        Ok(connection.and_then(|c| self.engine.brand_of(&self.engine.connection_name(c))))
    }
}
