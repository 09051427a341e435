//! Shows, orders and tickets: whose they are, and who sees which.

use super::{Hub, call, hub};
use crate::walk::session;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use pasarela_domain::EntityRef;
use pasarela_store::{EntityUpsert, RecordWrite, Work};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Two shows of the shop with an order of one ticket each, as a ticketing would tell of them. What is known is written
/// straight into the store: the shop's provider knows no shows.
pub(crate) async fn seed(hub: &Hub) {
    let store = hub.engine.store();
    let tienda = hub.engine.connection_id("tienda").unwrap();
    let sealer = store.sealer();
    let money = |minor: i64| json!({ "minor": minor, "currency": "COP" });
    let contact = |name: &str, email: &str| json!({ "name": name, "first_name": name, "last_name": "", "email": email, "phone": null, "language": "es" });
    let mut entities = Vec::new();
    for (show, title, buyer, email) in [
        ("7", "Raíz y Seda", "Manuela", "manuela@correo.example"),
        ("8", "Hilo Rojo", "Camila", "camila@correo.example"),
    ] {
        let ticket = json!({ "id": format!("9{show}"), "code": format!("A-{show}KQ2M9X"), "status": "active",
            "holder": contact(buyer, email), "product_id": "3", "tier_id": null, "show_id": show, "order_id": show });
        let order = json!({ "id": show, "number": format!("O-{show}ABC"), "status": "paid", "currency": "COP",
            "subtotal": money(5_042_017), "tax": money(957_983), "fees": money(0), "total": money(6_000_000),
            "refunded": money(0), "fully_refunded": false, "free": false, "payment_method": "offline",
            "promo_code": null, "buyer": contact(buyer, email), "show_id": show, "answers": [],
            "lines": [{ "product_id": "3", "title": "General", "quantity": 1, "unit_price": money(5_042_017),
                "total": money(5_042_017) }],
            "tickets": [ticket], "placed_at": "2026-11-20T15:00:00Z" });
        let product = json!({ "id": format!("3{show}"), "title": "General", "show_id": show, "is_ticket": true,
            "tiers": [{ "id": "1", "label": null, "price": money(5_042_017) }] });
        let whole = json!({ "id": show, "title": title, "status": "live", "starts_at": "2030-11-27T01:00:00Z",
            "ends_at": null, "time_zone": "America/Bogota", "currency": "COP",
            "venue": { "name": "Plaza de Artesanos", "address": null, "city": "Bogotá" } });
        let (show_id, ticket_id, product_id) = (show.to_owned(), format!("9{show}"), format!("3{show}"));
        let list = |id: &str, name: &str, tickets: Value| {
            json!({ "id": id, "name": name, "show_id": show,
            "tickets": tickets, "came": tickets, "open": true, "product_ids": [] })
        };
        let scan = |list: &str, at: &str, undone: bool| {
            json!({ "id": "7001", "ticket_id": format!("9{show}"),
            "show_id": show, "list_id": list, "at": at, "undone": undone })
        };
        let (front_id, side_id) = (format!("22{show}"), format!("23{show}"));
        let (front, side) = (list(&front_id, "Puerta principal", json!(4)), list(&side_id, "", Value::Null));
        let came = scan(&front_id, "2030-11-27T00:40:00Z", false);
        let went = scan(&side_id, "2030-11-27T00:30:00Z", true);
        let wait = |id: &str, status: &str| {
            json!({ "id": id, "show_id": show, "contact": contact("Luisa", "luisa@correo.example"),
            "status": status, "tier_id": "1", "place": null, "joined_at": null, "offered_until": null, "order_id": null })
        };
        let (waits_id, gone_id) = (format!("1{show}"), format!("2{show}"));
        let (waits, gone) = (wait(&waits_id, "waiting"), wait(&gone_id, "cancelled"));
        let (came_id, went_id) = (format!("9{show}:{front_id}"), format!("9{show}:{side_id}"));
        for (kind, id, data) in [
            ("show", &show_id, &whole),
            ("order", &show_id, &order),
            ("ticket", &ticket_id, &ticket),
            ("product", &product_id, &product),
            ("waitlist_entry", &waits_id, &waits),
            ("waitlist_entry", &gone_id, &gone),
            ("door_list", &front_id, &front),
            ("door_list", &side_id, &side),
            ("check_in", &came_id, &came),
            ("check_in", &went_id, &went),
        ] {
            let parent = (kind != "show").then(|| sealer.hash(&["entity", &tienda.to_string(), "show", show]));
            entities.push(EntityUpsert {
                connection: tienda,
                entity: EntityRef::new(kind, id),
                expected: 0,
                updated_at: None,
                rank: 0,
                hash: 1,
                data: sealer.seal(data.to_string().as_bytes()),
                parent,
            });
        }
    }
    store.work(Work { entities, ..Work::default() }).await.unwrap();
    for show in ["7", "8"] {
        let at = "2026-11-20T16:00:00Z";
        let refund = json!({ "connection": "tienda", "order_id": show, "number": 1, "order_number": format!("O-{show}ABC"),
            "show_id": show, "amount": money(2_000_000), "refunded_before": money(0), "cancel_order": false,
            "reason": format!("No viene al {show}"), "state": "waiting", "asked_by": { "id": "usr_luz", "name": "Luz Ospina" },
            "asked_at": at, "expires_at": "2031-11-27T16:00:00Z", "decided_by": null, "decided_at": null,
            "outcome": null, "why": null, "event_id": null });
        let record = RecordWrite {
            kind: "refund".into(),
            id: format!("tienda/{show}/1"),
            expected: 0,
            due: None,
            open: true,
            subjects: Vec::new(),
            at: at.parse().unwrap(),
            data: sealer.seal_json(&json!({ "refund": refund })),
        };
        store.keep_record(record).await.unwrap();
    }
}

/// A session of somebody with this grant.
async fn as_role(hub: &Hub, grant: Value) -> String {
    let wish = json!({ "name": "Productora", "grant": grant, "minutes": 5 });
    let request = Request::post("/admin/users/loose-link").body(Body::from(wish.to_string())).unwrap();
    let answer = hub.app.admin().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    let made: Value = serde_json::from_slice(&bytes).unwrap();
    assert!(status.is_success(), "{made}");
    let token = made["link"].as_str().unwrap().split("enlace=").nth(1).unwrap().to_owned();
    let enter = Request::post("/entrar").body(Body::from(format!("enlace={token}"))).unwrap();
    let entered = hub.app.console().oneshot(enter).await.unwrap();
    let cookie = entered.headers().get(header::SET_COOKIE).expect("a session").to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn page(hub: &Hub, path: &str, session: &str) -> (StatusCode, String) {
    let request = Request::get(path).header(header::COOKIE, session).body(Body::empty()).unwrap();
    let answer = hub.app.console().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_show_has_its_own_orders_and_tickets_and_no_others() {
    let hub = hub(None).await;
    seed(&hub).await;
    let get = async |path: &str| call(&hub, "get", &format!("/api/v1{path}"), &hub.key, &Value::Null).await;
    let (_, shows) = get("/shows").await;
    let titles: Vec<_> =
        shows["data"].as_array().unwrap().iter().map(|s| s["show"]["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Raíz y Seda", "Hilo Rojo"]);
    assert_eq!(shows["data"][0]["counts"], json!({ "orders": 1, "tickets": 1 }));
    let (_, first) = get("/shows?limit=1").await;
    let (_, second) = get(&format!("/shows?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((&second["data"][0], &second["next_cursor"]), (&shows["data"][1], &Value::Null));
    assert_eq!(get("/shows?status=draft").await.1["data"], json!([]));
    let (_, whole) = get("/shows/tienda/7").await;
    assert_eq!(whole["products"][0]["id"], "37", "{whole}");
    assert_eq!(
        whole["door"],
        json!({ "inside": 1, "lists": [
            { "id": "237", "name": "", "tickets": null, "inside": 0, "open": true },
            { "id": "227", "name": "Puerta principal", "tickets": 4, "inside": 1, "open": true },
        ] }),
        "a scan that was undone is no guest inside"
    );
    assert_eq!(whole["waitlist"], json!({ "waiting": 1, "offered": 0, "purchased": 0, "expired": 0 }));
    let (_, ticket) = get("/tickets/tienda/97").await;
    let scans: Vec<_> = ticket["scans"].as_array().unwrap().iter().map(|s| (&s["list"], &s["undone"])).collect();
    assert_eq!(scans, [(&json!(""), &json!(true)), (&json!("Puerta principal"), &json!(false))], "{ticket}");
    let (_, orders) = get("/shows/tienda/7/orders").await;
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);
    assert_eq!(orders["data"][0]["order"]["buyer"]["email"], "manuela@correo.example");
    let (_, tickets) = get("/shows/tienda/8/tickets").await;
    assert_eq!(tickets["data"][0]["ticket"]["code"], "A-8KQ2M9X");
    for nowhere in ["/shows/tienda/9", "/orders/tienda/77", "/tickets/otra/97", "/shows/directorio/7"] {
        assert_eq!(get(nowhere).await.0, StatusCode::NOT_FOUND, "{nowhere}");
    }
    // A shop sells nothing that could be cancelled there: it says so, and asks for nothing.
    let (status, problem) = call(&hub, "post", "/api/v1/orders/tienda/7/cancel", &hub.key, &Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("not_offered")));
    let (status, problem) =
        call(&hub, "post", "/api/v1/orders/tienda/7/cancel", &hub.key, &json!({ "refnd": true })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[tokio::test]
async fn a_producer_sees_the_shows_of_the_grant_and_nothing_of_the_others() {
    let hub = hub(None).await;
    seed(&hub).await;
    let own = as_role(&hub, json!({ "role": "producer", "only": ["7"] })).await;
    let (_, list) = page(&hub, "/desfiles", &own).await;
    assert!(list.contains("Raíz y Seda") && !list.contains("Hilo Rojo"), "{list}");
    let (status, show) = page(&hub, "/desfiles/tienda/7", &own).await;
    assert_eq!(status, StatusCode::OK);
    assert!(show.contains("O-7ABC") && show.contains("manuela@correo.example") && show.contains("$\u{a0}60.000"));
    for path in ["/desfiles/tienda/8", "/pedidos/tienda/8"] {
        let (status, other) = page(&hub, path, &own).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!other.contains("Camila"), "{path}");
    }
    assert!(show.contains("Esperan un cupo") && !show.contains("luisa@"), "how many wait, and not who");
    assert!(show.contains("Entraron") && show.contains("1 de 4") && show.contains("Lista 237"), "who came, by list");
    let (status, order) = page(&hub, "/pedidos/tienda/7", &own).await;
    assert_eq!(status, StatusCode::OK);
    let scans = (order.find("Entró, y se deshizo"), order.find("Puerta principal"));
    assert!(matches!(scans, (Some(undone), Some(came)) if undone < came), "the earliest first: {order}");

    // Who may not see guests sees numbers.
    let viewer = as_role(&hub, json!({ "role": "viewer" })).await;
    let (_, show) = page(&hub, "/desfiles/tienda/7", &viewer).await;
    assert!(show.contains("Raíz y Seda") && show.contains("$\u{a0}60.000"));
    assert!(!show.contains("manuela@correo.example") && !show.contains("O-7ABC"));
    assert_eq!(page(&hub, "/pedidos/tienda/7", &viewer).await.0, StatusCode::FORBIDDEN);

    // What is looked for is found among the orders of the show.
    let (everyone, _) = session(&hub, &hub.key).await;
    let (_, found) = page(&hub, "/desfiles/tienda/7?q=a-7kq", &everyone).await;
    assert!(found.contains("O-7ABC"));
    let (_, none) = page(&hub, "/desfiles/tienda/7?q=Camila", &everyone).await;
    assert!(!none.contains("O-7ABC") && none.contains("Ningún pedido coincide"));
}

#[tokio::test]
async fn requests_for_refunds_are_seen_by_whose_brands_and_shows_they_are() {
    let hub = hub(None).await;
    seed(&hub).await;
    let (_, all) = call(&hub, "get", "/api/v1/refunds", &hub.key, &Value::Null).await;
    let reasons = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|r| r["reason"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(reasons(&all), ["No viene al 8", "No viene al 7"]);
    let one = async |path: &str| call(&hub, "get", &format!("/api/v1/refunds/{path}"), &hub.key, &Value::Null).await;
    assert_eq!(one("tienda/7/1").await.1["state"], "waiting");
    for nowhere in ["tienda/7/2", "tienda/9/1", "otra/7/1", "tienda/7/uno"] {
        assert_eq!(one(nowhere).await.0, StatusCode::NOT_FOUND, "{nowhere}");
    }
    for (grant, seven, eight) in [
        (json!({ "role": "finance" }), true, true),
        (json!({ "role": "finance", "brands": ["default"] }), true, true),
        (json!({ "role": "finance", "brands": ["luna"] }), false, false),
        (json!({ "role": "support", "only": ["7"] }), true, false),
    ] {
        let somebody = as_role(&hub, grant.clone()).await;
        let (status, list) = page(&hub, "/devoluciones", &somebody).await;
        assert_eq!(status, StatusCode::OK, "{grant}");
        assert_eq!((list.contains("No viene al 7"), list.contains("No viene al 8")), (seven, eight), "{grant}");
    }
    for role in ["viewer", "gate", "privacy", "operator"] {
        let somebody = as_role(&hub, json!({ "role": role })).await;
        assert_eq!(page(&hub, "/devoluciones", &somebody).await.0, StatusCode::FORBIDDEN, "{role}");
    }
}
