//! Who may do what: one table of resource x action x role, for the API and for the console.
//!
//! Promise: nothing is allowed that has no row here. A route names its row when it is registered
//! ([`crate::routes`]), so none can be made without; the owner has every row and nothing beside them. Scopes of
//! API keys name the same rows. Personal data (names, addresses, phones, bodies as received) is an action of
//! its own. `tests/fixtures/policy.txt` holds the table for reading, and a test walks every route with it.

use pasarela_domain::{Brands, Grant, Role};
use std::fmt;
use std::str::FromStr;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Looks at what names no person.
    Read,
    /// Looks at what carries names, addresses, phones or bodies as received.
    ReadPersonal,
    /// Adds or changes a thing.
    Write,
    /// Moves work: pauses, retries, replays, decides a step.
    Operate,
    /// Asks for something that somebody else must approve.
    Ask,
    /// Approves what somebody else asked for. Whoever shows the request holds that it was somebody else.
    Approve,
}

impl Action {
    /// Its word in tables and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadPersonal => "read_personal",
            Self::Write => "write",
            Self::Operate => "operate",
            Self::Ask => "ask",
            Self::Approve => "approve",
        }
    }

    /// Which half of a key's scopes it belongs to; `None`: no key does that, only people do.
    fn verb(self) -> Option<Verb> {
        match self {
            Self::Read | Self::ReadPersonal => Some(Verb::Read),
            Self::Write | Self::Operate => Some(Verb::Write),
            Self::Ask | Self::Approve => None,
        }
    }
}

macro_rules! resources {
    ($($(#[$about:meta])* $name:ident $word:literal,)*) => {
        /// What something is done with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Resource { $($(#[$about])* $name,)* }

        impl Resource {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its word in scopes, tables and messages.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

resources! {
    /// The hub's work in numbers, and what rings.
    Overview "overview",
    /// How the store is kept, and how long everything is.
    Care "care",
    /// Connections, how they stand, their reconciliation.
    Connections "connections",
    /// Flows in force.
    Flows "flows",
    /// What people have paused.
    Pauses "pauses",
    /// Canonical events and their stories.
    Events "events",
    /// What came in, as it came.
    Deliveries "deliveries",
    /// Runs of flows.
    Runs "runs",
    /// Calls that runs want made.
    Effects "effects",
    /// Messages to people.
    Messages "messages",
    /// What needs a person.
    DeadLetters "dead-letters",
    /// What people have agreed to.
    Consents "consents",
    /// Persons across all connections of a brand: who is whom.
    People "people",
    /// Addresses that are not written to.
    Suppressions "suppressions",
    /// Requests of people about their data and purchases.
    Cases "cases",
    /// Security incidents.
    Incidents "incidents",
    /// Legal holds.
    Holds "holds",
    /// Versions of the texts that people agree to.
    Texts "texts",
    /// The registry of people who want no advertising.
    Registry "registry",
    /// Keys that sign tickets.
    TicketKeys "ticket-keys",
    /// Shows, what is sold for them, and how much of it: no guest is named.
    Shows "shows",
    /// Guests' tickets and orders.
    Tickets "tickets",
    /// Designers' portfolios.
    Portfolios "portfolios",
    /// Money that goes back.
    Refunds "refunds",
    /// The doubles of the providers, where there are any.
    Sandbox "sandbox",
    /// Outgoing webhooks.
    Webhooks "webhooks",
    /// API keys.
    Keys "keys",
    /// People who work in the hub.
    Users "users",
    /// The record of who did what.
    Audit "audit",
    /// Copies of the database.
    Backups "backups",
    /// The vault.
    Secrets "secrets",
}

impl Resource {
    /// Does it belong to the hub itself, and to no brand? Then only who has every brand may touch it. What people said
    /// about their data counts for all brands (ADR 0105); flows and pauses act on all of them.
    #[must_use]
    pub fn is_the_hubs(self) -> bool {
        matches!(
            self,
            Self::Overview
                | Self::Care
                | Self::Flows
                | Self::Pauses
                | Self::Consents
                | Self::Suppressions
                | Self::Cases
                | Self::Holds
                | Self::Texts
                | Self::Registry
                | Self::Incidents
                | Self::TicketKeys
                | Self::Sandbox
                | Self::Webhooks
                | Self::Keys
                | Self::Users
                | Self::Backups
                | Self::Secrets
        )
    }

    /// Does it say who may do what? Then a key needs the scope by its name: `read` and `write` do not reach it.
    #[must_use]
    pub fn governs(self) -> bool {
        matches!(self, Self::Keys | Self::Users | Self::Audit | Self::Backups | Self::Webhooks | Self::Secrets)
    }
}

/// Who may do one action with one resource, beside the owner.
pub type Row = (Resource, Action, &'static [Role]);

/// The table. The owner has every row.
pub const TABLE: &[Row] = {
    use Action::{Approve, Ask, Operate, Read, ReadPersonal, Write};
    use Resource as R;
    use Role::{Designer, Finance, Gate, Operator, Privacy, Producer, Support, Viewer};
    &[
        (R::Overview, Read, &[Operator, Support, Finance, Privacy, Viewer]),
        (R::Care, Read, &[Operator, Privacy, Viewer]),
        (R::Connections, Read, &[Operator, Support, Privacy, Viewer]),
        (R::Connections, Operate, &[Operator]),
        (R::Flows, Read, &[Operator, Support, Privacy, Viewer]),
        (R::Flows, Write, &[Operator]),
        (R::Flows, Operate, &[Operator]),
        (R::Pauses, Read, &[Operator, Support, Privacy, Viewer]),
        (R::Pauses, Operate, &[Operator]),
        // Lists of events name what an event is about and nobody; the events themselves carry everything.
        (R::Events, Read, &[Operator, Support, Finance, Privacy, Viewer]),
        (R::Events, ReadPersonal, &[Operator, Support, Privacy]),
        (R::Deliveries, Read, &[Operator, Support, Privacy, Viewer]),
        // Bodies as received hold more than any page shows: who mends a connection, and who answers for the data.
        (R::Deliveries, ReadPersonal, &[Operator, Privacy]),
        (R::Deliveries, Operate, &[Operator]),
        (R::Runs, Read, &[Operator, Support, Privacy, Viewer]),
        (R::Runs, Operate, &[Operator]),
        (R::Effects, ReadPersonal, &[Operator, Support, Privacy]),
        (R::Messages, ReadPersonal, &[Operator, Support, Privacy]),
        (R::DeadLetters, ReadPersonal, &[Operator, Support, Privacy]),
        // To send again is a help to a guest; to give up for good is not.
        (R::DeadLetters, Operate, &[Operator, Support]),
        (R::DeadLetters, Write, &[Operator]),
        (R::Consents, ReadPersonal, &[Support, Privacy]),
        (R::Consents, Write, &[Support, Privacy]),
        // Whole lists at once.
        (R::Consents, Operate, &[Privacy]),
        (R::People, ReadPersonal, &[Operator, Support, Privacy]),
        // To join two and to take them apart decides whose ticket and whose no it is.
        (R::People, Write, &[Support, Privacy]),
        // Whole lists at once.
        (R::People, Operate, &[Privacy]),
        (R::Suppressions, ReadPersonal, &[Operator, Support, Privacy]),
        (R::Suppressions, Write, &[Operator, Support, Privacy]),
        // To write to somebody again who said no.
        (R::Suppressions, Operate, &[Privacy]),
        (R::Cases, ReadPersonal, &[Support, Privacy]),
        (R::Cases, Write, &[Support, Privacy]),
        // What the law's clock waits for: completeness, extension, decision, answer.
        (R::Cases, Operate, &[Privacy]),
        (R::Incidents, Read, &[Operator, Privacy]),
        // Whoever notices one registers it.
        (R::Incidents, Write, &[Operator, Privacy]),
        (R::Incidents, Operate, &[Privacy]),
        (R::Holds, ReadPersonal, &[Privacy]),
        (R::Holds, Write, &[Privacy]),
        (R::Texts, Read, &[Operator, Support, Privacy, Viewer]),
        (R::Texts, Write, &[Privacy]),
        (R::Registry, Read, &[Operator, Privacy]),
        (R::Registry, Write, &[Operator, Privacy]),
        (R::TicketKeys, Read, &[Operator, Gate]),
        (R::TicketKeys, Write, &[]),
        (R::Shows, Read, &[Operator, Support, Finance, Gate, Producer, Privacy, Viewer]),
        (R::Shows, Write, &[Producer]),
        (R::Tickets, ReadPersonal, &[Support, Finance, Gate, Producer]),
        // What guests ask for: cancel, send again, another holder.
        (R::Tickets, Write, &[Support, Producer]),
        (R::Tickets, Operate, &[Gate]),
        (R::Portfolios, Read, &[Designer, Producer]),
        (R::Portfolios, Write, &[Designer]),
        (R::Refunds, ReadPersonal, &[Support, Finance]),
        (R::Refunds, Ask, &[Support, Finance]),
        (R::Refunds, Approve, &[Finance]),
        (R::Sandbox, Read, &[Operator, Support, Viewer]),
        (R::Sandbox, Operate, &[Operator]),
        (R::Webhooks, Read, &[Operator]),
        (R::Webhooks, Write, &[Operator]),
        (R::Webhooks, Operate, &[Operator]),
        (R::Keys, Read, &[]),
        (R::Keys, Write, &[]),
        (R::Users, ReadPersonal, &[]),
        (R::Users, Write, &[]),
        (R::Audit, ReadPersonal, &[Privacy]),
        (R::Backups, Operate, &[Operator]),
        (R::Secrets, Read, &[]),
        (R::Secrets, Write, &[]),
    ]
};

/// The row, if there is one.
fn row(resource: Resource, action: Action) -> Option<&'static Row> {
    TABLE.iter().find(|(r, a, _)| (*r, *a) == (resource, action))
}

/// Is anybody ever allowed this? A route whose gate has no row is open to nobody.
#[must_use]
pub fn is_in_the_table(resource: Resource, action: Action) -> bool {
    row(resource, action).is_some()
}

/// For which brands somebody with these grants may do it. None: refused.
#[must_use]
pub fn allowed(grants: &[Grant], resource: Resource, action: Action) -> Brands {
    let Some((_, _, roles)) = row(resource, action) else { return Brands::none() };
    let counts = |g: &&Grant| {
        // A producer without shows and a designer without a portfolio have nothing, and never everything.
        let narrow = matches!(g.role, Role::Producer | Role::Designer);
        (g.role == Role::Owner || roles.contains(&g.role)) && (!narrow || !g.only.is_empty())
    };
    let brands = grants.iter().filter(counts).fold(Brands::none(), |all, g| all.and(g.brands.clone()));
    reach(resource, brands)
}

/// May somebody with these grants do it with this part (a show's id, a portfolio's name) of a brand? `None`: with what
/// belongs to no brand.
#[must_use]
pub fn allowed_part(grants: &[Grant], resource: Resource, action: Action, brand: Option<&str>, part: &str) -> bool {
    grants.iter().any(|grant| {
        let brands = allowed(std::slice::from_ref(grant), resource, action);
        let covered = brand.map_or(brands.is_all(), |b| brands.covers(b));
        covered && (grant.only.is_empty() || grant.only.contains(part))
    })
}

/// For which brands a key with these scopes, made for `brands`, may do it. None: refused.
#[must_use]
pub fn allowed_by_scopes(scopes: &[Scope], brands: &Brands, resource: Resource, action: Action) -> Brands {
    let by_scope = is_in_the_table(resource, action) && scopes.iter().any(|s| s.names(resource, action));
    let by_role: Vec<Grant> = scopes
        .iter()
        .filter_map(|s| match s {
            Scope::Role(role) => Some(Grant { role: *role, brands: brands.clone(), only: Default::default() }),
            _ => None,
        })
        .collect();
    let own = if by_scope { reach(resource, brands.clone()) } else { Brands::none() };
    own.and(allowed(&by_role, resource, action))
}

/// What is the hub's own is reached with every brand, or not at all.
fn reach(resource: Resource, brands: Brands) -> Brands {
    if resource.is_the_hubs() && !brands.is_all() { Brands::none() } else { brands }
}

/// Half of what a key may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Looks, personal data included: whoever gives a key for events means the events.
    Read,
    /// Changes and moves.
    Write,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `read` and `write`: everything but what governs access.
    Every(Verb),
    /// `events:read`.
    Of(Resource, Verb),
    /// `role:support`: what somebody in this role may do.
    Role(Role),
}

impl Scope {
    fn names(self, resource: Resource, action: Action) -> bool {
        let Some(verb) = action.verb() else { return false };
        match self {
            Self::Every(v) => v == verb && !resource.governs(),
            Self::Of(r, v) => (r, v) == (resource, verb),
            Self::Role(_) => false,
        }
    }

    /// The scope by which a key would be allowed this; `None`: none allows it.
    #[must_use]
    pub fn needed(resource: Resource, action: Action) -> Option<Self> {
        Some(Self::Of(resource, action.verb()?))
    }

    /// All that there are, for help and forms.
    pub fn all() -> impl Iterator<Item = Self> {
        let verbs = [Verb::Read, Verb::Write];
        let of = Resource::ALL.iter().flat_map(move |r| verbs.map(|v| Self::Of(*r, v))).filter(|s| s.is_real());
        verbs.into_iter().map(Self::Every).chain(of).chain(Role::ALL.into_iter().map(Self::Role))
    }

    /// Does any row belong to it?
    fn is_real(self) -> bool {
        TABLE.iter().any(|(r, a, _)| self.names(*r, *a)) || matches!(self, Self::Role(_))
    }

    /// Rows that a key with it may use, each as resource and action.
    pub fn rows(self) -> impl Iterator<Item = (Resource, Action)> {
        TABLE.iter().filter_map(move |(r, a, roles)| {
            let held = match self {
                Self::Role(role) => role == Role::Owner || roles.contains(&role),
                _ => self.names(*r, *a),
            };
            held.then_some((*r, *a))
        })
    }
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(verb) => f.write_str(verb.word()),
            Self::Of(resource, verb) => write!(f, "{}:{}", resource.word(), verb.word()),
            Self::Role(role) => write!(f, "role:{role}"),
        }
    }
}

impl schemars::JsonSchema for Scope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<String> = Self::all().map(|s| s.to_string()).collect();
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

/// There is no such scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no scope '{0}'; scopes are read, write, one resource's as events:read or consents:write, or role:viewer; \
     the chapter on keys and roles lists them"
)]
pub struct InvalidScope(String);

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all().find(|s| s.to_string() == text).ok_or_else(|| InvalidScope(text.to_owned()))
    }
}

/// Who may call a route. Whoever registers one says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Whom the table allows this.
    May(Action, Resource),
    /// Whoever is known, by a key or a session; it shows nothing of anybody. Why.
    Known(&'static str),
    /// Anybody. Why.
    Open(&'static str),
    /// Whoever signs as the connection's provider does.
    Signed,
    /// Whoever has the sealed address, which names one ticket or one person.
    Pass,
}

/// The gate of a row.
pub(crate) const fn may(action: Action, resource: Resource) -> Gate {
    Gate::May(action, resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn grant(role: Role, brands: Brands) -> Grant {
        Grant { role, brands, only: BTreeSet::new() }
    }

    fn of(name: &str) -> Brands {
        Brands::Of([name.to_owned()].into())
    }

    #[test]
    fn every_row_stands_once_and_every_resource_has_one() {
        let rows: BTreeSet<_> = TABLE.iter().map(|(r, a, _)| (*r, *a)).collect();
        assert_eq!(rows.len(), TABLE.len());
        for resource in Resource::ALL {
            assert!(TABLE.iter().any(|(r, ..)| r == resource), "{}", resource.word());
        }
        assert!(TABLE.iter().all(|(_, _, roles)| !roles.contains(&Role::Owner)), "the owner has every row");
    }

    #[test]
    fn what_has_no_row_is_allowed_to_nobody_the_owner_included() {
        let owner = [grant(Role::Owner, Brands::All)];
        assert!(allowed(&owner, Resource::Events, Action::Write).is_none());
        assert!(allowed(&owner, Resource::Events, Action::ReadPersonal).is_all());
        assert!(allowed(&[], Resource::Events, Action::Read).is_none());
    }

    #[test]
    fn what_is_the_hubs_own_needs_every_brand_and_brands_add_up() {
        let one = [grant(Role::Owner, of("a"))];
        assert_eq!(allowed(&one, Resource::Events, Action::Read), of("a"));
        assert!(allowed(&one, Resource::Keys, Action::Read).is_none());
        let both = [grant(Role::Support, of("a")), grant(Role::Viewer, of("b"))];
        assert_eq!(allowed(&both, Resource::Events, Action::Read), of("a").and(of("b")));
        assert_eq!(allowed(&both, Resource::Events, Action::ReadPersonal), of("a"), "a viewer sees nobody's data");
    }

    #[test]
    fn a_producer_without_shows_has_nothing() {
        let mut producer = grant(Role::Producer, Brands::All);
        assert!(allowed(&[producer.clone()], Resource::Tickets, Action::ReadPersonal).is_none());
        producer.only = ["show_1".to_owned()].into();
        assert!(allowed(&[producer], Resource::Tickets, Action::ReadPersonal).is_all());
    }

    #[test]
    fn a_producers_grant_reaches_its_shows_in_its_brands_and_another_grant_reaches_its_own() {
        let mut producer = grant(Role::Producer, of("a"));
        producer.only = ["7".to_owned()].into();
        let both = [producer, grant(Role::Support, of("b"))];
        let may =
            |brand: Option<&str>, show: &str| allowed_part(&both, Resource::Tickets, Action::ReadPersonal, brand, show);
        assert!(may(Some("a"), "7") && !may(Some("a"), "8"), "only the show that is named");
        assert!(may(Some("b"), "8") && may(Some("b"), "7"), "whoever helps guests sees every show of the brand");
        assert!(!may(Some("c"), "7") && !may(None, "7"));
    }

    #[test]
    fn scopes_are_read_as_they_are_written_and_name_rows_of_the_table() {
        for scope in Scope::all() {
            assert_eq!(scope.to_string().parse(), Ok(scope));
            assert!(scope.rows().next().is_some(), "{scope} allows nothing");
        }
        for wrong in ["", "all", "events:delete", "effects:write", "role:root", "READ"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn broad_scopes_do_not_reach_what_governs_access() {
        let (read, write) = (Scope::Every(Verb::Read), Scope::Every(Verb::Write));
        let may = |scopes: &[Scope], r, a| !allowed_by_scopes(scopes, &Brands::All, r, a).is_none();
        assert!(may(&[read], Resource::Events, Action::ReadPersonal));
        assert!(!may(&[read], Resource::Flows, Action::Write) && may(&[write], Resource::Flows, Action::Write));
        assert!(
            !may(&[read, write], Resource::Keys, Action::Read) && !may(&[read], Resource::Audit, Action::ReadPersonal)
        );
        assert!(may(&["keys:write".parse().unwrap()], Resource::Keys, Action::Write));
        assert!(!may(&[read, write], Resource::Refunds, Action::Approve), "people approve");
        assert!(may(&["role:privacy".parse().unwrap()], Resource::Audit, Action::ReadPersonal));
    }
}
