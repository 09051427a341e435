//! A suite that cannot fail is a defect: each way of breaking a connector is found, with a sentence
//! that says what is broken.

mod front_page;
mod inbound;
mod outbound;

use super::{fixture, plain_hmac, standard_webhooks, timed_hmac};
use jiff::Timestamp;
use pasarela_connector::testkit::{Fixture, check};
use pasarela_connector::{
    Answer, ConfigError, ConnectionConfig, Connector, Ctx, Dedup, EntityWrite, Fact, Item, Manifest, Outcome, Provider,
    RawRequest, Scope, SimConfig, Simulator, Source, Step, Task, Translation, Unread, Verdict,
};
use pasarela_connectors::http::Http;
use pasarela_domain::Secret;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Verify = fn(&dyn Connector, &RawRequest<'_>, Timestamp) -> Verdict;
type Translate = fn(&Broken, &[u8]) -> Result<Translation, Unread>;
type Begin = fn(&Broken, Step, &Ctx<'_>) -> Step;
type On = fn(Step, &Answer) -> Step;

/// What is broken; the rest is the honest connector's.
#[derive(Clone, Default)]
struct Damage {
    config: Option<fn(&mut ConnectionConfig)>,
    verify: Option<Verify>,
    translate: Option<Translate>,
    begin: Option<Begin>,
    on: Option<On>,
}

struct Saboteur {
    manifest: Manifest,
    damage: Damage,
    calls: Arc<AtomicU64>,
}

struct Broken {
    honest: Box<dyn Connector>,
    damage: Damage,
    calls: Arc<AtomicU64>,
}

impl Broken {
    fn call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }
}

impl Provider for Saboteur {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn connect(&self, mut config: ConnectionConfig) -> Result<Box<dyn Connector>, ConfigError> {
        if let Some(change) = self.damage.config {
            change(&mut config);
        }
        let honest = Http::new().connect(config)?;
        Ok(Box::new(Broken { honest, damage: self.damage.clone(), calls: self.calls.clone() }))
    }

    fn simulator(&self, _config: SimConfig) -> Option<Box<dyn Simulator>> {
        None
    }
}

impl Connector for Broken {
    fn config(&self) -> &ConnectionConfig {
        self.honest.config()
    }

    fn verify(&self, request: &RawRequest<'_>, now: Timestamp) -> Verdict {
        match self.damage.verify {
            Some(verify) => verify(self.honest.as_ref(), request, now),
            None => self.honest.verify(request, now),
        }
    }

    fn translate(&self, source: Source, body: &[u8]) -> Result<Translation, Unread> {
        match self.damage.translate {
            Some(translate) => translate(self, body),
            None => self.honest.translate(source, body),
        }
    }

    fn begin(&self, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
        let step = self.honest.begin(action, inputs, ctx);
        match self.damage.begin {
            Some(begin) => begin(self, step, ctx),
            None => step,
        }
    }

    fn on(&self, action: &str, inputs: &[Value], state: &Value, answer: &Answer, ctx: &Ctx<'_>) -> Step {
        let step = self.honest.on(action, inputs, state, answer, ctx);
        match self.damage.on {
            Some(on) => on(step, answer),
            None => step,
        }
    }

    fn authenticate(&self, ctx: &Ctx<'_>) -> pasarela_connector::AuthStep {
        self.honest.authenticate(ctx)
    }
}

/// What the suite says of a fixture; `None` when it finds nothing.
fn finding(fixture: &Fixture) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(|| check(fixture))).err()?;
    Some(payload.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[track_caller]
fn found(mut fixture: Fixture, damage: Damage, expected: &str) {
    let manifest = fixture.provider.manifest().clone();
    fixture.provider = Box::new(Saboteur { manifest, damage, calls: Arc::default() });
    told(&fixture, expected);
}

#[track_caller]
pub(super) fn told(fixture: &Fixture, expected: &str) {
    let finding = finding(fixture);
    assert!(finding.as_ref().is_some_and(|text| text.contains(expected)), "{expected:?} is expected: {finding:?}");
}

#[track_caller]
fn manifest_found(change: fn(&mut Manifest), expected: &str) {
    let mut fixture = plain_hmac();
    let mut manifest = fixture.provider.manifest().clone();
    change(&mut manifest);
    fixture.config.provider = manifest.name.into();
    fixture.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    told(&fixture, expected);
}

const AUTHENTIC: Verdict = Verdict::Authentic { replay_key: None };

/// Asks the honest connector about another request.
fn with<'a>(
    connector: &dyn Connector,
    header: &'a dyn Fn(&str) -> Option<&'a str>,
    body: &'a [u8],
    now: Timestamp,
) -> Verdict {
    connector.verify(&RawRequest { method: "POST", query: "", header, body }, now)
}

#[test]
fn an_honest_connector_behind_the_same_wrapper_passes() {
    let mut fixture = timed_hmac();
    let manifest = fixture.provider.manifest().clone();
    fixture.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    assert_eq!(finding(&fixture), None);
}
