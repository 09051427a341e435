//! Addresses that are not written to. Addresses stand in bodies and never in paths, which logs keep.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use pasarela_domain::EmailAddress;
use pasarela_store::{SuppressionCause, SuppressionRow};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    email: String,
    cause: Option<SuppressionCause>,
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    email: String,
}

pub(crate) async fn list(
    _: Caller,
    State(app): State<App>,
    Params(asked): Params<Page>,
) -> Result<Json<Value>, Problem> {
    let before = cursor(asked.cursor.as_deref())?;
    let found = app.engine.store().suppressions(before, limit(asked.limit)?).await?;
    Ok(page(found.rows.iter().map(|r| json!(r)).collect(), found.next))
}

pub(crate) async fn add(caller: Caller, State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let asked: Add = body(&bytes)?;
    let address = address(&asked.email)?;
    let row = SuppressionRow {
        address: address.clone(),
        cause: asked.cause.unwrap_or(SuppressionCause::Asked),
        why: asked.why.filter(|w| !w.trim().is_empty()),
        by: caller.name,
        since: app.engine.clock().now(),
    };
    app.engine.store().suppress(row).await?;
    // One that was there for a stronger cause stays as it was.
    Ok(Json(json!(app.engine.store().suppression(&address).await?)))
}

pub(crate) async fn remove(_: Caller, State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let asked: Named = body(&bytes)?;
    let address = address(&asked.email)?;
    if app.engine.store().unsuppress(&address).await? {
        Ok(Json(json!({ "address": address, "suppressed": false })))
    } else {
        Err(Problem::not_found("nothing stands against this address: it is written to"))
    }
}

fn address(text: &str) -> Result<String, Problem> {
    let address: EmailAddress = text.parse().map_err(|e| Problem::bad_request(format!("email: {e}")))?;
    Ok(address.as_str().to_owned())
}
