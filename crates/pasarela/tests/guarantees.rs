//! Every guarantee has tests of its name, on both databases, and `docs/guarantees.md` names their files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Those of the core. G10 and G12 are not part of it yet.
const GUARANTEES: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14];

/// Suites that run on SQLite and on PostgreSQL.
const BOTH: [&str; 2] = ["engine/tests/guarantees/", "pasarela/tests/kill_loop.rs"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates are beside one another").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Numbers at the head of a test's name: `g04_g06_the_same` has two.
fn numbers(name: &str) -> impl Iterator<Item = u8> {
    name.split('_').map_while(|part| part.strip_prefix('g').filter(|n| n.len() == 2)?.parse().ok())
}

/// Files that hold tests of each guarantee.
fn tested() -> BTreeMap<u8, BTreeSet<String>> {
    let root = crates();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut tested: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("sources are text");
        let name = file.strip_prefix(&root).expect("it is below").display().to_string();
        // A name counts only as a test: what is marked as one, or stands in a `proptest!`.
        for (at, _) in text.match_indices("fn g") {
            let head = &text[..at];
            let marked = head.trim_end_matches("async ").trim_end().lines().next_back().unwrap_or_default();
            if marked.contains("test") || marked.contains("]") {
                let called: String =
                    text[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                for n in numbers(&called) {
                    tested.entry(n).or_default().insert(name.clone());
                }
            }
        }
    }
    tested
}

#[test]
fn every_guarantee_has_tests_of_its_name_on_both_databases() {
    let tested = tested();
    for guarantee in GUARANTEES {
        let files = tested.get(&guarantee).cloned().unwrap_or_default();
        let both = files.iter().any(|f| BOTH.iter().any(|b| f.starts_with(b)));
        assert!(both, "G{guarantee} has no test `g{guarantee:02}_...` in {BOTH:?}; it has {files:?}");
    }
}

#[test]
fn the_page_of_guarantees_names_the_files_of_its_tests() {
    let page = crates().parent().expect("a workspace").join("docs/guarantees.md");
    let page = std::fs::read_to_string(page).expect("docs/guarantees.md");
    let tested = tested();
    for guarantee in GUARANTEES {
        let row = page.lines().find(|l| l.starts_with(&format!("| G{guarantee} |")));
        let row = row.unwrap_or_else(|| panic!("docs/guarantees.md has no row G{guarantee}"));
        let columns: Vec<&str> = row.split('|').collect();
        let named = |column: &str| -> BTreeSet<String> {
            column.split('`').skip(1).step_by(2).filter(|f| f.ends_with(".rs")).map(str::to_owned).collect()
        };
        let (both, one) = (named(columns[3]), named(columns[4]));
        for file in &both {
            assert!(BOTH.iter().any(|b| file.starts_with(b)), "G{guarantee}: {file} does not run on both databases");
        }
        // What the lanes promise has names of its own.
        let all: BTreeSet<String> =
            both.union(&one).filter(|f| *f != "engine/src/lanes/properties.rs").cloned().collect();
        assert_eq!(all, tested[&guarantee], "files of G{guarantee}: in docs/guarantees.md, and in the sources");
    }
}
