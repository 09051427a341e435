//! What a server's reply means. The code decides, and within 5xx the enhanced code (RFC 3463): a mailbox
//! that does not exist is the person's end, a policy is not, and a sender that may not send is ours.

use crate::smtp::wire::enhanced;
use pasarela_connector::{Answer, Done, Outcome, Scope, mail};
use serde_json::json;
use std::time::Duration;

/// Least wait after "not now" for this recipient: what greylists ask for.
const GREYLISTED: Duration = Duration::from_secs(120);
/// Wait after "too fast".
const TOO_FAST: Duration = Duration::from_secs(60);

/// Judges the reply that a message ended with.
pub(super) fn sent(answer: &Answer, message_id: &str) -> Outcome {
    let stage = answer.headers.get(mail::STAGE).unwrap_or("message");
    let text = answer.excerpt(300);
    let why = || format!("{} {}", answer.status, text.trim());
    match answer.status {
        200..=299 if stage == "message" => Outcome::Done(Done {
            result: json!({ "id": message_id, "reply": text.trim() }),
            reference: Some(message_id.to_owned()),
        }),
        421 => Outcome::ProviderDown { after: None, why: why() },
        454 if stage == "tls" => Outcome::ProviderDown { after: None, why: why() },
        400..=499 => not_now(stage, enhanced(&text), why()),
        530 | 534 | 535 | 538 if stage != "rcpt" => Outcome::AuthExpired,
        500..=599 if matches!(stage, "hello" | "tls") => {
            Outcome::NeedsHuman { why: format!("the mail server does not talk to us: {}", why()) }
        }
        500..=599 if stage == "auth" => Outcome::AuthExpired,
        500..=599 if stage == "mail" => {
            Outcome::NeedsHuman { why: format!("the mail server refuses this sender: {}", why()) }
        }
        500..=599 => never(enhanced(&text), &text, why()),
        _ => Outcome::Unknown { why: format!("a reply that no mail server should give: {}", why()) },
    }
}

fn not_now(stage: &str, code: Option<(u8, u16, u16)>, why: String) -> Outcome {
    match (stage, code) {
        // The account sends too much, whoever it writes to.
        ("mail", Some((4, 7, _))) | (_, Some((4, 5, 3) | (4, 7, 28))) => {
            Outcome::Throttled { after: Some(TOO_FAST), scope: Scope::Connection }
        }
        ("rcpt", _) => Outcome::Retry { after: Some(GREYLISTED), scope: Scope::Effect, why },
        _ => Outcome::Retry { after: None, scope: Scope::Effect, why },
    }
}

fn never(code: Option<(u8, u16, u16)>, text: &str, why: String) -> Outcome {
    let says = text.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| says.contains(w));
    match code {
        // No such mailbox, moved without an address, no such domain, disabled.
        Some((5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1)) => Outcome::TargetGone { why },
        Some((5, 1, 7 | 8)) => Outcome::NeedsHuman { why: format!("the mail server refuses this sender: {why}") },
        Some((5, 2, 2)) => Outcome::give_up("mailbox_full", why),
        Some((5, 2, 3) | (5, 3, 4)) => Outcome::give_up("too_large", why),
        _ if any(&["relay"]) => {
            Outcome::NeedsHuman { why: format!("the mail server does not carry mail for us: {why}") }
        }
        Some((5, 7, _)) => Outcome::give_up("refused_by_policy", why),
        // Servers without enhanced codes say it in words.
        None if any(&[
            "no such user",
            "user unknown",
            "unknown user",
            "no such mailbox",
            "mailbox not found",
            "mailbox unavailable",
            "does not exist",
            "no such recipient",
            "recipient unknown",
            "invalid recipient",
        ]) =>
        {
            Outcome::TargetGone { why }
        }
        _ => Outcome::give_up("refused", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_means_one_thing() {
        let name = |stage, code, text: &str| sent(&mail::reply(stage, code, text), "eff_1@f.example").name();
        for (stage, code, text, expected) in [
            ("message", 250, "2.0.0 queued as 4F2", "done"),
            ("message", 250, "", "done"),
            ("rcpt", 450, "4.2.0 greylisted, try again", "retry"),
            ("rcpt", 452, "4.2.2 mailbox full", "retry"),
            ("mail", 450, "4.7.0 too many messages from you", "throttled"),
            ("rcpt", 452, "4.5.3 too many recipients", "throttled"),
            ("message", 451, "4.3.0 local error", "retry"),
            ("hello", 421, "4.3.2 shutting down", "provider_down"),
            ("tls", 454, "4.7.0 TLS not available", "provider_down"),
            ("auth", 535, "5.7.8 authentication failed", "auth_expired"),
            ("mail", 530, "5.7.0 authentication required", "auth_expired"),
            ("auth", 504, "5.5.4 mechanism not known", "auth_expired"),
            ("hello", 554, "5.7.1 go away", "needs_human"),
            ("mail", 553, "5.7.1 sender address rejected", "needs_human"),
            ("rcpt", 550, "5.1.1 no such user", "target_gone"),
            ("rcpt", 550, "5.1.2 domain unknown", "target_gone"),
            ("rcpt", 550, "5.2.1 mailbox disabled", "target_gone"),
            ("message", 550, "5.1.1 user unknown", "target_gone"),
            ("rcpt", 550, "Requested action not taken: mailbox unavailable", "target_gone"),
            ("rcpt", 552, "5.2.2 over quota", "give_up"),
            ("rcpt", 554, "5.7.1 relay access denied", "needs_human"),
            ("rcpt", 550, "5.7.1 blocked by our policy", "give_up"),
            ("message", 554, "5.6.0 message refused", "give_up"),
            ("message", 552, "5.3.4 message too big", "give_up"),
            ("rcpt", 500, "what?", "give_up"),
            ("message", 354, "go on", "unknown"),
            ("message", 0, "", "unknown"),
        ] {
            assert_eq!(name(stage, code, text), expected, "{stage}: {code} {text}");
        }
    }
}
