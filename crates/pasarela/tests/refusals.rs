//! Wrong configuration, flow, request or use (G14): an answer that says what, where and what to do,
//! and nothing half done. Seen from outside, at the built program.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

use files::{Place, SECRET, free_port, order, until};
use std::net::TcpListener;

/// Nothing was made: a start that is refused leaves no database.
#[track_caller]
fn nothing_made(place: &Place) {
    assert!(!place.database().exists(), "a refused start made a database");
}

#[test]
fn must_13_and_16_a_flow_that_plans_what_the_law_forbids_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("flujos")).unwrap();
    let file = |name: &str, text: &str| std::fs::write(place.path(name), text).unwrap();
    let connections = "[connections.whatsapp]\nprovider = \"whatsapp\"\n[connections.correo]\nprovider = \"smtp\"\nbase_url = \"smtp://127.0.0.1:2525\"\nallow_private_targets = true\nfrom = \"hola@fashionistas.example\"\n[flows]\nfolder = \"flujos\"\n";
    place.write(connections);
    let message = |way: &str, class: &str, more: &str| {
        format!(
            "  - do: {way}\n    class: {class}\n    with: {{ to: \"{{{{ buyer.{}}}}}\", {more} }}\n",
            if way.starts_with("whatsapp") { "phone" } else { "email" }
        )
    };
    let mail = |class: &str| message("smtp.send", class, "subject: Hola, text: Nueva colección");
    let chat = |class: &str, text: &str| message("whatsapp.send_text", class, &format!("text: \"{text}\""));
    let flow = |steps: &str| format!("flow: campana\nversion: 1\non: order.paid\nsteps:\n{steps}");
    file("flujos/campana.yaml", &flow(&[mail("marketing"), chat("marketing", "Hola")].concat()));
    place.run(&["check"]).says(2, &["campana.yaml:8:", "keeps to one channel", "Ley 2300", "wait"]);
    let apart = [mail("marketing"), "  - wait: { for: 7d }\n".into(), chat("marketing", "Hola")].concat();
    file("flujos/campana.yaml", &flow(&apart));
    assert_eq!(place.run(&["check"]).code, 0, "a week is between them");
    file("flujos/campana.yaml", &flow(&chat("transactional", "Tu boleta, y 20 % de descuento en la próxima")));
    place.run(&["check"]).says(2, &["campana.yaml:5:", "transactional and advertises", "class: marketing"]);
    let templates =
        r#"[{ "name": "coleccion", "category": "MARKETING", "components": [{ "type": "BODY", "text": "Hola" }] }]"#;
    file("flujos/whatsapp-templates.json", templates);
    let by_template =
        message("whatsapp.send_template", "transactional", "template: coleccion, language: es, params: []");
    file("flujos/campana.yaml", &flow(&by_template));
    place.run(&["check"]).says(2, &["the template `coleccion` is of the category MARKETING"]);
}

#[test]
fn g14_a_wrong_value_names_file_and_place() {
    let place = Place::new();
    place.write("[market]\ncountry = \"MX\"\n");
    place.refused().says(2, &["pasarela.toml", "market.country", "'MX'", "CO only"]);
    std::fs::write(place.config(), "[server]\nlisten = \"aquí\"\n").unwrap();
    place.refused().says(2, &["pasarela.toml", "line 2", "socket address"]);
    place.write("[connections.tienda]\nprovider = \"http\"\nsignature_max_age = \"pronto\"\n");
    place.refused().says(2, &["[connections.tienda]", "'pronto'", "such as 250ms, 10s, 5m"]);
    nothing_made(&place);
}

#[test]
fn g14_an_unknown_key_shows_its_line() {
    let place = Place::new();
    std::fs::write(place.config(), "[server]\nlisten = \"127.0.0.1:1\"\nlistten = 3\n").unwrap();
    place.refused().says(2, &["pasarela.toml", "line 3", "listten = 3", "unknown field"]);
    place.write("[connections.tienda]\nprovider = \"http\"\nwebhook_secret = [\"x\"]\n");
    place.refused().says(
        2,
        &["[connections.tienda]", "'webhook_secret' is not a setting of http", "did you mean 'webhook_secrets'?"],
    );
    nothing_made(&place);
}

#[test]
fn g14_a_missing_configuration_is_said_by_name() {
    let place = Place::new();
    for command in [&["serve"][..], &["check"], &["keys", "list"], &["events"]] {
        place.run(command).says(2, &["pasarela.toml: there is no such file", "--config"]);
    }
    nothing_made(&place);
}

#[test]
fn g14_a_bad_flow_shows_line_and_column_and_what_was_meant() {
    let place = Place::new();
    std::fs::create_dir(place.path("flows")).unwrap();
    place.write("[flows]\nfolder = \"flows\"\nbuiltin = false\n[connections.whatsapp]\nprovider = \"whatsapp\"\n");
    let flow = "flow: saludo\nversion: 1\ntitle: { es: \"Saludo\", en: \"Greeting\" }\non: ticket.checked_in\nsteps:\n  - id: hola\n    do: whatsapp.send_tempate\n    class: transactional\n    with: { to: \"+573001234567\" }\n";
    std::fs::write(place.path("flows/saludo.yaml"), flow).unwrap();
    for command in [&["check"][..], &["serve"]] {
        let told = if command[0] == "serve" { place.refused() } else { place.run(command) };
        told.says(2, &["saludo.yaml:7:9:", "send_tempate", "send_template"]);
    }
    std::fs::write(place.path("flows/saludo.yaml"), "flow: saludo\nsteps: [\n").unwrap();
    place.run(&["check"]).says(2, &["saludo.yaml:"]);
    nothing_made(&place);
}

#[test]
fn g14_an_unknown_provider_is_told_the_nearest_one() {
    let place = Place::new();
    place.write("[connections.boleteria]\nprovider = \"hi-event\"\n");
    place
        .refused()
        .says(2, &["[connections.boleteria]", "no provider 'hi-event'", "did you mean 'hi-events'?", "twenty"]);
    nothing_made(&place);
}

#[test]
fn g14_live_connections_take_secrets_by_reference_only() {
    let place = Place::new();
    place.write(&format!(
        "[connections.boleteria]\nprovider = \"hi-events\"\nenvironment = \"live\"\nwebhook_secrets = [\"{SECRET}\"]\n"
    ));
    let told = place.refused();
    told.says(2, &["[connections.boleteria]", "webhook_secrets[0]", "env:NAME or file:PATH"]);
    assert!(!told.err.contains(SECRET), "the secret itself is not printed");
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let reference = format!("file:{}", place.path("secret").display());
    place.write(&format!("[connections.boleteria]\nprovider = \"hi-events\"\nenvironment = \"live\"\ncountry = \"CO\"\nbase_url = \"https://boleteria.example\"\nwebhook_secrets = [\"{reference}\"]\n"));
    assert_eq!(place.run(&["check"]).code, 0, "by reference it is taken");
    nothing_made(&place);
}

#[test]
fn a_live_connection_abroad_does_not_start_without_its_basis() {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let with = |more: &str| {
        place.write(&format!(
            "[connections.boleteria]\nprovider = \"hi-events\"\nenvironment = \"live\"\nbase_url = \"https://boleteria.example\"\nwebhook_secrets = [\"file:{}\"]\n{more}",
            place.path("secret").display()
        ));
    };
    with("");
    place.refused().says(2, &["[connections.boleteria]", "country is missing", "CO"]);
    with("country = \"US\"\n");
    place.refused().says(2, &["would go to US without a basis", "Ley 1581 art. 26", "transfer = {"]);
    place.run(&["check"]).says(2, &["Ley 1581 art. 26"]);
    with(
        "country = \"US\"\ntransfer = { basis = \"contract\", reference = \"contrato 12 de 2026\", since = \"2026-11-01\" }\n",
    );
    assert_eq!(place.run(&["check"]).code, 0);
    nothing_made(&place);
}

#[test]
fn g14_a_faster_clock_never_runs_beside_real_people() {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let live = format!(
        "[connections.boleteria]\nprovider = \"hi-events\"\nenvironment = \"live\"\ncountry = \"CO\"\nbase_url = \"https://boleteria.example\"\nwebhook_secrets = [\"file:{}\"]\n",
        place.path("secret").display()
    );
    let clock = "[sandbox.clock]\nreal_start = \"2026-11-27T00:00:00Z\"\nstarts_at = \"2026-11-27T00:00:00Z\"\nsegments = [{ seconds = 1.0, speed = 60.0 }]\n";
    place.write(&format!("{clock}{live}"));
    place.refused().says(2, &["[sandbox]", "live connections (boleteria)", "real people"]);
    nothing_made(&place);
}

#[test]
fn g14_a_second_hub_on_one_file_is_refused_and_the_first_goes_on() {
    let place = Place::shop();
    let hub = place.serve();
    hub.order("p1");
    let mut other = Place::new();
    other.data = place.database().parent().map(Into::into);
    other.write_shop();
    other.refused().says(1, &["another pasarela serves", "hub.db", "stop it first"]);
    hub.order("p2");
    let (_, key) = place.key("read");
    assert_eq!(hub.event_keys(&key, 2), ["p1", "p2"]);
}

#[test]
fn g14_a_port_in_use_is_named_and_nothing_starts() {
    let place = Place::shop();
    let held = TcpListener::bind(place.public).unwrap();
    place.refused().says(1, &["server.listen", &place.public.to_string(), "is another program using it?"]);
    drop(held);
    let held = TcpListener::bind(place.console).unwrap();
    place.refused().says(1, &["console.listen", &place.console.to_string()]);
    drop(held);
    place.serve().order("p1");
}

#[test]
fn g14_wrong_use_ends_with_two() {
    let place = Place::shop();
    place.run(&["servir"]).says(2, &["servir"]);
    place.run(&["keys", "create", "x", "--scopes", "admin"]).says(2, &["no scope 'admin'", "read, write"]);
    place.run(&["keys", "revoke", "key_nunca"]).says(1, &["no key 'key_nunca'", "keys list"]);
    place.run(&["replay", "del_0000000000000"]).says(1, &["no del_0000000000000"]);
    place.run(&["replay", "eff_1"]).says(2, &["'eff_1' is not a del id"]);
}

#[test]
fn g02_hooks_refuse_what_they_must_and_store_nothing() {
    let place = Place::shop();
    let (_, key) = place.key("read");
    let hub = place.serve();
    let body = order("p1");
    for headers in [
        vec![],
        vec![("x-signature", "00")],
        vec![("x-signature", "f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1f3c1")],
        vec![("authorization", SECRET)],
    ] {
        let answer = hub.send("POST", "/hooks/tienda", &headers, body.as_bytes());
        answer.problem(401, &["not_authentic", "webhook_secrets"]);
        assert!(!answer.body.contains(SECRET));
    }
    hub.send("POST", "/hooks/tiendita", &[], body.as_bytes()).problem(404, &["no connection 'tiendita'"]);
    let wrong = hub.send("PUT", "/hooks/tienda", &[], body.as_bytes());
    wrong.problem(405, &["Use POST"]);
    assert_eq!(wrong.header("allow"), Some("GET, POST"));
    hub.send("GET", "/no/such/place", &[], b"").problem(404, &["nothing at this address"]);

    let large = vec![b' '; 6 * 1024 * 1024 + 1];
    hub.hook(&large).problem(413, &["up to 6 MiB"]);
    assert_eq!(hub.get("/api/v1/deliveries", &key).json()["data"].as_array().unwrap().len(), 0, "nothing was stored");
    // The largest that is allowed goes in, and the next ordinary one too.
    let mut fits = order("p2").into_bytes();
    fits.resize(6 * 1024 * 1024, b' ');
    assert_eq!(hub.hook(&fits).status, 200);
    hub.order("p3");
    assert_eq!(hub.event_keys(&key, 2), ["p2", "p3"]);
}

#[test]
fn g03_what_is_not_understood_is_quarantined_whole_and_replayable() {
    let place = Place::shop();
    let (_, key) = place.key("read,write");
    let hub = place.serve();
    let broken = "{\"type\": \"order.created\", \"id\": ";
    let answer = hub.hook(broken.as_bytes());
    assert_eq!(answer.status, 200, "verified, so kept: {answer:?}");
    let id = answer.json()["delivery_id"].as_str().unwrap().to_owned();
    let quarantined = || {
        let row = hub.get(&format!("/api/v1/deliveries/{id}"), &key).json();
        (row["status"] == "quarantined").then_some(row)
    };
    let row = until("the quarantine", quarantined);
    assert_eq!(row["body"], broken, "byte for byte");
    assert!(row["reason"].as_str().is_some_and(|r| !r.is_empty()), "{row}");
    let told = place.run(&["dead", "list", "--json"]);
    assert!(told.code == 0 && told.out.contains(&id), "it is shown to people: {told:?}");
    // An upgrade would read it; this program quarantines it again, and keeps it.
    assert_eq!(place.run(&["replay", &id]).code, 0);
    let row = until("the quarantine after the replay", quarantined);
    assert_eq!(row["body"], broken);
    hub.order("p1");
    assert_eq!(hub.event_keys(&key, 1), ["p1"], "the others go on");
}

#[test]
fn keys_are_made_before_and_beside_a_running_hub() {
    let place = Place::shop();
    let (before_id, before) = place.key("read,write");
    let hub = place.serve();
    let (_, beside) = place.key("read");
    for key in [&before, &beside] {
        assert!(key.starts_with("psk_") && key.len() == 47);
        assert_eq!(hub.get("/api/v1/events", key).status, 200);
    }
    let bare = hub.send("GET", "/api/v1/events", &[], b"");
    bare.problem(401, &["keys create"]);
    assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
    hub.get("/api/v1/events", "psk_inventada").problem(401, &["unknown or was revoked"]);
    let replay = |key: &str| {
        hub.send(
            "POST",
            "/api/v1/deliveries/del_0000000000000/replay",
            &[("authorization", &format!("Bearer {key}"))],
            b"",
        )
    };
    replay(&beside).problem(403, &["needs the scope 'write'", "has read"]);
    replay(&before).problem(404, &["no del_0000000000000"]);

    let listed = place.run(&["keys", "list", "--json"]);
    assert!(listed.out.contains(&before_id) && !listed.out.contains(&before), "a list never shows a key");
    assert_eq!(place.run(&["keys", "revoke", &before_id]).code, 0);
    until("the revocation to count", || (hub.get("/api/v1/events", &before).status == 401).then_some(()));
    assert_eq!(hub.get("/api/v1/events", &beside).status, 200, "the other key stays");
}

#[test]
fn g14_the_api_refuses_questions_it_does_not_know() {
    let place = Place::shop();
    let (_, key) = place.key("read");
    let hub = place.serve();
    hub.get("/api/v1/events?limit=0", &key).problem(400, &["1 to 200"]);
    hub.get("/api/v1/events?limite=5", &key).problem(400, &["limite"]);
    hub.get("/api/v1/events?cursor=zz", &key).problem(400, &["next_cursor"]);
    hub.get("/api/v1/events/evt_1", &key).problem(400, &["evt_0123456789abc"]);
    hub.get("/api/v1/deliveries/del_0000000000000", &key).problem(404, &["no delivery"]);
    assert_ne!(free_port(), place.public.port(), "the hub holds its port");
}

/// The hub that `pasarela bench sealing` compares with writes nothing without its seal where anybody's data may be.
#[test]
fn the_hub_of_the_bench_takes_no_database_that_was_used() {
    let place = Place::shop();
    place.key("read");
    place.run(&["bench", "copying-hub"]).says(2, &["the bench's", "pasarela serve"]);
    assert!(!place.run(&["bench", "--help"]).out.contains("copying"), "nobody is led to it");
}
