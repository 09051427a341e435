//! What changes by decree: holidays, UVT, IVA. Shipped with the crate, and extended from data
//! without a release. What is not in them is not guessed: a missing year is an error.

use crate::holidays;
use crate::market::Holiday;
use jiff::civil::Date;
use std::collections::BTreeMap;

const SHIPPED: &str = include_str!("../data/tables.csv");

/// A year that the tables do not reach. Its text begins as people read it: "Falta UVT 2027".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Falta {what} {year}: add a line `{line}` to the market's tables")]
pub struct MissingTable {
    /// `UVT`, or `IVA general`.
    pub what: String,
    /// Which year.
    pub year: i16,
    /// What such a line looks like.
    pub line: &'static str,
}

/// A line of a table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TableError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, and what it should be.
    pub why: String,
}

#[derive(Debug, Clone)]
struct Day {
    date: Date,
    name: String,
    moved_from: Option<Date>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rate {
    name: String,
    from: Date,
    until: Date,
    hundredths: u32,
}

/// A value with the norm that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uvt {
    /// Whole pesos.
    pub pesos: i64,
    /// Which resolution.
    pub source: String,
}

/// The tables. See the module.
#[derive(Debug, Clone)]
pub struct Tables {
    version: String,
    known_until: i16,
    days: Vec<Day>,
    uvt: BTreeMap<i16, Uvt>,
    iva: Vec<Rate>,
}

impl Tables {
    /// Those that came with the crate.
    #[must_use]
    pub fn shipped() -> Self {
        let empty =
            Self { version: String::new(), known_until: 0, days: Vec::new(), uvt: BTreeMap::new(), iva: Vec::new() };
        // The file is part of the crate, and a test reads it.
        empty.extended(SHIPPED).unwrap_or_else(|why| panic!("the tables of the crate: {why}"))
    }

    /// With the lines of `text` over them, in the format of `data/tables.csv`. A year of holidays is replaced whole;
    /// the version of `text`, or `local` where it gives none, is added to the version.
    ///
    /// # Errors
    /// With the line that cannot be read; nothing is taken over then.
    ///
    /// ```
    /// use pasarela_colombia::tables::Tables;
    /// let tables = Tables::shipped();
    /// assert!(tables.uvt(2027).unwrap_err().to_string().starts_with("Falta UVT 2027"));
    /// let tables = tables.extended("version;DIAN-2027\nuvt;2027;55000;an invented resolution").unwrap();
    /// assert_eq!(tables.uvt(2027).unwrap().pesos, 55_000);
    /// ```
    pub fn extended(&self, text: &str) -> Result<Self, TableError> {
        let mut tables = self.clone();
        let mut version = None;
        let mut years: BTreeMap<i16, Vec<Day>> = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split(';').map(str::trim).collect();
            let wrong = |why: &str| TableError { line: index + 1, why: why.to_owned() };
            match fields.as_slice() {
                ["version", text] if !text.is_empty() => version = Some((*text).to_owned()),
                ["known_until", year] => tables.known_until = read_year(year).ok_or_else(|| wrong("no year"))?,
                ["holiday", date, name, from] => {
                    let date = read_date(date).ok_or_else(|| wrong("the day is not YYYY-MM-DD"))?;
                    let moved_from = match *from {
                        "" => None,
                        from => Some(read_date(from).ok_or_else(|| wrong("moved_from is not YYYY-MM-DD"))?),
                    };
                    let day = Day { date, name: (*name).to_owned(), moved_from };
                    years.entry(date.year()).or_default().push(day);
                }
                ["uvt", year, pesos, source] => {
                    let year = read_year(year).ok_or_else(|| wrong("no year"))?;
                    let pesos = pesos.parse().ok().filter(|p| *p > 0_i64);
                    let pesos = pesos.ok_or_else(|| wrong("UVT is whole pesos, without dots"))?;
                    tables.uvt.insert(year, Uvt { pesos, source: (*source).to_owned() });
                }
                ["iva", name, from, until, hundredths, _source] => {
                    let from = read_date(from).ok_or_else(|| wrong("the first day is not YYYY-MM-DD"))?;
                    let until = read_date(until).ok_or_else(|| wrong("the last day is not YYYY-MM-DD"))?;
                    let hundredths = hundredths.parse().ok().filter(|h| *h <= 10_000_u32);
                    let hundredths = hundredths.ok_or_else(|| wrong("19 % is written 1900"))?;
                    if until < from {
                        return Err(wrong("the last day is before the first"));
                    }
                    tables.iva.push(Rate { name: (*name).to_owned(), from, until, hundredths });
                }
                _ => {
                    return Err(wrong(
                        "expected version;TEXT, known_until;YEAR, holiday;DATE;NAME;MOVED_FROM, uvt;YEAR;PESOS;SOURCE \
                         or iva;NAME;FROM;UNTIL;HUNDREDTHS;SOURCE",
                    ));
                }
            }
        }
        for (year, days) in years {
            tables.days.retain(|day| day.date.year() != year);
            tables.days.extend(days);
        }
        tables.days.sort_by_key(|day| (day.date, day.moved_from));
        tables.version = match (tables.version.as_str(), version) {
            ("", Some(version)) => version,
            (base, version) => format!("{base}+{}", version.as_deref().unwrap_or("local")),
        };
        Ok(tables)
    }

    /// What decisions record.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Last year whose holidays are listed.
    #[must_use]
    pub fn known_until(&self) -> i16 {
        self.known_until
    }

    /// Whether the holidays of a year are listed; else they are computed.
    #[must_use]
    pub fn lists(&self, year: i16) -> bool {
        self.first_of(year).is_some()
    }

    /// The holiday of a day.
    #[must_use]
    pub fn holiday(&self, date: Date) -> Option<Holiday<'_>> {
        let at = self.days.partition_point(|day| day.date < date);
        match self.days.get(at) {
            Some(day) if day.date == date => Some(as_holiday(day)),
            _ if self.lists(date.year()) => None,
            _ => holidays::computed_on(date),
        }
    }

    /// All holidays of a year, in order.
    #[must_use]
    pub fn holidays(&self, year: i16) -> Vec<Holiday<'_>> {
        let Some(first) = self.first_of(year) else { return holidays::computed(year) };
        let of_year = self.days.get(first..).unwrap_or_default().iter().take_while(|day| day.date.year() == year);
        of_year.map(as_holiday).collect()
    }

    /// Unidad de Valor Tributario of a year (E.T. art. 868).
    ///
    /// # Errors
    /// "Falta UVT 2027": the one of another year is never used.
    pub fn uvt(&self, year: i16) -> Result<&Uvt, MissingTable> {
        let line = "uvt;YEAR;PESOS;SOURCE";
        self.uvt.get(&year).ok_or_else(|| MissingTable { what: "UVT".into(), year, line })
    }

    /// IVA on a day, in hundredths of a percent. Of two lines for one day, the later counts.
    ///
    /// # Errors
    /// When no line reaches that day.
    pub fn iva(&self, name: &str, date: Date) -> Result<u32, MissingTable> {
        let rate = self.iva.iter().rev().find(|r| r.name == name && r.from <= date && date <= r.until);
        let line = "iva;NAME;FROM;UNTIL;HUNDREDTHS_OF_PERCENT;SOURCE";
        let missing = || MissingTable { what: format!("IVA {name}"), year: date.year(), line };
        rate.map(|r| r.hundredths).ok_or_else(missing)
    }

    fn first_of(&self, year: i16) -> Option<usize> {
        let at = self.days.partition_point(|day| day.date.year() < year);
        self.days.get(at).filter(|day| day.date.year() == year).map(|_| at)
    }
}

fn as_holiday(day: &Day) -> Holiday<'_> {
    Holiday { date: day.date, name: &day.name, moved_from: day.moved_from }
}

fn read_date(text: &str) -> Option<Date> {
    text.parse().ok()
}

fn read_year(text: &str) -> Option<i16> {
    text.parse().ok().filter(|y| (1900..=9999).contains(y))
}
