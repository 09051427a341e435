//! `/api/v1/audit`: who did what; and, on the socket, the whole chain, verified and to be taken out.

use super::{Params, body, cursor, limit, list as page};
use crate::App;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jiff::Timestamp;
use pasarela_domain::Brands;
use pasarela_store::{Anchor, AuditFilter, AuditKind, AuditRow, verify as walk};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries that are taken out at once.
const BITE: u32 = 500;

/// Which entries.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AuditFilter")]
pub(crate) struct Filter {
    /// By whom: an id (`key_...`, `usr_...`) or a name.
    who: Option<String>,
    /// What was done, as `pauses.resume`.
    action: Option<String>,
    /// To what: the name or id that the entries show.
    subject: Option<String>,
    /// Of this kind: changes, looks at personal data, or refusals. Not given: all.
    kind: Option<AuditKind>,
    /// Not before.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    from: Option<Timestamp>,
    /// Before.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    until: Option<Timestamp>,
    /// Rows of a page, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Whoever is asked for by an id or by a name: (id, name).
pub(crate) fn whom(text: Option<String>) -> (Option<String>, Option<String>) {
    match text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) {
        Some(id) if id.starts_with("key_") || id.starts_with("usr_") => (Some(id), None),
        name => (None, name),
    }
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let (who, name) = whom(f.who);
    let filter = AuditFilter {
        who,
        name,
        action: f.action,
        subject: f.subject,
        kind: f.kind,
        brands: app.brands_read(),
        from: f.from,
        until: f.until,
        before: cursor(f.cursor.as_deref())?,
        limit: limit(f.limit)?,
    };
    let found = app.engine.store().audit_list(filter).await?;
    Ok(page(found.rows.iter().map(|r| json!(r)).collect(), found.next))
}

pub(crate) async fn one(State(app): State<App>, Path(seq): Path<String>) -> Result<Json<AuditRow>, Problem> {
    let seq: i64 = seq.parse().map_err(|_| Problem::bad_request(format!("'{seq}' is not the number of an entry")))?;
    let row = app.engine.store().audit_entry(seq).await?;
    let row = row.filter(|row| app.brands_read().is_none_or(|brands| brands.contains(&row.brand)));
    row.map(Json).ok_or_else(|| Problem::not_found(format!("there is no entry {seq}")))
}

/// Heads of the chain that were noted outside of the database.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchors {
    #[serde(default)]
    anchors: Vec<Noted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    seq: i64,
    /// Hexadecimal.
    hash: String,
}

/// Action of an entry that says that the chain was verified, and what came of it.
const VERIFIED: &str = "audit.verified";

impl App {
    /// Brands of the entries that the caller may read; `None`: all, and those that are the hub's own.
    pub(crate) fn brands_read(&self) -> Option<Vec<String>> {
        match &self.brands_seen {
            Brands::All => None,
            Brands::Of(brands) => Some(brands.iter().cloned().collect()),
        }
    }

    /// When the chain was last verified.
    pub(crate) async fn last_verified(&self) -> Result<Option<Timestamp>, pasarela_store::Error> {
        let filter = AuditFilter { action: Some(VERIFIED.into()), limit: 1, ..AuditFilter::default() };
        Ok(self.engine.store().audit_list(filter).await?.rows.first().map(|row| row.at))
    }
}

/// Walks the whole chain, and writes down that it was done: `{"verified": {...}}`, or `{"broken": {"seq", "what"}}`.
pub(crate) async fn verify(who: Who, State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let given: Anchors = body(&bytes)?;
    let anchors = given.anchors.into_iter().map(|noted| {
        let hash = hex::decode(&noted.hash).map_err(|e| Problem::bad_request(format!("entry {}: {e}", noted.seq)))?;
        Ok(Anchor { seq: noted.seq, hash })
    });
    let anchors = anchors.collect::<Result<Vec<_>, Problem>>()?;
    let verdict = walk(&**app.engine.store(), anchors, |_| ()).await?;
    let after = match &verdict {
        Ok(verified) => json!(verified),
        Err(broken) => json!({ "broken": broken }),
    };
    let before = app.last_verified().await?;
    app.audit(&who, VERIFIED, "", None, Some(after)).await?;
    Ok(Json(match verdict {
        Ok(verified) => json!({ "verified": verified, "before": before }),
        Err(broken) => json!({ "broken": broken, "before": before }),
    }))
}

/// Behind which entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct After {
    #[serde(default)]
    after: i64,
}

/// Entries in the order in which they were written.
pub(crate) async fn entries(State(app): State<App>, Params(from): Params<After>) -> Result<Json<Value>, Problem> {
    let rows = app.engine.store().audit_after(from.after, BITE).await?;
    Ok(page(rows.iter().map(|r| json!(r)).collect(), None))
}
