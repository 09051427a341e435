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

/// A bar on standard error while something long is done; silent where there is no terminal.
pub(crate) struct Bar(indicatif::ProgressBar);

impl Bar {
    pub(crate) fn new(what: &str) -> Self {
        let bar = indicatif::ProgressBar::with_draw_target(Some(0), indicatif::ProgressDrawTarget::stderr());
        let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        Self(bar)
    }

    pub(crate) fn at(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
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
