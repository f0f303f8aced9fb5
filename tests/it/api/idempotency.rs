//! A POST that is repeated with its key is done once.

use chrono::TimeDelta;
use serde_json::json;

use super::{problem, session_id};
use crate::support::story::Scene;

const SESSIONS: &str = "/api/v1/sessions";
const LOGOUTS: &str = "/api/v1/logouts";

#[tokio::test]
async fn a_repeated_request_is_answered_alike_and_done_once() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let body = json!({ "session": id });
    let first = shop.post_once(SESSIONS, "k-1", body.clone()).await;
    let again = shop.post_once(SESSIONS, "k-1", body.clone()).await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!((again.status, again.header("location")), (201, first.header("location")));
    assert_eq!(scene.app.count("select count(*) from participation").await, 1);

    // The one-time address too: the first answer may have been lost.
    let first = shop.post_once(LOGOUTS, "k-1", body.clone()).await;
    assert_eq!(first.status, 201, "another route, another key: {}", first.body);
    let again = shop.post_once(LOGOUTS, "k-1", body.clone()).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert!(!first.json()["continue_url"].is_null());
    assert_eq!(shop.post(LOGOUTS, body).await.status, 200, "without the key it is a new question");
    scene.done().await;
}

#[tokio::test]
async fn a_key_belongs_to_one_token_one_route_one_body_and_a_day() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let (shop, wiki) = (scene.app.api_of("shop").await, scene.app.api_of("wiki").await);
    let body = json!({ "session": id });
    assert_eq!(shop.post_once(SESSIONS, "k", body.clone()).await.status, 201);
    let other = json!({ "session": id, "reference": "x" });
    let reply = shop.post_once(SESSIONS, "k", other.clone()).await;
    assert_eq!(problem(&reply), (422, "unprocessable".to_owned()));
    assert_eq!(reply.json()["field"], "Idempotency-Key");
    assert_eq!(wiki.post_once(SESSIONS, "k", other.clone()).await.status, 201, "another token");
    assert_eq!(scene.app.count("select count(*) from participation").await, 2);
    let lives = "select count(*) from idempotency_key";
    scene.app.advance(TimeDelta::hours(1));
    scene.app.work().await;
    assert_eq!(scene.app.count(lives).await, 2);
    // The session is over by then: the same key is a new question, and gets a new answer.
    scene.app.advance(TimeDelta::hours(23));
    assert_eq!(problem(&shop.post_once(SESSIONS, "k", other).await), (409, "conflict".to_owned()));
    scene.app.work().await;
    assert_eq!(scene.app.count(lives).await, 0);
    scene.done().await;
}

#[tokio::test]
async fn while_the_first_is_being_worked_on_the_second_is_told_so() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let mut first = scene.app.pool.begin().await.unwrap();
    sqlx::query(
        "insert into idempotency_key (token_id, route, key, body_digest, status, body, until)
         select id, 'POST /api/v1/sessions', 'k', sha256(''), 0, '', $1 from api_token",
    )
    .bind(scene.app.now() + TimeDelta::hours(24))
    .execute(&mut *first)
    .await
    .unwrap();
    let body = json!({ "session": id });
    let reply = shop.post_once(SESSIONS, "k", body.clone()).await;
    assert_eq!(problem(&reply), (409, "in-flight".to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(shop.post_once(SESSIONS, "other", body.clone()).await.status, 201);
    // It failed: nothing was done, so the key is free.
    first.rollback().await.unwrap();
    assert_eq!(shop.post_once(SESSIONS, "k", body).await.status, 201);
    scene.done().await;
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (shop, body) = (shop.clone(), json!({ "session": id }));
        tasks.spawn(async move { shop.post_once(SESSIONS, "k", body).await });
    }
    let mut bodies = std::collections::BTreeSet::new();
    while let Some(reply) = tasks.join_next().await {
        let reply = reply.unwrap();
        match reply.status {
            201 => {
                bodies.insert(reply.body);
            }
            status => assert_eq!(status, 409, "{}", reply.body),
        }
    }
    assert_eq!(bodies.len(), 1);
    assert_eq!(scene.app.count("select count(*) from participation").await, 1);
    scene.done().await;
}

#[tokio::test]
async fn a_refused_request_uses_no_key_up() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let body = json!({ "session": id });
    assert_eq!(shop.post_once(LOGOUTS, "k", body.clone()).await.status, 404, "takes no part yet");
    shop.register(&id).await;
    assert_eq!(shop.post_once(LOGOUTS, "k", body).await.status, 201);
    scene.done().await;
}

#[tokio::test]
async fn a_key_is_short_printable_and_sent_once() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let body = json!({ "session": id }).to_string();
    let long = "k".repeat(256);
    for keys in [&[""][..], &[long.as_str()], &["caf\u{e9}"], &["a", "a"]] {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(keys.iter().map(|key| ("Idempotency-Key", *key)));
        let reply = shop.send("POST", SESSIONS, &headers, Some(body.as_bytes())).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!("Idempotency-Key")), "{keys:?}");
    }
    scene.done().await;
}

#[tokio::test]
async fn an_answer_that_holds_a_secret_is_not_readable_in_the_database() {
    let scene = Scene::new().await;
    let admin = scene.app.api("admin").await;
    let body = json!({ "name": "ci", "role": "operator" });
    let made = admin.post_once("/api/v1/tokens", "k", body.clone()).await;
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(admin.post_once("/api/v1/tokens", "k", body).await.json()["secret"], secret.as_str());
    let kept: Vec<u8> =
        sqlx::query_scalar("select body from idempotency_key").fetch_one(&scene.app.pool).await.unwrap();
    let text = String::from_utf8_lossy(&kept);
    assert!(!text.contains("signoff_") && !text.contains(&secret[8..20]));
    scene.done().await;
}

#[tokio::test]
async fn any_node_knows_what_another_has_done() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let here = scene.app.api_of("shop").await;
    let node = scene.app.second_node().await;
    let there = here.at(&node.authority);
    let body = json!({ "session": id });
    let first = here.post_once(SESSIONS, "k", body.clone()).await;
    let again = there.post_once(SESSIONS, "k", body).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(scene.app.count("select count(*) from participation").await, 1);
    scene.done().await;
}
