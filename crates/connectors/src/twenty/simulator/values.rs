//! Values as the server stores them: composites with all their parts, addresses in lower case,
//! phones without their country (contract 2.4).

use super::answers::Refusal;
use super::schema::Kind;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Calling codes and countries that the double knows; none is the beginning of another.
const COUNTRIES: &[(&str, &str)] = &[
    ("+57", "CO"),
    ("+1", "US"),
    ("+34", "ES"),
    ("+52", "MX"),
    ("+54", "AR"),
    ("+56", "CL"),
    ("+51", "PE"),
    ("+593", "EC"),
    ("+58", "VE"),
    ("+507", "PA"),
    ("+55", "BR"),
    ("+39", "IT"),
    ("+33", "FR"),
    ("+44", "GB"),
    ("+49", "DE"),
    ("+506", "CR"),
    ("+502", "GT"),
    ("+591", "BO"),
    ("+598", "UY"),
    ("+595", "PY"),
];

/// Text at a field or JSON pointer; empty where there is none.
pub(super) fn text(record: &Map<String, Value>, field: &str) -> String {
    record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Text inside a composite.
pub(super) fn part(record: &Map<String, Value>, field: &str, part: &str) -> String {
    record.get(field).and_then(|c| c.get(part)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A moment as the server writes it.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// What an unset field holds.
pub(super) fn unset(kind: Kind, options: &[String]) -> Value {
    match kind {
        Kind::Text => json!(""),
        Kind::FullName => json!({ "firstName": "", "lastName": "" }),
        Kind::Emails => json!({ "primaryEmail": "", "additionalEmails": [] }),
        Kind::Phones => json!({
            "primaryPhoneNumber": "", "primaryPhoneCountryCode": "", "primaryPhoneCallingCode": "",
            "additionalPhones": []
        }),
        Kind::Links => {
            json!({ "primaryLinkLabel": "", "primaryLinkUrl": "", "secondaryLinks": [] })
        }
        Kind::Address => json!({
            "addressStreet1": "", "addressStreet2": "", "addressCity": "", "addressPostcode": "", "addressState": "",
            "addressCountry": "", "addressLat": null, "addressLng": null
        }),
        Kind::Currency => json!({ "amountMicros": null, "currencyCode": null }),
        Kind::RichText => json!({ "blocknote": null, "markdown": null }),
        Kind::Stage | Kind::TaskStatus => json!(options.first()),
        Kind::DateTime | Kind::Files | Kind::Relation(_) => Value::Null,
    }
}

/// A new value over the old one. Composites merge, as PATCH does.
pub(super) fn apply(kind: Kind, name: &str, options: &[String], old: &Value, new: &Value) -> Result<Value, Refusal> {
    match kind {
        Kind::Text => match new {
            Value::Null => Ok(json!("")),
            Value::String(_) => Ok(new.clone()),
            other => Err(Refusal::bad(format!("Invalid string value {other} for text field \"{name}\""))),
        },
        Kind::DateTime => match new {
            Value::Null => Ok(Value::Null),
            other => {
                let at = other.as_str().and_then(|t| t.parse::<Timestamp>().ok());
                let at = at.ok_or_else(|| Refusal::bad(format!("Invalid date value {other} for field \"{name}\"")))?;
                Ok(json!(moment(at)))
            }
        },
        Kind::Stage | Kind::TaskStatus => match new.as_str() {
            Some(value) if options.iter().any(|o| o == value) => Ok(new.clone()),
            value => {
                let value = value.map_or_else(|| new.to_string(), str::to_owned);
                let valid = options.join(", ");
                Err(Refusal::bad(format!("Invalid value \"{value}\" for field \"{name}\". Valid values are: {valid}")))
            }
        },
        Kind::Files => Ok(new.clone()),
        // Relations are checked by the store, which knows the other records.
        Kind::Relation(_) => Ok(new.clone()),
        composite => {
            let fresh = unset(composite, options);
            let mut merged = match (old, new) {
                (_, Value::Null) => return Ok(fresh),
                (Value::Object(old), Value::Object(_)) => old.clone(),
                (_, Value::Object(_)) => fresh.as_object().cloned().unwrap_or_default(),
                _ => {
                    return Err(Refusal::bad(format!("Invalid value {new} for field \"{name}\"")));
                }
            };
            for (part, value) in new.as_object().into_iter().flatten() {
                if let Some(empty) = fresh.get(part) {
                    let value = if value.is_null() { empty.clone() } else { value.clone() };
                    merged.insert(part.clone(), value);
                }
            }
            tidy(name, composite, &mut merged, new)?;
            Ok(Value::Object(merged))
        }
    }
}

/// What the server does to a composite after merging.
fn tidy(name: &str, kind: Kind, merged: &mut Map<String, Value>, sent: &Value) -> Result<(), Refusal> {
    match kind {
        Kind::Emails => {
            let primary = text(merged, "primaryEmail").to_lowercase();
            if !primary.is_empty() && !is_email(&primary) {
                let text = format!("Invalid string value '{primary}' for email field \"{name}.primaryEmail\"");
                return Err(Refusal::bad(text));
            }
            merged.insert("primaryEmail".into(), json!(primary));
            if let Some(Value::Array(more)) = merged.get_mut("additionalEmails") {
                for address in more {
                    *address = json!(address.as_str().unwrap_or_default().to_lowercase());
                }
            }
        }
        Kind::Phones if sent.get("primaryPhoneNumber").is_some() => phone(merged, sent)?,
        Kind::Links => {
            let url = text(merged, "primaryLinkUrl");
            if let Some((scheme, rest)) = url.split_once("://") {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                merged.insert("primaryLinkUrl".into(), json!(format!("{scheme}://{}{path}", host.to_lowercase())));
            }
        }
        Kind::Currency => {
            if let Some(micros) = merged.get("amountMicros").filter(|m| !m.is_null()) {
                // Through a double, and fractions are cut (recorded).
                let number = micros.as_f64().or_else(|| micros.as_str().and_then(|t| t.trim().parse().ok()));
                let number = number.filter(|n| n.is_finite());
                let number =
                    number.ok_or_else(|| Refusal::bad(format!("Invalid value {micros} for field \"{name}\"")))?;
                merged.insert("amountMicros".into(), json!(number.trunc() as i64));
            }
        }
        Kind::RichText => {
            let blocks: Vec<Value> =
                text(merged, "markdown").split("\n\n").filter(|p| !p.is_empty()).map(block).collect();
            merged.insert("blocknote".into(), json!(Value::Array(blocks).to_string()));
        }
        _ => {}
    }
    Ok(())
}

fn block(paragraph: &str) -> Value {
    json!({
        "type": "paragraph",
        "content": [{ "type": "text", "text": paragraph.replace("**", ""), "styles": {} }],
        "children": []
    })
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !text.contains(char::is_whitespace) && !domain.contains('@')
    })
}

/// The country is taken out of an international number; a national one needs it beside it.
fn phone(merged: &mut Map<String, Value>, sent: &Value) -> Result<(), Refusal> {
    let number = text(merged, "primaryPhoneNumber");
    let sent_part = |part: &str| sent.get(part).and_then(Value::as_str).unwrap_or_default();
    let (code, country) = (sent_part("primaryPhoneCallingCode"), sent_part("primaryPhoneCountryCode"));
    let invalid = || Refusal::coded("INVALID_PHONE_NUMBER", format!("Provided phone number is invalid {number}"));
    let by_code = |code: &str| COUNTRIES.iter().find(|(c, _)| *c == code);
    let by_country = COUNTRIES.iter().find(|(_, c)| *c == country);
    if let (Some((known, _)), false) = (by_country, code.is_empty())
        && *known != code
    {
        let text = "Provided country code and calling code are conflicting";
        return Err(Refusal::coded("CONFLICTING_PHONE_CALLING_CODE_AND_COUNTRY_CODE", text));
    }
    let (entry, national) = if number.is_empty() {
        (None, "")
    } else if let Some(found) = COUNTRIES.iter().find(|(c, _)| number.starts_with(c)) {
        (Some(found), number.strip_prefix(found.0).unwrap_or_default())
    } else {
        (by_country.or_else(|| by_code(code)), number.as_str())
    };
    let plausible = (6..=12).contains(&national.len()) && national.bytes().all(|b| b.is_ascii_digit());
    let (code, country, national) = match entry {
        None if number.is_empty() => ("", "", String::new()),
        Some((code, country)) if plausible => (*code, *country, national.to_owned()),
        _ => return Err(invalid()),
    };
    merged.insert("primaryPhoneNumber".into(), json!(national));
    merged.insert("primaryPhoneCountryCode".into(), json!(country));
    merged.insert("primaryPhoneCallingCode".into(), json!(code));
    Ok(())
}

/// Something like the server's search text: its words, numbered.
pub(super) fn search_vector(record: &Map<String, Value>) -> String {
    let parts = [
        part(record, "name", "firstName"),
        part(record, "name", "lastName"),
        text(record, "name"),
        text(record, "title"),
        part(record, "emails", "primaryEmail"),
        part(record, "phones", "primaryPhoneNumber"),
        text(record, "jobTitle"),
    ];
    let mut all = parts.join(" ").to_lowercase();
    // Links have no words of their own; the server takes their id.
    if all.trim().is_empty() {
        all = text(record, "id");
    }
    let mut words: Vec<(&str, usize)> = all.split_whitespace().zip(1..).collect();
    words.sort_unstable();
    words.iter().map(|(word, n)| format!("'{}':{n}", word.replace('\'', ""))).collect::<Vec<_>>().join(" ")
}
