//! What the profile of sign-in wants of an assertion (SSO-09 to SSO-20). Each is said and signed by the
//! identity provider itself, and is still refused.

use chrono::TimeDelta;
use signoff::saml::refusal::{NotConfirmed, Refusal};

use super::content::attribute;
use super::{Case, Door, cut, not_confirmed, swap};
use crate::support::messages::instant;

/// Adds them to the other cases about what a message says.
pub fn add(all: &mut Vec<Case>) {
    assertions(all);
    confirmations(all);
}

fn assertions(all: &mut Vec<Case>) {
    let acs = &[Door::Acs];
    for (top, nested) in
        [("Responder", "AuthnFailed"), ("Requester", "NoPassive"), ("VersionMismatch", ""), ("urn:x", "")]
    {
        let prefix = if top.contains(':') { "" } else { "urn:oasis:names:tc:SAML:2.0:status:" };
        let inner = if nested.is_empty() {
            String::new()
        } else {
            format!(
                "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{nested}\"></samlp:StatusCode>"
            )
        };
        let status = format!(
            "<samlp:Status><samlp:StatusCode Value=\"{prefix}{top}\">{inner}</samlp:StatusCode></samlp:Status>"
        );
        all.push(Case::said(
            &["SSO-20"],
            format!("{top}/{nested} around a good assertion"),
            acs,
            Refusal::NotAuthenticated,
            move |_, xml| {
                let own = cut(xml, "<samlp:Status>", "</samlp:Status>").to_owned();
                swap(xml, &own, &status)
            },
        ));
    }
    let assertion = |xml: &str| cut(xml, "<saml:Assertion", "</saml:Assertion>").to_owned();
    all.push(Case::said(
        &["SSO-18"],
        "Success without an assertion",
        acs,
        Refusal::NoAssertion,
        move |_, xml| swap(xml, &assertion(xml), ""),
    ));
    all.push(Case::said(
        &["SSO-18"],
        "no authentication statement",
        acs,
        Refusal::NoAuthnStatement,
        |_, xml| {
            let statement = cut(xml, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned();
            swap(xml, &statement, "")
        },
    ));
    all.push(Case::said(
        &["SLO-33", "F-37"],
        "a session that is over",
        acs,
        Refusal::SessionOver,
        |stage, xml| {
            let end = instant(stage.site.app.now() - TimeDelta::minutes(1));
            swap(xml, " SessionIndex=", &format!(" SessionNotOnOrAfter=\"{end}\" SessionIndex="))
        },
    ));
    for (name, forged_first) in
        [("an unsigned assertion before", true), ("an unsigned assertion after", false)]
    {
        all.push(Case::tampered(&["F-12", "F-01"], name, acs, Refusal::ManyAssertions, move |_, xml| {
            let own = assertion(xml);
            let forged = own.replacen(" ID=\"", " ID=\"_x", 1);
            swap(xml, &own, &if forged_first { format!("{forged}{own}") } else { format!("{own}{forged}") })
        }));
    }
    all.push(Case::said(
        &["F-12"],
        "two assertions, all of it signed",
        acs,
        Refusal::ManyAssertions,
        move |_, xml| {
            let own = assertion(xml);
            swap(xml, &own, &format!("{own}{}", own.replacen(" ID=\"", " ID=\"_x", 1)))
        },
    ));

    let audience: [(&'static str, fn(&str, &str) -> String); 5] = [
        ("no restriction", |xml, _| {
            let own = cut(xml, "<saml:AudienceRestriction>", "</saml:AudienceRestriction>").to_owned();
            swap(xml, &own, "")
        }),
        ("an empty restriction", |xml, us| swap(xml, &format!("<saml:Audience>{us}</saml:Audience>"), "")),
        ("another audience", |xml, us| {
            swap(xml, &format!("<saml:Audience>{us}<"), "<saml:Audience>https://other.example<")
        }),
        ("our name with a slash", |xml, us| {
            swap(xml, &format!("<saml:Audience>{us}<"), &format!("<saml:Audience>{us}/<"))
        }),
        ("us and, in another restriction, somebody else", |xml, _| {
            swap(
                xml,
                "</saml:AudienceRestriction>",
                "</saml:AudienceRestriction><saml:AudienceRestriction><saml:Audience>https://other.example</saml:Audience></saml:AudienceRestriction>",
            )
        }),
    ];
    for (name, change) in audience {
        all.push(Case::said(&["SSO-13", "F-37"], name, acs, Refusal::Audience, move |stage, xml| {
            change(xml, &stage.site.idp.sp.entity_id)
        }));
    }
    let condition = |xml: &str, name: &str, value: &str| {
        let at = xml.find("<saml:Conditions").unwrap();
        format!("{}{}", &xml[..at], attribute(&xml[at..], name, Some(value)))
    };
    for (name, which, minutes) in
        [("conditions not yet met", "NotBefore", 4), ("conditions no longer met", "NotOnOrAfter", -4)]
    {
        all.push(Case::said(&["SSO-14", "F-37"], name, acs, Refusal::ConditionTime, move |stage, xml| {
            condition(xml, which, &instant(stage.site.app.now() + TimeDelta::minutes(minutes)))
        }));
    }
    for strange in [
        "<saml:Condition xmlns:x=\"urn:x\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x:Strange\"></saml:Condition>",
        "<x:OneTimeUse xmlns:x=\"urn:x\"></x:OneTimeUse>",
        "<saml:Other></saml:Other>",
    ] {
        all.push(Case::said(
            &["SSO-14", "F-37"],
            format!("the condition {strange}"),
            acs,
            Refusal::ConditionUnknown,
            move |_, xml| swap(xml, "</saml:Conditions>", &format!("{strange}</saml:Conditions>")),
        ));
    }
}

fn confirmations(all: &mut Vec<Case>) {
    let acs = &[Door::Acs];
    let data = |xml: &str, name: &str, value: Option<&str>| {
        let at = xml.find("<saml:SubjectConfirmationData").unwrap();
        format!("{}{}", &xml[..at], attribute(&xml[at..], name, value))
    };
    for method in [
        "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key",
        "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches",
        "urn:oasis:names:tc:SAML:2.0:cm:Bearer",
        "",
    ] {
        all.push(Case::said(
            &["SSO-15", "F-34"],
            format!("confirmed by {method:?}"),
            acs,
            not_confirmed(NotConfirmed::NoBearer),
            move |_, xml| swap(xml, "urn:oasis:names:tc:SAML:2.0:cm:bearer", method),
        ));
    }
    all.push(Case::said(
        &["SSO-15", "F-34"],
        "not confirmed at all",
        acs,
        not_confirmed(NotConfirmed::NoBearer),
        |_, xml| {
            let own = cut(xml, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned();
            swap(xml, &own, "")
        },
    ));
    all.push(Case::said(
        &["SSO-15", "F-34"],
        "bearer without any data",
        acs,
        not_confirmed(NotConfirmed::Recipient),
        |_, xml| {
            let own = cut(xml, "<saml:SubjectConfirmationData", "</saml:SubjectConfirmationData>").to_owned();
            swap(xml, &own, "")
        },
    ));
    for (name, recipient) in [
        ("no Recipient", None),
        ("another Recipient", Some("https://other.example/saml/acs")),
        ("an empty Recipient", Some("")),
    ] {
        all.push(Case::said(
            &["SSO-09", "F-37"],
            name,
            acs,
            not_confirmed(NotConfirmed::Recipient),
            move |_, xml| data(xml, "Recipient", recipient),
        ));
    }
    all.push(Case::said(
        &["SSO-09", "F-37"],
        "the Recipient is our logout endpoint",
        acs,
        not_confirmed(NotConfirmed::Recipient),
        move |stage, xml| data(xml, "Recipient", Some(&stage.site.idp.sp.slo)),
    ));
    all.push(Case::said(
        &["SSO-10", "F-37"],
        "no end",
        acs,
        not_confirmed(NotConfirmed::NoNotOnOrAfter),
        move |_, xml| data(xml, "NotOnOrAfter", None),
    ));
    all.push(Case::said(
        &["SSO-10", "F-37"],
        "the end has passed",
        acs,
        not_confirmed(NotConfirmed::Expired),
        move |stage, xml| {
            data(xml, "NotOnOrAfter", Some(&instant(stage.site.app.now() - TimeDelta::minutes(4))))
        },
    ));
    all.push(Case::said(
        &["SSO-10", "F-37"],
        "a beginning",
        acs,
        not_confirmed(NotConfirmed::NotBefore),
        |stage, xml| {
            let start = instant(stage.site.app.now() - TimeDelta::minutes(4));
            swap(xml, " Recipient=", &format!(" NotBefore=\"{start}\" Recipient="))
        },
    ));
    let other = not_confirmed(NotConfirmed::InResponseTo);
    all.push(Case::said(
        &["SSO-11", "F-36"],
        "the confirmation answers another request",
        acs,
        other,
        move |_, xml| data(xml, "InResponseTo", Some("_unknown")),
    ));
    all.push(Case::said(
        &["SSO-11", "F-36", "SSO-12"],
        "the confirmation answers no request",
        acs,
        other,
        move |_, xml| data(xml, "InResponseTo", None),
    ));
    all.push(Case::said(
        &["SSO-11", "F-36"],
        "the Response answers another request",
        acs,
        other,
        |_, xml| attribute(xml, "InResponseTo", Some("_unknown")),
    ));
    all.push(Case::said(
        &["SSO-11", "F-36", "SSO-12"],
        "the Response answers no request",
        acs,
        other,
        |_, xml| attribute(xml, "InResponseTo", None),
    ));
    all.push(Case::said(
        &["SSO-11", "F-36"],
        "all of it answers an unknown request",
        acs,
        Refusal::NotRequested,
        move |_, xml| {
            data(&attribute(xml, "InResponseTo", Some("_unknown")), "InResponseTo", Some("_unknown"))
        },
    ));
}
