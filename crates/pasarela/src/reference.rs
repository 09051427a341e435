//! What the documentation says of the code is taken out of the code: tables between markers
//! (`<!-- generated: NAME -->`), diagrams, the evidence of the README. These tests fail when a page is
//! behind; `scripts/book` writes it anew. They also hold the outline and all links to what is there.

mod claims;
mod evidence;
mod links;
mod outline;
mod pictures;
mod tables;

use std::path::{Path, PathBuf};

/// At the beginning of a line: elsewhere it is only spoken of.
const BEGIN: &str = "\n<!-- generated: ";
const END: &str = "<!-- end of generated -->";
/// What `scripts/book` sets: what is behind is written, not told.
const RENEW: &str = "PASARELA_RENEW";

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// What lies beside the repository for all of it: contracts, recordings. Not everybody has it.
fn shared() -> Option<PathBuf> {
    let beside = root().join("../shared");
    let named = std::env::var_os("PASARELA_SHARED").map(PathBuf::from);
    named.or(Some(beside)).filter(|f| f.exists())
}

/// Every page of the documentation, from the root of the workspace.
fn pages() -> Vec<PathBuf> {
    fn gather(folder: &Path, pages: &mut Vec<PathBuf>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                gather(&path, pages);
            } else if path.extension().is_some_and(|e| e == "md") {
                pages.push(path);
            }
        }
    }
    let root = root();
    let own = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];
    let mut pages: Vec<PathBuf> = own.iter().map(|name| root.join(name)).collect();
    gather(&root.join("docs"), &mut pages);
    pages.sort();
    pages
}

/// Writes `wanted` when it is asked for; else `false` where the file says something else.
fn is_current(path: &Path, wanted: &str) -> bool {
    if std::fs::read_to_string(path).is_ok_and(|there| there == wanted) {
        return true;
    }
    if std::env::var_os(RENEW).is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, wanted).unwrap();
        return true;
    }
    false
}

/// A page with what stands between its markers written anew.
fn renewed(text: &str, table: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, inside) = after.split_once(" -->\n").ok_or("a marker has no name")?;
        let (_, behind) = inside.split_once(END).ok_or_else(|| format!("'{name}' has no end: write {END}"))?;
        let table = table(name).ok_or_else(|| format!("nothing is called '{name}'"))?;
        out.push_str(&format!("{before}{BEGIN}{name} -->\n\n{}\n\n{END}", table.trim_end()));
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[tokio::test]
async fn the_generated_tables_are_current() {
    let tables = tables::all().await;
    let mut behind = Vec::new();
    let mut used = std::collections::BTreeSet::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for part in text.split(BEGIN).skip(1) {
            used.extend(part.split(" -->").next().map(str::to_owned));
        }
        let wanted = renewed(&text, &|name| tables.get(name).cloned());
        let wanted = wanted.unwrap_or_else(|why| panic!("{}: {why}", page.display()));
        if !is_current(&page, &wanted) {
            behind.push(page);
        }
    }
    assert!(behind.is_empty(), "run scripts/book, then look at what changed: {behind:#?}");
    let unused: Vec<&String> = tables.keys().filter(|k| !used.contains(*k)).collect();
    assert!(unused.is_empty(), "no page shows {unused:?}");
}

#[test]
fn the_diagrams_are_current() {
    let folder = root().join("docs/book/src/diagrams");
    let mut behind = Vec::new();
    let drawn = pictures::all();
    for (name, svg) in &drawn {
        if !is_current(&folder.join(name), svg) {
            behind.push(name);
        }
    }
    assert!(behind.is_empty(), "run scripts/book, then look at what changed: {behind:?}");
    for file in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()) {
        assert!(drawn.contains_key(&file), "{file} is drawn by nobody");
    }
}

/// Which actions may be done twice is told by hand, with its reasons; none may be forgotten there.
#[test]
fn the_honest_limit_names_every_action() {
    let page = std::fs::read_to_string(root().join("docs/honest-limit.md")).unwrap();
    for provider in pasarela_connectors::registry() {
        let manifest = provider.manifest();
        for action in &manifest.actions {
            let name = format!("`{}.{}`", manifest.name, action.name);
            let begins = format!("`{}.{} ", manifest.name, action.name);
            let all = format!("`{}.*`", manifest.name);
            let told = [&name, &begins, &all].iter().any(|text| page.contains(text.as_str()));
            assert!(told, "docs/honest-limit.md says nothing of {name}");
        }
    }
}

#[test]
fn markers_keep_what_is_around_them_and_refuse_what_they_do_not_know() {
    let table = |name: &str| (name == "a").then(|| "| new |".to_owned());
    let page = "x\n<!-- generated: a -->\nold\n<!-- end of generated -->\ny\n";
    let once = renewed(page, &table).unwrap();
    assert_eq!(once, "x\n<!-- generated: a -->\n\n| new |\n\n<!-- end of generated -->\ny\n");
    assert_eq!(renewed(&once, &table).unwrap(), once);
    let spoken_of = "between `<!-- generated: NAME -->` and `<!-- end of generated -->`\n";
    assert_eq!(renewed(spoken_of, &table).unwrap(), spoken_of);
    assert!(renewed("x\n<!-- generated: b -->\n<!-- end of generated -->", &table).unwrap_err().contains("'b'"));
    assert!(renewed("x\n<!-- generated: a -->\nopen", &table).unwrap_err().contains("no end"));
}
