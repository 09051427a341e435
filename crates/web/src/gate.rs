//! The gate in front of every handler: it is put there by the registration of the route, so no handler can be
//! reached around it and none can forget it. On the API's listener it asks for a key, in the console for the
//! session that the guard found.

use crate::App;
use crate::console::Visitor;
use crate::policy::{Action, Gate, Resource, Scope};
use crate::problem::Problem;
use crate::server::Peer;
use crate::who::{self, Refusal, Who};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::pin::Pin;

/// At which door callers show who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A key in the request's header.
    Key,
    /// A session of the console.
    Session,
}

/// A handler behind its gate.
#[derive(Clone)]
pub(crate) struct Guarded<H> {
    pub(crate) handler: H,
    pub(crate) gate: Gate,
    pub(crate) door: Door,
}

impl<H, T> Handler<T, App> for Guarded<H>
where
    H: Handler<T, App>,
    T: 'static,
{
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, mut request: Request, app: App) -> Self::Future {
        Box::pin(async move {
            let let_in = match self.door {
                Door::Key => by_key(&app, self.gate, &mut request).await.map_err(Problem::into_response),
                Door::Session => by_session(&app, self.gate, &mut request),
            };
            match let_in {
                Ok(()) => self.handler.call(request, app).await,
                Err(refusal) => refusal,
            }
        })
    }
}

/// The key says who it is; the table says whether they may.
async fn by_key(app: &App, gate: Gate, request: &mut Request) -> Result<(), Problem> {
    let (action, resource) = match gate {
        Gate::May(action, resource) => (Some(action), Some(resource)),
        Gate::Known(_) => (None, None),
        Gate::Open(_) | Gate::Signed | Gate::Pass => return Ok(()),
    };
    let mut who = crate::auth::caller(app, request.headers()).await?;
    who.from = request.extensions().get::<Peer>().map(|p| p.0);
    if let (Some(action), Some(resource)) = (action, resource) {
        who::check(&who, action, resource, &app.brands).map_err(|why| refused(&who, action, resource, why))?;
    }
    request.extensions_mut().insert(who);
    Ok(())
}

fn refused(who: &Who, action: Action, resource: Resource, why: Refusal) -> Problem {
    let title = "The API key does not allow this";
    if why == Refusal::Brand {
        let detail = "its scopes do, but for no brand that this hub has; `pasarela keys list` shows its brands";
        return Problem::new(StatusCode::FORBIDDEN, "other_brand", title, detail);
    }
    let needs = match Scope::needed(resource, action) {
        Some(scope) if resource.governs() => format!("the scope '{scope}'"),
        Some(scope) => {
            let broad = scope.to_string();
            let broad = broad.rsplit(':').next().unwrap_or_default();
            format!("the scope '{scope}', or '{broad}'")
        }
        None => format!("a person: nobody may {} {} by a scope", action.word(), resource.word()),
    };
    let brands = if resource.is_the_hubs() { ", for every brand" } else { "" };
    let detail = format!("this needs {needs}{brands}; the key has {}", who.holds());
    Problem::new(StatusCode::FORBIDDEN, "missing_scope", title, detail)
}

/// The guard in front of the console found the session, or turned its absence away; the table says the rest.
fn by_session(app: &App, gate: Gate, request: &mut Request) -> Result<(), Response> {
    let visitor = request.extensions().get::<Visitor>().cloned();
    let (action, resource) = match gate {
        Gate::May(action, resource) => (action, resource),
        Gate::Known(_) | Gate::Signed | Gate::Pass => {
            let known = visitor.is_some_and(|v| v.who().is_some());
            return if known { Ok(()) } else { Err(StatusCode::FORBIDDEN.into_response()) };
        }
        Gate::Open(_) => return Ok(()),
    };
    let Some(visitor) = visitor else { return Err(StatusCode::FORBIDDEN.into_response()) };
    let Some(who) = visitor.who() else { return Err(visitor.refused(action)) };
    let mut who = who.clone();
    who.from = request.extensions().get::<Peer>().map(|p| p.0);
    if who::check(&who, action, resource, &app.brands).is_err() {
        return Err(visitor.refused(action));
    }
    request.extensions_mut().insert(who);
    Ok(())
}
