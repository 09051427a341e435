//! Settings of one connection. Read strictly: a wrong key or form refuses to start, with a
//! sentence that says what to write instead.

use pasarela_connector::{ApiVersion, ConfigError, ConnectionConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Version of the Graph API that this connector was written against.
pub(super) const GRAPH_VERSION: &str = "v26.0";

/// Versions of the Graph API and their last day, where Meta has announced one (contract, head).
const VERSIONS: [ApiVersion; 6] = [
    ApiVersion { version: GRAPH_VERSION, ends: None },
    ApiVersion { version: "v25.0", ends: Some("2028-07-29") },
    ApiVersion { version: "v24.0", ends: Some("2028-02-18") },
    ApiVersion { version: "v23.0", ends: Some("2027-10-08") },
    ApiVersion { version: "v22.0", ends: Some("2027-05-20") },
    ApiVersion { version: "v21.0", ends: Some("2027-01-21") },
];

/// How long a version lives; `None`: it is not known here.
pub(super) fn life_of(version: &str) -> Option<ApiVersion> {
    VERSIONS.into_iter().find(|known| known.version == version)
}

/// Short languages of flows and the template languages that they mean unless `languages` says
/// otherwise. Meta does no fallback: the code must be the one in which the template was approved.
const LANGUAGES: [(&str, &str); 2] = [("es", "es_CO"), ("en", "en")];

/// Settings of a `whatsapp` connection (contract, section 1).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Id of the sending number (not the number itself). Needed for actions.
    pub phone_number_id: Option<String>,
    /// Id of the WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Version of the Graph API: `v26.0`.
    pub graph_version: String,
    /// Send templates that a step calls `marketing: true` by `/marketing_messages`
    /// (contract, section 2.3).
    pub marketing_endpoint: bool,
    /// Prove each call with the newest of `webhook_secrets`, for apps that require the app secret.
    pub appsecret_proof: bool,
    /// Template language for each short language of the flows: `{ es = "es_CO" }`.
    pub languages: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            phone_number_id: None,
            waba_id: None,
            graph_version: GRAPH_VERSION.to_owned(),
            marketing_endpoint: false,
            appsecret_proof: false,
            languages: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads and checks the settings of a connection.
    pub(super) fn read(config: &ConnectionConfig) -> Result<Self, ConfigError> {
        let settings: Self = config.settings_as()?;
        for (name, id) in [("phone_number_id", &settings.phone_number_id), ("waba_id", &settings.waba_id)] {
            if id.as_deref().is_some_and(|id| !is_id(id)) {
                return Err(config
                    .error(format!("{name} must be the decimal id that Meta shows in WhatsApp Manager, in quotes")));
            }
        }
        if !is_version(&settings.graph_version) {
            return Err(
                config.error(format!("graph_version '{}' should look like {GRAPH_VERSION}", settings.graph_version))
            );
        }
        for (short, code) in &settings.languages {
            if !is_language(code) {
                return Err(config
                    .error(format!("languages.{short} is '{code}': write a template language such as es_CO or en")));
            }
        }
        if settings.appsecret_proof && config.webhook_secrets.is_empty() {
            return Err(config.error("appsecret_proof needs the app secret: put it into webhook_secrets, newest first"));
        }
        if let Some(base) = &config.base_url
            && !base.starts_with("https://")
            && !base.starts_with("http://")
        {
            return Err(config.error("base_url must begin with https:// (or http:// for a double)"));
        }
        Ok(settings)
    }

    /// The template language for what a flow asks for. Codes that no map knows go as they are.
    pub(super) fn language(&self, asked: &str) -> String {
        let code = asked.trim().replace('-', "_");
        self.languages
            .get(&code)
            .cloned()
            .or_else(|| LANGUAGES.iter().find(|(short, _)| *short == code).map(|(_, c)| (*c).to_owned()))
            .unwrap_or(code)
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_version(text: &str) -> bool {
    let number = |n: &str| !n.is_empty() && n.len() <= 3 && n.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor))
}

/// `es`, `es_CO`, `fil`: two or three letters, and a country.
pub(super) fn is_language(code: &str) -> bool {
    let (language, country) = code.split_once('_').map_or((code, None), |(l, c)| (l, Some(c)));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && country.is_none_or(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase()))
}
