//! Views, their columns and filters (contract 3.4). Rows of columns and filters were not recorded: their keys are
//! those of Twenty's own document.

use super::{Metadata, Row};
use crate::twenty::simulator::answers::Refusal;
use crate::twenty::simulator::hooks::{APPLICATION, WORKSPACE};
use crate::twenty::simulator::query::Params;
use crate::twenty::simulator::values;
use jiff::Timestamp;
use pasarela_connector::{Answer, Request};
use serde_json::{Value, json};

/// Lists that a view names the ids of.
const PARTS: [&str; 6] = ["viewField", "viewFieldGroup", "viewFilter", "viewGroup", "viewFilterGroup", "viewSort"];

/// The views of the workspace, in the order in which they were made.
#[derive(Default)]
pub(super) struct Views {
    views: Vec<Row>,
    columns: Vec<Row>,
    filters: Vec<Row>,
}

impl Views {
    pub(super) fn forget_object(&mut self, object: &str) {
        self.views.retain(|v| values::text(v, "objectMetadataId") != object);
    }
}

impl Metadata {
    /// The view that a new object comes with: all of it, by its name.
    pub(super) fn index_view(&mut self, object: &Row, name: &str, now: Timestamp) {
        let body = json!({
            "name": name, "objectMetadataId": object.get("id"), "type": "TABLE", "icon": "IconList", "key": "INDEX",
        });
        let row = self.view_row(&body, now);
        self.views.views.push(row);
    }

    pub(super) fn view_call(
        &mut self,
        request: &Request,
        rest: &[&str],
        params: &Params,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let given = |body: &Value, key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        match (request.method.as_str(), rest) {
            ("GET", ["views"]) => {
                let object = params.get("objectMetadataId");
                let wanted = |v: &&Row| object.is_none_or(|o| values::text(v, "objectMetadataId") == o);
                Ok(page(self.views.views.iter().filter(wanted)))
            }
            ("GET", [what]) => {
                let rows = if *what == "viewFields" { &self.views.columns } else { &self.views.filters };
                let view = params.get("viewId");
                Ok(page(rows.iter().filter(|r| view.is_none_or(|v| values::text(r, "viewId") == v))))
            }
            ("POST", ["views"]) => {
                let body = super::body(request)?;
                let object = given(&body, "objectMetadataId");
                if given(&body, "name").is_empty() || self.object(&object).is_err() {
                    return Err(Refusal::bad("Object metadata not found"));
                }
                if given(&body, "type") == "KANBAN" {
                    let by = self.field(&given(&body, "mainGroupByFieldMetadataId"));
                    if !by.is_ok_and(|(_, f)| values::text(f, "type") == "SELECT") {
                        return Err(Refusal::bad("Main group by field must be a SELECT field"));
                    }
                }
                let row = self.view_row(&body, now);
                self.views.views.push(row.clone());
                Ok(Answer::json(201, &json!(row)))
            }
            ("POST", [what]) => {
                let body = super::body(request)?;
                self.field(&given(&body, "fieldMetadataId"))?;
                let view = given(&body, "viewId");
                if !self.views.views.iter().any(|v| values::text(v, "id") == view) {
                    return Err(Refusal::bad("View not found"));
                }
                let at = values::moment(now);
                let mut row = body.as_object().cloned().unwrap_or_default();
                for (key, value) in [
                    ("id", json!(self.id(what))),
                    ("workspaceId", json!(WORKSPACE)),
                    ("createdAt", json!(at)),
                    ("updatedAt", json!(at)),
                    ("deletedAt", Value::Null),
                ] {
                    row.insert(key.into(), value);
                }
                let (rows, part) = if *what == "viewFields" {
                    (&mut self.views.columns, "viewFieldIds")
                } else {
                    (&mut self.views.filters, "viewFilterIds")
                };
                rows.push(row.clone());
                let shown = self.views.views.iter_mut().find(|v| values::text(v, "id") == view);
                if let Some(ids) = shown.and_then(|v| v.get_mut(part)).and_then(Value::as_array_mut) {
                    ids.push(row.get("id").cloned().unwrap_or_default());
                }
                Ok(Answer::json(201, &json!(row)))
            }
            ("DELETE", [what, id]) => {
                let rows = match *what {
                    "views" => &mut self.views.views,
                    "viewFields" => &mut self.views.columns,
                    _ => &mut self.views.filters,
                };
                rows.retain(|r| values::text(r, "id") != *id);
                Ok(Answer::json(200, &json!(true)))
            }
            (method, _) => Err(Refusal::not_simulated(method, &format!("/rest/metadata/{}", rest.join("/")))),
        }
    }

    fn view_row(&mut self, body: &Value, now: Timestamp) -> Row {
        let at = values::moment(now);
        let or = |key: &str, default: Value| body.get(key).filter(|v| !v.is_null()).cloned().unwrap_or(default);
        let id = |key: &str| or(key, Value::Null);
        let by = body.get("mainGroupByFieldMetadataId").and_then(Value::as_str);
        let choices = by.and_then(|id| self.field(id).ok()).map_or(0, |(_, f)| super::choices(f).len());
        let groups: Vec<Value> = (0..choices).map(|_| json!(self.id("group"))).collect();
        let universal = self.id("universal");
        let of = self.id("universal");
        let mut row = json!({
            "id": self.id("view"), "workspaceId": WORKSPACE, "applicationId": APPLICATION,
            "universalIdentifier": universal, "isSystemSideEffect": false, "key": id("key"),
            "createdByUserWorkspaceId": null, "name": or("name", json!("")), "type": or("type", json!("TABLE")),
            "icon": or("icon", json!("IconList")), "position": or("position", json!(0)),
            "isCompact": or("isCompact", json!(false)), "openRecordIn": or("openRecordIn", json!("SIDE_PANEL")),
            "kanbanAggregateOperation": id("kanbanAggregateOperation"),
            "kanbanAggregateOperationFieldMetadataId": id("kanbanAggregateOperationFieldMetadataId"),
            "anyFieldFilterValue": null, "calendarLayout": null, "calendarFieldMetadataId": null,
            "calendarEndFieldMetadataId": null, "visibility": or("visibility", json!("WORKSPACE")),
            "mainGroupByFieldMetadataId": id("mainGroupByFieldMetadataId"), "shouldHideEmptyGroups": false,
            "kanbanColumnWidth": null, "isActive": true, "objectMetadataId": id("objectMetadataId"),
            "isCustom": true, "applicationUniversalIdentifier": APPLICATION,
            "objectMetadataUniversalIdentifier": of, "calendarFieldMetadataUniversalIdentifier": null,
            "calendarEndFieldMetadataUniversalIdentifier": null,
            "kanbanAggregateOperationFieldMetadataUniversalIdentifier": id("kanbanAggregateOperationFieldMetadataId"),
            "mainGroupByFieldMetadataUniversalIdentifier": id("mainGroupByFieldMetadataId"),
            "universalOverrides": null, "createdAt": at, "updatedAt": at, "deletedAt": null,
        });
        if let Some(row) = row.as_object_mut() {
            for part in PARTS {
                let ids = if part == "viewGroup" { json!(groups) } else { json!([]) };
                row.insert(format!("{part}Ids"), ids.clone());
                row.insert(format!("{part}UniversalIdentifiers"), ids);
            }
        }
        row.as_object().cloned().unwrap_or_default()
    }
}

/// A list in one page: views are few.
fn page<'r>(rows: impl Iterator<Item = &'r Row>) -> Answer {
    let rows: Vec<&Row> = rows.collect();
    let id = |row: Option<&&Row>| row.map(|r| values::text(r, "id"));
    let info = json!({
        "hasNextPage": false, "hasPreviousPage": false, "startCursor": id(rows.first()), "endCursor": id(rows.last()),
    });
    Answer::json(200, &json!({ "data": rows, "pageInfo": info, "totalCount": rows.len() }))
}
