//! Links between pages and into the sources lead somewhere: files are there, and anchors too.

use super::{pages, root};
use std::path::{Path, PathBuf};

/// Targets of a page's links, code left out.
fn targets(text: &str) -> Vec<String> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between back quotes is no link.
        let bare: String = line.split('`').step_by(2).collect::<Vec<_>>().join("` `");
        for part in bare.split("](").skip(1) {
            found.extend(part.split(')').next().map(str::to_owned));
        }
    }
    found
}

fn heading_ids(path: &Path) -> Option<Vec<String>> {
    let name = path.strip_prefix(root().join("docs")).ok()?.to_string_lossy().into_owned();
    let place = pasarela_book::place_of(&name)?;
    Some(pasarela_book::book().page(place)?.headings.iter().map(|h| h.id.clone()).collect())
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in targets(&text) {
            let outside = target.contains("://") || target.starts_with("mailto:") || target.starts_with('/');
            if outside {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let there: PathBuf = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let Ok(there) = there.canonicalize() else {
                wrong.push(format!("{}: {target}", page.display()));
                continue;
            };
            if !anchor.is_empty()
                && let Some(ids) = heading_ids(&there)
                && !ids.iter().any(|id| id == anchor)
            {
                wrong.push(format!("{}: {target} (no such heading)", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same, as the hub serves it: what a page of the book links to is a page of the book.
#[test]
fn links_of_the_served_book_lead_to_pages_and_headings() {
    let book = pasarela_book::book();
    let mut wrong = Vec::new();
    for page in book.pages() {
        for (place, anchor) in &page.links {
            let there =
                book.page(place).is_some_and(|p| anchor.is_empty() || p.headings.iter().any(|h| h.id == *anchor));
            if !there {
                wrong.push(format!("{}: {place}#{anchor}", page.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_of_docs_is_in_the_book_or_beside_it() {
    let book = pasarela_book::book();
    for page in pages() {
        let Ok(name) = page.strip_prefix(root().join("docs")) else { continue };
        let name = name.to_string_lossy().into_owned();
        if name == "book/src/SUMMARY.md" {
            continue;
        }
        let place = pasarela_book::place_of(&name).unwrap_or_else(|| panic!("{name}: add it to SUMMARY.md"));
        assert!(book.page(place).is_some(), "{name}");
    }
}
