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
mod audit;
mod cases;
mod chart;
mod confirm;
mod connections;
mod dead;
mod delivery;
mod device;
mod enrol;
mod events;
mod first;
mod flows;
mod guard;
mod home;
mod json;
mod keeping;
mod keys;
mod links;
mod live;
mod marks;
mod moments;
mod newcomer;
mod notice;
mod own;
mod page;
mod persons;
mod plan;
mod reconciliation;
mod refunds;
mod search;
mod session;
mod shows;
mod signin;
mod status;
mod story;
mod theatre;
mod told;
mod users;
mod webhooks;
mod words;

pub(crate) use device::address as address_of;
pub use first::first_owner_link;
pub(crate) use guard::Visit as Visitor;
pub(crate) use links::{LETTER, account_link, link_as};
pub use links::{NewLink, create_link};
pub(crate) use told::{Doer, News, tell};

use crate::policy::{Gate, may};
use crate::routes::Pages;
use crate::{App, Options};
use axum::Router;
use axum::middleware::from_fn_with_state;
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
    /// Must whoever may do much have a second factor before they do anything?
    second_required: bool,
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
            second_required: options.second_factor_required,
            oidc: options.oidc.map(|oidc| Arc::new(crate::accounts::oidc::Oidc::new(oidc))),
            health: status::Cache::default(),
            recalled: home::Recalled::default(),
        }
    }

    /// The time of the real world.
    pub(crate) fn wall(&self) -> jiff::Timestamp {
        self.wall.now()
    }
}

impl Settings {
    /// What is believed here of an account's sessions, which were ended in the store.
    pub(crate) fn forget(&self, account: &str) {
        self.sessions.forget(account, None);
    }

    /// Do people reach the console by an encrypted way?
    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// The pages, each with who may see it or do what it asks for.
pub(crate) fn pages() -> Pages {
    use crate::policy::Action::{Approve, Ask, Operate, Read, ReadPersonal, Write};
    use crate::policy::Resource::{
        Audit, Cases, Connections, DeadLetters, Deliveries, Events, Flows, Holds, Incidents, Keys, Overview, Pauses,
        People, Refunds, Sandbox, Shows, Tickets, Users, Webhooks,
    };
    const OWN: Gate = Gate::Known("everybody's own account");
    Pages::new()
        .get("/", Gate::Known("where people begin: the night, or the first section that is theirs"), home::show)
        .get("/eventos", may(Read, Events), events::list)
        .get("/buscar", may(ReadPersonal, Events), search::show)
        .get("/historia/{event}", may(ReadPersonal, Events), story::show)
        .get("/entregas/{delivery}", may(ReadPersonal, Deliveries), delivery::show)
        .get("/entregas/{delivery}/cuerpo", may(ReadPersonal, Deliveries), delivery::raw_body)
        .get("/desfiles", may(Read, Shows), shows::list)
        .get("/desfiles/{connection}/{id}", may(Read, Shows), shows::show)
        .post("/desfiles/{connection}/{id}/{what}", may(Write, Shows), shows::act)
        .get("/pedidos/{connection}/{id}", may(ReadPersonal, Tickets), shows::order::show)
        .post("/pedidos/{connection}/{id}/{what}", may(Write, Tickets), shows::order::act)
        .post("/pedidos/{connection}/{id}/boletas/{ticket}/{what}", may(Write, Tickets), shows::order::act_on_ticket)
        .post("/pedidos/{connection}/{id}/devolucion", may(Ask, Refunds), refunds::ask)
        .get("/devoluciones", may(ReadPersonal, Refunds), refunds::list)
        .post("/devoluciones/{connection}/{id}/{number}/aprobar", may(Approve, Refunds), refunds::approve)
        .post("/devoluciones/{connection}/{id}/{number}/negar", may(Approve, Refunds), refunds::refuse)
        .post("/devoluciones/{connection}/{id}/{number}/retirar", may(Ask, Refunds), refunds::withdraw)
        .get("/flujos", may(Read, Flows), flows::list)
        .get("/flujos/{name}", may(Read, Flows), flows::show)
        .post("/flujos/{name}/pausar", may(Operate, Pauses), flows::pause)
        .post("/flujos/{name}/reanudar", may(Operate, Pauses), flows::resume)
        .get("/conexiones", may(Read, Connections), connections::list)
        .get("/conexiones/nueva", may(Operate, Connections), newcomer::show)
        .post("/conexiones/{name}/pausar", may(Operate, Pauses), connections::pause)
        .post("/conexiones/{name}/reanudar", may(Operate, Pauses), connections::resume)
        .get("/conexiones/{name}/modelo", may(Read, Connections), plan::show)
        .post("/conexiones/{name}/modelo", may(Operate, Connections), plan::apply)
        .get("/conciliacion", may(Read, Connections), reconciliation::show)
        .post("/conciliacion/{name}", may(Operate, Connections), reconciliation::run)
        .get("/por-resolver", may(ReadPersonal, DeadLetters), dead::list)
        .post("/por-resolver/{id}/reintentar", may(Operate, DeadLetters), dead::retry)
        .post("/por-resolver/{id}/descartar", may(Write, DeadLetters), dead::discard)
        .get("/personas", may(ReadPersonal, People), persons::list)
        .get("/personas/revision", may(ReadPersonal, People), persons::review)
        .get("/personas/conflictos", may(ReadPersonal, People), persons::conflicts)
        .get("/personas/{id}", may(ReadPersonal, People), persons::show)
        .post("/personas/{id}/unir", may(Write, People), persons::merge)
        .post("/personas/{id}/distintas", may(Write, People), persons::apart)
        .post("/personas/{id}/sacar", may(Write, People), persons::take_out)
        .post("/personas/{id}/deshacer", may(Write, People), persons::undo)
        .post("/personas/{id}/conflictos/aceptar", may(Write, People), persons::accept)
        .get("/casos", may(ReadPersonal, Cases), cases::list)
        .get("/casos/nuevo", may(ReadPersonal, Cases), cases::fresh)
        .post("/casos/nuevo", may(Write, Cases), cases::create)
        .get("/casos/{number}", may(ReadPersonal, Cases), cases::show)
        .post("/casos/{number}/paso", may(Operate, Cases), cases::step)
        .get("/conservacion", may(ReadPersonal, Holds), keeping::show)
        .post("/conservacion/ordenes", may(Write, Holds), keeping::add)
        .post("/conservacion/ordenes/{number}/fin", may(Write, Holds), keeping::end)
        .get("/incidentes", may(Read, Incidents), cases::incidents::list)
        .post("/incidentes", may(Write, Incidents), cases::incidents::create)
        .get("/incidentes/{number}", may(Read, Incidents), cases::incidents::show)
        .get("/incidentes/{number}/hoja", may(Read, Incidents), cases::incidents::sheet)
        .post("/incidentes/{number}/paso", may(Operate, Incidents), cases::incidents::step)
        .get("/auditoria", may(ReadPersonal, Audit), audit::list)
        .get("/claves", may(Read, Keys), keys::show)
        .post("/claves", may(Write, Keys), keys::create)
        .post("/claves/{id}/rotar", may(Write, Keys), keys::rotate)
        .post("/claves/{id}/revocar", may(Write, Keys), keys::revoke)
        .get("/webhooks", may(Read, Webhooks), webhooks::show)
        .post("/webhooks", may(Write, Webhooks), webhooks::create)
        .post("/webhooks/{id}/probar", may(Operate, Webhooks), webhooks::try_it)
        .post("/webhooks/{id}/pausar", may(Operate, Webhooks), webhooks::pause)
        .post("/webhooks/{id}/reanudar", may(Operate, Webhooks), webhooks::resume)
        .post("/webhooks/{id}/reenviar", may(Operate, Webhooks), webhooks::replay)
        .post("/webhooks/{id}/secreto", may(Write, Webhooks), webhooks::rotate)
        .post("/webhooks/{id}/quitar", may(Write, Webhooks), webhooks::remove)
        .get("/alarmas", may(Read, Overview), alarms::show)
        .get("/teatro", may(Read, Sandbox), theatre::show)
        .post("/teatro/acto", may(Operate, Sandbox), theatre::act)
        .post("/teatro/red", may(Operate, Sandbox), theatre::network)
        .get("/teatro/carta/{connection}/{message}", may(Read, Sandbox), theatre::letter)
        .get("/teatro/adjunto/{connection}/{message}/{n}", may(Read, Sandbox), theatre::attachment)
        .get(
            "/vivo",
            Gate::Known("the status line of every page; rows of events where the table allows them"),
            live::stream,
        )
        .get("/entrar", Gate::Open("the way in"), signin::form)
        .post("/entrar", Gate::Open("the way in"), signin::enter)
        .post("/entrar/enlace", Gate::Open("the way in"), signin::letter::send)
        .get("/entrar/proveedor", Gate::Open("the way in"), signin::provider::leave)
        .get("/entrar/vuelta", Gate::Open("the way in"), signin::provider::back)
        .get(
            "/primer-uso",
            Gate::Open("the first owner's way in; asks for the link that the terminal showed"),
            first::form,
        )
        .post(
            "/primer-uso",
            Gate::Open("the first owner's way in; asks for the link that the terminal showed"),
            first::make,
        )
        .get("/confirmar", Gate::Known("whoever is in proves it again"), confirm::form)
        .post("/confirmar", Gate::Known("whoever is in proves it again"), confirm::prove)
        .get("/segundo-factor", OWN, enrol::show)
        .get("/mi-cuenta", OWN, own::show)
        .post("/mi-cuenta/contrasena", OWN, own::set_password)
        .post("/mi-cuenta/codigos", OWN, own::begin_codes)
        .post("/mi-cuenta/codigos/activar", OWN, own::prove_codes)
        .post("/mi-cuenta/codigos/quitar", OWN, own::end_codes)
        .post("/mi-cuenta/sesiones/{id}/fin", OWN, own::end_session)
        .get("/usuarios", may(ReadPersonal, Users), users::list)
        .post("/usuarios", may(Write, Users), users::add)
        .post("/usuarios/{id}/{what}", may(Write, Users), users::change)
        .post("/salir", Gate::Known("whoever is in may go out"), signin::leave)
        .get("/recursos/{file}", Gate::Open("style, script and mark"), assets::file)
        // A route and not the router's fallback, so that it is behind the guard like everything else.
        .rest("/{*rest}", Gate::Known("says that there is no such page"), page::not_here)
}

pub(crate) fn routes(app: App) -> Router<App> {
    pages().into_router().method_not_allowed_fallback(page::not_here).layer(from_fn_with_state(app, guard::guard))
}
