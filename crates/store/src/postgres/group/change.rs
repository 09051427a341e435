//! The change of a stage: every statement takes the rows of all its pieces as arrays.

mod effects;

use super::{Book, Trouble, look::Seen, together};
use crate::codes::{ms, replay_hash, run_code};
use crate::contract::{EntityUpsert, FactResult, Listen, RunWrite};
use crate::postgres::audit::appending;
use crate::postgres::group::layers;
use crate::postgres::parts;
use crate::postgres::piece::{Job, Piece};
use crate::postgres::statement::{Param, Ran, Statement, blobs, int, ints, maybe_blobs, maybe_ints, texts};
use crate::rows::DeliveryStatus;
use jiff::Timestamp;
use pasarela_domain::{DeliveryId, IdMaker};
use std::collections::{HashMap, HashSet};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// What the answer to a statement is looked through for.
enum Answer {
    /// Only the number of rows.
    Rows,
    /// Nothing: another answer counts its rows.
    Counted,
    /// A row of this member per number must have come back; else the member fails.
    Each(Vec<usize>),
    /// A read model of this member must have come back; else the member fails.
    Entities(HashMap<(i64, String, String), usize>),
    /// A number that came back is a claim that was to be had: (member, place in its list).
    Claims(Vec<(usize, usize)>),
    /// The ids that came back were new: (member, id, with a replay key).
    Deliveries(Vec<(usize, i64, bool)>),
    /// A number for this member.
    Own(usize),
}

#[derive(Default)]
struct Batch<'a>(Vec<(Statement<'a>, Answer)>);

impl<'a> Batch<'a> {
    fn push(&mut self, sql: impl Into<String>, params: Vec<Param<'a>>, answer: Answer) {
        self.0.push((Statement::new(sql, params), answer));
    }

    /// Is everything known before the answers come, if all guards hold?
    fn can_hope(&self) -> bool {
        self.0.iter().all(|(_, answer)| match answer {
            Answer::Rows | Answer::Counted | Answer::Each(_) | Answer::Entities(_) => true,
            Answer::Deliveries(made) => made.iter().all(|(_, _, with_key)| !with_key),
            Answer::Claims(_) | Answer::Own(_) => false,
        })
    }

    /// The statements, each demanding that its guards hold, and the rows that they stand for (`None`: those
    /// that they touch). The book is written as if the guards did hold.
    fn hoping(self, book: &mut Book) -> (Vec<Statement<'a>>, Vec<Option<u64>>) {
        let hoped = |(statement, answer): (Statement<'a>, Answer)| match answer {
            Answer::Each(members) => (statement.demanding(members.len()), Some(members.len() as u64)),
            Answer::Entities(wanted) => (statement.demanding(wanted.len()), Some(wanted.len() as u64)),
            Answer::Deliveries(made) => {
                let rows = 2 * made.len() as u64;
                for (member, id, _) in made {
                    book.work[member].1.push(DeliveryId::from_raw(id));
                }
                (statement, Some(rows))
            }
            Answer::Counted => (statement, Some(0)),
            Answer::Rows | Answer::Claims(_) | Answer::Own(_) => (statement, None),
        };
        self.0.into_iter().map(hoped).unzip()
    }
}

/// What came of a stage.
pub(super) enum Wrote {
    /// It is written, and is to be committed with the others.
    Open,
    /// These members cannot be written; nothing may be committed.
    Failing(Vec<usize>),
    /// It is committed: its changes and the commit travelled together.
    Committed,
}

/// Writes a stage. With `hope` that every guard holds, the last one commits in the same round trip; one
/// that does not hold undoes all of it ([`Trouble::Hope`]), and it is written once more without.
#[allow(clippy::too_many_arguments)]
pub(super) async fn write(
    client: &Client,
    jobs: &[Job],
    stage: &[Piece<'_>],
    seen: Seen,
    last: bool,
    hope: bool,
    ids: &mut IdMaker,
    book: &mut Book,
) -> Result<Wrote, Trouble> {
    let pieces: Vec<Piece<'_>> =
        stage.iter().zip(&seen.fresh).filter(|(_, fresh)| **fresh).map(|(piece, _)| *piece).collect();
    let mut batch = Batch::default();
    facts(&mut batch, &pieces);
    links(&mut batch, &pieces);
    let mut places = seen.places;
    effects::updates(&mut batch, &pieces, &mut places);
    runs(&mut batch, &pieces);
    effects::progress(&mut batch, &pieces);
    fired(&mut batch, &pieces);
    effects::attempts(&mut batch, &pieces);
    effects::effects(&mut batch, &pieces, &mut places, book);
    timers(&mut batch, &pieces, ids);
    deliveries(&mut batch, &pieces, ids);
    effects::claims(&mut batch, &pieces, book);
    marks(&mut batch, &pieces);
    audit(&mut batch, &pieces, book);
    if last {
        results(&mut batch, jobs, book);
        for (member, job) in jobs.iter().enumerate() {
            own(&mut batch, member, job);
        }
    }
    if last && hope && batch.can_hope() && jobs.iter().all(|j| !matches!(j, Job::Misc(..))) {
        let (mut statements, rows) = batch.hoping(book);
        statements.push(Statement::new("COMMIT", vec![]));
        return match together(client, &statements).await {
            Ok(ran) => {
                book.rows += ran.iter().zip(rows).map(|(ran, rows)| rows.unwrap_or(ran.touched)).sum::<u64>();
                Ok(Wrote::Committed)
            }
            Err(e) if e.code() == Some(&SqlState::DIVISION_BY_ZERO) => Err(Trouble::Hope),
            Err(e) => Err(Trouble::Commit(e)),
        };
    }
    let (mut statements, mut answers): (Vec<_>, Vec<_>) = batch.0.into_iter().unzip();
    let failing = if last {
        // Housekeeping is written as its caller made it.
        let before = statements.len();
        let ran = with_housekeeping(client, &mut statements, jobs).await?;
        answers.extend((before..ran.len()).map(|_| Answer::Rows));
        settle(ran, answers, book)?
    } else {
        settle(together(client, &statements).await?, answers, book)?
    };
    Ok(if failing.is_empty() { Wrote::Open } else { Wrote::Failing(failing) })
}

/// Sends the statements and those of housekeeping, which stay their members'.
async fn with_housekeeping(
    client: &Client,
    statements: &mut Vec<Statement<'_>>,
    jobs: &[Job],
) -> Result<Vec<Ran>, tokio_postgres::Error> {
    let housekeeping = jobs.iter().filter_map(|j| if let Job::Misc(s, _) = j { Some(s) } else { None });
    let all = statements.iter().map(|s| s.run(client)).chain(housekeeping.map(|s| s.run(client)));
    futures_util::future::join_all(all).await.into_iter().collect()
}

/// Reads the answers: what came of each member, and which cannot be written.
fn settle(ran: Vec<Ran>, answers: Vec<Answer>, book: &mut Book) -> Result<Vec<usize>, Trouble> {
    let mut failing = Vec::new();
    for (ran, answer) in ran.iter().zip(answers) {
        if !matches!(answer, Answer::Counted) {
            book.rows += ran.touched;
        }
        match answer {
            Answer::Rows | Answer::Counted => {}
            Answer::Each(members) => {
                let came = super::column(ran)?;
                failing.extend((1..).zip(members).filter(|(n, _)| !came.contains(n)).map(|(_, member)| member));
            }
            Answer::Entities(mut wanted) => {
                for r in &ran.rows {
                    wanted.remove(&(r.try_get(0)?, r.try_get(1)?, r.try_get(2)?));
                }
                failing.extend(wanted.into_values());
            }
            Answer::Claims(wanted) => {
                let came = super::column(ran)?;
                for (n, (member, place)) in (1..).zip(wanted) {
                    if came.contains(&n)
                        && let Some(claimed) = book.work[member].2.get_mut(place)
                    {
                        *claimed = true;
                    }
                }
            }
            Answer::Deliveries(made) => {
                let came = super::column(ran)?;
                for (member, id, with_key) in made.into_iter().filter(|(_, id, _)| came.contains(id)) {
                    book.work[member].1.push(DeliveryId::from_raw(id));
                    // Its own row beside that of the inbox, and that of its key.
                    book.rows += 1 + u64::from(with_key);
                }
            }
            Answer::Own(member) => book.own[member] = ran.rows.first().map(|r| r.try_get(0)).transpose()?,
        }
    }
    Ok(failing)
}

/// Read models, events, new runs.
fn facts<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let entities = pieces.iter().flat_map(|p| p.entities.iter().map(|e| (p.member, e)));
    let (made, changed): (Vec<_>, Vec<_>) = entities.partition(|(_, e)| e.expected == 0);
    let columns = |list: &[(usize, &'a EntityUpsert)]| {
        vec![
            ints(list.iter().map(|(_, e)| e.connection)),
            texts(list.iter().map(|(_, e)| &*e.entity.kind)),
            texts(list.iter().map(|(_, e)| &*e.entity.id)),
            maybe_ints(list.iter().map(|(_, e)| e.updated_at.map(ms))),
            ints(list.iter().map(|(_, e)| i64::from(e.rank))),
            ints(list.iter().map(|(_, e)| e.hash)),
            blobs(list.iter().map(|(_, e)| &e.data.0[..])),
        ]
    };
    if !made.is_empty() {
        let wanted = made.iter().map(|(n, e)| ((e.connection, e.entity.kind.to_string(), e.entity.id.to_string()), *n));
        batch.push(
            "INSERT INTO entities (connection, kind, entity, version, updated_at, rank, hash, data)
             SELECT x.connection, x.kind, x.entity, 1, x.updated_at, x.rank, x.hash, x.data
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
               AS x (connection, kind, entity, updated_at, rank, hash, data)
             ON CONFLICT DO NOTHING RETURNING connection, kind, entity",
            columns(&made),
            Answer::Entities(wanted.collect()),
        );
    }
    if !changed.is_empty() {
        let mut params = columns(&changed);
        params.push(ints(changed.iter().map(|(_, e)| e.expected)));
        batch.push(
            "UPDATE entities e SET version = e.version + 1, updated_at = x.updated_at, rank = x.rank, hash = x.hash, data = x.data
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[])
               WITH ORDINALITY AS x (connection, kind, entity, updated_at, rank, hash, data, expected, n)
             WHERE e.connection = x.connection AND e.kind = x.kind AND e.entity = x.entity AND e.version = x.expected
             RETURNING x.n",
            params,
            Answer::Each(changed.iter().map(|(n, _)| *n).collect()),
        );
    }
    let owned = pieces.iter().flat_map(|p| p.entities).filter(|e| e.parent.is_some());
    for layer in layers(owned, |e| (e.connection, &e.entity)) {
        batch.push(
            parts::KEEP,
            vec![
                ints(layer.iter().map(|e| e.connection)),
                texts(layer.iter().map(|e| &*e.entity.kind)),
                texts(layer.iter().map(|e| &*e.entity.id)),
                ints(layer.iter().filter_map(|e| e.parent)),
            ],
            Answer::Rows,
        );
    }
    let events: Vec<_> = pieces.iter().filter_map(|p| p.event).collect();
    if !events.is_empty() {
        batch.push(
            "INSERT INTO events (id, type, connection, key, occurred_at, received_at, delivery, body)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[])",
            vec![
                ints(events.iter().map(|e| e.id.get())),
                texts(events.iter().map(|e| e.event_type.as_str())),
                ints(events.iter().map(|e| e.connection)),
                ints(events.iter().map(|e| e.key)),
                ints(events.iter().map(|e| ms(e.occurred_at))),
                ints(events.iter().map(|e| ms(e.received_at))),
                ints(events.iter().map(|e| e.delivery.get())),
                blobs(events.iter().map(|e| &e.body.0[..])),
            ],
            Answer::Rows,
        );
        let named: Vec<(i64, i64)> = events.iter().flat_map(|e| e.subjects.iter().map(|s| (*s, e.id.get()))).collect();
        if !named.is_empty() {
            batch.push(
                "INSERT INTO event_subject (subject, event) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
                vec![ints(named.iter().map(|s| s.0)), ints(named.iter().map(|s| s.1))],
                Answer::Rows,
            );
        }
    }
    let made: Vec<_> = pieces.iter().flat_map(|p| p.runs).collect();
    if !made.is_empty() {
        batch.push(
            "INSERT INTO runs (id, flow, event, key, status, version, created_at, updated_at, state)
             SELECT x.id, x.flow, x.event, x.key, x.status, 1, x.at, x.at, x.state
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])
               AS x (id, flow, event, key, status, at, state)",
            vec![
                ints(made.iter().map(|r| r.id.get())),
                ints(made.iter().map(|r| r.flow)),
                ints(made.iter().map(|r| r.event.get())),
                ints(made.iter().map(|r| r.key)),
                ints(made.iter().map(|r| run_code(r.status))),
                ints(made.iter().map(|r| ms(r.created_at))),
                blobs(made.iter().map(|r| &r.state.0[..])),
            ],
            Answer::Rows,
        );
        listen(batch, made.iter().flat_map(|r| r.listens.iter().map(|l| (r.id.get(), l))).collect());
    }
}

/// Whose addresses are whose.
fn links<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    for layer in layers(pieces.iter().flat_map(|p| &p.work.links), |l| l.address) {
        batch.push(
            "INSERT INTO person_links (address, person) SELECT * FROM unnest($1::bigint[], $2::bigint[])
             ON CONFLICT (address) DO UPDATE SET person = excluded.person",
            vec![ints(layer.iter().map(|l| l.address)), ints(layer.iter().map(|l| l.person))],
            Answer::Rows,
        );
    }
}

fn listen<'a>(batch: &mut Batch<'a>, list: Vec<(i64, &'a Listen)>) {
    if !list.is_empty() {
        batch.push(
            "INSERT INTO run_waits (key, type, run) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING",
            listens(&list),
            Answer::Rows,
        );
    }
}

fn listens<'a>(list: &[(i64, &'a Listen)]) -> Vec<Param<'a>> {
    vec![
        ints(list.iter().map(|(_, l)| l.key)),
        texts(list.iter().map(|(_, l)| l.event_type.as_str())),
        ints(list.iter().map(|(run, _)| *run)),
    ]
}

fn runs<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let all: Vec<(usize, &RunWrite)> = pieces.iter().flat_map(|p| p.work.runs.iter().map(|r| (p.member, r))).collect();
    for layer in layers(all.iter().copied(), |(_, r)| r.id.get()) {
        batch.push(
            "UPDATE runs r SET status = x.status, state = x.state, updated_at = x.at, version = r.version + 1
             FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[])
               WITH ORDINALITY AS x (id, status, state, at, expected, n)
             WHERE r.id = x.id AND r.version = x.expected RETURNING x.n",
            vec![
                ints(layer.iter().map(|(_, r)| r.id.get())),
                ints(layer.iter().map(|(_, r)| run_code(r.status))),
                blobs(layer.iter().map(|(_, r)| &r.state.0[..])),
                ints(layer.iter().map(|(_, r)| ms(r.at))),
                ints(layer.iter().map(|(_, r)| r.expected)),
            ],
            Answer::Each(layer.iter().map(|(n, _)| *n).collect()),
        );
    }
    let ended: Vec<_> = all.iter().flat_map(|(_, r)| r.unlisten.iter().map(|l| (r.id.get(), l))).collect();
    if !ended.is_empty() {
        batch.push(
            "DELETE FROM run_waits w USING unnest($1::bigint[], $2::text[], $3::bigint[]) AS x (key, type, run)
             WHERE w.key = x.key AND w.type = x.type AND w.run = x.run",
            listens(&ended),
            Answer::Rows,
        );
    }
    listen(batch, all.iter().flat_map(|(_, r)| r.listen.iter().map(|l| (r.id.get(), l))).collect());
}

/// Another node, or an earlier try of ours, may have fired a timer: then its work is stale.
fn fired<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let all: Vec<(usize, i64, i64)> =
        pieces.iter().flat_map(|p| p.work.fired.iter().map(|(due, id)| (p.member, ms(*due), *id))).collect();
    if !all.is_empty() {
        batch.push(
            "DELETE FROM timers t USING unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS x (due, id, n)
             WHERE t.due = x.due AND t.id = x.id RETURNING x.n",
            vec![ints(all.iter().map(|t| t.1)), ints(all.iter().map(|t| t.2))],
            Answer::Each(all.iter().map(|t| t.0).collect()),
        );
    }
}

fn timers<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>], ids: &mut IdMaker) {
    let all: Vec<_> = pieces.iter().flat_map(|p| &p.work.timers).collect();
    if !all.is_empty() {
        // The id only tells timers of one moment apart; it must not drag delivery ids into the future.
        let made: Vec<i64> = all.iter().map(|_| ids.next(Timestamp::UNIX_EPOCH)).collect();
        batch.push(
            "INSERT INTO timers (due, id, kind, target, path, connection)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])",
            vec![
                ints(all.iter().map(|t| ms(t.due))),
                ints(made),
                ints(all.iter().map(|t| t.kind as i64)),
                ints(all.iter().map(|t| t.target)),
                texts(all.iter().map(|t| t.path.as_str())),
                ints(all.iter().map(|t| t.connection)),
            ],
            Answer::Rows,
        );
    }
}

fn marks<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let all: std::collections::BTreeSet<i64> = pieces.iter().flat_map(|p| p.work.marks.iter().copied()).collect();
    if !all.is_empty() {
        let sql = "UPDATE shares SET marks = marks + 1 WHERE connection = ANY($1)";
        batch.push(sql, vec![ints(all)], Answer::Rows);
    }
}

/// Appends to the chain of the audit, whose head is locked since the opening.
fn audit<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>], book: &mut Book) {
    let Some((chain, head)) = &mut book.audit else { return };
    let entries: Vec<_> = pieces.iter().flat_map(|p| &p.work.audit).collect();
    batch.0.extend(appending(chain, head, &entries).into_iter().map(|s| (s, Answer::Rows)));
}

fn deliveries<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>], ids: &mut IdMaker) {
    let all: Vec<_> = (pieces.iter().flat_map(|p| p.deliveries.iter().map(|d| (p.member, d))))
        .map(|(member, d)| (member, ids.next(d.received_at), d, d.replay_key.as_deref().map(replay_hash)))
        .collect();
    let made = all.iter().map(|d| (d.0, d.1, d.3.is_some())).collect();
    if !all.is_empty() && all.iter().all(|d| d.3.is_none()) {
        // Nothing of it can be known: no bytes go through the steps that would look.
        batch.push(
            "INSERT INTO deliveries (id, connection, source, received_at, packed)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[])",
            vec![
                ints(all.iter().map(|d| d.1)),
                ints(all.iter().map(|d| d.2.connection)),
                texts(all.iter().map(|d| d.2.source)),
                ints(all.iter().map(|d| ms(d.2.received_at))),
                blobs(all.iter().map(|d| &d.2.packed.0[..])),
            ],
            Answer::Counted,
        );
        batch.push(
            "INSERT INTO inbox (delivery, connection, bytes)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) RETURNING delivery",
            vec![
                ints(all.iter().map(|d| d.1)),
                ints(all.iter().map(|d| d.2.connection)),
                ints(all.iter().map(|d| i64::try_from(d.2.packed.0.len()).unwrap_or(i64::MAX))),
            ],
            Answer::Deliveries(made),
        );
    } else if !all.is_empty() {
        batch.push(
            "WITH n AS (
               SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::bigint[])
                 AS n (id, connection, source, received_at, packed, entity, discriminator)),
             fresh AS (
               INSERT INTO dedup (entity, discriminator, connection, kind, at)
               SELECT entity, discriminator, connection, 'replay', received_at FROM n WHERE entity IS NOT NULL ORDER BY 1, 2, 3
               ON CONFLICT DO NOTHING RETURNING entity, discriminator, connection),
             kept AS (
               INSERT INTO deliveries (id, connection, source, received_at, packed)
               SELECT id, connection, source, received_at, packed FROM n
               WHERE entity IS NULL OR (entity, discriminator, connection) IN (SELECT * FROM fresh)
               RETURNING id, connection, packed)
             INSERT INTO inbox (delivery, connection, bytes) SELECT id, connection, octet_length(packed) FROM kept
             RETURNING delivery",
            vec![
                ints(all.iter().map(|d| d.1)),
                ints(all.iter().map(|d| d.2.connection)),
                texts(all.iter().map(|d| d.2.source)),
                ints(all.iter().map(|d| ms(d.2.received_at))),
                blobs(all.iter().map(|d| &d.2.packed.0[..])),
                maybe_ints(all.iter().map(|d| d.3.map(|h| h.0))),
                maybe_ints(all.iter().map(|d| d.3.map(|h| h.1))),
            ],
            Answer::Deliveries(made),
        );
    }
}

/// How the deliveries of decisions ended, and whom they name.
fn results<'a>(batch: &mut Batch<'a>, jobs: &'a [Job], book: &Book) {
    let (mut ended, mut named) = (Vec::new(), Vec::new());
    for (job, facts) in jobs.iter().zip(&book.facts) {
        let Job::Decide(d, _) = job else { continue };
        let all_known = !facts.is_empty() && facts.iter().all(|r| *r == FactResult::Known);
        let status =
            if all_known && d.status == DeliveryStatus::Decided { DeliveryStatus::Duplicate } else { d.status };
        // What is not pending and has no result is decided: the rule needs no row.
        if status != DeliveryStatus::Decided || d.reason.is_some() {
            ended.push((d.delivery.get(), status as i64, d.reason.as_ref().map(|r| &r.0[..])));
        }
        // Whoever an event of this delivery names is found by that event.
        let by_event: HashSet<i64> = (d.facts.iter().zip(facts))
            .filter(|(_, result)| matches!(result, FactResult::New(_)))
            .filter_map(|(fact, _)| fact.event.as_ref().filter(|e| e.delivery == d.delivery))
            .flat_map(|e| e.subjects.iter().copied())
            .collect();
        named.extend(d.subjects.iter().filter(|s| !by_event.contains(s)).map(|s| (*s, d.delivery.get())));
    }
    if !ended.is_empty() {
        batch.push(
            "INSERT INTO delivery_result (delivery, status, reason) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
             ON CONFLICT (delivery) DO UPDATE SET status = excluded.status, reason = excluded.reason",
            vec![
                ints(ended.iter().map(|r| r.0)),
                ints(ended.iter().map(|r| r.1)),
                maybe_blobs(ended.iter().map(|r| r.2)),
            ],
            Answer::Rows,
        );
    }
    if !named.is_empty() {
        batch.push(
            "INSERT INTO delivery_subject (subject, delivery) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
            vec![ints(named.iter().map(|s| s.0)), ints(named.iter().map(|s| s.1))],
            Answer::Rows,
        );
    }
}

/// Members that are one statement.
fn own<'a>(batch: &mut Batch<'a>, member: usize, job: &Job) {
    match job {
        Job::DecideFailed(d, _) => batch.push(
            "UPDATE inbox SET tries = tries + 1 WHERE delivery = $1 RETURNING tries",
            vec![int(d.get())],
            Answer::Own(member),
        ),
        Job::Reopen(d, _) => batch.push(
            "WITH known AS (SELECT id, connection, octet_length(packed) AS bytes FROM deliveries WHERE id = $1),
             back AS (INSERT INTO inbox (delivery, connection, bytes) SELECT id, connection, bytes FROM known
               ON CONFLICT DO NOTHING),
             cleared AS (DELETE FROM delivery_result r USING known k WHERE r.delivery = k.id)
             SELECT id FROM known",
            vec![int(d.get())],
            Answer::Own(member),
        ),
        Job::Accept(..) | Job::Decide(..) | Job::Work(..) | Job::Claim(..) | Job::Misc(..) => {}
    }
}
