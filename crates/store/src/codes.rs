//! How both adapters write what has no number of its own: times, states, and which attempt lies in its
//! effect's row. Not a schema: that is each adapter's.

use crate::contract::{AttemptInsert, EffectGuard, EffectState, EffectUpdate, RunStatus, TimerKind};
use jiff::Timestamp;

pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn ms(t: Timestamp) -> i64 {
    t.as_millisecond()
}

pub(crate) fn run_code(status: RunStatus) -> i64 {
    match status {
        RunStatus::Running => 0,
        RunStatus::Blocked => 1,
        RunStatus::Settling => 2,
        RunStatus::Done => 10,
        RunStatus::Cancelled => 11,
        RunStatus::Failed => 12,
    }
}

pub(crate) fn run_status(code: i64) -> RunStatus {
    match code {
        0 => RunStatus::Running,
        1 => RunStatus::Blocked,
        2 => RunStatus::Settling,
        11 => RunStatus::Cancelled,
        12 => RunStatus::Failed,
        _ => RunStatus::Done,
    }
}

/// From the stored number.
pub(crate) fn timer_kind(code: i64) -> TimerKind {
    match code {
        0 => TimerKind::Wait,
        1 => TimerKind::Settle,
        3 => TimerKind::Resume,
        4 => TimerKind::Defer,
        _ => TimerKind::Check,
    }
}

/// Is this attempt the one that ended its effect well? No other can follow, so it needs no row of its
/// own: most effects are done at the first try, and their whole history is in their row.
pub(crate) fn is_end_of(u: &EffectUpdate, a: &AttemptInsert) -> bool {
    u.id == a.effect
        && u.to == EffectState::Done
        && a.outcome == DONE
        && matches!(u.guard, EffectGuard::Attempt { attempt, .. } if attempt == a.attempt)
}

/// Outcome of the attempt that lies in an effect's own row.
pub(crate) const DONE: &str = "done";

/// Two words of SHA-256 of a nonce. Nonces are not personal, and the key is not needed here.
pub(crate) fn replay_hash(nonce: &str) -> (i64, i64) {
    let digest = ring::digest::digest(&ring::digest::SHA256, nonce.as_bytes());
    let word = |i: usize| {
        let bytes: [u8; 8] = std::array::from_fn(|j| digest.as_ref()[i * 8 + j]);
        (u64::from_le_bytes(bytes) >> 1) as i64
    };
    (word(0), word(1))
}

/// A condition that leaves out effects of these connections.
pub(crate) fn not_of(connections: &[i64]) -> String {
    if connections.is_empty() {
        return String::new();
    }
    let list: Vec<String> = connections.iter().map(i64::to_string).collect();
    format!(" AND e.connection NOT IN ({})", list.join(", "))
}
