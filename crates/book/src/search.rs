//! Search over headings and what stands below them. Accents and capitals make no difference; every word
//! of the query must be there, at least as the beginning of a word.

use crate::{Book, Page};

/// A place that was found.
#[derive(Debug)]
pub struct Hit<'a> {
    /// The page.
    pub page: &'a Page,
    /// Text of the heading.
    pub heading: &'a str,
    /// Its anchor; empty for the head of the page.
    pub anchor: &'a str,
    /// Some words around the first that was found.
    pub excerpt: String,
}

#[derive(Debug)]
struct Place {
    page: String,
    heading: usize,
    title: Vec<String>,
    words: Vec<String>,
}

/// Words of all places.
#[derive(Debug)]
pub(crate) struct Index(Vec<Place>);

impl Index {
    pub(crate) fn new<'a>(pages: impl Iterator<Item = &'a Page>) -> Self {
        let places = pages.flat_map(|page| {
            page.headings.iter().enumerate().map(|(heading, h)| Place {
                page: page.path.clone(),
                heading,
                title: words(&h.text),
                words: words(&h.below),
            })
        });
        Self(places.collect())
    }

    pub(crate) fn search<'a>(&self, book: &'a Book, language: &str, query: &str, most: usize) -> Vec<Hit<'a>> {
        let wanted: Vec<String> = words(query).into_iter().take(8).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<(usize, &Place)> = self.0.iter().filter_map(|p| Some((score(p, &wanted)?, p))).collect();
        // Best first; what is equal keeps the order of the book.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let hits = found.into_iter().filter_map(|(_, place)| {
            let page = book.page(&place.page)?;
            let heading = page.headings.get(place.heading)?;
            (page.language == language).then(|| Hit {
                page,
                heading: &heading.text,
                anchor: if place.heading == 0 { "" } else { &heading.id },
                excerpt: excerpt(&heading.below, &wanted[0]),
            })
        });
        hits.take(most).collect()
    }
}

/// How well a place fits; `None`: a word is missing.
fn score(place: &Place, wanted: &[String]) -> Option<usize> {
    wanted.iter().try_fold(0, |sum, word| {
        let title = place
            .title
            .iter()
            .map(|w| {
                if w == word {
                    40
                } else if w.starts_with(word) {
                    20
                } else {
                    0
                }
            })
            .max();
        let below = place.words.iter().filter(|w| w.starts_with(word.as_str())).count().min(9);
        let points = title.unwrap_or(0) + below;
        (points > 0).then_some(sum + points)
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
        .map(|w| w.chars().flat_map(char::to_lowercase).map(bare).collect())
        .collect()
}

/// A letter without its accent.
fn bare(c: char) -> char {
    match c {
        'á' | 'à' | 'ä' => 'a',
        'é' | 'è' | 'ë' => 'e',
        'í' | 'ì' | 'ï' => 'i',
        'ó' | 'ò' | 'ö' => 'o',
        'ú' | 'ù' | 'ü' => 'u',
        'ñ' => 'n',
        c => c,
    }
}

fn excerpt(text: &str, word: &str) -> String {
    let all: Vec<&str> = text.split_whitespace().collect();
    let at = all.iter().position(|w| words(w).iter().any(|w| w.starts_with(word))).unwrap_or(0);
    let from = at.saturating_sub(8);
    let to = (from + 28).min(all.len());
    let (before, after) = (if from > 0 { "… " } else { "" }, if to < all.len() { " …" } else { "" });
    format!("{before}{}{after}", all[from..to].join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_capitals_make_no_difference() {
        assert_eq!(words("Conciliación, DEVOLUCIÓN: ñandú"), ["conciliacion", "devolucion", "nandu"]);
    }

    #[test]
    fn the_books_own_words_are_found_and_nonsense_is_not() {
        let book = crate::book();
        let hits = book.search("en", "retry dead", 20);
        assert!(hits.iter().any(|h| h.excerpt.to_lowercase().contains("dead")), "{hits:?}");
        assert!(book.search("en", "xyzzyplugh", 5).is_empty());
        assert!(book.search("en", " ,.;", 5).is_empty());
    }
}
