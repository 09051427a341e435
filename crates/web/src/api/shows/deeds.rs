//! What a person may have done with a show, an order or a ticket: asked for here, done by a flow (ADR 0124).

use super::look::{self, Found, Right};
use crate::policy::Action::{Operate, Write};
use crate::policy::Resource::{Shows, Tickets};
use crate::problem::Problem;
use crate::who::Who;
use crate::{App, audit};
use axum::http::StatusCode;
use pasarela_domain::model::{Order, Show, Ticket};
use pasarela_engine::{AskError, Asked, Wish};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Make a show public.
    Publish,
    /// End a show.
    Archive,
    /// Cancel an order.
    CancelOrder,
    /// Take an order that is paid elsewhere as paid.
    MarkPaid,
    /// Cancel one ticket.
    CancelTicket,
    /// Send a ticket again.
    Resend,
    /// Give a ticket another holder.
    Holder,
    /// Let somebody in.
    CheckIn,
    /// Take that back.
    CheckOut,
}

impl Deed {
    /// The action of the connection that does it.
    fn action(self) -> &'static str {
        match self {
            Self::Publish => "publish_show",
            Self::Archive => "archive_show",
            Self::CancelOrder => "cancel_order",
            Self::MarkPaid => "mark_as_paid",
            Self::CancelTicket => "cancel_ticket",
            Self::Resend => "resend_ticket",
            Self::Holder => "update_ticket_holder",
            Self::CheckIn => "check_in",
            Self::CheckOut => "check_out",
        }
    }

    /// Kind of what it is done with.
    fn kind(self) -> &'static str {
        match self {
            Self::Publish | Self::Archive => "show",
            Self::CancelOrder | Self::MarkPaid => "order",
            Self::CancelTicket | Self::Resend | Self::Holder | Self::CheckIn | Self::CheckOut => "ticket",
        }
    }

    /// Does it need something that only the person can say?
    pub(crate) fn must_be_told_more(self) -> bool {
        matches!(self, Self::CheckIn | Self::CheckOut)
    }

    /// Its name in the audit.
    fn told(self) -> &'static str {
        match self {
            Self::Publish => "shows.publish",
            Self::Archive => "shows.archive",
            Self::CancelOrder => "orders.cancel",
            Self::MarkPaid => "orders.mark_paid",
            Self::CancelTicket => "tickets.cancel",
            Self::Resend => "tickets.resend",
            Self::Holder => "tickets.holder",
            Self::CheckIn => "tickets.check_in",
            Self::CheckOut => "tickets.check_out",
        }
    }

    /// Who may.
    pub(crate) fn right(self) -> Right {
        match self {
            Self::Publish | Self::Archive => (Shows, Write),
            Self::CancelOrder | Self::MarkPaid | Self::CancelTicket | Self::Resend | Self::Holder => (Tickets, Write),
            Self::CheckIn | Self::CheckOut => (Tickets, Operate),
        }
    }
}

/// Nothing more is to be said.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NothingMore")]
pub(crate) struct Nothing {}

/// Who comes with a ticket from now on; what is left out stays.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewHolder")]
pub(crate) struct Holder {
    /// Given names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_name: Option<String>,
    /// Surnames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_name: Option<String>,
    /// E-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

/// By which list somebody comes in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CheckInBy")]
pub(crate) struct CheckIn {
    /// The provider's id of the door list.
    list: String,
    /// Also take an order that is not paid yet as paid.
    #[serde(default)]
    mark_paid: bool,
}

/// Which check-in is taken back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CheckOutOf")]
pub(crate) struct CheckOut {
    /// The provider's id of the door list.
    list: String,
    /// The provider's id of the check-in, as `ticket.checked_in` names it.
    check_in: String,
}

/// Has it done. What the person says is `more`, and ids come from what is known of the thing.
pub(crate) async fn deed<T: DeserializeOwned + Serialize>(
    deed: Deed,
    who: &Who,
    app: &App,
    (connection, id): (&str, &str),
    more: T,
) -> Result<Asked, Problem> {
    let right = deed.right();
    let mut known = Map::new();
    let mut about = Vec::new();
    let mut say = |field: &str, value: &str| drop(known.insert(field.to_owned(), json!(value)));
    match deed.kind() {
        "show" => {
            let show: Found<Show> = look::show(app, who, right, connection, id).await?;
            say("show_id", &show.data.id);
        }
        "order" => {
            let order: Found<Order> = look::entity(app, who, right, connection, "order", id).await?;
            about.extend(order.data.buyer.email.as_ref().map(|e| e.as_str().to_owned()));
            say("order_id", &order.data.id);
            say("show_id", &order.data.show_id);
        }
        _ => {
            let ticket: Found<Ticket> = look::entity(app, who, right, connection, "ticket", id).await?;
            about.extend(ticket.data.holder.email.as_ref().map(|e| e.as_str().to_owned()));
            say("ticket_id", &ticket.data.id);
            say("order_id", &ticket.data.order_id);
            say("show_id", &ticket.data.show_id);
            say("code", &ticket.data.code);
        }
    }
    let input = input_of(app, connection, deed.action(), known, &more);
    let subject = format!("{}:{id}", deed.kind());
    audit::of_brand(app.engine.brand_of(connection));
    audit::note(|n| {
        n.action = Some(deed.told().to_owned());
        n.subject = Some(format!("{connection}/{subject}"));
        n.after = Some(json!({ "action": deed.action(), "input": input }));
        n.about = about.iter().map(|email| app.engine.subject_hash("email", email)).collect();
    });
    let wish = Wish {
        connection: connection.to_owned(),
        action: deed.action().to_owned(),
        input,
        about: subject,
        by: who.name.clone(),
    };
    Ok(app.engine.do_by_hand(wish).await?)
}

/// Of what is known only what the action asks for, and all that the person said.
fn input_of<T: Serialize>(app: &App, connection: &str, action: &str, known: Map<String, Value>, more: &T) -> Value {
    let action = app.engine.manifest(connection).and_then(|m| m.action(action));
    let mut input = action.map_or_else(Map::new, |action| pasarela_engine::input_of(action, known));
    if let Ok(Value::Object(said)) = serde_json::to_value(more) {
        input.extend(said);
    }
    Value::Object(input)
}

impl From<AskError> for Problem {
    fn from(e: AskError) -> Self {
        match e {
            AskError::NoConnection(_) => Self::not_found(e.to_string()),
            AskError::NoAction { .. } => {
                Self::new(StatusCode::CONFLICT, "not_offered", "The provider does not offer this", e.to_string())
            }
            AskError::Refused(why) => Self::bad_request(why),
            AskError::Busy(why) => Self::busy(why),
            AskError::Store(e) => e.into(),
        }
    }
}
