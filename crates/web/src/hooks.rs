//! `POST /hooks/{connection}`: the way in for every provider.

use crate::App;
use crate::bodies::Refusal;
use crate::policy::Gate;
use crate::problem::Problem;
use crate::routes::{Routes, op};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_domain::DeliveryId;
use pasarela_engine::{Admission, InboundRequest};
use schemars::JsonSchema;
use std::sync::atomic::Ordering;

pub(crate) fn routes() -> Routes {
    let post = op(Gate::Signed, "A webhook of the connection's provider: 200 only after its bytes are on disk")
        .about("Body and signature are the provider's own. Any 503 carries `Retry-After`.")
        .takes_bytes()
        .answers::<Taken>()
        .problems(&[401, 404, 405, 408, 413, 503]);
    let get = op(Gate::Signed, "The provider's challenge, where it has one; anything else is refused")
        .answers_media("*/*")
        .problems(&[401, 404]);
    Routes::new().any("/hooks/{connection}", hook, [("post", post), ("get", get)])
}

/// What a provider is told; most read nothing but the status.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used: the answer is written without a detour, being the hot path")]
struct Taken {
    /// `accepted`, or `known` for a signature that was seen before.
    status: String,
    #[serde(default)]
    delivery_id: Option<DeliveryId>,
}

async fn hook(State(app): State<App>, Path(connection): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != axum::http::Method::POST && parts.method != axum::http::Method::GET {
        let problem = Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Use POST",
            "webhooks are sent with POST; GET is for challenges",
        );
        return ([(header::ALLOW, "GET, POST")], problem).into_response();
    }
    if !app.engine.has_connection(&connection) {
        return Problem::not_found(format!(
            "there is no connection '{}'",
            connection.chars().take(64).collect::<String>()
        ))
        .into_response();
    }
    let body = match app.bodies.read(body, parts.headers.contains_key(header::EXPECT)).await {
        Ok(body) => body,
        Err(why) => {
            if matches!(why, Refusal::Full) {
                app.engine.metrics().refused.fetch_add(1, Ordering::Relaxed);
            }
            // A provider that tries once has lost this one: its records are read at once.
            app.engine.missed(&connection);
            return Problem::from(why).into_response();
        }
    };
    let request = InboundRequest {
        method: parts.method.as_str(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    };
    match app.engine.accept(&connection, request).await {
        Admission::Accepted(id) => ok(format!("{{\"status\":\"accepted\",\"delivery_id\":\"{id}\"}}")),
        Admission::Known => ok("{\"status\":\"known\"}".to_owned()),
        Admission::Reply(answer) => reply(answer),
        Admission::Forged(_) => Problem::new(
            StatusCode::UNAUTHORIZED,
            "not_authentic",
            "Not authentic",
            "the signature does not fit this body; check the connection's webhook_secrets against the provider's setting",
        )
        .into_response(),
        Admission::NoConnection => Problem::not_found(format!("there is no connection '{connection}'")).into_response(),
        Admission::Busy(why) => Problem::busy(why).into_response(),
    }
}

fn ok(body: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// A connector's answer to a challenge.
fn reply(answer: pasarela_connector::Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    for (name, value) in &answer.headers.0 {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
