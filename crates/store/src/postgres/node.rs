//! Who serves the database: one row per node, with an epoch that fences everything it writes.
//!
//! A node is alive while its row is there. Rows expire on the clock of the database and are renewed
//! each second; one that has expired may be taken away by whoever wants its work. Taking it away needs
//! the node's lock, which every group of its writes shares until it is committed: so a group is either
//! committed before its node was declared dead, or it is refused.

use super::link::Address;
use super::statement::{Statement, int, text};
use crate::contract::Error;
use tokio_postgres::Client;

/// How long a node lives without a sign of life.
pub(super) const TIME_TO_LIVE_MS: i64 = 5_000;
/// Numbers that an id has room for.
const NODES: i64 = 32;
/// First half of the advisory locks of nodes; the second is the node's number.
const FENCE: i32 = 0x6e6f_6465;
/// Advisory lock of whoever changes the list of nodes.
pub(super) const LIST: i64 = 0x7061_7361_6e6f_6465;

/// A node's number and epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) id: i64,
    pub(super) epoch: i64,
}

/// Takes a number and an epoch. An earlier life at this seat is over: whoever holds the seat's lock knows.
pub(super) async fn register(client: &Client, address: &Address, seat: &str, name: &str) -> Result<Node, Error> {
    let result = async {
        client.batch_execute("BEGIN").await?;
        Statement::new("SELECT pg_advisory_xact_lock($1)", vec![int(LIST)]).run(client).await?;
        bury(client, "seat = $1 OR expires_at < clock_timestamp()", || vec![text(seat)]).await?;
        let others = Statement::new("SELECT id FROM nodes ORDER BY id", vec![]).run(client).await?.rows;
        let used: Vec<i64> = others.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let Some(id) = (0..NODES).find(|n| !used.contains(n)) else {
            client.batch_execute("ROLLBACK").await?;
            return Ok(Err(Error::Locked(format!("{} with all {NODES} nodes that it has room for", address.shown))));
        };
        let made = Statement::new(
            "INSERT INTO nodes (id, seat, name, epoch, started_at, expires_at, beside)
             SELECT $1, $2, $3, e, clock_timestamp(), clock_timestamp() + $4 * interval '1 millisecond', e
             FROM nextval('epochs') e RETURNING epoch",
            vec![int(id), text(seat), text(name), int(TIME_TO_LIVE_MS)],
        );
        let made = made.run(client).await?;
        let epoch: i64 = made.rows.first().map(|r| r.try_get(0)).transpose()?.unwrap_or_default();
        Statement::new("INSERT INTO written (epoch, groups) VALUES ($1, 0)", vec![int(epoch)]).run(client).await?;
        client.batch_execute("COMMIT").await?;
        Ok(Ok(Node { id, epoch }))
    };
    match result.await {
        Ok(answer) => answer,
        Err(e) => {
            let e: tokio_postgres::Error = e;
            drop(client.batch_execute("ROLLBACK").await);
            Err(address.classify(&e))
        }
    }
}

/// Takes the rows of nodes away, each under its lock: what it was committing is committed before. A node
/// that gave a sign of life while its lock was waited for is no longer among `which`. True: some are gone.
async fn bury<'a>(
    client: &Client,
    which: &str,
    params: impl Fn() -> Vec<super::statement::Param<'a>>,
) -> Result<bool, tokio_postgres::Error> {
    let mut gone = 0;
    let found = Statement::new(format!("SELECT id, epoch FROM nodes WHERE {which} ORDER BY id"), params());
    for row in &found.run(client).await?.rows {
        let (id, epoch): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Statement::new(format!("SELECT pg_advisory_xact_lock({FENCE}, {id})"), vec![]).run(client).await?;
        let still = format!("DELETE FROM nodes WHERE ({which}) AND id = {id} AND epoch = {epoch}");
        gone += Statement::new(still, params()).run(client).await?.touched;
    }
    if gone > 0 {
        client.batch_execute("DELETE FROM written WHERE epoch NOT IN (SELECT epoch FROM nodes)").await?;
    }
    Ok(gone > 0)
}

/// Declares dead the nodes whose time is over, so that their work may be taken. Part of a transaction
/// that holds [`LIST`]. True: there were some.
pub(super) async fn bury_expired(client: &Client, own: Node) -> Result<bool, tokio_postgres::Error> {
    bury(client, "expires_at < clock_timestamp() AND epoch <> $1", || vec![int(own.epoch)]).await
}

/// Statements with which a group begins: the last gives its number, or nothing when this node was declared
/// dead. The number is written with the group: whether a commit was done whose answer was lost is read
/// there. A transaction's own id would not do, since one that left nothing in the log at a crash of the
/// server is given again after it.
pub(super) fn fence(node: Node) -> Vec<Statement<'static>> {
    vec![
        Statement::new("BEGIN", vec![]),
        // Whoever stops between two statements must not hold its locks for ever.
        Statement::new("SET LOCAL idle_in_transaction_session_timeout = 10000", vec![]),
        Statement::new(format!("SELECT pg_advisory_xact_lock_shared({FENCE}, {})", node.id), vec![]),
        Statement::new(
            "UPDATE written w SET groups = w.groups + 1 FROM nodes n
             WHERE n.id = $1 AND n.epoch = $2 AND w.epoch = n.epoch RETURNING w.groups",
            vec![int(node.id), int(node.epoch)],
        ),
    ]
}

/// The number of the last group that was committed. Waits for one whose end is not known yet: it holds the
/// row. `None`: the node was declared dead.
pub(super) async fn last_group(client: &Client, node: Node) -> Result<Option<i64>, tokio_postgres::Error> {
    let asked = Statement::new("SELECT groups FROM written WHERE epoch = $1 FOR UPDATE", vec![int(node.epoch)]);
    asked.run(client).await?.rows.first().map(|r| r.try_get(0)).transpose()
}
/// Place of the group's number among the answers to [`fence`].
pub(super) const FENCE_ANSWER: usize = 3;

/// A sign of life. `false`: this node was declared dead.
pub(super) async fn renew(client: &Client, node: Node) -> Result<bool, tokio_postgres::Error> {
    let renewed = Statement::new(
        "UPDATE nodes SET expires_at = clock_timestamp() + $3 * interval '1 millisecond' WHERE id = $1 AND epoch = $2",
        vec![int(node.id), int(node.epoch), int(TIME_TO_LIVE_MS)],
    );
    Ok(renewed.run(client).await?.touched == 1)
}

/// The node ends in good order: whoever comes next need not wait.
pub(super) async fn leave(client: &Client, node: Node) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    // A group that is being written is committed before, and none after it.
    let left = async {
        Statement::new(format!("SELECT pg_advisory_xact_lock({FENCE}, {})", node.id), vec![]).run(client).await?;
        let gone = "DELETE FROM nodes WHERE id = $1 AND epoch = $2";
        Statement::new(gone, vec![int(node.id), int(node.epoch)]).run(client).await
    };
    match left.await {
        Ok(_) => client.batch_execute("COMMIT").await,
        Err(e) => {
            drop(client.batch_execute("ROLLBACK").await);
            Err(e)
        }
    }
}
