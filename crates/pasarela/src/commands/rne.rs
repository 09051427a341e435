//! `pasarela rne`: the registry of excluded numbers by hand, where its web service cannot be asked.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{Bar, line, note};
use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows of one request.
const ROWS: usize = 1000;
/// Columns of the registry's own words, with the way that each is.
const WAYS: [(&str, &str); 4] =
    [("sms", "sms"), ("aplicacion", "app"), ("llamada", "call"), ("correo_electronico", "email")];

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// How the registry is asked, and since when advertising waits for it.
    Status,
    /// Take in a list that was consulted by hand: every address that was asked for, registered or not. Its answers are
    /// as old as the consultation; no list older than 24 hours is taken.
    ///
    /// Columns: llave (a phone or an e-mail address), sms, aplicacion, llamada, correo_electronico, each true (accepts),
    /// false (refuses) or empty. All empty: not registered. Empty beside others: refuses.
    Import {
        /// The list, in UTF-8, with a header row.
        file: PathBuf,
        /// When the registry was consulted: 2026-11-26T09:30:00-05:00.
        #[arg(long, value_name = "MOMENT")]
        consulted_at: Timestamp,
        /// SHA-256 that the file must have.
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// Who consulted it.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    match action {
        Action::Status => {
            let admin = Admin::open(config).await?;
            let view = admin.get("/admin/registry").await?;
            let text = |name: &str| view[name].as_str().map(str::to_owned);
            let asked = match (view["required"] == true, text("connection")) {
                (false, _) => "off: advertising goes out without asking it".to_owned(),
                (true, Some(connection)) => format!("asked by the connection {connection}"),
                (true, None) => "required, and no connection asks it: import lists, or configure one".to_owned(),
            };
            line(&if as_json { view.to_string() } else { asked });
            for (name, says) in [("waits_since", "advertising waits since"), ("problem", "last question:")] {
                if let (false, Some(text)) = (as_json, text(name)) {
                    line(&format!("{says} {text}"));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Import { file, consulted_at, sha256, by } => {
            let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
            let bytes = std::fs::read(&file).map_err(|e| wrong(e.to_string()))?;
            let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            if sha256.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&hash)) {
                return Err(wrong(format!("its SHA-256 is {hash}, another one than was given")));
            }
            let rows = read(&bytes).map_err(wrong)?;
            let admin = Admin::open(config).await?;
            let bar = Bar::new("Importing");
            let mut taken = 0;
            for (n, some) in rows.chunks(ROWS).enumerate() {
                bar.at((n * ROWS) as u64, rows.len() as u64);
                let list = json!({ "consulted_at": consulted_at, "sha256": hash, "by": by, "rows": some });
                let answer = admin.call(Method::POST, "/admin/registry", Some(list)).await?;
                taken += answer["taken"].as_u64().unwrap_or(0);
            }
            drop(bar);
            line(&if as_json {
                json!({ "taken": taken, "sha256": hash, "consulted_at": consulted_at }).to_string()
            } else {
                hash
            });
            note(&format!("{taken} addresses are answered for, until 3:00 in Bogota after {consulted_at}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Rows as the hub reads them; a row that cannot be read stops everything.
fn read(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|e| format!("the header row cannot be read: {e}"))?.clone();
    let header: Vec<&str> = header.iter().map(|h| h.trim_start_matches('\u{feff}')).collect();
    if !header.contains(&"llave") {
        return Err("there is no column 'llave'".into());
    }
    if let Some(odd) = header.iter().find(|h| **h != "llave" && !WAYS.iter().any(|(word, _)| word == *h)) {
        let all: Vec<&str> = WAYS.iter().map(|(word, _)| *word).collect();
        return Err(format!("there is no column '{odd}'; the columns are llave, {}", all.join(", ")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let at = record.position().map_or(0, csv::Position::line);
        let cell = |name: &str| header.iter().position(|h| *h == name).and_then(|n| record.get(n)).unwrap_or("");
        let key = cell("llave");
        let mut refused = Vec::new();
        let registered = WAYS.iter().any(|(word, _)| !cell(word).is_empty());
        for (word, way) in WAYS {
            // A phone has no answer about mail, and mail none about calls.
            if !registered || (way == "email") != key.contains('@') {
                continue;
            }
            match cell(word).to_lowercase().as_str() {
                "true" | "si" | "sí" | "yes" => {}
                "false" | "no" | "" => refused.push(way),
                other => return Err(format!("line {at}: {word} is true, false or empty, not '{other}'")),
            }
        }
        let key = if key.contains('@') {
            key.to_owned()
        } else {
            phone(key).ok_or_else(|| format!("line {at}: llave is neither a Colombian phone nor an e-mail address"))?
        };
        rows.push(json!({ "key": key, "refused": refused }));
    }
    Ok(rows)
}

/// As the registry writes phones, or in international form.
fn phone(text: &str) -> Option<String> {
    pasarela_colombia::phone::to_e164(text).ok()
}
