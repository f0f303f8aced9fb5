//! The identity provider's pages and endpoints.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::{Fault, IdentityProvider, Waiting};
use crate::demo::idp_messages::AuthnRequest;
use crate::demo::page;
use crate::saml::binding::{Outbound, Parameter, encode, post as form, redirect, soap};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::message::Message as _;
use crate::saml::names::{Binding, RelayState};
use crate::saml::open::Unopened;
use crate::saml::outbound::NewLogoutResponse;
use crate::saml::refusal::Refusal;
use crate::saml::signing::EcdsaEncoding;

/// The cookie of the identity provider's session; ports do not separate cookies, so its name must
/// be no one else's.
const COOKIE_NAME: &str = "demo_idp";

/// All of them.
pub(super) fn router(idp: IdentityProvider) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/metadata", get(metadata))
        .route("/sso", get(single_sign_on))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/slo", get(slo_redirect).post(slo_post))
        .route("/slo/soap", post(slo_soap))
        .with_state(idp)
}

async fn home(State(idp): State<IdentityProvider>, headers: HeaderMap) -> Html<String> {
    let person = idp.session(&headers).map(|(_, session)| session.person);
    Html(page::identity_provider(person, &idp.0.base))
}

async fn metadata(State(idp): State<IdentityProvider>) -> Response {
    ([(CONTENT_TYPE, "application/samlmetadata+xml")], idp.metadata()).into_response()
}

async fn single_sign_on(
    State(idp): State<IdentityProvider>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let received = redirect::decode(&query.unwrap_or_default())?;
    let request =
        Unopened::<AuthnRequest>::read(&received)?.authenticate(&idp.0.sp_keys, Some(&idp.0.sso))?;
    let wanted = request.message().acs.as_deref();
    if wanted.is_some_and(|acs| acs != idp.0.sp.acs.as_str()) {
        return Err(Fault::Refused(Refusal::DestinationWrong));
    }
    let waiting = Waiting { request: request.message().head().id.clone(), relay_state: received.relay_state };
    match idp.session(&headers) {
        Some((_, session)) if !request.message().force_authn => idp.respond(&session, &waiting),
        _ => {
            let token = idp.token()?;
            idp.memory().waiting.insert(token.clone(), waiting);
            Ok(Html(page::sign_in(&token)).into_response())
        }
    }
}

async fn sign_in(State(idp): State<IdentityProvider>, body: String) -> Result<Response, Fault> {
    let fields: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let person = match fields.get("person").map(String::as_str) {
        Some("bob") => "bob",
        _ => "alice",
    };
    let waiting = fields.get("waiting").and_then(|token| idp.memory().waiting.remove(token));
    let waiting = waiting.ok_or(Fault::Refused(Refusal::NotRequested))?;
    let (cookie, session) = idp.new_session(person)?;
    let mut response = idp.respond(&session, &waiting)?;
    let cookie = format!("{COOKIE_NAME}={cookie}; Path=/; HttpOnly");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    Ok(response)
}

/// The person signs out at the identity provider: its session ends, the service provider is told.
async fn sign_out(
    State(idp): State<IdentityProvider>,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Fault> {
    let (cookie, session) = idp.session(&headers).ok_or(Fault::Refused(Refusal::NotRequested))?;
    idp.memory().sessions.remove(&cookie);
    if body == "via=soap" {
        return idp.tell_by_soap(&session).await;
    }
    let request = idp.logout_request(&session, &idp.0.sp.slo)?;
    let binding = if body == "via=post" { Binding::Post } else { Binding::Redirect };
    idp.memory().asked.insert(request.id().as_str().to_owned(), binding);
    let relay_state = RelayState::parse("demo-idp").ok();
    send(match binding {
        Binding::Post => encode::post(&request, relay_state.as_ref(), &idp.0.signer),
        Binding::Redirect | Binding::Soap => {
            encode::redirect(&request, relay_state.as_ref(), &idp.0.signer, EcdsaEncoding::Raw)
        }
    })
}

async fn slo_redirect(
    State(idp): State<IdentityProvider>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    idp.front_channel(&redirect::decode(&query.unwrap_or_default())?)
}

async fn slo_post(State(idp): State<IdentityProvider>, body: String) -> Result<Response, Fault> {
    idp.front_channel(&form::decode(body.as_bytes())?)
}

async fn slo_soap(State(idp): State<IdentityProvider>, body: String) -> Result<Response, Fault> {
    let received = soap::decode(body.as_bytes(), Parameter::SamlRequest)?;
    let now = idp.0.clock.now();
    let request = Unopened::<LogoutRequest>::read(&received)?
        .open(&idp.0.sp_keys, &idp.0.slo_soap, &IdentityProvider::limits(), now)
        .map_err(|refused| refused.refusal)?;
    let status = idp.end_named(request.message());
    let id = idp.message_id()?;
    let answer = NewLogoutResponse::answering(&request, status, &id, now, None, &idp.0.entity_id).write();
    let envelope = encode::soap(&answer, &idp.0.signer).map_err(|error| Fault::Ours(error.to_string()))?;
    Ok(([(CONTENT_TYPE, "text/xml; charset=utf-8")], envelope).into_response())
}

/// Sends the browser on with a message.
pub(super) fn send(outbound: Result<Outbound, encode::EncodeError>) -> Result<Response, Fault> {
    match outbound.map_err(|error| Fault::Ours(error.to_string()))? {
        Outbound::Redirect { url } => Ok((StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response()),
        Outbound::Post { action, parameter, message, relay_state } => {
            let relay_state = relay_state.as_ref().map(RelayState::as_str);
            Ok(Html(page::carry(action.as_str(), parameter.as_str(), &message, relay_state)).into_response())
        }
    }
}

pub(super) fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE_NAME).then(|| value.to_owned()))
}
