//! Webhooks and questions of a Hi.Events organiser: planned, applied, and applied again without a change; paused,
//! incomplete and foreign ones; servers that know webhooks of shows only.

#[path = "hi_events_lab.rs"]
mod lab;

use lab::{BASE, World, sale, show};
use pasarela_connector::provision::{Applied, Change, Plan, PlanStep, Survey, Wanted};
use pasarela_connector::{Answer, ConnectionConfig, Ctx, Outcome, Request};
use pasarela_connectors::hi_events::HiEvents;
use pasarela_domain::Secret;
use serde_json::{Value, json};

const HOOK: &str = "https://hub.fashionistas.example/hooks/boleteria";
const WANTED: Wanted<'static> = Wanted { hook: Some(HOOK) };

/// Applied: ids of steps in order, the secrets that were told, and what was refused.
#[derive(Default)]
struct Came {
    done: Vec<String>,
    secrets: Vec<Secret>,
    refused: Vec<String>,
}

fn look(world: &mut World, wanted: &Wanted<'_>, known: Option<&Value>) -> Result<Value, Box<Outcome>> {
    let mut answer: Option<(Value, Answer)> = None;
    for _ in 0..500 {
        let ctx = Ctx { now: world.now, key: "plan", attempt: 2 };
        let given = answer.as_ref().map(|(s, a)| (s, a));
        match world.it.provisioner().unwrap().survey(wanted, known, given, &ctx) {
            Survey::Seen(seen) => return Ok(seen),
            Survey::Failed(outcome) => return Err(Box::new(outcome)),
            Survey::Call { request, state } => {
                assert_eq!(request.method, "GET", "a look changes nothing");
                answer = Some((serde_json::from_str(&state.to_string()).unwrap(), world.call(&request).answer));
            }
        }
    }
    panic!("the look does not end");
}

fn plan(world: &mut World) -> Plan {
    let seen = look(world, &WANTED, None).unwrap();
    world.it.provisioner().unwrap().plan(&WANTED, &seen)
}

/// Does what the plan says, as the engine does, and takes told secrets over at the end as a restart would.
fn apply(world: &mut World) -> Came {
    let mut seen = look(world, &WANTED, None).unwrap();
    let mut came = Came::default();
    for _ in 0..50 {
        let model = world.it.provisioner().unwrap();
        let plan = model.plan(&WANTED, &seen);
        let Some((step, request)) = plan.todo().find_map(|s| Some((s.clone(), model.request(&WANTED, &seen, &s.id)?)))
        else {
            return came;
        };
        shows_what_is_sent(&step, &request);
        let answer = world.call(&request).answer;
        let ctx = Ctx { now: world.now, key: "plan", attempt: 2 };
        match world.it.provisioner().unwrap().judge(&WANTED, &seen, &step.id, &answer, &ctx) {
            Applied::Done { seen: now } => seen = now,
            Applied::Told { seen: now, secret } => {
                assert!(!now.to_string().contains(secret.expose()), "what was seen holds no secret");
                seen = now;
                came.secrets.push(secret);
            }
            Applied::Refused { seen: now, why } => {
                seen = now;
                came.refused.push(why);
                continue;
            }
            other => panic!("{}: {other:?}", step.id),
        }
        came.done.push(step.id);
        // What is there now is what a new look sees.
        seen = look(world, &WANTED, Some(&seen)).unwrap();
    }
    panic!("the plan does not end");
}

fn shows_what_is_sent(step: &PlanStep, request: &Request) {
    let shown = step.request.as_ref().unwrap();
    assert_eq!(
        (shown.method.as_str(), format!("{BASE}{}", shown.path)),
        (request.method.as_str(), request.url.clone())
    );
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), shown.body);
}

fn in_vault(config: &mut ConnectionConfig) {
    config.webhook_secret_name = Some("boleteria-webhook".into());
}

/// A connection without a secret yet, whose configuration names one of the vault.
fn newcomer(double: Value, own: Value) -> World {
    World::set(double, own, |config| {
        config.webhook_secrets.clear();
        in_vault(config);
    })
}

fn with_secrets(world: &mut World, secrets: Vec<Secret>) {
    let mut config = world.it.config().clone();
    for secret in secrets {
        config.webhook_secrets.insert(0, secret);
    }
    world.it = pasarela_connector::Provider::connect(&HiEvents, config).unwrap();
}

fn change(plan: &Plan, id: &str) -> Change {
    plan.steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id} in {plan:?}")).change
}

fn why<'p>(plan: &'p Plan, id: &str) -> &'p str {
    &plan.steps.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id} in {plan:?}")).why
}

#[test]
fn a_webhook_is_made_once_its_secret_is_told_and_believed_at_once() {
    let mut world = newcomer(json!({ "webhook": false }), json!({}));
    let before = plan(&mut world);
    assert_eq!((before.steps.len(), change(&before, "webhook")), (1, Change::Create));
    let came = apply(&mut world);
    assert_eq!((came.done, came.secrets.len()), (vec!["webhook".to_owned()], 1));
    with_secrets(&mut world, came.secrets);
    let after = plan(&mut world);
    assert_eq!(after.todo().count(), 0, "{after:?}");
    assert_eq!(after.advice, [""; 0]);
    // All sixteen types are told, and what comes is believed.
    world.heard("create_show", show());
    assert_eq!(world.events, ["show.published", "product.created"]);
    assert_eq!(registered(&mut world), Some(vec![HOOK.to_owned()]));
    assert_eq!(apply(&mut world).done, [""; 0]);
}

/// Addresses that doctor hears of.
fn registered(world: &mut World) -> Option<Vec<String>> {
    let request = world.it.hooks().unwrap();
    let answer = world.call(&request).answer;
    world.it.registered(&answer)
}

#[test]
fn without_a_place_for_the_secret_nothing_is_made_and_the_plan_says_what_to_write() {
    let mut world = World::set(json!({ "webhook": false }), json!({}), |c| c.webhook_secrets.clear());
    let plan = plan(&mut world);
    assert_eq!(change(&plan, "webhook"), Change::Blocked);
    assert!(why(&plan, "webhook").contains("webhook_secrets = [\"vault:boleteria-webhook\"]"), "{plan:?}");
    let seen = look(&mut world, &Wanted { hook: None }, None).unwrap();
    let nowhere = world.it.provisioner().unwrap().plan(&Wanted { hook: None }, &seen);
    assert!(why(&nowhere, "webhook").contains("server.public_url"), "{nowhere:?}");
    let mut homeless = World::with(json!({}), json!({ "organizer_id": null }));
    let Outcome::NeedsHuman { why } = *look(&mut homeless, &WANTED, None).unwrap_err() else { panic!() };
    assert!(why.contains("organizer_id"), "{why}");
}

#[test]
fn a_paused_webhook_is_resumed_and_missing_types_are_added_and_own_ones_stay() {
    let mut world = World::set(json!({}), json!({}), in_vault);
    assert_eq!(change(&plan(&mut world), "webhook"), Change::Keep);
    let hook = format!("{BASE}/organizers/3/webhooks/15");
    let set = |types: Value, status: &str| {
        Request::new("PUT", hook.clone())
            .json(&json!({ "url": format!("{HOOK}/"), "event_types": types, "status": status }))
    };
    let request = set(json!(["checkin.created", "order.created"]), "PAUSED");
    assert_eq!(world.call(&request).answer.status, 200);
    assert_eq!(registered(&mut world), Some(Vec::new()), "a paused one calls nobody");
    let before = plan(&mut world);
    assert_eq!(change(&before, "webhook"), Change::Update);
    assert!(why(&before, "webhook").contains("paused") && why(&before, "webhook").contains("order.refunded"));
    let came = apply(&mut world);
    assert_eq!((came.done, came.secrets.len()), (vec!["webhook".to_owned()], 0), "its secret stays what it was");
    let hooks = world.sim.view("webhooks");
    assert_eq!(hooks[0]["status"], "ENABLED");
    assert_eq!(hooks[0]["event_types"].as_array().unwrap().len(), 16);
    assert_eq!(hooks[0]["event_types"][0], "checkin.created");
    assert_eq!(plan(&mut world).todo().count(), 0);
}

#[test]
fn a_webhook_whose_secret_is_lost_is_replaced_and_paused() {
    // The hub believes another secret, so all that the webhook sends is refused.
    let mut world = World::set(json!({}), json!({}), |config| {
        config.webhook_secrets = vec![Secret::new("otra-muy-distinta")];
        in_vault(config);
    });
    world.act("create_show", show());
    assert_eq!(change(&plan(&mut world), "webhook"), Change::Keep, "nothing says that it is refused");
    world.act("break_webhooks", json!({ "code": 401, "last": 20 }));
    let before = plan(&mut world);
    assert_eq!(change(&before, "webhook"), Change::Create);
    assert_eq!(change(&before, "pause:15"), Change::Blocked);
    assert!(before.advice.iter().any(|a| a.contains("HTTP 401") && a.contains("pasarela reconcile")), "{before:?}");
    let came = apply(&mut world);
    assert_eq!(came.done, ["webhook", "pause:15"]);
    with_secrets(&mut world, came.secrets);
    assert_eq!(plan(&mut world).todo().count(), 0);
    let sold = world.act("create_show", show()).1;
    assert_eq!(sold.len(), 2, "only the new one is called");
    sold.iter().for_each(|w| world.receive(w));

    // The same for one that was never called: the hub has no secret at all.
    let mut silent = newcomer(json!({}), json!({}));
    assert_eq!(change(&plan(&mut silent), "webhook"), Change::Create);
    assert_eq!(apply(&mut silent).done, ["webhook", "pause:15"]);
}

#[test]
fn failed_calls_and_doubled_webhooks_are_told() {
    let mut world = World::set(json!({}), json!({}), in_vault);
    let made = world.act("create_show", show()).0;
    for _ in 0..5 {
        world.act("sell", sale(&made, "stripe"));
    }
    world.act("break_webhooks", json!({ "code": 503, "last": 4 }));
    world.act("break_webhooks", json!({ "code": 0, "last": 3 }));
    let told = plan(&mut world);
    assert_eq!(told.todo().count(), 0);
    assert!(told.advice[0].contains("4 of the last 17 calls of webhook 15"), "{:?}", told.advice);
    assert!(told.advice[0].contains("HTTP 503, no answer within 3 s: 3"), "{:?}", told.advice);
    let twin = json!({ "url": HOOK, "event_types": ["order.created"], "status": "ENABLED" });
    let elsewhere = json!({ "url": "https://otra.example/x", "event_types": ["order.created"], "status": "ENABLED" });
    for body in [twin, elsewhere.clone()] {
        let request = Request::new("POST", format!("{BASE}/organizers/3/webhooks")).json(&body);
        assert_eq!(world.call(&request).answer.status, 200);
    }
    let told = plan(&mut world);
    assert!(told.advice.iter().any(|a| a.contains("told 2 times")), "{:?}", told.advice);
    apply(&mut world);
    let untouched =
        world.sim.view("webhooks").as_array().unwrap().iter().find(|h| h["url"] == elsewhere["url"]).cloned();
    assert_eq!(untouched.unwrap()["event_types"], json!(["order.created"]), "a stranger's webhook stays a stranger's");
}

#[test]
fn an_old_server_gets_a_webhook_for_each_show_that_is_not_over() {
    let mut world = newcomer(json!({ "webhook": false, "organizer_webhooks": false }), json!({}));
    let (one, two) = (world.act("create_show", show()).0, world.act("create_show", show()).0);
    let over = world.act("create_show", show()).0;
    world.act("archive_show", json!({ "show_id": over["show_id"] }));
    let ids = [format!("webhook:{}", one["show_id"]), format!("webhook:{}", two["show_id"])];
    let before = plan(&mut world);
    assert_eq!(before.steps.iter().map(|s| s.id.clone()).collect::<Vec<_>>(), ids);
    assert!(before.advice.iter().any(|a| a.contains("1.7.0")), "{:?}", before.advice);
    let came = apply(&mut world);
    assert_eq!((came.done, came.secrets.len()), (ids.to_vec(), 2));
    with_secrets(&mut world, came.secrets);
    assert_eq!(plan(&mut world).todo().count(), 0);
    // Each signs with a secret of its own, and both are believed.
    for made in [one, two] {
        world.heard("sell", sale(&made, "stripe"));
    }
    assert_eq!(world.events.iter().filter(|e| *e == "order.paid").count(), 2);
}

#[test]
fn questions_are_made_where_a_show_has_none_and_never_changed() {
    let own = json!({ "questions": [
        { "asks": "phone", "title": "Celular (WhatsApp)", "make": { "per_ticket": true, "required": true, "description": "Con indicativo" } },
        { "asks": "document_kind", "title": "Tipo de documento", "make": { "per_ticket": true } },
        { "asks": "document", "title": "Número de documento", "make": { "per_ticket": true } },
        { "asks": "consent", "title": "¿Quiere novedades?", "text_version": "checkout-v3", "make": {} },
        { "asks": "consent", "title": "Medición", "purpose": "analytics" },
    ]});
    let mut world = World::set(json!({ "phone_questions": false }), own, in_vault);
    let made = world.act("create_show", show()).0;
    let other = world.act("create_show", show()).0;
    // Somebody asks it already, spelt otherwise and required.
    let theirs =
        json!({ "show_id": other["show_id"], "title": "quiere novedades", "type": "CHECKBOX", "required": true });
    world.act("create_question", theirs);
    let before = plan(&mut world);
    assert_eq!(before.steps.len(), 9, "{before:?}");
    let asks = |show: &Value, name: &str| format!("question:{}/{name}", show["show_id"]);
    assert_eq!(change(&before, &asks(&other, "consent-marketing")), Change::Keep);
    assert!(before.advice.iter().any(|a| a.contains("Medición") && a.contains("text_version")), "{:?}", before.advice);
    assert_eq!(apply(&mut world).done.len(), 7);
    assert_eq!(plan(&mut world).todo().count(), 0);
    let asked = world.sim.view("questions");
    let phone = &asked.as_array().unwrap().iter().find(|q| q["type"] == "PHONE").unwrap();
    assert_eq!((&phone["belongs_to"], &phone["required"]), (&json!("PRODUCT"), &json!(true)));
    assert_eq!(phone["product_ids"], json!([made["product_id"]]));
    let consent = asked.as_array().unwrap().iter().find(|q| q["title"] == "¿Quiere novedades?").unwrap();
    assert_eq!((&consent["belongs_to"], &consent["required"]), (&json!("ORDER"), &json!(false)));
    assert_eq!(consent["options"], json!(["Sí, autorizo", "No autorizo"]));

    // Their answers are read without more ado.
    let mut sold = sale(&made, "stripe");
    sold["buyer"]["answers"] = json!({ "¿Quiere novedades?": "Sí, autorizo" });
    sold["tickets"][1]["holder"]["answers"] =
        json!({ "Tipo de documento": "Cédula de ciudadanía", "Número de documento": "52.100.200" });
    let sold = world.heard("sell", sold);
    assert!(world.events.contains(&"consent.given".to_owned()), "{:?}", world.events);
    let order = world.model("order", &sold["order_id"]);
    assert_eq!(order["tickets"][1]["holder"]["document"], json!({ "kind": "CC", "number": "52100200" }));
}

#[test]
fn a_refusal_is_that_steps_and_an_outage_stops_the_run() {
    let mut world = newcomer(json!({ "webhook": false }), json!({}));
    let seen = look(&mut world, &WANTED, None).unwrap();
    let judge = |answer: Answer| {
        let ctx = Ctx { now: world.now, key: "plan", attempt: 2 };
        world.it.provisioner().unwrap().judge(&WANTED, &seen, "webhook", &answer, &ctx)
    };
    let refusal = json!({ "message": "x", "errors": { "url": ["The url cannot point to private addresses."] } });
    let Applied::Refused { seen: after, why } = judge(Answer::json(422, &refusal)) else { panic!() };
    assert!(why.contains("private addresses"), "{why}");
    let plan = world.it.provisioner().unwrap().plan(&WANTED, &after);
    assert_eq!((change(&plan, "webhook"), plan.todo().count()), (Change::Blocked, 0));
    let forbidden = Answer::json(403, &json!({ "message": "This action is unauthorized." }));
    assert!(matches!(judge(forbidden), Applied::Refused { why, .. } if why.contains("ORGANIZER")));
    assert!(matches!(judge(Answer::text(503, "")), Applied::Stop(Outcome::ProviderDown { .. })));
    assert!(matches!(judge(Answer::text(200, "<html>")), Applied::Unclear { .. }));
    let untold = json!({ "data": { "id": 16, "url": HOOK, "event_types": [], "status": "ENABLED" } });
    assert!(matches!(judge(Answer::json(200, &untold)), Applied::Stop(Outcome::NeedsHuman { .. })));
}
