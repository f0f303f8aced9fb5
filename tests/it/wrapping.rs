//! F-01 and its family: a genuine signature made to vouch for something else. Eight shapes for
//! every kind of message on every binding it can arrive on.

use crate::support::dsig::RSA_A;
use crate::support::idp::FromUs;
use crate::support::messages::{Name, Signed};
use crate::support::story::{Answer, Scene, Via, post_message, send_raw};
use crate::support::xml::Element;

const SIGNATURE_END: &str = "</ds:Signature>";

/// A signed element taken apart.
pub struct Donor {
    pub whole: String,
    pub signature: String,
    /// The element without its signature, as it was signed.
    pub bare: String,
    name: &'static str,
}

impl Donor {
    pub fn new(whole: String, name: &'static str) -> Self {
        let start = whole.find("<ds:Signature ").unwrap();
        let end = whole.find(SIGNATURE_END).unwrap() + SIGNATURE_END.len();
        let signature = whole[start..end].to_owned();
        let bare = whole.replacen(&signature, "", 1);
        Self { whole, signature, bare, name }
    }

    fn end(&self) -> String {
        format!("</{}>", self.name)
    }

    fn id(&self) -> String {
        Element::parse(&self.whole).unwrap().attribute("ID").unwrap().to_owned()
    }
}

/// Puts `inside` right after the element's own Issuer.
fn after_issuer(element: &str, inside: &str) -> String {
    element.replacen("</saml:Issuer>", &format!("</saml:Issuer>{inside}"), 1)
}

fn extensions(inside: &str) -> String {
    format!("<samlp:Extensions>{inside}</samlp:Extensions>")
}

pub fn object(signature: &str, inside: &str) -> String {
    signature.replace(SIGNATURE_END, &format!("<ds:Object>{inside}</ds:Object>{SIGNATURE_END}"))
}

/// The shapes for a message that is itself signed: `evil` is the forged message without a
/// signature, with an ID of its own; `twin` the same with the ID of the genuine one.
pub fn message_shapes(donor: &Donor, evil: &str, twin: &str) -> Vec<(&'static str, String)> {
    let Donor { whole, signature, bare, .. } = donor;
    let at_end = |element: &str, inside: &str| {
        let end = donor.end();
        format!("{}{inside}{end}", element.strip_suffix(&end).unwrap())
    };
    vec![
        // 1: the genuine message as a child of the signature of the forged one.
        ("XSW1", after_issuer(evil, &object(signature, bare))),
        // 2: the genuine message beside the signature, inside the forged one.
        ("XSW2", after_issuer(evil, &format!("{signature}{}", extensions(bare)))),
        // 3: the genuine, signed message inside the forged, unsigned one.
        ("XSW3", after_issuer(evil, &extensions(whole))),
        // 4: the same as the last child.
        ("XSW4", at_end(evil, whole)),
        // 5: the forged message carries the signature, the genuine one follows inside.
        ("XSW5", at_end(&after_issuer(evil, signature), bare)),
        // 6: both IDs are the same.
        ("XSW6", after_issuer(twin, &format!("{signature}{}", extensions(bare)))),
        // 7: the forged message inside the Extensions of the genuine one, in front of it.
        ("XSW7", after_issuer(whole, &extensions(evil))),
        // 8: the genuine message inside an Object of a signature of the forged twin.
        ("XSW8", after_issuer(twin, &object(signature, bare))),
        ("twin without the original", after_issuer(twin, signature)),
        ("evil with the signature", after_issuer(evil, signature)),
        ("signature inside Extensions", after_issuer(twin, &extensions(signature))),
        ("wrapped", format!("<x:w xmlns:x=\"urn:x\">{whole}{evil}</x:w>")),
    ]
}

async fn assert_refused(scene: &Scene, answer: &Answer, what: &str) {
    if matches!(answer.reply.status, 200 | 302 | 303) {
        assert_eq!(answer.status(), "Requester/RequestDenied", "{what}");
    } else {
        let allowed = if answer.via == Via::Soap { [403, 500] } else { [400, 403] };
        assert!(allowed.contains(&answer.reply.status), "{what}: {}", answer.reply.status);
    }
    assert!(scene.alice.is_signed_in().await, "{what} over {:?}: a session was ended", answer.via);
}

/// The genuine request is about somebody else; the forged one is about alice.
#[tokio::test]
async fn f_01_a_wrapped_logout_request_ends_nothing() {
    for via in [Via::Post, Via::Soap] {
        let scene = Scene::new().await;
        let mut genuine = scene.request(via);
        genuine.identifier = Name::email("mallory@example.org").xml();
        let donor = Donor::new(genuine.signed(&RSA_A), "samlp:LogoutRequest");
        let evil = scene.request(via).xml();
        let mut twin = scene.request(via);
        twin.id = Some(donor.id());
        for (what, raw) in message_shapes(&donor, &evil, &twin.xml()) {
            let answer = scene.raw(via, &raw).await;
            assert_refused(&scene, &answer, what).await;
            let sessions = scene.app.count("select count(*) from session where ended_at is not null").await;
            assert_eq!(sessions, 0, "{what}");
        }
        assert_eq!(
            scene.raw(via, &donor.whole).await.status(),
            "Requester/UnknownPrincipal",
            "the donor itself is good"
        );
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

/// The detached signature of Redirect covers the octets; an XML signature inside changes nothing.
#[tokio::test]
async fn f_01_a_wrapped_logout_request_over_redirect_ends_nothing() {
    let scene = Scene::new().await;
    let mut genuine = scene.request(Via::Redirect);
    genuine.identifier = Name::email("mallory@example.org").xml();
    let donor = Donor::new(genuine.signed(&RSA_A), "samlp:LogoutRequest");
    let evil = scene.request(Via::Redirect).xml();
    let mut twin = scene.request(Via::Redirect);
    twin.id = Some(donor.id());
    let good = scene.idp.redirect("SAMLRequest", &genuine.xml(), None);
    let signature = good.split_once("&SigAlg").unwrap().1;
    for (what, raw) in message_shapes(&donor, &evil, &twin.xml()) {
        use base64::Engine as _;
        let value =
            base64::engine::general_purpose::STANDARD.encode(crate::support::dsig::deflate(raw.as_bytes()));
        let value = crate::support::dsig::percent(&value, crate::support::dsig::Hex::Upper);
        for query in [format!("SAMLRequest={value}"), format!("SAMLRequest={value}&SigAlg{signature}")] {
            let answer = scene.raw(Via::Redirect, &query).await;
            assert_refused(&scene, &answer, what).await;
        }
    }
    scene.assert_right_one_works(Via::Redirect).await;
    scene.done().await;
}

/// Signed public metadata or a signed Response of the IdP is as good a donor for an attacker.
#[tokio::test]
async fn val_19_signed_documents_of_other_kinds_are_no_donors() {
    for via in [Via::Post, Via::Soap] {
        let scene = Scene::new().await;
        let metadata = scene.idp.metadata().xml().replacen(
            "<md:EntityDescriptor ",
            "<md:EntityDescriptor ID=\"_md\" ",
            1,
        );
        let response = scene.idp.response(None, &Name::email("mallory@example.org"), "m");
        let shape = crate::support::dsig::Shape::of(&RSA_A);
        let donors = [
            ("_md".to_owned(), crate::support::dsig::enveloped(&metadata, "_md", &RSA_A, &shape)),
            (response.id.clone(), response.signed(&RSA_A)),
        ];
        for (id, donor) in &donors {
            let start = donor.find("<ds:Signature ").unwrap();
            let end = donor.find(SIGNATURE_END).unwrap() + SIGNATURE_END.len();
            let signature = &donor[start..end];
            let mut twin = scene.request(via);
            twin.id = Some(id.clone());
            let evil = scene.request(via).xml();
            for (what, raw) in [
                ("borrowed", after_issuer(&twin.xml(), signature)),
                ("beside", after_issuer(&evil, &format!("{signature}{}", extensions(donor)))),
                ("object", after_issuer(&evil, &object(signature, donor))),
                ("inside", after_issuer(&evil, &extensions(donor))),
                ("itself", donor.clone()),
            ] {
                let answer = scene.raw(via, &raw).await;
                assert_refused(&scene, &answer, what).await;
            }
        }
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}

async fn asked(scene: &Scene) -> FromUs {
    scene.idp.sp.read_front(&scene.alice.sign_out().await)
}

/// The genuine response says that it failed; the forged one that it succeeded.
#[tokio::test]
async fn f_01_a_wrapped_logout_response_confirms_nothing() {
    let scene = Scene::new().await;
    let request = asked(&scene).await;
    let genuine = scene.idp.logout_response(&request, &["Responder"]);
    let donor = Donor::new(genuine.signed(&RSA_A), "samlp:LogoutResponse");
    let evil = scene.idp.logout_response(&request, &["Success"]);
    let mut twin = evil.clone();
    twin.id = Some(donor.id());
    for (what, raw) in message_shapes(&donor, &evil.xml(), &twin.xml()) {
        let reply = post_message(&scene.app.authority, "/saml/slo", "SAMLResponse", &raw, None).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.body);
        let state: String =
            sqlx::query_scalar("select state from logout_leg").fetch_one(&scene.app.pool).await.unwrap();
        assert_eq!(state, "asked", "{what}");
    }
    let reply =
        post_message(&scene.app.authority, "/saml/slo", "SAMLResponse", &evil.signed(&RSA_A), None).await;
    assert!(reply.status < 400, "the right one works: {}", reply.body);
    scene.done().await;
}

/// The eight shapes of the literature, at the ACS: mallory's own Response is the donor, alice the
/// person to become.
#[tokio::test]
async fn f_01_a_wrapped_response_signs_nobody_else_in() {
    for signed in [Signed::Response, Signed::Assertion, Signed::Both] {
        let scene = Scene::new().await;
        let mallory = Name::email("mallory@example.org");
        let mut made = scene.idp.response(None, &mallory, "m");
        made.signed = signed;
        let whole = made.signed(&RSA_A);
        let mut forged = made.clone();
        forged.signed = Signed::Nothing;
        forged.assertion.identifier = scene.name.xml();
        let twin = forged.signed(&RSA_A);
        forged.id = "_evil-response".to_owned();
        forged.assertion.id = "_evil-assertion".to_owned();
        let evil = forged.signed(&RSA_A);
        for (what, raw) in response_shapes(&whole, &evil, &twin) {
            let browser = scene.app.browser();
            let reply = browser.bring(&raw, None).await;
            assert!(matches!(reply.status, 303 | 400), "{what}: {}", reply.status);
            if browser.is_signed_in().await {
                let session = browser.session().await;
                let who = &session["authentications"][0]["name_id"]["value"];
                assert_eq!(who, "mallory@example.org", "{what} ({signed:?})");
                // Reading only what was signed would be safe; but a second message anywhere refuses.
                panic!("{what} ({signed:?}): a second assertion was tolerated");
            }
        }
        let browser = scene.app.browser();
        assert_eq!(browser.bring(&whole, None).await.status, 303, "the donor itself is good");
        scene.done().await;
    }
}

fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap();
    let end = text.rfind(to).unwrap() + to.len();
    &text[start..end]
}

fn response_shapes(whole: &str, evil: &str, twin: &str) -> Vec<(&'static str, String)> {
    let assertion = |text: &str| cut(text, "<saml:Assertion", "</saml:Assertion>").to_owned();
    let (good, bad, same) = (assertion(whole), assertion(evil), assertion(twin));
    let mut shapes = vec![
        ("evil assertion before", whole.replacen(&good, &format!("{bad}{good}"), 1)),
        ("evil assertion after", whole.replacen(&good, &format!("{good}{bad}"), 1)),
        ("twin assertion before", whole.replacen(&good, &format!("{same}{good}"), 1)),
        ("good inside evil", whole.replacen(&good, &bad.replacen("</saml:Issuer>", &format!("</saml:Issuer>{good}"), 1), 1)),
        ("good in Extensions", evil.replacen("</saml:Issuer>", &format!("</saml:Issuer>{}", extensions(&good)), 1)),
        ("good in Advice", whole.replacen(&good, &bad.replacen("</saml:Conditions>", &format!("</saml:Conditions><saml:Advice>{good}</saml:Advice>"), 1), 1)),
        ("good in attribute", whole.replacen(&good, &bad.replacen("</saml:Assertion>", &format!("<saml:AttributeStatement><saml:Attribute Name=\"x\"><saml:AttributeValue>{good}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"), 1), 1)),
        ("evil in an attribute of good", whole.replacen("</saml:Assertion>", &format!("<saml:AttributeStatement><saml:Attribute Name=\"x\"><saml:AttributeValue>{bad}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"), 1)),
        ("whole in StatusDetail", evil.replacen("</samlp:Status>", &format!("<samlp:StatusDetail>{whole}</samlp:StatusDetail></samlp:Status>"), 1)),
        ("evil replaces good", whole.replacen(&good, &bad, 1)),
        ("twin replaces good", whole.replacen(&good, &same, 1)),
    ];
    // The signature of the Response, or of the assertion, taken to where it does not belong (F-09).
    let start = whole.find("<ds:Signature ").unwrap();
    let end = whole.find(SIGNATURE_END).unwrap() + SIGNATURE_END.len();
    let signature = whole[start..end].to_owned();
    for (what, base) in [("evil", evil), ("twin", twin)] {
        shapes.push((
            if what == "evil" { "XSW1" } else { "XSW8" },
            base.replacen(
                "</saml:Issuer>",
                &format!("</saml:Issuer>{}", object(&signature, &whole.replacen(&signature, "", 1))),
                1,
            ),
        ));
        shapes.push((
            if what == "evil" { "XSW2" } else { "XSW6" },
            base.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}{}", extensions(whole)), 1),
        ));
        shapes.push((
            "signature on the Response",
            base.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1),
        ));
        let inner = assertion(base);
        let vouched = inner.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1);
        shapes.push(("signature on the assertion", base.replacen(&inner, &vouched, 1)));
        let carried = inner.replacen(
            "</saml:Issuer>",
            &format!("</saml:Issuer>{}", object(&signature, &good.replacen(&signature, "", 1))),
            1,
        );
        shapes.push(("good in an Object", base.replacen(&inner, &carried, 1)));
    }
    shapes
}

/// The positive twin of all of the above: an untouched document of each kind is taken.
#[tokio::test]
async fn f_01_untouched_documents_are_taken() {
    let scene = Scene::new().await;
    for via in [Via::Post, Via::Soap] {
        let mut request = scene.request(via);
        request.identifier = Name::email("mallory@example.org").xml();
        let answer = send_raw(&scene.app.authority, &scene.idp.sp, via, &request.signed(&RSA_A)).await;
        assert_eq!(answer.status(), "Requester/UnknownPrincipal");
    }
    scene.done().await;
}

/// F-02, F-17: a document whose raw and canonical readings differ in namespaces.
#[tokio::test]
async fn f_17_names_count_with_their_namespaces_only() {
    for via in [Via::Post, Via::Soap] {
        let scene = Scene::new().await;
        let mut other = scene.request(via);
        other.identifier = Name::email("mallory@example.org").xml();
        // A foreign NameID and SessionIndex in Extensions, signed and all, mean nothing.
        other.extensions = extensions(
            "<x:NameID xmlns:x=\"urn:x\">alice@example.org</x:NameID><x:SessionIndex xmlns:x=\"urn:x\">s-1</x:SessionIndex>",
        );
        let answer = scene.raw(via, &other.signed(&RSA_A)).await;
        assert_eq!(answer.status(), "Requester/UnknownPrincipal");
        assert!(scene.alice.is_signed_in().await);
        // Genuine SAML elements in Extensions neither.
        other.id = Some("_second".to_owned());
        other.extensions = extensions(&scene.name.xml());
        let answer = scene.raw(via, &other.signed(&RSA_A)).await;
        assert!(scene.alice.is_signed_in().await, "{}", answer.reply.status);
        scene.assert_right_one_works(via).await;
        scene.done().await;
    }
}
