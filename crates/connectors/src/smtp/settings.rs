//! Settings of one connection. Read strictly: what cannot work refuses to start, with a sentence that
//! says what to write instead.

use super::wire::{Mailbox, domain_of};
use pasarela_connector::{ConfigError, ConnectionConfig, Environment, mail};
use schemars::JsonSchema;
use serde::Deserialize;

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// TLS is asked for with STARTTLS; a server that offers none gets nothing.
    #[default]
    Starttls,
    /// TLS from the first byte (`smtps://`, port 465).
    Implicit,
    /// In the clear: for a server on this machine, or where you know what you do.
    None,
}

/// Settings of an `smtp` connection.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Who writes: `Fashionistas <boletas@fashionistas.example>`. Needed for actions.
    pub from: Option<String>,
    /// Where answers of people go.
    pub reply_to: Option<String>,
    /// Where mail servers return what they cannot deliver; the sender's address when absent. Pipe it to
    /// the connection's hook.
    pub bounces: Option<String>,
    /// How the way is protected: `starttls`, `implicit` or `none`.
    pub tls: Option<Tls>,
    /// Name that the hub greets with; the sender's domain when absent.
    pub hello: Option<String>,
    /// Way out of advertising, for messages that are it: `mailto:bajas@...` or an `https://` address.
    pub unsubscribe: Option<String>,
}

impl Settings {
    /// Reads and checks the settings of a connection.
    pub(super) fn read(config: &ConnectionConfig) -> Result<Self, ConfigError> {
        let settings: Self = config.settings_as()?;
        for (name, text) in [("from", &settings.from), ("reply_to", &settings.reply_to), ("bounces", &settings.bounces)]
        {
            if let Some(text) = text
                && let Err(why) = Mailbox::read(text)
            {
                return Err(config.error(format!("{name}: {why}")));
            }
        }
        if let Some(hello) = &settings.hello
            && !is_host(hello)
        {
            return Err(config.error(format!("hello '{hello}' should be a host name such as hub.fashionistas.example")));
        }
        if let Some(way) = &settings.unsubscribe
            && !is_way_out(way)
        {
            return Err(config.error(format!("unsubscribe '{way}' should be mailto:ADDRESS or an https:// address")));
        }
        let base = config.base_url.as_deref().unwrap_or_default();
        let implicit = base.starts_with("smtps://");
        if !base.is_empty() && !implicit && !base.starts_with("smtp://") {
            return Err(config.error(format!("base_url '{base}' must begin with smtp:// or smtps://")));
        }
        match settings.tls {
            Some(Tls::Implicit) if !base.is_empty() && !implicit => {
                return Err(config.error("tls = \"implicit\" goes with smtps:// in base_url"));
            }
            Some(Tls::Starttls | Tls::None) if implicit => {
                return Err(
                    config.error("smtps:// in base_url is TLS from the first byte: leave tls out, or write smtp://")
                );
            }
            Some(Tls::None) if config.environment == Environment::Live && !is_loopback(base) => {
                return Err(config.error(
                    "tls = \"none\" would send people's mail and the password in the clear: a live connection may do \
                     that only to a server on this machine",
                ));
            }
            _ => {}
        }
        Ok(settings)
    }

    /// The server's address, with how the way is protected.
    pub(super) fn url(&self, config: &ConnectionConfig) -> Option<String> {
        let base = config.base_url.as_deref()?;
        Some(if self.tls == Some(Tls::None) { format!("{base}/?{}", mail::PLAIN) } else { base.to_owned() })
    }

    /// How the hub greets.
    pub(super) fn hello(&self) -> String {
        let own = || Some(domain_of(Mailbox::read(self.from.as_deref()?).ok()?.address.as_str()).to_owned());
        self.hello.clone().or_else(own).unwrap_or_else(|| "localhost".into())
    }
}

/// `mailto:` or `https:`, without what would break a header.
pub(super) fn is_way_out(way: &str) -> bool {
    let clean = way.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b','));
    let address = way.strip_prefix("mailto:").map(|rest| rest.split('?').next().unwrap_or_default());
    clean && (way.starts_with("https://") || address.is_some_and(|a| Mailbox::read(a).is_ok()))
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn is_loopback(base: &str) -> bool {
    let host = base.split("://").nth(1).unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
    let host = host.trim_end_matches(':').trim_matches(['[', ']']);
    // "127.0.0.1" loses its last number above: what is left tells all the same.
    host == "localhost" || host.starts_with("127.") || host == "::" || host == "::1"
}
