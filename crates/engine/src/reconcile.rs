//! Webhooks are hints, the provider's records are the truth (G11): every task of every connection is
//! read on a schedule, and what the webhooks missed comes in as deliveries with source `poll`.
//!
//! A record that says nothing new is counted and not stored, so that reading the same orders each
//! few minutes does not fill the disk. What is news is told, proposed to a person, or comes in, as the
//! connection's policy says. Reading takes only a share of the connection's rate, and one task of a
//! connection at a time.
//!
//! A backfill is the same walk from the beginning of time, with a place of its own, so that a restart
//! goes on with it and the regular reading is not disturbed.

mod extra;
mod news;
mod report;
mod take;

pub(crate) use take::PROPOSAL;

pub use report::{Ask, Difference, Finding, Policy, ReconcileSettings, Report};

use crate::connections::ConnectionRuntime;
use crate::dispatch::Trouble;
use crate::engine::Inner;
use crate::lanes::Slot;
use jiff::Timestamp;
use pasarela_connector::{Answer, Ctx, Outcome, PollStep, Repeat};
use pasarela_store::Error;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Calls of one reconciliation of one task at most: a connector that never ends does not run for ever.
const MAX_CALLS: u32 = 20_000;
/// How often the reports of the node that has a connection are read by the others.
const RECALL: Duration = Duration::from_secs(10);

/// Why a reconciliation did not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReconcileError {
    /// No such connection.
    #[error("there is no connection '{0}'")]
    NoConnection(String),
    /// The provider keeps no history.
    #[error("{provider} cannot be reconciled: {why}")]
    NoHistory {
        /// Provider.
        provider: &'static str,
        /// Why.
        why: String,
    },
    /// Another node has the connection.
    #[error(
        "connection '{connection}' is served by the node {node} at this moment; it was asked to read the records now, and its report is there"
    )]
    Elsewhere {
        /// Connection.
        connection: String,
        /// Which node.
        node: String,
    },
    /// Credentials are missing.
    #[error("connection '{connection}' cannot be reconciled: set {missing} first")]
    NoCredentials {
        /// Connection.
        connection: String,
        /// What is missing.
        missing: String,
    },
}

impl Inner {
    /// Reconciles one connection's tasks for ever.
    pub(crate) async fn reconciler(self: Arc<Self>, connection: Arc<ConnectionRuntime>) {
        let tasks = connection.manifest().tasks.clone();
        if tasks.is_empty() || !connection.missing_credentials().is_empty() {
            return;
        }
        while !self.is_stopping() {
            self.recall_reports(&connection, &tasks).await;
            if connection.is_own() {
                self.reconcile_while_own(&connection, &tasks).await;
            } else {
                tokio::select! {
                    () = connection.gained.notified() => {}
                    () = tokio::time::sleep(RECALL) => {}
                    () = self.stopped() => {}
                }
            }
        }
    }

    async fn reconcile_while_own(&self, connection: &Arc<ConnectionRuntime>, tasks: &[pasarela_connector::Task]) {
        let start = self.clock.now();
        let every = |task: &pasarela_connector::Task| {
            connection.reconcile.every.unwrap_or(task.every).max(Duration::from_secs(1))
        };
        let mut next: Vec<Timestamp> = Vec::with_capacity(tasks.len());
        for task in tasks {
            // What fell due while the hub was down is due now; what was never read waits one turn, so that
            // a first start is not a storm.
            let last = self.store.cursor(connection.id, task.name).await.ok().flatten().map(|c| c.at);
            next.push(last.unwrap_or(start).checked_add(every(task)).unwrap_or(start));
        }
        loop {
            let soonest = next.iter().min().copied().unwrap_or(start);
            tokio::select! {
                () = tokio::time::sleep(self.clock.sleep_for(soonest).min(Duration::from_secs(60))) => {}
                () = connection.reconcile_now.notified() => next.fill(self.clock.now()),
                () = self.stopped() => return,
            }
            for (task, due) in tasks.iter().zip(next.iter_mut()) {
                if !connection.is_own() {
                    return;
                }
                if *due > self.clock.now() {
                    continue;
                }
                let report = self.reconcile_task(connection, task.name, Ask::default()).await;
                if let Some(problem) = &report.problem {
                    tracing::warn!(
                        connection = connection.name(),
                        task = task.name,
                        problem,
                        "reconciliation did not complete"
                    );
                }
                *due = self.clock.now().checked_add(every(task)).unwrap_or(Timestamp::MAX);
            }
        }
    }

    /// Reads one task to its end.
    pub(crate) async fn reconcile_task(
        &self,
        connection: &Arc<ConnectionRuntime>,
        task: &'static str,
        ask: Ask,
    ) -> Report {
        let _one_at_a_time = connection.reconciling.lock().await;
        let policy = ask.policy.unwrap_or(connection.reconcile.policy);
        let mut report = Report::new(task, self.clock.now(), ask.from_beginning, policy);
        if let Err(problem) = self.read_task(connection, task, ask, &mut report).await {
            report.problem = Some(problem);
            crate::telemetry::count(&self.metrics.reconcile_failed);
        }
        report.ended_at = self.clock.now();
        self.metrics.reconciled.fetch_add(report.read, Ordering::Relaxed);
        self.metrics.found_missing.fetch_add(report.missing, Ordering::Relaxed);
        self.metrics.found_different.fetch_add(report.different, Ordering::Relaxed);
        self.metrics.found_extra.fetch_add(report.extra.unwrap_or(0), Ordering::Relaxed);
        let kept = serde_json::to_value(&report).unwrap_or_default();
        if let Err(error) = self.keep_place(connection.id, &Report::place(task, ask.from_beginning), &kept, 0).await {
            tracing::warn!(connection = connection.name(), task, error, "the report of a reconciliation was not kept");
        }
        connection.reconciled(report.clone());
        report
    }

    /// Reads the last reports again: those of before a start, or of another node.
    async fn recall_reports(&self, connection: &ConnectionRuntime, tasks: &[pasarela_connector::Task]) {
        for (task, all) in tasks.iter().flat_map(|t| [(t.name, false), (t.name, true)]) {
            // One of an older form is as good as none.
            let found = self.kept_cursor(connection.id, &Report::place(task, all)).await.ok().flatten();
            let Some(kept) = found.and_then(|v| serde_json::from_value::<Report>(v).ok()) else { continue };
            connection.reconciled(kept);
        }
    }

    async fn read_task(
        &self,
        connection: &Arc<ConnectionRuntime>,
        task: &'static str,
        ask: Ask,
        report: &mut Report,
    ) -> Result<(), String> {
        let text = |e: Error| e.to_string();
        let place = Place::of(task, ask, report.policy);
        let regular = self.kept_cursor(connection.id, task).await?;
        let mut cursor = match &place {
            Place::Regular => regular.clone(),
            Place::Backfill(name) => self.kept_cursor(connection.id, name).await?,
            Place::None if report.from_beginning => None,
            Place::None => regular.clone(),
        };
        // Only who has seen everything can say what is not there: who began without a place, and comes to the end in
        // one go.
        let whole = connection.manifest().tasks.iter().find(|t| t.name == task).map_or(&[][..], |t| t.whole);
        let mut seen = (cursor.is_none() && !whole.is_empty()).then(HashSet::new);
        let mut answered: Option<(Value, Answer)> = None;
        let key = format!("poll:{}:{task}", connection.name());
        let (mut attempt, mut credential) = (1, 0);
        while report.calls < MAX_CALLS {
            if !connection.is_own() {
                return Err("this process does not serve the connection now; the hub that does goes on with it".into());
            }
            let ctx = Ctx { now: self.clock.now(), key: &key, attempt };
            let step = connection.connector().poll(task, cursor.as_ref(), answered.as_ref().map(|(s, a)| (s, a)), &ctx);
            match step {
                PollStep::Call { request, state } => {
                    self.room_for_reading().await;
                    self.budget(connection).await?;
                    self.slot(connection).await?;
                    report.calls += 1;
                    credential = connection.credential_in_use();
                    match self.send(connection, &request).await {
                        Ok(answer) => {
                            let down = answer.status >= 500;
                            connection.lock_lanes(|l| l.release_slot(Slot::Shared, Some(!down), self.clock.now()));
                            answered = Some((state, answer));
                        }
                        Err(trouble) => {
                            connection.lock_lanes(|l| l.release_slot(Slot::Shared, Some(false), self.clock.now()));
                            connection.wake.notify_one();
                            attempt = self.pause_or_fail(&trouble, attempt).await?;
                        }
                    }
                    connection.wake.notify_one();
                }
                PollStep::Page { records, cursor: next, more } => {
                    let read = records.len() as u64;
                    for record in records {
                        self.take_record(connection, &record, seen.as_mut(), report).await.map_err(text)?;
                    }
                    if let Some(name) = place.name(task) {
                        self.keep_place(connection.id, name, &next, read).await?;
                    }
                    cursor = Some(next);
                    answered = None;
                    attempt = 1;
                    if !more {
                        if let (Place::Backfill(name), Some(last)) = (&place, &cursor) {
                            // Complete: the next backfill begins anew, and regular reading goes on behind it.
                            self.keep_place(connection.id, name, &Value::Null, 0).await?;
                            if regular.is_none() {
                                self.keep_place(connection.id, task, last, 0).await?;
                            }
                        }
                        if let Some(seen) = &seen {
                            self.find_extra(connection, whole, seen, report).await.map_err(text)?;
                        }
                        return Ok(());
                    }
                }
                PollStep::Failed(outcome) => {
                    answered = None;
                    attempt = self.after_failure(connection, outcome, attempt, credential).await?;
                }
            }
            if self.is_stopping() {
                return Err("the hub stops; it goes on from here".into());
            }
        }
        Err(format!("stopped after {MAX_CALLS} calls; it goes on from here next time"))
    }

    /// Where a walk stands; none when it has not begun.
    async fn kept_cursor(&self, connection: i64, name: &str) -> Result<Option<Value>, String> {
        let row = self.store.cursor(connection, name).await.map_err(|e| e.to_string())?;
        Ok(row.and_then(|r| serde_json::from_slice(&r.cursor).ok()).filter(|c: &Value| !c.is_null()))
    }

    async fn keep_place(&self, connection: i64, name: &str, cursor: &Value, read: u64) -> Result<(), String> {
        let sealed = self.store.sealer().seal_json(cursor);
        self.store.keep_cursor(connection, name, sealed, self.clock.now(), read).await.map_err(|e| e.to_string())
    }

    /// Waits until reading has its share of the connection's rate again, or until more is to spare than what is sent
    /// has use for.
    async fn budget(&self, connection: &ConnectionRuntime) -> Result<(), String> {
        let Some(rate) = connection.limits.rate else { return Ok(()) };
        let every = rate.every.div_f64(connection.reconcile.share.clamp(0.01, 1.0));
        loop {
            let now = self.clock.now();
            let spare = connection.lock_lanes(|l| l.spare_at(now));
            let due = {
                let mut next = connection.next_read.lock();
                let due = next.min(spare.unwrap_or(*next));
                if due <= now {
                    *next = now.checked_add(every).unwrap_or(now);
                    return Ok(());
                }
                due
            };
            tokio::select! {
                () = tokio::time::sleep(self.clock.sleep_for(due)) => {}
                () = self.stopped() => return Err("the hub stops; it goes on from here".into()),
            }
        }
    }

    /// Waits for a free slot, behind nothing and before nothing: the bucket is shared.
    pub(crate) async fn slot(&self, connection: &ConnectionRuntime) -> Result<(), String> {
        loop {
            let now = self.clock.now();
            let (free, at) = connection.lock_lanes(|l| (l.try_slot(now), l.next_slot(now)));
            if free {
                return Ok(());
            }
            if connection.lock_lanes(|l| l.is_halted()) {
                let name = connection.name();
                return Err(format!("the connection is paused; `pasarela resume connection {name}` lets it go on"));
            }
            if !connection.is_own() {
                return Err("this process does not serve the connection now".into());
            }
            if self.is_stopping() {
                return Err("the hub stops; it goes on from here".into());
            }
            let pause = at.map_or(Duration::from_millis(50), |t| self.clock.sleep_for(t));
            tokio::time::sleep(pause.clamp(Duration::from_millis(1), Duration::from_secs(5))).await;
        }
    }

    pub(crate) async fn pause_or_fail(&self, trouble: &Trouble, attempt: u32) -> Result<u32, String> {
        match trouble.outcome(Repeat::Safe) {
            Outcome::Retry { .. } if attempt < 6 => {
                self.nap(self.dice.backoff(attempt)).await;
                Ok(attempt + 1)
            }
            Outcome::Retry { why, .. } | Outcome::NeedsHuman { why } => Err(why),
            other => Err(other.name().to_owned()),
        }
    }

    pub(crate) async fn after_failure(
        &self,
        connection: &ConnectionRuntime,
        outcome: Outcome,
        attempt: u32,
        credential: u32,
    ) -> Result<u32, String> {
        if attempt >= 6 {
            return Err(format!("{} after {attempt} tries", outcome.name()));
        }
        let wait = match outcome {
            Outcome::Throttled { after, .. } => {
                let wait = self.dice.spread(after.unwrap_or(Duration::from_secs(1)));
                if let Ok(until) = self.clock.now().checked_add(wait) {
                    connection.lock_lanes(|l| l.hold(until));
                }
                wait
            }
            Outcome::Retry { after, .. } | Outcome::ProviderDown { after, .. } => {
                after.map_or_else(|| self.dice.backoff(attempt), |a| self.dice.spread(a))
            }
            Outcome::AuthExpired if connection.credential_refused(credential, self.clock.now()).await => Duration::ZERO,
            Outcome::AuthExpired => {
                return Err("the provider refuses the credential; renew it in the configuration".into());
            }
            Outcome::GiveUp { why, .. } | Outcome::TargetGone { why } | Outcome::NeedsHuman { why } => return Err(why),
            other => return Err(other.name().to_owned()),
        };
        self.nap(wait).await;
        Ok(attempt + 1)
    }

    /// Sleeps a span of business time.
    async fn nap(&self, wait: Duration) {
        if let Ok(until) = self.clock.now().checked_add(wait) {
            tokio::time::sleep(self.clock.sleep_for(until)).await;
        }
    }

    /// Reconciles a connection now; one report per task.
    pub(crate) async fn reconcile(&self, name: &str, ask: Ask) -> Result<Vec<Report>, ReconcileError> {
        let connection = self.connection(name).ok_or_else(|| ReconcileError::NoConnection(name.to_owned()))?;
        let manifest = connection.manifest();
        if manifest.tasks.is_empty() {
            let why = manifest.no_history.unwrap_or("it has nothing to read").to_owned();
            return Err(ReconcileError::NoHistory { provider: manifest.name, why });
        }
        let missing = connection.missing_credentials();
        if !missing.is_empty() {
            return Err(ReconcileError::NoCredentials { connection: name.to_owned(), missing: missing.join(", ") });
        }
        if let Some(node) = self.neighbours.node_of(connection.id) {
            self.neighbours.missed(connection.id);
            return Err(ReconcileError::Elsewhere { connection: name.to_owned(), node });
        }
        let mut reports = Vec::new();
        for task in &manifest.tasks {
            reports.push(self.reconcile_task(&connection, task.name, ask).await);
        }
        Ok(reports)
    }
}

/// Under which name a walk keeps its place.
enum Place {
    /// The regular reading of what may have changed.
    Regular,
    /// From the beginning of time, beside it.
    Backfill(String),
    /// Only a look: nothing is kept.
    None,
}

impl Place {
    fn of(task: &str, ask: Ask, policy: Policy) -> Self {
        match (ask.from_beginning, policy) {
            // A look that somebody takes must not make the regular reading pass by what it has not mended.
            (false, Policy::Report) if ask.policy.is_some() => Self::None,
            (false, _) => Self::Regular,
            (true, Policy::Report) => Self::None,
            (true, _) => Self::Backfill(format!("{task}#all")),
        }
    }

    fn name<'a>(&'a self, task: &'a str) -> Option<&'a str> {
        match self {
            Self::Regular => Some(task),
            Self::Backfill(name) => Some(name),
            Self::None => None,
        }
    }
}
