//! Lock-out with back-off: who fails waits, a little longer each time, and never for good. Counted by what is
//! tried (an account) and by where from, in the store: it holds over restarts and on every node.
//!
//! A try counts before it is looked at, so that many at once are not more than many in a row. One that succeeds
//! is taken back. An account that nobody has is counted like one that somebody has: the waiting tells nothing.

use jiff::{SignedDuration, Timestamp};
use pasarela_store::{Error, RecordFilter, RecordOrder, RecordWrite, Recorded, Store};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Kind of the records.
const KIND: &str = "lockout";
/// Writes that lose against others before it is given up.
const RACES: usize = 16;
/// Counts that are over and go when a new one is made.
const SWEPT: u32 = 50;

/// What is counted, and how patiently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    name: &'static str,
    /// Tries in a row that cost nothing.
    free: u32,
    /// Longest wait.
    longest: SignedDuration,
    /// So long after the last one, all is forgotten.
    forget: SignedDuration,
}

/// Passwords and codes of an account.
pub(crate) const ACCOUNT: Limit =
    Limit { name: "account", free: 5, longest: SignedDuration::from_mins(15), forget: SignedDuration::from_hours(24) };
/// Whatever is tried from a place. Shorter: an office has one address.
pub(crate) const SOURCE: Limit =
    Limit { name: "source", free: 5, longest: SignedDuration::from_secs(60), forget: SignedDuration::from_hours(1) };
/// Letters with links to a mailbox.
pub(crate) const LETTER: Limit =
    Limit { name: "letter", free: 3, longest: SignedDuration::from_mins(15), forget: SignedDuration::from_hours(24) };

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    tries: u32,
    until: Option<Timestamp>,
}

/// May it be tried now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// Yes, and it is counted.
    Yes,
    /// Yes, and it is the first after which there is a wait.
    Last,
    /// Not for so long; nothing was counted.
    Wait(Duration),
}

impl Admitted {
    /// May it be tried?
    pub(crate) fn is_in(self) -> bool {
        !matches!(self, Self::Wait(_))
    }
}

/// Where somebody tries from, as it is counted: one network of IPv6 is one place.
pub(crate) fn place(from: Option<IpAddr>) -> String {
    match from {
        Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
            }
        },
        Some(v4) => v4.to_string(),
        None => "unknown".into(),
    }
}

/// Counts a try, unless it has to wait.
pub(crate) async fn admit(store: &dyn Store, limit: Limit, who: &str, now: Timestamp) -> Result<Admitted, Error> {
    change(store, limit, who, now, |count| {
        let last = count.tries.saturating_add(1) == limit.free;
        let waits = count.until.map(|until| until.duration_since(now)).filter(|left| left.is_positive());
        if let Some(left) = waits {
            return Err(Duration::from_secs(left.as_secs().unsigned_abs() + 1));
        }
        count.tries = count.tries.saturating_add(1);
        count.until = wait(limit, count.tries).and_then(|wait| now.checked_add(wait).ok());
        Ok(if last { Admitted::Last } else { Admitted::Yes })
    })
    .await
}

/// A try that was counted succeeded: it counts no more. Those before it stay.
pub(crate) async fn take_back(store: &dyn Store, limit: Limit, who: &str, now: Timestamp) -> Result<(), Error> {
    let taken = change(store, limit, who, now, |count| {
        count.tries = count.tries.saturating_sub(1);
        count.until = None;
        Ok(Admitted::Yes)
    });
    taken.await.map(|_| ())
}

/// Somebody proved who they are: all is forgotten.
pub(crate) async fn forget(store: &dyn Store, limit: Limit, who: &str) -> Result<(), Error> {
    let id = id(store, limit, who);
    for _ in 0..RACES {
        let Some(row) = store.record(KIND, &id).await? else { return Ok(()) };
        if store.drop_record(KIND, &id, row.version).await? {
            return Ok(());
        }
    }
    Err(Error::Busy)
}

/// 1 s with the last free try, then twice as long each time.
fn wait(limit: Limit, tries: u32) -> Option<SignedDuration> {
    let beyond = tries.checked_sub(limit.free)?;
    Some(SignedDuration::from_secs(1 << beyond.min(20)).min(limit.longest))
}

fn id(store: &dyn Store, limit: Limit, who: &str) -> String {
    format!("{}-{:016x}", limit.name, store.sealer().hash(&["lockout", limit.name, who]).cast_unsigned())
}

async fn change(
    store: &dyn Store,
    limit: Limit,
    who: &str,
    now: Timestamp,
    f: impl Fn(&mut Count) -> Result<Admitted, Duration>,
) -> Result<Admitted, Error> {
    let id = id(store, limit, who);
    for _ in 0..RACES {
        let row = store.record(KIND, &id).await?;
        let alive = row.as_ref().filter(|row| row.due.is_some_and(|due| due > now));
        let mut count: Count = alive.and_then(|row| serde_json::from_slice(&row.data).ok()).unwrap_or_default();
        let admitted = match f(&mut count) {
            Ok(admitted) => admitted,
            Err(wait) => return Ok(Admitted::Wait(wait)),
        };
        let written = store.keep_record(RecordWrite {
            kind: KIND.into(),
            id: id.clone(),
            expected: row.as_ref().map_or(0, |row| row.version),
            due: Some(now.checked_add(limit.forget).unwrap_or(Timestamp::MAX)),
            open: true,
            subjects: Vec::new(),
            at: now,
            data: store.sealer().seal_json(&count),
        });
        if let Recorded::Done(version) = written.await? {
            if version == 1 {
                sweep(store, now).await?;
            }
            return Ok(admitted);
        }
    }
    Err(Error::Busy)
}

/// Lets go of counts that are over.
async fn sweep(store: &dyn Store, now: Timestamp) -> Result<(), Error> {
    for row in store.records(RecordFilter::first(KIND, RecordOrder::Due(now), SWEPT)).await?.rows {
        // One that was written meanwhile stays.
        store.drop_record(KIND, &row.id, row.version).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_never_beyond_the_longest() {
        let waits: Vec<i64> = (1..=9).map(|n| wait(ACCOUNT, n).map_or(0, |w| w.as_secs())).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(wait(ACCOUNT, u32::MAX), Some(SignedDuration::from_mins(15)));
        assert_eq!(wait(SOURCE, 100), Some(SignedDuration::from_secs(60)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let of = |text: &str| place(text.parse().ok());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
