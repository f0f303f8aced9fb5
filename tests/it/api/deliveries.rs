//! `/api/v1/deliveries`: an application sees its own.

use serde_json::json;

use super::{assert_looks_unknown, problem, session_id};
use crate::support::story::Scene;

const PATH: &str = "/api/v1/deliveries";

#[tokio::test]
async fn an_application_reads_its_own_deliveries_and_an_operator_all() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    scene.app.add_application("shop", "webhook", "pairwise").await;
    let shop = scene.app.api_token("application", Some("shop")).await;
    let wiki = scene.app.api_of("wiki").await;
    shop.register(&id).await;
    wiki.register(&id).await;
    scene.alice.sign_out_here().await;
    let all = scene.app.api("operator").await.get(PATH).await.json();
    assert_eq!(all["deliveries"].as_array().unwrap().len(), 2);
    let number = |api: &serde_json::Value| api["deliveries"][0]["id"].as_i64().unwrap();
    let mine = shop.get(PATH).await.json();
    assert_eq!(
        (&mine["deliveries"][0]["application"], mine["deliveries"].as_array().unwrap().len()),
        (&json!("shop"), 1)
    );
    let theirs = wiki.get(PATH).await.json();
    assert_eq!(theirs["deliveries"][0]["application"], "wiki");
    assert_eq!(shop.get(&format!("{PATH}/{}", number(&mine))).await.json()["session_id"], id.as_str());
    assert_looks_unknown(&shop, &shop.get(&format!("{PATH}/{}", number(&theirs))).await).await;
    assert_looks_unknown(&shop, &shop.get(&format!("{PATH}?application=wiki")).await).await;
    assert_looks_unknown(&shop, &shop.get(&format!("{PATH}?application=none")).await).await;
    assert_eq!(shop.get(&format!("{PATH}?application=shop")).await.status, 200);
    let operator = scene.app.api("operator").await;
    let one = operator.get(&format!("{PATH}?application=wiki&limit=1")).await.json();
    assert_eq!(number(&one), number(&theirs));
    assert_eq!(problem(&operator.get(&format!("{PATH}?application=none")).await).0, 422);
    let next = operator.get(&format!("{PATH}?limit=1")).await.json()["next"].as_str().unwrap().to_owned();
    let rest = operator.get(&format!("{PATH}?limit=5&after={next}")).await.json();
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 1);
    scene.done().await;
}

#[tokio::test]
async fn an_operator_has_an_application_told_again() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    scene.app.add_application("shop", "webhook", "pairwise").await;
    let shop = scene.app.api_token("application", Some("shop")).await;
    let wiki = scene.app.api_of("wiki").await;
    shop.register(&id).await;
    wiki.register(&id).await;
    scene.alice.sign_out_here().await;
    sqlx::query("update notification set state = 'dead' where state = 'pending'")
        .execute(&scene.app.pool)
        .await
        .unwrap();
    let operator = scene.app.api("operator").await;
    for (caller, state) in [(&shop, "pending"), (&wiki, "none")] {
        let number = caller.get(PATH).await.json()["deliveries"][0]["id"].as_i64().unwrap();
        let path = format!("{PATH}/{number}/retry");
        assert_looks_unknown(caller, &caller.send("POST", &path, &[], None).await).await;
        let reply = operator.send("POST", &path, &[], None).await;
        if state == "pending" {
            assert_eq!((reply.status, &reply.json()["state"]), (200, &json!("pending")), "{}", reply.body);
        } else {
            assert_eq!(problem(&reply), (409, "conflict".to_owned()), "it reads the feed");
        }
    }
    assert_looks_unknown(&operator, &operator.post(&format!("{PATH}/4711/retry"), json!({})).await).await;
    let audited =
        "select count(*) from audit where rule = 'API-WRITE' and detail like '%told again: delivery%'";
    assert_eq!(scene.app.count(audited).await, 1, "only what was done");
    scene.done().await;
}
