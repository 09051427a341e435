//! Colombia as a [`Market`]. Where the law is open, the reading is a [setting](Settings), and the
//! stricter one is the default.

use crate::market::{
    Channel, Class, Counting, Deadline, Duty, FrequencyRule, Holiday, Hours, Market, Rule, Unread, days_end, of_week,
};
use crate::tables::{MissingTable, Tables};
use crate::{Lang, money, nit, phone};
use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};
use jiff::{Timestamp, ToSpan as _};

/// Which reading of "more than once the same day, by several channels within a week" (Ley 2300 de 2023, art. 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrequencyMode {
    /// One a day, and one channel in a week from Monday to Sunday.
    #[default]
    Literal,
    /// One in any seven days.
    Strict,
}

/// What the law leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The firm ordinarily works on Saturdays (Supersociedades, oficio 220-065558 de 2010).
    pub saturday_is_business_day: bool,
    /// Which frequency.
    pub frequency: FrequencyMode,
    /// What is transactional and not urgent waits for the hours of advertising too. No law asks for it.
    pub transactional_waits: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { saturday_is_business_day: false, frequency: FrequencyMode::default(), transactional_waits: true }
    }
}

/// Hours of advertising and collection.
pub const CONTACT_HOURS: Rule = Rule { code: "contact_hours", article: "Ley 2300 de 2023, arts. 3 y 5 par. 3" };
/// The house's own: what can wait does not ring at night.
pub const QUIET_HOURS: Rule = Rule { code: "quiet_hours", article: "regla de la casa (transactional_waits)" };
/// One contact a day.
pub const ONE_A_DAY: Rule = Rule { code: "one_contact_a_day", article: "Ley 2300 de 2023, arts. 3 y 5" };
/// One channel a week.
pub const ONE_CHANNEL_A_WEEK: Rule = Rule { code: "one_channel_a_week", article: "Ley 2300 de 2023, arts. 3 y 5" };
/// One contact in seven days: the strict reading.
pub const ONE_A_WEEK: Rule =
    Rule { code: "one_contact_a_week", article: "Ley 2300 de 2023, arts. 3 y 5 (lectura estricta)" };

/// Colombia's rules, with its tables and the settings of a firm.
#[derive(Debug, Clone)]
pub struct Colombia {
    tables: Tables,
    settings: Settings,
    zone: TimeZone,
}

impl Default for Colombia {
    fn default() -> Self {
        Self::new(Tables::shipped(), Settings::default())
    }
}

impl Colombia {
    /// With tables and settings.
    #[must_use]
    pub fn new(tables: Tables, settings: Settings) -> Self {
        // UTC-05:00 all year since April 1993: no time zone database is needed.
        Self { tables, settings, zone: TimeZone::fixed(offset(-5)) }
    }

    /// Its tables.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}

impl Market for Colombia {
    fn country(&self) -> &str {
        "CO"
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn currency(&self) -> &str {
        "COP"
    }

    fn table_version(&self) -> &str {
        self.tables.version()
    }

    fn known_until(&self) -> i16 {
        self.tables.known_until()
    }

    fn holiday(&self, date: Date) -> Option<Holiday<'_>> {
        self.tables.holiday(date)
    }

    fn holidays(&self, year: i16) -> Vec<Holiday<'_>> {
        self.tables.holidays(year)
    }

    fn works_on_saturday(&self) -> bool {
        self.settings.saturday_is_business_day
    }

    fn hours_rule(&self, class: Class, _channel: Channel) -> Option<Rule> {
        // Art. 5 names text messages, messages by application or web, e-mail and calls: all of ours.
        match class {
            Class::Marketing | Class::Collection => Some(CONTACT_HOURS),
            Class::Transactional => self.settings.transactional_waits.then_some(QUIET_HOURS),
            Class::TransactionalUrgent => None,
        }
    }

    fn hours(&self, _class: Class, _channel: Channel, date: Date) -> Hours {
        of_week(date, self.holiday(date).is_some(), Hours::between(7, 19), Hours::between(8, 15))
    }

    fn frequency_rule(&self, class: Class) -> FrequencyRule {
        match (class, self.settings.frequency) {
            (Class::TransactionalUrgent | Class::Transactional, _) => FrequencyRule::Free,
            (_, FrequencyMode::Literal) => FrequencyRule::DayAndWeek { day: ONE_A_DAY, week: ONE_CHANNEL_A_WEEK },
            (_, FrequencyMode::Strict) => FrequencyRule::Every { days: 7, rule: ONE_A_WEEK },
        }
    }

    fn deadline(&self, duty: Duty, start: Timestamp) -> Option<Deadline> {
        let (days, article) = match duty {
            Duty::Consulta => (10, "Ley 1581 de 2012, art. 14"),
            Duty::ConsultaExtended => (15, "Ley 1581 de 2012, art. 14"),
            Duty::AskToComplete => (5, "Ley 1581 de 2012, art. 15"),
            Duty::PassOn => (2, "Ley 1581 de 2012, art. 15"),
            Duty::Label => (2, "Ley 1581 de 2012, art. 15 num. 2"),
            Duty::Reclamo => (15, "Ley 1581 de 2012, art. 15 num. 3"),
            Duty::ReclamoExtended => (23, "Ley 1581 de 2012, art. 15 num. 3"),
            Duty::Incident => (15, "Ley 1581 de 2012, art. 17 lit. n"),
            Duty::Pqr => (15, "Ley 1480 de 2011, art. 58 num. 5"),
            Duty::EventRefund => (15, "SIC: 15 días hábiles"),
            Duty::RequesterSilent => return Some(self.silent(start)),
            Duty::RetractoRefund => return Some(self.calendar_days(start)),
        };
        let consulta = matches!(duty, Duty::Consulta | Duty::ConsultaExtended);
        // Art. 14 counts "from the date of receipt": ours is the reading in which that day is the first.
        let ours = self.add_business_days(start, days, Counting { saturday: true, start_day: consulta });
        let theirs = self.add_business_days(start, days, Counting::default());
        Some(Deadline { ours, theirs, rule: Rule { code: duty.as_str(), article } })
    }

    fn phone(&self, typed: &str) -> Result<String, Unread> {
        phone::to_e164(typed).map_err(|e| Unread { code: e.code(), text: e.to_string() })
    }

    fn tax_id(&self, typed: &str) -> Result<String, Unread> {
        let read = nit::read(typed).map_err(|e| Unread { code: e.code(), text: e.to_string() })?;
        Ok(format!("{}-{}", read.number, read.check_digit))
    }

    fn vat(&self, name: &str, date: Date) -> Result<u32, MissingTable> {
        self.tables.iva(name, date)
    }

    fn money(&self, minor: i64, lang: Lang) -> String {
        money::format_money(minor, 2, "COP", lang)
    }
}

impl Colombia {
    /// Two months by the calendar; if the last day is none of business, until the next one (Ley 4 de 1913, art. 62).
    fn silent(&self, start: Timestamp) -> Deadline {
        let asked = self.zone.to_datetime(start).date();
        let mut date = asked.checked_add(2.months()).unwrap_or(Date::MAX);
        while !self.is_business_day(date, false) {
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        let end = days_end(self, date);
        let rule = Rule { code: Duty::RequesterSilent.as_str(), article: "Ley 1581 de 2012, art. 15 num. 1" };
        Deadline { ours: end, theirs: end, rule }
    }

    /// Fifteen days of the calendar.
    fn calendar_days(&self, start: Timestamp) -> Deadline {
        let exercised = self.zone.to_datetime(start).date();
        let end = days_end(self, exercised.checked_add(15.days()).unwrap_or(Date::MAX));
        let article = "Ley 1480 de 2011, art. 47 (Ley 2439 de 2024)";
        Deadline { ours: end, theirs: end, rule: Rule { code: Duty::RetractoRefund.as_str(), article } }
    }
}
