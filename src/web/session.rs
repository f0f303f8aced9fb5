//! Whether a session lives, for applications that ask with the browser's cookie.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::app::{App, Visitor, session};
use crate::web::{error, reply};

/// `GET /session`: 200 and what the session rests on, or 401.
pub async fn show(State(app): State<App>, visitor: Visitor) -> Response {
    let view = match &visitor.session {
        Some(token) => session::show(&app, token).await,
        None => Ok(None),
    };
    match view {
        Ok(Some(view)) => reply::json(StatusCode::OK, &view),
        Ok(None) => reply::json(StatusCode::UNAUTHORIZED, &Inactive { active: false }),
        Err(failure) => error::ours_as_json(&app, &failure),
    }
}

#[derive(Debug, Serialize)]
struct Inactive {
    active: bool,
}
