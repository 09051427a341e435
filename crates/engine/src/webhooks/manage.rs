//! What people do with endpoints: make, change, remove, replace secrets, try, pause, replay. An endpoint is a record;
//! each node serves those that there are, and follows what others changed.

use super::endpoint::runtime;
use super::{
    Doc, KeptSecret, MOST, PLACE, Place, SecretError, Terms, TestOutcome, WEBHOOK, Webhook, WebhookError, check_secret,
};
use crate::abroad::{Transfer, check_transfer};
use crate::connections::ConnectionRuntime;
use crate::engine::{Engine, Inner};
use crate::pauses::PauseError;
use crate::whole::whole;
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::Environment;
use pasarela_domain::{EntityRef, IdMaker, Secret};
use pasarela_store::{
    EffectFilter, EffectGuard, EffectState, EffectUpdate, Error, News, PauseKind, PauseRow, RecordFilter, RecordOrder,
    RecordRow, RecordWrite, Recorded, Work, Worked,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: u32 = 100;
const TRIES: u32 = 20;
const HOURS: (u32, u32) = (5 * 24, 24);
const LONGEST_HOURS: u32 = 14 * 24;
const LONGEST_URL: usize = 2000;
const MOST_TYPES: usize = 50;
const MOST_HEADERS: usize = 20;
/// Secrets that sign at the same time.
const MOST_SECRETS: usize = 4;
/// The one before goes on signing so long when a secret is replaced, at most.
const LONGEST_OVERLAP: u32 = 30 * 24;
/// Headers that are the hub's own, or the way's.
const RESERVED: [&str; 12] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// An endpoint to make.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it is: `https://...`.
    #[schemars(length(max = 2000), regex(pattern = r"^https?://"))]
    pub url: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Types of events: `order.paid`, `order.*`, or `*` for all.
    #[schemars(length(min = 1, max = 50))]
    pub types: Vec<String>,
    /// Only events of this brand; left out: of all.
    #[serde(default)]
    pub brand: Option<String>,
    /// Headers that go with each request, such as a token of your own gateway. They are kept sealed and not shown again.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `whsec_` and the base64 of 24 to 64 bytes; left out: the hub makes one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub secret: Option<Secret>,
    /// Events from this moment on; left out: from now on.
    #[serde(default)]
    #[schemars(with = "Option<pasarela_domain::Moment>")]
    pub since: Option<Timestamp>,
    /// An event is tried so long: 2 to 336, 120 when left out.
    #[serde(default)]
    #[schemars(range(min = 2, max = 336))]
    pub give_up_after_hours: Option<u32>,
    /// When nothing was answered well for so long, it is paused: less than the above, 24 when left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 335))]
    pub pause_after_hours: Option<u32>,
    /// Country where it is, by its two capital letters. A hub with a live connection asks for it.
    #[serde(default)]
    pub country: Option<String>,
    /// On which basis personal data goes there, when that is not Colombia (Ley 1581 art. 26).
    #[serde(default)]
    pub transfer: Option<Transfer>,
}

/// What is to be otherwise; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where it is.
    #[serde(default)]
    pub url: Option<String>,
    /// What it is for; empty: nothing is said.
    #[serde(default)]
    pub description: Option<String>,
    /// Types of events.
    #[serde(default)]
    pub types: Option<Vec<String>>,
    /// All headers, in place of those before.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
    /// An event is tried so long.
    #[serde(default)]
    #[schemars(range(min = 2, max = 336))]
    pub give_up_after_hours: Option<u32>,
    /// When nothing was answered well for so long, it is paused.
    #[serde(default)]
    #[schemars(range(min = 1, max = 335))]
    pub pause_after_hours: Option<u32>,
    /// Country where it is.
    #[serde(default)]
    pub country: Option<String>,
    /// On which basis personal data goes there.
    #[serde(default)]
    pub transfer: Option<Transfer>,
}

fn invalid<T>(why: impl Into<String>) -> Result<T, WebhookError> {
    Err(WebhookError::Invalid(why.into()))
}

impl From<SecretError> for WebhookError {
    fn from(e: SecretError) -> Self {
        Self::Invalid(e.to_string())
    }
}

impl From<PauseError> for WebhookError {
    fn from(e: PauseError) -> Self {
        match e {
            PauseError::Store(e) => Self::Store(e),
            PauseError::NotPaused { .. } => Self::Conflict("it is not paused".into()),
            PauseError::NoSuch { name, .. } => Self::NotFound(name),
        }
    }
}

impl Inner {
    /// Endpoints that there are, at a start, and those whose removal a crash cut off.
    pub(crate) async fn load_webhooks(&self) -> Result<(), Error> {
        for row in self.webhook_records().await? {
            if let Some(terms) = read(&row)
                && let Err(e) = self.make_connection(terms).await
            {
                tracing::error!(webhook = row.id, error = %e, "a webhook is not served");
            }
        }
        Ok(())
    }

    async fn webhook_records(&self) -> Result<Vec<RecordRow>, Error> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let filter = RecordFilter { before, ..RecordFilter::first(WEBHOOK, RecordOrder::Newest, PAGE) };
            let page = self.store.records(filter).await?;
            all.extend(page.rows);
            before = page.next;
            if before.is_none() {
                return Ok(all);
            }
        }
    }

    async fn make_connection(&self, terms: Terms) -> Result<Arc<ConnectionRuntime>, WebhookError> {
        let name = terms.doc.connection();
        let id = self.store.connection_id(&name, "webhook").await?;
        let made = runtime(id, terms, self.webhooks.allow_private, self.clock.now());
        let made = Arc::new(made.map_err(|e| WebhookError::Invalid(e.to_string()))?);
        let leaving = made.endpoint.as_ref().is_some_and(|e| e.terms.load().doc.leaving);
        if leaving || self.pauses.load().find(PauseKind::Connection, &name).is_some() {
            made.lock_lanes(|l| l.halt(true));
        }
        self.names.write().insert(id, name);
        self.webhooks.all.rcu(|all| {
            let mut all = (**all).clone();
            all.insert(id, made.clone());
            all
        });
        Ok(made)
    }

    /// Its tasks begin.
    pub(crate) fn serve_webhook(self: &Arc<Self>, connection: &Arc<ConnectionRuntime>) {
        tokio::spawn(self.clone().dispatcher(connection.clone()));
        tokio::spawn(self.clone().webhook_feeder(connection.clone()));
    }

    /// A new one is served: it becomes somebody's.
    async fn take_up_webhook(self: &Arc<Self>, terms: Terms) -> Result<(), WebhookError> {
        let made = self.make_connection(terms).await?;
        self.serve_webhook(&made);
        if self.store.is_shared() {
            self.neighbours.serve_anew();
        } else {
            self.look_at_nodes().await?;
        }
        Ok(())
    }

    /// What was made, changed or removed at another node is so here too.
    pub(crate) async fn follow_webhooks(self: &Arc<Self>) -> Result<(), Error> {
        let _one = self.webhooks.changing.lock().await;
        let rows = self.webhook_records().await?;
        for connection in self.webhooks.connections() {
            let Some(endpoint) = &connection.endpoint else { continue };
            let known = endpoint.terms.load_full();
            match rows.iter().find(|r| r.id == known.doc.id) {
                None => self.let_go(&connection),
                Some(row) if row.version != known.version => {
                    if let Some(terms) = read(row) {
                        take_terms(&connection, terms);
                    }
                }
                Some(_) => {}
            }
        }
        for row in &rows {
            let Some(terms) = read(row) else { continue };
            if self.webhooks.by_name(&terms.doc.connection()).is_none()
                && let Err(e) = self.take_up_webhook(terms).await
            {
                tracing::error!(webhook = row.id, error = %e, "a webhook is not served");
            }
        }
        Ok(())
    }

    fn let_go(&self, connection: &ConnectionRuntime) {
        if let Some(endpoint) = &connection.endpoint {
            endpoint.retire();
        }
        connection.lock_lanes(|l| l.halt(true));
        connection.wake.notify_one();
        self.webhooks.all.rcu(|all| {
            let mut all = (**all).clone();
            all.remove(&connection.id);
            all
        });
    }

    fn webhook(&self, id: &str) -> Result<Arc<ConnectionRuntime>, WebhookError> {
        let found = self.webhooks.by_name(&format!("{}{id}", super::PREFIX));
        let found = found.filter(|c| c.endpoint.as_ref().is_some_and(|e| !e.terms.load().doc.leaving));
        found.ok_or_else(|| WebhookError::NotFound(id.to_owned()))
    }

    async fn seen(&self, connection: &ConnectionRuntime, id: &str) -> Result<Webhook, WebhookError> {
        self.webhook_view(connection).await?.ok_or_else(|| WebhookError::NotFound(id.to_owned()))
    }

    async fn create_webhook(self: Arc<Self>, new: NewWebhook, by: String) -> Result<Webhook, WebhookError> {
        let now = self.clock.now();
        let Some(secret) = &new.secret else { return invalid("secret: there is none") };
        check_secret(secret.expose())?;
        let id = self.next_effect_id(now).to_string().replacen("eff_", "wh_", 1);
        let secret = KeptSecret {
            id: self.next_effect_id(now).to_string().replacen("eff_", "whs_", 1),
            secret: secret.expose().to_owned(),
            created_at: now,
            ends_at: None,
        };
        let doc = Doc {
            id: id.clone(),
            url: new.url.trim().to_owned(),
            description: said(new.description),
            types: new.types,
            brand: said(new.brand),
            headers: lower(new.headers),
            secrets: vec![secret],
            give_up_after_hours: new.give_up_after_hours.unwrap_or(HOURS.0),
            pause_after_hours: new.pause_after_hours.unwrap_or(HOURS.1),
            country: said(new.country),
            transfer: new.transfer,
            created_at: now,
            created_by: by.clone(),
            changed_at: now,
            changed_by: by,
            leaving: false,
        };
        self.check(&doc).await?;
        let _one = self.webhooks.changing.lock().await;
        if self.webhooks.connections().len() >= MOST {
            return Err(WebhookError::Conflict(format!("there are {MOST} webhooks already; remove one first")));
        }
        // Its place is there before it is: nobody begins at the first event there ever was.
        let from = new.since.map_or_else(|| self.watermark(), |since| IdMaker::lowest_at(since).min(self.watermark()));
        let place = serde_json::to_vec(&Place { after: from - 1, ..Place::default() }).unwrap_or_default();
        let entity = self.own_write(self.own_connection()?, EntityRef::new(PLACE, &id), None, &place);
        self.store.work(Work { entities: vec![entity], ..Work::default() }).await?;
        let version = self.keep_webhook(&doc, 0).await?;
        self.take_up_webhook(Terms { doc, version }).await?;
        self.store.tell(News::NODES);
        let connection = self.webhook(&id)?;
        self.seen(&connection, &id).await
    }

    async fn keep_webhook(&self, doc: &Doc, expected: i64) -> Result<i64, WebhookError> {
        let record = RecordWrite {
            kind: WEBHOOK.into(),
            id: doc.id.clone(),
            expected,
            due: None,
            open: true,
            subjects: Vec::new(),
            at: self.clock.now(),
            data: self.store.sealer().seal_json(doc),
        };
        match self.store.keep_record(record).await? {
            Recorded::Done(version) => Ok(version),
            Recorded::Stale => Err(WebhookError::Stale),
        }
    }

    /// Changes an endpoint. `expected`: the version that the caller saw; `None`: whichever is there.
    async fn change(
        &self,
        id: &str,
        expected: Option<i64>,
        by: &str,
        change: impl Fn(&mut Doc) -> Result<(), WebhookError>,
    ) -> Result<Arc<ConnectionRuntime>, WebhookError> {
        let connection = self.webhook(id)?;
        let _one = self.webhooks.changing.lock().await;
        for _ in 0..TRIES {
            let row = self.store.record(WEBHOOK, id).await?;
            let terms = row.as_ref().and_then(read).ok_or_else(|| WebhookError::NotFound(id.to_owned()))?;
            if expected.is_some_and(|e| e != terms.version) {
                return Err(WebhookError::Stale);
            }
            let mut doc = terms.doc;
            change(&mut doc)?;
            (doc.changed_at, doc.changed_by) = (self.clock.now(), by.to_owned());
            self.check(&doc).await?;
            match self.keep_webhook(&doc, terms.version).await {
                Err(WebhookError::Stale) if expected.is_none() => {}
                Err(e) => return Err(e),
                Ok(version) => {
                    take_terms(&connection, Terms { doc, version });
                    self.store.tell(News::NODES);
                    return Ok(connection);
                }
            }
        }
        Err(WebhookError::Stale)
    }

    /// Nothing more begins for it. Whoever serves it ends the rest ([`Self::finish_removal`]).
    async fn remove_webhook(
        self: Arc<Self>,
        id: String,
        expected: Option<i64>,
        by: String,
    ) -> Result<(), WebhookError> {
        let connection = self.webhook(&id)?;
        let _one = self.webhooks.changing.lock().await;
        let row = self.store.record(WEBHOOK, &id).await?;
        let terms = row.as_ref().and_then(read).ok_or_else(|| WebhookError::NotFound(id.clone()))?;
        if expected.is_some_and(|e| e != terms.version) {
            return Err(WebhookError::Stale);
        }
        let mut doc = terms.doc;
        (doc.leaving, doc.changed_at, doc.changed_by) = (true, self.clock.now(), by);
        let version = self.keep_webhook(&doc, terms.version).await?;
        take_terms(&connection, Terms { doc, version });
        self.store.tell(News::NODES);
        Ok(())
    }

    /// What was queued for it is withdrawn; when nothing is out any more, it goes. False: something is, and its
    /// outcome comes first. The record goes last, so that a crash leaves the rest to be finished.
    pub(super) async fn finish_removal(&self, connection: &ConnectionRuntime, terms: &Terms) -> Result<bool, Error> {
        self.end_effects(connection, &[EffectState::Queued], EffectState::Withdrawn).await?;
        self.end_effects(connection, &[EffectState::Dead, EffectState::Unknown], EffectState::Dropped).await?;
        let open = EffectFilter {
            states: vec![EffectState::Calling, EffectState::Queued],
            connection: Some(connection.id),
            limit: 1,
            ..EffectFilter::default()
        };
        if !self.store.effects(open).await?.rows.is_empty() {
            return Ok(false);
        }
        self.store.end_pause(PauseKind::Connection, connection.name()).await?;
        self.store.drop_record(WEBHOOK, &terms.doc.id, terms.version).await?;
        self.let_go(connection);
        self.store.tell(News::NODES);
        Ok(true)
    }

    /// Ends all effects of a connection that are in these states.
    async fn end_effects(
        &self,
        connection: &ConnectionRuntime,
        from: &'static [EffectState],
        to: EffectState,
    ) -> Result<(), Error> {
        let why = serde_json::json!({ "why": "the webhook was removed" });
        self.each_effect(connection, from, |update| {
            update.to = to;
            update.code = Some("webhook_removed".into());
            update.outcome = Some(self.store.sealer().seal_json(&why));
        })
        .await
    }

    /// Changes each effect of a connection that is in one of these states; one that moves meanwhile is left.
    async fn each_effect(
        &self,
        connection: &ConnectionRuntime,
        from: &'static [EffectState],
        change: impl Fn(&mut EffectUpdate),
    ) -> Result<(), Error> {
        let mut below = None;
        loop {
            let filter = EffectFilter {
                states: from.to_vec(),
                connection: Some(connection.id),
                below,
                limit: PAGE,
                ..EffectFilter::default()
            };
            let page = self.store.effects(filter).await?;
            for row in &page.rows {
                let mut update = EffectUpdate {
                    id: row.id,
                    guard: EffectGuard::State(from),
                    to: row.state,
                    not_before: None,
                    code: None,
                    outcome: None,
                    reference: None,
                    renew: None,
                    give_up_at: None,
                    reenters: None,
                };
                change(&mut update);
                let mut work = Work { updates: vec![update], ..Work::default() };
                if !connection.is_own() {
                    work.marks.push(connection.id);
                }
                self.store.work(work).await?;
            }
            below = page.next;
            if below.is_none() {
                return Ok(());
            }
        }
    }

    async fn check(&self, doc: &Doc) -> Result<(), WebhookError> {
        self.check_url(&doc.url).await?;
        if doc.description.as_ref().is_some_and(|d| d.chars().count() > 200) {
            return invalid("description: at most 200 characters");
        }
        if doc.types.is_empty() || doc.types.len() > MOST_TYPES {
            return invalid(format!("types: name 1 to {MOST_TYPES} types of events, such as order.paid, order.* or *"));
        }
        for pattern in &doc.types {
            let known = match pattern.strip_suffix('*') {
                Some("") => true,
                Some(head) => {
                    head.ends_with('.')
                        && (self.catalog.event_types().iter().any(|t| t.starts_with(head))
                            || self.catalog.is_event_type(&format!("{head}any")))
                }
                None => self.catalog.is_event_type(pattern),
            };
            if !known {
                return invalid(format!(
                    "types: no event has the type '{pattern}'; write one such as order.paid, all of a kind as order.*, or * for every one"
                ));
            }
        }
        check_headers(&doc.headers)?;
        let (give_up, pause) = (doc.give_up_after_hours, doc.pause_after_hours);
        if !(2..=LONGEST_HOURS).contains(&give_up) {
            return invalid(format!("give_up_after_hours: 2 to {LONGEST_HOURS}"));
        }
        if !(1..give_up).contains(&pause) {
            return invalid(
                "pause_after_hours: at least 1, and less than give_up_after_hours: what is paused is not given up",
            );
        }
        let live = self.connections.values().any(|c| c.connector().config().environment == Environment::Live);
        let environment = if live { Environment::Live } else { Environment::Sandbox };
        let warning = check_transfer(doc.country.as_deref(), false, doc.transfer.as_ref(), environment);
        match warning {
            Err(why) => invalid(why.replace("connection", "webhook")),
            Ok(Some(why)) => {
                tracing::warn!(webhook = doc.id, "{why}");
                Ok(())
            }
            Ok(None) => Ok(()),
        }
    }

    /// May it be called there? Looked at again at every connection, by the address that its name has then.
    async fn check_url(&self, url: &str) -> Result<(), WebhookError> {
        let private = self.webhooks.allow_private;
        let uri: http::Uri = match url.parse() {
            Ok(uri) if url.len() <= LONGEST_URL && url.bytes().all(|b| b.is_ascii_graphic()) => uri,
            _ => return invalid("url: it is no address such as https://example.com/hooks"),
        };
        let plain = uri.scheme() == Some(&http::uri::Scheme::HTTP);
        if uri.scheme() != Some(&http::uri::Scheme::HTTPS) && !(plain && private) {
            return invalid("url: it must begin with https://");
        }
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) || url.contains('#') {
            return invalid("url: no user, password or fragment belongs there; use headers for what proves who calls");
        }
        let Some(host) = uri.host().map(|h| h.trim_matches(['[', ']'])).filter(|h| !h.is_empty()) else {
            return invalid("url: it names no host");
        };
        if private {
            return Ok(());
        }
        let port = uri.port_u16().unwrap_or(443);
        let addresses = self.client.resolve(host, port).await;
        let Ok(addresses) = addresses.map(|a| a.into_iter().map(|a| a.ip()).collect::<Vec<_>>()) else {
            return invalid(format!("url: {host} has no address now; try again when its name is known"));
        };
        if addresses.is_empty() || !addresses.iter().all(|ip| crate::client::is_public(*ip)) {
            return invalid(format!(
                "url: {host} leads to a loopback, private or metadata address; set allow_private_targets = true under [webhooks] if it is meant"
            ));
        }
        Ok(())
    }

    async fn add_secret(
        &self,
        id: &str,
        secret: &Secret,
        overlap_hours: u32,
        by: &str,
    ) -> Result<Arc<ConnectionRuntime>, WebhookError> {
        check_secret(secret.expose())?;
        if overlap_hours > LONGEST_OVERLAP {
            return invalid(format!("overlap_hours: at most {LONGEST_OVERLAP}"));
        }
        let now = self.clock.now();
        let ends = now.checked_add(SignedDuration::from_hours(i64::from(overlap_hours))).unwrap_or(Timestamp::MAX);
        let fresh = KeptSecret {
            id: self.next_effect_id(now).to_string().replacen("eff_", "whs_", 1),
            secret: secret.expose().to_owned(),
            created_at: now,
            ends_at: None,
        };
        self.change(id, None, by, |doc| {
            doc.secrets.retain(|s| s.signs(now));
            if doc.secrets.iter().any(|s| s.secret == fresh.secret) {
                return invalid("secret: this one signs already");
            }
            if doc.secrets.len() >= MOST_SECRETS {
                return Err(WebhookError::Conflict(format!("{MOST_SECRETS} secrets sign already; end one first")));
            }
            for old in &mut doc.secrets {
                old.ends_at = Some(old.ends_at.map_or(ends, |end| end.min(ends)));
            }
            doc.secrets.insert(0, fresh.clone());
            Ok(())
        })
        .await
    }

    async fn end_secret(&self, id: &str, secret: &str, by: &str) -> Result<Arc<ConnectionRuntime>, WebhookError> {
        let now = self.clock.now();
        self.change(id, None, by, |doc| {
            doc.secrets.retain(|s| s.signs(now));
            let before = doc.secrets.len();
            doc.secrets.retain(|s| s.id != secret);
            if doc.secrets.len() == before {
                return Err(WebhookError::NotFound(secret.to_owned()));
            }
            if doc.secrets.is_empty() {
                return Err(WebhookError::Conflict("it is the only secret; make a new one, which ends it".into()));
            }
            Ok(())
        })
        .await
    }

    async fn resume_webhook(self: Arc<Self>, id: String, by: String) -> Result<Webhook, WebhookError> {
        let connection = self.webhook(&id)?;
        let Some(endpoint) = &connection.endpoint else { return Err(WebhookError::NotFound(id)) };
        // First its time: what waited while it was paused is not given up at its first try.
        let hours = endpoint.terms.load().doc.give_up_after_hours;
        let give_up = self.clock.now().checked_add(SignedDuration::from_hours(i64::from(hours)));
        let give_up = give_up.unwrap_or(Timestamp::MAX);
        self.each_effect(&connection, &[EffectState::Queued], |update| update.give_up_at = Some(give_up)).await?;
        self.forget_failures(&id).await?;
        endpoint.forgive();
        self.resume(PauseKind::Connection, connection.name(), &by).await?;
        if connection.is_own() {
            self.reload_backlog(&connection).await;
        }
        endpoint.wake.notify_waiters();
        self.seen(&connection, &id).await
    }

    /// What is written of its failures is over.
    async fn forget_failures(&self, id: &str) -> Result<(), WebhookError> {
        self.move_place(id, |place| place.failing_since = None).await
    }

    async fn move_place(&self, id: &str, change: impl Fn(&mut Place)) -> Result<(), WebhookError> {
        for _ in 0..TRIES {
            let (row, mut place) = self.webhook_place(id).await?;
            change(&mut place);
            let bytes = serde_json::to_vec(&place).unwrap_or_default();
            let entity = self.own_write(self.own_connection()?, EntityRef::new(PLACE, id), row.as_ref(), &bytes);
            match self.store.work(Work { entities: vec![entity], ..Work::default() }).await? {
                Worked::Done { .. } => return Ok(()),
                Worked::Stale => {}
            }
        }
        Err(Error::Busy.into())
    }

    async fn replay_webhook(self: Arc<Self>, id: String, since: Timestamp) -> Result<Webhook, WebhookError> {
        let connection = self.webhook(&id)?;
        if since > self.clock.now() {
            return invalid("since: that moment has not come yet");
        }
        let from = IdMaker::lowest_at(since) - 1;
        self.move_place(&id, |place| place.after = place.after.min(from)).await?;
        if let Some(endpoint) = &connection.endpoint {
            endpoint.wake.notify_waiters();
        }
        self.seen(&connection, &id).await
    }
}

/// An endpoint goes on with these. Nothing more begins of one that is being removed.
fn take_terms(connection: &ConnectionRuntime, terms: Terms) {
    let Some(endpoint) = &connection.endpoint else { return };
    if terms.doc.leaving {
        connection.lock_lanes(|l| l.halt(true));
    }
    endpoint.terms.store(Arc::new(terms));
    endpoint.wake.notify_waiters();
}

fn read(row: &RecordRow) -> Option<Terms> {
    let doc = serde_json::from_slice(&row.data).ok()?;
    Some(Terms { doc, version: row.version })
}

fn said(text: Option<String>) -> Option<String> {
    text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

fn lower(headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name.trim().to_ascii_lowercase(), value)).collect()
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), WebhookError> {
    if headers.len() > MOST_HEADERS {
        return invalid(format!("headers: at most {MOST_HEADERS}"));
    }
    for (name, value) in headers {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return invalid(format!("headers: '{name}' is no name of a header"));
        }
        if RESERVED.contains(&name.as_str()) || name.starts_with("webhook-") {
            return invalid(format!("headers: '{name}' is set by the hub"));
        }
        if value.len() > 1000 || !value.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return invalid(format!("headers: the value of '{name}' is not plain text of at most 1000 characters"));
        }
    }
    Ok(())
}

impl Engine {
    /// Endpoints of webhooks, the newest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, WebhookError> {
        let mut all = Vec::new();
        for connection in self.inner.webhooks.connections() {
            if connection.endpoint.as_ref().is_some_and(|e| !e.terms.load().doc.leaving) {
                all.extend(self.inner.webhook_view(&connection).await?);
            }
        }
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(all)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn webhook(&self, id: &str) -> Result<Webhook, WebhookError> {
        let connection = self.inner.webhook(id)?;
        self.inner.seen(&connection, id).await
    }

    /// Row of the connection of an endpoint: its effects are found by it.
    #[must_use]
    pub fn webhook_connection(&self, id: &str) -> Option<i64> {
        self.inner.webhook(id).ok().map(|c| c.id)
    }

    /// Makes an endpoint. Its secret must be there.
    ///
    /// # Errors
    /// What is wrong or missing.
    pub async fn create_webhook(&self, new: NewWebhook, by: &str) -> Result<Webhook, WebhookError> {
        let (inner, by) = (self.inner.clone(), by.to_owned());
        whole(async move { inner.create_webhook(new, by).await }).await
    }

    /// Changes an endpoint. `expected`: the version that was seen.
    ///
    /// # Errors
    /// What is wrong, or that another change came first.
    pub async fn change_webhook(
        &self,
        id: &str,
        expected: Option<i64>,
        change: WebhookChange,
        by: &str,
    ) -> Result<Webhook, WebhookError> {
        let (inner, id, by) = (self.inner.clone(), id.to_owned(), by.to_owned());
        whole(async move {
            let apply = |doc: &mut Doc| {
                let change = change.clone();
                doc.url = change.url.map_or_else(|| doc.url.clone(), |u| u.trim().to_owned());
                doc.types = change.types.unwrap_or_else(|| doc.types.clone());
                doc.headers = change.headers.map_or_else(|| doc.headers.clone(), lower);
                doc.give_up_after_hours = change.give_up_after_hours.unwrap_or(doc.give_up_after_hours);
                doc.pause_after_hours = change.pause_after_hours.unwrap_or(doc.pause_after_hours);
                doc.transfer = change.transfer.or_else(|| doc.transfer.clone());
                if change.description.is_some() {
                    doc.description = said(change.description);
                }
                if change.country.is_some() {
                    doc.country = said(change.country);
                }
                Ok(())
            };
            let connection = inner.change(&id, expected, &by, apply).await?;
            inner.seen(&connection, &id).await
        })
        .await
    }

    /// Removes an endpoint, and with it what it has not been sent.
    ///
    /// # Errors
    /// There is none of that id, or another change came first.
    pub async fn remove_webhook(&self, id: &str, expected: Option<i64>, by: &str) -> Result<(), WebhookError> {
        let (inner, id, by) = (self.inner.clone(), id.to_owned(), by.to_owned());
        whole(async move { inner.remove_webhook(id, expected, by).await }).await
    }

    /// A new secret signs from now on; those before go on for so many hours.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn add_webhook_secret(
        &self,
        id: &str,
        secret: &Secret,
        overlap_hours: u32,
        by: &str,
    ) -> Result<Webhook, WebhookError> {
        let (inner, id, by, secret) = (self.inner.clone(), id.to_owned(), by.to_owned(), secret.clone());
        whole(async move {
            let connection = inner.add_secret(&id, &secret, overlap_hours, &by).await?;
            inner.seen(&connection, &id).await
        })
        .await
    }

    /// Ends a secret now.
    ///
    /// # Errors
    /// There is none of that id, or it is the only one.
    pub async fn end_webhook_secret(&self, id: &str, secret: &str, by: &str) -> Result<Webhook, WebhookError> {
        let (inner, id, by, secret) = (self.inner.clone(), id.to_owned(), by.to_owned(), secret.to_owned());
        whole(async move {
            let connection = inner.end_secret(&id, &secret, &by).await?;
            inner.seen(&connection, &id).await
        })
        .await
    }

    /// Sends an event that tells of nothing, once, and says how it was answered.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn test_webhook(&self, id: &str) -> Result<TestOutcome, WebhookError> {
        let connection = self.inner.webhook(id)?;
        let Some(endpoint) = &connection.endpoint else { return Err(WebhookError::NotFound(id.to_owned())) };
        let terms = endpoint.terms.load_full();
        Ok(self.inner.try_webhook(&connection, &terms.doc).await)
    }

    /// Pauses an endpoint: what it is not sent waits in the log.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn pause_webhook(&self, id: &str, reason: Option<String>, by: &str) -> Result<Webhook, WebhookError> {
        let connection = self.inner.webhook(id)?;
        let pause = PauseRow {
            kind: PauseKind::Connection,
            name: connection.name().to_owned(),
            reason: said(reason),
            by: by.to_owned(),
            since: self.inner.clock.now(),
        };
        let inner = self.inner.clone();
        whole(async move { inner.pause(pause).await }).await?;
        self.inner.seen(&connection, id).await
    }

    /// Ends a pause, its own or the hub's. What waits has its whole time again.
    ///
    /// # Errors
    /// There is none of that id, or it is not paused.
    pub async fn resume_webhook(&self, id: &str, by: &str) -> Result<Webhook, WebhookError> {
        let (inner, id, by) = (self.inner.clone(), id.to_owned(), by.to_owned());
        whole(async move { inner.resume_webhook(id, by).await }).await
    }

    /// Sends again, under the same ids and in their order, everything since a moment that it asks for; newer events
    /// come behind.
    ///
    /// # Errors
    /// There is none of that id, or the moment has not come yet.
    pub async fn replay_webhook(&self, id: &str, since: Timestamp) -> Result<Webhook, WebhookError> {
        let (inner, id) = (self.inner.clone(), id.to_owned());
        whole(async move { inner.replay_webhook(id, since).await }).await
    }
}
