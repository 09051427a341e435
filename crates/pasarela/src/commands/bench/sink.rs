//! The outside services: records every call by event and step, answers after a delay.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What has arrived.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    /// First arrival of each (event, step).
    first: HashMap<(String, String), Instant>,
    /// Events by step.
    steps: HashMap<String, usize>,
    /// Calls that had arrived before.
    again: usize,
}

impl Seen {
    fn note(&self, event: String, step: String) {
        let now = Instant::now();
        let mut calls = self.0.lock();
        match calls.first.entry((event, step)) {
            Entry::Occupied(_) => calls.again += 1,
            Entry::Vacant(entry) => {
                let step = entry.key().1.clone();
                entry.insert(now);
                *calls.steps.entry(step).or_default() += 1;
            }
        }
    }

    /// Events of which this step arrived.
    pub(crate) fn of_step(&self, step: &str) -> usize {
        self.0.lock().steps.get(step).copied().unwrap_or(0)
    }

    /// Calls that arrived again.
    pub(crate) fn again(&self) -> usize {
        self.0.lock().again
    }

    /// When this step of each event arrived first.
    pub(crate) fn arrivals(&self, step: &str) -> HashMap<String, Instant> {
        self.0.lock().first.iter().filter(|((_, s), _)| s == step).map(|((e, _), at)| (e.clone(), *at)).collect()
    }

    /// The earliest first arrival after a moment, of events that do not begin like this.
    pub(crate) fn first_after(&self, moment: Instant, not: &str) -> Option<Instant> {
        let calls = self.0.lock();
        let later = calls.first.iter().filter(|((event, _), at)| **at > moment && !event.starts_with(not));
        later.map(|(_, at)| *at).min()
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
                // A connection that breaks is the hub's to notice.
                let serving = serve(stream, shared.clone(), delay);
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        Ok(Self { addr, seen, task })
    }
}

/// Answers the requests of one connection, with as little work as there can be: the sink shares the
/// machine with what is measured.
async fn serve(mut stream: TcpStream, seen: Arc<Seen>, delay: Duration) -> std::io::Result<()> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let whole = loop {
            if let Some(whole) = request_in(&buffer, &seen) {
                break whole;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        buffer.drain(..whole);
        tokio::time::sleep(delay).await;
        stream.write_all(ANSWER).await?;
    }
}

/// Notes the request at the beginning of a buffer once it is whole; its length.
fn request_in(buffer: &[u8], seen: &Seen) -> Option<usize> {
    let end = buffer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?;
    let length = lines.filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, v)| v.trim().parse().ok()).unwrap_or(0);
    let whole = end + 4 + length;
    if let Some(event) = event_in(buffer.get(end + 4..whole)?) {
        seen.note(event, path.trim_start_matches('/').to_owned());
    }
    Some(whole)
}

/// The first `evt-...` in a body.
fn event_in(body: &[u8]) -> Option<String> {
    let at = body.windows(4).position(|w| w == b"evt-")?;
    let rest = &body[at..];
    let end = rest.iter().position(|c| !(c.is_ascii_alphanumeric() || *c == b'-')).unwrap_or(rest.len());
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}
