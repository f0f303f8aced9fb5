//! A demonstration application: it has sessions of its own, takes part in Signoff's, and ends its own
//! when it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::page::{self, ApplicationPage};
use super::told::{self, Envelope, Told};
use crate::clock::Clock;
use crate::entropy::Entropy;

/// Where it is told.
pub const TOLD_PATH: &str = "/signed-out";

/// What an application has to know.
pub struct Application {
    /// Its name.
    pub name: &'static str,
    /// Its ID at Signoff, and the name of its cookie.
    pub id: &'static str,
    /// Its own origin.
    pub base: String,
    /// Signoff's.
    pub signoff: String,
    /// The identity provider's, for a link.
    pub idp: String,
    /// The OpenID provider's, if there is one.
    pub openid: Option<String>,
    /// Its token for the API.
    pub token: String,
    /// How it is told.
    pub told: Told,
    /// Its HTTP client.
    pub http: reqwest::Client,
    /// The time.
    pub clock: Clock,
    /// For its cookies.
    pub entropy: Entropy,
    /// Its sessions.
    pub sessions: Sessions,
}

/// The application's own sessions.
#[derive(Default)]
pub struct Sessions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By cookie.
    live: HashMap<String, Own>,
    /// How many it was told to end.
    ended: usize,
}

#[derive(Clone)]
struct Own {
    /// The session at Signoff.
    sid: String,
    person: String,
}

impl Sessions {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Application {
    /// Its one page, and where it is told.
    pub fn router(self) -> Router {
        Router::new().route("/", get(home)).route(TOLD_PATH, post(told)).with_state(Arc::new(self))
    }

    /// The value of its own cookie.
    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.id).map(|(_, value)| value)
    }

    /// Opens a session of its own for whoever is signed in at Signoff; gives its cookie.
    async fn enter(&self, headers: &HeaderMap) -> Option<String> {
        let mut request = self.http.get(format!("{}/session", self.signoff));
        for cookie in headers.get_all(COOKIE) {
            request = request.header(COOKIE, cookie);
        }
        let session = json_of(request).await?;
        let sid = session.get("session_id")?.as_str()?.to_owned();
        let first = session.pointer("/authentications/0")?;
        let person = first.pointer("/name_id/value").or_else(|| first.get("sub"))?.as_str()?.to_owned();
        let cookie = self.entropy.token_256().ok()?;
        // First its own, then the registration: an end that comes at once finds something to end.
        let own = Own { sid: sid.clone(), person };
        self.sessions.with(|kept| kept.live.insert(cookie.clone(), own));
        let body = json!({ "session": sid }).to_string();
        let registration = self.http.post(format!("{}/api/v1/sessions", self.signoff));
        let registration = registration.bearer_auth(&self.token).header("content-type", "application/json");
        if json_of(registration.body(body)).await.is_none() {
            self.sessions.with(|kept| kept.live.remove(&cookie));
            return None;
        }
        Some(cookie)
    }

    /// The session at Signoff that is over, if it is Signoff that says so.
    async fn believed(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let now = self.clock.now().timestamp();
        match &self.told {
            Told::LogoutToken { audience } => {
                let mut fields = url::form_urlencoded::parse(body);
                let (_, token) = fields.find(|(name, _)| name == "logout_token")?;
                let keys = json_of(self.http.get(format!("{}/.well-known/jwks.json", self.signoff))).await?;
                told::logout_token(&token, &keys, &self.signoff, audience, now)
            }
            Told::Webhook { secret } => {
                let text = |name: &str| headers.get(name)?.to_str().ok();
                let envelope = Envelope {
                    id: text("webhook-id")?,
                    timestamp: text("webhook-timestamp")?,
                    signature: text("webhook-signature")?,
                };
                told::webhook(body, &envelope, secret, now)
            }
        }
    }
}

async fn home(State(application): State<Arc<Application>>, headers: HeaderMap) -> Response {
    let own = application.cookie(&headers);
    let known = |cookie: &str| application.sessions.with(|kept| kept.live.get(cookie).cloned());
    let mut fresh = None;
    let mut session = own.and_then(known);
    if session.is_none() {
        fresh = application.enter(&headers).await;
        session = fresh.as_deref().and_then(known);
    }
    let back: String =
        url::form_urlencoded::byte_serialize(format!("{}/", application.base).as_bytes()).collect();
    let html = page::application(&ApplicationPage {
        name: application.name,
        person: session.as_ref().map(|own| own.person.as_str()),
        told_by: application.told.name(),
        told: application.sessions.with(|kept| kept.ended),
        sign_in: &format!("{}/saml/login?return_to={back}", application.signoff),
        sign_in_there_too: application
            .openid
            .is_some()
            .then(|| format!("{}/auth0/login?return_to={back}", application.signoff))
            .as_deref(),
        sign_out: &format!("{}/logout?return_to={back}", application.signoff),
        idp: &application.idp,
        openid: application.openid.as_deref(),
    });
    let mut response = ([(CACHE_CONTROL, "no-store")], Html(html)).into_response();
    let cookie = fresh.map(|cookie| format!("{}={cookie}; Path=/; HttpOnly; SameSite=Lax", application.id));
    if let Some(cookie) = cookie.and_then(|cookie| cookie.try_into().ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Signoff says that a session is over. Being told twice is no harm.
async fn told(State(application): State<Arc<Application>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(sid) = application.believed(&headers, &body).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    application.sessions.with(|kept| {
        let before = kept.live.len();
        kept.live.retain(|_, own| own.sid != sid);
        kept.ended += before - kept.live.len();
    });
    ([(CACHE_CONTROL, "no-store")], StatusCode::OK).into_response()
}

/// The JSON of a good answer.
async fn json_of(request: reqwest::RequestBuilder) -> Option<Value> {
    let answer = request.send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}
