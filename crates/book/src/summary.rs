//! `SUMMARY.md` as mdBook reads it: parts as headings, chapters as nested list items.

/// A line of the summary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) title: String,
    /// `en/alarms.md`; `None` for the name of a part.
    pub(crate) source: Option<String>,
    pub(crate) depth: usize,
    pub(crate) language: String,
}

/// Chapters without a file (drafts) are left out: nothing is promised that is not there.
pub(crate) fn read(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(part) = line.strip_prefix("# ") {
            lines.push(Line { title: part.to_owned(), source: None, depth: 0, language: String::new() });
        } else if let Some((title, source)) = link(line.trim_start_matches("- ")) {
            let language = source.split('/').next().unwrap_or_default().to_owned();
            lines.push(Line { title, source: Some(source), depth: (indent / 2).min(1), language });
        }
    }
    // A part has the language of the chapter that follows it; one without chapters goes.
    for at in 0..lines.len() {
        if lines[at].source.is_none() {
            let after = lines[at + 1..].iter().take_while(|l| l.source.is_some());
            lines[at].language = after.map(|l| l.language.clone()).next().unwrap_or_default();
        }
    }
    lines.retain(|l| !l.language.is_empty());
    lines
}

/// `[title](target)`.
fn link(text: &str) -> Option<(String, String)> {
    let (title, rest) = text.strip_prefix('[')?.split_once("](")?;
    let target = rest.strip_suffix(')')?.trim_start_matches("./");
    (!target.is_empty()).then(|| (title.to_owned(), target.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_chapters_are_read_and_drafts_are_left_out() {
        let lines = read(
            "# Summary\n\n# Use\n\n- [Start](en/start.md)\n  - [More](./en/more.md)\n- [Draft]()\n\n# Uso\n\n[Inicio](es/inicio.md)\n",
        );
        let told: Vec<_> =
            lines.iter().map(|l| (l.title.as_str(), l.source.as_deref(), l.depth, l.language.as_str())).collect();
        assert_eq!(
            told,
            [
                ("Use", None, 0, "en"),
                ("Start", Some("en/start.md"), 0, "en"),
                ("More", Some("en/more.md"), 1, "en"),
                ("Uso", None, 0, "es"),
                ("Inicio", Some("es/inicio.md"), 0, "es"),
            ]
        );
    }
}
