//! Inputs of the actions, as flows write them under `with:`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Input of `send_template` (contract, section 2.1).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendTemplate {
    /// Phone in international form, `+573001234567`. May be null when `recipient` is there.
    #[serde(default)]
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    pub to: Option<String>,
    /// WhatsApp's own id of the person (`CO.1502576394655843`), used when there is no `to`.
    #[serde(default)]
    pub recipient: Option<String>,
    /// Name of the template.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,512}$"))]
    pub template: String,
    /// `es`, `en` (mapped by the connection's `languages`) or the template's own code, `es_CO`.
    #[schemars(length(min = 2))]
    pub language: String,
    /// Values of the body's variables: a list for `{{1}}`, `{{2}}`; an object for named ones.
    #[serde(default)]
    pub params: Params,
    /// What the template's header needs, if it has a variable or a file.
    #[serde(default)]
    pub header: Option<Header>,
    /// What the template's buttons need, in their order.
    #[serde(default)]
    pub buttons: Vec<Button>,
    /// Id of the message that this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Is the template of category MARKETING? Decides the door when the connection has
    /// `marketing_endpoint`.
    #[serde(default)]
    pub marketing: bool,
}

/// Input of `send_text`: free text, only within 24 hours of the person's last message
/// (contract, section 6).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendText {
    /// Phone in international form. May be null when `recipient` is there.
    #[serde(default)]
    #[schemars(regex(pattern = r"^\+[1-9][0-9]{7,14}$"))]
    pub to: Option<String>,
    /// WhatsApp's own id of the person, used when there is no `to`.
    #[serde(default)]
    pub recipient: Option<String>,
    /// The text, up to 4096 characters.
    #[schemars(length(min = 1, max = 4096))]
    pub text: String,
    /// Show a preview of the first link.
    #[serde(default)]
    pub preview_url: bool,
    /// Id of the message that this one answers.
    #[serde(default)]
    pub reply_to: Option<String>,
}

/// Input of `mark_read`: shows the blue ticks for this and every earlier message of the chat.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkRead {
    /// Id of the person's message.
    #[schemars(length(min = 1))]
    pub message_id: String,
    /// Show the typing dots until the answer comes, at most 25 seconds.
    #[serde(default)]
    pub typing: bool,
}

/// Values of a template's variables. Texts, numbers and truth values; never empty.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Params {
    /// For `{{1}}`, `{{2}}`, in order.
    Positional(Vec<Value>),
    /// By name.
    Named(Map<String, Value>),
}

impl Default for Params {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

/// What a template's header needs: exactly one of these.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Header {
    /// Value of the header's variable.
    pub text: Option<String>,
    /// Name of the header's variable, in a template with named ones.
    pub name: Option<String>,
    /// Picture.
    pub image: Option<Media>,
    /// Film.
    pub video: Option<Media>,
    /// Document: a ticket as PDF.
    pub document: Option<Media>,
    /// Place.
    pub location: Option<Location>,
}

/// A file: by link or by the id of an upload, not both.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Public `https` address. Meta keeps what it fetched for ten minutes: a changed file needs
    /// another address.
    pub link: Option<String>,
    /// Id of an uploaded file.
    pub id: Option<String>,
    /// Name that the person sees; documents only.
    pub filename: Option<String>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Name of the place.
    #[serde(default)]
    pub name: Option<String>,
    /// Street address.
    #[serde(default)]
    pub address: Option<String>,
}

/// What one button needs: exactly one of `url`, `payload`, `coupon`, `flow_token`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Button {
    /// Place among all buttons of the template, from 0; its place in this list when absent.
    #[schemars(range(max = 9))]
    pub index: Option<u8>,
    /// What replaces the variable at the end of the button's address; the code of an
    /// authentication template.
    pub url: Option<String>,
    /// What comes back when the person presses a quick reply, up to 128 characters.
    pub payload: Option<String>,
    /// Code to copy, up to 15 letters and digits.
    pub coupon: Option<String>,
    /// Token of the Flow that the button opens.
    pub flow_token: Option<String>,
    /// Data for that Flow's first screen.
    pub flow_data: Option<Value>,
}
