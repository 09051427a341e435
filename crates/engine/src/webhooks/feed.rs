//! From the event log to the lanes of an endpoint. What was taken and how far it was taken are one transaction, so
//! that a crash repeats nothing and skips nothing; another node's word on the place (a replay, a move of the
//! connection) makes it stale, and it is read again.

use super::endpoint::{DELIVER, Endpoint};
use super::{BY_THE_HUB, PLACE, Place};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::pauses::PauseError;
use crate::runs::{OpenCall, PlanAt, Planned};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::EntityRef;
use pasarela_store::{EntityRow, Error, EventFilter, EventRow, PauseKind, PauseRow, Work, Worked};
use serde::Deserialize;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Events of one transaction.
const PAGE: usize = 100;
/// Effects of an endpoint that wait or are out at most: the rest waits in the log.
pub(super) const WINDOW: usize = 1000;
/// Events that are looked at and not asked for, before the place is written all the same.
const LOOKED: i64 = 500;
/// How often it is looked when nothing wakes: beside other nodes, and alone.
const LOOK: Duration = Duration::from_secs(1);
const LOOK_ALONE: Duration = Duration::from_secs(30);
/// The same when its window is full.
const SOON: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq)]
enum Fed {
    /// There is more in the log.
    More,
    /// No more fits into the window now.
    Full,
    /// All was taken, or nothing is to be taken here.
    Nothing,
}

/// As much of an event's body as its lane needs.
#[derive(Deserialize)]
struct Keyed<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
}

impl Inner {
    /// Feeds an endpoint until the hub stops or the endpoint goes.
    pub(crate) async fn webhook_feeder(self: Arc<Self>, connection: Arc<ConnectionRuntime>) {
        let Some(endpoint) = connection.endpoint.clone() else { return };
        while !self.is_stopping() && !endpoint.is_retired() {
            // Before the log is read: what is written meanwhile wakes.
            let news = self.webhooks.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let (woken, gained) = (endpoint.wake.notified(), connection.gained.notified());
            let fed = match self.feed_webhook(&connection, &endpoint).await {
                Ok(fed) => fed,
                Err(Error::Closed | Error::Fenced) => return,
                Err(error) => {
                    tracing::warn!(connection = connection.name(), %error, "a webhook could not be fed yet");
                    Fed::Full
                }
            };
            let wait = match fed {
                Fed::More => continue,
                Fed::Full => SOON,
                Fed::Nothing if self.store.is_shared() => LOOK,
                Fed::Nothing => LOOK_ALONE,
            };
            tokio::select! {
                () = news, if fed == Fed::Nothing => {}
                () = woken => {}
                () = gained => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stopped() => return,
            }
        }
    }

    async fn feed_webhook(
        self: &Arc<Self>,
        connection: &Arc<ConnectionRuntime>,
        endpoint: &Endpoint,
    ) -> Result<Fed, Error> {
        if !connection.is_own() {
            *endpoint.looked.lock() = None;
            return Ok(Fed::Nothing);
        }
        let now = self.clock.now();
        let terms = endpoint.terms.load_full();
        if terms.doc.leaving {
            let gone = self.finish_removal(connection, &terms).await?;
            return Ok(if gone { Fed::Nothing } else { Fed::Full });
        }
        let (row, kept) = self.webhook_place(&terms.doc.id).await?;
        let version = row.as_ref().map_or(0, |r| r.version);
        let ahead =
            endpoint.looked.lock().as_ref().filter(|(v, ..)| *v == version).map(|(_, place, n)| (place.after, *n));
        if ahead.is_none() {
            endpoint.recall(&kept);
        }
        let (after, looked) = ahead.unwrap_or((kept.after, 0));
        self.pause_failing(connection, endpoint, terms.doc.pause_after_hours, now).await?;
        let paused = self.pauses.load().find(PauseKind::Connection, connection.name()).is_some();
        let view = connection.lock_lanes(|l| l.view(now));
        let waiting = view.queued.iter().sum::<usize>() + view.in_flight as usize;
        let room = if paused { 0 } else { WINDOW.saturating_sub(waiting).min(PAGE) };
        // What an earlier start left in the store only is read first.
        let room = if view.backlog { 0 } else { room };
        let Some(_piece) = self.take_up() else { return Ok(Fed::Nothing) };
        let below = self.watermark();
        let page = if room == 0 {
            None
        } else {
            let only = match terms.doc.types.as_slice() {
                [one] if !one.ends_with('*') => Some(one.clone()),
                _ => None,
            };
            let limit = u32::try_from(room).unwrap_or(1);
            let filter = EventFilter {
                event_type: only,
                above: Some(after),
                below: Some(below),
                ascending: true,
                limit,
                ..EventFilter::default()
            };
            Some(self.store.events(filter).await?)
        };
        let rows = page.as_ref().map_or(&[][..], |p| &p.rows);
        let reached = match &page {
            // Nothing between is to be had any more.
            Some(p) if p.next.is_none() => after.max(below - 1),
            Some(p) => p.rows.last().map_or(after, |r| r.id.get()),
            None => after,
        };
        let mut planned: Vec<Planned> = Vec::new();
        for event in rows.iter().filter(|e| terms.doc.wants(&e.event_type) && self.is_of(e, &connection.brand)) {
            let give_up_after = Duration::from_secs(u64::from(terms.doc.give_up_after_hours) * 3600);
            planned.push(self.plan_notice(connection, event, give_up_after, now));
        }
        let looked = looked + i64::try_from(rows.len()).unwrap_or(0);
        let place = endpoint.fares(reached);
        let told = Place { after: kept.after, well_at: kept.well_at, ..place.clone() } == kept;
        if planned.is_empty() && looked < LOOKED && told {
            *endpoint.looked.lock() = Some((version, place, looked));
        } else {
            let mut work = Work::default();
            work.effects.extend(planned.iter_mut().filter_map(Planned::row));
            let bytes = serde_json::to_vec(&place).unwrap_or_default();
            let entity = EntityRef::new(PLACE, &terms.doc.id);
            work.entities.push(self.own_write(self.own_connection()?, entity, row.as_ref(), &bytes));
            self.fail_point("before_feed");
            match self.store.work(work).await {
                Ok(Worked::Done { seqs, .. }) => {
                    self.fail_point("after_feed");
                    *endpoint.looked.lock() = Some((version + 1, place, 0));
                    let calls: Vec<OpenCall> =
                        planned.into_iter().zip(seqs).filter_map(|(p, seq)| p.commit(seq, now)).collect();
                    calls.into_iter().for_each(|call| self.spawn_call(call));
                }
                other => {
                    planned.into_iter().for_each(|p| p.abort(now));
                    *endpoint.looked.lock() = None;
                    other?;
                    return Ok(Fed::More);
                }
            }
        }
        Ok(match page {
            Some(page) if page.next.is_some() => Fed::More,
            Some(_) => Fed::Nothing,
            None if paused => Fed::Nothing,
            None => Fed::Full,
        })
    }

    /// Where an endpoint's reading stands.
    pub(super) async fn webhook_place(&self, id: &str) -> Result<(Option<EntityRow>, Place), Error> {
        let wanted = vec![(self.own_connection()?, EntityRef::new(PLACE, id))];
        let (_, mut rows) = self.store.lookup(Vec::new(), wanted).await?;
        let row = rows.pop().flatten();
        let place = row.as_ref().and_then(|r| serde_json::from_slice(&r.data).ok()).unwrap_or_default();
        Ok((row, place))
    }

    /// Whoever answers nothing well for so long, or wants no more, is paused: its events wait in the log.
    async fn pause_failing(
        &self,
        connection: &ConnectionRuntime,
        endpoint: &Endpoint,
        pause_after_hours: u32,
        now: Timestamp,
    ) -> Result<(), Error> {
        let fares = endpoint.fares(0);
        let long = SignedDuration::from_hours(i64::from(pause_after_hours));
        let reason = if endpoint.is_gone() {
            "gone".to_owned()
        } else if fares.failing_since.is_some_and(|since| now.duration_since(since) >= long) {
            "failing".to_owned()
        } else {
            return Ok(());
        };
        let name = connection.name().to_owned();
        if self.pauses.load().find(PauseKind::Connection, &name).is_some() {
            return Ok(());
        }
        let pause =
            PauseRow { kind: PauseKind::Connection, name, reason: Some(reason), by: BY_THE_HUB.into(), since: now };
        match self.pause(pause).await {
            Ok(_) => {
                self.decisions.note("webhook.paused", connection.name(), &connection.brand);
                Ok(())
            }
            Err(PauseError::NoSuch { .. } | PauseError::NotPaused { .. }) => Ok(()),
            Err(PauseError::Store(e)) => Err(e),
        }
    }

    /// Is the event's connection of this brand? Empty: every one is.
    fn is_of(&self, event: &EventRow, brand: &str) -> bool {
        brand.is_empty() || self.connection_by_id(event.connection).is_some_and(|c| c.brand == brand)
    }

    fn plan_notice(
        &self,
        connection: &Arc<ConnectionRuntime>,
        event: &EventRow,
        give_up_after: Duration,
        now: Timestamp,
    ) -> Planned {
        let key = serde_json::from_slice::<Keyed<'_>>(&event.body).map(|k| k.key.into_owned()).unwrap_or_default();
        let at = PlanAt {
            connection: connection.clone(),
            run: None,
            path: event.id.to_string(),
            action: DELIVER.to_owned(),
            // Keys of two connections are two things, whatever they are called.
            lane_text: format!("{}:{key}", event.connection),
            urgency: 1,
            flow: 0,
            class: None,
            purpose: None,
            expires_at: None,
            input: json!({ "event": event.id }),
            give_up_after,
            resend_unknown: true,
            // One event that nobody can read does not keep back what follows for ever.
            park: false,
            holding: None,
            held: false,
        };
        self.plan_at(at, now)
    }
}
