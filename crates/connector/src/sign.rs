//! Signatures, written once.

use hmac::{Hmac, KeyInit, Mac};
use pasarela_domain::Secret;
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

/// Does any live secret give this MAC? Compared in constant time.
#[must_use]
pub fn any_hmac_matches(secrets: &[Secret], parts: &[&[u8]], candidate: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    secrets.iter().fold(false, |found, secret| {
        found | bool::from(hmac_sha256(secret.expose().as_bytes(), parts).ct_eq(candidate))
    })
}

/// Does any live secret give this MAC in hex (lower or upper case)?
#[must_use]
pub fn any_hmac_hex_matches(secrets: &[Secret], parts: &[&[u8]], hex_text: &str) -> bool {
    hex::decode(hex_text).is_ok_and(|mac| any_hmac_matches(secrets, parts, &mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_2() {
        let mac = hmac_sha256_hex(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let secrets = [Secret::new("new"), Secret::new("Jefe")];
        assert!(any_hmac_hex_matches(&secrets, &[b"what do ya want for nothing?"], &mac));
        assert!(!any_hmac_hex_matches(&secrets[..1], &[b"what do ya want for nothing?"], &mac));
        assert!(!any_hmac_hex_matches(&secrets, &[b"what do ya want for nothing?"], "zz"));
    }
}
