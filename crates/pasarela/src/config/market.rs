//! `[market]`: the country, and how its law is read where it leaves room. Defaults are the stricter reading.
//! Nothing of it is legal advice.

use super::units::Span;
use jiff::SignedDuration;
use pasarela_colombia::tables::Tables;
use pasarela_colombia::{Colombia, FrequencyMode, Settings};
use pasarela_engine::{Law, Registry};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Market {
    /// The only country in this release.
    pub(crate) country: String,
    /// An IANA zone.
    pub(crate) time_zone: String,
    /// Of `es`, `en`.
    pub(crate) languages: Vec<String>,
    /// Does the firm ordinarily work on Saturdays? Then they count where business days are counted.
    pub(crate) saturday_is_business_day: bool,
    /// How often one sender may write to a person for advertising or collection: `"literal"` (one contact a day, one
    /// channel from Monday to Sunday) or `"strict"` (one contact in any seven days).
    pub(crate) frequency: Frequency,
    /// Nothing is handed over so shortly before the hours of contact end: what counts is when it reaches the person.
    pub(crate) guard: Span,
    /// Do messages wait for the hours of contact that are about a purchase and not urgent?
    pub(crate) transactional_waits: bool,
    /// Must the RNE have been asked before advertising goes out: `"required"` or `"off"`. Who switches it off
    /// decides that no answer is needed.
    pub(crate) rne: Rne,
    /// Does a consent that is newer than the RNE's first "no" stand against it?
    pub(crate) newer_consent_beats_rne: bool,
    /// Do the hours of contact hold for phones of other countries, on their own clocks?
    pub(crate) foreign_hours: bool,
    /// File of lines over the [tables](market.md#a-new-year) that came with the program: a new year's UVT, IVA and
    /// holidays. From the folder of the configuration.
    pub(crate) tables: Option<PathBuf>,
    #[serde(skip)]
    extended: Option<Tables>,
}

/// A reading of the law.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Frequency {
    /// One contact a day, one channel a week.
    #[default]
    Literal,
    /// One contact in seven days.
    Strict,
}

/// Is the registry of excluded numbers asked?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rne {
    /// Advertising waits for its answer.
    #[default]
    Required,
    /// It is not.
    Off,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            country: "CO".into(),
            time_zone: "America/Bogota".into(),
            languages: vec!["es".into(), "en".into()],
            saturday_is_business_day: false,
            frequency: Frequency::Literal,
            guard: Span(Duration::from_secs(300)),
            transactional_waits: true,
            rne: Rne::Required,
            newer_consent_beats_rne: false,
            foreign_hours: true,
            tables: None,
            extended: None,
        }
    }
}

impl Market {
    /// Reads the file of tables, where there is one. `Err`: what is wrong in it.
    pub(crate) fn read_tables(&mut self, folder: &Path) -> Result<(), String> {
        let Some(path) = self.tables.as_ref().map(|file| folder.join(file)) else { return Ok(()) };
        let wrong = |why: String| format!("market.tables: {}: {why}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        self.extended = Some(Tables::shipped().extended(&text).map_err(|e| wrong(e.to_string()))?);
        Ok(())
    }

    /// The country's rules, as this firm reads them.
    pub(crate) fn colombia(&self) -> Colombia {
        let frequency = match self.frequency {
            Frequency::Literal => FrequencyMode::Literal,
            Frequency::Strict => FrequencyMode::Strict,
        };
        let settings = Settings {
            saturday_is_business_day: self.saturday_is_business_day,
            frequency,
            transactional_waits: self.transactional_waits,
        };
        Colombia::new(self.extended.clone().unwrap_or_else(Tables::shipped), settings)
    }

    /// What the engine decides messages with.
    pub(crate) fn law(&self) -> Law {
        Law {
            market: Arc::new(self.colombia()),
            guard: SignedDuration::try_from(self.guard.0).unwrap_or(SignedDuration::MAX),
            registry: match self.rne {
                Rne::Required => Registry::Required,
                Rne::Off => Registry::Off,
            },
            newer_consent_stands: self.newer_consent_beats_rne,
            foreign_hours: self.foreign_hours,
        }
    }
}
