//! Lists of the registry that were consulted by hand, at the built program.

use crate::files::Place;
use serde_json::Value;

#[test]
fn a_list_that_was_consulted_by_hand_comes_in_with_its_hash_or_says_what_is_wrong() {
    let place = Place::new();
    place.write("");
    let status = || -> Value { serde_json::from_str(&place.run(&["rne", "status", "--json"]).out).unwrap() };
    let view = status();
    assert_eq!((&view["required"], &view["connection"]), (&Value::from(true), &Value::Null));
    assert!(place.run(&["rne", "status"]).out.contains("no connection asks it"));

    let now = jiff::Timestamp::now().to_string();
    let old = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(25)).to_string();
    let list = |name: &str, text: &str| std::fs::write(place.path(name), text).unwrap();
    let import = |file: &str, at: &str, more: &[&str]| {
        place.run(&[&["rne", "import", file, "--consulted-at", at, "--by", "operaciones"], more].concat())
    };
    list(
        "consulta.csv",
        "llave,sms,aplicacion,llamada,correo_electronico\n3001234567,,,,\n310 555 0101,false,,true,\nana.rios@example.co,,,,false\n",
    );
    let taken = import("consulta.csv", &now, &["--json"]);
    assert_eq!(taken.code, 0, "{taken:?}");
    let taken: Value = serde_json::from_str(&taken.out).unwrap();
    let hash = taken["sha256"].as_str().unwrap();
    assert_eq!((&taken["taken"], hash.len()), (&Value::from(3), 64));
    assert_eq!(import("consulta.csv", &now, &["--sha256", hash]).code, 0, "the same list again");
    import("consulta.csv", &now, &["--sha256", &"0".repeat(64)]).says(2, &["consulta.csv", "SHA-256 is"]);
    import("consulta.csv", &old, &[]).says(2, &["older than 24 hours"]);
    list("columna.csv", "llave,paloma\n3001234567,true\n");
    import("columna.csv", &now, &[]).says(2, &["no column 'paloma'", "correo_electronico"]);
    list("fila.csv", "llave,sms\n3001234567,true\n307 7042,true\n");
    import("fila.csv", &now, &[]).says(2, &["line 3", "llave"]);
    list("celda.csv", "llave,sms\n3001234567,quizás\n");
    import("celda.csv", &now, &[]).says(2, &["line 2", "'quizás'"]);

    place.write("[market]\nrne = \"off\"\n");
    assert_eq!(status()["required"], Value::from(false));
    place.write("[market]\ntables = \"2027.csv\"\n");
    place.refused().says(2, &["market.tables", "2027.csv"]);
    list("2027.csv", "uvt;2027;55.000;x\n");
    place.refused().says(2, &["2027.csv", "line 1", "whole pesos"]);
    list("2027.csv", "uvt;2027;55000;x\n");
    assert_eq!(place.run(&["check"]).code, 0);
}
