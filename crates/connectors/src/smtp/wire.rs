//! Addresses, message ids and codes as mail servers write them.

use pasarela_domain::EmailAddress;

/// `Fashionistas <boletas@fashionistas.example>`, or the address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) name: Option<String>,
    pub(super) address: EmailAddress,
}

impl Mailbox {
    /// Reads one; the error is for people.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (name, address) = match text.trim().strip_suffix('>').and_then(|t| t.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address.trim()),
            None => ("", text.trim()),
        };
        let address: EmailAddress = address.parse().map_err(|e| format!("{e}"))?;
        if !address.as_str().is_ascii() {
            return Err(format!(
                "'{address}' has letters that not every mail server takes; use an address of plain letters"
            ));
        }
        if name.chars().any(char::is_control) {
            return Err("a name may have no line breaks".into());
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }
}

/// What is behind the `@`.
pub(super) fn domain_of(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or(address)
}

/// Message-ID of the message of an effect, without the angle brackets: the same for the same key.
pub(super) fn message_id(key: &str, domain: &str) -> String {
    let plain: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    format!("{plain}@{domain}")
}

/// The effect's key out of a Message-ID, as far as it is one of ours: nobody else's begin like it.
pub(super) fn key_of(message_id: &str) -> Option<&str> {
    let (key, _) = message_id.trim_matches(['<', '>', ' ']).split_once('@')?;
    key.starts_with("eff_").then_some(key)
}

/// `5.1.1` at the beginning of a reply (RFC 2034): class, subject, detail.
pub(super) fn enhanced(text: &str) -> Option<(u8, u16, u16)> {
    let first = text.trim_start().split([' ', '\n', '\r']).next()?;
    let mut parts = first.split('.');
    let class = parts.next()?.parse().ok()?;
    let (subject, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && matches!(class, 2 | 4 | 5)).then_some((class, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_read_as_people_write_them() {
        for (text, name, address) in [
            ("ana@correo.example", None, "ana@correo.example"),
            ("Ana Ruiz <Ana@Correo.example>", Some("Ana Ruiz"), "ana@correo.example"),
            ("\"Boletas, Fashionistas\" <b@f.example>", Some("Boletas, Fashionistas"), "b@f.example"),
            ("<b@f.example>", None, "b@f.example"),
        ] {
            let read = Mailbox::read(text).unwrap();
            assert_eq!((read.name.as_deref(), read.address.as_str()), (name, address), "{text}");
        }
        for bad in ["", "ana", "Ana <ana>", "ñandú@correo.example", "A\r\nBcc: x <a@b.co>"] {
            assert!(Mailbox::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_come_back_out_of_message_ids_and_only_ours() {
        assert_eq!(message_id("eff_0123456789abc.2", "f.example"), "eff_0123456789abc.2@f.example");
        assert_eq!(key_of("<eff_0123456789abc.2@f.example>"), Some("eff_0123456789abc.2"));
        assert_eq!(key_of("<CAF1234@mail.gmail.com>"), None);
        assert_eq!(enhanced("5.1.1 no such user"), Some((5, 1, 1)));
        assert_eq!(enhanced("4.7.0"), Some((4, 7, 0)));
        for none in ["", "no", "5.1", "5.1.1.1 x", "9.1.1 x", "550 5.1.1"] {
            assert_eq!(enhanced(none), None, "{none}");
        }
    }
}
