//! A message in a mailbox, as a mail program shows it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders as _};
use serde_json::{Value, json};

/// One message that was taken.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) message_id: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) raw: Bytes,
    from: String,
    at: Timestamp,
    text: String,
    html: String,
    files: Vec<(String, String, Vec<u8>)>,
}

impl Stored {
    /// Takes a message apart. `None`: it is none.
    pub(super) fn read(id: String, to: &str, raw: Bytes, at: Timestamp) -> Option<Self> {
        let message = MessageParser::default().parse(&raw)?;
        let from = message.from().and_then(|f| f.first()).map(|a| {
            let address = a.address().unwrap_or_default();
            a.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"))
        });
        let files = message.attachments().map(|part| {
            let kind = part.content_type().map_or_else(
                || "application/octet-stream".to_owned(),
                |c| c.subtype().map_or_else(|| c.ctype().to_owned(), |s| format!("{}/{s}", c.ctype())),
            );
            (part.attachment_name().unwrap_or("file").to_owned(), kind, part.contents().to_vec())
        });
        Some(Self {
            id,
            message_id: message.message_id().unwrap_or_default().to_owned(),
            to: to.to_owned(),
            subject: message.subject().unwrap_or_default().to_owned(),
            from: from.unwrap_or_default(),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            files: files.collect(),
            at,
            raw,
        })
    }

    /// For a screen.
    pub(super) fn shown(&self) -> Value {
        let files: Vec<Value> = (self.files.iter())
            .map(|(name, kind, bytes)| json!({ "name": name, "type": kind, "size": bytes.len() }))
            .collect();
        json!({
            "id": self.id, "to": self.to, "from": self.from, "subject": self.subject, "at": self.at,
            "text": self.text, "html": self.html, "attachments": files,
        })
    }

    /// One of its files, from 0.
    pub(super) fn file(&self, n: usize) -> Option<Value> {
        let (name, kind, bytes) = self.files.get(n)?;
        Some(json!({ "name": name, "type": kind, "base64": STANDARD.encode(bytes) }))
    }

    /// Its headers as they came.
    pub(super) fn head(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        text.split_once("\r\n\r\n").map_or(text.clone(), |(head, _)| head.to_owned())
    }
}
