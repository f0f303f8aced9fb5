//! SLO-07 to SLO-11: whose they are.

use super::*;

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
