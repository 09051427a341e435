//! Requests for a link to one's own page: a person names an address, and the link goes to that address.
//!
//! Promise: a request becomes the event `person.link_requested`, whether the address is known or not, and one an
//! hour for each address, however often it is asked for. What is sent, a flow says (`mis-datos-enlace`).

use super::{LEDGER, LedgerError};
use crate::accept::Admission;
use crate::engine::Inner;
use pasarela_connector::{Fact, Source, Translation, Unread};
use pasarela_domain::model::{Contact, LinkRequest};
use pasarela_domain::{EmailAddress, Phone};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What lies in such a delivery.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    link_request: LinkRequest,
    person: String,
    hour: i64,
}

impl Inner {
    /// Takes in a request of whoever names this address, in this language.
    pub(crate) async fn request_link(self: &Arc<Self>, address: &str, language: &str) -> Result<(), LedgerError> {
        let ledger = self.connection(LEDGER).ok_or_else(|| LedgerError::Busy("the ledger is not there".into()))?;
        let now = self.clock.now();
        let (email, phone) = (address.parse::<EmailAddress>().ok(), address.parse::<Phone>().ok());
        let people = self.people_of(email.as_ref().map(EmailAddress::as_str), phone.as_ref().map(Phone::as_e164));
        let Some(person) = people.into_iter().next() else {
            let why = "this is neither an e-mail address nor a phone in international form (+573001234567)";
            return Err(LedgerError::Invalid(why.into()));
        };
        let hour = now.as_second() / 3600;
        let contact = Contact { email, phone, language: Some(language.to_owned()), ..Contact::default() };
        let asked = Asked { link_request: LinkRequest { contact }, person, hour };
        let body = serde_json::to_vec(&asked).map_err(|e| LedgerError::Invalid(e.to_string()))?;
        let packed = crate::pack::pack(std::iter::empty(), &body);
        let nonce = Some(format!("link:{}:{hour}", asked.person));
        match self.clone().keep_inbound(ledger, Source::Import, body.into(), packed, nonce, now).await {
            Admission::Accepted(_) | Admission::Known => Ok(()),
            Admission::Busy(why) => Err(LedgerError::Busy(why)),
            other => Err(LedgerError::Busy(format!("the request was not taken in: {other:?}"))),
        }
    }
}

/// What such a delivery says; `None`: it is another one.
pub(super) fn translate(body: &[u8]) -> Option<Result<Translation, Unread>> {
    let asked: Asked = serde_json::from_slice(body).ok()?;
    let id = format!("{}:{}", asked.person, asked.hour);
    let data = match serde_json::to_value(&asked.link_request) {
        Ok(data) => data,
        Err(e) => return Some(Err(e.into())),
    };
    let fact = Fact::once("person.link_requested", format!("person:{}", asked.person), id, "", data);
    Some(Ok(Translation { items: vec![fact.into()] }))
}
