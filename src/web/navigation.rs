//! What the browser tells about why it asks: whether a person meant it, and from where.
//!
//! These headers only ever make us refuse; no right follows from them.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openssl::sha::sha256;

use crate::app::{App, TurnedAway};
use crate::web::{routes, visitor};

/// Lets a request through only if somebody meant it: HEAD, OPTIONS and prefetches never execute
/// a message, start a sign-in or resume a logout (BIND-24).
pub async fn meant(State(app): State<App>, request: Request, next: Next) -> Response {
    let refused = if matches!(*request.method(), Method::HEAD | Method::OPTIONS) {
        let allowed = routes::methods(request.uri().path());
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed)]).into_response()
    } else if is_prefetch(request.headers()) {
        // Not a success: a browser would show that later in place of the real answer.
        StatusCode::FORBIDDEN.into_response()
    } else {
        return next.run(request).await;
    };
    let (parts, _) = request.into_parts();
    app.turn_away(&TurnedAway {
        endpoint: routes::named(parts.uri.path()),
        source: visitor::address(&parts, &app.settings().trusted_proxies),
        rule: "BIND-24",
        digest: sha256(parts.uri.query().unwrap_or_default().as_bytes()),
        why: &"HEAD, OPTIONS and prefetches execute nothing",
    });
    refused
}

/// Whether the browser shows the answer as a page of its own, not in a frame (SLO-45). A browser
/// too old to say so is believed.
pub fn is_top_level(headers: &HeaderMap) -> bool {
    value(headers, "sec-fetch-dest").is_none_or(|dest| dest == "document")
}

/// Whether a form was sent from another site's page (SLO-48). The token in the form is what
/// protects; this stops what a stolen token would allow.
///
/// Our pages send no referrer, and browsers then say `Origin: null` even for our own forms, so
/// that value alone accuses nobody.
pub fn is_cross_site(headers: &HeaderMap, own_origin: &str) -> bool {
    match value(headers, "sec-fetch-site") {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => headers
            .get(header::ORIGIN)
            .is_some_and(|origin| origin != "null" && origin.as_bytes() != own_origin.as_bytes()),
    }
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(|name| {
        headers.get_all(name).iter().any(|purpose| {
            let purpose = purpose.to_str().unwrap_or_default().to_ascii_lowercase();
            purpose.contains("prefetch") || purpose.contains("prerender") || purpose.contains("preview")
        })
    })
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn slo_45_a_frame_is_no_top_level_page() {
        assert!(is_top_level(&HeaderMap::new()));
        assert!(is_top_level(&with("sec-fetch-dest", "document")));
        for framed in ["iframe", "frame", "embed", "object", "empty", "image"] {
            assert!(!is_top_level(&with("sec-fetch-dest", framed)), "{framed}");
        }
    }

    #[test]
    fn slo_48_forms_of_other_sites_are_told_apart() {
        let ours = "https://sp.example";
        assert!(!is_cross_site(&HeaderMap::new(), ours));
        assert!(!is_cross_site(&with("origin", "https://sp.example"), ours));
        assert!(!is_cross_site(&with("origin", "null"), ours));
        assert!(is_cross_site(&with("origin", "https://evil.example"), ours));
        assert!(is_cross_site(&with("origin", "https://sp.example.evil.example"), ours));
        assert!(!is_cross_site(&with("sec-fetch-site", "same-origin"), ours));
        assert!(is_cross_site(&with("sec-fetch-site", "cross-site"), ours));
        assert!(is_cross_site(&with("sec-fetch-site", "same-site"), ours));
    }

    #[test]
    fn bind_24_every_kind_of_prefetch_is_known() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "Prefetch"),
            ("x-moz", "prefetch"),
        ] {
            assert!(is_prefetch(&with(name, value)), "{name}: {value}");
        }
        assert!(!is_prefetch(&with("sec-fetch-mode", "navigate")));
    }
}
