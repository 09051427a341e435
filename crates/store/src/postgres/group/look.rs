//! Before a change: which facts are new, which guards hold, and the places of new effects.

use crate::codes::ms;
use crate::contract::{DedupKey, ReadGuard};
use crate::postgres::piece::Piece;
use crate::postgres::statement::{Ran, Statement, ints, maybe_ints, texts};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::Error;

/// Which statements were needed, in their order.
pub(super) struct Plan {
    keys: bool,
    entities: bool,
    listeners: bool,
    events: bool,
    places: bool,
}

/// What was seen.
pub(super) struct Seen {
    /// Per piece: is its fact new? Always, when it has no key.
    pub(super) fresh: Vec<bool>,
    /// Members a guard of which does not hold.
    pub(super) failing: HashSet<usize>,
    /// Per connection, the place before the first of this stage.
    pub(super) places: HashMap<i64, i64>,
    pub(super) rows: u64,
}

/// A guard and its piece.
fn guards<'a>(stage: &'a [Piece<'a>]) -> impl Iterator<Item = (usize, &'a ReadGuard)> {
    stage.iter().enumerate().flat_map(|(n, piece)| piece.work.guards.iter().map(move |g| (n, g)))
}

/// Connections in whose lanes a piece takes places: one for each effect that is new or enters again.
fn placed<'a>(piece: &'a Piece<'a>) -> impl Iterator<Item = i64> + use<'a> {
    let again = piece.work.updates.iter().filter_map(|u| u.reenters);
    again.chain(piece.work.effects.iter().map(|e| e.connection))
}

pub(super) fn statements<'a>(stage: &'a [Piece<'a>]) -> (Vec<Statement<'a>>, Plan) {
    let mut out = Vec::new();
    let mut keys: Vec<(&DedupKey, Option<i64>)> =
        stage.iter().filter_map(|p| Some((p.dedup?, p.event.map(|e| ms(e.received_at))))).collect();
    // The same order in every node: two that write the same keys do not wait for each other.
    keys.sort_unstable_by_key(|(k, _)| (k.entity, k.discriminator, k.connection, k.kind.as_str()));
    if !keys.is_empty() {
        out.push(Statement::new(
            "INSERT INTO dedup (entity, discriminator, connection, kind, at)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[])
             ON CONFLICT DO NOTHING RETURNING entity, discriminator, connection, kind",
            vec![
                ints(keys.iter().map(|k| k.0.entity)),
                ints(keys.iter().map(|k| k.0.discriminator)),
                ints(keys.iter().map(|k| k.0.connection)),
                texts(keys.iter().map(|k| k.0.kind.as_str())),
                maybe_ints(keys.iter().map(|k| k.1)),
            ],
        ));
    }
    let mut entities = Vec::new();
    let mut listeners = Vec::new();
    let mut events = Vec::new();
    for (_, guard) in guards(stage) {
        match guard {
            ReadGuard::Entity { connection, entity, .. } => entities.push((*connection, entity)),
            ReadGuard::Listeners { key, event_type, .. } => listeners.push((*key, event_type.as_str())),
            ReadGuard::Events { key, after, .. } => events.push((*key, after.get())),
        }
    }
    if !entities.is_empty() {
        out.push(Statement::new(
            "SELECT g.n, e.version
             FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS g (connection, kind, entity, n)
             JOIN entities e USING (connection, kind, entity)",
            vec![
                ints(entities.iter().map(|e| e.0)),
                texts(entities.iter().map(|e| &*e.1.kind)),
                texts(entities.iter().map(|e| &*e.1.id)),
            ],
        ));
    }
    if !listeners.is_empty() {
        out.push(Statement::new(
            "SELECT g.n, w.run FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS g (key, type, n)
             JOIN run_waits w USING (key, type)",
            vec![ints(listeners.iter().map(|l| l.0)), texts(listeners.iter().map(|l| l.1))],
        ));
    }
    if !events.is_empty() {
        out.push(Statement::new(
            "SELECT g.n, e.type FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS g (key, after, n)
             JOIN events e ON e.key = g.key AND e.id > g.after",
            vec![ints(events.iter().map(|e| e.0)), ints(events.iter().map(|e| e.1))],
        ));
    }
    let mut wanted = BTreeMap::<i64, i64>::new();
    for connection in stage.iter().flat_map(placed) {
        *wanted.entry(connection).or_default() += 1;
    }
    if !wanted.is_empty() {
        // The row stays locked until the commit: places of a connection rise in the order of commits.
        out.push(Statement::new(
            "INSERT INTO places AS p (connection, last) SELECT * FROM unnest($1::bigint[], $2::bigint[])
             ON CONFLICT (connection) DO UPDATE SET last = p.last + excluded.last RETURNING connection, last",
            vec![ints(wanted.keys().copied()), ints(wanted.values().copied())],
        ));
    }
    let plan = Plan {
        keys: !keys.is_empty(),
        entities: !entities.is_empty(),
        listeners: !listeners.is_empty(),
        events: !events.is_empty(),
        places: !wanted.is_empty(),
    };
    (out, plan)
}

pub(super) fn read(stage: &[Piece<'_>], plan: &Plan, ran: Vec<Ran>) -> Result<Seen, Error> {
    let mut ran = ran.into_iter();
    let mut next = |needed: bool| if needed { ran.next() } else { None };
    let mut known = HashSet::<(i64, i64, i64, String)>::new();
    let mut rows = 0;
    if let Some(keys) = next(plan.keys) {
        rows = keys.touched;
        for r in &keys.rows {
            known.insert((r.try_get(0)?, r.try_get(1)?, r.try_get(2)?, r.try_get(3)?));
        }
    }
    let is_new = |p: &Piece<'_>| {
        p.dedup.is_none_or(|k| known.contains(&(k.entity, k.discriminator, k.connection, k.kind.clone())))
    };
    let fresh: Vec<bool> = stage.iter().map(is_new).collect();

    let mut versions = HashMap::<i64, i64>::new();
    for r in next(plan.entities).iter().flat_map(|ran| &ran.rows) {
        versions.insert(r.try_get(0)?, r.try_get(1)?);
    }
    let mut listening = HashMap::<i64, Vec<i64>>::new();
    for r in next(plan.listeners).iter().flat_map(|ran| &ran.rows) {
        listening.entry(r.try_get(0)?).or_default().push(r.try_get(1)?);
    }
    let mut came = HashMap::<i64, Vec<String>>::new();
    for r in next(plan.events).iter().flat_map(|ran| &ran.rows) {
        came.entry(r.try_get(0)?).or_default().push(r.try_get(1)?);
    }
    // Numbers of the three lists, as the statements counted them: from 1, in order.
    let (mut entities, mut listeners, mut events) = (0, 0, 0);
    let mut failing = HashSet::new();
    for (n, guard) in guards(stage) {
        let holds = match guard {
            ReadGuard::Entity { version, .. } => {
                entities += 1;
                versions.get(&entities).copied().unwrap_or(0) == *version
            }
            ReadGuard::Listeners { runs, .. } => {
                listeners += 1;
                let all = listening.get(&listeners).map_or(&[][..], Vec::as_slice);
                all.iter().all(|l| runs.iter().any(|r| r.get() == *l))
            }
            ReadGuard::Events { types, count, .. } => {
                events += 1;
                let all = came.get(&events).map_or(&[][..], Vec::as_slice);
                all.iter().filter(|t| types.contains(t)).count() == *count as usize
            }
        };
        // A fact that is known is skipped whole, its guards too.
        if let (false, Some(piece), Some(true)) = (holds, stage.get(n), fresh.get(n)) {
            failing.insert(piece.member);
        }
    }

    let mut places = HashMap::new();
    let mut wanted = HashMap::<i64, i64>::new();
    for connection in stage.iter().flat_map(placed) {
        *wanted.entry(connection).or_default() += 1;
    }
    for r in next(plan.places).iter().flat_map(|ran| &ran.rows) {
        let (connection, last): (i64, i64) = (r.try_get(0)?, r.try_get(1)?);
        places.insert(connection, last - wanted.get(&connection).copied().unwrap_or(0));
    }
    Ok(Seen { fresh, failing, places, rows })
}
