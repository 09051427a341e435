//! Hints between nodes: `NOTIFY` from a connection of its own, merged, outside of any business
//! transaction; `LISTEN` on another. Nothing depends on them: a proxy that lends a server for one
//! transaction swallows them, and then it is looked more often.

use super::Inside;
use super::node::Node;
use super::statement::{Statement, text};
use crate::share::News;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_postgres::Client;

/// Where hints go. One name for all schemas of a database: a hint too many costs a look.
const CHANNEL: &str = "pasarela";
/// Least time between two notes of a node.
const BREATH: Duration = Duration::from_millis(4);
/// Before a lost connection is made anew, and between two checks whether notes arrive.
const PAUSE: Duration = Duration::from_secs(1);
const CHECK: Duration = Duration::from_secs(30);

fn note(news: News, node: Node) -> Statement<'static> {
    let told = format!("{}:{}", news.bits(), node.epoch);
    Statement::new("SELECT pg_notify($1, $2)", vec![text(CHANNEL), text(told)])
}

/// The last note of a node: its work is free.
pub(super) async fn farewell(client: &Client, node: Node) -> Result<(), tokio_postgres::Error> {
    note(News::NODES, node).run(client).await.map(drop)
}

/// Sends what is to be told, for ever.
pub(super) async fn speak(inside: Arc<Inside>) {
    loop {
        let news = inside.outgoing.take().await;
        if let Ok(client) = inside.readers.client(&inside.address, &inside.handle).await {
            // Only a hint: if it is lost, the others look by themselves.
            drop(note(news, inside.node).run(&client).await);
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Hears what others tell, for ever. A note of our own that comes back proves that notes arrive.
pub(super) async fn listen(inside: Arc<Inside>) {
    loop {
        if let Ok((client, mut notes)) = inside.address.hear(&inside.handle).await
            && client.batch_execute(&format!("LISTEN {CHANNEL}")).await.is_ok()
        {
            let mut echoed = false;
            loop {
                // By another connection, since a proxy may pass on what comes while one is in use.
                if let Ok(other) = inside.readers.client(&inside.address, &inside.handle).await {
                    drop(note(News::default(), inside.node).run(&other).await);
                }
                let until = tokio::time::Instant::now() + if echoed { CHECK } else { PAUSE };
                echoed = false;
                let open = loop {
                    match tokio::time::timeout_at(until, notes.recv()).await {
                        Err(_) => break true,
                        Ok(None) => break false,
                        Ok(Some(told)) => {
                            let Some((bits, from)) = told.split_once(':') else { continue };
                            if from.parse() == Ok(inside.node.epoch) {
                                echoed = true;
                                inside.hears.store(true, Ordering::Relaxed);
                            } else if let Ok(bits) = bits.parse() {
                                inside.incoming.put(News::of(bits));
                            }
                        }
                    }
                };
                inside.hears.store(echoed && open, Ordering::Relaxed);
                if !open {
                    break;
                }
            }
        }
        inside.hears.store(false, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}
