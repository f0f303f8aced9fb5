//! A message laid open for a person: what it is, what it says, and rule by rule what holds and what
//! does not. Nothing here makes a message count: no `Verified` leaves this file.

use chrono::{DateTime, Utc};

use super::assertion::Assertion;
use super::binding::{Detached, Parameter, Received, post, redirect};
use super::encryption::DecryptionKeys;
use super::logout_request::LogoutRequest;
use super::logout_response::LogoutResponse;
use super::message::{Limits, Message, fresh};
use super::names::{Binding, EntityId, Location};
use super::open::Unopened;
use super::refusal::Refusal;
use super::response::{Content, Response};
use super::sign_in;
use super::signature::{TrustedKeys, Verified};
use super::status::TopLevel;
use super::xml::{Document, Node, SAML, SAMLP, SOAP, normalized};

/// A message in whatever form somebody had it at hand, decoded.
pub struct Inspection {
    received: Received,
    form: &'static str,
}

/// What a message is held against.
pub struct Ground<'a> {
    /// The keys of the IdP that it names, if that is known.
    pub keys: Option<&'a TrustedKeys>,
    /// Our own, for what is encrypted.
    pub decryption: &'a DecryptionKeys,
    /// Our entity ID.
    pub sp: &'a EntityId,
    /// Our assertion consumer service.
    pub acs: &'a Location,
    /// Our single logout service for browsers.
    pub slo: &'a Location,
    /// The same for SOAP.
    pub soap: &'a Location,
    /// Whether that IdP's Responses must themselves be signed (SSO-08).
    pub response_signed: bool,
    /// Ages and skews.
    pub limits: &'a Limits,
    /// The moment to judge for.
    pub now: DateTime<Utc>,
}

/// One rule, and what the message makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// The result.
    pub verdict: Verdict,
}

/// Whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Fails(Refusal),
    /// It cannot be told; the text says why.
    Unknown(&'static str),
}

impl Inspection {
    /// Takes a pasted URL, a query, a form body, base64 with or without DEFLATE, XML, or a SOAP
    /// envelope.
    ///
    /// # Errors
    /// What does not decode.
    pub fn of(text: &str) -> Result<Self, Refusal> {
        let text = text.trim().trim_start_matches('\u{feff}');
        let named = text.contains("SAMLRequest=") || text.contains("SAMLResponse=");
        if text.starts_with('<') {
            return Ok(Self::bare("XML", normalized(text.to_owned())));
        }
        if named {
            let pairs = text.split_once('?').map_or(text, |(_, query)| query);
            let pairs = pairs.split_once('#').map_or(pairs, |(query, _)| query).trim();
            return match redirect::decode(pairs) {
                Ok(received) => Ok(Self { received, form: "HTTP-Redirect query" }),
                Err(by_redirect) => match form(pairs) {
                    Some(received) => Ok(Self { received, form: "HTTP-POST form" }),
                    None => Err(by_redirect),
                },
            };
        }
        let encoded: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let pair = format!("SAMLRequest={}", encoded.replace('+', "%2B"));
        let decoded = form(&pair).map_or_else(|| redirect::decode(&pair), Ok)?;
        Ok(Self::bare("base64", decoded.octets))
    }

    /// A message without its binding: an envelope is SOAP, everything else counts as POST.
    fn bare(form: &'static str, octets: String) -> Self {
        let document = Document::parse(&octets);
        let soap = document.as_ref().is_ok_and(|document| document.root().is(SOAP, "Envelope"));
        let request = document.is_ok_and(|document| {
            ["LogoutRequest", "AuthnRequest"].iter().any(|name| !document.all(SAMLP, name).is_empty())
        });
        let received = Received {
            binding: if soap { Binding::Soap } else { Binding::Post },
            parameter: if request { Parameter::SamlRequest } else { Parameter::SamlResponse },
            octets,
            relay_state: None,
            detached: Detached::Absent,
        };
        Self { received, form }
    }

    /// The message's XML, as decoded.
    #[must_use]
    pub fn xml(&self) -> &str {
        &self.received.octets
    }

    /// Who claims to have sent it: for choosing the keys to hold it against.
    #[must_use]
    pub fn issuer(&self) -> Option<EntityId> {
        let document = self.document().ok()?;
        let issuer = document.root().sequence().ok()?.optional(SAML, "Issuer");
        let issuer = issuer.or_else(|| document.all(SAML, "Issuer").first().copied())?;
        EntityId::parse(issuer.text().ok()?).ok()
    }

    /// What the message says, as name and value, whether or not it is true.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("form", self.form.to_owned())];
        if let Some(relay_state) = &self.received.relay_state {
            facts.push(("RelayState", relay_state.as_str().to_owned()));
        }
        if let Detached::Present { algorithm, .. } = &self.received.detached {
            facts.push(("SigAlg", algorithm.clone()));
        }
        let Ok(document) = self.document() else { return facts };
        let root = document.root();
        facts.push(("message", root.name().to_owned()));
        for name in ["ID", "InResponseTo", "IssueInstant", "NotOnOrAfter", "Destination", "Reason"] {
            facts.extend(root.attribute(name).map(|value| (name, value.to_owned())));
        }
        let mut texts = |namespace, name: &'static str| {
            let found = document.all(namespace, name).into_iter().take(8);
            facts.extend(found.filter_map(|node| Some((name, node.text().ok()?.into_owned()))));
        };
        texts(SAML, "Issuer");
        texts(SAML, "NameID");
        texts(SAMLP, "SessionIndex");
        texts(SAML, "Audience");
        texts(SAMLP, "StatusMessage");
        let mut values = |nodes: Vec<Node<'_, '_>>, name, attribute| {
            let found = nodes.into_iter().take(8);
            facts.extend(found.filter_map(|node| Some((name, node.attribute(attribute)?.to_owned()))));
        };
        values(document.all(SAMLP, "StatusCode"), "StatusCode", "Value");
        values(document.all(SAML, "AuthnStatement"), "SessionIndex", "SessionIndex");
        values(document.all(super::xml::DS, "SignatureMethod"), "SignatureMethod", "Algorithm");
        values(document.all(super::write::XENC.uri, "EncryptionMethod"), "EncryptionMethod", "Algorithm");
        facts
    }

    /// Every rule that can be judged by the message alone, in the order in which they are checked
    /// when it arrives.
    #[must_use]
    pub fn findings(&self, ground: &Ground<'_>) -> Vec<Finding> {
        let document = match self.document() {
            Ok(document) => document,
            Err(refusal) => return reading(Some(refusal)),
        };
        let root = document.root();
        if root.is(SAMLP, "LogoutRequest") {
            self.logout_request(ground)
        } else if root.is(SAMLP, "LogoutResponse") {
            self.logout_response(ground)
        } else if root.is(SAMLP, "Response") {
            self.response(ground)
        } else {
            reading(Some(Refusal::WrongMessage))
        }
    }

    fn document(&self) -> Result<Document<'_>, Refusal> {
        match self.received.binding {
            Binding::Soap => Document::parse_soap(&self.received.octets),
            Binding::Redirect | Binding::Post => Document::parse(&self.received.octets),
        }
    }

    fn logout_request(&self, ground: &Ground<'_>) -> Vec<Finding> {
        let me = if self.received.binding == Binding::Soap { ground.soap } else { ground.slo };
        let (mut findings, verified) = match self.authenticated::<LogoutRequest>(ground, me) {
            Ok(Authenticated { findings, verified, message }) => (findings, verified.ok_or(message)),
            Err(findings) => return findings,
        };
        let message = verified.as_ref().map_or_else(|claimed| claimed, Verified::message);
        let current = message.current(ground.limits, ground.now);
        let age = !matches!(current, Err(Refusal::Expired | Refusal::NeverValid));
        findings.push(finding("VAL-15", "issued lately, in UTC", if age { current } else { Ok(()) }));
        findings.push(finding("SLO-22", "NotOnOrAfter has not passed", if age { Ok(()) } else { current }));
        findings.push(match verified {
            Ok(mut request) => finding(
                "SLO-28",
                NAMED,
                request.decrypt(ground.decryption).and_then(|()| request.message().name_id().map(|_| ())),
            ),
            Err(request) => match request.name_id() {
                Err(Refusal::IdentifierEncrypted) => {
                    unknown("SLO-28", NAMED, "decrypted only once authentic")
                }
                named => finding("SLO-28", NAMED, named.map(|_| ())),
            },
        });
        findings.push(unknown("SLO-24", "not received before", "only the running service knows"));
        findings
    }

    fn logout_response(&self, ground: &Ground<'_>) -> Vec<Finding> {
        let (mut findings, message) = match self.authenticated::<LogoutResponse>(ground, ground.slo) {
            Ok(Authenticated { findings, message, .. }) => (findings, message),
            Err(findings) => return findings,
        };
        let lately = fresh(message.head().issue_instant, ground.limits, ground.now);
        findings.push(finding("VAL-15", "issued lately, in UTC", lately));
        findings.push(unknown("SLO-50", "answers an open request of ours", "only the running service knows"));
        findings
    }

    /// What holds of every LogoutRequest and LogoutResponse.
    fn authenticated<M: Message + Clone>(
        &self,
        ground: &Ground<'_>,
        me: &Location,
    ) -> Result<Authenticated<M>, Vec<Finding>> {
        let unopened = Unopened::<M>::read(&self.received).map_err(|refusal| reading(Some(refusal)))?;
        let message = unopened.message().clone();
        let mut findings = reading(None);
        findings.push(finding("VAL-06", "version 2.0", message.head().version.supported()));
        findings.push(finding("VAL-08", ADDRESSED, unopened.destination(Some(me))));
        let verified = match ground.keys {
            None => {
                findings.push(unknown("VAL-09", SIGNED, NO_KEYS));
                None
            }
            // To nowhere: a wrong Destination has been noted, and must not hide the signature.
            Some(keys) => match unopened.signed_by(keys) {
                Ok(verified) => {
                    findings.extend(SIGNATURE.map(|(rule, asks)| finding(rule, asks, Ok(()))));
                    findings.extend(second_opinion(&verified, keys));
                    Some(verified)
                }
                Err(refusal) => {
                    findings.push(finding(refusal.rule(), SIGNED, Err(refusal)));
                    None
                }
            },
        };
        Ok(Authenticated { findings, message, verified })
    }

    fn response(&self, ground: &Ground<'_>) -> Vec<Finding> {
        let unopened = match Unopened::<Response>::read(&self.received) {
            Ok(unopened) => unopened.decrypting_with(ground.decryption),
            Err(refusal) => return reading(Some(refusal)),
        };
        let message = unopened.message().clone();
        let mut findings = reading(None);
        let success =
            if message.status().top == TopLevel::Success { Ok(()) } else { Err(Refusal::NotAuthenticated) };
        let by_post =
            if self.received.binding == Binding::Post { Ok(()) } else { Err(Refusal::ResponseByRedirect) };
        findings.push(finding("SSO-05", "came by HTTP-POST", by_post));
        findings.push(finding("VAL-06", "version 2.0", message.head().version.supported()));
        findings.push(finding("VAL-08", ADDRESSED, unopened.destination(Some(ground.acs))));
        findings.push(finding("SSO-20", "the status is Success", success));
        findings.push(finding("VAL-15", "issued lately, in UTC", {
            fresh(message.head().issue_instant, ground.limits, ground.now)
        }));
        let opened = match ground.keys {
            None => {
                findings.push(unknown("SSO-07", COVERED, NO_KEYS));
                None
            }
            Some(keys) => match unopened.covered_by(keys, ground.response_signed) {
                Ok(mut verified) => {
                    findings.push(finding("SSO-07", COVERED, Ok(())));
                    findings.extend(SIGNATURE.map(|(rule, asks)| finding(rule, asks, Ok(()))));
                    findings.extend(second_opinion(&verified, keys));
                    let named = verified.decrypt_subject(ground.decryption);
                    findings.push(finding("SSO-21", "what is encrypted can be decrypted", named));
                    Some(verified)
                }
                Err(refusal) => {
                    findings.push(finding(refusal.rule(), COVERED, Err(refusal)));
                    None
                }
            },
        };
        let content = opened.as_ref().map_or(message.content(), |verified| verified.message().content());
        match content {
            Content::Assertion(assertion) => {
                findings.extend(self::assertion(assertion, &message, ground));
                findings.push(unknown("SSO-16", "not used before", "only the running service knows"));
            }
            Content::Encrypted(_) => {
                findings.push(unknown("SSO-21", "what the assertion says", "it is encrypted"));
            }
            Content::Nothing => findings.push(finding("SSO-18", "an assertion", Err(Refusal::NoAssertion))),
        }
        findings
    }
}

/// A form body. It looks like a query; but what is in it is XML as soon as the base64 is off.
fn form(pairs: &str) -> Option<Received> {
    post::decode(pairs.as_bytes()).ok().filter(|received| received.octets.trim_start().starts_with('<'))
}

/// A message read and held against its IdP's keys.
struct Authenticated<M> {
    findings: Vec<Finding>,
    message: M,
    verified: Option<Verified<M>>,
}

/// The profile's rules for the assertion, each by itself.
fn assertion(assertion: &Assertion, response: &Response, ground: &Ground<'_>) -> Vec<Finding> {
    let (limits, now) = (ground.limits, ground.now);
    let bearer = sign_in::bearer(assertion, response.in_response_to(), ground.acs, limits, now).map(|_| ());
    let rule = bearer.err().map_or("SSO-15", Refusal::rule);
    let stated = if assertion.authn_statements.is_empty() { Err(Refusal::NoAuthnStatement) } else { Ok(()) };
    let ends = assertion.authn_statements.iter().filter_map(|statement| statement.session_not_on_or_after);
    let over = ends.map(|end| end.at).min().is_some_and(|end| now >= end + limits.skew);
    vec![
        finding("VAL-15", "the assertion was issued lately", fresh(assertion.issue_instant, limits, now)),
        finding(rule, "a bearer confirmation holds here and now", bearer),
        finding("SSO-13", "we are the audience", sign_in::audience(assertion, ground.sp)),
        finding("SSO-14", "its conditions hold now", sign_in::conditions(assertion, limits, now)),
        finding("SSO-18", "it states an authentication", stated),
        finding("SLO-33", "the session is not over", if over { Err(Refusal::SessionOver) } else { Ok(()) }),
    ]
}

const NAMED: &str = "names a principal that can be read";
const ADDRESSED: &str = "the Destination is our endpoint";
const SIGNED: &str = "signed by a key of the identity provider";
const COVERED: &str = "a good signature covers the assertion";
const NO_KEYS: &str = "no keys: its issuer is not known here";

/// What a good signature says about itself.
const SIGNATURE: [(&str, &str); 4] = [
    ("VAL-09", SIGNED),
    ("VAL-10", "the signature covers the element that is read, and has SAML's shape"),
    ("VAL-11", "transforms and canonicalisation are allowed"),
    ("VAL-14", "algorithms are allowed"),
];

/// The rules of reading, in the order of the pipeline.
const READING: [(&str, &str); 7] = [
    ("VAL-01", "within the limits of size, depth and attributes"),
    ("VAL-02", "no document type declaration"),
    ("VAL-03", "no comment or processing instruction"),
    ("VAL-04", "well-formed, and valid by the schema"),
    ("VAL-19", "the message that belongs here"),
    ("VAL-12", "no other message or assertion inside"),
    ("VAL-07", "names its Issuer"),
];

/// What the second engine says of a good signature, in a build that has one. It is only an opinion:
/// the settings decide whether a running service refuses what it does not confirm.
#[cfg(feature = "second-opinion")]
fn second_opinion<M: Message>(verified: &Verified<M>, keys: &TrustedKeys) -> Option<Finding> {
    const ASKS: &str = "another engine confirms the signature";
    let judged = verified.case()?.judge(keys);
    Some(match judged {
        Ok(()) => finding("second-opinion", ASKS, Ok(())),
        Err(_) => unknown("second-opinion", ASKS, "it does not; ADR 6 has the known differences"),
    })
}

#[cfg(not(feature = "second-opinion"))]
const fn second_opinion<M: Message>(_: &Verified<M>, _: &TrustedKeys) -> Option<Finding> {
    None
}

/// The rules of reading, all of which hold, or one does not.
fn reading(refusal: Option<Refusal>) -> Vec<Finding> {
    let Some(refusal) = refusal else {
        return READING.map(|(rule, asks)| finding(rule, asks, Ok(()))).into();
    };
    let listed = READING.iter().find(|(rule, _)| *rule == refusal.rule());
    vec![finding(refusal.rule(), listed.map_or("can be read", |(_, asks)| asks), Err(refusal))]
}

fn finding(rule: &'static str, asks: &'static str, result: Result<(), Refusal>) -> Finding {
    Finding { rule, asks, verdict: result.map_or_else(Verdict::Fails, |()| Verdict::Holds) }
}

const fn unknown(rule: &'static str, asks: &'static str, why: &'static str) -> Finding {
    Finding { rule, asks, verdict: Verdict::Unknown(why) }
}
