//! The requests of an action: complete, bound for the right place, the same for the same effect.

use super::super::Fixture;
use super::super::common::rule;
use super::{Case, KEY, OTHER_KEY};
use crate::{Answer, Call, Idempotency, Request, Step};

/// A state is committed with every call; it names things, it does not hold them.
const LARGEST_STATE: usize = 16 * 1024;

pub(super) fn check(case: &Case<'_>, way: &[(Call, Answer)]) {
    let name = case.action.name;
    for (n, (call, answer)) in way.iter().enumerate() {
        // Later calls may go where an answer sent us (an upload address).
        absolute(case.fixture, &call.request, name, n == 0);
        let state = call.state.to_string().len();
        rule!(case.fixture, state <= LARGEST_STATE, "{name}: call {n} has a state of {state} bytes");
        let next = case.on(&case.inputs(), call, answer);
        let again = case.on(&case.inputs(), call, answer);
        rule!(case.fixture, next == again, "{name}: the same answer to call {n} gives two different steps");
    }
    rule!(
        case.fixture,
        way == case.way(KEY),
        "{name}: the same effect gives other calls the second time: it could not be resent"
    );
    other_instance(case, way);
    if let Idempotency::Native { .. } = case.action.idempotency {
        idempotency_key(case, way);
    }
}

fn other_instance(case: &Case<'_>, way: &[(Call, Answer)]) {
    let connector = case.fixture.connector();
    let step = connector.begin(case.action.name, &case.inputs(), &case.ctx(KEY));
    let same = matches!((&step, way.first()), (Step::Call(call), Some((first, _))) if call == first);
    rule!(case.fixture, same, "{}: its call depends on the instance of the connector", case.action.name);
}

/// The key itself is in a request; or what is derived from it, so that another key gives another request.
fn idempotency_key(case: &Case<'_>, way: &[(Call, Answer)]) {
    let literal = way.iter().any(|(call, _)| mentions(&call.request, KEY));
    let other = case.way(OTHER_KEY);
    let derived = way.iter().zip(&other).any(|((a, _), (b, _))| a.request != b.request);
    rule!(
        case.fixture,
        literal || derived,
        "{}: the manifest says Native, but no request carries the idempotency key or anything made of it",
        case.action.name
    );
}

fn mentions(request: &Request, text: &str) -> bool {
    request.url.contains(text)
        || request.headers.0.iter().any(|(_, value)| value.contains(text))
        || request.body.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A request that the engine can send as it is, and may store.
pub(in super::super) fn absolute(fixture: &Fixture, request: &Request, name: &str, under_base: bool) {
    let url = match url::Url::parse(&request.url) {
        Ok(url) => url,
        Err(e) => {
            panic!("[{}] {name}: {:?} is not an absolute URL: {e}", fixture.provider.manifest().name, request.url)
        }
    };
    rule!(fixture, matches!(url.scheme(), "http" | "https"), "{name}: {} is not http(s)", request.url);
    rule!(fixture, url.username().is_empty() && url.password().is_none(), "{name}: credentials in the URL");
    rule!(fixture, url.fragment().is_none(), "{name}: a fragment in {} is never sent", request.url);
    rule!(
        fixture,
        !request.method.is_empty() && request.method.bytes().all(|b| b.is_ascii_uppercase()),
        "{name}: the method {:?} is not in upper case",
        request.method
    );
    if under_base {
        let base = fixture.config.base_or(fixture.provider.manifest().default_base_url.unwrap_or_default());
        let inside = url::Url::parse(base).is_ok_and(|base| {
            let path = base.path().trim_end_matches('/');
            url.origin() == base.origin()
                && url.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        rule!(fixture, inside, "{name}: {} is not under the connection's base URL {base:?}", request.url);
    }
    for (credential, secret) in &fixture.config.credentials {
        let secret = secret.expose();
        // Short ones are ids and numbers, which may be anywhere.
        rule!(
            fixture,
            secret.len() < 8 || !request.url.contains(secret),
            "{name}: the URL holds the credential {credential:?}: requests are stored and shown, the engine adds \
             credentials"
        );
    }
    for (header, value) in &request.headers.0 {
        let sound = http::HeaderName::from_bytes(header.as_bytes()).is_ok_and(|n| n.as_str() == header.as_str())
            && http::HeaderValue::from_str(value).is_ok();
        rule!(fixture, sound, "{name}: the header {header:?} cannot be sent (names are in lower case)");
        for (credential, secret) in &fixture.config.credentials {
            let secret = secret.expose();
            rule!(
                fixture,
                secret.len() < 8 || !value.contains(secret),
                "{name}: the header {header:?} holds the credential {credential:?}: requests are stored, the engine \
                 adds credentials"
            );
        }
    }
}
