//! Ids: 63-bit, time-ordered integers in the store, prefixed text at the border.
//!
//! Layout, high to low: 42 bits of milliseconds since 2024-01-01, 5 bits of node,
//! 16 bits of sequence. Positive for 139 years, and ordered by time of making.

use std::fmt;
use std::str::FromStr;

/// Milliseconds of 2024-01-01T00:00:00Z in Unix time: the zero of our ids.
const EPOCH_MS: i64 = 1_704_067_200_000;
const SEQUENCE_BITS: u32 = 16;
const NODE_BITS: u32 = 5;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is no id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind} id: it should look like {kind}_0123456789abc")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

fn encode(prefix: &str, value: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut out = [0u8; 13];
    let mut rest = value as u64;
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    let digits = std::str::from_utf8(&out).map_err(|_| fmt::Error)?;
    write!(f, "{prefix}_{digits}")
}

fn decode(prefix: &'static str, text: &str) -> Result<i64, InvalidId> {
    let bad = || InvalidId { kind: prefix, text: text.chars().take(40).collect() };
    let digits = text.strip_prefix(prefix).and_then(|t| t.strip_prefix('_')).ok_or_else(bad)?;
    if digits.len() != 13 {
        return Err(bad());
    }
    let mut value: u64 = 0;
    for byte in digits.bytes() {
        let digit = ALPHABET.iter().position(|a| *a == byte.to_ascii_lowercase()).ok_or_else(bad)?;
        value = value.checked_mul(32).and_then(|v| v.checked_add(digit as u64)).ok_or_else(bad)?;
    }
    i64::try_from(value).map_err(|_| bad())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id as the store keeps it.
            #[must_use]
            pub const fn get(self) -> i64 { self.0 }
            /// From the store's integer.
            #[must_use]
            pub const fn from_raw(raw: i64) -> Self { Self(raw) }
            /// Number of the node that made it.
            #[must_use]
            pub const fn node(self) -> u8 { ((self.0 >> SEQUENCE_BITS) & 31) as u8 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { encode($prefix, self.0, f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { encode($prefix, self.0, f) }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> { decode($prefix, text).map(Self) }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{12}$") })
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One inbound request or polled page, as received.
    DeliveryId = "del";
    /// One thing that a person said about their data.
    ConsentId = "cns";
    /// One canonical fact.
    EventId = "evt";
    /// One execution of one flow version for one event.
    RunId = "run";
    /// One call that a run wants made. Also the stem of its idempotency key.
    EffectId = "eff";
    /// A person, across all systems.
    PersonId = "per";
    /// One thing that was done to what is known of who is whom.
    DeedId = "dee";
}

/// Makes ids that never repeat and never go back, even when the clock does.
#[derive(Debug, Clone)]
pub struct IdMaker {
    node: i64,
    last: i64,
}

impl IdMaker {
    /// A maker for `node` (0 to 31) that stays above `last`, the highest id already stored.
    #[must_use]
    pub fn new(node: u8, last: i64) -> Self {
        Self { node: i64::from(node & 31), last }
    }

    /// A maker for `node` whose ids are above `highest`, whichever node made that one.
    #[must_use]
    pub fn above(node: u8, highest: i64) -> Self {
        let mut maker = Self::new(node, 0);
        if highest > 0 {
            // The first of this node in the next millisecond: counting on from another node's id would
            // give ids of that node.
            let next = (highest >> (SEQUENCE_BITS + NODE_BITS)) + 1;
            maker.last = (next << (SEQUENCE_BITS + NODE_BITS)) | (maker.node << SEQUENCE_BITS);
        }
        maker
    }

    /// Are its ids above those that another of the same node has given so far?
    #[must_use]
    pub fn is_above(&self, other: &Self) -> bool {
        self.last > other.last
    }

    /// The lowest id that is made at this moment or later, whichever node makes it.
    #[must_use]
    pub fn lowest_at(at: jiff::Timestamp) -> i64 {
        (at.as_millisecond() - EPOCH_MS).max(0) << (SEQUENCE_BITS + NODE_BITS)
    }

    /// When an id was made, to the millisecond.
    #[must_use]
    pub fn made_at(id: i64) -> jiff::Timestamp {
        let ms = (id.max(0) >> (SEQUENCE_BITS + NODE_BITS)) + EPOCH_MS;
        jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The next id at `now`.
    pub fn next(&mut self, now: jiff::Timestamp) -> i64 {
        let ms = (now.as_millisecond() - EPOCH_MS).max(0);
        let fresh = (ms << (SEQUENCE_BITS + NODE_BITS)) | (self.node << SEQUENCE_BITS);
        self.last = if fresh > self.last { fresh } else { self.last + 1 };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_even_when_the_clock_goes_back() {
        let mut maker = IdMaker::new(1, 0);
        let late: jiff::Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        let early: jiff::Timestamp = "2026-11-27T18:00:00Z".parse().unwrap();
        let ids: Vec<i64> = [late, late, early, early, late].into_iter().map(|t| maker.next(t)).collect();
        assert!(ids.windows(2).all(|w| w[0] < w[1]), "{ids:?}");
    }

    #[test]
    fn a_node_goes_on_above_the_ids_of_others_with_its_own_number() {
        let now: jiff::Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        let theirs = IdMaker::new(7, 0).next(now);
        let mut maker = IdMaker::above(3, theirs);
        for _ in 0..3 {
            let id = maker.next(jiff::Timestamp::UNIX_EPOCH);
            assert!(id > theirs && (id >> SEQUENCE_BITS) & 31 == 3, "{id:x}");
        }
    }

    #[test]
    fn an_id_tells_when_it_was_made_and_a_moment_which_ids_come_after_it() {
        let at: jiff::Timestamp = "2026-11-27T19:00:00.123Z".parse().unwrap();
        let id = IdMaker::new(0, 0).next(at);
        assert_eq!((IdMaker::made_at(id), IdMaker::lowest_at(at)), (at, id));
        let before = IdMaker::new(31, 0).next(at - jiff::SignedDuration::from_millis(1));
        assert!(before < IdMaker::lowest_at(at));
        assert_eq!(IdMaker::lowest_at(jiff::Timestamp::UNIX_EPOCH), 0);
    }

    #[test]
    fn text_form_round_trips_and_refuses_other_kinds() {
        let id = EffectId::from_raw(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string().parse::<EffectId>().unwrap(), id);
        assert!(id.to_string().parse::<RunId>().is_err());
        assert!("eff_zzzzzzzzzzzzz".parse::<EffectId>().is_err(), "above 63 bits");
        assert!("eff_1".parse::<EffectId>().is_err());
    }
}
