//! The identity token: signature, issuer, audience, times and nonce, before any word of it is believed.
//!
//! Parsing and claims are `jsonwebtoken`'s; the primitives are ring's, which the hub has for everything else.
//! Only signatures by public keys are taken: a token "signed" with what everybody knows is refused by its
//! algorithm.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation, decode, decode_header};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Once;

/// Signatures that are taken.
const TAKEN: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds by which the provider's clock may differ.
const LEEWAY: i64 = 60;

/// What a token must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    /// Unix seconds.
    pub(super) now: i64,
}

/// What a good token says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    aud: Value,
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Its key is not among those that are known: they may have been changed.
    #[error("the identity token is signed with a key that the provider does not publish")]
    UnknownKey,
    /// It is no good.
    #[error("the identity token is refused: {0}")]
    Bad(String),
}

impl From<JwtError> for Refused {
    fn from(e: JwtError) -> Self {
        Self::Bad(e.to_string())
    }
}

/// Believes a token, or says why not.
pub(super) fn judge(token: &str, keys: &JwkSet, wanted: Wanted<'_>) -> Result<Claims, Refused> {
    use_ring();
    let bad = |why: &str| Refused::Bad(why.to_owned());
    let header = decode_header(token)?;
    if !TAKEN.contains(&header.alg) {
        return Err(bad("its algorithm is none of those that are taken"));
    }
    let key = key_of(keys, header.kid.as_deref(), header.alg).ok_or(Refused::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[wanted.issuer]);
    validation.set_audience(&[wanted.client]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // By the clock that is given, below.
    validation.validate_exp = false;
    let claims = decode::<Claims>(token, &DecodingKey::from_jwk(key)?, &validation)?.claims;
    if claims.exp.saturating_add(LEEWAY) <= wanted.now {
        return Err(bad("its time is over"));
    }
    if claims.nbf.is_some_and(|from| from.saturating_sub(LEEWAY) > wanted.now) {
        return Err(bad("its time has not come"));
    }
    if claims.nonce.as_deref() != Some(wanted.nonce) {
        return Err(bad("it answers another sign-in"));
    }
    // Of several for whom it was made, the one that it was handed to must be us.
    let several = claims.aud.as_array().is_some_and(|all| all.len() > 1);
    if claims.azp.as_deref().map_or(several, |azp| azp != wanted.client) {
        return Err(bad("it was handed to another client"));
    }
    Ok(claims)
}

/// The published key that signed: by its id, or the only one that could have.
fn key_of<'k>(keys: &'k JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<&'k Jwk> {
    let fits = |key: &&Jwk| DecodingKey::from_jwk(key).is_ok_and(|k| k.family() == algorithm.family());
    match id {
        Some(id) => keys.find(id).filter(fits),
        None => {
            let mut able = keys.keys.iter().filter(fits);
            able.next().filter(|_| able.next().is_none())
        }
    }
}

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        let key = match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => Key::Rsa { n: n.clone(), e: e.clone() },
            DecodingKeyKind::SecretOrDer(bytes) => Key::Plain(bytes.clone()),
        };
        Ok(Box::new(ByRing { algorithm: *algorithm, key }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn use_ring() {
    static ONCE: Once = Once::new();
    // Another one that was installed before us can check signatures, too.
    ONCE.call_once(|| {
        if RING.install_default().is_err() {
            tracing::debug!("signatures of tokens are checked by another library");
        }
    });
}

enum Key {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Plain(Vec<u8>),
}

struct ByRing {
    algorithm: Algorithm,
    key: Key,
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let rsa: Option<&RsaParameters> = match self.algorithm {
            Algorithm::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
            _ => None,
        };
        let plain: Option<&dyn VerificationAlgorithm> = match self.algorithm {
            Algorithm::ES256 => Some(&ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => Some(&ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => Some(&ED25519),
            _ => None,
        };
        let verified = match (&self.key, rsa, plain) {
            (Key::Rsa { n, e }, Some(parameters), _) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Key::Plain(bytes), _, Some(algorithm)) => {
                UnparsedPublicKey::new(algorithm, bytes).verify(message, signature)
            }
            // A key of another kind than the algorithm's.
            _ => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| SignatureError::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64URL_NOPAD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    struct Issuer(EcdsaKeyPair);

    impl Issuer {
        fn new() -> Self {
            let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
            let pair = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(kind, pair.as_ref(), &random).unwrap())
        }

        fn keys(&self) -> JwkSet {
            let point = self.0.public_key().as_ref();
            let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
            let key =
                json!({ "kty": "EC", "crv": "P-256", "kid": "k1", "x": part(&point[1..33]), "y": part(&point[33..]) });
            serde_json::from_value(json!({ "keys": [key] })).unwrap()
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let part = |v: &Value| BASE64URL_NOPAD.encode(v.to_string().as_bytes());
            let message = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    #[test]
    fn a_token_is_believed_only_whole_fresh_and_made_for_this_sign_in() {
        let (ours, strange) = (Issuer::new(), Issuer::new());
        let wanted = Wanted { issuer: "https://id.example", client: "hub", nonce: "n-1", now: 1_000 };
        let header = json!({ "alg": "ES256", "kid": "k1" });
        let good = json!({ "iss": "https://id.example", "aud": "hub", "sub": "u-1", "exp": 1_100, "nonce": "n-1",
            "email": "luz@example.com" });
        let ask = |token: &str| judge(token, &ours.keys(), wanted);
        let claims = ask(&ours.token(&header, &good)).expect("a good one");
        assert_eq!((claims.sub.as_str(), &claims.rest["email"]), ("u-1", &json!("luz@example.com")));
        for (what, changed) in [
            ("issuer", json!({ "iss": "https://other.example" })),
            ("audience", json!({ "aud": "another" })),
            ("audiences", json!({ "aud": ["hub", "another"] })),
            ("party", json!({ "azp": "another" })),
            ("nonce", json!({ "nonce": "n-2" })),
            ("no nonce", json!({ "nonce": null })),
            ("over", json!({ "exp": 940 })),
            ("not yet", json!({ "nbf": 1_061 })),
            ("no subject", json!({ "sub": null })),
            ("a time that is none", json!({ "exp": "later" })),
        ] {
            let mut claims = good.clone();
            for (name, value) in changed.as_object().unwrap() {
                claims[name] = value.clone();
            }
            assert!(matches!(ask(&ours.token(&header, &claims)), Err(Refused::Bad(_))), "{what}");
        }
        assert!(ask(&strange.token(&header, &good)).is_err(), "somebody else's key under our name");
        assert!(matches!(ask(&ours.token(&json!({ "alg": "ES256", "kid": "k2" }), &good)), Err(Refused::UnknownKey)));
        assert!(ask(&ours.token(&json!({ "alg": "HS256", "kid": "k1" }), &good)).is_err(), "what everybody can sign");
        assert!(ask(&ours.token(&json!({ "alg": "none" }), &good)).is_err());
        let whole = ours.token(&header, &good);
        let cut = whole.rsplit_once('.').unwrap().0;
        assert!(ask(&format!("{cut}.")).is_err() && ask(cut).is_err() && ask("").is_err(), "without its signature");
    }
}
