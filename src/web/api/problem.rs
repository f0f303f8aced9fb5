//! What went wrong, for programs and the people who write them: RFC 9457.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::app::api::Refused;
use crate::app::tokens::Denied;
use crate::web::body::Why;
use crate::web::{error, reply};

/// The media type of RFC 9457.
const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Which kind of problem, as an address in the documentation.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The same in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The field of the request that is wrong, if one is.
    field: Option<&'static str>,
    /// Under this the log knows it, if it was a fault of ours.
    incident: Option<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The kinds: name, title, status.
pub(super) const KINDS: [(&str, &str, u16); 15] = [
    ("unreadable", "The request cannot be read", 400),
    ("unauthorized", "A good token is needed", 401),
    ("forbidden", "This token may not do that", 403),
    ("not-found", "There is nothing here that this token may see", 404),
    ("method-not-allowed", "This address does not take that method", 405),
    ("too-slow", "The body did not arrive in time", 408),
    ("conflict", "This contradicts what is there", 409),
    ("in-flight", "The same request is being worked on", 409),
    ("gone", "What was asked for is not there any more", 410),
    ("too-large", "The body is too large", 413),
    ("unsupported-media-type", "The body has to be JSON", 415),
    ("unprocessable", "What was sent cannot be used", 422),
    ("too-many-requests", "Too many requests", 429),
    ("failed", "A fault of ours", 500),
    ("busy", "There is no room for this at the moment", 503),
];

impl Problem {
    fn of(kind: &str, detail: impl Into<String>) -> Self {
        let known = KINDS.iter().find(|(name, _, _)| *name == kind);
        let (name, title, status) = known.copied().unwrap_or(("failed", "A fault of ours", 500));
        Self {
            kind: format!("/api/docs#{name}").into(),
            title,
            status,
            detail: detail.into().into(),
            field: None,
            incident: None,
            headers: Vec::new(),
        }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        self
    }

    /// There is nothing of that name, or nothing that the caller may see: the two look alike.
    #[must_use]
    pub fn not_found() -> Self {
        Self::of("not-found", "There is nothing of that name, or nothing that this token may see.")
    }

    /// A field of the request cannot be used.
    #[must_use]
    pub fn unprocessable(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::of("unprocessable", reason) }
    }

    /// It contradicts what is there.
    #[must_use]
    pub fn conflict(reason: impl Into<String>) -> Self {
        Self::of("conflict", reason)
    }

    /// What was asked for is not there any more.
    #[must_use]
    pub fn gone(reason: impl Into<String>) -> Self {
        Self::of("gone", reason)
    }

    /// The caller sees what it is about, but may not do that.
    #[must_use]
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self::of("forbidden", reason)
    }

    /// The request cannot be read.
    #[must_use]
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self::of("unreadable", reason)
    }

    /// The body is not JSON.
    #[must_use]
    pub fn not_json() -> Self {
        Self::of("unsupported-media-type", "Send the body as application/json.")
            .with(header::ACCEPT, "application/json")
    }

    /// The body was not taken.
    #[must_use]
    pub fn unread(why: Why, limit: usize) -> Self {
        match why {
            Why::TooLarge => Self::of("too-large", format!("At most {limit} octets are taken here.")),
            Why::TooSlow => Self::of("too-slow", "The body has to arrive within ten seconds."),
            Why::Broken => Self::unreadable("The body did not arrive whole."),
        }
    }

    /// The address does not take the method; it takes these.
    #[must_use]
    pub fn method_not_allowed(allowed: &str) -> Self {
        Self::of("method-not-allowed", format!("Taken here: {allowed}.")).with(header::ALLOW, allowed)
    }

    /// A fault of ours: logged here, once, with all its causes; the outside hears a reference.
    #[must_use]
    pub fn ours(app: &App, fault: &dyn Error) -> Self {
        Self::failed(error::log(app, fault))
    }

    /// A fault of ours that is logged already, under this.
    #[must_use]
    pub fn failed(incident: String) -> Self {
        let detail = "Please try again in a moment; the reference tells whoever runs this service more.";
        Self { incident: Some(incident), ..Self::of("failed", detail) }
    }

    /// There is no room for it; come again after a while.
    #[must_use]
    pub fn busy(reason: impl Into<String>, after: Duration) -> Self {
        Self::of("busy", reason).with(header::RETRY_AFTER, &after.as_secs().to_string())
    }

    fn too_many(after: Duration) -> Self {
        Self::of("too-many-requests", format!("Please come again in {} s.", after.as_secs()))
            .with(header::RETRY_AFTER, &after.as_secs().to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict(reason) => Self::conflict(reason),
            Refused::Failed { incident } => Self::failed(incident),
            Refused::Forbidden(reason) => Self::forbidden(reason),
            Refused::InFlight => Self::of("in-flight", refused.to_string()).with(header::RETRY_AFTER, "1"),
            Refused::KeyReused => Self::unprocessable("Idempotency-Key", refused.to_string()),
            Refused::NotFound => Self::not_found(),
            Refused::Unprocessable { field, reason } => Self::unprocessable(field, reason),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let unauthorized = |detail: &str, challenge| {
            Self::of("unauthorized", detail).with(header::WWW_AUTHENTICATE, challenge)
        };
        match denied {
            Denied::Failed { incident } => Self::failed(incident),
            Denied::Missing => {
                unauthorized("Send a token: \"Authorization: Bearer signoff_…\".", "Bearer realm=\"signoff\"")
            }
            Denied::TooMany { after } => Self::too_many(after),
            Denied::Unknown => unauthorized(
                "The token is not one of ours, has expired or was revoked.",
                "Bearer realm=\"signoff\", error=\"invalid_token\"",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = reply::json(status, &self);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_made_is_in_the_list() {
        for (problem, status) in [
            (Problem::not_found(), 404),
            (Problem::unprocessable("x", "y"), 422),
            (Problem::conflict("x"), 409),
            (Problem::gone("x"), 410),
            (Problem::forbidden("x"), 403),
            (Problem::unreadable("x"), 400),
            (Problem::not_json(), 415),
            (Problem::unread(Why::TooLarge, 1), 413),
            (Problem::unread(Why::TooSlow, 1), 408),
            (Problem::method_not_allowed("GET"), 405),
            (Problem::too_many(Duration::from_secs(1)), 429),
            (Problem::failed(String::new()), 500),
            (Problem::busy("x", Duration::from_secs(1)), 503),
            (Refused::InFlight.into(), 409),
            (Denied::Missing.into(), 401),
        ] {
            assert_eq!(problem.status, status, "{problem:?}");
        }
    }
}
