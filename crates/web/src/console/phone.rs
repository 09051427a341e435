//! `/telefono`: the guest's phone, as the sandbox shows it.

use super::guard::Visit;
use super::page::{Frame, html};
use crate::App;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "console/telefono.html")]
struct PhonePage {
    frame: Frame,
    src: Option<String>,
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Response {
    let lang = if visit.w.tag() == "en" { "en" } else { "es" };
    let src = app.console.sandbox.as_ref().map(|origin| format!("{origin}/_sandbox/phone?lang={lang}"));
    html(&PhonePage { frame: Frame::new(&app, &visit, "phone.title", "phone").await, src })
}

/// Scheme, host and port of an address, fit for a content security policy; `None` when it is none.
pub(super) fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.trim().parse().ok()?;
    let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https"))?;
    let authority = uri.authority()?.as_str();
    let plain = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
    plain.then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_reaches_the_policy() {
        assert_eq!(origin("http://127.0.0.1:9090/").as_deref(), Some("http://127.0.0.1:9090"));
        assert_eq!(origin("https://sandbox.example/a?b"), Some("https://sandbox.example".into()));
        for bad in ["", "/x", "javascript:alert(1)", "http://a;b/", "http://u:p@h/", "http://a'b"] {
            assert_eq!(origin(bad), None, "{bad}");
        }
    }
}
