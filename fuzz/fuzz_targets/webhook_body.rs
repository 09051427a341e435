//! A verified body in a form that nobody foresaw: every connector reads or refuses it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pasarela_connector::{ConnectionConfig, Connector, Source};
use std::sync::LazyLock;

static CONNECTORS: LazyLock<Vec<Box<dyn Connector>>> = LazyLock::new(|| {
    pasarela_connectors::registry()
        .into_iter()
        .filter_map(|p| p.connect(ConnectionConfig::bare("prueba", p.manifest().name)).ok())
        .collect()
});

fuzz_target!(|body: &[u8]| {
    for connector in CONNECTORS.iter() {
        for source in [Source::Webhook, Source::Poll] {
            drop(connector.translate(source, body));
        }
    }
});
