//! The scheme of verification that the connection names, as the kit knows it. Nothing is let in by default.

use super::super::wire::{Encoding, SignedTime, Unit, Verify};
use pasarela_connector::verify::{self, Gate, Scheme};
use pasarela_connector::{ConfigError, ConnectionConfig};
use std::borrow::Cow;
use std::time::Duration;

/// Tolerance of signed times where the connection sets none; that of the Standard Webhooks rules.
const MAX_AGE: Duration = Duration::from_secs(300);

/// Who may come in.
pub(in super::super) fn gate(verify: Option<Verify>, config: &ConnectionConfig) -> Result<Gate, ConfigError> {
    let header = |setting: &str, name: String| -> Result<Cow<'static, str>, ConfigError> {
        if super::super::effects::is_header_name(&name) {
            Ok(name.to_ascii_lowercase().into())
        } else {
            Err(config
                .error(format!("verify.{setting} = {name:?} is not a header name; write such as \"x-signature\"")))
        }
    };
    let time = |time: SignedTime| {
        Ok(verify::SignedTime {
            header: header("timestamp.header", time.header)?,
            unit: match time.unit {
                Unit::Seconds => verify::Unit::Seconds,
                Unit::Milliseconds => verify::Unit::Milliseconds,
            },
            separator: time.separator.into(),
        })
    };
    let scheme = match verify {
        None => None,
        Some(Verify::HmacSha256 { header: name, encoding, prefix, timestamp }) => Some(Scheme::Hmac(verify::Hmac {
            header: header("header", name)?,
            encoding: match encoding {
                Encoding::Hex => verify::Encoding::Hex,
                Encoding::Base64 => verify::Encoding::Base64,
            },
            prefix: prefix.into(),
            time: timestamp.map(time).transpose()?,
        })),
        Some(Verify::StandardWebhooks {}) => Some(Scheme::StandardWebhooks),
        Some(Verify::Bearer { header: name }) => {
            Some(Scheme::Bearer { header: name.map(|name| header("header", name)).transpose()? })
        }
        Some(Verify::Basic {}) => Some(Scheme::Basic),
    };
    Gate::new(config, scheme, MAX_AGE).map_err(|why| config.error(why))
}
