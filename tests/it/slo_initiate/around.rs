//! What else is true while a logout of ours goes on.

use super::*;

#[tokio::test]
async fn slo_54_two_hosts_are_two_entities() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    assert_ne!(one.sp.entity_id, two.sp.entity_id);
    assert_ne!(one.sp.slo, two.sp.slo);
    one.done().await;
    two.done().await;
}

#[tokio::test]
async fn bar_of_our_own_logout_stops_the_second_tab_until_it_is_over() {
    let scene = Scene::new().await;
    let before = instant(scene.app.now());
    scene.app.advance(TimeDelta::seconds(30));
    let tab = scene.app.browser();
    let request = click(&scene.alice, &scene.idp).await;
    // The IdP's session still lives, so a second tab is answered at once, with the old AuthnInstant.
    let begun = tab.begin_sign_in(&scene.idp).await;
    let mut response = scene.idp.response(Some(begun.id()), &scene.name, INDEX);
    response.assertion.statements[0].authn_instant.clone_from(&before);
    let reply = tab.bring(&response.signed(scene.idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(!tab.is_signed_in().await);
    scene.app.assert_audited("SSO-19").await;
    // A person who proves themselves anew gets in.
    let fresh = scene.app.browser();
    fresh.sign_in(&scene.idp, &scene.name, INDEX).await;
    // When the logout is over, so is the bar.
    let answer = scene.idp.logout_response(&request, &["Success"]);
    scene.alice.bring_answer(&scene.idp, &answer, request.relay_state.as_deref()).await;
    let late = scene.app.browser();
    late.sign_in_as(&scene.idp, &scene.name, INDEX, |response| {
        response.assertion.statements[0].authn_instant = before;
    })
    .await;
    scene.done().await;
}

#[tokio::test]
async fn bar_offers_to_sign_in_again_with_force_authn() {
    let scene = Scene::new().await;
    click(&scene.alice, &scene.idp).await;
    let tab = scene.app.browser();
    let begun = tab.begin_sign_in(&scene.idp).await;
    let response = scene.idp.response(Some(begun.id()), &scene.name, INDEX).signed(scene.idp.key);
    let page = tab.bring(&response, begun.relay_state.as_deref()).await;
    assert_eq!(page.status, 400);
    let own = |name: &str, attribute: &str| {
        tags(&page.body)
            .into_iter()
            .filter(|(tag, _)| tag == name)
            .flat_map(|(_, attributes)| attributes)
            .filter(|(key, _)| key == attribute)
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
    };
    let link = own("a", "href").into_iter().find(|href| href.contains("/saml/login"));
    let reply = if let Some(href) = link {
        tab.get(path_of(&href)).await
    } else {
        let form = forms(&page.body).into_iter().find(|form| form.action.contains("/saml/login")).unwrap();
        let query = form_body(&form.with(&[]));
        tab.get(&format!("{}?{query}", path_of(&form.action))).await
    };
    let request = scene.idp.sp.read_front(&reply);
    assert_eq!(request.message.attribute("ForceAuthn"), Some("true"));
    scene.done().await;
}

#[tokio::test]
async fn f_30_logout_leads_nowhere_else() {
    let app = TestApp::start_with(&[("SIGNOFF_RETURN_ORIGINS", "[\"https://app.example\"]")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    for target in ELSEWHERE.into_iter().chain(["https://app.example/bye", "/bye"]) {
        let good = target.ends_with("/bye");
        let alice = app.browser();
        app.advance(TimeDelta::seconds(2));
        alice.sign_in(&idp, &name, INDEX).await;
        let form = alice.logout_form(Some(target)).await;
        let request = idp.sp.read_front(&alice.submit(path_of(&form.action), &form.with(&[])).await);
        let answer = idp.logout_response(&request, &["Success"]);
        let reply = alice.bring_answer(&idp, &answer, request.relay_state.as_deref()).await;
        if good {
            assert!(matches!(reply.status, 302 | 303), "{}", reply.body);
            assert!(reply.location().ends_with(target), "{target}: {}", reply.location());
        } else if matches!(reply.status, 302 | 303) {
            assert_here(&app, reply.location(), target);
            let page = alice.follow(reply).await;
            assert!(!page.body.contains("evil.example"), "{target:?}");
        }
    }
    app.done().await;
}

#[tokio::test]
async fn an_idp_without_slo_is_named_as_not_to_be_asked() {
    let app = TestApp::start().await;
    let idp = app.idp_as("idp-a", &RSA_A, Metadata::without_slo).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.sign_out().await;
    assert!(scene.idp.sp.try_front(&reply).is_none());
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200);
    assert_eq!(legs(&scene.app).await, ["no_endpoint"]);
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn bind_12_a_request_too_long_for_a_url_goes_by_post() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice
        .sign_in_as(&idp, &name, INDEX, |response| {
            let statement = response.assertion.statements[0].clone();
            response.assertion.statements = (0..200)
                .map(|n| {
                    let mut one = statement.clone();
                    // Hardly compressible.
                    let octets = crate::support::dsig::digest("", &n.to_string());
                    one.session_index = Some(octets.iter().map(|b| format!("{b:02x}")).collect());
                    one
                })
                .collect();
        })
        .await;
    let request = click(&alice, &idp).await;
    assert_eq!(request.binding, "post");
    assert_eq!(request.session_indexes().len(), 200);
    app.done().await;
}
