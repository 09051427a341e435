//! A person wrote: their conversation with this connection is open from that moment on.

use super::Draft;
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::standing::{STANDING, hash_of, read_standing};
use jiff::Timestamp;
use pasarela_domain::EntityRef;
use pasarela_store::{Error, FactWrite, hash_name};
use serde_json::Value;

/// The event that opens a conversation.
const RECEIVED: &str = "message.received";

impl Inner {
    /// Notes when a person wrote, in the transaction that writes the event.
    pub(super) async fn heard(
        &self,
        connection: &ConnectionRuntime,
        event_type: &str,
        data: &Value,
        at: Timestamp,
        write: &mut FactWrite,
        draft: &mut Draft,
    ) -> Result<(), Error> {
        if event_type != RECEIVED {
            return Ok(());
        }
        let own = self.own_connection()?;
        for address in self.addresses_of(data) {
            let name = hash_name(address);
            let entity = EntityRef::new(STANDING, &name);
            let (version, mut standing) = match draft.standings.get(&name) {
                Some(known) => known.clone(),
                None => {
                    let (_, rows) = self.store.lookup(Vec::new(), vec![(own, entity)]).await?;
                    let row = rows.into_iter().flatten().next();
                    row.map_or_else(Default::default, |row| (row.version, read_standing(&row)))
                }
            };
            let heard = standing.heard.entry(connection.name().to_owned()).or_insert(Timestamp::MIN);
            if *heard >= at {
                continue;
            }
            *heard = at;
            let mut upsert = self.standing_write(own, &name, None, &standing);
            upsert.expected = version;
            write.entities.push(upsert);
            draft.standings.insert(name, (version + 1, standing));
        }
        Ok(())
    }

    /// Keyed hashes of the addresses by which the writer of a message can be answered.
    fn addresses_of(&self, data: &Value) -> Vec<i64> {
        let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).filter(|t| !t.is_empty());
        let people = self.people_of(text("/contact/email"), text("/contact/phone"));
        let mut all: Vec<i64> = people.iter().filter_map(|p| hash_of(p)).collect();
        let user =
            text("/channel_user_id").map(|id| self.subject_hash(&format!("channel_user_id:{}", id.to_lowercase())));
        all.extend(user);
        all
    }
}
