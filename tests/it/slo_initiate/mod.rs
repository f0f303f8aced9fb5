//! SLO-34 to SLO-56: the session participant starts the logout.

mod answer;
mod around;
mod outcome;
mod request;

use chrono::TimeDelta;

use crate::sso::{ELSEWHERE, assert_here};
use crate::support::app::TestApp;
use crate::support::browser::{Browser, From, form_body, forms, path_of, tags};
use crate::support::dsig::{RSA_A, RSA_ATTACKER, RSA_B};
use crate::support::idp::{FromUs, Idp, SoapAnswer};
use crate::support::messages::{EMAIL, Issuer, LogoutResponse, Name, instant};
use crate::support::metadata::Metadata;
use crate::support::story::{INDEX, SLO, SOAP_PATH, Scene, Via, assert_uncached, post_soap, send_request};
use crate::support::xml::{DS, SAMLP};

/// Clicks "sign out everywhere" and reads the LogoutRequest.
async fn click(browser: &Browser, idp: &Idp) -> FromUs {
    let reply = browser.sign_out().await;
    let request = idp.sp.read_front(&reply);
    assert_eq!(
        (request.message.local.as_str(), request.parameter.as_str()),
        ("LogoutRequest", "SAMLRequest")
    );
    assert_uncached(&reply, Via::Redirect);
    request
}

async fn legs(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("select state from logout_leg order by id").fetch_all(&app.pool).await.unwrap()
}

/// A logout that waits for its answer.
struct Asked {
    scene: Scene,
    request: FromUs,
}

impl Asked {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let request = click(&scene.alice, &scene.idp).await;
        Self { scene, request }
    }

    fn answer(&self, status: &[&str]) -> LogoutResponse {
        self.scene.idp.logout_response(&self.request, status)
    }

    /// The answer is refused over Redirect and POST; nothing changes; the audit names the rule.
    async fn refused(&self, rule: &str, change: impl Fn(&mut LogoutResponse)) {
        let mut answer = self.answer(&["Success"]);
        change(&mut answer);
        let relay_state = self.request.relay_state.as_deref();
        let reply = self.scene.alice.bring_answer(&self.scene.idp, &answer, relay_state).await;
        assert!(matches!(reply.status, 400 | 403), "{rule}: {} {}", reply.status, reply.body);
        answer.id = Some(self.scene.idp.fresh_id("lp"));
        let reply = self.scene.alice.bring_answer_by_post(&self.scene.idp, &answer, relay_state).await;
        assert!(matches!(reply.status, 400 | 403), "{rule}: {} {}", reply.status, reply.body);
        self.scene.app.assert_audited(rule).await;
        self.still_open().await;
    }

    async fn still_open(&self) {
        assert_eq!(legs(&self.scene.app).await, ["asked"]);
        assert!(!self.scene.alice.is_signed_in().await);
    }

    /// The positive twin: the right answer completes the logout.
    async fn done(self) {
        let answer = self.answer(&["Success"]);
        let relay_state = self.request.relay_state.as_deref();
        let reply = self.scene.alice.bring_answer(&self.scene.idp, &answer, relay_state).await;
        assert!(reply.status < 400, "{}", reply.body);
        assert_eq!(legs(&self.scene.app).await, ["confirmed"]);
        self.scene.done().await;
    }
}
