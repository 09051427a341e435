//! `pasarela sandbox`: the doubles of a configuration's connections, for trying out a hub without
//! anybody's account.

use crate::Failure;
use crate::commands::signals::StopSignal;
use crate::config::{Config, read_connections};
use crate::hub::providers;
use crate::output::{line, note};
use pasarela_connector::{Environment, SimConfig};
use pasarela_domain::{Clock, PacedClock, SystemClock};
use pasarela_sandbox::{Faults, Host, Options};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen: loopback only. By default what [sandbox] url says, else 127.0.0.1:8090.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Be as bad as the real world: late, lost, cut off, repeated, out of order.
    #[arg(long)]
    faults: bool,
    /// Seed of the faults; the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(config_path: &Path, args: Args, json: bool) -> Result<ExitCode, Failure> {
    let mut asked_to_stop = StopSignal::listen()?;
    let config = Config::load(config_path)?;
    let listen = match args.listen {
        Some(listen) => listen,
        None => listen_of(&config)?,
    };
    let registry = providers();
    let connections = read_connections(&config, &registry, &config.secrets(&registry)?)?;
    let clock: Arc<dyn Clock> = match &config.sandbox.clock {
        Some(pace) => Arc::new(PacedClock::new(pace.clone())),
        None => Arc::new(SystemClock),
    };
    let hub_url = format!("http://{}", config.server.listen);
    let faults = if args.faults { Faults::all() } else { Faults::default() };
    let host = Host::start(Options { listen, hub_url, clock, seed: args.seed, faults })
        .await
        .map_err(|e| Failure::Failed(e.to_string()))?;
    let mut served = Vec::new();
    for setup in connections {
        let c = setup.config;
        if c.environment == Environment::Live {
            note(&format!("{}: is live, and has no double", c.name));
            continue;
        }
        let mut settings = c.settings.clone();
        // What the built-in flows presuppose at the provider; whoever knows no templates passes over them.
        settings["templates"] = templates();
        // Doubles that call public addresses only, as their providers do, may call a hub of this machine.
        settings["allowed_internal_webhook_hosts"] = json!(["127.0.0.1", "localhost"]);
        // Mail is spoken at a port of its own: the one that the hub is configured for.
        if let Some(wanted) = c.base_url.as_deref().and_then(|b| b.strip_prefix("smtp://")).and_then(|a| a.parse().ok())
        {
            host.listen_for_mail(&c.name, wanted)
                .map_err(|e| Failure::Failed(format!("{}: {wanted}: {e}; is another program using it?", c.name)))?;
        }
        let base_url = host.base_url(&c.name);
        let sim = SimConfig {
            connection: c.name.clone(),
            base_url: base_url.clone(),
            webhook_secret: c.webhook_secrets.first().map(|s| s.expose().to_owned()).unwrap_or_default(),
            settings,
        };
        if add(&host, &c.provider, sim).is_err() {
            note(&format!("{}: the provider {} has no double", c.name, c.provider));
            continue;
        }
        // Where mail is spoken the address is known only now.
        let base_url = host.base_url(&c.name);
        if c.base_url.as_deref() != Some(base_url.as_str()) || !setup.allow_private_targets {
            let clear = if base_url.starts_with("smtp:") { ", tls = \"none\"" } else { "" };
            note(&format!(
                "{}: the hub does not call its double; write  base_url = \"{base_url}\"{clear}  and  allow_private_targets = true",
                c.name
            ));
        }
        served.push(json!({ "connection": c.name, "provider": c.provider, "base_url": base_url }));
    }
    if served.is_empty() {
        return Err(Failure::Usage(format!(
            "{}: there is no connection that could have a double ({}; not live)",
            config_path.display(),
            with_double().join(", ")
        )));
    }
    let phones = format!("http://{}/_sandbox/phone", host.addr());
    if json {
        line(&json!({ "url": format!("http://{}", host.addr()), "phones": phones, "connections": served }).to_string());
    } else {
        for s in &served {
            let text = |name: &str| s[name].as_str().unwrap_or_default().to_owned();
            line(&format!("{:<16} {:<12} {}", text("connection"), text("provider"), text("base_url")));
        }
        line(&format!("phones           {phones}"));
        note(&format!(
            "POST http://{}/_sandbox/CONNECTION/act {{\"command\": ..., \"args\": ...}} does something there as a person would; Ctrl-C ends",
            host.addr()
        ));
    }
    asked_to_stop.wait().await;
    host.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Providers that have a double.
fn with_double() -> Vec<&'static str> {
    let config = SimConfig {
        connection: String::new(),
        base_url: String::new(),
        webhook_secret: String::new(),
        settings: json!({}),
    };
    let all = providers();
    all.iter().filter(|p| p.simulator(config.clone()).is_some()).map(|p| p.manifest().name).collect()
}

/// Adds a provider's double to a host.
pub(crate) fn add(host: &Host, provider: &str, config: SimConfig) -> Result<(), Failure> {
    let registry = providers();
    let found = registry.iter().find(|p| p.manifest().name == provider);
    let name = config.connection.clone();
    let double = found
        .and_then(|p| p.simulator(config))
        .ok_or_else(|| Failure::Failed(format!("the provider {provider} has no double")))?;
    host.add(&name, double);
    Ok(())
}

/// The templates of the built-in flows, as WhatsApp's double takes them.
pub(crate) fn templates() -> Value {
    let all: Vec<Value> = serde_json::from_str(crate::hub::TEMPLATES).unwrap_or_default();
    let plain = |t: &Value| {
        let parts = t["components"].as_array();
        let body = parts.and_then(|c| c.iter().find(|p| p["type"] == "BODY")).map(|b| b["text"].clone());
        json!({ "name": t["name"], "language": t["language"], "category": t["category"], "body": body })
    };
    all.iter().map(plain).collect()
}

fn listen_of(config: &Config) -> Result<SocketAddr, Failure> {
    let Some(url) = &config.sandbox.url else { return Ok(SocketAddr::from(([127, 0, 0, 1], 8090))) };
    url.strip_prefix("http://").and_then(|a| a.trim_end_matches('/').parse().ok()).ok_or_else(|| {
        Failure::Usage(format!(
            "sandbox.url is '{url}'; write an address of this machine such as http://127.0.0.1:8090"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::BUILT_IN;

    /// Each template that a built-in flow sends is there, with as many values as the flow gives.
    #[test]
    fn the_templates_are_those_of_the_built_in_flows() {
        let mut there: Vec<(String, usize)> = templates()
            .as_array()
            .unwrap()
            .iter()
            .map(|t| {
                let body = t["body"].as_str().unwrap();
                assert!(
                    !body.starts_with("{{") && !body.ends_with("}}"),
                    "Meta refuses a variable at the edge: {body}"
                );
                (t["name"].as_str().unwrap().to_owned(), body.matches("{{").count())
            })
            .collect();
        let mut wanted: Vec<(String, usize)> = Vec::new();
        for (file, text) in BUILT_IN {
            for sends in text.split("do: whatsapp.send_template").skip(1) {
                let sends = sends.split("template: ").nth(1).unwrap_or_else(|| panic!("{file}: no template"));
                let name = sends.lines().next().unwrap().trim().to_owned();
                let params = sends.split("params:").nth(1).unwrap_or_else(|| panic!("{file}: no params"));
                let params = params.split("on_unknown").next().unwrap();
                wanted.push((name, params.matches("{{").count()));
            }
        }
        there.sort();
        wanted.sort();
        assert_eq!(there, wanted);
    }
}
