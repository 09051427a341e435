//! `/auditoria`: who did what, the latest first.

use super::guard::Visit;
use super::marks::Mark;
use super::moments::Moment;
use super::page::{Frame, html, unreadable};
use super::words::Words;
use crate::App;
use crate::api::whom;
use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};
use pasarela_store::{AuditFilter, AuditKind, AuditRow, Outcome, WhoKind};
use serde::Deserialize;
use serde_json::Value;

/// Rows of a page.
const ROWS: u32 = 50;

#[derive(Deserialize, Default)]
pub(super) struct Ask {
    /// Name or id.
    quien: Option<String>,
    /// Action.
    que: Option<String>,
    /// Subject.
    sobre: Option<String>,
    /// Days, as a calendar in Bogotá has them; both are in it.
    desde: Option<String>,
    hasta: Option<String>,
    /// Of which kind: `cambios`, when nothing is said.
    tipo: Option<String>,
    /// Only below this number.
    antes: Option<i64>,
}

impl Ask {
    fn field(text: Option<&String>) -> Option<String> {
        text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
    }
}

/// An entry of the list.
struct Entry {
    number: String,
    action: String,
    subject: String,
    name: String,
    /// What kind of caller, and from where.
    caller: String,
    at: Moment,
    before: Option<String>,
    after: Option<String>,
    forgotten: bool,
    /// What came of it, where it was not simply done.
    outcome: Option<Mark>,
    hash: String,
}

/// Entries of a kind, as the page offers them.
#[derive(Clone, Copy)]
struct Kind {
    /// In addresses.
    word: &'static str,
    /// In the catalogue.
    label: &'static str,
    filter: Option<AuditKind>,
}

const KINDS: [Kind; 4] = [
    Kind { word: "cambios", label: "audit.changes", filter: Some(AuditKind::Changes) },
    Kind { word: "consultas", label: "audit.looks", filter: Some(AuditKind::Looks) },
    Kind { word: "rechazos", label: "audit.refusals", filter: Some(AuditKind::Refusals) },
    Kind { word: "todo", label: "audit.everything", filter: None },
];

/// A way to the entries of a kind.
struct KindLink {
    label: &'static str,
    word: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "console/auditoria.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Entry>,
    who: String,
    action: String,
    subject: String,
    from: String,
    until: String,
    kinds: Vec<KindLink>,
    /// Something was asked for.
    narrowed: bool,
    older: Option<String>,
}

fn entry(w: Words, row: AuditRow, now: Timestamp) -> Entry {
    let kind = w.named("audit_who", row.who_kind.as_str());
    let pretty = |value: Option<Value>| value.map(|v| serde_json::to_string_pretty(&v).unwrap_or_default());
    Entry {
        number: row.seq.to_string(),
        action: did(w, &row.action),
        subject: row.subject,
        // Who has no name of their own is named by what they are.
        name: if row.who_kind == WhoKind::CommandLine { kind.clone() } else { row.name },
        caller: match (row.who_kind, row.from) {
            (WhoKind::CommandLine, from) => from.unwrap_or_default(),
            (_, Some(from)) => format!("{kind} · {from}"),
            (_, None) => kind,
        },
        at: Moment::new(w, row.at, now),
        before: pretty(row.before),
        after: pretty(row.after),
        forgotten: row.forgotten,
        outcome: row.outcome.filter(|o| *o != Outcome::Done).map(|o| Mark::new(w, "audit", o.as_str())),
        hash: row.hash,
    }
}

/// What was done, in words: looks and refusals by what they were of.
fn did(w: Words, action: &str) -> String {
    if let Some(what) = action.strip_suffix(".look") {
        return w.with("audit.looked_at", w.named("resource", what));
    }
    w.named("audit_did", action)
}

/// The first moment of a day in Bogotá, so many days later.
fn begins(day: &str, later: i64) -> Option<Timestamp> {
    let day: Date = day.parse().ok()?;
    Offset::constant(-5).to_timestamp(day.checked_add(later.days()).ok()?.at(0, 0, 0, 0)).ok()
}

pub(super) async fn list(State(app): State<App>, visit: Visit, Query(ask): Query<Ask>) -> Result<Response, Response> {
    let (w, now) = (visit.w, app.console.wall());
    let (asked, action, subject) =
        (Ask::field(ask.quien.as_ref()), Ask::field(ask.que.as_ref()), Ask::field(ask.sobre.as_ref()));
    let (from, until) = (Ask::field(ask.desde.as_ref()), Ask::field(ask.hasta.as_ref()));
    let (who, name) = whom(asked.clone());
    let wanted = Ask::field(ask.tipo.as_ref());
    let kind = KINDS.into_iter().find(|k| Some(k.word) == wanted.as_deref()).unwrap_or(KINDS[0]);
    let tipo = Some(kind.word.to_owned()).filter(|_| kind.word != KINDS[0].word);
    let filter = AuditFilter {
        who,
        name,
        action: action.clone(),
        subject: subject.clone(),
        kind: kind.filter,
        brands: app.brands_read(),
        from: from.as_deref().and_then(|day| begins(day, 0)),
        until: until.as_deref().and_then(|day| begins(day, 1)),
        before: ask.antes,
        limit: ROWS,
    };
    let found = app.engine.store().audit_list(filter).await.map_err(|e| unreadable(&visit, e))?;
    let fields = [
        ("quien", &asked),
        ("que", &action),
        ("sobre", &subject),
        ("desde", &from),
        ("hasta", &until),
        ("tipo", &tipo),
    ];
    let older = found.next.map(|next| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (field, value) in fields {
            if let Some(value) = value {
                query.append_pair(field, value);
            }
        }
        format!("/auditoria?{}", query.append_pair("antes", &next.to_string()).finish())
    });
    let page = AuditPage {
        kinds: KINDS
            .iter()
            .map(|k| KindLink { label: w.t(k.label), word: k.word, chosen: k.word == kind.word })
            .collect(),
        narrowed: fields.iter().any(|(_, value)| value.is_some()),
        older,
        rows: found.rows.into_iter().map(|row| entry(w, row, now)).collect(),
        who: asked.unwrap_or_default(),
        action: action.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        frame: Frame::new(&app, &visit, "audit.title", "audit").await,
    };
    Ok(html(&page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_in_bogota() {
        assert_eq!(begins("2026-11-27", 0), Some("2026-11-27T05:00:00Z".parse().unwrap()));
        assert_eq!(begins("2026-11-30", 1), Some("2026-12-01T05:00:00Z".parse().unwrap()));
        assert_eq!(begins("27/11/2026", 0), None);
    }
}
