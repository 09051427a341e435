//! What must not go unnoticed (G13), found out in one place: metrics, API and console show the same.
//! Reads only what is cheap to read: it is asked for with every page.

mod told;

pub use told::explained;

use crate::App;
use pasarela_engine::CareNow;
use pasarela_store::{HealthRow, Stats};
use serde::Serialize;

/// Due work and undecided deliveries older than this mean that something is stuck.
const OLDEST_DUE_S: f64 = 30.0;
/// The log is bounded below this; beyond it somebody else reads the database file.
const LOG_BYTES: u64 = 32 * 1024 * 1024;
/// Days before the last day of an API's version at which it rings, and rings louder, and is over.
const ENDS: [i32; 3] = [90, 30, 0];

/// Less free space than this, and the next flood fills the disk.
const DISK_BYTES: u64 = 1024 * 1024 * 1024;

/// More free pages than this in a file that cannot give them back, and it is worth being written anew.
const UNUSED_BYTES: u64 = 1024 * 1024 * 1024;
/// Retention that is not through for longer than this needs a larger budget.
const BEHIND_S: f64 = 86_400.0;

/// Advertising waits longer than this for the registry of people who want none.
const UNASKED_S: f64 = 600.0;

/// Events wait longer than this for the map of persons: who is whom is not known of the latest buyers.
const UNMAPPED_S: f64 = 60.0;

/// All alarms; each is a metric `pasarela_alarm{alarm="..."}` at all times.
pub(crate) const ALL: [&str; 23] = [
    "dead_letters",
    "unknown",
    "quarantine",
    "proposals",
    "connection_degraded",
    "breaker_open",
    "reconciliation_failed",
    "case_late",
    "incident_late",
    "case_due",
    "incident_open",
    "api_version_ends",
    "work_stuck",
    "intake_capped",
    "log_large",
    "disk_low",
    "space_unused",
    "care_behind",
    "database_damaged",
    "registry_unasked",
    "refusals",
    "webhook_failing",
    "people_behind",
];

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub(crate) struct Alarm {
    /// One of [`ALL`].
    pub(crate) alarm: &'static str,
    /// How many, seconds, or bytes: what the alarm is about.
    pub(crate) value: f64,
    /// Connections that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) connections: Vec<String>,
    /// For `api_version_ends`: 90, 30 or 0, the mark of days that has been passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<i32>,
}

/// Alarms that ring now.
pub(crate) fn ringing(app: &App, health: &HealthRow) -> Vec<Alarm> {
    let connections = app.engine.connections();
    let named = |ring: &dyn Fn(&pasarela_engine::ConnectionState) -> bool| {
        connections.iter().filter(|c| ring(c)).map(|c| c.name.clone()).collect::<Vec<_>>()
    };
    let now = app.engine.clock().now();
    let age = |t: Option<jiff::Timestamp>| t.map_or(0.0, |t| now.duration_since(t).as_secs_f64());
    let oldest = age(health.oldest_due).max(age(health.oldest_inbox));
    let mut alarms = of(health, &app.engine.store().stats(), oldest);
    alarms.extend(of_cases(&app.engine.known_cases()));
    alarms.extend(of_care(&app.engine.care_now(), now));
    let registry = app.engine.registry();
    let waits = age(registry.waits_since);
    if waits > UNASKED_S {
        let connections = registry.connection.into_iter().collect();
        alarms.push(Alarm { alarm: "registry_unasked", value: waits, connections, stage: None });
    }
    if let Some(refused) = app.gathered.worst(app.console.wall()) {
        let value = f64::from(refused);
        alarms.push(Alarm { alarm: "refusals", value, connections: Vec::new(), stage: None });
    }
    let told = app.engine.webhooks_in_trouble();
    if !told.is_empty() {
        alarms.push(Alarm { alarm: "webhook_failing", value: told.len() as f64, connections: told, stage: None });
    }
    alarms.extend(of_people(age(app.engine.people_wait())));
    let about = [
        ("connection_degraded", named(&|c| c.state == "degraded")),
        ("breaker_open", named(&|c| c.work.breaker != "closed")),
        ("reconciliation_failed", named(&|c| app.engine.reports(&c.name).iter().any(|r| r.problem.is_some()))),
    ];
    for (alarm, connections) in about {
        if !connections.is_empty() {
            alarms.push(Alarm { alarm, value: connections.len() as f64, connections, stage: None });
        }
    }
    let lives = connections.iter().filter_map(|c| Some((c.name.as_str(), c.api.days_left?)));
    alarms.extend(of_versions(&lives.collect::<Vec<_>>()));
    alarms.sort_by_key(|a| ALL.iter().position(|n| *n == a.alarm));
    alarms
}

/// The map of persons does not come after the log.
fn of_people(waits: f64) -> Option<Alarm> {
    let rings = waits > UNMAPPED_S;
    rings.then_some(Alarm { alarm: "people_behind", value: waits, connections: Vec::new(), stage: None })
}

/// Alarms of the store.
fn of(health: &HealthRow, stats: &Stats, oldest: f64) -> Vec<Alarm> {
    let ring = [
        ("dead_letters", health.dead as f64, health.dead > 0),
        ("unknown", health.unknown as f64, health.unknown > 0),
        ("quarantine", health.quarantined as f64, health.quarantined > 0),
        ("proposals", health.proposed as f64, health.proposed > 0),
        ("work_stuck", oldest, oldest > OLDEST_DUE_S),
        ("log_large", stats.wal_bytes as f64, stats.wal_bytes > LOG_BYTES),
        ("disk_low", health.disk_free as f64, health.disk_free < DISK_BYTES),
    ];
    ring.into_iter()
        .filter(|(.., rings)| *rings)
        .map(|(alarm, value, _)| Alarm { alarm, value, connections: Vec::new(), stage: None })
        .collect()
}

/// The one alarm for all providers: the value is the days that the soonest end leaves.
fn of_versions(lives: &[(&str, i32)]) -> Option<Alarm> {
    let mark = |days: i32| ENDS.into_iter().filter(|mark| days <= *mark).min();
    let soonest = lives.iter().map(|(_, days)| *days).min()?;
    let stage = mark(soonest)?;
    let connections = lives.iter().filter(|(_, days)| mark(*days).is_some()).map(|(name, _)| (*name).to_owned());
    Some(Alarm {
        alarm: "api_version_ends",
        value: f64::from(soonest),
        connections: connections.collect(),
        stage: Some(stage),
    })
}

/// Alarms of the law's clocks.
fn of_cases(now: &pasarela_engine::CasesNow) -> Vec<Alarm> {
    let ring = [
        ("case_late", now.late),
        ("incident_late", now.incidents_late),
        ("case_due", now.soon),
        ("incident_open", now.incidents - now.incidents_late.min(now.incidents)),
    ];
    let rings = ring.into_iter().filter(|(_, n)| *n > 0);
    rings.map(|(alarm, n)| Alarm { alarm, value: n as f64, connections: Vec::new(), stage: None }).collect()
}

/// Alarms of how the store is kept.
fn of_care(care: &CareNow, now: jiff::Timestamp) -> Vec<Alarm> {
    let behind = care.behind_since.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
    let (bytes, free) = (care.space.bytes, care.space.free_bytes);
    let ring = [
        ("intake_capped", care.intake.pending_bytes as f64, care.intake.capped),
        ("space_unused", free as f64, !care.space.gives_back && free > UNUSED_BYTES && free > bytes / 2),
        ("care_behind", behind, behind > BEHIND_S),
        ("database_damaged", 1.0, care.damage.is_some()),
    ];
    let rings = ring.into_iter().filter(|(.., rings)| *rings);
    rings.map(|(alarm, value, _)| Alarm { alarm, value, connections: Vec::new(), stage: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g13_each_trouble_of_keeping_rings_alone() {
        use pasarela_engine::IntakeView;
        let now: jiff::Timestamp = "2026-11-27T19:00:00Z".parse().unwrap();
        let whole = pasarela_store::Space { bytes: 8 * UNUSED_BYTES, free_bytes: 7 * UNUSED_BYTES, gives_back: true };
        let calm = CareNow { behind_since: Some(now), space: whole, ..CareNow::default() };
        assert!(of_care(&calm, now).is_empty());
        let ring = |care: CareNow, now| {
            let alarms = of_care(&care, now);
            assert_eq!(alarms.len(), 1, "{alarms:?}");
            assert!(ALL.contains(&alarms[0].alarm));
            alarms[0].alarm
        };
        let capped = IntakeView { capped: true, pending_bytes: 7, limit_bytes: 7 };
        let old = pasarela_store::Space { gives_back: false, ..whole };
        let later = now.checked_add(jiff::SignedDuration::from_hours(25)).unwrap();
        assert_eq!(ring(CareNow { intake: capped, ..calm.clone() }, now), "intake_capped");
        assert_eq!(ring(CareNow { space: old, ..calm.clone() }, now), "space_unused");
        assert_eq!(ring(calm.clone(), later), "care_behind");
        assert_eq!(ring(CareNow { damage: Some("page 7".into()), ..calm }, now), "database_damaged");
    }

    #[test]
    fn g13_the_end_of_an_api_rings_at_90_30_and_0_days_by_the_clock_that_is_given() {
        use pasarela_connector::ApiVersion;
        let api = ApiVersion { version: "v21.0", ends: Some("2027-01-21") };
        let at = |date: &str| {
            let now: jiff::Timestamp = format!("{date}T12:00:00Z").parse().unwrap();
            let lives = [("wa", api.days_left(now).unwrap()), ("crm", 400)];
            of_versions(&lives).map(|a| (a.value, a.stage.unwrap(), a.connections))
        };
        let wa = vec!["wa".to_owned()];
        assert_eq!(at("2026-10-22"), None, "91 days before");
        assert_eq!(at("2026-10-23"), Some((90.0, 90, wa.clone())));
        assert_eq!(at("2026-12-21"), Some((31.0, 90, wa.clone())));
        assert_eq!(at("2026-12-22"), Some((30.0, 30, wa.clone())));
        assert_eq!(at("2027-01-20"), Some((1.0, 30, wa.clone())));
        assert_eq!(at("2027-01-21"), Some((0.0, 0, wa.clone())), "on its last day");
        assert_eq!(at("2027-03-01"), Some((-39.0, 0, wa)), "and after it");
        assert_eq!(of_versions(&[]), None, "no end is announced");
    }

    #[test]
    fn g13_a_map_of_persons_that_does_not_come_after_rings() {
        assert_eq!(of_people(60.0), None, "a flood is read within that");
        let rings = of_people(61.0).unwrap();
        assert!(ALL.contains(&rings.alarm) && rings.value == 61.0);
    }

    #[test]
    fn must_05_09_the_clocks_of_the_law_ring() {
        use pasarela_engine::CasesNow;
        let names = |now| of_cases(&now).into_iter().map(|a| (a.alarm, a.value)).collect::<Vec<_>>();
        assert!(names(CasesNow { open: 3, ..CasesNow::default() }).is_empty(), "there is time");
        assert_eq!(
            names(CasesNow { soon: 2, late: 1, ..CasesNow::default() }),
            [("case_late", 1.0), ("case_due", 2.0)]
        );
        let incidents = CasesNow { incidents: 3, incidents_late: 1, ..CasesNow::default() };
        assert_eq!(names(incidents), [("incident_late", 1.0), ("incident_open", 2.0)]);
    }

    #[test]
    fn g13_each_state_of_the_store_rings_alone_and_calm_is_silent() {
        let calm = HealthRow { disk_free: u64::MAX, ..HealthRow::default() };
        assert!(of(&calm, &Stats::default(), 29.9).is_empty());
        let ring = |health: HealthRow, stats: Stats, oldest| {
            let alarms = of(&health, &stats, oldest);
            assert_eq!(alarms.len(), 1, "{alarms:?}");
            assert!(ALL.contains(&alarms[0].alarm));
            alarms[0].alarm
        };
        let large = Stats { wal_bytes: LOG_BYTES + 1, ..Stats::default() };
        assert_eq!(ring(HealthRow { dead: 1, ..calm.clone() }, Stats::default(), 0.0), "dead_letters");
        assert_eq!(ring(HealthRow { unknown: 1, ..calm.clone() }, Stats::default(), 0.0), "unknown");
        assert_eq!(ring(HealthRow { quarantined: 1, ..calm.clone() }, Stats::default(), 0.0), "quarantine");
        assert_eq!(ring(HealthRow { proposed: 1, ..calm.clone() }, Stats::default(), 0.0), "proposals");
        assert_eq!(ring(calm.clone(), Stats::default(), 31.0), "work_stuck");
        assert_eq!(ring(calm.clone(), large, 0.0), "log_large");
        assert_eq!(ring(HealthRow { disk_free: DISK_BYTES - 1, ..calm }, Stats::default(), 0.0), "disk_low");
    }
}
