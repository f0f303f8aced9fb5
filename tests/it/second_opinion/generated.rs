//! The oracle over messages that nobody thought of: whatever text, layout, key and binding, as our
//! test's own identity provider signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use signoff::clock::Clock;
use signoff::saml::binding::{Parameter, Received, post, soap};
use signoff::saml::names::{EntityId, Location};
use signoff::saml::second_opinion::{Case, Disagreement};
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};

use super::{in_a_quiet_process, open};
use crate::support::app::noon;
use crate::support::browser::form_body;
use crate::support::dsig::{EC_256, EC_384, Key, OURS, RSA_A, SHA384, SHA512, Shape};
use crate::support::idp::{Idp, Sp};
use crate::support::messages::{Name, Signed};

const CASES: u32 = 192;
const SAML: &str = " xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
const SAMLP: &str = " xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"";

/// Everything that varies.
#[derive(Debug, Clone)]
struct Made {
    kind: &'static str,
    name: String,
    qualifiers: [Option<String>; 4],
    indexes: Vec<String>,
    words: String,
    key: usize,
    digest: usize,
    signed: Signed,
    layout: Layout,
}

/// Changes to the octets that leave the canonical form as it is.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one change")]
struct Layout {
    soap: bool,
    /// The namespaces are declared around the message.
    hoisted: bool,
    /// Empty elements are closed at once.
    short: bool,
    /// Character references instead of the characters.
    references: bool,
    /// Line breaks as Windows has them, and line breaks for spaces in attributes.
    broken: bool,
}

fn text() -> impl Strategy<Value = String> {
    // What XML has to treat specially comes often, everything that XML allows comes at times.
    let special = prop::sample::select(vec![
        "&",
        "<",
        ">",
        "\"",
        "'",
        "]]>",
        " ",
        "\t",
        "\n",
        "\r",
        "\u{85}",
        "\u{2028}",
        "é",
        "e\u{301}",
        "\u{1f9d1}",
        "--",
        "&amp;",
        "#xD;",
    ]);
    prop::collection::vec(
        prop_oneof![special.prop_map(str::to_owned), "[a-zA-Z0-9@.]{1,12}", "\\PC{1,8}"],
        1..6,
    )
    .prop_map(|parts| parts.concat())
    .prop_filter("characters of XML 1.0", |text| {
        text.chars()
            .all(|c| !matches!(c, '\u{fffe}' | '\u{ffff}') && (c >= ' ' || matches!(c, '\t' | '\n' | '\r')))
    })
}

fn made() -> impl Strategy<Value = Made> {
    let layout = any::<[bool; 5]>().prop_map(|[soap, hoisted, short, references, broken]| Layout {
        soap,
        hoisted,
        short,
        references,
        broken,
    });
    (
        prop::sample::select(vec!["LogoutRequest", "LogoutRequest", "LogoutResponse", "Response"]),
        text(),
        prop::array::uniform4(prop::option::weighted(0.4, text())),
        prop::collection::vec(text(), 0..6),
        text(),
        0..3_usize,
        0..3_usize,
        prop::sample::select(vec![Signed::Assertion, Signed::Response, Signed::Both]),
        layout,
    )
        .prop_map(|(kind, name, qualifiers, indexes, words, key, digest, signed, layout)| Made {
            kind,
            name,
            qualifiers,
            indexes,
            words,
            key,
            digest,
            signed,
            layout,
        })
}

fn idp(key: &'static Key) -> Idp {
    let sp = Sp {
        entity_id: "https://sp.example/saml/metadata".to_owned(),
        acs: "https://sp.example/saml/acs".to_owned(),
        slo: "https://sp.example/saml/slo".to_owned(),
        soap: "https://sp.example/saml/slo/soap".to_owned(),
        key: OURS.certificate.public_key().unwrap(),
    };
    Idp::new("idp", key, sp, Clock::fixed(noon()).0)
}

impl Made {
    fn key(&self) -> &'static Key {
        [&*RSA_A, &*EC_256, &*EC_384][self.key]
    }

    fn name(&self) -> Name {
        let [format, name_qualifier, sp_name_qualifier, sp_provided_id] = self.qualifiers.clone();
        Name { value: self.name.clone(), format, name_qualifier, sp_name_qualifier, sp_provided_id }
    }

    fn shape(&self) -> Shape {
        let mut shape = Shape::of(self.key());
        if self.digest > 0 {
            shape.digest_method = [SHA384, SHA512][self.digest - 1].to_owned();
        }
        shape
    }

    /// The signed message and where it is to arrive.
    fn message(&self) -> (String, Location) {
        let (idp, key, shape) = (idp(self.key()), self.key(), self.shape());
        let words = crate::support::xml::content_text(&self.words);
        let extensions = format!(
            "<samlp:Extensions><x:note xmlns:x=\"urn:x\" about=\"{}\">{words}</x:note></samlp:Extensions>",
            crate::support::xml::attribute_text(&self.words)
        );
        let (xml, me) = match self.kind {
            "LogoutRequest" => {
                let mut request = idp.logout_request(&self.name(), &[]);
                request.session_indexes = self.indexes.clone();
                request.extensions = extensions;
                request.reason = Some(self.words.clone());
                if self.soap() {
                    request.destination = Some(idp.sp.soap.clone());
                }
                let me = request.destination.clone().unwrap();
                (request.signed_as(key, &shape), me)
            }
            "LogoutResponse" => {
                let mut response = crate::support::messages::LogoutResponse {
                    id: Some("_answer".to_owned()),
                    version: Some("2.0".to_owned()),
                    issue_instant: Some(crate::support::messages::instant(noon())),
                    destination: Some(idp.sp.slo.clone()),
                    in_response_to: Some("_asked".to_owned()),
                    issuer: idp.issuer(),
                    extensions,
                    status: vec!["Success".to_owned()],
                    status_message: Some(self.words.clone()),
                    finish: |text| text,
                };
                response.status.extend(self.indexes.first().map(|_| "PartialLogout".to_owned()));
                (response.signed(key), idp.sp.slo.clone())
            }
            _ => {
                let index = self.indexes.first().map_or("1", String::as_str);
                let mut response = idp.response(Some("_asked"), &self.name(), index);
                response.signed = self.signed;
                response.assertion.attributes = format!(
                    "<saml:AttributeStatement><saml:Attribute Name=\"note\"><saml:AttributeValue>{words}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
                );
                (response.signed_as(key, &shape, &shape), idp.sp.acs.clone())
            }
        };
        (xml, Location::parse(me).unwrap())
    }

    fn soap(&self) -> bool {
        self.layout.soap && self.kind == "LogoutRequest"
    }

    /// The message as it is sent.
    fn received(&self, xml: &str) -> Received {
        let mut xml = xml.to_owned();
        if self.layout.short {
            for name in [
                "ds:Transform",
                "ds:DigestMethod",
                "ds:SignatureMethod",
                "ds:CanonicalizationMethod",
                "samlp:StatusCode",
            ] {
                xml = xml.replace(&format!("></{name}>"), "/>");
            }
        }
        if self.layout.references {
            xml = xml.replace("&amp;", "&#38;").replace('@', "&#x40;");
        }
        if self.layout.broken {
            xml = xml.replace('\n', "\r\n");
            let about = xml.find(" about=\"").map(|at| at + " about=\"".len());
            if let Some((at, length)) = about.and_then(|at| Some((at, xml[at..].find('"')?))) {
                let value = xml[at..at + length].replace("  ", "\t ").replace(' ', "\r\n");
                xml.replace_range(at..at + length, &value);
            }
        }
        if self.soap() {
            let mut around = String::new();
            if self.layout.hoisted {
                xml = xml.replace(SAML, "").replace(SAMLP, "");
                around = format!("{SAML}{SAMLP} xmlns:unused=\"urn:unused\"");
            }
            let envelope = format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"{around}><e:Header></e:Header><e:Body>\n{xml} </e:Body></e:Envelope>"
            );
            return soap::decode(envelope.as_bytes(), Parameter::SamlRequest).unwrap();
        }
        let field = if self.kind == "LogoutRequest" { "SAMLRequest" } else { "SAMLResponse" };
        post::decode(form_body(&[(field, &BASE64.encode(&xml))]).as_bytes()).unwrap()
    }

    fn keys(&self) -> TrustedKeys {
        // The right key is not the only one.
        let spki = [&*OURS, self.key(), &*EC_256].map(|key| key.private.public_key_to_der().unwrap());
        let entity_id = EntityId::parse(idp(self.key()).entity_id).unwrap();
        TrustedKeys::new(entity_id, spki.iter().map(Vec::as_slice), SignaturePolicy::default()).unwrap()
    }

    fn case(&self) -> Option<(Case, TrustedKeys)> {
        let (xml, me) = self.message();
        let keys = self.keys();
        let case = open(self.kind, &self.received(&xml), &keys, &me, noon()).ok()?;
        Some((case.expect("something that a signature covers"), keys))
    }
}

#[test]
fn what_ours_accepts_of_made_up_messages_is_confirmed() {
    let (mut accepted, mut all) = (0, 0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let counts = std::cell::RefCell::new((&mut accepted, &mut all));
    runner
        .run(&made(), |made| {
            let mut counts = counts.borrow_mut();
            *counts.1 += 1;
            if let Some((case, keys)) = made.case() {
                *counts.0 += 1;
                prop_assert_eq!(case.judge(&keys), Ok(()));
            }
            Ok(())
        })
        .unwrap();
    // What is refused is refused for its text (an empty or oversized name, say), not for its layout.
    assert!(accepted * 10 > all * 9, "only {accepted} of {all} were accepted");
}

/// The oracle itself can fail: against a message that differs in one value, against a signature that
/// is broken, and against keys that are not the signer's.
#[test]
fn a_broken_variant_is_found() {
    if in_a_quiet_process("generated::a_broken_variant_is_found").is_some() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut found = 0;
    for _ in 0..40 {
        let made = made().new_tree(&mut runner).unwrap().current();
        if made.kind != "LogoutRequest" {
            continue;
        }
        let Some((case, keys)) = made.case() else { continue };
        assert_eq!(case.judge(&keys), Ok(()));
        let other = Made { name: format!("{}x", made.name), ..made.clone() };
        let (other_case, _) = other.case().unwrap();
        // As if our verifier had verified one message and read the other.
        let shown = std::cell::RefCell::new(None);
        other_case
            .judge_by(|exhibit| {
                *shown.borrow_mut() = Some(exhibit.clone());
                Some(String::new())
            })
            .unwrap_err();
        let foreign = shown.into_inner().unwrap();
        let verdict = case.judge_by(|_| super::corpus::covered(&foreign, made.key()));
        assert_eq!(verdict, Err(Disagreement::NameId));
        // As if our verifier had looked away.
        let verdict = case.judge_by(|exhibit| {
            let tampered = exhibit.xml().replacen("Version=\"2.0\"", "Version=\"2.1\"", 1);
            super::corpus::covered_text(&tampered, made.key())
        });
        assert_eq!(verdict, Err(Disagreement::NotVerified));
        let strangers = TrustedKeys::new(
            EntityId::parse("https://idp.example/metadata").unwrap(),
            [OURS.private.public_key_to_der().unwrap()].iter().map(Vec::as_slice),
            SignaturePolicy::default(),
        )
        .unwrap();
        assert_eq!(case.judge(&strangers), Err(Disagreement::NotVerified));
        found += 1;
    }
    assert!(found > 10, "{found}");
}

/// What the second engine says of a message that our own accepts from this identity provider.
fn verdict(idp: &Idp, kind: &str, xml: &str) -> Option<Result<(), Disagreement>> {
    let both = [&*RSA_A, &*EC_256].map(|key| key.private.public_key_to_der().unwrap());
    let keys = TrustedKeys::new(
        EntityId::parse(idp.entity_id.as_str()).unwrap(),
        both.iter().map(Vec::as_slice),
        SignaturePolicy::default(),
    )
    .unwrap();
    let (field, me) = match kind {
        "LogoutRequest" => ("SAMLRequest", idp.sp.slo.as_str()),
        _ => ("SAMLResponse", idp.sp.acs.as_str()),
    };
    let received = post::decode(form_body(&[(field, &BASE64.encode(xml))]).as_bytes()).unwrap();
    let case = open(kind, &received, &keys, &Location::parse(me).unwrap(), noon()).ok()?;
    Some(case.unwrap().judge(&keys))
}

/// Where the two are known to differ (docs/adr/0006): ours accepts, the second engine does not.
#[test]
fn the_known_differences_are_as_written_down() {
    if in_a_quiet_process("generated::the_known_differences_are_as_written_down").is_some() {
        return;
    }
    let idp = idp(&RSA_A);
    // Keys of two kinds in one Response.
    let mut response = idp.response(None, &Name::email("alice@example.org"), "1");
    assert_eq!(verdict(&idp, "Response", &response.signed(&RSA_A)), Some(Ok(())));
    response.around_assertion = |assertion| {
        let (start, end) =
            (assertion.find("<ds:Signature").unwrap(), assertion.find("</ds:Signature>").unwrap());
        let bare = format!("{}{}", &assertion[..start], &assertion[end + "</ds:Signature>".len()..]);
        let id = bare.split("ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        crate::support::dsig::enveloped(&bare, &id, &EC_256, &Shape::of(&EC_256))
    };
    let mixed = verdict(&idp, "Response", &response.signed(&RSA_A));
    assert_eq!(mixed, Some(Err(Disagreement::NotVerified)));
}

/// White space, in every spelling that XML reads alike and in some that it does not (XML 1.0, 2.11 and
/// 3.3.3): the two engines agree on which is which.
#[test]
fn white_space_is_read_alike() {
    if in_a_quiet_process("generated::white_space_is_read_alike").is_some() {
        return;
    }
    let idp = idp(&RSA_A);
    let cases: [(&str, &str, &[&str], &[&str]); 2] = [
        (
            ">a\nb<",
            "/x:note>",
            &[">a\rb<", ">a\r\nb<", ">a<![CDATA[\r]]>b<", "><![CDATA[a\r\nb]]><", ">a&#10;b<"],
            &[">a&#13;b<", ">a\n\rb<", ">a b<", ">a<![CDATA[&#10;]]>b<"],
        ),
        (
            " about=\"a b\"",
            "></x:note>",
            &[" about=\"a\nb\"", " about=\"a\tb\"", " about='a\r\nb'", " about=\"a&#x20;b\""],
            &[" about=\"a&#10;b\"", " about=\"a\n\nb\"", " about=\"a&#9;b\"", " about=\"a&#13;b\""],
        ),
    ];
    for (canonical, end, alike, other) in cases {
        let mut request = idp.logout_request(&Name::email("alice@example.org"), &[]);
        request.extensions =
            format!("<samlp:Extensions><x:note xmlns:x=\"urn:x\"{canonical}{end}</samlp:Extensions>");
        let right = request.signed(&RSA_A);
        let spelt = |written: &str| {
            let odd = right.replace(canonical, written);
            assert_ne!(odd, right);
            odd
        };
        assert_eq!(verdict(&idp, "LogoutRequest", &right), Some(Ok(())));
        for written in alike {
            assert_eq!(verdict(&idp, "LogoutRequest", &spelt(written)), Some(Ok(())), "{written:?}");
            assert!(super::corpus::covered_text(&spelt(written), &RSA_A).is_some(), "{written:?}");
        }
        for written in other {
            assert_eq!(verdict(&idp, "LogoutRequest", &spelt(written)), None, "{written:?}");
            assert_eq!(super::corpus::covered_text(&spelt(written), &RSA_A), None, "{written:?}");
        }
    }
}
