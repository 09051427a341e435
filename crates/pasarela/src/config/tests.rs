use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("pasarela.toml"), text, std::iter::empty()).map_err(|e| e.to_string())
}

#[test]
fn an_empty_file_is_the_default_hub() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.database(), PathBuf::from("pasarela.db"));
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
        ("[market]\ncountry = \"MX\"", "CO only"),
        ("[market]\ntime_zone = \"Bogota\"", "IANA"),
        ("[store]\nurl = \"mysql://x\"", "sqlite:PATH"),
    ] {
        let why = parse(text).unwrap_err();
        assert!(why.contains(part), "{text}: {why}");
    }
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
