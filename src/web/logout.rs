//! The person signs out: the question, the start, the result.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use openssl::sha::sha256;

use crate::app::logout::{self, Next, Shown, StartLogout, StartRefused};
use crate::app::{App, ContinueToken, LogoutHandle, TurnedAway, Visitor, WantedAddress, WantedReturn};
use crate::web::body::{self, FORM_LIMIT};
use crate::web::fields::{Fields, Repeated};
use crate::web::headers::PagePolicy;
use crate::web::pages::{self, Link, LogoutQuestion, Notice};
use crate::web::{error, navigation, reply, routes};

/// The names under which the address may come to which a browser goes afterwards: ours, that of Auth0's
/// `/v2/logout`, and that of OpenID Connect RP-Initiated Logout 1.0.
const ADDRESSES: [&str; 3] = ["return_to", "returnTo", POST_LOGOUT];
const POST_LOGOUT: &str = "post_logout_redirect_uri";

/// `GET /logout?client_id=&return_to=`: asks first, because anybody can make a browser follow a link
/// (SLO-48).
pub async fn ask(State(app): State<App>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let fields = Fields::read(query.as_bytes());
    let (carried, wanted) = match carried(&fields).and_then(|carried| Ok((carried, wanted_return(&fields)?)))
    {
        Ok(read) => read,
        Err(why) => return error::repeated(&app, &visitor, routes::LOGOUT, query.as_bytes(), why),
    };
    let asked = match logout::ask(&app, &visitor, &wanted).await {
        Ok(asked) => asked,
        Err(fault) => return error::failed(&fault.incident),
    };
    if let Some(outbound) = asked.resume {
        return reply::send(&app, &Method::GET, outbound);
    }
    if let Some(csrf) = asked.csrf {
        let question = LogoutQuestion { csrf, carried };
        // The form leads on to the identity provider.
        let policy = PagePolicy { submits_elsewhere: true, ..PagePolicy::default() };
        return reply::page_with(StatusCode::OK, &question, policy);
    }
    let mut page = nobody_signed_in();
    let way_on = asked.way_on.map(|target| Link::go_on(target.as_str()));
    page.links.splice(..0, way_on);
    reply::page(StatusCode::OK, &page)
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
        return_to: wanted_return(&fields)?,
        // Anything else is our own form's other button, or nobody's: rather too much ends than too little.
        local_only: fields.one("scope")? == Some("local"),
    })
}

/// What the form has to bring along, unchecked until then.
fn carried(fields: &Fields) -> Result<Vec<(&'static str, String)>, Repeated> {
    let names = ADDRESSES.into_iter().chain(["client_id", "state"]);
    let value = |name| Ok(fields.one(name)?.map(|value| (name, value.to_owned())));
    names.filter_map(|name| value(name).transpose()).collect()
}

/// Where to go afterwards. An address may come under several names, but only one address.
fn wanted_return(fields: &Fields) -> Result<WantedReturn, Repeated> {
    let mut address = WantedAddress::Unnamed;
    for name in ADDRESSES {
        let Some(text) = fields.one(name)?.filter(|text| !text.is_empty()) else { continue };
        if matches!(&address, WantedAddress::Named { text: before, .. } if before != text) {
            address = WantedAddress::Contradictory;
            break;
        }
        // Only OpenID Connect knows a state, and gives it back with its own parameter.
        let state = if name == POST_LOGOUT { fields.one("state")? } else { None };
        address = WantedAddress::Named { text: text.to_owned(), state: state.map(ToOwned::to_owned) };
    }
    Ok(WantedReturn { client_id: fields.one("client_id")?.map(ToOwned::to_owned), address })
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
    #[test]
    fn an_address_has_three_names_and_one_meaning() {
        let read = |form: &str| wanted_return(&Fields::read(form.as_bytes()));
        let named = |text: &str, state: Option<&str>| WantedAddress::Named {
            text: text.to_owned(),
            state: state.map(ToOwned::to_owned),
        };
        for (form, address) in [
            ("", WantedAddress::Unnamed),
            ("return_to=&returnTo=", WantedAddress::Unnamed),
            ("return_to=%2Fa", named("/a", None)),
            ("returnTo=%2Fa&state=x", named("/a", None)),
            ("post_logout_redirect_uri=%2Fa&state=x", named("/a", Some("x"))),
            ("return_to=%2Fa&returnTo=%2Fa", named("/a", None)),
            ("return_to=%2Fa&returnTo=", named("/a", None)),
            ("return_to=%2Fa&returnTo=%2Fb", WantedAddress::Contradictory),
            ("return_to=%2Fa&post_logout_redirect_uri=%2FA", WantedAddress::Contradictory),
        ] {
            let client_id = None;
            assert_eq!(read(form).unwrap(), WantedReturn { client_id, address }, "{form}");
        }
        assert_eq!(read("client_id=shop").unwrap().client_id.as_deref(), Some("shop"));
        for twice in ["return_to", "returnTo", "post_logout_redirect_uri", "client_id"] {
            assert_eq!(read(&format!("{twice}=a&{twice}=a")), Err(Repeated), "{twice}");
        }
        assert_eq!(read("post_logout_redirect_uri=a&state=a&state=b"), Err(Repeated));
    }

    #[test]
    fn the_question_brings_along_what_it_was_asked_with() {
        let fields = Fields::read(b"state=s&x=y&client_id=shop&returnTo=%2Fa");
        let carried = carried(&fields).unwrap();
        let expected = [("returnTo", "/a"), ("client_id", "shop"), ("state", "s")];
        assert_eq!(carried, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(super::carried(&Fields::read(b"client_id=a&client_id=b")), Err(Repeated));
    }
}
