//! Programs that a bench or the demo starts and ends.

use crate::Failure;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed when it is let go.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A free port of loopback.
pub(crate) fn free_port() -> Result<u16, Failure> {
    pasarela_sandbox::free_port().map_err(|e| Failure::Failed(format!("no free port: {e}")))
}

/// Starts this program as a hub with a configuration file. Its log goes to `log`.
pub(crate) fn hub(config: &Path, env: &[(&str, &str)], log: Stdio) -> Result<Running, Failure> {
    hub_by(&["serve"], config, env, log)
}

/// The same by another command than `serve`.
pub(crate) fn hub_by(words: &[&str], config: &Path, env: &[(&str, &str)], log: Stdio) -> Result<Running, Failure> {
    let own = std::env::current_exe().map_err(|e| Failure::Failed(e.to_string()))?;
    let mut command = Command::new(own);
    command.arg("--config").arg(config).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    for (name, value) in env {
        command.env(name, value);
    }
    command.spawn().map(Running).map_err(|e| Failure::Failed(format!("the hub cannot be started: {e}")))
}

/// Waits until something listens.
pub(crate) async fn wait_for(addr: SocketAddr, child: &mut Running, patience: Duration) -> Result<(), Failure> {
    let until = Instant::now() + patience;
    loop {
        if tokio::net::TcpStream::connect(addr).await.is_ok() {
            return Ok(());
        }
        if let Ok(Some(status)) = child.0.try_wait() {
            return Err(Failure::Failed(format!("the program ended before it listened: {status}")));
        }
        if Instant::now() > until {
            return Err(Failure::Failed(format!("nothing listens on {addr} after {} s", patience.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The most memory that a process ever had resident, in MiB. The kernel keeps it, so that no peak is missed.
pub(crate) fn peak_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|v| v.trim().strip_suffix("kB"))
        .and_then(|v| v.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// A value of the hub's metrics; 0 when it does not answer.
pub(crate) async fn metric(addr: SocketAddr, name: &str) -> f64 {
    let text = get(addr, "/metrics").await.unwrap_or_default();
    text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok()).unwrap_or(0.0)
}

/// The body of a `GET` on loopback.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, b)| b.to_owned()).unwrap_or_default())
}
