use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("pasarela.toml"), text, std::iter::empty()).map_err(|e| e.to_string())
}

#[test]
fn an_empty_file_is_the_default_hub() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.database().unwrap().homes().unwrap(), [Path::new("pasarela.db")]);
}

#[test]
fn unknown_keys_refuse_to_start_and_show_their_line() {
    let why = parse("[server]\nlisten = \"127.0.0.1:1\"\nlistten = 3\n").unwrap_err();
    assert!(why.contains("line 3") && why.contains("listten"), "{why}");
    assert!(parse("[serv]\n").unwrap_err().contains("serv"));
}

#[test]
fn contradictions_refuse_to_start() {
    for (text, part) in [
        ("[console]\nlisten = \"127.0.0.1:8080\"", "origin of their own"),
        ("[console]\nidle = \"5s\"", "between 1m and 12h"),
        ("[server]\nmax_connections = 3", "server.max_connections is below 8"),
        ("[server]\nheader_timeout = \"2m\"", "between 1s and 60s"),
        ("[console.oidc]\nissuer = \"http://id.example\"\nclient_id = \"hub\"", "write https://HOST"),
        ("[console.oidc]\nissuer = \"https://id.example\"\nclient_id = \"\"", "client_id is empty"),
        (
            "[console.oidc]\nissuer = \"https://id.example\"\nclient_id = \"hub\"\nroles_claim = \"groups\"",
            "go together",
        ),
        (
            "[console.oidc]\nissuer = \"https://id.example\"\nclient_id = \"hub\"\nroles_claim = \"groups\"\nroles = { a = [\"jefe\"] }",
            "there is no role 'jefe'",
        ),
        ("[market]\ncountry = \"MX\"", "CO only"),
        ("[market]\ntime_zone = \"Bogota\"", "IANA"),
        ("[store]\nurl = \"mysql://x\"", "sqlite:PATH"),
        ("[store]\nmax_pending = \"1B\"", "less than 64KiB"),
        ("[store]\nmax_pending = \"many\"", "is not a size"),
        ("[retention]\nbody = \"9d\"", "unknown field `body`"),
        ("[brands.luna]\nname = \" \"", "[brands.luna] 'name' is empty"),
        ("[brands.Luna]\nname = \"Luna\"", "[brands.Luna]"),
        ("[brands.luna]\nname = \"Luna\"\nnit = \"901.234.567-1\"", "[brands.luna] nit"),
        ("[brands.luna]\nnombre = \"Luna\"", "unknown field `nombre`"),
        ("[retention]\nruns = \"5m\"", "shorter than an hour"),
        ("[retention]\nruns = \"long\"", "or never"),
        ("[retention]\nfacts = \"400d\"", "comes again as news"),
        ("[retention]\nbodies = \"500d\"", "goes with its delivery"),
    ] {
        let why = parse(text).unwrap_err();
        assert!(why.contains(part), "{text}: {why}");
    }
}

#[test]
fn retention_and_bounds_have_units() {
    let config = parse(
        "[store]\nmax_pending = \"64MiB\"\nmin_free_disk = \"2GB\"\n[retention]\nruns = \"never\"\nfacts = \"900d\"\ndeliveries = \"90d\"",
    );
    assert!(config.unwrap_err().contains("retention.facts"), "runs are kept for ever, and their facts are not");
    let config =
        parse("[store]\nmax_pending = \"64MiB\"\nmin_free_disk = \"2GB\"\n[retention]\nruns = \"never\"").unwrap();
    let keeping = config.retention.keeping(&config.store);
    assert_eq!((keeping.intake.pending_bytes, keeping.intake.disk_free), (64 << 20, 2_000_000_000));
    assert!(keeping.retention.runs.is_none() && keeping.retention.facts.is_none());
    assert_eq!(keeping.retention.bodies.unwrap().as_secs(), 90 * 86_400);
}

#[test]
fn the_environment_overrides_with_types() {
    let env = [("PASARELA__SERVER__LISTEN", "127.0.0.1:9999"), ("PASARELA__FLOWS__BUILTIN", "false"), ("HOME", "/x")];
    let env = env.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned()));
    let config = Config::parse(Path::new("p.toml"), "", env).unwrap();
    assert_eq!(config.server.listen.port(), 9999);
    assert!(!config.flows.builtin);
}

#[test]
fn a_wrong_override_is_an_error_too() {
    let env = [("PASARELA__SERVER__LISTTEN".to_owned(), "1".to_owned())].into_iter();
    assert!(Config::parse(Path::new("p.toml"), "", env).unwrap_err().to_string().contains("listten"));
}

#[test]
fn a_postgres_has_its_key_beside_the_configuration_and_never_shows_its_password() {
    let url = "postgres://hub:s3creta@db.example:5432/hub";
    let config = Config::parse(Path::new("lejos/p.toml"), &format!("[store]\nurl = \"{url}\""), [].into_iter());
    let homes = config.unwrap().database().unwrap().homes().unwrap();
    assert!(homes[0].to_string_lossy().starts_with("lejos/pasarela.key."), "{homes:?}");
    let why = parse(&format!("[store]\nurrl = \"{url}\"")).unwrap_err();
    assert!(why.contains("urrl") && why.contains("db.example") && !why.contains("s3creta"), "{why}");
    let config = parse(&format!("[store]\nurl = \"{url}\"\nkey_file = \"hub.key\"")).unwrap();
    let database = config.database().unwrap();
    assert!(database.homes().unwrap()[0].to_string_lossy().starts_with("hub.key."));
    assert_eq!(database.to_string(), "postgres://db.example:5432/hub");
    assert!(!format!("{config:?} {database:?}").contains("s3creta"));
}

#[test]
fn the_url_of_the_store_may_be_a_reference_and_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, "postgres://hub:s3creta@db.example/hub\n").unwrap();
    let env = [
        ("PASARELA__STORE__URL".to_owned(), format!("file:{}", file.display())),
        ("PASARELA__STORE__KEY_FILE".to_owned(), "hub.key".to_owned()),
    ];
    let config = Config::parse(Path::new("p.toml"), "", env.into_iter()).unwrap();
    assert_eq!(config.database().unwrap().to_string(), "postgres://db.example/hub");
    let why = parse("[store]\nurl = \"env:PASARELA_NO_SUCH_VARIABLE\"").unwrap_err();
    assert!(why.contains("store.url") && why.contains("PASARELA_NO_SUCH_VARIABLE"), "{why}");
}

#[test]
fn codes_are_required_where_people_are_real_or_come_from_elsewhere_unless_it_is_said() {
    let asked = |text: &str, live: bool| parse(text).unwrap().console.requires_second(live);
    assert!(!asked("", false), "a first try on a laptop");
    assert!(asked("", true), "a live connection");
    assert!(asked("[console]\nlisten = \"0.0.0.0:8081\"", false), "beyond this machine");
    assert!(!asked("[console]\nsecond_factor = \"offered\"\nlisten = \"0.0.0.0:8081\"", true));
    assert!(asked("[console]\nsecond_factor = \"required\"", false));
    assert!(parse("[console]\nsecond_factor = \"never\"").unwrap_err().contains("offered"));
}
