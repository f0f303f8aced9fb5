//! A browser that never comes back, and one that does.

use chrono::TimeDelta;

use crate::support::browser::From;
use crate::support::messages::instant;
use crate::support::story::{INDEX, Scene};

async fn state(scene: &Scene) -> String {
    sqlx::query_scalar("select state from logout_leg").fetch_one(&scene.app.pool).await.unwrap()
}

/// Alice clicked and closed the window before the identity provider was reached.
async fn abandoned() -> Scene {
    let scene = Scene::new().await;
    scene.idp.sp.read_front(&scene.alice.sign_out().await);
    scene
}

#[tokio::test]
async fn the_deadline_closes_what_nobody_answered() {
    let scene = abandoned().await;
    scene.app.advance(TimeDelta::minutes(6));
    scene.app.work().await;
    assert_eq!(state(&scene).await, "unconfirmed");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn the_open_leg_resumes_once_before_a_new_sign_in() {
    for page in ["/saml/login?idp=idp-a", "/logout"] {
        let scene = abandoned().await;
        scene.app.advance(TimeDelta::minutes(6));
        scene.app.work().await;
        let resumed = scene.idp.sp.read_front(&scene.alice.get(page).await);
        assert_eq!(resumed.message.local, "LogoutRequest", "{page}");
        assert_eq!((resumed.name(), resumed.session_indexes()), (scene.name.clone(), vec![INDEX.to_owned()]));
        // Once: the next visit signs in, answered or not.
        let next = scene.idp.sp.read_front(&scene.alice.get("/saml/login?idp=idp-a").await);
        assert_eq!(next.message.local, "AuthnRequest");
        let answer = scene.idp.logout_response(&resumed, &["Success"]);
        let reply = scene.alice.bring_answer(&scene.idp, &answer, resumed.relay_state.as_deref()).await;
        assert!(reply.status < 400, "{}", reply.body);
        assert_eq!(state(&scene).await, "confirmed");
        scene.done().await;
    }
}

#[tokio::test]
async fn the_page_of_the_logout_resumes_for_the_browser_with_the_cookie_only() {
    let scene = abandoned().await;
    let handle: String =
        sqlx::query_scalar("select handle from logout").fetch_one(&scene.app.pool).await.unwrap();
    scene.app.advance(TimeDelta::minutes(6));
    scene.app.work().await;
    let page = format!("/logout/{handle}");
    let stranger = scene.app.browser().get(&page).await;
    assert_eq!(stranger.status, 200);
    assert!(scene.idp.sp.try_front(&stranger).is_none(), "without the cookie the page is only shown");
    assert!(!stranger.body.contains("alice"));
    let resumed = scene.idp.sp.read_front(&scene.alice.get(&page).await);
    assert_eq!(resumed.message.local, "LogoutRequest");
    scene.done().await;
}

#[tokio::test]
async fn slo_45_nothing_resumes_inside_a_frame() {
    let scene = abandoned().await;
    scene.app.advance(TimeDelta::minutes(6));
    scene.app.work().await;
    for page in ["/saml/login?idp=idp-a", "/logout"] {
        let headers = [("Sec-Fetch-Dest", "iframe")];
        let reply = scene.alice.request("GET", page, &headers, None, From::Here).await;
        let message = scene.idp.sp.try_front(&reply);
        assert!(message.is_none_or(|message| message.message.local != "LogoutRequest"), "{page}");
    }
    let resumed = scene.idp.sp.read_front(&scene.alice.get("/saml/login?idp=idp-a").await);
    assert_eq!(resumed.message.local, "LogoutRequest");
    scene.done().await;
}

#[tokio::test]
async fn after_a_day_nothing_resumes() {
    let scene = abandoned().await;
    scene.app.advance(TimeDelta::minutes(6));
    scene.app.work().await;
    scene.app.advance(TimeDelta::hours(24));
    let next = scene.idp.sp.read_front(&scene.alice.get("/saml/login?idp=idp-a").await);
    assert_eq!(next.message.local, "AuthnRequest");
    scene.done().await;
}

#[tokio::test]
async fn past_the_known_end_of_the_idps_session_nothing_resumes() {
    let scene = Scene::new().await;
    scene.app.advance(TimeDelta::seconds(1));
    let end = instant(scene.app.now() + TimeDelta::hours(1));
    let bob = scene.app.browser();
    let name = crate::support::messages::Name::email("bob@example.org");
    bob.sign_in_as(&scene.idp, &name, "b", |response| {
        response.assertion.statements[0].session_not_on_or_after = Some(end);
    })
    .await;
    scene.idp.sp.read_front(&bob.sign_out().await);
    scene.app.advance(TimeDelta::minutes(61));
    scene.app.work().await;
    let next = scene.idp.sp.read_front(&bob.get("/saml/login?idp=idp-a").await);
    assert_eq!(next.message.local, "AuthnRequest");
    scene.done().await;
}

#[tokio::test]
async fn a_handle_lives_a_day() {
    let scene = abandoned().await;
    let handle: String =
        sqlx::query_scalar("select handle from logout").fetch_one(&scene.app.pool).await.unwrap();
    let page = format!("/logout/{handle}");
    assert_eq!(scene.app.browser().get(&page).await.status, 200);
    scene.app.advance(TimeDelta::hours(25));
    scene.app.work().await;
    assert_eq!(scene.app.browser().get(&page).await.status, 404);
    assert_eq!(scene.app.browser().get("/logout/AAAAAAAAAAAAAAAAAAAAAA").await.status, 404);
    assert_eq!(scene.app.browser().get("/logout/short").await.status, 404);
    scene.done().await;
}
