//! What a flow may ask for and hear of, as the hub knows it from its connections.

use serde_json::Value;

/// Where a flow's text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Ships inside the binary: a step at a provider that is not configured is left out.
    BuiltIn,
    /// Written by a user: such a step is an error.
    File,
}

/// The hub's knowledge of actions, events and shapes.
pub trait Catalog {
    /// `twenty.upsert_person`: a connection's name or a provider's name, a dot, an action.
    fn action(&self, name: &str) -> Result<ActionInfo, Unresolved>;
    /// Names of all actions, for suggestions.
    fn actions(&self) -> Vec<String>;
    /// All known event types; those of `http` connections are open, see [`Self::is_event_type`].
    fn event_types(&self) -> Vec<String>;
    /// Can an event have this type?
    fn is_event_type(&self, event_type: &str) -> bool;
    /// JSON Schema of an event type's data or of a read model (`order`, `buyer`, `ticket`, `show`,
    /// `person`, ...); `None`: open.
    fn schema(&self, name: &str) -> Option<Value>;
    /// The text of a template of this name, where the hub knows it.
    fn template(&self, name: &str) -> Option<TemplateText> {
        let _ = name;
        None
    }
    /// Completes a read model (`order`, `ticket`, ...) with what the hub makes of it when a flow reads it, such
    /// as the address of a ticket's page. Nothing of that is kept. False: it is as it was.
    fn complete(&self, connection: &str, kind: &str, model: &mut Value) -> bool {
        let _ = (connection, kind, model);
        false
    }
}

/// An action at a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionInfo {
    /// Name of the connection that does it.
    pub connection: String,
    /// Name of the action at its connector.
    pub action: String,
    /// JSON Schema of the input.
    pub input: Value,
    /// Fields of the result: `{"id": "string"}`; `{}` when not told.
    pub output: Value,
    /// Is it a message to a person? Then a step must give its class.
    pub message: bool,
    /// By which channel, if it is one.
    pub channel: Option<String>,
    /// Where the input names the address (a JSON pointer), if it does.
    pub to: Option<String>,
}

/// A template that messages are made of, as the provider keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateText {
    /// The provider holds it for advertising.
    pub advertises: bool,
    /// What it says, without what is filled in.
    pub text: String,
}

/// Why an action has no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// No such provider, connection or action.
    Unknown,
    /// The provider is known, and no connection to it is configured.
    NotConfigured {
        /// The provider's name.
        provider: String,
    },
    /// The provider has several connections.
    Ambiguous {
        /// Their names.
        connections: Vec<String>,
    },
}
