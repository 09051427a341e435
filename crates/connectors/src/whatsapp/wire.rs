//! What Meta writes, as it writes it (contract, sections 2.2, 7 and 8), and the limits of its
//! fields. Reading is lenient where Meta is: numbers may come as text, optional fields may be
//! absent, `null` or empty.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Longest text message, in characters.
pub(super) const TEXT_MAX: usize = 4096;
/// Longest template body once filled.
pub(super) const BODY_MAX: usize = 1024;
/// Longest payload of a quick reply.
pub(super) const PAYLOAD_MAX: usize = 128;
/// Longest coupon code.
pub(super) const COUPON_MAX: usize = 15;
/// Longest `biz_opaque_callback_data`.
pub(super) const CALLBACK_DATA_MAX: usize = 512;
/// Highest index of a template's button.
pub(super) const LAST_BUTTON: usize = 9;

/// A business-scoped user id: `CO.1502576394655843`, parent ids `CO.ENT.…` (section 3).
pub(super) fn is_user_id(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else {
        return false;
    };
    let rest = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (1..=128).contains(&rest.len())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Lower-case letters, digits and `_`, up to 512 (section 5.1).
pub(super) fn is_template_name(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Body of an answer, whichever call it answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphAnswer {
    #[serde(deserialize_with = "present_error")]
    pub(super) error: Option<GraphError>,
    #[serde(deserialize_with = "lenient")]
    pub(super) contacts: Vec<SentContact>,
    #[serde(deserialize_with = "lenient")]
    pub(super) messages: Vec<SentMessage>,
    #[serde(deserialize_with = "lenient")]
    pub(super) success: Option<bool>,
}

/// Whom a message went to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SentContact {
    #[serde(deserialize_with = "lenient")]
    pub(super) wa_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) user_id: Option<String>,
}

/// The message that was taken.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SentMessage {
    #[serde(deserialize_with = "lenient")]
    pub(super) id: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) message_status: Option<String>,
}

/// An error, in an answer or in a status.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphError {
    #[serde(deserialize_with = "code")]
    pub(super) code: Option<u32>,
    #[serde(deserialize_with = "code")]
    pub(super) error_subcode: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    pub(super) title: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) message: String,
    /// An object with `details`, or a text.
    pub(super) error_data: Value,
    #[serde(deserialize_with = "lenient")]
    pub(super) error_user_msg: String,
    #[serde(deserialize_with = "lenient")]
    pub(super) is_transient: bool,
    #[serde(deserialize_with = "lenient")]
    pub(super) fbtrace_id: String,
}

impl GraphError {
    /// Meta's own words, as far as they help, with the trace that its support asks for.
    pub(super) fn details(&self) -> String {
        let data = match &self.error_data {
            Value::String(text) => text.as_str(),
            other => other.get("details").and_then(Value::as_str).unwrap_or(""),
        };
        let words = [data, &self.error_user_msg, &self.message, &self.title];
        let text = words.into_iter().map(str::trim).find(|t| !t.is_empty()).unwrap_or("");
        let mut out: String = text.chars().take(300).collect();
        if let Some(subcode) = self.error_subcode {
            out.push_str(&format!("; subcode {subcode}"));
        }
        if !self.fbtrace_id.is_empty() {
            let trace: String = self.fbtrace_id.chars().take(64).collect();
            out.push_str(&format!("; fbtrace_id {trace}"));
        }
        out
    }
}

/// Outermost layer of a webhook. Entries and changes are read one by one, so that one that is
/// not understood does not spoil the others.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) object: String,
    pub(super) entry: Vec<Value>,
}

/// One account's part of a webhook.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    /// Absent on the field `messages`.
    #[serde(default)]
    pub(super) time: Value,
    pub(super) changes: Vec<Value>,
}

/// One change.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) field: String,
    #[serde(default)]
    pub(super) value: Value,
}

/// `value` of the fields `messages` and `user_preferences`.
#[derive(Debug, Deserialize)]
pub(super) struct MessagesValue {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) contacts: Vec<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) messages: Vec<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) statuses: Vec<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) user_preferences: Vec<Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) errors: Vec<Value>,
}

/// Which of our numbers it is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    #[serde(deserialize_with = "or_default")]
    pub(super) display_phone_number: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) phone_number_id: String,
}

/// A person as a webhook names them. Any of it may be missing (section 3).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WaContact {
    #[serde(deserialize_with = "or_default")]
    pub(super) profile: Profile,
    #[serde(deserialize_with = "filled")]
    pub(super) wa_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) user_id: Option<String>,
}

/// What a person shows of themselves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
}

/// One of `statuses[]` (section 7.4).
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) timestamp: Value,
    #[serde(default, deserialize_with = "filled")]
    pub(super) recipient_id: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) recipient_user_id: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) recipient_participant_id: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) biz_opaque_callback_data: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) errors: Vec<GraphError>,
}

/// One of `user_preferences[]` (section 7.5).
#[derive(Debug, Deserialize)]
pub(super) struct Preference {
    #[serde(default, deserialize_with = "filled")]
    pub(super) wa_id: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) user_id: Option<String>,
    pub(super) category: String,
    pub(super) value: String,
    #[serde(default)]
    pub(super) timestamp: Value,
}

/// `value` of `message_template_status_update` (section 7.5).
#[derive(Debug, Deserialize)]
pub(super) struct TemplateStatus {
    pub(super) event: String,
    /// A number, today.
    pub(super) message_template_id: Value,
    pub(super) message_template_name: String,
    pub(super) message_template_language: String,
    #[serde(default, deserialize_with = "filled")]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) other_info: Value,
    #[serde(default)]
    pub(super) rejection_info: Value,
}

/// Unix seconds, as text or number.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_i64()?,
    };
    Timestamp::from_second(seconds).ok()
}

/// An id, as text or number.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `null` is the same as absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// A field of another kind than we know is as good as absent: it must not cost the others.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(d: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(d)?).unwrap_or_default())
}

/// An error is an error whatever its form: one that cannot be read is one without a code.
fn present_error<'de, D: Deserializer<'de>>(d: D) -> Result<Option<GraphError>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Null => None,
        other => Some(serde_json::from_value(other).unwrap_or_default()),
    })
}

/// A text; empty is the same as absent (seen for `wa_id` of people with a user name).
fn filled<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.filter(|text| !text.trim().is_empty()))
}

/// A code, as number or text.
fn code<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}
