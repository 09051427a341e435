//! Worked cases of the specification: frequency (2.4), terms (1.5), retracto (3.2), hours with a guard (2.2).

use crate::at;
use jiff::{SignedDuration, Timestamp};
use pasarela_colombia::market::{
    Ask, Cause, Channel, Class, Duty, Frequency, Market, OwnHours, PastContact, Span, Window,
};
use pasarela_colombia::retracto::{Exception, Item, NoRetracto, Purchase, Retracto, refund_due, retracto};
use pasarela_colombia::tables::Tables;
use pasarela_colombia::{Colombia, FrequencyMode, ONE_A_DAY, ONE_A_WEEK, ONE_CHANNEL_A_WEEK, Settings};

const NONE: SignedDuration = SignedDuration::ZERO;
const GUARD: SignedDuration = SignedDuration::from_mins(5);

/// Days of one week without a holiday: Monday 23 November 2026 is day 0.
fn day(day: i64, time: &str) -> Timestamp {
    at(&format!("2026-11-23T{time}:00-05:00")) + SignedDuration::from_hours(24 * day)
}

fn sent(at: Timestamp, channel: Channel) -> PastContact {
    PastContact { at, channel }
}

#[test]
fn frequency_counts_as_the_table_of_the_specification_does() {
    let literal = Colombia::default();
    let settings = Settings { frequency: FrequencyMode::Strict, ..Settings::default() };
    let strict = Colombia::new(Tables::shipped(), settings);
    let ask = |channel| Ask::new(Class::Marketing, channel, literal.zone());
    let whatsapp = [sent(day(1, "10:00"), Channel::Whatsapp)];
    let defer = |frequency| match frequency {
        Frequency::Allow => None,
        Frequency::Defer { until, rule, .. } => Some((until, rule)),
    };
    let literally = |channel, history: &[_], at| defer(literal.frequency(&ask(channel), history, at, NONE));
    let strictly = |channel, history: &[_], at| defer(strict.frequency(&ask(channel), history, at, NONE));

    assert_eq!(literally(Channel::Whatsapp, &[], day(1, "10:00")), None);
    // The day ends before the week does: the week's rule is told.
    let monday = Some((day(7, "07:00"), ONE_CHANNEL_A_WEEK));
    assert_eq!(literally(Channel::Email, &whatsapp, day(1, "16:00")), monday);
    assert_eq!(literally(Channel::Email, &whatsapp, day(3, "10:00")), monday);
    assert_eq!(literally(Channel::Whatsapp, &whatsapp, day(1, "16:00")), Some((day(2, "07:00"), ONE_A_DAY)));
    assert_eq!(literally(Channel::Whatsapp, &whatsapp, day(2, "10:00")), None);
    assert_eq!(strictly(Channel::Whatsapp, &whatsapp, day(2, "10:00")), Some((day(8, "10:00"), ONE_A_WEEK)));
    assert_eq!(strictly(Channel::Whatsapp, &whatsapp, day(8, "10:00")), None);
    let saturday = [sent(day(5, "14:00"), Channel::Email)];
    assert_eq!(literally(Channel::Whatsapp, &saturday, day(7, "07:00")), None);
    // What is transactional is free of it, and collection is not.
    let ask = Ask::new(Class::Transactional, Channel::Sms, literal.zone());
    assert_eq!(literal.frequency(&ask, &whatsapp, day(1, "16:00"), NONE), Frequency::Allow);
    let ask = Ask::new(Class::Collection, Channel::Whatsapp, literal.zone());
    assert_ne!(literal.frequency(&ask, &whatsapp, day(1, "16:00"), NONE), Frequency::Allow);
}

#[test]
fn a_deferral_by_frequency_ends_within_the_hours_and_clear_of_the_whole_history() {
    let market = Colombia::default();
    let ask = Ask::new(Class::Marketing, Channel::Whatsapp, market.zone());
    // Friday's contact: tomorrow is Saturday, which opens at eight.
    let friday = [sent(day(4, "10:00"), Channel::Whatsapp)];
    let Frequency::Defer { until, .. } = market.frequency(&ask, &friday, day(4, "11:00"), GUARD) else { panic!() };
    assert_eq!(until, day(5, "08:00"));
    // The week ends with a Monday that is a holiday (13 July 2026).
    let history = [sent(at("2026-07-09T10:00:00-05:00"), Channel::Email)];
    let asked = at("2026-07-10T09:00:00-05:00");
    let Frequency::Defer { until, .. } = market.frequency(&ask, &history, asked, GUARD) else { panic!() };
    assert_eq!(until, at("2026-07-14T07:00:00-05:00"));
    // Another node wrote on the day that would be next.
    let history = [sent(day(1, "10:00"), Channel::Whatsapp), sent(day(2, "07:00"), Channel::Whatsapp)];
    let Frequency::Defer { until, rule, previous } = market.frequency(&ask, &history, day(1, "12:00"), GUARD) else {
        panic!()
    };
    assert_eq!((until, rule, previous), (day(3, "07:00"), ONE_A_DAY, history[0]));
}

#[test]
fn the_guard_stops_before_the_end_and_the_latest_moment_is_one_that_is_allowed() {
    let market = Colombia::default();
    let ask = Ask::new(Class::Marketing, Channel::Email, market.zone());
    let opens = |moment, guard| match market.window(&ask, moment, guard) {
        Window::Open { .. } => moment,
        Window::Closed { opens, .. } => opens,
    };
    assert_eq!(opens(day(0, "18:55"), GUARD), day(0, "18:55"));
    assert_eq!(opens(day(0, "18:56"), GUARD), day(1, "07:00"));
    assert_eq!(opens(day(0, "18:56"), NONE), day(0, "18:56"));
    // A show on Sunday evening, told of a day before; on Monday's holiday; on an open day; before any hour.
    for (before, latest) in [
        (day(5, "19:00"), day(5, "14:55")),
        (at("2026-07-13T12:00:00-05:00"), at("2026-07-11T14:55:00-05:00")),
        (day(2, "12:30"), day(2, "12:30")),
        (day(0, "06:00"), at("2026-11-21T14:55:00-05:00")),
    ] {
        assert_eq!(market.latest_before(&ask, before, GUARD), Some(latest));
        assert!(market.window(&ask, latest, GUARD).is_open());
    }
    let last = market.latest_before(&ask, day(6, "10:00"), NONE).unwrap();
    assert!(last < day(5, "15:00") && market.window(&ask, last, NONE).is_open());
    let urgent = Ask::new(Class::TransactionalUrgent, Channel::Email, market.zone());
    assert_eq!(market.latest_before(&urgent, day(6, "03:00"), GUARD), Some(day(6, "03:00")));
}

#[test]
fn what_is_closed_says_why_and_what_can_wait_waits_unless_the_firm_says_no() {
    let market = Colombia::default();
    let why = |market: &Colombia, class, moment| match market.window(
        &Ask::new(class, Channel::Sms, market.zone()),
        moment,
        NONE,
    ) {
        Window::Open { .. } => None,
        Window::Closed { cause, rule, .. } => Some((cause, rule.code)),
    };
    assert_eq!(why(&market, Class::Marketing, day(0, "06:00")), Some((Cause::Hours, "contact_hours")));
    assert_eq!(why(&market, Class::Marketing, day(6, "10:00")), Some((Cause::RestDay, "contact_hours")));
    let holiday = at("2026-12-08T10:00:00-05:00");
    assert_eq!(why(&market, Class::Collection, holiday), Some((Cause::Holiday, "contact_hours")));
    assert_eq!(why(&market, Class::Transactional, holiday), Some((Cause::Holiday, "quiet_hours")));
    let settings = Settings { transactional_waits: false, ..Settings::default() };
    assert_eq!(why(&Colombia::new(Tables::shipped(), settings), Class::Transactional, holiday), None);
}

#[test]
fn a_person_abroad_is_reached_by_their_own_clock_and_own_hours_are_added() {
    let market = Colombia::default();
    let madrid = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    let ask = Ask::new(Class::Marketing, Channel::Whatsapp, &madrid);
    let Window::Closed { opens, .. } = market.window(&ask, at("2026-11-23T15:00:00-05:00"), NONE) else { panic!() };
    assert_eq!(opens, at("2026-11-24T07:00:00+01:00"));

    let asked_at = day(-10, "10:00");
    let days = [true, false, false, false, false, false, true];
    let own = OwnHours { asked_at, span: Span { from: 18 * 60, to: 21 * 60 }, days, holidays: false };
    assert!(own.count_after(day(-11, "10:00")) && !own.count_after(asked_at));
    let ask = Ask { own_hours: Some(&own), ..Ask::new(Class::Marketing, Channel::Whatsapp, market.zone()) };
    // Monday's hours go on until nine; Sunday has some; Tuesday's stay.
    let closes = Window::Open { closes: Some(day(0, "21:00")) };
    assert_eq!(market.window(&ask, day(0, "09:00"), NONE), closes);
    assert!(market.window(&ask, day(6, "20:59"), NONE).is_open());
    assert!(!market.window(&ask, day(1, "20:00"), NONE).is_open());
    // Monday 13 July 2026 is a holiday, of which the person said nothing.
    assert!(!market.window(&ask, at("2026-07-13T19:00:00-05:00"), NONE).is_open());
    assert_eq!(
        market.latest_before(&ask, day(6, "23:00"), NONE),
        Some(day(6, "20:59") + SignedDuration::from_secs(59))
    );
}

#[test]
fn terms_end_as_the_example_of_the_specification_does() {
    let market = Colombia::default();
    let received = at("2026-11-24T10:00:00-05:00");
    for (duty, ours, theirs) in [
        (Duty::Label, "2026-11-26", "2026-11-26"),
        // Saturdays count for us, and the day of receipt does.
        (Duty::Consulta, "2026-12-04", "2026-12-09"),
        (Duty::Reclamo, "2026-12-12", "2026-12-16"),
        (Duty::ReclamoExtended, "2026-12-22", "2026-12-29"),
        (Duty::ConsultaExtended, "2026-12-11", "2026-12-16"),
        (Duty::PassOn, "2026-11-26", "2026-11-26"),
        (Duty::AskToComplete, "2026-11-30", "2026-12-01"),
        (Duty::Incident, "2026-12-12", "2026-12-16"),
        // Two months: a Sunday, so the Monday.
        (Duty::RequesterSilent, "2027-01-25", "2027-01-25"),
        (Duty::RetractoRefund, "2026-12-09", "2026-12-09"),
    ] {
        let deadline = market.deadline(duty, received).unwrap();
        let end = |date: &str| at(&format!("{date}T23:59:59-05:00"));
        assert_eq!((deadline.ours, deadline.theirs), (end(ours), end(theirs)), "{duty:?}");
        assert!(deadline.rule.article.contains(' '));
    }
}

#[test]
fn retracto_ends_as_the_cases_of_the_specification_do() {
    let market = Colombia::default();
    let show = at("2026-07-28T19:00:00-05:00");
    let ticket = |sold: &str| Purchase {
        sold: at(sold),
        at_a_distance: true,
        item: Item::Ticket { starts: show, checked_in: false },
        exception: None,
    };
    let until = |text: &str| Retracto::Until(at(text));
    let early = ticket("2026-07-06T10:00:00-05:00");
    assert_eq!(retracto(&market, &early), until("2026-07-14T23:59:59-05:00"));
    let refund = refund_due(&market, at("2026-07-14T12:00:00-05:00"));
    assert_eq!(refund, Some(at("2026-07-29T23:59:59-05:00")));
    let late = Retracto::None(NoRetracto::EventWithinFiveDays);
    assert_eq!(retracto(&market, &ticket("2026-07-24T12:00:00-05:00")), late);
    assert_eq!(retracto(&market, &ticket("2026-07-22T20:00:00-05:00")), Retracto::Until(show));
    let entered = Purchase { item: Item::Ticket { starts: show, checked_in: true }, ..early };
    assert_eq!(retracto(&market, &entered), Retracto::None(NoRetracto::Entered));
    let door = Purchase { at_a_distance: false, ..early };
    assert_eq!(retracto(&market, &door), Retracto::None(NoRetracto::NotAtADistance));
    let delivered = Some(at("2026-12-22T15:00:00-05:00"));
    let dress = Purchase { item: Item::Goods { delivered }, sold: at("2026-12-15T10:00:00-05:00"), ..early };
    assert_eq!(retracto(&market, &dress), until("2026-12-30T23:59:59-05:00"));
    assert_eq!(retracto(&market, &Purchase { item: Item::Goods { delivered: None }, ..dress }), Retracto::NotBegun);
    let measured = Purchase { exception: Some(Exception::MadeToMeasure), ..dress };
    assert_eq!(retracto(&market, &measured), Retracto::None(NoRetracto::Excepted(Exception::MadeToMeasure)));
}
