//! For machines that watch this node.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::{App, health};
use crate::web::reply;

/// `GET /healthz`: the process runs and answers.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 if this node can do its work, else 503; the body says what is missing.
pub async fn ready(State(app): State<App>) -> Response {
    let readiness = health::ready(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply::json(status, &readiness)
}
