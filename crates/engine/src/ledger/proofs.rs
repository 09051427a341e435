//! Proofs of what was taken back long ago: what was said stays, and who said it goes but for the hashes
//! (colombia.md 1.6: while treated, and 10 years after the revocation with a hashed identity).

use super::Entry;
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::consent::{AnalyticsIds, ConsentState};
use pasarela_domain::model::Contact;
use pasarela_store::Error;

impl Entry {
    /// Is there anything in it by which a person could be named?
    pub(crate) fn names_somebody(&self) -> bool {
        let record = &self.record;
        let guardian = record.guardian.as_ref().is_some_and(|g| !g.name.is_empty() || !g.document.is_empty());
        record.contact != Contact::default()
            || guardian
            || record.birth_date.is_some()
            || !record.analytics.is_empty()
            || self.user.is_some()
    }

    /// Takes out who said it. What was said, when, to which text and by which proof stays, under keyed hashes.
    pub(crate) fn forget_who(&mut self) {
        let record = &mut self.record;
        record.contact = Contact::default();
        record.birth_date = None;
        record.analytics = AnalyticsIds::default();
        if let Some(guardian) = &mut record.guardian {
            guardian.name.clear();
            guardian.document.clear();
        }
        self.user = None;
    }
}

impl Inner {
    /// Was what this record tells of taken back before, with nothing said of it since?
    pub(crate) async fn was_taken_back(&self, entry: &Entry, before: Timestamp) -> Result<bool, Error> {
        let said = self.consents(&entry.people).await?;
        let last = said.last(&entry.record.purpose, entry.record.channel.as_deref());
        Ok(last.is_some_and(|said| said.state == ConsentState::Withdrawn && said.at < before))
    }
}
