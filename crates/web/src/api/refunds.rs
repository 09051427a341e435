//! `/api/v1/refunds`: requests to give money back, and what came of them. People ask and decide, in the console: no
//! key does (ADR 0127).
//!
//! Promise: nobody sees a request of a show that they may not see.

use super::{Params, cursor, limit, list as page};
use crate::App;
use crate::policy::Action;
use crate::policy::Resource::Refunds;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pasarela_engine::{Refund, RefundError, RefundFilter, RefundId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Which requests.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RefundsAsked")]
pub(crate) struct Filter {
    /// Only those that are not over: they wait for somebody, or for the provider.
    #[serde(default)]
    open: bool,
    /// Rows of a page, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[schemars(regex(pattern = crate::openapi::CURSOR))]
    cursor: Option<String>,
}

/// May the caller do this with the request?
pub(crate) fn may(app: &App, who: &Who, action: Action, refund: &Refund) -> bool {
    let brand = app.engine.brand_of(&refund.id.connection);
    app.sees_connection(&refund.id.connection) && who.may_see_part(Refunds, action, brand.as_deref(), &refund.show_id)
}

/// A page of those that the caller may see.
pub(crate) async fn seen(
    app: &App,
    who: &Who,
    asked: RefundFilter,
) -> Result<(Vec<Refund>, Option<i64>), pasarela_store::Error> {
    let (mut all, next) = app.engine.refunds(asked).await?;
    all.retain(|r| may(app, who, Action::ReadPersonal, r));
    Ok((all, next))
}

/// One request, for whoever may do this with it; to others it is not there.
pub(crate) async fn found(app: &App, who: &Who, action: Action, id: &RefundId) -> Result<Refund, Problem> {
    let refund = app.engine.refund(id).await?;
    let missing = || Problem::not_found(format!("there is no refund {id}"));
    Some(refund).filter(|r| may(app, who, action, r)).ok_or_else(missing)
}

pub(crate) async fn list(who: Who, State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let asked = RefundFilter { open: f.open, before: cursor(f.cursor.as_deref())?, limit: limit(f.limit)? };
    let (all, next) = seen(&app, &who, asked).await?;
    Ok(page(all.iter().map(|r| json!(r)).collect(), next))
}

pub(crate) async fn one(
    who: Who,
    State(app): State<App>,
    Path(id): Path<(String, String, String)>,
) -> Result<Json<Refund>, Problem> {
    Ok(Json(found(&app, &who, Action::ReadPersonal, &named(id)).await?))
}

/// The request that a path names: what is no number is the number of none.
pub(crate) fn named((connection, order_id, number): (String, String, String)) -> RefundId {
    RefundId { connection, order_id, number: number.parse().unwrap_or_default() }
}

impl From<RefundError> for Problem {
    fn from(e: RefundError) -> Self {
        let conflict = |e: &RefundError| {
            Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
        };
        match e {
            RefundError::NotFound(_) => Self::not_found(e.to_string()),
            RefundError::Invalid(why) => Self::bad_request(why),
            RefundError::TooMuch(_)
            | RefundError::NotPaid
            | RefundError::Another(_)
            | RefundError::Own
            | RefundError::NotOwn
            | RefundError::Decided(_)
            | RefundError::Moved => conflict(&e),
            RefundError::Ask(e) => e.into(),
            RefundError::Store(e) => e.into(),
        }
    }
}
