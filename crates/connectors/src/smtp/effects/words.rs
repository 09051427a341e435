//! Every text of our own messages, in Spanish (es-CO) and English. Layouts name keys and hold no text.

use pasarela_colombia::Lang;

/// Key, Spanish, English.
const ROWS: &[(&str, &str, &str)] = &[
    ("hello", "Hola, {}:", "Hello {},"),
    ("hello.nobody", "Hola:", "Hello,"),
    ("boleta.subject", "Tu boleta para {}", "Your ticket for {}"),
    (
        "boleta.lead",
        "Tu boleta para {} está lista. Muéstrala en la puerta, en el celular o impresa.",
        "Your ticket for {} is ready. Show it at the door, on your phone or printed.",
    ),
    ("recordatorio.subject", "Nos vemos en {}", "See you at {}"),
    (
        "recordatorio.lead",
        "{} está cerca. Ten a la mano tu boleta: la puerta la pide una sola vez.",
        "{} is near. Keep your ticket at hand: the door asks for it once.",
    ),
    ("when", "Cuándo", "When"),
    ("where", "Dónde", "Where"),
    ("holder", "A nombre de", "Name"),
    ("code", "Código", "Code"),
    ("open", "Ver la boleta", "See the ticket"),
    ("attached.pdf", "La boleta va adjunta en PDF.", "The ticket is attached as a PDF."),
    ("calendar.pdf", "El evento va adjunto para tu calendario.", "The event is attached for your calendar."),
    ("unsubscribe", "Si no quieres recibir publicidad, dilo aquí: {}", "If you want no advertising, say so here: {}"),
    ("unsubscribe.link", "No quiero recibir publicidad", "I want no advertising"),
];

/// A text. A test sees to it that only known keys are asked for.
pub(super) fn t(key: &str, lang: Lang) -> &'static str {
    ROWS.iter().find(|(k, ..)| *k == key).map_or("", |(_, es, en)| if lang == Lang::Es { es } else { en })
}

/// A text with `{}` replaced.
pub(super) fn with(key: &str, lang: Lang, value: &str) -> String {
    t(key, lang).replacen("{}", value, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_used_has_both_texts_and_every_text_is_used() {
        let source = include_str!("templates.rs");
        for (key, es, en) in ROWS {
            assert!(!es.trim().is_empty() && !en.trim().is_empty(), "{key}");
            let (head, tail) = key.split_once('.').unwrap_or((key, ""));
            let family = ["subject", "lead"].contains(&tail) && source.contains(&format!("{{stem}}.{tail}"));
            assert!(family || source.contains(&format!("\"{key}\"")), "nobody uses {key} ({head})");
        }
        for call in ["t(\"", "with(\""] {
            for (at, _) in source.match_indices(call) {
                // `get("...")` is no call of ours.
                if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let key = source[at + call.len()..].split('"').next().unwrap_or_default();
                assert!(ROWS.iter().any(|(k, ..)| *k == key), "{key} has no text");
            }
        }
    }
}
