//! What people do in Twenty's interface, and what screens show of it.

use super::answers::Refusal;
use super::schema::{self, ObjectType};
use super::store::{Actor, Event, Mode, Record, Store};
use super::values;
use crate::twenty::names;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Does one thing; the record that it was done to comes back.
pub(super) fn act(
    store: &mut Store,
    command: &str,
    args: &Value,
    now: Timestamp,
    events: &mut Vec<Event>,
) -> Result<Value, String> {
    let person = || object("people");
    let by = &Actor::Person;
    let refused = |r: Refusal| r.text();
    let record = match command {
        "create_person" => store.write(person()?, &[fields(args)?], Mode::Create, by, now, events).map_err(refused)?,
        "edit_person" => {
            let id = find(store, args)?;
            vec![store.patch(person()?, &id, &fields(args)?, by, now, events).map_err(refused)?]
        }
        "delete_person" => {
            let id = find(store, args)?;
            vec![store.soft_delete(person()?, &id, by, now, events).map_err(refused)?]
        }
        "restore_person" => {
            let id = find(store, args)?;
            vec![store.restore(person()?, &id, by, now, events).map_err(refused)?]
        }
        "destroy_person" => {
            let id = find(store, args)?;
            vec![store.destroy(person()?, &id, by, events).map_err(refused)?]
        }
        "create_company" => {
            let row =
                json!({ "name": needed(args, "name")?, "domainName": { "primaryLinkUrl": given(args, "domain") } });
            store.write(object("companies")?, &[row], Mode::Create, by, now, events).map_err(refused)?
        }
        "create_deal" => {
            let mut row: Map<String, Value> = [("name".to_owned(), json!(needed(args, "name")?))].into_iter().collect();
            let named = [("stage", "stage"), ("company_id", "companyId"), ("person_id", "pointOfContactId")];
            for (arg, field) in named.into_iter().filter(|(arg, _)| !given(args, arg).is_empty()) {
                row.insert(field.into(), json!(given(args, arg)));
            }
            if let Some(micros) = args.get("amount_micros") {
                row.insert("amount".into(), json!({ "amountMicros": micros, "currencyCode": "COP" }));
            }
            let row = Value::Object(row);
            store.write(object("opportunities")?, &[row], Mode::Create, by, now, events).map_err(refused)?
        }
        "move_deal" => {
            let id = needed(args, "id")?.to_lowercase();
            let row = json!({ "stage": needed(args, "stage")? });
            store.live("opportunities", &id).map_err(|_| format!("there is no deal with the id {id}"))?;
            vec![store.patch(object("opportunities")?, &id, &row, by, now, events).map_err(refused)?]
        }
        other => {
            return Err(format!(
                "nobody can '{other}' in Twenty's double; there are create_person, edit_person, delete_person, \
                 restore_person, destroy_person, create_company, create_deal and move_deal"
            ));
        }
    };
    Ok(json!(record.first()))
}

fn object(plural: &str) -> Result<&'static ObjectType, String> {
    schema::by_plural(plural).ok_or_else(|| format!("the double has no {plural}"))
}

fn given<'a>(args: &'a Value, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn needed<'a>(args: &'a Value, name: &str) -> Result<&'a str, String> {
    match given(args, name) {
        "" => Err(format!("'{name}' is missing")),
        text => Ok(text),
    }
}

/// Arguments of a person as fields: only those that are given.
fn fields(args: &Value) -> Result<Value, String> {
    if !args.is_object() {
        return Err(
            "the arguments must be an object, such as {\"name\": \"Ana Ruiz\", \"email\": \"ana@correo.example.co\"}"
                .into(),
        );
    }
    let mut row = Map::new();
    let (mut first, mut last) = names::split(given(args, "name"));
    for (arg, part) in [("first_name", &mut first), ("last_name", &mut last)] {
        if !given(args, arg).is_empty() {
            *part = given(args, arg).to_owned();
        }
    }
    let parts = [("firstName", first), ("lastName", last)].into_iter().filter(|(_, p)| !p.is_empty());
    let name: Map<String, Value> = parts.map(|(field, part)| (field.to_owned(), json!(part))).collect();
    if !name.is_empty() {
        row.insert("name".into(), Value::Object(name));
    }
    let mut set = |arg: &str, field: &str, wrap: &dyn Fn(&str) -> Value| {
        if let Some(text) = args.get(arg).and_then(Value::as_str) {
            row.insert(field.into(), wrap(text));
        }
    };
    // With `id` given, the e-mail is a new value; else it is how the person is found, and stays.
    set("email", "emails", &|t| json!({ "primaryEmail": t }));
    set("phone", "phones", &|t| json!({ "primaryPhoneNumber": t }));
    set("job_title", "jobTitle", &|t| json!(t));
    set("company_id", "companyId", &|t| json!(t));
    Ok(Value::Object(row))
}

/// The person with the `id`, else with the `email`, bin included.
fn find(store: &Store, args: &Value) -> Result<String, String> {
    let id = given(args, "id").to_lowercase();
    if !id.is_empty() {
        let found = store.any("people", &id).map(|_| id.clone());
        return found.ok_or_else(|| format!("there is no person with the id {id}"));
    }
    let email = needed(args, "email").map_err(|_| "give the person's id or email".to_owned())?.to_lowercase();
    let found = store.by_unique(object("people")?, "emails.primaryEmail", &email);
    found.map(str::to_owned).ok_or_else(|| format!("there is no person with the e-mail {email}"))
}

/// What makes a person the same person: e-mail, else phone, else only the record itself.
pub(super) fn identity(person: &Record) -> String {
    let email = values::part(person, "emails", "primaryEmail");
    if !email.is_empty() {
        return email;
    }
    match phone(person) {
        phone if phone.is_empty() => values::text(person, "id"),
        phone => phone,
    }
}

/// Full name.
pub(super) fn title(person: &Record) -> String {
    let (first, last) = (values::part(person, "name", "firstName"), values::part(person, "name", "lastName"));
    format!("{first} {last}").trim().to_owned()
}

fn phone(person: &Record) -> String {
    let number = values::part(person, "phones", "primaryPhoneNumber");
    format!("{}{number}", values::part(person, "phones", "primaryPhoneCallingCode"))
}

/// Lists for screens: `people`, `companies`, `deals`, `notes`; other objects as they are, by their plural.
pub(super) fn view(store: &Store, what: &str) -> Value {
    let deleted = |r: &Record| r.get("deletedAt").is_some_and(|d| !d.is_null());
    let list: Vec<Value> = match what {
        "people" => store
            .all("people")
            .map(|p| {
                json!({
                    "id": p.get("id"), "name": title(p), "email": values::part(p, "emails", "primaryEmail"),
                    "phone": phone(p), "job_title": p.get("jobTitle"), "company_id": p.get("companyId"),
                    "updated_at": p.get("updatedAt"), "deleted": deleted(p),
                })
            })
            .collect(),
        "companies" => store
            .all("companies")
            .map(|c| {
                let domain = values::part(c, "domainName", "primaryLinkUrl");
                json!({ "id": c.get("id"), "name": c.get("name"), "domain": domain, "deleted": deleted(c) })
            })
            .collect(),
        "deals" => store
            .all("opportunities")
            .map(|d| {
                json!({
                    "id": d.get("id"), "name": d.get("name"), "stage": d.get("stage"), "amount": d.get("amount"),
                    "company_id": d.get("companyId"), "person_id": d.get("pointOfContactId"), "deleted": deleted(d),
                })
            })
            .collect(),
        "notes" => store
            .all("notes")
            .map(|n| {
                let about = store.all("noteTargets").find(|t| t.get("noteId") == n.get("id"));
                json!({
                    "id": n.get("id"), "title": n.get("title"), "text": values::part(n, "bodyV2", "markdown"),
                    "person_id": about.and_then(|t| t.get("targetPersonId")), "deleted": deleted(n),
                })
            })
            .collect(),
        // Anything else as it is kept, by its plural.
        other => match store.object(other) {
            Some(object) => store.all(object.plural).map(|r| Value::Object(r.clone())).collect(),
            None => return Value::Null,
        },
    };
    Value::Array(list)
}
