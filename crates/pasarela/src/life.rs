//! Start and stop of a node, in the audit: which version, with which configuration, and what of it changed since the
//! last start. Names of tables and keyed hashes of them; no value.

use jiff::Timestamp;
use pasarela_store::{AuditFilter, Audited, Error, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Actions of these entries.
const STARTED: &str = "hub.started";
const STOPPED: &str = "hub.stopped";

/// Writes down that this node starts. `digests`: of the tables of its configuration.
pub(crate) async fn begins(store: &dyn Store, digests: &BTreeMap<String, [u8; 32]>) -> Result<(), Error> {
    let subject = format!("node {}", store.node());
    let filter = AuditFilter {
        action: Some(STARTED.into()),
        subject: Some(subject.clone()),
        limit: 1,
        ..AuditFilter::default()
    };
    let last = store.audit_list(filter).await?.rows.into_iter().next().and_then(|row| row.after);
    let version = env!("CARGO_PKG_VERSION");
    let hash = |(name, digest): (&String, &[u8; 32])| {
        let keyed = store.sealer().hash(&["configuration", name, &hex::encode(digest)]);
        (name.clone(), format!("{:016x}", keyed.cast_unsigned()))
    };
    let tables: BTreeMap<String, String> = digests.iter().map(hash).collect();
    let mut after = json!({ "version": version, "boot": store.boot(), "tables": tables });
    if let Some(last) = &last {
        after["changed"] = json!(changed(&last["tables"], &tables));
        if last["version"] != version {
            after["version_before"] = last["version"].clone();
        }
    }
    note(store, STARTED, &subject, Some(after)).await
}

/// Writes down that this node stops, because somebody asked it to.
pub(crate) async fn ends(store: &dyn Store) -> Result<(), Error> {
    note(store, STOPPED, &format!("node {}", store.node()), None).await
}

async fn note(store: &dyn Store, action: &str, subject: &str, after: Option<Value>) -> Result<(), Error> {
    let audited = Audited { after, ..Audited::by_system(Timestamp::now(), action, subject) };
    store.audit(audited.sealed(store.sealer())?).await
}

/// Names of tables that came, went or are not as they were.
fn changed(before: &Value, now: &BTreeMap<String, String>) -> Vec<String> {
    let was = |name: &str| before[name].as_str();
    let gone = before.as_object().into_iter().flat_map(|all| all.keys()).filter(|name| !now.contains_key(*name));
    let other = now.iter().filter(|(name, hash)| was(name) != Some(hash.as_str())).map(|(name, _)| name);
    let mut all: Vec<String> = other.chain(gone).cloned().collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed_is_named() {
        let now = [("audit", "1"), ("connections.tienda", "2"), ("server", "3")];
        let now = now.into_iter().map(|(name, hash)| (name.to_owned(), hash.to_owned())).collect();
        let before = json!({ "audit": "1", "connections.correo": "9", "server": "4" });
        assert_eq!(changed(&before, &now), ["connections.correo", "connections.tienda", "server"]);
    }
}
