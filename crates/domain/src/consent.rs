//! Consent (Ley 1581): what a person has allowed, for which purpose, and how that is proven.
//!
//! A [`ConsentRecord`] is one thing that a person said; it is never changed. [`Consents`] is what all of
//! them come to for one e-mail address or one phone. [`ConsentView`] is what flows see.
//! Promise: absent is "no"; the newest word counts, and at the same moment a withdrawal does; a yes counts for
//! what its proof carries, and a minor's never for advertising (colombia.md 1.1 to 1.3).

mod age;
mod analytics;
mod evidence;
mod texts;
mod words;

pub use age::{AgeSaid, is_minor};
pub use analytics::AnalyticsIds;
pub use evidence::{Evidence, Guardian, LegalBasis, Proof, SOURCES};
pub use texts::{Terms, TextError, TextKind, TextVersion};
pub use words::is_opt_out;

use crate::model::Contact;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Purposes that have a name of their own.
pub const PURPOSES: &[&str] = &[
    "sale",
    "event_operation",
    "invoice",
    "marketing",
    "profiling",
    "analytics",
    "ads",
    "transfer_abroad",
    "guardianship",
    PRIVACY,
];
/// Answers to what people ask about their own data. The law demands them (Ley 1581, arts. 14 and 15), so nobody is
/// asked for a yes, and nobody can take one back.
pub const PRIVACY: &str = "privacy";
/// Purposes of which there are many: `third_party_brand:<id>`, `image_use:<campaign>`, `sensitive:<field>`.
pub const PURPOSES_OF: &[&str] = &["third_party_brand", "image_use", "sensitive"];
/// Ways to a person that a consent may be limited to.
pub const CHANNELS: &[&str] = &["whatsapp", "sms", "email", "call", "push", "ads_audience"];
/// Every purpose at once: may only be withdrawn.
pub const EVERYTHING: &str = "all";
/// What counts without a complete proof: what a sale cannot do without, and counting of visits, which was so
/// before the hub knew texts (ADR 0080).
const COUNTS_UNPROVEN: &[&str] = &["sale", "event_operation", "invoice", "analytics"];

/// What a person's own purchase or request cannot do without: no yes is asked for.
const NECESSARY: [&str; 4] = ["sale", "event_operation", "invoice", PRIVACY];

/// Every channel.
const ALL: &str = "*";

/// Is no yes asked for where data is used for this, because a purchase or a request of the person's own needs it?
#[must_use]
pub fn is_necessary(purpose: &str) -> bool {
    NECESSARY.contains(&purpose)
}

/// Is this one of the purposes?
#[must_use]
pub fn is_purpose(text: &str) -> bool {
    let of_many = || {
        text.split_once(':').is_some_and(|(head, id)| {
            PURPOSES_OF.contains(&head)
                && (1..=64).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        })
    };
    PURPOSES.contains(&text) || of_many()
}

/// Does it ask for sensitive data (Ley 1581, arts. 5 and 6)?
#[must_use]
pub fn is_sensitive(purpose: &str) -> bool {
    purpose.starts_with("sensitive:")
}

/// Does a yes for this count only with a complete proof?
#[must_use]
pub fn needs_proof(purpose: &str) -> bool {
    !COUNTS_UNPROVEN.contains(&purpose)
}

/// Is this denied to a minor, whatever was said (colombia.md 1.3)?
#[must_use]
pub fn denied_to_minors(purpose: &str, channel: Option<&str>) -> bool {
    ["marketing", "profiling", "ads"].contains(&purpose)
        || purpose.starts_with("third_party_brand:")
        || channel == Some("ads_audience")
}

/// Given, or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// A provable yes.
    Given,
    /// Taken back.
    Withdrawn,
}

/// One thing that a person said. Immutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConsentRecord {
    /// Id of the record (`cns_...`).
    pub id: String,
    /// Given or taken back.
    pub state: ConsentState,
    /// Purpose.
    pub purpose: String,
    /// Channel that it is limited to; null: every one.
    pub channel: Option<String>,
    /// Who.
    pub contact: Contact,
    /// When the person said it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// When the hub heard of it.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub recorded_at: Timestamp,
    /// What proves it.
    pub evidence: Evidence,
    /// Ids of web analytics that came along.
    #[serde(default)]
    pub analytics: AnalyticsIds,
    /// What allows the treatment.
    #[serde(default)]
    pub legal_basis: LegalBasis,
    /// Date of birth, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub birth_date: Option<Date>,
    /// The person said that they are under 18.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub minor: bool,
    /// Who authorises for a minor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Guardian>,
    /// What the hub found of its proof.
    #[serde(default)]
    pub proof: Proof,
}

/// What a person last said about one purpose and channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Given or taken back.
    pub state: ConsentState,
    /// When.
    pub at: Timestamp,
    /// The record that says so.
    pub record: String,
    /// Its proof is complete.
    #[serde(default)]
    pub proven: bool,
    /// A guardian's own record stands behind it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
    /// Series of the text that was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Channels that the text names; empty: every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// Why there is no yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// Nothing was said: absent is no.
    Absent,
    /// The last word is a withdrawal.
    Withdrawn,
    /// The last word is a yes whose proof is not complete.
    Unproven,
    /// The text that was agreed to does not name this channel.
    ChannelNotTold,
    /// A newer version of the text asks anew for this purpose.
    Reopened,
    /// The person was under 18 when they said it.
    Minor,
    /// The person was under 18, and no guardian's record stands behind it.
    NoGuardian,
}

impl Said {
    fn beats(&self, other: &Self) -> bool {
        let no = |said: &Self| said.state == ConsentState::Withdrawn;
        (self.at, no(self), &self.record) > (other.at, no(other), &other.record)
    }
}

/// All that one e-mail address or phone has said, as a read model. Two of them can be laid over one another in
/// any order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Consents {
    /// Purpose to channel (`*`: every one) to the last word.
    #[serde(default)]
    said: BTreeMap<String, BTreeMap<String, Said>>,
    /// Analytics ids, each with the moment when it was last told.
    #[serde(default)]
    analytics: Vec<(Timestamp, AnalyticsIds)>,
    /// Records, with their moments.
    #[serde(default)]
    records: BTreeMap<String, Timestamp>,
    /// What was said of the person's age.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ages: Vec<AgeSaid>,
}

fn newest<'s>(words: impl Iterator<Item = &'s Said>) -> Option<&'s Said> {
    words.reduce(|best, said| if said.beats(best) { said } else { best })
}

impl Consents {
    /// What one record comes to.
    #[must_use]
    pub fn of(record: &ConsentRecord) -> Self {
        let said = Said {
            state: record.state,
            at: record.at,
            record: record.id.clone(),
            proven: record.proof.complete,
            guarded: record.proof.guarded,
            text: record.proof.text.clone(),
            told: record.proof.channels.clone(),
        };
        let verified = record.evidence.channel.as_deref() == Some("in_person") && record.evidence.reference.is_some();
        let age = (record.birth_date.is_some() || record.minor).then(|| AgeSaid {
            verified: verified && record.birth_date.is_some(),
            at: record.at,
            record: record.id.clone(),
            born: record.birth_date.filter(|_| !record.minor || verified),
        });
        let channel = record.channel.clone().unwrap_or_else(|| ALL.to_owned());
        let analytics =
            if record.analytics.is_empty() { Vec::new() } else { vec![(record.at, record.analytics.clone())] };
        Self {
            said: BTreeMap::from([(record.purpose.clone(), BTreeMap::from([(channel, said)]))]),
            analytics,
            records: BTreeMap::from([(record.id.clone(), record.at)]),
            ages: age.into_iter().collect(),
        }
    }

    /// Lays another one over this one: the newer word of each counts.
    pub fn lay(&mut self, other: Self) {
        for (purpose, channels) in other.said {
            let own = self.said.entry(purpose).or_default();
            for (channel, said) in channels {
                if own.get(&channel).is_none_or(|known| said.beats(known)) {
                    own.insert(channel, said);
                }
            }
        }
        for (at, ids) in other.analytics {
            match self.analytics.iter_mut().find(|(_, known)| *known == ids) {
                Some((known, _)) => *known = (*known).max(at),
                None => self.analytics.push((at, ids)),
            }
        }
        self.analytics.sort_by_key(|(at, _)| *at);
        self.records.extend(other.records);
        self.ages.extend(other.ages);
        self.ages.sort();
        self.ages.dedup();
    }

    /// Is there a yes for this purpose, on this channel or (`None`) on every one? Questions that a newer text has
    /// opened again are not looked at: [`Consents::denied`] does.
    #[must_use]
    pub fn given(&self, purpose: &str, channel: Option<&str>) -> bool {
        self.denied(purpose, channel, &Terms::default(), Timestamp::MAX).is_none()
    }

    /// Why there is no yes for this purpose, on this channel or (`None`) on every one; `None`: there is one. The
    /// computable rule of colombia.md 1.1: the latest word is a yes, its proof is complete, the text was in force
    /// when it was given and asks nothing new since, and the person was not a minor where that forbids it.
    #[must_use]
    pub fn denied(&self, purpose: &str, channel: Option<&str>, terms: &Terms, now: Timestamp) -> Option<Denied> {
        let Some(said) = self.last(purpose, channel) else { return Some(Denied::Absent) };
        if said.state == ConsentState::Withdrawn {
            return Some(Denied::Withdrawn);
        }
        if is_minor(&self.ages, said.at) {
            if denied_to_minors(purpose, channel) {
                return Some(Denied::Minor);
            }
            if !said.guarded {
                return Some(Denied::NoGuardian);
            }
        }
        if needs_proof(purpose) && !said.proven {
            return Some(Denied::Unproven);
        }
        if !said.told.is_empty() && channel.is_none_or(|c| !said.told.iter().any(|t| t == c)) {
            return Some(Denied::ChannelNotTold);
        }
        let reopened = said.text.as_ref().and_then(|name| terms.reopened(name, purpose, now));
        reopened.filter(|from| said.at < *from).map(|_| Denied::Reopened)
    }

    /// The last word on a purpose and a channel, also where it was said of every channel or of everything.
    #[must_use]
    pub fn last(&self, purpose: &str, channel: Option<&str>) -> Option<&Said> {
        newest(self.words(purpose, channel).chain(self.words(EVERYTHING, channel)))
    }

    /// The last word on this very purpose: one on everything does not reach what a purchase needs (Decreto 1377,
    /// art. 9).
    #[must_use]
    pub fn last_named(&self, purpose: &str, channel: Option<&str>) -> Option<&Said> {
        newest(self.words(purpose, channel))
    }

    /// Words on a purpose: of every channel, and of this one.
    fn words(&self, purpose: &str, channel: Option<&str>) -> impl Iterator<Item = &Said> {
        let channels = self.said.get(purpose);
        let of = |name: &str| channels.and_then(|c| c.get(name));
        [of(ALL), channel.and_then(of)].into_iter().flatten()
    }

    /// Was the person under 18 at that moment, as far as they said?
    #[must_use]
    pub fn is_minor_at(&self, moment: Timestamp) -> bool {
        is_minor(&self.ages, moment)
    }

    /// What was said of the person's age.
    #[must_use]
    pub fn ages(&self) -> &[AgeSaid] {
        &self.ages
    }

    /// Last words: purpose, channel (`None`: every one), what was said.
    pub fn said(&self) -> impl Iterator<Item = (&str, Option<&str>, &Said)> {
        self.said.iter().flat_map(|(purpose, channels)| {
            channels
                .iter()
                .map(move |(channel, said)| (purpose.as_str(), (channel != ALL).then_some(channel.as_str()), said))
        })
    }

    /// Ids of the records, newest first.
    #[must_use]
    pub fn records(&self) -> Vec<&str> {
        let mut all: Vec<(&Timestamp, &str)> = self.records.iter().map(|(id, at)| (at, id.as_str())).collect();
        all.sort_by(|a, b| b.cmp(a));
        all.into_iter().map(|(_, id)| id).collect()
    }

    /// What flows see, by these texts, at `now`.
    #[must_use]
    pub fn view(&self, terms: &Terms, now: Timestamp) -> ConsentView {
        let on = |purpose: &str, channel: Option<&str>| self.denied(purpose, channel, terms, now).is_none();
        let given = |purpose: &str| on(purpose, None);
        let last = self.analytics.iter().rev().find(|(_, ids)| ids.ga_client_id.is_some());
        let ids = last.map(|(_, ids)| ids.clone()).unwrap_or_default();
        let named = |channels: &BTreeMap<String, Said>, purpose: &str| -> BTreeMap<String, bool> {
            let limited = channels.keys().filter(|c| *c != ALL);
            let told = channels.get(ALL).into_iter().flat_map(|said| &said.told);
            limited.chain(told).map(|channel| (channel.clone(), on(purpose, Some(channel)))).collect()
        };
        ConsentView {
            sale: given("sale"),
            event_operation: given("event_operation"),
            invoice: given("invoice"),
            marketing: given("marketing"),
            profiling: given("profiling"),
            analytics: given("analytics"),
            ads: given("ads"),
            transfer_abroad: given("transfer_abroad"),
            others: self
                .said
                .keys()
                .filter(|purpose| !PURPOSES.contains(&purpose.as_str()) && *purpose != EVERYTHING)
                .map(|purpose| (purpose.clone(), given(purpose)))
                .collect(),
            channels: self
                .said
                .iter()
                .map(|(purpose, channels)| (purpose.clone(), named(channels, purpose)))
                .filter(|(_, channels)| !channels.is_empty())
                .collect(),
            ga_client_id: ids.ga_client_id,
            ga_session_id: ids.ga_session_id,
            preferences: None,
            my_data: None,
        }
    }
}

/// What a person has allowed, as flows see it (`{{ consent.analytics }}`). Absent is "no".
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConsentView {
    /// To perform the sale.
    pub sale: bool,
    /// To run the event.
    pub event_operation: bool,
    /// To invoice.
    pub invoice: bool,
    /// To be written to for publicity, on every channel.
    pub marketing: bool,
    /// To be profiled.
    pub profiling: bool,
    /// To be counted by web analytics.
    pub analytics: bool,
    /// To be matched for advertisements.
    pub ads: bool,
    /// To have data sent abroad.
    pub transfer_abroad: bool,
    /// Other purposes, such as `image_use:<campaign>`.
    pub others: BTreeMap<String, bool>,
    /// Purpose to channel, where a person has limited it to one.
    pub channels: BTreeMap<String, BTreeMap<String, bool>>,
    /// Client id of Google Analytics, if the person's browser told one.
    pub ga_client_id: Option<String>,
    /// Session id beside it.
    pub ga_session_id: Option<String>,
    /// Address of the person's own page of preferences. Made by the hub when a flow asks for it; nobody keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferences: Option<String>,
    /// Address of what the hub holds about the person; it works for a day. Made like `preferences`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub my_data: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentState::{Given, Withdrawn};

    fn said(n: u8, purpose: &str, channel: Option<&str>, state: ConsentState, at: i64) -> ConsentRecord {
        ConsentRecord {
            id: format!("cns_{n}"),
            state,
            purpose: purpose.into(),
            channel: channel.map(str::to_owned),
            contact: Contact::default(),
            at: second(at),
            recorded_at: second(at),
            evidence: Evidence::default(),
            analytics: AnalyticsIds { ga_client_id: Some(format!("{n}.7")), ga_session_id: None },
            legal_basis: LegalBasis::Consent,
            birth_date: None,
            minor: false,
            guardian: None,
            proof: Proof { complete: true, ..Proof::default() },
        }
    }

    fn record(n: u8, purpose: &str, channel: Option<&str>, state: ConsentState, at: i64) -> Consents {
        Consents::of(&said(n, purpose, channel, state, at))
    }

    fn laid(records: impl IntoIterator<Item = Consents>) -> Consents {
        records.into_iter().fold(Consents::default(), |mut all, one| {
            all.lay(one);
            all
        })
    }

    #[test]
    fn the_newest_word_counts_in_whatever_order_it_comes() {
        let records = [
            record(1, "analytics", None, Given, 0),
            record(2, "analytics", None, Withdrawn, 20),
            record(3, "analytics", None, Given, 10),
            record(4, "marketing", Some("email"), Given, 5),
            record(5, "marketing", None, Withdrawn, 3),
        ];
        let forth = laid(records.clone());
        assert_eq!(forth, laid(records.clone().into_iter().rev()));
        assert_eq!(forth, laid(records.clone().into_iter().chain(records)), "twice is once");
        assert!(!forth.given("analytics", None), "the last word was a no");
        assert!(forth.given("marketing", Some("email")) && !forth.given("marketing", None));
        assert!(!forth.given("marketing", Some("whatsapp")) && !forth.given("ads", None), "absent is no");
        assert_eq!(forth.records().first(), Some(&"cns_2"));
        let view = forth.view(&Terms::default(), Timestamp::MAX);
        assert_eq!((view.ga_client_id.as_deref(), view.channels["marketing"]["email"]), (Some("2.7"), true));
    }

    #[test]
    fn a_withdrawal_of_everything_ends_what_was_given_for_a_channel_before_it() {
        let both = laid([record(1, "marketing", Some("email"), Given, 5), record(2, "marketing", None, Withdrawn, 9)]);
        assert!(!both.given("marketing", Some("email")));
        let at_once = laid([record(1, "ads", None, Given, 5), record(2, "ads", None, Withdrawn, 5)]);
        assert!(!at_once.given("ads", None), "at the same moment the no counts");
    }

    #[test]
    fn purposes_are_known_by_name() {
        for good in ["analytics", "third_party_brand:casa-aurora", "image_use:c2026.1"] {
            assert!(is_purpose(good), "{good}");
        }
        for bad in ["", "Analytics", "spam", "image_use:", "image_use:a b", "sale:1"] {
            assert!(!is_purpose(bad), "{bad}");
        }
    }

    fn version(n: u32, purposes: &[&str], from: i64) -> TextVersion {
        TextVersion {
            id: format!("consent:v{n}:es-CO"),
            kind: TextKind::Consent,
            name: "general".into(),
            version: format!("v{n}"),
            locale: "es-CO".into(),
            text: format!("Autorizo, versión {n}."),
            sha256: format!("{n:064}"),
            purposes: purposes.iter().map(|p| (*p).to_owned()).collect(),
            channels: Vec::new(),
            reopens: Vec::new(),
            notice: None,
            in_force_from: second(from),
            added_at: second(0),
        }
    }

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + n).unwrap()
    }

    fn judged(terms: &Terms, purpose: &str, version: &str, at: i64) -> Result<Proof, TextError> {
        let mut evidence = Evidence {
            channel: Some("form".into()),
            text_version: Some(version.into()),
            ip_hash: Some("9f2c".into()),
            ..Evidence::default()
        };
        terms.judge(Given, purpose, None, LegalBasis::Consent, &mut evidence, second(at))
    }

    #[test]
    fn a_text_proves_what_it_asks_for_while_it_is_in_force() {
        let terms = Terms::new(vec![version(2, &["marketing", "profiling"], 100), version(1, &["marketing"], 0)]);
        assert!(judged(&terms, "marketing", "v1", 99).unwrap().complete);
        assert!(judged(&terms, "marketing", "v2", 100).unwrap().complete);
        for (purpose, version, at, words) in [
            ("marketing", "v1", 100, "not in force any more"),
            ("marketing", "v2", 99, "in force from"),
            ("profiling", "v1", 50, "asks for marketing, and not for 'profiling'"),
            ("marketing", "v9", 50, "no consent of that version is known"),
        ] {
            let why = judged(&terms, purpose, version, at).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
        let unknown = judged(&Terms::default(), "marketing", "v1", 5).unwrap();
        assert!(!unknown.complete && unknown.missing.len() == 1, "{unknown:?}");
        let contract = LegalBasis::Contract;
        let mut bare =
            Evidence { channel: Some("import".into()), reference: Some("pedido 7".into()), ..Evidence::default() };
        assert!(terms.judge(Given, "sale", None, contract, &mut bare, second(5)).unwrap().complete);
        assert!(!terms.judge(Given, "marketing", None, contract, &mut bare, second(5)).unwrap().complete);
    }

    #[test]
    fn a_version_is_never_changed_and_a_new_way_of_use_opens_its_question_only() {
        let first = Terms::new(vec![version(1, &["marketing", "profiling"], 0)]);
        let why = first.check(&version(1, &["marketing"], 9)).unwrap_err().to_string();
        assert!(why.contains("never changed"), "{why}");
        let mixed = first.check(&version(2, &["marketing", "sensitive:access_needs"], 9)).unwrap_err().to_string();
        assert!(mixed.contains("split it"), "{mixed}");
        let mut second_version = version(2, &["marketing", "profiling"], 100);
        second_version.reopens = vec!["profiling".into()];
        first.check(&second_version).unwrap();
        let terms = Terms::new(vec![version(1, &["marketing", "profiling"], 0), second_version]);
        let mut words = Consents::default();
        for (n, purpose) in [(1, "marketing"), (2, "profiling")] {
            let mut record = said(n, purpose, None, Given, 50);
            record.proof.text = Some("general".into());
            words.lay(Consents::of(&record));
        }
        let denied = |purpose: &str, now: i64| words.denied(purpose, None, &terms, second(now));
        assert_eq!((denied("marketing", 99), denied("profiling", 99)), (None, None));
        assert_eq!((denied("marketing", 100), denied("profiling", 100)), (None, Some(Denied::Reopened)));
    }

    #[test]
    fn a_minor_is_never_advertised_to_and_needs_a_guardian_for_the_rest() {
        let word = |n: u8, purpose: &str, at: i64, guarded: bool, born: Option<&str>| {
            let mut record = said(n, purpose, None, Given, at);
            record.proof.guarded = guarded;
            record.birth_date = born.map(|b| b.parse().unwrap());
            Consents::of(&record)
        };
        // The moments are of 18 November 2026.
        let young = laid([
            word(1, "marketing", 5, true, Some("2010-05-01")),
            word(2, "sale", 6, false, None),
            word(3, "event_operation", 7, true, None),
        ]);
        let why = |purpose: &str, channel| young.denied(purpose, channel, &Terms::default(), Timestamp::MAX);
        assert_eq!(why("marketing", None), Some(Denied::Minor), "whatever was given");
        assert_eq!((why("sale", None), why("event_operation", None)), (Some(Denied::NoGuardian), None));
        assert_eq!(why("event_operation", Some("ads_audience")), Some(Denied::Minor));
        let told_later = laid([word(1, "marketing", 5, false, None), word(2, "sale", 90, false, Some("2010-05-01"))]);
        assert!(!told_later.given("marketing", None), "the age counts for what was said before it was known");
    }

    #[test]
    fn what_is_not_proven_counts_for_no_advertising_and_a_text_for_the_channels_that_it_names() {
        let bare = |purpose: &str| {
            let mut record = said(1, purpose, None, Given, 5);
            record.proof = Proof::default();
            Consents::of(&record)
        };
        assert!(bare("analytics").given("analytics", None) && bare("sale").given("sale", None));
        for purpose in ["marketing", "profiling", "ads", "transfer_abroad", "image_use:c1", "sensitive:access_needs"] {
            assert_eq!(bare(purpose).denied(purpose, None, &Terms::default(), Timestamp::MAX), Some(Denied::Unproven));
        }
        let mut record = said(1, "marketing", None, Given, 5);
        record.proof.channels = vec!["email".into()];
        let told = Consents::of(&record);
        assert!(told.given("marketing", Some("email")));
        assert!(!told.given("marketing", Some("whatsapp")) && !told.given("marketing", None));
        let everything = laid([told, record_of_everything(6)]);
        assert!(!everything.given("marketing", Some("email")), "everything was taken back");
    }

    fn record_of_everything(at: i64) -> Consents {
        Consents::of(&said(9, EVERYTHING, None, Withdrawn, at))
    }

    /// The rule of colombia.md 1.1, written once more and as plainly as can be: over all records, in a list.
    fn allowed(records: &[ConsentRecord], purpose: &str, channel: &str) -> bool {
        let about = records.iter().filter(|r| {
            (r.purpose == purpose || r.purpose == EVERYTHING) && r.channel.as_deref().is_none_or(|c| c == channel)
        });
        let Some(last) = about.max_by_key(|r| (r.at, r.state == Withdrawn, &r.id)) else { return false };
        let minor = records.iter().filter_map(|r| r.birth_date).any(|born| {
            born > Timestamp::from_second(last.at.as_second())
                .map(|t| jiff::tz::offset(-5).to_datetime(t).date())
                .unwrap()
                - jiff::ToSpan::years(18)
        });
        last.state == Given && last.proof.complete && !(minor && (purpose == "marketing" || !last.proof.guarded))
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 300, ..Default::default() })]
        #[test]
        fn no_history_in_any_order_gives_a_yes_that_the_rule_forbids(
            told in proptest::collection::vec((0_usize..3, 0_usize..3, proptest::bool::weighted(0.6), 0_i64..6, proptest::bool::weighted(0.8), proptest::bool::ANY, proptest::bool::weighted(0.15)), 1..12),
            order in proptest::collection::vec(0_usize..12, 0..30),
        ) {
            let channels = [None, Some("email"), Some("whatsapp")];
            let records: Vec<ConsentRecord> = told.iter().enumerate().map(|(n, (purpose, channel, given, at, proven, guarded, young))| {
                let everything = *purpose == 2 && !given;
                let purpose = if everything { EVERYTHING } else { ["marketing", "image_use:c1", "marketing"][*purpose] };
                let state = if *given { Given } else { Withdrawn };
                let mut record = said(u8::try_from(n).unwrap(), purpose, channels[*channel], state, *at);
                record.proof = Proof { complete: *proven, guarded: *guarded, ..Proof::default() };
                record.birth_date = young.then(|| "2012-01-01".parse().unwrap());
                record
            }).collect();
            // Each at least once, and some of them again, in any order.
            let again = order.iter().map(|n| &records[n % records.len()]);
            let all = laid(again.chain(records.iter().rev()).map(Consents::of));
            for purpose in ["marketing", "image_use:c1", "profiling"] {
                for channel in ["email", "whatsapp", "sms"] {
                    proptest::prop_assert_eq!(all.given(purpose, Some(channel)), allowed(&records, purpose, channel), "{} {}", purpose, channel);
                }
            }
        }
    }
}
