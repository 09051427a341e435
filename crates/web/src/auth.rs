//! API keys: `psk_` and 43 random characters, shown once, kept as SHA-256. Nothing is open by default.

use crate::App;
use crate::policy::Scope;
use crate::problem::Problem;
use crate::who::Who;
use axum::http::{HeaderMap, StatusCode, header};
use parking_lot::RwLock;
use pasarela_domain::Brands;
use pasarela_store::{ApiKeyRow, Store};
use rand::RngExt as _;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How long a known key is believed without asking the store, so that a revocation counts soon.
const MEMORY: Duration = Duration::from_secs(5);

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
        return Err("give at least one scope: read, write, or one resource's as events:read".into());
    }
    for scope in scopes {
        scope.parse::<Scope>().map_err(|e| e.to_string())?;
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

/// When a key was looked up, and what it says of itself.
type Seen = (Instant, Arc<ApiKeyRow>);

impl Keys {
    /// The key with this text; `None` when it is unknown or revoked.
    pub(crate) async fn find(
        &self,
        store: &dyn Store,
        key: &str,
    ) -> Result<Option<Arc<ApiKeyRow>>, pasarela_store::Error> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if let Some((at, row)) = self.0.read().get(&hash)
            && at.elapsed() < MEMORY
        {
            return Ok(Some(row.clone()));
        }
        let found = find(store, &hash).await?.map(Arc::new);
        let mut known = self.0.write();
        known.retain(|_, (at, _)| at.elapsed() < MEMORY);
        if let Some(row) = &found {
            known.insert(hash, (Instant::now(), row.clone()));
        }
        Ok(found)
    }
}

/// The key in force with this hash.
pub(crate) async fn find(store: &dyn Store, hash: &[u8; 32]) -> Result<Option<ApiKeyRow>, pasarela_store::Error> {
    let rows = store.api_keys().await?;
    Ok(rows.into_iter().find(|r| r.revoked_at.is_none() && bool::from(r.hash.as_slice().ct_eq(hash))))
}

/// What a key may do. A scope that this version does not know allows nothing.
pub(crate) fn scopes_of(row: &ApiKeyRow) -> Vec<Scope> {
    row.scopes.iter().filter_map(|s| s.parse().ok()).collect()
}

/// Who calls the API.
pub(crate) async fn caller(app: &App, headers: &HeaderMap) -> Result<Who, Problem> {
    if app.trusted {
        return Ok(Who::command_line());
    }
    let given =
        headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let Some(key) = given else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "no_key",
            "An API key is needed",
            "send `Authorization: Bearer psk_...`; `pasarela keys create NAME --scopes read` makes a key",
        ));
    };
    let Some(row) = app.keys.find(&**app.engine.store(), key).await? else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unknown_key",
            "The API key is not valid",
            "it is unknown or was revoked",
        ));
    };
    Ok(Who::key(&row.id, &row.name, scopes_of(&row), Brands::All))
}
