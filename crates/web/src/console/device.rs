//! Where a request comes from: which browser, in words and as a hash, and which address.

use crate::accounts::lockout;
use crate::server::Peer;
use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;

fn agent(headers: &HeaderMap) -> &[u8] {
    headers.get(header::USER_AGENT).map_or(&[], |v| v.as_bytes())
}

/// What tells one browser from another, hashed.
pub(super) fn hash(headers: &HeaderMap) -> [u8; 32] {
    Sha256::digest(agent(headers)).into()
}

/// `Firefox · Linux`: names of products, the same in every language. Empty when nothing is known.
pub(super) fn name(headers: &HeaderMap) -> String {
    let text = String::from_utf8_lossy(agent(headers));
    // What names several is the last of them that fits: Edge says that it is Chrome, and Chrome that it is Safari.
    let browsers =
        [("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let of = |list: &[(&str, &'static str)]| list.iter().find(|(part, _)| text.contains(part)).map(|(_, name)| *name);
    [of(&browsers), of(&systems)].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Who asks. A proxy on this machine says it in the last address that it added; whoever else says so is not asked.
pub(crate) fn address(peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer?.0;
    if !peer.is_loopback() {
        return Some(peer);
    }
    let told = headers.get_all("x-forwarded-for").iter().next_back().and_then(|v| v.to_str().ok());
    let last = told.and_then(|v| v.rsplit(',').next()).and_then(|v| v.trim().parse().ok());
    Some(last.unwrap_or(peer))
}

/// The same, as it is counted.
pub(super) fn place(from: Option<IpAddr>) -> String {
    lockout::place(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "192.0.2.66, 192.0.2.7".parse().unwrap());
        let of = |peer: &str| address(Some(Peer(peer.parse().unwrap())), &headers).unwrap().to_string();
        assert_eq!(of("127.0.0.1"), "192.0.2.7", "what the proxy added, not what came to it");
        assert_eq!(of("198.51.100.9"), "198.51.100.9");
        assert_eq!(address(None, &headers), None);
    }

    #[test]
    fn a_browser_is_told_in_two_words() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, text.parse().unwrap());
            name(&headers)
        };
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(of(chrome), "Chrome · Linux");
        assert_eq!(of(&format!("{chrome} Edg/140.0")), "Edge · Linux");
        assert_eq!(of("curl/8"), "");
    }
}
