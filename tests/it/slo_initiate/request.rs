//! SLO-34 to SLO-49: who is asked, and how.

use super::*;

#[tokio::test]
async fn slo_35_the_local_session_is_dead_before_anyone_is_asked() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    click(&scene.alice, &scene.idp).await;
    // The redirect is never followed.
    assert!(!scene.alice.is_signed_in().await);
    assert!(!scene.alice.at(&node.authority).is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_36_idleness_sends_no_logout_request() {
    let app = TestApp::start_with(&[("SIGNOFF_SESSION__IDLE", "30m"), ("SIGNOFF_SESSION__MAX", "24h")]).await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    for _ in 0..3 {
        scene.app.advance(TimeDelta::minutes(29));
        assert!(scene.alice.is_signed_in().await, "every visit counts");
    }
    scene.app.advance(TimeDelta::minutes(31));
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    assert_eq!(legs(&scene.app).await, [""; 0]);
    let reply = scene.alice.get("/saml/login?idp=idp-a").await;
    assert_eq!(scene.idp.sp.read_front(&reply).message.local, "AuthnRequest", "nothing to resume either");
    scene.done().await;
}

#[tokio::test]
async fn slo_36_the_maximum_life_sends_no_logout_request() {
    let app = TestApp::start_with(&[("SIGNOFF_SESSION__IDLE", "2h"), ("SIGNOFF_SESSION__MAX", "3h")]).await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    for _ in 0..2 {
        scene.app.advance(TimeDelta::hours(1));
        assert!(scene.alice.is_signed_in().await);
    }
    scene.app.advance(TimeDelta::hours(1));
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    scene.done().await;
}

#[tokio::test]
async fn slo_38_the_name_id_is_repeated_with_exactly_the_attributes_it_had() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    for mask in 0..16_u8 {
        let has = |bit: u8, value: &str| (mask & (1 << bit) != 0).then(|| value.to_owned());
        let name = Name {
            value: format!("alice {mask} ü&<"),
            format: has(0, EMAIL),
            name_qualifier: has(1, "q&\"ü"),
            sp_name_qualifier: has(2, "sq"),
            sp_provided_id: has(3, "p\t<"),
        };
        let alice = app.browser();
        alice.sign_in(&idp, &name, INDEX).await;
        let request = click(&alice, &idp).await;
        assert_eq!(request.name(), name, "{mask:04b}");
        // Byte for byte, in canonical form.
        let element = request.message.elements().find(|e| e.local == "NameID").unwrap();
        let own = crate::support::xml::Element::parse(&name.xml()).unwrap();
        assert_eq!(element.canonical(), own.canonical());
    }
    app.done().await;
}

#[tokio::test]
async fn slo_39_every_session_index_is_named() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice.sign_in(&idp, &name, "one").await;
    // Step-up: the same person again, another index.
    alice.sign_in(&idp, &name, "two").await;
    let mut indexes = click(&alice, &idp).await.session_indexes();
    indexes.sort();
    assert_eq!(indexes, ["one", "two"]);
    app.done().await;
}

#[tokio::test]
async fn slo_39_without_any_index_none_is_sent() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let alice = app.browser();
    let name = Name::email("alice@example.org");
    alice
        .sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].session_index = None)
        .await;
    assert_eq!(click(&alice, &idp).await.session_indexes(), [""; 0]);
    // A request about "all sessions" finds it, one about an index does not.
    let bob = app.browser();
    let name = Name::email("bob@example.org");
    bob.sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].session_index = None).await;
    send_request(&app.authority, &idp, Via::Redirect, &idp.logout_request(&name, &["x"]), None).await;
    assert!(bob.is_signed_in().await);
    send_request(&app.authority, &idp, Via::Redirect, &idp.logout_request(&name, &[]), None).await;
    assert!(!bob.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_40_the_request_stands_in_schema_order_and_slo_41_says_until_when_and_why() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |metadata| {
            metadata.without_slo().slo("HTTP-POST", "https://idp-a.example/slo/post", None)
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let request = click(&scene.alice, &scene.idp).await;
    assert_eq!(request.binding, "post");
    let children: Vec<_> = request.message.elements().map(|e| e.local.as_str()).collect();
    assert_eq!(children, ["Issuer", "Signature", "NameID", "SessionIndex"]);
    assert!(request.message.child(DS, "Signature").is_some(), "SLO-42");
    let own = |name| request.message.attribute(name);
    assert_eq!(own("Reason"), Some("urn:oasis:names:tc:SAML:2.0:logout:user"));
    let until = chrono::DateTime::parse_from_rfc3339(own("NotOnOrAfter").unwrap()).unwrap();
    assert_eq!(until, scene.app.now() + TimeDelta::minutes(5));
    scene.done().await;
}

#[tokio::test]
async fn slo_45_no_logout_starts_inside_a_frame() {
    let scene = Scene::new().await;
    let page = scene.alice.get("/logout").await;
    assert!(tags(&page.body).iter().all(|(name, _)| name != "iframe" && name != "frame"));
    let form = scene.alice.logout_form(None).await;
    let body = form_body(&form.with(&[]));
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Dest", "iframe")];
    let reply = scene.alice.request("POST", "/logout", &headers, Some(body.as_bytes()), From::Here).await;
    assert!(scene.idp.sp.try_front(&reply).is_none(), "no LogoutRequest inside a frame");
    assert!(reply.status >= 400 && reply.status < 500, "{}", reply.status);
    assert!(scene.alice.is_signed_in().await);
    click(&scene.alice, &scene.idp).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_46_an_admin_ends_a_session_and_the_idp_is_told_by_soap() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    scene.app.end_by_admin(&scene.alice).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    let calls = scene.idp.soap.as_ref().unwrap().calls();
    assert_eq!(calls.len(), 1);
    let request = &calls[0].request;
    assert_eq!(
        request.message.attribute("Reason"),
        Some("urn:oasis:names:tc:SAML:2.0:logout:admin"),
        "SLO-41"
    );
    assert_eq!(request.name(), scene.name);
    assert_eq!(request.session_indexes(), [INDEX]);
    let head = calls[0].headers.to_ascii_lowercase();
    assert!(head.contains("content-type: text/xml"), "{head}");
    assert!(head.contains("soapaction:"), "{head}");
    assert!(
        head.contains("cache-control: no-cache, no-store") && head.contains("pragma: no-cache"),
        "BIND-30"
    );
    assert_eq!(legs(&scene.app).await, ["confirmed"]);
    scene.app.work().await;
    assert_eq!(scene.idp.soap.as_ref().unwrap().calls().len(), 1, "each layer at most once");
    scene.done().await;
}

#[tokio::test]
async fn slo_46_without_soap_an_admins_logout_waits_for_the_browser() {
    let scene = Scene::new().await;
    scene.app.end_by_admin(&scene.alice).await;
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert_eq!(legs(&scene.app).await, ["waiting_browser"]);
    let reply = scene.alice.get("/saml/login?idp=idp-a").await;
    let request = scene.idp.sp.read_front(&reply);
    assert_eq!(request.message.local, "LogoutRequest");
    assert_eq!(request.message.attribute("Reason"), Some("urn:oasis:names:tc:SAML:2.0:logout:admin"));
    scene.done().await;
}

#[tokio::test]
async fn slo_47_only_here_asks_nobody() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.sign_out_here().await;
    assert!(scene.idp.sp.try_front(&reply).is_none());
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200);
    assert!(!scene.alice.is_signed_in().await);
    scene.app.work().await;
    assert!(scene.idp.soap.as_ref().unwrap().calls().is_empty());
    let begun = scene.idp.sp.read_front(&scene.alice.get("/saml/login?idp=idp-a").await);
    assert_eq!(begun.message.local, "AuthnRequest", "nothing to resume");
    scene.done().await;
}

#[tokio::test]
async fn slo_48_logout_needs_the_token_of_this_session() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b").await;
    let foreign = bob.logout_form(None).await.field("csrf").unwrap().to_owned();
    // A GET asks and ends nothing, from wherever it comes.
    assert_eq!(scene.alice.get_from_elsewhere("/logout").await.status, 200);
    assert!(scene.alice.is_signed_in().await);
    for csrf in [None, Some(""), Some("AAAA"), Some(foreign.as_str())] {
        let fields: Vec<_> = csrf.map(|value| ("csrf", value)).into_iter().collect();
        let reply = scene.alice.submit("/logout", &fields).await;
        assert!(reply.status >= 400 && reply.status < 500 || reply.status == 200, "{}", reply.status);
        assert!(scene.idp.sp.try_front(&reply).is_none());
        assert!(scene.alice.is_signed_in().await, "{csrf:?}");
    }
    let own = scene.alice.logout_form(None).await;
    let body = form_body(&own.with(&[]));
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "http://127.0.0.1:1"),
    ] {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), (name, value)];
        let reply = scene.alice.request("POST", "/logout", &headers, Some(body.as_bytes()), From::Here).await;
        assert!(reply.status >= 400 && reply.status < 500, "{name}: {value} gave {}", reply.status);
        assert!(scene.alice.is_signed_in().await, "{name}: {value}");
    }
    let origin =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", scene.app.base_url.as_str())];
    let reply = scene.alice.request("POST", "/logout", &origin, Some(body.as_bytes()), From::Here).await;
    assert_eq!(scene.idp.sp.read_front(&reply).message.local, "LogoutRequest");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_49_asynchronous_only_where_the_idp_says_so() {
    let scene = Scene::new().await;
    assert!(click(&scene.alice, &scene.idp).await.message.child(SAMLP, "Extensions").is_none());
    scene.done().await;
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |mut metadata| {
            metadata.slo = metadata.slo.replace(
                "/>",
                " xmlns:aslo=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\" aslo:supportsAsynchronous=\"true\"/>",
            );
            metadata
        })
        .await;
    let scene = Scene::enter(app, idp).await;
    let request = click(&scene.alice, &scene.idp).await;
    let extension = request.message.path(&["Extensions", "Asynchronous"]).expect("the extension");
    assert_eq!(extension.ns, "urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo");
    assert_eq!(
        scene.app.count("select count(*) from logout where finished_at is null").await,
        0,
        "nothing waits"
    );
    let stray = scene.idp.logout_response(&request, &["Success"]);
    let reply = scene.alice.bring_answer(&scene.idp, &stray, request.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "a stray LogoutResponse is unsolicited");
    scene.done().await;
}
