//! Sign-in, second half: the identity provider's Response arrives.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;

use crate::app::acs::{self, AcsRefused, SignedIn};
use crate::app::{App, Visitor};
use crate::web::body::{self, FORM_LIMIT};
use crate::web::fields::address;
use crate::web::pages::{Link, Notice};
use crate::web::{error, reply, routes, visitor};

/// `POST /saml/acs`.
pub async fn receive(State(app): State<App>, visitor: Visitor, body: Body) -> Response {
    let octets = match body::octets(body, FORM_LIMIT).await {
        Ok(octets) => octets,
        Err(unread) => return error::unread(&app, &visitor, routes::ACS, &unread),
    };
    match acs::receive(&app, &visitor, &octets).await {
        Ok(SignedIn { session, to }) => {
            let mut response = reply::redirect(&app, &Method::POST, to.as_str());
            let cookies = visitor::cookies(&app);
            if let Some(cookie) = cookies.keep_session(session.as_str()) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(refused) if refused.signed_out => signed_out(refused),
        Err(refused) => {
            error::refused(refused.status, refused.public_text, Some(refused.rule), Some(&refused.incident))
        }
    }
}

/// A logout covers this sign-in (SLO-20): signing in again has to be meant, so the identity
/// provider is told to ask the person anew.
fn signed_out(refused: AcsRefused) -> Response {
    let mut parameters = vec![("force_authn", "true")];
    parameters.extend(refused.idp.as_deref().map(|slug| ("idp", slug)));
    let notice = Notice {
        heading: String::from("You are signed out"),
        paragraphs: vec![String::from(
            "You, or the place where you signed in, ended this session before the sign-in was complete. If you want \
             to go on, sign in again.",
        )],
        links: vec![Link { href: address(routes::LOGIN, parameters), text: "Sign in again" }, Link::home()],
        rule: Some(refused.rule.to_owned()),
        incident: Some(refused.incident),
    };
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    reply::page(status, &notice)
}
