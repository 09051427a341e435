//! What a ticket shows, taken out of the read models `ticket`, `show` and `order`.

use crate::words::t;
use jiff::Timestamp;
use pasarela_colombia::{Lang, calendar};
use serde_json::Value;

/// Does it open the door?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// Yes.
    #[default]
    Valid,
    /// It has opened it already.
    Used,
    /// Not before it is paid.
    AwaitingPayment,
    /// No more.
    Cancelled,
}

impl State {
    /// Is the code shown? Hi.Events hides it while a ticket opens nothing, and so do we.
    #[must_use]
    pub fn shows_code(self) -> bool {
        matches!(self, Self::Valid | Self::Used)
    }

    /// Stem of its texts.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Used => "used",
            Self::AwaitingPayment => "unpaid",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a ticket shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Boleta {
    /// Code that people read aloud: `A-7KQ2M9X`.
    pub code: String,
    /// What the QR holds: the code, as Hi.Events makes it, or the signed form.
    pub qr: String,
    /// Title of the show.
    pub show: String,
    /// When it begins.
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// Name of the place.
    pub venue: Option<String>,
    /// Street and city, as one text.
    pub address: Option<String>,
    /// Who comes with it.
    pub holder: String,
    /// What was bought: `VIP`, `General`.
    pub tier: Option<String>,
    /// Number of the order.
    pub order: Option<String>,
    /// Who sells, with its NIT.
    pub seller: Option<String>,
    /// Its page.
    pub link: Option<String>,
    /// Does it open the door?
    pub state: State,
}

impl Boleta {
    /// Out of the read models. `None`: the ticket has no code, so there is nothing to show.
    #[must_use]
    pub fn read(ticket: &Value, show: &Value, order: &Value) -> Option<Self> {
        let code = text(ticket, "/code")?;
        let moment = |pointer: &str| show.pointer(pointer).and_then(Value::as_str).and_then(|t| t.parse().ok());
        let address = [text(show, "/venue/address"), text(show, "/venue/city")];
        let address: Vec<String> = address.into_iter().flatten().collect();
        let cancelled = matches!(text(order, "/status").as_deref(), Some("cancelled"));
        let state = match text(ticket, "/status").as_deref() {
            Some("cancelled") => State::Cancelled,
            _ if cancelled => State::Cancelled,
            Some("awaiting_payment") => State::AwaitingPayment,
            _ => State::Valid,
        };
        Some(Self {
            qr: text(ticket, "/qr").unwrap_or_else(|| code.clone()),
            code,
            show: text(show, "/title").unwrap_or_default(),
            starts_at: moment("/starts_at"),
            ends_at: moment("/ends_at"),
            venue: text(show, "/venue/name"),
            address: (!address.is_empty()).then(|| address.join(", ")),
            holder: text(ticket, "/holder/name").unwrap_or_default(),
            tier: text(ticket, "/title").or_else(|| tier(ticket, order)).map(|t| without(&t, show)),
            order: text(order, "/number"),
            seller: text(ticket, "/seller"),
            link: text(ticket, "/link"),
            state,
        })
    }

    /// "viernes 27 de noviembre, 7:00 p. m.", or that it is not known yet.
    #[must_use]
    pub fn when(&self, lang: Lang) -> String {
        self.starts_at.map_or_else(|| t("when.open", lang).to_owned(), |at| calendar::date_time(at, lang))
    }

    /// The same for pages that break lines: an hour stays whole.
    #[must_use]
    pub fn when_whole(&self, lang: Lang) -> String {
        let when = self.when(lang);
        [" a. m.", " p. m.", " AM", " PM"]
            .iter()
            .fold(when, |text, half| text.replace(half, &half.replace(' ', "\u{a0}")))
    }

    /// Place and address, as far as they are known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let parts: Vec<&str> = [self.venue.as_deref(), self.address.as_deref()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Name of a file of it, without its ending: `boleta-A-7KQ2M9X`.
    #[must_use]
    pub fn file_name(&self, lang: Lang) -> String {
        let code: String = self.code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        format!("{}-{code}", t("file", lang))
    }
}

/// What the order calls the ticket's product, where one line only can be meant.
#[must_use]
pub fn tier(ticket: &Value, order: &Value) -> Option<String> {
    let product = ticket.pointer("/product_id").filter(|p| p.is_string())?;
    let mut lines = order.pointer("/lines")?.as_array()?.iter().filter(|l| l.get("product_id") == Some(product));
    let first = lines.next()?;
    lines.next().is_none().then(|| text(first, "/title")).flatten()
}

/// "Noche de Lino - VIP" is "VIP" on a ticket for Noche de Lino.
fn without(tier: &str, show: &Value) -> String {
    let title = text(show, "/title").unwrap_or_default();
    let rest = tier
        .strip_prefix(&title)
        .filter(|_| !title.is_empty())
        .map(|r| r.trim_start_matches([' ', '-', '–', ':', '·']));
    rest.filter(|r| !r.is_empty()).unwrap_or(tier).to_owned()
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_ticket_is_read_out_of_what_is_known_and_what_is_not_is_left_out() {
        let ticket =
            json!({ "code": "A-7KQ2M9X", "status": "active", "product_id": "9", "holder": { "name": "Ana Ruiz" } });
        let show =
            json!({ "title": "Noche de Lino", "starts_at": "2026-11-28T00:00:00Z", "venue": { "city": "Bogotá" } });
        let line = |id: &str, title: &str| json!({ "product_id": id, "title": title });
        let order = json!({ "number": "O-1", "lines": [line("9", "VIP"), line("8", "General")] });
        let boleta = Boleta::read(&ticket, &show, &order).unwrap();
        assert_eq!(boleta.when(Lang::Es), "viernes 27 de noviembre, 7:00 p. m.");
        assert_eq!((boleta.place().as_deref(), boleta.tier.as_deref()), (Some("Bogotá"), Some("VIP")));
        assert_eq!(boleta.qr, "A-7KQ2M9X");
        // Two tiers of one product cannot be told apart: none is better than the wrong one.
        let order = json!({ "lines": [line("9", "VIP"), line("9", "General")] });
        assert_eq!(Boleta::read(&ticket, &show, &order).unwrap().tier, None);
        let bare = Boleta::read(&json!({ "code": "A-1" }), &Value::Null, &Value::Null).unwrap();
        assert_eq!(bare.when(Lang::Es), "fecha por confirmar");
        assert_eq!(Boleta::read(&json!({}), &show, &Value::Null), None);
        assert_eq!(bare.file_name(Lang::En), "ticket-A-1");
    }

    #[test]
    fn a_code_from_outside_is_no_path_and_no_header_in_a_files_name() {
        let named = |code: &str| Boleta::read(&json!({ "code": code }), &Value::Null, &Value::Null).unwrap();
        assert_eq!(named("../../etc/cron.d/x").file_name(Lang::Es), "boleta-etccrondx");
        assert_eq!(
            named("A\"; filename=\"b.html\r\nset-cookie: c").file_name(Lang::Es),
            "boleta-Afilenamebhtmlset-cookiec"
        );
    }

    #[test]
    fn a_tier_does_not_say_the_show_again_and_an_hour_stays_whole() {
        let show = json!({ "title": "Lino", "starts_at": "2026-11-28T00:00:00Z" });
        let tier = |title: &str| Boleta::read(&json!({ "code": "A-1", "title": title }), &show, &Value::Null).unwrap();
        assert_eq!(tier("Lino - VIP").tier.as_deref(), Some("VIP"));
        assert_eq!(tier("Lino").tier.as_deref(), Some("Lino"));
        assert_eq!(tier("General").tier.as_deref(), Some("General"));
        assert!(tier("x").when_whole(Lang::Es).ends_with("7:00\u{a0}p.\u{a0}m."));
        assert!(tier("x").when_whole(Lang::En).ends_with("7:00\u{a0}PM"));
    }

    #[test]
    fn a_cancelled_order_cancels_its_tickets_whatever_they_say_themselves() {
        let read = |ticket: &str, order: &str| {
            Boleta::read(&json!({ "code": "A-1", "status": ticket }), &Value::Null, &json!({ "status": order }))
                .unwrap()
                .state
        };
        assert_eq!(read("active", "paid"), State::Valid);
        assert_eq!(read("active", "cancelled"), State::Cancelled);
        assert_eq!(read("cancelled", "paid"), State::Cancelled);
        assert_eq!(read("awaiting_payment", "placed"), State::AwaitingPayment);
        assert!(!State::Cancelled.shows_code() && !State::AwaitingPayment.shows_code() && State::Used.shows_code());
    }
}
