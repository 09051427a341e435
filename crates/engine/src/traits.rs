//! What a connection's server can do. Whatever finds it out writes it as read models (`trait`); here it is told, with
//! what nobody has seen yet.

use crate::engine::Inner;
use pasarela_domain::EntityRef;
use pasarela_domain::model::ServerTrait;
use pasarela_store::Error;
use schemars::JsonSchema;
use serde::Serialize;

/// Something that some servers of a provider can do and others cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServerCan {
    /// Name.
    pub name: String,
    /// For people, in Spanish.
    pub es: String,
    /// For people, in English.
    pub en: String,
    /// First version that can do it.
    pub since: String,
    /// Can this one? Null: nobody has seen it yet.
    pub has: Option<bool>,
}

impl Inner {
    /// What the server of a connection can do, as its connector lists it; empty where all servers are alike.
    pub(crate) async fn server_can(&self, connection: &str) -> Result<Vec<ServerCan>, Error> {
        let Some(connection) = self.connection(connection) else { return Ok(Vec::new()) };
        let traits = connection.connector().traits();
        if traits.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = traits.iter().map(|t| (connection.id, EntityRef::new("trait", t.name))).collect();
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        let told = traits.iter().zip(rows).map(|(t, row)| ServerCan {
            name: t.name.to_owned(),
            es: t.es.to_owned(),
            en: t.en.to_owned(),
            since: t.since.to_owned(),
            has: row.and_then(|r| serde_json::from_slice::<ServerTrait>(&r.data).ok()).map(|t| t.has),
        });
        Ok(told.collect())
    }
}
