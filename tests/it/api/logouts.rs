//! `/api/v1/logouts`: started by session, principal, identity provider; continued by a browser.

use chrono::TimeDelta;
use serde_json::json;

use super::{assert_looks_unknown, problem, session_id};
use crate::support::app::TestApp;
use crate::support::browser::path_of;
use crate::support::dsig::{RSA_A, RSA_B};
use crate::support::http::send;
use crate::support::messages::Name;
use crate::support::story::Scene;

const PATH: &str = "/api/v1/logouts";

#[tokio::test]
async fn the_browser_goes_on_without_cookie_or_question_and_once() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    shop.register(&id).await;
    let body = json!({ "session": id, "return_to": "https://shop.example/bye?x=1" });
    let started = shop.post(PATH, body).await;
    assert_eq!(started.status, 201, "{}", started.body);
    assert!(!scene.alice.is_signed_in().await, "over before any browser moves");
    let started = started.json();
    assert_eq!(started["logouts"][0]["session"], id.as_str());
    let url = started["continue_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&scene.app.url("/logout/")), "{url}");

    let elsewhere = scene.app.browser();
    let asked = scene.idp.sp.read_front(&elsewhere.get_from_elsewhere(path_of(&url)).await);
    assert_eq!(asked.message.local, "LogoutRequest");
    assert_eq!(asked.name(), scene.name);
    let again = scene.app.browser().get_from_elsewhere(path_of(&url)).await;
    assert_eq!(again.status, 200);
    assert!(scene.idp.sp.try_front(&again).is_none(), "one use");
    let answer = scene.idp.logout_response(&asked, &["Success"]);
    let reply = elsewhere.bring_answer(&scene.idp, &answer, asked.relay_state.as_deref()).await;
    assert_eq!(reply.location(), "https://shop.example/bye?x=1");
    let number = started["logouts"][0]["id"].as_i64().unwrap();
    let seen = shop.get(&format!("{PATH}/{number}")).await.json();
    assert_eq!(seen["identity_providers"][0]["state"], "confirmed");
    assert!(!seen["finished_at"].is_null());
    scene.done().await;
}

#[tokio::test]
async fn a_wrong_late_or_framed_token_moves_nobody() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let operator = scene.app.api("operator").await;
    let started = operator.post(PATH, json!({ "session": id })).await.json();
    let url = path_of(started["continue_url"].as_str().unwrap()).to_owned();
    let (page, token) = url.split_once("?continue=").unwrap();
    let stranger = scene.app.browser();
    for wrong in [
        page.to_owned(),
        format!("{page}?continue="),
        format!("{page}?continue={}", "A".repeat(43)),
        format!("/logout/AAAAAAAAAAAAAAAAAAAAAA?continue={token}"),
        format!("{page}?continue={token}&continue={token}"),
    ] {
        let reply = stranger.get_from_elsewhere(&wrong).await;
        assert!(scene.idp.sp.try_front(&reply).is_none(), "{wrong}");
    }
    let framed = [("Sec-Fetch-Dest", "iframe")];
    let reply = send(&scene.app.authority, "GET", &url, &framed, None).await;
    assert!(scene.idp.sp.try_front(&reply).is_none(), "SLO-45");
    for method in ["HEAD", "OPTIONS"] {
        assert_eq!(send(&scene.app.authority, method, &url, &[], None).await.status, 405);
    }
    scene.app.advance(TimeDelta::minutes(5));
    assert!(scene.idp.sp.try_front(&stranger.get_from_elsewhere(&url).await).is_none(), "too late");
    // The leg still waits for the browser that had the session.
    let asked = scene.idp.sp.read_front(&scene.alice.get("/logout").await);
    assert_eq!(asked.message.local, "LogoutRequest");
    scene.done().await;
}

#[tokio::test]
async fn with_a_browser_the_front_channel_comes_first_and_without_one_soap() {
    for (browser, calls) in [(true, 0), (false, 1)] {
        let app = TestApp::start().await;
        let idp = app.idp_with_soap("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        let id = session_id(&scene.alice).await;
        let operator = scene.app.api("operator").await;
        let started = operator.post(PATH, json!({ "session": id, "browser": browser })).await.json();
        assert_eq!(started["continue_url"].is_null(), !browser);
        assert_eq!(scene.idp.soap.as_ref().unwrap().calls().len(), calls, "browser: {browser}");
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_44_a_browser_that_was_announced_and_never_comes_is_not_waited_for_where_there_is_soap() {
    for has_soap in [true, false] {
        let app = TestApp::start().await;
        let idp =
            if has_soap { app.idp_with_soap("idp-a", &RSA_A).await } else { app.idp("idp-a", &RSA_A).await };
        let scene = Scene::enter(app, idp).await;
        let id = session_id(&scene.alice).await;
        let operator = scene.app.api("operator").await;
        let started = operator.post(PATH, json!({ "session": id })).await.json();
        let url = path_of(started["continue_url"].as_str().unwrap()).to_owned();
        let number = started["logouts"][0]["id"].as_i64().unwrap();
        let calls = || scene.idp.soap.as_ref().map_or(0, |soap| soap.calls().len());
        scene.app.advance(TimeDelta::seconds(299));
        scene.app.work().await;
        assert_eq!(calls(), 0, "it may still come");
        scene.app.advance(TimeDelta::seconds(1));
        scene.app.work().await;
        let seen = operator.get(&format!("{PATH}/{number}")).await.json();
        let (state, told) = if has_soap { ("confirmed", 1) } else { ("waiting_browser", 0) };
        assert_eq!((&seen["identity_providers"][0]["state"], calls()), (&json!(state), told));
        assert!(!seen["finished_at"].is_null());
        // It comes too late: only who was not told is still asked, by the browser that had the session.
        let late = scene.app.browser().get_from_elsewhere(&url).await;
        assert!(scene.idp.sp.try_front(&late).is_none());
        let asked = scene.idp.sp.try_front(&scene.alice.get("/logout").await);
        assert_eq!(asked.is_none(), has_soap);
        scene.app.work().await;
        assert_eq!(calls(), told, "once");
        scene.done().await;
    }
}

#[tokio::test]
async fn sso_25_a_browser_returns_only_to_where_that_application_may_send_it() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    scene.app.add_application("wiki", "pull", "pairwise").await;
    shop.register(&id).await;
    for target in ["https://evil.example/", "https://wiki.example/", "//shop.example", "javascript:alert(1)"]
    {
        let reply = shop.post(PATH, json!({ "session": id, "return_to": target })).await;
        assert_eq!((problem(&reply).0, &reply.json()["field"]), (422, &json!("return_to")), "{target}");
    }
    let body = json!({ "session": id, "browser": false, "return_to": "https://shop.example/" });
    assert_eq!(problem(&shop.post(PATH, body).await).0, 422);
    assert!(scene.alice.is_signed_in().await, "nothing ends by a refused request");
    // An operator may send it to any application's.
    let operator = scene.app.api("operator").await;
    let body = json!({ "session": id, "return_to": "https://wiki.example/" });
    assert_eq!(operator.post(PATH, body).await.status, 201);
    scene.done().await;
}

#[tokio::test]
async fn an_application_starts_logouts_by_session_and_only_where_it_takes_part() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    assert_looks_unknown(&shop, &shop.post(PATH, json!({ "session": id })).await).await;
    shop.register(&id).await;
    let principal = json!({ "identity_provider": "idp-a", "name_id": { "value": "alice@example.org" } });
    for body in [json!({ "principal": principal }), json!({ "identity_provider": "idp-a" })] {
        let reply = shop.post(PATH, body.clone()).await;
        assert_eq!(problem(&reply), (403, "forbidden".to_owned()), "{body}");
    }
    assert!(scene.alice.is_signed_in().await);
    assert_eq!(shop.post(PATH, json!({ "session": id })).await.status, 201);
    scene.done().await;
}

#[tokio::test]
async fn an_application_sees_logouts_of_sessions_in_which_it_took_part() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let (shop, wiki) = (scene.app.api_of("shop").await, scene.app.api_of("wiki").await);
    shop.register(&id).await;
    wiki.register(&id).await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b-1").await;
    let operator = scene.app.api("operator").await;
    let of = async |session: &str| {
        let started = operator.post(PATH, json!({ "session": session })).await.json();
        started["logouts"][0]["id"].as_i64().unwrap()
    };
    let (hers, his) = (of(&id).await, of(&session_id(&bob).await).await);
    let seen = shop.get(&format!("{PATH}/{hers}")).await.json();
    assert_eq!(seen["applications"].as_array().unwrap().len(), 1, "itself alone");
    assert_eq!(seen["applications"][0]["application"], "shop");
    assert!(!seen.to_string().contains("alice"), "names no principal");
    assert_looks_unknown(&shop, &shop.get(&format!("{PATH}/{his}")).await).await;
    assert_looks_unknown(&shop, &shop.get(&format!("{PATH}/4711")).await).await;
    let seen = operator.get(&format!("{PATH}/{hers}")).await.json();
    assert_eq!(seen["applications"].as_array().unwrap().len(), 2);
    let page = operator.get(&format!("{PATH}?limit=1")).await.json();
    assert_eq!(page["logouts"][0]["id"], his);
    let next = page["next"].as_str().unwrap();
    let page = operator.get(&format!("{PATH}?limit=5&after={next}")).await.json();
    assert_eq!(page["logouts"][0]["id"], hers);
    assert!(page["next"].is_null());
    scene.done().await;
}

#[tokio::test]
async fn by_principal_exactly_that_principal_is_signed_out() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let (desk, phone, elsewhere, bob) = (app.browser(), app.browser(), app.browser(), app.browser());
    desk.arrive(&a, &name, "1").await;
    phone.arrive(&a, &name, "2").await;
    elsewhere.arrive(&b, &name, "1").await;
    bob.arrive(&a, &Name::email("bob@example.org"), "3").await;
    let operator = app.api("operator").await;
    let email = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
    let by = |idp: &str, format: Option<&str>| {
        let name_id = json!({ "value": "alice@example.org", "format": format });
        json!({ "principal": { "identity_provider": idp, "name_id": name_id } })
    };
    let nobody = operator.post(PATH, by("idp-a", None)).await;
    assert_eq!(
        (nobody.status, nobody.json()["logouts"].as_array().unwrap().len()),
        (200, 0),
        "another Format"
    );
    assert!(desk.is_signed_in().await);
    let started = operator.post(PATH, by("idp-a", Some(email))).await;
    assert_eq!(started.status, 201, "{}", started.body);
    let started = started.json();
    assert_eq!((started["logouts"].as_array().unwrap().len(), &started["complete"]), (2, &json!(true)));
    assert!(!desk.is_signed_in().await && !phone.is_signed_in().await);
    assert!(elsewhere.is_signed_in().await && bob.is_signed_in().await);
    assert_eq!(problem(&operator.post(PATH, by("idp-c", Some(email))).await).0, 422);
    assert_eq!(app.count("select count(*) from logout where trigger = 'operator'").await, 2);
    let detail: Vec<Option<String>> =
        sqlx::query_scalar("select detail from audit").fetch_all(&app.pool).await.unwrap();
    assert!(!detail.into_iter().flatten().any(|detail| detail.contains("alice")));
    app.done().await;
}

#[tokio::test]
async fn what_is_over_is_answered_with_the_logout_that_ended_it() {
    let scene = Scene::new().await;
    let id = session_id(&scene.alice).await;
    let shop = scene.app.api_of("shop").await;
    shop.register(&id).await;
    scene.alice.sign_out_here().await;
    let reply = shop.post(PATH, json!({ "session": id })).await;
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert!(json["continue_url"].is_null() && json["complete"] == true);
    let number = json["logouts"][0]["id"].as_i64().unwrap();
    assert_eq!(shop.get(&format!("{PATH}/{number}")).await.json()["trigger"], "person");
    scene.done().await;
}

#[tokio::test]
async fn a_person_too_returns_to_an_origin_that_an_application_registered() {
    for (target, location) in
        [("https://shop.example/bye", Some("https://shop.example/bye")), ("https://evil.example/bye", None)]
    {
        let scene = Scene::new().await;
        scene.app.add_application("shop", "pull", "pairwise").await;
        let form = scene.alice.logout_form(Some(target)).await;
        let reply = scene.alice.submit("/logout", &form.with(&[("scope", "local")])).await;
        assert_eq!(reply.status, 303);
        match location {
            Some(location) => assert_eq!(reply.location(), location),
            None => assert!(path_of(reply.location()).starts_with("/logout/"), "{}", reply.location()),
        }
        scene.done().await;
    }
}
