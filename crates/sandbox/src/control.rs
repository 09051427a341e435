//! The routes under `/_sandbox/`: the host's handle over HTTP, for scripts, tests in other
//! languages and the phone. No route of a provider is here.
//!
//! | route | what |
//! |---|---|
//! | `GET health` | connections, business time, pending webhooks |
//! | `GET traffic` | counters |
//! | `GET arrivals` | what arrived, by connection |
//! | `GET`, `PUT faults` | the fault switches |
//! | `POST script` | a one-shot fault |
//! | `POST {connection}/act` | `{"command", "args"}`: do something at the provider |
//! | `GET {connection}/view/{what}` | state that the double shows |
//! | `GET {connection}/attachment/{message}/{n}` | a file of a message in a mailbox, from 0 |
//! | `GET phone` | the guests' phone |
//!
//! Nobody logs in here, so a web page of a stranger must not get in through the browser of whoever
//! runs the sandbox: requests must be addressed to a loopback name and come from a loopback origin.

use crate::faults::{Faults, Script};
use crate::host::Host;
use crate::phone;
use crate::serve::{Reply, Unreadable, full, problem, read, too_large};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use pasarela_connector::Arrival;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// What follows `/_sandbox/`, with the query; `None` for calls to the doubles.
pub(crate) fn rest_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/_sandbox")?;
    match rest.strip_prefix('/') {
        Some(rest) => Some(rest),
        None if rest.is_empty() || rest.starts_with('?') => Some(rest),
        None => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    command: String,
    #[serde(default)]
    args: Option<Value>,
}

pub(crate) async fn respond(host: &Host, parts: &Parts, rest: &str, body: Incoming) -> Reply {
    if let Err(why) = from_here(parts) {
        return problem(StatusCode::FORBIDDEN, "Not from here", &why);
    }
    let body = match read(body).await {
        Ok(body) => body,
        Err(Unreadable::TooLarge) => return too_large(),
        Err(Unreadable::Gone) => {
            return problem(StatusCode::BAD_REQUEST, "Broken off", "the body did not arrive whole");
        }
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let segments: Vec<&str> = path.split('/').collect();
    let get = parts.method == Method::GET;
    match segments.as_slice() {
        ["health"] if get => data(&health(host)),
        ["traffic"] if get => data(&host.traffic()),
        ["arrivals"] if get => data(&arrivals(host)),
        ["faults"] if get => data(&host.faults()),
        ["faults"] if parts.method == Method::PUT => match set_faults(host, &body) {
            Ok(()) => data(&host.faults()),
            Err(why) => bad(&why),
        },
        ["script"] if parts.method == Method::POST => match parse::<Script>(&body) {
            Ok(script) => {
                host.script(script.clone());
                data(&script)
            }
            Err(why) => bad(&why),
        },
        [connection, "act"] if parts.method == Method::POST => act(host, connection, &body),
        [connection, "view", what] if get => match host.find(connection) {
            Ok(_) => data(&host.view(connection, what)),
            Err(why) => problem(StatusCode::NOT_FOUND, "No such connection", &why),
        },
        [connection, "attachment", message, n] if get => match host.find(connection) {
            Ok(_) => attachment(&host.view(connection, &format!("attachment/{message}/{n}"))),
            Err(why) => problem(StatusCode::NOT_FOUND, "No such connection", &why),
        },
        ["phone" | "phone.css" | "phone.js" | "phone.svg"] | ["phone", "chats"] if get => {
            phone::respond(host, path, query)
        }
        ["health" | "traffic" | "arrivals" | "phone"] | [_, "view", _] | [_, "attachment", _, _] => not_allowed("GET"),
        ["faults"] => not_allowed("GET, PUT"),
        ["script"] | [_, "act"] => not_allowed("POST"),
        _ => problem(
            StatusCode::NOT_FOUND,
            "No such page",
            "under /_sandbox/ there are health, traffic, arrivals, faults, script, phone, {connection}/act, \
             {connection}/view/{what} and {connection}/attachment/{message}/{n}",
        ),
    }
}

/// Addressed to a loopback name, and not by a page from elsewhere?
fn from_here(parts: &Parts) -> Result<(), String> {
    let text = |name| parts.headers.get(name).map(|v: &HeaderValue| v.to_str().unwrap_or("?"));
    let addressed = text(header::HOST).unwrap_or("");
    if !is_loopback(addressed) {
        return Err(format!("addressed to {addressed:?}; use 127.0.0.1 or localhost"));
    }
    match text(header::ORIGIN) {
        Some(origin) if !origin.split_once("://").is_some_and(|(_, host)| is_loopback(host)) => {
            Err(format!("asked by a page of {origin:?}; only pages of this machine may"))
        }
        _ => Ok(()),
    }
}

/// `host[:port]` of this machine.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn health(host: &Host) -> Value {
    json!({
        "status": "ok",
        "connections": host.names(),
        "now": host.0.clock.now(),
        "pending_webhooks": host.pending_webhooks(),
    })
}

fn arrivals(host: &Host) -> Value {
    let entry = |a: Arrival| json!({ "kind": a.kind, "identity": a.identity, "times": a.times, "detail": a.detail });
    let of = |name: String| {
        let list: Vec<Value> = host.arrivals(&name).into_iter().map(entry).collect();
        (name, Value::Array(list))
    };
    Value::Object(host.names().into_iter().map(of).collect::<Map<_, _>>())
}

fn set_faults(host: &Host, body: &[u8]) -> Result<(), String> {
    let faults: Faults = parse(body)?;
    faults.check().map_err(|e| e.to_string())?;
    host.set_faults(faults);
    Ok(())
}

fn act(host: &Host, connection: &str, body: &[u8]) -> Reply {
    if let Err(why) = host.find(connection) {
        return problem(StatusCode::NOT_FOUND, "No such connection", &why);
    }
    let asked: Act = match parse(body) {
        Ok(asked) => asked,
        Err(why) => return bad(&why),
    };
    let args = asked.args.unwrap_or_else(|| json!({}));
    match host.act(connection, &asked.command, &args) {
        Ok(made) => data(&made),
        Err(why) => problem(StatusCode::UNPROCESSABLE_ENTITY, "The simulator refused", &why),
    }
}

/// A file of a message, as bytes. Mail is a stranger's: a browser saves it, and runs nothing in it.
fn attachment(file: &Value) -> Reply {
    let bytes = file["base64"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let Some(bytes) = bytes else {
        return problem(StatusCode::NOT_FOUND, "No such file", "there is no such message, or it has no such file");
    };
    let mut reply = typed("application/octet-stream", bytes);
    let kind = file["type"].as_str().and_then(|t| HeaderValue::from_str(t).ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = file["name"].as_str().unwrap_or("file").chars().filter(|c| plain(*c)).collect();
    // A picture and a page may be looked at where they are.
    let shows = matches!(file["type"].as_str(), Some("application/pdf" | "image/png" | "image/jpeg"));
    let how = if shows { "inline" } else { "attachment" };
    let headers = reply.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Ok(value) = HeaderValue::from_str(&format!("{how}; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    reply
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|e| format!("the body is not what is expected here: {e}"))
}

fn bad(why: &str) -> Reply {
    problem(StatusCode::BAD_REQUEST, "Bad request", why)
}

fn not_allowed(allowed: &'static str) -> Reply {
    let mut reply =
        problem(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", &format!("this page knows {allowed}"));
    let value = HeaderValue::from_static(allowed);
    reply.headers_mut().insert(header::ALLOW, value);
    reply
}

/// A value as JSON.
pub(crate) fn data(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => typed("application/json", body),
        Err(e) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Cannot be shown", &e.to_string()),
    }
}

/// A page or file that is never kept by a cache: the sandbox changes all the time.
pub(crate) fn typed(kind: &'static str, body: impl Into<bytes::Bytes>) -> Reply {
    let mut reply = Response::new(full(body));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for here in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:80", "[::1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["", "example.com", "127.0.0.1.example.com:80", "localhost.evil.co", "10.0.0.1:80", "null"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn control_paths_are_told_from_connections() {
        assert_eq!(rest_of("/_sandbox/traffic?x=1"), Some("traffic?x=1"));
        assert_eq!(rest_of("/_sandbox"), Some(""));
        assert_eq!(rest_of("/_sandboxes/traffic"), None);
        assert_eq!(rest_of("/boleteria/_sandbox/traffic"), None);
    }
}
