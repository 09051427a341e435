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
use tokio::io::{AsyncRead, AsyncWrite};
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

/// What answers before the script: a call, and how often its key has come to its path (1: the first).
pub(crate) type Mind = Arc<dyn Fn(&Arrived, usize) -> Option<Reply> + Send + Sync>;

#[derive(Default)]
struct Script {
    mind: Option<Mind>,
    /// Calls that get no answer, since the count was last taken.
    hung: u64,
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
        let server = Self { addr, script };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.serve(stream);
            }
        });
        server
    }

    /// Answers what comes over this stream.
    pub(crate) fn serve(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let script = self.script.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, script.clone()));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A cut ends in an error here, as it should.
            drop(served.await);
        });
    }

    /// What answers before the script does.
    pub(crate) fn mind(&self, mind: Mind) {
        self.script.lock().mind = Some(mind);
    }

    /// Calls that were left without an answer.
    pub(crate) fn hung(&self) -> u64 {
        self.script.lock().hung
    }

    /// Those who waited are gone.
    pub(crate) fn forget_hung(&self) {
        self.script.lock().hung = 0;
    }

    /// Calls after the first so many, in the order of arrival.
    pub(crate) fn since(&self, first: usize) -> Vec<Arrived> {
        self.script.lock().arrived[first..].to_vec()
    }

    /// Calls so far.
    pub(crate) fn count(&self) -> usize {
        self.script.lock().arrived.len()
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
        let arrived = Arrived { method, path, key, token, bytes };
        // Counting is for those who have a mind: it looks at every call.
        let minded = script.mind.clone().and_then(|mind| {
            let before = |a: &&Arrived| a.key == arrived.key && a.path.split('?').next() == Some(&short);
            mind(&arrived, script.arrived.iter().filter(before).count() + 1)
        });
        script.arrived.push(arrived);
        let next = minded.or_else(|| script.next.get_mut(&short).and_then(VecDeque::pop_front));
        let reply = next.or_else(|| script.always.get(&short).cloned());
        let reply = reply.unwrap_or_else(|| Reply::ok(json!({ "ok": true })));
        script.hung += u64::from(matches!(reply, Reply::Hang));
        reply
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
