//! A suite that cannot fail is a defect: each way of breaking a connector is found, with a sentence
//! that says what is broken.

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
fn told(fixture: &Fixture, expected: &str) {
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

#[test]
fn verification_that_lets_forgeries_in_is_found() {
    let broken = |verify: Verify| Damage { verify: Some(verify), ..Damage::default() };
    found(plain_hmac(), broken(|_, _, _| AUTHENTIC), "must be Forged");
    found(plain_hmac(), broken(|_, _, _| Verdict::Forged("no")), "is not accepted");
    found(
        plain_hmac(),
        broken(|c, r, now| if (r.header)("x-signature").is_none() { AUTHENTIC } else { c.verify(r, now) }),
        "without its signature",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| if (r.header)("x-signature") == Some("") { AUTHENTIC } else { c.verify(r, now) }),
        "empty signature",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| with(c, r.header, r.body.strip_suffix(b" ").unwrap_or(r.body), now)),
        "appended",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| {
            let first = |name: &str| (r.header)(name).map(|text| text.get(..64).unwrap_or(text));
            with(c, &first, r.body, now)
        }),
        "signature",
    );
}

#[test]
fn verification_that_forgets_the_time_is_found() {
    let broken = |verify: Verify| Damage { verify: Some(verify), ..Damage::default() };
    fn signed_at() -> Timestamp {
        Timestamp::from_second(super::NOW).unwrap()
    }
    for fixture in [timed_hmac, standard_webhooks] {
        found(fixture(), broken(|c, r, _| c.verify(r, signed_at())), "replays never age");
        found(fixture(), broken(|c, r, now| c.verify(r, now.max(signed_at()))), "far future");
    }
}

#[test]
fn secrets_that_do_not_count_are_found() {
    let broken = |config: fn(&mut ConnectionConfig)| Damage { config: Some(config), ..Damage::default() };
    found(plain_hmac(), broken(|c| c.webhook_secrets.truncate(1)), "rotation");
    found(
        plain_hmac(),
        broken(|c| c.webhook_secrets = c.webhook_secrets.split_off(c.webhook_secrets.len().max(1) - 1)),
        "rotation",
    );
    found(
        plain_hmac(),
        broken(|c| {
            if c.webhook_secrets.is_empty() {
                c.webhook_secrets.push(Secret::new("clave-de-prueba"));
            }
        }),
        "no secret configured",
    );
    found(plain_hmac(), broken(|c| c.webhook_secrets.push(Secret::new("clave-de-prueba"))), "secret configured");
}

#[test]
fn facts_that_break_the_rules_are_found() {
    fn one(fact: Fact) -> Result<Translation, Unread> {
        Ok(Translation { items: vec![fact.into()] })
    }
    fn honest(broken: &Broken, body: &[u8], change: fn(&mut Fact)) -> Result<Translation, Unread> {
        let mut translation = broken.honest.translate(Source::Webhook, body)?;
        for item in &mut translation.items {
            if let Item::Fact(fact) = item {
                change(fact);
            }
        }
        Ok(translation)
    }
    let broken = |translate: Translate| Damage { translate: Some(translate), ..Damage::default() };
    let at_random: Translate = |b, _| {
        let id = b.call().to_string();
        one(Fact::once("tienda.order.created", "PED-1", "PED-1", id, json!({})))
    };
    found(plain_hmac(), broken(at_random), "other dedup keys");
    let changing: Translate =
        |b, _| one(Fact::once("tienda.order.created", "PED-1", "PED-1", "1", json!({ "n": b.call() })));
    found(plain_hmac(), broken(changing), "gives two results");
    found(plain_hmac(), broken(|_, body| Err(Unread(body[0].to_string()))), "is not understood");
    let fragile: Translate = |b, body| {
        let first = body[0];
        if first == b'{' { b.honest.translate(Source::Webhook, body) } else { Err(Unread("no".into())) }
    };
    found(plain_hmac(), broken(fragile), "panicked");
    let loose: Translate = |b, body| {
        let value: Value = serde_json::from_slice(body)?;
        let _ = value["data"]["order"]["lines"].as_array().map(|l| l.first().unwrap()["sku"].as_str().unwrap().len());
        b.honest.translate(Source::Webhook, body)
    };
    found(plain_hmac(), broken(loose), "panicked");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.key.clear())), "without a key");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.event_type = Some("otra.order".into()))), "not among");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.event_type = None)), "says nothing");
    let other: Translate = |b, body| honest(b, body, |f| f.event_type = Some("tienda.otra".into()));
    found(plain_hmac(), broken(other), "must tell");
    let homeless: Translate = |b, body| {
        honest(b, body, |f| {
            f.dedup = Dedup::State { entity: EntityWrite::new("order", "1", Value::Null).entity };
        })
    };
    found(plain_hmac(), broken(homeless), "not among the fact's entities");
    let all_one: Translate = |b, body| {
        honest(b, body, |f| {
            f.dedup = Dedup::Once { kind: "k".into(), entity: String::new(), discriminator: String::new() };
        })
    };
    found(plain_hmac(), broken(all_one), "one and the same");
}

#[test]
fn requests_that_break_the_rules_are_found() {
    fn changed(step: Step, change: impl Fn(&mut pasarela_connector::Call)) -> Step {
        match step {
            Step::Call(mut call) => {
                change(&mut call);
                Step::Call(call)
            }
            end => end,
        }
    }
    let broken = |begin: Begin| Damage { begin: Some(begin), ..Damage::default() };
    let elsewhere: Begin = |_, step, _| changed(step, |c| c.request.url = "https://api.tienda.example/v10/x".into());
    found(plain_hmac(), broken(elsewhere), "is not under the connection's base URL");
    let relative: Begin = |_, step, _| changed(step, |c| c.request.url = "/orders".into());
    found(plain_hmac(), broken(relative), "not an absolute URL");
    let random: Begin = |b, step, _| changed(step, |c| c.request.headers.set("x-n", b.call().to_string()));
    found(plain_hmac(), broken(random), "the second time");
    let leaking: Begin = |_, step, _| changed(step, |c| c.request.headers.set("x-key", "token-de-prueba-0123456789"));
    found(plain_hmac(), broken(leaking), "holds the credential \"token\"");
    let split: Begin = |_, step, _| changed(step, |c| c.request.headers.set("x-a", "1\r\nx-b: 2"));
    found(plain_hmac(), broken(split), "cannot be sent");
    let nothing: Begin = |_, step, _| match step {
        Step::Call(_) => Step::end(Outcome::give_up("x", "y")),
        end => end,
    };
    found(plain_hmac(), broken(nothing), "makes no call");
    found(plain_hmac(), broken(|_, _, _| Step::End(vec![])), "0 outcomes for 1 inputs");
    let mut accepting = plain_hmac();
    accepting.actions[0].refused.push(json!({ "method": "GET", "path": "/fine" }));
    told(&accepting, "must be refused");
    // The honest request action names no key of its own: as Native it would be a lie.
    let mut lying = plain_hmac();
    let mut manifest = lying.provider.manifest().clone();
    manifest.actions[0].idempotency = pasarela_connector::Idempotency::Native { valid_for: Duration::from_secs(3600) };
    lying.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    told(&lying, "idempotency key");
}

#[test]
fn judgements_that_break_the_rules_are_found() {
    fn done(step: Step, answer: &Answer, status: u16, outcome: Outcome) -> Step {
        if answer.status == status { Step::end(outcome) } else { step }
    }
    let broken = |on: On| Damage { on: Some(on), ..Damage::default() };
    found(plain_hmac(), broken(|_, _| Step::end(Outcome::AuthExpired)), "its `done` answer is judged");
    found(plain_hmac(), broken(|s, a| done(s, a, 429, Outcome::give_up("x", "y"))), "must be throttled");
    let impatient: On = |s, a| done(s, a, 429, Outcome::Throttled { after: None, scope: Scope::Connection });
    found(plain_hmac(), broken(impatient), "for so long at least");
    found(plain_hmac(), broken(|s, a| done(s, a, 502, Outcome::give_up("x", "y"))), "provider_down or retry");
    found(plain_hmac(), broken(|s, a| done(s, a, 401, Outcome::done(Value::Null))), "auth_expired");
    found(plain_hmac(), broken(|s, a| done(s, a, 409, Outcome::AuthExpired)), "must be judged give_up");
    found(plain_hmac(), broken(|_, _| Step::End(vec![])), "0 outcomes for 1 inputs");
    // `http` takes any 2xx for done: right for it, and found where an answer must hold something.
    let mut credulous = plain_hmac();
    credulous.actions[0].done = Answer::json(200, &json!({ "id": 7 }));
    told(&credulous, "must not be taken for done");
}

#[test]
fn front_pages_that_mislead_are_found() {
    manifest_found(|m| m.name = "Http", "kebab-case");
    manifest_found(|m| m.docs = "http://tienda.example", "docs link");
    manifest_found(|m| m.api.ends = Some("soon"), "not a date");
    manifest_found(|m| m.actions[0].name = "makeRequest", "snake_case");
    manifest_found(|m| m.actions[0].input = schemars::schema_for!(Value), "not an object");
    manifest_found(
        |m| m.settings = schemars::schema_for!(std::collections::BTreeMap<String, Value>),
        "unknown properties",
    );
    manifest_found(|m| m.no_history = None, "no_history");
    manifest_found(|m| m.actions.push(m.actions[0].clone()), "twice");
    manifest_found(|m| m.verification = pasarela_connector::Verification::NoInbound, "NoInbound");
    manifest_found(
        |m| {
            m.no_history = None;
            m.tasks = vec![Task { name: "orders", every: Duration::from_secs(60) }];
        },
        "does not begin with a call",
    );
    manifest_found(|m| m.fetches = &["order"], "can be fetched, but it cannot");
    manifest_found(
        |m| {
            m.name = "tienda";
            m.events = &["order.created"];
        },
        "not a canonical type",
    );
    let mut without = plain_hmac();
    without.actions.clear();
    told(&without, "no sample of the action");
    let forgiving = Damage {
        config: Some(|c| {
            if let Some(settings) = c.settings.as_object_mut() {
                settings.retain(|name, _| name == "verify" || name == "event");
            }
        }),
        ..Damage::default()
    };
    found(plain_hmac(), forgiving, "unknown setting");
}

#[test]
fn a_token_scheme_is_no_excuse_for_a_signed_body() {
    let headers = [("authorization", "Bearer token-de-la-tienda".to_owned())];
    let mut fixture = fixture(json!({ "scheme": "bearer" }), "token-de-la-tienda", "authorization", &headers);
    let mut manifest = fixture.provider.manifest().clone();
    manifest.verification =
        pasarela_connector::Verification::Hmac { header: "authorization", recipe: "HMAC of the body" };
    fixture.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    told(&fixture, "verified by a token");
}
