//! SSO-21, SLO-28, SLO-29, SLO-43: what is not for every eye, through the whole service.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::encrypt::Decrypter;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, decrypt_aead};
use signoff::app::idps;

use crate::support::app::{TestApp, write_pem};
use crate::support::browser::Browser;
use crate::support::dsig::{self, Key, RSA_A, RSA_B, Shape};
use crate::support::http::{HttpReply, send};
use crate::support::idp::Idp;
use crate::support::messages::{Name, Response, Signed};
use crate::support::metadata::{certificate_info, key_descriptor};
use crate::support::story::{INDEX, Scene, Via, send_request};
use crate::support::xml::{DS, Element, MD, SAML};
use crate::support::xmlenc::{AES_256_CBC, AES_256_GCM, CIPHERS, OAEP, OAEP_11, Placed, Sealing};

/// What identity providers encrypt to: the present key, and the one before it.
pub static PRESENT: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));
pub static PREVIOUS: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));

/// The service with both keys.
pub async fn start(more: &[(&str, &str)]) -> TestApp {
    let directory = tempfile::Builder::new().prefix("signoff-encryption").tempdir().unwrap();
    let pem = |name: &str, octets: Vec<u8>| write_pem(directory.path(), name, &octets).display().to_string();
    let files = [
        ("SIGNOFF_SAML__ENCRYPTION_KEY", pem("a.key", PRESENT.private.private_key_to_pem_pkcs8().unwrap())),
        ("SIGNOFF_SAML__ENCRYPTION_CERTIFICATE", pem("a.crt", PRESENT.certificate.to_pem().unwrap())),
        (
            "SIGNOFF_SAML__PREVIOUS_ENCRYPTION_KEY",
            pem("b.key", PREVIOUS.private.private_key_to_pem_pkcs8().unwrap()),
        ),
        (
            "SIGNOFF_SAML__PREVIOUS_ENCRYPTION_CERTIFICATE",
            pem("b.crt", PREVIOUS.certificate.to_pem().unwrap()),
        ),
    ];
    let mut variables: Vec<(&str, &str)> = files.iter().map(|(name, path)| (*name, path.as_str())).collect();
    variables.extend_from_slice(more);
    TestApp::start_with(&variables).await
}

fn cbc(to: &Key) -> Sealing<'_> {
    Sealing { cipher: AES_256_CBC, ..Sealing::of(to) }
}

/// Begins to sign in and brings a Response with an encrypted assertion.
async fn try_sign_in(
    browser: &Browser,
    idp: &Idp,
    name: &Name,
    signed: Signed,
    sealing: Sealing<'_>,
) -> HttpReply {
    let begun = browser.begin_sign_in(idp).await;
    let response = idp.response(Some(begun.id()), name, INDEX);
    browser.bring(&sealed(idp, response, signed, sealing), begun.relay_state.as_deref()).await
}

/// A Response with its assertion encrypted, and signatures where they are wanted.
pub fn sealed(idp: &Idp, mut response: Response, signed: Signed, sealing: Sealing<'_>) -> String {
    let mut assertion = response.assertion.xml();
    if matches!(signed, Signed::Assertion | Signed::Both) {
        assertion = dsig::enveloped(&assertion, &response.assertion.id, idp.key, &Shape::of(idp.key));
    }
    response.signed = Signed::Nothing;
    let plain = response.signed(idp.key);
    let at = plain.find("<saml:Assertion").unwrap();
    let sealed = sealing.element("EncryptedAssertion", &assertion);
    let mut xml = format!("{}{sealed}</samlp:Response>", &plain[..at]);
    if matches!(signed, Signed::Response | Signed::Both) {
        xml = dsig::enveloped(&xml, &response.id, idp.key, &Shape::of(idp.key));
    }
    xml
}

#[tokio::test]
async fn sso_21_an_encrypted_assertion_signs_in_if_a_signature_covers_it() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    for (signed, to, cipher, accepted) in [
        (Signed::Response, &*PRESENT, AES_256_GCM, true),
        (Signed::Response, &*PREVIOUS, AES_256_CBC, true),
        (Signed::Assertion, &*PREVIOUS, AES_256_GCM, true),
        (Signed::Both, &*PRESENT, AES_256_CBC, true),
        (Signed::Assertion, &*PRESENT, AES_256_CBC, false),
        (Signed::Nothing, &*PRESENT, AES_256_GCM, false),
        (Signed::Both, &*RSA_B, AES_256_GCM, false),
    ] {
        let browser = app.browser();
        let sealing = Sealing { cipher, ..Sealing::of(to) };
        let reply = try_sign_in(&browser, &idp, &name, signed, sealing).await;
        assert_eq!(reply.status, if accepted { 303 } else { 400 }, "{signed:?}: {}", reply.body);
        assert_eq!(browser.is_signed_in().await, accepted, "{signed:?}");
    }
    app.assert_audited("SSO-21").await;
    app.assert_audited("SSO-07").await;
    app.done().await;
}

#[tokio::test]
async fn slo_28_encrypted_and_plain_names_mean_the_same_person() {
    for via in Via::ALL {
        let app = start(&[]).await;
        let idp = app.idp("idp-a", &RSA_A).await;
        let scene = Scene::enter(app, idp).await;
        // Encrypted to somebody else: row m, and nothing ends.
        let mut request = scene.request(via);
        request.identifier = Sealing::of(&RSA_B).element("EncryptedID", &scene.name.xml());
        assert_eq!(scene.send(via, &request).await.status(), "Requester/UnknownPrincipal");
        scene.assert_refused("SLO-28").await;
        // Signed in in clear, signed out in secret.
        let mut request = scene.request(via);
        request.identifier = cbc(&PREVIOUS).element("EncryptedID", &scene.name.xml());
        assert_eq!(scene.send(via, &request).await.status(), "Success", "{via:?}");
        assert!(!scene.alice.is_signed_in().await, "{via:?}");

        // Signed in in secret, signed out in clear.
        let again = scene.app.browser();
        let secret = Name::email("bob@example.org");
        let reply = try_sign_in(&again, &scene.idp, &secret, Signed::Response, Sealing::of(&PRESENT)).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        let mut request = scene.request(via);
        request.identifier = secret.xml();
        assert_eq!(scene.send(via, &request).await.status(), "Success", "{via:?}");
        assert!(!again.is_signed_in().await, "{via:?}");
        scene.done().await;
    }
}

/// Every algorithm, to either of the two live keys, with the wrapped key inside and beside, at every
/// door: whoever is signed in in secret can be signed out in secret.
#[tokio::test]
async fn sso_21_and_slo_28_every_algorithm_is_taken_at_every_door() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let mut number = 0;
    for cipher in CIPHERS {
        for (transport, placed, to) in [
            (OAEP, Placed::Inside, &*PRESENT),
            (OAEP, Placed::Beside, &*PREVIOUS),
            (OAEP_11, Placed::Inside, &*PREVIOUS),
            (OAEP_11, Placed::Beside, &*PRESENT),
        ] {
            let sealing = Sealing { cipher, transport, placed, ..Sealing::of(to) };
            for via in Via::ALL {
                number += 1;
                let what = format!("{cipher} {transport} {placed:?} {via:?}");
                let name = Name::email(&format!("secret-{number}@example.org"));
                let browser = app.browser();
                let reply = try_sign_in(&browser, &idp, &name, Signed::Response, sealing).await;
                assert_eq!(reply.status, 303, "{what}: {}", reply.body);
                assert_eq!(browser.session().await["authentications"][0]["name_id"]["value"], name.value);
                let mut request = idp.logout_request(&name, &[INDEX]);
                if via == Via::Soap {
                    request.destination = Some(idp.sp.soap.clone());
                }
                request.identifier = sealing.element("EncryptedID", &name.xml());
                let answer = send_request(&app.authority, &idp, via, &request, None).await;
                assert_eq!(answer.status(), "Success", "{what}");
                assert!(!browser.is_signed_in().await, "{what}");
            }
            // In an assertion that is itself in clear.
            let browser = app.browser();
            let name = Name::email(&format!("half-secret-{number}@example.org"));
            let secret = sealing.element("EncryptedID", &name.xml());
            browser.sign_in_as(&idp, &name, INDEX, |response| response.assertion.identifier = secret).await;
            assert_eq!(browser.session().await["authentications"][0]["name_id"]["value"], name.value);
        }
    }
    app.done().await;
}

#[tokio::test]
async fn sso_21_an_encrypted_id_in_an_assertion_is_the_same_person() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browser = app.browser();
    let secret = cbc(&PRESENT).element("EncryptedID", &name.xml());
    browser.sign_in_as(&idp, &name, INDEX, |response| response.assertion.identifier = secret).await;
    let scene = Scene { app, idp, alice: browser, name };
    scene.assert_right_one_works(Via::Post).await;
    scene.done().await;
}

#[tokio::test]
async fn md_05_the_encryption_key_is_published_only_if_it_is_offered() {
    for (offer, expected) in [("false", 0), ("true", 1)] {
        let app = start(&[("SIGNOFF_SAML__OFFER_ENCRYPTION", offer)]).await;
        let reply = send(&app.authority, "GET", "/saml/metadata", &[], None).await;
        let root = Element::parse(&reply.body).unwrap();
        let keys = root.all(MD, "KeyDescriptor");
        let offered: Vec<_> = keys.iter().filter(|key| key.attribute("use") == Some("encryption")).collect();
        assert_eq!(offered.len(), expected, "only the present one, and only if offered");
        for key in offered {
            assert_eq!(key.all(DS, "X509Certificate")[0].text(), PRESENT.certificate_base64());
            let methods = key.all(MD, "EncryptionMethod");
            assert!(methods.iter().all(|method| !method.attribute("Algorithm").unwrap().contains("1_5")));
            assert!(methods[0].attribute("Algorithm").unwrap().ends_with("aes256-gcm"));
        }
        // It decrypts either way.
        let idp = app.idp("idp-a", &RSA_A).await;
        let (browser, name) = (app.browser(), Name::email("alice@example.org"));
        try_sign_in(&browser, &idp, &name, Signed::Response, Sealing::of(&PRESENT)).await;
        assert!(browser.is_signed_in().await);
        app.done().await;
    }
}

/// The text inside an EncryptedID of ours, read by its identity provider.
fn opened(encrypted: &Element, key: &Key) -> String {
    let values: Vec<Vec<u8>> = encrypted
        .all("http://www.w3.org/2001/04/xmlenc#", "CipherValue")
        .iter()
        .map(|value| BASE64.decode(value.text()).unwrap())
        .collect();
    let mut decrypter = Decrypter::new(&key.private).unwrap();
    decrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
    let mut content_key = vec![0; decrypter.decrypt_len(&values[0]).unwrap()];
    let length = decrypter.decrypt(&values[0], &mut content_key).unwrap();
    let (nonce, rest) = values[1].split_at(12);
    let (octets, tag) = rest.split_at(rest.len() - 16);
    let cipher = Cipher::aes_256_gcm();
    let text = decrypt_aead(cipher, &content_key[..length], Some(nonce), &[], octets, tag).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn slo_43_a_name_is_encrypted_only_for_an_idp_that_demands_it() {
    for demanded in [false, true] {
        let app = start(&[]).await;
        let idp = app
            .idp_as("idp-a", &RSA_A, |mut metadata| {
                metadata.keys += &key_descriptor(Some("encryption"), &certificate_info(&RSA_B));
                metadata
            })
            .await;
        let scene = Scene::enter(app, idp).await;
        if demanded {
            scene.app.set_switch("idp-a", "encrypt_name_id", "true").await;
        }
        let request = scene.idp.sp.read_front(&scene.alice.sign_out().await);
        let encrypted = request.message.child(SAML, "EncryptedID");
        assert_eq!(encrypted.is_some(), demanded);
        assert_eq!(request.message.child(SAML, "NameID").is_some(), !demanded);
        if let Some(encrypted) = encrypted {
            let name = Element::parse(&opened(encrypted, &RSA_B)).unwrap();
            assert_eq!((name.local.as_str(), name.text().as_str()), ("NameID", "alice@example.org"));
            assert_eq!(name.attribute("Format"), scene.name.format.as_deref());
        }
        scene.done().await;
    }
}

#[tokio::test]
async fn slo_43_without_a_key_nothing_is_sent_in_clear_instead() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let refused = idps::set(&app.app, "idp-a", "encrypt_name_id", "true").await.unwrap_err();
    assert!(refused.to_string().contains("no RSA key"), "{refused}");
    // It had one when the switch was set, and has lost it since.
    app.import(&idp, &idp.metadata().key(Some("encryption"), &certificate_info(&RSA_B))).await;
    app.set_switch("idp-a", "encrypt_name_id", "true").await;
    app.import(&idp, &idp.metadata()).await;
    let scene = Scene::enter(app, idp).await;
    let reply = scene.alice.sign_out().await;
    assert!(scene.idp.sp.try_front(&reply).is_none(), "no LogoutRequest at all");
    assert!(!scene.alice.is_signed_in().await);
    let page = scene.alice.follow(reply).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scene.done().await;
}
