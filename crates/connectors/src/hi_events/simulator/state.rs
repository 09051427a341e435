//! What the double knows, and what happens to it. Shapes for the wire are in [`super::resources`].

use super::php;
use jiff::Timestamp;
use pasarela_connector::Arrival;
use pasarela_domain::{Currency, Money};
use serde_json::{Value, json};

pub(super) struct State {
    pub(super) organizer: u64,
    pub(super) shows: Vec<Show>,
    pub(super) products: Vec<Product>,
    pub(super) promos: Vec<Promo>,
    pub(super) orders: Vec<Order>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) lists: Vec<List>,
    pub(super) scans: Vec<Scan>,
    pub(super) questions: Vec<Question>,
    pub(super) affiliates: Vec<Affiliate>,
    pub(super) capacities: Vec<Capacity>,
    pub(super) messages: Vec<Message>,
    pub(super) carts: Vec<Cart>,
    pub(super) waitlist: Vec<Waiting>,
    /// Refunds that Stripe has not confirmed yet.
    refunds: Vec<(Timestamp, u64, Money)>,
    next: [u64; 17],
}

pub(super) struct Show {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) status: &'static str,
    pub(super) currency: Currency,
    pub(super) time_zone: String,
    pub(super) location: Option<Value>,
    pub(super) category: u64,
    pub(super) settings: serde_json::Map<String, Value>,
}

pub(super) struct Product {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) title: String,
    /// `TIERED`, `PAID`, `FREE`, `DONATION`.
    pub(super) kind: String,
    /// `TICKET` or `GENERAL`.
    pub(super) product_type: &'static str,
    pub(super) description: Option<String>,
    pub(super) tiers: Vec<Tier>,
    pub(super) taxes: Vec<Tax>,
}

pub(super) struct Tier {
    pub(super) id: u64,
    pub(super) label: Option<String>,
    pub(super) price: Money,
    pub(super) sold: u32,
    pub(super) capacity: Option<u32>,
}

#[derive(Clone)]
pub(super) struct Tax {
    pub(super) id: u64,
    pub(super) name: String,
    /// Percent.
    pub(super) rate: f64,
}

pub(super) struct Promo {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) code: String,
    /// Percent off, or an amount off.
    pub(super) discount: Discount,
    /// None: for all that the show sells.
    pub(super) products: Vec<u64>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) most: Option<u32>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Whose link sells.
pub(super) struct Affiliate {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) name: String,
    pub(super) code: String,
    pub(super) email: Option<String>,
    pub(super) status: &'static str,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Places that several products share.
pub(super) struct Capacity {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) name: String,
    pub(super) capacity: Option<u32>,
    pub(super) status: &'static str,
    pub(super) products: Vec<u64>,
}

/// An e-mail of the organiser's to guests.
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) kind: String,
    /// Tickets that it went to.
    pub(super) tickets: Vec<u64>,
    pub(super) at: Timestamp,
}

#[derive(Clone, Copy)]
pub(super) enum Discount {
    None,
    Percentage(f64),
    Fixed(Money),
}

pub(super) struct Order {
    pub(super) id: u64,
    pub(super) short_id: String,
    pub(super) public_id: String,
    pub(super) show: u64,
    pub(super) status: &'static str,
    pub(super) refund_status: Option<&'static str>,
    pub(super) payment_status: &'static str,
    pub(super) provider: Option<&'static str>,
    pub(super) before: Money,
    pub(super) tax: Money,
    pub(super) total: Money,
    pub(super) refunded: Money,
    pub(super) rollup: Value,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    pub(super) notes: Option<String>,
    pub(super) promo: Option<String>,
    /// Whose link it came by: told by no answer about the order.
    pub(super) affiliate: Option<u64>,
    pub(super) created_at: Timestamp,
    pub(super) items: Vec<Item>,
    pub(super) answers: Vec<Answered>,
}

pub(super) struct Item {
    pub(super) id: u64,
    pub(super) product: u64,
    pub(super) name: String,
    pub(super) price: Money,
    pub(super) before_discount: Option<Money>,
    pub(super) quantity: u32,
    pub(super) total: Money,
    pub(super) rollup: Value,
}

/// What the organiser asks, at the checkout (`ORDER`) or for each ticket (`PRODUCT`).
#[derive(Clone)]
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) title: String,
    pub(super) kind: String,
    pub(super) belongs_to: &'static str,
    pub(super) products: Vec<u64>,
    pub(super) options: Option<Vec<String>>,
    pub(super) required: bool,
    pub(super) hidden: bool,
    pub(super) description: Option<String>,
}

/// An answer to a question.
pub(super) struct Answered {
    pub(super) id: u64,
    pub(super) question: u64,
    /// A text, or texts of what was chosen.
    pub(super) answer: Value,
    pub(super) ticket: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) order: u64,
    pub(super) product: u64,
    pub(super) tier: u64,
    pub(super) show: u64,
    pub(super) email: String,
    pub(super) status: &'static str,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) public_id: String,
    pub(super) short_id: String,
    pub(super) locale: String,
    pub(super) notes: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

pub(super) struct List {
    pub(super) id: u64,
    pub(super) short_id: String,
    pub(super) show: u64,
    pub(super) name: String,
    pub(super) products: Vec<u64>,
    pub(super) expires_at: Option<Timestamp>,
}

pub(super) struct Scan {
    pub(super) id: u64,
    pub(super) short_id: String,
    pub(super) list: u64,
    pub(super) ticket: u64,
    pub(super) at: Timestamp,
    pub(super) undone: bool,
}

/// A cart of the public checkout.
pub(super) struct Cart {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) short_id: String,
    pub(super) public_id: String,
    /// Whoever knows it goes on with the cart.
    pub(super) session: String,
    /// Tier of each ticket.
    pub(super) tickets: Vec<u64>,
    pub(super) promo: Option<String>,
    pub(super) affiliate: Option<String>,
    pub(super) reserved_until: Timestamp,
    /// Buyer and holders as they were typed; null until then.
    pub(super) people: Value,
    /// The order that it became.
    pub(super) order: Option<u64>,
}

/// Somebody on a waitlist.
pub(super) struct Waiting {
    pub(super) id: u64,
    pub(super) show: u64,
    pub(super) tier: u64,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    pub(super) status: &'static str,
    pub(super) locale: String,
    pub(super) offered_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) order: Option<u64>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// Kinds of ids, each with a row of its own.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Show,
    Product,
    Tier,
    Order,
    Item,
    Ticket,
    List,
    Scan,
    Answer,
    Question,
    Promo,
    Affiliate,
    Capacity,
    Category,
    Message,
    Cart,
    Waiting,
}

impl State {
    pub(super) fn new(organizer: u64) -> Self {
        Self {
            organizer,
            shows: Vec::new(),
            products: Vec::new(),
            promos: Vec::new(),
            orders: Vec::new(),
            tickets: Vec::new(),
            lists: Vec::new(),
            scans: Vec::new(),
            questions: Vec::new(),
            affiliates: Vec::new(),
            capacities: Vec::new(),
            messages: Vec::new(),
            carts: Vec::new(),
            waitlist: Vec::new(),
            refunds: Vec::new(),
            next: [118, 54, 201, 3301, 4401, 9001, 22, 7001, 5000, 76, 6, 4, 5, 31, 61, 1, 901],
        }
    }

    pub(super) fn id(&mut self, kind: Kind) -> u64 {
        match self.next.get_mut(kind as usize) {
            Some(next) => {
                *next += 1;
                *next - 1
            }
            None => 0,
        }
    }

    pub(super) fn show(&self, id: u64) -> Option<&Show> {
        self.shows.iter().find(|s| s.id == id)
    }
    pub(super) fn show_mut(&mut self, id: u64) -> Option<&mut Show> {
        self.shows.iter_mut().find(|s| s.id == id)
    }
    pub(super) fn order(&self, id: u64) -> Option<&Order> {
        // Ids are given in order.
        self.orders.binary_search_by_key(&id, |o| o.id).ok().and_then(|i| self.orders.get(i))
    }
    pub(super) fn order_mut(&mut self, id: u64) -> Option<&mut Order> {
        self.orders.binary_search_by_key(&id, |o| o.id).ok().and_then(|i| self.orders.get_mut(i))
    }
    pub(super) fn ticket(&self, id: u64) -> Option<&Ticket> {
        self.tickets.binary_search_by_key(&id, |t| t.id).ok().and_then(|i| self.tickets.get(i))
    }
    pub(super) fn ticket_mut(&mut self, id: u64) -> Option<&mut Ticket> {
        self.tickets.binary_search_by_key(&id, |t| t.id).ok().and_then(|i| self.tickets.get_mut(i))
    }
    pub(super) fn ticket_by_code(&self, code: &str) -> Option<&Ticket> {
        self.tickets.iter().find(|t| t.public_id.eq_ignore_ascii_case(code))
    }
    /// Tickets of an order: made together, they stand together.
    pub(super) fn tickets_of(&self, order: u64) -> impl Iterator<Item = &Ticket> {
        let start = self.tickets.partition_point(|t| t.order < order);
        self.tickets.iter().skip(start).take_while(move |t| t.order == order)
    }
    pub(super) fn question(&self, id: u64) -> Option<&Question> {
        self.questions.iter().find(|q| q.id == id)
    }
    pub(super) fn product_by_id(&self, id: u64) -> Option<&Product> {
        self.products.iter().find(|p| p.id == id)
    }
    pub(super) fn list_by_short(&self, short_id: &str) -> Option<&List> {
        self.lists.iter().find(|l| l.short_id == short_id)
    }
    pub(super) fn scan_of(&self, ticket: u64, list: u64) -> Option<&Scan> {
        self.scans.iter().rev().find(|s| s.ticket == ticket && s.list == list && !s.undone)
    }

    /// `false`: the order does not wait for an offline payment.
    pub(super) fn mark_as_paid(&mut self, id: u64, now: Timestamp) -> bool {
        let Some(order) = self.order_mut(id) else {
            return false;
        };
        if order.status != "AWAITING_OFFLINE_PAYMENT" {
            return false;
        }
        order.status = "COMPLETED";
        order.payment_status = "PAYMENT_RECEIVED";
        let tickets: Vec<u64> = self.tickets_of(id).map(|t| t.id).collect();
        for ticket in tickets {
            if let Some(ticket) = self.ticket_mut(ticket).filter(|t| t.status == "AWAITING_PAYMENT") {
                ticket.status = "ACTIVE";
                ticket.updated_at = now;
            }
        }
        true
    }

    /// The tickets that were cancelled with it; `None`: it was cancelled already.
    pub(super) fn cancel_order(&mut self, id: u64, now: Timestamp) -> Option<Vec<u64>> {
        let order = self.order_mut(id).filter(|o| o.status != "CANCELLED")?;
        order.status = "CANCELLED";
        let tickets: Vec<u64> = self.tickets_of(id).filter(|t| t.status != "CANCELLED").map(|t| t.id).collect();
        for ticket in &tickets {
            self.set_ticket_status(*ticket, "CANCELLED", now);
        }
        Some(tickets)
    }

    pub(super) fn set_ticket_status(&mut self, id: u64, status: &'static str, now: Timestamp) {
        let Some(ticket) = self.ticket_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut ticket.status, status);
        ticket.updated_at = now;
        let (product, tier) = (ticket.product, ticket.tier);
        let product = self.products.iter_mut().find(|p| p.id == product);
        let Some(tier) = product.and_then(|p| p.tiers.iter_mut().find(|t| t.id == tier)) else {
            return;
        };
        match (before, status) {
            ("CANCELLED", "CANCELLED") => {}
            (_, "CANCELLED") => tier.sold = tier.sold.saturating_sub(1),
            ("CANCELLED", _) => tier.sold = tier.sold.saturating_add(1),
            _ => {}
        }
    }

    /// Why a refund is not possible, in the provider's words.
    pub(super) fn refundable(&self, order: &Order, amount: Money) -> Result<(), &'static str> {
        if order.provider != Some("STRIPE") {
            return Err("Only orders paid with Stripe can be refunded");
        }
        if amount.minor <= 0 || amount.minor > order.total.minor - order.refunded.minor {
            return Err("The amount must be greater than 0 and no more than what has not been refunded yet");
        }
        Ok(())
    }

    pub(super) fn refund_later(&mut self, at: Timestamp, order: u64, amount: Money) {
        if let Some(order) = self.order_mut(order) {
            order.refund_status = Some("REFUND_PENDING");
        }
        self.refunds.push((at, order, amount));
    }

    pub(super) fn refund(&mut self, order: u64, amount: Money) {
        let Some(order) = self.order_mut(order) else {
            return;
        };
        order.refunded.minor = order.refunded.minor.saturating_add(amount.minor);
        let whole = order.refunded.minor >= order.total.minor;
        order.refund_status = Some(if whole { "REFUNDED" } else { "PARTIALLY_REFUNDED" });
    }

    /// What has become due by now.
    pub(super) fn settle(&mut self, now: Timestamp) {
        for entry in self.waitlist.iter_mut().filter(|w| w.status == "OFFERED") {
            if entry.expires_at.is_some_and(|at| at <= now) {
                (entry.status, entry.updated_at) = ("OFFER_EXPIRED", now);
            }
        }
        let (due, later) = std::mem::take(&mut self.refunds).into_iter().partition(|(at, ..)| *at <= now);
        self.refunds = later;
        let due: Vec<(Timestamp, u64, Money)> = due;
        for (_, order, amount) in due {
            self.refund(order, amount);
        }
    }

    /// The check-in, and whether it was there before.
    pub(super) fn scan(&mut self, ticket: u64, list: u64, now: Timestamp) -> (u64, bool) {
        if let Some(scan) = self.scan_of(ticket, list) {
            return (scan.id, true);
        }
        let id = self.id(Kind::Scan);
        let short_id = format!("ci_{}", php::code(&format!("scan {id}"), 13, false));
        self.scans.push(Scan { id, short_id, list, ticket, at: now, undone: false });
        (id, false)
    }

    pub(super) fn scans_by_ticket(&self) -> impl Iterator<Item = Arrival> {
        self.scans.iter().filter(|s| !s.undone).filter_map(|scan| {
            let ticket = self.ticket(scan.ticket)?;
            Some(Arrival {
                kind: "check_in".into(),
                identity: format!("{}@{}", ticket.public_id, scan.list),
                times: 1,
                detail: format!("{} {} on list {}", ticket.first_name, ticket.last_name, scan.list),
            })
        })
    }
}

/// Taxes of a whole order: those of its lines, with their keys in another order.
pub(super) fn order_rollup(total: Money, taxes: &[Tax]) -> Value {
    let (_, lines) = line_rollup(total, taxes);
    let rows = lines.get("taxes").and_then(Value::as_array).map(|rows| {
        let row = |r: &Value| {
            let at = |key: &str| r.get(key).cloned().unwrap_or_default();
            json!({ "name": at("name"), "value": at("value"), "rate": at("rate"), "type": at("type") })
        };
        rows.iter().map(row).collect::<Vec<_>>()
    });
    // PHP writes an empty map as a list.
    rows.map_or_else(|| json!([]), |rows| json!({ "taxes": rows }))
}

/// Taxes of a line: exact products, not rounded, as the provider keeps them.
pub(super) fn line_rollup(total: Money, taxes: &[Tax]) -> (f64, Value) {
    let base: f64 = total.major_text().parse().unwrap_or(0.0);
    let entries: Vec<(f64, Value)> = taxes
        .iter()
        .map(|tax| {
            let value = base * tax.rate / 100.0;
            (value, json!({ "name": tax.name, "rate": tax.rate, "type": "PERCENTAGE", "value": value }))
        })
        .collect();
    let sum = entries.iter().map(|(value, _)| value).sum();
    let rows: Vec<Value> = entries.into_iter().map(|(_, row)| row).collect();
    // PHP writes an empty map as a list.
    (sum, if rows.is_empty() { json!([]) } else { json!({ "taxes": rows }) })
}
