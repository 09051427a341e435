//! `pasarela users`: who works in the hub, and links that sign them in. Before or beside a running hub.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{line, note};
use axum::http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// How long a link waits to be used, unless somebody says otherwise.
pub(crate) const MINUTES: u64 = 10;

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// List accounts.
    List,
    /// Make an account; its holder comes in by a link.
    Add {
        /// Address, by which they sign in.
        email: String,
        /// Name, as it stands beside what they do; the address when absent.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        given: Given,
    },
    /// Give a role.
    Grant {
        /// Address or id (`usr_...`).
        user: String,
        #[command(flatten)]
        given: Given,
    },
    /// Take a role away.
    Revoke {
        /// Address or id.
        user: String,
        /// Role, with its brands where it has some: `support:marca-uno`.
        #[arg(long)]
        role: String,
    },
    /// Let nobody in by an account any more; its sessions end.
    Disable {
        /// Address or id.
        user: String,
    },
    /// Let its holder in again.
    Enable {
        /// Address or id.
        user: String,
    },
    /// Take away password, codes and provider; its holder begins anew by a link.
    Reset {
        /// Address or id.
        user: String,
    },
    /// Make a link that signs in to the console; it works once.
    Link {
        /// Who it is for: the address of an account, or any name for a link without one.
        #[arg(default_value = "console")]
        name: String,
        /// What somebody without an account may do: read, write.
        #[arg(long, value_delimiter = ',', default_value = "read,write")]
        scopes: Vec<String>,
        /// The role of somebody without an account, in place of scopes: `support`, `viewer:marca-uno`.
        #[arg(long, conflicts_with = "scopes")]
        role: Option<String>,
        /// Minutes until it is worth nothing, at most a day.
        #[arg(long, default_value_t = MINUTES, value_parser = clap::value_parser!(u64).range(1..=1440))]
        minutes: u64,
    },
}

/// A role on the command line.
#[derive(clap::Args)]
pub(crate) struct Given {
    /// Role: owner, operator, producer, designer, support, finance, gate, privacy, viewer; with brands:
    /// `support:marca-uno,marca-dos`.
    #[arg(long)]
    role: String,
    /// Shows of a producer, portfolio of a designer.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Given {
    fn json(&self) -> Value {
        role_json(&self.role, &self.only)
    }
}

/// `support:marca-uno,marca-dos` as the API takes it.
fn role_json(text: &str, only: &[String]) -> Value {
    let (role, brands) = text.split_once(':').unwrap_or((text, ""));
    let brands: Vec<&str> = brands.split(',').map(str::trim).filter(|b| !b.is_empty()).collect();
    json!({ "role": role, "brands": brands, "only": only })
}

pub(crate) async fn run(config: &Path, action: Action, json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let answer = match action {
        Action::List => return list(&admin, json).await,
        Action::Link { name, scopes, role, minutes } => {
            let made = match role {
                Some(role) => {
                    let wanted = json!({ "name": name, "grant": role_json(&role, &[]), "minutes": minutes });
                    admin.call(Method::POST, "/admin/users/loose-link", Some(wanted)).await?
                }
                None if name.contains('@') => step(&admin, &name, "link", json!({ "minutes": minutes })).await?,
                None => link(&admin, &name, &scopes, minutes).await?,
            };
            if json {
                line(&made.to_string());
            } else {
                line(made["link"].as_str().unwrap_or_default());
                note(&format!(
                    "for '{name}'; it works once, until {}",
                    made["expires_at"].as_str().unwrap_or_default()
                ));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Action::Add { email, name, given } => {
            let name = name.unwrap_or_else(|| email.chars().take(60).collect());
            let wanted = json!({ "email": email, "name": name, "grants": [given.json()] });
            admin.call(Method::POST, "/admin/users", Some(wanted)).await?
        }
        Action::Grant { user, given } => step(&admin, &user, "grant", json!({ "grant": given.json() })).await?,
        Action::Revoke { user, role } => {
            step(&admin, &user, "revoke", json!({ "grant": role_json(&role, &[]) })).await?
        }
        Action::Disable { user } => step(&admin, &user, "disable", json!({})).await?,
        Action::Enable { user } => step(&admin, &user, "enable", json!({})).await?,
        Action::Reset { user } => step(&admin, &user, "reset", json!({})).await?,
    };
    line(&if json { answer.to_string() } else { told(&answer) });
    Ok(ExitCode::SUCCESS)
}

async fn step(admin: &Admin, user: &str, what: &str, wanted: Value) -> Result<Value, Failure> {
    let plain = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
    let user: String = user.bytes().map(plain).collect();
    admin.call(Method::POST, &format!("/admin/users/{user}/{what}"), Some(wanted)).await
}

async fn list(admin: &Admin, json: bool) -> Result<ExitCode, Failure> {
    let users = admin.get("/admin/users").await?;
    if json {
        line(&users["data"].to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for user in users["data"].as_array().into_iter().flatten() {
        line(&told(user));
    }
    Ok(ExitCode::SUCCESS)
}

/// An account in a line.
fn told(user: &Value) -> String {
    let text = |name: &str| user[name].as_str().unwrap_or("-");
    let state = match (user["disabled_at"].as_str(), user["last_sign_in"].as_str()) {
        (Some(since), _) => format!("disabled {since}"),
        (None, Some(at)) => format!("signed in {at}"),
        (None, None) => "not in yet".to_owned(),
    };
    let proofs = [("password", "password"), ("second_factor", "codes")];
    let proofs: Vec<&str> = proofs.iter().filter(|(field, _)| user[*field] == true).map(|(_, word)| *word).collect();
    let roles: Vec<String> = user["grants"].as_array().into_iter().flatten().map(role_text).collect();
    let proofs = if proofs.is_empty() { "links only".to_owned() } else { proofs.join(" and ") };
    format!("{}  {:<32} {}  {}; {proofs}; {state}", text("id"), text("email"), text("name"), roles.join(" "))
}

/// A role as the command line takes it.
fn role_text(grant: &Value) -> String {
    let names = |field: &str| {
        grant[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    let (brands, only) = (names("brands"), names("only"));
    let mut text = grant["role"].as_str().unwrap_or("-").to_owned();
    if !brands.is_empty() {
        text.push_str(&format!(":{brands}"));
    }
    if !only.is_empty() {
        text.push_str(&format!(" ({only})"));
    }
    text
}

/// Makes a link without an account: `{"link", "expires_at"}`.
pub(crate) async fn link(admin: &Admin, name: &str, scopes: &[String], minutes: u64) -> Result<Value, Failure> {
    let wanted = json!({ "name": name, "scopes": scopes, "minutes": minutes });
    admin.call(Method::POST, "/admin/links", Some(wanted)).await
}
