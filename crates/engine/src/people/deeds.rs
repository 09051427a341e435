//! What people do with the map: join, take apart, take back, say who is not whom.

use super::table::Table;
use super::{Done, Group};
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::identity::{By, Deed, Reason, Refusal};
use pasarela_domain::{Brands, DeedId, PersonId};
use pasarela_store::Error;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tries to write what others write too.
const TRIES: u32 = 50;

/// Why nothing was done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeopleError {
    /// Nobody has this id, or somebody of another brand.
    #[error("there is no person {0}")]
    NotFound(String),
    /// Something in what was asked is wrong: what, and what to write.
    #[error("{0}")]
    Invalid(String),
    /// It makes no sense as things stand.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The hub keeps no map.
    #[error("this hub keeps no map of persons; set [people] enabled = true and start it again")]
    Off,
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A deed of somebody who works here.
pub(super) enum Wish {
    Merge { a: PersonId, b: PersonId },
    KeepApart { a: PersonId, b: PersonId },
    Split { from: PersonId, leaving: BTreeSet<PersonId> },
    Undo { of: PersonId, deed: DeedId },
    Accept { conflict: String, of: PersonId },
}

impl Inner {
    /// Does it, in the sight of these brands.
    pub(super) async fn people_deed(
        self: &Arc<Self>,
        wish: &Wish,
        by: &str,
        brands: &Brands,
    ) -> Result<Done, PeopleError> {
        if self.people.rules.is_none() {
            return Err(PeopleError::Off);
        }
        for _ in 0..TRIES {
            let _turn = self.people.turn.lock().await;
            let now = self.clock.now();
            let mut table = Table::new(self)?;
            let done = table.deed(wish, by, brands, now).await?;
            table.tell(now).await?;
            if table.commit(None, now).await? {
                return Ok(done);
            }
        }
        Err(Error::Busy.into())
    }
}

impl Table<'_> {
    /// The history of a person in the sight of these brands.
    pub(super) async fn seen(&mut self, id: PersonId, brands: &Brands) -> Result<PersonId, PeopleError> {
        self.read([id], Vec::new()).await?;
        let root = self.root(id).filter(|root| brands.covers(&self.brand(*root)));
        root.ok_or_else(|| PeopleError::NotFound(id.to_string()))
    }

    async fn deed(&mut self, wish: &Wish, by: &str, brands: &Brands, now: Timestamp) -> Result<Done, PeopleError> {
        let stamp = self.stamp(now, By::Person(by.to_owned()));
        let deed = stamp.deed;
        let (root, person) = match wish {
            Wish::Merge { a, b } => {
                let root = self.both(*a, *b, brands).await?;
                self.change_history(root, |g| g.history.merge(stamp, *a, *b, vec![Reason::Decided]))?;
                (root, *a)
            }
            Wish::KeepApart { a, b } => {
                let root = self.both(*a, *b, brands).await?;
                self.change_history(root, |g| g.history.keep_apart(stamp, *a, *b))?;
                (root, *a)
            }
            Wish::Split { from, leaving } => {
                let root = self.seen(*from, brands).await?;
                self.change_history(root, |g| g.history.split(stamp, *from, leaving.clone()))?;
                (root, *from)
            }
            Wish::Undo { of, deed } => {
                let root = self.seen(*of, brands).await?;
                let (rule, word) = (self.joined_by_rule(root, *deed), self.stamp(now, By::Person(by.to_owned())));
                self.change_history(root, |g| {
                    g.history.undo(stamp, *deed)?;
                    if let Some((a, b)) = rule {
                        // Whoever takes a rule's merge back says that they are two; else it would be done again. Where
                        // something else still holds them together, there is nothing to say.
                        drop(g.history.keep_apart(word, a, b));
                    }
                    Ok(())
                })?;
                (root, *of)
            }
            Wish::Accept { conflict, of } => {
                let root = self.seen(*of, brands).await?;
                self.accept(root, conflict, by, now)?;
                (root, *of)
            }
        };
        let people = self.people(root);
        if !matches!(wish, Wish::Accept { .. }) {
            for person in people.all().map(|p| p.id).collect::<Vec<_>>() {
                self.law_joins(root, person, true).await?;
                self.look_anew(root, person, now).await?;
            }
        }
        Ok(Done { deed, person: people.resolve(person).unwrap_or(person) })
    }

    /// One history for two persons of one brand.
    async fn both(&mut self, a: PersonId, b: PersonId, brands: &Brands) -> Result<PersonId, PeopleError> {
        let (mine, theirs) = (self.seen(a, brands).await?, self.seen(b, brands).await?);
        if self.brand(mine) != self.brand(theirs) {
            let why = format!("{a} and {b} are persons of two brands, which know nothing of each other");
            return Err(PeopleError::Invalid(why));
        }
        self.lay_together(mine, theirs);
        Ok(mine)
    }

    fn change_history(
        &mut self,
        root: PersonId,
        change: impl FnOnce(&mut Group) -> Result<(), Refusal>,
    ) -> Result<(), PeopleError> {
        let before = self.people(root);
        let group = self.change(root).ok_or_else(|| PeopleError::NotFound(root.to_string()))?;
        change(group)?;
        let after = self.people(root);
        self.law_parts(&before, &after);
        Ok(())
    }

    /// Whom a deed of the rules joined.
    fn joined_by_rule(&self, root: PersonId, deed: DeedId) -> Option<(PersonId, PersonId)> {
        let mut entries = self.group(root)?.history.entries();
        let (entry, _) = entries.find(|(e, _)| e.stamp.deed == deed && e.stamp.by == By::Rule)?;
        if let Deed::Merged { a, b, .. } = entry.what { Some((a, b)) } else { None }
    }

    /// Doubts about a person as they stand after a deed.
    async fn look_anew(&mut self, root: PersonId, person: PersonId, now: Timestamp) -> Result<(), Error> {
        let noted = self.group(root).is_some_and(|g| !g.doubts.is_empty());
        if noted {
            let doubtful = self.doubtful(root, person).await?;
            self.doubt(root, person, &doubtful, now).await?;
        }
        Ok(())
    }

    /// Somebody has looked at a conflict, and leaves it as it is.
    fn accept(&mut self, root: PersonId, id: &str, by: &str, now: Timestamp) -> Result<(), PeopleError> {
        let known = self.group(root).and_then(|g| g.conflicts.get(id)).filter(|c| c.accepted.is_none()).cloned();
        let mut conflict = known.ok_or_else(|| PeopleError::Invalid(format!("there is no open conflict '{id}'")))?;
        conflict.accepted = Some(by.to_owned());
        let person = conflict.person;
        self.record_conflict(id, &conflict, &person, root, false, now);
        if let Some(group) = self.note(root) {
            group.conflicts.insert(id.to_owned(), conflict);
        }
        Ok(())
    }
}
