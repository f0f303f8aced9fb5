//! SSO-05 to SSO-07, SSO-17, SSO-20: who says so, and that it is a Success.

use super::*;

#[tokio::test]
async fn sso_05_a_response_by_redirect_is_refused() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let query = door.idp.redirect("SAMLResponse", &response, begun.relay_state.as_deref());
    let reply = browser.get_from_elsewhere(&format!("{ACS}?{query}")).await;
    assert!(matches!(reply.status, 400 | 405), "{}", reply.status);
    assert!(!browser.is_signed_in().await);
    let reply = browser.get_from_elsewhere(&format!("/saml/slo?{query}")).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // Deflated in a form, as some would take it.
    let packed = BASE64.encode(deflate(response.as_bytes()));
    let reply = browser.submit_from_elsewhere(ACS, &[("SAMLResponse", &packed)]).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_07_one_bad_signature_voids_all() {
    let door = Door::new().await;
    door.refused("VAL-09", |response| {
        // The Response's own signature is right, the assertion's is not.
        response.around_assertion = |xml| xml.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1);
    })
    .await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(door.idp.key);
    let broken = response.replacen("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", 1);
    let reply = browser.bring(&broken, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_07_an_assertion_that_no_signature_covers_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-07", |response| response.signed = Signed::Nothing).await;
    door.accepted("assertion signed", |response| response.signed = Signed::Assertion).await;
    door.accepted("response signed", |response| response.signed = Signed::Response).await;
    door.accepted("both signed", |response| response.signed = Signed::Both).await;
    door.done().await;
}

#[tokio::test]
async fn sso_07_an_ec_idp_signs_in_as_well() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-ec", &EC_256).await;
    app.browser().sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    app.done().await;
}

#[tokio::test]
async fn sso_17_every_issuer_is_the_idp_whose_key_verified() {
    let door = Door::new().await;
    let other = door.app.idp("idp-b", &RSA_B).await;
    let named = |value: &str| Some(Issuer { value: value.to_owned(), format: None });
    let b = other.entity_id.clone();
    // The assertion names another.
    let (browser, reply) = door.try_sign_in(|response| response.assertion.issuer = named(&b)).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // The Response names another.
    let (browser, reply) = door.try_sign_in(|response| response.issuer = named(&b)).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // Both name another, signed by this one.
    let (browser, reply) = door
        .try_sign_in(|response| {
            response.issuer = named(&b);
            response.assertion.issuer = named(&b);
        })
        .await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    // The request went to A, B answers, rightly signed.
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = other.response(Some(begun.id()), &door.name, INDEX).signed(other.key);
    let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_17_a_stranger_signs_nobody_in() {
    let door = Door::new().await;
    let browser = door.app.browser();
    let begun = browser.begin_sign_in(&door.idp).await;
    let response = door.idp.response(Some(begun.id()), &door.name, INDEX).signed(&RSA_ATTACKER);
    let reply = browser.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!browser.is_signed_in().await);
    door.app.assert_audited("VAL-09").await;
    door.done().await;
}

#[tokio::test]
async fn sso_20_a_response_that_is_no_success_signs_nobody_in() {
    let door = Door::new().await;
    for status in [vec!["Responder", "AuthnFailed"], vec!["Requester", "NoPassive"], vec!["Responder"]] {
        // The smuggled assertion is perfectly good.
        let codes = status.iter().map(|&code| code.to_owned()).collect();
        let (browser, reply) = door.try_sign_in(|response| response.status = codes).await;
        assert_eq!(reply.status, 400, "a page, no redirect back into sign-in: {status:?}");
        assert!(!browser.is_signed_in().await);
    }
    door.app.assert_audited("SSO-20").await;
    let (browser, reply) = door
        .try_sign_in(|response| {
            response.status = vec!["Responder".to_owned(), "AuthnFailed".to_owned()];
            response.status_message = Some("<script>alert(1)</script>".to_owned());
            response.signed = Signed::Response;
            response.around_assertion = |_| String::new();
        })
        .await;
    assert_eq!(reply.status, 400);
    assert!(!reply.body.contains("<script>alert"), "SLO-55");
    assert!(!browser.is_signed_in().await);
    door.done().await;
}

#[tokio::test]
async fn sso_20_success_without_an_assertion_is_refused() {
    let door = Door::new().await;
    door.refused("SSO-18", |response| {
        response.signed = Signed::Response;
        response.around_assertion = |_| String::new();
    })
    .await;
    door.done().await;
}

#[tokio::test]
async fn sso_a_wrong_destination_is_refused() {
    let door = Door::new().await;
    let slo = door.app.sp.slo.clone();
    door.refused("VAL-08", |response| response.destination = Some(slo)).await;
    door.refused("VAL-08", |response| response.destination = None).await;
    door.done().await;
}

#[tokio::test]
async fn f_12_more_than_one_assertion_is_refused() {
    let door = Door::new().await;
    let before: fn(String) -> String =
        |xml| format!("{}{xml}", xml.replace("ID=\"_as", "ID=\"_evil").replace("alice", "mallory"));
    let after: fn(String) -> String =
        |xml| format!("{xml}{}", xml.replace("ID=\"_as", "ID=\"_evil").replace("alice", "mallory"));
    for around in [before, after] {
        for signed in [Signed::Assertion, Signed::Both] {
            let (browser, reply) = door
                .try_sign_in(|response| {
                    response.around_assertion = around;
                    response.signed = signed;
                })
                .await;
            assert_eq!(reply.status, 400);
            assert!(!browser.is_signed_in().await);
        }
    }
    door.app.assert_audited("F-12").await;
    door.done().await;
}
