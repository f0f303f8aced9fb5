//! As many bad messages as good ones: what is left of the good.
//!
//! `cargo bench --bench logouts -- flood`. Good LogoutRequests come over connections of their own, as
//! without the flood; with each of them a bad message is sent, whether or not earlier ones are answered.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::x509::X509;
use url::form_urlencoded::byte_serialize;

use crate::identity_provider::{Binding, IdentityProvider};
use crate::load::{self, Connection};
use crate::service::Service;

/// The least part of the undisturbed figure.
const AIM: f64 = 0.7;
const CONNECTIONS: usize = 16;
/// So many that a bad message can be sent whenever one is due, though the dear ones wait for each other.
const BAD_CONNECTIONS: usize = 600;
const FORM: &str = "application/x-www-form-urlencoded";

/// Measures and prints the two figures, by turns, and fails if too little is left.
pub fn run(service: &Service, idp: &IdentityProvider, people: usize, turns: usize) {
    let bad = mixture(service, idp);
    for binding in [Binding::Redirect, Binding::Soap] {
        let (mut alone, mut flooded) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            alone.push(round(service, idp, binding, people, &[]));
            flooded.push(round(service, idp, binding, people, &bad));
        }
        let (alone, flooded) = (middle(alone), middle(flooded));
        let left = flooded / alone;
        println!(
            "{binding:?} x{CONNECTIONS}: {alone:.0} logouts/s undisturbed, {flooded:.0} with a bad message for each, {:.0} % (aim {:.0} %)",
            100.0 * left,
            100.0 * AIM
        );
        assert!(left >= AIM || turns == 1, "the flood drowns what is good");
    }
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Logouts a second; each has succeeded, and no bad message has ended or opened anything.
fn round(
    service: &Service,
    idp: &IdentityProvider,
    binding: Binding,
    people: usize,
    bad: &[(&'static str, Vec<u8>)],
) -> f64 {
    let people = idp.people(people);
    let sign_ins: Vec<_> = people.iter().map(|person| person.sign_in.clone()).collect();
    load::send(service.address(), &sign_ins, 8);
    assert_eq!(service.sessions_alive(), people.len());
    let logouts: Vec<_> = people.iter().map(|person| idp.logout(person, binding)).collect();
    let requests: Vec<_> = logouts.iter().map(|logout| logout.http.clone()).collect();
    let (due, dues) = mpsc::channel();
    let (dues, bad_sent) = (Mutex::new(dues), AtomicUsize::new(0));
    let opened = if bad.is_empty() { 0 } else { BAD_CONNECTIONS };
    let connections: Vec<_> = (0..opened).map(|_| Connection::open(service.address())).collect();
    let answers = std::thread::scope(|scope| {
        for connection in connections {
            scope.spawn(|| flood(connection, bad, &dues, &bad_sent));
        }
        let answers = load::send_announced(service.address(), &requests, CONNECTIONS, |number| {
            due.send(number).unwrap();
        });
        drop(due);
        answers
    });
    if !bad.is_empty() {
        assert_eq!(bad_sent.load(Ordering::Relaxed), people.len(), "one bad message for each good one");
    }
    for (logout, answer) in logouts.iter().zip(&answers.texts) {
        idp.assert_success(logout, answer);
    }
    assert_eq!(service.sessions_alive(), 0);
    answers.per_second()
}

/// Sends a bad message for each good one that is announced.
fn flood(
    mut connection: Connection,
    bad: &[(&'static str, Vec<u8>)],
    dues: &Mutex<mpsc::Receiver<usize>>,
    bad_sent: &AtomicUsize,
) {
    loop {
        let due = dues.lock().unwrap().recv();
        let Ok(number) = due else { return };
        bad_sent.fetch_add(1, Ordering::Relaxed);
        let Some((what, request)) = bad.get(number % bad.len()) else { return };
        let answer = connection.ask(request);
        let status = load::status(&answer);
        // Row g is answered in SAML as long as there is budget for it.
        let denied = load::header(&answer, "location").is_some() || answer.contains("RequestDenied");
        assert!(
            matches!(status, 400 | 403) || status == 500 && answer.contains("Fault") || denied,
            "{what}: {answer}"
        );
    }
}

/// One of each kind, made beforehand.
fn mixture(service: &Service, idp: &IdentityProvider) -> Vec<(&'static str, Vec<u8>)> {
    let person = idp.people(1).pop().unwrap();
    let text = |request: Vec<u8>| String::from_utf8(request).unwrap();
    let redirect = text(idp.logout(&person, Binding::Redirect).http);
    let soap = text(idp.logout(&person, Binding::Soap).http);
    let at = redirect.find("&Signature=").unwrap() + "&Signature=".len();
    let flipped = if redirect[at..].starts_with('A') { "B" } else { "A" };
    let bad_signature = format!("{}{flipped}{}", &redirect[..at], &redirect[at + 1..]);
    let end = redirect.find("&SigAlg").unwrap();
    let unsigned = format!("{}{}", &redirect[..end], &redirect[redirect.find(" HTTP").unwrap()..]);
    let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 16 * 1024 * 1024]).unwrap();
    let bomb: String = byte_serialize(STANDARD.encode(bomb.finish().unwrap()).as_bytes()).collect();
    // As long as before: the length has been announced.
    let at = soap.find("</saml:NameID>").unwrap();
    let other = if soap[..at].ends_with('x') { "y" } else { "x" };
    let tampered = format!("{}{other}{}", &soap[..at - 1], &soap[at..]);
    let elsewhere = soap.replacen("/saml/slo/soap\" ID", "/saml/slo/soaq\" ID", 1);
    assert_ne!(elsewhere, soap);
    vec![
        ("a bad signature", bad_signature.into_bytes()),
        ("no signature", unsigned.into_bytes()),
        ("no XML", load::request("/saml/slo", Some((FORM, "SAMLRequest=bm90IFhNTA%3D%3D")))),
        ("a bomb", load::request(&format!("/saml/slo?SAMLRequest={bomb}"), None)),
        ("a wrong Destination", elsewhere.into_bytes()),
        ("encrypted junk", encrypted_junk(service, idp)),
        ("a tampered message", tampered.into_bytes()),
        ("a tall story", tall_story()),
    ]
}

/// A Response that costs as many operations of our private key as one can.
fn encrypted_junk(service: &Service, idp: &IdentityProvider) -> Vec<u8> {
    let size = encryption_key_size(service);
    let now = idp.instant();
    let base_url = service.base_url();
    let wrapped = STANDARD.encode(vec![0x11; size]);
    let content = STANDARD.encode([0x22; 2048]);
    let key = format!(
        "<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/><xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>"
    );
    let xml = format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" ID=\"_junk\" Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{base_url}/saml/acs\"><saml:Issuer>{}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status><saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/><ds:KeyInfo>{key}{key}</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{content}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData></saml:EncryptedAssertion></samlp:Response>",
        idp.entity_id()
    );
    post("/saml/acs", "SAMLResponse", &xml)
}

/// Up to the limit of size, and in vain.
fn tall_story() -> Vec<u8> {
    let filling = "<x a=\"b\"/>".repeat(11_000);
    post(
        "/saml/slo",
        "SAMLRequest",
        &format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">{filling}</samlp:LogoutRequest>"
        ),
    )
}

fn post(target: &str, field: &str, xml: &str) -> Vec<u8> {
    let encoded = STANDARD.encode(xml);
    let value: String = byte_serialize(encoded.as_bytes()).collect();
    load::request(target, Some((FORM, &format!("{field}={value}"))))
}

/// Of the key that the service has made for itself: as many octets has what is wrapped for it.
fn encryption_key_size(service: &Service) -> usize {
    let directory = service.directory().join("data/certs");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut certificates = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains("encryption") && path.extension().is_some_and(|extension| extension == "crt")
    });
    let pem = std::fs::read(certificates.next().unwrap()).unwrap();
    X509::from_pem(&pem).unwrap().public_key().unwrap().size()
}
