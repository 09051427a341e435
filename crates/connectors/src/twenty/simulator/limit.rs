//! The limit of calls a minute (contract 1.4): in 2.31 with the refill that moves its clock to each
//! accepted call and rounds down, so that a steady caller who is too fast is never refilled; in
//! newer versions with a plain bucket that says how long to wait.

use jiff::Timestamp;
use pasarela_connector::Answer;
use serde_json::json;

const MINUTE: i64 = 60_000;

/// A bucket for the whole workspace. A limit of zero takes every call.
#[derive(Debug)]
pub(super) struct Limit {
    limit: u32,
    newer: bool,
    /// In millionths of a token.
    tokens: i64,
    last: Option<Timestamp>,
}

const TOKEN: i64 = 1_000_000;

impl Limit {
    pub(super) fn new(limit: u32, newer: bool) -> Self {
        // More than any server takes, and far from overflowing in millionths.
        let limit = limit.min(100_000);
        Self { limit, newer, tokens: i64::from(limit) * TOKEN, last: None }
    }

    /// Takes one token: headers for the answer, or the refusal.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<Vec<(&'static str, String)>, Answer> {
        if self.limit == 0 {
            return Ok(Vec::new());
        }
        let full = i64::from(self.limit) * TOKEN;
        let elapsed = self.last.map_or(0, |last| (now.as_millisecond() - last.as_millisecond()).clamp(0, MINUTE));
        let refill = elapsed * full / MINUTE;
        let tokens = if self.newer { refill } else { refill / TOKEN * TOKEN } + self.tokens;
        let tokens = tokens.min(full);
        if tokens < TOKEN {
            return Err(self.refuse(tokens));
        }
        self.tokens = tokens - TOKEN;
        self.last = Some(now);
        let left = self.tokens / TOKEN;
        Ok(if self.newer {
            vec![("x-ratelimit-limit", self.limit.to_string()), ("x-ratelimit-remaining", left.to_string())]
        } else {
            Vec::new()
        })
    }

    fn refuse(&self, tokens: i64) -> Answer {
        let limit = self.limit;
        if !self.newer {
            let text = format!("Limit reached ({limit} tokens per {MINUTE} ms)");
            return Answer::json(429, &json!({ "statusCode": 429, "error": "HttpException", "messages": [text] }));
        }
        let per_second = (i64::from(limit) * TOKEN / 60).max(1);
        // Rounded up, and never zero.
        let wait = ((TOKEN - tokens + per_second - 1) / per_second).max(1);
        let body = json!({
            "statusCode": 429,
            "error": "RATE_LIMITED",
            "messages": [format!("Rate limit exceeded for apiKey: {limit} requests per 60s.")],
            "limitKind": "speed",
            "scope": { "spenderType": "apiKey", "spenderId": "81790ba0-90a2-4d00-9efa-5d4db07e0cb2" },
            "limit": limit,
            "remaining": 0,
            "periodCount": 60,
            "periodUnit": "second",
            "retryAfterSeconds": wait,
        });
        Answer::json(429, &body)
            .header("retry-after", wait.to_string())
            .header("x-ratelimit-limit", limit.to_string())
            .header("x-ratelimit-remaining", "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(every_ms: i64, calls: i64) -> Vec<bool> {
        let mut limit = Limit::new(100, false);
        let at = |n: i64| Timestamp::from_millisecond(1_795_546_967_000 + n * every_ms).unwrap();
        (0..calls).map(|n| limit.take(at(n)).is_ok()).collect()
    }

    /// The trials of rate-limit-pacing.json.
    #[test]
    fn version_2_31_refills_as_recorded() {
        assert_eq!(accepted(12, 101).iter().position(|ok| !ok), Some(100));
        assert_eq!(accepted(500, 101).iter().position(|ok| !ok), Some(100));
        assert!(accepted(650, 130).iter().all(|ok| *ok));
        let tries = accepted(260, 110);
        assert_eq!(&tries[100..106], [false, false, true, false, false, true]);
    }

    #[test]
    fn newer_versions_say_how_long_to_wait() {
        let mut limit = Limit::new(100, true);
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..100 {
            limit.take(now).unwrap();
        }
        let refused = limit.take(now).unwrap_err();
        assert_eq!(refused.headers.get("retry-after"), Some("1"));
        assert_eq!(refused.headers.get("x-ratelimit-remaining"), Some("0"));
        assert!(limit.take(Timestamp::from_second(1).unwrap()).is_ok());
    }
}
