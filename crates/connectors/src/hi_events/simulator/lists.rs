//! Lists: filters, order and pages as the provider does them (contract section 2.1).

use super::php;
use serde_json::{Map, Value, json};

/// What a list may be asked for, as it says itself in its `meta`.
pub(super) struct Listing {
    pub(super) filters: &'static [&'static str],
    /// Fields with the words for their directions, in the list's own order. Fields without words are allowed, and are
    /// not told.
    pub(super) sorts: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    pub(super) default: &'static str,
    pub(super) direction: &'static str,
    /// Does its `meta` name its filters and sorts?
    pub(super) told: Told,
}

/// What `meta` tells.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Told {
    Nothing,
    /// How it is sorted.
    Sort,
    /// Also what may be asked for.
    All,
}

impl Listing {
    pub(super) const ORDERS: Self = Self {
        filters: &[
            "status",
            "payment_status",
            "refund_status",
            "created_at",
            "first_name",
            "last_name",
            "email",
            "public_id",
            "currency",
            "total_gross",
        ],
        sorts: &[
            ("created_at", &[("asc", "Oldest First"), ("desc", "Newest First")]),
            ("first_name", &[("asc", "Buyer Name A-Z"), ("desc", "Buyer Name Z-A")]),
            ("total_gross", &[("asc", "Amount Ascending"), ("desc", "Amount Descending")]),
            ("email", &[("asc", "Buyer Email A-Z"), ("desc", "Buyer Email Z-A")]),
            ("public_id", &[("asc", "Order # Ascending"), ("desc", "Order # Descending")]),
        ],
        default: "created_at",
        direction: "desc",
        told: Told::All,
    };
    pub(super) const ATTENDEES: Self = Self {
        filters: &["status", "product_id", "product_price_id"],
        sorts: &[
            ("created_at", &[("asc", "Older First"), ("desc", "Newest First")]),
            ("updated_at", &[("desc", "Recently Updated First"), ("asc", "Recently Updated Last")]),
            ("first_name", &[]),
            ("last_name", &[]),
            ("status", &[]),
        ],
        default: "created_at",
        direction: "desc",
        told: Told::All,
    };
    pub(super) const EVENTS: Self = Self {
        filters: &["title", "start_date", "end_date", "created_at", "updated_at", "status", "organizer_id"],
        sorts: &[
            ("start_date", &[("asc", "Closest start date"), ("desc", "Furthest start date")]),
            ("end_date", &[("asc", "Closest end date"), ("desc", "Furthest end date")]),
            ("created_at", &[("desc", "Newest first"), ("asc", "Oldest first")]),
            ("updated_at", &[("desc", "Recently Updated"), ("asc", "Least Recently Updated")]),
        ],
        default: "start_date",
        direction: "asc",
        told: Told::All,
    };
    pub(super) const PRODUCTS: Self =
        Self { filters: &[], sorts: &[], default: "order", direction: "asc", told: Told::Sort };
    /// What an organiser keeps beside a show.
    pub(super) const KEPT: Self = Self {
        filters: &[],
        sorts: &[("created_at", &[]), ("updated_at", &[]), ("id", &[])],
        default: "id",
        direction: "desc",
        told: Told::Nothing,
    };

    /// Says in `meta` what may be asked for.
    pub(super) fn tell(&self, mut page: Value) -> Value {
        if let Some(meta) = page.get_mut("meta").and_then(Value::as_object_mut).filter(|_| self.told != Told::Nothing) {
            if self.told == Told::All {
                let worded = self.sorts.iter().filter(|(_, words)| !words.is_empty());
                let sorts = worded.map(|(field, words)| {
                    let words = words.iter().map(|(way, text)| ((*way).to_owned(), json!(text)));
                    ((*field).to_owned(), Value::Object(words.collect()))
                });
                meta.insert("allowed_filter_fields".into(), json!(self.filters));
                meta.insert("allowed_sorts".into(), Value::Object(sorts.collect()));
            }
            meta.insert("default_sort".into(), json!(self.default));
            meta.insert("default_sort_direction".into(), json!(self.direction));
        }
        page
    }
}

/// A query, decoded.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (php::decode(name), php::decode(value))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn page(&self) -> usize {
        self.get("page").and_then(|p| p.parse().ok()).unwrap_or(1).max(1)
    }

    fn per_page(&self) -> usize {
        self.get("per_page").and_then(|p| p.parse().ok()).unwrap_or(25).clamp(1, 100)
    }

    /// `filter_fields[FIELD][OP]`.
    fn filters(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().filter_map(|(name, value)| {
            let (field, op) = name.strip_prefix("filter_fields[")?.strip_suffix(']')?.split_once("][")?;
            Some((field, op, value.as_str()))
        })
    }

    /// `None`: an unknown operator, which the provider answers with a 500.
    pub(super) fn select(&self, rows: Vec<Value>, by: &Listing) -> Option<Vec<Value>> {
        let mut rows = rows;
        for (field, op, wanted) in self.filters() {
            if !["eq", "ne", "lt", "lte", "gt", "gte", "like", "in"].contains(&op) {
                return None;
            }
            // Fields that are not allowed are ignored.
            if by.filters.contains(&field) {
                rows.retain(|row| matches(&comparable(row, field), op, wanted));
            }
        }
        // An unknown sort silently falls back.
        let allowed = |s: &&str| by.sorts.iter().any(|(field, _)| field == s);
        let sort = self.get("sort_by").filter(allowed).unwrap_or(by.default);
        let newest_first = self.get("sort_direction").unwrap_or(by.direction) == "desc";
        rows.sort_by(|a, b| {
            let order = sortable(a, sort).cmp(&sortable(b, sort));
            if newest_first { order.reverse() } else { order }
        });
        Some(rows)
    }

    /// A page with links and meta; simple paging leaves totals out.
    pub(super) fn paged(&self, rows: Vec<Value>, url: &str, simple: bool) -> Value {
        let (page, per_page, total) = (self.page(), self.per_page(), rows.len());
        let last = total.div_ceil(per_page).max(1);
        let skip = (page - 1).saturating_mul(per_page);
        let data: Vec<Value> = rows.into_iter().skip(skip).take(per_page).collect();
        let link = |page: usize| json!(format!("{url}?page={page}"));
        let or_null = |here: bool, page: usize| if here { link(page) } else { Value::Null };
        let links = json!({
            "first": link(1),
            "last": or_null(!simple, last),
            "prev": or_null(page > 1, page.saturating_sub(1)),
            "next": or_null(page < last, page.saturating_add(1)),
        });
        let mut meta = Map::new();
        meta.insert("current_page".into(), json!(page));
        meta.insert("from".into(), if data.is_empty() { Value::Null } else { json!(skip + 1) });
        if !simple {
            meta.insert("last_page".into(), json!(last));
            meta.insert("links".into(), json!(numbered(page, last, url)));
        }
        meta.insert("path".into(), json!(url));
        meta.insert("per_page".into(), json!(per_page));
        meta.insert("to".into(), if data.is_empty() { Value::Null } else { json!(skip + data.len()) });
        if !simple {
            meta.insert("total".into(), json!(total));
        }
        json!({ "data": data, "links": links, "meta": meta })
    }
}

/// The links of a pager: back, each page, on.
fn numbered(page: usize, last: usize, url: &str) -> Vec<Value> {
    let link = |to: Option<usize>, label: String, active: bool| {
        let url = to.map(|to| format!("{url}?page={to}"));
        json!({ "url": url, "label": label, "page": to, "active": active })
    };
    let back = page.checked_sub(1).filter(|p| *p >= 1);
    let on = Some(page + 1).filter(|p| *p <= last);
    let pages = (1..=last).map(|n| link(Some(n), n.to_string(), n == page));
    let first = link(back, "&laquo; Previous".into(), false);
    std::iter::once(first).chain(pages).chain([link(on, "Next &raquo;".into(), false)]).collect()
}

/// A field as filters compare it; `None` for null.
fn comparable(row: &Value, field: &str) -> Option<String> {
    match row.get(field)? {
        Value::String(text) if field.ends_with("_at") => Some(text.replace('T', " ").chars().take(19).collect()),
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// A field as order compares it: numbers by size.
fn sortable(row: &Value, field: &str) -> Option<String> {
    let text = comparable(row, field)?;
    Some(if row.get(field).is_some_and(Value::is_number) { format!("{text:0>24}") } else { text })
}

fn matches(value: &Option<String>, op: &str, wanted: &str) -> bool {
    let wanted_null = wanted == "null";
    match (value, op) {
        (None, "eq") => wanted_null,
        (None, "ne") => !wanted_null,
        (None, _) => false,
        (Some(v), "eq") => v == wanted,
        (Some(v), "ne") => v != wanted,
        (Some(v), "lt") => v.as_str() < wanted,
        (Some(v), "lte") => v.as_str() <= wanted,
        (Some(v), "gt") => v.as_str() > wanted,
        (Some(v), "gte") => v.as_str() >= wanted,
        (Some(v), "like") => v.contains(wanted.trim_matches('%')),
        (Some(v), _) => wanted.split(',').any(|w| w == v),
    }
}
