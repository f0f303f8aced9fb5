//! SSO-01 to SSO-26: sign-in, on which logout rests.

mod authentic;
mod conditions;
mod cookies;
mod elsewhere;
mod request;
mod session;

pub use elsewhere::{ELSEWHERE, assert_here};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;

use crate::support::app::{Import, TestApp};
use crate::support::browser::{Browser, forms};
use crate::support::dsig::{EC_256, Hex, RSA_A, RSA_ATTACKER, RSA_B, deflate, percent};
use crate::support::http::HttpReply;
use crate::support::idp::Idp;
use crate::support::messages::{Confirmation, Issuer, Name, Response, Signed, instant};
use crate::support::story::{ACS, INDEX, Via, assert_uncached, send_request};
use crate::support::xml::{Element, SAMLP};

/// One identity provider, one browser about to sign in.
struct Door {
    app: TestApp,
    idp: Idp,
    name: Name,
}

impl Door {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let idp = app.idp("idp-a", &RSA_A).await;
        Self { app, idp, name: Name::email("alice@example.org") }
    }

    /// Begins to sign in and brings a Response that `change` has changed.
    async fn try_sign_in(&self, change: impl FnOnce(&mut Response)) -> (Browser, HttpReply) {
        let browser = self.app.browser();
        let begun = browser.begin_sign_in(&self.idp).await;
        let mut response = self.idp.response(Some(begun.id()), &self.name, INDEX);
        change(&mut response);
        let reply = browser.bring(&response.signed(self.idp.key), begun.relay_state.as_deref()).await;
        (browser, reply)
    }

    async fn refused(&self, rule: &str, change: impl FnOnce(&mut Response)) {
        let (browser, reply) = self.try_sign_in(change).await;
        assert_eq!(reply.status, 400, "{rule}: {}", reply.body);
        assert!(reply.header("location").is_none());
        assert!(!browser.is_signed_in().await, "{rule}");
        self.app.assert_audited(rule).await;
    }

    async fn accepted(&self, what: &str, change: impl FnOnce(&mut Response)) -> Browser {
        let (browser, reply) = self.try_sign_in(change).await;
        assert_eq!(reply.status, 303, "{what}: {}", reply.body);
        assert!(browser.is_signed_in().await, "{what}");
        browser
    }

    /// The positive twin of whatever was refused, and the end.
    async fn done(self) {
        self.accepted("the positive twin", |_| {}).await;
        self.app.done().await;
    }
}
