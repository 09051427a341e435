//! Each rule of the market file that concerns sending, by its row in "the hub must".

use super::*;
use crate::lawful::contacts::Contacts;
use pasarela_domain::consent::{ConsentRecord, Evidence, Proof};
use pasarela_domain::model::Contact;
use pasarela_domain::standing::{CaseMark, RegistryAnswer};

/// Friday, 10:00 in Bogota.
const NOW: &str = "2026-11-27T15:00:00Z";
const PHONE: &str = "+573001234567";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn said(purpose: &str, state: ConsentState, when: &str) -> Consents {
    Consents::of(&ConsentRecord {
        id: format!("cns_{when}"),
        state,
        purpose: purpose.into(),
        channel: None,
        contact: Contact::default(),
        at: at(when),
        recorded_at: at(when),
        evidence: Evidence::default(),
        analytics: Default::default(),
        legal_basis: Default::default(),
        birth_date: None,
        minor: false,
        guardian: None,
        proof: Proof { complete: true, ..Proof::default() },
    })
}

/// Somebody who allowed publicity a week ago, and whom the registry does not have.
fn willing() -> Known {
    let own = said("marketing", ConsentState::Given, "2026-11-20T15:00:00Z");
    let registry = RegistryAnswer { asked_at: at("2026-11-27T08:15:00Z"), refused: Vec::new(), refused_since: None };
    let standing = Standing { registry: Some(registry), ..Standing::default() };
    Known { all: own.clone(), own, standing, ..Known::default() }
}

fn asked(class: Class, channel: Channel) -> Asked<'static> {
    Asked {
        effect: EffectId::from_raw(1),
        now: at(NOW),
        class,
        purpose: if class == Class::Marketing { "marketing" } else { "sale" },
        channel,
        phone: Some(PHONE),
        named: true,
        expires: None,
        give_up_at: at("2026-11-28T15:00:00Z"),
        answers_within: None,
        connection: "whatsapp",
    }
}

fn publicity() -> Asked<'static> {
    asked(Class::Marketing, Channel::Whatsapp)
}

fn rule(asked: &Asked<'_>, known: &Known) -> &'static str {
    decide(&Law::default(), asked, known).rule.map_or("", |r| r.code)
}

#[test]
fn must_01_absence_of_consent_is_no() {
    assert_eq!(rule(&publicity(), &willing()), "");
    assert_eq!(rule(&publicity(), &Known::default()), "no_consent");
    // A yes that nothing proves is none.
    let own = said("profiling", ConsentState::Given, "2026-11-20T15:00:00Z");
    assert_eq!(rule(&publicity(), &Known { all: own.clone(), own, ..willing() }), "no_consent");
    // What another address of the person allowed, this one did not.
    assert_eq!(rule(&publicity(), &Known { own: Consents::default(), ..willing() }), "no_consent");
}

#[test]
fn must_04_no_publicity_to_a_minor_whatever_was_allowed() {
    let mut known = willing();
    known.standing.minor = true;
    assert_eq!(rule(&publicity(), &known), "minor");
    assert_eq!(rule(&asked(Class::TransactionalUrgent, Channel::Whatsapp), &known), "", "the ticket goes");
}

#[test]
fn must_05_data_in_dispute_is_not_used() {
    let mut known = willing();
    known.standing.claims =
        vec![CaseMark { case: "RAD-2026-000001".into(), reason: "dirección errada".into(), since: at(NOW) }];
    assert_eq!(rule(&publicity(), &known), "claim_in_process");
}

#[test]
fn must_12_hours_of_contact_and_who_is_abroad() {
    let night = |phone| Asked { now: at("2026-11-28T01:00:00Z"), phone, ..publicity() };
    assert_eq!(rule(&night(Some(PHONE)), &willing()), "contact_hours");
    // 18:56: five minutes before the end nothing is handed over.
    assert_eq!(rule(&Asked { now: at("2026-11-27T23:56:00Z"), ..publicity() }, &willing()), "contact_hours");
    assert_eq!(rule(&Asked { now: at("2026-11-27T23:54:00Z"), ..publicity() }, &willing()), "");
    // 10:00 in Bogota is 23:00 in Singapore; the person's own clock counts.
    assert_eq!(rule(&Asked { phone: Some("+6581234567"), ..publicity() }, &willing()), "contact_hours");
    let law = Law { foreign_hours: false, ..Law::default() };
    assert!(decide(&law, &Asked { phone: Some("+6581234567"), ..publicity() }, &willing()).rule.is_none());
    // A country of several clocks: all of them count.
    let Verdict::Defer(until) = decide(
        &Law::default(),
        &Asked { phone: Some("+12125550123"), now: at("2026-11-27T12:00:00Z"), ..publicity() },
        &willing(),
    )
    .verdict
    else {
        panic!("07:00 in New York is 02:00 in Hawaii")
    };
    assert_eq!(until, at("2026-11-27T17:00:00Z"));
}

#[test]
fn must_12_other_hours_only_for_who_asked_after_the_consent() {
    let asks = |when: &str| ExtendedHours {
        asked_at: at(when),
        evidence: "wamid.1".into(),
        from: jiff::civil::time(19, 0, 0, 0),
        to: jiff::civil::time(22, 0, 0, 0),
        days: vec![5],
    };
    let evening = Asked { now: at("2026-11-28T01:00:00Z"), ..publicity() };
    let mut known = willing();
    known.standing.extended_hours = Some(asks("2026-11-21T15:00:00Z"));
    assert_eq!(rule(&evening, &known), "");
    known.standing.extended_hours = Some(asks("2026-11-20T15:00:00Z"));
    assert_eq!(rule(&evening, &known), "contact_hours", "asked for together with the consent, it is none");
}

#[test]
fn must_13_one_contact_a_day_and_one_channel_a_week() {
    let mut known = willing();
    known.contacts = Contacts::default();
    known.contacts.add(EffectId::from_raw(9), Channel::Whatsapp, at("2026-11-27T13:00:00Z"));
    assert_eq!(rule(&publicity(), &known), "one_contact_a_day");
    let mut known = willing();
    known.contacts.add(EffectId::from_raw(9), Channel::Email, at("2026-11-24T13:00:00Z"));
    assert_eq!(rule(&publicity(), &known), "one_channel_a_week");
    // Its own earlier try is no other contact.
    let mut known = willing();
    known.contacts.add(EffectId::from_raw(1), Channel::Whatsapp, at("2026-11-27T13:00:00Z"));
    assert_eq!(rule(&publicity(), &known), "");
    assert_eq!(rule(&asked(Class::Transactional, Channel::Whatsapp), &known), "", "tickets are not counted");
}

#[test]
fn must_14_the_registry_was_asked_since_three_in_the_morning() {
    let mut known = willing();
    // 03:00 in Bogota is 08:00 UTC.
    known.standing.registry.as_mut().unwrap().asked_at = at("2026-11-27T07:59:59Z");
    assert_eq!(rule(&publicity(), &known), "registry_stale");
    assert!(matches!(decide(&Law::default(), &publicity(), &known).verdict, Verdict::Defer(_)));
    let late = Asked { give_up_at: at(NOW), ..publicity() };
    assert_eq!(decide(&Law::default(), &late, &known).verdict, Verdict::Refuse, "it never goes out unasked");
    known.standing.registry = None;
    assert_eq!(rule(&publicity(), &known), "registry_stale");
    assert_eq!(rule(&asked(Class::TransactionalUrgent, Channel::Whatsapp), &known), "");

    let answer = known.standing.registry.insert(RegistryAnswer {
        asked_at: at("2026-11-27T08:15:00Z"),
        refused: vec!["app".into()],
        refused_since: Some(at("2026-11-10T08:15:00Z")),
    });
    answer.refused = vec!["app".into()];
    assert_eq!(rule(&publicity(), &known), "registry_no");
    assert_eq!(rule(&asked(Class::Marketing, Channel::Email), &known), "", "by mail it was not refused");
    // The consent is newer than the first no: only where an owner said that it stands.
    let law = Law { newer_consent_stands: true, ..Law::default() };
    assert!(decide(&law, &publicity(), &known).rule.is_none());
    known.standing.registry.as_mut().unwrap().refused_since = Some(at("2026-11-25T08:15:00Z"));
    assert!(decide(&law, &publicity(), &known).rule.is_some());
}

#[test]
fn must_15_an_opt_out_counts_on_every_channel_and_address() {
    let mut known = willing();
    known.all.lay(said("marketing", ConsentState::Withdrawn, "2026-11-26T15:00:00Z"));
    for channel in Channel::ALL {
        assert_eq!(rule(&asked(Class::Marketing, channel), &known), "consent_withdrawn");
    }
    let mut known = willing();
    known.standing.revoked_all = Some(at("2026-11-25T00:00:00Z"));
    assert_eq!(rule(&publicity(), &known), "consent_withdrawn");
}

#[test]
fn must_16_an_unknown_class_is_marketing() {
    assert_eq!(class_of(None), Class::Marketing);
    assert_eq!(class_of(Some("urgente")), Class::Marketing);
    for class in [Class::TransactionalUrgent, Class::Transactional, Class::Collection, Class::Marketing] {
        assert_eq!(class_of(Some(class_word(class))), class);
    }
}

#[test]
fn collection_needs_the_channel_that_the_person_authorised() {
    let collection = asked(Class::Collection, Channel::Whatsapp);
    assert_eq!(rule(&collection, &willing()), "no_consent", "allowed for publicity is not allowed for the sale");
    let own = said("sale", ConsentState::Given, "2026-11-20T15:00:00Z");
    let known = Known { all: own.clone(), own, ..willing() };
    assert_eq!(rule(&collection, &known), "");
}

#[test]
fn must_32_each_decision_names_what_it_was_made_with() {
    let evidence = decide(&Law::default(), &publicity(), &willing()).evidence();
    assert_eq!(evidence["verdict"], "allow");
    assert_eq!(evidence["message"]["class"], "marketing");
    assert!(evidence["message"]["tables"].as_str().is_some_and(|t| !t.is_empty()));
    let checks: Vec<&str> =
        evidence["checks"].as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["consent", "minor", "claim", "registry", "hours", "frequency"]);
}

#[test]
fn must_05_an_answer_reaches_who_allowed_nothing_and_took_back_everything() {
    let answer = |class| Asked { purpose: "privacy", ..asked(class, Channel::Email) };
    let urgent = answer(Class::TransactionalUrgent);
    assert_eq!(rule(&urgent, &Known::default()), "", "nobody is asked for a yes");
    let mut known = Known::default();
    for (purpose, when) in [("all", "2026-11-26T15:00:00Z"), ("privacy", "2026-11-26T16:00:00Z")] {
        known.all.lay(said(purpose, ConsentState::Withdrawn, when));
    }
    known.own = known.all.clone();
    known.standing.revoked_all = Some(at("2026-11-26T15:00:00Z"));
    assert_eq!(rule(&urgent, &known), "");
    let listed = |cause: SuppressionCause| {
        let (address, by) = ("ana@correo.example".to_owned(), "correo".to_owned());
        let row = SuppressionRow { address, cause, why: None, by, since: at("2026-11-26T15:00:00Z") };
        rule(&urgent, &Known { suppression: Some(row), ..Known::default() })
    };
    for wish in [SuppressionCause::Unsubscribed, SuppressionCause::Complained, SuppressionCause::Asked] {
        assert_eq!(listed(wish), "", "{wish:?} is a wish, and the answer a duty");
    }
    assert_eq!(listed(SuppressionCause::Bounced), "suppressed_bounced", "there is no mailbox");
    // Under this name nothing else goes out, and a sale that was taken back stays so.
    for class in [Class::Marketing, Class::Collection] {
        assert_ne!(rule(&answer(class), &known), "", "{class:?}");
    }
    known.all.lay(said("sale", ConsentState::Withdrawn, "2026-11-26T16:00:00Z"));
    assert_eq!(rule(&asked(Class::TransactionalUrgent, Channel::Email), &known), "consent_withdrawn");
}
