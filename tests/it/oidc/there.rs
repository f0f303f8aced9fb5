//! Logouts over the API of what is at an OpenID provider.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::api::{Api, problem};
use crate::support::app::TestApp;
use crate::support::browser::path_of;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::messages::Name;
use crate::support::oidc::{self, Op, Revocation, at};

const SESSIONS: &str = "/api/v1/sessions";
const LOGOUTS: &str = "/api/v1/logouts";

async fn auth0() -> (Op, TestApp) {
    let op = Op::start_auth0("auth0", &RSA_A).await;
    let app = oidc::start(&[&op]).await;
    (op, app)
}

/// The public name of a session of the shop's own under that `sid`.
async fn under(api: &Api, op: &Op, sid: &str) -> String {
    let made = api.post(SESSIONS, json!({"issuer": op.issuer, "sid": sid})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn leg_of(app: &TestApp, started: &Value) -> String {
    let id = started["logouts"][0]["id"].as_i64().unwrap();
    sqlx::query_scalar("select state from logout_leg where logout_id = $1 and oidc_issuer is not null")
        .bind(id)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_application_ends_the_session_at_auth0_under_which_it_hangs() {
    let (op, app) = auth0().await;
    let (shop, wiki) = (app.api_of("shop").await, app.api_of("wiki").await);
    let own = under(&shop, &op, "s-1").await;
    let neighbour = under(&wiki, &op, "s-1").await;
    let another = under(&wiki, &op, "s-2").await;
    assert_eq!(problem(&wiki.post(LOGOUTS, json!({"session": own})).await).0, 404, "not its own");
    let started = shop.post(LOGOUTS, json!({"session": own, "browser": false})).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let json = started.json();
    assert_eq!(
        (json["logouts"][0]["session"].as_str(), json["complete"].as_bool()),
        (Some(&*own), Some(true))
    );
    assert_eq!((op.revocations(), leg_of(&app, &json).await), (1, "confirmed".to_owned()));
    for (api, id, active) in [(&shop, &own, false), (&wiki, &neighbour, false), (&wiki, &another, true)] {
        let seen = api.get(&format!("{SESSIONS}/{id}")).await.json();
        assert_eq!(seen["active"], active, "{seen}");
    }
    let told = "select count(*) from notification where sid = 's-1' and reason = 'application'";
    assert_eq!(app.count(told).await, 2, "the neighbour is told too");
    let id = json["logouts"][0]["id"].as_i64().unwrap();
    assert_eq!(
        shop.get(&format!("{LOGOUTS}/{id}")).await.json()["identity_providers"][0]["state"],
        "confirmed"
    );
    // Said again, and echoed: nothing is asked again.
    let again = shop.post(LOGOUTS, json!({"session": own, "browser": false})).await;
    assert_eq!((again.status, &again.json()["logouts"]), (200, &json["logouts"]));
    assert_eq!(op.says_over(&app.authority, &at("auth0|alice", "s-1")).await.status, 200);
    app.work().await;
    assert_eq!(op.revocations(), 1);
    app.done().await;
}

#[tokio::test]
async fn it_ends_with_every_session_of_ours_that_rests_on_it() {
    let (op, app) = auth0().await;
    let idp = app.idp("idp-a", &RSA_B).await;
    let alice = app.browser();
    alice.sign_in(&idp, &Name::email("alice@example.org"), "i-1").await;
    op.sign_in(&alice, &at("auth0|alice", "s-1")).await;
    let bob = app.browser();
    op.sign_in(&bob, &at("auth0|bob", "s-2")).await;
    let shop = app.api_of("shop").await;
    let own = under(&shop, &op, "s-1").await;
    let started = shop.post(LOGOUTS, json!({"session": own, "return_to": "/after"})).await;
    assert_eq!(started.status, 201, "{}", started.body);
    assert!(!alice.is_signed_in().await && bob.is_signed_in().await);
    // Her browser goes on to the identity provider; Auth0 was told without it.
    let url = started.json()["continue_url"].as_str().unwrap().to_owned();
    let reply = alice.get(path_of(&url)).await;
    assert_eq!(idp.sp.read_front(&reply).message.local, "LogoutRequest");
    app.work().await;
    assert_eq!((op.revocations(), leg_of(&app, &started.json()).await), (1, "confirmed".to_owned()));
    app.done().await;
}

#[tokio::test]
async fn without_a_back_channel_the_announced_browser_is_led_past_the_provider() {
    let op = Op::start("other", &RSA_A).await;
    op.describe("end_session_endpoint", json!(format!("{}end", op.issuer)));
    let app = oidc::start(&[&op]).await;
    let shop = app.api_of("shop").await;
    let own = under(&shop, &op, "s-1").await;
    let started = shop.post(LOGOUTS, json!({"session": own, "return_to": "/after"})).await.json();
    assert_eq!(leg_of(&app, &started).await, "waiting_browser");
    let visitor = app.browser();
    let url = path_of(started["continue_url"].as_str().unwrap()).to_owned();
    let reply = visitor.get(&url).await;
    let back = op.ends_session(reply.location());
    let home = visitor.get_from_elsewhere(&back).await;
    assert_eq!(home.location(), "/after");
    assert_eq!(leg_of(&app, &started).await, "returned");
    // The token was good once.
    let page = app.browser().get(&url).await;
    assert!(
        page.status == 200 && !page.body.contains("This site"),
        "nobody was signed in here: {}",
        page.body
    );
    app.done().await;
}

#[tokio::test]
async fn an_operator_ends_all_that_a_person_has_at_auth0() {
    let (op, app) = auth0().await;
    let (phone, desk, bob) = (app.browser(), app.browser(), app.browser());
    op.sign_in(&phone, &at("auth0|alice", "s-1")).await;
    op.sign_in(&desk, &at("auth0|alice", "s-2")).await;
    op.sign_in(&bob, &at("auth0|bob", "s-3")).await;
    let operator = app.api("operator").await;
    let wanted = json!({"openid_subject": {"provider": "auth0", "sub": "auth0|alice"}});
    assert_eq!(problem(&app.api_of("shop").await.post(LOGOUTS, wanted.clone()).await).0, 403);
    let started = operator.post(LOGOUTS, wanted).await;
    assert_eq!(started.status, 201, "{}", started.body);
    assert_eq!(started.json()["logouts"].as_array().unwrap().len(), 3, "two here, and the person there");
    assert!(!phone.is_signed_in().await && !desk.is_signed_in().await && bob.is_signed_in().await);
    app.work().await;
    let person =
        op.asked().iter().filter(|path| path.ends_with("/users/auth0%7Calice/revoke-access")).count();
    assert_eq!((op.revocations(), person), (2, 1));
    let legs = "select count(*) from logout_leg where state <> 'confirmed'";
    assert_eq!(app.count(legs).await, 0);
    // What was issued before does not come in; what the person does afterwards does.
    let before = op.begin(&app.browser(), &at("auth0|alice", "s-4"), |_| {}).await;
    assert_eq!(app.browser().get_from_elsewhere(&before).await.status, 400);
    app.advance(TimeDelta::seconds(2));
    op.sign_in(&app.browser(), &at("auth0|alice", "s-5")).await;
    let nobody = json!({"openid_subject": {"provider": "another", "sub": "x"}});
    assert_eq!(problem(&operator.post(LOGOUTS, nobody).await).0, 422);
    app.done().await;
}

#[tokio::test]
async fn where_access_cannot_be_revoked_the_sessions_alone_are_and_not_found_proves_nothing() {
    let (op, app) = auth0().await;
    let operator = app.api("operator").await;
    op.answer_revocation(Revocation::Status(404, None));
    op.set_lag(1_000_000);
    let wanted = json!({"openid_subject": {"provider": op.issuer, "sub": "auth0|alice"}});
    let started = operator.post(LOGOUTS, wanted).await.json();
    assert_eq!(leg_of(&app, &started).await, "queued", "accepted is not done");
    let asked = op.asked();
    let of_alice: Vec<_> =
        asked.iter().filter_map(|path| path.strip_prefix("/api/v2/users/auth0%7Calice/")).collect();
    assert_eq!(of_alice[..2], ["revoke-access", "sessions"]);
    op.set_lag(0);
    app.advance(TimeDelta::minutes(1));
    app.work().await;
    assert_eq!(leg_of(&app, &started).await, "confirmed");
    app.done().await;
}
