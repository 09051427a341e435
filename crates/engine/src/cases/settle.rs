//! What follows from a change of a case: the label beside the person's data, and what flows hear.

use super::{CASE, Doc, TRIES, read};
use crate::engine::Inner;
use pasarela_domain::case::{Case, CaseKind};
use pasarela_domain::standing::{CaseMark, Standing};
use pasarela_domain::{EmailAddress, Phone};
use pasarela_store::{Error, Recorded};
use std::sync::Arc;

impl Inner {
    /// The same, now; what does not succeed is done again by the next round.
    pub(super) async fn settle_soon(self: &Arc<Self>, number: &str) {
        if let Err(e) = self.settle_case(number).await {
            tracing::warn!(case = number, error = %e, "what follows from a case is not done yet; the next round does it");
        }
    }

    /// Labels or unlabels the person, tells what is untold, and notes that it is done.
    pub(super) async fn settle_case(self: &Arc<Self>, number: &str) -> Result<(), Error> {
        for _ in 0..TRIES {
            let Some(row) = self.store.record(CASE, number).await? else { return Ok(()) };
            let Some(mut doc) = read(&row) else { return Ok(()) };
            if doc.untold.is_empty() {
                return Ok(());
            }
            // First what protects the person, then what is told of it.
            self.mark(&doc).await?;
            for untold in &doc.untold {
                self.tell(&self.news_of(&doc.case, untold)).await?;
            }
            doc.untold.clear();
            if self.keep_case(&doc, row.version, self.clock.now()).await? != Recorded::Stale {
                return Ok(());
            }
        }
        Err(Error::Busy)
    }

    /// Puts the label beside all addresses of the person, or takes it away.
    async fn mark(&self, doc: &Doc) -> Result<(), Error> {
        let case = &doc.case;
        if case.kind != CaseKind::Reclamo || (case.label.is_none() && !case.labelled()) {
            return Ok(());
        }
        let claimant = &case.claimant;
        let people = self.people_of(claimant.email.as_deref(), claimant.phone.as_deref());
        for address in self.linked(&people).await? {
            self.change_standing(&address, |standing| set_mark(standing, case)).await?;
        }
        Ok(())
    }

    /// Name among the read models of an e-mail address or a phone in international form.
    pub(crate) fn address_of(&self, text: &str) -> Option<String> {
        let people = match (text.trim().parse::<EmailAddress>(), text.trim().parse::<Phone>()) {
            (Ok(email), _) => self.people_of(Some(email.as_str()), None),
            (_, Ok(phone)) => self.people_of(None, Some(phone.as_e164())),
            _ => return None,
        };
        people.into_iter().next()
    }
}

/// Whether that changes anything.
fn set_mark(standing: &mut Standing, case: &Case) -> bool {
    let there = standing.claims.iter().any(|c| c.case == case.number);
    match case.label.as_ref().filter(|_| case.labelled()) {
        Some(label) if !there => {
            let mark = CaseMark { case: case.number.clone(), reason: label.reason.clone(), since: label.at };
            standing.claims.push(mark);
            true
        }
        None if there => {
            standing.claims.retain(|c| c.case != case.number);
            true
        }
        _ => false,
    }
}
