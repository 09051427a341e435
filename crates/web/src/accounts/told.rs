//! What is written down about accounts: who came in, who waits for trying too often, what was changed.

use super::Account;
use crate::App;
use crate::who::{Kind, Who};
use pasarela_store::{AuditEntry, Audited, Error, WhoKind};
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
    /// Writes down that somebody changed an account, and how.
    pub(crate) async fn note_account(
        &self,
        who: &Who,
        action: &str,
        account: &Account,
        before: Option<&Account>,
    ) -> Result<(), Error> {
        let who_kind = match who.kind {
            Kind::Person => WhoKind::Person,
            Kind::Key => WhoKind::Key,
            Kind::CommandLine => WhoKind::CommandLine,
            Kind::System => WhoKind::System,
        };
        let entry = Audited {
            who_kind,
            who: who.id.clone(),
            name: who.name.clone(),
            from: who.from.map(|ip| ip.to_string()),
            before: before.map(state),
            after: Some(state(account)),
            ..Audited::by_system(self.console.wall(), action, &account.id)
        };
        self.note(entry).await
    }

    /// Writes down that somebody came in, and by which way.
    pub(crate) async fn note_sign_in(&self, account: &Account, way: &str, from: Option<IpAddr>) {
        let entry = Audited {
            who_kind: WhoKind::Person,
            who: account.id.clone(),
            name: account.name.clone(),
            from: from.map(|ip| ip.to_string()),
            after: Some(json!({ "way": way })),
            ..Audited::by_system(self.console.wall(), "sign_in.done", &account.id)
        };
        self.note_anyhow(entry).await;
    }

    /// Writes down that the hub kept somebody out: who tries too often (`sign_in.held`), whose cookie was copied.
    pub(crate) async fn note_kept_out(&self, action: &str, subject: &str, from: Option<IpAddr>) {
        let from = from.map(|ip| ip.to_string());
        let entry = Audited { from, ..Audited::by_system(self.console.wall(), action, subject) };
        self.note_anyhow(entry).await;
    }

    async fn note(&self, entry: Audited) -> Result<(), Error> {
        let sealed: AuditEntry = entry.sealed(self.engine.store().sealer())?;
        self.engine.store().audit(sealed).await
    }

    /// Where nobody is to be stopped by it.
    async fn note_anyhow(&self, entry: Audited) {
        if let Err(e) = self.note(entry).await {
            tracing::error!(error = %e, "something about a sign-in could not be written into the audit");
        }
    }
}
