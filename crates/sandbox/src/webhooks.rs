//! Carries the doubles' webhooks to the hub: at their business time, in their order, as often as
//! the provider would try.
//!
//! One worker per connection sends one webhook after the other. A try that takes longer than
//! [`PATIENCE`] goes on by itself while the next one is sent, so that a hub which hangs on one
//! webhook does not make the provider silent. A failed try of a persistent webhook waits outside
//! the order, as at the providers.

use crate::host::{Connection, Host};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use parking_lot::Mutex;
use pasarela_connector::{Attempts, OutgoingWebhook};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

/// How long the next webhook waits for this one's answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time limit of one try of a persistent webhook.
const TRY_LIMIT: Duration = Duration::from_secs(10);
/// First and longest pause between tries, and how long tries are made at all.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);
/// The longest sleep: a clock that is moved by hand is noticed after this.
const NAP_MAX: Duration = Duration::from_secs(1);
/// What is read of the hub's answer; its connection is used again only when it was read whole.
const ANSWER_MAX: usize = 64 * 1024;

/// Webhooks of one connection that have not ended.
#[derive(Default)]
pub(crate) struct Outbox {
    queues: Mutex<Queues>,
    wake: Notify,
}

#[derive(Default)]
struct Queues {
    /// By business time, then in the order in which they were made.
    due: BTreeMap<(Timestamp, u64), Job>,
    /// Due, but held back until a real moment: by a fault, or until the next try.
    held: BTreeMap<(Instant, u64), Job>,
    trying: usize,
    closed: bool,
}

struct Job {
    number: u64,
    webhook: OutgoingWebhook,
    /// Real time to hold it back once it is due.
    hold: Duration,
    /// When it was first tried.
    began: Option<Instant>,
    pause: Duration,
}

/// What the worker does next.
enum Next {
    Try(Job),
    Sleep(Duration),
    Close,
}

impl Outbox {
    pub(crate) fn push(&self, due: Timestamp, number: u64, hold: Duration, webhook: OutgoingWebhook) {
        let job = Job { number, webhook, hold, began: None, pause: PAUSE_FIRST };
        self.queues.lock().due.insert((due, number), job);
        self.wake.notify_one();
    }

    pub(crate) fn pending(&self) -> usize {
        let queues = self.queues.lock();
        queues.due.len() + queues.held.len() + queues.trying
    }

    /// Forgets what is pending and ends the worker.
    pub(crate) fn close(&self) {
        *self.queues.lock() = Queues { closed: true, ..Queues::default() };
        self.wake.notify_one();
    }

    fn next(&self, host: &Host) -> Next {
        let mut queues = self.queues.lock();
        if queues.closed {
            return Next::Close;
        }
        let now = Instant::now();
        let mut nap = NAP_MAX;
        // Held ones first: a steady stream of new ones must not keep them for ever.
        if let Some(first) = queues.held.first_entry() {
            let until = first.key().0;
            if until <= now {
                let job = first.remove();
                queues.trying += 1;
                return Next::Try(job);
            }
            nap = nap.min(until - now);
        }
        while let Some(first) = queues.due.first_entry() {
            let wait = host.0.clock.sleep_for(first.key().0);
            if !wait.is_zero() {
                nap = nap.min(wait);
                break;
            }
            let mut job = first.remove();
            let hold = std::mem::take(&mut job.hold);
            if hold.is_zero() {
                queues.trying += 1;
                return Next::Try(job);
            }
            nap = nap.min(hold);
            queues.held.insert((now + hold, job.number), job);
        }
        Next::Sleep(nap)
    }

    /// A try has ended; `again` is the job when it is to be tried again.
    fn ended(&self, again: Option<Job>) {
        let mut queues = self.queues.lock();
        // A closed outbox has forgotten its tries already.
        queues.trying = queues.trying.saturating_sub(1);
        if let Some(mut job) = again
            && !queues.closed
        {
            let until = Instant::now() + job.pause;
            job.pause = (job.pause * 2).min(PAUSE_MAX);
            queues.held.insert((until, job.number), job);
        }
        drop(queues);
        self.wake.notify_one();
    }
}

pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(5))
        .build(connector)
}

/// The worker of one connection; ends when its outbox is closed.
pub(crate) async fn work(host: Host, connection: Arc<Connection>) {
    // Dropped with the worker: what is being tried then is cancelled.
    let mut tries = JoinSet::new();
    loop {
        while tries.try_join_next().is_some() {}
        match connection.outbox.next(&host) {
            Next::Close => return,
            Next::Sleep(nap) => {
                // Woken early or not: either way the queues are looked at again.
                let _ = tokio::time::timeout(nap, connection.outbox.wake.notified()).await;
            }
            Next::Try(job) => {
                let (ended, end) = oneshot::channel::<()>();
                let attempt = attempt(host.clone(), Arc::clone(&connection), job);
                tries.spawn(async move {
                    attempt.await;
                    drop(ended);
                });
                // Resolves when the sender is dropped, or patience ends: both mean "the next one".
                let _ = tokio::time::timeout(PATIENCE, end).await;
            }
        }
    }
}

/// One try, with its bookkeeping.
async fn attempt(host: Host, connection: Arc<Connection>, mut job: Job) {
    let (limit, persistent) = match job.webhook.attempts {
        Attempts::Once { timeout } => (timeout, false),
        Attempts::Persistent => (TRY_LIMIT, true),
    };
    let began = *job.began.get_or_insert_with(Instant::now);
    let url = host.hook_url(&connection.name);
    let taken = tokio::time::timeout(limit, post(&host.0.client, &url, &job.webhook)).await;
    let taken = taken.unwrap_or(false);
    let again = !taken && persistent && began.elapsed() < GIVE_UP_AFTER;
    host.count(|t| {
        t.webhooks.sent += u64::from(taken);
        t.webhooks.refused += u64::from(!taken);
        t.webhooks.given_up += u64::from(!taken && !again);
    });
    connection.outbox.ended(again.then_some(job));
}

/// Did the hub take it with a 2xx?
async fn post(client: &Client, url: &str, webhook: &OutgoingWebhook) -> bool {
    let mut request = http::Request::post(url);
    for (name, value) in &webhook.headers.0 {
        // The connection's own headers are the client's business.
        if !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "user-agent") {
            request = request.header(name, value);
        }
    }
    let request = request.header(http::header::USER_AGENT, "pasarela-sandbox").body(Full::new(webhook.body.clone()));
    let Ok(request) = request else { return false };
    let Ok(answer) = client.request(request).await else {
        return false;
    };
    let taken = answer.status().is_success();
    // The answer's text is not needed; an answer that breaks off after its status has still been given.
    let _ = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    taken
}
