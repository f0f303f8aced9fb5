//! SLO-25 to SLO-33: what changes nothing, frames, and the end by the clock.

use super::*;

#[tokio::test]
async fn slo_25_the_reason_changes_nothing() {
    let reasons = [
        "urn:oasis:names:tc:SAML:2.0:logout:user",
        "urn:oasis:names:tc:SAML:2.0:logout:admin",
        "urn:oasis:names:tc:SAML:2.0:logout:global-timeout",
        "urn:oasis:names:tc:SAML:2.0:logout:sp-timeout",
        "urn:example:other",
        "because I say so",
    ];
    let scene = Scene::new().await;
    for reason in reasons {
        let mut request = scene.request(Via::Redirect);
        request.reason = Some(reason.to_owned());
        assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success", "{reason}");
        assert!(!scene.alice.is_signed_in().await);
        let stored =
            sqlx::query_scalar::<_, Option<String>>("select reason from logout order by id desc limit 1");
        assert_eq!(stored.fetch_one(&scene.app.pool).await.unwrap().as_deref(), Some(reason));
        scene.app.advance(TimeDelta::seconds(2));
        scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_26_consent_changes_nothing() {
    let scene = Scene::new().await;
    for consent in ["unspecified", "obtained", "prior", "current-implicit", "current-explicit", "unavailable"]
    {
        let mut request = scene.request(Via::Post);
        request.consent = Some(format!("urn:oasis:names:tc:SAML:2.0:consent:{consent}"));
        assert_eq!(scene.send(Via::Post, &request).await.status(), "Success", "{consent}");
        assert!(!scene.alice.is_signed_in().await);
        scene.app.advance(TimeDelta::seconds(2));
        scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_27_extensions_are_ignored_and_asynchronous_is_answered_all_the_same() {
    let contents = [
        "<x:anything xmlns:x=\"urn:x\" a=\"b\"><x:deep>text</x:deep></x:anything>",
        "<aslo:Asynchronous xmlns:aslo=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\"></aslo:Asynchronous>",
    ];
    for content in contents {
        for via in Via::ALL {
            let scene = Scene::new().await;
            let mut request = scene.request(via);
            request.extensions = format!("<samlp:Extensions>{content}</samlp:Extensions>");
            assert_eq!(scene.send(via, &request).await.status(), "Success", "{content} {via:?}");
            assert!(!scene.alice.is_signed_in().await);
            scene.done().await;
        }
    }
}

#[tokio::test]
async fn slo_32_the_slo_endpoints_can_be_framed_by_the_idp_and_no_other_page_can() {
    let scene = Scene::new().await;
    let answer = scene.send(Via::Redirect, &scene.request(Via::Redirect)).await;
    for (what, reply) in
        [("answer", answer.reply), ("refusal", get_query(&scene.app.authority, SLO, "x=1").await)]
    {
        assert!(reply.header("x-frame-options").is_none(), "{what}");
        let csp = reply.header("content-security-policy").unwrap_or_default();
        assert!(!csp.contains("frame-ancestors 'none'"), "{what}: {csp}");
    }
    for path in ["/", "/logout", "/session"] {
        let reply = send(&scene.app.authority, "GET", path, &[], None).await;
        let csp = reply.header("content-security-policy").unwrap_or_default();
        assert!(csp.contains("frame-ancestors 'none'"), "{path}: {csp}");
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_33_session_not_on_or_after_ends_the_session_and_tells_nobody() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    let (near, far) = (app.now() + TimeDelta::minutes(10), app.now() + TimeDelta::hours(1));
    alice
        .sign_in_as(&idp, &name, INDEX, |response| {
            let mut second = response.assertion.statements[0].clone();
            second.session_index = Some("s-2".to_owned());
            second.session_not_on_or_after = Some(instant(near));
            response.assertion.statements[0].session_not_on_or_after = Some(instant(far));
            response.assertion.statements.push(second);
        })
        .await;
    app.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    assert!(alice.is_signed_in().await);
    app.advance(TimeDelta::seconds(1));
    assert!(!alice.is_signed_in().await, "the nearest one counts, and at that instant");
    app.work().await;
    app.work().await;
    assert!(!alice.is_signed_in().await);
    assert!(idp.soap.as_ref().unwrap().calls().is_empty(), "expiry alone sends no LogoutRequest");
    app.done().await;
}
