//! What judged each connector besides our own simulator: `scripts/judges.d/evidence.toml`, beside the
//! judges. A judge that is named must be there.

use super::root;
use pasarela_connector::Manifest;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// What stood in judgement, and by what it is run.
    #[serde(default)]
    judged: Vec<Judged>,
    /// What did not yet.
    #[serde(default)]
    not_yet: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    /// In words.
    by: String,
    /// A file of `scripts/judges.d`, or a test.
    judge: String,
}

fn read() -> BTreeMap<String, Entry> {
    let path = root().join("scripts/judges.d/evidence.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(super) fn table(manifests: &[&Manifest]) -> String {
    let all = read();
    let mut out = String::from("| connector | written against | judged by | not yet |\n|---|---|---|---|\n");
    for m in manifests {
        let entry = all.get(m.name).unwrap_or_else(|| panic!("evidence.toml says nothing of {}", m.name));
        let judged: Vec<String> = entry.judged.iter().map(|j| format!("{} (`{}`)", j.by, j.judge)).collect();
        let judged = if judged.is_empty() { "nothing yet".into() } else { judged.join("; ") };
        out.push_str(&format!("| `{}` | {} | {judged} | {} |\n", m.name, m.api.version, entry.not_yet.join("; ")));
    }
    out
}

#[test]
fn every_judge_that_is_named_is_there_and_every_judge_that_is_there_is_named() {
    let all = read();
    let registry = pasarela_connectors::registry();
    for name in all.keys() {
        assert!(registry.iter().any(|p| p.manifest().name == name), "evidence.toml: there is no connector {name}");
    }
    let mut named = Vec::new();
    for (name, entry) in &all {
        assert!(!entry.judged.is_empty() || !entry.not_yet.is_empty(), "{name}: say what is missing");
        for judged in &entry.judged {
            super::outline::judge_exists(&judged.judge).unwrap_or_else(|why| panic!("{name}: {why}"));
            named.push(judged.judge.clone());
        }
    }
    for file in std::fs::read_dir(root().join("scripts/judges.d")).unwrap().map(|e| e.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        // The browser judges our pages, holidays our calendar, oidc our door, schemathesis and clients our API, not a connector; live speaks for itself.
        let of_none = ["evidence.toml", "browser", "holidays", "live", "oidc", "schemathesis", "clients"]
            .contains(&name.as_str())
            || file.is_dir();
        assert!(of_none || named.contains(&format!("scripts/judges.d/{name}")), "{name} judges what?");
    }
}
