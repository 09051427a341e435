//! The sockets: reads calls, lets the dice decide, answers or breaks off.

use crate::control;
use crate::dice::{CallEnd, CallFate};
use crate::host::Host;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pasarela_connector::{Answer, Headers, Request};
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;

/// Greatest body that is read.
pub(crate) const BODY_MAX: usize = 6 * 1024 * 1024;
/// How much more is read and thrown away, so that the caller reads its 413 and not a reset.
const DRAIN_MAX: usize = 64 * 1024 * 1024;
/// Time for the first half of an answer to reach the caller before the connection is closed.
const HALF_FLUSH: Duration = Duration::from_millis(30);

pub(crate) type ReplyBody = BoxBody<Bytes, BrokenOff>;
pub(crate) type Reply = Response<ReplyBody>;

/// The connection is to be closed here and now.
#[derive(Debug, thiserror::Error)]
#[error("broken off on purpose")]
pub(crate) struct BrokenOff;

pub(crate) async fn accept(host: Host, listener: TcpListener) {
    // Dropped with this task: all connections are closed.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { open.spawn(converse(host.clone(), stream)); }
                // Out of file descriptors, or the caller is gone already: neither ends the host.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn converse(host: Host, stream: TcpStream) {
    // Without it answers are only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(host.clone(), request));
    // Ends in an error whenever a connection is closed on purpose, and when callers hang up.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(host: Host, request: http::Request<Incoming>) -> Result<Reply, BrokenOff> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    if let Some(rest) = control::rest_of(path) {
        return Ok(control::respond(&host, &parts, rest, body).await);
    }
    let (name, url) = split(path);
    let connection = match host.find(name) {
        Ok(connection) => connection,
        Err(why) => {
            return Ok(problem(StatusCode::NOT_FOUND, "No such connection", &why));
        }
    };
    let mut call = Counted::new(&host);
    let body = match read(body).await {
        Ok(body) => body,
        Err(Unreadable::TooLarge) => {
            call.ends(|t| t.answered += 1);
            return Ok(too_large());
        }
        Err(Unreadable::Gone) => return Err(BrokenOff),
    };
    let CallFate { before, after, end } = host.0.dice.lock().call(path);
    pause(before).await;
    match end {
        CallEnd::Cut => {
            call.ends(|t| t.cut += 1);
            return Err(BrokenOff);
        }
        CallEnd::Throttle { retry_after } => {
            pause(after).await;
            call.ends(|t| t.throttled += 1);
            return Ok(throttled(retry_after));
        }
        CallEnd::Failure => {
            pause(after).await;
            call.ends(|t| t.failed += 1);
            return Ok(problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error",
                "a fault of the sandbox; nothing was done",
            ));
        }
        CallEnd::Answer | CallEnd::Lost | CallEnd::Half => {}
    }
    let request = Request { method: parts.method.as_str().to_owned(), url, headers: headers(&parts.headers), body };
    let answer = host.handle(&connection, &request).answer;
    pause(after).await;
    match end {
        CallEnd::Lost => {
            call.ends(|t| t.lost += 1);
            Err(BrokenOff)
        }
        // Half of nothing is nothing: such an answer breaks off before its head.
        CallEnd::Half if answer.body.len() < 2 => {
            call.ends(|t| t.halved += 1);
            Err(BrokenOff)
        }
        CallEnd::Half => {
            call.ends(|t| t.halved += 1);
            Ok(reply(answer, true))
        }
        _ => {
            call.ends(|t| t.answered += 1);
            Ok(reply(answer, false))
        }
    }
}

/// `/boleteria/events?page=2` is `boleteria` and `/events?page=2`.
fn split(path: &str) -> (&str, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let end = path.find(['/', '?']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    if rest.starts_with('/') { (name, rest.to_owned()) } else { (name, format!("/{rest}")) }
}

fn headers(from: &http::HeaderMap) -> Headers {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    };
    Headers(from.iter().map(pair).collect())
}

/// Why a body was not read.
pub(crate) enum Unreadable {
    TooLarge,
    Gone,
}

pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Unreadable> {
    let mut whole = BytesMut::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Gone)?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= BODY_MAX {
            whole.extend_from_slice(&data);
        } else if seen > DRAIN_MAX {
            break;
        } else {
            whole.clear();
        }
    }
    if seen > BODY_MAX {
        return Err(Unreadable::TooLarge);
    }
    Ok(whole.freeze())
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Counts a call's end; one that is dropped without an end was abandoned by its caller.
struct Counted<'a> {
    host: &'a Host,
    ended: bool,
}

impl<'a> Counted<'a> {
    fn new(host: &'a Host) -> Self {
        host.count(|t| t.calls += 1);
        Self { host, ended: false }
    }

    fn ends(&mut self, add: impl FnOnce(&mut crate::Traffic)) {
        self.ended = true;
        self.host.count(add);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.host.count(|t| t.abandoned += 1);
        }
    }
}

pub(crate) fn full(body: impl Into<Bytes>) -> ReplyBody {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

/// An error in a shape that belongs to no provider (RFC 9457).
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Reply {
    let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    let mut reply = Response::new(full(body.to_string()));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

pub(crate) fn too_large() -> Reply {
    let detail = format!("the body is larger than {} MiB", BODY_MAX / 1024 / 1024);
    let mut reply = problem(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large", &detail);
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(header::CONNECTION, close);
    reply
}

fn throttled(retry_after: Option<u64>) -> Reply {
    let mut reply =
        problem(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", "a fault of the sandbox; nothing was done");
    if let Some(seconds) = retry_after {
        reply.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    reply
}

/// A double's answer on the wire. One that cannot be written is a defect of the double, and said so.
fn reply(answer: Answer, half: bool) -> Reply {
    let defect = |what: String| problem(StatusCode::INTERNAL_SERVER_ERROR, "Defect of the simulator", &what);
    let status = match StatusCode::from_u16(answer.status) {
        Ok(status) if status.as_u16() >= 200 => status,
        _ => return defect(format!("it answered with status {}", answer.status)),
    };
    let length = answer.body.len();
    let body =
        if half { HalfBody::new(answer.body.slice(..length / 2), length as u64).boxed() } else { full(answer.body) };
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    for (name, value) in &answer.headers.0 {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return defect(format!("it wrote the header {name:?}, which HTTP does not allow"));
        };
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            reply.headers_mut().append(name, value);
        }
    }
    reply
}

/// Half of a body that promised to be whole; then the connection breaks off.
struct HalfBody {
    half: Option<Bytes>,
    promised: u64,
    flush: Pin<Box<Sleep>>,
}

impl HalfBody {
    fn new(half: Bytes, promised: u64) -> Self {
        Self { half: Some(half), promised, flush: Box::pin(tokio::time::sleep(HALF_FLUSH)) }
    }
}

impl Body for HalfBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        // An error right away would take the buffered half with it.
        self.flush.as_mut().poll(cx).map(|()| Some(Err(BrokenOff)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}
