//! Kept connections. A call's own task drives the connection that it uses: nothing is handed to another
//! task and back, which for a short call costs more than the call.
//!
//! A kept connection that its other side has closed meanwhile is noticed when it is taken out. If it is
//! closed in the very moment of sending, and the request has not begun to leave, it goes by a new one.

use super::{Guard, Plain, chain};
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tower::Service as _;

/// Longest time that an unused connection is kept.
const KEEP: Duration = Duration::from_secs(60);

type Body = Full<Bytes>;

/// Why there is no answer.
pub(super) struct Failed {
    /// There was no connection, so nothing was sent.
    pub(super) never_sent: bool,
    pub(super) why: String,
}

/// Connections by scheme and authority, the one used last on top.
pub(super) struct Pool {
    connector: HttpsConnector<Guard>,
    kept: Mutex<HashMap<(bool, String), Vec<Kept>>>,
    most: usize,
}

struct Kept {
    line: Line,
    since: Instant,
}

/// A connection and its driver.
pub(super) struct Line {
    sender: SendRequest<Body>,
    driver: http1::Connection<MaybeHttpsStream<Plain>, Body>,
    /// The driver has ended: it must not be polled again.
    over: bool,
}

impl Line {
    fn poll_driver(&mut self, cx: &mut Context<'_>) {
        if !self.over && Pin::new(&mut self.driver).poll(cx).is_ready() {
            self.over = true;
        }
    }

    /// Polls the driver beside what waits for it.
    pub(super) async fn drive<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            self.poll_driver(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    fn is_usable(&self) -> bool {
        !self.over && self.sender.is_ready()
    }
}

impl Pool {
    pub(super) fn new(connector: HttpsConnector<Guard>, most: usize) -> Self {
        Self { connector, kept: Mutex::new(HashMap::new()), most }
    }

    /// Sends a request with an absolute address. The line has to be driven while the body is read, and
    /// given back by [`Pool::keep`]. `connected` becomes true before the first byte leaves.
    pub(super) async fn send(
        &self,
        mut request: http::Request<Body>,
        connected: &AtomicBool,
    ) -> Result<(http::Response<Incoming>, Line, (bool, String)), Failed> {
        let failed = |never_sent: bool, why: String| Failed { never_sent, why };
        let uri = request.uri().clone();
        let Some(authority) = uri.authority() else {
            return Err(failed(true, "the address names no host".into()));
        };
        let https = uri.scheme_str() == Some("https");
        let origin = (https, authority.as_str().to_owned());
        let default = if https { 443 } else { 80 };
        let host = if uri.port_u16() == Some(default) { authority.host() } else { authority.as_str() };
        let host = HeaderValue::from_str(host.rsplit('@').next().unwrap_or(host))
            .map_err(|e| failed(true, format!("the host cannot be sent: {e}")))?;
        request.headers_mut().entry(HOST).or_insert(host);
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        *request.uri_mut() = path.parse().map_err(|e| failed(true, format!("the path cannot be sent: {e}")))?;
        loop {
            let kept = self.take(&origin);
            let reused = kept.is_some();
            let mut line = match kept {
                Some(line) => line,
                None => self.connect(&uri).await.map_err(|why| failed(true, why))?,
            };
            connected.store(true, Ordering::Relaxed);
            let sending = line.sender.try_send_request(request);
            match line.drive(sending).await {
                Ok(response) => return Ok((response, line, origin)),
                Err(mut e) => match e.take_message() {
                    Some(unsent) if reused => {
                        connected.store(false, Ordering::Relaxed);
                        request = unsent;
                    }
                    _ => return Err(failed(false, chain(e.error()))),
                },
            }
        }
    }

    async fn connect(&self, uri: &http::Uri) -> Result<Line, String> {
        self.forget_old();
        let mut connector = self.connector.clone();
        let ready = poll_fn(|cx| connector.poll_ready(cx)).await;
        ready.map_err(|e| chain(&*e))?;
        let stream = connector.call(uri.clone()).await.map_err(|e| chain(&*e))?;
        let (sender, driver) = http1::handshake(stream).await.map_err(|e| chain(&e))?;
        let mut line = Line { sender, driver, over: false };
        // A new connection takes a request only after its driver ran once.
        poll_fn(|cx| {
            line.poll_driver(cx);
            Poll::Ready(())
        })
        .await;
        Ok(line)
    }

    /// A kept connection that is still good.
    fn take(&self, origin: &(bool, String)) -> Option<Line> {
        loop {
            let mut kept = self.kept.lock().get_mut(origin)?.pop()?;
            if kept.since.elapsed() > KEEP {
                continue;
            }
            kept.line.poll_driver(&mut Context::from_waker(Waker::noop()));
            if kept.line.is_usable() {
                return Some(kept.line);
            }
        }
    }

    /// Keeps a connection whose answer has been read, if it may be used again.
    pub(super) async fn keep(&self, mut line: Line, origin: (bool, String)) {
        // The driver notices here that the answer is at its end.
        poll_fn(|cx| {
            line.poll_driver(cx);
            Poll::Ready(())
        })
        .await;
        if !line.is_usable() {
            return;
        }
        let mut kept = self.kept.lock();
        let of_origin = kept.entry(origin).or_default();
        if of_origin.len() < self.most {
            of_origin.push(Kept { line, since: Instant::now() });
        }
    }

    /// What nobody has used for long is closed, whosever it is.
    fn forget_old(&self) {
        let mut old = Vec::new();
        let mut kept = self.kept.lock();
        kept.retain(|_, lines| {
            old.extend(lines.extract_if(.., |l| l.since.elapsed() > KEEP));
            !lines.is_empty()
        });
        drop(kept);
        // Closed without the lock.
        drop(old);
    }
}
