//! What a deed wants to say on the page that it leads back to.

use serde::Deserialize;

/// Query of the page.
#[derive(Deserialize)]
pub(super) struct Notice {
    aviso: Option<String>,
}

/// Keys of the sentences, without their first word. What is in an address is only ever compared.
const KNOWN: &[&str] = &[
    "notice.retried",
    "notice.replayed",
    "notice.dropped",
    "notice.changed",
    "notice.no_connection",
    "notice.reconciled",
    "notice.reconciling",
    "notice.cannot_reconcile",
    "notice.paused",
    "notice.resumed",
    "notice.acted",
    "notice.refused",
    "notice.silent",
    "notice.busy",
    "notice.asked",
    "notice.refund_asked",
    "notice.refund_approved",
    "notice.refund_refused",
    "notice.refund_withdrawn",
    "notice.refund_loose",
    "notice.refund_invalid",
    "notice.refund_too_much",
    "notice.refund_not_paid",
    "notice.refund_another",
    "notice.refund_own",
    "notice.refund_not_own",
    "notice.refund_decided",
    "notice.refund_moved",
    "notice.refund_not_offered",
    "notice.case_done",
    "notice.case_opened",
    "notice.first",
    "notice.password",
    "notice.codes_off",
    "notice.session_ended",
    "notice.link_sent",
    "notice.user_changed",
];

impl Notice {
    /// Of a page that asks for more than this.
    pub(super) fn of(aviso: Option<String>) -> Self {
        Self { aviso }
    }

    /// Key of the sentence.
    pub(super) fn key(&self) -> Option<&'static str> {
        let given = self.aviso.as_deref()?;
        KNOWN.iter().copied().find(|k| k.strip_prefix("notice.") == Some(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::{Lang, Words};

    #[test]
    fn every_notice_has_a_sentence_and_nothing_else_is_one() {
        for key in KNOWN {
            assert!(Words::new(Lang::Es).get(key).is_some(), "{key}");
        }
        for foreign in ["", "title", "<b>"] {
            assert_eq!(Notice { aviso: Some(foreign.into()) }.key(), None);
        }
    }
}
