//! Routes of shows, orders, tickets and refunds, each with its description and who may call it.

use super::{CheckIn, CheckOut, Deed, Holder, Nothing};
use crate::App;
use crate::api::{body, refunds, shows};
use crate::policy::may;
use crate::problem::Problem;
use crate::routes::{Again, Routes, op};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Shows, orders and tickets, and what is done with them by hand.
pub(in crate::api) fn routes() -> Routes {
    use crate::policy::Action::{Read, ReadPersonal};
    use crate::policy::Resource::{Refunds, Shows, Tickets};
    Routes::new()
        .get(
            "/shows",
            shows::list,
            op(may(Read, Shows), "Shows of every connection, by connection and id")
                .query::<shows::Filter>()
                .lists::<shows::ShowView>(),
        )
        .get(
            "/shows/{connection}/{id}",
            shows::one,
            op(may(Read, Shows), "One show, with what is sold for it and who came in")
                .answers::<shows::WholeShow>()
                .problems(&[404]),
        )
        .get(
            "/shows/{connection}/{id}/orders",
            shows::orders,
            op(may(ReadPersonal, Tickets), "Orders of a show, the first seen last")
                .query::<shows::Paging>()
                .lists::<shows::OrderView>()
                .problems(&[404]),
        )
        .get(
            "/shows/{connection}/{id}/tickets",
            shows::tickets,
            op(may(ReadPersonal, Tickets), "Tickets of a show, the first seen last")
                .query::<shows::Paging>()
                .lists::<shows::TicketView>()
                .problems(&[404]),
        )
        .get(
            "/orders/{connection}/{id}",
            shows::order,
            op(may(ReadPersonal, Tickets), "One order, with its tickets")
                .answers::<shows::OrderView>()
                .problems(&[404]),
        )
        .get(
            "/tickets/{connection}/{id}",
            shows::ticket,
            op(may(ReadPersonal, Tickets), "One ticket, and when it was scanned")
                .answers::<shows::WholeTicket>()
                .problems(&[404]),
        )
        .get(
            "/refunds",
            refunds::list,
            op(may(ReadPersonal, Refunds), "Requests to give money back, newest first")
                .about("A page may hold fewer requests than asked for, also none: go on while there is a cursor. People ask and decide, in the console.")
                .query::<refunds::Filter>()
                .lists::<pasarela_engine::Refund>(),
        )
        .get(
            "/refunds/{connection}/{id}/{number}",
            refunds::one,
            op(may(ReadPersonal, Refunds), "One request to give money back: the order's, by its number from 1")
                .answers::<pasarela_engine::Refund>()
                .problems(&[404]),
        )
        .asks::<Nothing>("/shows/{connection}/{id}/publish", Deed::Publish, "Make a show public")
        .asks::<Nothing>("/shows/{connection}/{id}/archive", Deed::Archive, "Archive a show")
        .asks::<Nothing>("/orders/{connection}/{id}/cancel", Deed::CancelOrder, "Cancel an order")
        .asks::<Nothing>("/orders/{connection}/{id}/mark-paid", Deed::MarkPaid, "Take an order as paid")
        .asks::<Nothing>("/tickets/{connection}/{id}/cancel", Deed::CancelTicket, "Cancel a ticket")
        .asks::<Nothing>("/tickets/{connection}/{id}/resend", Deed::Resend, "Send a ticket to its holder again")
        .asks::<Holder>("/tickets/{connection}/{id}/holder", Deed::Holder, "Give a ticket another holder")
        .asks::<CheckIn>("/tickets/{connection}/{id}/check-in", Deed::CheckIn, "Let a ticket's holder in")
        .asks::<CheckOut>("/tickets/{connection}/{id}/check-out", Deed::CheckOut, "Take a check-in back")
}

impl Routes {
    /// A deed that a flow does: 202, and the delivery whose event tells what comes of it.
    fn asks<T>(self, path: &'static str, deed: shows::Deed, about: &'static str) -> Self
    where
        T: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static,
    {
        let (resource, action) = deed.right();
        let handler = move |who: crate::who::Who,
                            State(app): State<App>,
                            Path((connection, id)): Path<(String, String)>,
                            bytes: Bytes| async move {
            let more: T = body(&bytes)?;
            let asked = shows::deed(deed, &who, &app, (&connection, &id), more).await?;
            Ok::<_, Problem>((StatusCode::ACCEPTED, Json(asked)))
        };
        let operation = op(may(action, resource), about)
            .about("It is done by a flow (`a-mano-...`), as everything is: `delivery_id` leads to the event that tells of it and to its story.")
            .status(202)
            .answers::<pasarela_engine::Asked>()
            .problems(&[404, 409, 503])
            .again(Again::Safe);
        let operation = if deed.must_be_told_more() { operation.takes::<T>() } else { operation.may_take::<T>() };
        self.post(path, handler, operation)
    }
}
