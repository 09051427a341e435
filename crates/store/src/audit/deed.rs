//! A deed: something that somebody asked for and that changes something. Before the first row of it is written, the
//! chain says that it began; when it ended, what came of it. Whoever dies between the two leaves an entry that says
//! "it began, and nobody knows", and never a change without an entry, nor an entry of what did not happen.
//!
//! Promise: nothing is written [`within`] a deed before the chain says that it began. The adapters ask here at the
//! one place where everything passes on its way to the writer, so no handler can forget it. Outside of a deed (what
//! comes in, what is decided, what goes out) it costs one look at the task, and nothing in the database.

use super::{Audited, Outcome};
use crate::contract::{Error, Store};
use std::sync::Arc;
use tokio::sync::OnceCell;

tokio::task_local! {
    static DEED: Option<Arc<Deed>>;
}

/// What is said of a deed before it is done; `None`: it is none after all, and nothing is said.
type Saying = Box<dyn Fn() -> Option<Audited> + Send + Sync>;

/// Something that is being done. See the head of this file.
pub struct Deed {
    id: i64,
    says: Saying,
    /// Once it is there: did the chain say that it began?
    begun: OnceCell<bool>,
}

impl Deed {
    /// One that has not begun. `id` is a number that no other deed has, above 0; `says` is asked when it begins.
    #[must_use]
    pub fn new(id: i64, says: impl Fn() -> Option<Audited> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { id, says: Box::new(says), begun: OnceCell::new() })
    }

    /// Does the chain say that it began?
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.get().is_some_and(|said| *said)
    }

    /// Says that it begins, unless that is said. Of many who come here at once one says it, and all wait for it.
    ///
    /// # Errors
    /// When it could not be written: then nothing is to be done.
    pub async fn begin(&self, store: &dyn Store) -> Result<(), Error> {
        let said = self.begun.get_or_try_init(|| async {
            let Some(audited) = (self.says)() else { return Ok(false) };
            let entry = audited.came_to(self.id, Outcome::Begun).sealed(store.sealer())?;
            // Its own entry waits for nothing.
            DEED.scope(None, async { store.audit(entry).await }).await?;
            Ok(true)
        });
        said.await.map(drop)
    }

    /// What is said of it when it ended: tied to its beginning, where that was said.
    #[must_use]
    pub fn ended(&self, audited: Audited, outcome: Outcome) -> Audited {
        if self.has_begun() { audited.came_to(self.id, outcome) } else { audited }
    }
}

/// Does something as a deed: whatever is written in it is written after its beginning.
pub async fn within<T>(deed: Arc<Deed>, work: impl Future<Output = T>) -> T {
    DEED.scope(Some(deed), work).await
}

/// The deed that is being done here.
#[must_use]
pub fn present() -> Option<Arc<Deed>> {
    DEED.try_with(Clone::clone).ok().flatten()
}

/// A task of its own that goes on with what is being done here.
pub fn inherited<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let deed = present();
    DEED.scope(deed, work)
}

/// The deed that has yet to begin before anything may be written here.
pub(crate) fn waiting() -> Option<Arc<Deed>> {
    present().filter(|deed| deed.begun.get().is_none())
}
