//! Messages on their way to an identity provider: the endpoint is chosen, the message written and
//! signed.

use chrono::{DateTime, Utc};

use crate::app::registry::{KnownIdp, Naming};
use crate::app::{App, Fault};
use crate::logout::step::ANSWER_WITHIN;
use crate::saml::binding::Outbound;
use crate::saml::binding::encode::{self, EncodeError};
use crate::saml::encryption::EncryptedId;
use crate::saml::logout_request::LogoutRequest;
use crate::saml::names::{Binding, Location, MessageId, NameId, PERSISTENT, RelayState, SessionIndex};
use crate::saml::outbound::{
    NameIdPolicy, NewAuthnRequest, NewLogoutRequest, NewLogoutResponse, Reason, Unsigned,
};
use crate::saml::signature::Verified;
use crate::saml::status::Status;

/// What an answer is given to.
#[derive(Clone, Copy)]
pub(super) enum Answering<'a> {
    /// A request whose sender is proved: any status.
    Verified(&'a Verified<LogoutRequest>, &'a Status),
    /// A request that only claims to be from this identity provider: denied (row g).
    Unverified(&'a MessageId),
}

/// A LogoutRequest of ours.
pub(super) struct Request<'a> {
    pub(super) id: &'a MessageId,
    pub(super) reason: Reason,
    pub(super) name_id: &'a NameId,
    pub(super) session_indexes: &'a [SessionIndex],
    /// Needs no answer (SLO-49).
    pub(super) asynchronous: bool,
}

/// A principal as it is named towards one identity provider.
struct Name {
    name_id: NameId,
    encrypted: Option<EncryptedId>,
}

impl App {
    /// A LogoutResponse through the browser, to the identity provider's `ResponseLocation` (SLO-18);
    /// none if it has no endpoint for that (SLO-19).
    pub(super) fn front_answer(
        &self,
        idp: &KnownIdp,
        answering: Answering<'_>,
        relay_state: Option<&RelayState>,
    ) -> Result<Option<Outbound>, Fault> {
        let id = self.message_id()?;
        let endpoints = idp.front_logout().map(|endpoint| (endpoint.binding, endpoint.response_location()));
        let write = |destination: &Location| self.answer(answering, &id, Some(destination));
        Self::front(idp, endpoints, relay_state, write)
    }

    /// A LogoutResponse in a SOAP envelope.
    pub(super) fn soap_answer(&self, idp: &KnownIdp, answering: Answering<'_>) -> Result<String, Fault> {
        let id = self.message_id()?;
        Ok(encode::soap(&self.answer(answering, &id, None), &idp.signer)?)
    }

    fn answer(&self, answering: Answering<'_>, id: &MessageId, destination: Option<&Location>) -> Unsigned {
        let (now, me) = (self.now(), &self.0.me.entity_id);
        match answering {
            Answering::Verified(request, status) => {
                NewLogoutResponse::answering(request, status.clone(), id, now, destination, me).write()
            }
            Answering::Unverified(request) => {
                NewLogoutResponse::denying(Some(request), id, now, destination, me).write()
            }
        }
    }

    /// A LogoutRequest through the browser; none if the identity provider has no endpoint for that.
    pub(super) fn front_request(
        &self,
        idp: &KnownIdp,
        request: &Request<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Outbound>, Fault> {
        let endpoints = idp.front_logout().map(|endpoint| (endpoint.binding, &endpoint.location));
        let name = self.name(idp, request)?;
        Self::front(idp, endpoints, None, |destination| self.request(&name, request, destination, now))
    }

    /// A LogoutRequest in a SOAP envelope, for this endpoint.
    pub(super) fn soap_request(
        &self,
        idp: &KnownIdp,
        request: &Request<'_>,
        destination: &Location,
        now: DateTime<Utc>,
    ) -> Result<String, Fault> {
        let name = self.name(idp, request)?;
        Ok(encode::soap(&self.request(&name, request, destination, now), &idp.signer)?)
    }

    /// The principal as this identity provider wants it named.
    fn name(&self, idp: &KnownIdp, request: &Request<'_>) -> Result<Name, Fault> {
        // Core 8.3.7 wants a persistent NameID of another's making qualified; SDP-SP29 wants it as it
        // came. As it came is the default.
        let mut name_id = request.name_id.clone();
        let qualify = idp.policy.add_name_qualifier
            && name_id.name_qualifier.is_none()
            && name_id.format.as_deref() == Some(PERSISTENT);
        if qualify {
            name_id.name_qualifier = Some(idp.entity_id.to_string());
        }
        let encrypted = match idp.naming().ok_or(Fault::NoEncryptionKey)? {
            Naming::Plain => None,
            Naming::Encrypted(target) => {
                let random = self.0.entropy.bytes()?;
                Some(EncryptedId::new(&name_id, target, &random).map_err(Fault::Crypto)?)
            }
        };
        Ok(Name { name_id, encrypted })
    }

    fn request(
        &self,
        name: &Name,
        request: &Request<'_>,
        destination: &Location,
        now: DateTime<Utc>,
    ) -> Unsigned {
        let message = NewLogoutRequest {
            id: request.id,
            issue_instant: now,
            destination,
            issuer: &self.0.me.entity_id,
            not_on_or_after: Some(now + ANSWER_WITHIN),
            reason: request.reason,
            name_id: &name.name_id,
            session_indexes: request.session_indexes,
            asynchronous: request.asynchronous,
        };
        match &name.encrypted {
            Some(encrypted) => message.write_encrypted(encrypted),
            None => message.write(),
        }
    }

    /// An AuthnRequest through the browser; none if the identity provider has no endpoint for that.
    pub(super) fn authn_request(
        &self,
        idp: &KnownIdp,
        id: &MessageId,
        force_authn: bool,
        relay_state: &RelayState,
        now: DateTime<Utc>,
    ) -> Result<Option<Outbound>, Fault> {
        let any = NameIdPolicy { format: None, allow_create: true };
        let write = |destination: &Location| {
            NewAuthnRequest {
                id,
                issue_instant: now,
                destination,
                issuer: &self.0.me.entity_id,
                acs: &self.0.me.acs,
                force_authn,
                is_passive: false,
                name_id_policy: idp.policy.allow_create.then_some(&any),
            }
            .write()
        };
        Self::front(idp, idp.single_sign_on().into_iter(), Some(relay_state), write)
    }

    /// Puts a message on the first front-channel endpoint; where that makes a URL too long for
    /// comfort, on the POST endpoint if there is one (BIND-12).
    fn front<'a>(
        idp: &KnownIdp,
        endpoints: impl Iterator<Item = (Binding, &'a Location)>,
        relay_state: Option<&RelayState>,
        write: impl Fn(&Location) -> Unsigned,
    ) -> Result<Option<Outbound>, Fault> {
        let mut best = None;
        for (binding, location) in endpoints {
            let outbound = Self::encode(idp, binding, &write(location), relay_state)?;
            let comfortable = match &outbound {
                Outbound::Redirect { url } => url.len() <= encode::LONGEST_URL,
                Outbound::Post { .. } => true,
            };
            if comfortable {
                return Ok(Some(outbound));
            }
            best.get_or_insert(outbound);
        }
        Ok(best)
    }

    fn encode(
        idp: &KnownIdp,
        binding: Binding,
        message: &Unsigned,
        relay_state: Option<&RelayState>,
    ) -> Result<Outbound, EncodeError> {
        match binding {
            Binding::Redirect => encode::redirect(message, relay_state, &idp.signer, idp.policy.ecdsa()),
            Binding::Post | Binding::Soap => encode::post(message, relay_state, &idp.signer),
        }
    }
}
