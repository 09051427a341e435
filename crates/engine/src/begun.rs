//! What is begun comes to its end before the hub stops. A claim that is being written is a call about to be
//! made: whoever ended the process between the two would not know whether it went out, without need.

use crate::engine::Inner;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Pieces of work that have begun: decisions, claims, gates, timers, calls.
#[derive(Default)]
pub(crate) struct Begun(AtomicU64);

/// A piece of work; it has ended when this is dropped.
pub(crate) struct Piece(Arc<Inner>);

impl Drop for Piece {
    fn drop(&mut self) {
        self.0.begun.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Inner {
    /// Something new. `None`: the hub stops, and nothing new begins.
    pub(crate) fn take_up(self: &Arc<Self>) -> Option<Piece> {
        // Counted before it is asked: a stop sees either the piece, or nothing of it happens.
        let piece = self.go_on_with();
        (!self.is_stopping()).then_some(piece)
    }

    /// Something that follows from what has begun.
    pub(crate) fn go_on_with(self: &Arc<Self>) -> Piece {
        self.begun.0.fetch_add(1, Ordering::SeqCst);
        Piece(self.clone())
    }

    /// Has all ended that began?
    pub(crate) fn is_at_rest(&self) -> bool {
        self.begun.0.load(Ordering::SeqCst) == 0
    }
}
