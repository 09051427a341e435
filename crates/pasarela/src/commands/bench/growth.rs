//! `pasarela bench growth`: what a claim, an accept, a look-up and the newest page cost in a database
//! with a long past, against one with a short past; and how fast a hub starts on it.
//!
//! Both databases are open at the same time, and their operations alternate, so that whatever else the
//! machine does falls on both.

use super::Growth;
use super::figures::{Goal, Report, median};
use super::load::{self, Plan, percentile_ms};
use super::place::{Database, Hub, Place, Wiring};
use crate::Failure;
use crate::output::note;
use jiff::Timestamp;
use pasarela_store::{
    Accepted, Claim, DedupKey, EffectFilter, EffectInsert, EventFilter, HISTORY_TYPE, History, NewDelivery, RunFilter,
    Store, Work, Worked,
};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Operations of one kind on one database before it is the other one's turn.
const TURN: u64 = 50;
/// The short past.
const FEW: u64 = 10_000;
/// What is compared.
const KINDS: [&str; 4] = ["claim", "accept", "look-up", "newest page"];

/// A filled database that is open.
struct Filled {
    store: Arc<dyn Store>,
    history: History,
    place: Place,
    next: u64,
}

pub(super) async fn run(args: &Growth, databases: &[Database]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for database in databases {
        let name = database.name();
        let begun = Instant::now();
        note(&format!("growth: {name} with {} events and {} runs", args.events, args.runs));
        let many = fill(args, database, args.events, args.runs).await?;
        let filled_s = begun.elapsed().as_secs_f64();
        note(&format!("growth: {name} filled in {filled_s:.0} s; {name} with {FEW} events"));
        let few = fill(args, database, FEW, (FEW / 10).min(args.runs)).await?;
        let mut both = [few, many];
        // Once unmeasured, so that both have in memory what they keep there.
        turns(&mut both, args.operations / 5).await?;
        let took = turns(&mut both, args.operations).await?;
        for (kind, [few, many]) in KINDS.iter().zip(&took) {
            for (percentile, most) in [(50.0, 1.5), (99.0, 2.0)] {
                let (small, big) = (percentile_ms(few, percentile), percentile_ms(many, percentile));
                let what = format!("{kind}, {name}, p{percentile:.0}, long to short past");
                report.figure(what, big / small.max(0.001), "", Goal::AtMost(most));
                report.detail(
                    format!("growth_{}_{}_p{percentile:.0}", name.to_lowercase(), kind.replace([' ', '-'], "_")),
                    json!({ "short_ms": small, "long_ms": big }),
                );
            }
        }
        let [few, many] = both;
        drop((few.store, few.place, many.store));
        let starts = cold_starts(&many.place, args).await?;
        let what = format!("cold start, {name}, to the first accepted webhook");
        report.figure(what, median(starts.clone()), "ms", Goal::AtMost(500.0));
        report.detail(
            format!("growth_{}", name.to_lowercase()),
            json!({ "events": args.events, "runs": args.runs, "pending": args.pending, "filled_s": filled_s, "starts_ms": starts }),
        );
    }
    Ok(report)
}

async fn fill(args: &Growth, database: &Database, events: u64, runs: u64) -> Result<Filled, Failure> {
    let failed = |e: pasarela_store::Error| Failure::Failed(e.to_string());
    let place = Place::make(args.at.dir.as_deref(), database)?;
    let store = place.open().map_err(failed)?;
    let connection = store.connection_id("tienda", "http").await.map_err(failed)?;
    let flow = store.flow_id("banco", 1, super::sample::FLOW).await.map_err(failed)?;
    drop(store);
    let history = History { events, runs, pending: args.pending, body: 200, connection, flow };
    place.fill(&history).map_err(failed)?;
    let store = place.open().map_err(failed)?;
    Ok(Filled { store, history, place, next: 0 })
}

/// Alternates turns of every kind. Per kind: microseconds on either database, sorted.
async fn turns(both: &mut [Filled; 2], operations: u64) -> Result<[[Vec<u32>; 2]; 4], Failure> {
    let mut took: [[Vec<u32>; 2]; 4] = Default::default();
    let mut done = 0;
    while done < operations {
        for (kind, took) in took.iter_mut().enumerate() {
            for (filled, took) in both.iter_mut().zip(took) {
                let turn = filled.turn(kind).await.map_err(|e| Failure::Failed(e.to_string()))?;
                took.extend(turn);
            }
        }
        done += TURN;
    }
    took.iter_mut().flatten().for_each(|t| t.sort_unstable());
    Ok(took)
}

impl Filled {
    /// One turn of a kind, in microseconds each.
    async fn turn(&mut self, kind: usize) -> Result<Vec<u32>, pasarela_store::Error> {
        let effects = if kind == 0 { self.queue().await? } else { Vec::new() };
        let mut took = Vec::with_capacity(TURN as usize);
        for n in 0..TURN {
            self.next += 1;
            if kind > 1 {
                // As in a hub that works: something was written since the last read, so that no read finds
                // the whole of a short past in a cache of its own.
                self.accept().await?;
            }
            let begun = Instant::now();
            match kind {
                0 => self.claim(effects[n as usize]).await?,
                1 => self.accept().await?,
                2 => self.look_up().await?,
                _ => self.newest().await?,
            }
            took.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok(took)
    }

    /// A row somewhere in the past: steps by a number that meets all of them.
    fn somewhere(&self, of: u64) -> u64 {
        self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) % of.max(1)
    }

    /// Queues effects that are claimed one by one.
    async fn queue(&self) -> Result<Vec<pasarela_domain::EffectId>, pasarela_store::Error> {
        let now = Timestamp::now();
        let mut ids = pasarela_domain::IdMaker::new(0, (1 << 60) + i64::try_from(self.next * TURN).unwrap_or(0));
        let effect = |id: i64| EffectInsert {
            id: pasarela_domain::EffectId::from_raw(id),
            run: None,
            path: "paso".into(),
            connection: self.history.connection,
            action: "request".into(),
            lane: id,
            urgency: 1,
            flow: 7,
            class: None,
            purpose: None,
            input: self.store.sealer().seal(b"{}"),
            created_at: now,
            not_before: None,
            give_up_at: now,
            expires_at: None,
            resend_unknown: false,
            park: true,
            calling: None,
        };
        let ids: Vec<i64> = (0..TURN).map(|_| ids.next(now)).collect();
        let work = Work { effects: ids.iter().map(|id| effect(*id)).collect(), ..Work::default() };
        match self.store.work(work).await? {
            Worked::Done { .. } => Ok(ids.into_iter().map(pasarela_domain::EffectId::from_raw).collect()),
            Worked::Stale => Err(pasarela_store::Error::Closed),
        }
    }

    async fn claim(&self, id: pasarela_domain::EffectId) -> Result<(), pasarela_store::Error> {
        let call = self.store.sealer().seal(&[b'x'; 200]);
        let claim = Claim {
            id,
            boot: self.store.boot(),
            attempt: 1,
            generation: 1,
            started_at: Timestamp::now(),
            call,
            alone_above: None,
            repeat: 0,
        };
        self.store.claim(vec![claim]).await.map(|_| ())
    }

    async fn accept(&self) -> Result<(), pasarela_store::Error> {
        let delivery = NewDelivery {
            connection: self.history.connection,
            source: "webhook",
            received_at: Timestamp::now(),
            packed: self.store.sealer().seal(&[b'x'; 200]),
            replay_key: None,
            door: false,
        };
        match self.store.accept(delivery).await? {
            Accepted::New(_) => Ok(()),
            Accepted::Known => Err(pasarela_store::Error::Closed),
        }
    }

    /// What a decision and an operator look up: whether a fact is known, an event by its key, a run, an effect.
    async fn look_up(&self) -> Result<(), pasarela_store::Error> {
        let n = self.somewhere(self.history.events);
        let key = self.history.key(n);
        let fact = DedupKey {
            connection: self.history.connection,
            kind: HISTORY_TYPE.into(),
            entity: key,
            discriminator: key,
        };
        let (known, _) = self.store.lookup(vec![fact], Vec::new()).await?;
        let found = self.store.events(EventFilter { key: Some(key), limit: 10, ..EventFilter::default() }).await?;
        let run = self.somewhere(self.history.runs);
        let of_run = self.store.run(History::run(run)).await?;
        let effect = self.store.effect(History::effect(run, 1)).await?;
        if known != [true] || found.rows.len() != 1 || of_run.is_none() || effect.is_none() {
            return Err(pasarela_store::Error::Corrupt(format!("row {n} of the past is not there")));
        }
        Ok(())
    }

    /// The first page of every list.
    async fn newest(&self) -> Result<(), pasarela_store::Error> {
        let limit = 50;
        self.store.events(EventFilter { limit, ..EventFilter::default() }).await?;
        self.store.runs(RunFilter { limit, ..RunFilter::default() }).await?;
        self.store.effects(EffectFilter { limit, ..EffectFilter::default() }).await?;
        self.store.deliveries(None, None, limit).await.map(|_| ())
    }
}

/// Starts a hub on what is there: milliseconds until it has accepted a webhook.
async fn cold_starts(place: &Place, args: &Growth) -> Result<Vec<f64>, Failure> {
    let mut starts = Vec::new();
    for round in 0..args.rounds {
        let begun = Instant::now();
        let hub = Hub::start(place, &Wiring { connections: &["tienda"], sink: None, flow: None }).await?;
        let plan = Plan::new(hub.addr, "/hooks/tienda", 1, Duration::ZERO, &format!("s{round}"));
        let accepted = load::run(plan).await?.accepted;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        if accepted != 1 {
            return Err(Failure::Failed("the hub did not accept its first webhook".into()));
        }
    }
    Ok(starts)
}
