//! The fashion model in Twenty: planned, applied, cut off, applied again; against people's own things, lesser keys
//! and both wrappings. Judges: the plan that was executed on a real 2.31.0, and exchanges recorded there.

#[path = "twenty_lab.rs"]
mod lab;

use lab::{HOOK, Lab, WANTED};
use pasarela_connector::provision::{Applied, Change, Plan, Survey};
use pasarela_connector::{Answer, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/twenty/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
}

impl Lab {
    fn objects(&mut self) -> Vec<Value> {
        let list = self.rest("GET", "metadata/objects?limit=200", json!({}));
        list.pointer("/data/objects").unwrap_or(&list["data"]).as_array().unwrap().clone()
    }

    fn object(&mut self, singular: &str) -> Value {
        self.objects().into_iter().find(|o| o["nameSingular"] == singular).unwrap()
    }

    fn field(&mut self, object: &str, name: &str) -> Value {
        let object = self.object(object);
        object["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).cloned().unwrap_or(Value::Null)
    }
}

fn changes(plan: &Plan, change: Change) -> Vec<&str> {
    plan.steps.iter().filter(|s| s.change == change).map(|s| s.id.as_str()).collect()
}

fn step<'p>(plan: &'p Plan, id: &str) -> &'p pasarela_connector::provision::PlanStep {
    plan.steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id} in the plan"))
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// All names of a schema, without ids: what two runs must agree on.
fn shape(objects: &[Value]) -> BTreeMap<String, Vec<String>> {
    objects
        .iter()
        .map(|o| {
            let fields = o["fields"].as_array().unwrap().iter();
            let mut names: Vec<String> = fields.map(|f| format!("{} {}", f["name"], f["type"])).collect();
            names.sort();
            (o["nameSingular"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn a_plan_is_applied_once_and_has_nothing_left() {
    let mut lab = Lab::new(json!({}));
    let plan = lab.plan();
    let todo = plan.todo().count();
    assert!(todo > 80 && changes(&plan, Change::Conflict).is_empty(), "{plan:#?}");
    assert!(changes(&plan, Change::Blocked).is_empty() && plan.missing.is_empty());
    assert_eq!(plan, lab.plan(), "a look changes nothing");
    let (sent, refused) = lab.apply(usize::MAX);
    assert_eq!((sent.len(), refused), (todo, BTreeMap::new()), "as many calls as steps");
    let after = lab.plan();
    assert_eq!(after.todo().count(), 0, "{:#?}", after.todo().collect::<Vec<_>>());
    assert!(changes(&after, Change::Keep).len() == plan.steps.len());
    assert_eq!(lab.apply(usize::MAX).0, [], "applied again it sends nothing");
    // What the effects of flows use is there.
    assert_eq!(lab.field("person", "reclamoEnTramite")["type"], "TEXT");
    assert_eq!(lab.field("person", "hubId")["isUnique"], true);
    let person = json!({
        "email": "ana@correo.example.co", "name": "Ana Ruiz Mora",
        "fields": { "reclamoEnTramite": "Cobro doble", "consentimientos": ["CORREO"] },
    });
    assert_eq!(lab.upsert(&[person])[0].name(), "done");
}

/// `provisioning-plan.json` was executed on a real server: where both say something, they say the same, in its order.
#[test]
fn what_is_sent_is_what_a_real_server_took() {
    let mut lab = Lab::new(json!({}));
    let before: BTreeMap<String, String> = lab
        .objects()
        .iter()
        .flat_map(|o| {
            let singular = o["nameSingular"].as_str().unwrap().to_owned();
            let fields = o["fields"].as_array().unwrap().clone();
            let own = (o["id"].as_str().unwrap().to_owned(), format!("{{{{{singular}.id}}}}"));
            let of = move |f: Value| {
                let name = format!("{{{{{singular}.{}.fieldId}}}}", f["name"].as_str().unwrap());
                (f["id"].as_str().unwrap().to_owned(), name)
            };
            std::iter::once(own).chain(fields.into_iter().map(of))
        })
        .collect();
    let plan = lab.plan();
    let named = |text: String| before.iter().fold(text, |text, (id, name)| text.replace(id, name));
    let ours: Vec<Value> = plan
        .todo()
        .map(|s| {
            let shown = s.request.as_ref().unwrap();
            let mut body: Value = serde_json::from_str(&named(shown.body.to_string())).unwrap();
            // Options that are there have their ids; the sample says where they stand.
            for option in body["options"].as_array_mut().into_iter().flatten() {
                option.as_object_mut().unwrap().remove("id");
            }
            json!({ "method": shown.method, "path": named(shown.path.clone()), "body": body })
        })
        .collect();
    let sample = fixture("provisioning-plan");
    let mut at = 0;
    for mut wanted in sample["steps"].as_array().unwrap().iter().filter(|s| s["method"] != "GET").cloned() {
        for option in wanted["body"]["options"].as_array_mut().into_iter().flatten() {
            option.as_object_mut().unwrap().remove("id");
        }
        if wanted["path"] == "/rest/metadata/webhooks" {
            wanted["body"]["targetUrl"] = json!(HOOK);
            wanted["body"]["secret"] = json!("…");
            let operations = wanted["body"]["operations"].as_array_mut().unwrap();
            operations.push(json!("modelRelease.*"));
        }
        let wanted = json!({ "method": wanted["method"], "path": wanted["path"], "body": wanted["body"] });
        let found = ours.iter().skip(at).position(|s| *s == wanted);
        at += found.unwrap_or_else(|| panic!("not sent, or not in its turn: {wanted:#}")) + 1;
    }
}

#[test]
fn what_was_cut_off_goes_on_wherever_it_was() {
    let mut whole = Lab::new(json!({}));
    let todo = whole.plan().todo().count();
    whole.apply(usize::MAX);
    let wanted = shape(&whole.objects());
    // After every single step the run ends, and the next one looks anew.
    let mut lab = Lab::new(json!({}));
    let mut sent = 0;
    loop {
        let (now, refused) = lab.apply(1);
        assert_eq!(refused, BTreeMap::new());
        if now.is_empty() {
            break;
        }
        sent += now.len();
    }
    assert_eq!((sent, shape(&lab.objects())), (todo, wanted.clone()));
    // The answer is lost each time: the step was done, and nobody heard.
    let mut lab = Lab::new(json!({}));
    for _ in 0..todo {
        let seen = lab.look(None);
        let request = {
            let model = lab.hub.provisioner().unwrap();
            let plan = model.plan(&WANTED, &seen);
            plan.todo().find_map(|s| model.request(&WANTED, &seen, &s.id)).unwrap()
        };
        lab.call(&request);
    }
    assert_eq!(lab.plan().todo().count(), 0);
    assert_eq!(shape(&lab.objects()), wanted);
}

#[test]
fn what_people_made_stays_as_it_is() {
    let mut lab = Lab::new(json!({}));
    let person = lab.object("person")["id"].clone();
    let stage = lab.field("opportunity", "stage");
    // A field of another type, one that is not unique, stages of their own with a changed label.
    let field = |object: &Value, kind: &str, name: &str| json!({ "objectMetadataId": object, "type": kind, "name": name, "label": name });
    lab.rest("POST", "metadata/fields", field(&person, "NUMBER", "whatsapp"));
    lab.rest("POST", "metadata/fields", field(&person, "TEXT", "hubId"));
    let mut options = stage["options"].as_array().unwrap().clone();
    options[0]["label"] = json!("Primer contacto");
    options.push(json!({ "label": "Muestrario enviado", "value": "MUESTRARIO", "color": "pink", "position": 9 }));
    lab.rest("PATCH", &format!("metadata/fields/{}", stage["id"].as_str().unwrap()), json!({ "options": options }));
    let deal = lab.act("create_deal", json!({ "name": "Vitrina Aurora", "stage": "MUESTRARIO" }));
    let deal: Value = deal.answer.parse().unwrap();
    let plan = lab.plan();
    let conflict = step(&plan, "field:person.whatsapp");
    assert_eq!(conflict.change, Change::Conflict);
    assert!(conflict.why.contains("NUMBER") && conflict.why.contains("PHONES"), "{}", conflict.why);
    assert_eq!(step(&plan, "field:person.hubId").change, Change::Conflict);
    assert!(step(&plan, "field:person.hubId").why.contains("unique"));
    let (sent, refused) = lab.apply(usize::MAX);
    assert!(!sent.iter().any(|r| r.method == "DELETE") && refused.is_empty());
    assert_eq!(lab.field("person", "whatsapp")["type"], "NUMBER", "never forced");
    let stages = lab.field("opportunity", "stage")["options"].clone();
    let stages: Vec<(&str, &str)> = stages
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (o["value"].as_str().unwrap(), o["label"].as_str().unwrap()))
        .collect();
    assert_eq!(stages[0], ("NEW", "Primer contacto"));
    assert!(
        stages.contains(&("MUESTRARIO", "Muestrario enviado")) && stages.contains(&("CONTRATO", "Contrato firmado"))
    );
    let deals = lab.crm.view("deals");
    let own = deals.as_array().unwrap().iter().find(|d| d["id"] == deal["id"]).unwrap();
    assert_eq!(own["stage"], "MUESTRARIO", "no record was moved");
    assert_eq!(changes(&lab.plan(), Change::Conflict), ["field:person.hubId", "field:person.whatsapp"]);
}

/// The double does what was recorded: an option that is left out moves its records to the default, and tells nobody.
#[test]
fn an_option_that_is_left_out_moves_records_without_a_word() {
    let mut lab = Lab::new(json!({}));
    let stage = lab.field("opportunity", "stage");
    lab.act("create_deal", json!({ "name": "Pop-up", "stage": "MEETING" }));
    let mut options = stage["options"].as_array().unwrap().clone();
    options.retain(|o| o["value"] != "MEETING");
    let path = format!("http://crm.example/rest/metadata/fields/{}", stage["id"].as_str().unwrap());
    let reply = lab.call(&Request::new("PATCH", path).json(&json!({ "options": options })));
    assert!(reply.answer.is_success() && reply.webhooks.is_empty());
    assert_eq!(lab.crm.view("deals")[0]["stage"], "NEW");
}

#[test]
fn a_view_that_people_arranged_is_left_alone() {
    let mut lab = Lab::new(json!({}));
    lab.apply(usize::MAX);
    let views = lab.rest("GET", "metadata/views", json!({}));
    let view = views["data"].as_array().unwrap().iter().find(|v| v["name"] == "Prensa").unwrap()["id"].clone();
    let of = |list: Value| list["data"].as_array().unwrap().clone();
    let columns = of(lab.rest("GET", &format!("metadata/viewFields?viewId={}", view.as_str().unwrap()), json!({})));
    let filters = of(lab.rest("GET", &format!("metadata/viewFilters?viewId={}", view.as_str().unwrap()), json!({})));
    assert_eq!((columns.len(), filters.len()), (4, 1));
    // Somebody wants another first column and no filter.
    lab.rest("DELETE", &format!("metadata/viewFields/{}", columns[0]["id"].as_str().unwrap()), json!({}));
    lab.rest("DELETE", &format!("metadata/viewFilters/{}", filters[0]["id"].as_str().unwrap()), json!({}));
    let plan = lab.plan();
    assert_eq!(plan.todo().map(|s| &s.id).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(step(&plan, "filter:opportunity/Prensa").why.contains("took the filter away"));
}

#[test]
fn a_lesser_key_is_told_what_it_lacks_and_the_rest_is_done() {
    // The role Member: records, and no settings.
    let mut lab = Lab::new(json!({ "rights": [] }));
    let plan = lab.plan();
    assert_eq!(plan.todo().count(), 0);
    let rights: Vec<(&str, usize)> = plan.missing.iter().map(|m| (m.right.as_str(), m.steps.len())).collect();
    assert_eq!(rights[0].0, "DATA_MODEL");
    assert_eq!(rights.last().unwrap(), &("API_KEYS_AND_WEBHOOKS", 1));
    assert!(plan.missing.iter().all(|m| m.advice.contains("Settings → Roles")));
    let blocked: usize = rights.iter().map(|r| r.1).sum();
    assert!(blocked <= plan.steps.len() && plan.steps.iter().all(|s| s.change == Change::Blocked));
    assert_eq!(lab.apply(usize::MAX).0, []);
    // A role with the model and without webhooks: the model is made, and the webhook is said to be missing.
    let mut lab = Lab::new(json!({ "rights": ["DATA_MODEL", "VIEWS"] }));
    let (sent, refused) = lab.apply(usize::MAX);
    assert!(sent.len() > 80 && refused.is_empty());
    let plan = lab.plan();
    assert_eq!(changes(&plan, Change::Blocked), ["webhook"]);
    assert_eq!((plan.missing.len(), &plan.missing[0].steps), (1, &vec!["webhook".to_owned()]));
}

#[test]
fn a_revoked_key_is_no_missing_right() {
    let lab = Lab::new(json!({ "revoked_keys": ["llave"] }));
    let model = lab.hub.provisioner().unwrap();
    let Survey::Call { request, state } = model.survey(&WANTED, None, None, &lab.ctx("plan")) else { panic!() };
    let mut lab = lab;
    let answer = lab.call(&request).answer;
    let step = lab.hub.provisioner().unwrap().survey(&WANTED, None, Some((&state, &answer)), &lab.ctx("plan"));
    assert!(matches!(&step, Survey::Failed(o) if format!("{o:?}").contains("revoked")), "{step:?}");
}

#[test]
fn both_wrappings_are_spoken() {
    let mut lab = Lab::new(json!({ "metadata_format": "direct" }));
    let (sent, refused) = lab.apply(usize::MAX);
    assert!(sent.len() > 80 && refused.is_empty());
    assert_eq!(lab.plan().todo().count(), 0);
    let made = fixture("metadata.object.create.answer.new-format");
    let answer = lab.object("designerProfile");
    for key in made["body"].as_object().unwrap().keys() {
        assert!(answer.get(key).is_some(), "{key}");
    }
}

#[test]
fn the_webhook_is_mended_and_its_secret_is_shown_nowhere() {
    let mut lab = Lab::new(json!({}));
    let target = json!({ "targetUrl": HOOK, "operations": ["person.created", "task.*"], "secret": "de-otro" });
    let made = lab.rest("POST", "metadata/webhooks", target);
    let other = json!({ "targetUrl": "https://otro.example/x", "operations": ["*.*"] });
    let other = lab.rest("POST", "metadata/webhooks", other);
    let plan = lab.plan();
    let hook = step(&plan, "webhook");
    assert_eq!(hook.change, Change::Update);
    assert!(hook.why.contains("person.*") && hook.why.contains("secret"), "{}", hook.why);
    let shown = serde_json::to_string(&plan).unwrap();
    let seen = lab.look(None).to_string();
    assert!(!shown.contains("secreto") && !shown.contains("de-otro"), "{shown}");
    assert!(!seen.contains("secreto") && !seen.contains("de-otro"), "{seen}");
    lab.apply(usize::MAX);
    let list = lab.rest("GET", "metadata/webhooks", json!({}));
    let rows = list["data"].as_array().unwrap();
    let row = |id: &Value| rows.iter().find(|r| r["id"] == *id).unwrap();
    assert_eq!(row(&made["id"])["secret"], "secreto");
    let operations = row(&made["id"])["operations"].as_array().unwrap();
    assert!(operations.contains(&json!("person.created")) && operations.contains(&json!("modelRelease.*")));
    assert_eq!(row(&other["id"])["operations"], json!(["*.*"]), "people's own stays");
}

/// A name on the other side of a relation is taken: only this step is refused, with the server's words.
#[test]
fn what_the_server_refuses_stops_nothing_else() {
    let mut lab = Lab::new(json!({}));
    let person = lab.object("person")["id"].clone();
    let own = json!({ "objectMetadataId": person, "type": "TEXT", "name": "ordenesDeBoletas", "label": "Órdenes" });
    lab.rest("POST", "metadata/fields", own);
    let (sent, refused) = lab.apply(usize::MAX);
    assert!(sent.len() > 80);
    let told: Vec<&String> = refused.keys().collect();
    assert_eq!(told, ["field:ticketOrder.comprador"], "{refused:?}");
    assert!(refused["field:ticketOrder.comprador"].contains("ordenesDeBoletas"), "{refused:?}");
    let left: Vec<String> = lab.plan().todo().map(|s| s.id.clone()).collect();
    assert!(left.iter().any(|id| id == "field:ticketOrder.comprador"), "{left:?}");
    assert!(left.len() <= 2, "{left:?}");
}

/// Requests and their answers, as recorded from a real 2.31.0, against the double: the same status, and an answer
/// with the same keys. Ids that were made on the way are put in their place.
#[test]
fn the_double_answers_schema_calls_as_recorded() {
    let mut lab = Lab::new(json!({}));
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for name in [
        "metadata-object-create-designer-profile",
        "metadata-object-create-again",
        "metadata-object-create-bad-name",
        "metadata-object-create-missing-label",
        "metadata-object-create-reserved-name",
        "metadata-object-create-collection",
        "metadata-field-create-unique-external-id",
        "metadata-field-create-duplicate-name",
        "metadata-field-create-select",
        "metadata-field-create-select-bad-color",
        "metadata-field-create-select-bad-value",
        "metadata-field-create-boolean",
        "metadata-field-create-number",
        "metadata-field-create-reserved",
        "metadata-field-create-on-person",
        "metadata-field-create-relation-many-to-one",
        "metadata-field-create-relation-one-to-many",
        "metadata-field-update-opportunity-stage-options",
        "view-create-kanban",
        "view-create-table",
        "metadata-object-get",
        "webhook-create-invalid-url",
    ] {
        let exchange = fixture(&format!("recorded/{name}"));
        let request = &exchange["request"];
        let place = |text: String| ids.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours));
        let path = place(request["path"].as_str().unwrap().to_owned());
        let sent = Request::new(request["method"].as_str().unwrap(), format!("http://crm.example{path}"));
        let sent = match &request["body"] {
            Value::Null => sent,
            body => sent.json(&serde_json::from_str(&place(body.to_string())).unwrap()),
        };
        let answer = lab.call(&sent).answer;
        let (theirs, ours): (&Value, Value) = (&exchange["response"]["body"], answer.parse().unwrap());
        assert_eq!(u64::from(answer.status), exchange["response"]["status"].as_u64().unwrap(), "{name}: {ours}");
        let inner = |body: &Value| match body.get("data").and_then(Value::as_object) {
            Some(data) => data.iter().next().map(|(k, v)| (k.clone(), v.clone())).unwrap(),
            None => (String::new(), body.clone()),
        };
        let ((key, theirs), (our_key, ours)) = (inner(theirs), inner(&ours));
        assert_eq!(key, our_key, "{name}");
        if let (Some(id), Some(own)) = (theirs["id"].as_str(), ours["id"].as_str()) {
            ids.insert(id.to_owned(), own.to_owned());
        }
        let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(keys(&theirs), keys(&ours), "{name}");
        assert_eq!((&theirs["message"], &theirs["error"]), (&ours["message"], &ours["error"]), "{name}");
        let cause = |v: &Value, of: &str| {
            let said = v.pointer(&format!("/errors/{of}/0/errors")).cloned().unwrap_or_default();
            said.as_array().into_iter().flatten().map(|e| e["message"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(cause(&theirs, "objectMetadata"), cause(&ours, "objectMetadata"), "{name}");
        if key == "createOneObject" {
            assert_eq!(ours["fields"].as_array().unwrap().len(), 13, "as many fields as recorded");
        }
    }
    // Keys of the role Member, as recorded.
    let mut lab = Lab::new(json!({ "rights": [] }));
    for name in
        ["member-role-metadata-objects-refused", "member-role-field-create-refused", "member-role-webhooks-refused"]
    {
        let exchange = fixture(&format!("recorded/{name}"));
        let request = &exchange["request"];
        let url = format!("http://crm.example{}", request["path"].as_str().unwrap());
        let answer = lab.call(&Request::new(request["method"].as_str().unwrap(), url).json(&request["body"])).answer;
        assert_eq!(u64::from(answer.status), exchange["response"]["status"].as_u64().unwrap(), "{name}");
        assert_eq!(answer.parse::<Value>().unwrap(), exchange["response"]["body"], "{name}");
    }
}

/// Schema calls are not counted by the limit (recorded): a workspace whose budget is used up can be provisioned.
#[test]
fn the_limit_does_not_count_the_schema() {
    let mut lab = Lab::new(json!({ "limit_per_minute": 1 }));
    let (sent, refused) = lab.apply(usize::MAX);
    assert!(sent.len() > 80 && refused.is_empty());
    assert!(sent.iter().all(|r| r.url.contains("/rest/metadata/")));
    assert!(sent.iter().filter(|r| r.url.ends_with("/viewFilters")).all(|r| body(r)["value"].is_array()));
}

/// A role that may look and not write is noticed with the first write, and not asked for every other step again.
#[test]
fn a_key_that_may_only_look_is_told_so_once() {
    let mut lab = Lab::new(json!({}));
    let seen = lab.look(None);
    let refusal = fixture("recorded/member-role-field-create-refused");
    let answer = Answer::json(403, &refusal["response"]["body"]);
    let model = lab.hub.provisioner().unwrap();
    let came = model.judge(&WANTED, &seen, "object:designerProfile", &answer, &lab.ctx("plan"));
    let Applied::Refused { seen, why } = came else { panic!("{came:?}") };
    assert!(why.contains("DATA_MODEL"), "{why}");
    // Also after a new look of the same run.
    let seen = lab.look(Some(&seen));
    let plan = lab.hub.provisioner().unwrap().plan(&WANTED, &seen);
    assert_eq!(plan.todo().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["webhook"]);
    assert_eq!(plan.missing[0].right, "DATA_MODEL");
}
