//! `/api/v1`: lists, single things, and what people do with what is stuck.
//! Lists answer `{"data": [...], "next_cursor": null | "..."}`, newest first.

mod admin;
mod audit;
mod backup;
mod care;
mod cases;
mod connections;
mod consents;
mod dead;
mod deliveries;
mod doctor;
mod effects;
mod events;
mod flows;
mod holds;
mod incidents;
pub(crate) mod keys;
mod links;
mod overview;
mod pauses;
pub(crate) mod people;
pub(crate) mod refunds;
mod registry;
mod runs;
mod seal;
mod secrets;
pub(crate) mod shows;
mod suppressions;
mod texts;
mod tickets;
mod users;
pub(crate) mod webhooks;

pub(crate) use admin::routes as admin_routes;
pub(crate) use audit::whom;
pub(crate) use backup::Backup;
pub(crate) use cases::intend as intend_case;
pub(crate) use dead::intend as intend_dead;
pub(crate) use deliveries::delivery_json;
pub(crate) use effects::effect_json;
pub(crate) use events::story_of;
pub(crate) use holds::{intend_end as intend_hold_end, kept as hold_kept};
pub(crate) use incidents::intend as intend_incident;
pub(crate) use pauses::intend as intend_pause;
pub use secrets::SecretUses;

use crate::App;
use crate::policy::{Gate, may};
use crate::problem::Problem;
use crate::routes::{Again, Routes, op};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use pasarela_domain::Envelope;
use pasarela_store::SuppressionRow;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// What an answer says of a thing that was just changed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Changed {
    id: String,
    /// Its state from now on.
    state: &'static str,
}

/// Why a person does what they do.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// In the person's words; it is kept and shown.
    reason: Option<String>,
}

pub(crate) fn routes() -> Routes {
    use crate::policy::Action::{Operate, Read, ReadPersonal, Write};
    use crate::policy::Resource::{
        Audit, Care, Cases, Connections, Consents, DeadLetters, Deliveries, Effects, Events, Flows, Holds, Incidents,
        Keys, Messages, Overview, Pauses, Runs, Suppressions, Texts, TicketKeys,
    };
    let v1 = Routes::new()
        .get("/", index, op(Gate::Known("names of lists, and nothing in them"), "Names of everything that this API has").answers::<Names>())
        .get("/alarms", alarms, op(may(Read, Overview), "What needs a person now").lists::<crate::alarms::Alarm>())
        .get(
            "/audit",
            audit::list,
            op(may(ReadPersonal, Audit), "Who did what, newest first").query::<audit::Filter>().lists::<pasarela_store::AuditRow>(),
        )
        .get(
            "/audit/{seq}",
            audit::one,
            op(may(ReadPersonal, Audit), "One entry of the audit").answers::<pasarela_store::AuditRow>().problems(&[404]),
        )
        .get("/care", care::show, op(may(Read, Care), "How the store is kept").answers::<care::Care>())
        .get("/cases", cases::list, op(may(ReadPersonal, Cases), "Requests of people: consultas, reclamos, PQR").query::<cases::Filter>().lists::<cases::Shown>())
        .post(
            "/cases",
            cases::open,
            op(may(Write, Cases), "Open a case: a request of a person, also one that came on paper").versioned().again(Again::Own)
                .about("200 when the same `Idempotency-Key` opened it before. The terms count from `received_at`.")
                .takes::<pasarela_engine::NewCase>()
                .status(201)
                .also(&[200])
                .answers::<cases::Shown>(),
        )
        .get("/cases/{id}", cases::one, op(may(ReadPersonal, Cases), "One case, by its number").versioned().answers::<cases::Shown>().problems(&[404]))
        .post(
            "/cases/{id}/steps",
            cases::step,
            op(may(Operate, Cases), "Do a step of a case: complete, extend, decide, answer, ...").versioned().again(Again::Safe)
                .about(
                    "A reclamo that is complete is labelled \"reclamo en trámite\" with it. An answer without a text goes \
                     out as its template has it. 409 when the law or the state of the case forbids it.",
                )
                .takes::<pasarela_domain::case::Step>()
                .answers::<cases::Shown>()
                .problems(&[404, 409, 412]),
        )
        .get("/keys", keys::list, op(may(Read, Keys), "API keys, without their texts").lists::<keys::Shown>())
        .post(
            "/keys",
            keys::create,
            op(may(Write, Keys), "Make a key: its text is shown once")
                .about("A key can be given what its maker has, and nothing beyond.")
                .takes::<crate::auth::KeyWish>()
                .status(201)
                .answers::<crate::auth::NewKey>()
                .again(Again::Secret),
        )
        .post(
            "/keys/{id}/rotate",
            keys::rotate,
            op(may(Write, Keys), "Give a key a new text; the old one still opens for a time")
                .may_take::<keys::Rotation>()
                .answers::<crate::auth::NewKey>()
                .problems(&[404, 409])
                .again(Again::Secret),
        )
        .post(
            "/keys/{id}/revoke",
            keys::revoke,
            op(may(Write, Keys), "End a key for good").answers::<keys::Revoked>().problems(&[404]).again(Again::Safe),
        )
        .get("/holds", holds::list, op(may(ReadPersonal, Holds), "Legal holds").query::<holds::Page>().lists::<pasarela_engine::Hold>())
        .post(
            "/holds",
            holds::add,
            op(may(Write, Holds), "Set a legal hold: nothing about its person or of its case is removed until it is ended")
                .takes::<pasarela_engine::NewHold>()
                .status(201)
                .answers::<pasarela_engine::Hold>()
                .problems(&[404]),
        )
        .post("/holds/{id}/end", holds::end, op(may(Write, Holds), "End a legal hold").again(Again::Safe).answers::<pasarela_engine::Hold>().problems(&[404]))
        .get(
            "/retention",
            holds::retention,
            op(may(Read, Care), "How long everything is kept, on which basis, and what went").lists::<pasarela_engine::RetentionRule>(),
        )
        .get("/incidents", incidents::list, op(may(Read, Incidents), "Security incidents").query::<incidents::Page>().lists::<incidents::Shown>())
        .post(
            "/incidents",
            incidents::open,
            op(may(Write, Incidents), "Register a security incident: its clock of 15 business days runs from `detected_at`").versioned()
                .takes::<pasarela_engine::NewIncident>()
                .status(201)
                .answers::<incidents::Shown>(),
        )
        .get(
            "/incidents/{id}",
            incidents::one,
            op(may(Read, Incidents), "One incident: the fields of the sheet for the authority").versioned().answers::<incidents::Shown>().problems(&[404]),
        )
        .post(
            "/incidents/{id}/steps",
            incidents::step,
            op(may(Operate, Incidents), "Add what is known, note the report, or close an incident").versioned().again(Again::Safe)
                .takes::<pasarela_domain::incident::IncidentStep>()
                .answers::<incidents::Shown>()
                .problems(&[404, 412]),
        )
        .get(
            "/consents",
            consents::of_person,
            op(may(ReadPersonal, Consents), "What a person has agreed to, by purpose and channel; with `history`, all that was ever said")
                .query::<consents::Filter>()
                .lists::<consents::Told>(),
        )
        .post(
            "/consents",
            consents::record,
            op(may(Write, Consents), "Record what a person said: given or withdrawn").again(Again::Own)
                .about(
                    "201 when it counts, 202 when it is kept and counts as soon as it is decided, 200 when the same \
                     `Idempotency-Key` brought it before. A record is never changed.",
                )
                .takes::<pasarela_engine::Statement>()
                .status(201)
                .answers::<consents::Counted>()
                .also(&[200, 202])
                .problems(&[422]),
        )
        .post(
            "/consents/import",
            consents::import,
            op(may(Operate, Consents), "Take in a list of consents that were given elsewhere").again(Again::Safe)
                .about(
                    "Each row is taken in or refused by itself. A yes without proof of its own is refused; sent again, \
                     the same row is the same record.",
                )
                .takes::<consents::Rows>()
                .answers::<pasarela_engine::ImportReport>(),
        )
        .get(
            "/deliveries",
            deliveries::list,
            op(may(Read, Deliveries), "Deliveries: what came in").query::<deliveries::Filter>().lists::<deliveries::Delivery>(),
        )
        .post(
            "/deliveries/replay",
            deliveries::replay_by_filter,
            op(may(Operate, Deliveries), "Decide deliveries again, a page at a time").again(Again::Safe)
                .about("What is known stays known: nothing is done twice. With `dry_run` it only tells what it would do.")
                .takes::<deliveries::Replay>()
                .answers::<deliveries::ReplayAnswer>().problems(&[404]),
        )
        .get(
            "/deliveries/{id}",
            deliveries::one,
            op(may(ReadPersonal, Deliveries), "One delivery, with headers and body as received")
                .answers::<deliveries::WholeDelivery>()
                .problems(&[404]),
        )
        .post(
            "/deliveries/{id}/replay",
            deliveries::replay,
            op(may(Operate, Deliveries), "Decide one delivery again").again(Again::Safe).answers::<pasarela_engine::Replayed>().problems(&[404, 409]),
        )
        .get(
            "/events",
            events::list,
            op(may(ReadPersonal, Events), "Canonical events").query::<events::Filter>().lists::<Envelope>().problems(&[404]),
        )
        .get(
            "/events/stream",
            crate::stream::events,
            op(may(ReadPersonal, Events), "Canonical events as they are written, as server-sent events")
                .about(
                    "`Last-Event-ID`, or `after`, catches up from the log first, without a gap. Each message has the event's \
                     id, its type as `event`, and the event as `data`.",
                )
                .query::<crate::stream::From>()
                .answers_media("text/event-stream"),
        )
        .get("/events/{id}", events::one, op(may(ReadPersonal, Events), "One event").answers::<Envelope>().problems(&[404]))
        .get(
            "/events/{id}/story",
            events::story,
            op(may(ReadPersonal, Events), "Everything that one event led to: delivery, runs, effects, attempts")
                .answers::<events::Story>()
                .problems(&[404]),
        )
        .get("/runs", runs::list, op(may(Read, Runs), "Runs of flows").query::<runs::Filter>().lists::<pasarela_engine::RunView>())
        .get("/runs/{id}", runs::one, op(may(Read, Runs), "One run").answers::<pasarela_engine::RunView>().problems(&[404]))
        .post(
            "/runs/{id}/cancel",
            runs::cancel,
            op(may(Operate, Runs), "End a run").again(Again::Safe)
                .about("What was not sent is withdrawn; a call that is out ends and is recorded.")
                .may_take::<Reason>()
                .answers::<runs::Cancelled>()
                .problems(&[404, 409]),
        )
        .get("/flows", flows::list, op(may(Read, Flows), "Flows in force").lists::<pasarela_engine::FlowState>())
        .post(
            "/flows",
            flows::push,
            op(may(Write, Flows), "Put flows in force, all or none, without a restart").again(Again::Safe)
                .takes::<flows::Push>()
                .lists::<pasarela_engine::FlowChange>()
                .over_a_version()
                .problems(&[412]),
        )
        .get(
            "/flows/{name}",
            flows::one,
            op(may(Read, Flows), "One flow, with its text and outline").versioned().answers::<flows::WholeFlow>().problems(&[404]),
        )
        .get(
            "/messages/{id}/explanation",
            effects::explain,
            op(may(ReadPersonal, Messages), "Why a message went out when it did, or did not")
                .about("Every decision about the message (an effect's id), oldest first: verdict, rule, article, and what was looked at.")
                .answers::<pasarela_engine::Explanation>()
                .problems(&[404]),
        )
        .get("/pauses", pauses::list, op(may(Read, Pauses), "What people have paused").lists::<pasarela_store::PauseRow>())
        .post(
            "/{kind}/{name}/pause",
            pauses::pause,
            op(may(Operate, Pauses), "Pause a connection, a flow or a class of message: what it would do is kept").again(Again::Safe)
                .may_take::<Reason>()
                .answers::<pasarela_store::PauseRow>()
                .problems(&[404]),
        )
        .post(
            "/{kind}/{name}/resume",
            pauses::resume,
            op(may(Operate, Pauses), "Let what was paused go on, in its order").again(Again::Safe).answers::<pauses::Resumed>().problems(&[404, 409]),
        )
        .get("/overview", overview::show, op(may(Read, Overview), "The hub's work, in one answer").answers::<overview::Overview>())
        .get(
            "/effects",
            effects::list,
            op(may(ReadPersonal, Effects), "Effects: calls that runs want made")
                .query::<effects::Filter>()
                .lists::<effects::Effect>()
                .problems(&[404]),
        )
        .get(
            "/effects/{id}",
            effects::one,
            op(may(ReadPersonal, Effects), "One effect, with its input, last request and attempts").answers::<effects::Effect>().problems(&[404]),
        )
        .get(
            "/dead-letters",
            dead::list,
            op(may(ReadPersonal, DeadLetters), "What needs a person: effects, deliveries in quarantine, proposals")
                .query::<dead::Filter>()
                .lists::<dead::DeadLetter>(),
        )
        .post(
            "/dead-letters/{id}/retry",
            dead::retry,
            op(may(Operate, DeadLetters), "Send an effect again under a new key, or decide a delivery again")
                .answers::<Changed>()
                .problems(&[404, 409]),
        )
        .post(
            "/dead-letters/{id}/drop",
            dead::drop_one,
            op(may(Write, DeadLetters), "Give up an effect, or leave a delivery undecided").again(Again::Safe).answers::<Changed>().problems(&[404, 409]),
        )
        .get(
            "/suppressions",
            suppressions::list,
            op(may(ReadPersonal, Suppressions), "Addresses that are not written to, and why").query::<suppressions::Page>().lists::<SuppressionRow>(),
        )
        .post(
            "/suppressions",
            suppressions::add,
            op(may(Write, Suppressions), "Write to an address no more").again(Again::Safe)
                .about("One that stands there for a stronger cause stays as it is.")
                .takes::<suppressions::Add>()
                .answers::<SuppressionRow>(),
        )
        .post(
            "/suppressions/remove",
            suppressions::remove,
            op(may(Operate, Suppressions), "Write to an address again").again(Again::Safe)
                .takes::<suppressions::Named>()
                .answers::<suppressions::Removed>()
                .problems(&[404]),
        )
        .get(
            "/texts",
            texts::list,
            op(may(Read, Texts), "Versions of the texts that people agree to, the latest in force first")
                .query::<texts::Filter>()
                .lists::<texts::Shown>(),
        )
        .post(
            "/texts",
            texts::add,
            op(may(Write, Texts), "Add a version of a text").again(Again::Safe)
                .about("201 when it was added, 200 when the very same one is there. A version is never changed.")
                .takes::<pasarela_engine::NewText>()
                .status(201)
                .also(&[200])
                .answers::<pasarela_domain::consent::TextVersion>(),
        )
        .get(
            "/tickets/keys",
            tickets::keys,
            op(may(Read, TicketKeys), "Public keys that verify tickets without a network, the one that signs last").lists::<tickets::PublicKey>(),
        )
        .get("/connections", connections::list, op(may(Read, Connections), "Connections and how they stand").lists::<connections::ListedConnection>())
        .get(
            "/connections/{name}",
            connections::one,
            op(may(Read, Connections), "One connection, with its last reconciliations").answers::<connections::Connection>().problems(&[404]),
        )
        .post(
            "/connections/{name}/reconcile",
            connections::reconcile,
            op(may(Operate, Connections), "Read a connection's records now, and take in what its webhooks missed").again(Again::Safe)
                .may_take::<pasarela_engine::Ask>()
                .lists::<pasarela_engine::Report>()
                .problems(&[404, 409]),
        )
        .get(
            "/connections/{name}/plan",
            connections::plan,
            op(may(Read, Connections), "What would bring a provider's account to its model; nothing is changed")
                .answers::<pasarela_engine::ProvisionPlan>()
                .problems(&[404, 409]),
        )
        .post(
            "/connections/{name}/plan/apply",
            connections::apply,
            op(may(Operate, Connections), "Do the steps of that plan").again(Again::Safe)
                .may_take::<pasarela_engine::ProvisionAsk>()
                .answers::<pasarela_engine::Provisioned>()
                .problems(&[404, 409]),
        );
    let v1 = v1.merge(shows::routes()).merge(webhooks::routes()).merge(people::routes());
    Routes::new().nest("/api/v1", v1)
}

/// Names of what there is.
#[derive(Serialize, JsonSchema)]
struct Names {
    data: Vec<&'static str>,
}

async fn index() -> Json<Names> {
    Json(Names {
        data: vec![
            "alarms",
            "audit",
            "care",
            "cases",
            "consents",
            "deliveries",
            "events",
            "events/stream",
            "runs",
            "effects",
            "dead-letters",
            "connections",
            "flows",
            "holds",
            "incidents",
            "keys",
            "pauses",
            "people",
            "overview",
            "refunds",
            "retention",
            "shows",
            "suppressions",
            "texts",
            "tickets/keys",
            "webhooks",
        ],
    })
}

/// What needs a person now.
async fn alarms(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let health = app.engine.health().await?;
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
    Json(json!({ "data": data, "next_cursor": next.map(cursor_text) }))
}

/// A cursor as it is handed out.
pub(crate) fn cursor_text(mut n: i64) -> String {
    let mut digits = Vec::new();
    while n > 0 {
        digits.push(char::from_digit((n % 36) as u32, 36).unwrap_or('0'));
        n /= 36;
    }
    digits.push('c');
    digits.iter().rev().collect()
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
