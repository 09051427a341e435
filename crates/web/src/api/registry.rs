//! The registry of people who want no advertising: how it stands, and lists that were consulted by hand.

use super::body;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use pasarela_engine::{ListError, RegistryList, RegistryView};
use serde_json::{Value, json};

pub(crate) async fn show(State(app): State<App>) -> Json<RegistryView> {
    Json(app.engine.registry())
}

/// Takes a part of a list; how many addresses it answers for.
pub(crate) async fn import(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let list: RegistryList = body(&bytes)?;
    match app.engine.import_registry(list).await {
        Ok(taken) => {
            audit::done("list", json!({ "taken": taken }));
            Ok(Json(json!({ "taken": taken })))
        }
        Err(ListError::Invalid(why)) => Err(Problem::bad_request(why)),
        Err(ListError::Store(error)) => Err(error.into()),
    }
}
