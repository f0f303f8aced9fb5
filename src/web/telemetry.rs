//! One span and one line per request: method, route, status and latency. Never a query, a
//! cookie, a body or a handle.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::web::routes;

/// Writes the line of every request.
pub async fn traced(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!("request", method = %request.method(), path);
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let latency_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    // Probes come every few seconds and say nothing while they succeed.
    if matches!(path, routes::HEALTH | routes::READY) && status < 400 {
        tracing::debug!(parent: &span, status, latency_us, "answered");
    } else {
        tracing::info!(parent: &span, status, latency_us, "answered");
    }
    response
}
