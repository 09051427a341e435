//! Full names into Twenty's `firstName` and `lastName`, with both surnames kept (contract 2.4).

/// Words that belong to the name after them: "de la Cruz", "del Pilar".
const PARTICLES: &[&str] = &["de", "del", "la", "las", "los", "y", "san", "santa"];

/// Given names and surnames of a full name, as Colombians write it: two names and two surnames, of
/// which the second name is the one that is missing more often. Whoever knows better gives both parts.
pub(super) fn split(name: &str) -> (String, String) {
    let mut units: Vec<String> = Vec::new();
    let mut open = false;
    for word in name.split_whitespace() {
        match units.last_mut() {
            Some(unit) if open => {
                unit.push(' ');
                unit.push_str(word);
            }
            _ => units.push(word.to_owned()),
        }
        open = PARTICLES.contains(&word.to_lowercase().as_str());
    }
    let given = match units.len() {
        0..=3 => units.len().min(1),
        n => n - 2,
    };
    let (first, last) = units.split_at(given);
    (first.join(" "), last.join(" "))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn two_surnames_stay_together() {
        for (name, first, last) in [
            ("Valentina Ochoa Restrepo", "Valentina", "Ochoa Restrepo"),
            ("Juan Camilo Duque Mesa", "Juan Camilo", "Duque Mesa"),
            ("Mateo  Arango ", "Mateo", "Arango"),
            ("Salomé", "Salomé", ""),
            ("", "", ""),
            ("Juan de la Cruz Pérez", "Juan", "de la Cruz Pérez"),
            ("María del Pilar Gómez Ruiz", "María del Pilar", "Gómez Ruiz"),
            ("Ana María Isabel Vélez Uribe", "Ana María Isabel", "Vélez Uribe"),
        ] {
            assert_eq!(split(name), (first.to_owned(), last.to_owned()), "{name}");
        }
    }
}
