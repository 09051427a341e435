//! What the actions of all connectors do alike: take one input or a batch, read it, refuse it, and give
//! back one outcome for each.

use crate::{Answer, Call, Outcome, Repeat, Request, Scope, Step};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Code of an input that cannot be used.
pub const INVALID: &str = "invalid_input";

/// A refusal; boxed, since an outcome is large and refusals are rare.
pub type Refused = Box<Outcome>;

/// The only input of an action that takes no batch; else the step that ends it.
pub fn one<'v>(action: &str, inputs: &'v [Value]) -> Result<&'v Value, Box<Step>> {
    match inputs {
        [input] => Ok(input),
        many => {
            let why = format!("{action} takes one input a call, not {}", many.len());
            Err(Box::new(Step::all(many.len(), &Outcome::give_up("not_a_batch", why))))
        }
    }
}

/// An input as its own type.
pub fn read<T: DeserializeOwned>(input: &Value) -> Result<T, Refused> {
    T::deserialize(input).map_err(|e| invalid(format!("the input cannot be read: {e}")))
}

/// An input that cannot be used, with the reason.
pub fn invalid(why: impl Into<String>) -> Refused {
    Box::new(Outcome::give_up(INVALID, why))
}

/// An action that the manifest does not list.
#[must_use]
pub fn unknown(provider: &str, action: &str) -> Refused {
    Box::new(Outcome::give_up("unknown_action", format!("{provider} has no action '{action}'")))
}

/// A call, or the end that a refusal is.
#[must_use]
pub fn step(call: Result<Call, Refused>) -> Step {
    match call {
        Ok(call) => Step::Call(call),
        Err(outcome) => Step::end(*outcome),
    }
}

/// A call with its state.
#[must_use]
pub fn call(request: Request, state: Value, repeat: Repeat) -> Call {
    Call { request, state, repeat }
}

/// A 2xx whose body is not the provider's: something in between answered. For what may be asked again.
#[must_use]
pub fn unreadable(answer: &Answer) -> Outcome {
    let why = format!("HTTP {} without what was asked for: {}", answer.status, answer.excerpt(120));
    Outcome::Retry { after: None, scope: Scope::Effect, why }
}

/// Something in between gave up waiting (408, 504): what happens twice may have happened already.
#[must_use]
pub fn lost(answer: &Answer) -> Option<Outcome> {
    matches!(answer.status, 408 | 504).then(|| Outcome::Unknown {
        why: format!("HTTP {}: {}; it may have been done", answer.status, answer.excerpt(200)),
    })
}

/// The end of a batch: one outcome per input, in their order, by the number of each; `rest` for those that nothing
/// is told of. One bad input never holds back the others.
pub fn spread(inputs: usize, rest: &Outcome, told: impl IntoIterator<Item = (usize, Outcome)>) -> Step {
    let mut outcomes = vec![rest.clone(); inputs];
    for (n, outcome) in told {
        if let Some(place) = outcomes.get_mut(n) {
            *place = outcome;
        }
    }
    Step::End(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_batch_gives_each_input_its_own_outcome_in_order() {
        let told = [(2, Outcome::done(json!(3))), (0, *invalid("not a number")), (9, Outcome::AuthExpired)];
        let rest = Outcome::Unknown { why: "nothing was told".into() };
        let Step::End(outcomes) = spread(3, &rest, told) else { panic!() };
        let names: Vec<&str> = outcomes.iter().map(Outcome::name).collect();
        assert_eq!(names, ["give_up", "unknown", "done"]);
    }

    #[test]
    fn one_input_is_one_input() {
        assert_eq!(one("a.b", &[json!(1)]).unwrap(), &json!(1));
        assert!(matches!(one("a.b", &[json!(1), json!(2)]).map_err(|e| *e), Err(Step::End(o)) if o.len() == 2));
        assert!(matches!(one("a.b", &[]).map_err(|e| *e), Err(Step::End(o)) if o.is_empty()));
    }
}
