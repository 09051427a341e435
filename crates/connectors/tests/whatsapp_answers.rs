//! What WhatsApp's answers mean: the golden answers, and every error code of the contract.

#[allow(dead_code, unreachable_pub)]
#[path = "fixtures/whatsapp/support.rs"]
mod support;

use jiff::Timestamp;
use pasarela_connector::{Answer, Ctx, Outcome, Scope, Step};
use serde_json::{Value, json};
use std::time::Duration;
use support::{NOW, connector, sample_json};

fn ctx(key: &str, attempt: u32) -> Ctx<'_> {
    Ctx { now: Timestamp::from_second(NOW).unwrap(), key, attempt }
}

fn judge(action: &str, answer: &Answer, attempt: u32) -> Outcome {
    match connector().on(action, &[json!({})], &json!({}), answer, &ctx("k", attempt)) {
        Step::End(mut outcomes) if outcomes.len() == 1 => outcomes.remove(0),
        other => panic!("{other:?}"),
    }
}

fn refusal(code: i64, attempt: u32) -> Outcome {
    let answer = Answer::json(400, &json!({ "error": { "code": code, "message": "no" } }));
    judge("send_template", &answer, attempt)
}

#[test]
fn the_golden_answers_are_done() {
    for (name, status, wa_id, user_id) in [
        ("answer-accepted.json", json!("accepted"), json!("573005550117"), Value::Null),
        ("answer-held-for-quality.json", json!("held_for_quality_assessment"), json!("573005550117"), Value::Null),
        ("answer-to-bsuid.json", Value::Null, Value::Null, json!("CO.2093341187760915")),
    ] {
        let golden = sample_json(name);
        let id = golden["messages"][0]["id"].clone();
        let Outcome::Done(done) = judge("send_template", &Answer::json(200, &golden), 1) else { panic!("{name}") };
        assert_eq!(done.reference.as_deref(), id.as_str(), "{name}");
        assert_eq!(
            done.result,
            json!({ "id": id, "message_status": status, "wa_id": wa_id, "user_id": user_id }),
            "{name}"
        );
    }
}

#[test]
fn what_is_not_metas_word_says_nothing_of_the_person() {
    for (answer, send, mark) in [
        (Answer::text(403, "<html>Forbidden</html>"), "needs_human", "needs_human"),
        (Answer::text(404, ""), "needs_human", "needs_human"),
        (Answer::text(401, ""), "needs_human", "needs_human"),
        // The gateway gave up waiting: the message may be under way, a mark may be set again.
        (Answer::text(504, "<html>Gateway Time-out</html>"), "unknown", "provider_down"),
        (Answer::text(408, ""), "unknown", "retry"),
        (Answer::text(200, "<html>Sign in</html>"), "unknown", "retry"),
    ] {
        assert_eq!(judge("send_template", &answer, 1).name(), send, "{answer:?}");
        assert_eq!(judge("mark_read", &answer, 1).name(), mark, "{answer:?}");
    }
}

#[test]
fn an_error_of_another_form_is_an_error_still() {
    let messages = json!([{ "id": "wamid.HQJJTi0wMDAx" }]);
    for error in [json!("Service unavailable"), json!([]), json!({ "code": "soon" }), json!(true)] {
        let hidden = Answer::json(200, &json!({ "error": error, "messages": messages, "success": true }));
        assert_eq!(judge("send_text", &hidden, 1).name(), "unknown", "{error}");
        assert_eq!(judge("mark_read", &hidden, 1).name(), "unknown", "{error}");
    }
    // One strange field beside it does not hide the code, nor the message's id.
    let strange = json!({ "error": { "code": 130_429, "is_transient": "no", "title": 7 }, "contacts": "none" });
    assert_eq!(judge("send_text", &Answer::json(400, &strange), 1).name(), "throttled");
    let taken = json!({ "contacts": [{ "wa_id": 573_005_550_117_i64 }], "messages": messages });
    assert_eq!(judge("send_text", &Answer::json(200, &taken), 1).name(), "done");
}

#[test]
fn the_golden_errors_are_judged_by_their_code() {
    let expected = [
        (130_429, "throttled"),
        (131_056, "throttled"),
        (132_000, "give_up"),
        (132_001, "needs_human"),
        (132_015, "needs_human"),
        (131_009, "give_up"),
        (133_010, "needs_human"),
        (190, "needs_human"),
        (4, "throttled"),
        (80_007, "throttled"),
        (368, "needs_human"),
        (131_062, "give_up"),
    ];
    let golden = sample_json("errors.json");
    let golden = golden.as_array().unwrap();
    assert_eq!(golden.len(), expected.len());
    for (sample, (code, name)) in golden.iter().zip(expected) {
        assert_eq!(sample["body"]["error"]["code"], code);
        let status = u16::try_from(sample["_http_status"].as_u64().unwrap()).unwrap();
        let outcome = judge("send_template", &Answer::json(status, &sample["body"]), 1);
        assert_eq!(outcome.name(), name, "{code}: {outcome:?}");
        if let Outcome::GiveUp { why, .. } | Outcome::NeedsHuman { why } = outcome {
            assert!(why.contains(&code.to_string()) && why.contains("AbC1dEf"), "{why}");
        }
    }
    let creation = sample_json("template-create-error-leading-variable.json");
    let outcome = judge("send_template", &Answer::json(400, &creation["body"]), 1);
    let Outcome::GiveUp { why, .. } = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("2388299"), "{why}");
}

#[test]
fn every_code_of_the_contract_means_what_its_table_says() {
    let names = |codes: &[i64], name: &str| {
        for code in codes {
            assert_eq!(refusal(*code, 1).name(), name, "{code}");
        }
    };
    names(&[0, 190, 3, 10, 200, 299, 131_005], "needs_human");
    names(&[131_048, 131_064, 131_031, 368, 131_037, 131_042, 131_044], "needs_human");
    names(&[131_045, 133_010, 133_015, 133_016], "needs_human");
    names(&[132_001, 132_007, 132_015, 132_016, 132_068], "needs_human");
    names(&[2, 131_016], "provider_down");
    names(&[4, 80_007, 80_008, 130_429, 131_056], "throttled");
    names(&[1, 131_000, 131_049, 131_057, 132_069, 999_999], "retry");
    names(&[131_026, 131_047, 131_050, 131_051, 131_052, 131_053, 131_021, 131_030], "give_up");
    names(&[130_497, 130_472, 131_062, 131_063, 131_008, 131_009, 100, 33], "give_up");
    names(&[132_000, 132_005, 132_008, 132_012, 134_011, 135_000, 137_000], "give_up");
    for code in [1, 131_000] {
        assert_eq!(refusal(code, 2).name(), "retry");
        assert_eq!(refusal(code, 3).name(), "give_up");
    }
    assert_eq!(refusal(999_999, 2).name(), "give_up");
    let Outcome::GiveUp { code, .. } = refusal(131_026, 1) else { panic!() };
    assert_eq!(code, "131026");
}

#[test]
fn who_waits_depends_on_whose_limit_it_is() {
    for code in [4, 80_007, 130_429] {
        let Outcome::Throttled { scope, after: Some(_) } = refusal(code, 1) else { panic!("{code}") };
        assert_eq!(scope, Scope::Connection, "{code}");
    }
    let Outcome::Throttled { scope, after } = refusal(131_056, 2) else { panic!() };
    assert_eq!((scope, after), (Scope::Effect, Some(Duration::from_secs(16))));
    let usage = json!({ "104839201177365": [{ "type": "whatsapp", "estimated_time_to_regain_access": 19 }] });
    let answer = Answer::json(400, &json!({ "error": { "code": 80_007 } }))
        .header("x-business-use-case-usage", usage.to_string());
    let Outcome::Throttled { after, .. } = judge("send_text", &answer, 1) else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(19 * 60)));
}

#[test]
fn errors_hide_in_many_shapes() {
    let text_data = json!({ "error": { "code": "131026", "error_data": "Message Undeliverable." } });
    let Outcome::GiveUp { code, why } = judge("send_text", &Answer::json(200, &text_data), 1) else { panic!() };
    assert_eq!(code, "131026");
    assert!(why.contains("Message Undeliverable."), "{why}");
    let soon = json!({ "error": { "code": 424_242, "is_transient": true } });
    for (answer, name) in [
        (Answer::json(400, &soon), "provider_down"),
        (Answer::json(500, &json!({ "error": { "code": 424_242 } })), "provider_down"),
        (Answer::json(500, &json!({ "error": {} })), "provider_down"),
        (Answer::text(503, ""), "provider_down"),
        (Answer::text(429, "slow down"), "throttled"),
        (Answer::text(401, ""), "needs_human"),
        (Answer::text(404, "<html>"), "needs_human"),
        (Answer::text(302, ""), "give_up"),
        (Answer::text(200, "<html>"), "unknown"),
        (Answer::json(200, &json!({})), "unknown"),
        (Answer::json(200, &json!({ "messages": [{ "id": "" }] })), "unknown"),
        (Answer::json(200, &json!({ "messages": [{}] })), "unknown"),
        (Answer::json(200, &json!({ "messages": null, "error": "?" })), "unknown"),
    ] {
        assert_eq!(judge("send_text", &answer, 1).name(), name, "{answer:?}");
    }
}
