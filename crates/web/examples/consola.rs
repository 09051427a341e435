//! Serves a console with invented content, to look at it in a browser:
//! `cargo run -p pasarela-web --example consola`. Prints an address that signs in, once.

#[path = "../tests/console/seed.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod seed;

use std::io::Write as _;
use std::time::Duration;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8081".into());
    let hub = seed::hub(None).await;
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let running = pasarela_web::serve(listener, hub.app.console())?;
    let story = format!("http://{}/historia/{}", running.addr, hub.told);
    let link = hub.link(&["read", "write"], 24 * 60).await;
    writeln!(std::io::stdout(), "http://{}{link}\n{story}", running.addr)?;
    for n in 1.. {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let body = serde_json::json!({ "type": "order.created", "id": format!("e-{n}"), "key": format!("pedido-{n}") });
        hub.post(body).await;
    }
    Ok(())
}
