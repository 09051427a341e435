//! Every row of every vector file.

use crate::{at, rows};
use jiff::SignedDuration;
use pasarela_colombia::market::{Ask, Channel, Class, Counting, Window};
use pasarela_colombia::money::format_pesos;
use pasarela_colombia::price::{IvaMode, Line, Percent, Rounding, centavos, split};
use pasarela_colombia::tables::Tables;
use pasarela_colombia::{Colombia, Lang, Market as _, holidays, nit, phone};

#[test]
fn every_holiday_is_listed_and_follows_from_the_rule() {
    let (tables, vectors) = (Tables::shipped(), rows(include_str!("../vectors/holidays-co-2024-2032.csv")));
    let mut seen = 0;
    for year in 2024..=2032 {
        let wanted: Vec<_> = vectors.iter().filter(|r| r["date"].starts_with(&year.to_string())).collect();
        for given in [tables.holidays(year), holidays::computed(year)] {
            let told: Vec<_> = given.iter().map(|h| (h.date.to_string(), h.name.to_owned())).collect();
            let named: Vec<_> = wanted.iter().map(|r| (r["date"].clone(), r["name_es"].clone())).collect();
            assert_eq!(told, named, "{year}");
            let from = given.iter().map(|h| h.moved_from.map_or(String::new(), |d| d.to_string()));
            assert_eq!(from.collect::<Vec<_>>(), wanted.iter().map(|r| r["moved_from"].clone()).collect::<Vec<_>>());
        }
        seen += wanted.len();
    }
    assert_eq!(seen, vectors.len());
    assert!(seen >= 169 && tables.known_until() == 2032 && !tables.lists(2033));
    // Past the table the rule goes on; 19 of them, two may share a day.
    assert_eq!(tables.holidays(2033).len(), 19);
    assert!(tables.holiday("2033-07-11".parse().unwrap()).is_some(), "9 July 2033 is a Saturday");
}

#[test]
fn every_term_in_business_days_ends_as_the_vector_says() {
    let market = Colombia::default();
    for row in rows(include_str!("../vectors/business-day-vectors.csv")) {
        let counting =
            Counting { saturday: row["saturday_counts"] == "yes", start_day: row["start_day_counts"] == "yes" };
        let end = market.add_business_days(at(&row["start_bogota"]), row["n"].parse().unwrap(), counting);
        assert_eq!(end, at(&row["deadline"]), "{row:?}");
    }
}

#[test]
fn every_contact_is_let_through_or_told_when() {
    let market = Colombia::default();
    for row in rows(include_str!("../vectors/contact-window-vectors.csv")) {
        let (first, rest) = row["channel"].split_once('_').unwrap_or(("call", &row["channel"]));
        let class = match rest {
            "marketing" => Class::Marketing,
            "collection" => Class::Collection,
            _ => Class::TransactionalUrgent,
        };
        let ask = Ask::new(class, Channel::from_name(first).unwrap(), market.zone());
        let moment = at(&row["local_datetime"]);
        let next = match market.window(&ask, moment, SignedDuration::ZERO) {
            Window::Open { .. } => moment,
            Window::Closed { opens, .. } => opens,
        };
        assert_eq!(next, at(&row["next_allowed"]), "{row:?}");
        assert_eq!(next == moment, row["allowed"] == "yes", "{row:?}");
    }
}

#[test]
fn every_nit_has_its_check_digit() {
    for row in rows(include_str!("../vectors/nit-vectors.csv")) {
        let (number, given) = nit::parts(&row["input"]);
        assert_eq!(number, row["nit"], "{row:?}");
        // Where none was typed, it is for people to confirm, and no answer.
        let right = given.and_then(|_| nit::check_digit(&number));
        assert_eq!(right.map_or(String::new(), |d| d.to_string()), row["check_digit"], "{row:?}");
        assert_eq!(nit::read(&row["input"]).is_ok(), row["valid"] == "yes", "{row:?}");
    }
}

#[test]
fn every_phone_is_read_as_people_meant_it() {
    for row in rows(include_str!("../vectors/phone-vectors.csv")) {
        let kind = phone::likely(&row["input"]).map_or("other", phone::Kind::as_str);
        assert_eq!(kind, row["kind"], "{row:?}");
        let got = phone::to_e164(&row["input"]).unwrap_or_else(|why| format!("error:{}", why.code()));
        assert_eq!(got, row["e164_or_error"], "{row:?}");
    }
}

#[test]
fn every_price_splits_to_the_centavo() {
    for row in rows(include_str!("../vectors/price-vectors.csv")) {
        let rounding = if row["rounding"] == "peso" { Rounding::Peso } else { Rounding::Centavo };
        let line = Line {
            unit: centavos(&row["unit_amount_cop"]).unwrap(),
            quantity: row["quantity"].parse().unwrap(),
            discount: Percent::parse(&row["discount_percent"]).unwrap(),
            mode: if row["iva_mode"] == "included" { IvaMode::Included } else { IvaMode::Added },
            rate: Percent::parse(&row["iva_rate_percent"]).unwrap(),
            rounding,
        };
        let got = split(&line).unwrap();
        let [base, iva, total] = ["base", "iva", "total"].map(|name| centavos(&row[name]).unwrap());
        assert_eq!((got.base, got.iva, got.total), (base, iva, total), "{row:?}");
        assert_eq!(got.total.to_string(), row["total_minor_units"], "{row:?}");
        assert_eq!(format_pesos(got.total, Lang::Es), row["display"], "{row:?}");
    }
}
