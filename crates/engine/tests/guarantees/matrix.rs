//! G7 and G8, the whole table: everything that a call can come to, for every kind of idempotency. Each
//! cell says what is seen from outside: calls that the provider gets, the state of the effect before and
//! after time has passed, whether its lane waits for it, what the run comes to, and whether `otherwise`
//! begins. A cell that is missing does not compile, or fails.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use crate::wires::Fate;
use parking_lot::Mutex;
use pasarela_connector::{Idempotency, Outcome};
use pasarela_engine::LimitOverride;
use pasarela_store::{EffectState, RunStatus};
use serde_json::{Value, json};
use std::time::Duration;

/// What the first call meets. Every later one is answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Done,
    Partial,
    RetryEffect,
    RetryConnection,
    ThrottledEffect,
    /// `429` with `Retry-After`.
    Throttled,
    AuthExpired,
    /// Also with the fresh credential.
    AuthRefused,
    ProviderDown,
    Http500,
    GiveUp,
    Redirect,
    TargetGone,
    NeedsHuman,
    /// A rule forbids it, as the answer shows.
    Withheld,
    /// Its moment has passed.
    Dropped,
    /// The answer cannot be understood, and the provider had done it.
    Unknown,
    /// No connection: nothing was sent.
    NotSent,
    /// The provider did it, and no answer came.
    LostAfter,
    /// It arrived, the provider did nothing, and no answer came.
    LostBefore,
    /// Half of the answer came.
    CutAnswer,
    /// The request broke off: the provider did not get it whole.
    CutRequest,
    /// No answer in time; the provider had done it.
    Slow,
    /// As `LostAfter`, and a status with our key comes a moment later.
    LostThenStatus,
    /// Accepted; later the provider says that it arrived.
    Delivered,
    /// Accepted; later the provider says that it did not arrive.
    FailedLate,
    /// Accepted; nothing more is said.
    NeverSettled,
}

use Fault as F;

/// Cells that are played at the same time: most of their time is waiting.
const WORKERS: usize = 8;

/// What is seen of one effect.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    /// Calls of it that reached the provider whole.
    calls: usize,
    /// Its state while the clock stands.
    first: EffectState,
    /// Its state after hours.
    last: EffectState,
    /// Does the next one of its lane wait while the clock stands?
    waits: bool,
    /// Is the next one of its lane done after hours?
    goes_on: bool,
    /// Is its run over after hours?
    ends: bool,
    otherwise: bool,
}

const fn cell(calls: usize, first: EffectState, last: EffectState) -> Cell {
    let waits = matches!(first, EffectState::Queued | EffectState::Checking | EffectState::Dead | EffectState::Unknown);
    let parks = matches!(last, EffectState::Dead | EffectState::Unknown);
    let otherwise = matches!(last, EffectState::GaveUp | EffectState::FailedLate);
    Cell { calls, first, last, waits, goes_on: !parks, ends: !parks, otherwise }
}

use EffectState::{Checking, Dead, Done, FailedLate, GaveUp, Partial, Queued, Settling, Unknown, Unsettled};

/// Done by its first call.
const ONCE: Cell = cell(1, Done, Done);
/// Called again when the provider or the backoff allows.
const AGAIN: Cell = cell(2, Queued, Done);
/// Called again at once.
const AT_ONCE: Cell = cell(2, Done, Done);
/// The first call did not reach the provider whole.
const LATER: Cell = cell(1, Queued, Done);
const LATER_AT_ONCE: Cell = cell(1, Done, Done);
const GIVES_UP: Cell = cell(1, GaveUp, GaveUp);
const DIES: Cell = cell(1, Dead, Dead);
/// Read back, and found.
const FOUND: Cell = cell(1, Checking, Done);
/// Read back, not found, called again.
const NOT_THERE: Cell = cell(2, Checking, Done);
const NOT_THERE_LATER: Cell = cell(1, Checking, Done);
/// A status is waited for, in vain.
const IN_VAIN: Cell = cell(1, Checking, Unknown);
const IN_VAIN_UNSEEN: Cell = cell(0, Checking, Unknown);
const HELD: Cell = cell(1, Unknown, Unknown);
const HELD_UNSEEN: Cell = cell(0, Unknown, Unknown);

/// Column: action, further words in its step.
const KINDS: [(&str, &str); 6] = [
    ("clave", ""),
    ("cliente", ""),
    ("leible", ""),
    ("correla", ""),
    ("unavez", "    on_unknown: hold\n"),
    ("unavez", "    on_unknown: resend\n"),
];

/// Native, client id, readable, correlated, at most once and held, at most once and sent again.
const TABLE: &[(Fault, [Cell; 6])] = &[
    (F::Done, [ONCE; 6]),
    (F::Partial, [cell(1, Partial, Partial); 6]),
    (F::RetryEffect, [AGAIN; 6]),
    (F::RetryConnection, [AGAIN; 6]),
    (F::ThrottledEffect, [AGAIN; 6]),
    (F::Throttled, [AGAIN; 6]),
    (F::AuthExpired, [AT_ONCE; 6]),
    (F::AuthRefused, [cell(2, Dead, Dead); 6]),
    (F::ProviderDown, [AGAIN; 6]),
    (F::Http500, [AGAIN; 6]),
    (F::GiveUp, [GIVES_UP; 6]),
    (F::Redirect, [GIVES_UP; 6]),
    (F::TargetGone, [GIVES_UP; 6]),
    (F::NeedsHuman, [DIES; 6]),
    (F::Withheld, [cell(1, EffectState::Withheld, EffectState::Withheld); 6]),
    (F::Dropped, [cell(1, EffectState::Dropped, EffectState::Dropped); 6]),
    (F::Unknown, [AT_ONCE, AT_ONCE, FOUND, IN_VAIN, HELD, AT_ONCE]),
    (F::NotSent, [LATER; 6]),
    (F::LostAfter, [AGAIN, AGAIN, FOUND, IN_VAIN, HELD, AT_ONCE]),
    (F::LostBefore, [AGAIN, AGAIN, NOT_THERE, IN_VAIN, HELD, AT_ONCE]),
    (F::CutAnswer, [AGAIN, AGAIN, FOUND, IN_VAIN, HELD, AT_ONCE]),
    (F::CutRequest, [LATER, LATER, NOT_THERE_LATER, IN_VAIN_UNSEEN, HELD_UNSEEN, LATER_AT_ONCE]),
    (F::Slow, [AGAIN, AGAIN, FOUND, IN_VAIN, HELD, AT_ONCE]),
    // Who has sent it again already hears nothing new.
    (F::LostThenStatus, [AGAIN, AGAIN, ONCE, ONCE, ONCE, AT_ONCE]),
    (F::Delivered, [cell(1, Settling, Done); 6]),
    (F::FailedLate, [cell(1, Settling, FailedLate); 6]),
    (F::NeverSettled, [cell(1, Settling, Unsettled); 6]),
];

/// Faults by which an outcome comes about. No outcome is forgotten: a new one does not compile here.
fn faults_of(outcome: &Outcome) -> &'static [Fault] {
    match outcome {
        Outcome::Done(_) => &[F::Done, F::Delivered, F::FailedLate, F::NeverSettled],
        Outcome::Partial { .. } => &[F::Partial],
        Outcome::Retry { .. } => &[F::RetryEffect, F::RetryConnection, F::NotSent],
        Outcome::Throttled { .. } => &[F::ThrottledEffect, F::Throttled],
        Outcome::AuthExpired => &[F::AuthExpired, F::AuthRefused],
        Outcome::ProviderDown { .. } => &[F::ProviderDown, F::Http500],
        Outcome::GiveUp { .. } => &[F::GiveUp, F::Redirect],
        Outcome::TargetGone { .. } => &[F::TargetGone],
        Outcome::NeedsHuman { .. } => &[F::NeedsHuman],
        Outcome::Withheld { .. } => &[F::Withheld],
        Outcome::Dropped { .. } => &[F::Dropped],
        Outcome::Unknown { .. } => {
            &[F::Unknown, F::LostAfter, F::LostBefore, F::CutAnswer, F::CutRequest, F::Slow, F::LostThenStatus]
        }
    }
}

/// The same for the columns.
fn column_of(kind: Idempotency) -> usize {
    match kind {
        Idempotency::Native { .. } => 0,
        Idempotency::ClientId => 1,
        Idempotency::Readable { .. } => 2,
        Idempotency::Correlated { .. } => 3,
        Idempotency::AtMostOnce => 4,
    }
}

#[test]
fn g07_the_table_of_faults_has_a_cell_for_every_outcome_and_kind() {
    let why = || "x".to_owned();
    let scope = pasarela_connector::Scope::Effect;
    let every = [
        Outcome::done(Value::Null),
        Outcome::Partial { done: Value::Null, failed: Value::Null },
        Outcome::Retry { after: None, scope, why: why() },
        Outcome::Throttled { after: None, scope },
        Outcome::AuthExpired,
        Outcome::ProviderDown { after: None, why: why() },
        Outcome::give_up("x", "x"),
        Outcome::TargetGone { why: why() },
        Outcome::NeedsHuman { why: why() },
        Outcome::Unknown { why: why() },
        Outcome::withheld("x", "x"),
        Outcome::dropped("x", "x"),
    ];
    let mut wanted = 0;
    for fault in every.iter().flat_map(|o| faults_of(o)) {
        assert_eq!(TABLE.iter().filter(|(f, _)| f == fault).count(), 1, "{fault:?} has no row, or two");
        wanted += 1;
    }
    assert_eq!(TABLE.len(), wanted, "a row that no outcome explains");
    let manifest = crate::provider::Ensayo::new();
    for (column, (action, _)) in KINDS.iter().enumerate() {
        let kind = pasarela_connector::Provider::manifest(&manifest).action(action).unwrap().idempotency;
        assert_eq!(column_of(kind), column.min(4), "{action}");
    }
}

#[test]
fn g07_every_fault_of_every_kind_of_action_ends_as_its_cell_says() {
    let mut cells: Vec<_> = TABLE
        .iter()
        .flat_map(|(fault, row)| KINDS.iter().zip(row).map(move |(kind, cell)| (*fault, *kind, *cell)))
        .collect();
    cells.reverse();
    let (cells, wrong) = (Mutex::new(cells), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..WORKERS {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                loop {
                    let Some((fault, kind, wanted)) = cells.lock().pop() else { return };
                    let seen = runtime.block_on(play(fault, kind.0, kind.1));
                    if seen != wanted {
                        wrong.lock().push(format!("{fault:?} x {kind:?}:\n   is {seen:?}\n  not {wanted:?}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner();
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn reply(fault: Fault) -> Option<Reply> {
    let says = |name: &str| Some(Reply::ok(json!({ "outcome": name })));
    match fault {
        F::Done | F::NotSent | F::CutAnswer | F::CutRequest => None,
        F::Delivered | F::FailedLate | F::NeverSettled => Some(Reply::ok(json!({ "ref": "r-1" }))),
        F::Partial => says("partial"),
        F::RetryEffect => says("retry_effect"),
        F::RetryConnection => says("retry_connection"),
        F::ThrottledEffect => says("throttled_effect"),
        F::Throttled => Some(Reply::status(429).with("retry-after", "30")),
        F::AuthExpired | F::AuthRefused => Some(Reply::status(401)),
        F::ProviderDown => says("provider_down"),
        F::Http500 => Some(Reply::status(500)),
        F::GiveUp => says("give_up"),
        F::Redirect => Some(Reply::status(307).with("location", "http://proveedor.test/otra")),
        F::TargetGone => says("target_gone"),
        F::NeedsHuman => says("needs_human"),
        F::Withheld => says("withheld"),
        F::Dropped => says("dropped"),
        F::Unknown => says("unknown"),
        F::LostAfter | F::LostBefore | F::LostThenStatus => Some(Reply::Cut),
        F::Slow => Some(Reply::Hang),
    }
}

/// One call of `action` meets the fault; another one of its lane comes behind it, and one of another lane.
async fn play(fault: Fault, action: &str, more: &str) -> Cell {
    let late = matches!(fault, F::Delivered | F::FailedLate | F::NeverSettled);
    let action = if late { format!("{action}_tarde") } else { action.to_owned() };
    let flow = on_paid(&format!(
        "  - id: a\n    do: ventas.{action}\n    on_dead: park\n{more}    with: {{ to: \"{{{{ data.to }}}}\", n: \"{{{{ data.n }}}}\" }}\n    otherwise:\n      - id: b\n        do: ventas.flujo\n        with: {{ n: \"{{{{ data.n }}}}\" }}\n"
    ));
    let first_wire = match fault {
        F::NotSent => Fate::Refused,
        F::CutAnswer => Fate::CutAnswer(60),
        F::CutRequest => Fate::CutRequest(60),
        _ => Fate::Clean,
    };
    let mut build = Hub::build().flow(&flow).wired(move |n| if n == 0 { first_wire } else { Fate::Clean });
    if matches!(fault, F::AuthExpired | F::AuthRefused) {
        build = build.with_login();
    }
    if fault == F::Slow {
        // Longer than any good answer takes, however busy the machine is.
        build = build.limits(LimitOverride { timeout: Some(Duration::from_millis(1500)), ..LimitOverride::default() });
    }
    let hub = build.start().await;
    let path = format!("/{action}");
    hub.server.always("/login", Reply::ok(json!({ "token": "t" })));
    hub.server.script(&path, reply(fault));
    if fault == F::AuthRefused {
        hub.server.script(&path, reply(fault));
    }
    // The provider tells the truth about what it has done.
    let found = !matches!(fault, F::LostBefore | F::CutRequest);
    hub.server.always("/read", Reply::ok(json!({ "found": found })));

    hub.paid("1", json!({ "to": "ana", "n": 1 })).await;
    let effect = hub.until("the first effect", async || hub.effects().await.into_iter().find(|e| e.path == "a")).await;
    if fault == F::Slow {
        hub.until("the call to be given up", async || {
            hub.effects().await.into_iter().find(|e| e.id == effect.id && e.state != EffectState::Calling)
        })
        .await;
    }
    hub.calm().await;
    if fault == F::LostThenStatus {
        status(&hub, json!({ "key": effect.id.to_string(), "what": "accepted" })).await;
    }
    hub.paid("2", json!({ "to": "ana", "n": 2 })).await;
    hub.paid("3", json!({ "to": "luis", "n": 3 })).await;
    hub.calm().await;
    // The next of the lane may be on its own way already; what counts is the first.
    let calls = |n: i64| hub.server.values(&path, "/n").into_iter().filter(|v| *v == json!(n)).count();
    let state = async || hub.effects().await.into_iter().find(|e| e.id == effect.id).unwrap().state;
    let (first, waits) = (state().await, calls(2) == 0);
    let others_wait = matches!(fault, F::Throttled | F::RetryConnection);
    assert_eq!(calls(3) == 0, others_wait, "{fault:?} x {action}: another lane");
    if fault == F::Delivered || fault == F::FailedLate {
        let what = if fault == F::Delivered { "delivered" } else { "failed" };
        status(&hub, json!({ "ref": "r-1", "what": what })).await;
    }
    for seconds in [2, 40, 700, 3700] {
        hub.pass(seconds);
        hub.calm().await;
    }
    assert_eq!(calls(3), 1, "{fault:?} x {action}: another lane after hours");
    let keys: std::collections::BTreeSet<_> =
        hub.server.calls(&path).into_iter().filter(|c| c.json()["n"] == json!(1)).map(|c| (c.key, c.bytes)).collect();
    assert!(keys.len() <= 1, "{fault:?} x {action}: one effect has one key and the same bytes: {keys:?}");
    assert!(hub.server.calls("/otra").is_empty(), "a redirect is not followed");
    let run = hub.runs().await.into_iter().next().unwrap();
    Cell {
        calls: calls(1),
        first,
        last: state().await,
        waits,
        goes_on: calls(2) > 0,
        ends: run.status == RunStatus::Done,
        otherwise: hub.server.values("/flujo", "/n").contains(&json!(1)),
    }
}

async fn status(hub: &Hub, settles: Value) {
    hub.hear([json!({ "key": "m", "id": "s1", "settles": settles })]).await;
    hub.calm().await;
}

/// A provider whose answers are never understood is not flooded: the second call is made at once, those
/// behind it like every retry, and after `give_up_after` a person is asked.
#[tokio::test]
async fn g08_what_stays_unknown_is_sent_again_ever_more_slowly_and_not_for_ever() {
    for (action, more) in [("clave", ""), ("cliente", ""), ("unavez", "    on_unknown: resend\n")] {
        let flow = on_paid(&format!(
            "  - id: a\n    do: ventas.{action}\n    give_up_after: 2m\n{more}    with: {{ to: ana, n: 1 }}\n"
        ));
        let hub = Hub::build().flow(&flow).start().await;
        let path = format!("/{action}");
        hub.server.always(&path, Reply::ok(json!({ "outcome": "unknown" })));
        hub.paid("1", json!({})).await;
        hub.calm().await;
        assert_eq!(hub.server.calls(&path).len(), 2, "{action} while the clock stands");
        hub.until("a dead letter", async || {
            hub.pass(1);
            hub.effect("a").await.filter(|e| e.state == Dead)
        })
        .await;
        let calls = hub.server.calls(&path).len();
        assert!((4..60).contains(&calls), "{action}: {calls} calls in two minutes");
    }
}

/// A record that is looked for and never there is not made for ever either.
#[tokio::test]
async fn g08_a_readable_call_that_is_always_lost_ends_as_a_dead_letter() {
    let flow = on_paid("  - id: a\n    do: ventas.leible\n    give_up_after: 2m\n    with: { to: ana, n: 1 }\n");
    let hub = Hub::build().flow(&flow).start().await;
    hub.server.always("/leible", Reply::Cut);
    hub.server.always("/read", Reply::ok(json!({ "found": false })));
    hub.paid("1", json!({})).await;
    for _ in 0..8 {
        hub.calm().await;
        hub.pass(31);
    }
    hub.comes_to("a", Dead).await;
    let calls = hub.server.calls("/leible").len();
    assert!((2..7).contains(&calls), "{calls} calls in two minutes");
}
