//! What may be asked of the map and done with it, for the API, the console and the command line. A deed that has begun
//! ends, also when whoever asked goes away.

use super::Done;
use super::deeds::{PeopleError, Wish};
use super::view::{ConflictView, DoubtView, HistoryLine, PeoplePage, PersonView};
use crate::engine::Engine;
use crate::whole::whole;
use jiff::Timestamp;
use pasarela_domain::{Brands, DeedId, PersonId};
use pasarela_store::Error;
use std::collections::BTreeSet;

impl Engine {
    /// Does this hub keep a map of persons?
    #[must_use]
    pub fn keeps_people(&self) -> bool {
        self.inner.people.rules.is_some()
    }

    /// When the oldest event was received that the map of persons has not read; `None`: it is up to date.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn people_behind(&self) -> Result<Option<Timestamp>, Error> {
        self.inner.people_behind().await
    }

    /// The same as it was when [`Engine::health`] was asked last, without the store.
    #[must_use]
    pub fn people_wait(&self) -> Option<Timestamp> {
        *self.inner.people.behind.lock()
    }

    /// Persons of these brands, the latest first; with a search by address, document or words of the name.
    ///
    /// # Errors
    /// When the hub keeps no map, or the store cannot be asked.
    pub async fn people(
        &self,
        search: Option<&str>,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<PeoplePage, PeopleError> {
        self.inner.people_list(search, before, limit, brands).await
    }

    /// A person, by any id that was ever theirs.
    ///
    /// # Errors
    /// When there is none in the sight of these brands.
    pub async fn person(&self, id: PersonId, brands: &Brands) -> Result<PersonView, PeopleError> {
        self.inner.person_view(id, brands).await
    }

    /// What was told and done with a person and with whom they were joined or told apart, the latest first.
    ///
    /// # Errors
    /// When there is none in the sight of these brands.
    pub async fn person_history(&self, id: PersonId, brands: &Brands) -> Result<Vec<HistoryLine>, PeopleError> {
        self.inner.person_history(id, brands).await
    }

    /// Pairs that a person should look at, the latest first. A page may hold fewer than asked for, also none.
    ///
    /// # Errors
    /// When the hub keeps no map, or the store cannot be asked.
    pub async fn people_review(
        &self,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<(Vec<DoubtView>, Option<i64>), PeopleError> {
        self.inner.people_doubts(before, limit, brands).await
    }

    /// Edits that do not count, and that nobody has accepted, the latest first.
    ///
    /// # Errors
    /// When the hub keeps no map, or the store cannot be asked.
    pub async fn people_conflicts(
        &self,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<(Vec<ConflictView>, Option<i64>), PeopleError> {
        self.inner.people_conflicts(before, limit, brands).await
    }

    /// Two persons are one, says somebody.
    ///
    /// # Errors
    /// When one is not there, they are one already, or they are of two brands.
    pub async fn merge_people(&self, a: PersonId, b: PersonId, by: &str, brands: &Brands) -> Result<Done, PeopleError> {
        self.deed(Wish::Merge { a, b }, by, brands).await
    }

    /// Two persons are not one, says somebody: no rule joins them.
    ///
    /// # Errors
    /// When one is not there, they are one, or it was said already.
    pub async fn keep_people_apart(
        &self,
        a: PersonId,
        b: PersonId,
        by: &str,
        brands: &Brands,
    ) -> Result<Done, PeopleError> {
        self.deed(Wish::KeepApart { a, b }, by, brands).await
    }

    /// These records of a person, by the ids that they were born with, are another person's, says somebody.
    ///
    /// # Errors
    /// When a record is not this person's, or none leaves or stays.
    pub async fn split_person(
        &self,
        from: PersonId,
        leaving: BTreeSet<PersonId>,
        by: &str,
        brands: &Brands,
    ) -> Result<Done, PeopleError> {
        self.deed(Wish::Split { from, leaving }, by, brands).await
    }

    /// Takes a deed of a person's history back. Where it was a merge of the rules, they do not do it again.
    ///
    /// # Errors
    /// When there is no such deed, or it cannot be taken back.
    pub async fn undo_person_deed(
        &self,
        of: PersonId,
        deed: DeedId,
        by: &str,
        brands: &Brands,
    ) -> Result<Done, PeopleError> {
        self.deed(Wish::Undo { of, deed }, by, brands).await
    }

    /// An edit that does not count stays as it is, says somebody.
    ///
    /// # Errors
    /// When there is no such open conflict.
    pub async fn accept_person_conflict(
        &self,
        of: PersonId,
        conflict: &str,
        by: &str,
        brands: &Brands,
    ) -> Result<(), PeopleError> {
        self.deed(Wish::Accept { conflict: conflict.to_owned(), of }, by, brands).await.map(drop)
    }

    async fn deed(&self, wish: Wish, by: &str, brands: &Brands) -> Result<Done, PeopleError> {
        let (inner, by, brands) = (self.inner.clone(), by.to_owned(), brands.clone());
        whole(async move { inner.people_deed(&wish, &by, &brands).await }).await
    }
}
