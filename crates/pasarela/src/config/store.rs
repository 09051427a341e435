//! Where the truth is: `store.url` and `store.key_file`, read into a database to open.

use super::StoreConfig;
use super::secrets::Secrets;
use pasarela_domain::Secret;
use pasarela_store::postgres::{self, Options, PostgresStore};
use pasarela_store::{Master, RecordRow, sqlite};
use std::fmt;
use std::path::{Path, PathBuf};

/// A database, as the configuration names it.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// With its password.
        url: Secret,
        /// The master key, beside the configuration unless it was named.
        key_file: PathBuf,
    },
}

impl Database {
    /// Reads the section. The error never repeats a URL, since a password may be in it.
    /// `beside`: the configuration file.
    pub(super) fn read(config: &StoreConfig, beside: &Path) -> Result<Self, String> {
        let written = config.url.expose();
        let url = match written.split_once(':') {
            Some(("env" | "file", _)) => resolve(written)?,
            Some(("vault", _)) => {
                return Err("store.url: the vault lies in this very database; write env:NAME or file:PATH".into());
            }
            _ => config.url.clone(),
        };
        if let Some(path) = url.expose().strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.expose().starts_with("postgres://") || url.expose().starts_with("postgresql://") {
            let own = || beside.with_file_name("pasarela.key");
            let key_file = config.key_file.clone().unwrap_or_else(own);
            return Ok(Self::Postgres { url, key_file });
        }
        Err("store.url is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE (nor env:NAME or file:PATH that hold one)".into())
    }

    /// Beside this path lie the key and the journal of erasures.
    pub(crate) fn home(&self) -> &Path {
        match self {
            Self::Sqlite(path) => path,
            Self::Postgres { key_file, .. } => key_file,
        }
    }

    /// Records of a kind, looked at beside whoever has it open; none where it is not there yet.
    pub(crate) fn peek(&self, master: Master, kind: &str) -> Result<Vec<RecordRow>, pasarela_store::Error> {
        let master = Some(master);
        match self {
            Self::Sqlite(path) => {
                sqlite::peek(&sqlite::Options { master, ..sqlite::Options::file(path.clone()) }, kind)
            }
            Self::Postgres { url, key_file } => {
                postgres::peek(&Options { url: url.clone(), key_file: key_file.clone(), master }, kind)
            }
        }
    }

    /// Beside which paths the socket for commands of a hub on this machine may lie.
    pub(crate) fn homes(&self) -> Result<Vec<PathBuf>, pasarela_store::Error> {
        match self {
            Self::Sqlite(path) => Ok(vec![path.clone()]),
            Self::Postgres { url, key_file } => {
                PostgresStore::homes(&Options { url: url.clone(), key_file: key_file.clone(), master: None })
            }
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres { url, .. } => match url::Url::parse(url.expose()) {
                Ok(url) => {
                    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
                    write!(f, "postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
                }
                Err(_) => f.write_str("postgres"),
            },
        }
    }
}

fn resolve(reference: &str) -> Result<Secret, String> {
    Secrets::no_vault().resolve("store.url", reference, pasarela_connector::Environment::Live)
}

/// A text in which no `postgres://` URL shows its user and password: errors of syntax show their line.
pub(super) fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(['"', '\'', '\n', ' ']).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        if before.ends_with("postgres://") || before.ends_with("postgresql://") {
            out.push_str(url.rsplit_once('@').map_or(url, |(_, host)| host));
        } else {
            out.push_str(url);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
