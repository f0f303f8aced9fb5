//! The profile of XML signatures in SAML (Core 5.4; VAL-10 to VAL-14).

use super::super::shape::shape;
use super::*;
use crate::saml::test_messages::keys_with;
use openssl::hash::MessageDigest;

const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const SAMLP_IN_SCOPE: &str = " xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"";

type Edit = fn(String) -> String;

fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("<ds:{name}")).unwrap();
    let end = format!("</ds:{name}>");
    let length = text.get(start..).unwrap().find(&end).unwrap() + end.len();
    text.get(start..start + length).unwrap()
}

/// What stands behind the first occurrence of a text.
fn behind(text: &str, mark: &str, inserted: &str) -> String {
    assert!(text.contains(mark), "{mark}");
    text.replacen(mark, &format!("{mark}{inserted}"), 1)
}

fn second_transform(info: &str, inserted: &str) -> String {
    let (before, after) = info.rsplit_once("</ds:Transform>").unwrap();
    [before, inserted, "</ds:Transform>", after].concat()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn val_10_to_14_what_is_signed_that_way_is_refused_all_the_same() {
    let structure = Refusal::SignatureShape("structure");
    let of_reference = Refusal::SignatureShape("structure of Reference");
    let elsewhere = Refusal::SignatureShape("Reference is not to the parent");
    let transform = Refusal::TransformNotAllowed;
    let algorithm = Refusal::AlgorithmNotAllowed;
    let cases: [(&str, Edit, Refusal); 38] = [
        // (3) one canonicalisation, one signature method.
        ("no canonicalisation", |i| i.replacen(element(&i, "CanonicalizationMethod"), "", 1), structure),
        ("c14n with comments", |i| i.replacen(C14N, &format!("{C14N}WithComments"), 1), transform),
        ("inclusive c14n", |i| i.replacen(C14N, INCLUSIVE, 1), transform),
        ("c14n 1.1", |i| i.replacen(C14N, "http://www.w3.org/2006/12/xml-c14n11", 1), transform),
        ("c14n unnamed", |i| i.replacen(&format!(" Algorithm=\"{C14N}\""), "", 1), transform),
        (
            "an element in the canonicalisation",
            |i| behind(&i, &format!("{C14N}\">"), "<ds:x></ds:x>"),
            transform,
        ),
        ("text in the canonicalisation", |i| behind(&i, &format!("{C14N}\">"), "x"), transform),
        ("no signature method", |i| i.replacen(element(&i, "SignatureMethod"), "", 1), structure),
        (
            "signature method unnamed",
            |i| i.replace(" Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"", ""),
            algorithm,
        ),
        (
            "an element in the signature method",
            |i| behind(&i, "#rsa-sha256\">", "<ds:HMACOutputLength>8</ds:HMACOutputLength>"),
            structure,
        ),
        ("text in the signature method", |i| behind(&i, "#rsa-sha256\">", "x"), structure),
        ("RSA with MD5", |i| i.replace("#rsa-sha256", "#rsa-md5"), algorithm),
        ("HMAC", |i| i.replace("#rsa-sha256", "#hmac-sha256"), algorithm),
        // (4) one Reference, to the parent.
        ("no Reference", |i| i.replace(element(&i, "Reference"), ""), structure),
        (
            "two References",
            |i| i.replace(element(&i, "Reference"), &element(&i, "Reference").repeat(2)),
            Refusal::SignatureShape("more than one Reference"),
        ),
        ("the whole document", |i| i.replace("URI=\"#_l\"", "URI=\"\""), elsewhere),
        ("no URI", |i| i.replace(" URI=\"#_l\"", ""), elsewhere),
        ("a URI without #", |i| i.replace("#_l", "_l"), elsewhere),
        ("another ID", |i| i.replace("#_l", "#_m"), elsewhere),
        ("a longer ID", |i| i.replace("#_l", "#_l2"), elsewhere),
        ("a pointer", |i| i.replace("#_l", "#xpointer(id('_l'))"), elsewhere),
        ("the root by a pointer", |i| i.replace("#_l", "#xpointer(/)"), elsewhere),
        // (5) the transforms.
        ("no Transforms", |i| i.replace(element(&i, "Transforms"), ""), of_reference),
        (
            "an empty list of transforms",
            |i| i.replace(element(&i, "Transforms"), "<ds:Transforms></ds:Transforms>"),
            transform,
        ),
        (
            "no enveloped transform",
            |i| {
                let first = format!("<ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>");
                i.replacen(&first, "", 1)
            },
            transform,
        ),
        (
            "enveloped comes second",
            |i| {
                i.replacen(ENVELOPED, "#", 1)
                    .replacen(
                        &format!("Transform Algorithm=\"{C14N}"),
                        &format!("Transform Algorithm=\"{ENVELOPED}"),
                        1,
                    )
                    .replacen("Transform Algorithm=\"#", &format!("Transform Algorithm=\"{C14N}"), 1)
            },
            transform,
        ),
        (
            "a third transform",
            |i| second_transform(&i, &format!("</ds:Transform><ds:Transform Algorithm=\"{C14N}\">")),
            transform,
        ),
        (
            "a parameter of the first",
            |i| behind(&i, &format!("{ENVELOPED}\">"), "<ds:XPath>1</ds:XPath>"),
            transform,
        ),
        ("a parameter of the second", |i| second_transform(&i, "<ds:XPath>1</ds:XPath>"), transform),
        ("XPath", |i| i.replace(ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"), transform),
        (
            "inclusive c14n as a transform",
            |i| {
                i.replacen(
                    &format!("Transform Algorithm=\"{C14N}"),
                    &format!("Transform Algorithm=\"{INCLUSIVE}"),
                    1,
                )
            },
            transform,
        ),
        (
            "enveloped alone, which means inclusive c14n",
            |i| i.replacen(&format!("<ds:Transform Algorithm=\"{C14N}\"></ds:Transform>"), "", 1),
            transform,
        ),
        // (6) the digest.
        ("no digest method", |i| i.replace(element(&i, "DigestMethod"), ""), of_reference),
        ("no digest", |i| i.replace(element(&i, "DigestValue"), ""), of_reference),
        (
            "two digests",
            |i| i.replace(element(&i, "DigestValue"), &element(&i, "DigestValue").repeat(2)),
            of_reference,
        ),
        (
            "an empty digest",
            |i| i.replace(element(&i, "DigestValue"), "<ds:DigestValue> </ds:DigestValue>"),
            Refusal::SignatureShape("empty DigestValue"),
        ),
        ("an element in the digest", |i| behind(&i, "<ds:DigestValue>", "<ds:x></ds:x>"), of_reference),
        ("MD5", |i| i.replace("2001/04/xmlenc#sha256", "2001/04/xmldsig-more#md5"), algorithm),
    ];
    for (what, info, refusal) in cases {
        let forged = request(&Forge { info: &info, ..Forge::new() });
        assert_ne!(forged, request(&Forge::new()), "{what} changes nothing");
        assert_eq!(verdict(&posted(&forged), &keys()), Err(refusal), "{what}");
    }
    assert_eq!(verdict(&posted(&request(&Forge::new())), &keys()), Ok(()));
}

#[test]
fn val_10_the_signature_has_no_part_that_is_not_in_its_place() {
    let structure = Refusal::SignatureShape("structure");
    let cases: [(&str, Edit, Refusal); 9] = [
        ("an Object", |s| s.replace("</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>"), structure),
        (
            "two SignedInfo",
            |s| s.replace(element(&s, "SignedInfo"), &element(&s, "SignedInfo").repeat(2)),
            structure,
        ),
        ("no SignedInfo", |s| s.replace(element(&s, "SignedInfo"), ""), structure),
        ("no SignatureValue", |s| s.replace(element(&s, "SignatureValue"), ""), structure),
        (
            "two SignatureValues",
            |s| s.replace(element(&s, "SignatureValue"), &element(&s, "SignatureValue").repeat(2)),
            structure,
        ),
        (
            "two KeyInfo",
            |s| {
                s.replace(
                    "</ds:Signature>",
                    "<ds:KeyInfo></ds:KeyInfo><ds:KeyInfo></ds:KeyInfo></ds:Signature>",
                )
            },
            structure,
        ),
        (
            "KeyInfo first",
            |s| s.replacen("<ds:SignedInfo", "<ds:KeyInfo></ds:KeyInfo><ds:SignedInfo", 1),
            structure,
        ),
        (
            "an empty value",
            |s| s.replace(element(&s, "SignatureValue"), "<ds:SignatureValue>\n</ds:SignatureValue>"),
            Refusal::SignatureShape("empty SignatureValue"),
        ),
        ("an element in the value", |s| behind(&s, "<ds:SignatureValue>", "<ds:x></ds:x>"), structure),
    ];
    for (what, whole, refusal) in cases {
        let forged = request(&Forge { whole: &whole, ..Forge::new() });
        assert_eq!(verdict(&posted(&forged), &keys()), Err(refusal), "{what}");
    }
    let with_key_info: Edit = |s| s.replace("</ds:Signature>", "<ds:KeyInfo></ds:KeyInfo></ds:Signature>");
    let hinted = request(&Forge { whole: &with_key_info, ..Forge::new() });
    assert_eq!(verdict(&posted(&hinted), &keys()), Ok(()));
}

#[test]
fn val_11_a_list_of_prefixes_is_the_one_parameter_that_is_taken() {
    let prefixes =
        format!("<ec:InclusiveNamespaces xmlns:ec=\"{C14N}\" PrefixList=\"x\"></ec:InclusiveNamespaces>");
    let twice = prefixes.repeat(2);
    for (list, verdict_of_it) in [(&prefixes, Ok(())), (&twice, Err(Refusal::TransformNotAllowed))] {
        let second = |info: String| second_transform(&info, list);
        let first =
            |info: String| behind(&info, &format!("CanonicalizationMethod Algorithm=\"{C14N}\">"), list);
        for info in [&second as &dyn Fn(String) -> String, &first] {
            let forged = request(&Forge { info, ..Forge::new() });
            assert_eq!(verdict(&posted(&forged), &keys()), verdict_of_it, "{forged}");
        }
    }
}

#[test]
fn val_10_the_signature_stands_right_after_the_issuer_of_an_element_with_an_id() {
    let body = logout_request(&alice());
    let signature = Forge::new().over(&body, "_l");
    let issuer = element_of(&body, "<saml:Issuer", "</saml:Issuer>");
    let at = |from: &str, to: &str| body.replacen(from, &to.replace('$', &signature), 1);
    let place = Refusal::SignatureShape("not right after the Issuer");
    let cases = [
        ("last", at("</samlp:LogoutRequest>", "$</samlp:LogoutRequest>"), Err(place)),
        ("behind something else", at("</saml:Issuer>", "</saml:Issuer><x></x>$"), Err(place)),
        ("the second of two", at("</saml:Issuer>", "</saml:Issuer>$$"), Err(place)),
        (
            "text beside it",
            at("</saml:Issuer>", "</saml:Issuer>text$"),
            Err(Refusal::SignatureShape("structure")),
        ),
        ("no parent", signature.clone(), Err(Refusal::SignatureShape("no parent"))),
        (
            "parent without ID",
            at("</saml:Issuer>", "</saml:Issuer>$").replace(" ID=\"_l\"", ""),
            Err(Refusal::SignatureShape("parent without ID")),
        ),
        ("no Issuer at all", at(issuer, "$"), Ok(())),
        ("in its place", at("</saml:Issuer>", "</saml:Issuer>$"), Ok(())),
    ];
    for (what, xml, expected) in cases {
        let document = Document::parse(&xml).unwrap();
        let last = *document.all(DS, "Signature").last().unwrap();
        assert_eq!(shape(last, &keys()), expected, "{what}");
    }
}

fn element_of<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (from, to) = (text.find(start).unwrap(), text.find(end).unwrap() + end.len());
    text.get(from..to).unwrap()
}

#[test]
fn val_14_sha_1_is_taken_from_whom_it_is_allowed_to() {
    let weak: Edit = |info| {
        info.replace("2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1")
            .replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1")
    };
    let digest_only: Edit = |info| info.replace("2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1");
    let sha1 = MessageDigest::sha1();
    let both = request(&Forge { info: &weak, digest: sha1, signature: sha1, ..Forge::new() });
    let digest = request(&Forge { info: &digest_only, digest: sha1, ..Forge::new() });
    let allowed = SignaturePolicy { allow_sha1: true, ..SignaturePolicy::default() };
    let other = SignaturePolicy { allow_inclusive_c14n: true, ..SignaturePolicy::default() };
    for xml in [both, digest] {
        for policy in [SignaturePolicy::default(), other] {
            assert_eq!(verdict(&posted(&xml), &keys_with(policy)), Err(Refusal::AlgorithmNotAllowed));
        }
        assert_eq!(verdict(&posted(&xml), &keys_with(allowed)), Ok(()));
    }
    // The switch adds SHA-1 and nothing else.
    for worse in ["#rsa-md5", "#hmac-sha1", "#dsa-sha1"] {
        let info = |info: String| {
            info.replace("2001/04/xmldsig-more#rsa-sha256", &format!("2000/09/xmldsig{worse}"))
        };
        let xml = request(&Forge { info: &info, ..Forge::new() });
        assert_eq!(verdict(&posted(&xml), &keys_with(allowed)), Err(Refusal::AlgorithmNotAllowed), "{worse}");
    }
    let md5 = |info: String| info.replace("2001/04/xmlenc#sha256", "2001/04/xmldsig-more#md5");
    let xml = request(&Forge { info: &md5, digest: MessageDigest::md5(), ..Forge::new() });
    assert_eq!(verdict(&posted(&xml), &keys_with(BOTH)), Err(Refusal::AlgorithmNotAllowed));
}

#[test]
fn val_11_inclusive_canonicalisation_is_taken_from_whom_it_is_allowed_to() {
    let method: Edit = |info| info.replacen(C14N, INCLUSIVE, 1);
    let transform: Edit = |info| {
        info.replacen(
            &format!("Transform Algorithm=\"{C14N}"),
            &format!("Transform Algorithm=\"{INCLUSIVE}"),
            1,
        )
    };
    let unsaid: Edit =
        |info| info.replacen(&format!("<ds:Transform Algorithm=\"{C14N}\"></ds:Transform>"), "", 1);
    let allowed = SignaturePolicy { allow_inclusive_c14n: true, ..SignaturePolicy::default() };
    let other = SignaturePolicy { allow_sha1: true, ..SignaturePolicy::default() };
    for (info, in_scope) in [(method, SAMLP_IN_SCOPE), (transform, ""), (unsaid, "")] {
        let xml = request(&Forge { info: &info, in_scope, ..Forge::new() });
        for policy in [SignaturePolicy::default(), other] {
            assert_eq!(verdict(&posted(&xml), &keys_with(policy)), Err(Refusal::TransformNotAllowed));
        }
        assert_eq!(verdict(&posted(&xml), &keys_with(allowed)), Ok(()), "{xml}");
    }
    // The switch adds the one canonicalisation, without comments, and nothing else.
    for worse in [&format!("{INCLUSIVE}#WithComments"), "http://www.w3.org/2006/12/xml-c14n11"] {
        let info = |info: String| info.replacen(C14N, worse, 1);
        let xml = request(&Forge { info: &info, ..Forge::new() });
        assert_eq!(verdict(&posted(&xml), &keys_with(BOTH)), Err(Refusal::TransformNotAllowed), "{worse}");
    }
}
