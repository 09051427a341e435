//! Beside a running hub: what one data key sealed is counted, a new one begins before it sealed too much, and what
//! earlier ones sealed is sealed anew, in bites that leave the writer its turn.

use pasarela_store::{Audited, Error, SEALS_OF_A_KEY, Store};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// Between two bites.
const BREATH: Duration = Duration::from_millis(5);
/// Rows of a bite.
const ROWS: u32 = 200;
/// How long this node has the turn, in milliseconds.
const TURN: u32 = 30_000;

/// Looks after the keys until the task is ended.
pub(crate) async fn keep(store: Arc<dyn Store>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = round(&*store).await {
            tracing::warn!(%error, "the sealing keys could not be looked after; it is tried again");
        }
    }
}

async fn round(store: &dyn Store) -> Result<(), Error> {
    let sealed = store.count_seals().await?;
    let state = store.seal_state().await?;
    if sealed >= SEALS_OF_A_KEY && !state.between {
        let number = store.add_data_key().await?;
        note(store, serde_json::json!({ "data_key": number })).await?;
        tracing::info!(number, "a data key sealed as much as one may; another one seals from now on");
    }
    if state.table.is_none() || !store.care_turn(TURN).await? {
        return Ok(());
    }
    let mut renewed = 0;
    loop {
        let bite = store.reseal(ROWS).await?;
        renewed += bite.renewed;
        if bite.done {
            note(store, serde_json::json!({ "resealed": renewed })).await?;
            tracing::info!(renewed, "everything is sealed by the present data key");
            return Ok(());
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// A step of the keys, in the audit.
async fn note(store: &dyn Store, after: serde_json::Value) -> Result<(), Error> {
    let audited = Audited { after: Some(after), ..Audited::by_system(jiff::Timestamp::now(), "seal.step", "") };
    store.audit(audited.sealed(store.sealer())?).await
}
