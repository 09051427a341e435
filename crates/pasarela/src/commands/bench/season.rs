//! `pasarela bench season`: a sold-out show from the double of the ticketing into the double of the CRM, by a clock that
//! runs faster. What people did is known here and nowhere else, so that what is missing and what stands there twice is
//! seen; then the same with half of the webhooks lost, and a replay of everything, which must change nothing.
//!
//! Time is business time. The shortest that the limits allow is that of the calls which were made until all of it was
//! there, at the pace that the CRM's limit of 100 calls a minute allows (600 ms). Told beside it: the calls of a client that
//! knows everything beforehand, a look and a write for every 200 records.

use super::figures::{Goal, Report};
use crate::Failure;
use crate::commands::demo::people::Person;
use crate::commands::demo::world::World;
use crate::output::note;
use axum::http::Method;
use jiff::Timestamp;
use pasarela_domain::{Clock as _, Pace, Segment};
use pasarela_sandbox::Faults;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Connection of the CRM in that world, and how often its limit lets a call through.
const CRM: &str = "twenty";
const EVERY: f64 = 0.6;
/// Real time that everything may take.
const PATIENCE: Duration = Duration::from_secs(1500);

#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// Tickets of the show.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    guests: u32,
    /// Business seconds in a real one. What the hub computes counts that often.
    #[arg(long, default_value_t = 4.0)]
    speed: f64,
    /// Seed of the population.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What people did, as they know it.
#[derive(Default)]
struct Truth {
    /// E-mail to the fullest name that its owner gave.
    with_email: BTreeMap<String, String>,
    /// Guests who gave no address of their own, by name: several may have one.
    named: BTreeMap<String, u32>,
    /// Order number to its state in the CRM, and its tickets.
    orders: BTreeMap<String, (&'static str, usize)>,
}

struct Outcome {
    /// From the first purchase until the last record was written.
    took: f64,
    /// From the last purchase.
    after: f64,
    /// Calls of the CRM by what they are.
    calls: BTreeMap<String, u64>,
    people: usize,
    orders: usize,
    wrong: Vec<String>,
    /// What the CRM holds, without ids and times.
    end: BTreeSet<String>,
}

pub(super) async fn run(args: &Args) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut ends = Vec::new();
    for (name, drop) in [("every webhook arrives", 0.0), ("half of the webhooks are lost", 0.5)] {
        note(&format!("season: {} tickets, {name}", args.guests));
        let came = one(args, drop).await?;
        for why in &came.wrong {
            report.fault(format!("season, {name}: {why}"));
        }
        let calls: u64 = came.calls.values().sum();
        let shortest = calls as f64 * EVERY;
        report.figure(format!("season, {name}: all of it in the CRM"), came.took, "s", Goal::None);
        report.figure(format!("season, {name}: calls of the CRM"), calls as f64, "", Goal::None);
        if drop == 0.0 {
            report.figure(
                "season: time by the shortest that the limit allows".to_owned(),
                came.took / shortest.max(EVERY),
                "x",
                Goal::AtMost(1.1),
            );
        }
        let ideal: usize = [came.people, came.orders, 1].iter().map(|n| 2 * n.div_ceil(200)).sum();
        report.figure(
            format!("season, {name}: calls of a client that knows all beforehand"),
            ideal as f64,
            "",
            Goal::None,
        );
        report.detail(
            format!("season_{}", if drop > 0.0 { "lossy" } else { "whole" }),
            json!({
                "tickets": args.guests, "people": came.people, "orders": came.orders, "speed": args.speed,
                "seconds": came.took.round(), "seconds_after_the_last_sale": came.after.round(), "calls": came.calls,
                "shortest_s": shortest.round(), "wrong": came.wrong,
            }),
        );
        ends.push(came.end);
    }
    if let [whole, lossy] = ends.as_slice()
        && whole != lossy
    {
        let odd: Vec<&String> = whole.symmetric_difference(lossy).take(5).collect();
        report.fault(format!("season: the end is another one when webhooks are lost: {odd:?}"));
    }
    Ok(report)
}

async fn one(args: &Args, drop: f64) -> Result<Outcome, Failure> {
    let faults = Faults { p_webhook_drop: drop, ..Faults::default() };
    let speed = args.speed;
    let opens: Timestamp = Timestamp::now();
    let pace = move |real_start| Pace { real_start, starts_at: opens, segments: vec![Segment { seconds: 0.0, speed }] };
    let world = World::start(pace, faults, args.seed).await?;
    let path = format!("/api/v1/connections/{CRM}/plan/apply");
    let plan = world.admin.call(Method::POST, &path, Some(json!({}))).await?;
    if plan["plan"]["todo"] != 0 {
        return Err(Failure::Failed(format!("the CRM was not brought to the model: {plan}")));
    }
    let before = world.host.calls_to(CRM);
    let counted = || -> BTreeMap<String, u64> {
        let now = world.host.calls_to(CRM).into_iter();
        let since = now.map(|(what, n)| {
            let was = before.get(&what).copied().unwrap_or(0);
            (what, n.saturating_sub(was))
        });
        // What reads or changes the model is not counted by the limit.
        since.filter(|(what, n)| *n > 0 && !what.contains("metadata")).collect()
    };
    let begun = world.clock.now();
    let truth = sell(&world, args)?;
    let sold = world.clock.now();
    // From the first moment on at which all of it is there; what follows are looks that find nothing new.
    let until = tokio::time::Instant::now() + PATIENCE;
    let (took, after, calls) = loop {
        let (seen, last) = look(&world, &truth);
        if seen.wrong.is_empty() || tokio::time::Instant::now() > until {
            let since = |at: Timestamp| last.duration_since(at).as_secs_f64().max(0.0);
            break (since(begun), since(sold), counted());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let made: u64 = calls.values().sum();
    note(&format!("season: all of it is there after {took:.1} s of business time and {made} calls; waiting for rest"));
    world.rest(PATIENCE).await?;
    let (outcome, _) = look(&world, &truth);
    let mut outcome = Outcome { took, after, calls, ..outcome };

    // All of it once more: what is known stays known.
    for connection in ["boleteria", CRM] {
        let ask = json!({ "connection": connection });
        world.admin.call(Method::POST, "/api/v1/deliveries/replay", Some(ask)).await?;
    }
    world.rest(PATIENCE).await?;
    let (again, _) = look(&world, &truth);
    if again.end != outcome.end {
        let odd: Vec<&String> = again.end.symmetric_difference(&outcome.end).take(5).collect();
        outcome.wrong.push(format!("a replay changed what the CRM holds: {odd:?}"));
    }
    Ok(outcome)
}

/// A sold-out show: buyers with one to four tickets, plus-ones with and without an address, people who come again under
/// a shorter name, phones that are missing; then edits and cancellations.
fn sell(world: &World, args: &Args) -> Result<Truth, Failure> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(args.seed);
    let mut truth = Truth::default();
    let show = world.at_ticketing(
        "create_show",
        &json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "venue": "Plaza de Artesanos", "city": "Bogotá",
            "tiers": [{ "label": "General", "price": 90_000, "capacity": args.guests + 10 }] }),
    )?;
    let (mut n, mut left) = (0_usize, args.guests as usize);
    let mut buyers: Vec<Person> = Vec::new();
    let mut orders = Vec::new();
    while left > 0 {
        let seats = rng.random_range(1..=4_usize).min(left);
        left -= seats;
        n += 1;
        // Every twelfth buyer comes again, and is shorter about it.
        let returning = (n.is_multiple_of(12) && !buyers.is_empty()).then(|| rng.random_range(0..buyers.len()));
        let buyer = match returning.and_then(|at| buyers.get(at)) {
            Some(known) => {
                let short = known.last_name.split(' ').next().unwrap_or_default().to_owned();
                Person { last_name: short, phone: None, ..known.clone() }
            }
            None => {
                let new = Person::nth(n, !n.is_multiple_of(5));
                buyers.push(new.clone());
                new
            }
        };
        truth.with_email.entry(buyer.email.clone()).or_insert_with(|| buyer.name());
        let mut tickets = vec![json!({ "tier": "General" })];
        for seat in 1..seats {
            let guest = Person::nth(1_000_000 + n * 10 + seat, seat.is_multiple_of(2));
            let own = (n + seat).is_multiple_of(3);
            let email = if own { guest.email.clone() } else { buyer.email.clone() };
            if own {
                truth.with_email.insert(guest.email.clone(), guest.name());
            } else {
                *truth.named.entry(guest.name()).or_default() += 1;
            }
            let phone = guest.phone.clone().filter(|_| own);
            tickets.push(json!({ "tier": "General", "holder": { "first_name": guest.first_name,
                "last_name": guest.last_name, "email": email, "phone": phone } }));
        }
        let who = json!({ "first_name": buyer.first_name, "last_name": buyer.last_name, "email": buyer.email, "phone": buyer.phone });
        let sold = world.at_ticketing(
            "sell",
            &json!({ "show_id": show["show_id"], "buyer": who, "tickets": tickets, "payment": "stripe", "locale": "es" }),
        )?;
        let number = sold["number"].as_str().unwrap_or_default().to_owned();
        truth.orders.insert(number.clone(), ("PAGADA", seats));
        orders.push((sold["order_id"].clone(), number));
    }
    for (id, number) in orders.iter().skip(7).step_by(33) {
        world.at_ticketing("cancel_order", &json!({ "order_id": id }))?;
        if let Some(order) = truth.orders.get_mut(number) {
            order.0 = "CANCELADA";
        }
    }
    Ok(truth)
}

/// What the CRM holds, held against what people did; and when it was last written to.
fn look(world: &World, truth: &Truth) -> (Outcome, Timestamp) {
    let mut wrong = Vec::new();
    let mut end = BTreeSet::new();
    let mut last = Timestamp::UNIX_EPOCH;
    let mut seen = |row: &Value, field: &str| {
        let at = row[field].as_str().and_then(|t| t.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        last = last.max(at);
    };
    let people = world.host.view(CRM, "people");
    let (mut by_email, mut by_name): (BTreeMap<String, u32>, BTreeMap<String, u32>) = Default::default();
    let mut whose: BTreeMap<String, String> = BTreeMap::new();
    for person in people.as_array().into_iter().flatten().filter(|p| p["deleted"] != true) {
        seen(person, "updated_at");
        let text = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
        *by_email.entry(text("email")).or_default() += 1;
        whose.insert(text("email"), text("name"));
        *by_name.entry(text("name")).or_default() += 1;
        end.insert(format!("person {} <{}> {}", text("name"), text("email"), text("phone")));
    }
    let mut missing = 0;
    for (email, name) in &truth.with_email {
        match by_email.get(email) {
            None => missing += 1,
            Some(1) if whose.get(email) != Some(name) => {
                wrong.push(format!("{name}'s address is that of {:?}", whose.get(email)));
            }
            Some(1) => {}
            Some(n) => wrong.push(format!("{name} stands there {n} times")),
        }
    }
    let mut names = truth.named.clone();
    for name in truth.with_email.values() {
        *names.entry(name.clone()).or_default() += 1;
    }
    let fewer = names.iter().filter(|(name, times)| by_name.get(*name).unwrap_or(&0) < times).count();
    let more = by_name.iter().filter(|(name, times)| names.get(*name).unwrap_or(&0) < times).count();
    if missing + fewer + more > 0 {
        wrong.push(format!("{missing} addresses are missing; of {fewer} names there are too few, of {more} too many"));
    }
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let kept = world.host.view(CRM, "ticketOrders");
    for order in kept.as_array().into_iter().flatten().filter(|o| o["deletedAt"].is_null()) {
        seen(order, "updatedAt");
        let text = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
        *numbers.entry(text("name")).or_default() += 1;
        end.insert(format!(
            "order {} {} {} {}",
            text("name"),
            text("estado"),
            order["boletas"],
            order["compradorId"].is_null()
        ));
        if let Some((state, _)) = truth.orders.get(&text("name"))
            && *state != text("estado")
        {
            wrong.push(format!("order {} is {}, and should be {state}", text("name"), text("estado")));
        }
    }
    let absent = truth.orders.keys().filter(|n| !numbers.contains_key(*n)).count();
    let double = numbers.values().filter(|n| **n > 1).count();
    if absent + double > 0 {
        wrong.push(format!("{absent} orders are missing, {double} stand there twice"));
    }
    wrong.truncate(10);
    let outcome = Outcome {
        took: 0.0,
        after: 0.0,
        calls: BTreeMap::new(),
        people: by_email.values().sum::<u32>() as usize,
        orders: numbers.len(),
        wrong,
        end,
    };
    (outcome, last)
}
