//! The main job: sign in, be told, sign out.

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::dsig::{EC_256, EC_384, RSA_A};
use crate::support::http::send;
use crate::support::messages::Name;
use crate::support::story::{INDEX, Scene, Via};

#[tokio::test]
async fn a_person_signs_in_and_out_over_redirect() {
    let scene = Scene::new().await;
    let request = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    assert_eq!((request.binding, request.name()), ("redirect", scene.name.clone()));
    assert_eq!(request.session_indexes(), [INDEX]);
    assert_eq!(request.url, "https://idp-a.example/slo");
    let answer = scene.idp.logout_response(&request, &["Success"]);
    let reply = scene.alice.bring_answer(&scene.idp, &answer, request.relay_state.as_deref()).await;
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    assert_eq!(scene.app.count("select count(*) from logout where finished_at is not null").await, 1);
    // And in again.
    scene.app.advance(TimeDelta::seconds(1));
    scene.alice.sign_in(&scene.idp, &scene.name, "s-2").await;
    assert!(scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn a_person_signs_in_and_out_over_post() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &EC_256, |mut metadata| {
            metadata.sso = metadata.sso.split_inclusive("/>").nth(1).unwrap().to_owned();
            metadata.without_slo().slo("HTTP-POST", "https://idp-a.example/slo/post", None)
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let request = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    assert_eq!((request.binding, request.url.as_str()), ("post", "https://idp-a.example/slo/post"));
    let answer = scene.idp.logout_response(&request, &["Success"]);
    let reply = scene.alice.bring_answer_by_post(&scene.idp, &answer, request.relay_state.as_deref()).await;
    assert_eq!(scene.alice.follow(reply).await.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn the_idp_says_over_by_each_binding_with_each_kind_of_key() {
    for key in [&RSA_A, &EC_256, &EC_384] {
        for via in Via::ALL {
            let scene = Scene::with_key(key).await;
            scene.assert_right_one_works(via).await;
            scene.done().await;
        }
    }
}

#[tokio::test]
async fn the_session_is_told_about_and_so_is_its_end() {
    let scene = Scene::new().await;
    let reply = scene.alice.get("/session").await;
    assert!(reply.header("cache-control").unwrap().contains("no-store"));
    let session = reply.json();
    assert_eq!(session["authentications"][0]["idp"], scene.idp.entity_id);
    assert_eq!(session["authentications"][0]["session_indexes"], serde_json::json!([INDEX]));
    for key in ["session_id", "created_at", "expires_at"] {
        assert!(session[key].is_string(), "{key}: {session}");
    }
    assert!(
        scene.alice.get("/").await.body.contains("sign out")
            || scene.alice.get("/").await.body.contains("Sign out")
    );
    scene.assert_right_one_works(Via::Soap).await;
    let stranger =
        send(&scene.app.authority, "GET", "/session", &[("Cookie", "signoff=nonsense")], None).await;
    assert_eq!((stranger.status, stranger.json()), (401, serde_json::json!({"active": false})));
    scene.done().await;
}

#[tokio::test]
async fn health_is_told() {
    let app = TestApp::start().await;
    assert_eq!(app.browser().get("/healthz").await.status, 200);
    let ready = app.browser().get("/readyz").await;
    assert_eq!(ready.json()["database"], true, "{}", ready.body);
    assert_eq!(ready.json()["migrations"], true);
    assert_eq!(ready.json()["signing_key"], true);
    app.database.shut().await;
    let ready = app.browser().get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["database"], false);
    assert_eq!(app.browser().get("/healthz").await.status, 200);
    app.database.reopen().await;
    app.done().await;
}

#[tokio::test]
async fn what_is_not_built_yet_is_not_there() {
    let app = TestApp::start().await;
    for path in ["/admin", "/nowhere"] {
        assert_eq!(app.browser().get(path).await.status, 404, "{path}");
    }
    app.done().await;
}

#[tokio::test]
async fn two_browsers_of_one_person_are_two_sessions() {
    let scene = Scene::new().await;
    let phone = scene.app.browser();
    phone.sign_in(&scene.idp, &scene.name, "phone").await;
    scene.alice.sign_out().await;
    assert!(!scene.alice.is_signed_in().await);
    assert!(phone.is_signed_in().await, "the person signed out in one browser");
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    assert!(bob.is_signed_in().await);
    scene.done().await;
}
