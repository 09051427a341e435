//! The vault, for whoever holds the database: `pasarela secrets`. No answer holds a value.

use super::body;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use pasarela_connector::ConnectionConfig;
use pasarela_domain::Secret;
use pasarela_engine::vault::{self, Unfit, Values};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the configuration of this hub takes out of the vault.
pub trait SecretUses: Send + Sync {
    /// Places that name a secret: `connections.wa.access_token`.
    fn places(&self, secret: &str) -> Vec<String>;
    /// Connections that name the secret, as they would be with these values. The error is a sentence: what cannot be,
    /// and at which connection. One that lacks another secret is left out.
    fn resolved(&self, secret: &str, values: &Values) -> Result<Vec<ConnectionConfig>, String>;
}

impl App {
    fn places(&self, secret: &str) -> Vec<String> {
        self.secret_uses.as_ref().map_or_else(Vec::new, |uses| uses.places(secret))
    }
}

fn unfit(e: Unfit) -> Problem {
    Problem::bad_request(e.to_string())
}

pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let held = vault::list(&**app.engine.store()).await?;
    let shown = held.into_iter().map(|h| {
        let used_by = app.places(&h.name);
        json!({ "name": h.name, "set_at": h.set_at, "set_by": h.by, "used_by": used_by })
    });
    Ok(super::list(shown.collect(), None))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    value: Secret,
}

pub(crate) async fn set(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    // Said without what was given: an error of syntax repeats its text.
    let given: Given = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_request("a secret is given as {\"value\": \"...\"}, in UTF-8"))?;
    vault::check_name(&name).map_err(unfit)?;
    vault::check_value(&given.value).map_err(unfit)?;
    let store = app.engine.store();
    let mut values = vault::values(&**store).await?;
    values.insert(name.clone(), given.value.clone());
    let connections = match &app.secret_uses {
        Some(uses) => uses.resolved(&name, &values).map_err(Problem::bad_request)?,
        None => Vec::new(),
    };
    let replaced = vault::set(&**store, &name, &given.value, &who.name, app.console.wall()).await?;
    let mut in_force = Vec::new();
    for config in connections {
        let connection = config.name.clone();
        match app.engine.take_secrets(config).await {
            Ok(true) => in_force.push(connection),
            Ok(false) => {}
            Err(e) => tracing::error!(connection, error = %e, "a connection does not take its new secret"),
        }
    }
    let places = app.places(&name);
    audit::done(name.clone(), json!({ "replaced": replaced, "used_by": places }));
    tracing::info!(secret = name, replaced, ?in_force, "a secret of the vault was set");
    let own = |place: &String| in_force.iter().any(|c| place.starts_with(&format!("connections.{c}.")));
    let later: Vec<&String> = places.iter().filter(|p| !own(p)).collect();
    Ok(Json(json!({ "name": name, "replaced": replaced, "in_force": in_force, "after_restart": later })))
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Also where the configuration names it.
    #[serde(default)]
    force: bool,
}

pub(crate) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Problem> {
    let asked: Removal = if bytes.is_empty() { Removal::default() } else { body(&bytes)? };
    let places = app.places(&name);
    if !places.is_empty() && !asked.force {
        let detail = format!(
            "{} takes '{name}': change the configuration and start the hub again first; with --force it goes all the same, \
             and the next start needs another",
            places.join(", ")
        );
        return Err(Problem::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", detail));
    }
    if !vault::remove(&**app.engine.store(), &name).await? {
        let name: String = name.chars().take(80).collect();
        return Err(Problem::not_found(format!(
            "the vault has no secret '{name}'; `pasarela secrets list` shows what there is"
        )));
    }
    audit::done(name.clone(), json!({ "used_by": places }));
    Ok(Json(json!({ "name": name, "removed": true, "used_by": places })))
}
