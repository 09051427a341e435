//! The schema of the workspace (contract 3.2 to 3.4): objects, fields, views, and the rights that they need. As
//! recorded from 2.31; what a look cannot show (indexes, page layouts) is not there.
//!
//! What is made here can be written at once: the records are the store's.

mod refusals;
mod rows;
mod views;

use super::answers::Refusal;
use super::query::Params;
use super::schema::{self, ObjectType};
use super::values;
use jiff::Timestamp;
use pasarela_connector::{Answer, Request};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A row as the server writes it.
type Row = Map<String, Value>;

/// Lists that are known here.
pub(super) const KNOWN: [&str; 5] = ["objects", "fields", "views", "viewFields", "viewFilters"];

/// Ids of the recorded workspace, so that what was recorded can be played again as it was.
const KNOWN_OBJECTS: [(&str, &str); 2] =
    [("person", "40ddc46c-84c1-45bc-8253-562888d30e87"), ("opportunity", "7c64487f-4cd9-4731-9f53-7acb95d81bad")];
const KNOWN_FIELDS: [(&str, &str); 2] = [
    ("opportunity.stage", "c1d1d5ac-2266-4b99-92dd-c8ae2fb1b7ef"),
    ("opportunity.amount", "543cbd2d-4775-4eca-b855-d94490f75bb2"),
];

/// An object with its fields.
struct Object {
    row: Row,
    fields: Vec<Row>,
    /// Made by a caller, and not Twenty's own.
    custom: bool,
}

/// What a change of the schema means for records.
pub(super) enum Change {
    /// An object is there now.
    Object(&'static ObjectType),
    /// An object went, by plural.
    NoObject(String),
    /// A field is there now, by plural and name.
    Field {
        plural: String,
        name: String,
        kind: String,
        unique: bool,
        choices: Vec<String>,
        /// Plural of the object that a relation leads to.
        target: Option<String>,
        /// What a new record has.
        default: Value,
    },
    /// A field went.
    Gone { plural: String, name: String },
    /// A field's choices are these now; records with another one take the default, without a word.
    Choices { plural: String, name: String, choices: Vec<String>, default: String },
}

/// The schema.
pub(super) struct Metadata {
    /// The flag IS_REST_METADATA_API_NEW_FORMAT_DIRECT: nothing is wrapped.
    direct: bool,
    rights: Vec<String>,
    objects: Vec<Object>,
    views: views::Views,
    seed: String,
    made: u64,
}

impl Metadata {
    pub(super) fn new(
        seed: &str,
        direct: bool,
        rights: Vec<String>,
        stages: &[String],
        hub_id_field: Option<&str>,
    ) -> Self {
        let views = views::Views::default();
        let mut schema = Self { direct, rights, objects: Vec::new(), views, seed: seed.to_owned(), made: 0 };
        for object in schema::all() {
            let made = schema.standard(object, stages, hub_id_field);
            schema.objects.push(made);
        }
        schema
    }

    fn id(&mut self, what: &str) -> Uuid {
        self.made += 1;
        let name = format!("twenty-double/{}/schema/{what}/{}", self.seed, self.made);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }

    /// May the key do this? 403 for the model, 400 for the rest (recorded for webhooks, taken to hold for views).
    pub(super) fn allow(&self, right: &str) -> Result<(), Refusal> {
        if self.rights.iter().any(|r| r == right) {
            return Ok(());
        }
        let status = if right == "DATA_MODEL" { 403 } else { 400 };
        let text = "Entity performing the request does not have permission";
        let body = json!({ "statusCode": status, "error": "Error", "messages": [text], "code": "PERMISSION_DENIED" });
        Err(Refusal::whole(status, body))
    }

    /// Answers a call below `/rest/metadata/`, webhooks apart.
    pub(super) fn handle(
        &mut self,
        request: &Request,
        rest: &[&str],
        params: &Params,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<Answer, Refusal> {
        let method = request.method.as_str();
        match (method, rest) {
            (_, ["objects" | "fields", ..]) => self.allow("DATA_MODEL")?,
            (_, ["views" | "viewFields" | "viewFilters", ..]) => self.allow("VIEWS")?,
            _ => {}
        }
        match (method, rest) {
            ("GET", ["objects"]) => Ok(self.object_list(params)),
            ("GET", ["objects", id]) => {
                let object = self.object(id)?;
                let shown = Value::Object(rows::whole(object));
                Ok(self.wrapped(200, "object", shown))
            }
            ("POST", ["objects"]) => self.create_object(&body(request)?, now, changes),
            ("DELETE", ["objects", id]) => self.delete_object(id, changes),
            ("POST", ["fields"]) => self.create_field(&body(request)?, now, changes),
            ("PATCH", ["fields", id]) => self.update_field(id, &body(request)?, now, changes),
            ("DELETE", ["fields", id]) => self.delete_field(id, changes),
            (_, ["views" | "viewFields" | "viewFilters", ..]) => self.view_call(request, rest, params, now),
            _ => Err(Refusal::not_simulated(method, &format!("/rest/metadata/{}", rest.join("/")))),
        }
    }

    fn wrapped(&self, status: u16, key: &str, value: Value) -> Answer {
        if self.direct {
            return Answer::json(status, &value);
        }
        let data: Row = [(key.to_owned(), value)].into_iter().collect();
        Answer::json(status, &json!({ "data": data }))
    }

    fn object_list(&self, params: &Params) -> Answer {
        let limit = params.get("limit").and_then(|l| l.parse::<usize>().ok()).unwrap_or(60).max(1);
        let after = params.get("starting_after").unwrap_or_default();
        let at = self.objects.iter().position(|o| values::text(&o.row, "id") == after).map_or(0, |n| n + 1);
        let page: Vec<&Object> = self.objects.iter().skip(at).take(limit).collect();
        let id = |object: Option<&&Object>| object.map(|o| values::text(&o.row, "id"));
        let (first, last) = (id(page.first()), id(page.last()));
        let shown: Vec<Value> = page.iter().map(|o| Value::Object(rows::whole(o))).collect();
        let data = if self.direct { json!(shown) } else { json!({ "objects": shown }) };
        let more = at + page.len() < self.objects.len();
        let info = json!({ "hasNextPage": more, "hasPreviousPage": at > 0, "startCursor": first, "endCursor": last });
        Answer::json(200, &json!({ "data": data, "pageInfo": info, "totalCount": self.objects.len() }))
    }

    fn object(&self, id: &str) -> Result<&Object, Refusal> {
        let found = self.objects.iter().find(|o| values::text(&o.row, "id") == id);
        found.ok_or_else(|| Refusal::bad("Object does not exist"))
    }

    fn object_mut(&mut self, id: &str) -> Result<&mut Object, Refusal> {
        let found = self.objects.iter_mut().find(|o| values::text(&o.row, "id") == id);
        found.ok_or_else(|| Refusal::bad("Object does not exist"))
    }

    fn field(&self, id: &str) -> Result<(&Object, &Row), Refusal> {
        let mut all = self.objects.iter().flat_map(|o| o.fields.iter().map(move |f| (o, f)));
        let found = all.find(|(_, f)| values::text(f, "id") == id);
        found.ok_or_else(|| Refusal::bad("Field does not exist"))
    }

    fn create_object(&mut self, body: &Value, now: Timestamp, changes: &mut Vec<Change>) -> Result<Answer, Refusal> {
        let given = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let needed = ["nameSingular", "namePlural", "labelSingular", "labelPlural"];
        let missing: Vec<&str> = needed.into_iter().filter(|k| given(k).is_empty()).collect();
        if !missing.is_empty() {
            return Err(refusals::class(&missing));
        }
        let (singular, plural) = (given("nameSingular"), given("namePlural"));
        let taken = self.objects.iter().any(|o| {
            [&singular, &plural]
                .iter()
                .any(|n| values::text(&o.row, "nameSingular") == **n || values::text(&o.row, "namePlural") == **n)
        });
        if let Some(errors) = refusals::object_names(&singular, &plural, taken) {
            return Err(refusals::object(&singular, &plural, errors));
        }
        let Some(made) = schema::made(&singular, &plural) else {
            return Err(Refusal::bad("the double keeps no more objects"));
        };
        let (row, fields) = self.custom_object(body, now);
        let mut shown = row.clone();
        shown.insert("imageIdentifierFieldMetadataId".into(), Value::Null);
        shown.insert("fields".into(), json!(fields));
        self.link_notes(&row, now);
        changes.push(Change::Object(made));
        for about in ["noteTargets", "taskTargets"] {
            changes.push(Change::Field {
                plural: about.to_owned(),
                name: format!("target{}Id", made.capital),
                kind: "RELATION".into(),
                unique: false,
                choices: Vec::new(),
                target: Some(made.plural.to_owned()),
                default: Value::Null,
            });
        }
        let name = format!("All {}", given("labelPlural"));
        self.index_view(&row, &name, now);
        self.objects.push(Object { row, fields, custom: true });
        Ok(self.wrapped(201, "createOneObject", Value::Object(shown)))
    }

    fn delete_object(&mut self, id: &str, changes: &mut Vec<Change>) -> Result<Answer, Refusal> {
        let object = self.object(id)?;
        if !object.custom {
            return Err(Refusal::bad("Standard objects cannot be deleted"));
        }
        let mut shown = object.row.clone();
        shown.insert("imageIdentifierFieldMetadataId".into(), Value::Null);
        changes.push(Change::NoObject(values::text(&object.row, "namePlural")));
        self.objects.retain(|o| values::text(&o.row, "id") != id);
        self.views.forget_object(id);
        Ok(self.wrapped(200, "deleteOneObject", Value::Object(shown)))
    }

    fn create_field(&mut self, body: &Value, now: Timestamp, changes: &mut Vec<Change>) -> Result<Answer, Refusal> {
        let given = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let missing: Vec<&str> =
            ["type", "name", "label", "objectMetadataId"].into_iter().filter(|k| given(k).is_empty()).collect();
        if !missing.is_empty() {
            return Err(refusals::class(&missing));
        }
        let (object, name) = (given("objectMetadataId"), given("name"));
        let payload = body.get("relationCreationPayload");
        let plural = {
            let object = self.object(&object)?;
            if object.fields.iter().any(|f| values::text(f, "name") == name) {
                return Err(refusals::field(&name, refusals::not_available(&name)));
            }
            values::text(&object.row, "namePlural")
        };
        let options = body.get("options").and_then(Value::as_array).cloned().unwrap_or_default();
        if let Some(errors) = refusals::option_values(&options) {
            return Err(refusals::field(&name, errors));
        }
        let row = self.custom_field(body, now);
        if let Some(payload) = payload {
            self.reverse(&row, payload, now)?;
        }
        let shown = rows::created(&row);
        let relation = values::text(&row, "type") == "RELATION";
        let to_many = payload.is_some_and(|p| p.get("type") == Some(&json!("ONE_TO_MANY")));
        let target = payload.and_then(|p| p.get("targetObjectMetadataId")?.as_str());
        let target = target.and_then(|id| self.object(id).ok()).map(|o| values::text(&o.row, "namePlural"));
        // Of a list the other side has the field.
        if !to_many {
            changes.push(Change::Field {
                plural,
                name: if relation { format!("{name}Id") } else { name },
                kind: values::text(&row, "type"),
                unique: row.get("isUnique") == Some(&json!(true)),
                choices: choices(&row),
                target,
                default: default(&row),
            });
        }
        self.object_mut(&object)?.fields.push(row);
        Ok(self.wrapped(201, "createOneField", Value::Object(shown)))
    }

    fn update_field(
        &mut self,
        id: &str,
        body: &Value,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<Answer, Refusal> {
        let (object, old) = self.field(id)?;
        let (plural, object_id) = (values::text(&object.row, "namePlural"), values::text(&object.row, "id"));
        let name = values::text(old, "name");
        let mut row = old.clone();
        for key in ["label", "description", "icon", "isActive", "defaultValue", "settings"] {
            if let Some(value) = body.get(key) {
                row.insert(key.into(), value.clone());
            }
        }
        if let Some(options) = body.get("options").and_then(Value::as_array) {
            if let Some(errors) = refusals::option_values(options) {
                return Err(refusals::field(&name, errors));
            }
            // Whoever is not in the list is gone; what had it takes the default (recorded).
            let options: Vec<Value> = options.iter().map(|o| self.option(o)).collect();
            row.insert("options".into(), json!(options));
            let default = values::text(&row, "defaultValue").trim_matches('\'').to_owned();
            changes.push(Change::Choices { plural, name, choices: choices(&row), default });
        }
        row.insert("updatedAt".into(), json!(values::moment(now)));
        let object = self.object_mut(&object_id)?;
        if let Some(place) = object.fields.iter_mut().find(|f| values::text(f, "id") == id) {
            *place = row.clone();
        }
        Ok(self.wrapped(200, "updateOneField", Value::Object(rows::created(&row))))
    }

    fn delete_field(&mut self, id: &str, changes: &mut Vec<Change>) -> Result<Answer, Refusal> {
        let (object, row) = self.field(id)?;
        if row.get("isSystem") == Some(&json!(true)) {
            return Err(Refusal::bad("System fields cannot be deleted"));
        }
        let (row, object_id) = (row.clone(), values::text(&object.row, "id"));
        let (plural, name) = (values::text(&object.row, "namePlural"), values::text(&row, "name"));
        let relation = values::text(&row, "type") == "RELATION";
        changes.push(Change::Gone { plural, name: if relation { format!("{name}Id") } else { name } });
        self.object_mut(&object_id)?.fields.retain(|f| values::text(f, "id") != id);
        Ok(self.wrapped(200, "deleteOneField", Value::Object(rows::created(&row))))
    }
}

/// What a new record has: texts stand in quotes of their own (contract 3.2).
fn default(row: &Row) -> Value {
    match row.get("defaultValue") {
        Some(Value::String(text)) => json!(text.trim_matches('\'')),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.clone(),
        _ => Value::Null,
    }
}

/// Values of a field's choices.
fn choices(row: &Row) -> Vec<String> {
    let options = row.get("options").and_then(Value::as_array);
    options.into_iter().flatten().filter_map(|o| o.get("value")?.as_str().map(str::to_owned)).collect()
}

fn body(request: &Request) -> Result<Value, Refusal> {
    serde_json::from_slice(&request.body).map_err(|_| Refusal::not_json("Unexpected end of JSON input"))
}
