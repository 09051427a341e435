//! The crate against the market's vectors (made with independent libraries) and the worked cases of its
//! specification; and another country, which is invented.

#[path = "colombia/invented.rs"]
mod invented;
#[path = "colombia/terms.rs"]
mod terms;
#[path = "colombia/typed.rs"]
mod typed;
#[path = "colombia/vectors.rs"]
mod vectors;

use jiff::Timestamp;

/// Rows of a vector file, by the names of their columns.
fn rows(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let rows: Result<Vec<_>, _> = reader.deserialize().collect();
    rows.unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}
