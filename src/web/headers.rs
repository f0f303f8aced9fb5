//! The headers that every answer carries, decided in one place.
//!
//! A handler says only what is special about its page (a [`PagePolicy`]); [`apply`] does the
//! rest, for refusals, panics and unknown addresses as well.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;
use crate::web::routes;

/// The longest list of origins that is spelled out; beyond it every https origin may frame the
/// endpoint, rather than that a proxy refuses our header.
const MAX_ANCESTORS: usize = 4096;

/// What is special about a page: left in the response's extensions for [`apply`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PagePolicy {
    /// The nonce of the one script that may run.
    pub nonce: Option<String>,
    /// Whether the page's form leads, directly or along redirects, to another site. Browsers
    /// apply `form-action` along redirects, so such a page goes without it (BIND-17).
    pub submits_elsewhere: bool,
}

/// Adds the headers to every answer.
pub async fn apply(State(app): State<App>, request: Request, next: Next) -> Response {
    let framable = request.uri().path() == routes::SLO;
    let mut response = next.run(request).await;
    let policy = response.extensions_mut().remove::<PagePolicy>().unwrap_or_default();
    let ancestors = if framable { ancestors(&app.frame_origins()) } else { String::from("'none'") };
    write(response.headers_mut(), &policy, &ancestors);
    response
}

/// The caching headers of a SOAP answer (BIND-30).
pub const SOAP_CACHING: &str = "no-cache, no-store, must-revalidate, private";

fn write(headers: &mut HeaderMap, policy: &PagePolicy, ancestors: &str) {
    if let Ok(value) = HeaderValue::try_from(content_security_policy(policy, ancestors)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address of a page may hold a message or a handle (Bindings 3.4.5.2; BIND-17).
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Whoever says nothing about caching carries a message or depends on a session (BIND-21).
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
}

fn content_security_policy(policy: &PagePolicy, ancestors: &str) -> String {
    let script =
        policy.nonce.as_ref().map(|nonce| format!("; script-src 'nonce-{nonce}'")).unwrap_or_default();
    let form = if policy.submits_elsewhere { "" } else { "; form-action 'self'" };
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
         frame-ancestors {ancestors}{form}{script}"
    )
}

/// Who may show the single logout endpoint in a frame: ourselves and the identity providers we
/// know, because some of them propagate a logout through hidden frames (SLO-32).
fn ancestors(origins: &[String]) -> String {
    let mut list = String::from("'self'");
    for origin in origins.iter().filter(|origin| is_source(origin)) {
        list.push(' ');
        list.push_str(origin);
        if list.len() > MAX_ANCESTORS {
            return String::from("'self' https:");
        }
    }
    list
}

/// Whether an origin can stand in the header without ending the directive or naming everybody.
fn is_source(origin: &str) -> bool {
    origin.contains("://")
        && origin.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'*' | b'\''))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn bind_17_a_page_whose_submit_leaves_the_site_names_no_form_action_and_one_nonce() {
        let leaving = PagePolicy { nonce: Some("abc".into()), submits_elsewhere: true };
        let text = content_security_policy(&leaving, "'none'");
        assert!(!text.contains("form-action"), "{text}");
        assert!(text.contains("script-src 'nonce-abc'"), "{text}");
        assert!(!text.contains("unsafe"), "{text}");

        let text = content_security_policy(&PagePolicy::default(), "'none'");
        assert!(text.contains("form-action 'self'"), "{text}");
        assert!(!text.contains("script-src"), "default-src 'none' forbids scripts: {text}");
    }

    #[test]
    fn slo_32_known_identity_providers_may_frame_and_nobody_else() {
        assert_eq!(ancestors(&["https://idp.example".into()]), "'self' https://idp.example");
        assert_eq!(ancestors(&["https://a;script-src *".into(), "*".into(), "null".into()]), "'self'");
        let many: Vec<String> = (0..1000).map(|n| format!("https://idp{n}.example")).collect();
        assert_eq!(ancestors(&many), "'self' https:");
    }

    #[test]
    fn bind_21_an_answer_is_not_cached_unless_it_says_otherwise() {
        let mut headers = HeaderMap::new();
        write(&mut headers, &PagePolicy::default(), "'none'");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache, no-store");
        assert_eq!(headers[header::PRAGMA], "no-cache");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(
            headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors 'none'")
        );

        let mut asset = HeaderMap::new();
        asset.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        write(&mut asset, &PagePolicy::default(), "'none'");
        assert_eq!(asset[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert!(!asset.contains_key(header::PRAGMA));
    }
}
