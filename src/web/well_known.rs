//! What the receivers of our tokens look up: who issues them, and the keys that sign them. Public, the
//! same for everybody, and readable from every origin.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::App;
use crate::web::routes;

/// How long a receiver may keep an answer: far shorter than a key is published before it signs.
const CACHING: &str = "public, max-age=300";

/// `GET /.well-known/openid-configuration`. We issue logout tokens and security event tokens, but sign
/// nobody in by OpenID Connect: what the document would say about that is left out, but for members
/// that receivers insist on (Discovery 3).
pub async fn discovery(State(app): State<App>) -> Response {
    let settings = app.settings();
    answer(&json!({
        "issuer": settings.base_url.as_str(),
        "jwks_uri": settings.public_url(routes::KEY_SET),
        "end_session_endpoint": settings.public_url(routes::LOGOUT),
        "authorization_endpoint": settings.public_url(routes::LOGIN),
        "response_types_supported": [],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
}

/// `GET /.well-known/jwks.json`.
pub async fn key_set(State(app): State<App>) -> Response {
    let keys = app.token_keys();
    let published: Vec<Value> = keys
        .published(app.clock().now())
        .map(|pair| {
            let key = &pair.public;
            json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": key.kid, "n": key.n, "e": key.e })
        })
        .collect();
    answer(&json!({ "keys": published }))
}

fn answer(document: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, CACHING),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, document.to_string()).into_response()
}
