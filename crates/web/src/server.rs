//! Listeners: HTTP/1 with limits on time, so that a slow client holds nothing.

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Largest body of a webhook.
pub const MAX_BODY: usize = 6 * 1024 * 1024;
/// Largest buffer of one connection, and so the most that headers may take. Bodies pass through it.
const BUFFER: usize = 32 * 1024;
/// What a connection hears that is one too many, before it is closed.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a listener gives to those who come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections that are open at once; who comes beyond hears 503 and is closed.
    pub connections: usize,
    /// Longest time for a request's headers, and for a connection on which nothing is asked.
    pub header_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 4096, header_time: Duration::from_secs(10) }
    }
}

/// Who is at the other end of a connection: whoever asks, or a proxy in front of the hub.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub std::net::IpAddr);

/// A listener that runs.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Takes no new connections, lets requests that are being answered finish (at most `patience`).
    pub async fn stop(self, patience: Duration) {
        // Nobody listens any more only when the task has ended already.
        let _ = self.stop.send(true);
        drop(tokio::time::timeout(patience, self.task).await);
    }
}

/// Serves `router` on `listener`.
pub fn serve(listener: TcpListener, router: Router) -> std::io::Result<Running> {
    serve_within(listener, router, Bounds::default())
}

/// The same within other bounds.
pub fn serve_within(listener: TcpListener, router: Router, bounds: Bounds) -> std::io::Result<Running> {
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, router, bounds, stopped));
    Ok(Running { addr, stop, task })
}

/// Serves `router` on a Unix socket, for commands on this machine.
#[must_use]
pub fn serve_unix(listener: tokio::net::UnixListener, router: Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                // A command that goes away early is no error.
                drop(builder(Bounds::default().header_time).serve_connection(TokioIo::new(stream), service).await);
            });
        }
    })
}

fn builder(header_time: Duration) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_time).max_buf_size(BUFFER);
    builder
}

async fn accept(listener: TcpListener, router: Router, bounds: Bounds, mut stopped: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    // Told once for each time that it gets full, not for each who comes.
    let mut full = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
            // Ended connections are forgotten as they end.
            Some(_) = connections.join_next() => continue,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from),
            Err(e) => {
                // Too many open files, most likely: those that are open go on.
                tracing::error!(error = %e, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if connections.len() >= bounds.connections {
            if !full {
                full = true;
                let (addr, most) = (listener.local_addr().ok(), bounds.connections);
                tracing::warn!(?addr, most, "as many connections are open as may be; others are told to come again");
            }
            turn_away(stream);
            continue;
        }
        full = full && connections.len() * 4 > bounds.connections * 3;
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!(error = %e, "no nodelay");
        }
        let known = tower::util::MapRequest::new(router.clone(), move |mut request: http::Request<_>| {
            request.extensions_mut().insert(Peer(from.ip()));
            request
        });
        let service = TowerToHyperService::new(known);
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let served = builder(bounds.header_time).serve_connection(TokioIo::new(stream), service);
            tokio::pin!(served);
            tokio::select! {
                _ = &mut served => {}
                _ = stopped.changed() => {
                    served.as_mut().graceful_shutdown();
                    drop(served.await);
                }
            }
        });
    }
    while connections.join_next().await.is_some() {}
}

/// Says that there is no room, without waiting for anything: what does not fit into the socket's buffer is not said.
fn turn_away(stream: tokio::net::TcpStream) {
    // Nothing was read of it, and nothing is held for it.
    let _said = stream.try_write(FULL);
    drop(stream);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// Who opens connections and sends a header a day holds none of them.
    #[tokio::test]
    async fn a_connection_that_sends_half_a_header_or_nothing_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (_open, stopped) = watch::channel(false);
        let bounds = Bounds { header_time: Duration::from_millis(50), ..Bounds::default() };
        tokio::spawn(accept(listener, Router::new(), bounds, stopped));
        for begun in ["GET / HTTP/1.1\r\nx-slow: ", ""] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok_and(|read| read.is_ok()), "'{begun}' holds its connection");
        }
    }

    /// Descriptors are not used up by who opens connections, and whoever comes when others went is served.
    #[tokio::test]
    async fn a_connection_too_many_is_told_to_come_again_and_one_that_ends_makes_room() {
        let router = Router::new().fallback(|| async { "ok" });
        let bounds = Bounds { connections: 2, ..Bounds::default() };
        let running = serve_within(TcpListener::bind("127.0.0.1:0").await.unwrap(), router, bounds).unwrap();
        let asked = async |stream: &mut TcpStream| {
            // Turned away before it was written, or after.
            drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await);
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.map(|_| String::from_utf8_lossy(&head[9..]).into_owned())
        };
        let open = async || TcpStream::connect(running.addr).await.unwrap();
        let (mut first, mut second) = (open().await, open().await);
        assert_eq!(asked(&mut first).await.unwrap(), "200");
        assert_eq!(asked(&mut second).await.unwrap(), "200");
        // What it hears was written before it was closed; a reset may overtake it.
        for _ in 0..50 {
            let mut third = open().await;
            let heard = tokio::time::timeout(Duration::from_secs(20), asked(&mut third)).await.expect("it is let go");
            assert!(heard.as_ref().map_or(true, |status| status == "503"), "{heard:?}");
        }
        drop(first);
        let served = async {
            loop {
                if asked(&mut open().await).await.is_ok_and(|status| status == "200") {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), served).await.expect("there is room again");
        assert!(second.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.is_ok(), "who was in stays in");
    }

    #[tokio::test]
    async fn headers_beyond_the_buffer_are_refused() {
        let running = serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), Router::new()).unwrap();
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        let head =
            format!("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-long: {}\r\n\r\n", "x".repeat(2 * BUFFER));
        // It may be refused, and closed, before all of it was written.
        drop(stream.write_all(head.as_bytes()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    }
}
