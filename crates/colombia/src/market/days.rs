//! Business days, by the country's holidays.

use super::{Counting, Market};
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};

pub(super) fn is_business_day<M: Market + ?Sized>(market: &M, date: Date, saturday: bool) -> bool {
    match date.weekday() {
        Weekday::Sunday => false,
        Weekday::Saturday => saturday && market.holiday(date).is_none(),
        _ => market.holiday(date).is_none(),
    }
}

/// Ley 4 de 1913, art. 62: the first day is the business day after `start`, the term ends with the last day.
pub(super) fn add<M: Market + ?Sized>(market: &M, start: Timestamp, n: u32, counting: Counting) -> Timestamp {
    let mut date = market.zone().to_datetime(start).date();
    let mut left = n;
    if counting.start_day && is_business_day(market, date, counting.saturday) {
        left = left.saturating_sub(1);
    }
    while left > 0 {
        // The end of the calendar: later than any term.
        let Ok(next) = date.tomorrow() else { break };
        date = next;
        if is_business_day(market, date, counting.saturday) {
            left -= 1;
        }
    }
    end_of(market, date)
}

/// One second before midnight, on the country's clock.
pub(crate) fn end_of<M: Market + ?Sized>(market: &M, date: Date) -> Timestamp {
    market.zone().to_timestamp(date.at(23, 59, 59, 0)).unwrap_or(Timestamp::MAX)
}
