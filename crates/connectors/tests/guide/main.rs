//! The example of the guide "Add a provider": it is compiled here, it passes the conformance suite, and the guide
//! shows these files as they are.

// As in the library, where the registry uses it.
#[allow(unreachable_pub, reason = "it is written as in a library")]
mod percha;

use jiff::Timestamp;
use pasarela_connector::testkit::{ActionSample, Fixture, WebhookSample, check};
use pasarela_connector::{
    Answer, AuthStep, ConnectionConfig, Ctx, Item, PollStep, Provider, SimConfig, Source, Step, auth, sign,
};
use pasarela_domain::Secret;
use percha::Percha;
use serde_json::json;
use std::path::{Path, PathBuf};

const NOW: i64 = 1_795_806_000;

fn config() -> ConnectionConfig {
    let mut config = ConnectionConfig::bare("ropero", "percha");
    config.settings = json!({ "show_id": "7" });
    config.webhook_secrets = vec![Secret::new("secreto-de-percha")];
    config.credentials.insert("token".into(), Secret::new("token-de-percha"));
    config
}

// guide:fixture
#[test]
fn conformance() {
    let body = br#"{"event":"garment.changed","garment":{"id":"g1","name":"Vestido rojo","price":"185000"}}"#;
    let signature = sign::hmac_sha256_hex(b"secreto-de-percha", &[body]);
    check(&Fixture {
        provider: Box::new(Percha),
        config: config(),
        now: Timestamp::from_second(NOW).unwrap(),
        webhooks: vec![WebhookSample {
            name: "garment.changed".into(),
            headers: vec![("x-percha-signature".into(), signature)],
            signature_header: "x-percha-signature",
            body: body.to_vec(),
            events: vec!["product.updated"],
        }],
        actions: vec![ActionSample {
            action: "reserve",
            input: json!({ "garment": "g1", "person": "per_1" }),
            done: Answer::json(201, &json!({ "id": "r-g1" })),
            judged: vec![(Answer::json(409, &json!({ "error": "reserved" })), "give_up")],
            refused: vec![json!({ "garment": "../g1", "person": "per_1" }), json!({ "garment": "g1" })],
        }],
    });
}
// guide:end

/// The connector and its double agree: what one asks the other answers, and what it tells is understood.
#[test]
fn the_double_is_the_provider_that_the_connector_expects() {
    let now = Timestamp::from_second(NOW).unwrap();
    let ctx = Ctx { now, key: "eff-1", attempt: 1 };
    let connector = Percha.connect(config()).unwrap();
    let sim = SimConfig {
        connection: "ropero".into(),
        base_url: "http://127.0.0.1:1".into(),
        webhook_secret: "secreto-de-percha".into(),
        settings: json!({}),
    };
    let mut double = Percha.simulator(sim).unwrap();
    let hung = double.act("hang", &json!({ "id": "g1", "name": "Vestido rojo", "price": "185000" }), now).unwrap();
    let told = connector.translate(Source::Webhook, &hung.webhooks[0].1.body).unwrap();

    let AuthStep::Ready(proof) = auth::begin(Percha.manifest(), connector.as_ref(), None, &ctx) else { panic!() };
    let mut ask = |request: pasarela_connector::Request| {
        let mut request = proof.headers.iter().fold(request, |r, (name, value)| r.header(name, value.clone()));
        request.url = request.url.replace("https://api.percha.example", "");
        double.handle(&request, now).answer
    };
    let PollStep::Call { request, state } = connector.poll("garments", None, None, &ctx) else { panic!() };
    let answer = ask(request);
    let PollStep::Page { records, more: false, .. } = connector.poll("garments", None, Some((&state, &answer)), &ctx)
    else {
        panic!()
    };
    let read = connector.translate(Source::Poll, records[0].body.to_string().as_bytes()).unwrap();
    assert_eq!(told, read, "a webhook and a page tell the same");
    assert!(matches!(&told.items[0], Item::Fact(f) if f.data["tiers"][0]["price"]["minor"] == json!(18_500_000)));

    let inputs = [json!({ "garment": "g1", "person": "per_1" })];
    for _ in 0..2 {
        let Step::Call(call) = connector.begin("reserve", &inputs, &ctx) else { panic!() };
        let answer = ask(call.request);
        assert!(
            matches!(connector.on("reserve", &inputs, &call.state, &answer, &ctx), Step::End(o) if o[0].name() == "done")
        );
    }
    assert_eq!((double.arrivals().len(), double.arrivals()[0].times), (1, 2), "one reservation, asked for twice");
}

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/en/add-a-provider.md");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Code blocks of the guide behind `<!-- NAME -->`, by name.
fn blocks(guide: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = guide;
    while let Some((_, after)) = rest.split_once("<!-- file: ") {
        let (name, after) = after.split_once(" -->").expect("a name ends");
        let (_, after) = after.split_once("```rust\n").expect("a block begins");
        let (code, after) = after.split_once("```").expect("a block ends");
        found.push((name.to_owned(), code.to_owned()));
        rest = after;
    }
    found
}

#[test]
fn the_guide_shows_these_files_as_they_are() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/guide");
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let guide = guide();
    let shown = blocks(&guide);
    let mut wanted = vec!["percha.rs".to_owned(), "main.rs#fixture".to_owned()];
    for file in std::fs::read_dir(folder.join("percha")).unwrap() {
        wanted.push(format!("percha/{}", file.unwrap().file_name().to_string_lossy()));
    }
    for name in &wanted {
        let code = match name.split_once('#') {
            None => text(name),
            Some((file, mark)) => {
                let all = text(file);
                let after = all.split_once(&format!("// guide:{mark}\n")).expect("the mark is there").1;
                after.split_once("// guide:end").expect("and its end").0.to_owned()
            }
        };
        let block = shown.iter().find(|(shown, _)| shown == name);
        let (_, block) = block.unwrap_or_else(|| panic!("the guide does not show {name}"));
        if std::env::var_os("PASARELA_WRITE_DOCS").is_some() && *block != code {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/en/add-a-provider.md");
            let now = std::fs::read_to_string(&path).unwrap();
            let place = |code: &str| format!("<!-- file: {name} -->\n```rust\n{code}```");
            std::fs::write(&path, now.replace(&place(block), &place(&code))).unwrap();
            continue;
        }
        assert_eq!(*block, code, "{name} has changed: PASARELA_WRITE_DOCS=1 cargo test --test guide writes it");
    }
    assert_eq!(shown.len(), wanted.len(), "the guide shows a file that is not there");
}

/// What the guide says of its own length is true: one folder, one line.
#[test]
fn a_line_of_the_registry_is_all_that_is_outside_of_the_folder() {
    let guide = guide();
    assert!(guide.contains("    percha::Percha,\n"), "the guide shows the line");
}
