//! What may be sent (G10): one decision for every message of every channel, made where its attempt is recorded.
//!
//! Promise: no message leaves that the rules forbid at that moment. What was read for the decision is named by
//! version in the transaction that records the attempt, so two nodes cannot both find "no contact today", and
//! a consent that is withdrawn meanwhile makes it decide again. What a provider delivers late is not in the hub's
//! hands: guard minutes bound it.
//!
//! [`decide`] says what holds, pure; [`gate`] reads, writes and lets go; [`contacts`] is who was written to.

mod contacts;
mod decide;
mod gate;
mod hours;
mod view;

pub(crate) use contacts::Contacts;
pub(crate) use decide::class_of;
pub(crate) use decide::last_closing;
pub(crate) use gate::Passed;
pub(crate) use hours::is_foreign;
pub use view::{Explained, Explanation};

use jiff::SignedDuration;
use pasarela_colombia::market::{Market, Rule};
use std::sync::Arc;

/// How the hub reads the law where it leaves room. Not legal advice.
#[derive(Debug, Clone)]
pub struct Law {
    /// Hours, holidays and frequency of the country.
    pub market: Arc<dyn Market>,
    /// Nothing is handed over so shortly before the hours end: what counts is when it reaches the person.
    pub guard: SignedDuration,
    /// Must a registry of people who want no advertising have been asked (Ley 2300, art. 5; the RNE)?
    pub registry: Registry,
    /// Does a consent that is newer than the registry's "no" stand against it? An owner accepts that.
    pub newer_consent_stands: bool,
    /// Do the hours hold for people in other countries, on their own clocks?
    pub foreign_hours: bool,
}

/// Whether and how a registry of people who want no advertising is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registry {
    /// An answer younger than the last closing of the registry must be there.
    #[default]
    Required,
    /// Not asked. An owner has decided that.
    Off,
}

impl Default for Law {
    fn default() -> Self {
        Self {
            market: Arc::new(pasarela_colombia::Colombia::default()),
            guard: SignedDuration::from_mins(5),
            registry: Registry::Required,
            newer_consent_stands: false,
            foreign_hours: true,
        }
    }
}

/// Rules that are not the market's: their codes are the outcome's, and pages and screens have their words.
pub(crate) mod rules {
    use super::Rule;
    use pasarela_store::SuppressionCause;
    const fn rule(code: &'static str, article: &'static str) -> Rule {
        Rule { code, article }
    }
    /// An address is not written to, by cause.
    pub(crate) const fn suppressed(cause: SuppressionCause) -> Rule {
        const WISH: &str = "Ley 2300 de 2023, art. 5 par. 2";
        match cause {
            SuppressionCause::Unsubscribed => rule("suppressed_unsubscribed", WISH),
            SuppressionCause::Complained => rule("suppressed_complained", WISH),
            SuppressionCause::Asked => rule("suppressed_asked", WISH),
            SuppressionCause::Bounced => rule("suppressed_bounced", "regla de la casa (el buzón no existe)"),
        }
    }
    /// Absence of consent is no.
    pub(crate) const NO_CONSENT: Rule =
        rule("no_consent", "Ley 1581 de 2012, arts. 4(c) y 9; Decreto 1377 de 2013, art. 7");
    /// The person took it back.
    pub(crate) const WITHDRAWN: Rule =
        rule("consent_withdrawn", "Ley 1581 de 2012, arts. 8(e) y 15; Ley 2300 de 2023, art. 5 par. 2");
    /// It cannot be known who is written to.
    pub(crate) const NO_PERSON: Rule = rule("person_unknown", "Ley 1581 de 2012, art. 9");
    /// No advertising to people under 18.
    pub(crate) const MINOR: Rule = rule("minor", "Ley 1581 de 2012, art. 7");
    /// Data in dispute is not used.
    pub(crate) const CLAIM: Rule = rule("claim_in_process", "Ley 1581 de 2012, art. 15 (lectura estricta)");
    /// The registry says no.
    pub(crate) const REGISTERED: Rule =
        rule("registry_no", "Ley 2300 de 2023, art. 5; registro de números excluidos (CRC)");
    /// The registry's answer is too old, or there is none.
    pub(crate) const REGISTRY_STALE: Rule =
        rule("registry_stale", "Ley 2300 de 2023, art. 5; registro de números excluidos (CRC)");
    /// The moment for which it was meant is over.
    pub(crate) const EXPIRED: Rule = rule("expired", "regla de la casa (expires)");
    /// The provider takes free text only as an answer.
    pub(crate) const CONVERSATION: Rule = rule("outside_conversation", "regla del proveedor (ventana de servicio)");
}
