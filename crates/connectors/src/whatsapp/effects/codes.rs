//! Meta's error codes (contract, section 8): one table for the answer and for the `failed` status.
//!
//! The contract's action words become the engine's outcomes: *final* and *stop-recipient* give up
//! (so that `otherwise` may take another way), *stop-template* and *stop-account* need a person.

use pasarela_connector::{Ctx, Outcome, Scope};
use std::time::Duration;

/// What a code asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// It will never work as asked.
    Final,
    /// A person has to act first.
    Human,
    /// The service is down.
    Down,
    /// Too fast for the account or number; so many seconds at first, unless a header says more.
    Account(u64),
    /// Too fast for this person: 4, 16, 64 ... seconds, for nobody else.
    Pair,
    /// Again after so many seconds, for the whole number.
    Number(u64),
    /// Again after so many seconds, for this message only.
    Later(u64),
    /// Meta's cap of marketing per person: a day, two, four, then no more.
    Cap,
    /// Again at most twice, then final.
    Twice,
}

struct Row {
    codes: &'static [(u32, u32)],
    rule: Rule,
    meaning: &'static str,
}

const fn row(codes: &'static [(u32, u32)], rule: Rule, meaning: &'static str) -> Row {
    Row { codes, rule, meaning }
}

/// Ranges are inclusive; a single code stands twice.
const TABLE: &[Row] = &[
    row(&[(0, 0), (190, 190)], Rule::Human, "the access token is not valid any more: make a new one"),
    row(
        &[(3, 3), (10, 10), (200, 299), (131_005, 131_005)],
        Rule::Human,
        "the token lacks a permission (whatsapp_business_messaging)",
    ),
    row(&[(1, 1)], Rule::Twice, "unknown error, often a wrong request"),
    row(&[(2, 2), (131_016, 131_016)], Rule::Down, "the service is not available"),
    row(&[(4, 4)], Rule::Account(300), "the app's call limit is reached"),
    row(&[(80_007, 80_008)], Rule::Account(300), "the account's call limit is reached"),
    row(&[(130_429, 130_429)], Rule::Account(2), "the number's throughput is reached"),
    row(&[(131_056, 131_056)], Rule::Pair, "too many messages to this person"),
    row(
        &[(131_048, 131_048)],
        Rule::Human,
        "the number was blocked or reported too often: look at its quality before sending on",
    ),
    row(&[(131_049, 131_049)], Rule::Cap, "Meta's cap of marketing messages to this person"),
    row(&[(131_050, 131_050)], Rule::Final, "the person stopped marketing messages of this business"),
    row(&[(131_064, 131_064)], Rule::Human, "messaging is limited because of wrongly classified templates"),
    row(
        &[(131_026, 131_026)],
        Rule::Final,
        "undeliverable: no WhatsApp on that number, an old app, or the business is blocked",
    ),
    row(
        &[(131_047, 131_047)],
        Rule::Final,
        "more than 24 hours since the person's last message: only a template may be sent",
    ),
    row(&[(131_051, 131_051), (131_060, 131_060)], Rule::Final, "this type of message is not supported"),
    row(&[(131_052, 131_053)], Rule::Final, "the file could not be fetched: check its address, size and type"),
    row(&[(131_021, 131_021)], Rule::Final, "sender and recipient are the same number"),
    row(&[(131_030, 131_030)], Rule::Final, "a test number writes only to the numbers on its list"),
    row(
        &[(131_031, 131_031), (368, 368)],
        Rule::Human,
        "the account is locked or blocked for a policy: see Meta's Business Support",
    ),
    row(&[(130_497, 130_497)], Rule::Final, "this business may not write to that country"),
    row(&[(130_472, 130_472)], Rule::Final, "the person is in an experiment of Meta's: not sent, not charged"),
    row(&[(131_037, 131_037)], Rule::Human, "the number's display name is not approved"),
    row(
        &[(131_042, 131_042), (131_044, 131_044)],
        Rule::Human,
        "Meta could not charge the account: mend the payment method",
    ),
    row(
        &[(131_045, 131_045), (133_010, 133_010), (133_015, 133_016)],
        Rule::Human,
        "the number is not registered on the platform: register it",
    ),
    row(&[(131_057, 131_057)], Rule::Number(180), "the number is in maintenance"),
    row(&[(131_062, 131_062)], Rule::Final, "this message needs a phone number; a WhatsApp user id is not enough"),
    row(
        &[(131_063, 131_063)],
        Rule::Final,
        "marketing is switched off on /messages for this account: set marketing_endpoint on the \
         connection and marketing: true on the step",
    ),
    row(&[(131_000, 131_000)], Rule::Twice, "unknown failure"),
    row(&[(131_008, 131_009), (100, 100), (33, 33)], Rule::Final, "a parameter is missing or not valid"),
    row(&[(132_000, 132_000)], Rule::Final, "the number of values differs from the template's variables"),
    row(&[(132_001, 132_001)], Rule::Human, "there is no approved template of that name in that language"),
    row(&[(132_005, 132_005)], Rule::Final, "the text is too long once its variables are filled"),
    row(&[(132_007, 132_007)], Rule::Human, "the template breaks Meta's content policy"),
    row(
        &[(132_008, 132_008), (132_012, 132_012), (132_018, 132_018)],
        Rule::Final,
        "a value has a form that the template does not take",
    ),
    row(&[(132_015, 132_015)], Rule::Human, "the template is paused for low quality"),
    row(&[(132_016, 132_016)], Rule::Human, "the template is disabled for ever: make another one"),
    row(&[(132_068, 132_068)], Rule::Human, "the Flow of this message is blocked"),
    row(&[(132_069, 132_069)], Rule::Later(3600), "the Flow is throttled to ten messages an hour"),
    row(&[(133_000, 133_009)], Rule::Human, "the number's registration or PIN is in trouble"),
    row(&[(134_011, 134_011)], Rule::Final, "the terms of WhatsApp Pay are not accepted"),
    row(&[(135_000, 135_000)], Rule::Final, "the parameters were not accepted"),
    row(&[(137_000, 137_000)], Rule::Final, "the person's identity key has changed"),
    row(&[(138_000, 139_999)], Rule::Final, "this is not an error of sending messages"),
];

/// An error as Meta tells it, wherever it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The code.
    pub(super) code: u32,
    /// Details, for people.
    pub(super) details: String,
    /// Meta says that it will pass.
    pub(super) transient: bool,
    /// How long Meta asks to wait.
    pub(super) wait: Option<Duration>,
}

/// The meaning of a code with Meta's own details, for people.
#[must_use]
pub(in crate::whatsapp) fn explain(code: u32, details: &str) -> String {
    let meaning = find(code).map_or("a code that is not in the contract", |r| r.meaning);
    if details.is_empty() { format!("{code}: {meaning}") } else { format!("{code}: {meaning} ({details})") }
}

/// What the engine is to make of an error in an answer. An error means that the message was not
/// taken, so trying again cannot send it twice.
pub(super) fn outcome(told: &Told, ctx: &Ctx<'_>) -> Outcome {
    let why = explain(told.code, &told.details);
    let give_up = |why| Outcome::give_up(told.code.to_string(), why);
    let seconds = Duration::from_secs;
    let Some(row) = find(told.code) else {
        return if told.transient {
            Outcome::ProviderDown { after: told.wait, why }
        } else if ctx.attempt <= 1 {
            Outcome::Retry { after: told.wait, scope: Scope::Effect, why }
        } else {
            give_up(why)
        };
    };
    match row.rule {
        Rule::Final => give_up(why),
        Rule::Human => Outcome::NeedsHuman { why },
        Rule::Down => Outcome::ProviderDown { after: told.wait, why },
        Rule::Account(first) => {
            Outcome::Throttled { after: told.wait.or(Some(seconds(first))), scope: Scope::Connection }
        }
        Rule::Pair => {
            // 4^n, held at an hour: the pair's hourly allowance is new by then.
            let wait = 4_u64.saturating_pow(ctx.attempt.max(1)).min(3600);
            Outcome::Throttled { after: Some(seconds(wait)), scope: Scope::Effect }
        }
        Rule::Number(wait) => {
            Outcome::Retry { after: told.wait.or(Some(seconds(wait))), scope: Scope::Connection, why }
        }
        Rule::Later(wait) => Outcome::Retry { after: Some(seconds(wait)), scope: Scope::Effect, why },
        Rule::Cap if ctx.attempt <= 3 => {
            let days = 1_u64 << ctx.attempt.saturating_sub(1);
            Outcome::Retry { after: Some(seconds(days * 86_400)), scope: Scope::Effect, why }
        }
        Rule::Twice if ctx.attempt <= 2 => Outcome::Retry { after: told.wait, scope: Scope::Effect, why },
        Rule::Cap | Rule::Twice => give_up(why),
    }
}

fn find(code: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.codes.iter().any(|(low, high)| (*low..=*high).contains(&code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn no_code_stands_in_two_rows() {
        let ranges: Vec<(u32, u32)> = TABLE.iter().flat_map(|r| r.codes).copied().collect();
        for (i, a) in ranges.iter().enumerate() {
            assert!(a.0 <= a.1, "{a:?}");
            for b in ranges.iter().skip(i + 1) {
                assert!(a.1 < b.0 || b.1 < a.0, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let judge = |code, attempt| {
            let told = Told { code, details: String::new(), transient: false, wait: None };
            outcome(&told, &Ctx { now: Timestamp::UNIX_EPOCH, key: "k", attempt })
        };
        let wait = |o| match o {
            Outcome::Retry { after: Some(d), .. } | Outcome::Throttled { after: Some(d), .. } => d.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3].map(|n| wait(judge(131_056, n))), [4, 16, 64]);
        assert_eq!(wait(judge(131_056, 99)), 3600);
        assert_eq!([1, 2, 3].map(|n| wait(judge(131_049, n)) / 86_400), [1, 2, 4]);
        assert_eq!(judge(131_049, 4).name(), "give_up");
        assert_eq!([1, 2, 3].map(|n| judge(131_000, n).name()), ["retry", "retry", "give_up"]);
        assert_eq!([1, 2].map(|n| judge(424_242, n).name()), ["retry", "give_up"]);
    }
}
