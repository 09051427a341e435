//! What people, keys and commands do is written down: by the gate of the route, after the handler did it and
//! before the answer goes out. A route that changes something cannot forget it; a handler adds what it alone
//! knows (what it was before and after) by [`note`], and takes nothing back but what was not done.

use crate::App;
use crate::policy::{Action, Resource};
use crate::who::{Kind, Who};
use axum::http::StatusCode;
use axum::response::Response;
use parking_lot::Mutex;
use pasarela_store::{Audited, Error, WhoKind};
use serde_json::Value;
use std::sync::Arc;

tokio::task_local! {
    static NOTED: Arc<Mutex<Noted>>;
}

/// What a handler knows of its deed.
#[derive(Default)]
pub(crate) struct Noted {
    /// To what it was done; the parameters of the path when nothing is said.
    pub(crate) subject: Option<String>,
    /// What it was before.
    pub(crate) before: Option<Value>,
    /// What it is after.
    pub(crate) after: Option<Value>,
    /// Keyed hashes of the people whom these tell of: their values go with them.
    pub(crate) about: Vec<i64>,
    /// Nothing was done, or it is written down elsewhere.
    pub(crate) nothing: bool,
}

/// Adds to what is written down of the request that is being answered.
pub(crate) fn note(add: impl FnOnce(&mut Noted)) {
    // Outside of a request that changes something there is nobody to tell.
    let _outside = NOTED.try_with(|noted| add(&mut noted.lock()));
}

/// To what it was done, and what came of it.
pub(crate) fn done(subject: impl Into<String>, after: Value) {
    note(|n| (n.subject, n.after) = (Some(subject.into()), Some(after)));
}

/// Nothing was done after all, whatever the answer's status says.
pub(crate) fn nothing() {
    note(|n| n.nothing = true);
}

/// Answers a request, and hears what its handler notes.
pub(crate) async fn hearing<F: Future<Output = Response>>(handler: F) -> (Response, Noted) {
    let noted: Arc<Mutex<Noted>> = Arc::default();
    let response = NOTED.scope(noted.clone(), handler).await;
    let noted = std::mem::take(&mut *noted.lock());
    (response, noted)
}

/// Was something done? Errors change nothing, and a repeated request was written down the first time.
pub(crate) fn happened(response: &Response, noted: &Noted) -> bool {
    let status = response.status();
    let well = status.is_success() || status == StatusCode::SEE_OTHER;
    well && !noted.nothing && !response.headers().contains_key("idempotency-replayed")
}

impl App {
    /// Writes down what somebody did. `action` is resource and verb, as `pauses.resume`; `subject` an id or a name
    /// that is in the configuration, and never anything personal.
    pub async fn audit(
        &self,
        who: &Who,
        action: &str,
        subject: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Error> {
        let noted = Noted { subject: Some(subject.to_owned()), before, after, ..Noted::default() };
        self.write_down(who, action.to_owned(), "", noted).await
    }

    pub(crate) async fn write_down(&self, who: &Who, action: String, brand: &str, noted: Noted) -> Result<(), Error> {
        let store = self.engine.store();
        let id = if who.id.is_empty() { who.kind.word() } else { &who.id };
        let audited = Audited {
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
            brand: brand.to_owned(),
            action,
            subject: noted.subject.unwrap_or_default(),
            before: noted.before,
            after: noted.after,
            about: noted.about,
        };
        store.audit(audited.sealed(store.sealer())?).await
    }
}

/// What a route does, in the words of the audit: its resource, and a verb of its path.
pub(crate) fn action_of(resource: Resource, action: Action, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let verb = match last {
        "pause" | "pausar" => "pause",
        "resume" | "reanudar" => "resume",
        "retry" | "reintentar" => "retry",
        "drop" | "descartar" => "drop",
        "steps" | "paso" => "step",
        "end" | "fin" => "end",
        "probar" => "test",
        "reenviar" => "replay",
        "secrets" | "secreto" if resource == Resource::Webhooks => "rotate",
        "quitar" if resource == Resource::Webhooks => "remove",
        "cancel" | "change" | "test" | "import" | "reconcile" | "remove" | "replay" | "revoke" | "rotate" | "set" => last,
        _ if path.starts_with("/conciliacion/") => "reconcile",
        _ if action == Action::Write => "create",
        _ => action.word(),
    };
    format!("{}.{verb}", resource.word())
}

/// The parameters of a route's path, as they stand in the address of a request. The path may lie below another.
pub(crate) fn parameters(path: &str, asked: &str) -> String {
    let pairs = path.rsplit('/').zip(asked.rsplit('/'));
    let mut found: Vec<String> = pairs
        .filter(|(name, _)| name.starts_with('{'))
        .map(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
        .collect();
    found.reverse();
    found.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_is_named_by_its_route() {
        let named = |r, a, path| action_of(r, a, path);
        assert_eq!(named(Resource::Pauses, Action::Operate, "/{kind}/{name}/pause"), "pauses.pause");
        assert_eq!(named(Resource::Pauses, Action::Operate, "/flujos/{name}/reanudar"), "pauses.resume");
        assert_eq!(named(Resource::Connections, Action::Operate, "/conciliacion/{name}"), "connections.reconcile");
        assert_eq!(named(Resource::Flows, Action::Write, "/flows"), "flows.create");
        assert_eq!(named(Resource::Backups, Action::Operate, "/admin/backup"), "backups.operate");
        assert_eq!(parameters("/{kind}/{name}/pause", "/api/v1/flows/boleta%20nueva/pause"), "flows boleta nueva");
        assert_eq!(parameters("/flows", "/api/v1/flows"), "");
    }
}
