//! A state as it is shown: never by colour alone, always a word and a shape with it (brand.md).

use super::words::Words;

/// Colour, shape and word of a state.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Class for the colour: `done`, `waits`, `failed`, `info`, `quiet`.
    pub(super) tone: &'static str,
    /// Shape: `done` ●, `waits` ◐, `failed` ✕, `unknown` ?, `withheld` ⊘, `paused` two bars.
    pub(super) shape: &'static str,
    /// The word.
    pub(super) word: String,
}

impl Mark {
    /// The state `name` of a `kind` (`effect`, `run`, `step`, `delivery`, `connection`, `outcome`).
    pub(super) fn new(w: Words, kind: &str, name: &str) -> Self {
        let (tone, shape) = look(name);
        Self { tone, shape, word: w.named(kind, name) }
    }
}

fn look(name: &str) -> (&'static str, &'static str) {
    match name {
        "allow" | "done" | "decided" | "ready" | "elapsed" | "happened" => ("done", "done"),
        "refused" | "dead" | "gave_up" | "give_up" | "failed" | "failed_late" | "late_failure" | "degraded"
        | "needs_human" | "target_gone" | "provider_down" | "auth_expired" | "timed_out" => ("failed", "failed"),
        "begun" | "unknown" | "unsettled" | "quarantined" | "proposed" => ("waits", "unknown"),
        "refuse" | "not_taken" | "withheld" | "withdrawn" | "dropped" | "cancelled" | "skipped" | "ignored"
        | "duplicate" => ("quiet", "withheld"),
        "looked" | "calling" | "running" | "step" | "receives_only" => ("info", "waits"),
        // Waits, is done in part, or is something this version has no word for yet.
        _ => ("waits", "waits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;
    use pasarela_store::{DeliveryStatus, EffectState};

    #[test]
    fn every_state_has_a_word_in_both_languages() {
        for lang in [Lang::Es, Lang::En] {
            let w = Words::new(lang);
            for code in [0, 1, 2, 3, 4, 10, 11, 12, 20, 21, 22, 23, 24, 30, 31] {
                let name = EffectState::from_code(code).as_str();
                assert_ne!(Mark::new(w, "effect", name).word, name);
            }
            for code in 0..6 {
                let name = DeliveryStatus::from_code(code).as_str();
                assert_ne!(Mark::new(w, "delivery", name).word, name);
            }
        }
        assert_eq!(Mark::new(Words::new(Lang::Es), "effect", "brand_new").word, "brand_new");
    }
}
