//! F-01: a genuine signature made to vouch for something else. `crate::wrapping` has more layouts;
//! here stands which refusal meets each, at every door.

use signoff::saml::refusal::Refusal;

use super::{Case, Door, Draft, Sent, Stage, after_issuer, cut, extensions, swap};
use crate::support::dsig::{RSA_A, Shape, enveloped};
use crate::support::messages::{Name, Signed};
use crate::wrapping::{Donor, message_shapes, object};

const RULES: &[&str] = &["F-01", "VAL-12", "BIND-33", "SLO-01"];
const NESTED: Refusal = Refusal::NestedMessage;
const SHAPE: Refusal = Refusal::SignatureShape("");

pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, refusal) in [
        ("XSW1", NESTED),
        ("XSW2", NESTED),
        ("XSW3", NESTED),
        ("XSW4", NESTED),
        ("XSW5", NESTED),
        ("XSW6", NESTED),
        ("XSW7", NESTED),
        ("XSW8", NESTED),
        ("twin without the original", Refusal::SignatureInvalid),
        ("evil with the signature", SHAPE),
        ("signature inside Extensions", SHAPE),
        ("wrapped", Refusal::WrongMessage),
    ] {
        all.push(Case::new(RULES, name, &Door::ROOT_SIGNED, refusal, move |stage, draft| {
            let (donor, evil, twin) = material(stage, &draft);
            let raw = named(message_shapes(&donor, &evil, &twin), name);
            draft.carry(&raw)
        }));
        // Over Redirect the detached signature of the genuine message goes with it.
        let over_redirect =
            if matches!(refusal, Refusal::SignatureShape(_)) { Refusal::SignatureInvalid } else { refusal };
        all.push(Case::new(RULES, name, &Door::QUERIES, over_redirect, move |stage, draft| {
            let (donor, evil, twin) = material(stage, &draft);
            let raw = named(message_shapes(&donor, &evil, &twin), name);
            let Sent::Query(genuine) = draft.carry(&donor.bare) else { unreachable!("a query") };
            let Sent::Query(forged) = draft.carry(&raw) else { unreachable!("a query") };
            let first = forged.split('&').next().unwrap();
            Sent::Query(format!("{first}&{}", genuine.split_once('&').unwrap().1))
        }));
    }
    responses(&mut all);
    donors(&mut all);
    all
}

fn named(shapes: Vec<(&'static str, String)>, name: &str) -> String {
    shapes.into_iter().find(|(own, _)| *own == name).unwrap().1
}

/// A genuine signed message about somebody else, the forged one, and the forged one under the ID of
/// the genuine.
fn material(stage: &Stage<'_>, draft: &Draft) -> (Donor, String, String) {
    let twin = draft.xml.clone();
    let genuine = if Door::ANSWERS.contains(&stage.door) {
        swap(&twin, "status:Success", "status:Responder")
    } else {
        swap(&twin, &stage.name.xml(), &Name::email("mallory@example.org").xml())
    };
    let name =
        if Door::ANSWERS.contains(&stage.door) { "samlp:LogoutResponse" } else { "samlp:LogoutRequest" };
    let id = super::stage::id_of(&genuine);
    let donor = Donor::new(enveloped(&genuine, &id, &RSA_A, &Shape::of(&RSA_A)), name);
    (donor, twin.replace(&id, "_evil"), twin)
}

/// The eight shapes of the literature for a Response.
fn responses(all: &mut Vec<Case>) {
    /// What an attacker with an account of his own has: his Response (signed as `parts` say) and the
    /// one that he would like to have, unsigned.
    struct Account {
        whole: String,
        signature: String,
        bare: String,
        good: String,
        evil: String,
        bad: String,
    }
    fn account(stage: &Stage<'_>, draft: Draft, parts: Signed) -> Account {
        let mut own = stage.draft();
        own.parts = parts;
        own.xml = swap(&own.xml, &format!(">{}<", stage.name.value), ">mallory@example.org<");
        let whole = own.signed();
        let start = whole.find("<ds:Signature ").unwrap();
        let end = whole.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
        let signature = whole[start..end].to_owned();
        let assertion = |text: &str| cut(text, "<saml:Assertion", "</saml:Assertion>").to_owned();
        Account {
            bare: whole.replacen(&signature, "", 1),
            good: assertion(&whole),
            bad: assertion(&draft.xml),
            evil: draft.xml,
            signature,
            whole,
        }
    }
    type Build = fn(&Account) -> String;
    let shapes: [(&'static str, Signed, Refusal, Build); 12] = [
        ("XSW1", Signed::Response, NESTED, |a| after_issuer(&a.evil, &object(&a.signature, &a.bare))),
        ("XSW2", Signed::Response, NESTED, |a| {
            after_issuer(&a.evil, &format!("{}{}", a.signature, extensions(&a.bare)))
        }),
        ("XSW3", Signed::Assertion, Refusal::ManyAssertions, |a| {
            swap(&a.whole, &a.good, &format!("{}{}", a.bad, a.good))
        }),
        ("XSW4", Signed::Assertion, Refusal::ManyAssertions, |a| {
            swap(
                &a.whole,
                &a.good,
                &swap(&a.bad, "</saml:Assertion>", &format!("{}</saml:Assertion>", a.good)),
            )
        }),
        ("XSW5", Signed::Assertion, Refusal::ManyAssertions, |a| {
            let plain = a.good.replacen(&a.signature, "", 1);
            swap(&a.whole, &a.good, &format!("{}{plain}", after_issuer(&a.bad, &a.signature)))
        }),
        ("XSW6", Signed::Assertion, Refusal::ManyAssertions, |a| {
            let plain = a.good.replacen(&a.signature, "", 1);
            let inside = swap(&a.signature, "</ds:Signature>", &format!("{plain}</ds:Signature>"));
            swap(&a.whole, &a.good, &after_issuer(&a.bad, &inside))
        }),
        ("XSW7", Signed::Assertion, Refusal::ManyAssertions, |a| after_issuer(&a.whole, &extensions(&a.bad))),
        ("XSW8", Signed::Assertion, Refusal::ManyAssertions, |a| {
            let plain = a.good.replacen(&a.signature, "", 1);
            swap(&a.whole, &a.good, &after_issuer(&a.bad, &object(&a.signature, &plain)))
        }),
        (
            "the assertion exchanged, the Response's signature kept",
            Signed::Response,
            Refusal::SignatureInvalid,
            |a| swap(&a.whole, &a.good, &a.bad),
        ),
        ("the signature of another assertion", Signed::Assertion, SHAPE, |a| {
            let other = a.bad.replacen(" ID=\"", " ID=\"_x", 1);
            swap(&a.whole, &a.good, &after_issuer(&other, &a.signature))
        }),
        ("the whole in StatusDetail", Signed::Response, NESTED, |a| {
            swap(
                &a.evil,
                "</samlp:Status>",
                &format!("<samlp:StatusDetail>{}</samlp:StatusDetail></samlp:Status>", a.whole),
            )
        }),
        ("the good one in Advice", Signed::Assertion, Refusal::ManyAssertions, |a| {
            swap(
                &a.whole,
                &a.good,
                &swap(
                    &a.bad,
                    "</saml:Conditions>",
                    &format!("</saml:Conditions><saml:Advice>{}</saml:Advice>", a.good),
                ),
            )
        }),
    ];
    for (name, parts, refusal, build) in shapes {
        all.push(Case::new(RULES, name, &[Door::Acs], refusal, move |stage, draft| {
            let carrier = stage.draft();
            carrier.carry(&build(&account(stage, draft, parts)))
        }));
    }
}

/// Signed metadata and signed messages of other kinds are as good a donor for an attacker (VAL-19).
fn donors(all: &mut Vec<Case>) {
    fn metadata(stage: &Stage<'_>) -> Donor {
        let text = stage.site.idp.metadata().xml().replacen(
            "<md:EntityDescriptor ",
            "<md:EntityDescriptor ID=\"_md\" ",
            1,
        );
        Donor::new(enveloped(&text, "_md", &RSA_A, &Shape::of(&RSA_A)), "md:EntityDescriptor")
    }
    let rules = &["VAL-19", "F-01", "F-23"];
    all.push(Case::new(
        rules,
        "the signature of metadata",
        &Door::ROOT_SIGNED,
        Refusal::SignatureInvalid,
        |stage, draft| {
            let id = super::stage::id_of(&draft.xml);
            draft.carry(&after_issuer(&draft.xml.replace(&id, "_md"), &metadata(stage).signature))
        },
    ));
    all.push(Case::new(rules, "signed metadata in Extensions", &Door::ROOT_SIGNED, SHAPE, |stage, draft| {
        draft.carry(&after_issuer(&draft.xml, &extensions(&metadata(stage).whole)))
    }));
    all.push(Case::new(rules, "signed metadata in an Object", &Door::ROOT_SIGNED, SHAPE, |stage, draft| {
        let donor = metadata(stage);
        draft.carry(&after_issuer(&draft.xml, &object(&donor.signature, &donor.bare)))
    }));
}
