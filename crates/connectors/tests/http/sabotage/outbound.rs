//! Requests and judgements that break the rules.

use super::*;

#[test]
fn requests_that_break_the_rules_are_found() {
    fn changed(step: Step, change: impl Fn(&mut pasarela_connector::Call)) -> Step {
        match step {
            Step::Call(mut call) => {
                change(&mut call);
                Step::Call(call)
            }
            end => end,
        }
    }
    let broken = |begin: Begin| Damage { begin: Some(begin), ..Damage::default() };
    let elsewhere: Begin = |_, step, _| changed(step, |c| c.request.url = "https://api.tienda.example/v10/x".into());
    found(plain_hmac(), broken(elsewhere), "is not under the connection's base URL");
    let relative: Begin = |_, step, _| changed(step, |c| c.request.url = "/orders".into());
    found(plain_hmac(), broken(relative), "not an absolute URL");
    let random: Begin = |b, step, _| changed(step, |c| c.request.headers.set("x-n", b.call().to_string()));
    found(plain_hmac(), broken(random), "the second time");
    let leaking: Begin = |_, step, _| changed(step, |c| c.request.headers.set("x-key", "token-de-prueba-0123456789"));
    found(plain_hmac(), broken(leaking), "holds the credential \"token\"");
    let split: Begin = |_, step, _| changed(step, |c| c.request.headers.set("x-a", "1\r\nx-b: 2"));
    found(plain_hmac(), broken(split), "cannot be sent");
    let nothing: Begin = |_, step, _| match step {
        Step::Call(_) => Step::end(Outcome::give_up("x", "y")),
        end => end,
    };
    found(plain_hmac(), broken(nothing), "makes no call");
    found(plain_hmac(), broken(|_, _, _| Step::End(vec![])), "0 outcomes for 1 inputs");
    let mut accepting = plain_hmac();
    accepting.actions[0].refused.push(json!({ "method": "GET", "path": "/fine" }));
    told(&accepting, "must be refused");
    // The honest request action names no key of its own: as Native it would be a lie.
    let mut lying = plain_hmac();
    let mut manifest = lying.provider.manifest().clone();
    manifest.actions[0].idempotency = pasarela_connector::Idempotency::Native { valid_for: Duration::from_secs(3600) };
    lying.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    told(&lying, "idempotency key");
}

#[test]
fn judgements_that_break_the_rules_are_found() {
    fn done(step: Step, answer: &Answer, status: u16, outcome: Outcome) -> Step {
        if answer.status == status { Step::end(outcome) } else { step }
    }
    let broken = |on: On| Damage { on: Some(on), ..Damage::default() };
    found(plain_hmac(), broken(|_, _| Step::end(Outcome::AuthExpired)), "its `done` answer is judged");
    found(plain_hmac(), broken(|s, a| done(s, a, 429, Outcome::give_up("x", "y"))), "must be throttled");
    let impatient: On = |s, a| done(s, a, 429, Outcome::Throttled { after: None, scope: Scope::Connection });
    found(plain_hmac(), broken(impatient), "for so long at least");
    found(plain_hmac(), broken(|s, a| done(s, a, 502, Outcome::give_up("x", "y"))), "provider_down or retry");
    found(plain_hmac(), broken(|s, a| done(s, a, 401, Outcome::done(Value::Null))), "auth_expired");
    found(plain_hmac(), broken(|s, a| done(s, a, 409, Outcome::AuthExpired)), "must be judged give_up");
    found(plain_hmac(), broken(|_, _| Step::End(vec![])), "0 outcomes for 1 inputs");
    // `http` takes any 2xx for done: right for it, and found where an answer must hold something.
    let mut credulous = plain_hmac();
    credulous.actions[0].done = Answer::json(200, &json!({ "id": 7 }));
    told(&credulous, "must not be taken for done");
}
