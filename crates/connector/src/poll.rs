//! Reading lists, page by page: what the reconciliation of all connectors does alike.
//!
//! Three ways of turning pages are met: by number ([`more_after`]), by the provider's own cursor, and by
//! a `Link` header ([`next_link`]). A walk's place is its cursor, kept by the engine after the records.
//! Promise: a failure never moves a cursor; a cursor of another version begins anew, since every fact is
//! known again by its key.

use crate::{Answer, Outcome, PollStep, Record, Request, Scope, action::Refused, judge};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A step, or why reading failed.
pub type Polled = Result<PollStep, Refused>;

/// A step for the engine.
#[must_use]
pub fn step(polled: Polled) -> PollStep {
    polled.unwrap_or_else(|outcome| PollStep::Failed(*outcome))
}

/// A cursor as the connector's own type.
#[must_use]
pub fn cursor<T: DeserializeOwned + Default>(kept: Option<&Value>) -> T {
    kept.and_then(|c| T::deserialize(c).ok()).unwrap_or_default()
}

/// Make this call.
#[must_use]
pub fn call(request: Request, state: Value) -> PollStep {
    PollStep::Call { request, state }
}

/// Records were read; the walk goes on from `cursor`, now or next time.
pub fn page<T: Serialize>(records: Vec<Record>, cursor: &T, more: bool) -> Polled {
    match serde_json::to_value(cursor) {
        Ok(cursor) => Ok(PollStep::Page { records, cursor, more }),
        Err(e) => Err(Box::new(Outcome::give_up("cursor", e.to_string()))),
    }
}

/// A task that the manifest does not list.
#[must_use]
pub fn unknown(provider: &str, task: &str) -> Refused {
    Box::new(Outcome::give_up("unknown_task", format!("{provider} cannot reconcile '{task}'")))
}

/// A 2xx answer's body, or what its failure means.
pub fn body<T: DeserializeOwned>(answer: &Answer, now: Timestamp) -> Result<T, Refused> {
    if let Some(outcome) = judge::classify(answer, now) {
        return Err(Box::new(outcome));
    }
    answer.parse().map_err(|e| {
        let why = format!("a list is not understood: {e}");
        Box::new(Outcome::Retry { after: None, scope: Scope::Connection, why })
    })
}

/// Is there a page after this one? By what the provider says (its last page), else by a full page.
#[must_use]
pub fn more_after(page: u32, rows: usize, per_page: usize, last: Option<u32>) -> bool {
    match last {
        Some(last) => page < last,
        None => rows >= per_page,
    }
}

/// The next page that a `Link` header names (RFC 8288), when it is on the same server: a list must not lead
/// the connection's credential elsewhere.
#[must_use]
pub fn next_link(answer: &Answer, asked: &str) -> Option<String> {
    let asked = url::Url::parse(asked).ok()?;
    let links = answer.headers.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    links.flat_map(|(_, value)| split(value)).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && relations.split_ascii_whitespace().any(|r| r.eq_ignore_ascii_case("next"))
        });
        let next = asked.join(target).ok().filter(|_| is_next)?;
        (next.origin() == asked.origin()).then(|| next.to_string())
    })
}

/// The links of a header; commas within the brackets or quotes of one part nothing.
fn split(value: &str) -> Vec<&str> {
    let (mut parts, mut from, mut within, mut quoted) = (Vec::new(), 0, false, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' if !within => quoted = !quoted,
            '<' if !quoted => within = true,
            '>' if !quoted => within = false,
            ',' if !within && !quoted => {
                parts.extend(value.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(value.get(from..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_and_never_leads_elsewhere() {
        let next = |value: &str| {
            next_link(&Answer::text(200, "").header("link", value), "https://api.example.com/v1/orders?page=1")
        };
        let there = Some("https://api.example.com/v1/orders?page=2".to_owned());
        assert_eq!(next("<https://api.example.com/v1/orders?page=2>; rel=\"next\""), there);
        assert_eq!(
            next("</v1/orders?page=9>; rel=last, </v1/orders?page=2>; title=\"a, b\"; rel=\"prefetch next\""),
            there
        );
        assert_eq!(next("<?page=2>; REL=next"), there);
        for nothing in [
            "<https://evil.example/v1/orders?page=2>; rel=next",
            "<http://api.example.com/v1/orders?page=2>; rel=next",
            "</v1/orders?page=2>; rel=prev",
            "</v1/orders?page=2>",
            "rel=next",
            "",
        ] {
            assert_eq!(next(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn pages_end_by_their_number_or_by_a_short_one() {
        assert!(more_after(1, 3, 100, Some(2)) && !more_after(2, 100, 100, Some(2)));
        assert!(more_after(1, 100, 100, None) && !more_after(1, 99, 100, None));
    }
}
