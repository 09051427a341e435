//! Sessions: a random cookie per sign-in. Its hash is kept in the store, so that a session outlives a
//! restart and holds on every node, and nobody who reads the database can use it. A sign-out, a revoked
//! key, a changed role or the end of its time counts everywhere within seconds.
//!
//! A cookie that comes back from another browser than the one it was given to was copied: the session ends, for
//! both (ADR 0092). Sessions of accounts end when nobody looks for a while, too.

use super::device;
use crate::App;
use crate::accounts::Account;
use crate::audit::Noted;
use crate::auth;
use crate::policy::{Action, Scope, Verb};
use crate::who::Who;
use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use pasarela_domain::{Brands, Grant, Role};
use pasarela_store::{ApiKeyRow, Error, PassKind, PassRow};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a sign-in lasts at most.
pub(super) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Name of the cookie, and what browsers ask before it where the way is encrypted: no other host and no plain
/// page can set it.
const COOKIE: &str = "pasarela_sesion";
const HOST: &str = "__Host-";
/// How long a session is believed without asking the store, so that an end of it counts soon.
const BELIEF: SignedDuration = SignedDuration::from_secs(5);
/// Header of a page that refreshes itself: nobody may be looking at it.
const BY_ITSELF: &str = "x-pasarela-pulso";
/// A look at a page is written down so often.
const NOTED: SignedDuration = SignedDuration::from_secs(60);
/// How long a proof of who somebody is serves for what is dangerous.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Sessions believed at most: memory stays bounded whatever happens at the door.
const MOST: usize = 1000;

/// Hash under which a secret text is kept.
pub(super) fn hashed(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What proved who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// A link that works once.
    Link,
    /// A password, with a code where there is a second factor.
    Password,
    /// An OpenID provider.
    Provider,
    /// An API key.
    Key,
}

impl Way {
    /// As it is shown.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Link => "own.by_link",
            Self::Password => "own.by_password",
            Self::Provider => "own.by_provider",
            Self::Key => "own.by_key",
        }
    }
}

/// What is kept of a session or a link beside who it is.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What a link without an account gives. `None`: an earlier version made it.
    #[serde(default)]
    pub(super) grants: Option<Vec<Grant>>,
    /// The browser, hashed. `None`: an earlier version made it.
    #[serde(default)]
    browser: Option<[u8; 32]>,
    /// The browser, for people.
    #[serde(default)]
    pub(super) device: String,
    #[serde(default)]
    pub(super) from: Option<IpAddr>,
    #[serde(default)]
    pub(super) way: Option<Way>,
    #[serde(default)]
    pub(super) seen: Option<Timestamp>,
}

impl Kept {
    /// Of a link that gives these.
    pub(super) fn giving(grants: Vec<Grant>) -> Self {
        Self { grants: Some(grants), ..Self::default() }
    }

    pub(super) fn of(pass: &PassRow) -> Self {
        serde_json::from_slice(&pass.detail).unwrap_or_default()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A person who signed in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Token that every form of this session carries.
    pub(super) csrf: String,
    /// Who it is, as the account, the link or the key names them, and what they may do.
    pub(super) who: Who,
    /// Id of the account; `None`: a link without one, or a key.
    pub(super) account: Option<String>,
    /// What they are, and for whom.
    pub(super) grants: Vec<Grant>,
    /// Hash of the cookie.
    pub(super) id: [u8; 32],
    /// What proved who it is.
    pub(super) way: Option<Way>,
    /// They may do much and have no second factor: until they have one, they see nothing.
    pub(super) must_enrol: bool,
    browser: Option<[u8; 32]>,
    /// When somebody last proved who they are.
    proved: Timestamp,
    ends: Timestamp,
    checked: Timestamp,
}

impl Session {
    fn new(cookie: &str, id: [u8; 32], found: Found, now: Timestamp) -> Self {
        let Found { pass, kept, grants, who, must_enrol } = found;
        Self {
            // Made of the cookie, which no page and no script sees: nothing more has to be kept.
            csrf: hex::encode(hashed(&format!("csrf {cookie}"))),
            who,
            account: pass.account,
            grants,
            id,
            way: kept.way,
            must_enrol,
            browser: kept.browser,
            proved: pass.created_at,
            ends: pass.expires_at,
            checked: now,
        }
    }

    /// Is `given` the token of this session?
    pub(super) fn owns(&self, given: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(given.as_bytes()))
    }

    /// Was it proved so lately who this is that dangerous things may be done?
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.proved) <= FRESH
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

/// Who opens a session.
pub(super) struct Opening<'a> {
    pub(super) name: &'a str,
    pub(super) account: Option<&'a Account>,
    pub(super) may_write: bool,
    pub(super) key: Option<String>,
    pub(super) grants: Option<Vec<Grant>>,
    pub(super) way: Way,
}

impl<'a> Opening<'a> {
    /// Of somebody with an account.
    pub(super) fn account(account: &'a Account, way: Way) -> Self {
        let may_write = may_write(&account.grants);
        Self { name: &account.name, account: Some(account), may_write, key: None, grants: None, way }
    }
}

impl Sessions {
    /// Signs in with a link: the first one who asks has it. The cookie's value.
    pub(super) async fn open_by_link(
        &self,
        app: &App,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        token: &str,
    ) -> Result<Result<String, Refused>, Error> {
        let (store, now) = (app.engine.store(), app.console.wall());
        let link = hashed(token);
        let pass = store.pass(link).await?.filter(|p| p.kind == PassKind::Link && p.expires_at > now);
        let Some(pass) = pass else { return Ok(Err(Refused::SpentLink)) };
        let account = match &pass.account {
            Some(id) => match app.accounts().by_id(id).await?.filter(|a| a.disabled_at.is_none()) {
                Some(account) => Some(account),
                None => return Ok(Err(Refused::SpentLink)),
            },
            None => None,
        };
        if !store.take_pass(link, hashed(&random_cookie())).await? {
            return Ok(Err(Refused::SpentLink));
        }
        let opening = match &account {
            Some(account) => Opening::account(account, Way::Link),
            None => Opening {
                name: &pass.name,
                account: None,
                may_write: pass.may_write,
                key: None,
                grants: Kept::of(&pass).grants,
                way: Way::Link,
            },
        };
        let Some(account) = &account else {
            // Somebody without an account, by a link that somebody made and gave them.
            let mut who = Who::person("", &pass.name, Vec::new());
            who.from = from;
            let noted = Noted { after: Some(json!({ "way": "link" })), ..Noted::default() };
            return app.as_deed(who, "sign_in.done", noted, self.open(app, headers, from, opening)).await.map(Ok);
        };
        let opened = app.let_in(account, "link", from, async {
            let cookie = self.open(app, headers, from, opening).await?;
            app.accounts().signed_in(account).await;
            Ok(cookie)
        });
        opened.await.map(Ok)
    }

    /// Whose link this is, where they have a second factor: then the link is one of two.
    pub(super) async fn second_of_link(&self, app: &App, token: &str) -> Result<Option<Account>, Error> {
        let now = app.console.wall();
        let pass = app.engine.store().pass(hashed(token)).await?;
        let Some(id) = pass.filter(|p| p.kind == PassKind::Link && p.expires_at > now).and_then(|p| p.account) else {
            return Ok(None);
        };
        Ok(app.accounts().by_id(&id).await?.filter(|a| a.disabled_at.is_none() && a.has_second()))
    }

    /// Signs in with an API key. The cookie's value.
    pub(super) async fn open_by_key(
        &self,
        app: &App,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        key: &str,
    ) -> Result<Result<String, Refused>, Error> {
        let hash = hashed(key);
        let found = auth::find(&**app.engine.store(), &hash).await?;
        let Some(row) = found.filter(|row| auth::opens(row, &hash, app.console.wall()).is_ok()) else {
            return Ok(Err(Refused::UnknownKey));
        };
        if !looks(&row) {
            return Ok(Err(Refused::MayNotRead));
        }
        // What it may do is asked of the key each time.
        let may_write = false;
        let opening = Opening {
            name: &row.name,
            account: None,
            may_write,
            key: Some(row.id.clone()),
            grants: None,
            way: Way::Key,
        };
        let mut who = Who::key(&row.id, &row.name, auth::scopes_of(&row), auth::brands_of(&row));
        who.from = from;
        let noted = Noted { after: Some(json!({ "way": "key" })), ..Noted::default() };
        app.as_deed(who, "sign_in.done", noted, self.open(app, headers, from, opening)).await.map(Ok)
    }

    /// Opens a session, with a cookie that nobody had before. The cookie's value.
    pub(super) async fn open(
        &self,
        app: &App,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        opening: Opening<'_>,
    ) -> Result<String, Error> {
        let (cookie, now) = (random_cookie(), app.console.wall());
        let kept = Kept {
            grants: opening.grants,
            browser: Some(device::hash(headers)),
            device: device::name(headers),
            from,
            way: Some(opening.way),
            seen: Some(now),
        };
        let pass = PassRow {
            hash: hashed(&cookie),
            kind: PassKind::Session,
            name: opening.name.to_owned(),
            may_write: opening.may_write,
            key: opening.key,
            account: opening.account.map(|a| a.id.clone()),
            detail: kept.bytes(),
            created_at: now,
            expires_at: now.checked_add(LIFE).unwrap_or(Timestamp::MAX),
        };
        app.engine.store().keep_pass(pass).await?;
        Ok(cookie)
    }

    /// The session of a request's cookie, if it lives.
    pub(super) async fn find(&self, app: &App, headers: &HeaderMap) -> Option<Session> {
        let cookie = value(app, headers)?;
        let (id, now) = (hashed(cookie), app.console.wall());
        let known = self.0.read().get(&id).cloned();
        let believed = known.as_ref().filter(|s| s.ends > now && now.duration_since(s.checked) < BELIEF).cloned();
        let session = match believed {
            Some(session) => Some(session),
            None => match look_up(app, id, now, !headers.contains_key(BY_ITSELF)).await {
                Ok(found) => found.map(|found| Session::new(cookie, id, found, now)),
                // A store that cannot be read has nothing to show either; the session is not to blame.
                Err(_) => known.filter(|s| s.ends > now),
            },
        };
        let Some(session) = session else {
            self.0.write().remove(&id);
            return None;
        };
        if session.browser.is_some_and(|browser| browser != device::hash(headers)) {
            tracing::warn!(
                account = session.account,
                "a session's cookie came from another browser: the session is ended"
            );
            if let Err(e) = self.end(app, id).await {
                tracing::error!(error = %e, "a session whose cookie was copied could not be ended");
            }
            app.note_kept_out("session.copied", session.account.as_deref().unwrap_or_default(), None).await;
            return None;
        }
        // What a page asks by itself must not hide the next look of a person.
        if headers.contains_key(BY_ITSELF) {
            return Some(session);
        }
        let mut all = self.0.write();
        if all.len() >= MOST {
            all.retain(|_, s| now.duration_since(s.checked) < BELIEF);
        }
        if all.len() < MOST {
            all.insert(id, session.clone());
        }
        Some(session)
    }

    /// Who has a session that was just opened.
    pub(super) async fn who(&self, app: &App, cookie: &str) -> Option<Who> {
        look_up(app, hashed(cookie), app.console.wall(), false).await.ok().flatten().map(|found| found.who)
    }

    /// Does the session of a request go on? Asked by a page that nobody may be looking at: it keeps nothing alive.
    pub(super) async fn goes_on(&self, app: &App, headers: &HeaderMap) -> bool {
        let Some(cookie) = value(app, headers) else { return false };
        let (id, now) = (hashed(cookie), app.console.wall());
        look_up(app, id, now, false).await.is_ok_and(|found| found.is_some())
    }

    /// Signs out.
    pub(super) async fn close(&self, app: &App, headers: &HeaderMap) -> Result<(), Error> {
        match value(app, headers) {
            Some(cookie) => self.end(app, hashed(cookie)).await,
            None => Ok(()),
        }
    }

    /// Ends a session.
    pub(super) async fn end(&self, app: &App, id: [u8; 32]) -> Result<(), Error> {
        self.0.write().remove(&id);
        app.engine.store().end_pass(id).await
    }

    /// Forgets what is believed of an account's sessions here: they were ended.
    pub(super) fn forget(&self, account: &str, but: Option<[u8; 32]>) {
        self.0.write().retain(|id, s| s.account.as_deref() != Some(account) || but == Some(*id));
    }
}

struct Found {
    pass: PassRow,
    kept: Kept,
    grants: Vec<Grant>,
    who: Who,
    must_enrol: bool,
}

/// A session that is kept, and what it may do now: a key's scopes are those of the key, an account's roles those
/// of the account.
async fn look_up(app: &App, id: [u8; 32], now: Timestamp, noted: bool) -> Result<Option<Found>, Error> {
    let store = app.engine.store();
    let pass = store.pass(id).await?.filter(|p| p.kind == PassKind::Session && p.expires_at > now);
    let Some(pass) = pass else { return Ok(None) };
    let mut kept = Kept::of(&pass);
    if let Some(account) = &pass.account {
        let idle = kept.seen.map(|seen| now.duration_since(seen));
        let account = app.accounts().by_id(account).await?.filter(|a| a.disabled_at.is_none());
        let Some(account) = account.filter(|_| idle.is_none_or(|idle| idle < app.console.idle)) else {
            store.end_pass(id).await?;
            return Ok(None);
        };
        if noted && idle.is_none_or(|idle| idle >= NOTED) {
            kept.seen = Some(now);
            store.note_pass(id, kept.bytes()).await?;
        }
        let who = Who::person(&account.id, &account.name, account.grants.clone());
        // Whom the provider vouches for, it asked by its own rules.
        let vouched = kept.way == Some(Way::Provider);
        let must_enrol = app.console.second_required && account.needs_second() && !account.has_second() && !vouched;
        return Ok(Some(Found { pass, kept, grants: account.grants, who, must_enrol }));
    }
    if let Some(key) = &pass.key {
        let in_force = |r: &ApiKeyRow| r.revoked_at.is_none() && r.terms.expires_at.is_none_or(|at| at > now);
        let row = store.api_keys().await?.into_iter().find(|r| r.id == *key && in_force(r));
        return Ok(row.filter(looks).map(|row| {
            let who = Who::person_by_scopes(&row.id, &pass.name, auth::scopes_of(&row), auth::brands_of(&row));
            Found { pass, kept, grants: Vec::new(), who, must_enrol: false }
        }));
    }
    // Whoever may open the database made it: it is as they wanted.
    let who = match (&kept.grants, pass.may_write) {
        (Some(grants), _) => Who::person("", &pass.name, grants.clone()),
        (None, true) => {
            Who::person("", &pass.name, vec![Grant { role: Role::Owner, brands: Brands::All, only: BTreeSet::new() }])
        }
        (None, false) => Who::person_by_scopes("", &pass.name, vec![Scope::Every(Verb::Read)], Brands::All),
    };
    let grants = kept.grants.clone().unwrap_or_default();
    Ok(Some(Found { pass, kept, grants, who, must_enrol: false }))
}

/// May somebody with these roles change everything? An earlier version, put back, knows only this of a session.
pub(super) fn may_write(grants: &[Grant]) -> bool {
    crate::accounts::is_owner(grants)
}

/// May the key look at anything? One that only writes has nothing to do here.
fn looks(row: &ApiKeyRow) -> bool {
    let reads = |scope: &Scope| scope.rows().any(|(_, action)| matches!(action, Action::Read | Action::ReadPersonal));
    auth::scopes_of(row).iter().any(reads)
}

pub(super) fn random_cookie() -> String {
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

/// Is the way to the browser encrypted? A proxy says so (the console itself speaks plain HTTP, by default on
/// loopback only), or the configuration does.
fn is_encrypted(app: &App, headers: &HeaderMap) -> bool {
    let told = headers.get("x-forwarded-proto").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"https"));
    told || app.console.is_encrypted()
}

/// The session's cookie of a request. Where the way is encrypted, one without the prefix is nobody's: a plain
/// page or a neighbour under the same domain could have set it.
fn value<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = if is_encrypted(app, headers) { format!("{HOST}{COOKIE}") } else { COOKIE.to_owned() };
    cookie(headers, &name)
}

/// `Set-Cookie` for a session; empty value: forget it.
pub(super) fn set_cookie(app: &App, headers: &HeaderMap, value: &str) -> String {
    let age = if value.is_empty() { 0 } else { LIFE.as_secs() };
    let (host, secure) = if is_encrypted(app, headers) { (HOST, "; Secure") } else { ("", "") };
    format!("{host}{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

/// `Set-Cookie` for who is away at the provider: it must come back from another site. Empty value: forget it.
pub(super) fn set_errand(app: &App, headers: &HeaderMap, value: &str) -> String {
    let age = if value.is_empty() { 0 } else { 600 };
    let (host, secure) = if is_encrypted(app, headers) { (HOST, "; Secure") } else { ("", "") };
    format!("{host}{ERRAND}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// The cookie of who was away.
pub(super) fn errand<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = if is_encrypted(app, headers) { format!("{HOST}{ERRAND}") } else { ERRAND.to_owned() };
    cookie(headers, &name)
}

const ERRAND: &str = "pasarela_encargo";
