//! Fills a database with an invented past: `COPY` into the tables without their indexes, which are made
//! afterwards, in one go.

use super::link::said;
use super::{Options, PostgresStore};
use crate::contract::Error;
use crate::history::{EFFECTS, History, TYPE, WHEN};
use crate::seal::Sealer;
use futures_util::pin_mut;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

/// Tables that a past fills.
const TABLES: &str = "'deliveries', 'inbox', 'events', 'dedup', 'event_subject', 'runs', 'effects'";

impl PostgresStore {
    /// Fills a database that this program has made and that no hub serves. Only for measuring.
    pub fn fill(options: &Options, history: &History) -> Result<(), Error> {
        let store = Self::open(options)?;
        let address = store.inside.address.clone();
        let body = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| Error::Database(format!("no runtime: {e}")))?;
            runtime.block_on(async {
                let client = address.connect(&tokio::runtime::Handle::current()).await?;
                fill(&client, &store.sealer, history)
                    .await
                    .map_err(|e| Error::Database(format!("PostgreSQL at {}: {}", address.shown, said(&e))))
            })
        };
        std::thread::scope(|threads| threads.spawn(body).join()).unwrap_or(Err(Error::Closed))
    }
}

async fn fill(client: &Client, sealer: &Sealer, history: &History) -> Result<(), tokio_postgres::Error> {
    client
        .batch_execute("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET max_parallel_maintenance_workers = 2")
        .await?;
    let made = take_indexes(client).await?;
    let (int, bytes, text) = (Type::INT8, Type::BYTEA, Type::TEXT);
    let all = history.events + history.pending;
    copy(
        client,
        "deliveries (id, connection, source, received_at, packed)",
        &[int.clone(), int.clone(), text.clone(), int.clone(), bytes.clone()],
        all,
        |n| {
            vec![
                Box::new(History::delivery(n).get()),
                Box::new(history.connection),
                Box::new("webhook"),
                Box::new(WHEN),
                Box::new(sealer.seal(&history.packed(n)).0),
            ]
        },
    )
    .await?;
    copy(client, "inbox (delivery)", std::slice::from_ref(&int), history.pending, |n| {
        vec![Box::new(History::delivery(history.events + n).get())]
    })
    .await?;
    copy(
        client,
        "events (id, type, connection, key, occurred_at, received_at, delivery, body)",
        &[int.clone(), text.clone(), int.clone(), int.clone(), int.clone(), int.clone(), int.clone(), bytes.clone()],
        history.events,
        |n| {
            vec![
                Box::new(History::event(n).get()),
                Box::new(TYPE),
                Box::new(history.connection),
                Box::new(history.key(n)),
                Box::new(WHEN),
                Box::new(WHEN),
                Box::new(History::delivery(n).get()),
                Box::new(sealer.seal(&history.event_body(n)).0),
            ]
        },
    )
    .await?;
    copy(
        client,
        "dedup (entity, discriminator, connection, kind)",
        &[int.clone(), int.clone(), int.clone(), text.clone()],
        history.events,
        |n| vec![Box::new(history.key(n)), Box::new(history.key(n)), Box::new(history.connection), Box::new(TYPE)],
    )
    .await?;
    copy(client, "event_subject (subject, event)", &[int.clone(), int.clone()], history.events, |n| {
        vec![Box::new(history.key(n)), Box::new(History::event(n).get())]
    })
    .await?;
    let [state, input, call, outcome] = &history.filler(sealer);
    copy(
        client,
        "runs (id, flow, event, key, status, version, created_at, updated_at, state)",
        &[
            int.clone(),
            int.clone(),
            int.clone(),
            int.clone(),
            int.clone(),
            int.clone(),
            int.clone(),
            int.clone(),
            bytes.clone(),
        ],
        history.runs,
        |n| {
            vec![
                Box::new(History::run(n).get()),
                Box::new(history.flow),
                Box::new(History::event(n).get()),
                Box::new(history.key(n)),
                Box::new(10_i64),
                Box::new(4_i64),
                Box::new(WHEN),
                Box::new(WHEN),
                Box::new(state),
            ]
        },
    )
    .await?;
    let mut columns = vec![int.clone(), int.clone(), text.clone(), int.clone(), text];
    columns.extend(std::iter::repeat_n(int, 11));
    columns.extend([Type::BOOL, Type::BOOL, bytes.clone(), bytes.clone(), bytes]);
    copy(
        client,
        "effects (id, run, path, connection, action, lane, seq, urgency, status, attempt, started_at, created_at, give_up_at, ended_at,
           ended_call, http_status, resend_unknown, park, input, call, outcome)",
        &columns,
        history.runs * EFFECTS,
        |n| {
            let (run, k) = (n / EFFECTS, n % EFFECTS);
            vec![
                Box::new(History::effect(run, k).get()), Box::new(History::run(run).get()), Box::new("paso"), Box::new(history.connection),
                Box::new("request"), Box::new(history.key(run)), Box::new(i64::try_from(n).unwrap_or(0)), Box::new(1_i64), Box::new(10_i64),
                Box::new(1_i64), Box::new(WHEN), Box::new(WHEN), Box::new(WHEN), Box::new(WHEN), Box::new(0_i64), Box::new(200_i64),
                Box::new(false), Box::new(true), Box::new(input), Box::new(call), Box::new(outcome),
            ]
        },
    )
    .await?;
    for statement in made {
        client.batch_execute(&statement).await?;
    }
    client.batch_execute("VACUUM (ANALYZE)").await?;
    client.batch_execute("CHECKPOINT").await
}

/// Takes away the indexes of these tables; the statements that make them again.
async fn take_indexes(client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
    let found = client
        .query_typed(
            &format!(
                "SELECT i.indexrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid), pg_get_indexdef(i.indexrelid),
                   i.indrelid::regclass::text
                 FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'p'
                 WHERE i.indrelid::regclass::text IN ({TABLES})"
            ),
            &[],
        )
        .await?;
    let mut again = Vec::new();
    for row in found {
        let (index, constraint, primary): (String, Option<String>, Option<String>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (definition, table): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        match (constraint, primary) {
            (Some(name), Some(primary)) => {
                client.batch_execute(&format!("ALTER TABLE {table} DROP CONSTRAINT {name}")).await?;
                again.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {primary}"));
            }
            _ => {
                client.batch_execute(&format!("DROP INDEX {index}")).await?;
                again.push(definition);
            }
        }
    }
    Ok(again)
}

/// Rows of one table.
async fn copy<'r>(
    client: &Client,
    table: &str,
    columns: &[Type],
    rows: u64,
    row: impl Fn(u64) -> Vec<Box<dyn ToSql + Sync + 'r>>,
) -> Result<(), tokio_postgres::Error> {
    let sink = client.copy_in(&format!("COPY {table} FROM STDIN BINARY")).await?;
    let writer = BinaryCopyInWriter::new(sink, columns);
    pin_mut!(writer);
    for n in 0..rows {
        let values = row(n);
        writer.as_mut().write_raw(values.iter().map(|v| &**v as &dyn ToSql)).await?;
    }
    writer.finish().await.map(|_| ())
}
