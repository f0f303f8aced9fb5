//! Sign-in through OpenID providers, and their logout tokens.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openssl::sha::sha256;
use serde::Serialize;

use crate::app::logout::Next;
use crate::app::oidc::backchannel::{self, BackchannelRefused};
use crate::app::oidc::callback::{self, CallbackQuery, CallbackRefusal, CallbackRefused, OidcSignedIn};
use crate::app::oidc::login::{self, BeginOidcLogin, OidcBegun, OidcLoginRefused, ProviderChoice};
use crate::app::oidc::sign_out;
use crate::app::{App, TurnedAway, Visitor};
use crate::web::body;
use crate::web::cookies::Cookies;
use crate::web::fields::{Fields, Repeated, address};
use crate::web::pages::{Choice, Choose, Link, Notice};
use crate::web::{error, logout, reply, routes};

/// The most octets of a form with a logout token.
const TOKEN_LIMIT: usize = 64 * 1024;

/// `GET /auth0/login?provider=&return_to=&force_authn=`.
pub async fn begin(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let wanted = match wanted(&query) {
        Ok(wanted) => wanted,
        Err(why) => return error::repeated(&app, &visitor, routes::OIDC_LOGIN, query.as_bytes(), why),
    };
    let force_authn = wanted.force_authn;
    match login::begin(&app, &visitor, wanted).await {
        Ok(OidcBegun::Choose { providers, return_to }) => {
            let choice = |provider| choice(provider, return_to.as_deref(), force_authn);
            reply::page(StatusCode::OK, &Choose { choices: providers.iter().map(choice).collect() })
        }
        Ok(OidcBegun::Send { url, correlation }) => {
            let mut response = reply::redirect(&app, &Method::GET, &url);
            let cookies = Cookies::new(app.settings().cookies_secure());
            if let Some(cookie) = cookies.keep_correlation(correlation.as_str()) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Ok(OidcBegun::Resume { outbound }) => reply::send(&app, &Method::GET, outbound),
        Err(refused) => not_begun(&app, &visitor, &query, refused),
    }
}

/// `GET /auth0/callback`.
pub async fn receive(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let brought = match brought(&query) {
        Ok(brought) => brought,
        Err(why) => return error::repeated(&app, &visitor, routes::OIDC_CALLBACK, query.as_bytes(), why),
    };
    match callback::receive(&app, &visitor, &brought).await {
        Ok(OidcSignedIn { session, to }) => {
            let mut response = reply::redirect(&app, &Method::GET, to.as_str());
            let cookies = Cookies::new(app.settings().cookies_secure());
            if let Some(cookie) = cookies.keep_session(session.as_str()) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(refused) => not_signed_in(refused),
    }
}

/// `GET /auth0/logged-out?state=`: a browser comes back from signing out at a provider.
pub async fn come_back(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let fields = Fields::read(query.as_bytes());
    let state = match fields.one("state") {
        Ok(state) => state,
        Err(why) => return error::repeated(&app, &visitor, routes::OIDC_LOGGED_OUT, query.as_bytes(), why),
    };
    match sign_out::come_back(&app, &visitor, state).await {
        Ok(Some(Next::Send(outbound))) => reply::send(&app, &Method::GET, outbound),
        Ok(Some(Next::Page { handle })) => reply::redirect(&app, &Method::GET, &logout::address(&handle)),
        Ok(Some(Next::Return(target))) => reply::redirect(&app, &Method::GET, target.as_str()),
        Ok(None) => reply::page(StatusCode::OK, &logout::nobody_signed_in()),
        Err(fault) => error::failed(&fault.incident),
    }
}

/// `POST /auth0/backchannel-logout`: 200 when what the token means is over, 400 when the token is no
/// good (OIDC-09). No cookie is looked at.
pub async fn backchannel(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let octets = match body::octets(body, TOKEN_LIMIT).await {
        Ok(octets) => octets,
        Err(unread) => {
            app.turn_away(&unread.turned_away(routes::OIDC_BACKCHANNEL, visitor.address));
            return invalid("the request was not taken");
        }
    };
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return turned_away(&app, &visitor, &octets, &"a logout token comes in a form");
    }
    let fields = Fields::read(&octets);
    let token = match fields.one("logout_token") {
        Ok(token) => token,
        Err(why) => return turned_away(&app, &visitor, &octets, &why),
    };
    match backchannel::receive(&app, visitor.address, token).await {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(BackchannelRefused::Token(refusal)) => invalid(refusal.public_text()),
        Err(BackchannelRefused::Unavailable) => {
            let headers = [(header::CACHE_CONTROL, "no-store"), (header::RETRY_AFTER, "5")];
            (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
        }
    }
}

fn turned_away(app: &App, visitor: &Visitor, octets: &[u8], why: &dyn std::fmt::Display) -> Response {
    app.turn_away(&TurnedAway {
        endpoint: routes::OIDC_BACKCHANNEL,
        source: visitor.address,
        rule: "OIDC-01",
        digest: sha256(octets),
        why,
    });
    invalid("a logout_token in a form is expected")
}

#[derive(Debug, Serialize)]
struct Invalid {
    error: &'static str,
    error_description: &'static str,
}

fn invalid(error_description: &'static str) -> Response {
    let body = Invalid { error: "invalid_request", error_description };
    let mut response = reply::json(StatusCode::BAD_REQUEST, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn wanted(query: &str) -> Result<BeginOidcLogin, Repeated> {
    let fields = Fields::read(query.as_bytes());
    let text = |name| Ok(fields.one(name)?.filter(|value| !value.is_empty()).map(ToOwned::to_owned));
    Ok(BeginOidcLogin {
        provider: text("provider")?,
        return_to: text("return_to")?,
        force_authn: matches!(fields.one("force_authn")?, Some("true" | "1")),
    })
}

fn brought(query: &str) -> Result<CallbackQuery, Repeated> {
    let fields = Fields::read(query.as_bytes());
    let text = |name| Ok(fields.one(name)?.map(ToOwned::to_owned));
    Ok(CallbackQuery {
        code: text("code")?,
        state: text("state")?,
        issuer: text("iss")?,
        error: text("error")?,
    })
}

fn choice(provider: &ProviderChoice, return_to: Option<&str>, force_authn: bool) -> Choice {
    let mut parameters = vec![("provider", provider.name.as_str())];
    parameters.extend(return_to.map(|target| ("return_to", target)));
    parameters.extend(force_authn.then_some(("force_authn", "true")));
    Choice {
        href: address(routes::OIDC_LOGIN, parameters),
        name: provider.host.clone(),
        slug: provider.name.clone(),
    }
}

fn not_begun(app: &App, visitor: &Visitor, query: &str, refused: OidcLoginRefused) -> Response {
    let text = match refused {
        OidcLoginRefused::NoneThere => "Nobody signs in this way here.",
        OidcLoginRefused::Unknown => "We do not know the place to sign in that this link names.",
        OidcLoginRefused::Unavailable => {
            let text = "Signing in is not possible at the moment. Please try again in a minute.";
            return error::refused(503, text, None, None);
        }
    };
    let turned = TurnedAway {
        endpoint: routes::OIDC_LOGIN,
        source: visitor.address,
        rule: "OIDC-03",
        digest: sha256(query.as_bytes()),
        why: &refused,
    };
    error::turned_away(app, 404, text, &turned)
}

/// Nobody was signed in. A way on is offered, never taken: what was declined once would be declined
/// again, without end.
fn not_signed_in(refused: CallbackRefused) -> Response {
    let (heading, text, anew) = match refused.why {
        CallbackRefusal::Barred => (
            "You are signed out",
            "You, or the place where you signed in, ended this session before the sign-in was complete. If you want to \
             go on, sign in again.",
            true,
        ),
        CallbackRefusal::Declined => (
            "You are not signed in",
            "The sign-in was not completed at the place where you were sent.",
            false,
        ),
        CallbackRefusal::NotRequested => (
            "This did not work",
            "This sign-in was begun in another browser, took too long, or was finished before.",
            false,
        ),
        CallbackRefusal::Unavailable => (
            "This did not work",
            "Signing in is not possible at the moment. Please try again in a minute.",
            false,
        ),
        CallbackRefusal::IdToken(_) | CallbackRefusal::Issuer | CallbackRefusal::NoToken => {
            ("This did not work", "The answer of the place where you signed in could not be accepted.", false)
        }
    };
    let mut parameters = vec![];
    parameters.extend(refused.provider.as_deref().map(|name| ("provider", name)));
    parameters.extend(anew.then_some(("force_authn", "true")));
    let notice = Notice {
        heading: heading.to_owned(),
        paragraphs: vec![text.to_owned()],
        links: vec![
            Link { href: address(routes::OIDC_LOGIN, parameters), text: "Sign in again" },
            Link::home(),
        ],
        rule: Some(refused.why.rule().to_owned()),
        incident: Some(refused.incident),
    };
    let status = StatusCode::from_u16(refused.why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    reply::page(status, &notice)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_parameter_that_comes_twice_is_refused_wherever_it_matters() {
        for query in ["code=a&code=b", "state=a&state=a", "code=a&iss=b&iss=c", "error=a&error=b"] {
            assert!(brought(query).is_err(), "{query}");
        }
        let good = brought("code=a%2Fb&state=s&extra=1&extra=2").unwrap();
        assert_eq!((good.code.as_deref(), good.state.as_deref()), (Some("a/b"), Some("s")));
        assert!(wanted("provider=a&provider=b").is_err());
        assert_eq!(wanted("provider=").unwrap().provider, None);
    }
}
