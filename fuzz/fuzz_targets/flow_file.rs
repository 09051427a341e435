//! A flow file from anybody: it is refused with places, or compiles, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pasarela_engine::HubCatalog;
use std::sync::{Arc, LazyLock};

static CATALOG: LazyLock<HubCatalog> = LazyLock::new(|| {
    let registry: Vec<Arc<dyn pasarela_connector::Provider>> =
        pasarela_connectors::registry().into_iter().map(Arc::from).collect();
    let named: Vec<_> = registry.iter().map(|p| (p.manifest().name, p.clone())).collect();
    HubCatalog::new(named, registry)
});

fuzz_target!(|text: &str| {
    if let Err(problems) = pasarela_flows::compile("f.yaml", text, pasarela_flows::Origin::File, &*CATALOG) {
        assert!(!problems.is_empty(), "refused without a reason");
    }
});
