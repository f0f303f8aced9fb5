//! The single logout service: an identity provider's LogoutRequest, or its LogoutResponse to ours.
//!
//! The octets go to the application as they came: what was signed must not be decoded and
//! encoded again on the way (BIND-04).

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::slo::{self, FrontReply, LocalPage};
use crate::app::{App, Visitor};
use crate::saml::binding::encode::{FaultCode, soap_fault};
use crate::web::body::{self, FORM_LIMIT, SOAP_LIMIT};
use crate::web::headers::SOAP_CACHING;
use crate::web::pages::{Link, Notice};
use crate::web::{error, logout, reply, routes};

/// `GET /saml/slo`: the HTTP-Redirect binding.
pub async fn redirect(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let replied = slo::receive_redirect(&app, &visitor, query.as_deref().unwrap_or_default()).await;
    front(&app, &Method::GET, replied)
}

/// `POST /saml/slo`: the HTTP-POST binding.
pub async fn post(State(app): State<App>, visitor: Visitor, body: Body) -> Response {
    let octets = match body::octets(body, FORM_LIMIT).await {
        Ok(octets) => octets,
        Err(unread) => return error::unread(&app, &visitor, routes::SLO, &unread),
    };
    let replied = slo::receive_post(&app, &visitor, &octets).await;
    front(&app, &Method::POST, replied)
}

/// `POST /saml/slo/soap`: the SOAP binding. No header is looked at (BIND-26).
pub async fn soap(State(app): State<App>, visitor: Visitor, body: Body) -> Response {
    match body::octets(body, SOAP_LIMIT).await {
        Ok(octets) => {
            let replied = slo::receive_soap(&app, visitor.address, &octets).await;
            envelope(replied.status, replied.body)
        }
        Err(unread) => {
            // What cannot be read as an envelope is a fault on the level of SOAP (BIND-28).
            app.turn_away(&unread.turned_away(routes::SLO_SOAP, visitor.address));
            envelope(500, soap_fault(FaultCode::Client, "The request was not taken."))
        }
    }
}

fn envelope(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let caching = [(header::CACHE_CONTROL, SOAP_CACHING), (header::PRAGMA, "no-cache")];
    if body.is_empty() {
        return (status, caching).into_response();
    }
    (status, caching, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}

fn front(app: &App, method: &Method, replied: FrontReply) -> Response {
    match replied {
        FrontReply::Send(outbound) => reply::send(app, method, outbound),
        FrontReply::Page { handle } => reply::redirect(app, method, &logout::address(&handle)),
        FrontReply::Return(target) => reply::redirect(app, method, target.as_str()),
        FrontReply::LocalPage(page) => reply::page(StatusCode::OK, &local(&page)),
        FrontReply::Refused(refused) => {
            error::refused(refused.status, refused.public_text, Some(refused.rule), Some(&refused.incident))
        }
    }
}

/// The identity provider asked for the logout, but has no address that takes an answer (SLO-19).
fn local(page: &LocalPage) -> Notice {
    let (heading, first) = if page.ended {
        (
            "You are signed out here",
            format!("{} asked us to sign you out, and your session here has ended.", page.idp),
        )
    } else {
        (
            "You may still be signed in here",
            format!(
                "{} asked us to sign you out, but that did not succeed. Please sign out here yourself.",
                page.idp
            ),
        )
    };
    let second = "We could not report that back, because it gave us no address for answers. If it still shows you as \
                  signed in, sign out there as well.";
    Notice {
        heading: heading.to_owned(),
        paragraphs: vec![first, second.to_owned()],
        links: vec![Link::home()],
        ..Notice::default()
    }
}
