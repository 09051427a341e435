//! What flows give: the moment, and whose it is.

use jiff::Timestamp;
use pasarela_domain::Money;
use pasarela_domain::consent::ConsentView;
use pasarela_domain::model::Order;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Whose moment it is, and when. Part of every input.
#[derive(Debug, Clone, Default)]
pub(super) struct Whose {
    pub(super) consent: Option<ConsentView>,
    pub(super) client_id: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) at: Option<Timestamp>,
}

/// An input type with the fields of [`Whose`] beside its own: serde's `flatten` would let unknown fields in.
macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: $type,)*
            /// What the person has allowed: `{{ consent }}`. Without a yes to analytics nothing is sent.
            #[serde(default)]
            consent: Option<ConsentView>,
            /// Client id of the person's browser, where it is another than the one that came with the consent.
            #[serde(default)]
            client_id: Option<String>,
            /// Session id beside it.
            #[serde(default)]
            session_id: Option<String>,
            /// The hub's own opaque id of the person; never an e-mail address or a phone.
            #[serde(default)]
            user_id: Option<String>,
            /// When it happened: `{{ event.occurred_at }}`. Older than 72 hours is dropped.
            #[serde(default)]
            #[schemars(with = "Option<String>", extend("format" = "date-time"))]
            at: Option<Timestamp>,
        }

        impl $name {
            pub(super) fn whose(&self) -> Whose {
                Whose {
                    consent: self.consent.clone(),
                    client_id: self.client_id.clone(),
                    session_id: self.session_id.clone(),
                    user_id: self.user_id.clone(),
                    at: self.at,
                }
            }
        }
    )+};
}

inputs! {
    /// A paid order.
    Purchase {
        /// The order: `{{ order }}`.
        order: Order,
        /// What Google knows the purchase by; the order's number when absent. The page must say the same.
        #[serde(default)]
        transaction_id: Option<String>,
    }
    /// Money that went back.
    Refund {
        /// The order: `{{ order }}`.
        order: Order,
        /// What Google knows the purchase by; the order's number when absent.
        #[serde(default)]
        transaction_id: Option<String>,
    }
    /// Something was looked at, or a checkout begins.
    Looked {
        /// What it was.
        items: Vec<Item>,
    }
    /// Somebody is interested: a designer, a sponsor, a guest who writes.
    Lead {
        /// Where they came from: `whatsapp`, `form`.
        #[serde(default)]
        lead_source: Option<String>,
        /// What it may be worth.
        #[serde(default)]
        value: Option<Money>,
    }
    /// Somebody signed up or logged in.
    Signed {
        /// How: `whatsapp`, `email`.
        #[serde(default)]
        method: Option<String>,
    }
    /// Something was shared.
    Shared {
        /// How.
        #[serde(default)]
        method: Option<String>,
        /// What kind of thing: `show`, `look`.
        content_type: String,
        /// Its id.
        item_id: String,
    }
    /// A guest came in.
    CheckedIn {
        /// The show.
        event_ref: String,
        /// Where in it.
        #[serde(default)]
        zone: Option<String>,
    }
    /// Any event of our own.
    Own {
        /// Name: letters, digits and `_`.
        name: String,
        /// Texts, numbers and truth values.
        #[serde(default)]
        params: Map<String, Value>,
        /// Properties of the person: `{ rol: "disenador" }`.
        #[serde(default)]
        user_properties: Map<String, Value>,
    }
    /// Several events of one person, sent 25 to a call.
    Several {
        /// The events, in their order.
        events: Vec<OneOf>,
    }
}

/// Something that can be bought.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// Id of the product.
    pub(super) id: String,
    /// Name.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Price of one.
    #[serde(default)]
    pub(super) price: Option<Money>,
    /// How many; 1 when absent.
    #[serde(default)]
    pub(super) quantity: Option<u32>,
    /// Category: `boleta`.
    #[serde(default)]
    pub(super) category: Option<String>,
    /// Tier or size.
    #[serde(default)]
    pub(super) variant: Option<String>,
}

/// One of several events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneOf {
    /// Name: letters, digits and `_`.
    pub(super) name: String,
    /// Texts, numbers and truth values.
    #[serde(default)]
    pub(super) params: Map<String, Value>,
    /// When it happened.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub(super) at: Option<Timestamp>,
}
