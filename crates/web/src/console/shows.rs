//! `/desfiles`: what is on sale, how the hall of a show fills, who came in, and its orders. Whoever may not see guests sees numbers.

mod door;
pub(super) mod order;

use super::chart::{self, Series};
use super::guard::{Deed, Visit};
use super::marks::Mark;
use super::moments::{self, Moment};
use super::notice::Notice;
use super::page::{Frame, html, problem};
use super::words::Words;
use crate::App;
use crate::api::shows::look::{self, Counts, Found};
use crate::api::shows::{self, Nothing};
use crate::policy::Action;
use crate::policy::Resource::{Shows, Tickets};
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::Currency;
use pasarela_domain::model::{Order, OrderStatus, Product, Show, ShowStatus, Ticket, TicketStatus};
use serde::Deserialize;

/// Orders on a page.
const PAGE: usize = 50;
/// Days of the chart of sales.
const DAYS: i64 = 14;

/// A show in the list.
struct Row {
    href: String,
    title: String,
    mark: Mark,
    when: Option<Moment>,
    place: String,
    connection: String,
    orders: String,
    tickets: String,
}

#[derive(Template)]
#[template(path = "console/shows.html")]
struct ListPage {
    frame: Frame,
    /// Key of the heading, and what is below it.
    lists: Vec<(&'static str, Vec<Row>)>,
}

pub(super) async fn list(State(app): State<App>, visit: Visit, who: Who) -> Result<Response, Response> {
    let w = visit.w;
    let now = app.engine.clock().now();
    let mut found: Vec<Found<Show>> = Vec::new();
    for connection in app.connections() {
        let mut after = String::new();
        loop {
            let shows = look::shows_after(&app, &connection.name, &after).await.map_err(|e| problem(&visit, e))?;
            let Some((last, _)) = shows.last() else { break };
            after.clone_from(last);
            let seen = shows.into_iter().filter_map(|(_, show)| show);
            found.extend(seen.filter(|s| look::may_see(&app, &who, (Shows, Action::Read), s)));
        }
    }
    let counts = look::counts(&app, &found).await.map_err(|e| problem(&visit, e))?;
    let mut all: Vec<(Found<Show>, Counts)> = found.into_iter().zip(counts).collect();
    all.sort_by_key(|(s, _)| s.data.starts_at);
    let (mut over, coming): (Vec<_>, Vec<_>) = all.into_iter().partition(|(s, _)| is_over(&s.data, now));
    over.reverse();
    let rows = |list: Vec<(Found<Show>, Counts)>| list.iter().map(|(s, c)| row(w, s, *c, now)).collect::<Vec<_>>();
    let mut lists = vec![("shows.coming", rows(coming)), ("shows.over", rows(over))];
    lists.retain(|(_, rows)| !rows.is_empty());
    let frame = Frame::new(&app, &visit, "shows.title", "shows").await;
    Ok(html(&ListPage { frame, lists }))
}

fn is_over(show: &Show, now: Timestamp) -> bool {
    show.status == ShowStatus::Archived || show.ends_at.or(show.starts_at).is_some_and(|end| end < now)
}

fn row(w: Words, show: &Found<Show>, counts: Counts, now: Timestamp) -> Row {
    Row {
        href: format!("/desfiles/{}/{}", show.connection, show.data.id),
        title: show.data.title.clone(),
        mark: state(w, show.data.status),
        when: show.data.starts_at.map(|at| moment(w, at, now)),
        place: place(&show.data),
        connection: show.connection.clone(),
        orders: w.count("shows.orders", counts.orders),
        tickets: w.count("shows.tickets", counts.tickets),
    }
}

/// A moment to the minute: nobody announces seconds.
fn moment(w: Words, at: Timestamp, now: Timestamp) -> Moment {
    Moment { iso: at.to_string(), text: format!("{}, {}", moments::day(w, at, now), moments::hour(w, at)) }
}

fn place(show: &Show) -> String {
    let parts = [&show.venue.name, &show.venue.city];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn state(w: Words, status: ShowStatus) -> Mark {
    let (tone, shape, name) = match status {
        ShowStatus::Draft => ("waits", "waits", "draft"),
        ShowStatus::Live => ("done", "done", "live"),
        ShowStatus::Archived => ("quiet", "withheld", "archived"),
    };
    Mark { tone, shape, word: w.named("show", name) }
}

/// What is sold of one product.
struct Sold {
    title: String,
    tiers: Vec<String>,
    tickets: String,
}

/// An order in the list of a show.
struct OrderRow {
    href: String,
    number: String,
    buyer: String,
    email: Option<String>,
    mark: Mark,
    tickets: String,
    total: String,
    placed: Option<Moment>,
}

/// The show in numbers.
struct Numbers {
    valid: String,
    waiting: String,
    cancelled: String,
    orders: String,
    sales: Option<String>,
    refunded: Option<String>,
}

#[derive(Template)]
#[template(path = "console/show.html")]
struct ShowPage {
    frame: Frame,
    notice: Option<&'static str>,
    here: String,
    title: String,
    lead: String,
    mark: Mark,
    when: Option<Moment>,
    connection: String,
    id: String,
    numbers: Numbers,
    chart: Option<String>,
    sold: Vec<Sold>,
    door: Option<door::Door>,
    /// Key and number of those who wait, bought, or let it run out.
    waits: Vec<(&'static str, String)>,
    /// None: the visitor may not see guests.
    orders: Option<Vec<OrderRow>>,
    query: String,
    found: String,
    older: Option<String>,
    may_publish: bool,
    may_archive: bool,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    desde: usize,
    aviso: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    visit: Visit,
    who: Who,
    Path((connection, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let wrong = |e| problem(&visit, e);
    let show = look::show(&app, &who, (Shows, Action::Read), &connection, &id).await.map_err(wrong)?;
    let orders: Vec<Order> = look::all_parts(&app, &show, "order").await.map_err(wrong)?;
    let tickets: Vec<Ticket> = look::all_parts(&app, &show, "ticket").await.map_err(wrong)?;
    let products: Vec<Product> = look::all_parts(&app, &show, "product").await.map_err(wrong)?;
    let came = look::door(&app, &show).await.map_err(wrong)?;
    let waitlist = look::waitlist(&app, &show).await.map_err(wrong)?;
    let valid = tickets.iter().filter(|t| t.status == TicketStatus::Active).count() as u64;
    let guests = look::may_see(&app, &who, (Tickets, Action::ReadPersonal), &show);
    let offers = |action: &str| app.engine.manifest(&connection).is_some_and(|m| m.action(action).is_some());
    let may_write = look::may_see(&app, &who, (Shows, Action::Write), &show);
    let here = format!("/desfiles/{connection}/{id}");
    let query = asked.q.trim().to_owned();
    let matching: Vec<&Order> = orders.iter().filter(|o| is_found(o, &query)).collect();
    let until = asked.desde.saturating_add(PAGE);
    let older = (guests && matching.len() > until).then(|| {
        let q = if query.is_empty() { String::new() } else { format!("&q={}", encoded(&query)) };
        format!("{here}?desde={until}{q}#pedidos")
    });
    let shown = matching.iter().skip(asked.desde).take(PAGE);
    let page = ShowPage {
        notice: Notice::of(asked.aviso).key(),
        lead: place(&show.data),
        mark: state(w, show.data.status),
        when: show.data.starts_at.map(|at| moment(w, at, now)),
        numbers: numbers(w, &orders, &tickets),
        chart: sales(w, &orders, now),
        sold: sold(w, &products, &tickets),
        door: door::door(w, &came, valid),
        waits: door::waits(w, waitlist),
        found: w.count("shows.orders", matching.len() as u64),
        orders: guests.then(|| shown.map(|o| order_row(w, &connection, o, now)).collect()),
        older,
        query,
        may_publish: may_write && show.data.status == ShowStatus::Draft && offers("publish_show"),
        may_archive: may_write && show.data.status == ShowStatus::Live && offers("archive_show"),
        title: show.data.title,
        frame: Frame::new(&app, &visit, "shows.title", "shows").await,
        here,
        connection,
        id,
    };
    Ok(html(&page))
}

/// Makes a show public or ends it.
pub(super) async fn act(
    State(app): State<App>,
    who: Who,
    Path((connection, id, what)): Path<(String, String, String)>,
    deed: Deed,
) -> Response {
    let wanted = match what.as_str() {
        "publicar" => shows::Deed::Publish,
        "archivar" => shows::Deed::Archive,
        _ => return super::page::not_here(deed.visit).await,
    };
    let asked = shows::deed(wanted, &who, &app, (&connection, &id), Nothing::default()).await;
    after(&deed.visit, &format!("/desfiles/{connection}/{id}"), asked)
}

/// Back to where it was asked, with what came of it.
fn after<T>(visit: &Visit, back: &str, came: Result<T, crate::problem::Problem>) -> Response {
    match came {
        Ok(_) => Redirect::to(&format!("{back}?aviso=asked")).into_response(),
        Err(e) if e.told_to_people().is_some() => {
            // It leads back as what was done does, and nothing was.
            crate::audit::nothing();
            Redirect::to(&format!("{back}?aviso=refused")).into_response()
        }
        Err(e) => problem(visit, e),
    }
}

fn is_found(order: &Order, query: &str) -> bool {
    let query = query.to_lowercase();
    let mut texts = vec![order.number.clone()];
    for contact in std::iter::once(&order.buyer).chain(order.tickets.iter().map(|t| &t.holder)) {
        texts.push(contact.name.clone());
        texts.extend(contact.email.as_ref().map(|e| e.as_str().to_owned()));
        texts.extend(contact.phone.as_ref().map(|p| p.as_e164().to_owned()));
    }
    texts.extend(order.tickets.iter().map(|t| t.code.clone()));
    query.is_empty() || texts.iter().any(|t| t.to_lowercase().contains(&query))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn order_row(w: Words, connection: &str, order: &Order, now: Timestamp) -> OrderRow {
    OrderRow {
        href: format!("/pedidos/{connection}/{}", order.id),
        number: order.number.clone(),
        buyer: order.buyer.name.clone(),
        email: order.buyer.email.as_ref().map(|e| e.as_str().to_owned()),
        mark: order_state(w, order),
        tickets: w.count("shows.tickets", order.tickets.len() as u64),
        total: w.money(&order.total),
        placed: order.placed_at.map(|at| Moment::new(w, at, now)),
    }
}

fn order_state(w: Words, order: &Order) -> Mark {
    let (tone, shape, name) = match order.status {
        _ if order.fully_refunded => ("quiet", "withheld", "refunded"),
        OrderStatus::Placed => ("waits", "waits", "placed"),
        OrderStatus::Paid if order.refunded.minor > 0 => ("done", "done", "partly_refunded"),
        OrderStatus::Paid => ("done", "done", "paid"),
        OrderStatus::Cancelled => ("failed", "withheld", "cancelled"),
    };
    Mark { tone, shape, word: w.named("order", name) }
}

fn numbers(w: Words, orders: &[Order], tickets: &[Ticket]) -> Numbers {
    let with = |status| w.number(tickets.iter().filter(|t| t.status == status).count() as u64);
    let pesos = |minor: i64| (minor > 0).then(|| w.pesos(minor));
    let paid = orders.iter().filter(|o| o.status == OrderStatus::Paid && o.currency == Currency::COP);
    let (sales, refunded) =
        paid.fold((0_i64, 0_i64), |(s, r), o| (s.saturating_add(o.total.minor), r.saturating_add(o.refunded.minor)));
    Numbers {
        valid: with(TicketStatus::Active),
        waiting: with(TicketStatus::AwaitingPayment),
        cancelled: with(TicketStatus::Cancelled),
        orders: w.number(orders.len() as u64),
        sales: pesos(sales),
        refunded: pesos(refunded),
    }
}

/// Tickets that were sold per day, of the last days; nothing where none was.
fn sales(w: Words, orders: &[Order], now: Timestamp) -> Option<String> {
    let mut values = vec![0_u64; DAYS as usize];
    let day = |at: Timestamp| moments::day_number(at);
    let first = day(now) - DAYS + 1;
    for order in orders.iter().filter(|o| o.status != OrderStatus::Cancelled) {
        let Some(at) = order.placed_at else { continue };
        if let Some(slot) = usize::try_from(day(at) - first).ok().and_then(|n| values.get_mut(n)) {
            *slot += order.tickets.len() as u64;
        }
    }
    let sum: u64 = values.iter().sum();
    let began = now.checked_sub(SignedDuration::from_hours(24 * (DAYS - 1))).unwrap_or(now);
    let marks = [moments::date(w, began, now), moments::date(w, now, now)];
    let series =
        Series { label: w.t("shows.per_day").to_owned(), sum: w.count("shows.tickets", sum), values, first: true };
    (sum > 0).then(|| chart::bars(w.t("shows.per_day"), &[series], &marks))
}

fn sold(w: Words, products: &[Product], tickets: &[Ticket]) -> Vec<Sold> {
    let mut products: Vec<&Product> = products.iter().collect();
    products.sort_by(|a, b| a.title.cmp(&b.title));
    let view = |product: &Product| {
        let own = |t: &&Ticket| t.product_id == product.id && t.status != TicketStatus::Cancelled;
        let own: Vec<&Ticket> = tickets.iter().filter(own).collect();
        let tier = |tier: &pasarela_domain::model::Tier| {
            let price = w.money(&tier.price);
            match &tier.label {
                Some(label) => {
                    let n = own.iter().filter(|t| t.tier_id.as_ref() == Some(&tier.id)).count();
                    format!("{label}: {price} · {}", w.count("shows.tickets", n as u64))
                }
                None => price,
            }
        };
        Sold {
            title: product.title.clone(),
            tiers: product.tiers.iter().map(tier).collect(),
            tickets: if product.is_ticket { w.count("shows.tickets", own.len() as u64) } else { String::new() },
        }
    };
    products.into_iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn order(email: &str) -> Order {
        let money = json!({ "minor": 8_500_000, "currency": "COP" });
        let contact = json!({ "name": "Valentina Ríos", "first_name": "Valentina", "last_name": "Ríos",
            "email": email, "phone": "+573001234567", "language": null });
        serde_json::from_value(json!({
            "id": "1", "number": "O-ABC", "status": "paid", "currency": "COP", "subtotal": money, "tax": money,
            "fees": money, "total": money, "refunded": { "minor": 0, "currency": "COP" }, "fully_refunded": false,
            "free": false, "payment_method": null, "promo_code": null, "buyer": contact, "lines": [],
            "tickets": [{ "id": "9", "code": "A-7KQ2M9X", "status": "active", "holder": contact, "product_id": "1",
                "tier_id": null, "show_id": "7", "order_id": "1" }],
            "show_id": "7", "answers": [], "placed_at": "2026-11-26T04:59:00Z"
        }))
        .expect("an order")
    }

    #[test]
    fn an_order_is_found_by_whatever_a_guest_can_say() {
        let order = order("valentina@correo.example");
        for query in ["", "o-abc", "RÍOS", "valentina@", "3001234567", "a-7kq"] {
            assert!(is_found(&order, query), "{query}");
        }
        assert!(!is_found(&order, "Camila"));
    }

    #[test]
    fn sales_fall_on_the_days_of_bogota() {
        let w = Words::new(super::super::words::Lang::Es);
        // 23:59 of the 25th in Bogotá: yesterday's bar, the last but one.
        let now: Timestamp = "2026-11-26T15:00:00Z".parse().expect("a moment");
        let drawn = sales(w, &[order("v@correo.example")], now).expect("a chart");
        assert_eq!(drawn.matches("<rect").count(), 1);
        assert!(drawn.contains("x=\"121\""), "{drawn}");
        assert!(sales(w, &[], now).is_none());
    }
}
