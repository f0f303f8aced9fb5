//! XML that two readers read differently, or that costs more than it should.

use signoff::saml::refusal::Refusal;

use super::{Case, Door, Draft, Sent, Stage, after_issuer, extensions, swap};
use crate::support::messages::Signed;

const COMMENT: Refusal = Refusal::CommentOrInstruction;
const BROKEN: Refusal = Refusal::NotWellFormed;
const DTD: Refusal = Refusal::Dtd;

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    comments(&mut all);
    entities(&mut all);
    encodings(&mut all);
    broken(&mut all);
    names(&mut all);
    bounds(&mut all);
    all
}

/// In whatever text the message has.
fn comments(all: &mut Vec<Case>) {
    let rules = &["VAL-03", "F-13", "F-02"];
    let marks =
        [("a comment", "<!---->"), ("a comment with text", "<!-- x -->"), ("an instruction", "<?x y?>")];
    for (what, mark) in marks {
        for (place, before) in [
            ("Issuer", "</saml:Issuer>"),
            ("the signature", "</ds:SignedInfo>"),
            ("DigestValue", "</ds:DigestValue>"),
            ("SignatureValue", "</ds:SignatureValue>"),
        ] {
            let doors = if before.starts_with("</ds") { &Door::SIGNED_XML[..] } else { &Door::ALL[..] };
            let rules: &'static [&'static str] =
                if before.starts_with("</ds") { &["VAL-03", "F-06"] } else { rules };
            all.push(Case::tampered_or_said(
                rules,
                format!("{what} in {place}"),
                doors,
                COMMENT,
                move |xml| swap(xml, before, &format!("{mark}{before}")),
            ));
        }
        // The name that the identity provider signed is longer; what follows the mark would be lost.
        all.push(Case::new(
            rules,
            format!("{what} cuts a name in two"),
            &Door::REQUESTS,
            COMMENT,
            move |_, mut draft| {
                draft.xml = swap(&draft.xml, "</saml:NameID>", ".evil.example</saml:NameID>");
                marked(&draft, ".evil.example", mark)
            },
        ));
        all.push(Case::new(
            rules,
            format!("{what} cuts a SessionIndex in two"),
            &Door::REQUESTS,
            COMMENT,
            move |_, mut draft| {
                draft.xml = swap(&draft.xml, "</samlp:SessionIndex>", "-evil</samlp:SessionIndex>");
                marked(&draft, "-evil", mark)
            },
        ));
        all.push(Case::new(
            rules,
            format!("{what} cuts a name in two"),
            &[Door::Acs],
            COMMENT,
            move |_, mut draft| {
                draft.xml = swap(&draft.xml, "</saml:NameID>", ".evil.example</saml:NameID>");
                marked(&draft, ".evil.example", mark)
            },
        ));
        all.push(Case::new(
            rules,
            format!("{what} cuts the audience in two"),
            &[Door::Acs],
            COMMENT,
            move |_, mut draft| {
                draft.xml = swap(&draft.xml, "</saml:Audience>", ".evil.example</saml:Audience>");
                marked(&draft, ".evil.example", mark)
            },
        ));
        for (place, at_end) in [("before the message", false), ("after the message", true)] {
            all.push(Case::tampered_or_said(
                rules,
                format!("{what} {place}"),
                &Door::ALL,
                COMMENT,
                move |xml| {
                    if at_end { format!("{xml}{mark}") } else { format!("{mark}{xml}") }
                },
            ));
        }
    }
    all.push(Case::tampered_or_said(rules, "a stylesheet", &Door::ALL, COMMENT, |xml| {
        format!("<?xml-stylesheet href=\"x\"?>{xml}")
    }));
    all.push(Case::tampered_or_said(
        &["VAL-03"],
        "a second XML declaration",
        &Door::LOGOUTS,
        COMMENT,
        |xml| format!("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>{xml}"),
    ));
}

/// The mark goes in after the message was signed, where it is signed in XML.
fn marked(draft: &Draft, before: &str, mark: &str) -> Sent {
    let xml = if draft.door == Door::Redirect { draft.xml.clone() } else { draft.signed() };
    draft.carry(&swap(&xml, before, &format!("{mark}{before}")))
}

impl Case {
    /// Changed on the way where the signature is XML, and before it is signed over Redirect.
    pub fn tampered_or_said(
        rules: &'static [&'static str],
        name: impl Into<String>,
        doors: &[Door],
        refusal: Refusal,
        change: impl Fn(&str) -> String + 'static,
    ) -> Self {
        Self::new(rules, name, doors, refusal, move |_, draft| {
            let xml = if Door::QUERIES.contains(&draft.door) { draft.xml.clone() } else { draft.signed() };
            let after = change(&xml);
            assert_ne!(xml, after, "the case changes nothing");
            draft.carry(&after)
        })
    }
}

fn entities(all: &mut Vec<Case>) {
    let rules = &["VAL-02", "F-43", "F-03", "F-45"];
    let declared: [(&'static str, fn(&Stage<'_>) -> String); 7] = [
        ("a bare DOCTYPE", |_| "<!DOCTYPE a>".to_owned()),
        ("a DOCTYPE in lower case", |_| "<!doctype a>".to_owned()),
        ("an entity", |_| "<!DOCTYPE a [<!ENTITY e \"victim\">]>".to_owned()),
        ("a billion laughs", |_| {
            let mut text = "<!DOCTYPE a [<!ENTITY l0 \"lol\">".to_owned();
            for n in 1..10 {
                let before = n - 1;
                text.push_str(&format!("<!ENTITY l{n} \"{}\">", format!("&l{before};").repeat(10)));
            }
            text + "]>"
        }),
        ("an external entity", |stage| {
            format!("<!DOCTYPE a [<!ENTITY e SYSTEM \"{}\">]>", stage.site.trap.url)
        }),
        ("an external DTD", |stage| format!("<!DOCTYPE a SYSTEM \"{}\">", stage.site.trap.url)),
        ("a parameter entity", |stage| {
            format!("<!DOCTYPE a [<!ENTITY % e SYSTEM \"{}\"> %e;]>", stage.site.trap.url)
        }),
    ];
    for (name, text) in declared {
        // In front of the document; over SOAP that is in front of the envelope.
        all.push(Case::new(rules, name, &Door::ALL, DTD, move |stage, draft| {
            let xml = if Door::QUERIES.contains(&draft.door) { draft.xml.clone() } else { draft.signed() };
            let text = text(stage);
            match draft.door {
                Door::Soap => {
                    Sent::Body(format!("{text}{}", crate::support::messages::envelope(&xml)).into_bytes())
                }
                _ => draft.carry(&format!("{text}{xml}")),
            }
        }));
    }
    for name in ["e", "nbsp", "#0", "#xFFFE", "#x110000"] {
        all.push(Case::tampered_or_said(
            &["VAL-02", "F-03", "F-43"],
            format!("the reference &{name};"),
            &Door::ALL,
            BROKEN,
            move |xml| swap(xml, "</saml:Issuer>", &format!("&{name};</saml:Issuer>")),
        ));
    }
    all.push(Case::tampered_or_said(
        &["VAL-02", "F-43"],
        "a declaration in the middle",
        &Door::ALL,
        DTD,
        |xml| after_issuer(xml, "<!ENTITY e \"x\">"),
    ));
}

/// One encoding, so that no two readers can differ about it.
fn encodings(all: &mut Vec<Case>) {
    let rules = &["VAL-04", "F-03"];
    let octets = |draft: &Draft| {
        if Door::QUERIES.contains(&draft.door) { draft.xml.clone() } else { draft.signed() }
    };
    let utf16 = |text: &str, little: bool, mark: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        let pairs = mark.then_some(0xfeff).into_iter().chain(units);
        pairs.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    for (name, little, mark) in [
        ("UTF-16, little end first", true, true),
        ("UTF-16, big end first", false, true),
        ("UTF-16 without a mark", true, false),
        ("UTF-16 without a mark, big end first", false, false),
    ] {
        // Without a mark it is UTF-8 with many a NUL, in which no element of a longer message ends.
        let at_the_acs = if mark { BROKEN } else { Refusal::TooComplex };
        let carried =
            move |_: &Stage<'_>, draft: Draft| draft.carry_octets(&utf16(&octets(&draft), little, mark));
        all.push(Case::new(rules, name, &Door::ALL, BROKEN, carried).but_at(&[Door::Acs], at_the_acs));
    }
    for encoding in ["UTF-16", "ISO-8859-1", "UTF-7", "us-ascii", "EBCDIC-CP-US", "x"] {
        let doors = [Door::Acs, Door::Redirect, Door::Post, Door::AnswerByRedirect, Door::AnswerByPost];
        all.push(Case::tampered_or_said(
            rules,
            format!("declared as {encoding}"),
            &doors,
            BROKEN,
            move |xml| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{xml}"),
        ));
    }
    for (name, bad) in [
        ("an octet that is no UTF-8", &[0xff][..]),
        ("an overlong form", &[0xc0, 0xbc]),
        ("half a surrogate pair", &[0xed, 0xa0, 0x80]),
        ("a NUL", &[0x00]),
        ("a control character", &[0x01]),
        ("no character", &[0xef, 0xbf, 0xbe]),
    ] {
        all.push(Case::new(rules, name, &Door::ALL, BROKEN, move |_, draft| {
            let xml = octets(&draft);
            let at = xml.find("</saml:Issuer>").unwrap();
            draft.carry_octets(&[&xml.as_bytes()[..at], bad, &xml.as_bytes()[at..]].concat())
        }));
    }
}

fn broken(all: &mut Vec<Case>) {
    let rules = &["VAL-04", "F-11", "F-03"];
    let plain: [(&'static str, fn(&str) -> String); 17] = [
        ("cut in half", |xml| xml[..xml.len() / 2].to_owned()),
        ("the last octet missing", |xml| xml[..xml.len() - 1].to_owned()),
        ("text after it", |xml| format!("{xml}x")),
        ("text before it", |xml| format!("x{xml}")),
        ("another end tag", |xml| swap(xml, "</saml:Issuer>", "</saml:NameID>")),
        ("an attribute twice", |xml| swap(xml, " Version=\"2.0\"", " Version=\"2.0\" Version=\"2.0\"")),
        ("an attribute twice by namespace", |xml| {
            swap(
                xml,
                " Version=\"2.0\"",
                " xmlns:p=\"urn:p\" xmlns:q=\"urn:p\" p:a=\"1\" q:a=\"2\" Version=\"2.0\"",
            )
        }),
        ("a prefix that is not bound", |xml| {
            swap(xml, "<saml:Issuer", "<x:Issuer").replacen("</saml:Issuer", "</x:Issuer", 1)
        }),
        ("a prefix bound to nothing", |xml| swap(xml, " Version=\"2.0\"", " xmlns:p=\"\" Version=\"2.0\"")),
        // Namespaces in XML 1.0, 3: the two prefixes that nobody can bind, and the two names that nobody
        // can be bound to.
        ("the prefix xml bound to another name", |xml| {
            swap(xml, " Version=\"2.0\"", " xmlns:xml=\"http://www.w3.org/2000/09/xmldsig#\" Version=\"2.0\"")
        }),
        ("another prefix bound to the name of xml", |xml| {
            swap(xml, " Version=\"2.0\"", " xmlns:p=\"http://www.w3.org/XML/1998/namespace\" Version=\"2.0\"")
        }),
        ("no prefix bound to the name of xml", |xml| {
            let name = "<saml:Issuer xmlns=\"http://www.w3.org/XML/1998/namespace\"";
            swap(xml, "<saml:Issuer", name)
        }),
        ("the prefix xmlns bound", |xml| {
            swap(xml, " Version=\"2.0\"", " xmlns:xmlns=\"urn:x\" Version=\"2.0\"")
        }),
        ("a prefix bound to the name of xmlns", |xml| {
            swap(xml, " Version=\"2.0\"", " xmlns:p=\"http://www.w3.org/2000/xmlns/\" Version=\"2.0\"")
        }),
        ("a name with two colons", |xml| swap(xml, " Version=\"2.0\"", " saml:saml:x=\"\" Version=\"2.0\"")),
        ("an attribute without quotes", |xml| swap(xml, " Version=\"2.0\"", " Version=2.0")),
        ("< in an attribute", |xml| swap(xml, " Version=\"2.0\"", " Version=\"<2.0\"")),
    ];
    for (name, change) in plain {
        // Over SOAP text around the message stands in the Body.
        let doors: Vec<_> =
            Door::ALL.into_iter().filter(|door| *door != Door::Soap || !name.starts_with("text")).collect();
        all.push(Case::tampered_or_said(rules, name, &doors, BROKEN, change));
        if name.starts_with("text") {
            all.push(Case::tampered_or_said(rules, name, &[Door::Soap], Refusal::SoapBody, change));
        }
    }
    all.push(
        Case::tampered_or_said(&["VAL-04", "F-11"], "two documents", &Door::ALL, BROKEN, |xml| xml.repeat(2))
            .but_at(&[Door::Soap], Refusal::SoapBody),
    );
    all.push(
        Case::tampered_or_said(&["VAL-04", "F-11"], "an element after it", &Door::ALL, BROKEN, |xml| {
            format!("{xml}<x/>")
        })
        .but_at(&[Door::Soap], Refusal::SoapBody),
    );
    all.push(
        Case::new(&["VAL-04", "F-29"], "nothing", &Door::ALL, Refusal::NotBase64, |_, draft| draft.carry(""))
            .but_at(&Door::QUERIES, BROKEN)
            .but_at(&[Door::Soap], Refusal::SoapBody),
    );
}

/// A name counts with its namespace, and with nothing else.
fn names(all: &mut Vec<Case>) {
    let rules = &["VAL-05", "F-17", "VAL-04"];
    let schema = Refusal::Schema("");
    all.push(Case::said(rules, "NameID of another namespace", &Door::REQUESTS, schema, |stage, xml| {
        swap(xml, &stage.name.xml(), &format!("<x:NameID xmlns:x=\"urn:x\">{}</x:NameID>", stage.name.value))
    }));
    all.push(Case::said(rules, "NameID without namespace", &Door::REQUESTS, schema, |stage, xml| {
        swap(xml, &stage.name.xml(), &format!("<NameID>{}</NameID>", stage.name.value))
    }));
    all.push(Case::said(rules, "SessionIndex of another namespace", &Door::REQUESTS, schema, |stage, xml| {
        let index = format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", stage.index);
        swap(xml, &index, "<saml:SessionIndex xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">x</saml:SessionIndex>")
    }));
    all.push(Case::said(rules, "Subject of another namespace", &[Door::Acs], schema, |_, xml| {
        xml.replace("<saml:Subject>", "<x:Subject xmlns:x=\"urn:x\">")
            .replace("</saml:Subject>", "</x:Subject>")
    }));
    all.push(Case::said(
        &["VAL-05", "F-17", "VAL-19"],
        "the message of another namespace",
        &Door::ALL,
        Refusal::WrongMessage,
        |_, xml| swap(xml, "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol"),
    ));
    all.push(Case::said(
        &["VAL-05", "F-17", "VAL-07"],
        "Issuer of another namespace",
        &Door::LOGOUTS,
        schema,
        |_, xml| {
            swap(
                xml,
                "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">",
                "<saml:Issuer xmlns:saml=\"urn:x\">",
            )
        },
    ));
}

/// What costs more than a message may.
fn bounds(all: &mut Vec<Case>) {
    fn inside(draft: &Draft, content: &str) -> Sent {
        // Unsigned is enough: it must be refused before anything is verified.
        let whole = after_issuer(&draft.xml, &extensions(content));
        draft.carry(&whole)
    }
    let rules = &["VAL-01", "F-43"];
    let complex: [(&'static str, fn() -> String); 6] = [
        ("70 levels deep", || format!("{}{}", "<x:a xmlns:x=\"urn:x\">".repeat(70), "</x:a>".repeat(70))),
        ("10,000 levels deep", || format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000))),
        ("10,000 levels that never end", || "<a>".repeat(10_000)),
        ("300 attributes", || {
            format!("<a{}></a>", (0..300).map(|n| format!(" a{n}=\"\"")).collect::<String>())
        }),
        ("300 namespaces", || {
            format!("<a{}></a>", (0..300).map(|n| format!(" xmlns:p{n}=\"urn:{n}\"")).collect::<String>())
        }),
        ("10,000 attributes", || {
            format!("<a{}></a>", (0..10_000).map(|n| format!(" a{n}=\"\"")).collect::<String>())
        }),
    ];
    for (name, content) in complex {
        all.push(Case::new(rules, name, &Door::ALL, Refusal::TooComplex, move |_, draft| {
            inside(&draft, &content())
        }));
    }
    let large: [(&'static str, fn() -> String); 3] = [
        ("200 KB of text", || "x".repeat(200_000)),
        ("100,000 attributes", || format!("<a{}></a>", (0..100_000).map(|_| " a=\"\"").collect::<String>())),
        ("4,000 SessionIndexes", || "<samlp:SessionIndex>1</samlp:SessionIndex>".repeat(4_000)),
    ];
    for (name, content) in large {
        let doors = [Door::Redirect, Door::AnswerByRedirect];
        all.push(Case::new(&["VAL-01", "F-42", "F-43"], name, &doors, Refusal::TooLarge, move |_, draft| {
            inside(&draft, &content())
        }));
    }
    all.push(Case::new(
        rules,
        "200 KB of text",
        &[Door::Acs, Door::Post, Door::AnswerByPost, Door::Soap],
        Refusal::TooLarge,
        |_, draft| inside(&draft, &"x".repeat(200_000)),
    ));
    all.push(Case::new(
        &["VAL-01", "F-42"],
        "a bomb of 20 MB",
        &Door::QUERIES,
        Refusal::TooLarge,
        |_, mut draft| {
            draft.query.raw_message = Some(bomb(20));
            draft.sent()
        },
    ));
    all.push(Case::new(
        &["VAL-01", "F-42", "SSO-05"],
        "deflated in a form",
        &Door::FORMS,
        BROKEN,
        |_, draft| {
            let packed = crate::support::dsig::deflate(draft.signed().as_bytes());
            draft.carry_octets(&packed)
        },
    ));
    // Many signatures are as cheap to refuse as one.
    all.push(Case::new(
        &["VAL-01", "VAL-10", "F-43"],
        "500 signatures",
        &Door::ROOT_SIGNED,
        Refusal::SignatureShape(""),
        |_, mut draft| {
            draft.parts = Signed::Both;
            let signed = draft.signed();
            let many =
                "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"></ds:Signature>".repeat(500);
            draft.carry(&swap(&signed, "</ds:Signature>", &format!("</ds:Signature>{}", extensions(&many))))
        },
    ));
}

/// So many megabytes of blanks in DEFLATE, in the encoding of a query.
fn bomb(megabytes: usize) -> String {
    use base64::Engine as _;
    let packed = crate::support::dsig::deflate(&vec![b' '; megabytes << 20]);
    let text = base64::engine::general_purpose::STANDARD.encode(packed);
    crate::support::dsig::percent(&text, crate::support::dsig::Hex::Upper)
}
