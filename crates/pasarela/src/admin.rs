//! Commands on a database: through the Unix socket of the hub that has it open, or, when nobody
//! answers, through the same API in this process with the file's lock.

use crate::Failure;
use crate::config::{Config, Database};
use crate::hub::Plan;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use pasarela_web::App;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tower::ServiceExt as _;

/// The socket beside a database file, or beside the key file of a database that is none.
pub(crate) fn socket_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// The socket of a hub on this machine that serves a database, if there is one.
pub(crate) async fn socket_of(database: &Database) -> Result<Option<PathBuf>, Failure> {
    let homes = database.homes().map_err(|e| Failure::Failed(e.to_string()))?;
    for socket in homes.iter().map(|home| socket_path(home)).filter(|s| s.exists()) {
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Ok(Some(socket));
        }
    }
    Ok(None)
}

/// A way to the API of a database.
pub(crate) enum Admin {
    /// A hub has it open.
    Remote(PathBuf),
    /// Nobody has.
    Local(Box<axum::Router>),
}

impl Admin {
    /// Finds the way.
    pub(crate) async fn open(config_path: &Path) -> Result<Self, Failure> {
        Self::open_by(config_path, Plan::read).await
    }

    /// The same for what must work while secrets are missing: without a hub, no connection is served.
    pub(crate) async fn without_secrets(config_path: &Path) -> Result<Self, Failure> {
        let bare = |config| Plan::without_secrets(config).map(|plan| Plan { connections: Vec::new(), ..plan });
        Self::open_by(config_path, bare).await
    }

    async fn open_by(config_path: &Path, read: impl FnOnce(Config) -> Result<Plan, Failure>) -> Result<Self, Failure> {
        let config = Config::load(config_path)?;
        if let Some(socket) = socket_of(&config.database()?).await? {
            return Ok(Self::Remote(socket));
        }
        let plan = read(config)?;
        let options = plan.web_options();
        let store = plan.open_store()?;
        let engine = plan.start(store, true).await?;
        Ok(Self::Local(Box::new(App::new(engine, options).admin())))
    }

    /// Calls the API; a problem becomes a failure with its sentence.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let bytes = body.map(|b| b.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "pasarela")
            .header("content-type", "application/json")
            .body(Body::from(bytes))
            .map_err(|e| Failure::Failed(e.to_string()))?;
        let failed = |e: &dyn std::fmt::Display| Failure::Failed(format!("the hub did not answer: {e}"));
        let (status, bytes) = match self {
            Self::Remote(socket) => {
                let stream = tokio::net::UnixStream::connect(socket).await.map_err(|e| failed(&e))?;
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
                tokio::spawn(connection);
                let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
                let status = answer.status();
                (status, answer.into_body().collect().await.map_err(|e| failed(&e))?.to_bytes())
            }
            Self::Local(router) => {
                let answer = (**router).clone().oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = answer.status();
                (status, answer.into_body().collect().await.map_err(|e| failed(&e))?.to_bytes())
            }
        };
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let why = value["detail"].as_str().map_or_else(|| format!("HTTP {status}"), str::to_owned);
        Err(if status == StatusCode::BAD_REQUEST { Failure::Usage(why) } else { Failure::Failed(why) })
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }
}
