//! One question, one row: what is asked by which columns, and what is answered in which.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::market::{Ask, Cause, Channel, Class, Counting, Duty, Window};
use pasarela_colombia::money::format_pesos;
use pasarela_colombia::phone::{self, Kind};
use pasarela_colombia::price::{IvaMode, Line, Percent, Rounding, centavos, split};
use pasarela_colombia::{Colombia, Lang, Market as _, nit};
use std::collections::BTreeMap;

/// Cells by the names of their columns.
pub(super) struct Row(BTreeMap<String, String>);

impl Row {
    pub(super) fn from_pairs<K: Into<String>>(pairs: impl IntoIterator<Item = (K, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, cell)| (name.into(), cell)).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn flag(&self, name: &str) -> Result<bool, Wrong> {
        match self.get(name).trim() {
            "yes" | "true" => Ok(true),
            "no" | "false" | "" => Ok(false),
            other => Err(Wrong::Use(format!("{name} is yes or no, not '{other}'"))),
        }
    }

    fn number<T: std::str::FromStr>(&self, name: &str, is: &str) -> Result<T, Wrong> {
        let cell = self.get(name);
        cell.trim().parse().map_err(|_| Wrong::Use(format!("{name} is {is}, not '{cell}'")))
    }
}

/// Why a row has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    /// It cannot be read.
    #[error("{0}")]
    Use(String),
    /// The tables do not reach there.
    #[error("{0}")]
    Missing(String),
}

/// An answer: cells for data, a line for people.
pub(super) struct Answer {
    cells: Vec<(&'static str, String)>,
    pub(super) text: String,
    pub(super) warning: Option<String>,
}

impl Answer {
    fn new(cells: Vec<(&'static str, String)>, text: String) -> Self {
        Self { cells, text, warning: None }
    }

    /// All cells are text, as they are in a CSV: a code keeps its leading zero.
    pub(super) fn to_json(&self) -> serde_json::Value {
        self.cells.iter().map(|(name, cell)| ((*name).to_owned(), serde_json::Value::from(cell.as_str()))).collect()
    }
}

/// What can be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    Holidays,
    BusinessDay,
    Window,
    Nit,
    Phone,
    Price,
    Deadline,
    Uvt,
}

impl Question {
    /// The columns that a CSV must have.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Holidays | Self::Uvt => &["year"],
            Self::BusinessDay => &["start_bogota", "n"],
            Self::Window => &["local_datetime", "channel"],
            Self::Nit | Self::Phone => &["input"],
            Self::Price => {
                &["unit_amount_cop", "quantity", "discount_percent", "iva_mode", "iva_rate_percent", "rounding"]
            }
            Self::Deadline => &["duty", "start_bogota"],
        }
    }

    pub(super) fn answer(self, market: &Colombia, row: &Row) -> Result<Vec<Answer>, Wrong> {
        match self {
            Self::Holidays => holidays(market, row),
            Self::BusinessDay => business_day(market, row).map(one),
            Self::Window => window(market, row).map(one),
            Self::Nit => Ok(one(tax_number(row))),
            Self::Phone => Ok(one(phone_number(row))),
            Self::Price => price(row).map(one),
            Self::Deadline => deadline(market, row).map(one),
            Self::Uvt => uvt(market, row).map(one),
        }
    }
}

fn one(answer: Answer) -> Vec<Answer> {
    vec![answer]
}

fn holidays(market: &Colombia, row: &Row) -> Result<Vec<Answer>, Wrong> {
    let year: i16 = row.number("year", "a year such as 2026")?;
    if !(pasarela_colombia::holidays::FIRST_YEAR..=9998).contains(&year) {
        return Err(Wrong::Use(format!("{year}: the law of holidays is of 1983; give a year from 1984 on")));
    }
    let until = market.known_until();
    let computed = !market.tables().lists(year);
    let warning = computed
        .then(|| format!("{year} is not in the tables (known until {until}): computed by the rule as it stands today"));
    let days = market.holidays(year).into_iter().map(|holiday| {
        let from = holiday.moved_from.map_or(String::new(), |d| d.to_string());
        let moved = if from.is_empty() { String::new() } else { format!(" (moved from {from})") };
        let text = format!("{} {}  {}{moved}", holiday.date, holiday.date.strftime("%a"), holiday.name);
        let cells =
            vec![("date", holiday.date.to_string()), ("name_es", holiday.name.to_owned()), ("moved_from", from)];
        Answer { warning: warning.clone(), ..Answer::new(cells, text) }
    });
    Ok(days.collect())
}

fn business_day(market: &Colombia, row: &Row) -> Result<Answer, Wrong> {
    let start = moment(market, row, "start_bogota")?;
    let n: u32 = row.number("n", "a number of days")?;
    if n > 10_000 {
        return Err(Wrong::Use(format!("n is a number of days up to 10000, not {n}")));
    }
    let counting = Counting { saturday: row.flag("saturday_counts")?, start_day: row.flag("start_day_counts")? };
    let end = local(market, market.add_business_days(start, n, counting));
    let yes = |flag| if flag { "yes" } else { "no" }.to_owned();
    let cells = vec![
        ("start_bogota", row.get("start_bogota").to_owned()),
        ("n", n.to_string()),
        ("deadline", end.clone()),
        ("saturday_counts", yes(counting.saturday)),
        ("start_day_counts", yes(counting.start_day)),
    ];
    Ok(Answer::new(cells, end))
}

fn window(market: &Colombia, row: &Row) -> Result<Answer, Wrong> {
    let at = moment(market, row, "local_datetime")?;
    let (class, channel) = contact(row.get("channel").trim())?;
    let ask = Ask::new(class, channel, market.zone());
    let (allowed, next, text) = match market.window(&ask, at, SignedDuration::ZERO) {
        Window::Open { closes: None } => (true, at, "yes: no rule bounds its hours".to_owned()),
        Window::Open { closes: Some(closes) } => (true, at, format!("yes, until {}", local(market, closes))),
        Window::Closed { opens, cause, rule } => {
            let why = match cause {
                Cause::Hours => "outside of the hours",
                Cause::RestDay => "a day without hours",
                Cause::Holiday => "a holiday",
            };
            (false, opens, format!("no ({why}; {}): from {}", rule.article, local(market, opens)))
        }
    };
    let cells = vec![
        ("local_datetime", row.get("local_datetime").to_owned()),
        ("channel", row.get("channel").to_owned()),
        ("allowed", if allowed { "yes" } else { "no" }.to_owned()),
        ("next_allowed", local(market, next)),
    ];
    Ok(Answer::new(cells, text))
}

/// `whatsapp_marketing`, `collection`. What the law leaves free is one class here: `transactional` and its kin.
fn contact(word: &str) -> Result<(Class, Channel), Wrong> {
    let (means, what) = match word.split_once('_') {
        Some((means, what)) => (Channel::from_name(means), what),
        // By whichever channel: the hours are the same.
        None => (Some(Channel::Call), word),
    };
    let class = match what {
        "marketing" => Some(Class::Marketing),
        "collection" => Some(Class::Collection),
        "can_wait" => Some(Class::Transactional),
        "transactional" | "requested" | "service_reply" | "event_day" | "privacy_reply" => {
            Some(Class::TransactionalUrgent)
        }
        _ => None,
    };
    class.zip(means).ok_or_else(|| {
        Wrong::Use(format!(
            "channel '{word}' is not known: such as whatsapp_marketing, email_transactional, collection"
        ))
    })
}

fn tax_number(row: &Row) -> Answer {
    let input = row.get("input");
    let read = nit::read(input);
    let (number, given) = nit::parts(input);
    // Where none was typed, the right one is for people to confirm: it is in the text only.
    let digit = given.and_then(|_| nit::check_digit(&number));
    let cells = vec![
        ("nit", number),
        ("check_digit", digit.map_or(String::new(), |d| d.to_string())),
        ("valid", if read.is_ok() { "yes" } else { "no" }.to_owned()),
        ("input", input.to_owned()),
    ];
    let text = match read {
        Ok(nit) => format!("valid: {nit}"),
        Err(why) => format!("not valid: {why}"),
    };
    Answer::new(cells, text)
}

fn phone_number(row: &Row) -> Answer {
    let input = row.get("input");
    let kind = phone::likely(input).map_or("other", Kind::as_str);
    let (data, text) = match phone::read(input) {
        Ok(number) => {
            let extension = number.extension.as_ref().map_or(String::new(), |e| format!(", extension {e}"));
            (number.e164.clone(), format!("{}  {}, {kind}{extension}", number.e164, phone::display(&number.e164)))
        }
        Err(why) => (format!("error:{}", why.code()), format!("not a number ({}): {why}", why.code())),
    };
    let cells = vec![("input", input.to_owned()), ("e164_or_error", data), ("kind", kind.to_owned())];
    Answer::new(cells, text)
}

fn price(row: &Row) -> Result<Answer, Wrong> {
    let wrong = |name: &str, is: &str| Wrong::Use(format!("{name} is {is}, not '{}'", row.get(name)));
    let percent =
        |name: &str| Percent::parse(row.get(name)).ok_or_else(|| wrong(name, "0 to 100, with at most two decimals"));
    let rounding = match row.get("rounding").trim() {
        "peso" => Rounding::Peso,
        "centavo" => Rounding::Centavo,
        _ => return Err(wrong("rounding", "peso or centavo")),
    };
    let line = Line {
        unit: centavos(row.get("unit_amount_cop"))
            .ok_or_else(|| wrong("unit_amount_cop", "pesos with at most two decimals, such as 84033.61"))?,
        quantity: row.number("quantity", "a whole number")?,
        discount: percent("discount_percent")?,
        mode: match row.get("iva_mode").trim() {
            "included" => IvaMode::Included,
            "added" => IvaMode::Added,
            _ => return Err(wrong("iva_mode", "included or added")),
        },
        rate: percent("iva_rate_percent")?,
        rounding,
    };
    let got = split(&line).map_err(|why| Wrong::Use(why.to_string()))?;
    let amount = |centavos: i64| match rounding {
        Rounding::Peso => (centavos / 100).to_string(),
        Rounding::Centavo => format!("{}.{:02}", centavos / 100, centavos % 100),
    };
    let display = format_pesos(got.total, Lang::Es);
    let (base, iva, total) = (amount(got.base), amount(got.iva), amount(got.total));
    let text = format!("{display}  (base {base}, IVA {iva})");
    let asked = Question::Price.columns().iter().map(|name| (*name, row.get(name).to_owned()));
    let told = [
        ("base", base),
        ("iva", iva),
        ("total", total),
        ("total_minor_units", got.total.to_string()),
        ("display", display),
    ];
    Ok(Answer::new(asked.chain(told).collect(), text))
}

fn deadline(market: &Colombia, row: &Row) -> Result<Answer, Wrong> {
    let name = row.get("duty").trim();
    let duty = Duty::from_name(name).ok_or_else(|| {
        Wrong::Use(format!("duty '{name}' is not known: one of {}", Duty::ALL.map(Duty::as_str).join(", ")))
    })?;
    let start = moment(market, row, "start_bogota")?;
    let term = market.deadline(duty, start).ok_or_else(|| Wrong::Use(format!("there is no duty {name} here")))?;
    let (ours, theirs) = (local(market, term.ours), local(market, term.theirs));
    let text = if ours == theirs {
        format!("{theirs}  ({})", term.rule.article)
    } else {
        format!("{theirs}, be done by {ours}  ({})", term.rule.article)
    };
    let cells = vec![
        ("duty", name.to_owned()),
        ("start_bogota", row.get("start_bogota").to_owned()),
        ("ours", ours),
        ("theirs", theirs),
        ("article", term.rule.article.to_owned()),
    ];
    Ok(Answer::new(cells, text))
}

fn uvt(market: &Colombia, row: &Row) -> Result<Answer, Wrong> {
    let year: i16 = row.number("year", "a year such as 2026")?;
    let uvt = market.tables().uvt(year).map_err(|missing| Wrong::Missing(missing.to_string()))?;
    let cells = vec![("year", year.to_string()), ("cop", uvt.pesos.to_string()), ("source", uvt.source.clone())];
    let text = format!("{}  ({})", format_pesos(uvt.pesos.saturating_mul(100), Lang::Es), uvt.source);
    Ok(Answer::new(cells, text))
}

/// A moment with its offset; without one, on the clock of the country; a day alone is its first moment.
fn moment(market: &Colombia, row: &Row, name: &str) -> Result<Timestamp, Wrong> {
    let text = row.get(name).trim();
    let wrong = || Wrong::Use(format!("{name} is a moment such as 2026-11-24T10:00:00-05:00, not '{text}'"));
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let local = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => text.parse::<Date>().map_err(|_| wrong())?.at(0, 0, 0, 0),
    };
    market.zone().to_timestamp(local).map_err(|_| wrong())
}

/// `2026-11-24T10:00:00-05:00`.
fn local(market: &Colombia, at: Timestamp) -> String {
    at.to_zoned_datetime(market.zone().clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
