//! A look at records beside whoever has the database open: what a configuration takes out of it must be known before
//! a hub starts, and to a command that starts none. Takes no lock and writes nothing.

use super::{Options, check_files, connect, records, renew};
use crate::contract::Error;
use crate::records::{RecordFilter, RecordOrder, RecordRow};
use crate::seal;
use crate::sqlite::ReadError;
use crate::sqlite::writer::classify;

/// All records of a kind, the newest first; none of a database that is not there yet.
pub fn peek(options: &Options, kind: &str) -> Result<Vec<RecordRow>, Error> {
    let path = &options.path;
    if !path.exists() {
        return Ok(Vec::new());
    }
    check_files(path)?;
    let db = connect(path, true)?;
    let there: bool = db
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'records')", [], |r| r.get(0))
        .map_err(|e| classify(&e))?;
    if !there {
        return Ok(Vec::new());
    }
    let keys = renew::keys(&db).or_else(|_| renew::keys_of_earlier(&db)).map_err(|e| classify(&e))?;
    let sealer = seal::sealer(&seal::open_keys(&options.master(), &keys)?)?;
    let mut filter = RecordFilter::first(kind, RecordOrder::Newest, 200);
    let mut all = Vec::new();
    loop {
        let page = records::list(&db, &sealer, &filter).map_err(|e| match e {
            ReadError::Database(e) => classify(&e),
            ReadError::Seal(e) => Error::Seal(e),
        })?;
        all.extend(page.rows);
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return Ok(all),
        }
    }
}
