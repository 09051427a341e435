//! Links that sign in once: made by whoever may open the database, short-lived, worth nothing after the
//! first use on any node.

use super::session::hashed;
use crate::App;
use crate::auth::random_text;
use jiff::Timestamp;
use pasarela_store::{PassKind, PassRow};
use std::time::Duration;

/// A link lives this long at most: it lies in terminals and chats.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
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

/// Makes a link for a person. What is wrong is told in a sentence.
pub async fn create_link(app: &App, name: &str, scopes: &[String], life: Duration) -> Result<NewLink, String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(format!("give the name of a person, of 1 to {NAME} characters"));
    }
    if let Some(unknown) = scopes.iter().find(|s| !["read", "write"].contains(&s.as_str())) {
        return Err(format!("there is no scope '{unknown}'; scopes are read, write"));
    }
    if !scopes.iter().any(|s| s == "read") {
        return Err("whoever signs in must be able to read: give the scope read, or read,write".into());
    }
    if life.is_zero() || life > LONGEST {
        return Err("a link lives from 1 minute to 24 hours".into());
    }
    let token = format!("psl_{}", random_text(43));
    let now = app.console.wall.now();
    let expires_at = now.checked_add(life).map_err(|e| e.to_string())?;
    let pass = PassRow {
        hash: hashed(&token),
        kind: PassKind::Link,
        name: name.to_owned(),
        may_write: scopes.iter().any(|s| s == "write"),
        key: None,
        account: None,
        detail: Vec::new(),
        created_at: now,
        expires_at,
    };
    app.engine.store().keep_pass(pass).await.map_err(|e| e.to_string())?;
    let link = format!("{}/entrar?enlace={token}", app.console.url);
    Ok(NewLink { link, expires_at })
}
