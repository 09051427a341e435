//! The weather between the hub and the providers: the fault switches of the sandbox, in sets with a name.

use crate::console::words::Words;
use serde_json::{Value, json};

/// A set of switches.
pub(super) struct Weather {
    /// Name in forms.
    pub(super) key: &'static str,
    pub(super) title: String,
    pub(super) help: String,
    /// It is like this now.
    pub(super) on: bool,
}

/// All sets: name and switches that are not at rest.
fn all() -> [(&'static str, Value); 6] {
    [
        ("calma", json!({})),
        ("lenta", json!({ "latency": ["400ms", "1500ms"] })),
        ("caida", json!({ "p_cut": 1.0 })),
        ("respuestas", json!({ "p_lost": 0.6 })),
        ("avisos", json!({ "p_webhook_drop": 1.0 })),
        (
            "todo",
            json!({ "latency": ["5ms", "400ms"], "p_throttle": 0.1, "p_500": 0.1, "p_cut": 0.08, "p_lost": 0.08,
                "p_half": 0.05, "p_webhook_duplicate": 0.2, "p_webhook_delay": 0.2, "p_webhook_drop": 0.1 }),
        ),
    ]
}

/// The switches of a set.
pub(super) fn faults(key: &str) -> Option<Value> {
    all().into_iter().find(|(k, _)| *k == key).map(|(_, v)| v)
}

/// All sets, with the one that is on. Switches that somebody set otherwise are none of them.
pub(super) fn weathers(w: Words, now: &Value) -> Vec<Weather> {
    let view = |(key, wanted): (&'static str, Value)| Weather {
        key,
        title: w.named("weather", key),
        help: w.named("weather_help", key),
        on: is(now, &wanted),
    };
    all().into_iter().map(view).collect()
}

/// Are the switches as a set has them, all others at rest?
fn is(now: &Value, wanted: &Value) -> bool {
    let at_rest = |v: &Value| v.is_null() || v.as_f64() == Some(0.0);
    now.as_object().is_some_and(|now| {
        now.iter().all(|(name, value)| match wanted.get(name) {
            Some(Value::Number(n)) => n.as_f64() == value.as_f64(),
            Some(Value::Array(_)) => !value.is_null(),
            _ => at_rest(value),
        }) && wanted.as_object().is_none_or(|wanted| wanted.keys().all(|name| now.contains_key(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::words::Lang;

    #[test]
    fn the_weather_is_told_from_the_switches() {
        let calm = json!({ "latency": null, "p_cut": 0.0, "p_lost": 0.0, "p_500": 0.0, "p_throttle": 0.0, "p_half": 0.0,
            "p_webhook_duplicate": 0.0, "p_webhook_delay": 0.0, "p_webhook_drop": 0.0 });
        let on = |now: &Value| {
            let found: Vec<&str> =
                weathers(Words::new(Lang::Es), now).into_iter().filter(|w| w.on).map(|w| w.key).collect();
            found.join(" ")
        };
        assert_eq!(on(&calm), "calma");
        for (key, faults) in all() {
            let mut now = calm.clone();
            for (name, value) in faults.as_object().unwrap() {
                now[name] = value.clone();
            }
            assert_eq!(on(&now), key);
        }
        let mut odd = calm;
        odd["p_cut"] = json!(0.5);
        assert_eq!(on(&odd), "", "what somebody set by hand is none of ours");
        assert!(faults("nada").is_none());
    }
}
