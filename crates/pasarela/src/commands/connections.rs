//! `pasarela connections`: how they stand, and `provision`, which brings a provider's account to its model. A plan is
//! shown and changes nothing; with `--apply` exactly that plan is done, after a yes.

use crate::Failure;
use crate::admin::Admin;
use crate::commands::lists::{self, text};
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

type Done = Result<ExitCode, Failure>;

/// Steps of one call while somebody watches.
const AT_ONCE: u64 = 5;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show what would bring a provider's account to its model: objects, fields, views, webhooks. Nothing is deleted,
    /// and nothing of people's own is overwritten.
    Provision(ProvisionArgs),
}

#[derive(clap::Args)]
struct ProvisionArgs {
    /// Connection.
    connection: String,
    /// Do the steps of the plan. Whatever was cut off goes on with the next run.
    #[arg(long)]
    apply: bool,
    /// Do not ask before.
    #[arg(long, requires = "apply")]
    yes: bool,
    /// Show the steps too that have nothing to do.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(config: &Path, args: Args, json: bool) -> Done {
    match args.action {
        None => lists::connections(config, json).await,
        Some(Action::Provision(args)) => provision(config, args, json).await,
    }
}

async fn provision(config: &Path, args: ProvisionArgs, json: bool) -> Done {
    let admin = Admin::open(config).await?;
    let path = format!("/api/v1/connections/{}/plan", args.connection);
    let plan = admin.get(&path).await?;
    let todo = plan["todo"].as_u64().unwrap_or(0);
    if !args.apply {
        if json {
            line(&plan.to_string());
        } else {
            show(&plan, args.all);
            if todo > 0 {
                note(&format!(
                    "Nothing was changed. To do it: pasarela connections provision {} --apply",
                    args.connection
                ));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !json {
        show(&plan, args.all);
    }
    if todo > 0 && !args.yes && !agreed(todo, json)? {
        note("Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    let came = apply(&admin, &path, &plan, json).await?;
    let whole = came["refused"].as_array().is_none_or(Vec::is_empty) && came["stopped"].is_null();
    if json {
        line(&came.to_string());
    } else {
        tell(&came);
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Asks whoever sits there. Nobody there, nobody agreed.
fn agreed(todo: u64, json: bool) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    if json || !stdin.is_terminal() {
        return Err(Failure::Usage(format!("{todo} steps would be done; say --yes to do them without being asked")));
    }
    note(&format!("Do these {todo} steps? [y/N]"));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|e| Failure::Failed(format!("nothing could be read: {e}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "s" | "si" | "sí"))
}

/// All of it; a few steps a call while somebody watches, so that they see it move.
async fn apply(admin: &Admin, path: &str, plan: &Value, json: bool) -> Result<Value, Failure> {
    let path = format!("{path}/apply");
    let watched = !json && std::io::stderr().is_terminal();
    let limit = if watched { json!(AT_ONCE) } else { Value::Null };
    let total = plan["todo"].as_u64().unwrap_or(0);
    let mut ask = json!({ "fingerprint": plan["fingerprint"], "limit": limit });
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    loop {
        let mut came = admin.call(Method::POST, &path, Some(ask.clone())).await?;
        let moved = came["done"].as_array().is_some_and(|d| !d.is_empty());
        for (name, all) in [("done", &mut done), ("refused", &mut refused)] {
            all.extend(came[name].as_array().cloned().unwrap_or_default());
        }
        let over = !watched || !moved || !came["stopped"].is_null() || came["plan"]["todo"] == 0;
        if over {
            // What was refused in one call is asked for again by the next, and is one refusal.
            refused.dedup_by(|a, b| a["id"] == b["id"]);
            came["done"] = done.into();
            came["refused"] = refused.into();
            return Ok(came);
        }
        note(&format!("{} of {total} steps", done.len()));
        ask["fingerprint"] = came["plan"]["fingerprint"].clone();
    }
}

fn sign(change: &str) -> &'static str {
    match change {
        "create" => "+",
        "update" => "~",
        "conflict" => "!",
        "blocked" => "-",
        _ => "=",
    }
}

fn show(plan: &Value, all: bool) {
    let steps: Vec<&Value> = plan["steps"].as_array().into_iter().flatten().collect();
    for step in &steps {
        let change = text(step, "change");
        if all || change != "keep" {
            line(&format!("{} {:<8} {}  ({})", sign(&change), change, text(step, "what"), text(step, "why")));
        }
    }
    for right in plan["missing"].as_array().into_iter().flatten() {
        let count = right["steps"].as_array().map_or(0, Vec::len);
        line(&format!("missing right {}: {count} steps wait for it. {}", text(right, "right"), text(right, "advice")));
    }
    for advice in plan["advice"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        line(&format!("note: {advice}"));
    }
    let count = |change: &str| steps.iter().filter(|s| s["change"] == change).count();
    line(&format!(
        "{}: {} to create, {} to update, {} as they should be, {} in conflict, {} blocked",
        text(plan, "connection"),
        count("create"),
        count("update"),
        count("keep"),
        count("conflict"),
        count("blocked")
    ));
}

fn tell(came: &Value) {
    for step in came["done"].as_array().into_iter().flatten() {
        line(&format!("done     {}", text(step, "what")));
    }
    for step in came["refused"].as_array().into_iter().flatten() {
        line(&format!("refused  {}: {}", text(step, "what"), text(step, "why")));
    }
    if let Some(why) = came["stopped"].as_str() {
        line(&format!("stopped: {why}"));
    }
    let count = came["done"].as_array().map_or(0, Vec::len);
    line(&format!("{count} steps done, {} left", text(&came["plan"], "todo")));
}
