//! Server-sent events (HTML, 9.2): written here, sent for as long as somebody listens.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

/// How often a stream without news says that it is there, so that no proxy takes it for dead.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a stream without news says: a comment.
pub const STILL_HERE: &str = ":\n\n";

/// Something that has more to say, for a while.
pub trait Source: Send + 'static {
    /// The next part of the stream; none at its end.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;
}

/// An answer that goes on with whatever comes out of `source`.
pub fn answer(source: impl Source) -> Response {
    let parts = stream::unfold(source, |mut source| async move {
        let part = source.next().await?;
        Some((Ok::<_, Infallible>(part), source))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // nginx would collect what should arrive at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, Body::from_stream(parts)).into_response()
}

/// One event. `name`, `id` and `data` are single lines.
pub fn event(id: Option<&str>, name: &str, data: &str) -> String {
    let mut text = String::new();
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
    text
}

/// Tells the browser how far it has come, without an event.
pub fn progress(id: &str) -> String {
    format!("id: {id}\n\n")
}

/// How long to wait before coming back, in milliseconds.
pub fn retry(milliseconds: u32) -> String {
    format!("retry: {milliseconds}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_lines_and_an_empty_one() {
        assert_eq!(event(Some("a"), "ended", "{}"), "id: a\nevent: ended\ndata: {}\n\n");
        assert_eq!(event(None, "ended", "{}"), "event: ended\ndata: {}\n\n");
    }
}
