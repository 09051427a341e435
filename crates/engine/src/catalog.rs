//! What flows may name: actions of the configured connections, event types, read models.

use pasarela_connector::{Manifest, Provider};
use pasarela_domain::CANONICAL_EVENT_TYPES;
use pasarela_flows::{ActionInfo, Catalog, TemplateText, Unresolved};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Completes a read model: connection, kind, model. False: it is as it was.
pub type Completion = Box<dyn Fn(&str, &str, &mut Value) -> bool + Send + Sync>;

/// The catalogue of one configuration.
pub struct HubCatalog {
    /// What read models are completed with, once it is known.
    completion: OnceLock<Completion>,
    /// Connection name to its provider.
    connections: BTreeMap<String, Arc<dyn Provider>>,
    /// All providers by name.
    providers: BTreeMap<&'static str, Arc<dyn Provider>>,
    /// Templates whose text is known, by name.
    templates: BTreeMap<String, TemplateText>,
}

impl HubCatalog {
    /// A catalogue of configured connections (name, provider) and of all providers.
    pub fn new<'a>(
        connections: impl IntoIterator<Item = (&'a str, Arc<dyn Provider>)>,
        providers: impl IntoIterator<Item = Arc<dyn Provider>>,
    ) -> Self {
        Self {
            connections: connections.into_iter().map(|(n, p)| (n.to_owned(), p)).collect(),
            providers: providers.into_iter().map(|p| (p.manifest().name, p)).collect(),
            completion: OnceLock::new(),
            templates: BTreeMap::new(),
        }
    }

    /// With templates whose text is known, as Meta's form lists them: `[{name, category, components: [{text}]}]`.
    /// The error is a sentence for people.
    pub fn with_templates(mut self, json: &str) -> Result<Self, String> {
        let list: Vec<Value> = serde_json::from_str(json).map_err(|e| e.to_string())?;
        for template in list {
            let Some(name) = template["name"].as_str() else { return Err("a template has no name".into()) };
            let parts = template["components"].as_array().into_iter().flatten();
            let texts: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
            let text = TemplateText { advertises: template["category"] == "MARKETING", text: texts.join("\n") };
            self.templates.insert(name.to_owned(), text);
        }
        Ok(self)
    }

    /// From now on read models are completed by this. What was said first stays.
    pub fn complete_with(&self, completion: Completion) {
        drop(self.completion.set(completion));
    }

    fn info(connection: &str, manifest: &Manifest, action: &str) -> Result<ActionInfo, Unresolved> {
        let action = manifest.action(action).ok_or(Unresolved::Unknown)?;
        Ok(ActionInfo {
            connection: connection.to_owned(),
            action: action.name.to_owned(),
            input: action.input.as_value().clone(),
            output: action.output.clone(),
            message: action.message.is_some(),
            channel: action.message.map(|m| m.channel.to_owned()),
            to: action.message.and_then(|m| m.to).map(str::to_owned),
        })
    }

    /// Connections of a provider that tells events of its own (`<connection>.<type>`).
    fn is_open(provider: &Arc<dyn Provider>) -> bool {
        provider.manifest().is_open()
    }
}

impl Catalog for HubCatalog {
    fn template(&self, name: &str) -> Option<TemplateText> {
        self.templates.get(name).cloned()
    }
    fn action(&self, name: &str) -> Result<ActionInfo, Unresolved> {
        let (head, action) = name.split_once('.').ok_or(Unresolved::Unknown)?;
        if let Some(provider) = self.connections.get(head) {
            return Self::info(head, provider.manifest(), action);
        }
        let provider = self.providers.get(head).ok_or(Unresolved::Unknown)?;
        let own: Vec<&String> =
            self.connections.iter().filter(|(_, p)| p.manifest().name == head).map(|(name, _)| name).collect();
        match own.as_slice() {
            [] if provider.manifest().action(action).is_none() => Err(Unresolved::Unknown),
            [] => Err(Unresolved::NotConfigured { provider: head.to_owned() }),
            [one] => Self::info(one, provider.manifest(), action),
            many => Err(Unresolved::Ambiguous { connections: many.iter().map(|n| (*n).clone()).collect() }),
        }
    }

    fn actions(&self) -> Vec<String> {
        let named = self.connections.iter().map(|(name, p)| (name.as_str(), p));
        let kinds = self.providers.iter().map(|(name, p)| (*name, p));
        let mut all: Vec<String> = named
            .chain(kinds)
            .flat_map(|(head, p)| p.manifest().actions.iter().map(move |a| format!("{head}.{}", a.name)))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn event_types(&self) -> Vec<String> {
        let open = self.connections.iter().filter(|(_, p)| Self::is_open(p)).map(|(name, _)| format!("{name}.…"));
        CANONICAL_EVENT_TYPES.iter().map(|t| (*t).to_owned()).chain(open).collect()
    }

    fn is_event_type(&self, t: &str) -> bool {
        pasarela_domain::is_canonical(t)
            || t.split_once('.')
                .is_some_and(|(head, rest)| !rest.is_empty() && self.connections.get(head).is_some_and(Self::is_open))
    }

    fn schema(&self, name: &str) -> Option<Value> {
        pasarela_domain::model::schema_of(name).map(|s| s.as_value().clone())
    }

    fn complete(&self, connection: &str, kind: &str, model: &mut Value) -> bool {
        self.completion.get().is_some_and(|complete| complete(connection, kind, model))
    }
}
