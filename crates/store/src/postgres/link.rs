//! Connections: how a URL is read, how one connection is made, and which of them a read goes by.
//!
//! The URL's password goes into the connection and nowhere else: no error and no log line of this
//! module repeats any of the URL but host, port and database.

use super::tls::Tls;
use crate::contract::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_postgres::config::{ChannelBinding, Host};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config};

/// How long one try to connect may last.
const CONNECT: Duration = Duration::from_secs(5);
const READERS: usize = 4;

/// Where the database is, and how it is reached.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    tls: Option<Tls>,
    /// `host:port/database`, for people.
    pub(super) shown: String,
}

impl Address {
    /// Reads a `postgres://` URL.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::Database(format!(
                "store.url: {why}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=verify-full or disable"
            ))
        };
        let mut parsed = url::Url::parse(url).map_err(|_| wrong("this is not a URL"))?;
        // `sslmode` is ours: the driver's own words for it promise less than they seem to.
        let mut mode = None;
        let mut rest = Vec::new();
        for (name, value) in parsed.query_pairs() {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                _ => rest.push((name.into_owned(), value.into_owned())),
            }
        }
        parsed.set_query(None);
        if !rest.is_empty() {
            parsed.query_pairs_mut().extend_pairs(rest);
        }
        let mut config: Config = parsed.as_str().parse().map_err(|_| wrong("the driver cannot read it"))?;
        let local = config.get_hosts().iter().all(|h| match h {
            Host::Unix(_) => true,
            Host::Tcp(name) => matches!(&**name, "localhost" | "127.0.0.1" | "::1" | "[::1]"),
        });
        let tls = match mode.as_deref() {
            Some("disable") => None,
            Some("require" | "verify-full") => Some(Tls::new()?),
            None if local => None,
            None => Some(Tls::new()?),
            Some(_) => return Err(wrong("sslmode is neither disable nor require nor verify-full")),
        };
        config.ssl_mode(match tls {
            Some(_) => tokio_postgres::config::SslMode::Require,
            None => tokio_postgres::config::SslMode::Disable,
        });
        config
            .channel_binding(ChannelBinding::Disable)
            .connect_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("pasarela");
        }
        if config.get_hosts().is_empty() {
            return Err(wrong("no host is named"));
        }
        let shown = format!(
            "{}:{}{}",
            parsed.host_str().unwrap_or("localhost"),
            parsed.port().unwrap_or(5432),
            if parsed.path().len() > 1 { parsed.path() } else { "/(default)" }
        );
        Ok(Self { config, tls, shown })
    }

    /// A connection, driven on `handle`.
    pub(super) async fn connect(&self, handle: &Handle) -> Result<Client, Error> {
        let (address, driver) = (self.clone(), handle.clone());
        let made = handle.spawn(async move {
            // The connection's end shows in its client, so nobody listens to the driving task.
            match &address.tls {
                Some(tls) => {
                    let (client, connection) = address.config.connect(tls.clone()).await?;
                    drop(driver.spawn(connection));
                    Ok(client)
                }
                None => {
                    let (client, connection) = address.config.connect(tokio_postgres::NoTls).await?;
                    drop(driver.spawn(connection));
                    Ok(client)
                }
            }
        });
        match made.await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(e)) => Err(self.unreachable(&e)),
            Err(_) => Err(Error::Closed),
        }
    }

    /// A connection of its own that tells what others notify (`LISTEN` is still to be said). The sender's
    /// other end closes when the connection is lost.
    pub(super) async fn hear(
        &self,
        handle: &Handle,
    ) -> Result<(Client, tokio::sync::mpsc::UnboundedReceiver<String>), Error> {
        let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
        let made = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()).await.map(|(c, connection)| {
                drop(handle.spawn(pass_on(connection, tx)));
                c
            }),
            None => self.config.connect(tokio_postgres::NoTls).await.map(|(c, connection)| {
                drop(handle.spawn(pass_on(connection, tx)));
                c
            }),
        };
        made.map(|client| (client, rx)).map_err(|e| self.unreachable(&e))
    }

    fn unreachable(&self, e: &tokio_postgres::Error) -> Error {
        Error::Unreachable(format!("PostgreSQL at {}: {}", self.shown, said(e)))
    }

    /// A database error in words that tell people what to do.
    pub(super) fn classify(&self, e: &tokio_postgres::Error) -> Error {
        if e.is_closed() {
            return self.unreachable(e);
        }
        let Some(code) = e.code() else {
            let io = std::error::Error::source(e).is_some_and(|s| s.is::<std::io::Error>());
            return if io { self.unreachable(e) } else { Error::Database(said(e)) };
        };
        match code {
            c if *c == SqlState::DISK_FULL => Error::DiskFull,
            c if *c == SqlState::DATA_CORRUPTED || *c == SqlState::INDEX_CORRUPTED => Error::Corrupt(said(e)),
            c if is_going_away(c) => self.unreachable(e),
            _ => Error::Database(said(e)),
        }
    }
}

/// Drives a connection and passes on what is notified.
async fn pass_on<S, T>(mut connection: tokio_postgres::Connection<S, T>, to: tokio::sync::mpsc::UnboundedSender<String>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if let tokio_postgres::AsyncMessage::Notification(note) = message
            && to.send(note.payload().to_owned()).is_err()
        {
            return;
        }
    }
}

/// Does the server end this connection for a reason of its own?
fn is_going_away(code: &SqlState) -> bool {
    // Class 08: connections; 57P: a shutdown or a start; 53300: too many connections.
    code.code().starts_with("08") || code.code().starts_with("57P") || *code == SqlState::TOO_MANY_CONNECTIONS
}

/// Is it for another node's sake that this transaction was undone, so that it may be done again?
pub(super) fn may_repeat(e: &tokio_postgres::Error) -> bool {
    e.code().is_some_and(|c| *c == SqlState::T_R_DEADLOCK_DETECTED || *c == SqlState::T_R_SERIALIZATION_FAILURE)
}

/// What the server said, without the values of rows (they may be in its details).
pub(super) fn said(e: &tokio_postgres::Error) -> String {
    match e.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(e) {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        },
    }
}

/// Connections for reads: each holds one statement at a time as far as there are enough.
pub(super) struct Readers {
    slots: Vec<tokio::sync::Mutex<Option<Arc<Client>>>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self { slots: (0..READERS).map(|_| tokio::sync::Mutex::new(None)).collect(), turn: AtomicUsize::new(0) }
    }

    /// A connection, made anew when it was lost.
    pub(super) async fn client(&self, address: &Address, handle: &Handle) -> Result<Arc<Client>, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % READERS;
        let Some(slot) = self.slots.get(turn) else { return Err(Error::Closed) };
        let mut slot = slot.lock().await;
        if let Some(client) = slot.as_ref().filter(|c| !c.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(address.connect(handle).await?);
        *slot = Some(client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_repeats_the_password() {
        for url in [
            "postgres://hub:s3creta@db.example:5432/hub?sslmode=perhaps",
            "postgres://hub:s3creta@db.example:no/hub",
            "postgres://hub:s3creta@db.example/hub?target_session_attrs=odd",
        ] {
            let told = Address::parse(url).map(|_| ()).unwrap_err().to_string();
            assert!(!told.contains("s3creta") && told.contains("store.url"), "{told}");
        }
        let address = Address::parse("postgres://hub:s3creta@db.example:6432/hub").unwrap();
        assert_eq!(address.shown, "db.example:6432/hub");
        assert!(address.tls.is_some(), "what leaves this machine is encrypted unless said otherwise");
        assert!(Address::parse("postgres://hub@127.0.0.1/hub").unwrap().tls.is_none());
        assert!(Address::parse("postgres://hub@db.example/hub?sslmode=disable").unwrap().tls.is_none());
    }
}
