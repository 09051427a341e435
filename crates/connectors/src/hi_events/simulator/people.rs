//! What people do at the provider: sell, scan, cancel, edit. Each command answers with what it made,
//! and with the webhooks that the provider would send.

mod sales;

use super::hooks::Outbox;
use super::php;
use super::state::{Affiliate, Discount, Kind, List, Product, Promo, Question, Show, Tax, Tier, Waiting};
use super::{HiEventsSimulator, Setting, resources::datetime};
use jiff::Timestamp;
use pasarela_domain::{Currency, Money};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An id as a number or a text of digits.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        let id = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        id.map(Self).ok_or_else(|| serde::de::Error::custom(format!("{value} is not an id: write a number")))
    }
}

/// An amount in major units, as a number or a text.
fn money(value: &Value, currency: Currency) -> Result<Money, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let money = Money::from_major_text(&text, currency).map_err(|e| e.to_string())?;
    if money.minor < 0 { Err(format!("{text}: an amount must not be below zero")) } else { Ok(money) }
}

pub(super) fn read<T: DeserializeOwned>(command: &str, args: &Value) -> Result<T, String> {
    T::deserialize(args).map_err(|e| format!("{command}: {e}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateShow {
    title: String,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    description: Option<String>,
    /// A name, or `{name, address, city}`.
    venue: Option<Value>,
    city: Option<String>,
    tiers: Vec<NewTier>,
    #[serde(default)]
    taxes: Vec<NewTax>,
    currency: Option<String>,
    time_zone: Option<String>,
    /// `DRAFT` or `LIVE` (as most tests want it).
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTier {
    label: String,
    price: Value,
    capacity: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTax {
    name: String,
    /// Percent.
    rate: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditShow {
    show_id: Id,
    title: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreatePromo {
    show_id: Id,
    code: String,
    /// `PERCENTAGE` or `FIXED`.
    discount_type: String,
    discount: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowId {
    show_id: Id,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanArgs {
    code: String,
    /// Id or short id; the first list of the show when absent.
    list: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinWaitlist {
    show_id: Id,
    /// Label or id of the tier; the first one when absent.
    tier: Option<Value>,
    first_name: String,
    #[serde(default)]
    last_name: String,
    email: String,
}

pub(super) fn act(
    sim: &mut HiEventsSimulator,
    command: &str,
    args: &Value,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<Value, String> {
    match command {
        "create_show" => create_show(sim, read(command, args)?, now, out),
        "publish_show" => set_status(sim, read::<ShowId>(command, args)?.show_id.0, "LIVE", now, out),
        "archive_show" => set_status(sim, read::<ShowId>(command, args)?.show_id.0, "ARCHIVED", now, out),
        "edit_show" => edit_show(sim, read(command, args)?, now, out),
        "create_question" => create_question(sim, read(command, args)?),
        "edit_answer" => edit_answer(sim, &read(command, args)?),
        "edit_product" | "delete_product" => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Args {
                product_id: Id,
                title: Option<String>,
            }
            let args: Args = read(command, args)?;
            let id = args.product_id.0;
            let found = sim.state.products.iter_mut().find(|p| p.id == id);
            let found = found.ok_or_else(|| format!("{command}: there is no product {id}"))?;
            if command == "delete_product" {
                // Told as it was.
                sim.tell_product("product.deleted", id, now, out);
                sim.state.products.retain(|p| p.id != id);
            } else {
                found.title = args.title.unwrap_or_else(|| found.title.clone());
                sim.tell_product("product.updated", id, now, out);
            }
            Ok(json!({ "product_id": id }))
        }
        "break_webhooks" => {
            /// The newest logs of each webhook are answered so; 0: no answer came.
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Args {
                code: u16,
                last: usize,
                /// Of one webhook; of all when absent.
                id: Option<Id>,
            }
            let args: Args = read(command, args)?;
            let meant = |id: u64| args.id.is_none_or(|wanted| wanted.0 == id);
            for hook in sim.hooks.iter_mut().filter(|h| meant(h.id)) {
                hook.answered(args.code, args.last);
            }
            Ok(json!({ "code": args.code }))
        }
        "create_promo" => create_promo(sim, read(command, args)?, now),
        "create_affiliate" => create_affiliate(sim, read(command, args)?, now),
        "join_waitlist" => join_waitlist(sim, read(command, args)?, now),
        "scan" | "undo_scan" => scan(sim, command, &read(command, args)?, now, out),
        "close_list" => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Args {
                list: Value,
            }
            let args: Args = read(command, args)?;
            let id = find_list(sim, &args.list)?;
            if let Some(list) = sim.state.lists.iter_mut().find(|l| l.id == id) {
                list.expires_at = Some(now);
            }
            Ok(json!({ "list": id }))
        }
        other => sales::act(sim, other, args, now, out),
    }
}

fn create_show(
    sim: &mut HiEventsSimulator,
    args: CreateShow,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<Value, String> {
    let currency: Currency =
        args.currency.as_deref().unwrap_or("COP").parse().map_err(|e| format!("create_show: currency: {e}"))?;
    let status = match args.status.as_deref() {
        None | Some("LIVE") => "LIVE",
        Some("DRAFT") => "DRAFT",
        Some(other) => {
            return Err(format!("create_show: status '{other}' is neither DRAFT nor LIVE"));
        }
    };
    if args.tiers.is_empty() {
        return Err("create_show: tiers: at least one {label, price} is needed".into());
    }
    let mut prices = Vec::new();
    for tier in &args.tiers {
        prices.push(money(&tier.price, currency).map_err(|e| format!("create_show: tier {}: {e}", tier.label))?);
    }
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let venue = args.venue.clone().unwrap_or_default();
    let name = venue.as_str().map(str::to_owned).or_else(|| text(&venue, "name"));
    let city = args.city.or_else(|| text(&venue, "city"));
    let location = (name.is_some() || city.is_some()).then(|| {
        json!({
            "venue_name": name, "address_line_1": text(&venue, "address"), "address_line_2": null, "city": city,
            "state_or_region": null, "zip_or_postal_code": null, "country": "CO",
        })
    });
    let state = &mut sim.state;
    let (show, category) = (state.id(Kind::Show), state.id(Kind::Category));
    state.shows.push(Show {
        id: show,
        title: args.title.clone(),
        description: args.description,
        starts_at: args.starts_at,
        ends_at: args.ends_at,
        status,
        currency,
        time_zone: args.time_zone.unwrap_or_else(|| "America/Bogota".into()),
        location,
        category,
        settings: serde_json::Map::new(),
    });
    let tiers: Vec<Tier> = args
        .tiers
        .into_iter()
        .zip(prices)
        .map(|(t, price)| Tier { id: state.id(Kind::Tier), label: Some(t.label), price, sold: 0, capacity: t.capacity })
        .collect();
    let made: Vec<Value> = tiers.iter().map(|t| json!({ "id": t.id, "label": t.label })).collect();
    let product = state.id(Kind::Product);
    let taxes = (9..).zip(args.taxes).map(|(id, t)| Tax { id, name: t.name, rate: t.rate }).collect();
    state.products.push(Product {
        id: product,
        show,
        title: args.title,
        kind: "TIERED".into(),
        product_type: "TICKET",
        description: None,
        tiers,
        taxes,
    });
    if sim.config.setting_bool("phone_questions") != Some(false) {
        for belongs_to in ["ORDER", "PRODUCT"] {
            let id = state.id(Kind::Question);
            state.questions.push(Question {
                id,
                show,
                title: "Celular (WhatsApp)".into(),
                kind: "PHONE".into(),
                belongs_to,
                products: if belongs_to == "PRODUCT" { vec![product] } else { Vec::new() },
                options: None,
                required: false,
                hidden: false,
                description: Some("Incluye el indicativo del país".into()),
            });
        }
    }
    let list = state.id(Kind::List);
    let short_id = format!("cil_{}", php::code(&format!("list {list}"), 13, false));
    state.lists.push(List {
        id: list,
        short_id: short_id.clone(),
        show,
        name: "Puerta principal".into(),
        products: vec![product],
        expires_at: None,
    });
    sim.tell_show("event.created", show, now, out);
    sim.tell_product("product.created", product, now, out);
    Ok(json!({
        "show_id": show, "product_id": product, "tiers": made, "list": { "id": list, "short_id": short_id },
    }))
}

fn set_status(
    sim: &mut HiEventsSimulator,
    show: u64,
    status: &'static str,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<Value, String> {
    if !sim.set_show_status(show, status, now, out) {
        return Err(format!("there is no show {show}"));
    }
    Ok(json!({ "show_id": show, "status": status }))
}

fn join_waitlist(sim: &mut HiEventsSimulator, args: JoinWaitlist, now: Timestamp) -> Result<Value, String> {
    let show = args.show_id.0;
    let wanted = args.tier.as_ref().map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned));
    let of_show = sim.state.products.iter().filter(|p| p.show == show);
    let is_it =
        |t: &&Tier| wanted.as_ref().is_none_or(|w| t.label.as_deref() == Some(w.as_str()) || t.id.to_string() == *w);
    let tier = of_show.flat_map(|p| &p.tiers).find(is_it).map(|t| t.id);
    let tier = tier.ok_or_else(|| format!("join_waitlist: show {show} has no such tier"))?;
    let id = sim.state.id(Kind::Waiting);
    sim.state.waitlist.push(Waiting {
        id,
        show,
        tier,
        first_name: args.first_name,
        last_name: args.last_name,
        email: args.email,
        status: "WAITING",
        locale: "es".into(),
        offered_at: None,
        expires_at: None,
        order: None,
        created_at: now,
        updated_at: now,
    });
    Ok(json!({ "entry_id": id, "tier_id": tier }))
}

impl HiEventsSimulator {
    /// `false`: there is no such show.
    pub(super) fn set_show_status(&mut self, id: u64, status: &'static str, now: Timestamp, out: &mut Outbox) -> bool {
        let Some(show) = self.state.show_mut(id) else {
            return false;
        };
        show.status = status;
        self.tell_show(if status == "ARCHIVED" { "event.archived" } else { "event.updated" }, id, now, out);
        true
    }
}

fn edit_show(sim: &mut HiEventsSimulator, args: EditShow, now: Timestamp, out: &mut Outbox) -> Result<Value, String> {
    let id = args.show_id.0;
    let show = sim.state.show_mut(id).ok_or_else(|| format!("edit_show: there is no show {id}"))?;
    if let Some(title) = args.title {
        show.title = title;
    }
    if let Some(at) = args.starts_at {
        show.starts_at = at;
    }
    show.ends_at = args.ends_at.or(show.ends_at);
    show.description = args.description.or_else(|| show.description.take());
    sim.tell_show("event.updated", id, now, out);
    Ok(json!({ "show_id": id }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateQuestion {
    show_id: Id,
    title: String,
    /// `PHONE`, `RADIO`, ...
    #[serde(rename = "type")]
    kind: String,
    /// Of each ticket; else of the order.
    #[serde(default)]
    per_ticket: bool,
    options: Option<Vec<String>>,
    #[serde(default)]
    required: bool,
}

fn create_question(sim: &mut HiEventsSimulator, args: CreateQuestion) -> Result<Value, String> {
    let show = args.show_id.0;
    if sim.state.show(show).is_none() {
        return Err(format!("create_question: there is no show {show}"));
    }
    let products = sim.state.products.iter().filter(|p| p.show == show).map(|p| p.id);
    let products = if args.per_ticket { products.collect() } else { Vec::new() };
    let id = sim.state.id(Kind::Question);
    sim.state.questions.push(Question {
        id,
        show,
        title: args.title,
        kind: args.kind,
        belongs_to: if args.per_ticket { "PRODUCT" } else { "ORDER" },
        products,
        options: args.options,
        required: args.required,
        hidden: false,
        description: None,
    });
    Ok(json!({ "question_id": id }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditAnswer {
    order_id: Id,
    /// Title or id of the question.
    question: String,
    /// The ticket that was asked about; the order itself when absent.
    attendee_id: Option<Id>,
    answer: Value,
}

/// The provider tells nobody.
fn edit_answer(sim: &mut HiEventsSimulator, args: &EditAnswer) -> Result<Value, String> {
    let id = args.order_id.0;
    let show = sim.state.order(id).map(|o| o.show).ok_or_else(|| format!("edit_answer: there is no order {id}"))?;
    let (named, ticket) = (&args.question, args.attendee_id.map(|id| id.0));
    let belongs_to = if ticket.is_some() { "PRODUCT" } else { "ORDER" };
    let asked: Vec<u64> = sim
        .state
        .questions
        .iter()
        .filter(|q| q.show == show && q.belongs_to == belongs_to && (q.title == *named || q.id.to_string() == *named))
        .map(|q| q.id)
        .collect();
    let order = sim.state.order_mut(id);
    let found = order.and_then(|o| o.answers.iter_mut().find(|a| asked.contains(&a.question) && a.ticket == ticket));
    let found = found.ok_or_else(|| format!("edit_answer: order {id} has no answer to '{named}'"))?;
    found.answer = args.answer.clone();
    Ok(json!({ "answer_id": found.id }))
}

fn create_promo(sim: &mut HiEventsSimulator, args: CreatePromo, now: Timestamp) -> Result<Value, String> {
    let id = args.show_id.0;
    let show = sim.state.show(id).ok_or_else(|| format!("create_promo: there is no show {id}"))?;
    let discount = match args.discount_type.as_str() {
        "PERCENTAGE" => Discount::Percentage(
            args.discount
                .as_f64()
                .filter(|d| (0.0..=100.0).contains(d))
                .ok_or("create_promo: discount: a percentage from 0 to 100")?,
        ),
        "FIXED" => Discount::Fixed(money(&args.discount, show.currency).map_err(|e| format!("create_promo: {e}"))?),
        other => {
            return Err(format!("create_promo: discount_type '{other}' is neither PERCENTAGE nor FIXED"));
        }
    };
    // Stored in lower case.
    let code = args.code.to_lowercase();
    let promo = sim.state.id(Kind::Promo);
    sim.state.promos.push(Promo {
        id: promo,
        show: id,
        code: code.clone(),
        discount,
        products: Vec::new(),
        expires_at: None,
        most: None,
        created_at: now,
        updated_at: now,
    });
    Ok(json!({ "code": code }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateAffiliate {
    show_id: Id,
    name: String,
    code: String,
}

fn create_affiliate(sim: &mut HiEventsSimulator, args: CreateAffiliate, now: Timestamp) -> Result<Value, String> {
    let show = args.show_id.0;
    if sim.state.show(show).is_none() {
        return Err(format!("create_affiliate: there is no show {show}"));
    }
    let id = sim.state.id(Kind::Affiliate);
    // Stored in upper case.
    let code = args.code.to_uppercase();
    sim.state.affiliates.push(Affiliate {
        id,
        show,
        name: args.name,
        code: code.clone(),
        email: None,
        status: "ACTIVE",
        created_at: now,
        updated_at: now,
    });
    Ok(json!({ "affiliate_id": id, "code": code }))
}

fn find_list(sim: &HiEventsSimulator, wanted: &Value) -> Result<u64, String> {
    let text = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    let list = sim.state.lists.iter().find(|l| l.short_id == text || l.id.to_string() == text || l.name == text);
    list.map(|l| l.id).ok_or_else(|| format!("there is no check-in list '{text}'"))
}

fn scan(
    sim: &mut HiEventsSimulator,
    command: &str,
    args: &ScanArgs,
    now: Timestamp,
    out: &mut Outbox,
) -> Result<Value, String> {
    let ticket = sim.state.ticket_by_code(&args.code).ok_or_else(|| format!("there is no ticket {}", args.code))?;
    let (ticket, show, status) = (ticket.id, ticket.show, ticket.status);
    let list = match &args.list {
        Some(list) => find_list(sim, list)?,
        None => {
            let list = sim.state.lists.iter().find(|l| l.show == show);
            list.map(|l| l.id).ok_or("the show has no check-in list")?
        }
    };
    if command == "undo_scan" {
        let found = sim.state.scan_of(ticket, list).map(|s| s.id);
        let id = found.ok_or_else(|| format!("{} is not checked in on this list", args.code))?;
        sim.undo_scan(id, now, out);
        return Ok(json!({ "check_in_id": id }));
    }
    if status != "ACTIVE" {
        return Err(format!("{} does not open the door: it is {status}", args.code));
    }
    let (id, duplicate) = sim.state.scan(ticket, list, now);
    // A repeated scan is told again, with the same id.
    sim.tell_scan("checkin.created", id, now, out);
    let at = sim.state.scans.iter().find(|s| s.id == id).map(|s| datetime(s.at));
    Ok(json!({ "check_in_id": id, "duplicate": duplicate, "at": at }))
}

impl HiEventsSimulator {
    pub(super) fn undo_scan(&mut self, id: u64, now: Timestamp, out: &mut Outbox) {
        if let Some(scan) = self.state.scans.iter_mut().find(|s| s.id == id) {
            scan.undone = true;
        }
        self.tell_scan("checkin.deleted", id, now, out);
    }
}
