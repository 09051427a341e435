//! What the hub has and the provider does not show any more. A record that is gone there may have been deleted, moved,
//! or be hidden from the user that the hub logs in as; so it is only told, unless the provider says by itself, when it
//! is asked for that one, that there is none: then the deletion is a fact like another.

use super::report::{Difference, Finding, Report};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use crate::lanes::Slot;
use pasarela_connector::{Ctx, Record};
use pasarela_domain::EntityRef;
use pasarela_store::Error;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Records of the hub that are compared at a time.
const PAGE: u32 = 500;

/// Records that one reading asks for by themselves at most; what is beyond is told, and asked for the next time.
const MOST_ASKED: u32 = 200;

impl Inner {
    /// Compares the hub's records of the kinds that the task shows whole with those that were seen.
    pub(super) async fn find_extra(
        &self,
        connection: &Arc<ConnectionRuntime>,
        kinds: &[&str],
        seen: &HashSet<EntityRef>,
        report: &mut Report,
    ) -> Result<(), Error> {
        report.extra = Some(0);
        let mut asked = 0;
        for kind in kinds {
            let mut after = String::new();
            loop {
                let ids = self.store.entity_ids(connection.id, kind, &after, PAGE).await?;
                let Some(last) = ids.last().cloned() else { break };
                for id in ids {
                    let record = EntityRef::new(*kind, id);
                    if seen.contains(&record) || self.is_known_deleted(connection, &record).await? {
                        continue;
                    }
                    if asked < MOST_ASKED
                        && let Some(request) = connection.connector().look_for(&record)
                    {
                        asked += 1;
                        report.calls += 1;
                        if let Some(gone) = self.told_gone(connection, &record, &request).await {
                            self.take_record(connection, &gone, None, report).await?;
                            continue;
                        }
                    }
                    report.found(Finding {
                        difference: Difference::Extra,
                        record,
                        facts: Vec::new(),
                        delivery_id: None,
                    });
                }
                after = last;
            }
        }
        Ok(())
    }

    /// Has the hub heard already that it was deleted? Its read model says so.
    async fn is_known_deleted(&self, connection: &ConnectionRuntime, record: &EntityRef) -> Result<bool, Error> {
        let (_, rows) = self.store.lookup(Vec::new(), vec![(connection.id, record.clone())]).await?;
        let row = rows.into_iter().next().flatten();
        let data = row.and_then(|row| serde_json::from_slice::<Value>(&row.data).ok());
        Ok(data.is_some_and(|data| data.get("deleted") == Some(&Value::Bool(true))))
    }

    /// Asks for one record. `None`: it is there, or nobody can say.
    async fn told_gone(
        &self,
        connection: &Arc<ConnectionRuntime>,
        record: &EntityRef,
        request: &pasarela_connector::Request,
    ) -> Option<Record> {
        self.room_for_reading().await;
        self.budget(connection).await.ok()?;
        self.slot(connection).await.ok()?;
        let sent = self.send(connection, request).await;
        let up = sent.as_ref().is_ok_and(|answer| answer.status < 500);
        connection.lock_lanes(|l| l.release_slot(Slot::Shared, Some(up), self.clock.now()));
        connection.wake.notify_one();
        let key = format!("gone:{}:{}", connection.name(), record.kind);
        let ctx = Ctx { now: self.clock.now(), key: &key, attempt: 1 };
        connection.connector().gone(record, &sent.ok()?, &ctx)
    }
}
