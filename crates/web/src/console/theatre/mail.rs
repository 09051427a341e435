//! The mailbox: letters as the double shows them, as text. What a letter looks like is shown in a frame that
//! can run nothing and load nothing; its attachments are handed on as files to keep, never to be opened here.

use super::scene::Scene;
use crate::App;
use crate::console::guard::Visit;
use crate::console::json;
use crate::console::moments::Moment;
use crate::console::page::refusal;
use crate::console::words::Words;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::Value;

/// Letters in the list.
const LETTERS: usize = 12;
/// Letters of the text on the page.
const TEXT: usize = 6_000;
/// A letter may have its own colours, and pictures that it carries; no script, no form, nothing from outside.
const LETTER_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                             base-uri 'none'; frame-ancestors 'self'";

pub(super) struct AttachmentView {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) size: String,
}

pub(super) struct LetterView {
    pub(super) query: String,
    pub(super) to: String,
    pub(super) from: String,
    pub(super) subject: String,
    pub(super) at: Option<Moment>,
    pub(super) open: bool,
}

pub(super) struct OpenLetter {
    pub(super) letter: LetterView,
    pub(super) text: String,
    /// Where its looks are shown, if it has any.
    pub(super) looks: Option<String>,
    pub(super) attachments: Vec<AttachmentView>,
}

pub(super) struct MailboxView {
    pub(super) letters: Vec<LetterView>,
    pub(super) open: Option<OpenLetter>,
}

impl MailboxView {
    /// The letter that was chosen, else the latest one; `None`: no double has a mailbox.
    pub(super) fn of(w: Words, scene: &Scene, chosen: Option<&str>, now: Timestamp) -> Option<Self> {
        let (connection, box_) = scene.mailbox.as_ref()?;
        let mut all: Vec<&Value> = json::list(&box_["messages"]).iter().collect();
        // ISO texts sort as times.
        all.sort_by(|a, b| json::text(&b["at"]).cmp(&json::text(&a["at"])));
        let open = all.iter().find(|m| m["id"].as_str() == chosen && chosen.is_some()).or(all.first()).copied();
        let is_open = |m: &Value| open.is_some_and(|o| o["id"] == m["id"]);
        Some(Self {
            letters: all.iter().take(LETTERS).map(|m| letter_view(w, m, is_open(m), now)).collect(),
            open: open.map(|m| open_letter(w, connection, m, now)),
        })
    }
}

fn letter_view(w: Words, m: &Value, open: bool, now: Timestamp) -> LetterView {
    let id = json::text(&m["id"]);
    LetterView {
        query: form_urlencoded::Serializer::new(String::new()).append_pair("correo", &id).finish(),
        to: addresses(&m["to"]),
        from: addresses(&m["from"]),
        subject: json::opt(&m["subject"]).unwrap_or_else(|| w.t("theatre.no_subject").to_owned()),
        at: m["at"].as_str().and_then(|t| Moment::parse(w, t, now)),
        open,
    }
}

/// One address, or several.
fn addresses(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(json::text).collect::<Vec<_>>().join(", "),
        other => json::text(other),
    }
}

fn open_letter(w: Words, connection: &str, m: &Value, now: Timestamp) -> OpenLetter {
    let id = json::text(&m["id"]);
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let place = format!("{}/{}", part(connection), part(&id));
    let (text, _) = json::cut(json::text(&m["text"]), TEXT);
    let attachment = |(n, a): (usize, &Value)| AttachmentView {
        href: format!("/teatro/adjunto/{place}/{n}"),
        name: json::text(&a["name"]),
        kind: json::text(&a["type"]),
        size: crate::console::alarms::bytes(w, a["size"].as_f64().unwrap_or(0.0)),
    };
    OpenLetter {
        looks: json::opt(&m["html"]).map(|_| format!("/teatro/carta/{place}")),
        attachments: json::list(&m["attachments"]).iter().enumerate().map(attachment).collect(),
        letter: letter_view(w, m, true, now),
        text,
    }
}

/// A letter's looks, for the frame.
pub(in crate::console) async fn letter(
    State(app): State<App>,
    visit: Visit,
    Path((connection, message)): Path<(String, String)>,
) -> Result<Response, Response> {
    let missing = || refusal(&visit, StatusCode::NOT_FOUND, "error.not_found");
    let sandbox = app.console.sandbox.as_ref().ok_or_else(missing)?;
    let mut talk = sandbox.talk().await.map_err(|_| missing())?;
    let mailbox = talk.view(&connection, "mailbox").await;
    let found = json::list(&mailbox["messages"]).iter().find(|m| m["id"].as_str() == Some(&message));
    let looks = found.and_then(|m| json::opt(&m["html"])).ok_or_else(missing)?;
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], looks).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(LETTER_POLICY));
    Ok(response)
}

/// A file that a letter carries, to keep.
pub(in crate::console) async fn attachment(
    State(app): State<App>,
    visit: Visit,
    Path((connection, message, n)): Path<(String, String, String)>,
) -> Result<Response, Response> {
    let missing = || refusal(&visit, StatusCode::NOT_FOUND, "error.not_found");
    let sandbox = app.console.sandbox.as_ref().ok_or_else(missing)?;
    let file = sandbox.file(&connection, &message, &n).await.map_err(|_| missing())?;
    let mut response = file.bytes.into_response();
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&file.kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    // Whatever it is, it does nothing here.
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    Ok(response)
}
