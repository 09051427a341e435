//! A database that is there for a measurement, and dropped with it.

use super::link::{Address, said};
use crate::contract::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// A database of its own on a server, empty at first. It is dropped when it is let go.
pub struct Scratch {
    server: String,
    url: String,
    name: String,
}

impl Scratch {
    /// Makes it on the server of a URL, whose user must be allowed to.
    pub fn make(server: &str) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut url = url::Url::parse(server).map_err(|_| {
            Error::Database("this is not a URL; write postgres://USER:PASSWORD@HOST:PORT/DATABASE".into())
        })?;
        let name = format!("pasarela_bench_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        url.set_path(&format!("/{name}"));
        run(server, &[&format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")])?;
        Ok(Self { server: server.to_owned(), url: url.into(), name })
    }

    /// The server's URL with this database in it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Writes everything to its tables and renews what the planner knows of them, so that the next figure
    /// is not that of the load before it.
    pub fn settle(&self) -> Result<(), Error> {
        run(&self.url, &["VACUUM (ANALYZE)", "CHECKPOINT"])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = run(&self.server, &[&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]) {
            tracing::warn!(%error, "a database made for measuring is left: {}", self.name);
        }
    }
}

/// Runs statements, each on its own, from a thread of its own: the caller may hold a runtime.
fn run(url: &str, statements: &[&str]) -> Result<(), Error> {
    let address = Address::parse(url)?;
    let body = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::Database(format!("no runtime: {e}")))?;
        runtime.block_on(async {
            let client = address.connect(&tokio::runtime::Handle::current()).await?;
            for sql in statements {
                client
                    .batch_execute(sql)
                    .await
                    .map_err(|e| Error::Database(format!("PostgreSQL at {}: {}", address.shown, said(&e))))?;
            }
            Ok(())
        })
    };
    std::thread::scope(|threads| threads.spawn(body).join()).unwrap_or(Err(Error::Closed))
}
