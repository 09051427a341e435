//! What the engine reads at a provider: logins, single records, pages. A failure never moves a cursor.

use super::Fixture;
use super::common::rule;
use crate::{Answer, AuthStep, Connector, Ctx, Item, PollStep, Request, Source, Verdict, auth};
use pasarela_domain::EntityRef;
use serde_json::{Value, json};

/// Ids as providers write them. A connector may refuse an id of another form than its provider's;
/// one of these is of the right one.
const COMMON_IDS: [&str; 3] = ["1", "cd3c2c58-4fcf-44aa-9022-761eb85a99db", "a1_B2c3"];

pub(super) fn check(fixture: &Fixture) {
    login(fixture);
    single_records(fixture);
    pages(fixture);
}

fn ctx(fixture: &Fixture) -> Ctx<'_> {
    Ctx { now: fixture.now, key: "lectura", attempt: 1 }
}

/// Answers that hold nothing.
fn failures() -> [Answer; 6] {
    [
        Answer::text(500, ""),
        Answer::text(503, "<html>busy</html>"),
        Answer::text(429, "{}").header("retry-after", "3"),
        Answer::text(401, "{}"),
        Answer::text(200, "<html>Maintenance</html>"),
        Answer::text(200, "\u{0}"),
    ]
}

fn login(fixture: &Fixture) {
    let connector = fixture.connector();
    let ctx = ctx(fixture);
    let manifest = fixture.provider.manifest();
    let step = fixture.calm("authenticate", || auth::begin(manifest, connector.as_ref(), None, &ctx));
    rule!(
        fixture,
        matches!(step, AuthStep::Ready(_) | AuthStep::Call(_)),
        "with all its credentials the connection cannot authenticate: {step:?}"
    );
    if let AuthStep::Ready(auth) = &step {
        for (name, value) in &auth.headers {
            let sound =
                http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
            rule!(fixture, sound, "the credential's header {name:?} cannot be sent");
        }
    }
    // Where no login is asked for, none is answered; only a panic would be wrong.
    let logs_in = matches!(step, AuthStep::Call(_));
    for answer in failures() {
        let step =
            fixture.calm("on_authenticate", || auth::answered(manifest, connector.as_ref(), None, &answer, &ctx));
        rule!(
            fixture,
            !logs_in || !matches!(step, AuthStep::Ready(_)),
            "a login answered HTTP {} {:?} must not be taken for one",
            answer.status,
            answer.excerpt(40)
        );
    }
    for (what, request) in
        [("probe", fixture.calm("probe", || connector.probe())), ("hooks", fixture.calm("hooks", || connector.hooks()))]
    {
        if let Some(request) = request {
            super::actions::absolute(fixture, &request, what, true);
        }
    }
    for answer in failures() {
        let hooks = fixture.calm("registered", || connector.registered(&answer));
        rule!(fixture, hooks.is_none(), "a list of webhooks is read out of HTTP {}", answer.status);
        let proof = fixture.calm("judge_probe", || connector.judge_probe(&answer));
        rule!(
            fixture,
            answer.is_success() || proof.is_err(),
            "a probe answered HTTP {} proves that the credential works: {proof:?}",
            answer.status
        );
    }
    trial(fixture, connector.as_ref());
}

/// A webhook of our own making is authentic and tells of nothing.
fn trial(fixture: &Fixture, connector: &dyn Connector) {
    let Some(trial) = fixture.calm("trial", || connector.trial(fixture.now)) else { return };
    let verdict = fixture.verify(connector, &trial.headers.0, &trial.body, fixture.now);
    rule!(
        fixture,
        matches!(verdict, Verdict::Authentic { .. }),
        "its own trial of the way in is not authentic: {verdict:?}"
    );
    let told = fixture.calm("translate", || connector.translate(Source::Webhook, &trial.body));
    let nothing = told.as_ref().is_ok_and(|t| t.items.iter().all(|item| matches!(item, Item::Ignored { .. })));
    rule!(fixture, nothing, "the trial of the way in must tell of nothing, it is {told:?}");
}

fn single_records(fixture: &Fixture) {
    let connector = fixture.connector();
    for kind in fixture.provider.manifest().fetches {
        let requests: Vec<Request> = COMMON_IDS
            .iter()
            .filter_map(|id| fixture.calm("fetch", || connector.fetch(&EntityRef::new(*kind, *id))))
            .collect();
        rule!(
            fixture,
            !requests.is_empty(),
            "the manifest says that {kind:?} can be fetched, but it cannot by any of the ids {COMMON_IDS:?}"
        );
        for request in &requests {
            super::actions::absolute(fixture, request, "fetch", true);
        }
        // Ids come from outside, and land in addresses.
        for id in ["", "../../admin", "a/b?c#d", "ñ 1", "\r\nx: y"] {
            if let Some(request) = fixture.calm("fetch", || connector.fetch(&EntityRef::new(*kind, id))) {
                super::actions::absolute(fixture, &request, "fetch of a strange id", true);
            }
        }
    }
    let none = fixture.calm("fetch", || connector.fetch(&EntityRef::new("zz_no_such_kind", "1")));
    rule!(fixture, none.is_none(), "a kind of record that is not in the manifest can be fetched");
}

fn pages(fixture: &Fixture) {
    let connector = fixture.connector();
    let ctx = ctx(fixture);
    for task in &fixture.provider.manifest().tasks {
        let name = task.name;
        let step = fixture.calm("poll", || connector.poll(name, None, None, &ctx));
        let PollStep::Call { request, state } = &step else {
            panic!("[{}] the task {name:?} does not begin with a call: {step:?}", fixture.provider.manifest().name);
        };
        super::actions::absolute(fixture, request, name, true);
        for answer in failures() {
            let step = fixture.calm("poll", || connector.poll(name, None, Some((state, &answer)), &ctx));
            rule!(
                fixture,
                matches!(step, PollStep::Failed(_)),
                "{name}: a page answered HTTP {} {:?} must be Failed, or the cursor moves over what was not read; it is {step:?}",
                answer.status,
                answer.excerpt(40)
            );
        }
        // A cursor of an older version, or a damaged one.
        for cursor in [json!(null), json!({}), json!([]), json!("x"), json!(-1), json!({"since": "soon", "id": []})] {
            fixture.calm("poll from a strange cursor", || connector.poll(name, Some(&cursor), None, &ctx));
            for answer in [Answer::json(200, &json!({})), Answer::json(200, &Value::Null), Answer::text(500, "")] {
                fixture.calm("poll with a strange state", || {
                    connector.poll(name, Some(&cursor), Some((&cursor, &answer)), &ctx)
                });
            }
        }
    }
    let step = fixture.calm("poll of an unknown task", || connector.poll("zz_no_such_task", None, None, &ctx));
    rule!(fixture, matches!(step, PollStep::Failed(_)), "an unknown task must be Failed, it is {step:?}");
}
