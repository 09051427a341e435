//! Phone numbers against the market's vectors (made with an independent library).

use pasarela_colombia::phone::{Kind, read};

/// Splits one line of CSV; quotes only where a field holds a comma.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

#[test]
fn every_vector_is_read_as_the_market_file_says() {
    let mut seen = 0;
    for line in include_str!("vectors/phone-vectors.csv").lines().skip(1) {
        let row = fields(line);
        let (input, expected, kind) = (&row[0], &row[1], &row[2]);
        let got = match read(input) {
            Ok(number) => {
                let expected_kind = match kind.as_str() {
                    "mobile" => Kind::Mobile,
                    "fixed" => Kind::Fixed,
                    "toll_free" => Kind::TollFree,
                    "premium" => Kind::Premium,
                    _ => Kind::Foreign,
                };
                assert_eq!(number.kind, expected_kind, "{input}");
                number.e164
            }
            Err(why) => format!("error:{}", why.code()),
        };
        assert_eq!(&got, expected, "input {input:?}");
        seen += 1;
    }
    assert!(seen >= 55, "the vectors were not read: {seen}");
}

#[test]
fn the_extension_is_kept_beside_the_number_and_debug_shows_neither() {
    let number = read("+57 (601) 307-7042 ext. 123").unwrap();
    assert_eq!((number.e164.as_str(), number.extension.as_deref()), ("+576013077042", Some("123")));
    assert!(!format!("{number:?}").contains("307"));
}

#[test]
fn odd_text_is_refused_and_never_panics() {
    for odd in
        ["+", "++57", "+0 300 123 4567", "🎟️", "٣٠٠", "57", "+570", "ext. 5", "////", "1800", "😀".repeat(500).as_str()]
    {
        assert!(read(odd).is_err(), "{odd}");
    }
}
