//! `/api/v1/identity-providers`: read by operators, written by admins.

use serde_json::json;

use super::problem;
use crate::support::app::TestApp;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::http::send;
use crate::support::messages::Name;
use crate::support::metadata::Metadata;
use crate::support::story::{Via, send_request};

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

#[tokio::test]
async fn a_removed_one_is_known_to_nobody_and_what_rests_on_it_is_over() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let node = app.second_node().await;
    let (alice, bob) = (app.browser(), app.browser());
    alice.sign_in(&a, &Name::email("alice@example.org"), "1").await;
    // Over there she has another identity provider as well: the session ends whole, and that one is told.
    alice.sign_in(&b, &Name::email("alice@example.org"), "2").await;
    bob.sign_in(&b, &Name::email("bob@example.org"), "3").await;
    let (admin, operator) = (app.api("admin").await, app.api("operator").await);
    let one = format!("{PATH}/idp-a");
    assert_eq!(problem(&operator.delete(&one).await), (403, "forbidden".to_owned()));
    assert_eq!(problem(&admin.delete(&format!("{PATH}/none")).await).0, 404);
    assert!(alice.is_signed_in().await);
    let removed = admin.delete(&one).await;
    assert_eq!((removed.status, removed.json()), (200, json!({ "sessions_ended": 1, "complete": true })));
    assert!(!alice.is_signed_in().await && bob.is_signed_in().await);
    let legs: Vec<(String, String)> = sqlx::query_as(
        "select split_part(i.slug, '.', 1), l.state from logout_leg l join identity_provider i on i.id = l.idp_id
          order by 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let told = |idp: &str, state: &str| (idp.to_owned(), state.to_owned());
    assert_eq!(legs, [told("idp-a", "no_endpoint"), told("idp-b", "waiting_browser")]);

    // Nobody knows it, here or at another node, whatever it says.
    assert_eq!(problem(&admin.get(&one).await).0, 404);
    assert_eq!(problem(&admin.delete(&one).await).0, 404);
    assert_eq!(problem(&admin.patch(&one, json!({ "enabled": true })).await).0, 404);
    let list = admin.get(PATH).await.json();
    assert_eq!(list["identity_providers"].as_array().unwrap().len(), 1);
    let name = Name::email("alice@example.org");
    for authority in [&app.authority, &node.authority] {
        let request = a.logout_request(&name, &["1"]);
        let answer = send_request(authority, &a, Via::Post, &request, None).await;
        answer.assert_plain(403, 403);
        assert_ne!(send(authority, "GET", "/saml/login?idp=idp-a", &[], None).await.status, 302);
    }
    let audited = "select count(*) from audit where rule = 'API-WRITE' and detail like '%removed identity provider idp-a (%'";
    assert_eq!(app.count(audited).await, 1);

    // Imported again it is as if it were new: its old sessions stay over.
    app.import(&a, &a.metadata()).await;
    assert!(!alice.is_signed_in().await);
    app.browser().sign_in(&a, &name, "4").await;
    app.done().await;
}

#[tokio::test]
async fn a_sign_in_that_had_begun_does_not_outlive_the_removal() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let alice = app.browser();
    let request = alice.begin_sign_in(&idp).await;
    assert_eq!(app.api("admin").await.delete(&format!("{PATH}/idp-a")).await.status, 200);
    let response = idp.response(Some(request.id()), &Name::email("alice@example.org"), "1");
    let reply = alice.bring(&response.signed(idp.key), request.relay_state.as_deref()).await;
    assert_ne!(reply.status, 303, "{}", reply.body);
    assert!(!alice.is_signed_in().await);
    app.done().await;
}
