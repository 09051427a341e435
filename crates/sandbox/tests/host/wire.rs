//! A caller that sees the bytes: what an HTTP library would smooth over is what is tested here.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back until the connection was closed.
#[derive(Debug)]
pub(crate) struct Seen {
    raw: Vec<u8>,
}

impl Seen {
    /// `None`: closed without an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.head().split(' ').nth(1)?.parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let pairs = self.head();
        pairs.lines().skip(1).find_map(|l| {
            let (n, v) = l.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then(|| v.to_owned())
        })
    }

    pub(crate) fn body(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        text.split_once("\r\n\r\n").map(|(_, b)| b.to_owned()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body()).unwrap()
    }

    fn head(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        text.split("\r\n\r\n").next().unwrap_or_default().to_owned()
    }
}

pub(crate) async fn call(addr: SocketAddr, method: &str, path: &str, body: &str) -> Seen {
    call_with(addr, method, path, "", body).await
}

/// `headers` are whole lines, each with its line end.
pub(crate) async fn call_with(addr: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Seen {
    let host = if headers.starts_with("host:") { String::new() } else { format!("host: {addr}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\n{host}{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // A host that cuts may do so while this is still being written.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw).await;
    Seen { raw }
}
