//! `add_note`: the note, then the link to what it is about. Both ids are derived from the effect's
//! key, so an id that is there already is our own earlier call, and counts as done.

use super::judge::{is_duplicate, is_unknown_field, judge};
use super::{call, invalid, read, record_id, record_ref, unreadable};
use crate::twenty::Connection;
use crate::twenty::wire::Data;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Scope, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A note about exactly one person, company or deal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Input {
    /// Id of the person in Twenty.
    #[serde(default)]
    person_id: Option<String>,
    /// Id of the company in Twenty.
    #[serde(default)]
    company_id: Option<String>,
    /// Id of the deal in Twenty.
    #[serde(default)]
    opportunity_id: Option<String>,
    /// Headline.
    title: String,
    /// Text in Markdown.
    markdown: String,
}

/// Which call is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Note,
    Target,
    /// Workspaces made by older versions name the link without `target` (contract 2.3).
    OldTarget,
}

/// What a note is about: name of the relation and id.
fn target(input: &Input) -> Result<(&'static str, Uuid), Box<Outcome>> {
    let targets = [
        ("Person", record_ref("person_id", &input.person_id)?),
        ("Company", record_ref("company_id", &input.company_id)?),
        ("Opportunity", record_ref("opportunity_id", &input.opportunity_id)?),
    ];
    let mut given = targets.into_iter().filter_map(|(name, id)| Some((name, id?)));
    match (given.next(), given.next()) {
        (Some(target), None) => Ok(target),
        (None, _) => Err(invalid("a note needs a person_id, a company_id or an opportunity_id")),
        (Some(_), Some(_)) => {
            Err(invalid("a note is about one record; give only one of person_id, company_id, opportunity_id"))
        }
    }
}

pub(super) fn begin(on: &Connection, input: &Value, ctx: &Ctx<'_>) -> Result<Step, Box<Outcome>> {
    let input: Input = read(input)?;
    target(&input)?;
    if input.title.trim().is_empty() && input.markdown.trim().is_empty() {
        return Err(invalid("a note needs a title or a text"));
    }
    let body = json!({
        "id": on.record_id("note", ctx.key),
        "title": input.title,
        "bodyV2": { "markdown": input.markdown },
    });
    Ok(call(Request::new("POST", on.url("/rest/notes")).json(&body), state(At::Note)))
}

pub(super) fn on(
    on: &Connection,
    input: &Value,
    state: &Value,
    answer: &Answer,
    ctx: &Ctx<'_>,
) -> Result<Step, Box<Outcome>> {
    let input: Input = read(input)?;
    let (about, id) = target(&input)?;
    let at = state.get("at").and_then(|at| At::deserialize(at).ok()).ok_or_else(|| Outcome::Retry {
        after: None,
        scope: Scope::Effect,
        why: "the stored state of the note cannot be read by this version; it begins anew".into(),
    })?;
    let old_name = at == At::Target && is_unknown_field(answer, &format!("target{about}Id"));
    if !old_name && !is_duplicate(answer) {
        if let Some(outcome) = judge(answer, ctx) {
            return Err(Box::new(outcome));
        }
        let made = match at {
            At::Note => "createNote",
            At::Target | At::OldTarget => "createNoteTarget",
        };
        if made_id(answer, made).is_none() {
            return Err(Box::new(unreadable(answer)));
        }
    }
    let note = on.record_id("note", ctx.key);
    let link = on.record_id("noteTarget", ctx.key);
    let link_by = |field: String, at: At| {
        let body: Map<String, Value> =
            [("id".to_owned(), json!(link)), ("noteId".into(), json!(note)), (field, json!(id))].into_iter().collect();
        call(Request::new("POST", on.url("/rest/noteTargets")).json(&Value::Object(body)), self::state(at))
    };
    Ok(match at {
        At::Note => link_by(format!("target{about}Id"), At::Target),
        At::Target if old_name => link_by(format!("{}Id", about.to_lowercase()), At::OldTarget),
        At::Target | At::OldTarget => Step::end(Outcome::done(json!({ "id": note, "target_id": link }))),
    })
}

/// Id of the record that a 2xx shows; without one, something in between answered.
fn made_id(answer: &Answer, name: &str) -> Option<String> {
    let body: Data = answer.parse().ok()?;
    record_id(body.data.get(name)?).map(str::to_owned)
}

fn state(at: At) -> Value {
    json!({ "v": 1, "at": at })
}
