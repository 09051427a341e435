//! The host from outside: real sockets, a small double, a hub that can be down.

mod calls;
mod control;
mod double;
mod hub;
mod mail;
mod webhooks;
mod wire;

use double::Double;
use pasarela_domain::{Clock, SystemClock};
use pasarela_sandbox::{Faults, Host, Options};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A host with one double under `tienda`, and no hub.
async fn host(faults: Faults) -> Host {
    host_for("http://127.0.0.1:9", faults, Arc::new(SystemClock)).await
}

async fn host_for(hub_url: &str, faults: Faults, clock: Arc<dyn Clock>) -> Host {
    let host = Host::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        hub_url: hub_url.into(),
        clock,
        seed: 7,
        faults,
    })
    .await
    .unwrap();
    host.add("tienda", Box::new(Double::default()));
    host
}

/// Waits until `met`, at most ten seconds.
async fn until<F: Future<Output = bool>>(what: &str, mut met: impl FnMut() -> F) {
    let began = Instant::now();
    while !met().await {
        assert!(began.elapsed() < Duration::from_secs(10), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn quiet(host: &Host) {
    until("no webhook is pending", || async { host.pending_webhooks() == 0 }).await;
}
