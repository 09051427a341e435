//! What people do with a hub that runs: pause and resume, cancel, replay, push flows.

use crate::hub::{Hub, on_paid};
use crate::server::Reply;
use pasarela_engine::{AdminError, PauseError, ReplayFilter};
use pasarela_store::{DeliveryStatus, EffectState, PauseKind, RunStatus};
use serde_json::json;

const ONE: &str = "  - id: aviso\n    do: ventas.clave\n    with: { to: ana }\n";

const TWO_CLASSES: &str = "  - id: oferta
    do: ventas.clave
    class: marketing
    with: { to: ana }
  - id: aviso
    do: ventas.clave
    class: transactional
    with: { to: ana }
";

#[tokio::test]
async fn a_paused_connection_hears_decides_and_keeps_its_work_in_order_over_a_restart() {
    let hub = Hub::build().flow(&on_paid(ONE)).start().await;
    let reason = Some("mantenimiento".to_owned());
    hub.engine.pause(PauseKind::Connection, "ventas", "ana", reason).await.unwrap();
    hub.paid("1", json!({})).await;
    hub.paid("2", json!({})).await;
    hub.calm().await;
    assert_eq!(hub.types().await, ["order.paid", "order.paid"], "what comes in is decided");
    assert!(hub.server.calls("/clave").is_empty());
    let hub = hub.crash().await;
    hub.calm().await;
    assert!(hub.server.calls("/clave").is_empty(), "a restart changes nothing");
    let paused = hub.engine.connections()[0].paused.clone().unwrap();
    assert_eq!((paused.by.as_str(), paused.reason.as_deref()), ("ana", Some("mantenimiento")));
    let health = hub.engine.store().health(hub.now()).await.unwrap();
    assert_eq!((health.paused, health.oldest_due), (2, None), "paused work is no stuck work");
    let wanted: Vec<String> = hub.effects().await.iter().map(|e| e.id.to_string()).collect();
    hub.engine.resume(PauseKind::Connection, "ventas", "ana").await.unwrap();
    hub.arrived("/clave", 2).await;
    let sent: Vec<String> = hub.server.calls("/clave").iter().map(|c| c.key.clone().unwrap_or_default()).collect();
    assert_eq!(sent, wanted, "in the order in which they were decided");
}

#[tokio::test]
async fn a_paused_class_steps_aside_and_holds_nothing_else_back() {
    let hub = Hub::build().flow(&on_paid(TWO_CLASSES)).start().await;
    hub.engine.pause(PauseKind::Class, "marketing", "ana", None).await.unwrap();
    hub.paid("1", json!({})).await;
    hub.comes_to("aviso", EffectState::Done).await;
    hub.calm().await;
    assert_eq!(hub.effect("oferta").await.unwrap().state, EffectState::Queued);
    let hub = hub.crash().await;
    hub.calm().await;
    assert_eq!(hub.effect("oferta").await.unwrap().state, EffectState::Queued, "a restart changes nothing");
    hub.engine.resume(PauseKind::Class, "marketing", "ana").await.unwrap();
    hub.comes_to("oferta", EffectState::Done).await;
    hub.arrived("/clave", 2).await;
}

#[tokio::test]
async fn a_paused_flow_begins_runs_and_its_waits_end_while_others_go_on() {
    let waits = "  - wait: { for: 1h }\n  - id: aviso\n    do: ventas.clave\n    with: { to: ana }\n";
    let other =
        "flow: otro\nversion: 1\non: order.paid\nsteps:\n  - id: otro\n    do: ventas.flujo\n    with: { to: ana }\n";
    let hub = Hub::build().flow(&on_paid(waits)).flow(other).start().await;
    hub.engine.pause(PauseKind::Flow, "prueba", "ana", None).await.unwrap();
    hub.paid("1", json!({})).await;
    hub.comes_to("otro", EffectState::Done).await;
    hub.pass(3601);
    hub.comes_to("aviso", EffectState::Queued).await;
    hub.calm().await;
    assert!(hub.server.calls("/clave").is_empty());
    hub.engine.resume(PauseKind::Flow, "prueba", "ana").await.unwrap();
    hub.comes_to("aviso", EffectState::Done).await;
}

#[tokio::test]
async fn what_cannot_be_paused_or_resumed_is_told() {
    let hub = Hub::build().flow(&on_paid(ONE)).start().await;
    let no = hub.engine.pause(PauseKind::Flow, "nada", "ana", None).await.unwrap_err();
    assert_eq!(no.to_string(), "there is no flow 'nada'; there is prueba");
    let no = hub.engine.resume(PauseKind::Class, "marketing", "ana").await.unwrap_err();
    assert!(matches!(no, PauseError::NotPaused { .. }), "{no}");
}

#[tokio::test]
async fn a_cancelled_run_sends_nothing_more() {
    let hub = Hub::build().flow(&on_paid(TWO_CLASSES)).start().await;
    hub.engine.pause(PauseKind::Class, "marketing", "ana", None).await.unwrap();
    hub.server.script("/clave", [Reply::status(503)]);
    hub.paid("1", json!({})).await;
    hub.arrived("/clave", 1).await;
    let run = hub.runs().await[0].id;
    hub.calm().await;
    hub.engine.cancel_run(run, "ana", Some("pedido de prueba")).await.unwrap();
    hub.engine.resume(PauseKind::Class, "marketing", "ana").await.unwrap();
    hub.pass(3600);
    hub.calm().await;
    assert_eq!(hub.server.calls("/clave").len(), 1, "no retry, no second message");
    assert!(hub.effects().await.iter().all(|e| e.state == EffectState::Withdrawn));
    let view = hub.runs().await.remove(0);
    assert_eq!((view.status, view.problems), (RunStatus::Cancelled, vec!["cancelled by ana: pedido de prueba".into()]));
    let again = hub.engine.cancel_run(run, "ana", None).await.unwrap_err();
    assert!(matches!(again, AdminError::RunEnded { .. }), "{again}");
}

#[tokio::test]
async fn a_replay_by_filter_tells_first_and_does_nothing_twice() {
    let hub = Hub::build().flow(&on_paid(ONE)).start().await;
    for n in 1..=3 {
        hub.paid(&n.to_string(), json!({})).await;
    }
    hub.arrived("/clave", 3).await;
    hub.calm().await;
    let filter = ReplayFilter {
        status: Some(DeliveryStatus::Decided),
        event_type: Some("order.paid".into()),
        dry_run: true,
        limit: 2,
        ..ReplayFilter::default()
    };
    let first = hub.engine.replay_page(&filter).await.unwrap();
    assert_eq!((first.deliveries, first.facts, first.known, first.events.len()), (2, 2, 2, 0));
    let second = hub.engine.replay_page(&ReplayFilter { below: first.next, ..filter.clone() }).await.unwrap();
    assert_eq!((second.deliveries, second.next), (1, None));
    let done = hub.engine.replay_page(&ReplayFilter { dry_run: false, limit: 200, ..filter }).await.unwrap();
    assert_eq!(done.deliveries, 3);
    hub.calm().await;
    assert_eq!((hub.events().await.len(), hub.server.calls("/clave").len()), (3, 3), "what is known stays known");
}

#[tokio::test]
async fn a_pushed_flow_is_in_force_at_once_and_after_a_restart_and_runs_keep_their_version() {
    let waits = "  - id: espera\n    wait: { for: 1h, cancel_on: [order.cancelled] }\n  - id: viejo\n    do: ventas.clave\n    with: { to: ana }\n";
    let hub = Hub::build().flow(&on_paid(waits)).start().await;
    hub.paid("1", json!({})).await;
    let text = on_paid("  - id: nuevo\n    do: ventas.flujo\n    with: { to: ana }\n");
    let file = |text: &str| vec![("prueba.yaml".to_owned(), text.to_owned())];
    let no = hub.engine.push_flows(&file(&text), "ana", false).await.unwrap_err();
    assert!(no.to_string().contains("give this one version 2 or higher"), "{no}");
    let text = text.replace("version: 1", "version: 2");
    let broken = vec![file(&text).remove(0), ("mala.yaml".to_owned(), "flow: mala\n".to_owned())];
    assert!(hub.engine.push_flows(&broken, "ana", false).await.is_err());
    assert_eq!(hub.engine.flow_states().await.unwrap()[0].version, 1, "all or nothing");
    hub.engine.push_flows(&file(&text), "ana", false).await.unwrap();
    let hub = hub.crash().await;
    let state = hub.engine.flow_states().await.unwrap().remove(0);
    assert_eq!((state.version, state.from, state.live.get(&1)), (2, "pushed", Some(&1)));
    hub.paid("2", json!({})).await;
    hub.comes_to("nuevo", EffectState::Done).await;
    hub.hear([json!({ "type": "order.cancelled", "key": "order:1", "id": "x1", "data": {} })]).await;
    hub.until("the old run to be cancelled", async || {
        (hub.runs().await[0].status == RunStatus::Cancelled).then_some(())
    })
    .await;
}
