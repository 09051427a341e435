//! `pasarela serve`: the hub.

use crate::Failure;
use crate::admin::socket_path;
use crate::commands::signals::StopSignal;
use crate::commands::users::MINUTES;
use crate::config::Config;
use crate::hub::Plan;
use crate::output::{line, note};
use pasarela_connector::Environment;
use pasarela_store::Store;
use pasarela_web::{App, Options};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};

/// How long calls that are out may take when the hub is asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests are taken after `/readyz` says no, where other nodes are there to take them.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) async fn run(config_path: &Path) -> Result<ExitCode, Failure> {
    let mut asked_to_stop = StopSignal::listen()?;
    // A node that was silent for too long was declared dead: it begins a new life.
    while serve(config_path, &mut asked_to_stop, Sealing::Real).await? == Ended::Fenced {
        tracing::warn!("this node begins anew; what it had out is with the others");
    }
    Ok(ExitCode::SUCCESS)
}

/// A hub that the bench measures beside a real one: what is to be sealed is copied. It takes only a database that no
/// hub ever used, on this machine, without a live connection.
pub(crate) async fn run_copying(config_path: &Path) -> Result<ExitCode, Failure> {
    let mut asked_to_stop = StopSignal::listen()?;
    serve(config_path, &mut asked_to_stop, Sealing::Copied).await?;
    Ok(ExitCode::SUCCESS)
}

/// What becomes of what is to be sealed.
#[derive(Clone, Copy, PartialEq)]
enum Sealing {
    Real,
    /// For the bench alone.
    Copied,
}

/// Nobody's data is ever written without its seal.
async fn copy(plan: &Plan, store: &dyn Store) -> Result<(), Failure> {
    let live = plan.connections.iter().any(|c| c.config.environment == Environment::Live);
    let used = !store.connections().await.map_err(|e| Failure::Failed(e.to_string()))?.is_empty();
    if live || used || !plan.config.server.listen.ip().is_loopback() {
        return Err(Failure::Usage(
            "this command is the bench's, on a database that it makes for itself; `pasarela serve` is the hub".into(),
        ));
    }
    store.sealer().copy_from_now_on();
    Ok(())
}

#[derive(PartialEq)]
enum Ended {
    Asked,
    Fenced,
}

async fn serve(config_path: &Path, asked_to_stop: &mut StopSignal, sealing: Sealing) -> Result<Ended, Failure> {
    let begun = std::time::Instant::now();
    let plan = Plan::read(Config::load(config_path)?)?;
    for note in &plan.notes {
        tracing::info!("{note}");
    }
    let database = plan.config.database()?;
    let (public, console) = (plan.config.server.listen, plan.config.console.listen);
    let store = plan.open_store()?;
    if sealing == Sealing::Copied {
        copy(&plan, &*store).await?;
    }
    let options = Options { tickets: Some(plan.desk(&store).await?), oidc: plan.oidc()?, ..plan.web_options() };
    // Listeners before the engine: a port in use stops the start before anything is sent.
    let public = listen(public, "server.listen").await?;
    let console = listen(console, "console.listen").await?;
    let socket = bind_socket(store.home())?;
    let (anchors, every) = (plan.config.anchor_file(), plan.config.audit.anchor_every.0);
    let drain = plan.config.server.drain.map(|s| s.0);
    let config = plan.config.clone();
    let [of_public, of_console] = config.bounds();
    let (flows, connections) = (plan.flows.len(), plan.connections.len());
    // Before anything is decided; a chain that takes nothing stops the start.
    crate::life::begins(&*store, &plan.config.digests).await.map_err(|e| Failure::Failed(format!("the audit: {e}")))?;
    let engine = plan.start(store.clone(), false).await?;
    let app = App::new(engine.clone(), options).with_actions(crate::hub::providers());
    let failed = |e: std::io::Error| Failure::Failed(e.to_string());
    let public = pasarela_web::serve_within(public, app.public(), of_public).map_err(failed)?;
    let console = pasarela_web::serve_within(console, app.console(), of_console).map_err(failed)?;
    let admin = pasarela_web::serve_unix(socket, app.admin());
    tracing::info!(
        hooks = %public.addr, console = %console.addr, connections, flows, database = %database,
        ready_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), "the hub is open"
    );
    offer_replay(&engine).await;
    offer_link(&app).await;
    let noting = tokio::spawn(crate::anchors::keep(store.clone(), anchors.clone(), every));
    let gathering = tokio::spawn(app.clone().keep_gathered());
    let sealing = tokio::spawn(crate::renewal::keep(store.clone()));
    let vault = tokio::spawn(crate::vault::keep(engine.clone(), config));
    let checking = tokio::spawn(watch_integrity(store.clone(), engine.clone()));
    let ended = tokio::select! {
        () = asked_to_stop.wait() => Ended::Asked,
        () = engine.fenced() => Ended::Fenced,
    };
    if ended == Ended::Asked {
        engine.announce_stop();
        let default = if engine.other_nodes().is_empty() { Duration::ZERO } else { DRAIN };
        let drain = drain.unwrap_or(default);
        tracing::info!(drain_ms = drain.as_millis(), "stopping: no new work is taken, calls that are out may end");
        tokio::time::sleep(drain).await;
    }
    public.stop(Duration::from_secs(2)).await;
    engine.stop(if ended == Ended::Asked { PATIENCE } else { Duration::ZERO }).await;
    console.stop(Duration::from_millis(500)).await;
    admin.abort();
    checking.abort();
    noting.abort();
    sealing.abort();
    vault.abort();
    gathering.abort();
    if ended == Ended::Asked {
        app.end_gathered().await;
        if let Err(error) = crate::life::ends(&*store).await {
            tracing::error!(%error, "the stop could not be written into the audit");
        }
    }
    crate::anchors::note(&*store, anchors.as_deref(), 0).await;
    drop(std::fs::remove_file(socket_path(store.home())));
    if let Err(error) = store.leave().await
        && ended == Ended::Asked
    {
        tracing::warn!(%error, "this node could not sign off");
    }
    Ok(ended)
}

async fn listen(addr: std::net::SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(addr)
        .await
        .map_err(|e| Failure::Failed(format!("{key} {addr}: {e}; is another program using it?")))
}

/// The socket for commands. The file lock is ours, so an old socket is a leftover.
fn bind_socket(database: &Path) -> Result<UnixListener, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let path = socket_path(database);
    let failed = |e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
    // Bound in a private folder and moved when it is private itself, so that it is never open to others.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = tempfile::tempdir_in(folder).map_err(failed)?;
    let fresh = private.path().join("s");
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&fresh, &path).map_err(failed)?;
    Ok(listener)
}

/// What was not understood may be understood by this version: deciding it again is a person's to say.
async fn offer_replay(engine: &pasarela_engine::Engine) {
    if let Ok(health) = engine.health().await
        && health.quarantined > 0
    {
        tracing::warn!(
            deliveries = health.quarantined,
            "there are deliveries in quarantine; `pasarela replay --status quarantined --dry-run` tells what this version makes of them, without --dry-run they are decided"
        );
    }
}

/// Whoever started the hub at a terminal gets a way in; a log that others read holds none.
async fn offer_link(app: &App) {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        tracing::info!("`pasarela users link` makes a link that signs in to the console");
        return;
    }
    match pasarela_web::first_owner_link(app).await {
        Ok(Some(link)) => {
            note("Nobody works here yet. To make the owner, once, in the next hour:");
            return line(&link);
        }
        Ok(None) => {}
        Err(e) => tracing::warn!(error = %e, "no link for the first owner could be made"),
    }
    let scopes = ["read".to_owned(), "write".to_owned()];
    match pasarela_web::create_link(app, "console", &scopes, Duration::from_secs(MINUTES * 60)).await {
        Ok(made) => {
            let after = serde_json::json!({ "name": "console", "scopes": scopes, "expires_at": made.expires_at });
            let by = pasarela_web::who::Who::system();
            if let Err(error) = app.audit(&by, "users.create", "link", None, Some(after)).await {
                tracing::error!(%error, "a link was made and could not be written down");
            }
            note("To sign in to the console, once, in the next ten minutes:");
            line(&made.link);
        }
        Err(why) => tracing::warn!(why, "no link for the console could be made"),
    }
}

/// Reads the whole file once, in the background, and alarms when a page is damaged.
async fn watch_integrity(store: std::sync::Arc<dyn pasarela_store::Store>, engine: pasarela_engine::Engine) {
    let found = store.integrity().await;
    if let Ok(verdict) = &found {
        engine.note_damage(verdict.clone());
    }
    match found {
        Ok(None) => tracing::info!("the database file is whole"),
        Ok(Some(verdict)) => tracing::error!(
            verdict,
            "the database is damaged: stop the hub, keep the file, restore a backup, and let reconciliation bring what is missing; `pasarela doctor --repair NEW` mends what can be mended"
        ),
        Err(e) => tracing::error!(error = %e, "the database could not be checked"),
    }
}
