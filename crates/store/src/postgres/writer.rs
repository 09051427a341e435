//! The writer: one task that owns a connection, drains the queues and commits once per group.
//!
//! It never waits to fill a group. A group ends before a member that meets an earlier one of it
//! (`footprint.rs`). A commit whose answer was lost is asked after by its number, so that nobody is
//! told that something was not written that was.

use super::footprint::Footprint;
use super::group::{self, Ready, Trouble, Verdict};
use super::link::{Address, may_repeat};
use super::node::Node;
use super::piece::{Job, survey};
use super::statement::Statement;
use crate::audit::Chain;
use crate::contract::Error;
use crate::queue::{GROUP_BYTES, Queues};
use parking_lot::Mutex;
use pasarela_domain::IdMaker;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::Client;

/// Tries to write a group over a new connection before its members are refused.
const TRIES: u32 = 6;
/// Pause before a new connection is tried.
const PAUSE: Duration = Duration::from_millis(250);
/// Rounds of a group that another node's writes undid, or that lost members, before it is written one by one.
const ROUNDS: u32 = 4;

/// Shared between the writer and its callers.
#[derive(Default)]
pub(super) struct Shared {
    queues: Mutex<Queues<Statement<'static>>>,
    wake: Notify,
    /// This node was declared dead: nothing is written any more.
    pub(super) fenced: AtomicBool,
    pub(super) fenced_wake: Notify,
    pub(super) commits: AtomicU64,
    pub(super) members: AtomicU64,
    pub(super) rows: AtomicU64,
    pub(super) rollbacks: AtomicU64,
}

impl Shared {
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        self.queues.lock().push(job)?;
        self.wake.notify_one();
        Ok(())
    }

    pub(super) fn queued(&self) -> usize {
        self.queues.lock().len()
    }

    /// This node was declared dead.
    pub(super) fn fence(&self) {
        if !self.fenced.swap(true, Ordering::Relaxed) {
            tracing::error!("{}", Error::Fenced);
            self.fenced_wake.notify_waiters();
        }
    }

    pub(super) async fn until_fenced(&self) {
        loop {
            let woken = self.fenced_wake.notified();
            if self.fenced.load(Ordering::Relaxed) {
                return;
            }
            woken.await;
        }
    }

    pub(super) fn close(&self) {
        self.queues.lock().closed = true;
        self.wake.notify_one();
    }
}

/// What the writer holds.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) address: Address,
    pub(super) handle: Handle,
    pub(super) node: Node,
    pub(super) ids: IdMaker,
    pub(super) chain: Chain,
    pub(super) shared: Arc<Shared>,
}

/// Members that are written by the same statements.
struct Group {
    jobs: Vec<Job>,
    locks: Vec<i64>,
    tangled: bool,
}

impl Writer {
    /// Ends when the queues are closed and empty.
    pub(super) async fn run(mut self) -> Client {
        let mut waiting: VecDeque<Job> = VecDeque::new();
        loop {
            // What the last group left over comes back into it, behind the door.
            let mut taken = Vec::from(std::mem::take(&mut waiting));
            loop {
                {
                    let mut queues = self.shared.queues.lock();
                    queues.fill(&mut taken);
                    if taken.is_empty() && queues.closed {
                        return self.client;
                    }
                }
                if !taken.is_empty() {
                    break;
                }
                self.shared.wake.notified().await;
            }
            waiting.extend(taken);
            let group = form(&mut waiting);
            self.write(group).await;
        }
    }

    /// Writes a group and answers every member of it.
    async fn write(&mut self, mut group: Group) {
        let mut rounds = 0;
        let mut tries = 0;
        let mut hope = true;
        while !group.jobs.is_empty() {
            rounds += 1;
            let fault = match self.attempt(&group, hope).await {
                Ok(ready) => {
                    self.shared.commits.fetch_add(1, Ordering::Relaxed);
                    self.shared.members.fetch_add(group.jobs.len() as u64, Ordering::Relaxed);
                    self.shared.rows.fetch_add(ready.rows, Ordering::Relaxed);
                    group.jobs.into_iter().zip(ready.verdicts).for_each(|(job, v)| answer(job, v));
                    return;
                }
                Err(fault) => fault,
            };
            match fault {
                Trouble::Members(failing) => {
                    self.shared.members.fetch_add(failing.len() as u64, Ordering::Relaxed);
                    group = without(group, failing);
                    continue;
                }
                Trouble::Hope => {
                    hope = false;
                    continue;
                }
                Trouble::Fenced => {
                    self.shared.fence();
                    group.jobs.into_iter().for_each(|j| j.refuse(&Error::Fenced));
                    return;
                }
                Trouble::Database(e) | Trouble::Commit(e) | Trouble::Lost(e, _) => {
                    self.shared.rollbacks.fetch_add(1, Ordering::Relaxed);
                    let error = self.address.classify(&e);
                    let again = may_repeat(&e) && rounds < ROUNDS;
                    let unreachable = matches!(error, Error::Unreachable(_));
                    if unreachable && tries < TRIES {
                        tries += 1;
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    if again {
                        continue;
                    }
                    if unreachable || matches!(error, Error::DiskFull | Error::Corrupt(_)) || group.jobs.len() == 1 {
                        if group.jobs.len() > 1 || unreachable {
                            tracing::error!(%error, members = group.jobs.len(), "a group of writes was rolled back");
                        }
                        group.jobs.into_iter().for_each(|j| j.refuse(&error));
                        return;
                    }
                    // A value or a constraint that concerns one member: who it is shows when each is alone.
                    for job in std::mem::take(&mut group.jobs) {
                        let (print, tangled) = survey(&job);
                        let alone = Group { jobs: vec![job], locks: print.locks(), tangled };
                        Box::pin(self.write(alone)).await;
                    }
                    return;
                }
            }
        }
    }

    /// Writes and commits. After an error nothing is written.
    async fn attempt(&mut self, group: &Group, hope: bool) -> Result<Ready, Trouble> {
        if self.client.is_closed()
            && let Ok(client) = self.address.connect(&self.handle).await
        {
            self.client = client;
        }
        let locks = group.locks.clone();
        let (ids, chain) = (&mut self.ids, &self.chain);
        let written = group::write(&self.client, self.node, &group.jobs, locks, group.tangled, hope, ids, chain).await;
        match written {
            Ok(ready) if ready.committed => Ok(ready),
            Err(Trouble::Lost(e, ready)) => {
                // What the server refused is not committed; what it did not answer may be.
                let unanswered = matches!(self.address.classify(&e), Error::Unreachable(_));
                if unanswered && self.was_committed(ready.number).await {
                    tracing::warn!(error = %super::link::said(&e), "the answer to a commit was lost; it had been written");
                    return Ok(*ready);
                }
                drop(self.client.batch_execute("ROLLBACK").await);
                Err(Trouble::Database(e))
            }
            Ok(ready) => match self.client.batch_execute("COMMIT").await {
                Ok(()) => Ok(ready),
                Err(e) if self.was_committed(ready.number).await => {
                    tracing::warn!(error = %super::link::said(&e), "the answer to a commit was lost; it had been written");
                    Ok(ready)
                }
                Err(e) => Err(Trouble::Database(e)),
            },
            Err(trouble) => {
                // On a lost connection the server rolls back by itself.
                drop(self.client.batch_execute("ROLLBACK").await);
                Err(trouble)
            }
        }
    }

    /// Was the group of this number committed, although nobody said so? Asked until the database knows; when the
    /// store is let go, only for as long as any other write is tried.
    async fn was_committed(&mut self, number: i64) -> bool {
        let mut tries = 0;
        loop {
            tries += 1;
            if tries > TRIES && self.shared.queues.lock().closed {
                return false;
            }
            if self.client.is_closed() {
                match self.address.connect(&self.handle).await {
                    Ok(client) => self.client = client,
                    Err(error) => {
                        tracing::error!(%error, "a commit was not answered, and the database cannot be asked after it");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
            }
            match super::node::last_group(&self.client, self.node).await {
                Ok(last) => return last.is_some_and(|last| last >= number),
                Err(e) => {
                    tracing::warn!(error = %super::link::said(&e), "a commit was not answered; it is asked after")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Takes members until one meets an earlier one, or until there is enough.
fn form(waiting: &mut VecDeque<Job>) -> Group {
    let mut whole = Footprint::default();
    let mut jobs: Vec<Job> = Vec::with_capacity(waiting.len());
    let mut bytes = 0;
    while let Some(job) = waiting.front() {
        let (own, tangled) = survey(job);
        let alone = tangled && !jobs.is_empty();
        if alone || bytes > GROUP_BYTES || own.meets(&whole) {
            break;
        }
        bytes += job.bytes();
        whole.absorb(own);
        jobs.extend(waiting.pop_front());
        if tangled {
            return Group { jobs, locks: whole.locks(), tangled };
        }
    }
    Group { jobs, locks: whole.locks(), tangled: false }
}

/// Answers members that cannot be written; the others are left.
fn without(group: Group, failing: Vec<(usize, Verdict)>) -> Group {
    let mut failing: HashMap<usize, Verdict> = failing.into_iter().collect();
    let mut jobs = Vec::with_capacity(group.jobs.len());
    for (n, job) in group.jobs.into_iter().enumerate() {
        match failing.remove(&n) {
            Some(verdict) => answer(job, verdict),
            None => jobs.push(job),
        }
    }
    Group { jobs, locks: group.locks, tangled: group.tangled }
}

fn answer(job: Job, verdict: Verdict) {
    // A caller that went away does not want the answer.
    match (job, verdict) {
        (Job::Accept(_, tx), Verdict::Accepted(v)) => drop(tx.send(Ok(v))),
        (Job::Decide(_, tx), Verdict::Decided(v)) => drop(tx.send(Ok(v))),
        (Job::Work(_, tx), Verdict::Worked(v)) => drop(tx.send(Ok(v))),
        (Job::Claim(_, tx), Verdict::Claimed(v)) => drop(tx.send(Ok(v))),
        (Job::DecideFailed(_, tx), Verdict::Count(v)) => drop(tx.send(Ok(v))),
        (Job::Reopen(_, tx), Verdict::Flag(v)) => drop(tx.send(Ok(v))),
        (Job::Misc(_, tx), Verdict::Written) => drop(tx.send(Ok(()))),
        (job, _) => job.refuse(&Error::Database("a guard failed where none was expected".into())),
    }
}
