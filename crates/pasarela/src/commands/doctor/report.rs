//! What doctor found, as lines for people or as one JSON value: first this machine and the hub, then connection
//! by connection. What needs nobody is short; what needs somebody says what to do.

use crate::output::line;
use serde::Serialize;
use serde_json::{Value, json};

/// How a thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    #[default]
    Ok,
    Warn,
    Fail,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    fn of(word: Option<&str>) -> Self {
        match word {
            Some("ok") => Self::Ok,
            Some("warn") => Self::Warn,
            _ => Self::Fail,
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    /// Connection that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    check: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Line {
    pub(super) fn ok(check: &str, found: impl Into<String>) -> Self {
        Self { connection: None, check: check.into(), state: State::Ok, found: found.into(), advice: None }
    }
    pub(super) fn warn(check: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warn, advice: Some(advice.into()), ..Self::ok(check, found) }
    }
    pub(super) fn fail(check: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(check, found, advice) }
    }

    /// A finding as the hub tells it.
    pub(super) fn read(found: &Value) -> Self {
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Self {
            connection: None,
            check: text("check").replace('_', " "),
            state: State::of(found["state"].as_str()),
            found: text("found"),
            advice: found["advice"].as_str().map(str::to_owned),
        }
    }

    fn print(&self) {
        line(&format!("  {:<4}  {:<10}  {}", self.state.word(), self.check, self.found));
        if let Some(advice) = &self.advice {
            line(&format!("  {:<4}  {:<10}  → {advice}", "", ""));
        }
    }
}

impl From<pasarela_store::sqlite::Finding> for Line {
    fn from(found: pasarela_store::sqlite::Finding) -> Self {
        use pasarela_store::sqlite::State as Found;
        let state = match found.state {
            Found::Ok => State::Ok,
            Found::Warn => State::Warn,
            Found::Fail => State::Fail,
        };
        Self { connection: None, check: found.check.to_owned(), state, found: found.found, advice: found.advice }
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    lines: Vec<Line>,
    /// Connections in order: name, and what stands beside it.
    connections: Vec<(String, String)>,
}

impl Report {
    pub(super) fn push(&mut self, found: Line) {
        self.lines.push(found);
    }

    /// What the hub found of a connection.
    pub(super) fn connection(&mut self, examined: &Value) {
        let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
        let name = text(examined, "connection");
        self.connections
            .push((name.clone(), format!("{}, {}", text(examined, "provider"), text(examined, "environment"))));
        for found in examined["findings"].as_array().into_iter().flatten() {
            self.lines.push(Line { connection: Some(name.clone()), ..Line::read(found) });
        }
    }

    pub(super) fn worst(&self) -> State {
        self.lines.iter().map(|l| l.state).max().unwrap_or_default()
    }

    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            line(&json!({ "state": self.worst(), "checks": self.lines }).to_string());
            return;
        }
        line("Pasarela");
        self.lines.iter().filter(|l| l.connection.is_none()).for_each(Line::print);
        for (name, beside) in &self.connections {
            line("");
            line(&format!("{name} ({beside})"));
            self.lines.iter().filter(|l| l.connection.as_ref() == Some(name)).for_each(Line::print);
        }
        line("");
        let count = |state| self.lines.iter().filter(|l| l.state == state).count();
        line(&match (count(State::Fail), count(State::Warn)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warn) => format!("It works; {warn} to look at (warn)."),
            (fail, warn) => format!("{fail} to mend (FAIL), {warn} to look at (warn)."),
        });
    }
}
