//! Statements without a name, whose parameters carry their types: nothing is prepared, so that each
//! may go through a proxy that lends a server for one transaction only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

/// A parameter and its type.
pub(super) struct Param<'a> {
    value: Box<dyn ToSql + Sync + Send + 'a>,
    kind: Type,
}

/// A statement, ready to be sent.
pub(super) struct Statement<'a> {
    sql: String,
    params: Vec<Param<'a>>,
    /// Where each run leaves the number of rows that it touched: the last one is the one that counts.
    told: Option<Arc<AtomicU64>>,
}

/// What a statement gave back, and how many rows it touched.
pub(super) struct Ran {
    pub(super) rows: Vec<Row>,
    pub(super) touched: u64,
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: impl Into<String>, params: Vec<Param<'a>>) -> Self {
        Self { sql: sql.into(), params, told: None }
    }

    /// The same change, which fails when another number of rows comes back than is wanted: by a division
    /// by zero, since SQL has no plainer way to refuse.
    pub(super) fn demanding(self, rows: usize) -> Self {
        let sql = format!("WITH changed AS ({}) SELECT 1 / (count(*) = {rows})::int FROM changed", self.sql);
        Self { sql, ..self }
    }

    /// The same, which leaves the number of rows that it touched where its caller finds it.
    pub(super) fn telling(self, told: Arc<AtomicU64>) -> Self {
        Self { told: Some(told), ..self }
    }

    /// One round trip. Statements whose futures are polled together travel together.
    pub(super) async fn run(&self, client: &Client) -> Result<Ran, tokio_postgres::Error> {
        #[cfg(test)]
        self.explain(client).await?;
        let ran = self.send(client, &self.sql).await?;
        if let Some(told) = &self.told {
            told.store(ran.touched, Ordering::Relaxed);
        }
        Ok(ran)
    }

    async fn send(&self, client: &Client, sql: &str) -> Result<Ran, tokio_postgres::Error> {
        use futures_util::TryStreamExt as _;
        let params = self.params.iter().map(|p| (&*p.value as &(dyn ToSql + Sync), p.kind.clone()));
        let stream = client.query_typed_raw(sql, params.collect::<Vec<_>>()).await?;
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        let touched = stream.rows_affected().unwrap_or(0);
        Ok(Ran { rows, touched })
    }
}

#[cfg(test)]
tokio::task_local! {
    /// Where a test wants the plans of the statements that it runs: each with its text, and, for a mere
    /// read, with the pages that it touched.
    pub(super) static PLANS: std::cell::RefCell<Vec<(String, Vec<String>)>>;
}

#[cfg(test)]
impl Statement<'_> {
    async fn explain(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let how = match self.sql.split_whitespace().next() {
            Some("SELECT") => "(ANALYZE, BUFFERS, TIMING OFF)",
            // Not carried out a second time.
            Some("INSERT" | "UPDATE" | "DELETE" | "WITH") => "",
            _ => return Ok(()),
        };
        if PLANS.try_with(|_| ()).is_err() {
            return Ok(());
        }
        let ran = self.send(client, &format!("EXPLAIN {how} {}", self.sql)).await?;
        let lines = ran.rows.iter().map(|r| r.try_get(0)).collect::<Result<Vec<String>, _>>()?;
        PLANS.with(|plans| plans.borrow_mut().push((self.sql.clone(), lines)));
        Ok(())
    }
}

fn param<'a>(value: impl ToSql + Sync + Send + 'a, kind: Type) -> Param<'a> {
    Param { value: Box::new(value), kind }
}

/// A number.
pub(super) fn int<'a>(value: impl Into<i64>) -> Param<'a> {
    param(value.into(), Type::INT8)
}
/// A text.
pub(super) fn text<'a>(value: impl Into<String>) -> Param<'a> {
    param(value.into(), Type::TEXT)
}
/// Bytes.
pub(super) fn bytes<'a>(value: Vec<u8>) -> Param<'a> {
    param(value, Type::BYTEA)
}
/// Bytes, or none.
pub(super) fn maybe_bytes<'a>(value: Option<Vec<u8>>) -> Param<'a> {
    param(value, Type::BYTEA)
}
/// A truth.
pub(super) fn flag<'a>(value: bool) -> Param<'a> {
    param(value, Type::BOOL)
}
/// A column of numbers.
pub(super) fn ints<'a>(values: impl IntoIterator<Item = i64>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::INT8_ARRAY)
}
/// A column of numbers with gaps.
pub(super) fn maybe_ints<'a>(values: impl IntoIterator<Item = Option<i64>>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::INT8_ARRAY)
}
/// A column of texts.
pub(super) fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::TEXT_ARRAY)
}
/// A column of texts of its own.
pub(super) fn own_texts<'a>(values: impl IntoIterator<Item = String>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::TEXT_ARRAY)
}
/// A column of texts with gaps.
pub(super) fn maybe_texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::TEXT_ARRAY)
}
/// A column of sealed bytes.
pub(super) fn blobs<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::BYTEA_ARRAY)
}
/// A column of sealed bytes with gaps.
pub(super) fn maybe_blobs<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::BYTEA_ARRAY)
}
/// A column of truths.
pub(super) fn flags<'a>(values: impl IntoIterator<Item = bool>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::BOOL_ARRAY)
}
/// A column of numbers, or none at all.
pub(super) fn maybe_list<'a>(values: Option<Vec<i64>>) -> Param<'a> {
    param(values, Type::INT8_ARRAY)
}
/// A number, or none.
pub(super) fn maybe_int<'a>(value: Option<i64>) -> Param<'a> {
    param(value, Type::INT8)
}
/// A text, or none.
pub(super) fn maybe_text<'a>(value: Option<String>) -> Param<'a> {
    param(value, Type::TEXT)
}
/// A column of texts that nobody else holds.
pub(super) fn owned_texts<'a>(values: Vec<String>) -> Param<'a> {
    param(values, Type::TEXT_ARRAY)
}
/// A column of bytes that nobody else holds.
pub(super) fn owned_blobs<'a>(values: impl IntoIterator<Item = Vec<u8>>) -> Param<'a> {
    param(values.into_iter().collect::<Vec<_>>(), Type::BYTEA_ARRAY)
}
