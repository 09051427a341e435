//! Care of the store, seen from outside at the built program: backups beside a running hub, restores that
//! send nothing twice, a doctor, a flood that is capped, retention.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of refusals")]
mod files;

use files::{Place, SECRET, order, until};
use pasarela_store::Store as _;
use pasarela_store::erasures::{Erasure, journal_of, record};
use pasarela_store::sqlite::{Options, SqliteStore};
use serde_json::Value;
use std::path::Path;

fn json(told: &files::Told) -> Value {
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str(told.out.trim()).unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A shop with decided orders, beside a running hub; and a flow that calls nobody who answers.
fn shop_with_flow(flow: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("flows")).unwrap();
    std::fs::write(place.path("flows/pedido.yaml"), flow).unwrap();
    place.write(&format!(
        "[flows]\nbuiltin = false\nfolder = \"flows\"\n\
         [connections.tienda]\nprovider = \"http\"\nwebhook_secrets = [\"{SECRET}\"]\n\
         verify = {{ scheme = \"hmac-sha256\", header = \"x-signature\" }}\n\
         event = {{ type = \"/type\", id = \"/id\", key = \"/id\" }}\n\
         base_url = \"http://127.0.0.1:9\"\nallow_private_targets = true\n"
    ));
    place
}

const ONCE: &str = "flow: pedido\nversion: 1\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    give_up_after: 30d\n    with: { method: POST, path: /a, json: { event: \"{{ data.id }}\" } }\n";

#[test]
fn a_backup_beside_a_running_hub_comes_back_and_sends_nothing_by_itself() {
    let place = shop_with_flow(ONCE);
    let (_, key) = place.key("read,write");
    let hub = place.serve();
    place.run(&["pause", "connection", "tienda"]).says(0, &[]);
    hub.order("p1");
    hub.order("p2");
    assert_eq!(hub.event_keys(&key, 2), ["p1", "p2"]);
    let file = place.path("copia");
    let made = json(&place.run(&["backup", &text(&file), "--json"]));
    assert_eq!(
        (made["state"].as_str(), made["manifest"]["tables"]["events"]["rows"].as_u64()),
        (Some("done"), Some(2))
    );
    let fingerprint = made["manifest"]["key"].as_str().unwrap().to_owned();
    place.run(&["backup", &text(&file)]).says(2, &["is there already", "nothing is overwritten"]);
    let told = place.run(&["backup", &text(&place.path("otra"))]);
    told.says(0, &["sealing key is not in it", &fingerprint, "hub.db.key", "hub.db.erasures"]);
    assert!(told.out.contains("sha256") && told.out.contains("checked"), "{}", told.out);
    // The key is not in the backup, and neither is what it seals.
    let bytes = std::fs::read(&file).unwrap();
    let secret = std::fs::read_to_string(place.path("hub.db.key")).unwrap();
    for part in [secret.trim().as_bytes(), b"Valentina"] {
        assert!(!bytes.windows(part.len()).any(|w| w == part));
    }
    hub.order("p3");
    place.run(&["restore", &text(&file)]).says(1, &["a hub serves", "stop it first"]);
    hub.stop();
    place.run(&["restore", &text(&file)]).says(1, &["hub.db is there already", "--to"]);

    for name in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        drop(std::fs::rename(place.path(name), place.path(&format!("viejo-{name}"))));
    }
    let done = json(&place.run(&["restore", &text(&file), "--json"]));
    assert_eq!(
        (done["held"].as_u64(), done["paused"].as_u64(), done["erased_again"].as_u64()),
        (Some(2), Some(1), Some(0))
    );
    let hub = place.serve();
    assert_eq!(hub.event_keys(&key, 2), ["p1", "p2"], "of the moment of the backup");
    let dead = hub.get("/api/v1/dead-letters", &key).json();
    let rows = dead["data"].as_array().unwrap();
    assert!(rows.len() == 2 && rows.iter().all(|r| r["state"] == "unknown" && r["code"] == "restored"), "{dead}");
    let pauses = hub.get("/api/v1/pauses", &key).json();
    assert_eq!(pauses["data"][0]["name"], "tienda");
    hub.order("p4");
    assert_eq!(hub.event_keys(&key, 3), ["p1", "p2", "p4"], "it takes in and decides");
    hub.stop();

    // With a person's word it goes on at once.
    let to = place.path("segunda.db");
    let done = json(&place.run(&["restore", &text(&file), "--to", &text(&to), "--resume", "--json"]));
    assert_eq!((done["held"].as_u64(), done["paused"].as_u64()), (Some(0), Some(0)));
    let key_file = Some(place.path("hub.db.key"));
    let store = SqliteStore::open(&Options { key_file, ..Options::file(&to) }).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let health = runtime.block_on(store.health(jiff::Timestamp::UNIX_EPOCH)).unwrap();
    assert_eq!((health.queued, health.unknown), (2, 0));
}

#[test]
fn a_backup_whose_key_is_gone_is_refused_before_anything_is_written() {
    let place = Place::shop();
    let hub = place.serve();
    hub.order("p1");
    std::fs::rename(place.path("hub.db.key"), place.path("aside")).unwrap();
    let file = place.path("copia");
    place.run(&["backup", &text(&file)]).says(1, &["hub.db.key is missing"]);
    assert!(!file.exists());
    assert_eq!(hub.send("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn g12_a_restored_backup_erases_again_what_had_been_erased() {
    let place = Place::shop();
    let hub = place.serve();
    hub.order("p1");
    hub.order("p2");
    let (_, key) = place.key("read");
    hub.event_keys(&key, 2);
    hub.stop();
    // Whom the events name is the connector's to say, and this shop's names nobody: so the link is made here.
    let subject = 4_242;
    {
        let db = rusqlite::Connection::open(place.database()).unwrap();
        let first = "INSERT INTO event_subject (subject, event) SELECT ?1, min(id) FROM events";
        db.execute(first, [subject]).unwrap();
    }
    let file = place.path("copia");
    json(&place.run(&["backup", &text(&file), "--json"]));
    let at = "2026-11-27T19:00:00Z".parse().unwrap();
    record(&journal_of(&place.database()), Erasure { at, subject }).unwrap();
    for name in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        drop(std::fs::remove_file(place.path(name)));
    }
    let done = json(&place.run(&["restore", &text(&file), "--json"]));
    assert_eq!(done["erased_again"], 1);
    assert!(done["rows_redacted"].as_u64().unwrap() >= 2, "{done}");
    let hub = place.serve();
    let events = hub.get("/api/v1/events", &key).json();
    let shown: Vec<&Value> = events["data"].as_array().unwrap().iter().map(|e| &e["data"]).collect();
    assert_eq!(shown.iter().filter(|d| d["erased"] == true).count(), 1, "{events}");
    assert_eq!(shown.iter().filter(|d| d["buyer"] == "Valentina").count(), 1, "and nobody else: {events}");
    hub.stop();

    // A journal that somebody changed stops the restore.
    let journal = journal_of(&place.database());
    let words = std::fs::read_to_string(&journal).unwrap().replace("27T", "28T");
    std::fs::write(&journal, words).unwrap();
    let told = place.run(&["restore", &text(&file), "--to", &text(&place.path("x.db"))]);
    told.says(1, &["journal of erasures", "line 2"]);
    assert!(!place.path("x.db").exists());
}

#[test]
fn the_doctor_tells_what_is_wrong_and_what_to_do() {
    let place = Place::shop();
    let told = place.run(&["doctor"]);
    assert!(told.code == 0 && told.out.contains("warn  database") && told.out.contains("is not there"), "{told:?}");
    let hub = place.serve();
    hub.order("p1");
    let beside = json(&place.run(&["doctor", "--json"]));
    let check = |v: &Value, name: &str| v["checks"].as_array().unwrap().iter().find(|c| c["check"] == name).cloned();
    assert_eq!(check(&beside, "hub").unwrap()["state"], "ok", "{beside}");
    hub.stop();
    let alone = json(&place.run(&["doctor", "--json"]));
    assert_eq!(alone["state"], "ok", "{alone}");
    for name in ["config", "header", "schema", "key", "space", "log", "integrity", "plan"] {
        assert!(check(&alone, name).is_some(), "{name}: {alone}");
    }
    let mended = place.path("nuevo.db");
    let told = place.run(&["doctor", "--repair", &text(&mended)]);
    assert!(told.code == 0 && told.out.contains("nothing was damaged"), "{told:?}");

    std::fs::rename(place.path("hub.db.key"), place.path("aside")).unwrap();
    let told = place.run(&["doctor"]);
    assert!(told.code == 1 && told.out.contains("FAIL  key") && told.out.contains("is missing"), "{told:?}");
    std::fs::rename(place.path("aside"), place.path("hub.db.key")).unwrap();
    std::fs::write(place.config(), "[server]\nlistten = 1\n").unwrap();
    place.run(&["doctor"]).says(2, &["listten"]);
}

/// More than may wait comes in while nothing is decided: another program holds the write lock for a while.
#[test]
fn g13_a_flood_is_capped_by_bytes_and_goes_on_by_itself() {
    let place = Place::new();
    place.write_shop_with("max_pending = \"256KiB\"\n");
    let (_, key) = place.key("read");
    let hub = place.serve();
    let send = |n: usize| {
        let body = order(&format!("p{n}")).replace("Valentina", &"V".repeat(30_000));
        hub.hook(body.as_bytes())
    };
    let holder = rusqlite::Connection::open(place.database()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers: Vec<(usize, files::Answer)> = std::thread::scope(|scope| {
        let calls: Vec<_> = (100..124).map(|n| (n, scope.spawn(move || send(n)))).collect();
        until("a refusal", || calls.iter().any(|(_, c)| c.is_finished()).then_some(()));
        let alarms = until("the alarm", || {
            let alarms = hub.get("/api/v1/alarms", &key).json();
            alarms["data"].as_array()?.iter().find(|a| a["alarm"] == "intake_capped").cloned()
        });
        assert!(alarms["value"].as_f64().unwrap() > 100_000.0, "{alarms}");
        holder.execute_batch("ROLLBACK").unwrap();
        calls.into_iter().map(|(n, c)| (n, c.join().unwrap())).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, a)| a.status == 200);
    assert!((6..=9).contains(&taken.len()), "256 KiB are eight of these: {}", taken.len());
    for (_, answer) in &refused {
        answer.problem(503, &["busy", "waits to be decided"]);
        assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok()));
    }
    until("the flood to be decided and the bound to be free", || (send(200).status == 200).then_some(()));
    let mut all: Vec<String> = taken.iter().map(|(n, _)| format!("p{n}")).collect();
    all.push("p200".into());
    assert_eq!(hub.event_keys(&key, all.len()), all, "every accepted one is an event, and no refused one");
    let metrics = hub.send("GET", "/metrics", &[], b"").body;
    let capped: usize =
        metrics.lines().find_map(|l| l.strip_prefix("pasarela_deliveries_capped_total ")).unwrap().parse().unwrap();
    assert!(capped >= refused.len(), "{capped}");
    until("the alarm to end", || metrics_of(&hub).contains("pasarela_alarm{alarm=\"intake_capped\"} 0").then_some(()));
}

fn metrics_of(hub: &files::Hub) -> String {
    hub.send("GET", "/metrics", &[], b"").body
}

#[test]
fn g13_a_disk_that_is_nearly_full_is_left_alone() {
    let place = Place::new();
    place.write_shop_with("min_free_disk = \"1000TiB\"\n");
    let hub = place.serve();
    hub.hook(order("p1").as_bytes()).problem(503, &["disk", "nearly full"]);
    // Who is not authentic hears that, and moves nothing.
    assert_eq!(hub.send("POST", "/hooks/tienda", &[("x-signature", "no")], b"{}").status, 401);
    assert_eq!(hub.send("GET", "/healthz", &[], b"").status, 200);
}

/// A clock that is a thousand days ahead after a moment: what is finished is old, and goes by itself.
#[test]
fn what_is_finished_goes_after_its_time_beside_the_work() {
    let place = Place::new();
    let start = jiff::Timestamp::now();
    let clock = format!(
        "[sandbox]\nclock = {{ real_start = \"{start}\", starts_at = \"{start}\", segments = [{{ seconds = 6, speed = 1 }}, {{ seconds = 1, speed = 86400000 }}, {{ seconds = 1, speed = 1 }}] }}\n\
         [retention]\nevery = \"1s\"\n"
    );
    place.write_shop_with(&clock);
    let (_, key) = place.key("read");
    let hub = place.serve();
    for n in 0..5 {
        hub.order(&format!("p{n}"));
    }
    assert_eq!(hub.event_keys(&key, 5).len(), 5);
    assert_eq!(hub.hook(b"esto no es JSON").status, 200);
    let removed = |kind: &str| -> u64 {
        let name = format!("pasarela_retention_removed_total{{kind=\"{kind}\"}} ");
        metrics_of(&hub).lines().find_map(|l| l.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
    };
    until("old events and deliveries to go", || (removed("events") == 4 && removed("deliveries") == 4).then_some(()));
    let care = hub.get("/api/v1/care", &key).json();
    assert!(care["behind_since"].is_null() && care["kept"].as_array().unwrap().len() == 12, "{care}");
    assert_eq!(hub.event_keys(&key, 1).len(), 1, "ids go on above the newest, which stays");
    let quarantined = hub.get("/api/v1/dead-letters", &key).json();
    assert_eq!(quarantined["data"].as_array().unwrap().len(), 1, "what a person must look at stays");
    hub.order("nueva");
    let top = place.run(&["top"]);
    assert!(top.code == 0 && top.out.contains("store waiting"), "{top:?}");
}
