//! An endpoint as a connection of the hub's own: the lanes, the pace, the breaker and the pause of every connection,
//! and what an answer means. What is sent to it is made in `send.rs`.

use super::{PREFIX, Place, Terms};
use crate::connections::{ConnectionRuntime, ConnectionSetup, LimitOverride};
use crate::reconcile::ReconcileSettings;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_connector::{
    Action, Answer, ApiVersion, AuthKind, Call, ConfigError, ConnectionConfig, Connector, Ctx, Idempotency, Limits,
    Manifest, Outcome, Provider, RawRequest, Repeat, Request, Scope, SimConfig, Simulator, Source, Step, Translation,
    Unread, Verdict, Verification, judge,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Notify;

/// The one action of an endpoint. Sent again, its receiver knows it by the same `webhook-id`.
pub const DELIVER: &str = "deliver";
/// Number of tries, from the third on, and the time before the next: what an endpoint does not like of one event
/// is seldom better a second later. It is tried for as long as the endpoint says, each day once in the end.
const PATIENCE: [u64; 8] = [60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000];
const DAY: u64 = 86_400;
/// The status of somebody who wants no more.
const GONE: u16 = 410;
const NEVER: i64 = i64::MIN;

/// What is known of an endpoint beside its connection.
pub(crate) struct Endpoint {
    pub(super) terms: ArcSwap<Terms>,
    /// Woken when its place was moved, or it changed.
    pub(super) wake: Notify,
    /// It is here no more: its tasks end.
    retired: AtomicBool,
    /// It said that it wants no more (410).
    gone: AtomicBool,
    well_at: AtomicI64,
    failing_since: AtomicI64,
    problem: Mutex<Option<String>>,
    /// Version of the place that this node read or wrote last, the place as it stands now, and events that were
    /// looked at since and not asked for.
    pub(super) looked: Mutex<Option<(i64, Place, i64)>>,
}

impl Endpoint {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms: ArcSwap::from_pointee(terms),
            wake: Notify::new(),
            retired: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            well_at: AtomicI64::new(NEVER),
            failing_since: AtomicI64::new(NEVER),
            problem: Mutex::new(None),
            looked: Mutex::new(None),
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
        self.wake.notify_waiters();
    }

    /// How a call to it went. `status`: `None` when nobody answered.
    pub(crate) fn heard(&self, status: Option<u16>, why: &str, now: Timestamp) {
        let now = now.as_millisecond();
        if status.is_some_and(|s| (200..300).contains(&s)) {
            self.well_at.fetch_max(now, Ordering::Relaxed);
            self.failing_since.store(NEVER, Ordering::Relaxed);
            return;
        }
        // Kept where it is: since when, not when last.
        let _ = self.failing_since.compare_exchange(NEVER, now, Ordering::Relaxed, Ordering::Relaxed);
        self.gone.fetch_or(status == Some(GONE), Ordering::Relaxed);
        *self.problem.lock() = Some(status.map_or_else(|| why.to_owned(), |s| format!("HTTP {s}")));
        self.wake.notify_waiters();
    }

    /// A person looked at it: it begins anew.
    pub(super) fn forgive(&self) {
        self.failing_since.store(NEVER, Ordering::Relaxed);
        self.gone.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// What was known of it before a start, or what another node wrote of it.
    pub(super) fn recall(&self, place: &Place) {
        let ms = |t: Option<Timestamp>| t.map_or(NEVER, Timestamp::as_millisecond);
        self.well_at.fetch_max(ms(place.well_at), Ordering::Relaxed);
        self.failing_since.store(ms(place.failing_since), Ordering::Relaxed);
        self.problem.lock().clone_from(&place.problem);
    }

    /// How it fares, over what is written of it.
    pub(super) fn fares(&self, after: i64) -> Place {
        let at = |ms: &AtomicI64| Timestamp::from_millisecond(ms.load(Ordering::Relaxed)).ok();
        let failing_since = at(&self.failing_since);
        let problem = failing_since.and_then(|_| self.problem.lock().clone());
        Place { after, failing_since, well_at: at(&self.well_at), problem }
    }
}

/// The connection of an endpoint.
pub(super) fn runtime(
    id: i64,
    terms: Terms,
    allow_private: bool,
    now: Timestamp,
) -> Result<ConnectionRuntime, ConfigError> {
    let doc = &terms.doc;
    let setup = ConnectionSetup {
        provider: Arc::new(Outgoing),
        config: ConnectionConfig::bare(&doc.connection(), PREFIX.trim_end_matches(':')),
        allow_private_targets: allow_private,
        extra_headers: Vec::new(),
        limits: LimitOverride::default(),
        reconcile: ReconcileSettings::default(),
        sender: crate::connections::DEFAULT_SENDER.into(),
        brand: doc.brand.clone().unwrap_or_default(),
    };
    let mut runtime = ConnectionRuntime::new(id, setup, now)?;
    runtime.endpoint = Some(Arc::new(Endpoint::new(terms)));
    Ok(runtime)
}

struct Outgoing;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| Manifest {
    name: "webhook",
    title: "Webhook",
    docs: "https://www.standardwebhooks.com",
    api: ApiVersion { version: "1", ends: None },
    default_base_url: None,
    auth: AuthKind::Nothing,
    verification: Verification::NoInbound,
    settings: schemars::json_schema!({ "type": "object", "additionalProperties": false }),
    credentials: Vec::new(),
    actions: vec![
        // By the same `webhook-id` whoever is called knows that it was called before.
        Action::new::<Input>(
            DELIVER,
            "Deliver an event",
            Idempotency::Native { valid_for: Duration::from_secs(365 * DAY) },
        )
        .give_up_after(Duration::from_secs(5 * DAY))
        .build(),
    ],
    events: &[],
    fetches: &[],
    tasks: Vec::new(),
    no_history: Some("it is the hub that tells"),
    limits: Limits { rate: None, concurrency: 16, timeout: Duration::from_secs(15) },
});

/// What an effect of it holds: the event's own row has the rest.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Input {
    /// The event that is told.
    event: String,
}

impl Provider for Outgoing {
    fn manifest(&self) -> &Manifest {
        &MANIFEST
    }
    fn connect(&self, config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        Ok(Box::new(Connected(config)))
    }
    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        None
    }
}

struct Connected(ConnectionConfig);

impl Connector for Connected {
    fn config(&self) -> &ConnectionConfig {
        &self.0
    }

    fn verify(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Verdict {
        Verdict::Forged("nothing comes in by a webhook of the hub's own")
    }

    fn translate(&self, _source: Source, _body: &[u8]) -> Result<Translation, Unread> {
        Err(Unread("nothing comes in by a webhook of the hub's own".into()))
    }

    fn begin(&self, _action: &str, _inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        // Address, body and signature are made right before it leaves.
        Step::Call(Call { request: Request::new("POST", ""), state: Value::Null, repeat: Repeat::SameKey })
    }

    fn on(&self, _action: &str, _inputs: &[Value], _state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        Step::end(meaning(answer, ctx))
    }
}

/// What an answer means (Standard Webhooks, "Deliverability"): whatever is not 2xx is tried again.
fn meaning(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    let why = format!("the endpoint answered HTTP {}", answer.status);
    match answer.status {
        200..=299 => Outcome::done(json!({ "status": answer.status })),
        429 => Outcome::Throttled { after: judge::retry_after(answer, ctx.now), scope: Scope::Connection },
        // It does not like this event, and may like the next one.
        400 | 405 | 409 | 413 | 415 | 422 => {
            let wait = usize::try_from(ctx.attempt).ok().and_then(|n| n.checked_sub(1));
            let wait = wait.and_then(|n| PATIENCE.get(n)).copied().unwrap_or(DAY);
            Outcome::Retry { after: Some(Duration::from_secs(wait)), scope: Scope::Effect, why }
        }
        _ => Outcome::ProviderDown { after: judge::retry_after(answer, ctx.now), why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pasarela_connector::Headers;

    fn answered(status: u16, attempt: u32) -> Outcome {
        let answer = Answer { status, headers: Headers::default(), body: Default::default() };
        meaning(&answer, &Ctx { now: Timestamp::UNIX_EPOCH, key: "k", attempt })
    }

    #[test]
    fn only_2xx_is_done_and_one_disliked_event_does_not_stop_the_others() {
        assert!(matches!(answered(204, 1), Outcome::Done(_)));
        for status in [301, 401, 403, 404, 410, 500, 503] {
            assert!(matches!(answered(status, 1), Outcome::ProviderDown { .. }), "{status}");
        }
        let wait = |attempt| match answered(400, attempt) {
            Outcome::Retry { after: Some(wait), scope: Scope::Effect, .. } => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([wait(1), wait(2), wait(8), wait(9), wait(40)], [60, 300, 72_000, DAY, DAY]);
        assert!(matches!(answered(429, 1), Outcome::Throttled { scope: Scope::Connection, .. }));
    }

    #[test]
    fn since_when_it_fails_is_the_first_failure_after_the_last_success() {
        let terms = Terms {
            doc: serde_json::from_value(json!({
                "id": "w", "url": "https://example.com", "types": ["*"], "secrets": [], "give_up_after_hours": 1,
                "pause_after_hours": 1, "created_at": "2026-11-27T10:00:00Z", "created_by": "a",
                "changed_at": "2026-11-27T10:00:00Z", "changed_by": "a",
            }))
            .unwrap(),
            version: 1,
        };
        let endpoint = Endpoint::new(terms);
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        endpoint.heard(Some(200), "", at(5));
        endpoint.heard(Some(500), "", at(10));
        endpoint.heard(None, "no answer", at(20));
        let place = endpoint.fares(7);
        assert_eq!((place.after, place.failing_since, place.well_at), (7, Some(at(10)), Some(at(5))));
        assert_eq!(place.problem.as_deref(), Some("no answer"));
        endpoint.heard(Some(202), "", at(30));
        assert_eq!(endpoint.fares(7).failing_since, None);
        assert!(!endpoint.is_gone());
        endpoint.heard(Some(410), "", at(40));
        assert!(endpoint.is_gone());
    }
}
