//! The diagrams, drawn from the same data as the tables.

use super::root;
use super::tables::built_in;
use pasarela_book::draw::{Direction, Graph, Kind};
use serde_json::Value;
use std::collections::BTreeMap;

/// File name and picture.
pub(super) fn all() -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = built_in()
        .iter()
        .map(|flow| (format!("flow-{}.svg", flow["flow"].as_str().unwrap()), flow_picture(flow).svg()))
        .collect();
    all.insert("crates.svg".into(), crates_picture().svg());
    all.insert("way.svg".into(), way().svg());
    all
}

/// The way of the data (design: one direction).
fn way() -> Graph {
    Graph::new("The way of the data", Direction::Right)
        .node("provider", "provider", Kind::Outside)
        .node("hooks", "hooks\nwebhooks", Kind::Plain)
        .node("reconcile", "reconcile\npolls", Kind::Plain)
        .node("deliveries", "deliveries\non disk", Kind::Begin)
        .node("decide", "decide\none commit", Kind::Plain)
        .node("written", "events, runs,\neffects", Kind::Begin)
        .node("timers", "timers\nwaits", Kind::Wait)
        .node("lanes", "lanes\norder, pace", Kind::Plain)
        .node("dispatch", "dispatch\ncalls", Kind::Plain)
        .node("called", "provider", Kind::Outside)
        .edge("provider", "hooks", "")
        .edge("provider", "reconcile", "")
        .edge("hooks", "deliveries", "")
        .edge("reconcile", "deliveries", "")
        .edge("deliveries", "decide", "")
        .edge("decide", "written", "")
        .edge("decide", "timers", "")
        .edge("written", "lanes", "")
        .edge("timers", "lanes", "")
        .edge("lanes", "dispatch", "")
        .edge("dispatch", "called", "")
}

fn flow_picture(flow: &Value) -> Graph {
    let name = flow["flow"].as_str().unwrap();
    let begins: Vec<&str> = flow["on"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let mut graph = Graph::new(&format!("Flow {name}"), Direction::Down).node("", &begins.join("\n"), Kind::Begin);
    steps(&mut graph, &flow["steps"], "", "");
    graph
}

/// Adds steps below `above`; each hangs on the steps that it waits for.
fn steps(graph: &mut Graph, list: &Value, above: &str, label: &str) {
    for step in list.as_array().into_iter().flatten() {
        let path = step["path"].as_str().unwrap();
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
        let (line, kind) = match step["kind"].as_str().unwrap() {
            "each" => (format!("for each of\n{}", bare(&text("each"))), Kind::Wait),
            "wait" => {
                let until = step["until"].as_str().or_else(|| step["for"].as_str());
                let until = until.map_or_else(|| step["for"].to_string(), bare);
                (format!("wait\n{until}"), Kind::Wait)
            }
            _ => {
                let id = step["id"].as_str().map(|id| format!("\n{id}")).unwrap_or_default();
                (format!("{}{id}", text("do")), Kind::Plain)
            }
        };
        let mut whole = graph.clone().node(path, &line, kind);
        let after: Vec<&str> = step["after"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let from: Vec<&str> = if after.is_empty() || !label.is_empty() { vec![above] } else { after };
        for from in from {
            whole = whole.edge(from, path, label);
        }
        *graph = whole;
        steps(graph, &step["steps"], path, "");
        steps(graph, &step["otherwise"], path, "otherwise");
    }
}

/// An expression without its braces.
fn bare(text: &str) -> String {
    text.trim().trim_start_matches("{{").trim_end_matches("}}").trim().to_owned()
}

/// Name, what it is, and which of ours it uses, in the order of the dependencies.
pub(super) fn crates() -> Vec<(String, String, Vec<String>)> {
    let mut all = Vec::new();
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|e| e.unwrap().path());
    for folder in folders.filter(|f| f.join("Cargo.toml").exists()) {
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&text).unwrap();
        let about = manifest["package"]["description"].as_str().unwrap().to_owned();
        let uses = manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten();
        let mut uses: Vec<String> =
            uses.filter_map(|(name, _)| name.strip_prefix("pasarela-").map(str::to_owned)).collect();
        uses.sort();
        all.push((folder.file_name().unwrap().to_string_lossy().into_owned(), about, uses));
    }
    // What uses nothing comes first, and each after what it uses.
    let mut sorted: Vec<(String, String, Vec<String>)> = Vec::new();
    all.sort();
    while !all.is_empty() {
        let ready = all.iter().position(|(.., uses)| uses.iter().all(|u| sorted.iter().any(|(n, ..)| n == u)));
        sorted.push(all.remove(ready.expect("no crate uses itself by way of others")));
    }
    sorted
}

/// Arrows that other arrows imply are left out.
fn crates_picture() -> Graph {
    let all = crates();
    let uses = |name: &str| all.iter().find(|(n, ..)| n == name).map(|(.., u)| u.as_slice()).unwrap_or_default();
    fn reaches(from: &str, to: &str, uses: &dyn Fn(&str) -> Vec<String>) -> bool {
        uses(from).iter().any(|u| u == to || reaches(u, to, uses))
    }
    let owned = |name: &str| uses(name).to_vec();
    let mut graph = Graph::new("Which crate uses which", Direction::Down);
    for (name, ..) in all.iter().rev() {
        let kind = if name == "pasarela" { Kind::Begin } else { Kind::Plain };
        graph = graph.node(name, name, kind);
    }
    for (name, _, direct) in all.iter().rev() {
        for used in direct {
            let implied = direct.iter().any(|other| other != used && reaches(other, used, &owned));
            if !implied {
                graph = graph.edge(name, used, "");
            }
        }
    }
    graph
}
