//! `pasarela consents`: lists of consents that were given elsewhere, and what a person has said.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{Bar, line, note};
use axum::http::Method;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows of one request.
const ROWS: usize = 1000;

/// Columns of a list, and the fields of a statement that they are.
const COLUMNS: &[(&str, &str)] = &[
    ("email", "/person/email"),
    ("phone", "/person/phone"),
    ("name", "/person/name"),
    ("birth_date", "/person/birth_date"),
    ("minor", "/person/minor"),
    ("purpose", "/purpose"),
    ("state", "/state"),
    ("channel", "/channel"),
    ("legal_basis", "/legal_basis"),
    ("source", "/evidence/channel"),
    ("at", "/evidence/at"),
    ("text_version", "/evidence/text_version"),
    ("text_sha256", "/evidence/text_sha256"),
    ("notice_version", "/evidence/notice_version"),
    ("notice_sha256", "/evidence/notice_sha256"),
    ("locale", "/evidence/locale"),
    ("ip_hash", "/evidence/ip_hash"),
    ("user_agent_hash", "/evidence/user_agent_hash"),
    ("message_id", "/evidence/message_id"),
    ("operator", "/evidence/operator"),
    ("reference", "/evidence/reference"),
    ("guardian_name", "/guardian/name"),
    ("guardian_document", "/guardian/document"),
    ("guardian_relationship", "/guardian/relationship"),
    ("guardian_consent", "/guardian/consent"),
];

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Take in a CSV of consents that were given elsewhere, each row with its own proof.
    ///
    /// Columns: email, phone, name, purpose, state, channel, at, source, text_version, text_sha256, notice_version,
    /// notice_sha256, locale, ip_hash, user_agent_hash, message_id, operator, reference, legal_basis, birth_date,
    /// minor, guardian_name, guardian_document, guardian_relationship, guardian_consent. Prints each row that was
    /// refused, with its line and why; sent again, nothing is recorded twice.
    Import {
        /// The list, in UTF-8, with a header row.
        file: PathBuf,
        /// Print every row, and not only those that were refused.
        #[arg(long)]
        all: bool,
    },
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let Action::Import { file, all } = action;
    let rows = read(&file)?;
    let admin = Admin::open(config).await?;
    let bar = Bar::new("Importing");
    let total = rows.len();
    let (mut accepted, mut known, mut refused) = (0, 0, 0);
    for (n, some) in rows.chunks(ROWS).enumerate() {
        bar.at((n * ROWS) as u64, total as u64);
        let body = json!({ "rows": some });
        let report = admin.call(Method::POST, "/api/v1/consents/import", Some(body)).await?;
        for row in report["rows"].as_array().into_iter().flatten() {
            if as_json {
                line(&row.to_string());
            } else if all || row["state"] == "refused" {
                let why = row["why"].as_str().or(row["id"].as_str()).unwrap_or_default();
                line(&format!("line {}: {}: {why}", row["line"], row["state"].as_str().unwrap_or_default()));
            }
        }
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        accepted += count("accepted");
        known += count("known");
        refused += count("refused");
    }
    drop(bar);
    note(&format!("{total} rows: {accepted} recorded, {known} known before, {refused} refused"));
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rows with their lines, as statements.
fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|e| wrong(format!("the list cannot be read: {e}")))?;
    let header = reader.headers().map_err(|e| wrong(format!("the header row cannot be read: {e}")))?.clone();
    let mut pointers = Vec::new();
    for name in &header {
        // A byte order mark is no part of the first column's name.
        let name = name.trim_start_matches('\u{feff}');
        let Some((_, pointer)) = COLUMNS.iter().find(|(column, _)| *column == name) else {
            let names: Vec<&str> = COLUMNS.iter().map(|(column, _)| *column).collect();
            return Err(wrong(format!("there is no column '{name}'; the columns are {}", names.join(", "))));
        };
        pointers.push(*pointer);
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let number = row.position().map_or(0, csv::Position::line);
        let mut statement = json!({ "person": {}, "state": "given", "evidence": { "channel": "import" } });
        for (pointer, value) in pointers.iter().zip(&row).filter(|(_, value)| !value.is_empty()) {
            let value = match (*pointer, value) {
                ("/person/minor", "true" | "yes" | "si" | "sí" | "1") => Value::Bool(true),
                ("/person/minor", "false" | "no" | "0") => Value::Bool(false),
                (_, text) => Value::from(text),
            };
            put(&mut statement, pointer, value);
        }
        rows.push(json!({ "line": number, "statement": statement }));
    }
    Ok(rows)
}

fn put(statement: &mut Value, pointer: &str, value: Value) {
    let mut parts = pointer.trim_start_matches('/').split('/').peekable();
    let mut at = statement;
    while let Some(part) = parts.next() {
        let Some(fields) = at.as_object_mut() else { return };
        if parts.peek().is_none() {
            fields.insert(part.to_owned(), value);
            return;
        }
        at = fields.entry(part.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
}
