//! The socket of a double that is spoken to by SMTP: a mail server on a loopback port. It knows the
//! protocol (RFC 5321); what it answers to a recipient or a message, the double says.
//!
//! Faults: a call is a message. Throttled, failed and cut calls end at `MAIL`, before any work; lost and
//! halved ones after the message was taken, so that whoever sent it does not know.

use crate::dice::{CallEnd, CallFate};
use crate::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pasarela_connector::{Answer, Headers, Request, mail};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest line of a command, and greatest message.
const LINE_MAX: u64 = 8 * 1024;
const MESSAGE_MAX: usize = 12 * 1024 * 1024;
/// Nobody waits longer for a command.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn accept(host: Host, name: String, listener: TcpListener) {
    // Dropped with this task: all connections are closed.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { open.spawn(converse(host.clone(), name.clone(), stream)); }
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

/// How a command ends.
enum Next {
    Reply(String),
    /// Said, and closed.
    Bye(String),
    /// Closed without a word.
    Hang,
}

/// One conversation.
struct Session {
    host: Host,
    name: String,
    authorization: Option<String>,
    from: Option<String>,
    to: Option<String>,
    fate: CallFate,
    /// A call was counted and has not ended.
    open: bool,
}

async fn converse(host: Host, name: String, stream: TcpStream) {
    // Without it replies are only slower.
    let _ = stream.set_nodelay(true);
    let mut session =
        Session { host, name, authorization: None, from: None, to: None, fate: CallFate::default(), open: false };
    let mut stream = BufReader::new(stream);
    if say(&mut stream, "220 buzones.sandbox.example ESMTP").await.is_none() {
        return;
    }
    while let Some(line) = read_line(&mut stream).await {
        let next = session.command(&line, &mut stream).await;
        let (text, goes_on) = match next {
            Next::Reply(text) => (text, true),
            Next::Bye(text) => (text, false),
            Next::Hang => break,
        };
        if say(&mut stream, &text).await.is_none() || !goes_on {
            break;
        }
    }
    session.ends(|t| t.abandoned += 1);
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> Option<()> {
    let stream = stream.get_mut();
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.write_all(b"\r\n").await.ok()?;
    stream.flush().await.ok()
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    let mut bounded = stream.take(LINE_MAX);
    match tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await {
        Ok(Ok(n)) if n > 0 && line.ends_with(b"\n") => {
            Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
        }
        _ => None,
    }
}

impl Session {
    async fn command(&mut self, line: &str, stream: &mut BufReader<TcpStream>) -> Next {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let reply = |text: &str| Next::Reply(text.to_owned());
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                reply("250-buzones.sandbox.example\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN")
            }
            "HELO" => reply("250 buzones.sandbox.example"),
            "NOOP" => reply("250 2.0.0 Ok"),
            "RSET" => {
                self.ends(|t| t.abandoned += 1);
                (self.from, self.to) = (None, None);
                reply("250 2.0.0 Ok")
            }
            "QUIT" => Next::Bye("221 2.0.0 Bye".into()),
            "AUTH" => self.auth(rest, stream).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" if self.from.is_some() => {
                self.to = path(rest);
                let answer = self.ask("RCPT", Bytes::new());
                if !answer.is_success() {
                    self.to = None;
                }
                Next::Reply(written(&answer))
            }
            "DATA" if self.to.is_some() => {
                if say(stream, "354 End data with <CR><LF>.<CR><LF>").await.is_none() {
                    return Next::Hang;
                }
                match read_message(stream).await {
                    Some(message) => self.message(message).await,
                    None => Next::Hang,
                }
            }
            "RCPT" | "DATA" => reply("503 5.5.1 Error: need MAIL and RCPT first"),
            "STARTTLS" | "VRFY" | "EXPN" | "HELP" => reply("502 5.5.1 Error: command not implemented"),
            _ => reply("500 5.5.2 Error: command not recognized"),
        }
    }

    async fn auth(&mut self, rest: &str, stream: &mut BufReader<TcpStream>) -> Next {
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let decoded = |text: &str| STANDARD.decode(text).ok().and_then(|b| String::from_utf8(b).ok());
        let pair = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = if first.is_empty() { self.prompt(stream, "").await } else { Some(first.to_owned()) };
                text.as_deref().and_then(decoded).and_then(|t| {
                    let mut parts = t.split('\0').skip(1).map(str::to_owned);
                    parts.next().zip(parts.next())
                })
            }
            "LOGIN" => {
                let user =
                    if first.is_empty() { self.prompt(stream, "VXNlcm5hbWU6").await } else { Some(first.to_owned()) };
                let password = self.prompt(stream, "UGFzc3dvcmQ6").await;
                user.as_deref().and_then(decoded).zip(password.as_deref().and_then(decoded))
            }
            _ => return Next::Reply("504 5.5.4 Unrecognized authentication type".into()),
        };
        let Some((user, password)) = pair else {
            return Next::Reply("501 5.5.2 Cannot decode the response".into());
        };
        self.authorization = Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        let answer = self.ask("AUTH", Bytes::new());
        if !answer.is_success() {
            self.authorization = None;
        }
        Next::Reply(written(&answer))
    }

    async fn prompt(&self, stream: &mut BufReader<TcpStream>, text: &str) -> Option<String> {
        say(stream, &format!("334 {text}")).await?;
        read_line(stream).await
    }

    async fn mail(&mut self, rest: &str) -> Next {
        self.ends(|t| t.abandoned += 1);
        self.host.count(|t| t.calls += 1);
        self.open = true;
        self.fate = self.host.0.dice.lock().call(&format!("/{}/send", self.name));
        pause(self.fate.before).await;
        match self.fate.end {
            CallEnd::Cut => {
                self.ends(|t| t.cut += 1);
                return Next::Hang;
            }
            CallEnd::Throttle { .. } => {
                self.ends(|t| t.throttled += 1);
                return Next::Reply("450 4.7.0 Error: too fast; a fault of the sandbox, nothing was done".into());
            }
            CallEnd::Failure => {
                self.ends(|t| t.failed += 1);
                return Next::Bye("421 4.3.2 Shutting down; a fault of the sandbox, nothing was done".into());
            }
            CallEnd::Answer | CallEnd::Lost | CallEnd::Half => {}
        }
        self.to = None;
        self.from = path(rest);
        let answer = self.ask("MAIL", Bytes::new());
        if !answer.is_success() {
            self.from = None;
            self.ends(|t| t.answered += 1);
        }
        Next::Reply(written(&answer))
    }

    async fn message(&mut self, message: Bytes) -> Next {
        let answer = self.ask(mail::SEND, message);
        (self.from, self.to) = (None, None);
        pause(self.fate.after).await;
        match self.fate.end {
            CallEnd::Lost => {
                self.ends(|t| t.lost += 1);
                Next::Hang
            }
            // Half of a reply's line is nothing that could be understood: as good as lost.
            CallEnd::Half => {
                self.ends(|t| t.halved += 1);
                Next::Hang
            }
            _ => {
                self.ends(|t| t.answered += 1);
                Next::Reply(written(&answer))
            }
        }
    }

    /// Asks the double.
    fn ask(&self, method: &str, body: Bytes) -> Answer {
        let mut headers = Headers::default();
        for (name, value) in [("authorization", &self.authorization), (mail::FROM, &self.from), (mail::TO, &self.to)] {
            if let Some(value) = value {
                headers.set(name, value.clone());
            }
        }
        let request = Request { method: method.to_owned(), url: "/".into(), headers, body };
        match self.host.find(&self.name) {
            Ok(connection) => self.host.handle(&connection, &request).answer,
            Err(why) => mail::reply("mail", 451, &format!("4.3.0 {why}")),
        }
    }

    fn ends(&mut self, add: impl FnOnce(&mut crate::Traffic)) {
        if std::mem::take(&mut self.open) {
            self.host.count(add);
        }
    }
}

/// `FROM:<ana@correo.example> SIZE=12`
fn path(rest: &str) -> Option<String> {
    let (_, after) = rest.split_once('<')?;
    after.split_once('>').map(|(address, _)| address.to_owned())
}

/// The message, with the dots taken out that stand for dots. `None`: too large, or broken off.
async fn read_message(stream: &mut BufReader<TcpStream>) -> Option<Bytes> {
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_until(b'\n', &mut line)).await.ok()?.ok()?;
        if read == 0 || message.len() + line.len() > MESSAGE_MAX {
            return None;
        }
        if line == b".\r\n" || line == b".\n" {
            return Some(message.into());
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// A reply as lines of the protocol.
fn written(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let lines: Vec<&str> = if text.is_empty() { vec![""] } else { text.lines().collect() };
    let last = lines.len() - 1;
    let line = |(i, line): (usize, &&str)| format!("{}{}{line}", answer.status, if i == last { " " } else { "-" });
    lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
