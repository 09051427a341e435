//! `/api/v1/shows`, `/orders`, `/tickets`: what is sold and who comes, as the read models of every connection have it,
//! and what a person may have done with it.
//!
//! Promise: nobody sees a show but those who may. A producer's grant names shows, and neither the others nor what
//! belongs to them is there for them.

mod deeds;
pub(crate) mod look;
mod routes;

pub(crate) use deeds::{CheckIn, CheckOut, Deed, Holder, Nothing, deed};
pub(super) use routes::routes;

use super::{Params, cursor, limit, list as page};
use crate::App;
use crate::policy::Action;
use crate::policy::Resource::{Shows, Tickets};
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::extract::{Path, State};
use look::{Counts, Door, Found, ScanView, Waitlist, entity, may_see};
use pasarela_domain::model::{Order, Product, Show, ShowStatus, Ticket};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A show with where it is and how much belongs to it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ShowView")]
pub(crate) struct ShowView {
    /// Connection that tells of it.
    connection: String,
    show: Show,
    counts: Counts,
}

/// A show with what is sold for it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WholeShow")]
pub(crate) struct WholeShow {
    /// Connection that tells of it.
    connection: String,
    show: Show,
    counts: Counts,
    products: Vec<Product>,
    door: Door,
    waitlist: Waitlist,
}

/// An order with where it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OrderView")]
pub(crate) struct OrderView {
    /// Connection that tells of it.
    connection: String,
    order: Order,
}

/// A ticket with where it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TicketView")]
pub(crate) struct TicketView {
    /// Connection that tells of it.
    connection: String,
    ticket: Ticket,
}

/// A ticket with where it is, and when it was scanned.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WholeTicket")]
pub(crate) struct WholeTicket {
    /// Connection that tells of it.
    connection: String,
    ticket: Ticket,
    /// Its last scan by each list of the show, the earliest first.
    scans: Vec<ScanView>,
}

/// Which shows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    connection: Option<String>,
    status: Option<ShowStatus>,
    /// Rows of a page, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[schemars(regex(pattern = r"^c([0-9a-f]{2}){3,400}$"))]
    cursor: Option<String>,
}

/// A page of a show's orders or tickets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Rows of a page, 1 to 200.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Shows by connection and id.
pub(crate) async fn list(
    who: Who,
    State(app): State<App>,
    Params(asked): Params<Filter>,
) -> Result<Json<Value>, Problem> {
    let most = limit(asked.limit)? as usize;
    if let Some(name) = &asked.connection {
        app.must_see_connection(name)?;
    }
    // A cursor is the place of the last show: its connection and its id.
    let after = match &asked.cursor {
        None => (String::new(), String::new()),
        Some(text) => {
            place(text).ok_or_else(|| Problem::bad_request("cursor: use the next_cursor of the page before"))?
        }
    };
    let mut found = Vec::new();
    for connection in app.connections() {
        if asked.connection.as_ref().is_some_and(|c| *c != connection.name) || connection.name < after.0 {
            continue;
        }
        let mut from = if connection.name == after.0 { after.1.clone() } else { String::new() };
        while found.len() <= most {
            let shows = look::shows_after(&app, &connection.name, &from).await?;
            let Some((last, _)) = shows.last() else { break };
            from.clone_from(last);
            found.extend(shows.into_iter().filter_map(|(_, show)| show).filter(|show| {
                asked.status.is_none_or(|s| s == show.data.status) && may_see(&app, &who, (Shows, Action::Read), show)
            }));
        }
    }
    let more = found.len() > most;
    found.truncate(most);
    let next =
        found.last().filter(|_| more).map(|s| format!("c{}", hex::encode(format!("{}/{}", s.connection, s.data.id))));
    let counts = look::counts(&app, &found).await?;
    let data: Vec<Value> = found
        .into_iter()
        .zip(counts)
        .map(|(s, counts)| json!(ShowView { connection: s.connection, show: s.data, counts }))
        .collect();
    Ok(Json(json!({ "data": data, "next_cursor": next })))
}

/// Connection and id that a cursor names.
fn place(cursor: &str) -> Option<(String, String)> {
    let text = String::from_utf8(hex::decode(cursor.strip_prefix('c')?).ok()?).ok()?;
    text.split_once('/').map(|(connection, id)| (connection.to_owned(), id.to_owned()))
}

pub(crate) async fn one(
    who: Who,
    State(app): State<App>,
    Path((connection, id)): Path<(String, String)>,
) -> Result<Json<WholeShow>, Problem> {
    let show = look::show(&app, &who, (Shows, Action::Read), &connection, &id).await?;
    let counts = look::counts(&app, std::slice::from_ref(&show)).await?.pop().unwrap_or_default();
    let products = look::parts::<Product>(&app, &show, "product", None, look::MANY).await?;
    let products = products.rows.into_iter().map(|(_, p)| p).collect();
    let door = look::door(&app, &show).await?;
    let waitlist = look::waitlist(&app, &show).await?;
    Ok(Json(WholeShow { connection, show: show.data, counts, products, door, waitlist }))
}

pub(crate) async fn orders(
    who: Who,
    State(app): State<App>,
    Path((connection, id)): Path<(String, String)>,
    Params(asked): Params<Paging>,
) -> Result<Json<Value>, Problem> {
    let show = look::show(&app, &who, (Tickets, Action::ReadPersonal), &connection, &id).await?;
    let before = cursor(asked.cursor.as_deref())?;
    let found = look::parts::<Order>(&app, &show, "order", before, limit(asked.limit)?).await?;
    let view = |order: Order| json!(OrderView { connection: connection.clone(), order });
    Ok(page(found.rows.into_iter().map(|(_, o)| view(o)).collect(), found.next))
}

pub(crate) async fn tickets(
    who: Who,
    State(app): State<App>,
    Path((connection, id)): Path<(String, String)>,
    Params(asked): Params<Paging>,
) -> Result<Json<Value>, Problem> {
    let show = look::show(&app, &who, (Tickets, Action::ReadPersonal), &connection, &id).await?;
    let before = cursor(asked.cursor.as_deref())?;
    let found = look::parts::<Ticket>(&app, &show, "ticket", before, limit(asked.limit)?).await?;
    let view = |ticket: Ticket| json!(TicketView { connection: connection.clone(), ticket });
    Ok(page(found.rows.into_iter().map(|(_, t)| view(t)).collect(), found.next))
}

pub(crate) async fn order(
    who: Who,
    State(app): State<App>,
    Path((connection, id)): Path<(String, String)>,
) -> Result<Json<OrderView>, Problem> {
    let found: Found<Order> = entity(&app, &who, (Tickets, Action::ReadPersonal), &connection, "order", &id).await?;
    Ok(Json(OrderView { connection, order: found.data }))
}

pub(crate) async fn ticket(
    who: Who,
    State(app): State<App>,
    Path((connection, id)): Path<(String, String)>,
) -> Result<Json<WholeTicket>, Problem> {
    let found: Found<Ticket> = entity(&app, &who, (Tickets, Action::ReadPersonal), &connection, "ticket", &id).await?;
    let scans = look::scans(&app, &connection, &found.data.show_id, &[&found.data.id]).await?;
    let scans = scans.into_iter().map(|(_, scan)| scan).collect();
    Ok(Json(WholeTicket { connection, ticket: found.data, scans }))
}
