//! Sessions: a random cookie per sign-in. Its hash is kept in the store, so that a session outlives a
//! restart and holds on every node, and nobody who reads the database can use it. A sign-out, a revoked
//! key or the end of its time counts everywhere within seconds.

use crate::App;
use crate::auth;
use crate::policy::{Action, Scope, Verb};
use crate::who::Who;
use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use parking_lot::RwLock;
use pasarela_domain::{Brands, Grant, Role};
use pasarela_store::{ApiKeyRow, Error, PassKind, PassRow, Store};
use rand::RngExt as _;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a sign-in lasts.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Name of the cookie.
pub(super) const COOKIE: &str = "pasarela_sesion";
/// How long a session is believed without asking the store, so that an end of it counts soon.
const BELIEF: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);
/// Sessions believed at most: memory stays bounded whatever happens at the door.
const MOST: usize = 1000;

/// Hash under which a secret text is kept.
pub(super) fn hashed(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A person who signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Token that every form of this session carries.
    pub(super) csrf: String,
    /// Who it is, as the link or the key names them, and what they may do.
    pub(super) who: Who,
    ends: Timestamp,
    checked: Timestamp,
}

impl Session {
    fn new(cookie: &str, pass: &PassRow, who: Who, now: Timestamp) -> Self {
        Self {
            // Made of the cookie, which no page and no script sees: nothing more has to be kept.
            csrf: hex::encode(hashed(&format!("csrf {cookie}"))),
            who,
            ends: pass.expires_at,
            checked: now,
        }
    }

    /// Is `given` the token of this session?
    pub(super) fn owns(&self, given: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(given.as_bytes()))
    }
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No such key, or it was revoked.
    UnknownKey,
    /// The key may not read.
    MayNotRead,
    /// The link was used, its time is over, or there never was one.
    SpentLink,
}

/// Sessions seen lately, by the hash of their cookie.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Signs in with a link: the first one who asks has it. The cookie's value.
    pub(super) async fn open_by_link(&self, app: &App, token: &str) -> Result<Result<String, Refused>, Error> {
        let (store, now) = (app.engine.store(), app.console.wall.now());
        let link = hashed(token);
        let pass = store.pass(link).await?.filter(|p| p.kind == PassKind::Link && p.expires_at > now);
        let Some(pass) = pass else { return Ok(Err(Refused::SpentLink)) };
        let cookie = random_cookie();
        if !store.take_pass(link, hashed(&cookie)).await? {
            return Ok(Err(Refused::SpentLink));
        }
        self.keep(app, &cookie, pass.name, pass.may_write, None).await?;
        Ok(Ok(cookie))
    }

    /// Signs in with an API key. The cookie's value.
    pub(super) async fn open_by_key(&self, app: &App, key: &str) -> Result<Result<String, Refused>, Error> {
        let hash = hashed(key);
        let found = auth::find(&**app.engine.store(), &hash).await?;
        let Some(row) = found.filter(|row| auth::opens(row, &hash, app.console.wall()).is_ok()) else {
            return Ok(Err(Refused::UnknownKey));
        };
        if !looks(&row) {
            return Ok(Err(Refused::MayNotRead));
        }
        let cookie = random_cookie();
        // What it may do is asked of the key each time.
        let may_write = false;
        self.keep(app, &cookie, row.name, may_write, Some(row.id)).await?;
        Ok(Ok(cookie))
    }

    async fn keep(
        &self,
        app: &App,
        cookie: &str,
        name: String,
        may_write: bool,
        key: Option<String>,
    ) -> Result<(), Error> {
        let now = app.console.wall.now();
        let expires_at = now.checked_add(LIFE).unwrap_or(Timestamp::MAX);
        let hash = hashed(cookie);
        let (account, detail) = (None, Vec::new());
        let pass = PassRow {
            hash,
            kind: PassKind::Session,
            name,
            may_write,
            key,
            account,
            detail,
            created_at: now,
            expires_at,
        };
        app.engine.store().keep_pass(pass).await
    }

    /// The session of a cookie, if it lives.
    pub(super) async fn find(&self, app: &App, cookie: &str) -> Option<Session> {
        let (id, now) = (hashed(cookie), app.console.wall.now());
        let known = self.0.read().get(&id).cloned();
        if let Some(session) = &known
            && session.ends > now
            && now.duration_since(session.checked) < BELIEF
        {
            return known;
        }
        match look_up(&**app.engine.store(), id, now).await {
            Ok(Some((pass, who))) => {
                let session = Session::new(cookie, &pass, who, now);
                let mut all = self.0.write();
                if all.len() >= MOST {
                    all.retain(|_, s| now.duration_since(s.checked) < BELIEF);
                }
                if all.len() < MOST {
                    all.insert(id, session.clone());
                }
                Some(session)
            }
            Ok(None) => {
                self.0.write().remove(&id);
                None
            }
            // A store that cannot be read has nothing to show either; the session is not to blame.
            Err(_) => known.filter(|s| s.ends > now),
        }
    }

    /// Signs out.
    pub(super) async fn close(&self, app: &App, cookie: &str) -> Result<(), Error> {
        let id = hashed(cookie);
        self.0.write().remove(&id);
        app.engine.store().end_pass(id).await
    }
}

/// A session that is kept, and who it is: a key's rights are those of the key now.
async fn look_up(store: &dyn Store, id: [u8; 32], now: Timestamp) -> Result<Option<(PassRow, Who)>, Error> {
    let pass = store.pass(id).await?.filter(|p| p.kind == PassKind::Session && p.expires_at > now);
    let Some(pass) = pass else { return Ok(None) };
    let Some(key) = &pass.key else {
        let who = if pass.may_write {
            let owner = Grant { role: Role::Owner, brands: Brands::All, only: BTreeSet::new() };
            Who::person("", &pass.name, vec![owner])
        } else {
            Who::person_by_scopes("", &pass.name, vec![Scope::Every(Verb::Read)], Brands::All)
        };
        return Ok(Some((pass, who)));
    };
    let in_force = |r: &ApiKeyRow| r.revoked_at.is_none() && r.terms.expires_at.is_none_or(|at| at > now);
    let row = store.api_keys().await?.into_iter().find(|r| r.id == *key && in_force(r));
    Ok(row.filter(looks).map(|row| {
        let who = Who::person_by_scopes(&row.id, &pass.name, auth::scopes_of(&row), auth::brands_of(&row));
        (pass, who)
    }))
}

/// May the key look at anything? One that only writes has nothing to do here.
fn looks(row: &ApiKeyRow) -> bool {
    let reads = |scope: &Scope| scope.rows().any(|(_, action)| matches!(action, Action::Read | Action::ReadPersonal));
    auth::scopes_of(row).iter().any(reads)
}

fn random_cookie() -> String {
    let mut bytes = [0u8; 32];
    rand::rng().fill(&mut bytes);
    hex::encode(bytes)
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
