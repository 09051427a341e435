//! The pieces of which the members of a group consist: one per fact of a decision, one for anything else.
//!
//! Pieces of one stage are written by the same statements and do not see each other. The facts of a
//! decision that read or write what an earlier one of it writes are stages of their own.

use super::footprint::Footprint;
use super::statement::Statement;
use crate::contract::{Claim, DedupKey, EntityUpsert, EventInsert, NewDelivery, RunInsert, Work};
use std::sync::LazyLock;

/// What waits for this adapter's writer.
pub(super) type Job = crate::queue::Job<Statement<'static>>;

static NOTHING: LazyLock<Work> = LazyLock::new(Work::default);

/// A part of a member, written whole or skipped whole.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Number of the member in its group.
    pub(super) member: usize,
    /// Number of the fact in its decision.
    pub(super) fact: usize,
    pub(super) dedup: Option<&'a DedupKey>,
    pub(super) entities: &'a [EntityUpsert],
    pub(super) event: Option<&'a EventInsert>,
    pub(super) runs: &'a [RunInsert],
    /// Everything of it but deliveries and claims, which have fields of their own.
    pub(super) work: &'a Work,
    pub(super) deliveries: &'a [NewDelivery],
    pub(super) claims: &'a [Claim],
}

impl<'a> Piece<'a> {
    fn of_work(member: usize, work: &'a Work) -> Self {
        Self {
            entities: &work.entities,
            deliveries: &work.deliveries,
            claims: &work.claims,
            ..Self::empty(member, work)
        }
    }

    fn empty(member: usize, work: &'a Work) -> Self {
        Self { member, fact: 0, dedup: None, entities: &[], event: None, runs: &[], work, deliveries: &[], claims: &[] }
    }
}

/// The pieces of a member.
pub(super) fn pieces(member: usize, job: &Job) -> Vec<Piece<'_>> {
    match job {
        Job::Accept(d, _) => {
            vec![Piece { deliveries: std::slice::from_ref(d), ..Piece::empty(member, &NOTHING) }]
        }
        Job::Claim(claims, _) => vec![Piece { claims, ..Piece::empty(member, &NOTHING) }],
        Job::Work(work, _) => vec![Piece::of_work(member, work)],
        Job::Decide(d, _) => (d.facts.iter().enumerate())
            .map(|(fact, f)| Piece {
                fact,
                dedup: f.dedup.as_ref(),
                entities: &f.entities,
                event: f.event.as_ref(),
                runs: &f.runs,
                ..Piece::of_work(member, &f.work)
            })
            .collect(),
        Job::DecideFailed(..) | Job::Reopen(..) | Job::Misc(..) => Vec::new(),
    }
}

/// What a member reads and writes, and whether its pieces have to be written one after the other.
pub(super) fn survey(job: &Job) -> (Footprint, bool) {
    let (mut whole, mut tangled) = (Footprint::default(), false);
    for piece in pieces(0, job) {
        let own = Footprint::of(&piece);
        tangled |= own.meets(&whole);
        whole.absorb(own);
    }
    match job {
        Job::Decide(d, _) => whole.inbox(d.delivery.get()),
        Job::DecideFailed(d, _) | Job::Reopen(d, _) => whole.inbox(d.get()),
        Job::Accept(..) | Job::Work(..) | Job::Claim(..) | Job::Misc(..) => {}
    }
    (whole, tangled)
}
