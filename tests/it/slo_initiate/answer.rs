//! SLO-50: which answers count.

use super::*;

#[tokio::test]
async fn slo_50_an_answer_of_another_idp_is_refused() {
    let asked = Asked::new().await;
    let other = asked.scene.app.idp("idp-b", &RSA_B).await;
    let mut answer = asked.answer(&["Success"]);
    answer.issuer = other.issuer();
    let reply = asked.scene.alice.bring_answer(&other, &answer, asked.request.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    asked.still_open().await;
    asked
        .refused("VAL-09", |answer| {
            answer.issuer = Some(Issuer { value: "https://idp-b.example/metadata".to_owned(), format: None });
        })
        .await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_unknown_missing_or_used_in_response_to_is_refused() {
    let asked = Asked::new().await;
    asked.refused("SLO-50", |answer| answer.in_response_to = Some("_unknown".to_owned())).await;
    asked.refused("SLO-50", |answer| answer.in_response_to = None).await;
    let answer = asked.answer(&["Success"]);
    let relay_state = asked.request.relay_state.as_deref();
    assert!(asked.scene.alice.bring_answer(&asked.scene.idp, &answer, relay_state).await.status < 400);
    let again = asked.answer(&["Responder"]);
    let reply = asked.scene.alice.bring_answer(&asked.scene.idp, &again, relay_state).await;
    assert!(matches!(reply.status, 200 | 303 | 400), "{}", reply.status);
    assert_eq!(legs(&asked.scene.app).await, ["confirmed"], "the second answer changes nothing");
    asked.scene.done().await;
}

#[tokio::test]
async fn slo_50_a_wrong_destination_is_refused() {
    let asked = Asked::new().await;
    asked.refused("VAL-08", |answer| answer.destination = Some("https://other.example/slo".to_owned())).await;
    asked.refused("VAL-08", |answer| answer.destination = None).await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_a_stale_or_future_answer_is_refused() {
    let asked = Asked::new().await;
    let now = asked.scene.app.now();
    asked.refused("VAL-15", |answer| answer.issue_instant = Some(instant(now - TimeDelta::minutes(9)))).await;
    asked.refused("VAL-15", |answer| answer.issue_instant = Some(instant(now + TimeDelta::minutes(4)))).await;
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_unsigned_or_foreign_signed_answer_is_refused() {
    let asked = Asked::new().await;
    let answer = asked.answer(&["Success"]);
    let authority = &asked.scene.app.authority;
    let query = asked.scene.idp.redirect("SAMLResponse", &answer.xml(), None);
    let unsigned = query.split('&').next().unwrap();
    let foreign = asked.scene.idp.query("SAMLResponse").signed(&answer.xml(), &RSA_ATTACKER);
    for query in [unsigned, &foreign] {
        let reply = crate::support::story::get_query(authority, SLO, query).await;
        assert_eq!(reply.status, 400);
        asked.still_open().await;
    }
    for xml in [answer.xml(), answer.signed(&RSA_ATTACKER)] {
        let reply = crate::support::story::post_message(authority, SLO, "SAMLResponse", &xml, None).await;
        assert_eq!(reply.status, 400);
        asked.still_open().await;
    }
    asked.done().await;
}

#[tokio::test]
async fn slo_50_an_answer_needs_no_cookie_and_no_relay_state() {
    for by_post in [false, true] {
        let asked = Asked::new().await;
        let stranger = asked.scene.app.browser();
        let answer = asked.answer(&["Success"]);
        let reply = if by_post {
            stranger.bring_answer_by_post(&asked.scene.idp, &answer, Some("whatever")).await
        } else {
            stranger.bring_answer(&asked.scene.idp, &answer, None).await
        };
        assert!(reply.status < 400, "{}", reply.body);
        let page = stranger.follow(reply).await;
        assert_eq!(page.status, 200);
        assert!(!page.body.contains("alice"), "the page names no principal");
        assert_eq!(legs(&asked.scene.app).await, ["confirmed"]);
        asked.scene.done().await;
    }
}

#[tokio::test]
async fn slo_50_an_answer_over_soap_endpoint_is_no_answer() {
    let asked = Asked::new().await;
    let mut answer = asked.answer(&["Success"]);
    answer.destination = Some(asked.scene.idp.sp.soap.clone());
    let body = crate::support::messages::envelope(&answer.signed(asked.scene.idp.key));
    let reply = post_soap(&asked.scene.app.authority, &body).await;
    assert_eq!(reply.status, 500, "{SOAP_PATH}: {}", reply.body);
    asked.still_open().await;
    asked.done().await;
}
