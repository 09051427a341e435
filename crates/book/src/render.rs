//! A page as HTML: headings with anchors as mdBook makes them, links to other pages, diagrams in place.
//! Raw HTML in a page is left out: comments are for whoever writes, and nothing else is needed.

use crate::include::{Origin, resolve};
use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::collections::{BTreeMap, HashMap};

/// A heading of a page, with the text below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Without marks.
    pub text: String,
    /// Anchor.
    pub id: String,
    /// Words until the next heading, for the search.
    pub below: String,
}

/// What came of a page.
pub(crate) struct Rendered {
    pub(crate) html: String,
    pub(crate) headings: Vec<Heading>,
    pub(crate) links: Vec<(String, String)>,
}

struct Renderer<'a, 'f> {
    origin: &'a Origin,
    /// Byte at which each line begins.
    lines: Vec<usize>,
    places: &'a BTreeMap<String, String>,
    file: &'a dyn Fn(&str) -> Option<&'f str>,
    ids: HashMap<String, usize>,
    headings: Vec<Heading>,
    links: Vec<(String, String)>,
    /// Between the marks of a heading: its words are not below it.
    in_heading: bool,
    /// Marks that end a link: those that lead out of the book have none.
    link_ends: Vec<&'static str>,
}

pub(crate) fn page<'f>(
    text: &str,
    origin: &Origin,
    places: &BTreeMap<String, String>,
    file: &dyn Fn(&str) -> Option<&'f str>,
) -> Rendered {
    let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut renderer = Renderer {
        origin,
        lines,
        places,
        file,
        ids: HashMap::new(),
        headings: Vec::new(),
        links: Vec::new(),
        in_heading: false,
        link_ends: Vec::new(),
    };
    let html = renderer.html(text);
    Rendered { html, headings: renderer.headings, links: renderer.links }
}

impl Renderer<'_, '_> {
    fn html(&mut self, text: &str) -> String {
        let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES | Options::ENABLE_STRIKETHROUGH;
        let events: Vec<(Event<'_>, usize)> =
            Parser::new_ext(text, options).into_offset_iter().map(|(e, range)| (e, range.start)).collect();
        let mut out = Vec::with_capacity(events.len());
        let mut at = 0;
        while let Some((event, offset)) = events.get(at) {
            at += 1;
            match event {
                Event::Start(Tag::Heading { level, id, .. }) => {
                    let text = plain(events[at..].iter().map(|(e, _)| e), &TagEnd::Heading(*level));
                    let id = self.unique(id.as_deref().map_or_else(|| anchor(&text), str::to_owned));
                    let (level, h) = (number(*level), number(*level));
                    out.push(raw(format!("<h{h} id=\"{}\">", escaped(&id))));
                    self.headings.push(Heading { level, text, id, below: String::new() });
                    self.in_heading = true;
                }
                Event::End(TagEnd::Heading(level)) => {
                    self.in_heading = false;
                    let (h, id) = (number(*level), self.headings.last().map(|h| h.id.clone()).unwrap_or_default());
                    let sign = if h > 1 {
                        format!(
                            " <a class=\"here\" href=\"#{}\" aria-hidden=\"true\" tabindex=\"-1\">#</a>",
                            escaped(&id)
                        )
                    } else {
                        String::new()
                    };
                    out.push(raw(format!("{sign}</h{h}>\n")));
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    let (begins, ends) = self.link(dest_url, *offset);
                    self.link_ends.push(ends);
                    out.push(raw(begins));
                }
                Event::End(TagEnd::Link) => out.push(raw(self.link_ends.pop().unwrap_or_default().to_owned())),
                Event::Start(Tag::Image { dest_url, .. }) => {
                    let alt = plain(events[at..].iter().map(|(e, _)| e), &TagEnd::Image);
                    while !matches!(events.get(at), None | Some((Event::End(TagEnd::Image), _))) {
                        at += 1;
                    }
                    at += 1;
                    out.push(raw(self.picture(dest_url, &alt, *offset)));
                }
                // A wide table scrolls by itself, and may be reached by keys.
                // Its alignment would be a style in the page, which the policy does not allow.
                Event::Start(Tag::Table(columns)) => {
                    out.push(raw("<div class=\"wide\" tabindex=\"0\" role=\"group\">".into()));
                    out.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
                }
                Event::End(TagEnd::Table) => {
                    out.push(event.clone());
                    out.push(raw("</div>\n".into()));
                }
                Event::Start(Tag::CodeBlock(_)) => {
                    out.push(event.clone());
                }
                Event::Html(_)
                | Event::InlineHtml(_)
                | Event::Start(Tag::HtmlBlock)
                | Event::End(TagEnd::HtmlBlock) => {}
                event => {
                    self.keep_words(event);
                    out.push(event.clone());
                }
            }
        }
        let mut page = String::new();
        html::push_html(&mut page, out.into_iter());
        page.replace("<pre>", "<pre tabindex=\"0\">")
    }

    /// Words of the text belong to the heading above.
    fn keep_words(&mut self, event: &Event<'_>) {
        let Some(heading) = self.headings.last_mut().filter(|_| !self.in_heading) else { return };
        match event {
            Event::Text(text) | Event::Code(text) => heading.below.push_str(text),
            Event::SoftBreak
            | Event::HardBreak
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell | TagEnd::CodeBlock) => {
                heading.below.push(' ');
            }
            _ => {}
        }
    }

    /// Which file the text at `offset` is from.
    fn from(&self, offset: usize) -> &str {
        let line = self.lines.partition_point(|begins| *begins <= offset).saturating_sub(1);
        self.origin.get(line).map_or("", String::as_str)
    }

    /// What begins and ends a link. Out of the book there is the source, which the hub does not serve.
    fn link(&mut self, target: &str, offset: usize) -> (String, &'static str) {
        if target.contains("://") || target.starts_with("mailto:") {
            return (format!("<a href=\"{}\" rel=\"noreferrer\">", escaped(target)), "</a>");
        }
        if target.starts_with('/') {
            return (format!("<a href=\"{}\">", escaped(target)), "</a>");
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let from = self.from(offset);
        let source = if path.is_empty() { from.to_owned() } else { resolve(from, path) };
        match self.places.get(&source) {
            Some(place) => {
                self.links.push((place.clone(), anchor.to_owned()));
                let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
                (format!("<a href=\"/docs/{}{}\">", escaped(place), escaped(&anchor)), "</a>")
            }
            None => {
                let shown = source.trim_start_matches("../");
                let shown = if source.starts_with("../") { shown.to_owned() } else { format!("docs/{shown}") };
                (format!("<span class=\"source\" title=\"{}\">", escaped(&shown)), "</span>")
            }
        }
    }

    /// A diagram of ours stands in the page, so that it has the page's colours.
    fn picture(&self, target: &str, alt: &str, offset: usize) -> String {
        let source = resolve(self.from(offset), target);
        match (self.file)(&source).and_then(|svg| svg.find("<svg").map(|at| svg[at..].trim_end())) {
            Some(svg) => format!(
                "<span class=\"picture\" role=\"img\" aria-label=\"{}\" tabindex=\"0\">{}</span>",
                escaped(alt),
                svg.replacen("<svg ", "<svg aria-hidden=\"true\" focusable=\"false\" ", 1)
            ),
            None => format!("<em>{}</em>", escaped(alt)),
        }
    }

    fn unique(&mut self, id: String) -> String {
        let seen = self.ids.entry(id.clone()).or_insert(0);
        *seen += 1;
        if *seen == 1 { id } else { format!("{id}-{}", *seen - 1) }
    }
}

fn raw<'a>(text: String) -> Event<'a> {
    Event::InlineHtml(CowStr::from(text))
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Text until `end`, without marks.
fn plain<'a, 'e: 'a>(events: impl Iterator<Item = &'a Event<'e>>, end: &TagEnd) -> String {
    let mut text = String::new();
    for event in events.take_while(|e| !matches!(e, Event::End(t) if t == end)) {
        match event {
            Event::Text(t) | Event::Code(t) => text.push_str(t),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text
}

/// The anchor of a heading, by mdBook's rule: small letters, digits, `_` and `-`; spaces become `-`.
#[must_use]
pub(crate) fn anchor(text: &str) -> String {
    text.trim()
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_lowercase().next().unwrap_or(c)),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect()
}

/// Text that is never markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Rendered {
        let places =
            [("care.md", "en/care"), ("book/src/en/a.md", "en/a")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let origin = vec!["alarms.md".to_owned(); text.lines().count()];
        let file = |name: &str| (name == "book/src/d.svg").then_some("<?xml?>\n<svg viewBox=\"0 0 1 1\"></svg>\n");
        page(text, &origin, &places, &file)
    }

    #[test]
    fn headings_have_anchors_and_their_words() {
        let r = rendered("# Several nodes\n\nOne *two* `three`.\n\n## Space\n\n## Space\n\n## Named {#own}\n");
        let told: Vec<_> = r.headings.iter().map(|h| (h.level, h.id.as_str())).collect();
        assert_eq!(told, [(1, "several-nodes"), (2, "space"), (2, "space-1"), (2, "own")]);
        assert!(r.headings[0].below.contains("One two three."), "{:?}", r.headings[0]);
    }

    #[test]
    fn links_lead_into_the_book_or_are_no_links() {
        let r =
            rendered("[a](care.md#space) [b](../crates/x.rs) [c](https://e.example) [d](#here) [e](/openapi.json)\n");
        assert!(r.html.contains("<a href=\"/docs/en/care#space\">a</a>"), "{}", r.html);
        assert!(r.html.contains("<span class=\"source\" title=\"crates/x.rs\">b</span>"), "{}", r.html);
        assert!(r.html.contains("<a href=\"/openapi.json\">e</a>"), "{}", r.html);
        assert_eq!(r.links, [("en/care".to_owned(), "space".to_owned())]);
    }

    #[test]
    fn no_markup_of_a_page_and_no_script_comes_through() {
        let r = rendered("x <script>alert(1)</script>\n\n<!-- generated: x -->\n\n<div onclick=\"x\">y</div>\n");
        assert!(!r.html.contains("<script") && !r.html.contains("<div") && !r.html.contains("generated"), "{}", r.html);
    }

    #[test]
    fn a_table_brings_no_style_along() {
        let r = rendered("| a | b |\n|---:|:---:|\n| 1 | 2 |\n");
        assert!(r.html.contains("<td>1</td>") && !r.html.contains("style"), "{}", r.html);
    }

    #[test]
    fn a_diagram_stands_in_the_page() {
        let r = rendered("![The way](book/src/d.svg)\n");
        assert!(r.html.contains("aria-label=\"The way\"") && r.html.contains("<svg aria-hidden"), "{}", r.html);
    }
}
