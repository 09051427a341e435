//! `pasarela people`: who is whom across all connections, what somebody does about it, and lists of contacts.

use crate::Failure;
use crate::admin::Admin;
use crate::output::{Bar, line, note};
use axum::http::Method;
use pasarela_domain::{DeedId, PersonId};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Rows of one request.
const ROWS: usize = 1000;

/// Columns of a list of contacts.
const COLUMNS: [&str; 10] = [
    "id",
    "name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "document_kind",
    "document_number",
    "language",
    "job_title",
];

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Persons, the latest heard of first.
    List {
        /// An e-mail address, a phone, a document's number, or words of a name.
        #[arg(long)]
        search: Option<String>,
    },
    /// One person with what each system says, and the history.
    Show {
        /// An id that was ever theirs (per_...).
        id: PersonId,
    },
    /// Two persons are one.
    Merge {
        /// One.
        id: PersonId,
        /// The other.
        with: PersonId,
    },
    /// Two persons are not one, and no rule joins them.
    Apart {
        /// One.
        id: PersonId,
        /// The other.
        with: PersonId,
    },
    /// Records leave a person, together.
    Split {
        /// The person.
        id: PersonId,
        /// Ids that the records were born with, as `show` prints them.
        #[arg(required = true)]
        records: Vec<PersonId>,
    },
    /// Take a deed back; an undoing too.
    Undo {
        /// The person.
        id: PersonId,
        /// The deed (dee_...), as `show` prints it.
        deed: DeedId,
    },
    /// Pairs that could be one person.
    Review,
    /// Edits that do not count.
    Conflicts,
    /// Take in a CSV of contacts, each row by itself.
    ///
    /// Columns: id, name, first_name, last_name, email, phone, document_kind, document_number, language, job_title.
    /// Prints each row that was refused or is doubtful, with its line and why; sent again, nothing changes.
    Import {
        /// The list, in UTF-8, with a header row.
        file: PathBuf,
        /// Whose contacts: a brand of the configuration.
        #[arg(long)]
        brand: Option<String>,
        /// Print every row.
        #[arg(long)]
        all: bool,
    },
}

pub(crate) async fn run(config: &Path, action: Action, as_json: bool) -> Result<ExitCode, Failure> {
    let path = |id: PersonId, what: &str| format!("/api/v1/people/{id}{what}");
    match action {
        Action::Import { file, brand, all } => return import(config, &file, brand.as_deref(), all, as_json).await,
        Action::List { search } => {
            let encoded = |s: String| url::form_urlencoded::byte_serialize(s.as_bytes()).collect::<String>();
            let search = search.map(|s| format!("?search={}", encoded(s)));
            list(config, "/api/v1/people", &search.unwrap_or_default(), as_json, person_line).await?;
        }
        Action::Review => {
            list(config, "/api/v1/people/review", "", as_json, |pair| {
                format!("{} / {} ({})", person_line(&pair["a"]), person_line(&pair["b"]), words(&pair["reasons"]))
            })
            .await?;
        }
        Action::Conflicts => {
            list(config, "/api/v1/people/conflicts", "", as_json, |c| {
                let text = |name: &str| c[name].as_str().unwrap_or_default().to_owned();
                let (record, winner) = (c["record"]["connection"].as_str(), c["winner"]["connection"].as_str());
                format!(
                    "{} {} {}: {} says '{}', and '{}' of {} counts ({})",
                    text("person"),
                    text("name"),
                    text("field"),
                    record.unwrap_or_default(),
                    text("says"),
                    text("wins"),
                    winner.unwrap_or_default(),
                    text("why")
                )
            })
            .await?;
        }
        Action::Show { id } => {
            let admin = Admin::open(config).await?;
            let person = admin.call(Method::GET, &path(id, ""), None).await?;
            let history = admin.call(Method::GET, &path(id, "/history"), None).await?;
            if as_json {
                line(&json!({ "person": person, "history": history["data"] }).to_string());
            } else {
                show(&person, &history);
            }
        }
        Action::Merge { id, with } => deed(config, &path(id, "/merge"), json!({ "with": with }), as_json).await?,
        Action::Apart { id, with } => deed(config, &path(id, "/apart"), json!({ "with": with }), as_json).await?,
        Action::Split { id, records } => {
            deed(config, &path(id, "/split"), json!({ "records": records }), as_json).await?;
        }
        Action::Undo { id, deed: which } => deed(config, &path(id, "/undo"), json!({ "deed": which }), as_json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints all pages of a list.
async fn list(
    config: &Path,
    path: &str,
    query: &str,
    as_json: bool,
    shown: impl Fn(&Value) -> String,
) -> Result<(), Failure> {
    let admin = Admin::open(config).await?;
    let mut cursor = String::new();
    loop {
        let join = if query.is_empty() { "?" } else { "&" };
        let page = admin.call(Method::GET, &format!("{path}{query}{join}limit=200{cursor}"), None).await?;
        for row in page["data"].as_array().into_iter().flatten() {
            line(&if as_json { row.to_string() } else { shown(row) });
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

async fn deed(config: &Path, path: &str, body: Value, as_json: bool) -> Result<(), Failure> {
    let admin = Admin::open(config).await?;
    let done = admin.call(Method::POST, path, Some(body)).await?;
    if as_json {
        line(&done.to_string());
    } else {
        line(&format!("{}: done; undo it by this id", done["deed"].as_str().unwrap_or_default()));
        if !done["person"].is_null() {
            line(&person_line(&done["person"]));
        }
    }
    Ok(())
}

fn person_line(person: &Value) -> String {
    let text = |name: &str| person[name].as_str().filter(|t| !t.is_empty());
    let records = person["records"].as_array().map_or(0, Vec::len);
    let known = [text("name"), text("email"), text("phone")];
    let known: Vec<&str> = known.into_iter().flatten().collect();
    format!("{} {} ({records} records)", text("id").unwrap_or_default(), known.join(", "))
}

fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn show(person: &Value, history: &Value) {
    line(&person_line(person));
    for record in person["records"].as_array().into_iter().flatten() {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let differs = record["differs"].as_object().filter(|d| !d.is_empty());
        let differs = differs.map(|d| format!("; it should say {}", Value::Object(d.clone()))).unwrap_or_default();
        line(&format!("  {} {} {} {}{differs}", text("born"), text("connection"), text("kind"), text("id")));
    }
    for entry in history["data"].as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let undone = if entry["undone"] == true { " (undone)" } else { "" };
        let by = entry["by"].as_str().unwrap_or("rule");
        let why = words(&entry["reasons"]);
        line(&format!("  {} {} {} by {by} {why}{undone}", text("at"), text("deed"), text("what")));
    }
}

async fn import(
    config: &Path,
    file: &Path,
    brand: Option<&str>,
    all: bool,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let rows = read(file)?;
    let admin = Admin::open(config).await?;
    let bar = Bar::new("Importing");
    let total = rows.len();
    let mut sums = [0_u64; 5];
    const STATES: [&str; 5] = ["created", "joined", "doubtful", "known", "refused"];
    for (n, some) in rows.chunks(ROWS).enumerate() {
        bar.at((n * ROWS) as u64, total as u64);
        let body = json!({ "brand": brand, "rows": some });
        let report = admin.call(Method::POST, "/api/v1/people/import", Some(body)).await?;
        for row in report["rows"].as_array().into_iter().flatten() {
            let state = row["state"].as_str().unwrap_or_default();
            if as_json {
                line(&row.to_string());
            } else if all || matches!(state, "refused" | "doubtful") {
                let why = match row["column"].as_str() {
                    Some(column) => format!("column {column}: {}", row["why"].as_str().unwrap_or_default()),
                    None => format!(
                        "{} {} {}",
                        row["person"].as_str().unwrap_or_default(),
                        words(&row["with"]),
                        words(&row["reasons"])
                    ),
                };
                line(&format!("line {}: {state}: {}", row["line"], why.trim()));
            }
        }
        for (sum, name) in sums.iter_mut().zip(STATES) {
            *sum += report[name].as_u64().unwrap_or(0);
        }
    }
    drop(bar);
    let told: Vec<String> = sums.iter().zip(STATES).map(|(n, name)| format!("{n} {name}")).collect();
    note(&format!("{total} rows: {}", told.join(", ")));
    Ok(if sums[4] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rows with their lines, as the API takes them.
fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|e| wrong(format!("the list cannot be read: {e}")))?;
    let header = reader.headers().map_err(|e| wrong(format!("the header row cannot be read: {e}")))?.clone();
    let mut columns = Vec::new();
    for name in &header {
        // A byte order mark is no part of the first column's name.
        let name = name.trim_start_matches('\u{feff}');
        let Some(column) = COLUMNS.iter().find(|c| **c == name) else {
            let names = COLUMNS.join(", ");
            return Err(wrong(format!("there is no column '{name}'; the columns are {names}")));
        };
        columns.push(*column);
    }
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let mut contact = json!({ "line": row.position().map_or(0, csv::Position::line) });
        for (column, value) in columns.iter().zip(&row) {
            contact[*column] = value.into();
        }
        rows.push(contact);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_by_its_header_and_an_unknown_column_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contactos.csv");
        std::fs::write(
            &file,
            "\u{feff}email,first_name,phone\nana@correo.example,\"Ana, María\",\n,Luis,300 123 4567\n",
        )
        .unwrap();
        let rows = read(&file).unwrap_or_else(|_| panic!("it is a list"));
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[0],
            json!({ "line": 2, "email": "ana@correo.example", "first_name": "Ana, María", "phone": "" })
        );
        assert_eq!(rows[1]["line"], 3);
        std::fs::write(&file, "correo\nx\n").unwrap();
        let Err(Failure::Usage(why)) = read(&file) else { panic!("it is refused") };
        assert!(why.contains("'correo'") && why.contains("email"), "{why}");
    }
}
