//! Keys that nobody has: each would cost a read of the store, so who brings many of them is told to wait, and what
//! they cost is bounded meanwhile. Nobody is kept out by it who has a key: an office behind one address, one of whose
//! programs has an old key, goes on.

use super::find_in;
use crate::accounts::lockout;
use crate::rate::{Buckets, Rate, Stand};
use pasarela_store::{ApiKeyRow, Error, Store};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How old a list of keys may be, by which it is decided for who has to wait.
const STALE: Duration = Duration::from_secs(1);

/// What came from where, and the list of keys as it was read last.
pub(crate) struct Unknown {
    tries: Buckets,
    listed: Mutex<Option<(Instant, Arc<Vec<ApiKeyRow>>)>>,
}

impl Default for Unknown {
    fn default() -> Self {
        Self { tries: Buckets::named("unknown-keys"), listed: Mutex::new(None) }
    }
}

impl Unknown {
    /// How a place stands that has to wait; `None`: it may try.
    pub(crate) fn must_wait(&self, from: Option<IpAddr>) -> Option<Stand> {
        let stand = self.tries.look(&lockout::place(from), Rate::UNKNOWN_KEYS, Instant::now());
        Some(stand).filter(|stand| stand.wait.is_some())
    }

    /// A key came from there that nobody has.
    pub(crate) fn count(&self, from: Option<IpAddr>) {
        self.tries.take(&lockout::place(from), Rate::UNKNOWN_KEYS, Instant::now());
    }

    /// The key of this hash, by a list that is read once a second at most, however many ask.
    pub(crate) async fn find(&self, store: &dyn Store, hash: &[u8; 32]) -> Result<Option<ApiKeyRow>, Error> {
        let mut listed = self.listed.lock().await;
        let rows = match &*listed {
            Some((at, rows)) if at.elapsed() < STALE => rows.clone(),
            _ => {
                let rows = Arc::new(store.api_keys().await?);
                *listed = Some((Instant::now(), rows.clone()));
                rows
            }
        };
        drop(listed);
        Ok(find_in(&rows, hash).cloned())
    }
}
