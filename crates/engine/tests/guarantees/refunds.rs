//! Money that goes back by hand: one asks, another approves, and the provider is asked once, whatever happens between.

use crate::hub::{Hub, Place};
use crate::server::Reply;
use jiff::Timestamp;
use pasarela_engine::{
    Colleague, NewRefund, Refund, RefundError, RefundFilter, RefundId, RefundOutcome, RefundState, Wish,
};
use pasarela_store::{EffectState, NewDelivery, News, RecordWrite};
use serde_json::{Value, json};

fn luz() -> Colleague {
    Colleague { id: "usr_luz".into(), name: "Luz Ospina".into() }
}

fn ana() -> Colleague {
    Colleague { id: "usr_ana".into(), name: "Ana Ruiz".into() }
}

/// An order of 60.000 pesos, of which so much went back.
async fn sold(hub: &Hub, id: &str, status: &str, refunded: i64) {
    let money = |minor: i64| json!({ "minor": minor, "currency": "COP" });
    let buyer = json!({ "name": "Manuela Ospina", "first_name": "Manuela", "last_name": "Ospina",
        "email": "manuela@correo.example", "phone": null, "language": "es" });
    let order = json!({ "id": id, "number": format!("O-{id}"), "status": status, "currency": "COP",
        "subtotal": money(6_000_000), "tax": money(0), "fees": money(0), "total": money(6_000_000),
        "refunded": money(refunded), "fully_refunded": refunded == 6_000_000, "free": false,
        "payment_method": "tarjeta", "promo_code": null, "buyer": buyer, "lines": [], "tickets": [],
        "show_id": "7", "answers": [], "placed_at": "2026-11-20T15:00:00Z" });
    let fact = json!({ "type": "order.updated", "key": format!("order:{id}"), "id": format!("{id}-{status}-{refunded}"),
        "data": {}, "state": [{ "kind": "order", "id": id, "data": order }] });
    hub.hear([fact]).await;
    hub.decided().await;
}

async fn hub() -> Hub {
    let hub = Hub::build().start().await;
    sold(&hub, "1011", "paid", 0).await;
    hub
}

fn wish(amount: Option<i64>) -> NewRefund {
    NewRefund {
        connection: "ventas".into(),
        order_id: "1011".into(),
        amount,
        cancel_order: false,
        reason: "No puede venir".into(),
    }
}

async fn comes_out(hub: &Hub, id: &RefundId, outcome: RefundOutcome) -> Refund {
    hub.until(&format!("{outcome:?}"), async || hub.engine.refund(id).await.ok().filter(|r| r.outcome == Some(outcome)))
        .await
}

#[tokio::test]
async fn what_one_asks_for_another_approves_and_the_provider_is_asked_for_it_once() {
    let hub = hub().await;
    let asked = hub.engine.ask_refund(wish(Some(2_000_000)), luz()).await.unwrap();
    assert_eq!((asked.state, asked.id.number), (RefundState::Waiting, 1));
    hub.calm().await;
    assert!(hub.server.calls("/refund").is_empty(), "nobody approved it");

    let own = hub.engine.approve_refund(&asked.id, luz()).await;
    assert!(matches!(own, Err(RefundError::Own)), "{own:?}");
    let nobody = Colleague { id: String::new(), name: "Enlace".into() };
    assert!(matches!(hub.engine.approve_refund(&asked.id, nobody).await, Err(RefundError::Own)));
    assert!(matches!(hub.engine.refuse_refund(&asked.id, luz()).await, Err(RefundError::Own)));
    assert!(matches!(hub.engine.withdraw_refund(&asked.id, ana()).await, Err(RefundError::NotOwn)));
    assert!(matches!(hub.engine.ask_refund(wish(None), ana()).await, Err(RefundError::Another(1))));
    hub.calm().await;
    assert!(hub.server.calls("/refund").is_empty());

    let approved = hub.engine.approve_refund(&asked.id, ana()).await.unwrap();
    assert_eq!(approved.decided_by, Some(ana()));
    let done = comes_out(&hub, &asked.id, RefundOutcome::Done).await;
    assert!(done.event_id.is_some() && !done.is_open());
    let call = &hub.server.calls("/refund")[0];
    assert_eq!(call.json()["amount"], json!({ "minor": 2_000_000, "currency": "COP" }));
    assert_eq!(call.json()["refunded_before"]["minor"], 0);
    for again in [hub.engine.approve_refund(&asked.id, ana()).await, hub.engine.refuse_refund(&asked.id, ana()).await] {
        assert!(matches!(again, Err(RefundError::Decided(RefundState::Approved))), "{again:?}");
    }

    // What went back counts before the provider tells of it.
    let more = hub.engine.ask_refund(wish(Some(4_000_001)), luz()).await;
    assert!(matches!(more, Err(RefundError::TooMuch(left)) if left.minor == 4_000_000), "{more:?}");
    let rest = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    assert_eq!((rest.amount.minor, rest.refunded_before.minor, rest.id.number), (4_000_000, 2_000_000, 2));
    hub.engine.look_after_refunds().await.unwrap();
    hub.calm().await;
    assert_eq!(hub.server.calls("/refund").len(), 1);
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_does_and_there_is_one_deed() {
    let hub = hub().await;
    let asked = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    let approve = |n: u32| {
        let (engine, id) = (&hub.engine, &asked.id);
        async move {
            let by = Colleague { id: format!("usr_{n}"), name: format!("Persona {n}") };
            if n == 3 { engine.refuse_refund(id, by).await } else { engine.approve_refund(id, by).await }
        }
    };
    let came = tokio::join!(approve(1), approve(2), approve(3), approve(4), approve(5));
    let came = [came.0, came.1, came.2, came.3, came.4];
    assert_eq!(came.iter().filter(|r| r.is_ok()).count(), 1, "{came:?}");
    hub.calm().await;
    let now = hub.engine.refund(&asked.id).await.unwrap();
    let calls = if now.state == RefundState::Approved { 1 } else { 0 };
    assert_eq!(hub.server.calls("/refund").len(), calls);

    // Two who ask at once: one request.
    sold(&hub, "1011", "paid", 0).await;
    sold(&hub, "1012", "paid", 0).await;
    let ask = |by| hub.engine.ask_refund(NewRefund { order_id: "1012".into(), ..wish(None) }, by);
    let came = tokio::join!(ask(luz()), ask(ana()));
    assert!(came.0.is_ok() != came.1.is_ok(), "{came:?}");
}

#[tokio::test]
async fn what_nobody_decides_ends_and_who_asked_may_take_it_back_before() {
    let hub = hub().await;
    let first = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    hub.engine.withdraw_refund(&first.id, luz()).await.unwrap();
    let late = hub.engine.approve_refund(&first.id, ana()).await;
    assert!(matches!(late, Err(RefundError::Decided(RefundState::Withdrawn))), "{late:?}");

    let second = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    assert_eq!(second.id.number, 2);
    hub.pass(7 * 86_400 - 1);
    assert_eq!(hub.engine.refund(&second.id).await.unwrap().state, RefundState::Waiting);
    hub.pass(1);
    let late = hub.engine.approve_refund(&second.id, ana()).await;
    assert!(matches!(late, Err(RefundError::Decided(RefundState::Expired))), "{late:?}");
    hub.engine.look_after_refunds().await.unwrap();
    let open = RefundFilter { open: true, limit: 10, ..RefundFilter::default() };
    assert!(hub.engine.refunds(open).await.unwrap().0.is_empty());
    let all = RefundFilter { limit: 10, ..RefundFilter::default() };
    let states: Vec<_> = hub.engine.refunds(all).await.unwrap().0.iter().map(|r| r.state).collect();
    assert_eq!(states, [RefundState::Expired, RefundState::Withdrawn]);

    let third = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    hub.engine.refuse_refund(&third.id, ana()).await.unwrap();
    hub.calm().await;
    assert!(hub.server.calls("/refund").is_empty());
}

#[tokio::test]
async fn what_cannot_go_back_is_not_asked_for_and_what_moved_is_not_approved() {
    let hub = hub().await;
    sold(&hub, "1012", "placed", 0).await;
    sold(&hub, "1013", "paid", 6_000_000).await;
    let ask = |order: &str, amount| {
        let new = NewRefund { order_id: order.into(), ..wish(amount) };
        hub.engine.ask_refund(new, luz())
    };
    assert!(matches!(ask("1012", None).await, Err(RefundError::NotPaid)));
    assert!(matches!(ask("1013", None).await, Err(RefundError::TooMuch(left)) if left.minor == 0));
    assert!(matches!(ask("1011", Some(6_000_001)).await, Err(RefundError::TooMuch(_))));
    assert!(matches!(ask("1011", Some(0)).await, Err(RefundError::Invalid(_))));
    assert!(matches!(ask("9", None).await, Err(RefundError::NotFound(_))));
    let mute = NewRefund { reason: "  ".into(), ..wish(None) };
    assert!(matches!(hub.engine.ask_refund(mute, luz()).await, Err(RefundError::Invalid(_))));

    let asked = ask("1011", Some(1_000_000)).await.unwrap();
    hub.pass(60);
    // Somebody gave money back at the provider's own page.
    sold(&hub, "1011", "paid", 1_000_000).await;
    assert!(matches!(hub.engine.approve_refund(&asked.id, ana()).await, Err(RefundError::Moved)));
    hub.calm().await;
    assert!(hub.server.calls("/refund").is_empty());
}

#[tokio::test]
async fn what_is_not_known_waits_for_a_person_and_what_the_provider_refuses_is_told() {
    let hub = hub().await;
    hub.server.script("/refund", [Reply::Cut]);
    hub.server.script("/read", [Reply::ok(json!({}))]);
    let asked = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    hub.engine.approve_refund(&asked.id, ana()).await.unwrap();
    hub.until("the look", async || {
        hub.pass(10);
        let row = hub.effect("hecho").await?;
        (row.state == EffectState::Unknown).then_some(())
    })
    .await;
    let unknown = comes_out(&hub, &asked.id, RefundOutcome::Unknown).await;
    assert!(unknown.is_open());
    assert!(matches!(hub.engine.ask_refund(wish(None), luz()).await, Err(RefundError::Another(1))));
    hub.engine.look_after_refunds().await.unwrap();
    hub.calm().await;
    assert_eq!(hub.server.calls("/refund").len(), 1, "never again by itself");

    sold(&hub, "1012", "paid", 0).await;
    hub.server.script("/refund", [Reply::status(422)]);
    let new = NewRefund { order_id: "1012".into(), ..wish(None) };
    let asked = hub.engine.ask_refund(new, luz()).await.unwrap();
    hub.engine.approve_refund(&asked.id, ana()).await.unwrap();
    let refused = comes_out(&hub, &asked.id, RefundOutcome::Refused).await;
    assert!(refused.why.is_some() && !refused.is_open(), "{refused:?}");
}

/// What a crash leaves between the approval and the asking: approved, and the provider was not asked.
#[tokio::test]
async fn what_was_approved_before_a_crash_is_asked_for_after_it_once() {
    let hub = hub().await;
    let asked = hub.engine.ask_refund(wish(None), luz()).await.unwrap();
    let store = hub.engine.store();
    let row = store.record("refund", &asked.id.to_string()).await.unwrap().unwrap();
    let mut doc: Value = serde_json::from_slice(&row.data).unwrap();
    doc["refund"]["state"] = json!("approved");
    doc["refund"]["outcome"] = json!("under_way");
    doc["refund"]["decided_by"] = json!(ana());
    doc["refund"]["decided_at"] = json!(hub.now());
    let (kind, id, at): (_, _, Timestamp) = (row.kind, row.id, hub.now());
    let data = store.sealer().seal_json(&doc);
    let write = RecordWrite { kind, id, expected: row.version, due: None, open: true, subjects: Vec::new(), at, data };
    store.keep_record(write).await.unwrap();
    // The flow is there: it was pushed before it was approved.
    let trial = NewRefund { order_id: "1012".into(), ..wish(None) };
    sold(&hub, "1012", "paid", 0).await;
    let other = hub.engine.ask_refund(trial, luz()).await.unwrap();
    hub.engine.approve_refund(&other.id, ana()).await.unwrap();
    comes_out(&hub, &other.id, RefundOutcome::Done).await;

    let hub = hub.crash().await;
    for _ in 0..3 {
        hub.engine.look_after_refunds().await.unwrap();
    }
    comes_out(&hub, &asked.id, RefundOutcome::Done).await;
    hub.engine.look_after_refunds().await.unwrap();
    hub.calm().await;
    let of = |order: &str| hub.server.calls("/refund").iter().filter(|c| c.json()["order_id"] == order).count();
    assert_eq!((of("1011"), of("1012")), (1, 1));
}

/// The node that decides what was asked at another one has not heard of the flow yet, and looks for it: without it
/// nobody would do what was asked.
#[tokio::test]
async fn what_is_asked_for_at_any_node_is_done_by_a_flow_of_which_no_node_had_heard() {
    let Some(place) = Place::postgres() else { return };
    let first = Hub::build().with_another().on(place).start().await;
    let second = first.beside().await;
    let money = json!({ "minor": 100, "currency": "COP" });
    let input =
        json!({ "order_id": "1", "show_id": "7", "amount": money, "refunded_before": money, "cancel_order": false });
    let (connection, action) = ("ventas".to_owned(), "refund".to_owned());
    let wish = Wish { connection, action, input, about: "order:1".into(), by: "mesa".into() };
    let asked = first.engine.do_by_hand(wish).await.unwrap();
    first.decided().await;
    let store = first.engine.store();
    assert_eq!(first.runs().await.len(), 1);

    // The same for the other connection, as a third node would write it whose word of the flow is still on its way.
    let pushed = store.pushed_flows().await.unwrap();
    let (name, version, text) = store.flow(pushed[0].flow).await.unwrap().unwrap();
    let other = |text: &str| text.replace("ventas", "otra");
    let row = store.flow_id(&other(&name), version, &other(&text)).await.unwrap();
    store.push_flows(vec![row], "a-mano", first.now()).await.unwrap();
    let told = store.delivery(asked.delivery_id).await.unwrap().unwrap();
    let (_, body) = pasarela_engine::unpack(&told.packed);
    let mut body: Value = serde_json::from_slice(body).unwrap();
    body["id"] = json!("otra");
    let body = other(&body.to_string());
    let delivery = NewDelivery {
        connection: told.connection,
        source: "import",
        received_at: first.now(),
        packed: store.sealer().seal(&pasarela_engine::pack(std::iter::empty(), body.as_bytes())),
        replay_key: None,
        door: false,
    };
    store.accept(delivery).await.unwrap();
    for node in [&first, &second] {
        node.engine.store().tell(News::INBOX);
    }
    let asked = async || (first.types().await.len() == 2).then_some(());
    first.until("the second event", asked).await;
    let mut done: Vec<String> = first.runs().await.into_iter().map(|r| r.flow).collect();
    done.sort();
    assert_eq!(done, ["a-mano-otra-refund", "a-mano-ventas-refund"], "each wish has a run");
}
