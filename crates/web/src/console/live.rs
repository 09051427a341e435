//! `/vivo`: what keeps open pages fresh. Rows for the list of events and the status line, as
//! fragments of HTML in server-sent events, and a beat (`pulso`) when anything was written since the last
//! one, upon which a page looks again at its own parts. Ends with the session.

use super::events::Row;
use super::guard::Visit;
use super::status::Status;
use super::words::Words;
use crate::App;
use crate::policy::{Action, Resource};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use pasarela_domain::{Envelope, EventId};
use pasarela_store::EventFilter;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::MissedTickBehavior;

/// How often the status line is read.
const STATUS: Duration = Duration::from_secs(2);
/// Rows are sent together, so that a flood does not make the page flicker.
const TOGETHER: Duration = Duration::from_millis(250);
/// Rows sent together at most: the latest. A page shows no more than it can hold.
const MOST: usize = 50;

#[derive(Deserialize)]
pub(super) struct Ask {
    /// The newest event that the page shows; without it, the page shows no list.
    desde: Option<String>,
    /// Only this type; empty: all.
    tipo: Option<String>,
}

type Tx = mpsc::Sender<Result<Event, Infallible>>;

pub(super) async fn stream(
    State(app): State<App>,
    visit: Visit,
    headers: HeaderMap,
    Query(ask): Query<Ask>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (tx, rx) = mpsc::channel(8);
    // A browser that lost the stream says itself what it saw last.
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let feed = Feed {
        live: app.engine.subscribe(),
        wanted: ask.desde.is_some() && visit.may(Action::Read, Resource::Events),
        personal: visit.sees_people(),
        overview: visit.may(Action::Read, Resource::Overview),
        after: last.or(ask.desde).and_then(|t| t.parse().ok()),
        event_type: ask.tipo.filter(|t| !t.is_empty()),
        headers,
        w: visit.w,
        rows: VecDeque::new(),
        app: app.as_seen_by(&visit.reach(Action::Read, Resource::Events)),
    };
    tokio::spawn(feed.run(tx));
    let stream = tokio_stream::wrappers::ReceiverStream::new(rx);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

struct Feed {
    app: App,
    w: Words,
    /// Of the request: they say whose it is.
    headers: HeaderMap,
    live: broadcast::Receiver<Arc<Envelope>>,
    wanted: bool,
    personal: bool,
    overview: bool,
    after: Option<EventId>,
    event_type: Option<String>,
    /// Waiting to be sent, the latest last.
    rows: VecDeque<Arc<Envelope>>,
}

impl Feed {
    async fn run(mut self, tx: Tx) {
        if self.wanted {
            self.catch_up().await;
        }
        let (mut together, mut status) = (tokio::time::interval(TOGETHER), tokio::time::interval(STATUS));
        together.set_missed_tick_behavior(MissedTickBehavior::Delay);
        status.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shown = String::new();
        let mut written = self.app.engine.store().stats().transactions;
        loop {
            let event = tokio::select! {
                received = self.live.recv() => match received {
                    Ok(event) => { self.keep(event); continue }
                    // The page shows the latest anyway.
                    Err(broadcast::error::RecvError::Lagged(_)) => continue,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = together.tick(), if !self.rows.is_empty() => self.take_rows(),
                _ = status.tick() => {
                    if !self.app.console.sessions.goes_on(&self.app, &self.headers).await {
                        return;
                    }
                    let line = Status::read(&self.app, self.w, self.overview).await.render().unwrap_or_default();
                    let now = self.app.engine.store().stats().transactions;
                    if now != std::mem::replace(&mut written, now)
                        && tx.send(Ok(Event::default().event("pulso").data("1"))).await.is_err()
                    {
                        return;
                    }
                    if line == shown {
                        // A reader that is gone is noticed by the next sending.
                        if tx.is_closed() { return }
                        continue;
                    }
                    shown.clone_from(&line);
                    Event::default().event("estado").data(line)
                }
                () = tx.closed() => return,
            };
            if tx.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }

    fn keep(&mut self, event: Arc<Envelope>) {
        let other = self.event_type.as_ref().is_some_and(|t| *t != event.event_type);
        if !self.wanted || other || !self.app.sees_connection(&event.connection) {
            return;
        }
        if self.rows.len() == MOST {
            self.rows.pop_front();
        }
        self.rows.push_back(event);
    }

    /// What happened between the page and the stream.
    async fn catch_up(&mut self) {
        let filter = EventFilter {
            event_type: self.event_type.clone(),
            above: self.after.map(EventId::get),
            limit: MOST as u32,
            ..EventFilter::default()
        };
        let Ok(page) = self.app.seen().events(filter).await else { return };
        self.rows.extend(page.rows.iter().rev().filter_map(|row| self.app.engine.envelope(row).ok()).map(Arc::new));
    }

    /// The waiting rows, the latest first, as they go to the top of the list. Their event's id is the
    /// highest, by which a browser asks on.
    fn take_rows(&mut self) -> Event {
        let now = self.app.engine.clock().now();
        let mut html = String::new();
        for event in self.rows.iter().rev() {
            html.push_str(&Row::new(self.w, event, now, self.personal).render().unwrap_or_default());
        }
        self.after = self.rows.iter().map(|e| e.id).chain(self.after).max();
        self.rows.clear();
        let id = self.after.map(|id| id.to_string()).unwrap_or_default();
        Event::default().event("filas").id(id).data(html)
    }
}
