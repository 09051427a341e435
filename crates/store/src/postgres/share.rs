//! Whose a connection is, decided by whichever node looks next, under the lock of the list of nodes.
//!
//! A connection without an owner goes to the node that serves it and has least; a node that has two
//! more than another gives one away, when nothing of it is out. Nodes that not everybody knows of yet
//! get nothing.

use super::link::Address;
use super::node::{self, LIST, Node};
use super::statement::{Statement, int, ints, maybe_list};
use crate::contract::Error;
use crate::share::{Ask, Share, Shares};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio_postgres::{Client, Row};

/// A node that is alive.
#[derive(Debug, Clone)]
struct Alive {
    epoch: i64,
    name: String,
    /// Epoch up to which it knows of others.
    beside: i64,
    /// `None`: it is here for a command.
    serves: Option<BTreeSet<i64>>,
    below: i64,
    ends_in: i64,
}

/// A connection with an owner.
#[derive(Debug, Clone, Copy)]
struct Owned {
    connection: i64,
    epoch: i64,
    marks: i64,
    missed: i64,
}

/// What this node is told, and connections without an owner that get one: (connection, epoch).
struct Parted {
    shares: Shares,
    fresh: Vec<(i64, i64)>,
    /// Connections that no node has: everybody may look after what is left of them.
    nobodys: Vec<i64>,
}

/// Signs of life, gifts and wishes go in; who has what comes out. `Err(Fenced)`: declared dead.
/// Second: connections whose timers are this node's.
pub(super) async fn share(
    client: &Client,
    address: &Address,
    node: Node,
    ask: &Ask,
) -> Result<(Shares, Vec<i64>, bool), Error> {
    client.batch_execute("BEGIN").await.map_err(|e| address.classify(&e))?;
    match within(client, node, ask).await {
        Ok(Some(found)) => {
            client.batch_execute("COMMIT").await.map_err(|e| address.classify(&e))?;
            Ok(found)
        }
        other => {
            drop(client.batch_execute("ROLLBACK").await);
            Err(other.err().map_or(Error::Fenced, |e| address.classify(&e)))
        }
    }
}

async fn within(
    client: &Client,
    node: Node,
    ask: &Ask,
) -> Result<Option<(Shares, Vec<i64>, bool)>, tokio_postgres::Error> {
    let run = async |sql: &str, params| Statement::new(sql, params).run(client).await;
    // Whoever stops here must not hold the list for ever.
    client.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 10000").await?;
    run("SELECT pg_advisory_xact_lock($1)", vec![int(LIST)]).await?;
    let ended = node::bury_expired(client, node).await?;
    let own = run(
        "UPDATE nodes SET beside = greatest(beside, $3), serves = $4, below = $5,
           expires_at = clock_timestamp() + $6 * interval '1 millisecond' WHERE id = $1 AND epoch = $2",
        vec![
            int(node.id),
            int(node.epoch),
            int(if ask.serves.is_some() { ask.beside } else { i64::MAX }),
            maybe_list(ask.serves.clone()),
            int(ask.below),
            int(node::TIME_TO_LIVE_MS),
        ],
    )
    .await?;
    if own.touched == 0 {
        return Ok(None);
    }
    if !ask.given.is_empty() {
        run(
            "DELETE FROM shares WHERE connection = ANY($1) AND epoch = $2",
            vec![ints(ask.given.clone()), int(node.epoch)],
        )
        .await?;
    }
    if !ask.missed.is_empty() {
        run("UPDATE shares SET missed = missed + 1 WHERE connection = ANY($1)", vec![ints(ask.missed.clone())]).await?;
    }
    run("DELETE FROM shares WHERE epoch NOT IN (SELECT epoch FROM nodes)", vec![]).await?;
    let nodes = run(
        "SELECT epoch, name, beside, serves, below, (extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint
         FROM nodes ORDER BY epoch",
        vec![],
    )
    .await?;
    let nodes: Vec<Alive> = nodes.rows.iter().map(alive).collect::<Result<_, _>>()?;
    let owned = run("SELECT connection, epoch, marks, missed FROM shares ORDER BY connection", vec![]).await?;
    let owned: Vec<Owned> = owned.rows.iter().map(owned_of).collect::<Result<_, _>>()?;
    let known = run("SELECT id FROM connections ORDER BY id", vec![]).await?;
    let known: Vec<i64> = known.rows.iter().map(|r| r.try_get(0)).collect::<Result<_, _>>()?;
    let Parted { shares, fresh, nobodys } = part(node.epoch, &nodes, &owned, &known, &ask.light);
    if !fresh.is_empty() {
        run(
            "INSERT INTO shares (connection, epoch) SELECT * FROM unnest($1::bigint[], $2::bigint[])",
            vec![ints(fresh.iter().map(|f| f.0)), ints(fresh.iter().map(|f| f.1))],
        )
        .await?;
    }
    let timers = shares.own.iter().map(|s| s.connection).chain(nobodys).collect();
    let told = ended || !ask.given.is_empty() || !ask.missed.is_empty() || fresh.iter().any(|(_, e)| *e != node.epoch);
    Ok(Some((shares, timers, told)))
}

fn alive(row: &Row) -> Result<Alive, tokio_postgres::Error> {
    Ok(Alive {
        epoch: row.try_get(0)?,
        name: row.try_get(1)?,
        beside: row.try_get(2)?,
        serves: row.try_get::<_, Option<Vec<i64>>>(3)?.map(|list| list.into_iter().collect()),
        below: row.try_get(4)?,
        ends_in: row.try_get(5)?,
    })
}

fn owned_of(row: &Row) -> Result<Owned, tokio_postgres::Error> {
    Ok(Owned { connection: row.try_get(0)?, epoch: row.try_get(1)?, marks: row.try_get(2)?, missed: row.try_get(3)? })
}

/// Does everybody else know of this node?
fn is_admitted(node: &Alive, nodes: &[Alive]) -> bool {
    nodes.iter().filter(|other| other.epoch != node.epoch).all(|other| other.beside >= node.epoch)
}

/// Pure: who gets what. `known`: all connections that there ever were; `light`: those that count for nothing.
fn part(own: i64, nodes: &[Alive], owned: &[Owned], known: &[i64], light: &[i64]) -> Parted {
    let mut owners: BTreeMap<i64, i64> = owned.iter().map(|o| (o.connection, o.epoch)).collect();
    let able: Vec<(&Alive, &BTreeSet<i64>)> =
        nodes.iter().filter(|n| is_admitted(n, nodes)).filter_map(|n| Some((n, n.serves.as_ref()?))).collect();
    let count = |owners: &BTreeMap<i64, i64>, epoch: i64| {
        owners.iter().filter(|(connection, e)| **e == epoch && !light.contains(connection)).count()
    };
    let mut fresh = Vec::new();
    let mut nobodys = Vec::new();
    for connection in known.iter().filter(|c| !owned.iter().any(|o| o.connection == **c)) {
        let takers = able.iter().filter(|(_, serves)| serves.contains(connection));
        match takers.min_by_key(|(n, _)| (count(&owners, n.epoch), n.epoch)) {
            Some((taker, _)) => {
                owners.insert(*connection, taker.epoch);
                fresh.push((*connection, taker.epoch));
            }
            None => nobodys.push(*connection),
        }
    }
    let mine: Vec<i64> = owners.iter().filter(|(_, e)| **e == own).map(|(c, _)| *c).collect();
    let mut give = Vec::new();
    for connection in mine.iter().rev().filter(|c| !light.contains(c)) {
        let takers = able.iter().filter(|(n, serves)| n.epoch != own && serves.contains(connection));
        let Some((taker, _)) = takers.min_by_key(|(n, _)| (count(&owners, n.epoch), n.epoch)) else { continue };
        if count(&owners, own) >= count(&owners, taker.epoch) + 2 {
            owners.insert(*connection, taker.epoch);
            give.push(*connection);
        }
    }
    let name = |epoch: i64| nodes.iter().find(|n| n.epoch == epoch).map(|n| n.name.clone()).unwrap_or_default();
    let others: Vec<&Alive> = nodes.iter().filter(|n| n.epoch != own).collect();
    let shares = Shares {
        admitted: nodes.iter().any(|n| n.epoch == own && is_admitted(n, nodes)),
        own: mine
            .iter()
            .map(|c| match owned.iter().find(|o| o.connection == *c) {
                Some(o) => Share { connection: *c, marks: o.marks, missed: o.missed },
                None => Share { connection: *c, marks: 0, missed: 0 },
            })
            .collect(),
        give,
        others: (owned.iter().map(|o| (o.connection, o.epoch)).chain(fresh.iter().copied()))
            .filter(|(_, epoch)| *epoch != own)
            .map(|(connection, epoch)| (connection, name(epoch)))
            .collect(),
        nodes: others.iter().map(|n| n.name.clone()).collect(),
        newest: others.iter().map(|n| n.epoch).max().unwrap_or(0),
        // One that was not admitted has written nothing.
        below: others.iter().filter(|n| n.serves.is_some() && n.below > 0).map(|n| n.below).min(),
        soonest_end: others.iter().map(|n| Duration::from_millis(u64::try_from(n.ends_in).unwrap_or(0))).min(),
    };
    Parted { shares, fresh, nobodys }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(epoch: i64, beside: i64, serves: Option<&[i64]>) -> Alive {
        let serves = serves.map(|s| s.iter().copied().collect());
        Alive { epoch, name: format!("n{epoch}"), beside, serves, below: epoch * 100, ends_in: 3_000 }
    }
    fn owned(connection: i64, epoch: i64) -> Owned {
        Owned { connection, epoch, marks: 0, missed: 0 }
    }
    fn ids(shares: &Shares) -> Vec<i64> {
        shares.own.iter().map(|s| s.connection).collect()
    }

    #[test]
    fn one_node_has_everything_and_nobody_beside_it() {
        let all = part(1, &[node(1, 1, Some(&[1, 2]))], &[], &[1, 2, 3], &[]);
        assert_eq!((ids(&all.shares), all.nobodys), (vec![1, 2], vec![3]));
        assert!(all.shares.admitted && all.shares.below.is_none() && all.shares.newest == 0);
    }

    #[test]
    fn a_node_gets_nothing_before_the_others_know_of_it() {
        let nodes = [node(1, 1, Some(&[1, 2])), node(2, 2, Some(&[1, 2]))];
        let have = [owned(1, 1), owned(2, 1)];
        let second = part(2, &nodes, &have, &[1, 2], &[]);
        assert!(!second.shares.admitted && second.shares.own.is_empty());
        assert!(part(1, &nodes, &have, &[1, 2], &[]).shares.give.is_empty());
        let nodes = [node(1, 2, Some(&[1, 2])), node(2, 2, Some(&[1, 2]))];
        assert!(part(2, &nodes, &have, &[1, 2], &[]).shares.admitted);
        assert_eq!(part(1, &nodes, &have, &[1, 2], &[]).shares.give, [2]);
    }

    #[test]
    fn what_a_dead_node_had_is_spread_and_a_command_gets_nothing() {
        let nodes = [node(2, 9, Some(&[1, 2, 3, 4])), node(5, 9, Some(&[1, 2, 3, 4])), node(9, i64::MAX, None)];
        let first = part(2, &nodes, &[owned(1, 2)], &[1, 2, 3, 4], &[]);
        assert_eq!(first.fresh, [(2, 5), (3, 2), (4, 5)]);
        assert_eq!(ids(&first.shares), [1, 3]);
        assert_eq!(first.shares.below, Some(500), "a command writes no events");
    }

    #[test]
    fn what_weighs_nothing_neither_counts_nor_moves() {
        let nodes = [node(1, 2, Some(&[1, 2, 3])), node(2, 2, Some(&[1, 2, 3]))];
        let have = [owned(1, 1), owned(2, 2), owned(3, 1)];
        assert!(part(1, &nodes, &have, &[1, 2, 3], &[3]).shares.give.is_empty());
        let have = [owned(1, 1), owned(2, 1), owned(3, 1)];
        assert_eq!(part(1, &nodes, &have, &[1, 2, 3], &[3]).shares.give, [2]);
        let have = [owned(2, 2)];
        assert_eq!(part(1, &nodes, &have, &[1, 2, 3], &[3]).fresh, [(1, 1), (3, 1)]);
    }

    #[test]
    fn shares_come_to_rest() {
        for connections in 1..12i64 {
            let serves: Vec<i64> = (1..=connections).collect();
            let nodes: Vec<Alive> = (1..=3).map(|n| node(n, 3, Some(&serves))).collect();
            let mut have: Vec<Owned> = serves.iter().map(|c| owned(*c, 1)).collect();
            for _ in 0..20 {
                for own in 1..=3 {
                    let given = part(own, &nodes, &have, &serves, &[]).shares.give;
                    have.retain(|o| !given.contains(&o.connection));
                    let fresh = part(own, &nodes, &have, &serves, &[]).fresh;
                    have.extend(fresh.into_iter().map(|(c, e)| owned(c, e)));
                }
            }
            let counts: Vec<usize> = (1..=3).map(|e| have.iter().filter(|o| o.epoch == e).count()).collect();
            let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
            assert!(most - least <= 1, "{connections}: {counts:?}");
            assert!((1..=3).all(|own| part(own, &nodes, &have, &serves, &[]).shares.give.is_empty()));
        }
    }
}
