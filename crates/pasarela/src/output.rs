//! What people see of a command: facts on standard output, everything else on standard error.

use std::io::{IsTerminal as _, Write as _};

/// Prints a fact.
pub(crate) fn line(text: &str) {
    // A closed pipe (`| head`) is no error of ours.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Says something beside the facts.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Says why a command failed.
pub(crate) fn error(text: &str) {
    note(&format!("pasarela: {text}"));
}

/// Logs go to standard error. `PASARELA_LOG` filters them (`info`, `pasarela_engine=debug`),
/// `PASARELA_LOG_FORMAT=json` makes them machine-readable.
pub(crate) fn start_logging(quiet: bool) {
    use tracing_subscriber::EnvFilter;
    let default = if quiet { "error" } else { "info" };
    let filter = EnvFilter::try_from_env("PASARELA_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::env::var("PASARELA_LOG_FORMAT").is_ok_and(|f| f == "json") {
        builder.json().init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
