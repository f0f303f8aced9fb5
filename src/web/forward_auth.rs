//! A proxy asks whether it may let a request through to an application, and who is asking.
//!
//! nginx sends `auth_request` here, Traefik `ForwardAuth`, Caddy `forward_auth`. The answer is 200 with
//! the person in headers, or 401; only where the proxy asks for it (`?signin=302`) and the browser
//! wants a page, a redirect to the sign-in.

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openssl::sha::sha256;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::app::forward_auth::{self, Admitted};
use crate::app::{App, TurnedAway, Visitor};
use crate::web::fields::{Fields, Repeated, address};
use crate::web::original_url::{Original, original};
use crate::web::{error, reply, routes};

/// The session's public name.
const SESSION: HeaderName = HeaderName::from_static("x-signoff-session");
/// The NameID's value; where nobody but an OpenID provider names the person, its `sub`.
const USER: HeaderName = HeaderName::from_static("x-signoff-user");
/// Its format.
const USER_FORMAT: HeaderName = HeaderName::from_static("x-signoff-user-format");
/// The entity ID of the identity provider that says so; or the issuer.
const IDP: HeaderName = HeaderName::from_static("x-signoff-idp");
/// Our name for the application that is protected.
const APPLICATION: HeaderName = HeaderName::from_static("x-signoff-application");
/// With a 401: where to sign in.
const SIGN_IN: HeaderName = HeaderName::from_static("x-signoff-sign-in");

/// What could be read as the end of a header, a list or a quoted text is written as `%XX`, and so is
/// the sign itself: the value decodes as the part of a URL does, and never means more than one value.
const ENCODED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'<').add(b'>').add(b'\\').add(b'`');

/// `GET /forward-auth[?signin=302]`.
pub async fn check(State(app): State<App>, visitor: Visitor, parts: Parts) -> Response {
    let query = parts.uri.query().unwrap_or_default();
    let may_redirect = match may_redirect(query) {
        Ok(wanted) => wanted && wants_page(&parts.headers),
        Err(why) => return error::repeated(&app, &visitor, routes::FORWARD_AUTH, query.as_bytes(), why),
    };
    let url = match original(&parts, &app.settings().trusted_proxies) {
        Original::Address(url) => Some(url),
        Original::Unknown => None,
        Original::Untrusted => {
            app.note_untrusted_proxy(visitor.address);
            None
        }
        Original::Ambiguous => return ambiguous(&app, &visitor, query),
    };
    let admitted = match &visitor.session {
        Some(token) => forward_auth::check(&app, token, url.as_ref()).await,
        None => Ok(None),
    };
    match admitted {
        Ok(Some(admitted)) => (StatusCode::OK, identity(&admitted)).into_response(),
        Ok(None) => sign_in_first(&app, url.as_ref(), may_redirect).await,
        Err(failure) => error::ours_as_json(&app, &failure),
    }
}

fn may_redirect(query: &str) -> Result<bool, Repeated> {
    Ok(Fields::read(query.as_bytes()).one("signin")? == Some("302"))
}

/// Whether a browser asked for a page to show: only then a redirect to the sign-in leads anywhere.
fn wants_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let showing = text("x-forwarded-method").is_none_or(|method| {
        Method::from_bytes(method.as_bytes())
            .is_ok_and(|method| method == Method::GET || method == Method::HEAD)
    });
    showing && text("accept").is_some_and(|accept| accept.contains("text/html"))
}

/// Who it is, in headers for the application. Each is there, if need be without a value: some proxies
/// put a text of their own in the place of a header that they do not find.
fn identity(admitted: &Admitted) -> HeaderMap {
    let session = &admitted.session;
    let saml = session.authentications.iter().find_map(|authentication| {
        let name = authentication.name_id.as_ref()?;
        Some((name.value.as_str(), name.format.as_deref(), authentication.idp.as_str()))
    });
    let named = saml.or_else(|| {
        session.oidc.first().map(|provider| (provider.sub.as_str(), None, provider.issuer.as_str()))
    });
    let values = [
        (SESSION, Some(session.session_id.as_str())),
        (APPLICATION, admitted.application.as_deref()),
        (USER, named.map(|(user, _, _)| user)),
        (USER_FORMAT, named.and_then(|(_, format, _)| format)),
        (IDP, named.map(|(_, _, idp)| idp)),
    ];
    let encoded = values.into_iter().map(|(name, text)| {
        let text = utf8_percent_encode(text.unwrap_or_default(), ENCODED).to_string();
        // What is encoded is always a value.
        (name, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("")))
    });
    encoded.collect()
}

/// There is no session: 401 and where to get one, or straight there.
async fn sign_in_first(app: &App, url: Option<&Url>, may_redirect: bool) -> Response {
    let target = match url {
        Some(url) => forward_auth::sign_in_target(app, url).await,
        None => Ok(None),
    };
    let sign_in = match target {
        Ok(target) => target.map(|target| {
            let path = address(routes::LOGIN, vec![("return_to", target.as_str())]);
            app.settings().public_url(&path)
        }),
        Err(failure) => return error::ours_as_json(app, &failure),
    };
    let mut response = match &sign_in {
        Some(sign_in) if may_redirect => reply::redirect(app, &Method::GET, sign_in),
        _ => reply::json(StatusCode::UNAUTHORIZED, &serde_json::json!({ "active": false })),
    };
    if let Some(sign_in) = sign_in.and_then(|sign_in| HeaderValue::try_from(sign_in).ok()) {
        response.headers_mut().insert(SIGN_IN, sign_in);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
    response
}

/// Which application is asked for cannot be told, so nobody is let through to it.
fn ambiguous(app: &App, visitor: &Visitor, query: &str) -> Response {
    app.turn_away(&TurnedAway {
        endpoint: routes::FORWARD_AUTH,
        source: visitor.address,
        rule: "FORWARD-AUTH",
        digest: sha256(query.as_bytes()),
        why: &"the original address cannot be read, or is named twice and differently: the proxy has to overwrite X-Original-URL \
               and X-Forwarded-Proto, -Host and -Uri, or remove them",
    });
    reply::json(StatusCode::UNAUTHORIZED, &serde_json::json!({ "active": false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_a_header_or_becomes_two() {
        for (name, written) in [
            ("alice@example.org", "alice@example.org"),
            ("demo|alice", "demo|alice"),
            ("a\r\nX-Signoff-User: root", "a%0D%0AX-Signoff-User:%20root"),
            ("a,b;c\"d\\e", "a%2Cb%3Bc%22d%5Ce"),
            ("100%", "100%25"),
            ("Zo\u{eb}", "Zo%C3%AB"),
            ("\u{0}\u{7f}\t", "%00%7F%09"),
        ] {
            assert_eq!(utf8_percent_encode(name, ENCODED).to_string(), written);
        }
    }

    #[test]
    fn only_a_page_is_sent_to_sign_in() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect()
        };
        let html = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        assert!(wants_page(&headers(&[html])));
        assert!(wants_page(&headers(&[html, ("x-forwarded-method", "GET")])));
        assert!(!wants_page(&headers(&[html, ("x-forwarded-method", "POST")])));
        assert!(!wants_page(&headers(&[("accept", "application/json")])));
        assert!(!wants_page(&headers(&[("accept", "*/*")])));
        assert!(!wants_page(&HeaderMap::new()));
    }
}
