//! The buttons of the stage: which command of which double, with which words.

use super::super::guard::Deed;
use serde_json::{Value, json};

/// A command of a double.
pub(super) struct Act {
    pub(super) command: &'static str,
    pub(super) args: Value,
}

/// Tickets of one purchase at most.
const MOST: usize = 4;

/// What the pressed button asks for; `None`: there is no such button.
pub(super) fn of(deed: &Deed) -> Option<Act> {
    let order = || json!({ "order_id": deed.field("pedido") });
    Some(match deed.field("acto") {
        "desfile" => Act {
            command: "create_show",
            args: json!({
                "title": deed.field("titulo"), "starts_at": deed.field("empieza"), "venue": deed.field("lugar"),
                "city": deed.field("ciudad"), "taxes": [{ "name": "IVA", "rate": 19 }],
                "tiers": [
                    { "label": "General", "price": 60_000, "capacity": 400 },
                    { "label": "Preferencial", "price": 120_000, "capacity": 120 },
                    { "label": "VIP", "price": 250_000, "capacity": 40 },
                ],
            }),
        },
        "comprar" => Act { command: "sell", args: purchase(deed) },
        "pagar" => Act { command: "mark_as_paid", args: order() },
        "cancelar" => Act { command: "cancel_order", args: order() },
        "devolver" => Act { command: "refund", args: order() },
        "escanear" => Act { command: "scan", args: json!({ "code": deed.field("codigo") }) },
        "decir" => Act { command: "say", args: guest(deed, "text") },
        "pulsar" => Act { command: "press", args: guest(deed, "text") },
        _ => return None,
    })
}

fn purchase(deed: &Deed) -> Value {
    let count = deed.field("boletas").parse::<usize>().unwrap_or(1).clamp(1, MOST);
    let phone = Some(deed.field("celular")).filter(|p| !p.is_empty());
    let tier = deed.field("localidad");
    let tickets: Vec<Value> =
        (0..count).map(|_| if tier.is_empty() { json!({}) } else { json!({ "tier": tier }) }).collect();
    json!({
        "show_id": deed.field("desfile"),
        "buyer": {
            "first_name": deed.field("nombre"), "last_name": deed.field("apellidos"), "email": deed.field("correo"),
            "phone": phone,
        },
        "tickets": tickets,
        "payment": if deed.field("pago") == "despues" { "offline" } else { "stripe" },
        "locale": "es",
    })
}

/// Who says or presses something: by phone, or by the id of those who show none.
fn guest(deed: &Deed, what: &str) -> Value {
    let mut args = json!({ what: deed.field("texto") });
    for (name, field) in [("phone", "telefono"), ("user_id", "persona"), ("message_id", "mensaje")] {
        if !deed.field(field).is_empty() {
            args[name] = json!(deed.field(field));
        }
    }
    args
}
