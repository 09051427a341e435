//! Links that sign in once: made by whoever may open the database, or for somebody with an account; short-lived,
//! worth nothing after the first use on any node.

use super::session::{Kept, hashed, may_write};
use crate::App;
use crate::accounts::Account;
use crate::auth::random_text;
use jiff::Timestamp;
use pasarela_domain::Grant;
use pasarela_store::{PassKind, PassRow};
use std::time::Duration;

/// A link lives this long at most: it lies in terminals and chats.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A link of an account lives this long: it lies in a mailbox.
pub(crate) const LETTER: Duration = Duration::from_secs(10 * 60);
/// Longest name: it is shown in a corner and kept with what its holder does.
const NAME: usize = 60;

/// A link that was just made. Its text exists only here.
#[derive(Debug, Clone, serde::Serialize)]
pub struct NewLink {
    /// The address to open.
    pub link: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// Makes a link for a person without an account. What is wrong is told in a sentence.
pub async fn create_link(app: &App, name: &str, scopes: &[String], life: Duration) -> Result<NewLink, String> {
    if let Some(unknown) = scopes.iter().find(|s| !["read", "write"].contains(&s.as_str())) {
        return Err(format!("there is no scope '{unknown}'; scopes are read, write"));
    }
    if !scopes.iter().any(|s| s == "read") {
        return Err("whoever signs in must be able to read: give the scope read, or read,write".into());
    }
    make(app, named(name)?, scopes.iter().any(|s| s == "write"), None, life).await
}

/// The same with a role in place of scopes.
pub(crate) async fn link_as(app: &App, name: &str, grant: Grant, life: Duration) -> Result<NewLink, String> {
    let grants = vec![grant];
    make(app, named(name)?, may_write(&grants), Some(grants), life).await
}

fn named(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(format!("give the name of a person, of 1 to {NAME} characters"));
    }
    Ok(name)
}

async fn make(
    app: &App,
    name: &str,
    may_write: bool,
    grants: Option<Vec<Grant>>,
    life: Duration,
) -> Result<NewLink, String> {
    let detail = grants.map(|grants| Kept::giving(grants).bytes()).unwrap_or_default();
    keep(app, Pass { name, may_write, account: None, detail }, life).await
}

/// Makes a link for somebody who has an account. They may do what the account may do when they use it.
pub(crate) async fn account_link(app: &App, account: &Account, life: Duration) -> Result<NewLink, String> {
    if account.disabled_at.is_some() {
        return Err(format!("{} is disabled; `pasarela users enable` lets them in again", account.email));
    }
    let may_write = may_write(&account.grants);
    keep(app, Pass { name: &account.name, may_write, account: Some(account.id.clone()), detail: Vec::new() }, life)
        .await
}

struct Pass<'a> {
    name: &'a str,
    may_write: bool,
    account: Option<String>,
    detail: Vec<u8>,
}

async fn keep(app: &App, of: Pass<'_>, life: Duration) -> Result<NewLink, String> {
    if life.is_zero() || life > LONGEST {
        return Err("a link lives from 1 minute to 24 hours".into());
    }
    let token = format!("psl_{}", random_text(43));
    let now = app.console.wall();
    let expires_at = now.checked_add(life).map_err(|e| e.to_string())?;
    let pass = PassRow {
        hash: hashed(&token),
        kind: PassKind::Link,
        name: of.name.to_owned(),
        may_write: of.may_write,
        key: None,
        account: of.account,
        detail: of.detail,
        created_at: now,
        expires_at,
    };
    app.engine.store().keep_pass(pass).await.map_err(|e| e.to_string())?;
    let link = format!("{}/entrar?enlace={token}", app.console.url);
    Ok(NewLink { link, expires_at })
}
