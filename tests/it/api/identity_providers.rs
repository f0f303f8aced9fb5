//! `/api/v1/identity-providers`: read by operators, written by admins.

use serde_json::json;

use super::problem;
use crate::support::app::TestApp;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::messages::Name;
use crate::support::metadata::Metadata;

const PATH: &str = "/api/v1/identity-providers";

#[tokio::test]
async fn metadata_is_imported_shown_switched_and_effective_at_once() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    let idp = crate::support::idp::Idp::new("idp-a", &RSA_A, app.sp.clone(), app.clock.clone());
    let body = json!({ "metadata": idp.metadata().xml(), "slug": "idp-a" });
    let imported = admin.post_once(PATH, "k", body.clone()).await;
    assert_eq!(imported.status, 201, "{}", imported.body);
    assert_eq!(imported.header("location"), Some("/api/v1/identity-providers/idp-a"));
    assert_eq!(imported.json()["identity_providers"][0]["change"], "new");
    assert_eq!(admin.post_once(PATH, "k", body.clone()).await.body, imported.body);
    assert_eq!(admin.post(PATH, body).await.json()["identity_providers"][0]["change"], "unchanged");

    let name = Name::email("alice@example.org");
    let arrive =
        async || app.browser().bring(&idp.response(None, &name, "1").signed(idp.key), None).await.status;
    assert_eq!(arrive().await, 400, "unsolicited is off");
    let one = format!("{PATH}/idp-a");
    let changed = admin.patch(&one, json!({ "switches": { "allow_unsolicited": true } })).await;
    assert_eq!((changed.status, &changed.json()["switches"]["allow_unsolicited"]), (200, &json!(true)));
    assert_eq!(arrive().await, 303);
    let changed = admin.patch(&one, json!({ "switches": { "auth0_pending": "success" } })).await;
    assert_eq!((changed.status, &changed.json()["switches"]["auth0_pending"]), (200, &json!("success")));
    let refused = admin.patch(&one, json!({ "switches": { "auth0_pending": true } })).await;
    assert_eq!(problem(&refused).0, 422);
    assert_eq!(admin.patch(&one, json!({ "enabled": false })).await.json()["enabled"], false);
    assert_eq!(arrive().await, 400);
    let operator = app.api("operator").await;
    assert_eq!(operator.get(&one).await.json()["enabled"], false);
    assert_eq!(operator.get(PATH).await.json()["identity_providers"].as_array().unwrap().len(), 1);
    let by_entity_id = format!("{PATH}/{}", idp.entity_id.replace(':', "%3A").replace('/', "%2F"));
    assert_eq!(operator.get(&by_entity_id).await.json()["slug"], "idp-a");
    let audited =
        "select count(*) from audit where rule = 'API-WRITE' and detail like '%identity provider idp-a%'";
    assert_eq!(app.count(audited).await, 4);
    app.done().await;
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_whole() {
    let app = TestApp::start().await;
    app.idp("idp-a", &RSA_A).await;
    let admin = app.api("admin").await;
    let good = Metadata::of("https://idp-b.example/metadata", "https://idp-b.example", &RSA_B).xml();
    for (body, status, field) in [
        (json!({ "metadata": "<x/>" }), 422, json!("metadata")),
        (json!({ "metadata": good, "slug": "Not A Slug" }), 422, json!("slug")),
        (json!({ "metadata": good, "slug": "idp-a" }), 409, json!(null)),
    ] {
        let reply = admin.post(PATH, body).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (status, &field), "{}", reply.body);
    }
    let one = format!("{PATH}/idp-a");
    let body = json!({ "enabled": false, "switches": { "allow_sha1": true, "verify": false } });
    let reply = admin.patch(&one, body).await;
    assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!("switches")));
    let shown = admin.get(&one).await.json();
    assert_eq!((&shown["enabled"], &shown["switches"]["allow_sha1"]), (&json!(true), &json!(false)));
    assert_eq!(problem(&admin.patch(&format!("{PATH}/none"), json!({})).await).0, 404);
    assert_eq!(problem(&admin.get(&format!("{PATH}/none")).await).0, 404);
    app.done().await;
}

#[tokio::test]
async fn a_large_document_has_more_room_than_other_bodies() {
    let app = TestApp::start().await;
    let admin = app.api("admin").await;
    let padding = |length| json!({ "metadata": format!("<!--{}-->", "x".repeat(length)) });
    assert_eq!(problem(&admin.post(PATH, padding(100 * 1024)).await).0, 422, "read");
    assert_eq!(problem(&admin.post(PATH, padding(1024 * 1024)).await).0, 413);
    app.done().await;
}
