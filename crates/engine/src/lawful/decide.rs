//! The decision itself: class, suppression, consent, minors, claims, registry, hours, frequency, and the provider's
//! own rules, in this order (market file, section 2.7). Pure: what is known is given, and so is the moment.

use super::contacts::Contacts;
use super::hours::{clocks, is_foreign};
use super::{Law, Registry, rules};
use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::market::{Ask, Channel, Class, Frequency, Market, OwnHours, PastContact, Rule, Span, Window};
use pasarela_domain::EffectId;
use pasarela_domain::consent::{ConsentState, Consents, Said, is_necessary};
use pasarela_domain::standing::{ExtendedHours, Standing};
use pasarela_store::{SuppressionCause, SuppressionRow};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How soon a registry that could not be asked is looked at again.
const REGISTRY_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// A search for an hour that all clocks allow takes no more steps.
const STEPS: usize = 40;

/// A message whose turn has come.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) effect: EffectId,
    pub(crate) now: Timestamp,
    pub(crate) class: Class,
    pub(crate) purpose: &'a str,
    pub(crate) channel: Channel,
    /// E.164, where the address is a phone.
    pub(crate) phone: Option<&'a str>,
    /// Does the input name somebody at all?
    pub(crate) named: bool,
    /// Of no use after this moment.
    pub(crate) expires: Option<Timestamp>,
    /// It waits for the registry no longer than this.
    pub(crate) give_up_at: Timestamp,
    /// The provider takes it only so long after the person wrote.
    pub(crate) answers_within: Option<Duration>,
    /// Connection that sends it.
    pub(crate) connection: &'a str,
}

/// What was read for it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What the address itself has allowed.
    pub(crate) own: Consents,
    /// What all addresses of the person come to.
    pub(crate) all: Consents,
    /// What stands for and against this address, and against all of the person's.
    pub(crate) standing: Standing,
    pub(crate) contacts: Contacts,
    pub(crate) suppression: Option<SuppressionRow>,
    /// The texts that people agreed to.
    pub(crate) texts: std::sync::Arc<pasarela_domain::consent::Terms>,
}

/// What comes of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    /// Not before this moment; then it is decided again, in full.
    Defer(Timestamp),
    /// Not at all.
    Refuse,
    /// The provider would not take it; what stands in for it may.
    Untakable,
}

/// A decision with its reasons.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// What stands in the way.
    pub(crate) rule: Option<Rule>,
    /// Where frequency stands in the way: the contact before.
    pub(crate) previous: Option<PastContact>,
    /// Each rule that was looked at, in order, with what it was looked at with.
    checks: Vec<Value>,
    what: Value,
}

impl Decision {
    /// As it is kept beside the message.
    pub(crate) fn evidence(&self) -> Value {
        let (verdict, until) = match self.verdict {
            Verdict::Allow => ("allow", None),
            Verdict::Defer(until) => ("defer", Some(until)),
            Verdict::Refuse => ("refuse", None),
            Verdict::Untakable => ("not_taken", None),
        };
        json!({
            "verdict": verdict,
            "rule": self.rule.map(|r| r.code),
            "article": self.rule.map(|r| r.article),
            "until": until,
            "message": self.what,
            "checks": self.checks,
        })
    }
}

/// Decides one message.
pub(crate) fn decide(law: &Law, asked: &Asked<'_>, known: &Known) -> Decision {
    let mut draft = Draft { law, asked, known, checks: Vec::with_capacity(8), previous: None };
    let stopped = draft.run();
    let what = json!({
        "class": class_word(asked.class),
        "purpose": asked.purpose,
        "channel": asked.channel.as_str(),
        "at": asked.now,
        "market": law.market.country(),
        "tables": law.market.table_version(),
    });
    let (verdict, rule) = stopped.map_or((Verdict::Allow, None), |(verdict, rule)| (verdict, Some(rule)));
    Decision { verdict, rule, previous: draft.previous, checks: draft.checks, what }
}

type Stop = Option<(Verdict, Rule)>;

struct Draft<'a> {
    law: &'a Law,
    asked: &'a Asked<'a>,
    known: &'a Known,
    checks: Vec<Value>,
    previous: Option<PastContact>,
}

impl Draft<'_> {
    /// The first rule that stands in the way.
    fn run(&mut self) -> Stop {
        self.expiry()
            .or_else(|| self.suppression())
            .or_else(|| self.consent())
            .or_else(|| self.minor())
            .or_else(|| self.claims())
            .or_else(|| self.registry())
            .or_else(|| self.hours_and_frequency())
            .or_else(|| self.conversation())
    }

    fn is_advertising(&self) -> bool {
        self.asked.class == Class::Marketing
    }

    fn is_free(&self) -> bool {
        crate::suppress::is_free(self.asked.class)
    }

    /// Is no yes asked for?
    fn is_necessary(&self) -> bool {
        self.is_free() && is_necessary(self.asked.purpose)
    }

    /// The word that counts for this message. A no to everything does not reach what a purchase needs.
    fn last_of<'c>(&self, consents: &'c Consents) -> Option<&'c Said> {
        let (purpose, channel) = (self.asked.purpose, Some(self.asked.channel.as_str()));
        if self.is_necessary() { consents.last_named(purpose, channel) } else { consents.last(purpose, channel) }
    }

    /// An answer to what the person asks about their own data (Ley 1581, arts. 14 and 15): no wish stops it. What
    /// calls itself that and is advertising or collection is none.
    fn is_duty(&self) -> bool {
        crate::suppress::is_duty(self.asked.class, self.asked.purpose)
    }

    fn note(&mut self, check: &str, facts: Value) {
        let mut row = Map::from_iter([("check".to_owned(), Value::from(check))]);
        if let Value::Object(facts) = facts {
            row.extend(facts);
        }
        self.checks.push(row.into());
    }

    fn expiry(&mut self) -> Stop {
        let expires = self.asked.expires?;
        self.note("expires", json!({ "at": expires }));
        (self.asked.now >= expires).then_some((Verdict::Refuse, rules::EXPIRED))
    }

    fn suppression(&mut self) -> Stop {
        let row = self.known.suppression.as_ref()?;
        let applies = crate::suppress::applies(row.cause, self.asked.class, self.asked.purpose);
        self.note("suppression", json!({ "cause": row.cause.as_str(), "since": row.since, "applies": applies }));
        // A mailbox that is not there is a failure, for which something may stand in. A wish is none.
        let verdict = if row.cause == SuppressionCause::Bounced { Verdict::Untakable } else { Verdict::Refuse };
        applies.then_some((verdict, rules::suppressed(row.cause)))
    }

    /// Whether the purpose and the channel are allowed. What the sale itself needs is, until it is taken back.
    fn consent(&mut self) -> Stop {
        let (purpose, channel) = (self.asked.purpose, self.asked.channel.as_str());
        let free = self.is_necessary();
        if !self.asked.named {
            self.note("consent", json!({ "person": null }));
            return (!free).then_some((Verdict::Refuse, rules::NO_PERSON));
        }
        let own = self.last_of(&self.known.own);
        let all = self.last_of(&self.known.all);
        let withdrawn = !self.is_duty() && all.is_some_and(|said| said.state == ConsentState::Withdrawn);
        // A word of another address of the person takes back, and never gives.
        let revoked = self.known.standing.revoked_all.filter(|at| own.is_none_or(|said| said.at <= *at));
        // By the texts in force: one that asks anew ends what was given to the one before it.
        let gives =
            |words: &Consents| words.denied(purpose, Some(channel), &self.known.texts, self.asked.now).is_none();
        let given = gives(&self.known.own) && gives(&self.known.all) && revoked.is_none();
        let shown = all.or(own);
        self.note(
            "consent",
            json!({
                "needed": !free, "given": given, "record": shown.map(|s| &s.record), "since": shown.map(|s| s.at),
                "revoked_all": revoked,
            }),
        );
        match () {
            () if withdrawn => Some((Verdict::Refuse, rules::WITHDRAWN)),
            () if free || given => None,
            () if revoked.is_some() && own.is_some() => Some((Verdict::Refuse, rules::WITHDRAWN)),
            () => Some((Verdict::Refuse, rules::NO_CONSENT)),
        }
    }

    fn minor(&mut self) -> Stop {
        if !self.is_advertising() {
            return None;
        }
        let today = self.law.market.zone().to_datetime(self.asked.now).date();
        let minor = self.known.standing.is_minor(today);
        self.note("minor", json!({ "under_18": minor }));
        minor.then_some((Verdict::Refuse, rules::MINOR))
    }

    fn claims(&mut self) -> Stop {
        if self.is_free() {
            return None;
        }
        let cases: Vec<&str> = self.known.standing.claims.iter().map(|c| c.case.as_str()).collect();
        let stands = !cases.is_empty();
        self.note("claim", json!({ "cases": cases }));
        stands.then_some((Verdict::Refuse, rules::CLAIM))
    }

    fn registry(&mut self) -> Stop {
        if !self.is_advertising() || is_foreign(self.asked.phone) {
            return None;
        }
        if self.law.registry == Registry::Off {
            self.note("registry", json!({ "asked": "off" }));
            return None;
        }
        let way = match self.asked.channel {
            Channel::Whatsapp | Channel::Push => "app",
            Channel::Sms => "sms",
            Channel::Email => "email",
            Channel::Call => "call",
        };
        let Some(answer) = &self.known.standing.registry else {
            self.note("registry", json!({ "asked_at": null }));
            return self.registry_wanted();
        };
        let refused = answer.refused.iter().any(|r| r == way);
        self.note("registry", json!({ "asked_at": answer.asked_at, "way": way, "refused": refused }));
        if answer.asked_at < last_closing(&*self.law.market, self.asked.now) {
            return self.registry_wanted();
        }
        if !refused {
            return None;
        }
        let consent = self.last_of(&self.known.own);
        let newer = consent.zip(answer.refused_since).is_some_and(|(said, since)| said.at > since);
        let stands = self.law.newer_consent_stands && newer;
        (!stands).then_some((Verdict::Refuse, rules::REGISTERED))
    }

    /// Advertising waits for the registry, and never goes out unasked.
    fn registry_wanted(&self) -> Stop {
        let again = self.asked.now.checked_add(REGISTRY_AGAIN).unwrap_or(Timestamp::MAX);
        let verdict = if again < self.asked.give_up_at { Verdict::Defer(again) } else { Verdict::Refuse };
        Some((verdict, rules::REGISTRY_STALE))
    }

    fn hours_and_frequency(&mut self) -> Stop {
        let asked = self.asked;
        if asked.class == Class::TransactionalUrgent || (self.is_free() && self.is_in_conversation()) {
            return None;
        }
        let own = self.known.standing.extended_hours.as_ref().and_then(own_hours);
        let consent = self.last_of(&self.known.own).map(|said| said.at);
        let own = own.filter(|o| consent.is_none_or(|at| o.count_after(at)));
        let foreign = is_foreign(asked.phone);
        let market = &*self.law.market;
        let zones = match clocks(asked.phone) {
            zones if zones.is_empty() => vec![market.zone().clone()],
            zones => zones,
        };
        let hours = !foreign || self.law.foreign_hours;
        let asks: Vec<Ask<'_>> = zones
            .iter()
            .map(|zone| Ask { channel: asked.channel, class: asked.class, zone, own_hours: own.as_ref() })
            .collect();
        if hours && let Some((until, rule)) = closed(market, &asks, asked.now, self.law.guard) {
            self.note("hours", json!({ "open": false, "opens": until, "foreign": foreign }));
            return Some((Verdict::Defer(until), rule));
        }
        self.note("hours", json!({ "open": true, "bounded": hours, "foreign": foreign }));
        if self.is_free() {
            return None;
        }
        let history = self.known.contacts.but(asked.effect);
        let Frequency::Defer { until, rule, previous } =
            market.frequency(&asks[0], &history, asked.now, self.law.guard)
        else {
            self.note("frequency", json!({ "contacts": history.len(), "allowed": true }));
            return None;
        };
        // An hour that one clock allows, the other may not.
        let until = if hours { closed(market, &asks, until, self.law.guard).map_or(until, |(t, _)| t) } else { until };
        self.previous = Some(previous);
        self.note(
            "frequency",
            json!({
                "contacts": history.len(), "allowed": false,
                "previous": { "at": previous.at, "channel": previous.channel.as_str() },
            }),
        );
        Some((Verdict::Defer(until), rule))
    }

    /// Did the person write to this connection within WhatsApp's day?
    fn is_in_conversation(&self) -> bool {
        let within = Duration::from_secs(24 * 3600);
        self.heard_within(self.asked.answers_within.unwrap_or(within))
    }

    fn heard_within(&self, time: Duration) -> bool {
        let heard = self.known.standing.heard.get(self.asked.connection);
        heard.is_some_and(|at| self.asked.now.duration_since(*at) < SignedDuration::try_from(time).unwrap_or_default())
    }

    fn conversation(&mut self) -> Stop {
        let within = self.asked.answers_within?;
        let open = self.heard_within(within);
        let heard = self.known.standing.heard.get(self.asked.connection);
        self.note("conversation", json!({ "open": open, "heard_at": heard }));
        (!open).then_some((Verdict::Untakable, rules::CONVERSATION))
    }
}

/// When a closed hour opens on all clocks, and by which rule; `None`: it is open on all of them.
fn closed(market: &dyn Market, asks: &[Ask<'_>], at: Timestamp, guard: SignedDuration) -> Option<(Timestamp, Rule)> {
    let (mut until, mut why) = (at, None);
    for _ in 0..STEPS {
        let shut = asks.iter().find_map(|ask| match market.window(ask, until, guard) {
            Window::Closed { opens, rule, .. } => Some((opens, rule)),
            Window::Open { .. } => None,
        });
        match shut {
            Some((opens, rule)) => {
                until = opens;
                why.get_or_insert(rule);
            }
            None => break,
        }
    }
    why.map(|rule| (until, rule))
}

/// The registry closes each night; what it said before does not count after (section 2.6): 03:00 on the country's
/// clock.
pub(crate) fn last_closing(market: &dyn Market, now: Timestamp) -> Timestamp {
    let zone = market.zone();
    let local = zone.to_datetime(now);
    let three = |date: jiff::civil::Date| zone.to_timestamp(date.at(3, 0, 0, 0)).unwrap_or(Timestamp::MAX);
    let today = three(local.date());
    if today <= now { today } else { three(local.date().yesterday().unwrap_or(local.date())) }
}

fn own_hours(asked: &ExtendedHours) -> Option<OwnHours> {
    let minute =
        |time: jiff::civil::Time| u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
    let mut days = [false; 7];
    for day in &asked.days {
        *days.get_mut(usize::from(day.checked_sub(1)?))? = true;
    }
    let span = Span { from: minute(asked.from), to: minute(asked.to) };
    Some(OwnHours { asked_at: asked.asked_at, span, days, holidays: false })
}

/// As a flow writes it.
pub(crate) fn class_word(class: Class) -> &'static str {
    match class {
        Class::TransactionalUrgent => "transactional_urgent",
        Class::Transactional => "transactional",
        Class::Collection => "collection",
        Class::Marketing => "marketing",
    }
}

/// As a flow wrote it; whatever is not known is marketing.
pub(crate) fn class_of(word: Option<&str>) -> Class {
    match word {
        Some("transactional_urgent") => Class::TransactionalUrgent,
        Some("transactional") => Class::Transactional,
        Some("collection") => Class::Collection,
        _ => Class::Marketing,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
