//! Every text of the console, in Spanish (es-CO) and English. Pages name keys and hold no text.
//!
//! What comes from providers, flows and the engine (reasons, answers, titles) is data and is shown as
//! it is; a type or a state that has no words here is shown by its own name.

mod alarms;
mod audit;
mod cases;
mod events;
mod keeping;
mod keys;
mod law;
mod newcomer;
mod pages;
mod people;
mod persons;
mod refunds;
mod shows;
mod states;
mod theatre;
mod views;
mod webhooks;

use std::collections::HashMap;
use std::sync::LazyLock;

/// Key, Spanish, English.
type Row = (&'static str, &'static str, &'static str);

static TABLE: LazyLock<HashMap<&'static str, (&'static str, &'static str)>> =
    LazyLock::new(|| rows().map(|(key, es, en)| (*key, (*es, *en))).collect());

fn rows() -> impl Iterator<Item = &'static Row> {
    pages::ROWS
        .iter()
        .chain(views::ROWS)
        .chain(newcomer::ROWS)
        .chain(theatre::ROWS)
        .chain(alarms::ROWS)
        .chain(audit::ROWS)
        .chain(cases::ROWS)
        .chain(keeping::ROWS)
        .chain(keys::ROWS)
        .chain(law::ROWS)
        .chain(people::ROWS)
        .chain(persons::ROWS)
        .chain(refunds::ROWS)
        .chain(shows::ROWS)
        .chain(states::ROWS)
        .chain(webhooks::ROWS)
        .chain(events::ROWS)
}

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    /// Spanish of Colombia.
    Es,
    /// English.
    En,
}

impl Lang {
    /// From a code as people and browsers write it: `es`, `es-CO`, `en`, `en-GB`.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let primary = code.trim().split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "es" => Some(Self::Es),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Two letters, for cookies and addresses.
    pub(super) fn code(self) -> &'static str {
        if self == Self::Es { "es" } else { "en" }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        if self == Self::Es { Self::En } else { Self::Es }
    }
}

/// The language that an `Accept-Language` header likes best; Spanish when it names neither.
pub(super) fn negotiate(accepted: &str) -> Lang {
    let mut best = (0.0, Lang::Es);
    for part in accepted.split(',').take(20) {
        let mut pieces = part.split(';');
        let Some(lang) = pieces.next().and_then(Lang::parse) else { continue };
        let quality = pieces
            .find_map(|p| p.trim().strip_prefix("q="))
            .map_or(Some(1.0), |q| q.trim().parse::<f32>().ok().filter(|q| q.is_finite()))
            .unwrap_or(0.0);
        if quality > best.0 {
            best = (quality, lang);
        }
    }
    best.1
}

/// Texts in one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) lang: Lang,
}

impl Words {
    pub(super) fn new(lang: Lang) -> Self {
        Self { lang }
    }

    /// For `<html lang>`.
    pub(super) fn tag(&self) -> &'static str {
        if self.lang == Lang::Es { "es-CO" } else { "en" }
    }

    /// A text that may not exist: of a type or state that this version does not know.
    pub(super) fn get(&self, key: &str) -> Option<&'static str> {
        TABLE.get(key).map(|(es, en)| if self.lang == Lang::Es { *es } else { *en })
    }

    /// A text. A test sees to it that pages use only known keys.
    pub(super) fn t<'k>(&self, key: &'k str) -> &'k str {
        self.get(key).unwrap_or(key)
    }

    /// The words of `prefix.name`, or `name` itself.
    pub(super) fn named(&self, prefix: &str, name: &str) -> String {
        self.get(&format!("{prefix}.{name}")).map_or_else(|| name.to_owned(), str::to_owned)
    }

    /// A text with `{}` replaced.
    pub(super) fn with(&self, key: &str, value: impl std::fmt::Display) -> String {
        self.t(key).replacen("{}", &value.to_string(), 1)
    }

    /// `key.one` or `key.many`, with the number in it.
    pub(super) fn count(&self, key: &str, n: u64) -> String {
        let form = if n == 1 { "one" } else { "many" };
        self.with(&format!("{key}.{form}"), self.number(n))
    }

    /// A number with one decimal place where it has one.
    pub(super) fn decimal(&self, value: f64) -> String {
        let text = format!("{value:.1}");
        let text = text.strip_suffix(".0").unwrap_or(&text);
        if self.lang == Lang::Es { text.replacen('.', ",", 1) } else { text.to_owned() }
    }

    /// An amount of Colombian pesos, given in minor units.
    pub(super) fn pesos(&self, minor: i64) -> String {
        let lang = if self.lang == Lang::Es { pasarela_colombia::Lang::Es } else { pasarela_colombia::Lang::En };
        pasarela_colombia::money::format_money(minor, 2, "COP", lang)
    }

    /// An amount of money in its own currency.
    pub(super) fn money(&self, money: &pasarela_domain::Money) -> String {
        let lang = if self.lang == Lang::Es { pasarela_colombia::Lang::Es } else { pasarela_colombia::Lang::En };
        pasarela_colombia::money::format_money(money.minor, money.currency.exponent(), money.currency.code(), lang)
    }

    /// A number with its thousands apart.
    pub(super) fn number(&self, n: u64) -> String {
        let digits = n.to_string();
        let separator = if self.lang == Lang::Es { '.' } else { ',' };
        let mut out = String::with_capacity(digits.len() + digits.len() / 3);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                out.push(separator);
            }
            out.push(digit);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn both_languages_are_complete() {
        let mut seen = BTreeSet::new();
        for (key, es, en) in rows() {
            assert!(seen.insert(*key), "{key} stands twice");
            assert!(!es.trim().is_empty() && !en.trim().is_empty(), "{key} lacks a language");
            assert_eq!(es.matches("{}").count(), en.matches("{}").count(), "{key}: places differ");
        }
        for key in seen.iter().filter_map(|k| k.strip_suffix(".one")) {
            assert!(seen.contains(format!("{key}.many").as_str()), "{key} has no plural");
        }
    }

    #[test]
    fn every_canonical_event_type_has_words() {
        for event_type in pasarela_domain::CANONICAL_EVENT_TYPES {
            assert!(Words::new(Lang::Es).get(&format!("event.{event_type}")).is_some(), "{event_type}");
        }
    }

    fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found
    }

    /// Literal keys behind `call(`.
    fn keys<'a>(text: &'a str, call: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(call).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn pages_use_only_known_keys() {
        let mut used = 0;
        for (file, text) in files("templates/console", ".html").into_iter().chain(files("src/console", ".rs")) {
            for call in ["w.t(\"", "w.with(\"", "Bare::new(visit, \"", "Frame::new(&app, &visit, \"", "FORBIDDEN, \""] {
                for key in keys(&text, call) {
                    used += 1;
                    assert!(TABLE.contains_key(key), "{file}: no text '{key}'");
                }
            }
            for key in keys(&text, "w.count(\"") {
                assert!(TABLE.contains_key(format!("{key}.many").as_str()), "{file}: no text '{key}'");
            }
        }
        assert!(used > 60, "the search finds nothing any more");
    }

    /// Letters of a template that are neither markup nor an expression.
    fn loose_text(template: &str) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['<', '{']) {
            out.push_str(&rest[..at]);
            let tail = &rest[at..];
            let end =
                ["{{", "{%", "{#", "<"].iter().zip(["}}", "%}", "#}", ">"]).find(|(open, _)| tail.starts_with(**open));
            let Some((_, close)) = end else {
                rest = &tail[1..];
                continue;
            };
            // An expression inside a tag may hold a `>`.
            let mut from = 0;
            if close == ">" {
                while let (Some(open), Some(shut)) =
                    (tail[from..].find("{%").or(tail[from..].find("{{")), tail[from..].find('>'))
                {
                    if open > shut {
                        break;
                    }
                    let inner = from + open;
                    from = tail[inner..].find("%}").or(tail[inner..].find("}}")).map_or(tail.len(), |n| inner + n + 2);
                }
            }
            rest = tail[from..].find(close).map_or("", |n| &tail[from + n + close.len()..]);
        }
        out.push_str(rest);
        out.chars().filter(|c| c.is_alphabetic()).collect()
    }

    #[test]
    fn templates_hold_no_text_of_their_own() {
        assert_eq!(loose_text("<p class=\"{% if a > b %}x{% endif %}\">{{ w.t(\"k\") }} Hola</p>"), "Hola");
        for (file, text) in files("templates/console", ".html") {
            // Names of what is the same in every language.
            let loose = loose_text(&text).replace("Pasarela", "").replace("HTTP", "");
            assert_eq!(loose, "", "{file}: put this into the catalogue");
        }
    }

    #[test]
    fn the_visitors_language_is_found() {
        assert_eq!(negotiate("en-GB,en;q=0.9,es;q=0.8"), Lang::En);
        assert_eq!(negotiate("de,es-CO;q=0.7,en;q=0.6"), Lang::Es);
        assert_eq!(negotiate("fr, *"), Lang::Es);
        assert_eq!(negotiate("en;q=nan"), Lang::Es);
        assert_eq!(Words::new(Lang::Es).number(1_234_567), "1.234.567");
        assert_eq!(Words::new(Lang::En).number(999), "999");
    }
}
