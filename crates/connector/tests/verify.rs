//! Who calls? Every scheme with the examples of its rules, and with what must not pass.

use jiff::Timestamp;
use pasarela_connector::verify::{Encoding, Gate, Hmac, Scheme, SignedTime, Unit};
use pasarela_connector::{ConnectionConfig, RawRequest, Verdict, sign};
use pasarela_domain::Secret;
use std::time::Duration;

fn gate(scheme: Scheme, secrets: &[&str]) -> Gate {
    let mut config = ConnectionConfig::bare("cuenta", "nadie");
    config.webhook_secrets = secrets.iter().map(|s| Secret::new(*s)).collect();
    Gate::new(&config, Some(scheme), Duration::from_secs(300)).unwrap()
}

fn ask(gate: &Gate, headers: &[(&str, &str)], body: &[u8], now: i64) -> bool {
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
    let request = RawRequest { method: "POST", query: "", header: &header, body };
    matches!(gate.verify(&request, Timestamp::from_second(now).unwrap()), Verdict::Authentic { .. })
}

/// RFC 4231, case 2.
#[test]
fn an_hmac_is_believed_in_its_form_and_in_no_other() {
    let body = b"what do ya want for nothing?";
    let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let plain = gate(Scheme::Hmac(Hmac::hex("x-sign")), &["nueva", "Jefe"]);
    assert!(ask(&plain, &[("x-sign", mac)], body, 0), "any live secret");
    assert!(ask(&plain, &[("x-sign", &mac.to_uppercase())], body, 0));
    assert!(!ask(&plain, &[("x-sign", mac)], b"something else", 0));
    assert!(!ask(&plain, &[("x-sign", &mac[..62])], body, 0) && !ask(&plain, &[], body, 0));
    let prefixed = gate(Scheme::Hmac(Hmac::hex("x-sign").prefixed("sha256=")), &["Jefe"]);
    assert!(ask(&prefixed, &[("x-sign", &format!("sha256={mac}"))], body, 0));
    assert!(!ask(&prefixed, &[("x-sign", mac)], body, 0));
    let base64 = gate(Scheme::Hmac(Hmac { encoding: Encoding::Base64, ..Hmac::hex("x-sign") }), &["Jefe"]);
    assert!(ask(&base64, &[("x-sign", "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=")], body, 0));
}

#[test]
fn a_signed_time_is_within_the_age_both_ways() {
    let gate = gate(Scheme::Hmac(Hmac::hex("x-sign").timed("x-time", Unit::Milliseconds, ":")), &["clave"]);
    let at = |stamp: &str, now| {
        let mac = sign::hmac_sha256_hex(b"clave", &[stamp.as_bytes(), b":", b"{}"]);
        ask(&gate, &[("x-sign", &mac), ("x-time", stamp)], b"{}", now)
    };
    assert!(at("1000000000000", 1_000_000_000) && at("1000000000000", 1_000_000_300));
    assert!(!at("1000000000000", 1_000_000_301) && !at("1000000000000", 999_999_699));
    assert!(!at("+1000000000000", 1_000_000_000) && !at("", 0), "digits only");
}

#[test]
fn a_public_key_verifies_the_senders_signature() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    let random = SystemRandom::new();
    let own = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let own = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, own.as_ref(), &random).unwrap();
    // The head of a public key of this curve, as providers show it (SubjectPublicKeyInfo).
    let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let shown = STANDARD.encode([&head, own.public_key().as_ref()].concat());
    let body = b"[{\"event\":\"delivered\",\"email\":\"laura@correo.example\"}]";
    let signature = own.sign(&random, &[b"1600112502", &body[..]].concat()).unwrap();
    let signature = STANDARD.encode(signature.as_ref());
    let scheme = || Scheme::EcdsaP256 {
        header: "x-signature".into(),
        time: SignedTime { header: "x-time".into(), unit: Unit::Seconds, separator: "".into() },
    };
    let gate = gate(scheme(), &[&shown]);
    let headers = [("x-signature", signature.as_str()), ("x-time", "1600112502")];
    assert!(ask(&gate, &headers, body, 1_600_112_502));
    assert!(!ask(&gate, &headers, &body[..body.len() - 1], 1_600_112_502), "every byte counts");
    assert!(!ask(&gate, &[headers[0], ("x-time", "1600112503")], body, 1_600_112_502), "and the time");
    assert!(!ask(&gate, &headers, body, 1_600_112_902), "too old");
    let mut config = ConnectionConfig::bare("cuenta", "nadie");
    config.webhook_secrets = vec![Secret::new("no es una llave")];
    assert!(Gate::new(&config, Some(scheme()), Duration::MAX).err().unwrap().contains("webhook_secrets[0]"));
}

#[test]
fn without_a_scheme_or_a_secret_nobody_comes_in() {
    let bare = ConnectionConfig::bare("cuenta", "nadie");
    let none = Gate::new(&bare, None, Duration::MAX).unwrap();
    let no_secret = Gate::new(&bare, Some(Scheme::Bearer { header: None }), Duration::MAX).unwrap();
    for gate in [none, no_secret] {
        assert!(!ask(&gate, &[("authorization", "Bearer "), ("x-sign", "")], b"{}", 0));
    }
}
