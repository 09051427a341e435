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
    /// Says, before it is done, that somebody changes an account, and what it is now.
    pub(crate) fn intend(&self, action: &str, account: &Account) {
        let noted = self.noted_of(account);
        audit::note(|n| {
            n.action = Some(action.to_owned());
            (n.subject, n.about) = (noted.subject, noted.about);
            n.before = Some(state(account));
        });
    }

    /// Says that somebody changed an account, and how: part of the deed that is being done.
    pub(crate) fn note_account(&self, action: &str, account: &Account, before: Option<&Account>) {
        let noted = self.noted_of(account);
        audit::note(|n| {
            n.action = Some(action.to_owned());
            (n.subject, n.about) = (noted.subject, noted.about);
            (n.before, n.after) = (before.map(state), Some(state(account)));
        });
    }

    /// Lets somebody in as a deed of theirs: `opening` opens the session, and `way` says how they proved who they
    /// are.
    pub(crate) async fn let_in<T>(
        &self,
        account: &Account,
        way: &str,
        from: Option<IpAddr>,
        opening: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut who = Who::person(&account.id, &account.name, account.grants.clone());
        who.from = from;
        let noted = Noted { after: Some(json!({ "way": way })), ..self.noted_of(account) };
        self.as_deed(who, "sign_in.done", noted, opening).await
    }

    /// Writes down that the hub kept somebody out: who tries too often (`sign_in.held`), whose cookie was copied.
    pub(crate) async fn note_kept_out(&self, action: &str, subject: &str, from: Option<IpAddr>) {
        let mut who = Who::system();
        who.from = from;
        let noted = Noted { subject: Some(subject.to_owned()), ..Noted::default() };
        if let Err(e) = self.write_down(&who, action, noted).await {
            tracing::error!(error = %e, "something about a sign-in could not be written into the audit");
        }
    }

    /// About whom it is: values go with a person who is erased.
    pub(crate) fn noted_of(&self, account: &Account) -> Noted {
        let about = vec![self.engine.subject_hash("email", &account.email)];
        Noted { subject: Some(account.id.clone()), about, ..Noted::default() }
    }
}
