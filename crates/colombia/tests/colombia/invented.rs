//! Montelindo, an invented country: it moves its clock in summer, rests on Fridays, lets nobody be called at siesta,
//! and allows one message in three days. What it supplies is all that a country must.

use crate::at;
use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::Lang;
use pasarela_colombia::market::{
    Ask, Cause, Channel, Class, Counting, Deadline, Duty, Frequency, FrequencyRule, Holiday, Hours, Market,
    PastContact, Rule, Span, Unread, Window,
};
use pasarela_colombia::tables::MissingTable;

const SIESTA: Rule = Rule { code: "siesta", article: "Fuero de Montelindo, 3" };

#[derive(Debug)]
struct Montelindo(TimeZone);

impl Market for Montelindo {
    fn country(&self) -> &str {
        "XM"
    }
    fn zone(&self) -> &TimeZone {
        &self.0
    }
    fn currency(&self) -> &str {
        "XML"
    }
    fn table_version(&self) -> &str {
        "1"
    }
    fn known_until(&self) -> i16 {
        2030
    }
    fn holiday(&self, day: Date) -> Option<Holiday<'_>> {
        (day.month() == 4 && day.day() == 1).then_some(Holiday { date: day, name: "Día del Río", moved_from: None })
    }
    fn holidays(&self, year: i16) -> Vec<Holiday<'_>> {
        self.holiday(date(year, 4, 1)).into_iter().collect()
    }
    fn works_on_saturday(&self) -> bool {
        true
    }
    fn hours_rule(&self, class: Class, channel: Channel) -> Option<Rule> {
        (class == Class::Marketing && channel == Channel::Call).then_some(SIESTA)
    }
    fn hours(&self, _class: Class, _channel: Channel, day: Date) -> Hours {
        if day.weekday() == Weekday::Friday {
            return Hours::closed(Cause::RestDay);
        }
        let spans = [Some(Span { from: 9 * 60, to: 13 * 60 }), Some(Span { from: 16 * 60 + 30, to: 24 * 60 })];
        Hours { spans, cause: Cause::Hours }
    }
    fn frequency_rule(&self, _class: Class) -> FrequencyRule {
        FrequencyRule::Every { days: 3, rule: SIESTA }
    }
    fn deadline(&self, duty: Duty, start: Timestamp) -> Option<Deadline> {
        if duty != Duty::Reclamo {
            return None;
        }
        let end = self.add_business_days(start, 3, Counting::default());
        Some(Deadline { ours: end, theirs: end, rule: SIESTA })
    }
    fn phone(&self, typed: &str) -> Result<String, Unread> {
        Ok(format!("+999{typed}"))
    }
    fn tax_id(&self, _typed: &str) -> Result<String, Unread> {
        Err(Unread { code: "none", text: "nobody pays tax in Montelindo".into() })
    }
    fn vat(&self, _name: &str, _date: Date) -> Result<u32, MissingTable> {
        Ok(0)
    }
    fn money(&self, minor: i64, _lang: Lang) -> String {
        format!("{minor} ml")
    }
}

#[test]
fn another_country_supplies_its_own_hours_clock_and_terms() {
    // Summer from the last Sunday of March: +01:00, then +02:00.
    let zone = TimeZone::posix("MLT-1MLST,M3.5.0,M10.5.0/3").unwrap();
    let market: Box<dyn Market> = Box::new(Montelindo(zone.clone()));
    let ask = Ask::new(Class::Marketing, Channel::Call, &zone);
    let opens = |moment: &str| match market.window(&ask, at(moment), SignedDuration::ZERO) {
        Window::Open { .. } => at(moment),
        Window::Closed { opens, rule, .. } => {
            assert_eq!(rule.code, "siesta");
            opens
        }
    };
    assert_eq!(opens("2027-03-24T12:59:59+01:00"), at("2027-03-24T12:59:59+01:00"));
    assert_eq!(opens("2027-03-24T13:00:00+01:00"), at("2027-03-24T16:30:00+01:00"));
    // Thursday's midnight, Friday's rest.
    assert_eq!(opens("2027-03-25T23:59:59+01:00"), at("2027-03-25T23:59:59+01:00"));
    assert_eq!(opens("2027-03-26T00:00:00+01:00"), at("2027-03-27T09:00:00+01:00"));
    // The night in which the clock is moved.
    assert_eq!(opens("2027-03-28T00:30:00+01:00"), at("2027-03-28T09:00:00+02:00"));
    assert_eq!(
        market.latest_before(&ask, at("2027-03-26T12:00:00+01:00"), SignedDuration::from_mins(10)),
        Some(at("2027-03-25T23:50:00+01:00"))
    );
    let history = [PastContact { at: at("2027-03-25T12:00:00+01:00"), channel: Channel::Sms }];
    let Frequency::Defer { until, .. } =
        market.frequency(&ask, &history, at("2027-03-26T12:00:00+01:00"), SignedDuration::ZERO)
    else {
        panic!("one in three days")
    };
    // Three days of 24 hours later it is 13:00 on the moved clock: siesta.
    assert_eq!(until, at("2027-03-28T16:30:00+02:00"));
    // Thursday 1 April is the holiday: Wednesday, Friday, Monday.
    let deadline = market.deadline(Duty::Reclamo, at("2027-03-30T10:00:00+02:00")).unwrap();
    assert_eq!(deadline.theirs, at("2027-04-05T23:59:59+02:00"));
    assert!(market.deadline(Duty::Label, at("2027-03-30T10:00:00+02:00")).is_none());
}
