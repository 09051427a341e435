//! Writes a group: a fixed, small number of statements for any number of members, in two round trips
//! with the commit, or in two or three without it.
//!
//! Opening: the fence, the locks of what members read and other nodes may write, the inbox rows of the
//! decisions. Per stage, first a look (which facts are new, which guards hold, places in lanes), then
//! the change. A member whose guard does not hold is named: the group is rolled back and written again
//! without it.

mod change;
mod look;

use super::node::{self, Node};
use super::piece::{Job, Piece, pieces};
use super::statement::{Ran, Statement, ints};
use crate::audit::{Chain, Head};
use crate::contract::{Accepted, Decided, FactResult, Worked};
use pasarela_domain::{DeliveryId, IdMaker};
use std::collections::HashSet;
use tokio_postgres::Client;

/// What a member's caller is to hear after the commit.
pub(super) enum Verdict {
    Accepted(Accepted),
    Decided(Decided),
    Worked(Worked),
    Claimed(Vec<bool>),
    Count(u32),
    Flag(bool),
    Written,
}

/// Why a group was not written.
pub(super) enum Trouble {
    /// These members cannot be written, and their callers are to hear this.
    Members(Vec<(usize, Verdict)>),
    /// This node was declared dead.
    Fenced,
    /// A guard did not hold where it was hoped that all would: which one is seen without hope.
    Hope,
    /// The commit, which travelled with the changes, was not answered well.
    Commit(tokio_postgres::Error),
    /// The same, and what is so if it was committed nevertheless.
    Lost(tokio_postgres::Error, Box<Ready>),
    /// The database refused.
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(e: tokio_postgres::Error) -> Self {
        Self::Database(e)
    }
}

/// A group that is written.
pub(super) struct Ready {
    /// It needs no commit any more.
    pub(super) committed: bool,
    /// Its number, by which a lost commit is asked after.
    pub(super) number: i64,
    pub(super) verdicts: Vec<Verdict>,
    /// Rows inserted, updated or deleted for the members.
    pub(super) rows: u64,
}

/// What the members of a group have come to.
struct Book {
    /// Per member and fact.
    facts: Vec<Vec<FactResult>>,
    /// Per member: places, deliveries, claims of its work.
    work: Vec<(Vec<i64>, Vec<DeliveryId>, Vec<bool>)>,
    /// Per member: what a statement of its own gave back.
    own: Vec<Option<i64>>,
    /// Where the chain of the audit stands, when something is appended to it.
    audit: Option<(Chain, Head)>,
    rows: u64,
}

/// Sends statements together, and tells the first that failed: those behind it failed because of it.
async fn together(client: &Client, statements: &[Statement<'_>]) -> Result<Vec<Ran>, tokio_postgres::Error> {
    futures_util::future::join_all(statements.iter().map(|s| s.run(client))).await.into_iter().collect()
}

/// What a guard of this member says when it does not hold.
fn failed(job: &Job) -> Verdict {
    match job {
        Job::Decide(..) => Verdict::Decided(Decided::Conflict),
        _ => Verdict::Worked(Worked::Stale),
    }
}

/// Writes the members, which must not meet; `tangled`: a single one whose facts do. `hope`: the commit may
/// travel with the changes.
#[allow(clippy::too_many_arguments)]
pub(super) async fn write(
    client: &Client,
    node: Node,
    jobs: &[Job],
    locks: Vec<i64>,
    tangled: bool,
    hope: bool,
    ids: &mut IdMaker,
    chain: &Chain,
) -> Result<Ready, Trouble> {
    let all: Vec<Piece<'_>> = jobs.iter().enumerate().flat_map(|(n, job)| pieces(n, job)).collect();
    let stages: Vec<&[Piece<'_>]> = if tangled { all.chunks(1).collect() } else { vec![&all[..]] };
    let facts = |job: &Job| match job {
        Job::Decide(d, _) => vec![FactResult::Known; d.facts.len()],
        _ => Vec::new(),
    };
    let mut book = Book {
        facts: jobs.iter().map(facts).collect(),
        work: vec![Default::default(); jobs.len()],
        own: vec![None; jobs.len()],
        audit: None,
        rows: 0,
    };

    let mut opening = node::fence(node);
    if !locks.is_empty() {
        opening.push(Statement::new("SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) k", vec![ints(locks)]));
    }
    let decided: Vec<(usize, i64)> = (jobs.iter().enumerate())
        .filter_map(|(n, j)| if let Job::Decide(d, _) = j { Some((n, d.delivery.get())) } else { None })
        .collect();
    let inbox = opening.len();
    if !decided.is_empty() {
        opening.push(Statement::new(
            "DELETE FROM inbox WHERE delivery = ANY($1) RETURNING delivery",
            vec![ints(decided.iter().map(|d| d.1))],
        ));
    }
    // The last of what is locked before anything is looked at: whoever waits for it holds nothing that its
    // holder still wants.
    let audited = all.iter().any(|p| !p.work.audit.is_empty()).then_some(opening.len());
    if audited.is_some() {
        opening.push(Statement::new(super::audit::LOCK_HEAD, vec![]));
    }
    let mut numbered = None;
    let mut failing: Vec<usize> = Vec::new();
    let (mut committed, mut lost) = (false, None);
    // A decision without facts, or a member that only has a statement of its own, has no piece.
    let stages = if stages.is_empty() { vec![&all[..]] } else { stages };
    for (number, stage) in stages.iter().enumerate() {
        let (statements, plan) = look::statements(stage);
        let begun = if number == 0 { std::mem::take(&mut opening) } else { Vec::new() };
        let first = begun.len();
        let sent: Vec<Statement<'_>> = begun.into_iter().chain(statements).collect();
        let mut ran = together(client, &sent).await?;
        if number == 0 {
            let answer = ran.get(node::FENCE_ANSWER).and_then(|r| r.rows.first());
            numbered = Some(answer.ok_or(Trouble::Fenced)?.try_get::<_, i64>(0)?);
            if let Some(row) = audited.and_then(|n| ran.get(n)).and_then(|r| r.rows.first()) {
                let head = Head { seq: row.try_get(0)?, at: row.try_get(1)?, hash: row.try_get(2)? };
                book.audit = Some((chain.clone(), head));
            }
            if !decided.is_empty() {
                let gone = column(&ran[inbox])?;
                // Decided before: by a try whose answer was lost, or by another node.
                let before = decided.iter().filter(|(_, delivery)| !gone.contains(delivery));
                let before: Vec<_> =
                    before.map(|(n, _)| (*n, Verdict::Decided(Decided::Done(book.facts[*n].clone())))).collect();
                if !before.is_empty() {
                    return Err(Trouble::Members(before));
                }
                book.rows += ran[inbox].touched;
            }
        }
        let seen = look::read(stage, &plan, ran.split_off(first))?;
        failing.extend(seen.failing.iter().copied());
        if failing.is_empty() {
            book.rows += seen.rows;
            let last = number + 1 == stages.len();
            match change::write(client, jobs, stage, seen, last, hope, ids, &mut book).await {
                Ok(change::Wrote::Open) => {}
                Ok(change::Wrote::Failing(members)) => failing = members,
                Ok(change::Wrote::Committed) => committed = true,
                Err(Trouble::Commit(e)) => lost = Some(e),
                Err(trouble) => return Err(trouble),
            }
        }
        if !failing.is_empty() {
            let unique: HashSet<usize> = failing.into_iter().collect();
            return Err(Trouble::Members(unique.into_iter().map(|n| (n, failed(&jobs[n]))).collect()));
        }
    }
    let rows = book.rows;
    let verdicts = jobs.iter().enumerate().map(|(n, job)| verdict(job, n, &mut book)).collect();
    let ready = Ready { committed, number: numbered.ok_or(Trouble::Fenced)?, verdicts, rows };
    match lost {
        Some(e) => Err(Trouble::Lost(e, Box::new(ready))),
        None => Ok(ready),
    }
}

fn verdict(job: &Job, n: usize, book: &mut Book) -> Verdict {
    let (seqs, deliveries, claimed) = std::mem::take(&mut book.work[n]);
    match job {
        Job::Accept(..) => Verdict::Accepted(deliveries.first().map_or(Accepted::Known, |id| Accepted::New(*id))),
        Job::Decide(..) => Verdict::Decided(Decided::Done(std::mem::take(&mut book.facts[n]))),
        Job::Work(..) => Verdict::Worked(Worked::Done { seqs, deliveries, claimed }),
        Job::Claim(..) => Verdict::Claimed(claimed),
        Job::DecideFailed(..) => Verdict::Count(book.own[n].and_then(|v| u32::try_from(v).ok()).unwrap_or(0)),
        Job::Reopen(..) => Verdict::Flag(book.own[n].is_some()),
        Job::Misc(..) => Verdict::Written,
    }
}

/// The first column, as numbers.
fn column(ran: &Ran) -> Result<HashSet<i64>, tokio_postgres::Error> {
    ran.rows.iter().map(|r| r.try_get(0)).collect()
}

/// Splits a list so that no part holds two items of one key: an `UPDATE` with an array changes a row
/// once, whatever the array says. Nearly always there is one part.
fn layers<T, K: Eq + std::hash::Hash>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<Vec<T>> {
    let mut seen = std::collections::HashMap::<K, usize>::new();
    let mut layers: Vec<Vec<T>> = Vec::new();
    for item in items {
        let turn = seen.entry(key(&item)).or_default();
        match layers.get_mut(*turn) {
            Some(layer) => layer.push(item),
            None => layers.push(vec![item]),
        }
        *turn += 1;
    }
    layers
}
