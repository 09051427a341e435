//! What is shown of the map, in the sight of somebody's brands.

use super::deeds::PeopleError;
use super::table::{Table, persons};
use super::{CONFLICT, Conflict, DOUBT, Doubt, LISTED};
use crate::engine::Inner;
use jiff::Timestamp;
use pasarela_domain::identity::{By, Deed, Field, Reason, Source, Verdict, Why, compare, words_of};
use pasarela_domain::model::HubPerson;
use pasarela_domain::{Brands, DeedId, EmailAddress, PersonId, Phone};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Rows that are looked at for one page of a search, at most.
const LOOKED: usize = 2000;

/// A page of persons.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PeoplePage {
    /// The latest that were heard of first.
    pub people: Vec<HubPerson>,
    /// Cursor of the next page.
    pub next: Option<i64>,
}

/// A person with what is to be known of them.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PersonView {
    /// Who it is.
    #[serde(flatten)]
    pub person: HubPerson,
    /// Who could be the same.
    pub doubts: Vec<DoubtView>,
    /// Edits that do not count, and were accepted or not.
    pub conflicts: Vec<ConflictView>,
}

/// A line of a person's history.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryLine {
    /// Id of the deed, by which it can be undone.
    pub deed: DeedId,
    /// When.
    #[schemars(with = "pasarela_domain::Moment")]
    pub at: Timestamp,
    /// Who; null: the rules.
    pub by: Option<String>,
    /// `told`, `merged`, `split`, `kept_apart`, `undone`.
    pub what: &'static str,
    /// It was taken back.
    pub undone: bool,
    /// Can it be taken back?
    pub undoable: bool,
    /// The record that told something.
    pub record: Option<Source>,
    /// Persons who became one, or were said to be two; of a split, whom the records left.
    pub persons: Vec<PersonId>,
    /// Records that left, by the ids that they were born with.
    pub leaving: Vec<PersonId>,
    /// What spoke for it.
    pub reasons: Vec<Reason>,
    /// The deed that was taken back.
    pub of: Option<DeedId>,
    /// What the record said: the name, else the address.
    pub said: Option<String>,
}

/// Two who could be one.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DoubtView {
    /// Id of the pair.
    pub id: String,
    /// One.
    pub a: HubPerson,
    /// The other.
    pub b: HubPerson,
    /// What speaks for and against.
    pub reasons: Vec<Reason>,
    /// Since when.
    #[schemars(with = "pasarela_domain::Moment")]
    pub since: Timestamp,
}

/// An edit that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConflictView {
    /// Id of the conflict.
    pub id: String,
    /// Whose record.
    pub person: PersonId,
    /// Their name, as it counts.
    pub name: String,
    /// Brand.
    pub brand: String,
    /// The record that was edited.
    pub record: Source,
    /// Field.
    pub field: Field,
    /// What the record says.
    pub says: String,
    /// What counts.
    pub wins: String,
    /// The record that says what counts.
    pub winner: Source,
    /// Why.
    pub why: Why,
    /// When it was edited, by its provider.
    #[schemars(with = "pasarela_domain::Moment")]
    pub at: Timestamp,
    /// When the hub saw it.
    #[schemars(with = "pasarela_domain::Moment")]
    pub since: Timestamp,
    /// Who accepted it as it is.
    pub accepted_by: Option<String>,
}

/// As records of doubts are kept.
#[derive(Deserialize)]
struct KeptDoubt {
    id: String,
    #[serde(flatten)]
    doubt: Doubt,
}

/// The same of conflicts.
#[derive(Deserialize)]
struct KeptConflict {
    id: String,
    brand: String,
    conflict: Conflict,
}

/// The same of persons.
#[derive(Deserialize)]
struct Listed {
    brand: String,
}

impl Inner {
    fn keeps_people(&self) -> Result<(), PeopleError> {
        if self.people.rules.is_some() { Ok(()) } else { Err(PeopleError::Off) }
    }

    pub(super) async fn people_list(
        self: &Arc<Self>,
        search: Option<&str>,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<PeoplePage, PeopleError> {
        self.keeps_people()?;
        let (order, words) = self.sought(search);
        let mut page = PeoplePage::default();
        let (mut cursor, mut looked) = (before, 0);
        loop {
            let filter = RecordFilter { kind: LISTED.to_owned(), order, before: cursor, limit: limit.max(1) };
            let found = self.store.records(filter).await?;
            looked += found.rows.len();
            let rows = found.rows.iter().filter(|r| r.open);
            let seen =
                |r: &&RecordRow| serde_json::from_slice::<Listed>(&r.data).is_ok_and(|l| brands.covers(&l.brand));
            let ids: Vec<(i64, PersonId)> =
                rows.filter(seen).filter_map(|r| Some((r.number, r.id.parse().ok()?))).collect();
            let mut table = Table::new(self)?;
            table.read(ids.iter().map(|(_, id)| *id), Vec::new()).await?;
            for (number, id) in ids {
                let told = table.root(id).and_then(|root| table.group(root)).and_then(|g| g.told.get(&id));
                let Some(told) = told.filter(|t| t.person.id == id) else { continue };
                let named = words_of(&told.person.name);
                if !words.iter().all(|w| named.contains(w)) {
                    continue;
                }
                if page.people.len() == limit as usize {
                    // The last that was given: the next page begins behind it.
                    return Ok(page);
                }
                page.people.push(told.person.clone());
                page.next = Some(number);
            }
            match found.next {
                Some(next) if looked < LOOKED => cursor = Some(next),
                next => {
                    page.next = next;
                    return Ok(page);
                }
            }
        }
    }

    /// How a search is done: the list to look at, and words that a name must hold besides.
    fn sought(&self, search: Option<&str>) -> (RecordOrder, Vec<String>) {
        let Some(text) = search.map(str::trim).filter(|t| !t.is_empty()) else {
            return (RecordOrder::Open, Vec::new());
        };
        if let Ok(email) = text.parse::<EmailAddress>() {
            return (RecordOrder::About(self.subject_hash(&format!("email:{email}"))), Vec::new());
        }
        if let Some(phone) = self.law.market.phone(text).ok().and_then(|p| p.parse::<Phone>().ok()) {
            return (RecordOrder::About(self.subject_hash(&format!("phone:{phone}"))), Vec::new());
        }
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        if plain.len() >= 5 && plain.chars().filter(char::is_ascii_digit).count() * 2 > plain.len() {
            return (RecordOrder::About(self.document_hash(&plain.to_ascii_uppercase())), Vec::new());
        }
        let words = words_of(text);
        // The longest is the rarest, more often than not.
        match words.iter().max_by_key(|w| w.len()) {
            Some(word) => (RecordOrder::About(self.word_hash(word)), words),
            None => (RecordOrder::Open, Vec::new()),
        }
    }

    pub(super) async fn person_view(
        self: &Arc<Self>,
        id: PersonId,
        brands: &Brands,
    ) -> Result<PersonView, PeopleError> {
        self.keeps_people()?;
        let mut table = Table::new(self)?;
        let root = table.seen(id, brands).await?;
        let person = table.shown(id).ok_or_else(|| PeopleError::NotFound(id.to_string()))?;
        let group = table.group(root).cloned().unwrap_or_default();
        let mut doubts = Vec::new();
        for (id, doubt) in group.doubts {
            doubts.extend(table.doubt_view(&id, &doubt).await?.filter(|d| [d.a.id, d.b.id].contains(&person.id)));
        }
        let conflicts = group.conflicts.into_iter().filter(|(_, c)| person.records.iter().any(|r| r.born == c.born));
        let conflicts = conflicts.map(|(id, c)| conflict_view(id, &person.name, &person.brand, c)).collect();
        Ok(PersonView { person, doubts, conflicts })
    }

    pub(super) async fn person_history(
        self: &Arc<Self>,
        id: PersonId,
        brands: &Brands,
    ) -> Result<Vec<HistoryLine>, PeopleError> {
        self.keeps_people()?;
        let mut table = Table::new(self)?;
        let root = table.seen(id, brands).await?;
        let group = table.group(root).cloned().unwrap_or_default();
        let mut lines: Vec<HistoryLine> = group
            .history
            .entries()
            .map(|(entry, undone)| {
                let mut line = HistoryLine {
                    deed: entry.stamp.deed,
                    at: entry.stamp.at,
                    by: match &entry.stamp.by {
                        By::Person(name) => Some(name.clone()),
                        By::Rule => None,
                    },
                    what: "told",
                    undone,
                    undoable: !undone && !matches!(entry.what, Deed::Told { .. }),
                    record: None,
                    persons: Vec::new(),
                    leaving: Vec::new(),
                    reasons: Vec::new(),
                    of: None,
                    said: None,
                };
                match &entry.what {
                    Deed::Told { born, mention } => {
                        line.record = Some(mention.source.clone());
                        line.persons = vec![*born];
                        let fields = [Field::Name, Field::Email, Field::Phone, Field::ChannelUser];
                        line.said = fields.iter().find_map(|f| f.shown_in(&mention.claims));
                    }
                    Deed::Merged { a, b, reasons } => {
                        line.what = "merged";
                        line.persons = vec![*a, *b];
                        line.reasons.clone_from(reasons);
                    }
                    Deed::Split { from, leaving } => {
                        line.what = "split";
                        line.persons = vec![*from];
                        line.leaving = leaving.iter().copied().collect();
                    }
                    Deed::KeptApart { a, b } => {
                        line.what = "kept_apart";
                        line.persons = vec![*a, *b];
                    }
                    Deed::Undone { undone } => {
                        line.what = "undone";
                        line.of = Some(*undone);
                    }
                }
                line
            })
            .collect();
        lines.reverse();
        Ok(lines)
    }

    pub(super) async fn people_doubts(
        self: &Arc<Self>,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<(Vec<DoubtView>, Option<i64>), PeopleError> {
        self.keeps_people()?;
        let filter = RecordFilter { kind: DOUBT.to_owned(), order: RecordOrder::Open, before, limit };
        let found = self.store.records(filter).await?;
        let mut table = Table::new(self)?;
        let mut all = Vec::new();
        for row in found.rows {
            let Ok(kept) = serde_json::from_slice::<KeptDoubt>(&row.data) else { continue };
            let view = table.doubt_view(&kept.id, &kept.doubt).await?;
            all.extend(view.filter(|v| brands.covers(&v.a.brand)));
        }
        Ok((all, found.next))
    }

    pub(super) async fn people_conflicts(
        self: &Arc<Self>,
        before: Option<i64>,
        limit: u32,
        brands: &Brands,
    ) -> Result<(Vec<ConflictView>, Option<i64>), PeopleError> {
        self.keeps_people()?;
        let filter = RecordFilter { kind: CONFLICT.to_owned(), order: RecordOrder::Open, before, limit };
        let found = self.store.records(filter).await?;
        let mut table = Table::new(self)?;
        let mut all = Vec::new();
        for row in found.rows {
            let Ok(kept) = serde_json::from_slice::<KeptConflict>(&row.data) else { continue };
            if !brands.covers(&kept.brand) {
                continue;
            }
            table.read([kept.conflict.person], Vec::new()).await?;
            let name = table.shown(kept.conflict.person).map(|p| p.name).unwrap_or_default();
            all.push(conflict_view(kept.id, &name, &kept.brand, kept.conflict));
        }
        Ok((all, found.next))
    }
}

impl Table<'_> {
    /// Who somebody is, as it was told; `None`: nobody was told of them.
    fn shown(&mut self, id: PersonId) -> Option<HubPerson> {
        let root = self.root(id)?;
        let now = self.people(root).resolve(id)?;
        self.group(root)?.told.get(&now).map(|t| t.person.clone())
    }

    /// A doubt that is one still.
    async fn doubt_view(&mut self, id: &str, doubt: &Doubt) -> Result<Option<DoubtView>, Error> {
        self.read([doubt.a, doubt.b], Vec::new()).await?;
        let Some((a, b)) = self.pair(doubt) else { return Ok(None) };
        self.read([a, b], Vec::new()).await?;
        let roots: Vec<PersonId> = [a, b].into_iter().filter_map(|p| self.root(p)).collect();
        let all = self.come_to(&roots);
        let both = persons(&all);
        let find = |id| both.iter().find(|p| p.id == id);
        let (Some(one), Some(other)) = (find(a), find(b)) else { return Ok(None) };
        if compare(one, other, &Default::default()).verdict == Verdict::Other {
            return Ok(None);
        }
        drop(both);
        let (Some(a), Some(b)) = (self.shown(a), self.shown(b)) else { return Ok(None) };
        Ok(Some(DoubtView { id: id.to_owned(), a, b, reasons: doubt.reasons.clone(), since: doubt.since }))
    }
}

fn conflict_view(id: String, name: &str, brand: &str, conflict: Conflict) -> ConflictView {
    ConflictView {
        id,
        person: conflict.person,
        name: name.to_owned(),
        brand: brand.to_owned(),
        record: conflict.record,
        field: conflict.field,
        says: conflict.says,
        wins: conflict.wins,
        winner: conflict.winner,
        why: conflict.why,
        at: conflict.at,
        since: conflict.since,
        accepted_by: conflict.accepted,
    }
}
