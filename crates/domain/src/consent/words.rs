//! Words by which people say that they want no advertising any more (colombia.md 2.3; Ley 2300, art. 5 par. 2).
//!
//! Promise: the whole message is the wish. A word inside a sentence about a ticket is none.

/// Whole messages, without accents, small, with single spaces.
const WISHES: &[&str] = &[
    "baja",
    "dar de baja",
    "darme de baja",
    "quiero darme de baja",
    "dame de baja",
    "deme de baja",
    "stop",
    "stop promotions",
    "unsubscribe",
    "cancelar",
    "cancelar suscripcion",
    "cancelar publicidad",
    "no mas",
    "no mas mensajes",
    "no mas publicidad",
    "no mas promociones",
    "no mas correos",
    "no quiero",
    "no quiero mas",
    "no quiero mas mensajes",
    "no quiero publicidad",
    "no quiero mas publicidad",
    "no quiero recibir publicidad",
    "no quiero recibir mas publicidad",
    "no quiero recibir mensajes",
    "no quiero recibir mas mensajes",
    "no me escriban",
    "no me escriban mas",
    "desuscribir",
    "desuscribirme",
];
/// Courtesies around them.
const POLITE: &[&str] = &[
    "por favor",
    "porfa",
    "porfavor",
    "please",
    "gracias",
    "muchas gracias",
    "hola",
    "buenos dias",
    "buenas tardes",
    "buenas noches",
    "ya",
];

fn plain(c: char) -> Option<char> {
    Some(match c {
        'á' | 'à' | 'ä' | 'â' => 'a',
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'í' | 'ì' | 'ï' | 'î' => 'i',
        'ó' | 'ò' | 'ö' | 'ô' => 'o',
        'ú' | 'ù' | 'ü' | 'û' => 'u',
        'ñ' => 'n',
        // An accent that is written as a sign of its own.
        '\u{300}'..='\u{36f}' => return None,
        c if c.is_alphanumeric() => c,
        _ => ' ',
    })
}

/// Does this message, as a whole, say that its author wants no advertising?
#[must_use]
pub fn is_opt_out(message: &str) -> bool {
    // A wish is short; nothing longer is looked through.
    if message.len() > 200 {
        return false;
    }
    let small: String = message.chars().flat_map(char::to_lowercase).filter_map(plain).collect();
    let words: Vec<&str> = small.split_whitespace().collect();
    let mut text = words.join(" ");
    loop {
        if WISHES.contains(&text.as_str()) {
            return true;
        }
        let shorter = POLITE.iter().find_map(|p| {
            let cut = |rest: Option<&str>| rest.map(str::trim).filter(|r| !r.is_empty()).map(str::to_owned);
            let front = cut(text.strip_prefix(p).filter(|r| r.starts_with(' ')));
            front.or_else(|| cut(text.strip_suffix(p).filter(|r| r.ends_with(' '))))
        });
        match shorter {
            Some(rest) => text = rest,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_the_whole_message_however_it_is_written() {
        for wish in [
            "BAJA",
            "baja.",
            " Stop ",
            "CANCELAR",
            "NO MÁS",
            "no mas",
            "No ma\u{301}s!",
            "¡No quiero!",
            "no quiero",
            "Baja por favor",
            "Hola, baja, gracias",
            "NO  MÁS\npublicidad 🙏",
            "unsubscribe",
        ] {
            assert!(is_opt_out(wish), "{wish}");
        }
        for talk in [
            "",
            "baja la boleta al celular",
            "quiero cancelar mi boleta",
            "no quiero palco, quiero platea",
            "¿hasta qué hora baja el precio?",
            "stop, espera, ya llego",
            "no",
            "gracias",
            "por favor",
            "nomás llego en 5 minutos",
            "rebaja",
            &"no quiero ".repeat(40),
        ] {
            assert!(!is_opt_out(talk), "{talk}");
        }
    }
}
