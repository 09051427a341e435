//! The action `request`: one call under the connection's base URL, and what its answer means.

mod target;

pub(super) use target::Target;

use super::inbound::parse_exactly;
use super::wire::{Fields, Input};
use jiff::Timestamp;
use pasarela_connector::{Answer, Ctx, Outcome, Repeat, Request, Step, action, judge};
use serde_json::{Map, Value, json};

/// Name of the action.
pub(super) const REQUEST: &str = "request";

/// Longest text that is kept of an answer.
const LONGEST_TEXT: usize = 64 * 1024;

/// Headers of an answer that flows have use for.
const KEPT_HEADERS: [&str; 3] = ["content-type", "location", "etag"];

/// Headers that are not the flow's: they belong to the connection between two machines, or to the
/// connection's credentials, or change how the body is to be read.
const REFUSED_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

pub(super) fn begin(target: Option<&Target>, connection: &str, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    if action != REQUEST {
        return Step::all(inputs.len(), &action::unknown("http", action));
    }
    let input = match action::one("http.request", inputs) {
        Ok(input) => input,
        Err(end) => return *end,
    };
    let Some(target) = target else {
        let why = format!("[connections.{connection}] has no base_url: set it, so that there is something to call");
        return Step::end(Outcome::NeedsHuman { why });
    };
    let made = action::read::<Input>(input).and_then(|input| build(target, &input, ctx.key).map_err(action::invalid));
    action::step(made.map(|(request, repeat)| action::call(request, json!({ "v": 1, "repeat": repeat }), repeat)))
}

fn build(target: &Target, input: &Input, key: &str) -> Result<(Request, Repeat), String> {
    let mut request = Request::new(input.method.as_str(), target.join(&input.path)?).query(input.query.pairs());
    // JSON is preferred, whatever else comes is taken.
    request.headers.set("accept", "application/json, */*;q=0.8");
    request = body(request, input)?;
    for (name, value) in headers(&input.headers)? {
        request.headers.set(&name, value);
    }
    let repeat = match &input.idempotency_header {
        Some(name) => {
            let name = header_name("idempotency_header", name)?;
            if input.headers.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                return Err(format!("{name} is among the headers too: the key of the effect belongs there"));
            }
            request.headers.set(&name, header_value(&name, key.to_owned())?);
            Repeat::SameKey
        }
        None if input.method.is_idempotent() => Repeat::Safe,
        None => Repeat::Never,
    };
    Ok((request, repeat))
}

fn body(request: Request, input: &Input) -> Result<Request, String> {
    let given = [input.json.is_some(), input.form.is_some(), input.text.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err("there is more than one body: keep one of json, form and text".into());
    }
    if given.contains(&true) && !input.method.takes_body() {
        return Err(format!("a {} has no body: put it into query, or use POST", input.method.as_str()));
    }
    Ok(match (&input.json, &input.form, &input.text) {
        (Some(json), ..) => request.json(json),
        (_, Some(form), _) => request.form(form.pairs()),
        (.., Some(text)) => {
            let mut request = request.header("content-type", "text/plain; charset=utf-8");
            request.body = text.clone().into_bytes().into();
            request
        }
        _ => request,
    })
}

fn headers(fields: &Fields) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::with_capacity(fields.0.len());
    for (name, field) in &fields.0 {
        let name = header_name("headers", name)?;
        if headers.iter().any(|(other, _)| *other == name) {
            return Err(format!("headers: {name} is there twice"));
        }
        let values: Vec<String> = field.scalars().iter().map(ToString::to_string).collect();
        if values.is_empty() {
            continue;
        }
        // A list is one header with commas (RFC 9110, 5.3).
        let value = header_value(&name, values.join(", "))?;
        headers.push((name, value));
    }
    Ok(headers)
}

fn header_name(field: &str, name: &str) -> Result<String, String> {
    if !is_header_name(name) {
        return Err(format!("{field}: {name:?} is not a header name"));
    }
    let name = name.to_ascii_lowercase();
    if name == "authorization" || name.starts_with("proxy-") {
        return Err(format!(
            "{field}: {name} is not set by flows: credentials belong into the connection (`token`, or `username` and `password`)"
        ));
    }
    if REFUSED_HEADERS.contains(&name.as_str()) {
        return Err(format!("{field}: {name} is set by the hub itself"));
    }
    Ok(name)
}

/// A token of RFC 9110, 5.6.2.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// No line breaks (a second header in disguise), no control characters, nothing beyond ASCII.
fn header_value(name: &str, value: String) -> Result<String, String> {
    if value.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(format!("the header {name} has characters that no header can hold (line breaks, accents): encode them"))
    }
}

/// What an answer means. HTTP's own meaning, with one exception: a gateway that got no answer in
/// time (504) does not know whether it was done; neither do we, unless the call may be repeated.
pub(super) fn judge(state: &Value, answer: &Answer, now: Timestamp) -> Outcome {
    // A state of another version says nothing: then the careful reading holds.
    let once =
        state.get("repeat") != Some(&json!(Repeat::Safe)) && state.get("repeat") != Some(&json!(Repeat::SameKey));
    let judged = if once { judge::classify_once(answer, now) } else { judge::classify(answer, now) };
    judged.unwrap_or_else(|| Outcome::done(result(answer)))
}

fn result(answer: &Answer) -> Value {
    let headers: Map<String, Value> = KEPT_HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Value::from(answer.headers.get(name)?))))
        .collect();
    json!({ "status": answer.status, "headers": headers, "body": content(answer) })
}

/// JSON where it is JSON and loses nothing, else text; a 2xx is done whatever its body is.
fn content(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    // `007` or `true` in plain text is text; an object is JSON, whatever a careless server calls it.
    let is_json = match answer.headers.get("content-type") {
        Some(kind) => kind.to_ascii_lowercase().contains("json") || matches!(answer.body.first(), Some(b'{' | b'[')),
        None => true,
    };
    match is_json.then(|| parse_exactly(&answer.body)) {
        Some(Ok(json)) => json,
        _ => Value::String(excerpt(&answer.body)),
    }
}

/// The first 64 KiB as text; the cut never goes through a character.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..LONGEST_TEXT).unwrap_or(body));
    let mut text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default().to_owned();
    if body.len() > LONGEST_TEXT && text.ends_with('\u{fffd}') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests;
