//! SLO-02 to SLO-06, SLO-12 to SLO-14: which sessions end.

use super::*;

/// Three browsers of one person with the indexes 1, 2 and 3.
async fn three(app: &TestApp, idp: &Idp, name: &Name) -> [Browser; 3] {
    let browsers = [app.browser(), app.browser(), app.browser()];
    for (browser, index) in browsers.iter().zip(["1", "2", "3"]) {
        browser.sign_in(idp, name, index).await;
    }
    browsers
}

async fn alive(browsers: &[Browser; 3]) -> [bool; 3] {
    [browsers[0].is_signed_in().await, browsers[1].is_signed_in().await, browsers[2].is_signed_in().await]
}

#[tokio::test]
async fn slo_02_only_the_authority_behind_the_session_can_end_it() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let (at_a, at_b) = (app.browser(), app.browser());
    at_a.sign_in(&a, &name, "1").await;
    at_b.sign_in(&b, &name, "1").await;
    assert_eq!(status_of(&app, &b, &b.logout_request(&name, &["1"])).await, "Success");
    assert!(at_a.is_signed_in().await);
    assert!(!at_b.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_02_a_request_signed_by_one_idp_in_the_name_of_another_is_denied() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice.sign_in(&a, &name, "1").await;
    for via in Via::ALL {
        let mut request = b.logout_request(&name, &["1"]);
        request.issuer = a.issuer();
        if via == Via::Soap {
            request.destination = Some(app.sp.soap.clone());
        }
        let answer = send_request(&app.authority, &b, via, &request, None).await;
        assert_eq!(answer.status(), "Requester/RequestDenied", "{via:?}");
        assert!(alice.is_signed_in().await);
    }
    app.assert_audited("VAL-09").await;
    app.done().await;
}

#[tokio::test]
async fn slo_03_without_session_index_all_sessions_of_the_principal_end() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    let bob = app.browser();
    bob.sign_in(&idp, &Name::email("bob@example.org"), "4").await;
    assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &[])).await, "Success");
    assert_eq!(alive(&browsers).await, [false, false, false]);
    assert!(bob.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_04_one_session_index_ends_that_session_only() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &["2"])).await, "Success");
    assert_eq!(alive(&browsers).await, [true, false, true]);
    app.done().await;
}

#[tokio::test]
async fn slo_05_many_session_indexes_are_the_union() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    let request = idp.logout_request(&name, &["2", "3", "2", "unknown"]);
    assert_eq!(status_of(&app, &idp, &request).await, "Success");
    assert_eq!(alive(&browsers).await, [true, false, false]);
    app.done().await;
}

#[tokio::test]
async fn slo_05_a_thousand_session_indexes_have_no_limit_but_the_message_size() {
    let scene = Scene::new().await;
    let mut request = scene.request(Via::Post);
    request.session_indexes = (0..1000).map(|n| format!("index-{n}")).collect();
    request.session_indexes.push(INDEX.to_owned());
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_06_session_index_is_never_a_key_alone() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let (alice, bob) = (app.browser(), app.browser());
    alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
    bob.sign_in(&idp, &Name::email("bob@example.org"), "1").await;
    let request = idp.logout_request(&Name::email("alice@example.org"), &["1"]);
    assert_eq!(status_of(&app, &idp, &request).await, "Success");
    assert!(!alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    app.done().await;
}

/// The request comes from a client without any cookie: `send_request` has none.
#[tokio::test]
async fn slo_12_no_cookie_is_needed_to_find_the_session() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_13_a_cookie_that_comes_along_is_ignored() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b-1").await;
    let query = scene.idp.redirect("SAMLRequest", &scene.request(Via::Redirect).xml(), None);
    let reply = bob.get_from_elsewhere(&format!("{SLO}?{query}")).await;
    assert_eq!(scene.idp.sp.read_front(&reply).status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_14_a_session_ended_at_one_node_is_dead_at_every_node() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let at_b = scene.alice.at(&node.authority);
    assert!(at_b.is_signed_in().await);
    let answer = scene.send(Via::Redirect, &scene.request(Via::Redirect)).await;
    assert_eq!(answer.status(), "Success");
    assert!(!at_b.is_signed_in().await);
    scene.done().await;
}
