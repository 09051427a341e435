//! `/alarmas`: everything that the hub watches, what rings first, and what to do about each.

use super::guard::Visit;
use super::moments::span;
use super::page::{Frame, html, unreadable};
use super::words::Words;
use crate::App;
use crate::alarms::{self, Alarm};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

struct AlarmView {
    name: &'static str,
    title: String,
    what: String,
    rings: bool,
    value: Option<String>,
    connections: String,
    href: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "console/alarmas.html")]
struct AlarmsPage {
    frame: Frame,
    ringing: Vec<AlarmView>,
    silent: Vec<AlarmView>,
}

pub(super) async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Response> {
    let health = super::status::health(&app).await.map_err(|e| unreadable(&visit, e))?;
    let now = alarms::ringing(&app, &health);
    let (mut ringing, mut silent) = (Vec::new(), Vec::new());
    for name in alarms::ALL {
        match now.iter().find(|a| a.alarm == name) {
            Some(alarm) => ringing.push(view(visit.w, name, Some(alarm))),
            None => silent.push(view(visit.w, name, None)),
        }
    }
    let frame = Frame::new(&app, &visit, "alarms.title", "alarms").await;
    Ok(html(&AlarmsPage { frame, ringing, silent }))
}

fn view(w: Words, name: &'static str, alarm: Option<&Alarm>) -> AlarmView {
    AlarmView {
        name,
        title: w.named("alarm", name),
        what: w.named("alarm_help", name),
        rings: alarm.is_some(),
        value: alarm.map(|a| value(w, name, a.value)),
        connections: alarm.map(|a| a.connections.join(", ")).unwrap_or_default(),
        href: page_of(name),
    }
}

/// Where something can be done about it.
fn page_of(name: &str) -> Option<&'static str> {
    match name {
        "dead_letters" | "unknown" | "quarantine" => Some("/por-resolver"),
        "proposals" | "reconciliation_failed" => Some("/conciliacion"),
        "connection_degraded" | "breaker_open" => Some("/conexiones"),
        "case_late" | "case_due" => Some("/casos"),
        "incident_late" | "incident_open" => Some("/incidentes"),
        _ => None,
    }
}

/// How many, how long or how much, by what the alarm is about.
fn value(w: Words, name: &str, value: f64) -> String {
    match name {
        "work_stuck" | "care_behind" | "registry_unasked" | "people_behind" => span(w, value * 1e3),
        "log_large" | "disk_low" | "space_unused" | "intake_capped" => bytes(w, value),
        _ => w.number(value as u64),
    }
}

/// `12 MiB`.
pub(super) fn bytes(w: Words, value: f64) -> String {
    let (unit, value) = match value {
        v if v >= 1024.0 * 1024.0 * 1024.0 => ("GiB", v / 1024.0 / 1024.0 / 1024.0),
        v if v >= 1024.0 * 1024.0 => ("MiB", v / 1024.0 / 1024.0),
        v => ("KiB", v / 1024.0),
    };
    format!("{}\u{a0}{unit}", w.decimal(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;

    #[test]
    fn every_alarm_has_a_name_and_says_what_to_do() {
        for lang in [Lang::Es, Lang::En] {
            for name in alarms::ALL {
                let view = view(Words::new(lang), name, None);
                assert_ne!(view.title, name);
                assert_ne!(view.what, name);
            }
        }
        let es = Words::new(Lang::Es);
        assert_eq!(value(es, "dead_letters", 1200.0), "1.200");
        assert_eq!(value(es, "disk_low", 1.5 * 1024.0 * 1024.0), "1,5\u{a0}MiB");
        assert_eq!(value(es, "work_stuck", 90.0), "1\u{a0}min");
    }
}
