//! A look at records beside whoever serves the database: what a configuration takes out of it must be known before a
//! hub starts, and to a command that starts none. It is no node, and writes nothing.

use super::link::Address;
use super::statement::Statement;
use super::{Options, records, schema};
use crate::contract::Error;
use crate::records::{RecordFilter, RecordOrder, RecordRow};
use tokio::runtime::Handle;
use tokio_postgres::Client;

/// All records of a kind, the newest first; none of a database that holds nothing yet. Blocks until it is done.
pub fn peek(options: &Options, kind: &str) -> Result<Vec<RecordRow>, Error> {
    let address = Address::parse(options.url.expose())?;
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::Database(format!("no runtime for the store: {e}")))?;
        runtime.block_on(async {
            let db = address.connect(&Handle::current()).await?;
            read(&db, &address, options, kind).await
        })
    };
    // A thread of its own: the caller may stand in a runtime, which must not be blocked by another.
    std::thread::scope(|s| s.spawn(look).join()).unwrap_or(Err(Error::Closed))
}

async fn read(db: &Client, address: &Address, options: &Options, kind: &str) -> Result<Vec<RecordRow>, Error> {
    // A database of an earlier version has no second wrapping of its keys yet, and no secrets.
    let sql = "SELECT to_regclass('records') IS NOT NULL AND EXISTS (SELECT 1 FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'keys' AND column_name = 'begins_at')";
    let found = Statement::new(sql, vec![]);
    let found = found.run(db).await.map_err(|e| address.classify(&e))?;
    let there = found.rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
    if !there {
        return Ok(Vec::new());
    }
    let sealer = schema::open_keys(db, address, &options.master()).await?;
    let mut filter = RecordFilter::first(kind, RecordOrder::Newest, 200);
    let mut all = Vec::new();
    loop {
        let page = records::list(db, &sealer, &filter).await.map_err(|e| e.told(address))?;
        all.extend(page.rows);
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return Ok(all),
        }
    }
}
