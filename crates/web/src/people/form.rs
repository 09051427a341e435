//! Forms of a person's own pages: small, of this origin, and made for this pass.

use crate::App;
use axum::http::{HeaderMap, header};
use std::collections::BTreeMap;

/// Largest form that is read.
const LARGEST: usize = 32 * 1024;

/// Fields of a form; the same name may come several times.
pub(super) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// `None`: it is too large.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        if body.len() > LARGEST {
            return None;
        }
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            fields.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Some(Self(fields))
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).first().map(|v| v.trim()).unwrap_or_default()
    }

    pub(super) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What a form of this pass carries along: nobody who does not see the page knows it.
pub(super) fn mark(app: &App, pass: &str) -> String {
    format!("{:016x}", app.engine.store().sealer().hash(&["own page", pass]).cast_unsigned())
}

/// Does the browser say that another site sent this? One that says nothing is held by the mark.
pub(super) fn is_foreign(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let own = app.tickets.as_ref().is_some_and(|desk| origin == desk.address());
    let host = origin.split_once("://").map(|(_, host)| host);
    !own && host != text(header::HOST.as_str())
}
