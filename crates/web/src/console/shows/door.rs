//! The door on the page of a show and of an order: how many came in, when a ticket was scanned, and how many wait for a
//! place.

use crate::api::shows::look::{self, ScanView};
use crate::console::moments::Moment;
use crate::console::words::Words;
use jiff::Timestamp;

/// Who came in.
pub(in crate::console) struct Door {
    /// `12 de 53`.
    pub(in crate::console) inside: String,
    pub(in crate::console) lists: Vec<List>,
}

/// By one list.
pub(in crate::console) struct List {
    pub(in crate::console) name: String,
    pub(in crate::console) inside: String,
    /// How full: (inside, tickets), where the list says how many it lets in.
    pub(in crate::console) full: Option<(u64, u64)>,
    pub(in crate::console) closed: bool,
}

/// A scan of a ticket.
pub(in crate::console) struct Scanned {
    /// Key of what happened.
    pub(in crate::console) what: &'static str,
    pub(in crate::console) at: Option<Moment>,
    pub(in crate::console) list: String,
}

/// None: the show has no list, and nobody was scanned. `valid`: tickets that open the door.
pub(super) fn door(w: Words, door: &look::Door, valid: u64) -> Option<Door> {
    let list = |l: &look::DoorView| List {
        name: name(w, &l.name, &l.id),
        inside: of(w, l.inside, l.tickets),
        full: l.tickets.filter(|n| *n > 0).map(|n| (l.inside.min(n), n)),
        closed: l.open == Some(false),
    };
    let lists: Vec<List> = door.lists.iter().map(list).collect();
    (!lists.is_empty() || door.inside > 0).then(|| Door { inside: of(w, door.inside, Some(valid)), lists })
}

fn name(w: Words, name: &str, id: &str) -> String {
    if name.is_empty() { w.with("shows.door_list", id) } else { name.to_owned() }
}

/// `12 de 53`; `12` where nobody knows of how many.
fn of(w: Words, inside: u64, all: Option<u64>) -> String {
    let inside = w.number(inside);
    match all {
        Some(all) => format!("{inside} {}", w.with("shows.of", w.number(all))),
        None => inside,
    }
}

pub(super) fn scanned(w: Words, view: &ScanView, now: Timestamp) -> Scanned {
    Scanned {
        what: if view.scan.undone { "orders.went_out" } else { "orders.came_in" },
        at: view.scan.at.map(|at| Moment::new(w, at, now)),
        list: name(w, &view.list, &view.scan.list_id),
    }
}

/// Those who wait, and what became of offers; nothing where nobody ever waited.
pub(super) fn waits(w: Words, waitlist: look::Waitlist) -> Vec<(&'static str, String)> {
    if waitlist == look::Waitlist::default() {
        return Vec::new();
    }
    let look::Waitlist { waiting, offered, purchased, expired } = waitlist;
    let rows = [
        ("shows.waits", waiting),
        ("shows.offered", offered),
        ("shows.took_offer", purchased),
        ("shows.offer_over", expired),
    ];
    let told = rows.into_iter().filter(|(key, n)| *n > 0 || *key == "shows.waits");
    told.map(|(key, n)| (key, w.number(n))).collect()
}
