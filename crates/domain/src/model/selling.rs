//! How a show sells: what of it makes it cheaper, by whose links, how many places are left, and what it came to.

use crate::{EmailAddress, Money};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A code that makes a purchase cheaper: read model `promo_code`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromoCode {
    /// Provider's id.
    pub id: String,
    /// What buyers type.
    pub code: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Percent off.
    pub percent: Option<f64>,
    /// Amount off.
    pub amount: Option<Money>,
    /// Products that it counts for; empty: all.
    pub product_ids: Vec<String>,
    /// Until when it counts.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ends_at: Option<Timestamp>,
    /// Orders that used it.
    pub used: u64,
    /// How often it may be used.
    pub most: Option<u64>,
}

/// Somebody whose link sells: read model `affiliate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Affiliate {
    /// Provider's id.
    pub id: String,
    /// Who it is.
    pub name: String,
    /// The code in their link.
    pub code: String,
    /// Where they are written to.
    pub email: Option<EmailAddress>,
    /// Provider's id of the show.
    pub show_id: String,
    /// Does their link count?
    pub active: bool,
    /// Orders by their link.
    pub orders: u64,
    /// What those came to.
    pub total: Money,
}

/// Places that several products share: read model `capacity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Provider's id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// How many; null: without limit.
    pub places: Option<u64>,
    /// Taken of them.
    pub taken: u64,
    /// Is it in force?
    pub active: bool,
    /// Products that share them; empty: the whole show.
    pub product_ids: Vec<String>,
}

/// What is left of a product: read model `stock`, under the product's id. It changes with each sale and tells no event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stock {
    /// Provider's id of the product.
    pub product_id: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Sold of it.
    pub sold: u64,
    /// By tier.
    pub tiers: Vec<TierStock>,
}

/// What is left of a tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierStock {
    /// Provider's id.
    pub tier_id: String,
    /// How many there are; null: without limit.
    pub places: Option<u64>,
    /// Sold of them.
    pub sold: u64,
    /// Nothing is left.
    pub sold_out: bool,
}

/// What a show came to, as its provider counts: read model `show_sales`, under the show's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShowSales {
    /// Provider's id of the show.
    pub show_id: String,
    /// Orders.
    pub orders: u64,
    /// Tickets and goods.
    pub products: u64,
    /// Guests.
    pub guests: u64,
    /// What buyers paid.
    pub gross: Money,
    /// Taxes in it.
    pub tax: Money,
    /// Fees in it.
    pub fees: Money,
    /// Refunded of it.
    pub refunded: Money,
    /// Visits of its page.
    pub views: u64,
    /// The last days, as many as the provider tells of.
    pub days: Vec<DaySales>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DaySales {
    /// `2026-04-09`, by the provider's calendar.
    pub day: String,
    /// Orders.
    pub orders: u64,
    /// Guests.
    pub guests: u64,
    /// What buyers paid.
    pub gross: Money,
    /// Refunded.
    pub refunded: Money,
}
