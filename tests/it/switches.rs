//! What an admin may loosen for one identity provider, one switch at a time; nothing of it
//! switches a signature check off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;
use openssl::ecdsa::EcdsaSig;

use crate::support::app::{TestApp, write_pem};
use crate::support::dsig::{
    EC_256, ENVELOPED, INCLUSIVE, RSA_A, RSA_ATTACKER, RSA_SHA1, SHA1, Shape, transform, unpercent,
};
use crate::support::idp::FromUs;
use crate::support::messages::{Name, PERSISTENT, Signed, instant};
use crate::support::story::{INDEX, Scene, Via};
use crate::support::xml::SAMLP;

#[tokio::test]
async fn unknown_principal_is_success() {
    let scene = Scene::new().await;
    scene.app.set_switch("idp-a", "unknown_principal_is_success", "true").await;
    for via in Via::ALL {
        let mut request = scene.request(via);
        request.identifier = Name::email("nobody@example.org").xml();
        assert_eq!(scene.send(via, &request).await.status(), "Success");
        assert!(scene.alice.is_signed_in().await);
    }
    scene.done().await;
}

#[tokio::test]
async fn val_14_allow_sha1() {
    for via in Via::ALL {
        let scene = Scene::new().await;
        let send = async |key| {
            let request = scene.request(via);
            let raw = if via == Via::Redirect {
                let mut query = scene.idp.query("SAMLRequest");
                query.algorithm = RSA_SHA1.to_owned();
                query.signed(&request.xml(), key)
            } else {
                let mut shape = Shape::of(key);
                shape.signature_method = RSA_SHA1.to_owned();
                shape.digest_method = SHA1.to_owned();
                request.signed_as(key, &shape)
            };
            scene.raw(via, &raw).await.status()
        };
        assert_eq!(send(&*RSA_A).await, "Requester/RequestDenied");
        scene.app.set_switch("idp-a", "allow_sha1", "true").await;
        assert_eq!(send(&*RSA_ATTACKER).await, "Requester/RequestDenied");
        assert!(scene.alice.is_signed_in().await);
        assert_eq!(send(&*RSA_A).await, "Success");
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

#[tokio::test]
async fn val_11_allow_inclusive_c14n() {
    for via in [Via::Post, Via::Soap] {
        let scene = Scene::new().await;
        let mut shape = Shape::of(&RSA_A);
        shape.transforms = format!("{}{}", transform(ENVELOPED), transform(INCLUSIVE));
        let raw = || scene.request(via).signed_as(&RSA_A, &shape);
        assert_eq!(scene.raw(via, &raw()).await.status(), "Requester/RequestDenied");
        assert!(scene.alice.is_signed_in().await);
        scene.app.set_switch("idp-a", "allow_inclusive_c14n", "true").await;
        if via == Via::Post {
            // On its own, without an envelope around, our message is in inclusive form as well,
            // but for the places where namespaces are declared: it has to verify or be denied.
            let status = scene.raw(via, &raw()).await.status();
            assert!(status == "Success" || status == "Requester/RequestDenied", "{status}");
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn val_15_accept_offset_times() {
    let scene = Scene::new().await;
    let offset = |request: &mut crate::support::messages::LogoutRequest| {
        let at = instant(scene.app.now() + TimeDelta::hours(1));
        request.issue_instant = Some(at.replace('Z', "+01:00"));
    };
    let mut request = scene.request(Via::Redirect);
    offset(&mut request);
    let answer = scene.send(Via::Redirect, &request).await;
    assert_eq!(answer.status(), "Requester", "row j");
    scene.assert_refused("VAL-15").await;
    scene.app.set_switch("idp-a", "accept_offset_times", "true").await;
    let mut request = scene.request(Via::Redirect);
    offset(&mut request);
    assert_eq!(scene.send(Via::Redirect, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}

#[tokio::test]
async fn sso_08_require_signed_response() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    app.set_switch("idp-a", "require_signed_response", "true").await;
    for (signed, taken) in [(Signed::Assertion, false), (Signed::Response, true), (Signed::Both, true)] {
        let browser = app.browser();
        let mut response = idp.response(None, &name, INDEX);
        response.signed = signed;
        let reply = browser.bring(&response.signed(idp.key), None).await;
        assert_eq!(reply.status == 303, taken, "{signed:?}");
        assert_eq!(browser.is_signed_in().await, taken, "{signed:?}");
    }
    app.assert_audited("SSO-08").await;
    app.done().await;
}

#[tokio::test]
async fn slo_38_add_name_qualifier() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name { format: Some(PERSISTENT.to_owned()), ..Name::bare("p-1") };
    let alice = app.browser();
    alice.sign_in(&idp, &name, INDEX).await;
    assert_eq!(idp.sp.read_front(&alice.sign_out().await).name(), name, "exactly as received");
    app.set_switch("idp-a", "add_name_qualifier", "true").await;
    app.advance(TimeDelta::hours(25));
    alice.sign_in(&idp, &name, INDEX).await;
    let sent = idp.sp.read_front(&alice.sign_out().await).name();
    assert_eq!(sent, Name { name_qualifier: Some(idp.entity_id.clone()), ..name });
    app.done().await;
}

#[tokio::test]
async fn prefer_post() {
    let scene = Scene::new().await;
    scene.app.set_switch("idp-a", "prefer_post", "true").await;
    assert_eq!(scene.idp.sp.read_front(&scene.alice.sign_out().await).binding, "post");
    scene.done().await;
}

/// SSO-02: by default the identity provider chooses; for one that must be told it may.
#[tokio::test]
async fn sso_02_allow_create() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let policy = |request: &FromUs| request.message.child(SAMLP, "NameIDPolicy").cloned();
    assert!(policy(&app.browser().begin_sign_in(&idp).await).is_none());
    app.set_switch("idp-a", "allow_create", "true").await;
    let asked = policy(&app.browser().begin_sign_in(&idp).await).unwrap();
    assert_eq!(asked.attribute("AllowCreate"), Some("true"));
    assert_eq!(asked.attribute("Format"), None);
    assert_eq!(asked.attributes.len(), 1);
    app.browser().sign_in(&idp, &Name::email("alice@example.org"), INDEX).await;
    app.done().await;
}

/// BIND-13: how our ECDSA signature stands in the query of a Redirect.
#[tokio::test]
async fn bind_13_ecdsa_der() {
    let directory = tempfile::tempdir().unwrap();
    let pem = |name: &str, octets: Vec<u8>| write_pem(directory.path(), name, &octets).display().to_string();
    let key = pem("ec.key", EC_256.private.private_key_to_pem_pkcs8().unwrap());
    let certificate = pem("ec.crt", EC_256.certificate.to_pem().unwrap());
    let app = TestApp::start_with(&[
        ("SIGNOFF_SAML__SIGNING_KEY", &key),
        ("SIGNOFF_SAML__SIGNING_CERTIFICATE", &certificate),
    ])
    .await;
    let idp = app.idp("idp-a", &RSA_A).await;
    // Raw, as XML Signature has it: the reader of the tests takes no other.
    app.browser().begin_sign_in(&idp).await;
    app.set_switch("idp-a", "ecdsa_der", "true").await;
    let reply = app.browser().get("/saml/login?idp=idp-a").await;
    let (signed, signature) = reply.location().split_once("&Signature=").unwrap();
    let signed = signed.split_once('?').unwrap().1;
    let signature = BASE64.decode(unpercent(signature)).unwrap();
    let parts = EcdsaSig::from_der(&signature).expect("DER");
    let public = idp.sp.key.ec_key().unwrap();
    assert!(parts.verify(&openssl::sha::sha256(signed.as_bytes()), &public).unwrap());
    app.done().await;
}
