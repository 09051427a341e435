//! Damaged, missing and full: the hub starts and goes on, or refuses with what to do, and loses
//! nothing that it had accepted. Seen from outside, at the built program.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of refusals")]
mod files;

use files::{Place, SECRET, length, order, until};
use std::collections::BTreeSet;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A shop with two decided orders, stopped in peace.
fn used() -> (Place, String) {
    let place = Place::shop();
    let (_, key) = place.key("read,write");
    let hub = place.serve();
    hub.order("p1");
    hub.order("p2");
    assert_eq!(hub.event_keys(&key, 2), ["p1", "p2"]);
    hub.stop();
    (place, key)
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[test]
fn g14_a_missing_key_refuses_to_start_and_nothing_is_lost() {
    let (place, key) = used();
    let (file, aside) = (beside(&place.database(), ".key"), place.path("aside"));
    std::fs::rename(&file, &aside).unwrap();
    place.refused().says(1, &["sealing key", "hub.db.key is missing", "put the file back"]);
    place.run(&["events"]).says(1, &["is missing"]);
    assert!(!file.exists(), "no other key is made for an old database");
    std::fs::rename(&aside, &file).unwrap();
    let hub = place.serve();
    hub.order("p3");
    assert_eq!(hub.event_keys(&key, 3), ["p1", "p2", "p3"]);
}

#[test]
fn g14_the_key_of_another_database_is_told_apart() {
    let (place, key) = used();
    let other = Place::shop();
    other.serve().stop();
    let file = beside(&place.database(), ".key");
    let own = std::fs::read(&file).unwrap();
    std::fs::copy(beside(&other.database(), ".key"), &file).unwrap();
    place.refused().says(1, &["hub.db.key does not belong to this database"]);
    std::fs::write(&file, "no es una llave").unwrap();
    place.refused().says(1, &["hub.db.key", "64 hexadecimal digits"]);
    std::fs::write(&file, own).unwrap();
    assert_eq!(place.serve().event_keys(&key, 2), ["p1", "p2"]);
}

#[test]
fn g14_a_file_that_is_no_database_is_left_as_it_is() {
    let place = Place::shop();
    let text = "Lista de invitados del desfile: no es una base de datos.";
    std::fs::write(place.database(), text).unwrap();
    place.refused().says(1, &["hub.db does not begin like a SQLite file", "restore a backup"]);
    assert_eq!(std::fs::read_to_string(place.database()).unwrap(), text);
    assert!(!beside(&place.database(), ".key").exists());

    std::fs::remove_file(place.database()).unwrap();
    rusqlite::Connection::open(place.database()).unwrap().execute_batch("CREATE TABLE guests (name)").unwrap();
    place.refused().says(1, &["hub.db is not a database of pasarela", "store.url"]);
}

#[test]
fn g14_a_database_of_a_newer_program_is_not_touched() {
    let (place, key) = used();
    let set = |schema: i64| {
        let db = rusqlite::Connection::open(place.database()).unwrap();
        db.execute("UPDATE meta SET value = ?1 WHERE name = 'schema'", [schema]).unwrap();
    };
    let ours: i64 = rusqlite::Connection::open(place.database())
        .unwrap()
        .query_row("SELECT value FROM meta WHERE name = 'schema'", [], |r| r.get(0))
        .unwrap();
    set(ours + 1);
    place.refused().says(1, &["hub.db has schema", "newer pasarela", "start the newer program"]);
    set(ours);
    assert_eq!(place.serve().event_keys(&key, 2), ["p1", "p2"]);
}

#[test]
fn g13_a_damaged_page_raises_the_alarm() {
    let place = Place::shop();
    let hub = place.serve();
    // Enough deliveries that the table has pages of its own.
    for n in 0..40 {
        let body = format!("{{\"type\":\"order.created\",\"id\":\"p{n}\",\"note\":\"{}\"}}", "x".repeat(1500));
        assert_eq!(hub.hook(body.as_bytes()).status, 200);
    }
    hub.stop();
    let pages: Vec<u64> = {
        let db = rusqlite::Connection::open(place.database()).unwrap();
        let mut leaves = db
            .prepare("SELECT pageno FROM dbstat WHERE name = 'deliveries' AND pagetype = 'leaf' ORDER BY path")
            .unwrap();
        leaves.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(pages.len() > 4, "{pages:?}");
    let mut file = std::fs::OpenOptions::new().write(true).open(place.database()).unwrap();
    file.seek(SeekFrom::Start((pages[1] - 1) * 4096)).unwrap();
    file.write_all(&[0xff; 4096]).unwrap();
    drop(file);

    let hub = place.serve();
    hub.wait_log("the database is damaged");
    let log = hub.log();
    let alarm = log.lines().find(|l| l.contains("the database is damaged")).unwrap();
    assert!(alarm.contains("ERROR") && alarm.contains("restore a backup"), "{alarm}");
    // What is whole still works while people fetch the backup.
    hub.order("nueva");
    assert_eq!(hub.send("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn g14_a_cut_log_gives_back_everything_that_is_whole() {
    let place = Place::shop();
    let (_, key) = place.key("read");
    let hub = place.serve();
    let ids: Vec<String> = (10..30).map(|n| format!("p{n}")).collect();
    for id in &ids {
        hub.order(id);
    }
    assert_eq!(hub.event_keys(&key, ids.len()), ids);
    hub.order("ultima");
    hub.kill();
    let wal = beside(&place.database(), "-wal");
    let size = length(&wal);
    assert!(size > 32 + 4120, "the log of a killed hub stays: {size} bytes");
    std::fs::OpenOptions::new().write(true).open(&wal).unwrap().set_len(size - 100).unwrap();

    let hub = place.serve();
    hub.wait_log("ends in the middle of a frame");
    let warning = hub.log();
    assert!(warning.lines().any(|l| l.contains("WARN") && l.contains("every whole transaction in it is used")));
    hub.order("p99");
    let keys = until("p99", || {
        let keys = hub.event_keys(&key, ids.len() + 1);
        keys.contains(&"p99".to_owned()).then_some(keys)
    });
    assert!(ids.iter().all(|id| keys.contains(id)), "{keys:?}");
    let unique: BTreeSet<&String> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "nothing came twice: {keys:?}");
    hub.wait_log("the database file is whole");
}

/// A file system of a few megabytes; unmounted when it is let go.
struct Small(PathBuf);

impl Small {
    /// `None` where this user may not mount.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "pasarela-test"])
            .arg(&path)
            .output();
        status.is_ok_and(|o| o.status.success()).then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: files may be open still while a failed test unwinds.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn g14_a_full_disk_says_so_keeps_what_it_took_and_goes_on_by_itself() {
    let mut place = Place::new();
    let Some(small) = Small::mount(place.path("small"), "8m") else {
        let line = "SKIPPED a_full_disk_...: this user may not mount a small file system; run the tests as root\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    place.data = Some(small.0.clone());
    // The floor would refuse long before: here the disk itself is to be full.
    place.write_shop_with("min_free_disk = \"0B\"\n");
    let (_, key) = place.key("read");
    let ballast = small.0.join("ballast");
    // More than all the rest: what lies in the log needs as much room again to be copied.
    std::fs::write(&ballast, vec![7; 4_500_000]).unwrap();
    let hub = place.serve();

    let send = |id: &str| {
        let body = order(id).replace("Valentina", &"V".repeat(20_000));
        hub.hook(body.as_bytes())
    };
    let (mut taken, mut refused) = (Vec::new(), 0);
    for n in 100..600 {
        let id = format!("p{n}");
        let answer = send(&id);
        if answer.status == 200 {
            taken.push(id);
            continue;
        }
        answer.problem(503, &["disk", "full"]);
        assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok()), "{answer:?}");
        refused += 1;
        if refused == 20 {
            break;
        }
    }
    assert!(refused == 20 && taken.len() > 5, "{} taken, {refused} refused", taken.len());
    assert_eq!(hub.send("GET", "/healthz", &[], b"").status, 200, "it is alive, and says so");

    std::fs::remove_file(&ballast).unwrap();
    until("deliveries to be taken again", || {
        let answer = send("p900");
        assert!(answer.status == 200 || answer.status == 503, "{answer:?}");
        (answer.status == 200).then_some(())
    });
    taken.push("p900".into());
    let keys = hub.event_keys(&key, taken.len());
    assert_eq!(keys, taken, "every accepted order is one event, and no refused one is");
    assert!(hub.log().contains("free space and the hub goes on by itself"));
    hub.stop();
    let hub = place.serve();
    assert_eq!(hub.event_keys(&key, taken.len()), taken);
    hub.wait_log("the database file is whole");
}

/// Another program that holds SQLite's write lock: large deliveries wait until there is no room for more.
#[test]
fn g14_who_finds_no_room_is_told_to_come_again_and_what_was_taken_is_kept() {
    let place = Place::shop();
    let (_, key) = place.key("read");
    let hub = place.serve();
    let holder = rusqlite::Connection::open(place.database()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut body = order("p1").into_bytes();
    body.resize(6 * 1024 * 1024, b' ');
    let signature = pasarela_connector::sign::hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| hub.send("POST", "/hooks/tienda", &[("x-signature", &signature)], &body)))
            .collect();
        until("a refusal", || calls.iter().any(std::thread::ScopedJoinHandle::is_finished).then_some(()));
        holder.execute_batch("ROLLBACK").unwrap();
        calls.into_iter().map(|c| c.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status == 200);
    // Sixteen MiB are read and kept at a time.
    assert!(!refused.is_empty() && taken.len() >= 2, "{} taken, {} refused", taken.len(), refused.len());
    for answer in &refused {
        answer.problem(503, &["busy", "come again"]);
        assert!(answer.header("retry-after").is_some());
    }
    for answer in &taken {
        let id = answer.json()["delivery_id"].as_str().unwrap().to_owned();
        let row = until("the decision", || {
            let row = hub.get(&format!("/api/v1/deliveries/{id}"), &key).json();
            (row["status"] != "received").then_some(row)
        });
        assert!(row["status"] == "decided" || row["status"] == "duplicate", "{}", row["status"]);
    }
    assert_eq!(hub.event_keys(&key, 1), ["p1"], "many times delivered, once an event");
}
