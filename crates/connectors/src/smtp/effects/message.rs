//! A message as bytes (RFC 5322, MIME), by lettre's builder. Equal letters give equal bytes: date,
//! Message-ID and boundaries are given and not drawn.

use super::Refusal;
use super::templates::Content;
use crate::smtp::wire::Mailbox;
use jiff::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox as Address, Message, MultiPart, SinglePart};
use std::time::{Duration, SystemTime};

/// The outside of a message.
pub(super) struct Letter<'a> {
    /// Message-ID, without angle brackets.
    pub(super) id: &'a str,
    pub(super) from: &'a Mailbox,
    pub(super) to: &'a Mailbox,
    pub(super) reply_to: Option<&'a Mailbox>,
    /// Way out of advertising, where it is that.
    pub(super) unsubscribe: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// The message as it is handed over.
pub(super) fn build(letter: &Letter<'_>, content: Content) -> Result<Vec<u8>, Refusal> {
    let invalid = |what: &str, e: &dyn std::fmt::Display| Refusal::Invalid(format!("{what}: {e}"));
    let address = |mailbox: &Mailbox| -> Result<Address, Refusal> {
        let address = mailbox.address.as_str().parse().map_err(|e| invalid(mailbox.address.as_str(), &e))?;
        Ok(Address::new(mailbox.name.clone(), address))
    };
    let mut message = Message::builder()
        .from(address(letter.from)?)
        .to(address(letter.to)?)
        .subject(content.subject)
        .message_id(Some(format!("<{}>", letter.id)))
        .date(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(letter.at.as_second()).unwrap_or(0)));
    if let Some(reply_to) = letter.reply_to {
        message = message.reply_to(address(reply_to)?);
    }
    let boundary = |name: &str| format!("={name}={}", letter.id.split('@').next().unwrap_or_default());
    let both = MultiPart::alternative()
        .boundary(boundary("texto"))
        .singlepart(SinglePart::plain(content.text))
        .singlepart(SinglePart::html(content.html));
    let body = if content.files.is_empty() {
        both
    } else {
        let mut mixed = MultiPart::mixed().boundary(boundary("partes")).multipart(both);
        for file in content.files {
            let kind = ContentType::parse(file.media).map_err(|e| invalid(&file.name, &e))?;
            mixed = mixed.singlepart(Attachment::new(file.name).body(file.bytes, kind));
        }
        mixed
    };
    let mut message = message.multipart(body).map_err(|e| invalid("the message", &e))?;
    let mut header = |name: HeaderName, value: String| message.headers_mut().insert_raw(HeaderValue::new(name, value));
    // So that out-of-office notes do not answer a machine (RFC 3834).
    header(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".into());
    if let Some(way) = letter.unsubscribe {
        header(HeaderName::new_from_ascii_str("List-Unsubscribe"), format!("<{way}>"));
        if way.starts_with("https://") {
            header(HeaderName::new_from_ascii_str("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click".into());
        }
    }
    let bytes = message.formatted();
    // Every server takes it, whatever it can do.
    if bytes.is_ascii() { Ok(bytes) } else { Err(Refusal::Invalid("the message holds what cannot be mailed".into())) }
}
