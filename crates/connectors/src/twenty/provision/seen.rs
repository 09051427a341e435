//! What a look at the workspace saw, as small as a plan needs it and without secrets. Answers come wrapped in
//! several ways, by version and by feature flag; all of them are read here (contract 3.2, 3.4).

use super::model;
use pasarela_connector::Answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Parts of the schema that have rights of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Surface {
    /// Objects and fields.
    Model,
    /// Views, their columns and filters.
    Views,
    Webhooks,
}

impl Surface {
    /// The right as Twenty names it.
    pub(super) fn right(self) -> &'static str {
        match self {
            Self::Model => "DATA_MODEL",
            Self::Views => "VIEWS",
            Self::Webhooks => "API_KEYS_AND_WEBHOOKS",
        }
    }

    /// Where a person gives it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Model => {
                "Settings → Roles → the role of the API key → Settings: allow Data model, or give the key the role Admin"
            }
            Self::Views => {
                "Settings → Roles → the role of the API key → Settings: allow views, or give the key the role Admin"
            }
            Self::Webhooks => {
                "Settings → Roles → the role of the API key → Settings: allow API keys and webhooks, or give the key the role Admin; or add the webhook by hand"
            }
        }
    }
}

/// The workspace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// By singular name.
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) views: Vec<View>,
    /// View and field, in their order.
    pub(super) columns: Vec<(String, String)>,
    /// View and field that it is filtered by.
    pub(super) filters: Vec<(String, String)>,
    pub(super) hooks: Vec<Hook>,
    /// What the key may not do.
    pub(super) denied: BTreeSet<Surface>,
    /// What this server does not offer at all.
    pub(super) absent: BTreeSet<Surface>,
    /// Steps that were refused, with the server's words.
    pub(super) refused: BTreeMap<String, String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) plural: String,
    pub(super) active: bool,
    /// By name.
    pub(super) fields: BTreeMap<String, Field>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Field {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) unique: bool,
    pub(super) active: bool,
    /// As the server writes them, with their ids.
    pub(super) options: Vec<Value>,
    /// `MANY_TO_ONE` and its like.
    pub(super) relation: Option<String>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct View {
    pub(super) id: String,
    pub(super) object_id: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) target: String,
    pub(super) operations: Vec<String>,
    /// Is it signed with a secret that this hub verifies by?
    pub(super) secret_known: bool,
}

impl Hook {
    pub(super) fn read(row: &Value, secrets: &[&str]) -> Option<Self> {
        let operations = row.get("operations").and_then(Value::as_array);
        let secret = row.get("secret").and_then(Value::as_str);
        Some(Self {
            id: text(row, "id")?,
            target: text(row, "targetUrl")?,
            operations: operations.into_iter().flatten().filter_map(|o| o.as_str().map(str::to_owned)).collect(),
            // A server that shows no secret leaves nothing to compare.
            secret_known: secret.is_none_or(|s| secrets.contains(&s)),
        })
    }
}

impl Seen {
    pub(super) fn field(&self, object: &str, field: &str) -> Option<&Field> {
        self.objects.get(object)?.fields.get(field)
    }

    /// The view of the model that people find under this name.
    pub(super) fn view(&self, def: &model::ViewDef) -> Option<&View> {
        let object = &self.objects.get(def.object)?.id;
        self.views.iter().find(|v| v.object_id == *object && v.name == def.name)
    }

    pub(super) fn take_object(&mut self, row: &Value) -> Option<()> {
        let singular = text(row, "nameSingular")?;
        let rows = row.get("fields").and_then(Value::as_array);
        // Made just now, it has the fields that every object has.
        let fields = rows.into_iter().flatten().filter_map(read_field).collect();
        let object = Object {
            id: text(row, "id")?,
            plural: text(row, "namePlural").unwrap_or_default(),
            active: is_active(row),
            fields,
        };
        self.objects.insert(singular, object);
        Some(())
    }

    pub(super) fn take_field(&mut self, object: &str, row: &Value) -> Option<()> {
        let (name, field) = read_field(row)?;
        self.objects.get_mut(object)?.fields.insert(name, field);
        Some(())
    }

    pub(super) fn take_view(&mut self, row: &Value) -> Option<()> {
        let id = text(row, "id")?;
        if row.get("deletedAt").is_some_and(|d| !d.is_null()) {
            return Some(());
        }
        let view = View {
            object_id: text(row, "objectMetadataId")?,
            name: text(row, "name")?,
            kind: text(row, "type").unwrap_or_default(),
            id,
        };
        self.views.retain(|v| v.id != view.id);
        self.views.push(view);
        Some(())
    }

    pub(super) fn take_column(&mut self, row: &Value) -> Option<()> {
        let column = (text(row, "viewId")?, text(row, "fieldMetadataId")?);
        if row.get("deletedAt").is_none_or(Value::is_null) && !self.columns.contains(&column) {
            self.columns.push(column);
        }
        Some(())
    }

    pub(super) fn take_filter(&mut self, row: &Value) -> Option<()> {
        let filter = (text(row, "viewId")?, text(row, "fieldMetadataId")?);
        if row.get("deletedAt").is_none_or(Value::is_null) && !self.filters.contains(&filter) {
            self.filters.push(filter);
        }
        Some(())
    }
}

fn read_field(row: &Value) -> Option<(String, Field)> {
    let field = Field {
        id: text(row, "id")?,
        kind: text(row, "type")?,
        unique: row.get("isUnique").and_then(Value::as_bool).unwrap_or(false),
        active: is_active(row),
        options: row.get("options").and_then(Value::as_array).cloned().unwrap_or_default(),
        relation: row.pointer("/settings/relationType").and_then(Value::as_str).map(str::to_owned),
    };
    Some((text(row, "name")?, field))
}

fn is_active(row: &Value) -> bool {
    row.get("isActive").and_then(Value::as_bool).unwrap_or(true)
}

fn text(row: &Value, key: &str) -> Option<String> {
    row.get(key)?.as_str().filter(|t| !t.is_empty()).map(str::to_owned)
}

/// The one thing that an answer shows: bare, in `data`, or in `data.createOneThing`.
pub(super) fn unwrapped(answer: &Answer) -> Option<Value> {
    let body: Value = answer.parse().ok()?;
    let within = body.get("data").unwrap_or(&body);
    if within.get("id").is_some() {
        return Some(within.clone());
    }
    let mut inner = within.as_object()?.values();
    inner.find(|v| v.get("id").is_some()).cloned()
}

/// The rows of a list and where the next page begins: bare, in `data`, or in `data.things`.
pub(super) fn listed(answer: &Answer) -> Option<(Vec<Value>, Option<String>)> {
    let body: Value = answer.parse().ok()?;
    let within = body.get("data").unwrap_or(&body);
    let rows = match within {
        Value::Array(rows) => rows.clone(),
        other => other.as_object()?.values().find_map(Value::as_array)?.clone(),
    };
    let more = body.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool).unwrap_or(false);
    let after = body.pointer("/pageInfo/endCursor").and_then(Value::as_str).map(str::to_owned);
    Some((rows, after.filter(|_| more)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_wrapping_is_read() {
        let thing = json!({ "id": "a", "name": "hubId" });
        for body in [json!({ "data": { "createOneField": thing } }), json!({ "data": thing }), thing.clone()] {
            assert_eq!(unwrapped(&Answer::json(201, &body)), Some(thing.clone()), "{body}");
        }
        assert_eq!(unwrapped(&Answer::json(200, &json!({ "data": { "createOneField": null } }))), None);
        let page = json!({ "hasNextPage": true, "endCursor": "a" });
        for (body, after) in [
            (json!({ "data": { "objects": [thing] }, "pageInfo": page }), Some("a".to_owned())),
            (json!({ "data": [thing], "pageInfo": page }), Some("a".to_owned())),
            (json!({ "data": [thing], "pageInfo": { "hasNextPage": false, "endCursor": "a" } }), None),
            (json!([thing]), None),
        ] {
            assert_eq!(listed(&Answer::json(200, &body)), Some((vec![thing.clone()], after)), "{body}");
        }
        assert_eq!(listed(&Answer::text(200, "<html>")), None);
    }
}
