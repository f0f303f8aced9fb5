//! What was changed after it was signed, and signature values that a verifier may stumble over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use signoff::saml::refusal::Refusal;

use super::{Case, Door, swap};
use crate::support::messages::Signed;

const INVALID: Refusal = Refusal::SignatureInvalid;

/// Adds them to the other cases about keys.
pub fn add(all: &mut Vec<Case>) {
    values(all);
    tampered(all);
}

/// Values that a verifier may stumble over: an error is no yes.
fn values(all: &mut Vec<Case>) {
    let rules = &["VAL-09", "VAL-21", "F-25", "F-29"];
    let values: [(&'static str, fn(&str) -> String); 7] = [
        ("one octet", |_| "AA==".to_owned()),
        ("cut by half", |value| {
            let octets = BASE64.decode(value).unwrap();
            BASE64.encode(&octets[..octets.len() / 2])
        }),
        ("one octet less", |value| {
            let octets = BASE64.decode(value).unwrap();
            BASE64.encode(&octets[1..])
        }),
        ("one octet more", |value| {
            let octets = BASE64.decode(value).unwrap();
            BASE64.encode([&[0][..], &octets].concat())
        }),
        ("all zero", |_| BASE64.encode([0; 256])),
        ("all ones", |_| BASE64.encode([0xff; 256])),
        ("ten times as long", |value| {
            let octets = BASE64.decode(value).unwrap();
            BASE64.encode(octets.repeat(10))
        }),
    ];
    for (name, change) in values {
        let what = format!("a signature value of {name}");
        all.push(Case::tampered(rules, what.clone(), &Door::SIGNED_XML, INVALID, move |_, xml| {
            let start = xml.find("<ds:SignatureValue>").unwrap() + 19;
            let end = xml[start..].find('<').unwrap() + start;
            format!("{}{}{}", &xml[..start], change(&xml[start..end]), &xml[end..])
        }));
        all.push(Case::new(rules, what, &Door::QUERIES, INVALID, move |_, draft| {
            let text = draft.text();
            let (rest, value) = text.split_once("&Signature=").unwrap();
            let value = change(&crate::support::dsig::unpercent(value));
            draft.as_text(format!(
                "{rest}&Signature={}",
                crate::support::dsig::percent(&value, draft.query.hex)
            ))
        }));
    }
    all.push(Case::tampered(
        &["VAL-09", "F-29"],
        "a signature value that is no base64",
        &Door::SIGNED_XML,
        INVALID,
        |_, xml| swap(xml, "<ds:SignatureValue>", "<ds:SignatureValue>*"),
    ));
    all.push(Case::tampered(
        &["VAL-09", "F-29"],
        "a digest value that is no base64",
        &Door::SIGNED_XML,
        INVALID,
        |_, xml| swap(xml, "<ds:DigestValue>", "<ds:DigestValue>*"),
    ));
}

/// One octet of each field changed on the way.
fn tampered(all: &mut Vec<Case>) {
    let rules = &["VAL-09", "F-02"];
    let each: [(&'static str, &'static str); 4] = [
        (" Version=\"2.0\"", " Consent=\"urn:x\" Version=\"2.0\""),
        (
            "</ds:Signature>",
            "</ds:Signature><samlp:Extensions><x:y xmlns:x=\"urn:x\"></x:y></samlp:Extensions>",
        ),
        ("</ds:Signature>", "</ds:Signature>\n"),
        (
            "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\">",
            "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512\">",
        ),
    ];
    for (from, to) in each {
        all.push(Case::tampered(
            rules,
            format!("{from} became {to}"),
            &Door::SIGNED_XML,
            INVALID,
            move |_, xml| swap(xml, from, to),
        ));
    }
    for (from, to) in [
        (">victim-", ">wictim-"),
        ("nameid-format:emailAddress", "nameid-format:unspecified"),
        ("</samlp:SessionIndex>", "0</samlp:SessionIndex>"),
        ("</samlp:LogoutRequest>", "<samlp:SessionIndex>x</samlp:SessionIndex></samlp:LogoutRequest>"),
    ] {
        all.push(Case::tampered(
            rules,
            format!("{from} became {to}"),
            &[Door::Post, Door::Soap],
            INVALID,
            move |_, xml| swap(xml, from, to),
        ));
    }
    all.push(Case::tampered(
        &["VAL-09", "SLO-51"],
        "failure became success",
        &[Door::AnswerByPost],
        INVALID,
        |_, xml| swap(xml, "status:Success", "status:Success "),
    ));
    for (from, to) in [
        (">victim-", ">wictim-"),
        (" SessionIndex=\"", " SessionIndex=\"0"),
        ("<saml:Audience>", "<saml:Audience>x"),
        (" Recipient=\"", " Recipient=\"x"),
    ] {
        all.push(Case::new(
            &["VAL-09", "F-37"],
            format!("{from} became {to}, the assertion alone signed"),
            &[Door::Acs],
            INVALID,
            move |_, mut draft| {
                draft.parts = Signed::Assertion;
                draft.carry(&swap(&draft.signed(), from, to))
            },
        ));
    }
    all.push(Case::new(
        &["VAL-09", "BIND-03"],
        "the RelayState changed",
        &Door::QUERIES,
        INVALID,
        |_, mut draft| {
            draft.query.relay_state = Some("one".to_owned());
            let text = draft.text();
            draft.as_text(swap(&text, "RelayState=one", "RelayState=two"))
        },
    ));
    all.push(Case::new(
        &["VAL-09", "BIND-03"],
        "a RelayState added",
        &Door::QUERIES,
        INVALID,
        |_, mut draft| {
            draft.query.relay_state = None;
            let text = draft.text();
            draft.as_text(format!("{text}&RelayState=x"))
        },
    ));
    all.push(Case::new(
        &["VAL-09", "BIND-03", "BIND-07"],
        "an empty RelayState taken away",
        &Door::QUERIES,
        INVALID,
        |_, mut draft| {
            draft.query.relay_state = Some(String::new());
            let text = draft.text();
            draft.as_text(swap(&text, "&RelayState=&", "&"))
        },
    ));
    all.push(Case::new(
        &["VAL-09", "BIND-04", "F-22"],
        "the same values in another encoding",
        &Door::QUERIES,
        INVALID,
        |_, draft| {
            let text = draft.text();
            let (rest, signature) = text.split_once("&Signature=").unwrap();
            draft.as_text(format!("{}&Signature={signature}", swap(rest, "%3A", ":")))
        },
    ));
    all.push(Case::new(
        &["VAL-09", "BIND-04", "F-22"],
        "the same values with hex in lower case",
        &Door::QUERIES,
        INVALID,
        |_, draft| {
            let text = draft.text();
            let (rest, signature) = text.split_once("&Signature=").unwrap();
            draft.as_text(format!("{}&Signature={signature}", swap(rest, "%3A", "%3a")))
        },
    ));
}
