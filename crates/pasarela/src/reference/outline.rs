//! `docs/outline.toml`: what the document was asked to hold, point by point; where the book says it, and
//! what shows that it is so. What is still missing is printed with every run.

#![expect(clippy::print_stdout, reason = "what is missing is told to whoever runs the tests")]

use super::root;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outline {
    /// The text that asks, point by point.
    asked: String,
    part: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// Heading in the text that asks, with those above it.
    name: String,
    /// Page of the book.
    page: String,
    point: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    /// As it was asked.
    asks: String,
    /// Anchor on the part's page, or `PAGE#ANCHOR`.
    at: String,
    /// Tests by name, files to run, or commands of the hub.
    #[serde(default)]
    judge: Vec<String>,
    /// What is still missing.
    missing: Option<String>,
}

fn read() -> Outline {
    let path = root().join("docs/outline.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every point of the text that asks, with the heading that it stands below.
fn asked(text: &str) -> Vec<(String, String)> {
    let (mut chapter, mut section, mut points) = (String::new(), String::new(), Vec::new());
    let name = |t: &str| t.trim_matches('*').split(" (").next().unwrap_or_default().trim_end_matches("**").to_owned();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(point) = trimmed.strip_prefix("- ") {
            let below = if section.is_empty() { chapter.clone() } else { format!("{chapter} / {section}") };
            points.push((below, point.trim().to_owned()));
        } else if let Some((_, rest)) = trimmed.split_once(". ").filter(|(n, _)| n.parse::<u32>().is_ok()) {
            (chapter, section) = (name(rest), String::new());
        } else if let Some((_, rest)) = trimmed.split_once(") ").filter(|(letter, _)| letter.len() == 1) {
            section = name(rest);
        }
    }
    points
}

/// Is there such a test, file or command?
pub(super) fn judge_exists(judge: &str) -> Result<(), String> {
    if let Some(command) = judge.strip_prefix("pasarela ") {
        use clap::CommandFactory as _;
        let name = command.split(' ').next().unwrap_or_default();
        let there = crate::Cli::command().get_subcommands().any(|c| c.get_name() == name);
        return if there { Ok(()) } else { Err(format!("there is no command 'pasarela {name}'")) };
    }
    if judge.starts_with("scripts/") || judge.starts_with("tests/") || judge.starts_with("bench/") {
        let path = root().join(judge.split(' ').next().unwrap_or_default());
        return if is_executable(&path) { Ok(()) } else { Err(format!("{judge} is no file that can be run")) };
    }
    if tests().contains(judge) { Ok(()) } else { Err(format!("there is no test '{judge}'")) }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Names of all functions that the workspace marks as tests, and of the cases that both databases are held to.
pub(super) fn tests() -> &'static BTreeSet<String> {
    static TESTS: std::sync::LazyLock<BTreeSet<String>> = std::sync::LazyLock::new(|| {
        fn look(folder: &Path, found: &mut BTreeSet<String>) {
            for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if path.is_dir() {
                    look(&path, found);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let mut marked = false;
                    let cases = text.contains("\nmacro_rules! conformance ");
                    for line in text.lines().map(str::trim) {
                        let case = line.strip_suffix(',').filter(|_| cases);
                        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                        found.extend(case.filter(|case| case.chars().all(word)).map(str::to_owned));
                        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                        let name = line.trim_start_matches("async ").strip_prefix("fn ");
                        if let Some(name) = name.filter(|_| marked) {
                            found.extend(name.split(['(', '<']).next().map(str::to_owned));
                            marked = false;
                        }
                    }
                }
            }
        }
        let mut found = BTreeSet::new();
        look(&root().join("crates"), &mut found);
        found
    });
    &TESTS
}

#[test]
fn every_point_that_was_asked_has_a_place_and_a_judge_or_is_told_to_be_missing() {
    let outline = read();
    let wanted: BTreeSet<(String, String)> = asked(&outline.asked).into_iter().collect();
    let listed: BTreeSet<(String, String)> =
        outline.part.iter().flat_map(|p| p.point.iter().map(|b| (p.name.clone(), b.asks.clone()))).collect();
    let forgotten: Vec<_> = wanted.difference(&listed).collect();
    let invented: Vec<_> = listed.difference(&wanted).collect();
    assert!(forgotten.is_empty() && invented.is_empty(), "forgotten {forgotten:#?}\nnot asked for {invented:#?}");

    let book = pasarela_book::book();
    let (mut wrong, mut missing, mut shown) = (Vec::new(), Vec::new(), 0);
    for part in &outline.part {
        for point in &part.point {
            let (page, anchor) = match point.at.split_once('#') {
                Some((page, anchor)) => (page, anchor),
                None => (part.page.as_str(), point.at.as_str()),
            };
            let at = format!("{} / {}", part.name, point.asks);
            match book.page(page) {
                None => wrong.push(format!("{at}: the book has no page {page}")),
                Some(p) if !p.headings.iter().any(|h| h.id == anchor) => {
                    wrong.push(format!("{at}: {page} has no anchor {anchor}"));
                }
                Some(_) => {}
            }
            wrong.extend(point.judge.iter().filter_map(|j| judge_exists(j).err()).map(|why| format!("{at}: {why}")));
            match &point.missing {
                Some(what) => missing.push(format!("{at}: {what}")),
                None if point.judge.is_empty() => wrong.push(format!("{at}: no judge, and not said to be missing")),
                None => shown += 1,
            }
        }
    }
    println!("{shown} of {} points are there and judged; still missing:", wanted.len());
    for line in &missing {
        println!("  - {line}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_judge_that_is_not_there_is_refused() {
    assert!(judge_exists("pasarela demo --once").is_ok());
    assert!(judge_exists("pasarela dance").is_err());
    assert!(judge_exists("scripts/test").is_ok() && judge_exists("scripts/none").is_err());
    assert!(judge_exists("a_judge_that_is_not_there_is_refused").is_ok());
    assert!(judge_exists("root").is_err(), "a function that is no test");
}

/// The text that asks, where it lies beside the repository, is the one that is kept here.
#[test]
fn the_text_that_asks_is_kept_as_it_is() {
    let Some(folder) = super::shared().map(|s| s.join("seed")).filter(|f| f.exists()) else {
        println!("SKIPPED: no ../shared beside the repository");
        return;
    };
    let file = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).next().unwrap();
    let there = asked(&std::fs::read_to_string(file).unwrap());
    assert_eq!(asked(&read().asked), there);
}

#[test]
fn commands_in_the_book_are_commands_of_the_hub() {
    // A page that shows `pasarela NAME` shows one that is there.
    for page in super::pages() {
        if page.components().any(|c| c.as_os_str() == "adr") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("pasarela ") else { continue };
            let name = rest.split([' ', '\n']).next().unwrap_or_default();
            if name.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                judge_exists(&format!("pasarela {name}")).unwrap_or_else(|why| panic!("{}: {why}", page.display()));
            }
        }
    }
}
