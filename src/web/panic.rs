//! The last resort: a handler panicked.

use std::any::Any;

use axum::body::Body;
use axum::response::Response;
use tower_http::catch_panic::ResponseForPanic;

use crate::app::App;
use crate::web::error;

/// Turns a panic into the page for our own failures, and logs it under the page's reference.
#[derive(Clone)]
pub struct Caught(pub App);

impl ResponseForPanic for Caught {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send>) -> Response {
        let incident = self.0.incident();
        tracing::error!(incident, panic = message(&*panic), "a request handler panicked");
        error::failed(&incident)
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
