//! Our own metadata.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::app::{App, metadata};

/// The media type of metadata (Metadata appendix A).
const MEDIA_TYPE: &str = "application/samlmetadata+xml";

/// `GET /saml/metadata`.
pub async fn ours(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], metadata::ours(&app)).into_response()
}
