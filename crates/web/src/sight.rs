//! What the caller may see. The gate in front of a route hands the handler an [`App`] that sees the rows of the
//! caller's brands and no others; before a gate it sees nothing. What is not seen is not there: 404, and not 403,
//! so that an id tells nothing.

use crate::App;
use crate::problem::Problem;
use pasarela_domain::{Brands, DeliveryId, EffectId, EventId, RunId};
use pasarela_engine::ConnectionState;
use pasarela_store::Seen;

impl App {
    /// The same, as somebody sees it who has these brands.
    pub(crate) fn as_seen_by(&self, brands: &Brands) -> Self {
        Self { sight: self.engine.seen_by(brands), brands_seen: brands.clone(), ..self.clone() }
    }

    /// Deliveries, events, runs, effects that the caller may see.
    pub(crate) fn seen(&self) -> &Seen {
        &self.sight
    }

    /// Connections that the caller may see.
    pub(crate) fn connections(&self) -> Vec<ConnectionState> {
        let mut all = self.engine.connections();
        if !self.sight.is_whole() {
            let own = self.engine.connections_of(&self.brands_seen);
            all.retain(|c| own.contains(&c.name));
        }
        all
    }

    /// May the caller see this connection?
    pub(crate) fn sees_connection(&self, name: &str) -> bool {
        self.sight.is_whole() || self.engine.connections_of(&self.brands_seen).iter().any(|c| c == name)
    }

    /// Before something is done with a connection that the caller names.
    pub(crate) fn must_see_connection(&self, name: &str) -> Result<(), Problem> {
        if self.sees_connection(name) {
            return Ok(());
        }
        Err(Problem::not_found(format!("there is no connection '{name}'")))
    }

    /// Is there something with this id that the caller may see?
    pub(crate) async fn sees(&self, id: &str) -> Result<bool, pasarela_store::Error> {
        if self.sight.is_whole() {
            // Whoever does something with it looks by themselves.
            return Ok(true);
        }
        if let Ok(id) = id.parse::<EffectId>() {
            return Ok(self.sight.effect(id).await?.is_some());
        }
        if let Ok(id) = id.parse::<DeliveryId>() {
            return Ok(self.sight.delivery(id).await?.is_some());
        }
        if let Ok(id) = id.parse::<RunId>() {
            return Ok(self.sight.run(id).await?.is_some());
        }
        if let Ok(id) = id.parse::<EventId>() {
            return Ok(self.sight.event(id).await?.is_some());
        }
        Ok(false)
    }

    /// Before something is done with what the caller names by its id.
    pub(crate) async fn must_see(&self, id: &str) -> Result<(), Problem> {
        if self.sees(id).await? {
            return Ok(());
        }
        Err(Problem::not_found(format!("there is no '{id}'")))
    }
}
