//! The outside services: records every call by event and step, answers after a delay.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Calls seen: (event, step) with the count and the first arrival.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<(String, String), (u32, Instant)>>);

impl Seen {
    /// How often each (event, step) arrived.
    pub(crate) fn counts(&self) -> HashMap<(String, String), u32> {
        self.0.lock().iter().map(|(k, (n, _))| (k.clone(), *n)).collect()
    }

    /// Calls of one step.
    pub(crate) fn of_step(&self, step: &str) -> usize {
        self.0.lock().keys().filter(|(_, s)| s == step).count()
    }
}

/// Serves until it is dropped.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(delay: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                let seen = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                        let seen = seen.clone();
                        async move {
                            let step = request.uri().path().trim_start_matches('/').to_owned();
                            let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
                            if let Some(event) = event_in(&body) {
                                let mut seen = seen.0.lock();
                                seen.entry((event, step)).or_insert_with(|| (0, Instant::now())).0 += 1;
                            }
                            tokio::time::sleep(delay).await;
                            let answer = hyper::Response::builder()
                                .header("content-type", "application/json")
                                .body(Full::new(Bytes::from_static(b"{\"ok\":true}")));
                            Ok::<_, Infallible>(answer.unwrap_or_default())
                        }
                    });
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Ok(Self { addr, seen, task })
    }
}

/// The first `evt-...` in a body.
fn event_in(body: &[u8]) -> Option<String> {
    let at = body.windows(4).position(|w| w == b"evt-")?;
    let rest = &body[at..];
    let end = rest.iter().position(|c| !(c.is_ascii_alphanumeric() || *c == b'-')).unwrap_or(rest.len());
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}
