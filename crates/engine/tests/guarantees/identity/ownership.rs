//! Whose word counts, as the map tells it: edits of two sides in one second, what somebody removed, and other rules.

use super::{BY, contact, order, state, ticket};
use crate::hub::Hub;
use pasarela_domain::identity::{Field, Why};
use pasarela_domain::model::HubPerson;
use pasarela_domain::{Brands, EntityRef};
use pasarela_engine::{LEDGER, PeopleError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Two sides edit a person in one second, in the one order or in the other.
async fn edited(rules: &[(&str, &[&str])], crm_first: bool) -> (Hub, HubPerson) {
    let hub = Hub::build().with_another().people(rules).start().await;
    let ana = contact("Ana Ríos", Some("ana@correo.example"), None);
    hub.hear([order("O1", &ana, &[])]).await;
    hub.hear_by("otra", json!({ "facts": [state(Some("person.created"), "P1", &ana, &json!({}))] })).await;
    hub.mapped().await;
    hub.pass(60);
    let by_crm = contact("Ana Cruz", Some("ana@correo.example"), None);
    let by_shop = contact("Ana Gil", Some("ana@correo.example"), None);
    let shop = json!({ "type": "order.updated", "key": "order:O1", "id": "edit", "data": { "id": "O1", "buyer": by_shop, "tickets": [] } });
    let crm = state(Some("person.updated"), "P1", &by_crm, &json!({}));
    for crm_now in [crm_first, !crm_first] {
        if crm_now {
            hub.hear_by("otra", json!({ "facts": [crm] })).await;
        } else {
            hub.hear([shop.clone()]).await;
        }
        hub.mapped().await;
    }
    let ana = hub.who("ana@correo.example").await;
    (hub, ana)
}

#[tokio::test]
async fn edits_of_two_sides_in_one_second_end_as_the_rules_say_in_whatever_order_they_come() {
    for (rules, name, loser, why) in [
        (&[("name", &["otra", "ventas"][..])][..], "Ana Cruz", "ventas", Why::Owner),
        (&[("name", &["ventas", "*"][..])][..], "Ana Gil", "otra", Why::Owner),
        (&[][..], "Ana Cruz", "ventas", Why::SameSecond),
    ] {
        for crm_first in [true, false] {
            let (hub, ana) = edited(rules, crm_first).await;
            assert_eq!(ana.name, name, "{rules:?}, crm first: {crm_first}");
            for record in &ana.records {
                let expected = (record.connection == loser).then(|| name.to_owned());
                assert_eq!(record.differs.name, expected, "{rules:?}: {record:?}");
            }
            let (conflicts, _) = hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap();
            let found: Vec<_> =
                conflicts.iter().map(|c| (c.record.connection.as_str(), c.field, c.wins.as_str(), c.why)).collect();
            assert_eq!(found, [(loser, Field::Name, name, why)], "{rules:?}, crm first: {crm_first}");
        }
    }
}

#[tokio::test]
async fn an_echo_without_an_event_ends_what_differed_and_the_conflict() {
    let (hub, ana) = edited(&[("name", &["ventas", "*"])], true).await;
    assert!(ana.records.iter().any(|r| r.differs.name.is_some()));
    let told = hub.told().await.len();
    // What a flow would have written there comes back by a poll, and is no news to anybody.
    let echo = state(None, "P1", &contact("Ana Gil", Some("ana@correo.example"), None), &json!({}));
    hub.hear_by("otra", json!({ "facts": [echo] })).await;
    hub.until("the record to say what it should", async || {
        let ana = hub.who("ana@correo.example").await;
        ana.records.iter().all(|r| r.differs.name.is_none()).then_some(())
    })
    .await;
    assert!(hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap().0.is_empty(), "both say the same");
    assert_eq!(hub.told().await.len(), told + 1, "what differs is no more, and that is all");
}

#[tokio::test]
async fn a_conflict_that_somebody_accepts_is_over_until_something_else_is_said() {
    let (hub, ana) = edited(&[("name", &["otra"])], true).await;
    let conflict = hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap().0.remove(0);
    hub.engine.accept_person_conflict(ana.id, &conflict.id, BY, &Brands::All).await.unwrap();
    assert!(hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap().0.is_empty());
    let seen = hub.engine.person(ana.id, &Brands::All).await.unwrap().conflicts;
    assert_eq!(seen[0].accepted_by.as_deref(), Some(BY), "who accepted it is shown");
    let again = hub.engine.accept_person_conflict(ana.id, &conflict.id, BY, &Brands::All).await;
    assert!(matches!(again, Err(PeopleError::Invalid(_))), "{again:?}");
    let other = json!({ "type": "order.updated", "key": "order:O1", "id": "edit2",
        "data": { "id": "O1", "buyer": contact("Ana Luna", Some("ana@correo.example"), None), "tickets": [] } });
    hub.hear([other]).await;
    hub.mapped().await;
    let open = hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap().0;
    assert_eq!(open.iter().map(|c| c.says.as_str()).collect::<Vec<_>>(), ["Ana Luna"]);
}

/// A contact's record of a connection, with what it says is empty.
fn record(kind: &str, id: &str, email: Option<&str>, phone: Option<&str>, empty: &[&str]) -> Value {
    let mut ana = contact("Ana Ríos", email, phone);
    ana["empty"] = json!(empty);
    state(Some(kind), id, &ana, &json!({}))
}

const ANA: &str = "ana@correo.example";

impl Hub {
    async fn said(&self, connection: &str, fact: Value) {
        self.pass(60);
        self.hear_by(connection, json!({ "facts": [fact] })).await;
        self.mapped().await;
    }

    /// What each record should say and does not.
    async fn ana(&self) -> (HubPerson, BTreeMap<String, Value>) {
        let ana = self.who("ana rios").await;
        let differs = ana
            .records
            .iter()
            .map(|r| (format!("{}/{}", r.connection, r.id), serde_json::to_value(&r.differs).unwrap()));
        let differs = differs.filter(|(_, d)| d != &json!({})).collect();
        (ana, differs)
    }
}

/// Ana stands in the CRM `otra`, twice, and bought at `ventas`, which has a contact of hers too.
async fn with_ana(rules: &[(&str, &[&str])]) -> Hub {
    let hub = Hub::build().with_another().people(rules).start().await;
    let phone = Some("+573001234567");
    let ana = contact("Ana Ríos", Some(ANA), phone);
    hub.said("ventas", order("O1", &ana, &[ticket("T1", "O1", &ana)])).await;
    hub.said("ventas", record("person.created", "V1", Some(ANA), phone, &[])).await;
    hub.said("otra", record("person.created", "P1", Some(ANA), phone, &[])).await;
    hub.said("otra", record("person.created", "P2", Some(ANA), phone, &[])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!((ana.records.len(), differs), (5, BTreeMap::new()));
    hub
}

#[tokio::test]
async fn what_its_owner_removed_is_to_be_empty_in_every_contact_and_nobody_writes_it_back() {
    let hub = with_ana(&[("email", &["otra", "*"]), ("phone", &["otra", "*"])]).await;
    let phone = Some("+573001234567");
    let told = hub.told().await.len();
    // A record that does not carry the field, or was sent without it, removes nothing.
    hub.said("otra", record("person.updated", "P2", Some(ANA), None, &[])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.phone.as_ref().map(|p| p.as_e164()), phone);
    assert_eq!(differs, BTreeMap::from([("otra/P2".to_owned(), json!({ "phone": phone }))]));

    hub.said("otra", record("person.updated", "P1", None, phone, &["email"])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.email, None, "whose word counts has none");
    assert_eq!(differs["otra/P2"], json!({ "phone": phone, "clear": ["email"] }));
    assert_eq!(differs["ventas/V1"], json!({ "clear": ["email"] }));
    assert_eq!(differs.len(), 2, "the order and the ticket go to somebody, and P1 is as it should be: {differs:?}");
    let news = hub.told().await;
    assert_eq!(news.len(), told + 2);
    assert_eq!(news.last().unwrap().1["changed"], json!(["email", "records"]));

    // What a flow emptied there comes back and ends it; whatever is bought with the address meanwhile changes nothing.
    for (connection, id) in [("otra", "P2"), ("ventas", "V1")] {
        hub.said(connection, record("person.updated", id, None, phone, &["email"])).await;
    }
    hub.said("ventas", order("O2", &contact("Ana Ríos", Some(ANA), phone), &[])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!((ana.email.as_ref(), ana.records.len()), (None, 6));
    assert_eq!(differs, BTreeMap::new());

    // Until it says something again.
    let other = "ana.rios@correo.example";
    hub.said("otra", record("person.updated", "P1", Some(other), phone, &[])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.email.as_ref().map(|e| e.as_str()), Some(other));
    assert_eq!(differs["ventas/V1"], json!({ "email": other }));
    assert_eq!(differs["ventas/O1"], json!({ "email": other }));
}

#[tokio::test]
async fn among_those_believed_equally_a_removal_takes_what_was_said_before_it_and_nothing_else() {
    let hub = with_ana(&[]).await;
    let phone = Some("+573001234567");
    hub.said("ventas", record("person.updated", "V1", Some(ANA), None, &["phone"])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.phone, None);
    let clear = json!({ "clear": ["phone"] });
    assert_eq!(differs, BTreeMap::from(["otra/P1", "otra/P2"].map(|r| (r.to_owned(), clear.clone()))));
    // Whoever gives it after that has it.
    hub.said("ventas", order("O2", &contact("Ana Ríos", Some(ANA), phone), &[])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.phone.as_ref().map(|p| p.as_e164()), phone);
    assert_eq!(differs, BTreeMap::from([("ventas/V1".to_owned(), json!({ "phone": phone }))]));
    // A record that is deleted takes nothing with it.
    let gone = state(
        Some("person.deleted"),
        "V1",
        &json!({ "name": "", "first_name": "", "last_name": "",
        "email": null, "phone": null, "language": null, "empty": ["email", "phone"] }),
        &json!({ "deleted": true }),
    );
    hub.said("ventas", gone).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.email.as_ref().map(|e| e.as_str()), Some(ANA));
    assert_eq!(differs, BTreeMap::new());
}

#[tokio::test]
async fn who_has_no_say_removes_nothing() {
    let hub = with_ana(&[("email", &["ventas"])]).await;
    hub.said("otra", record("person.updated", "P1", None, Some("+573001234567"), &["email"])).await;
    let (ana, differs) = hub.ana().await;
    assert_eq!(ana.email.as_ref().map(|e| e.as_str()), Some(ANA));
    assert_eq!(differs, BTreeMap::from([("otra/P1".to_owned(), json!({ "email": ANA }))]));
}

impl Hub {
    /// How far other rules have reached those who were there; `None`: everybody.
    async fn rules_are_through(&self) -> bool {
        let own = self.engine.connection_id(LEDGER).unwrap();
        let asked = vec![(own, EntityRef::new("person_place", "rules"))];
        let (_, mut rows) = self.engine.store().lookup(Vec::new(), asked).await.unwrap();
        let place = rows.pop().flatten().map(|row| serde_json::from_slice::<Value>(&row.data).unwrap());
        place.is_some_and(|place| place["after"].is_null())
    }
}

#[tokio::test]
async fn other_rules_reach_those_of_whom_nothing_is_heard_whatever_ends_the_hub_on_the_way() {
    const BOTH: usize = 130;
    let hub = Hub::build().with_another().people(&[("name", &["ventas", "*"])]).start().await;
    let mut facts = Vec::new();
    let ana = |n: usize, name: String| contact(&name, Some(&format!("ana{n}@correo.example")), None);
    for n in 0..BOTH + 30 {
        facts.push(order(&format!("O{n}"), &ana(n, format!("Ana{n} Ríos{n}")), &[]));
    }
    for some in facts.chunks(50) {
        hub.hear(some.to_vec()).await;
    }
    hub.mapped().await;
    let crm = (0..BOTH)
        .map(|n| state(Some("person.created"), &format!("P{n}"), &ana(n, format!("Ana{n} Ríos{n} Gil")), &json!({})));
    for some in crm.collect::<Vec<_>>().chunks(50) {
        hub.hear_by("otra", json!({ "facts": some })).await;
    }
    hub.mapped().await;
    let before = hub.told().await;
    assert_eq!(before.len(), 2 * BOTH + 30);
    assert!(before[before.len() - 1].1["name"].as_str().is_some_and(|n| !n.contains("Gil")), "the shop's word");

    let others: &[(&str, &[&str])] = &[("name", &["otra", "*"])];
    let mut hub = hub.crash_with_people(others).await;
    // It ends as often as it has told of some more.
    let mut seen = before.len();
    while seen < before.len() + BOTH {
        seen = hub.until("some more to be told", async || Some(hub.told().await.len()).filter(|n| *n > seen)).await;
        hub = hub.crash_with_people(others).await;
    }
    hub.until("the rules to be through", async || hub.rules_are_through().await.then_some(())).await;
    let after = hub.told().await;
    let news = &after[before.len()..];
    assert_eq!(news.len(), BOTH, "each once, and nobody of whom nothing is another");
    for (what, data) in news {
        assert_eq!(what, "person.updated");
        assert!(data["name"].as_str().unwrap().ends_with("Gil"), "{data}");
        let differs = |connection: &str| {
            let records = data["records"].as_array().unwrap();
            records.iter().find(|r| r["connection"] == connection).unwrap()["differs"].clone()
        };
        assert_eq!((differs("otra"), &differs("ventas")["name"]), (json!({}), &data["name"]));
    }
    let open = hub.engine.people_conflicts(None, 10, &Brands::All).await.unwrap().0;
    assert!(open.is_empty(), "nobody edited anything: {open:?}");
}
