//! The signed form of a ticket: short enough for a QR that a tired phone reads at a door, and true
//! without asking anybody.
//!
//! `P1` and the base32 text of a body and its Ed25519 signature. The body is the key's id (4 bytes),
//! the connection's tag (4 bytes), the ticket's id and the show's id, each with its length. No name and
//! no seat: a ticket that is photographed tells nothing about its guest. `P1` is the version; capital
//! letters and digits are what a QR packs best, and an address takes them too.
//!
//! Promise: a changed character, another key and another version are refused, each with its own
//! sentence. A true token says that the hub made it; whether it still opens the door, the read models say.

use data_encoding::BASE32_NOPAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;

/// In front of every token of this version.
const PREFIX: &str = "P1";
/// What is signed begins with this, so that no other signature of the same key passes for a ticket's.
const CONTEXT: &[u8] = b"pasarela boleta 1\0";
const SIGNATURE: usize = 64;
/// Longest token that is looked at.
const LONGEST: usize = 400;
/// Longest id that a token holds.
const LONGEST_ID: usize = 63;

/// Which key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl KeyId {
    fn of(public: &[u8]) -> Self {
        Self(first_four(public))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A connection, as a token names it: ticket ids are the provider's, and two providers may use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 4]);

impl Tag {
    /// Of a connection's name: the same on every node and after every restore.
    #[must_use]
    pub fn of(connection: &str) -> Self {
        Self(first_four(connection.as_bytes()))
    }
}

fn first_four(bytes: &[u8]) -> [u8; 4] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    std::array::from_fn(|i| digest.as_ref()[i])
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Connection whose ids these are.
    pub connection: Tag,
    /// Provider's id of the ticket.
    pub ticket: String,
    /// Provider's id of the show.
    pub show: String,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing of ours.
    #[error("this is not a signed ticket")]
    NotATicket,
    /// A token of another form.
    #[error("this ticket has the form {0}; this program reads {PREFIX}: use a newer program")]
    OtherVersion(String),
    /// A key that is not known here.
    #[error("this ticket was signed with the key {0}, which is not known here")]
    UnknownKey(KeyId),
    /// The signature does not fit.
    #[error("this ticket was changed or made by somebody else: its signature does not fit")]
    Forged,
    /// Ids too long for a token.
    #[error("the id {0:?} is too long for a signed ticket (at most {LONGEST_ID} bytes)")]
    TooLong(String),
    /// Bytes that are no key.
    #[error("the signing key cannot be used: {0}")]
    BadKey(&'static str),
}

/// A key that signs.
pub struct Signer {
    pair: Ed25519KeyPair,
    id: KeyId,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.id)
    }
}

impl Signer {
    /// Of a secret seed.
    pub fn new(seed: &[u8]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::BadKey("a seed has 32 bytes"))?;
        let id = KeyId::of(pair.public_key().as_ref());
        Ok(Self { pair, id })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The half that may be given to anyone.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        key
    }

    /// Signs: the same claims give the same token.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let mut body = Vec::with_capacity(32 + SIGNATURE);
        body.extend_from_slice(&self.id.0);
        body.extend_from_slice(&claims.connection.0);
        put_id(&mut body, &claims.ticket)?;
        put_id(&mut body, &claims.show)?;
        let signature = self.pair.sign(&[CONTEXT, &body].concat());
        body.extend_from_slice(signature.as_ref());
        Ok(format!("{PREFIX}{}", BASE32_NOPAD.encode(&body)))
    }
}

/// Keys that are believed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keyring(Vec<(KeyId, [u8; 32])>);

impl Keyring {
    /// Of public keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self(keys.into_iter().map(|key| (KeyId::of(&key), key)).collect())
    }

    /// What a token says, if one of these keys signed it. Letters may be small: people type them.
    pub fn open(&self, token: &str) -> Result<Claims, Error> {
        if token.len() > LONGEST || !token.is_ascii() {
            return Err(Error::NotATicket);
        }
        let token = token.to_ascii_uppercase();
        let Some(text) = token.strip_prefix(PREFIX) else {
            let version: String = token.chars().take(2).collect();
            let other =
                version.len() == 2 && version.starts_with('P') && version.ends_with(|c: char| c.is_ascii_digit());
            return Err(if other { Error::OtherVersion(version) } else { Error::NotATicket });
        };
        let bytes = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| Error::NotATicket)?;
        let (body, signature) =
            bytes.len().checked_sub(SIGNATURE).map(|at| bytes.split_at(at)).ok_or(Error::NotATicket)?;
        let (key, rest) = body.split_first_chunk::<4>().ok_or(Error::NotATicket)?;
        let key = KeyId(*key);
        let public =
            self.0.iter().find(|(id, _)| *id == key).map(|(_, public)| public).ok_or(Error::UnknownKey(key))?;
        UnparsedPublicKey::new(&ED25519, public)
            .verify(&[CONTEXT, body].concat(), signature)
            .map_err(|_| Error::Forged)?;
        let (connection, rest) = rest.split_first_chunk::<4>().ok_or(Error::NotATicket)?;
        let (ticket, rest) = take_id(rest).ok_or(Error::NotATicket)?;
        let (show, rest) = take_id(rest).ok_or(Error::NotATicket)?;
        if rest.is_empty() { Ok(Claims { connection: Tag(*connection), ticket, show }) } else { Err(Error::NotATicket) }
    }
}

/// Two high bits of the first byte say how an id is written, the others how many bytes it takes.
const TEXT: u8 = 0;
const NUMBER: u8 = 1 << 6;
const UUID: u8 = 2 << 6;

fn put_id(body: &mut Vec<u8>, id: &str) -> Result<(), Error> {
    let number = id.parse::<u64>().ok().filter(|n| n.to_string() == id);
    let (kind, bytes) = if let Some(number) = number {
        (NUMBER, number.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect())
    } else if let Some(uuid) = uuid_bytes(id) {
        (UUID, uuid.to_vec())
    } else {
        (TEXT, id.as_bytes().to_vec())
    };
    let length = u8::try_from(bytes.len()).ok().filter(|n| usize::from(*n) <= LONGEST_ID);
    let length = length.ok_or_else(|| Error::TooLong(id.chars().take(LONGEST_ID).collect()))?;
    body.push(kind | length);
    body.extend_from_slice(&bytes);
    Ok(())
}

fn take_id(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(head & 0x3f))?;
    let text = match head & 0xc0 {
        NUMBER if id.len() <= 8 => id.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)).to_string(),
        UUID if id.len() == 16 => uuid_text(id),
        TEXT => std::str::from_utf8(id).ok()?.to_owned(),
        _ => return None,
    };
    Some((text, rest))
}

/// Only the usual spelling: another one would come back changed.
fn uuid_bytes(id: &str) -> Option<[u8; 16]> {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    let bytes: [u8; 16] = data_encoding::HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()?;
    (uuid_text(&bytes) == id).then_some(bytes)
}

fn uuid_text(bytes: &[u8]) -> String {
    let hex = data_encoding::HEXLOWER.encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(ticket: &str) -> Claims {
        Claims { connection: Tag::of("boleteria"), ticket: ticket.into(), show: "41".into() }
    }

    fn ring(seeds: &[u8]) -> Keyring {
        Keyring::new(seeds.iter().map(|s| Signer::new(&[*s; 32]).unwrap().public_key()))
    }

    #[test]
    fn a_token_is_true_with_the_public_key_alone_and_fits_a_small_code() {
        let signer = Signer::new(&[7; 32]).unwrap();
        let token = signer.sign(&claims("4471")).unwrap();
        assert_eq!(token, signer.sign(&claims("4471")).unwrap(), "the same ticket has one token");
        assert_eq!(ring(&[7]).open(&token).unwrap(), claims("4471"));
        assert_eq!(ring(&[9, 7]).open(&token.to_lowercase()).unwrap(), claims("4471"), "after a rotation, and typed");
        assert!(token.len() <= 130, "{} characters", token.len());
        assert!(token.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{token}");
    }

    #[test]
    fn ids_of_every_provider_come_back_as_they_were() {
        let signer = Signer::new(&[7; 32]).unwrap();
        let long = "x".repeat(LONGEST_ID);
        for id in [
            "0",
            "4471",
            "007",
            "18446744073709551615",
            "a_B2c3",
            "",
            "ñ-1",
            &long,
            "cd3c2c58-4fcf-44aa-9022-761eb85a99db",
            "CD3C2C58-4FCF-44AA-9022-761EB85A99DB",
            "cd3c2c584fcf44aa9022761eb85a99db",
        ] {
            let token = signer.sign(&claims(id)).unwrap();
            assert_eq!(ring(&[7]).open(&token).unwrap().ticket, id);
        }
        assert_eq!(signer.sign(&claims(&"x".repeat(64))), Err(Error::TooLong("x".repeat(63))));
    }

    #[test]
    fn what_was_changed_or_signed_by_another_is_refused_with_its_reason() {
        let token = Signer::new(&[7; 32]).unwrap().sign(&claims("4471")).unwrap();
        let known = ring(&[7]);
        for at in 0..token.len() {
            let mut changed: Vec<u8> = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(known.open(&changed).is_err(), "character {at}: {changed}");
        }
        for kept in 0..token.len() {
            assert!(known.open(&token[..kept]).is_err(), "cut after {kept}");
        }
        let other = Signer::new(&[8; 32]).unwrap();
        assert_eq!(ring(&[8]).open(&token), Err(Error::UnknownKey(Signer::new(&[7; 32]).unwrap().id())));
        // The body of one key, the signature of another.
        let bytes = BASE32_NOPAD.decode(&token.as_bytes()[2..]).unwrap();
        let body = &bytes[..bytes.len() - SIGNATURE];
        let signature = other.pair.sign(&[CONTEXT, body].concat());
        let forged = format!("{PREFIX}{}", BASE32_NOPAD.encode(&[body, signature.as_ref()].concat()));
        assert_eq!(known.open(&forged), Err(Error::Forged));
        // The same bytes signed for something else.
        let elsewhere = Signer::new(&[7; 32]).unwrap().pair.sign(body);
        let forged = format!("{PREFIX}{}", BASE32_NOPAD.encode(&[body, elsewhere.as_ref()].concat()));
        assert_eq!(known.open(&forged), Err(Error::Forged));
        assert_eq!(known.open(&token.replacen("P1", "P2", 1)), Err(Error::OtherVersion("P2".into())));
        for nonsense in ["", "A-7KQ2M9X", "P1", "P1!", "ñ", "P1AAAA", &"P1A".repeat(400)] {
            assert_eq!(known.open(nonsense), Err(Error::NotATicket), "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_people_type_is_a_ticket_or_a_panic(text in ".{0,200}") {
            prop_assert!(ring(&[7]).open(&text).is_err());
        }

        #[test]
        fn whatever_the_ids_the_token_holds_them(ticket in "[a-zA-Z0-9_.-]{1,40}", show in "[0-9]{1,19}", name in "[a-z]{1,12}") {
            let signer = Signer::new(&[7; 32]).unwrap();
            let claims = Claims { connection: Tag::of(&name), ticket, show };
            prop_assert_eq!(ring(&[7]).open(&signer.sign(&claims).unwrap()).unwrap(), claims);
        }
    }
}
