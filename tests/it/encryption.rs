//! SSO-21, SLO-28, SLO-29, SLO-43: what is not for every eye, through the whole service.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::rsa::Padding;
use openssl::symm::{Cipher, decrypt_aead, encrypt, encrypt_aead};
use signoff::app::idps;

use crate::support::app::{TestApp, write_pem};
use crate::support::browser::Browser;
use crate::support::dsig::{self, Key, RSA_A, RSA_B, Shape};
use crate::support::http::{HttpReply, send};
use crate::support::idp::Idp;
use crate::support::messages::{Name, Signed};
use crate::support::metadata::{certificate_info, key_descriptor};
use crate::support::story::{INDEX, Scene, Via};
use crate::support::xml::{DS, Element, MD, SAML};

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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Gcm,
    Cbc,
}

/// The element of that name with `plaintext` inside, encrypted to that key.
fn sealed(name: &str, plaintext: &str, to: &Key, mode: Mode) -> String {
    let content_key = [0x42; 32];
    let mut encrypter = Encrypter::new(&to.private).unwrap();
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
    let mut wrapped = vec![0; encrypter.encrypt_len(&content_key).unwrap()];
    let length = encrypter.encrypt(&content_key, &mut wrapped).unwrap();
    wrapped.truncate(length);
    let (algorithm, octets) = match mode {
        Mode::Gcm => {
            let (nonce, mut tag) = ([3; 12], [0; 16]);
            let cipher = Cipher::aes_256_gcm();
            let inner = encrypt_aead(cipher, &content_key, Some(&nonce), &[], plaintext.as_bytes(), &mut tag);
            ("http://www.w3.org/2009/xmlenc11#aes256-gcm", [&nonce[..], &inner.unwrap(), &tag].concat())
        }
        Mode::Cbc => {
            let first = [3; 16];
            let cipher = Cipher::aes_256_cbc();
            let inner = encrypt(cipher, &content_key, Some(&first), plaintext.as_bytes()).unwrap();
            ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", [&first[..], &inner].concat())
        }
    };
    format!(
        "<saml:{name} xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"{algorithm}\"></xenc:EncryptionMethod><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"></xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:{name}>",
        BASE64.encode(wrapped),
        BASE64.encode(octets)
    )
}

/// Begins to sign in and brings a Response with an encrypted assertion.
async fn try_sign_in(
    browser: &Browser,
    idp: &Idp,
    name: &Name,
    signed: Signed,
    (to, mode): (&Key, Mode),
) -> HttpReply {
    let begun = browser.begin_sign_in(idp).await;
    let mut response = idp.response(Some(begun.id()), name, INDEX);
    let mut assertion = response.assertion.xml();
    if matches!(signed, Signed::Assertion | Signed::Both) {
        assertion = dsig::enveloped(&assertion, &response.assertion.id, idp.key, &Shape::of(idp.key));
    }
    response.signed = Signed::Nothing;
    let plain = response.signed(idp.key);
    let at = plain.find("<saml:Assertion").unwrap();
    let sealed = sealed("EncryptedAssertion", &assertion, to, mode);
    let mut xml = format!("{}{sealed}</samlp:Response>", &plain[..at]);
    if matches!(signed, Signed::Response | Signed::Both) {
        xml = dsig::enveloped(&xml, &response.id, idp.key, &Shape::of(idp.key));
    }
    browser.bring(&xml, begun.relay_state.as_deref()).await
}

#[tokio::test]
async fn sso_21_an_encrypted_assertion_signs_in_if_a_signature_covers_it() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    for (signed, to, mode, accepted) in [
        (Signed::Response, &*PRESENT, Mode::Gcm, true),
        (Signed::Response, &*PREVIOUS, Mode::Cbc, true),
        (Signed::Assertion, &*PREVIOUS, Mode::Gcm, true),
        (Signed::Both, &*PRESENT, Mode::Cbc, true),
        (Signed::Assertion, &*PRESENT, Mode::Cbc, false),
        (Signed::Nothing, &*PRESENT, Mode::Gcm, false),
        (Signed::Both, &*RSA_B, Mode::Gcm, false),
    ] {
        let browser = app.browser();
        let reply = try_sign_in(&browser, &idp, &name, signed, (to, mode)).await;
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
        request.identifier = sealed("EncryptedID", &scene.name.xml(), &RSA_B, Mode::Gcm);
        assert_eq!(scene.send(via, &request).await.status(), "Requester/UnknownPrincipal");
        scene.assert_refused("SLO-28").await;
        // Signed in in clear, signed out in secret.
        let mut request = scene.request(via);
        request.identifier = sealed("EncryptedID", &scene.name.xml(), &PREVIOUS, Mode::Cbc);
        assert_eq!(scene.send(via, &request).await.status(), "Success", "{via:?}");
        assert!(!scene.alice.is_signed_in().await, "{via:?}");

        // Signed in in secret, signed out in clear.
        let again = scene.app.browser();
        let how = (&*PRESENT, Mode::Gcm);
        let secret = Name::email("bob@example.org");
        let reply = try_sign_in(&again, &scene.idp, &secret, Signed::Response, how).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        let mut request = scene.request(via);
        request.identifier = secret.xml();
        assert_eq!(scene.send(via, &request).await.status(), "Success", "{via:?}");
        assert!(!again.is_signed_in().await, "{via:?}");
        scene.done().await;
    }
}

#[tokio::test]
async fn sso_21_an_encrypted_id_in_an_assertion_is_the_same_person() {
    let app = start(&[]).await;
    let idp = app.idp("idp-a", &RSA_A).await;
    let name = Name::email("alice@example.org");
    let browser = app.browser();
    let secret = sealed("EncryptedID", &name.xml(), &PRESENT, Mode::Cbc);
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
        try_sign_in(&browser, &idp, &name, Signed::Response, (&PRESENT, Mode::Gcm)).await;
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
