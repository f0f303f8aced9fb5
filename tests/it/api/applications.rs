//! `/api/v1/applications`: read by operators, written by admins.

use serde_json::json;

use super::{problem, session_id};
use crate::support::app::TestApp;
use crate::support::story::Scene;

const PATH: &str = "/api/v1/applications";

#[tokio::test]
async fn an_application_is_registered_once_shown_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    let body = json!({
        "id": "shop",
        "form": "webhook",
        "url": "http://127.0.0.1:9/hook",
        "origins": ["https://shop.example"],
    });
    let made = admin.post_once(PATH, "k", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), Some("/api/v1/applications/shop"));
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(admin.post_once(PATH, "k", body.clone()).await.body, made.body, "the secret was not lost");
    assert_eq!(problem(&admin.post(PATH, body).await), (409, "conflict".to_owned()));
    let operator = app.api("operator").await;
    let one = format!("{PATH}/shop");
    for reply in [operator.get(PATH).await, operator.get(&one).await] {
        assert!(reply.status == 200 && !reply.body.contains("whsec_"), "{}", reply.body);
    }
    let changed = admin.patch(&one, json!({ "name": "The shop", "counts_for_success": true })).await;
    assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("The shop")), "{}", changed.body);
    assert_eq!(changed.json()["origins"], json!(["https://shop.example"]), "what is left out stays");
    let details: Vec<String> = sqlx::query_scalar("select detail from audit where rule = 'application'")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert!(details.len() == 2 && details.iter().all(|detail| detail.starts_with("token ")), "{details:?}");
    // Its tokens go with it.
    let shop = app.api_token("application", Some("shop")).await;
    assert_eq!(shop.get("/api/v1/deliveries").await.status, 200);
    assert_eq!(admin.delete(&one).await.status, 204);
    assert_eq!(shop.get("/api/v1/deliveries").await.status, 401);
    assert_eq!(problem(&admin.delete(&one).await).0, 404);
    app.done().await;
}

#[tokio::test]
async fn what_cannot_be_told_is_not_registered() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    for (body, field) in [
        (json!({ "id": "Shop", "form": "pull" }), "id"),
        (json!({ "id": "shop", "form": "carrier-pigeon" }), "body"),
        (json!({ "id": "shop", "form": "webhook" }), "url"),
        (json!({ "id": "shop", "form": "webhook", "url": "http://169.254.169.254/" }), "url"),
        (json!({ "id": "shop", "form": "pull", "origins": ["https://a.example/x"] }), "origins"),
        (json!({ "id": "shop", "form": "pull", "counts_for_success": true }), "counts_for_success"),
        (json!({ "id": "shop", "form": "pull", "secret": "mine" }), "body"),
    ] {
        let reply = admin.post(PATH, body.clone()).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(app.count("select count(*) from application").await, 0);
    assert_eq!(problem(&admin.get(&format!("{PATH}/none")).await).0, 404);
    assert_eq!(problem(&admin.patch(&format!("{PATH}/none"), json!({ "name": "x" })).await).0, 404);
    app.done().await;
}

#[tokio::test]
async fn where_a_registered_application_lives_a_sign_out_may_end_at_once() {
    let scene = Scene::new().await;
    let admin = scene.app.api("admin").await;
    let body = json!({ "id": "shop", "form": "pull", "logout_urls": ["https://*.shop.example/bye"] });
    assert_eq!(admin.post(PATH, body).await.status, 201);
    let id = session_id(&scene.alice).await;
    for (target, status) in [("https://a.b.shop.example/bye", 422), ("https://a.shop.example/bye", 201)] {
        let body = json!({ "session": id, "return_to": target });
        assert_eq!(admin.post("/api/v1/logouts", body).await.status, status, "{target}");
    }
    scene.done().await;
}
