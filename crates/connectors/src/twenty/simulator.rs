//! Twenty's double: records with the REST semantics that were recorded from a real server, version
//! 2.31, and the newer rate limit of 2.47.
//!
//! Settings: `version` (`"2.31"`, `"2.47"`), `limit_per_minute` (100; 0: none), `api_key` (else any key is taken),
//! `revoked_keys`, `api_key_name` (`pasarela-hub`), `hub_id_field` (a unique text field on people,
//! companies and deals), `stages`, `operations` (what its webhook asks for), `rights` of the key's role
//! (`DATA_MODEL`, `VIEWS`, `API_KEYS_AND_WEBHOOKS`: all, as Admin has them; none: as Member), `metadata_format`
//! (`"direct"`: nothing is wrapped), `graphql` (`true`; else it is refused as an unknown call).
//!
//! Things that people do in its interface ([`Simulator::act`]): `create_person`, `edit_person`,
//! `delete_person` (into the bin), `restore_person`, `destroy_person`, `create_company`,
//! `create_deal`, `move_deal`.
//!
//! What it is not: GraphQL only reads records, its writes and its schema are unknown (501); and no files.

mod acts;
mod answers;
mod graphql;
mod group;
mod hooks;
mod limit;
mod metadata;
mod query;
mod routes;
mod schema;
mod similar;
mod store;
mod values;

use answers::Refusal;
use hooks::Hooks;
use jiff::Timestamp;
use limit::Limit;
use metadata::Metadata;
use pasarela_connector::{Answer, Arrival, Request, SimConfig, SimReply, Simulator};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Actor, Event, Store};

/// Settings of the double; what is absent or wrong falls back, so that a sandbox always starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct Settings {
    version: String,
    limit_per_minute: u32,
    api_key: Option<String>,
    revoked_keys: Vec<String>,
    api_key_name: String,
    hub_id_field: Option<String>,
    stages: Vec<String>,
    operations: Vec<String>,
    rights: Vec<String>,
    metadata_format: String,
    graphql: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect();
        Self {
            version: "2.31".into(),
            limit_per_minute: 100,
            api_key: None,
            revoked_keys: Vec::new(),
            api_key_name: "pasarela-hub".into(),
            hub_id_field: None,
            stages: texts(&["NEW", "SCREENING", "MEETING", "PROPOSAL", "CUSTOMER"]),
            operations: texts(&["person.*", "company.*", "opportunity.*"]),
            rights: texts(&["DATA_MODEL", "VIEWS", "API_KEYS_AND_WEBHOOKS"]),
            metadata_format: String::new(),
            graphql: true,
        }
    }
}

/// The double.
pub(super) struct Double {
    settings: Settings,
    store: Store,
    hooks: Hooks,
    limit: Limit,
    metadata: Metadata,
}

impl Double {
    /// An empty workspace with one webhook, to the hub.
    pub(super) fn new(config: SimConfig) -> Self {
        let settings: Settings = serde_json::from_value(config.settings.clone()).unwrap_or_default();
        Self {
            store: Store::new(&config.connection, settings.hub_id_field.clone(), settings.stages.clone()),
            hooks: Hooks::new(&config, settings.operations.clone()),
            limit: Limit::new(settings.limit_per_minute, settings.version != "2.31"),
            metadata: Metadata::new(
                &config.connection,
                settings.metadata_format == "direct",
                settings.rights.clone(),
                &settings.stages,
                settings.hub_id_field.as_deref(),
            ),
            settings,
        }
    }

    /// Who writes with an API key.
    fn key_actor(&self) -> Actor {
        Actor::Key(self.settings.api_key_name.clone())
    }

    fn reply(&mut self, answer: Answer, events: Vec<Event>, now: Timestamp) -> SimReply {
        SimReply { answer, webhooks: self.hooks.deliver(&events, now) }
    }

    fn authorise(&self, request: &Request) -> Result<(), Refusal> {
        let Some(token) = request.headers.get("authorization").and_then(|h| h.strip_prefix("Bearer ")) else {
            return Err(Refusal::auth(403, "FORBIDDEN_EXCEPTION", "Missing authentication token"));
        };
        if self.settings.revoked_keys.iter().any(|k| k == token) {
            return Err(Refusal::auth(403, "FORBIDDEN_EXCEPTION", "This API Key is revoked"));
        }
        match &self.settings.api_key {
            Some(key) if key != token => Err(Refusal::auth(401, "UNAUTHENTICATED", "Token invalid.")),
            _ => Ok(()),
        }
    }
}

impl Simulator for Double {
    fn handle(&mut self, request: &Request, now: Timestamp) -> SimReply {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        let query = query::Params::parse(query);
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        if segments == ["healthz"] {
            let body = json!({ "status": "ok", "info": {}, "error": {}, "details": {} });
            return SimReply::answer(Answer::json(200, &body));
        }
        let by_graphql = segments == ["graphql"];
        if let Err(refusal) = self.authorise(request) {
            return SimReply::answer(if by_graphql {
                graphql::unauthorised(&refusal, request)
            } else {
                refusal.answer()
            });
        }
        match segments.as_slice() {
            // Schema calls are not counted (contract 1.4).
            ["rest", "metadata", "webhooks", rest @ ..] => {
                let allowed = self.metadata.allow("API_KEYS_AND_WEBHOOKS");
                let answer = allowed.and_then(|()| self.hooks.manage(request, rest, now));
                SimReply::answer(answer.unwrap_or_else(|r| r.answer()))
            }
            ["rest", "metadata", below @ ..] if below.first().is_some_and(|what| metadata::KNOWN.contains(what)) => {
                let mut changes = Vec::new();
                let answer = self.metadata.handle(request, below, &query, now, &mut changes);
                for change in changes {
                    self.store.learn(change);
                }
                SimReply::answer(answer.unwrap_or_else(|r| r.answer()))
            }
            ["rest", "webhooks"] if request.method == "GET" => SimReply::answer(self.hooks.bare_list()),
            ["graphql"] if request.method == "POST" && self.settings.graphql => {
                let refused = self.limit.take(now).err();
                SimReply::answer(graphql::answer(&self.store, request, refused.as_ref()))
            }
            ["rest", "metadata", ..] | ["graphql"] | ["metadata"] => {
                SimReply::answer(Refusal::not_simulated(&request.method, path).answer())
            }
            ["rest", rest @ ..] => {
                let headers = match self.limit.take(now) {
                    Ok(headers) => headers,
                    Err(refused) => return SimReply::answer(refused),
                };
                let mut events = Vec::new();
                let answer = self.records(request, path, rest, &query, now, &mut events);
                let mut answer = answer.unwrap_or_else(|r| r.answer());
                for (name, value) in headers {
                    answer.headers.set(name, value);
                }
                self.reply(answer, events, now)
            }
            _ => SimReply::answer(Answer::json(
                404,
                &json!({ "message": format!("Cannot {} {path}", request.method), "error": "Not Found", "statusCode": 404 }),
            )),
        }
    }

    fn act(&mut self, command: &str, args: &Value, now: Timestamp) -> Result<SimReply, String> {
        let mut events = Vec::new();
        let record = acts::act(&mut self.store, command, args, now, &mut events)?;
        Ok(self.reply(Answer::json(200, &record), events, now))
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let mut people: BTreeMap<String, (u32, String)> = BTreeMap::new();
        for person in self.store.all("people") {
            let entry = people.entry(acts::identity(person)).or_insert_with(|| (0, acts::title(person)));
            entry.0 += 1;
        }
        let people = people.into_iter().map(|(identity, (times, detail))| Arrival {
            kind: "person".into(),
            identity,
            times,
            detail,
        });
        let notes = self.store.all("notes").map(|note| Arrival {
            kind: "note".into(),
            identity: values::text(note, "id"),
            times: 1,
            detail: values::text(note, "title"),
        });
        people.chain(notes).collect()
    }

    fn view(&self, what: &str) -> Value {
        acts::view(&self.store, what)
    }
}
