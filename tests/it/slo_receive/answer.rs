//! SLO-16 to SLO-19: what is answered, and where.

use super::*;

#[tokio::test]
async fn slo_16_the_answer_has_all_that_an_answer_needs() {
    let scene = Scene::with_key(&EC_256).await;
    let mut ids = Vec::new();
    for via in Via::ALL {
        let request = scene.request(via);
        let answer = scene.send(via, &request).await;
        let message = answer.saml();
        assert_eq!(message.message.local, "LogoutResponse");
        assert_eq!(message.in_response_to(), Some(request.id()));
        assert_eq!(
            message.message.attribute("IssueInstant").map(|at| &at[..19]),
            Some("2026-11-23T12:00:00")
        );
        let children: Vec<_> = message.message.elements().map(|child| child.local.as_str()).collect();
        let expected: &[&str] =
            if via == Via::Redirect { &["Issuer", "Status"] } else { &["Issuer", "Signature", "Status"] };
        assert!(children == expected || via == Via::Post && children == ["Issuer", "Status"], "{children:?}");
        ids.push(message.id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "every answer has an ID of its own");
    scene.done().await;
}

#[tokio::test]
async fn slo_17_no_in_response_to_when_the_request_has_no_id() {
    let scene = Scene::new().await;
    for via in Via::ALL {
        let mut request = scene.request(via);
        request.id = None;
        let answer = scene.send(via, &request).await;
        // Schema-invalid: row n, which never answers with SAML.
        answer.assert_plain(400, 500);
        assert!(scene.alice.is_signed_in().await);
    }
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn slo_18_the_answer_goes_to_the_response_location() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo(
                "HTTP-Redirect",
                "https://idp-a.example/logout?tenant=7",
                Some("https://idp-a.example/logoutReturn"),
            )
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    for via in Via::FRONT {
        let message = scene.send_with(via, &scene.request(via), "r").await.saml();
        assert_eq!(message.url, "https://idp-a.example/logoutReturn");
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_18_without_response_location_the_answer_goes_to_the_location_and_its_own_query() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo("HTTP-Redirect", "https://idp-a.example/logout?tenant=7", None)
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let message = scene.send(Via::Post, &scene.request(Via::Post)).await.saml();
    assert_eq!(message.url, "https://idp-a.example/logout?tenant=7");
    scene.done().await;
}

#[tokio::test]
async fn slo_18_an_idp_with_post_only_is_answered_by_post() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo(
                "HTTP-POST",
                "https://idp-a.example/post",
                Some("https://idp-a.example/back"),
            )
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    for via in Via::FRONT {
        let message = scene.send_with(via, &scene.request(via), "r").await.saml();
        assert_eq!((message.binding, message.url.as_str()), ("post", "https://idp-a.example/back"));
        assert_eq!(message.relay_state.as_deref(), Some("r"));
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_19_without_an_endpoint_for_the_answer_the_sessions_still_end() {
    for via in Via::FRONT {
        let app = TestApp::start().await;
        let idp = app
            .idp_as("idp-a", &RSA_A, |metadata| {
                metadata.without_slo().slo("SOAP", "https://idp-a.example/soap", None)
            })
            .await;
        let scene = Scene::enter(app, idp).await;
        let answer = scene.send(via, &scene.request(via)).await;
        answer.assert_plain(200, 200);
        assert!(!scene.alice.is_signed_in().await, "{via:?}");
        scene.done().await;
    }
}
