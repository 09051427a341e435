//! Read models of shows and what belongs to them, for whoever may see them: for the API and for the pages.

use crate::App;
use crate::policy::{Action, Resource};
use crate::problem::Problem;
use crate::who::Who;
use pasarela_domain::EntityRef;
use pasarela_domain::model::{Order, Product, Show, Ticket};
use pasarela_store::Page;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Parts that are read at once where all of them are wanted.
pub(crate) const MANY: u32 = 500;

/// What somebody must be allowed.
pub(crate) type Right = (Resource, Action);

/// A read model, and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Found<T> {
    pub(crate) connection: String,
    pub(crate) data: T,
}

/// How much belongs to a show.
#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
#[schemars(rename = "ShowCounts")]
pub(crate) struct Counts {
    /// Orders, whatever became of them.
    pub(crate) orders: u64,
    /// Tickets, whatever became of them.
    pub(crate) tickets: u64,
}

/// Which show it belongs to.
pub(crate) trait OfShow {
    fn show_id(&self) -> &str;
}

macro_rules! of_show {
    ($($kind:ty: $field:ident),*) => { $(impl OfShow for $kind { fn show_id(&self) -> &str { &self.$field } })* };
}
of_show!(Show: id, Order: show_id, Ticket: show_id, Product: show_id);

/// May the caller see it?
pub(crate) fn may_see<T: OfShow>(app: &App, who: &Who, (resource, action): Right, found: &Found<T>) -> bool {
    let brand = app.engine.brand_of(&found.connection);
    app.sees_connection(&found.connection) && who.may_see_part(resource, action, brand.as_deref(), found.data.show_id())
}

/// One read model that belongs to a show. What the caller may not see is not there.
pub(crate) async fn entity<T: OfShow + DeserializeOwned>(
    app: &App,
    who: &Who,
    right: Right,
    connection: &str,
    kind: &str,
    id: &str,
) -> Result<Found<T>, Problem> {
    let missing = || Problem::not_found(format!("{connection} has no {kind} '{id}'"));
    let number = app.engine.connection_id(connection).filter(|_| app.sees_connection(connection));
    let number = number.ok_or_else(|| Problem::not_found(format!("there is no connection '{connection}'")))?;
    let (_, rows) = app.engine.store().lookup(Vec::new(), vec![(number, EntityRef::new(kind, id))]).await?;
    let row = rows.into_iter().flatten().next().ok_or_else(missing)?;
    let data = serde_json::from_slice(&row.data).map_err(|_| missing())?;
    Some(Found { connection: connection.to_owned(), data }).filter(|f| may_see(app, who, right, f)).ok_or_else(missing)
}

/// One show.
pub(crate) async fn show(
    app: &App,
    who: &Who,
    right: Right,
    connection: &str,
    id: &str,
) -> Result<Found<Show>, Problem> {
    entity(app, who, right, connection, "show", id).await
}

/// The next shows of a connection behind this id, each with its own; those that cannot be read are none.
pub(crate) async fn shows_after(
    app: &App,
    connection: &str,
    after: &str,
) -> Result<Vec<(String, Option<Found<Show>>)>, Problem> {
    let Some(number) = app.engine.connection_id(connection) else { return Ok(Vec::new()) };
    let store = app.engine.store();
    let ids = store.entity_ids(number, "show", after, MANY).await?;
    let wanted = ids.iter().map(|id| (number, EntityRef::new("show", id))).collect();
    let (_, rows) = store.lookup(Vec::new(), wanted).await?;
    let found = |row: Option<pasarela_store::EntityRow>| {
        let data = serde_json::from_slice(&row?.data).ok()?;
        Some(Found { connection: connection.to_owned(), data })
    };
    Ok(ids.into_iter().zip(rows.into_iter().map(found)).collect())
}

/// How much belongs to each of these.
pub(crate) async fn counts(app: &App, shows: &[Found<Show>]) -> Result<Vec<Counts>, Problem> {
    let asked: Vec<(i64, String)> = shows
        .iter()
        .map(|s| (app.engine.connection_id(&s.connection).unwrap_or_default(), s.data.id.clone()))
        .collect();
    let orders = app.engine.count_parts(&asked, "order").await?;
    let tickets = app.engine.count_parts(&asked, "ticket").await?;
    Ok(orders.into_iter().zip(tickets).map(|(orders, tickets)| Counts { orders, tickets }).collect())
}

/// Parts of a show, each with its id, the first seen last. Who may see them was asked with the show.
pub(crate) async fn parts<T: DeserializeOwned>(
    app: &App,
    show: &Found<Show>,
    kind: &str,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<(String, T)>, Problem> {
    let number = app.engine.connection_id(&show.connection).unwrap_or_default();
    let found = app.engine.parts_of_show(number, &show.data.id, kind, before, limit).await?;
    let rows = found.rows.into_iter().filter_map(|p| Some((p.id, serde_json::from_value(p.data).ok()?)));
    Ok(Page { rows: rows.collect(), next: found.next })
}

/// All of them.
pub(crate) async fn all_parts<T: DeserializeOwned>(
    app: &App,
    show: &Found<Show>,
    kind: &str,
) -> Result<Vec<T>, Problem> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let found = parts::<T>(app, show, kind, before, MANY).await?;
        all.extend(found.rows.into_iter().map(|(_, part)| part));
        match found.next {
            Some(next) => before = Some(next),
            None => return Ok(all),
        }
    }
}
