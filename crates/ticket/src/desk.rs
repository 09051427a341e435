//! Whoever hands tickets out: knows the keys, the public address and who sells, and completes what is
//! known of a ticket with what the hub makes of it.

use crate::boleta::tier;
use crate::pass::{Opens, Pass, PassKeys};
use crate::token::{Claims, Error, Keyring, Signer, Tag};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::{Arc, RwLock};

/// What the QR of a ticket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Square {
    /// The ticketing system's own code, so that its scanner reads it.
    #[default]
    Provider,
    /// The signed form, for a door that verifies it without a network.
    Signed,
}

/// Hands tickets out.
#[derive(Debug)]
pub struct Desk {
    /// Address of the public pages, without a trailing slash.
    address: String,
    seller: Option<String>,
    square: Square,
    keys: RwLock<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    signer: Option<Arc<Signer>>,
    ring: Keyring,
    passes: PassKeys,
}

/// How long a link to what the hub holds about a person works.
const DATA_LIFE: SignedDuration = SignedDuration::from_hours(24);

impl Desk {
    /// Without keys yet: nothing is signed, and nothing believed.
    #[must_use]
    pub fn new(address: &str, seller: Option<String>, square: Square) -> Self {
        let address = address.trim_end_matches('/').to_owned();
        Self { address, seller, square, keys: RwLock::default() }
    }

    /// From now on the last of these seeds signs, and all are believed.
    pub fn use_keys<S: AsRef<[u8]>>(&self, seeds: &[S]) -> Result<(), Error> {
        let signers = seeds.iter().map(|s| Signer::new(s.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let ring = Keyring::new(signers.iter().map(Signer::public_key));
        let keys = Keys { signer: signers.into_iter().next_back().map(Arc::new), ring, passes: PassKeys::new(seeds) };
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
        Ok(())
    }

    /// What a token says, if it is true.
    pub fn open(&self, token: &str) -> Result<Claims, Error> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).ring.open(token)
    }

    /// Signs a ticket. `None`: there is no key, or its ids are too long for a token.
    #[must_use]
    pub fn token(&self, connection: &str, ticket: &str, show: &str) -> Option<String> {
        let signer = self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).signer.clone()?;
        let claims = Claims { connection: Tag::of(connection), ticket: ticket.to_owned(), show: show.to_owned() };
        signer.sign(&claims).ok()
    }

    /// Address of a token's page.
    #[must_use]
    pub fn link(&self, token: &str) -> String {
        format!("{}/b/{token}", self.address)
    }

    /// Address of a person's own page: of their preferences for good, of their data for a day. `None`: there is no
    /// key.
    #[must_use]
    pub fn own_page(&self, opens: Opens, address: &str, now: Timestamp) -> Option<String> {
        let (path, until) = match opens {
            Opens::Preferences => ("preferencias", None),
            Opens::Data => ("mis-datos", now.checked_add(DATA_LIFE).ok()),
        };
        let pass = Pass { opens, address: address.to_owned(), until };
        let keys = self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(format!("{}/{path}/{}", self.address, keys.passes.seal(&pass)?))
    }

    /// Who may see their own page with this pass.
    #[must_use]
    pub fn open_pass(&self, text: &str, now: Timestamp) -> Option<Pass> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).passes.open(text, now)
    }

    /// Address of the public pages.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Who sells, as the configuration says.
    #[must_use]
    pub fn seller(&self) -> Option<&str> {
        self.seller.as_deref()
    }

    /// What a person has allowed gets the addresses of their pages.
    fn consent(&self, model: &mut Value) -> bool {
        let address = model.get("address").and_then(Value::as_str).map(str::to_owned);
        let now = model.get("now").and_then(Value::as_i64).and_then(|second| Timestamp::from_second(second).ok());
        let (Some(address), Some(now), Some(fields)) = (address, now, model.as_object_mut()) else { return false };
        fields.insert("preferences".into(), json!(self.own_page(Opens::Preferences, &address, now)));
        fields.insert("my_data".into(), json!(self.own_page(Opens::Data, &address, now)));
        true
    }

    /// Completes a read model: a `consent`, a `ticket`, or an `order` with the tickets in it. False: it is neither.
    #[must_use]
    pub fn complete(&self, connection: &str, kind: &str, model: &mut Value) -> bool {
        match kind {
            "consent" => self.consent(model),
            "ticket" => self.ticket(connection, model, None),
            "order" => {
                let titles: Vec<Option<String>> = tickets(model).map(|t| tier(t, model)).collect();
                let Some(tickets) = model.get_mut("tickets").and_then(Value::as_array_mut) else { return false };
                tickets.iter_mut().zip(titles).for_each(|(ticket, title)| {
                    self.ticket(connection, ticket, title);
                });
                true
            }
            _ => false,
        }
    }

    fn ticket(&self, connection: &str, ticket: &mut Value, title: Option<String>) -> bool {
        let text = |name: &str| ticket.get(name).and_then(Value::as_str).unwrap_or_default();
        let token = self.token(connection, text("id"), text("show_id"));
        let square = match (self.square, &token) {
            (Square::Signed, Some(token)) => token.clone(),
            _ => text("code").to_owned(),
        };
        let Some(fields) = ticket.as_object_mut() else { return false };
        fields.insert("link".into(), json!(token.map(|t| self.link(&t))));
        fields.insert("qr".into(), json!(square));
        fields.insert("seller".into(), json!(self.seller));
        fields.insert("title".into(), json!(title));
        true
    }
}

fn tickets(order: &Value) -> impl Iterator<Item = &Value> {
    order.get("tickets").and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(square: Square) -> Desk {
        let desk = Desk::new("https://boletas.fashionistas.example/", Some("Fashionistas S.A.S.".into()), square);
        desk.use_keys(&[[1; 32], [2; 32]]).unwrap();
        desk
    }

    #[test]
    fn a_ticket_gets_its_link_and_an_order_each_of_its_tickets() {
        let ticket = json!({ "id": "4471", "code": "A-7KQ2M9X", "show_id": "41", "product_id": "9" });
        let mut order = json!({ "tickets": [ticket], "lines": [{ "product_id": "9", "title": "VIP" }] });
        assert!(desk(Square::Provider).complete("boleteria", "order", &mut order));
        let done = &order["tickets"][0];
        let link = done["link"].as_str().unwrap();
        let token = link.strip_prefix("https://boletas.fashionistas.example/b/").unwrap();
        assert_eq!(desk(Square::Signed).open(token).unwrap().ticket, "4471", "every node and every start agrees");
        assert_eq!(
            (&done["qr"], &done["title"], &done["seller"]),
            (&json!("A-7KQ2M9X"), &json!("VIP"), &json!("Fashionistas S.A.S."))
        );
        let mut alone = ticket.clone();
        assert!(desk(Square::Signed).complete("boleteria", "ticket", &mut alone));
        assert_eq!(alone["link"], done["link"]);
        assert_eq!((&alone["qr"], &alone["title"]), (&json!(token), &Value::Null));
        assert!(!desk(Square::Signed).complete("boleteria", "show", &mut json!({})));
        let mut consent = json!({ "marketing": false, "address": "laura@correo.example", "now": 1_795_000_000 });
        assert!(desk(Square::Signed).complete("pasarela", "consent", &mut consent));
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        for (name, path, opens) in
            [("preferences", "preferencias", Opens::Preferences), ("my_data", "mis-datos", Opens::Data)]
        {
            let front = format!("https://boletas.fashionistas.example/{path}/");
            let pass = consent[name].as_str().unwrap().strip_prefix(&front).unwrap();
            let opened = desk(Square::Provider).open_pass(pass, now).unwrap();
            assert_eq!((opened.opens, opened.address.as_str()), (opens, "laura@correo.example"));
        }
    }

    #[test]
    fn the_last_key_signs_and_the_earlier_ones_are_still_believed() {
        let desk = Desk::new("https://x.example", None, Square::Provider);
        assert_eq!(desk.token("boleteria", "1", "2"), None, "without a key nothing is signed");
        desk.use_keys(&[[1; 32]]).unwrap();
        let old = desk.token("boleteria", "1", "2").unwrap();
        desk.use_keys(&[[1; 32], [2; 32]]).unwrap();
        let new = desk.token("boleteria", "1", "2").unwrap();
        assert_ne!(old, new);
        assert_eq!(desk.open(&old).unwrap(), desk.open(&new).unwrap());
        desk.use_keys(&[[2; 32]]).unwrap();
        assert!(matches!(desk.open(&old), Err(Error::UnknownKey(_))));
        assert!(desk.use_keys(&[[1; 31]]).is_err());
    }
}
