//! The double's REST API: login, lists, single reads, and what the hub may ask for.

mod catalogue;
mod check_ins;
mod checkout;
mod records;
mod shows;
mod waitlist;
mod webhooks;

use super::hooks::{Level, Outbox};
use super::lists::{Listing, Query};
use super::{HiEventsSimulator, Setting, php};
use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{Answer, Request, SimReply};
use serde_json::{Value, json};

pub(super) fn route(sim: &mut HiEventsSimulator, request: &Request, token: &str, now: Timestamp) -> SimReply {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let query = Query::parse(query);
    let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(php::decode).collect();
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    // The all-in-one image serves the routes under /api.
    if parts.first() == Some(&"api") {
        parts.remove(0);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut out = Vec::new();
    let method = request.method.as_str();
    let answer = match (method, parts.as_slice()) {
        ("POST", ["auth", "login"]) => login(sim, &body, now),
        (_, ["public", "events", show, "order", rest @ ..]) => {
            checkout::route(sim, method, show, rest, query.get("session_identifier"), &body, now, &mut out)
        }
        (_, ["public", "check-in-lists", list, rest @ ..]) => {
            check_ins::route(sim, method, list, rest, &query, &body, now, &mut out)
        }
        (_, rest) => {
            let known = sim.tokens.get(token).is_some_and(|end| *end > now);
            if known {
                private(sim, method, rest, path, &query, &body, now, &mut out)
            } else {
                unauthenticated(request)
            }
        }
    };
    SimReply { answer, webhooks: out }
}

/// Without `Accept: application/json` the provider sends people to its login page.
fn unauthenticated(request: &Request) -> Answer {
    if request.headers.get("accept").is_some_and(|a| a.contains("json")) {
        php::answer(401, &json!({ "message": "Unauthenticated." }))
    } else {
        Answer::text(302, "").header("location", "/auth/login")
    }
}

pub(super) fn error(status: u16, message: &str) -> Answer {
    php::answer(status, &json!({ "message": message, "errors": [] }))
}

pub(super) fn invalid(field: &str, message: &str) -> Answer {
    php::answer(422, &json!({ "message": message, "errors": { field: [message] } }))
}

pub(super) fn not_found() -> Answer {
    php::answer(404, &json!({ "message": "Not found" }))
}

pub(super) fn data(value: &Value) -> Answer {
    php::answer(200, &json!({ "data": value }))
}

fn login(sim: &mut HiEventsSimulator, body: &Value, now: Timestamp) -> Answer {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let (email, password) = (text("email"), text("password"));
    if email.is_empty() || !(8..=255).contains(&password.chars().count()) {
        return invalid("password", "The password must be between 8 and 255 characters.");
    }
    let wrong = |name: &str, given: &str| sim.config.setting_str(name).is_some_and(|right| right != given);
    if wrong("email", email) || wrong("password", password) {
        return error(401, "Username or Password are incorrect");
    }
    let accounts: Vec<u64> = match sim.config.settings.get("accounts").and_then(Value::as_array) {
        Some(ids) => ids.iter().filter_map(Value::as_u64).collect(),
        None => vec![7],
    };
    let asked = body.get("account_id").and_then(Value::as_u64);
    let account = match (asked, accounts.as_slice()) {
        (Some(id), ids) if !ids.contains(&id) => {
            return error(401, "Username or Password are incorrect");
        }
        (Some(id), _) => Some(id),
        (None, [only]) => Some(*only),
        (None, _) => None,
    };
    let seconds = sim.config.setting_u64("token_seconds").unwrap_or(604_800);
    let token = account.map(|account| {
        let seed = format!("{account} {} {now}", sim.tokens.len());
        format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.{}.made-up", php::code(&seed, 32, false))
    });
    if let Some(token) = &token {
        let life = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(604_800));
        sim.tokens.retain(|_, end| *end > now);
        sim.tokens.insert(token.clone(), now.checked_add(life).unwrap_or(Timestamp::MAX));
    }
    let accounts: Vec<Value> = accounts
        .iter()
        .map(|id| {
            json!({
                "id": id, "name": format!("Cuenta {id}"), "currency_code": "COP", "timezone": "America/Bogota",
                "updated_at": null, "is_account_email_confirmed": true, "is_saas_mode_enabled": false,
                "requires_manual_verification": false,
            })
        })
        .collect();
    let answer = php::answer(
        200,
        &json!({
            "token": token, "token_type": "bearer", "expires_in": seconds, "user": user(email), "accounts": accounts,
        }),
    );
    match token {
        Some(token) => answer.header("x-auth-token", token),
        None => answer,
    }
}

fn user(email: &str) -> Value {
    json!({
        "id": 12, "timezone": "America/Bogota", "first_name": "Laura", "last_name": "Zuluaga",
        "full_name": "Laura Zuluaga", "email": email, "is_email_verified": true, "has_pending_email_change": false,
        "locale": "es", "marketing_opted_in_at": null,
    })
}

#[expect(clippy::too_many_arguments, reason = "a route needs all of a request")]
fn private(
    sim: &mut HiEventsSimulator,
    method: &str,
    parts: &[&str],
    path: &str,
    query: &Query,
    body: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Answer {
    let url = format!("{}{path}", sim.config.base_url);
    let state = &sim.state;
    let rows = |rows: Vec<Value>, by: &Listing| match query.select(rows, by) {
        Some(rows) => php::answer(200, &by.tell(query.paged(rows, &url, false))),
        None => error(500, "Server Error"),
    };
    let organizer = parts.get(1).and_then(|id| id.parse::<u64>().ok()) == Some(state.organizer);
    match (method, parts) {
        ("GET", ["users", "me"]) => {
            data(&user(sim.config.setting_str("email").unwrap_or("integraciones@fashionistas.example")))
        }
        (_, ["organizers", _, ..]) if !organizer => error(403, "This action is unauthorized."),
        ("GET", ["organizers", _, "events"] | ["events"]) => {
            rows(state.shows.iter().map(|s| state.event_row(s)).collect(), &Listing::EVENTS)
        }
        ("GET", ["organizers", _, "orders"]) => {
            let orders = state.orders.iter().map(|o| state.order_row(o)).collect();
            rows(orders, &Listing::ORDERS)
        }
        (_, ["organizers", _, "webhooks", ..]) if sim.config.setting_bool("organizer_webhooks") == Some(false) => {
            php::answer(
                404,
                &json!({ "message": format!("The route {} could not be found.", path.trim_start_matches('/')) }),
            )
        }
        ("POST", ["events"]) => shows::create(sim, body, now, out),
        (_, ["organizers", _, "webhooks", rest @ ..]) => {
            webhooks::route(sim, method, Level::Organizer, rest, query, body)
        }
        (_, ["events", show, rest @ ..]) => {
            let Some(show) = show.parse().ok().filter(|id| state.show(*id).is_some()) else {
                return not_found();
            };
            match (method, rest) {
                ("GET", []) => state.show(show).map_or_else(not_found, |s| data(&state.event(s, true))),
                ("PUT", ["status"]) => set_status(sim, show, body, now, out),
                ("GET" | "PUT" | "PATCH", ["settings"]) => shows::settings(sim, method, show, body),
                ("GET", ["stats"]) => shows::stats(state, show, now),
                ("POST", ["products"]) => shows::create_product(sim, show, body, now, out),
                // Servers before 1.7.0 have none.
                (_, ["waitlist", rest @ ..]) if sim.config.setting_bool("waitlist") != Some(false) => {
                    waitlist::route(sim, method, show, rest, query, &url, body, now)
                }
                (_, [kind, rest @ ..]) if catalogue::KINDS.contains(kind) => {
                    catalogue::route(sim, method, show, kind, rest, query, &url, body, now)
                }
                ("GET", ["orders"]) => {
                    let orders = state.orders.iter().filter(|o| o.show == show).map(|o| state.order_row(o)).collect();
                    rows(orders, &Listing::ORDERS)
                }
                ("GET", ["attendees"]) => {
                    let tickets = state.tickets.iter().filter(|t| t.show == show).map(|t| state.attendee_row(t));
                    rows(tickets.collect(), &Listing::ATTENDEES)
                }
                ("GET", ["products"]) => {
                    let products = state.products.iter().filter(|p| p.show == show).map(|p| state.product(p, true));
                    rows(products.collect(), &Listing::PRODUCTS)
                }
                ("GET", ["check-in-lists"]) => {
                    let lists = state.lists.iter().filter(|l| l.show == show).map(|l| state.check_in_list(l, now));
                    rows(lists.collect(), &Listing::KEPT)
                }
                (_, ["webhooks", rest @ ..]) => webhooks::route(sim, method, Level::Show(show), rest, query, body),
                (_, ["orders", id, rest @ ..]) => {
                    let id = id.parse().ok().filter(|id| state.order(*id).is_some_and(|o| o.show == show));
                    id.map_or_else(not_found, |id| records::order(sim, method, id, rest, body, now, out))
                }
                (_, ["attendees", id, rest @ ..]) => {
                    let id = id.parse().ok().filter(|id| state.ticket(*id).is_some_and(|t| t.show == show));
                    id.map_or_else(not_found, |id| records::attendee(sim, method, id, rest, body, now, out))
                }
                _ => not_found(),
            }
        }
        _ => not_found(),
    }
}

fn set_status(sim: &mut HiEventsSimulator, show: u64, body: &Value, now: Timestamp, out: &mut Outbox) -> Answer {
    let status = match body.get("status").and_then(Value::as_str) {
        Some("DRAFT") => "DRAFT",
        Some("LIVE") => "LIVE",
        Some("ARCHIVED") => "ARCHIVED",
        _ => return invalid("status", "The selected status is invalid."),
    };
    sim.set_show_status(show, status, now, out);
    sim.state.show(show).map_or_else(not_found, |s| data(&sim.state.event(s, true)))
}
