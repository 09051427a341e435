//! What flows can ask of Percha: `do: percha.reserve`.

use super::Wardrobe;
use super::wire::Reservation;
use pasarela_connector::action::{self, Refused, invalid, read, unreadable};
use pasarela_connector::{Action, Answer, Ctx, Done, Idempotency, Lane, Outcome, Repeat, Request, Step, judge};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Reserve {
    /// The garment (`product.id`).
    garment: String,
    /// For whom.
    person: String,
}

pub(super) fn actions() -> Vec<Action> {
    // Percha remembers an Idempotency-Key for a day.
    let native = Idempotency::Native { valid_for: Duration::from_secs(24 * 3600) };
    vec![
        Action::new::<Reserve>("reserve", "Reserve a garment", native)
            .lane(Lane::Input("/garment"))
            .output(json!({ "id": "string" }))
            .build(),
    ]
}

pub(super) fn begin(on: &Wardrobe, action: &str, inputs: &[Value], ctx: &Ctx<'_>) -> Step {
    let made =
        |input| action::step(request(on, action, input, ctx).map(|r| action::call(r, json!(1), Repeat::SameKey)));
    action::one(action, inputs).map_or_else(|end| *end, made)
}

fn request(on: &Wardrobe, action: &str, input: &Value, ctx: &Ctx<'_>) -> Result<Request, Refused> {
    if action != "reserve" {
        return Err(action::unknown("percha", action));
    }
    let input: Reserve = read(input)?;
    if input.garment.is_empty() || !input.garment.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(invalid("garment: an id of Percha has letters and digits"));
    }
    let request = Request::new("POST", on.url(&format!("/v2/garments/{}/reservations", input.garment)));
    Ok(request.json(&json!({ "person": input.person })).header("idempotency-key", ctx.key))
}

pub(super) fn on(action: &str, inputs: &[Value], answer: &Answer, ctx: &Ctx<'_>) -> Step {
    let outcome = match answer.status {
        // Percha's own word first, HTTP's meaning for the rest.
        409 => Outcome::give_up("taken", format!("{action}: the garment is reserved already")),
        _ => judge::classify(answer, ctx.now).unwrap_or_else(|| match answer.parse::<Reservation>() {
            Ok(made) => Outcome::Done(Done { result: json!({ "id": made.id }), reference: Some(made.id) }),
            Err(_) => unreadable(answer),
        }),
    };
    Step::all(inputs.len(), &outcome)
}
