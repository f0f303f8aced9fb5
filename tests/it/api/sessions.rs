//! `/api/v1/sessions`: who sees, registers, ends what.

use serde_json::json;

use super::{assert_looks_unknown, problem, session_id};
use crate::support::app::TestApp;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::messages::Name;
use crate::support::story::Scene;

#[tokio::test]
async fn operators_list_sessions_page_by_page_and_by_what_they_rest_on() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let mut browsers = Vec::new();
    for number in 0..5 {
        let browser = app.browser();
        let idp = if number == 4 { &b } else { &a };
        browser.arrive(idp, &Name::email(&format!("p{number}@example.org")), "1").await;
        browsers.push(browser);
    }
    browsers[0].sign_out_here().await;
    let operator = app.api("operator").await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/sessions?limit=2".to_owned();
    loop {
        let page = operator.get(&path).await.json();
        for session in page["sessions"].as_array().unwrap() {
            seen.push(session["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/sessions?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[0], session_id(&browsers[4]).await, "the newest first");
    let count = async |query: &str| {
        let page = operator.get(&format!("/api/v1/sessions?{query}")).await;
        assert!(!page.body.contains("example.org/") && !page.body.contains("p1@"), "names nobody");
        page.json()["sessions"].as_array().unwrap().len()
    };
    assert_eq!(count("active=true").await, 4);
    assert_eq!(count("identity_provider=idp-b").await, 1);
    assert_eq!(count("identity_provider=idp-a&active=true").await, 3);
    // A cursor of one list is none of another.
    let cursor = operator.get("/api/v1/sessions?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(operator.get(&format!("/api/v1/logouts?after={cursor}")).await.status, 422);
    app.done().await;
}

#[tokio::test]
async fn an_application_sees_a_session_once_it_takes_part_and_others_never() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let (shop, wiki) = (scene.app.api_of("shop").await, scene.app.api_of("wiki").await);
    let path = format!("/api/v1/sessions/{id}");
    assert_looks_unknown(&shop, &shop.get(&path).await).await;
    let own = shop.register(&id).await;
    let seen = shop.get(&path).await.json();
    assert_eq!((&seen["kind"], &seen["active"]), (&json!("session"), &json!(true)));
    assert_eq!(seen["application_sessions"][0]["id"], own.as_str());
    assert_eq!(seen["authentications"][0]["identity_provider"], "idp-a");
    assert!(seen["authentications"][0]["name_id"].is_null(), "told no NameID");
    assert!(!seen.to_string().contains("alice"));
    let mine = shop.get(&format!("/api/v1/sessions/{own}")).await.json();
    assert_eq!((&mine["kind"], &mine["session"]), (&json!("application_session"), &json!(id)));
    for path in [path.clone(), format!("/api/v1/sessions/{own}")] {
        assert_looks_unknown(&wiki, &wiki.get(&path).await).await;
        assert_looks_unknown(&wiki, &wiki.delete(&path).await).await;
    }
    // What belongs to another application is not shown to one that takes part.
    wiki.register(&id).await;
    let seen = wiki.get(&path).await.json();
    assert_eq!(seen["application_sessions"].as_array().unwrap().len(), 1);
    let operator = scene.app.api("operator").await;
    let seen = operator.get(&path).await.json();
    assert_eq!(seen["application_sessions"].as_array().unwrap().len(), 2);
    assert_eq!(seen["authentications"][0]["name_id"]["value"], "alice@example.org");
    scene.done().await;
}

#[tokio::test]
async fn an_application_that_is_registered_for_the_name_is_told_it() {
    let scene = Scene::new().await;
    scene.app.add_application("hr", "pull", "name-id").await;
    let hr = scene.app.api_token("application", Some("hr")).await;
    let id = session_id(&scene.alice).await;
    hr.register(&id).await;
    let seen = hr.get(&format!("/api/v1/sessions/{id}")).await.json();
    assert_eq!(seen["authentications"][0]["name_id"]["value"], "alice@example.org");
    scene.done().await;
}

#[tokio::test]
async fn what_is_registered_is_told_of_the_end_and_nothing_is_registered_under_what_is_over() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let body = json!({ "session": id, "reference": "cart 7" });
    let reply = shop.post("/api/v1/sessions", body.clone()).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let own = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(format!("/api/v1/sessions/{own}").as_str()));
    assert_eq!(reply.json()["application_sessions"][0]["reference"], "cart 7");
    scene.alice.sign_out_here().await;
    let told: (String, Vec<String>, String) =
        sqlx::query_as("select sid, participations, reason from notification")
            .fetch_one(&scene.app.pool)
            .await
            .unwrap();
    assert_eq!(told, (id.clone(), vec![own.clone()], "person".to_owned()));
    assert_eq!(problem(&shop.post("/api/v1/sessions", body).await), (409, "conflict".to_owned()));
    let mine = shop.get(&format!("/api/v1/sessions/{own}")).await.json();
    assert_eq!((&mine["active"], &mine["end_reason"]), (&json!(false), &json!("person")));
    scene.done().await;
}

#[tokio::test]
async fn a_session_is_registered_only_by_an_application_under_one_that_it_can_name() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let path = "/api/v1/sessions";
    for role in ["operator", "admin"] {
        let reply = scene.app.api(role).await.post(path, json!({ "session": id })).await;
        assert_eq!(problem(&reply), (403, "forbidden".to_owned()), "{role}");
    }
    // Neither the cookie nor a made-up name opens anything.
    let cookie = scene.alice.cookie("signoff").unwrap().value;
    for wrong in [cookie.as_str(), "AAAAAAAAAAAAAAAAAAAAAA", ""] {
        let reply = shop.post(path, json!({ "session": wrong })).await;
        assert_looks_unknown(&shop, &reply).await;
    }
    for (body, field) in [
        (json!({ "issuer": "https://tenant.auth0.com/", "sid": "x" }), "issuer"),
        (json!({ "issuer": "https://tenant.auth0.com/" }), "session"),
        (json!({ "session": id, "issuer": "https://x/", "sid": "x" }), "session"),
        (json!({ "session": id, "name_id": { "value": "bob" } }), "name_id"),
        (json!({ "session": id, "session_indexes": ["1"] }), "session_indexes"),
        (json!({ "session": id, "reference": "" }), "reference"),
        (json!({ "session": id, "reference": "x".repeat(257) }), "reference"),
    ] {
        let reply = shop.post(path, body.clone()).await;
        assert_eq!(problem(&reply).0, 422, "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    assert_eq!(scene.app.count("select count(*) from participation").await, 0);
    scene.done().await;
}

#[tokio::test]
async fn slo_46_an_end_over_the_api_ends_everything_and_repeated_tells_of_the_same_logout() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    shop.register(&id).await;
    let path = format!("/api/v1/sessions/{id}");
    let first = shop.delete(&path).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert!(!scene.alice.is_signed_in().await);
    let first = first.json();
    assert_eq!(
        (&first["session"]["active"], &first["session"]["end_reason"]),
        (&json!(false), &json!("application"))
    );
    assert_eq!(first["logout"]["trigger"], "application");
    assert_eq!(first["logout"]["identity_providers"][0]["state"], "confirmed", "told over SOAP");
    assert_eq!(first["logout"]["applications"][0]["application"], "shop");
    assert_eq!(scene.idp.soap.as_ref().unwrap().calls().len(), 1);
    let again = shop.delete(&path).await.json();
    assert_eq!(again["logout"], first["logout"], "a repeated DELETE returns the same logout");
    assert_eq!(scene.app.count("select count(*) from logout").await, 1);
    let number = first["logout"]["id"].as_i64().unwrap();
    assert_eq!(shop.get(&format!("/api/v1/logouts/{number}")).await.json(), first["logout"]);
    scene.done().await;
}

#[tokio::test]
async fn who_ends_a_session_is_written_down() {
    for (role, reason) in [("operator", "operator"), ("admin", "admin")] {
        let scene = Scene::new().await;
        let id = session_id(&scene.alice).await;
        let api = scene.app.api(role).await;
        let ended = api.delete(&format!("/api/v1/sessions/{id}")).await.json();
        assert_eq!(ended["session"]["end_reason"], reason);
        assert_eq!(ended["logout"]["identity_providers"][0]["state"], "waiting_browser");
        let detail: String = sqlx::query_scalar("select detail from audit where rule = 'SLO-46'")
            .fetch_one(&scene.app.pool)
            .await
            .unwrap();
        assert!(detail.starts_with("token ") && !detail.contains("alice"), "{detail}");
        scene.done().await;
    }
}

#[tokio::test]
async fn an_application_ends_its_own_session_alone() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    let (own, other) = (shop.register(&id).await, shop.register(&id).await);
    let path = format!("/api/v1/sessions/{own}");
    let ended = shop.delete(&path).await.json();
    assert_eq!((&ended["session"]["active"], &ended["logout"]), (&json!(false), &json!(null)));
    assert!(scene.alice.is_signed_in().await, "the person stays");
    assert_eq!(shop.delete(&path).await.json(), ended);
    scene.alice.sign_out_here().await;
    let told: Vec<String> = sqlx::query_scalar("select unnest(participations) from notification")
        .fetch_all(&scene.app.pool)
        .await
        .unwrap();
    assert_eq!(told, [other], "nobody is told of what it ended itself");
    scene.done().await;
}

#[tokio::test]
async fn what_time_has_ended_needs_no_logout() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let operator = scene.app.api("operator").await;
    scene.app.advance(chrono::TimeDelta::hours(9));
    let ended = operator.delete(&format!("/api/v1/sessions/{id}")).await.json();
    assert_eq!((&ended["session"]["active"], &ended["logout"]), (&json!(false), &json!(null)));
    scene.app.work().await;
    let seen = operator.get(&format!("/api/v1/sessions/{id}")).await.json();
    assert_eq!(seen["end_reason"], "expired");
    scene.done().await;
}

/// Whatever comes first, the registration or the end: who was told that it takes part is told of the
/// end.
#[tokio::test]
async fn no_end_slips_by_a_registration() {
    let scene = Scene::new().await;
    let shop = scene.app.api_of("shop").await;
    let operator = scene.app.api("operator").await;
    let mut registered = Vec::new();
    for round in 0..12 {
        let browser = scene.app.browser();
        browser.arrive(&scene.idp, &Name::email(&format!("p{round}@example.org")), "1").await;
        let id = session_id(&browser).await;
        let path = format!("/api/v1/sessions/{id}");
        let (reply, ended) =
            tokio::join!(shop.post("/api/v1/sessions", json!({ "session": id })), operator.delete(&path));
        assert_eq!(ended.json()["session"]["active"], false);
        match reply.status {
            201 => registered.push(reply.json()["id"].as_str().unwrap().to_owned()),
            status => assert_eq!(status, 409, "{}", reply.body),
        }
    }
    let mut told: Vec<String> = sqlx::query_scalar("select unnest(participations) from notification")
        .fetch_all(&scene.app.pool)
        .await
        .unwrap();
    told.sort();
    registered.sort();
    assert_eq!(told, registered);
    scene.done().await;
}
