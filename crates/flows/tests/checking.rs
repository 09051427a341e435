//! What `check` finds in a file: every problem with its place and what to write instead.

mod support;

use pasarela_flows::{Origin, Severity, compile};
use proptest::prelude::*;
use support::{ALL, flow_text, problems, shown, with_head};

const GOOD: &str = include_str!("fixtures/boleta-confirmada.yaml");

/// One step of the tables: its text, and what is found in it.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(problems(text).trim(), expected.trim(), "\n---\n{text}\n---");
    }
}

#[test]
fn heads_are_checked() {
    check(&[
        (
            "flow: a.b\nversion: 0\non: order.payd\nstpes: []\n",
            "prueba.yaml:1:1: the flow has no steps\n  add `steps:` with a list of `- do: provider.action`\n\
             prueba.yaml:1:7: `a.b` cannot be a name: letters, digits, `-` and `_`, at most 64\n  write `a_b`\n\
             prueba.yaml:2:10: `version` is a whole number from 1\n  write `version: 1`\n\
             prueba.yaml:3:5: there is no event type `order.payd`\n  did you mean `order.paid`?\n\
             prueba.yaml:4:1: a flow has no field `stpes`\n  did you mean `steps`?",
        ),
        (
            "flow: a\nversion: 1\non: order.paid\nsteps: []\n",
            "prueba.yaml:4:8: the flow has no steps\n  add `- do: provider.action`",
        ),
        ("- a\n", "prueba.yaml:1:1: a flow is a mapping, not a list"),
        (
            "flow: a\nversion: 1\non: order.paid\nwhen: show.status == 'live'\non_dead: jump\nsteps:\n  - do: tienda.request\n",
            "prueba.yaml:4:7: a condition without braces is a text and always true\n  write `\"{{ show.status == 'live' }}\"`\n\
             prueba.yaml:5:10: `jump` is none of `park`, `skip`\n  known: `park`, `skip`",
        ),
    ]);
    let yaml = problems("flow: a\nversion: 1\nsteps:\n  - do: [x\n");
    assert!(yaml.starts_with("prueba.yaml:") && yaml.contains("this is not readable YAML"), "{yaml}");
    let twice = problems("flow: a\nflow: b\n");
    assert!(twice.contains(":2:1: this is not readable YAML: duplicate"), "{twice}");
}

#[test]
fn steps_are_checked() {
    for (steps, expected) in [
        ("- dö: x", "prueba.yaml:5:5: a step has one of `do`, `each` and `wait`\n  did you mean `do`?"),
        ("- text", "prueba.yaml:5:5: a step is a mapping, not a text\n  write `- do: provider.action`"),
        (
            "- do: whatsap.send_template",
            "prueba.yaml:5:9: there is no action `whatsap.send_template`\n  did you mean `whatsapp.send_template`?",
        ),
        (
            "- do: meta.send",
            "prueba.yaml:5:9: `meta.send` could be one of several connections\n  write `meta-a.send` or `meta-b.send`",
        ),
        (
            "- do: sendgrid.send\n  with: { to: a, template: b }",
            "prueba.yaml:5:9: `sendgrid.send` writes to a person and has no `class`: an unknown class counts as marketing\n  \
             add `class: transactional` (or `transactional_urgent`, `collection`, `marketing`)",
        ),
        (
            "- do: sendgrid.send\n  class: transacional\n  with: { to: a, template: b }",
            "prueba.yaml:6:12: `transacional` is none of `transactional_urgent`, `transactional`, `collection`, `marketing`\n  \
             did you mean `transactional`?",
        ),
        (
            "- do: tienda.request\n  neds: [a]",
            "prueba.yaml:6:5: a `do` step has no field `neds`\n  did you mean `needs`?",
        ),
        (
            "- id: a\n  do: tienda.request\n- id: a\n  do: tienda.request",
            "prueba.yaml:7:5: the id `a` is taken by the step in line 5\n  choose another id",
        ),
        (
            "- do: tienda.request\n- id: s0\n  do: tienda.request",
            "prueba.yaml:6:5: two steps of this list have the path `s0`\n  choose another id",
        ),
        (
            "- do: tienda.request\n- id: s0\n  do: tienda.request\n  needs: [x]",
            "prueba.yaml:6:5: two steps of this list have the path `s0`\n  choose another id\n\
             prueba.yaml:8:13: `needs`: there is no step `x`\n  known: `s0`",
        ),
        (
            "- id: a.b\n  do: tienda.request",
            "prueba.yaml:5:9: `a.b` cannot be a name: letters, digits, `-` and `_`, at most 64\n  write `a_b`",
        ),
        (
            "- id: a\n  do: tienda.request\n  needs: [b]\n- id: b\n  do: tienda.request\n  with: { x: \"{{ steps.a.outcome }}\" }",
            "prueba.yaml:5:5: these steps wait for each other: `a` waits for `b` waits for `a`\n  remove one of the `needs` or uses",
        ),
        (
            "- id: a\n  do: tienda.request\n  needs: [b]\n- wait: { for: 1h }\n- id: b\n  do: tienda.request\n- wait: { until: \"{{ steps.c.x }}\" }\n- id: c\n  do: tienda.request",
            "prueba.yaml:11:5: these steps wait for each other: `wait3` waits for `c` waits for `wait3`\n  remove one of the `needs` or uses",
        ),
        (
            "- each: order.tickets\n  as: ticket\n  steps:\n    - do: tienda.request",
            "prueba.yaml:5:11: `each` is an expression that gives a list\n  write `each: \"{{ order.tickets }}\"`",
        ),
        (
            "- each: \"{{ order.tickets }}\"\n  steps:\n    - do: tienda.request",
            "prueba.yaml:5:5: an `each` step needs `as`: the name of one item\n  add `as: item`",
        ),
        (
            "- wait: { until: mañana }",
            "prueba.yaml:5:20: `until` is a time\n  write `\"{{ show.starts_at | minus('24h') }}\"` or `2026-11-28T00:00:00Z`",
        ),
        (
            "- wait: { for: 2 fortnights }",
            "prueba.yaml:5:18: `2 fortnights` is not a length of time: write `90s`, `15m`, `24h`, `2d 3h`, `1w` or ISO 8601 (`PT24H`)",
        ),
        ("- wait: { for: 1h, timeout: 2h }", "prueba.yaml:5:22: `timeout` is for a wait for an event\n  remove it"),
        (
            "- wait: { lawful: after }",
            "prueba.yaml:5:11: `wait` does not say what for\n  add `until: \"{{ ... }}\"`, `for: 2h` or `for: order.paid`\nprueba.yaml:5:21: `after` is none of `latest_before`\n  known: `latest_before`",
        ),
    ] {
        assert_eq!(problems(&with_head(steps)), expected, "\n---\n{steps}\n---");
    }
}

#[test]
fn inputs_are_checked_as_far_as_they_are_literal() {
    let send =
        |with: &str| with_head(&format!("- do: whatsapp.send_template\n  class: marketing\n  with: {{ {with} }}"));
    for (with, expected) in [
        (
            "to: \"{{ buyer.phone }}\", template: t, lenguage: es",
            "prueba.yaml:7:11: `with` of `whatsapp.send_template` needs `language`\n  add `language: ...`\n\
             prueba.yaml:7:51: `with` of `whatsapp.send_template` has no field `lenguage`\n  did you mean `language`?",
        ),
        (
            "to: \"{{ buyer.phone }}\", template: 7, language: ess",
            "prueba.yaml:7:48: `template` of `whatsapp.send_template` is a string, not 7\n  put it in quotes: \"7\"\n\
             prueba.yaml:7:61: `language` of `whatsapp.send_template` is `es` or `en`, not `ess`\n  did you mean `es`?",
        ),
        (
            "to: \"{{ buyer.phone }}\", template: t, language: es, params: hola",
            "prueba.yaml:7:73: `params` of `whatsapp.send_template` is an array, not `hola`",
        ),
    ] {
        assert_eq!(problems(&send(with)), expected, "{with}");
    }
    let all_literal = problems(&send("to: hola, template: t, language: es"));
    assert!(
        all_literal.starts_with("prueba.yaml:7:17: `whatsapp.send_template` does not take this input:"),
        "{all_literal}"
    );
    let nested = "- do: sendgrid.send\n  class: marketing\n  with: { to: a, template: \"{{ order.id }}\", attach: [ticket_pdf, kalendar] }";
    assert_eq!(
        problems(&with_head(nested)),
        "prueba.yaml:7:69: `attach` of `sendgrid.send` is `ticket_pdf` or `calendar`, not `kalendar`\n  did you mean `calendar`?"
    );
}

#[test]
fn names_and_fields_of_expressions_are_checked() {
    let track = |expression: &str| with_head(&format!("- do: tienda.request\n  with: {{ v: \"{expression}\" }}"));
    for (expression, expected) in [
        ("{{ buyer.emial }}", "prueba.yaml:6:20: `buyer.emial`: `buyer` has no field `email`"),
        ("{{ byer.email }}", "prueba.yaml:6:20: there is no `byer` here\n  did you mean `buyer`?"),
        (
            "Hola {{ order.buyer.nme }}",
            "prueba.yaml:6:25: `order.buyer.nme`: `order.buyer` has no field `nme`\n  did you mean `name`?",
        ),
        ("{{ order.id.x }}", "prueba.yaml:6:20: `order.id.x`: `order.id` has no fields, so no `x`"),
        (
            "{{ order.total.minor * 2 }}",
            "prueba.yaml:6:20: `order.total.minor`: money has no parts and no arithmetic in templates\n  pass the amount whole, or show it with `| money`",
        ),
        (
            "{% for t in order.tickets %}{{ t.holdr }}{% endfor %}",
            "prueba.yaml:6:48: `order.tickets[…].holdr`: `order.tickets[…]` has no field `holdr`\n  did you mean `holder`?",
        ),
        ("{{ data.totl }}", "prueba.yaml:6:20: `data.totl`: `data` has no field `totl`\n  did you mean `total`?"),
        ("{{ event.tipe }}", "prueba.yaml:6:20: `event.tipe`: an event has no `tipe`\n  did you mean `type`?"),
        ("{{ steps.nada.x }}", "prueba.yaml:6:20: `steps.nada`: there is no step `nada`"),
        ("{{ config.x }}", "prueba.yaml:6:20: `config` has only `vars` here\n  write `config.vars.name`"),
        ("{{ order.id | uper }}", "prueba.yaml:6:31: there is no filter `uper`\n  did you mean `upper`?"),
        ("{{ order.id | }}", "prueba.yaml:6:29: template: syntax error: unexpected end of input, expected identifier"),
        ("{{ order.id", "prueba.yaml:6:26: template: syntax error"),
    ] {
        let got = problems(&track(expression));
        let expected = expected.replace("no field `email`", "no field `emial`\n  did you mean `email`?");
        assert!(got.starts_with(&expected) && !got.is_empty(), "{expression}\n{got}");
    }
    let block = with_head("- do: tienda.request\n  with:\n    text: |\n      Hola\n      {{ buyer.nam }}");
    assert_eq!(problems(&block), "prueba.yaml:9:12: `buyer.nam`: `buyer` has no field `nam`\n  did you mean `name`?");
    let item = with_head(
        "- each: \"{{ order.tickets }}\"\n  as: t\n  steps:\n    - do: tienda.request\n      with: { a: \"{{ t.holder.emial }}\" }",
    );
    assert_eq!(
        problems(&item),
        "prueba.yaml:9:24: `t.holder.emial`: `t.holder` has no field `emial`\n  did you mean `email`?"
    );
    let result = with_head(
        "- id: crm\n  do: twenty.upsert_person\n  with: { name: A }\n- do: tienda.request\n  with: { a: \"{{ steps.crm.ide }}\" }",
    );
    assert_eq!(
        problems(&result),
        "prueba.yaml:9:20: `steps.crm.ide`: the result of `crm` has no field `ide`\n  did you mean `id`?"
    );
}

#[test]
fn open_shapes_are_open() {
    flow_text(
        "flow: a\nversion: 1\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    with: { v: \"{{ data.lo.que.sea }}\" }\n",
    );
    let mixed = flow_text(
        "flow: a\nversion: 1\non: [order.paid, ticket.issued]\nsteps:\n  - do: tienda.request\n    with: { v: \"{{ data.code | default('') }}\" }\n",
    );
    assert!(mixed.models().is_empty());
}

#[test]
fn notes_do_not_stop_a_flow() {
    let flow = flow_text(&with_head("- do: tienda.request\n  class: marketing\n- wait: { for: order.cancelled }"));
    assert!(flow.notes.iter().all(|note| note.severity == Severity::Note));
    assert_eq!(
        shown(&flow.notes),
        "prueba.yaml:6:5: `tienda.request` writes to nobody: its `class` only sets how soon it is sent\n\
         prueba.yaml:7:11: this wait has no `timeout`: without its event the run never ends\n  add `timeout: 7d`"
    );
}

#[test]
fn sizes_are_limited() {
    let many: String = (0..501).map(|_| "- do: tienda.request\n").collect();
    assert!(problems(&with_head(&many)).contains("more than 500 steps"));
    let mut deep = String::new();
    for depth in 0..9 {
        let pad = "    ".repeat(depth);
        deep.push_str(&format!("{pad}- each: \"{{{{ order.tickets }}}}\"\n{pad}  as: v{depth}\n{pad}  steps:\n"));
    }
    deep.push_str(&format!("{}- do: tienda.request\n", "    ".repeat(9)));
    assert!(problems(&with_head(&deep)).contains("nested deeper than 8"));
    assert!(problems(&"a".repeat(300 * 1024)).contains("larger than 256 KiB"));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\nf: 1\n";
    assert!(!problems(bomb).is_empty());
    let deep = problems(&format!("flow: {}", "[".repeat(5000)));
    assert!(deep.contains("not readable YAML"), "{deep}");
    let nested =
        problems(&with_head(&format!("- do: tienda.request\n  with: {{ v: \"{{{{ {}1 }}}}\" }}", "(".repeat(5000))));
    assert!(nested.contains("template"), "{nested}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = compile("x", &String::from_utf8_lossy(&bytes), Origin::File, &ALL);
    }

    /// A good file with a hole cut into it and something else put there.
    #[test]
    fn damaged_files_never_panic_and_their_problems_have_places(
        from in 0..1700_usize, length in 0..60_usize, put in "[ -~ñ{}%\n|\"']{0,12}",
    ) {
        let chars: Vec<char> = GOOD.chars().collect();
        let from = from.min(chars.len());
        let to = (from + length).min(chars.len());
        let text: String = chars[..from].iter().copied().chain(put.chars()).chain(chars[to..].iter().copied()).collect();
        match compile("x", &text, Origin::File, &ALL) {
            Ok(flow) => { let _ = flow.explain(&support::World::new().scope()).to_string(); }
            Err(found) => {
                prop_assert!(!found.is_empty());
                let lines = u32::try_from(text.lines().count()).unwrap() + 2;
                for problem in found {
                    prop_assert!(problem.line >= 1 && problem.line <= lines && problem.column >= 1, "{problem}");
                }
            }
        }
    }
}
