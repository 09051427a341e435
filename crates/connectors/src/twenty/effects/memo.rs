//! `add_note` and `add_task`: the text, then the link to what it is about. Both ids are derived from the effect's
//! key, so an id that is there already is our own earlier call, and counts as done.

use super::judge::{is_duplicate, is_unknown_field, judge};
use super::record::ObjectName;
use super::rows::capital;
use super::{call, filled, invalid, moment, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::{Data, Page};
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step};
use pasarela_domain::EmailAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A note about exactly one record: a person, a company, a deal, or one of the fashion model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Note {
    /// Id of the person in Twenty.
    #[serde(default)]
    person_id: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// Id of the deal in Twenty.
    #[serde(default)]
    opportunity_id: Option<String>,
    /// Another record that it is about.
    #[serde(default)]
    about: Option<About>,
    /// Headline.
    title: String,
    /// Text in Markdown.
    markdown: String,
}

/// Something that a person must do, about exactly one record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Task {
    /// Id of the person in Twenty.
    #[serde(default)]
    person_id: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// Id of the deal in Twenty.
    #[serde(default)]
    opportunity_id: Option<String>,
    /// Another record that it is about.
    #[serde(default)]
    about: Option<About>,
    /// What is to be done.
    title: String,
    /// More about it, in Markdown.
    #[serde(default)]
    markdown: Option<String>,
    /// Until when: a date, or a moment with its zone.
    #[serde(default)]
    due: Option<String>,
    /// Who is to do it: the e-mail with which they log in to Twenty. Nobody, where the workspace has no such member.
    #[serde(default)]
    assignee: Option<String>,
}

/// A record of the fashion model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct About {
    /// Which object.
    object: ObjectName,
    /// Id of the record in Twenty.
    id: String,
}

/// Which call is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Member,
    Memo,
    Target,
    /// Workspaces made by older versions name the link without `target` (contract 2.3).
    OldTarget,
}

/// Both kinds as one.
struct Memo {
    task: bool,
    /// Singular name and id of what it is about.
    about: (&'static str, Uuid),
    title: String,
    markdown: String,
    due: Option<String>,
    assignee: Option<EmailAddress>,
}

impl Memo {
    fn read(action: &str, input: &Value) -> Result<Self, Box<Outcome>> {
        if action == "add_task" {
            let task: Task = read(input)?;
            let about = target(&task.person_id, &task.company_id, &task.opportunity_id, &task.about)?;
            if task.title.trim().is_empty() {
                return Err(invalid("a task needs a title"));
            }
            let due = filled(&task.due).map(|text| moment("due", text)).transpose()?;
            let assignee = filled(&task.assignee)
                .map(|t| t.parse::<EmailAddress>().map_err(|e| invalid(format!("assignee: {e}"))))
                .transpose()?;
            if let Some(email) = &assignee {
                super::rows::quoted("assignee", email.as_str())?;
            }
            let markdown = task.markdown.unwrap_or_default();
            return Ok(Self { task: true, about, title: task.title, markdown, due, assignee });
        }
        let note: Note = read(input)?;
        let about = target(&note.person_id, &note.company_id, &note.opportunity_id, &note.about)?;
        if note.title.trim().is_empty() && note.markdown.trim().is_empty() {
            return Err(invalid("a note needs a title or a text"));
        }
        Ok(Self { task: false, about, title: note.title, markdown: note.markdown, due: None, assignee: None })
    }

    fn kind(&self) -> &'static str {
        if self.task { "task" } else { "note" }
    }

    fn write(&self, on: &Connection, ctx: &Ctx<'_>, member: Option<&str>) -> Step {
        let mut body = Map::new();
        body.insert("id".into(), json!(on.record_id(self.kind(), ctx.key)));
        body.insert("title".into(), json!(self.title));
        if !self.markdown.trim().is_empty() || !self.task {
            body.insert("bodyV2".into(), json!({ "markdown": self.markdown }));
        }
        if let Some(due) = &self.due {
            body.insert("dueAt".into(), json!(due));
        }
        if let Some(member) = member {
            body.insert("assigneeId".into(), json!(member));
        }
        let url = on.url(&format!("/rest/{}s", self.kind()));
        call(Request::new("POST", url).json(&Value::Object(body)), state(At::Memo))
    }

    fn link(&self, on: &Connection, ctx: &Ctx<'_>, at: At) -> Step {
        let (kind, (about, id)) = (self.kind(), self.about);
        let field = match at {
            At::OldTarget => format!("{about}Id"),
            _ => format!("target{}Id", capital(about)),
        };
        let target = format!("{kind}Target");
        let body: Map<String, Value> = [
            ("id".to_owned(), json!(on.record_id(&target, ctx.key))),
            (format!("{kind}Id"), json!(on.record_id(kind, ctx.key))),
            (field, json!(id)),
        ]
        .into_iter()
        .collect();
        call(Request::new("POST", on.url(&format!("/rest/{target}s"))).json(&Value::Object(body)), state(at))
    }
}

/// What it is about: singular name and id.
fn target(
    person: &Option<String>,
    company: &Option<String>,
    deal: &Option<String>,
    about: &Option<About>,
) -> Result<(&'static str, Uuid), Box<Outcome>> {
    let other = match about {
        Some(about) => record_ref("about.id", &Some(about.id.clone()))?.map(|id| (about.object.object().singular, id)),
        None => None,
    };
    let targets = [
        record_ref("person_id", person)?.map(|id| ("person", id)),
        record_ref("company_id", company)?.map(|id| ("company", id)),
        record_ref("opportunity_id", deal)?.map(|id| ("opportunity", id)),
        other,
    ];
    let mut given = targets.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(target), None) => Ok(target),
        (None, _) => Err(invalid("it needs a person_id, a company_id, an opportunity_id or what it is about")),
        (Some(_), Some(_)) => {
            Err(invalid("it is about one record; give only one of person_id, company_id, opportunity_id, about"))
        }
    }
}

pub(super) fn begin(on: &Connection, action: &str, input: &Value, ctx: &Ctx<'_>) -> Result<Step, Box<Outcome>> {
    let memo = Memo::read(action, input)?;
    let Some(email) = &memo.assignee else { return Ok(memo.write(on, ctx, None)) };
    let filter = format!("userEmail[eq]:\"{}\"", email.as_str());
    let request = Request::get(on.url("/rest/workspaceMembers")).query([("limit", "1"), ("filter", &filter)]);
    Ok(call(request, state(At::Member)))
}

pub(super) fn on(
    on: &Connection,
    action: &str,
    input: &Value,
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<Step, Box<Outcome>> {
    let memo = Memo::read(action, input)?;
    let at = state.get("at").and_then(|at| At::deserialize(at).ok()).ok_or_else(|| Outcome::Retry {
        after: None,
        scope: Scope::Effect,
        why: format!("the stored state of the {} cannot be read by this version; it begins anew", memo.kind()),
    })?;
    let (kind, (about, _)) = (memo.kind(), memo.about);
    let old_name = at == At::Target && is_unknown_field(answer, &format!("target{}Id", capital(about)));
    if !old_name && !is_duplicate(answer) {
        if let Some(outcome) = judge(answer, ctx) {
            return Err(Box::new(outcome));
        }
        if at == At::Member {
            let page = answer.parse::<Page>().map_err(|_| Box::new(unreadable(answer)))?;
            let found = page.data.get("workspaceMembers").and_then(Value::as_array);
            let found = found.ok_or_else(|| Box::new(unreadable(answer)))?;
            return Ok(memo.write(on, ctx, found.first().and_then(record_id)));
        }
        let made = match at {
            At::Memo | At::Member => format!("create{}", capital(kind)),
            At::Target | At::OldTarget => format!("create{}Target", capital(kind)),
        };
        if made_id(answer, &made).is_none() {
            return Err(Box::new(unreadable(answer)));
        }
    }
    Ok(match at {
        At::Member => memo.write(on, ctx, None),
        At::Memo => memo.link(on, ctx, At::Target),
        At::Target if old_name => memo.link(on, ctx, At::OldTarget),
        At::Target | At::OldTarget => {
            let (memo, link) = (on.record_id(kind, ctx.key), on.record_id(&format!("{kind}Target"), ctx.key));
            Step::end(Outcome::done(json!({ "id": memo, "target_id": link })))
        }
    })
}

/// Id of the record that a 2xx shows; without one, something in between answered.
fn made_id(answer: &Answer, name: &str) -> Option<String> {
    let body: Data = answer.parse().ok()?;
    record_id(body.data.get(name)?).map(str::to_owned)
}

fn state(at: At) -> Value {
    json!({ "v": 2, "at": at })
}
