//! Asks the sandbox's host over loopback: one short connection per visit, small answers, a short patience.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The host answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is read of one answer: a long night's orders are large.
const LARGEST: usize = 24 * 1024 * 1024;

/// Where the doubles are.
pub(in crate::console) struct Sandbox(SocketAddr);

/// Why a double did not do it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It says no, in its words.
    Refused(String),
    /// It does not answer.
    Silent,
}

/// A file of a double: its media type and bytes.
pub(super) struct File {
    pub(super) kind: String,
    pub(super) bytes: Bytes,
}

impl Sandbox {
    /// Of `http://127.0.0.1:8090`. The doubles obey whoever reaches them: only an address of this machine is
    /// one, so that nobody turns the console into a way to another.
    pub(in crate::console) fn at(url: &str) -> Option<Self> {
        let rest = url.trim().strip_prefix("http://")?.trim_end_matches('/');
        let rest = rest.strip_prefix("localhost").map_or_else(|| rest.to_owned(), |r| format!("127.0.0.1{r}"));
        let addr: SocketAddr = rest.parse().ok()?;
        addr.ip().is_loopback().then_some(Self(addr))
    }

    /// A connection for several questions.
    pub(super) async fn talk(&self) -> Result<Talk, Trouble> {
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(self.0)).await;
        let stream = connected.map_err(|_| Trouble::Silent)?.map_err(|_| Trouble::Silent)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Trouble::Silent)?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Talk { sender, host: self.0.to_string() })
    }

    /// Does something at a connection's double.
    pub(super) async fn act(&self, connection: &str, command: &str, args: Value) -> Result<(), Trouble> {
        let path = format!("{}/act", segment(connection));
        let body = json!({ "command": command, "args": args });
        self.talk().await?.ask(Method::POST, &path, Some(body)).await.map(|_| ())
    }

    /// Sets the fault switches.
    pub(super) async fn set_faults(&self, faults: Value) -> Result<(), Trouble> {
        self.talk().await?.ask(Method::PUT, "faults", Some(faults)).await.map(|_| ())
    }

    /// A file that a letter carries.
    pub(super) async fn file(&self, connection: &str, message: &str, n: &str) -> Result<File, Trouble> {
        let path = format!("{}/attachment/{}/{}", segment(connection), segment(message), segment(n));
        self.talk().await?.call(Method::GET, &path, None).await
    }
}

/// A connection to the host.
pub(super) struct Talk {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Talk {
    /// A value at `/_sandbox/{path}`.
    pub(super) async fn get(&mut self, path: &str) -> Result<Value, Trouble> {
        self.ask(Method::GET, path, None).await
    }

    /// What a connection's double shows under a name; null when it shows no such thing.
    pub(super) async fn view(&mut self, connection: &str, what: &str) -> Value {
        self.get(&format!("{}/view/{what}", segment(connection))).await.unwrap_or(Value::Null)
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Trouble> {
        let file = self.call(method, path, body).await?;
        serde_json::from_slice(&file.bytes).map_err(|_| Trouble::Silent)
    }

    async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> Result<File, Trouble> {
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/_sandbox/{path}"))
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|_| Trouble::Silent)?;
        let answer = tokio::time::timeout(PATIENCE, async {
            self.sender.ready().await.map_err(|_| Trouble::Silent)?;
            let answer = self.sender.send_request(request).await.map_err(|_| Trouble::Silent)?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|_| Trouble::Silent)?;
            Ok((head, body.to_bytes()))
        });
        let (head, bytes) = answer.await.map_err(|_| Trouble::Silent)??;
        if head.status != StatusCode::OK {
            let why: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            return Err(Trouble::Refused(why["detail"].as_str().unwrap_or_default().to_owned()));
        }
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        Ok(File { kind: kind.unwrap_or("application/octet-stream").to_owned(), bytes })
    }
}

/// A name as one part of a path. What no name has is left out, so that a name leads nowhere else.
fn segment(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.@<>+=".contains(*c))
        .filter(|c| !"<>".contains(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_is_a_sandbox() {
        for good in ["http://127.0.0.1:9090", "http://127.0.0.1:9090/", "http://localhost:1", "http://[::1]:80"] {
            assert!(Sandbox::at(good).is_some(), "{good}");
        }
        for bad in
            ["", "/x", "javascript:alert(1)", "https://127.0.0.1:1", "http://10.0.0.1:80", "http://example.com:80"]
        {
            assert!(Sandbox::at(bad).is_none(), "{bad}");
        }
        assert_eq!(segment("../a b/../boleteria?x#y"), "..ab..boleteriaxy");
    }
}
