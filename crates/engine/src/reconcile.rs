//! Webhooks are hints, the provider's records are the truth (G11): every task of every connection is
//! read on a schedule, and what the webhooks missed comes in as deliveries with source `poll`.
//!
//! A record that says nothing new is counted and not stored, so that reading the same orders each
//! few minutes does not fill the disk.

use crate::connections::ConnectionRuntime;
use crate::dispatch::Trouble;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_connector::{Answer, Ctx, Dedup, Item, Outcome, PollStep, Record, Repeat, Source, Translation};
use pasarela_store::{Accepted, DedupKey, Error, NewDelivery};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Calls of one reconciliation of one task at most: a connector that never ends does not run for ever.
const MAX_CALLS: u32 = 20_000;

/// Result of the last reconciliation of one task.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// Task.
    pub task: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Records read.
    pub read: u64,
    /// Records that the hub knew as they are.
    pub same: u64,
    /// Records that were missing or different, now on their way in.
    pub news: u64,
    /// Calls made.
    pub calls: u32,
    /// Why it did not complete.
    pub problem: Option<String>,
}

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
        let start = self.clock.now();
        let every = |task: &pasarela_connector::Task| {
            connection.reconcile_every.unwrap_or(task.every).max(Duration::from_secs(1))
        };
        let mut next: Vec<Timestamp> = tasks.iter().map(|t| start.checked_add(every(t)).unwrap_or(start)).collect();
        loop {
            let soonest = next.iter().min().copied().unwrap_or(start);
            tokio::select! {
                () = tokio::time::sleep(self.clock.sleep_for(soonest).min(Duration::from_secs(60))) => {}
                () = connection.reconcile_now.notified() => next.fill(self.clock.now()),
                () = self.stopped() => return,
            }
            for (task, due) in tasks.iter().zip(next.iter_mut()) {
                if *due > self.clock.now() {
                    continue;
                }
                let report = self.reconcile_task(&connection, task.name).await;
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
    pub(crate) async fn reconcile_task(&self, connection: &Arc<ConnectionRuntime>, task: &'static str) -> Report {
        let mut report = Report {
            task,
            started_at: self.clock.now(),
            ended_at: self.clock.now(),
            read: 0,
            same: 0,
            news: 0,
            calls: 0,
            problem: None,
        };
        if let Err(problem) = self.read_task(connection, task, &mut report).await {
            report.problem = Some(problem);
            crate::telemetry::count(&self.metrics.reconcile_failed);
        }
        report.ended_at = self.clock.now();
        self.metrics.reconciled.fetch_add(report.read, Ordering::Relaxed);
        self.metrics.repaired.fetch_add(report.news, Ordering::Relaxed);
        let mut reports = connection.reconcile_state.lock();
        reports.retain(|r| r.task != task);
        reports.push(report.clone());
        report
    }

    async fn read_task(
        &self,
        connection: &Arc<ConnectionRuntime>,
        task: &'static str,
        report: &mut Report,
    ) -> Result<(), String> {
        let text = |e: Error| e.to_string();
        let row = self.store.cursor(connection.id, task).await.map_err(text)?;
        let mut cursor: Option<Value> = row.and_then(|r| serde_json::from_slice(&r.cursor).ok());
        let mut answered: Option<(Value, Answer)> = None;
        let key = format!("poll:{}:{task}", connection.name());
        let (mut attempt, mut credential) = (1, 0);
        while report.calls < MAX_CALLS {
            let ctx = Ctx { now: self.clock.now(), key: &key, attempt };
            let step = connection.connector.poll(task, cursor.as_ref(), answered.as_ref().map(|(s, a)| (s, a)), &ctx);
            match step {
                PollStep::Call { request, state } => {
                    self.slot(connection).await?;
                    report.calls += 1;
                    credential = connection.credential_in_use();
                    match self.send(connection, &request).await {
                        Ok(answer) => {
                            let down = answer.status >= 500;
                            connection.lock_lanes(|l| l.release_slot(Some(!down), self.clock.now()));
                            answered = Some((state, answer));
                        }
                        Err(trouble) => {
                            connection.lock_lanes(|l| l.release_slot(Some(false), self.clock.now()));
                            connection.wake.notify_one();
                            attempt = self.pause_or_fail(&trouble, attempt).await?;
                        }
                    }
                    connection.wake.notify_one();
                }
                PollStep::Page { records, cursor: next, more } => {
                    let read = records.len() as u64;
                    for record in records {
                        self.take_record(connection, &record, report).await.map_err(text)?;
                    }
                    let sealed = self.store.sealer().seal_json(&next);
                    self.store.keep_cursor(connection.id, task, sealed, self.clock.now(), read).await.map_err(text)?;
                    cursor = Some(next);
                    answered = None;
                    attempt = 1;
                    if !more {
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

    /// Waits for a free slot, behind nothing and before nothing: the bucket is shared.
    pub(crate) async fn slot(&self, connection: &ConnectionRuntime) -> Result<(), String> {
        loop {
            let now = self.clock.now();
            let (free, at) = connection.lock_lanes(|l| (l.try_slot(now), l.next_slot(now)));
            if free {
                return Ok(());
            }
            if self.is_stopping() {
                return Err("the hub stops; it goes on from here".into());
            }
            let pause = at.map_or(Duration::from_millis(50), |t| self.clock.sleep_for(t));
            tokio::time::sleep(pause.clamp(Duration::from_millis(1), Duration::from_secs(5))).await;
        }
    }

    async fn pause_or_fail(&self, trouble: &Trouble, attempt: u32) -> Result<u32, String> {
        match trouble.outcome(Repeat::Safe) {
            Outcome::Retry { .. } if attempt < 6 => {
                self.nap(self.dice.backoff(attempt)).await;
                Ok(attempt + 1)
            }
            Outcome::Retry { why, .. } | Outcome::NeedsHuman { why } => Err(why),
            other => Err(other.name().to_owned()),
        }
    }

    async fn after_failure(
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
            Outcome::AuthExpired if connection.credential_refused(credential).await => Duration::ZERO,
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

    /// Stores a record that says something new.
    async fn take_record(
        &self,
        connection: &Arc<ConnectionRuntime>,
        record: &Record,
        report: &mut Report,
    ) -> Result<(), Error> {
        report.read += 1;
        let body = serde_json::to_vec(&record.body).unwrap_or_default();
        let translation = self.translate(connection, Source::Poll, &body);
        if let Ok(translation) = &translation
            && !self.is_news(connection, translation).await?
        {
            report.same += 1;
            return Ok(());
        }
        report.news += 1;
        let now = self.clock.now();
        let packed = crate::pack::pack(std::iter::empty(), &body);
        loop {
            let delivery = NewDelivery {
                connection: connection.id,
                source: Source::Poll.as_str(),
                received_at: now,
                packed: self.store.sealer().seal(&packed),
                replay_key: None,
            };
            match self.store.accept(delivery).await {
                Ok(Accepted::New(id)) => {
                    self.feed_own(connection, id, Source::Poll, packed, now);
                    return Ok(());
                }
                Ok(Accepted::Known) => return Ok(()),
                Err(Error::Busy | Error::DiskFull) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(e) => return Err(e),
            }
        }
    }

    /// Would deciding this write anything?
    async fn is_news(&self, connection: &ConnectionRuntime, translation: &Translation) -> Result<bool, Error> {
        let sealer = self.store.sealer();
        let (mut keys, mut entities, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for item in &translation.items {
            match item {
                Item::Fact(fact) => {
                    if let Dedup::Once { kind, entity, discriminator } = &fact.dedup {
                        keys.push(DedupKey {
                            connection: connection.id,
                            kind: kind.clone(),
                            entity: sealer.hash(&[entity]),
                            discriminator: sealer.hash(&[entity, discriminator]),
                        });
                    }
                    for write in &fact.entities {
                        entities.push((connection.id, write.entity.clone()));
                        hashes.push((sealer.hash_bytes(&serde_json::to_vec(&write.data).unwrap_or_default()), write));
                    }
                }
                Item::Unread { .. } => return Ok(true),
                Item::Ignored { .. } => {}
            }
        }
        let (known, rows) = self.store.lookup(keys, entities).await?;
        if known.iter().any(|k| !k) {
            return Ok(true);
        }
        Ok(hashes.iter().zip(rows).any(|((hash, write), row)| {
            row.is_none_or(|row| {
                let newer = match (write.updated_at, row.updated_at) {
                    (Some(new), Some(old)) if new != old => new > old,
                    _ => write.rank >= row.rank,
                };
                newer && *hash != row.hash
            })
        }))
    }

    /// Reconciles a connection now; one report per task.
    pub(crate) async fn reconcile(&self, name: &str) -> Result<Vec<Report>, ReconcileError> {
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
        let mut reports = Vec::new();
        for task in &manifest.tasks {
            reports.push(self.reconcile_task(&connection, task.name).await);
        }
        Ok(reports)
    }
}
