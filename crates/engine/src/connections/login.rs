//! The credential of a connection: fetched by one call at a time, kept sealed before it is used, renewed
//! early, and given up when the provider refuses it.
//!
//! **Single flight.** Whoever needs a credential waits for the lock; the first fetches it, the others find
//! it. Across nodes the same holds, since a connection is one node's at a time (ADR 0011) and only its node
//! calls: a node that takes it over forgets what it had and reads what was kept, and a passive process
//! beside it fetches nothing that would end what the owner uses.
//!
//! **No storm.** A credential that was refused is fetched anew once. Refused again, the effect is a person's; the
//! third time in a row nothing is fetched for a minute, then for two, up to a quarter of an hour. A login that
//! fails otherwise is not repeated by everybody who waits for it, either. One that is refused for its secret is not
//! repeated for a day: wrong passwords shut accounts. Another secret, or a person who tries again, ends that pause.

use super::ConnectionRuntime;
use crate::client::Client;
use jiff::Timestamp;
use pasarela_connector::{Auth, AuthStep, Ctx, auth};
use pasarela_domain::Clock;
use pasarela_store::Store;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Calls of one login at most.
const MOST_CALLS: usize = 4;
/// After a login that was refused: the secret is wrong, and stays so by itself.
const SHUT: (Duration, Duration) = (Duration::from_secs(24 * 3600), Duration::from_secs(24 * 3600));
/// After a fresh credential was refused, and after a login that failed: the first pause and the longest.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(900));
const FAILED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why there is no credential.
#[derive(Debug, Clone)]
pub(crate) enum AuthTrouble {
    /// A person has to act.
    Refused(String),
    /// Later.
    Later(String),
}

/// What is known of a connection's credential.
#[derive(Default)]
pub(super) struct Login {
    slot: tokio::sync::Mutex<Slot>,
    /// Refusals in a row.
    refusals: AtomicU32,
    /// Counts credentials that were given up, so that many calls that were out with one do not count as many refusals.
    generation: AtomicU32,
}

#[derive(Default)]
struct Slot {
    auth: Option<Auth>,
    /// Until then nothing is fetched.
    pause: Option<(Timestamp, AuthTrouble)>,
    /// Logins in a row that failed.
    failed: u32,
}

impl Slot {
    fn pause(&mut self, now: Timestamp, trouble: AuthTrouble, (first, longest): (Duration, Duration), times: u32) {
        let length = first.saturating_mul(1 << times.min(16)).min(longest);
        self.pause = now.checked_add(length).ok().map(|until| (until, trouble));
    }
}

impl ConnectionRuntime {
    /// Credential for the next call. `fetch`: may one be fetched where none is there?
    pub(crate) async fn credential(
        &self,
        store: &dyn Store,
        client: &Client,
        clock: &dyn Clock,
        fetch: bool,
    ) -> Result<Auth, AuthTrouble> {
        let mut slot = self.login.slot.lock().await;
        let now = clock.now();
        let made = self.connector();
        let connector = &**made;
        let fresh = |auth: &Auth| auth::is_fresh(auth, connector, now);
        if let Some(auth) = slot.auth.as_ref().filter(|a| fresh(a)) {
            return Ok(auth.clone());
        }
        if let Some((until, trouble)) = &slot.pause
            && *until > now
        {
            return Err(trouble.clone());
        }
        let key = format!("login:{}", self.name());
        let ctx = Ctx { now, key: &key, attempt: 1 };
        let mut step = auth::begin(self.manifest(), connector, None, &ctx);
        let mut kept = None;
        if matches!(step, AuthStep::Call(_)) {
            let bytes = store.credential(self.id).await.map_err(|e| AuthTrouble::Later(e.to_string()))?;
            kept = bytes.and_then(|k| serde_json::from_slice::<Auth>(&k).ok());
            // A login costs a call and may end an older session: what was kept is used as long as it lives.
            let good = self.login.refusals.load(Ordering::Relaxed) == 0;
            if let Some(auth) = kept.as_ref().filter(|a| good && fresh(a)) {
                slot.auth = Some(auth.clone());
                return Ok(auth.clone());
            }
            if !fetch {
                let why = "its token is over, and the hub that serves the connection fetches the next one";
                return Err(AuthTrouble::Later(why.into()));
            }
            step = auth::begin(self.manifest(), connector, kept.as_ref(), &ctx);
        }
        for _ in 0..MOST_CALLS {
            match step {
                AuthStep::Ready(auth) => {
                    if (auth.expires.is_some() || auth.refresh.is_some())
                        && let Err(e) = store.keep_credential(self.id, store.sealer().seal_json(&auth)).await
                    {
                        return Err(AuthTrouble::Later(e.to_string()));
                    }
                    (slot.pause, slot.failed) = (None, 0);
                    slot.auth = Some(auth.clone());
                    return Ok(auth);
                }
                AuthStep::Call(request) => {
                    let answer =
                        client.call(&request, &self.extra_headers, self.allow_private, self.limits.timeout).await;
                    step = match answer {
                        Ok(answer) => auth::answered(self.manifest(), connector, kept.as_ref(), &answer, &ctx),
                        Err(no) => AuthStep::Later(no.why),
                    };
                }
                AuthStep::Refused(why) => {
                    self.set_problem(Some(why.clone()));
                    let trouble = AuthTrouble::Refused(why);
                    let times = slot.failed;
                    slot.pause(now, trouble.clone(), SHUT, times);
                    slot.failed = times.saturating_add(1);
                    return Err(trouble);
                }
                AuthStep::Later(why) => {
                    let trouble = AuthTrouble::Later(why);
                    let times = slot.failed;
                    slot.pause(now, trouble.clone(), FAILED, times);
                    slot.failed = times.saturating_add(1);
                    return Err(trouble);
                }
            }
        }
        Err(AuthTrouble::Later("the login asks for more and more calls".into()))
    }

    /// What was logged in with may be another node's by now.
    pub(crate) async fn forget_credential(&self) {
        *self.login.slot.lock().await = Slot::default();
    }

    /// A person has looked at it: what was refused is tried again at once.
    pub(crate) async fn try_anew(&self) {
        let mut slot = self.login.slot.lock().await;
        (slot.pause, slot.failed) = (None, 0);
    }

    /// Which credential the next call will be made with: read before the call, told to
    /// [`Self::credential_refused`] after it.
    pub(crate) fn credential_in_use(&self) -> u32 {
        self.login.generation.load(Ordering::Acquire)
    }

    /// The provider did not accept the credential that a call was made with. True: try again, with a
    /// fresh one. False: a fresh one was refused before, and a person has to act.
    pub(crate) async fn credential_refused(&self, used: u32, now: Timestamp) -> bool {
        let mut slot = self.login.slot.lock().await;
        if used != self.login.generation.load(Ordering::Acquire) {
            // Another call that was out with it has heard the same already.
            return true;
        }
        slot.auth = None;
        self.login.generation.fetch_add(1, Ordering::AcqRel);
        let before = self.login.refusals.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = before.checked_sub(2) {
            let why = "the provider refuses a fresh credential; renew it in the configuration".to_owned();
            slot.pause(now, AuthTrouble::Refused(why), REFUSED, times);
        }
        before == 0
    }

    /// The provider accepted the credential.
    pub(crate) fn credential_accepted(&self) {
        if self.login.refusals.swap(0, Ordering::Relaxed) > 0 {
            self.set_problem(None);
        }
    }
}
