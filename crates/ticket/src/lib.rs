//! Tickets (boletas) for guests: what they say, and the forms in which they are handed over.
//!
//! - [`Boleta`]: what a ticket shows, taken out of the read models.
//! - [`token`]: the signed form. Whoever has the public key can tell a true ticket without a network.
//! - [`pass`]: the sealed link of a person to their own pages.
//! - [`Desk`]: hands them out, with the hub's keys and its public address.
//! - [`qr`]: the square at the door, as Hi.Events makes it or with the signed form in it.
//! - [`pdf`], [`png`], [`calendar`]: a page to print, a picture for a chat, an entry for a calendar.
//!
//! Promise: equal input gives equal bytes, so that a call that is repeated sends what was sent before.
//! Pure: no clock, no chance, no file; keys and moments are arguments. What it is not: it does not
//! know whether a ticket may come in. The read models say that.

mod boleta;
mod calendar;
mod desk;
mod letters;
pub mod pass;
mod pdf;
mod picture;
pub mod qr;
mod sheet;
pub mod token;
pub mod words;

pub use boleta::{Boleta, State, tier};
pub use calendar::calendar;
pub use desk::{Desk, Square};
pub use pdf::pdf;
pub use picture::png;

/// Media types of the files.
pub mod media {
    /// Of [`pdf`](crate::pdf()).
    pub const PDF: &str = "application/pdf";
    /// Of [`png`](crate::png()).
    pub const PNG: &str = "image/png";
    /// Of [`calendar`](crate::calendar()).
    pub const CALENDAR: &str = "text/calendar; charset=utf-8; method=PUBLISH";
}
