//! Views with their filters and columns, as a plan judges them. What people arranged stays as they have it.

use super::{Planner, Step, path, put};
use crate::twenty::provision::model::{self, Layout, ViewDef};
use pasarela_connector::provision::{Change, Draft, Judged, blocked, conflict, create, keep};
use serde_json::{Value, json};

impl Planner<'_> {
    pub(super) fn view(&self, def: &ViewDef) -> Judged {
        if let Some(seen) = self.seen.view(def) {
            let wanted = def.layout.type_name();
            return if seen.kind == wanted {
                keep("it is there")
            } else {
                conflict(format!("there is a view of this name of the type {}, and not {wanted}", seen.kind))
            };
        }
        if let Some(why) = self.object_stops(def.object) {
            return blocked(why);
        }
        let (object, mut ready) = self.object_id(def.object);
        let mut body =
            json!({ "name": def.name, "objectMetadataId": object, "type": def.layout.type_name(), "icon": def.icon });
        if let Layout::Kanban(by, sum) = def.layout {
            if let Some(why) = self.field_stops(def.object, by, "SELECT") {
                return blocked(why);
            }
            let (by, known) = self.field_id(def.object, by);
            ready &= known;
            put(&mut body, "mainGroupByFieldMetadataId", Some(by));
            if let Some(sum) = sum {
                let (sum, known) = self.field_id(def.object, sum);
                ready &= known;
                put(&mut body, "kanbanAggregateOperation", Some("SUM".into()));
                put(&mut body, "kanbanAggregateOperationFieldMetadataId", Some(sum));
            }
        }
        create("it is not there", Draft { method: "POST", path: path("views"), body, ready })
    }

    /// Why a view can not stand on this field: it is of another type, or could not be made.
    fn field_stops(&self, object: &str, field: &str, kind: &str) -> Option<String> {
        if self.seen.refused.contains_key(&format!("field:{object}.{field}")) {
            return Some(format!("the field {object}.{field} could not be made"));
        }
        let seen = self.seen.field(object, field).filter(|f| f.kind != kind || !f.active)?;
        Some(format!("{object}.{field} is in conflict ({})", seen.kind))
    }

    /// Whatever is of a view waits for it; a view in conflict is left alone.
    fn within_view(&self, def: &'static ViewDef) -> Result<Value, String> {
        if self.seen.refused.contains_key(&Step::View(def).id()) {
            return Err("its view could not be made".to_owned());
        }
        match (self.seen.view(def), self.view(def)) {
            (Some(view), (Change::Keep, ..)) => Ok(json!(view.id)),
            (None, (Change::Create, ..)) => Ok(json!(format!("{{{{{}.view.id}}}}", def.name))),
            _ => Err("its view is in conflict, or waits".to_owned()),
        }
    }

    pub(super) fn filter(&self, def: &'static ViewDef) -> Judged {
        let Some((field, choice)) = def.only else { return keep("it has none") };
        let view = match self.within_view(def) {
            Ok(view) => view,
            Err(why) => return blocked(why),
        };
        if let Some(why) = self.field_stops(def.object, field, "SELECT") {
            return blocked(why);
        }
        if let Some(seen) = self.seen.view(def) {
            if self.seen.filters.iter().any(|(v, _)| *v == seen.id) {
                return keep("the view has a filter");
            }
            // Columns come after the filter: whoever has columns and no filter took it away.
            if self.seen.columns.iter().any(|(v, _)| *v == seen.id) {
                return keep("people took the filter away");
            }
        }
        let (id, known) = self.field_id(def.object, field);
        let ready = known && self.seen.view(def).is_some();
        let body = json!({ "viewId": view, "fieldMetadataId": id, "operand": "IS", "value": [choice] });
        create("it is not there", Draft { method: "POST", path: path("viewFilters"), body, ready })
    }

    pub(super) fn column(&self, def: &'static ViewDef, column: &str) -> Judged {
        let view = match self.within_view(def) {
            Ok(view) => view,
            Err(why) => return blocked(why),
        };
        let (id, known) = self.field_id(def.object, column);
        let place = def.columns.iter().position(|c| *c == column).unwrap_or_default();
        if let Some(seen) = self.seen.view(def) {
            let there: Vec<&str> =
                self.seen.columns.iter().filter(|(v, _)| *v == seen.id).map(|(_, f)| f.as_str()).collect();
            if known && there.iter().any(|f| json!(f) == id) {
                return keep("it is there");
            }
            // Ours, cut off in the middle: the first ones of those that can be are there, and nothing else. Else people
            // arranged it.
            let can = def.columns.iter().filter_map(|c| self.seen.field(def.object, c));
            let ours = can.take(there.len()).all(|field| there.contains(&field.id.as_str()));
            if !there.is_empty() && !ours {
                return keep("people arranged the columns of this view");
            }
        }
        if !known && !self.is_planned(def.object, column) {
            return blocked(format!("this workspace has no {}.{column}", def.object));
        }
        let ready = known && self.seen.view(def).is_some();
        let body = json!({ "viewId": view, "fieldMetadataId": id, "isVisible": true, "size": 180, "position": place });
        create("it is not there", Draft { method: "POST", path: path("viewFields"), body, ready })
    }

    /// Will the model make this field?
    fn is_planned(&self, object: &str, field: &str) -> bool {
        let own = model::OBJECTS.iter().any(|o| o.singular == object) && field == "name";
        let planned = || {
            let def = model::FIELDS.iter().find(|f| f.object == object && f.name == field)?;
            Some(self.field(def).0.is_todo() && !self.seen.refused.contains_key(&Step::Field(def).id()))
        };
        own || planned().unwrap_or(false)
    }
}
