//! Who did what, by command: listed, shown, taken out, and verified against what somebody did to the file.

use super::{Place, done};

#[test]
fn what_was_done_is_listed_and_whoever_changes_it_is_found() {
    let place = Place::new();
    place.write_shop_with("[audit]\nanchor_file = \"anclas\"\n");
    // Before a hub runs, and beside one.
    let (id, _) = place.key("read");
    let hub = place.serve();
    done(&place, &["pause", "connection", "tienda", "--reason", "mantenimiento", "--json"]);
    place.run(&["resume", "connection", "otra"]).says(1, &["otra"]);
    let told = place.run(&["audit", "list"]);
    let lines = |what: &str| told.out.lines().filter(|l| l.contains(what)).collect::<Vec<_>>();
    assert_eq!((lines("pauses.pause").len(), lines("keys.create").len(), lines("hub.started").len()), (1, 1, 1));
    assert!(lines("pauses.pause")[0].contains("connection tienda"), "{told:?}");
    assert!(lines("pauses.resume").iter().all(|l| l.contains("it was not done")), "{told:?}");
    let made = done(&place, &["audit", "list", "--action", "keys.create", "--json"]);
    let shown = done(&place, &["audit", "show", &made["seq"].to_string(), "--json"]);
    assert_eq!((shown["action"].as_str(), shown["subject"].as_str()), (Some("keys.create"), Some(&*id)));
    assert_eq!((shown["who_kind"].as_str(), shown["outcome"].as_str()), (Some("command_line"), Some("done")));
    let by = place.run(&["audit", "list", "--action", "pauses.pause", "--who", "command line"]);
    assert_eq!(by.out.lines().count(), 1, "{by:?}");
    hub.stop();

    // The head was noted when the hub began and when it stopped.
    let anchors = std::fs::read_to_string(place.path("anclas")).unwrap();
    let noted: Vec<i64> = anchors.lines().map(|l| l.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(noted.len() == 2 && noted[0] < noted[1], "{anchors}");
    let first = done(&place, &["audit", "verify", "--json"]);
    assert_eq!(
        (first["verified"]["entries"].as_i64(), first["verified"]["anchors"].as_i64()),
        (Some(noted[1]), Some(2))
    );
    assert!(first["before"].is_null());
    let again = done(&place, &["audit", "verify", "--json"]);
    assert!(again["before"].is_string() && again["verified"]["entries"].as_i64() > Some(noted[1]), "{again}");
    let out = place.path("auditoria.jsonl");
    let exported = done(&place, &["audit", "export", out.to_str().unwrap(), "--json"]);
    let lines = std::fs::read_to_string(&out).unwrap();
    let entries: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(exported["entries"].as_i64(), Some(entries.len() as i64));
    assert!(entries.iter().enumerate().all(|(n, e)| e["seq"] == n as i64 + 1), "all of them, in their order");
    assert!(entries.iter().any(|e| e["action"] == "hub.stopped"));
    assert_ne!(place.run(&["audit", "export", out.to_str().unwrap()]).code, 0, "nothing is overwritten");

    // What of the configuration changed is named at the next start, and what it says is nowhere.
    let written = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), format!("{written}\n[retention]\nbudget = \"1m\"\n")).unwrap();
    place.serve().stop();
    let started = done(&place, &["audit", "list", "--action", "hub.started", "--limit", "1", "--json"]);
    assert_eq!(started["after"]["changed"], serde_json::json!(["retention"]), "{started}");
    assert_eq!(started["after"]["version"], env!("CARGO_PKG_VERSION"));

    let paused = entries.iter().find(|e| e["action"] == "pauses.pause").unwrap()["seq"].as_i64().unwrap();
    let change = |sql: &str| rusqlite::Connection::open(place.database()).unwrap().execute_batch(sql).unwrap();
    change(&format!("UPDATE audit SET subject = 'connection otra' WHERE seq = {paused}"));
    place.run(&["audit", "verify"]).says(1, &[&format!("entry {paused}"), "it was changed"]);
    change(&format!("UPDATE audit SET subject = 'connection tienda' WHERE seq = {paused}"));
    done(&place, &["audit", "verify", "--json"]);
    // A whole database of an earlier moment is a whole chain: only the anchors tell.
    change("DELETE FROM audit; UPDATE audit_head SET seq = 0, at = 0, hash = x'', mac = x''");
    let cut = format!("entry {}", noted[0]);
    place.run(&["audit", "verify"]).says(1, &[&cut, "noted outside of the database"]);
}

#[test]
fn the_master_key_changes_beside_a_running_hub_and_is_named_elsewhere() {
    let place = Place::shop();
    let hub = place.serve();
    for n in 0..20 {
        hub.order(&format!("o-{n}"));
    }
    let key = place.path("hub.db.key");
    let old = std::fs::read_to_string(&key).unwrap();
    let told = done(&place, &["seal", "rotate", "--json"]);
    assert_eq!((told["rotated"].as_str(), told["state"]["key"].as_u64()), (Some("done"), Some(2)));
    assert_ne!(std::fs::read_to_string(&key).unwrap(), old);
    hub.order("o-20");
    hub.kill();
    // A start later, by a command, without a file.
    let other = place.path("otra");
    std::fs::write(&other, "ab".repeat(32)).unwrap();
    let command = format!("command:cat {}", other.display());
    let told = done(&place, &["seal", "rotate", "--to", &command, "--json"]);
    assert_eq!((told["rotated"].as_str(), told["state"]["between"].as_bool()), (Some("named"), Some(true)));
    let written = std::fs::read_to_string(place.config()).unwrap();
    std::fs::write(place.config(), written.replace("[store]\n", &format!("[store]\nmaster_key = \"{command}\"\n")))
        .unwrap();
    let (_, reader) = place.key("read");
    let hub = place.serve();
    assert_eq!(hub.event_keys(&reader, 21).len(), 21, "nothing is lost");
    assert_eq!(
        done(&place, &["seal", "status", "--json"])["state"]["between"],
        false,
        "the old one ended with the start"
    );
    hub.wait_log("everything is sealed by the present data key");
    let bodies = hub.get("/api/v1/deliveries", &reader).json();
    let first = bodies["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(hub.get(&format!("/api/v1/deliveries/{first}"), &reader).body.contains("Valentina"));
    let did = done(&place, &["audit", "list", "--action", "keys.rotate", "--limit", "1", "--json"]);
    assert_eq!(did["after"]["rotated"], "named");
    hub.stop();
    std::fs::remove_file(&other).unwrap();
    place.refused().says(1, &["of the command 'cat", "it ended with"]);
}
