//! The waitlist of a show (contract section 2.5, since 1.7.0). Its paths and states are known; how a row is written is
//! not confirmed, so that only its id and its state must be there.

use super::{Id, or_default};
use serde::Deserialize;

/// A row of `GET /events/{id}/waitlist`.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct WaitlistEntry {
    pub(in crate::hi_events) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) status: String,
    #[serde(default)]
    pub(in crate::hi_events) product_price_id: Option<Id>,
    #[serde(default)]
    pub(in crate::hi_events) first_name: Option<String>,
    #[serde(default)]
    pub(in crate::hi_events) last_name: Option<String>,
    #[serde(default)]
    pub(in crate::hi_events) email: Option<String>,
    #[serde(default)]
    pub(in crate::hi_events) locale: Option<String>,
    #[serde(default)]
    pub(in crate::hi_events) position: Option<u64>,
    #[serde(default)]
    pub(in crate::hi_events) offer_expires_at: Option<String>,
    #[serde(default)]
    pub(in crate::hi_events) order_id: Option<Id>,
    #[serde(default)]
    pub(in crate::hi_events) created_at: Option<String>,
}
