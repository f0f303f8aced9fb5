//! The API: who may do what, once, and nothing else.

mod admission;
mod applications;
mod bodies;
mod commands;
mod deliveries;
mod documents;
mod idempotency;
mod identity_providers;
mod logouts;
mod many;
mod openid;
mod revocations;
mod sessions;
mod tokens;

use crate::support::api::{Api, problem};
use crate::support::browser::Browser;
use crate::support::http::HttpReply;

/// The public name of the session of that browser.
pub async fn session_id(browser: &Browser) -> String {
    browser.session().await["session_id"].as_str().unwrap().to_owned()
}

/// Asserts that an answer looks exactly like that to something that does not exist.
async fn assert_looks_unknown(api: &Api, reply: &HttpReply) {
    assert_eq!(problem(reply), (404, "not-found".to_owned()), "{}", reply.body);
    let unknown = api.get("/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(reply.body, unknown.body, "seen and unseen look alike");
}
