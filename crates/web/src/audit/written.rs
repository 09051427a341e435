//! Refusals and looks on their way into the chain.

use super::gathered::{Look, Note, Refused};
use super::{Line, Noted, look_of};
use crate::App;
use crate::accounts::lockout;
use crate::policy::{Action, Resource};
use crate::who::Who;
use pasarela_store::Outcome;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;

/// How often it is looked whether a minute is over.
const LOOK: Duration = Duration::from_secs(20);

impl App {
    /// Somebody was turned away: `who`, when that is known, wanted something. Beside the answer, which does not wait
    /// for it: whoever is turned away learns nothing by the time it takes.
    pub(crate) fn note_refused(&self, who: Option<&Who>, from: Option<IpAddr>, code: &'static str, wanted: String) {
        let unknown = Who::unknown();
        let mut who = who.unwrap_or(&unknown).clone();
        who.from = who.from.or(from);
        let place = lockout::place(who.from);
        let refused = Refused { who: who.id.clone(), place, code, wanted };
        let notes = self.gathered.refused(&who, refused, self.console.wall());
        if !notes.is_empty() {
            let app = self.clone();
            tokio::spawn(async move { app.write_refusals(notes).await });
        }
    }

    async fn write_refusals(&self, notes: Vec<Note>) {
        for Note { who, refused, count } in notes {
            let line = Line {
                who,
                action: format!("refused.{}", refused.code),
                brand: String::new(),
                subject: refused.wanted,
            };
            let noted = Noted { after: Some(json!({ "count": count })), ..Noted::default() };
            let entry = self.audited(&line, noted).came_to(0, Outcome::Refused);
            if let Err(error) = self.keep(entry).await {
                tracing::error!(%error, count, "refusals could not be written into the audit");
            }
        }
    }

    /// Writes down what was gathered of the minutes that are over.
    pub async fn write_gathered(&self) {
        self.write_refusals(self.gathered.due(self.console.wall())).await;
    }

    /// Writes down what is gathered, minute by minute, until the task is ended.
    pub async fn keep_gathered(self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.write_gathered().await;
        }
    }

    /// Writes down what is gathered yet: the hub stops.
    pub async fn end_gathered(&self) {
        self.write_refusals(self.gathered.rest()).await;
    }

    /// Somebody looked at personal data: on disk before the answer goes out, once an hour. A chain that cannot be
    /// written to keeps nobody from looking: the log says so.
    pub(crate) async fn note_look(&self, who: &Who, resource: Resource, asked: String, noted: Noted) {
        let action = look_of(resource);
        // Who was looked for by an address is named by the keyed hash of it.
        let person = noted.about.first().map(|hash| format!("person {:016x}", hash.cast_unsigned()));
        let subject = noted.subject.or(person).unwrap_or(asked);
        let caller = if who.id.is_empty() { who.kind.word() } else { &who.id };
        let mut after = None;
        match self.gathered.looks(caller, &action, &subject, self.console.wall()) {
            Look::Known => return,
            Look::Write => {}
            Look::Many => after = Some(json!({ "many": true })),
        }
        let subject = if after.is_some() { String::new() } else { subject };
        let brand = match noted.brand {
            Some(brand) => brand,
            None => match self.brand_of(&subject).await {
                Ok(Some(brand)) => brand,
                _ => self.own_brand(who, resource, Action::ReadPersonal),
            },
        };
        let line = Line { who: who.clone(), action, brand, subject };
        let entry = self.audited(&line, Noted { after, ..Noted::default() }).came_to(0, Outcome::Looked);
        if let Err(error) = self.keep(entry).await {
            tracing::error!(%error, "a look at personal data could not be written into the audit");
        }
    }
}
