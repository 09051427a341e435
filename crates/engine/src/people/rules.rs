//! Other rules of ownership reach everybody, also those of whom nothing is heard.
//!
//! Beside the map lies by which rules it was told last. Where the hub's are others, all histories are gone through, some
//! in each transaction with the place, when the log has been read to its end: a crash goes on where it was, another node
//! takes over, and what is heard meanwhile never waits longer than for one step. Who comes to the same is passed over.

use super::GROUP;
use super::feed::Reached;
use super::table::Table;
use crate::engine::Inner;
use crate::standing::hash_of;
use pasarela_domain::PersonId;
use pasarela_store::Error;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Name of the place.
const RULES: &str = "rules";
/// Histories of one step.
const STEP: u32 = 100;

/// By which rules persons are told, and how far those were told to who was there before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Walk {
    mark: String,
    /// The last history that was looked at; `None`: all were.
    after: Option<String>,
}

/// What this node knows of it.
#[derive(Default)]
pub(super) enum Rules {
    /// Nothing yet.
    #[default]
    Unread,
    /// It is on its way; the version of the place.
    Going(i64, Walk),
    /// Everybody was told by these rules.
    Through,
}

impl Inner {
    /// Looks at some persons by the rules of now; `true`: there are more.
    pub(super) async fn walk_by_rules(self: &Arc<Self>, rules: &mut Rules) -> Result<bool, Error> {
        let Some(mark) = self.people.rules.as_ref().map(|rules| rules.mark()) else { return Ok(false) };
        let (version, mut walk) = match std::mem::take(rules) {
            Rules::Through => {
                *rules = Rules::Through;
                return Ok(false);
            }
            Rules::Going(version, walk) => (version, walk),
            Rules::Unread => self.reached::<Walk>(RULES).await?,
        };
        if walk.mark != mark {
            walk = Walk { mark, after: Some(String::new()) };
        }
        let Some(after) = walk.after.take() else {
            *rules = Rules::Through;
            return Ok(false);
        };
        let ids = self.store.entity_ids(self.own_connection()?, GROUP, &after, STEP).await?;
        walk.after = ids.last().filter(|_| ids.len() == STEP as usize).cloned();
        let roots: Vec<PersonId> = ids.iter().filter_map(|id| hash_of(id)).map(PersonId::from_raw).collect();
        let _turn = self.people.turn.lock().await;
        let now = self.clock.now();
        let mut table = Table::new(self)?;
        table.tell_all(&roots, now).await?;
        self.fail_point("before_people");
        if table.commit(Some(Reached::new(RULES, version, &walk)), now).await? {
            let more = walk.after.is_some();
            *rules = if more { Rules::Going(version + 1, walk) } else { Rules::Through };
            return Ok(more);
        }
        Ok(true)
    }
}
