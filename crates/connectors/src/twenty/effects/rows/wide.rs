//! A look at many records in one call. REST takes conditions in the address, which proxies cut at 8 kB: some fifty
//! persons. GraphQL takes them in the body, and counts as one call too (contract 1.4, 3.1).
//!
//! Promise: nothing is decided by an answer that is not understood. What is neither records nor the limit is told as
//! [`Heard::Nothing`], and the look is made again by REST, whose refusals say what they mean.

use super::{Object, Row, capital};
use crate::twenty::Connection;
use pasarela_connector::{Answer, Request};
use serde_json::{Map, Value, json};

/// Records of one page; the server gave as many (contract 3.1).
const PAGE: usize = 500;

/// What an answer came to.
pub(super) enum Heard {
    /// Records as REST would show them, and whether there are more than a page holds.
    Records(Vec<Value>, bool),
    /// The same as REST would have said it.
    Refused(Answer),
    /// Not understood.
    Nothing,
}

/// The call that shows the records which these rows may mean, the bin included.
pub(super) fn request(on: &Connection, object: Object, rows: &[&Row], hub_field: Option<&str>) -> Request {
    let natural = object.natural.and_then(|path| path.split_once('.'));
    let mut fields = vec!["id".to_owned(), "deletedAt".to_owned()];
    fields.extend(natural.map(|(field, part)| format!("{field}{{ {part} }}")));
    fields.extend(hub_field.map(str::to_owned));
    let (kind, plural) = (capital(object.singular), object.plural);
    let query = format!(
        "query($filter:{kind}FilterInput,$first:Int){{ {plural}(filter:$filter,first:$first){{ pageInfo{{ hasNextPage }} \
         edges{{ node{{ {} }} }} }} }}",
        fields.join(" ")
    );
    let variables = json!({ "filter": filter(rows, natural, hub_field), "first": PAGE });
    Request::new("POST", on.url("/graphql")).json(&json!({ "query": query, "variables": variables }))
}

fn filter(rows: &[&Row], natural: Option<(&str, &str)>, hub_field: Option<&str>) -> Value {
    let ids: Vec<&String> = rows.iter().flat_map(|r| r.given.iter().chain(&r.own)).collect();
    let naturals: Vec<&String> = rows.iter().filter_map(|r| r.natural.as_ref()).collect();
    let keys: Vec<&String> = rows.iter().filter_map(|r| r.key.as_ref()).collect();
    let mut any = Vec::new();
    if !ids.is_empty() {
        any.push(json!({ "id": { "in": ids } }));
    }
    if let (Some((field, part)), false) = (natural, naturals.is_empty()) {
        any.push(json!({ field: { part: { "in": naturals } } }));
    }
    if let (Some(field), false) = (hub_field, keys.is_empty()) {
        any.push(json!({ field: { "in": keys } }));
    }
    let bin_too = json!({ "or": [{ "deletedAt": { "is": "NULL" } }, { "deletedAt": { "is": "NOT_NULL" } }] });
    json!({ "and": [{ "or": any }, bin_too] })
}

pub(super) fn hear(answer: &Answer, object: Object) -> Heard {
    // The limit, or a server that is down: REST has the same words for it.
    if answer.status == 429 || answer.status >= 500 && answer.status != 501 {
        return Heard::Refused(answer.clone());
    }
    let Ok(body) = answer.parse::<Map<String, Value>>() else { return Heard::Nothing };
    if let Some(error) = body.get("errors").and_then(|e| e.get(0)) {
        return limit(error).map_or(Heard::Nothing, Heard::Refused);
    }
    let Some(page) = body.get("data").and_then(|d| d.get(object.plural)).filter(|_| answer.is_success()) else {
        return Heard::Nothing;
    };
    let node = |edge: &Value| edge.get("node").filter(|n| n.get("id").is_some_and(Value::is_string)).cloned();
    let edges = page.get("edges").and_then(Value::as_array);
    let records: Option<Vec<Value>> = edges.and_then(|edges| edges.iter().map(node).collect());
    match (records, page.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool)) {
        (Some(records), Some(more)) => Heard::Records(records, more),
        _ => Heard::Nothing,
    }
}

/// The limit of calls hides behind a 200 (contract 1.4).
fn limit(error: &Value) -> Option<Answer> {
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let extensions = error.get("extensions");
    let text = |name: &str| extensions.and_then(|e| e.get(name)).and_then(Value::as_str).unwrap_or_default();
    if text("subCode") != "LIMIT_REACHED" && text("code") != "RATE_LIMITED" && !message.starts_with("Limit reached (") {
        return None;
    }
    let seconds = extensions.and_then(|e| e.get("retryAfterMs")).and_then(Value::as_f64).map(|ms| ms / 1000.0);
    Some(Answer::json(429, &json!({ "statusCode": 429, "messages": [message], "retryAfterSeconds": seconds })))
}

#[cfg(test)]
mod tests {
    use super::super::PERSON;
    use super::*;

    /// Rows that seem to be nowhere would be made anew, so silence is not taken for "there is none".
    #[test]
    fn what_is_not_understood_says_nothing_about_records() {
        let edge = json!({ "node": { "id": "0b1c" } });
        let page = |edges: Value| json!({ "pageInfo": { "hasNextPage": false }, "edges": edges });
        for body in [
            json!({ "data": { "people": null }, "errors": [{ "message": "Query too complex" }] }),
            json!({ "data": { "people": page(json!([])) }, "errors": [{ "message": "part of it failed" }] }),
            json!({ "data": { "people": null } }),
            json!({ "data": { "companies": page(json!([])) } }),
            json!({ "data": { "people": page(json!([edge, { "node": null }])) } }),
            json!({ "data": { "people": page(json!([{ "node": {} }])) } }),
            json!({ "data": { "people": { "edges": [] } } }),
            json!({ "errors": [{ "message": "Field \"hubId\" is not defined by type \"PersonFilterInput\"." }] }),
            json!([]),
            json!("<html>"),
        ] {
            assert!(matches!(hear(&Answer::json(200, &body), PERSON), Heard::Nothing), "{body}");
        }
        let good = json!({ "data": { "people": page(json!([edge])) } });
        assert!(matches!(hear(&Answer::json(200, &good), PERSON), Heard::Records(r, false) if r.len() == 1));
        for status in [401, 404, 501] {
            assert!(matches!(hear(&Answer::json(status, &good), PERSON), Heard::Nothing), "{status}");
        }
        for status in [429, 500, 503] {
            assert!(matches!(hear(&Answer::text(status, ""), PERSON), Heard::Refused(a) if a.status == status));
        }
    }
}
