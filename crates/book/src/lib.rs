//! The book: the pages of `docs/`, embedded in the program, as chapters with their places, and a search
//! over them. The sources are an mdBook (`docs/book`), so that they can be read without a hub too.
//!
//! Pure: no I/O. What is drawn for it ([`draw`]) is text as well.

pub mod draw;
mod include;
mod render;
mod search;
mod summary;

pub use render::Heading;
pub use search::Hit;

use std::collections::BTreeMap;
use std::sync::LazyLock;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Languages that the book is written in, the first one whole.
pub const LANGUAGES: &[&str] = &["en", "es"];

/// Where the chapters are, below `docs/`.
const SOURCE: &str = "book/src";

/// A page of the book.
#[derive(Debug)]
pub struct Page {
    /// Below `/docs/`: `en/alarms`.
    pub path: String,
    /// Language of its text.
    pub language: &'static str,
    /// Title in the table of contents.
    pub title: String,
    /// The page as HTML, from its first heading on.
    pub html: String,
    /// Its headings, the first one included.
    pub headings: Vec<Heading>,
    /// Links to pages of the book, as path and anchor.
    pub links: Vec<(String, String)>,
}

/// An entry of the table of contents.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Title.
    pub title: String,
    /// Path of its page below `/docs/`; `None` for the name of a part.
    pub path: Option<String>,
    /// 0 for chapters, 1 for what belongs to one.
    pub depth: usize,
}

/// The whole book.
#[derive(Debug)]
pub struct Book {
    pages: BTreeMap<String, Page>,
    places: BTreeMap<String, String>,
    contents: BTreeMap<&'static str, Vec<Entry>>,
    index: search::Index,
}

static BOOK: LazyLock<Book> = LazyLock::new(|| Book::read(&|name| file(name), FILES.iter().map(|(name, _)| *name)));

/// The book of this program.
#[must_use]
pub fn book() -> &'static Book {
    &BOOK
}

/// Path of the page that shows a file of `docs/`.
#[must_use]
pub fn place_of(name: &str) -> Option<&'static str> {
    BOOK.places.get(name).map(String::as_str)
}

/// A file of `docs/`, as it was when the program was built.
#[must_use]
pub fn file(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

impl Book {
    /// Reads `SUMMARY.md` and every page. Pages that no chapter takes in (decisions, errors) stand beside
    /// the chapters, under their own path.
    fn read<'a>(file: &dyn Fn(&str) -> Option<&'a str>, names: impl Iterator<Item = &'a str>) -> Self {
        let summary = file("book/src/SUMMARY.md").map(summary::read).unwrap_or_default();
        let mut contents: BTreeMap<&'static str, Vec<Entry>> = BTreeMap::new();
        // Source of each page, and where it is served: links are followed through this.
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        let mut sources: Vec<(String, String, Option<String>)> = Vec::new();
        for line in &summary {
            let Some(source) = &line.source else {
                if let Some(language) = LANGUAGES.iter().find(|l| line.language == **l) {
                    contents.entry(language).or_default().push(Entry {
                        title: line.title.clone(),
                        path: None,
                        depth: 0,
                    });
                }
                continue;
            };
            let path = source.trim_end_matches(".md").to_owned();
            let own = format!("{SOURCE}/{source}");
            for taken in file(&own).map(|text| include::names(&own, text)).unwrap_or_default() {
                // The first chapter that takes a page in is the page's place.
                places.entry(taken).or_insert_with(|| path.clone());
            }
            places.insert(own.clone(), path.clone());
            if let Some(language) = LANGUAGES.iter().find(|l| line.language == **l) {
                contents.entry(language).or_default().push(Entry {
                    title: line.title.clone(),
                    path: Some(path.clone()),
                    depth: line.depth,
                });
            }
            sources.push((own, path, Some(line.title.clone())));
        }
        for name in names.filter(|n| n.ends_with(".md") && !n.starts_with("book/")) {
            if !places.contains_key(name) {
                let path = name.trim_end_matches(".md").to_owned();
                places.insert(name.to_owned(), path.clone());
                sources.push((name.to_owned(), path, None));
            }
        }
        let pages: BTreeMap<String, Page> = sources
            .into_iter()
            .filter_map(|(source, path, title)| {
                let (text, origin) = include::expand(&source, file)?;
                let language = LANGUAGES.iter().find(|l| path.starts_with(&format!("{l}/"))).unwrap_or(&"en");
                let page = render::page(&text, &origin, &places, file);
                let title = title.or_else(|| page.headings.first().map(|h| h.text.clone())).unwrap_or_default();
                let page = Page {
                    path: path.clone(),
                    language,
                    title,
                    html: page.html,
                    headings: page.headings,
                    links: page.links,
                };
                Some((path, page))
            })
            .collect();
        let index = search::Index::new(pages.values());
        Self { pages, places, contents, index }
    }

    /// A page by its path below `/docs/`.
    #[must_use]
    pub fn page(&self, path: &str) -> Option<&Page> {
        self.pages.get(path)
    }

    /// All pages, by path.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.values()
    }

    /// The table of contents of a language.
    #[must_use]
    pub fn contents(&self, language: &str) -> &[Entry] {
        self.contents.get(language).map(Vec::as_slice).unwrap_or_default()
    }

    /// Places where the words of `query` stand, best first, at most `most`.
    #[must_use]
    pub fn search(&self, language: &str, query: &str, most: usize) -> Vec<Hit<'_>> {
        self.index.search(self, language, query, most)
    }
}
