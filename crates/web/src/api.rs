//! `/api/v1`: lists, single things, and what people do with what is stuck.
//! Lists answer `{"data": [...], "next_cursor": null | "..."}`, newest first.

mod backup;
mod care;
mod connections;
mod consents;
mod dead;
mod deliveries;
mod doctor;
mod effects;
mod events;
mod flows;
mod keys;
mod links;
mod overview;
mod pauses;
mod runs;
mod suppressions;
mod tickets;

pub(crate) use backup::Backup;
pub(crate) use deliveries::full as delivery_json;
pub(crate) use effects::effect_json;
pub(crate) use events::story_of;

use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// What only the holder of the database file may do.
pub(crate) fn admin_routes() -> Router<App> {
    Router::new()
        .route("/admin/keys", get(keys::list).post(keys::create))
        .route("/admin/keys/{id}/revoke", post(keys::revoke))
        .route("/admin/tickets/rotate", post(tickets::rotate))
        .route("/admin/links", post(links::create))
        .route("/admin/backup", get(backup::show).post(backup::begin))
        .route("/admin/doctor", post(doctor::look))
}

pub(crate) fn routes() -> Router<App> {
    let v1 = Router::new()
        .route("/", get(index))
        .route("/alarms", get(alarms))
        .route("/care", get(care::show))
        .route("/consents", get(consents::of_person).post(consents::record))
        .route("/deliveries", get(deliveries::list))
        .route("/deliveries/replay", post(deliveries::replay_by_filter))
        .route("/deliveries/{id}", get(deliveries::one))
        .route("/deliveries/{id}/replay", post(deliveries::replay))
        .route("/events", get(events::list))
        .route("/events/stream", get(crate::stream::events))
        .route("/events/{id}", get(events::one))
        .route("/events/{id}/story", get(events::story))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::one))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/flows", get(flows::list).post(flows::push))
        .route("/flows/{name}", get(flows::one))
        .route("/pauses", get(pauses::list))
        .route("/{kind}/{name}/pause", post(pauses::pause))
        .route("/{kind}/{name}/resume", post(pauses::resume))
        .route("/overview", get(overview::show))
        .route("/effects", get(effects::list))
        .route("/effects/{id}", get(effects::one))
        .route("/dead-letters", get(dead::list))
        .route("/dead-letters/{id}/retry", post(dead::retry))
        .route("/dead-letters/{id}/drop", post(dead::drop_one))
        .route("/suppressions", get(suppressions::list).post(suppressions::add))
        .route("/suppressions/remove", post(suppressions::remove))
        .route("/tickets/keys", get(tickets::keys))
        .route("/connections", get(connections::list))
        .route("/connections/{name}", get(connections::one))
        .route("/connections/{name}/reconcile", post(connections::reconcile));
    Router::new().nest("/api/v1", v1)
}

async fn index(_: Caller) -> Json<Value> {
    Json(
        json!({ "data": ["alarms", "care", "consents", "deliveries", "events", "events/stream", "runs", "effects", "dead-letters", "connections", "flows", "pauses", "overview", "suppressions", "tickets/keys"] }),
    )
}

/// What needs a person now.
async fn alarms(_: Caller, State(app): State<App>) -> Result<Json<Value>, Problem> {
    let health = app.engine.store().health(app.engine.clock().now()).await?;
    Ok(list(crate::alarms::ringing(&app, &health).iter().map(|a| json!(a)).collect(), None))
}

/// Query parameters; unknown ones and wrong values are refused with a sentence.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, app).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(QueryRejection::FailedToDeserializeQueryString(e)) => Err(Problem::bad_request(e.body_text())),
            Err(e) => Err(Problem::bad_request(e.body_text())),
        }
    }
}

/// A JSON body; an empty one is an empty object.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|e| Problem::bad_request(format!("the body cannot be used: {e}")))
}

/// `limit` within its bounds.
pub(crate) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        n @ 1..=MAX_LIMIT => Ok(n),
        n => Err(Problem::bad_request(format!("limit is {n}; it must be 1 to {MAX_LIMIT}"))),
    }
}

/// A cursor back into the place that it names.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<i64>, Problem> {
    text.map(|t| {
        t.strip_prefix('c')
            .and_then(|n| i64::from_str_radix(n, 36).ok())
            .ok_or_else(|| Problem::bad_request("cursor: use the next_cursor of the page before"))
    })
    .transpose()
}

/// A list's answer.
pub(crate) fn list(data: Vec<Value>, next: Option<i64>) -> Json<Value> {
    let next_cursor = next.map(|mut n| {
        let mut digits = Vec::new();
        while n > 0 {
            digits.push(char::from_digit((n % 36) as u32, 36).unwrap_or('0'));
            n /= 36;
        }
        digits.push('c');
        digits.iter().rev().collect::<String>()
    });
    Json(json!({ "data": data, "next_cursor": next_cursor }))
}

/// An id in a path.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Problem::bad_request(e.to_string()))
}

/// Sealed JSON of a row as a value; null when there is none.
pub(crate) fn json_or_null(bytes: &[u8]) -> Value {
    if bytes.is_empty() { Value::Null } else { serde_json::from_slice(bytes).unwrap_or(Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_refuse_nonsense() {
        for n in [1, 35, 36, i64::MAX] {
            let Json(page) = list(Vec::new(), Some(n));
            assert_eq!(cursor(page["next_cursor"].as_str()).unwrap(), Some(n));
        }
        assert!(cursor(Some("12")).is_err());
        assert!(cursor(Some("c-!")).is_err());
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
