//! Types exactly as the registry writes them. Other fields of a row are not described anywhere and are passed over.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is asked: phones of ten digits, or e-mail addresses in small letters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) keys: Vec<String>,
}

/// Phones.
pub(super) const TEL: &str = "TEL";
/// E-mail addresses.
pub(super) const COR: &str = "COR";

/// A key that is registered. `false`: does not want to be contacted so; `true`: accepts it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) llave: String,
    #[serde(rename = "opcionesContacto", default)]
    pub(super) options: Map<String, Value>,
}

/// The registry's word for each way, and the hub's, by kind of key.
pub(super) fn ways(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        COR => &[("correo_electronico", "email")],
        _ => &[("sms", "sms"), ("aplicacion", "app"), ("llamada", "call")],
    }
}
