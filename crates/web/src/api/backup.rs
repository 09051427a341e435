//! Backups, for whoever holds the database file: one is begun, and asked after until it is done.

use crate::App;
use crate::audit;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pasarela_store::backup::{Manifest, Progress};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// The last backup of this process.
#[derive(Default)]
pub(crate) enum Backup {
    #[default]
    None,
    Running(PathBuf, Arc<Progress>),
    Done(PathBuf, Box<Manifest>),
    Failed(PathBuf, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    file: PathBuf,
}

pub(crate) async fn begin(
    State(app): State<App>,
    body: axum::body::Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let wanted: Wanted = super::body(&body)?;
    let file = wanted.file;
    if !file.is_absolute() {
        return Err(Problem::bad_request("file: name it from the root, such as /var/backups/hub.backup"));
    }
    // Before there is a file.
    audit::done("", json!({ "file": file }));
    audit::begin(&app).await?;
    let progress = Arc::new(Progress::default());
    {
        let mut last = app.backup.lock();
        if let Backup::Running(other, _) = &*last {
            let why = format!("a backup into {} is being made; wait for it", other.display());
            return Err(Problem::new(StatusCode::CONFLICT, "wrong_state", "Not possible in its present state", why));
        }
        *last = Backup::Running(file.clone(), progress.clone());
    }
    let (engine, last) = (app.engine.clone(), app.backup.clone());
    tokio::spawn(async move {
        let made = engine.store().backup(file.clone(), engine.clock().now(), progress).await;
        *last.lock() = match made {
            Ok(manifest) => {
                tracing::info!(file = %file.display(), bytes = manifest.bytes, "a backup is written and verified");
                Backup::Done(file, Box::new(manifest))
            }
            Err(e) => {
                tracing::error!(file = %file.display(), error = %e, "a backup could not be made");
                Backup::Failed(file, e.to_string())
            }
        };
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "state": "running" }))))
}

pub(crate) async fn show(State(app): State<App>) -> Json<Value> {
    Json(match &*app.backup.lock() {
        Backup::None => json!({ "state": "none" }),
        Backup::Running(file, progress) => {
            let (done, total) = progress.get();
            json!({ "state": "running", "file": file, "done": done, "total": total })
        }
        Backup::Done(file, manifest) => json!({ "state": "done", "file": file, "manifest": manifest }),
        Backup::Failed(file, why) => json!({ "state": "failed", "file": file, "why": why }),
    })
}
