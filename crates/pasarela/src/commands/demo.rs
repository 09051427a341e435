//! `pasarela demo`: a show night on this machine. Tickets are sold in Hi.Events' double, and the hub
//! brings them to Twenty's and WhatsApp's; an oracle that knows only what people did says whether
//! each thing arrived exactly once.

mod ledger;
pub(super) mod people;
mod plan;
mod screen;
mod stage;
mod tempo;
pub(super) mod world;

use crate::Failure;
use crate::commands::signals::StopSignal;
use crate::output::{line, note};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use ledger::{Ledger, Party, Row};
use pasarela_colombia::Market as _;
use pasarela_domain::Clock as _;
use pasarela_sandbox::Faults;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use screen::Screen;
use serde_json::{Value, json};
use stage::Stage;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use tempo::Tempo;
use tokio::time::Instant;
use world::World;

/// Nights that the clock of the watched demo knows: more than anybody watches.
const NIGHTS: usize = 500;
/// How long the world may take to come to rest, besides what the number of orders adds.
const REST: Duration = Duration::from_secs(60);
/// SIGKILLs of a night with faults.
const KILLS: usize = 3;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One night, then a report: exit code 0 only if nothing is missing and nothing came twice.
    #[arg(long)]
    once: bool,
    /// Purchases of a night.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    orders: u32,
    /// The same night in a bad world: late, refused, cut off and lost answers, webhooks that are
    /// lost, repeated and out of order, and a hub that is killed three times.
    #[arg(long)]
    faults: bool,
    /// Every webhook is lost: all that the hub knows, it read in the providers' records.
    #[arg(long)]
    no_webhooks: bool,
    /// Seed of the night and its faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(args: Args, json: bool) -> Result<ExitCode, Failure> {
    let mut asked_to_stop = StopSignal::listen()?;
    let orders = args.orders as usize;
    let tempo = if args.once { Tempo::once(orders) } else { Tempo::watched(orders) };
    let nights = if args.once { 1 } else { NIGHTS };
    let mut faults = if args.faults { Faults::all() } else { Faults::default() };
    if args.no_webhooks {
        faults.p_webhook_drop = 1.0;
    }
    let opens = opening(Timestamp::now(), nights.min(WEEKS));
    let mut world = World::start(|begin| tempo.pace(begin, opens, nights), faults, args.seed).await?;
    greet(&world, &args);
    let mut ledger = Ledger::new(args.faults || args.no_webhooks);
    let mut screen = Screen::open(Party::ALL.len());
    let played = {
        let play = play(&mut world, &mut ledger, &screen, tempo, (nights, opens), &args);
        tokio::select! {
            played = play => Some(played),
            () = asked_to_stop.wait() => None,
        }
    };
    if let Some(Err(e)) = played {
        screen.close();
        return Err(with_folder(e, &mut world));
    }
    if played.is_none() && args.once {
        screen.close();
        return Err(Failure::Failed("stopped before the night was over; there is no result".into()));
    }
    if played.is_none() {
        screen.close();
        note("The demo is over; its database is gone with it. `pasarela demo --once` tells how a night went.");
        return Ok(ExitCode::SUCCESS);
    }
    screen.stand("The night is over. Waiting until everybody has done what there is to do.", &[]);
    let patience = REST + Duration::from_millis(u64::from(args.orders) * 20);
    let rested = tokio::select! {
        rested = world.rest(patience) => rested,
        () = asked_to_stop.wait() => Err(Failure::Failed("stopped before the night was counted; there is no result".into())),
    };
    screen.close();
    let counted = match rested {
        Ok(rested) => count(&world, &ledger).await.map(|r| (r, rested)),
        Err(e) => Err(e),
    };
    let ((rows, odd), rested) = counted.map_err(|e| with_folder(e, &mut world))?;
    if json {
        line(&as_json(&rows).to_string());
    } else {
        print(&rows);
    }
    let good = rows.values().all(|r| r.missing == 0 && r.twice == 0 && (args.faults || r.unknown == 0));
    for why in &odd {
        note(why);
    }
    if !rested {
        note("the hub had not come to rest when this was counted");
    }
    if good {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = world.keep() {
        note(&format!("the night's database, configuration and log are kept in {}", folder.display()));
    }
    Ok(ExitCode::FAILURE)
}

async fn play(
    world: &mut World,
    ledger: &mut Ledger,
    screen: &Screen,
    tempo: Tempo,
    (nights, opens): (usize, Timestamp),
    args: &Args,
) -> Result<(), Failure> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(args.seed);
    let orders = args.orders as usize;
    // The clock of the world stands until its pace begins.
    let start =
        Instant::now() + world.clock.sleep_for(opens.checked_add(SignedDuration::from_millis(1)).unwrap_or(opens));
    let kills = if args.faults { KILLS } else { 0 };
    for night in 0..nights {
        let begins = start + Duration::from_secs_f64(tempo.whole() * night as f64);
        let opens = opens.checked_add(SignedDuration::from_hours(7 * 24 * night as i64)).unwrap_or(opens);
        // Four people at most in a purchase: no two nights share anybody.
        let purchases = plan::night(orders, night * orders * 4, &mut rng);
        Stage::new(world, ledger, screen, tempo).play(night, (begins, opens), &purchases, kills, &mut rng).await?;
    }
    Ok(())
}

/// Weeks over which the day of the nights has to be a working day.
const WEEKS: usize = 8;

/// The next four in the afternoon of Bogotá, on a working day of a week in which that day works for every night:
/// the sale opens, and the reminders an hour later are within the hours of contact.
fn opening(now: Timestamp, nights: usize) -> Timestamp {
    let market = pasarela_colombia::Colombia::default();
    let today = pasarela_colombia::calendar::bogota(now).date();
    let opens = |day: jiff::civil::Date| jiff::tz::offset(-5).to_timestamp(day.at(16, 0, 0, 0)).unwrap_or(now);
    let works = |day: jiff::civil::Date| {
        let weeks = 0..i64::try_from(nights.max(1)).unwrap_or(1);
        weeks.into_iter().all(|week| market.is_business_day(day.saturating_add(week.weeks()), false))
    };
    let days = (0..120).map(|n: i64| today.saturating_add(n.days())).filter(|day| opens(*day) > now);
    days.into_iter().find(|day| works(*day)).map_or(now, opens)
}

fn greet(world: &World, args: &Args) {
    note("Pasarela demo: a show night on this machine. Nothing here reaches real people or real accounts.");
    note("");
    note(&format!("  Console and theatre  {}", world.link()));
    note(&format!("  Guests' phones       {}", world.phones()));
    note(&format!("  Documentation        {}", world.docs()));
    note(&format!("  Commands             pasarela --config {} events", world.config().display()));
    note("  The first address signs in once.");
    note("");
    if args.faults {
        note(&format!("  With every fault, and {KILLS} SIGKILLs of the hub a night (seed {}).", args.seed));
    }
    if args.no_webhooks {
        note("  Every webhook is lost: the hub knows only what it reads in the providers' records.");
    }
    if !args.once {
        note("  Ctrl-C ends it.");
    }
}

/// Asks doubles and hub, and compares with the ledger.
async fn count(world: &World, ledger: &Ledger) -> Result<(BTreeMap<Party, Row>, Vec<String>), Failure> {
    let mut arrived = world.arrived();
    arrived.extend(world.facts().await?);
    let (mut unknown, mut beside) = (BTreeMap::new(), Vec::new());
    for party in Party::ALL {
        let (count, things) = world.unknown(party).await?;
        unknown.extend(things);
        beside.push((party, count, world.in_state(party, "withheld").await?));
    }
    let (mut rows, odd) = ledger.compare(&arrived, &unknown);
    for (party, unknown, withheld) in beside {
        if let Some(row) = rows.get_mut(&party) {
            (row.unknown, row.withheld) = (unknown, withheld);
        }
    }
    Ok((rows, odd))
}

fn as_json(rows: &BTreeMap<Party, Row>) -> Value {
    let providers: serde_json::Map<String, Value> =
        rows.iter().map(|(party, row)| (party.provider().to_owned(), json!(row))).collect();
    json!({ "providers": providers })
}

fn print(rows: &BTreeMap<Party, Row>) {
    line(&format!(
        "{:<10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "wanted", "arrived", "missing", "twice", "unknown", "withheld"
    ));
    for (party, r) in rows {
        line(&format!(
            "{:<10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            party.title(),
            r.wanted,
            r.arrived,
            r.missing,
            r.twice,
            r.unknown,
            r.withheld
        ));
    }
}

/// An error with the place where a look is worth while.
fn with_folder(error: Failure, world: &mut World) -> Failure {
    let (Failure::Usage(why) | Failure::Failed(why)) = error;
    match world.keep() {
        Some(folder) => Failure::Failed(format!("{why}\nthe hub's log is kept in {}", folder.display())),
        None => Failure::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sale_opens_at_four_in_the_afternoon_of_a_working_day() {
        for (now, expected) in [
            ("2026-11-25T12:00:00-05:00", "2026-11-25T21:00:00Z"),
            ("2026-11-25T16:00:00-05:00", "2026-11-26T21:00:00Z"),
            ("2026-11-26T03:00:00+01:00", "2026-11-26T21:00:00Z"),
            ("2026-11-27T17:00:00-05:00", "2026-11-30T21:00:00Z"),
            ("2026-12-07T17:00:00-05:00", "2026-12-09T21:00:00Z"),
        ] {
            assert_eq!(opening(now.parse().unwrap(), 1), expected.parse().unwrap(), "{now}");
        }
    }

    #[test]
    fn the_report_has_the_form_that_programs_read() {
        let rows = BTreeMap::from([(Party::Twenty, Row { wanted: 2, arrived: 2, ..Row::default() })]);
        let expected = json!({ "providers": { "twenty": {
            "wanted": 2, "arrived": 2, "missing": 0, "twice": 0, "unknown": 0, "withheld": 0,
        } } });
        assert_eq!(as_json(&rows), expected);
    }
}
