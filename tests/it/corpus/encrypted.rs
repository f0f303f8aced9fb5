//! What is encrypted proves nothing, is decrypted last, and fails in one way (F-29, F-38).

use signoff::saml::refusal::Refusal;

use super::{Case, Door, Draft, Sent, Stage, cut, swap};
use crate::encryption::{PRESENT, PREVIOUS};
use crate::support::dsig::{Key, RSA_A, RSA_ATTACKER, RSA_B, Shape, enveloped};
use crate::support::messages::Signed;
use crate::support::xmlenc::{
    AES_128_CBC, AES_256_CBC, AES_256_GCM, CIPHERS, OAEP_11, Placed, RSA_1_5, Sealing, TRIPLE_DES,
};

const IDENTIFIER: Refusal = Refusal::IdentifierEncrypted;
const ASSERTION: Refusal = Refusal::AssertionEncrypted;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    identifiers(&mut all);
    plaintexts(&mut all);
    unsigned(&mut all);
    assertions(&mut all);
    all
}

/// How something is encrypted so that it is not decrypted here.
fn unfit() -> Vec<(&'static [&'static str], String, Sealing<'static>, bool)> {
    let to = Sealing::of(&PRESENT);
    let mut all = vec![
        (
            &["SLO-28", "SSO-21"][..],
            "encrypted to somebody else".to_owned(),
            Sealing { to: &RSA_B, ..to },
            false,
        ),
        (&["VAL-14", "SLO-28", "SSO-21"], "RSA 1.5".to_owned(), Sealing { transport: RSA_1_5, ..to }, true),
        (
            &["VAL-14", "SLO-28", "SSO-21"],
            "RSA 1.5 beside".to_owned(),
            Sealing { transport: RSA_1_5, placed: Placed::Beside, ..to },
            true,
        ),
        (&["VAL-14", "SLO-28", "SSO-21"], "3DES".to_owned(), Sealing { cipher: TRIPLE_DES, ..to }, true),
        (
            &["F-29", "VAL-22"],
            "a wrapped key of zeros".to_owned(),
            Sealing { wrapped: Some(&[0; 256]), ..to },
            false,
        ),
        (
            &["F-29", "VAL-22"],
            "a wrapped key of ones".to_owned(),
            Sealing { wrapped: Some(&[0xff; 256]), ..to },
            false,
        ),
        (
            &["F-29", "VAL-22"],
            "a wrapped key of one octet".to_owned(),
            Sealing { wrapped: Some(&[1]), ..to },
            true,
        ),
        (&["F-29", "VAL-22"], "no wrapped key".to_owned(), Sealing { wrapped: Some(&[]), ..to }, true),
    ];
    const NOISE: [u8; 64] = [0x5a; 64];
    for cipher in [AES_256_GCM, AES_128_CBC, AES_256_CBC] {
        for length in [0, 1, 12, 15, 16, 17, 28, 29, 31, 32, 33, 48] {
            let cut = Sealing { cipher, content: Some(&NOISE[..length]), ..to };
            let name = format!("{} of {length} octets", cipher.rsplit('#').next().unwrap());
            all.push((&["F-29", "VAL-22"], name, cut, false));
        }
    }
    all
}

fn identifiers(all: &mut Vec<Case>) {
    for (rules, name, sealing, keyless) in unfit() {
        all.push(
            Case::said(
                rules,
                format!("EncryptedID: {name}"),
                &Door::REQUESTS,
                IDENTIFIER,
                move |stage, xml| {
                    let secret = sealing.element("EncryptedID", &stage.name.xml());
                    swap(xml, &stage.name.xml(), &secret)
                },
            )
            .without_private_key(keyless),
        );
    }
}

/// What comes out is read as strictly as what came in clear.
fn plaintexts(all: &mut Vec<Case>) {
    let name = |stage: &Stage<'_>| stage.name.xml();
    type Plain = fn(&Stage<'_>) -> String;
    let plain: [(&'static str, Refusal, Plain); 9] = [
        ("nothing", IDENTIFIER, |_| String::new()),
        ("text", IDENTIFIER, |stage| stage.name.value.clone()),
        ("two NameIDs", IDENTIFIER, |stage| stage.name.xml().repeat(2)),
        ("an empty NameID", IDENTIFIER, |_| {
            "<saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"></saml:NameID>".to_owned()
        }),
        ("a NameID of no namespace", IDENTIFIER, |stage| {
            format!("<NameID xmlns=\"\">{}</NameID>", stage.name.value)
        }),
        ("a NameID cut by a comment", IDENTIFIER, |stage| stage.name.xml().replace('@', "@<!---->")),
        ("a DTD", IDENTIFIER, |stage| format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{}", stage.name.xml())),
        ("an end tag that breaks out", IDENTIFIER, |stage| {
            format!("</enclosure>{}<enclosure>", stage.name.xml())
        }),
        ("a BaseID", Refusal::IdentifierUnknown, |_| {
            "<saml:BaseID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"></saml:BaseID>".to_owned()
        }),
    ];
    for (what, refusal, text) in plain {
        all.push(Case::said(
            &["SLO-29", "SLO-28", "F-29"],
            format!("EncryptedID around {what}"),
            &Door::REQUESTS,
            refusal,
            move |stage, xml| {
                swap(xml, &name(stage), &Sealing::of(&PRESENT).element("EncryptedID", &text(stage)))
            },
        ));
    }
    let shapes: [(&'static str, fn(String, &Stage<'_>) -> String); 6] = [
        ("three wrapped keys", |xml, _| {
            let key = cut(&xml, "<xenc:EncryptedKey>", "</xenc:EncryptedKey>").to_owned();
            swap(&xml, &key, &key.repeat(3))
        }),
        ("no wrapped key at all", |xml, _| {
            let info = cut(&xml, "<ds:KeyInfo", "</ds:KeyInfo>").to_owned();
            swap(&xml, &info, "")
        }),
        ("a ciphertext to be fetched", |xml, stage| {
            let at = xml.rfind("<xenc:CipherValue>").unwrap();
            let end = xml.rfind("</xenc:CipherValue>").unwrap() + 19;
            let url = &stage.site.trap.url;
            format!(
                "{}<xenc:CipherReference URI=\"{url}\"></xenc:CipherReference>{}",
                &xml[..at],
                &xml[end..]
            )
        }),
        ("a wrapped key to be fetched", |xml, stage| {
            let url = &stage.site.trap.url;
            swap(
                &xml,
                "<xenc:EncryptedKey>",
                &format!("<ds:RetrievalMethod URI=\"{url}\"></ds:RetrievalMethod><xenc:EncryptedKey>"),
            )
        }),
        ("content of another type", |xml, _| swap(&xml, "xmlenc#Element\"", "xmlenc#Content\"")),
        ("an encoding", |xml, _| swap(&xml, " Type=", " Encoding=\"urn:x\" Type=")),
    ];
    for (what, change) in shapes {
        all.push(
            Case::said(
                &["SLO-28", "F-15", "F-45", "F-29"],
                format!("EncryptedID with {what}"),
                &Door::REQUESTS,
                IDENTIFIER,
                move |stage, xml| {
                    let secret = Sealing::of(&PRESENT).element("EncryptedID", &stage.name.xml());
                    swap(xml, &stage.name.xml(), &change(secret, stage))
                },
            )
            .without_private_key(true),
        );
    }
}

/// SLO-29: before the signature is verified, no key of ours is touched.
fn unsigned(all: &mut Vec<Case>) {
    fn secret(stage: &Stage<'_>, draft: &mut Draft, cipher: &'static str) {
        let sealing = Sealing { cipher, ..Sealing::of(&PRESENT) };
        draft.xml = swap(&draft.xml, &stage.name.xml(), &sealing.element("EncryptedID", &stage.name.xml()));
    }
    let rules = &["SLO-29", "SLO-01", "F-38"];
    for cipher in [AES_256_GCM, AES_256_CBC] {
        all.push(
            Case::new(
                rules,
                format!("unsigned around {cipher}"),
                &Door::REQUESTS,
                Refusal::SignatureMissing,
                move |stage, mut draft| {
                    secret(stage, &mut draft, cipher);
                    match draft.carry(&draft.xml) {
                        Sent::Query(query) => Sent::Query(query.split('&').next().unwrap().to_owned()),
                        body @ Sent::Body(_) => body,
                    }
                },
            )
            .without_private_key(true),
        );
        all.push(
            Case::new(
                rules,
                format!("signed by a stranger around {cipher}"),
                &Door::REQUESTS,
                Refusal::SignatureInvalid,
                move |stage, mut draft| {
                    secret(stage, &mut draft, cipher);
                    draft.key = &RSA_ATTACKER;
                    draft.sent()
                },
            )
            .without_private_key(true),
        );
    }
}

/// Encrypts the assertion of a draft, signed by `inner` or not at all, in a Response signed by
/// `outer` or not at all.
fn sealed(
    draft: &Draft,
    inner: Option<&'static Key>,
    outer: Option<&'static Key>,
    sealing: &Sealing<'_>,
) -> String {
    let plain = cut(&draft.xml, "<saml:Assertion", "</saml:Assertion>").to_owned();
    let signed = inner.map_or_else(
        || plain.clone(),
        |key| enveloped(&plain, &super::stage::id_of(&plain), key, &Shape::of(key)),
    );
    let whole = swap(&draft.xml, &plain, &sealing.element("EncryptedAssertion", &signed));
    outer.map_or_else(
        || whole.clone(),
        |key| enveloped(&whole, &super::stage::id_of(&whole), key, &Shape::of(key)),
    )
}

fn assertions(all: &mut Vec<Case>) {
    let acs = &[Door::Acs];
    for (rules, name, sealing, keyless) in unfit() {
        all.push(
            Case::new(rules, format!("EncryptedAssertion: {name}"), acs, ASSERTION, move |_, draft| {
                draft.carry(&sealed(&draft, Some(&RSA_A), Some(&RSA_A), &sealing))
            })
            .without_private_key(keyless),
        );
        all.push(
            Case::new(
                rules,
                format!("EncryptedID in an assertion: {name}"),
                acs,
                ASSERTION,
                move |stage, mut draft| {
                    let secret = sealing.element("EncryptedID", &stage.name.xml());
                    draft.xml = swap(
                        &draft.xml,
                        &format!(
                            "<saml:NameID Format=\"{}\">{}</saml:NameID>",
                            crate::support::messages::EMAIL,
                            stage.name.value
                        ),
                        &secret,
                    );
                    draft.sent()
                },
            )
            .without_private_key(keyless),
        );
    }
    let to = Sealing::of(&PRESENT);
    type Keys = (Option<&'static Key>, Option<&'static Key>);
    let signers: [(&'static [&'static str], &'static str, Refusal, fn() -> Keys); 6] = [
        (&["F-38", "SSO-21", "SSO-07"], "nothing signed", Refusal::AssertionUnsigned, || (None, None)),
        (
            &["F-38", "SSO-21", "VAL-09"],
            "the assertion signed by a stranger",
            Refusal::SignatureInvalid,
            || (Some(&RSA_ATTACKER), None),
        ),
        (
            &["F-38", "SSO-21", "VAL-09", "F-12"],
            "the assertion signed by a stranger, the Response rightly",
            Refusal::SignatureInvalid,
            || (Some(&RSA_ATTACKER), Some(&RSA_A)),
        ),
        (
            &["F-38", "SSO-21", "VAL-09"],
            "the Response signed by a stranger",
            Refusal::SignatureInvalid,
            || (None, Some(&RSA_ATTACKER)),
        ),
        (
            &["F-38", "SSO-21", "VAL-09"],
            "the Response signed by a stranger, the assertion rightly",
            Refusal::SignatureInvalid,
            || (Some(&RSA_A), Some(&RSA_ATTACKER)),
        ),
        (
            &["F-33", "SSO-21", "SSO-17"],
            "the assertion signed by another identity provider",
            Refusal::SignatureInvalid,
            || (Some(&RSA_B), None),
        ),
    ];
    for (rules, name, refusal, keys) in signers {
        all.push(Case::new(rules, format!("EncryptedAssertion: {name}"), acs, refusal, move |_, draft| {
            let (inner, outer) = keys();
            draft.carry(&sealed(&draft, inner, outer, &to))
        }));
    }
    // E93: CBC is an oracle unless a signature around it was verified.
    for cipher in CIPHERS.into_iter().filter(|cipher| cipher.ends_with("cbc")) {
        all.push(
            Case::new(
                &["SSO-21", "F-38"],
                format!("{cipher} in a Response that is not signed"),
                acs,
                ASSERTION,
                move |_, draft| {
                    let sealing = Sealing { cipher, to: &PREVIOUS, transport: OAEP_11, ..to };
                    draft.carry(&sealed(&draft, Some(&RSA_A), None, &sealing))
                },
            )
            .without_private_key(true),
        );
    }
    all.push(Case::new(
        &["F-38", "F-12", "F-01"],
        "an assertion in clear beside the encrypted one",
        acs,
        Refusal::ManyAssertions,
        move |_, draft| {
            let plain = cut(&draft.xml, "<saml:Assertion", "</saml:Assertion>").to_owned();
            let whole = sealed(&draft, Some(&RSA_A), None, &to);
            draft.carry(&swap(&whole, "</samlp:Status>", &format!("</samlp:Status>{plain}")))
        },
    ));
    all.push(Case::new(
        &["F-12", "F-38"],
        "two encrypted assertions",
        acs,
        Refusal::ManyAssertions,
        move |_, draft| {
            let whole = sealed(&draft, Some(&RSA_A), None, &to);
            let one = cut(&whole, "<saml:EncryptedAssertion", "</saml:EncryptedAssertion>").to_owned();
            draft.carry(&swap(&whole, &one, &one.repeat(2)))
        },
    ));
    let inside: [(&'static str, Refusal, fn(&str) -> String); 4] = [
        ("a NameID", ASSERTION, |_| {
            "<saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">x</saml:NameID>".to_owned()
        }),
        ("nothing", ASSERTION, |_| String::new()),
        ("two assertions", ASSERTION, |plain| plain.repeat(2)),
        ("an assertion in an assertion", Refusal::ManyAssertions, |plain| {
            swap(
                plain,
                "</saml:Conditions>",
                &format!(
                    "</saml:Conditions><saml:Advice>{}</saml:Advice>",
                    plain.replacen(" ID=\"", " ID=\"_x", 1)
                ),
            )
        }),
    ];
    for (name, refusal, text) in inside {
        all.push(Case::new(
            &["SSO-21", "F-12", "F-29"],
            format!("EncryptedAssertion around {name}"),
            acs,
            refusal,
            move |_, draft| {
                let plain = cut(&draft.xml, "<saml:Assertion", "</saml:Assertion>").to_owned();
                let secret = to.element("EncryptedAssertion", &text(&plain));
                let whole = swap(&draft.xml, &plain, &secret);
                draft.carry(&enveloped(&whole, &super::stage::id_of(&whole), &RSA_A, &Shape::of(&RSA_A)))
            },
        ));
    }
    // Sealed or not, an assertion of somebody else's is judged as one in clear.
    all.push(Case::new(
        &["SSO-21", "SSO-13", "F-37"],
        "EncryptedAssertion for another audience",
        acs,
        Refusal::Audience,
        move |stage, mut draft| {
            draft.xml = swap(
                &draft.xml,
                &format!("<saml:Audience>{}<", stage.site.idp.sp.entity_id),
                "<saml:Audience>https://other.example<",
            );
            draft.parts = Signed::Nothing;
            draft.carry(&sealed(&draft, Some(&RSA_A), None, &to))
        },
    ));
}
