//! `pasarela cases` and `pasarela incidents`: requests of people and security incidents, with the law's clocks.
//! Nothing that these commands say is legal advice.

use crate::Failure;
use crate::admin::Admin;
use crate::output::line;
use axum::http::Method;
use clap::builder::PossibleValuesParser;
use pasarela_domain::case::Intake;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Cases {
    /// List open cases, the newest first.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
        /// Only those about this e-mail address or phone.
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// Show one case.
    Show {
        /// Its number: RAD-2026-000001.
        number: String,
    },
    /// Enter a case: a request on paper, by phone, ...
    Open(Box<Open>),
    /// A reclamo lacks something: ask the person for it.
    Incomplete {
        /// Its number.
        number: String,
        /// What the person has to send.
        missing: String,
    },
    /// Everything is there; a reclamo is labelled with it.
    Complete {
        /// Its number.
        number: String,
        /// Reason beside the label, in one line.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Extend the term, once; the person is told why.
    Extend {
        /// Its number.
        number: String,
        /// Why.
        reason: String,
    },
    /// Decide.
    Decide {
        /// Its number.
        number: String,
        /// What.
        #[arg(value_parser = ["granted", "partly", "denied"])]
        ruling: String,
        /// Why; needed unless everything is granted.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Send the answer: the template's, or a text of yours.
    Answer {
        /// Its number.
        number: String,
        /// File with the text.
        #[arg(long, value_name = "FILE")]
        file: Option<std::path::PathBuf>,
        /// Subject.
        #[arg(long, default_value = "")]
        subject: String,
    },
    /// It was meant for somebody else, who has it now.
    PassOn {
        /// Its number.
        number: String,
        /// Who is competent.
        to: String,
    },
    /// The person took it back.
    Withdraw {
        /// Its number.
        number: String,
        /// How that is known.
        reason: String,
    },
    /// Add a note.
    Note {
        /// Its number.
        number: String,
        /// The note.
        text: String,
    },
}

/// A case to enter.
#[derive(clap::Args)]
pub(crate) struct Open {
    /// Kind.
    #[arg(value_parser = ["consulta", "reclamo", "pqr"])]
    kind: String,
    /// Name of the person.
    #[arg(long)]
    name: String,
    /// Document of identity.
    #[arg(long, default_value = "")]
    document: String,
    /// E-mail address.
    #[arg(long)]
    email: Option<String>,
    /// Phone in international form.
    #[arg(long)]
    phone: Option<String>,
    /// Address for the answer.
    #[arg(long, default_value = "")]
    address: String,
    /// What happened.
    #[arg(long, default_value = "")]
    facts: String,
    /// What is asked for.
    #[arg(long)]
    request: String,
    /// When it was received (2026-11-24T10:00:00-05:00); now, when it is not said.
    #[arg(long, value_name = "TIME")]
    received: Option<String>,
    /// How it came.
    #[arg(long, default_value = Intake::Paper.as_str(), value_parser = PossibleValuesParser::new(Intake::ALL.map(Intake::as_str)))]
    intake: String,
    /// Where the paper, the scan or the message is.
    #[arg(long, default_value = "")]
    reference: String,
    /// Language of letters.
    #[arg(long, default_value = "es", value_parser = ["es", "en"])]
    language: String,
}

#[derive(clap::Subcommand)]
pub(crate) enum Incidents {
    /// List them, the newest first.
    List,
    /// Show one: the fields of the sheet for the authority.
    Show {
        /// Its number: INC-2026-000001.
        number: String,
    },
    /// Register one: its clock runs.
    Open {
        /// What happened, in one line.
        title: String,
        /// When it was detected; now, when it is not said.
        #[arg(long, value_name = "TIME")]
        detected: Option<String>,
    },
    /// Add what is known by now.
    Update {
        /// Its number.
        number: String,
        /// Database that is concerned; may be repeated.
        #[arg(long = "database", value_name = "NAME")]
        databases: Vec<String>,
        /// Category of data; may be repeated.
        #[arg(long = "category", value_name = "NAME")]
        categories: Vec<String>,
        /// How many persons.
        #[arg(long)]
        persons: Option<u64>,
        /// What it may mean for them.
        #[arg(long)]
        effect: Option<String>,
        /// What was done about it.
        #[arg(long)]
        measures: Option<String>,
    },
    /// It was reported to the authority.
    Report {
        /// Its number.
        number: String,
        /// Number of the report.
        report: String,
    },
    /// Nothing is left to be done.
    Close {
        /// Its number.
        number: String,
    },
}

fn text<'v>(value: &'v Value, at: &str) -> &'v str {
    value.pointer(at).and_then(Value::as_str).unwrap_or("-")
}

/// The day of a moment, as clocks on walls in Bogotá have it.
fn day(moment: &str) -> String {
    moment.parse().map_or_else(|_| "-".to_owned(), |at| pasarela_colombia::calendar::bogota(at).date().to_string())
}

fn case_line(case: &Value) -> String {
    let due = case.pointer("/dues/0");
    let due = due.map_or_else(|| "-".into(), |d| format!("{} by {}", duty(d), day(text(d, "/due/by"))));
    format!(
        "{}  {:<8} {:<10} {:<6} {:<32} {}",
        text(case, "/number"),
        text(case, "/kind"),
        text(case, "/state"),
        text(case, "/urgency"),
        due,
        text(case, "/claimant/name")
    )
}

fn duty(due: &Value) -> &str {
    match &due["duty"] {
        Value::String(name) => name,
        Value::Object(fields) => fields.keys().next().map_or("-", String::as_str),
        _ => "-",
    }
}

fn incident_line(incident: &Value) -> String {
    let state = match (incident["closed_at"].is_null(), incident["reported_at"].is_null()) {
        (false, _) => "closed".to_owned(),
        (_, false) => format!("reported {}", day(text(incident, "/reported_at"))),
        _ => format!("report by {}", day(text(incident, "/due/by"))),
    };
    format!("{}  {:<22} {}", text(incident, "/number"), state, text(incident, "/title"))
}

async fn all(admin: &Admin, path: &str, as_json: bool, told: fn(&Value) -> String) -> Result<(), Failure> {
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("{path}limit=200{cursor}")).await?;
        for row in page["data"].as_array().into_iter().flatten() {
            line(&if as_json { row.to_string() } else { told(row) });
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(()),
        }
    }
}

fn show(value: &Value, as_json: bool, told: fn(&Value) -> String) {
    if as_json {
        return line(&value.to_string());
    }
    line(&told(value));
    for due in value["dues"].as_array().into_iter().flatten() {
        line(&format!(
            "  due   {} by {}, our goal {}",
            duty(due),
            day(text(due, "/due/by")),
            day(text(due, "/due/goal"))
        ));
    }
    for missing in value["missing"].as_array().into_iter().flatten() {
        line(&format!("  lacks {}", missing.as_str().unwrap_or("-")));
    }
    for entry in value["history"].as_array().into_iter().flatten() {
        let note = entry["note"].as_str().unwrap_or_default();
        line(&format!("  {}  {} by {} {note}", text(entry, "/at"), text(entry, "/what"), text(entry, "/by")));
    }
}

pub(crate) async fn cases(config: &Path, action: Cases, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let (number, step) = match action {
        Cases::List { all: every, person } => {
            let person = person.map(|p| {
                let escaped: String = p
                    .bytes()
                    .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
                    .collect();
                format!("person={escaped}&")
            });
            let path = format!("/api/v1/cases?all={every}&{}", person.unwrap_or_default());
            all(&admin, &path, as_json, case_line).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Cases::Show { number } => {
            show(&admin.get(&format!("/api/v1/cases/{number}")).await?, as_json, case_line);
            return Ok(ExitCode::SUCCESS);
        }
        Cases::Open(new) => {
            let body = json!({
                "kind": new.kind, "facts": new.facts, "request": new.request, "received_at": new.received,
                "intake": new.intake, "reference": new.reference, "language": new.language,
                "claimant": { "name": new.name, "document": new.document, "email": new.email, "phone": new.phone,
                  "address": new.address },
            });
            show(&admin.call(Method::POST, "/api/v1/cases", Some(body)).await?, as_json, case_line);
            return Ok(ExitCode::SUCCESS);
        }
        Cases::Incomplete { number, missing } => (number, json!({ "step": "incomplete", "missing": missing })),
        Cases::Complete { number, reason } => (number, json!({ "step": "complete", "reason": reason })),
        Cases::Extend { number, reason } => (number, json!({ "step": "extend", "reason": reason })),
        Cases::Decide { number, ruling, reason } => {
            (number, json!({ "step": "decide", "ruling": ruling, "reason": reason }))
        }
        Cases::Answer { number, file, subject } => {
            let text = match file {
                Some(file) => std::fs::read_to_string(&file)
                    .map_err(|e| Failure::Usage(format!("{} cannot be read: {e}", file.display())))?,
                None => String::new(),
            };
            (number, json!({ "step": "answer", "subject": subject, "text": text }))
        }
        Cases::PassOn { number, to } => (number, json!({ "step": "pass_on", "to": to })),
        Cases::Withdraw { number, reason } => (number, json!({ "step": "withdraw", "reason": reason })),
        Cases::Note { number, text } => (number, json!({ "step": "note", "text": text })),
    };
    let done = admin.call(Method::POST, &format!("/api/v1/cases/{number}/steps"), Some(step)).await?;
    show(&done, as_json, case_line);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn incidents(config: &Path, action: Incidents, as_json: bool) -> Result<ExitCode, Failure> {
    let admin = Admin::open(config).await?;
    let (number, step) = match action {
        Incidents::List => {
            all(&admin, "/api/v1/incidents?", as_json, incident_line).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Incidents::Show { number } => {
            show(&admin.get(&format!("/api/v1/incidents/{number}")).await?, as_json, incident_line);
            return Ok(ExitCode::SUCCESS);
        }
        Incidents::Open { title, detected } => {
            let body = json!({ "title": title, "detected_at": detected });
            show(&admin.call(Method::POST, "/api/v1/incidents", Some(body)).await?, as_json, incident_line);
            return Ok(ExitCode::SUCCESS);
        }
        Incidents::Update { number, databases, categories, persons, effect, measures } => {
            let list = |all: Vec<String>| (!all.is_empty()).then_some(all);
            let step = json!({ "step": "update", "databases": list(databases), "categories": list(categories),
                "persons": persons, "effect": effect, "measures": measures });
            (number, step)
        }
        Incidents::Report { number, report } => (number, json!({ "step": "report", "report": report })),
        Incidents::Close { number } => (number, json!({ "step": "close" })),
    };
    let done = admin.call(Method::POST, &format!("/api/v1/incidents/{number}/steps"), Some(step)).await?;
    show(&done, as_json, incident_line);
    Ok(ExitCode::SUCCESS)
}
