//! The organiser's questions, and what their answers are to the hub (contract sections 0.7, 1.5 and 6.4).
//!
//! Promise: what is not mapped says nothing. A yes is one of the words that the settings name, or a plain yes; a no
//! is a plain no, or an answer that was taken out; anything else is neither. Nobody says yes for another person: an
//! answer beside a ticket counts for its holder only where that is the buyer, who typed it.
//! Not here: whether a yes is proven, which the ledger of consent judges by the version of the text.

use super::NumericId;
use super::wire;
use pasarela_domain::consent::{CHANNELS, PRIVACY, is_purpose};
use pasarela_domain::identity::Document;
use serde::Deserialize;

/// A question of the organiser's, and what its answer is to the hub.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// What it asks for: `phone`, `document` (number, or kind and number), `document_kind` (kind alone), `consent`.
    pub(super) asks: Asks,
    /// Its number at Hi.Events; each show has questions of its own, so there may be several. Without one, the title
    /// says which it is.
    #[serde(default)]
    ids: Vec<NumericId>,
    /// Its title, however it is capitalised or accented. It is also the title of the question that the hub makes.
    #[serde(default)]
    pub(super) title: Option<String>,
    /// For `consent`: what the data may be used for; `marketing` when absent.
    #[serde(default)]
    purpose: Option<String>,
    /// For `consent`: the only way (`whatsapp`, `email`, ...) that it names; every one when absent.
    #[serde(default)]
    channel: Option<String>,
    /// For `consent`: answers that are a yes. A plain "Sí", "Acepto" or "Autorizo" is one without being listed.
    #[serde(default)]
    yes: Vec<String>,
    /// For `consent`: version of the text that the question shows (`pasarela texts`). Without it nothing proves a yes.
    #[serde(default)]
    text_version: Option<String>,
    /// For `consent`: version of the privacy notice that is shown with it.
    #[serde(default)]
    notice_version: Option<String>,
    /// For `document`: its kind (`CC`, `CE`, `PA`, ...) where an answer holds the number alone.
    #[serde(default)]
    kind: Option<String>,
    /// The hub makes the question for every show that is not over, when its plan is applied.
    #[serde(default)]
    pub(super) make: Option<Make>,
}

/// How the hub makes a question.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Make {
    /// Asked for every ticket, of its holder; else once, of the buyer.
    pub(super) per_ticket: bool,
    /// Nobody buys without an answer. A consent is never required.
    pub(super) required: bool,
    /// What stands below it.
    pub(super) description: Option<String>,
}

/// What a question asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asks {
    /// A phone number.
    Phone,
    /// An identity document.
    Document,
    /// The kind of an identity document whose number another question asks for.
    DocumentKind,
    /// A yes to the use of personal data.
    Consent,
}

impl Asks {
    /// As the settings write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Document => "document",
            Self::DocumentKind => "document_kind",
            Self::Consent => "consent",
        }
    }
}

/// What an answer says about the use of data.
#[derive(Debug, Clone)]
pub(super) struct Word<'q> {
    pub(super) question: &'q Question,
    pub(super) yes: bool,
}

impl Question {
    /// What is wrong with it, for people.
    fn wrong(&self) -> Option<String> {
        let of = self.asks.word();
        let titled = self.title.as_deref().is_some_and(|t| !plain(t).is_empty());
        if self.ids.is_empty() && !titled {
            return Some(format!("the question that asks for {of} has neither ids nor a title"));
        }
        if self.ids.iter().any(|id| id.digits().is_none()) {
            return Some(format!("ids of the question that asks for {of}: write numbers, such as 77"));
        }
        let only_consent = [
            ("purpose", self.purpose.is_some()),
            ("channel", self.channel.is_some()),
            ("yes", !self.yes.is_empty()),
            ("text_version", self.text_version.is_some()),
            ("notice_version", self.notice_version.is_some()),
        ];
        if self.asks != Asks::Consent
            && let Some((name, _)) = only_consent.into_iter().find(|(_, there)| *there)
        {
            return Some(format!("{name} belongs to a question that asks for consent, and this one asks for {of}"));
        }
        if let Some(purpose) = self.purpose.as_deref()
            && (!is_purpose(purpose) || purpose == PRIVACY)
        {
            return Some(format!("purpose '{purpose}' is none; marketing, analytics and profiling are some"));
        }
        if let Some(channel) = self.channel.as_deref().filter(|c| !CHANNELS.contains(c)) {
            return Some(format!("channel '{channel}' is none of {}", CHANNELS.join(", ")));
        }
        if let Some(kind) = &self.kind {
            if self.asks != Asks::Document {
                return Some(format!("kind belongs to a question that asks for document, and this one asks for {of}"));
            }
            // Any number will do: only the kind is looked at.
            if let Err(e) = Document::read(kind, "52100200") {
                return Some(format!("kind: {e}"));
            }
        }
        match &self.make {
            Some(_) if !titled => Some(format!("the question that asks for {of} has no title to be made with")),
            Some(make) if make.required && self.asks == Asks::Consent => {
                Some("a consent is free: make.required would let nobody buy without it".into())
            }
            Some(make) if make.per_ticket && self.asks == Asks::Consent => {
                Some("a buyer says yes for nobody else: leave make.per_ticket out for a consent".into())
            }
            _ => None,
        }
    }

    pub(super) fn purpose(&self) -> &str {
        self.purpose.as_deref().unwrap_or("marketing")
    }

    pub(super) fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    pub(super) fn text_version(&self) -> Option<&str> {
        self.text_version.as_deref()
    }

    pub(super) fn notice_version(&self) -> Option<&str> {
        self.notice_version.as_deref()
    }

    /// Is it this question?
    pub(super) fn is(&self, id: &str, title: &str) -> bool {
        if self.ids.is_empty() {
            self.title.as_deref().is_some_and(|own| plain(own) == plain(title))
        } else {
            self.ids.iter().any(|own| own.digits().as_deref() == Some(id))
        }
    }

    /// Name of it in plans: stable as long as its settings are.
    pub(super) fn name(&self) -> String {
        match self.asks {
            Asks::Consent => format!("consent-{}", self.purpose()),
            other => other.word().replace('_', "-"),
        }
    }

    /// What a person answers with, where the hub makes the question.
    pub(super) fn options(&self) -> Vec<&str> {
        match self.asks {
            Asks::DocumentKind => KINDS.iter().map(|(_, name)| *name).take(OFFERED).collect(),
            Asks::Consent => vec![self.yes.first().map_or("Sí, autorizo", String::as_str), "No autorizo"],
            Asks::Phone | Asks::Document => Vec::new(),
        }
    }

    /// Type of the question that the hub makes.
    pub(super) fn wire_type(&self) -> &'static str {
        match self.asks {
            Asks::Phone => "PHONE",
            Asks::Document => "SINGLE_LINE_TEXT",
            Asks::DocumentKind => "DROPDOWN",
            Asks::Consent => "RADIO",
        }
    }
}

/// All questions of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions(Vec<Question>);

impl Questions {
    /// The settings' questions, or what is wrong with them.
    pub(super) fn read(settings: &[Question]) -> Result<Self, String> {
        if let Some(why) = settings.iter().find_map(Question::wrong) {
            return Err(format!("questions: {why}"));
        }
        let made: Vec<String> = settings.iter().filter(|q| q.make.is_some()).map(Question::name).collect();
        if let Some(twice) = made.iter().enumerate().find_map(|(n, name)| made.iter().skip(n + 1).find(|m| *m == name))
        {
            return Err(format!("questions: two that the hub makes ask for {twice}; one is enough"));
        }
        Ok(Self(settings.to_vec()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Question> {
        self.0.iter()
    }

    fn of(&self, answer: &wire::QuestionAnswer, asks: Asks) -> Option<&Question> {
        self.0.iter().find(|q| q.asks == asks && q.is(&answer.question_id.0, &answer.title))
    }

    /// The phone among these answers: of a mapped question first, else of one of the provider's own phone type.
    pub(super) fn phone<'a>(
        &self,
        answers: impl Iterator<Item = &'a wire::QuestionAnswer> + Clone,
    ) -> Option<pasarela_domain::Phone> {
        let read = |a: &wire::QuestionAnswer| super::normal::phone_of(&a.text());
        let mapped = answers.clone().filter(|a| self.of(a, Asks::Phone).is_some()).find_map(read);
        mapped.or_else(|| answers.clone().filter(|a| a.question_type == "PHONE").find_map(read))
    }

    /// The document among these answers, which are one person's.
    pub(super) fn document<'a>(
        &self,
        answers: impl Iterator<Item = &'a wire::QuestionAnswer> + Clone,
    ) -> Option<Document> {
        let kind =
            answers.clone().filter(|a| self.of(a, Asks::DocumentKind).is_some()).find_map(|a| kind_of(&a.text()));
        answers.clone().find_map(|a| {
            let question = self.of(a, Asks::Document)?;
            document_of(&a.text(), kind.or(question.kind.as_deref()))
        })
    }

    /// What an answer says about the use of data; `None`: it is about something else, or says neither.
    pub(super) fn word(&self, answer: &wire::QuestionAnswer) -> Option<Word<'_>> {
        let question = self.of(answer, Asks::Consent)?;
        let given = answer.parts();
        let is_yes = |text: &String| question.yes.iter().any(|y| plain(y) == *text) || YES.contains(&text.as_str());
        if given.iter().any(is_yes) {
            return Some(Word { question, yes: true });
        }
        // What was answered once and is empty now was taken out: the provider keeps no row of what nobody answered.
        given.iter().all(|text| is_no(text)).then_some(Word { question, yes: false })
    }
}

/// Whole answers that are a yes, plain.
const YES: &[&str] = &[
    "si",
    "si acepto",
    "si autorizo",
    "acepto",
    "autorizo",
    "yes",
    "yes i accept",
    "yes i agree",
    "i accept",
    "i agree",
];

/// Is it a plain no?
fn is_no(text: &str) -> bool {
    text == "no" || text.starts_with("no ")
}

/// Small letters, no accents, no marks, single blanks: what two spellings of a text have in common.
pub(super) fn plain(text: &str) -> String {
    let letters = text.chars().flat_map(char::to_lowercase).map(|c| match c {
        'á' | 'à' | 'ä' | 'â' => 'a',
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'í' | 'ì' | 'ï' | 'î' => 'i',
        'ó' | 'ò' | 'ö' | 'ô' => 'o',
        'ú' | 'ù' | 'ü' | 'û' => 'u',
        'ñ' => 'n',
        c if c.is_alphanumeric() => c,
        _ => ' ',
    });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How people name the kinds; the first ones are offered by a question of the hub's own.
const KINDS: &[(&str, &str)] = &[
    ("CC", "Cédula de ciudadanía"),
    ("CE", "Cédula de extranjería"),
    ("TI", "Tarjeta de identidad"),
    ("PA", "Pasaporte"),
    ("PPT", "Permiso por protección temporal"),
    ("NIT", "NIT"),
    ("RC", "Registro civil"),
    ("TE", "Tarjeta de extranjería"),
    ("PEP", "Permiso especial de permanencia"),
    ("NUIP", "NUIP"),
    ("DE", "Documento de identificación extranjero"),
    ("CC", "Cédula"),
    ("PA", "Passport"),
];
/// How many of them.
const OFFERED: usize = 6;

/// The kind that a text names, in short or in full.
fn kind_of(text: &str) -> Option<&'static str> {
    // "C.C." is "c c" by then.
    let text = plain(text);
    let short = text.replace(' ', "");
    KINDS.iter().find(|(kind, name)| kind.eq_ignore_ascii_case(&short) || plain(name) == text).map(|(kind, _)| *kind)
}

/// `CC 1.020.304.050`, or the number alone where the kind is known. Whoever writes a kind is believed over `kind`.
fn document_of(text: &str, kind: Option<&str>) -> Option<Document> {
    let text = text.trim();
    // Where a kind could end: before each word, and before the first digit (`CC1020304050`).
    let words = text.char_indices().filter(|(_, c)| c.is_whitespace() || *c == ':').map(|(at, _)| at);
    let digit = text.find(|c: char| c.is_ascii_digit())?;
    let mut ends: Vec<usize> = words.filter(|at| *at < digit).chain([digit]).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let said = ends
        .into_iter()
        .filter_map(|at| text.split_at_checked(at))
        .find_map(|(said, rest)| Some((kind_of(said)?, rest)));
    let (kind, number) = match said {
        Some(said) => said,
        // A passport's number may begin with letters; words are no number.
        None if text.chars().filter(|c| c.is_alphabetic()).count() <= 4 => (kind?, text),
        None => return None,
    };
    Document::read(kind, number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_typed_in_many_ways() {
        for (text, kind, expected) in [
            ("CC 1.020.304.050", None, Some("CC 1020304050")),
            ("C.C. 1020304050", None, Some("CC 1020304050")),
            ("Cédula de Extranjería: 412907", None, Some("CE 412907")),
            ("1020304050", Some("CC"), Some("CC 1020304050")),
            ("pasaporte AV612907", Some("CC"), Some("PA AV612907")),
            ("CC1020304050", None, Some("CC 1020304050")),
            ("Pasaporte 612907", Some("CC"), Some("PA 612907")),
            ("AV612907", Some("PA"), Some("PA AV612907")),
            ("1020304050", None, None),
            ("la de siempre 1020304050", Some("CC"), None),
            ("1234567890", Some("CC"), None),
            ("no tengo", Some("CC"), None),
        ] {
            let read = document_of(text, kind).map(|d| d.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
