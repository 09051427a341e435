//! What Percha tells: webhooks, and the garments that reading brings.

use super::Settings;
use super::wire::{Envelope, Garment};
use pasarela_connector::verify::{Gate, Hmac, Scheme};
use pasarela_connector::{ConnectionConfig, EntityWrite, Fact, Item, Translation, Unread};
use pasarela_domain::model::{Product, Tier};
use pasarela_domain::{Currency, Money};
use std::time::Duration;

/// Header of the signature.
pub(super) const SIGNATURE: &str = "x-percha-signature";

pub(super) fn gate(config: &ConnectionConfig) -> Result<Gate, String> {
    Gate::new(config, Some(Scheme::Hmac(Hmac::hex(SIGNATURE))), Duration::MAX)
}

pub(super) fn translate(body: &[u8], settings: &Settings) -> Result<Translation, Unread> {
    let envelope: Envelope = serde_json::from_slice(body)?;
    let item = match (envelope.event.as_str(), envelope.garment) {
        ("garment.changed", Some(garment)) if !garment.id.is_empty() => changed(garment, settings)?.into(),
        ("garment.changed", _) => return Err(Unread("garment.changed without a garment".into())),
        // Known or not, nobody needs it.
        (other, _) => Item::Ignored { kind: other.to_owned() },
    };
    Ok(Translation { items: vec![item] })
}

/// The present state of a garment: told by webhook, told again or read, it is news only when it differs.
fn changed(garment: Garment, settings: &Settings) -> Result<Fact, Unread> {
    let price = Money::from_major_text(&garment.price, Currency::COP).map_err(|e| Unread(e.to_string()))?;
    let product = Product {
        id: garment.id.clone(),
        title: garment.name,
        show_id: settings.show_id.clone(),
        is_ticket: false,
        tiers: vec![Tier { id: garment.id.clone(), label: None, price }],
    };
    let data = serde_json::to_value(product)?;
    Ok(Fact::state("product.updated", EntityWrite::new("product", garment.id, data)))
}
