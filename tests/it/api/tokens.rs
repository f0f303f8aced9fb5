//! `/api/v1/tokens`.

use serde_json::json;

use super::problem;
use crate::support::app::TestApp;

const PATH: &str = "/api/v1/tokens";

#[tokio::test]
async fn a_token_is_shown_once_listed_and_revoked() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    app.add_application("shop", "pull", "pairwise").await;
    let body = json!({ "name": "shop's", "role": "application", "application": "shop" });
    let made = admin.post(PATH, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("signoff_") && secret.len() == 51);
    let list = admin.get(PATH).await;
    assert!(!list.body.contains(secret), "never again");
    let page = admin.get(&format!("{PATH}?limit=1")).await.json();
    let next = page["next"].as_str().unwrap();
    let page = admin.get(&format!("{PATH}?limit=1&after={next}")).await.json();
    assert_eq!(page["tokens"][0]["application"], "shop");
    let id = made["token"]["id"].as_i64().unwrap();
    for _ in 0..2 {
        assert_eq!(admin.delete(&format!("{PATH}/{id}")).await.status, 204);
    }
    assert_eq!(admin.delete(&format!("{PATH}/4711")).await.status, 404);
    let hashes: Vec<Vec<u8>> =
        sqlx::query_scalar("select token_hash from api_token").fetch_all(&app.pool).await.unwrap();
    assert!(hashes.iter().all(|hash| hash.len() == 32));
    let audited = app.audit().await;
    assert_eq!(audited.iter().filter(|(_, rule)| rule == "API-WRITE").count(), 3);
    app.done().await;
}

#[tokio::test]
async fn a_token_is_of_a_known_role_and_of_an_application_where_that_is_its_role() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    for (body, field) in [
        (json!({ "name": "x", "role": "root" }), "role"),
        (json!({ "name": "x", "role": "application" }), "application"),
        (json!({ "name": "x", "role": "application", "application": "none" }), "application"),
        (json!({ "name": "x", "role": "admin", "application": "none" }), "application"),
        (json!({ "name": "", "role": "admin" }), "name"),
        (json!({ "name": "a\nb", "role": "admin" }), "name"),
        (json!({ "name": "x", "role": "admin", "expires_at": "2026-11-23T12:00:00Z" }), "expires_at"),
        (json!({ "name": "x", "role": "admin", "expires_at": "tomorrow" }), "body"),
    ] {
        let reply = admin.post(PATH, body.clone()).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!(field)), "{body}");
    }
    assert_eq!(app.count("select count(*) from api_token").await, 1);
    app.done().await;
}
