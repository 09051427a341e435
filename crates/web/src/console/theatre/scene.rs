//! What the doubles show: who has chats has the phones, who has a mailbox has the mail, who has shows and
//! orders sells tickets, who has people is the CRM.

use super::double::{Sandbox, Talk};
use crate::console::json;
use crate::console::words::Words;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Orders, tickets and cards of each kind on the page.
const ORDERS: usize = 6;
const TICKETS: usize = 6;
const CARDS: usize = 8;

/// Invented people who buy, in turn.
const PEOPLE: [(&str, &str); 12] = [
    ("Valentina", "Arango Restrepo"),
    ("Mateo", "Buitrago Nieto"),
    ("Mariana", "Cárdenas Ospina"),
    ("Samuel", "Duarte Lozano"),
    ("Luciana", "Echeverri Franco"),
    ("Andrés", "Gaviria Henao"),
    ("Catalina", "Ibáñez Jaramillo"),
    ("Nicolás", "Mosquera Palacios"),
    ("Isabella", "Quiñones Sandoval"),
    ("Julián", "Tabares Uribe"),
    ("Daniela", "Vélez Zapata"),
    ("Tomás", "Ángel Botero"),
];
/// Invented shows that open a sale, in turn.
const SHOWS: [(&str, &str, &str); 4] = [
    ("Noche de Lino", "Museo de Arte Moderno", "Bogotá"),
    ("Raíz y Seda", "Plaza Mayor", "Medellín"),
    ("Caribe en Blanco", "Baluarte de Santa Catalina", "Cartagena"),
    ("Telares del Pacífico", "Centro de Eventos", "Cali"),
];

/// What was seen in one look.
pub(super) struct Scene {
    pub(super) faults: Value,
    pub(super) chats: Option<(String, Value)>,
    pub(super) mailbox: Option<(String, Value)>,
    tickets: Option<Tickets>,
    crm: Option<Crm>,
    /// Business time of the doubles.
    now: Option<Timestamp>,
}

struct Tickets {
    connection: String,
    shows: Value,
    products: Value,
    orders: Value,
    attendees: Value,
}

struct Crm {
    people: Value,
    notes: Value,
    deals: Value,
}

/// The person who buys next, as the form proposes.
pub(super) struct BuyerView {
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) email: String,
    pub(super) phone: String,
}

pub(super) struct ShowView {
    pub(super) id: String,
    pub(super) title: String,
}

pub(super) struct OrderView {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) buyer: String,
    pub(super) total: String,
    /// Waits for its money.
    pub(super) unpaid: bool,
    /// May be given back.
    pub(super) paid: bool,
}

pub(super) struct TicketView {
    pub(super) code: String,
    pub(super) holder: String,
}

/// A show that may be opened for sale.
pub(super) struct NewShow {
    pub(super) title: &'static str,
    pub(super) venue: &'static str,
    pub(super) city: &'static str,
    pub(super) starts_at: String,
}

pub(super) struct BoxOfficeView {
    pub(super) connection: String,
    pub(super) shows: Vec<ShowView>,
    pub(super) tiers: Vec<String>,
    pub(super) next: NewShow,
    pub(super) buyer: BuyerView,
    pub(super) orders: Vec<OrderView>,
    pub(super) tickets: Vec<TicketView>,
    pub(super) sold: String,
    pub(super) inside: String,
}

pub(super) struct CardView {
    pub(super) title: String,
    pub(super) line: String,
}

pub(super) struct BoardView {
    pub(super) people: Vec<CardView>,
    pub(super) notes: Vec<CardView>,
    pub(super) deals: Vec<CardView>,
    pub(super) people_count: usize,
    pub(super) notes_count: usize,
    pub(super) deals_count: usize,
}

impl Scene {
    /// Looks at all doubles; `None`: nobody answers.
    pub(super) async fn look(sandbox: &Sandbox) -> Option<Self> {
        let mut talk = sandbox.talk().await.ok()?;
        let health = talk.get("health").await.ok()?;
        let mut scene = Self {
            faults: talk.get("faults").await.ok()?,
            chats: None,
            mailbox: None,
            tickets: None,
            crm: None,
            now: health["now"].as_str().and_then(|t| t.parse().ok()),
        };
        for name in json::list(&health["connections"]).iter().map(json::text) {
            scene.ask(&mut talk, name).await;
        }
        Some(scene)
    }

    /// What this double is, by what it shows. The first of each kind is on the stage.
    async fn ask(&mut self, talk: &mut Talk, name: String) {
        if self.chats.is_none() {
            let chats = talk.view(&name, "chats").await;
            if chats.is_array() {
                self.chats = Some((name, chats));
                return;
            }
        }
        if self.tickets.is_none() {
            let shows = talk.view(&name, "shows").await;
            if shows.is_array() {
                self.tickets = Some(Tickets {
                    shows,
                    products: talk.view(&name, "products").await,
                    orders: talk.view(&name, "orders").await,
                    attendees: talk.view(&name, "attendees").await,
                    connection: name,
                });
                return;
            }
        }
        if self.crm.is_none() {
            let people = talk.view(&name, "people").await;
            if people.is_array() {
                self.crm = Some(Crm {
                    people,
                    notes: talk.view(&name, "notes").await,
                    deals: talk.view(&name, "deals").await,
                });
                return;
            }
        }
        if self.mailbox.is_none() {
            let mailbox = talk.view(&name, "mailbox").await;
            if mailbox["messages"].is_array() {
                self.mailbox = Some((name, mailbox));
            }
        }
    }

    /// The box office; `None`: nobody sells tickets.
    pub(super) fn office(&self, w: Words) -> Option<BoxOfficeView> {
        let t = self.tickets.as_ref()?;
        let (orders, shows) = (json::list(&t.orders), json::list(&t.shows));
        let live = || shows.iter().rev().filter(|s| s["status"] == "LIVE");
        let newest = live().next().map(|s| s["id"].clone()).unwrap_or_default();
        let product = json::list(&t.products).iter().find(|p| p["event_id"] == newest);
        let tiers = product.map(|p| json::list(&p["prices"])).unwrap_or_default();
        let active: Vec<&Value> = json::list(&t.attendees).iter().filter(|a| a["status"] == "ACTIVE").collect();
        let is_inside = |a: &&&Value| !json::list(&a["check_ins"]).is_empty();
        let waiting = active.iter().rev().filter(|a| !is_inside(a));
        let ticket = |a: &&Value| TicketView { code: json::text(&a["public_id"]), holder: full_name(a) };
        Some(BoxOfficeView {
            connection: t.connection.clone(),
            shows: live()
                .take(4)
                .map(|s| ShowView { id: json::text(&s["id"]), title: json::text(&s["title"]) })
                .collect(),
            tiers: tiers.iter().filter_map(|p| json::opt(&p["label"])).collect(),
            next: self.next_show(shows.len()),
            buyer: buyer(orders.len()),
            orders: orders
                .iter()
                .rev()
                .filter(|o| o["status"] != "CANCELLED")
                .take(ORDERS)
                .map(|o| order(w, o))
                .collect(),
            tickets: waiting.take(TICKETS).map(ticket).collect(),
            sold: w.count("theatre.sold", active.len() as u64),
            inside: w.count("theatre.inside", active.iter().filter(is_inside).count() as u64),
        })
    }

    fn next_show(&self, n: usize) -> NewShow {
        let (title, venue, city) = SHOWS[n % SHOWS.len()];
        // In three days at this hour: far enough for a reminder, near enough to wait for it.
        let starts = self.now.and_then(|t| t.checked_add(SignedDuration::from_hours(72)).ok());
        NewShow { title, venue, city, starts_at: starts.map(|t| t.to_string()).unwrap_or_default() }
    }

    /// The CRM board; `None`: there is no CRM.
    pub(super) fn board(&self) -> Option<BoardView> {
        let crm = self.crm.as_ref()?;
        let alive = |list: &Value| {
            let mut all: Vec<Value> =
                json::list(list).iter().filter(|v| v["deleted"] != Value::Bool(true)).cloned().collect();
            // Who was written last comes first, where that is told.
            all.sort_by(|a, b| json::text(&b["updated_at"]).cmp(&json::text(&a["updated_at"])));
            all
        };
        let (people, mut notes, deals) = (alive(&crm.people), alive(&crm.notes), alive(&crm.deals));
        notes.reverse();
        let card = |title: &str, line: &[&str], v: &Value| {
            let parts: Vec<String> = line.iter().filter_map(|name| json::opt(&v[*name])).collect();
            CardView { title: json::text(&v[title]), line: parts.join(" · ") }
        };
        Some(BoardView {
            people_count: people.len(),
            notes_count: notes.len(),
            deals_count: deals.len(),
            people: people.iter().take(CARDS).map(|p| card("name", &["email", "phone"], p)).collect(),
            notes: notes.iter().take(CARDS).map(|n| card("title", &["text"], n)).collect(),
            deals: deals.iter().take(CARDS).map(|d| card("name", &["stage"], d)).collect(),
        })
    }
}

fn buyer(n: usize) -> BuyerView {
    let (first_name, last_name) = PEOPLE[n % PEOPLE.len()];
    let plain = |text: &str| {
        let first = text.split(' ').next().unwrap_or_default().to_lowercase();
        let plain = |c: char| match c {
            'á' => 'a',
            'é' => 'e',
            'í' => 'i',
            'ó' => 'o',
            'ú' => 'u',
            'ñ' => 'n',
            other => other,
        };
        first.chars().map(plain).collect::<String>()
    };
    BuyerView {
        email: format!("{}.{}{}@correo.example", plain(first_name), plain(last_name), n / PEOPLE.len() + 1),
        phone: format!("300{:07}", 5_550_100 + n),
        first_name,
        last_name,
    }
}

fn full_name(v: &Value) -> String {
    format!("{} {}", json::text(&v["first_name"]), json::text(&v["last_name"])).trim().to_owned()
}

fn order(w: Words, o: &Value) -> OrderView {
    // Major units on the double's wire.
    let total = o["total_gross"].as_f64().unwrap_or(0.0);
    OrderView {
        id: json::text(&o["id"]),
        number: json::text(&o["public_id"]),
        buyer: full_name(o),
        total: w.pesos((total * 100.0).round() as i64),
        unpaid: o["status"] == "AWAITING_OFFLINE_PAYMENT",
        paid: o["status"] == "COMPLETED" && total > 0.0 && o["is_fully_refunded"] != Value::Bool(true),
    }
}
