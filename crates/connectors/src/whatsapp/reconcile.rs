//! Reconciliation: there is none. Meta keeps no list of messages or statuses that could be read
//! later (contract, section 7.1), so [`Connector::poll`](pasarela_connector::Connector::poll)
//! keeps its default and the manifest says why. What stands in for it: webhooks are retried by
//! Meta for up to seven days, and an answer that was lost is settled by the status webhook that
//! carries the hub's own key.

/// Why WhatsApp cannot be reconciled, for people.
pub(super) const NO_HISTORY: &str = "WhatsApp keeps no history of messages or statuses that could \
     be read later; Meta repeats each webhook for up to seven days, and lost answers are settled \
     by the status webhooks.";
