//! VAL-06 to VAL-08, VAL-15 to VAL-23: version, issuer, destination, time and place.

use super::*;

#[tokio::test]
async fn val_06_version_is_two_point_zero() {
    for (version, front, soap) in
        [("", 400, 500), ("2", 400, 500), ("1.0", 400, 500), ("two", 400, 500), ("2.0 ", 400, 500)]
    {
        for via in Via::ALL {
            let scene = Scene::new().await;
            let mut request = scene.request(via);
            request.version = Some(version.to_owned());
            scene.send(via, &request).await.assert_plain(front, soap);
            assert!(scene.alice.is_signed_in().await, "{version:?}");
            scene.done().await;
        }
    }
}

/// House decision: row k is answered only to a verified message; an unverified 3.0 is row g.
#[tokio::test]
async fn val_06_an_unverified_high_version_is_denied() {
    for via in ENVELOPES {
        let scene = Scene::new().await;
        let mut request = scene.request(via);
        request.version = Some("3.0".to_owned());
        for raw in [request.xml(), request.signed(&RSA_ATTACKER)] {
            assert_eq!(scene.raw(via, &raw).await.status(), "Requester/RequestDenied");
            assert!(scene.alice.is_signed_in().await);
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_07_the_issuer_is_exact_and_of_format_entity() {
    let changes: Vec<Change> = vec![
        ("slash", |request| request.issuer.as_mut().unwrap().value.push('/')),
        ("case", |request| {
            request.issuer.as_mut().unwrap().value = "https://IDP-A.example/metadata".to_owned();
        }),
        ("space", |request| request.issuer.as_mut().unwrap().value.insert(0, ' ')),
        ("format", |request| request.issuer.as_mut().unwrap().format = Some(UNSPECIFIED.to_owned())),
        ("empty", |request| request.issuer = Some(Issuer { value: String::new(), format: None })),
    ];
    requests_refused("VAL-07", changes).await;
    for via in Via::ALL {
        let scene = Scene::new().await;
        let mut request = scene.request(via);
        request.issuer.as_mut().unwrap().format = Some(ENTITY.to_owned());
        assert_eq!(scene.send(via, &request).await.status(), "Success");
        scene.done().await;
    }
}

#[tokio::test]
async fn val_08_the_destination_is_this_endpoint_exactly() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let own = scene.endpoint(via);
        for wrong in [
            scene.idp.sp.acs.clone(),
            if via == Via::Soap { scene.idp.sp.slo.clone() } else { scene.idp.sp.soap.clone() },
            own.replace("http://", "https://"),
            own.replace("127.0.0.1", "localhost"),
            format!("{own}/"),
            format!("{own}?x=1"),
            own.to_uppercase(),
            format!(" {own}"),
            String::new(),
            "https://other.example/saml/slo".to_owned(),
        ] {
            let mut request = scene.request(via);
            request.destination = Some(wrong.clone());
            scene.send(via, &request).await.assert_plain(400, 403);
            assert!(scene.alice.is_signed_in().await, "{wrong}");
        }
        scene.app.assert_audited("VAL-08").await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_15_instants_are_utc() {
    for (suffix, taken) in [
        ("Z", true),
        ("+00:00", true),
        (".123Z", true),
        (".123456789Z", true),
        ("+01:00", false),
        ("", false),
    ] {
        let scene = Scene::new().await;
        let mut request = scene.request(Via::Redirect);
        let at = scene.app.now() + if suffix == "+01:00" { TimeDelta::hours(1) } else { TimeDelta::zero() };
        request.issue_instant = Some(format!("{}{suffix}", instant(at).trim_end_matches('Z')));
        let answer = scene.send(Via::Redirect, &request).await;
        let executed = answer.reply.status < 400 && answer.status() == "Success";
        assert_eq!(executed, taken, "{suffix:?}: {}", answer.reply.status);
        assert_eq!(!scene.alice.is_signed_in().await, taken, "{suffix:?}");
        scene.done().await;
    }
}

#[tokio::test]
async fn val_16_the_edges_of_the_skew() {
    let app = TestApp::start_with(&[("SIGNOFF_SAML__SKEW", "4m"), ("SIGNOFF_SAML__MAX_AGE", "5m")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let now = scene.app.now();
    for (offset, taken) in [(-541, false), (-539, true), (239, true), (241, false)] {
        let mut request = scene.request(Via::Redirect);
        request.session_indexes = vec!["none".to_owned()];
        request.issue_instant = Some(instant(now + TimeDelta::seconds(offset)));
        let expected = if taken { "Success" } else { "Requester" };
        assert_eq!(scene.send(Via::Redirect, &request).await.status(), expected, "{offset} s");
    }
    scene.done().await;
}

#[tokio::test]
async fn val_19_every_message_only_where_it_belongs() {
    let scene = Scene::new().await;
    let request = scene.request(Via::Post).signed(scene.idp.key);
    let response = scene.idp.response(None, &scene.name, "other").signed(scene.idp.key);
    let asked = scene.idp.sp.read_front(&{
        let bob = scene.app.browser();
        bob.sign_in(&scene.idp, &crate::support::messages::Name::email("bob@example.org"), "b").await;
        bob.sign_out().await
    });
    let answer = scene.idp.logout_response(&asked, &["Success"]).signed(scene.idp.key);
    let metadata = scene.idp.metadata().xml();
    let before = scene.app.count("select count(*) from session").await;
    for (path, field, xml) in [
        ("/saml/acs", "SAMLResponse", &request),
        ("/saml/acs", "SAMLResponse", &answer),
        ("/saml/acs", "SAMLRequest", &request),
        ("/saml/acs", "SAMLRequest", &response),
        ("/saml/acs", "SAMLResponse", &metadata),
        ("/saml/slo", "SAMLRequest", &response),
        ("/saml/slo", "SAMLRequest", &answer),
        ("/saml/slo", "SAMLResponse", &response),
        ("/saml/slo", "SAMLResponse", &request),
        ("/saml/slo", "SAMLRequest", &metadata),
    ] {
        let reply = crate::support::story::post_message(&scene.app.authority, path, field, xml, None).await;
        assert_eq!(reply.status, 400, "{path} {field}: {}", reply.body);
    }
    scene.assert_refused("VAL-19").await;
    assert_eq!(scene.app.count("select count(*) from session").await, before);
    let open = scene.app.count("select count(*) from logout_leg where state = 'asked'").await;
    assert_eq!(open, 1);
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn val_19_other_messages_of_the_protocol_are_refused() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        for name in ["AuthnRequest", "ManageNameIDRequest", "ArtifactResolve", "Foo"] {
            let request = scene.request(via);
            let xml = request.xml().replace("samlp:LogoutRequest", &format!("samlp:{name}"));
            let raw = if via == Via::Redirect {
                scene.idp.redirect("SAMLRequest", &xml, None)
            } else {
                crate::support::dsig::enveloped(&xml, request.id(), scene.idp.key, &Shape::of(scene.idp.key))
            };
            scene.raw(via, &raw).await.assert_plain(400, 500);
            assert!(scene.alice.is_signed_in().await, "{name}");
        }
        // The right name in another namespace.
        let mut request = scene.request(via);
        request.finish =
            |xml| xml.replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol");
        scene.send(via, &request).await.assert_plain(400, 500);
        scene.assert_refused("VAL-19").await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

/// The audit says when, where, who, what and why (VAL-23).
#[tokio::test]
async fn val_23_the_audit_tells_all_of_it() {
    let scene = Scene::new().await;
    let mut wrong = scene.request(Via::Post);
    wrong.destination = Some("https://other.example".to_owned());
    scene.send(Via::Post, &wrong).await;
    let right = scene.request(Via::Soap);
    scene.send(Via::Soap, &right).await;
    scene.app.audit().await;
    type Row = (String, Option<String>, Option<String>, Option<String>, Option<Vec<u8>>, String, String, i32);
    let rows: Vec<Row> = sqlx::query_as(
        "select endpoint, binding, issuer, message_id, digest, verdict, rule, sessions from audit
          where binding in ('post', 'soap') and endpoint like '%slo%' order by id",
    )
    .fetch_all(&scene.app.pool)
    .await
    .unwrap();
    let refused = rows.iter().find(|row| row.5 == "refused").expect("a refusal");
    assert_eq!(
        (refused.2.as_deref(), refused.6.as_str(), refused.7),
        (Some(scene.idp.entity_id.as_str()), "VAL-08", 0)
    );
    let accepted = rows.iter().find(|row| row.5 == "accepted").expect("an acceptance");
    assert_eq!(accepted.1.as_deref(), Some("soap"));
    assert_eq!(accepted.3.as_deref(), Some(right.id()));
    assert_eq!(accepted.4.as_ref().map(Vec::len), Some(32));
    assert_eq!(accepted.7, 1);
    let changed = sqlx::query("update audit set rule = 'x'").execute(&scene.app.pool).await;
    assert!(changed.is_err(), "append-only");
    scene.done().await;
}
