//! CUFE and CUDE, the codes of electronic documents (DIAN, anexo técnico 1.9 and 1.0), so that what an invoicing
//! provider gives back can be checked.

use sha2::{Digest as _, Sha384};

/// What the code is made of. Amounts in centavos.
#[derive(Debug, Clone)]
pub struct DocumentCode<'a> {
    /// With its prefix.
    pub number: &'a str,
    /// `YYYY-MM-DD`.
    pub date: &'a str,
    /// `HH:MM:SS-05:00`.
    pub time: &'a str,
    /// Before taxes.
    pub gross: i64,
    /// Tax 01.
    pub iva: i64,
    /// Tax 04.
    pub inc: i64,
    /// Tax 03.
    pub ica: i64,
    /// To pay.
    pub total: i64,
    /// NIT of the seller, without check digit.
    pub seller: &'a str,
    /// Document of the buyer.
    pub buyer: &'a str,
    /// CUFE: the technical key of the numbering range. CUDE: the PIN of the software.
    pub key: &'a str,
    /// 1 production, 2 test.
    pub environment: u8,
}

impl DocumentCode<'_> {
    /// The text that is hashed. It holds the key: not for logs.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}{}{}{}01{}04{}03{}{}{}{}{}{}",
            self.number,
            self.date,
            self.time,
            decimal(self.gross),
            decimal(self.iva),
            decimal(self.inc),
            decimal(self.ica),
            decimal(self.total),
            self.seller,
            self.buyer,
            self.key,
            self.environment
        )
    }

    /// The code: SHA-384 in hexadecimal, small letters.
    #[must_use]
    pub fn code(&self) -> String {
        hex::encode(Sha384::digest(self.text().as_bytes()))
    }

    /// Whether a provider's code is this one.
    #[must_use]
    pub fn fits(&self, given: &str) -> bool {
        self.code().eq_ignore_ascii_case(given.trim())
    }
}

fn decimal(centavos: i64) -> String {
    let sign = if centavos < 0 { "-" } else { "" };
    let amount = centavos.unsigned_abs();
    format!("{sign}{}.{:02}", amount / 100, amount % 100)
}
