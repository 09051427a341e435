//! Settings of the double, with the facts of its one number.

use serde_json::{Value, json};
use std::time::Duration;

/// What the double is set up with.
pub(super) struct Setup {
    pub(super) phone_number_id: String,
    pub(super) waba_id: String,
    /// Digits.
    pub(super) display_phone_number: String,
    verified_name: String,
    /// `None`: any bearer will do.
    pub(super) access_token: Option<String>,
    pub(super) sent_after: Duration,
    pub(super) delivered_after: Duration,
    /// `None`: nobody reads.
    pub(super) read_after: Option<Duration>,
    pub(super) approve_after: Duration,
    pub(super) per_second: usize,
    pub(super) pair_burst: f64,
    pub(super) pair_every: f64,
}

impl Setup {
    pub(super) fn read(settings: &Value) -> Self {
        let text = |name: &str, default: &str| settings.get(name).and_then(Value::as_str).unwrap_or(default).to_owned();
        let number = |name: &str, default: f64| {
            let given = settings.get(name).and_then(Value::as_f64);
            given.filter(|n| n.is_finite() && *n >= 0.0).unwrap_or(default)
        };
        let span = |name: &str, default: f64| Duration::try_from_secs_f64(number(name, default)).unwrap_or_default();
        let display = text("display_phone_number", "576015550199");
        Self {
            phone_number_id: text("phone_number_id", "109283746501928"),
            waba_id: text("waba_id", "104839201177365"),
            display_phone_number: display.chars().filter(char::is_ascii_digit).collect(),
            verified_name: text("verified_name", "Fashionistas Entradas"),
            access_token: settings.get("access_token").and_then(Value::as_str).map(str::to_owned),
            sent_after: span("sent_after", 1.0),
            delivered_after: span("delivered_after", 3.0),
            read_after: match settings.get("read_after") {
                Some(Value::Null) => None,
                _ => Some(span("read_after", 45.0)),
            },
            approve_after: span("approve_after", 60.0),
            per_second: number("per_second", 80.0) as usize,
            pair_burst: number("pair_burst", 45.0).max(1.0),
            pair_every: number("pair_every", 6.0),
        }
    }

    /// Answer of `GET /{phone_number_id}`.
    pub(super) fn number_facts(&self) -> Value {
        let digits = &self.display_phone_number;
        let shown = match (digits.get(..2), digits.get(2..5), digits.get(5..)) {
            (Some(country), Some(area), Some(rest)) => format!("+{country} {area} {rest}"),
            _ => format!("+{digits}"),
        };
        json!({
            "id": self.phone_number_id,
            "display_phone_number": shown,
            "verified_name": self.verified_name,
            "quality_rating": "GREEN",
            "status": "CONNECTED",
            "name_status": "APPROVED",
            "code_verification_status": "VERIFIED",
            "platform_type": "CLOUD_API",
            "throughput": { "level": "STANDARD" },
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
        })
    }
}
