//! What runs decide: one test for each sentence of the flow semantics.

mod support;

use pasarela_flows::{Class, EventEffect, OnDead, OnUnknown, Origin, Start, StepOutcome, Urgency, compile};
use serde_json::{Value, json};
use support::{ALL, Run, TestCatalog, World, at, flow, flow_text, with_head};

const DESIGN: &str = include_str!("fixtures/boleta-confirmada.yaml");

fn track(id: &str, more: &str) -> String {
    format!("- id: {id}\n  do: mixpanel.track\n  with: {{ event: x }}\n{more}")
}

#[test]
fn the_designs_flow_steps_as_its_text_says() {
    let flow = flow_text(DESIGN);
    assert_eq!(flow.models().iter().map(String::as_str).collect::<Vec<_>>(), ["order", "show"]);
    let Start::Run { key, .. } = flow.start(&World::new().scope()).unwrap() else { panic!() };
    assert_eq!(key, "o1");
    let mut run = Run::of(flow, World::new());
    let first = run.advance();
    let paths: Vec<&str> = first.effects.iter().map(|effect| effect.path.as_str()).collect();
    assert_eq!(paths, ["persona", "each1[0].boleta", "each1[1].boleta", "s2"]);
    assert_eq!(first.timers, [("wait4".to_owned(), at("2026-11-27T00:00:00Z"))]);
    assert!(!first.finished && !first.more);
    let boleta = &first.effects[2];
    assert_eq!(boleta.input["to"], "+573001234567", "the guest has no phone: the buyer's is taken");
    assert_eq!(boleta.input["params"], json!(["Luz", "Noche de Lino"]));
    assert_eq!((boleta.urgency, boleta.on_unknown, boleta.on_dead), (Urgency::Urgent, OnUnknown::Hold, OnDead::Park));
    assert_eq!(boleta.purpose.as_deref(), Some("sale"));
    assert_eq!(first.effects[3].input["order"]["id"], "o1", "one expression keeps its type");

    run.gave_up("each1[1].boleta");
    let mail = run.advance();
    assert_eq!(mail.effects[0].path, "each1[1].boleta.otherwise.0");
    assert_eq!(mail.effects[0].connection, "sendgrid");
    let instead = (mail.effects[0].class, mail.effects[0].purpose.as_deref());
    assert_eq!(instead, (Some(Class::TransactionalUrgent), Some("sale")), "it stands in for the same message");
    run.done("persona", json!({ "id": "p-9" }));
    let mixpanel = run.advance();
    assert_eq!((mixpanel.effects[0].path.as_str(), &mixpanel.effects[0].input["person"]), ("s3", &json!("p-9")));
    run.flow.on_timer(&mut run.state, "wait4");
    let reminder = run.advance();
    assert_eq!(reminder.effects[0].input["params"], json!(["Noche de Lino", "viernes 27 de noviembre, 7:00 p. m."]));
    for path in ["each1[0].boleta", "each1[1].boleta.otherwise.0", "s2", "s3", "recordatorio"] {
        assert!(!run.advance().finished);
        run.done(path, Value::Null);
    }
    assert!(run.advance().finished);
}

#[test]
fn a_flow_is_skipped_when_its_condition_does_not_hold_and_the_key_falls_back_to_the_events() {
    let mut world = World::new();
    world.change("show", "/status", json!("draft"));
    assert!(matches!(flow_text(DESIGN).start(&world.scope()), Ok(Start::Skip { .. })));
    let Start::Run { key, .. } = flow(&track("a", "")).start(&World::new().scope()).unwrap() else { panic!() };
    assert_eq!(key, "order:o1");
}

#[test]
fn a_missing_model_is_never_false_and_holds_back_only_its_steps() {
    let mut world = World::new();
    let show = world.models.remove("show").unwrap();
    assert!(flow_text(DESIGN).start(&world.scope()).unwrap_err().to_string().contains("show"));
    let mut run =
        Run::of(flow(&format!("{}{}", track("a", "  when: \"{{ show.title == '' }}\"\n"), track("b", ""))), world);
    let advance = run.advance();
    assert_eq!(advance.effects.len(), 1);
    assert_eq!(advance.missing.iter().collect::<Vec<_>>(), ["show"]);
    run.world.models.insert("show".into(), show);
    run.done("b", Value::Null);
    assert!(run.advance().finished);
    assert_eq!(run.state_of("a"), "skipped");
}

#[test]
fn a_step_waits_only_for_what_it_uses_or_needs() {
    let steps = [
        "- id: a\n  do: twenty.upsert_person\n  with: { name: A }\n".to_owned(),
        "- id: uses\n  do: mixpanel.track\n  with: { event: x, person: \"{{ steps.a.id }}\" }\n".to_owned(),
        track("named", "  needs: [a]\n"),
        track("free", ""),
    ]
    .concat();
    let mut run = Run::new(&steps);
    assert_eq!(run.begun(), ["a", "free"]);
    run.done("a", json!({ "id": "7" }));
    assert_eq!(run.begun(), ["uses", "named"]);
}

#[test]
fn a_failed_step_stops_only_those_that_use_its_result() {
    let steps = [
        "- id: a\n  do: twenty.upsert_person\n  with: { name: A }\n".to_owned(),
        "- id: uses\n  do: mixpanel.track\n  with: { event: x, person: \"{{ steps.a.id }}\" }\n".to_owned(),
        "- id: chain\n  do: mixpanel.track\n  with: { event: \"{{ steps.uses.foo }}\" }\n".to_owned(),
        "- id: looks\n  do: mixpanel.track\n  with: { event: \"{{ steps.a.outcome }}\" }\n".to_owned(),
        track("named", "  needs: [a]\n"),
        "- id: if_bad\n  do: mixpanel.track\n  when: \"{{ steps.a.outcome != 'done' }}\"\n  with: { event: x }\n"
            .to_owned(),
    ]
    .concat();
    let mut run = Run::new(&steps);
    assert_eq!(run.begun(), ["a"]);
    run.gave_up("a");
    let advance = run.advance();
    let inputs: Vec<_> =
        advance.effects.iter().map(|effect| (effect.path.as_str(), effect.input["event"].as_str().unwrap())).collect();
    assert_eq!(inputs, [("looks", "gave_up"), ("named", "x"), ("if_bad", "x")]);
    assert_eq!((run.state_of("uses").as_str(), run.state_of("chain").as_str()), ("skipped", "skipped"));
    assert_eq!(run.why("uses"), "it uses the result of `a`, whose outcome is gave_up");
}

#[test]
fn otherwise_fires_on_giving_up_and_late_failure_only_and_once() {
    let steps = "- id: a\n  do: twenty.upsert_person\n  with: { name: A }\n  on_dead: skip\n  otherwise:\n    - do: mixpanel.track\n      with: { event: \"{{ steps.a.why }}\" }\n";
    let why = || "w".to_owned();
    for (outcomes, fires) in [
        (vec![StepOutcome::GaveUp { code: "c".into(), why: why() }], true),
        (
            vec![StepOutcome::Done { result: json!({}) }, StepOutcome::LateFailure { code: "c".into(), why: why() }],
            true,
        ),
        (vec![StepOutcome::Done { result: json!({}) }, StepOutcome::Unsettled], false),
        (vec![StepOutcome::Dead { why: why() }], false),
        (vec![StepOutcome::Unknown { why: why() }], false),
        (vec![StepOutcome::Dropped], false),
        (vec![StepOutcome::Withheld { rule: "r".into() }], false),
    ] {
        let mut run = Run::new(steps);
        run.begun();
        for outcome in &outcomes {
            run.advance();
            run.outcome("a", outcome.clone());
        }
        let expected: &[&str] = if fires { &["a.otherwise.0"] } else { &[] };
        assert_eq!(run.begun(), expected, "{outcomes:?}");
        for outcome in &outcomes {
            run.outcome("a", outcome.clone());
        }
        assert!(run.begun().is_empty(), "once only: {outcomes:?}");
        if fires {
            run.done("a.otherwise.0", Value::Null);
        }
        assert!(run.advance().finished, "{outcomes:?}");
    }
}

#[test]
fn a_parked_dead_letter_keeps_the_run_open_until_a_person_settles_it() {
    let mut run = Run::new(&format!("{}{}", track("a", ""), track("b", "  needs: [a]\n")));
    run.begun();
    run.outcome("a", StepOutcome::Dead { why: "w".into() });
    let advance = run.advance();
    assert!(!advance.finished && advance.effects.is_empty());
    run.done("a", Value::Null);
    assert_eq!(run.begun(), ["b"]);
}

const EACH: &str = "- each: \"{{ order.tickets }}\"\n  as: ticket\n  id: boletas\n  steps:\n    - id: uno\n      do: twenty.upsert_person\n      with: { name: \"{{ ticket.holder.name }}\" }\n    - id: dos\n      do: mixpanel.track\n      with: { event: x, person: \"{{ steps.uno.id }}\" }\n";

#[test]
fn inside_an_each_a_step_sees_its_own_item_and_outside_a_list() {
    let steps = format!(
        "{EACH}- id: fuera\n  do: mixpanel.track\n  with: {{ event: \"{{{{ steps.uno | map(attribute='id') | join(',') }}}}\" }}\n{}",
        track("todos", "  needs: [boletas]\n")
    );
    let mut run = Run::new(&steps);
    assert_eq!(run.begun(), ["boletas[0].uno", "boletas[1].uno"]);
    run.done("boletas[1].uno", json!({ "id": "p1" }));
    let advance = run.advance();
    assert_eq!(
        (advance.effects[0].path.as_str(), &advance.effects[0].input["person"]),
        ("boletas[1].dos", &json!("p1"))
    );
    run.done("boletas[0].uno", json!({ "id": "p0" }));
    let advance = run.advance();
    let begun: Vec<_> = advance.effects.iter().map(|effect| effect.path.as_str()).collect();
    assert_eq!(begun, ["boletas[0].dos", "fuera"]);
    assert_eq!(advance.effects[1].input["event"], "p0,p1");
    run.done("boletas[0].dos", Value::Null);
    assert!(run.begun().is_empty(), "needs waits for all items");
    run.done("boletas[1].dos", Value::Null);
    assert_eq!(run.begun(), ["todos"]);
}

#[test]
fn an_each_freezes_its_list_and_is_expanded_in_slices() {
    let mut world = World::new();
    let many: Vec<Value> = (0..25).map(|n| json!({ "holder": { "name": format!("G{n}") } })).collect();
    world.change("order", "/tickets", json!(many));
    let mut run = Run::of(flow(EACH), world);
    let slice = run.advance_by(10);
    assert_eq!((slice.effects.len(), slice.more, slice.finished), (10, true, false));
    run.world.change("order", "/tickets", json!([]));
    let mut paths: Vec<String> = slice.effects.into_iter().map(|effect| effect.path).collect();
    loop {
        let slice = run.advance_by(10);
        paths.extend(slice.effects.into_iter().map(|effect| effect.path));
        if !slice.more {
            break;
        }
    }
    let expected: Vec<String> = (0..25).map(|n| format!("boletas[{n}].uno")).collect();
    assert_eq!(paths, expected);
    for path in &paths {
        run.done(path, json!({ "id": "x" }));
    }
    let mut second = 0;
    loop {
        let slice = run.advance_by(7);
        assert!(slice.effects.len() <= 7);
        second += slice.effects.len();
        if !slice.more {
            break;
        }
    }
    assert_eq!(second, 25);
}

#[test]
fn items_wait_for_steps_outside_and_nested_lists_keep_their_paths() {
    let steps = [
        "- id: crm\n  do: twenty.upsert_person\n  with: { name: A }\n",
        "- each: \"{{ order.tickets }}\"\n  as: ticket\n  steps:\n    - each: \"{{ ['a', 'b'] }}\"\n      as: letra\n      steps:\n",
        "        - do: mixpanel.track\n          with: { event: \"{{ ticket.id }}-{{ letra }}\", person: \"{{ steps.crm.id }}\" }\n",
    ]
    .concat();
    let mut run = Run::new(&steps);
    assert_eq!(run.begun(), ["crm"]);
    assert!(run.begun().is_empty());
    run.done("crm", json!({ "id": "c" }));
    let advance = run.advance();
    let got: Vec<_> =
        advance.effects.iter().map(|effect| (effect.path.as_str(), effect.input["event"].as_str().unwrap())).collect();
    assert_eq!(
        got,
        [
            ("each1[0].each0[0].s0", "t1-a"),
            ("each1[0].each0[1].s0", "t1-b"),
            ("each1[1].each0[0].s0", "t2-a"),
            ("each1[1].each0[1].s0", "t2-b"),
        ]
    );
    for (path, _) in got {
        run.flow.on_outcome(&mut run.state, path, StepOutcome::Done { result: Value::Null });
    }
    assert!(run.advance().finished);
}

#[test]
fn a_late_failure_in_an_item_that_is_over_still_starts_its_otherwise() {
    let steps = "- each: \"{{ order.tickets }}\"\n  as: ticket\n  steps:\n    - id: a\n      do: twenty.upsert_person\n      with: { name: A }\n      otherwise:\n        - do: mixpanel.track\n          with: { event: \"{{ ticket.id }}\" }\n";
    let mut run = Run::new(steps);
    for path in run.begun() {
        run.done(&path, Value::Null);
    }
    assert!(run.advance().finished);
    run.outcome("each0[1].a", StepOutcome::LateFailure { code: "131026".into(), why: "undeliverable".into() });
    let advance = run.advance();
    assert_eq!(
        (advance.effects[0].path.as_str(), &advance.effects[0].input["event"]),
        ("each0[1].a.otherwise.0", &json!("t2"))
    );
    assert!(!advance.finished);
    run.done("each0[1].a.otherwise.0", Value::Null);
    assert!(run.advance().finished);
}

#[test]
fn waits_hold_what_is_below_them_and_rearm_when_their_source_moves() {
    let steps = [
        track("antes", ""),
        "- id: espera\n  wait: { until: \"{{ show.starts_at | minus('1d') }}\" }\n".to_owned(),
        EACH.to_owned(),
    ]
    .concat();
    let mut run = Run::new(&steps);
    let advance = run.advance();
    assert_eq!(advance.effects.len(), 1);
    assert_eq!(advance.timers, [("espera".to_owned(), at("2026-11-27T00:00:00Z"))]);
    let scope = run.world.scope();
    assert!(run.flow.rearm(&mut run.state, &scope).is_empty(), "nothing changed");
    run.world.change("show", "/starts_at", json!("2026-12-01T00:00:00Z"));
    let changed = run.flow.rearm(&mut run.state, &run.world.scope());
    assert_eq!(changed, [("espera".to_owned(), at("2026-11-30T00:00:00Z"))]);
    run.flow.on_timer(&mut run.state, "espera");
    assert_eq!(run.begun(), ["boletas[0].uno", "boletas[1].uno"]);
    assert_eq!(run.state_of("espera"), "elapsed");
}

#[test]
fn a_wait_for_a_moment_that_has_passed_is_over_at_once_and_one_without_a_moment_holds_back_for_good() {
    let steps =
        format!("- id: espera\n  wait: {{ until: \"{{{{ show.starts_at | minus('24h') }}}}\" }}\n{}", track("b", ""));
    let mut world = World::new();
    world.now = at("2026-11-27T12:00:00Z");
    assert_eq!(Run::of(flow(&steps), world).begun(), ["b"]);
    let mut world = World::new();
    world.change("show", "/starts_at", Value::Null);
    let mut run = Run::of(flow(&steps), world);
    let advance = run.advance();
    assert!(advance.effects.is_empty() && advance.finished);
    assert!(advance.failures[0].1.contains("`minus` needs a time"), "{:?}", advance.failures);
    assert_eq!(run.state_of("b"), "skipped");
}

#[test]
fn waits_for_a_length_and_for_events_end_by_timer_or_event() {
    let steps = [
        "- wait: { for: \"{{ config.vars.espera }}\" }\n".to_owned(),
        track("tarde", ""),
        "- id: pago\n  wait: { for: [payment.succeeded, payment.failed], timeout: 1h }\n".to_owned(),
        "- do: mixpanel.track\n  with: { event: \"{{ steps.pago.outcome }} {{ steps.pago.type | default('-') }}\" }\n"
            .to_owned(),
    ]
    .concat();
    let mut run = Run::new(&steps);
    assert_eq!(run.advance().timers, [("wait0".to_owned(), at("2026-11-01T17:00:02Z"))]);
    run.flow.on_timer(&mut run.state, "wait0");
    run.flow.on_timer(&mut run.state, "wait0");
    let advance = run.advance();
    assert_eq!((advance.effects.len(), advance.timers.len()), (1, 1));
    assert_eq!(run.flow.listening(&run.state), ["payment.failed", "payment.succeeded"]);
    let mut timed_out = Run { flow: flow(&steps), world: World::new(), state: run.state.clone() };
    let scope = run.world.scope();
    assert_eq!(run.flow.on_event(&mut run.state, "order.paid", &scope), EventEffect::None);
    assert_eq!(run.flow.on_event(&mut run.state, "payment.failed", &scope), EventEffect::Resumed);
    assert_eq!(run.advance().effects[0].input["event"], "happened payment.failed");
    assert!(run.flow.listening(&run.state).is_empty());
    timed_out.flow.on_timer(&mut timed_out.state, "pago");
    assert_eq!(timed_out.advance().effects[0].input["event"], "timed_out -");
}

#[test]
fn cancel_on_ends_the_run_and_its_condition_sees_the_other_event() {
    let steps = format!(
        "- wait: {{ until: \"{{{{ show.starts_at }}}}\", lawful: latest_before, cancel_on: [order.cancelled, {{ event: order.refunded, when: \"{{{{ data.fully_refunded }}}}\" }}] }}\n{}",
        track("b", "")
    );
    let mut run = Run::new(&steps);
    run.advance();
    assert_eq!(run.flow.listening(&run.state), ["order.cancelled", "order.refunded"]);
    let mut other = World::new();
    assert_eq!(run.flow.on_event(&mut run.state, "order.refunded", &other.scope()), EventEffect::None);
    other.data["fully_refunded"] = json!(true);
    let EventEffect::Cancelled { why } = run.flow.on_event(&mut run.state, "order.refunded", &other.scope()) else {
        panic!()
    };
    assert_eq!(why, "`order.refunded` while `wait0` waited");
    run.flow.on_timer(&mut run.state, "wait0");
    let advance = run.advance();
    assert!(advance.effects.is_empty() && advance.finished);
    assert_eq!(run.state.summary()["cancelled"], json!(why));
}

#[test]
fn an_input_that_the_schema_refuses_is_given_up_and_fires_otherwise() {
    let steps = "- id: a\n  do: whatsapp.send_template\n  class: transactional\n  with: { to: \"{{ order.id }}\", template: t, language: es }\n  otherwise:\n    - do: mixpanel.track\n      with: { event: \"{{ steps.a.code }}\" }\n";
    let mut run = Run::new(steps);
    let advance = run.advance();
    assert_eq!(advance.failures[0].0, "a");
    assert!(
        advance.failures[0].1.contains("`to` is not what whatsapp.send_template takes"),
        "{}",
        advance.failures[0].1
    );
    assert!(!advance.failures[0].1.contains("o1"), "values are personal data");
    assert_eq!(
        (advance.effects[0].path.as_str(), &advance.effects[0].input["event"]),
        ("a.otherwise.0", &json!("invalid_input"))
    );
    assert_eq!(run.state_of("a"), "gave_up");
}

#[test]
fn values_keep_their_types_text_is_text_and_undefined_is_an_error() {
    let eval = |expression: &str| {
        let steps = format!("- id: a\n  do: tienda.request\n  with: {{ v: {expression} }}\n");
        let mut run = Run::new(&steps);
        let advance = run.advance();
        match advance.effects.first() {
            Some(effect) => Ok(effect.input["v"].clone()),
            None => Err(advance.failures[0].1.clone()),
        }
    };
    for (expression, expected) in [
        ("\"{{ order.tickets | length }}\"", json!(2)),
        ("\"{{ order.total }}\"", json!({ "minor": 37_000_000, "currency": "COP" })),
        ("\"{{ order.promo_code }}\"", Value::Null),
        ("\"{{ '}}' ~ order.id }}\"", json!("}}o1")),
        ("\"{{ '{{' }} {{ order.id }}\"", json!("{{ o1")),
        ("\"{{ order.id }}{{ order.id }}\"", json!("o1o1")),
        ("\"{{ order.total | cop }}\"", json!("$\u{a0}370.000")),
        ("\"{{ order.total | money(lang='en') }}\"", json!("COP\u{a0}370,000")),
        ("\"{{ '300 123 4567' | phone }}\"", json!("+573001234567")),
        ("\"{{ show.starts_at | bogota('date', lang='en') }}\"", json!("Friday, November 27")),
        ("\"{{ now | plus('PT1H') }}\"", json!("2026-11-01T16:00:02Z")),
        ("\"{{ {'a': [1, 2.5, true, none]} }}\"", json!({ "a": [1, 2.5, true, null] })),
        ("\"{{ order.promo_code | default('ninguno', true) }}\"", json!("ninguno")),
        ("\"{{ config.vars.nada | default('x', true) }}\"", json!("x")),
        ("\"{% for t in order.tickets %}{{ t.id }};{% endfor %}\"", json!("t1;t2;")),
        ("\"{{ event.data.id }} {{ data.id }} {{ event.key }}\"", json!("o1 o1 order:o1")),
        ("\"{{ buyer.name }}\"", json!("Ana Díaz Peña")),
        ("12", json!(12)),
        ("[1, \"{{ order.id }}\"]", json!([1, "o1"])),
    ] {
        assert_eq!(eval(expression), Ok(expected), "{expression}");
    }
    for (expression, why) in [
        ("\"{{ config.vars.nada }}\"", "`config.vars.nada` is undefined"),
        ("\"{{ config.vars.nada.mas }}\"", "`config.vars.nada` is undefined"),
        ("\"Hola {{ config.vars.nada }}\"", "undefined"),
        ("\"Hola {{ order.promo_code }}\"", "nothing (null)"),
        ("\"{{ order.total * 2 }}\"", "invalid operation"),
        ("\"{{ order.id | phone }}\"", "not a phone number"),
        ("\"{{ show.starts_at | minus('mucho') }}\"", "not a length of time"),
        ("\"{{ 'x' * 70000 }}\"", "longer than 64 KiB"),
        ("\"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}\"", "fuel"),
        ("\"{% for a in range(9999) %}0123456789{% endfor %}\"", "longer than 64 KiB"),
    ] {
        let error = eval(expression).unwrap_err();
        assert!(error.contains(why), "{expression}: {error}");
    }
}

#[test]
fn built_in_flows_leave_out_what_is_not_configured() {
    let catalog = TestCatalog { absent: vec!["twenty", "sendgrid"] };
    let flow = compile("f.yaml", DESIGN, Origin::BuiltIn, &catalog).unwrap();
    let notes = support::shown(&flow.notes);
    assert!(notes.contains("`twenty.upsert_person` is left out"), "{notes}");
    assert!(notes.contains("it uses `persona`, which is left out"), "{notes}");
    let mut run = Run::of(flow, World::new());
    assert_eq!(run.begun(), ["each1[0].boleta", "each1[1].boleta", "s2"]);
    run.gave_up("each1[0].boleta");
    assert!(run.begun().is_empty(), "its otherwise is left out");
    assert!(compile("f.yaml", DESIGN, Origin::File, &catalog).is_err());
    assert!(compile("f.yaml", DESIGN, Origin::File, &ALL).unwrap().notes.is_empty());
}

#[test]
fn an_explanation_shows_every_step_without_doing_it() {
    let text = flow_text(DESIGN).explain(&World::new().scope()).to_string();
    for part in [
        "boleta-confirmada v3, key o1",
        "do        persona  twenty.upsert_person",
        "each      each1  2 items, each as `ticket`",
        "do        each1[1].boleta  whatsapp.send_template (transactional_urgent)",
        "otherwise each1[1].boleta.otherwise.0  sendgrid.send",
        "\"person\":\"‹steps.persona.id›\"",
        "wait      wait4  until 2026-11-27T00:00:00Z  ends the run at order.cancelled, order.refunded",
        "do        recordatorio  whatsapp.send_template (transactional)",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let mut world = World::new();
    world.models.remove("show");
    let steps = track("a", "  when: \"{{ show.title }}\"\n");
    let text = flow(&steps).explain(&world.scope()).to_string();
    assert!(text.contains("blocked   a  mixpanel.track  waits for: show"), "{text}");
}

#[test]
fn the_outline_tells_screens_the_shape_of_the_flow() {
    let outline = flow_text(DESIGN).outline();
    assert_eq!(outline["steps"][1]["steps"][0]["otherwise"][0]["path"], "each1.boleta.otherwise.0");
    assert_eq!(outline["steps"][3]["after"], json!(["persona"]));
    assert_eq!(outline["title"]["en"], "Ticket confirmed");
}

#[test]
fn a_state_of_another_binary_is_read_and_strange_paths_change_nothing() {
    let mut run = Run::new(&track("a", ""));
    run.begun();
    let mut text: Value = serde_json::to_value(&run.state).unwrap();
    text["new_field"] = json!(1);
    text["steps"]["a"]["new_field"] = json!(1);
    assert_eq!(serde_json::from_value::<pasarela_flows::RunState>(text).unwrap(), run.state);
    let before = run.state.clone();
    for path in ["", "b", "a[0]", "a[", "a]", "a[99999999999999999999]", "é"] {
        run.done(path, json!({}));
        run.flow.on_timer(&mut run.state, path);
    }
    assert_eq!(run.state, before);
    assert!(with_head("x").contains("steps"));
}

#[test]
fn an_each_of_too_many_items_is_refused_and_one_of_many_stays_cheap() {
    let items = |count: usize| json!(vec![json!({ "holder": { "name": "G" } }); count]);
    let mut world = World::new();
    world.change("order", "/tickets", items(100_001));
    let advance = Run::of(flow(EACH), world).advance();
    assert!(advance.failures[0].1.contains("the most is 100000"), "{:?}", advance.failures);

    let mut world = World::new();
    world.change("order", "/tickets", items(20_000));
    let Run { flow, world, mut state } = Run::of(flow(EACH), world);
    let mut begun = 0;
    loop {
        let advance = flow.advance(&mut state, &world.scope(), 100);
        begun += advance.effects.len();
        if !advance.more {
            break;
        }
    }
    assert_eq!(begun, 20_000);
    // Looking at all items for each outcome would be 400 million looks.
    for n in 0..20_000 {
        let result = json!({ "id": "p" });
        flow.on_outcome(&mut state, &format!("boletas[{n}].uno"), StepOutcome::Done { result });
        assert_eq!(flow.advance(&mut state, &world.scope(), 100).effects.len(), 1);
    }
}

#[test]
fn flows_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<pasarela_flows::Flow>();
    shared::<pasarela_flows::RunState>();
}
