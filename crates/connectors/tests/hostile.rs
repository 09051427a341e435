//! Bodies and headers of an enemy, and of a provider that changed its mind: any connector, nothing
//! but samples that are bent. What comes from outside never panics, is read the same way each time,
//! and means the same whatever order its fields have.

use jiff::Timestamp;
use pasarela_connector::{ConnectionConfig, Connector, Dedup, Item, RawRequest, Source, Verdict};
use pasarela_domain::Secret;
use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;
use serde_json::{Value, json};
use std::path::Path;

const SECRET: &str = "clave-de-prueba";

fn now() -> Timestamp {
    "2026-11-27T18:00:00Z".parse().unwrap()
}

/// Every connector, each with a connection that receives.
fn connectors() -> Vec<Box<dyn Connector>> {
    pasarela_connectors::registry()
        .into_iter()
        .map(|provider| {
            let name = provider.manifest().name;
            let mut config = ConnectionConfig::bare("prueba", name);
            config.webhook_secrets = vec![Secret::new(SECRET), Secret::new("clave-anterior")];
            if name == "http" {
                config.settings = json!({
                    "verify": { "scheme": "hmac-sha256", "header": "x-signature" },
                    "event": { "type": "/type", "id": "/id", "key": "/id" },
                });
            }
            provider.connect(config).unwrap_or_else(|e| panic!("{name}: {}", e.message))
        })
        .collect()
}

/// Every JSON sample of the provider's folder, whatever it is a sample of.
fn samples() -> Vec<Value> {
    fn walk(folder: &Path, found: &mut Vec<Value>) {
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "json") {
                found.push(serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"), &mut found);
    // Reconciliation's own envelope around what REST answers.
    let records: Vec<Value> = found.iter().filter_map(|v| v.get("data")).cloned().collect();
    for data in records {
        for kind in ["order", "attendee", "check_in", "show", "product", "person", "company", "opportunity"] {
            found.push(json!({ "record": kind, "data": data }));
        }
    }
    found
}

/// A value that no schema expects.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        Just(json!(1e308)),
        Just(json!("999999999999999999999999999999.999999999999")),
        Just(json!("-0.00000000000000000000001")),
        Just(json!("2026-02-30T25:61:61Z")),
        Just(json!("9999999999999")),
        ".{0,40}".prop_map(Value::from),
        Just(json!("\u{0}\u{202e}<script>{{ 7*7 }}")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[[[[[[]]]]]]]])),
        Just(json!({ "id": { "id": { "id": 1 } } })),
    ]
}

#[derive(Debug, Clone)]
enum Bend {
    Replace(Value),
    Remove,
    Double,
    Rename(String),
}

fn bend() -> impl Strategy<Value = Bend> {
    prop_oneof![
        4 => odd().prop_map(Bend::Replace),
        2 => Just(Bend::Remove),
        1 => Just(Bend::Double),
        1 => "[a-z_]{1,12}".prop_map(Bend::Rename),
    ]
}

/// Bends the `at`th node of a tree, counted from its root.
fn apply(value: &mut Value, at: &mut usize, bend: &Bend) {
    if *at == 0 {
        if let Bend::Replace(with) = bend {
            *value = with.clone();
        }
        *at = usize::MAX;
        return;
    }
    match value {
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                *at -= 1;
                if *at == 0 {
                    match bend {
                        Bend::Remove => drop(map.remove(&key)),
                        Bend::Rename(name) => {
                            let inner = map.remove(&key).unwrap_or_default();
                            map.insert(name.clone(), inner);
                        }
                        _ => {
                            if let Some(inner) = map.get_mut(&key) {
                                apply(inner, &mut 0, bend);
                            }
                        }
                    }
                    *at = usize::MAX;
                    return;
                }
                if let Some(inner) = map.get_mut(&key) {
                    apply(inner, at, bend);
                }
                if *at == usize::MAX {
                    return;
                }
            }
        }
        Value::Array(items) => {
            let mut index = 0;
            while index < items.len() {
                *at -= 1;
                if *at == 0 {
                    match bend {
                        Bend::Remove => drop(items.remove(index)),
                        Bend::Double => items.insert(index, items[index].clone()),
                        _ => apply(&mut items[index], &mut 0, bend),
                    }
                    *at = usize::MAX;
                    return;
                }
                apply(&mut items[index], at, bend);
                if *at == usize::MAX {
                    return;
                }
                index += 1;
            }
        }
        _ => {}
    }
}

fn nodes(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.values().map(|v| 1 + nodes(v)).sum(),
        Value::Array(items) => items.iter().map(|v| 1 + nodes(v)).sum(),
        _ => 0,
    }
}

/// The same body with the fields of every object in another order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect()),
        Value::Array(items) => items.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

/// What must hold of any body, for any connector.
fn holds(connector: &dyn Connector, body: &[u8]) -> Result<(), TestCaseError> {
    for source in [Source::Webhook, Source::Poll, Source::Fetch] {
        let read = connector.translate(source, body);
        let again = connector.translate(source, body);
        prop_assert_eq!(format!("{read:?}"), format!("{again:?}"), "read the same way each time");
        let Ok(read) = read else { continue };
        for item in &read.items {
            let Item::Fact(fact) = item else { continue };
            prop_assert!(!fact.key.is_empty(), "a fact without a key has no order: {fact:?}");
            if let Dedup::Once { entity, .. } = &fact.dedup {
                prop_assert!(!entity.is_empty(), "a fact without an entity is everybody's duplicate: {fact:?}");
            }
            for write in &fact.entities {
                prop_assert!(!write.entity.id.is_empty(), "a read model without an id: {fact:?}");
            }
        }
    }
    Ok(())
}

fn config(cases: u32) -> ProptestConfig {
    let seed = proptest::test_runner::RngSeed::Fixed(20_261_127);
    ProptestConfig {
        cases,
        rng_seed: seed,
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn bent_samples_are_refused_or_read_and_never_panic() {
    let (connectors, samples) = (connectors(), samples());
    assert!(samples.len() > 100, "{} samples", samples.len());
    let strategy = (any::<prop::sample::Index>(), prop::collection::vec((any::<prop::sample::Index>(), bend()), 1..4));
    let mut runner = proptest::test_runner::TestRunner::new(config(6_000));
    let result = runner.run(&strategy, |(which, bends)| {
        let mut body = which.get(&samples).clone();
        for (place, bend) in bends {
            let mut at = place.index(nodes(&body) + 1);
            apply(&mut body, &mut at, &bend);
        }
        let bytes = serde_json::to_vec(&body).unwrap();
        connectors.iter().try_for_each(|c| holds(&**c, &bytes))
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn bent_bytes_are_refused_or_read_and_never_panic() {
    let connectors = connectors();
    let samples: Vec<Vec<u8>> = samples().iter().map(|v| serde_json::to_vec(v).unwrap()).collect();
    let cut = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..8));
    let strategy = (any::<prop::sample::Index>(), cut);
    let mut runner = proptest::test_runner::TestRunner::new(config(4_000));
    let result = runner.run(&strategy, |(which, (from, to, with))| {
        let mut bytes = which.get(&samples).clone();
        let (a, b) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
        bytes.splice(a.min(b)..a.max(b).min(a.min(b) + 24), with);
        connectors.iter().try_for_each(|c| holds(&**c, &bytes))
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}

/// What a fact is known again by, and what is kept of it; a message's own words stay as they came.
#[test]
fn the_order_of_fields_means_nothing() {
    let samples = samples();
    let read = |connector: &dyn Connector, value: &Value| {
        let read = connector.translate(Source::Webhook, &serde_json::to_vec(value).unwrap()).ok()?;
        let facts = read.items.into_iter().map(|item| match item {
            Item::Fact(f) => format!("{:?}", (f.event_type, f.key, f.refs, f.dedup, f.entities, f.settles)),
            other => format!("{other:?}"),
        });
        Some(facts.collect::<Vec<_>>())
    };
    for connector in connectors() {
        for body in &samples {
            assert_eq!(read(&*connector, body), read(&*connector, &reversed(body)));
        }
    }
}

#[test]
fn nothing_but_a_true_signature_is_believed() {
    let connectors = connectors();
    let headers = [
        "signature",
        "x-hub-signature-256",
        "x-signature",
        "x-twenty-webhook-signature",
        "x-twenty-webhook-timestamp",
        "authorization",
        "webhook-signature",
        "webhook-timestamp",
        "webhook-id",
    ];
    let value = prop_oneof![
        "[ -~]{0,200}",
        "[0-9a-f]{64}",
        "sha256=[0-9a-f]{0,70}",
        "v1,[A-Za-z0-9+/=]{0,90}",
        "[0-9]{0,30}",
        Just(String::new()),
        Just("sha256=".to_owned()),
        Just("é".repeat(64)),
    ];
    let strategy =
        (prop::collection::vec(value, headers.len()), prop::collection::vec(any::<u8>(), 0..64), "[ -~]{0,80}");
    let mut runner = proptest::test_runner::TestRunner::new(config(4_000));
    let result = runner.run(&strategy, |(values, body, query)| {
        let header = |name: &str| headers.iter().position(|h| *h == name).map(|i| values[i].as_str());
        for method in ["POST", "GET"] {
            let request = RawRequest { method, query: &query, header: &header, body: &body };
            for connector in &connectors {
                let verdict = connector.verify(&request, now());
                prop_assert!(
                    !matches!(verdict, Verdict::Authentic { .. }),
                    "{} believed {method} {values:?}",
                    connector.config().provider
                );
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|e| panic!("{e}"));
}
