//! The person signs out: the question, the start, the result.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use openssl::sha::sha256;

use crate::app::logout::{self, Next, Shown, StartLogout, StartRefused};
use crate::app::{App, ContinueToken, LogoutHandle, TurnedAway, Visitor};
use crate::web::body::{self, FORM_LIMIT};
use crate::web::fields::{Fields, Repeated};
use crate::web::headers::PagePolicy;
use crate::web::pages::{self, Link, LogoutQuestion, Notice};
use crate::web::{error, navigation, reply, routes};

/// `GET /logout?return_to=`: asks first, because anybody can make a browser follow a link
/// (SLO-48).
pub async fn ask(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let fields = Fields::read(query.as_bytes());
    let return_to = match fields.one("return_to") {
        Ok(return_to) => return_to,
        Err(why) => return error::repeated(&app, &visitor, routes::LOGOUT, query.as_bytes(), why),
    };
    let asked = match logout::ask(&app, &visitor).await {
        Ok(asked) => asked,
        Err(fault) => return error::failed(&fault.incident),
    };
    if let Some(outbound) = asked.resume {
        return reply::send(&app, &Method::GET, outbound);
    }
    match asked.csrf {
        Some(csrf) => {
            let question = LogoutQuestion { csrf, return_to: return_to.map(ToOwned::to_owned) };
            // The form leads on to the identity provider.
            reply::page_with(
                StatusCode::OK,
                &question,
                PagePolicy { submits_elsewhere: true, ..PagePolicy::default() },
            )
        }
        None => reply::page(StatusCode::OK, &nobody_signed_in()),
    }
}

/// `POST /logout`.
pub async fn start(State(app): State<App>, visitor: Visitor, headers: HeaderMap, body: Body) -> Response {
    let turned_away = |rule, digest, why: &'static str, text| {
        let turned =
            TurnedAway { endpoint: routes::LOGOUT, source: visitor.address, rule, digest, why: &why };
        error::turned_away(&app, 403, text, &turned)
    };
    if navigation::is_cross_site(&headers, app.settings().base_url.as_str()) {
        let text = "Another site tried to sign you out. You are still signed in.";
        return turned_away("SLO-48", sha256(b""), "the form came from another site", text);
    }
    if !visitor.top_level {
        let text = "Signing out needs a page of its own, not a frame.";
        return turned_away("SLO-45", sha256(b""), "the form was sent from a frame", text);
    }
    let octets = match body::octets(body, FORM_LIMIT).await {
        Ok(octets) => octets,
        Err(unread) => return error::unread(&app, &visitor, routes::LOGOUT, &unread),
    };
    let wanted = match wanted(&octets) {
        Ok(wanted) => wanted,
        Err(why) => return error::repeated(&app, &visitor, routes::LOGOUT, &octets, why),
    };
    match logout::start(&app, &visitor, wanted).await {
        Ok(next) => go(&app, &Method::POST, next),
        Err(StartRefused::Csrf) => {
            let text = "The page from which you wanted to sign out is out of date, and you are still signed in. Please \
                        open it again and confirm.";
            turned_away("SLO-48", sha256(&octets), "the form's token is not this session's", text)
        }
        Err(StartRefused::NotSignedIn) => reply::page(StatusCode::OK, &nobody_signed_in()),
        Err(StartRefused::Unavailable) => {
            let text = "Signing out is not possible at the moment, so you may still be signed in. Please try again in \
                        a minute, or close all windows of your browser.";
            error::refused(503, text, None, None)
        }
    }
}

/// `GET /logout/HANDLE`, and with `?continue=` for the browser that an application sends.
pub async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(handle): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let token = match Fields::read(query.as_bytes()).one("continue") {
        Ok(token) => token.and_then(ContinueToken::parse),
        Err(why) => return error::repeated(&app, &visitor, routes::LOGOUT_RESULT, query.as_bytes(), why),
    };
    if let (Some(handle), Some(token)) = (LogoutHandle::parse(&handle), token) {
        match logout::go_on(&app, &visitor, &handle, &token).await {
            Ok(Some(next)) => return go(&app, &Method::GET, next),
            Ok(None) => {}
            Err(fault) => return error::failed(&fault.incident),
        }
    }
    let shown = match LogoutHandle::parse(&handle) {
        Some(handle) => logout::show(&app, &visitor, &handle).await,
        None => Ok(None),
    };
    match shown {
        Ok(Some(Shown::Page(view))) => reply::page(StatusCode::OK, &pages::result(&view)),
        Ok(Some(Shown::Resume(outbound))) => reply::send(&app, &Method::GET, outbound),
        Ok(None) => reply::page(StatusCode::NOT_FOUND, &forgotten()),
        Err(fault) => error::failed(&fault.incident),
    }
}

fn go(app: &App, method: &Method, next: Next) -> Response {
    match next {
        Next::Send(outbound) => reply::send(app, method, outbound),
        Next::Page { handle } => reply::redirect(app, method, &address(&handle)),
        Next::Return(target) => reply::redirect(app, method, target.as_str()),
    }
}

/// The address of a logout's page.
pub fn address(handle: &LogoutHandle) -> String {
    format!("{}/{}", routes::LOGOUT, handle.as_str())
}

/// What the form says.
fn wanted(octets: &[u8]) -> Result<StartLogout, Repeated> {
    let fields = Fields::read(octets);
    Ok(StartLogout {
        csrf: fields.one("csrf")?.unwrap_or_default().to_owned(),
        return_to: fields.one("return_to")?.filter(|target| !target.is_empty()).map(ToOwned::to_owned),
        // Anything else is our own form's other button, or nobody's: rather too much ends than too little.
        local_only: fields.one("scope")? == Some("local"),
    })
}

/// The page for who wants to sign out and is not signed in.
pub fn nobody_signed_in() -> Notice {
    Notice {
        heading: String::from("You are not signed in"),
        paragraphs: vec![String::from("There is no session of yours here that could be ended.")],
        links: vec![Link::sign_in(), Link::home()],
        ..Notice::default()
    }
}

fn forgotten() -> Notice {
    Notice {
        heading: String::from("Nothing to show"),
        paragraphs: vec![String::from(
            "We know of no logout under this address. Results are kept for a day; whether you are signed in, the start \
             page can tell.",
        )],
        links: vec![Link::home()],
        ..Notice::default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn slo_47_only_here_is_a_choice_and_everywhere_the_default() {
        let local = |form: &str| wanted(form.as_bytes()).unwrap().local_only;
        assert!(local("csrf=x&scope=local"));
        assert!(!local("csrf=x&scope=everywhere"));
        assert!(!local("csrf=x"));
        assert!(!local("csrf=x&scope=elsewhere"));
        assert!(wanted(b"csrf=x&csrf=y").is_err());
    }
}
