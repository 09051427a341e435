//! Money that goes back by hand, against the double of the ticketing: one person asks, another one approves, and the
//! double gives it back once. Every person is invented.

use crate::files::{Answer, Hub, Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Somebody who came in.
struct Person<'a> {
    place: &'a Place,
    cookie: String,
}

impl<'a> Person<'a> {
    /// With an account of their own, in by a link.
    fn new(place: &'a Place, email: &str, name: &str, role: &str) -> Self {
        let added = place.run(&["users", "add", email, "--name", name, "--role", role, "--json"]);
        assert_eq!(added.code, 0, "{added:?}");
        Self::by_link(place, &[email])
    }

    fn by_link(place: &'a Place, args: &[&str]) -> Self {
        let told = place.run(&[&["users", "link"], args, &["--json"]].concat());
        let made: Value = serde_json::from_str(told.out.trim()).unwrap();
        let token = made["link"].as_str().unwrap().split("enlace=").nth(1).unwrap();
        Self::entering(place, &format!("enlace={token}"))
    }

    fn entering(place: &'a Place, form: &str) -> Self {
        let entered = send(place.console, "POST", "/entrar", &[], form.as_bytes()).unwrap();
        assert_eq!(entered.status, 303, "{entered:?}");
        let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { place, cookie }
    }

    fn sees(&self, path: &str) -> Answer {
        send(self.place.console, "GET", path, &[("cookie", &self.cookie)], b"").unwrap()
    }

    fn page(&self, path: &str) -> String {
        let answer = self.sees(path);
        assert_eq!(answer.status, 200, "{path}");
        answer.body
    }

    /// Sends a form; where it leads, or the status of a refusal.
    fn does(&self, path: &str, form: &str) -> String {
        // Every page has the token of its session.
        let page = self.page("/");
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let form = format!("csrf={csrf}&{form}");
        let answer = send(self.place.console, "POST", path, &[("cookie", &self.cookie)], form.as_bytes()).unwrap();
        answer.header("location").map_or_else(|| answer.status.to_string(), str::to_owned)
    }
}

/// An order of one ticket, once the hub knows it.
fn sold(sandbox: &Sandbox, hub: &Hub, key: &str, show: &Value, payment: &str) -> String {
    let buyer = json!({ "first_name": "Manuela", "last_name": "Ospina", "email": "manuela@correo.example" });
    let args = json!({ "show_id": show, "buyer": buyer, "tickets": [{}], "payment": payment });
    let order = sandbox.act("boleteria", "sell", args)["order_id"].to_string().replace('"', "");
    if payment == "offline" {
        sandbox.act("boleteria", "mark_as_paid", json!({ "order_id": order }));
    }
    let path = format!("/api/v1/orders/boleteria/{order}");
    until("the paid order", || {
        let answer = hub.get(&path, key);
        (answer.status == 200 && answer.json()["order"]["status"] == "paid").then_some(())
    });
    order
}

#[test]
fn one_asks_another_approves_and_the_money_goes_back_once() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    let hub = place.serve();
    let (_, key) = place.key("read,write,audit:read");
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    let order = sold(&sandbox, &hub, &key, &show["show_id"], "stripe");
    let luz = Person::new(&place, "luz@marca.example", "Luz Ospina", "support");
    let ana = Person::new(&place, "ana@marca.example", "Ana Ruiz", "finance");
    let nora = Person::new(&place, "nora@marca.example", "Nora Gil", "viewer");
    let (page, asks) = (format!("/pedidos/boleteria/{order}"), format!("/pedidos/boleteria/{order}/devolucion"));
    let request = format!("/devoluciones/boleteria/{order}/1");
    let known = || hub.get(&format!("/api/v1/refunds/boleteria/{order}/1"), &key).json();

    // Who may not, and what cannot.
    assert_eq!(nora.does(&asks, "valor=20000&motivo=x"), "403");
    assert_eq!(nora.sees("/devoluciones").status, 403);
    assert_eq!(luz.does(&asks, "valor=999999999&motivo=x"), format!("{page}?aviso=refund_too_much"));
    assert_eq!(luz.does(&asks, "valor=20000&motivo="), format!("{page}?aviso=refund_invalid"));
    assert!(luz.page(&page).contains("Pedir una devolución"));
    let by_key = Person::entering(&place, &format!("clave={}", place.key("role:finance").1));
    assert_eq!(by_key.does(&asks, "valor=20000&motivo=x"), format!("{page}?aviso=refund_loose"));
    let nobody = Person::by_link(&place, &["Enlace suelto"]);
    assert_eq!(nobody.does(&asks, "valor=20000&motivo=x"), format!("{page}?aviso=refund_loose"));

    // One asks; who asked, who may only ask, and who is nobody do not approve.
    assert_eq!(luz.does(&asks, "valor=20000&motivo=No+puede+venir"), format!("{page}?aviso=refund_asked"));
    assert_eq!(luz.does(&asks, "valor=100&motivo=otra"), format!("{page}?aviso=refund_another"));
    assert_eq!(luz.does(&format!("{request}/aprobar"), ""), "403");
    assert_eq!(by_key.does(&format!("{request}/negar"), ""), "/devoluciones?aviso=refund_loose");
    assert_eq!(nobody.does(&format!("{request}/negar"), ""), "/devoluciones?aviso=refund_loose");
    assert_eq!(ana.does(&format!("{request}/retirar"), ""), "/devoluciones?aviso=refund_not_own");
    let waiting = known();
    assert_eq!((&waiting["state"], &waiting["amount"]["minor"]), (&json!("waiting"), &json!(2_000_000)), "{waiting:#}");
    assert!(luz.page("/devoluciones").contains("No puede venir") && luz.page(&page).contains("No puede venir"));
    assert!(!luz.page("/devoluciones").contains("/aprobar"), "a page offers what its reader may do");
    assert!(ana.page("/devoluciones").contains(&format!("{request}/aprobar")));

    // Another one approves, twice at once: one of them does.
    let twice = std::thread::scope(|s| {
        let press = || ana.does(&format!("{request}/aprobar"), "");
        let (one, two) = (s.spawn(press), s.spawn(press));
        [one.join().unwrap(), two.join().unwrap()]
    });
    let times = |aviso: &str| twice.iter().filter(|to| **to == format!("/devoluciones?aviso={aviso}")).count();
    assert_eq!((times("refund_approved"), times("refund_decided")), (1, 1), "{twice:?}");
    let done = until("the refund", || Some(known()).filter(|r| r["outcome"] != "under_way"));
    assert_eq!(done["outcome"], "done", "{done:#}");
    assert_eq!((&done["asked_by"]["name"], &done["decided_by"]["name"]), (&json!("Luz Ospina"), &json!("Ana Ruiz")));
    let order_path = format!("/api/v1/orders/boleteria/{order}");
    until("the order", || {
        let order = hub.get(&order_path, &key).json();
        (order["order"]["refunded"]["minor"] == 2_000_000).then_some(())
    });
    let story = hub.get(&format!("/api/v1/events/{}/story", done["event_id"].as_str().unwrap()), &key).json();
    assert_eq!(story["runs"][0]["flow"], "a-mano-boleteria-refund");
    assert_eq!(story["runs"][0]["effects"].as_array().unwrap().len(), 1);
    assert_eq!(story["event"]["data"]["by"], "Luz Ospina, Ana Ruiz");
    for (action, who) in [("refunds.ask", "Luz Ospina"), ("refunds.approve", "Ana Ruiz")] {
        let audit = hub.get(&format!("/api/v1/audit?action={action}"), &key).json();
        let told = audit["data"].as_array().unwrap().iter().filter(|e| e["outcome"] == "done");
        let names: Vec<_> = told.map(|e| e["name"].as_str().unwrap()).collect();
        assert_eq!(names, [who], "{audit:#}");
    }

    // One's own is somebody else's to decide, and may be taken back.
    assert_eq!(ana.does(&asks, "valor=40000&motivo=El+resto"), format!("{page}?aviso=refund_asked"));
    let second = format!("/devoluciones/boleteria/{order}/2");
    assert_eq!(ana.does(&format!("{second}/aprobar"), ""), "/devoluciones?aviso=refund_own");
    assert_eq!(ana.does(&format!("{second}/retirar"), ""), "/devoluciones?aviso=refund_withdrawn");

    // What was paid elsewhere the ticketing does not give back, and says why.
    let offline = sold(&sandbox, &hub, &key, &show["show_id"], "offline");
    let asks = format!("/pedidos/boleteria/{offline}/devolucion");
    assert_eq!(
        luz.does(&asks, "valor=&motivo=Se+enfermo&cancelar=1"),
        format!("/pedidos/boleteria/{offline}?aviso=refund_asked")
    );
    assert_eq!(
        ana.does(&format!("/devoluciones/boleteria/{offline}/1/aprobar"), ""),
        "/devoluciones?aviso=refund_approved"
    );
    let refused = until("the refusal", || {
        let told = hub.get(&format!("/api/v1/refunds/boleteria/{offline}/1"), &key).json();
        (told["outcome"] == "refused").then_some(told)
    });
    assert!(refused["why"].as_str().unwrap().contains("refund it where it was paid"), "{refused:#}");
    assert!(ana.page("/devoluciones?todas=1").contains("refund it where it was paid"));

    // A cancellation gives nothing back by itself.
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", "application/json".into())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    hub.send("POST", &format!("{order_path}/cancel"), &headers, br#"{ "refund": true }"#).problem(400, &["refund"]);
    hub.stop();
}
