//! The console: pages for the people who work in the hub, on their own listener.

use crate::App;
use axum::Router;

/// Settings of the console.
pub(crate) struct Settings {
    pub(crate) sandbox: Option<String>,
}

impl Settings {
    pub(crate) fn new(sandbox: Option<String>) -> Self {
        Self { sandbox }
    }
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
}
