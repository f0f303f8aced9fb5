//! What a message says: version, sender, receiver, time, and all that the profile of sign-in wants
//! to be true. Each is said and signed by the identity provider itself, and is still refused.

use chrono::TimeDelta;
use signoff::saml::refusal::Refusal;

use super::{Case, Door, Stage, after_issuer, assertion, cut, extensions, swap};
use crate::support::messages::{UNSPECIFIED, instant};

const SCHEMA: Refusal = Refusal::Schema("");

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    heads(&mut all);
    issuers(&mut all);
    destinations(&mut all);
    times(&mut all);
    structure(&mut all);
    requests(&mut all);
    answers(&mut all);
    assertion::add(&mut all);
    all
}

/// Sets an attribute in the start tag of the message itself, or takes it away.
pub fn attribute(xml: &str, name: &str, value: Option<&str>) -> String {
    let end = xml.find('>').unwrap();
    let (tag, rest) = xml.split_at(end);
    let from = tag.find(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name} in {tag}"));
    let to = from + 3 + name.len() + tag[from + 3 + name.len()..].find('"').unwrap() + 1;
    let new = value.map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default();
    format!("{}{new}{}{rest}", &tag[..from], &tag[to..])
}

/// The same in the start tag of the assertion.
fn of_assertion(xml: &str, name: &str, value: Option<&str>) -> String {
    let at = xml.find("<saml:Assertion").unwrap();
    format!("{}{}", &xml[..at], attribute(&xml[at..], name, value))
}

fn heads(all: &mut Vec<Case>) {
    let low = Refusal::VersionTooLow;
    for (version, refusal) in [
        (Some("1.0"), low),
        (Some("1.1"), low),
        (Some("2"), low),
        (Some(""), low),
        (Some(" 2.0"), low),
        (Some("2.0 "), low),
        (Some("two"), low),
        (Some("+2.0"), low),
        (Some("99999999999999999999.0"), low),
        (None, low),
        (Some("2.1"), Refusal::VersionMinor),
        (Some("3.0"), Refusal::VersionTooHigh),
        (Some("4294967295.0"), Refusal::VersionTooHigh),
    ] {
        let name = format!("Version {version:?}");
        all.push(Case::said(&["VAL-06"], name, &Door::ALL, refusal, move |_, xml| {
            attribute(xml, "Version", version)
        }));
        let name = format!("Version {version:?} of the assertion");
        all.push(Case::said(&["VAL-06"], name, &[Door::Acs], refusal, move |_, xml| {
            of_assertion(xml, "Version", version)
        }));
    }
    for id in [None, Some(""), Some("1abc"), Some("a b"), Some("x' or '1'='1"), Some("a:b"), Some("#a")] {
        let rules = &["VAL-04", "F-14", "F-29"];
        let name = format!("ID {id:?}");
        all.push(Case::said(rules, name, &Door::ALL, SCHEMA, move |_, xml| attribute(xml, "ID", id)));
        let name = format!("ID {id:?} of the assertion");
        all.push(Case::said(rules, name, &[Door::Acs], SCHEMA, move |_, xml| of_assertion(xml, "ID", id)));
    }
    // F-14: the ID that the signature names is there twice, in whatever spelling.
    for spelling in ["ID", "Id", "id", "xml:id"] {
        all.push(Case::said(
            &["VAL-10", "F-14"],
            format!("the ID again as {spelling} of another element"),
            &Door::SIGNED_XML,
            Refusal::SignatureShape(""),
            move |_, xml| {
                let id = super::stage::id_of(xml);
                after_issuer(xml, &extensions(&format!("<x:a xmlns:x=\"urn:x\" {spelling}=\"{id}\"></x:a>")))
            },
        ));
    }
}

fn issuers(all: &mut Vec<Case>) {
    let unknown = Refusal::IssuerUnknown;
    let names: [(&'static str, fn(&str) -> String); 6] = [
        ("with a slash", |own| format!("{own}/")),
        ("in capitals", str::to_uppercase),
        ("with a blank before", |own| format!(" {own}")),
        ("with a line break after", |own| format!("{own}\n")),
        ("of nobody we know", |_| "https://nobody.example/metadata".to_owned()),
        ("with markup", |_| "&lt;script&gt;alert(1)&lt;/script&gt;".to_owned()),
    ];
    for (what, change) in names {
        all.push(Case::said(
            &["VAL-07"],
            format!("an Issuer {what}"),
            &Door::ALL,
            unknown,
            move |stage, xml| {
                let own = &stage.site.idp.entity_id;
                xml.replace(&format!(">{own}</saml:Issuer>"), &format!(">{}</saml:Issuer>", change(own)))
            },
        ));
    }
    let missing = Refusal::IssuerMissing;
    all.push(Case::said(&["VAL-07", "F-29"], "no Issuer", &Door::ALL, missing, |_, xml| {
        let start = xml.find("<saml:Issuer").unwrap();
        let end = xml.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        format!("{}{}", &xml[..start], &xml[end..])
    }));
    all.push(Case::said(&["VAL-07", "F-29"], "an empty Issuer", &Door::ALL, missing, |stage, xml| {
        swap(xml, &stage.site.idp.entity_id, "")
    }));
    for format in [UNSPECIFIED, "", "urn:x"] {
        all.push(Case::said(
            &["VAL-07"],
            format!("an Issuer of Format {format:?}"),
            &Door::ALL,
            missing,
            move |_, xml| swap(xml, "<saml:Issuer", &format!("<saml:Issuer Format=\"{format}\"")),
        ));
    }
    let mismatch = Refusal::IssuerMismatch;
    all.push(Case::said(
        &["SSO-17", "F-33"],
        "the assertion's Issuer another",
        &[Door::Acs],
        mismatch,
        |stage, xml| {
            let at = xml.find("<saml:Assertion").unwrap();
            format!(
                "{}{}",
                &xml[..at],
                swap(&xml[at..], &stage.site.idp.entity_id, &stage.site.other.entity_id)
            )
        },
    ));
    all.push(Case::said(
        &["SSO-17", "F-33"],
        "the Response's Issuer another",
        &[Door::Acs],
        mismatch,
        |stage, xml| swap(xml, &stage.site.idp.entity_id, &stage.site.other.entity_id),
    ));
    let both = |stage: &Stage<'_>, xml: &str| {
        let (own, other) = (&stage.site.idp.entity_id, &stage.site.other.entity_id);
        xml.replace(&format!(">{own}</saml:Issuer>"), &format!(">{other}</saml:Issuer>"))
    };
    all.push(Case::said(
        &["SLO-02", "SSO-17", "F-33", "VAL-09"],
        "in the name of another identity provider",
        &Door::ALL,
        Refusal::SignatureInvalid,
        both,
    ));
    // Rightly signed by its sender, who was not asked.
    all.push(Case::new(
        &["SSO-11", "SSO-17", "F-33", "F-36", "SLO-50"],
        "the answer of an identity provider that was not asked",
        &[Door::Acs, Door::AnswerByRedirect, Door::AnswerByPost],
        Refusal::NotRequested,
        |stage, _| stage.draft_of(&stage.site.other).sent(),
    ));
}

fn destinations(all: &mut Vec<Case>) {
    let wrong: [(&'static str, fn(&str, &Stage<'_>) -> String); 9] = [
        ("with a slash", |own, _| format!("{own}/")),
        ("with a query", |own, _| format!("{own}?x=1")),
        ("with a fragment", |own, _| format!("{own}#x")),
        ("over https", |own, _| own.replace("http://", "https://")),
        ("at another name of this host", |own, _| own.replace("127.0.0.1", "localhost")),
        ("at another host", |_, _| "https://other.example/saml/slo".to_owned()),
        ("in capitals", |own, _| own.to_uppercase()),
        ("with a blank", |own, _| format!(" {own}")),
        ("empty", |_, _| String::new()),
    ];
    for (what, change) in wrong {
        all.push(Case::said(
            &["VAL-08"],
            format!("a Destination {what}"),
            &Door::ALL,
            Refusal::DestinationWrong,
            move |stage, xml| {
                let start = xml.find(" Destination=\"").unwrap() + 14;
                let end = start + xml[start..].find('"').unwrap();
                attribute(xml, "Destination", Some(&change(&xml[start..end], stage)))
            },
        ));
    }
    all.push(Case::said(
        &["VAL-08"],
        "another Destination of ours",
        &Door::ALL,
        Refusal::DestinationWrong,
        |stage, xml| {
            let sp = &stage.site.idp.sp;
            let other = if stage.door == Door::Acs { &sp.slo } else { &sp.acs };
            attribute(xml, "Destination", Some(other))
        },
    ));
    all.push(Case::said(
        &["VAL-08"],
        "the Destination of the other logout endpoint",
        &Door::LOGOUTS,
        Refusal::DestinationWrong,
        |stage, xml| {
            let sp = &stage.site.idp.sp;
            attribute(xml, "Destination", Some(if stage.door == Door::Soap { &sp.slo } else { &sp.soap }))
        },
    ));
    let doors = [Door::Acs, Door::Redirect, Door::Post, Door::AnswerByRedirect, Door::AnswerByPost];
    all.push(Case::said(&["VAL-08"], "no Destination", &doors, Refusal::DestinationMissing, |_, xml| {
        attribute(xml, "Destination", None)
    }));
}

fn times(all: &mut Vec<Case>) {
    let at = |stage: &Stage<'_>, minutes: i64| instant(stage.site.app.now() + TimeDelta::minutes(minutes));
    for (minutes, refusal) in [
        (-10, Refusal::Stale),
        (-60 * 24 * 365, Refusal::Stale),
        (10, Refusal::IssuedInFuture),
        (60 * 24 * 365, Refusal::IssuedInFuture),
    ] {
        let rules = &["VAL-15", "VAL-16", "F-27", "F-37"];
        all.push(Case::said(
            rules,
            format!("issued {minutes} minutes from now"),
            &Door::ALL,
            refusal,
            move |stage, xml| attribute(xml, "IssueInstant", Some(&at(stage, minutes))),
        ));
        all.push(Case::said(
            rules,
            format!("the assertion issued {minutes} minutes from now"),
            &[Door::Acs],
            refusal,
            move |stage, xml| of_assertion(xml, "IssueInstant", Some(&at(stage, minutes))),
        ));
    }
    for text in [
        "",
        "yesterday",
        "2026-11-23",
        "2026-11-23T12:00",
        "2026-13-23T12:00:00Z",
        "2026-11-31T12:00:00Z",
        "1795435200",
        "2026-11-23T12:00:00ZZ",
    ] {
        let rules = &["VAL-15", "VAL-04", "F-29"];
        all.push(Case::said(rules, format!("issued {text:?}"), &Door::ALL, SCHEMA, move |_, xml| {
            attribute(xml, "IssueInstant", Some(text))
        }));
    }
    all.push(Case::said(&["VAL-04", "F-29"], "no IssueInstant", &Door::ALL, SCHEMA, |_, xml| {
        attribute(xml, "IssueInstant", None)
    }));
    all.push(Case::said(
        &["VAL-15"],
        "an instant with an offset",
        &Door::ALL,
        Refusal::NotUtc,
        |stage, xml| {
            let there = instant(stage.site.app.now() + TimeDelta::hours(1)).replace('Z', "+01:00");
            attribute(xml, "IssueInstant", Some(&there))
        },
    ));
    all.push(Case::said(
        &["VAL-15"],
        "an instant of no zone",
        &Door::ALL,
        Refusal::NotUtc,
        move |stage, xml| attribute(xml, "IssueInstant", Some(at(stage, 0).trim_end_matches('Z'))),
    ));
}

/// Schema first (VAL-04, F-10): a good signature does not help.
fn structure(all: &mut Vec<Case>) {
    let rules = &["VAL-04", "F-10"];
    let changes: [(&'static str, fn(&str) -> String); 6] = [
        ("an attribute that the schema does not have", |xml| swap(xml, " Version=", " Evil=\"1\" Version=")),
        ("a qualified attribute", |xml| swap(xml, " Version=", " xmlns:x=\"urn:x\" x:evil=\"1\" Version=")),
        ("text between the elements", |xml| after_issuer(xml, "text")),
        ("two Issuers", |xml| {
            let end = xml.find("</saml:Issuer>").unwrap() + 14;
            let issuer = xml[xml.find("<saml:Issuer").unwrap()..end].to_owned();
            swap(xml, &issuer, &issuer.repeat(2))
        }),
        ("an element in the Issuer", |xml| swap(xml, "</saml:Issuer>", "<saml:x></saml:x></saml:Issuer>")),
        ("an element that the schema does not have", |xml| {
            let end = xml.rfind("</").unwrap();
            format!("{}<samlp:Evil></samlp:Evil>{}", &xml[..end], &xml[end..])
        }),
    ];
    for (name, change) in changes {
        all.push(Case::said(rules, name, &Door::ALL, SCHEMA, move |_, xml| change(xml)));
    }
}

fn requests(all: &mut Vec<Case>) {
    let doors = &Door::REQUESTS;
    let schema: [(&'static str, fn(&Stage<'_>, &str) -> String); 6] = [
        ("no identifier", |stage, xml| swap(xml, &stage.name.xml(), "")),
        ("two NameIDs", |stage, xml| swap(xml, &stage.name.xml(), &stage.name.xml().repeat(2))),
        ("NameID after SessionIndex", |stage, xml| {
            let name = stage.name.xml();
            swap(&swap(xml, &name, ""), "</samlp:SessionIndex>", &format!("</samlp:SessionIndex>{name}"))
        }),
        ("an empty NameID", |stage, xml| swap(xml, &format!(">{}<", stage.name.value), "><")),
        ("an element in NameID", |_, xml| swap(xml, "</saml:NameID>", "<saml:x></saml:x></saml:NameID>")),
        ("an element in SessionIndex", |_, xml| {
            swap(xml, "</samlp:SessionIndex>", "<samlp:x></samlp:x></samlp:SessionIndex>")
        }),
    ];
    for (name, change) in schema {
        all.push(Case::said(&["VAL-04", "VAL-05", "F-29"], name, doors, SCHEMA, change));
    }
    let until = |xml: &str, text: &str| swap(xml, " Version=", &format!(" NotOnOrAfter=\"{text}\" Version="));
    for (name, minutes, refusal) in [
        ("NotOnOrAfter has passed", -3, Refusal::Expired),
        ("NotOnOrAfter long before it was issued", -600, Refusal::NeverValid),
    ] {
        all.push(Case::said(&["SLO-22", "SLO-23", "F-27"], name, doors, refusal, move |stage, xml| {
            let now = stage.site.app.now();
            let issued = instant(now - TimeDelta::minutes(4));
            let xml = attribute(xml, "IssueInstant", Some(&issued));
            until(&xml, &instant(now + TimeDelta::minutes(minutes)))
        }));
    }
    all.push(Case::said(
        &["SLO-23", "F-27"],
        "NotOnOrAfter is IssueInstant",
        doors,
        Refusal::NeverValid,
        move |stage, xml| until(xml, &instant(stage.site.app.now())),
    ));
    all.push(Case::said(
        &["SLO-22", "VAL-15"],
        "NotOnOrAfter with an offset",
        doors,
        Refusal::NotUtc,
        move |stage, xml| {
            let there = instant(stage.site.app.now() + TimeDelta::hours(2)).replace('Z', "+01:00");
            until(xml, &there)
        },
    ));
    all.push(Case::said(
        &["SLO-23", "VAL-04"],
        "NotOnOrAfter is no instant",
        doors,
        SCHEMA,
        move |_, xml| until(xml, "never"),
    ));
    all.push(Case::said(
        &["SLO-22", "F-27"],
        "old, whatever NotOnOrAfter says",
        doors,
        Refusal::Stale,
        move |stage, xml| {
            let now = stage.site.app.now();
            let xml = attribute(xml, "IssueInstant", Some(&instant(now - TimeDelta::minutes(30))));
            until(&xml, &instant(now + TimeDelta::hours(10)))
        },
    ));
    all.push(Case::said(&["SLO-29", "VAL-05"], "a BaseID", doors, Refusal::IdentifierUnknown, |stage, xml| {
        swap(xml, &stage.name.xml(), "<saml:BaseID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:T\"></saml:BaseID>")
    }));
}

fn answers(all: &mut Vec<Case>) {
    let rules = &["SLO-50", "F-36"];
    let doors = &Door::ANSWERS;
    let unasked = Refusal::NotRequested;
    all.push(Case::said(rules, "an answer to an unknown request", doors, unasked, |_, xml| {
        attribute(xml, "InResponseTo", Some("_unknown"))
    }));
    all.push(Case::said(rules, "an answer to no request", doors, unasked, |_, xml| {
        attribute(xml, "InResponseTo", None)
    }));
    all.push(Case::said(rules, "an answer to our request in capitals", doors, unasked, |stage, xml| {
        let own = stage.asked.as_ref().map_or("", |asked| asked.id());
        attribute(xml, "InResponseTo", Some(&own.to_uppercase()))
    }));
    all.push(Case::said(&["VAL-04", "SLO-50", "F-29"], "no Status", doors, SCHEMA, |_, xml| {
        let status = cut(xml, "<samlp:Status>", "</samlp:Status>").to_owned();
        swap(xml, &status, "")
    }));
    all.push(Case::said(&["VAL-04", "SLO-50", "F-29"], "an empty Status", doors, SCHEMA, |_, xml| {
        let status = cut(xml, "<samlp:Status>", "</samlp:Status>").to_owned();
        swap(xml, &status, "<samlp:Status></samlp:Status>")
    }));
    all.push(Case::said(&["VAL-04", "SLO-50"], "two Statuses", doors, SCHEMA, |_, xml| {
        let status = cut(xml, "<samlp:Status>", "</samlp:Status>").to_owned();
        swap(xml, &status, &status.repeat(2))
    }));
}
