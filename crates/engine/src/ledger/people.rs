//! Whom an event is about, and what they have allowed: the read model `consent` of flows. It is the same
//! whichever connection told the event, since a person's word does not belong to a shop.

use super::{CONSENT, LEDGER, consents_in};
use crate::engine::Inner;
use pasarela_domain::consent::Consents;
use pasarela_domain::{EntityRef, Phone};
use pasarela_flows::Flow;
use pasarela_store::Error;
use serde_json::Value;
use std::sync::Arc;

/// Where a payload names its person, the first that has an e-mail address or a phone.
const PLACES: [&str; 5] = ["/buyer", "/contact", "/ticket/holder", "/holder", ""];

impl Inner {
    /// Keyed hashes under which a person's word lies. The same as those by which an erasure finds them.
    pub(crate) fn people_of(&self, email: Option<&str>, phone: Option<&str>) -> Vec<String> {
        let hash = |name: &str, text: &str| {
            let subject = format!("{name}:{}", text.to_lowercase());
            format!("{:016x}", self.store.sealer().hash(&["subject", &subject]))
        };
        let email = email.map(|text| hash("email", text));
        email.into_iter().chain(phone.map(|text| hash("phone", text))).collect()
    }

    /// The same for a channel's own id of a person, where there is no phone.
    pub(super) fn channel_user(&self, id: &str) -> String {
        let subject = format!("channel_user_id:{}", id.to_lowercase());
        format!("{:016x}", self.store.sealer().hash(&["subject", &subject]))
    }

    /// What these come to together.
    pub(super) async fn consents(&self, people: &[String]) -> Result<Consents, Error> {
        let Some(ledger) = self.connection(LEDGER) else { return Ok(Consents::default()) };
        let wanted = people.iter().map(|person| (ledger.id, EntityRef::new(CONSENT, person))).collect();
        let (_, rows) = self.store.lookup(Vec::new(), wanted).await?;
        Ok(rows.into_iter().flatten().fold(Consents::default(), |mut all, row| {
            all.lay(consents_in(&row.data));
            all
        }))
    }

    /// The read model `consent` for an event with this payload, if a flow has use for it. Whoever is not known
    /// has allowed nothing.
    pub(crate) async fn consent_model(&self, flow: &Flow, data: &Value) -> Result<Option<Arc<Value>>, Error> {
        if !flow.models().contains(CONSENT) { Ok(None) } else { self.consent_of(data).await.map(Some) }
    }

    /// What the person of a payload has allowed.
    pub(crate) async fn consent_of(&self, data: &Value) -> Result<Arc<Value>, Error> {
        let text = |place: &Value, name: &str| {
            place.get(name).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let named = PLACES.iter().filter_map(|place| data.pointer(place)).find_map(|place| {
            let (email, phone) = (text(place, "email"), text(place, "phone"));
            (email.is_some() || phone.is_some()).then_some((email, phone))
        });
        let (email, phone) = named.unwrap_or_default();
        let phone = phone.and_then(|t| t.parse::<Phone>().ok());
        let people = self.people_of(email.as_deref(), phone.as_ref().map(Phone::as_e164));
        let consents = if people.is_empty() { Consents::default() } else { self.consents(&people).await? };
        let address = email.as_deref().or(phone.as_ref().map(Phone::as_e164));
        self.consent_seen(&consents, address).await
    }

    /// What flows see of a person's consent, with the addresses of their own pages.
    pub(crate) async fn consent_seen(&self, consents: &Consents, address: Option<&str>) -> Result<Arc<Value>, Error> {
        let now = self.clock.now();
        let mut seen = serde_json::to_value(consents.view(&*self.texts().await?, now)).unwrap_or_default();
        if let (Some(address), Some(fields)) = (address, seen.as_object_mut()) {
            fields.insert("address".into(), address.into());
            fields.insert("now".into(), now.as_second().into());
            self.catalog.complete(LEDGER, CONSENT, &mut seen);
            if let Some(fields) = seen.as_object_mut() {
                fields.remove("address");
                fields.remove("now");
            }
        }
        Ok(Arc::new(seen))
    }
}
