//! One folder per provider, all with the same files: front page (manifest), `auth`, `wire`,
//! `inbound`, `effects`, `reconcile`, `simulator`. No I/O anywhere in here.

pub mod hi_events;
pub mod http;
pub mod smtp;
pub mod twenty;
pub mod whatsapp;

use pasarela_connector::Provider;

/// Every provider that the hub knows. A new one is one folder and one line here.
#[must_use]
pub fn registry() -> Vec<Box<dyn Provider>> {
    vec![
        Box::new(hi_events::HiEvents),
        Box::new(http::Http::new()),
        Box::new(smtp::Smtp),
        Box::new(twenty::Twenty),
        Box::new(whatsapp::WhatsApp),
    ]
}
