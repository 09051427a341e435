//! Flows in force: those that the program brings, those of the folder, and those that a person pushed.
//! New runs begin with what is in force; runs that are there keep the version that they began with.
//!
//! A pushed flow wins over a built-in flow or a file of its name, unless that has a higher version.

use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_flows::{Flow, Origin};
use pasarela_store::{PauseRow, PushedFlow, Store};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Flows in force.
#[derive(Default)]
pub struct FlowSet {
    by_type: HashMap<String, Vec<(i64, Arc<Flow>)>>,
    all: Vec<(i64, Arc<Flow>)>,
    pushed: HashMap<String, PushedFlow>,
    /// Versions that are not in force any more, with runs that go on, may listen.
    earlier_listen: bool,
}

impl FlowSet {
    /// Of these versions, of which some were pushed.
    fn new(all: Vec<(i64, Arc<Flow>)>, pushed: HashMap<String, PushedFlow>, earlier_listen: bool) -> Self {
        let mut by_type: HashMap<String, Vec<(i64, Arc<Flow>)>> = HashMap::new();
        for (id, flow) in &all {
            for event_type in &flow.on {
                by_type.entry(event_type.clone()).or_default().push((*id, flow.clone()));
            }
        }
        Self { by_type, all, pushed, earlier_listen }
    }

    /// Flows that an event type starts.
    pub(crate) fn on(&self, event_type: &str) -> Vec<(i64, Arc<Flow>)> {
        self.by_type.get(event_type).cloned().unwrap_or_default()
    }

    /// Does a flow that waits for this type ask what the event's person has allowed?
    pub(crate) fn asks_consent(&self, event_type: &str) -> bool {
        self.by_type.get(event_type).is_some_and(|flows| flows.iter().any(|(_, f)| f.models().contains("consent")))
    }

    /// May any run listen to events? If no flow waits or is cancelled by events, nobody asks the store.
    pub(crate) fn listens(&self) -> bool {
        self.earlier_listen || self.all.iter().any(|(_, f)| f.may_listen())
    }

    /// All, with the row of their version.
    pub(crate) fn all(&self) -> impl Iterator<Item = &(i64, Arc<Flow>)> {
        self.all.iter()
    }

    fn find(&self, name: &str) -> Option<&Arc<Flow>> {
        self.all.iter().map(|(_, f)| f).find(|f| f.name == name)
    }
}

/// A flow in force, for people.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct FlowState {
    /// Name.
    pub name: String,
    /// Version.
    pub version: u32,
    /// `built_in`, `file`, `pushed`.
    pub from: &'static str,
    /// Title per language.
    pub title: BTreeMap<String, String>,
    /// Event types that begin it.
    pub on: Vec<String>,
    /// Runs that have not ended, per version.
    pub live: BTreeMap<u32, u64>,
    /// Is it paused?
    pub paused: Option<PauseRow>,
    /// Who pushed it, and when.
    pub pushed: Option<Pushed>,
}

/// Who pushed a flow.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct Pushed {
    /// Name of the API key, or of the command line.
    pub by: String,
    /// When.
    #[schemars(with = "pasarela_domain::Moment")]
    pub at: Timestamp,
}

/// What a push does to one flow.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct FlowChange {
    /// Name.
    pub name: String,
    /// Its version from now on.
    pub version: u32,
    /// The version before.
    pub was: Option<u32>,
    /// `new`, `changed`, `same`.
    pub change: &'static str,
}

/// Why nothing was pushed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PushError {
    /// Something is wrong with the texts: every problem, with its place.
    #[error("nothing was pushed:\n{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// Another version is in force than the one that was read.
    #[error("nothing was pushed: another version of the flow is in force than the one that was read")]
    Changed,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] pasarela_store::Error),
}

/// Puts in force, at a start, what was pushed in the past.
pub(crate) async fn with_pushed(
    mut all: Vec<(i64, Arc<Flow>)>,
    store: &dyn Store,
    compile: impl Fn(&str, &str) -> Result<Flow, Vec<pasarela_flows::Problem>>,
) -> Result<FlowSet, pasarela_store::Error> {
    let mut pushed = HashMap::new();
    for row in store.pushed_flows().await? {
        let Some((name, version, source)) = store.flow(row.flow).await? else { continue };
        let place = all.iter().position(|(_, f)| f.name == name);
        if let Some((_, own)) = place.and_then(|p| all.get(p)) {
            if own.version > version {
                tracing::info!(
                    flow = name,
                    version = own.version,
                    pushed = version,
                    "a newer file replaces the pushed flow"
                );
                continue;
            }
            if own.version == version && own.source != source {
                tracing::warn!(
                    flow = name,
                    version,
                    "the file differs from the pushed flow of the same version; the pushed one is in force: `pasarela flows diff` shows how"
                );
            }
        }
        match compile(&name, &source) {
            Ok(flow) => {
                if let Some(place) = place {
                    all.remove(place);
                }
                all.push((row.flow, Arc::new(flow)));
                pushed.insert(name, row);
            }
            Err(problems) => {
                let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                tracing::error!(
                    flow = name,
                    version,
                    why = why.join("; "),
                    "a pushed flow does not compile any more and is not in force"
                );
            }
        }
    }
    let live = store.live_runs().await?;
    let earlier = live.iter().any(|(flow, _)| all.iter().all(|(id, _)| id != flow));
    Ok(FlowSet::new(all, pushed, earlier))
}

impl Inner {
    /// Flows in force, by name.
    pub(crate) async fn flow_states(&self) -> Result<Vec<FlowState>, pasarela_store::Error> {
        let set = self.flows.load_full();
        let mut live: HashMap<String, BTreeMap<u32, u64>> = HashMap::new();
        for (flow, runs) in self.store.live_runs().await? {
            if let Some((name, version, _)) = self.store.flow(flow).await? {
                *live.entry(name).or_default().entry(version).or_default() += runs;
            }
        }
        let pauses = self.pauses.load_full();
        let mut states: Vec<FlowState> = set
            .all()
            .map(|(_, flow)| {
                let pushed = set.pushed.get(&flow.name);
                FlowState {
                    name: flow.name.clone(),
                    version: flow.version,
                    from: match (pushed, flow.origin) {
                        (Some(_), _) => "pushed",
                        (None, Origin::BuiltIn) => "built_in",
                        (None, Origin::File) => "file",
                    },
                    title: flow.title.clone(),
                    on: flow.on.clone(),
                    live: live.remove(&flow.name).unwrap_or_default(),
                    paused: pauses.find(pasarela_store::PauseKind::Flow, &flow.name).cloned(),
                    pushed: pushed.map(|p| Pushed { by: p.by.clone(), at: p.at }),
                }
            })
            .collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(states)
    }

    /// What was pushed at another node is in force here too.
    pub(crate) async fn follow_flows(&self) -> Result<(), pasarela_store::Error> {
        let rows: Vec<i64> = self.store.pushed_flows().await?.into_iter().map(|p| p.flow).collect();
        let _one = self.pushing.lock().await;
        if !self.neighbours.pushes(&rows) {
            return Ok(());
        }
        let set = self.flows.load_full();
        if rows.iter().all(|row| set.pushed.values().any(|p| p.flow == *row)) {
            return Ok(());
        }
        let compile = |file: &str, text: &str| pasarela_flows::compile(file, text, Origin::File, &*self.catalog);
        let fresh = with_pushed(set.all().cloned().collect(), &*self.store, compile).await?;
        fresh.all().for_each(|(id, flow)| self.keep_version(*id, flow.clone()));
        self.flows.store(Arc::new(fresh));
        tracing::info!("flows that were pushed at another node are in force");
        Ok(())
    }

    /// Checks texts of flows, all of them, and puts them in force together. `dry_run`: checks only. `read`: flow and
    /// version that whoever wrote the one text had read.
    pub(crate) async fn push_flows(
        &self,
        files: &[(String, String)],
        by: &str,
        dry_run: bool,
        read: Option<(String, u32)>,
        now: Timestamp,
    ) -> Result<Vec<FlowChange>, PushError> {
        let _one = self.pushing.lock().await;
        let set = self.flows.load_full();
        if let Some((name, version)) = &read
            && set.find(name).is_none_or(|own| own.version != *version)
        {
            return Err(PushError::Changed);
        }
        let (mut fresh, mut changes, mut wrong): (Vec<Arc<Flow>>, Vec<FlowChange>, Vec<String>) = Default::default();
        for (file, text) in files {
            let flow = match pasarela_flows::compile(file, text, Origin::File, &*self.catalog) {
                Ok(flow) if !flow.unlawful.is_empty() => {
                    wrong.extend(flow.unlawful.iter().map(ToString::to_string));
                    continue;
                }
                Ok(flow) => flow,
                Err(problems) => {
                    wrong.extend(problems.iter().map(ToString::to_string));
                    continue;
                }
            };
            if let Some((name, _)) = &read
                && *name != flow.name
            {
                wrong.push(format!("{file}: this is the flow '{}', and '{name}' was read", flow.name));
                continue;
            }
            if changes.iter().any(|c| c.name == flow.name) {
                wrong.push(format!("{file}: another of these files has the flow '{}' too", flow.name));
                continue;
            }
            let own = set.find(&flow.name);
            let change = match own {
                None => "new",
                Some(own) if own.source == flow.source => "same",
                Some(own) if own.version >= flow.version => {
                    wrong.push(format!(
                        "{file}: '{}' is in force with version {} and another text; give this one version {} or higher",
                        flow.name,
                        own.version,
                        own.version + 1
                    ));
                    continue;
                }
                Some(_) => "changed",
            };
            changes.push(FlowChange {
                name: flow.name.clone(),
                version: flow.version,
                was: own.map(|o| o.version),
                change,
            });
            if change != "same" {
                fresh.push(Arc::new(flow));
            }
        }
        if !wrong.is_empty() {
            return Err(PushError::Refused(wrong));
        }
        if dry_run || fresh.is_empty() {
            return Ok(changes);
        }
        let mut rows = Vec::with_capacity(fresh.len());
        for flow in &fresh {
            rows.push(self.store.flow_id(&flow.name, flow.version, &flow.source).await?);
        }
        self.store.push_flows(rows.clone(), by, now).await?;
        self.store.tell(pasarela_store::News::NODES);
        let mut all: Vec<(i64, Arc<Flow>)> =
            set.all().filter(|(_, f)| fresh.iter().all(|n| n.name != f.name)).cloned().collect();
        let mut pushed = set.pushed.clone();
        for (id, flow) in rows.into_iter().zip(fresh) {
            tracing::info!(flow = flow.name, version = flow.version, by, "a pushed flow is in force");
            pushed.insert(
                flow.name.clone(),
                PushedFlow { flow: id, name: flow.name.clone(), by: by.to_owned(), at: now },
            );
            self.keep_version(id, flow.clone());
            all.push((id, flow));
        }
        self.flows.store(Arc::new(FlowSet::new(all, pushed, set.listens())));
        Ok(changes)
    }
}
