//! The last resort: a handler panicked.

use std::any::Any;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::ResponseForPanic;

use crate::app::App;
use crate::web::api::problem::Problem;
use crate::web::{api, error, routes};

/// Turns a panic into an answer that only has its reference, and logs it under that; [`told`] says it in
/// the words of whoever asked.
#[derive(Clone)]
pub struct Caught(pub App);

/// The reference of a panic, on the way from [`Caught`] to [`told`].
#[derive(Clone)]
struct Panicked(String);

impl ResponseForPanic for Caught {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send>) -> Response {
        let incident = self.0.incident();
        tracing::error!(incident, panic = message(&*panic), "a request handler panicked");
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Panicked(incident));
        response
    }
}

/// A panic becomes the page for our own failures, or, where programs ask, a problem as JSON.
pub async fn told(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let of_api = path.strip_prefix(api::BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let of_session = [routes::SESSION, routes::SESSION_EVENTS].contains(&path);
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Panicked>() {
        Some(Panicked(incident)) if of_api => Problem::failed(incident).into_response(),
        Some(Panicked(incident)) if of_session => error::failed_as_json(&incident),
        Some(Panicked(incident)) => error::failed(&incident),
        None => response,
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
