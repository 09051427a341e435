//! What a person on watch does: pause and resume, cancel a run, decide deliveries again.

use crate::Failure;
use crate::admin::Admin;
use crate::commands::lists::text;
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

type Done = Result<ExitCode, Failure>;

/// What can be paused.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Everything that a connection would be called for.
    Connection,
    /// What the runs of a flow want.
    Flow,
    /// Messages of a class: `marketing`, `collection`, `transactional`, `transactional_urgent`.
    Class,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::Flow => "flows",
            Self::Class => "classes",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct PauseArgs {
    /// What kind of thing.
    kind: Kind,
    /// Its name.
    name: String,
    /// Why, for whoever finds it paused.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct ResumeArgs {
    /// What kind of thing.
    kind: Kind,
    /// Its name.
    name: String,
}

/// Deliveries that are decided again: one by its id, or many by a filter.
#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// One delivery (`del_...`).
    #[arg(conflicts_with_all = ["status", "connection", "since", "until", "event_type", "dry_run"])]
    id: Option<String>,
    /// Only in this state: `quarantined`, `partial`, `decided`, `ignored`, `duplicate`.
    #[arg(long)]
    status: Option<String>,
    /// Only of this connection.
    #[arg(long)]
    connection: Option<String>,
    /// Only received at or after, as 2026-11-27T19:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only received before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only those in which this event type is found.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only tell how many, and what would become of them.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn pause(config: &Path, args: PauseArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let path = format!("/api/v1/{}/{}/pause", args.kind.path(), segment(&args.name));
    let done = admin.call(Method::POST, &path, Some(json!({ "reason": args.reason }))).await?;
    line(&if json {
        done.to_string()
    } else {
        format!(
            "{} {} is paused since {}; what it would do is kept",
            text(&done, "kind"),
            args.name,
            text(&done, "since")
        )
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn resume(config: &Path, args: ResumeArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let path = format!("/api/v1/{}/{}/resume", args.kind.path(), segment(&args.name));
    let done = admin.call(Method::POST, &path, None).await?;
    line(&if json { done.to_string() } else { format!("{} {} goes on", text(&done, "kind"), args.name) });
    Ok(ExitCode::SUCCESS)
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub(crate) async fn cancel(config: &Path, id: &str, reason: Option<String>, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let path = format!("/api/v1/runs/{}/cancel", segment(id));
    let done = admin.call(Method::POST, &path, Some(json!({ "reason": reason }))).await?;
    line(&if json {
        done.to_string()
    } else {
        format!("{id} is cancelled; what was not sent is withdrawn, a call that is out ends and is recorded")
    });
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn replay(config: &Path, args: ReplayArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    if let Some(id) = &args.id {
        let done = admin.call(Method::POST, &format!("/api/v1/deliveries/{}/replay", segment(id)), None).await?;
        line(&if json { done.to_string() } else { format!("{id} is decided again; what is known stays known") });
        return Ok(ExitCode::SUCCESS);
    }
    let mut asked = json!({
        "status": args.status, "connection": args.connection, "since": args.since, "until": args.until,
        "type": args.event_type, "dry_run": args.dry_run, "limit": 200,
    });
    let mut total = Total::default();
    loop {
        let page = admin.call(Method::POST, "/api/v1/deliveries/replay", Some(asked.clone())).await?;
        total.add(&page["data"]);
        if page["next_cursor"].is_null() {
            break;
        }
        asked["cursor"] = page["next_cursor"].clone();
        // Between two pages it can be stopped: what was decided again stays so.
        if !json {
            note(&format!("{} deliveries so far", total.counts.get("deliveries").copied().unwrap_or(0)));
        }
    }
    line(&if json { total.json(args.dry_run).to_string() } else { total.tell(args.dry_run) });
    Ok(ExitCode::SUCCESS)
}

/// Sums of all pages.
#[derive(Default)]
struct Total {
    counts: BTreeMap<&'static str, u64>,
    events: BTreeMap<String, u64>,
}

impl Total {
    fn add(&mut self, page: &Value) {
        for name in ["deliveries", "facts", "known", "unread", "without_connection"] {
            *self.counts.entry(name).or_default() += page[name].as_u64().unwrap_or(0);
        }
        for (event_type, n) in page["events"].as_object().into_iter().flatten() {
            *self.events.entry(event_type.clone()).or_default() += n.as_u64().unwrap_or(0);
        }
    }

    fn json(&self, dry_run: bool) -> Value {
        let mut value = json!(self.counts);
        value["events"] = json!(self.events);
        value["dry_run"] = json!(dry_run);
        value
    }

    fn tell(&self, dry_run: bool) -> String {
        let n = |name| self.counts.get(name).copied().unwrap_or(0);
        let head = if dry_run { "would be decided again" } else { "are decided again" };
        let mut out = format!(
            "{} deliveries {head}: {} facts, {} of them known already, {} deliveries not understood",
            n("deliveries"),
            n("facts"),
            n("known"),
            n("unread")
        );
        for (event_type, count) in &self.events {
            out.push_str(&format!("\n  {count:>7}  {event_type}"));
        }
        if n("without_connection") > 0 {
            out.push_str(&format!(
                "\n{} stay as they are: their connection is not configured",
                n("without_connection")
            ));
        }
        out
    }
}
