//! `{{#include FILE}}`: pages of `docs/` that are chapters too. Whole files alone on a line, as much of
//! mdBook's form as the book uses.

/// A line of a page, and the file that it came from: its links are seen from there.
pub(crate) type Origin = Vec<String>;

/// Files that a page takes in.
pub(crate) fn names(own: &str, text: &str) -> Vec<String> {
    text.lines().filter_map(|l| target(l).map(|t| resolve(own, t))).collect()
}

/// A page with what it includes, and the origin of each line. `None`: there is no such page.
pub(crate) fn expand<'a>(own: &str, file: &dyn Fn(&str) -> Option<&'a str>) -> Option<(String, Origin)> {
    let (mut text, mut origin) = (String::new(), Vec::new());
    for line in file(own)?.lines() {
        let taken = target(line).map(|t| resolve(own, t)).and_then(|name| Some((file(&name)?, name)));
        match taken {
            Some((included, name)) => {
                for line in included.lines() {
                    push(&mut text, &mut origin, line, &name);
                }
            }
            None => push(&mut text, &mut origin, line, own),
        }
    }
    Some((text, origin))
}

fn push(text: &mut String, origin: &mut Origin, line: &str, name: &str) {
    text.push_str(line);
    text.push('\n');
    origin.push(name.to_owned());
}

fn target(line: &str) -> Option<&str> {
    line.trim().strip_prefix("{{#include ")?.strip_suffix("}}").map(str::trim)
}

/// `target` as `from` sees it, from the root of `docs/`. What leads out of it keeps its `..`.
pub(crate) fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_included_page_stands_in_its_place_and_keeps_its_origin() {
        let file = |name: &str| match name {
            "book/src/en/a.md" => Some("# A\n{{#include ../../../b.md}}\nend"),
            "b.md" => Some("one\ntwo"),
            _ => None,
        };
        let (text, origin) = expand("book/src/en/a.md", &file).unwrap();
        assert_eq!(text, "# A\none\ntwo\nend\n");
        assert_eq!(origin, ["book/src/en/a.md", "b.md", "b.md", "book/src/en/a.md"]);
        assert_eq!(names("book/src/en/a.md", "{{#include ../../../b.md}}"), ["b.md"]);
    }

    #[test]
    fn paths_are_followed_and_may_lead_out() {
        assert_eq!(resolve("adr/0001.md", "../care.md"), "care.md");
        assert_eq!(resolve("care.md", "../crates/store/src/lib.rs"), "../crates/store/src/lib.rs");
        assert_eq!(resolve("book/src/en/x.md", "./y.md"), "book/src/en/y.md");
    }
}
