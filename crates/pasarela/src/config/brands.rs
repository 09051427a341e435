//! `[brands.NAME]`: legal entities that sell shows and hold data. Each connection belongs to one, and what comes
//! in and goes out by it is seen by people and keys of that brand only.

use super::nearest;
use pasarela_colombia::{Lang, nit};
use pasarela_engine::DEFAULT_BRAND;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct Brands(BTreeMap<String, Brand>);

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Brand {
    /// As guests and papers know it: `"Casa Luna S.A.S."`.
    pub(crate) name: String,
    /// Its NIT, with the check digit: `"901.234.567-7"`.
    #[serde(default)]
    pub(crate) nit: Option<String>,
}

impl Brands {
    /// Are all of them in order? The reason, with the key it is about.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (slug, brand) in &self.0 {
            pasarela_connector::check_name(slug).map_err(|why| format!("[brands.{slug}] {why}"))?;
            if brand.name.trim().is_empty() {
                return Err(format!("[brands.{slug}] 'name' is empty; write the name of the legal entity"));
            }
            if let Some(Err(why)) = brand.nit.as_deref().map(nit::read) {
                return Err(format!("[brands.{slug}] nit: {}", why.text(Lang::En)));
            }
        }
        Ok(())
    }

    /// The brand that a connection names.
    pub(super) fn named(&self, name: Option<&str>) -> Result<String, String> {
        let Some(name) = name else { return Ok(DEFAULT_BRAND.into()) };
        if name == DEFAULT_BRAND || self.0.contains_key(name) {
            return Ok(name.to_owned());
        }
        let hint = nearest(name, self.0.keys().map(String::as_str));
        let hint = hint.map(|n| format!(" Did you mean '{n}'?")).unwrap_or_default();
        Err(format!("there is no brand '{name}': add [brands.{name}] with its name.{hint}"))
    }

    /// All of them, and the one of connections that name none.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.keys().cloned().chain([DEFAULT_BRAND.to_owned()]).collect()
    }
}
