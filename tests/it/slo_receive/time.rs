//! SLO-20 to SLO-24: before, after, and twice.

use super::*;

#[tokio::test]
async fn slo_20_a_logout_that_came_first_binds_the_assertion_that_comes_later() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    let begun = alice.begin_sign_in(&idp).await;
    let response = idp.response(Some(begun.id()), &name, "x");
    let mut request = idp.logout_request(&name, &["x"]);
    request.not_on_or_after = Some(instant(app.now() + TimeDelta::minutes(10)));
    status_of(&app, &idp, &request).await;
    let reply = alice.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("sign in again") || reply.body.contains("Sign in again"), "{}", reply.body);
    assert!(!alice.is_signed_in().await);
    app.assert_audited("SSO-19").await;
    // Another index of the same person is not bound, nor is the same person a second later.
    app.browser().sign_in(&idp, &name, "y").await;
    app.advance(TimeDelta::seconds(1));
    alice.sign_in(&idp, &name, "x").await;
    assert!(alice.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_20_the_bar_is_not_used_up_by_the_assertion_it_stopped() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let earlier = instant(app.now());
    app.advance(TimeDelta::seconds(10));
    status_of(&app, &idp, &idp.logout_request(&name, &["x"])).await;
    for round in 0..3 {
        let browser = app.browser();
        let begun = browser.begin_sign_in(&idp).await;
        let mut response = idp.response(Some(begun.id()), &name, "x");
        response.assertion.statements[0].authn_instant.clone_from(&earlier);
        let reply = browser.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
        assert_eq!(reply.status, 400, "round {round}");
        app.advance(TimeDelta::minutes(2));
    }
    app.done().await;
}

#[tokio::test]
async fn slo_21_without_index_the_bar_binds_assertions_issued_before_and_none_after() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    let begun = alice.begin_sign_in(&idp).await;
    let early = idp.response(Some(begun.id()), &name, "x");
    app.advance(TimeDelta::seconds(1));
    status_of(&app, &idp, &idp.logout_request(&name, &[])).await;
    let reply = alice.bring(&early.signed(idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!alice.is_signed_in().await);
    app.advance(TimeDelta::seconds(1));
    // AuthnInstant of the day before, but issued after the logout: the person gets in.
    let old = instant(app.now() - TimeDelta::hours(20));
    alice.sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].authn_instant = old).await;
    assert!(alice.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_22_not_on_or_after_is_judged_with_the_skew() {
    let scene = Scene::new().await;
    for (ago, executed) in [(181, false), (179, true)] {
        let mut request = scene.request(Via::Redirect);
        request.issue_instant = Some(instant(scene.app.now() - TimeDelta::seconds(240)));
        request.not_on_or_after = Some(instant(scene.app.now() - TimeDelta::seconds(ago)));
        let status = scene.send(Via::Redirect, &request).await.status();
        assert_eq!(status, if executed { "Success" } else { "Requester" }, "{ago} s ago");
        assert_eq!(scene.alice.is_signed_in().await, !executed);
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_22_a_far_not_on_or_after_does_not_lengthen_the_age() {
    let scene = Scene::new().await;
    let mut request = scene.request(Via::Post);
    request.issue_instant = Some(instant(scene.app.now() - TimeDelta::minutes(9)));
    request.not_on_or_after = Some(instant(scene.app.now() + TimeDelta::hours(1)));
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Requester");
    scene.assert_refused("VAL-15").await;
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn slo_23_an_absurd_not_on_or_after() {
    let scene = Scene::new().await;
    let now = scene.app.now();
    let mut request = scene.request(Via::Redirect);
    request.not_on_or_after = request.issue_instant.clone();
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Requester");
    scene.assert_refused("SLO-23").await;
    let mut request = scene.request(Via::Redirect);
    request.not_on_or_after = Some("9999-12-31T23:59:59Z".to_owned());
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    let latest: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select max(bar_until) from logout").fetch_one(&scene.app.pool).await.unwrap();
    assert!(latest <= now + TimeDelta::hours(24), "{latest}");
    scene.done().await;
}

#[tokio::test]
async fn slo_24_a_duplicate_is_answered_again_and_not_executed_again() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let request = scene.request(via);
        let first = scene.send(via, &request).await.saml();
        assert!(!scene.alice.is_signed_in().await);
        scene.app.advance(TimeDelta::seconds(2));
        scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
        // The very same message by the very same binding, then by the other two.
        let again = scene.send(via, &request).await.saml();
        assert_eq!(again.status(), "Success");
        assert_eq!(again.in_response_to(), Some(request.id()));
        assert_ne!(again.id(), first.id(), "newly signed");
        assert!(scene.alice.is_signed_in().await, "a replay must not end the new session ({via:?})");
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_24_a_duplicate_over_another_front_binding_is_the_same_message() {
    let scene = Scene::new().await;
    let request = scene.request(Via::Redirect);
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success");
    scene.app.advance(TimeDelta::seconds(2));
    scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Success");
    assert!(scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_24_a_duplicate_of_row_d_repeats_its_status() {
    let scene = Scene::new().await;
    let request = scene.idp.logout_request(&Name::email("nobody@example.org"), &["1"]);
    for _ in 0..2 {
        assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Requester/UnknownPrincipal");
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_24_the_same_id_from_two_idps_is_two_messages() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let (at_a, at_b) = (app.browser(), app.browser());
    at_a.sign_in(&a, &name, "1").await;
    at_b.sign_in(&b, &name, "1").await;
    for idp in [&a, &b] {
        let mut request = idp.logout_request(&name, &["1"]);
        request.id = Some("_same".to_owned());
        assert_eq!(status_of(&app, idp, &request).await, "Success");
    }
    assert!(!at_a.is_signed_in().await);
    assert!(!at_b.is_signed_in().await);
    app.done().await;
}
