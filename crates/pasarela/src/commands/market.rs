//! `pasarela market`: what the country's rules say, for one question or for each row of a CSV. Needs no
//! configuration and no hub.
//!
//! Input and output carry the column names of the market's vector files, so that a spreadsheet of cases can be
//! held to the rules that a hub decides by.

mod answers;

use crate::Failure;
use crate::output::{line, note};
use answers::{Answer, Question, Row};
use pasarela_colombia::tables::Tables;
use pasarela_colombia::{Colombia, Settings};
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// A CSV of questions is read whole.
const MOST_BYTES: u64 = 64 << 20;

#[derive(clap::Args)]
#[command(after_help = "Without its question, a command reads a CSV with a header row from standard input.\n\
    Engineering reference, not legal advice.")]
pub(crate) struct Args {
    /// File with lines over the tables of the market (holidays, UVT, IVA).
    #[arg(long, global = true, value_name = "FILE")]
    tables: Option<PathBuf>,
    #[command(subcommand)]
    question: Ask,
}

#[derive(clap::Subcommand)]
enum Ask {
    /// Public holidays of a year. CSV: `year`.
    Holidays {
        /// Such as 2026.
        year: Option<String>,
    },
    /// The end of a term in business days. CSV: `start_bogota,n,saturday_counts,start_day_counts`.
    BusinessDay {
        /// When it begins: a moment (`2026-11-24T10:00:00-05:00`, or without offset in Bogota), or a day.
        #[arg(requires = "n")]
        start: Option<String>,
        /// How many days.
        n: Option<String>,
        /// Saturdays that are no holiday count.
        #[arg(long)]
        saturday_counts: bool,
        /// The day of receipt is the first.
        #[arg(long)]
        start_day_counts: bool,
    },
    /// Whether somebody may be written to at a moment, and else when. CSV: `local_datetime,channel`.
    Window {
        /// `2026-11-28T15:00:00-05:00`, or without offset in Bogota.
        #[arg(requires = "channel")]
        datetime: Option<String>,
        /// `whatsapp`, `sms`, `email`, `call` or `push` with `_marketing`, `_collection`, `_transactional`,
        /// `_requested`, `_service_reply`, `_event_day`, `_privacy_reply`, or `_can_wait` for what is transactional
        /// and not urgent; or `collection`.
        channel: Option<String>,
    },
    /// Check digit of a tax number. CSV: `input`.
    Nit {
        /// `901.234.567-7`.
        #[arg(allow_hyphen_values = true)]
        number: Option<String>,
    },
    /// A phone number to E.164. CSV: `input`.
    Phone {
        /// As it was typed.
        #[arg(allow_hyphen_values = true)]
        number: Option<String>,
    },
    /// What a line of a sale comes to. CSV: `unit_amount_cop,quantity,discount_percent,iva_mode,iva_rate_percent,
    /// rounding`.
    Price {
        /// Pesos of one unit, with at most two decimals: `180000`, `84033.61`.
        unit_amount: Option<String>,
        /// How many.
        #[arg(long, default_value = "1")]
        quantity: String,
        /// Percent off, before tax.
        #[arg(long, default_value = "0", value_name = "PERCENT")]
        discount: String,
        /// `included` or `added`.
        #[arg(long, default_value = "included", value_name = "MODE")]
        iva_mode: String,
        /// Percent of IVA; 0 for what is excluded and for sellers who are not responsible for it.
        #[arg(long, default_value = "19", value_name = "PERCENT")]
        iva_rate: String,
        /// `peso` or `centavo`.
        #[arg(long, default_value = "peso")]
        rounding: String,
    },
    /// Until when a duty is done, in both readings of the law. CSV: `duty,start_bogota`.
    Deadline {
        /// `consulta`, `consulta_extended`, `reclamo`, `reclamo_extended`, `label`, `ask_to_complete`, `pass_on`,
        /// `requester_silent`, `incident`, `pqr`, `event_refund` or `retracto_refund`.
        #[arg(requires = "start")]
        duty: Option<String>,
        /// When it began.
        start: Option<String>,
    },
    /// Unidad de Valor Tributario of a year. CSV: `year`.
    Uvt {
        /// Such as 2026.
        year: Option<String>,
    },
}

pub(crate) fn run(args: Args, as_json: bool) -> Result<ExitCode, Failure> {
    let market = Colombia::new(tables(args.tables.as_ref())?, Settings::default());
    let (question, given) = asked(args.question);
    let answers: Vec<Answer> = match given {
        Some(row) => question.answer(&market, &row).map_err(|why| match why {
            answers::Wrong::Use(why) => Failure::Usage(why),
            answers::Wrong::Missing(why) => Failure::Failed(why),
        })?,
        None => from_csv(question, &market)?,
    };
    if as_json {
        let objects: Vec<_> = answers.iter().map(Answer::to_json).collect();
        line(&serde_json::Value::Array(objects).to_string());
    } else {
        for answer in &answers {
            line(&answer.text);
        }
    }
    for warning in answers.iter().filter_map(|a| a.warning.as_ref()).collect::<std::collections::BTreeSet<_>>() {
        note(warning);
    }
    Ok(ExitCode::SUCCESS)
}

fn tables(file: Option<&PathBuf>) -> Result<Tables, Failure> {
    let Some(path) = file else { return Ok(Tables::shipped()) };
    let text = std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    Tables::shipped().extended(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// Which question, and its row where it was asked by arguments.
fn asked(ask: Ask) -> (Question, Option<Row>) {
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let row = |pairs: Vec<(&'static str, String)>| Some(Row::from_pairs(pairs));
    match ask {
        Ask::Holidays { year } => (Question::Holidays, year.and_then(|y| row(vec![("year", y)]))),
        Ask::Uvt { year } => (Question::Uvt, year.and_then(|y| row(vec![("year", y)]))),
        Ask::Nit { number } => (Question::Nit, number.and_then(|n| row(vec![("input", n)]))),
        Ask::Phone { number } => (Question::Phone, number.and_then(|n| row(vec![("input", n)]))),
        Ask::BusinessDay { start, n, saturday_counts, start_day_counts } => {
            let given = start.zip(n).and_then(|(start, n)| {
                let flags = [("saturday_counts", yes(saturday_counts)), ("start_day_counts", yes(start_day_counts))];
                row([("start_bogota", start), ("n", n)].into_iter().chain(flags).collect())
            });
            (Question::BusinessDay, given)
        }
        Ask::Window { datetime, channel } => {
            let given = datetime.zip(channel);
            (Question::Window, given.and_then(|(d, c)| row(vec![("local_datetime", d), ("channel", c)])))
        }
        Ask::Deadline { duty, start } => {
            let given = duty.zip(start);
            (Question::Deadline, given.and_then(|(d, s)| row(vec![("duty", d), ("start_bogota", s)])))
        }
        Ask::Price { unit_amount, quantity, discount, iva_mode, iva_rate, rounding } => {
            let given = unit_amount.and_then(|unit| {
                row(vec![
                    ("unit_amount_cop", unit),
                    ("quantity", quantity),
                    ("discount_percent", discount),
                    ("iva_mode", iva_mode),
                    ("iva_rate_percent", iva_rate),
                    ("rounding", rounding),
                ])
            });
            (Question::Price, given)
        }
    }
}

/// One answer per row, or none at all: a row that cannot be read is named.
fn from_csv(question: Question, market: &Colombia) -> Result<Vec<Answer>, Failure> {
    let usage = |why: String| Failure::Usage(why);
    let columns = question.columns().join(",");
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(usage(format!("give the question, or a CSV with the columns {columns} on standard input")));
    }
    let mut text = String::new();
    stdin
        .take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|e| usage(format!("standard input cannot be read as UTF-8: {e}")))?;
    let mut reader = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().map_err(|e| usage(format!("standard input is no CSV: {e}")))?.clone();
    if let Some(missing) = question.columns().iter().find(|c| !header.iter().any(|h| h.trim() == **c)) {
        return Err(usage(format!("the CSV has no column '{missing}': it needs {columns}")));
    }
    let mut answers = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| usage(format!("standard input is no CSV: {e}")))?;
        let at = record.position().map_or(0, csv::Position::line);
        let row = Row::from_pairs(header.iter().map(str::trim).zip(record.iter().map(str::to_owned)));
        let told = question.answer(market, &row);
        answers.extend(told.map_err(|why| Failure::Failed(format!("line {at}: {why}")))?);
    }
    if answers.is_empty() {
        note("the CSV has no rows");
    }
    Ok(answers)
}
