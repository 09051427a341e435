//! Rows of objects and fields, with the keys that were recorded.

use super::{KNOWN_FIELDS, KNOWN_OBJECTS, Metadata, Object, Row, refusals};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::hooks::{APPLICATION, WORKSPACE};
use crate::twenty::simulator::schema::{self, Kind, ObjectType};
use crate::twenty::simulator::values;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Labels and colours of the stages that Twenty brings, and the ids that they had when recorded.
const STAGES: [(&str, &str, &str, &str); 5] = [
    ("NEW", "New", "red", "20202020-8e01-4afd-9c39-d2063097587a"),
    ("SCREENING", "Screening", "purple", "20202020-e685-4671-ac32-26d304dacb6e"),
    ("MEETING", "Meeting", "sky", "20202020-dde9-4acc-b5ca-f6531a8ecb4a"),
    ("PROPOSAL", "Proposal", "turquoise", "20202020-696e-4f6b-91bc-f413e9b2f654"),
    ("CUSTOMER", "Customer", "yellow", "20202020-0bb5-4a6f-a8b2-774bbad21104"),
];

/// Fields that every object has, beside its own: name, type.
const SYSTEM: [(&str, &str); 8] = [
    ("id", "UUID"),
    ("createdAt", "DATE_TIME"),
    ("updatedAt", "DATE_TIME"),
    ("deletedAt", "DATE_TIME"),
    ("createdBy", "ACTOR"),
    ("updatedBy", "ACTOR"),
    ("position", "POSITION"),
    ("searchVector", "TS_VECTOR"),
];

/// Lists that hang on every object of one's own.
const HANGING: [&str; 4] = ["timelineActivities", "attachments", "noteTargets", "taskTargets"];

/// An object with its fields, as lists and single reads show it.
pub(super) fn whole(object: &Object) -> Row {
    let mut row = object.row.clone();
    row.insert("fields".into(), json!(object.fields));
    row
}

/// A field as the answer to its creation shows it: what is unset is there as null.
pub(super) fn created(row: &Row) -> Row {
    let mut row = row.clone();
    for key in ["defaultValue", "options"] {
        row.entry(key).or_insert(Value::Null);
    }
    row
}

/// `perfilesDeDisenador` of "Perfiles de diseñador": how the other side of a relation is called.
pub(super) fn camel(label: &str) -> String {
    let plain: String = label
        .chars()
        .map(|c| match c {
            'á' | 'Á' => 'a',
            'é' | 'É' => 'e',
            'í' | 'Í' => 'i',
            'ó' | 'Ó' => 'o',
            'ú' | 'ü' | 'Ú' => 'u',
            'ñ' | 'Ñ' => 'n',
            c => c,
        })
        .collect();
    let words = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words
        .enumerate()
        .map(|(n, word)| {
            let word = word.to_ascii_lowercase();
            let head = word.get(..1).unwrap_or_default();
            if n == 0 { word } else { format!("{}{}", head.to_ascii_uppercase(), word.get(1..).unwrap_or_default()) }
        })
        .collect()
}

impl Metadata {
    fn object_row(&mut self, id: Uuid, names: [&str; 4], label_field: Uuid, now: Timestamp) -> Row {
        let at = values::moment(now);
        let [singular, plural, label, labels] = names;
        let row = json!({
            "id": id, "universalIdentifier": self.id("universal"), "applicationId": APPLICATION,
            "nameSingular": singular, "namePlural": plural, "labelSingular": label, "labelPlural": labels,
            "isRemote": false, "isActive": true, "isSystem": false, "isUIEditable": true, "isUICreatable": true,
            "isUIReadOnly": false, "isSearchable": true, "openRecordIn": "USER_CHOICE",
            "isLabelSyncedWithName": false, "workspaceId": WORKSPACE, "labelIdentifierFieldMetadataId": label_field,
            "createdAt": at, "updatedAt": at,
        });
        row.as_object().cloned().unwrap_or_default()
    }

    fn field_row(&mut self, object: Uuid, id: Uuid, name: &str, label: &str, kind: &str, now: Timestamp) -> Row {
        let at = values::moment(now);
        let system = SYSTEM.iter().any(|(n, _)| *n == name);
        let row = json!({
            "id": id, "universalIdentifier": self.id("universal"), "applicationId": APPLICATION, "type": kind,
            "name": name, "label": label, "isActive": true, "isSystem": system, "isUIEditable": !system,
            "isUIReadOnly": system, "isNullable": !system, "isUnique": false, "workspaceId": WORKSPACE,
            "objectMetadataId": object, "isLabelSyncedWithName": false, "createdAt": at, "updatedAt": at,
        });
        row.as_object().cloned().unwrap_or_default()
    }

    /// An object that Twenty brings.
    pub(super) fn standard(&mut self, object: &ObjectType, stages: &[String], hub_id: Option<&str>) -> Object {
        let now = Timestamp::UNIX_EPOCH;
        let known = KNOWN_OBJECTS.iter().find(|(name, _)| *name == object.singular).and_then(|(_, id)| id.parse().ok());
        let id = known.unwrap_or_else(|| self.id(object.singular));
        let mut fields = Vec::new();
        for field in object.fields {
            let key = format!("{}.{}", object.singular, field.name);
            let known = KNOWN_FIELDS.iter().find(|(name, _)| *name == key).and_then(|(_, id)| id.parse().ok());
            let field_id = known.unwrap_or_else(|| self.id(&key));
            let name = if let Kind::Relation(_) = field.kind {
                field.name.strip_suffix("Id").unwrap_or(field.name)
            } else {
                field.name
            };
            let mut row = self.field_row(id, field_id, name, name, type_name(field.kind), now);
            match field.kind {
                Kind::Relation(_) => {
                    let settings = json!({
                        "onDelete": "SET_NULL", "relationType": "MANY_TO_ONE", "joinColumnName": field.name,
                    });
                    row.insert("settings".into(), settings);
                }
                Kind::Stage => {
                    let options: Vec<Value> = stages.iter().enumerate().map(|(n, s)| self.stage(n, s)).collect();
                    for (key, value) in [
                        ("options", json!(options)),
                        ("defaultValue", json!(format!("'{}'", stages.first().map_or("", String::as_str)))),
                        ("label", json!("Stage")),
                        ("description", json!("Opportunity stage")),
                        ("icon", json!("IconProgressCheck")),
                        ("isNullable", json!(false)),
                    ] {
                        row.insert(key.into(), value);
                    }
                }
                Kind::TaskStatus => {
                    let all = schema::task_statuses();
                    let options: Vec<Value> = all.iter().enumerate().map(|(n, s)| self.stage(n, s)).collect();
                    row.insert("options".into(), json!(options));
                }
                _ => {}
            }
            fields.push(row);
        }
        if let Some(name) = hub_id.filter(|_| object.hub_id) {
            let field = self.id("hub-id");
            let mut row = self.field_row(id, field, name, "ID en Pasarela", "TEXT", now);
            row.insert("isUnique".into(), json!(true));
            fields.push(row);
        }
        self.system_fields(id, &mut fields, now);
        let label_field = fields.first().and_then(|f| values::text(f, "id").parse().ok()).unwrap_or(id);
        let names = [object.singular, object.plural, object.capital, object.capital_plural];
        Object { row: self.object_row(id, names, label_field, now), fields, custom: false }
    }

    fn system_fields(&mut self, object: Uuid, fields: &mut Vec<Row>, now: Timestamp) {
        for (name, kind) in SYSTEM {
            let id = self.id(name);
            let row = self.field_row(object, id, name, name, kind, now);
            fields.push(row);
        }
    }

    fn stage(&mut self, at: usize, value: &str) -> Value {
        match STAGES.iter().find(|(v, ..)| *v == value) {
            Some((value, label, colour, id)) => {
                json!({ "id": id, "color": colour, "label": label, "value": value, "position": at })
            }
            None => json!({ "id": self.id(value), "color": "gray", "label": value, "value": value, "position": at }),
        }
    }

    /// An option as it is kept: with an id.
    pub(super) fn option(&mut self, given: &Value) -> Value {
        let mut option = given.as_object().cloned().unwrap_or_default();
        if values::text(&option, "id").is_empty() {
            option.insert("id".into(), json!(self.id("option")));
        }
        Value::Object(option)
    }

    /// A new object and its thirteen fields.
    pub(super) fn custom_object(&mut self, body: &Value, now: Timestamp) -> (Row, Vec<Row>) {
        let given = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = self.id("object");
        let name = self.id("name");
        let names = [given("nameSingular"), given("namePlural"), given("labelSingular"), given("labelPlural")];
        let mut row = self.object_row(id, names, name, now);
        for key in ["description", "icon", "color", "shortcut"] {
            if let Some(value) = body.get(key).filter(|v| !v.is_null()) {
                row.insert(key.into(), value.clone());
            }
        }
        let mut first = self.field_row(id, name, "name", "Name", "TEXT", now);
        first.insert("description".into(), json!("Name"));
        first.insert("icon".into(), json!("IconAbc"));
        let mut fields = vec![first];
        self.system_fields(id, &mut fields, now);
        for name in HANGING {
            let field = self.id(name);
            let mut row = self.field_row(id, field, name, name, "RELATION", now);
            row.insert("settings".into(), json!({ "relationType": "ONE_TO_MANY" }));
            fields.push(row);
        }
        (row, fields)
    }

    /// A new object can be written about: notes and tasks get a field for it (contract 3.2).
    pub(super) fn link_notes(&mut self, object: &Row, now: Timestamp) {
        let singular = values::text(object, "nameSingular");
        let head = singular.get(..1).unwrap_or_default().to_ascii_uppercase();
        let name = format!("target{head}{}", singular.get(1..).unwrap_or_default());
        for about in ["noteTarget", "taskTarget"] {
            let target = self.objects.iter().find(|o| values::text(&o.row, "nameSingular") == about);
            let Some(id) = target.and_then(|o| values::text(&o.row, "id").parse::<Uuid>().ok()) else { continue };
            let field = self.id(&name);
            let mut row = self.field_row(id, field, &name, &values::text(object, "labelSingular"), "RELATION", now);
            let settings =
                json!({ "onDelete": "CASCADE", "relationType": "MANY_TO_ONE", "joinColumnName": format!("{name}Id") });
            row.insert("settings".into(), settings);
            if let Ok(target) = self.object_mut(&id.to_string()) {
                target.fields.push(row);
            }
        }
    }

    /// A new field; whoever asked has looked that its name is free.
    pub(super) fn custom_field(&mut self, body: &Value, now: Timestamp) -> Row {
        let given = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let object = given("objectMetadataId").parse().unwrap_or_default();
        let id = self.id(given("name"));
        let mut row = self.field_row(object, id, given("name"), given("label"), given("type"), now);
        for key in ["description", "icon", "isNullable", "isUnique", "defaultValue", "settings"] {
            if let Some(value) = body.get(key).filter(|v| !v.is_null()) {
                row.insert(key.into(), value.clone());
            }
        }
        if let Some(options) = body.get("options").and_then(Value::as_array) {
            let options: Vec<Value> = options.iter().map(|o| self.option(o)).collect();
            row.insert("options".into(), json!(options));
        }
        if let Some(payload) = body.get("relationCreationPayload") {
            let kind = payload.get("type").cloned().unwrap_or_default();
            let settings = if kind == "MANY_TO_ONE" {
                let column = format!("{}Id", given("name"));
                json!({ "onDelete": "SET_NULL", "relationType": kind, "joinColumnName": column })
            } else {
                json!({ "relationType": kind })
            };
            row.insert("settings".into(), settings);
            let target = payload.get("targetObjectMetadataId").and_then(Value::as_str).unwrap_or_default();
            let label = self.objects.iter().find(|o| values::text(&o.row, "id") == target);
            let label = label.map(|o| values::text(&o.row, "labelSingular")).unwrap_or_default();
            row.insert("description".into(), json!(format!("Tied to the {label}")));
        }
        row
    }

    /// The other side of a relation, on the target.
    pub(super) fn reverse(&mut self, row: &Row, payload: &Value, now: Timestamp) -> Result<(), Refusal> {
        let given = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let target = given("targetObjectMetadataId");
        let label = given("targetFieldLabel");
        let name = camel(&label);
        if self.object(&target)?.fields.iter().any(|f| values::text(f, "name") == name) {
            return Err(refusals::field(&name, refusals::not_available(&name)));
        }
        let other = if given("type") == "MANY_TO_ONE" { "ONE_TO_MANY" } else { "MANY_TO_ONE" };
        let id = self.id(&name);
        let mut reverse = self.field_row(target.parse().unwrap_or_default(), id, &name, &label, "RELATION", now);
        reverse.insert("settings".into(), json!({ "relationType": other }));
        reverse.insert("icon".into(), json!(given("targetFieldIcon")));
        reverse.insert("description".into(), json!(format!("Tied by {}", values::text(row, "name"))));
        self.object_mut(&target)?.fields.push(reverse);
        Ok(())
    }
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "TEXT",
        Kind::FullName => "FULL_NAME",
        Kind::Emails => "EMAILS",
        Kind::Phones => "PHONES",
        Kind::Links => "LINKS",
        Kind::Address => "ADDRESS",
        Kind::Currency => "CURRENCY",
        Kind::DateTime => "DATE_TIME",
        Kind::Stage | Kind::TaskStatus => "SELECT",
        Kind::RichText => "RICH_TEXT",
        Kind::Files => "FILES",
        Kind::Relation(_) => "RELATION",
    }
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn the_other_side_of_a_relation_is_called_by_its_label() {
        assert_eq!(camel("Perfiles de diseñador"), "perfilesDeDisenador");
        assert_eq!(camel("Órdenes de boletas"), "ordenesDeBoletas");
        assert_eq!(camel("Colecciones"), "colecciones");
    }
}
