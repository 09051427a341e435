//! A look at a connection as a person would take it: does its credential work, do the clocks agree, what is
//! left of its limits, are its webhooks asked for and do they come, how long does its API live, and does the
//! way from the public address lead here. Each finding says what to do. Nothing is changed at the provider.

use crate::connections::{AuthTrouble, ConnectionRuntime};
use crate::dispatch::Trouble;
use crate::engine::Inner;
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, Environment, Request, Verification, judge};
use pasarela_domain::DeliveryId;
use pasarela_store::{DeliveryRow, DeliveryStatus};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time of one call of an examination.
const PATIENCE: Duration = Duration::from_secs(12);
/// Clocks that differ by more than this are told of; by more than the second, signatures are refused.
const SKEW: SignedDuration = SignedDuration::from_secs(30);
const SKEW_REFUSED: SignedDuration = SignedDuration::from_mins(5);
/// Days before the end of an API's version at which it is told of.
const ENDS_SOON: i32 = 90;
/// Deliveries that are looked through for the last webhook, a page at a time.
const PAGES: usize = 5;
const PAGE: u32 = 200;

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What: `credential`, `clock`, `limits`, `webhooks`, `api`, `server`, `way_in`.
    pub check: &'static str,
    /// How it stands.
    pub state: Grade,
    /// What was found, for people.
    pub found: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: Grade::Ok, found: found.into(), advice: None }
    }
    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: Grade::Warn, found: found.into(), advice: Some(advice.into()) }
    }
    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: Grade::Fail, ..Self::warn(check, found, advice) }
    }
}

/// What was found of one connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Examination {
    /// Name.
    pub connection: String,
    /// Provider.
    pub provider: String,
    /// `sandbox` or `live`.
    pub environment: Environment,
    /// In the order in which a person would look.
    pub findings: Vec<Finding>,
}

/// Where the outside reaches this hub, and whether it is to be tried.
#[derive(Debug, Clone, Copy)]
pub struct PublicAddress<'a> {
    /// `server.public_url`.
    pub url: &'a str,
    /// Send a webhook of our own making there.
    pub try_it: bool,
}

impl Inner {
    /// Looks at one connection; `None`: there is none of that name.
    pub(crate) async fn examine(&self, name: &str, public: PublicAddress<'_>) -> Option<Examination> {
        let connection = self.connection(name)?;
        let mut findings = Vec::new();
        self.credential_and_clock(&connection, &mut findings).await;
        self.webhooks(&connection, public, &mut findings).await;
        findings.push(self.api_version(&connection));
        findings.extend(self.server(name).await);
        if public.try_it
            && let Some(finding) = self.way_in(&connection, public.url).await
        {
            findings.push(finding);
        }
        Some(Examination {
            connection: connection.name().to_owned(),
            provider: connection.manifest().name.to_owned(),
            environment: connection.connector().config().environment,
            findings,
        })
    }

    /// Does the public address lead to a hub?
    pub(crate) async fn reach(&self, public_url: &str) -> Finding {
        const CHECK: &str = "public";
        let url = format!("{}/healthz", public_url.trim_end_matches('/'));
        match self.client.call(&Request::get(url.clone()), &[], true, PATIENCE).await {
            Ok(answer) if answer.parse::<serde_json::Value>().is_ok_and(|v| v["status"] == "ok") => {
                Finding::ok(CHECK, format!("{public_url} leads to a hub"))
            }
            Ok(answer) => Finding::fail(
                CHECK,
                format!("{url} answers HTTP {}, and not as a hub does", answer.status),
                "let the proxy in front pass it on, or correct server.public_url",
            ),
            // As it is where nobody has set it: a hub that only this machine is to reach.
            Err(_) if is_loopback(public_url) => Finding::ok(
                CHECK,
                format!(
                    "{public_url} is of this machine only; set server.public_url when providers shall reach the hub"
                ),
            ),
            Err(no) => Finding::fail(
                CHECK,
                format!("{public_url} does not answer: {}", no.why),
                "is the name known, the listener reachable, the certificate good? Else correct server.public_url",
            ),
        }
    }

    /// One call with the connection's credential, however it ends within a time.
    pub(crate) async fn ask_provider(
        &self,
        connection: &ConnectionRuntime,
        request: &Request,
    ) -> Result<Answer, Trouble> {
        // Fetching a token of this kind ends the one that the owner uses.
        let fetch = connection.is_own() || !connection.manifest().auth.rotates() || !self.store.is_shared();
        let call = async {
            let auth = connection.credential(&*self.store, &self.client, &*self.clock, fetch).await;
            self.send_as(connection, request, auth.map_err(Trouble::Auth)?).await
        };
        tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| {
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            Err(Trouble::NoAnswer(crate::client::NoAnswer { maybe_sent: true, why }))
        })
    }

    async fn credential_and_clock(&self, connection: &ConnectionRuntime, findings: &mut Vec<Finding>) {
        const CHECK: &str = "credential";
        let missing = connection.missing_credentials();
        if !missing.is_empty() {
            findings.push(Finding::warn(
                CHECK,
                "it receives webhooks and can do nothing: a credential is missing",
                format!("set {} on [connections.{}]", missing.join(" and "), connection.name()),
            ));
            return;
        }
        let Some(request) = connection.connector().probe() else {
            findings.push(Finding::ok(CHECK, "set; the provider has no harmless call to try it with"));
            return;
        };
        let begun = Instant::now();
        let answer = self.ask_provider(connection, &request).await;
        let took = begun.elapsed();
        let answer = match answer {
            Ok(answer) => answer,
            Err(trouble) => {
                findings.push(refused(connection, &request, &trouble));
                return;
            }
        };
        let millis = took.as_millis();
        findings.push(match connection.connector().judge_probe(&answer) {
            Ok(what) => Finding::ok(CHECK, format!("{what} (HTTP {} in {millis} ms)", answer.status)),
            Err(why) => Finding::fail(CHECK, why, advice_for(connection, answer.status)),
        });
        findings.extend(self.clock_skew(&answer, took));
        findings.push(self.limits_left(connection, &answer));
    }

    /// What its server can do, as far as its answers told.
    async fn server(&self, connection: &str) -> Option<Finding> {
        const CHECK: &str = "server";
        let can = match self.server_can(connection).await {
            Ok(can) => can,
            Err(e) => return Some(Finding::fail(CHECK, format!("nothing could be read: {e}"), "see the log")),
        };
        let names = |has: Option<bool>| {
            let told = can.iter().filter(|t| t.has == has).map(|t| match has {
                Some(true) => t.en.clone(),
                _ => format!("{} (since {})", t.en, t.since),
            });
            told.collect::<Vec<_>>().join(", ")
        };
        let parts = [("can", Some(true)), ("cannot", Some(false)), ("not seen yet", None)].map(|(word, has)| {
            let names = names(has);
            (!names.is_empty()).then(|| format!("{word}: {names}"))
        });
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| Finding::ok(CHECK, parts.join("; ")))
    }

    /// How far this machine's clock is from the provider's, by the `Date` of an answer.
    fn clock_skew(&self, answer: &Answer, took: Duration) -> Option<Finding> {
        const CHECK: &str = "clock";
        let date = answer.headers.get("date")?;
        let theirs = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.trim()).ok()?;
        // It was written at some moment of the call, and has whole seconds.
        let half = SignedDuration::try_from(took / 2).unwrap_or_default();
        let ahead = self.clock.wall().duration_since(theirs) - half;
        let seconds = ahead.as_secs().unsigned_abs();
        let which = if ahead.is_negative() { "behind" } else { "ahead of" };
        let advice = "let the machine keep its clock (timedatectl set-ntp true); signatures with a time are refused \
                      when it is minutes off";
        Some(match ahead.abs() {
            d if d >= SKEW_REFUSED => {
                Finding::fail(CHECK, format!("this machine is {seconds} s {which} the provider"), advice)
            }
            d if d >= SKEW => Finding::warn(CHECK, format!("this machine is {seconds} s {which} the provider"), advice),
            _ => Finding::ok(CHECK, format!("agrees with the provider's within {} s", seconds.max(1))),
        })
    }

    fn limits_left(&self, connection: &ConnectionRuntime, answer: &Answer) -> Finding {
        const CHECK: &str = "limits";
        let own = match connection.limits.rate {
            Some(rate) => {
                let minute = 60.0 / rate.every.as_secs_f64().max(1e-6);
                format!("the hub keeps to {minute:.0} calls a minute, {} at once", connection.limits.concurrency)
            }
            None => format!("the hub makes {} calls at once", connection.limits.concurrency),
        };
        match judge::left(answer, self.clock.now()) {
            Some(left) => {
                let of = left.limit.map(|n| format!(" of {n}")).unwrap_or_default();
                let text = format!("{}{of} calls are left; {own}", left.remaining);
                let few = left.remaining == 0 || left.limit.is_some_and(|limit| left.remaining * 10 < limit);
                let advice = "somebody else may use the same account; lower `limits = { per_minute = ... }`";
                if few { Finding::warn(CHECK, text, advice) } else { Finding::ok(CHECK, text) }
            }
            None => Finding::ok(CHECK, own),
        }
    }

    /// Are its webhooks asked for at the provider, and do they come?
    async fn webhooks(&self, connection: &ConnectionRuntime, public: PublicAddress<'_>, findings: &mut Vec<Finding>) {
        const CHECK: &str = "webhooks";
        if connection.manifest().verification == Verification::NoInbound {
            return;
        }
        let name = connection.name();
        if connection.connector().config().webhook_secrets.is_empty() {
            findings.push(Finding::warn(
                CHECK,
                "none is believed: there is no secret to verify them with",
                match &connection.connector().config().webhook_secret_name {
                    Some(_) => format!(
                        "`pasarela connections provision {name} --apply` makes the webhook and keeps its secret"
                    ),
                    None => format!("set webhook_secrets on [connections.{name}]"),
                },
            ));
            return;
        }
        let seen = match self.last_webhook(connection).await {
            Some(at) => format!("the last one came {}", ago(self.clock.now().duration_since(at))),
            None => "none came lately".to_owned(),
        };
        let address = format!("{}/hooks/{name}", public.url.trim_end_matches('/'));
        let asked = match connection.connector().hooks().filter(|_| connection.missing_credentials().is_empty()) {
            Some(request) => self.ask_provider(connection, &request).await.ok(),
            None => None,
        };
        let registered = asked.and_then(|answer| connection.connector().registered(&answer));
        findings.push(match registered {
            Some(list) if list.iter().any(|url| url.trim_end_matches('/') == address) => {
                Finding::ok(CHECK, format!("the provider calls {address}; {seen}"))
            }
            Some(list) => Finding::warn(
                CHECK,
                match list.as_slice() {
                    [] => format!("the provider calls no address of ours; {seen}"),
                    [other] => format!("the provider calls {other}, and not {address}; {seen}"),
                    many => format!("the provider calls {} addresses, and not {address}; {seen}", many.len()),
                },
                "register it at the provider, or correct server.public_url",
            ),
            None if seen.starts_with("none") => Finding::warn(
                CHECK,
                seen,
                format!("register {address} at the provider; it cannot be asked whether that was done"),
            ),
            None => Finding::ok(CHECK, seen),
        });
    }

    /// When a webhook of this connection last came in, as far back as the newest deliveries tell.
    async fn last_webhook(&self, connection: &ConnectionRuntime) -> Option<Timestamp> {
        if let Some(at) = connection.last_heard() {
            return Some(at);
        }
        let mut before = None;
        for _ in 0..PAGES {
            let page = self.store.deliveries(None, before, PAGE).await.ok()?;
            // What tells of nothing may be a trial of our own.
            let told = |d: &&DeliveryRow| d.source == "webhook" && d.status != DeliveryStatus::Ignored;
            let found = page.rows.iter().filter(told).find(|d| d.connection == connection.id);
            if let Some(delivery) = found {
                return Some(delivery.received_at);
            }
            before = page.next;
            before?;
        }
        None
    }

    fn api_version(&self, connection: &ConnectionRuntime) -> Finding {
        const CHECK: &str = "api";
        let api = connection.api();
        let version = api.version;
        let (Some(ends), Some(days)) = (api.ends, api.days_left(self.clock.now())) else {
            return Finding::ok(CHECK, format!("version {version}; no end of it is announced"));
        };
        let advice = "upgrade Pasarela, or choose a newer version in the connection's settings";
        match days {
            d if d <= 0 => Finding::fail(CHECK, format!("version {version} ended on {ends}"), advice),
            d if d <= ENDS_SOON => {
                Finding::warn(CHECK, format!("version {version} ends on {ends}, in {d} days"), advice)
            }
            _ => Finding::ok(CHECK, format!("version {version}, until {ends}")),
        }
    }

    /// Sends a signed webhook that tells of nothing to the public address, and looks whether it came in here.
    async fn way_in(&self, connection: &Arc<ConnectionRuntime>, public_url: &str) -> Option<Finding> {
        const CHECK: &str = "way_in";
        let trial = connection.connector().trial(self.clock.now())?;
        let url = format!("{}/hooks/{}", public_url.trim_end_matches('/'), connection.name());
        let mut request = Request::new("POST", url.clone());
        for (name, value) in trial.headers.0 {
            request = request.header(&name, value);
        }
        request.body = trial.body;
        let heard = connection.last_heard();
        // The address is the hub's own, and may well be of this machine.
        let answer = self.client.call(&request, &[], true, PATIENCE).await;
        // The provider has not called: what we sent ourselves is no sign of it.
        connection.set_heard(heard);
        let answer = match answer {
            Ok(answer) => answer,
            Err(no) => {
                let advice = "is the hub's listener reachable from outside, and server.public_url right?";
                return Some(Finding::fail(CHECK, format!("{url} does not answer: {}", no.why), advice));
            }
        };
        if !answer.is_success() {
            let found = format!("{url} answers a signed webhook with HTTP {}", answer.status);
            let advice = match answer.status {
                401 | 403 => "another hub, or something in front of this one that changes the body, answers there",
                404 => "server.public_url leads to something else",
                502..=504 => "the proxy in front does not reach the hub",
                _ => "look at the log of the hub and of the proxy in front of it",
            };
            return Some(Finding::fail(CHECK, found, advice));
        }
        let told: serde_json::Value = answer.parse().unwrap_or_default();
        let id = told["delivery_id"].as_str().and_then(|t| t.parse::<DeliveryId>().ok());
        let here = match id {
            Some(id) => self.store.delivery(id).await.ok().flatten().is_some(),
            None => false,
        };
        Some(if here {
            Finding::ok(CHECK, format!("a signed trial webhook to {url} came in"))
        } else {
            let advice = "server.public_url leads to another hub, or to a server that answers everything";
            Finding::fail(CHECK, format!("{url} took a trial webhook, and it did not come in here"), advice)
        })
    }
}

/// Does an address name this machine itself?
pub(crate) fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    uri.and_then(|uri| uri.host().map(|h| h.trim_matches(['[', ']']).to_owned()))
        .is_some_and(|host| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// A probe without an answer.
fn refused(connection: &ConnectionRuntime, request: &Request, trouble: &Trouble) -> Finding {
    const CHECK: &str = "credential";
    let place = request.url.split('?').next().unwrap_or_default();
    match trouble {
        Trouble::Auth(AuthTrouble::Refused(why)) => Finding::fail(
            CHECK,
            why.clone(),
            format!("correct it on [connections.{}], and start the hub again", connection.name()),
        ),
        Trouble::Auth(AuthTrouble::Later(why)) => Finding::fail(
            CHECK,
            format!("no token could be fetched: {why}"),
            "it is tried again by itself; look at the provider's status page",
        ),
        Trouble::NoAnswer(no) => Finding::fail(
            CHECK,
            format!("{place} does not answer: {}", no.why),
            "is base_url right, does this machine reach it, is the provider up?",
        ),
    }
}

fn advice_for(connection: &ConnectionRuntime, status: u16) -> String {
    let names: Vec<&str> = connection.manifest().credentials.iter().map(|c| c.name).collect();
    let name = connection.name();
    match status {
        401 | 403 if !names.is_empty() => format!("renew {} of [connections.{name}]", names.join(", ")),
        404 | 410 => format!("correct base_url of [connections.{name}]"),
        429 => "wait; and see whether somebody else uses the same account".into(),
        500..=599 => "wait; the hub tries again by itself".into(),
        _ => format!("look at the settings of [connections.{name}]"),
    }
}

fn ago(age: SignedDuration) -> String {
    match age.as_secs() {
        s if s < 120 => format!("{} s ago", s.max(0)),
        s if s < 7200 => format!("{} min ago", s / 60),
        s if s < 172_800 => format!("{} h ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}
