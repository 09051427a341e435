//! Sessions: a random cookie per sign-in, kept in memory only. A restart signs everybody out; a
//! revoked key ends its sessions within seconds.

use crate::auth::random_text;
use axum::http::{HeaderMap, header};
use parking_lot::RwLock;
use pasarela_store::Store;
use rand::RngExt as _;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// How long a sign-in lasts.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Name of the cookie.
pub(super) const COOKIE: &str = "pasarela_sesion";
/// How long a key is believed without asking the store, so that a revocation counts soon.
const BELIEF: Duration = Duration::from_secs(5);
/// Sessions at most: memory stays bounded whatever happens at the door.
const MOST: usize = 1000;

/// A person who signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Token that every form of this session carries.
    pub(super) csrf: String,
    /// May it change things?
    pub(super) may_write: bool,
    key_hash: [u8; 32],
    ends: Instant,
    checked: Instant,
}

impl Session {
    /// Is `given` the token of this session?
    pub(super) fn owns(&self, given: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(given.as_bytes()))
    }
}

/// What a key may do in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyCheck {
    /// Unknown or revoked.
    Unknown,
    /// Known, but it may not read.
    MayNotRead,
    /// It may look, and perhaps change things.
    Good { may_write: bool },
}

/// Looks a key's hash up.
async fn check(store: &dyn Store, hash: &[u8; 32]) -> Result<KeyCheck, pasarela_store::Error> {
    let rows = store.api_keys().await?;
    let Some(row) = rows.into_iter().find(|r| r.revoked_at.is_none() && r.hash == hash) else {
        return Ok(KeyCheck::Unknown);
    };
    let has = |scope: &str| row.scopes.iter().any(|s| s == scope);
    Ok(if has("read") { KeyCheck::Good { may_write: has("write") } } else { KeyCheck::MayNotRead })
}

/// All sessions. Keyed by the hash of the cookie, so that a lookup's time says nothing about it.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Signs in with a key. The cookie's value, when the key is good.
    pub(super) async fn open(
        &self,
        store: &dyn Store,
        key: &str,
    ) -> Result<(KeyCheck, Option<String>), pasarela_store::Error> {
        let key_hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let found = check(store, &key_hash).await?;
        let KeyCheck::Good { may_write } = found else { return Ok((found, None)) };
        let mut bytes = [0u8; 32];
        rand::rng().fill(&mut bytes);
        let cookie = hex::encode(bytes);
        let now = Instant::now();
        let session = Session { csrf: random_text(43), may_write, key_hash, ends: now + LIFE, checked: now };
        let mut all = self.0.write();
        all.retain(|_, s| s.ends > now);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, s)| s.ends).map(|(k, _)| *k)
        {
            all.remove(&oldest);
        }
        all.insert(Sha256::digest(cookie.as_bytes()).into(), session);
        Ok((found, Some(cookie)))
    }

    /// The session of a cookie, if it lives and its key was not revoked.
    pub(super) async fn find(&self, store: &dyn Store, cookie: &str) -> Option<Session> {
        let id: [u8; 32] = Sha256::digest(cookie.as_bytes()).into();
        let session = self.0.read().get(&id).cloned()?;
        let now = Instant::now();
        if session.ends <= now {
            self.0.write().remove(&id);
            return None;
        }
        if now.duration_since(session.checked) < BELIEF {
            return Some(session);
        }
        match check(store, &session.key_hash).await {
            Ok(KeyCheck::Good { may_write }) => {
                let mut all = self.0.write();
                // Signed out meanwhile: it stays so.
                let kept = all.get_mut(&id)?;
                kept.may_write = may_write;
                kept.checked = now;
                Some(kept.clone())
            }
            Ok(_) => {
                self.0.write().remove(&id);
                None
            }
            // A store that cannot be read has nothing to show either; the session is not to blame.
            Err(_) => Some(session),
        }
    }

    /// Signs out.
    pub(super) fn close(&self, cookie: &str) {
        let id: [u8; 32] = Sha256::digest(cookie.as_bytes()).into();
        self.0.write().remove(&id);
    }
}

/// Value of a cookie of the request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// `Set-Cookie` for a session; empty value: forget it. `Secure` when a proxy says that the way is
/// encrypted (the console itself speaks plain HTTP, by default on loopback only).
pub(super) fn set_cookie(headers: &HeaderMap, value: &str) -> String {
    let age = if value.is_empty() { 0 } else { LIFE.as_secs() };
    let secure = headers.get("x-forwarded-proto").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}
