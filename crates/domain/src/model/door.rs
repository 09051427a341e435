//! The door of a show: who came through it, by which list.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The last scan of a ticket by one list, as it stands: read model `check_in`, under [`Scan::key`], part of its show. It
/// names nobody: who it was, the ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Provider's id of the check-in.
    pub id: String,
    /// Provider's id of the ticket.
    pub ticket_id: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Provider's id of the door list.
    pub list_id: String,
    /// When it was scanned, by the provider.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// It was taken back: the guest is not inside by it.
    pub undone: bool,
}

impl Scan {
    /// Its id as a read model: whoever knows the ticket and the lists of its show finds it.
    #[must_use]
    pub fn key(ticket: &str, list: &str) -> String {
        format!("{ticket}:{list}")
    }
}

/// A list by which a door lets in: read model `door_list`, part of its show. What opens it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorList {
    /// Provider's id.
    pub id: String,
    /// Name (`Puerta principal`); empty until it was read.
    pub name: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Tickets that it lets in; null until it was read.
    pub tickets: Option<u64>,
    /// Those of them that came, as the provider counts; null until it was read.
    pub came: Option<u64>,
    /// Does it let anybody in now? Null until it was read.
    pub open: Option<bool>,
    /// Products whose tickets it lets in.
    pub product_ids: Vec<String>,
}
