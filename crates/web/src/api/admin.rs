//! What only the holder of the database file may do: served on the socket beside it, never on a
//! listener, so it is no part of the public API's document.

use super::{backup, doctor, keys, links, registry, tickets};
use crate::App;
use axum::Router;
use axum::routing::{get, post};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/keys", get(keys::list).post(keys::create))
        .route("/admin/keys/{id}/revoke", post(keys::revoke))
        .route("/admin/tickets/rotate", post(tickets::rotate))
        .route("/admin/registry", get(registry::show).post(registry::import))
        .route("/admin/links", post(links::create))
        .route("/admin/backup", get(backup::show).post(backup::begin))
        .route("/admin/doctor", post(doctor::look))
}
