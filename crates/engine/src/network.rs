//! How the client reaches the outside: a name becomes addresses, an address becomes a stream of bytes.
//! In production the machine's own network; tests bring one that lives in memory and loses what they
//! want lost. What may be reached is not said here: the client's guard looks at each address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Something of the network that takes its time.
pub type Reaching<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A connection to another machine.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A way to the outside.
pub trait Network: Send + Sync + 'static {
    /// Addresses of a name, or the address that is written literally.
    fn resolve(&self, host: &str, port: u16) -> Reaching<Vec<SocketAddr>>;

    /// A connection to one address.
    fn connect(&self, address: SocketAddr) -> Reaching<Box<dyn Stream>>;
}

/// The machine's own network.
pub(crate) struct Machine;

impl Network for Machine {
    fn resolve(&self, host: &str, port: u16) -> Reaching<Vec<SocketAddr>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> Reaching<Box<dyn Stream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
