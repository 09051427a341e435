//! What only the holder of the database file may do: served on the socket beside it, never on a
//! listener, so it is no part of the public API's document.

use super::{audit, backup, doctor, keys, links, registry, seal, secrets, tickets, users};
use crate::policy::Action::{Operate, Read, ReadPersonal, Write};
use crate::policy::Resource::{Audit, Backups, Connections, Keys, Registry, Secrets, TicketKeys, Users};
use crate::policy::may;
use crate::routes::{Routes, op};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/admin/keys", keys::list, op(may(Read, Keys), "API keys"))
        .post("/admin/keys", keys::create, op(may(Write, Keys), "Make a key"))
        .post("/admin/keys/{id}/rotate", keys::rotate, op(may(Write, Keys), "Give a key a new text"))
        .post("/admin/keys/{id}/revoke", keys::revoke, op(may(Write, Keys), "Revoke a key"))
        .post("/admin/tickets/rotate", tickets::rotate, op(may(Write, TicketKeys), "A new key signs tickets"))
        .get("/admin/registry", registry::show, op(may(Read, Registry), "How the registry stands"))
        .post(
            "/admin/registry",
            registry::import,
            op(may(Write, Registry), "Take in a list that was consulted by hand"),
        )
        .post("/admin/links", links::create, op(may(Write, Users), "Make a link that signs in once"))
        .post("/admin/audit/verify", audit::verify, op(may(ReadPersonal, Audit), "Verify the chain of the audit"))
        .get("/admin/audit/entries", audit::entries, op(may(ReadPersonal, Audit), "Entries in their order"))
        .get("/admin/users", users::list, op(may(ReadPersonal, Users), "People who work in the hub"))
        .post("/admin/users", users::add, op(may(Write, Users), "Make an account"))
        .post(
            "/admin/users/loose-link",
            users::loose_link,
            op(may(Write, Users), "Make a link for somebody without an account, in a role"),
        )
        .post("/admin/users/{user}/{step}", users::step, op(may(Write, Users), "Change an account"))
        .get("/admin/secrets", secrets::list, op(may(Read, Secrets), "Secrets of the vault, without their values"))
        .post("/admin/secrets/{name}/set", secrets::set, op(may(Write, Secrets), "Keep a secret"))
        .post("/admin/secrets/{name}/remove", secrets::remove, op(may(Write, Secrets), "Forget a secret"))
        .get("/admin/seal", seal::show, op(may(Read, Keys), "How sealing stands"))
        .post("/admin/seal/rotate", seal::rotate, op(may(Write, Keys), "Change the master key and the data key"))
        .get("/admin/backup", backup::show, op(may(Operate, Backups), "How the last backup went"))
        .post("/admin/backup", backup::begin, op(may(Operate, Backups), "Begin a backup"))
        .post("/admin/doctor", doctor::look, op(may(Operate, Connections), "Look at the connections"))
}
