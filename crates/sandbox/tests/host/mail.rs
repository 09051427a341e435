//! Mail through the sandbox: a double that is spoken to by SMTP, with faults, and its files.

use jiff::Timestamp;
use pasarela_connector::{Arrival, Request, SimReply, Simulator, Speaks, mail};
use pasarela_domain::SystemClock;
use pasarela_sandbox::{Fault, Faults, Host, Options, Script};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Takes every message; "nadie" has no mailbox.
#[derive(Default)]
struct Mailbox(Vec<String>);

impl Simulator for Mailbox {
    fn handle(&mut self, request: &Request, _: Timestamp) -> SimReply {
        let to = request.headers.get(mail::TO).unwrap_or_default();
        SimReply::answer(match request.method.as_str() {
            "RCPT" if to.starts_with("nadie") => mail::reply("rcpt", 550, "5.1.1 no such user"),
            mail::SEND => {
                self.0.push(format!("{to}: {}", String::from_utf8_lossy(&request.body)));
                mail::reply("message", 250, "2.0.0 queued")
            }
            _ => mail::reply("mail", 250, "2.1.0 Ok"),
        })
    }
    fn act(&mut self, command: &str, _: &Value, _: Timestamp) -> Result<SimReply, String> {
        Err(format!("no command {command:?}"))
    }
    fn arrivals(&self) -> Vec<Arrival> {
        let one =
            |text: &String| Arrival { kind: "email".into(), identity: text.clone(), times: 1, detail: String::new() };
        self.0.iter().map(one).collect()
    }
    fn speaks(&self) -> Speaks {
        Speaks::Smtp
    }
    fn view(&self, what: &str) -> Value {
        match what {
            "attachment/m1/0" => json!({ "name": "boleta \"1\".pdf", "type": "application/pdf", "base64": "JVBERi0=" }),
            "attachment/m1/1" => json!({ "name": "x.html", "type": "text/html", "base64": "PHNjcmlwdD4=" }),
            _ => Value::Null,
        }
    }
}

async fn host() -> Host {
    let host = Host::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        hub_url: "http://127.0.0.1:9".into(),
        clock: Arc::new(SystemClock),
        seed: 7,
        faults: Faults::default(),
    })
    .await
    .unwrap();
    host.add("correo", Box::new(Mailbox::default()));
    host
}

/// Says these lines, each after the reply to the one before; returns the replies. A line that fell ends it.
async fn talk(host: &Host, lines: &[&str]) -> Vec<String> {
    let url = host.base_url("correo");
    let stream = TcpStream::connect(url.strip_prefix("smtp://").unwrap()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut replies = Vec::new();
    for line in [None].into_iter().chain(lines.iter().map(Some)) {
        if let Some(line) = line {
            stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        }
        let mut whole = String::new();
        loop {
            let mut reply = String::new();
            if stream.read_line(&mut reply).await.unwrap_or(0) == 0 {
                return replies;
            }
            let last = reply.as_bytes().get(3) == Some(&b' ');
            whole.push_str(&reply);
            if last {
                break;
            }
        }
        replies.push(whole.trim_end().to_owned());
    }
    replies
}

const SEND: [&str; 5] =
    ["EHLO hub", "MAIL FROM:<a@f.example>", "RCPT TO:<ana@correo.example>", "DATA", "Subject: x\r\n\r\n..uno\r\n."];

#[tokio::test]
async fn a_message_is_taken_as_it_was_sent_and_a_stranger_is_refused() {
    let host = host().await;
    let replies = talk(&host, &SEND).await;
    assert!(replies[0].starts_with("220") && replies[4].starts_with("354"), "{replies:?}");
    assert_eq!(replies[5], "250 2.0.0 queued");
    assert_eq!(host.arrivals("correo")[0].identity, "ana@correo.example: Subject: x\r\n\r\n.uno\r\n");
    let replies =
        talk(&host, &["EHLO hub", "MAIL FROM:<a@f.example>", "RCPT TO:<nadie@x.example>", "DATA", "QUIT"]).await;
    assert_eq!(replies[3], "550 5.1.1 no such user");
    assert!(replies[4].starts_with("503") && replies[5].starts_with("221"), "{replies:?}");
    assert_eq!(
        talk(&host, &["HELLO?", "RCPT TO:<a@b.co>", "STARTTLS"]).await[1..].iter().map(|r| &r[..3]).collect::<Vec<_>>(),
        ["500", "503", "502"]
    );
}

#[tokio::test]
async fn faults_end_a_message_before_the_work_or_after_it_and_are_counted() {
    let host = host().await;
    for (fault, replies, arrived) in [
        (Fault::Cut, 2, 0),
        (Fault::Throttle { retry_after: None }, 3, 0),
        (Fault::Failure, 3, 0),
        (Fault::Lost, 5, 1),
        (Fault::Half, 5, 2),
    ] {
        host.script(Script::once("/correo/send", fault));
        let mut lines = SEND.to_vec();
        if matches!(fault, Fault::Throttle { .. }) {
            lines.truncate(2);
        }
        assert_eq!(talk(&host, &lines).await.len(), replies, "{fault:?}");
        assert_eq!(host.arrivals("correo").len(), arrived, "{fault:?}: what was done is never hidden");
    }
    let traffic = host.traffic();
    assert_eq!(
        (
            traffic.calls,
            traffic.cut,
            traffic.throttled,
            traffic.failed,
            traffic.lost,
            traffic.halved,
            traffic.abandoned
        ),
        (5, 1, 1, 1, 1, 1, 0)
    );
    assert_eq!(talk(&host, &SEND).await.len(), 6, "and then all is well");
}

#[tokio::test]
async fn files_of_a_message_are_served_and_a_strangers_page_runs_nothing() {
    let host = host().await;
    let get = |path: &'static str| {
        let addr = host.addr();
        async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let text = format!("GET /_sandbox/{path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        }
    };
    let page = get("correo/attachment/m1/0").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("%PDF-"), "{page}");
    assert!(
        page.contains("content-type: application/pdf") && page.contains("inline; filename=\"boleta1.pdf\""),
        "{page}"
    );
    let html = get("correo/attachment/m1/1").await;
    assert!(
        html.contains("attachment; filename=\"x.html\"") && html.contains("content-security-policy: sandbox"),
        "{html}"
    );
    assert!(get("correo/attachment/m1/7").await.starts_with("HTTP/1.1 404"));
    assert!(get("nadie/attachment/m1/0").await.starts_with("HTTP/1.1 404"));
    let refused = host.listen_for_mail("correo", "0.0.0.0:0".parse().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
}
