//! Passes: what lets people into the console. A link that signs in once, the one that makes the first owner, and
//! the session that a sign-in became. Kept by the SHA-256 of a random text, so that what is in the database signs
//! nobody in; backups leave them out.
//!
//! Taking one is a change that names its taker, and then a look at who is named: it may be repeated after a lost
//! answer, and has one winner on any number of nodes.

use crate::contract::Fut;
use jiff::Timestamp;

/// What lets a person in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassRow {
    /// SHA-256 of the random text.
    pub hash: [u8; 32],
    /// What it opens.
    pub kind: PassKind,
    /// Whose it is, as told when it was made.
    pub name: String,
    /// May its holder change things?
    pub may_write: bool,
    /// Id of the API key that it was signed in with: it ends with the key.
    pub key: Option<String>,
    /// Id of the account whose it is: it ends with the account's other sessions.
    pub account: Option<String>,
    /// What else its maker wants to know of it, as bytes: sealed where they are kept. Empty: nothing.
    pub detail: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is worth nothing any more.
    pub expires_at: Timestamp,
}

/// Kind of a [`PassRow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassKind {
    /// Signs in, once.
    Link,
    /// Makes the first owner, once.
    First,
    /// Somebody was sent to an OpenID provider and is to come back, once.
    Errand,
    /// Somebody who has signed in.
    Session,
}

impl PassKind {
    const ALL: [Self; 4] = [Self::Link, Self::First, Self::Errand, Self::Session];

    /// As it is stored.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::First => "first",
            Self::Errand => "errand",
            Self::Session => "session",
        }
    }

    /// From the stored name; a name that this version does not know is that of an errand, which opens nothing.
    pub(crate) fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|k| k.as_str() == name).unwrap_or(Self::Errand)
    }
}

/// A database that keeps passes.
pub trait Passes: Send + Sync + 'static {
    /// Keeps a pass; those whose time was over when it was made go away.
    fn keep_pass(&self, pass: PassRow) -> Fut<'_, ()>;
    /// A pass that nobody took, by its hash; whether its time is over is the caller's to ask.
    fn pass(&self, hash: [u8; 32]) -> Fut<'_, Option<PassRow>>;
    /// Takes a pass. `true` for the first taker only, whichever node is asked; `taker` is that caller's alone.
    fn take_pass(&self, hash: [u8; 32], taker: [u8; 32]) -> Fut<'_, bool>;
    /// Ends a pass.
    fn end_pass(&self, hash: [u8; 32]) -> Fut<'_, ()>;
    /// Writes down something else of a pass that is there.
    fn note_pass(&self, hash: [u8; 32], detail: Vec<u8>) -> Fut<'_, ()>;
    /// Passes of an account that nobody took, the latest first.
    fn passes_of(&self, account: &str) -> Fut<'_, Vec<PassRow>>;
    /// Ends all passes of an account, but one if it is named.
    fn end_passes_of(&self, account: &str, but: Option<[u8; 32]>) -> Fut<'_, ()>;
}
