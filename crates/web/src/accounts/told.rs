//! What is written down about accounts: who came in, who waits for trying too often, what was changed.

use super::Account;
use crate::App;
use crate::audit::{self, Noted};
use crate::who::Who;
use pasarela_store::Error;
use serde_json::{Value, json};
use std::net::IpAddr;

/// What the audit keeps of an account: nothing that opens anything.
fn state(account: &Account) -> Value {
    json!({
        "email": account.email, "name": account.name, "grants": account.grants,
        "password": account.has_password(), "second_factor": account.has_second(),
        "disabled": account.disabled_at.is_some(),
    })
}

impl App {
    /// Writes down that somebody changed an account, and how. The gate writes no entry of its own for it.
    pub(crate) async fn note_account(
        &self,
        who: &Who,
        action: &str,
        account: &Account,
        before: Option<&Account>,
    ) -> Result<(), Error> {
        audit::nothing();
        let noted = Noted { before: before.map(state), after: Some(state(account)), ..self.noted_of(account) };
        self.write_down(who, action.to_owned(), "", noted).await
    }

    /// Writes down that somebody came in, and by which way.
    pub(crate) async fn note_sign_in(&self, account: &Account, way: &str, from: Option<IpAddr>) {
        let mut who = Who::person(&account.id, &account.name, account.grants.clone());
        who.from = from;
        let noted = Noted { after: Some(json!({ "way": way })), ..self.noted_of(account) };
        self.note_anyhow(&who, "sign_in.done", noted).await;
    }

    /// Writes down that the hub kept somebody out: who tries too often (`sign_in.held`), whose cookie was copied.
    pub(crate) async fn note_kept_out(&self, action: &str, subject: &str, from: Option<IpAddr>) {
        let mut who = Who::system();
        who.from = from;
        let noted = Noted { subject: Some(subject.to_owned()), ..Noted::default() };
        self.note_anyhow(&who, action, noted).await;
    }

    /// About whom it is: values go with a person who is erased.
    fn noted_of(&self, account: &Account) -> Noted {
        let about = vec![self.engine.subject_hash("email", &account.email)];
        Noted { subject: Some(account.id.clone()), about, ..Noted::default() }
    }

    /// Where nobody is to be stopped by it.
    async fn note_anyhow(&self, who: &Who, action: &str, noted: Noted) {
        if let Err(e) = self.write_down(who, action.to_owned(), "", noted).await {
            tracing::error!(error = %e, "something about a sign-in could not be written into the audit");
        }
    }
}
