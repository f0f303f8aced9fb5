//! The door, tried with one thing wrong at a time. Every refusal has its positive twin: the same
//! message untouched opens.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, TimeDelta, Utc};
use openssl::nid::Nid;
use openssl::pkey::PKey;

use super::binding::{Outbound, Parameter, Received, encode, post, redirect, soap};
use super::encryption::DecryptionKeys;
use super::logout_request::LogoutRequest;
use super::message::{Limits, Message as _};
use super::names::{Binding, EntityId, Location, MessageId, NameId, RelayState, SessionIndex};
use super::open::{Refused, Unopened};
use super::outbound::{NewLogoutRequest, Reason, Unsigned};
use super::refusal::{Refusal, Row};
use super::signature::{SignaturePolicy, TrustedKeys, Verified};
use super::signing::{EcdsaEncoding, Signer};
use super::test_keys::{self, Pair};
use super::test_messages;
use super::xml::normalized;

const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_000_000_000_000_000);
const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

fn me() -> Location {
    Location::parse("https://sp.example/saml/slo").unwrap()
}

fn idp() -> EntityId {
    EntityId::parse("https://idp.example").unwrap()
}

fn keys(pairs: &[&Pair]) -> TrustedKeys {
    let spki: Vec<_> = pairs.iter().map(|(key, _)| key.public_key_to_der().unwrap()).collect();
    TrustedKeys::new(idp(), spki.iter().map(Vec::as_slice), SignaturePolicy::default()).unwrap()
}

fn unsigned() -> Unsigned {
    naming("urn:f", "alice@example.com")
}

fn naming(format: &str, value: &str) -> Unsigned {
    NewLogoutRequest {
        id: &MessageId::parse("_request").unwrap(),
        issue_instant: NOW,
        destination: &me(),
        issuer: &idp(),
        not_on_or_after: None,
        reason: Reason::User,
        name_id: &NameId { format: Some(format.to_owned()), ..NameId::bare(value) },
        session_indexes: &[SessionIndex::parse("1").unwrap()],
        asynchronous: false,
    }
    .write()
}

fn posted(xml: &str) -> Received {
    Received {
        binding: Binding::Post,
        parameter: Parameter::SamlRequest,
        octets: normalized(xml.to_owned()),
        relay_state: None,
        detached: super::binding::Detached::Absent,
    }
}

fn open(received: &Received, keys: &TrustedKeys) -> Result<Verified<LogoutRequest>, Refused<LogoutRequest>> {
    Unopened::<LogoutRequest>::read(received)?.open(keys, &me(), &LIMITS, NOW)
}

fn refusal(received: &Received, keys: &TrustedKeys) -> Refusal {
    open(received, keys).unwrap_err().refusal
}

fn signed(signer: &Signer) -> String {
    signer.enveloped(&unsigned()).unwrap()
}

#[test]
fn slo_01_what_the_idp_signed_opens_on_each_binding() {
    let pair = test_keys::rsa();
    let (signer, keys) = (test_keys::signer(pair.clone()), keys(&[&pair]));
    let relay_state = RelayState::parse("a b~+/é").unwrap();
    let Outbound::Redirect { url } =
        encode::redirect(&unsigned(), Some(&relay_state), &signer, EcdsaEncoding::Raw).unwrap()
    else {
        unreachable!("asked for a redirect")
    };
    let by_redirect = redirect::decode(url.split_once('?').unwrap().1).unwrap();
    let by_post = posted(&signed(&signer));
    let by_soap =
        soap::decode(encode::soap(&unsigned(), &signer).unwrap().as_bytes(), Parameter::SamlRequest).unwrap();
    let mut digests = Vec::new();
    for received in [&by_redirect, &by_post, &by_soap] {
        let request = open(received, &keys).unwrap();
        assert_eq!(request.signer(), &idp());
        assert_eq!(request.message().name_id().unwrap().value, "alice@example.com");
        digests.push(request.content_digest());
    }
    // SLO-24: the same content over whatever binding, signed or not.
    assert!(digests.windows(2).all(|pair| pair.first() == pair.last()), "{digests:?}");
}

#[test]
fn slo_01_unsigned_is_refused_on_each_binding() {
    let keys = keys(&[&test_keys::rsa()]);
    let xml = unsigned().as_str().to_owned();
    assert_eq!(refusal(&posted(&xml), &keys), Refusal::SignatureMissing);
    let by_redirect = Received { binding: Binding::Redirect, ..posted(&xml) };
    assert_eq!(refusal(&by_redirect, &keys), Refusal::SignatureMissing);
}

#[test]
fn bind_09_an_xml_signature_does_not_authenticate_a_redirect() {
    let pair = test_keys::rsa();
    let xml = signed(&test_keys::signer(pair.clone()));
    let by_redirect = Received { binding: Binding::Redirect, ..posted(&xml) };
    assert_eq!(refusal(&by_redirect, &keys(&[&pair])), Refusal::SignatureMissing);
    assert!(open(&posted(&xml), &keys(&[&pair])).is_ok());
}

#[test]
fn bind_13_ecdsa_raw_and_der_both_verify() {
    for curve in [Nid::X9_62_PRIME256V1, Nid::SECP384R1] {
        let pair = test_keys::ec(curve);
        let (signer, keys) = (test_keys::signer(pair.clone()), keys(&[&pair]));
        for encoding in [EcdsaEncoding::Raw, EcdsaEncoding::Der] {
            let Outbound::Redirect { url } = encode::redirect(&unsigned(), None, &signer, encoding).unwrap()
            else {
                unreachable!("asked for a redirect")
            };
            let query = url.split_once('?').unwrap().1;
            assert!(open(&redirect::decode(query).unwrap(), &keys).is_ok(), "{encoding:?}");
            let tampered = query.replacen("SAMLRequest=", "SAMLRequest=&x=", 1);
            assert!(redirect::decode(&tampered).is_err());
        }
        assert!(open(&posted(&signed(&signer)), &keys).is_ok());
    }
}

#[test]
fn md_16_any_of_the_keys_verifies_and_no_other() {
    let (first, second) = (test_keys::rsa(), test_keys::ec(Nid::X9_62_PRIME256V1));
    let (other, wanted) =
        (test_keys::ec(Nid::SECP384R1), posted(&signed(&test_keys::signer(test_keys::rsa()))));
    assert!(open(&wanted, &keys(&[&second, &other, &first])).is_ok());
    assert_eq!(refusal(&wanted, &keys(&[&second, &other])), Refusal::SignatureInvalid);
}

#[test]
fn md_20_no_key_is_an_error_and_not_a_pass() {
    let weak =
        PKey::from_rsa(openssl::rsa::Rsa::generate(1024).unwrap()).unwrap().public_key_to_der().unwrap();
    for spki in [vec![], vec![weak.as_slice()], vec![b"junk".as_slice()]] {
        assert!(TrustedKeys::new(idp(), spki, SignaturePolicy::default()).is_err());
    }
}

#[test]
fn val_09_any_changed_octet_breaks_it() {
    let pair = test_keys::rsa();
    let (xml, keys) = (signed(&test_keys::signer(pair.clone())), keys(&[&pair]));
    for (from, to) in
        [("alice@", "malice@"), ("urn:f", "urn:g"), (">1<", ">2<"), ("logout:user", "logout:admin")]
    {
        assert_eq!(refusal(&posted(&xml.replace(from, to)), &keys), Refusal::SignatureInvalid, "{from}");
    }
    assert!(open(&posted(&xml), &keys).is_ok());
}

/// To XML a line break that stands in an attribute as such is a space (3.3.3), and a carriage return
/// anywhere a line feed (2.11). What XML tells apart, the signature tells apart.
#[test]
fn val_09_white_space_passes_for_other_white_space_where_xml_says_so_and_nowhere_else() {
    let pair = test_keys::rsa();
    let (signer, keys) = (test_keys::signer(pair.clone()), keys(&[&pair]));
    let xml = signer.enveloped(&naming("urn:f g", "alice smith")).unwrap();
    assert!(open(&posted(&xml), &keys).is_ok());
    for spelling in ["urn:f\ng", "urn:f\tg", "urn:f\r\ng", "urn:f\rg"] {
        let opened = open(&posted(&xml.replace("urn:f g", spelling)), &keys).unwrap();
        assert_eq!(opened.message().name_id().unwrap().format.as_deref(), Some("urn:f g"), "{spelling:?}");
    }
    for spelling in ["urn:f&#10;g", "urn:f&#x9;g", "urn:f&#13;g", "urn:f\n\ng", "urn:f\u{85}g"] {
        let changed = xml.replace("urn:f g", spelling);
        assert_ne!(changed, xml);
        assert_eq!(refusal(&posted(&changed), &keys), Refusal::SignatureInvalid, "{spelling:?}");
    }
    let xml = signer.enveloped(&naming("urn:f", "alice\nsmith")).unwrap();
    for spelling in [
        "alice\r\nsmith",
        "alice\rsmith",
        "<![CDATA[alice\nsmith]]>",
        "<![CDATA[alice\r\nsmith]]>",
        "alice<![CDATA[\r]]>smith",
    ] {
        let opened = open(&posted(&xml.replace("alice\nsmith", spelling)), &keys).unwrap();
        assert_eq!(opened.message().name_id().unwrap().value, "alice\nsmith", "{spelling:?}");
    }
    for spelling in ["alice smith", "alice\tsmith", "alice&#13;smith", "alice&#13;\nsmith", "alice\r\rsmith"]
    {
        let changed = xml.replace("alice\nsmith", spelling);
        assert_ne!(changed, xml);
        assert_eq!(refusal(&posted(&changed), &keys), Refusal::SignatureInvalid, "{spelling:?}");
    }
}

#[test]
fn val_09_every_binding_reads_white_space_as_xml_does() {
    let odd = "<a b='x\ny'><![CDATA[\r\n]]>\r</a>";
    let parameter = |octets: &[u8]| {
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, octets);
        format!("SAMLRequest={}", encoded.replace('+', "%2B"))
    };
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut deflated, odd.as_bytes()).unwrap();
    let by_post = post::decode(parameter(odd.as_bytes()).as_bytes()).unwrap();
    let by_soap = soap::decode(odd.as_bytes(), Parameter::SamlRequest).unwrap();
    let by_redirect = redirect::decode(&parameter(&deflated.finish().unwrap())).unwrap();
    for received in [by_post, by_soap, by_redirect] {
        assert_eq!(received.octets, "<a b='x y'><![CDATA[\n]]>\n</a>", "{:?}", received.binding);
    }
}

#[test]
fn val_10_to_14_the_shape_of_a_signature() {
    let pair = test_keys::rsa();
    let (xml, keys) = (signed(&test_keys::signer(pair.clone())), keys(&[&pair]));
    let reference = between(&xml, "<ds:Reference", "</ds:Reference>");
    let info = between(&xml, "<ds:SignedInfo", "</ds:SignedInfo>");
    let signature = between(&xml, "<ds:Signature ", "</ds:Signature>");
    let value = between(&xml, "<ds:SignatureValue>", "</ds:SignatureValue>");
    let digest = between(&xml, "<ds:DigestValue>", "</ds:DigestValue>");
    let c14n = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let cases = [
        ("two references", xml.replace(&reference, &format!("{reference}{reference}"))),
        ("no reference", xml.replace(&reference, "")),
        ("empty URI", xml.replace("URI=\"#_request\"", "URI=\"\"")),
        ("URI of another", xml.replace("URI=\"#_request\"", "URI=\"#_other\"")),
        ("relative URI", xml.replace("URI=\"#_request\"", "URI=\"keys/x.xml\"")),
        ("http URI", xml.replace("URI=\"#_request\"", "URI=\"http://127.0.0.1:1/\"")),
        ("xpointer", xml.replace("URI=\"#_request\"", "URI=\"#xpointer(/)\"")),
        ("no URI", xml.replace(" URI=\"#_request\"", "")),
        ("two SignedInfo", xml.replace(&info, &format!("{info}{info}"))),
        ("Object", xml.replace("</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>")),
        ("empty value", xml.replace(&value, "<ds:SignatureValue></ds:SignatureValue>")),
        ("empty digest", xml.replace(&digest, "<ds:DigestValue></ds:DigestValue>")),
        ("XSLT", xml.replacen(c14n, "http://www.w3.org/TR/1999/REC-xslt-19991116", 2)),
        ("XPath", xml.replace("#enveloped-signature", "#xpath")),
        ("comments in c14n", xml.replace(c14n, &format!("{c14n}WithComments"))),
        ("inclusive c14n", xml.replace(c14n, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")),
        ("sha1", xml.replace("2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1")),
        ("md5", xml.replace("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-md5")),
        ("hmac", xml.replace("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256")),
        ("sha1 digest", xml.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1")),
        ("no algorithm", xml.replace(" Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"", "")),
        ("ecdsa by an RSA key", xml.replace("#rsa-sha256", "#ecdsa-sha256")),
    ];
    for (what, forged) in cases {
        assert_ne!(forged, xml, "{what} changes nothing");
        assert_eq!(refusal(&posted(&forged), &keys).row(), Row::G, "{what}");
    }
    // A second one, or one that is not right after the Issuer, is against the schema already.
    let twice = xml.replace(&signature, &format!("{signature}{signature}"));
    assert_eq!(refusal(&posted(&twice), &keys).row(), Row::N);
    let moved = xml
        .replace(&signature, "")
        .replace("</samlp:LogoutRequest>", &format!("{signature}</samlp:LogoutRequest>"));
    assert_eq!(refusal(&posted(&moved), &keys).row(), Row::N);
    assert!(open(&posted(&xml), &keys).is_ok());
}

#[test]
fn val_13_a_key_in_the_message_gives_no_trust() {
    let attacker = test_keys::ec(Nid::X9_62_PRIME256V1);
    let xml = signed(&test_keys::signer(attacker));
    assert!(xml.contains("<ds:X509Certificate>"));
    assert_eq!(refusal(&posted(&xml), &keys(&[&test_keys::rsa()])), Refusal::SignatureInvalid);
}

#[test]
fn bind_33_a_signed_request_in_the_header_does_not_cover_the_body() {
    let pair = test_keys::rsa();
    let (signer, keys) = (test_keys::signer(pair.clone()), keys(&[&pair]));
    let genuine = signed(&signer);
    let forged = unsigned().as_str().replace("alice", "victim").replace("_request", "_forged");
    let envelope = |header: &str, body: &str| {
        let ns = super::xml::SOAP;
        format!(
            "<s:Envelope xmlns:s=\"{ns}\"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
    };
    let received = |text: String| soap::decode(text.as_bytes(), Parameter::SamlRequest).unwrap();
    assert!(open(&received(envelope("", &genuine)), &keys).is_ok());
    assert_eq!(refusal(&received(envelope(&genuine, &forged)), &keys), Refusal::NestedMessage);
    let signature = between(&genuine, "<ds:Signature ", "</ds:Signature>");
    assert_eq!(refusal(&received(envelope(&signature, &forged)), &keys).row(), Row::G);
}

#[test]
fn slo_02_another_idps_key_does_not_speak_for_this_one() {
    let pair = test_keys::rsa();
    let xml = signed(&test_keys::signer(pair.clone()));
    let spki = pair.0.public_key_to_der().unwrap();
    let other = EntityId::parse("https://other.example").unwrap();
    let keys = TrustedKeys::new(other, [spki.as_slice()], SignaturePolicy::default()).unwrap();
    assert_eq!(refusal(&posted(&xml), &keys), Refusal::IssuerMismatch);
}

#[test]
fn val_08_the_destination_is_this_endpoint() {
    let pair = test_keys::rsa();
    let keys = keys(&[&pair]);
    let xml = signed(&test_keys::signer(pair));
    let received = posted(&xml);
    let elsewhere = Location::parse("https://sp.example/saml/acs").unwrap();
    let refused = Unopened::<LogoutRequest>::read(&received).unwrap().open(&keys, &elsewhere, &LIMITS, NOW);
    assert_eq!(refused.unwrap_err().refusal, Refusal::DestinationWrong);
    let without = xml.replace(" Destination=\"https://sp.example/saml/slo\"", "");
    assert_eq!(refusal(&posted(&without), &keys), Refusal::DestinationMissing);
}

#[test]
fn rows_j_and_k_come_with_the_authentic_message() {
    let pair = test_keys::rsa();
    let (received, keys) = (posted(&signed(&test_keys::signer(pair.clone()))), keys(&[&pair]));
    let later = NOW + TimeDelta::minutes(9);
    let refused =
        Unopened::<LogoutRequest>::read(&received).unwrap().open(&keys, &me(), &LIMITS, later).unwrap_err();
    assert_eq!(refused.refusal, Refusal::Stale);
    assert_eq!(refused.authentic.unwrap().message().head().id.as_str(), "_request");
    assert!(open(&post::decode(b"SAMLRequest=PGEvPg").unwrap(), &keys).unwrap_err().authentic.is_none());
}

/// Rows k and m: authentic, and still nothing that can be executed. The message comes along, so that it
/// is answered with what is wrong.
#[test]
fn val_06_and_slo_29_an_authentic_request_of_another_version_or_about_nobody() {
    let open = |from: &str, to: &str| {
        let whole = test_messages::logout_request(&test_messages::alice());
        assert!(whole.contains(from), "{from}");
        let xml = test_messages::signed(&whole.replacen(from, to, 1), "_l");
        test_messages::open_logout(&xml, &DecryptionKeys::new([]), NOW)
    };
    let base_id = format!("<saml:BaseID {}></saml:BaseID>", test_messages::SAML_NS);
    for (from, to, refusal) in [
        ("Version=\"2.0\"", "Version=\"2.1\"", Refusal::VersionMinor),
        ("Version=\"2.0\"", "Version=\"3.0\"", Refusal::VersionTooHigh),
        (&test_messages::alice(), &base_id, Refusal::IdentifierUnknown),
    ] {
        let refused = open(from, to).unwrap_err();
        assert_eq!(refused.refusal, refusal, "{to}");
        assert_eq!(refused.authentic.unwrap().message().head().id.as_str(), "_l", "{to}");
    }
    assert!(open("alice", "bob").is_ok());
}

/// The part of a text from one mark to another, marks included.
fn between(text: &str, start: &str, end: &str) -> String {
    let from = text.find(start).unwrap();
    let to = text.get(from..).unwrap().find(end).unwrap();
    text.get(from..from + to + end.len()).unwrap().to_owned()
}
