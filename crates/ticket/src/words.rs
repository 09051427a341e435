//! Every text of a ticket, in Spanish (es-CO) and English. Layouts name keys and hold no text.

use pasarela_colombia::Lang;

/// Key, Spanish, English.
const ROWS: &[(&str, &str, &str)] = &[
    ("file", "boleta", "ticket"),
    ("kind", "Boleta", "Ticket"),
    ("title", "Boleta para {}", "Ticket for {}"),
    ("holder", "A nombre de", "Name"),
    ("tier", "Localidad", "Section"),
    ("order", "Pedido", "Order"),
    ("seller", "Vende", "Sold by"),
    ("when.open", "fecha por confirmar", "date to be announced"),
    ("where.open", "lugar por confirmar", "place to be announced"),
    (
        "door.valid",
        "Muestra este código en la puerta. Abre una sola vez.",
        "Show this code at the door. It opens once.",
    ),
    ("door.used", "Ya se usó en la puerta.", "It has been used at the door."),
    (
        "door.unpaid",
        "Falta el pago. El código aparece aquí cuando lo recibamos.",
        "It is not paid yet. The code appears here when we have the payment.",
    ),
    ("door.cancelled", "Esta boleta ya no abre la puerta.", "This ticket does not open the door any more."),
    ("state.valid", "Lista", "Ready"),
    ("state.used", "Usada", "Used"),
    ("state.unpaid", "Por pagar", "To be paid"),
    ("state.cancelled", "Cancelada", "Cancelled"),
    ("page.qr", "Código QR de la boleta {}", "QR code of ticket {}"),
    ("calendar.text", "Boleta {}. Muéstrala en la puerta.", "Ticket {}. Show it at the door."),
    ("page.pdf", "Guardar en PDF", "Save as PDF"),
    ("page.png", "Guardar imagen", "Save picture"),
    ("page.ics", "Poner en el calendario", "Add to calendar"),
    ("page.other", "English", "Español"),
    ("page.other_tag", "en", "es-CO"),
    ("page.when", "Cuándo", "When"),
    ("page.where", "Dónde", "Where"),
    ("page.code", "Código", "Code"),
    ("page.files", "Llévala contigo", "Take it with you"),
    ("page.unknown.title", "No encontramos esta boleta", "We do not find this ticket"),
    (
        "page.unknown.text",
        "Revisa que el enlace esté completo, tal como llegó por WhatsApp o correo. Si lo copiaste a mano, puede faltar una parte.",
        "Check that the link is complete, as it came by WhatsApp or e-mail. If you copied it by hand, a part may be missing.",
    ),
    (
        "page.unknown.help",
        "Si sigue sin abrir, escribe a quien te vendió la boleta.",
        "If it still does not open, write to whoever sold you the ticket.",
    ),
    ("page.later.title", "Vuelve a intentar en un momento", "Try again in a moment"),
    (
        "page.later.text",
        "No pudimos leer tu boleta ahora. No se perdió nada: el mismo enlace sigue sirviendo.",
        "We could not read your ticket just now. Nothing is lost: the same link keeps working.",
    ),
];

/// A text. A test sees to it that only known keys are asked for.
#[must_use]
pub fn t(key: &str, lang: Lang) -> &'static str {
    ROWS.iter().find(|(k, ..)| *k == key).map_or("", |(_, es, en)| if lang == Lang::Es { es } else { en })
}

/// A text with `{}` replaced.
#[must_use]
pub fn with(key: &str, lang: Lang, value: &str) -> String {
    t(key, lang).replacen("{}", value, 1)
}

/// `es` or `en`.
#[must_use]
pub fn code(lang: Lang) -> &'static str {
    if lang == Lang::Es { "es" } else { "en" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_that_is_used_has_both_texts_and_every_text_is_used() {
        let sources = [
            include_str!("boleta.rs"),
            include_str!("sheet.rs"),
            include_str!("calendar.rs"),
            include_str!("pdf.rs"),
            include_str!("picture.rs"),
        ];
        let known: BTreeSet<&str> = ROWS.iter().map(|(k, ..)| *k).collect();
        assert_eq!(known.len(), ROWS.len(), "a key is there twice");
        for (key, es, en) in ROWS {
            assert!(!es.trim().is_empty() && !en.trim().is_empty(), "{key}");
            // Families by state are asked for by their stem.
            let stem = key.rsplit_once('.').map_or(*key, |(s, _)| s);
            let asked = |text: &str| {
                text.contains(&format!("\"{key}\""))
                    || text.contains(&format!("\"{stem}.{{}}\""))
                    || text.contains(&format!("\"{stem}.{{"))
            };
            // Those of the page are held against the page, which is not here.
            assert!(
                key.starts_with("page.") || key.starts_with("state.") || sources.iter().any(|s| asked(s)),
                "nobody uses {key}"
            );
        }
        for source in sources {
            for call in ["t(\"", "with(\""] {
                for (at, _) in source.match_indices(call) {
                    // `get("...")` is no call of ours.
                    if source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                        continue;
                    }
                    let key = source[at + call.len()..].split('"').next().unwrap_or_default();
                    assert!(known.contains(key) || key.is_empty() || key.contains('{'), "{key} has no text");
                }
            }
        }
    }
}
