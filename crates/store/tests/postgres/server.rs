//! A database of its own for each test, on the server of `PASARELA_TEST_POSTGRES_URL` (`scripts/postgres`).
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use pasarela_domain::Secret;
use pasarela_store::postgres::Options;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A database that is dropped when it is let go.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// `None`, loudly, when no server was named.
    pub(crate) fn make() -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Ok(server) = std::env::var("PASARELA_TEST_POSTGRES_URL") else {
            eprintln!(
                "SKIPPED: this test needs PostgreSQL, and PASARELA_TEST_POSTGRES_URL is not set; run it by scripts/postgres cargo test"
            );
            return None;
        };
        let name = format!("pasarela_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        run(&server, format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"));
        Some(Self { server, name })
    }

    /// The server's URL with this database in it.
    pub(crate) fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{}", self.name)
    }

    /// How a hub opens it.
    pub(crate) fn options(&self, key_file: &Path) -> Options {
        Options { url: Secret::new(self.url()), key_file: key_file.to_owned(), master: None }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        run(&self.server, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Runs a statement on a thread of its own, since a test may hold a runtime.
pub(crate) fn run(url: &str, sql: String) {
    let url = url.to_owned();
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("the server answers");
            tokio::spawn(connection);
            client.batch_execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        });
    };
    std::thread::spawn(body).join().expect("the statement runs");
}
