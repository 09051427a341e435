//! Forgeries let in, and facts that break the rules.

use super::*;

#[test]
fn verification_that_lets_forgeries_in_is_found() {
    let broken = |verify: Verify| Damage { verify: Some(verify), ..Damage::default() };
    found(plain_hmac(), broken(|_, _, _| AUTHENTIC), "must be Forged");
    found(plain_hmac(), broken(|_, _, _| Verdict::Forged("no")), "is not accepted");
    found(
        plain_hmac(),
        broken(|c, r, now| if (r.header)("x-signature").is_none() { AUTHENTIC } else { c.verify(r, now) }),
        "without its signature",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| if (r.header)("x-signature") == Some("") { AUTHENTIC } else { c.verify(r, now) }),
        "empty signature",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| with(c, r.header, r.body.strip_suffix(b" ").unwrap_or(r.body), now)),
        "appended",
    );
    found(
        plain_hmac(),
        broken(|c, r, now| {
            let first = |name: &str| (r.header)(name).map(|text| text.get(..64).unwrap_or(text));
            with(c, &first, r.body, now)
        }),
        "signature",
    );
}

#[test]
fn verification_that_is_loose_about_the_prefix_is_found() {
    let loose: Verify = |c, r, now| {
        let lower = (r.header)("x-tienda-hmac").unwrap_or_default().replacen("SHA256=", "sha256=", 1);
        let header = |name: &str| if name == "x-tienda-hmac" { Some(lower.as_str()) } else { (r.header)(name) };
        with(c, &header, r.body, now)
    };
    let damage = Damage { verify: Some(loose), ..Damage::default() };
    found(timed_hmac(), damage, "prefix of the signature in the other case");
}

#[test]
fn verification_that_forgets_the_time_is_found() {
    let broken = |verify: Verify| Damage { verify: Some(verify), ..Damage::default() };
    fn signed_at() -> Timestamp {
        Timestamp::from_second(crate::NOW).unwrap()
    }
    for fixture in [timed_hmac, standard_webhooks] {
        found(fixture(), broken(|c, r, _| c.verify(r, signed_at())), "replays never age");
        found(fixture(), broken(|c, r, now| c.verify(r, now.max(signed_at()))), "far future");
    }
}

#[test]
fn secrets_that_do_not_count_are_found() {
    let broken = |config: fn(&mut ConnectionConfig)| Damage { config: Some(config), ..Damage::default() };
    found(plain_hmac(), broken(|c| c.webhook_secrets.truncate(1)), "rotation");
    found(
        plain_hmac(),
        broken(|c| c.webhook_secrets = c.webhook_secrets.split_off(c.webhook_secrets.len().max(1) - 1)),
        "rotation",
    );
    found(
        plain_hmac(),
        broken(|c| {
            if c.webhook_secrets.is_empty() {
                c.webhook_secrets.push(Secret::new("clave-de-prueba"));
            }
        }),
        "no secret configured",
    );
    found(plain_hmac(), broken(|c| c.webhook_secrets.push(Secret::new("clave-de-prueba"))), "secret configured");
}

#[test]
fn a_token_scheme_is_no_excuse_for_a_signed_body() {
    let headers = [("authorization", "Bearer token-de-la-tienda".to_owned())];
    let mut fixture = fixture(json!({ "scheme": "bearer" }), "token-de-la-tienda", "authorization", &headers);
    let mut manifest = fixture.provider.manifest().clone();
    manifest.verification =
        pasarela_connector::Verification::Hmac { header: "authorization", recipe: "HMAC of the body" };
    fixture.provider = Box::new(Saboteur { manifest, damage: Damage::default(), calls: Arc::default() });
    told(&fixture, "verified by a token");
}
#[test]
fn facts_that_break_the_rules_are_found() {
    fn one(fact: Fact) -> Result<Translation, Unread> {
        Ok(Translation { items: vec![fact.into()] })
    }
    fn honest(broken: &Broken, body: &[u8], change: fn(&mut Fact)) -> Result<Translation, Unread> {
        let mut translation = broken.honest.translate(Source::Webhook, body)?;
        for item in &mut translation.items {
            if let Item::Fact(fact) = item {
                change(fact);
            }
        }
        Ok(translation)
    }
    let broken = |translate: Translate| Damage { translate: Some(translate), ..Damage::default() };
    let at_random: Translate = |b, _| {
        let id = b.call().to_string();
        one(Fact::once("tienda.order.created", "PED-1", "PED-1", id, json!({})))
    };
    found(plain_hmac(), broken(at_random), "other dedup keys");
    let changing: Translate =
        |b, _| one(Fact::once("tienda.order.created", "PED-1", "PED-1", "1", json!({ "n": b.call() })));
    found(plain_hmac(), broken(changing), "gives two results");
    found(plain_hmac(), broken(|_, body| Err(Unread(body[0].to_string()))), "is not understood");
    let fragile: Translate = |b, body| {
        let first = body[0];
        if first == b'{' { b.honest.translate(Source::Webhook, body) } else { Err(Unread("no".into())) }
    };
    found(plain_hmac(), broken(fragile), "panicked");
    let loose: Translate = |b, body| {
        let value: Value = serde_json::from_slice(body)?;
        let _ = value["data"]["order"]["lines"].as_array().map(|l| l.first().unwrap()["sku"].as_str().unwrap().len());
        b.honest.translate(Source::Webhook, body)
    };
    found(plain_hmac(), broken(loose), "panicked");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.key.clear())), "without a key");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.event_type = Some("otra.order".into()))), "not among");
    found(plain_hmac(), broken(|b, body| honest(b, body, |f| f.event_type = None)), "says nothing");
    let other: Translate = |b, body| honest(b, body, |f| f.event_type = Some("tienda.otra".into()));
    found(plain_hmac(), broken(other), "must tell");
    let homeless: Translate = |b, body| {
        honest(b, body, |f| {
            f.dedup = Dedup::State { entity: EntityWrite::new("order", "1", Value::Null).entity };
        })
    };
    found(plain_hmac(), broken(homeless), "not among the fact's entities");
    let all_one: Translate = |b, body| {
        honest(b, body, |f| {
            f.dedup = Dedup::Once { kind: "k".into(), entity: String::new(), discriminator: String::new() };
        })
    };
    found(plain_hmac(), broken(all_one), "one and the same");
}
