//! Sessions for which Auth0 itself is the SAML service provider: an application has registered a
//! connection under the `sid`. Auth0 is led there by the browser, with `federated`, and what is behind it
//! is asked and never more.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::app::TestApp;
use crate::support::browser::{Browser, path_of};
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::http::HttpReply;
use crate::support::messages::Name;
use crate::support::oidc::{self, Op, at};
use crate::support::story::{Via, send_request};

const PASSED_ON: &str = "Nobody tells us whether that was done";
const OUT_OF_REACH: &str = "Only your browser could have signed you out there";

/// Alice is signed in through Auth0, where she came by SAML.
struct Scene {
    app: TestApp,
    op: Op,
    alice: Browser,
    operator: Api,
}

impl Scene {
    async fn auth0() -> Self {
        Self::with(Op::start_auth0("auth0", &RSA_A).await, json!({ "connection": "acme-saml" })).await
    }

    /// With this said of her session there.
    async fn with(op: Op, context: Value) -> Self {
        op.describe("end_session_endpoint", json!(format!("{}oidc/logout", op.issuer)));
        let app = oidc::start(&[&op]).await;
        let alice = app.browser();
        op.sign_in(&alice, &at("samlp|acme|alice", "s-1")).await;
        let action = app.api_of("action").await;
        let mut body = json!({ "issuer": op.issuer, "sid": "s-1", "reference": "login" });
        body.as_object_mut().unwrap().extend(context.as_object().unwrap().clone());
        let made = action.post("/api/v1/sessions", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let operator = app.api("operator").await;
        Self { app, op, alice, operator }
    }

    /// What is known of Auth0's session, and what was done about the one behind it.
    async fn legs(&self) -> (String, Value) {
        let newest = self.operator.get("/api/v1/logouts").await.json()["logouts"][0]["id"].to_string();
        let logout = self.operator.get(&format!("/api/v1/logouts/{newest}")).await.json();
        let legs = logout["identity_providers"].as_array().unwrap();
        let leg = legs.iter().find(|leg| leg["identity_provider"] == self.op.name.as_str()).unwrap();
        (leg["state"].as_str().unwrap().to_owned(), leg["behind"].clone())
    }

    /// The page of the only logout.
    async fn page(&self) -> HttpReply {
        let handle = sqlx::query_scalar("select handle from logout").fetch_one(&self.app.pool);
        let handle: String = handle.await.unwrap();
        self.app.browser().get(&format!("/logout/{handle}")).await
    }

    /// Nobody comes back for as long as is waited for.
    async fn deadline(&self) {
        self.app.advance(TimeDelta::minutes(5));
        self.app.work().await;
        self.app.work().await;
    }
}

fn behind(state: &str) -> Value {
    json!({ "connection": "acme-saml", "state": state })
}

#[tokio::test]
async fn a_browser_goes_to_auth0_with_federated_and_the_api_only_looks() {
    let scene = Scene::auth0().await;
    let reply = scene.alice.sign_out().await;
    assert!(!scene.alice.is_signed_in().await, "SLO-35: dead before anybody is asked");
    assert!(reply.location().contains("logout_hint=s-1"), "{}", reply.location());
    assert_eq!(scene.legs().await, ("asked".to_owned(), behind("asked")));
    scene.app.work().await;
    assert_eq!((scene.op.revocations(), scene.op.reads()), (0, 0), "never both ways at once");
    let back = scene.op.ends_session_there_too(reply.location(), "s-1");
    let page = scene.alice.get_from_elsewhere(&back).await;
    let page = scene.alice.follow(page).await;
    assert!(page.body.contains(PASSED_ON), "{}", page.body);
    scene.app.work().await;
    assert_eq!((scene.op.revocations(), scene.op.reads()), (0, 1));
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("asked")), "asked and never more");
    let page = scene.page().await;
    assert!(page.body.contains(PASSED_ON), "{}", page.body);
    assert!(!page.body.contains("<h1>You are signed out</h1>"), "{}", page.body);
    scene.app.done().await;
}

#[tokio::test]
async fn who_is_back_while_the_session_is_still_there_is_told_no_more_than_that() {
    let scene = Scene::auth0().await;
    let reply = scene.alice.sign_out().await;
    let back = scene.op.ends_session_there_too(reply.location(), "another");
    scene.alice.get_from_elsewhere(&back).await;
    scene.app.work().await;
    scene.deadline().await;
    assert!(scene.op.reads() > 1);
    assert_eq!(scene.op.revocations(), 0, "only when the browser is not back by the deadline");
    assert_eq!(scene.legs().await, ("returned".to_owned(), behind("asked")));
    // Auth0's own logout token is as good as a look.
    let alice = at("samlp|acme|alice", "s-1");
    assert_eq!(scene.op.says_over(&scene.app.authority, &alice).await.status, 200);
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("asked")));
    scene.app.done().await;
}

#[tokio::test]
async fn a_browser_that_is_not_back_by_the_deadline_is_not_waited_for() {
    let scene = Scene::auth0().await;
    scene.alice.sign_out().await;
    scene.app.advance(TimeDelta::seconds(299));
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 0);
    scene.app.advance(TimeDelta::seconds(1));
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 1);
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("asked")));
    // Nor is it sent there again when it comes by after all.
    let page = scene.alice.get("/logout").await;
    assert_eq!((page.status, scene.op.revocations()), (200, 1), "{}", page.body);
    scene.app.done().await;
}

#[tokio::test]
async fn without_a_browser_the_api_revokes_and_what_is_behind_is_out_of_reach() {
    let scene = Scene::auth0().await;
    scene.app.end_by_admin(&scene.alice).await;
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 1);
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("unreachable")));
    let page = scene.page().await;
    assert!(page.body.contains(OUT_OF_REACH), "{}", page.body);
    scene.app.done().await;
}

#[tokio::test]
async fn a_browser_that_was_announced_and_never_came_is_none() {
    let scene = Scene::auth0().await;
    let id = scene.alice.session().await["session_id"].as_str().unwrap().to_owned();
    let started =
        scene.operator.post("/api/v1/logouts", json!({ "session": id, "browser": true })).await.json();
    assert!(started["continue_url"].is_string(), "{started}");
    scene.app.work().await;
    assert_eq!((scene.op.revocations(), scene.legs().await.1), (0, behind("waiting_browser")));
    scene.deadline().await;
    assert_eq!(scene.op.revocations(), 1);
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("unreachable")));
    scene.app.done().await;

    // One that comes is led there.
    let scene = Scene::auth0().await;
    let id = scene.alice.session().await["session_id"].as_str().unwrap().to_owned();
    let started =
        scene.operator.post("/api/v1/logouts", json!({ "session": id, "browser": true })).await.json();
    let reply = scene.alice.get(path_of(started["continue_url"].as_str().unwrap())).await;
    scene.op.ends_session_there_too(reply.location(), "s-1");
    assert_eq!(scene.legs().await.1, behind("asked"));
    scene.app.done().await;
}

#[tokio::test]
async fn row_a_another_identity_provider_says_over_and_auth0_is_not_asked_by_any_browser() {
    for via in Via::ALL {
        let scene = Scene::auth0().await;
        let idp = scene.app.idp("idp-a", &RSA_B).await;
        let name = Name::email("alice@example.org");
        scene.alice.sign_in(&idp, &name, "i-1").await;
        let mut request = idp.logout_request(&name, &["i-1"]);
        if via == Via::Soap {
            request.destination = Some(scene.app.sp.soap.clone());
        }
        let answer = send_request(&scene.app.authority, &idp, via, &request, None).await;
        assert_eq!((answer.status(), scene.op.revocations()), ("Success".to_owned(), 1), "{via:?}");
        assert_eq!(scene.legs().await, ("confirmed".to_owned(), behind("unreachable")), "{via:?}");
        scene.app.done().await;
    }
}

#[tokio::test]
async fn slo_47_only_here_asks_neither() {
    let scene = Scene::auth0().await;
    scene.alice.sign_out_here().await;
    scene.deadline().await;
    assert_eq!(scene.op.revocations(), 0);
    assert_eq!(scene.legs().await, ("not_asked".to_owned(), behind("not_asked")));
    scene.app.done().await;
}

#[tokio::test]
async fn a_name_or_an_index_out_of_its_assertion_says_as_much_as_the_connection() {
    for context in [json!({ "name_id": { "value": "alice" } }), json!({ "session_indexes": ["_7"] })] {
        let scene = Scene::with(Op::start_auth0("auth0", &RSA_A).await, context).await;
        let reply = scene.alice.sign_out().await;
        scene.op.ends_session_there_too(reply.location(), "s-1");
        assert_eq!(scene.legs().await.1, json!({ "connection": null, "state": "asked" }));
        scene.app.done().await;
    }
}

#[tokio::test]
async fn where_nothing_of_the_kind_is_registered_the_browser_stays_away() {
    // An application's own session under the same sid says nothing about what is behind it.
    let scene = Scene::with(Op::start_auth0("auth0", &RSA_A).await, json!({})).await;
    let other = json!({ "issuer": scene.op.issuer, "sid": "s-2", "connection": "acme-saml" });
    let action = scene.app.api_of("other").await;
    assert_eq!(action.post("/api/v1/sessions", other).await.status, 201, "another session there");
    let reply = scene.alice.sign_out().await;
    assert!(!reply.location().starts_with(&scene.op.issuer), "{}", reply.location());
    scene.app.work().await;
    assert_eq!(scene.op.revocations(), 1);
    assert_eq!(scene.legs().await, ("confirmed".to_owned(), json!(null)));
    scene.app.done().await;

    // What is no tenant of Auth0 has no such logout.
    let scene = Scene::with(Op::start("other", &RSA_A).await, json!({ "connection": "acme-saml" })).await;
    let reply = scene.alice.sign_out().await;
    scene.op.ends_session(reply.location());
    assert_eq!(scene.legs().await, ("asked".to_owned(), behind("no_endpoint")));
    scene.app.done().await;
}

#[tokio::test]
async fn an_application_that_signed_somebody_in_at_auth0_by_itself_has_the_same_done() {
    let op = Op::start_auth0("auth0", &RSA_A).await;
    op.describe("end_session_endpoint", json!(format!("{}oidc/logout", op.issuer)));
    let app = oidc::start(&[&op]).await;
    let (shop, operator) = (app.api_of("shop").await, app.api("operator").await);
    let own = async |sid: &str| {
        let body = json!({ "issuer": op.issuer, "sid": sid, "connection": "acme-saml" });
        let made = shop.post("/api/v1/sessions", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let leg = async |started: &Value| {
        let id = &started["logouts"][0]["id"];
        let logout = operator.get(&format!("/api/v1/logouts/{id}")).await.json();
        let leg = logout["identity_providers"][0].clone();
        (leg["state"].as_str().unwrap().to_owned(), leg["behind"].clone())
    };
    // Nobody is signed in here; the browser is known by the one-time address alone.
    let started = json!({ "session": own("s-1").await, "browser": true });
    let started = shop.post("/api/v1/logouts", started).await.json();
    assert_eq!(leg(&started).await, ("waiting_browser".to_owned(), behind("waiting_browser")));
    let visitor = app.browser();
    let reply = visitor.get(path_of(started["continue_url"].as_str().unwrap())).await;
    let back = op.ends_session_there_too(reply.location(), "s-1");
    let page = visitor.get_from_elsewhere(&back).await;
    let page = visitor.follow(page).await;
    assert!(page.body.contains(PASSED_ON), "{}", page.body);
    app.work().await;
    assert_eq!((op.revocations(), op.reads()), (0, 1));
    assert_eq!(leg(&started).await, ("confirmed".to_owned(), behind("asked")));
    // Without a browser.
    let started = json!({ "session": own("s-2").await, "browser": false });
    let started = shop.post("/api/v1/logouts", started).await.json();
    app.work().await;
    assert_eq!(op.revocations(), 1);
    assert_eq!(leg(&started).await, ("confirmed".to_owned(), behind("unreachable")));
    // With one that was announced and never came.
    let started = json!({ "session": own("s-3").await, "browser": true });
    let started = shop.post("/api/v1/logouts", started).await.json();
    app.advance(TimeDelta::minutes(5));
    app.work().await;
    assert_eq!(op.revocations(), 2);
    assert_eq!(leg(&started).await, ("confirmed".to_owned(), behind("unreachable")));
    app.done().await;
}
