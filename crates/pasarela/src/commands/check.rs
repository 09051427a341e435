//! `pasarela check`: is the configuration right, and what would a flow do?

use crate::Failure;
use crate::config::Config;
use crate::hub::Plan;
use crate::output::{line, note};
use jiff::Timestamp;
use pasarela_domain::consent::ConsentView;
use pasarela_flows::{Flow, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show what this flow would do with an event, without doing it.
    #[arg(long, value_name = "FLOW", requires = "event")]
    explain: Option<String>,
    /// The event, as the API shows it (JSON); a field `models` may add read models by name.
    #[arg(long, value_name = "FILE", requires = "explain")]
    event: Option<PathBuf>,
}

pub(crate) fn run(config_path: &Path, args: &Args, json: bool) -> Result<ExitCode, Failure> {
    let plan = Plan::read(Config::load(config_path)?)?;
    if let (Some(flow), Some(event)) = (&args.explain, &args.event) {
        return explain(&plan, flow, event, json);
    }
    if json {
        let flows: Vec<Value> =
            plan.flows.iter().map(|f| json!({ "flow": f.name, "version": f.version, "on": f.on })).collect();
        let notes: Vec<String> = plan.notes.iter().map(ToString::to_string).collect();
        let connections: Vec<&str> = plan.connections.iter().map(|c| c.config.name.as_str()).collect();
        line(&json!({ "ok": true, "connections": connections, "flows": flows, "notes": notes }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for found in &plan.notes {
        note(&found.to_string());
    }
    for c in &plan.connections {
        line(&format!("connection {:<16} {}", c.config.name, c.config.provider));
    }
    for f in &plan.flows {
        line(&format!("flow       {:<24} version {:<3} on {}", f.name, f.version, f.on.join(", ")));
    }
    line(&format!("ok: {} connections, {} flows", plan.connections.len(), plan.flows.len()));
    Ok(ExitCode::SUCCESS)
}

fn explain(plan: &Plan, name: &str, file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let flow = find(plan, name)?;
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let mut event: Value = serde_json::from_str(&text).map_err(|e| wrong(format!("not JSON: {e}")))?;
    let object =
        event.as_object_mut().ok_or_else(|| wrong("an event is a JSON object with type, key and data".into()))?;
    let data = object.remove("data").ok_or_else(|| wrong("the event has no 'data'".into()))?;
    let given = object.remove("models").unwrap_or_default();
    let mut models: BTreeMap<String, Arc<Value>> = BTreeMap::new();
    // The payload of an order's or a ticket's event is that read model.
    if let Some(head) = object.get("type").and_then(Value::as_str).and_then(|t| t.split('.').next()) {
        models.insert(head.to_owned(), Arc::new(data.clone()));
    }
    if let Value::Object(given) = given {
        models.extend(given.into_iter().map(|(k, v)| (k, Arc::new(v))));
    }
    if let Some(buyer) = models.get("order").and_then(|o| o.get("buyer")).cloned() {
        models.entry("buyer".into()).or_insert_with(|| Arc::new(buyer));
    }
    // Whoever is not known has allowed nothing.
    let nothing = || Arc::new(serde_json::to_value(ConsentView::default()).unwrap_or_default());
    models.entry("consent".into()).or_insert_with(nothing);
    let vars = serde_json::to_value(&plan.config.vars).unwrap_or_default();
    let scope = Scope { event: &event, data: &data, models: &models, vars: &vars, now: Timestamp::now() };
    let told = flow.explain(&scope);
    line(&if json { serde_json::to_string(&told).unwrap_or_default() } else { told.to_string() });
    Ok(ExitCode::SUCCESS)
}

/// A flow by its name, or by its file.
fn find<'p>(plan: &'p Plan, name: &str) -> Result<&'p Arc<Flow>, Failure> {
    let stem = Path::new(name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    plan.flows.iter().find(|f| f.name == name || f.name == stem).ok_or_else(|| {
        let names: Vec<&str> = plan.flows.iter().map(|f| f.name.as_str()).collect();
        Failure::Usage(format!(
            "there is no flow '{name}'; in force are {}",
            if names.is_empty() { "none".into() } else { names.join(", ") }
        ))
    })
}
