//! MD-24: what we send is signed by an algorithm that the receiver's metadata lists.

use crate::support::app::TestApp;
use crate::support::dsig::{Hex, RSA_A, percent};
use crate::support::idp::FromUs;
use crate::support::metadata::Metadata;
use crate::support::story::{Scene, Via};
use crate::support::xml::DS;

const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";

fn listing(mut metadata: Metadata, algorithms: &[&str]) -> Metadata {
    let listed = algorithms.iter().map(|uri| format!("<alg:SigningMethod Algorithm=\"{uri}\"/>"));
    metadata.role_extensions = format!(
        "<md:Extensions xmlns:alg=\"urn:oasis:names:tc:SAML:metadata:algsupport\">{}</md:Extensions>",
        listed.collect::<String>()
    );
    metadata
}

/// The algorithm of an enveloped signature, which has been verified by then.
fn algorithm(message: &FromUs) -> String {
    let signature = message.message.child(DS, "Signature").unwrap();
    let method = signature.path(&["SignedInfo", "SignatureMethod"]).unwrap();
    method.attribute("Algorithm").unwrap().to_owned()
}

#[tokio::test]
async fn md_24_the_first_of_its_list_that_we_sign_with_is_used_on_every_way() {
    let app = TestApp::start().await;
    let idp = app.idp_with_soap("idp-a", &RSA_A).await;
    app.import(&idp, &listing(idp.metadata(), &[SHA1, SHA512, SHA256])).await;
    let scene = Scene::enter(app, idp).await;
    let begun = scene.app.browser().get("/saml/login?idp=idp-a").await;
    assert!(begun.location().contains(&percent(SHA512, Hex::Upper)), "{}", begun.location());
    scene.idp.sp.read_front(&begun);
    // What an IdP signs with is another matter: that is what our own metadata lists.
    let answer = scene.send(Via::Soap, &scene.request(Via::Soap)).await.saml();
    assert_eq!((answer.status().as_str(), algorithm(&answer).as_str()), ("Success", SHA512));
    // What we send over SOAP by ourselves.
    let browser = scene.app.browser();
    browser.sign_in(&scene.idp, &scene.name, "_second").await;
    scene.app.end_by_admin(&browser).await;
    scene.app.work().await;
    let calls = scene.idp.soap.as_ref().unwrap().calls();
    assert_eq!(calls.iter().map(|call| algorithm(&call.request)).collect::<Vec<_>>(), [SHA512]);
    scene.done().await;
}

#[tokio::test]
async fn md_24_without_a_list_the_algorithm_is_the_one_that_suits_our_key() {
    let scene = Scene::new().await;
    let begun = scene.app.browser().get("/saml/login?idp=idp-a").await;
    assert!(begun.location().contains(&percent(SHA256, Hex::Upper)), "{}", begun.location());
    scene.done().await;
}

/// Who takes SHA-1 alone is sent nothing through a browser, and its logouts are honoured all the same.
#[tokio::test]
async fn md_24_below_our_floor_nothing_is_sent_and_every_session_still_ends() {
    let scene = Scene::new().await;
    let (other, away) = (scene.app.browser(), scene.app.browser());
    other.sign_in(&scene.idp, &scene.name, "_other").await;
    away.sign_in(&scene.idp, &scene.name, "_away").await;
    scene.app.import(&scene.idp, &listing(scene.idp.metadata(), &[SHA1])).await;
    let refused = scene.app.browser().get("/saml/login?idp=idp-a").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    // Row a, but for the answer: there is nowhere to send it (SLO-19).
    let mut request = scene.request(Via::Redirect);
    let answer = scene.send(Via::Redirect, &request).await;
    answer.assert_plain(200, 200);
    assert!(!scene.alice.is_signed_in().await);
    // Over SOAP the answer goes back on the connection it came over.
    request = scene.idp.logout_request(&scene.name, &["_other"]);
    request.destination = Some(scene.endpoint(Via::Soap));
    let answer = scene.send(Via::Soap, &request).await.saml();
    assert_eq!((answer.status().as_str(), algorithm(&answer).as_str()), ("Success", SHA256));
    assert!(!other.is_signed_in().await);
    // A logout of ours says that the identity provider could not be told.
    let page = away.sign_out().await;
    assert!(scene.idp.sp.try_front(&page).is_none(), "{:?} {}", page.headers, page.body);
    assert!(!away.is_signed_in().await);
    let told = "select count(*) from logout_leg where state = 'no_endpoint'";
    assert_eq!(scene.app.count(told).await, 1, "not reported as told");
    assert_eq!(scene.app.count("select count(*) from logout_leg").await, 1);
    scene.done().await;
}

/// An administrator sees both.
#[tokio::test]
async fn md_24_an_administrator_sees_how_we_sign() {
    let app = TestApp::start().await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let signed_with = async || {
        let shown = signoff::app::idps::show(&app.app, "idp-a").await.unwrap();
        shown.signed_with
    };
    assert_eq!(signed_with().await, Some(SHA256));
    app.import(&idp, &listing(idp.metadata(), &[SHA512])).await;
    assert_eq!(signed_with().await, Some(SHA512));
    app.import(&idp, &listing(idp.metadata(), &[SHA1])).await;
    assert_eq!(signed_with().await, None);
    app.done().await;
}
