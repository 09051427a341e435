//! What some servers can do and others cannot (contract section 4). There is no version to ask for, so each is known by
//! what the server answers.

use pasarela_connector::{Record, Trait};
use serde_json::json;

pub(super) const ORGANIZER_WEBHOOKS: &str = "organizer_webhooks";
pub(super) const WAITLIST: &str = "waitlist";
pub(super) const AFFILIATES: &str = "affiliates";
pub(super) const SEVERAL_DATES: &str = "several_dates";

/// Those that are looked for.
pub(in crate::hi_events) const ALL: &[Trait] = &[
    Trait {
        name: ORGANIZER_WEBHOOKS,
        es: "Un webhook para todos los desfiles del organizador",
        en: "One webhook for all shows of the organiser",
        since: "1.7.0",
    },
    Trait { name: WAITLIST, es: "Lista de espera", en: "Waitlist", since: "1.7.0" },
    Trait { name: AFFILIATES, es: "Afiliados", en: "Affiliates", since: "1.1.0" },
    Trait { name: SEVERAL_DATES, es: "Desfiles en varias fechas", en: "Shows on several dates", since: "2.0" },
];

/// That this server can do it, or cannot.
pub(super) fn record(name: &str, has: bool) -> Record {
    Record { body: json!({ "record": "trait", "data": { "name": name, "has": has } }) }
}
