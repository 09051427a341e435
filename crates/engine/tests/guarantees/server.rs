//! The outside: answers what the test scripted, in order, and remembers every call. What is not
//! scripted is answered `200 {"ok":true}`.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// How one call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, a JSON body, headers.
    Say(u16, Value, Vec<(&'static str, String)>),
    /// The connection ends after the request was read: the answer is lost.
    Cut,
    /// No answer at all.
    Hang,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self::Say(200, body, Vec::new())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Say(status, json!({ "error": status }), Vec::new())
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Say(_, _, headers) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// One call that arrived whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) bytes: Bytes,
}

impl Arrived {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }
}

#[derive(Default)]
struct Script {
    /// By path without query.
    next: HashMap<String, VecDeque<Reply>>,
    always: HashMap<String, Reply>,
    arrived: Vec<Arrived>,
}

/// A scripted server on loopback.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, script.clone()));
                    let served =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // A cut ends in an error here, as it should.
                    drop(served.await);
                });
            }
        });
        Self { addr, script }
    }

    /// The next calls of a path are answered like this.
    pub(crate) fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().next.entry(path.to_owned()).or_default().extend(replies);
    }

    /// Calls of a path are answered like this when nothing else is scripted.
    pub(crate) fn always(&self, path: &str, reply: Reply) {
        self.script.lock().always.insert(path.to_owned(), reply);
    }

    /// Calls of a path so far.
    pub(crate) fn calls(&self, path: &str) -> Vec<Arrived> {
        let script = self.script.lock();
        script.arrived.iter().filter(|a| a.path.split('?').next() == Some(path)).cloned().collect()
    }

    /// A field of the body of each call of a path, in the order of arrival.
    pub(crate) fn values(&self, path: &str, pointer: &str) -> Vec<Value> {
        self.calls(path).iter().map(|c| c.json().pointer(pointer).cloned().unwrap_or_default()).collect()
    }
}

async fn answer(
    request: hyper::Request<hyper::body::Incoming>,
    script: Arc<Mutex<Script>>,
) -> std::io::Result<hyper::Response<Full<Bytes>>> {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (key, token) = (header("idempotency-key"), header("authorization"));
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let short = request.uri().path().to_owned();
    let lost = || std::io::Error::other("cut");
    let bytes = request.into_body().collect().await.map_err(|_| lost())?.to_bytes();
    let reply = {
        let mut script = script.lock();
        script.arrived.push(Arrived { method, path, key, token, bytes });
        let next = script.next.get_mut(&short).and_then(VecDeque::pop_front);
        next.or_else(|| script.always.get(&short).cloned()).unwrap_or_else(|| Reply::ok(json!({ "ok": true })))
    };
    match reply {
        Reply::Say(status, body, headers) => {
            let mut builder = hyper::Response::builder().status(status).header("content-type", "application/json");
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            builder.body(Full::new(Bytes::from(body.to_string()))).map_err(std::io::Error::other)
        }
        Reply::Cut => Err(lost()),
        Reply::Hang => std::future::pending().await,
    }
}
