//! The bounded queues in front of an adapter's writer, and what a group takes from them.
//!
//! A writer never waits to fill a group: it drains what is there, commits, answers, and repeats.
//! The door has a share of its own (G9): what tells of somebody who stands there goes first in every
//! group, and has room in the queue when a flood has filled it.

use crate::contract::{Accepted, Claim, Decided, Decision, Error, NewDelivery, Work, Worked};
use pasarela_domain::DeliveryId;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Members of one group at most.
pub(crate) const GROUP: usize = 128;
/// Accepts in one group from which on they count as a flood: more than come together while it keeps up.
const FLOOD: usize = 4;
/// Accepts for each decision while a flood comes in: what is decided meanwhile takes time from taking in.
const ACCEPTS_A_DECISION: usize = 8;
/// Members of a group that the door has before all others; more of its own wait like everybody.
pub(crate) const DOOR_SHARE: usize = 32;
/// Accepts from the door that may wait, beside all others.
const DOOR_QUEUE: usize = 1024;
/// Bytes of bodies after which a group ends, so that the log grows in small steps.
pub(crate) const GROUP_BYTES: usize = 1024 * 1024;
/// Accepts that join a group after it was taken, at most.
const LATE: usize = 16;
/// Bytes of bodies after which no more of them join.
const LATE_BYTES: usize = 256 * 1024;
/// Accepts that may wait; more are refused with [`Error::Busy`].
const ACCEPT_QUEUE: usize = 8192;
/// Bytes of accepts that may wait: somewhat more than the hooks hold in memory at once.
const ACCEPT_BYTES: usize = 32 * 1024 * 1024;

pub(crate) type Tx<T> = oneshot::Sender<Result<T, Error>>;

/// What a caller hands in, and where it wants the answer. `M`: housekeeping, as the adapter writes it.
pub(crate) enum Job<M> {
    Accept(NewDelivery, Tx<Accepted>),
    Decide(Box<Decision>, Tx<Decided>),
    Work(Box<Work>, Tx<Worked>),
    Claim(Vec<Claim>, Tx<Vec<bool>>),
    DecideFailed(DeliveryId, Tx<u32>),
    Reopen(DeliveryId, Tx<bool>),
    Misc(M, Tx<()>),
}

impl<M> Job<M> {
    /// Bytes of its bodies; what else it writes is small.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Accept(delivery, _) => delivery.packed.0.len(),
            Self::Decide(decision, _) => decision.bytes(),
            Self::Work(work, _) => work.bytes(),
            Self::Claim(claims, _) => claims.iter().map(|c| c.call.0.len()).sum(),
            Self::DecideFailed(..) | Self::Reopen(..) | Self::Misc(..) => 0,
        }
    }

    /// Answers that nothing of it was written.
    pub(crate) fn refuse(self, error: &Error) {
        let error = error.clone();
        match self {
            Self::Accept(_, tx) => drop(tx.send(Err(error))),
            Self::Decide(_, tx) => drop(tx.send(Err(error))),
            Self::Work(_, tx) => drop(tx.send(Err(error))),
            Self::Claim(_, tx) => drop(tx.send(Err(error))),
            Self::DecideFailed(_, tx) => drop(tx.send(Err(error))),
            Self::Reopen(_, tx) => drop(tx.send(Err(error))),
            Self::Misc(_, tx) => drop(tx.send(Err(error))),
        }
    }
}

/// What waits for the writer. Accepting comes before deciding, so that a flood is taken in first; a
/// share of each group is kept for either.
pub(crate) struct Queues<M> {
    /// Accepts and decisions of what stands at the door.
    door: VecDeque<Job<M>>,
    /// The door went before what a group left over; not twice before the same rest, else a crowd at
    /// the door could hold it back for ever.
    passed: bool,
    accept: VecDeque<(NewDelivery, Tx<Accepted>)>,
    accept_bytes: usize,
    work: VecDeque<Job<M>>,
    decide: VecDeque<(Box<Decision>, Tx<Decided>)>,
    pub(crate) closed: bool,
}

impl<M> Default for Queues<M> {
    fn default() -> Self {
        Self {
            door: VecDeque::new(),
            passed: false,
            accept: VecDeque::new(),
            accept_bytes: 0,
            work: VecDeque::new(),
            decide: VecDeque::new(),
            closed: false,
        }
    }
}

impl<M> Queues<M> {
    /// Queues a job, unless there is no room for it.
    pub(crate) fn push(&mut self, job: Job<M>) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        match job {
            Job::Accept(ref delivery, _) if delivery.door => {
                if self.door.len() >= DOOR_QUEUE {
                    return Err(Error::Busy);
                }
                self.door.push_back(job);
            }
            Job::Decide(ref decision, _) if decision.door => self.door.push_back(job),
            Job::Accept(delivery, tx) => {
                let bytes = delivery.packed.0.len();
                if self.accept.len() >= ACCEPT_QUEUE || self.accept_bytes + bytes > ACCEPT_BYTES {
                    return Err(Error::Busy);
                }
                self.accept_bytes += bytes;
                self.accept.push_back((delivery, tx));
            }
            Job::Decide(decision, tx) => self.decide.push_back((decision, tx)),
            other => self.work.push_back(other),
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.door.len() + self.accept.len() + self.work.len() + self.decide.len()
    }

    /// The next group, in the order in which it is to be written. What the last one left over is in
    /// it already and goes first, in its order; only the door goes before it.
    pub(crate) fn fill(&mut self, group: &mut Vec<Job<M>>) {
        let rest = !group.is_empty();
        if !rest {
            self.take(group);
        }
        if !(rest && self.passed) {
            let share = self.door.len().min(DOOR_SHARE);
            group.splice(0..0, self.door.drain(..share));
        }
        self.passed = rest && !self.passed;
    }

    /// Accepts that came while a group was written, and still belong into it: the door's first, and few
    /// enough that nobody in the group waits for a crowd.
    pub(crate) fn late(&mut self) -> Vec<Job<M>> {
        let mut late = Vec::new();
        let mut bytes = 0;
        while late.len() < LATE
            && bytes <= LATE_BYTES
            && let Some(Job::Accept(..)) = self.door.front()
            && let Some(job) = self.door.pop_front()
        {
            bytes += job.bytes();
            late.push(job);
        }
        while late.len() < LATE
            && bytes <= LATE_BYTES
            && let Some((delivery, tx)) = self.accept.pop_front()
        {
            self.accept_bytes -= delivery.packed.0.len();
            bytes += delivery.packed.0.len();
            late.push(Job::Accept(delivery, tx));
        }
        late
    }

    fn take(&mut self, group: &mut Vec<Job<M>>) {
        while group.len() < GROUP {
            match self.work.pop_front() {
                Some(job) => group.push(job),
                None => break,
            }
        }
        let room = GROUP - group.len();
        // Decisions have their part of every group, and all that a flood of accepts does not take.
        let kept = self.decide.len().min(room / ACCEPTS_A_DECISION);
        let accepts = self.accept.len().min(room - kept);
        for (delivery, tx) in self.accept.drain(..accepts) {
            self.accept_bytes -= delivery.packed.0.len();
            group.push(Job::Accept(delivery, tx));
        }
        let most = if accepts < FLOOD { room - accepts } else { (accepts / ACCEPTS_A_DECISION).min(room - accepts) };
        let decisions = self.decide.len().min(most);
        group.extend(self.decide.drain(..decisions).map(|(decision, tx)| Job::Decide(decision, tx)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::DeliveryStatus;
    use crate::seal::Sealed;

    fn queues(accepts: usize, decisions: usize) -> Queues<()> {
        let mut queues = Queues::default();
        for n in 0..accepts {
            let delivery = NewDelivery {
                connection: 1,
                source: "webhook",
                received_at: jiff::Timestamp::UNIX_EPOCH,
                packed: Sealed(vec![u8::try_from(n % 256).unwrap()]),
                replay_key: None,
                door: false,
            };
            queues.push(Job::Accept(delivery, oneshot::channel().0)).unwrap();
        }
        for n in 0..decisions {
            let decision = Decision {
                delivery: DeliveryId::from_raw(i64::try_from(n).unwrap()),
                status: DeliveryStatus::Decided,
                reason: None,
                facts: Vec::new(),
                subjects: Vec::new(),
                door: false,
            };
            queues.push(Job::Decide(Box::new(decision), oneshot::channel().0)).unwrap();
        }
        queues
    }

    /// Accepts and decisions of the next group.
    fn next(queues: &mut Queues<()>) -> (usize, usize) {
        let mut group = Vec::new();
        queues.fill(&mut group);
        let accepts = group.iter().filter(|j| matches!(j, Job::Accept(..))).count();
        (accepts, group.len() - accepts)
    }

    #[test]
    fn few_join_late_and_the_door_before_others() {
        let mut queues = queues(18, 3);
        let door = NewDelivery {
            connection: 9,
            source: "webhook",
            received_at: jiff::Timestamp::UNIX_EPOCH,
            packed: Sealed(vec![0]),
            replay_key: None,
            door: true,
        };
        queues.push(Job::Accept(door, oneshot::channel().0)).unwrap();
        let late = queues.late();
        assert_eq!(late.len(), LATE);
        assert!(matches!(&late[0], Job::Accept(delivery, _) if delivery.connection == 9));
        assert!(late.iter().all(|job| matches!(job, Job::Accept(..))), "decisions wait for their own group");
        assert_eq!(next(&mut queues), (3, 3), "the others are not lost");
        assert_eq!(queues.accept_bytes, 0);
        assert!(queues.late().is_empty());
    }

    #[test]
    fn a_flood_is_taken_in_before_it_is_decided_and_neither_starves() {
        assert_eq!(next(&mut queues(3, 16)), (3, 16), "few webhooks hold no decision back");
        assert_eq!(next(&mut queues(32, 16)), (32, 4));
        assert_eq!(next(&mut queues(0, 200)), (0, GROUP));
        let mut both = queues(1000, 1000);
        for _ in 0..8 {
            assert_eq!(next(&mut both), (112, 14), "decisions have their part of every group");
        }
        assert_eq!(next(&mut both), (104, 13));
        assert_eq!(both.accept_bytes, 0);
        assert_eq!(next(&mut both), (0, GROUP), "what was held back comes as soon as there is room");
    }
}
