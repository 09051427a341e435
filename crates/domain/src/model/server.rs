//! What a provider's server can do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that some servers of a provider can do and others cannot: read model `trait`, under its name. One that
/// nobody has seen yet is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerTrait {
    /// Name, as the provider's connector has it.
    pub name: String,
    /// Can this server do it?
    pub has: bool,
}
