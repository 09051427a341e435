//! What a country must supply so that a program may decide when and how often people are written
//! to, and by when it must answer them. [`Colombia`](crate::Colombia) is one; another country is
//! another implementation of [`Market`].
//!
//! Promise: the trait is object-safe, holds no clock (every moment is an argument), and its
//! methods that stand in the way of a message allocate nothing.

mod days;
mod frequency;
mod window;

pub(crate) use days::end_of as days_end;
pub use frequency::{Frequency, FrequencyRule, PastContact};
pub(crate) use window::of_week;
pub use window::{Cause, Hours, OwnHours, Span, Window};

use crate::Lang;
use crate::tables::MissingTable;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A rule of law or of the house, as a decision names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Stable code, for data: `contact_hours`.
    pub code: &'static str,
    /// Where it is written: `Ley 2300 de 2023, art. 3`.
    pub article: &'static str,
}

/// By what a person is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// WhatsApp and other messaging by an application or the web.
    Whatsapp,
    /// Text message.
    Sms,
    /// Electronic mail.
    Email,
    /// Voice call.
    Call,
    /// Notification on a device.
    Push,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Whatsapp, Self::Sms, Self::Email, Self::Call, Self::Push];

    /// Its name in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whatsapp => "whatsapp",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Call => "call",
            Self::Push => "push",
        }
    }

    /// Reads its name. `None` for others.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

/// What a message is for. Whose class is not known is marketing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Class {
    /// Strictly about what was bought or asked, and cannot wait: ticket, payment result, change of
    /// an event, one-time code, answer to a person.
    TransactionalUrgent,
    /// Strictly about what was bought or asked, and can wait: copy of an invoice, survey.
    Transactional,
    /// Asks for money: a reminder of an unpaid order.
    Collection,
    /// Advertising. One promotional line makes a message advertising.
    #[default]
    Marketing,
}

/// Who is to be reached, and how.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// By what.
    pub channel: Channel,
    /// What for.
    pub class: Class,
    /// The clock of the person.
    pub zone: &'a TimeZone,
    /// Hours that this person has asked for.
    pub own_hours: Option<&'a OwnHours>,
}

impl<'a> Ask<'a> {
    /// Of somebody who has asked for no hours of their own.
    #[must_use]
    pub fn new(class: Class, channel: Channel, zone: &'a TimeZone) -> Self {
        Self { channel, class, zone, own_hours: None }
    }
}

/// A public holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday<'a> {
    /// The day that is free.
    pub date: Date,
    /// Its name, in the country's language.
    pub name: &'a str,
    /// The day it was moved from, where it was moved.
    pub moved_from: Option<Date>,
}

/// How business days are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counting {
    /// A Saturday that is no holiday is a business day.
    pub saturday: bool,
    /// The day of receipt is the first day, when it is a business day.
    pub start_day: bool,
}

/// What must be done within a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Answer a question about one's data.
    Consulta,
    /// The same, after the person was told of the delay.
    ConsultaExtended,
    /// Ask for what an incomplete claim lacks.
    AskToComplete,
    /// Until when a person may complete a claim; counted from our request.
    RequesterSilent,
    /// Pass a claim on that was meant for somebody else.
    PassOn,
    /// Write "reclamo en trámite" beside the data.
    Label,
    /// Answer a claim about one's data.
    Reclamo,
    /// The same, after the person was told of the delay.
    ReclamoExtended,
    /// Report an incident to the authority.
    Incident,
    /// Answer a consumer's petition or complaint.
    Pqr,
    /// Give money back for an event that was cancelled.
    EventRefund,
    /// Give money back after a withdrawal from a purchase.
    RetractoRefund,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Consulta,
        Self::ConsultaExtended,
        Self::AskToComplete,
        Self::RequesterSilent,
        Self::PassOn,
        Self::Label,
        Self::Reclamo,
        Self::ReclamoExtended,
        Self::Incident,
        Self::Pqr,
        Self::EventRefund,
        Self::RetractoRefund,
    ];

    /// Its name in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consulta => "consulta",
            Self::ConsultaExtended => "consulta_extended",
            Self::AskToComplete => "ask_to_complete",
            Self::RequesterSilent => "requester_silent",
            Self::PassOn => "pass_on",
            Self::Label => "label",
            Self::Reclamo => "reclamo",
            Self::ReclamoExtended => "reclamo_extended",
            Self::Incident => "incident",
            Self::Pqr => "pqr",
            Self::EventRefund => "event_refund",
            Self::RetractoRefund => "retracto_refund",
        }
    }

    /// Reads its name. `None` for others.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.as_str() == name)
    }
}

/// The end of a term, in the two readings of the law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The earlier reading: when we mean to be done.
    pub ours: Timestamp,
    /// The later reading: nobody is told that a right has ended before.
    pub theirs: Timestamp,
    /// Where it is written.
    pub rule: Rule,
}

/// Why what a person typed cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unread {
    /// Stable code, for data.
    pub code: &'static str,
    /// For people, without the text that was typed: it may be personal data.
    pub text: String,
}

/// A country's rules. See the module.
pub trait Market: Send + Sync + std::fmt::Debug {
    /// ISO 3166 code of two letters.
    fn country(&self) -> &str;
    /// The country's own clock: terms and holidays are read on it.
    fn zone(&self) -> &TimeZone;
    /// ISO 4217 code of its money.
    fn currency(&self) -> &str;
    /// Version of the tables that decisions were made with.
    fn table_version(&self) -> &str;
    /// Last year whose holidays are listed. Later ones are computed by the rule of today, and the
    /// caller warns.
    fn known_until(&self) -> i16;
    /// The holiday on a day; of several, the first.
    fn holiday(&self, date: Date) -> Option<Holiday<'_>>;
    /// All holidays of a year, in order. Two may share a day.
    fn holidays(&self, year: i16) -> Vec<Holiday<'_>>;
    /// Whether a Saturday that is no holiday is a business day for this firm.
    fn works_on_saturday(&self) -> bool;

    /// The rule that bounds the hours of such a contact. `None`: it may come at any hour.
    fn hours_rule(&self, class: Class, channel: Channel) -> Option<Rule>;
    /// The hours of one day in which such a contact may come, where they are bounded.
    fn hours(&self, class: Class, channel: Channel, date: Date) -> Hours;
    /// How often a person may be reached for it.
    fn frequency_rule(&self, class: Class) -> FrequencyRule;
    /// The term of a duty that began at `start`. `None`: there is no such duty here.
    fn deadline(&self, duty: Duty, start: Timestamp) -> Option<Deadline>;

    /// E.164 of a phone number as people of the country type it.
    ///
    /// # Errors
    /// With the reason, when it is none.
    fn phone(&self, typed: &str) -> Result<String, Unread>;
    /// Tax number as people of the country type it, in its one way to be kept.
    ///
    /// # Errors
    /// With the reason, when it is none.
    fn tax_id(&self, typed: &str) -> Result<String, Unread>;
    /// Value added tax on a day, in hundredths of a percent.
    ///
    /// # Errors
    /// When the tables do not reach to that day: an old rate is not used again.
    fn vat(&self, name: &str, date: Date) -> Result<u32, MissingTable>;
    /// An amount of the country's money, in its minor unit, as people write it.
    fn money(&self, minor: i64, lang: Lang) -> String;

    /// Whether offices work on a day. Saturdays as `saturday` says.
    fn is_business_day(&self, date: Date, saturday: bool) -> bool {
        days::is_business_day(self, date, saturday)
    }
    /// The end (one second before midnight, on the country's clock) of the `n`th business day after `start`.
    fn add_business_days(&self, start: Timestamp, n: u32, counting: Counting) -> Timestamp {
        days::add(self, start, n, counting)
    }
    /// Whether a contact may come at a moment, and else when. `guard` is how long before the end nothing more is
    /// handed over, since what counts is when it reaches the person.
    fn window(&self, ask: &Ask<'_>, at: Timestamp, guard: SignedDuration) -> Window {
        window::of(self, ask, at, guard)
    }
    /// The latest moment at or before `before` at which a contact may come. `None`: there was none in sixty days.
    /// Who works from it needs some room: give a guard longer than that of [`Market::window`].
    fn latest_before(&self, ask: &Ask<'_>, before: Timestamp, guard: SignedDuration) -> Option<Timestamp> {
        window::latest(self, ask, before, guard)
    }
    /// Whether a person may be reached again at a moment, after what was before; and else when both frequency and
    /// hours allow it. `history` holds contacts of one sender with one person, in any order: what was sent,
    /// delivered or is unknown, never what was rejected before delivery.
    fn frequency(&self, ask: &Ask<'_>, history: &[PastContact], at: Timestamp, guard: SignedDuration) -> Frequency {
        frequency::of(self, ask, history, at, guard)
    }
}
