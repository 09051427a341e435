//! The manifest: can a newcomer, the console, the docs page and `pasarela check` rely on it?

use super::Fixture;
use super::common::rule;
use super::schema::{UNKNOWN, refuse_unknown};
use crate::{Action, AuthKind, Lane, Manifest, Verification};
use pasarela_domain::is_canonical;
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

pub(super) fn check(fixture: &Fixture) {
    let manifest = fixture.provider.manifest();
    names(fixture, manifest);
    api(fixture, manifest);
    settings(fixture, manifest);
    events(fixture, manifest);
    history(fixture, manifest);
    for action in &manifest.actions {
        check_action(fixture, action);
    }
    for sample in &fixture.actions {
        rule!(
            fixture,
            manifest.action(sample.action).is_some(),
            "there is a sample of {:?}, but no such action in the manifest",
            sample.action
        );
    }
}

fn names(fixture: &Fixture, manifest: &Manifest) {
    rule!(fixture, is_name(manifest.name, '-'), "the provider's name {:?} is not kebab-case", manifest.name);
    rule!(
        fixture,
        fixture.config.provider == manifest.name,
        "the fixture's connection says provider {:?}",
        fixture.config.provider
    );
    rule!(fixture, !manifest.title.trim().is_empty(), "the provider has no title for people");
    let all = (manifest.actions.iter().map(|a| ("action", a.name)))
        .chain(manifest.credentials.iter().map(|c| ("credential", c.name)))
        .chain(manifest.tasks.iter().map(|t| ("task", t.name)))
        .chain(manifest.fetches.iter().map(|f| ("fetch", *f)))
        .chain(manifest.events.iter().map(|e| ("event", *e)));
    let mut seen = HashSet::new();
    for (kind, name) in all {
        rule!(fixture, kind == "event" || is_name(name, '_'), "the {kind} {name:?} is not snake_case");
        rule!(fixture, seen.insert((kind, name)), "the {kind} {name:?} is there twice");
    }
    for wanted in credentials_of(manifest.auth) {
        rule!(
            fixture,
            manifest.credentials.iter().any(|c| c.name == wanted && c.required),
            "its auth kind ({}) needs the credential {wanted:?}, which the manifest does not list as required",
            manifest.auth.word()
        );
    }
    for credential in &manifest.credentials {
        rule!(fixture, !credential.help.trim().is_empty(), "the credential {:?} has no help", credential.name);
    }
}

/// Credentials that an auth kind cannot do without.
fn credentials_of(auth: AuthKind) -> Vec<&'static str> {
    match auth {
        AuthKind::Nothing | AuthKind::Login | AuthKind::Configured => Vec::new(),
        AuthKind::Bearer(credential) | AuthKind::Header { credential, .. } | AuthKind::Query { credential, .. } => {
            vec![credential]
        }
        AuthKind::ClientCredentials(_) => vec!["client_id", "client_secret"],
        AuthKind::RefreshToken(_) => vec!["client_id", "client_secret", "refresh_token"],
        AuthKind::Successor(chain) => vec![chain.credential],
        AuthKind::ServiceAccount(_) => vec!["service_account"],
    }
}

/// Lower-case words of letters and digits, joined by `joint`.
fn is_name(name: &str, joint: char) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .split(joint)
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

fn api(fixture: &Fixture, manifest: &Manifest) {
    let https = |url: &str| url::Url::parse(url).is_ok_and(|u| u.scheme() == "https" && u.has_host());
    rule!(fixture, https(manifest.docs), "the docs link {:?} is not an https address", manifest.docs);
    rule!(fixture, !manifest.api.version.is_empty(), "the API version is empty");
    if let Some(ends) = manifest.api.ends {
        rule!(
            fixture,
            ends.parse::<jiff::civil::Date>().is_ok(),
            "the end of the API's life {ends:?} is not a date such as 2028-07-29"
        );
    }
    if let Some(base) = manifest.default_base_url {
        rule!(
            fixture,
            https(base) && !base.ends_with('/'),
            "the default base URL {base:?} must be https, without a trailing slash"
        );
    }
    rule!(fixture, manifest.limits.concurrency > 0, "a concurrency of 0 stops all calls");
    rule!(fixture, manifest.limits.timeout > Duration::ZERO, "a timeout of 0 stops all calls");
    if let Some(rate) = manifest.limits.rate {
        rule!(fixture, rate.burst > 0 && rate.every > Duration::ZERO, "the rate limit {rate:?} lets nothing through");
    }
    match manifest.verification {
        Verification::NoInbound => {
            rule!(fixture, fixture.webhooks.is_empty(), "the manifest says NoInbound, but there are webhook samples");
        }
        Verification::Hmac { header, recipe } | Verification::PublicKey { header, recipe } => {
            rule!(fixture, !header.is_empty() && !recipe.is_empty(), "the verification has no header or recipe");
            rule!(fixture, !fixture.webhooks.is_empty(), "it takes webhooks, but there is no sample of one");
        }
        Verification::Configured => {
            rule!(fixture, !fixture.webhooks.is_empty(), "it takes webhooks, but there is no sample of one");
        }
    }
}

fn settings(fixture: &Fixture, manifest: &Manifest) {
    if let Err(why) = refuse_unknown(manifest.settings.as_value()) {
        rule!(fixture, false, "the schema of the settings: {why}");
    }
    let mut config = fixture.config.clone();
    if let Some(settings) = config.settings.as_object_mut() {
        settings.insert(UNKNOWN.into(), Value::Bool(true));
    }
    rule!(
        fixture,
        fixture.connect(config).is_err(),
        "`connect` accepts an unknown setting: a misspelt key would be ignored in silence"
    );
    let objection = super::schema::objection(manifest.settings.as_value(), &fixture.config.settings);
    rule!(
        fixture,
        objection.is_none(),
        "the schema of the settings refuses the fixture's own settings: {}",
        objection.unwrap_or_default()
    );
    // Absent secrets make actions unavailable, not the hub.
    let mut config = fixture.config.clone();
    config.credentials.clear();
    if let Err(e) = fixture.connect(config) {
        rule!(fixture, false, "a connection without credentials is refused, it must only be unable to act: {e}");
    }
}

fn events(fixture: &Fixture, manifest: &Manifest) {
    let open = manifest.is_open();
    for event in manifest.events {
        rule!(fixture, open || is_canonical(event), "the event {event:?} is not a canonical type");
    }
    for sample in &fixture.webhooks {
        for event in &sample.events {
            rule!(
                fixture,
                open || manifest.events.contains(event),
                "the sample {:?} tells {event:?}, which is not among the manifest's events",
                sample.name
            );
        }
    }
}

fn history(fixture: &Fixture, manifest: &Manifest) {
    rule!(
        fixture,
        manifest.tasks.is_empty() == manifest.no_history.is_some_and(|why| !why.is_empty()),
        "either it can be reconciled (tasks), or `no_history` says why not"
    );
    for task in &manifest.tasks {
        rule!(fixture, task.every > Duration::ZERO, "the task {:?} would run without a pause", task.name);
    }
}

fn check_action(fixture: &Fixture, action: &Action) {
    let name = action.name;
    rule!(fixture, !action.title.trim().is_empty(), "the action {name:?} has no title for people");
    if let Err(why) = refuse_unknown(action.input.as_value()) {
        rule!(fixture, false, "the input schema of {name:?}: {why}");
    }
    rule!(fixture, action.output.is_object(), "the output of {name:?} is not an object of field names");
    let pointers = match &action.lane {
        Lane::Input(pointer) => std::slice::from_ref(pointer),
        Lane::First(pointers) => pointers,
        Lane::FlowKey | Lane::Connection => &[],
    };
    rule!(fixture, !matches!(action.lane, Lane::First([])), "the lane of {name:?} is the first of nothing");
    for pointer in pointers {
        rule!(fixture, pointer.starts_with('/'), "the lane {pointer:?} of {name:?} is not a JSON pointer");
    }
    if let Some(batch) = action.batch {
        rule!(fixture, batch.max > 1, "a batch of {} in {name:?} is none", batch.max);
    }
    rule!(fixture, action.give_up_after > Duration::ZERO, "the action {name:?} is given up before its first try");
    rule!(
        fixture,
        fixture.actions.iter().any(|sample| sample.action == name),
        "there is no sample of the action {name:?}"
    );
}
