use super::*;
use jiff::{SignedDuration, Timestamp};

/// Days of 24 hours, all of which count; the goal is a day earlier.
struct Plain;

impl Calendar for Plain {
    fn due(&self, duty: Duty, from: Timestamp) -> Due {
        let days = match duty {
            Duty::AnswerConsulta { extended } => {
                if extended {
                    15
                } else {
                    10
                }
            }
            Duty::AnswerReclamo { extended } => {
                if extended {
                    23
                } else {
                    15
                }
            }
            Duty::AnswerPqr | Duty::ReportIncident => 15,
            Duty::Label => 2,
            Duty::AskToComplete => 5,
            Duty::Silence => 61,
        };
        let by = from + SignedDuration::from_hours(24 * days);
        Due { goal: by - SignedDuration::from_hours(24), by }
    }
}

fn at(day: i64) -> Timestamp {
    let first: Timestamp = "2026-11-24T15:00:00Z".parse().unwrap();
    first + SignedDuration::from_hours(24 * day)
}

fn case(kind: CaseKind) -> Case {
    Case {
        number: "RAD-2026-000001".into(),
        kind,
        state: CaseState::Received,
        received_at: at(0),
        recorded_at: at(0),
        intake: Intake::Paper,
        reference: String::new(),
        claimant: Claimant {
            name: "Laura Pardo".into(),
            email: Some("laura@correo.example".into()),
            ..Claimant::default()
        },
        requester: Requester::Person,
        language: Tongue::Es,
        facts: "La fecha de nacimiento está errada.".into(),
        request: "Corregir la fecha.".into(),
        documents: Vec::new(),
        asked: None,
        completed_at: None,
        label: None,
        extended: None,
        decided: None,
        answer: None,
        history: Vec::new(),
    }
}

fn done(case: &mut Case, step: Step, day: i64) {
    case.step(&step, "mesa", at(day), &Plain).unwrap();
}

fn refused(case: &Case, step: Step, day: i64) -> String {
    let mut tried = case.clone();
    let why = tried.step(&step, "mesa", at(day), &Plain).unwrap_err().to_string();
    assert_eq!(&tried, case, "what is refused changes nothing");
    why
}

fn decide(ruling: Ruling, reason: &str) -> Step {
    Step::Decide { ruling, reason: reason.into() }
}

#[test]
fn a_reclamo_is_labelled_when_it_is_complete_and_until_it_is_decided() {
    let mut c = case(CaseKind::Reclamo);
    assert_eq!(c.next_due(&Plain).unwrap().duty, Duty::Label, "it may be complete as it came");
    done(&mut c, Step::Complete { reason: String::new() }, 1);
    assert!(c.labelled());
    assert_eq!(c.label.as_ref().unwrap().reason, "Corregir la fecha.");
    assert_eq!(c.answer_due(&Plain).by, at(15), "complete as it came: counted from receipt");
    done(&mut c, Step::Extend { reason: "Falta un archivo.".into() }, 15);
    assert_eq!(c.answer_due(&Plain).by, at(23));
    assert!(refused(&c, Step::Extend { reason: "Otra vez".into() }, 16).contains("once"));
    assert!(refused(&c, decide(Ruling::Denied, " "), 16).contains("reason"));
    done(&mut c, decide(Ruling::Partly, "El año sí, el día no."), 16);
    assert!(!c.labelled(), "the label stands until the decision");
    assert_eq!(c.next_due(&Plain).unwrap().due.by, at(23), "decided is not answered");
    done(&mut c, Step::Answer { subject: "Respuesta".into(), text: "Señora Laura: ...".into() }, 17);
    assert!(c.dues(&Plain).is_empty() && !c.state.is_open());
    assert!(refused(&c, decide(Ruling::Granted, ""), 18).contains("new case"));
}

#[test]
fn an_incomplete_reclamo_waits_for_the_person_and_then_counts_as_withdrawn() {
    let mut c = case(CaseKind::Reclamo);
    assert!(refused(&c, Step::Incomplete { missing: String::new() }, 4).contains("missing"));
    done(&mut c, Step::Incomplete { missing: "Copia del documento".into() }, 4);
    let dues = c.dues(&Plain);
    assert_eq!((dues.len(), dues[0].duty, dues[0].due.by), (1, Duty::Silence, at(65)), "counted from our request");
    assert!(refused(&c, decide(Ruling::Granted, ""), 5).contains("complete it first"));
    let mut silent = c.clone();
    assert!(!silent.silent(at(65), &Plain), "the last moment is the person's");
    assert!(silent.silent(at(66), &Plain) && silent.state == CaseState::Withdrawn);
    assert!(!silent.silent(at(67), &Plain));

    done(&mut c, Step::Complete { reason: "fecha de nacimiento".into() }, 30);
    assert_eq!(c.answer_due(&Plain).by, at(45), "what lacked something counts from when it was complete");
    let mut late = case(CaseKind::Reclamo);
    done(&mut late, Step::Incomplete { missing: "Copia".into() }, 6);
    done(&mut late, Step::Complete { reason: String::new() }, 7);
    assert_eq!(late.answer_due(&Plain).by, at(15), "asked too late: our delay is not the person's");
}

#[test]
fn each_kind_has_the_steps_that_the_law_gives_it() {
    let consulta = case(CaseKind::Consulta);
    assert!(refused(&consulta, Step::Incomplete { missing: "x".into() }, 1).contains("only a reclamo"));
    assert_eq!(consulta.answer_due(&Plain).by, at(10));
    let late = refused(&consulta, Step::Extend { reason: "x".into() }, 11);
    assert!(late.contains("before that"), "{late}");
    let mut extended = consulta.clone();
    done(&mut extended, Step::Extend { reason: "x".into() }, 10);
    assert_eq!(extended.answer_due(&Plain).by, at(15));
    let mut straight = consulta.clone();
    done(&mut straight, decide(Ruling::Granted, ""), 2);
    assert!(straight.label.is_none() && straight.state == CaseState::Decided);

    let pqr = case(CaseKind::Pqr);
    assert!(refused(&pqr, Step::Extend { reason: "x".into() }, 1).contains("no extension"));
    assert_eq!(pqr.answer_due(&Plain).by, at(15));
    let mut passed = case(CaseKind::Reclamo);
    done(&mut passed, Step::PassOn { to: "Boletería del Norte S.A.S.".into() }, 1);
    assert_eq!(passed.state, CaseState::PassedOn);
    assert!(refused(&passed, Step::Complete { reason: String::new() }, 2).contains("over"));
    done(&mut passed, Step::Note { text: "Recibido por ellos".into() }, 3);
    assert_eq!(passed.history.len(), 2);
}

#[test]
fn what_a_reclamo_must_hold_is_named() {
    let mut c = case(CaseKind::Reclamo);
    assert_eq!(c.missing(), ["document"]);
    c.claimant = Claimant::default();
    (c.facts, c.request) = (String::new(), " ".into());
    assert_eq!(c.missing(), ["name", "document", "address", "facts", "request"]);
    c.kind = CaseKind::Consulta;
    assert_eq!(c.missing(), ["name", "address", "request"], "a consulta asks, and needs no facts");
}

#[test]
fn ways_in_are_written_as_they_are_kept() {
    for intake in Intake::ALL {
        assert_eq!(serde_json::to_value(intake).unwrap(), intake.as_str());
    }
}
