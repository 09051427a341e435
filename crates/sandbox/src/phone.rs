//! The guests' phone: the WhatsApp chats as the guest sees them. Shows every connection whose
//! double has a `chats` view; changes nothing.
//!
//! The page carries no data and no text of its own: texts come from `texts`, chats from
//! `/_sandbox/phone/chats`, and the script only draws them.

mod texts;

use crate::control::{data, typed};
use crate::host::Host;
use crate::serve::{Reply, problem};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use texts::Lang;

/// Nothing from outside, nothing inline, and only pages of this machine may embed it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors http://127.0.0.1:* http://localhost:*";

const PAGE: &str = include_str!("phone/phone.html");
const STYLE: &str = include_str!("phone/phone.css");
const SCRIPT: &str = include_str!("phone/phone.js");
const ICON: &str = include_str!("phone/phone.svg");

pub(crate) fn respond(host: &Host, path: &str, query: &str) -> Reply {
    match path {
        "phone" => page(Lang::of(query)),
        "phone.css" => typed("text/css; charset=utf-8", STYLE),
        "phone.js" => typed("text/javascript; charset=utf-8", SCRIPT),
        "phone.svg" => typed("image/svg+xml", ICON),
        "phone/chats" => data(&chats(host)),
        _ => problem(StatusCode::NOT_FOUND, "No such page", "the phone is at /_sandbox/phone"),
    }
}

/// Business time, and the chats of each connection that has any.
fn chats(host: &Host) -> Value {
    let connections: Vec<Value> = host
        .names()
        .into_iter()
        .filter_map(|name| {
            let chats = host.view(&name, "chats");
            chats.is_array().then(|| json!({ "connection": name, "chats": chats }))
        })
        .collect();
    json!({ "now": host.0.clock.now(), "connections": connections })
}

fn page(lang: Lang) -> Reply {
    let texts = Value::Object(lang.texts().map(|(k, v)| (k.to_owned(), v.into())).collect());
    let mut html = PAGE
        .replace("{{lang}}", lang.tag())
        .replace("{{other}}", lang.other().code())
        .replace("{{texts}}", &escaped(&texts.to_string()));
    for (key, text) in lang.texts() {
        html = html.replace(&format!("{{{{t.{key}}}}}"), &escaped(text));
    }
    let mut reply = typed("text/html; charset=utf-8", html);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_script_use_only_texts_that_exist() {
        for lang in [Lang::Es, Lang::En] {
            let keys: Vec<&str> = lang.texts().map(|(k, _)| k).collect();
            for used in PAGE.split("{{t.").skip(1).filter_map(|s| s.split("}}").next()) {
                assert!(keys.contains(&used), "the page uses {used}");
            }
            let mut in_script = 0;
            for used in SCRIPT.split("t.").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                in_script += usize::from(keys.contains(&name.as_str()));
            }
            assert!(in_script > 5, "the script uses the catalogue");
            for key in keys {
                let used = PAGE.contains(&format!("{{{{t.{key}}}}}"))
                    || SCRIPT.contains(&format!("t.{key}"))
                    || key.starts_with("status_");
                assert!(used, "{key} is used nowhere");
            }
        }
    }
}
