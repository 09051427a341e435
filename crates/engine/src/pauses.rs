//! Kill switches: connections, flows and classes of message that a person has paused. Kept in the store,
//! so that a restart changes nothing.
//!
//! Paused work is kept, and nothing is lost: deliveries are accepted and decided, runs begin, waits end,
//! and what they want is queued. A paused connection starts nothing. Effects of a paused flow or class
//! step aside out of memory, so that others of their lane and connection pass; a resume reads the backlog
//! again and they take their places in their order. What is out when a pause comes ends as it would.

use crate::connections::{ConnectionRuntime, Hold};
use crate::engine::Inner;
use pasarela_flows::Class;
use pasarela_store::{EffectRow, News, PauseKind, PauseRow};
use std::sync::Arc;

/// Why a pause was not set or ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PauseError {
    /// Nothing of that name.
    #[error("there is no {} '{name}'; there is {known}", kind.as_str())]
    NoSuch {
        /// What was named.
        kind: PauseKind,
        /// Its name.
        name: String,
        /// Names that there are.
        known: String,
    },
    /// It was not paused.
    #[error("{} '{name}' is not paused", kind.as_str())]
    NotPaused {
        /// What was named.
        kind: PauseKind,
        /// Its name.
        name: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] pasarela_store::Error),
}

/// What is paused now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses(Vec<PauseRow>);

impl Pauses {
    pub(crate) fn new(rows: Vec<PauseRow>) -> Self {
        Self(rows)
    }

    pub(crate) fn rows(&self) -> &[PauseRow] {
        &self.0
    }

    pub(crate) fn find(&self, kind: PauseKind, name: &str) -> Option<&PauseRow> {
        self.0.iter().find(|p| p.kind == kind && p.name == name)
    }

    /// Do they hold back an effect of this flow and class?
    pub(crate) fn hold(&self, flow: Option<&str>, class: Option<&str>) -> bool {
        flow.is_some_and(|name| self.find(PauseKind::Flow, name).is_some())
            || class.is_some_and(|name| self.find(PauseKind::Class, name).is_some())
    }

    fn any(&self, kind: PauseKind) -> bool {
        self.0.iter().any(|p| p.kind == kind)
    }
}

impl Inner {
    /// Is this effect held back by a paused flow or class?
    pub(crate) async fn is_held(&self, row: &EffectRow) -> bool {
        let pauses = self.pauses.load_full();
        if pauses.hold(None, row.class.as_deref()) {
            return true;
        }
        let Some(run) = row.run.filter(|_| pauses.any(PauseKind::Flow)) else { return false };
        // One that cannot be read is held: sending it would be the worse mistake.
        let Ok(run) = self.store.run(run).await else { return true };
        let Some(run) = run else { return false };
        match self.store.flow(run.flow).await {
            Ok(flow) => flow.is_some_and(|(name, ..)| pauses.hold(Some(&name), None)),
            Err(_) => true,
        }
    }

    /// Pauses; what is paused already stays as it was.
    pub(crate) async fn pause(&self, pause: PauseRow) -> Result<PauseRow, PauseError> {
        self.check_name(pause.kind, &pause.name).await?;
        let _one = self.pausing.lock().await;
        let (kind, name) = (pause.kind, pause.name.clone());
        self.store.keep_pause(pause.clone()).await?;
        let now = Pauses::new(self.store.pauses().await?);
        let kept = now.find(kind, &name).cloned().unwrap_or(pause);
        self.pauses.store(Arc::new(now));
        if kind == PauseKind::Connection
            && let Some(connection) = self.connection(&name)
        {
            connection.lock_lanes(|l| l.halt(true));
        }
        self.store.tell(News::NODES);
        tracing::warn!(kind = kind.as_str(), name, by = kept.by, reason = kept.reason, "paused");
        Ok(kept)
    }

    /// Ends a pause: what was kept goes on in its order.
    pub(crate) async fn resume(&self, kind: PauseKind, name: &str, by: &str) -> Result<(), PauseError> {
        let _one = self.pausing.lock().await;
        let there = self.store.end_pause(kind, name).await?;
        // First the switch, then the backlog: what steps aside in between is read again.
        self.pauses.store(Arc::new(Pauses::new(self.store.pauses().await?)));
        if !there {
            return Err(PauseError::NotPaused { kind, name: name.to_owned() });
        }
        self.store.tell(News::NODES);
        tracing::warn!(kind = kind.as_str(), name, by, "resumed");
        if kind == PauseKind::Connection {
            if let Some(connection) = self.connection(name) {
                connection.lock_lanes(|l| l.halt(false));
                connection.wake.notify_one();
            }
            return Ok(());
        }
        self.reload_backlogs().await;
        Ok(())
    }

    /// Reads the whole backlog of every connection again, in its order.
    pub(crate) async fn reload_backlogs(&self) {
        for connection in &self.served() {
            self.reload_backlog(connection).await;
        }
    }

    /// Reads the whole backlog of a connection again, in its order.
    pub(crate) async fn reload_backlog(&self, connection: &ConnectionRuntime) {
        if connection.hold() == Hold::Foreign {
            return;
        }
        connection.lock_lanes(|l| l.reload(self.clock.now()));
        for urgency in 0..3 {
            let flows = loop {
                match self.store.queued_flows(connection.id, urgency).await {
                    Ok(flows) => break flows,
                    Err(pasarela_store::Error::Closed | pasarela_store::Error::Fenced) => return,
                    Err(e) => {
                        tracing::error!(connection = connection.name(), error = %e, "the backlog cannot be read");
                        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
                    }
                }
            };
            connection.lock_lanes(|l| flows.iter().for_each(|flow| l.stored(urgency, *flow)));
        }
        connection.wake.notify_one();
    }

    /// What was paused or resumed at another node is so here too.
    pub(crate) async fn follow_pauses(&self) -> Result<(), pasarela_store::Error> {
        let _one = self.pausing.lock().await;
        let (before, now) = (self.pauses.load_full(), Pauses::new(self.store.pauses().await?));
        let same = |a: &PauseRow, b: &PauseRow| a.kind == b.kind && a.name == b.name;
        let ended = before.0.iter().filter(|a| !now.0.iter().any(|b| same(a, b)));
        let work_ended = ended.clone().any(|p| p.kind != PauseKind::Connection);
        let freed: Vec<String> = ended.filter(|p| p.kind == PauseKind::Connection).map(|p| p.name.clone()).collect();
        let halted: Vec<String> =
            now.0.iter().filter(|p| p.kind == PauseKind::Connection).map(|p| p.name.clone()).collect();
        self.pauses.store(Arc::new(now));
        for (names, halt) in [(freed, false), (halted, true)] {
            for connection in names.iter().filter_map(|name| self.connection(name)) {
                connection.lock_lanes(|l| l.halt(halt));
                connection.wake.notify_one();
            }
        }
        if work_ended {
            self.reload_backlogs().await;
        }
        Ok(())
    }

    async fn check_name(&self, kind: PauseKind, name: &str) -> Result<(), PauseError> {
        let mut known: Vec<String> = match kind {
            PauseKind::Connection => self.served().iter().map(|c| c.name().to_owned()).collect(),
            PauseKind::Class => Class::ALL.iter().map(|c| (*c).to_owned()).collect(),
            PauseKind::Flow => {
                let mut names: Vec<String> = self.flows.load().all().map(|(_, f)| f.name.clone()).collect();
                // A flow that is no longer in force may have runs that go on.
                for (flow, _) in self.store.live_runs().await? {
                    names.extend(self.store.flow(flow).await?.map(|(name, ..)| name));
                }
                names
            }
        };
        if known.iter().any(|k| k == name) {
            return Ok(());
        }
        known.sort();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(PauseError::NoSuch { kind, name: name.to_owned(), known })
    }
}
