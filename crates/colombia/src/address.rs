//! Addresses, read only to suggest a tidy form. None is ever refused for its form: "Km 7 vía La Calera, portería" is
//! a good address (section 5.5 of the market's specification).

use crate::text::{fold, plain};

/// How long the fields of an address are, in characters: line, complement, barrio, indications.
pub const LIMITS: [usize; 4] = [120, 60, 60, 200];

/// Kinds of streets, with what people write for them.
const VIAS: [(&str, &[&str]); 11] = [
    ("Avenida Calle", &["avenida calle", "av calle", "av cl", "ac"]),
    ("Avenida Carrera", &["avenida carrera", "av carrera", "av cra", "av kr", "ak"]),
    ("Calle", &["calle", "cl", "cll", "clle"]),
    ("Carrera", &["carrera", "kr", "cr", "cra", "kra", "carr"]),
    ("Diagonal", &["diagonal", "dg", "diag"]),
    ("Transversal", &["transversal", "tv", "transv", "trv"]),
    ("Circular", &["circular", "cq", "circ"]),
    ("Autopista", &["autopista", "autop"]),
    ("Avenida", &["avenida", "av", "avda"]),
    ("Manzana", &["manzana", "mz"]),
    ("Vereda", &["vereda", "vda"]),
];

/// What was understood of an address of the usual form.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `Carrera`.
    pub via: &'static str,
    /// `43A`, with BIS and SUR where they are: `127 BIS SUR`.
    pub number: String,
    /// Behind the `#`: `1 SUR`.
    pub cross: String,
    /// Behind the hyphen: `50`.
    pub plate: String,
    /// What follows: `apto 1203`.
    pub complement: Option<String>,
}

// Personal data: debug output does not show it.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("via", &self.via).finish_non_exhaustive()
    }
}

impl std::fmt::Display for Address {
    /// `Carrera 43A # 1 Sur - 50, apto 1203`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} # {} - {}", self.via, self.number, self.cross, self.plate)?;
        match &self.complement {
            Some(complement) => write!(f, ", {complement}"),
            None => Ok(()),
        }
    }
}

/// A tidy form to suggest, where the text has the usual one. `None`: take it as it is.
///
/// ```
/// use pasarela_colombia::address::suggest;
/// let tidy = suggest("Cra 43a No. 1 sur-50 apto 1203").unwrap();
/// assert_eq!(tidy.to_string(), "Carrera 43A # 1 Sur - 50, apto 1203");
/// assert!(suggest("Km 7 vía La Calera, portería").is_none());
/// ```
#[must_use]
pub fn suggest(typed: &str) -> Option<Address> {
    let text = plain(typed, 400);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (via, rest) = via(&text)?;
    let (number, rest) = split_at_mark(rest)?;
    let number = designation(number)?;
    let (cross, rest) = rest.split_once('-')?;
    let cross = designation(cross)?;
    let rest = rest.trim_start();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let plate = rest.get(..digits).filter(|p| !p.is_empty() && p.len() <= 3)?;
    let mut plate = plate.to_owned();
    let mut complement = rest.get(digits..).unwrap_or("").trim_start_matches([',', ' ', '.']).to_owned();
    // "13-19 Sur": the side of the town belongs to the plate.
    if let Some(side) = complement.split([' ', ',']).next().and_then(side) {
        let after = complement.split_once([' ', ',']).map_or("", |(_, after)| after);
        complement = after.trim_start_matches([',', ' ']).to_owned();
        plate = format!("{plate} {side}");
    }
    let complement = (!complement.is_empty()).then_some(complement);
    Some(Address { via, number, cross, plate, complement })
}

/// The kind of street and what follows it: the longest of its names that fits.
fn via(text: &str) -> Option<(&'static str, &str)> {
    let begins = |name: &str| -> Option<usize> {
        let mut wanted = name.chars();
        let mut next = wanted.next();
        for (at, c) in text.char_indices() {
            let Some(expected) = next else {
                return (!c.is_alphabetic()).then_some(at);
            };
            if c == '.' {
                continue;
            }
            if fold(&c.to_string()).chars().next().unwrap_or(' ') != expected {
                return None;
            }
            next = wanted.next();
        }
        None
    };
    let all = VIAS.iter().flat_map(|(via, names)| names.iter().map(move |name| (*via, *name)));
    let fits = all.filter_map(|(via, name)| begins(name).map(|end| (name.len(), via, end)));
    let (_, via, end) = fits.max_by_key(|(length, ..)| *length)?;
    Some((via, text.get(end..)?.trim_start_matches(['.', ' '])))
}

/// Splits at `#`, `No.`, `Nº`, `N°`, `Num`.
fn split_at_mark(text: &str) -> Option<(&str, &str)> {
    if let Some((number, rest)) = text.split_once('#') {
        return Some((number, rest.trim_start()));
    }
    let lower = text.to_ascii_lowercase();
    for mark in ["nº", "n°", "no.", "nro.", "num.", " no ", " nro ", " num "] {
        if let Some(at) = lower.find(mark) {
            let rest = text.get(at + mark.len()..)?.trim_start_matches(['.', ' ']);
            return Some((text.get(..at)?, rest));
        }
    }
    None
}

/// A number with its letters: `43A`, `127 BIS`, `1 Sur`. `None` when something else is in it.
fn designation(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches(',').trim_end();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text.get(..digits).filter(|n| !n.is_empty() && n.len() <= 3)?;
    let mut out = number.to_owned();
    for (index, word) in text.get(digits..)?.split_whitespace().enumerate() {
        if let Some(side) = side(word) {
            out.push(' ');
            out.push_str(side);
        } else if word.eq_ignore_ascii_case("bis") {
            out.push_str(" BIS");
        } else if word.len() <= 2 && word.bytes().all(|b| b.is_ascii_alphanumeric()) {
            if index > 0 && out.ends_with("BIS") {
                out.push(' ');
            }
            out.push_str(&word.to_ascii_uppercase());
        } else {
            return None;
        }
    }
    Some(out)
}

fn side(word: &str) -> Option<&'static str> {
    match fold(word).as_str() {
        "sur" => Some("Sur"),
        "norte" => Some("Norte"),
        "este" => Some("Este"),
        "oeste" => Some("Oeste"),
        _ => None,
    }
}
