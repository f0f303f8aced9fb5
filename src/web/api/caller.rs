//! Who is asking: the bearer token of a request. Cookies are not looked at.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use openssl::sha::sha256;

use crate::app::tokens::{self, Caller, Denied};
use crate::app::{App, TurnedAway};
use crate::web::api::problem::Problem;
use crate::web::visitor;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // The table of routes has asked already.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let from = visitor::address(parts, &app.settings().trusted_proxies);
        let denied = match tokens::authenticate(app, bearer(&parts.headers), from).await {
            Ok(caller) => return Ok(caller),
            Err(denied) => denied,
        };
        if !matches!(denied, Denied::Failed { .. }) {
            app.turn_away(&TurnedAway {
                endpoint: "/api",
                source: from,
                rule: "API-TOKEN",
                digest: sha256(b""),
                why: &denied,
            });
        }
        Err(denied.into())
    }
}

/// The token of the one `Authorization: Bearer` header (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_comes_in_one_authorization_header_and_nowhere_else() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(with(&["bearer  abc "]).as_deref(), Some("abc"));
        for none in [&[][..], &["Basic abc"], &["abc"], &["Bearer"], &["Bearer a", "Bearer b"]] {
            assert_eq!(with(none), None, "{none:?}");
        }
    }
}
