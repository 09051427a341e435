//! What the demo shows in a terminal: the story line by line, and below it where things stand.
//! Everything goes to standard error; standard output belongs to the result.

use crate::output::note;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

pub(super) struct Screen {
    /// `None`: no terminal; lines are written as they come.
    live: Option<(MultiProgress, Vec<ProgressBar>)>,
    /// Does the story go line by line, or only its chapters?
    every_line: bool,
}

impl Screen {
    /// A screen with a title line and `rows` below it.
    pub(super) fn open(rows: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { live: None, every_line: false };
        }
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let style =
            |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let mut bars = Vec::new();
        for row in 0..=rows {
            let bar = multi.add(ProgressBar::no_length());
            // A quiet line, as a catwalk is one.
            bar.set_style(if row == 0 {
                style("\n  {spinner} {wide_msg}").tick_strings(&["·   ", " ·  ", "  · ", "   ·", "    "])
            } else {
                style("    {wide_msg}")
            });
            if row == 0 {
                bar.enable_steady_tick(Duration::from_millis(200));
            }
            bars.push(bar);
        }
        Self { live: Some((multi, bars)), every_line: true }
    }

    /// A line of the story that only a terminal shows.
    pub(super) fn tell(&self, line: &str) {
        if self.every_line {
            self.say(line);
        }
    }

    /// A line that everybody sees.
    pub(super) fn say(&self, line: &str) {
        match &self.live {
            // A terminal that is gone is no reason to stop.
            Some((multi, _)) => drop(multi.println(format!("  {line}"))),
            None => note(line),
        }
    }

    /// Where things stand.
    pub(super) fn stand(&self, title: &str, rows: &[String]) {
        let Some((_, bars)) = &self.live else { return };
        for (bar, text) in bars.iter().zip(std::iter::once(title).chain(rows.iter().map(String::as_str))) {
            bar.set_message(text.to_owned());
        }
    }

    /// Takes the standing lines away; what was told stays.
    pub(super) fn close(&mut self) {
        if let Some((multi, bars)) = self.live.take() {
            for bar in bars {
                bar.finish_and_clear();
            }
            drop(multi.clear());
        }
    }
}
