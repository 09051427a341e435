//! Canonical payloads and read models. Field names are those that flows use
//! (`{{ buyer.email }}`, `{{ ticket.holder.name }}`, `{{ show.starts_at }}`).
//!
//! Absent facts are `null`, so that a flow can ask for them; unknown is never "no".

mod door;
mod selling;
mod server;
mod waitlist;

pub use door::{DoorList, Scan};
pub use selling::{Affiliate, Capacity, DaySales, PromoCode, ShowSales, Stock, TierStock};
pub use server::ServerTrait;
pub use waitlist::{WaitlistEntry, WaitlistStatus};

use crate::identity::Differs;
use crate::{Currency, EmailAddress, Money, PersonId, Phone};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A person as one document names them: a buyer, a ticket's holder, a message's sender.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Full name as one text, both surnames kept.
    pub name: String,
    /// Given names.
    pub first_name: String,
    /// Surnames.
    pub last_name: String,
    /// E-mail, lower case.
    pub email: Option<EmailAddress>,
    /// Phone, E.164.
    pub phone: Option<Phone>,
    /// Language that the person chose (`es`, `en`), when known.
    pub language: Option<String>,
    /// Identity document, where one was asked for. Left out where there is none, so that what was kept before the hub
    /// read documents is still the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<crate::identity::Document>,
    /// Fields that the provider says are empty, `email` and `phone` alone. What is null and not named here it does not
    /// carry, or did not send: nothing follows from that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<crate::identity::Field>,
}

/// State of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Stock is taken, money is not: an offline order.
    Placed,
    /// Paid, or free.
    Paid,
    /// Cancelled, refunded or not.
    Cancelled,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// Provider's product id.
    pub product_id: String,
    /// What the buyer saw, tier included.
    pub title: String,
    /// How many.
    pub quantity: u32,
    /// Price of one, after discount, before taxes.
    pub unit_price: Money,
    /// Whole line, before taxes.
    pub total: Money,
}

/// An answer to an organiser's question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Provider's question id.
    pub question_id: String,
    /// The question as asked.
    pub title: String,
    /// The answer as one text.
    pub text: String,
    /// The ticket it belongs to, if any.
    pub ticket_id: Option<String>,
}

/// An order of tickets or goods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Provider's id.
    pub id: String,
    /// Number shown to people (`O-3F9LX0C`).
    pub number: String,
    /// State.
    pub status: OrderStatus,
    /// Currency of all amounts.
    pub currency: Currency,
    /// Items after discount, before taxes and fees.
    pub subtotal: Money,
    /// Taxes.
    pub tax: Money,
    /// Fees.
    pub fees: Money,
    /// What the buyer pays.
    pub total: Money,
    /// Refunded so far.
    pub refunded: Money,
    /// True when all of it has been refunded.
    pub fully_refunded: bool,
    /// True when nothing was to be paid.
    pub free: bool,
    /// How it is paid: `stripe`, `offline`, ... ; null for free orders.
    pub payment_method: Option<String>,
    /// Promotional code, as typed.
    pub promo_code: Option<String>,
    /// Who bought.
    pub buyer: Contact,
    /// What was bought.
    pub lines: Vec<OrderLine>,
    /// The tickets of the order.
    pub tickets: Vec<Ticket>,
    /// Provider's id of the show.
    pub show_id: String,
    /// Answers to the organiser's questions.
    pub answers: Vec<Answer>,
    /// When the cart was reserved.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub placed_at: Option<Timestamp>,
}

/// State of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// Opens the door.
    Active,
    /// Order is not paid yet.
    AwaitingPayment,
    /// Does not open the door.
    Cancelled,
}

/// A ticket (boleta) of one guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// Provider's id.
    pub id: String,
    /// Code printed in the QR (`A-7KQ2M9X`), upper case.
    pub code: String,
    /// State.
    pub status: TicketStatus,
    /// Who comes with it.
    pub holder: Contact,
    /// Provider's product id.
    pub product_id: String,
    /// Provider's tier id, if the product has tiers.
    pub tier_id: Option<String>,
    /// Provider's id of the show.
    pub show_id: String,
    /// Provider's id of the order.
    pub order_id: String,
    /// Provider's id of the date, where a show takes place on several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence_id: Option<String>,
    /// Address of the ticket's own page. Made by the hub when a flow asks for it; nobody keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What its QR holds. Made by the hub, like the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr: Option<String>,
    /// Who sells, as the hub's configuration says. Made by the hub, like the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<String>,
    /// What was bought, as the order calls it. Made by the hub, like the link; null where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A scan at the door: payload of `ticket.checked_in` and `ticket.check_in_undone`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckIn {
    /// Provider's id of the check-in.
    pub id: String,
    /// When it was scanned, by the provider.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub at: Option<Timestamp>,
    /// Provider's id of the door list.
    pub list_id: String,
    /// The ticket that was scanned.
    pub ticket: Ticket,
}

/// State of a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShowStatus {
    /// Not public.
    Draft,
    /// On sale or running.
    Live,
    /// Over.
    Archived,
}

/// Where a show takes place.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Venue {
    /// Name of the place.
    pub name: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// City.
    pub city: Option<String>,
}

/// A fashion event: runway, fair, pop-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Show {
    /// Provider's id.
    pub id: String,
    /// Title.
    pub title: String,
    /// State.
    pub status: ShowStatus,
    /// Start, UTC.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub starts_at: Option<Timestamp>,
    /// End, UTC.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ends_at: Option<Timestamp>,
    /// IANA zone in which it is announced.
    pub time_zone: String,
    /// Currency of its prices.
    pub currency: Option<Currency>,
    /// Place.
    pub venue: Venue,
}

/// A tier of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tier {
    /// Provider's id.
    pub id: String,
    /// Name of the tier.
    pub label: Option<String>,
    /// Price before taxes.
    pub price: Money,
}

/// Something that can be bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Product {
    /// Provider's id.
    pub id: String,
    /// Title.
    pub title: String,
    /// Provider's id of the show.
    pub show_id: String,
    /// Is it a ticket (or goods)?
    pub is_ticket: bool,
    /// Tiers; one without label for an untiered product.
    pub tiers: Vec<Tier>,
}

/// A person in a CRM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Person {
    /// Provider's id.
    pub id: String,
    /// Names and ways to reach.
    pub contact: Contact,
    /// Role or job title.
    pub job_title: Option<String>,
    /// Provider's id of the company.
    pub company_id: Option<String>,
    /// True once deleted, softly or for good.
    pub deleted: bool,
    /// The hub's own id of the person, where the record carries it: the hub wrote it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_id: Option<String>,
}

/// A person across all systems, as the hub knows them: payload of the hub's own `person.*` events, and its read model
/// `person`. Addresses are null where they are not this person's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HubPerson {
    /// The hub's id.
    pub id: PersonId,
    /// The brand that knows them.
    pub brand: String,
    /// Full name as one text, both surnames kept; empty where none is known.
    pub name: String,
    /// Given names.
    pub first_name: String,
    /// Surnames.
    pub last_name: String,
    /// E-mail, lower case.
    pub email: Option<EmailAddress>,
    /// Phone, E.164.
    pub phone: Option<Phone>,
    /// A channel's own id of the person, lower case.
    pub channel_user: Option<String>,
    /// Language that they chose.
    pub language: Option<String>,
    /// What they do.
    pub job_title: Option<String>,
    /// Identity document.
    pub document: Option<HubDocument>,
    /// Their records at providers.
    pub records: Vec<HubRecord>,
    /// Other ids of this person: of before they were joined.
    pub merged: Vec<PersonId>,
    /// True once every record of theirs was deleted.
    pub deleted: bool,
}

/// An identity document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HubDocument {
    /// Short kind: `CC`.
    pub kind: String,
    /// Digits and capital letters.
    pub number: String,
}

/// A provider's record of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HubRecord {
    /// Id that it was born with: it names the record in splits.
    pub born: PersonId,
    /// Connection that tells it.
    pub connection: String,
    /// Its provider; empty where the connection is not configured any more.
    pub provider: String,
    /// `person`, `order`, `ticket`; `phone`, `channel_user`, `email` of whoever wrote; `import`.
    pub kind: String,
    /// The provider's id.
    pub id: String,
    /// Its provider has deleted it.
    pub deleted: bool,
    /// The provider's id of its show, if any.
    pub show_id: Option<String>,
    /// The provider's id of its order, if any.
    pub order_id: Option<String>,
    /// Fields of which it does not say what it should, with what it should say.
    pub differs: Differs,
}

/// Payload of the hub's own `person.*` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HubPersonNews {
    /// The person.
    #[serde(flatten)]
    pub person: HubPerson,
    /// Fields that are not what they were: of a new person, those that are known.
    pub changed: Vec<String>,
}

/// A person as a provider's record has them, or as the hub knows them across all: which one, the event's connection says.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum AnyPerson {
    Provider(Person),
    Hub(HubPersonNews),
}

/// A brand, sponsor or buyer in a CRM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Company {
    /// Provider's id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Web domain, `https://host`.
    pub domain: Option<String>,
    /// True once deleted.
    pub deleted: bool,
}

/// A deal in a CRM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deal {
    /// Provider's id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Stage, as the CRM names it.
    pub stage: String,
    /// Amount.
    pub amount: Option<Money>,
    /// Provider's id of the person.
    pub person_id: Option<String>,
    /// Provider's id of the company.
    pub company_id: Option<String>,
    /// True once deleted.
    pub deleted: bool,
}

/// A record of the fashion model in a CRM: a designer's profile, a collection, a level of sponsorship, a show, an order,
/// the consent of a model. Its fields bear the names that the CRM gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Provider's id.
    pub id: String,
    /// Object, as the provider names it.
    pub object: String,
    /// Name.
    pub name: String,
    /// The hub's own key of it, where it bears one.
    pub key: Option<String>,
    /// What else is filled, by field.
    pub fields: BTreeMap<String, Value>,
    /// Provider's ids of the records that it points at, by relation.
    pub links: BTreeMap<String, Value>,
    /// True once deleted.
    pub deleted: bool,
}

/// A message from or to a person: payload of the `message.*` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Provider's id of the message.
    pub id: String,
    /// `whatsapp`, `email`, ...
    pub channel: String,
    /// Our number or address.
    pub sender: String,
    /// The person, as far as known. A phone may be missing (WhatsApp user names).
    pub contact: Contact,
    /// The channel's own id of the person (a WhatsApp BSUID), if given.
    pub channel_user_id: Option<String>,
    /// `text`, `image`, `button`, `reaction`, `location`, ... ; `status` for the events about our own messages.
    pub kind: String,
    /// Text, caption or label of the button that was pressed.
    pub text: Option<String>,
    /// Payload of a button or list row.
    pub payload: Option<String>,
    /// Message that this one answers.
    pub reply_to: Option<String>,
    /// Provider's id of attached media.
    pub media_id: Option<String>,
    /// Why it failed: the provider's code, for `message.failed`.
    pub error_code: Option<String>,
    /// Why it failed, in words.
    pub error: Option<String>,
}

/// A message template's state: payload of the `template.*` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    /// Provider's id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Language code.
    pub language: String,
    /// Reason given by the provider.
    pub reason: Option<String>,
}

/// Consent given or withdrawn: payload of the `consent.*` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Consent {
    /// Who.
    pub contact: Contact,
    /// The channel's own id of the person, if given.
    pub channel_user_id: Option<String>,
    /// `whatsapp`, `email`, ...
    pub channel: String,
    /// `marketing`, ...
    pub purpose: String,
    /// Id of the ledger's record (`cns_...`), where it is one of the hub's own.
    #[serde(default)]
    pub record_id: Option<String>,
    /// What proves it, as far as it was told.
    #[serde(default)]
    pub evidence: Option<crate::consent::Evidence>,
}

/// Somebody asks for the link to their own page: payload of `person.link_requested`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkRequest {
    /// The address to which the link goes, and the language of the page on which it was asked for.
    pub contact: Contact,
}

/// News of a request of a person: payload of the `case.*` events but `case.reminder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseNews {
    /// Number: `RAD-2026-000123`.
    pub number: String,
    /// Consulta, reclamo or pqr.
    pub kind: crate::case::CaseKind,
    /// Where it stands.
    pub state: crate::case::CaseState,
    /// Whom it is about.
    pub contact: Contact,
    /// While "reclamo en trámite" stands beside the person's data: number and reason; else nothing. For the field
    /// `reclamo_en_tramite` of every destination that can hold it.
    pub label: Option<String>,
    /// End of the next term.
    #[schemars(with = "Option<crate::Moment>")]
    pub due_by: Option<jiff::Timestamp>,
    /// What was decided.
    pub ruling: Option<crate::case::Ruling>,
    /// The letter to the person, where there is one.
    pub letter: Option<crate::case::Letter>,
}

/// Cases and incidents near their terms: payload of `case.reminder`, once a working day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReminder {
    /// The day, `2026-11-26`.
    pub day: String,
    /// How many are late.
    pub late: u64,
    /// All of them, a line for each, in Spanish.
    pub text: String,
    /// All of them, the earliest first.
    pub cases: Vec<Pending>,
}

/// A case or an incident near its term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pending {
    /// Number.
    pub number: String,
    /// `consulta`, `reclamo`, `pqr` or `incident`.
    pub kind: String,
    /// What is due: `answer`, `label`, `ask_to_complete`, `report`.
    pub duty: String,
    /// End of the term.
    #[schemars(with = "crate::Moment")]
    pub by: jiff::Timestamp,
    /// It is over.
    pub late: bool,
}

/// What became of an e-mail: payload of the `email.*` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MailNews {
    /// Whose mailbox.
    pub email: EmailAddress,
    /// Message-ID of the message that it is about, without angle brackets.
    pub message_id: Option<String>,
    /// Is it over with this address? A full mailbox is not.
    pub permanent: bool,
    /// The mail server's code (`5.1.1`), if given.
    pub code: Option<String>,
    /// Why, in the other side's words.
    pub reason: Option<String>,
}

/// Somebody asked for one action of one connection: payload of `action.asked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActionAsked {
    /// Connection at which.
    pub connection: String,
    /// Action, by its name.
    pub action: String,
    /// Its input, as the action's schema has it.
    pub input: serde_json::Value,
    /// Who asked.
    pub by: String,
}

/// Kinds of read models that are parts of a show.
pub const PARTS_OF_A_SHOW: [&str; 6] = ["order", "ticket", "product", "check_in", "door_list", "waitlist_entry"];

/// The read model that one of this kind is a part of, by what it says: orders, tickets, products, scans, door
/// lists and whoever waits for a place, of their show.
#[must_use]
pub fn whole_of(kind: &str, data: &serde_json::Value) -> Option<crate::EntityRef> {
    let show = PARTS_OF_A_SHOW.contains(&kind).then(|| data.get("show_id")?.as_str())??;
    (!show.is_empty()).then(|| crate::EntityRef::new("show", show))
}

/// JSON Schema of the payload of a canonical event type, or of a read model by its name.
/// `None` when the type has no fixed payload (events of the `http` provider).
#[must_use]
pub fn schema_of(name: &str) -> Option<schemars::Schema> {
    let head = name.split('.').next().unwrap_or(name);
    Some(match name {
        "person.link_requested" => schemars::schema_for!(LinkRequest),
        "action.asked" => schemars::schema_for!(ActionAsked),
        "case.reminder" => schemars::schema_for!(CaseReminder),
        "ticket.checked_in" | "ticket.check_in_undone" => schemars::schema_for!(CheckIn),
        "check_in" => schemars::schema_for!(Scan),
        "door_list" => schemars::schema_for!(DoorList),
        "trait" => schemars::schema_for!(ServerTrait),
        "waitlist_entry" => schemars::schema_for!(WaitlistEntry),
        _ => match head {
            "order" => schemars::schema_for!(Order),
            "ticket" => schemars::schema_for!(Ticket),
            "show" => schemars::schema_for!(Show),
            "product" => schemars::schema_for!(Product),
            "person" => schemars::schema_for!(AnyPerson),
            "company" => schemars::schema_for!(Company),
            "deal" => schemars::schema_for!(Deal),
            "designer" | "collection" | "sponsor_tier" | "show_record" | "order_record" | "model_release" => {
                schemars::schema_for!(Record)
            }
            "message" => schemars::schema_for!(Message),
            "template" => schemars::schema_for!(Template),
            "consent" if name == head => schemars::schema_for!(crate::consent::ConsentView),
            "consent" => schemars::schema_for!(Consent),
            "case" if name != head => schemars::schema_for!(CaseNews),
            "email" => schemars::schema_for!(MailNews),
            "buyer" => schemars::schema_for!(Contact),
            "promo_code" => schemars::schema_for!(PromoCode),
            "affiliate" => schemars::schema_for!(Affiliate),
            "capacity" => schemars::schema_for!(Capacity),
            "stock" => schemars::schema_for!(Stock),
            "show_sales" => schemars::schema_for!(ShowSales),
            _ => return None,
        },
    })
}
