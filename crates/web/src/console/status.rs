//! The status line at the top of every page: calm when all is well, else what is under way and what
//! needs a person.

use super::words::Words;
use crate::App;
use crate::alarms::{self, Alarm};
use askama::Template;
use pasarela_store::HealthRow;
use std::time::{Duration, Instant};

/// All open pages share one reading of this age at most.
const FRESH: Duration = Duration::from_millis(500);

/// The last reading.
#[derive(Default)]
pub(super) struct Cache(tokio::sync::Mutex<Option<(Instant, HealthRow)>>);

impl Cache {
    /// After a deed its own page must not show the state before it.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// One part of the line.
struct Item {
    tone: &'static str,
    shape: &'static str,
    text: String,
    href: Option<&'static str>,
}

/// The line.
#[derive(Template)]
#[template(path = "console/estado.html")]
pub(super) struct Status {
    items: Vec<Item>,
}

impl Status {
    /// `overview`: may the reader know how the whole hub stands? The line is empty for who may not.
    pub(super) async fn read(app: &App, w: Words, overview: bool) -> Self {
        if !overview {
            return Self { items: Vec::new() };
        }
        match health(app).await {
            Ok(health) => {
                let mut line = Self::of(w, &health, &alarms::ringing(app, &health));
                line.items.splice(0..0, incident(w, app));
                line
            }
            Err(e) => {
                tracing::error!(error = %e, "the status line could not be read");
                let text = w.t("status.unreadable").to_owned();
                Self { items: vec![Item { tone: "failed", shape: "failed", text, href: None }] }
            }
        }
    }

    /// The line of every page: calm when there is nothing to say.
    fn of(w: Words, health: &HealthRow, alarms: &[Alarm]) -> Self {
        let mut items = Self::items(w, health, alarms);
        if items.is_empty() {
            items.push(Item { tone: "done", shape: "done", text: w.t("status.calm").to_owned(), href: None });
        }
        Self { items }
    }

    /// Only what needs a person.
    pub(super) fn needs(w: Words, health: &HealthRow, alarms: &[Alarm]) -> Self {
        let items = Self::items(w, health, alarms).into_iter().filter(|i| i.href.is_some()).collect();
        Self { items }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn items(w: Words, health: &HealthRow, alarms: &[Alarm]) -> Vec<Item> {
        let (resolve, connections) = (Some("/por-resolver"), Some("/conexiones"));
        let (reconciliation, alarms_page) = (Some("/conciliacion"), Some("/alarmas"));
        let rings =
            |name: &str| alarms.iter().find(|a| a.alarm == name).map_or(0, |a| a.connections.len().max(1) as u64);
        let rings_n = |name: &str| alarms.iter().find(|a| a.alarm == name).map_or(0, |a| a.value as u64);
        let (troubled, ends) = (rings("connection_degraded"), rings("api_version_ends"));
        let lines = [
            (
                w.count("status.case_late", rings_n("case_late")),
                rings_n("case_late"),
                "failed",
                "failed",
                Some("/casos"),
            ),
            (w.count("status.case_due", rings_n("case_due")), rings_n("case_due"), "waits", "waits", Some("/casos")),
            (w.count("status.dead", health.dead), health.dead, "failed", "failed", resolve),
            (w.count("status.unknown", health.unknown), health.unknown, "waits", "unknown", resolve),
            (w.count("status.review", health.quarantined), health.quarantined, "waits", "unknown", resolve),
            (w.count("status.proposed", health.proposed), health.proposed, "waits", "unknown", reconciliation),
            (w.count("status.troubled", troubled), troubled, "failed", "failed", connections),
            (w.count("status.breaker", rings("breaker_open")), rings("breaker_open"), "failed", "failed", connections),
            (
                w.count("status.unreconciled", rings("reconciliation_failed")),
                rings("reconciliation_failed"),
                "failed",
                "failed",
                reconciliation,
            ),
            (w.count("status.api_ends", ends), ends, "waits", "waits", alarms_page),
            (w.t("status.stuck").to_owned(), rings("work_stuck"), "failed", "failed", alarms_page),
            (w.t("status.damaged").to_owned(), rings("database_damaged"), "failed", "failed", alarms_page),
            (w.t("status.capped").to_owned(), rings("intake_capped"), "failed", "failed", alarms_page),
            (w.t("status.space").to_owned(), rings("space_unused"), "waits", "waits", alarms_page),
            (w.t("status.care").to_owned(), rings("care_behind"), "waits", "waits", alarms_page),
            (w.t("status.people").to_owned(), rings("people_behind"), "failed", "failed", alarms_page),
            (w.t("status.log").to_owned(), rings("log_large"), "waits", "waits", alarms_page),
            (w.t("status.disk").to_owned(), rings("disk_low"), "failed", "failed", alarms_page),
            (
                w.count("status.pending", health.inbox + health.calling),
                health.inbox + health.calling,
                "info",
                "waits",
                None,
            ),
            (w.count("status.waiting", health.queued), health.queued, "waits", "waits", None),
        ];
        lines
            .into_iter()
            .filter(|(_, n, ..)| *n > 0)
            .map(|(text, _, tone, shape, href)| Item { tone, shape, text, href })
            .collect()
    }
}

/// The banner of an incident that is not reported: by when it must be.
fn incident(w: Words, app: &App) -> Option<Item> {
    let now = app.engine.clock().now();
    let by = app.engine.known_cases().incident_by?;
    let date = super::moments::date(w, by, now);
    let (tone, text) = if now > by {
        ("failed", w.with("status.incident_late", date))
    } else {
        ("waits", w.with("status.incident", date))
    };
    Some(Item { tone, shape: tone, text, href: Some("/incidentes") })
}

/// Ages and counts, at most half a second old.
pub(super) async fn health(app: &App) -> Result<HealthRow, pasarela_store::Error> {
    // Held while reading, so that many pages ask once.
    let mut last = app.console.health.0.lock().await;
    if let Some((at, row)) = last.as_ref()
        && at.elapsed() < FRESH
    {
        return Ok(row.clone());
    }
    let row = app.engine.health().await?;
    *last = Some((Instant::now(), row.clone()));
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;

    #[test]
    fn calm_when_all_is_well_and_else_what_needs_a_person_comes_first() {
        let w = Words::new(Lang::Es);
        let calm = Status::of(w, &HealthRow::default(), &[]).render().unwrap();
        assert!(calm.contains("Todo al día"));
        let health = HealthRow { dead: 2, queued: 1200, calling: 1, inbox: 2, ..HealthRow::default() };
        let about = |alarm, names: &[&str]| Alarm {
            alarm,
            value: 1.0,
            connections: names.iter().map(|n| (*n).to_owned()).collect(),
            stage: None,
        };
        let alarms = [
            about("connection_degraded", &["crm"]),
            about("breaker_open", &["crm", "wa"]),
            about("reconciliation_failed", &["crm"]),
            about("api_version_ends", &["wa"]),
            about("work_stuck", &[]),
            about("people_behind", &[]),
            about("log_large", &[]),
            about("disk_low", &[]),
        ];
        let line = Status::of(w, &health, &alarms).render().unwrap();
        for text in [
            "2 por resolver",
            "1 conexión con problemas",
            "2 conexiones sin respuesta del proveedor",
            "1 conciliación incompleta",
            "1 conexión cuya versión de API termina pronto",
            "Hay trabajo detenido",
            "El mapa de personas va atrasado",
            "El registro de la base crece",
            "Queda poco disco",
            "3 en proceso",
            "1.200 en espera",
        ] {
            assert!(line.contains(text), "{text} in {line}");
        }
        assert!(line.find("por resolver") < line.find("en espera"));
        assert!(!line.contains("Todo al día"));
    }
}
