//! What bodies say: samples tell their events, the same body tells the same facts (G4), and what is
//! not understood never panics (G3).

use super::common::{excerpt, rule};
use super::{Fixture, WebhookSample};
use crate::{Connector, Dedup, Fact, Item, Source, Translation, Unread};
use pasarela_domain::is_canonical;
use serde_json::{Value, json};

/// Upper bound of the derived bodies per sample and kind: the suite stays fast on large samples.
const CASES: usize = 300;

pub(super) fn check(fixture: &Fixture) {
    let connector = fixture.connector();
    for sample in &fixture.webhooks {
        tells_its_events(fixture, connector.as_ref(), sample);
    }
    for sample in &fixture.webhooks {
        let bodies = cut(&sample.body).into_iter().chain(changed(&sample.body));
        for (n, body) in bodies.enumerate() {
            read(fixture, connector.as_ref(), Source::Webhook, &body).ok();
            // Polls and fetches have shapes of their own: some of these bodies are enough there.
            if n % 16 == 0 {
                for source in OTHER_SOURCES {
                    read(fixture, connector.as_ref(), source, &body).ok();
                }
            }
        }
    }
    for body in garbage() {
        read(fixture, connector.as_ref(), Source::Webhook, &body).ok();
        for source in OTHER_SOURCES {
            read(fixture, connector.as_ref(), source, &body).ok();
        }
    }
}

const OTHER_SOURCES: [Source; 3] = [Source::Poll, Source::Fetch, Source::Import];

fn tells_its_events(fixture: &Fixture, connector: &dyn Connector, sample: &WebhookSample) {
    let name = &sample.name;
    let translation = match read(fixture, connector, Source::Webhook, &sample.body) {
        Ok(translation) => translation,
        Err(e) => panic!("[{}] the sample {name:?} is not understood: {e}", fixture.provider.manifest().name),
    };
    let told: Vec<&str> = facts(&translation).filter_map(|f| f.event_type.as_deref()).collect();
    rule!(
        fixture,
        told == sample.events,
        "the sample {name:?} must tell {:?}, it tells {told:?} ({:?})",
        sample.events,
        translation.items.iter().filter(|i| !matches!(i, Item::Fact(_))).collect::<Vec<_>>()
    );
    let again = read(fixture, connector, Source::Webhook, &sample.body);
    let keys = |t: &Translation| facts(t).map(|f| f.dedup.clone()).collect::<Vec<_>>();
    rule!(
        fixture,
        again.as_ref().is_ok_and(|again| keys(again) == keys(&translation)),
        "the sample {name:?} has other dedup keys the second time: a repeated webhook would count twice"
    );
    rule!(fixture, again == Ok(translation), "translating {name:?} twice gives two results");

    // Another instance, another process: nothing may come from the instance itself.
    let other = read(fixture, fixture.connector().as_ref(), Source::Webhook, &sample.body);
    rule!(fixture, other == again, "translating {name:?} depends on the instance of the connector");
}

/// Translates, and holds every fact that comes out to the rules.
fn read(fixture: &Fixture, connector: &dyn Connector, source: Source, body: &[u8]) -> Result<Translation, Unread> {
    let what = format!("translate({source:?}) of {}", excerpt(body));
    let result = fixture.calm(&what, || connector.translate(source, body));
    match &result {
        Ok(translation) => {
            for fact in facts(translation) {
                holds(fixture, fact, &what);
            }
            for item in &translation.items {
                if let Item::Unread { why, .. } = item {
                    rule!(fixture, !why.is_empty(), "{what}: not understood, and no reason is given");
                }
            }
        }
        Err(Unread(why)) => rule!(fixture, !why.is_empty(), "{what}: not understood, and no reason is given"),
    }
    result
}

fn holds(fixture: &Fixture, fact: &Fact, what: &str) {
    let manifest = fixture.provider.manifest();
    rule!(fixture, !fact.key.trim().is_empty(), "{what}: a fact without a key ({:?})", fact.event_type);
    if let Some(event_type) = fact.event_type.as_deref() {
        let own = manifest.is_open()
            && event_type.strip_prefix(&fixture.config.name).is_some_and(|rest| rest.starts_with('.'));
        rule!(
            fixture,
            own || (is_canonical(event_type) && manifest.events.contains(&event_type)),
            "{what}: {event_type:?} is not among the manifest's events"
        );
    }
    match &fact.dedup {
        Dedup::Once { kind, entity, discriminator } => rule!(
            fixture,
            !kind.is_empty() && (!entity.is_empty() || !discriminator.is_empty()),
            "{what}: all facts of this kind would be one and the same: {:?}",
            fact.dedup
        ),
        Dedup::State { entity } => rule!(
            fixture,
            fact.entities.iter().any(|write| write.entity == *entity),
            "{what}: the state of {entity:?} is not among the fact's entities"
        ),
    }
    for entity in fact.entities.iter().map(|write| &write.entity).chain(&fact.refs) {
        rule!(
            fixture,
            !entity.kind.is_empty() && !entity.id.is_empty(),
            "{what}: an entity without a name: {entity:?}"
        );
    }
    rule!(
        fixture,
        fact.event_type.is_some() || !fact.entities.is_empty() || fact.settles.is_some(),
        "{what}: the fact {:?} has neither event type, entity nor settlement: it says nothing",
        fact.key
    );
}

fn facts(translation: &Translation) -> impl Iterator<Item = &Fact> {
    translation.items.iter().filter_map(|item| match item {
        Item::Fact(fact) => Some(fact.as_ref()),
        _ => None,
    })
}

/// Bodies that no provider sends.
fn garbage() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        "\"\"",
        "\"text\"",
        "[]",
        "[[]]",
        "[null]",
        "[{}]",
        "{}",
        "{\"\":\"\"}",
        "{\"id\":null,\"type\":null}",
        "{",
        "}",
        "{\"a\":",
        "{} {}",
        "<html><body>503</body></html>",
        "a=1&b=2",
        "\u{feff}{}",
        "\0",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(vec![0xff, 0xfe, 0x00, 0x80]);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        bodies.push(format!("{}0{}", open.repeat(100), close.repeat(100)).into_bytes());
        bodies.push(open.repeat(100_000).into_bytes());
    }
    bodies
}

/// The body, cut at many points.
fn cut(body: &[u8]) -> Vec<Vec<u8>> {
    let step = (body.len() / CASES).max(1);
    (0..body.len()).step_by(step).map(|kept| body[..kept].to_vec()).collect()
}

/// The body with each of its fields in turn gone, or of another kind: what a provider's change of
/// format looks like.
fn changed(body: &[u8]) -> Vec<Vec<u8>> {
    let Ok(whole) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let mut places = Vec::new();
    walk(&whole, String::new(), &mut places);
    let step = (places.len() / (CASES / 3)).max(1);
    let others =
        [json!(null), json!(""), json!("ñ \u{1f457}"), json!(-1), json!(1e300), json!(true), json!([]), json!({})];
    let mut bodies = Vec::new();
    for place in places.iter().step_by(step) {
        for other in &others {
            let mut value = whole.clone();
            if let Some(spot) = value.pointer_mut(place) {
                spot.clone_from(other);
            }
            bodies.push(value.to_string().into_bytes());
        }
        let mut value = whole.clone();
        let Some((parent, last)) = place.rsplit_once('/') else {
            continue;
        };
        if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
            fields.remove(&last.replace("~1", "/").replace("~0", "~"));
            bodies.push(value.to_string().into_bytes());
        }
    }
    bodies
}

fn walk(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                walk(value, format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                walk(value, format!("{place}/{i}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}
