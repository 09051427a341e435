//! `/devoluciones`: requests to give money back. One person asks, on the order's page; another one decides here.
//!
//! Promise: asking and deciding is done by people with an account of their own, so that two names are two people: not by
//! whoever came in by a key or by a link that names nobody. Who approves proved lately who they are.

use super::guard::{Deed, FreshDeed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::notice::Notice;
use super::page::{Frame, html, problem};
use super::words::Words;
use crate::api::refunds::{found, may, named, seen};
use crate::api::shows::look::{self, Found};
use crate::policy::Action::{Approve, Ask, ReadPersonal};
use crate::policy::Resource::{Events, Refunds, Tickets};
use crate::who::Who;
use crate::{App, audit};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use pasarela_domain::Money;
use pasarela_domain::model::{Order, OrderStatus};
use pasarela_engine::{
    AskError, Colleague, NewRefund, Refund, RefundError, RefundFilter, RefundId, RefundOutcome, RefundState,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Requests on a page.
const PAGE: u32 = 50;
/// Here.
const HERE: &str = "/devoluciones";

/// A request as it is shown.
pub(super) struct Row {
    /// Part of the page that it is, and of the addresses of its deeds.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) number: String,
    pub(super) amount: String,
    pub(super) mark: Mark,
    pub(super) reason: String,
    pub(super) asked: String,
    pub(super) cancels: bool,
    pub(super) until: Option<Moment>,
    pub(super) decided: Option<String>,
    pub(super) why: Option<String>,
    pub(super) order: Option<String>,
    pub(super) story: Option<String>,
    pub(super) may_decide: bool,
    pub(super) may_withdraw: bool,
}

#[derive(Template)]
#[template(path = "console/devoluciones.html")]
struct ListPage {
    frame: Frame,
    notice: Option<&'static str>,
    rows: Vec<Row>,
    /// Also those that are over.
    all: bool,
    older: Option<String>,
    /// The visitor has no account of their own.
    loose: bool,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    todas: Option<String>,
    c: Option<String>,
    aviso: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    visit: Visit,
    who: Who,
    Query(asked): Query<Asked>,
) -> Result<Response, Response> {
    let all = asked.todas.is_some();
    let before = crate::api::cursor(asked.c.as_deref()).ok().flatten();
    let filter = RefundFilter { open: !all, before, limit: PAGE };
    let (found, next) = seen(&app, &who, filter).await.map_err(|e| problem(&visit, e.into()))?;
    let todas = if all { "todas=1&" } else { "" };
    Ok(html(&ListPage {
        notice: Notice::of(asked.aviso).key(),
        rows: found.iter().map(|r| row(&app, &visit, &who, r)).collect(),
        all,
        older: next.map(|n| format!("{HERE}?{todas}c={}", crate::api::cursor_text(n))),
        loose: colleague(&visit, &who).is_none(),
        frame: Frame::new(&app, &visit, "refunds.title", "refunds").await,
    }))
}

/// A request, for whoever looks.
pub(super) fn row(app: &App, visit: &Visit, who: &Who, refund: &Refund) -> Row {
    let (w, now) = (visit.w, app.engine.clock().now());
    let me = colleague(visit, who);
    let own = me.as_ref().is_some_and(|me| me.id == refund.asked_by.id);
    let waits = refund.state == RefundState::Waiting;
    let RefundId { connection, order_id, number } = &refund.id;
    let brand = app.engine.brand_of(connection);
    let sees_order = who.may_see_part(Tickets, ReadPersonal, brand.as_deref(), &refund.show_id);
    Row {
        id: format!("{connection}/{order_id}/{number}"),
        title: w.with("refunds.of", w.money(&refund.amount)).replacen("{}", &refund.order_number, 1),
        number: refund.order_number.clone(),
        amount: w.money(&refund.amount),
        mark: mark(w, refund),
        reason: refund.reason.clone(),
        asked: said(w, "refunds.asked_by", &refund.asked_by.name, refund.asked_at, now),
        cancels: refund.cancel_order,
        until: waits.then(|| Moment::new(w, refund.expires_at, now)),
        decided: decided(w, refund, now),
        why: refund.why.clone(),
        order: sees_order.then(|| format!("/pedidos/{connection}/{order_id}")),
        story: refund.event_id.filter(|_| visit.may(ReadPersonal, Events)).map(|id| format!("/historia/{id}")),
        may_decide: waits && me.is_some() && !own && may(app, who, Approve, refund),
        may_withdraw: waits && own && may(app, who, Ask, refund),
    }
}

/// A sentence with a name and a moment.
fn said(w: Words, key: &str, name: &str, at: Timestamp, now: Timestamp) -> String {
    w.with(key, name).replacen("{}", &Moment::new(w, at, now).text, 1)
}

fn decided(w: Words, refund: &Refund, now: Timestamp) -> Option<String> {
    let at = refund.decided_at?;
    let name = refund.decided_by.as_ref().map_or("", |c| c.name.as_str());
    Some(match refund.state {
        RefundState::Approved => said(w, "refunds.approved_by", name, at, now),
        RefundState::Refused => said(w, "refunds.refused_by", name, at, now),
        _ => return None,
    })
}

fn mark(w: Words, refund: &Refund) -> Mark {
    let (tone, shape, name) = match (refund.state, refund.outcome) {
        (RefundState::Waiting, _) => ("waits", "waits", "waiting"),
        (RefundState::Refused, _) => ("quiet", "withheld", "refused"),
        (RefundState::Withdrawn, _) => ("quiet", "withheld", "withdrawn"),
        (RefundState::Expired, _) => ("quiet", "withheld", "expired"),
        (RefundState::Approved, Some(RefundOutcome::Done)) => ("done", "done", "done"),
        (RefundState::Approved, Some(RefundOutcome::Already)) => ("quiet", "done", "already"),
        (RefundState::Approved, Some(RefundOutcome::Refused)) => ("failed", "failed", "provider_refused"),
        (RefundState::Approved, Some(RefundOutcome::Unknown)) => ("waits", "unknown", "unknown"),
        (RefundState::Approved, Some(RefundOutcome::Stuck)) => ("failed", "failed", "stuck"),
        (RefundState::Approved, _) => ("info", "waits", "under_way"),
    };
    Mark { tone, shape, word: w.named("refund", name) }
}

/// Who it is, where they have an account of their own.
fn colleague(visit: &Visit, who: &Who) -> Option<Colleague> {
    let id = visit.session.as_ref()?.account.clone()?;
    Some(Colleague { id, name: who.name.clone() })
}

/// What can be asked for on an order's page.
pub(super) struct Form {
    /// The most, as a number field takes it.
    pub(super) most: String,
    /// The smallest amount.
    pub(super) step: String,
    /// The same as people read it.
    pub(super) left: String,
    pub(super) may_cancel: bool,
}

/// The form, and the requests of an order: nothing for who may not see them.
pub(super) async fn of_order(
    app: &App,
    visit: &Visit,
    who: &Who,
    order: &Found<Order>,
) -> Result<(Option<Form>, Vec<Row>), pasarela_store::Error> {
    if !look::may_see(app, who, (Refunds, ReadPersonal), order) {
        return Ok((None, Vec::new()));
    }
    let (connection, order) = (&order.connection, &order.data);
    let all = app.engine.refunds_of_order(connection, &order.id).await?;
    let open = all.iter().any(Refund::is_open);
    let left = Money::new(order.total.minor.saturating_sub(order.refunded.minor), order.currency);
    let brand = app.engine.brand_of(connection);
    let offered = app.engine.manifest(connection).is_some_and(|m| m.action("refund").is_some())
        && who.may_see_part(Refunds, Ask, brand.as_deref(), &order.show_id)
        && colleague(visit, who).is_some();
    let form = Form {
        most: left.major_text(),
        step: Money::new(1, order.currency).major_text(),
        left: visit.w.money(&left),
        may_cancel: order.status != OrderStatus::Cancelled,
    };
    let possible = offered && !open && left.minor > 0 && order.status != OrderStatus::Placed;
    Ok((possible.then_some(form), all.iter().map(|r| row(app, visit, who, r)).collect()))
}

/// Asks for a refund of an order.
pub(super) async fn ask(
    State(app): State<App>,
    who: Who,
    Path((connection, id)): Path<(String, String)>,
    deed: Deed,
) -> Response {
    let back = format!("/pedidos/{connection}/{id}");
    let order: Found<Order> = match look::entity(&app, &who, (Refunds, Ask), &connection, "order", &id).await {
        Ok(order) => order,
        Err(e) => return problem(&deed.visit, e),
    };
    let Some(by) = colleague(&deed.visit, &who) else { return nothing(&back, "refund_loose") };
    let amount = match deed.field("valor") {
        "" => None,
        text => match Money::from_major_text(text, order.data.currency) {
            Ok(money) => Some(money.minor),
            Err(_) => return nothing(&back, "refund_invalid"),
        },
    };
    audit::of_brand(app.engine.brand_of(&connection));
    note("refunds.ask", &format!("{connection}/order:{id}"), Value::Null);
    let new = NewRefund {
        connection,
        order_id: id,
        amount,
        cancel_order: !deed.field("cancelar").is_empty(),
        reason: deed.field("motivo").to_owned(),
    };
    after(&deed.visit, &back, "refund_asked", app.engine.ask_refund(new, by).await)
}

/// Which request a form is about.
type Which = Path<(String, String, String)>;

pub(super) async fn approve(State(app): State<App>, who: Who, Path(id): Which, FreshDeed(deed): FreshDeed) -> Response {
    let id = named(id);
    let by = match decider(&app, &who, &deed.visit, ("refunds.approve", Approve), &id).await {
        Ok(by) => by,
        Err(answer) => return answer,
    };
    after(&deed.visit, HERE, "refund_approved", app.engine.approve_refund(&id, by).await)
}

pub(super) async fn refuse(State(app): State<App>, who: Who, Path(id): Which, deed: Deed) -> Response {
    let id = named(id);
    let by = match decider(&app, &who, &deed.visit, ("refunds.refuse", Approve), &id).await {
        Ok(by) => by,
        Err(answer) => return answer,
    };
    after(&deed.visit, HERE, "refund_refused", app.engine.refuse_refund(&id, by).await)
}

pub(super) async fn withdraw(State(app): State<App>, who: Who, Path(id): Which, deed: Deed) -> Response {
    let id = named(id);
    let by = match decider(&app, &who, &deed.visit, ("refunds.withdraw", Ask), &id).await {
        Ok(by) => by,
        Err(answer) => return answer,
    };
    after(&deed.visit, HERE, "refund_withdrawn", app.engine.withdraw_refund(&id, by).await)
}

/// Who does this with a request, and how it stood: for the audit, before anything is done.
async fn decider(
    app: &App,
    who: &Who,
    visit: &Visit,
    (deed, action): (&str, crate::policy::Action),
    id: &RefundId,
) -> Result<Colleague, Response> {
    let refund = found(app, who, action, id).await.map_err(|e| problem(visit, e))?;
    audit::of_brand(app.engine.brand_of(&id.connection));
    note(deed, &id.to_string(), told(&refund));
    colleague(visit, who).ok_or_else(|| nothing(HERE, "refund_loose"))
}

fn note(deed: &str, subject: &str, before: Value) {
    audit::before(subject, before);
    audit::note(|n| n.action = Some(deed.to_owned()));
}

/// What the audit keeps of a request.
fn told(refund: &Refund) -> Value {
    json!({
        "order": refund.order_number, "amount": refund.amount, "cancel_order": refund.cancel_order,
        "state": refund.state, "asked_by": refund.asked_by.id, "reason": refund.reason,
    })
}

/// Back to where it was asked, with what came of it.
fn after(visit: &Visit, back: &str, done: &str, came: Result<Refund, RefundError>) -> Response {
    match came {
        Ok(refund) => {
            audit::done(refund.id.to_string(), told(&refund));
            Redirect::to(&format!("{back}?aviso={done}")).into_response()
        }
        Err(e) => match sentence(&e) {
            Some(key) => nothing(back, key),
            None => problem(visit, e.into()),
        },
    }
}

/// Back, with why nothing was done.
fn nothing(back: &str, why: &str) -> Response {
    audit::nothing();
    Redirect::to(&format!("{back}?aviso={why}")).into_response()
}

/// The notice that says why not; `None`: a page of its own says it.
fn sentence(e: &RefundError) -> Option<&'static str> {
    Some(match e {
        RefundError::Invalid(_) => "refund_invalid",
        RefundError::TooMuch(_) => "refund_too_much",
        RefundError::NotPaid => "refund_not_paid",
        RefundError::Another(_) => "refund_another",
        RefundError::Own => "refund_own",
        RefundError::NotOwn => "refund_not_own",
        RefundError::Decided(_) => "refund_decided",
        RefundError::Moved => "refund_moved",
        RefundError::Ask(AskError::NoConnection(_) | AskError::NoAction { .. }) => "refund_not_offered",
        RefundError::Ask(AskError::Refused(_)) => "refused",
        RefundError::Ask(AskError::Busy(_)) => "busy",
        RefundError::NotFound(_) | RefundError::Ask(AskError::Store(_)) | RefundError::Store(_) => return None,
    })
}
