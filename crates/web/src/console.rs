//! The console: pages for the people who work in the hub, on their own listener (design.md 6).
//!
//! Server-rendered pages in Spanish and English, small scripts of our own, one stream that keeps them
//! fresh. Every page but the sign-in asks for a session; every deed asks for its token. It shows and
//! passes on wishes: what an event means and what may be done with it is the engine's to say.
//!
//! Promise: no page walks the history. What it reads is bounded by the page, by what is open now, or by
//! what memory counted (ADR 0061).

mod alarms;
mod assets;
mod cases;
mod chart;
mod confirm;
mod connections;
mod dead;
mod delivery;
mod device;
mod events;
mod first;
mod flows;
mod guard;
mod home;
mod json;
mod keeping;
mod links;
mod live;
mod marks;
mod moments;
mod newcomer;
mod notice;
mod own;
mod page;
mod reconciliation;
mod search;
mod session;
mod signin;
mod status;
mod story;
mod theatre;
mod users;
mod words;

pub use first::first_owner_link;
pub(crate) use links::account_link;
pub use links::{NewLink, create_link};

use crate::{App, Options};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use pasarela_domain::Clock;
use std::sync::Arc;

/// Settings and memory of the console.
pub(crate) struct Settings {
    /// The doubles, where there are any.
    sandbox: Option<theatre::Sandbox>,
    /// Where people find the console, without a slash at the end.
    url: String,
    wall: Arc<dyn Clock>,
    sessions: session::Sessions,
    idle: jiff::SignedDuration,
    oidc: Option<Arc<crate::accounts::oidc::Oidc>>,
    health: status::Cache,
    recalled: home::Recalled,
}

impl Settings {
    pub(crate) fn new(options: Options) -> Self {
        let sandbox = options.sandbox.and_then(|url| {
            let sandbox = theatre::Sandbox::at(&url);
            if sandbox.is_none() {
                tracing::warn!(url, "sandbox.url is not an address of this machine; the console has no theatre");
            }
            sandbox
        });
        Self {
            sandbox,
            url: options.console_url.trim_end_matches('/').to_owned(),
            wall: options.wall,
            sessions: session::Sessions::default(),
            idle: options.idle.try_into().unwrap_or(jiff::SignedDuration::MAX),
            oidc: options.oidc.map(|oidc| Arc::new(crate::accounts::oidc::Oidc::new(oidc))),
            health: status::Cache::default(),
            recalled: home::Recalled::default(),
        }
    }
}

impl Settings {
    /// The real world's time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.wall.now()
    }

    /// Do people reach the console by an encrypted way?
    fn is_encrypted(&self) -> bool {
        self.url.starts_with("https://")
    }
}

pub(crate) fn routes(app: App) -> Router<App> {
    Router::new()
        .route("/", get(home::show))
        .route("/eventos", get(events::list))
        .route("/buscar", get(search::show))
        .route("/historia/{event}", get(story::show))
        .route("/entregas/{delivery}", get(delivery::show))
        .route("/entregas/{delivery}/cuerpo", get(delivery::raw_body))
        .route("/flujos", get(flows::list))
        .route("/flujos/{name}", get(flows::show))
        .route("/flujos/{name}/pausar", post(flows::pause))
        .route("/flujos/{name}/reanudar", post(flows::resume))
        .route("/conexiones", get(connections::list))
        .route("/conexiones/nueva", get(newcomer::show))
        .route("/conexiones/{name}/pausar", post(connections::pause))
        .route("/conexiones/{name}/reanudar", post(connections::resume))
        .route("/conciliacion", get(reconciliation::show))
        .route("/conciliacion/{name}", post(reconciliation::run))
        .route("/por-resolver", get(dead::list))
        .route("/por-resolver/{id}/reintentar", post(dead::retry))
        .route("/por-resolver/{id}/descartar", post(dead::discard))
        .route("/casos", get(cases::list))
        .route("/casos/nuevo", get(cases::fresh).post(cases::create))
        .route("/casos/{number}", get(cases::show))
        .route("/casos/{number}/paso", post(cases::step))
        .route("/conservacion", get(keeping::show))
        .route("/conservacion/ordenes", post(keeping::add))
        .route("/conservacion/ordenes/{number}/fin", post(keeping::end))
        .route("/incidentes", get(cases::incidents::list).post(cases::incidents::create))
        .route("/incidentes/{number}", get(cases::incidents::show))
        .route("/incidentes/{number}/hoja", get(cases::incidents::sheet))
        .route("/incidentes/{number}/paso", post(cases::incidents::step))
        .route("/alarmas", get(alarms::show))
        .route("/teatro", get(theatre::show))
        .route("/teatro/acto", post(theatre::act))
        .route("/teatro/red", post(theatre::network))
        .route("/teatro/carta/{connection}/{message}", get(theatre::letter))
        .route("/teatro/adjunto/{connection}/{message}/{n}", get(theatre::attachment))
        .route("/vivo", get(live::stream))
        .route("/entrar", get(signin::form).post(signin::enter))
        .route("/entrar/enlace", post(signin::letter::send))
        .route("/entrar/proveedor", get(signin::provider::leave))
        .route("/entrar/vuelta", get(signin::provider::back))
        .route("/primer-uso", get(first::form).post(first::make))
        .route("/confirmar", get(confirm::form).post(confirm::prove))
        .route("/mi-cuenta", get(own::show))
        .route("/mi-cuenta/contrasena", post(own::set_password))
        .route("/mi-cuenta/codigos", post(own::begin_codes))
        .route("/mi-cuenta/codigos/activar", post(own::prove_codes))
        .route("/mi-cuenta/codigos/quitar", post(own::end_codes))
        .route("/mi-cuenta/sesiones/{id}/fin", post(own::end_session))
        .route("/usuarios", get(users::list).post(users::add))
        .route("/usuarios/{id}/{what}", post(users::change))
        .route("/salir", post(signin::leave))
        .route("/recursos/{file}", get(assets::file))
        // A route and not the router's fallback, so that it is behind the guard like everything else.
        .route("/{*rest}", any(page::not_here))
        .method_not_allowed_fallback(page::not_here)
        .layer(from_fn_with_state(app, guard::guard))
}
