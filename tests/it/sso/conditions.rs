//! SSO-09 to SSO-16: for whom, for how long, and once.

use super::*;

#[tokio::test]
async fn sso_09_the_recipient_is_our_acs() {
    let door = Door::new().await;
    let slo = door.app.sp.slo.clone();
    door.refused("SSO-09", |response| response.assertion.confirmations[0].recipient = Some(slo)).await;
    door.refused("SSO-09", |response| response.assertion.confirmations[0].recipient = None).await;
    door.done().await;
}

#[tokio::test]
async fn sso_10_the_confirmation_has_an_end_and_no_beginning() {
    let door = Door::new().await;
    let now = door.app.now();
    door.refused("SSO-10", |response| response.assertion.confirmations[0].not_on_or_after = None).await;
    door.refused("SSO-10", |response| {
        response.assertion.confirmations[0].not_on_or_after = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-10", |response| {
        response.assertion.confirmations[0].not_before = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.accepted("within the skew", |response| {
        response.assertion.confirmations[0].not_on_or_after = Some(instant(now - TimeDelta::minutes(2)));
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_11_an_answer_to_an_unknown_request_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-11", |response| {
        response.in_response_to = Some("_unknown".to_owned());
        response.assertion.confirmations[0].in_response_to = Some("_unknown".to_owned());
    })
    .await;
    door.refused("SSO-11", |response| {
        response.assertion.confirmations[0].in_response_to = Some("_unknown".to_owned());
    })
    .await;
    door.refused("SSO-11", |response| response.in_response_to = Some("_unknown".to_owned())).await;
    door.done().await;
}

#[tokio::test]
async fn sso_11_a_response_signs_in_only_the_browser_that_asked() {
    let door = Door::new().await;
    let (victim, thief) = (door.app.browser(), door.app.browser());
    let begun = victim.begin_sign_in(&door.idp).await;
    thief.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let reply = thief.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!thief.is_signed_in().await);
    door.app.assert_audited("SSO-11").await;
    let bare = door.app.browser();
    assert_eq!(bare.bring(&response, begun.relay_state.as_deref()).await.status, 400);
    assert!(!bare.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_11_the_request_is_good_for_one_answer() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let first = door.idp.response(Some(begun.id()), &door.name, INDEX);
    let second = door.idp.response(Some(begun.id()), &door.name, INDEX);
    assert_eq!(browser.bring(&first.signed(door.idp.key), begun.relay_state.as_deref()).await.status, 303);
    let reply = browser.bring(&second.signed(door.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert_eq!(door.app.count("select count(*) from session").await, 1);
    door.done().await;
}

#[tokio::test]
async fn sso_12_unsolicited_responses_are_a_switch_and_off() {
    let door = Door::new().await;
    let other = Idp::new("idp-b", &RSA_B, door.app.sp.clone(), door.app.clock.clone());
    door.app.try_import("idp-b", &other.metadata().xml(), Import { allow_unsolicited: false }).await.unwrap();
    let browser = door.app.browser();
    let reply = browser.bring(&other.response(None, &door.name, INDEX).signed(other.key), None).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.app.assert_audited("SSO-12").await;
    let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    let reply = browser.bring(&response, None).await;
    assert_eq!(reply.status, 303);
    assert_eq!(reply.location().trim_start_matches(&door.app.base_url), "/");
    assert!(browser.is_signed_in().await);
    // An InResponseTo anywhere makes it solicited.
    let stranger = door.app.browser();
    let mut half = door.idp.response(None, &door.name, INDEX);
    half.assertion.confirmations[0].in_response_to = Some("_x".to_owned());
    assert_eq!(stranger.bring(&half.signed(door.idp.key), None).await.status, 400);
    assert!(!stranger.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_13_the_audience_is_us() {
    let door = Door::new().await;
    let us = door.app.sp.entity_id.clone();
    let other = "https://other.example".to_owned();
    door.refused("SSO-13", |response| response.assertion.audiences.clear()).await;
    let wrong = other.clone();
    door.refused("SSO-13", |response| response.assertion.audiences = vec![vec![wrong]]).await;
    let two = vec![vec![us.clone()], vec![other.clone()]];
    door.refused("SSO-13", |response| response.assertion.audiences = two).await;
    let slashed = format!("{us}/");
    door.refused("SSO-13", |response| response.assertion.audiences = vec![vec![slashed]]).await;
    let one = vec![vec![other, us.clone()], vec![us]];
    door.accepted("one of several", |response| response.assertion.audiences = one).await;
    door.done().await;
}

#[tokio::test]
async fn sso_14_conditions_hold_or_nothing_does() {
    let door = Door::new().await;
    let now = door.app.now();
    door.refused("SSO-14", |response| {
        response.assertion.not_before = Some(instant(now + TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-14", |response| {
        response.assertion.not_on_or_after = Some(instant(now - TimeDelta::minutes(4)));
    })
    .await;
    door.refused("SSO-14", |response| {
        response.assertion.conditions = "<saml:Condition xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:Strange\"></saml:Condition>".to_owned();
    })
    .await;
    door.accepted("OneTimeUse", |response| {
        response.assertion.conditions = "<saml:OneTimeUse></saml:OneTimeUse>".to_owned();
    })
    .await;
    door.accepted("ProxyRestriction", |response| {
        response.assertion.conditions =
            "<saml:ProxyRestriction Count=\"0\"></saml:ProxyRestriction>".to_owned();
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_15_only_bearer_confirms() {
    let door = Door::new().await;
    let holder = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key".to_owned();
    let method = holder.clone();
    door.refused("SSO-15", |response| response.assertion.confirmations[0].method = method).await;
    door.refused("SSO-15", |response| response.assertion.confirmations.clear()).await;
    door.accepted("a bad one and a good one", |response| {
        let good = response.assertion.confirmations[0].clone();
        let bad = Confirmation { recipient: Some("https://other.example".to_owned()), ..good.clone() };
        let foreign = Confirmation { method: holder, ..good.clone() };
        response.assertion.confirmations = vec![bad, foreign, good];
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_16_an_assertion_signs_in_once() {
    let door = Door::new().await;
    let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
    let (one, two) = (door.app.browser(), door.app.browser());
    assert_eq!(one.bring(&response, None).await.status, 303);
    assert_eq!(two.bring(&response, None).await.status, 400);
    assert!(one.is_signed_in().await);
    assert!(!two.is_signed_in().await);
    door.app.assert_audited("SSO-16").await;
    door.done().await;
}

#[tokio::test]
async fn sso_16_two_nodes_at_once_make_one_session() {
    let door = Door::new().await;
    let node = door.app.second_node().await;
    for _ in 0..10 {
        let response = door.idp.response(None, &door.name, INDEX).signed(door.idp.key);
        let (one, two) = (door.app.browser(), Browser::new(&node.authority));
        let (first, second) = tokio::join!(one.bring(&response, None), two.bring(&response, None));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 400]);
        assert_ne!(one.is_signed_in().await, two.is_signed_in().await);
    }
    door.done().await;
}

#[tokio::test]
async fn sso_16_the_assertion_id_is_remembered_even_when_the_response_is_another() {
    let door = Door::new().await;
    let mut response = door.idp.response(None, &door.name, INDEX);
    response.signed = Signed::Assertion;
    let one = door.app.browser();
    assert_eq!(one.bring(&response.signed(door.idp.key), None).await.status, 303);
    response.id = "_another".to_owned();
    let two = door.app.browser();
    assert_eq!(two.bring(&response.signed(door.idp.key), None).await.status, 400);
    assert!(!two.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_stale_assertions_are_refused_by_their_own_issue_instant() {
    let door = Door::new().await;
    let old = instant(door.app.now() - TimeDelta::minutes(9));
    let at = old.clone();
    door.refused("VAL-15", |response| response.assertion.issue_instant = at).await;
    door.refused("VAL-15", |response| response.issue_instant = old).await;
    let ahead = instant(door.app.now() + TimeDelta::minutes(4));
    door.refused("VAL-15", |response| response.assertion.issue_instant = ahead).await;
    door.done().await;
}
