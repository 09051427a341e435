//! How many requests a key may make: so many in a span of time, all at once or one after another. What was used
//! comes back evenly. Counted in this process; several nodes count each for itself.
//!
//! A bucket of our own and no crate: a limit is a key's and may change while the hub runs, answers must tell what
//! is left and when, and the whole of it (the generic cell rate algorithm) is one moment per key.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Keys that are counted before those whose bucket is full are forgotten.
const MANY: usize = 1024;

/// A limit: `600/m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    requests: u32,
    per: Duration,
}

impl Rate {
    /// What a key has that names none, where the configuration names none either.
    pub const DEFAULT: Self = Self { requests: 6000, per: Duration::from_secs(60) };
    /// Keys that nobody has, from one place.
    pub(crate) const UNKNOWN_KEYS: Self = Self { requests: 60, per: Duration::from_secs(60) };
}

/// It is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a limit; write requests per second, minute or hour, such as 10/s, 600/m or 20000/h")]
pub struct InvalidRate(String);

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidRate(text.to_owned());
        let (number, unit) = text.trim().split_once('/').ok_or_else(bad)?;
        let per = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let requests: u32 = number.parse().ok().filter(|n| digits && (1..=1_000_000).contains(n)).ok_or_else(bad)?;
        Ok(Self { requests, per: Duration::from_secs(per) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// What is counted.
    what: &'static str,
    rate: Rate,
    /// Requests that it may make at once from here.
    left: u32,
    /// Until all of them are there again.
    full_in: Duration,
    /// It may not make this one, and may try again then.
    pub(crate) wait: Option<Duration>,
}

impl Stand {
    /// Says it in the headers of the draft "RateLimit header fields for HTTP".
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w={}", self.what, self.rate.requests, self.rate.per.as_secs());
        let now = format!("\"{}\";r={};t={}", self.what, self.left, seconds(self.full_in));
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", now)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Whole seconds, rounded up: who waits so long does not come too early.
pub(crate) fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// What keys have left, by their ids: when each will have all of it again.
pub(crate) struct Buckets {
    what: &'static str,
    full: Mutex<HashMap<String, Instant>>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self::named("key")
    }
}

impl Buckets {
    /// Of something that is not a key.
    pub(crate) fn named(what: &'static str) -> Self {
        Self { what, full: Mutex::default() }
    }

    /// Takes one request of a key.
    pub(crate) fn take(&self, key: &str, rate: Rate, now: Instant) -> Stand {
        self.stand(key, rate, now, true)
    }

    /// How it would stand after one.
    pub(crate) fn look(&self, key: &str, rate: Rate, now: Instant) -> Stand {
        self.stand(key, rate, now, false)
    }

    fn stand(&self, key: &str, rate: Rate, now: Instant, takes: bool) -> Stand {
        let (what, one) = (self.what, rate.per / rate.requests);
        let mut all = self.full.lock();
        if all.len() >= MANY && !all.contains_key(key) {
            all.retain(|_, full| *full > now);
        }
        let full = all.get(key).copied().unwrap_or(now).max(now);
        let then = full + one;
        let stand = |full: Instant, wait| {
            let used = full.duration_since(now);
            let left = rate.per.saturating_sub(used).as_nanos() / one.as_nanos().max(1);
            Stand { what, rate, left: u32::try_from(left).unwrap_or(u32::MAX).min(rate.requests), full_in: used, wait }
        };
        // A limit that does not divide its span evenly is a nanosecond short of it.
        match (then.duration_since(now)).checked_sub(one * rate.requests) {
            Some(over) if !over.is_zero() => stand(full, Some(over)),
            _ => {
                if takes {
                    all.insert(key.to_owned(), then);
                }
                stand(then, None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        for text in ["10/s", "600/m", "20000/h"] {
            assert_eq!(text.parse::<Rate>().map(|r| r.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "600", "0/m", "+5/m", "600/d", "1.5/s", "/m", "2000000/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_at_once_or_evenly_and_never_more() {
        let (buckets, begun) = (Buckets::default(), Instant::now());
        let rate: Rate = "7/m".parse().unwrap();
        let admitted =
            |key: &str, n: usize, now| (0..n).filter(|_| buckets.take(key, rate, now).wait.is_none()).count();
        assert_eq!(admitted("a", 20, begun), 7, "all at once");
        assert_eq!(admitted("b", 3, begun), 3, "another key has its own");
        let refused = buckets.take("a", rate, begun);
        assert_eq!((refused.left, refused.full_in.as_secs()), (0, 59));
        let wait = refused.wait.unwrap();
        assert!(buckets.take("a", rate, begun + wait - Duration::from_millis(1)).wait.is_some());
        assert!(buckets.take("a", rate, begun + wait).wait.is_none(), "who waits as told is let in");
        let later = begun + Duration::from_secs(600);
        assert_eq!(buckets.take("a", rate, later).left, 6);
        // In any minute whatever, one bucket and what came back meanwhile.
        let (mut now, mut count) = (later, 0);
        for _ in 0..6000 {
            now += Duration::from_millis(10);
            count += admitted("a", 1, now);
        }
        assert!((13..=14).contains(&(count + 1)), "{count}");
    }

    #[test]
    fn the_headers_say_what_is_left() {
        let mut headers = HeaderMap::new();
        Buckets::default().take("a", "600/m".parse().unwrap(), Instant::now()).tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"key\";q=600;w=60");
        assert_eq!(headers["ratelimit"], "\"key\";r=599;t=1");
    }
}
