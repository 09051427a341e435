//! What an answer means where a provider keeps to HTTP's meaning. A connector looks for its own
//! errors first and leaves the rest to [`classify`].

use crate::{Answer, Outcome, Scope};
use jiff::Timestamp;
use std::time::Duration;

/// Judges an answer by status and headers. `None`: 2xx, the body decides.
#[must_use]
pub fn classify(answer: &Answer, now: Timestamp) -> Option<Outcome> {
    let why = || format!("HTTP {}: {}", answer.status, answer.excerpt(200));
    Some(match answer.status {
        200..=299 => return None,
        401 => Outcome::AuthExpired,
        429 => Outcome::Throttled { after: retry_after(answer, now), scope: Scope::Connection },
        408 | 425 => Outcome::Retry { after: retry_after(answer, now), scope: Scope::Effect, why: why() },
        500..=599 => Outcome::ProviderDown { after: retry_after(answer, now), why: why() },
        404 | 410 => Outcome::TargetGone { why: why() },
        300..=399 => Outcome::give_up(
            "redirected",
            format!("{}; redirects are not followed, set the final address as base_url", why()),
        ),
        _ => Outcome::give_up(format!("http_{}", answer.status), why()),
    })
}

/// The same for a call that must not be made twice: where something in between gave up waiting (504), nobody
/// knows whether it was done.
#[must_use]
pub fn classify_once(answer: &Answer, now: Timestamp) -> Option<Outcome> {
    if answer.status == 504 { crate::action::lost(answer) } else { classify(answer, now) }
}

/// How much of a limit is left, as the provider's headers tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Calls that may still be made.
    pub remaining: u64,
    /// Calls of the whole window, when it is told.
    pub limit: Option<u64>,
    /// Until they are there again, when it is told.
    pub resets_in: Option<Duration>,
}

/// Reads `X-RateLimit-Remaining`, `RateLimit-Remaining`, or the newer `RateLimit: "name";r=9;t=30`.
#[must_use]
pub fn left(answer: &Answer, now: Timestamp) -> Option<Left> {
    let number = |names: [&str; 3]| {
        names.iter().find_map(|name| answer.headers.get(name)?.split([',', ';']).next()?.trim().parse::<u64>().ok())
    };
    if let Some(remaining) = number(["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"]) {
        let limit = number(["x-ratelimit-limit", "ratelimit-limit", "x-rate-limit-limit"]);
        return Some(Left { remaining, limit, resets_in: retry_after(answer, now) });
    }
    let policy = answer.headers.get("ratelimit")?;
    let field = |name: &str| {
        policy
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.trim().parse::<u64>().ok())
    };
    let remaining = field("r").or_else(|| field("remaining"))?;
    let resets_in = field("t").or_else(|| field("reset")).map(Duration::from_secs);
    Some(Left { remaining, limit: field("limit"), resets_in })
}

/// How long the provider asks us to wait: `Retry-After` (seconds or date), else the reset of
/// `RateLimit-Reset`, `X-RateLimit-Reset` or `X-RateLimit-Reset-After` (seconds, or Unix time when large).
#[must_use]
pub fn retry_after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    if let Some(text) = answer.headers.get("retry-after") {
        if let Some(seconds) = seconds(text) {
            return Some(seconds);
        }
        if let Ok(date) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()) {
            return Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO));
        }
    }
    ["ratelimit-reset", "x-ratelimit-reset-after", "x-ratelimit-reset", "x-rate-limit-reset"].iter().find_map(|name| {
        let wait = seconds(answer.headers.get(name)?)?;
        // A number of more than a year is a moment, not a span.
        if wait.as_secs() < 31_536_000 {
            return Some(wait);
        }
        let at = Timestamp::from_second(i64::try_from(wait.as_secs()).ok()?).ok()?;
        Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (seconds.is_finite() && (0.0..=1e11).contains(&seconds)).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_wait_is_read() {
        let now: Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        let cases = [
            ("retry-after", "12", 12),
            ("retry-after", "Fri, 27 Nov 2026 19:00:30 GMT", 30),
            ("retry-after", "Fri, 27 Nov 2026 18:00:30 GMT", 0),
            ("x-ratelimit-reset", "7", 7),
            ("x-ratelimit-reset", "1795806090", 90),
            ("ratelimit-reset", "3", 3),
        ];
        for (name, value, expected) in cases {
            let answer = Answer::text(429, "").header(name, value);
            assert_eq!(retry_after(&answer, now), Some(Duration::from_secs(expected)), "{name}: {value}");
        }
        assert_eq!(retry_after(&Answer::text(429, "").header("retry-after", "soon"), now), None);
        assert_eq!(retry_after(&Answer::text(429, ""), now), None);
    }

    #[test]
    fn what_is_left_is_read_in_each_form() {
        let now: Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        let of = |pairs: &[(&str, &str)]| {
            let answer = pairs.iter().fold(Answer::text(200, ""), |a, (name, value)| a.header(name, *value));
            left(&answer, now).map(|l| (l.remaining, l.limit, l.resets_in.map(|d| d.as_secs())))
        };
        assert_eq!(of(&[("x-ratelimit-limit", "180"), ("x-ratelimit-remaining", "12")]), Some((12, Some(180), None)));
        assert_eq!(of(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]), Some((0, None, Some(7))));
        assert_eq!(of(&[("ratelimit", "\"default\";r=50;t=30")]), Some((50, None, Some(30))));
        assert_eq!(of(&[("ratelimit", "limit=100, remaining=9, reset=5")]), Some((9, Some(100), Some(5))));
        assert_eq!(of(&[("x-ratelimit-remaining", "many")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn statuses_mean_what_http_says() {
        let now = Timestamp::UNIX_EPOCH;
        let name = |status| classify(&Answer::text(status, "x"), now).map(|o| o.name());
        assert_eq!(name(204), None);
        assert_eq!(name(302), Some("give_up"));
        assert_eq!(name(400), Some("give_up"));
        assert_eq!(name(401), Some("auth_expired"));
        assert_eq!(name(404), Some("target_gone"));
        assert_eq!(name(408), Some("retry"));
        assert_eq!(name(429), Some("throttled"));
        assert_eq!(name(503), Some("provider_down"));
    }
}
