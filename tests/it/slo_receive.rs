//! SLO-01 to SLO-33: the session participant receives a LogoutRequest.

use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::dsig::{EC_256, RSA_A, RSA_B};
use crate::support::http::send;
use crate::support::idp::Idp;
use crate::support::messages::{LogoutRequest, Name, PERSISTENT, UNSPECIFIED, instant};
use crate::support::story::{INDEX, SLO, Scene, Via, get_query, send_request};

/// Three browsers of one person with the indexes 1, 2 and 3.
async fn three(app: &TestApp, idp: &Idp, name: &Name) -> [Browser; 3] {
    let browsers = [app.browser(), app.browser(), app.browser()];
    for (browser, index) in browsers.iter().zip(["1", "2", "3"]) {
        browser.sign_in(idp, name, index).await;
    }
    browsers
}

async fn alive(browsers: &[Browser; 3]) -> [bool; 3] {
    [browsers[0].is_signed_in().await, browsers[1].is_signed_in().await, browsers[2].is_signed_in().await]
}

async fn status_of(app: &TestApp, idp: &Idp, request: &LogoutRequest) -> String {
    send_request(&app.authority, idp, Via::Redirect, request, None).await.status()
}

#[tokio::test]
async fn slo_02_only_the_authority_behind_the_session_can_end_it() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let (at_a, at_b) = (app.browser(), app.browser());
    at_a.sign_in(&a, &name, "1").await;
    at_b.sign_in(&b, &name, "1").await;
    assert_eq!(status_of(&app, &b, &b.logout_request(&name, &["1"])).await, "Success");
    assert!(at_a.is_signed_in().await);
    assert!(!at_b.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_02_a_request_signed_by_one_idp_in_the_name_of_another_is_denied() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice.sign_in(&a, &name, "1").await;
    for via in Via::ALL {
        let mut request = b.logout_request(&name, &["1"]);
        request.issuer = a.issuer();
        if via == Via::Soap {
            request.destination = Some(app.sp.soap.clone());
        }
        let answer = send_request(&app.authority, &b, via, &request, None).await;
        assert_eq!(answer.status(), "Requester/RequestDenied", "{via:?}");
        assert!(alice.is_signed_in().await);
    }
    app.assert_audited("VAL-09").await;
    app.done().await;
}

#[tokio::test]
async fn slo_03_without_session_index_all_sessions_of_the_principal_end() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    let bob = app.browser();
    bob.sign_in(&idp, &Name::email("bob@example.org"), "4").await;
    assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &[])).await, "Success");
    assert_eq!(alive(&browsers).await, [false, false, false]);
    assert!(bob.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_04_one_session_index_ends_that_session_only() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &["2"])).await, "Success");
    assert_eq!(alive(&browsers).await, [true, false, true]);
    app.done().await;
}

#[tokio::test]
async fn slo_05_many_session_indexes_are_the_union() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browsers = three(&app, &idp, &name).await;
    let request = idp.logout_request(&name, &["2", "3", "2", "unknown"]);
    assert_eq!(status_of(&app, &idp, &request).await, "Success");
    assert_eq!(alive(&browsers).await, [true, false, false]);
    app.done().await;
}

#[tokio::test]
async fn slo_05_a_thousand_session_indexes_have_no_limit_but_the_message_size() {
    let scene = Scene::new().await;
    let mut request = scene.request(Via::Post);
    request.session_indexes = (0..1000).map(|n| format!("index-{n}")).collect();
    request.session_indexes.push(INDEX.to_owned());
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_06_session_index_is_never_a_key_alone() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let (alice, bob) = (app.browser(), app.browser());
    alice.sign_in(&idp, &Name::email("alice@example.org"), "1").await;
    bob.sign_in(&idp, &Name::email("bob@example.org"), "1").await;
    let request = idp.logout_request(&Name::email("alice@example.org"), &["1"]);
    assert_eq!(status_of(&app, &idp, &request).await, "Success");
    assert!(!alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    app.done().await;
}

/// Signs in with one NameID, asks for logout with another, and says whether they matched.
async fn matches(at_login: &Name, at_logout: &Name) -> bool {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let browser = app.browser();
    browser.sign_in(&idp, at_login, INDEX).await;
    let status = status_of(&app, &idp, &idp.logout_request(at_logout, &[INDEX])).await;
    let alive = browser.is_signed_in().await;
    app.done().await;
    match status.as_str() {
        "Success" => assert!(!alive, "answered Success, session alive"),
        "Requester/UnknownPrincipal" => assert!(alive),
        other => panic!("{other}"),
    }
    !alive
}

#[tokio::test]
async fn slo_07_another_format_is_another_principal() {
    let email = Name::email("alice@example.org");
    let persistent = Name { format: Some(PERSISTENT.to_owned()), ..email.clone() };
    assert!(!matches(&email, &persistent).await);
    assert!(!matches(&persistent, &email).await);
    assert!(matches(&persistent, &persistent).await);
}

#[tokio::test]
async fn slo_08_an_absent_format_is_unspecified() {
    let bare = Name::bare("alice");
    let unspecified = Name { format: Some(UNSPECIFIED.to_owned()), ..bare.clone() };
    assert!(matches(&bare, &unspecified).await);
    assert!(matches(&unspecified, &bare).await);
    let typo = "urn:oasis:names:tc:SAML:1.0:nameid-format:unspecified".to_owned();
    assert!(!matches(&bare, &Name { format: Some(typo), ..bare.clone() }).await);
}

#[tokio::test]
async fn slo_09_absent_or_empty_qualifiers_are_the_two_entities() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let bare = Name::email("alice@example.org");
    let explicit = Name {
        name_qualifier: Some(idp.entity_id.clone()),
        sp_name_qualifier: Some(app.sp.entity_id.clone()),
        ..bare.clone()
    };
    let empty =
        Name { name_qualifier: Some(String::new()), sp_name_qualifier: Some(String::new()), ..bare.clone() };
    for (at_login, at_logout) in
        [(&bare, &explicit), (&explicit, &bare), (&empty, &explicit), (&explicit, &empty)]
    {
        let browser = app.browser();
        // Bars bind what came before them: each round is a moment of its own.
        app.advance(TimeDelta::seconds(2));
        browser.sign_in(&idp, at_login, INDEX).await;
        assert_eq!(status_of(&app, &idp, &idp.logout_request(at_logout, &[INDEX])).await, "Success");
        assert!(!browser.is_signed_in().await, "{at_login:?} {at_logout:?}");
    }
    app.done().await;
}

#[tokio::test]
async fn slo_09_a_wrong_qualifier_does_not_match() {
    let bare = Name::email("alice@example.org");
    let other_sp = Name { sp_name_qualifier: Some("https://other.example".to_owned()), ..bare.clone() };
    let other_idp = Name { name_qualifier: Some("https://other.example".to_owned()), ..bare.clone() };
    assert!(!matches(&bare, &other_sp).await);
    assert!(!matches(&bare, &other_idp).await);
    assert!(matches(&other_sp, &other_sp).await);
}

#[tokio::test]
async fn slo_10_sp_provided_id_plays_no_part_in_matching() {
    let bare = Name::email("alice@example.org");
    let provided = Name { sp_provided_id: Some("x".to_owned()), ..bare.clone() };
    assert!(matches(&bare, &provided).await);
    assert!(matches(&provided, &bare).await);
}

#[tokio::test]
async fn slo_11_nothing_is_folded_or_trimmed() {
    let alice = Name::bare("alice");
    for other in ["Alice", "alice ", " alice", "alice\n", "alicé", "alice\u{301}"] {
        assert!(!matches(&alice, &Name::bare(other)).await, "{other:?}");
        assert!(matches(&Name::bare(other), &Name::bare(other)).await, "{other:?}");
    }
}

#[tokio::test]
async fn slo_11_session_indexes_are_compared_exactly() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    alice.sign_in(&idp, &name, "Index").await;
    for other in ["index", "Index ", "INDEX"] {
        assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &[other])).await, "Success");
        assert!(alice.is_signed_in().await, "{other:?}");
    }
    assert_eq!(status_of(&app, &idp, &idp.logout_request(&name, &["Index"])).await, "Success");
    assert!(!alice.is_signed_in().await);
    app.done().await;
}

/// The request comes from a client without any cookie: `send_request` has none.
#[tokio::test]
async fn slo_12_no_cookie_is_needed_to_find_the_session() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_13_a_cookie_that_comes_along_is_ignored() {
    let scene = Scene::new().await;
    let bob = scene.app.browser();
    bob.sign_in(&scene.idp, &Name::email("bob@example.org"), "b-1").await;
    let query = scene.idp.redirect("SAMLRequest", &scene.request(Via::Redirect).xml(), None);
    let reply = bob.get_from_elsewhere(&format!("{SLO}?{query}")).await;
    assert_eq!(scene.idp.sp.read_front(&reply).status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_14_a_session_ended_at_one_node_is_dead_at_every_node() {
    let scene = Scene::new().await;
    let node = scene.app.second_node().await;
    let at_b = scene.alice.at(&node.authority);
    assert!(at_b.is_signed_in().await);
    let answer = scene.send(Via::Redirect, &scene.request(Via::Redirect)).await;
    assert_eq!(answer.status(), "Success");
    assert!(!at_b.is_signed_in().await);
    scene.done().await;
}

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

#[tokio::test]
async fn slo_20_a_logout_that_came_first_binds_the_assertion_that_comes_later() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    let begun = alice.begin_sign_in(&idp).await;
    let response = idp.response(Some(begun.id()), &name, "x");
    let mut request = idp.logout_request(&name, &["x"]);
    request.not_on_or_after = Some(instant(app.now() + TimeDelta::minutes(10)));
    status_of(&app, &idp, &request).await;
    let reply = alice.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("sign in again") || reply.body.contains("Sign in again"), "{}", reply.body);
    assert!(!alice.is_signed_in().await);
    app.assert_audited("SSO-19").await;
    // Another index of the same person is not bound, nor is the same person a second later.
    app.browser().sign_in(&idp, &name, "y").await;
    app.advance(TimeDelta::seconds(1));
    alice.sign_in(&idp, &name, "x").await;
    assert!(alice.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_20_the_bar_is_not_used_up_by_the_assertion_it_stopped() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let earlier = instant(app.now());
    app.advance(TimeDelta::seconds(10));
    status_of(&app, &idp, &idp.logout_request(&name, &["x"])).await;
    for round in 0..3 {
        let browser = app.browser();
        let begun = browser.begin_sign_in(&idp).await;
        let mut response = idp.response(Some(begun.id()), &name, "x");
        response.assertion.statements[0].authn_instant.clone_from(&earlier);
        let reply = browser.bring(&response.signed(idp.key), begun.relay_state.as_deref()).await;
        assert_eq!(reply.status, 400, "round {round}");
        app.advance(TimeDelta::minutes(2));
    }
    app.done().await;
}

#[tokio::test]
async fn slo_21_without_index_the_bar_binds_assertions_issued_before_and_none_after() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let alice = app.browser();
    let begun = alice.begin_sign_in(&idp).await;
    let early = idp.response(Some(begun.id()), &name, "x");
    app.advance(TimeDelta::seconds(1));
    status_of(&app, &idp, &idp.logout_request(&name, &[])).await;
    let reply = alice.bring(&early.signed(idp.key), begun.relay_state.as_deref()).await;
    assert_eq!(reply.status, 400);
    assert!(!alice.is_signed_in().await);
    app.advance(TimeDelta::seconds(1));
    // AuthnInstant of the day before, but issued after the logout: the person gets in.
    let old = instant(app.now() - TimeDelta::hours(20));
    alice.sign_in_as(&idp, &name, "x", |response| response.assertion.statements[0].authn_instant = old).await;
    assert!(alice.is_signed_in().await);
    app.done().await;
}

#[tokio::test]
async fn slo_22_not_on_or_after_is_judged_with_the_skew() {
    let scene = Scene::new().await;
    for (ago, executed) in [(181, false), (179, true)] {
        let mut request = scene.request(Via::Redirect);
        request.issue_instant = Some(instant(scene.app.now() - TimeDelta::seconds(240)));
        request.not_on_or_after = Some(instant(scene.app.now() - TimeDelta::seconds(ago)));
        let status = scene.send(Via::Redirect, &request).await.status();
        assert_eq!(status, if executed { "Success" } else { "Requester" }, "{ago} s ago");
        assert_eq!(scene.alice.is_signed_in().await, !executed);
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_22_a_far_not_on_or_after_does_not_lengthen_the_age() {
    let scene = Scene::new().await;
    let mut request = scene.request(Via::Post);
    request.issue_instant = Some(instant(scene.app.now() - TimeDelta::minutes(9)));
    request.not_on_or_after = Some(instant(scene.app.now() + TimeDelta::hours(1)));
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Requester");
    scene.assert_refused("VAL-15").await;
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn slo_23_an_absurd_not_on_or_after() {
    let scene = Scene::new().await;
    let now = scene.app.now();
    let mut request = scene.request(Via::Redirect);
    request.not_on_or_after = request.issue_instant.clone();
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Requester");
    scene.assert_refused("SLO-23").await;
    let mut request = scene.request(Via::Redirect);
    request.not_on_or_after = Some("9999-12-31T23:59:59Z".to_owned());
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    let latest: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select max(bar_until) from logout").fetch_one(&scene.app.pool).await.unwrap();
    assert!(latest <= now + TimeDelta::hours(24), "{latest}");
    scene.done().await;
}

#[tokio::test]
async fn slo_24_a_duplicate_is_answered_again_and_not_executed_again() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let request = scene.request(via);
        let first = scene.send(via, &request).await.saml();
        assert!(!scene.alice.is_signed_in().await);
        scene.app.advance(TimeDelta::seconds(2));
        scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
        // The very same message by the very same binding, then by the other two.
        let again = scene.send(via, &request).await.saml();
        assert_eq!(again.status(), "Success");
        assert_eq!(again.in_response_to(), Some(request.id()));
        assert_ne!(again.id(), first.id(), "newly signed");
        assert!(scene.alice.is_signed_in().await, "a replay must not end the new session ({via:?})");
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_24_a_duplicate_over_another_front_binding_is_the_same_message() {
    let scene = Scene::new().await;
    let request = scene.request(Via::Redirect);
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success");
    scene.app.advance(TimeDelta::seconds(2));
    scene.alice.sign_in(&scene.idp, &scene.name, INDEX).await;
    assert_eq!(scene.send(Via::Post, &request).await.status(), "Success");
    assert!(scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn slo_24_a_duplicate_of_row_d_repeats_its_status() {
    let scene = Scene::new().await;
    let request = scene.idp.logout_request(&Name::email("nobody@example.org"), &["1"]);
    for _ in 0..2 {
        assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Requester/UnknownPrincipal");
    }
    scene.done().await;
}

#[tokio::test]
async fn slo_24_the_same_id_from_two_idps_is_two_messages() {
    let app = TestApp::start().await;
    let (a, b) = (app.idp("idp-a", &RSA_A).await, app.idp("idp-b", &RSA_B).await);
    let name = Name::email("alice@example.org");
    let (at_a, at_b) = (app.browser(), app.browser());
    at_a.sign_in(&a, &name, "1").await;
    at_b.sign_in(&b, &name, "1").await;
    for idp in [&a, &b] {
        let mut request = idp.logout_request(&name, &["1"]);
        request.id = Some("_same".to_owned());
        assert_eq!(status_of(&app, idp, &request).await, "Success");
    }
    assert!(!at_a.is_signed_in().await);
    assert!(!at_b.is_signed_in().await);
    app.done().await;
}

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
