//! `POST /api/v1/consents`: the first door of the ledger. What a person said is recorded and never changed;
//! `GET` tells what it comes to.

use super::{Params, limit, list as page};
use crate::App;
use crate::problem::Problem;
use crate::who::{Kind, Who};
use crate::{again, audit};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use pasarela_domain::consent::{
    AnalyticsIds, ConsentRecord, ConsentState, Denied, Evidence, Guardian, LegalBasis, Proof,
};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_engine::{ImportReport, LedgerError, PersonConsents, Recorded, Statement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Something that a person said.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Told {
    /// What counts now, for a purpose and a channel.
    Now(Box<Standing>),
    /// With `history`: one thing that was said.
    Record(Box<Record>),
}

/// What counts now.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Standing {
    purpose: String,
    /// Null: every channel.
    channel: Option<String>,
    state: ConsentState,
    #[schemars(with = "pasarela_domain::Moment")]
    at: Timestamp,
    /// The record that says so.
    record_id: String,
    /// May it be used for that, on that channel?
    given: bool,
    /// Why not, where it may not.
    denied: Option<Denied>,
    evidence: Option<Evidence>,
}

/// A record: one thing that a person said. It is never changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConsentEntry")]
pub(crate) struct Record {
    id: String,
    state: ConsentState,
    purpose: String,
    channel: Option<String>,
    person: Person,
    #[schemars(with = "pasarela_domain::Moment")]
    at: Timestamp,
    #[schemars(with = "pasarela_domain::Moment")]
    recorded_at: Timestamp,
    evidence: Evidence,
    analytics: AnalyticsIds,
    legal_basis: LegalBasis,
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    birth_date: Option<Date>,
    /// The person said that they are under 18.
    minor: bool,
    guardian: Option<Guardian>,
    /// What the hub found of its proof when it was recorded.
    proof: Proof,
}

/// A record, and whether it counts.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Counted {
    #[serde(flatten)]
    record: Record,
    /// Does it give a yes now? Null: it is a withdrawal, or it is not decided yet.
    counts: Option<bool>,
    /// Why it gives none.
    denied: Option<Denied>,
}

/// Rows to import.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rows {
    /// Statements, each with the line of the list that it comes from.
    rows: Vec<Row>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConsentRow")]
struct Row {
    line: u64,
    /// As `POST /api/v1/consents` takes it, with `evidence.at`. One that is not is refused by itself.
    statement: serde_json::Map<String, Value>,
}

/// Who said it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConsentPerson")]
struct Person {
    email: Option<EmailAddress>,
    phone: Option<Phone>,
    name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// An e-mail address, or a phone in international form.
    #[schemars(length(min = 1))]
    person: String,
    /// All that was ever said, and not only what counts now.
    #[serde(default)]
    history: bool,
    limit: Option<u32>,
}

pub(crate) async fn record(
    who: Who,
    State(app): State<App>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let key = again::of_caller(again::key(&headers)?, &who);
    let statement: Statement = serde_json::from_slice(&bytes)
        .map_err(|e| Problem::bad_request(format!("the body cannot be used: {e}; see docs/consents.md")))?;
    if who.kind == Kind::Key {
        // What a program brings is a delivery with its proof; thousands an hour are no deeds of people.
        audit::nothing();
    }
    let recorded = app.engine.record_consent(statement, key.as_deref()).await?;
    audit::done(
        recorded.record.id.to_string(),
        json!({ "state": recorded.record.state, "purpose": recorded.record.purpose }),
    );
    let status = match (recorded.decided, recorded.repeated) {
        (true, true) => StatusCode::OK,
        (true, false) => StatusCode::CREATED,
        // It is kept, and counts as soon as it is decided.
        (false, _) => StatusCode::ACCEPTED,
    };
    let mut answer = (status, Json(counted(&recorded))).into_response();
    if recorded.repeated {
        again::replayed(&mut answer);
    }
    Ok(answer)
}

/// Most rows of one import: an answer of all of them stays readable, and the writer hears others meanwhile.
const MOST_ROWS: usize = 2000;

pub(crate) async fn import(State(app): State<App>, bytes: Bytes) -> Result<Json<ImportReport>, Problem> {
    let Rows { rows } = super::body(&bytes)?;
    if rows.len() > MOST_ROWS {
        return Err(Problem::bad_request(format!(
            "{} rows; send at most {MOST_ROWS} at once, the rest in further requests",
            rows.len()
        )));
    }
    let rows = rows.into_iter().map(|row| (row.line, Value::Object(row.statement))).collect();
    let report = app.engine.import_consents(rows).await?;
    audit::done("list", json!({ "rows": report.rows.len() }));
    Ok(Json(report))
}

fn counted(recorded: &Recorded) -> Counted {
    let yes = recorded.record.state == ConsentState::Given && recorded.decided;
    Counted {
        record: shown(&recorded.record),
        counts: yes.then_some(recorded.denied.is_none()),
        denied: recorded.denied,
    }
}

pub(crate) async fn of_person(State(app): State<App>, Params(filter): Params<Filter>) -> Result<Json<Value>, Problem> {
    let person = filter.person.trim();
    if person.is_empty() {
        return Err(Problem::bad_request("name a person: ?person= and an e-mail address or a phone (%2B57...)"));
    }
    let most = limit(filter.limit)? as usize;
    let kind = if person.contains('@') { "email" } else { "phone" };
    let looked_for = app.engine.subject_hash(kind, person);
    audit::note(|n| n.about = vec![looked_for]);
    let known = app.engine.consents_of(person).await?;
    if filter.history {
        return Ok(page(
            known.records.iter().take(most).map(|r| json!(Told::Record(Box::new(shown(r))))).collect(),
            None,
        ));
    }
    let rows = standings(&known, app.engine.clock().now()).map(|told| json!(Told::Now(Box::new(told))));
    Ok(page(rows.take(most).collect(), None))
}

/// What counts now.
fn standings(known: &PersonConsents, now: Timestamp) -> impl Iterator<Item = Standing> {
    let record = |id: &str| known.records.iter().find(|r| r.id == id);
    known.consents.said().map(move |(purpose, channel, said)| {
        let denied = known.consents.denied(purpose, channel, &known.terms, now);
        Standing {
            purpose: purpose.to_owned(),
            channel: channel.map(str::to_owned),
            state: said.state,
            at: said.at,
            record_id: said.record.clone(),
            given: denied.is_none(),
            denied,
            evidence: record(&said.record).map(|r| r.evidence.clone()),
        }
    })
}

/// A record as the API shows it.
fn shown(record: &ConsentRecord) -> Record {
    let contact = &record.contact;
    Record {
        id: record.id.clone(),
        state: record.state,
        purpose: record.purpose.clone(),
        channel: record.channel.clone(),
        person: Person { email: contact.email.clone(), phone: contact.phone.clone(), name: contact.name.clone() },
        at: record.at,
        recorded_at: record.recorded_at,
        evidence: record.evidence.clone(),
        analytics: record.analytics.clone(),
        legal_basis: record.legal_basis,
        birth_date: record.birth_date,
        minor: record.minor,
        guardian: record.guardian.clone(),
        proof: record.proof.clone(),
    }
}

impl From<LedgerError> for Problem {
    fn from(e: LedgerError) -> Self {
        match e {
            LedgerError::Invalid(_) => Self::bad_request(e.to_string()),
            LedgerError::OtherStatement => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The key belongs to another request",
                e.to_string(),
            ),
            LedgerError::Busy(_) => Self::busy(e.to_string()),
            LedgerError::Store(e) => e.into(),
        }
    }
}
