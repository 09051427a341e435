//! `GET /api/v1/events/stream`: canonical events as they are written, as server-sent events.
//! `Last-Event-ID` (or `?after=`) catches up from the log first, without a gap.

use crate::App;
use crate::auth::Caller;
use crate::problem::Problem;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use pasarela_domain::{Envelope, EventId};
use pasarela_store::EventFilter;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// Only events after this id.
    after: Option<EventId>,
    /// Only this type.
    #[serde(rename = "type")]
    event_type: Option<String>,
}

pub(crate) async fn events(
    _: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    Query(from): Query<From>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = match headers.get("last-event-id").map(|v| v.to_str().unwrap_or_default().parse::<EventId>()) {
        Some(Ok(id)) => Some(id),
        Some(Err(e)) => return Err(Problem::bad_request(format!("Last-Event-ID: {e}"))),
        None => from.after,
    };
    let (tx, rx) = mpsc::channel(64);
    let live = app.engine.subscribe();
    tokio::spawn(feed(app, live, last, from.event_type, tx));
    let stream = tokio_stream::wrappers::ReceiverStream::new(rx);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

type Tx = mpsc::Sender<Result<Event, Infallible>>;

async fn feed(
    app: App,
    mut live: broadcast::Receiver<Arc<Envelope>>,
    last: Option<EventId>,
    event_type: Option<String>,
    tx: Tx,
) {
    // Events are published in the order in which decisions come back, which is not that of their ids;
    // what was sent from the log is not sent again.
    let mut sent = std::collections::BTreeSet::new();
    let mut after = last.map(EventId::get);
    if after.is_some() && !catch_up(&app, &mut after, &event_type, &tx, &mut sent).await {
        return;
    }
    loop {
        match live.recv().await {
            Ok(event) => {
                if event_type.as_ref().is_some_and(|t| *t != event.event_type) || sent.remove(&event.id.get()) {
                    continue;
                }
                if after.is_some_and(|a| event.id.get() <= a) {
                    continue;
                }
                if tx.send(Ok(sse(&event))).await.is_err() {
                    return;
                }
            }
            // A slow reader: it connects again with the last id that it saw.
            Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Sends what the log holds after `after`. False: the reader is gone.
async fn catch_up(
    app: &App,
    after: &mut Option<i64>,
    event_type: &Option<String>,
    tx: &Tx,
    sent: &mut std::collections::BTreeSet<i64>,
) -> bool {
    loop {
        let filter = EventFilter {
            event_type: event_type.clone(),
            above: *after,
            below: app.engine.watermark(),
            ascending: true,
            limit: 200,
            ..EventFilter::default()
        };
        let Ok(page) = app.engine.store().events(filter).await else { return false };
        for row in &page.rows {
            *after = Some(row.id.get());
            sent.insert(row.id.get());
            let Ok(event) = app.engine.envelope(row) else { continue };
            if tx.send(Ok(sse(&event))).await.is_err() {
                return false;
            }
        }
        if page.next.is_none() {
            return true;
        }
    }
}

fn sse(event: &Envelope) -> Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(event.id.to_string()).event(event.event_type.clone()).data(data)
}
