//! One folder per provider, all with the same files: front page (manifest), `auth`, `wire`,
//! `inbound`, `effects`, `reconcile`, `simulator`. No I/O anywhere in here.

use pasarela_connector::Provider;

/// Declares each provider's module and lists it in [`registry`]: one line for both.
///
/// `cargo fmt` does not look into macros, so it does not find these modules: `scripts/fmt` formats them.
macro_rules! providers {
    ($($module:ident :: $provider:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// Every provider that the hub knows.
        #[must_use]
        pub fn registry() -> Vec<Box<dyn Provider>> {
            vec![$(Box::new($module::$provider::default())),+]
        }
    };
}

// A new provider is one folder and one line here.
providers! {
    ga4::Ga4,
    hi_events::HiEvents,
    http::Http,
    rne::Rne,
    smtp::Smtp,
    twenty::Twenty,
    whatsapp::WhatsApp,
}
