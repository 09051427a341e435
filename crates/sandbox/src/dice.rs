//! Who is hit by which fault: scripts first, then the rates, drawn from one seeded generator.

use crate::faults::{Fault, Faults, LATENCY_MAX, Script};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::time::Duration;

/// The greatest delay of a webhook that is to be overtaken.
const OVERTAKE_MAX: Duration = Duration::from_millis(1500);
/// Copies follow soon after.
const COPY_MAX: Duration = Duration::from_millis(300);

/// Faults, scripts and the generator, behind one lock of the host.
pub(crate) struct Dice {
    rng: Xoshiro256PlusPlus,
    pub(crate) faults: Faults,
    scripts: VecDeque<Script>,
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CallFate {
    /// Real time before the work.
    pub(crate) before: Duration,
    /// Real time after it.
    pub(crate) after: Duration,
    pub(crate) end: CallEnd,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CallEnd {
    #[default]
    Answer,
    Throttle {
        retry_after: Option<u64>,
    },
    Failure,
    Cut,
    Lost,
    Half,
}

/// What happens to one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WebhookFate {
    pub(crate) dropped: bool,
    /// Real time that it is held back once it is due.
    pub(crate) held: Duration,
    /// A copy, held back by this.
    pub(crate) copy: Option<Duration>,
}

impl Dice {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), faults, scripts: VecDeque::new() }
    }

    pub(crate) fn script(&mut self, script: Script) {
        if script.times > 0 {
            self.scripts.push_back(script);
        }
    }

    pub(crate) fn call(&mut self, path: &str) -> CallFate {
        if let Some(fault) = self.scripted(path, false) {
            let mut fate = CallFate::default();
            match fault {
                Fault::Latency { millis } => fate.after = Duration::from_millis(millis),
                Fault::Throttle { retry_after } => fate.end = CallEnd::Throttle { retry_after },
                Fault::Failure => fate.end = CallEnd::Failure,
                Fault::Cut => fate.end = CallEnd::Cut,
                Fault::Lost => fate.end = CallEnd::Lost,
                Fault::Half => fate.end = CallEnd::Half,
                Fault::WebhookDuplicate | Fault::WebhookDelay { .. } | Fault::WebhookDrop => {}
            }
            return fate;
        }
        let (before, after) = self.latency();
        let end = if self.hits(self.faults.p_throttle) {
            let retry_after = self.hits(0.5).then(|| self.rng.random_range(1..=2));
            CallEnd::Throttle { retry_after }
        } else if self.hits(self.faults.p_500) {
            CallEnd::Failure
        } else if self.hits(self.faults.p_cut) {
            CallEnd::Cut
        } else if self.hits(self.faults.p_lost) {
            CallEnd::Lost
        } else if self.hits(self.faults.p_half) {
            CallEnd::Half
        } else {
            CallEnd::Answer
        };
        CallFate { before, after, end }
    }

    /// `path` is `/{connection}/{kind}`.
    pub(crate) fn webhook(&mut self, path: &str) -> WebhookFate {
        let mut fate = WebhookFate::default();
        match self.scripted(path, true) {
            Some(Fault::WebhookDrop) => fate.dropped = true,
            Some(Fault::WebhookDelay { millis }) => fate.held = Duration::from_millis(millis),
            Some(Fault::WebhookDuplicate) => fate.copy = Some(Duration::ZERO),
            _ if self.hits(self.faults.p_webhook_drop) => fate.dropped = true,
            _ => {
                if self.hits(self.faults.p_webhook_duplicate) {
                    fate.copy = Some(self.up_to(COPY_MAX));
                }
                if self.hits(self.faults.p_webhook_delay) {
                    fate.held = OVERTAKE_MAX / 5 + self.up_to(OVERTAKE_MAX * 4 / 5);
                }
            }
        }
        fate
    }

    fn scripted(&mut self, path: &str, webhook: bool) -> Option<Fault> {
        let fits = |s: &Script| s.fault.is_of_webhooks() == webhook && path.contains(&s.path);
        let at = self.scripts.iter().position(fits)?;
        let script = self.scripts.get_mut(at)?;
        let fault = script.fault;
        script.times -= 1;
        if script.times == 0 {
            self.scripts.remove(at);
        }
        Some(fault)
    }

    /// Never for a rate that is no number: the comparison is false.
    fn hits(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.rng.random::<f64>() < rate
    }

    fn latency(&mut self) -> (Duration, Duration) {
        let Some((least, greatest)) = self.faults.latency else {
            return (Duration::ZERO, Duration::ZERO);
        };
        let (least, greatest) = (least.min(LATENCY_MAX), greatest.min(LATENCY_MAX));
        let whole = least + self.up_to(greatest.saturating_sub(least));
        let before = self.up_to(whole);
        (before, whole.saturating_sub(before))
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(seed: u64) -> Vec<CallFate> {
        let mut dice = Dice::new(seed, Faults::all());
        (0..2000).map(|_| dice.call("/x")).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }

    #[test]
    fn all_faults_happen_at_their_rates() {
        let fates = fates(7);
        let share = |f: fn(&CallEnd) -> bool| fates.iter().filter(|x| f(&x.end)).count() as f64 / 2000.0;
        let near = |is: f64, rate: f64| assert!((is - rate).abs() < 0.02, "{is} is far from {rate}");
        near(share(|e| matches!(e, CallEnd::Throttle { retry_after: Some(_) })), 0.03);
        near(share(|e| matches!(e, CallEnd::Throttle { retry_after: None })), 0.03);
        near(share(|e| *e == CallEnd::Failure), 0.04);
        near(share(|e| *e == CallEnd::Cut), 0.03);
        near(share(|e| *e == CallEnd::Lost), 0.03);
        near(share(|e| *e == CallEnd::Half), 0.02);
        assert!(fates.iter().all(|f| f.before + f.after <= Duration::from_millis(81)));
    }

    #[test]
    fn rates_out_of_range_do_not_panic() {
        for rate in [f64::NAN, f64::INFINITY, -3.0, 9.0] {
            let latency = Some((Duration::from_secs(2), Duration::ZERO));
            let faults = Faults { latency, p_throttle: rate, p_webhook_drop: rate, ..Faults::default() };
            let mut dice = Dice::new(1, faults);
            dice.call("/x");
            dice.webhook("/x/y");
        }
    }

    #[test]
    fn a_script_hits_what_it_names_as_often_as_it_says() {
        let mut dice = Dice::new(1, Faults::default());
        dice.script(Script::times("/messages", 2, Fault::Cut));
        dice.script(Script::once("order", Fault::WebhookDrop));
        let ends: Vec<_> =
            ["/w/messages", "/w/order", "/w/messages?x=1", "/w/messages"].map(|p| dice.call(p).end).into();
        assert_eq!(ends, [CallEnd::Cut, CallEnd::Answer, CallEnd::Cut, CallEnd::Answer]);
        assert!(!dice.webhook("/w/message").dropped);
        assert!(dice.webhook("/w/order.created").dropped);
        assert!(!dice.webhook("/w/order.created").dropped);
    }
}
