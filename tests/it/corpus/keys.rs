//! Whose key, and which algorithm: nothing but a key of the identity provider's metadata and an
//! algorithm of our list makes a message believed.

use signoff::saml::refusal::Refusal;

use super::{Case, Door, Draft, Sent, Stage, cut, swap, tampering};
use crate::support::dsig::{
    ECDSA_SHA1, ECDSA_SHA256, HMAC_SHA1, HMAC_SHA256, Key, MD5, RSA_A, RSA_ATTACKER, RSA_B, RSA_MD5,
    RSA_SHA1, RSA_SHA384, SHA1, Shape,
};
use crate::support::messages::Signed;

const INVALID: Refusal = Refusal::SignatureInvalid;
const ALGORITHM: Refusal = Refusal::AlgorithmNotAllowed;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    missing(&mut all);
    foreign(&mut all);
    algorithms(&mut all);
    tampering::add(&mut all);
    all
}

fn missing(all: &mut Vec<Case>) {
    let rules = &["SLO-01", "F-24", "F-26", "BIND-31", "SSO-07", "SLO-50"];
    all.push(
        Case::new(rules, "no signature", &Door::ALL, Refusal::SignatureMissing, |_, mut draft| {
            draft.parts = Signed::Nothing;
            match draft.sent() {
                Sent::Query(query) => {
                    let unsigned: Vec<_> =
                        query.split('&').filter(|p| !p.starts_with("Sig")).map(str::to_owned).collect();
                    Sent::Query(unsigned.join("&"))
                }
                body @ Sent::Body(_) => {
                    if draft.door == Door::Acs {
                        body
                    } else {
                        draft.carry(&draft.xml)
                    }
                }
            }
        })
        .but_at(&[Door::Acs], Refusal::AssertionUnsigned),
    );
    all.push(Case::new(
        &["SLO-01", "F-26"],
        "no signature and no SessionIndex",
        &Door::REQUESTS,
        Refusal::SignatureMissing,
        |_, mut draft| {
            let index = cut(&draft.xml, "<samlp:SessionIndex>", "</samlp:SessionIndex>").to_owned();
            draft.xml = swap(&draft.xml, &index, "");
            match draft.carry(&draft.xml) {
                Sent::Query(query) => Sent::Query(query.split('&').next().unwrap().to_owned()),
                body @ Sent::Body(_) => body,
            }
        },
    ));
    // An assertion that is signed does not make up for a Response whose signature is broken.
    all.push(Case::tampered(
        &["SSO-07", "VAL-09"],
        "the Response's signature broken",
        &[Door::Acs],
        INVALID,
        |_, xml| swap(xml, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
    ));
    all.push(Case::tampered(
        &["SSO-07", "VAL-09"],
        "the assertion's signature broken",
        &[Door::Acs],
        INVALID,
        |_, xml| {
            let at = xml.rfind("<ds:SignatureValue>").unwrap();
            format!("{}{}", &xml[..at], swap(&xml[at..], "<ds:SignatureValue>", "<ds:SignatureValue>AAAA"))
        },
    ));
}

/// Signed by another key, with whatever a KeyInfo can say.
fn foreign(all: &mut Vec<Case>) {
    fn signed_by(draft: &mut Draft, key: &'static Key, info: &str) {
        draft.key = key;
        draft.shape = Shape::of(key);
        info.clone_into(&mut draft.shape.key_info);
        draft.inner = draft.shape.clone();
    }
    let infos: [(&'static str, fn(&Stage<'_>) -> String); 9] = [
        ("with its certificate", |_| Shape::of(&RSA_ATTACKER).key_info),
        ("with the right certificate", |_| Shape::of(&RSA_A).key_info),
        ("with both certificates", |_| {
            let (one, two) = (RSA_A.certificate_base64(), RSA_ATTACKER.certificate_base64());
            format!(
                "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{one}</ds:X509Certificate><ds:X509Certificate>{two}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            )
        }),
        ("with its key's value", |_| format!("<ds:KeyInfo>{}</ds:KeyInfo>", RSA_ATTACKER.key_value())),
        ("with a key name", |_| "<ds:KeyInfo><ds:KeyName>idp-a</ds:KeyName></ds:KeyInfo>".to_owned()),
        ("without any KeyInfo", |_| String::new()),
        ("with a key to be fetched", |stage| {
            let url = &stage.site.trap.url;
            format!(
                "<ds:KeyInfo><ds:RetrievalMethod Type=\"http://www.w3.org/2000/09/xmldsig#X509Data\" URI=\"{url}\"></ds:RetrievalMethod></ds:KeyInfo>"
            )
        }),
        ("with a key to be fetched and transformed", |stage| {
            let url = &stage.site.trap.url;
            format!(
                "<ds:KeyInfo><ds:RetrievalMethod URI=\"{url}\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"></ds:Transform></ds:Transforms></ds:RetrievalMethod></ds:KeyInfo>"
            )
        }),
        ("with a certificate to be fetched", |stage| {
            let url = &stage.site.trap.url;
            format!(
                "<ds:KeyInfo><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data><dsig11:KeyInfoReference xmlns:dsig11=\"http://www.w3.org/2009/xmldsig11#\" URI=\"{url}\"></dsig11:KeyInfoReference></ds:KeyInfo>"
            )
        }),
    ];
    for (name, info) in infos {
        let what = format!("a stranger's key {name}");
        all.push(Case::new(
            &["VAL-09", "VAL-13", "F-18", "F-45"],
            what,
            &Door::SIGNED_XML,
            INVALID,
            move |stage, mut draft| {
                signed_by(&mut draft, &RSA_ATTACKER, &info(stage));
                draft.sent()
            },
        ));
    }
    all.push(Case::new(&["VAL-09", "F-18"], "a stranger's key", &Door::QUERIES, INVALID, |_, mut draft| {
        draft.key = &RSA_ATTACKER;
        draft.sent()
    }));
    all.push(Case::new(
        &["SLO-02", "F-33", "VAL-09", "SSO-17"],
        "the key of another identity provider",
        &Door::ALL,
        INVALID,
        |_, mut draft| {
            let info = Shape::of(&RSA_B).key_info;
            signed_by(&mut draft, &RSA_B, &info);
            draft.sent()
        },
    ));
    all.push(Case::new(
        &["VAL-09", "VAL-13", "SSO-17"],
        "a stranger signs the assertion alone",
        &[Door::Acs],
        INVALID,
        |_, mut draft| {
            draft.parts = Signed::Assertion;
            signed_by(&mut draft, &RSA_ATTACKER, &Shape::of(&RSA_ATTACKER).key_info);
            draft.sent()
        },
    ));
    all.push(Case::new(
        &["VAL-09", "F-12", "SSO-07"],
        "the Response is rightly signed around an assertion that a stranger signed",
        &[Door::Acs],
        INVALID,
        |_, mut draft| {
            draft.parts = Signed::Assertion;
            draft.key = &RSA_ATTACKER;
            draft.inner = Shape::of(&RSA_ATTACKER);
            draft.xml = draft.signed();
            draft.parts = Signed::Response;
            draft.key = &RSA_A;
            draft.sent()
        },
    ));
}

fn algorithms(all: &mut Vec<Case>) {
    let secrets: [(&'static str, fn() -> Vec<u8>); 5] = [
        ("the PEM", || RSA_A.private.public_key_to_pem().unwrap()),
        ("the DER", || RSA_A.private.public_key_to_der().unwrap()),
        ("the certificate", || RSA_A.certificate.to_der().unwrap()),
        ("the modulus", || RSA_A.private.rsa().unwrap().n().to_vec()),
        ("the certificate in base64", || RSA_A.certificate_base64().into_bytes()),
    ];
    let mut both =
        |name: String, rules: &'static [&'static str], method: &'static str, secret: Option<Vec<u8>>| {
            let keyed = secret.clone();
            let shape = move |shape: &mut Shape| {
                method.clone_into(&mut shape.signature_method);
                shape.hmac_key.clone_from(&keyed);
            };
            let inner = shape.clone();
            all.push(Case::new(rules, name.clone(), &Door::SIGNED_XML, ALGORITHM, move |_, mut draft| {
                shape(&mut draft.shape);
                draft.sent()
            }));
            all.push(Case::new(
                rules,
                format!("{name}, in the assertion"),
                &[Door::Acs],
                ALGORITHM,
                move |_, mut draft| {
                    draft.parts = Signed::Assertion;
                    inner(&mut draft.inner);
                    draft.sent()
                },
            ));
            all.push(Case::new(rules, name, &Door::QUERIES, ALGORITHM, move |_, mut draft| {
                method.clone_into(&mut draft.query.algorithm);
                draft.query.hmac_key.clone_from(&secret);
                draft.sent()
            }));
        };
    for (name, secret) in secrets {
        for method in [HMAC_SHA1, HMAC_SHA256] {
            let what = format!("{} keyed with {name}", method.rsplit('#').next().unwrap());
            both(what, &["VAL-14", "F-19"], method, Some(secret()));
        }
    }
    for method in [
        RSA_SHA1,
        RSA_MD5,
        ECDSA_SHA1,
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2009/xmldsig11#dsa-sha256",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha224",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        "rsa-sha256",
        "urn:x#rsa-sha256",
        "none",
        "",
    ] {
        both(format!("signed with {method:?}"), &["VAL-14", "F-20"], method, None);
    }
    for (name, method) in [("SHA-1", SHA1), ("MD5", MD5), ("unknown", "urn:x"), ("empty", "")] {
        all.push(Case::new(
            &["VAL-14", "F-20"],
            format!("{name} digest"),
            &Door::SIGNED_XML,
            ALGORITHM,
            move |_, mut draft| {
                method.clone_into(&mut draft.shape.digest_method);
                draft.sent()
            },
        ));
        all.push(Case::new(
            &["VAL-14", "F-20"],
            format!("{name} digest, in the assertion"),
            &[Door::Acs],
            ALGORITHM,
            move |_, mut draft| {
                draft.parts = Signed::Assertion;
                method.clone_into(&mut draft.inner.digest_method);
                draft.sent()
            },
        ));
    }
    let truncated: [(&'static str, fn(String) -> String); 3] = [
        ("0", |text| {
            swap(
                &text,
                "</ds:SignatureMethod>",
                "<ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>",
            )
        }),
        ("1", |text| {
            swap(
                &text,
                "</ds:SignatureMethod>",
                "<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>",
            )
        }),
        ("8", |text| {
            swap(
                &text,
                "</ds:SignatureMethod>",
                "<ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>",
            )
        }),
    ];
    for (length, change) in truncated {
        for (method, refusal) in [(HMAC_SHA256, ALGORITHM), (RSA_SHA384, Refusal::SignatureShape(""))] {
            let name = format!("{} cut to {length} bits", method.rsplit('#').next().unwrap());
            all.push(Case::new(
                &["VAL-14", "F-20"],
                name,
                &Door::SIGNED_XML,
                refusal,
                move |_, mut draft| {
                    method.clone_into(&mut draft.shape.signature_method);
                    draft.shape.hmac_key = (method == HMAC_SHA256).then(|| vec![0]);
                    draft.shape.signed_info = change;
                    draft.sent()
                },
            ));
        }
    }
    // The name of an algorithm that is taken, with a key of the other kind.
    all.push(Case::new(
        &["VAL-14", "F-19", "F-25"],
        "ECDSA with an RSA key",
        &Door::SIGNED_XML,
        INVALID,
        |_, mut draft| {
            ECDSA_SHA256.clone_into(&mut draft.shape.signature_method);
            draft.sent()
        },
    ));
    all.push(Case::new(
        &["VAL-14", "F-19", "F-25"],
        "ECDSA with an RSA key",
        &Door::QUERIES,
        ALGORITHM,
        |_, mut draft| {
            ECDSA_SHA256.clone_into(&mut draft.query.algorithm);
            draft.sent()
        },
    ));
    // Signed with one digest, named another.
    all.push(Case::new(
        &["VAL-09", "VAL-14"],
        "the digest named is not the one used",
        &Door::QUERIES,
        INVALID,
        |_, draft| {
            let text = draft.text();
            draft.as_text(swap(&text, "rsa-sha256", "rsa-sha512"))
        },
    ));
}
