//! What proves a consent: where, when and to which text a person said it, who authorised a minor, and what
//! the hub makes of it when it records it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a person may have said it.
pub const SOURCES: &[&str] = &["form", "checkout", "whatsapp", "in_person", "import", "api", "email", "page"];

/// What proves it (colombia.md 1.1; Decreto 1377 of 2013, art. 8).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Where it was said: `form`, `checkout`, `whatsapp`, `in_person`, `import`, `api`, `email`, `page`.
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
    /// Version of the privacy notice that was shown with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_version: Option<String>,
    /// SHA-256 of that notice, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_sha256: Option<String>,
    /// Language of the text: `es-CO`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Hash of the person's network address; never the address itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_hash: Option<String>,
    /// Hash of the name that the person's browser gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent_hash: Option<String>,
    /// The provider's id of the message that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Who wrote it down, where it was said in person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Where more can be found: a scan, a line of an older system, a contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Evidence {
    /// The texts in it, each with its name: all are bounded alike.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        [
            ("text_version", &self.text_version),
            ("notice_version", &self.notice_version),
            ("locale", &self.locale),
            ("ip_hash", &self.ip_hash),
            ("user_agent_hash", &self.user_agent_hash),
            ("message_id", &self.message_id),
            ("operator", &self.operator),
            ("reference", &self.reference),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    /// Is there a trace of the act itself, and not only somebody's word that it happened? What counts as one
    /// depends on where it was said.
    #[must_use]
    pub fn has_trace(&self) -> bool {
        let any = |fields: &[&Option<String>]| fields.iter().any(|f| f.is_some());
        match self.channel.as_deref() {
            Some("form" | "checkout" | "page" | "api") => any(&[&self.ip_hash, &self.user_agent_hash, &self.reference]),
            Some("whatsapp" | "email") => any(&[&self.message_id, &self.reference]),
            Some("in_person") => any(&[&self.operator, &self.reference]),
            Some("import") => self.reference.is_some(),
            _ => false,
        }
    }

    /// What a trace would be, for people.
    #[must_use]
    pub fn wanted_trace(&self) -> &'static str {
        match self.channel.as_deref() {
            Some("whatsapp" | "email") => "message_id or reference",
            Some("in_person") => "operator or reference",
            Some("import") => "reference",
            _ => "ip_hash, user_agent_hash or reference",
        }
    }
}

/// What allows the treatment (Ley 1581, arts. 9 and 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// The person's own yes.
    #[default]
    Consent,
    /// What was bought cannot be delivered without it; only for `sale` and `event_operation`.
    Contract,
    /// A law demands it; only for `invoice`.
    LegalDuty,
}

impl LegalBasis {
    /// Does it carry this purpose without a consent?
    #[must_use]
    pub fn carries(self, purpose: &str) -> bool {
        match self {
            Self::Consent => false,
            Self::Contract => ["sale", "event_operation"].contains(&purpose),
            Self::LegalDuty => purpose == "invoice",
        }
    }
}

/// Who authorises for a person under 18 (Ley 1581, art. 7; Decreto 1377, art. 12).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guardian {
    /// Name.
    pub name: String,
    /// Kind and number of the document: `CC 52100200`.
    pub document: String,
    /// What they are to the minor: `madre`, `padre`, `tutor`.
    pub relationship: String,
    /// The guardian's own record in this ledger (`cns_...`): `guardianship`, or the same purpose, given.
    pub consent: String,
}

/// What the hub found when it recorded a consent. It is never judged again: a text that is known later proves
/// nothing earlier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Nothing is missing: text and notice known and in force when it was said, with a trace of the act.
    pub complete: bool,
    /// What is missing, in words.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Series of the text (`checkout`), where the hub knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Channels that the text names; empty: every one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// A guardian's own record stands behind it.
    #[serde(default)]
    pub guarded: bool,
}
