//! Lists of consents that were given elsewhere (colombia.md 1.1, "Imports").
//!
//! Promise: each row is taken in or refused by itself, with its reason, and a list that is sent again changes
//! nothing. A yes without proof of its own is refused: for a sale it may rest on a contract that is named, for
//! advertising on nothing but the person's own act.

use super::{LedgerError, Recorded, Statement};
use crate::engine::Inner;
use pasarela_domain::consent::ConsentState;
use pasarela_store::deed;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Rows that are on their way at once: enough to fill the writer's groups.
const AT_ONCE: usize = 256;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Recorded.
    Accepted,
    /// It was recorded before.
    Known,
    /// Not recorded.
    Refused,
}

/// A row and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ImportedRow {
    /// Line, as the caller named it.
    pub line: u64,
    /// What became of it.
    pub state: RowState,
    /// Id of its record.
    pub id: Option<String>,
    /// Why it was refused.
    pub why: Option<String>,
}

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "ConsentImport")]
pub struct ImportReport {
    /// Rows recorded now.
    pub accepted: usize,
    /// Rows recorded before.
    pub known: usize,
    /// Rows that were not recorded.
    pub refused: usize,
    /// Each row, in the order of the list.
    pub rows: Vec<ImportedRow>,
}

impl Inner {
    /// Takes in a list: lines and their statements.
    pub(crate) async fn import_consents(
        self: &Arc<Self>,
        rows: Vec<(u64, Value)>,
    ) -> Result<ImportReport, LedgerError> {
        let mut report = ImportReport { rows: Vec::with_capacity(rows.len()), ..ImportReport::default() };
        for some in rows.chunks(AT_ONCE) {
            let begun: Vec<_> = some
                .iter()
                .map(|(line, told)| {
                    let (inner, line, told) = (self.clone(), *line, told.clone());
                    (line, tokio::spawn(deed::inherited(async move { inner.import_row(told).await })))
                })
                .collect();
            for (line, row) in begun {
                let done = row.await.map_err(|e| LedgerError::Busy(format!("a row was not taken in: {e}")))?;
                let row = match done {
                    Ok(done) => {
                        let state = if done.repeated { RowState::Known } else { RowState::Accepted };
                        ImportedRow { line, state, id: Some(done.record.id), why: None }
                    }
                    Err(LedgerError::Invalid(why)) => {
                        ImportedRow { line, state: RowState::Refused, id: None, why: Some(why) }
                    }
                    // The rest of the list would meet the same; sent again, what is in is known.
                    Err(e) => return Err(e),
                };
                match row.state {
                    RowState::Accepted => report.accepted += 1,
                    RowState::Known => report.known += 1,
                    RowState::Refused => report.refused += 1,
                }
                report.rows.push(row);
            }
        }
        Ok(report)
    }

    async fn import_row(self: &Arc<Self>, told: Value) -> Result<Recorded, LedgerError> {
        // The row itself is its key: the same row is the same record.
        let hash = self.store.sealer().hash_bytes(told.to_string().as_bytes());
        let statement: Statement = serde_json::from_value(told).map_err(|e| LedgerError::Invalid(e.to_string()))?;
        if statement.state == ConsentState::Given && statement.evidence.at.is_none() {
            return Err(LedgerError::Invalid("evidence.at is missing: when did the person say so?".into()));
        }
        self.take_in(statement, Some(&format!("import:{hash:016x}")), true).await
    }
}
