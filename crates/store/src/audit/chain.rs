//! How an entry becomes a link of the chain: pure, but for the salt.

use super::Link;
use crate::codes::ms;
use crate::seal::{SealError, Sealed, Sealer};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::Value;

/// Bytes of a salt.
const SALT: usize = 16;
/// Digest of what never was.
pub(super) const NONE: [u8; 32] = [0; 32];

/// What came of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It began, and what came of it is not known (yet).
    Begun,
    /// It was done.
    Done,
    /// It was not done, or not whole.
    Failed,
    /// Somebody looked at personal data.
    Looked,
    /// Somebody was turned away.
    Refused,
}

impl Outcome {
    /// As it is stored and written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Looked => "looked",
            Self::Refused => "refused",
        }
    }

    /// From the stored name; nothing: it is an entry that stands for itself.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "begun" => Some(Self::Begun),
            "done" => Some(Self::Done),
            "failed" => Some(Self::Failed),
            "looked" => Some(Self::Looked),
            "refused" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Kind of whoever does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhoKind {
    /// Somebody who signed in.
    Person,
    /// A program with an API key.
    Key,
    /// Whoever may open the database, by a command.
    CommandLine,
    /// The hub itself.
    System,
}

impl WhoKind {
    /// As it is stored and written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Key => "key",
            Self::CommandLine => "command_line",
            Self::System => "system",
        }
    }

    /// From the stored name.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "person" => Self::Person,
            "key" => Self::Key,
            "command_line" => Self::CommandLine,
            _ => Self::System,
        }
    }
}

/// Something that was done, in words.
#[derive(Debug, Clone)]
pub struct Audited {
    /// When, by the clock of the real world.
    pub at: Timestamp,
    /// Kind of whoever did it.
    pub who_kind: WhoKind,
    /// Their id: of a user, of a key. Not personal.
    pub who: String,
    /// Their name.
    pub name: String,
    /// Address that they came from.
    pub from: Option<String>,
    /// Brand that it belongs to; empty: the hub itself.
    pub brand: String,
    /// What was done.
    pub action: String,
    /// To what. Not personal: an id or a configured name.
    pub subject: String,
    /// What it was before.
    pub before: Option<Value>,
    /// What it is after.
    pub after: Option<Value>,
    /// Keyed hashes of the people whom `before` and `after` tell of.
    pub about: Vec<i64>,
    /// What came of it, and which deed it ended (0: it was no deed); `None`: it was decided, and that is all.
    pub deed: Option<(i64, Outcome)>,
}

impl Audited {
    /// Something that the hub does by itself.
    #[must_use]
    pub fn by_system(at: Timestamp, action: &str, subject: &str) -> Self {
        Self {
            at,
            who_kind: WhoKind::System,
            who: "pasarela".into(),
            name: "pasarela".into(),
            from: None,
            brand: String::new(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            before: None,
            after: None,
            about: Vec::new(),
            deed: None,
        }
    }

    /// With what came of it. `deed`: which one it was; 0: none.
    #[must_use]
    pub fn came_to(self, deed: i64, outcome: Outcome) -> Self {
        Self { deed: Some((deed, outcome)), ..self }
    }

    /// With what is personal sealed: the only form that the store takes.
    pub fn sealed(self, sealer: &Sealer) -> Result<AuditEntry, SealError> {
        let named = sealer.named(&self.name);
        let (actor, actor_digest) = salted(sealer, &Actor { name: self.name, from: self.from, deed: self.deed })?;
        let detail = Detail { before: self.before, after: self.after };
        let nothing = detail.before.is_none() && detail.after.is_none();
        let (detail, detail_digest) = if nothing {
            (None, NONE)
        } else {
            let (sealed, digest) = salted(sealer, &detail)?;
            (Some(sealed), digest)
        };
        Ok(AuditEntry {
            at: self.at,
            who_kind: self.who_kind,
            who: self.who,
            named,
            brand: self.brand,
            action: self.action,
            subject: self.subject,
            about: self.about,
            forgets: Vec::new(),
            prunes: None,
            deed: self.deed,
            actor,
            actor_digest,
            detail,
            detail_digest,
        })
    }
}

/// An entry that waits for its place in the chain.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    pub(crate) at: Timestamp,
    pub(crate) who_kind: WhoKind,
    pub(crate) who: String,
    pub(crate) named: i64,
    pub(crate) brand: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) about: Vec<i64>,
    /// Entries whose values go with it.
    pub(crate) forgets: Vec<i64>,
    /// The chain begins behind this entry from now on: it goes, and all before it.
    pub(crate) prunes: Option<Head>,
    /// The deed, beside what is hashed of it: an index of the list.
    pub(crate) deed: Option<(i64, Outcome)>,
    pub(crate) actor: Sealed,
    pub(crate) actor_digest: [u8; 32],
    pub(crate) detail: Option<Sealed>,
    pub(crate) detail_digest: [u8; 32],
}

impl AuditEntry {
    /// Bytes of its bodies.
    pub(crate) fn bytes(&self) -> usize {
        self.actor.0.len() + self.detail.as_ref().map_or(0, |d| d.0.len())
    }
}

#[derive(serde::Serialize, serde::Deserialize, Default)]
pub(super) struct Actor {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// Among what is sealed and never removed, so that the previous version verifies it as it verifies a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deed: Option<(i64, Outcome)>,
}

impl Actor {
    /// Do the columns beside it say the same?
    pub(super) fn agrees(&self, link: &Link) -> bool {
        let (deed, outcome) = self.deed.map_or((0, ""), |(deed, outcome)| (deed, outcome.as_str()));
        (deed, outcome) == (link.deed, link.outcome.as_str())
    }
}

#[derive(serde::Serialize, serde::Deserialize, Default)]
pub(super) struct Detail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<Value>,
}

fn salted<T: serde::Serialize>(sealer: &Sealer, value: &T) -> Result<(Sealed, [u8; 32]), SealError> {
    let salt = crate::seal::fresh_key()?;
    let mut plain = salt[..SALT].to_vec();
    plain.extend(serde_json::to_vec(value).unwrap_or_default());
    Ok((sealer.seal(&plain), digest_of(&plain)))
}

/// Digest of a value with its salt.
pub(super) fn digest_of(plain: &[u8]) -> [u8; 32] {
    let digest = digest(&SHA256, plain);
    std::array::from_fn(|i| digest.as_ref()[i])
}

pub(super) fn open_actor(sealer: &Sealer, sealed: &[u8]) -> Result<Actor, SealError> {
    parsed(&sealer.open(sealed)?)
}

pub(super) fn open_detail(sealer: &Sealer, sealed: &[u8]) -> Result<Detail, SealError> {
    parsed(&sealer.open(sealed)?)
}

pub(super) fn parsed<T: serde::de::DeserializeOwned>(plain: &[u8]) -> Result<T, SealError> {
    let json = plain.get(SALT..).ok_or(SealError::Damaged)?;
    serde_json::from_slice(json).map_err(|_| SealError::Damaged)
}

/// Numbers as they lie in one column.
pub(crate) fn packed(numbers: &[i64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// The same, back.
pub(crate) fn numbers(packed: &[u8]) -> Vec<i64> {
    packed.chunks(8).map(|c| c.iter().fold(0_i64, |n, b| n << 8 | i64::from(*b))).collect()
}

/// A place in the chain: an entry's number, its time and its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) hash: Vec<u8>,
}

/// The place of an entry.
pub(crate) struct Linked {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) previous: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

/// The key of a database's chain.
#[derive(Clone)]
pub(crate) struct Chain(hmac::Key);

impl Chain {
    /// Of the index key, which never changes.
    pub(crate) fn new(index: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, index);
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"pasarela audit 1").as_ref()))
    }

    /// Gives an entry its place behind the head, which moves on.
    pub(crate) fn append(&self, head: &mut Head, entry: &AuditEntry) -> Linked {
        let link = Link {
            seq: head.seq + 1,
            at: ms(entry.at).max(head.at),
            who_kind: entry.who_kind.as_str().to_owned(),
            who: entry.who.clone(),
            named: entry.named,
            brand: entry.brand.clone(),
            action: entry.action.clone(),
            subject: entry.subject.clone(),
            about: packed(&entry.about),
            forgets: packed(&entry.forgets),
            actor_digest: entry.actor_digest.to_vec(),
            detail_digest: entry.detail_digest.to_vec(),
            previous: std::mem::take(&mut head.hash),
            ..Link::default()
        };
        let hash = self.hash(&link);
        *head = Head { seq: link.seq, at: link.at, hash: hash.clone() };
        Linked { seq: link.seq, at: link.at, previous: link.previous, hash }
    }

    /// What an entry's hash must be. Every field has its length before it, so that none can lend to another.
    pub(super) fn hash(&self, link: &Link) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"entry");
        for number in [link.seq, link.at, link.named] {
            context.update(&number.to_be_bytes());
        }
        let fields: [&[u8]; 10] = [
            link.who_kind.as_bytes(),
            link.who.as_bytes(),
            link.brand.as_bytes(),
            link.action.as_bytes(),
            link.subject.as_bytes(),
            &link.about,
            &link.forgets,
            &link.actor_digest,
            &link.detail_digest,
            &link.previous,
        ];
        for field in fields {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        context.sign().as_ref().to_vec()
    }

    /// What the head's keyed hash must be.
    pub(crate) fn mac(&self, head: &Head) -> Vec<u8> {
        self.place(b"head", head)
    }

    /// What the keyed hash must be of the entry behind which the chain begins, once entries went by their age.
    pub(crate) fn mac_of_base(&self, base: &Head) -> Vec<u8> {
        self.place(b"base", base)
    }

    fn place(&self, what: &[u8; 4], head: &Head) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(what);
        context.update(&head.seq.to_be_bytes());
        context.update(&head.at.to_be_bytes());
        context.update(&head.hash);
        context.sign().as_ref().to_vec()
    }
}
