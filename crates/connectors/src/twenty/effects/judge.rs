//! What Twenty's refusals mean (contract 1.5). Its 400 is a mixed bag: unknown exceptions become 400
//! too, so a text that is not known is tried once more before it is believed.

use crate::twenty::provision::model;
use crate::twenty::wire::ErrorBody;
use pasarela_connector::{Answer, Ctx, Outcome, Scope, judge as http};
use std::time::Duration;

/// Version 2.31 sends no Retry-After; its bucket is full again after a minute (contract 1.4).
const BLIND_WAIT: Duration = Duration::from_secs(60);

/// The text of a conflict on a unique field or an id.
const DUPLICATE: &str = "A duplicate entry was detected";

/// Name of the rule that holds back what is for the fashion model alone.
pub(in crate::twenty) const NOT_PROVISIONED: &str = "not_provisioned";

/// Whom a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// A row of the call: the others may be fine.
    Row,
    /// Any call like this one.
    Call,
}

/// The outcome of an answer; `None` for 2xx.
pub(in crate::twenty) fn judge(answer: &Answer, ctx: &Ctx<'_>) -> Option<Outcome> {
    refusal(answer, ctx).map(|(_, outcome)| outcome)
}

/// The outcome of an answer and whom it is about; `None` for 2xx.
pub(super) fn refusal(answer: &Answer, ctx: &Ctx<'_>) -> Option<(Reach, Outcome)> {
    if answer.is_success() {
        return None;
    }
    let body: ErrorBody = answer.parse().unwrap_or_default();
    let text = said(answer, &body);
    Some(match answer.status {
        400 => bad_request(&body, text, ctx),
        // No token, a revoked or an expired key: nothing that a new login could change.
        403 => (Reach::Call, Outcome::NeedsHuman { why: format!("Twenty refuses the API key: {text}") }),
        429 => (Reach::Call, throttled(answer, &body, ctx)),
        413 => (Reach::Row, too_large()),
        // Twenty's own 404 names a record or an object; a bare one comes from another server, and says
        // nothing of the record that was meant.
        404 | 410 if body.text().is_empty() => {
            let why = format!("HTTP {} without an error of Twenty's: check base_url", answer.status);
            (Reach::Call, Outcome::NeedsHuman { why })
        }
        // Of one record; in a batch the others may be there.
        404 | 410 => (Reach::Row, http::classify(answer, ctx.now)?),
        500 if text.to_ascii_lowercase().contains("request entity too large") => (Reach::Row, too_large()),
        _ => (Reach::Call, http::classify(answer, ctx.now)?),
    })
}

/// Is this the refusal of an id or a unique value that is there already?
pub(super) fn is_duplicate(answer: &Answer) -> bool {
    answer.status == 400 && answer.parse::<ErrorBody>().is_ok_and(|e| e.text().contains(DUPLICATE))
}

/// Is this Twenty's own word that there is no such record, or that it is in the bin?
pub(in crate::twenty) fn is_missing(answer: &Answer) -> bool {
    answer.status == 404 && answer.parse::<ErrorBody>().is_ok_and(|e| !e.text().is_empty())
}

/// Is this the refusal of a field that the workspace's version of the object does not have?
pub(super) fn is_unknown_field(answer: &Answer, field: &str) -> bool {
    answer.status == 400
        && answer.parse::<ErrorBody>().is_ok_and(|e| e.text().contains(&format!("doesn't have any \"{field}\" field")))
}

fn bad_request(body: &ErrorBody, text: String, ctx: &Ctx<'_>) -> (Reach, Outcome) {
    let human = |hint: &str| (Reach::Call, Outcome::NeedsHuman { why: format!("{text}. {hint}") });
    let give_up = |code: &str| (Reach::Row, Outcome::give_up(code, text.clone()));
    let again_or = |code: &str| {
        let outcome = match ctx.attempt {
            0 | 1 => Outcome::Retry { after: None, scope: Scope::Effect, why: text.clone() },
            _ => Outcome::give_up(code, text.clone()),
        };
        (Reach::Row, outcome)
    };
    match body.code.as_str() {
        "PERMISSION_DENIED" => return human("Give the API key's role the right to do this"),
        "INVALID_PHONE_NUMBER" | "CONFLICTING_PHONE_CALLING_CODE_AND_COUNTRY_CODE" => {
            return give_up("invalid_input");
        }
        "INVALID_CURSOR" => return (Reach::Call, Outcome::give_up("invalid_cursor", text)),
        "TOO_MANY_RECORDS_TO_UPDATE" => return give_up("too_many"),
        _ => {}
    }
    // Order matters: a text can hold a value that a person typed, so the more telling beginnings come first.
    if text.starts_with("Limit reached (") {
        (Reach::Call, Outcome::Throttled { after: Some(BLIND_WAIT), scope: Scope::Connection })
    } else if text.starts_with("Invalid value")
        || text.starts_with("Invalid string value")
        || text.starts_with("Expected 1 record to connect")
        || text.ends_with("is not a valid UUID")
    {
        give_up("invalid_input")
    } else if text.starts_with("Multiple records found with the same unique field values") {
        give_up("ambiguous")
    } else if text.starts_with("Maximum number of records") {
        give_up("too_many")
    } else if text.starts_with("Invalid cursor") {
        (Reach::Call, Outcome::give_up("invalid_cursor", text))
    } else if text.starts_with("Object ") && text.contains("doesn't have any") {
        human("Add the field to the workspace, or take it out of the flow or of hub_id_field")
    } else if is_of_the_model(&text) {
        (Reach::Row, not_provisioned(&text))
    } else if text.starts_with("object '") && text.contains("not found") {
        human("This workspace has no such object; is base_url right?")
    } else if text.contains("does not have permission") {
        human("Give the API key's role the right to do this")
    } else if text.contains("violates foreign key constraint") {
        (Reach::Row, Outcome::TargetGone { why: format!("a record that it refers to is not in Twenty: {text}") })
    } else if text.contains(DUPLICATE) {
        // Two writers at the same moment; the second look finds the other's record.
        again_or("duplicate")
    } else {
        again_or("http_400")
    }
}

/// Is this an object of the fashion model that the workspace does not have?
fn is_of_the_model(text: &str) -> bool {
    let named = text.strip_prefix("object '").and_then(|rest| rest.split_once("' not found"));
    named.is_some_and(|(plural, _)| model::OBJECTS.iter().any(|o| o.plural == plural))
}

/// What is for the fashion model alone does nothing in a workspace without it, and asks nobody to act.
pub(super) fn not_provisioned(text: &str) -> Outcome {
    let why = format!("this workspace has no fashion model ({text}); `pasarela connections provision` makes it");
    Outcome::withheld(NOT_PROVISIONED, why)
}

fn throttled(answer: &Answer, body: &ErrorBody, ctx: &Ctx<'_>) -> Outcome {
    let in_body = || {
        let seconds = body.retry_after_seconds.filter(|s| s.is_finite() && (0.0..=86_400.0).contains(s))?;
        Some(Duration::from_secs_f64(seconds))
    };
    let after = http::retry_after(answer, ctx.now).or_else(in_body).unwrap_or(BLIND_WAIT);
    Outcome::Throttled { after: Some(after), scope: Scope::Connection }
}

fn too_large() -> Outcome {
    Outcome::give_up("too_large", "the request is larger than the 10 MB that Twenty takes; shorten the texts")
}

/// What the server said, for people, without addresses and phone numbers: it goes into state and logs.
fn said(answer: &Answer, body: &ErrorBody) -> String {
    let text = body.text();
    let text = if text.is_empty() {
        let name = [&body.code, &body.error].into_iter().find(|t| !t.is_empty());
        name.cloned().unwrap_or_else(|| format!("HTTP {}: {}", answer.status, answer.excerpt(200)))
    } else {
        text
    };
    mask(&text.chars().take(400).collect::<String>())
}

fn mask(text: &str) -> String {
    let masked = text.split(' ').map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if word.contains('@') {
            "…@…".to_owned()
        } else if digits >= 7 && word.chars().all(|c| c.is_ascii_digit() || "+'\"().,;".contains(c)) {
            "…".to_owned()
        } else {
            word.to_owned()
        }
    });
    masked.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    fn name(answer: &Answer, attempt: u32) -> &'static str {
        judge(answer, &Ctx { now: Timestamp::UNIX_EPOCH, key: "k", attempt }).map_or("none", |o| o.name())
    }

    #[test]
    fn every_shape_of_error_is_read() {
        let shapes = [
            json!({ "statusCode": 400, "error": "BadRequestException", "messages": ["'42' is not a valid UUID"] }),
            json!({ "message": "'42' is not a valid UUID", "error": "Bad Request", "statusCode": 400 }),
            json!({ "message": ["'42' is not a valid UUID"], "error": "Bad Request", "statusCode": 400 }),
        ];
        for shape in shapes {
            assert_eq!(name(&Answer::json(400, &shape), 1), "give_up", "{shape}");
        }
    }

    #[test]
    fn an_unknown_400_is_believed_the_second_time() {
        for body in [json!({ "messages": ["Connection terminated"] }), json!({}), json!("?"), json!([1])] {
            assert_eq!(name(&Answer::json(400, &body), 1), "retry", "{body}");
            assert_eq!(name(&Answer::json(400, &body), 2), "give_up", "{body}");
        }
        assert_eq!(name(&Answer::text(500, "request entity too large"), 1), "give_up");
        assert_eq!(name(&Answer::text(500, "oops"), 1), "provider_down");
    }

    #[test]
    fn a_404_of_another_server_is_no_missing_record() {
        for answer in
            [Answer::text(404, ""), Answer::text(404, "<html>Not Found</html>"), Answer::json(404, &json!({}))]
        {
            assert_eq!(name(&answer, 1), "needs_human", "{answer:?}");
        }
        let own = json!({ "statusCode": 404, "error": "NotFoundException", "messages": ["Record not found"] });
        assert_eq!(name(&Answer::json(404, &own), 1), "target_gone");
    }

    #[test]
    fn addresses_and_numbers_are_masked() {
        assert_eq!(
            mask("Provided phone number is invalid 3005559878 (emails.primaryEmail: ana@x.co)"),
            "Provided phone number is invalid … (emails.primaryEmail: …@…"
        );
    }
}
