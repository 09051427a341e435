//! Accounts of the people who work in the hub: who they are, what they may do, and what proves that it is they.
//!
//! An account is a record (ADR 0085, 0090): one sealed document with a version. Its id is made of the keyed hash
//! of its e-mail address, so that an address has one account on any number of nodes, and a look-up needs no
//! index. It is never removed, only disabled: what was done in its name keeps its name.
//!
//! Promise: a change is made of the version that was read, or made again. A code is used by such a change, so
//! that of many who bring it at once one is let in. What counts for sessions (password, grants, disabling) ends
//! them, on every node, within seconds.

pub(crate) mod lockout;
pub(crate) mod oidc;
pub(crate) mod password;
pub(crate) mod second;
mod told;

use crate::App;
use jiff::Timestamp;
use pasarela_domain::{Brands, EmailAddress, Grant, Role};
use pasarela_store::{Error, PassRow, RecordFilter, RecordGuard, RecordOrder, RecordRow, RecordWrite, Recorded, Store};
use password::{Crowded, Hashed, Weak};
use rand::RngExt as _;
use second::{Second, Used};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Kind of the records.
const KIND: &str = "user";
/// The record that whoever makes the first owner makes first.
const FIRST: &str = "first_owner";
/// Changes that lose against others before it is given up.
const RACES: usize = 16;
/// Accounts that are listed.
const MOST: u32 = 200;
/// Longest name.
const NAME: usize = 60;
/// Grants of one account.
const GRANTS: usize = 20;

/// Somebody who works in the hub.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// `usr_` and 16 hexadecimal digits.
    #[serde(skip)]
    pub(crate) id: String,
    /// In lower case.
    pub(crate) email: String,
    /// As it stands beside what they do.
    pub(crate) name: String,
    /// What they are, and for whom.
    pub(crate) grants: Vec<Grant>,
    #[serde(default)]
    password: Option<Hashed>,
    #[serde(default)]
    second: Option<Second>,
    /// Secret of an authenticator that was shown and not yet proved.
    #[serde(default)]
    enrolling: Option<String>,
    /// Who they are at the OpenID provider, once they came from there: issuer and subject.
    #[serde(default)]
    provider: Option<(String, String)>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// Since when nobody is let in by it.
    #[serde(default)]
    pub(crate) disabled_at: Option<Timestamp>,
    /// When somebody last signed in by it.
    #[serde(default)]
    pub(crate) last_sign_in: Option<Timestamp>,
}

impl Account {
    /// Has it a password?
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Has it a second factor?
    pub(crate) fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// Recovery codes that are left.
    pub(crate) fn recovery_left(&self) -> usize {
        self.second.as_ref().map_or(0, Second::left)
    }

    /// The secret that is shown until a code of it proves that it was taken over.
    pub(crate) fn enrolling(&self) -> Option<&str> {
        self.enrolling.as_deref()
    }

    /// May it do everything?
    pub(crate) fn is_owner(&self) -> bool {
        is_owner(&self.grants)
    }

    /// Does its password alone let nobody in?
    pub(crate) fn needs_second(&self) -> bool {
        self.grants.iter().any(|g| matches!(g.role, Role::Owner | Role::Operator | Role::Finance | Role::Privacy))
    }
}

/// Whom a proof let in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) account: Account,
    /// A recovery code was used up for it.
    pub(crate) recovered: bool,
}

/// Is an owner of every brand among these?
pub(crate) fn is_owner(grants: &[Grant]) -> bool {
    grants.iter().any(|g| g.role == Role::Owner && g.brands.is_all())
}

/// Why an account is not as somebody wanted it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// What was given cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// There is no such account.
    #[error("there is no account of '{0}'; `pasarela users list` shows them")]
    NotFound(String),
    /// The address has one.
    #[error("{0} has an account already")]
    Exists(String),
    /// Nobody would be left who may do everything.
    #[error("this is the last owner: make another one first, by `pasarela users grant EMAIL --role owner`")]
    LastOwner,
    /// The password is not good enough.
    #[error(transparent)]
    Weak(#[from] Weak),
    /// Too many passwords at once.
    #[error("too many sign in at once; try again shortly")]
    Crowded,
    /// The store.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<Crowded> for AccountError {
    fn from(_: Crowded) -> Self {
        Self::Crowded
    }
}

/// Accounts of a hub, at a moment of the real world.
pub(crate) struct Accounts<'a> {
    store: &'a dyn Store,
    desk: &'a password::Desk,
    now: Timestamp,
}

impl App {
    /// The accounts, now.
    pub(crate) fn accounts(&self) -> Accounts<'_> {
        Accounts { store: &**self.engine.store(), desk: &self.passwords, now: self.console.wall() }
    }
}

impl Accounts<'_> {
    /// Id of the account of an address, whether there is one or not.
    pub(crate) fn id_of(&self, email: &str) -> String {
        format!("usr_{:016x}", self.store.sealer().hash(&["user", email]).cast_unsigned())
    }

    /// The account of an id; disabled ones too.
    pub(crate) async fn by_id(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(self.store.record(KIND, id).await?.and_then(|row| read(&row)))
    }

    /// The account of an address or an id.
    pub(crate) async fn find(&self, named: &str) -> Result<Account, AccountError> {
        let id = match named.parse::<EmailAddress>() {
            Ok(email) => self.id_of(email.as_str()),
            Err(_) => named.to_owned(),
        };
        self.by_id(&id).await?.ok_or_else(|| AccountError::NotFound(named.chars().take(80).collect()))
    }

    /// All accounts, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<Account>, Error> {
        let mut filter = RecordFilter::first(KIND, RecordOrder::Newest, MOST);
        let mut all = Vec::new();
        loop {
            let page = self.store.records(filter.clone()).await?;
            all.extend(page.rows.iter().filter_map(read));
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// Is there somebody who may do everything?
    pub(crate) async fn has_owner(&self) -> Result<bool, Error> {
        Ok(self.list().await?.iter().any(|a| a.is_owner() && a.disabled_at.is_none()))
    }

    /// Makes an account. It has no password: its holder comes in by a link or from the provider.
    pub(crate) async fn add(&self, email: &str, name: &str, grants: Vec<Grant>) -> Result<Account, AccountError> {
        let email: EmailAddress =
            email.parse().map_err(|e: pasarela_domain::InvalidEmail| AccountError::Invalid(e.to_string()))?;
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
            return Err(AccountError::Invalid(format!("give the name of a person, of 1 to {NAME} characters")));
        }
        check(&grants)?;
        let account = Account {
            id: self.id_of(email.as_str()),
            email: email.as_str().to_owned(),
            name: name.to_owned(),
            grants,
            password: None,
            second: None,
            enrolling: None,
            provider: None,
            created_at: self.now,
            disabled_at: None,
            last_sign_in: None,
        };
        match self.keep(&account, 0).await? {
            Recorded::Done(_) => Ok(account),
            Recorded::Stale => Err(AccountError::Exists(account.email)),
        }
    }

    /// Makes the first owner. Of many who try, on whichever node, one does.
    pub(crate) async fn add_first(&self, email: &str, name: &str) -> Result<Option<Account>, AccountError> {
        if self.has_owner().await? {
            return Ok(None);
        }
        let grants = vec![Grant { role: Role::Owner, brands: Brands::All, only: BTreeSet::new() }];
        let mark = self.store.record(KIND_FIRST, FIRST).await?;
        let claimed = self.store.keep_record(RecordWrite {
            kind: KIND_FIRST.into(),
            id: FIRST.into(),
            expected: mark.map_or(0, |m| m.version),
            due: None,
            open: true,
            subjects: Vec::new(),
            at: self.now,
            data: self.store.sealer().seal_json(&self.now),
        });
        if claimed.await? == Recorded::Stale || self.has_owner().await? {
            return Ok(None);
        }
        self.add(email, name, grants).await.map(Some)
    }

    async fn keep(&self, account: &Account, expected: i64) -> Result<Recorded, Error> {
        self.store.keep_record(self.write(account, expected)).await
    }

    fn write(&self, account: &Account, expected: i64) -> RecordWrite {
        let subject = |(issuer, subject): &(String, String)| self.provider_hash(issuer, subject);
        RecordWrite {
            kind: KIND.into(),
            id: account.id.clone(),
            expected,
            due: None,
            open: true,
            subjects: account.provider.as_ref().map(subject).into_iter().collect(),
            at: self.now,
            data: self.store.sealer().seal_json(account),
        }
    }

    fn provider_hash(&self, issuer: &str, subject: &str) -> i64 {
        self.store.sealer().hash(&["user at a provider", issuer, subject])
    }

    /// Changes an account, by what it is when it is written. `f` says what comes of it, or why not.
    pub(crate) async fn change<T>(
        &self,
        id: &str,
        f: impl Fn(&mut Account) -> Result<T, AccountError>,
    ) -> Result<(Account, T), AccountError> {
        for _ in 0..RACES {
            let row = self.store.record(KIND, id).await?;
            let found = row.as_ref().and_then(|row| Some((row.version, read(row)?)));
            let (version, mut account) = found.ok_or_else(|| AccountError::NotFound(id.to_owned()))?;
            let out = f(&mut account)?;
            if let Recorded::Done(_) = self.keep(&account, version).await? {
                return Ok((account, out));
            }
        }
        Err(Error::Busy.into())
    }

    /// Ends sessions and links of an account, but one.
    pub(crate) async fn end_sessions(&self, id: &str, but: Option<[u8; 32]>) -> Result<(), Error> {
        self.store.end_passes_of(id, but).await
    }

    /// Sessions and links of an account.
    pub(crate) async fn passes(&self, id: &str) -> Result<Vec<PassRow>, Error> {
        Ok(self.store.passes_of(id).await?.into_iter().filter(|p| p.expires_at > self.now).collect())
    }

    /// Gives a role, or takes one away. Sessions end: what somebody may do is never older than their sign-in.
    pub(crate) async fn set_grants(
        &self,
        id: &str,
        f: impl Fn(Vec<Grant>) -> Vec<Grant>,
    ) -> Result<Account, AccountError> {
        let changed = self.change_standing(id, |account| {
            let grants = f(account.grants.clone());
            check(&grants)?;
            account.grants = grants;
            Ok(())
        });
        let (account, ()) = changed.await?;
        self.end_sessions(id, None).await?;
        Ok(account)
    }

    /// Lets nobody in by it any more, or again.
    pub(crate) async fn set_disabled(&self, id: &str, disabled: bool) -> Result<Account, AccountError> {
        let now = self.now;
        let (account, ()) = self
            .change_standing(id, |account| {
                account.disabled_at = disabled.then(|| account.disabled_at.unwrap_or(now));
                Ok(())
            })
            .await?;
        if disabled {
            self.end_sessions(id, None).await?;
        }
        Ok(account)
    }

    /// Takes away password, second factor and what binds it to a provider: its holder begins anew, by a link.
    pub(crate) async fn reset(&self, id: &str) -> Result<Account, AccountError> {
        let (account, ()) = self
            .change(id, |account| {
                (account.password, account.second, account.enrolling, account.provider) = (None, None, None, None);
                Ok(())
            })
            .await?;
        self.end_sessions(id, None).await?;
        lockout::forget(self.store, lockout::ACCOUNT, &account.email).await?;
        Ok(account)
    }

    /// The same, where it may be that somebody is an owner no more: somebody always is left. Whoever takes an owner away
    /// raises one mark with it, on whichever node, so that of two who see two owners and take one each, one looks again.
    async fn change_standing<T>(
        &self,
        id: &str,
        f: impl Fn(&mut Account) -> Result<T, AccountError>,
    ) -> Result<(Account, T), AccountError> {
        let alive = |a: &Account| a.is_owner() && a.disabled_at.is_none();
        for _ in 0..RACES {
            // Before everything that is decided by.
            let mark = self.owners_mark().await?;
            let row = self.store.record(KIND, id).await?;
            let found = row.as_ref().and_then(|row| Some((row.version, read(row)?)));
            let (version, mut account) = found.ok_or_else(|| AccountError::NotFound(id.to_owned()))?;
            let was = alive(&account);
            let out = f(&mut account)?;
            let written = if was && !alive(&account) {
                if !self.list().await?.iter().any(|other| other.id != id && alive(other)) {
                    return Err(AccountError::LastOwner);
                }
                self.store.keep_record_under(self.write(&account, version), mark).await?
            } else {
                self.keep(&account, version).await?
            };
            if let Recorded::Done(_) = written {
                return Ok((account, out));
            }
        }
        Err(Error::Busy.into())
    }

    /// The mark that is raised when an owner is taken away, as it is now; made when it is not there.
    async fn owners_mark(&self) -> Result<RecordGuard, Error> {
        let guard = |version| RecordGuard { kind: KIND_OWNERS.into(), id: OWNERS.into(), version };
        if let Some(mark) = self.store.record(KIND_OWNERS, OWNERS).await? {
            return Ok(guard(mark.version));
        }
        let made = self.store.keep_record(RecordWrite {
            kind: KIND_OWNERS.into(),
            id: OWNERS.into(),
            expected: 0,
            due: None,
            open: true,
            subjects: Vec::new(),
            at: self.now,
            data: self.store.sealer().seal_json(&self.now),
        });
        made.await?;
        // Whoever else made it meanwhile made the first version too, unless they raised it since: then it is looked
        // at again.
        Ok(guard(1))
    }

    /// Sets a password. The caller ends the other sessions.
    pub(crate) async fn set_password(&self, account: &Account, password: &str) -> Result<Account, AccountError> {
        password::judge(password, &[&account.name, &account.email])?;
        let hashed = self.desk.hash(password).await?;
        let set = self.change(&account.id, |account| {
            account.password = Some(hashed.clone());
            Ok(())
        });
        Ok(set.await?.0)
    }

    /// The account that address, password and code open. `None` says nothing about which was wrong.
    pub(crate) async fn by_password(
        &self,
        email: &str,
        password: &str,
        code: &str,
    ) -> Result<Option<Entered>, AccountError> {
        let found = match email.parse::<EmailAddress>() {
            Ok(email) => self.by_id(&self.id_of(email.as_str())).await?,
            Err(_) => None,
        };
        // Also where there is nobody: the answer takes as long.
        let fits = self.desk.is(password, found.as_ref().and_then(|a| a.password.as_ref())).await?;
        let Some(account) = found.filter(|a| fits && a.disabled_at.is_none()) else { return Ok(None) };
        if account.second.is_none() {
            let enters = !account.needs_second();
            return Ok(enters.then_some(Entered { account, recovered: false }));
        }
        self.take_code(&account.id, code).await
    }

    /// Uses a code of the second factor up. `None`: it is not good.
    pub(crate) async fn take_code(&self, id: &str, code: &str) -> Result<Option<Entered>, AccountError> {
        let now = self.now.as_second();
        let taken = self.change(id, |account| {
            let second = account.second.as_mut().filter(|_| account.disabled_at.is_none());
            let used = second.and_then(|s| s.take(code, now));
            used.ok_or_else(|| AccountError::Invalid("this code is not good".into()))
        });
        match taken.await {
            Ok((account, used)) => Ok(Some(Entered { account, recovered: used == Used::Recovery })),
            Err(AccountError::Invalid(_) | AccountError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Is this the account's password?
    pub(crate) async fn knows(&self, account: &Account, password: &str) -> Result<bool, AccountError> {
        Ok(self.desk.is(password, account.password.as_ref()).await?)
    }

    /// Begins to enrol an authenticator: the secret is in the account until a code proves it.
    pub(crate) async fn begin_second(&self, id: &str) -> Result<Account, AccountError> {
        let random: [u8; second::SECRET] = rand::rng().random();
        let secret = second::secret(&random);
        let begun = self.change(id, |account| {
            account.enrolling = Some(secret.clone());
            Ok(())
        });
        Ok(begun.await?.0)
    }

    /// Ends it with the first code. Recovery codes, shown this once; `None`: the code is not good.
    pub(crate) async fn prove_second(&self, id: &str, code: &str) -> Result<Option<Vec<String>>, AccountError> {
        let fresh = || second::recovery_code(&rand::rng().random::<[u8; second::RECOVERY_BYTES]>());
        let codes: Vec<String> = (0..second::RECOVERY).map(|_| fresh()).collect();
        let now = self.now.as_second();
        let proved = self.change(id, |account| {
            let enrolled = account.enrolling.as_deref().and_then(|secret| Second::enrol(secret, code, now, &codes));
            account.second = Some(enrolled.ok_or_else(|| AccountError::Invalid("this code is not good".into()))?);
            account.enrolling = None;
            Ok(())
        });
        match proved.await {
            Ok(_) => Ok(Some(codes)),
            Err(AccountError::Invalid(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Takes the second factor away.
    pub(crate) async fn end_second(&self, id: &str) -> Result<(), AccountError> {
        let ended = self.change(id, |account| {
            (account.second, account.enrolling) = (None, None);
            Ok(())
        });
        ended.await.map(|_| ())
    }

    /// The account of somebody whom the provider vouches for: known by its subject, or invited by an address that
    /// the provider verified and not yet bound to another subject.
    pub(crate) async fn by_provider(&self, person: &oidc::Person) -> Result<Option<Account>, AccountError> {
        let (issuer, subject) = (&person.issuer, &person.subject);
        let about = RecordOrder::About(self.provider_hash(issuer, subject));
        let known = self.store.records(RecordFilter::first(KIND, about, 5)).await?;
        let own = |a: &Account| a.provider.as_ref().is_some_and(|(i, s)| i == issuer && s == subject);
        let found = known.rows.iter().filter_map(read).find(own);
        if let Some(account) = found {
            return Ok(Some(account).filter(|a| a.disabled_at.is_none()));
        }
        let Some(email) = person.email.as_deref().and_then(|e| e.parse::<EmailAddress>().ok()) else {
            return Ok(None);
        };
        let id = self.id_of(email.as_str());
        let bound = self.change(&id, |account| {
            if account.provider.is_some() || account.disabled_at.is_some() {
                return Err(AccountError::Invalid("it is somebody else's".into()));
            }
            account.provider = Some((issuer.clone(), subject.clone()));
            Ok(())
        });
        match bound.await {
            Ok((account, ())) => Ok(Some(account)),
            Err(AccountError::NotFound(_) | AccountError::Invalid(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Notes that somebody signed in, and forgets their failures. It must stop nobody.
    pub(crate) async fn signed_in(&self, account: &Account) {
        let now = self.now;
        let noted = self.change(&account.id, |account| {
            account.last_sign_in = Some(now);
            Ok(())
        });
        if let Err(e) = noted.await {
            tracing::warn!(error = %e, "the time of a sign-in could not be noted");
        }
        if let Err(e) = lockout::forget(self.store, lockout::ACCOUNT, &account.email).await {
            tracing::warn!(error = %e, "failures of an account could not be forgotten");
        }
    }
}

/// Kind of the mark that says who makes the first owner.
const KIND_FIRST: &str = "user_first";
/// Kind of the mark that is raised with each owner who is taken away, and its name.
const KIND_OWNERS: &str = "user_owners";
const OWNERS: &str = "owners";

fn read(row: &RecordRow) -> Option<Account> {
    match serde_json::from_slice::<Account>(&row.data) {
        Ok(account) => Some(Account { id: row.id.clone(), ..account }),
        Err(e) => {
            tracing::error!(error = %e, account = row.id, "an account cannot be read");
            None
        }
    }
}

/// Are these grants that somebody can have?
fn check(grants: &[Grant]) -> Result<(), AccountError> {
    let no = |why: &str| Err(AccountError::Invalid(why.to_owned()));
    if grants.is_empty() {
        return no("an account has one role at least; disable it to let nobody in by it");
    }
    if grants.len() > GRANTS {
        return Err(AccountError::Invalid(format!("one account has at most {GRANTS} roles")));
    }
    for grant in grants {
        let narrowed = matches!(grant.role, Role::Producer | Role::Designer);
        if narrowed && grant.only.is_empty() {
            return no(
                "a producer needs the ids of their shows, a designer the name of their portfolio: --only ID[,ID]",
            );
        }
        if !narrowed && !grant.only.is_empty() {
            return no("only producers and designers are narrowed to shows or a portfolio");
        }
        if grant.brands.is_none() {
            return no("a role is for one brand at least");
        }
        if grant.role == Role::Owner && !grant.brands.is_all() {
            return no("an owner is the owner of everything: leave the brands out");
        }
    }
    Ok(())
}

/// A grant with one more role beside those that are there; the same role for the same brands is replaced.
pub(crate) fn with(mut grants: Vec<Grant>, grant: Grant) -> Vec<Grant> {
    grants.retain(|g| g.role != grant.role || g.brands != grant.brands);
    grants.push(grant);
    grants
}

/// A role for a list of brands; none is all of them.
pub(crate) fn grant(role: &str, brands: &[String], only: &[String]) -> Result<Grant, AccountError> {
    let role = role.parse::<Role>().map_err(|e| AccountError::Invalid(e.to_string()))?;
    let names = |list: &[String]| -> BTreeSet<String> {
        list.iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
    };
    let brands = names(brands);
    if let Some(bad) = brands.iter().find(|b| !b.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))) {
        return Err(AccountError::Invalid(format!("'{bad}' is not the name of a brand")));
    }
    let brands = if brands.is_empty() { Brands::All } else { Brands::Of(brands) };
    Ok(Grant { role, brands, only: names(only) })
}
