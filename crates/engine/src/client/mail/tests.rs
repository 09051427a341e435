//! What is known of a message, whatever a server does with it. The servers here say what they are told to
//! say; a real one judges in `pasarela/tests/mail.rs`.

use crate::client::Client;
use crate::network::{Machine, Network};
use pasarela_connector::{Request, mail};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SECONDS: Duration = Duration::from_secs(5);

/// A server that answers each command with the reply of its turn, a message with one; an empty reply closes
/// the line, "..." says nothing for ever. Returns what it heard.
async fn server(replies: &'static [&'static str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}/?tls=none", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut heard, mut message) = (Vec::new(), false);
        for reply in replies {
            match *reply {
                "" => return heard,
                "..." => std::future::pending().await,
                reply => stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.unwrap(),
            }
            message |= reply.starts_with("354");
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return heard;
                }
                let line = line.trim_end_matches(['\r', '\n']).to_owned();
                let end = !message || line == ".";
                heard.push(line);
                if end {
                    message = false;
                    break;
                }
            }
        }
        heard
    });
    (url, heard)
}

fn client() -> Client {
    Client::new(&(Arc::new(Machine) as Arc<dyn Network>), 4)
}

fn message(url: &str) -> Request {
    mail::send(url, "hub.example", "rebotes@f.example", "ana@correo.example", &b"Subject: x\r\n\r\n.uno\r\n"[..])
}

const GREET: &str = "220 ready";
const HELLO: &str = "250 hello";

#[tokio::test]
async fn a_message_that_is_taken_has_the_servers_reply() {
    let (url, heard) =
        server(&[GREET, HELLO, "250 ok", "250 ok", "354 go", "250-2.0.0 queued\r\n250 as 7", "221 bye"]).await;
    let answer = client().call(&message(&url), &[], true, SECONDS).await.unwrap();
    assert_eq!((answer.status, answer.headers.get(mail::STAGE)), (250, Some("message")));
    assert_eq!(answer.excerpt(100), "2.0.0 queued\nas 7");
    let heard = heard.await.unwrap();
    assert_eq!(heard[0], "EHLO hub.example");
    assert!(
        heard[1].starts_with("MAIL FROM:<rebotes@f.example>") && heard[2].starts_with("RCPT TO:<ana@correo.example>")
    );
    assert!(heard.contains(&"..uno".to_owned()), "a dot at the beginning is doubled: {heard:?}");
}

#[tokio::test]
async fn a_refusal_says_what_was_refused_and_nothing_was_sent() {
    for (replies, stage, status) in [
        (&[GREET, HELLO, "250 ok", "550 5.1.1 no such user", "221 bye"][..], "rcpt", 550),
        (&[GREET, HELLO, "450 4.7.0 slowly", "221 bye"][..], "mail", 450),
        (&["421 4.3.2 closing"][..], "hello", 421),
        (&[GREET, HELLO, "250 ok", "250 ok", "554 no", "221 bye"][..], "data", 554),
        (&[GREET, HELLO, "250 ok", "250 ok", "354 go", "552 5.3.4 too big", "221 bye"][..], "message", 552),
    ] {
        let (url, _heard) = server(replies).await;
        let answer = client().call(&message(&url), &[], true, SECONDS).await.unwrap();
        assert_eq!((answer.status, answer.headers.get(mail::STAGE)), (status, Some(stage)));
    }
    let (url, _heard) = server(&[GREET, HELLO, "250 ok", "550 5.1.1 no such user", "221 bye"]).await;
    let answer = client().call(&message(&url), &[], true, SECONDS).await.unwrap();
    assert_eq!(answer.excerpt(100), "5.1.1 no such user");
}

#[tokio::test]
async fn what_breaks_off_before_the_message_was_not_sent_and_after_it_may_have_been() {
    for (replies, maybe_sent) in [
        (&[GREET, ""][..], false),
        (&[GREET, HELLO, ""][..], false),
        (&[GREET, HELLO, "250 ok", "250 ok", ""][..], false),
        (&[GREET, HELLO, "250 ok", "250 ok", "354 go", ""][..], true),
        (&[GREET, HELLO, "250 ok", "..."][..], false),
        (&[GREET, HELLO, "250 ok", "250 ok", "354 go", "..."][..], true),
        (&["what is this"][..], false),
    ] {
        let (url, _heard) = server(replies).await;
        let lost = client().call(&message(&url), &[], true, Duration::from_millis(300)).await.unwrap_err();
        assert_eq!(lost.maybe_sent, maybe_sent, "{replies:?}: {}", lost.why);
    }
}

#[tokio::test]
async fn a_password_goes_to_whoever_takes_it_and_a_refused_one_is_told() {
    let (url, heard) = server(&[GREET, "250-hello\r\n250 AUTH PLAIN", "535 5.7.8 no", "221 bye"]).await;
    // boletas:clave
    let extra = [("authorization".to_owned(), "Basic Ym9sZXRhczpjbGF2ZQ==".to_owned())];
    let answer = client().call(&message(&url), &extra, true, SECONDS).await.unwrap();
    assert_eq!((answer.status, answer.headers.get(mail::STAGE)), (535, Some("auth")));
    assert!(heard.await.unwrap()[1].starts_with("AUTH PLAIN AGJvbGV0YXMAY2xhdmU="));
    let (url, _heard) = server(&[GREET, HELLO, "221 bye"]).await;
    let answer = client().call(&message(&url), &extra, true, SECONDS).await.unwrap();
    assert_eq!((answer.status, answer.headers.get(mail::STAGE)), (530, Some("auth")), "it takes none at all");
}

#[tokio::test]
async fn without_tls_nothing_is_said_and_inside_addresses_are_guarded() {
    let (url, heard) = server(&[GREET, HELLO, "221 bye"]).await;
    let starttls = url.trim_end_matches("/?tls=none");
    let refused = client().call(&message(starttls), &[], true, SECONDS).await.unwrap_err();
    assert!(!refused.maybe_sent && refused.why.contains("STARTTLS"), "{}", refused.why);
    assert!(heard.await.unwrap().iter().all(|line| !line.starts_with("MAIL")));
    let refused = client().call(&message(&url), &[], false, SECONDS).await.unwrap_err();
    assert!(!refused.maybe_sent && refused.why.contains("allow_private_targets"), "{}", refused.why);
    let by_name = url.replace("127.0.0.1", "localhost");
    let refused = client().call(&message(&by_name), &[], false, SECONDS).await.unwrap_err();
    assert!(refused.why.contains("allow_private_targets"), "{}", refused.why);
}
