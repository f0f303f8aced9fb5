//! A demonstration application: it has no session of its own and asks Signoff at every request
//! whether the browser's session lives.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::response::Html;
use axum::routing::get;

use super::page;

/// What an application has to know.
pub struct Application {
    /// Its name.
    pub name: &'static str,
    /// Its own origin.
    pub base: String,
    /// Signoff's.
    pub signoff: String,
    /// The identity provider's, for a link.
    pub idp: String,
    /// Its HTTP client.
    pub http: reqwest::Client,
}

impl Application {
    /// Its one page.
    pub fn router(self) -> Router {
        Router::new().route("/", get(home)).with_state(Arc::new(self))
    }

    /// Who is signed in, in Signoff's word.
    async fn person(&self, headers: &HeaderMap) -> Option<String> {
        let mut request = self.http.get(format!("{}/session", self.signoff));
        for cookie in headers.get_all(COOKIE) {
            request = request.header(COOKIE, cookie);
        }
        let answer = request.send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        let session: serde_json::Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        session.pointer("/authentications/0/name_id/value")?.as_str().map(str::to_owned)
    }
}

async fn home(State(application): State<Arc<Application>>, headers: HeaderMap) -> Html<String> {
    let person = application.person(&headers).await;
    let back =
        url::form_urlencoded::byte_serialize(format!("{}/", application.base).as_bytes()).collect::<String>();
    let sign_in = format!("{}/saml/login?return_to={back}", application.signoff);
    let sign_out = format!("{}/logout?return_to={back}", application.signoff);
    Html(page::application(application.name, person.as_deref(), &sign_in, &sign_out, &application.idp))
}
