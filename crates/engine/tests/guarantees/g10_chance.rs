//! Histories of chance against the law (G10): people allow, take back, turn out to be one person and then two again, and are found in
//! lists that come late; the clock goes on; orders make messages of every class on two connections; the hub crashes.
//! Whatever happened, no message reached the provider that the rules forbade at that moment. The judge here knows
//! nothing of the hub: it keeps what people said, and looks at what arrived.
//!
//! Seeds are committed; `PASARELA_TEST_SEED` plays one more.
#![allow(clippy::print_stdout, reason = "the seed must be seen when a test fails")]

use crate::g10::{says, shown};
use crate::history::story::Dice;
use crate::hub::Hub;
use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, offset};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Seeds that are played always.
const SEEDS: &[u64] = &[1, 7, 2300];
/// Things that happen in one history.
const STEPS: usize = 44;
/// Two people with a mailbox and a phone each.
const MAILS: [&str; 2] = ["ana@correo.example", "luz@correo.example"];
const PHONES: [&str; 2] = ["+573001234567", "+573015550117"];
const CLASSES: [&str; 4] = ["transactional_urgent", "transactional", "collection", "marketing"];

fn flows() -> Vec<String> {
    let of = |(n, class): (usize, &&str)| {
        let message = |id: &str, way: &str, to: &str| {
            let with = format!("{{ to: \"{{{{ data.{to} }}}}\", n: \"{{{{ data.n }}}}\", class: {class} }}");
            format!(
                "  - id: {id}\n    do: {way}\n    class: {class}\n    give_up_after: 30d\n    on_dead: skip\n    with: {with}\n"
            )
        };
        let steps = [message("a", "ventas.carta", "mail"), message("b", "otra.aviso", "phone")].concat();
        format!(
            "flow: clase{n}\nversion: 1\non: order.paid\nwhen: \"{{{{ data.class == '{class}' }}}}\"\nsteps:\n{steps}"
        )
    };
    CLASSES.iter().enumerate().map(of).collect()
}

/// What people said, kept by address: (moment, purpose, given).
#[derive(Default)]
struct Judge {
    words: BTreeMap<String, Vec<(Timestamp, &'static str, bool)>>,
    /// Addresses that are one person's: each to its group.
    person: BTreeMap<String, usize>,
    /// Contacts: person at the time they are looked at, moment, channel.
    contacts: Vec<(String, Timestamp, &'static str)>,
    seen: usize,
    counted: BTreeMap<String, usize>,
}

impl Judge {
    fn new() -> Self {
        let all = MAILS.iter().chain(&PHONES).enumerate();
        Self { person: all.map(|(n, a)| ((*a).to_owned(), n)).collect(), ..Self::default() }
    }

    fn link(&mut self, a: &str, b: &str) {
        let (from, to) = (self.person[b], self.person[a]);
        self.person.values_mut().filter(|p| **p == from).for_each(|p| *p = to);
    }

    /// The address is another person's.
    fn separate(&mut self, address: &str) {
        let next = self.person.values().max().map_or(0, |p| p + 1);
        self.person.insert(address.to_owned(), next);
    }

    /// A no is one of all addresses that the person had when they said it, also when these are taken apart.
    fn said(&mut self, address: &str, at: Timestamp, purpose: &'static str, given: bool) {
        let all = if given { vec![address] } else { self.addresses(address) };
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        for address in all {
            self.words.entry(address).or_default().push((at, purpose, given));
        }
    }

    fn addresses(&self, of: &str) -> Vec<&str> {
        let person = self.person[of];
        self.person.iter().filter(|(_, p)| **p == person).map(|(a, _)| a.as_str()).collect()
    }

    /// The last word of an address; at one moment a no counts.
    fn last(&self, address: &str, purpose: &str) -> Option<(Timestamp, bool)> {
        let words = self.words.get(address)?.iter().filter(|w| w.1 == purpose);
        words.map(|w| (w.0, w.2)).max_by_key(|w| (w.0, !w.1))
    }

    /// A message arrived now.
    fn judge(&mut self, class: &str, to: &str, channel: &'static str, now: Timestamp) {
        let what = format!("{class} to {to} by {channel} at {now}");
        let purpose = if class == "marketing" { "marketing" } else { "sale" };
        let own = self.last(to, purpose);
        let newest = self.addresses(to).iter().filter_map(|a| self.last(a, purpose)).max_by_key(|w| (w.0, !w.1));
        assert!(newest.is_none_or(|(_, given)| given), "{what}: it was taken back");
        if matches!(class, "marketing" | "collection") {
            assert!(own.is_some_and(|(_, given)| given), "{what}: nobody allowed it");
        }
        if class != "transactional_urgent" {
            assert!(open(now), "{what}: outside of the hours");
        }
        if matches!(class, "marketing" | "collection") {
            let zone = bogota();
            let today = zone.to_datetime(now).date();
            let monday = today - i64::from(today.weekday().to_monday_zero_offset()).days();
            let mine = self.addresses(to);
            for (before, at, by) in &self.contacts {
                if !mine.contains(&before.as_str()) {
                    continue;
                }
                let day = zone.to_datetime(*at).date();
                assert!(day != today, "{what}: the second contact of a day, after {before} at {at}");
                assert!(day < monday || *by == channel, "{what}: the second channel of a week, after {by} at {at}");
            }
            self.contacts.push((to.to_owned(), now, channel));
        }
        *self.counted.entry(class.to_owned()).or_default() += 1;
    }

    fn look(&mut self, hub: &Hub) {
        let all = hub.server.since(self.seen);
        self.seen += all.len();
        for call in all {
            if !call.path.ends_with("carta") && !call.path.ends_with("aviso") {
                continue;
            }
            let body = call.json();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let channel = if call.path.ends_with("carta") { "email" } else { "whatsapp" };
            self.judge(&text("class"), &text("to"), channel, hub.now());
        }
    }
}

fn bogota() -> TimeZone {
    TimeZone::fixed(offset(-5))
}

/// Monday to Friday 7 to 19, Saturday 8 to 15, no holidays; five minutes before the end nothing is handed over.
fn open(at: Timestamp) -> bool {
    let local = bogota().to_datetime(at);
    // The holidays that these histories come across.
    let holidays = [Date::constant(2026, 12, 8), Date::constant(2026, 12, 25), Date::constant(2027, 1, 1)];
    if holidays.contains(&local.date()) {
        return false;
    }
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    let (from, to) = match local.date().weekday() {
        Weekday::Sunday => return false,
        Weekday::Saturday => (8 * 60, 15 * 60),
        _ => (7 * 60, 19 * 60),
    };
    (from..to - 5).contains(&minute)
}

/// A row of a list: what somebody said up to six days ago, with its proof.
fn row(dice: &mut Dice, line: u64, now: Timestamp) -> (u64, Value) {
    let (who, back) = (dice.below(2) as usize, i64::try_from(dice.below(144)).unwrap());
    let person = if dice.below(2) == 0 { json!({ "email": MAILS[who] }) } else { json!({ "phone": PHONES[who] }) };
    let told = json!({
        "person": person,
        "purpose": if dice.below(4) == 0 { "sale" } else { "marketing" },
        "state": if dice.below(2) == 0 { "given" } else { "withdrawn" },
        "evidence": {
            "channel": "import", "text_version": "v1", "reference": format!("hoja {line}"),
            "ip_hash": "9f2c", "at": (now - back.hours()).to_string(),
        },
    });
    (line, told)
}

async fn play(seed: u64) {
    println!("seed {seed}");
    let mut build = Hub::build().with_another();
    for flow in flows() {
        build = build.flow(&flow);
    }
    let mut hub = build.start().await;
    shown(&hub).await;
    let (mut judge, mut n) = (Judge::new(), 0_u64);
    let mut linked = BTreeSet::new();
    for step in 0..STEPS as u64 {
        let mut dice = Dice::of(&[seed, step]);
        let who = dice.below(2) as usize;
        match dice.below(20) {
            0..8 => {
                let class = CLASSES[dice.below(4) as usize];
                n += 1;
                let data = json!({ "class": class, "mail": MAILS[who], "phone": PHONES[who], "n": n });
                hub.paid(&n.to_string(), data).await;
            }
            8..13 => {
                let by_mail = dice.below(2) == 0;
                let given = dice.below(3) > 0;
                let purpose = if dice.below(4) == 0 { "sale" } else { "marketing" };
                let (address, field) = if by_mail { (MAILS[who], "email") } else { (PHONES[who], "phone") };
                says(&hub, json!({ (field): address }), purpose, None, if given { "given" } else { "withdrawn" }).await;
                judge.said(address, hub.now(), purpose, given);
            }
            13 => {
                // A mailbox and a phone turn out to be one person's; now and then those of two who were two.
                let other = if dice.below(3) == 0 { 1 - who } else { who };
                let (mail, phone) = (MAILS[who], PHONES[other]);
                if linked.insert((mail, phone)) {
                    hub.engine.link_people(Some(mail), Some(phone)).await.unwrap();
                    judge.link(mail, phone);
                } else {
                    // It was a mistake.
                    hub.engine.separate_people(None, Some(phone)).await.unwrap();
                    judge.separate(phone);
                    linked.retain(|(_, other)| *other != phone);
                }
            }
            15 => {
                // A list of what was said elsewhere comes in, days late, and now and then twice.
                let rows: Vec<(u64, Value)> =
                    (0..1 + dice.below(3)).map(|line| row(&mut dice, line, hub.now())).collect();
                for _ in 0..=dice.below(2) {
                    hub.engine.import_consents(rows.clone()).await.unwrap();
                }
                for (_, told) in &rows {
                    let person = &told["person"];
                    let address = person["email"].as_str().or(person["phone"].as_str()).unwrap();
                    let purpose = if told["purpose"] == "sale" { "sale" } else { "marketing" };
                    let at = told["evidence"]["at"].as_str().unwrap().parse().unwrap();
                    judge.said(address, at, purpose, told["state"] == "given");
                }
            }
            14 => {
                hub = hub.crash().await;
            }
            16..18 => hub.pass(i64::try_from(dice.below(40)).unwrap() * 900),
            _ => hub.pass(i64::try_from(dice.below(4)).unwrap() * 43_200 + 60),
        }
        hub.calm().await;
        judge.look(&hub);
    }
    // What still waits gets its time.
    for _ in 0..20 {
        hub.pass(9 * 3600);
        hub.calm().await;
        judge.look(&hub);
    }
    println!("sent: {:?}", judge.counted);
}

#[tokio::test]
async fn g10_no_history_of_chance_sends_what_the_rules_forbid() {
    let more = std::env::var("PASARELA_TEST_SEED").ok().and_then(|s| s.parse().ok());
    for seed in SEEDS.iter().copied().chain(more) {
        play(seed).await;
    }
}
