//! Headers and body of a delivery as one block of bytes: sealed together, opened together.

use pasarela_connector::Headers;

/// Headers that are never kept: they carry credentials of the caller, not facts.
const DROPPED: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// `[length of headers, 4 bytes][name: value\n ...][body]`.
#[must_use]
pub fn pack<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 512);
    out.extend_from_slice(&[0; 4]);
    for (name, value) in headers {
        if DROPPED.contains(&name) || value.contains(&b'\n') {
            continue;
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.push(b'\n');
    }
    let length = u32::try_from(out.len() - 4).unwrap_or(0);
    out[..4].copy_from_slice(&length.to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// Takes a block apart. A block that is none is all body.
#[must_use]
pub fn unpack(packed: &[u8]) -> (Headers, &[u8]) {
    let whole = (Headers::default(), packed);
    let Some((length, rest)) = packed.split_first_chunk::<4>() else { return whole };
    let Some((head, body)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { return whole };
    let text = String::from_utf8_lossy(head);
    let pairs = text.lines().filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned()));
    (Headers(pairs.collect()), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks_without_the_callers_credentials() {
        let headers = [("signature", b"abc".as_slice()), ("authorization", b"Bearer x"), ("x-odd", b"a: b")];
        let packed = pack(headers.into_iter(), b"{\"a\":1}");
        let (headers, body) = unpack(&packed);
        assert_eq!(body, b"{\"a\":1}");
        assert_eq!(headers.get("signature"), Some("abc"));
        assert_eq!(headers.get("x-odd"), Some("a: b"));
        assert_eq!(headers.get("authorization"), None);
        assert_eq!(unpack(b"\x01").1, b"\x01");
    }
}
