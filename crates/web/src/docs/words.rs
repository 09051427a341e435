//! What the book's frame says, in Spanish and English.

/// Words of one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(pub(crate) &'static str);

const TEXTS: &[(&str, &str, &str)] = &[
    ("skip", "Saltar al texto", "Skip to the text"),
    ("search", "Buscar", "Search"),
    ("search.label", "Buscar en la documentación", "Search the documentation"),
    ("contents", "Contenido", "Contents"),
    ("on_page", "En esta página", "On this page"),
    ("other", "English", "Español"),
    ("other.tag", "en", "es"),
    ("before", "Anterior", "Previous"),
    ("after", "Siguiente", "Next"),
    ("no_page", "No hay tal página", "There is no such page"),
    ("no_page.say", "Búscala, o ábrela desde el contenido.", "Search for it, or open it from the contents."),
    (
        "nothing",
        "Nada contiene todas esas palabras. Prueba con menos, o más cortas.",
        "Nothing holds all of these words. Try fewer, or shorter ones.",
    ),
    ("ask", "Escribe una o más palabras.", "Write one or more words."),
];

impl Words {
    pub(crate) fn tag(self) -> &'static str {
        self.0
    }

    /// A text by its key.
    pub(crate) fn t(self, key: &str) -> &'static str {
        let found = TEXTS.iter().find(|(k, ..)| *k == key);
        found.map_or("", |(_, es, en)| if self.0 == "es" { es } else { en })
    }
}
