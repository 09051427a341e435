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

/// A batch: the inputs that go into one call, and those that were refused before it.
#[derive(Debug)]
pub struct Batch<T> {
    /// What goes out: number of the input, and what was made of it.
    pub rows: Vec<(usize, T)>,
    refused: Vec<(usize, Outcome)>,
    inputs: usize,
}

impl<T> Batch<T> {
    /// Sorts inputs by what `make` makes of each: one bad input never holds back the others.
    pub fn sort(inputs: &[Value], make: impl Fn(&Value) -> Result<T, Refused>) -> Self {
        let (mut rows, mut refused) = (Vec::with_capacity(inputs.len()), Vec::new());
        for (n, input) in inputs.iter().enumerate() {
            match make(input) {
                Ok(row) => rows.push((n, row)),
                Err(outcome) => refused.push((n, *outcome)),
            }
        }
        Self { rows, refused, inputs: inputs.len() }
    }

    /// One outcome per input, in their order: `of` for each that went out, and the refusals.
    pub fn end(self, of: impl Fn(&T) -> Outcome) -> Step {
        let nothing = || Outcome::Unknown { why: "the batch ended without a word about this input".into() };
        let mut outcomes: Vec<Outcome> = (0..self.inputs).map(|_| nothing()).collect();
        let went = self.rows.iter().map(|(n, row)| (*n, of(row)));
        for (n, outcome) in went.chain(self.refused) {
            if let Some(place) = outcomes.get_mut(n) {
                *place = outcome;
            }
        }
        Step::End(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_batch_gives_each_input_its_own_outcome_in_order() {
        let inputs = [json!(1), json!("dos"), json!(3)];
        let batch = Batch::sort(&inputs, |input| input.as_u64().ok_or_else(|| invalid("not a number")));
        assert_eq!(batch.rows, [(0, 1), (2, 3)]);
        let Step::End(outcomes) = batch.end(|n| Outcome::done(json!(n))) else { panic!() };
        let names: Vec<&str> = outcomes.iter().map(Outcome::name).collect();
        assert_eq!(names, ["done", "give_up", "done"]);
        assert_eq!(outcomes[2], Outcome::done(json!(3)));
    }

    #[test]
    fn one_input_is_one_input() {
        assert_eq!(one("a.b", &[json!(1)]).unwrap(), &json!(1));
        assert!(matches!(one("a.b", &[json!(1), json!(2)]).map_err(|e| *e), Err(Step::End(o)) if o.len() == 2));
        assert!(matches!(one("a.b", &[]).map_err(|e| *e), Err(Step::End(o)) if o.is_empty()));
    }
}
