//! Requests of people and incidents: the law's clocks, the label beside the data, what flows hear. Rows 5 and 9
//! of the table "the hub must".

use crate::hub::Hub;
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use pasarela_domain::case::{CaseState, Ruling, Step};
use pasarela_domain::incident::IncidentStep;
use pasarela_domain::standing::Standing;
use pasarela_engine::{CaseError, CaseFilter, CaseView, Hold, LEDGER, NewCase, NewHold, NewIncident, Urgency};
use pasarela_store::{CONTACT, EffectState, RecordWrite, Recorded};
use serde_json::{Value, json};

const RECEIVED: &str = "2026-11-24T10:00:00-05:00";
const DAY: i64 = 86_400;

fn new(kind: &str, more: Value) -> NewCase {
    let mut case = json!({
        "kind": kind, "facts": "La fecha de nacimiento está errada.", "request": "Corregir la fecha.",
        "claimant": { "name": "Laura Pardo Ávila", "document": "52.000.111", "email": "Laura@Correo.example", "phone": "+573005550117" },
    });
    case.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(case).unwrap()
}

async fn open(hub: &Hub, kind: &str) -> CaseView {
    let new = new(kind, json!({ "received_at": RECEIVED, "intake": "paper" }));
    hub.engine.open_case(new, "mesa", None).await.unwrap().0
}

async fn step(hub: &Hub, number: &str, step: Step) -> CaseView {
    hub.engine.step_case(number, step, "mesa").await.unwrap()
}

/// End of a day in Bogotá.
fn end_of(day: &str) -> Timestamp {
    format!("{day}T23:59:59-05:00").parse().unwrap()
}

/// A hub at that moment, so many seconds after the request was received.
async fn at(seconds: i64, flow: &str) -> Hub {
    let hub = if flow.is_empty() { Hub::build() } else { Hub::build().flow(flow) }.start().await;
    let received: Timestamp = RECEIVED.parse().unwrap();
    hub.pass(received.duration_since(hub.now()).as_secs() + seconds);
    hub
}

async fn standing(hub: &Hub, kind: &str, address: &str) -> Standing {
    let ledger = hub.engine.connection_id(LEDGER).unwrap();
    let name = format!("{:016x}", hub.engine.subject_hash(kind, address));
    let asked = vec![(ledger, EntityRef::new("standing", name))];
    let (_, rows) = hub.engine.store().lookup(Vec::new(), asked).await.unwrap();
    rows[0].as_ref().map(|row| serde_json::from_slice(&row.data).unwrap()).unwrap_or_default()
}

pub(crate) async fn claims(hub: &Hub, kind: &str, address: &str) -> Vec<String> {
    standing(hub, kind, address).await.claims.into_iter().map(|c| format!("{}: {}", c.case, c.reason)).collect()
}

async fn told(hub: &Hub) -> Vec<String> {
    hub.decided().await;
    hub.types().await.into_iter().filter(|t| t.starts_with("case.")).collect()
}

#[tokio::test]
async fn must_05_the_terms_are_those_of_the_example() {
    let hub = at(60, "").await;
    let reclamo = open(&hub, "reclamo").await;
    let due = |view: &CaseView, duty: &str| view.dues.iter().find(|d| d.duty.as_str() == duty).unwrap().due;
    assert_eq!(due(&reclamo, "label").by, end_of("2026-11-26"));
    assert_eq!(due(&reclamo, "answer").by, end_of("2026-12-16"), "8 December is a holiday");
    assert_eq!(due(&open(&hub, "pqr").await, "answer").by, end_of("2026-12-16"));
    let consulta = open(&hub, "consulta").await;
    assert_eq!(due(&consulta, "answer").by, end_of("2026-12-09"));
    assert_eq!(due(&consulta, "answer").goal, end_of("2026-12-04"), "the day of receipt and Saturdays counted");
    let number = &reclamo.case.number;
    let complete = step(&hub, number, Step::Complete { reason: String::new() }).await;
    assert_eq!(due(&complete, "answer").by, end_of("2026-12-16"));
    let extended = step(&hub, number, Step::Extend { reason: "Falta un archivo.".into() }).await;
    assert_eq!(due(&extended, "answer").by, end_of("2026-12-29"));
    assert_eq!(extended.urgency, Urgency::Calm);
    // What nobody may be told before is told by the letter.
    hub.decided().await;
    let letters: Vec<String> =
        hub.events().await.iter().filter_map(|e| e.data["letter"]["text"].as_str().map(str::to_owned)).collect();
    assert!(letters.iter().any(|l| l.contains("a más tardar el martes 29 de diciembre de 2026")), "{letters:#?}");
}

#[tokio::test]
async fn must_05_a_complete_reclamo_is_labelled_everywhere_at_once_and_until_it_is_decided() {
    let flow = "flow: marca\nversion: 1\ntitle: { es: Marca, en: Mark }\non: [case.labelled, case.decided]\nsteps:\n  - do: ventas.flujo\n    with: { mark: \"{{ data.label or '' }}\", n: \"{{ data.number }}\" }\n";
    let hub = at(60, flow).await;
    let number = open(&hub, "reclamo").await.case.number;
    assert!(claims(&hub, "email", "laura@correo.example").await.is_empty());
    step(&hub, &number, Step::Complete { reason: "fecha de nacimiento".into() }).await;
    let mark = format!("{number}: fecha de nacimiento");
    for (kind, address) in [("email", "laura@correo.example"), ("phone", "+573005550117")] {
        assert_eq!(claims(&hub, kind, address).await, std::slice::from_ref(&mark), "{kind}, as soon as it is answered");
    }
    hub.arrived("/flujo", 1).await;
    assert_eq!(hub.server.calls("/flujo")[0].json()["mark"], json!(mark));

    step(&hub, &number, Step::Decide { ruling: Ruling::Granted, reason: String::new() }).await;
    assert!(claims(&hub, "email", "laura@correo.example").await.is_empty(), "decided: the label goes");
    hub.arrived("/flujo", 2).await;
    assert_eq!(hub.server.calls("/flujo")[1].json()["mark"], json!(""));
    let answered = step(&hub, &number, Step::Answer { subject: String::new(), text: String::new() }).await;
    let letter = answered.case.answer.unwrap();
    assert!(letter.text.contains("Laura Pardo Ávila") && letter.text.contains("Corregir la fecha."), "{letter:?}");
    let twice = hub.engine.step_case(&number, Step::Complete { reason: String::new() }, "mesa").await.unwrap_err();
    assert!(matches!(twice, CaseError::Refused(_)), "{twice}");
    assert_eq!(told(&hub).await, ["case.opened", "case.labelled", "case.decided", "case.answered"]);
    assert!(hub.engine.cases(CaseFilter { limit: 9, ..CaseFilter::default() }).await.unwrap().0.is_empty());
    let person = Some("LAURA@correo.example".to_owned());
    let found = hub.engine.cases(CaseFilter { all: true, person, limit: 9, before: None }).await.unwrap().0;
    assert_eq!(found.len(), 1, "found by the person");
}

#[tokio::test]
async fn must_05_two_months_of_silence_end_an_incomplete_reclamo_and_what_a_crash_left_is_told() {
    let hub = at(60, "").await;
    let number = open(&hub, "reclamo").await.case.number;
    let asked = step(&hub, &number, Step::Incomplete { missing: "Copia del documento".into() }).await;
    assert_eq!(asked.dues[0].due.by, end_of("2027-01-25"), "two months from our request, the 24th is a Sunday");
    hub.pass(61 * DAY);
    hub.engine.look_after_cases().await.unwrap();
    assert_eq!(hub.engine.case(&number).await.unwrap().case.state, CaseState::Incomplete, "24 January: not yet");
    hub.pass(2 * DAY);
    hub.engine.look_after_cases().await.unwrap();
    let view = hub.engine.case(&number).await.unwrap();
    assert_eq!(view.case.state, CaseState::Withdrawn);
    assert_eq!(told(&hub).await, ["case.opened", "case.incomplete", "case.withdrawn"]);

    // As a crash leaves it: written, and not told.
    let store = hub.engine.store();
    let row = store.record("case", &number).await.unwrap().unwrap();
    let mut doc: Value = serde_json::from_slice(&row.data).unwrap();
    doc["untold"] = json!([{ "n": 3, "what": "case.withdrawn", "at": hub.now(), "letter": null },
        { "n": 4, "what": "case.decided", "at": hub.now(), "letter": null }]);
    let left = RecordWrite {
        kind: "case".into(),
        id: number.clone(),
        expected: row.version,
        due: Some(hub.now()),
        open: true,
        subjects: Vec::new(),
        at: hub.now(),
        data: store.sealer().seal_json(&doc),
    };
    assert_ne!(store.keep_record(left).await.unwrap(), Recorded::Stale);
    let hub = hub.crash().await;
    hub.engine.look_after_cases().await.unwrap();
    hub.engine.look_after_cases().await.unwrap();
    assert_eq!(
        told(&hub).await,
        ["case.opened", "case.incomplete", "case.withdrawn", "case.decided"],
        "what was told is not told again, what was not is told once"
    );
    assert!(!hub.engine.store().record("case", &number).await.unwrap().unwrap().open);
}

#[tokio::test]
async fn must_05_the_owner_hears_once_a_working_day_what_is_near_its_term() {
    let hub = at(60, "").await;
    let number = open(&hub, "consulta").await.case.number;
    hub.engine.look_after_cases().await.unwrap();
    assert_eq!(hub.engine.cases_now().await.unwrap().soon, 0);
    // Tuesday 1 December: our goal is the 4th.
    hub.pass(7 * DAY);
    for _ in 0..2 {
        hub.engine.look_after_cases().await.unwrap();
    }
    let reminders =
        async || hub.events().await.into_iter().filter(|e| e.event_type == "case.reminder").collect::<Vec<_>>();
    hub.decided().await;
    let first = reminders().await;
    assert_eq!(first.len(), 1, "once a day");
    let told = &first[0].data;
    assert_eq!((&told["cases"][0]["number"], &told["late"]), (&json!(number), &json!(0)));
    assert!(told["text"].as_str().unwrap().contains("vence el miércoles 9 de diciembre"), "{told}");
    // Sunday 6, and the holiday of the 8th.
    for days in [5, 2] {
        hub.pass(days * DAY);
        hub.engine.look_after_cases().await.unwrap();
    }
    hub.decided().await;
    assert_eq!(reminders().await.len(), 1, "neither on a Sunday nor on a holiday");
    hub.pass(2 * DAY);
    let now = hub.engine.look_after_cases().await.unwrap();
    assert_eq!((now.late, now.soon), (1, 0), "10 December: late");
    assert_eq!(hub.engine.case(&number).await.unwrap().urgency, Urgency::Late);
    hub.decided().await;
    assert_eq!(reminders().await[1].data["late"], json!(1));
}

#[tokio::test]
async fn numbers_are_one_each_and_the_same_key_is_the_same_case() {
    let hub = at(60, "").await;
    let mut many = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let engine = hub.engine.clone();
        many.spawn(
            async move { engine.open_case(new("reclamo", json!({})), "mesa", None).await.unwrap().0.case.number },
        );
    }
    let mut numbers = many.join_all().await;
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 12);
    assert!(numbers.iter().all(|n| n.starts_with("RAD-2026-0000")), "{numbers:?}");
    let (first, before) = hub.engine.open_case(new("pqr", json!({})), "tienda", Some("k-1")).await.unwrap();
    let (again, known) = hub.engine.open_case(new("pqr", json!({})), "tienda", Some("k-1")).await.unwrap();
    assert_eq!((first.case.number.as_str(), before, known), ("PQR-2026-000001", false, true));
    assert_eq!(first.case, again.case);
    for (more, words) in [
        (json!({ "request": " " }), "say what is asked for"),
        (json!({ "claimant": { "name": "Ana" } }), "needed to answer"),
        (json!({ "claimant": { "name": "Ana", "phone": "300" } }), "claimant.phone"),
        (json!({ "received_at": "2027-11-24T10:00:00-05:00" }), "in the future"),
    ] {
        let why = hub.engine.open_case(new("reclamo", more), "x", None).await.unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
    }
}

#[tokio::test]
async fn must_09_the_clock_of_an_incident_runs_until_it_is_reported() {
    let hub = at(60, "").await;
    let new: NewIncident =
        serde_json::from_value(json!({ "title": "Portátil perdido", "detected_at": RECEIVED })).unwrap();
    let view = hub.engine.open_incident(new, "mesa").await.unwrap();
    let number = view.incident.number.clone();
    assert_eq!((number.as_str(), view.due.by), ("INC-2026-000001", end_of("2026-12-16")));
    let step = async |step| hub.engine.step_incident(&number, step, "mesa").await;
    let report = || IncidentStep::Report { report: "SIC-26-1".into() };
    let why = step(report()).await.unwrap_err().to_string();
    assert!(why.contains("databases, categories, persons, effect, measures"), "{why}");
    assert!(step(IncidentStep::Close { note: String::new() }).await.unwrap_err().to_string().contains("does not stop"));
    hub.pass(23 * DAY);
    let now = hub.engine.look_after_cases().await.unwrap();
    assert_eq!((now.incidents, now.incidents_late, now.incident_by), (1, 1, Some(end_of("2026-12-16"))));
    let known: IncidentStep = serde_json::from_value(json!({ "step": "update", "databases": ["Compradores"],
        "categories": ["contacto"], "persons": 40, "effect": "Suplantación", "measures": "Bloqueo remoto" }))
    .unwrap();
    step(known).await.unwrap();
    let reported = step(report()).await.unwrap();
    assert_eq!(reported.urgency, Urgency::Calm);
    assert!(step(report()).await.is_err(), "once");
    assert_eq!(hub.engine.cases_now().await.unwrap().incidents, 0);
    step(IncidentStep::Close { note: String::new() }).await.unwrap();
    assert_eq!(hub.engine.incidents(None, 9).await.unwrap().0.len(), 1, "the register keeps it");
}

#[tokio::test]
async fn must_07_closed_cases_go_after_ten_years_but_what_is_held() {
    let hub = at(60, "").await;
    let mut numbers = Vec::new();
    for name in ["uno", "dos", "tres"] {
        // The first came on paper, from somebody with neither mailbox nor phone: only its number holds it.
        let claimant = match name {
            "uno" => json!({ "claimant": { "name": name, "address": "Carrera 7 # 12-34, Bogotá" } }),
            _ => json!({ "claimant": { "name": name, "email": format!("{name}@correo.example") } }),
        };
        let number = hub.engine.open_case(new("reclamo", claimant), "mesa", None).await.unwrap().0.case.number;
        step(&hub, &number, Step::Withdraw { reason: "Lo dijo por teléfono".into() }).await;
        numbers.push(number);
    }
    let hold = async |new: Value| hub.engine.hold(serde_json::from_value::<NewHold>(new).unwrap(), "mesa").await;
    let by_case = hold(json!({ "case": numbers[0], "reason": "proceso 12" })).await.unwrap();
    let by_person = hold(json!({ "person": "DOS@correo.example", "reason": "SIC, orden 7" })).await.unwrap();
    assert!(hold(json!({ "reason": "nadie" })).await.is_err());
    let there = async |n: usize| hub.engine.case(&numbers[n]).await.is_ok();
    hub.pass(3650 * DAY);
    hub.engine.take_care().await.unwrap();
    assert!(there(2).await, "not yet ten years");
    hub.pass(10 * DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!((there(0).await, there(1).await, there(2).await), (true, true, false), "what is held stays");
    let report = hub.engine.retention_report().await.unwrap();
    let cases = report.iter().find(|r| r.kind == "case").unwrap();
    assert_eq!((cases.removed, cases.keep_days, cases.passed_at), (1, Some(3653), Some(hub.now())));
    for number in [by_case.number, by_person.number] {
        hub.engine.end_hold(&number, "mesa").await.unwrap();
        assert!(hub.engine.end_hold(&number, "mesa").await.is_err(), "once");
    }
    hub.engine.take_care().await.unwrap();
    assert_eq!((there(0).await, there(1).await), (false, false), "the hold ended, and the term had");
    assert_eq!(hub.engine.holds(None, 9).await.unwrap().0.len(), 2, "that it was held is kept for its own term");
}

async fn hold(hub: &Hub, new: Value) -> Hold {
    hub.engine.hold(serde_json::from_value(new).unwrap(), "mesa").await.unwrap()
}

async fn removed(hub: &Hub, kind: &str) -> u64 {
    hub.engine.retention_report().await.unwrap().iter().find(|r| r.kind == kind).unwrap().removed
}

#[tokio::test]
async fn must_07_what_is_held_does_not_keep_what_lies_behind_it() {
    let hub = at(60, "").await;
    let number = open(&hub, "reclamo").await.case.number;
    step(&hub, &number, Step::Withdraw { reason: "Lo dijo por teléfono".into() }).await;
    hold(&hub, json!({ "person": "laura@correo.example", "reason": "proceso 12" })).await;
    // More than a bite takes, all of one person who is held.
    let store = hub.engine.store();
    let document = store.record("case", &number).await.unwrap().unwrap().data;
    for n in 0..120 {
        let copy = RecordWrite {
            kind: "case".into(),
            id: format!("RAD-2020-{n:06}"),
            expected: 0,
            due: None,
            open: false,
            subjects: Vec::new(),
            at: hub.now(),
            data: store.sealer().seal(&document),
        };
        assert_eq!(store.keep_record(copy).await.unwrap(), Recorded::Done(1));
    }
    hub.pass(60);
    let other = json!({ "claimant": { "name": "Otra", "email": "otra@correo.example" } });
    let other = hub.engine.open_case(new("reclamo", other), "mesa", None).await.unwrap().0.case.number;
    step(&hub, &other, Step::Withdraw { reason: "Lo dijo por teléfono".into() }).await;
    hub.pass(3660 * DAY);
    hub.engine.take_care().await.unwrap();
    assert!(hub.engine.case(&other).await.is_err(), "its turn came");
    assert!(hub.engine.case(&number).await.is_ok());
    assert_eq!(removed(&hub, "case").await, 1);
}

/// Contacts that are remembered, of everybody.
async fn contacts(hub: &Hub) -> usize {
    let ledger = hub.engine.connection_id(LEDGER).unwrap();
    let names = hub.engine.store().entity_ids(ledger, CONTACT, "", 100).await.unwrap();
    let asked = names.iter().map(|name| (ledger, EntityRef::new(CONTACT, name))).collect();
    let (_, rows) = hub.engine.store().lookup(Vec::new(), asked).await.unwrap();
    let kept = |row: &pasarela_store::EntityRow| serde_json::from_slice::<Vec<Value>>(&row.data).unwrap().len();
    rows.iter().flatten().map(kept).sum()
}

#[tokio::test]
async fn must_07_a_profile_goes_after_two_years_of_silence_and_what_was_allowed_stays() {
    let flow = "  - id: a\n    do: ventas.carta\n    class: marketing\n    with: { to: \"{{ data.to }}\" }\n";
    let hub = Hub::build().flow(&crate::hub::on_paid(flow)).start().await;
    crate::g10::shown(&hub).await;
    let people = ["+573005550117", "+573005550118", "+573005550119"];
    let word = async |phone: &str, state: &str| {
        crate::g10::says(&hub, json!({ "phone": phone }), "marketing", None, state).await;
    };
    for (n, phone) in people.into_iter().enumerate() {
        word(phone, "given").await;
        let wrote = json!({ "id": format!("m{n}"), "contact": { "phone": phone }, "text": "hola" });
        hub.hear([json!({ "type": "message.received", "key": phone, "id": format!("m{n}"), "data": wrote })]).await;
        hub.decided().await;
    }
    let heard = async |n: usize| !standing(&hub, "phone", people[n]).await.heard.is_empty();
    hub.paid("1", json!({ "to": people[0] })).await;
    hub.comes_to("a", EffectState::Done).await;
    assert_eq!((heard(0).await, heard(1).await, heard(2).await, contacts(&hub).await), (true, true, true, 1));
    let held = hold(&hub, json!({ "person": people[1], "reason": "SIC, orden 7" })).await;
    hub.pass(700 * DAY);
    word(people[2], "given").await;
    hub.engine.take_care().await.unwrap();
    assert!(heard(0).await && contacts(&hub).await == 1, "not yet two years");
    hub.pass(32 * DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!((heard(0).await, heard(1).await, heard(2).await), (false, true, true), "held; and heard of since");
    assert_eq!((contacts(&hub).await, removed(&hub, "marketing_profile").await), (0, 2));
    let known = hub.engine.consents_of(people[0]).await.unwrap();
    assert!(known.consents.given("marketing", None), "what was allowed is no profile");
    hub.engine.end_hold(&held.number, "mesa").await.unwrap();
    hub.pass(DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!((heard(1).await, heard(2).await), (false, true));
}

#[tokio::test]
async fn must_07_who_took_a_consent_back_is_forgotten_ten_years_later_and_the_proof_stays() {
    let hub = Hub::build().start().await;
    crate::g10::shown(&hub).await;
    let says = async |email: &str, state: &str| {
        let person = json!({ "email": email, "name": "Laura Rincón Ávila" });
        crate::g10::says(&hub, person, "marketing", Some("email"), state).await;
    };
    let people = ["fue@correo.example", "sigue@correo.example", "proceso@correo.example"];
    for email in people {
        says(email, "given").await;
    }
    hub.pass(DAY);
    says(people[0], "withdrawn").await;
    says(people[2], "withdrawn").await;
    hold(&hub, json!({ "person": people[2], "reason": "proceso 12" })).await;
    // Records that name their person, and all that there are.
    let named = async |email: &str| {
        let records = hub.engine.consents_of(email).await.unwrap().records;
        let naming = |r: &&pasarela_domain::consent::ConsentRecord| {
            r.contact.email.is_some() && r.contact.name == "Laura Rincón Ávila"
        };
        (records.iter().filter(naming).count(), records.len())
    };
    hub.pass(3652 * DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!(named(people[0]).await, (2, 2), "not yet ten years");
    hub.pass(2 * DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!(named(people[0]).await, (0, 2));
    assert_eq!((named(people[1]).await, named(people[2]).await), ((1, 1), (2, 2)), "treated still; held");
    let known = hub.engine.consents_of(people[0]).await.unwrap();
    let proof = &known.records.last().unwrap();
    assert_eq!((proof.evidence.text_version.as_deref(), proof.proof.complete), (Some("v1"), true));
    assert!(!known.consents.given("marketing", Some("email")));
    assert_eq!(removed(&hub, "consent_proofs").await, 2);
    hub.pass(DAY);
    hub.engine.take_care().await.unwrap();
    assert_eq!(removed(&hub, "consent_proofs").await, 2, "once");
}
