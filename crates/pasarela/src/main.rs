//! Pasarela: the integration hub of Fashionistas.
//!
//! This crate is the command line: it reads the configuration, builds the parts and hands them to
//! one another. Exit codes: 0 done, 1 failed, 2 wrong use or configuration.

mod admin;
mod anchors;
mod commands;
mod config;
mod hub;
mod life;
mod output;
#[cfg(test)]
mod reference;
mod renewal;
mod vault;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The integration hub of Fashionistas: hears what happens at one provider, decides by written
/// flows, and makes it happen at the others.
#[derive(Parser)]
#[command(name = "pasarela", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    /// Configuration file.
    #[arg(long, global = true, default_value = "pasarela.toml", value_name = "FILE")]
    config: PathBuf,
    /// Print facts as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub.
    Serve,
    /// Play a show night on this machine, with doubles in place of the providers.
    Demo(commands::demo::Args),
    /// Check the configuration and every flow, without starting anything.
    Check(commands::check::Args),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Keys(commands::keys::Action),
    /// Let people in to the console.
    #[command(subcommand)]
    Users(commands::users::Action),
    /// List canonical events, or tell the story of one.
    Events(commands::lists::EventsArgs),
    /// List runs of flows, or cancel one.
    Runs(commands::lists::RunsArgs),
    /// List flows in force, push, pull and compare them.
    #[command(subcommand)]
    Flows(commands::flows::Action),
    /// Pause a connection, a flow or a class of message: what it would do is kept.
    Pause(commands::operate::PauseArgs),
    /// Let what was paused go on, in its order.
    Resume(commands::operate::ResumeArgs),
    /// Show the hub's work, live.
    Top,
    /// List what needs a person, and retry or drop it.
    #[command(subcommand)]
    Dead(commands::lists::DeadAction),
    /// Why a message went out when it did, or did not: every decision, with its rule. Not legal advice.
    #[command(subcommand)]
    Explain(commands::explain::What),
    /// Addresses that are not written to: list, add, remove.
    #[command(subcommand)]
    Suppressions(commands::suppressions::Action),
    /// Requests of people about their data and purchases: list, enter, answer. Not legal advice.
    #[command(subcommand)]
    Cases(commands::cases::Cases),
    /// Security incidents and their clock of 15 business days. Not legal advice.
    #[command(subcommand)]
    Incidents(commands::cases::Incidents),
    /// The vault: secrets that the configuration takes by name (vault:NAME).
    #[command(subcommand)]
    Secrets(commands::secrets::Action),
    /// Who is whom across all connections; take in lists of contacts.
    #[command(subcommand)]
    People(commands::people::Action),
    /// What people have allowed: take in lists of consents that were given elsewhere.
    #[command(subcommand)]
    Consents(commands::consents::Action),
    /// Texts that people agree to: add a version, list and show them.
    #[command(subcommand)]
    Texts(commands::texts::Action),
    /// Legal holds: people and cases of which nothing is removed.
    #[command(subcommand)]
    Holds(commands::holds::Holds),
    /// How long everything is kept, and what went.
    #[command(subcommand)]
    Retention(commands::holds::Retention),
    /// The registry of excluded numbers: how it is asked, and lists that were consulted by hand.
    #[command(subcommand)]
    Rne(commands::rne::Action),
    /// Keys that sign tickets: list the public ones, make a new one.
    #[command(subcommand)]
    Tickets(commands::tickets::Action),
    /// List connections and how they stand; bring a provider's account to its model.
    Connections(commands::connections::Args),
    /// Decide deliveries again, for example those in quarantine after an upgrade.
    Replay(commands::operate::ReplayArgs),
    /// Read a connection's records now, and take in what its webhooks missed.
    Reconcile(commands::lists::ReconcileArgs),
    /// Who did what: list, show, verify that nothing was changed, export.
    #[command(subcommand)]
    Audit(commands::audit::Action),
    /// Write a verified copy of the database, beside a running hub or without one.
    Backup(commands::backup::Args),
    /// The keys under which everything personal lies: how they stand, and new ones.
    #[command(subcommand)]
    Seal(commands::seal::Action),
    /// Make a database of a backup.
    Restore(commands::restore::Args),
    /// Look at configuration, database and key; mend a damaged file into a new one.
    Doctor(commands::doctor::Args),
    /// Serve doubles of the configured providers on this machine.
    Sandbox(commands::sandbox::Args),
    /// What the rules of the market say: holidays, terms, contact hours, numbers, prices.
    Market(commands::market::Args),
    /// Measure this machine: ingest and flows, beside a reference.
    Bench(commands::bench::Args),
    /// Print the API's OpenAPI 3.1 document.
    Openapi,
    /// Print a completion script for a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
}

/// What a command ends with, besides success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong use or configuration: exit code 2.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
}

impl From<config::Error> for Failure {
    fn from(e: config::Error) -> Self {
        Self::Usage(e.to_string())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = run(cli);
    match result {
        Ok(code) => code,
        Err(Failure::Usage(why)) => {
            output::error(&why);
            ExitCode::from(2)
        }
        Err(Failure::Failed(why)) => {
            output::error(&why);
            ExitCode::from(1)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    if let Command::Completions { shell } = cli.command {
        use clap::CommandFactory as _;
        clap_complete::generate(shell, &mut Cli::command(), "pasarela", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(cli.command, Command::Openapi) {
        return commands::openapi::run();
    }
    if let Command::Market(args) = cli.command {
        return commands::market::run(args, cli.json);
    }
    let quiet = matches!(cli.command, Command::Bench(_) | Command::Demo(_) | Command::Doctor(_));
    output::start_logging(quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("the runtime cannot start: {e}")))?;
    let (config, json) = (cli.config, cli.json);
    let code = runtime.block_on(async move {
        match cli.command {
            Command::Serve => commands::serve::run(&config).await,
            Command::Check(args) => commands::check::run(&config, &args, json),
            Command::Keys(action) => commands::keys::run(&config, action, json).await,
            Command::Users(action) => commands::users::run(&config, action, json).await,
            Command::Events(args) => commands::lists::events(&config, args, json).await,
            Command::Runs(args) => commands::lists::runs(&config, args, json).await,
            Command::Flows(action) => commands::flows::run(&config, action, json).await,
            Command::Pause(args) => commands::operate::pause(&config, args, json).await,
            Command::Resume(args) => commands::operate::resume(&config, args, json).await,
            Command::Top => commands::top::run(&config, json).await,
            Command::Dead(action) => commands::lists::dead(&config, action, json).await,
            Command::Explain(what) => commands::explain::run(&config, what, json).await,
            Command::Suppressions(action) => commands::suppressions::run(&config, action, json).await,
            Command::Cases(action) => commands::cases::cases(&config, action, json).await,
            Command::Incidents(action) => commands::cases::incidents(&config, action, json).await,
            Command::People(action) => commands::people::run(&config, action, json).await,
            Command::Consents(action) => commands::consents::run(&config, action, json).await,
            Command::Texts(action) => commands::texts::run(&config, action, json).await,
            Command::Holds(action) => commands::holds::holds(&config, action, json).await,
            Command::Retention(action) => commands::holds::retention(&config, action, json).await,
            Command::Rne(action) => commands::rne::run(&config, action, json).await,
            Command::Tickets(action) => commands::tickets::run(&config, action, json).await,
            Command::Connections(args) => commands::connections::run(&config, args, json).await,
            Command::Replay(args) => commands::operate::replay(&config, args, json).await,
            Command::Reconcile(args) => commands::lists::reconcile(&config, args, json).await,
            Command::Audit(action) => commands::audit::run(&config, action, json).await,
            Command::Backup(args) => commands::backup::run(&config, args, json).await,
            Command::Secrets(action) => commands::secrets::run(&config, action, json).await,
            Command::Seal(action) => commands::seal::run(&config, action, json).await,
            Command::Restore(args) => commands::restore::run(&config, args, json).await,
            Command::Doctor(args) => commands::doctor::run(&config, args, json).await,
            Command::Demo(args) => commands::demo::run(args, json).await,
            Command::Sandbox(args) => commands::sandbox::run(&config, args, json).await,
            Command::Bench(args) => commands::bench::run(&config, args, json).await,
            Command::Completions { .. } | Command::Openapi | Command::Market(_) => Ok(ExitCode::SUCCESS),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    code
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_can_be_read() {
        // A name that is taken twice panics only in the command that has it.
        Cli::command().debug_assert();
    }
}
