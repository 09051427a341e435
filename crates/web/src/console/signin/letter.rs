//! `/entrar/enlace`: a link to whoever has an account, by the hub's own mail connection.
//!
//! Promise: the answer is the same and comes as fast whether the address is known or not; the link is in the
//! letter and nowhere else.

use super::{Says, later, no, page, wait};
use crate::App;
use crate::accounts::lockout::{self, Admitted};
use crate::console::device;
use crate::console::guard::{Visit, asker, read_form};
use crate::console::links::{LETTER, account_link};
use crate::console::words::Words;
use crate::who::Who;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use pasarela_domain::EmailAddress;

pub(in crate::console) async fn send(State(app): State<App>, visit: Visit, request: Request) -> Response {
    let from = asker(&request);
    let form = read_form(request.into_body()).await.unwrap_or_default();
    let typed = form.get("correo").map(|t| t.trim()).unwrap_or_default();
    if !app.engine.has_mail() {
        return no(&app, &visit, StatusCode::CONFLICT, "signin.no_mail");
    }
    let Ok(email) = typed.parse::<EmailAddress>() else {
        return no(&app, &visit, StatusCode::BAD_REQUEST, "signin.bad_email");
    };
    let (store, now) = (&**app.engine.store(), app.console.wall());
    match lockout::admit(store, lockout::SOURCE, &device::place(from), now).await {
        Ok(Admitted::Yes | Admitted::Last) => {}
        Ok(Admitted::Wait(left)) => return wait(&app, &visit, left),
        Err(e) => return later(&app, &visit, &e),
    }
    let (sender, words) = (app.clone(), visit.w);
    tokio::spawn(async move {
        if let Err(why) = write(&sender, words, &email).await {
            tracing::warn!(why, "a letter with a link that signs in was not sent");
        }
    });
    page(&app, &visit, StatusCode::ACCEPTED, Says { done: Some("signin.sent"), ..Says::default() })
}

/// Writes, if there is somebody to write to. Says why not, without naming anybody.
async fn write(app: &App, w: Words, email: &EmailAddress) -> Result<(), String> {
    let store = &**app.engine.store();
    let Ok(account) = app.accounts().find(email.as_str()).await else { return Ok(()) };
    if account.disabled_at.is_some() {
        return Ok(());
    }
    let admitted = lockout::admit(store, lockout::LETTER, &account.email, app.console.wall()).await;
    if !admitted.map_err(|e| e.to_string())?.is_in() {
        return Err("so many were asked for that the mailbox is left alone for a while".into());
    }
    let noted = app.noted_of(&account);
    let sent = app
        .as_deed(Who::system(), "sign_in.letter", noted, async { post(app, w, &account).await.map_err(Unsent::Why) });
    sent.await.map_err(|Unsent::Why(why)| why)
}

/// Why no letter went out.
enum Unsent {
    Why(String),
}

impl From<pasarela_store::Error> for Unsent {
    fn from(e: pasarela_store::Error) -> Self {
        Self::Why(e.to_string())
    }
}

/// Sends an account its link.
pub(in crate::console) async fn post(app: &App, w: Words, account: &crate::accounts::Account) -> Result<(), String> {
    let made = account_link(app, account, LETTER).await?;
    let text = w.with("letter.text", &account.name).replacen("{}", &made.link, 1);
    let key = format!("sign-in:{}", crate::auth::random_text(20));
    app.engine.letter(&account.email, w.t("letter.subject"), &text, &key).await.map_err(|e| e.to_string())
}
