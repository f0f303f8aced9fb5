//! What the second engine's word counts in the running service.

use crate::encryption;
use crate::support::app::TestApp;
use crate::support::dsig::RSA_A;
use crate::support::idp::SoapAnswer;
use crate::support::messages::{LogoutRequest, Name, Signed};
use crate::support::story::{INDEX, Scene, Via};
use crate::support::xmlenc::Sealing;

/// An attribute named ID that is no name: allowed where the schema lets anything stand, and more than
/// samael takes. It makes the two engines differ about an authentic message.
const ODD: &str = "<samlp:Extensions><x:odd xmlns:x=\"urn:x\" ID=\"1 2\"></x:odd></samlp:Extensions>";

const ODD_ATTRIBUTE: &str = "<saml:AttributeStatement><saml:Attribute Name=\"n\"><saml:AttributeValue><x:odd xmlns:x=\"urn:x\" ID=\"1 2\"></x:odd></saml:AttributeValue></saml:Attribute></saml:AttributeStatement>";

async fn scene(mode: &str) -> Scene {
    let app = TestApp::start_with(&[("SIGNOFF_SECOND_OPINION", mode)]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    Scene::enter(app, idp).await
}

fn odd(scene: &Scene, via: Via) -> LogoutRequest {
    LogoutRequest { extensions: ODD.to_owned(), ..scene.request(via) }
}

/// How many lines of the audit say that a message was doubted, or refused for it.
async fn noted(scene: &Scene, verdict: &str) -> usize {
    let audit = scene.app.audit().await;
    audit.iter().filter(|(own, rule)| own == verdict && rule == "second-opinion").count()
}

#[tokio::test]
async fn enforced_a_request_that_is_not_confirmed_ends_nothing() {
    for via in [Via::Post, Via::Soap] {
        let scene = scene("enforce").await;
        let answer = scene.send(via, &odd(&scene, via)).await;
        assert_eq!(answer.status(), "Requester/RequestDenied", "row g, {via:?}");
        scene.assert_refused("second-opinion").await;
        assert_eq!(noted(&scene, "doubted").await, 0);
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

#[tokio::test]
async fn audited_a_request_that_is_not_confirmed_is_executed_and_written_down() {
    for via in [Via::Post, Via::Soap] {
        let scene = scene("audit").await;
        let answer = scene.send(via, &odd(&scene, via)).await;
        assert_eq!(answer.status(), "Success");
        assert!(!scene.alice.is_signed_in().await);
        assert_eq!(noted(&scene, "doubted").await, 1);
        assert_eq!(noted(&scene, "refused").await, 0);
        scene.app.remove().await;
    }
}

#[tokio::test]
async fn off_or_over_redirect_nobody_is_asked() {
    let silent = scene("off").await;
    assert_eq!(silent.send(Via::Post, &odd(&silent, Via::Post)).await.status(), "Success");
    assert_eq!(noted(&silent, "doubted").await, 0);
    silent.done().await;
    // The signature of the Redirect binding is none that the second engine knows.
    let redirect = scene("enforce").await;
    let answer = redirect.send(Via::Redirect, &odd(&redirect, Via::Redirect)).await;
    assert_eq!(answer.status(), "Success");
    redirect.done().await;
}

#[tokio::test]
async fn enforced_a_response_that_is_not_confirmed_signs_nobody_in() {
    let scene = scene("enforce").await;
    let name = Name::email("bob@example.org");
    let bob = scene.app.browser();
    let mut response = scene.idp.response(None, &name, "s-2");
    response.assertion.attributes = ODD_ATTRIBUTE.to_owned();
    assert_eq!(bob.bring(&response.signed(scene.idp.key), None).await.status, 400);
    assert!(!bob.is_signed_in().await);
    assert_eq!(noted(&scene, "refused").await, 1);
    response.assertion.attributes = ODD_ATTRIBUTE.replace("1 2", "_12");
    assert_eq!(bob.bring(&response.signed(scene.idp.key), None).await.status, 303, "the twin");
    scene.done().await;
}

#[tokio::test]
async fn enforced_an_answer_that_is_not_confirmed_completes_nothing() {
    let scene = scene("enforce").await;
    let asked = scene.idp.sp.read_front(&scene.alice.sign_out().await);
    let mut answer = scene.idp.logout_response(&asked, &["Success"]);
    answer.extensions = ODD.to_owned();
    let relay = asked.relay_state.as_deref();
    let refused = scene.alice.bring_answer_by_post(&scene.idp, &answer, relay).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(scene.app.count("select count(*) from logout_leg where state = 'confirmed'").await, 0);
    answer.extensions = String::new();
    let taken = scene.alice.bring_answer_by_post(&scene.idp, &answer, relay).await;
    assert!(taken.status < 400, "{}", taken.body);
    assert_eq!(scene.app.count("select count(*) from logout_leg where state = 'confirmed'").await, 1);
    scene.done().await;
}

/// The answer that a worker gets over SOAP: no confirmation, and the request is tried once more.
#[tokio::test]
async fn enforced_a_soap_answer_that_is_not_confirmed_confirms_nothing() {
    for (mode, first, in_the_end) in [("enforce", "queued", "confirmed"), ("audit", "confirmed", "confirmed")]
    {
        let app = TestApp::start_with(&[("SIGNOFF_SECOND_OPINION", mode)]).await;
        let idp = app.idp_with_soap("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        let soap = scene.idp.soap.as_ref().unwrap();
        soap.answer(SoapAnswer::Extended(ODD));
        scene.app.end_by_admin(&scene.alice).await;
        scene.app.work().await;
        let leg = async || -> String {
            let state = "select state from logout_leg";
            sqlx::query_scalar(state).fetch_one(&scene.app.pool).await.unwrap()
        };
        assert_eq!((soap.calls().len(), leg().await.as_str()), (1, first), "{mode}");
        assert_eq!(noted(&scene, "doubted").await, usize::from(mode == "audit"));
        // The twin: what comes next is as usual.
        scene.app.advance(chrono::TimeDelta::minutes(1));
        scene.app.work().await;
        assert_eq!(leg().await, in_the_end, "{mode}");
        assert_eq!(soap.calls().len(), if mode == "enforce" { 2 } else { 1 });
        scene.app.remove().await;
    }
}

/// What is encrypted: of the assertion inside, signed by itself, the second engine is shown what was
/// decrypted; where only what is around it is signed, the ciphertext.
#[tokio::test]
async fn enforced_an_encrypted_assertion_that_is_not_confirmed_signs_nobody_in() {
    let app = encryption::start(&[("SIGNOFF_SECOND_OPINION", "enforce")]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let scene = Scene::enter(app, idp).await;
    let bring = async |signed: Signed, attributes: &str| {
        let browser = scene.app.browser();
        let mut response = scene.idp.response(None, &Name::email("bob@example.org"), "s-2");
        response.assertion.attributes = attributes.to_owned();
        let xml = encryption::sealed(&scene.idp, response, signed, Sealing::of(&encryption::PRESENT));
        let status = browser.bring(&xml, None).await.status;
        assert_eq!(browser.is_signed_in().await, status == 303);
        status
    };
    let right = ODD_ATTRIBUTE.replace("1 2", "_12");
    for (signed, status) in [(Signed::Assertion, 400), (Signed::Both, 400), (Signed::Response, 303)] {
        assert_eq!(bring(signed, ODD_ATTRIBUTE).await, status, "{signed:?}");
        assert_eq!(bring(signed, &right).await, 303, "the twin, {signed:?}");
    }
    assert!(noted(&scene, "refused").await >= 1);
    scene.done().await;
}

#[tokio::test]
async fn enforced_a_request_with_an_encrypted_name_that_is_not_confirmed_ends_nothing() {
    for via in [Via::Post, Via::Soap] {
        let app = encryption::start(&[("SIGNOFF_SECOND_OPINION", "enforce")]).await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        let mut request = scene.request(via);
        request.identifier = Sealing::of(&encryption::PRESENT).element("EncryptedID", &scene.name.xml());
        let twin = LogoutRequest { id: Some("_twin".to_owned()), ..request.clone() };
        request.extensions = ODD.to_owned();
        assert_eq!(scene.send(via, &request).await.status(), "Requester/RequestDenied", "{via:?}");
        scene.assert_refused("second-opinion").await;
        assert_eq!(scene.send(via, &twin).await.status(), "Success", "the twin, {via:?}");
        assert!(!scene.alice.is_signed_in().await);
        scene.done().await;
    }
}

/// More octets than are judged on the spot: elsewhere, and no less.
#[tokio::test]
async fn a_large_message_is_confirmed_too() {
    let scene = scene("enforce").await;
    let mut request = scene.request(Via::Soap);
    request.session_indexes.extend((0..1500).map(|n| format!("another-{n}")));
    assert!(request.xml().len() > 64 * 1024);
    request.extensions = ODD.to_owned();
    assert_eq!(scene.send(Via::Soap, &request).await.status(), "Requester/RequestDenied");
    assert!(scene.alice.is_signed_in().await);
    request.extensions = String::new();
    assert!(request.session_indexes.iter().any(|index| index == INDEX));
    assert_eq!(scene.send(Via::Soap, &request).await.status(), "Success");
    assert!(!scene.alice.is_signed_in().await);
    scene.done().await;
}
