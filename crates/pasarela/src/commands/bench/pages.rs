//! `pasarela bench pages`: what each page of the console costs on a database with a long past: server time and
//! size. The console is asked in this process, so that neither network nor browser is in the figures.

use super::Pages;
use super::figures::{Goal, Report};
use super::load::percentile_ms;
use super::place::{Database, Place, Wiring, write_config};
use crate::Failure;
use crate::config::Config;
use crate::hub::Plan;
use crate::output::note;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use pasarela_store::{HISTORY_TYPE, History};
use pasarela_web::App;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

/// Slowest that a page may be, and largest.
const MS: f64 = 150.0;
const BYTES: f64 = 100_000.0;

pub(super) async fn run(args: &Pages, databases: &[Database]) -> Result<Report, Failure> {
    let mut report = Report::default();
    for database in databases {
        measure(args, database, &mut report).await?;
    }
    Ok(report)
}

async fn measure(args: &Pages, database: &Database, report: &mut Report) -> Result<(), Failure> {
    let failed = |e: pasarela_store::Error| Failure::Failed(e.to_string());
    let name = database.name();
    let place = Place::make(args.at.dir.as_deref(), database)?;
    let store = place.open().map_err(failed)?;
    let connection = store.connection_id("tienda", "http").await.map_err(failed)?;
    let flow = store.flow_id("banco", 1, super::sample::FLOW).await.map_err(failed)?;
    drop(store);
    let begun = Instant::now();
    note(&format!("pages: {name} with {} events and {} runs", args.events, args.runs));
    place
        .fill(&History { events: args.events, runs: args.runs, pending: 0, body: 200, connection, flow })
        .map_err(failed)?;
    let filled_s = begun.elapsed().as_secs_f64();
    note(&format!("pages: {name} filled in {filled_s:.0} s"));

    let wiring = Wiring { connections: &["tienda"], sink: None, flow: Some(super::sample::FLOW) };
    let plan = Plan::read(Config::load(&write_config(&place, SocketAddr::from(([127, 0, 0, 1], 8080)), &wiring)?)?)?;
    let options = plan.web_options();
    let engine = plan.start(place.open().map_err(failed)?, false).await?;
    let app = App::new(engine.clone(), options);
    let cookie = sign_in(&app).await?;
    let begun = Instant::now();
    ask(&app, "/", &cookie).await?;
    report.figure(
        format!("the first page after a start, {name}"),
        begun.elapsed().as_secs_f64() * 1e3,
        "ms",
        Goal::AtMost(MS),
    );
    let (mut worst, mut largest) = (0.0_f64, 0.0_f64);
    for path in paths(args) {
        let mut took = Vec::with_capacity(args.rounds as usize);
        let mut bytes = 0;
        for _ in 0..args.rounds {
            let begun = Instant::now();
            bytes = ask(&app, &path, &cookie).await?;
            took.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        took.sort_unstable();
        let (half, most) = (percentile_ms(&took, 50.0), percentile_ms(&took, 99.0));
        (worst, largest) = (worst.max(most), largest.max(bytes as f64));
        report.detail(
            format!("page_{}_{path}", name.to_lowercase()),
            json!({ "p50_ms": half, "p99_ms": most, "bytes": bytes }),
        );
        note(&format!("pages: {name} {path}: p50 {half:.1} ms, p99 {most:.1} ms, {bytes} bytes"));
    }
    report.figure(format!("the slowest page, {name}, p99"), worst, "ms", Goal::AtMost(MS));
    report.figure(format!("the largest page, {name}"), largest, "bytes", Goal::AtMost(BYTES));
    report.detail(
        format!("pages_{}", name.to_lowercase()),
        json!({ "events": args.events, "runs": args.runs, "filled_s": filled_s, "rounds": args.rounds }),
    );
    engine.stop(Duration::ZERO).await;
    Ok(())
}

/// Every page, with something from the middle of the past where it shows one thing.
fn paths(args: &Pages) -> Vec<String> {
    let (event, run) = (History::event(args.events / 2), args.runs / 2);
    vec![
        "/".into(),
        "/eventos".into(),
        format!("/eventos?tipo={HISTORY_TYPE}"),
        format!("/eventos?antes={event}"),
        "/buscar?q=luz.ospina@example.com".into(),
        format!("/historia/{event}"),
        format!("/historia/{}", History::event(run)),
        format!("/entregas/{}", History::delivery(args.events / 2)),
        "/flujos".into(),
        "/flujos/banco".into(),
        "/por-resolver".into(),
        "/conexiones".into(),
        "/conciliacion".into(),
        "/alarmas".into(),
    ]
}

async fn sign_in(app: &App) -> Result<String, Failure> {
    let scopes = ["read".to_owned(), "write".to_owned()];
    let made =
        pasarela_web::create_link(app, "bench", &scopes, Duration::from_secs(60)).await.map_err(Failure::Failed)?;
    let token = made.link.split("enlace=").nth(1).unwrap_or_default().to_owned();
    let form = Request::post("/entrar").body(Body::from(format!("enlace={token}")));
    let answer = send(app, form).await?;
    let cookie = answer.headers().get(header::SET_COOKIE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

/// The page's bytes.
async fn ask(app: &App, path: &str, cookie: &str) -> Result<usize, Failure> {
    let answer = send(app, Request::get(path).header(header::COOKIE, cookie).body(Body::empty())).await?;
    if answer.status() != StatusCode::OK {
        return Err(Failure::Failed(format!("{path} was answered with {}", answer.status())));
    }
    let body = answer.into_body().collect().await.map_err(|e| Failure::Failed(e.to_string()))?;
    Ok(body.to_bytes().len())
}

async fn send(app: &App, request: axum::http::Result<Request<Body>>) -> Result<Response<Body>, Failure> {
    let request = request.map_err(|e| Failure::Failed(e.to_string()))?;
    Ok(app.console().oneshot(request).await.unwrap_or_else(|never| match never {}))
}
