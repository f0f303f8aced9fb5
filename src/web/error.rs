//! What the outside hears when something is refused or fails: bland to everybody, with a rule
//! and a reference by which an administrator finds the rest in the log.

use std::error::Error;
use std::fmt::Write as _;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use openssl::sha::sha256;
use serde::Serialize;

use crate::app::{App, TurnedAway, Visitor};
use crate::saml::refusal::Refusal;
use crate::web::body::{Unread, Why};
use crate::web::fields::Repeated;
use crate::web::pages::{Link, Notice};
use crate::web::reply;

/// The page for what was refused, whoever was at fault. It never repeats what was sent.
pub fn refused(status: u16, text: &str, rule: Option<&str>, incident: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let notice = Notice {
        heading: String::from("This did not work"),
        paragraphs: vec![
            text.to_owned(),
            String::from("Nothing was changed. You can start again from the start page."),
        ],
        links: vec![Link::home()],
        rule: rule.map(ToOwned::to_owned),
        incident: incident.map(ToOwned::to_owned),
    };
    reply::page(status, &notice)
}

/// The page for a request that was turned away before any story began, and its line in the audit.
pub fn turned_away(app: &App, status: u16, text: &str, turned: &TurnedAway<'_>) -> Response {
    let incident = app.turn_away(turned);
    refused(status, text, Some(turned.rule), Some(&incident))
}

/// The page for a body that was not taken at an endpoint of ours (VAL-01).
pub fn unread(app: &App, visitor: &Visitor, endpoint: &'static str, unread: &Unread) -> Response {
    let text = match unread.why {
        Why::TooLarge => "The message that your browser was asked to bring us is too large.",
        Why::TooSlow | Why::Broken => {
            "The message that your browser was asked to bring us did not arrive whole."
        }
    };
    turned_away(app, 400, text, &unread.turned_away(endpoint, visitor.address))
}

/// The page for a link or form of ours in which a parameter stands twice.
pub fn repeated(
    app: &App,
    visitor: &Visitor,
    endpoint: &'static str,
    octets: &[u8],
    why: Repeated,
) -> Response {
    let text = "This link or form is not one of ours: it says the same thing twice.";
    let turned = TurnedAway {
        endpoint,
        source: visitor.address,
        rule: Refusal::RepeatedParameter.rule(),
        digest: sha256(octets),
        why: &why,
    };
    turned_away(app, 400, text, &turned)
}

/// Our own failure: logged here, once, with all its causes; the outside hears a reference.
pub fn ours(app: &App, error: &dyn Error) -> Response {
    failed(&log(app, error))
}

/// Logs our own failure with all its causes; gives the reference that the outside hears.
pub fn log(app: &App, error: &dyn Error) -> String {
    let incident = app.incident();
    tracing::error!(incident, error = chain(error), "the request failed");
    incident
}

/// The same for a program that asked.
pub fn ours_as_json(app: &App, error: &dyn Error) -> Response {
    failed_as_json(&log(app, error))
}

/// Our own failure, logged already, for a program that asked.
pub fn failed_as_json(incident: &str) -> Response {
    let fault = Fault { title: "This is our fault; try again in a moment.", status: 500, incident };
    problem(StatusCode::INTERNAL_SERVER_ERROR, &fault)
}

/// A refusal for a program that asked (RFC 9457).
pub fn refused_as_json(status: StatusCode, title: &str) -> Response {
    problem(status, &serde_json::json!({ "title": title, "status": status.as_u16() }))
}

fn problem(status: StatusCode, members: &impl Serialize) -> Response {
    let mut response = reply::json(status, members);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

#[derive(Serialize)]
struct Fault<'a> {
    title: &'static str,
    status: u16,
    incident: &'a str,
}

/// The page for our own failure.
pub fn failed(incident: &str) -> Response {
    let notice = Notice {
        heading: String::from("Something went wrong here"),
        paragraphs: vec![String::from(
            "This is our fault, not yours. Please try again in a moment; if it stays this way, tell whoever runs \
             this service and give them the reference below.",
        )],
        links: vec![Link::home()],
        rule: None,
        incident: Some(incident.to_owned()),
    };
    reply::page(StatusCode::INTERNAL_SERVER_ERROR, &notice)
}

/// An error with all its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
