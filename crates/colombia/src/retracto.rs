//! Retracto: the right to give back what was bought at a distance (Ley 1480 de 2011, art. 47; Ley 2439 de 2024).
//! Terms are counted by the reading with more rights for the consumer.

use crate::market::{Counting, Duty, Market};
use jiff::{SignedDuration, Timestamp};

/// What was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A ticket.
    Ticket {
        /// When the event begins.
        starts: Timestamp,
        /// The person has entered.
        checked_in: bool,
    },
    /// A thing.
    Goods {
        /// When it was handed over; not yet, when `None`.
        delivered: Option<Timestamp>,
    },
    /// Another service.
    Service,
}

/// Why there is no retracto: the law's closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// Made to the consumer's measure or wish.
    MadeToMeasure,
    /// Of personal use, read narrowly: underwear, swimwear, cosmetics.
    PersonalHygiene,
    /// Perishes or expires.
    Perishable,
    /// A service that was begun with the consumer's agreement.
    BegunWithConsent,
}

/// A purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase {
    /// When the contract was made.
    pub sold: Timestamp,
    /// Not in the shop, not at the door.
    pub at_a_distance: bool,
    /// What.
    pub item: Item,
    /// Whether an exception holds.
    pub exception: Option<Exception>,
}

/// Whether it can be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retracto {
    /// Until a moment.
    Until(Timestamp),
    /// The term has not begun: it was not delivered.
    NotBegun,
    /// Not at all.
    None(NoRetracto),
}

/// Why it cannot be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRetracto {
    /// It was not bought at a distance.
    NotAtADistance,
    /// One of the law's list.
    Excepted(Exception),
    /// The event begins within five days of the sale.
    EventWithinFiveDays,
    /// The person was there.
    Entered,
}

impl NoRetracto {
    /// Stable code, for data.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAtADistance => "not_at_a_distance",
            Self::Excepted(Exception::MadeToMeasure) => "made_to_measure",
            Self::Excepted(Exception::PersonalHygiene) => "personal_hygiene",
            Self::Excepted(Exception::Perishable) => "perishable",
            Self::Excepted(Exception::BegunWithConsent) => "begun_with_consent",
            Self::EventWithinFiveDays => "event_within_five_days",
            Self::Entered => "entered",
        }
    }
}

/// Until when a purchase can be given back: five business days.
#[must_use]
pub fn retracto(market: &dyn Market, purchase: &Purchase) -> Retracto {
    if !purchase.at_a_distance {
        return Retracto::None(NoRetracto::NotAtADistance);
    }
    if let Some(exception) = purchase.exception {
        return Retracto::None(NoRetracto::Excepted(exception));
    }
    let term = |from| market.add_business_days(from, 5, Counting::default());
    match purchase.item {
        Item::Ticket { checked_in: true, .. } => Retracto::None(NoRetracto::Entered),
        // Five times 24 hours: the reading with more rights.
        Item::Ticket { starts, .. } if starts.duration_since(purchase.sold) < SignedDuration::from_hours(5 * 24) => {
            Retracto::None(NoRetracto::EventWithinFiveDays)
        }
        Item::Ticket { starts, .. } => Retracto::Until(term(purchase.sold).min(starts)),
        Item::Goods { delivered: Some(delivered) } => Retracto::Until(term(delivered)),
        Item::Goods { delivered: None } => Retracto::NotBegun,
        Item::Service => Retracto::Until(term(purchase.sold)),
    }
}

/// Until when the money is given back, all of it, fee included: fifteen days of the calendar.
#[must_use]
pub fn refund_due(market: &dyn Market, exercised: Timestamp) -> Option<Timestamp> {
    market.deadline(Duty::RetractoRefund, exercised).map(|d| d.theirs)
}
