//! Looking for a person: a read, so it may be repeated.

use crate::twenty::Connection;
use crate::twenty::effects::judge::judge;
use crate::twenty::effects::{call, filled, invalid, read, unreadable};
use crate::twenty::inbound::person_of;
use crate::twenty::wire::Page;
use pasarela_connector::{Answer, Ctx, Outcome, Request, Step};
use pasarela_domain::{EmailAddress, Phone};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Whom to look for: by e-mail, which is unique, or by phone. With both, the e-mail counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::twenty) struct Find {
    /// E-mail.
    #[serde(default)]
    email: Option<String>,
    /// Phone in international form (+573001234567).
    #[serde(default)]
    phone: Option<String>,
}

pub(in crate::twenty) fn begin(on: &Connection, input: &Value) -> Result<Step, Box<Outcome>> {
    let input: Find = read(input)?;
    let filter = if let Some(text) = filled(&input.email) {
        // Lower-cased by its type: `eq` is case sensitive, and addresses are stored in lower case.
        let email: EmailAddress = text.parse().map_err(|e| invalid(format!("email: {e}")))?;
        if email.as_str().contains(['"', '\\']) {
            return Err(invalid("email: an address with quotes cannot be searched for in Twenty"));
        }
        format!("emails.primaryEmail[eq]:\"{}\"", email.as_str())
    } else if let Some(text) = filled(&input.phone) {
        by_phone(&text.parse().map_err(|e| invalid(format!("phone: {e}")))?)
    } else {
        return Err(invalid("give an email or a phone to look for"));
    };
    // Phones are not unique: the oldest record is the same one each time.
    let request = Request::get(on.url("/rest/people")).query([
        ("limit", "1"),
        ("order_by", "createdAt[AscNullsFirst]"),
        ("filter", &filter),
    ]);
    Ok(call(request, json!({ "v": 1 })))
}

/// Numbers are stored without their calling code, which has one to three digits. No calling code is
/// the beginning of another, so only one of the three ways to cut can be in the CRM.
fn by_phone(phone: &Phone) -> String {
    let digits = phone.digits();
    let cuts: Vec<String> = (1..=3)
        .filter_map(|n| digits.split_at_checked(n))
        .map(|(code, number)| {
            format!("and(phones.primaryPhoneCallingCode[eq]:\"+{code}\",phones.primaryPhoneNumber[eq]:\"{number}\")")
        })
        .collect();
    format!("or({})", cuts.join(","))
}

pub(in crate::twenty) fn on(answer: &Answer, ctx: &Ctx<'_>) -> Outcome {
    if let Some(outcome) = judge(answer, ctx) {
        return outcome;
    }
    let Ok(page) = answer.parse::<Page>() else {
        return unreadable(answer);
    };
    let Some(Value::Array(people)) = page.data.get("people") else {
        return unreadable(answer);
    };
    let Some(record) = people.first() else {
        return Outcome::done(json!({
            "found": false, "matches": 0, "id": null, "name": null, "first_name": null, "last_name": null,
            "email": null, "phone": null, "job_title": null, "company_id": null
        }));
    };
    let Ok(person) = person_of(record, false) else {
        return unreadable(answer);
    };
    Outcome::done(json!({
        "found": true,
        "matches": page.total_count.unwrap_or(1),
        "id": person.id,
        "name": person.contact.name,
        "first_name": person.contact.first_name,
        "last_name": person.contact.last_name,
        "email": person.contact.email,
        "phone": person.contact.phone,
        "job_title": person.job_title,
        "company_id": person.company_id,
    }))
}
