//! Read models of shows and what belongs to them, for whoever may see them: for the API and for the pages.

use crate::App;
use crate::policy::{Action, Resource};
use crate::problem::Problem;
use crate::who::Who;
use pasarela_domain::EntityRef;
use pasarela_domain::model::{DoorList, Order, Product, Scan, Show, Ticket, WaitlistEntry, WaitlistStatus};
use pasarela_store::Page;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

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

/// Who came through the door of a show.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[schemars(rename = "ShowDoor")]
pub(crate) struct Door {
    /// Tickets that came in and did not go out again, each once.
    pub(crate) inside: u64,
    /// By list, in the order of their names. The same ticket may come in by several.
    pub(crate) lists: Vec<DoorView>,
}

/// A list by which a door lets in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ShowDoorList")]
pub(crate) struct DoorView {
    /// Provider's id.
    pub(crate) id: String,
    /// Name; empty until it was read.
    pub(crate) name: String,
    /// Tickets that it lets in; null until it was read.
    pub(crate) tickets: Option<u64>,
    /// Those of them that came in by it and did not go out again.
    pub(crate) inside: u64,
    /// Does it let anybody in now? Null until it was read.
    pub(crate) open: Option<bool>,
}

/// Who waits for a place at a show, where it has a waitlist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ShowWaitlist")]
pub(crate) struct Waitlist {
    /// Wait.
    pub(crate) waiting: u64,
    /// Were offered a place, and have not answered.
    pub(crate) offered: u64,
    /// Bought the place that was offered.
    pub(crate) purchased: u64,
    /// Let the offer run out.
    pub(crate) expired: u64,
}

/// A scan of a ticket, with the name of its list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ScanView")]
pub(crate) struct ScanView {
    #[serde(flatten)]
    pub(crate) scan: Scan,
    /// Name of the list; empty until it was read.
    pub(crate) list: String,
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

/// Who came through a show's door.
pub(crate) async fn door(app: &App, show: &Found<Show>) -> Result<Door, Problem> {
    let lists: Vec<DoorList> = all_parts(app, show, "door_list").await?;
    let scans: Vec<Scan> = all_parts(app, show, "check_in").await?;
    let scans = || scans.iter().filter(|s| !s.undone);
    let mut by_list: BTreeMap<&str, u64> = BTreeMap::new();
    for scan in scans() {
        *by_list.entry(&scan.list_id).or_default() += 1;
    }
    let inside = scans().map(|s| s.ticket_id.as_str()).collect::<BTreeSet<_>>().len() as u64;
    let view = |l: &DoorList| DoorView {
        id: l.id.clone(),
        name: l.name.clone(),
        tickets: l.tickets,
        inside: by_list.get(l.id.as_str()).copied().unwrap_or_default(),
        open: l.open,
    };
    let mut lists: Vec<DoorView> = lists.iter().map(view).collect();
    lists.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(Door { inside, lists })
}

/// Who waits for a place.
pub(crate) async fn waitlist(app: &App, show: &Found<Show>) -> Result<Waitlist, Problem> {
    let entries: Vec<WaitlistEntry> = all_parts(app, show, "waitlist_entry").await?;
    let mut count = Waitlist::default();
    for entry in entries {
        match entry.status {
            WaitlistStatus::Waiting => count.waiting += 1,
            WaitlistStatus::Offered => count.offered += 1,
            WaitlistStatus::Purchased => count.purchased += 1,
            WaitlistStatus::OfferExpired => count.expired += 1,
            WaitlistStatus::Cancelled | WaitlistStatus::Other => {}
        }
    }
    Ok(count)
}

/// The last scan of each of these tickets by each list of their show, the earliest first, with the ticket's place among
/// them.
pub(crate) async fn scans(
    app: &App,
    connection: &str,
    show: &str,
    tickets: &[&str],
) -> Result<Vec<(usize, ScanView)>, Problem> {
    let Some(number) = app.engine.connection_id(connection) else { return Ok(Vec::new()) };
    let found = app.engine.parts_of_show(number, show, "door_list", None, MANY).await?;
    let lists: Vec<DoorList> = found.rows.into_iter().filter_map(|p| serde_json::from_value(p.data).ok()).collect();
    let asked: Vec<(usize, &DoorList, EntityRef)> = tickets
        .iter()
        .enumerate()
        .flat_map(|(n, t)| lists.iter().map(move |l| (n, l, EntityRef::new("check_in", Scan::key(t, &l.id)))))
        .collect();
    let mut all = Vec::new();
    for bite in asked.chunks(MANY as usize) {
        let wanted = bite.iter().map(|(_, _, entity)| (number, entity.clone())).collect();
        let (_, rows) = app.engine.store().lookup(Vec::new(), wanted).await?;
        for ((place, list, _), row) in bite.iter().zip(rows) {
            let scan: Option<Scan> = row.and_then(|r| serde_json::from_slice(&r.data).ok());
            all.extend(scan.map(|scan| (*place, ScanView { scan, list: list.name.clone() })));
        }
    }
    all.sort_by_key(|(_, view)| view.scan.at);
    Ok(all)
}
