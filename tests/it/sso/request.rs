//! SSO-01 to SSO-04: what we ask.

use super::*;

#[tokio::test]
async fn sso_01_the_authn_request_is_complete_and_lean() {
    let door = Door::new().await;
    let (one, two) = (door.app.browser(), door.app.browser());
    let request = one.begin_sign_in(&door.idp).await;
    assert_eq!(request.binding, "redirect");
    assert_eq!(request.url, format!("{}/sso", door.idp.origin));
    assert_ne!(request.id(), two.begin_sign_in(&door.idp).await.id());
    let message = &request.message;
    // SSO-02, SSO-03, SSO-04
    assert!(message.child(SAMLP, "NameIDPolicy").is_none());
    assert_eq!(message.attribute("AssertionConsumerServiceURL"), Some(door.app.sp.acs.as_str()));
    assert_eq!(message.attribute("AssertionConsumerServiceIndex"), None);
    assert!(message.child(SAMLP, "RequestedAuthnContext").is_none());
    door.done().await;
}

#[tokio::test]
async fn sso_01_an_idp_with_post_only_gets_a_form() {
    let app = TestApp::start().await;
    let idp = app
        .idp_as("idp-a", &RSA_A, |mut metadata| {
            metadata.sso = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://idp-a.example/sso/post\"/>".to_owned();
            metadata
        })
        .await;
    let browser = app.browser();
    let request = browser.begin_sign_in(&idp).await;
    assert_eq!((request.binding, request.url.as_str()), ("post", "https://idp-a.example/sso/post"));
    browser.sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    app.done().await;
}
