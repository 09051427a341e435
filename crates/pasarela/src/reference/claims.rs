//! Pages that say which test tries what: every name in their column of tests is one that is there. And the table
//! of ASVS answers each requirement of its level once.

use super::outline::{judge_exists, tests};
use super::root;
use std::collections::{BTreeMap, BTreeSet};

/// Pages with a column `test`.
const PAGES: [&str; 3] = ["threats.md", "asvs.md", "compliance.md"];

/// Requirements of levels 1 and 2 of ASVS 4.0.3: its sections, and the numbers in each. Numbers that are left out
/// were struck by OWASP, or are of level 3.
const LEVEL_2: &str = "
    1.1 1-7    1.2 1-4    1.4 1,4,5  1.5 1-4    1.6 1-4    1.7 1-2    1.8 1-2    1.9 1-2    1.10 1     1.11 1-2
    1.12 2     1.14 1-6
    2.1 1-12   2.2 1-3    2.3 1-3    2.4 1-5    2.5 1-7    2.6 1-3    2.7 1-6    2.8 1-7    2.9 1-3    2.10 1-4
    3.1 1      3.2 1-4    3.3 1-4    3.4 1-5    3.5 1-3    3.7 1
    4.1 1-3,5  4.2 1-2    4.3 1-3
    5.1 1-5    5.2 1-8    5.3 1-10   5.4 1-3    5.5 1-4
    6.1 1-3    6.2 1-6    6.3 1-2    6.4 1-2
    7.1 1-4    7.2 1-2    7.3 1,3,4  7.4 1-3
    8.1 1-4    8.2 1-3    8.3 1-8
    9.1 1-3    9.2 1-4
    10.2 1-2   10.3 1-3
    11.1 1-8
    12.1 1-3   12.2 1     12.3 1-6   12.4 1-2   12.5 1-2   12.6 1
    13.1 1,3-5 13.2 1-3,5,6          13.3 1-2   13.4 1-2
    14.1 1-4   14.2 1-6   14.3 2-3   14.4 1-7   14.5 1-4
";

fn page(name: &str) -> String {
    let path = root().join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Rows of all tables of a page, each by the heads of its columns.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let (mut heads, mut found) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if !line.starts_with('|') {
            heads.clear();
        } else if heads.is_empty() {
            heads = cells(line);
        } else if !line.starts_with("|---") {
            let row = cells(line);
            assert_eq!(row.len(), heads.len(), "not as many cells as heads: {line}");
            found.push(heads.iter().cloned().zip(row).collect());
        }
    }
    found
}

/// What stands in backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Is there such a test? A number (`must_01`, `g07`) stands for all tests of that number.
fn claim(name: &str) -> Result<(), String> {
    let digits = name.trim_start_matches("must_").trim_start_matches('g');
    let numbered = digits.len() < name.len() && digits.get(..2).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()));
    let begins = format!("{name}_");
    if numbered && tests().iter().any(|test| test.starts_with(&begins)) { Ok(()) } else { judge_exists(name) }
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let (mut wrong, mut checked) = (Vec::new(), BTreeMap::new());
    for name in PAGES {
        for row in rows(&page(name)) {
            for test in row.get("test").into_iter().flat_map(|cell| names(cell)) {
                *checked.entry(name).or_insert(0) += 1;
                wrong.extend(claim(test).err().map(|why| format!("docs/{name}: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(PAGES.iter().all(|name| checked.contains_key(name)), "a page without a column of tests: {checked:?}");
}

#[test]
fn a_test_that_is_not_there_is_no_claim() {
    assert!(claim("must_01").is_ok() && claim("g07").is_ok() && claim("scripts/test").is_ok());
    assert!(claim("a_test_that_is_not_there_is_no_claim").is_ok());
    assert!(claim("keys_change_and_may_be_killed_between_any_two_steps").is_ok(), "a case of the store's conformance");
    for none in ["must_98", "must_0", "must_", "g", "a_test_that", "nobody_tries_this", "", "scripts/none"] {
        assert!(claim(none).is_err(), "{none}");
    }
}

/// `1-3,5` as numbers.
fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split(',').flat_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    })
}

#[test]
fn every_requirement_of_asvs_level_2_has_one_answer() {
    let words: Vec<&str> = LEVEL_2.split_whitespace().collect();
    let wanted: BTreeSet<String> =
        words.chunks(2).flat_map(|pair| numbers(pair[1]).map(move |n| format!("{}.{n}", pair[0]))).collect();
    let text = page("asvs.md");
    let (mut answered, mut states) =
        (BTreeSet::new(), BTreeMap::from([("met", 0), ("not applicable", 0), ("open", 0)]));
    for row in rows(&text) {
        let Some(ids) = row.get("requirement") else { continue };
        let state = states.get_mut(row["state"].as_str()).unwrap_or_else(|| panic!("{ids} is '{}'", row["state"]));
        for id in ids.split(", ") {
            *state += 1;
            assert!(answered.insert(id.to_owned()), "{id} is answered twice");
        }
        assert!(!row["how"].is_empty(), "{ids} says only that it is {}", row["state"]);
    }
    let (forgotten, invented): (Vec<_>, Vec<_>) =
        (wanted.difference(&answered).collect(), answered.difference(&wanted).collect());
    assert!(forgotten.is_empty() && invented.is_empty(), "forgotten {forgotten:?}, not of the level {invented:?}");
    let all = wanted.len();
    let said = format!(
        "Of {all}, {} are met, {} do not apply, {} are open.",
        states["met"], states["not applicable"], states["open"]
    );
    assert!(text.contains(&said), "the page counts otherwise than: {said}");
}
