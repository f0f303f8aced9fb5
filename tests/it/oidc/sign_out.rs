//! Our own logouts end what is at OpenID providers, whoever starts them.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::browser::{Browser, path_of};
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::http::HttpReply;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::oidc::{self, LOGGED_OUT, Op, Revocation, at};
use crate::support::story::{Answer, Via, send_request};

/// Alice is signed in through an identity provider and through Auth0.
struct Scene {
    app: TestApp,
    op: Op,
    idp: Idp,
    alice: Browser,
}

fn name() -> Name {
    Name::email("alice@example.org")
}

impl Scene {
    /// Auth0 with its Management API.
    async fn auth0() -> Self {
        Self::with(Op::start_auth0("auth0", &RSA_A).await).await
    }

    /// A provider that only a browser can sign out at.
    async fn front() -> Self {
        let op = Op::start("other", &RSA_A).await;
        op.describe("end_session_endpoint", json!(format!("{}end", op.issuer)));
        Self::with(op).await
    }

    async fn with(op: Op) -> Self {
        let app = oidc::start(&[&op]).await;
        let idp = app.idp("idp-a", &RSA_B).await;
        let alice = app.browser();
        alice.sign_in(&idp, &name(), "i-1").await;
        op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
        Self { app, op, idp, alice }
    }

    /// The identity provider says "over".
    async fn idp_says(&self, via: Via) -> Answer {
        let mut request = self.idp.logout_request(&name(), &["i-1"]);
        if via == Via::Soap {
            request.destination = Some(self.app.sp.soap.clone());
        }
        send_request(&self.app.authority, &self.idp, via, &request, None).await
    }

    async fn leg_states(&self) -> Vec<String> {
        sqlx::query_scalar("select state from logout_leg where oidc_issuer is not null order by id")
            .fetch_all(&self.app.pool)
            .await
            .unwrap()
    }

    /// The identity provider's leg of a logout that alice began: its answer, and the page at the end.
    async fn idp_answers(&self, reply: &HttpReply) -> HttpReply {
        let request = self.idp.sp.read_front(reply);
        assert_eq!(request.message.local, "LogoutRequest");
        let answer = self.idp.logout_response(&request, &["Success"]);
        let reply = self.alice.bring_answer(&self.idp, &answer, request.relay_state.as_deref()).await;
        self.alice.follow(reply).await
    }

    async fn done(self) {
        self.app.done().await;
    }
}

#[tokio::test]
async fn a_person_signs_out_and_auth0_ends_its_session_without_the_browser() {
    let op = Op::start_auth0("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
    op.set_lag(2);
    let form = alice.logout_form(Some("/after")).await;
    let reply = alice.submit(path_of(&form.action), &form.with(&[])).await;
    assert_eq!((reply.status, reply.location()), (303, "/after"), "everything is over: {}", reply.body);
    assert!(!alice.is_signed_in().await);
    assert_eq!((op.revocations(), op.reads()), (1, 3), "accepted is not done: read until it is gone");
    app.done().await;
}

#[tokio::test]
async fn with_a_back_channel_the_browser_goes_straight_on_to_the_identity_provider() {
    let scene = Scene::auth0().await;
    scene.op.describe("end_session_endpoint", json!(format!("{}oidc/logout", scene.op.issuer)));
    let reply = scene.alice.sign_out().await;
    let page = scene.idp_answers(&reply).await;
    assert!(page.body.contains("You are signed out here"), "not yet told to Auth0: {}", page.body);
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 1);
    assert_eq!(scene.leg_states().await, ["confirmed"]);
    let handle = "select handle from logout where trigger = 'person'";
    let handle: String = sqlx::query_scalar(handle).fetch_one(&scene.app.pool).await.unwrap();
    let page = scene.alice.get(&format!("/logout/{handle}")).await;
    assert!(page.body.contains("<h1>You are signed out</h1>"), "{}", page.body);
    scene.done().await;
}

#[tokio::test]
async fn without_one_the_browser_is_led_past_the_provider_first_and_then_the_identity_provider() {
    let scene = Scene::front().await;
    let reply = scene.alice.sign_out().await;
    assert_eq!(reply.status, 303);
    assert!(!scene.alice.is_signed_in().await, "SLO-35: dead before anybody is asked");
    let back = scene.op.ends_session(reply.location());
    assert!(reply.location().contains("id_token_hint="), "{}", reply.location());
    let reply = scene.alice.get_from_elsewhere(&back).await;
    let page = scene.idp_answers(&reply).await;
    assert!(page.body.contains("came back"), "no proof: {}", page.body);
    assert!(!page.body.contains("<h1>You are signed out</h1>"), "{}", page.body);
    assert_eq!(scene.leg_states().await, ["returned"]);
    // Once: a second time leads to the page, and nobody is asked again.
    let again = scene.alice.get_from_elsewhere(&back).await;
    assert!(again.location().starts_with("/logout/"), "{}", again.location());
    // The provider's own word proves it.
    assert_eq!(scene.op.says_over(&scene.app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    assert_eq!(scene.leg_states().await, ["confirmed"]);
    let page = scene.alice.follow(again).await;
    assert!(page.body.contains("<h1>You are signed out</h1>"), "{}", page.body);
    scene.done().await;
}

#[tokio::test]
async fn who_comes_back_from_the_provider_alone_goes_where_they_wanted() {
    let op = Op::start("other", &RSA_A).await;
    op.describe("end_session_endpoint", json!(format!("{}end", op.issuer)));
    let app = oidc::start(&[&op]).await;
    let alice = app.browser();
    op.sign_in(&alice, &at("alice", "s-1")).await;
    let form = alice.logout_form(Some("/after")).await;
    let reply = alice.submit(path_of(&form.action), &form.with(&[])).await;
    let back = op.ends_session(reply.location());
    assert_eq!(alice.get_from_elsewhere(&back).await.location(), "/after");
    // Nobody is left standing: neither who comes with nothing, nor a stranger with a made-up state.
    assert_eq!(app.browser().get(LOGGED_OUT).await.status, 200);
    assert_eq!(app.browser().get(&format!("{LOGGED_OUT}?state=x")).await.status, 200);
    assert_eq!(app.browser().get(&format!("{LOGGED_OUT}?state=x&state=y")).await.status, 400);
    app.done().await;
}

#[tokio::test]
async fn a_tenant_without_the_other_endpoint_has_v2_logout_and_is_known_by_the_cookie() {
    let op = Op::start_auth0("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    let idp = app.idp("idp-a", &RSA_B).await;
    let alice = app.browser();
    alice.sign_in(&idp, &name(), "i-1").await;
    // Auth0 names no session in this ID token, so there is nothing to revoke.
    let nameless = oidc::At { sub: "auth0|alice".to_owned(), sid: None };
    op.sign_in(&alice, &nameless).await;
    let reply = alice.sign_out().await;
    assert!(reply.location().contains("/v2/logout?"), "{}", reply.location());
    let back = op.ends_session(reply.location());
    assert_eq!(app.browser().get_from_elsewhere(&back).await.status, 200, "another browser is told nothing");
    let reply = alice.get_from_elsewhere(&back).await;
    let request = idp.sp.read_front(&reply);
    assert_eq!(request.message.local, "LogoutRequest");
    app.done().await;
}

#[tokio::test]
async fn row_a_success_once_auth0_is_seen_to_have_ended_its_part() {
    for via in Via::ALL {
        let scene = Scene::auth0().await;
        scene.op.set_lag(3);
        assert_eq!(scene.idp_says(via).await.status(), "Success", "{via:?}");
        assert!(!scene.alice.is_signed_in().await);
        assert_eq!(scene.op.revocations(), 1);
        // OIDC-11: the echo, several times; the same message again; the worker: nothing new.
        for _ in 0..3 {
            assert_eq!(scene.op.says_over(&scene.app.authority, &at("auth0|alice", "s-1")).await.status, 200);
        }
        scene.app.work().await;
        assert_eq!(scene.op.revocations(), 1, "each layer is started at most once");
        assert_eq!(scene.app.count("select count(*) from logout").await, 1);
        scene.done().await;
    }
}

#[tokio::test]
async fn row_e_partial_while_auth0_has_only_accepted() {
    let scene = Scene::auth0().await;
    scene.op.set_lag(1_000_000);
    let start = Instant::now();
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    assert!(start.elapsed() < Duration::from_secs(5), "SLO-31: {:?}", start.elapsed());
    assert!(!scene.alice.is_signed_in().await);
    assert_eq!(scene.leg_states().await, ["queued"]);
    assert_eq!(
        scene.idp_says(Via::Redirect).await.status(),
        "Responder/PartialLogout",
        "SLO-24: as recorded"
    );
    // Later it is gone; what was accepted was never asked for again.
    scene.op.set_lag(0);
    scene.app.advance(TimeDelta::minutes(1));
    scene.app.work().await;
    assert_eq!(scene.leg_states().await, ["confirmed"]);
    assert_eq!(scene.op.revocations(), 1);
    scene.done().await;
}

#[tokio::test]
async fn auth0_pending_success_changes_what_the_identity_provider_is_told_and_nothing_else() {
    let scene = Scene::auth0().await;
    scene.app.set_switch("idp-a", "auth0_pending", "success").await;
    scene.op.set_lag(1_000_000);
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Success");
    assert_eq!(scene.leg_states().await, ["queued"], "our record says what is known");
    let handle: String =
        sqlx::query_scalar("select handle from logout").fetch_one(&scene.app.pool).await.unwrap();
    let page = scene.alice.get(&format!("/logout/{handle}")).await;
    assert!(page.body.contains("waiting for its answer"), "{}", page.body);
    scene.done().await;

    // Where it was not even accepted, the exception does not help.
    let scene = Scene::auth0().await;
    scene.app.set_switch("idp-a", "auth0_pending", "success").await;
    scene.op.answer_revocation(Revocation::Status(429, Some(30)));
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    scene.done().await;
}

#[tokio::test]
async fn slo_31_an_auth0_that_hangs_keeps_nobody_waiting() {
    let scene = Scene::auth0().await;
    scene.op.answer_revocation(Revocation::Hangs);
    let start = Instant::now();
    assert_eq!(scene.idp_says(Via::Post).await.status(), "Responder/PartialLogout");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_and_the_same_ask_comes_again_after_it() {
    let scene = Scene::auth0().await;
    scene.op.answer_revocation(Revocation::Status(429, Some(30)));
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    assert_eq!(scene.op.revocations(), 1);
    scene.app.advance(TimeDelta::seconds(29));
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 1, "not before it is time");
    scene.app.advance(TimeDelta::seconds(1));
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 2);
    assert_eq!(scene.leg_states().await, ["confirmed"]);
    scene.done().await;
}

#[tokio::test]
async fn a_rate_limit_of_the_token_endpoint_is_obeyed_too() {
    let scene = Scene::auth0().await;
    scene.op.keep_access_busy(40);
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    let tokens = |op: &Op| op.asked().iter().filter(|path| *path == "/oauth/token").count();
    for (seconds, asked) in [(39, 1), (1, 2)] {
        scene.app.advance(TimeDelta::seconds(seconds));
        scene.app.work().await;
        assert_eq!(tokens(&scene.op), asked, "not before it is time");
    }
    assert_eq!((scene.op.revocations(), scene.leg_states().await), (1, vec!["confirmed".to_owned()]));
    scene.done().await;
}

#[tokio::test]
async fn not_found_is_no_proof_while_the_session_can_still_be_read() {
    // There is no such way to end it, or it was mistyped: the session lives, and is ended another way.
    let scene = Scene::auth0().await;
    scene.op.answer_revocation(Revocation::Status(404, None));
    scene.op.set_lag(1_000_000);
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    assert_eq!(scene.leg_states().await, ["queued"]);
    scene.op.set_lag(0);
    scene.app.advance(TimeDelta::minutes(1));
    scene.app.work().await;
    assert_eq!((scene.op.revocations(), scene.leg_states().await), (1, vec!["confirmed".to_owned()]));
    scene.done().await;
}

#[tokio::test]
async fn no_answer_and_a_5xx_are_asked_again_and_a_refusal_is_not() {
    for (revocation, times, state) in [
        (Revocation::Lost, 2, "confirmed"),
        (Revocation::Status(500, None), 2, "confirmed"),
        (Revocation::Status(404, None), 1, "confirmed"),
        (Revocation::Status(403, None), 1, "failed"),
    ] {
        let scene = Scene::auth0().await;
        scene.op.answer_revocation(revocation);
        scene.idp_says(Via::Redirect).await.status();
        scene.app.advance(TimeDelta::minutes(1));
        scene.app.work().await;
        scene.app.work().await;
        assert_eq!(
            (scene.op.revocations(), scene.leg_states().await),
            (times, vec![state.to_owned()]),
            "{revocation:?}"
        );
        scene.done().await;
    }
}

#[tokio::test]
async fn an_access_token_is_kept_and_a_fresh_one_fetched_when_it_is_not_taken() {
    let scene = Scene::auth0().await;
    let tokens = |op: &Op| op.asked().iter().filter(|path| *path == "/oauth/token").count();
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Success");
    assert_eq!(tokens(&scene.op), 1, "one for the ask and the reading");
    scene.app.advance(TimeDelta::seconds(1));
    for (round, expected) in [("s-2", 1), ("s-3", 2)] {
        let browser = scene.app.browser();
        scene.op.sign_in(&browser, &at("auth0|alice", round)).await;
        if expected == 2 {
            scene.op.forget_access();
        }
        scene.app.end_by_admin(&browser).await;
        assert_eq!(tokens(&scene.op), expected, "{round}");
        assert_eq!(scene.leg_states().await.last().unwrap(), "confirmed");
        scene.app.advance(TimeDelta::seconds(1));
    }
    scene.done().await;
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_answer_is_partial_and_the_browser_resumes() {
    let scene = Scene::front().await;
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    assert_eq!(scene.leg_states().await, ["waiting_browser"]);
    let reply = scene.alice.get("/auth0/login").await;
    let back = scene.op.ends_session(reply.location());
    let page = scene.alice.get_from_elsewhere(&back).await;
    assert!(page.location().starts_with("/logout/"), "{}", page.location());
    scene.done().await;

    // Nor is there a way by any browser.
    let scene = Scene::with(Op::start("bare", &RSA_A).await).await;
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Responder/PartialLogout");
    assert_eq!(scene.leg_states().await, ["no_endpoint"]);
    scene.done().await;
}

#[tokio::test]
async fn row_b_a_repetition_is_not_success_while_the_provider_was_not_seen_to_end_its_part() {
    let scene = Scene::front().await;
    scene.idp_says(Via::Redirect).await;
    scene.app.advance(TimeDelta::seconds(1));
    assert_eq!(
        scene.idp_says(Via::Post).await.status(),
        "Responder/PartialLogout",
        "another request, the same session"
    );
    assert_eq!(scene.op.says_over(&scene.app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    scene.app.advance(TimeDelta::seconds(1));
    assert_eq!(scene.idp_says(Via::Redirect).await.status(), "Success");
    scene.done().await;
}

#[tokio::test]
async fn slo_47_only_here_asks_no_provider() {
    let scene = Scene::auth0().await;
    let reply = scene.alice.sign_out_here().await;
    let page = scene.alice.follow(reply).await;
    assert!(page.body.contains("Left as it is, as you chose."), "{}", page.body);
    scene.app.work().await;
    assert_eq!((scene.op.revocations(), scene.leg_states().await), (0, vec!["not_asked".to_owned()]));
    scene.done().await;
}

#[tokio::test]
async fn while_a_logout_is_under_way_no_second_tab_signs_in_on_the_same_session() {
    let scene = Scene::front().await;
    let tab = scene.app.browser();
    let before = scene.op.begin(&tab, &at("auth0|alice", "s-1"), |_| {}).await;
    let reply = scene.alice.sign_out().await;
    // The provider still lets her in without a question; another session of hers is another matter.
    assert_eq!(tab.get_from_elsewhere(&before).await.status, 400);
    assert_eq!(scene.op.arrive(&tab, &at("auth0|alice", "s-1")).await.status, 400);
    scene.op.sign_in(&scene.app.browser(), &at("auth0|alice", "s-2")).await;
    let back = scene.op.ends_session(reply.location());
    let reply = scene.alice.get_from_elsewhere(&back).await;
    scene.idp_answers(&reply).await;
    scene.op.sign_in(&tab, &at("auth0|alice", "s-1")).await;
    scene.done().await;
}

#[tokio::test]
async fn an_application_that_hangs_under_a_sid_is_told_by_whomever_the_session_ends() {
    let scene = Scene::auth0().await;
    let shop = scene.app.api_of("shop").await;
    let body = json!({"issuer": scene.op.issuer, "sid": "s-1", "reference": "cart-7"});
    let made = shop.post("/api/v1/sessions", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let unknown = json!({"issuer": "https://another.example/", "sid": "s-1"});
    assert_eq!(shop.post("/api/v1/sessions", unknown).await.status, 422);
    scene.idp_says(Via::Redirect).await;
    let told = "select count(*) from notification where sid = 's-1' and reason = 'idp'";
    assert_eq!(scene.app.count(told).await, 1);
    // Nothing is registered any more under what is over.
    assert_eq!(shop.post("/api/v1/sessions", body).await.status, 409);
    let other = json!({"issuer": scene.op.issuer, "sid": "s-2"});
    assert_eq!(shop.post("/api/v1/sessions", other).await.status, 201);
    scene.op.says_over(&scene.app.authority, &at("auth0|bob", "s-2")).await;
    let told = "select count(*) from notification where sid = 's-2' and reason = 'oidc'";
    assert_eq!(scene.app.count(told).await, 1);
    scene.done().await;
}
