//! API keys: `psk_` and 43 random characters, shown once, kept as SHA-256. Nothing is open by default. A key has
//! scopes, brands, an end and a limit; a rotation gives it a new text while the old one still opens for a time.

mod unknown;

use crate::App;
use crate::policy::Scope;
use crate::problem::Problem;
use crate::rate::{Rate, Stand};
use crate::who::Who;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use pasarela_domain::Brands;
use pasarela_store::{ApiKeyRow, KeyTerms, Store};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// How long a known key is believed without asking the store, so that a revocation counts soon.
const MEMORY: Duration = Duration::from_secs(5);
/// A key's last use is written down no more often.
const NOTED: Duration = Duration::from_secs(60);
/// Longest name: it is kept with what its holder does.
const NAME: usize = 60;
/// Longest time that an old text still opens.
const OVERLAP: Duration = Duration::from_secs(90 * 24 * 3600);

/// A key that was just made, or given a new text. Its text exists only here.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NewKey {
    /// Public id, for lists and revocation.
    pub id: String,
    /// The key itself, shown once.
    pub key: String,
    /// After a rotation: until when the text before still opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub old_until: Option<Timestamp>,
}

/// A key that is wanted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyWish {
    /// What it is for: 1 to 60 characters.
    #[schemars(length(min = 1, max = 60))]
    pub name: String,
    /// What it may do: `read`, `write`, one resource's as `events:read`, or a role's as `role:viewer`.
    #[schemars(with = "Vec<Scope>", length(min = 1))]
    pub scopes: Vec<String>,
    /// Brands that it is for; left out: every one.
    #[serde(default)]
    pub brands: Option<Vec<String>>,
    /// When it ends; left out: never.
    #[serde(default)]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub expires_at: Option<Timestamp>,
    /// Requests that it may make, as `10/s`, `600/m` or `20000/h`; left out: as many as the hub's default.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,5}/[smh]$"))]
    pub rate: Option<String>,
}

/// A wish that was looked at.
pub(crate) struct Wished {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) brands: Brands,
    row: ApiKeyRow,
    key: String,
}

impl KeyWish {
    /// What is wrong with it is told in a sentence. `there`: brands of this hub.
    pub(crate) fn check(self, there: &BTreeSet<String>, now: Timestamp) -> Result<Wished, String> {
        let name = self.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
            return Err(format!("name: say what the key is for, in 1 to {NAME} characters"));
        }
        if self.scopes.is_empty() {
            return Err("give at least one scope: read, write, or one resource's as events:read".into());
        }
        let scopes: BTreeSet<Scope> =
            self.scopes.iter().map(|s| s.parse()).collect::<Result<_, _>>().map_err(|e| format!("{e}"))?;
        if let Some(brands) = &self.brands {
            if brands.is_empty() {
                return Err("brands: name at least one, or leave it out for every brand".into());
            }
            if let Some(unknown) = brands.iter().find(|b| !there.contains(*b)) {
                let there: Vec<&str> = there.iter().map(String::as_str).collect();
                return Err(format!("there is no brand '{unknown}'; brands are {}", there.join(", ")));
            }
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err("expires_at: a key ends in the future".into());
        }
        let rate = self.rate.map(|r| r.parse::<Rate>()).transpose().map_err(|e| e.to_string())?;
        let key = key_text();
        let row = ApiKeyRow {
            id: format!("key_{}", random_text(12).to_lowercase()),
            name,
            hash: hashed(&key).to_vec(),
            scopes: scopes.iter().map(Scope::to_string).collect(),
            created_at: now,
            revoked_at: None,
            terms: KeyTerms {
                brands: self.brands,
                expires_at: self.expires_at,
                rate: rate.map(|r| r.to_string()),
                ..KeyTerms::default()
            },
        };
        Ok(Wished { scopes: scopes.into_iter().collect(), brands: brands_of(&row), row, key })
    }
}

impl Wished {
    /// The key as it will be kept.
    pub(crate) fn row(&self) -> &ApiKeyRow {
        &self.row
    }

    pub(crate) async fn keep(self, store: &dyn Store) -> Result<NewKey, pasarela_store::Error> {
        let id = self.row.id.clone();
        store.keep_api_key(self.row).await?;
        Ok(NewKey { id, key: self.key, old_until: None })
    }
}

/// Makes a key for every brand, without an end. Unknown scopes are refused.
pub async fn create_key(store: &dyn Store, name: &str, scopes: &[String], now: Timestamp) -> Result<NewKey, String> {
    let wish = KeyWish { name: name.to_owned(), scopes: scopes.to_vec(), ..KeyWish::default() };
    wish.check(&BTreeSet::new(), now)?.keep(store).await.map_err(|e| e.to_string())
}

/// Gives a key a new text; the old one opens until `until`. `None`: there is no such key in force.
pub(crate) async fn rotate_key(
    store: &dyn Store,
    id: &str,
    until: Timestamp,
) -> Result<Option<NewKey>, pasarela_store::Error> {
    let key = key_text();
    let there = store.rotate_api_key(id, hashed(&key).to_vec(), until).await?;
    Ok(there.then(|| NewKey { id: id.to_owned(), key, old_until: Some(until) }))
}

/// When an old text ends that overlaps for `seconds` from now.
pub(crate) fn overlap(seconds: u64, now: Timestamp) -> Result<Timestamp, String> {
    let span = Duration::from_secs(seconds);
    if span > OVERLAP {
        return Err(format!("overlap: at most {} days", OVERLAP.as_secs() / 86_400));
    }
    now.checked_add(span).map_err(|e| e.to_string())
}

/// Revokes a key by its id.
pub async fn revoke_key(store: &dyn Store, id: &str, now: Timestamp) -> Result<(), String> {
    match store.revoke_api_key(id, now).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("there is no key '{id}'; `pasarela keys list` shows the ids")),
        Err(e) => Err(e.to_string()),
    }
}

/// A secret of the Standard Webhooks rules: 32 random bytes.
pub(crate) fn whsec() -> pasarela_domain::Secret {
    pasarela_engine::signing_secret(&rand::rng().random())
}

/// Text of `length` letters and digits from the system's random source.
pub(crate) fn random_text(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

fn key_text() -> String {
    format!("psk_{}", random_text(43))
}

fn hashed(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

pub(crate) use unknown::Unknown;

/// Keys seen lately, by the hash of their text, and when their use was last noted.
#[derive(Default)]
pub(crate) struct Keys {
    seen: RwLock<HashMap<[u8; 32], Seen>>,
    noted: Mutex<HashMap<String, Instant>>,
}

/// When a key was looked up, and what it says of itself.
type Seen = (Instant, Arc<ApiKeyRow>);

impl Keys {
    /// The key with this hash, if it was seen lately.
    fn known(&self, hash: &[u8; 32]) -> Option<Arc<ApiKeyRow>> {
        let seen = self.seen.read();
        seen.get(hash).filter(|(at, _)| at.elapsed() < MEMORY).map(|(_, row)| row.clone())
    }

    /// The key with this hash, revoked ones left out; whether its time is over is asked each time.
    async fn find(&self, store: &dyn Store, hash: [u8; 32]) -> Result<Option<Arc<ApiKeyRow>>, pasarela_store::Error> {
        let found = find(store, &hash).await?.map(Arc::new);
        let mut known = self.seen.write();
        known.retain(|_, (at, _)| at.elapsed() < MEMORY);
        if let Some(row) = &found {
            known.insert(hash, (Instant::now(), row.clone()));
        }
        Ok(found)
    }

    /// What was seen is asked for again: something of a key was changed on this node.
    pub(crate) fn forget(&self) {
        self.seen.write().clear();
    }

    /// Is the use of a key to be written down now?
    fn notes(&self, id: &str, now: Instant) -> bool {
        let mut noted = self.noted.lock();
        let due = noted.get(id).is_none_or(|at| now.duration_since(*at) >= NOTED);
        if due {
            noted.insert(id.to_owned(), now);
        }
        due
    }
}

/// The key that has or had this hash, unless it is revoked. Compared in constant time, though what is compared are
/// hashes of long random texts.
pub(crate) async fn find(store: &dyn Store, hash: &[u8; 32]) -> Result<Option<ApiKeyRow>, pasarela_store::Error> {
    Ok(find_in(&store.api_keys().await?, hash).cloned())
}

fn find_in<'r>(rows: &'r [ApiKeyRow], hash: &[u8; 32]) -> Option<&'r ApiKeyRow> {
    let same = |kept: &[u8]| bool::from(kept.ct_eq(hash));
    let has = |r: &ApiKeyRow| same(&r.hash) || r.terms.old.as_ref().is_some_and(|(old, _)| same(old));
    rows.iter().find(|r| r.revoked_at.is_none() && has(r))
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Its time is over.
    Expired,
    /// This is the text that it had before a rotation, and the overlap is over.
    Rotated,
}

/// Does a key open now, by the text of this hash?
pub(crate) fn opens(row: &ApiKeyRow, hash: &[u8; 32], now: Timestamp) -> Result<(), Closed> {
    if row.terms.expires_at.is_some_and(|at| at <= now) {
        return Err(Closed::Expired);
    }
    let old = row.terms.old.as_ref().filter(|_| !bool::from(row.hash.as_slice().ct_eq(hash)));
    if old.is_some_and(|(_, until)| *until <= now) { Err(Closed::Rotated) } else { Ok(()) }
}

/// What a key may do. A scope that this version does not know allows nothing.
pub(crate) fn scopes_of(row: &ApiKeyRow) -> Vec<Scope> {
    row.scopes.iter().filter_map(|s| s.parse().ok()).collect()
}

/// Brands that a key is for.
pub(crate) fn brands_of(row: &ApiKeyRow) -> Brands {
    row.terms.brands.as_ref().map_or(Brands::All, |b| Brands::Of(b.iter().cloned().collect()))
}

/// Whoever is turned away: what they are told, the code of why, and whose key it was, where that is known.
pub(crate) struct TurnedAway {
    pub(crate) problem: Problem,
    pub(crate) code: Option<&'static str>,
    pub(crate) whose: Option<Who>,
    /// How the place that asked stands, where it asks too often.
    pub(crate) stand: Option<Stand>,
}

/// Who calls the API, and how the key stands with its limit. Whoever has no key in force is turned away. `from`:
/// whence, as far as it is known.
pub(crate) async fn caller(
    app: &App,
    headers: &HeaderMap,
    from: Option<IpAddr>,
) -> Result<(Who, Option<Stand>), TurnedAway> {
    if app.trusted {
        return Ok((Who::command_line(), None));
    }
    let given =
        headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let Some(key) = given else {
        let problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "no_key",
            "An API key is needed",
            "send `Authorization: Bearer psk_...`; `pasarela keys create NAME --scopes read` makes a key",
        );
        return Err(TurnedAway { problem, code: Some("no_key"), whose: None, stand: None });
    };
    let refused = |code, detail, whose| {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, code, "The API key is not valid", detail);
        TurnedAway { problem, code: Some(code), whose, stand: None }
    };
    let hash = hashed(key);
    let row = match app.keys.known(&hash) {
        Some(row) => row,
        None => look_up(app, hash, from).await?,
    };
    let whose = || Some(Who::key(&row.id, &row.name, scopes_of(&row), brands_of(&row)));
    let wall = app.console.wall();
    match opens(&row, &hash, wall) {
        Ok(()) => {}
        Err(Closed::Expired) => return Err(refused("expired_key", "its time is over; make a new one", whose())),
        Err(Closed::Rotated) => {
            let why = "it was given a new text, and the time of the old one is over";
            return Err(refused("expired_key", why, whose()));
        }
    }
    let rate = row.terms.rate.as_deref().and_then(|r| r.parse().ok()).unwrap_or(app.api_rate);
    let stand = app.buckets.take(&row.id, rate, Instant::now());
    if app.keys.notes(&row.id, Instant::now()) {
        note_use(app, row.id.clone(), wall);
    }
    Ok((Who::key(&row.id, &row.name, scopes_of(&row), brands_of(&row)), Some(stand)))
}

/// A key that was not seen lately. Who brought many that nobody has waits, and costs the store nothing meanwhile.
async fn look_up(app: &App, hash: [u8; 32], from: Option<IpAddr>) -> Result<Arc<ApiKeyRow>, TurnedAway> {
    let (store, unknown) = (&**app.engine.store(), &app.unknown_keys);
    let unread = |e: pasarela_store::Error| TurnedAway { problem: e.into(), code: None, whose: None, stand: None };
    if let Some(stand) = unknown.must_wait(from) {
        let found = unknown.find(store, &hash).await.map_err(unread)?;
        return found.map(Arc::new).ok_or_else(|| {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Too many keys that nobody has",
                "many unknown keys came from this address: wait as Retry-After says, and see which program has an old key",
            );
            let wait = stand.wait.map_or(1, crate::rate::seconds);
            let problem = problem.wait(u32::try_from(wait).unwrap_or(u32::MAX));
            TurnedAway { problem, code: Some("unknown_key"), whose: None, stand: Some(stand) }
        });
    }
    match app.keys.find(store, hash).await.map_err(unread)? {
        Some(row) => Ok(row),
        None => {
            unknown.count(from);
            let detail = "it is unknown or was revoked";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "unknown_key", "The API key is not valid", detail);
            Err(TurnedAway { problem, code: Some("unknown_key"), whose: None, stand: None })
        }
    }
}

/// Beside the request, which does not wait for it.
fn note_use(app: &App, id: String, at: Timestamp) {
    let store = app.engine.store().clone();
    tokio::spawn(async move {
        if let Err(e) = store.api_key_used(&id, at).await {
            tracing::debug!(key = id, error = %e, "the use of a key was not noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(hash: [u8; 32], terms: KeyTerms) -> ApiKeyRow {
        ApiKeyRow {
            id: "key_1".into(),
            name: "tablero".into(),
            hash: hash.to_vec(),
            scopes: vec!["read".into()],
            created_at: Timestamp::UNIX_EPOCH,
            revoked_at: None,
            terms,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn a_key_ends_by_its_time_and_an_old_text_by_the_overlap() {
        let ends = row([1; 32], KeyTerms { expires_at: Some(at(100)), ..KeyTerms::default() });
        assert_eq!((opens(&ends, &[1; 32], at(99)), opens(&ends, &[1; 32], at(100))), (Ok(()), Err(Closed::Expired)));
        let rotated = row([2; 32], KeyTerms { old: Some((vec![1; 32], at(50))), ..KeyTerms::default() });
        assert_eq!(
            (opens(&rotated, &[1; 32], at(49)), opens(&rotated, &[1; 32], at(50))),
            (Ok(()), Err(Closed::Rotated))
        );
        assert_eq!(opens(&rotated, &[2; 32], at(500)), Ok(()));
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let (keys, now) = (Keys::default(), Instant::now());
        assert!(keys.notes("a", now) && !keys.notes("a", now + NOTED / 2) && keys.notes("b", now));
        assert!(keys.notes("a", now + NOTED));
    }

    #[test]
    fn a_wish_that_cannot_be_is_told_in_a_sentence() {
        let there: BTreeSet<String> = ["default".to_owned()].into();
        let good = KeyWish { name: "tablero".into(), scopes: vec!["events:read".into()], ..KeyWish::default() };
        assert!(good.clone().check(&there, at(10)).is_ok());
        let refused = |wish: KeyWish, word: &str| {
            let why = wish.check(&there, at(10)).err().expect("it cannot be");
            assert!(why.contains(word), "{why}");
        };
        refused(KeyWish { name: " ".into(), ..good.clone() }, "name");
        refused(KeyWish { scopes: Vec::new(), ..good.clone() }, "scope");
        refused(KeyWish { scopes: vec!["everything".into()], ..good.clone() }, "everything");
        refused(KeyWish { brands: Some(vec!["otra".into()]), ..good.clone() }, "otra");
        refused(KeyWish { brands: Some(Vec::new()), ..good.clone() }, "at least one");
        refused(KeyWish { expires_at: Some(at(10)), ..good.clone() }, "future");
        refused(KeyWish { rate: Some("viel".into()), ..good }, "600/m");
    }
}
