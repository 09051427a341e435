//! The words of the business as types. Pure: no I/O, no clock, no provider.

mod access;
pub mod case;
mod clock;
pub mod consent;
mod contact;
mod event;
mod id;
pub mod identity;
pub mod incident;
pub mod model;
mod moment;
mod money;
mod secret;
pub mod standing;

pub use access::{Brands, Grant, InvalidRole, Role};
pub use clock::{Clock, Pace, PacedClock, Segment, SystemClock};
pub use contact::{EmailAddress, InvalidEmail, InvalidPhone, Phone};
pub use event::{CANONICAL_EVENT_TYPES, EntityRef, Envelope, is_canonical};
pub use id::{ConsentId, DeedId, DeliveryId, EffectId, EventId, IdMaker, InvalidId, PersonId, RunId};
pub use moment::Moment;
pub use money::{Currency, InvalidMoney, Money};
pub use secret::Secret;
