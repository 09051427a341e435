//! A closed-loop load generator that costs little: raw HTTP/1.1 over kept connections, bodies signed
//! with HMAC-SHA256 as the `http` provider checks them. Loopback only.

use super::sample::body;
use crate::Failure;
use pasarela_connector::sign::hmac_sha256_hex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Key of the signatures.
pub(super) const SECRET: &str = "clave-de-prueba";

/// What a load did.
#[derive(Debug, Default, Clone)]
pub(super) struct Load {
    /// 2xx answers.
    pub(super) accepted: u64,
    /// Other answers.
    pub(super) refused: u64,
    /// Seconds that it took.
    pub(super) seconds: f64,
    /// Latencies in microseconds, sorted.
    pub(super) latencies: Vec<u32>,
}

impl Load {
    pub(super) fn per_second(&self) -> f64 {
        self.accepted as f64 / self.seconds.max(1e-9)
    }

    /// A percentile in milliseconds.
    pub(super) fn ms(&self, percentile: f64) -> f64 {
        let at =
            ((self.latencies.len() as f64 * percentile / 100.0) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
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
}

/// Runs a load to its end.
pub(super) async fn run(plan: Plan) -> Result<Load, Failure> {
    if !plan.addr.ip().is_loopback() {
        return Err(Failure::Usage("load goes to loopback addresses only".into()));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let ticket = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..plan.connections {
        tasks.push(tokio::spawn(connection(plan.clone(), n, begun, stop.clone(), ticket.clone())));
    }
    tokio::time::sleep(plan.time).await;
    stop.store(true, Ordering::Relaxed);
    let mut load = Load::default();
    for task in tasks {
        let part = task
            .await
            .map_err(|e| Failure::Failed(e.to_string()))?
            .map_err(|e| Failure::Failed(format!("load: {e}")))?;
        load.accepted += part.accepted;
        load.refused += part.refused;
        load.latencies.extend(part.latencies);
    }
    load.seconds = begun.elapsed().as_secs_f64();
    load.latencies.sort_unstable();
    Ok(load)
}

async fn connection(
    plan: Plan,
    n: usize,
    begun: Instant,
    stop: Arc<AtomicBool>,
    ticket: Arc<AtomicU64>,
) -> std::io::Result<Load> {
    let mut stream = TcpStream::connect(plan.addr).await?;
    stream.set_nodelay(true)?;
    let mut load = Load::default();
    let mut buffer = Vec::with_capacity(1024);
    let mut count = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let mut from = Instant::now();
        if let Some(rate) = plan.rate {
            // Latency counts from the moment at which the request was due, so that a stall is not hidden.
            let due = begun + Duration::from_secs_f64(ticket.fetch_add(1, Ordering::Relaxed) as f64 / rate as f64);
            tokio::time::sleep_until(due.into()).await;
            from = due;
        }
        count += 1;
        let body = body(&format!("evt-{}-{n}x{count}", plan.run));
        let signature = hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
            plan.path,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(&body);
        stream.write_all(&request).await?;
        let status = read_answer(&mut stream, &mut buffer).await?;
        if (200..300).contains(&status) {
            load.accepted += 1;
        } else {
            load.refused += 1;
        }
        load.latencies.push(u32::try_from(from.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(load)
}

/// Reads one answer with a content length; returns its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    let odd = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not an HTTP answer");
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end]).map_err(|_| odd())?;
            let status: u16 = head.get(9..12).and_then(|s| s.parse().ok()).ok_or_else(odd)?;
            let length: usize = head
                .lines()
                .find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("content-length")))
                .and_then(|(_, v)| v.trim().parse().ok())
                .unwrap_or(0);
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                buffer.drain(..whole);
                return Ok(status);
            }
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
    }
}
