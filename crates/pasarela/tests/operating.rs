//! What a person on watch does beside a running hub, at the built program.

#[path = "operating/audit.rs"]
mod audit;
#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;
#[path = "operating/hygiene.rs"]
mod hygiene;
#[path = "operating/market.rs"]
mod market;
#[path = "operating/rne.rs"]
mod rne;
#[path = "operating/vault.rs"]
mod vault;

use files::Place;
use serde_json::Value;

const FLOW: &str = "flow: aviso\nversion: 1\non: tienda.order.created\nsteps:\n  - do: tienda.request\n    with: { method: GET, path: /aviso }\n";

/// A command that works, and the JSON that it prints.
#[track_caller]
fn done(place: &Place, args: &[&str]) -> Value {
    let told = place.run(args);
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {told:?}"))
}

#[test]
fn what_is_paused_is_told_everywhere_and_survives_a_restart() {
    let place = Place::shop();
    let hub = place.serve();
    let paused = done(&place, &["pause", "connection", "tienda", "--reason", "mantenimiento", "--json"]);
    assert_eq!((paused["by"].as_str(), paused["reason"].as_str()), (Some("command line"), Some("mantenimiento")));
    done(&place, &["pause", "class", "marketing", "--json"]);
    hub.stop();
    let hub = place.serve();
    assert!(place.run(&["connections"]).out.contains("PAUSED"));
    let top = done(&place, &["top", "--json"]);
    assert_eq!(top["paused"].as_array().map(Vec::len), Some(2), "{top}");
    assert!(place.run(&["top"]).out.contains("mantenimiento"), "once, without a terminal");
    let metrics = hub.send("GET", "/metrics", &[], b"").body;
    assert!(metrics.contains("pasarela_paused{kind=\"class\",name=\"marketing\"} 1"), "{metrics}");
    done(&place, &["resume", "connection", "tienda", "--json"]);
    place.run(&["resume", "connection", "tienda"]).says(1, &["connection 'tienda' is not paused"]);
    place.run(&["pause", "class", "publicidad"]).says(1, &["there is no class 'publicidad'", "marketing"]);
    let (_, reader) = place.key("read");
    let answer = hub.send("POST", "/api/v1/flows/x/pause", &[("authorization", &format!("Bearer {reader}"))], b"");
    answer.problem(403, &["write"]);
}

#[test]
fn flows_are_pushed_compared_and_pulled_beside_the_hub() {
    let place = Place::shop();
    let hub = place.serve();
    let file = place.path("aviso.yaml");
    let name = file.to_str().unwrap();
    std::fs::write(&file, FLOW).unwrap();
    done(&place, &["flows", "push", name, "--json"]);
    let list = done(&place, &["flows", "list", "--json"]);
    let own = list["data"].as_array().unwrap().iter().find(|f| f["name"] == "aviso").unwrap();
    assert_eq!((own["version"].as_u64(), own["from"].as_str()), (Some(1), Some("pushed")));
    assert_eq!(place.run(&["flows", "diff", name]).code, 0);
    std::fs::write(&file, FLOW.replace("/aviso", "/otro")).unwrap();
    let shown = place.run(&["flows", "diff", name]);
    assert_eq!(shown.code, 1, "{shown:?}");
    assert!(shown.out.contains("-    with: { method: GET, path: /aviso }\n+    with: { method: GET, path: /otro }"));
    place.run(&["flows", "push", name]).says(2, &["'aviso' is in force with version 1", "version 2 or higher"]);
    place.run(&["flows", "pull", "aviso", "--dir", place.path("copia").to_str().unwrap()]).says(0, &[]);
    assert_eq!(std::fs::read_to_string(place.path("copia/aviso.yaml")).unwrap(), FLOW);
    drop(hub);
}

#[test]
fn a_run_is_cancelled_and_deliveries_are_decided_again_by_filter() {
    let place = Place::shop();
    let hub = place.serve();
    let file = place.path("aviso.yaml");
    // What the shop is asked for waits: it is paused.
    std::fs::write(&file, FLOW).unwrap();
    let pushed = place.run(&["flows", "push", file.to_str().unwrap()]);
    assert_eq!(pushed.code, 0, "{pushed:?}");
    done(&place, &["pause", "connection", "tienda", "--json"]);
    hub.order("A-1");
    let run = files::until("a run", || {
        let runs = done(&place, &["runs", "--json"]);
        runs["data"][0]["id"].as_str().map(str::to_owned)
    });
    done(&place, &["runs", "cancel", &run, "--reason", "prueba", "--json"]);
    place.run(&["runs", "cancel", &run]).says(1, &[&run, "is cancelled", "only runs that have not ended"]);
    let told = done(&place, &["replay", "--connection", "tienda", "--dry-run", "--json"]);
    assert_eq!((told["deliveries"].as_u64(), told["known"].as_u64()), (Some(1), Some(1)), "{told}");
    place.run(&["replay"]).says(2, &["name at least one of"]);
}

/// A link signs in wherever it was made: before the start, beside the hub; once; and a session outlives a restart.
#[test]
fn a_link_lets_a_person_in_once_and_a_session_outlives_a_restart() {
    let place = Place::shop();
    let token = |args: &[&str]| {
        let made = done(&place, args);
        let link = made["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("http://{}/entrar?enlace=psl_", place.console)), "{link}");
        link.split("enlace=").nth(1).unwrap().to_owned()
    };
    let before = token(&["users", "link", "Luz Ospina", "--json"]);
    let hub = place.serve();
    assert!(!hub.log().contains("psl_"), "a log holds no way in");
    let enter =
        |token: &str| files::send(place.console, "POST", "/entrar", &[], format!("enlace={token}").as_bytes()).unwrap();
    let entered = enter(&before);
    assert_eq!(entered.status, 303, "{entered:?}");
    let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(enter(&before).status, 403, "only once");
    assert_eq!(enter(&token(&["users", "link", "--json"])).status, 303, "beside a running hub too");
    hub.stop();
    let hub = place.serve();
    let home = files::send(place.console, "GET", "/", &[("cookie", &cookie)], b"").unwrap();
    assert_eq!(home.status, 200);
    drop(hub);
    place.run(&["users", "link", "Luz", "--scopes", "write"]).says(2, &["must be able to read"]);
    place.run(&["users", "link", "Luz", "--minutes", "0"]).says(2, &["--minutes"]);
}

/// Accounts are made and changed before the start and beside a running hub, and a link lets their holder in.
#[test]
fn accounts_are_kept_before_and_beside_a_running_hub() {
    let place = Place::shop();
    let luz = done(&place, &["users", "add", "Luz@Marca.example", "--name", "Luz Ospina", "--role", "owner", "--json"]);
    assert_eq!((luz["email"].as_str(), luz["grants"][0]["role"].as_str()), (Some("luz@marca.example"), Some("owner")));
    place.run(&["users", "add", "luz@marca.example", "--role", "viewer"]).says(1, &["has an account already"]);
    let hub = place.serve();
    assert!(!hub.log().contains("primer-uso"), "a log holds no way in");
    let ana = done(&place, &["users", "add", "ana@marca.example", "--role", "support:marca-uno,marca-dos", "--json"]);
    assert_eq!(ana["grants"][0]["brands"], serde_json::json!(["marca-dos", "marca-uno"]));
    let more = ["users", "grant", "ana@marca.example", "--role", "producer", "--only", "show_7", "--json"];
    assert_eq!(done(&place, &more)["grants"][1]["only"], serde_json::json!(["show_7"]));
    let less = ["users", "revoke", "ana@marca.example", "--role", "support:marca-uno,marca-dos", "--json"];
    assert_eq!(done(&place, &less)["grants"].as_array().unwrap().len(), 1);
    place.run(&less[..5]).says(1, &["has not this role"]);
    let listed = place.run(&["users", "list"]);
    for part in ["luz@marca.example", "ana@marca.example", "producer", "(show_7)", "not in yet", "links only"] {
        assert!(listed.out.contains(part), "no {part:?} in {listed:?}");
    }
    let link = done(&place, &["users", "link", "ana@marca.example", "--json"])["link"].as_str().unwrap().to_owned();
    let form = format!("enlace={}", link.split("enlace=").nth(1).unwrap());
    let enter = || files::send(place.console, "POST", "/entrar", &[], form.as_bytes()).unwrap().status;
    assert_eq!((enter(), enter()), (303, 403));
    done(&place, &["users", "disable", "ana@marca.example", "--json"]);
    place.run(&["users", "link", "ana@marca.example"]).says(2, &["is disabled"]);
    done(&place, &["users", "enable", "ana@marca.example", "--json"]);
    place.run(&["users", "disable", "luz@marca.example"]).says(1, &["last owner"]);
    let role = done(&place, &["users", "link", "Nora", "--role", "viewer", "--json"]);
    assert!(role["link"].as_str().unwrap().contains("/entrar?enlace=psl_"));
    for (args, why) in [
        (["users", "add", "sin-arroba", "--role", "viewer"].as_slice(), "not an e-mail address"),
        (&["users", "add", "e@marca.example", "--role", "jefe"], "there is no role 'jefe'"),
        (&["users", "add", "e@marca.example", "--role", "producer"], "--only"),
        (&["users", "add", "e@marca.example", "--role", "owner:marca-uno"], "leave the brands out"),
    ] {
        place.run(args).says(2, &[why]);
    }
    place.run(&["users", "reset", "nadie@marca.example"]).says(1, &["no account"]);
}
