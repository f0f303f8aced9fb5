//! The structure of an XML signature: everything by which a verifier was ever made to cover
//! another element than the one that is read, or to fetch and run what it should not.

use signoff::saml::refusal::Refusal;

use super::{Case, Door, Stage, after_issuer, cut, extensions, swap};
use crate::support::dsig::{ENVELOPED, EXCLUSIVE, INCLUSIVE, Shape, transform};
use crate::support::messages::Signed;

const BAD: Refusal = Refusal::SignatureShape("");
const TRANSFORM: Refusal = Refusal::TransformNotAllowed;
/// SHA-256 of nothing.
const EMPTY_DIGEST: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";

/// The same fault in the signature of the message, and in that of an assertion alone.
fn shaped(
    rules: &'static [&'static str],
    name: &'static str,
    refusal: Refusal,
    change: impl Fn(&Stage<'_>, &mut Shape) + Clone + 'static,
) -> [Case; 2] {
    let inner = change.clone();
    [
        Case::new(rules, name, &Door::SIGNED_XML, refusal, move |stage, mut draft| {
            change(stage, &mut draft.shape);
            draft.sent()
        }),
        Case::new(
            rules,
            format!("{name}, in the assertion"),
            &[Door::Acs],
            refusal,
            move |stage, mut draft| {
                draft.parts = Signed::Assertion;
                inner(stage, &mut draft.inner);
                draft.sent()
            },
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    references(&mut all);
    transforms(&mut all);
    parts(&mut all);
    places(&mut all);
    all
}

fn references(all: &mut Vec<Case>) {
    let one: [(&'static str, fn(&Stage<'_>) -> String); 12] = [
        ("empty URI", |_| String::new()),
        ("URI of another element", |_| "#_other".to_owned()),
        ("URI without #", |_| "_other".to_owned()),
        ("xpointer of the root", |_| "#xpointer(/)".to_owned()),
        ("xpointer by ID", |_| "#xpointer(id('_other'))".to_owned()),
        ("element of a position", |_| "#element(/1/3)".to_owned()),
        ("a file", |_| "file:///etc/passwd".to_owned()),
        ("a file that never ends", |_| "file:///dev/zero".to_owned()),
        ("a file beside us", |_| "Cargo.toml".to_owned()),
        ("a URL", |stage| stage.site.trap.url.clone()),
        ("XPath injected", |_| "#x' or '1'='1".to_owned()),
        ("a blank in front", |_| " #_other".to_owned()),
    ];
    for (name, uri) in one {
        all.extend(shaped(&["VAL-10", "F-15", "F-14", "F-45"], name, BAD, move |stage, shape| {
            shape.uris = vec![Some(uri(stage))];
        }));
    }
    let other = || Some("#_other".to_owned());
    for (name, uris) in [
        ("no reference", vec![]),
        ("two references", vec![None, None]),
        ("three references", vec![None, None, None]),
        ("two references, the last right", vec![other(), None]),
        ("two references, the first right", vec![None, other()]),
    ] {
        all.extend(shaped(&["VAL-10", "F-08"], name, BAD, move |_, shape| shape.uris.clone_from(&uris)));
    }
    all.extend(shaped(&["VAL-10", "F-08"], "reference without URI", BAD, |_, shape| {
        shape.signed_info = |text| {
            let uri =
                cut(&text, " URI=\"", "\"><ds:Transforms").trim_end_matches("><ds:Transforms").to_owned();
            swap(&text, &uri, "")
        };
    }));
}

fn transforms(all: &mut Vec<Case>) {
    let xpath = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>not(self::node())</ds:XPath></ds:Transform>";
    let filter = "<ds:Transform Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"><f:XPath xmlns:f=\"http://www.w3.org/2002/06/xmldsig-filter2\" Filter=\"subtract\">//*</f:XPath></ds:Transform>";
    let xslt = "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"><xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"><xsl:template match=\"/\"><xsl:value-of select=\"document('file:///etc/passwd')\"></xsl:value-of></xsl:template></xsl:stylesheet></ds:Transform>";
    let crowded = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><x:y xmlns:x=\"urn:x\"></x:y></ds:Transform>";
    let (enveloped, exclusive) = (transform(ENVELOPED), transform(EXCLUSIVE));
    for (name, list) in [
        ("XPath", format!("{enveloped}{xpath}")),
        ("XPath first", format!("{xpath}{exclusive}")),
        ("XPath filter", format!("{enveloped}{filter}")),
        ("XSLT", format!("{enveloped}{xslt}")),
        ("base64", format!("{enveloped}{}", transform("http://www.w3.org/2000/09/xmldsig#base64"))),
        ("inclusive", format!("{enveloped}{}", transform(INCLUSIVE))),
        ("with comments", format!("{enveloped}{}", transform(WITH_COMMENTS))),
        ("unknown", format!("{enveloped}{}", transform("urn:x"))),
        ("reversed", format!("{exclusive}{enveloped}")),
        ("exclusive only", exclusive.clone()),
        ("enveloped only", enveloped.clone()),
        ("enveloped twice", format!("{enveloped}{enveloped}")),
        ("three", format!("{enveloped}{exclusive}{exclusive}")),
        ("a parameter nobody knows", format!("{enveloped}{crowded}")),
    ] {
        all.extend(shaped(&["VAL-11", "F-15"], name, TRANSFORM, move |_, shape| {
            shape.transforms.clone_from(&list);
        }));
    }
    all.extend(shaped(&["VAL-11", "F-15"], "no transforms at all", BAD, |_, shape| shape.transforms.clear()));
    for (name, method) in [
        ("inclusive canonicalisation", INCLUSIVE),
        ("canonicalisation with comments", WITH_COMMENTS),
        ("canonicalisation 1.1", "http://www.w3.org/2006/12/xml-c14n11"),
        ("unknown canonicalisation", "urn:x"),
        ("empty canonicalisation", ""),
    ] {
        all.extend(shaped(&["VAL-11", "F-16"], name, TRANSFORM, move |_, shape| {
            method.clone_into(&mut shape.canonicalization);
        }));
    }
}

fn parts(all: &mut Vec<Case>) {
    let signature: [(&'static [&'static str], &'static str, fn(String) -> String); 11] = [
        (&["VAL-10", "F-05"], "a forged SignedInfo before the right one", |text| {
            let info = cut(&text, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned();
            let forged = forged_digest(&info);
            text.replacen(&info, &format!("{forged}{info}"), 1)
        }),
        (&["VAL-10", "F-05"], "a forged SignedInfo after the right one", |text| {
            let info = cut(&text, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned();
            let forged = forged_digest(&info);
            text.replacen(&info, &format!("{info}{forged}"), 1)
        }),
        (&["VAL-10", "F-07"], "an Object with a second DigestValue", |text| {
            swap(
                &text,
                "</ds:Signature>",
                "<ds:Object><ds:DigestValue>AAAA</ds:DigestValue></ds:Object></ds:Signature>",
            )
        }),
        (&["VAL-10", "F-15"], "an Object", |text| {
            swap(&text, "</ds:Signature>", "<ds:Object>x</ds:Object></ds:Signature>")
        }),
        (&["VAL-10", "F-24"], "an empty SignatureValue", |text| {
            let value = cut(&text, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
            swap(&text, &value, "<ds:SignatureValue></ds:SignatureValue>")
        }),
        (&["VAL-10", "F-24", "F-29"], "no SignatureValue", |text| {
            let value = cut(&text, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
            swap(&text, &value, "")
        }),
        (&["VAL-10"], "two SignatureValues", |text| {
            let value = cut(&text, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
            text.replacen(&value, &value.repeat(2), 1)
        }),
        (&["VAL-10", "F-24", "F-29"], "no SignedInfo", |text| {
            let info = cut(&text, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned();
            swap(&text, &info, "")
        }),
        (&["VAL-10"], "two KeyInfos", |text| {
            let info = cut(&text, "<ds:KeyInfo>", "</ds:KeyInfo>").to_owned();
            text.replacen(&info, &info.repeat(2), 1)
        }),
        (&["VAL-10", "F-24"], "an empty signature", |text| {
            let inside = cut(&text, "<ds:SignedInfo>", "</ds:KeyInfo>").to_owned();
            swap(&text, &inside, "")
        }),
        (&["VAL-10"], "text between its parts", |text| {
            swap(&text, "<ds:SignatureValue>", "x<ds:SignatureValue>")
        }),
    ];
    for (rules, name, change) in signature {
        all.extend(shaped(rules, name, BAD, move |_, shape| shape.signature = change));
    }
    let info: [(&'static [&'static str], &'static str, fn(String) -> String); 6] = [
        (&["VAL-10", "F-04"], "an empty DigestValue", |text| {
            let value = cut(&text, "<ds:DigestValue>", "</ds:DigestValue>").to_owned();
            swap(&text, &value, "<ds:DigestValue></ds:DigestValue>")
        }),
        (&["VAL-10", "F-29"], "no DigestValue", |text| {
            let value = cut(&text, "<ds:DigestValue>", "</ds:DigestValue>").to_owned();
            swap(&text, &value, "")
        }),
        (&["VAL-10", "F-07"], "two DigestValues", |text| {
            swap(&text, "<ds:DigestValue>", "<ds:DigestValue>AAAA</ds:DigestValue><ds:DigestValue>")
        }),
        (&["VAL-10", "F-29"], "no DigestMethod", |text| {
            let method = cut(&text, "<ds:DigestMethod", "</ds:DigestMethod>").to_owned();
            swap(&text, &method, "")
        }),
        (&["VAL-10", "F-29"], "no SignatureMethod", |text| {
            let method = cut(&text, "<ds:SignatureMethod", "</ds:SignatureMethod>").to_owned();
            swap(&text, &method, "")
        }),
        (&["VAL-10"], "an element in DigestValue", |text| {
            swap(&text, "<ds:DigestValue>", "<ds:DigestValue><ds:x></ds:x>")
        }),
    ];
    for (rules, name, change) in info {
        all.extend(shaped(rules, name, BAD, move |_, shape| shape.signed_info = change));
    }
    all.extend(shaped(
        &["VAL-09", "F-04", "VAL-21"],
        "the digest of nothing",
        Refusal::SignatureInvalid,
        |_, shape| {
            shape.digest_value = Some(EMPTY_DIGEST.to_owned());
        },
    ));
    // F-04: a namespace name that canonicalisation is known to stumble over.
    all.push(Case::new(
        &["VAL-09", "F-04"],
        "the digest of nothing over a relative namespace",
        &Door::SIGNED_XML,
        Refusal::SignatureInvalid,
        |_, mut draft| {
            draft.xml = after_issuer(&draft.xml, &extensions("<x:a xmlns:x=\"1\"></x:a>"));
            draft.parts = if draft.door == Door::Acs { Signed::Response } else { Signed::Both };
            draft.shape.digest_value = Some(EMPTY_DIGEST.to_owned());
            draft.sent()
        },
    ));
    // F-07: a second DigestValue where an unguarded lookup would find it first.
    let planted = "<ds:DigestValue xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">AAAA</ds:DigestValue>";
    all.push(Case::tampered(
        &["VAL-09", "F-07"],
        "a DigestValue planted in Extensions",
        &Door::ROOT_SIGNED,
        Refusal::SignatureInvalid,
        move |_, xml| swap(xml, "</ds:Signature>", &format!("</ds:Signature>{}", extensions(planted))),
    ));
    all.push(Case::tampered(
        &["VAL-09", "F-07"],
        "a DigestValue planted in StatusDetail",
        &[Door::Acs, Door::AnswerByPost],
        Refusal::SignatureInvalid,
        move |_, xml| {
            swap(
                xml,
                "</samlp:Status>",
                &format!("<samlp:StatusDetail>{planted}</samlp:StatusDetail></samlp:Status>"),
            )
        },
    ));
}

fn forged_digest(info: &str) -> String {
    let value = cut(info, "<ds:DigestValue>", "</ds:DigestValue>").to_owned();
    swap(info, &value, "<ds:DigestValue>AAAA</ds:DigestValue>")
}

/// The right signature at the wrong place.
fn places(all: &mut Vec<Case>) {
    let signature = |xml: &str| {
        let start = xml.find("<ds:Signature ").unwrap();
        let end = xml.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        (xml[start..end].to_owned(), format!("{}{}", &xml[..start], &xml[end..]))
    };
    all.push(Case::tampered(
        &["VAL-10", "F-09", "VAL-12"],
        "the signature inside Extensions",
        &Door::ROOT_SIGNED,
        BAD,
        move |_, xml| {
            let (own, rest) = signature(xml);
            after_issuer(&rest, &extensions(&own))
        },
    ));
    all.push(Case::tampered(
        &["VAL-04", "F-09", "F-10"],
        "the signature before the Issuer",
        &Door::SIGNED_XML,
        Refusal::Schema(""),
        move |_, xml| {
            let (own, rest) = signature(xml);
            swap(&rest, "<saml:Issuer", &format!("{own}<saml:Issuer"))
        },
    ));
    all.push(Case::tampered(
        &["VAL-04", "F-09", "F-10"],
        "the signature as last child",
        &Door::ROOT_SIGNED,
        Refusal::Schema(""),
        move |_, xml| {
            let (own, rest) = signature(xml);
            let end = rest.rfind("</").unwrap();
            format!("{}{own}{}", &rest[..end], &rest[end..])
        },
    ));
    all.push(Case::tampered(
        &["VAL-04", "VAL-10"],
        "two signatures on the message",
        &Door::SIGNED_XML,
        Refusal::Schema(""),
        move |_, xml| {
            let (own, _) = signature(xml);
            swap(xml, &own, &own.repeat(2))
        },
    ));
    all.push(Case::new(
        &["VAL-10", "F-09"],
        "the assertion's signature on the Response",
        &[Door::Acs],
        BAD,
        move |_, mut draft| {
            draft.parts = Signed::Assertion;
            let (own, rest) = signature(&draft.signed());
            draft.carry(&after_issuer(&rest, &own))
        },
    ));
    all.push(Case::new(
        &["VAL-10", "F-09"],
        "the Response's signature on the assertion",
        &[Door::Acs],
        BAD,
        move |_, mut draft| {
            draft.parts = Signed::Response;
            let (own, rest) = signature(&draft.signed());
            let assertion = rest.find("<saml:Assertion").unwrap();
            draft.carry(&format!("{}{}", &rest[..assertion], after_issuer(&rest[assertion..], &own)))
        },
    ));
}
