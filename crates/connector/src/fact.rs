//! What a body says, in the hub's words.

use jiff::Timestamp;
use pasarela_domain::EntityRef;
use serde_json::Value;

/// Everything that one body says, in the order in which it is to be decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Translation {
    /// One entry per thing found. One unknown thing does not spoil the others.
    pub items: Vec<Item>,
}

/// One thing found in a body.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Something that happened, or the present state of something.
    Fact(Box<Fact>),
    /// Known, and of no use to anyone: acknowledged and dropped.
    Ignored {
        /// The provider's name for it.
        kind: String,
    },
    /// Not understood: this part is quarantined, the others go on.
    Unread {
        /// The provider's name for it, if it has one.
        kind: String,
        /// What was wrong.
        why: String,
    },
}

impl From<Fact> for Item {
    fn from(fact: Fact) -> Self {
        Self::Fact(Box::new(fact))
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Canonical event type (`order.paid`); `None` when only read models change.
    pub event_type: Option<String>,
    /// What it is about: order is kept per key. Canonically `<kind>:<provider's id>`, such as `order:3301`.
    pub key: String,
    /// When it happened, if the provider says so.
    pub occurred_at: Option<Timestamp>,
    /// Canonical payload ([`pasarela_domain::model`]).
    pub data: Value,
    /// How the same fact is known again.
    pub dedup: Dedup,
    /// Read models that this fact brings up to date.
    pub entities: Vec<EntityWrite>,
    /// Read models that a flow on this event may use (`order`, `show`, `ticket`): those that the hub
    /// does not know are fetched.
    pub refs: Vec<EntityRef>,
    /// A message of ours that this fact settles.
    pub settles: Option<Settles>,
}

impl Fact {
    /// A fact that happened once, for all time.
    #[must_use]
    pub fn once(
        event_type: &str,
        key: impl Into<String>,
        entity: impl Into<String>,
        discriminator: impl Into<String>,
        data: Value,
    ) -> Self {
        Self {
            event_type: Some(event_type.into()),
            key: key.into(),
            occurred_at: None,
            data,
            dedup: Dedup::Once { kind: event_type.into(), entity: entity.into(), discriminator: discriminator.into() },
            entities: Vec::new(),
            refs: Vec::new(),
            settles: None,
        }
    }

    /// The present state of an entity. Becomes an event when it differs from what is known;
    /// `write.data` is both payload and read model.
    #[must_use]
    pub fn state(event_type: &str, write: EntityWrite) -> Self {
        Self {
            event_type: Some(event_type.into()),
            key: format!("{}:{}", write.entity.kind, write.entity.id),
            occurred_at: None,
            data: write.data.clone(),
            dedup: Dedup::State { entity: write.entity.clone() },
            refs: vec![write.entity.clone()],
            entities: vec![write],
            settles: None,
        }
    }

    /// At this time.
    #[must_use]
    pub fn at(mut self, at: Option<Timestamp>) -> Self {
        self.occurred_at = at;
        self
    }

    /// With a read model to bring up to date; it may be used by flows too.
    #[must_use]
    pub fn with(mut self, write: EntityWrite) -> Self {
        if !self.refs.contains(&write.entity) {
            self.refs.push(write.entity.clone());
        }
        self.entities.push(write);
        self
    }

    /// With a read model that flows on this event may use.
    #[must_use]
    pub fn about(mut self, kind: &str, id: impl Into<String>) -> Self {
        let entity = EntityRef::new(kind, id);
        if !self.refs.contains(&entity) {
            self.refs.push(entity);
        }
        self
    }
}

/// How the same fact is known again (G4).
#[derive(Debug, Clone, PartialEq)]
pub enum Dedup {
    /// Happened: the same (connection, kind, entity, discriminator) is the same fact for all time.
    Once {
        /// Usually the event type.
        kind: String,
        /// The provider's id of what it happened to.
        entity: String,
        /// What tells two facts of this kind on this entity apart; empty when there can be only one.
        discriminator: String,
    },
    /// State: equal to the read model is a duplicate, older never overwrites newer, A-B-A is three facts.
    State {
        /// The read model, which must be among [`Fact::entities`].
        entity: EntityRef,
    },
}

/// A read model as this body shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityWrite {
    /// Which one.
    pub entity: EntityRef,
    /// Normalised state: equal facts must give equal values.
    pub data: Value,
    /// The provider's own time of change, if it has one.
    pub updated_at: Option<Timestamp>,
    /// Tells two states of the same time, or without time, apart: higher is later in life
    /// (placed 1, paid 2, cancelled 3).
    pub rank: i16,
    /// Laid over what is known, where a body shows only a part of it.
    pub merge: Option<Merge>,
}

/// Lays what a body shows over what is known: `(known, shown) -> both`. The order in which parts come must not matter.
#[derive(Debug, Clone, Copy)]
pub struct Merge(pub fn(&Value, &Value) -> Value);

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl EntityWrite {
    /// A read model of `kind` with the provider's `id`.
    #[must_use]
    pub fn new(kind: &str, id: impl Into<String>, data: Value) -> Self {
        Self { entity: EntityRef::new(kind, id), data, updated_at: None, rank: 0, merge: None }
    }

    /// With the provider's time of change.
    #[must_use]
    pub fn updated(mut self, at: Option<Timestamp>) -> Self {
        self.updated_at = at;
        self
    }

    /// Laid over what is known.
    #[must_use]
    pub fn merged(mut self, merge: fn(&Value, &Value) -> Value) -> Self {
        self.merge = Some(Merge(merge));
        self
    }

    /// With a rank in the entity's life.
    #[must_use]
    pub fn rank(mut self, rank: i16) -> Self {
        self.rank = rank;
        self
    }
}

/// Late news of an effect of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Settles {
    /// How the effect is found; tried in order.
    pub by: Vec<Correlation>,
    /// What became of it.
    pub settlement: Settlement,
}

/// How an effect is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correlation {
    /// Our own key, which the provider carried along ([`Ctx::key`](crate::Ctx::key)).
    Key(String),
    /// The provider's reference that the answer held ([`Done::reference`](crate::Done::reference)).
    Reference(String),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// The provider has it and is trying: resolves an unknown answer, settles nothing.
    Accepted,
    /// It arrived.
    Delivered,
    /// It failed after it had been accepted.
    Failed {
        /// The provider's code.
        code: String,
        /// In words.
        why: String,
    },
}
