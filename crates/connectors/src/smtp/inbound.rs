//! What comes in: mail that a server pipes to the connection's hook, signed with the connection's word.
//!
//! Promise: a returned message (RFC 3464) says of each recipient whether it is over for good, a complaint
//! (RFC 5965) who complained, a request to the address of `unsubscribe` who wants no advertising. All
//! other mail is of no use here, and is taken and dropped: what people write is not read.

use super::wire::{enhanced, key_of};
use jiff::Timestamp;
use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use pasarela_connector::verify::{Gate, Hmac, Scheme};
use pasarela_connector::{
    ConnectionConfig, Correlation, Fact, Headers, Item, Settlement, Settles, Translation, Trial, Unread, sign,
};
use pasarela_domain::EmailAddress;
use pasarela_domain::model::MailNews;
use std::time::Duration;

/// Header that carries the signature.
pub(super) const SIGNATURE_HEADER: &str = "x-pasarela-signature";
const PREFIX: &str = "sha256=";
/// Words that a request to leave begins with.
const LEAVING: [&str; 4] = ["unsubscribe", "baja", "no más", "no mas"];

/// Who may pipe mail in: whoever holds the connection's word. No time is signed: the same returned mail is
/// known again by what it returns.
pub(super) fn gate(config: &ConnectionConfig) -> Result<Gate, String> {
    Gate::new(config, Some(Scheme::Hmac(Hmac::hex(SIGNATURE_HEADER).prefixed(PREFIX))), Duration::MAX)
}

/// A message that tells of nothing, as the pipe would bring it.
pub(super) fn trial(config: &ConnectionConfig, now: Timestamp) -> Option<Trial> {
    let secret = config.webhook_secrets.first()?.expose().as_bytes();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let body = format!("Date: {date}\r\nSubject: a trial of pasarela\r\nAuto-Submitted: auto-generated\r\n\r\n.\r\n");
    let mut headers = Headers::default();
    headers.set("content-type", "message/rfc822");
    headers.set(SIGNATURE_HEADER, format!("{PREFIX}{}", sign::hmac_sha256_hex(secret, &[body.as_bytes()])));
    Some(Trial { headers, body: body.into() })
}

/// Takes the facts out of a message.
pub(super) fn translate(body: &[u8]) -> Result<Translation, Unread> {
    let message = MessageParser::default().parse(body).ok_or_else(|| Unread("this is not a message of mail".into()))?;
    let at = message.date().and_then(|d| Timestamp::from_second(d.to_timestamp()).ok());
    let report = |kind: &str| message.parts.iter().find(|p| is(p, "message", kind));
    let items = if let Some(part) = report("delivery-status").or_else(|| report("global-delivery-status")) {
        returned(&message, part, at)
    } else if let Some(part) = report("feedback-report") {
        complaint(&message, part, at)
    } else if let Some(fact) = leaving(&message, at) {
        vec![fact]
    } else {
        vec![Item::Ignored { kind: "mail".into() }]
    };
    Ok(Translation { items })
}

fn is(part: &MessagePart<'_>, kind: &str, sub: &str) -> bool {
    part.content_type().is_some_and(|c| {
        c.ctype().eq_ignore_ascii_case(kind) && c.subtype().is_some_and(|s| s.eq_ignore_ascii_case(sub))
    })
}

/// Fields of a report, in blocks that empty lines part. Names in lower case, long lines unfolded.
fn blocks(part: &MessagePart<'_>) -> Vec<Vec<(String, String)>> {
    let text = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        PartType::Message(message) => String::from_utf8_lossy(message.raw_message()).into_owned(),
        PartType::Multipart(_) => String::new(),
    };
    let mut blocks = vec![Vec::<(String, String)>::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            blocks.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = blocks.last_mut().and_then(|b| b.last_mut()) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let (Some(block), Some((name, value))) = (blocks.last_mut(), line.split_once(':')) {
            block.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    blocks.retain(|b| !b.is_empty());
    blocks
}

fn field<'a>(block: &'a [(String, String)], name: &str) -> Option<&'a str> {
    block.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// `rfc822; ana@correo.example`
fn recipient(value: &str) -> Option<EmailAddress> {
    value.split_once(';').map_or(value, |(_, address)| address).trim().trim_matches(['<', '>']).parse().ok()
}

/// Message-ID of the message that came back: of the copy that is enclosed, or of its headers.
fn original(message: &Message<'_>) -> Option<String> {
    message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(inner) if is(part, "message", "rfc822") || is(part, "message", "global") => {
            inner.message_id().map(str::to_owned)
        }
        PartType::Text(_) | PartType::Binary(_) if is(part, "text", "rfc822-headers") => {
            blocks(part).first().and_then(|b| field(b, "message-id")).map(|id| id.trim_matches(['<', '>']).to_owned())
        }
        _ => None,
    })
}

fn returned(message: &Message<'_>, part: &MessagePart<'_>, at: Option<Timestamp>) -> Vec<Item> {
    let original = original(message);
    let mut items = Vec::new();
    for block in blocks(part) {
        // The first block tells of the report itself.
        let named = field(&block, "final-recipient").or_else(|| field(&block, "original-recipient"));
        let (Some(named), Some(action)) = (named, field(&block, "action")) else { continue };
        let Some(email) = recipient(named) else {
            items.push(Item::Unread { kind: "delivery-status".into(), why: "a recipient that is no address".into() });
            continue;
        };
        let status = field(&block, "status").unwrap_or_default().to_owned();
        let reason = field(&block, "diagnostic-code").map(|text| text.chars().take(300).collect::<String>());
        let action = action.to_ascii_lowercase();
        let event = match action.as_str() {
            "failed" => "email.bounced",
            "delivered" => "email.delivered",
            // Still being tried, or handed on to a server that tells nothing: no news.
            _ => {
                items.push(Item::Ignored { kind: format!("delivery-status {action}") });
                continue;
            }
        };
        // 5.2.2 is full, 5.7 a policy: the mailbox is there.
        let permanent = action == "failed" && matches!(enhanced(&status), Some((5, 1, _) | (5, 2, 1)));
        let news = MailNews {
            email,
            message_id: original.clone(),
            permanent,
            code: (!status.is_empty()).then_some(status),
            reason,
        };
        items.push(fact(event, news, at));
    }
    if items.is_empty() {
        let why = "a report of delivery without a recipient".to_owned();
        items.push(Item::Unread { kind: "delivery-status".into(), why });
    }
    items
}

fn complaint(message: &Message<'_>, part: &MessagePart<'_>, at: Option<Timestamp>) -> Vec<Item> {
    let block: Vec<(String, String)> = blocks(part).into_iter().flatten().collect();
    let kind = field(&block, "feedback-type").unwrap_or_default().to_ascii_lowercase();
    if !matches!(kind.as_str(), "abuse" | "fraud" | "opt-out") {
        return vec![Item::Ignored { kind: format!("feedback-report {kind}") }];
    }
    let enclosed = message.parts.iter().find_map(|p| if let PartType::Message(m) = &p.body { Some(m) } else { None });
    let to = enclosed.and_then(|m| m.to()).and_then(|to| to.first()).and_then(|a| a.address()).map(str::to_owned);
    let named = field(&block, "original-rcpt-to").map(str::to_owned).or(to);
    let Some(email) = named.as_deref().and_then(recipient) else {
        let why = "it names nobody: the provider hides who complained".to_owned();
        return vec![Item::Unread { kind: "feedback-report".into(), why }];
    };
    let news = MailNews { email, message_id: original(message), permanent: true, code: Some(kind), reason: None };
    vec![fact("email.complained", news, at)]
}

/// Somebody writes, of their own, that they want no advertising.
fn leaving(message: &Message<'_>, at: Option<Timestamp>) -> Option<Item> {
    // Not a machine's answer to us.
    if message.header("Auto-Submitted").and_then(|v| v.as_text()).is_some_and(|v| !v.eq_ignore_ascii_case("no")) {
        return None;
    }
    let subject = message.subject()?.trim().to_lowercase();
    if !LEAVING.iter().any(|word| subject.starts_with(word)) {
        return None;
    }
    let email: EmailAddress = message.from()?.first()?.address()?.parse().ok()?;
    let news = MailNews {
        email,
        message_id: message.message_id().map(str::to_owned),
        permanent: true,
        code: None,
        reason: None,
    };
    Some(fact("email.unsubscribed", news, at))
}

fn fact(event: &str, news: MailNews, at: Option<Timestamp>) -> Item {
    let email = news.email.as_str().to_owned();
    // One message comes back from one recipient once, however often it is piped.
    let which = news.message_id.clone().or_else(|| at.map(|t| t.to_string())).unwrap_or_default();
    let settles = news.message_id.as_deref().and_then(key_of).and_then(|key| {
        let settlement = match event {
            "email.delivered" => Settlement::Delivered,
            "email.bounced" => Settlement::Failed {
                code: news.code.clone().unwrap_or_else(|| "bounced".into()),
                why: news.reason.clone().unwrap_or_else(|| "the message came back".into()),
            },
            _ => return None,
        };
        Some(Settles { by: vec![Correlation::Key(key.to_owned())], settlement })
    });
    let data = serde_json::to_value(&news).unwrap_or_default();
    let mut fact = Fact::once(event, format!("email:{email}"), email, which, data).at(at);
    fact.settles = settles;
    fact.into()
}
