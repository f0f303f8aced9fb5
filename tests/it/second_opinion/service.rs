//! What the second engine's word counts in the running service.

use crate::support::app::TestApp;
use crate::support::dsig::RSA_A;
use crate::support::messages::{LogoutRequest, Name};
use crate::support::story::{INDEX, Scene, Via};

/// An attribute named ID that is no name: allowed where the schema lets anything stand, and more than
/// samael takes. It makes the two engines differ about an authentic message.
const ODD: &str = "<samlp:Extensions><x:odd xmlns:x=\"urn:x\" ID=\"1 2\"></x:odd></samlp:Extensions>";

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
    let odd = "<saml:AttributeStatement><saml:Attribute Name=\"n\"><saml:AttributeValue><x:odd xmlns:x=\"urn:x\" ID=\"1 2\"></x:odd></saml:AttributeValue></saml:Attribute></saml:AttributeStatement>";
    let bob = scene.app.browser();
    let mut response = scene.idp.response(None, &name, "s-2");
    response.assertion.attributes = odd.to_owned();
    assert_eq!(bob.bring(&response.signed(scene.idp.key), None).await.status, 400);
    assert!(!bob.is_signed_in().await);
    assert_eq!(noted(&scene, "refused").await, 1);
    response.assertion.attributes = odd.replace("1 2", "_12");
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
