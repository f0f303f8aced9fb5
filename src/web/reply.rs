//! Values of the application become HTTP answers.

use askama::Template;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use url::Url;

use crate::app::App;
use crate::saml::binding::{Outbound, Parameter};
use crate::web::error;
use crate::web::headers::PagePolicy;
use crate::web::pages;

/// A page of ours whose form, if it has one, stays here.
pub fn page(status: StatusCode, page: &impl Template) -> Response {
    page_with(status, page, PagePolicy::default())
}

/// A page of ours, with what is special about it.
pub fn page_with(status: StatusCode, page: &impl Template, policy: PagePolicy) -> Response {
    let Ok(html) = page.render() else {
        tracing::error!("a page could not be rendered");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    response.extensions_mut().insert(policy);
    response
}

/// A value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Sends the browser on with a message, over the binding that the application chose.
///
/// `method` is that of the request being answered: a POST must become a GET on the way, which
/// only 303 promises (Bindings 3.4.5; BIND-11).
pub fn send(app: &App, method: &Method, outbound: Outbound) -> Response {
    match outbound {
        Outbound::Redirect { url } => redirect(app, method, &url),
        Outbound::Post { action, parameter, message, relay_state } => {
            let nonce = match app.entropy().bytes::<16>() {
                Ok(octets) => STANDARD.encode(octets),
                Err(failure) => return error::ours(app, &failure),
            };
            let form = pages::Post {
                host: host(action.as_str()),
                action: action.as_str().to_owned(),
                parameter: match parameter {
                    Parameter::SamlRequest => "SAMLRequest",
                    Parameter::SamlResponse => "SAMLResponse",
                },
                message,
                relay_state: relay_state.map(|state| state.as_str().to_owned()),
                nonce: nonce.clone(),
            };
            page_with(StatusCode::OK, &form, PagePolicy { nonce: Some(nonce), submits_elsewhere: true })
        }
    }
}

/// Sends the browser to an address that the application has checked.
pub fn redirect(app: &App, method: &Method, url: &str) -> Response {
    let status = if method == Method::GET { StatusCode::FOUND } else { StatusCode::SEE_OTHER };
    // Location is ASCII (BIND-11): what is not would be read differently by every browser.
    match HeaderValue::try_from(url) {
        Ok(location) if url.is_ascii() => (status, [(header::LOCATION, location)]).into_response(),
        _ => error::ours(app, &NotAscii),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the address to send the browser to cannot stand in a Location header")]
struct NotAscii;

fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default()
}
