//! What differs between the model and what was seen, step by step, and the request of each.

mod steps;
mod views;

pub(super) use steps::Step;

use super::METADATA;
use super::model::{self, FieldDef, Kind, ObjectDef};
use super::seen::{Field, Seen, Surface};
use pasarela_connector::provision::{
    Change, Draft, Judged, MissingRight, Plan, Stands, blocked, conflict, create, keep, update,
};
use serde_json::{Map, Value, json};

/// The model, the connection's own settings, and what was seen.
pub(super) struct Planner<'a> {
    pub(super) hub_id: &'a str,
    pub(super) hook: Option<&'a str>,
    /// Secrets that webhooks are verified by, newest first.
    pub(super) secrets: Vec<&'a str>,
    pub(super) seen: &'a Seen,
}

impl Planner<'_> {
    pub(super) fn plan(&self) -> Plan {
        let all: Vec<Stands<Step>> = Step::all().into_iter().map(|s| self.stands(s)).collect();
        let lacking = |surface: Surface| {
            let steps = all.iter().filter(|s| s.step.surface() == surface && s.change == Change::Blocked);
            MissingRight {
                right: surface.right().to_owned(),
                advice: surface.advice().to_owned(),
                steps: steps.map(|s| s.id.clone()).collect(),
            }
        };
        let missing = self.seen.denied.iter().map(|s| lacking(*s)).filter(|m| !m.steps.is_empty()).collect();
        Plan { steps: all.into_iter().map(Stands::shown).collect(), missing, advice: Vec::new() }
    }

    /// One step as it stands.
    pub(super) fn step(&self, id: &str) -> Option<Stands<Step>> {
        Step::all().into_iter().find(|s| s.id() == id).map(|s| self.stands(s))
    }

    fn stands(&self, step: Step) -> Stands<Step> {
        let judged = self.judged(&step, step.surface());
        Stands::new(step, step.id(), step.what(self.hub_id), judged)
    }

    fn judged(&self, step: &Step, surface: Surface) -> Judged {
        if self.seen.denied.contains(&surface) {
            return blocked(format!("the API key's role lacks {}", surface.right()));
        }
        if self.seen.absent.contains(&surface) {
            return blocked("this server does not offer it over its API");
        }
        if let Some(why) = self.seen.refused.get(&step.id()) {
            return (Change::Conflict, why.clone(), None);
        }
        match step {
            Step::Object(def) => self.object(def),
            Step::Field(def) => self.field(def),
            Step::Stages => self.stages(),
            Step::View(def) => self.view(def),
            Step::Filter(def) => self.filter(def),
            Step::Column(def, column) => self.column(def, column),
            Step::Hook => self.webhook(),
        }
    }

    fn object(&self, def: &ObjectDef) -> Judged {
        match self.seen.objects.get(def.singular) {
            Some(object) if !object.active => {
                conflict("it is there and switched off: switch it on in Settings → Data model")
            }
            Some(object) if object.plural != def.plural => conflict(format!(
                "there is an object of this name whose plural is {}, and not {}",
                object.plural, def.plural
            )),
            Some(_) => keep("it is there"),
            None => {
                let mut body = json!({
                    "nameSingular": def.singular, "namePlural": def.plural,
                    "labelSingular": def.label, "labelPlural": def.labels,
                });
                put(&mut body, "description", def.description.map(Value::from));
                put(&mut body, "icon", Some(def.icon.into()));
                create("it is not there", Draft { method: "POST", path: path("objects"), body, ready: true })
            }
        }
    }

    /// Why nothing can be made on this object.
    fn object_stops(&self, object: &str) -> Option<String> {
        if self.seen.denied.contains(&Surface::Model) {
            return Some(format!("the API key's role lacks {}", Surface::Model.right()));
        }
        match self.seen.objects.get(object) {
            Some(seen) if !seen.active => Some(format!("{object} is switched off")),
            Some(seen) => {
                let def = model::OBJECTS.iter().find(|o| o.singular == object)?;
                (seen.plural != def.plural).then(|| format!("{object} is not the object of the model"))
            }
            None if self.seen.refused.contains_key(&format!("object:{object}")) => {
                Some(format!("the object {object} could not be made"))
            }
            None if model::OBJECTS.iter().all(|o| o.singular != object) => {
                Some(format!("this workspace has no {object}"))
            }
            None => None,
        }
    }

    fn field(&self, def: &FieldDef) -> Judged {
        let name = if matches!(def.kind, Kind::HubId) { self.hub_id } else { def.name };
        let target = if let Kind::One(target, _) = def.kind { Some(target) } else { None };
        if let Some(why) = [Some(def.object), target].into_iter().flatten().find_map(|o| self.object_stops(o)) {
            return blocked(why);
        }
        match self.seen.field(def.object, name) {
            Some(field) => self.field_there(def, field),
            None => create("it is not there", self.new_field(def, name)),
        }
    }

    fn field_there(&self, def: &FieldDef, field: &Field) -> Judged {
        let wanted = def.kind.type_name();
        if field.kind != wanted {
            let text = format!("there is a field of this name of the type {}, and not {wanted}", field.kind);
            return conflict(text);
        }
        if !field.active {
            return conflict("it is there and switched off: switch it on in Settings → Data model");
        }
        if matches!(def.kind, Kind::HubId) && !field.unique {
            return conflict("it is there and not unique: two records could take one key; set it to unique by hand");
        }
        if matches!(def.kind, Kind::One(..)) && field.relation.as_deref().is_some_and(|r| r != "MANY_TO_ONE") {
            return conflict("there is a relation of this name the other way round");
        }
        let lacking: Vec<(&str, &str, &str)> = def
            .kind
            .choices()
            .iter()
            .zip(model::COLOURS.iter().cycle())
            .map(|((label, value), colour)| (*label, *value, *colour))
            .collect();
        self.options(field, &lacking)
    }

    fn stages(&self) -> Judged {
        let (object, name) = model::STAGE;
        match self.seen.field(object, name) {
            Some(field) if field.kind == "SELECT" => self.options(field, &model::STAGES),
            Some(field) => conflict(format!("the stage is of the type {}, and not SELECT", field.kind)),
            None => blocked(format!("this workspace has no {object}.{name}")),
        }
    }

    /// Options that a field lacks are added to the complete list of those that it has; nothing is left out, and
    /// what people renamed or painted stays so.
    fn options(&self, field: &Field, wanted: &[(&str, &str, &str)]) -> Judged {
        let value = |o: &Value| o.get("value").and_then(Value::as_str).unwrap_or_default().to_owned();
        let there: Vec<String> = field.options.iter().map(value).collect();
        let new: Vec<_> = wanted.iter().filter(|(_, v, _)| !there.iter().any(|t| t == v)).collect();
        if new.is_empty() {
            return keep("it is there");
        }
        let last = field.options.iter().filter_map(|o| o.get("position")?.as_i64()).max();
        let from = last.map_or(0, |p| p.saturating_add(1));
        let mut options = field.options.clone();
        options.extend(new.iter().zip(from..).map(
            |((label, value, colour), at)| json!({ "label": label, "value": value, "color": colour, "position": at }),
        ));
        let names: Vec<&str> = new.iter().map(|(label, _, _)| *label).collect();
        let why = format!("it lacks {}; the {} that are there stay", names.join(", "), there.len());
        let path = format!("{}/{}", path("fields"), field.id);
        update(why, Draft { method: "PATCH", path, body: json!({ "options": options }), ready: true })
    }

    fn new_field(&self, def: &FieldDef, name: &str) -> Draft {
        let (object, mut ready) = self.object_id(def.object);
        let mut body = json!({
            "objectMetadataId": object, "type": def.kind.type_name(), "name": name, "label": def.label,
            "icon": def.icon,
        });
        put(&mut body, "description", def.description.map(Value::from));
        match def.kind {
            Kind::HubId => put(&mut body, "isUnique", Some(true.into())),
            Kind::Plain(_) => {}
            Kind::Flag => put(&mut body, "defaultValue", Some(false.into())),
            Kind::Number(default) => {
                put(&mut body, "settings", Some(json!({ "dataType": "int", "decimals": 0 })));
                put(&mut body, "defaultValue", default.map(Value::from));
            }
            Kind::Select(choices, default) => {
                // Defaults of text carry quotes inside (contract 3.2).
                put(&mut body, "defaultValue", default.map(|d| format!("'{d}'").into()));
                put(&mut body, "options", Some(options(choices)));
            }
            Kind::Multi(choices) => put(&mut body, "options", Some(options(choices))),
            Kind::One(target, list) => {
                let (target, known) = self.object_id(target);
                ready &= known;
                let payload = json!({
                    "type": "MANY_TO_ONE", "targetObjectMetadataId": target, "targetFieldLabel": list,
                    "targetFieldIcon": "IconLink",
                });
                put(&mut body, "relationCreationPayload", Some(payload));
            }
        }
        Draft { method: "POST", path: path("fields"), body, ready }
    }

    fn webhook(&self) -> Judged {
        let Some(hook) = self.hook else {
            return blocked("the hub has no address that Twenty could reach: set server.public_url");
        };
        let Some(secret) = self.secrets.first() else {
            return blocked("there is no secret to verify its calls with: set webhook_secrets on the connection");
        };
        let Some(seen) = self.seen.hooks.iter().find(|h| h.target.trim_end_matches('/') == hook) else {
            let body = json!({
                "targetUrl": hook, "operations": model::OPERATIONS, "description": "Pasarela", "secret": secret,
            });
            return create(
                "Twenty does not call this hub",
                Draft { method: "POST", path: path("webhooks"), body, ready: true },
            );
        };
        let mut body = Map::new();
        let mut why = Vec::new();
        let lacking: Vec<&str> = model::OPERATIONS.iter().copied().filter(|o| !covers(&seen.operations, o)).collect();
        if !lacking.is_empty() {
            why.push(format!("it does not ask for {}", lacking.join(", ")));
            let all: Vec<&str> = seen.operations.iter().map(String::as_str).chain(lacking).collect();
            body.insert("operations".into(), json!(all));
        }
        if !seen.secret_known {
            why.push("it signs with a secret that this hub does not know".to_owned());
            body.insert("secret".into(), json!(secret));
        }
        if body.is_empty() {
            return keep("Twenty calls this hub");
        }
        let path = format!("{}/{}", path("webhooks"), seen.id);
        let draft = Draft { method: "PATCH", path, body: Value::Object(body), ready: true };
        update(why.join("; "), draft)
    }

    /// The object's id, or where it will come from.
    fn object_id(&self, object: &str) -> (Value, bool) {
        match self.seen.objects.get(object) {
            Some(seen) => (json!(seen.id), true),
            None => (json!(format!("{{{{{object}.id}}}}")), false),
        }
    }

    fn field_id(&self, object: &str, field: &str) -> (Value, bool) {
        match self.seen.field(object, field) {
            Some(seen) => (json!(seen.id), true),
            None => (json!(format!("{{{{{object}.{field}.fieldId}}}}")), false),
        }
    }
}

/// Is an operation asked for, by itself or by one of the four forms (contract 4.2)?
fn covers(operations: &[String], wanted: &str) -> bool {
    let (object, action) = wanted.split_once('.').unwrap_or((wanted, "*"));
    let forms = [wanted.to_owned(), format!("{object}.*"), format!("*.{action}"), "*.*".to_owned()];
    operations.iter().any(|o| forms.contains(o))
}

fn options(choices: &[model::Choice]) -> Value {
    let rows = choices.iter().zip(model::COLOURS.iter().cycle()).enumerate();
    rows.map(
        |(at, ((label, value), colour))| json!({ "label": label, "value": value, "color": colour, "position": at }),
    )
    .collect()
}

fn path(what: &str) -> String {
    format!("{METADATA}/{what}")
}

fn put(body: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(body), Some(value)) = (body.as_object_mut(), value) {
        body.insert(key.to_owned(), value);
    }
}
