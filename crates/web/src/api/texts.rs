//! `/api/v1/texts`: versions of the texts that people agree to. They are added, and never changed.

use super::{Params, body, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pasarela_domain::consent::{TextKind, TextVersion};
use pasarela_engine::NewText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which texts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// `consent`, `notice` or `policy`.
    kind: Option<TextKind>,
    /// Series, as `general`.
    name: Option<String>,
    /// Version, as evidence names it.
    version: Option<String>,
}

/// A version, and whether it is the one in force.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    #[serde(flatten)]
    text: TextVersion,
    /// Is it the text of its series and language now?
    in_force: bool,
}

pub(crate) async fn list(State(app): State<App>, Params(asked): Params<Filter>) -> Result<Json<Value>, Problem> {
    let terms = app.engine.texts().await?;
    let now = app.engine.clock().now();
    let own = |t: &&TextVersion| {
        asked.kind.is_none_or(|kind| t.kind == kind)
            && asked.name.as_ref().is_none_or(|name| &t.name == name)
            && asked.version.as_ref().is_none_or(|version| &t.version == version)
    };
    let rows = terms.all().iter().rev().filter(own).map(|text| {
        let current = terms.in_force(text.kind, &text.name, &text.locale, now);
        json!(Shown { text: text.clone(), in_force: current.is_some_and(|t| t.id == text.id) })
    });
    Ok(page(rows.collect(), None))
}

pub(crate) async fn add(State(app): State<App>, bytes: Bytes) -> Result<Response, Problem> {
    let new: NewText = body(&bytes)?;
    let (text, added) = app.engine.add_text(new).await?;
    if !added {
        audit::nothing();
    }
    audit::done(&text.id, json!({ "kind": text.kind, "name": text.name, "version": text.version }));
    let status = if added { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(text)).into_response())
}
