//! Errors for API users: RFC 9457 problem details with stable codes. What the log needs and the
//! client does not, goes to the log.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pasarela_engine::{AdminError, PauseError, ProvisionError, PushError, ReconcileError, WebhookError};
use serde_json::json;

/// A problem that is answered.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), retry_after: None }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "The request cannot be used", detail)
    }

    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Try again shortly", detail) }
    }
}

impl Problem {
    /// Its sentence, where it is for whoever asked and not for the log.
    pub(crate) fn told_to_people(&self) -> Option<String> {
        (self.status.is_client_error() && self.status != StatusCode::NOT_FOUND).then(|| self.detail.clone())
    }

    /// May be tried again after so many seconds.
    pub(crate) fn wait(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("/docs/errors/{}", self.code),
            "title": self.title, "status": self.status.as_u16(), "code": self.code, "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<pasarela_store::Error> for Problem {
    fn from(e: pasarela_store::Error) -> Self {
        use pasarela_store::Error;
        match e {
            Error::Busy | Error::GaveWay | Error::DiskFull | Error::Closed | Error::Fenced => Self::busy(e.to_string()),
            Error::Unreachable(_) => {
                tracing::error!(error = %e, "a request could not be answered");
                Self::busy("the database does not answer; the hub goes on by itself when it is back")
            }
            other => {
                tracing::error!(error = %other, "a request could not be answered");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Something went wrong here",
                    "the hub could not read its store; the log says why",
                )
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(e: AdminError) -> Self {
        match e {
            AdminError::NotFound(_) => Self::not_found(e.to_string()),
            AdminError::WrongState { .. }
            | AdminError::NotWaiting { .. }
            | AdminError::NoConnection(_)
            | AdminError::RunEnded { .. }
            | AdminError::BodyGone(_)
            | AdminError::Restless(_) => {
                Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
            }
            AdminError::Store(e) => e.into(),
        }
    }
}

impl From<PauseError> for Problem {
    fn from(e: PauseError) -> Self {
        match e {
            PauseError::NoSuch { .. } => Self::not_found(e.to_string()),
            PauseError::NotPaused { .. } => {
                Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
            }
            PauseError::Store(e) => e.into(),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(e: WebhookError) -> Self {
        match e {
            WebhookError::Invalid(why) => Self::bad_request(why),
            WebhookError::NotFound(_) => Self::not_found(e.to_string()),
            WebhookError::Stale => crate::etag::changed(),
            WebhookError::Conflict(why) => {
                Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", why)
            }
            WebhookError::Store(e) => e.into(),
        }
    }
}

impl From<PushError> for Problem {
    fn from(e: PushError) -> Self {
        match e {
            PushError::Refused(_) => Self::bad_request(e.to_string()),
            PushError::Changed => crate::etag::changed(),
            PushError::Store(e) => e.into(),
        }
    }
}

impl From<ProvisionError> for Problem {
    fn from(e: ProvisionError) -> Self {
        let title = "This connection cannot be provisioned";
        match e {
            ProvisionError::NoConnection(_) => Self::not_found(e.to_string()),
            ProvisionError::Changed { .. } => {
                Self::new(StatusCode::CONFLICT, "plan_changed", "Another plan was shown", e.to_string())
            }
            ProvisionError::Busy => {
                Self::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", e.to_string())
            }
            ProvisionError::NoModel { .. } | ProvisionError::NoCredentials { .. } | ProvisionError::Unread { .. } => {
                Self::new(StatusCode::CONFLICT, "cannot_provision", title, e.to_string())
            }
        }
    }
}

impl From<ReconcileError> for Problem {
    fn from(e: ReconcileError) -> Self {
        match e {
            ReconcileError::NoConnection(_) => Self::not_found(e.to_string()),
            ReconcileError::NoHistory { .. }
            | ReconcileError::NoCredentials { .. }
            | ReconcileError::Elsewhere { .. } => Self::new(
                StatusCode::CONFLICT,
                "cannot_reconcile",
                "This connection cannot be reconciled",
                e.to_string(),
            ),
        }
    }
}

pub(crate) async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this address; /api/v1 lists what there is")
}

/// The address is there, for other methods: the router says which in `Allow`. OPTIONS asks for just that.
pub(crate) async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "Another method is needed",
        "the header Allow says which methods this address has",
    )
    .into_response()
}
