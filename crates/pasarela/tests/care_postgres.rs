//! A backup of a hub on PostgreSQL, beside its work, and back into an empty database.

#[path = "support/hub.rs"]
mod hub;

use hub::{Home, Sender, Sink, order, server_of_tests};
use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;

const FLOW: &str = "flow: pedido\nversion: 1\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    with: { method: POST, path: /a, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\" } }\n";

fn run(home: &Home, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela"));
    command.arg("--config").arg(&home.config).args(args).current_dir(home.dir.path());
    command.output().expect("the program runs")
}

fn json(out: &Output) -> Value {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("facts are JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_on_postgres_is_backed_up_beside_its_work_and_restored_paused() {
    let Some(one) = server_of_tests::Database::make() else { return };
    let Some(two) = server_of_tests::Database::make() else { return };
    let sink = Sink::start().await;
    let home = Home::on(Some(one), sink.addr, &["tienda"], &[("pedido", FLOW)], "/id");
    let key = home.api_key();
    let mut hub = home.start(&[]).await.expect("it starts");
    for n in 0..20 {
        let (status, _) =
            Sender::default().post(hub.addr, "/hooks/tienda", &order(&format!("p{n}"))).await.expect("it answers");
        assert_eq!(status, 200);
    }
    hub.quiet(Duration::from_secs(30)).await;
    let file = home.dir.path().join("copia").display().to_string();
    let made = json(&run(&home, &["backup", &file, "--json"]));
    assert_eq!(made["manifest"]["tables"]["events"]["rows"], 20, "{made}");
    assert_eq!(made["manifest"]["database"], "postgres");
    let beside = run(&home, &["restore", &file]);
    assert!(String::from_utf8_lossy(&beside.stderr).contains("a hub serves"), "{beside:?}");
    hub.kill();

    let full = run(&home, &["restore", &file]);
    assert!(String::from_utf8_lossy(&full.stderr).contains("holds tables already"), "{full:?}");
    let done = json(&run(&home, &["restore", &file, "--to", &two.url(), "--json"]));
    assert_eq!((done["paused"].as_u64(), done["held"].as_u64()), (Some(1), Some(0)), "{done}");
    let text = std::fs::read_to_string(&home.config).expect("a configuration");
    let first = home.server.as_ref().expect("a server").url();
    std::fs::write(&home.config, text.replace(&first, &two.url())).expect("it can be written");
    let called = sink.calls().len();
    let hub = home.start(&[]).await.expect("it starts on what was restored");
    assert_eq!(hub.list("/api/v1/events", &key).await.len(), 20);
    let doctor = json(&run(&home, &["doctor", "--json"]));
    assert_eq!(doctor["state"], "ok", "{doctor}");
    assert_eq!(sink.calls().len(), called, "nothing goes out by itself");
}
