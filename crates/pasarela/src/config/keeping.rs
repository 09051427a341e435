//! How the store is kept: `[retention]`, and the bounds of `[store]` on what waits.

use super::StoreConfig;
use super::units::{Age, Size, Span};
use pasarela_engine::{IntakeLimits, Keeping, Retention as Ages};
use serde::Deserialize;
use std::time::Duration;

/// `[retention]`: how long what is finished is kept.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Bytes of finished deliveries; the rows stay. At most `deliveries`.
    bodies: Age,
    /// Deliveries of which nothing came: ignored, or known before.
    ignored: Age,
    /// Finished deliveries, once no event of theirs is left.
    deliveries: Age,
    /// Ended runs with their effects and attempts, and ended reads of the hub's own.
    runs: Age,
    /// Events that no run needs.
    events: Age,
    /// Nonces of signatures. Longer than any provider repeats a request.
    replays: Age,
    /// What makes a fact known for all time. When set, longer than `deliveries`, `events` and `runs`: a
    /// forgotten fact comes again as news.
    facts: Age,
    /// Scans at the door: their events, and ended runs of these. Longer than `events`: they go with those.
    scans: Age,
    /// What is known of a person beside what they allowed, of whom nothing was heard for so long: contacts, when they
    /// wrote, what the registry of excluded numbers said. What they allowed stays.
    marketing_profile: Age,
    /// Who said it, in consents, so long after they were taken back. What was said stays, under hashes.
    consent_proofs: Age,
    /// Closed cases, incidents, legal holds and requests for refunds: the ten years of commercial papers (C.Co. art. 60).
    commercial: Age,
    /// Entries of the audit. At least `90d`: an insider is found late.
    audit: Age,
    /// Between two rounds.
    every: Span,
    /// Longest time of a round; the next one goes on.
    budget: Span,
}

impl Default for Retention {
    fn default() -> Self {
        let ages = Ages::default();
        Self {
            bodies: Age(ages.bodies),
            ignored: Age(ages.ignored),
            deliveries: Age(ages.deliveries),
            runs: Age(ages.runs),
            events: Age(ages.events),
            replays: Age(ages.replays),
            facts: Age(ages.facts),
            scans: Age(ages.scans),
            marketing_profile: Age(ages.marketing_profile),
            consent_proofs: Age(ages.consent_proofs),
            commercial: Age(ages.commercial),
            audit: Age(ages.audit),
            every: Span(ages.every),
            budget: Span(ages.budget),
        }
    }
}

/// The shortest age: what a person looks at today is there today.
const SHORTEST: Duration = Duration::from_secs(3600);

/// The shortest age of the audit.
const SHORTEST_AUDIT: Duration = Duration::from_secs(90 * 86_400);

impl Retention {
    /// A sentence when it contradicts itself.
    pub(super) fn check(&self) -> Result<(), String> {
        let named = [
            ("bodies", self.bodies),
            ("ignored", self.ignored),
            ("deliveries", self.deliveries),
            ("runs", self.runs),
            ("events", self.events),
            ("replays", self.replays),
            ("facts", self.facts),
            ("scans", self.scans),
            ("marketing_profile", self.marketing_profile),
            ("consent_proofs", self.consent_proofs),
            ("commercial", self.commercial),
            ("audit", self.audit),
        ];
        if let Some((name, _)) = named.iter().find(|(_, age)| age.0.is_some_and(|a| a < SHORTEST)) {
            return Err(format!("retention.{name} is shorter than an hour; write at least \"1h\", or \"never\""));
        }
        if self.audit.0.is_some_and(|a| a < SHORTEST_AUDIT) {
            return Err("retention.audit is shorter than 90 days; who did what is asked for later than that".into());
        }
        if self.every.0 < Duration::from_secs(1) || self.budget.0 < Duration::from_millis(100) {
            return Err("retention.every is at least \"1s\", and retention.budget at least \"100ms\"".into());
        }
        // A fact that is forgotten before its event would come again as news.
        let longest = [self.deliveries.0, self.events.0, self.runs.0];
        if let Some(facts) = self.facts.0
            && longest.iter().any(|l| l.is_none_or(|l| l >= facts))
        {
            return Err(
                "retention.facts must be longer than retention.deliveries, events and runs: a fact that is forgotten comes again as news when its provider's records are read; \"never\" is the safe value"
                    .into(),
            );
        }
        if let (Some(bodies), Some(deliveries)) = (self.bodies.0, self.deliveries.0)
            && bodies > deliveries
        {
            return Err(
                "retention.bodies is longer than retention.deliveries; a body goes with its delivery at the latest"
                    .into(),
            );
        }
        Ok(())
    }

    /// As the engine takes it.
    pub(crate) fn keeping(&self, store: &StoreConfig) -> Keeping {
        Keeping {
            retention: Ages {
                bodies: self.bodies.0,
                ignored: self.ignored.0,
                deliveries: self.deliveries.0,
                runs: self.runs.0,
                events: self.events.0,
                replays: self.replays.0,
                facts: self.facts.0,
                scans: self.scans.0,
                marketing_profile: self.marketing_profile.0,
                consent_proofs: self.consent_proofs.0,
                commercial: self.commercial.0,
                audit: self.audit.0,
                every: self.every.0,
                budget: self.budget.0,
            },
            intake: IntakeLimits { pending_bytes: store.max_pending.0, disk_free: store.min_free_disk.0 },
        }
    }
}

/// The defaults of `[store]`.
pub(super) fn default_sizes() -> (Size, Size) {
    let limits = IntakeLimits::default();
    (Size(limits.pending_bytes), Size(limits.disk_free))
}
