//! A load generator that costs little: raw HTTP/1.1 over kept connections, bodies signed with
//! HMAC-SHA256 as the `http` provider checks them. Loopback only.
//!
//! Closed loop: each connection sends the next request when it has its answer. At a fixed rate, a
//! thread of its own hands requests out at the moments at which they are due, to whichever connection
//! is free; latency counts from that moment, also for a request that had to wait for a connection, so
//! that a stall of the server is not hidden (open loop).

use super::sample;
use crate::Failure;
use parking_lot::Mutex;
use pasarela_connector::sign::hmac_sha256_hex;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Key of the signatures.
pub(super) const SECRET: &str = "clave-de-prueba";

/// What a load did.
#[derive(Debug, Default, Clone)]
pub(super) struct Load {
    /// 2xx answers.
    pub(super) accepted: u64,
    /// Other answers.
    pub(super) refused: u64,
    /// Of these, 503 with `Retry-After`.
    pub(super) told_to_wait: u64,
    /// Seconds that it took.
    pub(super) seconds: f64,
    /// Latencies in microseconds, sorted.
    pub(super) latencies: Vec<u32>,
    /// Ids that were accepted, and when the first byte of each was sent; empty unless asked for.
    pub(super) ids: HashMap<String, Instant>,
    /// Connections that broke: only where the plan allows it.
    pub(super) broken: u64,
}

impl Load {
    pub(super) fn per_second(&self) -> f64 {
        self.accepted as f64 / self.seconds.max(1e-9)
    }

    /// A percentile in milliseconds.
    pub(super) fn ms(&self, percentile: f64) -> f64 {
        percentile_ms(&self.latencies, percentile)
    }

    fn add(&mut self, part: Self) {
        self.accepted += part.accepted;
        self.refused += part.refused;
        self.told_to_wait += part.told_to_wait;
        self.broken += part.broken;
        self.latencies.extend(part.latencies);
        self.ids.extend(part.ids);
    }
}

/// A percentile of sorted microseconds, in milliseconds.
pub(super) fn percentile_ms(sorted: &[u32], percentile: f64) -> f64 {
    let at = ((sorted.len() as f64 * percentile / 100.0) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
}

/// How to load.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) addr: SocketAddr,
    pub(super) path: String,
    pub(super) connections: usize,
    pub(super) time: Duration,
    /// Requests a second over all connections; `None`: closed loop.
    pub(super) rate: Option<u64>,
    /// Prefix of the ids, different in each round.
    pub(super) run: String,
    /// Bytes of each body.
    pub(super) bytes: usize,
    /// Keep the ids that were accepted.
    pub(super) keep_ids: bool,
    /// The server may be killed meanwhile: a connection that breaks ends quietly.
    pub(super) may_break: bool,
}

impl Plan {
    /// Bodies of 2 kB, as fast as they are taken.
    pub(super) fn new(addr: SocketAddr, path: &str, connections: usize, time: Duration, run: &str) -> Self {
        Self {
            addr,
            path: path.to_owned(),
            connections,
            time,
            rate: None,
            run: run.to_owned(),
            bytes: sample::BYTES,
            keep_ids: false,
            may_break: false,
        }
    }
}

/// Runs a load to its end.
pub(super) async fn run(plan: Plan) -> Result<Load, Failure> {
    if !plan.addr.ip().is_loopback() {
        return Err(Failure::Usage("load goes to loopback addresses only".into()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let turns = plan.rate.map(|_| Arc::new(Turns::default()));
    let mut tasks = Vec::new();
    for n in 0..plan.connections {
        tasks.push(tokio::spawn(connection(plan.clone(), n, stop.clone(), turns.clone())));
    }
    if let (Some(rate), Some(turns)) = (plan.rate, &turns) {
        let (turns, time) = (turns.clone(), plan.time);
        let paced = tokio::task::spawn_blocking(move || pace(&turns, rate, time)).await;
        paced.map_err(|e| Failure::Failed(e.to_string()))?;
    } else {
        tokio::time::sleep(plan.time).await;
        stop.store(true, Ordering::Relaxed);
    }
    let mut load = Load::default();
    for task in tasks {
        let part = task
            .await
            .map_err(|e| Failure::Failed(e.to_string()))?
            .map_err(|e| Failure::Failed(format!("load: {e}")))?;
        load.add(part);
    }
    load.seconds = begun.elapsed().as_secs_f64();
    load.latencies.sort_unstable();
    Ok(load)
}

/// Who is free, or which requests wait for somebody who is.
#[derive(Default)]
struct Turns(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    free: VecDeque<oneshot::Sender<Instant>>,
    due: VecDeque<Instant>,
    over: bool,
}

impl Turns {
    /// The moment at which this connection's next request was due; `None`: there is none any more.
    async fn next(&self) -> Option<Instant> {
        let waits = {
            let mut waiting = self.0.lock();
            if let Some(due) = waiting.due.pop_front() {
                return Some(due);
            }
            if waiting.over {
                return None;
            }
            let (tx, rx) = oneshot::channel();
            waiting.free.push_back(tx);
            rx
        };
        waits.await.ok()
    }
}

/// Hands out requests when they are due. Sleeps are the kernel's, which are finer than a timer wheel's.
fn pace(turns: &Turns, rate: u64, time: Duration) {
    let begun = Instant::now();
    for n in 0..(time.as_secs_f64() * rate as f64) as u64 {
        let due = begun + Duration::from_secs_f64(n as f64 / rate as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut waiting = turns.0.lock();
        let mut due = Some(due);
        while let Some(free) = waiting.free.pop_front() {
            // A connection that has broken takes nothing.
            match due.take().map(|d| free.send(d)) {
                Some(Err(back)) => due = Some(back),
                _ => break,
            }
        }
        waiting.due.extend(due);
    }
    let mut waiting = turns.0.lock();
    waiting.over = true;
    waiting.free.clear();
}

async fn connection(plan: Plan, n: usize, stop: Arc<AtomicBool>, turns: Option<Arc<Turns>>) -> std::io::Result<Load> {
    let mut load = Load::default();
    match exchange(&plan, n, &stop, turns.as_deref(), &mut load).await {
        Err(_) if plan.may_break => load.broken += 1,
        Err(e) => return Err(e),
        Ok(()) => {}
    }
    Ok(load)
}

async fn exchange(
    plan: &Plan,
    n: usize,
    stop: &AtomicBool,
    turns: Option<&Turns>,
    load: &mut Load,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(plan.addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(1024);
    let mut count = 0u64;
    // Everybody sends at least one, however short the time.
    while count == 0 || !stop.load(Ordering::Relaxed) {
        let due = match turns {
            None => None,
            Some(turns) => match turns.next().await {
                Some(due) => Some(due),
                None => return Ok(()),
            },
        };
        count += 1;
        let id = format!("evt-{}-{n}x{count}", plan.run);
        let body = sample::sized(&id, plan.bytes);
        let signature = hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
            plan.path,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(&body);
        let sent = Instant::now();
        stream.write_all(&request).await?;
        let answer = read_answer(&mut stream, &mut buffer).await?;
        if (200..300).contains(&answer.status) {
            load.accepted += 1;
            if plan.keep_ids {
                load.ids.insert(id, sent);
            }
        } else {
            load.refused += 1;
            load.told_to_wait += u64::from(answer.status == 503 && answer.retry_after);
        }
        load.latencies.push(u32::try_from(due.unwrap_or(sent).elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(())
}

struct Answer {
    status: u16,
    retry_after: bool,
}

/// Reads one answer with a content length.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Answer> {
    let odd = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer");
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end]).map_err(|_| odd())?;
            let status: u16 = head.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(odd)?;
            let header = |name: &str| {
                let found = head.lines().filter_map(|l| l.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, v)| v.trim())
            };
            let length: usize = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let retry_after = header("retry-after").is_some();
                buffer.drain(..whole);
                return Ok(Answer { status, retry_after });
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
    }
}
