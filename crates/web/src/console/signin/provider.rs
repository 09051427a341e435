//! `/entrar/proveedor` and `/entrar/vuelta`: to the OpenID provider, and back.
//!
//! The page that says "you are in" goes on by itself: the way back began on another site, and a browser keeps a
//! strict cookie to itself until a page of ours leads on.

use super::{Says, inside, landing, later, page, wait, with_cookie};
use crate::App;
use crate::accounts::AccountError;
use crate::accounts::lockout::{self, Admitted};
use crate::accounts::oidc::{Back, OidcError, Person};
use crate::console::device;
use crate::console::guard::{Visit, asker};
use crate::console::page::{Bare, html};
use crate::console::session::{Opening, Way, errand, set_errand};
use askama::Template;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

#[derive(Template)]
#[template(path = "console/adentro.html")]
struct InsidePage {
    frame: Bare,
    next: &'static str,
}

/// Where the provider sends people back to.
fn address(app: &App) -> String {
    format!("{}/entrar/vuelta", app.console.url)
}

fn refused(app: &App, visit: &Visit, why: OidcError) -> Response {
    let (status, problem) = match why {
        OidcError::Store(e) => return later(app, visit, &e),
        OidcError::Off => (StatusCode::NOT_FOUND, "signin.no_provider"),
        OidcError::Provider(_) => (StatusCode::BAD_GATEWAY, "signin.provider_silent"),
        OidcError::Stray | OidcError::Refused(_) => (StatusCode::FORBIDDEN, "signin.provider_refused"),
    };
    tracing::warn!(error = %why, "a sign-in by the OpenID provider came to nothing");
    page(app, visit, status, Says { problem: Some(problem), ..Says::default() })
}

/// Away.
pub(in crate::console) async fn leave(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let Some(oidc) = app.console.oidc.clone() else { return refused(&app, &visit, OidcError::Off) };
    // Each leaves a row behind for ten minutes: whoever only presses the button waits like whoever only guesses.
    let place = device::place(asker(&request));
    match lockout::admit(&**app.engine.store(), lockout::SOURCE, &place, app.console.wall()).await {
        Ok(Admitted::Wait(left)) => return wait(&app, &visit, left),
        Ok(Admitted::Yes | Admitted::Last) => {}
        Err(e) => return later(&app, &visit, &e),
    }
    match oidc.begin(&app, &address(&app)).await {
        Ok(away) => {
            let cookie = set_errand(&app, request.headers(), &away.cookie);
            with_cookie(Redirect::to(&away.location).into_response(), &cookie)
        }
        Err(why) => refused(&app, &visit, why),
    }
}

/// Back.
pub(in crate::console) async fn back(
    State(app): State<App>,
    visit: Visit,
    Query(answer): Query<Back>,
    request: Request,
) -> Response {
    let Some(oidc) = app.console.oidc.clone() else { return refused(&app, &visit, OidcError::Off) };
    let (headers, from) = (request.headers().clone(), asker(&request));
    let browser = errand(&app, &headers).unwrap_or_default();
    let person = oidc.finish(&app, answer, browser, &address(&app)).await;
    let response = match person {
        Err(why) => refused(&app, &visit, why),
        Ok(person) => match admit(&app, &person).await {
            Err(AccountError::Store(e)) => later(&app, &visit, &e),
            Err(why) => refused(&app, &visit, OidcError::Refused(why.to_string())),
            Ok(None) => {
                let why = "nobody invited this person, or the provider did not verify the address";
                refused(&app, &visit, OidcError::Refused(why.into()))
            }
            Ok(Some(account)) => {
                let opened = app.let_in(&account, "provider", from, async {
                    let opening = Opening::account(&account, Way::Provider);
                    let cookie = app.console.sessions.open(&app, &headers, from, opening).await?;
                    app.accounts().signed_in(&account).await;
                    Ok(cookie)
                });
                match opened.await {
                    Err(e) => later(&app, &visit, &e),
                    Ok(cookie) => {
                        let (store, place) = (app.engine.store(), device::place(from));
                        let back = lockout::take_back(&**store, lockout::SOURCE, &place, app.console.wall()).await;
                        if let Err(e) = back {
                            tracing::warn!(error = %e, "a try that succeeded could not be taken back");
                        }
                        let next = landing(&app, &cookie).await;
                        let shown = html(&InsidePage { frame: Bare::new(&visit, "signin.inside"), next });
                        inside(&app, &headers, &cookie, shown).await
                    }
                }
            }
        },
    };
    with_cookie(response, &set_errand(&app, &headers, ""))
}

/// The account of a person, with the roles that the provider gives where it is asked for them.
async fn admit(app: &App, person: &Person) -> Result<Option<crate::accounts::Account>, AccountError> {
    let Some(account) = app.accounts().by_provider(person).await? else { return Ok(None) };
    match &person.grants {
        None => Ok(Some(account)),
        Some(grants) if grants.is_empty() => Ok(None),
        Some(grants) if *grants == account.grants => Ok(Some(account)),
        Some(grants) => {
            let before = account;
            let noted = app.noted_of(&before);
            let granted = app.as_deed(crate::who::Who::system(), "users.granted", noted, async {
                app.intend("users.granted", &before);
                let account = app.accounts().set_grants(&before.id, |_| grants.clone()).await?;
                app.console.sessions.forget(&account.id, None);
                app.note_account("users.granted", &account, Some(&before));
                Ok::<_, AccountError>(account)
            });
            granted.await.map(Some)
        }
    }
}
