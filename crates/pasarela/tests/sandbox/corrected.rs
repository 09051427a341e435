//! What a person is called is brought to the tickets and orders that say otherwise, and the echo of it ends there. What
//! its owner removed is emptied where it can be, and written back nowhere.

use crate::files::{Hub, Place, free_port, send, until};
use crate::sandbox::Sandbox;
use serde_json::{Value, json};
use std::net::SocketAddr;

fn buyer(last_name: &str) -> Value {
    json!({ "first_name": "Valentina", "last_name": last_name, "email": "v.rios@correo.example", "phone": "315 550 0123" })
}

/// The effects that correct something, as the API lists them.
fn corrections(hub: &Hub, key: &str) -> Vec<Value> {
    let list = hub.get("/api/v1/effects?limit=200", key).json();
    let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}")).clone();
    all.into_iter().filter(|e| e["action"] == "update_ticket_holder" || e["action"] == "update_buyer").collect()
}

#[test]
fn a_name_that_was_corrected_is_brought_to_older_tickets_and_ends_there() {
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno-dos-tres\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         reconcile_every = \"30d\"\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    until("the double", || send(addr, "POST", "/boleteria/auth/login", &[], b"{}").ok().filter(|a| a.status == 422));
    let (_, key) = place.key("read");
    let hub = place.serve();
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    let sell = |last_name: &str| {
        let sale =
            json!({ "show_id": show["show_id"], "buyer": buyer(last_name), "tickets": [{}], "payment": "stripe" });
        sandbox.act("boleteria", "sell", sale)
    };
    let first = sell("Ríos");
    until("the first order to be heard", || {
        let list = hub.get("/api/v1/events?type=person.created", &key).json();
        list["data"].as_array().filter(|all| !all.is_empty()).map(drop)
    });
    assert_eq!(corrections(&hub, &key), [Value::Null; 0], "nobody says otherwise yet");
    sell("Ríos Mejía");
    let is = |what: &str, id: &Value| {
        let rows = sandbox.view("boleteria", what);
        rows.as_array().unwrap().iter().find(|r| r["id"] == *id).unwrap()["last_name"].clone()
    };
    until("the older ticket to say it too", || {
        (is("attendees", &first["tickets"][0]["id"]) == "Ríos Mejía"
            && is("orders", &first["order_id"]) == "Ríos Mejía")
            .then_some(())
    });
    // The echoes come in; equal values are no news, so nothing follows from them.
    let count = |kind: &str| {
        let list = hub.get(&format!("/api/v1/events?type={kind}&limit=200"), &key).json();
        list["data"].as_array().unwrap_or_else(|| panic!("{list}")).len()
    };
    until("the echoes", || (count("ticket.updated") > 0 && count("order.updated") > 0).then_some(()));
    let done = until("all to be done", || {
        let all = corrections(&hub, &key);
        all.iter().all(|e| e["state"] == "done").then_some(all)
    });
    // Between a change and its echo the person may be told of once more: then it is read, and nothing is sent.
    let sent = done.iter().filter(|e| e["result"]["changed"] == true).count();
    assert_eq!(sent, 2, "one ticket, one order, each once: {done:#?}");
    let told = count("person.created") + count("person.updated") + count("person.merged");
    assert!(done.len() <= 2 * told, "{} corrections of {told} news", done.len());
    hub.stop();
}

#[test]
fn what_the_crm_removed_is_emptied_in_its_other_record_and_nobody_writes_it_back() {
    // Fewer calls than a minute allows, so none has to wait.
    let place = Place::new();
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    place.write(&format!(
        "[sandbox]\nurl = \"http://{addr}\"\n\
         [people.fields]\nemail = [\"crm\", \"*\"]\nphone = [\"crm\", \"*\"]\n\
         [connections.boleteria]\nprovider = \"hi-events\"\nbase_url = \"http://{addr}/boleteria\"\nallow_private_targets = true\n\
         webhook_secrets = [\"uno\"]\nemail = \"hub@marca.example\"\npassword = \"doce-letras\"\norganizer_id = 3\n\
         reconcile_every = \"30d\"\nlimits = {{ per_minute = 1500 }}\n\
         [connections.crm]\nprovider = \"twenty\"\nbase_url = \"http://{addr}/crm\"\nallow_private_targets = true\n\
         webhook_secrets = [\"dos\"]\napi_key = \"clave\"\napi_key_name = \"pasarela-hub\"\nreconcile_every = \"30d\"\n\
         calls_per_minute = 1500\n"
    ));
    let sandbox = Sandbox::start(&place, addr);
    until("the double", || {
        let headers = [("authorization", "Bearer clave")];
        send(addr, "GET", "/crm/rest/metadata/views", &headers, b"").ok().filter(|a| a.status == 200)
    });
    let told = place.run(&["connections", "provision", "crm", "--apply", "--yes", "--json"]);
    assert_eq!(told.code, 0, "{told:?}");
    let (_, key) = place.key("read");
    let hub = place.serve();
    let show = sandbox.act(
        "boleteria",
        "create_show",
        json!({ "title": "Raíz y Seda", "starts_at": "2030-11-27T01:00:00Z", "tiers": [{ "label": "General", "price": 60000 }] }),
    );
    let sold = sandbox.act(
        "boleteria",
        "sell",
        json!({ "show_id": show["show_id"], "buyer": buyer("Ríos"), "tickets": [{}], "payment": "stripe" }),
    );
    // The hub's only person, once it is as this says.
    let person = |what: &str, is: &dyn Fn(&Value) -> bool| {
        until(what, || {
            let list = hub.get("/api/v1/people", &key).json();
            let all = list["data"].as_array().unwrap_or_else(|| panic!("{list}"));
            (all.len() == 1 && is(&all[0])).then(|| all[0].clone())
        })
    };
    let contacts = |p: &Value| p["records"].as_array().unwrap().iter().filter(|r| r["provider"] == "twenty").count();
    // What the hub wrote itself it finds again when it reads the CRM.
    let reconcile = || assert_eq!(place.run(&["reconcile", "crm", "--json"]).code, 0);
    until("the CRM's record", || Some(sandbox.view("crm", "people")).filter(|p| p[0]["phone"] == "+573155500123"));
    reconcile();
    person("the CRM's record to be hers", &|p| contacts(p) == 1 && p["records"].as_array().unwrap().len() == 3);
    let crm = || sandbox.view("crm", "people").as_array().unwrap().clone();
    let record = |id: &Value| crm().into_iter().find(|p| p["id"] == *id).unwrap();
    let made = crm().remove(0);
    assert_eq!((&made["email"], &made["phone"]), (&json!("v.rios@correo.example"), &json!("+573155500123")));

    let edit = |args: Value| sandbox.act("crm", "edit_person", args);
    edit(json!({ "id": made["id"], "email": "" }));
    let ana = person("the address to be nobody's", &|p| p["email"].is_null());
    assert!(ana["records"].as_array().unwrap().iter().all(|r| r["differs"] == json!({})), "{ana}");
    let other = sandbox.act("crm", "create_person", json!({ "name": "Valentina Ríos", "phone": "+573155500123" }));
    person("both records to be hers", &|p| contacts(p) == 2);
    edit(json!({ "id": made["id"], "phone": "" }));
    until("the other record to lose the phone", || (record(&other["id"])["phone"] == "").then_some(()));
    reconcile();
    person("nothing to differ any more", &|p| {
        p["phone"].is_null() && p["records"].as_array().unwrap().iter().all(|r| r["differs"] == json!({}))
    });

    for id in [&made["id"], &other["id"]] {
        let now = record(id);
        assert_eq!((&now["email"], &now["phone"], &now["name"]), (&json!(""), &json!(""), &json!("Valentina Ríos")));
    }
    assert_eq!(crm().len(), 2, "and nobody was made anew");
    let rows = sandbox.view("boleteria", "attendees");
    let ticket = rows.as_array().unwrap().iter().find(|r| r["id"] == sold["tickets"][0]["id"]).unwrap();
    assert_eq!(ticket["email"], "v.rios@correo.example", "a ticket goes to somebody");
    assert_eq!(corrections(&hub, &key), [Value::Null; 0]);
    hub.stop();
}
