//! What the hub has and the provider does not show any more: only told, never undone. A record that is
//! gone there may have been deleted, moved, or be hidden from the user that the hub logs in as.

use super::report::{Difference, Finding, Report};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use pasarela_domain::EntityRef;
use pasarela_store::Error;
use std::collections::HashSet;

/// Records of the hub that are compared at a time.
const PAGE: u32 = 500;

impl Inner {
    /// Compares the hub's records of the kinds that the task shows whole with those that were seen.
    pub(super) async fn find_extra(
        &self,
        connection: &ConnectionRuntime,
        kinds: &[&str],
        seen: &HashSet<EntityRef>,
        report: &mut Report,
    ) -> Result<(), Error> {
        report.extra = Some(0);
        for kind in kinds {
            let mut after = String::new();
            loop {
                let ids = self.store.entity_ids(connection.id, kind, &after, PAGE).await?;
                let Some(last) = ids.last().cloned() else { break };
                for id in ids {
                    let record = EntityRef::new(*kind, id);
                    if !seen.contains(&record) {
                        report.found(Finding {
                            difference: Difference::Extra,
                            record,
                            facts: Vec::new(),
                            delivery_id: None,
                        });
                    }
                }
                after = last;
            }
        }
        Ok(())
    }
}
