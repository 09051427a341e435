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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let colours = std::io::stderr().is_terminal();
    let builder = builder.with_writer(move || OneLine { to: std::io::stderr(), colours });
    if std::env::var("PASARELA_LOG_FORMAT").is_ok_and(|f| f == "json") {
        builder.json().init();
    } else {
        builder.with_ansi(colours).init();
    }
}

/// What the subscriber paints its lines with: bold, dim, italic, five colours, and their end.
const COLOURS: [&str; 9] =
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m"];

/// One event is one line of text, whatever somebody put into a name, an address or an answer: nobody writes lines of
/// their own into the log, or moves the cursor of whoever reads it. The subscriber hands over each event whole; of
/// what is in it, it cleans the message and not the fields.
struct OneLine<W> {
    to: W,
    colours: bool,
}

/// Does it do something to a line or a terminal, instead of standing there?
fn acts(c: char) -> bool {
    // Ends of lines and changes of direction, beside what is called a control.
    c.is_control() && c != '\t' || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<W: std::io::Write> std::io::Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (mut rest, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let mut line = String::with_capacity(event.len());
        while let Some(c) = rest.chars().next() {
            let colour = COLOURS.iter().find(|colour| self.colours && rest.starts_with(**colour));
            let taken = match colour {
                Some(colour) => {
                    line.push_str(colour);
                    colour.len()
                }
                None if acts(c) => {
                    // As JSON writes it: a line of JSON stays one.
                    line.push_str(&match c {
                        '\n' => "\\n".to_owned(),
                        '\r' => "\\r".to_owned(),
                        _ => format!("\\u{:04x}", u32::from(c)),
                    });
                    c.len_utf8()
                }
                None => {
                    line.push(c);
                    c.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        line.push_str(end);
        self.to.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::OneLine;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a hostile provider answers, or somebody writes into an address, is text in the line that tells of it.
    #[test]
    fn nobody_writes_a_line_of_their_own_into_the_log() {
        const HOSTILE: &str =
            "no\n2026-11-27T00:00:00Z  INFO all is well\r\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}2J\0\u{8}\u{202e}\u{2028}";
        for colours in [false, true] {
            let kept = Kept::default();
            let to = kept.clone();
            let log = tracing_subscriber::fmt().with_ansi(colours);
            let log = log.with_writer(move || OneLine { to: to.clone(), colours });
            tracing::subscriber::with_default(log.finish(), || {
                tracing::warn!(error = %HOSTILE, name = HOSTILE, "it said {HOSTILE}");
                tracing::warn!("the next, señora");
            });
            let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert_eq!(written.contains("\u{1b}[33m"), colours, "{written:?}");
            let plain = super::COLOURS.iter().fold(written.clone(), |text, colour| text.replace(colour, ""));
            let lines: Vec<&str> = plain.split_terminator('\n').collect();
            assert_eq!(lines.len(), 2, "{written:?}");
            assert!(lines[0].contains("it said no\\n2026") && lines[1].ends_with("the next, señora"), "{written:?}");
            assert!(!lines.iter().any(|line| line.contains(super::acts)), "{written:?}");
        }
        let kept = Kept::default();
        let to = kept.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || OneLine { to: to.clone(), colours: false });
        tracing::subscriber::with_default(log.finish(), || tracing::warn!(error = %HOSTILE, "it said no"));
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with('\n') && !written.trim_end().contains(super::acts), "{written:?}");
        let line: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(line["fields"]["error"], HOSTILE, "a program reads what was said");
    }
}
