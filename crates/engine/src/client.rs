//! The one client of everything outside: HTTP here, mail in [`mail`]. Redirects are not followed (a redirected POST is a second call), every call
//! has a deadline, answers are bounded, and addresses are checked after they were resolved: a
//! connection that may not reach private targets never does, whatever its host name says.

mod mail;
mod pool;

use crate::network::{Network, Stream};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use pasarela_connector::{Answer, Headers, Request};
use pool::Pool;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Largest answer that is read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A call without an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NoAnswer {
    /// May the bytes have reached the provider?
    pub(crate) maybe_sent: bool,
    /// For people.
    pub(crate) why: String,
}

/// Two pools: one that may reach private addresses, one that may not. Mail goes its own way.
pub(crate) struct Client {
    open: Pool,
    guarded: Pool,
    network: Arc<dyn Network>,
}

impl Client {
    pub(crate) fn new(network: &Arc<dyn Network>, idle_per_host: usize) -> Self {
        Self {
            open: pool(network, true, idle_per_host),
            guarded: pool(network, false, idle_per_host),
            network: network.clone(),
        }
    }

    /// Addresses of a host, as a call would find them.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.network.resolve(host, port).await
    }

    /// Makes one call. `extra` are credentials and static headers that are not part of the stored request.
    pub(crate) async fn call(
        &self,
        request: &Request,
        extra: &[(String, String)],
        allow_private: bool,
        timeout: Duration,
    ) -> Result<Answer, NoAnswer> {
        if pasarela_connector::mail::is_mail(request) {
            return mail::send(&self.network, request, extra, allow_private, timeout).await;
        }
        let never = |why: String| NoAnswer { maybe_sent: false, why };
        let uri: http::Uri =
            request.url.parse().map_err(|e| never(format!("'{}' is not a URL: {e}", cut(&request.url))))?;
        // A literal address is not resolved by the connector's look-up, so it is checked here too.
        if let Some(ip) = uri.host().and_then(|h| h.trim_matches(['[', ']']).parse::<IpAddr>().ok())
            && !allow_private
            && !is_public(ip)
        {
            return Err(never(refused(&ip.to_string())));
        }
        let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
        for (name, value) in request.headers.0.iter().chain(extra) {
            builder = builder.header(name, value);
        }
        builder = builder.header("user-agent", "pasarela");
        let request = builder
            .body(Full::new(request.body.clone()))
            .map_err(|e| never(format!("the request cannot be built: {e}")))?;
        // While it has no connection, no byte of it has left.
        let connected = AtomicBool::new(false);
        let pool = if allow_private { &self.open } else { &self.guarded };
        let exchange = async {
            let (answer, mut line, origin) =
                pool.send(request, &connected).await.map_err(|e| NoAnswer { maybe_sent: !e.never_sent, why: e.why })?;
            let (parts, body) = answer.into_parts();
            let body = line.drive(Limited::new(body, MAX_ANSWER).collect()).await.map_err(|e| NoAnswer {
                maybe_sent: true,
                why: if e.is::<LengthLimitError>() {
                    format!("the answer is larger than {MAX_ANSWER} bytes")
                } else {
                    format!("the answer broke off: {e}")
                },
            })?;
            pool.keep(line, origin).await;
            let headers =
                parts.headers.iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())));
            Ok(Answer { status: parts.status.as_u16(), headers: Headers(headers.collect()), body: body.to_bytes() })
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            let maybe_sent = connected.load(Ordering::Relaxed);
            let what = if maybe_sent { "no answer" } else { "no connection" };
            Err(NoAnswer { maybe_sent, why: format!("{what} within {} s", timeout.as_secs_f32()) })
        })
    }
}

fn cut(url: &str) -> String {
    url.split('?').next().unwrap_or(url).chars().take(120).collect()
}

/// An error and its sources in one line.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn refused(address: &str) -> String {
    format!(
        "{address} is a loopback, private or metadata address; set allow_private_targets = true on the connection if it is meant"
    )
}

fn pool(network: &Arc<dyn Network>, allow_private: bool, idle: usize) -> Pool {
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(Guard { network: network.clone(), allow_private });
    Pool::new(https, idle)
}

/// Resolves, checks, connects.
#[derive(Clone)]
struct Guard {
    network: Arc<dyn Network>,
    allow_private: bool,
}

/// A plain connection, as the pool wants it.
struct Plain(TokioIo<Box<dyn Stream>>);

impl Connection for Plain {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

impl tower::Service<http::Uri> for Guard {
    type Response = Plain;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Plain>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let (network, allow_private) = (self.network.clone(), self.allow_private);
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            let resolved: Vec<SocketAddr> = network.resolve(&host, port).await?;
            let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, format!("{host} has no address"));
            for address in resolved {
                if !allow_private && !is_public(address.ip()) {
                    last = std::io::Error::new(
                        std::io::ErrorKind::PermissionDenied,
                        refused(&format!("{host} ({})", address.ip())),
                    );
                    continue;
                }
                match network.connect(address).await {
                    Ok(stream) => return Ok(Plain(TokioIo::new(stream))),
                    Err(e) => last = e,
                }
            }
            Err(last)
        })
    }
}

/// Is this an address of the public Internet? Everything that is not, is refused by default.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            let s = v6.segments();
            // NAT64 and 6to4 carry an IPv4 address inside.
            if s[0] == 0x64 && s[1] == 0xff9b {
                return is_public(IpAddr::V4(std::net::Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7]))));
            }
            if s[0] == 0x2002 {
                return is_public(IpAddr::V4(std::net::Ipv4Addr::from((u32::from(s[1]) << 16) | u32::from(s[2]))));
            }
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || (s[0] & 0xfe00) == 0xfc00
                || (s[0] & 0xffc0) == 0xfe80
                || (s[0] & 0xffc0) == 0xfec0
                || (s[0] == 0x2001 && s[1] == 0xdb8)
                || s[..6] == [0; 6])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Machine, Reaching};

    fn client() -> Client {
        Client::new(&(Arc::new(Machine) as Arc<dyn Network>), 4)
    }

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::7f00:1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "190.24.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_guarded_call_never_reaches_loopback_by_literal_or_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = client();
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            let request = Request::get(format!("http://{host}:{port}/"));
            let failed = client.call(&request, &[], false, Duration::from_secs(2)).await.unwrap_err();
            assert!(!failed.maybe_sent, "{host}");
            assert!(failed.why.contains("allow_private_targets"), "{host}: {}", failed.why);
        }
        let nobody_came = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err();
        assert!(nobody_came);
    }

    #[tokio::test]
    async fn refused_connections_were_never_sent_and_cut_ones_maybe() {
        let client = client();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = tokio::spawn(async move { drop(listener.accept().await) });
        let request = Request::new("POST", format!("http://{address}/"));
        let failed = client.call(&request, &[], true, Duration::from_secs(2)).await.unwrap_err();
        assert!(failed.maybe_sent, "{}", failed.why);
        cut.await.unwrap();
        let failed = client.call(&request, &[], true, Duration::from_secs(2)).await.unwrap_err();
        assert!(!failed.maybe_sent, "{}", failed.why);
    }

    /// Names lead to these addresses; each connection is made as far as the test wants.
    struct Names {
        addresses: Vec<SocketAddr>,
        tried: parking_lot::Mutex<Vec<SocketAddr>>,
    }

    impl Network for Names {
        fn resolve(&self, _: &str, _: u16) -> Reaching<Vec<SocketAddr>> {
            let addresses = self.addresses.clone();
            Box::pin(async move { Ok(addresses) })
        }
        fn connect(&self, address: SocketAddr) -> Reaching<Box<dyn Stream>> {
            self.tried.lock().push(address);
            // Nobody says no, and nobody answers.
            Box::pin(std::future::pending())
        }
    }

    /// A name of the outside that leads inside (DNS rebinding), beside one that does not.
    #[tokio::test]
    async fn a_public_name_that_leads_to_a_private_address_is_not_followed() {
        let inside = "169.254.169.254:80".parse().unwrap();
        let outside = "8.8.8.8:80".parse().unwrap();
        let names = Arc::new(Names { addresses: vec![inside, outside], tried: Default::default() });
        let client = Client::new(&(names.clone() as Arc<dyn Network>), 4);
        let request = Request::get("http://proveedor.test/");
        client.call(&request, &[], false, Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(*names.tried.lock(), [outside]);
    }

    #[tokio::test]
    async fn what_never_had_a_connection_was_never_sent() {
        let names = Names { addresses: vec!["8.8.8.8:80".parse().unwrap()], tried: Default::default() };
        let client = Client::new(&(Arc::new(names) as Arc<dyn Network>), 4);
        let request = Request::new("POST", "http://proveedor.test/");
        let failed = client.call(&request, &[], true, Duration::from_millis(50)).await.unwrap_err();
        assert!(!failed.maybe_sent, "{}", failed.why);
        // With a connection that swallows everything, it may have been.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let request = Request::new("POST", format!("http://{}/", listener.local_addr().unwrap()));
        let failed = self::client().call(&request, &[], true, Duration::from_millis(50)).await.unwrap_err();
        assert!(failed.maybe_sent, "{}", failed.why);
    }
}
