//! What a verified Response lets a person do: the Web Browser SSO profile's checks on the
//! assertion (Profiles 4.1.4.3).

use chrono::{DateTime, Utc};

use super::assertion::{Assertion, Confirmation, Subject};
use super::message::{Limits, fresh};
use super::names::{EntityId, Location, MessageId, NameId, SessionIndex};
use super::refusal::{NotConfirmed, Refusal};
use super::response::{Content, Response};
use super::signature::Verified;

/// A sign-in that an IdP has vouched for. Whether a request of ours waits for it, whether the
/// assertion was used before and whether a logout covers it is for the store to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The IdP that signed.
    pub idp: EntityId,
    /// The AuthnRequest that is answered; none if the response is unsolicited (SSO-11, SSO-12).
    pub in_response_to: Option<MessageId>,
    /// The assertion's ID, usable once (SSO-16).
    pub assertion_id: MessageId,
    /// The assertion's own IssueInstant, for bars.
    pub issue_instant: DateTime<Utc>,
    /// The principal; none makes a session that the IdP cannot end (SSO-22).
    pub name_id: Option<NameId>,
    /// Every SessionIndex of every statement (SSO-18).
    pub session_indexes: Vec<SessionIndex>,
    /// The latest AuthnInstant of the statements.
    pub authn_instant: DateTime<Utc>,
    /// The nearest SessionNotOnOrAfter of the statements (SLO-33).
    pub session_not_on_or_after: Option<DateTime<Utc>>,
    /// Until when the assertion's ID must be remembered (SSO-16).
    pub remember_until: DateTime<Utc>,
}

impl SignIn {
    /// Judges the assertion of a verified Response:
    ///
    /// 1. the status is Success (SSO-20), with one assertion (SSO-18);
    /// 2. the assertion's issuer is the signer (SSO-17);
    /// 3. its IssueInstant is fresh (VAL-15, and the house decision on bars);
    /// 4. a bearer confirmation holds for this endpoint (SSO-09, SSO-10, SSO-15);
    /// 5. its InResponseTo is that of the Response (SSO-11);
    /// 6. the audience is us, in every restriction (SSO-13);
    /// 7. the conditions hold now and are all understood (SSO-14);
    /// 8. there is an authentication statement, of a session that is not over (SSO-18, SLO-33).
    ///
    /// # Errors
    /// The refusal that names the first check that failed.
    pub fn judge(
        response: &Verified<Response>,
        acs: &Location,
        sp: &EntityId,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let assertion = assertion(response.message())?; // (1)
        if assertion.issuer() != response.signer() {
            return Err(Refusal::IssuerMismatch); // (2)
        }
        fresh(assertion.issue_instant, limits, now)?; // (3)
        let in_response_to = response.message().in_response_to();
        let confirmation = bearer(assertion, in_response_to, acs, limits, now)?; // (4) (5)
        audience(assertion, sp)?; // (6)
        conditions(assertion, limits, now)?; // (7)
        let name_id = match &assertion.subject {
            Subject::NameId(name_id) => Some(name_id.clone()),
            Subject::Encrypted(_) => return Err(Refusal::AssertionEncrypted),
            Subject::Nameless => None,
        };
        let statements = &assertion.authn_statements;
        let authn_instant =
            statements.iter().map(|s| s.authn_instant.at).max().ok_or(Refusal::NoAuthnStatement)?; // (8)
        let session_end = statements.iter().filter_map(|s| s.session_not_on_or_after).map(|end| end.at).min();
        if session_end.is_some_and(|end| now >= end + limits.skew) {
            return Err(Refusal::SessionOver);
        }
        let mut session_indexes: Vec<_> = statements.iter().filter_map(|s| s.session_index.clone()).collect();
        session_indexes.sort();
        session_indexes.dedup();

        let usable_until = confirmation.not_on_or_after.map_or(now, |end| end.at);
        Ok(Self {
            idp: response.signer().clone(),
            in_response_to: in_response_to.cloned(),
            assertion_id: assertion.id.clone(),
            issue_instant: assertion.issue_instant.at,
            name_id,
            session_indexes,
            authn_instant,
            session_not_on_or_after: session_end,
            // No assertion is taken past its maximum age, so no ID need be kept much longer, however
            // far its NotOnOrAfter lies.
            remember_until: usable_until.min(now + limits.max_age) + limits.max_age + limits.skew * 2,
        })
    }
}

/// The one assertion of a response that says Success.
fn assertion(response: &Response) -> Result<&Assertion, Refusal> {
    if response.status().top != super::status::TopLevel::Success {
        return Err(Refusal::NotAuthenticated);
    }
    match response.content() {
        Content::Assertion(assertion) => Ok(assertion),
        Content::Encrypted(_) => Err(Refusal::AssertionEncrypted),
        Content::Nothing => Err(Refusal::NoAssertion),
    }
}

/// The first bearer confirmation that holds, else why the last one did not (SSO-15: one good one
/// suffices).
pub(super) fn bearer<'a>(
    assertion: &'a Assertion,
    in_response_to: Option<&MessageId>,
    acs: &Location,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<&'a Confirmation, Refusal> {
    let mut last = NotConfirmed::NoBearer;
    for confirmation in assertion.confirmations.iter().filter(|confirmation| confirmation.bearer) {
        match holds(confirmation, in_response_to, acs, limits, now) {
            Ok(()) => return Ok(confirmation),
            Err(reason) => last = reason,
        }
    }
    Err(Refusal::NotConfirmed(last))
}

fn holds(
    confirmation: &Confirmation,
    in_response_to: Option<&MessageId>,
    acs: &Location,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<(), NotConfirmed> {
    if confirmation.recipient.as_deref() != Some(acs.as_str()) {
        return Err(NotConfirmed::Recipient);
    }
    if confirmation.not_before.is_some() {
        return Err(NotConfirmed::NotBefore);
    }
    let end = confirmation.not_on_or_after.ok_or(NotConfirmed::NoNotOnOrAfter)?;
    if now >= end.at + limits.skew {
        return Err(NotConfirmed::Expired);
    }
    if confirmation.in_response_to.as_ref() == in_response_to {
        Ok(())
    } else {
        Err(NotConfirmed::InResponseTo)
    }
}

pub(super) fn audience(assertion: &Assertion, sp: &EntityId) -> Result<(), Refusal> {
    let restrictions = &assertion.conditions.audience_restrictions;
    let named = restrictions.iter().all(|audiences| audiences.iter().any(|audience| audience == sp.as_str()));
    if named && !restrictions.is_empty() { Ok(()) } else { Err(Refusal::Audience) }
}

pub(super) fn conditions(assertion: &Assertion, limits: &Limits, now: DateTime<Utc>) -> Result<(), Refusal> {
    let conditions = &assertion.conditions;
    if conditions.unknown {
        return Err(Refusal::ConditionUnknown);
    }
    let early = conditions.not_before.is_some_and(|start| now + limits.skew < start.at);
    let late = conditions.not_on_or_after.is_some_and(|end| now >= end.at + limits.skew);
    if early || late { Err(Refusal::ConditionTime) } else { Ok(()) }
}
