//! What `pasarela doctor` asks of the hub that serves: a look at every connection, with its own credentials.

use super::{body, list as page};
use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use futures_util::future::join_all;
use pasarela_engine::PublicAddress;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// `server.public_url`.
    #[serde(default)]
    public_url: String,
    /// Send a webhook of our own making there.
    #[serde(default)]
    trial: bool,
}

pub(crate) async fn look(State(app): State<App>, bytes: Bytes) -> Result<Json<Value>, Problem> {
    let ask: Ask = body(&bytes)?;
    let public = PublicAddress { url: &ask.public_url, try_it: ask.trial && !ask.public_url.is_empty() };
    // Providers are asked, and a webhook of our own may come in.
    audit::begin(&app).await?;
    // Side by side: a host that is dead keeps nobody else waiting.
    let names: Vec<String> = app.engine.connections().into_iter().map(|c| c.name).collect();
    let found = join_all(names.iter().map(|name| app.engine.examine(name, public))).await;
    let Json(mut answer) = page(found.into_iter().flatten().map(|e| json!(e)).collect(), None);
    if public.try_it {
        answer["public"] = json!(app.engine.reach(public.url).await);
    }
    Ok(Json(answer))
}
