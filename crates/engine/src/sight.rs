//! What of the hub's work belongs to whom: a connection is one brand's, and so is what came in and went out by it.
//! The hub's own connection (what people said about their data) is no brand's; neither is what is left of a
//! connection that is configured no more.

use crate::engine::Engine;
use pasarela_domain::Brands;
use pasarela_store::{Seen, Within};

impl Engine {
    /// The hub's work as somebody sees it who has these brands.
    #[must_use]
    pub fn seen_by(&self, brands: &Brands) -> Seen {
        let within = match brands {
            Brands::All => Within::All,
            Brands::Of(_) => {
                let own = self.inner.served().into_iter().filter(|c| brands.covers(&c.brand));
                Within::Connections(own.map(|c| c.id).collect())
            }
        };
        Seen::new(self.store().clone(), within)
    }

    /// The brand of a connection; `None`: there is no such connection, or it is the hub's own.
    #[must_use]
    pub fn brand_of(&self, connection: &str) -> Option<String> {
        let found = self.inner.connections.get(connection)?;
        Some(found.brand.clone()).filter(|brand| !brand.is_empty())
    }

    /// Names of the connections of these brands.
    #[must_use]
    pub fn connections_of(&self, brands: &Brands) -> Vec<String> {
        let all = self.inner.connections.values();
        all.filter(|c| brands.covers(&c.brand)).map(|c| c.name().to_owned()).collect()
    }
}
