//! The admin listener: `/startupz`, `/livez`, `/readyz` and `/metrics`, plain HTTP, in no public route.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder as _, TextEncoder};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::Runtime;

/// How old the heartbeat may be before `/livez` says that the runtime no longer turns.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Admin {
    runtime: Runtime,
    born: Instant,
    /// Milliseconds from `born` to the last beat.
    heartbeat_ms: Arc<AtomicU64>,
}

/// Serves the probes until the future is dropped. They answer from flags and ask nobody, so they stay up while the
/// services stop: `/readyz` turns negative with `runtime.draining`, `/livez` does not.
///
/// # Errors
/// An I/O error of the listener.
pub async fn serve(listener: TcpListener, runtime: Runtime) -> io::Result<()> {
    let admin = Admin {
        runtime,
        born: Instant::now(),
        heartbeat_ms: Arc::default(),
    };
    let router = Router::new()
        .route("/startupz", get(startup))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin.clone());
    tokio::select! {
        served = axum::serve(listener, router) => served,
        () = beat(admin) => Ok(()),
    }
}

async fn beat(admin: Admin) {
    loop {
        let age = u64::try_from(admin.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        admin.heartbeat_ms.store(age, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn startup(State(admin): State<Admin>) -> Response {
    answer(admin.runtime.health.started(), "starting")
}

async fn live(State(admin): State<Admin>) -> Response {
    let last = Duration::from_millis(admin.heartbeat_ms.load(Ordering::Relaxed));
    answer(
        admin.born.elapsed().saturating_sub(last) < HEARTBEAT_LIMIT,
        "no heartbeat",
    )
}

async fn ready(State(admin): State<Admin>) -> Response {
    if admin.runtime.draining.is_cancelled() {
        return answer(false, "stopping");
    }
    answer(admin.runtime.health.ready(), "not ready")
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&admin.runtime.metrics.gather(), &mut text) {
        Ok(()) => ([("content-type", encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(good: bool, otherwise: &'static str) -> Response {
    if good {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, otherwise).into_response()
    }
}
