//! The admin port: plain HTTP for the machines that run the process, apart from those that use the service.
//!
//! ```text
//! GET /metrics      numbers for Prometheus, in OpenMetrics' text
//! GET /startup      200 once the service is open
//! GET /live         200 for as long as the process answers at all; nothing beside it makes it restart
//! GET /ready        200 while it serves: not before it is open, not without a hard dependency, not while it drains
//! GET /log-filter   the filter of the log
//! PUT /log-filter   another one, at once; from this machine only
//! ```

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::telemetry::LogFilter;

/// Longest body that is taken.
const MAX_BODY_BYTES: usize = 8_192;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How far the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The service is being opened.
    Starting,
    /// It serves.
    Ready,
    /// Something that it cannot do without is gone.
    NotReady,
    /// It takes no new calls, and ends.
    Draining,
}

/// What the admin port shows.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The numbers.
    pub metrics: Metrics,
    /// The filter of the log; absent: it cannot be changed.
    pub filter: Option<LogFilter>,
    /// How far the process is.
    pub stage: watch::Receiver<Stage>,
}

/// Serves it until the process ends.
///
/// # Errors
/// What the listener reports.
pub async fn serve(listener: TcpListener, admin: Admin) -> io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/startup", get(startup))
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .route("/log-filter", get(filter).put(set_filter))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(admin);
    axum::serve(
        listener,
        routes.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], admin.metrics.text())
}

async fn startup(State(admin): State<Admin>) -> impl IntoResponse {
    match *admin.stage.borrow() {
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        _ => (StatusCode::OK, "started\n"),
    }
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    match *admin.stage.borrow() {
        Stage::Ready => (StatusCode::OK, "ready\n"),
        Stage::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Stage::NotReady => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: something that it cannot do without is gone; see dependency_up in /metrics\n",
        ),
        Stage::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn filter(State(admin): State<Admin>) -> impl IntoResponse {
    match &admin.filter {
        Some(filter) => (StatusCode::OK, filter.text() + "\n"),
        None => (
            StatusCode::NOT_FOUND,
            "the log has no filter that can be changed\n".to_owned(),
        ),
    }
}

async fn set_filter(
    State(admin): State<Admin>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    text: String,
) -> impl IntoResponse {
    if !from.ip().is_loopback() {
        return (
            StatusCode::FORBIDDEN,
            "the filter of the log is changed from this machine only\n".to_owned(),
        );
    }
    let Some(filter) = &admin.filter else {
        return (
            StatusCode::NOT_FOUND,
            "the log has no filter that can be changed\n".to_owned(),
        );
    };
    match filter.set(&text) {
        Ok(()) => {
            tracing::warn!(filter = filter.text(), "the filter of the log was changed");
            (StatusCode::OK, filter.text() + "\n")
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
