//! Ten times as much as there is room for (G13), seen from outside at the built program: what is refused
//! hears 503 and when to come again, what was accepted is decided, small webhooks go on, and the memory of
//! the process has a bound.

#[path = "support/files.rs"]
#[allow(dead_code, reason = "shared with the tests of damage")]
mod files;

use files::{Answer, Hub, Place, SECRET, order, until};
use pasarela_connector::sign::hmac_sha256_hex;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a large webhook.
const LARGE: usize = 512 * 1024;
/// As many of them are held in memory at once: 16 MiB.
const FIT: usize = 32;
/// Peak of the whole process, in KiB. A debug build, so the bound is generous: without a bound on bodies
/// the flood of this test takes more than twice as much.
const MOST: u64 = 200 * 1024;

fn large(id: &str) -> Vec<u8> {
    let mut body = order(id).into_bytes();
    body.resize(LARGE, b' ');
    body
}

/// A webhook whose last byte is still to come.
struct Begun {
    id: String,
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Begun {
    fn new(hub: &Hub, id: &str) -> Self {
        let body = large(id);
        let signature = hmac_sha256_hex(SECRET.as_bytes(), &[&body]);
        let mut stream = TcpStream::connect(hub.addr).unwrap();
        let head = format!(
            "POST /hooks/tienda HTTP/1.1\r\nhost: h\r\nx-signature: {signature}\r\ncontent-length: {LARGE}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // All of it goes out also when it is refused: the hub reads on, and keeps nothing.
        stream.write_all(&body[..LARGE - 1]).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { id: id.to_owned(), stream, answer: Vec::new() }
    }

    /// The head of the answer, if it is there.
    fn answered(&mut self) -> Option<String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(n) => self.answer.extend_from_slice(&buffer[..n]),
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock, "{}: {e}", self.id),
        }
        let text = String::from_utf8_lossy(&self.answer);
        text.split_once("\r\n\r\n").map(|(head, _)| head.to_lowercase())
    }

    fn end(&mut self) -> String {
        self.stream.set_nonblocking(false).unwrap();
        self.stream.write_all(b" ").unwrap();
        self.stream.set_nonblocking(true).unwrap();
        until("an answer", || self.answered())
    }
}

#[track_caller]
fn full(answer: &Answer) {
    answer.problem(503, &["busy", "in memory"]);
    assert_eq!(answer.header("retry-after"), Some("2"));
}

#[test]
fn g13_what_has_no_room_in_memory_hears_when_to_come_again_and_small_webhooks_go_on() {
    let place = Place::new();
    place.write_shop_with("min_free_disk = \"0B\"\n");
    let (_, key) = place.key("read");
    let hub = place.serve();
    let mut begun: Vec<_> = (0..2 * FIT).map(|n| Begun::new(&hub, &format!("g{n:03}"))).collect();
    let refused = until("half of them to be refused", || {
        let told: Vec<_> = begun.iter_mut().filter_map(Begun::answered).collect();
        (told.len() >= FIT).then_some(told)
    });
    assert_eq!(refused.len(), FIT, "no more than what there is no room for");
    assert!(refused.iter().all(|h| h.starts_with("http/1.1 503") && h.contains("retry-after: 2")), "{refused:?}");

    // The room is full now. What is large is refused at once, told its length or not.
    full(&hub.hook(&large("tarde")));
    let chunks = format!("{:x}\r\n{}\r\n0\r\n\r\n", LARGE, " ".repeat(LARGE));
    let mut stream = TcpStream::connect(hub.addr).unwrap();
    stream.write_all(b"POST /hooks/tienda HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    stream.write_all(chunks.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    // The connection is in order: the next request on it is answered.
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200"), "{rest}");
    // What is small goes on.
    for n in 0..10 {
        hub.order(&format!("p{n}"));
    }

    let mut kept: Vec<String> = (0..10).map(|n| format!("p{n}")).collect();
    let (refused_ones, mut held): (Vec<_>, Vec<_>) = begun.into_iter().partition(|b| !b.answer.is_empty());
    for one in &mut held {
        let head = one.end();
        assert!(head.starts_with("http/1.1 200"), "{}: {head}", one.id);
        kept.push(one.id.clone());
    }
    // Whoever comes again is taken.
    drop(held);
    let again = &refused_ones[0].id;
    assert_eq!(hub.hook(&large(again)).status, 200);
    kept.push(again.clone());
    kept.sort();
    assert_eq!(hub.event_keys(&key, kept.len()), kept);
}

#[test]
fn g13_a_flood_of_large_bodies_takes_a_bounded_memory_and_loses_nothing_accepted() {
    const SENDERS: usize = 320;
    const EACH: usize = 2;
    let place = Place::new();
    place.write_shop_with("min_free_disk = \"0B\"\n");
    let (_, key) = place.key("read");
    let hub = place.serve();
    let busy = AtomicUsize::new(0);
    let mut kept: Vec<String> = std::thread::scope(|scope| {
        let send = |sender: usize| {
            let (hub, busy) = (&hub, &busy);
            move || {
                let mut kept = Vec::new();
                for n in 0..EACH {
                    let id = format!("g{sender:03}x{n}");
                    let answer = hub.hook(&large(&id));
                    if answer.status == 200 {
                        kept.push(id);
                    } else {
                        full(&answer);
                        busy.fetch_add(1, Ordering::Relaxed);
                    }
                }
                kept
            }
        };
        let flood: Vec<_> = (0..SENDERS).map(|s| scope.spawn(send(s))).collect();
        let mut kept: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
        kept.iter().for_each(|id| drop(hub.order(id)));
        kept.extend(flood.into_iter().flat_map(|sender| sender.join().unwrap()));
        kept
    });
    kept.sort();
    assert_eq!(hub.event_keys(&key, kept.len()), kept, "all that was accepted and nothing else");
    let peak = hub.peak_memory();
    let busy = busy.load(Ordering::Relaxed);
    assert!(peak < MOST, "{peak} KiB at the peak, {} accepted, {busy} refused", kept.len());
}
