//! Versions of the texts that people agree to: texts of consent, privacy notices, policies. A version is
//! never changed (colombia.md 1.4; Decreto 1377, arts. 5, 8 and 16).
//!
//! [`Terms`] are all of them. Promise: what a grant names is looked up as it was in force when it was given;
//! a version that asks for something new reopens the question for that purpose only.

use super::evidence::{Evidence, LegalBasis, Proof};
use super::{CHANNELS, ConsentState, PRIVACY, is_purpose, is_sensitive};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// What a person says yes to.
    Consent,
    /// Aviso de privacidad.
    Notice,
    /// Política de tratamiento.
    Policy,
}

impl TextKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Notice => "notice",
            Self::Policy => "policy",
        }
    }

    /// By its name.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        [Self::Consent, Self::Notice, Self::Policy].into_iter().find(|k| k.as_str() == text)
    }
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One version of a text in one language. Immutable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextVersion {
    /// `kind:version:locale`.
    pub id: String,
    /// What it is.
    pub kind: TextKind,
    /// Series in which versions follow one another: `general`, `checkout`.
    pub name: String,
    /// Version, as evidence names it.
    pub version: String,
    /// Language: `es-CO`.
    pub locale: String,
    /// The exact text.
    pub text: String,
    /// SHA-256 of the text as UTF-8, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Purposes that it covers; of a text of consent only.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// Channels that it names; empty: every one.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Purposes that it covers in a new way: what was given before it does not count for them any more.
    #[serde(default)]
    pub reopens: Vec<String>,
    /// Version of the privacy notice that is shown with it.
    #[serde(default)]
    pub notice: Option<String>,
    /// From when it is the text of its series.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub in_force_from: Timestamp,
    /// When it was added.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub added_at: Timestamp,
}

/// Why a text or what names one cannot be used. The sentence is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(pub String);

/// All versions of all texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms(Vec<TextVersion>);

fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or(locale)
}

impl Terms {
    /// Of these versions, in any order.
    #[must_use]
    pub fn new(mut all: Vec<TextVersion>) -> Self {
        all.sort_by(|a, b| (a.in_force_from, &a.id).cmp(&(b.in_force_from, &b.id)));
        Self(all)
    }

    /// All, the earliest in force first.
    #[must_use]
    pub fn all(&self) -> &[TextVersion] {
        &self.0
    }

    /// Is any text of this kind known?
    #[must_use]
    pub fn knows(&self, kind: TextKind) -> bool {
        self.0.iter().any(|t| t.kind == kind)
    }

    /// The version of a series that is in force at a moment: of the language where there is one in it, else
    /// of any.
    #[must_use]
    pub fn in_force(&self, kind: TextKind, name: &str, locale: &str, at: Timestamp) -> Option<&TextVersion> {
        let begun = || self.0.iter().rev().filter(|t| t.kind == kind && t.name == name && t.in_force_from <= at);
        begun()
            .find(|t| t.locale == locale)
            .or_else(|| begun().find(|t| language(&t.locale) == language(locale)))
            .or_else(|| begun().next())
    }

    /// Series of texts of this kind, each once.
    #[must_use]
    pub fn series(&self, kind: TextKind) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().filter(|t| t.kind == kind).map(|t| t.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// When the question was opened again for a purpose: what was given to a text of this series before does
    /// not count at `now`.
    #[must_use]
    pub fn reopened(&self, name: &str, purpose: &str, now: Timestamp) -> Option<Timestamp> {
        let of_series =
            self.0.iter().filter(|t| t.kind == TextKind::Consent && t.name == name && t.in_force_from <= now);
        let (mut last, mut before): (Option<Timestamp>, Option<&TextVersion>) = (None, None);
        for text in of_series {
            let covers = text.purposes.iter().any(|p| p == purpose);
            let asked = text.reopens.iter().any(|p| p == purpose);
            // Another language of the same version asks for nothing new.
            let newly = before.is_some_and(|b| b.version != text.version && !b.purposes.iter().any(|p| p == purpose));
            if covers && (asked || newly) {
                last = last.max(Some(text.in_force_from));
            }
            before = Some(text);
        }
        last
    }

    /// May this version be added beside what is known?
    pub fn check(&self, new: &TextVersion) -> Result<(), TextError> {
        let wrong = |why: String| Err(TextError(why));
        if self.0.iter().any(|t| t.id == new.id) {
            return wrong(format!(
                "the {} '{}' in {} is known already, and a version is never changed: give the new text a new version",
                new.kind, new.version, new.locale
            ));
        }
        for purpose in new.purposes.iter().chain(&new.reopens) {
            if !is_purpose(purpose) || purpose == PRIVACY {
                return wrong(format!("purposes: '{purpose}' is none; see docs/consents.md"));
            }
        }
        if let Some(channel) = new.channels.iter().find(|c| !CHANNELS.contains(&c.as_str())) {
            return wrong(format!("channels: '{channel}' must be one of {}", CHANNELS.join(", ")));
        }
        if new.kind == TextKind::Consent && new.purposes.is_empty() {
            return wrong("purposes: a text of consent covers at least one".into());
        }
        if new.kind != TextKind::Consent
            && !(new.purposes.is_empty() && new.channels.is_empty() && new.reopens.is_empty())
        {
            return wrong(format!(
                "a {} covers no purposes and names no channels; only a text of consent does",
                new.kind
            ));
        }
        if let Some(other) = new.reopens.iter().find(|p| !new.purposes.contains(p)) {
            return wrong(format!("reopens: the text does not cover '{other}'"));
        }
        // Ley 1581 art. 6: its own yes, to a text that asks for nothing else.
        if new.purposes.iter().any(|p| is_sensitive(p)) && !new.purposes.iter().all(|p| is_sensitive(p)) {
            return wrong("a text that asks for sensitive data asks for nothing else: split it".into());
        }
        if let Some(notice) = &new.notice
            && !self.0.iter().any(|t| t.kind == TextKind::Notice && &t.version == notice)
        {
            return wrong(format!("notice: no privacy notice '{notice}' is known; add it first"));
        }
        let own = |t: &&TextVersion| t.kind == new.kind && t.version == new.version;
        if let Some(other) = self
            .0
            .iter()
            .find(|t| own(t) && (t.name != new.name || t.purposes != new.purposes || t.channels != new.channels))
        {
            return wrong(format!(
                "'{}' in {} belongs to the series '{}' and covers {}; all languages of a version say the same",
                new.version,
                other.locale,
                other.name,
                other.purposes.join(", ")
            ));
        }
        let clash = |t: &&TextVersion| {
            t.kind == new.kind && t.name == new.name && t.locale == new.locale && t.in_force_from == new.in_force_from
        };
        if let Some(other) = self.0.iter().find(clash) {
            return wrong(format!("in_force_from: '{}' comes into force at the same moment", other.version));
        }
        Ok(())
    }

    /// The version that evidence names, in force at `at`.
    fn named(
        &self,
        kind: TextKind,
        version: &str,
        sha256: Option<&str>,
        locale: Option<&str>,
        at: Timestamp,
    ) -> Result<&TextVersion, TextError> {
        let field = if kind == TextKind::Notice { "notice" } else { "text" };
        let own: Vec<&TextVersion> = self.0.iter().filter(|t| t.kind == kind && t.version == version).collect();
        if own.is_empty() {
            return Err(TextError(format!(
                "evidence.{field}_version is '{version}', and no {kind} of that version is known; `pasarela texts list` tells which are, `pasarela texts add` adds one"
            )));
        }
        let same = |t: &&&TextVersion| sha256.is_none_or(|hash| t.sha256.eq_ignore_ascii_case(hash));
        let spoken = |t: &&&TextVersion| locale.is_none_or(|l| t.locale == l || language(&t.locale) == language(l));
        let fitting: Vec<&&TextVersion> = own.iter().filter(same).collect();
        if fitting.is_empty() {
            return Err(TextError(format!(
                "evidence.{field}_sha256 is not that of '{version}': the person saw another text than the one that is kept"
            )));
        }
        let text = match fitting.iter().copied().filter(spoken).collect::<Vec<_>>().as_slice() {
            [one] => **one,
            [] => {
                return Err(TextError(format!(
                    "evidence.locale: '{version}' is not kept in '{}'",
                    locale.unwrap_or_default()
                )));
            }
            // Two languages with the very same text are one text.
            [first, rest @ ..] if rest.iter().all(|t| t.sha256 == first.sha256) => **first,
            many => match locale.and_then(|l| many.iter().find(|t| t.locale == l)) {
                Some(exact) => **exact,
                None => {
                    let known: Vec<&str> = many.iter().map(|t| t.locale.as_str()).collect();
                    return Err(TextError(format!(
                        "evidence.locale is missing: '{version}' is kept in {}",
                        known.join(", ")
                    )));
                }
            },
        };
        if text.in_force_from > at {
            return Err(TextError(format!(
                "evidence.{field}_version '{version}' is in force from {} only",
                text.in_force_from
            )));
        }
        let later = self
            .0
            .iter()
            .rev()
            .find(|t| t.kind == kind && t.name == text.name && t.locale == text.locale && t.in_force_from <= at);
        match later {
            Some(newer) if newer.id != text.id => Err(TextError(format!(
                "evidence.{field}_version '{version}' was not in force any more: '{}' is since {}",
                newer.version, newer.in_force_from
            ))),
            _ => Ok(text),
        }
    }

    /// What a statement proves, said at `at`. Evidence is completed with what is kept of the texts. An error:
    /// it names a text that cannot be the one that the person saw, and is no evidence at all.
    pub fn judge(
        &self,
        state: ConsentState,
        purpose: &str,
        channel: Option<&str>,
        basis: LegalBasis,
        evidence: &mut Evidence,
        at: Timestamp,
    ) -> Result<Proof, TextError> {
        let mut proof = Proof::default();
        if state == ConsentState::Withdrawn {
            proof.complete = true;
            return Ok(proof);
        }
        if basis.carries(purpose) && evidence.text_version.is_none() {
            if evidence.reference.is_none() {
                proof.missing.push("evidence.reference: the contract or the law that it rests on".into());
            }
            proof.complete = proof.missing.is_empty();
            return Ok(proof);
        }
        let notice = match &evidence.text_version {
            Some(version) if self.knows(TextKind::Consent) => {
                let text = self.named(
                    TextKind::Consent,
                    version,
                    evidence.text_sha256.as_deref(),
                    evidence.locale.as_deref(),
                    at,
                )?;
                if !text.purposes.iter().any(|p| p == purpose) {
                    return Err(TextError(format!(
                        "'{version}' asks for {}, and not for '{purpose}'",
                        text.purposes.join(", ")
                    )));
                }
                if let Some(channel) =
                    channel.filter(|c| !text.channels.is_empty() && !text.channels.iter().any(|t| t == c))
                {
                    return Err(TextError(format!(
                        "'{version}' names the channels {}, and not '{channel}'",
                        text.channels.join(", ")
                    )));
                }
                evidence.text_sha256 = Some(text.sha256.clone());
                evidence.locale = evidence.locale.take().or_else(|| Some(text.locale.clone()));
                proof.text = Some(text.name.clone());
                proof.channels = text.channels.clone();
                text.notice.clone()
            }
            _ => {
                proof.missing.push("the text: the hub knows none yet; `pasarela texts add` adds it".into());
                None
            }
        };
        if self.knows(TextKind::Notice) {
            match evidence.notice_version.clone().or(notice) {
                Some(version) => {
                    let text = self.named(
                        TextKind::Notice,
                        &version,
                        evidence.notice_sha256.as_deref(),
                        evidence.locale.as_deref(),
                        at,
                    )?;
                    evidence.notice_sha256 = Some(text.sha256.clone());
                    evidence.notice_version = Some(version);
                }
                None => proof.missing.push("evidence.notice_version: the privacy notice that was shown".into()),
            }
        }
        if !evidence.has_trace() {
            proof.missing.push(format!("evidence.{}: a trace of the act itself", evidence.wanted_trace()));
        }
        proof.complete = proof.missing.is_empty();
        Ok(proof)
    }
}
