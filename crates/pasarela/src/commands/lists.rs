//! Lists of the hub's facts, and what people do with what is stuck.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

type Done = Result<ExitCode, Failure>;

#[derive(clap::Args)]
pub(crate) struct EventsArgs {
    /// Tell the story of this event: delivery, runs, effects, attempts.
    id: Option<String>,
    /// Only this type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// At most so many, newest first.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    action: Option<RunsAction>,
    /// Show one run.
    id: Option<String>,
    /// Only in this state.
    #[arg(long)]
    status: Option<String>,
    /// At most so many, newest first.
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

#[derive(clap::Subcommand)]
pub(crate) enum RunsAction {
    /// End a run: what was not sent is withdrawn.
    Cancel {
        /// Run (`run_...`).
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(clap::Subcommand)]
pub(crate) enum DeadAction {
    /// What needs a person.
    List {
        /// At most so many, newest first.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Try again, with a new idempotency key.
    Retry {
        /// An effect (`eff_...`) or a delivery in quarantine (`del_...`).
        id: String,
    },
    /// Give up for good.
    Drop {
        /// An effect (`eff_...`).
        id: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Connection.
    connection: String,
    /// Read everything since the beginning of time: a backfill. Tells also what the hub has and the
    /// provider does not show.
    #[arg(long)]
    from_beginning: bool,
    /// What is done with what is found, in place of the connection's own policy.
    #[arg(long, value_parser = ["report", "propose", "repair"])]
    policy: Option<String>,
}

pub(super) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list["data"].as_array().into_iter().flatten()
}

pub(super) fn print(list: &Value, json: bool, row: impl Fn(&Value) -> String, empty: &str) -> Done {
    if json {
        line(&list.to_string());
    } else if rows(list).next().is_none() {
        line(empty);
    } else {
        rows(list).for_each(|r| line(&row(r)));
    }
    Ok(ExitCode::SUCCESS)
}

fn pretty(value: &Value) -> Done {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn events(config: &Path, args: EventsArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    if let Some(id) = args.id {
        let story = admin.get(&format!("/api/v1/events/{id}/story")).await?;
        return if json { pretty(&story) } else { tell(&story) };
    }
    let kind = args.event_type.map(|t| format!("&type={t}")).unwrap_or_default();
    let list = admin.get(&format!("/api/v1/events?limit={}{kind}", args.limit)).await?;
    let row = |e: &Value| {
        format!(
            "{}  {}  {:<24} {:<14} {}",
            text(e, "id"),
            text(e, "received_at"),
            text(e, "type"),
            text(e, "connection"),
            text(e, "key")
        )
    };
    print(&list, json, row, "no events yet")
}

/// A story as lines, in the order in which it happened.
fn tell(story: &Value) -> Done {
    let (event, delivery) = (&story["event"], &story["delivery"]);
    line(&format!(
        "delivery {}  {}  by {}  {}",
        text(delivery, "id"),
        text(delivery, "received_at"),
        text(delivery, "source"),
        text(delivery, "status")
    ));
    line(&format!("event    {}  {}  {}", text(event, "id"), text(event, "type"), text(event, "key")));
    for run in story["runs"].as_array().into_iter().flatten() {
        line(&format!(
            "run      {}  {} version {}  {}",
            text(run, "id"),
            text(run, "flow"),
            text(run, "version"),
            text(run, "status")
        ));
        for problem in run["problems"].as_array().into_iter().flatten() {
            line(&format!("         ! {}", problem.as_str().unwrap_or_default()));
        }
        for effect in run["effects"].as_array().into_iter().flatten() {
            line(&format!(
                "  effect {}  {:<28} {}.{}  {}",
                text(effect, "id"),
                text(effect, "step"),
                text(effect, "connection"),
                text(effect, "action"),
                text(effect, "state")
            ));
            for a in effect["attempts"].as_array().into_iter().flatten() {
                let why = a["why"].as_str().map(|w| format!("  {w}")).unwrap_or_default();
                line(&format!(
                    "    try {}  {}  HTTP {}  {}{why}",
                    text(a, "attempt"),
                    text(a, "started_at"),
                    text(a, "status"),
                    text(a, "outcome")
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn runs(config: &Path, args: RunsArgs, json: bool) -> Done {
    if let Some(RunsAction::Cancel { id, reason }) = args.action {
        return super::operate::cancel(config, &id, reason, json).await;
    }
    let admin = Admin::open(config).await?;
    if let Some(id) = args.id {
        return pretty(&admin.get(&format!("/api/v1/runs/{id}")).await?);
    }
    let status = args.status.map(|s| format!("&status={s}")).unwrap_or_default();
    let list = admin.get(&format!("/api/v1/runs?limit={}{status}", args.limit)).await?;
    let row = |r: &Value| {
        format!(
            "{}  {}  {:<24} {:<10} {}",
            text(r, "id"),
            text(r, "created_at"),
            text(r, "flow"),
            text(r, "status"),
            text(r, "event_id")
        )
    };
    print(&list, json, row, "no runs")
}

pub(crate) async fn dead(config: &Path, action: DeadAction, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let done = match action {
        DeadAction::List { limit } => {
            let list = admin.get(&format!("/api/v1/dead-letters?limit={limit}")).await?;
            let row = |d: &Value| {
                format!(
                    "{}  {:<8} {:<14} {:<12} {}",
                    text(d, "id"),
                    text(d, "kind"),
                    text(d, "connection"),
                    text(d, "state"),
                    text(d, "why")
                )
            };
            return print(&list, json, row, "nothing needs a person");
        }
        DeadAction::Retry { id } => admin.call(Method::POST, &format!("/api/v1/dead-letters/{id}/retry"), None).await?,
        DeadAction::Drop { id } => admin.call(Method::POST, &format!("/api/v1/dead-letters/{id}/drop"), None).await?,
    };
    line(&if json { done.to_string() } else { format!("{} is {}", text(&done, "id"), text(&done, "state")) });
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn connections(config: &Path, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let list = admin.get("/api/v1/connections").await?;
    let row = |c: &Value| {
        let problem = c["problem"].as_str().map(|p| format!("  {p}")).unwrap_or_default();
        let paused = c["paused"].as_object().map(|_| "  PAUSED").unwrap_or_default();
        format!(
            "{:<16} {:<12} {:<8} {}{paused}{problem}",
            text(c, "name"),
            text(c, "provider"),
            text(c, "environment"),
            text(c, "state")
        ) + &server(c)
    };
    print(&list, json, row, "no connections are configured")
}

/// What its server can do and others cannot: a line each.
fn server(connection: &Value) -> String {
    let told = connection["server"].as_array().into_iter().flatten().map(|t| {
        let word = match t["has"].as_bool() {
            Some(true) => "yes".to_owned(),
            Some(false) => format!("no (since {})", text(t, "since")),
            None => "not seen yet".to_owned(),
        };
        format!("\n  {:<46} {word}", text(t, "en"))
    });
    told.collect()
}

pub(crate) async fn reconcile(config: &Path, args: ReconcileArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let ask = json!({ "from_beginning": args.from_beginning, "policy": args.policy });
    let path = format!("/api/v1/connections/{}/reconcile", args.connection);
    let list = admin.call(Method::POST, &path, Some(ask)).await?;
    let row = |r: &Value| {
        let problem = r["problem"].as_str().map(|p| format!("\n  did not complete: {p}")).unwrap_or_default();
        let findings = r["findings"].as_array().into_iter().flatten().map(|f| {
            let facts: Vec<&str> = f["facts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let delivery = f["delivery_id"].as_str().map(|d| format!("  {d}")).unwrap_or_default();
            let record = &f["record"];
            format!(
                "\n  {:<9} {}:{}{delivery}  {}",
                text(f, "difference"),
                text(record, "kind"),
                text(record, "id"),
                facts.join(", ")
            )
        });
        let left = match r["findings_left_out"].as_u64() {
            Some(n) if n > 0 => format!("\n  and {n} more"),
            _ => String::new(),
        };
        format!(
            "{:<12} read {}, same {}, missing {}, different {}, extra {}  ({}){}{left}{problem}",
            text(r, "task"),
            text(r, "read"),
            text(r, "same"),
            text(r, "missing"),
            text(r, "different"),
            text(r, "extra"),
            text(r, "policy"),
            findings.collect::<String>()
        )
    };
    print(&list, json, row, "nothing to reconcile")
}
