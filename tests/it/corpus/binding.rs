//! How a message arrives: two spellings of one parameter, halves of a signature, envelopes that are
//! none, the right message at the wrong door.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use signoff::saml::refusal::Refusal;

use super::{Case, Door, Draft, Sent, Stage, swap};
use crate::support::browser::form_body;
use crate::support::dsig::{Hex, RSA_A, Shape, deflate, enveloped, percent, sign};
use crate::support::messages::{Name, Signed, envelope};
use crate::support::xml::SOAP;

const REPEATED: Refusal = Refusal::RepeatedParameter;
const SPELT: Refusal = Refusal::BrokenParameter;
/// Those with parameters.
const FRONT: [Door; 5] = [Door::Acs, Door::Redirect, Door::Post, Door::AnswerByRedirect, Door::AnswerByPost];

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    repeated(&mut all);
    together(&mut all);
    queries(&mut all);
    forms(&mut all);
    soap(&mut all);
    matrix(&mut all);
    all
}

/// Other spellings of a name that somebody might take for it.
fn spellings(name: &str) -> Vec<String> {
    let first = name.as_bytes()[0];
    vec![
        name.to_owned(),
        format!("%{first:02X}{}", &name[1..]),
        format!("%{first:02x}{}", &name[1..]),
        name.to_ascii_lowercase(),
        format!("{name}[]"),
        format!("{name}%5B0%5D"),
        format!("{name}%00"),
        format!("{name}%00x"),
        format!("+{name}"),
        format!("%09{name}"),
        format!("{name}%20"),
    ]
}

/// Every name twice, in every spelling and order, with the same value and with another (BIND-06).
fn repeated(all: &mut Vec<Case>) {
    let rules = &["BIND-06", "F-21", "BIND-16"];
    for (which, doors) in [
        ("message", &FRONT[..]),
        ("RelayState", &FRONT[..]),
        ("SigAlg", &Door::QUERIES[..]),
        ("Signature", &Door::QUERIES[..]),
        ("SAMLEncoding", &Door::QUERIES[..]),
    ] {
        for nth in 0..spellings("x").len() {
            for (before, same) in [(true, true), (true, false), (false, true), (false, false)] {
                let order = if before { "before" } else { "after" };
                let value = if same { "the same value" } else { "another value" };
                let name = format!("{which} in spelling {nth} {order} it, with {value}");
                // What is no exact name is refused by itself when it comes first.
                let refusal = if before && nth > 0 { SPELT } else { REPEATED };
                all.push(Case::new(rules, name, doors, refusal, move |_, mut draft| {
                    let own = if which == "message" { draft.door.field() } else { which };
                    draft.query.relay_state.get_or_insert_with(|| "r".to_owned());
                    let mut good = draft.text();
                    if which == "SAMLEncoding" {
                        good.push_str("&SAMLEncoding=urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3ADEFLATE");
                    }
                    let value = value_of(&good, own);
                    let value = if same { value } else { "AAAA".to_owned() };
                    let twin = format!("{}={value}", spellings(own)[nth]);
                    draft.as_text(if before { format!("{twin}&{good}") } else { format!("{good}&{twin}") })
                }));
            }
        }
    }
    for nth in 1..spellings("x").len() {
        all.push(Case::new(
            rules,
            format!("the message in spelling {nth} alone"),
            &FRONT,
            SPELT,
            move |_, draft| {
                let field = draft.door.field();
                let text = draft.text();
                draft.as_text(swap(&text, field, &spellings(field)[nth]))
            },
        ));
    }
}

/// The raw value of a parameter.
fn value_of(text: &str, name: &str) -> String {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).unwrap()
}

fn together(all: &mut Vec<Case>) {
    let rules = &["BIND-06", "F-21"];
    for before in [true, false] {
        for same in [true, false] {
            let order = if before { "before" } else { "after" };
            let name = format!("request and response together, the other {order} it, same: {same}");
            all.push(Case::new(rules, name, &FRONT, Refusal::RequestAndResponse, move |_, draft| {
                let good = draft.text();
                let other = if draft.door.field() == "SAMLRequest" { "SAMLResponse" } else { "SAMLRequest" };
                let value = if same { value_of(&good, draft.door.field()) } else { "AAAA".to_owned() };
                draft.as_text(if before {
                    format!("{other}={value}&{good}")
                } else {
                    format!("{good}&{other}={value}")
                })
            }));
        }
    }
    all.push(Case::new(
        rules,
        "an empty one of the other kind",
        &FRONT,
        Refusal::RequestAndResponse,
        |_, draft| {
            let other = if draft.door.field() == "SAMLRequest" { "SAMLResponse" } else { "SAMLRequest" };
            let good = draft.text();
            draft.as_text(format!("{good}&{other}="))
        },
    ));
}

/// A right query with one parameter replaced or taken away.
fn with(draft: &Draft, name: &str, value: Option<&str>) -> Sent {
    let text = draft.text();
    let mut pairs: Vec<_> =
        text.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).map(str::to_owned).collect();
    pairs.extend(value.map(|value| format!("{name}={value}")));
    draft.as_text(pairs.join("&"))
}

fn queries(all: &mut Vec<Case>) {
    let doors = &Door::QUERIES;
    let half = Refusal::BrokenDetachedSignature;
    let rules = &["BIND-10", "F-24", "F-29", "VAL-21"];
    for name in ["SigAlg", "Signature"] {
        all.push(Case::new(rules, format!("no {name}"), doors, half, move |_, draft| {
            with(&draft, name, None)
        }));
    }
    for value in ["", "%20", "!!!!", "%", "%zz", "%FF%FE", "A"] {
        all.push(Case::new(rules, format!("the Signature {value:?}"), doors, half, move |_, draft| {
            with(&draft, "Signature", Some(value))
        }));
    }
    for value in ["%", "%zz", "%FF%FE"] {
        all.push(Case::new(rules, format!("the SigAlg {value:?}"), doors, half, move |_, draft| {
            with(&draft, "SigAlg", Some(value))
        }));
    }
    all.push(Case::new(&["BIND-08"], "another SAMLEncoding", doors, Refusal::UnknownEncoding, |_, draft| {
        with(
            &draft,
            "SAMLEncoding",
            Some("urn%3Aoasis%3Anames%3Atc%3ASAML%3A2.0%3Abindings%3AURL-Encoding%3AOTHER"),
        )
    }));
    all.push(Case::new(
        &["BIND-08"],
        "an empty SAMLEncoding",
        doors,
        Refusal::UnknownEncoding,
        |_, draft| with(&draft, "SAMLEncoding", Some("")),
    ));
    all.push(Case::new(
        &["BIND-09", "SLO-01", "F-23"],
        "an XML signature in place of a detached one",
        doors,
        Refusal::SignatureMissing,
        |_, draft| {
            let signed = draft.signed();
            let Sent::Query(query) = draft.carry(&signed) else { unreachable!("a query") };
            Sent::Query(query.split('&').next().unwrap().to_owned())
        },
    ));
    let packed: [(&'static str, Refusal, fn(&Draft) -> Vec<u8>); 6] = [
        ("plain", Refusal::NotDeflate, |draft| draft.xml.clone().into_bytes()),
        ("with a zlib header", Refusal::NotDeflate, |draft| {
            [&[0x78, 0x9c][..], &deflate(draft.xml.as_bytes())].concat()
        }),
        ("cut short", Refusal::NotDeflate, |draft| {
            let whole = deflate(draft.xml.as_bytes());
            whole[..whole.len() / 2].to_vec()
        }),
        ("with octets after it", Refusal::NotDeflate, |draft| {
            [&deflate(draft.xml.as_bytes())[..], b"tail"].concat()
        }),
        ("deflated twice", Refusal::NotWellFormed, |draft| deflate(&deflate(draft.xml.as_bytes()))),
        ("all zero", Refusal::NotDeflate, |_| vec![0; 100]),
    ];
    for (name, refusal, pack) in packed {
        all.push(Case::new(
            &["BIND-10", "BIND-02", "F-29"],
            format!("a message {name}"),
            doors,
            refusal,
            move |_, mut draft| {
                draft.query.raw_message = Some(percent(&BASE64.encode(pack(&draft)), Hex::Upper));
                draft.sent()
            },
        ));
    }
}

fn forms(all: &mut Vec<Case>) {
    for text in ["", "x=1", "SAMLArt=AAAA", "samlp=1&Signature=AAAA"] {
        all.push(Case::new(
            &["BIND-22"],
            format!("no message: {text:?}"),
            &FRONT,
            Refusal::NoMessage,
            move |_, draft| draft.as_text(text.to_owned()),
        ));
    }
    let broken: [(&'static str, &'static str, Refusal); 7] = [
        ("empty", "", Refusal::NotBase64),
        ("a blank", "%20", Refusal::NotBase64),
        ("no base64", "%21%21%21%21", Refusal::NotBase64),
        ("base64 of the URL kind", "PGE-_w", Refusal::NotBase64),
        ("half an escape", "%", SPELT),
        ("an escape that is none", "%zz", SPELT),
        ("no UTF-8", "%FF%FE", SPELT),
    ];
    for (name, value, refusal) in broken {
        all.push(Case::new(
            &["BIND-10", "BIND-16", "F-29"],
            format!("the message is {name}"),
            &FRONT,
            refusal,
            move |_, draft| with(&draft, draft.door.field(), Some(value)),
        ));
    }
    for (name, value) in
        [("half an escape", "%".to_owned()), ("no UTF-8", "%FF".to_owned()), ("3 KiB", "r".repeat(3072))]
    {
        all.push(Case::new(
            &["BIND-19", "BIND-10"],
            format!("the RelayState is {name}"),
            &FRONT,
            SPELT,
            move |_, draft| with(&draft, "RelayState", Some(&value)),
        ));
    }
    // SimpleSign: a detached signature over the form's fields.
    all.push(
        Case::new(&["BIND-15", "F-23"], "SimpleSign", &Door::FORMS, Refusal::SignatureMissing, |_, draft| {
            let message = BASE64.encode(&draft.xml);
            let algorithm = RSA_A.algorithm();
            let over = format!("{}={}&SigAlg={algorithm}", draft.door.field(), draft.xml);
            let signature = BASE64.encode(sign(&RSA_A, algorithm, over.as_bytes(), false, None));
            let fields =
                [(draft.door.field(), message.as_str()), ("SigAlg", algorithm), ("Signature", &signature)];
            Sent::Body(form_body(&fields).into_bytes())
        })
        .but_at(&[Door::Acs], Refusal::AssertionUnsigned),
    );
}

fn soap(all: &mut Vec<Case>) {
    let doors = &[Door::Soap];
    let bodies: [(&'static [&'static str], &'static str, Refusal, fn(&str) -> String); 17] = [
        (&["BIND-25"], "two messages", Refusal::SoapBody, |xml| envelope(&xml.repeat(2))),
        (&["BIND-25"], "no message", Refusal::SoapBody, |_| envelope("")),
        (&["BIND-25"], "a message and something else", Refusal::SoapBody, |xml| {
            envelope(&format!("{xml}<x/>"))
        }),
        (&["BIND-25"], "something else and a message", Refusal::SoapBody, |xml| {
            envelope(&format!("<x/>{xml}"))
        }),
        (&["BIND-25"], "text beside the message", Refusal::SoapBody, |xml| envelope(&format!("text{xml}"))),
        (&["BIND-25"], "two Bodies", Refusal::SoapBody, |xml| {
            let whole = envelope(xml);
            swap(&whole, "</soap:Body>", "</soap:Body><soap:Body></soap:Body>")
        }),
        (&["BIND-25"], "no Body", Refusal::SoapBody, |_| {
            format!("<soap:Envelope xmlns:soap=\"{SOAP}\"></soap:Envelope>")
        }),
        (&["BIND-25"], "a Header after the Body", Refusal::SoapBody, |xml| {
            swap(&envelope(xml), "</soap:Body>", "</soap:Body><soap:Header></soap:Header>")
        }),
        (&["BIND-26"], "a Header that must be understood", Refusal::MustUnderstand, |xml| {
            swap(
                &envelope(xml),
                "<soap:Body>",
                "<soap:Header><x:y xmlns:x=\"urn:x\" soap:mustUnderstand=\"1\"></x:y></soap:Header><soap:Body>",
            )
        }),
        (&["BIND-28"], "SOAP 1.2", Refusal::NotSoap, |xml| {
            envelope(xml).replace(SOAP, "http://www.w3.org/2003/05/soap-envelope")
        }),
        (&["BIND-28"], "an envelope of no namespace", Refusal::NotSoap, |xml| {
            envelope(xml).replace(&format!(" xmlns:soap=\"{SOAP}\""), "").replace("soap:", "")
        }),
        (&["BIND-28"], "the message without an envelope", Refusal::NotSoap, str::to_owned),
        (&["BIND-28"], "broken XML", Refusal::NotWellFormed, |xml| envelope(xml)[1..].to_owned()),
        (&["BIND-28"], "a form", Refusal::NotWellFormed, |xml| format!("SAMLRequest={}", BASE64.encode(xml))),
        (&["BIND-28"], "JSON", Refusal::NotWellFormed, |_| "{}".to_owned()),
        (
            &["BIND-33", "F-01", "VAL-12"],
            "the signed message in the Header, another in the Body",
            Refusal::NestedMessage,
            |xml| {
                let start = xml.find("<ds:Signature ").unwrap();
                let end = xml.find("</ds:Signature>").unwrap() + 15;
                let forged = format!("{}{}", &xml[..start], &xml[end..]);
                swap(
                    &envelope(&forged),
                    "<soap:Body>",
                    &format!("<soap:Header>{xml}</soap:Header><soap:Body>"),
                )
            },
        ),
        (
            &["BIND-33", "F-01", "F-14", "VAL-10"],
            "an element of the same ID in the Header",
            Refusal::SignatureShape(""),
            |xml| {
                let id = super::stage::id_of(xml);
                let twin = format!(
                    "<soap:Header><x:y xmlns:x=\"urn:x\" ID=\"{id}\"></x:y></soap:Header><soap:Body>"
                );
                swap(&envelope(xml), "<soap:Body>", &twin)
            },
        ),
    ];
    for (rules, name, refusal, body) in bodies {
        all.push(Case::new(rules, name, doors, refusal, move |_, draft| {
            Sent::Body(body(&draft.signed()).into_bytes())
        }));
    }
    all.push(Case::new(
        &["BIND-33", "F-09", "VAL-10"],
        "the signature in the Header",
        doors,
        Refusal::SignatureShape(""),
        |_, draft| {
            let xml = draft.signed();
            let start = xml.find("<ds:Signature ").unwrap();
            let end = xml.find("</ds:Signature>").unwrap() + 15;
            let bare = format!("{}{}", &xml[..start], &xml[end..]);
            let header = format!("<soap:Header>{}</soap:Header><soap:Body>", &xml[start..end]);
            Sent::Body(swap(&envelope(&bare), "<soap:Body>", &header).into_bytes())
        },
    ));
    all.push(Case::new(
        &["BIND-25", "BIND-30", "VAL-01"],
        "the envelope in an envelope",
        doors,
        Refusal::WrongMessage,
        |_, draft| Sent::Body(envelope(&envelope(&draft.signed())).into_bytes()),
    ));
}

/// VAL-19, F-23: every kind of message at every door but its own.
fn matrix(all: &mut Vec<Case>) {
    let rules = &["VAL-19", "F-23"];
    type Kind = (&'static str, &'static [Door], fn(&Stage<'_>) -> (String, String));
    let kinds: [Kind; 8] = [
        ("a LogoutRequest", &[Door::Acs, Door::AnswerByRedirect, Door::AnswerByPost], |stage| {
            let request = stage.site.idp.logout_request(&stage.name, &[&stage.index]);
            (request.xml(), request.id().to_owned())
        }),
        ("a LogoutResponse", &[Door::Acs, Door::Redirect, Door::Post, Door::Soap], |stage| {
            let id = "_answer".to_owned();
            let issuer = &stage.site.idp.entity_id;
            (
                format!(
                    "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" IssueInstant=\"2026-11-23T12:00:00Z\" Version=\"2.0\"><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
                ),
                id,
            )
        }),
        ("a Response", &Door::LOGOUTS, |stage| {
            let mut response = stage.site.idp.response(None, &stage.name, &stage.index);
            response.signed = Signed::Nothing;
            (response.signed(&RSA_A), response.id)
        }),
        ("an assertion alone", &Door::ALL, |stage| {
            let assertion = stage.site.idp.response(None, &stage.name, &stage.index).assertion;
            (assertion.xml(), assertion.id)
        }),
        ("metadata", &Door::ALL, |stage| {
            let text = stage.site.idp.metadata().xml();
            (text.replacen("<md:EntityDescriptor ", "<md:EntityDescriptor ID=\"_md\" ", 1), "_md".to_owned())
        }),
        ("an AuthnRequest", &Door::ALL, |stage| renamed(stage, "AuthnRequest")),
        ("a ManageNameIDRequest", &Door::ALL, |stage| renamed(stage, "ManageNameIDRequest")),
        ("an ArtifactResponse", &Door::ALL, |stage| renamed(stage, "ArtifactResponse")),
    ];
    for (name, doors, make) in kinds {
        all.push(Case::new(rules, name, doors, Refusal::WrongMessage, move |stage, draft| {
            let (xml, id) = make(stage);
            if Door::QUERIES.contains(&draft.door) {
                return draft.carry(&xml);
            }
            draft.carry(&enveloped(&xml, &id, &RSA_A, &Shape::of(&RSA_A)))
        }));
    }
    // The right message in the parameter of the other kind.
    all.push(Case::new(
        rules,
        "the right message in the other parameter",
        &FRONT,
        Refusal::WrongMessage,
        |_, draft| {
            let field = draft.door.field();
            let other = if field == "SAMLRequest" { "SAMLResponse" } else { "SAMLRequest" };
            let text = draft.text();
            draft.as_text(swap(&text, &format!("{field}="), &format!("{other}=")))
        },
    ));
}

fn renamed(stage: &Stage<'_>, name: &str) -> (String, String) {
    let request = stage.site.idp.logout_request(&Name::email("x@example.org"), &[]);
    (request.xml().replace("samlp:LogoutRequest", &format!("samlp:{name}")), request.id().to_owned())
}
