//! Documents of persons. Their forms are practice, not law: what looks unusual is warned of, never refused
//! (section 5.1 of the market's specification). Codes of the DIAN: anexo técnico, lista de tipos de documento.

use crate::text::{grouped, plain};

/// Kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// Registro civil: of a child.
    RegistroCivil,
    /// Tarjeta de identidad: 7 to 17 years.
    TarjetaIdentidad,
    /// Cédula de ciudadanía.
    Cedula,
    /// Tarjeta de extranjería.
    TarjetaExtranjeria,
    /// Cédula de extranjería.
    CedulaExtranjeria,
    /// NIT: read it with [`nit`](crate::nit).
    Nit,
    /// Passport.
    Pasaporte,
    /// Document of another country.
    DocumentoExtranjero,
    /// Permiso especial de permanencia.
    Pep,
    /// Permiso por protección temporal.
    Ppt,
    /// NIT of another country.
    NitExtranjero,
    /// NUIP.
    Nuip,
}

impl DocumentKind {
    /// All, in the order of their codes.
    pub const ALL: [Self; 12] = [
        Self::RegistroCivil,
        Self::TarjetaIdentidad,
        Self::Cedula,
        Self::TarjetaExtranjeria,
        Self::CedulaExtranjeria,
        Self::Nit,
        Self::Pasaporte,
        Self::DocumentoExtranjero,
        Self::Pep,
        Self::Ppt,
        Self::NitExtranjero,
        Self::Nuip,
    ];

    /// The short form that people use: `CC`.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::RegistroCivil => "RC",
            Self::TarjetaIdentidad => "TI",
            Self::Cedula => "CC",
            Self::TarjetaExtranjeria => "TE",
            Self::CedulaExtranjeria => "CE",
            Self::Nit => "NIT",
            Self::Pasaporte => "PA",
            Self::DocumentoExtranjero => "DE",
            Self::Pep => "PEP",
            Self::Ppt => "PPT",
            Self::NitExtranjero => "NITE",
            Self::Nuip => "NUIP",
        }
    }

    /// The code of the DIAN: `13`.
    #[must_use]
    pub fn dian(self) -> &'static str {
        match self {
            Self::RegistroCivil => "11",
            Self::TarjetaIdentidad => "12",
            Self::Cedula => "13",
            Self::TarjetaExtranjeria => "21",
            Self::CedulaExtranjeria => "22",
            Self::Nit => "31",
            Self::Pasaporte => "41",
            Self::DocumentoExtranjero => "42",
            Self::Pep => "47",
            Self::Ppt => "48",
            Self::NitExtranjero => "50",
            Self::Nuip => "91",
        }
    }

    /// By its short form or its code of the DIAN.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.short().eq_ignore_ascii_case(code) || k.dian() == code)
    }

    /// Whoever has it is under 18 (Ley 1581 de 2012, art. 7 applies).
    #[must_use]
    pub fn is_of_a_minor(self) -> bool {
        matches!(self, Self::RegistroCivil | Self::TarjetaIdentidad)
    }

    fn is_usual(self, number: &str) -> bool {
        let length = number.len();
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Cedula | Self::Nuip => digits && (3..=10).contains(&length) && !number.starts_with('0'),
            Self::TarjetaIdentidad => digits && (10..=11).contains(&length),
            Self::RegistroCivil => (8..=11).contains(&length),
            Self::CedulaExtranjeria => (5..=10).contains(&length),
            Self::Ppt => digits && (5..=10).contains(&length),
            Self::Pasaporte => (5..=20).contains(&length),
            Self::Nit => digits && (1..=15).contains(&length),
            Self::TarjetaExtranjeria | Self::DocumentoExtranjero | Self::Pep | Self::NitExtranjero => {
                (3..=20).contains(&length)
            }
        }
    }
}

/// A document as it is kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Digits and capital letters, without dots and spaces: what is compared.
    pub number: String,
    /// Not of the usual form: ask once, accept.
    pub unusual: bool,
}

// Personal data: debug output does not show the number.
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl std::fmt::Display for Document {
    /// `CC 1.020.304.050`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.number.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { grouped(&self.number, '.') } else { self.number.clone() };
        write!(f, "{} {number}", self.kind.short())
    }
}

/// Reads a document as it was typed. `None` when nothing is left of it.
///
/// ```
/// use pasarela_colombia::documents::{DocumentKind, read};
/// let document = read(DocumentKind::Cedula, "1.020.304.050").unwrap();
/// assert_eq!((document.number.as_str(), document.unusual), ("1020304050", false));
/// assert_eq!(document.to_string(), "CC 1.020.304.050");
/// ```
#[must_use]
pub fn read(kind: DocumentKind, typed: &str) -> Option<Document> {
    let number: String =
        plain(typed, 64).chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    (!number.is_empty()).then(|| Document { kind, unusual: !kind.is_usual(&number), number })
}
