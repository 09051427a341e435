//! Lists of contacts that come as a file.
//!
//! Promise: each row is taken in or refused by itself, with its reason; a list that is sent again changes nothing; and a
//! row is joined with somebody by the same rules as everything else.

use super::deeds::PeopleError;
use super::table::Table;
use crate::engine::{Engine, Inner};
use crate::ledger::LEDGER;
use crate::whole::whole;
use jiff::Timestamp;
use pasarela_domain::identity::{Claim, Document, Mention, Name, Reason, Source};
use pasarela_domain::{EmailAddress, PersonId, Phone};
use pasarela_store::{Error, hash_name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Rows of one transaction.
const ROWS: usize = 250;
/// Tries to write what others write too.
const TRIES: u32 = 50;

/// A row as it was read, column by column; what is empty is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContactRow {
    /// Line of the file, as the report names it.
    pub line: u64,
    /// The list's own id of the contact, if it has one: a row with it that comes again changes what it said before.
    pub id: String,
    /// Whole name, where it is one column.
    pub name: String,
    /// Given names.
    pub first_name: String,
    /// Surnames.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// Phone, with its country, or a Colombian number of ten digits.
    pub phone: String,
    /// Kind of document: `CC`, `CE`, `PA`, ...
    pub document_kind: String,
    /// Its number.
    pub document_number: String,
    /// `es` or `en`.
    pub language: String,
    /// What they do.
    pub job_title: String,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactState {
    /// A new person.
    Created,
    /// It is somebody who was known.
    Joined,
    /// A new person who could be another one: somebody should look.
    Doubtful,
    /// This row was known.
    Known,
    /// Not taken in.
    Refused,
}

/// A row and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedContact {
    /// Line, as the caller named it.
    pub line: u64,
    /// What became of it.
    pub state: ContactState,
    /// The person of the row.
    pub person: Option<PersonId>,
    /// With whom it was joined, or who it could be.
    pub with: Vec<PersonId>,
    /// What speaks for it.
    pub reasons: Vec<Reason>,
    /// The column that is wrong.
    pub column: Option<String>,
    /// What is wrong, and what to write.
    pub why: Option<String>,
}

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactsReport {
    /// New persons.
    pub created: usize,
    /// Rows of persons who were known.
    pub joined: usize,
    /// New persons whom somebody should look at.
    pub doubtful: usize,
    /// Rows that were known.
    pub known: usize,
    /// Rows that were not taken in.
    pub refused: usize,
    /// Each row, in the order of the list.
    pub rows: Vec<ImportedContact>,
}

impl ContactsReport {
    fn add(&mut self, row: ImportedContact) {
        *match row.state {
            ContactState::Created => &mut self.created,
            ContactState::Joined => &mut self.joined,
            ContactState::Doubtful => &mut self.doubtful,
            ContactState::Known => &mut self.known,
            ContactState::Refused => &mut self.refused,
        } += 1;
        self.rows.push(row);
    }
}

/// What is wrong with a row: in which column, and what to write.
type Wrong = (&'static str, String);

impl Inner {
    /// What a row says.
    fn read_contact(&self, row: &ContactRow) -> Result<Mention, Wrong> {
        let text = |t: &str| t.trim().to_owned();
        let mut claims = Vec::new();
        if !row.email.trim().is_empty() {
            let address: EmailAddress = row.email.parse().map_err(|_| {
                ("email", format!("'{}' is not an e-mail address, such as ana@correo.example", text(&row.email)))
            })?;
            claims.push(Claim::Email { address, verified: false });
        }
        if !row.phone.trim().is_empty() {
            let typed = row.phone.replace('\u{a0}', " ");
            let number = self.law.market.phone(typed.trim());
            let number: Phone = number
                .map_err(|e| ("phone", e.to_string()))
                .and_then(|n| n.parse().map_err(|e: pasarela_domain::InvalidPhone| ("phone", e.to_string())))?;
            claims.push(Claim::Phone { number, verified: false });
        }
        if !row.document_number.trim().is_empty() {
            if row.document_kind.trim().is_empty() {
                return Err(("document_kind", "a document has a kind: CC, CE, PA, TI, PPT, NUIP".into()));
            }
            let document = Document::read(&row.document_kind, &row.document_number);
            let document = document.map_err(|e| ("document_number", e.to_string()))?;
            claims.push(Claim::Document { document });
        }
        if claims.is_empty() && row.id.trim().is_empty() {
            let why =
                "nobody is known by a name alone: give an e-mail address, a phone, a document or an id of the list";
            return Err(("email", why.into()));
        }
        let name = if row.name.trim().is_empty() {
            Name::civil(&row.first_name, &row.last_name)
        } else {
            Name { full: text(&row.name), ..Name::civil(&row.first_name, &row.last_name) }
        };
        if name.full.chars().count() > 200 {
            return Err(("name", "a name has at most 200 characters".into()));
        }
        if !name.full.is_empty() {
            claims.push(Claim::Name { name });
        }
        match row.language.trim().to_lowercase().as_str() {
            "" => {}
            "es" | "en" => claims.push(Claim::Language { language: row.language.trim().to_lowercase() }),
            other => return Err(("language", format!("'{other}' is no language of this hub; write es or en"))),
        }
        if !row.job_title.trim().is_empty() {
            claims.push(Claim::JobTitle { title: text(&row.job_title) });
        }
        let id = match row.id.trim() {
            // The row itself is its id: the same row is the same record.
            "" => {
                let said = serde_json::to_vec(&claims).unwrap_or_default();
                hash_name(self.store.sealer().hash_bytes(&said))
            }
            id => id.chars().take(100).collect(),
        };
        Ok(Mention::new(Source::new(LEDGER, "import", id), None, claims))
    }

    async fn import_people(self: &Arc<Self>, brand: &str, rows: &[ContactRow]) -> Result<ContactsReport, PeopleError> {
        if self.people.rules.is_none() {
            return Err(PeopleError::Off);
        }
        let mut report = ContactsReport { rows: Vec::with_capacity(rows.len()), ..ContactsReport::default() };
        for some in rows.chunks(ROWS) {
            let read: Vec<(u64, Result<Mention, Wrong>)> =
                some.iter().map(|r| (r.line, self.read_contact(r))).collect();
            let now = self.clock.now();
            for row in self.take_contacts(brand, &read, now).await? {
                report.add(row);
            }
        }
        Ok(report)
    }

    async fn take_contacts(
        self: &Arc<Self>,
        brand: &str,
        read: &[(u64, Result<Mention, Wrong>)],
        now: Timestamp,
    ) -> Result<Vec<ImportedContact>, Error> {
        let said = read.iter().filter_map(|(_, r)| r.as_ref().ok());
        let words: Vec<(String, Mention, Timestamp)> = said.map(|m| (brand.to_owned(), m.clone(), now)).collect();
        for _ in 0..TRIES {
            let _turn = self.people.turn.lock().await;
            let mut table = Table::new(self)?;
            table.prefetch(&words).await?;
            let mut done = Vec::with_capacity(read.len());
            for (line, row) in read {
                let mut imported = ImportedContact {
                    line: *line,
                    state: ContactState::Refused,
                    person: None,
                    with: Vec::new(),
                    reasons: Vec::new(),
                    column: None,
                    why: None,
                };
                match row {
                    Err((column, why)) => {
                        imported.column = Some((*column).to_owned());
                        imported.why = Some(why.clone());
                    }
                    Ok(mention) => {
                        let heard = table.hear(brand, mention.clone(), now).await?;
                        imported.person = heard.person;
                        if let Some((with, reasons)) = heard.joined {
                            imported.state = ContactState::Joined;
                            (imported.with, imported.reasons) = (vec![with], reasons);
                        } else if !heard.changed {
                            imported.state = ContactState::Known;
                        } else if let Some((_, reasons)) = heard.doubtful.first() {
                            imported.state = ContactState::Doubtful;
                            imported.reasons.clone_from(reasons);
                            imported.with = heard.doubtful.iter().map(|(id, _)| *id).collect();
                        } else {
                            imported.state = if heard.new { ContactState::Created } else { ContactState::Joined };
                        }
                    }
                }
                done.push(imported);
            }
            table.tell(now).await?;
            if table.commit(None, now).await? {
                return Ok(done);
            }
        }
        Err(Error::Busy)
    }
}

impl Engine {
    /// Takes in a list of contacts of a brand; each row by itself.
    ///
    /// # Errors
    /// When the hub keeps no map, or the store cannot be asked. What was taken in before stays, and sent again the list
    /// changes nothing of it.
    pub async fn import_people(&self, brand: &str, rows: Vec<ContactRow>) -> Result<ContactsReport, PeopleError> {
        let (inner, brand) = (self.inner.clone(), brand.to_owned());
        whole(async move { inner.import_people(&brand, &rows).await }).await
    }
}
