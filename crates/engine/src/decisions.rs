//! What the engine decides by itself and rarely, on its way into the audit: calls to a provider stop or go on,
//! deliveries go into quarantine, what is old goes. Messages and deliveries have rows of their own that say what was
//! decided of each, and are no business of this.
//!
//! Promise: nothing waits for it. What happens often is counted and told once a minute for each action and subject;
//! what was decided in the last minute before a crash may be missing, and its own rows are not.

use crate::engine::Inner;
use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_domain::Clock;
use pasarela_store::Audited;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what is to be told.
const EVERY: Duration = Duration::from_secs(60);
/// Actions and subjects that are told apart in a minute; the others go together, without a subject.
const KINDS: usize = 100;

/// What was decided: action, subject, brand.
type Decided = (&'static str, String, String);

/// What was decided since it was told last: when first, and how often.
pub(crate) struct Decisions {
    wall: Arc<dyn Clock>,
    counted: Mutex<BTreeMap<Decided, (Timestamp, u64)>>,
}

impl Decisions {
    pub(crate) fn new(wall: Arc<dyn Clock>) -> Self {
        Self { wall, counted: Mutex::default() }
    }

    /// Something was decided about a subject of a brand.
    pub(crate) fn note(&self, action: &'static str, subject: &str, brand: &str) {
        let mut counted = self.counted.lock();
        let mut key = (action, subject.to_owned(), brand.to_owned());
        if counted.len() >= KINDS && !counted.contains_key(&key) {
            key = (action, String::new(), String::new());
        }
        counted.entry(key).or_insert_with(|| (self.wall.now(), 0)).1 += 1;
    }

    fn take(&self) -> Vec<Audited> {
        let counted = std::mem::take(&mut *self.counted.lock());
        let told = |((action, subject, brand), (at, count)): ((&str, String, String), (Timestamp, u64))| Audited {
            brand,
            after: Some(json!({ "count": count })),
            ..Audited::by_system(at, action, &subject)
        };
        counted.into_iter().map(told).collect()
    }

    /// The time of an entry.
    pub(crate) fn now(&self) -> Timestamp {
        self.wall.now()
    }
}

impl Inner {
    /// Tells what was decided, until the hub stops; what is left then too.
    pub(crate) async fn scribe(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.stopped() => return self.tell_decisions().await,
            }
            self.tell_decisions().await;
        }
    }

    pub(crate) async fn tell_decisions(&self) {
        for audited in self.decisions.take() {
            self.write_decision(audited).await;
        }
    }

    /// Writes an entry; one that cannot be written is told by the log.
    pub(crate) async fn write_decision(&self, audited: Audited) {
        let action = audited.action.clone();
        let written = match audited.sealed(self.store.sealer()) {
            Ok(entry) => self.store.audit(entry).await,
            Err(e) => Err(e.into()),
        };
        if let Err(error) = written {
            tracing::error!(%error, action, "a decision could not be written into the audit");
        }
    }
}
