//! How a show sells, exactly as Hi.Events writes it (contract sections 2.2 and 2.5).

use super::{Amount, Id, or_default};
use serde::Deserialize;

/// `PromoCodeResource`.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct PromoCode {
    pub(in crate::hi_events) id: Id,
    pub(in crate::hi_events) code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) discount_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) discount: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) applicable_product_ids: Vec<Id>,
    #[serde(default)]
    pub(in crate::hi_events) expiry_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) order_usage_count: u64,
    #[serde(default)]
    pub(in crate::hi_events) max_allowed_usages: Option<u64>,
}

/// `AffiliateResource`.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct Affiliate {
    pub(in crate::hi_events) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) code: String,
    #[serde(default)]
    pub(in crate::hi_events) email: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_sales: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_sales_gross: Amount,
}

/// `CapacityAssignmentResource`.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct CapacityAssignment {
    pub(in crate::hi_events) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) name: String,
    #[serde(default)]
    pub(in crate::hi_events) capacity: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) used_capacity: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) status: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) products: Vec<Named>,
}

/// Whatever has an id.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct Named {
    pub(in crate::hi_events) id: Id,
}

/// Answer of `GET /events/{id}/stats`.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct Stats {
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) daily_stats: Vec<DayStats>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_products_sold: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_attendees_registered: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_orders: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_gross_sales: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_fees: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_tax: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_views: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_refunded: Amount,
}

/// One of its days.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct DayStats {
    pub(in crate::hi_events) date: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_sales_gross: Amount,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) orders_created: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) attendees_registered: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_refunded: Amount,
}

/// A row of `GET /events/{id}/check-in-lists`. Its short id opens the list to anybody, and is not read here.
#[derive(Debug, Deserialize)]
pub(in crate::hi_events) struct CheckInList {
    pub(in crate::hi_events) id: Id,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) total_attendees: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) checked_in_attendees: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) is_expired: bool,
    /// Null: it is.
    #[serde(default)]
    pub(in crate::hi_events) is_active: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::hi_events) products: Vec<Named>,
}
