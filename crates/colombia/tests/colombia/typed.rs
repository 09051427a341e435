//! What people type, and what must not be kept.

use pasarela_colombia::documents::{self, DocumentKind};
use pasarela_colombia::fiscal::DocumentCode;
use pasarela_colombia::names::{PersonName, greeting};
use pasarela_colombia::price::{InvalidLine, IvaMode, Line, Percent, Rounding, contribution, split};
use pasarela_colombia::tables::Tables;
use pasarela_colombia::{Lang, address, cards, nit, phone, places};

#[test]
fn the_extension_is_kept_beside_the_number_and_debug_shows_neither() {
    let number = phone::read("+57 (601) 307-7042 ext. 123").unwrap();
    assert_eq!((number.e164.as_str(), number.extension.as_deref()), ("+576013077042", Some("123")));
    assert!(!format!("{number:?}").contains("307"));
}

#[test]
fn odd_text_is_refused_and_never_panics() {
    let long = "😀".repeat(500);
    for odd in ["+", "++57", "+0 300 123 4567", "🎟️", "٣٠٠", "57", "+570", "ext. 5", "////", "1800", &long] {
        assert!(phone::read(odd).is_err(), "{odd}");
        assert!(nit::read(odd).is_err(), "{odd}");
        assert!(address::suggest(odd).is_none(), "{odd}");
        assert_eq!(cards::masked(odd), odd);
        assert!(places::search(odd).is_empty(), "{odd}");
        assert!(odd.starts_with(&greeting(odd)), "{odd}");
    }
}

#[test]
fn a_nit_is_asked_for_with_the_number_that_it_might_be() {
    let why = nit::read("901.234.567-8").unwrap_err();
    assert_eq!(why.text(Lang::Es), "El dígito de verificación no coincide: ¿901.234.567-7?");
    let why = nit::read("NIT: 901234567").unwrap_err();
    assert_eq!(
        (why.code(), why.text(Lang::En).as_str()),
        ("no_check_digit", "the check digit is missing: is it 901.234.567-7?")
    );
    assert!(!format!("{why:?}").contains("901"), "debug output shows no number");
    for (typed, code) in [
        ("", "empty"),
        ("12345678901234567-1", "too_long"),
        ("90123456A-1", "not_digits"),
        ("901234567-77", "wrong_check_digit"),
    ] {
        assert_eq!(nit::read(typed).unwrap_err().code(), code, "{typed}");
    }
}

#[test]
fn documents_are_warned_of_and_never_refused() {
    for (kind, typed, number, unusual) in [
        ("CC", "1.020.304.050", "1020304050", false),
        ("13", "0123", "0123", true),
        ("TI", "1001234567", "1001234567", false),
        ("PA", "ab 123456", "AB123456", false),
        ("PPT", "1234567", "1234567", false),
        ("CE", "A1", "A1", true),
    ] {
        let kind = DocumentKind::from_code(kind).unwrap();
        let document = documents::read(kind, typed).unwrap();
        assert_eq!((document.number.as_str(), document.unusual), (number, unusual), "{typed}");
    }
    assert!(documents::read(DocumentKind::Cedula, " .- ").is_none());
    let minors: Vec<_> = DocumentKind::ALL.into_iter().filter(|k| k.is_of_a_minor()).map(DocumentKind::dian).collect();
    assert_eq!(minors, ["11", "12"]);
}

#[test]
fn places_are_found_as_people_write_them() {
    assert_eq!(places::departments().len(), 33);
    for (typed, code) in [
        ("bogota", "11001"),
        ("Santa Fe de Bogotá", "11001"),
        ("MEDELLIN", "05001"),
        ("Medelli\u{301}n", "05001"),
        ("san jose del gua", "95001"),
        ("Cúcuta", "54001"),
    ] {
        assert_eq!(places::search(typed).first().map(|m| m.code), Some(code), "{typed}");
    }
    assert_eq!(places::municipality("05001").unwrap().department.name, "Antioquia");
    assert!(places::search("Narnia").is_empty() && places::department("99").is_some());
    let found = places::search("bogota d.c.");
    assert_eq!(found.iter().filter(|m| m.code == "11001").count(), 1);
}

#[test]
fn a_line_that_cannot_be_is_refused_and_the_contribution_begins_at_three_uvt() {
    let line = Line {
        unit: 100,
        quantity: 1,
        discount: Percent::default(),
        mode: IvaMode::Added,
        rate: Percent::parse("19").unwrap(),
        rounding: Rounding::Peso,
    };
    assert_eq!(split(&Line { quantity: 0, ..line }), Err(InvalidLine::NoQuantity));
    assert_eq!(split(&Line { unit: -1, ..line }), Err(InvalidLine::Negative));
    assert_eq!(split(&Line { unit: i64::MAX, quantity: u32::MAX, ..line }), Err(InvalidLine::TooLarge));
    assert_eq!((Percent::parse("100.01"), Percent::parse("-1"), Percent::parse("1.234")), (None, None, None));
    let tables = Tables::shipped();
    let sold = "2026-07-06".parse().unwrap();
    // 3 UVT of 2026 are 157,122 pesos; at exactly so much it is due.
    assert_eq!(contribution(&tables, 15_712_200, sold), Ok(1_571_200));
    assert_eq!(contribution(&tables, 15_712_199, sold), Ok(0));
    assert_eq!(contribution(&tables, 18_000_000, sold), Ok(1_800_000));
    let missing = contribution(&tables, 18_000_000, "2027-01-02".parse().unwrap()).unwrap_err();
    assert!(missing.to_string().starts_with("Falta UVT 2027"));
}

#[test]
fn tables_are_extended_from_data_and_a_missing_year_is_never_guessed() {
    let tables = Tables::shipped();
    let (old, new) = ("2026-12-31".parse().unwrap(), "2027-01-01".parse().unwrap());
    assert_eq!((tables.iva("general", old), tables.iva("reducida", old)), (Ok(1900), Ok(500)));
    assert!(tables.iva("general", new).unwrap_err().to_string().starts_with("Falta IVA general 2027"));
    let text = "# DIAN\nversion;2027-norms\nuvt;2027;55000;x\niva;general;2027-01-01;2027-12-31;1900;x\n\
                known_until;2033\nholiday;2033-01-01;Año Nuevo;\n";
    let more = tables.extended(text).unwrap();
    assert_eq!((more.version(), more.known_until()), ("2026.11+2027-norms", 2033));
    assert_eq!((more.iva("general", new), more.uvt(2027).unwrap().pesos), (Ok(1900), 55_000));
    assert_eq!((more.holidays(2033).len(), more.holidays(2032).len()), (1, 19));
    for (bad, line, says) in [
        ("uvt;2027;55.000;x", 1, "whole pesos"),
        ("# x\n\niva;general;2027-01-01;2026-01-01;1900;x", 3, "before the first"),
        ("holiday;2033-1-1;x;", 1, "YYYY-MM-DD"),
        ("uvt,2027,55000,x", 1, "expected"),
    ] {
        let why = tables.extended(bad).unwrap_err();
        assert_eq!(why.line, line);
        assert!(why.why.contains(says), "{why}");
    }
}

#[test]
fn names_keep_two_surnames_and_greet_by_name() {
    let name = PersonName {
        given: "María del Pilar".into(),
        first_surname: "de la Torre".into(),
        second_surname: Some("Ñáñez".into()),
    };
    assert_eq!(name.full(), "María del Pilar de la Torre Ñáñez");
    assert_eq!(
        (name.surnames().as_str(), name.sort_key().as_str()),
        ("de la Torre Ñáñez", "de la torre nanez maria del pilar")
    );
    assert_eq!(name.greeting(), "María del Pilar");
    for (given, hello) in
        [("José Luis", "José Luis"), ("Juan", "Juan"), ("María de los Ángeles", "María de los Ángeles"), ("", "")]
    {
        assert_eq!(greeting(given), hello);
    }
    assert!(!format!("{name:?}").contains("Pilar"));
}

#[test]
fn addresses_are_tidied_where_they_have_the_usual_form() {
    for (typed, tidy) in [
        ("Carrera 43A # 1 Sur - 50, apto 1203", "Carrera 43A # 1 Sur - 50, apto 1203"),
        ("Calle 26 # 13-19 Sur", "Calle 26 # 13 - 19 Sur"),
        ("Av. Calle 72 # 10-07 of. 201", "Avenida Calle 72 # 10 - 07, of. 201"),
        ("Transversal 6 # 45-10", "Transversal 6 # 45 - 10"),
        ("cq 4 no 70-15", "Circular 4 # 70 - 15"),
        ("KR 127 bis a Nº 20B-33", "Carrera 127 BIS A # 20B - 33"),
    ] {
        assert_eq!(address::suggest(typed).map(|a| a.to_string()).as_deref(), Some(tidy), "{typed}");
    }
    for free in ["Km 7 vía La Calera", "Vereda El Tablón, casa blanca", "Manzana C Casa 12", "Calle 26", ""] {
        assert!(address::suggest(free).is_none(), "{free}");
    }
}

#[test]
fn the_codes_of_the_dian_are_recomputed() {
    let cufe = DocumentCode {
        number: "323200000129",
        date: "2019-01-16",
        time: "10:53:10-05:00",
        gross: 150_000_000,
        iva: 28_500_000,
        inc: 0,
        ica: 0,
        total: 178_500_000,
        seller: "700085371",
        buyer: "800199436",
        key: "693ff6f2a553c3646a063436fd4dd9ded0311471",
        environment: 1,
    };
    assert_eq!(
        cufe.code(),
        "8bb918b19ba22a694f1da11c643b5e9de39adf60311cf179179e9b33381030bcd4c3c3f156c506ed5908f9276f5bd9b4"
    );
    let cude = DocumentCode {
        number: "8110007871",
        date: "2019-01-12",
        time: "07:00:00-05:00",
        gross: 500_000,
        iva: 95_000,
        inc: 0,
        ica: 0,
        total: 595_000,
        seller: "900373076",
        buyer: "8355990",
        key: "12301",
        environment: 1,
    };
    assert_eq!(
        cude.text(),
        "81100078712019-01-1207:00:00-05:005000.0001950.00040.00030.005950.009003730768355990123011"
    );
    assert!(
        cude.fits(" 907E4444decc9e59c160a2fb3b6659b33dc5b632a5008922b9a62f83f757b1c448e47f5867f2b50dbdb96f48c7681168")
    );
    assert!(!cude.fits(&cufe.code()));
}

#[test]
fn card_numbers_are_found_in_what_people_write_and_other_numbers_are_not() {
    for card in [
        "4111111111111111",
        "mi tarjeta: 4111 1111 1111 1111 12/29",
        "5500-0000-0000-0004",
        "3400 000000 00009",
        "4111.1111.1111.1111 1229",
        "４１１１１１１１１１１１１１１１",
        "Cra 7 # 12-30 y la tarjeta 4111 1111 1111 1111",
    ] {
        assert!(cards::holds_card(card), "{card}");
        assert!(!cards::holds_card(&cards::masked(card)), "{card}");
    }
    for other in ["+57 300 123 4567", "4111111111111112", "NIT 901.234.567-7", "0000 0000 0000 0000", "$ 185.000", ""] {
        assert!(!cards::holds_card(other), "{other}");
        assert_eq!(cards::masked(other), other);
    }
    assert_eq!(cards::masked("a 4111 1111 1111 1111 b"), "a **** b");
}
