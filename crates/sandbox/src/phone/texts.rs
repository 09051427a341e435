//! The phone's texts, es-CO and English. One row per text; nothing is said elsewhere.

/// A language of the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Es,
    En,
}

/// Key, es-CO, English.
const TEXTS: &[(&str, &str, &str)] = &[
    ("title", "El celular de los invitados", "The guests' phone"),
    ("chats", "Chats", "Chats"),
    ("language", "English", "Español"),
    (
        "none",
        "Todavía no hay mensajes. Vende una boleta y aquí llega.",
        "No messages yet. Sell a ticket and it arrives here.",
    ),
    ("gone", "Este chat ya no existe. Elige otro.", "This chat no longer exists. Choose another one."),
    ("back", "Volver a los chats", "Back to the chats"),
    ("loading", "Buscando los mensajes…", "Looking for the messages…"),
    (
        "offline",
        "El simulador no responde. Se intenta otra vez cada segundo.",
        "The simulator does not answer. Trying again each second.",
    ),
    (
        "script",
        "Para ver los chats, permite JavaScript en esta página.",
        "To see the chats, allow JavaScript on this page.",
    ),
    ("nameless", "Sin nombre", "No name"),
    ("messages", "Mensajes", "Messages"),
    ("today", "hoy", "today"),
    ("yesterday", "ayer", "yesterday"),
    ("from_us", "De la marca", "From the brand"),
    ("from_guest", "De quien tiene el celular", "From the phone's owner"),
    ("you", "Tú", "You"),
    ("template", "Plantilla", "Template"),
    ("buttons", "Botones", "Buttons"),
    ("empty", "Mensaje sin texto", "Message without text"),
    ("status_accepted", "Aceptado", "Accepted"),
    ("status_sent", "Enviado", "Sent"),
    ("status_delivered", "Entregado", "Delivered"),
    ("status_read", "Leído", "Read"),
    ("status_failed", "No llegó", "Not delivered"),
    ("status_unknown", "Sin confirmar", "Unconfirmed"),
];

impl Lang {
    /// Of a query string, `lang=en`; Spanish for everything else.
    pub(super) fn of(query: &str) -> Self {
        if query.split('&').any(|pair| pair == "lang=en") { Self::En } else { Self::Es }
    }

    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Es => "es-CO",
            Self::En => "en",
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Es => Self::En,
            Self::En => Self::Es,
        }
    }

    /// Keys and texts in this language.
    pub(super) fn texts(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        TEXTS.iter().map(move |(key, es, en)| match self {
            Self::Es => (*key, *es),
            Self::En => (*key, *en),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_both_languages_once() {
        for (at, (key, es, en)) in TEXTS.iter().enumerate() {
            assert!(!es.trim().is_empty() && !en.trim().is_empty(), "{key}");
            assert!(TEXTS[..at].iter().all(|(other, ..)| other != key), "{key} is there twice");
        }
    }

    #[test]
    fn spanish_unless_english_is_asked_for() {
        assert_eq!(Lang::of("a=1&lang=en"), Lang::En);
        for other in ["", "lang=fr", "lang=enx"] {
            assert_eq!(Lang::of(other), Lang::Es, "{other}");
        }
    }
}
