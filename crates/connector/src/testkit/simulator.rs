//! The provider's double: whatever it is sent, it answers.

use super::Fixture;
use super::common::rule;
use crate::{Ctx, Request, SimConfig, Simulator, Step};
use serde_json::{Value, json};

pub(super) fn check(fixture: &Fixture) {
    let config = SimConfig {
        connection: fixture.config.name.clone(),
        base_url: "http://127.0.0.1:9999/doble".into(),
        webhook_secret: fixture.config.webhook_secrets.first().map_or_else(String::new, |s| s.expose().to_owned()),
        settings: Value::Object(serde_json::Map::new()),
    };
    let Some(mut double) = fixture.calm("simulator", || fixture.provider.simulator(config)) else {
        return;
    };
    let own = own_requests(fixture);
    let mut paths: Vec<String> = ["", "/", "//", "/zz/no/such/path", "/..", "/%zz", "/ñ", "?", "/?a=1&a=2&=&%ff", "*"]
        .map(String::from)
        .to_vec();
    paths.extend(own.iter().flat_map(|request| {
        [
            request.url.clone(),
            format!("{}/1", request.url),
            request.url.split('?').next().unwrap_or_default().to_owned(),
        ]
    }));
    let mut bodies: Vec<Vec<u8>> = [&b""[..], b"null", b"[]", b"{}", b"{\"a\":", b"\xff\xfe", b"a=1&b=%zz", b"\"x\""]
        .iter()
        .map(|body| body.to_vec())
        .collect();
    for request in &own {
        let body = &request.body;
        bodies.extend([body.to_vec(), body.slice(..body.len() / 2).to_vec()]);
    }
    bodies.push("[".repeat(50_000).into_bytes());
    for path in &paths {
        for method in ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "ZZ", ""] {
            for body in &bodies {
                let mut request = Request::new(method, path.as_str());
                request.body = body.clone().into();
                send(fixture, double.as_mut(), &request);
                let authorized =
                    request.header("authorization", "Bearer zz").header("content-type", "application/json");
                send(fixture, double.as_mut(), &authorized);
            }
        }
    }
    for request in &own {
        send(fixture, double.as_mut(), request);
    }
    commands(fixture, double.as_mut());
}

/// The samples' own calls, as a double sees them: path and query only.
fn own_requests(fixture: &Fixture) -> Vec<Request> {
    let connector = fixture.connector();
    let base = fixture.config.base_or(fixture.provider.manifest().default_base_url.unwrap_or_default());
    let ctx = Ctx { now: fixture.now, key: "doble", attempt: 1 };
    let mut requests: Vec<Request> = (fixture.actions.iter())
        .filter_map(|sample| match connector.begin(sample.action, std::slice::from_ref(&sample.input), &ctx) {
            Step::Call(call) => Some(call.request),
            Step::End(_) => None,
        })
        .collect();
    for request in &mut requests {
        if let Some(path) = request.url.strip_prefix(base) {
            request.url = path.to_owned();
        }
    }
    requests
}

fn send(fixture: &Fixture, double: &mut dyn Simulator, request: &Request) {
    let what = format!("the simulator on {} {}", request.method, request.url);
    let reply = fixture.calm(&what, || double.handle(request, fixture.now));
    rule!(
        fixture,
        (100..=599).contains(&reply.answer.status),
        "{what} answers status {}, which is none",
        reply.answer.status
    );
}

fn commands(fixture: &Fixture, double: &mut dyn Simulator) {
    for args in [json!(null), json!([]), json!({}), json!({"zz": 1})] {
        let made = fixture.calm("a command of the simulator", || double.act("zz_no_such_command", &args, fixture.now));
        rule!(fixture, made.is_err(), "the simulator carries out a command that it does not know");
    }
    fixture.calm("the simulator's view", || double.view("zz_no_such_view"));
    fixture.calm("the simulator's arrivals", || double.arrivals());
}
