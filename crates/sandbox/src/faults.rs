//! The fault switches, and one-shot scripts. Values only; the draw is in `dice`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest latency that can be asked for: beyond it every caller has given up.
pub(crate) const LATENCY_MAX: Duration = Duration::from_secs(120);

/// How bad the world is. Rates are between 0 and 1; the default is a perfect world.
///
/// A call is hit by at most one of throttle, 500, cut, lost and half (tried in this order, each
/// with its own rate), and may be slow besides.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Least and greatest delay of an answer, in real time; a random part of it lies before the
    /// work and the rest after, so that a caller who gives up does not know. As JSON: `["5ms", "80ms"]`.
    #[serde(with = "latency_text")]
    pub latency: Option<(Duration, Duration)>,
    /// Answered 429 before the work, half of them with `Retry-After`.
    pub p_throttle: f64,
    /// Answered 500 before the work.
    pub p_500: f64,
    /// Connection closed before the work.
    pub p_cut: f64,
    /// Work done, then the connection is closed without an answer.
    pub p_lost: f64,
    /// Work done, half of the answer's body, then the connection is closed.
    pub p_half: f64,
    /// Webhook sent twice.
    pub p_webhook_duplicate: f64,
    /// Webhook held back for up to 1.5 s of real time, so that later ones overtake it.
    pub p_webhook_delay: f64,
    /// Webhook never sent.
    pub p_webhook_drop: f64,
}

/// Why a set of faults cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

impl Faults {
    /// Every fault, at rates at which work still gets done.
    #[must_use]
    pub fn all() -> Self {
        Self {
            latency: Some((Duration::from_millis(5), Duration::from_millis(80))),
            p_throttle: 0.06,
            p_500: 0.04,
            p_cut: 0.03,
            p_lost: 0.03,
            p_half: 0.02,
            p_webhook_duplicate: 0.10,
            p_webhook_delay: 0.15,
            p_webhook_drop: 0.03,
        }
    }

    /// Are all rates rates, and is the latency a range? [`crate::Host::set_faults`] reads what is
    /// out of range as its nearest end; what comes from people is checked first.
    pub fn check(&self) -> Result<(), FaultError> {
        let rates = [
            ("p_throttle", self.p_throttle),
            ("p_500", self.p_500),
            ("p_cut", self.p_cut),
            ("p_lost", self.p_lost),
            ("p_half", self.p_half),
            ("p_webhook_duplicate", self.p_webhook_duplicate),
            ("p_webhook_delay", self.p_webhook_delay),
            ("p_webhook_drop", self.p_webhook_drop),
        ];
        for (name, rate) in rates {
            if !(0.0..=1.0).contains(&rate) {
                return Err(FaultError(format!("{name} is {rate}; a rate lies between 0 (never) and 1 (always)")));
            }
        }
        match self.latency {
            Some((least, greatest)) if least > greatest => {
                Err(FaultError(format!("latency goes from {least:?} to {greatest:?}; write the smaller one first")))
            }
            Some((_, greatest)) if greatest > LATENCY_MAX => {
                Err(FaultError(format!("latency goes up to {greatest:?}; the most is {LATENCY_MAX:?}")))
            }
            _ => Ok(()),
        }
    }
}

/// One fault, for a [`Script`]. As JSON: `{"kind": "throttle", "retry_after": 2}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "WrittenFault")]
pub enum Fault {
    /// Work done at once, answered late.
    Latency {
        /// How late, in milliseconds of real time.
        millis: u64,
    },
    /// 429 before the work.
    Throttle {
        /// Seconds of the `Retry-After` header; none without it.
        retry_after: Option<u64>,
    },
    /// 500 before the work; written `"500"`.
    #[serde(rename = "500")]
    Failure,
    /// Closed before the work.
    Cut,
    /// Work done, closed without an answer.
    Lost,
    /// Work done, half of the answer, closed.
    Half,
    /// Webhook sent twice.
    WebhookDuplicate,
    /// Webhook held back.
    WebhookDelay {
        /// How long, in milliseconds of real time.
        millis: u64,
    },
    /// Webhook never sent.
    WebhookDrop,
}

/// A fault as it was written: a tagged enum of serde lets unknown fields of a variant without
/// fields pass, and a mistyped script would then silently be another one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFault {
    kind: String,
    millis: Option<u64>,
    retry_after: Option<u64>,
}

impl TryFrom<WrittenFault> for Fault {
    type Error = FaultError;

    fn try_from(written: WrittenFault) -> Result<Self, FaultError> {
        let WrittenFault { kind, millis, retry_after } = written;
        match (kind.as_str(), millis, retry_after) {
            ("latency", Some(millis), None) => Ok(Self::Latency { millis }),
            ("throttle", None, retry_after) => Ok(Self::Throttle { retry_after }),
            ("500", None, None) => Ok(Self::Failure),
            ("cut", None, None) => Ok(Self::Cut),
            ("lost", None, None) => Ok(Self::Lost),
            ("half", None, None) => Ok(Self::Half),
            ("webhook_duplicate", None, None) => Ok(Self::WebhookDuplicate),
            ("webhook_delay", Some(millis), None) => Ok(Self::WebhookDelay { millis }),
            ("webhook_drop", None, None) => Ok(Self::WebhookDrop),
            _ => Err(FaultError(format!(
                "no such fault: kind {kind:?} with millis {millis:?} and retry_after {retry_after:?}; there are latency \
                 (millis), throttle (retry_after or not), 500, cut, lost, half, webhook_duplicate, webhook_delay \
                 (millis), webhook_drop"
            ))),
        }
    }
}

impl Fault {
    /// Does it hit webhooks (and not calls)?
    #[must_use]
    pub fn is_of_webhooks(self) -> bool {
        matches!(self, Self::WebhookDuplicate | Self::WebhookDelay { .. } | Self::WebhookDrop)
    }
}

/// A fault for the next few calls (or webhooks) of one kind, and then never again. It comes before
/// the rates of [`Faults`]; several scripts are used up in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Part of the path that the call must contain (`/{connection}/...`, query included). For
    /// faults of webhooks: part of `/{connection}/{kind}`. Empty fits everything.
    #[serde(default)]
    pub path: String,
    /// How many.
    #[serde(default = "one")]
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

fn one() -> u32 {
    1
}

impl Script {
    /// `fault` for the next call or webhook whose path contains `path`.
    #[must_use]
    pub fn once(path: impl Into<String>, fault: Fault) -> Self {
        Self::times(path, 1, fault)
    }

    /// `fault` for the next `times` calls or webhooks whose path contains `path`.
    #[must_use]
    pub fn times(path: impl Into<String>, times: u32, fault: Fault) -> Self {
        Self { path: path.into(), times, fault }
    }
}

/// Durations as people write them: `"80ms"`.
mod latency_text {
    use jiff::fmt::friendly::{Designator, SpanParser, SpanPrinter};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(range: &Option<(Duration, Duration)>, s: S) -> Result<S::Ok, S::Error> {
        let printer = SpanPrinter::new().designator(Designator::Compact);
        range.map(|(a, b)| [a, b].map(|d| printer.unsigned_duration_to_string(&d))).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<(Duration, Duration)>, D::Error> {
        let Some([a, b]) = Option::<[String; 2]>::deserialize(d)? else {
            return Ok(None);
        };
        let read = |text: &str| {
            SpanParser::new()
                .parse_unsigned_duration(text)
                .map_err(|e| serde::de::Error::custom(format!("latency {text:?}: {e}; write it like \"80ms\"")))
        };
        Ok(Some((read(&a)?, read(&b)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_and_read_as_people_write_them() {
        let text = serde_json::to_string(&Faults::all()).unwrap();
        assert!(text.contains(r#""latency":["5ms","80ms"]"#), "{text}");
        assert_eq!(serde_json::from_str::<Faults>(&text).unwrap(), Faults::all());
        assert_eq!(serde_json::from_str::<Faults>("{}").unwrap(), Faults::default());
        assert!(serde_json::from_str::<Faults>(r#"{"p_lose": 1}"#).is_err());
        let wrong = serde_json::from_str::<Faults>(r#"{"latency": ["5", "80ms"]}"#).unwrap_err();
        assert!(wrong.to_string().contains("80ms"), "{wrong}");
    }

    #[test]
    fn rates_and_ranges_are_checked() {
        assert_eq!(Faults::all().check(), Ok(()));
        for bad in [1.5, -0.1, f64::NAN] {
            let faults = Faults { p_lost: bad, ..Faults::default() };
            assert!(faults.check().unwrap_err().to_string().contains("p_lost"));
        }
        let (short, long) = (Duration::from_millis(1), Duration::from_secs(1000));
        for latency in [(long, short), (short, long)] {
            let faults = Faults { latency: Some(latency), ..Faults::default() };
            assert!(faults.check().is_err());
        }
    }

    #[test]
    fn a_script_reads_its_fault_by_kind() {
        let script: Script =
            serde_json::from_str(r#"{"path": "/messages", "fault": {"kind": "throttle", "retry_after": 2}}"#).unwrap();
        assert_eq!(script, Script::once("/messages", Fault::Throttle { retry_after: Some(2) }));
        let script: Script = serde_json::from_str(r#"{"times": 3, "fault": {"kind": "500"}}"#).unwrap();
        assert_eq!(script, Script::times("", 3, Fault::Failure));
        for bad in [r#"{"fault": {"kind": "explode"}}"#, r#"{"fault": {"kind": "cut", "x": 1}}"#] {
            assert!(serde_json::from_str::<Script>(bad).is_err(), "{bad}");
        }
    }
}
