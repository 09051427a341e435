//! Scans at the door, and how the ticket stands at the list by which it came (ADR 0125).

use super::super::normal;
use super::super::questions::Questions;
use super::super::wire;
use super::{about_ticket, json};
use jiff::Timestamp;
use pasarela_connector::{EntityWrite, Fact, Item, Unread};
use pasarela_domain::model::{CheckIn, DoorList, Scan};

/// A scan, and how the ticket stands at that list. It does not touch the ticket's read model: here the ticket comes
/// without its answers, and would lose its phone.
pub(super) fn check_in(
    wire: &wire::CheckIn,
    undone: bool,
    at: Option<Timestamp>,
    questions: &Questions,
) -> Result<(Item, EntityWrite), Unread> {
    let ticket = normal::ticket(&wire.attendee, &[], wire.event_id.as_ref(), questions)?;
    let scanned = normal::moment(wire.created_at.as_deref());
    let (event_type, occurred) =
        if undone { ("ticket.check_in_undone", at) } else { ("ticket.checked_in", scanned.or(at)) };
    let list = &wire.check_in_list_id.0;
    let data = CheckIn { id: wire.id.0.clone(), at: scanned, list_id: list.clone(), ticket: ticket.ticket.clone() };
    let (id, show) = (&ticket.ticket.id, &ticket.ticket.show_id);
    let scan = Scan {
        id: data.id.clone(),
        ticket_id: id.clone(),
        show_id: show.clone(),
        list_id: list.clone(),
        at: scanned,
        undone,
    };
    // The later scan counts, and what was undone stays so.
    let stands = EntityWrite::new("check_in", Scan::key(id, list), json(&scan)?).updated(scanned).rank(undone.into());
    // A list of which nothing is known yet; what was read of it stays.
    let by = DoorList {
        id: list.clone(),
        name: String::new(),
        show_id: show.clone(),
        tickets: None,
        came: None,
        open: None,
        product_ids: Vec::new(),
    };
    let by = EntityWrite::new("door_list", list, json(&by)?).rank(-1);
    let fact = Fact::once(event_type, format!("ticket:{id}"), &wire.id.0, "", json(&data)?);
    let fact = fact.at(occurred).with(stands.clone()).with(by).about("ticket", id);
    Ok((about_ticket(fact, &ticket), stands))
}
