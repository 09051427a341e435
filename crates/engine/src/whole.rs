//! What was begun is ended, also when whoever asked for it goes away. A request whose caller hangs up is
//! dropped where it stands; what it had taken (a slot, a lane, a place in the inbox) would stay taken until
//! a restart. What belongs to somebody's deed goes on as such.

use pasarela_store::deed;
use std::future::Future;

/// Does it on a task of its own, and waits for it as long as the caller is there.
pub(crate) async fn whole<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(deed::inherited(work)).await {
        Ok(done) => done,
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is ending, and the caller with it.
            Err(_) => std::future::pending().await,
        },
    }
}
