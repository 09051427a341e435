//! The console: pages for the people who work in the hub, on their own listener (design.md 6).
//!
//! Server-rendered pages in Spanish and English, small scripts of our own, one stream that keeps them
//! fresh. Every page but the sign-in asks for a session; every deed asks for its token. It shows and
//! passes on wishes: what an event means and what may be done with it is the engine's to say.

mod assets;
mod connections;
mod dead;
mod events;
mod guard;
mod json;
mod live;
mod marks;
mod moments;
mod page;
mod phone;
mod session;
mod signin;
mod status;
mod story;
mod words;

use crate::App;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};

/// Settings and memory of the console.
pub(crate) struct Settings {
    /// Address of the sandbox: scheme, host and port, without a slash at the end.
    sandbox: Option<String>,
    sessions: session::Sessions,
    tries: signin::Tries,
    health: status::Cache,
}

impl Settings {
    pub(crate) fn new(sandbox: Option<String>) -> Self {
        let sandbox = sandbox.and_then(|url| {
            let origin = phone::origin(&url);
            if origin.is_none() {
                tracing::warn!(url, "sandbox.url is not an address; the console shows no phone");
            }
            origin
        });
        Self {
            sandbox,
            sessions: session::Sessions::default(),
            tries: signin::Tries::default(),
            health: status::Cache::default(),
        }
    }
}

pub(crate) fn routes(app: App) -> Router<App> {
    Router::new()
        .route("/", get(events::list))
        .route("/historia/{event}", get(story::show))
        .route("/entrega/{delivery}/cuerpo", get(story::raw_body))
        .route("/por-resolver", get(dead::list))
        .route("/por-resolver/{id}/reintentar", post(dead::retry))
        .route("/por-resolver/{id}/descartar", post(dead::discard))
        .route("/conexiones", get(connections::list))
        .route("/conexiones/{name}/conciliar", post(connections::reconcile))
        .route("/telefono", get(phone::show))
        .route("/vivo", get(live::stream))
        .route("/entrar", get(signin::form).post(signin::enter))
        .route("/salir", post(signin::leave))
        .route("/recursos/{file}", get(assets::file))
        // A route and not the router's fallback, so that it is behind the guard like everything else.
        .route("/{*rest}", any(page::not_here))
        .method_not_allowed_fallback(page::not_here)
        .layer(from_fn_with_state(app, guard::guard))
}
