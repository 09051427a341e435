//! Signatures, written once.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// HMAC-SHA256 of the concatenated parts.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length; the error case does not exist for it.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA256 in lower-case hex.
#[must_use]
pub fn hmac_sha256_hex(key: &[u8], parts: &[&[u8]]) -> String {
    hex::encode(hmac_sha256(key, parts))
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Equality in constant time for equal lengths: for MACs of keys that are not text.
#[must_use]
pub fn same(mac: &[u8], candidate: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    mac.ct_eq(candidate).into()
}

/// The uncompressed point of a public key of the curve P-256, out of its SubjectPublicKeyInfo in base64.
#[must_use]
pub fn p256_point(base64_text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    /// What stands before the point in every such key: id-ecPublicKey, prime256v1, a bit string of 66 bytes.
    const HEAD: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let key = base64::engine::general_purpose::STANDARD.decode(base64_text.trim()).ok()?;
    let point = key.strip_prefix(&HEAD)?;
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}

/// Is this the ECDSA signature (DER, SHA-256) of a message by the key of this point?
#[must_use]
pub fn ecdsa_p256_matches(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
}

/// RSASSA-PKCS1-v1_5 with SHA-256 by a private key in PEM (PKCS#8), as JSON Web Tokens need it. The form draws
/// no chance: the same key and message give the same bytes. `None`: it is no such key.
#[must_use]
pub fn rsa_sha256(pem: &str, message: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    let body = pem.split_once("-----BEGIN PRIVATE KEY-----")?.1.split_once("-----END PRIVATE KEY-----")?.0;
    let text: String = body.split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let key = RsaKeyPair::from_pkcs8(&der).ok()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_2() {
        let mac = hmac_sha256_hex(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(same(&hmac_sha256(b"Jefe", &[b"what do ya want for nothing?"]), &hex::decode(mac).unwrap()));
    }
}
