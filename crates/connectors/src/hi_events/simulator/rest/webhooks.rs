//! Webhooks by API (contract section 1.7), at the organiser or at one show.

use super::super::hooks::Level;
use super::super::lists::Query;
use super::super::{HiEventsSimulator, php};
use super::{data, error, invalid, not_found};
use pasarela_connector::Answer;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

pub(super) fn route(
    sim: &mut HiEventsSimulator,
    method: &str,
    level: Level,
    rest: &[&str],
    query: &Query,
    body: &Value,
) -> Answer {
    if let ("POST", []) = (method, rest) {
        return match wanted(sim, body) {
            Err(answer) => answer,
            Ok((url, types, status)) => {
                let secret = php::code(&format!("secret {} {url}", sim.hooks.len()), 32, false);
                sim.arrive("webhook", url.clone(), format!("webhook to {url}"));
                let id = sim.add_hook(level, url, types, status, secret);
                sim.hooks.iter().find(|h| h.id == id).map_or_else(not_found, |h| data(&h.resource(true)))
            }
        };
    }
    let found = rest.first().and_then(|id| id.parse::<u64>().ok());
    let index = found.and_then(|id| sim.hooks.iter().position(|h| h.id == id && h.level == level));
    match (method, rest) {
        ("GET", []) => {
            let hooks = sim.hooks.iter().rev().filter(|h| h.level == level);
            data(&hooks.map(|h| h.resource(false)).collect())
        }
        ("GET", [_]) => index.and_then(|i| sim.hooks.get(i)).map_or_else(not_found, |h| data(&h.resource(false))),
        ("PUT", [_]) => match (index, wanted(sim, body)) {
            (None, _) => not_found(),
            (_, Err(answer)) => answer,
            (Some(index), Ok((url, types, status))) => match sim.hooks.get_mut(index) {
                None => not_found(),
                Some(hook) => {
                    (hook.url, hook.event_types, hook.status) = (url, types, status);
                    data(&hook.resource(false))
                }
            },
        },
        ("DELETE", [_]) => match index {
            None => not_found(),
            Some(index) => {
                sim.hooks.remove(index);
                Answer { status: 204, ..Answer::default() }
            }
        },
        ("GET", [_, "logs"]) => {
            // Ten rows a page, and no meta.
            let page: usize = query.get("page").and_then(|p| p.parse().ok()).unwrap_or(1).max(1);
            let rows = index
                .and_then(|i| sim.hooks.get(i))
                .map(|h| h.logs.iter().skip((page - 1).saturating_mul(10)).take(10).cloned());
            rows.map_or_else(not_found, |rows| php::answer(200, &json!({ "data": rows.collect::<Vec<_>>() })))
        }
        _ => not_found(),
    }
}

type Wanted = (String, Vec<String>, &'static str);

fn wanted(sim: &HiEventsSimulator, body: &Value) -> Result<Wanted, Answer> {
    let url = body.get("url").and_then(Value::as_str).unwrap_or_default();
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .map(|authority| authority.rsplit_once(':').map_or(authority, |(host, _)| host));
    let Some(host) = host.filter(|h| !h.is_empty() && url.len() <= 255) else {
        return Err(invalid("url", "The url field must be a valid URL."));
    };
    let allowed = sim.config.settings.get("allowed_internal_webhook_hosts").and_then(Value::as_array);
    let allowed = allowed.is_some_and(|hosts| hosts.iter().any(|h| h.as_str() == Some(host)));
    if !allowed && internal(host) {
        return Err(invalid("url", "The url cannot point to private or internal IP addresses."));
    }
    // The rules let these be missing, but the code behind them does not.
    let (Some(types), Some(status)) =
        (body.get("event_types").and_then(Value::as_array), body.get("status").and_then(Value::as_str))
    else {
        return Err(error(500, "Server Error"));
    };
    let status = match status {
        "ENABLED" => "ENABLED",
        "PAUSED" => "PAUSED",
        _ => return Err(invalid("status", "The selected status is invalid.")),
    };
    let types: Vec<String> = types.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if types.iter().any(|t| !super::super::hooks::EVENT_TYPES.contains(&t.as_str())) {
        return Err(invalid("event_types.0", "The selected event_types.0 is invalid."));
    }
    Ok((url.to_owned(), types, status))
}

fn internal(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<Ipv4Addr>().ok();
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "::1"
        || address.is_some_and(|a| a.is_private() || a.is_loopback() || a.is_link_local() || a.is_unspecified())
}
