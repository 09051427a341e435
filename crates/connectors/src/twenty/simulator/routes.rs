//! The record calls (contract 2.1, 2.7).

use super::answers::{Refusal, data};
use super::query::{self, Params};
use super::schema::ObjectType;
use super::store::{Actor, Event, Mode, Record, checked_id};
use super::{Double, group, similar, values};
use jiff::Timestamp;
use pasarela_connector::{Answer, Request};
use serde_json::{Value, json};

/// Rows of one writing call.
const MOST: usize = 200;

/// Bodies above this are refused by the framework, as plain text.
const LARGEST: usize = 10 * 1024 * 1024;

/// One call to one object.
struct Route<'r> {
    object: &'static ObjectType,
    params: &'r Params,
    now: Timestamp,
    by: Actor,
}

impl Double {
    /// Answers a call below `/rest/`.
    pub(super) fn records(
        &mut self,
        request: &Request,
        path: &str,
        segments: &[&str],
        params: &Params,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Answer, Refusal> {
        if request.body.len() > LARGEST {
            return Ok(Answer::text(500, "request entity too large"));
        }
        let old = self.settings.version == "2.31";
        let route = |name: &str| -> Result<Route<'_>, Refusal> {
            Ok(Route { object: self.object(name)?, params, now, by: self.key_actor() })
        };
        let method = if request.method == "PUT" { "PATCH" } else { request.method.as_str() };
        match (method, segments) {
            ("POST", ["batch", name]) if *name != "workspaceMembers" => {
                self.batch(&route(name)?, &body(request)?, events)
            }
            ("POST", [name, "duplicates"]) => {
                Ok(Answer::json(200, &similar::duplicates(&self.store, route(name)?.object, &body(request)?)?))
            }
            ("PATCH", [name, "merge"]) => {
                let route = route(name)?;
                let body = body(request)?;
                let record = similar::merge(&mut self.store, route.object, &body, &route.by, now, events)?;
                Ok(route.one(200, "merge", json!(record)))
            }
            ("GET", [name, "groupBy"]) => {
                Ok(Answer::json(200, &group::group(&self.store, route(name)?.object, params)?))
            }
            ("POST", ["workspaceMembers"] | ["batch", "workspaceMembers"]) => {
                Err(Refusal::coded("PERMISSION_DENIED", "Entity performing the request does not have permission"))
            }
            ("POST", [name]) => {
                let route = route(name)?;
                let body = body(request)?;
                let rows = std::slice::from_ref(&body);
                let record = self.store.write(route.object, rows, mode(params), &route.by, now, events)?;
                Ok(route.one(201, "create", json!(record.first())))
            }
            ("GET", [name]) => Ok(Answer::json(200, &query::page(&self.store, route(name)?.object, params)?)),
            ("GET", [name, id]) => {
                let object = route(name)?.object;
                let nested = query::depth(params)?;
                let record = self.store.live(object.plural, &checked_id(id)?)?;
                let shown = query::shape(&self.store, object, record, nested);
                Ok(data(200, object.singular.to_owned(), shown))
            }
            // Each of the two generations knows only its own way to restore (recorded; contract 2.7).
            ("PATCH", ["restore", name]) if old => self.restore_many(&route(name)?, events),
            ("PATCH", ["restore", _, _]) if old => Err(Refusal::bad(format!(
                "Query path '{path}' invalid. Valid examples: /rest/companies/id or /rest/companies or /rest/batch/companies"
            ))),
            ("PATCH", [name, "restore"]) if !old => self.restore_many(&route(name)?, events),
            ("PATCH", [name, id, "restore"]) if !old => {
                let route = route(name)?;
                let record = self.store.restore(route.object, &checked_id(id)?, &route.by, now, events)?;
                Ok(route.one(200, "restore", json!(record)))
            }
            // 2.31 takes "/rest" out of the path wherever it stands, also out of "/restore".
            ("PATCH", [name, "restore"]) => Err(unknown_object(&format!("{name}ore"))),
            ("PATCH", [name, id, "restore"]) => {
                self.object(name)?;
                Err(Refusal::bad(format!("'{id}ore' is not a valid UUID")))
            }
            ("PATCH", [name]) => self.patch_many(&route(name)?, &body(request)?, events),
            ("PATCH", [name, id]) => {
                let route = route(name)?;
                let id = checked_id(id)?;
                let body = body(request)?;
                self.store.live(route.object.plural, &id)?;
                let record = self.store.patch(route.object, &id, &body, &route.by, now, events)?;
                Ok(route.one(200, "update", json!(record)))
            }
            ("DELETE", [name]) => self.delete_many(&route(name)?, events),
            ("DELETE", [name, id]) => {
                let route = route(name)?;
                let id = checked_id(id)?;
                let shown = if params.get("soft_delete") == Some("true") {
                    json!(self.store.soft_delete(route.object, &id, &route.by, now, events)?)
                } else {
                    self.store.destroy(route.object, &id, &route.by, events)?;
                    json!({ "id": id })
                };
                Ok(route.one(200, "delete", shown))
            }
            (_, [name, ..]) => {
                self.object(name)?;
                Err(Refusal::not_simulated(method, path))
            }
            (_, []) => Err(unknown_object("")),
        }
    }

    fn object(&self, name: &str) -> Result<&'static ObjectType, Refusal> {
        if let Some(object) = self.store.object(name) {
            return Ok(object);
        }
        Err(match self.store.object_of_one(name) {
            Some(object) => Refusal::bad(format!("object '{name}' not found. Did you mean '{}'?", object.plural)),
            None => unknown_object(name),
        })
    }

    fn batch(&mut self, route: &Route<'_>, body: &Value, events: &mut Vec<Event>) -> Result<Answer, Refusal> {
        let Value::Array(rows) = body else {
            return Err(Refusal::named("TypeError", "args.data.forEach is not a function"));
        };
        if rows.len() > MOST {
            return Err(Refusal::bad(format!("Maximum number of records to upsert is {MOST}.")));
        }
        let records = self.store.write(route.object, rows, mode(route.params), &route.by, route.now, events)?;
        Ok(route.many(201, "create", records))
    }

    /// Rows that match, bin included; without a filter all of them.
    fn patch_many(&mut self, route: &Route<'_>, body: &Value, events: &mut Vec<Event>) -> Result<Answer, Refusal> {
        let ids = self.ids(route, true)?;
        if ids.len() > MOST {
            let text = format!("Cannot update more than {MOST} records at once");
            return Err(Refusal::coded("TOO_MANY_RECORDS_TO_UPDATE", text));
        }
        let mut records = Vec::new();
        for id in ids {
            records.push(self.store.patch(route.object, &id, body, &route.by, route.now, events)?);
        }
        Ok(route.many(200, "update", records))
    }

    fn delete_many(&mut self, route: &Route<'_>, events: &mut Vec<Event>) -> Result<Answer, Refusal> {
        let soft = route.params.get("soft_delete") == Some("true");
        if route.params.get("filter").is_none() {
            let what = if soft { "delete" } else { "destroy" };
            return Err(Refusal::bad(format!(
                "Filters are mandatory for bulk {what} operations. Please provide at least one filter to prevent accidental deletion of all records."
            )));
        }
        let mut records = Vec::new();
        for id in self.ids(route, false)? {
            records.push(if soft {
                self.store.soft_delete(route.object, &id, &route.by, route.now, events)?
            } else {
                self.store.destroy(route.object, &id, &route.by, events)?
            });
        }
        Ok(route.many(200, "delete", records))
    }

    fn restore_many(&mut self, route: &Route<'_>, events: &mut Vec<Event>) -> Result<Answer, Refusal> {
        let mut records = Vec::new();
        for id in self.ids(route, true)? {
            if self.store.live(route.object.plural, &id).is_err() {
                records.push(self.store.restore(route.object, &id, &route.by, route.now, events)?);
            }
        }
        Ok(route.many(200, "restore", records))
    }

    fn ids(&self, route: &Route<'_>, with_bin: bool) -> Result<Vec<String>, Refusal> {
        let rows = query::select(&self.store, route.object, route.params, with_bin)?;
        Ok(rows.into_iter().map(|r| values::text(r, "id")).collect())
    }
}

impl Route<'_> {
    fn one(&self, status: u16, verb: &str, record: Value) -> Answer {
        data(status, format!("{verb}{}", self.object.capital), record)
    }

    fn many(&self, status: u16, verb: &str, records: Vec<Record>) -> Answer {
        data(status, format!("{verb}{}", self.object.capital_plural), json!(records))
    }
}

fn mode(params: &Params) -> Mode {
    if params.get("upsert") == Some("true") { Mode::Upsert } else { Mode::Create }
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|e| {
        let cut = e.is_eof();
        Refusal::not_json(if cut {
            "Unexpected end of JSON input".to_owned()
        } else {
            format!("Unexpected token in JSON: {e}")
        })
    })
}

fn unknown_object(name: &str) -> Refusal {
    Refusal::bad(format!("object '{name}' not found. eg: companies"))
}
