//! `/pedidos/{connection}/{id}`: one order with its tickets, and what a guest may ask for.

use super::door::{Scanned, scanned};
use super::{after, order_state};
use crate::App;
use crate::api::shows::look::{self, Found, OfShow as _};
use crate::api::shows::{self, Holder, Nothing};
use crate::console::guard::{Deed, Visit};
use crate::console::marks::Mark;
use crate::console::moments::Moment;
use crate::console::notice::Notice;
use crate::console::page::{Frame, html, problem};
use crate::console::refunds;
use crate::console::words::Words;
use crate::policy::Action;
use crate::policy::Resource::{Shows, Tickets};
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use pasarela_domain::model::{Contact, Order, OrderStatus, Show, Ticket, TicketStatus};

/// A line of the bill.
struct Line {
    title: String,
    quantity: String,
    price: String,
    total: String,
}

/// A ticket.
struct TicketView {
    id: String,
    code: String,
    holder: String,
    ways: String,
    first_name: String,
    last_name: String,
    email: String,
    mark: Mark,
    active: bool,
    scans: Vec<Scanned>,
}

/// Which deeds the provider offers, and the visitor may ask for.
#[derive(Clone, Copy)]
struct Offers {
    cancel: bool,
    pay: bool,
    resend: bool,
    cancel_ticket: bool,
    holder: bool,
}

#[derive(Template)]
#[template(path = "console/pedido.html")]
struct OrderPage {
    frame: Frame,
    notice: Option<&'static str>,
    here: String,
    number: String,
    mark: Mark,
    show: Option<(String, String)>,
    placed: Option<Moment>,
    buyer: String,
    ways: Vec<String>,
    method: Option<String>,
    promo: Option<String>,
    lines: Vec<Line>,
    sums: Vec<(&'static str, String)>,
    tickets: Vec<TicketView>,
    answers: Vec<(String, String)>,
    offers: Offers,
    refund: Option<refunds::Form>,
    refunds: Vec<refunds::Row>,
}

pub(in crate::console) async fn show(
    State(app): State<App>,
    visit: Visit,
    who: Who,
    Path((connection, id)): Path<(String, String)>,
    Query(notice): Query<Notice>,
) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.engine.clock().now());
    let right = (Tickets, Action::ReadPersonal);
    let found: Found<Order> =
        look::entity(&app, &who, right, &connection, "order", &id).await.map_err(|e| problem(&visit, e))?;
    let of_show = look::show(&app, &who, (Shows, Action::Read), &connection, found.data.show_id()).await;
    let may = look::may_see(&app, &who, (Tickets, Action::Write), &found);
    let has = |action: &str| may && app.engine.manifest(&connection).is_some_and(|m| m.action(action).is_some());
    let (refund, refunds) =
        refunds::of_order(&app, &visit, &who, &found).await.map_err(|e| problem(&visit, e.into()))?;
    let order = found.data;
    let offers = Offers {
        cancel: order.status != OrderStatus::Cancelled && has("cancel_order"),
        pay: order.status == OrderStatus::Placed && has("mark_as_paid"),
        resend: has("resend_ticket"),
        cancel_ticket: order.status != OrderStatus::Cancelled && has("cancel_ticket"),
        holder: order.status != OrderStatus::Cancelled && has("update_ticket_holder"),
    };
    let line = |l: &pasarela_domain::model::OrderLine| Line {
        title: l.title.clone(),
        quantity: w.number(u64::from(l.quantity)),
        price: w.money(&l.unit_price),
        total: w.money(&l.total),
    };
    let ids: Vec<&str> = order.tickets.iter().map(|t| t.id.as_str()).collect();
    let scans = look::scans(&app, &connection, &order.show_id, &ids).await.map_err(|e| problem(&visit, e))?;
    let mut tickets: Vec<TicketView> = order.tickets.iter().map(|t| ticket(w, t)).collect();
    for (place, view) in &scans {
        if let Some(ticket) = tickets.get_mut(*place) {
            ticket.scans.push(scanned(w, view, now));
        }
    }
    let page = OrderPage {
        notice: notice.key(),
        here: format!("/pedidos/{connection}/{id}"),
        mark: order_state(w, &order),
        show: of_show.ok().map(|s: Found<Show>| (format!("/desfiles/{connection}/{}", s.data.id), s.data.title)),
        placed: order.placed_at.map(|at| Moment::new(w, at, now)),
        buyer: order.buyer.name.clone(),
        ways: ways(&order.buyer),
        method: order.payment_method.as_ref().map(|m| w.named("payment", m)),
        promo: order.promo_code.clone(),
        lines: order.lines.iter().map(line).collect(),
        sums: sums(w, &order),
        tickets,
        answers: order.answers.iter().map(|a| answer(&order, a)).collect(),
        offers,
        refund,
        refunds,
        number: order.number,
        frame: Frame::new(&app, &visit, "orders.title", "shows").await,
    };
    Ok(html(&page))
}

/// A question, with the ticket that it was answered for.
fn answer(order: &Order, answer: &pasarela_domain::model::Answer) -> (String, String) {
    let ticket = answer.ticket_id.as_ref().and_then(|id| order.tickets.iter().find(|t| t.id == *id));
    let title = ticket.map_or_else(|| answer.title.clone(), |t| format!("{} · {}", answer.title, t.code));
    (title, answer.text.clone())
}

fn ways(contact: &Contact) -> Vec<String> {
    let email = contact.email.as_ref().map(|e| e.as_str().to_owned());
    email.into_iter().chain(contact.phone.as_ref().map(|p| p.as_e164().to_owned())).collect()
}

/// What it comes to: the parts that are there, taxes told apart, and the whole.
fn sums(w: Words, order: &Order) -> Vec<(&'static str, String)> {
    let mut sums = vec![("orders.subtotal", order.subtotal), ("orders.tax", order.tax), ("orders.fees", order.fees)];
    sums.retain(|(key, m)| m.minor != 0 || *key == "orders.tax");
    sums.push(("orders.total", order.total));
    if order.refunded.minor > 0 {
        sums.push(("orders.refunded", order.refunded));
    }
    sums.into_iter().map(|(key, m)| (key, w.money(&m))).collect()
}

fn ticket(w: Words, ticket: &Ticket) -> TicketView {
    let (tone, shape, name) = match ticket.status {
        TicketStatus::Active => ("done", "done", "active"),
        TicketStatus::AwaitingPayment => ("waits", "waits", "awaiting_payment"),
        TicketStatus::Cancelled => ("failed", "withheld", "cancelled"),
    };
    let holder = &ticket.holder;
    TicketView {
        id: ticket.id.clone(),
        code: ticket.code.clone(),
        holder: holder.name.clone(),
        ways: ways(holder).join(" · "),
        first_name: holder.first_name.clone(),
        last_name: holder.last_name.clone(),
        email: holder.email.as_ref().map(|e| e.as_str().to_owned()).unwrap_or_default(),
        mark: Mark { tone, shape, word: w.named("ticket", name) },
        active: ticket.status != TicketStatus::Cancelled,
        scans: Vec::new(),
    }
}

/// What is asked for an order.
pub(in crate::console) async fn act(
    State(app): State<App>,
    who: Who,
    Path((connection, id, what)): Path<(String, String, String)>,
    deed: Deed,
) -> Response {
    let at = (connection.as_str(), id.as_str());
    let asked = match what.as_str() {
        "cancelar" => shows::deed(shows::Deed::CancelOrder, &who, &app, at, Nothing::default()).await,
        "pagado" => shows::deed(shows::Deed::MarkPaid, &who, &app, at, Nothing::default()).await,
        _ => return crate::console::page::not_here(deed.visit).await,
    };
    after(&deed.visit, &format!("/pedidos/{connection}/{id}"), asked)
}

/// What is asked for one of its tickets.
pub(in crate::console) async fn act_on_ticket(
    State(app): State<App>,
    who: Who,
    Path((connection, id, ticket, what)): Path<(String, String, String, String)>,
    deed: Deed,
) -> Response {
    let at = (connection.as_str(), ticket.as_str());
    let asked = match what.as_str() {
        "enviar" => shows::deed(shows::Deed::Resend, &who, &app, at, Nothing::default()).await,
        "cancelar" => shows::deed(shows::Deed::CancelTicket, &who, &app, at, Nothing::default()).await,
        "titular" => {
            let said = |name: &str| Some(deed.field(name).to_owned()).filter(|t| !t.is_empty());
            let holder = Holder { first_name: said("nombres"), last_name: said("apellidos"), email: said("correo") };
            shows::deed(shows::Deed::Holder, &who, &app, at, holder).await
        }
        _ => return crate::console::page::not_here(deed.visit).await,
    };
    after(&deed.visit, &format!("/pedidos/{connection}/{id}"), asked)
}
