//! Who is whom, kept by the engine (design 4.4): what the map does with what is heard, that a crash, a replay and another
//! order of arrival change nothing, and that what people do can be taken back. G4 and G5 for what follows from it.

mod chance;
mod ownership;

use crate::hub::Hub;
use pasarela_domain::Brands;
use pasarela_domain::identity::Reason;
use pasarela_domain::model::HubPerson;
use pasarela_engine::{ContactRow, ContactState, LEDGER, PeopleError};
use pasarela_store::{EventFilter, StandingOf};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;

const BY: &str = "luz";

fn contact(name: &str, email: Option<&str>, phone: Option<&str>) -> Value {
    let (first, last) = name.split_once(' ').unwrap_or((name, ""));
    json!({ "name": name, "first_name": first, "last_name": last, "email": email, "phone": phone, "language": null })
}

fn ticket(id: &str, order: &str, holder: &Value) -> Value {
    json!({ "id": id, "order_id": order, "show_id": "S-1", "holder": holder })
}

/// An order of a show with its tickets.
fn order(id: &str, buyer: &Value, tickets: &[Value]) -> Value {
    let data = json!({ "id": id, "show_id": "S-1", "buyer": buyer, "tickets": tickets });
    json!({ "type": "order.paid", "key": format!("order:{id}"), "id": id, "data": data })
}

/// What a contact's record says now; without a type no event follows.
fn state(kind: Option<&str>, id: &str, contact: &Value, extra: &Value) -> Value {
    let mut data = json!({ "id": id, "contact": contact, "job_title": null, "company_id": null, "deleted": false });
    if let (Some(data), Some(extra)) = (data.as_object_mut(), extra.as_object()) {
        data.extend(extra.clone());
    }
    let write = json!({ "kind": "person", "id": id, "data": data });
    json!({ "type": kind, "key": format!("person:{id}"), "data": data, "state": [write] })
}

/// A ticket's holder is another one by now.
fn handed_on(id: &str, order: &str, holder: &Value) -> Value {
    let data = ticket(id, order, holder);
    let write = json!({ "kind": "ticket", "id": id, "data": data });
    json!({ "type": "ticket.updated", "key": format!("ticket:{id}"), "data": data, "state": [write] })
}

impl Hub {
    /// Waits until the map has read all, and what it told is decided.
    async fn mapped(&self) {
        self.until("the map of persons to be up to date", async || {
            let inbox = self.engine.store().inbox(0, 1).await.unwrap();
            let behind = self.engine.people_behind().await.unwrap();
            (behind.is_none() && inbox.rows.is_empty() && self.engine.in_memory().0 == 0).then_some(())
        })
        .await;
    }

    async fn everybody(&self) -> Vec<HubPerson> {
        self.mapped().await;
        let mut people = self.engine.people(None, None, 500, &Brands::All).await.unwrap().people;
        people.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        people
    }

    async fn who(&self, search: &str) -> HubPerson {
        self.mapped().await;
        let mut found = self.engine.people(Some(search), None, 10, &Brands::All).await.unwrap().people;
        if found.len() > 1 {
            // Whose address it is, of all who give it.
            found.retain(|p| p.email.as_ref().is_some_and(|e| e.as_str() == search));
        }
        assert_eq!(found.len(), 1, "{search}: {found:?}");
        found.into_iter().next().unwrap()
    }

    /// Types and payloads of what was told of persons, in the order of the log.
    async fn told(&self) -> Vec<(String, Value)> {
        self.mapped().await;
        let filter = EventFilter { ascending: true, limit: 1000, ..EventFilter::default() };
        let rows = self.engine.store().events(filter).await.unwrap().rows;
        let all = rows.iter().map(|r| self.engine.envelope(r).unwrap());
        all.filter(|e| e.connection == "pasarela").map(|e| (e.event_type, e.data)).collect()
    }
}

fn sources(person: &HubPerson) -> BTreeSet<String> {
    person.records.iter().map(|r| format!("{}/{}/{}", r.connection, r.kind, r.id)).collect()
}

async fn hub() -> Hub {
    Hub::build().with_another().people(&[]).start().await
}

#[tokio::test]
async fn g04_what_is_heard_of_persons_is_told_once_and_guests_of_one_order_are_different_persons() {
    let hub = hub().await;
    let ana = contact("Ana Ríos Mejía", Some("ana@correo.example"), Some("+573001234567"));
    let lucia = contact("Lucía Pardo", Some("ana@correo.example"), None);
    let tickets = [ticket("T1", "O1", &ana), ticket("T2", "O1", &lucia), ticket("T3", "O1", &ana)];
    let bought = order("O1", &ana, &tickets);
    hub.hear([bought.clone()]).await;
    let people = hub.everybody().await;
    assert_eq!(people.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["Ana Ríos Mejía", "Lucía Pardo"]);
    assert_eq!(sources(&people[0]), BTreeSet::from(["ventas/order/O1", "ventas/ticket/T1"].map(str::to_owned)));
    assert_eq!(people[0].email.as_ref().map(|e| e.as_str()), Some("ana@correo.example"));
    assert_eq!(people[1].email, None, "the address is the buyer's");
    assert_eq!(people[0].records[0].order_id.as_deref(), Some("O1"));
    assert_eq!(people[0].records[0].show_id.as_deref(), Some("S-1"));

    let told = hub.told().await;
    assert_eq!(told.iter().map(|(t, _)| t.as_str()).collect::<Vec<_>>(), ["person.created", "person.created"]);
    assert!(told.iter().all(|(_, d)| d["changed"].as_array().unwrap().contains(&json!("name"))), "{told:?}");

    // The same delivery, a replay of it, and another order of hers.
    hub.hear([bought]).await;
    assert_eq!(hub.told().await, told, "it was known");
    hub.hear([order("O2", &contact("ANA RIOS", Some("ANA@correo.example"), None), &[])]).await;
    let ana = hub.who("ana@correo.example").await;
    assert_eq!(ana.records.len(), 3, "{:?}", sources(&ana));
    assert_eq!(ana.name, "Ana Ríos Mejía", "a name that only is shorter takes nothing away");
    let told = hub.told().await;
    let (what, data) = told.last().unwrap();
    assert_eq!((what.as_str(), &data["changed"]), ("person.updated", &json!(["records"])));
    // What it says shorter should be said in full there.
    assert_eq!(
        data["records"][2]["differs"],
        json!({ "name": "Ana Ríos Mejía", "first_name": "Ana", "last_name": "Ríos Mejía" })
    );
    assert_eq!(hub.who("rios mejia").await.id, ana.id, "found by words of the name");
    assert_eq!(hub.who("300 123 4567").await.id, ana.id, "found by the phone as it is typed");
}

#[tokio::test]
async fn a_record_that_carries_the_hubs_id_is_that_persons_without_any_address() {
    let hub = hub().await;
    let lucia = contact("Lucía Pardo", None, None);
    let ana = contact("Ana Ríos", Some("ana@correo.example"), None);
    hub.hear([order("O1", &ana, &[ticket("T1", "O1", &lucia)])]).await;
    let known = hub.who("lucia pardo").await;
    hub.hear_by(
        "otra",
        json!({ "facts": [state(Some("person.created"), "P9", &lucia, &json!({ "hub_id": known.id }))] }),
    )
    .await;
    let known = hub.who("lucia pardo").await;
    assert_eq!(sources(&known), BTreeSet::from(["otra/person/P9", "ventas/ticket/T1"].map(str::to_owned)));
    let told = hub.told().await;
    assert_eq!(
        told.iter().filter(|(t, _)| t == "person.created").count(),
        2,
        "no third person was made of an echo: {told:?}"
    );
}

#[tokio::test]
async fn a_ticket_that_is_handed_on_is_its_new_guests() {
    let hub = hub().await;
    let ana = contact("Ana Ríos", Some("ana@correo.example"), Some("+573001234567"));
    hub.hear([order("O1", &ana, &[ticket("T1", "O1", &ana)])]).await;
    assert_eq!(hub.everybody().await.len(), 1);
    let pedro = contact("Pedro Gil", Some("pedro@correo.example"), None);
    hub.hear([handed_on("T1", "O1", &pedro)]).await;
    let people = hub.everybody().await;
    assert_eq!(people.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["Ana Ríos", "Pedro Gil"]);
    assert_eq!(sources(&people[1]), BTreeSet::from(["ventas/ticket/T1".to_owned()]));
}

#[tokio::test]
async fn merges_splits_and_undoing_are_taken_back_exactly_and_no_rule_does_them_again() {
    let hub = hub().await;
    let ana = contact("Ana Ríos", Some("ana@correo.example"), None);
    let maria = contact("María Ríos", Some("maria@correo.example"), None);
    hub.hear([order("O1", &ana, &[]), order("O2", &maria, &[])]).await;
    let before = hub.everybody().await;
    let (a, m) = (before[0].id, before[1].id);
    let done = hub.engine.merge_people(a, m, BY, &Brands::All).await.unwrap();
    let merged = hub.everybody().await;
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].records.len(), 2);
    let (what, data) = hub.told().await.pop().unwrap();
    assert_eq!(what, "person.merged");
    let gone = if merged[0].id == a { m } else { a };
    assert_eq!(data["merged"], json!([gone]));
    assert_eq!(
        hub.engine.person(gone, &Brands::All).await.unwrap().person.id,
        merged[0].id,
        "an id of before leads on"
    );
    let lines = hub.engine.person_history(a, &Brands::All).await.unwrap();
    assert_eq!((lines[0].what, lines[0].by.as_deref(), lines[0].undoable), ("merged", Some(BY), true));
    assert_eq!(lines[0].reasons, [Reason::Decided]);

    hub.engine.undo_person_deed(a, done.deed, BY, &Brands::All).await.unwrap();
    assert_eq!(hub.everybody().await, before, "as it was");
    let again = hub.engine.undo_person_deed(a, done.deed, BY, &Brands::All).await;
    assert!(matches!(again, Err(PeopleError::Refused(_))), "{again:?}");

    // A merge of the rules, taken back by a person, is not done again when they buy once more.
    let ana = |n: &str| order(n, &contact("Ana Ríos", Some("ana@correo.example"), None), &[]);
    hub.hear([ana("O3")]).await;
    hub.mapped().await;
    let lines = hub.engine.person_history(a, &Brands::All).await.unwrap();
    let rule = lines.iter().find(|l| l.what == "merged" && l.by.is_none()).expect("a rule joined O3");
    hub.engine.undo_person_deed(a, rule.deed, BY, &Brands::All).await.unwrap();
    assert_eq!(hub.everybody().await.len(), 3);
    hub.hear([json!({ "type": "order.updated", "key": "order:O3", "id": "e", "data":
        { "id": "O3", "buyer": contact("Ana Ríos Mejía", Some("ana@correo.example"), None), "tickets": [] } })])
        .await;
    assert_eq!(hub.everybody().await.len(), 3, "somebody has said that they are two");
    // A split, and its way back.
    let (b, c) = {
        let p = hub.everybody().await;
        (p[0].clone(), p[1].clone())
    };
    hub.engine.merge_people(b.id, c.id, BY, &Brands::All).await.unwrap();
    let whole = hub.everybody().await;
    let leaving = BTreeSet::from([whole[0].records[0].born]);
    let split = hub.engine.split_person(whole[0].id, leaving, BY, &Brands::All).await.unwrap();
    assert_eq!(hub.everybody().await.len(), 3);
    hub.engine.undo_person_deed(whole[0].id, split.deed, BY, &Brands::All).await.unwrap();
    assert_eq!(hub.everybody().await, whole);
}

#[tokio::test]
async fn pairs_that_could_be_one_are_shown_with_reasons_until_somebody_says() {
    let hub = hub().await;
    let one = |n: &str, name: &str| order(n, &contact(name, Some("casa@correo.example"), None), &[]);
    hub.hear([one("O1", "Ana Ríos"), one("O2", "Luis Ríos")]).await;
    hub.mapped().await;
    let (pairs, _) = hub.engine.people_review(None, 10, &Brands::All).await.unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].reasons, [Reason::SameEmail, Reason::NamesContradict]);
    let (a, b) = (pairs[0].a.id, pairs[0].b.id);
    hub.engine.keep_people_apart(a, b, BY, &Brands::All).await.unwrap();
    assert!(hub.engine.people_review(None, 10, &Brands::All).await.unwrap().0.is_empty());
    hub.hear([one("O3", "Luis Ríos")]).await;
    assert_eq!(hub.everybody().await.len(), 2);
    assert!(hub.engine.people_review(None, 10, &Brands::All).await.unwrap().0.is_empty(), "it was said");
}

#[tokio::test]
async fn persons_of_two_brands_never_meet() {
    let hub = Hub::build().with_another().brand("otra", "casa-b").people(&[]).start().await;
    let ana = contact("Ana Ríos", Some("ana@correo.example"), None);
    hub.hear([order("O1", &ana, &[])]).await;
    hub.hear_by("otra", json!({ "facts": [order("O1", &ana, &[])] })).await;
    let people = hub.everybody().await;
    assert_eq!(people.len(), 2);
    let (a, b) = (&people[0], &people[1]);
    assert_ne!(a.brand, b.brand);
    let own = Brands::Of(BTreeSet::from([a.brand.clone()]));
    assert_eq!(
        hub.engine.people(Some("ana@correo.example"), None, 10, &own).await.unwrap().people,
        std::slice::from_ref(a)
    );
    assert!(matches!(hub.engine.person(b.id, &own).await, Err(PeopleError::NotFound(_))));
    assert!(matches!(hub.engine.merge_people(a.id, b.id, BY, &own).await, Err(PeopleError::NotFound(_))));
    assert!(matches!(hub.engine.merge_people(a.id, b.id, BY, &Brands::All).await, Err(PeopleError::Invalid(_))));
    assert!(hub.engine.people_review(None, 10, &Brands::All).await.unwrap().0.is_empty());
}

/// Orders of a season: buyers who come again, guests under their address, names now short and now long.
fn season(orders: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for n in 0..orders {
        let buyer = n % (orders * 2 / 3).max(1);
        let name =
            if n % 2 == 0 { format!("Ana{buyer} Ríos{buyer} Mejía") } else { format!("Ana{buyer} Ríos{buyer}") };
        let ana = contact(
            &name,
            Some(&format!("ana{buyer}@correo.example")),
            Some(&format!("+5730{:08}", 10_000_000 + buyer)),
        );
        let guest = contact(&format!("Invitada{n} Gil{n}"), Some(&format!("ana{buyer}@correo.example")), None);
        let id = format!("O{n}");
        let tickets = [
            ticket(&format!("T{n}a"), &id, &ana),
            ticket(&format!("T{n}b"), &id, &guest),
            ticket(&format!("T{n}c"), &id, &ana),
        ];
        all.push(order(&id, &ana, &tickets));
    }
    all
}

#[tokio::test]
async fn g05_a_crash_while_the_map_is_drawn_loses_nobody_and_tells_nobody_twice() {
    let mut hub = hub().await;
    let orders = season(30);
    for (n, order) in orders.iter().enumerate() {
        hub.hear([order.clone()]).await;
        if n % 7 == 6 {
            hub = hub.crash().await;
        }
    }
    let people = hub.everybody().await;
    assert_eq!(
        people.len(),
        20 + 30,
        "buyers and guests: {:#?}",
        people.iter().map(|p| (&p.name, &p.email, sources(p))).collect::<Vec<_>>()
    );
    let told = hub.told().await;
    let mut created = BTreeSet::new();
    for (_, data) in told.iter().filter(|(t, _)| t == "person.created") {
        assert!(created.insert(data["id"].to_string()), "told twice as new");
    }
    assert_eq!(created.len(), 50);
    // Looked at once more from the read models after another start: nothing is new.
    let hub = hub.crash().await;
    assert_eq!(hub.everybody().await, people);
    assert_eq!(hub.told().await.len(), told.len());
}

#[tokio::test]
async fn a_list_of_contacts_comes_in_row_by_row_and_sent_again_changes_nothing() {
    let hub = hub().await;
    hub.hear([order("O1", &contact("Ana Ríos", Some("ana@correo.example"), None), &[])]).await;
    hub.mapped().await;
    let row = |line: u64, name: &str, email: &str, phone: &str| ContactRow {
        line,
        name: name.into(),
        email: email.into(),
        phone: phone.into(),
        ..ContactRow::default()
    };
    let rows = vec![
        row(2, "Ana Ríos Mejía", "ana@correo.example", "300 123 4567"),
        row(3, "Luis Ríos", "ana@correo.example", ""),
        row(4, "Sofía Gil", "sofia@correo.example", ""),
        row(5, "Nadie", "", ""),
        row(6, "Marta", "marta@", ""),
        row(7, "Marta", "", "12"),
    ];
    let report = hub.engine.import_people("default", rows.clone()).await.unwrap();
    use ContactState::{Created, Doubtful, Joined, Known, Refused};
    let states = |r: &pasarela_engine::ContactsReport| r.rows.iter().map(|r| r.state).collect::<Vec<_>>();
    assert_eq!(states(&report), [Joined, Doubtful, Created, Refused, Refused, Refused]);
    assert_eq!(report.rows[0].with, [hub.who("+573001234567").await.id]);
    assert!(report.rows[0].reasons.contains(&Reason::NamesAgree));
    let columns: Vec<_> = report.rows[3..].iter().map(|r| r.column.as_deref().unwrap()).collect();
    assert_eq!(columns, ["email", "email", "phone"]);
    assert!(report.rows[3..].iter().all(|r| r.why.is_some()));
    let people = hub.everybody().await;
    let again = hub.engine.import_people("default", rows).await.unwrap();
    assert_eq!(states(&again), [Known, Known, Known, Refused, Refused, Refused]);
    assert_eq!(hub.everybody().await, people);
}

#[tokio::test]
async fn a_season_of_two_thousand_guests_and_ten_thousand_contacts_are_all_taken_in() {
    let hub = hub().await;
    let begun = std::time::Instant::now();
    for some in season(667).chunks(50) {
        hub.hear(some.to_vec()).await;
    }
    hub.mapped().await;
    let season = begun.elapsed();
    let rows: Vec<ContactRow> = (0..10_000)
        .map(|n| ContactRow {
            line: n + 2,
            first_name: format!("Contacto{n}"),
            last_name: format!("Soto{} Rey", n / 2),
            email: format!("contacto{n}@correo.example"),
            phone: format!("+57310{n:07}"),
            ..ContactRow::default()
        })
        .collect();
    let begun = std::time::Instant::now();
    let mut import = std::time::Duration::ZERO;
    // As the command sends them. What a thousand are told is decided before the next ones come: a debug build on a busy
    // machine has not the patience for all of them at the end.
    for some in rows.chunks(1000) {
        let part = std::time::Instant::now();
        let report = hub.engine.import_people("default", some.to_vec()).await.unwrap();
        import += part.elapsed();
        assert_eq!(report.created, 1000, "{:?}", report.rows.iter().find(|r| r.state != ContactState::Created));
        hub.mapped().await;
    }
    let told = begun.elapsed();
    // What it took, for whoever asks: how fast it is benches measure.
    drop(writeln!(
        std::io::stderr(),
        "2,001 tickets of 667 orders {season:?}; 10,000 contacts {import:?}, told {told:?}"
    ));
}

/// Addresses that the law takes for one person's, with this one among them.
async fn lawful(hub: &Hub, email: &str) -> usize {
    hub.mapped().await;
    let of = StandingOf {
        connection: hub.engine.connection_id(LEDGER).unwrap(),
        address: hub.engine.subject_hash("email", email),
        sender: None,
        kinds: &["standing"],
    };
    hub.engine.store().standing(of).await.unwrap().addresses.len()
}

#[tokio::test]
async fn the_law_follows_who_is_joined_and_who_is_taken_apart() {
    let hub = hub().await;
    let (ana, maria) = ("ana@correo.example", "maria@correo.example");
    hub.hear([
        order("O1", &contact("Ana Ríos", Some(ana), None), &[]),
        order("O2", &contact("María Ríos", Some(maria), None), &[]),
    ])
    .await;
    let people = hub.everybody().await;
    assert_eq!((lawful(&hub, ana).await, lawful(&hub, maria).await), (1, 1));
    let done = hub.engine.merge_people(people[0].id, people[1].id, BY, &Brands::All).await.unwrap();
    assert_eq!((lawful(&hub, ana).await, lawful(&hub, maria).await), (2, 2), "a no by either counts for both");
    hub.engine.undo_person_deed(people[0].id, done.deed, BY, &Brands::All).await.unwrap();
    assert_eq!((lawful(&hub, ana).await, lawful(&hub, maria).await), (1, 1), "and no more, once they are two again");
}

#[tokio::test]
async fn a_guest_is_told_of_once_it_is_known_who_bought() {
    let hub = hub().await;
    let lucia = contact("Lucía Pardo", Some("ana@correo.example"), None);
    // The ticketing tells of tickets before it tells of their order.
    let data = ticket("T2", "O1", &lucia);
    hub.hear([json!({ "type": "ticket.issued", "key": "ticket:T2", "id": "T2", "data": data })]).await;
    assert!(hub.told().await.is_empty(), "nobody knows yet whose the address is");
    let ana = contact("Ana Ríos", Some("ana@correo.example"), None);
    hub.hear([order("O1", &ana, &[])]).await;
    let people = hub.everybody().await;
    let seen: Vec<_> = people.iter().map(|p| (p.name.as_str(), p.email.is_some())).collect();
    assert_eq!(seen, [("Ana Ríos", true), ("Lucía Pardo", false)]);
    let told = hub.told().await;
    assert!(told.iter().all(|(_, d)| d["name"] != "Lucía Pardo" || d["email"].is_null()), "{told:?}");
}
