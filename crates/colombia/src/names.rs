//! Names of people: one or more given names, one or two surnames. Never split by spaces: "María del Pilar de la Torre
//! Mejía" (section 5.6 of the market's specification).

use crate::text::fold;

/// A name, in the parts in which it was asked for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PersonName {
    /// Nombres.
    pub given: String,
    /// Primer apellido.
    pub first_surname: String,
    /// Segundo apellido: foreigners have none, and some Colombians.
    pub second_surname: Option<String>,
}

// Personal data: debug output does not show it.
impl std::fmt::Debug for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonName").finish_non_exhaustive()
    }
}

impl PersonName {
    /// Both surnames: what goes into one field of an interface that knows "last name".
    #[must_use]
    pub fn surnames(&self) -> String {
        joined(&[&self.first_surname, self.second_surname.as_deref().unwrap_or("")])
    }

    /// The whole name.
    #[must_use]
    pub fn full(&self) -> String {
        joined(&[&self.given, &self.surnames()])
    }

    /// What lists are sorted by: the first surname.
    #[must_use]
    pub fn sort_key(&self) -> String {
        fold(&joined(&[&self.surnames(), &self.given]))
    }

    /// How a message greets: the first given name, and both of "María José". Nobody's gender is guessed.
    ///
    /// ```
    /// use pasarela_colombia::names::greeting;
    /// assert_eq!(greeting("Valentina Andrea"), "Valentina");
    /// assert_eq!(greeting("Juan Camilo Andrés"), "Juan Camilo");
    /// assert_eq!(greeting("María del Pilar"), "María del Pilar");
    /// ```
    #[must_use]
    pub fn greeting(&self) -> String {
        greeting(&self.given)
    }
}

/// How a message greets whoever has these given names. See [`PersonName::greeting`].
#[must_use]
pub fn greeting(given: &str) -> String {
    let mut words = given.split_whitespace();
    let Some(first) = words.next() else { return String::new() };
    let mut text = first.to_owned();
    if !matches!(fold(first).as_str(), "maria" | "juan" | "jose") {
        return text;
    }
    // "del", "de los": a name does not end with them.
    for word in words {
        text.push(' ');
        text.push_str(word);
        if !matches!(fold(word).as_str(), "de" | "del" | "la" | "las" | "los" | "y") {
            return text;
        }
    }
    text
}

fn joined(parts: &[&str]) -> String {
    let words: Vec<&str> = parts.iter().flat_map(|p| p.split_whitespace()).collect();
    words.join(" ")
}
