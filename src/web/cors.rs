//! Which pages may ask about the browser's session (Fetch, "CORS protocol").
//!
//! Exactly the origins that applications have registered, with the cookie, and never `*`. That a
//! browser sends the cookie at all takes a page of the same site: it is `SameSite=Lax`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::web::{error, routes};

/// How long a browser may remember what a preflight said, in seconds.
const REMEMBER: &str = "600";

/// Says on every answer which origin may read it; a preflight of another is refused.
pub async fn apply(State(app): State<App>, request: Request, next: Next) -> Response {
    let asking = origin(request.headers()).filter(|origin| *origin != app.settings().base_url.as_str());
    let granted = match asking.as_deref().map(|origin| app.is_registered_origin(origin)) {
        None => None,
        Some(registered) => match registered.await {
            Ok(registered) => asking.clone().filter(|_| registered),
            Err(failure) => return varying(error::ours_as_json(&app, &failure)),
        },
    };
    // To wait for an event of which it could not read a word would only hold a connection.
    let preflight = *request.method() == Method::OPTIONS;
    let meant_for_granted = preflight || request.uri().path() == routes::SESSION_EVENTS;
    let stranger = granted.is_none() && (asking.is_some() || preflight);
    let mut response = if meant_for_granted && stranger {
        error::refused_as_json(StatusCode::FORBIDDEN, "No application has registered this origin.")
    } else {
        next.run(request).await
    };
    if let Some(origin) = granted.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    varying(response)
}

/// The origin of the page that asks, if there is exactly one. The opaque `null` is nobody's.
fn origin(headers: &HeaderMap) -> Option<String> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next()?.to_str().ok().filter(|origin| *origin != "null");
    if origins.next().is_some() {
        return Some(String::new());
    }
    Some(origin.unwrap_or_default().to_owned())
}

/// `OPTIONS`: what a registered origin may ask. [`apply`] lets nobody else get here.
pub async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "accept, cache-control, last-event-id"),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBER),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Whatever the answer, another origin may get another.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn asked(origins: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        origin(&headers)
    }

    #[test]
    fn an_origin_is_taken_as_it_is_and_what_is_none_is_a_stranger() {
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&["https://app.example"]).as_deref(), Some("https://app.example"));
        assert_eq!(asked(&["null"]).as_deref(), Some(""));
        assert_eq!(asked(&["https://app.example", "https://app.example"]).as_deref(), Some(""));
    }
}
