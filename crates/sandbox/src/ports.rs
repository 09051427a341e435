//! Ports for programs that are started and told where to listen.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what systems give to outgoing connections (Linux: from 32768 on).
const FIRST: u16 = 10_000;
const SPAN: u16 = 10_000;

/// A port of loopback that nothing listens on, and that this process is not told twice.
///
/// A port that the system chooses (`127.0.0.1:0`) may be some outgoing connection's before the program that it is meant
/// for has bound it, or while that program is started again; these are given to nobody unasked. Processes begin at
/// different places, so that two that ask at the same time are told different ports.
///
/// # Errors
///
/// Not one port is free.
pub fn free_port() -> io::Result<u16> {
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(61);
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..SPAN {
        let at = begin.wrapping_add(TOLD.fetch_add(1, Ordering::Relaxed)) % u32::from(SPAN);
        let port = FIRST + u16::try_from(at).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(e) => last = e,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_told_twice_and_none_that_is_taken() {
        let held: Vec<TcpListener> =
            (0..50).map(|_| TcpListener::bind(("127.0.0.1", free_port().unwrap())).unwrap()).collect();
        let ports: std::collections::BTreeSet<u16> = held.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|p| (FIRST..FIRST + SPAN).contains(p)));
    }
}
