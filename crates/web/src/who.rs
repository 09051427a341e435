//! Who calls: a person, a key, the command line, the hub itself. Made at the door, by the key of a request or by
//! the console's session, and asked wherever something is decided or written down.

use crate::policy::{self, Action, Resource, Scope};
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use pasarela_domain::{Brands, Grant, Role};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What kind of caller it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who signed in.
    Person,
    /// A program with an API key.
    Key,
    /// Whoever may open the database, or the socket beside it.
    CommandLine,
    /// The hub, by itself.
    System,
}

impl Kind {
    /// Its word, for what is written down.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Key => "key",
            Self::CommandLine => "command_line",
            Self::System => "system",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Who {
    /// What kind of caller it is.
    pub kind: Kind,
    /// Stable id: a key's, a user's; empty where there is none.
    pub id: String,
    /// As people call it.
    pub name: String,
    /// From where, when that is known.
    pub from: Option<IpAddr>,
    /// As they were given.
    rights: Rights,
    /// As they count in this hub.
    in_force: Rights,
}

/// Where what is allowed comes from.
#[derive(Debug, Clone)]
enum Rights {
    Grants(Vec<Grant>),
    Scopes(Vec<Scope>, Brands),
    /// Nothing through any door: the hub's own deeds do not come in by one.
    None,
}

impl Rights {
    fn reach(&self, resource: Resource, action: Action) -> Brands {
        match self {
            Self::Grants(grants) => policy::allowed(grants, resource, action),
            Self::Scopes(scopes, brands) => policy::allowed_by_scopes(scopes, brands, resource, action),
            Self::None => Brands::none(),
        }
    }
}

impl Who {
    /// A person who signed in.
    #[must_use]
    pub fn person(id: impl Into<String>, name: impl Into<String>, grants: Vec<Grant>) -> Self {
        Self::new(Kind::Person, id, name, Rights::Grants(grants))
    }

    /// A person whose access is that of a key or of a link that names scopes.
    pub(crate) fn person_by_scopes(id: &str, name: &str, scopes: Vec<Scope>, brands: Brands) -> Self {
        Self::new(Kind::Person, id, name, Rights::Scopes(scopes, brands))
    }

    /// A program.
    #[must_use]
    pub fn key(id: impl Into<String>, name: impl Into<String>, scopes: Vec<Scope>, brands: Brands) -> Self {
        Self::new(Kind::Key, id, name, Rights::Scopes(scopes, brands))
    }

    /// Whoever may open the database: has everything in their hands already.
    #[must_use]
    pub fn command_line() -> Self {
        let owner = Grant { role: Role::Owner, brands: Brands::All, only: BTreeSet::new() };
        Self::new(Kind::CommandLine, "", "command line", Rights::Grants(vec![owner]))
    }

    /// The hub, for what it writes down of its own deeds.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Kind::System, "", "pasarela", Rights::None)
    }

    /// Somebody at the door of whom nothing is known but where they are.
    #[must_use]
    pub(crate) fn unknown() -> Self {
        Self::new(Kind::System, "", "", Rights::None)
    }

    fn new(kind: Kind, id: impl Into<String>, name: impl Into<String>, rights: Rights) -> Self {
        Self { kind, id: id.into(), name: name.into(), from: None, in_force: rights.clone(), rights }
    }

    /// The same in a hub that has these brands: whoever has all of them has every brand, as long as there is no
    /// other.
    #[must_use]
    pub(crate) fn in_hub(mut self, there: &BTreeSet<String>) -> Self {
        let whole = |brands: &mut Brands| {
            if there.iter().all(|b| brands.covers(b)) {
                *brands = Brands::All;
            }
        };
        match &mut self.in_force {
            Rights::Grants(grants) => grants.iter_mut().for_each(|g| whole(&mut g.brands)),
            Rights::Scopes(_, brands) => whole(brands),
            Rights::None => {}
        }
        self
    }

    /// For which brands they may do it. None: refused.
    #[must_use]
    pub fn allowed(&self, resource: Resource, action: Action) -> Brands {
        self.in_force.reach(resource, action)
    }

    /// May they do it with this part (a show's id) of a brand? Grants of producers name their shows.
    #[must_use]
    pub fn may_see_part(&self, resource: Resource, action: Action, brand: Option<&str>, part: &str) -> bool {
        match &self.in_force {
            Rights::Grants(grants) => policy::allowed_part(grants, resource, action, brand, part),
            // A key's role has no shows of its own, so that a producer's is nothing.
            Rights::Scopes(..) => {
                let brands = self.allowed(resource, action);
                brand.map_or(brands.is_all(), |b| brands.covers(b))
            }
            Rights::None => false,
        }
    }

    /// May they do it for any brand at all?
    #[must_use]
    pub fn may(&self, action: Action, resource: Resource) -> bool {
        !self.allowed(resource, action).is_none()
    }

    /// May they give a key these scopes for these brands? Nobody gives what they do not have.
    #[must_use]
    pub fn may_give(&self, scopes: &[Scope], brands: &Brands) -> bool {
        scopes.iter().flat_map(|s| s.rows()).all(|(resource, action)| {
            let asked = policy::allowed_by_scopes(scopes, brands, resource, action);
            // Every brand of today is not every brand there will be.
            let within = asked.clone().within(&self.rights.reach(resource, action));
            asked == within
        })
    }

    /// What they have, for a refusal that says it.
    pub(crate) fn holds(&self) -> String {
        let words: Vec<String> = match &self.rights {
            Rights::Grants(grants) => grants.iter().map(|g| g.role.to_string()).collect(),
            Rights::Scopes(scopes, _) => scopes.iter().map(Scope::to_string).collect(),
            Rights::None => Vec::new(),
        };
        if words.is_empty() { "nothing".into() } else { words.join(", ") }
    }
}

/// Why somebody is turned away who is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The table does not allow it.
    Table,
    /// It does, but for no brand that this hub has.
    Brand,
}

impl Refusal {
    /// As problems and the audit name it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Table => "missing_scope",
            Self::Brand => "other_brand",
        }
    }
}

/// Looks into the table, for the brands that there are.
pub(crate) fn check(
    who: &Who,
    action: Action,
    resource: Resource,
    there: &BTreeSet<String>,
) -> Result<Brands, Refusal> {
    let brands = who.allowed(resource, action);
    if brands.is_none() {
        return Err(Refusal::Table);
    }
    match brands.within(&Brands::Of(there.clone())) {
        found if found.is_none() => Err(Refusal::Brand),
        _ => Ok(who.allowed(resource, action)),
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        // Only a route that stands behind no gate has none, and then nobody may do anything.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::new(
                StatusCode::FORBIDDEN,
                "missing_scope",
                "The API key does not allow this",
                "this route asks who calls, and nobody was let in at its gate",
            )
            .into_response()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(words: &[&str]) -> Vec<Scope> {
        words.iter().map(|w| w.parse().expect("a scope")).collect()
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let one = Brands::Of(["a".to_owned()].into());
        let keeper = Who::key("key_1", "k", scopes(&["keys:write", "events:read"]), Brands::All);
        assert!(keeper.may_give(&scopes(&["events:read"]), &one));
        assert!(keeper.may_give(&scopes(&["events:read", "keys:write"]), &Brands::All));
        assert!(!keeper.may_give(&scopes(&["read"]), &one) && !keeper.may_give(&scopes(&["role:viewer"]), &one));
        let local = Who::key("key_2", "k", scopes(&["read"]), one.clone());
        assert!(local.may_give(&scopes(&["events:read"]), &one));
        assert!(!local.may_give(&scopes(&["events:read"]), &Brands::All), "no brand beyond one's own");
        assert!(Who::command_line().may_give(&scopes(&["role:owner", "read", "write"]), &Brands::All));
        assert!(!Who::system().may_give(&scopes(&["events:read"]), &one));
    }

    #[test]
    fn who_has_every_brand_that_there_is_has_the_hubs_own_and_gives_no_more_than_they_have() {
        let (one, two) = (BTreeSet::from(["a".to_owned()]), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let grant = Grant { role: Role::Owner, brands: Brands::Of(one.clone()), only: BTreeSet::new() };
        let owner = Who::person("usr_1", "Ana", vec![grant]);
        assert!(owner.clone().in_hub(&one).may(Action::Write, Resource::Keys));
        assert!(!owner.clone().in_hub(&two).may(Action::Write, Resource::Keys), "another brand came");
        let owner = owner.in_hub(&one);
        assert!(owner.may_give(&scopes(&["events:read"]), &Brands::Of(one)));
        assert!(!owner.may_give(&scopes(&["events:read"]), &Brands::All), "nor what there will be");
    }
}
