//! `pasarela market` against the market's vectors: every file through the built program, its inputs alone.

use crate::files::{Place, Told};
use serde_json::Value;
use std::collections::BTreeMap;

type Rows = Vec<BTreeMap<String, String>>;

fn rows(text: &str) -> Rows {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let rows: Result<Rows, _> = reader.deserialize().collect();
    rows.unwrap()
}

/// What the program says of these columns of the file.
#[track_caller]
fn asked(place: &Place, question: &str, columns: &[&str], rows: &Rows) -> Vec<Value> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(columns).unwrap();
    for row in rows {
        csv.write_record(columns.iter().map(|c| row[*c].as_str())).unwrap();
    }
    let told = place.run_with(&["market", question, "--json"], &csv.into_inner().unwrap());
    assert_eq!(told.code, 0, "{told:?}");
    serde_json::from_str(&told.out).unwrap()
}

#[test]
fn every_vector_of_the_market_is_answered_by_the_program() {
    let place = Place::new();
    for (question, file, inputs) in [
        (
            "business-day",
            include_str!("../../../colombia/tests/vectors/business-day-vectors.csv"),
            &["start_bogota", "n", "saturday_counts", "start_day_counts"][..],
        ),
        (
            "window",
            include_str!("../../../colombia/tests/vectors/contact-window-vectors.csv"),
            &["local_datetime", "channel"],
        ),
        ("nit", include_str!("../../../colombia/tests/vectors/nit-vectors.csv"), &["input"]),
        ("phone", include_str!("../../../colombia/tests/vectors/phone-vectors.csv"), &["input"]),
        (
            "price",
            include_str!("../../../colombia/tests/vectors/price-vectors.csv"),
            &["unit_amount_cop", "quantity", "discount_percent", "iva_mode", "iva_rate_percent", "rounding"],
        ),
    ] {
        let wanted = rows(file);
        let told = asked(&place, question, inputs, &wanted);
        assert_eq!(told.len(), wanted.len(), "{question}");
        for (told, mut wanted) in told.into_iter().zip(wanted) {
            wanted.remove("note");
            assert_eq!(told, serde_json::to_value(&wanted).unwrap(), "{question}");
        }
    }
    let wanted = rows(include_str!("../../../colombia/tests/vectors/holidays-co-2024-2032.csv"));
    let years: Rows = (2024..=2032).map(|y| BTreeMap::from([("year".to_owned(), y.to_string())])).collect();
    let told = asked(&place, "holidays", &["year"], &years);
    assert_eq!(Value::from(told), serde_json::to_value(wanted).unwrap());
}

#[test]
fn one_question_of_the_market_is_answered_in_words_and_a_wrong_one_says_what_is_wrong() {
    let place = Place::new();
    let run = |args: &[&str]| place.run(&[&["market"], args].concat());
    for (args, says) in [
        (
            &["holidays", "2026"][..],
            "2026-07-13 Mon  Nuestra Señora del Rosario de Chiquinquirá (moved from 2026-07-09)",
        ),
        (&["business-day", "2026-07-10", "1"], "2026-07-14T23:59:59-05:00"),
        (&["business-day", "2026-03-20T09:00", "5", "--saturday-counts"], "2026-03-27T23:59:59-05:00"),
        (&["window", "2026-12-08T10:00:00-05:00", "email_marketing"], "from 2026-12-09T07:00:00-05:00"),
        (&["window", "2026-12-08T10:00:00-05:00", "email_can_wait"], "from 2026-12-09T07:00:00-05:00"),
        (&["nit", "901.234.567"], "is it 901.234.567-7?"),
        (&["phone", "300 123 4567"], "+573001234567"),
        (&["price", "180000"], "base 151261, IVA 28739"),
        (&["deadline", "consulta", "2026-11-24T10:00:00-05:00"], "2026-12-09T23:59:59-05:00, be done by 2026-12-04"),
        (&["uvt", "2026"], "52.374"),
    ] {
        let told = run(args);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(told.out.contains(says), "{args:?}: {told:?}");
    }
    let told = run(&["holidays", "2040"]);
    assert!(told.out.lines().count() == 19 && told.err.contains("computed by the rule"), "{told:?}");
    run(&["uvt", "2027"]).says(1, &["Falta UVT 2027"]);
    std::fs::write(place.path("2027.csv"), "uvt;2027;55000;una resolución inventada\n").unwrap();
    assert!(run(&["uvt", "2027", "--tables", "2027.csv"]).out.contains("55.000"));
    std::fs::write(place.path("bad.csv"), "\nuvt;2027;55.000;x\n").unwrap();
    run(&["uvt", "2027", "--tables", "bad.csv"]).says(2, &["bad.csv", "line 2", "whole pesos"]);
    run(&["window", "mañana", "email_marketing"]).says(2, &["local_datetime", "'mañana'"]);
    run(&["window", "2026-12-08T10:00", "paloma_marketing"]).says(2, &["'paloma_marketing'", "whatsapp_marketing"]);
    run(&["price", "180.000,00"]).says(2, &["unit_amount_cop", "84033.61"]);
    run(&["business-day", "2026-07-10"]).says(2, &["<N>"]);
    let piped = |question: &str, csv: &str| -> Told { place.run_with(&["market", question], csv.as_bytes()) };
    piped("nit", "numero\n901234567-7\n").says(2, &["no column 'input'"]);
    piped("business-day", "start_bogota,n\n2026-07-10,1\n2026-07-10,dos\n").says(1, &["line 3", "'dos'"]);
    assert!(run(&["--help"]).out.contains("not legal advice"));
}
