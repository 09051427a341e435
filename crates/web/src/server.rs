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
/// Longest time for a request's headers.
const HEADER_TIME: Duration = Duration::from_secs(10);

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
    let addr = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, router, HEADER_TIME, stopped));
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
                drop(builder(HEADER_TIME).serve_connection(TokioIo::new(stream), service).await);
            });
        }
    })
}

fn builder(header_time: Duration) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header_time).max_buf_size(BUFFER);
    builder
}

async fn accept(listener: TcpListener, router: Router, header_time: Duration, mut stopped: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
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
            let served = builder(header_time).serve_connection(TokioIo::new(stream), service);
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
        tokio::spawn(accept(listener, Router::new(), Duration::from_millis(50), stopped));
        for begun in ["GET / HTTP/1.1\r\nx-slow: ", ""] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok_and(|read| read.is_ok()), "'{begun}' holds its connection");
        }
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
