//! Effects of a change: those that are new, those whose state, call or attempt changes, and their history.

use super::super::{Book, layers};
use super::{Answer, Batch};
use crate::codes::{is_end_of, ms};
use crate::contract::{AttemptInsert, Claim, EffectGuard, EffectState, EffectUpdate, FactResult};
use crate::postgres::piece::Piece;
use crate::postgres::statement::{blobs, flags, ints, maybe_blobs, maybe_ints, maybe_texts, texts};
use std::collections::HashMap;

/// Effects that change. One statement for those guarded by an attempt, one for those guarded by a state.
pub(super) fn updates<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>], places: &mut HashMap<i64, i64>) {
    type Change<'a> = (usize, &'a EffectUpdate, Option<&'a AttemptInsert>);
    let changes = pieces
        .iter()
        .flat_map(|p| p.work.updates.iter().map(|u| (p.member, u, p.work.attempts.iter().find(|a| is_end_of(u, a)))));
    for layer in layers(changes, |(_, u, _): &Change<'a>| u.id.get()) {
        let (by_attempt, by_state): (Vec<_>, Vec<_>) =
            layer.into_iter().partition(|(_, u, _)| matches!(u.guard, EffectGuard::Attempt { .. }));
        let columns = |list: &[Change<'a>]| {
            vec![
                ints(list.iter().map(|(_, u, _)| u.id.get())),
                ints(list.iter().map(|(_, u, _)| u.to as i64)),
                maybe_ints(list.iter().map(|(_, u, _)| u.not_before.map(ms))),
                maybe_texts(list.iter().map(|(_, u, _)| u.code.as_deref())),
                maybe_blobs(list.iter().map(|(_, u, _)| u.outcome.as_ref().map(|o| &o.0[..]))),
                maybe_ints(list.iter().map(|(_, u, _)| u.reference)),
                maybe_ints(list.iter().map(|(_, u, _)| u.renew.map(ms))),
            ]
        };
        const SET: &str = "UPDATE effects e SET status = x.status, not_before = x.not_before, code = x.code,
             outcome = coalesce(x.outcome, e.outcome), reference = coalesce(x.reference, e.reference),
             generation = e.generation + (x.renew IS NOT NULL)::int, give_up_at = coalesce(x.renew";
        const FROM: &str =
            "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[]";
        let members = |list: &[Change<'a>]| Answer::Each(list.iter().map(|(n, ..)| *n).collect());
        if !by_attempt.is_empty() {
            let fences = by_attempt.iter().map(|(_, u, _)| match u.guard {
                EffectGuard::Attempt { boot, attempt } => (boot, i64::from(attempt)),
                EffectGuard::State(_) => (-1, -1),
            });
            let (boots, attempts): (Vec<i64>, Vec<i64>) = fences.unzip();
            let last = || by_attempt.iter().map(|(.., a)| *a);
            let mut params = columns(&by_attempt);
            params.extend([
                ints(boots),
                ints(attempts),
                maybe_ints(last().map(|a| a.map(|a| ms(a.started_at)))),
                maybe_ints(last().map(|a| a.map(|a| ms(a.ended_at)))),
                maybe_ints(last().map(|a| a.map(|a| i64::from(a.call)))),
                maybe_ints(last().map(|a| a.and_then(|a| a.status).map(i64::from))),
                maybe_blobs(last().map(|a| a.and_then(|a| a.detail.as_ref()).map(|d| &d.0[..]))),
            ]);
            batch.push(
                format!(
                    "{SET}, e.give_up_at), started_at = coalesce(x.started_at, e.started_at), ended_at = x.ended_at, ended_call = x.call,
                       http_status = x.http_status, detail = x.detail
                     {FROM}, $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bytea[])
                       WITH ORDINALITY AS x (id, status, not_before, code, outcome, reference, renew, boot, attempt,
                         started_at, ended_at, call, http_status, detail, n)
                     WHERE e.id = x.id AND e.status = 1 AND e.boot = x.boot AND e.attempt = x.attempt RETURNING x.n"
                ),
                params,
                members(&by_attempt),
            );
        }
        if !by_state.is_empty() {
            // An array of arrays would have to be square: the states that fit are bits of a number.
            let fits = by_state.iter().map(|(_, u, _)| match u.guard {
                EffectGuard::State(states) => states.iter().fold(0i64, |bits, s| bits | 1 << (*s as i64)),
                EffectGuard::Attempt { .. } => 0,
            });
            let mut params = columns(&by_state);
            params.push(ints(fits));
            params.push(maybe_ints(by_state.iter().map(|(_, u, _)| u.give_up_at.map(ms))));
            let seqs = by_state.iter().map(|(_, u, _)| {
                let place = places.entry(u.reenters?).or_default();
                *place += 1;
                Some(*place)
            });
            params.push(maybe_ints(seqs));
            batch.push(
                format!(
                    "{SET}, x.give_up_at, e.give_up_at), seq = coalesce(x.seq, e.seq)
                     {FROM}, $8::bigint[], $9::bigint[], $10::bigint[])
                       WITH ORDINALITY AS x (id, status, not_before, code, outcome, reference, renew, fits, give_up_at, seq, n)
                     WHERE e.id = x.id AND (x.fits >> e.status::int) & 1 = 1 RETURNING x.n"
                ),
                params,
                members(&by_state),
            );
        }
    }
}

pub(super) fn progress<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let all: Vec<(usize, &Claim)> =
        pieces.iter().filter_map(|p| p.work.progress.as_ref().map(|c| (p.member, c))).collect();
    if !all.is_empty() {
        batch.push(
            "UPDATE effects e SET call = x.call, repeat = x.repeat, started_at = x.at
             FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
               WITH ORDINALITY AS x (id, call, repeat, at, boot, attempt, n)
             WHERE e.id = x.id AND e.status = 1 AND e.boot = x.boot AND e.attempt = x.attempt RETURNING x.n",
            vec![
                ints(all.iter().map(|(_, c)| c.id.get())),
                blobs(all.iter().map(|(_, c)| &c.call.0[..])),
                ints(all.iter().map(|(_, c)| i64::from(c.repeat))),
                ints(all.iter().map(|(_, c)| ms(c.started_at))),
                ints(all.iter().map(|(_, c)| c.boot)),
                ints(all.iter().map(|(_, c)| i64::from(c.attempt))),
            ],
            Answer::Each(all.iter().map(|(n, _)| *n).collect()),
        );
    }
}

pub(super) fn attempts<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>]) {
    let own_row = |p: &Piece<'a>, a: &AttemptInsert| !p.work.updates.iter().any(|u| is_end_of(u, a));
    let all: Vec<&AttemptInsert> =
        pieces.iter().flat_map(|p| p.work.attempts.iter().filter(|a| own_row(p, a))).collect();
    if !all.is_empty() {
        batch.push(
            "INSERT INTO attempts (effect, attempt, call, started_at, ended_at, outcome, status, detail)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bytea[])
             ON CONFLICT (effect, attempt, call) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
               outcome = excluded.outcome, status = excluded.status, detail = excluded.detail",
            vec![
                ints(all.iter().map(|a| a.effect.get())),
                ints(all.iter().map(|a| i64::from(a.attempt))),
                ints(all.iter().map(|a| i64::from(a.call))),
                ints(all.iter().map(|a| ms(a.started_at))),
                ints(all.iter().map(|a| ms(a.ended_at))),
                texts(all.iter().map(|a| a.outcome)),
                maybe_ints(all.iter().map(|a| a.status.map(i64::from))),
                maybe_blobs(all.iter().map(|a| a.detail.as_ref().map(|d| &d.0[..]))),
            ],
            Answer::Rows,
        );
    }
}

pub(super) fn effects<'a>(
    batch: &mut Batch<'a>,
    pieces: &[Piece<'a>],
    places: &mut HashMap<i64, i64>,
    book: &mut Book,
) {
    let mut all = Vec::new();
    let mut seqs = Vec::new();
    for piece in pieces {
        let mut own = Vec::with_capacity(piece.work.effects.len());
        for e in &piece.work.effects {
            let place = places.entry(e.connection).or_default();
            *place += 1;
            own.push(*place);
            all.push(e);
        }
        seqs.extend(own.iter().copied());
        match book.facts[piece.member].get_mut(piece.fact) {
            Some(fact) => *fact = FactResult::New(own),
            None => book.work[piece.member].0 = own,
        }
    }
    if all.is_empty() {
        return;
    }
    let call = || all.iter().map(|e| e.calling.as_ref());
    let status = |c: Option<&Claim>| if c.is_some() { EffectState::Calling } else { EffectState::Queued };
    batch.push(
        "INSERT INTO effects (id, run, path, connection, action, lane, seq, urgency, class, purpose, status, not_before, attempt,
           generation, boot, started_at, repeat, created_at, give_up_at, resend_unknown, park, input, call, flow, expires_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
           $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
           $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::boolean[], $21::boolean[], $22::bytea[], $23::bytea[],
           $24::bigint[], $25::bigint[])",
        vec![
            ints(all.iter().map(|e| e.id.get())),
            maybe_ints(all.iter().map(|e| e.run.map(|r| r.get()))),
            texts(all.iter().map(|e| e.path.as_str())),
            ints(all.iter().map(|e| e.connection)),
            texts(all.iter().map(|e| e.action.as_str())),
            ints(all.iter().map(|e| e.lane)),
            ints(seqs),
            ints(all.iter().map(|e| i64::from(e.urgency))),
            maybe_texts(all.iter().map(|e| e.class.as_deref())),
            maybe_texts(all.iter().map(|e| e.purpose.as_deref())),
            ints(call().map(|c| status(c) as i64)),
            maybe_ints(all.iter().map(|e| e.not_before.map(ms))),
            ints(call().map(|c| c.map_or(0, |c| i64::from(c.attempt)))),
            ints(call().map(|c| c.map_or(1, |c| i64::from(c.generation)))),
            maybe_ints(call().map(|c| c.map(|c| c.boot))),
            maybe_ints(call().map(|c| c.map(|c| ms(c.started_at)))),
            ints(call().map(|c| c.map_or(2, |c| i64::from(c.repeat)))),
            ints(all.iter().map(|e| ms(e.created_at))),
            ints(all.iter().map(|e| ms(e.give_up_at))),
            flags(all.iter().map(|e| e.resend_unknown)),
            flags(all.iter().map(|e| e.park)),
            blobs(all.iter().map(|e| &e.input.0[..])),
            maybe_blobs(call().map(|c| c.map(|c| &c.call.0[..]))),
            ints(all.iter().map(|e| e.flow)),
            maybe_ints(all.iter().map(|e| e.expires_at.map(ms))),
        ],
        Answer::Rows,
    );
}

pub(super) fn claims<'a>(batch: &mut Batch<'a>, pieces: &[Piece<'a>], book: &mut Book) {
    let all = pieces.iter().flat_map(|p| p.claims.iter().enumerate().map(|(place, c)| ((p.member, place), c)));
    for piece in pieces {
        book.work[piece.member].2 = vec![false; piece.claims.len()];
    }
    for layer in layers(all, |(_, c)| c.id.get()) {
        batch.push(
            "UPDATE effects e SET status = 1, attempt = x.attempt, generation = x.generation, boot = x.boot,
               started_at = x.at, repeat = x.repeat, call = x.call, not_before = NULL
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[],
               $8::bigint[]) WITH ORDINALITY AS x (id, attempt, generation, boot, at, repeat, call, above, n)
             WHERE e.id = x.id AND e.status = 0 AND (x.above IS NULL OR NOT EXISTS (SELECT 1 FROM effects o
               WHERE o.status = 0 AND o.connection = e.connection AND o.urgency = e.urgency AND o.lane = e.lane
                 AND o.seq > x.above AND o.seq < e.seq)) RETURNING x.n",
            vec![
                ints(layer.iter().map(|(_, c)| c.id.get())),
                ints(layer.iter().map(|(_, c)| i64::from(c.attempt))),
                ints(layer.iter().map(|(_, c)| i64::from(c.generation))),
                ints(layer.iter().map(|(_, c)| c.boot)),
                ints(layer.iter().map(|(_, c)| ms(c.started_at))),
                ints(layer.iter().map(|(_, c)| i64::from(c.repeat))),
                blobs(layer.iter().map(|(_, c)| &c.call.0[..])),
                maybe_ints(layer.iter().map(|(_, c)| c.alone_above)),
            ],
            Answer::Claims(layer.iter().map(|(place, _)| *place).collect()),
        );
    }
}
