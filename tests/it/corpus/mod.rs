//! The corpus of faults: every way in which a message has been known to deceive a service
//! provider, at every door on which it can arrive.
//!
//! A [`Case`] breaks one thing of a message that is otherwise right. [`run`] lets a victim of its
//! own stand behind the door, sends the broken message and looks at everything: the answer, the
//! session and its cookie, the audit, the outbox, the network. Then the right message arrives at
//! the same victim and has to do its work: what was refused was refused for the one thing.

mod assertion;
mod binding;
mod content;
mod encrypted;
mod keys;
mod markup;
mod metadata;
mod proofs;
mod shape;
mod stage;
mod tampering;
mod wrapping;

use signoff::saml::refusal::{NotConfirmed, Refusal};

use crate::support::http::HttpReply;
use crate::support::story::assert_uncached;
use crate::support::story::{Answer, Via};
pub use stage::{Door, Draft, Sent, Site, Stage};

/// How a message is broken.
type Breaking = Box<dyn Fn(&Stage<'_>, Draft) -> Sent>;

/// One thing broken.
pub struct Case {
    /// The classes of fault and the rules that it stands for.
    pub rules: &'static [&'static str],
    pub name: String,
    pub doors: Vec<Door>,
    /// By exactly this it is refused, but for the doors named in `at`.
    pub refusal: Refusal,
    pub at: Vec<(Door, Refusal)>,
    /// Whether no private key of ours may be used before it is refused (SLO-29).
    keyless: bool,
    breaking: Breaking,
}

impl Case {
    pub fn new(
        rules: &'static [&'static str],
        name: impl Into<String>,
        doors: &[Door],
        refusal: Refusal,
        breaking: impl Fn(&Stage<'_>, Draft) -> Sent + 'static,
    ) -> Self {
        Self {
            rules,
            name: name.into(),
            doors: doors.to_vec(),
            refusal,
            at: Vec::new(),
            keyless: false,
            breaking: Box::new(breaking),
        }
    }

    /// The text is changed before it is signed: the identity provider itself says so.
    pub fn said(
        rules: &'static [&'static str],
        name: impl Into<String>,
        doors: &[Door],
        refusal: Refusal,
        change: impl Fn(&Stage<'_>, &str) -> String + 'static,
    ) -> Self {
        Self::new(rules, name, doors, refusal, move |stage, mut draft| {
            draft.xml = changed(&draft.xml, change(stage, &draft.xml));
            draft.sent()
        })
    }

    /// The text is changed after it was signed, on the way.
    pub fn tampered(
        rules: &'static [&'static str],
        name: impl Into<String>,
        doors: &[Door],
        refusal: Refusal,
        change: impl Fn(&Stage<'_>, &str) -> String + 'static,
    ) -> Self {
        Self::new(rules, name, doors, refusal, move |stage, draft| {
            let signed = draft.signed();
            draft.carry(&changed(&signed, change(stage, &signed)))
        })
    }

    /// At that door it is refused otherwise.
    #[must_use]
    pub fn but_at(mut self, doors: &[Door], refusal: Refusal) -> Self {
        self.at.extend(doors.iter().map(|&door| (door, refusal)));
        self
    }

    /// It has to be refused before any key of ours is used.
    #[must_use]
    pub fn without_private_key(mut self, keyless: bool) -> Self {
        self.keyless = keyless;
        self
    }

    fn refusal_at(&self, door: Door) -> Refusal {
        self.at.iter().find(|(own, _)| *own == door).map_or(self.refusal, |(_, refusal)| *refusal)
    }
}

/// A case that changes nothing proves nothing.
fn changed(before: &str, after: String) -> String {
    assert_ne!(before, after, "the case changes nothing");
    after
}

/// Replaces the first occurrence, which has to be there.
pub fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replacen(from, to, 1)
}

/// Puts `inside` right after the message's own Issuer.
pub fn after_issuer(element: &str, inside: &str) -> String {
    swap(element, "</saml:Issuer>", &format!("</saml:Issuer>{inside}"))
}

pub fn extensions(inside: &str) -> String {
    format!("<samlp:Extensions>{inside}</samlp:Extensions>")
}

/// From the first `from` to the last `to`, both included.
pub fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    let end = text.rfind(to).unwrap_or_else(|| panic!("no {to} in {text}")) + to.len();
    &text[start..end]
}

/// All cases, by family.
fn families() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("wrapping", wrapping::cases()),
        ("shape", shape::cases()),
        ("keys", keys::cases()),
        ("binding", binding::cases()),
        ("markup", markup::cases()),
        ("content", content::cases()),
        ("encrypted", encrypted::cases()),
    ]
}

macro_rules! families {
    ($($family:ident)*) => {$(
        mod $family {
            use super::super::{Door, run};

            #[tokio::test]
            async fn at_the_acs() {
                run(super::super::$family::cases(), &[Door::Acs]).await;
            }

            #[tokio::test]
            async fn of_a_request_over_redirect_and_post() {
                run(super::super::$family::cases(), &[Door::Redirect, Door::Post]).await;
            }

            #[tokio::test]
            async fn of_a_request_over_soap() {
                run(super::super::$family::cases(), &[Door::Soap]).await;
            }

            #[tokio::test]
            async fn of_an_answer() {
                run(super::super::$family::cases(), &[Door::AnswerByRedirect, Door::AnswerByPost]).await;
            }
        }
    )*};
}

mod every_case_is_refused {
    families! { wrapping shape keys binding markup content encrypted }
}

/// So many broken messages arrive at one victim before the right one does.
const AT_ONE_VICTIM: usize = 6;

/// Sends every case at every one of those doors, and says all that went wrong.
async fn run(cases: Vec<Case>, doors: &[Door]) {
    let site = Site::new().await;
    let mut wrong = Vec::new();
    for &door in doors {
        let here: Vec<_> = cases.iter().filter(|case| case.doors.contains(&door)).collect();
        for group in here.chunks(AT_ONE_VICTIM) {
            let mut stage = site.stage(door).await;
            for case in group {
                if let Err(what) = judge(&stage, case).await {
                    wrong.push(format!("{:?} {} {}: {what}", door, case.rules.join(" "), case.name));
                    stage = site.stage(door).await;
                }
            }
            if let Err(what) = stage.twin().await {
                let names: Vec<_> = group.iter().map(|case| case.name.as_str()).collect();
                wrong.push(format!("{door:?} the right message after {names:?}: {what}"));
            }
        }
    }
    assert_eq!(site.trap.visitors(), 0, "F-45: nothing that a message names is fetched");
    assert!(site.bystander.is_signed_in().await, "nobody else is signed out");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    site.done().await;
}

/// Sends the broken message and looks at everything.
async fn judge(stage: &Stage<'_>, case: &Case) -> Result<(), String> {
    let site = stage.site;
    // Denials come from a budget that time fills up again.
    site.app.advance(chrono::TimeDelta::seconds(1));
    let before = site.state().await;
    let audited = site.last_audited().await;
    let operations = site.app.app.decryption_operations();
    let started = std::time::Instant::now();
    let reply = stage.send((case.breaking)(stage, stage.draft())).await;
    let took = started.elapsed();
    let expected = case.refusal_at(stage.door);
    let mut wrong = Vec::new();
    wrong.extend(answered(stage, expected, reply).err());
    if took.as_secs() >= 5 {
        wrong.push(format!("took {took:?}"));
    }
    if case.keyless && site.app.app.decryption_operations() != operations {
        wrong.push("a private key was used".to_owned());
    }
    if !stage.untouched().await {
        wrong.push("IT WAS EXECUTED".to_owned());
    }
    let after = site.state().await;
    if after != before {
        wrong.push(format!("it left traces: {before:?} became {after:?}"));
    }
    wrong.extend(site.audited_since(audited, stage.door, expected).await.err());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// The answer by the status table (rules, section 0), row by row.
fn answered(stage: &Stage<'_>, refusal: Refusal, reply: HttpReply) -> Result<(), String> {
    let status = reply.status;
    let plain = |expected: u16| {
        if status != expected {
            return Err(format!("HTTP {status} in place of {expected}"));
        }
        if reply.header("location").is_some() || reply.body.contains("SAMLResponse") {
            return Err("an answer in SAML, or a redirect".to_owned());
        }
        if reply.headers_named("set-cookie").next().is_some() {
            return Err("a cookie".to_owned());
        }
        Ok(())
    };
    let via = match stage.door {
        Door::Acs => return plain(400),
        Door::AnswerByRedirect | Door::AnswerByPost => {
            return plain(if refusal == Refusal::IssuerUnknown { 403 } else { 400 });
        }
        Door::Redirect => Via::Redirect,
        Door::Post => Via::Post,
        Door::Soap => Via::Soap,
    };
    let Some(code) = row(refusal) else {
        let front = if refusal == Refusal::IssuerUnknown { 403 } else { 400 };
        let soap = if discarded(refusal) { 403 } else { 500 };
        return plain(if via == Via::Soap { soap } else { front });
    };
    if !matches!(status, 200 | 302 | 303) {
        return Err(format!("HTTP {status} in place of {code}"));
    }
    assert_uncached(&reply, via);
    let found = Answer::of(via, reply, &stage.site.idp.sp).status();
    if found == code { Ok(()) } else { Err(format!("{found} in place of {code}")) }
}

/// The status with which a LogoutRequest is answered that is refused for this; none if the answer is
/// no SAML (rows h, i, l and n).
fn row(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        // Row g.
        Refusal::SignatureMissing
        | Refusal::SignatureShape(_)
        | Refusal::SignatureInvalid
        | Refusal::TransformNotAllowed
        | Refusal::AlgorithmNotAllowed
        | Refusal::BrokenDetachedSignature => Some("Requester/RequestDenied"),
        // Row j.
        Refusal::Stale
        | Refusal::IssuedInFuture
        | Refusal::Expired
        | Refusal::NeverValid
        | Refusal::NotUtc
        | Refusal::IdReused => Some("Requester"),
        // Row k.
        Refusal::VersionTooHigh => Some("VersionMismatch/RequestVersionTooHigh"),
        Refusal::VersionMinor => Some("VersionMismatch"),
        // Row m.
        Refusal::IdentifierEncrypted | Refusal::IdentifierUnknown => Some("Requester/UnknownPrincipal"),
        _ => None,
    }
}

/// Rows h and i: over SOAP the exchange as a whole is refused.
fn discarded(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::IssuerMissing
            | Refusal::IssuerUnknown
            | Refusal::DestinationMissing
            | Refusal::DestinationWrong
    )
}

/// Any reason why no bearer confirmation holds.
pub const fn not_confirmed(why: NotConfirmed) -> Refusal {
    Refusal::NotConfirmed(why)
}
