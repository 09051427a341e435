//! Where the truth is: `store.url` and `store.key_file`, read into a database to open.

use super::StoreConfig;
use pasarela_domain::Secret;
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
        /// The master key; there is no file of a database for it to lie beside.
        key_file: PathBuf,
    },
}

impl Database {
    /// Reads the section. The error never repeats a URL, since a password may be in it.
    pub(super) fn read(config: &StoreConfig) -> Result<Self, String> {
        let written = config.url.expose();
        let url = match written.split_once(':') {
            Some(("env" | "file", _)) => resolve(written)?,
            _ => config.url.clone(),
        };
        if let Some(path) = url.expose().strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.expose().starts_with("postgres://") || url.expose().starts_with("postgresql://") {
            let Some(key_file) = config.key_file.clone() else {
                return Err(
                    "store.key_file is missing: a PostgreSQL has no file beside which the sealing key could lie; name one that only this user may read"
                        .into(),
                );
            };
            return Ok(Self::Postgres { url, key_file });
        }
        Err("store.url is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE (nor env:NAME or file:PATH that hold one)".into())
    }

    /// The file beside which lock and socket lie: the database's, or that of the key.
    pub(crate) fn home(&self) -> &Path {
        match self {
            Self::Sqlite(path) => path,
            Self::Postgres { key_file, .. } => key_file,
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
    super::secrets::resolve("store.url", reference, pasarela_connector::Environment::Live)
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
