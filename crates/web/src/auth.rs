//! API keys: `psk_` and 43 random characters, shown once, kept as SHA-256. Nothing is open by default.

use crate::App;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use parking_lot::RwLock;
use pasarela_store::{ApiKeyRow, Store};
use rand::RngExt as _;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a known key is believed without asking the store, so that a revocation counts soon.
const MEMORY: Duration = Duration::from_secs(5);
const SCOPES: &[&str] = &["read", "write"];

/// A key that was just made. Its text exists only here.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct NewKey {
    /// Public id, for lists and revocation.
    pub id: String,
    /// The key itself, shown once.
    pub key: String,
}

/// Makes a key. Unknown scopes are refused.
pub async fn create_key(
    store: &dyn Store,
    name: &str,
    scopes: &[String],
    now: jiff::Timestamp,
) -> Result<NewKey, String> {
    if scopes.is_empty() {
        return Err(format!("give at least one scope: {}", SCOPES.join(", ")));
    }
    if let Some(unknown) = scopes.iter().find(|s| !SCOPES.contains(&s.as_str())) {
        return Err(format!("there is no scope '{unknown}'; scopes are {}", SCOPES.join(", ")));
    }
    let key = format!("psk_{}", random_text(43));
    let id = format!("key_{}", random_text(12).to_lowercase());
    let row = ApiKeyRow {
        id: id.clone(),
        name: name.to_owned(),
        hash: Sha256::digest(key.as_bytes()).to_vec(),
        scopes: scopes.to_vec(),
        created_at: now,
        revoked_at: None,
    };
    store.keep_api_key(row).await.map_err(|e| e.to_string())?;
    Ok(NewKey { id, key })
}

/// Revokes a key by its id.
pub async fn revoke_key(store: &dyn Store, id: &str, now: jiff::Timestamp) -> Result<(), String> {
    match store.revoke_api_key(id, now).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("there is no key '{id}'; `pasarela keys list` shows the ids")),
        Err(e) => Err(e.to_string()),
    }
}

/// Text of `length` letters and digits from the system's random source.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

/// Keys seen lately.
#[derive(Default)]
pub(crate) struct Keys(RwLock<HashMap<[u8; 32], Seen>>);

/// When a key was looked up, and its scopes.
type Seen = (Instant, Vec<String>);

impl Keys {
    /// Name of a key, for what its holder does.
    async fn name(&self, store: &dyn Store, key: &str) -> Result<String, pasarela_store::Error> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let found = store.api_keys().await?.into_iter().find(|r| r.hash == hash);
        Ok(found.map(|r| r.name).unwrap_or_default())
    }

    /// Scopes of a key; `None` when it is unknown or revoked.
    pub(crate) async fn scopes(
        &self,
        store: &dyn Store,
        key: &str,
    ) -> Result<Option<Vec<String>>, pasarela_store::Error> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if let Some((at, scopes)) = self.0.read().get(&hash)
            && at.elapsed() < MEMORY
        {
            return Ok(Some(scopes.clone()));
        }
        let rows = store.api_keys().await?;
        let found = rows.into_iter().find(|r| r.revoked_at.is_none() && r.hash == hash).map(|r| r.scopes);
        let mut known = self.0.write();
        known.retain(|_, (at, _)| at.elapsed() < MEMORY);
        if let Some(scopes) = &found {
            known.insert(hash, (Instant::now(), scopes.clone()));
        }
        Ok(found)
    }
}

/// A caller whose key allows the method: `read` for GET, `write` for the rest.
pub(crate) struct Caller {
    /// Who it is, for what is written down: the key's name. Empty for who only reads.
    pub(crate) name: String,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if app.trusted {
            return Ok(Self { name: "command line".into() });
        }
        let given = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "));
        let Some(key) = given else {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "no_key",
                "An API key is needed",
                "send `Authorization: Bearer psk_...`; `pasarela keys create NAME --scopes read` makes a key",
            ));
        };
        let scopes = app.keys.scopes(&**app.engine.store(), key).await?;
        let Some(scopes) = scopes else {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "unknown_key",
                "The API key is not valid",
                "it is unknown or was revoked",
            ));
        };
        let needed = if parts.method == Method::GET || parts.method == Method::HEAD { "read" } else { "write" };
        if scopes.iter().any(|s| s == needed) {
            let name = if needed == "write" { app.keys.name(&**app.engine.store(), key).await? } else { String::new() };
            Ok(Self { name })
        } else {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "missing_scope",
                "The API key does not allow this",
                format!("this needs the scope '{needed}'; the key has {}", scopes.join(", ")),
            ))
        }
    }
}
