//! Where a hub is measured: a database of its own for every round, a hub beside it, and both gone
//! afterwards.

use super::load::SECRET;
use crate::Failure;
use crate::commands::process::{Running, free_port, hub_by, metric, peak_mib, wait_for};
use pasarela_domain::Secret;
use pasarela_store::postgres::{self, PostgresStore};
use pasarela_store::sqlite::{self, SqliteStore};
use pasarela_store::{History, Store};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Environment variable by which a measured hub learns where its database is: no file holds it.
const URL: &str = "PASARELA_BENCH_STORE_URL";

/// The command that is a hub whose sealer copies.
const COPYING: [&str; 2] = ["bench", "copying-hub"];

/// A kind of database to measure with.
#[derive(Clone)]
pub(super) enum Database {
    Sqlite,
    /// A server on which databases may be made.
    Postgres(String),
}

impl Database {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// How durable a commit is, for the conditions.
    pub(super) fn durability(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite synchronous=FULL",
            Self::Postgres(_) => "PostgreSQL synchronous_commit=on",
        }
    }
}

/// Folder and database of one round, both removed with it.
pub(super) struct Place {
    dir: tempfile::TempDir,
    database: Fresh,
}

enum Fresh {
    Sqlite,
    Postgres(postgres::Scratch),
}

enum Options {
    Sqlite(sqlite::Options),
    Postgres(postgres::Options),
}

impl Place {
    /// `dir`: a folder on the disk to be judged.
    pub(super) fn make(dir: Option<&Path>, database: &Database) -> Result<Self, Failure> {
        let dir = scratch(dir)?;
        let database = match database {
            Database::Sqlite => Fresh::Sqlite,
            Database::Postgres(url) => {
                Fresh::Postgres(postgres::Scratch::make(url).map_err(|e| Failure::Failed(e.to_string()))?)
            }
        };
        Ok(Self { dir, database })
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The SQLite file, where it is one.
    pub(super) fn file(&self) -> PathBuf {
        self.dir.path().join("hub.db")
    }

    pub(super) fn key_file(&self) -> PathBuf {
        self.dir.path().join("hub.key")
    }

    /// The PostgreSQL database, where it is one.
    pub(super) fn url(&self) -> Option<&str> {
        match &self.database {
            Fresh::Sqlite => None,
            Fresh::Postgres(scratch) => Some(scratch.url()),
        }
    }

    /// Opens the database in this process; no hub may have it open.
    pub(super) fn open(&self) -> Result<Arc<dyn Store>, pasarela_store::Error> {
        Ok(match self.options() {
            Options::Sqlite(options) => Arc::new(SqliteStore::open(&options)?),
            Options::Postgres(options) => Arc::new(PostgresStore::open(&options)?),
        })
    }

    /// Fills it with an invented past.
    pub(super) fn fill(&self, history: &History) -> Result<(), pasarela_store::Error> {
        match self.options() {
            Options::Sqlite(options) => SqliteStore::fill(&options, history),
            Options::Postgres(options) => PostgresStore::fill(&options, history),
        }
    }

    fn options(&self) -> Options {
        let key_file = self.key_file();
        match &self.database {
            Fresh::Sqlite => {
                Options::Sqlite(sqlite::Options { key_file: Some(key_file), ..sqlite::Options::file(self.file()) })
            }
            Fresh::Postgres(scratch) => {
                Options::Postgres(postgres::Options { url: Secret::new(scratch.url()), key_file, master: None })
            }
        }
    }

    /// The section `[store]`.
    fn section(&self) -> String {
        let quoted = |path: PathBuf| toml::Value::String(path.display().to_string()).to_string();
        let key = quoted(self.key_file());
        match self.database {
            Fresh::Sqlite => {
                let url = toml::Value::String(format!("sqlite:{}", self.file().display()));
                format!("[store]\nurl = {url}\nkey_file = {key}\n")
            }
            Fresh::Postgres(_) => format!("[store]\nurl = \"env:{URL}\"\nkey_file = {key}\n"),
        }
    }
}

/// What a measured hub is connected to.
pub(super) struct Wiring<'a> {
    /// Names of its connections of the provider `http`, all to the same sink.
    pub(super) connections: &'a [&'a str],
    pub(super) sink: Option<SocketAddr>,
    /// The one flow, if there is any.
    pub(super) flow: Option<&'a str>,
}

/// A hub that is being measured, in a process of its own.
pub(super) struct Hub {
    pub(super) addr: SocketAddr,
    pub(super) child: Running,
    config: PathBuf,
    url: Option<String>,
}

impl Hub {
    /// Writes a configuration into the place and starts a hub with it.
    pub(super) async fn start(place: &Place, wiring: &Wiring<'_>) -> Result<Self, Failure> {
        Self::start_by(&["serve"], place, wiring).await
    }

    /// The same, with a sealer that copies.
    pub(super) async fn start_copying(place: &Place, wiring: &Wiring<'_>) -> Result<Self, Failure> {
        Self::start_by(&COPYING, place, wiring).await
    }

    async fn start_by(words: &[&str], place: &Place, wiring: &Wiring<'_>) -> Result<Self, Failure> {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let config = write_config(place, addr, wiring)?;
        let url = place.url().map(str::to_owned);
        let child = spawn(words, &config, url.as_deref())?;
        let mut hub = Self { addr, child, config, url };
        wait_for(addr, &mut hub.child, Duration::from_secs(10)).await?;
        Ok(hub)
    }

    /// Kills it as `kill -9` does, and starts it again on the same database. Answers when it was started.
    pub(super) async fn kill_and_start(&mut self) -> Result<Instant, Failure> {
        drop(self.child.0.kill());
        drop(self.child.0.wait());
        let begun = Instant::now();
        self.child = spawn(&["serve"], &self.config, self.url.as_deref())?;
        wait_for(self.addr, &mut self.child, Duration::from_secs(30)).await?;
        Ok(begun)
    }

    pub(super) async fn metric(&self, name: &str) -> f64 {
        metric(self.addr, name).await
    }

    /// The most memory that it ever had resident, in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        peak_mib(self.child.0.id())
    }

    /// Waits until every accepted delivery is decided. Seconds that it took.
    pub(super) async fn drained(&self, patience: Duration) -> Result<f64, Failure> {
        let begun = Instant::now();
        while self.metric("pasarela_inbox").await > 0.0 {
            if begun.elapsed() > patience {
                return Err(Failure::Failed(format!("the inbox did not drain within {} s", patience.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

fn spawn(words: &[&str], config: &Path, url: Option<&str>) -> Result<Running, Failure> {
    let mut env = vec![("PASARELA_LOG", "error")];
    env.extend(url.map(|url| (URL, url)));
    hub_by(words, config, &env, Stdio::inherit())
}

pub(super) fn write_config(place: &Place, addr: SocketAddr, wiring: &Wiring<'_>) -> Result<PathBuf, Failure> {
    let failed = |e: std::io::Error| Failure::Failed(e.to_string());
    let mut text = format!(
        "[server]\nlisten = \"{addr}\"\n[console]\nlisten = \"127.0.0.1:0\"\n{}[webhooks]\nallow_private_targets = true\n[flows]\nbuiltin = false\nfolder = \"flows\"\n",
        place.section()
    );
    let flows = place.dir().join("flows");
    std::fs::create_dir_all(&flows).map_err(failed)?;
    if let Some(flow) = wiring.flow {
        std::fs::write(flows.join("banco.yaml"), flow).map_err(failed)?;
    }
    for name in wiring.connections {
        let target = wiring.sink.map(|sink| {
            format!("base_url = \"http://{sink}\"\nallow_private_targets = true\nlimits = {{ concurrency = 256 }}\n")
        });
        text.push_str(&format!(
            "[connections.{name}]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\n{}\
             verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\", encoding = \"hex\" }}\n\
             event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n",
            target.unwrap_or_default()
        ));
    }
    let config = place.dir().join("bench.toml");
    std::fs::write(&config, text).map_err(failed)?;
    Ok(config)
}

pub(super) fn scratch(dir: Option<&Path>) -> Result<tempfile::TempDir, Failure> {
    let made = match dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    made.map_err(|e| Failure::Failed(format!("no scratch folder: {e}")))
}
