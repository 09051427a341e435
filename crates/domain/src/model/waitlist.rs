//! Who waits for a place at a show.

use super::Contact;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody on a show's waitlist: read model `waitlist_entry`, part of its show. It is a contact and no guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitlistEntry {
    /// Provider's id.
    pub id: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Who waits.
    pub contact: Contact,
    /// Where it stands.
    pub status: WaitlistStatus,
    /// Provider's id of the tier that is waited for.
    pub tier_id: Option<String>,
    /// Place in the line, where it is told.
    pub place: Option<u64>,
    /// Since when.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub joined_at: Option<Timestamp>,
    /// Until when the offer stands.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub offered_until: Option<Timestamp>,
    /// Provider's id of the order that it became.
    pub order_id: Option<String>,
}

/// Where somebody on a waitlist stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitlistStatus {
    /// Waits.
    Waiting,
    /// A place was offered.
    Offered,
    /// Bought it.
    Purchased,
    /// Does not wait any more.
    Cancelled,
    /// The offer is over.
    OfferExpired,
    /// A state that the hub does not know.
    Other,
}
