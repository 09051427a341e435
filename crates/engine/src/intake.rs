//! How much may wait to be decided (G13): a flood is taken in up to a number of bytes, and as long as the
//! disk has room for what follows from it. Beyond, deliveries are answered 503 and their connection is
//! reconciled; what was accepted is decided meanwhile, and taking in goes on by itself.
//!
//! How much waits is measured in the store, a few times a second at most, and what was taken in since
//! the last measure is added: with several nodes each may be beyond the bound by what the others took in
//! since then, and never below what is really there.

use crate::engine::Inner;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Between two measures.
const EVERY: Duration = Duration::from_millis(250);

/// The bounds.
#[derive(Debug, Clone, Copy)]
pub struct IntakeLimits {
    /// Bytes of deliveries that may wait to be decided. The door may add an eighth.
    pub pending_bytes: u64,
    /// Bytes that stay free on the disk.
    pub disk_free: u64,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self { pending_bytes: 1024 * 1024 * 1024, disk_free: 256 * 1024 * 1024 }
    }
}

/// How intake stands.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, schemars::JsonSchema)]
pub struct IntakeView {
    /// Bytes that wait.
    pub pending_bytes: u64,
    /// Bytes that may.
    pub limit_bytes: u64,
    /// Deliveries are refused now.
    pub capped: bool,
}

#[derive(Default)]
pub(crate) struct Intake {
    limits: IntakeLimits,
    /// In the store at the last measure.
    measured: AtomicU64,
    /// Bytes let in and answered by the store when that measure began: what came after is not in it.
    mark: AtomicU64,
    let_in: AtomicU64,
    answered: AtomicU64,
    low: AtomicBool,
    capped: AtomicBool,
}

impl Intake {
    pub(crate) fn new(limits: IntakeLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    fn pending(&self) -> u64 {
        self.measured.load(SeqCst) + self.let_in.load(SeqCst).saturating_sub(self.mark.load(SeqCst))
    }

    /// May a delivery of so many bytes come in? Then [`Intake::answered`] is to follow.
    pub(crate) fn admit(&self, bytes: u64, door: bool) -> Result<(), String> {
        let bound = self.limits.pending_bytes + if door { self.limits.pending_bytes / 8 } else { 0 };
        let why = if self.low.load(SeqCst) {
            "the disk that holds the database is nearly full; what was accepted is kept, come again later"
        } else if self.pending() + bytes > bound {
            "more waits to be decided than the hub may hold; what was accepted is kept, come again shortly"
        } else {
            self.let_in.fetch_add(bytes, SeqCst);
            return Ok(());
        };
        self.capped.store(true, SeqCst);
        Err(why.to_owned())
    }

    pub(crate) fn answered(&self, bytes: u64) {
        self.answered.fetch_add(bytes, SeqCst);
    }

    fn is_idle(&self) -> bool {
        self.let_in.load(SeqCst) == self.mark.load(SeqCst) && self.measured.load(SeqCst) == 0
    }

    /// Is there room for what nobody asked us to take, such as records that are read?
    fn has_room(&self) -> bool {
        !self.low.load(SeqCst) && self.pending() < self.limits.pending_bytes
    }

    pub(crate) fn view(&self) -> IntakeView {
        IntakeView {
            pending_bytes: self.pending(),
            limit_bytes: self.limits.pending_bytes,
            capped: self.capped.load(SeqCst),
        }
    }

    fn take(&self, measured: u64, mark: u64, disk_free: u64) {
        self.measured.store(measured, SeqCst);
        self.mark.store(mark, SeqCst);
        let low = disk_free < self.limits.disk_free;
        if low != self.low.swap(low, SeqCst) {
            if low {
                tracing::error!(disk_free, "the disk is nearly full: deliveries are refused until there is room");
            } else {
                tracing::info!(disk_free, "the disk has room again: deliveries are taken in");
            }
        }
        // An eighth below the bound, so that the alarm does not flicker.
        if !low && self.pending() <= self.limits.pending_bytes - self.limits.pending_bytes / 8 {
            self.capped.store(false, SeqCst);
        }
    }
}

impl Inner {
    /// Measures what waits, until the hub stops.
    pub(crate) async fn intake_keeper(self: Arc<Self>) {
        for n in 0u64.. {
            // Where nothing waits and nothing came, what others bring in is soon enough seen.
            if n.is_multiple_of(4) || !self.intake.is_idle() {
                self.measure_intake().await;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.stopped() => return,
            }
        }
    }

    pub(crate) async fn measure_intake(&self) {
        let intake = &self.intake;
        let mark = intake.answered.load(SeqCst);
        let free = self.store.disk_free();
        match self.store.pending().await {
            Ok((_, bytes)) => intake.take(bytes, mark, free),
            Err(e) => tracing::debug!(error = %e, "what waits could not be measured"),
        }
    }

    /// Returns when records that are read may come in.
    pub(crate) async fn room_for_reading(&self) {
        while !self.intake.has_room() && !self.is_stopping() {
            tokio::time::sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_in_counts_until_a_measure_has_seen_it() {
        let intake = Intake::new(IntakeLimits { pending_bytes: 1000, disk_free: 10 });
        for _ in 0..10 {
            intake.admit(100, false).unwrap();
        }
        assert!(intake.admit(1, false).unwrap_err().contains("come again"));
        assert!(intake.view().capped);
        intake.admit(100, true).unwrap();
        intake.admit(26, true).unwrap_err();

        // Five were answered when the measure began; the store tells of three that are not decided yet.
        intake.answered(500);
        intake.take(300, 500, 10);
        assert_eq!(intake.view().pending_bytes, 900, "six are on their way and count in full");
        assert!(intake.view().capped, "not yet an eighth below");
        intake.answered(600);
        intake.take(700, 1100, 10);
        assert_eq!((intake.view().pending_bytes, intake.view().capped), (700, false));

        intake.take(0, 1100, 9);
        assert!(intake.admit(1, true).unwrap_err().contains("disk"), "the disk is everybody's bound");
        intake.take(0, 1100, 10);
        intake.admit(1, false).unwrap();
    }
}
