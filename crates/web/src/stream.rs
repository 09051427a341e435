//! `GET /api/v1/events/stream`: canonical events as they are written, as server-sent events.
//! `Last-Event-ID` (or `?after=`) catches up from the log first, without a gap.

use crate::App;
use crate::api::Params;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use pasarela_domain::{Envelope, EventId};
use pasarela_store::EventFilter;
use schemars::JsonSchema;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StreamFrom")]
pub(crate) struct From {
    /// Only events after this id.
    after: Option<EventId>,
    /// Only this type.
    #[serde(rename = "type")]
    event_type: Option<String>,
}

pub(crate) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    Params(from): Params<From>,
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

/// How often the log is looked at when nothing wakes the reader: an event below the watermark may
/// become visible without a wake-up.
const LOOK: Duration = Duration::from_millis(500);

/// Sends what the log holds, in the order of ids, below the watermark: no gap, nothing twice. The
/// engine's live channel only wakes it.
async fn feed(
    app: App,
    mut live: broadcast::Receiver<Arc<Envelope>>,
    last: Option<EventId>,
    event_type: Option<String>,
    tx: Tx,
) {
    let mut after = match last {
        Some(id) => id.get(),
        None => match newest(&app).await {
            Some(id) => id,
            None => return,
        },
    };
    loop {
        let filter = EventFilter {
            event_type: event_type.clone(),
            above: Some(after),
            below: Some(app.engine.watermark()),
            ascending: true,
            limit: 200,
            ..EventFilter::default()
        };
        let Ok(page) = app.seen().events(filter).await else { return };
        let more = page.next.is_some();
        // A page may be looked through and hold nothing for this reader: the next one begins behind it all the same.
        let looked = page.next.unwrap_or(after);
        for row in &page.rows {
            after = row.id.get();
            let Ok(event) = app.engine.envelope(row) else { continue };
            if tx.send(Ok(sse(&event))).await.is_err() {
                return;
            }
        }
        after = after.max(looked);
        if more {
            continue;
        }
        tokio::select! {
            woken = live.recv() => if matches!(woken, Err(broadcast::error::RecvError::Closed)) { return },
            () = tokio::time::sleep(LOOK) => {}
            () = tx.closed() => return,
        }
        while live.try_recv().is_ok() {}
    }
}

/// Id of the newest event there is, whoever's: what comes later is what is told. 0 when there is none.
async fn newest(app: &App) -> Option<i64> {
    let filter = EventFilter { below: Some(app.engine.watermark()), limit: 1, ..EventFilter::default() };
    let page = app.engine.store().events(filter).await.ok()?;
    Some(page.rows.first().map_or(0, |r| r.id.get()))
}

fn sse(event: &Envelope) -> Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(event.id.to_string()).event(event.event_type.clone()).data(data)
}
