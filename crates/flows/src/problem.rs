//! What is wrong with a flow file: where, what, and what to write instead.

use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The flow cannot be used.
    Error,
    /// The flow works; a person should know.
    Note,
}

/// One finding in a flow file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// File as it was named to [`compile`](crate::compile).
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub suggestion: Option<String>,
    /// Error or note.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "\n  {suggestion}"),
            None => Ok(()),
        }
    }
}

/// A place in the file: line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Collects findings of one file.
pub(crate) struct Report {
    file: String,
    found: Vec<Problem>,
}

/// More findings than anyone reads; a hostile file must not make a long list.
const MAX_PROBLEMS: usize = 200;

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn error(&mut self, at: At, message: impl Into<String>, suggestion: Option<String>) {
        self.add(at, message.into(), suggestion, Severity::Error);
    }

    pub(crate) fn note(&mut self, at: At, message: impl Into<String>, suggestion: Option<String>) {
        self.add(at, message.into(), suggestion, Severity::Note);
    }

    /// A finding that is kept apart from the others.
    pub(crate) fn unlawful(&self, at: At, message: String, todo: &str) -> Problem {
        let (line, column) = (at.line.max(1), at.column.max(1));
        Problem {
            file: self.file.clone(),
            line,
            column,
            message,
            suggestion: Some(todo.to_owned()),
            severity: Severity::Error,
        }
    }

    fn add(&mut self, at: At, message: String, suggestion: Option<String>, severity: Severity) {
        if self.found.len() >= MAX_PROBLEMS {
            return;
        }
        let (line, column) = (at.line.max(1), at.column.max(1));
        let problem = Problem { file: self.file.clone(), line, column, message, suggestion, severity };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// In the order of the file.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}

/// "did you mean `x`?", or the choices when there are few, or nothing.
pub(crate) fn did_you_mean<'a>(wrong: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let choices: Vec<&str> = choices.into_iter().collect();
    let most = (wrong.chars().count() / 3).clamp(1, 4);
    let best = choices
        .iter()
        .map(|choice| (distance(wrong, choice, most), *choice))
        .filter(|(distance, _)| *distance <= most)
        .min();
    match best {
        Some((_, choice)) => Some(format!("did you mean `{choice}`?")),
        None if choices.is_empty() => None,
        None if choices.len() <= 16 => Some(format!("known: {}", quoted(&choices))),
        None => None,
    }
}

fn quoted(choices: &[&str]) -> String {
    choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

/// Edit distance with swaps of neighbours; above `most` any number above `most`.
fn distance(a: &str, b: &str, most: usize) -> usize {
    let a: Vec<char> = a.chars().take(80).collect();
    let b: Vec<char> = b.chars().take(80).collect();
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (get(&last, j + 1) + 1).min(get(&row, j) + 1).min(get(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(get(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let words = ["email", "phone", "name"];
        assert_eq!(did_you_mean("emial", words).as_deref(), Some("did you mean `email`?"));
        assert_eq!(did_you_mean("fone", words).as_deref(), Some("known: `email`, `phone`, `name`"));
        assert_eq!(did_you_mean("x", []), None);
    }
}
