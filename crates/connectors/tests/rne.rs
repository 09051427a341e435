//! The RNE: what is asked, what an answer means, and a token that ends with the next one.

use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, check};
use pasarela_connector::{
    Answer, Auth, AuthStep, ConnectionConfig, Connector, Ctx, Outcome, Provider, Request, SimConfig, Simulator, Step,
    auth,
};
use pasarela_connectors::rne::Rne;
use pasarela_domain::Secret;
use serde_json::{Value, json};
use std::time::Duration;

/// 26 November 2026, 10:00 in Bogota.
const MORNING: &str = "2026-11-26T10:00:00-05:00";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ctx(now: Timestamp) -> Ctx<'static> {
    Ctx { now, key: "k", attempt: 1 }
}

fn config(token: &str) -> ConnectionConfig {
    let mut config = ConnectionConfig::bare("rne", "rne");
    config.credentials.insert("token".into(), Secret::new(token));
    config
}

fn connector() -> Box<dyn Connector> {
    Rne.connect(config("primero")).unwrap()
}

fn asked(input: &Value) -> Result<Request, Outcome> {
    match connector().begin("check", std::slice::from_ref(input), &ctx(at(MORNING))) {
        Step::Call(call) => Ok(call.request),
        Step::End(mut ends) => Err(ends.remove(0)),
    }
}

fn judged(input: &Value, answer: &Answer, now: &str) -> Outcome {
    match connector().on("check", std::slice::from_ref(input), &json!(1), answer, &ctx(at(now))) {
        Step::End(mut ends) => ends.remove(0),
        Step::Call(_) => panic!("one call"),
    }
}

fn phones() -> Value {
    json!({ "phones": ["+573001234567", "+573105550101"] })
}

#[test]
fn conformance() {
    let registered =
        json!([{ "llave": "3105550101", "opcionesContacto": { "sms": false, "aplicacion": false, "llamada": true } }]);
    check(&Fixture {
        provider: Box::new(Rne),
        config: config("primero"),
        now: at(MORNING),
        webhooks: vec![],
        actions: vec![ActionSample {
            action: "check",
            input: phones(),
            done: Answer::json(200, &registered),
            judged: vec![
                (Answer::json(509, &json!({ "message": "actualizando" })), "throttled"),
                (Answer::json(403, &json!({ "message": "sin rol" })), "needs_human"),
                (Answer::json(200, &json!([{ "llave": "3009999999" }])), "retry"),
                (Answer::json(200, &json!({ "message": "mantenimiento" })), "retry"),
            ],
            refused: vec![
                json!({}),
                json!({ "phones": ["+573001234567"], "emails": ["ana.rios@example.co"] }),
                json!({ "phones": ["+34612345678"] }),
                json!({ "phones": ["3001234567"] }),
                json!({ "emails": ["ana"] }),
                json!({ "phones": vec!["+573001234567"; 10_001] }),
            ],
        }],
    });
}

#[test]
fn phones_are_asked_without_their_country_and_a_missing_option_is_a_no() {
    let request = asked(&phones()).unwrap();
    assert_eq!(request.url, "https://tramitescrcom.gov.co/excluidosback/consultaMasiva/validarExcluidos");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, json!({ "type": "TEL", "keys": ["3001234567", "3105550101"] }));
    let answer = Answer::json(
        200,
        &json!([{ "llave": "3105550101", "opcionesContacto": { "llamada": true, "sms": "true" }, "otro": 1 }]),
    );
    let Outcome::Done(done) = judged(&phones(), &answer, MORNING) else { panic!() };
    // Absent, and a yes that is text: both are no.
    assert_eq!(done.result, json!({ "registered": [{ "key": "+573105550101", "refused": ["sms", "app"] }] }));

    let emails = json!({ "emails": ["Ana.Rios@Example.co"] });
    let body: Value = serde_json::from_slice(&asked(&emails).unwrap().body).unwrap();
    assert_eq!(body, json!({ "type": "COR", "keys": ["ana.rios@example.co"] }));
    let yes = Answer::json(
        200,
        &json!([{ "llave": "ana.rios@example.co", "opcionesContacto": { "correo_electronico": true } }]),
    );
    let Outcome::Done(done) = judged(&emails, &yes, MORNING) else { panic!() };
    assert_eq!(done.result, json!({ "registered": [{ "key": "ana.rios@example.co", "refused": [] }] }));
    let Outcome::Done(done) = judged(&emails, &Answer::json(200, &json!([])), MORNING) else { panic!() };
    assert_eq!(done.result, json!({ "registered": [] }));
}

#[test]
fn while_it_is_brought_up_to_date_it_is_waited_for_until_three() {
    let closed = Answer::json(509, &json!({}));
    let wait = |now| match judged(&phones(), &closed, now) {
        Outcome::Throttled { after, .. } => after.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(wait("2026-11-26T02:20:00-05:00"), Duration::from_secs(40 * 60));
    assert_eq!(wait("2026-11-26T15:00:00-05:00"), Duration::from_secs(300));
}

/// The engine's part of a credential.
fn token(connector: &dyn Connector, kept: Option<&Auth>, double: &mut dyn Simulator) -> AuthStep {
    let (manifest, ctx) = (Rne.manifest(), ctx(at(MORNING)));
    let AuthStep::Call(request) = auth::begin(manifest, connector, kept, &ctx) else { panic!("a call") };
    let url = request.url.strip_prefix("https://tramitescrcom.gov.co/excluidosback").unwrap().to_owned();
    let answer = double.handle(&Request { url, ..request }, ctx.now).answer;
    auth::answered(manifest, connector, kept, &answer, &ctx)
}

#[test]
fn connector_and_double_meet_and_the_old_token_is_dead() {
    let settings = json!({ "token": "primero" });
    let sim = SimConfig { connection: "rne".into(), base_url: String::new(), webhook_secret: String::new(), settings };
    let mut double = Rne.simulator(sim).unwrap();
    let call = |double: &mut dyn Simulator, bearer: &str, now: &str| {
        let request = asked(&phones()).unwrap().header("authorization", format!("Bearer {bearer}"));
        let url = "/consultaMasiva/validarExcluidos".to_owned();
        double.handle(&Request { url, ..request }, at(now)).answer
    };
    let args = json!({ "type": "TEL", "key": "3105550101", "accepts": ["llamada"] });
    double.act("register", &args, at(MORNING)).unwrap();

    // The configured token is exchanged at its first use; the next one with the one before.
    let connector = connector();
    let AuthStep::Ready(first) = token(&*connector, None, &mut *double) else { panic!() };
    assert_eq!(first.headers, [("authorization".to_owned(), "Bearer rne-token-1".to_owned())]);
    assert!(first.refresh.is_some() && auth::is_fresh(&first, &*connector, at("2027-04-20T10:00:00-05:00")));
    assert!(!auth::is_fresh(&first, &*connector, at("2027-04-30T10:00:00-05:00")), "exchanged a month before its end");
    assert_eq!(call(&mut *double, "primero", MORNING).status, 401);
    let AuthStep::Ready(second) = token(&*connector, Some(&first), &mut *double) else { panic!() };
    assert_eq!(call(&mut *double, "rne-token-1", MORNING).status, 401);
    assert_eq!(second.refresh.as_deref(), Some("rne-token-2"));

    let answer = call(&mut *double, "rne-token-2", MORNING);
    let Outcome::Done(done) = judged(&phones(), &answer, MORNING) else { panic!() };
    assert_eq!(done.result["registered"], json!([{ "key": "+573105550101", "refused": ["sms", "app"] }]));
    assert_eq!(call(&mut *double, "rne-token-2", "2026-11-26T02:59:59-05:00").status, 509);
    assert_eq!(call(&mut *double, "rne-token-2", "2026-11-26T03:00:00-05:00").status, 200);
    double.act("role", &json!({ "allowed": false }), at(MORNING)).unwrap();
    assert_eq!(call(&mut *double, "rne-token-2", MORNING).status, 403);

    // The chain is broken: a person is told what to do, and another token of the configuration begins anew.
    double.act("role", &json!({ "allowed": true }), at(MORNING)).unwrap();
    double.act("expire", &json!({}), at(MORNING)).unwrap();
    let AuthStep::Refused(why) = token(&*connector, Some(&second), &mut *double) else { panic!() };
    assert!(why.contains("tramitescrcom.gov.co") && !why.contains("rne-token"), "{why}");
    let renewed = Rne.connect(config("vencido")).unwrap();
    assert!(matches!(token(&*renewed, Some(&second), &mut *double), AuthStep::Ready(_)));
}
