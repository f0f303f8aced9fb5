//! Two nodes on one database behave as one service.

use chrono::TimeDelta;

use crate::support::app::Import;
use crate::support::browser::Browser;
use crate::support::dsig::RSA_B;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::story::{INDEX, Scene, Via, send_request};

#[tokio::test]
async fn sign_in_begun_at_one_node_ends_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let bob = scene.app.browser();
    let name = Name::email("bob@example.org");
    let begun = bob.begin_sign_in(&scene.idp).await;
    let bob = bob.at(&node.authority);
    let response = scene.idp.response(Some(begun.id()), &name, "b").signed(scene.idp.key);
    assert_eq!(bob.bring(&response, begun.relay_state.as_deref()).await.status, 303);
    assert!(bob.at(&scene.app.authority).is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn logout_begun_at_one_node_is_answered_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let request = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    let elsewhere = scene.alice.at(&node.authority);
    let answer = scene.idp.logout_response(&request, &["Success"]);
    let reply = elsewhere.bring_answer(&scene.idp, &answer, request.relay_state.as_deref()).await;
    let page = elsewhere.follow(reply).await;
    assert_eq!(page.status, 200);
    let state: String =
        sqlx::query_scalar("select state from logout_leg").fetch_one(&scene.app.pool).await.unwrap();
    assert_eq!(state, "confirmed");
    scene.done().await;
}

#[tokio::test]
async fn the_csrf_token_of_one_node_is_good_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let form = scene.alice.logout_form(None).await;
    let elsewhere = scene.alice.at(&node.authority);
    let reply = elsewhere.submit("/logout", &form.with(&[])).await;
    assert_eq!(scene.idp.sp.read_front(&reply).message.local, "LogoutRequest");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn an_import_at_one_node_is_effective_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let idp = Idp::new("idp-b", &RSA_B, scene.app.sp.clone(), scene.app.clock.clone());
    scene.app.try_import("idp-b", &idp.metadata().xml(), Import { allow_unsolicited: true }).await.unwrap();
    let bob = Browser::new(&node.authority);
    bob.sign_in(&idp, &Name::email("bob@example.org"), "b").await;
    assert!(bob.is_signed_in().await);
    scene.done().await;
}

/// What arrives by itself, too: the assertion consumer service looks the issuer up again. Strangers
/// cannot have it do that without end.
#[tokio::test]
async fn an_import_at_one_node_is_effective_where_a_response_arrives_but_not_for_any_number_of_strangers() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let imported = async |slug: &str| {
        let idp = Idp::new(slug, &RSA_B, scene.app.sp.clone(), scene.app.clock.clone());
        let metadata = idp.metadata().xml();
        scene.app.try_import(slug, &metadata, Import { allow_unsolicited: true }).await.unwrap();
        idp
    };
    let arrives = async |idp: &Idp, index: &str| {
        let browser = Browser::new(&node.authority);
        let response = idp.response(None, &Name::email("bob@example.org"), index).signed(idp.key);
        browser.bring(&response, None).await.status
    };
    assert_eq!(arrives(&imported("idp-b").await, "b").await, 303);
    let stranger = Idp::new("idp-x", &RSA_B, scene.app.sp.clone(), scene.app.clock.clone());
    for _ in 0..25 {
        assert_eq!(arrives(&stranger, "x").await, 400);
    }
    let idp = imported("idp-c").await;
    assert_eq!(arrives(&idp, "c").await, 400, "the node has asked too often to see it now");
    scene.app.advance(TimeDelta::seconds(1));
    assert_eq!(arrives(&idp, "c").await, 303);
    scene.done().await;
}

/// What has changed since the node last looked is looked at again, and costs nobody the sign-in.
#[tokio::test]
async fn a_switch_turned_at_one_node_does_not_stop_a_response_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let bob = Browser::new(&node.authority);
    bob.arrive(&scene.idp, &Name::email("bob@example.org"), "b").await;
    scene.app.set_switch("idp-a", "accept_offset_times", "true").await;
    let carol = Browser::new(&node.authority);
    carol.arrive(&scene.idp, &Name::email("carol@example.org"), "c").await;
    assert!(carol.is_signed_in().await);
    // And what it forbids is forbidden.
    scene.app.set_switch("idp-a", "allow_unsolicited", "false").await;
    let dave = Browser::new(&node.authority);
    let response = scene.idp.response(None, &Name::email("dave@example.org"), "d").signed(scene.idp.key);
    assert_eq!(dave.bring(&response, None).await.status, 400);
    assert!(!dave.is_signed_in().await);
    scene.done().await;
}

/// No node ever trusts a key that another has removed.
#[tokio::test]
async fn a_key_removed_at_one_node_is_trusted_at_no_other() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let node = scene.app.second_node().await;
        // The other node has the old key in its memory.
        let warm = scene.idp.logout_request(&Name::email("nobody@example.org"), &["1"]);
        send_request(&node.authority, &scene.idp, Via::Redirect, &warm, None).await;
        let renewed = Idp::new("idp-a", &RSA_B, scene.app.sp.clone(), scene.app.clock.clone());
        scene.app.import(&renewed, &renewed.metadata()).await;
        let old = send_request(&node.authority, &scene.idp, via, &scene.request(via), None).await;
        assert_eq!(old.status(), "Requester/RequestDenied", "{via:?}");
        assert!(scene.alice.is_signed_in().await);
        let mut request = renewed.logout_request(&scene.name, &[INDEX]);
        request.id = Some("_renewed".to_owned());
        if via == Via::Soap {
            request.destination = Some(scene.app.sp.soap.clone());
        }
        let new = send_request(&node.authority, &renewed, via, &request, None).await;
        assert_eq!(new.status(), "Success", "{via:?}");
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[tokio::test]
async fn an_idp_disabled_at_one_node_signs_nobody_in_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let bob = Browser::new(&node.authority);
    let name = Name::email("bob@example.org");
    bob.arrive(&scene.idp, &name, "b").await;
    scene.app.set_enabled("idp-a", false).await;
    scene.app.advance(TimeDelta::seconds(1));
    let carol = Browser::new(&node.authority);
    let response = scene.idp.response(None, &Name::email("carol@example.org"), "c").signed(scene.idp.key);
    assert_eq!(carol.bring(&response, None).await.status, 400);
    assert!(!carol.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn a_bar_set_at_one_node_holds_at_the_other() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let early = scene.idp.response(None, &scene.name, INDEX).signed(scene.idp.key);
    scene.app.advance(TimeDelta::seconds(1));
    assert_eq!(scene.send(Via::Redirect, &scene.request(Via::Redirect)).await.status(), "Success");
    let late = Browser::new(&node.authority);
    assert_eq!(late.bring(&early, None).await.status, 400);
    assert!(!late.is_signed_in().await);
    scene.done().await;
}

/// The same for what signs in and for what confirms a logout.
#[tokio::test]
async fn a_key_removed_at_one_node_neither_signs_in_nor_confirms_at_another() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let bob = Browser::new(&node.authority);
    bob.arrive(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let asked = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    let renewed = Idp::new("idp-a", &RSA_B, scene.app.sp.clone(), scene.app.clock.clone());
    scene.app.import(&renewed, &renewed.metadata()).await;
    // The other node has the old key in its memory.
    let thief = Browser::new(&node.authority);
    let stolen = scene.idp.response(None, &Name::email("carol@example.org"), "c");
    let reply = thief.bring(&stolen.signed(scene.idp.key), None).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(!thief.is_signed_in().await);
    let alice = scene.alice.at(&node.authority);
    let forged = scene.idp.logout_response(&asked, &["Success"]);
    let reply = alice.bring_answer(&scene.idp, &forged, asked.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    let state: String =
        sqlx::query_scalar("select state from logout_leg").fetch_one(&scene.app.pool).await.unwrap();
    assert_eq!(state, "asked");
    // The new key does both.
    let mut right = renewed.logout_response(&asked, &["Success"]);
    right.id = Some("_renewed".to_owned());
    assert!(alice.bring_answer(&renewed, &right, asked.relay_state.as_deref()).await.status < 400);
    let mut response = renewed.response(None, &Name::email("carol@example.org"), "c");
    response.assertion.id = "_renewed-assertion".to_owned();
    assert_eq!(thief.bring(&response.signed(renewed.key), None).await.status, 303);
    scene.done().await;
}
