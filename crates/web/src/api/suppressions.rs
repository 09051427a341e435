//! Addresses that are not written to. Addresses stand in bodies and never in paths, which logs keep.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use pasarela_domain::EmailAddress;
use pasarela_store::{SuppressionCause, SuppressionRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A page of the list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Rows of a page, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An address, and why nobody writes to it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Add {
    email: String,
    /// `asked` when it is not said.
    cause: Option<SuppressionCause>,
    /// In the person's words; it is kept and shown.
    why: Option<String>,
}

/// An address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    email: String,
}

/// An address that is written to again.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Removed {
    address: String,
    /// Always false.
    suppressed: bool,
}

pub(crate) async fn list(State(app): State<App>, Params(asked): Params<Page>) -> Result<Json<Value>, Problem> {
    let before = cursor(asked.cursor.as_deref())?;
    let found = app.engine.store().suppressions(before, limit(asked.limit)?).await?;
    Ok(page(found.rows.iter().map(|r| json!(r)).collect(), found.next))
}

pub(crate) async fn add(who: Who, State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let asked: Add = body(&bytes)?;
    let address = address(&asked.email)?;
    let row = SuppressionRow {
        address: address.clone(),
        cause: asked.cause.unwrap_or(SuppressionCause::Asked),
        why: asked.why.filter(|w| !w.trim().is_empty()),
        by: who.name,
        since: app.engine.clock().now(),
    };
    let before = app.engine.store().suppression(&address).await?;
    note(&app, &address, before.clone(), Some(row.clone()));
    app.engine.store().suppress(row).await?;
    // One that was there for a stronger cause stays as it was.
    let after = app.engine.store().suppression(&address).await?;
    note(&app, &address, before, after.clone());
    Ok(Json(json!(after)))
}

pub(crate) async fn remove(State(app): State<App>, bytes: Bytes) -> Result<Json<Removed>, Problem> {
    let asked: Named = body(&bytes)?;
    let address = address(&asked.email)?;
    let before = app.engine.store().suppression(&address).await?;
    note(&app, &address, before, None);
    if app.engine.store().unsuppress(&address).await? {
        Ok(Json(Removed { address, suppressed: false }))
    } else {
        Err(Problem::not_found("nothing stands against this address: it is written to"))
    }
}

/// What the audit keeps of it: it names the person, and goes with them.
fn note(app: &App, address: &str, before: Option<SuppressionRow>, after: Option<SuppressionRow>) {
    audit::note(|n| {
        n.subject = Some(String::new());
        n.before = before.map(|r| json!(r));
        n.after = Some(after.map_or_else(|| json!({ "address": address, "suppressed": false }), |r| json!(r)));
        n.about = vec![app.engine.subject_hash("email", address)];
    });
}

fn address(text: &str) -> Result<String, Problem> {
    let address: EmailAddress = text.parse().map_err(|e| Problem::bad_request(format!("email: {e}")))?;
    Ok(address.as_str().to_owned())
}
