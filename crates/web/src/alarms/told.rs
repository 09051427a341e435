//! What each alarm means and what to do about it, in the words of the documentation.

use super::ALL;

/// Name, when it rings, what to do.
const TOLD: &[(&str, &str, &str)] = &[
    ("dead_letters", "an effect was given up", "`pasarela dead list`: retry it or drop it"),
    (
        "unknown",
        "it is not known whether an effect was done, and nothing can tell any more",
        "look at the provider, then retry (it may be done twice) or drop it",
    ),
    ("quarantine", "a delivery was not understood", "upgrade, then `pasarela replay del_...`; or drop it"),
    ("proposals", "reconciliation proposes something", "approve or drop it (\"to resolve\")"),
    (
        "connection_degraded",
        "a credential is refused, or a connection cannot work",
        "`pasarela connections` says what to do",
    ),
    ("breaker_open", "a provider does not answer", "wait: it is probed by itself; look at the provider's status page"),
    ("reconciliation_failed", "the last reading of a task did not complete", "`pasarela reconcile NAME` says why"),
    (
        "case_late",
        "the term of a request of a person is over: it is not answered, not labelled, or not asked to be completed",
        "`pasarela cases list`: answer it today, and say why it is late ([cases](cases.md))",
    ),
    (
        "incident_late",
        "a security incident was not reported within 15 business days",
        "`pasarela incidents list`: report it today ([incidents](cases.md#incidents))",
    ),
    (
        "case_due",
        "the goal of a request of a person is within three business days, or has passed",
        "`pasarela cases list`: answer it, or extend it once and tell the person ([cases](cases.md))",
    ),
    (
        "incident_open",
        "a security incident is not reported yet; its clock does not stop",
        "complete its sheet and report it ([incidents](cases.md#incidents))",
    ),
    (
        "work_stuck",
        "due work or an undecided delivery is older than 30 s",
        "is the machine overloaded, the disk slow? Read the log",
    ),
    (
        "intake_capped",
        "deliveries are refused, because too many bytes wait or the disk is nearly full",
        "it goes on by itself; see what holds the deciding up (`pasarela top`), or raise `store.max_pending`",
    ),
    ("log_large", "SQLite's log is above 32 MiB", "another program holds the database file open: end it"),
    ("disk_low", "less than 1 GiB is free beside the database", "free space"),
    (
        "space_unused",
        "more than half of a file of an earlier build, and more than 1 GiB, is free pages",
        "[write it anew](care.md#space) at a calm hour",
    ),
    (
        "care_behind",
        "retention did not come to its end for more than a day",
        "raise `retention.budget`, or lower `every`",
    ),
    (
        "api_version_ends",
        "the API version that a connection speaks has its last day within 90 days, 30 days, or today (`stage`); the value is the days that are left",
        "upgrade, or choose a newer version in the connection's settings; `pasarela doctor` names the day",
    ),
    (
        "registry_unasked",
        "advertising waits for the RNE for more than 10 minutes",
        "`pasarela rne status` says why; without credentials, [import a list](rne.md#without-credentials)",
    ),
    (
        "refusals",
        "one key, account or address was turned away 60 times or more within 10 minutes; the value is how often, on this node",
        "`pasarela audit list --kind refusals` says whose and from where: revoke the key, or stop the address at the proxy ([audit](audit.md#looks-and-refusals))",
    ),
    (
        "webhook_failing",
        "a webhook to a service of your own was answered by nothing well for 15 minutes, or the hub paused it",
        "look at the service, then resume it ([webhooks](webhooks.md)); its events wait",
    ),
    (
        "people_behind",
        "an event has waited for the map of persons for more than a minute: who is whom is not known of what is heard since",
        "the log says `the map of persons could not be brought up to date yet`, and why; it goes on by itself once that is over ([identity](identity.md))",
    ),
    ("database_damaged", "the check of the whole file found damage", "[doctor](care.md#doctor), or restore a backup"),
];

/// Every alarm: its name, when it rings, what to do.
pub fn explained() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ALL.into_iter().map(|name| {
        let told = TOLD.iter().find(|(n, ..)| *n == name);
        told.map_or((name, "", ""), |(_, rings, todo)| (name, *rings, *todo))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_says_when_it_rings_and_what_to_do() {
        for (name, rings, todo) in explained() {
            assert!(!rings.is_empty() && !todo.is_empty(), "write down in alarms/told.rs what '{name}' means");
        }
        for (name, ..) in TOLD {
            assert!(ALL.contains(name), "'{name}' is no alarm any more");
        }
    }
}
