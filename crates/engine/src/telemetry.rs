//! Every metric of the hub: its name, unit and meaning. Nothing outside of this module invents one.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal;)*) => {
        /// Counters since the start of the process.
        #[derive(Default)]
        pub struct Metrics {
            $($(#[doc = $doc])* pub $field: AtomicU64,)*
            calls: Mutex<BTreeMap<(String, &'static str), u64>>,
            forged: Mutex<BTreeMap<String, u64>>,
            withheld: Mutex<BTreeMap<(String, String), u64>>,
        }

        /// A reading of the counters.
        #[derive(Debug, Clone, Copy, Default, serde::Serialize, schemars::JsonSchema)]
        pub struct Snapshot {
            $($(#[doc = $doc])* pub $field: u64,)*
        }

        impl Metrics {
            /// All counters now.
            #[must_use]
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($field: self.$field.load(Relaxed),)* }
            }

            fn render_counters(&self, out: &mut String) {
                $(
                    let help = concat!($($doc),*);
                    let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} counter\n{0} {2}", $name, help.trim(), self.$field.load(Relaxed));
                )*
            }

            /// Names and meanings, for the documentation.
            #[must_use]
            pub fn catalogue() -> Vec<(&'static str, &'static str)> {
                vec![$(($name, concat!($($doc),*).trim()),)*]
            }
        }
    };
}

counters! {
    /// Deliveries on disk and answered 2xx.
    accepted = "pasarela_deliveries_accepted_total";
    /// Deliveries that were accepted before (same signature nonce).
    known = "pasarela_deliveries_known_total";
    /// Deliveries refused because the memory for bodies, the writer's queue or the disk is full.
    refused = "pasarela_deliveries_refused_total";
    /// Deliveries refused because too much waits to be decided, or the disk is nearly full.
    capped = "pasarela_deliveries_capped_total";
    /// Rounds of care (retention, free pages) that failed.
    care_failed = "pasarela_care_failed_total";
    /// Deliveries decided.
    decided = "pasarela_deliveries_decided_total";
    /// Deliveries whose facts were all known.
    duplicates = "pasarela_deliveries_duplicate_total";
    /// Deliveries or parts of them that were not understood.
    quarantined = "pasarela_deliveries_quarantined_total";
    /// Events written.
    events = "pasarela_events_total";
    /// Decisions that were made again because a read model or run had changed.
    conflicts = "pasarela_decide_conflicts_total";
    /// Decisions that failed.
    decide_failures = "pasarela_decide_failures_total";
    /// Runs begun.
    runs = "pasarela_runs_started_total";
    /// Runs ended.
    runs_done = "pasarela_runs_done_total";
    /// Effects that became dead letters.
    dead = "pasarela_effects_dead_total";
    /// Effects that became unknown.
    unknown = "pasarela_effects_unknown_total";
    /// Messages that were put off by law: hours of contact, frequency, the registry. One may be put off several times.
    deferred = "pasarela_effects_deferred_total";
    /// Effects that were dropped: too late to be of use, or of unknown outcome where nobody is asked.
    dropped = "pasarela_effects_dropped_total";
    /// Answers that came for an attempt that no longer was the open one.
    stale = "pasarela_settle_stale_total";
    /// Work that only the backstop scan found: each one is a bug.
    backstop = "pasarela_backstop_finds_total";
    /// Circuit breakers that opened.
    breaker_opened = "pasarela_breakers_opened_total";
    /// Records read by reconciliation.
    reconciled = "pasarela_reconcile_records_total";
    /// Reconciliations that did not complete.
    reconcile_failed = "pasarela_reconcile_failed_total";
    /// Records that reconciliation found and the hub had not.
    found_missing = "pasarela_reconcile_missing_total";
    /// Records that reconciliation found in another state than the hub had them.
    found_different = "pasarela_reconcile_different_total";
    /// Records that the hub had and a whole reading did not find.
    found_extra = "pasarela_reconcile_extra_total";
}

impl Metrics {
    /// Counts an answered, or not answered, call.
    pub(crate) fn call(&self, connection: &str, outcome: &'static str) {
        let mut calls = self.calls.lock();
        if let Some(n) = calls.iter_mut().find(|((c, o), _)| *o == outcome && c == connection) {
            *n.1 += 1;
        } else {
            calls.insert((connection.to_owned(), outcome), 1);
        }
    }

    /// Outcomes of a connection's calls, counted since the start.
    #[must_use]
    pub fn calls_of(&self, connection: &str) -> Vec<(&'static str, u64)> {
        let calls = self.calls.lock();
        calls.iter().filter(|((c, _), _)| c == connection).map(|((_, outcome), n)| (*outcome, *n)).collect()
    }

    /// Counts a forged delivery.
    pub(crate) fn forged(&self, connection: &str) {
        *self.forged.lock().entry(connection.to_owned()).or_default() += 1;
    }

    /// Counts an effect that a rule withheld.
    pub(crate) fn withheld(&self, connection: &str, rule: &str) {
        *self.withheld.lock().entry((connection.to_owned(), rule.to_owned())).or_default() += 1;
    }

    /// Effects that were withheld: connection, rule, how many.
    #[must_use]
    pub fn withheld_by_rule(&self) -> Vec<(String, String, u64)> {
        self.withheld.lock().iter().map(|((connection, rule), n)| (connection.clone(), rule.clone(), *n)).collect()
    }

    /// Forged deliveries of all connections.
    #[must_use]
    pub fn forged_total(&self) -> u64 {
        self.forged.lock().values().sum()
    }

    /// The counters in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.render_counters(&mut out);
        out.push_str("# HELP pasarela_deliveries_forged_total Deliveries that were not authentic.\n# TYPE pasarela_deliveries_forged_total counter\n");
        for (connection, n) in self.forged.lock().iter() {
            let _ = writeln!(out, "pasarela_deliveries_forged_total{{connection=\"{connection}\"}} {n}");
        }
        out.push_str("# HELP pasarela_effects_withheld_total Effects that were not sent, by the rule that forbids them.\n# TYPE pasarela_effects_withheld_total counter\n");
        for (connection, rule, n) in self.withheld_by_rule() {
            let _ = writeln!(out, "pasarela_effects_withheld_total{{connection=\"{connection}\",rule=\"{rule}\"}} {n}");
        }
        out.push_str(
            "# HELP pasarela_calls_total Calls to providers by outcome.\n# TYPE pasarela_calls_total counter\n",
        );
        for ((connection, outcome), n) in self.calls.lock().iter() {
            let _ = writeln!(out, "pasarela_calls_total{{connection=\"{connection}\",outcome=\"{outcome}\"}} {n}");
        }
        out
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
