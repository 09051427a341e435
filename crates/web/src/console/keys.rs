//! `/claves`: the API keys of programs. A key's text is on one page, once: the answer to the form that made it.

use super::guard::{Deed, FreshDeed, Visit};
use super::marks::Mark;
use super::moments::Moment;
use super::page::{Frame, html, problem, unreadable};
use super::words::Words;
use crate::App;
use crate::api::keys::{KeyState, end, make, renew, state_of};
use crate::auth::{KeyWish, NewKey};
use crate::policy::{Resource, Scope};
use crate::problem::Problem;
use crate::who::Who;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use pasarela_store::ApiKeyRow;

/// Days for which a key may be made to open; none: until it is revoked.
const DAYS: [u64; 3] = [30, 90, 365];
/// Hours for which an old text may be let open.
const HOURS: [u64; 3] = [1, 24, 168];
/// How a ticked scope is named in the form.
const TICK: &str = "alcance.";
const BRAND: &str = "marca.";

struct KeyView {
    id: String,
    name: String,
    mark: Mark,
    scopes: String,
    /// `None`: every brand.
    brands: Option<String>,
    rate: Option<String>,
    made: Moment,
    ends: Option<Moment>,
    used: Option<Moment>,
    old: Option<Moment>,
    in_force: bool,
}

/// A row of scopes to tick: what is read and what is changed of one resource, where there is such.
struct Choice {
    about: &'static str,
    scopes: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/claves.html")]
struct KeysPage {
    frame: Frame,
    /// The key that was just made.
    made: Option<NewKey>,
    made_until: Option<Moment>,
    refused: Option<String>,
    keys: Vec<KeyView>,
    choices: Vec<Choice>,
    roles: Vec<String>,
    /// Brands to choose among, where there are several.
    brands: Vec<String>,
    rate: String,
    /// Was it proved lately who looks?
    fresh: bool,
}

impl KeysPage {
    fn days(&self) -> [u64; 3] {
        DAYS
    }

    fn hours(&self) -> [u64; 3] {
        HOURS
    }

    fn span(&self, kind: &str, n: &u64) -> String {
        self.frame.w.count(kind, *n)
    }
}

fn view(w: Words, row: ApiKeyRow, now: Timestamp) -> KeyView {
    let state = state_of(&row, now);
    let (tone, shape, word) = match state {
        KeyState::InForce => ("done", "done", "keys.in_force"),
        KeyState::Expired => ("quiet", "withheld", "keys.expired"),
        KeyState::Revoked => ("quiet", "withheld", "keys.revoked"),
    };
    let terms = row.terms;
    KeyView {
        mark: Mark { tone, shape, word: w.t(word).to_owned() },
        scopes: row.scopes.join(", "),
        brands: terms.brands.map(|b| b.join(", ")),
        rate: terms.rate,
        made: Moment::new(w, row.created_at, now),
        ends: terms.expires_at.map(|at| Moment::new(w, at, now)),
        used: terms.used_at.map(|at| Moment::new(w, at, now)),
        old: terms.old.map(|(_, until)| until).filter(|until| *until > now).map(|at| Moment::new(w, at, now)),
        in_force: state == KeyState::InForce,
        id: row.id,
        name: row.name,
    }
}

async fn page(app: &App, visit: &Visit, made: Option<NewKey>, refused: Option<String>) -> Result<KeysPage, Response> {
    let (w, now) = (visit.w, app.console.wall());
    let mut rows = app.engine.store().api_keys().await.map_err(|e| unreadable(visit, e))?;
    // The newest first, and what opens nothing any more last.
    rows.sort_by_key(|r| (state_of(r, now) != KeyState::InForce, std::cmp::Reverse(r.created_at)));
    let of = |resource: &Resource| {
        let own = Scope::all().filter(|s| matches!(s, Scope::Of(r, _) if r == resource));
        Choice { about: resource.word(), scopes: own.map(|s| s.to_string()).collect() }
    };
    Ok(KeysPage {
        made_until: made.as_ref().and_then(|m| m.old_until).map(|at| Moment::new(w, at, now)),
        made,
        refused,
        keys: rows.into_iter().map(|row| view(w, row, now)).collect(),
        choices: Resource::ALL.iter().map(of).filter(|c| !c.scopes.is_empty()).collect(),
        roles: Scope::all().filter(|s| matches!(s, Scope::Role(_))).map(|s| s.to_string()).collect(),
        brands: if app.brands.len() > 1 { app.brands.iter().cloned().collect() } else { Vec::new() },
        rate: app.api_rate.to_string(),
        fresh: visit.is_fresh(app),
        frame: Frame::new(app, visit, "keys.title", "keys").await,
    })
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    Ok(html(&page(&app, &visit, None, None).await?))
}

/// Makes a key, and shows its text.
pub(super) async fn create(State(app): State<App>, who: Who, FreshDeed(deed): FreshDeed) -> Result<Response, Response> {
    let ticked = |prefix: &str| -> Vec<String> {
        let mut all: Vec<String> = deed.form.keys().filter_map(|k| k.strip_prefix(prefix)).map(str::to_owned).collect();
        all.sort();
        all
    };
    let mut scopes = ticked(TICK);
    scopes.extend(Some(deed.field("rol").to_owned()).filter(|r| !r.is_empty()));
    let days = deed.field("dias").parse::<u64>().ok().filter(|d| DAYS.contains(d));
    let hours = days.and_then(|d| i64::try_from(d * 24).ok());
    let expires_at = hours.and_then(|h| app.console.wall().checked_add(SignedDuration::from_hours(h)).ok());
    let wish = KeyWish {
        name: deed.field("nombre").to_owned(),
        scopes,
        brands: Some(ticked(BRAND)).filter(|b| !b.is_empty()),
        expires_at,
        rate: Some(deed.field("limite").to_owned()).filter(|r| !r.is_empty()),
    };
    let made = make(&app, &who, wish).await;
    answered(&app, &deed, made.map(Some)).await
}

/// Gives a key a new text, and shows it.
pub(super) async fn rotate(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    FreshDeed(deed): FreshDeed,
) -> Result<Response, Response> {
    let hours = deed.field("horas").parse::<u64>().ok().filter(|h| HOURS.contains(h)).unwrap_or(0);
    let made = renew(&app, &who, &id, hours * 3600).await;
    answered(&app, &deed, made.map(Some)).await
}

/// Ends a key.
pub(super) async fn revoke(
    State(app): State<App>,
    who: Who,
    Path(id): Path<String>,
    deed: Deed,
) -> Result<Response, Response> {
    let done = end(&app, &who, &id).await;
    answered(&app, &deed, done.map(|()| None)).await
}

async fn answered(app: &App, deed: &Deed, done: Result<Option<NewKey>, Problem>) -> Result<Response, Response> {
    match done {
        Ok(made) => Ok(html(&page(app, &deed.visit, made, None).await?)),
        Err(why) => match why.told_to_people() {
            Some(sentence) => {
                let page = page(app, &deed.visit, None, Some(sentence)).await?;
                Ok((StatusCode::BAD_REQUEST, html(&page)).into_response())
            }
            None => Err(problem(&deed.visit, why)),
        },
    }
}
