//! Mail: a request whose address begins with `smtp:` or `smtps:` goes out by SMTP. The conversation is
//! lettre's; where it may lead (the guard), how it is encrypted, and what is known when it breaks off
//! are said here.
//!
//! A reply of the server becomes an answer: its code is the status, its text the body, and the header
//! `smtp-stage` says what it replied to. Before the message itself is handed over nothing can have been
//! sent; from then on, until its reply is there, it may have been.

use super::{Answer, NoAnswer, chain, is_public, refused};
use crate::network::{Network, Stream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response::Response};
use pasarela_connector::{Headers, Request, mail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a polite good-bye may take, after the message is settled.
const GOODBYE: Duration = Duration::from_secs(2);

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// TLS from the first byte.
    Implicit,
    /// Asked for with STARTTLS, and never gone without.
    StartTls,
    /// None: only where the address says so.
    Plain,
}

/// Where and how.
struct Target {
    host: String,
    port: u16,
    protection: Protection,
}

/// Hands one message over.
pub(super) async fn send(
    network: &Arc<dyn Network>,
    request: &Request,
    extra: &[(String, String)],
    allow_private: bool,
    timeout: Duration,
) -> Result<Answer, NoAnswer> {
    let handed_over = AtomicBool::new(false);
    let exchange = converse(network, request, extra, allow_private, &handed_over);
    tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
        let maybe_sent = handed_over.load(Ordering::Relaxed);
        let what = if maybe_sent { "no reply to the message" } else { "the message was not taken" };
        Err(NoAnswer { maybe_sent, why: format!("{what} within {} s", timeout.as_secs_f32()) })
    })
}

/// What the conversation has come to.
enum Ended {
    Reply(Answer),
    Broken(String),
}

async fn converse(
    network: &Arc<dyn Network>,
    request: &Request,
    extra: &[(String, String)],
    allow_private: bool,
    handed_over: &AtomicBool,
) -> Result<Answer, NoAnswer> {
    let never = |why: String| NoAnswer { maybe_sent: false, why };
    let target = target(&request.url).map_err(never)?;
    let setting = |name: &str| extra.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let roots = setting(mail::AUTHORITY).map(authority).transpose().map_err(never)?;
    let line = connect(network, &target, allow_private).await.map_err(never)?;
    match talk(line, &target, request, setting("authorization"), roots.as_deref(), handed_over).await {
        Ok(answer) | Err(Ended::Reply(answer)) => Ok(answer),
        Err(Ended::Broken(why)) => Err(NoAnswer { maybe_sent: handed_over.load(Ordering::Relaxed), why }),
    }
}

async fn talk(
    line: Line,
    target: &Target,
    request: &Request,
    authorization: Option<&str>,
    roots: Option<&[u8]>,
    handed_over: &AtomicBool,
) -> Result<Answer, Ended> {
    let broken = |e: &dyn std::error::Error| Ended::Broken(chain(e));
    let hello = request.headers.get(mail::HELLO).unwrap_or("localhost").to_owned();
    let hello = ClientId::Domain(hello);
    let line = if target.protection == Protection::Implicit {
        Line::new(encrypted(line, target, roots).await.map_err(Ended::Broken)?)
    } else {
        line
    };
    let stage = |stage: &'static str| move |e: Error| ended(stage, &e);
    let mut server =
        AsyncSmtpConnection::connect_with_transport(Box::new(line), &hello).await.map_err(stage("hello"))?;
    if target.protection == Protection::StartTls {
        if !server.can_starttls() {
            return Err(Ended::Broken(format!(
                "{} offers no STARTTLS; nothing is sent in the clear: use smtps:// (implicit TLS), or tls = \"none\" if it is meant",
                target.host
            )));
        }
        let tls = TlsParameters::builder(target.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        let tls = match roots {
            Some(pem) => tls.add_root_certificate(Certificate::from_pem(pem).map_err(|e| broken(&e))?),
            None => tls,
        };
        let tls = tls.build_rustls().map_err(|e| broken(&e))?;
        server.starttls(tls, &hello).await.map_err(stage("tls"))?;
    }
    if let Some(credentials) = authorization.and_then(credentials) {
        server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|e| match e.is_client() {
            // The server takes no password at all, or none over this connection.
            true => Ended::Reply(answer("auth", 530, chain(&e))),
            false => ended("auth", &e),
        })?;
    }
    if request.method == mail::PROBE {
        let reply = server.command(Noop).await.map_err(stage("probe"))?;
        return Ok(said("probe", &reply));
    }
    let address = |name: &str| -> Result<Option<Address>, Ended> {
        let text = request.headers.get(name).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|e| Ended::Broken(format!("'{text}' is not an address of mail: {e}")))
    };
    let (from, to) = (address(mail::FROM)?, address(mail::TO)?);
    let to = to.ok_or_else(|| Ended::Broken("the message has no recipient".into()))?;
    server.command(Mail::new(from, Vec::new())).await.map_err(stage("mail"))?;
    server.command(Rcpt::new(to, Vec::new())).await.map_err(stage("rcpt"))?;
    server.command(Data).await.map_err(stage("data"))?;
    // From here on the server may have it, whatever is heard of it.
    handed_over.store(true, Ordering::Relaxed);
    let reply = server.message(&request.body).await.map_err(stage("message"))?;
    let answer = said("message", &reply);
    // It is settled; a server that hangs now holds nobody up.
    tokio::spawn(async move { drop(tokio::time::timeout(GOODBYE, server.quit()).await) });
    Ok(answer)
}

fn target(url: &str) -> Result<Target, String> {
    let uri: http::Uri = url.parse().map_err(|e| format!("'{}' is not a URL: {e}", super::cut(url)))?;
    let host = uri.host().ok_or("the address names no host")?.trim_matches(['[', ']']).to_owned();
    let plain = uri.query().is_some_and(|q| q.split('&').any(|p| p == mail::PLAIN));
    let (protection, port) = match uri.scheme_str() {
        Some("smtps") => (Protection::Implicit, 465),
        _ if plain => (Protection::Plain, 25),
        _ => (Protection::StartTls, 587),
    };
    Ok(Target { host, port: uri.port_u16().unwrap_or(port), protection })
}

/// The certificate authority that a connection brings, out of a header's base64.
fn authority(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|e| format!("tls_ca cannot be read: {e}"))
}

fn credentials(authorization: &str) -> Option<Credentials> {
    let decoded = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::new(user.to_owned(), password.to_owned()))
}

/// Resolves, checks, connects: the same guard as for HTTP.
async fn connect(network: &Arc<dyn Network>, target: &Target, allow_private: bool) -> Result<Line, String> {
    let may = |ip: IpAddr| allow_private || is_public(ip);
    if let Ok(ip) = target.host.parse::<IpAddr>()
        && !may(ip)
    {
        return Err(refused(&target.host));
    }
    let resolved: Vec<SocketAddr> =
        network.resolve(&target.host, target.port).await.map_err(|e| format!("{}: {e}", target.host))?;
    let mut last = format!("{} has no address", target.host);
    for address in resolved {
        if !may(address.ip()) {
            last = refused(&format!("{} ({})", target.host, address.ip()));
            continue;
        }
        match network.connect(address).await {
            Ok(stream) => return Ok(Line::new(stream)),
            Err(e) => last = format!("{} ({address}): {e}", target.host),
        }
    }
    Err(last)
}

async fn encrypted(line: Line, target: &Target, roots: Option<&[u8]>) -> Result<Box<dyn Stream>, String> {
    let mut store = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for found in roots.map(CertificateDer::pem_slice_iter).into_iter().flatten() {
        let authority = found.map_err(|e| format!("tls_ca cannot be read: {e}"))?;
        store.add(authority).map_err(|e| format!("tls_ca cannot be used: {e}"))?;
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth();
    let name = ServerName::try_from(target.host.clone()).map_err(|e| format!("{}: {e}", target.host))?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, line).await;
    Ok(Box::new(stream.map_err(|e| format!("{}: {}", target.host, chain(&e)))?))
}

/// What a reply says, or that there was none.
fn ended(stage: &'static str, e: &Error) -> Ended {
    use std::error::Error as _;
    match e.status().and_then(|code| code.to_string().parse().ok()) {
        Some(status) => {
            let text = e.source().map(ToString::to_string).unwrap_or_default();
            Ended::Reply(answer(stage, status, text))
        }
        None => Ended::Broken(format!("the mail server broke off at {stage}: {}", chain(e))),
    }
}

fn said(stage: &'static str, reply: &Response) -> Answer {
    let status = reply.code().to_string().parse().unwrap_or(0);
    answer(stage, status, reply.message().collect::<Vec<_>>().join("\n"))
}

fn answer(stage: &'static str, status: u16, text: String) -> Answer {
    let headers = Headers(vec![(mail::STAGE.to_owned(), stage.to_owned())]);
    Answer { status, headers, body: text.into() }
}

/// A stream as lettre wants it: it asks for `Sync` and for a name of the other side. Nobody but its one
/// holder ever touches it, so the lock is never taken.
struct Line(Mutex<Box<dyn Stream>>);

impl Line {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self(Mutex::new(stream))
    }

    fn stream(&mut self) -> Pin<&mut Box<dyn Stream>> {
        Pin::new(self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> std::io::Result<SocketAddr> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "the guard knows where this leads"))
    }
}

#[cfg(test)]
mod tests;
