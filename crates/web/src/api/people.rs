//! `/api/v1/people`: who is whom across all connections of a brand, and what people do about it.

mod routes;

pub(super) use routes::routes;

use super::{Params, body, cursor, id as read_id, limit, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pasarela_domain::{Brands, DeedId, PersonId};
use pasarela_engine::{ContactRow, ContactsReport, DEFAULT_BRAND, Done, PeopleError, PersonView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Most rows of one import: an answer of all of them stays readable, and the writer hears others meanwhile.
pub(crate) const MOST_ROWS: usize = 2000;
/// Most records of one split.
const MOST_RECORDS: usize = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// An e-mail address, a phone, a document's number, or words of a name.
    search: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The other one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Other {
    /// The other person.
    with: PersonId,
}

/// Records that leave a person, together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaving {
    /// Ids that the records were born with, as `records` has them.
    #[schemars(length(min = 1, max = 200))]
    records: BTreeSet<PersonId>,
}

/// A deed to take back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    /// Its id, as the history has it.
    deed: DeedId,
}

/// A conflict to leave as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    /// Its id.
    #[schemars(length(min = 1, max = 64))]
    conflict: String,
}

/// Contacts of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contacts {
    /// Whose contacts: a brand of the configuration. Left out: that of connections that name none.
    #[serde(default)]
    brand: Option<String>,
    /// Rows, each with its line.
    #[schemars(length(max = 2000))]
    rows: Vec<ContactRow>,
}

/// What was done, and the person after it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PersonDeed")]
pub(crate) struct Did {
    /// Id of the deed, by which it can be undone.
    deed: DeedId,
    /// The person now; null where nothing of them is known but that they come.
    person: Option<PersonView>,
}

pub(crate) async fn list(State(app): State<App>, Params(f): Params<Filter>) -> Result<Json<Value>, Problem> {
    let before = cursor(f.cursor.as_deref())?;
    let found = app.engine.people(f.search.as_deref(), before, limit(f.limit)?, app.brands_seen()).await?;
    Ok(page(found.people.iter().map(|p| json!(p)).collect(), found.next))
}

pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<PersonView>, Problem> {
    Ok(Json(app.engine.person(person(&id)?, app.brands_seen()).await?))
}

pub(crate) async fn history(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let lines = app.engine.person_history(person(&id)?, app.brands_seen()).await?;
    Ok(page(lines.iter().map(|l| json!(l)).collect(), None))
}

pub(crate) async fn review(State(app): State<App>, Params(p): Params<Paging>) -> Result<Json<Value>, Problem> {
    let before = cursor(p.cursor.as_deref())?;
    let (pairs, next) = app.engine.people_review(before, limit(p.limit)?, app.brands_seen()).await?;
    Ok(page(pairs.iter().map(|d| json!(d)).collect(), next))
}

pub(crate) async fn conflicts(State(app): State<App>, Params(p): Params<Paging>) -> Result<Json<Value>, Problem> {
    let before = cursor(p.cursor.as_deref())?;
    let (all, next) = app.engine.people_conflicts(before, limit(p.limit)?, app.brands_seen()).await?;
    Ok(page(all.iter().map(|c| json!(c)).collect(), next))
}

pub(crate) async fn merge(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Did>, Problem> {
    let Other { with } = body(&bytes)?;
    let done = join(&app, &who, person(&id)?, with).await?;
    did(&app, done).await
}

/// Two persons are one.
pub(crate) async fn join(app: &App, who: &Who, a: PersonId, b: PersonId) -> Result<Done, Problem> {
    let done = app.engine.merge_people(a, b, &who.name, app.brands_seen()).await?;
    audit::done(a.to_string(), json!({ "with": b, "deed": done.deed, "person": done.person }));
    Ok(done)
}

pub(crate) async fn apart(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Did>, Problem> {
    let Other { with } = body(&bytes)?;
    let done = keep_apart(&app, &who, person(&id)?, with).await?;
    did(&app, done).await
}

/// Two persons are not one.
pub(crate) async fn keep_apart(app: &App, who: &Who, a: PersonId, b: PersonId) -> Result<Done, Problem> {
    let done = app.engine.keep_people_apart(a, b, &who.name, app.brands_seen()).await?;
    audit::done(a.to_string(), json!({ "not": b, "deed": done.deed }));
    Ok(done)
}

pub(crate) async fn split(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Did>, Problem> {
    let Leaving { records } = body(&bytes)?;
    let done = part(&app, &who, person(&id)?, records).await?;
    did(&app, done).await
}

/// Records leave a person, together.
pub(crate) async fn part(app: &App, who: &Who, from: PersonId, records: BTreeSet<PersonId>) -> Result<Done, Problem> {
    if records.len() > MOST_RECORDS {
        return Err(Problem::bad_request(format!("{} records; at most {MOST_RECORDS} leave at once", records.len())));
    }
    let leaving: Vec<PersonId> = records.iter().copied().collect();
    let done = app.engine.split_person(from, records, &who.name, app.brands_seen()).await?;
    audit::done(from.to_string(), json!({ "leaving": leaving, "deed": done.deed }));
    Ok(done)
}

pub(crate) async fn undo(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Did>, Problem> {
    let Back { deed } = body(&bytes)?;
    let done = take_back(&app, &who, person(&id)?, deed).await?;
    did(&app, done).await
}

/// A deed is taken back.
pub(crate) async fn take_back(app: &App, who: &Who, of: PersonId, deed: DeedId) -> Result<Done, Problem> {
    let done = app.engine.undo_person_deed(of, deed, &who.name, app.brands_seen()).await?;
    audit::done(of.to_string(), json!({ "undone": deed, "deed": done.deed }));
    Ok(done)
}

pub(crate) async fn accept(
    who: Who,
    State(app): State<App>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<PersonView>, Problem> {
    let Accepted { conflict } = body(&bytes)?;
    let of = person(&id)?;
    leave_it(&app, &who, of, &conflict).await?;
    Ok(Json(app.engine.person(of, app.brands_seen()).await?))
}

/// A conflict stays as it is.
pub(crate) async fn leave_it(app: &App, who: &Who, of: PersonId, conflict: &str) -> Result<(), Problem> {
    app.engine.accept_person_conflict(of, conflict, &who.name, app.brands_seen()).await?;
    audit::done(of.to_string(), json!({ "accepted": conflict }));
    Ok(())
}

pub(crate) async fn import(State(app): State<App>, bytes: Bytes) -> Result<Json<ContactsReport>, Problem> {
    let Contacts { brand, rows } = body(&bytes)?;
    if rows.len() > MOST_ROWS {
        return Err(Problem::bad_request(format!(
            "{} rows; send at most {MOST_ROWS} at once, the rest in further requests",
            rows.len()
        )));
    }
    let brand = brand.as_deref().map(str::trim).filter(|b| !b.is_empty()).unwrap_or(DEFAULT_BRAND);
    let known = brand == DEFAULT_BRAND || app.brands.contains(brand);
    if !known || !app.brands_seen().covers(brand) {
        return Err(Problem::not_found(format!("there is no brand '{brand}'")));
    }
    let report = app.engine.import_people(brand, rows).await?;
    audit::done(
        "list",
        json!({ "brand": brand, "rows": report.rows.len(), "created": report.created, "joined": report.joined,
            "doubtful": report.doubtful, "refused": report.refused }),
    );
    Ok(Json(report))
}

async fn did(app: &App, done: Done) -> Result<Json<Did>, Problem> {
    let person = match app.engine.person(done.person, app.brands_seen()).await {
        Ok(view) => Some(view),
        Err(PeopleError::NotFound(_)) => None,
        Err(e) => return Err(e.into()),
    };
    Ok(Json(Did { deed: done.deed, person }))
}

/// An id in a path; whatever is none is nobody's.
pub(crate) fn person(text: &str) -> Result<PersonId, Problem> {
    read_id(text).map_err(|_| Problem::not_found(format!("there is no person '{text}'")))
}

impl App {
    /// Brands whose data the caller may see here.
    pub(crate) fn brands_seen(&self) -> &Brands {
        &self.brands_seen
    }
}

impl From<PeopleError> for Problem {
    fn from(e: PeopleError) -> Self {
        match e {
            PeopleError::NotFound(_) => Self::not_found(e.to_string()),
            PeopleError::Invalid(why) => Self::bad_request(why),
            PeopleError::Refused(why) => {
                Self::new(StatusCode::CONFLICT, "not_possible", "That step is not possible", why.to_string())
            }
            PeopleError::Off => {
                Self::new(StatusCode::CONFLICT, "no_map", "This hub keeps no map of persons", e.to_string())
            }
            PeopleError::Store(e) => e.into(),
        }
    }
}
