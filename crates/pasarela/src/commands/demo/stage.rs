//! Plays a night: does at the providers what people do, at the time at which they do it, and writes
//! into the ledger what has to follow.

use super::ledger::{Ledger, Party, Sale};
use super::people::Person;
use super::plan::{Fate, PROMO, Payment, Purchase, TIERS};
use super::screen::Screen;
use super::tempo::{SHOW, Tempo};
use super::world::World;
use crate::Failure;
use jiff::Timestamp;
use pasarela_colombia::{Lang, calendar, money};
use pasarela_domain::{Clock as _, Currency, Money};
use rand::RngExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Shows of the season, in turn.
const SHOWS: [(&str, &str, &str); 4] = [
    ("Noche de Lino", "Museo de Arte Moderno", "Bogotá"),
    ("Raíz y Seda", "Plaza Mayor", "Medellín"),
    ("Caribe en Blanco", "Baluarte de Santa Catalina", "Cartagena"),
    ("Telares del Pacífico", "Centro de Eventos Valle del Pacífico", "Cali"),
];
/// Amount of a partial refund.
const BACK: u32 = 20_000;

/// A person's doing, or a blow of fate.
#[derive(Debug, Clone, Copy)]
enum Act {
    Buy(usize),
    MarkAsPaid(usize),
    Cancel(usize),
    Refund(usize, bool),
    Scan(usize, usize),
    ScanAgain(usize, usize),
    Kill,
}

/// What was sold, with the provider's ids.
struct Sold {
    order: Value,
    sale: Sale,
}

pub(super) struct Stage<'a> {
    pub(super) world: &'a mut World,
    pub(super) ledger: &'a mut Ledger,
    pub(super) screen: &'a Screen,
    pub(super) tempo: Tempo,
    counts: Counts,
    show: Value,
    title: String,
    sold: BTreeMap<usize, Sold>,
}

#[derive(Default)]
struct Counts {
    orders: usize,
    tickets: usize,
    inside: usize,
}

impl<'a> Stage<'a> {
    pub(super) fn new(world: &'a mut World, ledger: &'a mut Ledger, screen: &'a Screen, tempo: Tempo) -> Self {
        let (counts, sold) = (Counts::default(), BTreeMap::new());
        Self { world, ledger, screen, tempo, counts, show: Value::Null, title: String::new(), sold }
    }

    /// Plays the `number`th night, whose sale opens at `opens` (business time) and `start` (real time).
    pub(super) async fn play(
        &mut self,
        number: usize,
        (start, opens): (Instant, Timestamp),
        purchases: &[Purchase],
        kills: usize,
        rng: &mut impl rand::Rng,
    ) -> Result<(), Failure> {
        tokio::time::sleep_until(start).await;
        self.open_sale(number, opens, purchases)?;
        let acts = self.schedule(purchases, kills, rng);
        let mut look = tokio::time::interval(Duration::from_millis(250));
        for (at, act) in acts {
            let due = start + Duration::from_secs_f64(at);
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(due) => break,
                    _ = look.tick() => self.show(start),
                }
            }
            self.perform(act, purchases).await?;
        }
        let end = start + Duration::from_secs_f64(self.tempo.door_opens() + self.tempo.door);
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.show(start);
        }
        Ok(())
    }

    fn open_sale(&mut self, number: usize, opens: Timestamp, purchases: &[Purchase]) -> Result<(), Failure> {
        let (title, venue, city) = SHOWS[number % SHOWS.len()];
        self.title =
            if number < SHOWS.len() { title.to_owned() } else { format!("{title} {}", number / SHOWS.len() + 1) };
        let starts_at = opens.checked_add(SHOW).unwrap_or(Timestamp::MAX);
        let tiers: Vec<Value> =
            TIERS.iter().map(|(label, price)| json!({ "label": label, "price": price, "capacity": 100_000 })).collect();
        let made = self.world.at_ticketing(
            "create_show",
            &json!({
                "title": self.title, "starts_at": starts_at, "venue": venue, "city": city, "tiers": tiers,
                "taxes": [{ "name": "IVA", "rate": 19 }],
            }),
        )?;
        self.show = made["show_id"].clone();
        let promo = json!({ "show_id": self.show, "code": PROMO, "discount_type": "PERCENTAGE", "discount": 10 });
        self.world.at_ticketing("create_promo", &promo)?;
        let at_whatsapp = |command: &str, args: Value| {
            self.world.host.act(Party::WhatsApp.connection(), command, &args).map_err(Failure::Failed)
        };
        let holders = purchases.iter().flat_map(|p| p.tickets.iter().filter_map(|t| t.holder.as_ref()));
        for person in purchases.iter().map(|p| &p.buyer).chain(holders).filter(|p| p.e164.is_some()) {
            at_whatsapp("introduce", json!({ "phone": person.e164, "name": person.name() }))?;
        }
        for phone in purchases.iter().filter(|p| p.no_whatsapp).filter_map(|p| p.buyer.e164.as_ref()) {
            at_whatsapp("no_whatsapp", json!({ "phone": phone }))?;
        }
        self.screen.say(&format!(
            "{}, {venue}, {city}: {}. The sale opens.",
            self.title,
            calendar::date_time(starts_at, Lang::En)
        ));
        Ok(())
    }

    /// When everything happens, in real seconds of the night.
    fn schedule(&self, purchases: &[Purchase], kills: usize, rng: &mut impl rand::Rng) -> Vec<(f64, Act)> {
        let t = self.tempo;
        let mut acts = Vec::new();
        for (i, purchase) in purchases.iter().enumerate() {
            let at = t.sale * purchase.at;
            acts.push((at, Act::Buy(i)));
            let later = at + t.pause * rng.random_range(0.7..1.0);
            match purchase.fate {
                Fate::MarkedAsPaid => acts.push((later, Act::MarkAsPaid(i))),
                Fate::Cancelled => acts.push((later, Act::Cancel(i))),
                Fate::PartlyRefunded => acts.push((later, Act::Refund(i, false))),
                Fate::Refunded => acts.push((later, Act::Refund(i, true))),
                Fate::Stays | Fate::NeverPaid => {}
            }
            if matches!(purchase.fate, Fate::Cancelled | Fate::Refunded | Fate::NeverPaid) {
                continue;
            }
            for (n, ticket) in purchase.tickets.iter().enumerate().filter(|(_, t)| t.comes) {
                let at = t.door_opens() + t.door * rng.random_range(0.05..0.7);
                acts.push((at, Act::Scan(i, n)));
                if ticket.scanned_twice {
                    acts.push((at + t.door * 0.1, Act::ScanAgain(i, n)));
                }
            }
        }
        // Twice while tickets are sold, then at the door.
        let places = [(0.0, t.sale * 0.5), (t.sale * 0.5, t.sale), (t.door_opens(), t.door_opens() + t.door * 0.8)];
        acts.extend(places.into_iter().cycle().take(kills).map(|(from, to)| (rng.random_range(from..to), Act::Kill)));
        acts.sort_by(|a, b| a.0.total_cmp(&b.0));
        acts
    }

    async fn perform(&mut self, act: Act, purchases: &[Purchase]) -> Result<(), Failure> {
        match act {
            Act::Buy(i) => self.buy(i, &purchases[i]),
            Act::MarkAsPaid(i) => self.with_order(i, "mark_as_paid", json!({}), |ledger, sale| {
                ledger.paid(sale);
                format!("{} of {} is marked as paid", sale.number, sale.buyer.name())
            }),
            Act::Cancel(i) => self.with_order(i, "cancel_order", json!({}), |ledger, sale| {
                ledger.cancelled(sale);
                format!("{} of {} is cancelled", sale.number, sale.buyer.name())
            }),
            Act::Refund(i, whole) => {
                let amount = if whole { json!({}) } else { json!({ "amount": BACK }) };
                self.with_order(i, "refund", amount, |ledger, sale| {
                    ledger.refunded(sale, whole);
                    let part = if whole { "All money" } else { "Part of the money" };
                    format!("{part} of {} goes back to {}", sale.number, sale.buyer.name())
                })
            }
            Act::Scan(i, n) => self.scan(i, n, false),
            Act::ScanAgain(i, n) => self.scan(i, n, true),
            Act::Kill => {
                let begun = Instant::now();
                self.world.kill_hub().await?;
                self.screen.say(&format!(
                    "{}  The hub was killed (SIGKILL) and is back after {} ms",
                    self.time(),
                    begun.elapsed().as_millis()
                ));
                Ok(())
            }
        }
    }

    fn buy(&mut self, i: usize, purchase: &Purchase) -> Result<(), Failure> {
        let tickets: Vec<Value> = purchase
            .tickets
            .iter()
            .map(|t| json!({ "tier": t.tier, "holder": t.holder.as_ref().map(typed) }))
            .collect();
        let args = json!({
            "show_id": self.show, "buyer": typed(&purchase.buyer), "tickets": tickets, "payment": purchase.payment.word(),
            "promo": purchase.promo.then_some(PROMO), "locale": "es",
        });
        let made = self.world.at_ticketing("sell", &args)?;
        let codes = made["tickets"].as_array().into_iter().flatten().map(|t| t["code"].as_str().unwrap_or_default());
        let sale = Sale {
            number: made["number"].as_str().unwrap_or_default().to_owned(),
            buyer: purchase.buyer.clone(),
            tickets: codes.map(str::to_owned).zip(purchase.tickets.iter().map(|t| t.holder.clone())).collect(),
            show: self.title.clone(),
            paid: purchase.payment != Payment::Offline,
            no_whatsapp: purchase.no_whatsapp,
        };
        self.ledger.placed(&sale);
        self.counts.orders += 1;
        self.counts.tickets += sale.tickets.len();
        let tiers: Vec<&str> = purchase.tickets.iter().map(|t| t.tier).collect();
        let how = match purchase.payment {
            Payment::Free => "for free".to_owned(),
            Payment::Card => format!("by card, {}", pesos(&made["total"])),
            Payment::Offline => format!("to be paid later, {}", pesos(&made["total"])),
        };
        let promo = if purchase.promo { " with a promo code" } else { "" };
        self.screen.tell(&format!("{}  {} buys {}{promo} {how}", self.time(), sale.buyer.name(), tiers.join(" + ")));
        self.sold.insert(i, Sold { order: made["order_id"].clone(), sale });
        Ok(())
    }

    /// Does something with an order that was sold, and writes it down.
    fn with_order(
        &mut self,
        i: usize,
        command: &str,
        mut args: Value,
        write: impl FnOnce(&mut Ledger, &Sale) -> String,
    ) -> Result<(), Failure> {
        let Some(sold) = self.sold.get(&i) else { return Ok(()) };
        args["order_id"] = sold.order.clone();
        self.world.at_ticketing(command, &args)?;
        let line = write(self.ledger, &sold.sale);
        self.screen.tell(&format!("{}  {line}", self.time()));
        Ok(())
    }

    fn scan(&mut self, i: usize, n: usize, again: bool) -> Result<(), Failure> {
        let Some(sold) = self.sold.get(&i) else { return Ok(()) };
        let Some((code, holder)) = sold.sale.tickets.get(n) else { return Ok(()) };
        self.world.at_ticketing("scan", &json!({ "code": code }))?;
        let name = holder.as_ref().unwrap_or(&sold.sale.buyer).name();
        let line = if again {
            format!("{code} of {name} is scanned again")
        } else {
            self.ledger.came(&sold.sale, n);
            self.counts.inside += 1;
            format!("{name} comes in with {code}")
        };
        self.screen.tell(&format!("{}  {line}", self.time()));
        Ok(())
    }

    fn time(&self) -> String {
        format!("{:>8}", calendar::time(self.world.clock.now(), Lang::En))
    }

    fn show(&self, start: Instant) {
        let phase = self.tempo.phase(start.elapsed().as_secs_f64());
        let title = format!("{}  {}: {phase}", calendar::date_time(self.world.clock.now(), Lang::En), self.title);
        let arrived = self.world.arrived();
        let (rows, _) = self.ledger.compare(&arrived, &BTreeMap::new());
        let row = |party| rows.get(&party).copied().unwrap_or_default();
        let (crm, chat, post) = (row(Party::Twenty), row(Party::WhatsApp), row(Party::Mail));
        let later = self.ledger.reminders_to_come(&arrived);
        let to_come = if later > 0 { format!(", reminders to come {later}") } else { String::new() };
        let Counts { orders, tickets, inside } = self.counts;
        let lines = [
            format!("{:<10} orders {orders}, tickets {tickets}, inside {inside}", Party::HiEvents.title()),
            format!("{:<10} people and notes {} of {}", Party::Twenty.title(), crm.arrived, crm.wanted),
            format!(
                "{:<10} messages {} of {}{to_come}",
                Party::WhatsApp.title(),
                chat.arrived,
                chat.wanted.saturating_sub(later)
            ),
            format!("{:<10} messages {} of {}", Party::Mail.title(), post.arrived, post.wanted),
        ];
        self.screen.stand(&title, &lines);
    }
}

/// A person as a form of Hi.Events takes one.
fn typed(person: &Person) -> Value {
    json!({
        "first_name": person.first_name, "last_name": person.last_name, "email": person.email, "phone": person.phone,
    })
}

fn pesos(major: &Value) -> String {
    let text = major.as_str().map_or_else(|| major.to_string(), str::to_owned);
    let minor = Money::from_major_text(&text, Currency::COP).map(|m| m.minor).unwrap_or_default();
    money::format_money(minor, 2, "COP", Lang::En)
}
