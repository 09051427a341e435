//! Consent (Ley 1581): what a person has allowed, for which purpose, and how that is proven.
//!
//! A [`ConsentRecord`] is one thing that a person said; it is never changed. [`Consents`] is what all of
//! them come to for one e-mail address or one phone. [`ConsentView`] is what flows see.
//! Promise: absent is "no"; the newest word counts, and at the same moment a withdrawal does.

use crate::model::Contact;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Purposes that have a name of their own.
pub const PURPOSES: &[&str] =
    &["sale", "event_operation", "invoice", "marketing", "profiling", "analytics", "ads", "transfer_abroad"];
/// Purposes of which there are many: `third_party_brand:<id>`, `image_use:<campaign>`.
pub const PURPOSES_OF: &[&str] = &["third_party_brand", "image_use"];
/// Ways to a person that a consent may be limited to.
pub const CHANNELS: &[&str] = &["whatsapp", "sms", "email", "call", "push", "ads_audience"];
/// Where a person may have said it.
pub const SOURCES: &[&str] = &["form", "checkout", "whatsapp", "in_person", "import", "api"];

/// Every channel.
const ALL: &str = "*";

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

/// Given, or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// A provable yes.
    Given,
    /// Taken back.
    Withdrawn,
}

/// What proves it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it was said: `form`, `checkout`, `whatsapp`, `in_person`, `import`, `api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// When the person said it; now, when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// Version of the text that the person saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_version: Option<String>,
    /// SHA-256 of the exact text, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<String>,
    /// Language of the text: `es-CO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Hash of the person's network address; never the address itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_hash: Option<String>,
    /// Where more can be found: a message's id, a scan, an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Ids that a web analytics tool gave to the person's browser. Kept only with consent; without them
/// nothing can be erased there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyticsIds {
    /// Client id of Google Analytics: two numbers with a dot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ga_client_id: Option<String>,
    /// Session id of Google Analytics: a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ga_session_id: Option<String>,
}

impl AnalyticsIds {
    /// The ids out of what a page reads in its cookies: `GA1.1.1234.5678` and `GS2.1.s1700000000$o1$g1` are taken
    /// as they are. The error is a sentence for people.
    pub fn read(self) -> Result<Self, String> {
        let ga_client_id = match self.ga_client_id.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            None => None,
            Some(text) => Some(client_id(text).ok_or_else(|| {
                format!("ga_client_id '{}' is not two numbers with a dot, as in the cookie _ga", cut(text))
            })?),
        };
        let ga_session_id = match self.ga_session_id.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            None => None,
            Some(text) => Some(session_id(text).ok_or_else(|| {
                format!("ga_session_id '{}' is not a number, as in the cookie _ga_<stream>", cut(text))
            })?),
        };
        Ok(Self { ga_client_id, ga_session_id })
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ga_client_id.is_none() && self.ga_session_id.is_none()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

fn digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn client_id(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let (a, b) = match parts.as_slice() {
        [a, b] => (a, b),
        [ga, _, a, b] if ga.starts_with("GA") => (a, b),
        _ => return None,
    };
    (digits(a) && digits(b)).then(|| format!("{a}.{b}"))
}

fn session_id(text: &str) -> Option<String> {
    let found = match text.split('.').collect::<Vec<_>>().as_slice() {
        [plain] => plain,
        ["GS1", _, id, ..] => id,
        ["GS2", _, rest, ..] => rest.split('$').next()?.strip_prefix('s')?,
        _ => return None,
    };
    digits(found).then(|| found.to_owned())
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
}

impl Consents {
    /// What one record comes to.
    #[must_use]
    pub fn of(record: &ConsentRecord) -> Self {
        let said = Said { state: record.state, at: record.at, record: record.id.clone() };
        let channel = record.channel.clone().unwrap_or_else(|| ALL.to_owned());
        let analytics =
            if record.analytics.is_empty() { Vec::new() } else { vec![(record.at, record.analytics.clone())] };
        Self {
            said: BTreeMap::from([(record.purpose.clone(), BTreeMap::from([(channel, said)]))]),
            analytics,
            records: BTreeMap::from([(record.id.clone(), record.at)]),
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
    }

    /// Is there a yes for this purpose, on this channel or (`None`) on every one?
    #[must_use]
    pub fn given(&self, purpose: &str, channel: Option<&str>) -> bool {
        let Some(channels) = self.said.get(purpose) else { return false };
        let all = channels.get(ALL);
        let own = channel.and_then(|c| channels.get(c));
        let last = match (all, own) {
            (Some(all), Some(own)) if all.beats(own) => Some(all),
            (all, own) => own.or(all),
        };
        last.is_some_and(|said| said.state == ConsentState::Given)
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

    /// What flows see.
    #[must_use]
    pub fn view(&self) -> ConsentView {
        let given = |purpose| self.given(purpose, None);
        let last = self.analytics.iter().rev().find(|(_, ids)| ids.ga_client_id.is_some());
        let ids = last.map(|(_, ids)| ids.clone()).unwrap_or_default();
        let named = |channels: &BTreeMap<String, Said>, purpose: &str| -> BTreeMap<String, bool> {
            let limited = channels.keys().filter(|c| *c != ALL);
            limited.map(|channel| (channel.clone(), self.given(purpose, Some(channel)))).collect()
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
                .filter(|purpose| !PURPOSES.contains(&purpose.as_str()))
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsentState::{Given, Withdrawn};

    fn record(n: u8, purpose: &str, channel: Option<&str>, state: ConsentState, second: i64) -> Consents {
        let at = Timestamp::from_second(1_795_000_000 + second).unwrap();
        let ids = AnalyticsIds { ga_client_id: Some(format!("{n}.7")), ga_session_id: None };
        Consents::of(&ConsentRecord {
            id: format!("cns_{n}"),
            state,
            purpose: purpose.into(),
            channel: channel.map(str::to_owned),
            contact: Contact::default(),
            at,
            recorded_at: at,
            evidence: Evidence::default(),
            analytics: ids,
        })
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
        let view = forth.view();
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
    fn analytics_ids_are_read_as_the_cookies_have_them() {
        let read = |client: &str, session: &str| {
            AnalyticsIds { ga_client_id: Some(client.into()), ga_session_id: Some(session.into()) }.read()
        };
        let both = |client: &str, session: &str| {
            let ids = read(client, session).unwrap();
            (ids.ga_client_id.unwrap(), ids.ga_session_id.unwrap())
        };
        let wanted = ("1234567890.1700000000".to_owned(), "1700000099".to_owned());
        assert_eq!(both("1234567890.1700000000", "1700000099"), wanted);
        assert_eq!(both("GA1.1.1234567890.1700000000", "GS1.1.1700000099.1.1.1700000100.0.0.0"), wanted);
        assert_eq!(both("GA1.2.1234567890.1700000000", "GS2.1.s1700000099$o1$g0$t1700000100"), wanted);
        assert!(read("ana@correo.example", "1").is_err() && read("1.2", "s9").is_err());
        assert!(AnalyticsIds::default().read().unwrap().is_empty());
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
}
