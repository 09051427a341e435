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
    assert_eq!(told.out.lines().count(), 2, "what failed was not done: {told:?}");
    assert!(told.out.contains("pauses.pause") && told.out.contains("connection tienda"), "{told:?}");
    let shown = done(&place, &["audit", "show", "1", "--json"]);
    assert_eq!((shown["action"].as_str(), shown["subject"].as_str()), (Some("keys.create"), Some(&*id)));
    assert_eq!(shown["who_kind"], "command_line");
    let by = place.run(&["audit", "list", "--action", "pauses.pause", "--who", "command line"]);
    assert_eq!(by.out.lines().count(), 1, "{by:?}");
    hub.stop();

    // The head was noted when the hub began and when it stopped.
    let anchors = std::fs::read_to_string(place.path("anclas")).unwrap();
    let noted: Vec<&str> = anchors.lines().map(|l| l.split(' ').nth(1).unwrap()).collect();
    assert_eq!(noted, ["1", "2"], "{anchors}");
    let verdict = done(&place, &["audit", "verify", "--json"]);
    assert_eq!((verdict["verified"]["entries"].as_i64(), verdict["verified"]["anchors"].as_i64()), (Some(2), Some(2)));
    let out = place.path("auditoria.jsonl");
    assert_eq!(done(&place, &["audit", "export", out.to_str().unwrap(), "--json"])["entries"], 2);
    let lines = std::fs::read_to_string(&out).unwrap();
    let seqs: Vec<i64> =
        lines.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [1, 2]);
    assert_ne!(place.run(&["audit", "export", out.to_str().unwrap()]).code, 0, "nothing is overwritten");

    let change = |sql: &str| rusqlite::Connection::open(place.database()).unwrap().execute_batch(sql).unwrap();
    change("UPDATE audit SET subject = 'connection otra' WHERE seq = 2");
    place.run(&["audit", "verify"]).says(1, &["entry 2", "it was changed"]);
    change("UPDATE audit SET subject = 'connection tienda' WHERE seq = 2");
    done(&place, &["audit", "verify", "--json"]);
    // A whole database of an earlier moment is a whole chain: only the anchors tell.
    change("DELETE FROM audit; UPDATE audit_head SET seq = 0, at = 0, hash = x'', mac = x''");
    place.run(&["audit", "verify"]).says(1, &["entry 1", "noted outside of the database"]);
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
