//! Keys that sign tickets: the public halves for whoever verifies without a network, and a new one.

use super::list as page;
use crate::App;
use crate::audit;
use crate::problem::Problem;
use crate::who::Who;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use pasarela_ticket::token::Signer;
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// The public half of a key that signs tickets.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PublicKey {
    /// As it stands in each ticket.
    id: String,
    /// 32 bytes, in hexadecimal digits.
    public_key: String,
    /// Always `Ed25519`.
    algorithm: &'static str,
    #[schemars(with = "pasarela_domain::Moment")]
    made_at: Timestamp,
    /// Does it sign new tickets?
    signs: bool,
}

/// Public keys, the one that signs last.
pub(crate) async fn keys(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let rows = app.engine.store().signing_keys().await?;
    let shown = rows.iter().filter_map(|row| {
        let signer = Signer::new(&row.seed).ok()?;
        Some(json!(PublicKey {
            id: signer.id().to_string(),
            public_key: hex::encode(signer.public_key()),
            algorithm: "Ed25519",
            made_at: row.made_at,
            signs: rows.last() == Some(row),
        }))
    });
    Ok(page(shown.collect(), None))
}

/// A new key signs from now on; what the earlier ones signed stays true.
pub(crate) async fn rotate(who: Who, State(app): State<App>) -> Result<Json<Value>, Problem> {
    let store = app.engine.store();
    let number = store.signing_keys().await?.last().map_or(1, |k| k.number + 1);
    audit::before("", json!({ "keys": number - 1 }));
    let seed: [u8; 32] = rand::rng().random();
    store.keep_signing_key(number, store.sealer().seal(&seed), app.engine.clock().now()).await?;
    let rows = store.signing_keys().await?;
    if let Some(desk) = &app.tickets {
        let seeds: Vec<&[u8]> = rows.iter().map(|k| k.seed.as_slice()).collect();
        desk.use_keys(&seeds).map_err(|e| Problem::bad_request(e.to_string()))?;
    }
    let signer = rows.last().and_then(|k| Signer::new(&k.seed).ok());
    let id = signer.map(|s| s.id().to_string()).unwrap_or_default();
    tracing::info!(key = id, by = who.name, "a new key signs tickets");
    audit::done(&id, json!({ "keys": rows.len() }));
    Ok(Json(json!({ "id": id, "keys": rows.len() })))
}
