//! A history of chance: accepts, decisions, works and claims, many of them stale or known. Its lines say
//! what every caller heard and what is there afterwards, without what adapters may choose: ids of
//! deliveries and the size of gaps between places.

use crate::support::{accept, at, claim, decision, dedup, effect, entity, event, rn, run, run_write, timer, update};
use pasarela_domain::{DeliveryId, EntityRef};
use pasarela_store::{
    Decided, EffectFilter, EffectGuard, EffectState, EventFilter, FactResult, FactWrite, Listen, ReadGuard, RunFilter,
    RunStatus, Store, Work, Worked,
};

const STEPS: u64 = 160;

/// Small numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below).cast_signed()
    }
}

fn guard(dice: &mut Dice) -> ReadGuard {
    match dice.next(3) {
        0 => ReadGuard::Entity {
            connection: 1,
            entity: EntityRef::new("order", dice.next(6).to_string()),
            version: dice.next(3),
        },
        1 => ReadGuard::Listeners {
            key: dice.next(4),
            event_type: "entity".into(),
            runs: (0..dice.next(4)).map(rn).collect(),
        },
        _ => ReadGuard::Events {
            key: 5,
            after: crate::support::evt(dice.next(40)),
            types: vec!["order.paid".into()],
            count: u32::try_from(dice.next(4)).unwrap(),
        },
    }
}

fn work(store: &dyn Store, dice: &mut Dice, next: &mut i64) -> Work {
    let mut work = Work::default();
    if dice.next(3) == 0 {
        work.guards.push(guard(dice));
    }
    if dice.next(2) == 0 {
        *next += 1;
        work.effects.push(effect(store, 1000 + *next));
    }
    if dice.next(2) == 0 {
        let to = [EffectState::Done, EffectState::Queued, EffectState::Dead, EffectState::Settling];
        let guard = if dice.next(2) == 0 {
            EffectGuard::Attempt { boot: store.boot(), attempt: u32::try_from(1 + dice.next(2)).unwrap() }
        } else {
            EffectGuard::State(&[EffectState::Queued, EffectState::Dead])
        };
        let target = 1001 + dice.next((*next).max(1).cast_unsigned());
        work.updates.push(update(target, guard, to[usize::try_from(dice.next(4)).unwrap()]));
    }
    if dice.next(3) == 0 {
        let mut write = run_write(store, 1 + dice.next(20), 1 + dice.next(3), RunStatus::Running);
        write.listen = vec![Listen { key: dice.next(4), event_type: "entity".into() }];
        write.unlisten = vec![Listen { key: dice.next(4), event_type: "entity".into() }];
        work.runs.push(write);
    }
    if dice.next(4) == 0 {
        work.claims.push(claim(store, 1001 + dice.next((*next).max(1).cast_unsigned()), 1));
    }
    if dice.next(4) == 0 {
        work.timers.push(timer(dice.next(50), dice.next(9)));
    }
    work
}

/// Plays a history. Its lines are the same for every adapter.
pub(crate) async fn play(store: &dyn Store, seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let (mut lines, mut inbox, mut next) = (Vec::new(), Vec::<DeliveryId>::new(), 0);
    for step in 0..STEPS {
        match dice.next(5) {
            0 => inbox.push(accept(store, &format!("paso {step}")).await),
            1 | 2 => {
                if inbox.is_empty() {
                    inbox.push(accept(store, "primera").await);
                }
                let chosen = usize::try_from(dice.next(inbox.len() as u64)).unwrap();
                let delivery = inbox[chosen];
                let facts = (0..1 + dice.next(3)).map(|_| {
                    next += 1;
                    let id = next;
                    FactWrite {
                        dedup: (dice.next(2) == 0).then(|| dedup(dice.next(12))),
                        entities: if dice.next(2) == 0 {
                            vec![entity(store, &dice.next(6).to_string(), dice.next(3), &format!("de {step}"))]
                        } else {
                            Vec::new()
                        },
                        event: (dice.next(4) > 0).then(|| event(store, id, delivery)),
                        runs: if dice.next(2) == 0 { vec![run(store, id, id)] } else { Vec::new() },
                        work: work(store, &mut dice, &mut next),
                    }
                });
                let facts = facts.collect();
                let told = match store.decide(decision(delivery, facts)).await {
                    Ok(Decided::Done(results)) => {
                        let counts = results.iter().map(|r| match r {
                            FactResult::New(seqs) => format!("new {}", seqs.len()),
                            FactResult::Known => "known".to_owned(),
                        });
                        counts.collect::<Vec<_>>().join(", ")
                    }
                    Ok(Decided::Conflict) => "conflict".to_owned(),
                    Err(_) => "refused".to_owned(),
                };
                lines.push(format!("{step} decide: {told}"));
            }
            3 => {
                let told = match store.work(work(store, &mut dice, &mut next)).await {
                    Ok(Worked::Done { seqs, deliveries, claimed }) => {
                        format!("{} {} {claimed:?}", seqs.len(), deliveries.len())
                    }
                    Ok(Worked::Stale) => "stale".to_owned(),
                    Err(_) => "refused".to_owned(),
                };
                lines.push(format!("{step} work: {told}"));
            }
            _ => {
                let id = 1001 + dice.next((next).max(1).cast_unsigned());
                let told = store.claim(vec![claim(store, id, 1), claim(store, id, 2)]).await.unwrap();
                lines.push(format!("{step} claim: {told:?}"));
            }
        }
    }
    lines.extend(visible(store).await);
    lines
}

/// What is there.
async fn visible(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    for e in store.effects(EffectFilter { limit: 1000, ..EffectFilter::default() }).await.unwrap().rows {
        lines.push(format!("{} {:?} attempt {} of {:?}", e.id, e.state, e.attempt, e.run));
    }
    // Order in the lane, not the places themselves.
    lines.extend(store.queued(1, 1, 3, 0, 1000).await.unwrap().iter().map(|e| format!("queued {}", e.id)));
    for e in store.events(EventFilter { limit: 1000, ..EventFilter::default() }).await.unwrap().rows {
        lines.push(format!("{} {}", e.id, String::from_utf8_lossy(&e.body)));
    }
    for r in store.runs(RunFilter { limit: 1000, ..RunFilter::default() }).await.unwrap().rows {
        lines.push(format!("{} {:?} {} {}", r.id, r.status, r.version, String::from_utf8_lossy(&r.state)));
    }
    let orders = (0..6).map(|n| (1, EntityRef::new("order", n.to_string()))).collect();
    for o in store.lookup(Vec::new(), orders).await.unwrap().1 {
        lines.push(format!("{:?}", o.map(|o| (o.version, String::from_utf8_lossy(&o.data).into_owned()))));
    }
    for key in 0..4 {
        lines.push(format!("listen {:?}", store.listeners(key, "entity").await.unwrap()));
    }
    let health = store.health(at(100)).await.unwrap();
    lines.push(format!("{} {} {} {}", health.inbox, health.queued, health.calling, health.dead));
    lines.push(format!("{} timers", store.timers(at(1000), 1000).await.unwrap().len()));
    for d in store.deliveries(None, None, 1000).await.unwrap().rows {
        lines.push(d.status.as_str().to_owned());
    }
    lines
}
