//! How several nodes share one database: whose a connection is, and what others have done to it.
//!
//! A connection is one node's at a time. That node alone decides what came by it, sends by it, and fires
//! the timers of what began with it; so order, rate and breaker of a connection are in one place. What
//! other nodes do for a connection (accept its webhooks, queue effects for it, retry its dead letters) is
//! in the database, and its owner looks there. ADR 0011 says why.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What a node tells of itself when it asks for its share.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Connections that it is configured for; `None`: it is here for a command, and takes no share.
    pub serves: Option<Vec<i64>>,
    /// Of these, what weighs nothing: it calls nobody, so it is no work to be shared evenly.
    pub light: Vec<i64>,
    /// Connections that it gives back: nothing of them is out or in memory.
    pub given: Vec<i64>,
    /// Connections whose owners are to look into their provider's records.
    pub missed: Vec<i64>,
    /// No event that it will yet write has an id below this.
    pub below: i64,
    /// It writes as one among others, up to the node with this epoch ([`Shares::newest`]).
    pub beside: i64,
}

/// A connection that is this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which.
    pub connection: i64,
    /// How often another node changed what its owner keeps in memory ([`crate::Work::marks`]).
    pub marks: i64,
    /// How often another node asked that its records be read.
    pub missed: i64,
}

/// Which part of the work is whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Every other node knows of this one: it may write. Before that it must not, since a node that
    /// believes to be alone decides by what it has in memory.
    pub admitted: bool,
    /// Connections that are this node's, also those that it is to give.
    pub own: Vec<Share>,
    /// Connections of its own that another node should have: to be given back when nothing of them is out.
    pub give: Vec<i64>,
    /// Connections of others, and who has them.
    pub others: Vec<(i64, String)>,
    /// Other nodes that are alive, by name.
    pub nodes: Vec<String>,
    /// Epoch of the newest other node; 0: there is none.
    pub newest: i64,
    /// Events of other nodes below this id are all written; `None`: there are no others.
    pub below: Option<i64>,
    /// When another node would be declared dead, were it to give no more sign of life.
    pub soonest_end: Option<Duration>,
}

/// What another node may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// Deliveries came in.
    pub inbox: bool,
    /// Effects were queued, or changed by a person.
    pub effects: bool,
    /// Nodes came or went, a person paused or pushed something.
    pub nodes: bool,
}

const INBOX: u8 = 1;
const EFFECTS: u8 = 2;
const NODES: u8 = 4;

impl News {
    /// Deliveries came in.
    pub const INBOX: Self = Self { inbox: true, effects: false, nodes: false };
    /// Effects were queued, or changed by a person.
    pub const EFFECTS: Self = Self { inbox: false, effects: true, nodes: false };
    /// Nodes came or went, a person paused or pushed something.
    pub const NODES: Self = Self { inbox: false, effects: false, nodes: true };

    pub(crate) fn bits(self) -> u8 {
        (u8::from(self.inbox) * INBOX) | (u8::from(self.effects) * EFFECTS) | (u8::from(self.nodes) * NODES)
    }

    pub(crate) fn of(bits: u8) -> Self {
        Self { inbox: bits & INBOX != 0, effects: bits & EFFECTS != 0, nodes: bits & NODES != 0 }
    }
}

/// News on their way, merged: many of one kind are one.
#[derive(Default)]
pub(crate) struct Letterbox {
    bits: AtomicU8,
    wake: Notify,
}

impl Letterbox {
    pub(crate) fn put(&self, news: News) {
        let bits = news.bits();
        if bits != 0 && self.bits.fetch_or(bits, Ordering::AcqRel) & bits != bits {
            self.wake.notify_one();
        }
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) async fn take(&self) -> News {
        loop {
            let bits = self.bits.swap(0, Ordering::AcqRel);
            if bits != 0 {
                return News::of(bits);
            }
            self.wake.notified().await;
        }
    }
}
