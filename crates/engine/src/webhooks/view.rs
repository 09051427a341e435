//! An endpoint as people and programs see it: no secret is in it, and no value of a header.

use super::{Doc, KeptSecret, Place};
use crate::abroad::Transfer;
use crate::connections::ConnectionRuntime;
use crate::engine::{Engine, Inner};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::{EventId, IdMaker};
use pasarela_store::{EffectFilter, EffectState, Error, PauseKind};
use serde::Serialize;

/// Dead letters that are counted at most.
const COUNTED: u32 = 100;

/// How an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookState {
    /// It takes what it is sent, or nothing was sent yet.
    Active,
    /// The last tries failed; it goes on being tried.
    Failing,
    /// A person paused it. What it would have been sent waits.
    Paused,
    /// It answered nothing well for so long that the hub paused it.
    PausedFailing,
    /// It answered 410: it wants no more, and the hub paused it.
    PausedGone,
}

impl WebhookState {
    /// As the API writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Paused => "paused",
            Self::PausedFailing => "paused_failing",
            Self::PausedGone => "paused_gone",
        }
    }

    /// Is nothing sent to it now?
    #[must_use]
    pub fn is_paused(self) -> bool {
        matches!(self, Self::Paused | Self::PausedFailing | Self::PausedGone)
    }
}

/// An endpoint.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Webhook {
    /// `wh_...`.
    pub id: String,
    /// Where it is.
    pub url: String,
    /// What it is for.
    pub description: Option<String>,
    /// Types of events that it is sent: `order.paid`, `order.*`, `*`.
    pub types: Vec<String>,
    /// Only events of this brand; none: of all.
    pub brand: Option<String>,
    /// Names of the headers that go with each request. Their values are kept and not shown.
    pub headers: Vec<String>,
    /// Secrets that sign, the newest first.
    pub secrets: Vec<SecretView>,
    /// An event is tried so long, then it is a dead letter.
    pub give_up_after_hours: u32,
    /// When nothing was answered well for so long, it is paused.
    pub pause_after_hours: u32,
    /// Country where it is, by its two capital letters.
    pub country: Option<String>,
    /// On which basis personal data goes there.
    pub transfer: Option<Transfer>,
    /// When it was made.
    #[schemars(with = "pasarela_domain::Moment")]
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it last changed.
    #[schemars(with = "pasarela_domain::Moment")]
    pub changed_at: Timestamp,
    /// How it stands.
    pub state: WebhookState,
    /// Since when it is paused.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub paused_since: Option<Timestamp>,
    /// By whom.
    pub paused_by: Option<String>,
    /// Why, where a person said so.
    pub pause_reason: Option<String>,
    /// Since when nothing was answered well.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub failing_since: Option<Timestamp>,
    /// When something last was.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub last_success_at: Option<Timestamp>,
    /// The last trouble.
    pub last_problem: Option<String>,
    /// Events up to this moment have been taken for it; later ones wait in the log.
    #[schemars(with = "pasarela_domain::Moment")]
    pub taken_until: Timestamp,
    /// Taken, and waiting for their turn or their next try.
    pub waiting: usize,
    /// Calls that are out.
    pub in_flight: u32,
    /// Dead letters, counted up to 100.
    pub dead: usize,
    /// Version, for `If-Match`.
    #[serde(skip)]
    pub version: i64,
}

/// A secret, without the secret.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct SecretView {
    /// Its id, for ending it.
    pub id: String,
    /// When it was made.
    #[schemars(with = "pasarela_domain::Moment")]
    pub created_at: Timestamp,
    /// It signs until then; none: until it is replaced.
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub ends_at: Option<Timestamp>,
}

/// Failures that last longer than this need a person.
const TROUBLE: SignedDuration = SignedDuration::from_mins(15);

impl Engine {
    /// Endpoints that a person should look at, as people call them: what they are for, or their hosts. As far as this
    /// node knows, without asking the store.
    #[must_use]
    pub fn webhooks_in_trouble(&self) -> Vec<String> {
        let (pauses, now) = (self.inner.pauses.load(), self.inner.clock.now());
        let mut all = Vec::new();
        for connection in self.inner.webhooks.connections() {
            let Some(endpoint) = &connection.endpoint else { continue };
            let paused = pauses.find(PauseKind::Connection, connection.name());
            let failing = endpoint.fares(0).failing_since.is_some_and(|since| now.duration_since(since) > TROUBLE);
            if paused.is_some_and(|p| p.by == super::BY_THE_HUB) || paused.is_none() && failing {
                let terms = endpoint.terms.load();
                let host = terms.doc.url.parse::<http::Uri>().ok().and_then(|u| u.host().map(str::to_owned));
                all.push(terms.doc.description.clone().or(host).unwrap_or_else(|| terms.doc.id.clone()));
            }
        }
        all.sort();
        all
    }
}

impl Inner {
    /// An endpoint as it stands, as far as this node knows.
    pub(super) async fn webhook_view(&self, connection: &ConnectionRuntime) -> Result<Option<Webhook>, Error> {
        let Some(endpoint) = connection.endpoint.as_ref() else { return Ok(None) };
        let terms = endpoint.terms.load_full();
        let Doc { id, .. } = &terms.doc;
        let (row, kept) = self.webhook_place(id).await?;
        // Whoever serves it knows more than what is written.
        let version = row.map_or(0, |r| r.version);
        let ahead = endpoint.looked.lock().as_ref().filter(|(v, ..)| *v == version).map(|(_, place, _)| place.after);
        let place = ahead.map_or(kept, |after| endpoint.fares(after));
        let dead = EffectFilter {
            states: vec![EffectState::Dead, EffectState::Unknown],
            connection: Some(connection.id),
            limit: COUNTED,
            ..EffectFilter::default()
        };
        let dead = self.store.effects(dead).await?.rows.len();
        let now = self.clock.now();
        let lanes = connection.lock_lanes(|l| l.view(now));
        Ok(Some(self.composed(connection, &terms.doc, terms.version, &place, dead, lanes)))
    }

    fn composed(
        &self,
        connection: &ConnectionRuntime,
        doc: &Doc,
        version: i64,
        place: &Place,
        dead: usize,
        lanes: crate::lanes::LanesView,
    ) -> Webhook {
        let pause = self.pauses.load().find(PauseKind::Connection, connection.name()).cloned();
        let by_hub = pause.as_ref().is_some_and(|p| p.by == super::BY_THE_HUB);
        let state = match &pause {
            Some(p) if by_hub && p.reason.as_deref() == Some("gone") => WebhookState::PausedGone,
            Some(_) if by_hub => WebhookState::PausedFailing,
            Some(_) => WebhookState::Paused,
            None if place.failing_since.is_some() => WebhookState::Failing,
            None => WebhookState::Active,
        };
        let shown = |s: &KeptSecret| SecretView { id: s.id.clone(), created_at: s.created_at, ends_at: s.ends_at };
        let now = self.clock.now();
        Webhook {
            id: doc.id.clone(),
            url: doc.url.clone(),
            description: doc.description.clone(),
            types: doc.types.clone(),
            brand: doc.brand.clone(),
            headers: doc.headers.keys().cloned().collect(),
            secrets: doc.secrets.iter().filter(|s| s.signs(now)).map(shown).collect(),
            give_up_after_hours: doc.give_up_after_hours,
            pause_after_hours: doc.pause_after_hours,
            country: doc.country.clone(),
            transfer: doc.transfer.clone(),
            created_at: doc.created_at,
            created_by: doc.created_by.clone(),
            changed_at: doc.changed_at,
            state,
            paused_since: pause.as_ref().map(|p| p.since),
            paused_by: pause.as_ref().map(|p| p.by.clone()),
            pause_reason: pause.filter(|_| !by_hub).and_then(|p| p.reason),
            failing_since: place.failing_since,
            last_success_at: place.well_at,
            last_problem: place.problem.clone(),
            taken_until: IdMaker::made_at(EventId::from_raw(place.after).get()),
            waiting: lanes.queued.iter().sum(),
            in_flight: lanes.in_flight,
            dead,
            version,
        }
    }
}
