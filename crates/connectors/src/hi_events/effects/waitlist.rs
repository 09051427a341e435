//! The waitlist: a place is offered, and somebody is taken off (contract section 2.5, since 1.7.0).
//!
//! Promise: nobody is offered a place twice. The entry is looked for first, and what it says decides. Whoever is next in
//! line is not known before the offer, so an offer by tier whose answer was lost is a person's to look at.

use super::answers::refused;
use super::{HiEventsConnector, ids};
use crate::hi_events::reconcile::{PER_PAGE, list, text_id};
use crate::hi_events::wire;
use jiff::Timestamp;
use pasarela_connector::action::{self, Refused, invalid, read};
use pasarela_connector::{Answer, Call, Done, Outcome, ReadBack, Repeat, Request, Step};
use serde::Deserialize;
use serde_json::{Value, json};

/// Pages of one list, and no list that turns in a circle.
const MOST_PAGES: u32 = 50;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfferWaitlist {
    /// Show that has places again (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Who gets the offer (`waitlist_entry.id`); whoever is next for `tier_id` when absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    entry_id: Option<String>,
    /// Tier of which there are places (`tier.id`); left out with `entry_id`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    tier_id: Option<String>,
    /// To how many of those who wait for the tier; 1 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 50))]
    quantity: Option<u16>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveFromWaitlist {
    /// Show that is waited for (`show.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    show_id: String,
    /// Who does not wait any more (`waitlist_entry.id`).
    #[schemars(regex(pattern = r"^[0-9]{1,20}$"))]
    entry_id: String,
}

/// What was asked for.
struct Asked {
    show: String,
    entry: Option<String>,
    /// Body of the offer; `None`: the entry is to go.
    offer: Option<Value>,
}

fn number(name: &str, id: &str) -> Result<u64, Refused> {
    id.parse().map_err(|_| invalid(format!("{name}: a Hi.Events id is a number")))
}

fn asked(action: &str, input: &Value) -> Result<Asked, Refused> {
    if action == "remove_from_waitlist" {
        let RemoveFromWaitlist { show_id, entry_id } = read(input)?;
        ids(&[("show_id", &show_id), ("entry_id", &entry_id)])?;
        return Ok(Asked { show: show_id, entry: Some(entry_id), offer: None });
    }
    let OfferWaitlist { show_id, entry_id, tier_id, quantity } = read(input)?;
    ids(&[("show_id", &show_id)])?;
    let body = match (&entry_id, &tier_id, quantity) {
        (Some(_), Some(_), _) => return Err(invalid("tier_id: an entry waits for its own tier; leave it out")),
        (Some(_), _, Some(_)) => return Err(invalid("quantity: an entry is one; leave it out")),
        (None, None, _) => return Err(invalid("entry_id: who gets the offer? Or name the tier_id that has places")),
        (_, _, Some(n)) if !(1..=50).contains(&n) => return Err(invalid("quantity: 1 to 50 at once")),
        (Some(entry), None, None) => json!({ "entry_id": number("entry_id", entry)? }),
        (None, Some(tier), n) => {
            json!({ "product_price_id": number("tier_id", tier)?, "quantity": n.unwrap_or(1) })
        }
    };
    Ok(Asked { show: show_id, entry: entry_id, offer: Some(body) })
}

/// How an entry of the list stands.
fn status<'r>(rows: &'r [Value], entry: &str) -> Option<&'r str> {
    let row = rows.iter().find(|row| text_id(row, "id").as_deref() == Some(entry))?;
    row.get("status").and_then(Value::as_str)
}

fn offered(entry: Option<&str>, count: usize, already: bool) -> Outcome {
    Outcome::Done(Done {
        result: json!({ "offered": count, "entry_id": entry, "already": already }),
        reference: entry.map(str::to_owned),
    })
}

fn removed(entry: &str, already: bool) -> Step {
    Step::end(Outcome::done(json!({ "entry_id": entry, "already": already })))
}

impl HiEventsConnector {
    pub(super) fn begin_waitlist(&self, action: &str, input: &Value) -> Result<Call, Refused> {
        let asked = asked(action, input)?;
        match &asked.entry {
            Some(_) => Ok(self.look_at_waitlist(&asked, 1)),
            None => Ok(self.offer(&asked)),
        }
    }

    fn look_at_waitlist(&self, asked: &Asked, page: u32) -> Call {
        let request = list(self, &format!("/events/{}/waitlist", asked.show), page, &[]);
        action::call(request, json!({ "v": 1, "step": "find", "page": page }), Repeat::Safe)
    }

    fn offer(&self, asked: &Asked) -> Call {
        let path = format!("/events/{}/waitlist/offer-next", asked.show);
        let body = asked.offer.clone().unwrap_or_default();
        let request = Request::new("POST", self.url(&path)).json(&body);
        action::call(request, json!({ "v": 1, "step": "offer" }), Repeat::Never)
    }

    /// The list, in which the entry says whether the offer was made.
    pub(super) fn ask_waitlist(&self, action: &str, input: &Value) -> Option<Request> {
        let asked = asked(action, input).ok()?;
        Some(list(self, &format!("/events/{}/waitlist", asked.show), 1, &[]))
    }

    pub(super) fn on_waitlist(
        &self,
        action: &str,
        input: &Value,
        state: &Value,
        answer: &Answer,
        now: Timestamp,
    ) -> Step {
        let asked = match asked(action, input) {
            Ok(asked) => asked,
            Err(outcome) => return Step::end(*outcome),
        };
        let step = state.get("step").and_then(Value::as_str).unwrap_or_default();
        let entry = asked.entry.as_deref();
        if step == "offer"
            && let Some(lost) = action::lost(answer)
        {
            return Step::end(lost);
        }
        if step == "find" && matches!(answer.status, 404 | 405) {
            let why = "this Hi.Events has no waitlist (it came with 1.7.0), or the show is not there";
            return Step::end(Outcome::TargetGone { why: why.into() });
        }
        if let Some(outcome) = refused(answer, now) {
            return Step::end(outcome);
        }
        match step {
            "remove" => return removed(entry.unwrap_or_default(), false),
            "offer" => {
                // Some versions may answer with the one entry instead of a list.
                let made = answer.parse::<wire::Data<Value>>().map(|b| b.data.as_array().map_or(1, Vec::len));
                return Step::end(match made {
                    Ok(count) => offered(entry, count, false),
                    Err(_) => Outcome::Unknown { why: "the answer to the offer is not understood".into() },
                });
            }
            _ => {}
        }
        let (Ok(rows), Some(entry)) = (answer.parse::<wire::Page>(), entry) else {
            return Step::end(action::unreadable(answer));
        };
        let page = state.get("page").and_then(Value::as_u64).and_then(|p| u32::try_from(p).ok()).unwrap_or(1);
        let Some(stands) = status(&rows.data, entry) else {
            if rows.more_after(page, PER_PAGE) && page < MOST_PAGES {
                return Step::Call(self.look_at_waitlist(&asked, page.saturating_add(1)));
            }
            return match asked.offer {
                None => removed(entry, true),
                Some(_) => Step::end(Outcome::give_up("not_waiting", format!("entry {entry} is on no waitlist"))),
            };
        };
        match (&asked.offer, stands.to_ascii_uppercase().as_str()) {
            (None, "CANCELLED") => removed(entry, true),
            (None, _) => {
                let path = format!("/events/{}/waitlist/{entry}", asked.show);
                let request = Request::new("DELETE", self.url(&path));
                Step::Call(action::call(request, json!({ "v": 1, "step": "remove" }), Repeat::Safe))
            }
            (Some(_), "OFFERED" | "PURCHASED") => Step::end(offered(Some(entry), 1, true)),
            (Some(_), "CANCELLED") => {
                Step::end(Outcome::give_up("not_waiting", format!("entry {entry} does not wait any more")))
            }
            (Some(_), _) => Step::Call(self.offer(&asked)),
        }
    }
}

/// Was the offer made?
pub(super) fn judge_waitlist(action: &str, input: &Value, answer: &Answer) -> ReadBack {
    let (Ok(asked), Ok(rows)) = (asked(action, input), answer.parse::<wire::Page>()) else {
        return ReadBack::Unclear("the waitlist could not be read".into());
    };
    let Some(entry) = asked.entry.as_deref() else {
        return ReadBack::Unclear("who was next in line is not known: look at the waitlist".into());
    };
    match (offered(Some(entry), 1, false), status(&rows.data, entry)) {
        (Outcome::Done(done), Some("OFFERED" | "PURCHASED")) => ReadBack::Done(done),
        (_, Some(_)) => ReadBack::NotThere,
        (_, None) => ReadBack::Unclear(format!("entry {entry} is not on the first page of the waitlist")),
    }
}
