//! Mail as requests and answers, so that recording, masking, retries, time limits, the breaker and the guard
//! of addresses are those of every other call.
//!
//! A [`Request`] whose address begins with `smtp:` (STARTTLS, never gone without; in the clear only with
//! [`PLAIN`]) or `smtps:` (TLS from the first byte) is handed over by SMTP: its body is the whole message,
//! its headers are the envelope. The server's reply comes back as an [`Answer`]: the code is the status,
//! the text the body, [`STAGE`] says what was replied to (`hello`, `tls`, `auth`, `mail`, `rcpt`, `data`,
//! `message`, `probe`). A conversation that broke off has no answer, as with HTTP: before the message was
//! handed over nothing was sent, afterwards it may have been.

use crate::{Answer, Headers, Request};
use bytes::Bytes;

/// Method of a message.
pub const SEND: &str = "SEND";
/// Method of a call that only proves that the server is there and takes the credential.
pub const PROBE: &str = "PROBE";
/// Header of the request: who sends, as the envelope says it. Empty: nobody, so that nothing comes back.
pub const FROM: &str = "envelope-from";
/// Header of the request: who receives.
pub const TO: &str = "envelope-to";
/// Header of the request: how we greet.
pub const HELLO: &str = "smtp-hello";
/// Header of the answer: what was replied to.
pub const STAGE: &str = "smtp-stage";
/// Header of the credential: a certificate authority in PEM, as base64, besides the public ones.
pub const AUTHORITY: &str = "smtp-authority";
/// In the address's query: in the clear.
pub const PLAIN: &str = "tls=none";

/// Does a request go out by SMTP?
#[must_use]
pub fn is_mail(request: &Request) -> bool {
    request.url.starts_with("smtp:") || request.url.starts_with("smtps:")
}

/// A message on its way.
#[must_use]
pub fn send(url: impl Into<String>, hello: &str, from: &str, to: &str, message: impl Into<Bytes>) -> Request {
    let headers = [(FROM, from), (TO, to), (HELLO, hello)];
    let headers = Headers(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
    Request { method: SEND.into(), url: url.into(), headers, body: message.into() }
}

/// A proof that the server is there.
#[must_use]
pub fn probe(url: impl Into<String>, hello: &str) -> Request {
    let headers = Headers(vec![(HELLO.to_owned(), hello.to_owned())]);
    Request { method: PROBE.into(), url: url.into(), headers, body: Bytes::new() }
}

/// A reply, for simulators and tests.
#[must_use]
pub fn reply(stage: &str, code: u16, text: &str) -> Answer {
    let headers = Headers(vec![(STAGE.to_owned(), stage.to_owned())]);
    Answer { status: code, headers, body: text.to_owned().into_bytes().into() }
}
