//! Types exactly as Percha writes them.

use serde::{Deserialize, Serialize};

/// A garment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Garment {
    pub(super) id: String,
    pub(super) name: String,
    /// Pesos, as a decimal text.
    pub(super) price: String,
}

/// What a webhook's body is wrapped in.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) event: String,
    #[serde(default)]
    pub(super) garment: Option<Garment>,
}

/// A page of garments; the next one is in the `Link` header.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) garments: Vec<Garment>,
}

/// A reservation that was made.
#[derive(Debug, Deserialize)]
pub(super) struct Reservation {
    pub(super) id: String,
}
