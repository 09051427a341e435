//! `pasarela top`: the hub's work, live. One snapshot where there is no terminal, or with `--json`.

use crate::Failure;
use crate::admin::Admin;
use crate::commands::signals::StopSignal;
use crate::output::line;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(config: &Path, json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let mut seen = admin.get("/api/v1/overview").await?;
    let term = console::Term::stdout();
    if json || !term.is_term() {
        line(&if json { seen.to_string() } else { screen(&seen, None, 200, usize::MAX).trim_end().to_owned() });
        return Ok(ExitCode::SUCCESS);
    }
    let mut stop = StopSignal::listen()?;
    let mut before: Option<(Value, Instant)> = None;
    // A terminal that is gone is no reason to fail.
    drop(term.hide_cursor());
    let ended = loop {
        let now = Instant::now();
        let (rows, columns) = term.size();
        let rates = before.as_ref().map(|(old, at)| (old, now.duration_since(*at).as_secs_f64()));
        let text = screen(&seen, rates, usize::from(columns), usize::from(rows).saturating_sub(1));
        drop(term.clear_screen());
        drop(term.write_str(&text));
        before = Some((seen, now));
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.wait() => break Ok(ExitCode::SUCCESS),
        }
        seen = match admin.get("/api/v1/overview").await {
            Ok(seen) => seen,
            Err(e) => break Err(e),
        };
    };
    drop(term.show_cursor());
    ended
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// An age as people say it.
fn age(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(s) if s < 60.0 => format!("{s:.0} s"),
        Some(s) if s < 3600.0 => format!("{:.0} min", s / 60.0),
        Some(s) if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        Some(s) => format!("{:.0} d", s / 86_400.0),
    }
}

/// The screen, cut to its size. `before`: the snapshot before and the seconds since.
fn screen(v: &Value, before: Option<(&Value, f64)>, columns: usize, rows: usize) -> String {
    let rate = |name: &str| match before {
        Some((old, seconds)) if seconds > 0.0 => {
            let more = count(&v["totals"][name]).saturating_sub(count(&old["totals"][name]));
            format!("{:.0}/s", more as f64 / seconds)
        }
        _ => count(&v["totals"][name]).to_string(),
    };
    let effects = &v["effects"];
    let mut out = String::new();
    let moment = v["at"].as_str().unwrap_or_default().get(..19).unwrap_or_default().replace('T', " ");
    let _ = writeln!(out, "pasarela  {moment} UTC  up {}  (Ctrl-C ends)", age(&v["uptime_s"]));
    let _ = writeln!(
        out,
        "in    inbox {:<7} oldest {:<7} accepted {:<8} decided {:<8} events {}",
        count(&v["inbox"]["waiting"]),
        age(&v["inbox"]["oldest_s"]),
        rate("accepted"),
        rate("decided"),
        rate("events")
    );
    let mib = |v: &Value| count(v) / (1 << 20);
    let _ = writeln!(
        out,
        "store waiting {} of {} MiB{}   file {} MiB ({} free)",
        mib(&v["intake"]["pending_bytes"]),
        mib(&v["intake"]["limit_bytes"]),
        if v["intake"]["capped"] == true { " REFUSING" } else { "" },
        mib(&v["space"]["bytes"]),
        mib(&v["space"]["free_bytes"])
    );
    let _ = writeln!(
        out,
        "out   queued {:<6} oldest due {:<7} calling {:<5} paused {}",
        count(&effects["queued"]),
        age(&effects["oldest_due_s"]),
        count(&effects["calling"]),
        count(&effects["paused"])
    );
    let _ = writeln!(
        out,
        "look  dead {:<8} unknown {:<10} quarantined {}",
        count(&effects["dead"]),
        count(&effects["unknown"]),
        count(&v["quarantined"])
    );
    let _ = writeln!(
        out,
        "\n{:<18} {:<13} {:>6} {:>6} {:>6} {:>7} {:<9} {:>6}",
        "CONNECTION", "STATE", "URGENT", "NORMAL", "BULK", "OUT", "BREAKER", "TOKENS"
    );
    for c in v["connections"].as_array().into_iter().flatten() {
        let work = &c["work"];
        let queued = |i: usize| count(&work["queued"][i]);
        let state = if c["paused"].is_null() { c["state"].as_str().unwrap_or_default() } else { "PAUSED" };
        let more = if work["backlog"].as_bool() == Some(true) { "+" } else { "" };
        let tokens = work["tokens"].as_f64().map_or_else(|| "-".to_owned(), |t| format!("{t:.0}"));
        let _ = writeln!(
            out,
            "{:<18} {:<13} {:>6} {:>6} {:>6} {:>7} {:<9} {:>6}",
            cut(c["name"].as_str().unwrap_or_default(), 18),
            state,
            queued(0),
            queued(1),
            format!("{}{more}", queued(2)),
            format!("{}/{}", count(&work["in_flight"]), count(&work["concurrency"])),
            work["breaker"].as_str().unwrap_or_default(),
            tokens
        );
    }
    let paused = v["paused"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    if !paused.is_empty() {
        let _ = writeln!(out, "\nPAUSED");
    }
    for p in paused {
        let word = |name: &str| p[name].as_str().unwrap_or_default();
        let since = word("since").get(..16).unwrap_or_default().replace('T', " ");
        let _ = writeln!(out, "{:<10} {:<20} {since} {}  {}", word("kind"), word("name"), word("by"), word("reason"));
    }
    out.lines().take(rows).map(|l| format!("{}\n", cut(l, columns))).collect()
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::screen;
    use serde_json::json;

    #[test]
    fn it_fits_a_small_terminal_and_tells_rates_between_two_looks() {
        let connections: Vec<_> = (0..40)
            .map(|n| json!({ "name": format!("una-conexion-de-nombre-largo-{n}"), "state": "ready", "paused": null,
                "work": { "queued": [1, 2, 99999], "in_flight": 16, "concurrency": 16, "breaker": "half_open", "tokens": 12.7, "backlog": true } }))
            .collect();
        let at = |decided: u64| {
            json!({ "at": "2026-11-27T19:00:00Z", "uptime_s": 90, "inbox": { "waiting": 5, "oldest_s": 61.0 },
            "effects": {}, "totals": { "decided": decided }, "connections": connections, "paused": [] })
        };
        let text = screen(&at(150), Some((&at(100), 2.0)), 80, 23);
        assert!(text.lines().count() <= 23 && text.lines().all(|l| l.chars().count() <= 80), "{text}");
        assert!(text.contains("decided 25/s") && text.contains("oldest 1 min") && text.contains("99999+"), "{text}");
    }
}
