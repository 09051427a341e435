//! Headers and query of an enemy: no connector panics, and none believes what it cannot check.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pasarela_connector::{ConnectionConfig, Connector, RawRequest, Verdict};
use pasarela_domain::Secret;
use std::sync::LazyLock;

static CONNECTORS: LazyLock<Vec<Box<dyn Connector>>> = LazyLock::new(|| {
    pasarela_connectors::registry()
        .into_iter()
        .filter_map(|p| {
            let mut config = ConnectionConfig::bare("prueba", p.manifest().name);
            config.webhook_secrets = vec![Secret::new("clave-de-prueba")];
            p.connect(config).ok()
        })
        .collect()
});

fuzz_target!(|input: (&str, &str, &str, &[u8])| {
    let (one, other, query, body) = input;
    let now = jiff::Timestamp::UNIX_EPOCH;
    let header = |name: &str| Some(if name.contains("timestamp") || name.contains("id") { other } else { one });
    for connector in CONNECTORS.iter() {
        for method in ["POST", "GET"] {
            let verdict = connector.verify(&RawRequest { method, query, header: &header, body }, now);
            assert!(!matches!(verdict, Verdict::Authentic { .. }), "believed without the secret");
        }
    }
});
