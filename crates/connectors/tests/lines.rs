//! How much a connector is: lines in its folder, and lines that name it elsewhere. The aim is one: its line in the
//! registry. `scripts/connectors` prints it; `docs/connectors.md` shows it, and this test says when that is stale.

use pasarela_connector::Verification;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- table: written by scripts/connectors --write -->\n";
const END: &str = "<!-- end of table -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files below a folder, in order, that are not built.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Lines that say something: no blanks, no comments.
fn lines(text: &str) -> usize {
    text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")).count()
}

/// One connector.
struct Row {
    name: &'static str,
    auth: &'static str,
    verification: &'static str,
    actions: usize,
    code: usize,
    simulator: usize,
    tests: usize,
    outside: Vec<String>,
}

fn rows() -> Vec<Row> {
    let source = root().join("crates/connectors/src");
    let tests = root().join("crates/connectors/tests");
    let mut program = Vec::new();
    files(&root().join("crates"), &mut program);
    let program: Vec<(String, String)> = program
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs" || e == "html" || e == "js"))
        .filter_map(|path| {
            let place = path.strip_prefix(root()).ok()?.to_string_lossy().replace("\\", "/");
            let place = place.split_once("../../").map_or(place.clone(), |(_, rest)| rest.to_owned());
            let test = place.contains("/tests/") || place.ends_with("/tests.rs") || place.contains("/benches/");
            // A channel of the business may have the name of a provider, and so may a field of a model.
            let words = place.starts_with("crates/domain/")
                || place.starts_with("crates/colombia/")
                || place.ends_with("/provision/model.rs");
            // The demo plays a written night with named parts, the bench one with a shop: a newcomer touches neither.
            let played =
                ["demo", "bench"].iter().any(|p| place.starts_with(&format!("crates/pasarela/src/commands/{p}")));
            (!test && !words && !played).then(|| (place, text(path)))
        })
        .collect();
    let of = |provider: Box<dyn pasarela_connector::Provider>| {
        let manifest = provider.manifest();
        let module = manifest.name.replace('-', "_");
        let (mut own, mut all) = (vec![source.join(format!("{module}.rs"))], Vec::new());
        files(&source.join(&module), &mut own);
        files(&tests, &mut all);
        let begins = |path: &PathBuf| {
            let rest = path.strip_prefix(&tests).unwrap_or(path).to_string_lossy().into_owned();
            rest.starts_with(&module) && rest.ends_with(".rs")
        };
        let is_double = |path: &Path| path.to_string_lossy().contains("simulator");
        let sum = |keep: &dyn Fn(&Path) -> bool| own.iter().filter(|p| keep(p)).map(|p| lines(&text(p))).sum();
        let folder = [format!("crates/connectors/src/{module}.rs"), format!("crates/connectors/src/{module}/")];
        let outside = program
            .iter()
            .filter(|(place, _)| !folder.iter().any(|own| place.starts_with(own)))
            .flat_map(|(place, text)| named(place, &program_part(text), manifest.name, &module))
            .collect();
        Row {
            name: manifest.name,
            auth: manifest.auth.word(),
            verification: match manifest.verification {
                Verification::Hmac { .. } => "HMAC",
                Verification::PublicKey { .. } => "public key",
                Verification::Configured => "as configured",
                Verification::NoInbound => "none comes in",
            },
            actions: manifest.actions.len(),
            code: sum(&|p| !is_double(p)),
            simulator: sum(&is_double),
            tests: all.iter().filter(|p| begins(p)).map(|p| lines(&text(p))).sum(),
            outside,
        }
    };
    pasarela_connectors::registry().into_iter().map(of).collect()
}

/// A file without its unit tests, which may name whom they like.
fn program_part(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// Lines of a file that name a provider, in code.
fn named(place: &str, text: &str, name: &str, module: &str) -> Vec<String> {
    let quoted = format!("\"{name}\"");
    let path = format!("{module}::");
    let is_word = |line: &str| {
        line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let own = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            // `http::` is also the name of a library.
            own && (module != "http" || line.contains("http::Http"))
        })
    };
    let tells = |line: &&str| !line.trim_start().starts_with("//") && (line.contains(&quoted) || is_word(line));
    let number = |(n, line): (usize, &str)| tells(&line).then(|| format!("{place}:{}", n + 1));
    // The scheme of an address is no provider.
    text.lines().enumerate().filter(|(_, l)| name != "http" || !l.contains("scheme")).filter_map(number).collect()
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| connector | calls prove themselves by | webhooks by | actions | code | simulator | tests | lines outside its folder |\n\
         |---|---|---|---:|---:|---:|---:|---|\n",
    );
    for r in rows {
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} |",
            r.name,
            r.auth,
            r.verification,
            r.actions,
            r.code,
            r.simulator,
            r.tests,
            r.outside.len()
        );
    }
    out
}

#[test]
fn a_connector_is_one_folder_and_one_line() {
    let rows = rows();
    let table = table(&rows);
    // For scripts/connectors.
    std::io::Write::write_all(&mut std::io::stdout(), format!("{table}\n").as_bytes()).unwrap();
    for row in &rows {
        assert_eq!(row.outside.len(), 1, "{} is named outside of its folder: {:?}", row.name, row.outside);
        assert!(row.outside[0].starts_with("crates/connectors/src/lib.rs"), "{:?}", row.outside);
    }
    let path = root().join("docs/connectors.md");
    let page = text(&path);
    let (before, after) = page.split_once(BEGIN).unwrap_or_else(|| panic!("docs/connectors.md has no table"));
    let (shown, rest) = after.split_once(END).unwrap_or_else(|| panic!("docs/connectors.md: its table has no end"));
    if std::env::var_os("PASARELA_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{rest}")).unwrap();
        return;
    }
    let stale = "docs/connectors.md is stale: scripts/connectors --write writes it";
    assert_eq!(shown.lines().count(), table.lines().count(), "{stale}");
    for (shown, is) in shown.lines().zip(table.lines()) {
        for (shown, is) in shown.split('|').zip(is.split('|')) {
            // A few lines more or less are no news.
            match (shown.trim().parse::<f64>(), is.trim().parse::<f64>()) {
                (Ok(shown), Ok(is)) => assert!((shown - is).abs() <= 10.0 + is / 10.0, "{stale}: {shown}, not {is}"),
                _ => assert_eq!(shown, is, "{stale}"),
            }
        }
    }
}
