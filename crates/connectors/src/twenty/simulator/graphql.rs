//! GraphQL reads of records, as far as a hub needs them (contract 3.1): a list or one record by a filter, with the
//! fields, related records and pages that the query selects. Errors come in the body of a 200, as recorded.
//!
//! What it is not: no mutations, search, groups, fragments or directives (501). How the server names a field that a
//! filter knows nothing of was not recorded; it is refused with the words that REST has for it.

use super::answers::Refusal;
use super::query::{self, Filter, Listing};
use super::schema::ObjectType;
use super::store::{Record, Store};
use graphql_parser::query::{Definition, Field, OperationDefinition, Selection, SelectionSet, Value as Literal};
use pasarela_connector::{Answer, Request};
use serde_json::{Map, Value, json};

/// Rows of a page for which no number was asked.
const ROWS: usize = 60;

type Fields<'q> = SelectionSet<'q, String>;

/// Why a call came to nothing.
enum Failed {
    /// Told in `errors`; the named root field is null.
    Refused(Refusal),
    /// The document itself is refused, so there is no data.
    Invalid(String),
    /// Twenty may know it; the double does not.
    NotSimulated(String),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Answers a call for which a token of the limit was taken, or was not: then `limited` is REST's refusal.
pub(super) fn answer(store: &Store, request: &Request, limited: Option<&Answer>) -> Answer {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let variables = body.get("variables").cloned().unwrap_or_default();
    let document = match graphql_parser::parse_query::<String>(text) {
        Ok(document) => document,
        Err(why) => return invalid(&format!("Syntax Error: {why}")),
    };
    let [Definition::Operation(operation)] = document.definitions.as_slice() else {
        return not_simulated("a document of several definitions");
    };
    let fields = match operation {
        OperationDefinition::SelectionSet(fields) => fields,
        OperationDefinition::Query(query) => &query.selection_set,
        OperationDefinition::Mutation(_) => return not_simulated("a mutation"),
        OperationDefinition::Subscription(_) => return not_simulated("a subscription"),
    };
    let mut data = Map::new();
    let mut errors = Vec::new();
    for field in fields.items.iter().map(plain) {
        let found = field.map(|field| {
            let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
            let value = match limited {
                Some(refused) => Err(Failed::Refused(Refusal::whole(429, refused.parse().unwrap_or_default()))),
                None => root(store, field, &variables),
            };
            (key, value)
        });
        match found {
            Ok((key, Ok(value))) => {
                data.insert(key, value);
            }
            Ok((key, Err(Failed::Refused(refusal)))) => {
                data.insert(key, Value::Null);
                errors.push(error(&refusal));
            }
            Ok((_, Err(Failed::Invalid(why)))) | Err(Failed::Invalid(why)) => return invalid(&why),
            Ok((_, Err(Failed::NotSimulated(what)))) | Err(Failed::NotSimulated(what)) => return not_simulated(&what),
            Err(Failed::Refused(refusal)) => errors.push(error(&refusal)),
        }
    }
    let mut body = json!({ "data": data });
    if !errors.is_empty() {
        body["errors"] = Value::Array(errors);
    }
    Answer::json(200, &body)
}

/// How a call without a good key is refused. Without any, the schema has no objects.
pub(super) fn unauthorised(refusal: &Refusal, request: &Request) -> Answer {
    if request.headers.get("authorization").is_none() {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
        let name = text.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
        let column = text.find(name).unwrap_or_default() + 1;
        let message = format!("Cannot query field \"{name}\" on type \"Query\".");
        let error = json!({ "message": message, "locations": [{ "line": 1, "column": column }] });
        return Answer::json(200, &json!({ "errors": [error] }));
    }
    let text = refusal.text();
    let (code, sub, id, friendly) = if text.starts_with("Token") {
        ("UNAUTHENTICATED", "UNAUTHENTICATED", "z+7x/s", "You must be authenticated to perform this action.")
    } else {
        ("FORBIDDEN", "FORBIDDEN_EXCEPTION", "q5OVn+", "You do not have permission to perform this action.")
    };
    let friendly = json!({ "id": id, "message": friendly });
    let extensions = json!({ "userFriendlyMessage": friendly, "subCode": sub, "code": code });
    Answer::json(200, &json!({ "errors": [{ "message": text, "extensions": extensions }] }))
}

fn invalid(why: &str) -> Answer {
    Answer::json(200, &json!({ "errors": [{ "message": why }] }))
}

fn not_simulated(what: &str) -> Answer {
    Refusal::not_simulated("POST", &format!("/graphql with {what}")).answer()
}

/// A refusal as an entry of `errors`.
fn error(refusal: &Refusal) -> Value {
    let message = refusal.text();
    let body = refusal.body();
    let extensions = if message.starts_with("Limit reached") {
        let friendly = "Rate limit reached. Please try again later.";
        json!({ "subCode": "LIMIT_REACHED", "userFriendlyMessage": friendly, "code": "BAD_USER_INPUT" })
    } else if let Some(seconds) = body.get("retryAfterSeconds").and_then(Value::as_u64) {
        let mut all = json!({ "code": "RATE_LIMITED", "retryAfterMs": seconds * 1000 });
        for name in ["limitKind", "scope", "limit", "remaining", "periodCount", "periodUnit"] {
            all[name] = body.get(name).cloned().unwrap_or_default();
        }
        all
    } else if message == "Record not found" {
        let friendly = "This record does not exist or has been deleted.";
        json!({ "subCode": "RECORD_NOT_FOUND", "userFriendlyMessage": friendly, "code": "NOT_FOUND" })
    } else {
        json!({ "code": "BAD_USER_INPUT" })
    };
    json!({ "message": message, "extensions": extensions })
}

/// A field of the document; fragments are not known here.
fn plain<'q, 's>(selection: &'s Selection<'q, String>) -> Result<&'s Field<'q, String>, Failed> {
    match selection {
        Selection::Field(field) if field.directives.is_empty() => Ok(field),
        _ => Err(Failed::NotSimulated("fragments or directives".into())),
    }
}

/// What a root field comes to: a list of an object, or one record.
fn root(store: &Store, field: &Field<'_, String>, variables: &Value) -> Result<Value, Failed> {
    let arguments: Map<String, Value> =
        field.arguments.iter().map(|(name, value)| (name.clone(), literal(value, variables))).collect();
    if let Some(unknown) = arguments.keys().find(|a| !matches!(a.as_str(), "filter" | "orderBy" | "first" | "after")) {
        return Err(Failed::NotSimulated(format!("the argument {unknown}")));
    }
    let condition = |object: &'static ObjectType| {
        arguments.get("filter").map(|input| Filter::of_input(object, store, input)).transpose()
    };
    if let Some(object) = store.object(&field.name) {
        let first = arguments.get("first").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let ask = Listing {
            filter: condition(object)?,
            order: order(arguments.get("orderBy")),
            limit: first.unwrap_or(ROWS),
            after: arguments.get("after").and_then(Value::as_str).map(str::to_owned),
            before: None,
        };
        let page = query::list(store, object, &ask)?;
        let info = page.info();
        let edge = |(cursor, record): &(String, &Record), fields: &Fields<'_>| {
            each(fields, |f| match f.name.as_str() {
                "cursor" => Ok(json!(cursor)),
                "node" => node(store, object, record, &f.selection_set),
                _ => Ok(Value::Null),
            })
        };
        return each(&field.selection_set, |f| match f.name.as_str() {
            "totalCount" => Ok(json!(page.total)),
            "pageInfo" => each(&f.selection_set, |f| Ok(info.get(&f.name).cloned().unwrap_or_default())),
            "edges" => {
                let edges = page.rows.iter().map(|row| edge(row, &f.selection_set));
                edges.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            _ => Ok(Value::Null),
        });
    }
    let Some(object) = store.object_of_one(&field.name) else {
        let message = format!("Cannot query field \"{}\" on type \"Query\".", field.name);
        return Err(if matches!(field.name.as_str(), "search" | "__schema" | "__type") {
            Failed::NotSimulated(field.name.clone())
        } else {
            Failed::Invalid(message)
        });
    };
    let ask = Listing { filter: condition(object)?, order: String::new(), limit: 1, after: None, before: None };
    let page = query::list(store, object, &ask)?;
    let (_, record) = page.rows.first().ok_or_else(Refusal::not_found)?;
    node(store, object, record, &field.selection_set)
}

/// `[{ createdAt: DescNullsLast }]`, as REST writes an order.
fn order(input: Option<&Value>) -> String {
    let mut keys = Vec::new();
    let list = match input {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    for (field, direction) in list.iter().filter_map(Value::as_object).flatten() {
        match direction {
            Value::String(direction) => keys.push(format!("{field}[{direction}]")),
            Value::Object(below) => {
                keys.extend(below.iter().filter_map(|(part, d)| Some(format!("{field}.{part}[{}]", d.as_str()?))))
            }
            _ => {}
        }
    }
    keys.join(",")
}

/// An object of what is selected.
fn each<F>(fields: &Fields<'_>, value: F) -> Result<Value, Failed>
where
    F: Fn(&Field<'_, String>) -> Result<Value, Failed>,
{
    let mut found = Map::new();
    for field in fields.items.iter().map(plain) {
        let field = field?;
        found.insert(field.alias.clone().unwrap_or_else(|| field.name.clone()), value(field)?);
    }
    Ok(Value::Object(found))
}

/// A record as it is selected. A field that it does not have is null (recorded).
fn node(store: &Store, object: &'static ObjectType, record: &Record, fields: &Fields<'_>) -> Result<Value, Failed> {
    each(fields, |field| {
        let name = field.name.as_str();
        if field.selection_set.items.is_empty() {
            return Ok(record.get(name).cloned().unwrap_or_default());
        }
        if let Some(Value::Object(parts)) = record.get(name) {
            return each(&field.selection_set, |part| Ok(parts.get(&part.name).cloned().unwrap_or_default()));
        }
        let standard = object.relation(name).map(|(field, target)| (field.name.to_owned(), target.to_owned()));
        if let Some((key, target)) = standard.or_else(|| store.custom_relation(object, name)) {
            let other = record.get(&key).and_then(Value::as_str).and_then(|id| store.live(&target, id).ok());
            return match (other, store.object(&target)) {
                (Some(other), Some(target)) => node(store, target, other, &field.selection_set),
                _ => Ok(Value::Null),
            };
        }
        match store.object(name) {
            Some(below) => pointing(store, object, record, below, &field.selection_set),
            None => Ok(Value::Null),
        }
    })
}

/// The records of another object that point at this one, as a list with edges.
fn pointing(
    store: &Store,
    object: &'static ObjectType,
    record: &Record,
    below: &'static ObjectType,
    fields: &Fields<'_>,
) -> Result<Value, Failed> {
    let id = record.get("id").and_then(Value::as_str).unwrap_or_default();
    let points = |row: &&Record| {
        below.fields.iter().any(|f| {
            matches!(f.kind, super::schema::Kind::Relation(target) if target == object.plural)
                && row.get(f.name).and_then(Value::as_str) == Some(id)
        })
    };
    let live = |row: &&Record| row.get("deletedAt").is_none_or(Value::is_null);
    let rows: Vec<&Record> = store.all(below.plural).filter(live).filter(points).collect();
    each(fields, |field| match field.name.as_str() {
        "totalCount" => Ok(json!(rows.len())),
        "edges" => {
            let edge = |row: &&Record| {
                each(&field.selection_set, |f| match f.name.as_str() {
                    "node" => node(store, below, row, &f.selection_set),
                    _ => Ok(Value::Null),
                })
            };
            rows.iter().map(edge).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        _ => Ok(Value::Null),
    })
}

/// A value of the document, its variables replaced.
fn literal(value: &Literal<'_, String>, variables: &Value) -> Value {
    match value {
        Literal::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
        Literal::Int(n) => json!(n.as_i64()),
        Literal::Float(n) => json!(n),
        Literal::String(text) | Literal::Enum(text) => json!(text),
        Literal::Boolean(yes) => json!(yes),
        Literal::Null => Value::Null,
        Literal::List(items) => items.iter().map(|item| literal(item, variables)).collect(),
        Literal::Object(fields) => fields.iter().map(|(name, v)| (name.clone(), literal(v, variables))).collect(),
    }
}
