//! The closed words of a step: class, urgency, what to do when an outcome is not known or dead.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, as written in a flow.
            pub const ALL: &'static [&'static str] = &[$($text,)+];

            /// As written in a flow.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the word as written in a flow.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// Class of a message to a person (design.md G10): what the law allows depends on it.
    Class {
        /// Strictly about what was bought, and it cannot wait: a ticket, a cancellation.
        TransactionalUrgent = "transactional_urgent",
        /// Strictly about what was bought; waits for the hours of contact.
        Transactional = "transactional",
        /// Asks for money that is owed.
        Collection = "collection",
        /// Everything else.
        Marketing = "marketing",
    }
}

words! {
    /// How soon an effect is sent, compared with others (G9).
    Urgency {
        /// Tickets, payments, the door.
        Urgent = "urgent",
        /// The rest.
        Normal = "normal",
        /// Campaigns.
        Bulk = "bulk",
    }
}

words! {
    /// What follows when it cannot be found out whether a call took effect (G7).
    OnUnknown {
        /// A person or a later status decides.
        Hold = "hold",
        /// It is sent again; twice is better than never.
        Resend = "resend",
    }
}

words! {
    /// What a dead letter does to its lane and run (G6).
    OnDead {
        /// Lane and run wait for a person.
        Park = "park",
        /// They go on without it.
        Skip = "skip",
    }
}

impl Urgency {
    /// Urgency of a step by the class of its message; steps without class are normal.
    #[must_use]
    pub fn of(class: Option<Class>) -> Self {
        match class {
            Some(Class::TransactionalUrgent) => Self::Urgent,
            Some(Class::Transactional) | None => Self::Normal,
            Some(Class::Collection | Class::Marketing) => Self::Bulk,
        }
    }
}
