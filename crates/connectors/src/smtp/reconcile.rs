//! Reconciliation: there is none. A mail server that takes a message keeps no list of what became of it;
//! what it could not deliver comes back as mail, and reaches the hub by the connection's hook.

/// Why mail cannot be reconciled, for people.
pub(super) const NO_HISTORY: &str = "a mail server keeps no list of what became of a message; what could not be \
     delivered comes back as mail, by the connection's hook";
