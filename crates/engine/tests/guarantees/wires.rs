//! A network in memory between a hub and its provider. Each connection has a fate, told by its number,
//! so that a seed names the same network again: refused, swallowed, cut in the request or in the
//! answer, late. All of it can be frozen: a partition, or the last thing that a dying process saw.

use crate::server::Server;
use pasarela_engine::{Network, Reaching, Stream};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

/// What becomes of one connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Clean,
    /// Nobody listens.
    Refused,
    /// Nobody answers to the first packet.
    BlackHole,
    /// It breaks after so many bytes of requests.
    CutRequest(usize),
    /// It breaks after so many bytes of answers.
    CutAnswer(usize),
    /// Each piece takes so long, each way.
    Late(Duration),
}

/// Fate of the connection with this number, from 0.
pub(crate) type Fates = Arc<dyn Fn(u64) -> Fate + Send + Sync>;

/// The network of one life of a hub.
pub(crate) struct Wires {
    server: Server,
    fates: Fates,
    made: Arc<AtomicU64>,
    frozen: watch::Sender<bool>,
    /// Where every name leads.
    address: parking_lot::Mutex<std::net::IpAddr>,
}

impl Wires {
    pub(crate) fn new(server: Server, fates: Fates, made: Arc<AtomicU64>) -> Self {
        Self {
            server,
            fates,
            made,
            frozen: watch::Sender::new(false),
            address: parking_lot::Mutex::new([203, 0, 113, 7].into()),
        }
    }

    /// Where every name leads from now on.
    pub(crate) fn names_lead_to(&self, address: std::net::IpAddr) {
        *self.address.lock() = address;
    }

    /// From now on nothing passes, until it is thawed.
    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

impl Network for Wires {
    fn resolve(&self, _host: &str, port: u16) -> Reaching<Vec<SocketAddr>> {
        let address = *self.address.lock();
        Box::pin(async move { Ok(vec![SocketAddr::from((address, port))]) })
    }

    fn connect(&self, _address: SocketAddr) -> Reaching<Box<dyn Stream>> {
        let fate = (self.fates)(self.made.fetch_add(1, Ordering::SeqCst));
        let (server, mut frozen) = (self.server.clone(), self.frozen.subscribe());
        Box::pin(async move {
            drop(frozen.wait_for(|f| !*f).await);
            let (mut request, mut answer, mut delay) = (usize::MAX, usize::MAX, Duration::ZERO);
            match fate {
                Fate::Clean => {}
                Fate::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
                Fate::BlackHole => std::future::pending().await,
                Fate::CutRequest(bytes) => request = bytes,
                Fate::CutAnswer(bytes) => answer = bytes,
                Fate::Late(by) => delay = by,
            }
            let (ours, here) = tokio::io::duplex(64 * 1024);
            let (there, theirs) = tokio::io::duplex(64 * 1024);
            server.serve(theirs);
            tokio::spawn(async move {
                let ((from_hub, to_hub), (from_server, to_server)) = (tokio::io::split(here), tokio::io::split(there));
                let out = carry(from_hub, to_server, request, delay, frozen.clone());
                let back = carry(from_server, to_hub, answer, delay, frozen);
                // Whichever way ends, both end.
                tokio::select! { () = out => {}, () = back => {} }
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut left: usize,
    delay: Duration,
    mut frozen: watch::Receiver<bool>,
) {
    let mut piece = vec![0; 16 * 1024];
    while left > 0 {
        let Ok(read) = from.read(&mut piece).await else { return };
        if read == 0 || frozen.wait_for(|f| !*f).await.is_err() {
            return;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let part = read.min(left);
        left -= part;
        if to.write_all(&piece[..part]).await.is_err() {
            return;
        }
    }
}
